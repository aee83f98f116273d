#include "lsm/compact/memtable_output.h"

#include <utility>

#include "lsm/compact/version_filter.h"
#include "lsm/compact/version_stream.h"

namespace varve::lsm {

Result<MemTableOutput> WriteMemTable(const MemTable& table, std::vector<SequenceNumber> snapshots,
                                     const ValueRules& rules, TableOutputSetup setup) {
  const RangeTombstones tombstones = RangeTombstones::Fragmented(table.plain_range_tombstones(), &snapshots);
  std::vector<MergeSource> sources;
  sources.emplace_back(MemTable::Iterator(&table), 0, kSequenceMax);
  MergeIterator input(std::move(sources));
  VersionFilter filter(std::move(snapshots), &tombstones, /*bottommost=*/false);
  VersionStream stream({.input = &input, .filter = &filter, .rules = rules});
  TableOutput output(std::move(setup), &tombstones);
  auto files = output.Run(&stream);
  if (!files.ok()) return files.status();
  return MemTableOutput{std::move(files).value(), output.TakeValueLogs()};
}

}  // namespace varve::lsm
