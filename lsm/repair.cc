#include "lsm/repair.h"

#include <algorithm>
#include <functional>
#include <set>
#include <utility>

#include "lsm/compact/memtable_output.h"
#include "lsm/db_impl.h"
#include "lsm/format/coding.h"
#include "lsm/format/crc32c.h"
#include "lsm/io/copy_file.h"
#include "lsm/io/path.h"
#include "lsm/version/file_names.h"
#include "lsm/wal/log_reader.h"

namespace varve::lsm {

namespace {

constexpr ReadTier kOnce{.memory_only = false, .fill_cache = false};

using KeepVersion = std::function<Status(std::string_view key, uint64_t trailer, std::string_view value)>;

// Finds the data blocks of a table whose index is lost: each begins where the one before ends, and ends where its
// checksum fits and it is a block.
class BlockScan {
 public:
  BlockScan(std::string_view bytes, uint64_t table_id, const std::string& path)
      : bytes_(bytes), table_id_(table_id), path_(path) {}

  // The block at offset(), which then is its end. False when there is none.
  bool Next(BlockBytes* block) {
    uint32_t crc = BlockSeed(table_id_, offset_);
    for (size_t at = offset_; at + kBlockTrailerSize <= bytes_.size(); ++at) {  // of the trailer's compression byte
      crc = Crc32c(crc, bytes_.substr(at, 1));
      if (MaskCrc(crc) != DecodeFixed32(bytes_.data() + at + 1)) continue;
      const size_t end = at + kBlockTrailerSize;
      const std::string_view dictionary = dictionary_.size() == kDictionarySize ? dictionary_ : std::string_view();
      auto decoded = DecodeBlock(bytes_.substr(offset_, end - offset_), offset_, table_id_, path_, dictionary);
      if (!decoded.ok() || !BlockView::Check(decoded->view()).ok()) continue;  // chance
      dictionary_.append(decoded->view().substr(0, kDictionarySize - dictionary_.size()));
      *block = std::move(decoded).value();
      offset_ = end;
      return true;
    }
    return false;
  }
  uint64_t offset() const { return offset_; }

 private:
  const std::string_view bytes_;
  const uint64_t table_id_;
  const std::string& path_;
  size_t offset_ = 0;
  std::string dictionary_;  // what the first blocks hold: the tail's copy may be lost
};

// Calls `keep` for what can be read without an index of the data blocks before `data_end`; returns where that ends.
Result<uint64_t> ReadWithoutIndex(const ReadableFile& file, uint64_t data_end, uint64_t table_id,
                                  const KeepVersion& keep) {
  auto size = file.Size();
  if (!size.ok()) return size.status();
  std::string bytes(std::min(data_end, *size), '\0');
  auto read = file.ReadAt(0, bytes.size(), bytes.data());
  if (!read.ok()) return read.status();
  bytes.resize(*read);
  BlockScan scan(bytes, table_id, file.path());
  BlockBytes block;
  while (scan.Next(&block)) {
    BlockIterator it{BlockView(block.view())};
    for (it.SeekToFirst(); it.Valid(); it.Next()) {
      if (Status s = keep(it.key(), it.trailer(), it.value()); !s.ok()) return s;
    }
  }
  return scan.offset();
}

class Repairer {
 public:
  Repairer(std::string dir, Environment environment, const RepairProgress& on_progress)
      : dir_(std::move(dir)),
        env_(std::move(environment)),
        on_progress_(on_progress),
        fs_(env_.file_system),
        cache_(env_.options.memory_budget),
        context_(std::make_shared<TableContext>()) {
    context_->file_system = fs_;
    context_->cache = &cache_;
    context_->dir = dir_;
  }

  Result<RepairReport> Run() {
    if (Status s = Lock(); !s.ok()) return s;
    auto manifest_used = ReadManifest();
    if (!manifest_used.ok()) return manifest_used.status();
    report_.manifest_used = *manifest_used;
    if (!report_.manifest_used) state_ = ManifestState();
    Status s = CheckOperator();
    if (s.ok()) s = report_.manifest_used ? CheckNamedTables() : RebuildFromTables();
    if (s.ok()) s = ReadLog();
    if (s.ok()) s = SaveEvidence();
    if (s.ok()) s = Install();
    if (!s.ok()) return s;
    return std::move(report_);
  }

