// Redis' databases under power loss, and under the death of the process, at every call of the file system: keys are
// written, deleted, given times to live and expire, databases are swapped and flushed, several commands to a commit.
//
// Each disk that may be found afterwards (power_loss.h: CrashesBefore) is opened, and then: what the databases hold is
// what they held after some whole number of commits, not fewer than were durable; the records, the expiry index, the
// counters and the order are in accord (tests/keyspace/invariants.h); keys whose time comes later go, and no others;
// databases are swapped again, and that survives the next power loss.
#include <array>
#include <map>
#include <string>
#include <vector>

#include "keyspace/keyspace.h"
#include "tests/crash/power_loss.h"
#include "tests/keyspace/invariants.h"

namespace varve::keyspace {
namespace {

using lsm::Crash;
using lsm::Dice;
using lsm::kDir;
using lsm::Machine;
using lsm::Options;
using lsm::WalSync;

constexpr size_t kDatabasesUsed = 4;
constexpr uint64_t kNames = 12;
constexpr uint64_t kLongestMs = 20'000;  // to live

struct Value {
  std::string text;
  uint64_t expire_ms = 0;
  friend bool operator==(const Value&, const Value&) = default;
};
using Contents = std::array<std::map<std::string, Value>, kDatabasesUsed>;

uint64_t NowMs(Machine* machine) {
  return static_cast<uint64_t>(machine->clock.WallMillis());
}

// Removes what has expired; how many those were.
size_t ExpireAll(uint64_t now_ms, Contents* contents) {
  size_t expired = 0;
  for (auto& names : *contents) {
    expired += std::erase_if(
        names, [&](const auto& entry) { return entry.second.expire_ms != 0 && entry.second.expire_ms <= now_ms; });
  }
  return expired;
}

// A database on a machine's disk, and the keyspace in it.
struct Store {
  std::unique_ptr<lsm::Db> db;
  std::unique_ptr<Keyspace> keys;
  lsm::Status status;

  Store(Machine* machine, const Options& options) {
    auto opened = lsm::Db::Open(kDir, machine->Setup(options));
    status = opened.status();
    if (!opened.ok()) return;
    db = std::move(opened).value();
    auto found = Keyspace::Open(db.get(), {.clock = &machine->clock, .random = &machine->random});
    status = found.status();
    if (found.ok()) keys = std::move(found).value();
  }
  // What a client would read, and DBSIZE of databases that nobody ever used.
  Contents Read() {
    Contents contents;
    keys->BeginCommand();
    for (size_t i = 0; i < kDatabasesUsed; i++) {
      const lsm::Status walked = keys->ForEachName(static_cast<int>(i), "*", [&](std::string_view name) {
        Entry entry;
        const lsm::Result<bool> there = keys->Look(static_cast<int>(i), name, &entry);
        EXPECT_TRUE(there.ok() && *there) << name;
        contents[i][std::string(name)] = {std::string(entry.value), entry.expire_ms};
        return true;
      });
      EXPECT_TRUE(walked.ok()) << walked.ToString();
    }
    for (int i = kDatabasesUsed; i < kDatabaseCount; i++) EXPECT_EQ(keys->counters(i), Counters{});
    return contents;
  }
};

// One history and what it wrote.
class KeyspaceHistory {
 public:
  KeyspaceHistory(uint64_t seed, const Options& options)
      : seed_(seed), options_(options), dice_(seed), machine_(seed), states_(1) {
    machine_.fs.SetHook([this](const lsm::FileCall& call) { BeforeCall(call); });
    Open();
  }
  ~KeyspaceHistory() {
    store_.reset();
    machine_.fs.SetHook(nullptr);
    std::printf("keyspace seed %llu: %zu commits, %llu swaps, %llu clones\n", static_cast<unsigned long long>(seed_),
                states_.size() - 1, static_cast<unsigned long long>(swaps_), static_cast<unsigned long long>(clones_));
  }

  void Step() {
    const uint64_t n = dice_.Below(100);
    if (n < 70) {
      for (uint64_t left = 1 + dice_.Below(4); left > 0; --left) Command();
      Commit();
    } else if (n < 78) {
      machine_.clock.AdvanceMillis(dice_.Below(kLongestMs / 4));
      ActiveExpire();
    } else if (n < 86) {
      machine_.executor.RunAll();
    } else if (n < 90) {
      ASSERT_TRUE(store_->db->SyncWal().ok());
      durable_ = acknowledged_;
    } else if (n < 94) {
      ASSERT_TRUE(store_->db->Flush().ok());
      durable_ = acknowledged_;
    } else if (n < 96) {
      ASSERT_TRUE(store_->db->CompactRange({}, {}).ok());
      durable_ = acknowledged_;
    } else {
      Close();
      Open();
    }
  }
  void Close() {
    store_->keys.reset();
    ASSERT_TRUE(store_->db->Close().ok());
    durable_ = acknowledged_;
    store_.reset();
  }
  uint64_t swaps() const { return swaps_; }
  uint64_t found_swapped() const { return found_swapped_; }

