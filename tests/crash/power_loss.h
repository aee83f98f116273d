// tests/crash/power_loss.h - power loss at every file-system call: the disk as it might be found afterwards is opened again,
// and must hold a prefix of what was acknowledged, with everything in it that was promised to be durable.
//
// The workload runs in one thread (ManualExecutor), so the seed replays it. Before every call of the file system the
// hook takes crash clones by several plans and examines each: it opens; its rows are those after some whole number of
// batches, not fewer than were durable, not more than were issued; Verify is clean; it takes writes; what it then
// acknowledged survives the next crash. A write is also cut short by the death of the process, with its first half done, and
// with all but the first bytes, which a store into a prepared file leaves for last. For one of VARVE_CRASH_DEEP clones
// every call of the recovery itself is crashed again. VARVE_CRASH_EACH: only one of so many calls is looked at.
#pragma once

#include <algorithm>
#include <array>
#include <cstdio>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "lsm/backup.h"
#include "lsm/table_writer.h"
#include "tests/lsm/db_test_util.h"

namespace varve::lsm {

inline Options SmallOptions() {
  Options options;
  options.memory_budget = size_t{4} << 20;
  options.memtable_size = 16 * 1024;
  options.table_size = 64 * 1024;
  options.block_size = 1024;
  options.wal_sync = WalSync::kNever;
  options.background_threads = 1;
  return options;
}

// The bytes [first, limit) of a write.
struct Part {
  size_t first = 0, limit = SIZE_MAX;
};
inline constexpr Part kNone = {.first = SIZE_MAX};

// One way of dying just before a call of the file system.
struct Crash {
  CrashPlan plan;
  Part done = kNone;  // what of the write that is about to be made is on the disk, too

  // The death of the process alone: nothing acknowledged may be missing. A power loss may follow soon after.
  bool LosesPower() const { return plan.kind != CrashPlan::Kind::kKeepCache; }
};

// Those to try; `unsynced`: there is something that a power loss takes.
inline std::vector<Crash> CrashesBefore(const FileCall& call, bool unsynced, uint64_t seed) {
  static constexpr size_t kStoredLast = 16;  // file_system.h: WritableFile::Prepare
  std::vector<Crash> crashes = {{CrashPlan::DropUnsynced()}, {CrashPlan::KeepCache()}};
  if (call.op == FileOp::kWriteAt) {
    crashes.push_back({CrashPlan::KeepCache(), {.limit = call.data.size() / 2}});
    crashes.push_back({CrashPlan::KeepCache(), {.first = std::min(call.data.size(), kStoredLast)}});
  }
  if (!unsynced) return crashes;
  crashes.push_back({call.number % 2 == 0 ? CrashPlan::NamesOnly() : CrashPlan::BytesOnly()});
  if (call.op == FileOp::kSyncDir) crashes.push_back({CrashPlan::LastNames()});
  seed = seed * 1'000'003 + call.number;
  static constexpr double kKeep[] = {0.5, 0.1, 0.9};
  crashes.push_back({CrashPlan::Random(seed, kKeep[call.number % 3])});
  crashes.push_back({CrashPlan::Torn(seed + 1, kKeep[(call.number + 1) % 3])});
  return crashes;
}

// The disk as it is found afterwards.
inline std::unique_ptr<MemoryFileSystem> DiskAfter(MemoryFileSystem* disk, const FileCall& call, const Crash& crash) {
  std::unique_ptr<MemoryFileSystem> after = disk->CrashClone(crash.plan);
  const Part& done = crash.done;
  if (done.first >= std::min(done.limit, call.data.size())) return after;
  auto file = after->OpenForWrite(std::string(call.path));
  EXPECT_TRUE(file.ok()) << file.status().ToString();
  if (!file.ok()) return after;
  const std::string_view written = call.data.substr(done.first, done.limit - done.first);
  EXPECT_TRUE((*file)->WriteAt(call.offset + done.first, written).ok());
  return after;
}

// For a failure's story.
inline std::string Describe(const FileCall& call, const Crash& crash) {
  const CrashPlan& plan = crash.plan;
  return "before call " + std::to_string(call.number) + " (" + std::string(FileOpName(call.op)) + " " +
         std::string(call.path) + "), plan " + std::to_string(static_cast<int>(plan.kind)) + " keep " +
         std::to_string(plan.keep) + (plan.torn_sectors ? " torn" : "") + " seed " + std::to_string(plan.seed) +
         (crash.done.first == SIZE_MAX ? std::string()
                                       : ", its bytes " + std::to_string(crash.done.first) + " to " +
                                             std::to_string(std::min(crash.done.limit, call.data.size())));
}

// One workload, what it wrote, and what a crash may leave of it.
class PowerLoss {
 public:
  struct Totals {
    uint64_t calls = 0, clones = 0, recoveries = 0, nested = 0;
  };

