// Histories of the engine in one thread: clients that take a step at a time, beside the lanes of a ManualExecutor, in
// an order that random priorities choose (lsm/sync/random_priorities.h). A seed repeats the whole run.
//
// A client waits only for callbacks: of WriteAsync until its bytes are durable, of GetAsync. Transactions, iterators
// and snapshots live over many steps. Where the engine would wait, it runs a lane. Half of the histories lose power.
// VARVE_HISTORIES is how many, VARVE_SEED the first one's seed.
#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <functional>
#include <memory>
#include <optional>

#include "lsm/sync/random_priorities.h"
#include "lsm/transaction.h"
#include "tests/linearizability/checker.h"
#include "tests/linearizability/engine_state.h"

namespace varve::linearizability {
namespace {

using lsm::Db;
using lsm::Dice;
using lsm::Iterator;
using lsm::PinnedValue;
using lsm::RandomPriorities;
using lsm::Result;
using lsm::Status;
using lsm::StatusCode;
using lsm::WriteBatch;

constexpr size_t kClients = 6;
constexpr size_t kOperations = 1000;  // of a history, at least
constexpr uint64_t kIdsMax = 1'000'000;

class ScheduledClient {
 public:
  ScheduledClient(int number, Db* db, HistoryClock* clock, uint64_t seed)
      : number_(number), db_(db), clock_(clock), dice_(seed) {}

  bool waits() const { return waits_; }
  size_t done() const { return history_.size(); }
  void Step() {
    if (steps_.empty()) Plan();
    auto step = std::move(steps_.front());
    steps_.pop_front();
    step();
  }
  // What is under way has no outcome: it took effect by now, or not at all. The client must not be used any more.
  History TakeHistory() {
    const uint64_t now = clock_->Tick();
    if (write_.has_value()) {
      Forget(&*write_, now);
      history_.operations.push_back(*std::exchange(write_, std::nullopt));
    }
    if (appends_.has_value()) {
      Forget(&*appends_, now);
      history_.transactions.push_back(*std::exchange(appends_, std::nullopt));
    }
    steps_.clear();
    transaction_.reset();
    snapshot_.reset();
    iterator_.reset();
    return std::exchange(history_, {});
  }

 private:
  void Then(std::function<void()> step) { steps_.push_back(std::move(step)); }
  void Plan() {
    switch (dice_.Below(16)) {
      case 0:
      case 1:
      case 2:
      case 3: return Then([this] { Write(); });
      case 4:
      case 5: return Then([this] { Append(); });
      case 6:
      case 7:
      case 8: return Then([this] { Read(); });
      case 9:
      case 10: return Iterate();
      case 11:
      case 12: return LookAtSnapshot();
      case 13:
      case 14: return Transact();
      default: return Then([this] { Maintain(); });
    }
  }

  void Write() {
    write_ = Operation{.client = number_, .key = RandomRegister(&dice_)};
    WriteBatch batch;
    const uint64_t kind = dice_.Below(4);
    if (kind == 0) {
      write_->action = Action::kDelete;
      batch.Delete(write_->key);
    } else {
      write_->action = kind == 1 ? Action::kAppend : Action::kWrite;
      write_->argument = std::to_string(number_) + "." + std::to_string(++made_) + std::string(dice_.Below(400), 'v');
      if (kind == 1) batch.Merge(write_->key, *write_->argument);
      if (kind != 1) batch.Put(write_->key, *write_->argument);
    }
    write_->invoked = clock_->Tick();
    Send(&batch);
    if (!waits_) write_.reset();
  }
  void Append() {
    appends_ = ListTransaction{.client = number_};
    WriteBatch batch;
    for (uint64_t n = 1 + dice_.Below(3); n > 0; --n) {
      const Access append{.key = RandomList(&dice_), .id = NewId()};
      batch.Merge(append.key, ListItem(append.id));
      appends_->accesses.push_back(append);
    }
    appends_->invoked = clock_->Tick();
    Send(&batch);
    if (!waits_) appends_.reset();
  }
  uint64_t NewId() { return static_cast<uint64_t>(number_) * kIdsMax + ++made_; }
  void Send(WriteBatch* batch) {
    waits_ = true;
    const Result<lsm::SequenceNumber> written = db_->WriteAsync(*batch, [this](const Status& s) { Durable(s); });
    if (written.ok()) return;
    EXPECT_TRUE(written.status().Is(StatusCode::kBusy)) << written.status().ToString();
    waits_ = false;
  }
  void Durable(const Status& status) {
    waits_ = false;
    if (!status.ok()) return;  // closed: TakeHistory has been here
    if (write_.has_value()) {
      write_->returned = clock_->Tick();
      history_.operations.push_back(*std::exchange(write_, std::nullopt));
    }
    if (appends_.has_value()) {
      appends_->returned = clock_->Tick();
      appends_->outcome = Outcome::kCommitted;
      history_.transactions.push_back(*std::exchange(appends_, std::nullopt));
    }
  }

