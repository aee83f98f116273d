#include "lsm/dump.h"

#include <limits>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "lsm/format/coding.h"
#include "lsm/io/file_system.h"
#include "lsm/io/path.h"
#include "lsm/stats_text.h"
#include "lsm/table/table_file.h"
#include "lsm/version/file_names.h"
#include "lsm/version/manifest.h"
#include "lsm/version/version_edit.h"
#include "lsm/wal/log_reader.h"
#include "lsm/write_batch.h"

namespace varve::lsm {

namespace {

// Enough for the one table that is open; blocks are not kept.
constexpr size_t kCacheBytes = size_t{8} << 20;

std::string_view KindName(ValueKind kind) {
  switch (kind) {
    case ValueKind::kPut: return "put";
    case ValueKind::kDelete: return "delete";
    case ValueKind::kRangeDelete: return "range delete";
    case ValueKind::kValuePointer: return "value pointer";
    case ValueKind::kMerge: return "merge";
    case ValueKind::kPutWithExpiry: return "put with expiry";
    case ValueKind::kIngest: return "ingest";
  }
  return "unknown";
}

// One line in the making: `Text` for people, `Member` for programs; each says nothing in the other's format.
class Line {
 public:
  Line(bool json, std::string_view type) : json_(json) {
    if (json_) text_ = "{\"type\":" + JsonString(type);
  }
  Line& Text(std::string_view text) {
    if (!json_) text_ += text;
    return *this;
  }
  Line& Member(std::string_view name, uint64_t value) {
    if (json_) AddName(name), text_ += std::to_string(value);
    return *this;
  }
  Line& Member(std::string_view name, std::string_view value) {
    if (json_) AddName(name), text_ += JsonString(value);
    return *this;
  }
  // The same number for both: "name value" and "name": value.
  Line& Both(std::string_view name, uint64_t value) {
    Text(name).Text(" ").Text(std::to_string(value));
    return Member(name, value);
  }
  // " name 3 4" and "name":[3,4].
  Line& Numbers(std::string_view name, const std::vector<uint64_t>& numbers) {
    Text(" ").Text(name);
    for (const uint64_t number : numbers) Text(" ").Text(std::to_string(number));
    if (!json_) return *this;
    AddName(name);
    text_ += '[';
    for (size_t i = 0; i < numbers.size(); ++i) text_.append(i == 0 ? "" : ",").append(std::to_string(numbers[i]));
    text_ += ']';
    return *this;
  }
  bool Emit(const DumpLine& line) { return line(json_ ? text_ += '}' : text_); }

 private:
  void AddName(std::string_view name) {
    text_ += ',';
    text_ += JsonString(name);
    text_ += ':';
  }

  const bool json_;
  std::string text_;
};

class Dumper {
 public:
  Dumper(const std::string& path, const DumpOptions& options, const DumpLine& line)
      : path_(path), options_(options), line_(line) {
    fs_ = options.file_system != nullptr ? options.file_system : PosixFileSystem();
    cache_ = std::make_unique<BlockCache>(kCacheBytes);
    context_ = std::make_shared<TableContext>();
    context_->file_system = fs_;
    context_->cache = cache_.get();
    context_->dir = ParentOf(path);
  }

  Status Run() {
    const ParsedName name = ParseFileName(NameOf(path_));
    switch (name.kind) {
      case FileKind::kCurrent: return Current();
      case FileKind::kManifest: return Log(name.number, &Dumper::Edit);
      case FileKind::kWal: return Log(name.number, &Dumper::Batch);
      case FileKind::kTable: return DumpTable();
      case FileKind::kValueLog:
      case FileKind::kLock:
      case FileKind::kTemporary:
      case FileKind::kForeign: break;
    }
    return Status::InvalidArgument(
        path_ + ": not a file that can be dumped; want CURRENT, MANIFEST-NNNNNN, NNNNNN.wal or " + "NNNNNN.sst");
  }

 private:
  bool LimitReached() { return options_.limit != 0 && count_++ >= options_.limit; }