  // With kLater nothing is examined before Begin().
  enum class Start : uint8_t { kNow, kLater };
  PowerLoss(std::string name, uint64_t seed, Options options, Start start = Start::kNow)
      : name_(std::move(name)),
        seed_(seed),
        options_(options),
        start_(start),
        examining_(start == Start::kNow),
        machine_(seed),
        dice_(seed) {
    states_.emplace_back();
    machine_.fs.SetHook([this](const FileCall& call) { BeforeCall(call); });
  }
  ~PowerLoss() {
    db_.reset();
    machine_.fs.SetHook(nullptr);
    total_.calls += totals_.calls;
    total_.clones += totals_.clones;
    total_.recoveries += totals_.recoveries;
    total_.nested += totals_.nested;
    if (start_ == Start::kLater) return;
    std::printf("%-24s seed %llu: %llu calls, %llu clones, %llu recoveries (%llu crashed during recovery)\n",
                name_.c_str(), static_cast<unsigned long long>(seed_), static_cast<unsigned long long>(totals_.calls),
                static_cast<unsigned long long>(totals_.clones), static_cast<unsigned long long>(totals_.recoveries),
                static_cast<unsigned long long>(totals_.nested));
  }

  void Begin() { examining_ = true; }
  Dice& dice() { return dice_; }
  Machine& machine() { return machine_; }
  Db* db() { return db_.get(); }

  void Open() {
    auto db = Db::Open(kDir, machine_.Setup(options_));
    ASSERT_TRUE(db.ok()) << db.status().ToString();
    db_ = std::move(db).value();
  }
  void Close() {
    ASSERT_TRUE(db_->Close().ok());
    durable_ = acknowledged_;
    db_.reset();
  }
  void Write(const Changes& changes, bool sync) {
    WriteBatch batch;
    AddTo(changes, &batch);
    states_.push_back(states_.back());
    Apply(changes, &states_.back());
    ASSERT_TRUE(db_->Write({.sync = sync}, batch).ok());
    acknowledged_ = states_.size() - 1;
    if (sync) durable_ = acknowledged_;
  }
  // Background work, the periodic sync included, gets its time.
  void Rest() {
    machine_.Rest();
    if (options_.wal_sync == WalSync::kEverySecond) durable_ = acknowledged_;
  }
  void SyncWal() {
    ASSERT_TRUE(db_->SyncWal().ok());
    durable_ = acknowledged_;
  }
  void Flush() {
    ASSERT_TRUE(db_->Flush().ok());
    durable_ = acknowledged_;  // it is in tables now
  }
  void CompactRange(std::string_view begin, std::string_view end) {
    ASSERT_TRUE(db_->CompactRange(begin, end).ok());
    durable_ = acknowledged_;
  }
  // Time passes, and with it the values of all keys with this prefix, in whatever state.
  void Expire(uint64_t us, std::string_view prefix) {
    machine_.clock.AdvanceMicros(us);
    for (Rows& rows : states_) std::erase_if(rows, [&](const auto& row) { return row.first.starts_with(prefix); });
    machine_.executor.RunAll();
  }
  void Checkpoint(const std::string& dir) {
    checkpoints_.emplace_back(dir, states_.back());
    ASSERT_TRUE(db_->Checkpoint(dir).ok());
    durable_ = acknowledged_;
    checkpoints_durable_ = checkpoints_.size();
  }

  // A file of puts and a range delete.
  void Ingest(const Rows& rows, const std::string& begin, const std::string& end, bool move) {
    const std::string path = "/load" + std::to_string(states_.size());
    auto writer = TableWriter::Create(path, machine_.Setup(options_));
    ASSERT_TRUE(writer.ok());
    ASSERT_TRUE((*writer)->DeleteRange(begin, end).ok());
    for (const auto& [key, value] : rows) {
      ASSERT_TRUE((*writer)->Put(key, value).ok());
    }
    ASSERT_TRUE((*writer)->Finish().ok());
    Rows next = states_.back();
    if (begin < end) next.erase(next.lower_bound(begin), next.lower_bound(end));
    for (const auto& [key, value] : rows) next[key] = value;
    states_.push_back(std::move(next));
    ASSERT_TRUE(db_->Ingest(std::array{path}, {.move_files = move}).ok());
    durable_ = acknowledged_ = states_.size() - 1;
  }
  void BackUp() {
    backups_.push_back(states_.back());
    auto id = Backup::Create(db_.get(), kBackups, BackupSetup(&machine_));
    ASSERT_TRUE(id.ok()) << id.status().ToString();
    ASSERT_EQ(*id, backups_.size());
    backups_durable_ = backups_.size();
    durable_ = acknowledged_;
  }
  void ForgetBackup(uint64_t id) {
    forgotten_.insert(id);
    ASSERT_TRUE(Backup::Delete(kBackups, id, BackupSetup(&machine_)).ok());
  }

