#include "sqlite_vtab/key_range.h"

#include <gtest/gtest.h>

#include <vector>

namespace varve::sqlite_vtab {
namespace {

constexpr ColumnType kText = ColumnType::kText;
constexpr ColumnType kBlob = ColumnType::kBlob;

SqlValue Text(std::string_view bytes) {
  return {ValueClass::kText, bytes};
}
SqlValue BlobValue(std::string_view bytes) {
  return {ValueClass::kBlob, bytes};
}
const SqlValue kNumber{ValueClass::kNumber, {}};
const SqlValue kNull{ValueClass::kNull, {}};

KeyRange Range(Operator op, const SqlValue& value, ColumnType type = kText) {
  KeyRange range;
  range.Narrow(op, type, value);
  return range;
}

TEST(KeyRange, WholeUntilNarrowed) {
  KeyRange range;
  EXPECT_TRUE(range.IsWhole());
  EXPECT_TRUE(range.Contains(""));
  EXPECT_FALSE(range.IsPoint());
}

TEST(KeyRange, BoundsAreHalfOpenWithAZeroByteBehindTheKey) {
  EXPECT_EQ(Range(Operator::kGreaterEqual, Text("b")).lower(), "b");
  EXPECT_EQ(Range(Operator::kGreater, Text("b")).lower(), std::string("b\0", 2));
  EXPECT_EQ(Range(Operator::kLess, Text("b")).upper(), "b");
  EXPECT_EQ(Range(Operator::kLessEqual, Text("b")).upper(), std::string("b\0", 2));
}

TEST(KeyRange, EqualityIsAPointAlsoForTheEmptyKey) {
  EXPECT_TRUE(Range(Operator::kEqual, Text("b")).IsPoint());
  EXPECT_TRUE(Range(Operator::kEqual, Text("")).IsPoint());
  EXPECT_TRUE(Range(Operator::kLess, Text("")).empty());
  EXPECT_TRUE(Range(Operator::kLessEqual, Text("")).IsPoint());
}

// lsm1 kept the last bound it saw: `k>10 AND k<=13` returned 10.
TEST(KeyRange, BoundsOfAnyOrderAreJoined) {
  for (bool swapped : {false, true}) {
    KeyRange range;
    if (swapped) range.Narrow(Operator::kLessEqual, kText, Text("m"));
    range.Narrow(Operator::kGreater, kText, Text("d"));
    range.Narrow(Operator::kGreaterEqual, kText, Text("c"));
    if (!swapped) range.Narrow(Operator::kLessEqual, kText, Text("m"));
    range.Narrow(Operator::kLess, kText, Text("z"));
    EXPECT_FALSE(range.Contains("d"));
    EXPECT_TRUE(range.Contains(std::string_view("d\0", 2)));
    EXPECT_TRUE(range.Contains("m"));
    EXPECT_FALSE(range.Contains(std::string_view("m\0", 2)));
  }
}

TEST(KeyRange, ContradictionsAreEmpty) {
  KeyRange range = Range(Operator::kEqual, Text("a"));
  range.Narrow(Operator::kEqual, kText, Text("b"));
  EXPECT_TRUE(range.empty());
}

TEST(KeyRange, NullComparesWithNothing) {
  for (Operator op : {Operator::kEqual, Operator::kGreater, Operator::kLess, Operator::kGlob}) {
    EXPECT_TRUE(Range(op, kNull).empty());
    EXPECT_TRUE(Range(op, kNull, kBlob).empty());
  }
}

TEST(KeyRange, ANumberBesideATextKeyNarrowsNothing) {
  for (Operator op : {Operator::kEqual, Operator::kGreater, Operator::kLess}) {
    EXPECT_TRUE(Range(op, kNumber).IsWhole());
    EXPECT_FALSE(IsExact(op, kText, ValueClass::kNumber));
  }
}

TEST(KeyRange, OtherClassesLieAboveOrBelowAllKeys) {
  EXPECT_TRUE(Range(Operator::kEqual, BlobValue("a")).empty());
  EXPECT_TRUE(Range(Operator::kGreater, BlobValue("")).empty());
  EXPECT_TRUE(Range(Operator::kLess, BlobValue("")).IsWhole());
  for (const SqlValue& below : {kNumber, Text("a")}) {
    EXPECT_TRUE(Range(Operator::kEqual, below, kBlob).empty());
    EXPECT_TRUE(Range(Operator::kLessEqual, below, kBlob).empty());
    EXPECT_TRUE(Range(Operator::kGreaterEqual, below, kBlob).IsWhole());
    EXPECT_TRUE(IsExact(Operator::kEqual, kBlob, below.value_class));
  }
}

TEST(KeyRange, GlobPrefixStopsWhereTheMatcherMightDiffer) {
  EXPECT_EQ(GlobPrefix("user:*"), "user:");
  EXPECT_EQ(GlobPrefix("a?b"), "a");
  EXPECT_EQ(GlobPrefix("a[bc]"), "a");
  EXPECT_EQ(GlobPrefix("exact"), "exact");
  EXPECT_EQ(GlobPrefix(std::string_view("ab\0cd", 5)), "ab");
  EXPECT_EQ(GlobPrefix("caf\xc3\xa9*"), "caf");
  EXPECT_FALSE(IsExact(Operator::kGlob, kText, ValueClass::kText));
}

TEST(KeyRange, GlobBoundsThePrefix) {
  KeyRange range = Range(Operator::kGlob, Text("user:*"));
  EXPECT_EQ(range.lower(), "user:");
  EXPECT_EQ(range.upper(), "user;");
  EXPECT_TRUE(Range(Operator::kGlob, Text("*")).IsWhole());
}

TEST(KeyRange, PrefixSuccessorCarriesOverTheLastByte) {
  std::string end;
  EXPECT_TRUE(PrefixSuccessor("a\xff", &end));
  EXPECT_EQ(end, "b");
  EXPECT_FALSE(PrefixSuccessor("\xff\xff", &end));
  EXPECT_FALSE(PrefixSuccessor("", &end));
}

}  // namespace
}  // namespace varve::sqlite_vtab
