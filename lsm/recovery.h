// lsm/recovery.h - brings a directory back to what was acknowledged: the manifest's tables, then the log above them.
//
// Segments are replayed in order from the manifest's wal number. The replay must be gapless: every batch begins with
// the sequence behind the last one, or is in the tables already. Where a segment does not continue the sequence, the
// log ended before it: what follows is cut (a power loss kept a later segment and lost a part of an earlier one),
// unless a later record says that everything before its segment was durable: then bytes that were promised are missing,
// and opening is refused. So it is when the log ends before a sequence that the manifest calls durable: what an owner
// has recovered, and all there was when one was closed. Reading changes nothing on disk. CleanTail then makes the end of the log final and durable
// (cut segments removed, replayed ones sealed and synced), so that segments written from now on follow without a gap
// even if the next crash comes at once.
//
// The caller reads: checksums, the order of sequences, malformed records, cuts and seals are its alone, in the order of
// the log. It copies and hashes the versions as it goes; sorting them into a memtable's tree is as much work again, which a
// thread of the executor does beside it (memtable_filler.h).
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "lsm/mem/memtable.h"
#include "lsm/sync/executor.h"
#include "lsm/version/manifest.h"

namespace varve::lsm {

// What lies in a directory, by kind.
struct DirectoryListing {
  bool has_current = false;
  std::vector<uint64_t> manifests, wals, tables, value_logs;  // ascending
  std::vector<std::string> temporaries, foreign;
  uint64_t largest_number = 0;
};
Result<DirectoryListing> ListDirectory(FileSystem* fs, const std::string& dir);
// kCorruption when CURRENT is gone from what was a database: one that is being made has it before tables and segments.
Status CheckNotBeheaded(const std::string& dir, const DirectoryListing& listing);

struct RecoveredMemTable {
  std::shared_ptr<MemTable> table;
  uint64_t next_wal_number = 0;  // first segment still needed once this one is in a table; 0: all before the new log
  SequenceNumber last_sequence = 0;
};

struct RecoveredLog {
  struct Segment {
    uint64_t number;
    bool sealed;
    uint64_t end;  // bytes of whole records
    uint32_t salt;
    SequenceNumber first_sequence;  // of its first record, or of the next one to come
  };
  std::vector<RecoveredMemTable> memtables;  // oldest first, none empty
  SequenceNumber last_sequence = 0;
  uint64_t cut_bytes = 0;              // torn bytes dropped
  std::vector<Segment> replayed;       // ascending
  std::vector<uint64_t> cut_segments;  // hold nothing that counts: never begun, or behind the end of the log
};

// `segments` ascend and hold every segment >= state.wal_number. Memtables are begun anew at about `memtable_bytes`, or
// earlier.
// A thread of `executor` helps with a long log, where it has threads. kOutOfMemory when there is none for it.
Result<RecoveredLog> ReplayLog(FileSystem* fs, const std::string& dir, const ManifestState& state,
                               const std::vector<uint64_t>& segments, size_t memtable_bytes, Executor* executor);
Status CleanTail(FileSystem* fs, const std::string& dir, const RecoveredLog& log);

// kCorruption when a log that ends at `end` ("<path>: offset N") with `last` has lost what was `durable`.
Status CheckLogReaches(SequenceNumber durable, SequenceNumber last, std::string_view end);

// Applies one log record to `table`. kCorruption when it is malformed or does not begin with `*next_sequence`; records
// at or below `flushed` are skipped.
Status ApplyRecord(std::string_view payload, std::string_view source, SequenceNumber flushed,
                   SequenceNumber* next_sequence, MemTable* table);

}  // namespace varve::lsm
