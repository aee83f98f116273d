// Merges, values that expire and compaction filters, through the calls of lsm/db.h.
#include <array>
#include <atomic>

#include "lsm/compaction_filter.h"
#include "tests/lsm/db_test_util.h"

namespace varve::lsm {
namespace {

// Keeps operands between commas, and is not associative: ("a", then "b", "c") is "a<b<c".
class Brackets final : public MergeOperator {
 public:
  std::string_view name() const override { return "test.brackets"; }
  bool Merge(std::string_view, const std::string_view* base, std::span<const std::string_view> operands,
             std::string* result) const override {
    *result = base != nullptr ? std::string(*base) : "nothing";
    for (std::string_view operand : operands) {
      if (operand == "fail") return false;
      *result += "<" + std::string(operand);
    }
    return true;
  }
};

class DbValuesTest : public DbFixture {
 protected:
  void Open() { DbFixture::Open(options_); }
  Status TryOpen(const MergeOperator* op, OpenMode mode = OpenMode::kOwner) {
    Options options;
    options.mode = mode;
    options = machine_.Setup(options);
    options.merge_operator = op;
    auto db = Db::Open(kDir, options);
    return db.ok() ? Status::Ok() : db.status();
  }
  void PutUntil(std::string_view key, std::string_view value, int64_t ms_from_now) {
    ASSERT_TRUE(db_->PutWithExpiry({}, key, value, In(ms_from_now)).ok());
  }
  void Merge(std::string_view key, std::string_view operand) { ASSERT_TRUE(db_->Merge({}, key, operand).ok()); }
  void Delete(std::string_view key) { ASSERT_TRUE(db_->Delete({}, key).ok()); }
  void Flush() { ASSERT_TRUE(db_->Flush().ok()); }
  void Compact() { ASSERT_TRUE(db_->CompactRange({}, {}).ok()); }
  uint64_t In(int64_t ms) { return static_cast<uint64_t>(machine_.clock.WallMillis() + ms); }
  uint64_t Entries() {
    Result<VerifyReport> report = db_->Verify();
    return report.ok() && report->problems.empty() ? report->entries : ~uint64_t{0};
  }

