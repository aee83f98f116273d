// lsm/compact/memtable_output.h - writes memtables to tables of level 0.
//
// Threads: one call works alone; nobody adds to the memtables any more.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "lsm/compact/table_output.h"
#include "lsm/iter/value_rules.h"
#include "lsm/mem/memtable.h"

namespace varve::lsm {

struct MemTableOutput {
  std::vector<TableFileRef> files;
  ValueLogFiles value_logs;  // that the files point to
};

// What `tables` hold, as one. `snapshots` ascend: what none of them sees is left out. On an error nothing is left in the
// directory.
Result<MemTableOutput> WriteMemTables(std::span<const std::shared_ptr<MemTable>> tables,
                                      std::vector<SequenceNumber> snapshots, const ValueRules& rules,
                                      TableOutputSetup setup);

}  // namespace varve::lsm
