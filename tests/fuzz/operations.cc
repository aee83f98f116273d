// tests/fuzz/operations.cc - F10: any sequence of operations on a database, answered as a std::map answers it.
//
//   | options : u8 | seed : u8 | log |
//
// Options are one of tests/oplog/option_sets.h, of those that run in one thread; the seed is the machine's, which orders
// background work by it. The log is in the form of tests/oplog/log_bytes.h: writes, reads, snapshots, iterators,
// transactions, ingested files, upkeep, backups, restarts and power cuts, and when background work runs. At its end all
// rows are compared and everything is verified.
//
// A log that is answered wrongly is made small and printed: put it into tests/oplog/logs, where it is played under every
// set of options from then on. VARVE_FUZZ_TEXT=1 prints each log before it is played, for one that crashes.
#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "tests/fuzz/fuzz_input.h"
#include "tests/oplog/explain.h"
#include "tests/oplog/log_bytes.h"

namespace varve::lsm {
namespace {

constexpr uint64_t kCostMax = 1000;                // of a log: some milliseconds
constexpr uint64_t kShrinkOperationsMax = 30'000;  // some seconds, under the sanitizers too

// What a write into the memtable costs is 1.
uint64_t CostOf(const Operation& operation) {
  switch (operation.kind) {
    case Kind::kCheckpoint:
    case Kind::kBackup: return 60;
    case Kind::kRestart:
    case Kind::kKill:
    case Kind::kCrash:
    case Kind::kCompact:
    case Kind::kReclaim:
    case Kind::kCompare:
    case Kind::kVerify: return 30;
    case Kind::kFlush:
    case Kind::kIngest: return 10 + operation.changes.size();
    default: return 1 + operation.changes.size();
  }
}

// As many operations as may be paid for.
Log DecodeLog(fuzz::FuzzInput* input) {
  Log log;
  for (uint64_t cost = 0; !input->empty() && cost < kCostMax; cost += CostOf(log.back())) {
    log.push_back(DecodeOperation(input));
  }
  log.push_back({.kind = Kind::kCompare});
  log.push_back({.kind = Kind::kVerify});
  return log;
}

const std::vector<OptionSet>& SetsInOneThread() {
  static const std::vector<OptionSet> some = [] {
    std::vector<OptionSet> sets = LogOptionSets();
    std::erase_if(sets, [](const OptionSet& set) { return set.threads; });
    return sets;
  }();
  return some;
}

}  // namespace
}  // namespace varve::lsm

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace varve::lsm;
  varve::fuzz::FuzzInput input(data, size);
  const OptionSet& set = SetsInOneThread()[input.Below(SetsInOneThread().size())];
  const uint64_t seed = input.Number(1);
  const Log log = DecodeLog(&input);
  if (std::getenv("VARVE_FUZZ_TEXT") != nullptr) {
    std::printf("# %s, VARVE_SEED=%d\n%s", set.name, static_cast<int>(seed), Text(log).c_str());
    std::fflush(stdout);
  }
  const std::string wrong = PlayAndExplain(set, seed, log, AnswersOfAMap(log), kShrinkOperationsMax);
  if (!wrong.empty()) ADD_FAILURE() << wrong;
  return 0;
}
