#include "lsm/stats_text.h"

#include <cstdint>
#include <cstdio>
#include <utility>

#include "lsm/dump.h"

namespace varve::lsm {

namespace {

struct Field {
  std::string_view name;
  uint64_t DbStats::*field;
};

constexpr Field kFields[] = {
    {"last_sequence", &DbStats::last_sequence},
    {"memtable_bytes", &DbStats::memtable_bytes},
    {"cache_bytes", &DbStats::cache_bytes},
    {"table_memory_bytes", &DbStats::table_memory_bytes},
    {"cache_hits", &DbStats::cache_hits},
    {"cache_misses", &DbStats::cache_misses},
    {"filter_useful", &DbStats::filter_useful},
    {"filter_false_positives", &DbStats::filter_false_positives},
    {"value_log_files", &DbStats::value_log_files},
    {"value_log_bytes", &DbStats::value_log_bytes},
    {"value_log_garbage_bytes", &DbStats::value_log_garbage_bytes},
    {"value_log_moved_bytes", &DbStats::value_log_moved_bytes},
    {"writes", &DbStats::writes},
    {"write_bytes", &DbStats::write_bytes},
    {"wal_bytes", &DbStats::wal_bytes},
    {"wal_syncs", &DbStats::wal_syncs},
    {"flushes", &DbStats::flushes},
    {"flush_bytes", &DbStats::flush_bytes},
    {"compactions", &DbStats::compactions},
    {"compaction_read_bytes", &DbStats::compaction_read_bytes},
    {"compaction_write_bytes", &DbStats::compaction_write_bytes},
    {"stall_us", &DbStats::stall_us},
    {"disk_bytes", &DbStats::disk_bytes},
    {"wal_tail_cut_bytes", &DbStats::wal_tail_cut_bytes},
};

// Bytes of the UTF-8 character at the front of `text`, or 0 when there is none.
size_t CharacterSize(std::string_view text) {
  const auto byte = [&](size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0u; };
  const auto follows = [&](size_t i) { return (byte(i) & 0xc0) == 0x80; };
  const unsigned first = byte(0);
  if (first < 0x80) return 1;
  if (first >= 0xc2 && first <= 0xdf) return follows(1) ? 2 : 0;
  if (first >= 0xe0 && first <= 0xef) {
    if (!follows(1) || !follows(2)) return 0;
    const bool overlong = first == 0xe0 && byte(1) < 0xa0;
    const bool surrogate = first == 0xed && byte(1) >= 0xa0;
    return overlong || surrogate ? 0 : 3;
  }
  if (first >= 0xf0 && first <= 0xf4) {
    if (!follows(1) || !follows(2) || !follows(3)) return 0;
    const bool overlong = first == 0xf0 && byte(1) < 0x90;
    const bool beyond = first == 0xf4 && byte(1) >= 0x90;
    return overlong || beyond ? 0 : 4;
  }
  return 0;
}

// One JSON object in the making.
class Object {
 public:
  Object& Json(std::string_view name, std::string_view json) {
    if (text_.size() > 1) text_ += ',';
    text_.append(JsonString(name)).append(":").append(json);
    return *this;
  }
  Object& Text(std::string_view name, std::string_view text) { return Json(name, JsonString(text)); }
  Object& Flag(std::string_view name, bool value) { return Json(name, value ? "true" : "false"); }
  template <typename Number>
  Object& Add(std::string_view name, Number value) {
    return Json(name, std::to_string(value));
  }
  std::string Done() { return std::move(text_) + "}"; }

