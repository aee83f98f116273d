// Failing calls: for N = 1, 2, ... the N-th call of the file system fails, once or from then on, until a run meets no
// fault. Whatever fails, nothing crashes, every error is reported, no write that was acknowledged is lost, nothing is
// acknowledged after a failed sync of the log, and no file stays open.
//
// The workload goes on after errors, as a program would that tries again. What the database may hold afterwards: the
// acknowledged batches, and of those that failed since the last acknowledgement at most one (its bytes may have arrived
// in spite of the error; a later batch would have taken its place).
#include <algorithm>
#include <array>
#include <cstdio>
#include <functional>
#include <set>

#include "lsm/backup.h"
#include "lsm/repair.h"
#include "lsm/table_writer.h"
#include "tests/lsm/db_test_util.h"

namespace varve::lsm {
namespace {

constexpr char kCheckpoint[] = "/checkpoint";

struct Fault {
  StatusCode code = StatusCode::kIoError;
  FaultRule::Effect effect = FaultRule::Effect::kNothing;
  bool sticky = false;
  std::vector<FileOp> ops = {};  // empty: any
};

std::string Name(const Fault& fault) {
  std::string name(StatusCodeName(fault.code));
  if (fault.effect == FaultRule::Effect::kPartOfWrite) name += ", short write";
  if (fault.effect == FaultRule::Effect::kEverything) name += ", carried out";
  if (!fault.ops.empty()) name += ", " + std::string(FileOpName(fault.ops.front())) + " and the like";
  return name + (fault.sticky ? ", from call " : ", once at call ");
}

class FaultyRun {
 public:
  FaultyRun(const Fault& fault, uint64_t call, WalSync mode, size_t memtable_size)
      : fault_(fault), machine_(call), dice_(7), mode_(mode), memtable_size_(memtable_size) {
    FaultRule rule = fault.sticky ? FaultRule::From(call, fault.code) : FaultRule::At(call, fault.code);
    rule.effect = fault.effect;
    rule.ops = fault.ops;
    machine_.fs.SetHook([this, call](const FileCall& made) {
      if (made.number < call || (made.number > call && !fault_.sticky) || healed_) return;
      if (!fault_.ops.empty() && std::count(fault_.ops.begin(), fault_.ops.end(), made.op) == 0) return;
      const bool log = made.path_class == PathClass::kWal || made.path_class == PathClass::kManifest;
      if (made.op == FileOp::kSync && log && made.path.starts_with("/db/")) log_sync_failed_ = true;
      if (made.op == FileOp::kSync && fault_.effect != FaultRule::Effect::kEverything) {
        machine_.disk->LoseUnsynced(std::string(made.path));
      }
      // Then it is unknown what of the log or of CURRENT is on the disk: no going on without reopening.
      if (made.op == FileOp::kSync || made.op == FileOp::kSyncDir || made.path_class == PathClass::kCurrent)
        may_be_fenced_ = true;
      if (first_.empty()) first_ = std::string(FileOpName(made.op)) + " " + std::string(made.path);
    });
    machine_.fs.AddRule(rule);
  }

  Machine& machine() { return machine_; }
  Dice& dice() { return dice_; }
  BackupOptions BackupSetup() {
    BackupOptions options;
    options.file_system = &machine_.fs;
    options.clock = &machine_.clock;
    options.random = &machine_.random;
    return options;
  }
  bool met_fault() const { return machine_.fs.FaultCount() > 0; }
  const std::string& first() const { return first_; }

