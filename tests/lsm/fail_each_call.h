// tests/lsm/fail_each_call.h - error injection in small: one piece of work, with each of its calls failing in turn.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <string>

#include "lsm/io/fault_file_system.h"

namespace varve::lsm {

// Runs `work` with its first call of the file system failing (kIoError), then its second, until none fails. After each
// run `judge` is told whether a call failed, and what `work` returned; it may put things right for the next one.
template <typename Work, typename Judge>
void FailEachCall(FaultFileSystem* fs, Work work, Judge judge) {
  uint64_t calls = 0;
  for (bool met = true; met; ++calls) {
    SCOPED_TRACE("call " + std::to_string(calls + 1));
    const uint64_t before = fs->FaultCount();
    fs->AddRule(FaultRule::At(fs->CallCount() + 1 + calls));
    const auto result = work();
    fs->ClearRules();
    met = fs->FaultCount() > before;
    judge(met, result);
  }
  EXPECT_GT(calls, 1u) << "nothing was called";
}

}  // namespace varve::lsm
