#include "lsm/read_view.h"

#include <algorithm>
#include <functional>
#include <string>
#include <type_traits>
#include <utility>

#include "lsm/format/hash.h"
#include "lsm/indexed_batch.h"
#include "lsm/iter/db_iterator.h"

namespace varve::lsm {

namespace {

// Keys that MultiGet takes through its steps together: enough to keep memory and disk busy, and few enough that the
// lines brought near stay there.
constexpr size_t kMultiGetStep = 64;
constexpr size_t kPrefetchStep = 32;

// A point read on its way from the newest source to the oldest.
class PointRead {
 public:
  PointRead(const ReadView& view, const ValueRules& rules, std::string_view key, SequenceNumber snapshot, ReadTier tier,
            PinnedValue* value)
      : rules_(rules),
        value_logs_(view.version->value_logs()),
        key_(key),
        snapshot_(snapshot),
        tier_(tier),
        value_(value) {}

  std::string_view key() const { return key_; }
  uint64_t hash() {
    if (!hashed_) {
      hash_ = HashKey(key_);
      hashed_ = true;
    }
    return hash_;
  }
  bool done() const { return done_; }
  Result<bool> result() && {
    if (pointed_) ReadPointed();
    if (status_.ok() && !operands_.empty()) [[unlikely]]
      Merge();
    if (!status_.ok()) return std::move(status_);
    return found_;
  }

  // The batch comes first, with sequences of its own.
  void LookInBatch(const MemTable& index) {
    const SequenceNumber snapshot = std::exchange(snapshot_, kSequenceMax);
    LookIn(index);
    snapshot_ = snapshot;
  }
  void LookInMemory(const ReadView& view) {
    if (view.active != nullptr) LookIn(*view.active);
    for (size_t i = 0; i < view.sealed.size() && !done_; ++i) LookIn(*view.sealed[i]);
  }
  void LookIn(const MemTable& table) {
    if (auto tombstones = table.range_tombstones()) Cover(*tombstones);
    uint64_t trailer;
    std::string_view value;
    if (table.Get(key_, snapshot_, &trailer, &value)) {
      if (TrailerKind(trailer) == ValueKind::kMerge) [[unlikely]]
        return CollectOperands(MemTable::Iterator(&table));
      value_->Assign(value);
      Decide(trailer);
    } else {
      done_ = covered_ != 0;  // whatever lies beneath is older than the tombstone
    }
  }

  // `ahead`, if not null, may hold the block to look in.
  void LookIn(const TableFile& file, const BlockAhead* ahead = nullptr) {
    if (tier_.memory_only && file.opened() == nullptr) return Fail(Status::WouldBlock());
    auto table = file.Open();
    if (!table.ok()) return Fail(table.status());
    if (file.facts().range_deletes > 0) Cover(*(*table)->range_tombstones());
    uint64_t trailer;
    Result<bool> hit = ahead != nullptr && ahead->table == *table
                           ? Table::Get(*ahead, key_, &trailer, value_)
                           : (*table)->Get(key_, hash(), snapshot_, tier_, &trailer, value_);
    if (!hit.ok()) return Fail(hit.status());
    if (*hit) {
      if (TrailerKind(trailer) == ValueKind::kMerge) [[unlikely]]
        return CollectOperands(TableIterator(file.shared_table(), tier_));
      Decide(trailer);
    } else {
      done_ = covered_ != 0;
    }
  }

  // Before result(): if the value lies in the value log, takes it when it is in memory, else announces that it is read.
  void AnnouncePointed() {
    if (!pointed_) return;
    const ReadTier tier{.memory_only = true, .fill_cache = tier_.fill_cache, .announce = true};
    if (ReadPointedValue(value_logs_, value_->view(), tier, value_).ok()) pointed_ = false;
  }

