#include "keyspace/keyspace.h"

#include <algorithm>
#include <cassert>
#include <new>
#include <utility>

#include "keyspace/glob.h"

namespace varve::keyspace {

using lsm::Result;
using lsm::Status;

namespace {

constexpr uint64_t kNever = UINT64_MAX;
constexpr size_t kScratchBytesMax = size_t{1} << 20;
constexpr int kRandomAttempts = 32;  // before a walk decides, when most names drawn have expired

int MetaKeyDb(std::string_view meta_key) {
  return static_cast<uint8_t>(meta_key[1]) << 8 | static_cast<uint8_t>(meta_key[2]);
}

// "abc*": every name with the prefix matches.
bool IsPrefixStar(std::string_view pattern, std::string_view prefix) {
  return pattern.size() == prefix.size() + 1 && pattern.back() == '*' && pattern.starts_with(prefix);
}

std::string FormatKey() {
  return std::string(1, kFormatTag);
}

std::string FormatValue(uint32_t version) {
  return std::string(reinterpret_cast<const char*>(&version), sizeof(version));
}

std::string OrderKey() {
  return std::string(1, kOrderTag);
}

uint32_t VersionFor(const DatabaseOrder& order) {
  return order == kPlainOrder ? kFormatVersion : kFormatVersionOrdered;
}

// Of the key that the iterator is at.
Status ReadMetaRecord(const lsm::Iterator& it, MetaRecord* record) {
  const std::string_view bytes = it.value();
  if (bytes.empty()) VARVE_TRY(it.status());  // one that cannot be read looks empty
  return DecodeMetaRecord(bytes, record);
}

Status DecodeInto(std::string_view bytes, Entry* entry) {
  MetaRecord record;
  VARVE_TRY(DecodeMetaRecord(bytes, &record));
  entry->type = record.type;
  entry->expire_ms = record.expire_ms;
  entry->value = record.value;
  return {};
}

}  // namespace

// --- opening ---

Keyspace::Keyspace(lsm::Db* db, const Options& options)
    : db_(db),
      clock_(options.clock != nullptr ? options.clock : lsm::SystemClock()),
      random_(options.random != nullptr ? options.random : lsm::SystemRandom()),
      cursors_(random_->Next(), options.cursor_bytes_max),
      known_(options.known_key_bytes) {
  for (std::string& key : near_keys_) key.reserve(kPrefetchNameMax + 8);  // the name, its database and tag
}

Result<std::unique_ptr<Keyspace>> Keyspace::Open(lsm::Db* db, const Options& options) {
  std::unique_ptr<Keyspace> keys(new Keyspace(db, options));
  Status status = keys->Load();
  if (!status.ok()) return status;
  return keys;
}

Status Keyspace::Load() {
  lsm::PinnedValue value;
  Result<bool> found = db_->Get({}, FormatKey(), &value);
  if (!found.ok()) return found.status();
  if (*found) {
    const bool ordered = value.view() == FormatValue(kFormatVersionOrdered);
    if (!ordered && value.view() != FormatValue(kFormatVersion)) {
      return Status::Unsupported(db_->dir() + ": the Redis data has a format this build does not know, want version " +
                                 std::to_string(kFormatVersion) + " or " + std::to_string(kFormatVersionOrdered));
    }
    format_written_ = true;
    if (ordered) VARVE_TRY(LoadOrder());
  }
  for (int db = 0; db < kDatabaseCount; db++) {
    EncodeCounterKey(order_[db], &key_);
    found = db_->Get({}, key_, &value);
    if (!found.ok()) return found.status();
    if (*found) VARVE_TRY(DecodeCounters(value.view(), &counters_[db]));
  }
  RememberCommitted();
  return {};
}

Status Keyspace::LoadOrder() {
  lsm::PinnedValue value;
  Result<bool> found = db_->Get({}, OrderKey(), &value);
  if (!found.ok()) return found.status();
  if (!*found) return Status::Corruption(db_->dir() + ": the order record of the Redis databases is missing");
  return DecodeOrder(value.view(), &order_);
}

void Keyspace::RememberCommitted() {
  for (int db = 0; db < kDatabaseCount; db++) committed_[order_[db]] = counters_[db];
  committed_order_ = order_;
  RememberCommand();
}

lsm::ReadOptions Keyspace::Reads() const {
  lsm::ReadOptions options;
  if (!batch_.empty()) options.batch = &batch_;
  return options;
}

void Keyspace::Seek(lsm::Iterator& it, std::string_view key) const {
  if (memory_only_) {
    (void)it.TrySeek(key);
  } else {
    it.Seek(key);
  }
}

void Keyspace::Next(lsm::Iterator& it) const {
  if (memory_only_) {
    (void)it.TryNext();
  } else {
    it.Next();
  }
}

Status Keyspace::EndOf(const lsm::Iterator& it, std::string_view from, std::string_view end, uint64_t count) {
  Status status = it.status();
  if (status.Is(lsm::StatusCode::kWouldBlock)) wanted_.walk = {std::string(from), std::string(end), count};
  return status;
}

// --- one key ---

Result<bool> Keyspace::FindRecord(int db, std::string_view name, Entry* entry) {
  if (name.size() > kNameSizeMax) return false;
  EncodeMetaKey(order_[db], name, &key_);
  NoteRead();
  lsm::ReadOptions options;
  if (!batch_.empty()) {
    std::string_view bytes;
    switch (batch_.Get(key_, &bytes)) {
      case lsm::IndexedBatch::Lookup::kDeleted: return false;
      case lsm::IndexedBatch::Lookup::kFound: {
        Status status = DecodeInto(bytes, entry);
        if (!status.ok()) return status;
        return true;
      }
      case lsm::IndexedBatch::Lookup::kUnsettled: options.batch = &batch_; break;
      case lsm::IndexedBatch::Lookup::kAbsent: break;
    }
  }
  Result<bool> found = memory_only_ ? db_->TryGet(options, key_, &entry->pin) : db_->Get(options, key_, &entry->pin);
  if (!found.ok()) {
    if (found.status().Is(lsm::StatusCode::kWouldBlock)) wanted_.records.push_back(key_);
    return found;
  }
  if (!*found) return found;
  Status status = DecodeInto(entry->pin.view(), entry);
  if (!status.ok()) return status;
  return true;
}

void Keyspace::Want(int db, std::string_view name, bool head_only) {
  if (name.size() > kNameSizeMax) return;
  EncodeMetaKey(order_[db], name, &key_);
  if (!wanted_.records.empty() && wanted_.records.front() == key_) return;
  std::string_view pending;
  if ((head_only && known_.Has(key_)) || batch_.Get(key_, &pending) != lsm::IndexedBatch::Lookup::kAbsent) return;
  Result<bool> found = db_->TryGet({}, key_, &scratch_.pin);
  scratch_.pin.Reset();
  if (found.status().Is(lsm::StatusCode::kWouldBlock)) wanted_.records.push_back(key_);
}

void Keyspace::Prefetch(int db, std::span<const std::string_view> names) {
  std::array<std::string_view, kPrefetchMax> keys;
  size_t count = 0;
  for (std::string_view name : names.first(std::min(names.size(), kPrefetchMax))) {
    if (name.size() > kPrefetchNameMax) continue;
    EncodeMetaKey(order_[db], name, &near_keys_[count]);
    keys[count] = near_keys_[count];
    ++count;
  }
  db_->Prefetch({keys.data(), count});
}

Result<bool> Keyspace::Find(int db, std::string_view name, Entry* entry) {
  Result<bool> found = FindRecord(db, name, entry);
  if (!found.ok() || !*found || !Expired(entry->expire_ms)) return found;
  DeleteExpired(db, name, entry->expire_ms);
  return false;
}

Result<bool> Keyspace::FindHead(int db, std::string_view name, Entry* entry) {
  EncodeMetaKey(order_[db], name, &key_);
  if (known_.Has(key_)) {
    NoteRead();
    entry->type = Type::kString;
    entry->expire_ms = 0;
    entry->value = {};
    return true;
  }
  return Find(db, name, entry);
}

Result<bool> Keyspace::Look(int db, std::string_view name, Entry* entry) {
  Result<bool> found = FindRecord(db, name, entry);
  if (found.ok() && *found && Expired(entry->expire_ms)) return false;
  return found;
}

Status Keyspace::Put(int db, std::string_view name, const Entry* prior, Type type, std::string_view value,
                     uint64_t expire_ms) {
  if (name.size() > kNameSizeMax) {
    return Status::InvalidArgument("key is longer than " + std::to_string(kNameSizeMax) + " bytes");
  }
  if (prior == nullptr) counters_of(db).keys++;
  const uint64_t prior_ms = prior != nullptr ? prior->expire_ms : 0;
  if (prior_ms != expire_ms) {
    if (prior_ms != 0) RemoveExpiry(db, name, prior_ms);
    if (expire_ms != 0) AddExpiry(db, name, expire_ms);
  }
  EncodeMetaRecord(type, expire_ms, value, &record_);
  EncodeMetaKey(order_[db], name, &key_);
  batch_.Put(key_, record_);
  last_commits_.Wrote(key_, next_commit_);
  if (type == Type::kString && expire_ms == 0) {
    known_.Add(key_);
  } else {
    known_.Remove(key_);
  }
  // One huge value must not hold its memory for ever.
  if (record_.capacity() > kScratchBytesMax) std::string().swap(record_);
  Touch(db, name, prior == nullptr ? KeyChange::kAdded : KeyChange::kWritten);
  return {};
}

Status Keyspace::Set(int db, std::string_view name, std::string_view value, uint64_t expire_ms) {
  Result<bool> found = FindHead(db, name, &scratch_);
  if (!found.ok()) return found.status();
  return Put(db, name, *found ? &scratch_ : nullptr, Type::kString, value, expire_ms);
}

void Keyspace::Delete(int db, std::string_view name, const Entry& prior) {
  DeleteRecord(db, name, prior.expire_ms, KeyChange::kDeleted);
}

Result<bool> Keyspace::Remove(int db, std::string_view name) {
  Result<bool> found = FindHead(db, name, &scratch_);
  if (found.ok() && *found) Delete(db, name, scratch_);
  return found;
}

void Keyspace::DeleteRecord(int db, std::string_view name, uint64_t expire_ms, KeyChange change) {
  EncodeMetaKey(order_[db], name, &key_);
  batch_.Delete(key_);
  last_commits_.Wrote(key_, next_commit_);
  counters_of(db).keys--;
  if (expire_ms == 0) {
    known_.Remove(key_);
  } else {
    RemoveExpiry(db, name, expire_ms);  // known keys have no time to live
  }
  Touch(db, name, change);
}

void Keyspace::AddExpiry(int db, std::string_view name, uint64_t expire_ms) {
  EncodeExpiryKey(order_[db], expire_ms, name, &index_key_);
  batch_.Put(index_key_, {});
  counters_of(db).expires++;
  if (expire_ms <= expiry_low_[db].ms) expiry_low_[db] = {expire_ms};
}

void Keyspace::RemoveExpiry(int db, std::string_view name, uint64_t expire_ms) {
  EncodeExpiryKey(order_[db], expire_ms, name, &index_key_);
  batch_.Delete(index_key_);
  counters_of(db).expires--;
}

// --- whole databases ---

// Watched keys that are there change by vanishing; the others stay as absent as they were.
Status Keyspace::FlushDb(int db) {
  std::vector<std::string> gone;
  for (const auto& [meta_key, watched] : watched_) {
    if (MetaKeyDb(meta_key) == db) gone.emplace_back(NameOfMetaKey(meta_key));
  }
  for (const std::string& name : gone) {
    Result<bool> found = Find(db, name, &scratch_);
    if (!found.ok()) return found.status();
    if (*found) TouchWatched(db, name);
  }
  if (counters_[db] == Counters{}) return {};
  std::string end;
  EncodeMetaKey(order_[db], {}, &key_);
  EncodeMetaKeyEnd(order_[db], &end);
  batch_.DeleteRange(key_, end);
  last_commits_.WroteMany(next_commit_);
  if (counters_[db].expires != 0) {
    EncodeExpiryKey(order_[db], 0, {}, &key_);
    EncodeExpiryKeyEnd(order_[db], &end);
    batch_.DeleteRange(key_, end);
  }
  changes_ += static_cast<uint64_t>(std::max<int64_t>(counters_[db].keys, 1));
  counters_of(db) = {};
  expiry_low_[db] = {kNever};
  known_.Clear();
  if (observer_ != nullptr) observer_->OnFlush(db);
  return {};
}

// The records stay where they are. A watched key changes when there is one of its name on either side.
Status Keyspace::SwapDatabases(int a, int b) {
  changes_++;
  if (a == b) return {};
  std::vector<std::pair<int, std::string>> changed;
  for (const auto& [meta_key, watched] : watched_) {
    const int db = MetaKeyDb(meta_key);
    if (db == a || db == b) changed.emplace_back(db, NameOfMetaKey(meta_key));
  }
  for (const auto& [db, name] : changed) {
    Result<bool> found = Find(a, name, &scratch_);
    if (found.ok() && !*found) found = Find(b, name, &scratch_);
    if (!found.ok()) return found.status();
    if (*found) TouchWatched(db, name);
  }
  if (counters_[a] == Counters{} && counters_[b] == Counters{}) return {};
  for (const int db : {a, b}) {
    if (observer_ != nullptr && counters_[db].keys != 0) observer_->OnFlush(db);
  }
  last_commits_.WroteMany(next_commit_);
  std::swap(order_[a], order_[b]);
  std::swap(counters_of(a), counters_of(b));
  std::swap(expiry_low_[a], expiry_low_[b]);
  const std::string order = EncodeOrder(order_);
  order_ == kPlainOrder ? batch_.Delete(OrderKey()) : batch_.Put(OrderKey(), order);
  batch_.Put(FormatKey(), FormatValue(VersionFor(order_)));
  return {};
}

// --- many keys ---

Status Keyspace::ForEachName(int db, std::string_view pattern, const std::function<bool(std::string_view)>& visit) {
  bool whole = false;
  const std::string prefix = GlobLiteralPrefix(pattern, &whole);
  if (whole) {
    Result<bool> found = Find(db, prefix, &scratch_);
    if (!found.ok()) return found.status();
    if (*found) visit(prefix);
    return {};
  }
  const bool match_all = IsPrefixStar(pattern, prefix);
  std::string lower;
  EncodeMetaKey(order_[db], prefix, &lower);
  const std::string upper = PrefixEnd(lower);
  lsm::ReadOptions options = Reads();
  options.lower_bound = lower;
  options.upper_bound = upper;
  lsm::Iterator it = db_->NewIterator(options);
  for (Seek(it, lower); it.Valid(); Next(it)) {
    const std::string_view name = NameOfMetaKey(it.key());
    if (!match_all && !GlobMatch(pattern, name)) continue;
    MetaRecord record;
    VARVE_TRY(ReadMetaRecord(it, &record));
    if (Expired(record.expire_ms)) continue;
    if (!visit(name)) return {};
  }
  return EndOf(it, lower, upper, UINT64_MAX);
}

Result<uint64_t> Keyspace::Scan(int db, uint64_t cursor, const ScanOptions& options, std::vector<std::string>* names) {
  bool whole = false;
  const std::string prefix = GlobLiteralPrefix(options.pattern, &whole);
  std::string lower;
  EncodeMetaKey(order_[db], prefix, &lower);
  std::string upper = PrefixEnd(lower);
  if (whole) upper = lower + '\0';
  std::string from = lower;
  if (cursor != 0) {
    const std::string* behind = cursors_.Peek(cursor);
    if (behind == nullptr) return Status::NotFound("no such cursor");
    EncodeMetaKey(order_[db], *behind, &from);
    from.push_back('\0');
    from = std::max(from, lower);
  }
  const bool match_all = whole || IsPrefixStar(options.pattern, prefix);
  const std::optional<Type> type = options.any_type ? std::nullopt : TypeFromName(options.type_name);

  lsm::ReadOptions reads = Reads();
  reads.lower_bound = lower;
  reads.upper_bound = upper;
  lsm::Iterator it = db_->NewIterator(reads);
  std::string last;
  std::vector<std::pair<std::string, uint64_t>> expired;  // to be deleted, and when they were due
  uint64_t examined = 0;
  for (Seek(it, from); it.Valid() && examined < options.count; Next(it), examined++) {
    const std::string_view name = NameOfMetaKey(it.key());
    last.assign(name.data(), name.size());
    MetaRecord record;
    Status status = ReadMetaRecord(it, &record);
    if (!status.ok()) return status;
    if (!match_all && !GlobMatch(options.pattern, name)) continue;
    if (Expired(record.expire_ms)) {
      if (options.delete_expired) expired.emplace_back(name, record.expire_ms);
    } else if (options.any_type || type == record.type) {
      names->emplace_back(name);
    }
  }
  // One more than it examines: whether there is another.
  VARVE_TRY(EndOf(it, from, upper, options.count == UINT64_MAX ? options.count : options.count + 1));
  if (cursor != 0) (void)cursors_.Find(cursor);  // not before the page is sure: it may be done again
  for (const auto& [gone, due_ms] : expired) DeleteExpired(db, gone, due_ms);
  return it.Valid() ? cursors_.Add(last) : 0;
}

Result<bool> Keyspace::RandomName(int db, std::string* name) {
  if (counters_[db].keys <= 0) return false;
  return counters_[db].keys <= kRandomExactMax ? RandomExact(db, name) : RandomSeek(db, name);
}

// One pass, keeping the n-th live name with probability 1/n.
Result<bool> Keyspace::RandomExact(int db, std::string* name) {
  uint64_t seen = 0;
  Status status = ForEachName(db, "*", [&](std::string_view candidate) {
    seen++;
    if (random_->Next() % seen == 0) name->assign(candidate.data(), candidate.size());
    return true;
  });
  if (!status.ok()) return status;
  return seen > 0;
}

// Goes down the names byte by byte: of the bytes that may follow the common prefix of what is left, one is drawn; draws
// that no name has are repeated.
Result<bool> Keyspace::RandomSeek(int db, std::string* name) {
  std::string lower;
  EncodeMetaKey(order_[db], {}, &lower);
  const std::string upper = PrefixEnd(lower);
  lsm::ReadOptions reads = Reads();
  reads.lower_bound = lower;
  reads.upper_bound = upper;
  lsm::Iterator it = db_->NewIterator(reads);
  for (int attempt = 0; attempt < kRandomAttempts; attempt++) {
    it.SeekToLast();
    if (!it.Valid()) break;
    std::string high(it.key());
    it.SeekToFirst();
    if (!it.Valid()) break;
    std::string low(it.key());
    while (low != high) {
      size_t common = 0;
      while (common < low.size() && low[common] == high[common]) common++;
      const bool low_ends = common == low.size();  // a name that is a prefix of the others is one more branch
      const unsigned first = low_ends ? 0 : static_cast<uint8_t>(low[common]);
      const unsigned branches = static_cast<uint8_t>(high[common]) - first + 1 + (low_ends ? 1 : 0);
      unsigned draw = static_cast<unsigned>(random_->Next() % branches);
      if (low_ends && draw-- == 0) break;
      std::string branch = low.substr(0, common);
      branch.push_back(static_cast<char>(first + draw));
      it.Seek(branch);
      if (!it.Valid() || !it.key().starts_with(branch)) continue;
      low.assign(it.key());
      it.SeekForPrev(PrefixEnd(branch));
      if (it.Valid() && !it.key().starts_with(branch)) it.Prev();
      if (!it.Valid()) break;
      high.assign(it.key());
    }
    if (!it.status().ok()) return it.status();
    it.Seek(low);
    if (!it.Valid()) continue;
    MetaRecord record;
    Status status = ReadMetaRecord(it, &record);
    if (!status.ok()) return status;
    if (Expired(record.expire_ms)) continue;
    name->assign(NameOfMetaKey(it.key()));
    return true;
  }
  if (!it.status().ok()) return it.status();
  return RandomExact(db, name);  // nearly everything has expired
}

// --- expiry ---

Result<size_t> Keyspace::ActiveExpire(size_t limit) {
  size_t expired = 0;
  int first_wanting = -1;
  for (int i = 0; i < kDatabaseCount && expired + wanted_.records.size() < limit; i++) {
    const int db = (next_expire_db_ + i) % kDatabaseCount;
    if (counters_[db].expires <= 0 || expiry_low_[db].ms > static_cast<uint64_t>(NowMs())) continue;
    Result<size_t> count = ExpireDue(db, limit - expired);
    if (!count.ok()) return count;
    expired += *count;
    if (first_wanting < 0 && wants_records()) first_wanting = db;
    if (wanted_.walk.count != 0) break;
  }
  next_expire_db_ = first_wanting >= 0 ? first_wanting : (next_expire_db_ + 1) % kDatabaseCount;
  return expired;
}

Result<size_t> Keyspace::ExpireDue(int db, size_t limit) {
  std::string lower;
  std::string upper;
  EncodeExpiryKey(order_[db], expiry_low_[db].ms, expiry_low_[db].name, &lower);
  EncodeExpiryKeyEnd(order_[db], &upper);
  lsm::ReadOptions reads = Reads();
  reads.lower_bound = lower;
  reads.upper_bound = upper;
  lsm::Iterator it = db_->NewIterator(reads);
  size_t expired = 0;
  ExpiryPlace low = {kNever};
  std::string from = lower;  // what has been dealt with lies below
  for (Seek(it, lower); it.Valid();) {
    Result<size_t> due = GatherDue(it, limit - expired - wanted_.records.size());
    if (!due.ok()) return due;
    if (*due == 0) {
      if (low.ms == kNever) VARVE_TRY(ReadExpiryPlace(it, &low));
      break;
    }
    EncodeExpiryKey(order_[db], due_[*due - 1].ms, due_[*due - 1].name, &from);
    from.push_back('\0');
    PrefetchDue(db, *due);
    for (size_t i = 0; i < *due; ++i) {
      Result<bool> gone = Expire(db, due_[i]);
      if (gone.status().Is(lsm::StatusCode::kWouldBlock)) {
        if (low.ms == kNever) low = due_[i];
        continue;
      }
      if (!gone.ok()) return gone.status();
      if (*gone) expired++;
    }
  }
  if (Status status = EndOf(it, from, upper, limit); status.Is(lsm::StatusCode::kWouldBlock)) {
    return expired;  // where it begins is where it began: the index's next entries are wanted
  } else if (!status.ok()) {
    return status;
  }
  expiry_low_[db] = std::move(low);
  return expired;
}

Status Keyspace::ReadExpiryPlace(const lsm::Iterator& it, ExpiryPlace* place) const {
  ExpiryKey entry;
  if (!DecodeExpiryKey(it.key(), &entry)) return Status::Corruption("expiry index holds a key that is too short");
  place->ms = entry.when_ms;
  place->name.assign(entry.name);
  return {};
}

// The next entries whose time has come, at most `limit`, into due_; `it` stands behind them.
Result<size_t> Keyspace::GatherDue(lsm::Iterator& it, size_t limit) {
  size_t count = 0;
  for (limit = std::min(limit, due_.size()); it.Valid() && count < limit; Next(it), ++count) {
    if (Status status = ReadExpiryPlace(it, &due_[count]); !status.ok()) return status;
    if (static_cast<int64_t>(due_[count].ms) > NowMs()) break;
  }
  return count;
}

void Keyspace::PrefetchDue(int db, size_t count) {
  std::array<std::string_view, kPrefetchMax> names;
  std::transform(due_.begin(), due_.begin() + static_cast<ptrdiff_t>(count), names.begin(),
                 [](const ExpiryPlace& due) { return std::string_view(due.name); });
  Prefetch(db, {names.data(), count});
}

// Deletes the key that has this entry in the index. False: it had moved on, only the entry goes.
Result<bool> Keyspace::Expire(int db, const ExpiryPlace& due) {
  Result<bool> found = FindRecord(db, due.name, &scratch_);
  if (!found.ok()) return found;
  if (*found && scratch_.expire_ms == due.ms) {
    DeleteExpired(db, due.name, due.ms);
    return true;
  }
  EncodeExpiryKey(order_[db], due.ms, due.name, &index_key_);
  batch_.Delete(index_key_);
  expire_stats_.stale_entries++;
  return false;
}

Result<int64_t> Keyspace::MeanTimeLeftMs(int db) {
  if (counters_[db].expires <= 0) return int64_t{0};
  const auto now_ms = static_cast<uint64_t>(NowMs());
  std::string lower;
  std::string upper;
  EncodeExpiryKey(order_[db], now_ms + 1, {}, &lower);
  EncodeExpiryKeyEnd(order_[db], &upper);
  lsm::ReadOptions reads = Reads();
  reads.lower_bound = lower;
  reads.upper_bound = upper;
  lsm::Iterator it = db_->NewIterator(reads);
  double left_ms = 0;  // of all together: more than an integer holds
  int64_t count = 0;
  for (it.SeekToFirst(); it.Valid(); it.Next()) {
    ExpiryKey entry;
    if (!DecodeExpiryKey(it.key(), &entry)) return Status::Corruption("expiry index holds a key that is too short");
    if (++count > kMeanTimeLeftMax) return int64_t{0};
    left_ms += static_cast<double>(entry.when_ms - now_ms);
  }
  if (!it.status().ok()) return it.status();
  if (count == 0) return int64_t{0};
  return static_cast<int64_t>(std::min(left_ms / static_cast<double>(count), 0x1p62));
}

// --- WATCH ---

uint64_t Keyspace::Watch(int db, std::string_view name) {
  EncodeMetaKey(db, name, &watch_key_);
  Watched& watched = watched_[watch_key_];
  watched.watchers++;
  return watched.version;
}

void Keyspace::Unwatch(int db, std::string_view name) {
  EncodeMetaKey(db, name, &watch_key_);
  auto it = watched_.find(watch_key_);
  assert(it != watched_.end());
  if (it != watched_.end() && --it->second.watchers == 0) watched_.erase(it);
}

uint64_t Keyspace::WatchedVersion(int db, std::string_view name) const {
  EncodeMetaKey(db, name, &watch_key_);
  auto it = watched_.find(watch_key_);
  return it != watched_.end() ? it->second.version : 0;
}

void Keyspace::Touch(int db, std::string_view name, KeyChange change) {
  changes_++;
  if (observer_ != nullptr) observer_->OnKeyChange(db, name, change);
  TouchWatched(db, name);
}

void Keyspace::TouchWatched(int db, std::string_view name) {
  if (watched_.empty()) return;
  EncodeMetaKey(db, name, &watch_key_);
  auto it = watched_.find(watch_key_);
  if (it != watched_.end()) it->second.version++;
}

// --- commit ---

// Straight into the batch, past its index: nobody reads them before the batch is gone.
void Keyspace::AppendCounters() {
  for (int db = 0; db < kDatabaseCount; db++) {
    if (counters_[db] == committed_[order_[db]]) continue;
    EncodeCounterKey(order_[db], &key_);
    EncodeCounters(counters_[db], &record_);
    batch_.batch().Put(key_, record_);
  }
  if (!format_written_) batch_.batch().Put(FormatKey(), FormatValue(VersionFor(order_)));
}

Result<lsm::SequenceNumber> Keyspace::Commit(lsm::DurableCallback on_durable) {
  if (batch_.empty()) return lsm::SequenceNumber{0};
  const lsm::IndexedBatch::Mark mark = batch_.GetMark();
  Result<lsm::SequenceNumber> sequence = lsm::SequenceNumber{0};
  try {
    AppendCounters();
    sequence = db_->WriteAsync(batch_.batch(), std::move(on_durable));
  } catch (const std::bad_alloc&) {
    Abandon();
    throw;
  }
  if (sequence.status().Is(lsm::StatusCode::kBusy)) {
    batch_.batch().Truncate(mark.size, mark.count);  // the counters are appended anew by the next try
    return sequence;
  }
  if (!sequence.ok()) {
    Abandon();
    return sequence;
  }
  ++next_commit_;
  format_written_ = true;
  batch_.Clear();
  RememberCommitted();
  return sequence;
}

void Keyspace::Abandon() {
  batch_.Clear();
  known_.Clear();
  order_ = committed_order_;
  for (int db = 0; db < kDatabaseCount; db++) counters_[db] = committed_[order_[db]];
  expiry_low_.fill({});  // what ActiveExpire believed deleted is back
  rollback_failed_ = false;
  RememberCommand();
}

// What the command wrote is no more known of: that it be forgotten costs a search, and all the others are still true.
void Keyspace::ForgetWritten() {
  lsm::WriteBatch::Reader reader(batch_.batch().bytes());
  lsm::WriteBatch::Operation operation;
  for (uint32_t i = 0; reader.Next(&operation); ++i) {
    if (i >= command_.batch.count) known_.Remove(operation.key);
  }
}

void Keyspace::RollbackCommand() {
  order_ = command_.order;
  for (int db = 0; db < kDatabaseCount; db++) {
    if ((counters_remembered_ >> db & 1) != 0) counters_[db] = counters_before_[db];
  }
  counters_remembered_ = 0;
  ForgetWritten();
  changes_ = command_.changes;
  expire_stats_.expired_keys = command_.expired_keys;
  expiry_low_.fill({});
  std::string().swap(record_);  // it may be what took the memory
  scratch_.pin.Reset();
  if (std::exchange(rollback_failed_, true)) throw std::bad_alloc();  // the batch's index is not whole
  batch_.RollbackTo(command_.batch);
  rollback_failed_ = false;
}

}  // namespace varve::keyspace
