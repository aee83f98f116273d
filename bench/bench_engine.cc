// bench_engine - Varve against RocksDB and LevelDB, in one run. `./dev bench engine --quick`; docs/benchmarks.md.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "bench/contender_leveldb.h"
#include "bench/contender_rocksdb.h"
#include "bench/contender_varve.h"
#include "bench/contenders.h"
#include "bench/engine_workloads.h"
#include "bench/harness.h"
#include "bench/ycsb.h"

namespace varve::bench {

// Polls: LevelDB has no call that waits for its compactions or tells of them, so a process that neither computes nor writes for a
// while is taken to have settled. The windows in which it did nothing are not counted against it.
uint64_t WaitUntilIdle() {
  constexpr int kQuietWindows = 3;
  constexpr auto kWindow = std::chrono::milliseconds(150);
  constexpr double kIdleCpuSeconds = 0.002;
  uint64_t settled = NowNanos();
  Usage before = ReadUsage();
  for (int quiet = 0; quiet < kQuietWindows;) {
    std::this_thread::sleep_for(kWindow);  // the window of observation itself: LevelDB offers nothing to wait on
    Usage now = ReadUsage();
    Usage used = now - before;
    before = now;
    quiet = used.cpu_s < kIdleCpuSeconds && used.written_bytes < 4096 ? quiet + 1 : 0;
    if (quiet == 0) settled = NowNanos();
  }
  return settled;
}

namespace {

// A part of the run that gets a process of its own. `keeps` the directory for the next group of the same round.
struct Group {
  const char* name;
  std::vector<std::string> workloads;
  bool keeps;
};

const std::vector<Group> kGroups = {
    {"fillseq", {"fillseq"}, false},
    {"fillbatch", {"fillrandom, batches of 100"}, false},
    {"fillthreads", {"fillrandom, batches of 100, 4 threads"}, false},
    {"fillsync", {"fillsync"}, false},
    {"fillsyncthreads", {"fillsync, 16 threads"}, false},
    {"paced", {"writes at 70 % of peak"}, false},
    {"ycsb", {"ycsb A", "ycsb B", "ycsb C", "ycsb D", "ycsb E", "ycsb F"}, false},
    {"fillrandom", {"fillrandom"}, true},
    {"reads", {"readseq", "readreverse", "readrandom", "readmissing", "multiget32", "seekrandom10"}, true},
    {"mutate", {"overwrite", "readwhilewriting"}, false},
};

template <class Engine>
void RunGroup(const std::string& group, const Setup& setup, const Plan& plan, Sink* sink) {
  if (group == "ycsb") return Ycsb<Engine>(setup, plan, sink).Run();
  Workloads<Engine> workloads(setup, plan, sink);
  if (group == "fillseq") workloads.FillSeq();
  if (group == "fillbatch") workloads.FillBatch();
  if (group == "fillthreads") workloads.FillThreads();
  if (group == "fillsync") workloads.FillSync();
  if (group == "fillsyncthreads") workloads.FillSyncThreads();
  if (group == "paced") workloads.PacedWrites();
  if (group == "fillrandom") workloads.FillRandom();
  if (group == "reads") workloads.Reads();
  if (group == "mutate") workloads.Mutate();
}

struct Contender {
  std::string name;
  std::function<void(const std::string&, const Setup&, const Plan&, Sink*)> run_group;
  std::function<std::string(const Setup&)> describe;
};

template <class Engine>
Contender MakeContender(const std::string& name) {
  return {name, RunGroup<Engine>, Engine::Describe};
}

const std::vector<Contender>& Contenders() {
  static const std::vector<Contender> contenders = {
      MakeContender<VarveContender>("varve"),
      MakeContender<RocksContender<true>>("rocksdb-tuned"),
      MakeContender<RocksContender<false>>("rocksdb"),
      MakeContender<LevelContender>("leveldb"),
  };
  return contenders;
}

struct Flags {
  uint64_t num = 0;
  uint64_t reads = 0;
  int rounds = 0;
  uint64_t memory_budget_mib = 0;
  bool quick = false;
  std::vector<std::string> engines;
  std::vector<std::string> workloads;
  std::string json;
  std::string dir = std::filesystem::temp_directory_path().string();