 private:
  template <typename Tombstones>
  void Cover(const Tombstones& tombstones) {
    covered_ = std::max(covered_, tombstones.CoveringSequence(key_, snapshot_));
  }
  // The version that ends the search, with its bytes in value_.
  void Decide(uint64_t trailer) {
    done_ = true;
    const bool hidden = TrailerSequence(trailer) < covered_;
    found_ = TrailerKind(trailer) == ValueKind::kPut && !hidden;
    if (found_) [[likely]]
      return;
    std::string_view value = value_->view();
    const size_t stored_size = value.size();
    Meaning meaning = Meaning::kNothing;
    if (!hidden) status_ = ReadVersion(rules_, key_, TrailerKind(trailer), &value, &meaning);
    found_ = meaning == Meaning::kValue && status_.ok();
    if (!found_) return value_->Reset();
    value_->RemovePrefix(stored_size - value.size());
    pointed_ = TrailerKind(trailer) == ValueKind::kValuePointer;
  }
  void ReadPointed() {
    if (Status s = ReadPointedValue(value_logs_, value_->view(), tier_, value_); !s.ok()) {
      value_->Reset();
      Fail(std::move(s));
    }
  }
  // The source's newest visible version is a merge: takes it and the older ones, down to the first that is none.
  template <typename SourceIterator>
  void CollectOperands(SourceIterator it) {
    value_->Reset();
    for (it.Seek(key_, MaxTrailer(snapshot_)); it.Valid() && it.key() == key_; it.Next()) {
      if (TrailerKind(it.trailer()) != ValueKind::kMerge || TrailerSequence(it.trailer()) < covered_) {
        value_->Assign(it.value());
        return Decide(it.trailer());
      }
      operands_.emplace_back(it.value());
    }
    done_ = covered_ != 0;
    if constexpr (std::is_same_v<SourceIterator, TableIterator>) {
      if (!it.status().ok()) Fail(it.status());
    }
  }
  // Lays the operands on the value found, if there is one.
  void Merge() {
    const std::string_view base = value_->view();
    auto merged = MergeOperands(rules_, key_, found_ ? &base : nullptr, operands_, OperandOrder::kNewestFirst);
    if (!merged.ok()) return Fail(merged.status());
    value_->Assign(*merged);
    found_ = true;
  }
  void Fail(Status status) {
    status_ = std::move(status);
    done_ = true;
  }

  const ValueRules& rules_;
  const ValueLogFiles& value_logs_;
  const std::string_view key_;
  SequenceNumber snapshot_;
  const ReadTier tier_;
  PinnedValue* const value_;
  SequenceNumber covered_ = 0;  // newest range tombstone over key_ so far
  uint64_t hash_ = 0;
  bool hashed_ = false;
  bool done_ = false;
  bool found_ = false;
  bool pointed_ = false;  // value_ is a pointer into the value log
  Status status_;
  std::vector<std::string> operands_;  // newest first
};

// Calls look(file) for the tables that may hold `key` or a range tombstone over it, newest first, until it says false.
template <typename Look>
void ForEachTable(const Version& version, std::string_view key, Look look) {
  const auto look_in_run = [&](const std::vector<TableFileRef>& files) {
    const size_t index = FindFile(files, key);
    return index == files.size() || files[index]->StartsAfter(key) || look(*files[index]);
  };
  const auto& sublevels = version.sublevels();
  for (size_t i = sublevels.size(); i > 0; --i) {
    if (!look_in_run(sublevels[i - 1])) return;
  }
  for (int n = 1; n <= version.deepest_level(); ++n) {
    if (!look_in_run(version.level(n))) return;
  }
}

// Calls visit(memtable) for all of them, newest first, until it says true.
template <typename Visit>
bool AnyMemTable(const ReadView& view, Visit visit) {
  if (view.active != nullptr && visit(*view.active)) return true;
  return std::any_of(view.sealed.begin(), view.sealed.end(), [&](const auto& table) { return visit(*table); });
}

// What the memtables touch first of a key, and what next: false when none of them has it.
void PrefetchSlots(const ReadView& view, std::string_view key) {
  AnyMemTable(view, [&](const MemTable& table) { return table.Prefetch(key), false; });
}
bool PrefetchEntry(const ReadView& view, std::string_view key) {
  return AnyMemTable(view, [&](const MemTable& table) { return table.PrefetchEntry(key); });
}

// Many point reads that go through each step together, so that what one touches is on its way from memory while the
// others' is waited for, and blocks come from the disk side by side. Nothing is decided ahead: the last step is Get's
// own, and finds everything near.
class MultiRead {
 public:
  MultiRead(const ReadView& view, const ValueRules& rules, ReadTier tier, SequenceNumber snapshot)
      : view_(view), rules_(rules), tier_(tier), snapshot_(snapshot) {}

