// tests/lsm/sizing_test.cc - plans against databases that were really filled, compacted and overwritten.
#include "lsm/sizing.h"

#include <algorithm>
#include <cstdio>
#include <numeric>

#include "tests/lsm/db_test_util.h"

namespace varve::lsm {
namespace {

// What a plan may be off by. Of the write amplification it is the order of things that counts: it swings with the moment.
constexpr double kTolerance = 0.10;
constexpr double kAmplificationTolerance = 0.25;
constexpr double kFilesSlack = 2;      // small databases: where tables are cut
constexpr double kFilterSlack = 1024;  // filters of few keys fill their lines unevenly

struct Measured {
  uint64_t stored = 0, files = 0, filter = 0, table_memory = 0;  // loaded and compacted
  uint64_t overwritten = 0;                                      // most table bytes seen while keys were overwritten
  double write_amplification = 0;
};

class SizingTest : public ::testing::Test {
 protected:
  static void Near(const char* what, double planned, double measured, double tolerance, double slack = 1) {
    std::printf("      %-22s planned %14.2f measured %14.2f  %+.1f %%\n", what, planned, measured,
                100 * (planned - measured) / std::max(measured, 1.0));
    EXPECT_NEAR(planned, measured, std::max(tolerance * measured, slack)) << what;
  }

  static uint64_t TableBytes(Db* db) {
    uint64_t bytes = db->Stats().value_log_bytes;
    for (const TableFileFacts& facts : db->TableFiles()) bytes += facts.size;
    return bytes;
  }
  static uint64_t Written(Db* db) {
    const DbStats stats = db->Stats();
    return stats.wal_bytes + stats.flush_bytes + stats.compaction_write_bytes;
  }

  // All keys in random order `rounds` + 1 times.
  static Measured Measure(const SizingQuestion& question, Options options, int rounds) {
    MemoryFileSystem disk;
    ManualClock clock;
    SeededRandom random(1);
    ManualExecutor executor(&clock, 1);
    options.file_system = &disk;
    options.clock = &clock;
    options.random = &random;
    options.executor = &executor;
    options.wal_sync = WalSync::kNever;
    auto opened = Db::Open("/db", options);
    EXPECT_TRUE(opened.ok()) << opened.status().ToString();
    Db* db = opened->get();
    std::vector<uint64_t> order(question.keys);
    std::iota(order.begin(), order.end(), 0);
    std::mt19937_64 dice(7);
    std::shuffle(order.begin(), order.end(), dice);
    Measured measured;
    const auto put = [&](uint64_t i) {
      const Status s = db->Put({}, SizingKey(question, i), SizingValue(question, i));
      ASSERT_TRUE(s.ok()) << s.ToString();
      executor.RunOne();  // compaction keeps up
    };
    for (const uint64_t i : order) put(i);
    EXPECT_TRUE(db->CompactRange({}, {}).ok());
    EXPECT_TRUE(db->WaitForBackgroundWork().ok());
    EXPECT_TRUE(ReadAll(db).ok());  // opens every table
    measured.stored = TableBytes(db);
    measured.files = db->TableFiles().size();
    for (const TableFileFacts& facts : db->TableFiles()) {
      measured.filter += static_cast<uint64_t>(facts.filter_bits_per_key * static_cast<double>(facts.entries) / 8);
    }
    measured.table_memory = db->Stats().table_memory_bytes;
    if (rounds == 0) return measured;

    // The first round brings the levels into balance, the others are measured.
    uint64_t before = 0;
    for (int round = 0; round <= rounds; ++round) {
      for (uint64_t n = 0; n < question.keys; ++n) put(dice() % question.keys);
      if (round == 0) before = Written(db);
    }
    EXPECT_TRUE(db->Flush().ok());
    EXPECT_TRUE(db->WaitForBackgroundWork().ok());
    const double rows = static_cast<double>(rounds) * static_cast<double>(question.keys) *
                        static_cast<double>(question.key_bytes + question.value_bytes);
    measured.write_amplification = static_cast<double>(Written(db) - before) / rows;
    measured.overwritten = TableBytes(db);
    return measured;
  }

