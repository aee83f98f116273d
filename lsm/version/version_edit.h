// lsm/version/version_edit.h - one step from a version to the next, as it lies in the manifest.
//
//   edit  | field | field | ...        a field is | tag : varint | body |; every tag is at most once, but for 5 to 8
//
//   1  format        length-prefixed "varve.lsm.1"; in the first record of a manifest, and in sync marks
//   2  wal number    varint: segments below it are not needed any more
//   3  next number   varint: above every file number in use when the edit was written
//   4  flushed       varint: every sequence up to it is in tables; the log goes on with the next one
//   5  removed file  level varint | number varint
//   6  added file    level varint | number varint | table id u64 | file size varint | tail offset varint |
//                    entries varint | deletes varint | range deletes varint | smallest seq varint | largest seq varint |
//                    smallest key, length-prefixed | largest key, length-prefixed | exclusive u8 (0 or 1) |
//                    created varint, Unix milliseconds | filter size varint |
//                    value-log references, length-prefixed (lsm/format/value_pointer.h) |
//                    expires varint, Unix milliseconds (0: not all of its values expire)
//   7  job           id varint | kind u8 | from level + 1 varint | to level varint | started varint | completed varint |
//                    bytes read varint | bytes written varint | entries read varint | entries dropped varint |
//                    n varint, n input numbers varint | n varint, n output numbers varint | reason, length-prefixed
//   8  value log     number varint | file id u64 | file size varint | records varint
//   9  operator      length-prefixed name of the merge operator, 1 to 255 bytes
//  10  durable       varint: every sequence up to it was durable; a log that ends before has lost bytes
//
// A manifest's first record is a whole version (fields 1-4, 9 and 10 if there is one, a 6 for each file, a 7 for each job
// remembered, an 8 for each value-log file); the rest are edits, with the job that made them. A value-log file is added
// with the first table that refers to it and goes, without being named, when the last one has gone. All or nothing: an
// edit is one log record, synced before anything relies on it.
// V1  An unknown tag or name is kUnsupported: a newer Varve wrote it.
// V2  Every length and level is checked before use.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "lsm/job.h"
#include "lsm/status.h"
#include "lsm/table/table_file.h"
#include "lsm/vlog/value_log_file.h"

namespace varve::lsm {

inline constexpr size_t kMergeOperatorNameMax = 255;
inline constexpr std::string_view kFormatName = "varve.lsm.1";

struct VersionEdit {
  struct Removed {
    int level;
    uint64_t number;
  };
  struct Added {
    int level;
    TableFileRef file;
  };
  bool names_format = false;
  std::optional<uint64_t> wal_number;
  std::optional<uint64_t> next_number;
  std::optional<SequenceNumber> flushed_sequence;
  std::optional<SequenceNumber> durable_sequence;
  std::optional<std::string> merge_operator;
  std::vector<Removed> removed;
  std::vector<Added> added;
  std::vector<std::shared_ptr<const Job>> jobs;  // oldest first
  ValueLogFiles value_logs;                      // added

  std::string Encode() const;
  // `source` ("<path>: record at offset N") goes into messages; `context` into the files made.
  static Result<VersionEdit> Decode(std::string_view bytes, std::string_view source,
                                    const std::shared_ptr<const TableContext>& context);
};

}  // namespace varve::lsm
