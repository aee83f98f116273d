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
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "tests/lsm/db_test_util.h"
#include "tests/oplog/explain.h"
#include "tests/oplog/operation_log.h"
#include "tests/oplog/option_sets.h"

namespace varve::lsm {
namespace {

constexpr char kLogs[] = "tests/oplog/logs";
constexpr uint64_t kStepsDefault = 1'000'000;
constexpr uint64_t kShrinkOperationsMax = 10'000'000;  // some minutes

std::vector<OptionSet> Sets(bool threads) {
  std::vector<OptionSet> sets = LogOptionSets();
  sets.resize(std::min<size_t>(sets.size(), FromEnvironment("VARVE_OPLOG_SETS", kFirstSets)));
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

class OperationLogTest : public ::testing::TestWithParam<OptionSet> {};

TEST_P(OperationLogTest, AnswersLikeAMap) {
  static const Answers want = AnswersOfAMap(DrawnLog());
  EXPECT_EQ(PlayAndExplain(GetParam(), Seed(), DrawnLog(), want, kShrinkOperationsMax), "");
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
    for (const OptionSet& set : LogOptionSets())
      EXPECT_EQ(PlayAndExplain(set, Seed(), *log, want, kShrinkOperationsMax), "") << path;
  }
}

}  // namespace
}  // namespace varve::lsm
