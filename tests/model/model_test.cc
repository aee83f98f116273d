// Random operations on the database and on a std::map: whatever the options and the order of background work, both must
// always say the same. Snapshots are copies of the map; values in them expire as well. With a compaction filter the map
// holds what the filter leaves, and what is read is settled the same way: so a value may be read as it was written or as
// the filter left it, but never an older one.
//
// A failure prints what repeats it: VARVE_SEED=... (and the option set, by --gtest_filter). VARVE_MODEL_STEPS says how
// many operations each option set runs.

#include <array>
#include <deque>
#include <set>

#include "lsm/backup.h"
#include "lsm/compaction_filter.h"
#include "lsm/sync/mutex.h"
#include "lsm/table_writer.h"
#include "lsm/transaction.h"
#include "tests/lsm/db_test_util.h"
#include "tests/model/option_sets.h"

namespace varve::lsm {
namespace {

constexpr uint64_t kStepsDefault = 10'000;

// What the filter does. Keys that it looks at are not merged: what a merge makes of a value that is to be dropped would
// depend on the time of the compaction.
bool IsFiltered(std::string_view key) {
  return key.starts_with("k1") && key.ends_with('7');
}
bool SettleValue(std::string_view key, std::string* value) {
  if (!IsFiltered(key) || value->empty()) return true;
  const int n = (*value)[0] & 3;
  if (n == 1) (*value)[0] = '!';  // '!' & 3 is 1 as well
  return n != 0;
}

class TestFilter final : public CompactionFilter {
 public:
  Decision Filter(int, std::string_view key, std::string_view value, std::string* new_value) override {
    EXPECT_TRUE(new_value->empty());
    std::string settled(value);
    if (!SettleValue(key, &settled)) return Decision::kDrop;
    if (settled == value) return Decision::kKeep;
    *new_value = std::move(settled);
    return Decision::kChange;
  }
};

class ModelRun {
 public:
  ModelRun(const OptionSet& set, uint64_t seed)
      : set_(set), options_(set.options), dice_(seed), machine_(std::make_unique<Machine>(seed)) {
    options_.merge_operator = AppendOperator();
    if (dice_.OneIn(2)) options_.compaction_filter = &filter_;
  }
  ~ModelRun() { CloseAll(); }

  void Run(uint64_t steps) {
    Open();
    for (step_ = 1; step_ <= steps && !::testing::Test::HasFailure(); ++step_) {
      Step();
      if (options_.max_disk_bytes != 0) {
        ASSERT_LE(DirectoryBytes(), options_.max_disk_bytes);
      }
    }
    if (::testing::Test::HasFailure()) return;
    CheckEverything();
    EXPECT_EQ(Problems(db_.get()), "");
  }
  uint64_t step() const { return step_; }
  // Every call of the file system from now on.
  void StartTrace() {
    tracing_ = true;
    machine_->fs.SetTracing(true);
  }
  std::vector<std::string> TakeTrace() {
    CollectTrace();
    return std::move(trace_);
  }

 private:
  struct Held {
    std::unique_ptr<Snapshot> snapshot;
    Model model;
  };

  static ReadOptions At(const Held& held) {
    ReadOptions options;
    options.snapshot = held.snapshot.get();
    return options;
  }

  Options Setup() {
    if (!set_.threads) return machine_->Setup(options_);
    Options options = options_;
    options.file_system = &machine_->fs;
    return options;
  }
  Options FollowerSetup() {
    Options options = Setup();
    options.mode = OpenMode::kFollow;
    return options;
  }

  int64_t NowMillis() { return set_.threads ? SystemClock()->WallMillis() : machine_->clock.WallMillis(); }
  const Rows& RowsNow() { return model_.AdvanceTo(NowMillis()); }
  const Rows& RowsNow(Held& held) { return held.model.AdvanceTo(NowMillis()); }
  std::string CompareNow(Db* db, const Rows& rows, const ReadOptions& options = {}) {
    return Compare(db, rows, options, SettleValue);
  }