 private:
  Status Lock();
  // Whether there is a sound one. kUnsupported, here and below, is no damage: a newer Varve wrote it.
  Result<bool> ReadManifest();
  Result<bool> TryManifest(const Current& current);
  // Merges are kept as they are, so nothing here needs the operator but its name, for the new manifest.
  Status CheckOperator();
  Status CheckNamedTables();
  Status RebuildFromTables();
  Result<std::vector<TableFileRef>> OpenAllTables();
  Result<std::vector<TableFileRef>> MergeAll(const std::vector<TableFileRef>& tables);
  // The table itself when it is sound, a new one with what could be read of it, or null.
  Result<TableFileRef> SaveTable(const TableFileRef& file);
  Result<TableFileRef> Salvage(const TableFileRef& file);
  Status OpenValueLogs();
  // Whether the value that a version points to, if it does, can be read.
  bool ValueIsThere(uint64_t trailer, std::string_view value) const;
  bool ValuesAreThere(const TableFile& file) const;
  void ReportUnknownOrder(const std::vector<TableFileRef>& found, const std::vector<TableFileRef>& external);
  using RecordVisitor = std::function<Status(std::string_view payload, const std::string& path)>;
  Status ReadLog();
  Status LeaveStaleSegmentsOut(std::vector<uint64_t>* segments);
  // Calls `visit` for every record that checks, and reports the others if `report` says so.
  Status ReadSegment(uint64_t number, bool report, const RecordVisitor& visit);
  Status ApplyLogRecord(std::string_view payload, const std::string& path);
  Status FlushMemTable();
  Status SaveEvidence();
  Status Install();

  uint64_t NextNumber() { return next_number_++; }
  // Tables and log as they lie in the directory; what is missing counts as nothing.
  uint64_t SizeOf(const std::string& path) const {
    auto size = fs_->FileSize(path);
    return size.ok() ? *size : 0;
  }
  void Done(const std::string& path) {
    bytes_done_ += SizeOf(path);
    if (on_progress_) on_progress_(bytes_done_, bytes_total_);
  }
  TableBuilderOptions BuilderOptions() const;
  TableOutputSetup OutputSetup(uint64_t table_bytes);
  RepairLoss& Lose(const std::string& path, std::string problem) {
    RepairLoss& loss = report_.losses.emplace_back();
    loss.file = NameOf(path);
    loss.problem = std::move(problem);
    return loss;
  }
  void LoseTable(const TableFile& file, std::string problem) {
    RepairLoss& loss = Lose(file.path(), std::move(problem));
    const TableFacts& facts = file.facts();
    loss.size = facts.file_size;
    loss.smallest = facts.smallest;
    loss.largest = facts.largest;
    loss.first_seq = facts.smallest_seq;
    loss.last_seq = facts.largest_seq;
  }

