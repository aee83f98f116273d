// Which tables may go unread once their values have expired.
#include "lsm/compact/expired_tables.h"

#include <gtest/gtest.h>

namespace varve::lsm {
namespace {

class ExpiredTablesTest : public ::testing::Test {
 protected:
  void Add(int level, std::string smallest, std::string largest, uint64_t expires_ms) {
    TableFacts facts;
    facts.file_size = 1000;
    facts.tail_offset = 900;
    facts.entries = 1;
    facts.smallest_seq = facts.largest_seq = next_;
    facts.smallest = std::move(smallest);
    facts.largest = std::move(largest);
    facts.expires_ms = expires_ms;
    edit_.added.push_back({level, std::make_shared<TableFile>(next_++, 1, std::move(facts), context_)});
  }
  // "L<level>: numbers"; empty when nothing is to be dropped.
  std::string Pick(int64_t now_ms, SequenceNumber oldest_snapshot = kSequenceMax) {
    auto version = Version::Apply(Version(), edit_, "test");
    EXPECT_TRUE(version.ok());
    const auto tables = FindExpiredTables(**version, now_ms, oldest_snapshot);
    if (tables.empty()) return "";
    std::string text = "L" + std::to_string(tables.front().level) + ":";
    for (const VersionEdit::Added& table : tables) {
      EXPECT_EQ(table.level, tables.front().level);
      text += " " + std::to_string(table.file->number());
    }
    return text;
  }

  std::shared_ptr<TableContext> context_ = std::make_shared<TableContext>();
  VersionEdit edit_;
  uint64_t next_ = 1;  // number and sequence: newer tables come later
};

TEST_F(ExpiredTablesTest, OnTime) {
  Add(3, "a", "c", 100);
  Add(3, "d", "f", 200);
  Add(3, "g", "i", 0);
  EXPECT_EQ(Pick(99), "");
  EXPECT_EQ(Pick(100), "L3: 1");
  EXPECT_EQ(Pick(1000), "L3: 1 2");
  const auto version = Version::Apply(Version(), edit_, "test");
  EXPECT_EQ(NextTableExpiry(**version, 0), 100);
  EXPECT_EQ(NextTableExpiry(**version, 100), 200);
  EXPECT_EQ(NextTableExpiry(**version, 200), INT64_MAX);
}

TEST_F(ExpiredTablesTest, NotOverOlderData) {
  Add(6, "b", "b", 0);
  Add(6, "x", "z", 50);
  Add(3, "a", "c", 100);
  Add(3, "d", "f", 100);
  Add(3, "y", "y", 100);
  EXPECT_EQ(Pick(100), "L6: 2");  // the deepest first: then the one over it
  edit_.added.erase(edit_.added.begin() + 1);
  EXPECT_EQ(Pick(100), "L3: 4 5");
}

TEST_F(ExpiredTablesTest, Level0LooksAtItsOlderTables) {
  Add(0, "a", "c", 0);
  Add(0, "b", "d", 100);
  Add(0, "e", "g", 100);
  Add(0, "a", "z", 0);  // newer: hides nothing of theirs
  EXPECT_EQ(Pick(100), "L0: 3");
}

TEST_F(ExpiredTablesTest, NotWhatIsNewerThanASnapshot) {
  Add(3, "a", "c", 100);
  Add(3, "d", "f", 100);
  EXPECT_EQ(Pick(100, 1), "L3: 1");
  EXPECT_EQ(Pick(100, 2), "L3: 1 2");
}

TEST_F(ExpiredTablesTest, NotWhatIsBeingCompacted) {
  Add(3, "a", "c", 100);
  edit_.added[0].file->being_compacted = true;
  EXPECT_EQ(Pick(100), "");
}

}  // namespace
}  // namespace varve::lsm
