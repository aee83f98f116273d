#include "lsm/recovery.h"

#include <algorithm>
#include <utility>

#include "lsm/memtable_filler.h"
#include "lsm/out_of_memory.h"
#include "lsm/version/file_names.h"
#include "lsm/wal/log_reader.h"
#include "lsm/wal/log_writer.h"
#include "lsm/write_batch.h"

namespace varve::lsm {

Result<DirectoryListing> ListDirectory(FileSystem* fs, const std::string& dir) {
  auto names = fs->List(dir);
  if (!names.ok()) return names.status();
  DirectoryListing listing;
  for (const std::string& name : *names) {
    const ParsedName parsed = ParseFileName(name);
    switch (parsed.kind) {
      case FileKind::kCurrent: listing.has_current = true; break;
      case FileKind::kManifest: listing.manifests.push_back(parsed.number); break;
      case FileKind::kWal: listing.wals.push_back(parsed.number); break;
      case FileKind::kTable: listing.tables.push_back(parsed.number); break;
      case FileKind::kValueLog: listing.value_logs.push_back(parsed.number); break;
      case FileKind::kTemporary: listing.temporaries.push_back(name); break;
      case FileKind::kLock: break;
      case FileKind::kForeign: listing.foreign.push_back(name); break;
    }
    listing.largest_number = std::max(listing.largest_number, parsed.number);
  }
  for (auto* numbers : {&listing.manifests, &listing.wals, &listing.tables, &listing.value_logs})
    std::sort(numbers->begin(), numbers->end());
  return listing;
}

Status CheckNotBeheaded(const std::string& dir, const DirectoryListing& listing) {
  if (listing.has_current || (listing.tables.empty() && listing.value_logs.empty() && listing.wals.empty()))
    return Status::Ok();
  return Status::Corruption(CurrentFileName(dir) +
                            ": missing, but the directory holds tables or log segments of a database");
}

namespace {

// `source()` is where the record lies, for messages; `add(seq, op)` takes each operation that is not flushed.
template <typename Source, typename Add>
Status ReadRecord(std::string_view payload, Source source, SequenceNumber flushed, SequenceNumber* next_sequence,
                  Add add) {
  WriteBatch::Reader reader(payload);
  VARVE_TRY(reader.status());
  SequenceNumber seq = reader.sequence();
  if (seq + reader.count() <= flushed + 1) {
    *next_sequence = std::max(*next_sequence, seq + reader.count());
    return Status::Ok();
  }
  if (seq != *next_sequence) {
    return Status::Corruption(std::string(source()) + ": batch begins with sequence " + std::to_string(seq) +
                              ", want " + std::to_string(*next_sequence) + ": records are missing from the log");
  }
  WriteBatch::Operation op;
  while (reader.Next(&op)) {
    if (op.kind != ValueKind::kIngest) add(seq, op);
    ++seq;
  }
  VARVE_TRY(reader.status());
  *next_sequence = seq;
  return Status::Ok();
}

}  // namespace

Status CheckLogReaches(SequenceNumber durable, SequenceNumber last, std::string_view end) {
  if (last >= durable) return Status::Ok();
  return Status::Corruption(std::string(end) + ": the log ends with sequence " + std::to_string(last) +
                            ", but the manifest says that all up to " + std::to_string(durable) +
                            " was durable. Bytes of the log are lost or damaged; restore a backup");
}

Status ApplyRecord(std::string_view payload, std::string_view source, SequenceNumber flushed,
                   SequenceNumber* next_sequence, MemTable* table) {
  return ReadRecord(
      payload, [&] { return source; }, flushed, next_sequence,
      [&](SequenceNumber seq, const WriteBatch::Operation& op) { table->Add(seq, op.kind, op.key, op.value); });
}

namespace {

// Of a memtable that a replay fills: one that a core's cache holds is filled twice as fast as one of a gigabyte. Flushes
// put them together again.
constexpr size_t kReplayedBytesMax = 16 << 20;

// Replays segments into memtables.
class Replay {
 public:
  Replay(FileSystem* fs, const std::string& dir, const ManifestState& state, size_t memtable_bytes, Executor* executor)
      : fs_(fs),
        dir_(dir),
        flushed_(state.flushed_sequence),
        durable_(state.durable_sequence),
        memtable_bytes_(std::min(memtable_bytes, kReplayedBytesMax)),
        filler_(executor) {
    next_sequence_ = flushed_ + 1;
  }

  Status Run(const std::vector<uint64_t>& segments) {
    for (uint64_t number : segments) VARVE_TRY(ReplaySegment(number));
    CloseMemTable(0);
    // defensive: fails without memory only, as ReplayOutOfMemoryTest has it
    VARVE_TRY(filler_.Finish());
    log_.last_sequence = next_sequence_ - 1;  // operations without effect, such as empty ranges, are in no memtable
    return CheckLogReaches(durable_, log_.last_sequence, EndOfLog());
  }
  RecoveredLog TakeLog() { return std::move(log_); }