  // What was not given follows --quick.
  void Complete() {
    if (num == 0) num = quick ? 500'000 : 5'000'000;
    if (reads == 0) reads = quick ? 300'000 : 1'000'000;
    if (rounds == 0) rounds = 3;
    if (memory_budget_mib == 0) memory_budget_mib = quick ? 256 : 1024;
  }
};

std::vector<std::string> AllWorkloads() {
  std::vector<std::string> names;
  for (const Group& group : kGroups) names.insert(names.end(), group.workloads.begin(), group.workloads.end());
  return names;
}

bool Wanted(const Group& group, const Plan& plan) {
  bool some = std::any_of(group.workloads.begin(), group.workloads.end(), [&](auto& name) { return plan.Wants(name); });
  // The groups after it need what this one writes.
  if (some || group.name != std::string_view("fillrandom")) return some;
  return std::any_of(kGroups.begin(), kGroups.end(), [&](const Group& other) {
    return (other.name == std::string_view("reads") || other.name == std::string_view("mutate")) && Wanted(other, plan);
  });
}

// One round: every group of every contender, beginning with another contender each time.
void RunRound(int round, const Flags& flags, const std::string& scratch, const std::vector<Contender>& contenders,
              Plan plan, Report* report) {
  plan.seed = static_cast<uint64_t>(round) * 1000 + 42;
  for (size_t g = 0; g < kGroups.size(); ++g) {
    if (!Wanted(kGroups[g], plan)) continue;
    for (size_t i = 0; i < contenders.size(); ++i) {
      const Contender& contender = contenders[(i + static_cast<size_t>(round)) % contenders.size()];
      Setup setup{scratch + "/" + contender.name, static_cast<size_t>(flags.memory_budget_mib) << 20};
      uint64_t start = NowNanos();
      std::vector<Measurement> measured =
          RunInChild([&](Sink& sink) { contender.run_group(kGroups[g].name, setup, plan, &sink); });
      report->Add(contender.name, measured);
      std::fprintf(stderr, "round %d of %d: %s, %s: %.1f s\n", round + 1, flags.rounds, kGroups[g].name,
                   contender.name.c_str(), static_cast<double>(NowNanos() - start) / 1e9);
      if (!kGroups[g].keeps) std::filesystem::remove_all(setup.dir);
    }
  }
  for (const Contender& contender : contenders) std::filesystem::remove_all(scratch + "/" + contender.name);
}

void PrintSettings(const Flags& flags, const Plan& plan, const std::vector<Contender>& contenders,
                   const Floors& floors) {
  std::printf("# Engine benchmark\n\n");
  std::printf(
      "%llu entries of 16 + 100 bytes (values half compressible), %llu random reads, one thread unless said otherwise "
      "(readwhilewriting: "
      "two), "
      "%d interleaved rounds, medians; +- is half the range. A ratio above 1 is better for %s.\n\n",
      static_cast<unsigned long long>(plan.num), static_cast<unsigned long long>(plan.reads), flags.rounds,
      contenders[0].name.c_str());
  std::printf(
      "Durability is equal: no sync but in fillsync, where each write is synced; an acknowledged write survives kill "
      "-9 "
      "in all of them. Before the reads every engine has finished its compactions and has been swept once.\n\n");
  for (const Contender& contender : contenders) {
    std::printf("- %s: %s\n", contender.name.c_str(),
                contender.describe({"", size_t{flags.memory_budget_mib} << 20}).c_str());
  }
  std::printf("\n");
  PrintFloors(stdout, floors);
  std::printf("\n");
}

void PrintShares(const Report& report, const std::string& ours, const Floors& floors) {
  std::printf("\nShare of the floor, %s:", ours.c_str());
  auto print = [](const char* name, double share) {
    if (share == share) std::printf(" %s %.0f %%.", name, share * 100);  // NaN: not measured
  };
  print("fillsync of fdatasync", floors.fdatasync_us * report.Median(ours, "fillsync", "ops/s") / 1e6);
  print("readseq of memcpy", report.Median(ours, "readseq", "GB/s") / floors.memcpy_gb_s);
  print("readreverse of memcpy", report.Median(ours, "readreverse", "GB/s") / floors.memcpy_gb_s);
  std::printf("\n");
}

int Main(int argc, char** argv) {
  Flags flags;
  std::vector<std::string> engine_names;
  for (const Contender& contender : Contenders()) engine_names.push_back(contender.name);
  CLI::App app("Varve against RocksDB and LevelDB, interleaved, in one run");
  app.add_flag("--quick", flags.quick, "a tenth of the entries: a few minutes");
  app.add_option("--num", flags.num, "entries (5,000,000; 500,000 with --quick)")
      ->check(CLI::Range(1000u, 1000000000u));
  app.add_option("--reads", flags.reads, "operations of each random-read workload");
  app.add_option("--rounds", flags.rounds, "rounds (3)")->check(CLI::Range(1, 100));
  app.add_option("--memory-budget", flags.memory_budget_mib, "MiB (1024; 256 with --quick)")
      ->check(CLI::Range(4u, 1u << 20));
  app.add_option("--engines", flags.engines, "the first is ours, the others its peers")
      ->delimiter(',')
      ->check(CLI::IsMember(engine_names));
  app.add_option("--workloads", flags.workloads, "some of them")->delimiter(';')->check(CLI::IsMember(AllWorkloads()));
  app.add_option("--dir", flags.dir, "where to put the databases")->check(CLI::ExistingDirectory);
  app.add_option("--json", flags.json, "write the rows of the table to this file, too");
  CLI11_PARSE(app, argc, argv);
  flags.Complete();

  std::vector<Contender> contenders;
  for (const std::string& name : flags.engines.empty() ? engine_names : flags.engines) {
    for (const Contender& contender : Contenders()) {
      if (contender.name == name) contenders.push_back(contender);
    }
  }
  std::vector<std::string> names;
  for (const Contender& contender : contenders) names.push_back(contender.name);

  Plan plan;
  plan.num = flags.num;
  plan.reads = flags.reads;
  plan.syncs = flags.quick ? 500 : 2000;
  plan.mixed_seconds = flags.quick ? 2 : 10;
  std::vector<std::string> workloads = flags.workloads.empty() ? AllWorkloads() : flags.workloads;
  plan.workloads.insert(workloads.begin(), workloads.end());

  std::string scratch = flags.dir + "/varve_bench_XXXXXX";
  if (mkdtemp(scratch.data()) == nullptr) Fatal("cannot create " + scratch);
  Floors floors = MeasureFloors(scratch);
  Report report(names);
  for (int round = 0; round < flags.rounds; ++round) RunRound(round, flags, scratch, contenders, plan, &report);
  std::filesystem::remove_all(scratch);

  PrintSettings(flags, plan, contenders, floors);
  report.PrintMarkdown(stdout);
  PrintShares(report, names[0], floors);
  if (!flags.json.empty()) report.WriteJson(flags.json);
  return 0;
}

}  // namespace
}  // namespace varve::bench

int main(int argc, char** argv) {
  return varve::bench::Main(argc, argv);
}