 private:
  void Open() {
    store_ = std::make_unique<Store>(&machine_, options_);
    ASSERT_TRUE(store_->status.ok()) << store_->status.ToString();
    EXPECT_EQ(BrokenInvariants(*store_->keys), "");
  }

  void Command() {
    store_->keys->BeginCommand();
    const size_t db = dice_.Below(kDatabasesUsed);
    const uint64_t n = dice_.Below(100);
    if (n < 15) {
      Swap(db, dice_.Below(kDatabasesUsed));
    } else if (n < 20) {
      ASSERT_TRUE(store_->keys->FlushDb(static_cast<int>(db)).ok());
      pending_[db].clear();
    } else {
      ChangeKey(db, "key" + std::to_string(dice_.Below(kNames)), n < 40);
    }
  }
  void Swap(size_t a, size_t b) {
    swaps_++;
    ASSERT_TRUE(store_->keys->SwapDatabases(static_cast<int>(a), static_cast<int>(b)).ok());
    if (a != b) std::swap(pending_[a], pending_[b]);
  }
  // DEL; or SET, with or without a time to live; or EXPIRE or PERSIST when it is there.
  void ChangeKey(size_t db, const std::string& name, bool remove) {
    Entry entry;
    const lsm::Result<bool> found = store_->keys->Find(static_cast<int>(db), name, &entry);
    ASSERT_TRUE(found.ok()) << found.status().ToString();
    const auto known = pending_[db].find(name);
    ASSERT_EQ(*found, known != pending_[db].end()) << name;
    if (remove) {
      if (!*found) return;
      store_->keys->Delete(static_cast<int>(db), name, entry);
      pending_[db].erase(known);
      return;
    }
    Value value = *found ? known->second : Value{};
    if (!*found || dice_.OneIn(2)) value.text = std::to_string(commands_++) + std::string(dice_.Below(200), 'v');
    value.expire_ms = dice_.OneIn(2) ? 0 : NowMs(&machine_) + 1 + dice_.Below(kLongestMs);
    const lsm::Status status = store_->keys->Put(static_cast<int>(db), name, *found ? &entry : nullptr, Type::kString,
                                                 value.text, value.expire_ms);
    ASSERT_TRUE(status.ok()) << status.ToString();
    pending_[db][name] = std::move(value);
  }
  void ActiveExpire() {
    store_->keys->BeginCommand();
    const lsm::Result<size_t> count = store_->keys->ActiveExpire(SIZE_MAX);
    ASSERT_TRUE(count.ok()) << count.status().ToString();
    EXPECT_EQ(*count, ExpireAll(NowMs(&machine_), &pending_));
    Commit();
  }

  // Half of the commits ask to be told when they are durable, as the server does whose clients wait for it.
  void Commit() {
    if (!store_->keys->has_pending()) return;
    const size_t number = states_.size();
    states_.push_back(pending_);
    lsm::DurableCallback on_durable;
    if (dice_.OneIn(2)) {
      on_durable = [this, number](const lsm::Status& status) {
        if (status.ok()) durable_ = std::max(durable_, number);
      };
    }
    auto sequence = store_->keys->Commit(on_durable);
    while (sequence.status().Is(lsm::StatusCode::kBusy)) {
      machine_.executor.RunAll();
      sequence = store_->keys->Commit(on_durable);
    }
    ASSERT_TRUE(sequence.ok()) << sequence.status().ToString();
    acknowledged_ = number;
  }

  void BeforeCall(const lsm::FileCall& call) {
    if (::testing::Test::HasFailure() || ++calls_ % calls_each_ != 0) return;
    for (const Crash& crash : lsm::CrashesBefore(call, machine_.disk->UnsyncedCount() != 0, seed_)) {
      SCOPED_TRACE("VARVE_SEED=" + std::to_string(seed_) + ", " + lsm::Describe(call, crash));
      ++clones_;
      Machine after(call.number, lsm::DiskAfter(machine_.disk.get(), call, crash));
      after.clock.AdvanceMicros(machine_.clock.MonotonicMicros());
      Recover(&after, crash.LosesPower() ? durable_ : acknowledged_);
      if (::testing::Test::HasFailure()) return;
    }
  }