  static void Compare(const SizingQuestion& question, const Options& options, int rounds) {
    auto plan = PlanSize(question, options);
    ASSERT_TRUE(plan.ok()) << plan.status().ToString();
    const Measured measured = Measure(question, options, rounds);
    double levels = 0;
    for (const SizingPlan::Level& level : plan->levels) levels += static_cast<double>(level.bytes);
    const double share = levels / static_cast<double>(plan->levels.back().bytes);
    Near("stored bytes", static_cast<double>(plan->stored_bytes), static_cast<double>(measured.stored), kTolerance);
    Near("files of the last level", static_cast<double>(plan->levels.back().files), static_cast<double>(measured.files),
         kTolerance, kFilesSlack);
    Near("filter bytes", static_cast<double>(plan->filter_bytes) / share, static_cast<double>(measured.filter),
         kTolerance, kFilterSlack);
    Near("table memory", static_cast<double>(plan->filter_bytes + plan->index_bytes) / share,
         static_cast<double>(measured.table_memory), kTolerance);
    if (rounds == 0) return;
    Near("overwritten bytes", static_cast<double>(plan->overwritten_bytes), static_cast<double>(measured.overwritten),
         kTolerance);
    Near("write amplification", plan->write_amplification, measured.write_amplification, kAmplificationTolerance);
  }
};

Options Small() {
  Options options;
  options.memory_budget = size_t{16} << 20;
  options.memtable_size = size_t{256} << 10;
  options.table_size = size_t{1} << 20;
  options.background_threads = 1;
  return options;
}

TEST_F(SizingTest, RowsOfEverydaySize) {
  Options options = Small();
  options.memtable_size = size_t{128} << 10;
  Compare({.keys = 120'000, .key_bytes = 16, .value_bytes = 100}, options, 2);
}

TEST_F(SizingTest, CompressibleValues) {
  Compare({.keys = 100'000, .key_bytes = 20, .value_bytes = 400, .compressible = 0.6}, Small(), 0);
}

TEST_F(SizingTest, SmallRowsWithoutFilters) {
  Options options = Small();
  options.filter_bits_per_key = 0;
  options.compression = Compression::kNone;
  options.block_size = 2048;
  Compare({.keys = 400'000, .key_bytes = 8, .value_bytes = 8}, options, 0);
}

TEST_F(SizingTest, LargeRows) {
  Compare({.keys = 2'000, .key_bytes = 100, .value_bytes = 20'000}, Small(), 0);
}

// The sample once held eight of whatever size: 4 GiB for the largest values.
TEST_F(SizingTest, ValuesLargerThanTheSample) {
  const SizingQuestion large{.keys = 7, .key_bytes = 16, .value_bytes = 3'000'000, .compressible = 0.5};
  auto plan = PlanSize(large, Small());
  ASSERT_TRUE(plan.ok()) << plan.status().ToString();
  Near("stored bytes", static_cast<double>(plan->stored_bytes), static_cast<double>(Measure(large, Small(), 0).stored),
       kTolerance);
  Options in_tables = Small();
  in_tables.value_log_threshold = 0;
  plan = PlanSize({.keys = 1'000, .key_bytes = 16, .value_bytes = kValueSizeMax}, in_tables);
  ASSERT_TRUE(plan.ok()) << plan.status().ToString();
  Near("stored bytes", static_cast<double>(plan->stored_bytes), 1e3 * static_cast<double>(kValueSizeMax), kTolerance);
}

TEST_F(SizingTest, PlansForABillionKeysInNoTime) {
  auto plan = PlanSize({.keys = 1'000'000'000, .key_bytes = 16, .value_bytes = 200}, Options());
  ASSERT_TRUE(plan.ok());
  EXPECT_GT(plan->stored_bytes, 200'000'000'000u);
  EXPECT_GE(plan->levels.size(), 3u);
  EXPECT_EQ(plan->levels.back().level, kLevelCount - 1);
  EXPECT_EQ(plan->cache_bytes, 0u) << "the filters alone are larger than the default budget";
}

TEST_F(SizingTest, RefusesWhatCannotBe) {
  EXPECT_FALSE(PlanSize({.keys = 0}, Options()).ok());
  EXPECT_FALSE(PlanSize({.keys = 300, .key_bytes = 1}, Options()).ok());
  EXPECT_FALSE(PlanSize({.keys = 1, .key_bytes = kKeySizeMax + 1}, Options()).ok());
  EXPECT_FALSE(PlanSize({.keys = 1, .compressible = 1.5}, Options()).ok());
  auto too_much = PlanSize({.keys = uint64_t{1} << 48, .key_bytes = 16, .value_bytes = kValueSizeMax}, Options());
  EXPECT_NE(too_much.status().message().find("more than 2^60 bytes"), std::string_view::npos);
  Options memtables;
  memtables.memtable_size = ~size_t{0} / 2;
  EXPECT_FALSE(PlanSize({.keys = 1}, memtables).ok());
  Options options;
  options.memory_budget = 1;
  EXPECT_FALSE(PlanSize({.keys = 1}, options).ok());
  EXPECT_TRUE(PlanSize({.keys = 1, .key_bytes = 1, .value_bytes = 0}, Options()).ok());
}

}  // namespace
}  // namespace varve::lsm
