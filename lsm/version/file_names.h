// lsm/version/file_names.h - the names in a database directory.
//
//   CURRENT            one line: the name of the live manifest
//   MANIFEST-000005    a log of version edits (manifest.h)
//   000012.wal         a write-ahead log segment (lsm/wal/log_format.h)
//   000013.sst         a table (lsm/table/format.h)
//   000014.vlog        a value-log file (lsm/vlog/value_log_writer.h)
//   LOCK               held by the owner's process
//   *.tmp              being written; of no meaning after a crash
// Numbers are decimal, at least six digits, unique over all kinds, and never used twice.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace varve::lsm {

enum class FileKind : uint8_t { kCurrent, kManifest, kWal, kTable, kValueLog, kLock, kTemporary, kForeign };

struct ParsedName {
  FileKind kind = FileKind::kForeign;
  uint64_t number = 0;  // kManifest, kWal, kTable, kValueLog
};

ParsedName ParseFileName(std::string_view name);
std::string ManifestName(uint64_t number);  // without the directory
std::string WalFileName(const std::string& dir, uint64_t number);
std::string CurrentFileName(const std::string& dir);
std::string LockFileName(const std::string& dir);

}  // namespace varve::lsm
