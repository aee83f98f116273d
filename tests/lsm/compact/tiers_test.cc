#include "lsm/compact/tiers.h"

#include <gtest/gtest.h>

#include "lsm/compact/picker.h"

namespace varve::lsm {
namespace {

constexpr uint64_t kKiB = 1024;
constexpr PickerOptions kOptions = {
    .memtable_bytes = 64 * kKiB, .table_bytes = 64 * kKiB, .style = CompactionStyle::kSizeTiered};

class TiersTest : public ::testing::Test {
 protected:
  TableFileRef Add(int level, std::string smallest, std::string largest, uint64_t kib, SequenceNumber from,
                   SequenceNumber to, int64_t created_ms = 0) {
    TableFacts facts;
    facts.file_size = kib * kKiB;
    facts.entries = 100;
    facts.smallest = std::move(smallest);
    facts.largest = std::move(largest);
    facts.smallest_seq = from;
    facts.largest_seq = to;
    facts.created_ms = created_ms;
    auto file = std::make_shared<TableFile>(++number_, 1, std::move(facts), std::make_shared<TableContext>());
    VersionEdit edit;
    edit.added.push_back({level, file});
    auto version = Version::Apply(*version_, edit, "test");
    EXPECT_TRUE(version.ok()) << version.status().ToString();
    if (version.ok()) version_ = *version;
    return file;
  }
  // A flush of the next ten sequences.
  TableFileRef Flush(uint64_t kib, std::string smallest = "a", std::string largest = "z", int64_t created_ms = 0) {
    next_ += 10;
    return Add(0, std::move(smallest), std::move(largest), kib, next_, next_ + 9, created_ms);
  }
  std::vector<uint64_t> Expired(Retention retention, int64_t now_ms) const {
    std::vector<uint64_t> numbers;
    for (const auto& table : FindRetired(*version_, retention, now_ms)) numbers.push_back(table.file->number());
    return numbers;
  }
  using Numbers = std::vector<uint64_t>;