  // Where the test moves the clock, values expire soon; and filtered keys are put only.
  Changes SomeChanges(size_t count) {
    Changes changes = RandomChanges(&dice_, count, 400, set_.value_size);
    for (Change& change : changes) {
      if (change.kind == ValueKind::kPutWithExpiry && !set_.threads && dice_.OneIn(2)) {
        change.value =
            WithExpiry(static_cast<uint64_t>(NowMillis()) + dice_.Below(5000), change.value.substr(kExpirySize));
      } else if (change.kind == ValueKind::kMerge && IsFiltered(change.key)) {
        change.kind = ValueKind::kPut;
      }
    }
    return changes;
  }
  // As they are once the filter has seen them.
  static Changes Settled(Changes changes) {
    for (Change& change : changes) {
      const bool expires = change.kind == ValueKind::kPutWithExpiry;
      if (change.kind != ValueKind::kPut && !expires) continue;
      std::string value = change.value.substr(expires ? kExpirySize : 0);
      if (!SettleValue(change.key, &value)) {
        change = {ValueKind::kDelete, change.key, {}};
      } else {
        change.value.replace(expires ? kExpirySize : 0, std::string::npos, value);
      }
    }
    return changes;
  }

  // Backups and files to be taken in lie elsewhere.
  uint64_t DirectoryBytes() const {
    uint64_t bytes = 0;
    for (const std::string& path : FilesEnding(machine_->disk.get(), kDir, "")) {
      bytes += *machine_->disk->FileSize(path);
    }
    return bytes;
  }
  void CollectTrace() {
    for (std::string& line : machine_->fs.Trace()) trace_.push_back(std::move(line));
  }
  void Open() {
    auto db = Db::Open(kDir, Setup());
    ASSERT_TRUE(db.ok()) << db.status().ToString();
    db_ = std::move(db).value();
    if (last_job_ != 0) {
      ASSERT_GE(LastJob(), last_job_) << "the history survives";
    }
  }
  uint64_t LastJob() const {
    uint64_t last = 0;
    for (const Job& job : db_->JobHistory()) last = std::max(last, job.id);
    return last;
  }
  void CloseAll() {
    held_.clear();
    changes_.reset();
    hold_.reset();
    follower_held_.clear();
    follower_.reset();
    db_.reset();
  }

  void Step() {
    if (!set_.threads && dice_.OneIn(3)) machine_->executor.RunOne();
    if (!set_.threads && dice_.OneIn(50)) machine_->Rest(dice_.Below(3'000'000));
    if (dice_.OneIn(100)) Ingest();
    if (dice_.OneIn(400)) BackUp();
    if (dice_.OneIn(60)) ReadChanges();
    const uint64_t n = dice_.Below(1000);
    if (n < 300) {
      Write(SomeChanges(1));
    } else if (n < 420) {
      Write(SomeChanges(1 + dice_.Below(20)));
    } else if (n < 430) {
      DeleteRange();
    } else if (n < 600) {
      Get();
    } else if (n < 620) {
      GetAsync();
    } else if (n < 680) {
      MultiGet();
    } else if (n < 820) {
      Walk();
    } else if (n < 850) {
      Overlay();
    } else if (n < 860) {
      Transact();
    } else if (n < 890) {
      if (held_.size() < 6) held_.push_back({db_->GetSnapshot(), model_});
    } else if (n < 920) {
      if (!held_.empty()) held_.erase(held_.begin() + static_cast<std::ptrdiff_t>(dice_.Below(held_.size())));
    } else if (n < 940) {
      CheckSnapshot();
    } else if (n < 955) {
      const Status s = db_->Flush();
      ASSERT_TRUE(s.ok()) << s.ToString();
    } else if (n < 965) {
      CompactRange();
    } else if (n < 968) {
      SetOptions();
    } else if (n < 985) {
      Follow();
    } else if (n < 990) {
      Checkpoint();
    } else if (n < 995) {
      Restart();
    } else {
      CheckEverything();
    }
  }

