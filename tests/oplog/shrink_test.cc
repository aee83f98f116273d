// A fault is planted in the answers, and the log that meets it must become as small as the fault is.

#include "tests/oplog/shrink.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <map>

#include "tests/oplog/db_player.h"
#include "tests/oplog/map_player.h"

namespace varve::lsm {
namespace {

// Finds nothing through a snapshot where a range was deleted since it was taken.
class ForgetfulSnapshots final : public Player {
 public:
  explicit ForgetfulSnapshots(Player* inner) : inner_(inner) {}

  void Do(const Operation& operation, std::string* answer) override {
    inner_->Do(operation, answer);
    std::vector<Operation>* since = &deleted_since_[operation.at];
    switch (operation.kind) {
      case Kind::kSnapshot: deleted_since_[operation.slot] = {}, taken_[operation.slot] = true; break;
      case Kind::kRelease: taken_[operation.slot] = false; break;
      case Kind::kRestart:
      case Kind::kKill:
      case Kind::kCrash: taken_.fill(false); break;
      case Kind::kDeleteRange:
        for (auto& ranges : deleted_since_) ranges.push_back(operation);
        break;
      case Kind::kGet:
        if (operation.at == 0 || !taken_[operation.at]) break;
        if (std::any_of(since->begin(), since->end(), [&](const Operation& range) {
              return range.key <= operation.key && operation.key < range.end;
            })) {
          answer->clear();
          AddNothing(answer);
        }
        break;
      default: break;
    }
  }

 private:
  Player* const inner_;
  std::array<bool, kSlotCount + 1> taken_{};
  std::array<std::vector<Operation>, kSlotCount + 1> deleted_since_;
};

std::optional<size_t> FailureOf(const Log& log) {
  DbPlayer player({"Small", Small()}, 1);
  ForgetfulSnapshots forgetful(&player);
  MapPlayer map;
  const auto disagreement = Disagree(log, &forgetful, &map);
  return disagreement ? std::optional(disagreement->operation) : std::nullopt;
}

TEST(ShrinkTest, APlantedFaultIsAllThatIsLeft) {
  // Drawn logs hold range deletes enough; that one hides what a snapshot is then asked for is rare in 2,000.
  Log log = Generate(1, 2000);
  uint64_t seed = 1;
  for (; seed < 100 && !FailureOf(log); ++seed) log = Generate(seed, 2000);
  ASSERT_TRUE(FailureOf(log));
  const Log smallest = Shrink(log, FailureOf, 1'000'000);
  EXPECT_TRUE(FailureOf(smallest));
  EXPECT_LE(smallest.size(), 4u) << Text(smallest);
  const auto has = [&](Kind kind) {
    return std::any_of(smallest.begin(), smallest.end(), [&](const Operation& o) { return o.kind == kind; });
  };
  EXPECT_TRUE(has(Kind::kSnapshot) && has(Kind::kDeleteRange) && has(Kind::kGet)) << Text(smallest);
}

// Fails at an operation whose `seed` is 700 or more, behind one batch with a merge under key 5 and a release.
std::optional<size_t> ByHand(const Log& log) {
  bool merged = false, released = false;
  for (size_t i = 0; i < log.size(); ++i) {
    released = released || log[i].kind == Kind::kRelease;
    for (const Operation& change : log[i].changes) merged = merged || (change.kind == Kind::kMerge && change.key == 5);
    if (merged && released && log[i].seed >= 700) return i;
  }
  return std::nullopt;
}

TEST(ShrinkTest, NumbersAndChangesBecomeSimple) {
  const Result<Log> log = Parse(
      "release slot=3 work=2\n"
      "put key=9 size=30 seed=8\n"
      "batch work=1 { put key=1 size=3 ; merge key=5 size=8 seed=900 ; delete key=7 }\n"
      "put key=4 size=1000 seed=999\n"
      "get key=3\n");
  ASSERT_TRUE(log.ok()) << log.status().ToString();
  EXPECT_EQ(Text(Shrink(*log, ByHand, 10'000)), "release slot=1\nbatch { merge key=5 }\nput seed=700\n");
}

TEST(ShrinkTest, EndsWhenItsOperationsAreUsedUp) {
  const Log log = Generate(7, 500);
  uint64_t played = 0;
  const auto last_fails = [&](const Log& some) {
    played += some.size();
    return std::optional(some.size() - 1);
  };
  const Log smaller = Shrink(log, last_fails, 1000);
  EXPECT_LT(smaller.size(), log.size());
  EXPECT_LE(played, 1000 + log.size());
}

}  // namespace
}  // namespace varve::lsm