  void Run(std::span<const std::string_view> keys, std::span<PinnedValue> values, std::vector<Result<bool>>* results) {
    for (std::string_view key : keys) PrefetchSlots(view_, key);
    for (std::string_view key : keys) PrefetchEntry(view_, key);
    reads_.reserve(keys.size());
    for (size_t i = 0; i < keys.size(); ++i) {
      reads_.push_back({PointRead(view_, rules_, keys[i], snapshot_, tier_, &values[i])});
      reads_.back().point.LookInMemory(view_);
    }
    ListTables();
    FindBlocks();
    ReadMissing();
    for (Read& read : reads_) {
      if (read.ahead.block) Table::Aim(&read.ahead, read.point.key(), snapshot_);
    }
    for (Read& read : reads_) {
      for (size_t t = read.first_table; t < read.tables_end && !read.point.done(); ++t) {
        read.point.LookIn(*tables_[t], &read.ahead);
      }
      read.point.AnnouncePointed();
    }
    for (Read& read : reads_) results->push_back(std::move(read.point).result());
  }

 private:
  struct Read {
    PointRead point;
    size_t first_table = 0, tables_end = 0;  // in tables_; none when the memtables decided
    BlockAhead ahead = {};
  };

  void ListTables() {
    for (Read& read : reads_) {
      read.first_table = read.tables_end = tables_.size();
      if (read.point.done()) continue;
      ForEachTable(*view_.version, read.point.key(), [&](const TableFile& file) {
        tables_.push_back(&file);
        if (const Table* table = file.opened(); table != nullptr) table->PrefetchFilter(read.point.hash());
        return true;
      });
      read.tables_end = tables_.size();
    }
  }

  // The first block that the key may be in; another one is looked at only after a false answer of a filter.
  void FindBlocks() {
    for (Read& read : reads_) {
      for (size_t t = read.first_table; t < read.tables_end; ++t) {
        const Table* table = tables_[t]->opened();
        if (table == nullptr || table->Find(read.point.key(), read.point.hash(), snapshot_, &read.ahead)) break;
      }
    }
    for (Read& read : reads_) {
      if (read.ahead.table != nullptr) Table::Approach(read.ahead);
    }
    for (Read& read : reads_) {
      if (read.ahead.table != nullptr) Table::TakeResident(&read.ahead);
    }
  }

  // All blocks are announced before the first is read: the disk works on them together, and while one is checked and
  // uncompressed the next ones arrive.
  void ReadMissing() {
    std::vector<BlockAhead*> missing;
    for (Read& read : reads_) {
      if (read.ahead.table != nullptr && !read.ahead.block) missing.push_back(&read.ahead);
    }
    const auto before = [](const BlockAhead* a, const BlockAhead* b) {
      // Not by address: one seed gives one order of reads.
      return a->table == b->table ? a->index < b->index : a->table->path() < b->table->path();
    };
    std::sort(missing.begin(), missing.end(), before);
    const auto is_first = [&](size_t i) { return i == 0 || before(missing[i - 1], missing[i]); };
    for (size_t i = 0; i < missing.size(); ++i) {
      if (is_first(i)) Table::WillRead(*missing[i]);
    }
    for (size_t i = 0, end = 0; i < missing.size(); i = end) {
      for (end = i + 1; end < missing.size() && !is_first(end);) ++end;
      Table::Read({missing.data() + i, missing.data() + end}, tier_);
    }
  }

