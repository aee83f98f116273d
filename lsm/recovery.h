// lsm/recovery.h - brings a directory back to what was acknowledged: the manifest's tables, then the log above them.
//
// Segments are replayed in order from the manifest's wal number. The replay must be gapless: every batch begins with
// the sequence behind the last one, or is in the tables already. A segment that was not sealed ends the log, unless a
// later segment says that this one was durable: then bytes that were promised are missing, and opening is refused.
// Reading changes nothing on disk. CleanTail then makes the end of the log final (cut segments removed, the last one
// sealed), so that segments written from now on follow without a gap even if the next crash comes at once.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "lsm/mem/memtable.h"
#include "lsm/version/manifest.h"

namespace varve::lsm {

// What lies in a directory, by kind.
struct DirectoryListing {
  bool has_current = false;
  std::vector<uint64_t> manifests, wals, tables;  // ascending
  std::vector<std::string> temporaries, foreign;
  uint64_t largest_number = 0;
};
Result<DirectoryListing> ListDirectory(FileSystem* fs, const std::string& dir);

struct RecoveredMemTable {
  std::shared_ptr<MemTable> table;
  uint64_t next_wal_number = 0;  // first segment still needed once this one is in a table; 0: all before the new log
  SequenceNumber last_sequence = 0;
};

struct RecoveredLog {
  std::vector<RecoveredMemTable> memtables;  // oldest first, none empty
  SequenceNumber last_sequence = 0;
  uint64_t cut_bytes = 0;              // torn bytes dropped
  std::vector<uint64_t> cut_segments;  // whole segments dropped behind the end
  // The segment where the log ends, if it is not sealed; 0: nothing to seal.
  uint64_t open_segment = 0;
  uint64_t open_segment_end = 0;  // bytes of whole records in it
  uint32_t open_segment_salt = 0;
};

// `segments` ascend and hold every segment >= state.wal_number. Memtables are begun anew at `memtable_bytes`.
Result<RecoveredLog> ReplayLog(FileSystem* fs, const std::string& dir, const ManifestState& state,
                               const std::vector<uint64_t>& segments, size_t memtable_bytes);
Status CleanTail(FileSystem* fs, const std::string& dir, const RecoveredLog& log);

// Applies one log record to `table`. kCorruption when it is malformed or does not begin with `*next_sequence`; records
// at or below `flushed` are skipped.
Status ApplyRecord(std::string_view payload, std::string_view source, SequenceNumber flushed,
                   SequenceNumber* next_sequence, MemTable* table);

}  // namespace varve::lsm