  void Read() {
    waits_ = true;
    Operation read{.client = number_, .key = RandomRegister(&dice_), .invoked = clock_->Tick()};
    const Status asked = db_->GetAsync({}, read.key, [this, read](Result<bool> found, PinnedValue value) mutable {
      waits_ = false;
      if (!found.ok()) return;  // closed
      read.answer = *found ? Value(value.ToString()) : std::nullopt;
      read.returned = clock_->Tick();
      history_.operations.push_back(std::move(read));
    });
    EXPECT_TRUE(asked.ok()) << asked.ToString();
  }

  void Iterate() {
    Then([this] {
      began_ = clock_->Tick();
      iterator_.emplace(db_->NewIterator({}));
      begun_ = clock_->Tick();
      state_ = NothingAnywhere();
    });
    Then([this] {
      iterator_->SeekToFirst();
      IterateOn();
    });
  }
  void IterateOn() {
    if (iterator_->Valid()) {
      state_.at(std::string(iterator_->key())) = std::string(iterator_->value());
      return Then([this] {
        iterator_->Next();
        IterateOn();
      });
    }
    EXPECT_TRUE(iterator_->status().ok()) << iterator_->status().ToString();
    iterator_.reset();
    RecordReads(number_, state_, began_, begun_, &history_);
  }

  void LookAtSnapshot() {
    Then([this] {
      began_ = clock_->Tick();
      snapshot_ = db_->GetSnapshot();
      begun_ = clock_->Tick();
      state_.clear();
    });
    for (uint64_t n = 1 + dice_.Below(6); n > 0; --n) {
      Then([this] {
        lsm::ReadOptions options;
        options.snapshot = snapshot_.get();
        const std::string key = dice_.OneIn(2) ? RandomList(&dice_) : RandomRegister(&dice_);
        PinnedValue value;
        const Result<bool> found = db_->Get(options, key, &value);
        ASSERT_TRUE(found.ok()) << found.status().ToString();
        const Value read = *found ? Value(value.ToString()) : std::nullopt;
        const auto [before, first] = state_.emplace(key, read);
        EXPECT_TRUE(first || before->second == read) << "a snapshot has changed";
      });
    }
    Then([this] {
      snapshot_.reset();
      RecordReads(number_, state_, began_, begun_, &history_);
    });
  }

  void Transact() {
    Then([this] {
      committing_ = ListTransaction{.client = number_, .invoked = clock_->Tick()};
      transaction_ = std::make_unique<lsm::Transaction>(db_);
      begun_ = clock_->Tick();
    });
    for (uint64_t n = 2 + dice_.Below(3); n > 0; --n) {
      if (dice_.OneIn(2)) {
        Then([this] {
          committing_.accesses.push_back({.key = RandomList(&dice_), .id = NewId()});
          transaction_->Merge(committing_.accesses.back().key, ListItem(committing_.accesses.back().id));
        });
      } else {
        Then([this] {
          Access read{.key = RandomList(&dice_)};
          PinnedValue value;
          const Result<bool> found = transaction_->GetForUpdate(read.key, &value);
          ASSERT_TRUE(found.ok()) << found.status().ToString();
          read.list = Ids(*found ? Value(value.ToString()) : std::nullopt);
          committing_.accesses.push_back(std::move(read));
        });
      }
    }
    Then([this] { Commit(); });
  }
  void Commit() {
    const bool gives_up = dice_.OneIn(8);
    const Status s = gives_up ? Status::Conflict("given up") : transaction_->Commit({.sync = true});
    EXPECT_TRUE(s.ok() || s.Is(StatusCode::kConflict)) << s.ToString();
    transaction_.reset();
    committing_.returned = clock_->Tick();
    committing_.outcome = s.ok() ? Outcome::kCommitted : Outcome::kAborted;
    if (!s.ok()) {
      for (Access& access : committing_.accesses) access.list.reset();
    }
    history_.transactions.push_back(std::move(committing_));
  }

  void Maintain() {
    const Status s = dice_.OneIn(4) ? db_->CompactRange("", "") : db_->Flush();
    EXPECT_TRUE(s.ok()) << s.ToString();
  }

  const int number_;
  Db* const db_;
  HistoryClock* const clock_;
  Dice dice_;
  uint64_t made_ = 0;  // ids and values
  std::deque<std::function<void()>> steps_;
  bool waits_ = false;                      // for a callback
  std::optional<Operation> write_;          // not yet durable
  std::optional<ListTransaction> appends_;  // likewise
  std::unique_ptr<lsm::Transaction> transaction_;
  ListTransaction committing_;
  std::unique_ptr<lsm::Snapshot> snapshot_;
  std::optional<Iterator> iterator_;
  State state_;                     // of the snapshot, or of the iterator
  uint64_t began_ = 0, begun_ = 0;  // when it was taken
  History history_;
};

// The clients and the lanes of one database, one step of one of them at a time.
class ScheduledHistory {
 public:
  explicit ScheduledHistory(uint64_t seed) : dice_(seed), machine_(std::make_unique<lsm::Machine>(seed)) {}

