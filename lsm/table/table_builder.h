// lsm/table/table_builder.h - writes one table file. Format: format.h, block.h, filter.h.
//
// Add versions in CompareVersions order; Finish writes filter, index, properties and footer and syncs the file. The
// caller syncs the directory before it names the file in the manifest. On an error the file is garbage: remove it.
// Memory: one block, one u64 of hash per key, and the index; and 16 bytes per key while Finish builds the filter.
// Threads: one thread at a time.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "lsm/format/internal_key.h"
#include "lsm/format/range_tombstones.h"
#include "lsm/format/value_pointer.h"
#include "lsm/io/file_system.h"
#include "lsm/options.h"
#include "lsm/status.h"

namespace varve::lsm {

// Higher ones gain little and cost compaction its speed.
inline constexpr int kTableZstdLevel = 1;

struct TableBuilderOptions {
  size_t block_size = 8 * 1024;
  Compression compression = Compression::kNone;
  int zstd_level =
      kTableZstdLevel;              // used with Compression::kZstd; a block that does not shrink by 1/8 is stored plain
  double filter_bits_per_key = 10;  // 0: no filter
  uint64_t table_id = 0;            // random, unique; binds blocks to the file
  bool external = false;            // for TableWriter: see properties.h
  // Called before each write to the file with its bytes; may wait. An error ends the table.
  std::function<Status(size_t)> before_write = nullptr;
};

// What the manifest keeps of a finished table.
struct TableFacts {
  uint64_t file_size = 0;
  uint64_t tail_offset = 0;  // everything a reader needs to open the table lies from here to the end
  uint64_t entries = 0;      // point versions
  uint64_t deletes = 0;      // of them, kDelete
  uint64_t range_deletes = 0;
  SequenceNumber smallest_seq = 0, largest_seq = 0;
  std::string smallest, largest;  // user keys; with range tombstones included
  // `largest` is the exclusive end of a range tombstone, not a key of the table.
  bool largest_exclusive = false;
  int64_t created_ms = 0;         // Unix time
  uint64_t filter_size = 0;       // bytes; 0: no filter
  ValueLogReferences value_logs;  // where its kValuePointer entries point
  uint64_t expires_ms = 0;  // when its last value expires (deletes do not count); 0: one never does, or there is none
};

class TableBuilder {
 public:
  // Takes over the file, which is empty.
  TableBuilder(std::unique_ptr<WritableFile> file, const TableBuilderOptions& options);
  ~TableBuilder();

  Status Add(std::string_view key, uint64_t trailer, std::string_view value);
  // For an external table: whom its merges are for.
  void SetMergeOperator(std::string_view name);
  // Any number of times before Finish; bounds of the table grow to cover them.
  void AddRangeTombstone(const RangeTombstone& tombstone);
  // Bytes written and buffered so far: an estimate of the final size.
  uint64_t size_estimate() const;
  uint64_t entries() const;
  // Writes what is missing and syncs. The builder is done.
  Result<TableFacts> Finish();

 private:
  struct Rep;
  std::unique_ptr<Rep> rep_;
};

}  // namespace varve::lsm
