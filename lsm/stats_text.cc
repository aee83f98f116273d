#include "lsm/stats_text.h"

#include <cstdint>

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

void AddMember(std::string_view name, std::string_view value, std::string* json) {
  if (json->back() != '{') *json += ',';
  *json += JsonString(name);
  *json += ':';
  *json += value;
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
  std::string json = "{";
  for (const Field& field : kFields) AddMember(field.name, std::to_string(stats.*field.field), &json);
  AddMember("fenced", stats.fenced ? "true" : "false", &json);
  AddMember("background_error", JsonString(stats.background_error), &json);
  std::string levels = "[";
  for (size_t level = 0; level < stats.levels.size(); ++level) {
    std::string one = "{";
    AddMember("level", std::to_string(level), &one);
    AddMember("files", std::to_string(stats.levels[level].files), &one);
    AddMember("bytes", std::to_string(stats.levels[level].bytes), &one);
    levels.append(level == 0 ? "" : ",").append(one).append("}");
  }
  AddMember("levels", levels + "]", &json);
  return json + "}";
}

std::string VerifyJson(const VerifyReport& report) {
  std::string json = "{";
  AddMember("tables", std::to_string(report.tables), &json);
  AddMember("blocks", std::to_string(report.blocks), &json);
  AddMember("entries", std::to_string(report.entries), &json);
  AddMember("values", std::to_string(report.values), &json);
  std::string problems = "[";
  for (const std::string& problem : report.problems) {
    if (problems.size() > 1) problems += ',';
    problems += JsonString(problem);
  }
  AddMember("problems", problems + "]", &json);
  return json + "}";
}

}  // namespace varve::lsm
