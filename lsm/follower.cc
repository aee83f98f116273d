#include "lsm/follower.h"

#include <algorithm>
#include <utility>

#include "lsm/inspect.h"
#include "lsm/io/path.h"
#include "lsm/out_of_memory.h"
#include "lsm/version/file_names.h"

namespace varve::lsm {

namespace {
// The owner flushes far less often than a pass takes; so many passes in a row disturbed mean something else is wrong.
constexpr int kPassesMax = 50;
}  // namespace

class Follower::SnapshotHandle final : public Snapshot {
 public:
  explicit SnapshotHandle(Moment moment) : moment_(std::move(moment)) {}
  SequenceNumber sequence() const override { return moment_.sequence; }
  const Moment& moment() const { return moment_; }

 private:
  const Moment moment_;
};

Follower::Follower(std::string dir, Environment environment) : dir_(std::move(dir)), env_(std::move(environment)) {
  cache_ = std::make_unique<BlockCache>(env_.options.memory_budget);
  context_ = std::make_shared<TableContext>();
  context_->file_system = env_.file_system;
  context_->cache = cache_.get();
  context_->dir = dir_;
}

Follower::~Follower() {
  Status ignored = Close();
  (void)ignored.ok();
}

Result<std::unique_ptr<Db>> Follower::Open(const std::string& dir, const Options& options) {
  return OrOutOfMemory([&] { return OpenFollowing(dir, options); });
}

Result<std::unique_ptr<Db>> Follower::OpenFollowing(const std::string& dir, const Options& options) {
  auto environment = ResolveOptions(options);
  if (!environment.ok()) return environment.status();
  std::unique_ptr<Follower> db(new Follower(WithoutTrailingSlashes(dir), std::move(environment).value()));
  {
    MutexLock lock(&db->mu_);
    if (Status s = db->CatchUpLocked(); !s.ok()) {
      if (!s.Is(StatusCode::kNotFound)) return s;
      const auto listing = ListDirectory(db->env_.file_system, db->dir_);
      if (listing.ok()) VARVE_TRY(CheckNotBeheaded(db->dir_, *listing));
      return Status::NotFound(dir + ": no database there");
    }
  }
  return std::unique_ptr<Db>(std::move(db));
}

Status Follower::CatchUp() {
  if (closed_.load(std::memory_order_acquire)) return Status::Closed();
  if (env_.options.mode == OpenMode::kReadOnly) return Status::Ok();
  return OrOutOfMemory([&] {
    MutexLock lock(&mu_);
    return CatchUpLocked();
  });
}

Status Follower::CatchUpLocked() {
  Status status;
  for (int pass = 0; pass < kPassesMax; ++pass) {
    try {
      status = TryOnceLocked();
    } catch (const std::bad_alloc&) {
      status = Status::OutOfMemory();
    }
    if (status.ok()) return status;
    // What looks damaged may only have moved under our eyes: begin again from CURRENT. Real damage is still there then.
    manifest_.reset();
    segments_.clear();
    if (status.Is(StatusCode::kUnsupported) || status.Is(StatusCode::kInvalidArgument)) break;
    if (status.Is(StatusCode::kOutOfMemory)) break;
    if (auto current = ReadCurrent(env_.file_system, dir_); !current.ok() && current.status().Is(StatusCode::kNotFound))
      break;
  }
  return status;
}

Status Follower::TryOnceLocked() {
  VARVE_TRY(ReadManifestLocked());
  for (;;) {
    const auto version = manifest_->state().version;
    VARVE_TRY(OpenTables(*version));
    VARVE_TRY(ReadLogLocked());
    auto moved = manifest_->Advance();
    if (!moved.ok()) return moved.status();
    if (*moved) continue;
    auto current = ReadCurrent(env_.file_system, dir_);
    if (!current.ok()) return current.status();
    if (current->manifest == manifest_->name()) break;
    VARVE_TRY(ReadManifestLocked());  // the owner has begun a new one, and goes on there
  }
  VARVE_TRY(CheckLogReaches(manifest_->state().durable_sequence, next_sequence_ - 1, EndOfLogLocked()));
  auto view = std::make_shared<ReadView>();
  for (auto it = segments_.rbegin(); it != segments_.rend(); ++it) view->sealed.push_back(it->second.table);
  view->version = manifest_->state().version;
  auto rules = ResolveRules(env_, dir_, manifest_->state());
  if (!rules.ok()) return rules.status();
  view->rules = *rules;
  Moment next{std::move(view), next_sequence_ - 1, nullptr};
  next.jobs = std::make_shared<const std::vector<std::shared_ptr<const Job>>>(manifest_->state().jobs);
  MutexLock lock(&moment_mu_);
  std::swap(moment_, next);  // the old one is released after the lock
  return Status::Ok();
}

Status Follower::ReadManifestLocked() {
  auto current = ReadCurrent(env_.file_system, dir_);
  if (!current.ok()) return current.status();
  if (manifest_ != nullptr && manifest_->name() == current->manifest) {
    auto moved = manifest_->Advance();
    return moved.ok() ? Status::Ok() : moved.status();
  }
  manifest_ = std::make_unique<ManifestReader>();
  segments_.clear();
  return manifest_->Open(context_);
}

Status Follower::OpenTables(const Version& version) const {
  for (int n = 0; n < kLevels; ++n) {
    for (const TableFileRef& file : version.level(n)) {
      if (file->opened() != nullptr) continue;
      auto table = file->Open();
      if (!table.ok()) return table.status();
    }
  }
  for (const ValueLogFileRef& file : version.value_logs()) VARVE_TRY(file->Open());
  return Status::Ok();
}

Status Follower::ReadLogLocked() {
  const ManifestState& state = manifest_->state();
  auto listing = ListDirectory(env_.file_system, dir_);
  if (!listing.ok()) return listing.status();
  segments_.erase(segments_.begin(), segments_.lower_bound(state.wal_number));
  // A segment that the owner recovered as several memtables may be in tables in part: it is read anew, without that part.
  // Seen twice, a merge would count twice.
  const bool any_flushed = std::any_of(segments_.begin(), segments_.end(), [&](const auto& entry) {
    const MemTable& table = *entry.second.table;
    return !table.empty() && table.smallest_sequence() <= state.flushed_sequence;
  });
  if (any_flushed) segments_.clear();
  // Segments that were flushed and removed before they were read to their end: their rest is in tables now.
  if (segments_.empty() || next_sequence_ <= state.flushed_sequence) next_sequence_ = state.flushed_sequence + 1;
  for (uint64_t number : listing->wals) {
    if (number < state.wal_number) continue;
    auto [it, fresh] = segments_.try_emplace(number);
    Segment& segment = it->second;
    const std::string path = WalFileName(dir_, number);
    if (fresh || segment.reader.end() == LogReader::End::kEmpty) {
      VARVE_TRY(segment.reader.Open(env_.file_system, path, number));
    } else {
      segment.reader.Resume();
    }
    std::string_view payload;
    while (segment.reader.Next(&payload)) {
      VARVE_TRY(ApplyRecord(payload, path, state.flushed_sequence, &next_sequence_, segment.table.get()));
    }
    VARVE_TRY(segment.reader.status());
    // The log's end, as of now. (A segment without records may be one that the owner began and gave up.)
    if (segment.reader.end() != LogReader::End::kSealed && !segment.table->empty()) break;
  }
  return Status::Ok();
}

// The segment with the newest record: behind it may be one that was begun for later.
std::string Follower::EndOfLogLocked() const {
  if (segments_.empty()) return dir_;
  const auto holds_any = [](const auto& entry) { return !entry.second.table->empty(); };
  const auto last = std::find_if(segments_.rbegin(), segments_.rend(), holds_any);
  return WalFileName(dir_, last == segments_.rend() ? segments_.begin()->first : last->first);
}

Follower::Moment Follower::Now(const ReadOptions& options) const {
  if (options.snapshot != nullptr) return static_cast<const SnapshotHandle*>(options.snapshot)->moment();
  MutexLock lock(&moment_mu_);
  return moment_;
}

Result<bool> Follower::Get(const ReadOptions& options, std::string_view key, PinnedValue* value) {
  if (closed_.load(std::memory_order_acquire)) return Status::Closed();
  return GetOf(options, {.memory_only = false, .fill_cache = options.fill_cache}, key, value);
}

Result<bool> Follower::TryGet(const ReadOptions& options, std::string_view key, PinnedValue* value) {
  if (closed_.load(std::memory_order_acquire)) return Status::Closed();
  return GetOf(options, {.memory_only = true, .fill_cache = options.fill_cache}, key, value);
}

Result<bool> Follower::GetOf(const ReadOptions& options, ReadTier tier, std::string_view key, PinnedValue* value) {
  return OrOutOfMemory([&] {
    const Moment now = Now(options);
    return GetFrom(*now.view, options, now.sequence, tier, key, value);
  });
}

// A follower has no threads: it reads in the caller.
Status Follower::GetAsync(const ReadOptions& options, std::string_view key, GetCallback callback) {
  PinnedValue value;
  Result<bool> found = Get(options, key, &value);
  callback(std::move(found), std::move(value));
  return Status::Ok();
}

void Follower::Prefetch(std::span<const std::string_view> keys) {
  if (closed_.load(std::memory_order_acquire)) return;
  PrefetchFrom(*Now({}).view, keys);
}

std::vector<Result<bool>> Follower::MultiGet(const ReadOptions& options, std::span<const std::string_view> keys,
                                             std::span<PinnedValue> values) {
  if (closed_.load(std::memory_order_acquire)) {
    std::vector<Result<bool>> closed;
    for (size_t i = 0; i < keys.size(); ++i) closed.emplace_back(Status::Closed());
    return closed;
  }
  const Moment now = Now(options);
  return MultiGetFrom(*now.view, options, now.sequence, keys, values);
}

Iterator Follower::NewIterator(const ReadOptions& options) {
  if (closed_.load(std::memory_order_acquire)) return Iterator(Status::Closed());
  try {
    Moment now = Now(options);
    return IterateOver(std::move(now.view), options, now.sequence);
  } catch (const std::bad_alloc&) {
    return Iterator(Status::OutOfMemory());
  }
}

std::unique_ptr<Snapshot> Follower::GetSnapshot() {
  return std::make_unique<SnapshotHandle>(Now({}));
}

Status Follower::Refuse() const {
  if (closed_.load(std::memory_order_acquire)) return Status::Closed();
  return Status::ReadOnly(dir_ + ": opened for reading only; write through the process that owns it");
}
Status Follower::Write(const WriteOptions&, WriteBatch&) {
  return Refuse();
}
Result<SequenceNumber> Follower::WriteAsync(WriteBatch&, DurableCallback) {
  return Refuse();
}

Result<VerifyReport> Follower::Verify(const VerifyProgress& on_progress) {
  if (closed_.load(std::memory_order_acquire)) return Status::Closed();
  return OrOutOfMemory([&]() -> Result<VerifyReport> { return VerifyVersion(*Now({}).view->version, on_progress); });
}

DbStats Follower::Stats() const {
  DbStats stats;
  const Moment now = Now({});
  if (now.view != nullptr) {
    CountLevels(*now.view->version, &stats);
    for (const auto& table : now.view->sealed) stats.memtable_bytes += table->memory_bytes();
  }
  stats.last_sequence = now.sequence;
  stats.cache_bytes = cache_->block_bytes();
  stats.table_memory_bytes = cache_->table_memory_bytes();
  stats.cache_hits = cache_->hits();
  stats.cache_misses = cache_->misses();
  stats.filter_useful = cache_->filter_useful();
  stats.filter_false_positives = cache_->filter_false_positives();
  return stats;
}

std::vector<Job> Follower::JobHistory() const {
  return CopyJobs(*Now({}).jobs);
}

std::vector<TableFileFacts> Follower::TableFiles() const {
  return ListTables(*Now({}).view->version);
}

uint64_t Follower::ApproximateSize(std::string_view begin, std::string_view end) const {
  return ApproximateBytes(*Now({}).view->version, begin, end);
}

Status Follower::Close() {
  closed_.store(true, std::memory_order_release);
  return Status::Ok();
}

}  // namespace varve::lsm