  static Totals total_;

 private:
  static constexpr char kBackups[] = "/backups";
  static BackupOptions BackupSetup(Machine* machine) {
    BackupOptions options;
    options.file_system = &machine->fs;
    options.clock = &machine->clock;
    options.random = &machine->random;
    return options;
  }
  // Every backup that is listed can be restored, and none that was finished is missing.
  void CheckBackups(Machine* machine, const std::string& where) {
    if (backups_.empty()) return;
    std::set<uint64_t> listed;
    if (auto list = Backup::List(kBackups, BackupSetup(machine)); list.ok()) {
      for (const BackupInfo& info : *list) listed.insert(info.id);
    }
    for (uint64_t id = 1; id <= backups_.size(); ++id) {
      EXPECT_TRUE(listed.contains(id) || id > backups_durable_ || forgotten_.contains(id))
          << where << ": backup " << id << " is gone";
      if (!listed.contains(id)) continue;
      for (const std::string& path : FilesEnding(machine->disk.get(), "/restored", "")) {  // of a crash in this check
        ASSERT_TRUE(machine->disk->Remove(path).ok());
      }
      if (*machine->disk->Exists("/restored")) {
        ASSERT_TRUE(machine->disk->RemoveDir("/restored").ok());
      }
      const Status s = Backup::Restore(kBackups, id, "/restored", BackupSetup(machine));
      ASSERT_TRUE(s.ok()) << where << ": backup " << id << ": " << s.ToString();
      {
        auto db = Db::Open("/restored", machine->Setup(options_));
        ASSERT_TRUE(db.ok()) << where << ": " << db.status().ToString();
        EXPECT_EQ(Compare(db->get(), backups_[id - 1]), "") << where << ": backup " << id;
      }
      for (const std::string& path : FilesEnding(machine->disk.get(), "/restored", "")) {
        ASSERT_TRUE(machine->disk->Remove(path).ok());
      }
      ASSERT_TRUE(machine->disk->RemoveDir("/restored").ok());
    }
  }

  void BeforeCall(const FileCall& call) {
    if (!examining_ || ::testing::Test::HasFailure()) return;  // one story is enough
    if (++totals_.calls % calls_each_ != 0) return;
    for (const Crash& crash : CrashesBefore(call, machine_.disk->UnsyncedCount() != 0, seed_)) {
      Examine(call, crash, crash.LosesPower() ? durable_ : acknowledged_);
    }
  }

  void Examine(const FileCall& call, const Crash& crash, size_t at_least) {
    ++totals_.clones;
    const CrashPlan& plan = crash.plan;
    const std::string where = name_ + ", VARVE_SEED=" + std::to_string(seed_) + ", " + Describe(call, crash);
    const bool deep = totals_.clones % deep_each_ == 0;
    Machine after(call.number, DiskAfter(machine_.disk.get(), call, crash));
    after.clock.AdvanceMicros(machine_.clock.MonotonicMicros());  // power returns later, not earlier
    if (deep) {
      after.fs.SetHook([&](const FileCall& inner) {
        ++totals_.nested;
        const uint64_t seed = plan.seed + inner.number;
        const CrashPlan again = inner.number % 3 == 0   ? CrashPlan::DropUnsynced()
                                : inner.number % 3 == 1 ? CrashPlan::Random(seed, 0.5)
                                                        : CrashPlan::Torn(seed, 0.7);
        Machine twice(seed, after.disk->CrashClone(again));
        twice.clock.AdvanceMicros(machine_.clock.MonotonicMicros());
        RecoverAndCheck(&twice, std::min(at_least, durable_),
                        where + ", again before call " + std::to_string(inner.number) + " of the recovery (" +
                            std::string(FileOpName(inner.op)) + " " + std::string(inner.path) + ")");
      });
    }
    std::optional<Rows> rows = RecoverAndCheck(&after, at_least, where);
    after.fs.SetHook(nullptr);
    if (rows.has_value()) CheckSecondLife(&after, *rows, where);
  }