  void Recover(Machine* machine, size_t at_least) {
    Contents found;
    {
      Store store(machine, options_);
      ASSERT_TRUE(store.status.ok()) << store.status.ToString();
      ASSERT_EQ(BrokenInvariants(*store.keys), "");
      found = store.Read();
      const auto equals = [&](Contents state) {
        ExpireAll(NowMs(machine), &state);
        return state == found;
      };
      const auto first = states_.begin() + static_cast<std::ptrdiff_t>(at_least);
      ASSERT_TRUE(std::any_of(first, states_.end(), equals))
          << "the databases are not as after " << at_least << " to " << states_.size() - 1 << " commits, but as after "
          << std::find_if(states_.begin(), first, equals) - states_.begin();
      lsm::PinnedValue order;
      if (auto swapped = store.db->Get({}, std::string_view(&kOrderTag, 1), &order); swapped.ok() && *swapped) {
        found_swapped_++;
      }
    }
    LiveOn(machine, std::move(found));
  }

  // Swaps once more, and writes; power goes again; later all that has a time to live is gone.
  void LiveOn(Machine* machine, Contents contents) {
    std::unique_ptr<lsm::MemoryFileSystem> disk;
    {
      Store store(machine, options_);
      ASSERT_TRUE(store.status.ok()) << store.status.ToString();
      const size_t other = 1 + clones_ % (kDatabasesUsed - 1);
      ASSERT_TRUE(store.keys->SwapDatabases(0, static_cast<int>(other)).ok());
      std::swap(contents[0], contents[other]);
      ASSERT_TRUE(store.keys->Set(0, "second life", "1", 0).ok());
      contents[0]["second life"] = {"1", 0};
      ASSERT_TRUE(store.keys->Commit(nullptr).ok());
      ASSERT_TRUE(store.db->SyncWal().ok());
      disk = machine->disk->CrashClone(lsm::CrashPlan::DropUnsynced());
    }
    Machine third(clones_, std::move(disk));
    third.clock.AdvanceMicros(machine->clock.MonotonicMicros());
    Store store(&third, options_);
    ASSERT_TRUE(store.status.ok()) << store.status.ToString();
    ASSERT_EQ(BrokenInvariants(*store.keys), "");
    ASSERT_TRUE(store.Read() == contents) << "after the second crash";
    third.clock.AdvanceMillis(2 * kLongestMs);
    store.keys->BeginCommand();
    const lsm::Result<size_t> expired = store.keys->ActiveExpire(SIZE_MAX);
    ASSERT_TRUE(expired.ok()) << expired.status().ToString();
    EXPECT_GE(*expired, ExpireAll(NowMs(&third), &contents));  // some may have expired, and not been deleted, before
    EXPECT_TRUE(store.Read() == contents) << "once all has expired";
    ASSERT_TRUE(store.keys->Commit(nullptr).ok());
    EXPECT_EQ(BrokenInvariants(*store.keys), "");
  }

  const uint64_t seed_;
  const Options options_;
  const uint64_t calls_each_ = lsm::FromEnvironment("VARVE_CRASH_EACH", 1);
  Dice dice_;
  Machine machine_;
  std::vector<Contents> states_;  // after 0, 1, 2, ... commits, the one being made included
  Contents pending_;
  size_t acknowledged_ = 0;  // commits that returned
  size_t durable_ = 0;       // of these, promised to survive power loss
  uint64_t commands_ = 0, swaps_ = 0, calls_ = 0, clones_ = 0, found_swapped_ = 0;
  std::unique_ptr<Store> store_;
};

TEST(KeyspacePowerLossTest, DatabasesAreAsAfterSomeCommit) {
  const uint64_t scale = lsm::FromEnvironment("VARVE_CRASH_SCALE", 1);
  static constexpr WalSync kSyncs[] = {WalSync::kNever, WalSync::kEverySecond, WalSync::kAlways};
  uint64_t swaps = 0, found_swapped = 0;
  for (uint64_t seed = lsm::Seed(); seed < lsm::Seed() + 3 * scale && !HasFailure(); ++seed) {
    Options options = lsm::SmallOptions();
    options.wal_sync = kSyncs[seed % 3];
    KeyspaceHistory history(seed, options);
    for (int i = 0; i < 40 && !HasFailure(); ++i) history.Step();
    if (!HasFailure()) history.Close();
    swaps += history.swaps();
    found_swapped += history.found_swapped();
  }
  if (HasFailure()) return;
  EXPECT_GT(swaps, 10u) << "the workload misses its point";
  EXPECT_GT(found_swapped, 10u) << "the workload misses its point";
}

}  // namespace
}  // namespace varve::keyspace