  const std::string dir_;
  const Environment env_;
  const RepairProgress& on_progress_;
  uint64_t bytes_done_ = 0, bytes_total_ = 0;
  FileSystem* const fs_;
  BlockCache cache_;
  std::shared_ptr<TableContext> context_;
  std::unique_ptr<FileLock> lock_;
  DirectoryListing listing_;
  uint64_t next_number_ = 1;
  ManifestState state_;
  ValueLogFiles value_logs_;          // that tables may point to
  SequenceNumber next_sequence_ = 1;  // of the log
  std::shared_ptr<MemTable> memtable_ = std::make_shared<MemTable>();
  std::vector<std::string> unused_;  // names of files that move to lost/
  RepairReport report_;
};

Status Repairer::Lock() {
  auto exists = fs_->Exists(dir_);
  if (!exists.ok()) return exists.status();
  if (!*exists) return Status::NotFound(dir_ + ": no such directory");
  auto before = ListDirectory(fs_, dir_);
  if (!before.ok()) return before.status();
  if (!before->has_current && before->manifests.empty() && before->tables.empty() && before->value_logs.empty() &&
      before->wals.empty()) {
    return Status::NotFound(dir_ + ": holds nothing of a database");
  }
  auto lock = fs_->Lock(LockFileName(dir_));
  if (!lock.ok()) return lock.status();
  lock_ = std::move(lock).value();
  auto listing = ListDirectory(fs_, dir_);
  if (!listing.ok()) return listing.status();
  listing_ = std::move(listing).value();
  next_number_ = listing_.largest_number + 1;
  for (const uint64_t number : listing_.tables) bytes_total_ += SizeOf(TableFileName(dir_, number));
  for (const uint64_t number : listing_.wals) bytes_total_ += SizeOf(WalFileName(dir_, number));
  return Status::Ok();
}

Result<bool> Repairer::ReadManifest() {
  auto current = ReadCurrent(fs_, dir_);
  if (current.ok()) return TryManifest(*current);
  if (listing_.has_current) Lose(CurrentFileName(dir_), std::string(current.status().message()));
  for (auto it = listing_.manifests.rbegin(); it != listing_.manifests.rend(); ++it) {
    auto sound = TryManifest({.manifest = ManifestName(*it)});
    if (!sound.ok() || *sound) return sound;
  }
  return false;
}

Result<bool> Repairer::TryManifest(const Current& current) {
  ManifestReader reader;
  if (Status s = reader.OpenNamed(context_, current); !s.ok()) {
    if (s.Is(StatusCode::kUnsupported)) return s;
    Lose(current.manifest, std::string(s.message()));
    return false;
  }
  state_ = reader.state();
  next_number_ = std::max(next_number_, state_.next_number);
  return true;
}

Status Repairer::CheckOperator() {
  auto rules = ResolveRules(env_, dir_, state_);
  if (rules.ok() && rules->merge_operator != nullptr) state_.merge_operator = rules->merge_operator->name();
  return rules.status();
}

Status Repairer::CheckNamedTables() {
  VersionEdit edit;
  value_logs_ = state_.version->value_logs();
  for (int n = 0; n < kLevels; ++n) {
    for (const TableFileRef& file : state_.version->level(n)) {
      auto saved = SaveTable(file);
      if (!saved.ok()) return saved.status();
      Done(file->path());
      if (*saved == file) continue;
      edit.removed.push_back({n, file->number()});
      if (*saved != nullptr) edit.added.push_back({n, *saved});
    }
  }
  return ApplyEdit(edit, dir_ + ": repair", &state_);
}

Result<TableFileRef> Repairer::SaveTable(const TableFileRef& file) {
  auto exists = fs_->Exists(file->path());
  if (!exists.ok()) return exists.status();
  if (!*exists) {
    LoseTable(*file, "the manifest names this table, but the file is missing");
    return TableFileRef();
  }
  uint64_t blocks = 0, entries = 0;
  std::vector<std::string> problems;
  if (auto table = file->Open(); table.ok()) {
    (*table)->Verify(&blocks, &entries, &problems);
  } else if (table.status().Is(StatusCode::kUnsupported)) {
    return table.status();
  } else {
    problems.emplace_back(table.status().message());
  }
  if (problems.empty() && ValuesAreThere(*file)) {
    ++report_.tables_kept;
    report_.entries += entries;
    return file;
  }
  return Salvage(file);
}

Result<TableFileRef> Repairer::Salvage(const TableFileRef& file) {
  const uint64_t number = NextNumber();
  auto created = fs_->Create(TableFileName(dir_, number));
  if (!created.ok()) return created.status();
  TableBuilderOptions options = BuilderOptions();
  TableBuilder builder(std::move(created).value(), options);
  std::string last;
  uint64_t last_trailer = 0;
  uint64_t values_lost = 0;
  std::string first_lost, last_lost;
  const KeepVersion keep = [&](std::string_view key, uint64_t trailer, std::string_view value) {
    if (!ValueIsThere(trailer, value)) {
      if (values_lost++ == 0) first_lost.assign(key);
      last_lost.assign(key);
      return Status::Ok();
    }
    const bool ascends = builder.entries() == 0 || CompareVersions(last, last_trailer, key, trailer) < 0;
    if (!ascends) return Status::Ok();
    last.assign(key);
    last_trailer = trailer;
    return builder.Add(key, trailer, value);
  };
  bool any_ranges = false;
  if (auto table = file->Open(); table.ok()) {
    std::vector<Table::DamagedBlock> damaged;
    if (Status s = (*table)->Salvage(keep, &damaged); !s.ok()) return s;
    for (Table::DamagedBlock& block : damaged) {
      RepairLoss& loss = Lose(file->path(), std::move(block.problem));
      loss.offset = block.offset;
      loss.size = block.size;
      loss.smallest = std::move(block.smallest);
      loss.largest = std::move(block.largest);
      loss.first_seq = file->facts().smallest_seq;
      loss.last_seq = file->facts().largest_seq;
    }
    std::vector<RangeTombstone> ranges;
    if ((*table)->range_tombstones() != nullptr) (*table)->range_tombstones()->AppendTo(&ranges);
    for (const RangeTombstone& range : ranges) builder.AddRangeTombstone(range);
    any_ranges = !ranges.empty();
  } else {
    // An external table has no sequences in its blocks; all its versions have the manifest's.
    const TableFacts& facts = file->facts();
    auto opened = fs_->OpenForRead(file->path());
    if (!opened.ok()) return opened.status();
    const KeepVersion keep_placed = [&](std::string_view key, uint64_t trailer, std::string_view value) {
      const bool bare = TrailerSequence(trailer) < facts.smallest_seq;
      return keep(key, bare ? PackTrailer(facts.largest_seq, TrailerKind(trailer)) : trailer, value);
    };
    auto end = ReadWithoutIndex(**opened, facts.tail_offset, file->table_id(), keep_placed);
    if (!end.ok()) return end.status();
    if (*end < facts.tail_offset || facts.range_deletes > 0 || builder.entries() != facts.entries) {
      LoseTable(*file, std::string(table.status().message()) +
                           (facts.range_deletes > 0 ? "; with it the table's range deletes are lost" : ""));
      RepairLoss& loss = report_.losses.back();
      loss.offset = *end;
      loss.size = facts.file_size > *end ? facts.file_size - *end : 0;
      if (builder.entries() > 0 && facts.range_deletes == 0) loss.smallest = last;  // these concern any key
    }
  }
  if (values_lost > 0) {
    RepairLoss& loss =
        Lose(file->path(), std::to_string(values_lost) + " values that it points to in value-log files cannot be read");
    loss.smallest = std::move(first_lost);
    loss.largest = std::move(last_lost);
  }
  if (builder.entries() == 0 && !any_ranges) {
    Status ignored = fs_->Remove(TableFileName(dir_, number));
    (void)ignored.ok();
    return TableFileRef();
  }
  report_.entries += builder.entries();
  ++report_.tables_rewritten;
  auto facts = builder.Finish();
  if (!facts.ok()) return facts.status();
  return std::make_shared<TableFile>(number, options.table_id, std::move(facts).value(), context_);
}

bool Repairer::ValueIsThere(uint64_t trailer, std::string_view value) const {
  if (TrailerKind(trailer) != ValueKind::kValuePointer) return true;
  ValuePointer pointer;
  if (!ValuePointer::Decode(value, &pointer)) return false;
  const ValueLogFile* log = FindValueLog(value_logs_, pointer.file_number);
  return log != nullptr && log->Verify(pointer).ok();
}

bool Repairer::ValuesAreThere(const TableFile& file) const {
  if (file.facts().value_logs.empty()) return true;
  TableIterator it(file.shared_table(), kOnce);
  for (it.SeekToFirst(); it.Valid(); it.Next()) {
    if (!ValueIsThere(it.trailer(), it.value())) return false;
  }
  return it.status().ok();
}

Status Repairer::OpenValueLogs() {
  for (const uint64_t number : listing_.value_logs) {
    const std::string path = ValueLogFileName(dir_, number);
    auto file = fs_->OpenForRead(path);
    if (!file.ok()) return file.status();
    auto facts = ReadValueLogFacts(**file);
    if (facts.ok()) {
      value_logs_.push_back(std::make_shared<ValueLogFile>(number, *facts, context_));
    } else {
      Lose(path, std::string(facts.status().message()));
    }
  }
  return Status::Ok();
}

// Everything that is a table, in the order in which they were made.
Result<std::vector<TableFileRef>> Repairer::OpenAllTables() {
  std::vector<TableFileRef> tables, found, external;
  SequenceNumber newest = 0;  // of the tables so far
  for (const uint64_t number : listing_.tables) {
    const std::string path = TableFileName(dir_, number);
    auto file = fs_->OpenForRead(path);
    if (!file.ok()) return file.status();
    auto size = (*file)->Size();
    if (!size.ok()) return size.status();
    auto table = Table::Open(std::move(file).value(), *size, 0, 0, &cache_);
    if (table.status().Is(StatusCode::kUnsupported)) return table.status();
    if (!table.ok()) {
      Lose(path, std::string(table.status().message())).size = *size;
      continue;
    }
    TableFacts facts = (*table)->Facts();
    if ((*table)->properties().external) {
      // Its sequences stood in the manifest. Whatever it hides was flushed before it came, under a smaller number.
      facts.smallest_seq = newest + 1;
      facts.largest_seq = newest + (facts.entries > 0 && facts.range_deletes > 0 ? 2 : 1);
    }
    newest = std::max(newest, facts.largest_seq);
    found.push_back(std::make_shared<TableFile>(number, (*table)->table_id(), std::move(facts), context_));
    if ((*table)->properties().external) external.push_back(found.back());
    auto saved = SaveTable(found.back());
    if (!saved.ok()) return saved.status();
    Done(path);
    if (*saved != nullptr) tables.push_back(*saved);
  }
  ReportUnknownOrder(found, external);
  return tables;
}

// What was flushed after a table from outside is newer, but what was compacted after it came may be older: the sequences
// that would tell were the manifest's.
void Repairer::ReportUnknownOrder(const std::vector<TableFileRef>& found, const std::vector<TableFileRef>& external) {
  for (const TableFileRef& file : external) {
    for (const TableFileRef& other : found) {
      if (other->number() <= file->number() || other->StartsAfter(file->facts().largest) ||
          file->StartsAfter(other->facts().largest)) {
        continue;
      }
      LoseTable(*file, "order unknown: it was taken in from outside, and without the manifest nothing tells whether " +
                           NameOf(other->path()) + ", which has keys of the same range, is older");
      RepairLoss& loss = report_.losses.back();
      loss.size = loss.first_seq = loss.last_seq = 0;  // its bytes are there, and the sequences a guess
      break;
    }
  }
}

Status Repairer::RebuildFromTables() {
  VARVE_TRY(OpenValueLogs());
  auto tables = OpenAllTables();
  if (!tables.ok()) return tables.status();
  for (const TableFileRef& file : *tables)
    state_.flushed_sequence = std::max(state_.flushed_sequence, file->facts().largest_seq);
  VersionEdit edit;
  edit.value_logs = value_logs_;
  for (const TableFileRef& file : *tables) edit.added.push_back({0, file});
  // Tables that overlap in keys and in sequences (they lay in different levels) are merged into one level.
  if (ApplyEdit(edit, dir_ + ": repair", &state_).ok()) return Status::Ok();
  auto merged = MergeAll(*tables);
  if (!merged.ok()) return merged.status();
  edit.added.clear();
  for (TableFileRef& file : *merged) edit.added.push_back({kLevels - 1, std::move(file)});
  report_.tables_kept = 0;
  report_.tables_rewritten = edit.added.size();
  return ApplyEdit(edit, dir_ + ": repair", &state_);
}

Result<std::vector<TableFileRef>> Repairer::MergeAll(const std::vector<TableFileRef>& tables) {
  std::vector<RangeTombstone> ranges;
  std::vector<MergeSource> sources;
  for (auto it = tables.rbegin(); it != tables.rend(); ++it) {
    auto table = (*it)->Open();
    if (!table.ok()) return table.status();
    if ((*table)->range_tombstones() != nullptr) (*table)->range_tombstones()->AppendTo(&ranges);
    sources.emplace_back(TableIterator((*it)->shared_table(), kOnce), kSequenceMax);
  }
  const RangeTombstones tombstones = RangeTombstones::Fragmented(std::move(ranges));
  MergeIterator input(std::move(sources));
  VersionFilter filter({}, &tombstones, /*bottommost=*/false);  // deletes stay: repairing twice is harmless
  VersionStream stream({.input = &input, .filter = &filter});
  return TableOutput(OutputSetup(env_.options.table_size), &tombstones).Run(&stream);
}

TableBuilderOptions Repairer::BuilderOptions() const {
  TableBuilderOptions options;
  options.block_size = env_.options.block_size;
  options.compression = env_.options.compression;
  options.filter_bits_per_key = env_.options.filter_bits_per_key;
  while (options.table_id == 0) options.table_id = env_.random->Next();
  return options;
}

TableOutputSetup Repairer::OutputSetup(uint64_t table_bytes) {
  TableOutputSetup setup;
  setup.file_system = fs_;
  setup.random = env_.random;
  setup.clock = env_.clock;
  setup.context = context_;
  setup.builder = BuilderOptions();
  setup.table_bytes = table_bytes;
  setup.next_number = [this] { return NextNumber(); };
  return setup;
}

Status Repairer::ReadLog() {
  next_sequence_ = state_.flushed_sequence + 1;
  std::vector<uint64_t> segments = listing_.wals;
  std::erase_if(segments, [&](uint64_t number) { return number < state_.wal_number; });
  if (!report_.manifest_used) VARVE_TRY(LeaveStaleSegmentsOut(&segments));
  for (const uint64_t number : segments) {
    VARVE_TRY(ReadSegment(number, /*report=*/true, [this](std::string_view payload, const std::string& path) {
      return ApplyLogRecord(payload, path);
    }));
    Done(WalFileName(dir_, number));
  }
  if (next_sequence_ <= state_.durable_sequence) {
    RepairLoss& loss = Lose(
        segments.empty() ? dir_ : WalFileName(dir_, segments.back()),
        "the log ends before sequence " + std::to_string(state_.durable_sequence) + ", up to which all was durable");
    loss.first_seq = next_sequence_;
    loss.last_seq = state_.durable_sequence;
    next_sequence_ = state_.durable_sequence + 1;
  }
  return FlushMemTable();
}

// Without a manifest nothing tells segments that are needed from those that were released and not used again yet, and
// compaction forgets sequences: an old record could come to lie above a newer one that is in a table. What leads up to the
// newest record without a gap is safe, for whatever it writes over it writes again. Ingest flushes everything first, so
// what stands before its record is in tables, and those it took in lie above.
Status Repairer::LeaveStaleSegmentsOut(std::vector<uint64_t>* segments) {
  struct Span {
    uint64_t number;
    SequenceNumber first = 0, end = 0;
  };
  std::vector<Span> spans;  // of the segments in which a record checks
  for (const uint64_t number : *segments) {
    Span span{.number = number};
    const auto visit = [&](std::string_view payload, const std::string&) {
      WriteBatch::Reader batch(payload);
      if (!batch.status().ok()) return Status::Ok();
      if (span.end == 0) span.first = batch.sequence();
      span.end = batch.sequence() + batch.count();
      WriteBatch::Operation operation;
      while (batch.Next(&operation)) {
        if (operation.kind == ValueKind::kIngest) next_sequence_ = std::max(next_sequence_, span.end);
      }
      return Status::Ok();
    };
    VARVE_TRY(ReadSegment(number, /*report=*/false, visit));
    if (span.end != 0) spans.push_back(span);
  }
  const auto leads_to_next = [&](size_t i) {
    return i + 1 == spans.size() || (spans[i].first <= spans[i + 1].first && spans[i].end >= spans[i + 1].first);
  };
  size_t stale = spans.size();
  while (stale > 0 && leads_to_next(stale - 1)) --stale;
  for (size_t i = 0; i < stale; ++i) {
    std::erase(*segments, spans[i].number);
    if (spans[i].end <= next_sequence_) continue;  // in the tables
    RepairLoss& loss = Lose(WalFileName(dir_, spans[i].number),
                            "not read back: records are missing behind it, so tables may hold newer data");
    loss.first_seq = spans[i].first;
    loss.last_seq = spans[i].end - 1;
  }
  return Status::Ok();
}

Status Repairer::ReadSegment(uint64_t number, bool report, const RecordVisitor& visit) {
  const std::string path = WalFileName(dir_, number);
  LogReader reader;
  Status damage = reader.Open(fs_, path, number);
  for (;;) {
    std::string_view payload;
    while (reader.Next(&payload)) VARVE_TRY(visit(payload, path));
    if (!reader.status().ok()) damage = reader.status();
    if (damage.Is(StatusCode::kUnsupported)) return damage;
    if (damage.ok() && reader.end() == LogReader::End::kSealed) return Status::Ok();
    uint64_t begin = 0, end = 0;
    const bool more = reader.SkipDamage(&begin, &end);
    if (report && (more || !damage.ok() || reader.tail_bytes() > 0)) {
      RepairLoss& loss = Lose(path, damage.ok() ? "records that do not check" : std::string(damage.message()));
      loss.offset = begin;
      loss.size = more ? end - begin : reader.tail_bytes();
    }
    if (!more) return Status::Ok();
    damage = Status::Ok();
  }
}

Status Repairer::ApplyLogRecord(std::string_view payload, const std::string& path) {
  const WriteBatch::Reader batch(payload);
  if (!batch.status().ok()) {
    Lose(path, std::string(batch.status().message())).size = payload.size();
    return Status::Ok();
  }
  if (batch.sequence() > next_sequence_) {
    // Without a manifest only the tables' sequences tell what was flushed, and compaction forgets them.
    const bool unsure = !report_.manifest_used && report_.log_records == 0;
    RepairLoss& loss = Lose(path, "records are missing before sequence " + std::to_string(batch.sequence()) +
                                      (unsure ? ", unless tables hold them whose sequences compaction forgot" : ""));
    loss.first_seq = next_sequence_;
    loss.last_seq = batch.sequence() - 1;
    next_sequence_ = batch.sequence();
  } else if (batch.sequence() + batch.count() <= next_sequence_) {
    return Status::Ok();  // in the tables
  }
  const SequenceNumber flushed = next_sequence_ - 1;
  if (Status s = ApplyRecord(payload, path, flushed, &next_sequence_, memtable_.get()); !s.ok()) {
    Lose(path, std::string(s.message())).size = payload.size();
  }
  ++report_.log_records;
  return memtable_->memory_bytes() >= env_.memtable_bytes ? FlushMemTable() : Status::Ok();
}

Status Repairer::FlushMemTable() {
  if (memtable_->empty()) return Status::Ok();
  auto output = WriteMemTables({&memtable_, 1}, {}, {}, OutputSetup(0));
  if (!output.ok()) return output.status();
  VersionEdit edit;
  for (TableFileRef& file : output->files) {
    report_.entries += file->facts().entries;
    edit.added.push_back({0, std::move(file)});
  }
  memtable_ = std::make_shared<MemTable>();
  return ApplyEdit(edit, dir_ + ": repair", &state_);
}

// Second names in lost/ for all that the new manifest will not name, before it is made: an open after a crash would
// remove them.
Status Repairer::SaveEvidence() {
  std::set<uint64_t> live;
  for (int n = 0; n < kLevels; ++n) {
    for (const TableFileRef& file : state_.version->level(n)) live.insert(file->number());
  }
  for (const uint64_t number : listing_.tables) {
    if (!live.contains(number)) unused_.push_back(NameOf(TableFileName(dir_, number)));
  }
  for (const uint64_t number : listing_.value_logs) {
    if (FindValueLog(state_.version->value_logs(), number) == nullptr)
      unused_.push_back(NameOf(ValueLogFileName(dir_, number)));
  }
  for (const uint64_t number : listing_.wals) unused_.push_back(NameOf(WalFileName(dir_, number)));
  for (const uint64_t number : listing_.manifests) unused_.push_back(ManifestName(number));
  if (unused_.empty() && !listing_.has_current) return Status::Ok();
  const std::string lost = dir_ + "/lost";
  VARVE_TRY(fs_->CreateDir(lost));
  if (listing_.has_current) unused_.push_back(NameOf(CurrentFileName(dir_)));
  for (const std::string& name : unused_) {
    std::string target = name;
    for (int copy = 1;; ++copy) {  // an earlier repair may have left one of this name
      auto taken = fs_->Exists(lost + "/" + target);
      if (!taken.ok()) return taken.status();
      if (!*taken) break;
      target = name + "." + std::to_string(copy);
    }
    VARVE_TRY(LinkOrCopyFile(fs_, dir_ + "/" + name, lost + "/" + target));
    report_.moved.push_back(target);
  }
  VARVE_TRY(fs_->SyncDir(lost));
  return fs_->SyncDir(dir_);
}

Status Repairer::Install() {
  state_.flushed_sequence = std::max(state_.flushed_sequence, next_sequence_ - 1);
  for (int n = 0; n < kLevels; ++n) {
    for (const TableFileRef& file : state_.version->level(n))
      state_.flushed_sequence = std::max(state_.flushed_sequence, file->facts().largest_seq);
  }
  report_.last_sequence = state_.flushed_sequence;
  const uint64_t number = NextNumber();
  state_.next_number = state_.wal_number = next_number_;
  auto manifest = ManifestWriter::Create(fs_, env_.random, dir_, number, state_);
  if (!manifest.ok()) return manifest.status();
  for (const std::string& name : unused_) {
    if (name == "CURRENT") continue;                  // replaced
    Status ignored = fs_->Remove(dir_ + "/" + name);  // else the next open does it
    (void)ignored.ok();
  }
  return fs_->SyncDir(dir_);
}

}  // namespace

Result<RepairReport> Repair(const std::string& dir, const Options& options, const RepairProgress& on_progress) {
  auto environment = ResolveOptions(options);
  if (!environment.ok()) return environment.status();
  return Repairer(WithoutTrailingSlashes(dir), std::move(environment).value(), on_progress).Run();
}

}  // namespace varve::lsm
