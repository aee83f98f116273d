#include "lsm/compact/covered.h"

#include <gtest/gtest.h>

namespace varve::lsm {
namespace {

class CoveredTest : public ::testing::Test {
 protected:
  void Add(int level, std::string smallest, std::string largest, SequenceNumber from, SequenceNumber to,
           bool exclusive = false) {
    TableFacts facts;
    facts.file_size = 1000;
    facts.smallest = std::move(smallest);
    facts.largest = std::move(largest);
    facts.smallest_seq = from;
    facts.largest_seq = to;
    facts.largest_exclusive = exclusive;
    VersionEdit edit;
    edit.added.push_back(
        {level, std::make_shared<TableFile>(++number_, 1, std::move(facts), std::make_shared<TableContext>())});
    auto version = Version::Apply(*version_, edit, "test");
    ASSERT_TRUE(version.ok()) << version.status().ToString();
    version_ = *version;
  }
  // Numbers of the covered tables; 0 in front when more are held by a snapshot, below held_below_.
  std::vector<uint64_t> Find(std::vector<RangeTombstone> ranges, std::vector<SequenceNumber> snapshots = {}) {
    CoveredTables covered = FindCovered(*version_, RangeTombstones::Fragmented(std::move(ranges)), snapshots);
    std::vector<uint64_t> numbers;
    if (covered.held_below > 0) numbers.push_back(0);
    held_below_ = covered.held_below;
    for (const auto& table : covered.tables) numbers.push_back(table.file->number());
    return numbers;
  }
  using Numbers = std::vector<uint64_t>;

  std::shared_ptr<const Version> version_ = std::make_shared<const Version>();
  uint64_t number_ = 0;
  SequenceNumber held_below_ = 0;
};

TEST_F(CoveredTest, OnlyTablesThatLieInsideAsAWhole) {
  Add(6, "b", "d", 1, 10);
  Add(6, "e", "g", 1, 10);
  EXPECT_EQ(Find({}), Numbers{});
  EXPECT_EQ(Find({{"b", "d", 20}}), Numbers{});  // "d" itself is left
  EXPECT_EQ(Find({{"b", "d0", 20}}), Numbers{1});
  EXPECT_EQ(Find({{"c", "z", 20}}), Numbers{2});
  EXPECT_EQ(Find({{"", "z", 20}}), (Numbers{1, 2}));
}

TEST_F(CoveredTest, AnExclusiveEndIsNoKey) {
  Add(5, "b", "d", 1, 10, /*exclusive=*/true);
  EXPECT_EQ(Find({{"b", "d", 20}}), Numbers{1});
}

TEST_F(CoveredTest, TombstonesJoinButLeaveNoGap) {
  Add(6, "b", "f", 1, 10);
  EXPECT_EQ(Find({{"a", "d", 20}, {"d", "g", 30}}), Numbers{1});
  EXPECT_EQ(Find({{"a", "d", 20}, {"d0", "g", 30}}), Numbers{});
}

TEST_F(CoveredTest, OlderTombstonesCoverNothing) {
  Add(5, "b", "d", 21, 30);
  EXPECT_EQ(Find({{"a", "z", 20}}), Numbers{});
  EXPECT_EQ(Find({{"a", "z", 30}}), Numbers{});  // it stands in that table itself
  EXPECT_EQ(Find({{"a", "z", 31}}), Numbers{1});
}

// A snapshot that sees the table but not the tombstone holds it; older and newer ones do not.
TEST_F(CoveredTest, Snapshots) {
  Add(6, "b", "d", 5, 10);
  EXPECT_EQ(Find({{"a", "z", 20}}, {4}), Numbers{1});
  EXPECT_EQ(Find({{"a", "z", 20}}, {4, 20, 25}), Numbers{1});
  EXPECT_EQ(Find({{"a", "z", 20}}, {5}), Numbers{0});
  EXPECT_EQ(Find({{"a", "z", 20}}, {4, 19, 25}), Numbers{0});
  EXPECT_EQ(Find({{"a", "z", 20}, {"a", "z", 12}}, {15}), Numbers{1});  // the older one hides it already
  EXPECT_EQ(Find({{"a", "z", 20}, {"a", "c", 12}}, {15}), Numbers{0});
  EXPECT_EQ(held_below_, 20u);
  EXPECT_EQ(Find({{"a", "z", 20}, {"a", "c", 30}}, {15, 25}), Numbers{0});
  EXPECT_EQ(held_below_, 20u) << "the other tombstone is newer than it need be";
}

}  // namespace
}  // namespace varve::lsm
