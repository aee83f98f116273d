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
#include "bench/engine_groups.h"
#include "bench/harness.h"
#include "bench/targets.h"

namespace varve::bench {

namespace {

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
  std::string part = "1m";
  uint64_t num = 0;
  uint64_t reads = 0;
  int rounds = 3;
  uint64_t memory_budget_mib = 0;
  double paced_seconds = 0;
  double sustained_seconds = 0;
  bool quick = false;
  std::vector<std::string> engines;
  std::vector<std::string> workloads;
  std::string json;
  std::string dir = std::filesystem::temp_directory_path().string();
};

const Part& PartOf(const Flags& flags) {
  return *std::find_if(kParts.begin(), kParts.end(), [&](const Part& part) { return part.name == flags.part; });
}

// What was not given follows the part and --quick.
void Complete(Flags* flags) {
  const Part& part = PartOf(*flags);
  const bool quick = flags->quick;
  if (flags->num == 0) flags->num = quick ? part.quick_num : part.num;
  if (flags->memory_budget_mib == 0) flags->memory_budget_mib = quick ? part.quick_memory_mib : part.memory_mib;
  if (flags->reads == 0) flags->reads = quick ? 300'000 : 1'000'000;
  if (flags->paced_seconds == 0) flags->paced_seconds = quick ? 5 : 300;
  if (flags->sustained_seconds == 0) flags->sustained_seconds = quick ? 10 : 600;
  if (!flags->workloads.empty()) return;
  for (const Group& group : kGroups) {
    if (std::find(part.groups.begin(), part.groups.end(), group.name) == part.groups.end()) continue;
    flags->workloads.insert(flags->workloads.end(), group.workloads.begin(), group.workloads.end());
  }
}

Plan MakePlan(const Flags& flags) {
  Plan plan;
  plan.num = flags.num;
  plan.reads = flags.reads;
  plan.syncs = flags.quick ? 500 : 2000;
  plan.mixed_seconds = flags.quick ? 2 : 10;
  plan.paced_seconds = flags.paced_seconds;
  plan.sustained_seconds = flags.sustained_seconds;
  plan.open_bytes = flags.quick ? 200'000'000 : 10'000'000'000;
  plan.log_bytes = (flags.quick ? 500'000 : 7'000'000) * kEntrySize;  // a log of 64 MiB, of 1 GiB
  plan.workloads.insert(flags.workloads.begin(), flags.workloads.end());
  return plan;
}

std::vector<std::string> AllWorkloads() {
  std::vector<std::string> names;
  for (const Group& group : kGroups) names.insert(names.end(), group.workloads.begin(), group.workloads.end());
  return names;
}

std::vector<std::string> PartNames() {
  std::vector<std::string> names;
  for (const Part& part : kParts) names.push_back(part.name);
  return names;
}

bool Wanted(const Group& group, const Plan& plan) {
  bool some = std::any_of(group.workloads.begin(), group.workloads.end(), [&](auto& name) { return plan.Wants(name); });
  // The groups after it need what this one writes.
  if (some || group.name != "fillrandom") return some;
  return std::any_of(kGroups.begin(), kGroups.end(), [&](const Group& other) {
    return (other.name == "reads" || other.name == "mutate") && Wanted(other, plan);
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
      std::fprintf(stderr, "round %d of %d: %s, %s: %.1f s\n", round + 1, flags.rounds, kGroups[g].name.c_str(),
                   contender.name.c_str(), static_cast<double>(NowNanos() - start) / 1e9);
      if (!kGroups[g].keeps) std::filesystem::remove_all(setup.dir);
    }
  }
  for (const Contender& contender : contenders) std::filesystem::remove_all(scratch + "/" + contender.name);
}

void PrintSettings(const Flags& flags, const Plan& plan, const std::vector<Contender>& contenders,
                   const Floors& floors) {
  std::printf("# Engine benchmark, part %s: %s\n\n", flags.part.c_str(), PartOf(flags).what.c_str());
  std::printf(
      "%llu entries of 16 + 100 bytes (values half compressible), %llu random reads, one thread unless said otherwise, "
      "%d interleaved rounds, medians; +- is half the range. A ratio above 1 is better for %s.\n\n",
      static_cast<unsigned long long>(plan.num), static_cast<unsigned long long>(plan.reads), flags.rounds,
      contenders[0].name.c_str());
  std::printf(
      "Durability is equal: no sync but in fillsync, where each write is synced; an acknowledged write survives kill "
      "-9 "
      "in all of them. Before the reads every engine has finished its compactions and has been swept once. After each "
      "group all that is stored was read and checked: by Verify, by VerifyChecksum (RocksDB), by a sweep with "
      "checksums "
      "(LevelDB). The page cache is the machine's, whatever the budget.\n\n");
  for (const Contender& contender : contenders) {
    std::printf("- %s: %s\n", contender.name.c_str(),
                contender.describe({"", size_t{flags.memory_budget_mib} << 20}).c_str());
  }
  std::printf("\n");
  PrintFloors(stdout, floors);
  std::printf("\n");
}

int Main(int argc, char** argv) {
  Flags flags;
  std::vector<std::string> engine_names;
  for (const Contender& contender : Contenders()) engine_names.push_back(contender.name);
  CLI::App app("Varve against RocksDB and LevelDB, interleaved, in one run");
  app.add_flag("--quick", flags.quick, "a tenth of the data, a thirtieth of the time: a few minutes");
  app.add_option("--part", flags.part, "which part of the table: docs/benchmarks.md (1m)")
      ->check(CLI::IsMember(PartNames()));
  app.add_option("--num", flags.num, "entries, instead of the part's")->check(CLI::Range(1000u, 1000000000u));
  app.add_option("--reads", flags.reads, "operations of each random-read workload");
  app.add_option("--rounds", flags.rounds, "rounds (3)")->check(CLI::Range(1, 100));
  app.add_option("--memory-budget", flags.memory_budget_mib, "MiB, instead of the part's")
      ->check(CLI::Range(4u, 1u << 20));
  app.add_option("--paced-seconds", flags.paced_seconds, "of the writes at 70 % of peak (300; 5 with --quick)")
      ->check(CLI::Range(1, 3600));
  app.add_option("--sustained-seconds", flags.sustained_seconds, "of the writes at a fixed rate (600; 10 with --quick)")
      ->check(CLI::Range(1, 3600));
  app.add_option("--engines", flags.engines, "the first is ours, the others its peers")
      ->delimiter(',')
      ->check(CLI::IsMember(engine_names));
  app.add_option("--workloads", flags.workloads, "these instead of the part's, ; between them")
      ->delimiter(';')
      ->check(CLI::IsMember(AllWorkloads()));
  app.add_option("--dir", flags.dir, "where to put the databases")->check(CLI::ExistingDirectory);
  app.add_option("--json", flags.json, "write the rows of the table to this file, too");
  CLI11_PARSE(app, argc, argv);
  Complete(&flags);
  CheckTargets(AllWorkloads());

  std::vector<Contender> contenders;
  for (const std::string& name : flags.engines.empty() ? engine_names : flags.engines) {
    for (const Contender& contender : Contenders()) {
      if (contender.name == name) contenders.push_back(contender);
    }
  }
  std::vector<std::string> names;
  for (const Contender& contender : contenders) names.push_back(contender.name);

  const Plan plan = MakePlan(flags);
  const std::string scratch = MakeScratchDirectory(flags.dir);
  if (!flags.quick) {
    std::fprintf(stderr, "part %s: three rounds of three engines take about %s on two cores\n", flags.part.c_str(),
                 PartOf(flags).duration);
  }
  const Floors floors = MeasureFloors(scratch);
  Report report(names);
  for (int round = 0; round < flags.rounds; ++round) {
    RunRound(round, flags, scratch, contenders, plan, &report);
    if (!flags.json.empty()) report.WriteJson(flags.json);  // what a later failure does not take with it
  }

  PrintSettings(flags, plan, contenders, floors);
  report.PrintMarkdown(stdout);
  std::printf("\n");
  PrintTargets(stdout, report, names, floors);
  return 0;
}

}  // namespace
}  // namespace varve::bench

int main(int argc, char** argv) {
  return varve::bench::Main(argc, argv);
}