  Status Current() {
    auto current = ReadCurrent(fs_, ParentOf(path_));
    if (!current.ok()) return current.status();
    Line line(options_.json, "current");
    line.Text(current->manifest).Member("manifest", current->manifest);
    line.Text(" ").Both("durable_bytes", current->durable_bytes).Emit(line_);
    return Status::Ok();
  }

  Status Log(uint64_t number, Status (Dumper::*record)(std::string_view payload, uint64_t offset, bool* more)) {
    LogReader reader;
    VARVE_TRY(reader.Open(fs_, path_, number));
    std::string_view payload;
    uint64_t offset = reader.offset();
    for (bool more = true; more && !LimitReached() && reader.Next(&payload); offset = reader.offset()) {
      VARVE_TRY((this->*record)(payload, offset, &more));
      if (!more) return Status::Ok();
    }
    VARVE_TRY(reader.status());
    const std::string_view how = reader.end() == LogReader::End::kSealed ? "sealed"
                                 : reader.end() == LogReader::End::kOpen ? "open"
                                                                         : "never begun, or of a recycled file";
    Line end(options_.json, "end");
    end.Text("end at ").Text(std::to_string(reader.offset())).Text(": ").Text(how);
    if (reader.tail_bytes() != 0) end.Text(", torn bytes behind it: ").Text(std::to_string(reader.tail_bytes()));
    end.Member("offset", reader.offset()).Member("how", how).Member("torn_bytes", reader.tail_bytes()).Emit(line_);
    return Status::Ok();
  }

  Status Edit(std::string_view payload, uint64_t offset, bool* more) {
    const std::string source = path_ + ": record at offset " + std::to_string(offset);
    auto edit = VersionEdit::Decode(payload, source, context_);
    if (!edit.ok()) return edit.status();
    Line head(options_.json, "edit");
    head.Text("edit at ").Text(std::to_string(offset)).Text(":").Member("offset", offset);
    const auto number = [&](std::string_view name, std::string_view member, const std::optional<uint64_t>& value) {
      if (!value) return;
      head.Text(" ").Text(name).Text(" ").Text(std::to_string(*value)).Text(",").Member(member, *value);
    };
    number("wal number", "wal_number", edit->wal_number);
    number("next number", "next_number", edit->next_number);
    number("flushed", "flushed_sequence", edit->flushed_sequence);
    number("durable", "durable_sequence", edit->durable_sequence);
    if (edit->merge_operator) {
      const std::string name = EscapeBytes(*edit->merge_operator);
      head.Text(" merge operator ").Text(name).Text(",").Member("merge_operator", name);
    }
    head.Text(" tables +").Text(std::to_string(edit->added.size()));
    head.Text(" -").Text(std::to_string(edit->removed.size()));
    head.Member("added", edit->added.size()).Member("removed", edit->removed.size());
    const auto count = [&](std::string_view name, std::string_view member, uint64_t value) {
      if (value != 0) head.Text(", ").Text(name).Text(" +").Text(std::to_string(value));
      head.Member(member, value);
    };
    count("value logs", "value_logs", edit->value_logs.size());
    count("jobs", "jobs", edit->jobs.size());
    *more = head.Emit(line_);
    for (size_t i = 0; *more && i < edit->removed.size(); ++i) {
      Line line(options_.json, "removed");
      *more = line.Text("  - ")
                  .Both("level", static_cast<uint64_t>(edit->removed[i].level))
                  .Text(" ")
                  .Both("table", edit->removed[i].number)
                  .Emit(line_);
    }
    for (size_t i = 0; *more && i < edit->added.size(); ++i) *more = Added(edit->added[i]);
    for (size_t i = 0; *more && i < edit->value_logs.size(); ++i) *more = AddedValueLog(*edit->value_logs[i]);
    for (size_t i = 0; *more && i < edit->jobs.size(); ++i) *more = DoneJob(*edit->jobs[i]);
    return Status::Ok();
  }