  // Opens, compares, verifies. The rows found.
  std::optional<Rows> RecoverAndCheck(Machine* machine, size_t at_least, const std::string& where) {
    ++totals_.recoveries;
    auto db = Db::Open(kDir, machine->Setup(options_));
    if (!db.ok()) {
      ADD_FAILURE() << where << ": " << db.status().ToString();
      return std::nullopt;
    }
    Result<Rows> rows = ReadAll(db->get());
    if (!rows.ok()) {
      ADD_FAILURE() << where << ": " << rows.status().ToString();
      return std::nullopt;
    }
    bool prefix = false;
    for (size_t i = states_.size(); i-- > at_least && !prefix;) prefix = states_[i] == *rows;
    if (!prefix) {
      std::string reason = "equal to no state at all";
      for (size_t i = 0; i < at_least; ++i) {
        if (states_[i] == *rows) reason = "that is the state after " + std::to_string(i) + " batches";
      }
      ADD_FAILURE() << where << ": " << rows->size() << " rows, " << reason << "; want the state after " << at_least
                    << " to " << states_.size() - 1 << " batches";
      return std::nullopt;
    }
    EXPECT_EQ(Problems(db->get()), "") << where;
    CheckValueLogs(machine, db->get(), where);
    CheckCheckpoints(machine, where);
    CheckBackups(machine, where);
    return std::move(rows).value();
  }

  // What a crash left of value-log files that no table refers to is gone once the database is open.
  void CheckValueLogs(Machine* machine, Db* db, const std::string& where) {
    const auto names = machine->disk->List(kDir);
    ASSERT_TRUE(names.ok());
    const auto count =
        std::count_if(names->begin(), names->end(), [](const auto& name) { return name.ends_with(".vlog"); });
    EXPECT_EQ(static_cast<uint64_t>(count), db->Stats().value_log_files) << where;
  }

  void CheckCheckpoints(Machine* machine, const std::string& where) {
    for (size_t i = 0; i < checkpoints_.size(); ++i) {
      const auto& [dir, rows] = checkpoints_[i];
      const bool exists = *machine->disk->Exists(dir);
      EXPECT_TRUE(exists || i >= checkpoints_durable_) << where << ": checkpoint " << dir << " is gone";
      if (!exists) continue;
      auto db = Db::Open(dir, machine->Setup(options_));
      ASSERT_TRUE(db.ok()) << where << ": " << db.status().ToString();
      EXPECT_EQ(Compare(db->get(), rows), "") << where << ": checkpoint " << dir;
    }
  }

  // A recovered database works as any other: background work, writes, and the next power loss.
  void CheckSecondLife(Machine* machine, Rows rows, const std::string& where) {
    std::unique_ptr<MemoryFileSystem> next;
    {
      auto db = Db::Open(kDir, machine->Setup(options_));
      ASSERT_TRUE(db.ok()) << where << ", second open: " << db.status().ToString();
      if (totals_.clones % 2 == 0) machine->executor.RunAll();
      ASSERT_EQ(Compare(db->get(), rows), "") << where << ", second open";
      Dice dice(totals_.clones);
      for (int i = 0; i < 3; ++i) {
        const Changes changes = RandomChanges(&dice, 4, 50);
        WriteBatch batch;
        AddTo(changes, &batch);
        Apply(changes, &rows);
        ASSERT_TRUE((*db)->Write({.sync = i == 2}, batch).ok()) << where;
      }
      const CrashPlan plan = totals_.clones % 3 == 0 ? CrashPlan::Torn(totals_.clones, 0.5) : CrashPlan::DropUnsynced();
      next = machine->disk->CrashClone(plan);
    }
    Machine third(totals_.clones, std::move(next));
    third.clock.AdvanceMicros(machine_.clock.MonotonicMicros());
    ++totals_.recoveries;
    auto db = Db::Open(kDir, third.Setup(options_));
    ASSERT_TRUE(db.ok()) << where << ", after the second crash: " << db.status().ToString();
    EXPECT_EQ(Compare(db->get(), rows), "") << where << ", after the second crash";
  }

  const std::string name_;
  const uint64_t seed_;
  const Options options_;
  const Start start_;
  const uint64_t calls_each_ = FromEnvironment("VARVE_CRASH_EACH", 1);
  const uint64_t deep_each_ = FromEnvironment("VARVE_CRASH_DEEP", 97);
  bool examining_;
  Machine machine_;
  Dice dice_;
  std::unique_ptr<Db> db_;
  std::vector<Rows> states_;  // after 0, 1, 2, ... batches, the one being written included
  size_t acknowledged_ = 0;   // batches that Write returned for
  size_t durable_ = 0;        // of these, promised to survive power loss
  std::vector<std::pair<std::string, Rows>> checkpoints_;
  size_t checkpoints_durable_ = 0;
  std::vector<Rows> backups_;
  size_t backups_durable_ = 0;
  std::set<uint64_t> forgotten_;
  Totals totals_;
};

inline PowerLoss::Totals PowerLoss::total_;

inline uint64_t Seed() {
  return FromEnvironment("VARVE_SEED", 1);
}

}  // namespace varve::lsm
