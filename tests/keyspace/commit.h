// tests/keyspace/commit.h - a tick's commit, however far behind the engine's flushes are.
#pragma once

#include <gtest/gtest.h>

#include "keyspace/keyspace.h"

namespace varve::keyspace {

// Whatever the write controller puts off is tried again when the flushes have caught up. Then a new command begins.
inline void CommitAndGoOn(Keyspace& keys) {
  auto sequence = keys.Commit(nullptr);
  while (sequence.status().Is(lsm::StatusCode::kBusy)) {
    ASSERT_TRUE(keys.db()->WaitForBackgroundWork().ok());
    sequence = keys.Commit(nullptr);
  }
  ASSERT_TRUE(sequence.ok()) << sequence.status().ToString();
  keys.BeginCommand();
}

}  // namespace varve::keyspace
