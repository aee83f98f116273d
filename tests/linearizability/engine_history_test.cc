// Histories of the engine: clients on threads of their own, flushes and compactions between, deaths, power losses.
//
// VARVE_HISTORIES is how many, VARVE_SEED the first one's seed. A seed repeats what is asked, not when.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <barrier>
#include <functional>
#include <memory>
#include <thread>

#include "lsm/io/fault_file_system.h"
#include "tests/linearizability/checker.h"
#include "tests/linearizability/engine_client.h"

namespace varve::linearizability {
namespace {

using lsm::CrashPlan;
using lsm::Db;
using lsm::Dice;
using lsm::FaultFileSystem;
using lsm::MemoryFileSystem;
using lsm::Options;
using lsm::WalSync;

constexpr size_t kOperations = 1000;  // of a history, at least

Options RandomOptions(Dice* dice) {
  Options options = lsm::SmallTables();
  options.memtable_size = (size_t{8} << dice->Below(3)) * 1024;
  options.table_size = (size_t{64} << dice->Below(2)) * 1024;
  options.background_threads = 1 + static_cast<int>(dice->Below(2));
  options.value_log_threshold = dice->OneIn(2) ? 0 : 300;
  options.compaction = dice->OneIn(3) ? lsm::CompactionStyle::kSizeTiered : lsm::CompactionStyle::kLeveled;
  options.wal_sync = dice->OneIn(2) ? WalSync::kNever : WalSync::kEverySecond;
  options.merge_operator = lsm::AppendOperator();
  return options;
}

// One database, its clients, and what they saw.
class EngineHistory {
 public:
  explicit EngineHistory(uint64_t seed) : dice_(seed), options_(RandomOptions(&dice_)) {}

  void Run() {
    switch (dice_.Below(4)) {
      case 0: return RunAndReopen();
      case 1: return RunAndCrash(CrashPlan::KeepCache());
      case 2: options_.wal_sync = WalSync::kAlways; return RunAndCrash(CrashPlan::DropUnsynced());
      default: history_ = RunClients(kOperations, true); return CheckIt(history_);
    }
  }
  const History& history() const { return history_; }
  uint64_t flushes() const { return flushes_; }
  uint64_t compactions() const { return compactions_; }

 private:
  void RunAndReopen() {
    history_ = RunClients(kOperations / 2, false);
    history_.Append(RunClients(kOperations / 2, true));
    CheckIt(history_);
  }

  // The disk is cloned while clients write; the second half runs on the clone.
  void RunAndCrash(const CrashPlan& plan) {
    std::unique_ptr<MemoryFileSystem> clone;
    uint64_t from = 0, until = 0;
    crash_ = [&] {
      from = clock_.Tick();
      clone = disk_->CrashClone(plan);
      until = clock_.Tick();
    };
    crash_after_ = kOperations / 4 + dice_.Below(kOperations / 4);
    const History first = RunClients(kOperations / 2, true);
    crash_ = nullptr;
    CheckIt(first);
    history_ = UntilDeath(first, from, until);
    if (plan.kind == CrashPlan::Kind::kDropUnsynced) ForgetReads(&history_);
    disk_ = std::move(clone);
    history_.Append(RunClients(kOperations - std::min(kOperations, history_.size()), true));
    CheckIt(history_);
  }
  // Opens the database, lets clients have at least so many operations, closes it.
  History RunClients(size_t operations, bool read_in_the_end) {
    History all;
    FaultFileSystem file_system(disk_.get());
    // So that a client is interrupted where others can see what it is at, on however few cores.
    file_system.SetHook([](const lsm::FileCall& call) {
      if (call.path_class == lsm::PathClass::kWal || call.number % 4 == 0) std::this_thread::yield();
    });
    options_.file_system = &file_system;
    auto db = Db::Open(lsm::kDir, options_);
    EXPECT_TRUE(db.ok()) << db.status().ToString();
    if (!db.ok()) return all;
    const int clients = 4 + static_cast<int>(dice_.Below(5));
    std::vector<History> histories = RunThreads(db->get(), clients, operations);
    for (History& history : histories) all.Append(std::move(history));
    if (read_in_the_end) {
      EngineClient last(next_client_++, db->get(), &clock_, dice_.random()());
      last.ReadEverything();
      all.Append(last.TakeHistory());
    }
    flushes_ += (*db)->Stats().flushes;
    compactions_ += (*db)->Stats().compactions;
    EXPECT_TRUE((*db)->Close().ok());
    return all;
  }

  std::vector<History> RunThreads(Db* db, int clients, size_t operations) {
    std::vector<History> histories(static_cast<size_t>(clients));
    std::vector<std::thread> threads;
    std::atomic<size_t> done{0};
    std::barrier begin(clients + 1);
    for (History& history : histories) {
      threads.emplace_back([&, number = next_client_++, seed = dice_.random()()] {
        EngineClient client(number, db, &clock_, seed);
        begin.arrive_and_wait();
        while (done.fetch_add(1, std::memory_order_relaxed) < operations) client.Step();
        history = client.TakeHistory();
      });
    }
    begin.arrive_and_wait();
    if (crash_) {
      while (done.load(std::memory_order_relaxed) < crash_after_) std::this_thread::yield();
      crash_();
    }
    for (std::thread& thread : threads) thread.join();
    return histories;
  }

  static void CheckIt(const History& history) { EXPECT_EQ(Check(history), ""); }

  Dice dice_;
  Options options_;
  HistoryClock clock_;
  std::unique_ptr<MemoryFileSystem> disk_ = std::make_unique<MemoryFileSystem>();
  std::function<void()> crash_;
  size_t crash_after_ = 0;  // steps
  int next_client_ = 1;
  History history_;
  uint64_t flushes_ = 0, compactions_ = 0;
};

TEST(EngineHistory, IsLinearizable) {
  const uint64_t histories = lsm::FromEnvironment("VARVE_HISTORIES", 300);
  const uint64_t first = lsm::FromEnvironment("VARVE_SEED", 1);
  uint64_t operations = 0, flushes = 0, compactions = 0, overlapping = 0;
  for (uint64_t seed = first; seed < first + histories && !::testing::Test::HasFailure(); ++seed) {
    SCOPED_TRACE("VARVE_SEED=" + std::to_string(seed));
    EngineHistory history(seed);
    history.Run();
    ASSERT_GE(history.history().size(), kOperations);
    operations += history.history().size();
    overlapping += CountOverlapping(history.history());
    flushes += history.flushes();
    compactions += history.compactions();
  }
  std::printf("engine: %llu histories, %llu operations, %llu overlapped, %llu flushes, %llu compactions\n",
              static_cast<unsigned long long>(histories), static_cast<unsigned long long>(operations),
              static_cast<unsigned long long>(overlapping), static_cast<unsigned long long>(flushes),
              static_cast<unsigned long long>(compactions));
  EXPECT_GT(flushes, histories) << "memtables never filled";
  EXPECT_GT(overlapping, operations / 20) << "the clients hardly met";
}

}  // namespace
}  // namespace varve::linearizability
