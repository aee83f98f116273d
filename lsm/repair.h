// lsm/repair.h - makes an openable database of what is left of a damaged one.
//
//   auto report = lsm::Repair("data/db", {});
//   for (const RepairLoss& loss : report->losses) ...
//
// For a database that Open refuses. Nothing is thrown away: every file that the repaired database does not use lies in
// the directory `lost` afterwards. A sound manifest decides which tables count and where they belong; what is damaged of
// a table is cut out of a new copy of it. Without a sound manifest all tables are merged, newest version first: then a
// key deleted long ago may come back, or a merge be applied twice, if a table that compaction had done with was still
// there, and of a table that was taken in from outside the report says where its place is a guess. The log's records
// follow, each that checks, also those behind a damaged one; without a manifest only what leads up to the newest one
// without a gap between segments, for nothing tells the segments that were done with. Wants the directory to itself
// (kBusy). Repeatable: a crash or an error in between harms nothing. Threads: one thread.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "lsm/options.h"
#include "lsm/status.h"

namespace varve::lsm {

// Something that could not be saved.
struct RepairLoss {
  std::string file;
  std::string problem;                         // what is wrong with it
  uint64_t offset = 0, size = 0;               // the bytes; size 0: unknown, or the whole file is missing
  std::string smallest, largest;               // keys that may be concerned, where known; else both empty
  SequenceNumber first_seq = 0, last_seq = 0;  // likewise
};

struct RepairReport {
  bool manifest_used = false;  // else it was rebuilt from the tables
  uint64_t tables_kept = 0, tables_rewritten = 0;
  uint64_t entries = 0;      // versions in the tables
  uint64_t log_records = 0;  // read back from the log
  SequenceNumber last_sequence = 0;
  std::vector<RepairLoss> losses;
  std::vector<std::string> moved;  // file names, now in lost/
};

// Called in the caller's thread, after each table and each segment of the log.
using RepairProgress = std::function<void(uint64_t bytes_done, uint64_t bytes_total)>;

// kNotFound when the directory holds nothing of a database; kBusy when somebody has it open; kInvalidArgument for a merge
// operator that is not the database's. Of `options` it uses what shapes tables, memory_budget, the name of
// merge_operator (which only a manifest knows else) and the surroundings.
Result<RepairReport> Repair(const std::string& dir, const Options& options, const RepairProgress& on_progress = {});

}  // namespace varve::lsm
