#include "sqlite_vtab/arguments.h"

#include <charconv>
#include <optional>
#include <set>

namespace varve::sqlite_vtab {
namespace {

using lsm::Result;
using lsm::Status;

constexpr int kDatabaseCount = 16;
constexpr size_t kMemoryBytesMin = size_t{4} << 20;  // what the engine needs at least

std::string_view Trim(std::string_view text) {
  constexpr std::string_view kSpace = " \t\r\n";
  size_t first = text.find_first_not_of(kSpace);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kSpace) - first + 1);
}

std::string Lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return out;
}

// 'it''s' -> it's; bare words stay as they are.
std::string Unquote(std::string_view text) {
  if (text.size() < 2 || (text.front() != '\'' && text.front() != '"') || text.back() != text.front()) {
    return std::string(text);
  }
  char quote = text.front();
  std::string out;
  for (size_t i = 1; i + 1 < text.size(); ++i) {
    out.push_back(text[i]);
    if (text[i] == quote && text[i + 1] == quote && i + 2 < text.size()) ++i;
  }
  return out;
}

std::optional<uint64_t> ParseSize(const std::string& text) {
  uint64_t number = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc()) return std::nullopt;
  std::string_view unit(end, static_cast<size_t>(text.data() + text.size() - end));
  int shift = unit.empty() ? 0 : unit == "kb" ? 10 : unit == "mb" ? 20 : unit == "gb" ? 30 : -1;
  if (shift < 0 || number > (UINT64_MAX >> shift)) return std::nullopt;
  return number << shift;
}

Status BadValue(std::string_view name, const std::string& value, std::string_view want) {
  return Status::InvalidArgument(std::string(name) + "=" + value + ": want " + std::string(want));
}

Status SetType(const std::string& name, const std::string& value, ColumnType* type) {
  if (value != "text" && value != "blob") return BadValue(name, value, "TEXT or BLOB");
  *type = value == "text" ? ColumnType::kText : ColumnType::kBlob;
  return {};
}

Status SetMode(const std::string& value, AccessMode* mode) {
  if (value == "auto") {
    *mode = AccessMode::kAuto;
  } else if (value == "rw") {
    *mode = AccessMode::kWrite;
  } else if (value == "ro") {
    *mode = AccessMode::kRead;
  } else if (value == "follow") {
    *mode = AccessMode::kFollow;
  } else {
    return BadValue("mode", value, "auto, rw, ro or follow");
  }
  return {};
}

Status SetSync(const std::string& value, bool* always) {
  if (value != "always" && value != "everysec") return BadValue("sync", value, "always or everysec");
  *always = value == "always";
  return {};
}

Status SetMemory(const std::string& value, size_t* bytes) {
  std::optional<uint64_t> size = ParseSize(value);
  if (!size.has_value() || *size < kMemoryBytesMin) return BadValue("memory", value, "at least 4mb, such as '256mb'");
  *bytes = static_cast<size_t>(*size);
  return {};
}

Status SetDb(const std::string& value, int* db) {
  int number = 0;
  auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), number);
  if (error != std::errc() || end != value.data() + value.size() || number < 0 || number >= kDatabaseCount) {
    return BadValue("db", value, "a number from 0 to 15");
  }
  *db = number;
  return {};
}

Status SetOption(ModuleKind kind, const std::string& name, const std::string& value, Arguments* out) {
  if (name == "key") return SetType(name, value, &out->key_type);
  if (name == "value") return SetType(name, value, &out->value_type);
  if (name == "mode") return SetMode(value, &out->mode);
  if (name == "sync") return SetSync(value, &out->sync_always);
  if (name == "memory") return SetMemory(value, &out->memory_bytes);
  if (name == "db" && kind == ModuleKind::kStrings) return SetDb(value, &out->db);
  return Status::InvalidArgument("unknown option " + name + ": want key=, value=, mode=, sync=, memory=" +
                                 (kind == ModuleKind::kStrings ? " or db=" : ""));
}

}  // namespace

Result<Arguments> ParseArguments(ModuleKind kind, std::span<const std::string_view> arguments) {
  Arguments out;
  if (arguments.empty() || Trim(arguments[0]).empty()) {
    return Status::InvalidArgument("the first argument is the path of the data directory, such as 'data/db'");
  }
  out.path = Unquote(Trim(arguments[0]));
  if (out.path.empty() || out.path.find('\0') != std::string::npos) {
    return Status::InvalidArgument("the path of the data directory is empty");
  }
  std::set<std::string> seen;
  for (std::string_view argument : arguments.subspan(1)) {
    size_t equals = argument.find('=');
    if (equals == std::string_view::npos) {
      return Status::InvalidArgument("'" + std::string(Trim(argument)) + "': options are written name=value");
    }
    std::string name = Lower(Trim(argument.substr(0, equals)));
    if (!seen.insert(name).second) return Status::InvalidArgument("option " + name + " is given twice");
    VARVE_TRY(SetOption(kind, name, Lower(Unquote(Trim(argument.substr(equals + 1)))), &out));
  }
  return out;
}

}  // namespace varve::sqlite_vtab