  std::shared_ptr<const Version> version_ = std::make_shared<const Version>();
  SequenceNumber next_ = 1000;
  uint64_t number_ = 0;
};

TEST_F(TiersTest, FourRunsOfSimilarSizeBecomeOne) {
  const TableFileRef old_run = Flush(400);
  for (int i = 0; i < 3; ++i) Flush(64);
  EXPECT_FALSE(PickTier(*version_, kOptions, {}).has_value());
  Flush(64);
  auto plan = PickTier(*version_, kOptions, {});
  ASSERT_TRUE(plan.has_value());
  EXPECT_EQ(plan->inputs.size(), 4u);
  EXPECT_EQ(plan->level, 0);
  EXPECT_EQ(plan->output_level, 0);
  EXPECT_TRUE(plan->below.empty());
  EXPECT_FALSE(plan->bottommost);  // the old run lies beneath
  EXPECT_FALSE(plan->trivial_move);
  EXPECT_EQ(std::count(plan->inputs.begin(), plan->inputs.end(), old_run), 0);
}

TEST_F(TiersTest, TheOldestRunsHaveNothingBeneath) {
  for (int i = 0; i < 4; ++i) Flush(64);
  auto plan = PickTier(*version_, kOptions, {});
  ASSERT_TRUE(plan.has_value());
  EXPECT_TRUE(plan->bottommost);
  Add(6, "m", "n", 1000, 1, 9);
  plan = PickTier(*version_, kOptions, {});
  ASSERT_TRUE(plan.has_value());
  EXPECT_FALSE(plan->bottommost);
  EXPECT_EQ(plan->grandparents.size(), 1u);  // outputs are cut where tables of the last level end
}

// Tables whose sequences interleave came out of one merge and are never torn apart.
TEST_F(TiersTest, ARunIsASliceOfTime) {
  Add(0, "a", "f", 64, 100, 180);
  Add(0, "g", "z", 64, 110, 190);
  for (int i = 0; i < 3; ++i) Flush(128);
  auto plan = PickTier(*version_, kOptions, {});
  ASSERT_TRUE(plan.has_value());
  EXPECT_EQ(plan->inputs.size(), 5u);
}

TEST_F(TiersTest, TablesSideBySideAreNotMerged) {
  for (char c = 'a'; c < 'k'; ++c) Flush(64, std::string(1, c), std::string(1, c));
  EXPECT_FALSE(PickTier(*version_, kOptions, {}).has_value());
}

TEST_F(TiersTest, BusyRunsAreLeftAlone) {
  std::vector<TableFileRef> runs;
  for (int i = 0; i < 5; ++i) runs.push_back(Flush(64));
  runs[0]->being_compacted = true;
  auto plan = PickTier(*version_, kOptions, {});
  EXPECT_FALSE(plan.has_value());
}

// Level 0 gives to the last level once it has come to hold as much.
TEST_F(TiersTest, OverflowGoesToTheLastLevel) {
  Add(6, "a", "z", 512, 1, 9);
  for (uint64_t kib : {200, 100, 50, 20}) Flush(kib);
  EXPECT_FALSE(TiersOverflow(*version_));
  EXPECT_FALSE(PickCompaction(*version_, kOptions, {}).has_value());
  Flush(150);
  EXPECT_TRUE(TiersOverflow(*version_));
  auto plan = PickCompaction(*version_, kOptions, {});
  ASSERT_TRUE(plan.has_value());
  EXPECT_EQ(plan->output_level, 6);
}

// Opened after it was leveled: what the upper levels hold goes down first.
TEST_F(TiersTest, OtherLevelsDrain) {
  Add(6, "a", "z", 5000, 1, 9);
  Add(5, "a", "z", 100, 10, 19);
  auto plan = PickCompaction(*version_, kOptions, {});
  ASSERT_TRUE(plan.has_value());
  EXPECT_EQ(plan->level, 5);
  EXPECT_EQ(plan->output_level, 6);
}

TEST_F(TiersTest, DebtLeavesRoomForTiers) {
  for (size_t i = 0; i < kTierSublevels + 3; ++i) Flush(64);
  EXPECT_EQ(Level0Debt(*version_, kOptions), 3u);
  PickerOptions fifo = kOptions;
  fifo.style = CompactionStyle::kFifo;
  EXPECT_EQ(Level0Debt(*version_, fifo), 0u);
  EXPECT_FALSE(PickCompaction(*version_, fifo, {}).has_value());
  RangeProgress all;
  bool busy = false;
  EXPECT_FALSE(PickRange(*version_, fifo, {}, &all, &busy).has_value());
  EXPECT_FALSE(busy);
}

TEST_F(TiersTest, RetentionByBytesTakesTheOldest) {
  for (int i = 0; i < 4; ++i) Flush(100);
  EXPECT_EQ(Expired({}, 0), Numbers{});
  EXPECT_EQ(Expired({.bytes_max = 400 * kKiB}, 0), Numbers{});
  EXPECT_EQ(Expired({.bytes_max = 399 * kKiB}, 0), Numbers{1});
  EXPECT_EQ(Expired({.bytes_max = 150 * kKiB}, 0), (Numbers{1, 2, 3}));
}

// Values that lie apart are bytes too.
TEST_F(TiersTest, RetentionCountsValuesThatLieApart) {
  VersionEdit edit;
  const ValueLogFacts log{
      .file_id = 7, .file_size = 1000 * kKiB + kValueLogHeaderSize + kValueLogFooterSize, .records = 1};
  edit.value_logs = {std::make_shared<ValueLogFile>(7, log, std::make_shared<TableContext>())};
  for (SequenceNumber n = 1; n <= 4; ++n) {
    TableFacts facts;
    facts.file_size = 10 * kKiB;
    facts.smallest = facts.largest = "a";
    facts.smallest_seq = facts.largest_seq = n;
    facts.value_logs = {{7, 200 * kKiB}};
    edit.added.push_back({0, std::make_shared<TableFile>(n, 1, std::move(facts), std::make_shared<TableContext>())});
  }
  auto version = Version::Apply(*version_, edit, "test");
  ASSERT_TRUE(version.ok()) << version.status().ToString();
  version_ = *version;
  EXPECT_EQ(Expired({.bytes_max = 840 * kKiB}, 0), Numbers{});
  EXPECT_EQ(Expired({.bytes_max = 839 * kKiB}, 0), Numbers{1});
  EXPECT_EQ(Expired({.bytes_max = 500 * kKiB}, 0), (Numbers{1, 2}));
}

TEST_F(TiersTest, RetentionByAge) {
  for (int64_t created : {1000, 2000, 3000}) Flush(100, "a", "z", created);
  const Retention minute{.age_max_ms = 60'000};
  EXPECT_EQ(NextRetirement(*version_, minute), 61'000);
  EXPECT_EQ(NextRetirement(*version_, {}), kNever);
  EXPECT_EQ(Expired(minute, 60'999), Numbers{});
  EXPECT_EQ(Expired(minute, 61'000), Numbers{1});
  EXPECT_EQ(Expired(minute, 62'500), (Numbers{1, 2}));
}

// What lies deeper is older, however late it was written there, and must not outlive what hides it.
TEST_F(TiersTest, DeeperLevelsExpireFirst) {
  Flush(100, "a", "z", 1000);
  Add(6, "a", "c", 100, 1, 9, 5000);
  Add(6, "d", "f", 100, 1, 9, 4000);
  EXPECT_EQ(Expired({.age_max_ms = 1000}, 3000), Numbers{});
  EXPECT_EQ(Expired({.age_max_ms = 1000}, 5500), Numbers{3});
  EXPECT_EQ(Expired({.age_max_ms = 1000}, 6000), (Numbers{3, 2, 1}));
  EXPECT_EQ(Expired({.bytes_max = 200 * kKiB}, 0), Numbers{3});
}

}  // namespace
}  // namespace varve::lsm
