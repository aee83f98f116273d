#include "keyspace/cursor_table.h"

#include <gtest/gtest.h>

namespace varve::keyspace {
namespace {

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

TEST(CursorTable, DropsTheLeastRecentlyUsed) {
  CursorTable table(1, 3 * (CursorTable::kEntryOverhead + 1));
  const uint64_t a = table.Add("a");
  const uint64_t b = table.Add("b");
  const uint64_t c = table.Add("c");
  ASSERT_NE(table.Find(a), nullptr);  // now b is the oldest
  table.Add("d");
  EXPECT_EQ(table.Find(b), nullptr);
  EXPECT_NE(table.Find(a), nullptr);
  EXPECT_NE(table.Find(c), nullptr);
  EXPECT_LE(table.bytes(), 3 * (CursorTable::kEntryOverhead + 1));
}

TEST(CursorTable, HoldsAHundredThousandOrdinaryNames) {
  CursorTable table(1);
  std::vector<uint64_t> ids;
  for (int i = 0; i < 100'000; i++) ids.push_back(table.Add("session:" + std::to_string(i) + std::string(86, 'x')));
  for (uint64_t id : ids) ASSERT_NE(table.Find(id), nullptr);
}

TEST(CursorTable, KeepsOneEntryHoweverLarge) {
  CursorTable table(1, 10);
  const uint64_t id = table.Add(std::string(65536, 'k'));
  EXPECT_NE(table.Find(id), nullptr);
}

}  // namespace
}  // namespace varve::keyspace