  void Write(const Changes& changes) {
    WriteBatch batch;
    AddTo(changes, &batch);
    const int64_t now_ms = NowMillis();
    if (dice_.OneIn(4)) {
      Result<SequenceNumber> sequence = db_->WriteAsync(batch, nullptr);
      if (sequence.ok()) {
        ASSERT_EQ(*sequence, batch.sequence() + batch.count() - 1);
        model_.Apply(Settled(changes), now_ms);
        return;
      }
      ASSERT_TRUE(sequence.status().Is(StatusCode::kBusy) || Refused(sequence.status()))
          << sequence.status().ToString();
    }
    const Status s = db_->Write({.sync = dice_.OneIn(10)}, batch);
    if (Refused(s)) return;
    ASSERT_TRUE(s.ok()) << s.ToString();
    model_.Apply(Settled(changes), now_ms);
  }

  // There is no more room below the cap.
  bool Refused(const Status& s) const { return options_.max_disk_bytes != 0 && s.Is(StatusCode::kNoSpace); }

  void DeleteRange() {
    std::string begin = RandomKey(&dice_), end = RandomKey(&dice_);
    if (end < begin) std::swap(begin, end);
    Write({{ValueKind::kRangeDelete, begin, end}});
  }

  // Now, or one of the snapshots.
  const Rows& PickMoment(ReadOptions* options) {
    options->fill_cache = !dice_.OneIn(4);
    return PickModel(options).AdvanceTo(NowMillis());
  }
  Model& PickModel(ReadOptions* options) {
    if (held_.empty() || dice_.OneIn(2)) return model_;
    Held& held = held_[dice_.Below(held_.size())];
    options->snapshot = held.snapshot.get();
    return held.model;
  }

  void ExpectValue(const Result<bool>& found, const PinnedValue& value, const std::string& key, const Rows& rows) {
    ASSERT_TRUE(found.ok()) << found.status().ToString();
    const auto want = rows.find(key);
    std::string settled = value.ToString();
    const bool is_there = *found && SettleValue(key, &settled);
    ASSERT_EQ(is_there, want != rows.end()) << Printable(key);
    if (is_there) {
      ASSERT_EQ(settled, want->second) << Printable(key);
    }
  }

  void Get() {
    ReadOptions options;
    const Rows& rows = PickMoment(&options);
    const std::string key = RandomKey(&dice_);
    PinnedValue value;
    const Result<bool> quick = db_->TryGet(options, key, &value);
    if (quick.ok() || !quick.status().Is(StatusCode::kWouldBlock)) ExpectValue(quick, value, key, rows);
    ExpectValue(db_->Get(options, key, &value), value, key, rows);
  }

  void GetAsync() {
    ReadOptions options;
    const Rows& rows = PickMoment(&options);
    const std::string key = RandomKey(&dice_);
    Mutex mu;  // the sanitizer sees it; Debian's absl::Notification it does not
    CondVar changed;
    bool answered = false;
    const Status status = db_->GetAsync(options, key, [&](Result<bool> found, PinnedValue value) {
      ExpectValue(found, value, key, rows);
      MutexLock lock(&mu);
      answered = true;
      changed.SignalAll();
    });
    ASSERT_TRUE(status.ok()) << status.ToString();
    const auto waiting = [&] {
      MutexLock lock(&mu);
      return !answered;
    };
    while (!set_.threads && waiting()) ASSERT_TRUE(machine_->executor.RunOne(Lane::kRead));
    MutexLock lock(&mu);
    while (!answered) changed.Wait(&mu);
  }

  void MultiGet() {
    ReadOptions options;
    const Rows& rows = PickMoment(&options);
    std::vector<std::string> keys;
    for (uint64_t i = dice_.Below(12); i > 0; --i) keys.push_back(RandomKey(&dice_));
    std::vector<std::string_view> views(keys.begin(), keys.end());
    std::vector<PinnedValue> values(keys.size());
    const auto found = db_->MultiGet(options, views, values);
    ASSERT_EQ(found.size(), keys.size());
    for (size_t i = 0; i < keys.size(); ++i) ExpectValue(found[i], values[i], keys[i], rows);
  }

  // An iterator, with or without bounds, that changes its mind about its direction.
  void Walk() {
    ReadOptions options;
    WalkOver(PickMoment(&options), options, db_.get());
  }