  bool Open() {
    auto db = Db::Open(kDir, machine_.Setup(SmallOptions()));
    if (db.ok()) {
      db_ = std::move(db).value();
      log_sync_failed_ = false;  // that was another life
    }
    EXPECT_TRUE(db_ != nullptr || met_fault()) << db.status().ToString();
    if (db_ != nullptr) CheckContents(db_.get(), "open");
    return db_ != nullptr;
  }
  void Write(const Changes& changes) {
    if (db_ == nullptr) return;
    WriteBatch batch;
    AddTo(changes, &batch);
    const bool sync_failed_before = log_sync_failed_;
    const Status s = db_->Write({}, batch);
    Rows next = acknowledged_;
    Apply(changes, &next);
    if (s.ok()) {
      EXPECT_FALSE(log_sync_failed_ && (sync_failed_before || mode_ == WalSync::kAlways))
          << "acknowledged after a failed sync";
      acknowledged_ = std::move(next);
      perhaps_.clear();
    } else {
      EXPECT_TRUE(met_fault()) << s.ToString();
      if (!s.Is(StatusCode::kFenced) || log_sync_failed_) perhaps_.push_back(std::move(next));
    }
  }
  // All of `rows`, or nothing; then perhaps later, when the edit turns out to be on the disk.
  void Ingest(const Rows& rows, bool move) {
    if (db_ == nullptr) return;
    const std::string path = "/load" + std::to_string(++loads_);
    auto writer = TableWriter::Create(path, machine_.Setup(SmallOptions()));
    Do(writer.status());
    if (!writer.ok()) return;
    for (const auto& [key, value] : rows) Do((*writer)->Put(key, value));
    auto facts = (*writer)->Finish();
    Do(facts.status());
    if (!facts.ok()) return;
    const Status s = db_->Ingest(std::array{path}, {.move_files = move});
    Rows next = acknowledged_;
    for (const auto& [key, value] : rows) next[key] = value;
    if (s.ok()) {
      acknowledged_ = std::move(next);
      perhaps_.clear();
    } else {
      EXPECT_TRUE(met_fault()) << s.ToString();
      perhaps_.push_back(std::move(next));
    }
  }
  // Each way to read `db` gives these rows, or an error.
  void CheckReads(Db* db, const ReadOptions& options, const Rows& rows) {
    std::vector<std::string> keys{"absent"};
    for (const auto& [key, value] : rows) keys.push_back(key);
    std::vector<std::string_view> views(keys.begin(), keys.end());
    std::vector<PinnedValue> values(keys.size());
    const std::vector<Result<bool>> found = db->MultiGet(options, views, values);
    for (size_t i = 0; i < keys.size(); ++i) {
      const auto want = rows.find(keys[i]);
      PinnedValue value;
      const Result<bool> got = db->Get(options, keys[i], &value);
      for (const auto& [one, bytes] : {std::pair(&got, &value), std::pair(&found[i], &values[i])}) {
        Do(one->status());
        if (!one->ok()) continue;
        EXPECT_EQ(**one, want != rows.end()) << Printable(keys[i]);
        if (**one && want != rows.end()) {
          EXPECT_EQ(bytes->view(), want->second) << Printable(keys[i]);
        }
      }
    }
    Result<Rows> all = ReadAll(db, options);
    Do(all.status());
    if (all.ok()) {
      EXPECT_EQ(Difference(*all, rows), "");
    }
  }
  // What the log tells of all changes leads to what there is, as far as it reaches.
  void CheckChanges(Db* db) {
    auto changes = db->ChangesSince(0);
    if (!changes.ok() && changes.status().Is(StatusCode::kOutOfRange)) return;
    Do(changes.status());
    if (!changes.ok()) return;
    SequenceNumber last = 0;
    while ((*changes)->Next()) {
      WriteBatch::Reader batch = (*changes)->batch();
      EXPECT_EQ(batch.sequence(), last + 1);
      WriteBatch::Operation operation;
      while (batch.Next(&operation)) {
      }
      last = (*changes)->sequence();
    }
    const Status& status = (*changes)->status();
    if (!status.Is(StatusCode::kOutOfRange)) Do(status);
  }
  const Rows& acknowledged() const { return acknowledged_; }
  Result<std::unique_ptr<Db>> Follow() {
    Options options = machine_.Setup(SmallOptions());
    options.mode = OpenMode::kFollow;
    return Db::Open(kDir, options);
  }
  void Do(const Status& status) { EXPECT_TRUE(status.ok() || met_fault()) << status.ToString(); }
  Db* db() { return db_.get(); }
  void Close() {
    if (db_ == nullptr) return;
    Do(db_->Close());
    db_.reset();
    EXPECT_EQ(machine_.disk->OpenHandleCount(), 0u);
  }

  void Heal() {
    healed_ = true;
    machine_.fs.ClearRules();
  }

