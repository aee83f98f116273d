// The checker, judged: histories whose verdict is plain, all orders of small ones, and a store with planted bugs.
#include "tests/linearizability/checker.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>

#include "tests/linearizability/planted_store.h"

namespace varve::linearizability {
namespace {

using Operations = std::vector<Operation>;
using Transactions = std::vector<ListTransaction>;

Operation Write(uint64_t invoked, uint64_t returned, const char* value, const char* key = "k") {
  return {.action = Action::kWrite, .key = key, .argument = value, .invoked = invoked, .returned = returned};
}
Operation Read(uint64_t invoked, uint64_t returned, const Value& value, const char* key = "k") {
  return {.key = key, .invoked = invoked, .returned = returned, .answer = value};
}
Operation Update(Action action, uint64_t invoked, uint64_t returned, const Value& argument, const Value& answer) {
  return {
      .action = action, .key = "k", .argument = argument, .invoked = invoked, .returned = returned, .answer = answer};
}
const Value kNothing;

TEST(CheckOperations, OneAfterTheOther) {
  EXPECT_EQ(CheckOperations({Read(1, 2, kNothing), Write(3, 4, "a"), Read(5, 6, "a")}), "");
  EXPECT_NE(CheckOperations({Write(1, 2, "a"), Read(3, 4, kNothing)}), "");
  EXPECT_NE(CheckOperations({Write(1, 2, "a"), Write(3, 4, "b"), Read(5, 6, "a")}), "");
  EXPECT_NE(CheckOperations({Read(1, 2, "a"), Write(3, 4, "a")}), "") << "the future";
}

TEST(CheckOperations, OverlappingOperationsMayComeInEitherOrder) {
  EXPECT_EQ(CheckOperations({Write(1, 10, "a"), Read(2, 3, kNothing), Read(4, 5, "a")}), "");
  EXPECT_EQ(CheckOperations({Write(1, 10, "a"), Write(2, 9, "b"), Read(11, 12, "a")}), "");
  EXPECT_EQ(CheckOperations({Write(1, 10, "a"), Write(2, 9, "b"), Read(11, 12, "b")}), "");
  EXPECT_NE(CheckOperations({Write(1, 10, "a"), Read(2, 3, "a"), Read(4, 5, kNothing)}), "") << "reads went back";
  EXPECT_NE(CheckOperations({Write(1, 10, "a"), Write(2, 9, "b"), Read(11, 12, "a"), Read(13, 14, "b")}), "");
}

// From Herlihy & Wing 1990, section 1.1, for a register: the last read cannot be explained.
TEST(CheckOperations, EveryReadOfOneClientCountsForTheOthers) {
  EXPECT_EQ(CheckOperations({Write(1, 4, "0"), Write(3, 8, "1"), Read(5, 6, "1"), Read(9, 10, "1")}), "");
  EXPECT_NE(CheckOperations({Write(1, 2, "0"), Write(3, 8, "1"), Read(4, 5, "1"), Read(6, 7, "0")}), "");
}

TEST(CheckOperations, KeysAreJudgedOneByOne) {
  EXPECT_EQ(CheckOperations({Write(1, 2, "a", "k"), Write(3, 4, "b", "l"), Read(5, 6, "a", "k"), Read(7, 8, "b", "l")}),
            "");
  const std::string wrong = CheckOperations({Write(1, 2, "a", "k"), Write(3, 4, "b", "l"), Read(5, 6, "a", "l")});
  EXPECT_NE(wrong.find("key 'l'"), std::string::npos) << wrong;
}

TEST(CheckOperations, WhatNeverReturnedTookEffectOnceOrNotAtAll) {
  Operation open = Write(3, kNever, "b");
  open.certain = false;
  EXPECT_EQ(CheckOperations({Write(1, 2, "a"), open, Read(5, 6, "a")}), "");
  EXPECT_EQ(CheckOperations({Write(1, 2, "a"), open, Read(5, 6, "a"), Read(7, 8, "b")}), "") << "late";
  EXPECT_NE(CheckOperations({Write(1, 2, "a"), open, Read(5, 6, "b"), Read(7, 8, "a")}), "") << "undone";
  EXPECT_NE(CheckOperations({Read(1, 2, "b"), open}), "") << "before it was invoked";
  open.returned = 6;
  EXPECT_EQ(CheckOperations({Write(1, 2, "a"), open, Read(4, 5, "a"), Read(7, 8, "b")}), "");
  EXPECT_EQ(CheckOperations({Write(1, 2, "a"), open, Read(4, 5, "a"), Read(7, 8, "a")}), "");
  EXPECT_NE(CheckOperations({Write(1, 2, "a"), open, Read(7, 8, "a"), Read(9, 10, "b")}), "") << "after its end";
  const Operation add{.action = Action::kAdd, .key = "k", .argument = "1", .invoked = 1, .certain = false};
  EXPECT_EQ(CheckOperations({add, Read(2, 3, kNothing), Read(4, 5, "1")}), "");
  EXPECT_NE(CheckOperations({add, Read(4, 5, "2")}), "");
}

TEST(CheckOperations, CountersAppendsExchangesAndConditions) {
  EXPECT_EQ(CheckOperations({Update(Action::kAdd, 1, 9, "2", "5"), Update(Action::kAdd, 2, 8, "3", "3")}), "");
  EXPECT_NE(CheckOperations({Update(Action::kAdd, 1, 9, "2", "2"), Update(Action::kAdd, 2, 8, "3", "3")}), "");
  EXPECT_EQ(CheckOperations(
                {Update(Action::kAppend, 1, 2, "ab", "2"), Update(Action::kAppend, 3, 4, "c", "3"), Read(5, 6, "abc")}),
            "");
  EXPECT_NE(CheckOperations({Update(Action::kAppend, 1, 4, "ab", "2"), Update(Action::kAppend, 2, 3, "c", "1")}), "");
  EXPECT_EQ(CheckOperations({Write(1, 2, "a"), Update(Action::kExchange, 3, 6, "b", "a"),
                             Update(Action::kExchange, 4, 5, kNothing, "b"), Read(7, 8, kNothing)}),
            "");
  EXPECT_NE(CheckOperations({Write(1, 2, "a"), Update(Action::kExchange, 3, 6, "b", "a"),
                             Update(Action::kExchange, 4, 5, "c", "a")}),
            "");
  EXPECT_EQ(CheckOperations(
                {Write(1, 2, "a"), Update(Action::kDelete, 3, 4, {}, "1"), Update(Action::kDelete, 5, 6, {}, "0")}),
            "");
  EXPECT_NE(CheckOperations(
                {Write(1, 2, "a"), Update(Action::kDelete, 3, 6, {}, "1"), Update(Action::kDelete, 4, 5, {}, "1")}),
            "");
  Operation mine = Update(Action::kWriteIf, 3, 6, "b", "1"), yours = Update(Action::kWriteIf, 4, 5, "c", "1");
  mine.expected = yours.expected = "a";
  EXPECT_NE(CheckOperations({Write(1, 2, "a"), mine, yours}), "");
  yours.answer = "0";
  EXPECT_EQ(CheckOperations({Write(1, 2, "a"), mine, yours}), "");
}

TEST(CheckOperations, TheExplanationIsTheSmallestHistory) {
  Operations operations;
  for (uint64_t i = 0; i < 20; ++i) {
    const std::string value = std::to_string(i);
    operations.push_back(Write(10 * i + 1, 10 * i + 2, value.c_str()));
    operations.push_back(Read(10 * i + 3, 10 * i + 4, i == 15 ? "14" : value));
  }
  EXPECT_EQ(CheckOperations(operations),
            "not linearizable: key 'k', 3 of its 40 operations:\n"
            "  [141, 142] client 0: write '14'\n"
            "  [151, 152] client 0: write '15'\n"
            "  [153, 154] client 0: read -> '14'\n"
            "the longest order has 2 of them and leaves '15'; nothing that may come next leads to\n"
            "  [153, 154] client 0: read -> '14'\n");
}

// The verdict by definition: some order of all that is certain, and of any of the rest, explains every answer.
bool SomeOrderExplains(const Operations& operations, std::vector<size_t> order, const Value& state) {
  const auto has = [&](size_t i) { return std::find(order.begin(), order.end(), i) != order.end(); };
  bool all = true;
  for (size_t i = 0; i < operations.size(); ++i) {
    if (has(i)) continue;
    all = all && !operations[i].certain;
    const bool too_late = std::any_of(
        order.begin(), order.end(), [&](size_t before) { return operations[i].returned < operations[before].invoked; });
    Value after = state;
    const Value answer = linearizability::Apply(operations[i], &after);
    if (too_late || (operations[i].answer.has_value() && *operations[i].answer != answer)) continue;
    order.push_back(i);
    if (SomeOrderExplains(operations, order, after)) return true;
    order.pop_back();
  }
  return all;
}

Operations RandomOperations(lsm::Dice* dice) {
  std::vector<uint64_t> times(12);
  std::iota(times.begin(), times.end(), uint64_t{1});
  std::shuffle(times.begin(), times.end(), dice->random());
  Operations operations;
  const std::vector<Value> values = {kNothing, "1", "2"};
  for (size_t i = 0; i < 6; ++i) {
    const auto [invoked, returned] = std::minmax(times[2 * i], times[2 * i + 1]);
    Operation operation{.action = static_cast<Action>(dice->Below(7)), .key = "k", .argument = values[dice->Below(3)]};
    if (operation.action == Action::kAppend || operation.action == Action::kAdd) operation.argument = "1";
    operation.expected = values[dice->Below(3)];
    operation.invoked = invoked;
    operation.returned = returned;
    Value state = values[dice->Below(3)];  // an answer that the action may give
    operation.answer = linearizability::Apply(operation, &state);
    if (dice->OneIn(4)) Forget(&operation, dice->OneIn(2) ? kNever : operation.returned);
    operations.push_back(std::move(operation));
  }
  return operations;
}

TEST(CheckOperations, SmallHistoriesGetTheVerdictOfAllTheirOrders) {
  lsm::Dice dice(1);
  int right = 0;
  constexpr int kHistories = 4000;
  for (int i = 0; i < kHistories; ++i) {
    const Operations operations = RandomOperations(&dice);
    const bool explained = SomeOrderExplains(operations, {}, kNothing);
    const std::string wrong = CheckOperations(operations);
    ASSERT_EQ(wrong.empty(), explained) << "history " << i << "\n" << wrong;
    right += explained ? 1 : 0;
  }
  EXPECT_GT(right, kHistories / 20);
  EXPECT_LT(right, kHistories - kHistories / 20);
}

Access AppendTo(const char* list, uint64_t id) {
  return {.key = list, .id = id};
}
Access ReadOf(const char* list, std::vector<uint64_t> ids) {
  return {.key = list, .list = std::move(ids)};
}
ListTransaction Done(uint64_t invoked, uint64_t returned, std::vector<Access> accesses,
                     Outcome outcome = Outcome::kCommitted) {
  return {.accesses = std::move(accesses), .invoked = invoked, .returned = returned, .outcome = outcome};
}

TEST(CheckTransactions, AppendsAndReadsInOrder) {
  EXPECT_EQ(CheckTransactions({Done(1, 2, {AppendTo("x", 1), AppendTo("y", 2)}),
                               Done(3, 4, {ReadOf("x", {1}), AppendTo("x", 3), ReadOf("x", {1, 3})}),
                               Done(5, 6, {ReadOf("x", {1, 3}), ReadOf("y", {2})})}),
            "");
}

TEST(CheckTransactions, ReadsThatAreWrongByThemselves) {
  const ListTransaction one = Done(1, 2, {AppendTo("x", 1)}), two = Done(3, 4, {AppendTo("x", 2)});
  EXPECT_NE(CheckTransactions({one, Done(3, 4, {ReadOf("x", {7})})}).find("nobody has appended"), std::string::npos);
  EXPECT_NE(CheckTransactions({one, Done(3, 4, {ReadOf("x", {1, 1})})}).find("there are two"), std::string::npos);
  EXPECT_NE(CheckTransactions({one, two, Done(5, 6, {ReadOf("x", {1, 2})}), Done(7, 8, {ReadOf("x", {2, 1})})})
                .find("was also read as"),
            std::string::npos);
  EXPECT_NE(CheckTransactions({Done(1, 2, {AppendTo("x", 1)}, Outcome::kAborted), Done(3, 4, {ReadOf("x", {1})})})
                .find("gave up"),
            std::string::npos);
  EXPECT_NE(CheckTransactions({Done(1, 2, {AppendTo("x", 1), ReadOf("x", {})})}).find("not at the end"),
            std::string::npos);
  EXPECT_NE(CheckTransactions({Done(1, 2, {ReadOf("x", {1}), AppendTo("x", 1)})}).find("too early"), std::string::npos);
}

TEST(CheckTransactions, AnAppendThatReturnedIsSeenByWhoComesLater) {
  EXPECT_NE(CheckTransactions({Done(1, 2, {AppendTo("x", 1)}), Done(3, 4, {ReadOf("x", {})})}), "");
  EXPECT_EQ(CheckTransactions({Done(1, 4, {AppendTo("x", 1)}), Done(3, 5, {ReadOf("x", {})})}), "") << "they overlap";
  EXPECT_NE(CheckTransactions({Done(1, 2, {ReadOf("x", {1})}), Done(3, 4, {AppendTo("x", 1)})}), "") << "the future";
  EXPECT_NE(CheckTransactions(
                {Done(1, 9, {AppendTo("x", 1)}), Done(2, 3, {ReadOf("x", {1})}), Done(4, 5, {ReadOf("x", {})})}),
            "")
      << "reads went back";
}

TEST(CheckTransactions, UnknownOutcomes) {
  ListTransaction open = Done(1, kNever, {AppendTo("x", 1), AppendTo("y", 2)}, Outcome::kUnknown);
  EXPECT_EQ(CheckTransactions({open, Done(3, 4, {ReadOf("x", {}), ReadOf("y", {})})}), "") << "it never was";
  EXPECT_EQ(CheckTransactions({open, Done(3, 4, {ReadOf("x", {})}), Done(5, 6, {ReadOf("x", {1}), ReadOf("y", {2})})}),
            "")
      << "it came late";
  EXPECT_NE(CheckTransactions({open, Done(3, 4, {ReadOf("x", {1}), ReadOf("y", {})})}), "") << "torn";
  open.returned = 2;
  EXPECT_EQ(CheckTransactions({open, Done(3, 4, {ReadOf("x", {}), ReadOf("y", {})})}), "");
  EXPECT_NE(CheckTransactions({open, Done(3, 4, {ReadOf("x", {})}), Done(5, 6, {ReadOf("x", {1}), ReadOf("y", {2})})}),
            "")
      << "after its end";
}

TEST(CheckTransactions, ReadsOfTwoMomentsAndWriteSkew) {
  EXPECT_NE(CheckTransactions({Done(1, 20, {AppendTo("x", 1)}), Done(2, 20, {AppendTo("y", 2)}),
                               Done(3, 20, {ReadOf("x", {1}), ReadOf("y", {})}),
                               Done(4, 20, {ReadOf("x", {}), ReadOf("y", {2})})}),
            "")
      << "a long fork";
  EXPECT_NE(CheckTransactions({Done(1, 20, {AppendTo("x", 1), AppendTo("x", 2)}), Done(2, 20, {ReadOf("x", {1})})}), "")
      << "half of a transaction";
  const std::string skew = CheckTransactions({Done(1, 10, {ReadOf("x", {}), AppendTo("y", 1)}),
                                              Done(2, 9, {ReadOf("y", {}), AppendTo("x", 2)}),
                                              Done(11, 12, {ReadOf("x", {2}), ReadOf("y", {1})})});
  EXPECT_EQ(skew,
            "not strictly serializable: each of these came before the next, and the last before the first:\n"
            "  [1, 10] client 0: read x -> []; append 1 to y;\n"
            "    rw on list x, then came 2\n"
            "  [2, 9] client 0: read y -> []; append 2 to x;\n"
            "    rw on list y, then came 1\n");
}

constexpr int kPlantedOperations = 250;

TEST(PlantedStore, WithoutABugNothingIsFound) {
  for (uint64_t seed = 1; seed <= 200; ++seed) {
    const History history = PlantedStore(Bug::kNone, seed).Run(kPlantedOperations);
    ASSERT_GE(history.size(), size_t{kPlantedOperations});
    ASSERT_EQ(Check(history), "") << "seed " << seed;
  }
}

TEST(PlantedStore, EachBugIsFound) {
  constexpr int kHistoriesMax = 50;
  int caught = 0;
  for (int bug = 1; bug <= kBugCount; ++bug) {
    int needed = 1;
    std::string wrong;
    for (; needed <= kHistoriesMax && wrong.empty(); ++needed) {
      wrong = Check(PlantedStore(static_cast<Bug>(bug), static_cast<uint64_t>(needed)).Run(kPlantedOperations));
    }
    EXPECT_NE(wrong, "") << BugName(static_cast<Bug>(bug));
    if (wrong.empty()) continue;
    ++caught;
    std::printf("%s: history %d\n", std::string(BugName(static_cast<Bug>(bug))).c_str(), needed - 1);
  }
  std::printf("%d of %d planted bugs caught\n", caught, kBugCount);
}

}  // namespace
}  // namespace varve::linearizability
