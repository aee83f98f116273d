#include "lsm/compact/picker.h"

#include <gtest/gtest.h>

namespace varve::lsm {
namespace {

constexpr uint64_t kKiB = 1024;
constexpr PickerOptions kOptions = {.memtable_bytes = 64 * kKiB, .table_bytes = 64 * kKiB};

class PickerTest : public ::testing::Test {
 protected:
  // Adds a table to the version under test.
  TableFileRef Add(int level, std::string smallest, std::string largest, uint64_t kib) {
    TableFacts facts;
    facts.file_size = kib * kKiB;
    facts.smallest = std::move(smallest);
    facts.largest = std::move(largest);
    facts.smallest_seq = facts.largest_seq = next_;
    auto file = std::make_shared<TableFile>(next_, 1, std::move(facts), std::make_shared<TableContext>());
    ++next_;
    VersionEdit edit;
    edit.added.push_back({level, file});
    auto version = Version::Apply(*version_, edit, "test");
    EXPECT_TRUE(version.ok()) << version.status().ToString();
    if (version.ok()) version_ = *version;
    return file;
  }

  std::shared_ptr<const Version> version_ = std::make_shared<const Version>();
  uint64_t next_ = 1;
};

TEST_F(PickerTest, NothingToDo) {
  EXPECT_FALSE(PickCompaction(*version_, kOptions).has_value());
  for (int i = 0; i < 3; ++i) Add(0, "a", "z", 64);
  EXPECT_FALSE(PickCompaction(*version_, kOptions).has_value());
  EXPECT_EQ(CompactionDebt(*version_, kOptions), 0u);
}

TEST_F(PickerTest, TargetsFollowTheDeepestLevel) {
  LevelTargets targets = ComputeTargets(*version_, kOptions);
  EXPECT_EQ(targets.base_level, 6);
  EXPECT_EQ(targets.bytes[6], 256 * kKiB);  // four memtables
  Add(6, "a", "m", 2560);                   // ten times that: now level 5 is worth having
  targets = ComputeTargets(*version_, kOptions);
  EXPECT_EQ(targets.base_level, 5);
  EXPECT_EQ(targets.bytes[5], 256 * kKiB);
  EXPECT_EQ(targets.bytes[6], 2560 * kKiB);
  Add(6, "n", "z", 250'000);
  targets = ComputeTargets(*version_, kOptions);
  EXPECT_EQ(targets.base_level, 4);
  EXPECT_EQ(targets.bytes[4], 252'560 * kKiB / 100);
}

TEST_F(PickerTest, LevelZeroGoesAsAWholeToTheBase) {
  for (int i = 0; i < 4; ++i) Add(0, "c", "k", 64);
  Add(6, "a", "b", 10);
  const TableFileRef hit = Add(6, "b1", "d", 10);
  auto plan = PickCompaction(*version_, kOptions);
  ASSERT_TRUE(plan.has_value());
  EXPECT_EQ(plan->level, 0);
  EXPECT_EQ(plan->output_level, 6);
  EXPECT_EQ(plan->inputs.size(), 4u);
  ASSERT_EQ(plan->below.size(), 1u);
  EXPECT_EQ(plan->below[0], hit);
  EXPECT_TRUE(plan->bottommost);
  EXPECT_FALSE(plan->trivial_move);
  EXPECT_EQ(plan->input_bytes(), (4 * 64 + 10) * kKiB);
  EXPECT_GT(CompactionDebt(*version_, kOptions), 0u);
}

// Data must not overtake older data: levels above the base that still hold something come first.
TEST_F(PickerTest, LevelZeroStopsAboveALevelInUse) {
  Add(3, "a", "z", 1);
  for (int i = 0; i < 16; ++i) Add(0, "c", "k", 64);
  auto plan = PickCompaction(*version_, kOptions);
  ASSERT_TRUE(plan.has_value());
  EXPECT_EQ(plan->level, 0);
  EXPECT_EQ(plan->output_level, 3);
}

TEST_F(PickerTest, LevelsAboveTheBaseDrain) {
  const TableFileRef lonely = Add(3, "a", "z", 1);
  auto plan = PickCompaction(*version_, kOptions);
  ASSERT_TRUE(plan.has_value());
  EXPECT_EQ(plan->level, 3);
  EXPECT_EQ(plan->output_level, 4);
  EXPECT_TRUE(plan->trivial_move);
  EXPECT_EQ(plan->inputs.front(), lonely);
}

TEST_F(PickerTest, TheTableWithTheLeastOverlapGoesFirst) {
  Add(6, "a", "c", 2000);
  Add(6, "d", "f", 600);
  Add(5, "a", "c", 200);
  const TableFileRef cheap = Add(5, "d", "f", 200);
  auto plan = PickCompaction(*version_, kOptions);
  ASSERT_TRUE(plan.has_value());
  EXPECT_EQ(plan->level, 5);
  ASSERT_EQ(plan->inputs.size(), 1u);
  EXPECT_EQ(plan->inputs[0], cheap);
  EXPECT_TRUE(plan->bottommost);
}

TEST_F(PickerTest, BusyTablesAreLeftAlone) {
  std::vector<TableFileRef> files;
  for (int i = 0; i < 4; ++i) files.push_back(Add(0, "c", "k", 64));
  const TableFileRef below = Add(6, "b", "d", 10);
  below->being_compacted = true;
  EXPECT_FALSE(PickCompaction(*version_, kOptions).has_value());
  below->being_compacted = false;
  files[2]->being_compacted = true;
  EXPECT_FALSE(PickCompaction(*version_, kOptions).has_value());
  files[2]->being_compacted = false;
  EXPECT_TRUE(PickCompaction(*version_, kOptions).has_value());
}

TEST_F(PickerTest, NotBottommostAboveOverlappingData) {
  Add(6, "a", "f", 2560);
  for (int i = 0; i < 4; ++i) Add(0, "c", "d", 64);
  auto plan = PickCompaction(*version_, kOptions);
  ASSERT_TRUE(plan.has_value());
  EXPECT_EQ(plan->output_level, 5);
  EXPECT_FALSE(plan->bottommost);
  EXPECT_EQ(plan->grandparents.size(), 1u);
}

TEST_F(PickerTest, ARangeGoesDownStepByStep) {
  Add(6, "a", "z", 2560);
  Add(5, "p", "q", 10);
  const TableFileRef inside = Add(5, "b", "c", 10);
  Add(0, "x", "y", 10);
  Add(0, "b", "c", 10);
  bool busy = false;
  auto first = PickRange(*version_, kOptions, "a", "d", 0, &busy);
  ASSERT_TRUE(first.has_value());
  EXPECT_EQ(first->level, 0);
  EXPECT_EQ(first->inputs.size(), 2u);  // level 0 as a whole
  EXPECT_EQ(first->output_level, 5);
  auto second = PickRange(*version_, kOptions, "a", "d", 1, &busy);
  ASSERT_TRUE(second.has_value());
  EXPECT_EQ(second->level, 5);
  ASSERT_EQ(second->inputs.size(), 1u);
  EXPECT_EQ(second->inputs[0], inside);
  EXPECT_FALSE(second->trivial_move);
  EXPECT_FALSE(PickRange(*version_, kOptions, "a", "d", 6, &busy).has_value());
  EXPECT_FALSE(busy);
  inside->being_compacted = true;
  EXPECT_FALSE(PickRange(*version_, kOptions, "a", "d", 1, &busy).has_value());
  EXPECT_TRUE(busy);
}

}  // namespace
}  // namespace varve::lsm
