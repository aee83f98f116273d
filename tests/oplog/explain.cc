#include "tests/oplog/explain.h"

#include <algorithm>
#include <optional>

#include "tests/oplog/db_player.h"
#include "tests/oplog/map_player.h"
#include "tests/oplog/shrink.h"

namespace varve::lsm {

namespace {

constexpr size_t kShownOperations = 100;

// What is to be said of a log whose last operation was answered wrongly.
std::string Explain(const OptionSet& set, uint64_t seed, const Log& log, uint64_t operations_max) {
  const auto play = [&](const Log& some) {
    DbPlayer player(set, seed);
    MapPlayer map;
    return Disagree(some, &player, &map);
  };
  const auto find_failure = [&](const Log& some) {
    const auto disagreement = play(some);
    return disagreement ? std::optional(disagreement->operation) : std::nullopt;
  };
  const std::string heading = std::string(set.name) + ", VARVE_SEED=" + std::to_string(seed) + ", ";
  const auto first = play(log);
  if (!first) return heading + "operation " + std::to_string(log.size() - 1) + ", but not when played again\n";
  const Log smallest = Shrink(log, find_failure, operations_max);
  const auto last = play(smallest);
  std::string text =
      heading + Describe(log, *first) + "smallest log, " + std::to_string(smallest.size()) + " operations:\n" +
      Text(Log(smallest.begin(),
               smallest.begin() + static_cast<std::ptrdiff_t>(std::min(smallest.size(), kShownOperations))));
  return last ? text + Describe(smallest, *last) : text;
}

}  // namespace

Answers AnswersOfAMap(const Log& log) {
  MapPlayer map;
  return Play(log, &map);
}

std::string PlayAndExplain(const OptionSet& set, uint64_t seed, const Log& log, const Answers& want,
                           uint64_t operations_max) {
  std::optional<size_t> wrong;
  {
    DbPlayer player(set, seed);
    wrong = FirstDifference(log, &player, want);
  }
  if (!wrong) return {};
  return Explain(set, seed, Log(log.begin(), log.begin() + static_cast<std::ptrdiff_t>(*wrong + 1)), operations_max);
}

}  // namespace varve::lsm
