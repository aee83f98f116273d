// lsm/sizing.h - what a database of so many keys will need, before it is there.
//
//   auto plan = PlanSize({.keys = 10'000'000, .key_bytes = 16, .value_bytes = 200}, options);
//
// Nothing here repeats a number of the engine: a few megabytes of such rows are written to a real database in memory, with
// the options asked about, compacted, and measured; the tree's shape comes from the functions that compaction itself goes
// by. So the plan follows the code. Keys are taken as spread evenly (hashes): keys with long common beginnings need less.
// docs/sizing.md compares plans with measured databases. Threads: a free function; takes a fraction of a second.
#pragma once

#include <cstdint>
#include <vector>

#include "lsm/options.h"
#include "lsm/status.h"

namespace varve::lsm {

struct SizingQuestion {
  uint64_t keys = 0;
  uint64_t key_bytes = 16;
  uint64_t value_bytes = 100;
  double compressible = 0;  // share of the value bytes that compression can take away, 0 to 1
};

struct SizingPlan {
  struct Level {
    int level = 0;
    uint64_t bytes = 0;
    uint64_t files = 0;
  };
  // On disk. Levels as they are while keys are overwritten evenly, the last level holding every key once.
  std::vector<Level> levels;
  uint64_t files = 0;              // tables, of all levels
  uint64_t row_bytes = 0;          // keys and values as given
  uint64_t stored_bytes = 0;       // every key once: what a database is after loading and compacting
  uint64_t overwritten_bytes = 0;  // and the stale versions that even overwriting keeps above it
  uint64_t wal_bytes = 0;          // log of what is not in tables yet, at most
  uint64_t debt_bytes = 0;  // level 0 when writers have to wait, and outputs of running compactions: the worst moment
  uint64_t disk_bytes = 0;  // all of this
  double write_amplification =
      0;  // bytes written to the disk for each byte of rows overwritten evenly, the log included

  // In memory.
  uint64_t filter_bytes = 0;
  uint64_t index_bytes = 0;     // indexes and slots of all tables
  uint64_t memtable_bytes = 0;  // the active one and those that wait for their flush, at most
  uint64_t cache_bytes = 0;     // what memory_budget leaves for blocks
  uint64_t budget_bytes = 0;    // memory_budget
  double cached_share = 0;      // of the stored bytes that fit into the cache
};

// kInvalidArgument when there cannot be so many keys of that size, for more than 2^60 bytes, or for options that Db::Open
// refuses. Loads a sample of a few MiB in memory; larger values are reckoned from smaller ones.
Result<SizingPlan> PlanSize(const SizingQuestion& question, const Options& options);

// The i-th of `keys` evenly spread keys in ascending order, and a value of which a share compresses; for measuring what was
// planned. The same arguments give the same bytes.
std::string SizingKey(const SizingQuestion& question, uint64_t i);
std::string SizingValue(const SizingQuestion& question, uint64_t i);

}  // namespace varve::lsm
