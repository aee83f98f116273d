#include "lsm/version/file_names.h"

#include <charconv>
#include <cstdio>

namespace varve::lsm {

namespace {

constexpr std::string_view kManifestPrefix = "MANIFEST-";

std::string Numbered(const char* format, uint64_t number) {
  char name[48];
  std::snprintf(name, sizeof(name), format, static_cast<unsigned long long>(number));
  return name;
}

bool ParseNumber(std::string_view digits, uint64_t* number) {
  if (digits.size() < 6) return false;
  auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), *number);
  return error == std::errc() && end == digits.data() + digits.size();
}

}  // namespace

ParsedName ParseFileName(std::string_view name) {
  ParsedName parsed;
  if (name == "CURRENT") return {FileKind::kCurrent, 0};
  if (name == "LOCK") return {FileKind::kLock, 0};
  if (name.ends_with(".tmp")) return {FileKind::kTemporary, 0};
  if (name.starts_with(kManifestPrefix) && ParseNumber(name.substr(kManifestPrefix.size()), &parsed.number)) {
    parsed.kind = FileKind::kManifest;
  } else if (name.ends_with(".wal") && ParseNumber(name.substr(0, name.size() - 4), &parsed.number)) {
    parsed.kind = FileKind::kWal;
  } else if (name.ends_with(".sst") && ParseNumber(name.substr(0, name.size() - 4), &parsed.number)) {
    parsed.kind = FileKind::kTable;
  } else if (name.ends_with(".vlog") && ParseNumber(name.substr(0, name.size() - 5), &parsed.number)) {
    parsed.kind = FileKind::kValueLog;
  }
  return parsed;
}

std::string ManifestName(uint64_t number) {
  return Numbered("MANIFEST-%06llu", number);
}
std::string WalFileName(const std::string& dir, uint64_t number) {
  return dir + Numbered("/%06llu.wal", number);
}
std::string CurrentFileName(const std::string& dir) {
  return dir + "/CURRENT";
}
std::string LockFileName(const std::string& dir) {
  return dir + "/LOCK";
}

}  // namespace varve::lsm