  bool Added(const VersionEdit::Added& added) {
    const TableFacts& facts = added.file->facts();
    Line line(options_.json, "added");
    line.Text("  + ").Both("level", static_cast<uint64_t>(added.level)).Text(" ").Both("table", added.file->number());
    line.Text(" ").Both("bytes", facts.file_size).Text(" ").Both("entries", facts.entries);
    line.Text(" ").Both("deletes", facts.deletes).Text(" ").Both("range_deletes", facts.range_deletes);
    line.Text(" ").Both("smallest_sequence", facts.smallest_seq).Text(" ").Both("largest_sequence", facts.largest_seq);
    const std::string smallest = EscapeBytes(facts.smallest), largest = EscapeBytes(facts.largest);
    if (facts.expires_ms != 0) line.Text(" ").Both("expires_ms", facts.expires_ms);
    line.Text(" [").Text(smallest).Text(", ").Text(largest).Text(facts.largest_exclusive ? ")" : "]");
    return line.Member("smallest", smallest).Member("largest", largest).Emit(line_);
  }

  bool AddedValueLog(const ValueLogFile& file) {
    const ValueLogFacts& facts = file.facts();
    Line line(options_.json, "value_log");
    line.Text("  + value log ").Text(std::to_string(file.number())).Member("number", file.number());
    line.Text(" ").Both("file_id", facts.file_id).Text(" ").Both("bytes", facts.file_size);
    return line.Text(" ").Both("records", facts.records).Emit(line_);
  }

  bool DoneJob(const Job& job) {
    const auto place = [&](int level) -> std::string {
      if (level >= 0) return "level " + std::to_string(level);
      return job.kind == JobKind::kIngest ? "outside" : "memory";
    };
    const std::string reason = EscapeBytes(job.reason);
    Line line(options_.json, "job");
    line.Text("  ").Both("job", job.id).Text(": ").Text(JobKindName(job.kind)).Member("kind", JobKindName(job.kind));
    line.Text(" from ").Text(place(job.from_level)).Member("from", place(job.from_level));
    line.Text(" to ").Text(place(job.to_level)).Member("to", place(job.to_level));
    line.Numbers("inputs", job.inputs).Numbers("outputs", job.outputs);
    line.Text(" ").Both("bytes_read", job.bytes_read).Text(" ").Both("bytes_written", job.bytes_written);
    line.Text(" ").Both("entries_read", job.entries_read).Text(" ").Both("entries_dropped", job.entries_dropped);
    line.Member("started_ms", static_cast<uint64_t>(job.started_ms));
    line.Member("completed_ms", static_cast<uint64_t>(job.completed_ms));
    return line.Text(" because ").Text(reason).Member("reason", reason).Emit(line_);
  }

  Status Batch(std::string_view payload, uint64_t offset, bool* more) {
    WriteBatch::Reader reader(payload);
    Line head(options_.json, "batch");
    head.Text("batch at ").Text(std::to_string(offset)).Text(": ").Member("offset", offset);
    *more = head.Both("sequence", reader.sequence()).Text(", ").Both("count", reader.count()).Emit(line_);
    WriteBatch::Operation operation;
    for (SequenceNumber seq = reader.sequence(); *more && reader.Next(&operation); ++seq) {
      *more = Operation("operation", operation.key, seq, operation.kind, operation.value);
    }
    if (!*more || reader.status().ok()) return Status::Ok();
    return Status::Corruption(path_ + ": record at offset " + std::to_string(offset) + ": " +
                              std::string(reader.status().message()));
  }

  bool Operation(std::string_view type, std::string_view key, SequenceNumber seq, ValueKind kind,
                 std::string_view value) {
    std::optional<uint64_t> expire_at_ms;
    if (kind == ValueKind::kPutWithExpiry && value.size() >= kExpirySize) {
      expire_at_ms = DecodeFixed64(value.data());
      value.remove_prefix(kExpirySize);
    }
    const std::string k = EscapeBytes(key), v = EscapeBytes(value);
    Line line(options_.json, type);
    line.Text(type == "operation" ? "  " : "")
        .Text(k)
        .Text(" @")
        .Text(std::to_string(seq))
        .Text(" ")
        .Text(KindName(kind));
    line.Member("key", k).Member("sequence", seq).Member("kind", KindName(kind));
    if (expire_at_ms) line.Text(" ").Both("expire_at_ms", *expire_at_ms);
    if (kind != ValueKind::kDelete) {
      const bool range = kind == ValueKind::kRangeDelete;
      line.Text(range ? " to " : " = ").Text(v).Member(range ? "end" : "value", v);
    }
    return line.Emit(line_);
  }