  void Run() {
    const bool power_loss = dice_.OneIn(2);
    RunClients(power_loss ? kOperations / 4 + dice_.Below(kOperations / 2) : kOperations);
    if (power_loss) {
      ForgetReads(&history_);
      machine_ = std::make_unique<lsm::Machine>(dice_.random()(), std::move(clone_));
      RunClients(kOperations - std::min(kOperations, history_.size()));
    }
    EXPECT_EQ(Check(history_), "");
  }
  const History& history() const { return history_; }
  uint64_t flushes() const { return flushes_; }

 private:
  // Until there are so many operations; then the power goes: clone_ is what is left.
  void RunClients(size_t operations) {
    lsm::Options options = lsm::SmallTables();
    options.memtable_size = (size_t{8} << dice_.Below(3)) * 1024;
    options.value_log_threshold = dice_.OneIn(2) ? 0 : 300;
    options.wal_sync = static_cast<lsm::WalSync>(dice_.Below(3));
    const size_t change_points = size_t{1} << dice_.Below(10);
    machine_->executor.UsePriorities(
        RandomPriorities(dice_.random()(), lsm::kLaneCount, change_points, 10 * operations));
    auto opened = Db::Open(lsm::kDir, machine_->Setup(options));
    ASSERT_TRUE(opened.ok()) << opened.status().ToString();
    std::vector<ScheduledClient> clients;
    clients.reserve(kClients);
    for (size_t i = 0; i < kClients; ++i) {
      clients.emplace_back(next_client_++, opened->get(), &clock_, dice_.random()());
    }
    // Runners are the clients, and behind them the lanes.
    RandomPriorities priorities(dice_.random()(), kClients + lsm::kLaneCount, change_points, 10 * operations);
    while (Done(clients) < operations && !::testing::Test::HasFailure()) TakeStep(&clients, &priorities);
    clone_ = machine_->disk->CrashClone(lsm::CrashPlan::DropUnsynced());
    for (ScheduledClient& client : clients) history_.Append(client.TakeHistory());
    flushes_ += (*opened)->Stats().flushes;
    opened->reset();  // before the clients, which hear of it
  }
  static size_t Done(const std::vector<ScheduledClient>& clients) {
    size_t done = 0;
    for (const ScheduledClient& client : clients) done += client.done();
    return done;
  }
  void TakeStep(std::vector<ScheduledClient>* clients, RandomPriorities* priorities) {
    std::vector<size_t> runnable;
    for (size_t i = 0; i < kClients; ++i) {
      if (!(*clients)[i].waits()) runnable.push_back(i);
    }
    for (const size_t lane : machine_->executor.DueLanes()) runnable.push_back(kClients + lane);
    machine_->clock.AdvanceMicros(dice_.Below(1000));
    ASSERT_FALSE(runnable.empty()) << "everybody waits, and nothing is due";
    const size_t runner = priorities->Choose(runnable);
    if (runner < kClients) return (*clients)[runner].Step();
    machine_->executor.RunOne(static_cast<lsm::Lane>(runner - kClients));
  }

  Dice dice_;
  HistoryClock clock_;
  std::unique_ptr<lsm::Machine> machine_;
  std::unique_ptr<lsm::MemoryFileSystem> clone_;
  int next_client_ = 1;
  History history_;
  uint64_t flushes_ = 0;
};

TEST(ScheduledHistory, IsLinearizable) {
  const uint64_t histories = lsm::FromEnvironment("VARVE_HISTORIES", 300);
  const uint64_t first = lsm::FromEnvironment("VARVE_SEED", 1);
  uint64_t operations = 0, flushes = 0;
  for (uint64_t seed = first; seed < first + histories && !::testing::Test::HasFailure(); ++seed) {
    SCOPED_TRACE("VARVE_SEED=" + std::to_string(seed));
    ScheduledHistory history(seed);
    history.Run();
    operations += history.history().size();
    flushes += history.flushes();
  }
  std::printf("schedules: %llu histories, %llu operations, %llu flushes\n", static_cast<unsigned long long>(histories),
              static_cast<unsigned long long>(operations), static_cast<unsigned long long>(flushes));
  EXPECT_GE(operations, histories * kOperations);
  EXPECT_GT(flushes, histories) << "memtables never filled";
}

TEST(ScheduledHistory, ASeedRepeatsIt) {
  const auto run = [] {
    ScheduledHistory history(5);
    history.Run();
    std::vector<uint64_t> times;
    for (const Operation& one : history.history().operations) times.insert(times.end(), {one.invoked, one.returned});
    return times;
  };
  EXPECT_EQ(run(), run());
}

}  // namespace
}  // namespace varve::linearizability