  const ReadView& view_;
  const ValueRules& rules_;
  const ReadTier tier_;
  const SequenceNumber snapshot_;
  std::vector<Read> reads_;
  std::vector<const TableFile*> tables_;  // of the first read, of the second, ...
};

// The steps of MultiRead that bring something near, and nothing else.
class NearKeys {
 public:
  NearKeys(const ReadView& view, std::span<const std::string_view> keys) : view_(view), count_(keys.size()) {
    for (size_t i = 0; i < count_; ++i) keys_[i].key = keys[i];
  }

  void Bring() {
    ForEach([&](Key& k) { PrefetchSlots(view_, k.key); });
    ForEach([&](Key& k) {
      if (PrefetchEntry(view_, k.key)) return;
      k.hash = HashKey(k.key);
      k.in_tables = true;
      ForEachTable(*view_.version, k.key, [&](const TableFile& file) {
        if (const Table* table = file.opened(); table != nullptr) table->PrefetchFilter(k.hash);
        return true;
      });
    });
    ForEach([&](Key& k) {
      if (!k.in_tables) return;
      ForEachTable(*view_.version, k.key, [&](const TableFile& file) {
        const Table* table = file.opened();
        return table != nullptr && !table->Find(k.key, k.hash, kSequenceMax, &k.ahead);
      });
    });
    ForEach([](Key& k) {
      if (k.ahead.table != nullptr) Table::Approach(k.ahead);
    });
    ForEach([](Key& k) {
      if (k.ahead.table != nullptr) Table::TakeResident(&k.ahead, /*counted=*/false);
    });
    ForEach([](Key& k) {
      if (k.ahead.block) Table::Aim(&k.ahead, k.key, kSequenceMax);
    });
  }

 private:
  struct Key {
    std::string_view key;
    uint64_t hash = 0;
    bool in_tables = false;
    BlockAhead ahead = {};
  };
  template <typename Step>
  void ForEach(Step step) {
    for (size_t i = 0; i < count_; ++i) step(keys_[i]);
  }