  // The disk has room again: a database that is not fenced goes on by itself.
  void SpaceReturns() {
    Heal();
    if (db_ == nullptr) return;
    machine_.Rest();
    machine_.Rest();
    const bool fenced = db_->Stats().fenced;
    EXPECT_TRUE(!fenced || may_be_fenced_ || fault_.code != StatusCode::kNoSpace) << "a full disk fences nothing";
    if (fenced) return;
    EXPECT_EQ(db_->Stats().background_error, "");
    for (int i = 0; i < 3; ++i) Write(RandomChanges(&dice_, 4, 60));
    EXPECT_TRUE(perhaps_.empty()) << "writes work again";
    EXPECT_TRUE(db_->Flush().ok());
    EXPECT_TRUE(db_->CompactRange({}, {}).ok());
    CheckContents(db_.get(), "after space returned");
  }

  // After the workload: without faults everything is there, on this disk and on what a power loss leaves of it.
  void Finish() {
    Heal();
    Close();
    machine_.fs.SetHook(nullptr);
    const size_t handles = machine_.disk->OpenHandleCount();
    EXPECT_EQ(handles, 0u) << "files left open";
    if (mode_ == WalSync::kAlways) {
      Machine after(1, machine_.disk->CrashClone(CrashPlan::DropUnsynced()));
      Reopen(&after, "after power loss");
    }
    Reopen(&machine_, "reopened");
  }

 private:
  Options SmallOptions() const {
    Options options;
    options.memory_budget = size_t{4} << 20;
    options.memtable_size = memtable_size_;
    options.table_size = 64 * 1024;
    options.block_size = 1024;
    options.wal_sync = mode_;
    options.value_log_threshold = 200;  // some values apart, some not
    options.background_threads = 1;
    return options;
  }

  void CheckContents(Db* db, const std::string& when) {
    Result<Rows> rows = ReadAll(db);
    if (!rows.ok()) {
      EXPECT_TRUE(!healed_ && met_fault()) << when << ": " << rows.status().ToString();
      return;
    }
    bool known = *rows == acknowledged_;
    for (const Rows& perhaps : perhaps_) known = known || perhaps == *rows;
    EXPECT_TRUE(known) << when << ": " << Difference(*rows, acknowledged_) << " (and " << perhaps_.size()
                       << " batches that failed)";
    if (known) {  // what it turned out to be
      acknowledged_ = *rows;
      perhaps_.clear();
    }
  }

  // After a write that was synced, all there was before it is durable, too, whatever sync failed in an earlier life.
  void CheckPowerLossAfter(Machine* machine, const std::string& key, const std::string& when) {
    Machine after(1, machine->disk->CrashClone(CrashPlan::DropUnsynced()));
    auto db = Db::Open(kDir, after.Setup(SmallOptions()));
    ASSERT_TRUE(db.ok()) << when << ", power lost: " << db.status().ToString();
    Rows rows = acknowledged_;
    rows[key] = "write";
    EXPECT_EQ(Compare(db->get(), rows), "") << when << ", power lost";
  }

  void Reopen(Machine* machine, const std::string& when) {
    const Rows before = acknowledged_;
    const std::vector<Rows> perhaps = perhaps_;
    {
      auto db = Db::Open(kDir, machine->Setup(SmallOptions()));
      ASSERT_TRUE(db.ok()) << when << ": " << db.status().ToString();
      const auto left = machine->disk->List(kDir);
      const auto logs =
          std::count_if(left->begin(), left->end(), [](const auto& name) { return name.ends_with(".vlog"); });
      EXPECT_EQ(static_cast<uint64_t>(logs), (*db)->Stats().value_log_files) << when << ": files that nothing names";
      CheckContents(db->get(), when);
      EXPECT_EQ(Problems(db->get()), "") << when;
      EXPECT_EQ(Compare(db->get(), acknowledged_), "") << when;
      WriteBatch batch;
      batch.Put("one more", "write");
      EXPECT_TRUE((*db)->Write({.sync = true}, batch).ok()) << when;
      // Where no call worked after the failed sync, what it left unwritten could not be made dirty again.
      if (!fault_.sticky || !fault_.ops.empty()) CheckPowerLossAfter(machine, "one more", when);
      machine->executor.RunAll();
      EXPECT_TRUE((*db)->Close().ok()) << when;
    }
    EXPECT_EQ(machine->disk->OpenHandleCount(), 0u) << when;
    // Nothing but the database's own files, and none of them unnamed, is left.
    auto names = machine->disk->List(kDir);
    ASSERT_TRUE(names.ok());
    for (const std::string& name : *names) EXPECT_FALSE(name.ends_with(".tmp")) << when << ": " << name;
    acknowledged_ = before;
    perhaps_ = perhaps;
  }

