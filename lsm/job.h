// lsm/job.h - one piece of background work: what it reads and writes, and what came of it.
//
// The manifest keeps the last kJobHistoryMax finished jobs (lsm/version/version_edit.h); Db::JobHistory gives them,
// DbStats::jobs those that run. Times are milliseconds of Unix time by Options::clock. Values; any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace varve::lsm {

inline constexpr size_t kJobHistoryMax = 256;

// The numbers lie on disk.
enum class JobKind : uint8_t {
  kFlush = 0,       // a memtable becomes a table of level 0
  kCompaction = 1,  // tables are merged into the level below
  kMove = 2,        // a table becomes one of a deeper level as it is
  kDrop = 3,        // tables of which nothing is visible any more are given up unread
  kIngest = 4,      // files from outside become tables: one call of Db::Ingest
};

// "flush"
constexpr std::string_view JobKindName(JobKind kind) {
  switch (kind) {
    case JobKind::kFlush: return "flush";
    case JobKind::kCompaction: return "compaction";
    case JobKind::kMove: return "move";
    case JobKind::kDrop: return "drop";
    case JobKind::kIngest: return "ingest";
  }
  return "unknown";
}

struct Job {
  uint64_t id = 0;  // ascends over the life of the database; jobs that failed leave gaps
  JobKind kind = JobKind::kFlush;
  int from_level = 0;                     // -1: memory, or outside
  int to_level = 0;                       // of an ingest the deepest that a file went to
  std::vector<uint64_t> inputs, outputs;  // numbers of table files, of both levels
  int64_t started_ms = 0;
  int64_t completed_ms = 0;      // 0: runs still
  uint64_t bytes_read = 0;       // of table files
  uint64_t bytes_written = 0;    // of an ingest what came in, though it be linked
  uint64_t entries_read = 0;     // point versions
  uint64_t entries_dropped = 0;  // of them, left out: overwritten, deleted, or deletes with nothing beneath
  std::string reason;            // "level 0 has 4 tables"; for people
};

struct RunningJob {
  Job job;                   // bytes and entries so far
  uint64_t bytes_done = 0;   // of the input, by its entries
  uint64_t bytes_total = 0;  // of the input: table files, or memory of a memtable
};

}  // namespace varve::lsm