  const ReadView& view_;
  const size_t count_;
  std::array<Key, kPrefetchStep> keys_;
};

// The newest tombstone <= `limit` over each part of the bounds: all that an iterator of one snapshot needs.
void CollectVisible(const RangeTombstones& tombstones, const ReadOptions& options, SequenceNumber limit,
                    SequenceNumber added, std::vector<RangeTombstone>* out) {
  const auto& fragments = tombstones.fragments();
  for (size_t i = tombstones.FragmentAfter(options.lower_bound); i < fragments.size(); ++i) {
    const RangeTombstones::Fragment& fragment = fragments[i];
    if (!options.upper_bound.empty() && std::string_view(fragment.begin) >= options.upper_bound) break;
    const auto newest = std::lower_bound(fragment.seqs.begin(), fragment.seqs.end(), limit, std::greater<>());
    if (newest != fragment.seqs.end()) out->push_back({fragment.begin, fragment.end, *newest + added});
  }
}

void CollectVisible(const MemTable& table, const ReadOptions& options, SequenceNumber limit, SequenceNumber added,
                    std::vector<RangeTombstone>* out) {
  const auto stack = table.range_tombstones();
  if (stack == nullptr) return;
  for (const auto& set : stack->sets()) CollectVisible(*set, options, limit, added, out);
}

// What an iterator keeps alive.
struct IteratorPin {
  std::shared_ptr<const ReadView> view;
  std::shared_ptr<MemTable> batch;
};

// True when `file` can hold keys within the bounds.
bool InBounds(const TableFile& file, const ReadOptions& options) {
  return !file.EndsBefore(options.lower_bound) &&
         (options.upper_bound.empty() || file.facts().smallest < options.upper_bound);
}

Status AddTables(const ReadView& view, const ReadOptions& options, SequenceNumber snapshot, DbIterator::Setup* setup,
                 std::vector<RangeTombstone>* tombstones) {
  const ReadTier tier{.memory_only = false, .fill_cache = options.fill_cache};
  for (const TableFileRef& file : view.version->with_range_tombstones()) {
    if (!InBounds(*file, options)) continue;
    auto table = file->Open();
    if (!table.ok()) return table.status();
    CollectVisible(*(*table)->range_tombstones(), options, snapshot, 0, tombstones);
  }
  for (auto run = view.version->sublevels().rbegin(); run != view.version->sublevels().rend(); ++run) {
    if (run->size() > 1) {
      setup->sources.emplace_back(LevelIterator(*run, tier));
      continue;
    }
    const TableFileRef& file = run->front();
    if (!InBounds(*file, options)) continue;
    auto table = file->Open();
    if (!table.ok()) return table.status();
    setup->sources.emplace_back(TableIterator(file->shared_table(), tier), file->facts().largest_seq);
  }
  for (int n = 1; n < kLevels; ++n) {
    if (!view.version->level(n).empty()) setup->sources.emplace_back(LevelIterator(view.version->level(n), tier));
  }
  return Status::Ok();
}

Result<bool> GetBy(const ValueRules& rules, const ReadView& view, const ReadOptions& options, SequenceNumber snapshot,
                   ReadTier tier, std::string_view key, PinnedValue* value) {
  PointRead read(view, rules, key, snapshot, tier, value);
  if (options.batch != nullptr && !options.batch->empty() && options.batch->index() != nullptr) {
    read.LookInBatch(*options.batch->index());
  }
  if (!read.done()) read.LookInMemory(view);
  if (!read.done()) {
    ForEachTable(*view.version, key, [&](const TableFile& file) {
      read.LookIn(file);
      return !read.done();
    });
  }
  return std::move(read).result();
}

}  // namespace

Result<bool> GetFrom(const ReadView& view, const ReadOptions& options, SequenceNumber snapshot, ReadTier tier,
                     std::string_view key, PinnedValue* value) {
  return GetBy(view.rules, view, options, snapshot, tier, key, value);
}

std::vector<Result<bool>> MultiGetFrom(const ReadView& view, const ReadOptions& options, SequenceNumber snapshot,
                                       std::span<const std::string_view> keys, std::span<PinnedValue> values) {
  std::vector<Result<bool>> results;
  results.reserve(keys.size());
  const ValueRules rules = view.rules.AtOneTime();
  const ReadTier tier{.memory_only = false, .fill_cache = options.fill_cache};
  if (options.batch != nullptr && !options.batch->empty()) {
    for (size_t i = 0; i < keys.size(); ++i) {
      results.push_back(GetBy(rules, view, options, snapshot, tier, keys[i], &values[i]));
    }
    return results;
  }
  for (size_t i = 0; i < keys.size(); i += kMultiGetStep) {
    const size_t count = std::min(kMultiGetStep, keys.size() - i);
    MultiRead(view, rules, tier, snapshot).Run(keys.subspan(i, count), values.subspan(i, count), &results);
  }
  return results;
}

void PrefetchFrom(const ReadView& view, std::span<const std::string_view> keys) {
  for (size_t i = 0; i < keys.size(); i += kPrefetchStep) {
    NearKeys(view, keys.subspan(i, std::min(kPrefetchStep, keys.size() - i))).Bring();
  }
}

Iterator IterateOver(std::shared_ptr<const ReadView> view, const ReadOptions& options, SequenceNumber snapshot) {
  DbIterator::Setup setup;
  std::vector<RangeTombstone> tombstones;
  auto pin = std::make_shared<IteratorPin>();
  if (options.batch != nullptr && options.batch->index() != nullptr) {
    pin->batch = options.batch->index();
    setup.batch_count = options.batch->count();
    setup.sources.emplace_back(MemTable::Iterator(pin->batch.get()), kBatchSequenceBase,
                               kBatchSequenceBase + setup.batch_count);
    CollectVisible(*pin->batch, options, setup.batch_count, kBatchSequenceBase, &tombstones);
  }
  auto add_memtable = [&](const MemTable& table) {
    if (table.empty()) return;
    setup.sources.emplace_back(MemTable::Iterator(&table), 0, kSequenceMax);
    CollectVisible(table, options, snapshot, 0, &tombstones);
  };
  if (view->active != nullptr) add_memtable(*view->active);
  for (const auto& table : view->sealed) add_memtable(*table);
  if (Status s = AddTables(*view, options, snapshot, &setup, &tombstones); !s.ok()) return Iterator(std::move(s));
  setup.tombstones = VisibleTombstones::Build(std::move(tombstones));
  setup.rules = view->rules.AtOneTime();
  setup.snapshot = snapshot;
  setup.lower_bound = options.lower_bound;
  setup.upper_bound = options.upper_bound;
  setup.value_logs = &view->version->value_logs();
  setup.fill_cache = options.fill_cache;
  pin->view = std::move(view);
  setup.pin = std::move(pin);
  return Iterator(std::make_unique<DbIterator>(std::move(setup)));
}

CurrentView::CurrentView(std::shared_ptr<const ReadView> first) : current_(first.get()), owner_(std::move(first)) {}

CurrentView::~CurrentView() = default;

CurrentView::Pin::Pin(CurrentView* holder) {
  // Each thread starts at a slot of its own, so that in the common case the exchange meets nobody.
  static std::atomic<size_t> next_thread{0};
  thread_local const size_t home = next_thread.fetch_add(1, std::memory_order_relaxed);
  for (size_t i = 0; i < 4; ++i) {
    auto& slot = holder->slots_[(home + i) % kSlots].view;
    const ReadView* view = holder->current_.load(std::memory_order_acquire);
    const ReadView* expected = nullptr;
    if (!slot.compare_exchange_strong(expected, view, std::memory_order_seq_cst)) continue;
    // The view may have been replaced before it was named in the slot: name the newer one until they agree.
    for (;;) {
      const ReadView* now = holder->current_.load(std::memory_order_seq_cst);
      if (now == view) break;
      view = now;
      slot.store(view, std::memory_order_seq_cst);
    }
    slot_ = &slot;
    view_ = view;
    return;
  }
  shared_ = holder->Share();
  view_ = shared_.get();
}

CurrentView::Pin::~Pin() {
  if (slot_ != nullptr) slot_->store(nullptr, std::memory_order_release);
}

std::shared_ptr<const ReadView> CurrentView::Share() {
  MutexLock lock(&mu_);
  return owner_;
}

void CurrentView::Install(std::shared_ptr<const ReadView> next) {
  MutexLock lock(&mu_);
  retired_.push_back(owner_);
  current_.store(next.get(), std::memory_order_seq_cst);
  owner_ = std::move(next);
}

void CurrentView::Reap() noexcept {
  std::list<std::shared_ptr<const ReadView>> dropped;  // destroyed outside the lock
  MutexLock lock(&mu_);
  auto named = [this](const std::shared_ptr<const ReadView>& view) {
    return std::any_of(slots_.begin(), slots_.end(),
                       [&](const Slot& slot) { return slot.view.load(std::memory_order_seq_cst) == view.get(); });
  };
  for (auto it = retired_.begin(); it != retired_.end();) {
    const auto view = it++;
    if (!named(*view)) dropped.splice(dropped.end(), retired_, view);
  }
}

}  // namespace varve::lsm
