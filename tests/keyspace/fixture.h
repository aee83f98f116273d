// tests/keyspace/fixture.h - a keyspace on a directory of its own under /tmp, with a clock that the test moves.
//
// Threads: the test's. The engine's background threads are real.
#pragma once

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "keyspace/keyspace.h"
#include "tests/keyspace/commit.h"
#include "tests/keyspace/invariants.h"

namespace varve::keyspace {

class TestClock : public lsm::Clock {
 public:
  uint64_t MonotonicMicros() override { return static_cast<uint64_t>(now_ms) * 1000; }
  int64_t WallMillis() override { return now_ms; }
  int64_t now_ms = 1'000'000;
};

class KeyspaceTest : public ::testing::Test {
 protected:
  KeyspaceTest() {
    char name[] = "/tmp/varve_keyspace_XXXXXX";
    dir_ = mkdtemp(name);
    Open();
  }
  ~KeyspaceTest() override {
    keys_.reset();
    db_.reset();
    std::filesystem::remove_all(dir_);
  }

  void Open() {
    keys_.reset();
    db_.reset();
    auto db = lsm::Db::Open(dir_ + "/db", {.memory_budget = 16 << 20, .wal_sync = lsm::WalSync::kNever});
    ASSERT_TRUE(db.ok()) << db.status().ToString();
    db_ = std::move(*db);
    auto keys = Keyspace::Open(db_.get(), {.clock = &clock_});
    ASSERT_TRUE(keys.ok()) << keys.status().ToString();
    keys_ = std::move(*keys);
  }
  void Commit() { CommitAndGoOn(*keys_); }
  void Set(std::string_view name, std::string_view value, uint64_t expire_ms = 0, int db = 0) {
    lsm::Status status = keys_->Set(db, name, value, expire_ms);
    ASSERT_TRUE(status.ok()) << status.ToString();
  }
  // The value, or "(none)".
  std::string Get(std::string_view name, int db = 0) {
    keys_->BeginCommand();
    auto found = keys_->Find(db, name, &entry_);
    EXPECT_TRUE(found.ok()) << found.status().ToString();
    return found.ok() && *found ? std::string(entry_.value) : "(none)";
  }
  std::vector<std::string> Names(std::string_view pattern, int db = 0) {
    std::vector<std::string> names;
    EXPECT_TRUE(keys_
                    ->ForEachName(db, pattern,
                                  [&](std::string_view name) {
                                    names.emplace_back(name);
                                    return true;
                                  })
                    .ok());
    return names;
  }
  size_t Expire(size_t limit = 1000) {
    keys_->BeginCommand();
    auto count = keys_->ActiveExpire(limit);
    EXPECT_TRUE(count.ok());
    return count.ok() ? *count : 0;
  }
  void CheckInvariants() {
    Commit();
    EXPECT_EQ(BrokenInvariants(*keys_), "");
  }

  TestClock clock_;
  std::string dir_;
  std::unique_ptr<lsm::Db> db_;
  std::unique_ptr<Keyspace> keys_;
  Entry entry_;
};

}  // namespace varve::keyspace
