#include "sqlite_vtab/keyspace_format.h"

#include <string_view>

namespace varve::sqlite_vtab {

using lsm::Result;
using lsm::Status;

namespace {

constexpr std::string_view kFormatKey(&keyspace::kFormatTag, 1);
constexpr std::string_view kOrderKey(&keyspace::kOrderTag, 1);
constexpr size_t kFormatSize = 4;

// 0: there is none. Versions are small numbers; any other value under that key is not a keyspace's.
Result<uint32_t> ReadVersion(lsm::Db& db, const lsm::ReadOptions& options) {
  lsm::PinnedValue value;
  Result<bool> found = db.Get(options, kFormatKey, &value);
  if (!found.ok()) return found.status();
  const std::string_view bytes = *found ? value.view() : std::string_view();
  if (bytes.size() != kFormatSize || bytes.substr(1) != std::string_view("\0\0\0", 3)) return uint32_t{0};
  const uint32_t version = static_cast<unsigned char>(bytes[0]);
  if (version > keyspace::kFormatVersionOrdered) {
    return Status::Unsupported(db.dir() + ": keyspace format " + std::to_string(version) + ", this build knows " +
                               std::to_string(keyspace::kFormatVersionOrdered) + "; use a newer varve.so");
  }
  return version;
}

}  // namespace

std::string FormatKey() {
  return std::string(kFormatKey);
}

std::string PlainFormat() {
  std::string value;
  for (int shift = 0; shift < 32; shift += 8) value.push_back(static_cast<char>(keyspace::kFormatVersion >> shift));
  return value;
}

Result<bool> HasKeyspace(lsm::Db& db) {
  Result<uint32_t> version = ReadVersion(db, {});
  if (!version.ok()) return version.status();
  return *version != 0;
}

Result<keyspace::DatabaseOrder> ReadOrder(lsm::Db& db, const lsm::Snapshot* snapshot) {
  lsm::ReadOptions options;
  options.snapshot = snapshot;
  Result<uint32_t> version = ReadVersion(db, options);
  if (!version.ok()) return version.status();
  keyspace::DatabaseOrder order = keyspace::kPlainOrder;
  if (*version != keyspace::kFormatVersionOrdered) return order;
  lsm::PinnedValue value;
  Result<bool> found = db.Get(options, kOrderKey, &value);
  if (!found.ok()) return found.status();
  if (!*found) return Status::Corruption(db.dir() + ": the order record of the Redis databases is missing");
  VARVE_TRY(keyspace::DecodeOrder(value.view(), &order));
  return order;
}

}  // namespace varve::sqlite_vtab
