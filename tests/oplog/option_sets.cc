#include "tests/oplog/option_sets.h"

#include <algorithm>
#include <array>
#include <string_view>

namespace varve::lsm {

std::vector<OptionSet> LogOptionSets() {
  std::vector<OptionSet> sets = OptionSets();
  // Below a cap some writes are refused, under no other set; without merging tables become thousands (changing styles have
  // that for a while); and large values are the log's affair here.
  std::erase_if(sets, [](const OptionSet& set) {
    return set.options.max_disk_bytes != 0 || set.options.compaction == CompactionStyle::kFifo ||
           set.name == std::string_view("LargeValues");
  });
  sets.push_back({"TinyBlocks", SmallWith([](Options* o) {
                    o->memtable_size = 8 * 1024;
                    o->block_size = 256;
                    o->compression = Compression::kNone;
                  })});
  sets.push_back({"ChangingStyleApart", SmallWith([](Options* o) {
                    o->memtable_size = 16 * 1024;
                    o->value_log_threshold = 32;
                  }),
                  false, 100, true});
  sets.push_back({"TieredApart", SmallWith([](Options* o) {
                    o->compaction = CompactionStyle::kSizeTiered;
                    o->value_log_threshold = 8;
                  })});
  sets.push_back({"OneBitFilter", SmallWith([](Options* o) {
                    o->filter_bits_per_key = 1;
                    o->block_size = 16 * 1024;
                  })});
  sets.push_back({"SyncAlwaysThreads", SmallWith([](Options* o) {
                    o->wal_sync = WalSync::kAlways;
                    o->background_threads = 2;
                  }),
                  true});
  const std::array<std::string_view, kFirstSets> first = {
      "Small",  "TinyBlocks",   "ValueLogAll", "ChangingStyle",
      "Tiered", "ThreeThreads", "SyncAlways",  "ChangingStyleApart"};
  std::stable_sort(sets.begin(), sets.end(), [&](const OptionSet& a, const OptionSet& b) {
    return std::find(first.begin(), first.end(), a.name) < std::find(first.begin(), first.end(), b.name);
  });
  return sets;
}

}  // namespace varve::lsm