  void WalkOver(const Rows& rows, ReadOptions options, Db* db) {
    const std::string lower = dice_.OneIn(2) ? RandomKey(&dice_) : "", upper = dice_.OneIn(2) ? RandomKey(&dice_) : "";
    options.lower_bound = lower;
    options.upper_bound = upper;
    const auto first = rows.lower_bound(lower);
    const auto last = upper.empty() ? rows.end() : upper <= lower ? first : rows.lower_bound(upper);
    Iterator it = db->NewIterator(options);
    ASSERT_FALSE(it.Valid());
    for (int seeks = 0; seeks < 3; ++seeks) {
      auto want = last;
      const std::string key = RandomKey(&dice_);
      const uint64_t how = dice_.Below(4);
      bool backward = how == 1 || how == 3;
      switch (how) {
        case 0:
          it.SeekToFirst();
          want = first;
          break;
        case 1:
          it.SeekToLast();
          if (first != last) want = std::prev(last);
          break;
        case 2: {
          it.Seek(key);
          const auto found = rows.lower_bound(key);
          if (key <= lower) {
            want = first;
          } else if (first != last && (upper.empty() || key < upper)) {
            want = found;
          }
          break;
        }
        default: {
          it.SeekForPrev(key);
          const auto behind = !upper.empty() && key >= upper ? last : rows.upper_bound(key);
          if (first != last && key >= first->first) want = std::prev(behind);
        }
      }
      for (int steps = 0;; ++steps) {
        std::string settled;
        while (it.Valid() && !SettleValue(it.key(), &(settled = it.value()))) backward ? it.Prev() : it.Next();
        ASSERT_TRUE(it.status().ok()) << it.status().ToString();
        ASSERT_EQ(it.Valid(), want != last) << "after " << steps << " steps, bounds " << Printable(lower) << " "
                                            << Printable(upper) << ", sought " << Printable(key);
        if (!it.Valid() || steps == 30) break;
        ASSERT_EQ(Printable(it.key()), Printable(want->first)) << "after " << steps << " steps";
        ASSERT_EQ(settled, want->second) << Printable(want->first);
        backward = dice_.OneIn(4) != (seeks == 1);
        if (backward) {
          it.Prev();
          want = want == first ? last : std::prev(want);
        } else {
          it.Next();
          ++want;
        }
      }
    }
  }

  // A batch that is not committed yet is read through, then dropped or written.
  void Overlay() {
    ReadOptions options;
    Model model = PickModel(&options);
    IndexedBatch batch;
    options.batch = &batch;
    Changes all;
    for (int round = 0; round < 3; ++round) {
      const Changes changes = SomeChanges(dice_.Below(10));
      if (dice_.OneIn(3)) {
        const IndexedBatch::Mark mark = batch.GetMark();
        AddTo(RandomChanges(&dice_, 5), &batch);
        batch.RollbackTo(mark);
      }
      AddTo(changes, &batch);
      model.Apply(Settled(changes), NowMillis());
      const Rows& rows = model.AdvanceTo(NowMillis());
      all.insert(all.end(), changes.begin(), changes.end());
      const std::string key = RandomKey(&dice_);
      PinnedValue value;
      ExpectValue(db_->Get(options, key, &value), value, key, rows);
      WalkOver(rows, options, db_.get());
    }
    if (dice_.OneIn(2)) return;
    const int64_t now_ms = NowMillis();
    const Status s = db_->Write({}, batch.batch());
    if (Refused(s)) return;
    ASSERT_TRUE(s.ok()) << s.ToString();
    model_.Apply(Settled(all), now_ms);
  }

