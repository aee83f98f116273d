#include "tests/oplog/db_player.h"

#include <algorithm>
#include <utility>

#include "lsm/backup.h"
#include "lsm/table_writer.h"
#include "lsm/transaction.h"

namespace varve::lsm {

namespace {

constexpr char kBackups[] = "/backups";
constexpr size_t kBackupsKept = 2;

void AddStatus(const Status& status, std::string* answer) {
  if (!status.ok()) *answer += "error: " + status.ToString() + "\n";
}

void AddFound(const Result<bool>& found, std::string_view key, const PinnedValue& value, std::string* answer) {
  if (!found.ok()) return AddStatus(found.status(), answer);
  *found ? AddRow(key, value.view(), answer) : AddNothing(answer);
}

// The row that `it` stands on. False: none.
bool AddPosition(const Iterator& it, std::string* answer) {
  if (it.Valid()) AddRow(it.key(), it.value(), answer);
  AddStatus(it.status(), answer);
  return it.Valid();
}

}  // namespace

DbPlayer::DbPlayer(OptionSet set, uint64_t seed)
    : set_(std::move(set)),
      seed_(seed),
      machine_(std::make_unique<Machine>(seed)),
      time_(std::make_unique<LogTime>(&machine_->clock)) {}

DbPlayer::~DbPlayer() {
  CloseAll();
}

void DbPlayer::Do(const Operation& operation, std::string* answer) {
  if (db_ == nullptr) Open(answer);
  if (db_ == nullptr) return;
  for (uint32_t i = 0; i < operation.work && !set_.threads; ++i) machine_->executor.RunOne();
  switch (operation.kind) {
    case Kind::kGet:
    case Kind::kMultiGet:
    case Kind::kScan:
    case Kind::kScanBack:
    case Kind::kCompare: return Read(operation, answer);
    case Kind::kPut:
    case Kind::kPutAsync:
    case Kind::kPutWithExpiry:
    case Kind::kDelete:
    case Kind::kDeleteRange:
    case Kind::kMerge:
    case Kind::kBatch:
    case Kind::kOverlay:
    case Kind::kAbandon:
    case Kind::kTransaction:
    case Kind::kIngest: return Write(operation, answer);
    case Kind::kSnapshot: snapshots_[operation.slot] = db_->GetSnapshot(); return;
    case Kind::kRelease: snapshots_[operation.slot].reset(); return;
    case Kind::kOpen: return OpenIterator(operation);
    case Kind::kSeek:
    case Kind::kSeekForPrev:
    case Kind::kSeekToFirst:
    case Kind::kSeekToLast:
    case Kind::kNext:
    case Kind::kPrev: return Walk(operation, answer);
    case Kind::kClose: iterators_[operation.slot].reset(); return;
    case Kind::kAdvance:
    case Kind::kSync:
    case Kind::kFlush:
    case Kind::kCompact:
    case Kind::kReclaim:
    case Kind::kSetOptions:
    case Kind::kCheckpoint:
    case Kind::kBackup:
    case Kind::kVerify: return Maintain(operation, answer);
    case Kind::kRestart:
    case Kind::kKill:
    case Kind::kCrash: return Reopen(operation.kind, answer);
  }
}

// ---- opening ----------------------------------------------------------------------------------------------------------

Options DbPlayer::Setup() {
  Options options = set_.options;
  options.merge_operator = MixedOperator();
  if (set_.changes_style) options.compaction = static_cast<CompactionStyle>(opens_ % 3);
  if (opens_ % 3 == 2) {
    options.block_size = options.block_size == 1024 ? 4096 : 1024;
    options.filter_bits_per_key = options.filter_bits_per_key == 0 ? 10 : 0;
    options.value_log_threshold = options.value_log_threshold == 0 ? 64 : 0;
  }
  if (!set_.threads) return machine_->Setup(options);
  options.file_system = &machine_->fs;
  options.clock = time_.get();
  return options;
}

void DbPlayer::Open(std::string* answer) {
  auto db = Db::Open(kDir, Setup());
  ++opens_;
  AddStatus(db.status(), answer);
  if (db.ok()) db_ = std::move(db).value();
}

void DbPlayer::CloseAll() {
  for (auto& iterator : iterators_) iterator.reset();
  for (auto& snapshot : snapshots_) snapshot.reset();
  db_.reset();
}

void DbPlayer::Reopen(Kind kind, std::string* answer) {
  if (kind == Kind::kRestart) {
    for (auto& iterator : iterators_) iterator.reset();
    for (auto& snapshot : snapshots_) snapshot.reset();
    AddStatus(db_->Close(), answer);
  } else {
    if (kind == Kind::kCrash) AddStatus(db_->SyncWal(), answer);
    auto left = machine_->disk->CrashClone(kind == Kind::kCrash ? CrashPlan::DropUnsynced() : CrashPlan::KeepCache());
    CloseAll();
    const uint64_t passed_us = machine_->clock.MonotonicMicros();
    machine_ = std::make_unique<Machine>(seed_ + opens_, std::move(left));
    machine_->clock.AdvanceMicros(passed_us);  // the wall clock goes on
    time_ = std::make_unique<LogTime>(&machine_->clock);
  }
  db_.reset();
  Open(answer);
  if (db_ == nullptr) return;
  const Result<Rows> rows = ReadAll(db_.get());
  AddStatus(rows.status(), answer);
  if (!rows.ok()) return;
  for (const auto& [key, value] : *rows) AddRow(key, value, answer);
}

// ---- reading ----------------------------------------------------------------------------------------------------------

ReadOptions DbPlayer::At(const Operation& operation) const {
  ReadOptions options;
  options.snapshot = snapshots_[operation.at].get();
  options.fill_cache = operation.key % 4 != 0;
  return options;
}

void DbPlayer::Read(const Operation& operation, std::string* answer) {
  switch (operation.kind) {
    case Kind::kGet: return Get(operation, At(operation), answer);
    case Kind::kMultiGet: return MultiGet(operation, answer);
    case Kind::kCompare: return AddAll(db_.get(), At(operation), answer);
    default: return Scan(operation, At(operation), answer);
  }
}

void DbPlayer::Get(const Operation& operation, const ReadOptions& options, std::string* answer) {
  const std::string& key = KeyOf(operation.key);
  PinnedValue value;
  const Result<bool> quick = db_->TryGet(options, key, &value);
  if (quick.ok()) return AddFound(quick, key, value, answer);
  if (!quick.status().Is(StatusCode::kWouldBlock)) AddStatus(quick.status(), answer);
  AddFound(db_->Get(options, key, &value), key, value, answer);
}

void DbPlayer::MultiGet(const Operation& operation, std::string* answer) {
  std::vector<std::string_view> keys;
  for (uint32_t i = 0; i < operation.count; ++i) keys.push_back(KeyOf(operation.key + i * operation.seed));
  std::vector<PinnedValue> values(keys.size());
  const auto found = db_->MultiGet(At(operation), keys, values);
  for (size_t i = 0; i < keys.size(); ++i) AddFound(found[i], keys[i], values[i], answer);
}

void DbPlayer::Scan(const Operation& operation, ReadOptions options, std::string* answer) {
  if (operation.count == 0) return;
  const bool backward = operation.kind == Kind::kScanBack;
  Iterator it = db_->NewIterator(options);
  backward ? it.SeekForPrev(KeyOf(operation.key)) : it.Seek(KeyOf(operation.key));
  for (uint32_t i = 1; AddPosition(it, answer) && i < operation.count; ++i) backward ? it.Prev() : it.Next();
}

// Every row, and what is wrong where the database does not say the same upwards, downwards and key by key.
void DbPlayer::AddAll(Db* db, const ReadOptions& options, std::string* answer) {
  const Result<Rows> rows = ReadAll(db, options);
  if (!rows.ok()) return AddStatus(rows.status(), answer);
  for (const auto& [key, value] : *rows) AddRow(key, value, answer);
  *answer += Compare(db, *rows, options);
}

// ---- writing ----------------------------------------------------------------------------------------------------------

void DbPlayer::Write(const Operation& operation, std::string* answer) {
  switch (operation.kind) {
    case Kind::kPutAsync: return PutAsync(operation, answer);
    case Kind::kOverlay:
    case Kind::kAbandon: return Overlay(operation, answer);
    case Kind::kTransaction: return Transact(operation, answer);
    case Kind::kIngest: return Ingest(operation, answer);
    default: break;
  }
  WriteBatch batch;
  AddTo(operation.kind == Kind::kBatch ? operation.changes : std::vector{operation}, &batch);
  AddStatus(db_->Write({}, batch), answer);
}

void DbPlayer::PutAsync(const Operation& operation, std::string* answer) {
  WriteBatch batch;
  AddTo({operation}, &batch);
  const Result<SequenceNumber> sequence = db_->WriteAsync(batch, nullptr);
  if (sequence.ok()) return;
  AddStatus(sequence.status().Is(StatusCode::kBusy) ? db_->Write({}, batch) : sequence.status(), answer);
}

uint64_t DbPlayer::ExpiryOf(const Operation& change) {
  return change.ms == 0 ? kLongExpired : static_cast<uint64_t>(machine_->clock.WallMillis()) + change.ms;
}

template <typename Batch>
void DbPlayer::AddTo(const std::vector<Operation>& changes, Batch* batch) {
  for (const Operation& change : changes) {
    const std::string& key = KeyOf(change.key);
    switch (change.kind) {
      case Kind::kPut:
      case Kind::kPutAsync: batch->Put(key, ValueOf(change)); break;
      case Kind::kPutWithExpiry: batch->PutWithExpiry(key, ValueOf(change), ExpiryOf(change)); break;
      case Kind::kDelete: batch->Delete(key); break;
      case Kind::kDeleteRange: batch->DeleteRange(key, KeyOf(change.end)); break;
      case Kind::kMerge: batch->Merge(key, ValueOf(change)); break;
      default: FAIL() << "no change: " << Text(change);
    }
  }
}

void DbPlayer::Overlay(const Operation& operation, std::string* answer) {
  IndexedBatch batch;
  AddTo(operation.changes, &batch);
  ReadOptions options;
  options.batch = &batch;
  Get(operation, options, answer);
  Scan(operation, options, answer);
  if (operation.kind == Kind::kOverlay) AddStatus(db_->Write({}, batch.batch()), answer);
}

void DbPlayer::Transact(const Operation& operation, std::string* answer) {
  const auto limit =
      operation.changes.begin() + std::min<std::ptrdiff_t>(operation.count, std::ssize(operation.changes));
  Transaction transaction(db_.get());
  AddTo({operation.changes.begin(), limit}, &transaction);
  transaction.SetSavepoint();
  AddTo({limit, operation.changes.end()}, &transaction);
  AddStatus(transaction.RollbackToSavepoint(), answer);
  PinnedValue value;
  const std::string& key = KeyOf(operation.key);
  AddFound(transaction.GetForUpdate(key, &value), key, value, answer);
  if (operation.end != 0) {
    Write({.kind = Kind::kPut, .key = operation.end, .size = operation.size, .seed = operation.seed}, answer);
  }
  const Status status = transaction.Commit();
  if (status.Is(StatusCode::kConflict)) {
    *answer += "conflict\n";
  } else {
    *answer += status.ok() ? "committed\n" : status.ToString();
  }
}

void DbPlayer::Ingest(const Operation& operation, std::string* answer) {
  const std::vector<Operation> changes = InFileOrder(operation.changes);
  if (changes.empty()) return;
  const std::string path = NewPath("load");
  AddStatus(WriteFile(path, changes), answer);
  const bool moves = operation.seed % 2 == 0;
  AddStatus(db_->Ingest(std::array{path}, {.move_files = moves}), answer);
  if (!moves) AddStatus(machine_->fs.Remove(path), answer);
}

Status DbPlayer::WriteFile(const std::string& path, const std::vector<Operation>& changes) {
  auto writer = TableWriter::Create(path, Setup());
  if (!writer.ok()) return writer.status();
  for (const Operation& change : changes) {
    const std::string& key = KeyOf(change.key);
    switch (change.kind) {
      case Kind::kPut: VARVE_TRY((*writer)->Put(key, ValueOf(change))); break;
      case Kind::kPutWithExpiry: VARVE_TRY((*writer)->PutWithExpiry(key, ValueOf(change), ExpiryOf(change))); break;
      case Kind::kDelete: VARVE_TRY((*writer)->Delete(key)); break;
      case Kind::kDeleteRange: VARVE_TRY((*writer)->DeleteRange(key, KeyOf(change.end))); break;
      case Kind::kMerge: VARVE_TRY((*writer)->Merge(key, ValueOf(change))); break;
      default: return Status::InvalidArgument("no change: " + Text(change));
    }
  }
  return (*writer)->Finish().status();
}

// ---- iterators --------------------------------------------------------------------------------------------------------

void DbPlayer::OpenIterator(const Operation& operation) {
  ReadOptions options = At(operation);
  options.lower_bound = KeyOf(operation.key);
  if (operation.end != 0) options.upper_bound = KeyOf(operation.end);
  iterators_[operation.slot] = std::make_unique<Iterator>(db_->NewIterator(options));
}

void DbPlayer::Walk(const Operation& operation, std::string* answer) {
  if (iterators_[operation.slot] == nullptr) return;
  Iterator& it = *iterators_[operation.slot];
  const auto answer_position = [&] {
    if (!AddPosition(it, answer)) AddNothing(answer);
  };
  switch (operation.kind) {
    case Kind::kSeek: it.Seek(KeyOf(operation.key)); return answer_position();
    case Kind::kSeekForPrev: it.SeekForPrev(KeyOf(operation.key)); return answer_position();
    case Kind::kSeekToFirst: it.SeekToFirst(); return answer_position();
    case Kind::kSeekToLast: it.SeekToLast(); return answer_position();
    default: break;
  }
  for (uint32_t i = 0; i < operation.count && it.Valid(); ++i) {
    operation.kind == Kind::kNext ? it.Next() : it.Prev();
    answer_position();
  }
}

// ---- upkeep -----------------------------------------------------------------------------------------------------------

void DbPlayer::Maintain(const Operation& operation, std::string* answer) {
  switch (operation.kind) {
    case Kind::kAdvance:
      machine_->clock.AdvanceMillis(operation.ms);
      if (!set_.threads) machine_->executor.RunAll();
      return;
    case Kind::kSync: return AddStatus(db_->SyncWal(), answer);
    case Kind::kFlush: return AddStatus(db_->Flush(), answer);
    case Kind::kSetOptions: return AddStatus(SetOptions(operation.seed), answer);
    case Kind::kCheckpoint: return Checkpoint(answer);
    case Kind::kBackup: return BackUp(operation, answer);
    case Kind::kVerify: *answer += Problems(db_.get()); return;
    default: return AddStatus(Compact(operation), answer);
  }
}

Status DbPlayer::Compact(const Operation& operation) {
  const std::string& begin = KeyOf(operation.key);
  const std::string end = operation.end != 0 ? KeyOf(operation.end) : "";
  return operation.kind == Kind::kReclaim ? db_->ReclaimSpace(begin, end) : db_->CompactRange(begin, end);
}

// One option, until the next opening.
Status DbPlayer::SetOptions(uint32_t seed) {
  OptionChanges changes;
  const uint32_t n = seed / 8;
  switch (seed % 8) {
    case 0: changes.memory_budget = (size_t{4} + n % 8) << 20; break;
    case 1: changes.filter_bits_per_key = static_cast<int>(n % 20); break;
    case 2: changes.block_size = size_t{256} << (n % 6); break;
    case 3: changes.compression = n % 2 == 0 ? Compression::kNone : Compression::kZstd; break;
    case 4: changes.background_threads = static_cast<int>(1 + n % 3); break;
    case 5: changes.value_log_threshold = n % 4 == 0 ? 0 : size_t{16} << (n % 10); break;
    case 6: changes.memtable_size = size_t{4096} << (n % 6); break;
    default: changes.wal_sync = static_cast<WalSync>(n % 3); break;
  }
  return db_->SetOptions(changes);
}

void DbPlayer::Checkpoint(std::string* answer) {
  const std::string dir = NewPath("checkpoint");
  AddStatus(db_->Checkpoint(dir), answer);
  OpenCopy(dir, paths_ % 2 == 0 ? OpenMode::kReadOnly : OpenMode::kOwner, answer);
}

// One more, then an old one is restored, and perhaps forgotten.
void DbPlayer::BackUp(const Operation& operation, std::string* answer) {
  BackupOptions options;
  options.file_system = &machine_->fs;
  options.clock = &machine_->clock;
  options.random = &machine_->random;
  const Result<uint64_t> id = Backup::Create(db_.get(), kBackups, options);
  if (!id.ok()) return AddStatus(id.status(), answer);
  backups_.push_back(*id);
  const auto old = backups_.begin() + static_cast<std::ptrdiff_t>(operation.seed % backups_.size());
  const std::string dir = NewPath("restored");
  AddStatus(Backup::Restore(kBackups, *old, dir, options), answer);
  OpenCopy(dir, OpenMode::kOwner, answer);
  if (backups_.size() <= kBackupsKept) return;
  AddStatus(Backup::Delete(kBackups, *old, options), answer);
  backups_.erase(old);
}

// What a copy holds; then it goes.
void DbPlayer::OpenCopy(const std::string& dir, OpenMode mode, std::string* answer) {
  Options options = Setup();
  options.mode = mode;
  {
    const auto copy = Db::Open(dir, options);
    if (!copy.ok()) return AddStatus(copy.status(), answer);
    AddAll(copy->get(), {}, answer);
  }
  const auto names = machine_->fs.List(dir);
  AddStatus(names.status(), answer);
  if (!names.ok()) return;
  for (const std::string& name : *names) AddStatus(machine_->fs.Remove(dir + "/" + name), answer);
  AddStatus(machine_->fs.RemoveDir(dir), answer);
  AddStatus(machine_->fs.SyncDir("/"), answer);
}

}  // namespace varve::lsm
