// One log of operations under many sets of options: every answer is the one that a std::map gives, so it is the same
// under all of them.
//
//   VARVE_OPLOG_STEPS   operations of the log, a million unless said
//   VARVE_OPLOG_SETS    sets of options, 8 unless said; there are 27
//   VARVE_SEED          of the log
//   VARVE_OPLOG_LOG     a file with a log to be played, beside those of tests/oplog/logs, under every set
//
// A log that fails is made as small as it goes and printed: put it into tests/oplog/logs, where it stays a test.

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "tests/oplog/db_player.h"
#include "tests/oplog/map_player.h"
#include "tests/oplog/shrink.h"

namespace varve::lsm {
namespace {

constexpr char kLogs[] = "tests/oplog/logs";
constexpr uint64_t kStepsDefault = 1'000'000, kSetsDefault = 8;
constexpr uint64_t kShrinkOperationsMax = 10'000'000;  // some minutes
constexpr size_t kShownOperations = 100;

// The first ones differ the most.
std::vector<OptionSet> AllSets() {
  std::vector<OptionSet> sets = OptionSets();
  // Below a cap some writes are refused, under no other set; without merging tables become thousands (changing styles have
  // that for a while); and large values are the log's affair here.
  std::erase_if(sets, [](const OptionSet& set) {
    return set.options.max_disk_bytes != 0 || set.options.compaction == CompactionStyle::kFifo ||
           set.name == std::string_view("LargeValues");
  });
  sets.push_back({"TinyBlocks", SmallWith([](Options* o) {
                    o->memtable_size = 8 * 1024;
                    o->block_size = 256;
                    o->compression = Compression::kNone;
                  })});
  sets.push_back({"ChangingStyleApart", SmallWith([](Options* o) {
                    o->memtable_size = 16 * 1024;
                    o->value_log_threshold = 32;
                  }),
                  false, 100, true});
  sets.push_back({"TieredApart", SmallWith([](Options* o) {
                    o->compaction = CompactionStyle::kSizeTiered;
                    o->value_log_threshold = 8;
                  })});
  sets.push_back({"OneBitFilter", SmallWith([](Options* o) {
                    o->filter_bits_per_key = 1;
                    o->block_size = 16 * 1024;
                  })});
  sets.push_back({"SyncAlwaysThreads", SmallWith([](Options* o) {
                    o->wal_sync = WalSync::kAlways;
                    o->background_threads = 2;
                  }),
                  true});
  const std::array<std::string_view, kSetsDefault> first = {
      "Small",  "TinyBlocks",   "ValueLogAll", "ChangingStyle",
      "Tiered", "ThreeThreads", "SyncAlways",  "ChangingStyleApart"};
  std::stable_sort(sets.begin(), sets.end(), [&](const OptionSet& a, const OptionSet& b) {
    return std::find(first.begin(), first.end(), a.name) < std::find(first.begin(), first.end(), b.name);
  });
  return sets;
}

std::vector<OptionSet> Sets(bool threads) {
  std::vector<OptionSet> sets = AllSets();
  sets.resize(std::min<size_t>(sets.size(), FromEnvironment("VARVE_OPLOG_SETS", kSetsDefault)));
  std::erase_if(sets, [&](const OptionSet& set) { return set.threads != threads; });
  return sets;
}

uint64_t Seed() {
  return FromEnvironment("VARVE_SEED", 1);
}

const Log& DrawnLog() {
  static const Log drawn = [] {
    Log log = Generate(Seed(), FromEnvironment("VARVE_OPLOG_STEPS", kStepsDefault));
    log.push_back({.kind = Kind::kCompare});
    log.push_back({.kind = Kind::kVerify});
    return log;
  }();
  return drawn;
}

Answers AnswersOfAMap(const Log& log) {
  MapPlayer map;
  return Play(log, &map);
}

// What is to be said of a log whose last operation was answered wrongly.
std::string Explain(const OptionSet& set, Log log) {
  const auto play = [&](const Log& some) {
    DbPlayer player(set, Seed());
    MapPlayer map;
    return Disagree(some, &player, &map);
  };
  const auto find_failure = [&](const Log& some) {
    const auto disagreement = play(some);
    return disagreement ? std::optional(disagreement->operation) : std::nullopt;
  };
  const std::string heading = std::string(set.name) + ", VARVE_SEED=" + std::to_string(Seed()) + ", ";
  const auto first = play(log);
  if (!first) return heading + "operation " + std::to_string(log.size() - 1) + ", but not when played again\n";
  const Log smallest = Shrink(log, find_failure, kShrinkOperationsMax);
  const auto last = play(smallest);
  std::string text =
      heading + Describe(log, *first) + "smallest log, " + std::to_string(smallest.size()) + " operations:\n" +
      Text(Log(smallest.begin(),
               smallest.begin() + static_cast<std::ptrdiff_t>(std::min(smallest.size(), kShownOperations))));
  return last ? text + Describe(smallest, *last) : text;
}

// Empty: all answers were right.
std::string PlayAndExplain(const OptionSet& set, const Log& log, const Answers& want) {
  std::optional<size_t> wrong;
  {
    DbPlayer player(set, Seed());
    wrong = FirstDifference(log, &player, want);
  }
  if (!wrong) return {};
  return Explain(set, Log(log.begin(), log.begin() + static_cast<std::ptrdiff_t>(*wrong + 1)));
}

class OperationLogTest : public ::testing::TestWithParam<OptionSet> {};

TEST_P(OperationLogTest, AnswersLikeAMap) {
  static const Answers want = AnswersOfAMap(DrawnLog());
  EXPECT_EQ(PlayAndExplain(GetParam(), DrawnLog(), want), "");
  std::printf("operation log: %zu operations, %s\n", DrawnLog().size(), GetParam().name);
}

std::string NameOf(const ::testing::TestParamInfo<OptionSet>& set) {
  return set.param.name;
}

GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(OperationLogTest);
INSTANTIATE_TEST_SUITE_P(Seeded, OperationLogTest, ::testing::ValuesIn(Sets(/*threads=*/false)), NameOf);
INSTANTIATE_TEST_SUITE_P(Threads, OperationLogTest, ::testing::ValuesIn(Sets(/*threads=*/true)), NameOf);

std::vector<std::string> PathsOfLogs() {
  std::vector<std::string> paths;
  for (const auto& entry : std::filesystem::directory_iterator(kLogs)) paths.push_back(entry.path());
  std::sort(paths.begin(), paths.end());
  if (const char* path = std::getenv("VARVE_OPLOG_LOG"); path != nullptr) paths.push_back(path);
  return paths;
}

// What once failed, or is easy to get wrong, under every set there is.
TEST(OperationLogCorpusTest, EveryLogUnderEverySet) {
  const std::vector<std::string> paths = PathsOfLogs();
  ASSERT_FALSE(paths.empty());
  for (const std::string& path : paths) {
    std::stringstream text;
    text << std::ifstream(path).rdbuf();
    const Result<Log> log = Parse(text.str());
    ASSERT_TRUE(log.ok()) << path << ": " << log.status().ToString();
    ASSERT_FALSE(log->empty()) << path;
    const Answers want = AnswersOfAMap(*log);
    for (const OptionSet& set : AllSets()) EXPECT_EQ(PlayAndExplain(set, *log, want), "") << path;
  }
}

}  // namespace
}  // namespace varve::lsm