  // An optimistic transaction, with foreign writes between its beginning and its commit.
  void Transact() {
    const Rows begin = RowsNow();
    Transaction txn(db_.get());
    Model mine = model_;
    const Changes changes = SomeChanges(1 + dice_.Below(4));
    std::set<std::string> watched;
    for (const Change& change : changes) {
      AddTo({change}, &txn);
      mine.Apply(Settled({change}), NowMillis());
      if (change.kind != ValueKind::kRangeDelete) watched.insert(change.key);
      PinnedValue value;
      const std::string key = RandomKey(&dice_);
      const bool for_update = dice_.OneIn(4);
      const Result<bool> found = for_update ? txn.GetForUpdate(key, &value) : txn.Get(key, &value);
      ExpectValue(found, value, key, mine.AdvanceTo(NowMillis()));
      if (for_update) watched.insert(key);
    }
    // Certain: a watched key was written, and it was or is there. Possible: what was written left no trace.
    bool possible = false, certain = false;
    for (uint64_t writes = dice_.Below(3); writes > 0; --writes) {
      const Changes foreign = SomeChanges(1 + dice_.Below(3));
      const SequenceNumber before = db_->Stats().last_sequence;
      Write(foreign);
      if (::testing::Test::HasFatalFailure()) return;
      if (db_->Stats().last_sequence == before) continue;  // refused
      for (const Change& change : foreign) {
        for (const std::string& key : watched) {
          const bool range = change.kind == ValueKind::kRangeDelete;
          if (range ? change.key > key || key >= change.value : change.key != key) continue;
          possible = true;
          certain = certain || begin.contains(key) || RowsNow().contains(key);
        }
      }
      const Status flushed = dice_.OneIn(8) ? db_->Flush() : Status::Ok();
      ASSERT_TRUE(flushed.ok()) << flushed.ToString();
      if (dice_.OneIn(16)) CompactRange();
    }
    const Status s = txn.Commit();
    ASSERT_TRUE(s.ok() || Refused(s) || (possible && s.Is(StatusCode::kConflict))) << s.ToString();
    ASSERT_FALSE(s.ok() && certain) << "a conflict was missed";
    if (s.ok()) model_.Apply(Settled(changes), NowMillis());
  }

  void CheckSnapshot() {
    if (held_.empty()) return;
    Held& held = held_[dice_.Below(held_.size())];
    ASSERT_EQ(CompareNow(db_.get(), RowsNow(held), At(held)), "");
  }

  void CompactRange() {
    std::string begin = dice_.OneIn(2) ? RandomKey(&dice_) : "", end = dice_.OneIn(2) ? RandomKey(&dice_) : "";
    const Status s = dice_.OneIn(2) ? db_->ReclaimSpace(begin, end) : db_->CompactRange(begin, end);
    ASSERT_TRUE(s.ok() || Refused(s)) << s.ToString();
  }

  // Another set of options while it runs; the other operations go on under it.
  void SetOptions() {
    OptionChanges changes;
    if (dice_.OneIn(2)) changes.memory_budget = (size_t{4} + dice_.Below(8)) << 20;
    if (dice_.OneIn(2)) changes.filter_bits_per_key = static_cast<int>(dice_.Below(20));
    if (dice_.OneIn(2)) changes.block_size = 256 << dice_.Below(6);
    if (dice_.OneIn(2)) changes.compression = dice_.OneIn(2) ? Compression::kNone : Compression::kZstd;
    if (dice_.OneIn(2)) changes.background_threads = 1 + static_cast<int>(dice_.Below(3));
    if (dice_.OneIn(2)) changes.value_log_threshold = dice_.OneIn(3) ? 0 : size_t{16} << dice_.Below(10);
    if (dice_.OneIn(2)) changes.compaction_bytes_per_second = dice_.OneIn(2) ? 0 : uint64_t{1} << 30;
    const Status s = db_->SetOptions(changes);
    ASSERT_TRUE(s.ok()) << s.ToString();
    ASSERT_TRUE(db_->SetOptions({.block_size = 1, .table_size = 1 << 30}).Is(StatusCode::kInvalidArgument));
    ASSERT_NE(db_->GetOptions().table_size, size_t{1} << 30);
  }

