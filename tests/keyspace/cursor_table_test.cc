#include "keyspace/cursor_table.h"

#include <gtest/gtest.h>

#include <vector>

namespace varve::keyspace {
namespace {

constexpr size_t kEntryOfOneByte = CursorTable::kEntryOverhead + 1;

TEST(CursorTable, GivesThePlaceBack) {
  CursorTable table(7);
  const uint64_t a = table.Add("apple");
  const uint64_t b = table.Add("pear");
  ASSERT_NE(a, b);
  EXPECT_NE(a, 0u);
  EXPECT_EQ(*table.Find(a), "apple");
  EXPECT_EQ(*table.Find(b), "pear");
  EXPECT_EQ(table.Find(a + 1000), nullptr);
}

TEST(CursorTable, EqualPlacesShareOneNumber) {
  CursorTable table(7);
  EXPECT_EQ(table.Add("x"), table.Add("x"));
  EXPECT_EQ(table.count(), 1u);
}

TEST(CursorTable, StaysExactInADouble) {
  CursorTable table(UINT64_MAX);
  const uint64_t id = table.Add("x");
  EXPECT_LE(id, uint64_t{1} << 53);
  EXPECT_EQ(static_cast<uint64_t>(static_cast<double>(id)), id);
}

TEST(CursorTable, DropsTheOldestOfThoseThatWait) {
  CursorTable table(1, 3 * kEntryOfOneByte);
  const uint64_t a = table.Add("a");
  const uint64_t b = table.Add("b");
  const uint64_t c = table.Add("c");
  ASSERT_EQ(table.Add("a"), a);  // now b is the oldest
  const uint64_t d = table.Add("d");
  EXPECT_EQ(table.Find(b), nullptr);
  for (uint64_t id : {a, c, d}) EXPECT_NE(table.Find(id), nullptr);
  EXPECT_LE(table.bytes(), 3 * kEntryOfOneByte);
}

// What one client has behind it does not cost another its place, however many pages that is.
TEST(CursorTable, AFastIterationLeavesASlowOneItsPlace) {
  CursorTable table(1, 3 * kEntryOfOneByte);
  const uint64_t slow = table.Add("s");
  uint64_t fast = table.Add("f");
  for (int page = 0; page < 1000; page++) {
    ASSERT_NE(table.Find(fast), nullptr) << page;
    fast = table.Add(std::string(1, static_cast<char>(page)));
  }
  EXPECT_NE(table.Find(slow), nullptr);
  EXPECT_LE(table.bytes(), 3 * kEntryOfOneByte);
}

TEST(CursorTable, ANumberHandedOutTwiceWaitsForBoth) {
  CursorTable table(1, 3 * kEntryOfOneByte);
  const uint64_t shared = table.Add("s");
  ASSERT_EQ(table.Add("s"), shared);
  ASSERT_NE(table.Find(shared), nullptr);
  for (char name : {'a', 'b'}) table.Add(std::string(1, name));
  EXPECT_NE(table.Find(shared), nullptr);
  table.Add("c");  // now nobody waits for it
  EXPECT_EQ(table.Find(shared), nullptr);
}

// Iterations that nobody goes on with fill the table in the end; who asks again for a page still gets it.
TEST(CursorTable, UsedPlacesHaveAShareOfTheirOwn) {
  const size_t entries = 10 * CursorTable::kUsedShare;
  CursorTable table(1, entries * (CursorTable::kEntryOverhead + 4));
  for (size_t i = 0; i < 2 * entries; i++) table.Add("a" + std::to_string(100 + i));
  std::vector<uint64_t> used;
  uint64_t next = table.Add("b000");
  for (int page = 1; page < 50; page++) {
    ASSERT_NE(table.Find(next), nullptr);
    used.push_back(next);
    next = table.Add("b" + std::to_string(100 + page));
  }
  for (size_t back = 1; back <= 9; back++) EXPECT_NE(table.Find(used[used.size() - back]), nullptr) << back;
  EXPECT_EQ(table.Find(used[used.size() - 20]), nullptr);
  EXPECT_NE(table.Find(next), nullptr);
}

// All in step: the hardest case, as each place is needed again only after all others have moved on.
TEST(CursorTable, HoldsAHundredThousandIterationsOverOrdinaryNames) {
  constexpr size_t kIterations = 100'000;
  CursorTable table(1);
  std::vector<uint64_t> ids(kIterations);
  for (int page = 0; page < 4; page++) {
    for (size_t i = 0; i < kIterations; i++) {
      const std::string digits = std::to_string(kIterations * 10 + i) + std::to_string(page);
      const std::string name = std::string(100 - digits.size(), 'x') + digits;
      if (page > 0) {
        ASSERT_NE(table.Find(ids[i]), nullptr) << "page " << page << " of iteration " << i;
      }
      ids[i] = table.Add(name);
    }
    EXPECT_LE(table.bytes(), CursorTable::kBytesMaxDefault);
  }
}

// The longest names: fewer, and no more memory.
TEST(CursorTable, HoldsFewerIterationsOverLongNames) {
  constexpr size_t kIterations = 470;
  CursorTable table(1);
  std::vector<uint64_t> ids(2 * kIterations);
  for (int page = 0; page < 3; page++) {
    for (size_t i = 0; i < kIterations; i++) {
      if (page > 0) {
        ASSERT_NE(table.Find(ids[i]), nullptr) << "page " << page << " of iteration " << i;
      }
      ids[i] = table.Add(std::string(65'530, 'x') + std::to_string(10'000 * (page + 1) + static_cast<int>(i)));
    }
  }
  for (size_t i = kIterations; i < 2 * kIterations; i++)
    ids[i] = table.Add(std::string(65'530, 'y') + std::to_string(i));
  EXPECT_EQ(table.Find(ids[0]), nullptr);
  EXPECT_NE(table.Find(ids.back()), nullptr);
  EXPECT_LE(table.bytes(), CursorTable::kBytesMaxDefault);
}

TEST(CursorTable, KeepsOneEntryHoweverLarge) {
  CursorTable table(1, 10);
  const uint64_t id = table.Add(std::string(65536, 'k'));
  EXPECT_NE(table.Find(id), nullptr);
}

}  // namespace
}  // namespace varve::keyspace
