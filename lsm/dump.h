// lsm/dump.h - what one file of a database directory holds, a line at a time: for people (text) and programs (JSON lines).
//
//   Status s = DumpFile("data/db/000012.sst", {}, [](std::string_view line) { return Print(line); });
//
// The kind is told by the name (lsm/version/file_names.h): CURRENT, MANIFEST-*, *.wal, *.sst. Nothing is written, nothing
// is locked; the file of a running database may be dumped, up to where it is whole. Keys and values are escaped: printable
// ASCII stands for itself, a backslash is \\ and any other byte \xHH; in JSON that text is the string.
//
//   text   manifest   edit at 61: wal number 8, next number 12, flushed 10, + level 0 table 9 (...), - level 0 table 3
//                     then a line for each table, value-log file and finished job of the edit
//          log        batch at 44: sequence 11, then "  11 put key = value" for each operation
//          table      properties, then "key @sequence put = value" for each version; a value that expires is shown as
//                     "key @sequence put with expiry expire_at_ms 1700000000000 = value", a merge with its operand
//   JSON   one object a line, with "type": edit, added, removed, value_log, job, batch, operation, properties, version,
//          range_delete, current, end
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "lsm/options.h"
#include "lsm/status.h"

namespace varve::lsm {

struct DumpOptions {
  bool json = false;
  // Tables only: keys in [from, to); an empty `to` means none.
  std::string from, to;
  // Edits, batches or versions at most; 0: all.
  uint64_t limit = 0;
  FileSystem* file_system = nullptr;  // null: the real one
};

// False stops the dump, which is then OK.
using DumpLine = std::function<bool(std::string_view line)>;

// kInvalidArgument when the name is not that of a database file; kCorruption with file and offset where the file is
// damaged: the lines before stand.
Status DumpFile(const std::string& path, const DumpOptions& options, const DumpLine& line);

// "a\x00b" for the bytes a, 0, b.
std::string EscapeBytes(std::string_view bytes);
// The reverse. kInvalidArgument when a backslash is not followed by another one or by xHH.
Result<std::string> UnescapeBytes(std::string_view text);
// 0 to 15, or -1 when `c` is none.
int HexDigit(char c);

}  // namespace varve::lsm