 private:
  Status ReplaySegment(uint64_t number) {
    LogReader reader;
    const std::string path = WalFileName(dir_, number);
    VARVE_TRY(reader.Open(fs_, path, number));
    std::string_view payload;
    bool more = reader.Next(&payload);
    if (more && !Continues(payload)) return CutSegment(&reader, path, number);
    const SequenceNumber first = more ? WriteBatch::Reader(payload).sequence() : next_sequence_;
    for (; more; more = reader.Next(&payload)) {
      if (table_ == nullptr) BeginMemTable();
      const auto source = [&] { return path + ": record before offset " + std::to_string(reader.offset()); };
      const auto add = [&](SequenceNumber seq, const WriteBatch::Operation& op) {
        filler_.Add(seq, op.kind, op.key, op.value);
      };
      VARVE_TRY(ReadRecord(payload, source, flushed_, &next_sequence_, add));
      if (table_->expected_bytes() >= memtable_bytes_) CloseMemTable(number);
    }
    VARVE_TRY(reader.status());
    if (reader.end() == LogReader::End::kEmpty) {
      log_.cut_segments.push_back(number);
      return Status::Ok();
    }
    log_.cut_bytes += reader.tail_bytes();
    log_.replayed.push_back({number, reader.end() == LogReader::End::kSealed, reader.offset(), reader.salt(), first});
    return Status::Ok();
  }

  // The one that holds the newest record; behind it may be one that was begun for later. Null: none holds any.
  const RecoveredLog::Segment* LastWithRecords() const {
    const auto holds_any = [this](const RecoveredLog::Segment& s) { return s.first_sequence < next_sequence_; };
    const auto last = std::find_if(log_.replayed.rbegin(), log_.replayed.rend(), holds_any);
    return last == log_.replayed.rend() ? nullptr : &*last;
  }
  // "<path>: offset N", where the log ends.
  std::string EndOfLog() const {
    const auto end_of = [this](const RecoveredLog::Segment& s) {
      return WalFileName(dir_, s.number) + ": offset " + std::to_string(s.end);
    };
    if (const RecoveredLog::Segment* last = LastWithRecords()) return end_of(*last);
    const uint64_t first_cut = log_.cut_segments.empty() ? UINT64_MAX : log_.cut_segments.front();
    if (!log_.replayed.empty() && log_.replayed.front().number < first_cut) return end_of(log_.replayed.front());
    return log_.cut_segments.empty() ? dir_ : WalFileName(dir_, first_cut) + ": offset 0";
  }

  // False when the segment's first record leaves a gap: the log ended before.
  bool Continues(std::string_view payload) const {
    WriteBatch::Reader batch(payload);
    return !batch.status().ok() || batch.sequence() <= next_sequence_;  // malformed: ApplyRecord says so
  }

  Status CutSegment(LogReader* reader, const std::string& path, uint64_t number) {
    std::string_view payload;
    while (reader->Next(&payload)) {
    }
    VARVE_TRY(reader->status());
    if (reader->earlier_durable()) {
      const RecoveredLog::Segment* last = LastWithRecords();
      if (last == nullptr && !log_.replayed.empty()) last = &log_.replayed.back();
      const std::string end = last == nullptr
                                  ? "the segments before it are missing"
                                  : WalFileName(dir_, last->number) + " ends at offset " + std::to_string(last->end);
      return Status::Corruption(path + ": was written after all earlier records were durable, but sequence " +
                                std::to_string(next_sequence_) + " is missing before it (" + end +
                                "). Bytes of the log are lost or damaged; restore a backup");
    }
    log_.cut_segments.push_back(number);
    log_.cut_bytes += reader->offset();
    return Status::Ok();
  }

  void BeginMemTable() {
    table_ = std::make_shared<MemTable>(MemTable::Filling::kByTwo);
    filler_.Begin(table_);
  }

  void CloseMemTable(uint64_t next_wal_number) {
    if (table_ != nullptr && !table_->empty()) {
      log_.memtables.push_back({std::move(table_), next_wal_number, next_sequence_ - 1});
    }
    table_.reset();
  }

  FileSystem* const fs_;
  const std::string& dir_;
  const SequenceNumber flushed_, durable_;
  const size_t memtable_bytes_;
  SequenceNumber next_sequence_ = 0;
  std::shared_ptr<MemTable> table_;
  RecoveredLog log_;
  MemTableFiller filler_;
};

}  // namespace

Result<RecoveredLog> ReplayLog(FileSystem* fs, const std::string& dir, const ManifestState& state,
                               const std::vector<uint64_t>& segments, size_t memtable_bytes, Executor* executor) {
  return OrOutOfMemory([&]() -> Result<RecoveredLog> {
    Replay replay(fs, dir, state, memtable_bytes, executor);
    if (Status s = replay.Run(segments); !s.ok()) return s;
    return replay.TakeLog();
  });
}

namespace {

Status SyncFile(FileSystem* fs, const std::string& path) {
  auto file = fs->OpenForWrite(path);
  if (!file.ok()) return file.status();
  return (*file)->Sync();
}

}  // namespace

Status CleanTail(FileSystem* fs, const std::string& dir, const RecoveredLog& log) {
  for (auto it = log.cut_segments.rbegin(); it != log.cut_segments.rend(); ++it) {
    VARVE_TRY(fs->Remove(WalFileName(dir, *it)));
  }
  if (!log.cut_segments.empty()) VARVE_TRY(fs->SyncDir(dir));
  // The process may have died without a sync; new segments will claim that these are durable.
  for (const RecoveredLog::Segment& segment : log.replayed) {
    const std::string path = WalFileName(dir, segment.number);
    const Status s =
        segment.sealed ? SyncFile(fs, path) : LogWriter::SealAt(fs, path, segment.number, segment.salt, segment.end);
    if (!s.ok()) {
      LogWriter::MakeDirtyAgain(fs, path, 0, UINT64_MAX);
      return s;
    }
  }
  return Status::Ok();
}

}  // namespace varve::lsm