  // The follower sees everything written before CatchUp; its snapshots stay as they were.
  void Follow() {
    if (follower_ == nullptr) {
      auto follower = Db::Open(kDir, FollowerSetup());
      ASSERT_TRUE(follower.ok()) << follower.status().ToString();
      follower_ = std::move(follower).value();
    } else {
      const Status s = follower_->CatchUp();
      ASSERT_TRUE(s.ok()) << s.ToString();
    }
    if (dice_.OneIn(3)) {
      ASSERT_EQ(CompareNow(follower_.get(), RowsNow()), "") << "follower";
    } else {
      WalkOver(RowsNow(), {}, follower_.get());
    }
    for (Held& held : follower_held_) {
      if (dice_.OneIn(3)) {
        ASSERT_EQ(CompareNow(follower_.get(), RowsNow(held), At(held)), "") << "follower's snapshot";
      }
    }
    if (dice_.OneIn(3)) follower_held_.push_back({follower_->GetSnapshot(), model_});
    if (follower_held_.size() > 3) follower_held_.pop_front();
    if (dice_.OneIn(10)) {
      follower_held_.clear();
      follower_.reset();
    }
  }

  void Checkpoint() {
    const std::string dir = "/checkpoint" + std::to_string(step_);
    const Status s = db_->Checkpoint(dir);
    ASSERT_TRUE(s.ok()) << s.ToString();
    Options options = Setup();
    options.max_disk_bytes = 0;  // what it copies may be full
    if (dice_.OneIn(2)) options.mode = OpenMode::kReadOnly;
    {
      auto copy = Db::Open(dir, options);
      ASSERT_TRUE(copy.ok()) << copy.status().ToString();
      ASSERT_EQ(CompareNow(copy->get(), RowsNow()), "") << "checkpoint";
      ASSERT_EQ((*copy)->Put({}, "only here", "1").ok(), options.mode == OpenMode::kOwner);
    }
    RemoveAll(dir);
  }

  static Status AddToFile(const Change& change, TableWriter* writer) {
    switch (change.kind) {
      case ValueKind::kPut: return writer->Put(change.key, change.value);
      case ValueKind::kDelete: return writer->Delete(change.key);
      case ValueKind::kRangeDelete: return writer->DeleteRange(change.key, change.value);
      case ValueKind::kMerge: return writer->Merge(change.key, change.value);
      case ValueKind::kPutWithExpiry:
        return writer->PutWithExpiry(change.key, change.value.substr(kExpirySize), DecodeFixed64(change.value.data()));
      case ValueKind::kValuePointer:
      case ValueKind::kIngest: break;
    }
    return Status::InvalidArgument("never in a file");
  }

  // One or two files, which may meet in keys: the later one wins.
  void Ingest() {
    std::vector<std::string> paths;
    Model next = model_;
    for (uint64_t file = 0; file < 1 + dice_.Below(2); ++file) {
      paths.push_back("/load" + std::to_string(step_) + "." + std::to_string(file));
      auto writer = TableWriter::Create(paths.back(), Setup());
      ASSERT_TRUE(writer.ok()) << writer.status().ToString();
      Changes changes;
      std::map<std::string, Change> points;  // one operation for each key
      std::string key = RandomKey(&dice_);
      points[key] = {ValueKind::kPut, key, RandomValue(&dice_, set_.value_size)};
      for (Change& change : SomeChanges(1 + dice_.Below(30))) {
        if (change.kind == ValueKind::kRangeDelete) {
          changes.push_back(std::move(change));
        } else {
          points[change.key] = std::move(change);
        }
      }
      for (auto& [point, change] : points) changes.push_back(std::move(change));
      for (const Change& change : changes) ASSERT_TRUE(AddToFile(change, writer->get()).ok());
      next.Apply(Settled(changes), NowMillis());
      auto facts = (*writer)->Finish();
      ASSERT_TRUE(facts.ok()) << facts.status().ToString();
    }
    const bool move = dice_.OneIn(2);
    const Status s = db_->Ingest(paths, {.move_files = move});
    ASSERT_TRUE(s.ok() || Refused(s)) << s.ToString();
    if (s.ok()) model_ = std::move(next);
    for (const std::string& path : paths) {
      const bool moved = move && s.ok();
      ASSERT_EQ(*machine_->fs.Exists(path), !moved);
      if (!moved) {
        ASSERT_TRUE(machine_->fs.Remove(path).ok());
      }
    }
  }

