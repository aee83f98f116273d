// lsm/compact/table_output.h - turns a merged stream of versions into new tables: the work of a flush and of a
// compaction.
//
// Output tables are cut where a new user key begins: once they have their size, and before that where a table of the
// level below the output (or one that is replaced) ends, if they have half of it or touch too much. So tables of
// neighbouring levels have their borders in the same places, and compacting one seldom needs a table of which it touches
// only a corner. A range tombstone is clipped to each table's share of the key space: table i has [its first key, table
// i+1's first key). Large values go to value-log files (value_output.h). Files are written and synced, then the directory
// is synced: on return they may be named in the manifest. On an error every file made here is removed again. Touches only
// files nobody else can see: no lock is held. Threads: one thread at a time.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "lsm/compact/value_output.h"
#include "lsm/compact/version_stream.h"
#include "lsm/io/clock.h"
#include "lsm/iter/merge_iterator.h"
#include "lsm/table/table_builder.h"
#include "lsm/table/table_file.h"

namespace varve::lsm {

// How far an output has come; read by any thread while it runs.
struct OutputMeter {
  std::atomic<uint64_t> entries_read{0}, entries_dropped{0}, bytes_written{0};
};

struct TableOutputSetup {
  FileSystem* file_system = nullptr;
  RandomSource* random = nullptr;
  Clock* clock = nullptr;
  std::shared_ptr<const TableContext> context;
  TableBuilderOptions builder;        // table_id is set for each table
  uint64_t table_bytes = 0;           // 0: no bound
  uint64_t border_bytes = 0;          // cut at a border from this size on; 0: half of table_bytes
  std::vector<TableFileRef> borders;  // ascending tables; where one ends is a border
  bool keeps_borders = false;         // they are of the tables that are replaced: large ones are divided evenly
  ValueOutputSetup values;
  // Looked at now and then, with no lock held: work that cannot wait may run inside it. May be empty.
  std::function<void()> yield;
  std::function<uint64_t()> next_number;         // file numbers; any thread
  const std::atomic<bool>* cancelled = nullptr;  // looked at now and then; gives kClosed
  OutputMeter* meter = nullptr;                  // its bytes_written is the business of before_write
};

class TableOutput {
 public:
  TableOutput(TableOutputSetup setup, const RangeTombstones* tombstones);
  ~TableOutput();

  // Reads `input` from its start to its end. Call once.
  Result<std::vector<TableFileRef>> Run(VersionStream* input);
  // The value-log files made by Run, to be named in the same edit as its tables.
  ValueLogFiles TakeValueLogs() { return std::move(value_logs_); }

 private:
  Status Pump(VersionStream* input);
  Status OpenTable();
  // Ends the open table; its share of the key space ends before `upper` (empty: at the last key).
  Status FinishTable(std::string_view upper, const VersionFilter& filter);
  bool HasRangeTombstones(const VersionFilter& filter) const;
  // Whether the open table is to end before `key`, because a border lies between.
  bool CutsAtBorder(std::string_view key);
  // Sets full_bytes_ for what there is up to the next border, `begun` bytes of it written.
  void DivideToBorder(uint64_t begun);
  void RemoveFiles();

  const TableOutputSetup setup_;
  const RangeTombstones* const tombstones_;
  std::unique_ptr<TableBuilder> builder_;
  uint64_t number_ = 0;  // of the open table
  uint64_t table_id_ = 0;
  std::vector<uint64_t> numbers_;  // of all tables begun
  std::vector<TableFileRef> finished_;
  ValueOutput values_;
  ValueLogFiles value_logs_;
  std::string lower_;           // where the open (or next) table's share begins; empty for the first
  size_t border_ = 0;           // first that does not end before the current key
  uint64_t touched_bytes_ = 0;  // of the borders' tables, by the open table
  uint64_t full_bytes_;         // of the open table: it ends here, border or not
};

}  // namespace varve::lsm