  const Fault fault_;
  Machine machine_;
  Dice dice_;
  const WalSync mode_;
  const size_t memtable_size_;
  std::unique_ptr<Db> db_;
  Rows acknowledged_;
  std::vector<Rows> perhaps_;  // acknowledged_ and one batch that failed since
  int loads_ = 0;
  bool log_sync_failed_ = false;
  bool may_be_fenced_ = false;
  bool healed_ = false;
  std::string first_;
};

using Workload = std::function<void(FaultyRun*)>;

uint64_t total_runs = 0;

// Of so many calls one is made to fail, not the same for every fault.
uint64_t Each() {
  return FromEnvironment("VARVE_INJECTION_EACH", 1);
}

// Runs `workload` with every fault at every call.
void Inject(const std::string& name, WalSync mode, const Workload& workload, size_t memtable_size = 16 * 1024) {
  std::vector<Fault> faults;
  for (const bool sticky : {false, true}) {
    for (const StatusCode code : {StatusCode::kIoError, StatusCode::kNoSpace}) {
      faults.push_back({code, FaultRule::Effect::kNothing, sticky});
      faults.push_back({code, FaultRule::Effect::kPartOfWrite, sticky});
    }
    faults.push_back({StatusCode::kNoSpace, FaultRule::Effect::kEverything, sticky});
  }
  // The device fails, the page cache does not; the table of open files is full.
  faults.push_back({.sticky = true, .ops = {FileOp::kSync, FileOp::kSyncDir}});
  faults.push_back({.code = StatusCode::kNoSpace,
                    .sticky = true,
                    .ops = {FileOp::kOpenForRead, FileOp::kCreate, FileOp::kOpenForWrite, FileOp::kList, FileOp::kLock,
                            FileOp::kSyncDir}});
  uint64_t runs = 0, first = 0;
  for (const Fault& fault : faults) {
    for (uint64_t call = 1 + first++ % Each();; call += Each()) {
      FaultyRun run(fault, call, mode, memtable_size);
      SCOPED_TRACE(name + ": " + Name(fault) + std::to_string(call));
      workload(&run);
      run.SpaceReturns();
      run.Finish();
      ++runs;
      if (::testing::Test::HasFailure()) {
        ADD_FAILURE() << "the first call to fail was " << run.first();
        return;
      }
      if (!run.met_fault()) break;
      ASSERT_LT(call, 5000u);
    }
  }
  total_runs += runs;
  std::printf("%-24s %llu runs\n", name.c_str(), static_cast<unsigned long long>(runs));
}

void Fill(FaultyRun* run, int batches, size_t value_size) {
  for (int i = 0; i < batches; ++i) run->Write(RandomChanges(&run->dice(), 5, 80, value_size));
}

TEST(ErrorInjectionTest, OpenAndClose) {
  Inject("open, close", WalSync::kNever, [](FaultyRun* run) {
    for (int i = 0; i < 2; ++i) {
      run->Open();
      Fill(run, 2, 50);
      run->Close();
    }
  });
}

TEST(ErrorInjectionTest, SyncedPuts) {
  const Workload workload = [](FaultyRun* run) {
    if (!run->Open()) run->Open();
    Fill(run, 6, 50);
    Fill(run, 2, 5000);  // more blocks than the next write will touch
  };
  Inject("synced puts", WalSync::kAlways, workload, 128 * 1024);
}

TEST(ErrorInjectionTest, UnsyncedPuts) {
  Inject("unsynced puts", WalSync::kNever, [](FaultyRun* run) {
    if (!run->Open()) run->Open();
    Fill(run, 6, 50);
    if (run->db() != nullptr) run->Do(run->db()->SyncWal());
    Fill(run, 2, 50);
  });
}

TEST(ErrorInjectionTest, SyncedEverySecond) {
  Inject("every second", WalSync::kEverySecond, [](FaultyRun* run) {
    if (!run->Open()) run->Open();
    for (int i = 0; i < 3; ++i) {
      Fill(run, 3, 50);
      run->machine().Rest();
    }
    run->Close();
    run->Open();
  });
}

// Every way to read, from tables, value logs and the log: now, at a snapshot, in a follower.
TEST(ErrorInjectionTest, Reads) {
  Inject("reads", WalSync::kNever, [](FaultyRun* run) {
    if (!run->Open()) run->Open();
    Fill(run, 3, 400);
    if (run->db() == nullptr || !run->db()->CompactRange({}, {}).ok()) return;
    Fill(run, 1, 50);
    const Rows then = run->acknowledged();
    auto snapshot = run->db()->GetSnapshot();
    ReadOptions options;
    options.snapshot = snapshot.get();
    Fill(run, 2, 50);
    run->CheckReads(run->db(), options, then);
    run->CheckReads(run->db(), {}, run->acknowledged());
    run->CheckChanges(run->db());
    auto follower = run->Follow();
    run->Do(follower.status());
    if (!follower.ok()) return;
    run->CheckReads(follower->get(), {}, run->acknowledged());
    Fill(run, 1, 50);
    const Status caught_up = (*follower)->CatchUp();
    run->Do(caught_up);
    if (caught_up.ok()) run->CheckReads(follower->get(), {}, run->acknowledged());
  });
}

TEST(ErrorInjectionTest, Flush) {
  Inject("flush", WalSync::kAlways, [](FaultyRun* run) {
    if (!run->Open()) run->Open();
    for (int i = 0; i < 2; ++i) {
      Fill(run, 3, 200);
      if (run->db() != nullptr) run->Do(run->db()->Flush());
    }
  });
}

TEST(ErrorInjectionTest, MemtableSwitches) {
  Inject("switches", WalSync::kNever, [](FaultyRun* run) {
    if (!run->Open()) run->Open();
    for (int i = 0; i < 12; ++i) {
      Fill(run, 1, 1500);
      if (i % 3 == 0) run->machine().executor.RunOne();
      if (i % 5 == 4) run->machine().Rest();
    }
  });
}

TEST(ErrorInjectionTest, Compaction) {
  Inject("compaction", WalSync::kNever, [](FaultyRun* run) {
    if (!run->Open()) run->Open();
    for (int i = 0; i < 3; ++i) {
      Fill(run, 2, 300);
      if (run->db() != nullptr) run->Do(run->db()->Flush());
    }
    if (run->db() != nullptr) run->Do(run->db()->CompactRange({}, {}));
    Fill(run, 2, 300);
    if (run->db() != nullptr) run->Do(run->db()->CompactRange({}, {}));
  });
}

// Value-log files are made by flushes, emptied into others, and go.
TEST(ErrorInjectionTest, ValueLogs) {
  uint64_t moved = 0;
  const auto workload = [&](FaultyRun* run) {
    if (!run->Open()) run->Open();
    for (int i = 0; i < 12; ++i) {
      run->Write(StayAndChurn(i));
      run->machine().executor.RunOne();
    }
    run->machine().executor.RunAll();
    if (run->db() != nullptr) moved = std::max(moved, run->db()->Stats().value_log_moved_bytes);
  };
  Inject("value logs", WalSync::kNever, workload, /*memtable_size=*/256);
  EXPECT_GT(moved, 0u) << "no file was emptied: the workload misses its point";
}

TEST(ErrorInjectionTest, Reopening) {
  Inject("reopening", WalSync::kAlways, [](FaultyRun* run) {
    if (!run->Open()) run->Open();
    Fill(run, 4, 2000);
    run->Close();
    if (!run->Open()) run->Open();
    Fill(run, 3, 200);
    run->Close();
    run->Open();
  });
}

TEST(ErrorInjectionTest, Checkpoint) {
  Inject("checkpoint", WalSync::kNever, [](FaultyRun* run) {
    if (!run->Open()) run->Open();
    Fill(run, 3, 200);
    if (run->db() == nullptr) return;
    Status s = run->db()->Checkpoint(kCheckpoint);
    run->Do(s);
    // A failed one does not stand in the way of the next.
    run->Heal();
    run->machine().Rest();
    if (!s.ok() && !run->db()->Stats().fenced && !*run->machine().disk->Exists(kCheckpoint)) {
      s = run->db()->Checkpoint(kCheckpoint);
      EXPECT_TRUE(s.ok()) << s.ToString();
    }
    if (!s.ok()) return;
    Result<Rows> rows = ReadAll(run->db());
    ASSERT_TRUE(rows.ok());
    Machine other(1, run->machine().disk->CrashClone(CrashPlan::DropUnsynced()));
    auto copy = Db::Open(kCheckpoint, other.Setup());
    ASSERT_TRUE(copy.ok()) << copy.status().ToString();
    EXPECT_EQ(Compare(copy->get(), *rows), "");
  });
}

TEST(ErrorInjectionTest, Ingest) {
  Inject("ingest", WalSync::kAlways, [](FaultyRun* run) {
    if (!run->Open()) run->Open();
    Fill(run, 2, 100);
    run->Ingest({{"k1010", "a"}, {"k1030", "b"}}, true);
    Fill(run, 1, 100);
    run->Ingest({{"k1020", "c"}}, false);
    Fill(run, 1, 100);
  });
}

TEST(ErrorInjectionTest, Backup) {
  Inject("backup", WalSync::kNever, [](FaultyRun* run) {
    if (!run->Open()) run->Open();
    BackupOptions options = run->BackupSetup();
    std::vector<Rows> states;  // of the backups that were made
    std::vector<uint64_t> ids;
    const auto back_up = [&] {
      auto id = Backup::Create(run->db(), "/backups", options);
      run->Do(id.status());
      if (!id.ok()) return;
      Result<Rows> rows = ReadAll(run->db());
      if (!rows.ok()) return;
      ids.push_back(*id);
      states.push_back(*rows);
    };
    if (run->db() == nullptr) return;
    Fill(run, 2, 200);
    back_up();
    Fill(run, 2, 200);
    back_up();
    const bool any = !ids.empty();
    Status restored = !any ? Status::Ok() : Backup::Restore("/backups", ids[0], "/restored", options);
    run->Do(restored);
    run->Heal();
    run->machine().Rest();
    if (!run->db()->Stats().fenced) back_up();  // a failed one does not stand in the way of the next
    Machine other(1, run->machine().disk->CrashClone(CrashPlan::DropUnsynced()));
    options.file_system = &other.fs;
    if (restored.ok() && any) {
      auto copy = Db::Open("/restored", other.Setup());
      ASSERT_TRUE(copy.ok()) << copy.status().ToString();
      EXPECT_EQ(Compare(copy->get(), states[0]), "");
    }
    for (size_t i = 0; i < ids.size(); ++i) {
      const std::string dir = "/again" + std::to_string(i);
      const Status s = Backup::Restore("/backups", ids[i], dir, options);
      ASSERT_TRUE(s.ok()) << s.ToString();
      auto copy = Db::Open(dir, other.Setup());
      ASSERT_TRUE(copy.ok()) << copy.status().ToString();
      EXPECT_EQ(Compare(copy->get(), states[i]), "");
    }
  });
}

// What is kept of backups is whole, whatever became of checking and deleting.
TEST(ErrorInjectionTest, BackupUpkeep) {
  Inject("backup upkeep", WalSync::kNever, [](FaultyRun* run) {
    if (!run->Open()) run->Open();
    if (run->db() == nullptr) return;
    BackupOptions options = run->BackupSetup();
    std::map<uint64_t, Rows> made;
    for (int i = 0; i < 2; ++i) {
      Fill(run, 2, 200);
      auto id = Backup::Create(run->db(), "/backups", options);
      run->Do(id.status());
      Result<Rows> rows = ReadAll(run->db());
      if (id.ok() && rows.ok()) made[*id] = *rows;
    }
    run->Do(Backup::List("/backups", options).status());
    if (made.size() == 2) {
      auto report = Backup::Verify("/backups", 2, options);
      run->Do(report.status());
      if (report.ok() && !run->met_fault()) {
        EXPECT_TRUE(report->problems.empty());
      }
      const Status deleted = Backup::Delete("/backups", 1, options);
      run->Do(deleted);
      made.erase(1);  // or not: it may be there, and then it is whole
    }
    run->Heal();
    auto listed = Backup::List("/backups", options);
    if (!listed.ok()) return;  // nothing has been begun
    for (const BackupInfo& info : *listed) {
      auto report = Backup::Verify("/backups", info.id, options);
      ASSERT_TRUE(report.ok()) << report.status().ToString();
      EXPECT_TRUE(report->problems.empty()) << "backup " << info.id;
    }
    for (const auto& [id, rows] : made) {
      const std::string dir = "/restored" + std::to_string(id);
      const Status restored = Backup::Restore("/backups", id, dir, options);
      ASSERT_TRUE(restored.ok()) << restored.ToString();
      auto copy = Db::Open(dir, run->machine().Setup());
      ASSERT_TRUE(copy.ok()) << copy.status().ToString();
      EXPECT_EQ(Compare(copy->get(), rows), "");
    }
  });
}

TEST(ErrorInjectionTest, Repair) {
  uint64_t runs = 0;
  const Fault faults[] = {{.effect = FaultRule::Effect::kNothing},
                          {.effect = FaultRule::Effect::kPartOfWrite},
                          {.effect = FaultRule::Effect::kEverything},
                          {.code = StatusCode::kNoSpace, .effect = FaultRule::Effect::kPartOfWrite},
                          {.effect = FaultRule::Effect::kNothing, .sticky = true},
                          {.code = StatusCode::kNoSpace, .effect = FaultRule::Effect::kPartOfWrite, .sticky = true}};
  for (const Fault& fault : faults) {
    for (uint64_t call = 1;; ++call, ++runs) {
      SCOPED_TRACE("repair: " + Name(fault) + std::to_string(call));
      Machine machine(1);
      Options options = machine.Setup();
      options.memtable_size = 16 * 1024;
      Rows rows;
      Dice dice(3);
      {
        auto db = Db::Open(kDir, options);
        ASSERT_TRUE(db.ok());
        for (int i = 0; i < 6; ++i) {
          const Changes changes = RandomChanges(&dice, 10, 80, 200);
          WriteBatch batch;
          AddTo(changes, &batch);
          Apply(changes, &rows);
          ASSERT_TRUE((*db)->Write({}, batch).ok());
          if (i == 2) {
            ASSERT_TRUE((*db)->CompactRange({}, {}).ok());
          }
        }
        ASSERT_TRUE((*db)->Close().ok());
      }
      for (const std::string& path : FilesEnding(machine.disk.get(), kDir, "")) {
        if (path.find("MANIFEST") != std::string::npos) {
          ASSERT_TRUE(machine.disk->Remove(path).ok());
        }
      }
      const uint64_t at = machine.fs.CallCount() + call;
      FaultRule rule = fault.sticky ? FaultRule::From(at, fault.code) : FaultRule::At(at, fault.code);
      rule.effect = fault.effect;
      machine.fs.AddRule(rule);
      auto report = Repair(kDir, options);
      const bool met_fault = machine.fs.FaultCount() > 0;
      ASSERT_TRUE(report.ok() || met_fault) << report.status().ToString();
      machine.fs.ClearRules();
      EXPECT_EQ(machine.disk->OpenHandleCount(), 0u);
      if (!report.ok()) report = Repair(kDir, options);
      ASSERT_TRUE(report.ok()) << report.status().ToString();
      auto db = Db::Open(kDir, options);
      ASSERT_TRUE(db.ok()) << db.status().ToString();
      // What cannot be read counts as damaged, and is named.
      if (report->losses.empty() || !met_fault) {
        EXPECT_EQ(Compare(db->get(), rows), "");
      }
      EXPECT_EQ(Problems(db->get()), "");
      if (!met_fault || HasFailure()) break;
    }
  }
  total_runs += runs;
  std::printf("%-24s %llu runs\n", "repair", static_cast<unsigned long long>(runs));
}

TEST(ErrorInjectionTest, Totals) {
  std::printf("error injection: %llu runs\n", static_cast<unsigned long long>(total_runs));
  if (::testing::GTEST_FLAG(filter) == "*") {
    EXPECT_GT(total_runs, 15000u / Each());
  }
}

}  // namespace
}  // namespace varve::lsm
