#include "keyspace/keyspace.h"

#include <map>
#include <random>
#include <set>

#include "lsm/io/fault_file_system.h"
#include "lsm/io/memory_file_system.h"
#include "tests/keyspace/fixture.h"

namespace varve::keyspace {
namespace {

TEST_F(KeyspaceTest, WritesAreSeenBeforeAndAfterTheCommit) {
  Set("a", "1");
  EXPECT_EQ(Get("a"), "1");
  Commit();
  EXPECT_EQ(Get("a"), "1");
  Set("a", "2");
  EXPECT_EQ(Get("a"), "2");
  EXPECT_EQ(Get("a", 1), "(none)");
}

// What the server holds back, and takes back, by: too early a number would show what may yet be lost.
TEST_F(KeyspaceTest, TellsWhichCommitAReadHasSeen) {
  const auto read = [&](auto&& command) {
    keys_->BeginCommand();
    command();
    return keys_->read_commit();
  };
  const auto find = [&](std::string_view name, int db = 0) {
    return read([&] { (void)keys_->Find(db, name, &entry_); });
  };
  const auto head = [&](std::string_view name) { return read([&] { (void)keys_->FindHead(0, name, &entry_); }); };
  const auto look = [&](std::string_view name) { return read([&] { (void)keys_->Look(0, name, &entry_); }); };

  EXPECT_EQ(keys_->next_commit(), 1u);
  EXPECT_EQ(find("a"), 0u);
  Set("a", "1");
  EXPECT_EQ(find("a"), 1u) << "pending";
  EXPECT_EQ(head("a"), 1u);
  EXPECT_EQ(look("a"), 1u);
  EXPECT_EQ(find("b"), 0u);
  EXPECT_EQ(find("a", 1), 0u) << "of another database";
  Commit();
  EXPECT_EQ(keys_->next_commit(), 2u);
  EXPECT_EQ(head("a"), 1u);

  Set("b", "1", static_cast<uint64_t>(clock_.now_ms) + 10);
  Commit();
  EXPECT_EQ(find("a"), 1u);
  EXPECT_EQ(find("b"), 2u);
  EXPECT_EQ(read([&] { (void)keys_->Find(0, "b", &entry_), (void)keys_->Find(0, "a", &entry_); }), 2u) << "the latest";
  EXPECT_EQ(read([] {}), 0u);
  clock_.now_ms += 10;
  EXPECT_EQ(look("b"), 2u) << "only looking";
  keys_->BeginCommand();
  ASSERT_EQ(keys_->ActiveExpire(10).value_or(0), 1u);
  EXPECT_EQ(find("b"), 3u) << "expired, but not yet for good";
  Commit();

  keys_->BeginCommand();
  ASSERT_TRUE(keys_->Remove(0, "a").value_or(false));
  EXPECT_EQ(look("a"), 4u) << "deleted";
  keys_->Abandon();
  EXPECT_EQ(keys_->next_commit(), 4u);
  EXPECT_GE(look("a"), 1u);
  Set("a", "2");
  Commit();
  EXPECT_EQ(find("a"), 4u);

  EXPECT_EQ(find("c"), 0u);
  ASSERT_TRUE(keys_->FlushDb(0).ok());
  EXPECT_EQ(find("c"), 5u) << "nobody counts what was flushed";
  Commit();
  Set("a", "3");
  ASSERT_TRUE(keys_->SwapDatabases(0, 1).ok());
  EXPECT_EQ(find("a"), 6u);
  EXPECT_EQ(find("a", 1), 6u);
  Commit();
  EXPECT_EQ(keys_->next_commit(), 7u);
  EXPECT_EQ(find(std::string(kNameSizeMax + 1, 'x')), 0u) << "never there";
}

TEST_F(KeyspaceTest, SurvivesReopening) {
  Set("a", "1");
  Set("b", "2", 5'000'000);
  Set("c", "3", 0, 4);
  Commit();
  Set("lost", "never committed");
  Open();
  EXPECT_EQ(Get("a"), "1");
  EXPECT_EQ(Get("b"), "2");
  EXPECT_EQ(entry_.expire_ms, 5'000'000u);
  EXPECT_EQ(Get("c", 4), "3");
  EXPECT_EQ(Get("lost"), "(none)");
  EXPECT_EQ(keys_->counters(0), (Counters{.keys = 2, .expires = 1}));
  EXPECT_EQ(keys_->counters(4), (Counters{.keys = 1, .expires = 0}));
  CheckInvariants();
}

TEST_F(KeyspaceTest, ExpiredKeysAreInvisibleAtOnce) {
  Set("a", "1", static_cast<uint64_t>(clock_.now_ms) + 100);
  clock_.now_ms += 99;
  EXPECT_EQ(Get("a"), "1");
  clock_.now_ms += 1;
  EXPECT_TRUE(Names("*").empty() || Names("*") == std::vector<std::string>{"a"});  // the clock of the last command
  keys_->BeginCommand();
  EXPECT_TRUE(Names("*").empty());
  EXPECT_EQ(keys_->counters(0).keys, 1);  // not deleted yet
  EXPECT_EQ(Get("a"), "(none)");
  EXPECT_EQ(keys_->counters(0), Counters{});  // deleted by the touch
  EXPECT_EQ(keys_->expire_stats().expired_keys, 1u);
  CheckInvariants();
}

TEST_F(KeyspaceTest, ActiveExpireDeletesWhatIsDueInOrderOfTime) {
  for (int i = 0; i < 10; i++) Set("k" + std::to_string(i), "v", static_cast<uint64_t>(clock_.now_ms + 1000 - i));
  Set("later", "v", static_cast<uint64_t>(clock_.now_ms + 100'000));
  Set("never", "v");
  Commit();
  EXPECT_EQ(Expire(), 0u);
  clock_.now_ms += 995;
  EXPECT_EQ(Expire(3), 3u);
  EXPECT_EQ(Get("k7"), "(none)");
  EXPECT_EQ(Expire(), 2u);  // k6 and k5; k7 was deleted above
  Commit();
  clock_.now_ms += 5;
  EXPECT_EQ(Expire(), 5u);
  EXPECT_EQ(Expire(), 0u);
  EXPECT_EQ(Names("*"), (std::vector<std::string>{"later", "never"}));
  EXPECT_EQ(keys_->expire_stats().stale_entries, 0u);
  CheckInvariants();
}

// The walk goes on where it stopped, within one millisecond, too; what is put before that place is still found.
TEST_F(KeyspaceTest, ManyKeysOfOneMomentExpireInSteps) {
  const uint64_t due_ms = static_cast<uint64_t>(clock_.now_ms) + 1000;
  for (int i = 100; i < 200; i++) Set("k" + std::to_string(i), "v", due_ms);
  Commit();
  clock_.now_ms += 1000;
  EXPECT_EQ(Expire(30), 30u);
  EXPECT_EQ(Expire(30), 30u);
  Set("a", "v", due_ms);
  Set("b", "v", due_ms - 1);
  EXPECT_EQ(Expire(1), 1u);
  EXPECT_EQ(Expire(1), 1u);
  Commit();
  EXPECT_EQ(Expire(1000), 40u);
  EXPECT_EQ(keys_->counters(0), Counters{});
  EXPECT_EQ(keys_->expire_stats().stale_entries, 0u);
  CheckInvariants();
}

TEST_F(KeyspaceTest, ChangingATimeToLiveMovesItsIndexEntry) {
  Set("a", "1", 2'000'000);
  Set("a", "2", 3'000'000);
  CheckInvariants();
  Set("a", "3");
  CheckInvariants();
  EXPECT_EQ(keys_->counters(0), (Counters{.keys = 1, .expires = 0}));
}

TEST_F(KeyspaceTest, FlushEmptiesOneDatabase) {
  Set("a", "1", 2'000'000);
  Set("b", "2");
  Set("c", "3", 0, 1);
  Commit();
  Set("pending", "x");
  ASSERT_TRUE(keys_->FlushDb(0).ok());
  EXPECT_EQ(Get("a"), "(none)");
  EXPECT_EQ(Get("pending"), "(none)");
  Set("after", "1", 2'000'000);
  CheckInvariants();
  EXPECT_EQ(Names("*"), std::vector<std::string>{"after"});
  EXPECT_EQ(Get("c", 1), "3");
  Open();
  CheckInvariants();
}

TEST_F(KeyspaceTest, PatternsSeekToTheirPrefix) {
  for (const char* name : {"a", "user:1", "user:10", "user:2", "users", "z", ""}) Set(name, "v");
  EXPECT_EQ(Names("user:*"), (std::vector<std::string>{"user:1", "user:10", "user:2"}));
  EXPECT_EQ(Names("user:?"), (std::vector<std::string>{"user:1", "user:2"}));
  EXPECT_EQ(Names("user:2"), std::vector<std::string>{"user:2"});
  EXPECT_EQ(Names("nosuch"), std::vector<std::string>{});
  EXPECT_EQ(Names("*").size(), 7u);
  EXPECT_EQ(Names("*s"), std::vector<std::string>{"users"});
}

TEST_F(KeyspaceTest, ScanReturnsEverythingThatStays) {
  std::set<std::string> stays;
  for (int i = 0; i < 500; i++) {
    const std::string name = "key:" + std::to_string(i);
    Set(name, "v");
    if (i % 3 != 0) stays.insert(name);
  }
  Commit();
  std::multiset<std::string> seen;
  uint64_t cursor = 0;
  int page = 0;
  do {
    std::vector<std::string> names;
    auto next = keys_->Scan(0, cursor, {.count = 7}, &names);
    ASSERT_TRUE(next.ok()) << next.status().ToString();
    seen.insert(names.begin(), names.end());
    // Meanwhile others write and delete.
    ASSERT_TRUE(keys_->Remove(0, "key:" + std::to_string(3 * page)).ok());
    Set("new:" + std::to_string(page), "v");
    if (page % 5 == 0) Commit();
    cursor = *next;
    page++;
  } while (cursor != 0 && page < 1000);
  for (const std::string& name : stays) EXPECT_EQ(seen.count(name), 1u) << name;
}

// As Redis' SCAN: of the names that match, those whose time has come are gone afterwards. A mere look leaves them.
TEST_F(KeyspaceTest, ScanDeletesWhatHasExpiredWhenAsked) {
  for (int i = 0; i < 10; i++) Set("a" + std::to_string(i), "v", static_cast<uint64_t>(clock_.now_ms + 1));
  Set("a10", "v");
  Set("b", "v", static_cast<uint64_t>(clock_.now_ms + 1));
  Commit();
  clock_.now_ms++;
  keys_->BeginCommand();
  std::vector<std::string> names;
  ASSERT_TRUE(keys_->Scan(0, 0, {.pattern = "a*", .count = 1000}, &names).ok());
  EXPECT_EQ(keys_->counters(0).keys, 12);
  uint64_t cursor = 0;
  do {
    auto next = keys_->Scan(0, cursor, {.pattern = "a*", .count = 3, .delete_expired = true}, &names);
    ASSERT_TRUE(next.ok()) << next.status().ToString();
    cursor = *next;
  } while (cursor != 0);
  EXPECT_EQ(names, (std::vector<std::string>{"a10", "a10"}));
  EXPECT_EQ(keys_->counters(0), (Counters{.keys = 2, .expires = 1}));
  EXPECT_EQ(keys_->expire_stats().expired_keys, 10u);
  CheckInvariants();
}

TEST_F(KeyspaceTest, ScanHonoursPatternAndType) {
  for (int i = 0; i < 100; i++) Set("a" + std::to_string(i), "v");
  Set("b", "v");
  std::vector<std::string> names;
  auto next = keys_->Scan(0, 0, {.pattern = "b*", .count = 1}, &names);
  ASSERT_TRUE(next.ok());
  EXPECT_EQ(*next, 0u);
  EXPECT_EQ(names, std::vector<std::string>{"b"});
  names.clear();
  next = keys_->Scan(0, 0, {.pattern = "a*5", .count = 1000, .any_type = false, .type_name = "STRING"}, &names);
  ASSERT_TRUE(next.ok());
  EXPECT_EQ(names.size(), 10u);
  names.clear();
  next = keys_->Scan(0, 0, {.count = 1000, .any_type = false, .type_name = "list"}, &names);
  ASSERT_TRUE(next.ok());
  EXPECT_TRUE(names.empty());
  EXPECT_TRUE(keys_->Scan(0, 12345, {}, &names).status().Is(lsm::StatusCode::kNotFound));
}

TEST_F(KeyspaceTest, WatchedKeysCountTheirChanges) {
  Set("a", "1");
  const uint64_t a = keys_->Watch(0, "a");
  const uint64_t none = keys_->Watch(0, "none");
  EXPECT_EQ(keys_->WatchedVersion(0, "a"), a);
  Set("other", "x");
  EXPECT_EQ(keys_->WatchedVersion(0, "a"), a);
  Set("a", "1");
  EXPECT_NE(keys_->WatchedVersion(0, "a"), a);
  const uint64_t before = keys_->WatchedVersion(0, "a");
  ASSERT_TRUE(keys_->FlushDb(0).ok());
  EXPECT_NE(keys_->WatchedVersion(0, "a"), before);
  EXPECT_EQ(keys_->WatchedVersion(0, "none"), none);  // was not there before, is not there now
  keys_->Unwatch(0, "a");
  keys_->Unwatch(0, "none");
}

TEST_F(KeyspaceTest, RandomNameOfASmallDatabaseIsUniform) {
  std::string name;
  auto found = keys_->RandomName(0, &name);
  ASSERT_TRUE(found.ok());
  EXPECT_FALSE(*found);
  for (int i = 0; i < 10; i++) Set("k" + std::to_string(i), "v");
  std::map<std::string, int> drawn;
  for (int i = 0; i < 5000; i++) {
    ASSERT_TRUE(keys_->RandomName(0, &name).ok());
    drawn[name]++;
  }
  ASSERT_EQ(drawn.size(), 10u);
  for (const auto& [key, count] : drawn) {
    EXPECT_GT(count, 350) << key;
    EXPECT_LT(count, 650) << key;
  }
}

TEST_F(KeyspaceTest, RandomNameOfALargeDatabaseReachesAllParts) {
  char text[32];
  for (int i = 0; i < 2000; i++) {
    snprintf(text, sizeof(text), "key:%06d", i);
    Set(text, "v");
  }
  Commit();
  std::array<int, 20> buckets{};
  std::string name;
  for (int i = 0; i < 4000; i++) {
    auto found = keys_->RandomName(0, &name);
    ASSERT_TRUE(found.ok() && *found);
    buckets[static_cast<size_t>(std::stoi(name.substr(4)) / 100)]++;
  }
  for (int count : buckets) {
    EXPECT_GT(count, 100);
    EXPECT_LT(count, 320);
  }
}

TEST_F(KeyspaceTest, RefusesNamesTheEngineCannotHold) {
  const std::string longest(kNameSizeMax, 'k');
  Set(longest, "v", 2'000'000);
  EXPECT_EQ(Get(longest), "v");
  EXPECT_TRUE(keys_->Set(0, longest + "k", "v").Is(lsm::StatusCode::kInvalidArgument));
  EXPECT_EQ(Get(longest + "k"), "(none)");
  CheckInvariants();
}

TEST_F(KeyspaceTest, AFailedCommitLeavesEverythingAsBefore) {
  Set("a", "1", 2'000'000);
  Commit();
  Set("a", "2");
  Set("b", "1");
  ASSERT_TRUE(db_->Close().ok());
  EXPECT_FALSE(keys_->Commit(nullptr).ok());
  EXPECT_FALSE(keys_->has_pending());
  EXPECT_EQ(keys_->counters(0), (Counters{.keys = 1, .expires = 1}));
  Open();
  EXPECT_EQ(Get("a"), "1");
  EXPECT_EQ(Get("b"), "(none)");
  CheckInvariants();
}

TEST_F(KeyspaceTest, CommitOfNothingWritesNothing) {
  auto sequence = keys_->Commit([](const lsm::Status&) { FAIL(); });
  ASSERT_TRUE(sequence.ok());
  EXPECT_EQ(*sequence, 0u);
}

TEST_F(KeyspaceTest, RefusesANewerFormat) {
  Set("a", "1");
  Commit();
  ASSERT_TRUE(db_->Put({}, "v", std::string("\x03\0\0\0", 4)).ok());
  EXPECT_TRUE(Keyspace::Open(db_.get(), {}).status().Is(lsm::StatusCode::kUnsupported));
}

TEST_F(KeyspaceTest, MeanOfTheTimeThatIsLeft) {
  const auto mean = [this](int db = 0) {
    keys_->BeginCommand();
    const auto mean_ms = keys_->MeanTimeLeftMs(db);
    EXPECT_TRUE(mean_ms.ok()) << mean_ms.status().ToString();
    return mean_ms.ok() ? *mean_ms : -1;
  };
  EXPECT_EQ(mean(), 0);
  Set("for ever", "v");
  EXPECT_EQ(mean(), 0);
  for (int left_ms : {1000, 2000, 6000}) {
    Set("k" + std::to_string(left_ms), "v", static_cast<uint64_t>(clock_.now_ms + left_ms));
  }
  EXPECT_EQ(mean(), 3000) << "not committed yet";
  Commit();
  EXPECT_EQ(mean(), 3000);
  clock_.now_ms += 1000;
  EXPECT_EQ(mean(), 3000) << "of 1000 and 5000; one has none left";
  ASSERT_TRUE(keys_->SwapDatabases(0, 5).ok());
  EXPECT_EQ(mean(), 0);
  EXPECT_EQ(mean(5), 3000);
  clock_.now_ms += 5000;
  EXPECT_EQ(mean(5), 0);
  // Times as far away as can be told; and more of them than are counted.
  for (int64_t i = 0; i <= Keyspace::kMeanTimeLeftMax; i++) {
    Set("far" + std::to_string(i), "v", static_cast<uint64_t>(INT64_MAX), 7);
    if (i + 1 == Keyspace::kMeanTimeLeftMax) {
      EXPECT_GT(mean(7), INT64_MAX / 2);
    }
  }
  EXPECT_EQ(mean(7), 0);
}

// --- SwapDatabases ---

TEST_F(KeyspaceTest, SwappedDatabasesKeepWhatIsInThem) {
  const auto later = static_cast<uint64_t>(clock_.now_ms) + 1000;
  Set("a", "zero");
  Set("b", "zero", later);
  Set("a", "three", 0, 3);
  Commit();
  ASSERT_TRUE(keys_->SwapDatabases(0, 3).ok());
  for (int round = 0; round < 3; round++) {
    EXPECT_EQ(Get("a"), "three");
    EXPECT_EQ(Get("a", 3), "zero");
    EXPECT_EQ(Get("b"), "(none)");
    EXPECT_EQ(Names("*"), std::vector<std::string>{"a"});
    EXPECT_EQ(Names("*", 3), (std::vector<std::string>{"a", "b"}));
    EXPECT_EQ(keys_->counters(0), (Counters{.keys = 1, .expires = 0}));
    EXPECT_EQ(keys_->counters(3), (Counters{.keys = 2, .expires = 1}));
    if (round == 0) Commit();
    if (round == 1) Open();
  }
  clock_.now_ms += 1000;
  EXPECT_EQ(Expire(), 1u);
  EXPECT_EQ(keys_->counters(3), (Counters{.keys = 1, .expires = 0}));
  ASSERT_TRUE(keys_->FlushDb(3).ok());
  EXPECT_EQ(Get("a", 3), "(none)");
  EXPECT_EQ(Get("a"), "three");
  Commit();
  Open();
  EXPECT_EQ(Get("a", 3), "(none)");
  EXPECT_EQ(Get("a"), "three");
}

// Format 2 is for those who know of orders; undoing the swap gives back what the older ones read.
TEST_F(KeyspaceTest, TheFormatSaysWhetherThereIsAnOrder) {
  const auto stored = [this](std::string_view key) {
    lsm::PinnedValue value;
    auto found = db_->Get({}, key, &value);
    return found.ok() && *found ? std::string(value.view()) : "(none)";
  };
  Set("a", "1");
  Commit();
  EXPECT_EQ(stored("v"), std::string("\x01\0\0\0", 4));
  EXPECT_EQ(stored("o"), "(none)");
  ASSERT_TRUE(keys_->SwapDatabases(0, 15).ok());
  Commit();
  EXPECT_EQ(stored("v"), std::string("\x02\0\0\0", 4));
  EXPECT_EQ(stored("o"), std::string("\x0f\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\0", 16));
  ASSERT_TRUE(keys_->SwapDatabases(15, 0).ok());
  Commit();
  EXPECT_EQ(stored("v"), std::string("\x01\0\0\0", 4));
  EXPECT_EQ(stored("o"), "(none)");
  EXPECT_EQ(Get("a"), "1");
}

TEST_F(KeyspaceTest, AnOrderThatIsNoneIsRefused) {
  Set("a", "1");
  ASSERT_TRUE(keys_->SwapDatabases(0, 1).ok());
  Commit();
  ASSERT_TRUE(db_->Put({}, "o", std::string(16, '\x01')).ok());
  EXPECT_TRUE(Keyspace::Open(db_.get(), {}).status().Is(lsm::StatusCode::kCorruption));
  ASSERT_TRUE(db_->Delete({}, "o").ok());
  EXPECT_TRUE(Keyspace::Open(db_.get(), {}).status().Is(lsm::StatusCode::kCorruption));
}

TEST_F(KeyspaceTest, ASwapIsTakenBackWithItsCommand) {
  Set("a", "0");
  Set("a", "1", 0, 1);
  Commit();
  keys_->BeginCommand();
  Set("a", "0 again");
  ASSERT_TRUE(keys_->SwapDatabases(0, 1).ok());
  Set("b", "2");
  keys_->RollbackCommand();
  EXPECT_EQ(Get("a"), "0");
  EXPECT_EQ(Get("a", 1), "1");
  EXPECT_EQ(keys_->counters(0).keys, 1);
  ASSERT_TRUE(keys_->SwapDatabases(0, 1).ok());
  Set("b", "2");
  keys_->Abandon();
  EXPECT_EQ(Get("a"), "0");
  EXPECT_EQ(Get("a", 1), "1");
  EXPECT_EQ(keys_->counters(0).keys, 1);
  EXPECT_EQ(keys_->counters(1).keys, 1);
  CheckInvariants();
}

TEST_F(KeyspaceTest, ASwapIsAChangeToWatchedKeysOnEitherSide) {
  Set("here", "1");
  Set("there", "1", 0, 1);
  Set("gone", "1", static_cast<uint64_t>(clock_.now_ms) + 5);
  const uint64_t here = keys_->Watch(0, "here");
  const uint64_t there = keys_->Watch(0, "there");
  const uint64_t nowhere = keys_->Watch(0, "nowhere");
  const uint64_t elsewhere = keys_->Watch(2, "here");
  ASSERT_TRUE(keys_->SwapDatabases(1, 0).ok());
  EXPECT_NE(keys_->WatchedVersion(0, "here"), here);
  EXPECT_NE(keys_->WatchedVersion(0, "there"), there);
  EXPECT_EQ(keys_->WatchedVersion(0, "nowhere"), nowhere);
  EXPECT_EQ(keys_->WatchedVersion(2, "here"), elsewhere);
  for (std::string_view name : {"here", "there", "nowhere"}) keys_->Unwatch(0, name);
  keys_->Unwatch(2, "here");
}

// A walk over names reads each record; where the disk refuses, that is what it says, not that the record is damaged.
TEST_F(KeyspaceTest, ARecordThatCannotBeReadIsNotCalledDamaged) {
  keys_.reset();
  db_.reset();
  lsm::FaultFileSystem disk(lsm::PosixFileSystem());
  auto db = lsm::Db::Open(dir_ + "/db", {.memory_budget = 16 << 20, .file_system = &disk});
  ASSERT_TRUE(db.ok()) << db.status().ToString();
  db_ = std::move(*db);
  keys_ = std::move(*Keyspace::Open(db_.get(), {.clock = &clock_}));
  Set("large", std::string(100'000, 'v'));
  Commit();
  ASSERT_TRUE(db_->Flush().ok());
  lsm::FaultRule refuses;
  refuses.ops = {lsm::FileOp::kReadAt};
  refuses.path_classes = {lsm::PathClass::kValueLog};
  disk.AddRule(refuses);
  const lsm::Status walked = keys_->ForEachName(0, "*", [](std::string_view) { return true; });
  EXPECT_TRUE(walked.Is(lsm::StatusCode::kIoError)) << walked.ToString();
  std::string name;
  const auto random = keys_->RandomName(0, &name);
  EXPECT_TRUE(random.status().Is(lsm::StatusCode::kIoError)) << random.status().ToString();
  disk.ClearRules();
  EXPECT_EQ(Names("*"), std::vector<std::string>{"large"});
  keys_.reset();
  db_.reset();
}

// FindHead gives no value for a key it knows of: it was not looked for.
TEST_F(KeyspaceTest, ARollbackForgetsWhatItsCommandWroteAndNoMore) {
  Set("kept", "1");
  Set("deleted", "2");
  Commit();
  Set("in the batch", "3");
  keys_->BeginCommand();
  Set("added", "4");
  ASSERT_TRUE(*keys_->Remove(0, "deleted"));
  keys_->RollbackCommand();
  Entry entry;
  for (const char* name : {"kept", "in the batch"}) {
    ASSERT_TRUE(*keys_->FindHead(0, name, &entry)) << name;
    EXPECT_EQ(entry.value, "") << name << " is still known";
  }
  ASSERT_TRUE(*keys_->FindHead(0, "deleted", &entry));
  EXPECT_EQ(entry.value, "2") << "looked for";
  EXPECT_FALSE(*keys_->FindHead(0, "added", &entry)) << "it is not there";
}

TEST(KeyspaceDiskTest, WhatIsNotInMemoryIsWantedAndNotWaitedFor) {
  lsm::MemoryFileSystem disk;
  lsm::Options options;
  options.memory_budget = 16 << 20;
  options.file_system = &disk;
  // Their values lie in a value log, so not in a block that opening has read.
  std::unique_ptr<lsm::Db> db = lsm::Db::Open("/db", options).value();
  std::unique_ptr<Keyspace> keys = Keyspace::Open(db.get(), {}).value();
  ASSERT_TRUE(keys->Set(0, "stored", std::string(5'000, 'a')).ok());
  ASSERT_TRUE(keys->Set(0, "stored too", std::string(5'000, 'b'), 4'000'000'000'000).ok());
  ASSERT_TRUE(keys->Commit(nullptr).ok());
  ASSERT_TRUE(db->Flush().ok());
  keys.reset();
  db.reset();
  db = lsm::Db::Open("/db", options).value();
  keys = Keyspace::Open(db.get(), {}).value();
  ASSERT_TRUE(keys->Set(0, "pending", "3").ok());
  Entry entry;
  keys->BeginCommand();
  keys->StayInMemory();
  EXPECT_TRUE(*keys->Find(0, "pending", &entry));
  EXPECT_FALSE(keys->wants_records());
  EXPECT_TRUE(keys->Find(0, "stored", &entry).status().Is(lsm::StatusCode::kWouldBlock));
  keys->Want(0, "stored", false);
  keys->Want(0, "stored too", true);
  keys->Want(0, "pending", false);
  const std::vector<std::string> wanted = keys->TakeWanted().records;
  ASSERT_EQ(wanted.size(), 2u) << "each once, and none that is there";
  EXPECT_EQ(NameOfMetaKey(wanted[0]), "stored");
  EXPECT_EQ(NameOfMetaKey(wanted[1]), "stored too");
  EXPECT_FALSE(keys->wants_records());
  keys->Find(0, "stored", &entry).status();
  EXPECT_TRUE(keys->wants_records());
  keys->BeginCommand();
  EXPECT_FALSE(keys->wants_records()) << "by the next command";
  EXPECT_TRUE(*keys->Find(0, "stored", &entry)) << "which may wait";
  EXPECT_EQ(entry.value.size(), 5'000u);
}

// A database of many blocks, none of which but the first is in memory.
class KeyspaceColdWalkTest : public ::testing::Test {
 protected:
  static constexpr int kKeys = 5'000;

  KeyspaceColdWalkTest() {
    options_.memory_budget = 16 << 20;
    options_.file_system = &disk_;
    Open();
    for (int i = 0; i < kKeys; ++i) {
      EXPECT_TRUE(keys_->Set(0, Name(i), "v", i % 2 == 0 ? 0 : static_cast<uint64_t>(clock_.now_ms + 10)).ok());
    }
    EXPECT_TRUE(keys_->Commit(nullptr).ok());
    EXPECT_TRUE(db_->Flush().ok());
    Open();
  }
  void Open() {
    keys_.reset();
    db_.reset();
    db_ = lsm::Db::Open("/db", options_).value();
    keys_ = Keyspace::Open(db_.get(), {.clock = &clock_}).value();
  }
  static std::string Name(int i) { return "name" + std::to_string(100'000 + i); }
  void BeginInMemory() {
    keys_->BeginCommand();
    keys_->StayInMemory();
  }
  // What the server's threads would do. Returns how many keys it walked over.
  uint64_t ReadWanted() {
    const Wanted wanted = keys_->TakeWanted();
    for (const std::string& key : wanted.records) EXPECT_TRUE(db_->Get({}, key, &pin_).ok());
    lsm::ReadOptions options;
    options.lower_bound = wanted.walk.from;
    options.upper_bound = wanted.walk.end;
    lsm::Iterator it = db_->NewIterator(options);
    uint64_t walked = 0;
    if (wanted.walk.count == 0) return walked;
    for (it.SeekToFirst(); it.Valid() && walked < wanted.walk.count; it.Next()) walked++;
    EXPECT_TRUE(it.status().ok());
    return walked;
  }

  TestClock clock_;
  lsm::MemoryFileSystem disk_;
  lsm::Options options_;
  std::unique_ptr<lsm::Db> db_;
  std::unique_ptr<Keyspace> keys_;
  lsm::PinnedValue pin_;
};

TEST_F(KeyspaceColdWalkTest, NamesAreWantedAndNotWaitedFor) {
  ASSERT_TRUE(keys_->Set(0, "name1", "pending").ok());
  std::vector<std::string> names;
  const auto all = [&] {
    names.clear();
    return keys_->ForEachName(0, "name*", [&](std::string_view name) {
      names.emplace_back(name);
      return true;
    });
  };
  BeginInMemory();
  EXPECT_TRUE(all().Is(lsm::StatusCode::kWouldBlock));
  EXPECT_LT(names.size(), static_cast<size_t>(kKeys));
  ASSERT_TRUE(keys_->wants_records());
  EXPECT_EQ(ReadWanted(), static_cast<uint64_t>(kKeys));
  BeginInMemory();
  EXPECT_TRUE(all().ok());
  EXPECT_FALSE(keys_->wants_records());
  ASSERT_EQ(names.size(), static_cast<size_t>(kKeys) + 1);
  EXPECT_EQ(names[0], "name1");
  for (int i = 0; i < kKeys; ++i) ASSERT_EQ(names[static_cast<size_t>(i) + 1], Name(i));

  Open();
  keys_->BeginCommand();
  EXPECT_TRUE(all().ok()) << "who may wait does";
}

TEST_F(KeyspaceColdWalkTest, APageOfAScanWantsNoMoreThanItExamines) {
  const ScanOptions options{.count = 1'000};
  std::vector<std::string> names;
  uint64_t cursor = 0;
  int pages = 0, waits = 0;
  do {
    BeginInMemory();
    std::vector<std::string> page;
    lsm::Result<uint64_t> next = keys_->Scan(0, cursor, options, &page);
    if (!next.ok()) {
      ASSERT_TRUE(next.status().Is(lsm::StatusCode::kWouldBlock)) << next.status().ToString();
      ASSERT_TRUE(keys_->wants_records());
      EXPECT_LE(ReadWanted(), options.count + 1);
      ++waits;
      page.clear();
      BeginInMemory();
      next = keys_->Scan(0, cursor, options, &page);
    }
    ASSERT_TRUE(next.ok()) << next.status().ToString();
    EXPECT_FALSE(keys_->wants_records());
    names.insert(names.end(), page.begin(), page.end());
    cursor = *next;
    ++pages;
  } while (cursor != 0 && pages < 100);
  EXPECT_EQ(pages, kKeys / 1'000);
  EXPECT_GT(waits, 1);
  ASSERT_EQ(names.size(), static_cast<size_t>(kKeys));
  for (int i = 0; i < kKeys; ++i) ASSERT_EQ(names[static_cast<size_t>(i)], Name(i));
}

TEST_F(KeyspaceColdWalkTest, ExpiryWaitsForNeitherIndexNorRecords) {
  clock_.now_ms += 10;
  int walks = 0, turns = 0;
  size_t expired = 0;
  while (keys_->counters(0).expires > 0 && turns++ < 10 * kKeys) {
    BeginInMemory();
    lsm::Result<size_t> count = keys_->ActiveExpire(16);
    ASSERT_TRUE(count.ok()) << count.status().ToString();
    expired += *count;
    if (keys_->wants_records() && ReadWanted() > 0) ++walks;
    ASSERT_TRUE(keys_->Commit(nullptr).ok());
  }
  EXPECT_EQ(expired, static_cast<size_t>(kKeys) / 2);
  EXPECT_GT(walks, 1);
  EXPECT_EQ(keys_->counters(0), (Counters{.keys = kKeys / 2, .expires = 0}));
  EXPECT_EQ(keys_->expire_stats().stale_entries, 0u);
}

}  // namespace
}  // namespace varve::keyspace
