#include "tests/oplog/operation_log.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "tests/oplog/map_player.h"

namespace varve::lsm {
namespace {

TEST(OperationLogTextTest, WhatIsWrittenIsReadAgain) {
  const Log log = Generate(3, 30'000);
  const Result<Log> read = Parse(Text(log));
  ASSERT_TRUE(read.ok()) << read.status().ToString();
  EXPECT_TRUE(*read == log);
}

TEST(OperationLogTextTest, ALineIsAnOperation) {
  const Result<Log> log = Parse(
      "# a comment\n"
      "\n"
      "put key=17 size=40 seed=3 work=1\n"
      "batch { merge key=5 size=8 seed=1 ; deleterange key=2 end=9 }\n"
      "flush\n");
  ASSERT_TRUE(log.ok()) << log.status().ToString();
  const Log want = {{.kind = Kind::kPut, .key = 17, .size = 40, .seed = 3, .work = 1},
                    {.kind = Kind::kBatch,
                     .changes = {{.kind = Kind::kMerge, .key = 5, .size = 8, .seed = 1},
                                 {.kind = Kind::kDeleteRange, .key = 2, .end = 9}}},
                    {.kind = Kind::kFlush}};
  EXPECT_TRUE(*log == want) << Text(*log);
}

TEST(OperationLogTextTest, WhatIsNoOperationIsNamed) {
  for (const char* line :
       {"putt key=1", "put key", "put key=", "put key=x", "put key=1x", "put at=1", "get at=5", "flush now",
        "batch { get key=1 }", "batch { put key=1", "batch { put key=1 } more", "put { }"}) {
    const Result<Log> log = Parse(std::string("flush\n") + line + "\n");
    ASSERT_FALSE(log.ok()) << line;
    EXPECT_NE(log.status().ToString().find("line 2: "), std::string::npos) << log.status().ToString();
  }
}

// Nothing is fed back: a shorter log is the beginning of a longer one, and every kind comes up.
TEST(GenerateTest, ASeedIsALog) {
  const Log log = Generate(5, 100'000);
  const Log shorter = Generate(5, 1000);
  EXPECT_TRUE(std::equal(shorter.begin(), shorter.end(), log.begin()));
  EXPECT_FALSE(shorter == Generate(6, 1000));
  std::set<Kind> kinds;
  for (const Operation& operation : log) kinds.insert(operation.kind);
  EXPECT_EQ(kinds.size(), kKindCount);
}

TEST(KeyTest, Ascend) {
  for (uint32_t n = 0; n < kKeyCount; ++n) ASSERT_LT(KeyOf(n), KeyOf(n + 1)) << n;
}

std::string AnswersTo(const std::string& text) {
  const Result<Log> log = Parse(text);
  EXPECT_TRUE(log.ok()) << log.status().ToString();
  MapPlayer map;
  std::string answer;
  for (const Operation& operation : *log) map.Do(operation, &answer);
  return answer;
}

std::string NameOf(std::string_view name) {
  for (uint32_t n = 0; n < kKeyCount; ++n) {
    if (KeyOf(n) == name) return std::to_string(n);
  }
  ADD_FAILURE() << "no key " << name;
  return {};
}

// Worked out by hand: value 0 is "a...", value 2 is "c...".
TEST(MapPlayerTest, SnapshotsAndIteratorsStayAsTheyWere) {
  const std::string k = "key=" + NameOf("k10007"), next = "end=" + NameOf("k10008");
  EXPECT_EQ(
      AnswersTo("put " + k + " size=3\nsnapshot slot=1\nopen slot=2\ndeleterange " + k + " " + next + "\nget " + k +
                "\nget at=1 " + k + "\nseektofirst slot=2\nnext slot=2 count=2\nrelease slot=1\nget at=1 " + k + "\n"),
      "-\nk10007=aaa\nk10007=aaa\n-\n-\n");
}

TEST(MapPlayerTest, WhatIsMergedOntoAValueThatExpiresStays) {
  const std::string k = "key=" + NameOf("k10007");
  EXPECT_EQ(AnswersTo("putwithexpiry ms=10 size=3 " + k + "\nmerge size=1 seed=2 " + k + "\nget " + k +
                      "\nadvance ms=9\nget " + k + "\nadvance ms=1\nget " + k + "\nmerge size=1 seed=2 " + k +
                      "\nget " + k + "\nputwithexpiry size=3 " + k + "\nget " + k + "\n"),
            "k10007=aaac\nk10007=aaac\nk10007=c\nk10007=cc\n-\n");
}

TEST(MapPlayerTest, NumbersAreAdded) {
  const std::string n = NameOf("n21");
  const std::string five("\5\0\0\0\0\0\0\0", 8);
  EXPECT_EQ(AnswersTo("merge seed=2 key=" + n + "\nmerge seed=3 key=" + n + "\nget key=" + n + "\n"),
            "n21=" + five + "\n");
}

TEST(MapPlayerTest, TransactionsConflictWhereAnotherWrote) {
  const std::string k = NameOf("k10007"), other = NameOf("k10008");
  const std::string begin = "transaction count=1 key=" + k, put = " { put size=1 key=" + k + " }\n";
  EXPECT_EQ(AnswersTo(begin + put + begin + " size=2 end=" + k + put + "get key=" + k + "\n" + begin +
                      " size=2 end=" + other + put + "get key=" + k + "\n" + "abandon key=" + k + " { delete key=" + k +
                      " }\nget key=" + k + "\noverlay key=" + k + " { delete key=" + k + " }\nget key=" + k + "\n"),
            "k10007=a\ncommitted\nk10007=a\nconflict\nk10007=aa\nk10007=a\ncommitted\nk10007=a\n-\nk10007=a\n-\n-\n");
}

}  // namespace
}  // namespace varve::lsm
