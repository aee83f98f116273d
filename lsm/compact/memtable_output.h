// lsm/compact/memtable_output.h - writes a memtable to tables of level 0.
//
// Threads: one call works alone; nobody adds to the memtable any more.
#pragma once

#include <vector>

#include "lsm/compact/table_output.h"
#include "lsm/iter/value_rules.h"
#include "lsm/mem/memtable.h"

namespace varve::lsm {

struct MemTableOutput {
  std::vector<TableFileRef> files;
  ValueLogFiles value_logs;  // that the files point to
};

// `snapshots` ascend: what none of them sees is left out. On an error nothing is left in the directory.
Result<MemTableOutput> WriteMemTable(const MemTable& table, std::vector<SequenceNumber> snapshots,
                                     const ValueRules& rules, TableOutputSetup setup);

}  // namespace varve::lsm