  // One more backup, then an old one is restored, and perhaps forgotten.
  void BackUp() {
    BackupOptions options;
    options.file_system = &machine_->fs;
    options.clock = &machine_->clock;
    options.random = &machine_->random;
    auto id = Backup::Create(db_.get(), "/backups", options);
    ASSERT_TRUE(id.ok()) << id.status().ToString();
    backups_[*id] = model_;
    auto old = std::next(backups_.begin(), static_cast<std::ptrdiff_t>(dice_.Below(backups_.size())));
    const std::string dir = "/restored" + std::to_string(step_);
    const Status s = Backup::Restore("/backups", old->first, dir, options);
    ASSERT_TRUE(s.ok()) << s.ToString();
    auto copy = Db::Open(dir, Setup());
    ASSERT_TRUE(copy.ok()) << copy.status().ToString();
    ASSERT_EQ(CompareNow(copy->get(), old->second.AdvanceTo(NowMillis())), "") << "backup " << old->first;
    ASSERT_EQ(Problems(copy->get()), "");
    copy->reset();
    RemoveAll(dir);
    if (backups_.size() < 4) return;
    ASSERT_TRUE(Backup::Delete("/backups", old->first, options).ok());
    backups_.erase(old);
  }

  // The changes replayed into a map give the database. Where the log cannot say (tables taken in, an earlier life) the
  // map starts again as a copy.
  void ReadChanges() {
    Status status;
    if (changes_ == nullptr) {
      auto opened = db_->ChangesSince(changed_sequence_);
      status = opened.status();
      if (opened.ok()) changes_ = std::move(opened).value();
    }
    while (changes_ != nullptr && changes_->Next()) {
      WriteBatch::Reader batch = changes_->batch();
      WriteBatch::Operation op;
      Changes changes;
      while (batch.Next(&op)) changes.push_back({op.kind, std::string(op.key), std::string(op.value)});
      ASSERT_TRUE(batch.status().ok());
      changed_model_.Apply(Settled(changes), NowMillis());
      changed_sequence_ = changes_->sequence();
    }
    if (changes_ != nullptr) status = changes_->status();
    if (status.ok()) {
      ASSERT_EQ(Difference(changed_model_.AdvanceTo(NowMillis()), RowsNow()), "") << "changes";
      if (hold_ != nullptr) hold_->Advance(changed_sequence_);
    } else {
      ASSERT_TRUE(status.Is(StatusCode::kOutOfRange)) << status.ToString();
      changes_.reset();
      changed_model_ = model_;
      changed_sequence_ = db_->Stats().last_sequence;
    }
    if (dice_.OneIn(4)) changes_.reset();
    if (hold_ == nullptr || dice_.OneIn(10)) {
      auto hold = db_->HoldChanges(changed_sequence_, dice_.OneIn(2) ? 0 : 100'000);
      ASSERT_TRUE(hold.ok()) << hold.status().ToString();
      hold_ = std::move(hold).value();
    }
  }

  void RemoveAll(const std::string& dir) {
    auto names = machine_->fs.List(dir);
    ASSERT_TRUE(names.ok());
    for (const std::string& name : *names) {
      ASSERT_TRUE(machine_->fs.Remove(dir + "/" + name).ok());
    }
    ASSERT_TRUE(machine_->fs.RemoveDir(dir).ok());
  }

  // Closed and opened again, or the process dies and another one opens what it left.
  void Restart() {
    held_.clear();
    changes_.reset();
    hold_.reset();
    if (dice_.OneIn(2)) {
      ASSERT_TRUE(db_->Close().ok());
      last_job_ = LastJob();
      db_.reset();
    } else {
      auto left = machine_->disk->CrashClone(CrashPlan::KeepAll());
      CloseAll();
      CollectTrace();
      const uint64_t passed_us = machine_->clock.MonotonicMicros();
      machine_ = std::make_unique<Machine>(dice_.random()(), std::move(left));
      machine_->clock.AdvanceMicros(passed_us);  // the wall clock goes on
      machine_->fs.SetTracing(tracing_);
    }
    if (dice_.OneIn(3)) {  // tables written under one set of options are read under another
      options_.block_size = set_.options.block_size == 1024 && dice_.OneIn(2) ? 4096 : set_.options.block_size;
      options_.filter_bits_per_key = dice_.OneIn(3) ? 0 : set_.options.filter_bits_per_key;
      options_.value_log_threshold = dice_.OneIn(3) ? 0 : set_.options.value_log_threshold;
      if (set_.changes_style) options_.compaction = static_cast<CompactionStyle>(dice_.Below(3));
      options_.compaction_filter = dice_.OneIn(2) ? &filter_ : nullptr;
    }
    Open();
  }

  void CheckEverything() {
    ASSERT_EQ(CompareNow(db_.get(), RowsNow()), "");
    for (Held& held : held_) {
      ASSERT_EQ(CompareNow(db_.get(), RowsNow(held), At(held)), "") << "snapshot";
    }
    CheckFacts();
  }

  // What the database says of its tables and jobs agrees with itself, whatever runs beside.
  void CheckFacts() {
    const std::vector<Job> jobs = db_->JobHistory();
    ASSERT_LE(jobs.size(), kJobHistoryMax);
    std::set<uint64_t> ids, numbers;
    for (const Job& job : jobs) {
      ASSERT_TRUE(ids.insert(job.id).second);
      ASSERT_LE(job.entries_dropped, job.entries_read);
    }
    for (const TableFileFacts& table : db_->TableFiles()) {
      ASSERT_TRUE(numbers.insert(table.number).second);
      ASSERT_LE(table.smallest, table.largest);
      ASSERT_LE(table.deletes, table.entries);
    }
  }

  const OptionSet& set_;
  Options options_;
  TestFilter filter_;
  Dice dice_;
  std::unique_ptr<Machine> machine_;
  std::unique_ptr<Db> db_;
  std::unique_ptr<Db> follower_;
  Model model_;
  std::map<uint64_t, Model> backups_;
  std::unique_ptr<ChangeIterator> changes_;
  std::unique_ptr<ChangeHold> hold_;
  SequenceNumber changed_sequence_ = 0;
  Model changed_model_;  // as of changed_sequence_
  std::deque<Held> held_;
  std::deque<Held> follower_held_;
  uint64_t step_ = 0;
  uint64_t last_job_ = 0;
  bool tracing_ = false;
  std::vector<std::string> trace_;
};

uint64_t Seed() {
  return FromEnvironment("VARVE_SEED", 1);
}

class ModelTest : public ::testing::TestWithParam<OptionSet> {};

TEST_P(ModelTest, AgreesWithAMap) {
  const OptionSet set = GetParam();
  ModelRun run(set, Seed());
  run.Run(FromEnvironment("VARVE_MODEL_STEPS", kStepsDefault));
  if (HasFailure()) ADD_FAILURE() << "VARVE_SEED=" << Seed() << ", step " << run.step();
}

std::vector<OptionSet> OptionSetsWith(bool threads) {
  std::vector<OptionSet> sets = OptionSets();
  std::erase_if(sets, [&](const OptionSet& set) { return set.threads != threads; });
  return sets;
}

std::string NameOf(const ::testing::TestParamInfo<OptionSet>& set) {
  return set.param.name;
}

INSTANTIATE_TEST_SUITE_P(Seeded, ModelTest, ::testing::ValuesIn(OptionSetsWith(/*threads=*/false)), NameOf);
INSTANTIATE_TEST_SUITE_P(Threads, ModelTest, ::testing::ValuesIn(OptionSetsWith(/*threads=*/true)), NameOf);

// A seed replays a run to the last call of the file system: failures can be repeated.
TEST(ModelDeterminismTest, OneSeedOneRun) {
  const std::vector<OptionSet> sets = OptionSets();
  std::vector<std::string> traces[2];
  for (auto& trace : traces) {
    ModelRun run(sets[0], Seed());
    run.StartTrace();
    run.Run(1000);
    trace = run.TakeTrace();
  }
  ASSERT_FALSE(traces[0].empty());
  ASSERT_EQ(traces[0].size(), traces[1].size());
  for (size_t i = 0; i < traces[0].size(); ++i) {
    ASSERT_EQ(traces[0][i], traces[1][i]) << "call " << i + 1;
  }
}

}  // namespace
}  // namespace varve::lsm
