// Every sequence of up to three operations, with power loss at every file-system call of its last one: those of the others
// are the business of shorter sequences. VARVE_EXHAUSTIVE: how many operations at most (the sanitizers' builds do two).
#include "tests/crash/power_loss.h"

namespace varve::lsm {
namespace {

constexpr int kOperations = 10;

// `step`: its place in the sequence, so that no two write the same.
void Run(PowerLoss* run, int operation, int step) {
  const std::string n = std::to_string(step);
  switch (operation) {
    case 0: return run->Write({{ValueKind::kPut, "a", n}, {ValueKind::kMerge, "c", n}}, false);
    case 1: return run->Write({{ValueKind::kPut, "b" + n, n}, {ValueKind::kDelete, "a", {}}}, true);
    case 2: return run->Write({{ValueKind::kRangeDelete, "a", "b2"}}, false);
    case 3: return run->Write({{ValueKind::kPut, "large" + n, std::string(20'000, 'v')}}, false);  // fills a memtable
    case 4: return run->Flush();
    case 5: return run->CompactRange({}, {});
    case 6: return run->Checkpoint("/copy" + n);
    case 7: return run->Ingest({{"a", "ingested" + n}, {"d", n}}, "b", "c", step % 2 == 0);
    case 8: return run->Rest();
    default: run->Close(); return run->Open();
  }
}

std::string Name(const std::vector<int>& sequence) {
  static constexpr const char* kNames[] = {"put",     "synced put", "range delete", "large put", "flush",
                                           "compact", "checkpoint", "ingest",       "rest",      "reopen"};
  std::string name;
  for (const int operation : sequence) name += std::string(name.empty() ? "" : ", ") + kNames[operation];
  return name;
}

// How many sequences begin with `sequence`, and are at most `longest` long, itself included.
uint64_t RunAll(std::vector<int> sequence, size_t longest) {
  {
    PowerLoss run(Name(sequence), Seed(), SmallOptions(), PowerLoss::Start::kLater);
    run.Open();
    for (size_t i = 0; i < sequence.size(); ++i) {
      if (i + 1 == sequence.size()) run.Begin();
      Run(&run, sequence[i], static_cast<int>(i));
    }
  }
  uint64_t count = 1;
  for (int operation = 0; operation < kOperations && sequence.size() < longest; ++operation) {
    if (::testing::Test::HasFailure()) break;
    sequence.push_back(operation);
    count += RunAll(sequence, longest);
    sequence.pop_back();
  }
  return count;
}

class ExhaustiveTest : public ::testing::TestWithParam<int> {};

INSTANTIATE_TEST_SUITE_P(BeginningWith, ExhaustiveTest, ::testing::Range(0, kOperations));

TEST_P(ExhaustiveTest, EverySequence) {
  const size_t longest = FromEnvironment("VARVE_EXHAUSTIVE", 3);
  const PowerLoss::Totals before = PowerLoss::total_;
  const uint64_t sequences = RunAll({GetParam()}, longest);
  const uint64_t clones = PowerLoss::total_.clones - before.clones;
  std::printf("%-14s %llu sequences, %llu calls, %llu clones\n", Name({GetParam()}).c_str(),
              static_cast<unsigned long long>(sequences),
              static_cast<unsigned long long>(PowerLoss::total_.calls - before.calls),
              static_cast<unsigned long long>(clones));
  EXPECT_GE(sequences, longest >= 3 ? 111u : 11u);
  EXPECT_GT(clones, longest >= 3 ? 1000u : 100u);
}

}  // namespace
}  // namespace varve::lsm