  Status DumpTable() {
    auto file = fs_->OpenForRead(path_);
    if (!file.ok()) return file.status();
    auto size = (*file)->Size();
    if (!size.ok()) return size.status();
    auto table = Table::Open(std::move(file).value(), *size, /*tail_offset=*/0, /*table_id=*/0, cache_.get());
    if (!table.ok()) return table.status();
    if (!Properties(**table, *size)) return Status::Ok();
    if (const auto& ranges = (*table)->range_tombstones(); ranges != nullptr) {
      for (const RangeTombstones::Fragment& fragment : ranges->fragments()) {
        for (const SequenceNumber seq : fragment.seqs) {
          if (!Operation("range_delete", fragment.begin, seq, ValueKind::kRangeDelete, fragment.end))
            return Status::Ok();
        }
      }
    }
    TableIterator it(*table, {.memory_only = false, .fill_cache = false});
    options_.from.empty() ? it.SeekToFirst() : it.Seek(options_.from, std::numeric_limits<uint64_t>::max());
    for (; it.Valid() && (options_.to.empty() || it.key() < options_.to) && !LimitReached(); it.Next()) {
      const uint64_t trailer = it.trailer();
      if (!Operation("version", it.key(), TrailerSequence(trailer), TrailerKind(trailer), it.value())) break;
    }
    return it.status();
  }

  bool Properties(const Table& table, uint64_t size) {
    const TableProperties& p = table.properties();
    Line line(options_.json, "properties");
    line.Both("table_id", p.table_id).Text(" ").Both("bytes", size).Text(" ").Both("entries", p.entries);
    line.Text(" ").Both("deletes", p.deletes).Text(" ").Both("range_deletes", p.range_deletes);
    line.Text(" ").Both("data_blocks", p.data_blocks).Text(" ").Both("smallest_sequence", p.smallest_seq);
    line.Text(" ").Both("largest_sequence", p.largest_seq).Text(" ").Both("raw_key_bytes", p.raw_key_bytes);
    line.Text(" ").Both("raw_value_bytes", p.raw_value_bytes).Text(" ").Both("memory_bytes", table.memory_bytes());
    if (p.expires_ms != 0) line.Text(" ").Both("expires_ms", p.expires_ms);
    line.Text(" compression ").Text(p.compression).Text(" filter ").Text(p.filter.empty() ? "none" : p.filter);
    return line.Member("compression", p.compression).Member("filter", p.filter).Emit(line_);
  }

  const std::string& path_;
  const DumpOptions& options_;
  const DumpLine& line_;
  FileSystem* fs_;
  std::unique_ptr<BlockCache> cache_;
  std::shared_ptr<TableContext> context_;
  uint64_t count_ = 0;
};

}  // namespace

Status DumpFile(const std::string& path, const DumpOptions& options, const DumpLine& line) {
  return Dumper(path, options, line).Run();
}

std::string EscapeBytes(std::string_view bytes) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  text.reserve(bytes.size());
  for (char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '\\') {
      text += "\\\\";
    } else if (byte >= 0x20 && byte < 0x7f) {
      text += c;
    } else {
      text += "\\x";
      text += kDigits[byte >> 4];
      text += kDigits[byte & 15];
    }
  }
  return text;
}

int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

Result<std::string> UnescapeBytes(std::string_view text) {
  std::string bytes;
  bytes.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\\') {
      bytes += text[i];
    } else if (i + 1 < text.size() && text[i + 1] == '\\') {
      bytes += '\\';
      i += 1;
    } else if (i + 3 < text.size() && text[i + 1] == 'x' && HexDigit(text[i + 2]) >= 0 && HexDigit(text[i + 3]) >= 0) {
      bytes += static_cast<char>(HexDigit(text[i + 2]) * 16 + HexDigit(text[i + 3]));
      i += 3;
    } else {
      return Status::InvalidArgument("'" + std::string(text) + "': a backslash at " + std::to_string(i) +
                                     " wants another one or xHH after it");
    }
  }
  return bytes;
}

}  // namespace varve::lsm