  Options options_;
};

// Reads `rows` in all ways, and again after each step down the tree.
#define EXPECT_ROWS(...)                                       \
  do {                                                         \
    const Rows rows = __VA_ARGS__;                             \
    EXPECT_EQ(Compare(db_.get(), rows), "") << "in memory";    \
    Flush();                                                   \
    EXPECT_EQ(Compare(db_.get(), rows), "") << "flushed";      \
    Compact();                                                 \
    EXPECT_EQ(Compare(db_.get(), rows), "") << "compacted";    \
    Open();                                                    \
    EXPECT_EQ(Compare(db_.get(), rows), "") << "opened again"; \
  } while (false)

TEST_F(DbValuesTest, MergesAppend) {
  Open();
  Merge("new", "a");
  Merge("new", "b");
  Put("put", "1");
  Merge("put", "2");
  Merge("deleted", "x");
  Delete("deleted");
  Put("deleted and back", "x");
  Delete("deleted and back");
  Merge("deleted and back", "y");
  EXPECT_ROWS({{"deleted and back", "y"}, {"new", "ab"}, {"put", "12"}});
  EXPECT_EQ(Entries(), 3u);
}

TEST_F(DbValuesTest, OperandsOfOneKeyInEverySource) {
  Open();
  Put("k", "1");
  Flush();
  Compact();
  Merge("k", "2");
  Flush();
  Merge("k", "3");
  Merge("k", "4");
  Flush();
  Merge("k", "5");
  EXPECT_EQ(Get("k"), "12345");
  IndexedBatch batch;
  batch.Merge("k", "6");
  batch.Merge("k", "7");
  batch.Merge("other", "o");
  ReadOptions with_batch;
  with_batch.batch = &batch;
  EXPECT_EQ(Compare(db_.get(), {{"k", "1234567"}, {"other", "o"}}, with_batch), "");
  batch.Delete("k");
  batch.Merge("k", "8");
  EXPECT_EQ(Compare(db_.get(), {{"k", "8"}, {"other", "o"}}, with_batch), "");
  std::string_view value;
  EXPECT_EQ(batch.Get("k", &value), IndexedBatch::Lookup::kUnsettled);
  EXPECT_ROWS({{"k", "12345"}});
}

TEST_F(DbValuesTest, SnapshotsKeepTheirOperands) {
  Open();
  Put("k", "1");
  auto first = db_->GetSnapshot();
  Merge("k", "2");
  Merge("k", "3");
  auto second = db_->GetSnapshot();
  Merge("k", "4");
  Merge("k", "5");
  ReadOptions at_first, at_second;
  at_first.snapshot = first.get();
  at_second.snapshot = second.get();
  for (int round = 0; round < 3; ++round) {
    EXPECT_EQ(Compare(db_.get(), {{"k", "1"}}, at_first), "") << round;
    EXPECT_EQ(Compare(db_.get(), {{"k", "123"}}, at_second), "") << round;
    EXPECT_EQ(Compare(db_.get(), {{"k", "12345"}}), "") << round;
    round == 0 ? Flush() : Compact();
  }
  EXPECT_EQ(Entries(), 3u);  // one operand for each pair, and the put
  first.reset();
  second.reset();
  Merge("k", "6");
  EXPECT_ROWS({{"k", "123456"}});
  EXPECT_EQ(Entries(), 1u);
}

TEST_F(DbValuesTest, RangeDeletesBetweenOperands) {
  Open();
  for (const char* key : {"a", "b", "c"}) Put(key, "old");
  Merge("b", "1");
  ASSERT_TRUE(db_->DeleteRange({}, "b", "z").ok());
  Merge("b", "2");
  Merge("d", "3");
  EXPECT_ROWS({{"a", "old"}, {"b", "2"}, {"d", "3"}});
}

TEST_F(DbValuesTest, TheBaseLiesBelowARangeDeleteInAnotherTable) {
  Open();
  Put("b", "old");
  Compact();
  ASSERT_TRUE(db_->DeleteRange({}, "a", "z").ok());
  Flush();
  Merge("b", "new");
  EXPECT_ROWS({{"b", "new"}});
}

TEST_F(DbValuesTest, CountersInATable) {
  options_.merge_operator = CounterAddOperator();
  Open();
  for (int i = 1; i <= 1000; ++i) {
    Merge("sum", EncodeCounter(i));
    if (i % 300 == 0) Flush();
  }
  EXPECT_EQ(DecodeCounter(Get("sum")), 500500);
  EXPECT_ROWS({{"sum", EncodeCounter(500500)}});
  EXPECT_EQ(Entries(), 1u);
}

TEST_F(DbValuesTest, AnOperatorThatIsNotAssociative) {
  const Brackets brackets;
  options_.merge_operator = &brackets;
  Open();
  Put("k", "1");
  Flush();
  Merge("k", "2");
  Merge("k", "3");
  Flush();
  Merge("new", "x");
  Merge("new", "y");
  EXPECT_ROWS({{"k", "1<2<3"}, {"new", "nothing<x<y"}});
  EXPECT_EQ(Entries(), 2u);
}

TEST_F(DbValuesTest, AnOperatorThatRefuses) {
  const Brackets brackets;
  options_.merge_operator = &brackets;
  Open();
  Put("a", "1");
  Put("bad", "1");
  Merge("bad", "fail");
  Put("c", "1");
  for (int round = 0; round < 3; ++round) {
    const std::string want =
        "corruption: key 'bad': merge operator 'test.brackets' cannot apply 1 operands to a value of "
        "1 bytes";
    EXPECT_EQ(Get("bad"), want);
    EXPECT_EQ(Get("c"), "1");
    Iterator it = db_->NewIterator({});
    it.SeekToFirst();
    ASSERT_TRUE(it.Valid());
    it.Next();
    EXPECT_FALSE(it.Valid());
    EXPECT_EQ(it.status().ToString(), want);
    it.SeekToLast();
    ASSERT_TRUE(it.Valid());
    it.Prev();
    EXPECT_FALSE(it.Valid());
    EXPECT_EQ(it.status().ToString(), want);
    it.Seek("c");
    EXPECT_TRUE(it.Valid() && it.status().ok());
    round == 0 ? Flush() : Compact();
  }
  Put("bad", "whole");
  EXPECT_ROWS({{"a", "1"}, {"bad", "whole"}, {"c", "1"}});
}

TEST_F(DbValuesTest, TheOperatorsNameIsTheDatabases) {
  const Brackets brackets;
  options_.merge_operator = &brackets;
  Open();
  Merge("k", "1");
  Put("plain", "2");
  Flush();
  db_.reset();
  for (OpenMode mode : {OpenMode::kOwner, OpenMode::kReadOnly, OpenMode::kFollow}) {
    EXPECT_EQ(TryOpen(AppendOperator(), mode).ToString(),
              "invalid argument: /db: was written with merge operator 'test.brackets', but Options::merge_operator is "
              "'varve.append'; open it with its own");
    EXPECT_TRUE(TryOpen(&brackets, mode).ok());
    EXPECT_TRUE(TryOpen(nullptr, mode).ok());
  }
  // Without it everything but the merges can be read, and nothing is lost.
  Options options = machine_.Setup({});
  options.merge_operator = nullptr;
  auto db = Db::Open(kDir, options);
  ASSERT_TRUE(db.ok());
  EXPECT_EQ(Get(db->get(), "plain"), "2");
  EXPECT_EQ(Get(db->get(), "k"),
            "invalid argument: key 'k': holds a merge, but the database was opened without the operator; set "
            "Options::merge_operator");
  EXPECT_EQ((*db)->Merge({}, "k", "2").ToString(),
            "invalid argument: /db: a merge needs an operator; set Options::merge_operator");
  ASSERT_TRUE((*db)->CompactRange({}, {}).ok());
  db->reset();
  Open();
  EXPECT_EQ(Get("k"), "nothing<1");
}

TEST_F(DbValuesTest, ABuiltInOperatorIsFoundByItsName) {
  options_.merge_operator = CounterAddOperator();
  Open();
  Merge("k", EncodeCounter(2));
  db_.reset();
  Options options = machine_.Setup({});
  options.merge_operator = nullptr;
  auto db = Db::Open(kDir, options);
  ASSERT_TRUE(db.ok());
  ASSERT_TRUE((*db)->Merge({}, "k", EncodeCounter(3)).ok());
  EXPECT_EQ(DecodeCounter(Get(db->get(), "k")), 5);
}

TEST_F(DbValuesTest, ValuesExpireOnTime) {
  Open();
  Put("a", "old");
  Flush();
  PutUntil("a", "new", 100);
  PutUntil("b", "", 200);
  PutUntil("gone", "x", 0);
  auto snapshot = db_->GetSnapshot();
  ReadOptions at;
  at.snapshot = snapshot.get();
  EXPECT_EQ(Compare(db_.get(), {{"a", "new"}, {"b", ""}}), "");
  Flush();
  machine_.clock.AdvanceMillis(99);
  EXPECT_EQ(Compare(db_.get(), {{"a", "new"}, {"b", ""}}), "");
  EXPECT_EQ(Compare(db_.get(), {{"a", "new"}, {"b", ""}}, at), "");
  Iterator it = db_->NewIterator({});  // its time stands still
  machine_.clock.AdvanceMillis(1);
  it.SeekToFirst();
  EXPECT_TRUE(it.Valid() && it.key() == "a" && it.value() == "new");
  EXPECT_EQ(Compare(db_.get(), {{"b", ""}}), "");  // the old value does not come back
  EXPECT_EQ(Compare(db_.get(), {{"b", ""}}, at), "") << "a snapshot is of the data, not of the time";
  const std::array<std::string_view, 2> keys = {"a", "b"};
  std::array<PinnedValue, 2> values;
  const auto found = db_->MultiGet({}, keys, values);
  EXPECT_TRUE(!*found[0] && *found[1]);
  machine_.clock.AdvanceMillis(100);
  it = Iterator();
  snapshot.reset();
  EXPECT_ROWS({});
}

TEST_F(DbValuesTest, IteratorsTellTheExpiry) {
  Open();
  Put("a", "stays");
  PutUntil("b", "goes", 100);
  PutUntil("c", "base", 100);
  Merge("c", "+1");
  PutUntil("d", std::string(10'000, 'v'), 200);
  Put("e", std::string(10'000, 'v'));
  const std::vector<uint64_t> expected = {0, In(100), 0, In(200), 0};
  for (int i = 0; i < 2; ++i) {
    std::vector<uint64_t> forward, backward;
    Iterator it = db_->NewIterator({});
    for (it.SeekToFirst(); it.Valid(); it.Next()) forward.push_back(it.expire_at_ms());
    for (it.SeekToLast(); it.Valid(); it.Prev()) backward.insert(backward.begin(), it.expire_at_ms());
    EXPECT_EQ(forward, expected);
    EXPECT_EQ(backward, expected);
    Flush();
  }
}

TEST_F(DbValuesTest, LargeValuesAndMovedOnesLoseTheirExpiry) {
  Open();
  const std::string large(100'000, 'v');
  PutUntil("large", large, 1000);
  PutUntil("small", "s", 1000);
  Flush();
  EXPECT_EQ(Get("large"), large);
  PinnedValue value;
  ASSERT_TRUE(*db_->Get({}, "small", &value));
  PinnedValue moved = std::move(value);
  EXPECT_EQ(moved.view(), "s");
  ASSERT_TRUE(*db_->Get({}, "large", &value));
  moved = std::move(value);
  EXPECT_EQ(moved.view(), large);
}

// A merge on a value that expires: the value goes, what was laid on it stays. Compactions change nothing of that.
TEST_F(DbValuesTest, MergesOnValuesThatExpire) {
  Open();
  PutUntil("k", "base", 100);
  Merge("k", "+1");
  Merge("k", "+2");
  EXPECT_ROWS({{"k", "base+1+2"}});
  EXPECT_EQ(Entries(), 2u);
  machine_.clock.AdvanceMillis(100);
  EXPECT_EQ(Compare(db_.get(), {{"k", "+1+2"}}), "");
  Merge("k", "+3");
  EXPECT_ROWS({{"k", "+1+2+3"}});
  EXPECT_EQ(Entries(), 1u);
  PutUntil("k", "again", -1);
  Merge("k", "x");
  EXPECT_ROWS({{"k", "x"}});
}

TEST_F(DbValuesTest, AnExpiredValueHidesWhatLiesBeneath) {
  Open();
  Put("a", "1");
  Put("b", "1");
  Compact();
  PutUntil("a", "2", 100);
  Flush();
  machine_.clock.AdvanceMillis(100);
  Put("z", "");
  EXPECT_ROWS({{"b", "1"}, {"z", ""}});
  EXPECT_EQ(Entries(), 2u);
}

TEST_F(DbValuesTest, ExpiredTablesGoWithoutBeingRead) {
  Open();
  PutUntil("a", "1", 10'000);
  PutUntil("b", "1", 20'000);
  Delete("c");
  Flush();
  Put("x", "1");  // another table, which stays
  Flush();
  ASSERT_EQ(Files(), 2u);
  machine_.Rest(19'000'000);
  EXPECT_EQ(Files(), 2u);
  const uint64_t read_before = db_->Stats().compaction_read_bytes;
  machine_.Rest(2'000'000);
  EXPECT_EQ(Files(), 1u);
  EXPECT_EQ(db_->Stats().compaction_read_bytes, read_before);
  EXPECT_ROWS({{"x", "1"}});
}

TEST_F(DbValuesTest, AnExpiredTableStaysOverOlderOnes) {
  Open();
  Put("a", "old");
  Put("b", "old");
  Flush();
  PutUntil("a", "new", 10'000);
  Flush();
  machine_.Rest(61'000'000);
  machine_.Rest(61'000'000);
  EXPECT_EQ(Files(), 2u);
  EXPECT_ROWS({{"b", "old"}});
  EXPECT_EQ(Files(), 1u);
}

TEST_F(DbValuesTest, TablesThatExpireOverTablesThatExpire) {
  Open();
  PutUntil("a", "1", 10'000);
  Flush();
  PutUntil("a", "2", 20'000);
  Flush();
  PutUntil("b", "3", 10'000);
  Flush();
  ASSERT_EQ(Files(), 3u);
  machine_.Rest(10'000'000);
  machine_.Rest();
  EXPECT_EQ(Files(), 1u);
  EXPECT_EQ(Get("a"), "2");
  machine_.Rest(10'000'000);
  machine_.Rest();
  EXPECT_EQ(Files(), 0u);
}

TEST_F(DbValuesTest, AFollowerHasItsOwnTime) {
  Open();
  PutUntil("a", "1", 10'000);
  Merge("m", "x");
  Flush();
  Merge("m", "y");
  Options options;
  options.mode = OpenMode::kFollow;
  auto follower = Db::Open(kDir, machine_.Setup(options));
  ASSERT_TRUE(follower.ok()) << follower.status().ToString();
  EXPECT_EQ(Compare(follower->get(), {{"a", "1"}, {"m", "xy"}}), "");
  machine_.Rest(10'000'000);
  EXPECT_EQ(Compare(follower->get(), {{"m", "xy"}}), "");
  Merge("m", "z");
  Flush();
  ASSERT_TRUE((*follower)->CatchUp().ok());
  EXPECT_EQ(Compare(follower->get(), {{"m", "xyz"}}), "");
}

// Drops values that begin with '-', makes those that begin with '+' one longer.
class PlusMinus final : public CompactionFilter {
 public:
  Decision Filter(int level, std::string_view, std::string_view value, std::string* new_value) override {
    ++asked;
    EXPECT_GT(level, 0);
    if (value.starts_with('-')) return Decision::kDrop;
    if (!value.starts_with('+')) return Decision::kKeep;
    *new_value = std::string(value) + "+";
    return Decision::kChange;
  }
  std::atomic<int> asked{0};
};

TEST_F(DbValuesTest, AFilterDropsAndChanges) {
  PlusMinus filter;
  options_.compaction_filter = &filter;
  Open();
  Put("drop", "-1");
  Put("change", "+");
  PutUntil("expiring", "+", 1000);
  PutUntil("expired", "+", 0);
  Put("keep", "1");
  Merge("merged", "+");
  Merge("merged", "a");
  Flush();
  EXPECT_EQ(filter.asked, 0);  // flushes do not ask
  Compact();
  EXPECT_EQ(filter.asked, 5);
  EXPECT_EQ(Compare(db_.get(), {{"change", "++"}, {"expiring", "++"}, {"keep", "1"}, {"merged", "+a+"}}), "");
  EXPECT_EQ(Entries(), 4u);
  machine_.clock.AdvanceMillis(1000);
  EXPECT_EQ(Get("expiring"), "(none)");
}

TEST_F(DbValuesTest, WhatAFilterDropsBringsNothingBack) {
  PlusMinus filter;
  options_.compaction_filter = &filter;
  Open();
  Put("k", "old");
  Put("other", "1");
  Compact();
  Put("k", "-");
  Flush();
  EXPECT_EQ(Get("k"), "-");
  Compact();
  EXPECT_EQ(Compare(db_.get(), {{"other", "1"}}), "");
}

TEST_F(DbValuesTest, WhatASnapshotSeesIsNotFiltered) {
  PlusMinus filter;
  options_.compaction_filter = &filter;
  Open();
  Put("k", "-1");
  auto snapshot = db_->GetSnapshot();
  ReadOptions at;
  at.snapshot = snapshot.get();
  Put("l", "-1");
  Compact();
  EXPECT_EQ(filter.asked, 1);
  EXPECT_EQ(Compare(db_.get(), {{"k", "-1"}}, at), "");
  EXPECT_EQ(Compare(db_.get(), {{"k", "-1"}}), "");
  snapshot.reset();
  Put("k", "-2");
  Compact();
  EXPECT_EQ(Compare(db_.get(), {}), "");
}

// ---- with values in the value log -----------------------------------------------------------------------------------

constexpr size_t kLarge = 5000;

class DbLargeValuesTest : public DbValuesTest {
 protected:
  uint64_t ValuesApart() { return db_->Verify()->values; }
  const std::string large_ = std::string(kLarge, 'L');
};

TEST_F(DbLargeValuesTest, OperandsAreFoldedOntoValuesApart) {
  const Brackets brackets;  // not associative: unfolded, its operands would pile up
  options_.merge_operator = &brackets;
  Open();
  Put("k", large_);
  Compact();
  ASSERT_EQ(ValuesApart(), 1u);
  Merge("k", "1");
  EXPECT_EQ(Get("k"), large_ + "<1");
  Merge("k", "2");
  EXPECT_ROWS({{"k", large_ + "<1<2"}});
  EXPECT_EQ(Entries(), 1u);
  EXPECT_EQ(ValuesApart(), 1u);
  EXPECT_EQ(db_->Stats().value_log_garbage_bytes, 0u);  // the file of the old one has gone
}

TEST_F(DbLargeValuesTest, LargeOperandsStayInTablesUntilTheyAreAValue) {
  Open();
  Put("low", "1");
  Put("high", "1");
  Compact();
  auto snapshot = db_->GetSnapshot();
  Merge("low", large_);
  Merge("low", large_);
  Flush();
  EXPECT_EQ(ValuesApart(), 0u);
  EXPECT_EQ(Get("low"), "1" + large_ + large_);
  snapshot.reset();
  EXPECT_ROWS({{"high", "1"}, {"low", "1" + large_ + large_}});
  EXPECT_EQ(ValuesApart(), 1u);
}

TEST_F(DbLargeValuesTest, LargeValuesThatExpireStayInTables) {
  Open();
  PutUntil("k", large_, 10'000);
  Flush();
  EXPECT_EQ(ValuesApart(), 0u);
  EXPECT_EQ(db_->TableFiles().at(0).expires_ms, In(10'000));
  EXPECT_EQ(Get("k"), large_);
  machine_.Rest(10'000'000);
  EXPECT_EQ(Files(), 0u);
}

TEST_F(DbLargeValuesTest, AValueThatCannotBeReadKeepsItsOperands) {
  Open();
  Put("k", large_);
  Put("sound", "1");
  Compact();
  const std::string file = FilesEnding(machine_.disk.get(), kDir, ".vlog").front();
  FlipByte(machine_.disk.get(), file, FileBytes(machine_.disk.get(), file).find("L") + 10);
  Open();
  Merge("k", "+");
  Merge("sound", "+");
  Compact();
  EXPECT_EQ(Get("sound"), "1+");
  EXPECT_NE(Get("k").find("corruption: " + file), std::string::npos) << Get("k");
  EXPECT_EQ(db_->Stats().background_error, "");
  Put("k", "whole");
  EXPECT_ROWS({{"k", "whole"}, {"sound", "1+"}});
}

TEST_F(DbLargeValuesTest, AFilterSeesThem) {
  PlusMinus filter;
  options_.compaction_filter = &filter;
  Open();
  Put("change", "+" + large_);
  Put("drop", "-" + large_);
  Put("keep", large_);
  Flush();
  ASSERT_EQ(ValuesApart(), 3u);
  Compact();
  EXPECT_EQ(filter.asked, 3);
  EXPECT_EQ(Compare(db_.get(), {{"change", "+" + large_ + "+"}, {"keep", large_}}), "");
  EXPECT_EQ(ValuesApart(), 2u);
}

// The event loop's calls do not read the disk for the value beneath an operand either.
TEST_F(DbLargeValuesTest, CallsThatDoNotWait) {
  Open();
  Put("a", "1");
  Put("b", large_);
  Put("c", "3");
  Compact();
  Merge("b", "+");
  Open();
  Iterator it = db_->NewIterator({});
  it.SeekToFirst();
  ASSERT_TRUE(it.Valid());
  PinnedValue value;
  EXPECT_TRUE(db_->TryGet({}, "b", &value).status().Is(StatusCode::kWouldBlock));
  EXPECT_FALSE(it.TryNext());
  EXPECT_TRUE(!it.Valid() && it.status().Is(StatusCode::kWouldBlock));
  it.Resume();
  ASSERT_TRUE(it.Valid() && it.key() == "b");
  EXPECT_EQ(it.value(), large_ + "+");
  EXPECT_TRUE(it.TryNext());
  EXPECT_TRUE(it.Valid() && it.key() == "c");
  EXPECT_TRUE(it.TrySeek("b"));  // in memory by now
  EXPECT_EQ(it.value(), large_ + "+");
  EXPECT_TRUE(*db_->TryGet({}, "b", &value));
}

TEST_F(DbLargeValuesTest, ManyKeysAtOnce) {
  Open();
  Put("apart", large_);
  PutUntil("expired", "x", 0);
  PutUntil("expiring", "x", 1000);
  Put("plain", "1");
  Compact();
  for (const char* key : {"apart", "expired", "expiring", "new"}) Merge(key, "+1");
  Flush();
  for (const char* key : {"apart", "expired", "expiring", "new"}) Merge(key, "+2");
  for (int round = 0; round < 2; ++round) {
    const std::array<std::string_view, 6> keys = {"apart", "expired", "expiring", "new", "plain", "missing"};
    const std::array<std::string, 6> want = {large_ + "+1+2", "+1+2", "x+1+2", "+1+2", "1", "(none)"};
    std::array<PinnedValue, 6> values;
    const auto found = db_->MultiGet({}, keys, values);
    for (size_t i = 0; i < keys.size(); ++i) {
      ASSERT_TRUE(found[i].ok()) << found[i].status().ToString();
      EXPECT_EQ(*found[i] ? values[i].ToString() : "(none)", want[i]) << keys[i];
      std::string answer;
      const Status s = db_->GetAsync({}, keys[i], [&](Result<bool> there, PinnedValue value) {
        answer = there.ok() && *there ? value.ToString() : "(none)";
      });
      ASSERT_TRUE(s.ok());
      machine_.executor.RunAll();
      EXPECT_EQ(answer, want[i]) << keys[i];
    }
    Open();  // all from the disk
  }
}

// ---- with the other styles of compaction ----------------------------------------------------------------------------

TEST_F(DbValuesTest, SizeTieredRunsFoldOnlyWhatTheyHold) {
  options_.compaction = CompactionStyle::kSizeTiered;
  Open();
  std::string want = "0";
  Put("k", "0");
  for (int i = 1; i < 40; ++i) {
    Merge("k", std::to_string(i % 10));
    want += std::to_string(i % 10);
    Flush();
    machine_.executor.RunAll();
    ASSERT_EQ(Get("k"), want) << i;
  }
  EXPECT_LT(Files(), 12u);
  EXPECT_ROWS({{"k", want}});
}

TEST_F(DbValuesTest, FifoGivesUpWhatExpiredToo) {
  options_.compaction = CompactionStyle::kFifo;
  Open();
  PutUntil("a", "1", 10'000);
  Flush();
  Put("b", "1");
  Flush();
  machine_.Rest(11'000'000);
  EXPECT_EQ(Files(), 1u);
  EXPECT_EQ(db_->JobHistory().back().reason, "all values have expired");
  EXPECT_EQ(Compare(db_.get(), {{"b", "1"}}), "");
}

}  // namespace
}  // namespace varve::lsm