 private:
  std::string text_ = "{";
};

// What `json_of` makes of each.
template <typename T, typename JsonOf>
std::string Array(const std::vector<T>& items, JsonOf&& json_of) {
  std::string json = "[";
  for (const T& item : items) json.append(json.size() > 1 ? "," : "").append(json_of(item));
  return json + "]";
}

std::string Numbers(const std::vector<uint64_t>& numbers) {
  return Array(numbers, [](uint64_t number) { return std::to_string(number); });
}
std::string Strings(const std::vector<std::string>& texts) {
  return Array(texts, JsonString);
}

Object JobObject(const Job& job) {
  Object json;
  json.Add("id", job.id).Text("kind", JobKindName(job.kind));
  json.Add("from_level", job.from_level).Add("to_level", job.to_level);
  json.Json("inputs", Numbers(job.inputs)).Json("outputs", Numbers(job.outputs));
  json.Add("started_ms", job.started_ms).Add("completed_ms", job.completed_ms);
  json.Add("bytes_read", job.bytes_read).Add("bytes_written", job.bytes_written);
  json.Add("entries_read", job.entries_read).Add("entries_dropped", job.entries_dropped);
  return std::move(json.Text("reason", job.reason));
}

std::string TableJson(const TableFileFacts& table) {
  const auto decimal = [](double value) {
    char text[32];
    std::snprintf(text, sizeof(text), "%.6g", value);
    return std::string(text);
  };
  Object json;
  json.Add("number", table.number).Add("level", table.level).Text("path", table.path);
  json.Text("smallest", EscapeBytes(table.smallest)).Text("largest", EscapeBytes(table.largest));
  json.Flag("largest_exclusive", table.largest_exclusive).Add("size", table.size).Add("entries", table.entries);
  json.Add("deletes", table.deletes).Add("range_deletes", table.range_deletes);
  json.Json("filter_bits_per_key", decimal(table.filter_bits_per_key));
  json.Json("false_positive_rate", decimal(table.false_positive_rate));
  json.Add("created_ms", table.created_ms).Add("expires_ms", table.expires_ms);
  json.Add("smallest_sequence", table.smallest_sequence).Add("largest_sequence", table.largest_sequence);
  return json.Done();
}

std::string LossJson(const RepairLoss& loss) {
  Object json;
  json.Text("file", loss.file).Text("problem", loss.problem).Add("offset", loss.offset).Add("size", loss.size);
  json.Text("smallest", EscapeBytes(loss.smallest)).Text("largest", EscapeBytes(loss.largest));
  return json.Add("first_sequence", loss.first_seq).Add("last_sequence", loss.last_seq).Done();
}

}  // namespace

std::string JsonString(std::string_view bytes) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string json = "\"";
  while (!bytes.empty()) {
    const size_t size = CharacterSize(bytes);
    const char c = bytes.front();
    if (size == 0) {
      json += "\\ufffd";
    } else if (c == '"' || c == '\\') {
      json += '\\';
      json += c;
    } else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
      json += "\\u00";
      json += kDigits[static_cast<unsigned char>(c) >> 4];
      json += kDigits[static_cast<unsigned char>(c) & 15];
    } else {
      json += bytes.substr(0, size);
    }
    bytes.remove_prefix(size == 0 ? 1 : size);
  }
  return json += '"';
}

std::string StatsText(const DbStats& stats) {
  std::string text;
  for (const Field& field : kFields) {
    text.append(field.name).append(" ").append(std::to_string(stats.*field.field)).append("\n");
  }
  text.append("fenced ").append(stats.fenced ? "true\n" : "false\n");
  if (!stats.background_error.empty()) text.append("background_error ").append(stats.background_error).append("\n");
  for (size_t level = 0; level < stats.levels.size(); ++level) {
    if (stats.levels[level].files == 0) continue;
    text.append("level ").append(std::to_string(level));
    text.append(" files ").append(std::to_string(stats.levels[level].files));
    text.append(" bytes ").append(std::to_string(stats.levels[level].bytes)).append("\n");
  }
  return text;
}

std::string StatsJson(const DbStats& stats) {
  Object json;
  for (const Field& field : kFields) json.Add(field.name, stats.*field.field);
  json.Flag("fenced", stats.fenced).Text("background_error", stats.background_error);
  std::string levels;
  for (size_t level = 0; level < stats.levels.size(); ++level) {
    const DbStats::Level& at = stats.levels[level];
    levels.append(levels.empty() ? "" : ",");
    levels += Object().Add("level", level).Add("files", at.files).Add("bytes", at.bytes).Done();
  }
  json.Json("levels", "[" + levels + "]");
  return json.Json("jobs", Array(stats.jobs, [](const RunningJob& job) { return JobJson(job); })).Done();
}

std::string VerifyJson(const VerifyReport& report) {
  Object json;
  json.Add("tables", report.tables).Add("blocks", report.blocks).Add("entries", report.entries);
  return json.Add("values", report.values).Json("problems", Strings(report.problems)).Done();
}

std::string JobJson(const Job& job) {
  return JobObject(job).Done();
}

std::string JobJson(const RunningJob& running) {
  return JobObject(running.job).Add("bytes_done", running.bytes_done).Add("bytes_total", running.bytes_total).Done();
}

std::string JobsJson(const std::vector<Job>& jobs) {
  return Array(jobs, [](const Job& job) { return JobJson(job); });
}

std::string TablesJson(const std::vector<TableFileFacts>& tables) {
  return Array(tables, TableJson);
}

std::string BackupJson(const BackupInfo& info, const std::vector<std::string>& problems) {
  Object json;
  json.Add("id", info.id).Add("wall_ms", info.wall_ms).Add("sequence", info.sequence).Add("files", info.files);
  json.Add("bytes", info.bytes).Add("new_bytes", info.new_bytes);
  return json.Json("problems", Strings(problems)).Done();
}

std::string BackupsJson(const std::vector<BackupInfo>& list) {
  return Array(list, [](const BackupInfo& info) {
    return BackupJson(info, info.problem.empty() ? std::vector<std::string>() : std::vector{info.problem});
  });
}

std::string RepairJson(const RepairReport& report) {
  Object json;
  json.Flag("manifest_used", report.manifest_used).Add("tables_kept", report.tables_kept);
  json.Add("tables_rewritten", report.tables_rewritten).Add("entries", report.entries);
  json.Add("log_records", report.log_records).Add("last_sequence", report.last_sequence);
  return json.Json("losses", Array(report.losses, LossJson)).Json("moved", Strings(report.moved)).Done();
}

}  // namespace varve::lsm
