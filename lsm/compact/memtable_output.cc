#include "lsm/compact/memtable_output.h"

#include <utility>

#include "lsm/compact/version_filter.h"
#include "lsm/compact/version_stream.h"

namespace varve::lsm {

Result<MemTableOutput> WriteMemTables(std::span<const std::shared_ptr<MemTable>> tables,
                                      std::vector<SequenceNumber> snapshots, const ValueRules& rules,
                                      TableOutputSetup setup) {
  std::vector<RangeTombstone> deleted;
  std::vector<MergeSource> sources;
  for (const auto& table : tables) {
    const std::vector<RangeTombstone> more = table->plain_range_tombstones();
    deleted.insert(deleted.end(), more.begin(), more.end());
    sources.emplace_back(MemTable::Iterator(table.get()), 0, kSequenceMax);
  }
  const RangeTombstones tombstones = RangeTombstones::Fragmented(std::move(deleted), &snapshots);
  MergeIterator input(std::move(sources));
  VersionFilter filter(std::move(snapshots), &tombstones, /*bottommost=*/false);
  VersionStream stream({.input = &input, .filter = &filter, .rules = rules});
  TableOutput output(std::move(setup), &tombstones);
  auto files = output.Run(&stream);
  if (!files.ok()) return files.status();
  return MemTableOutput{std::move(files).value(), output.TakeValueLogs()};
}

}  // namespace varve::lsm
