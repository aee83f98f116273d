// tests/model/option_sets.h - options that the same operations must give the same answers under.
#pragma once

#include <cstddef>
#include <ostream>
#include <vector>

#include "lsm/options.h"

namespace varve::lsm {

struct OptionSet {
  const char* name;
  Options options;
  bool threads = false;  // the real executor and clock; else a ManualExecutor whose order the seed chooses
  size_t value_size = 100;
  bool changes_style = false;  // of compaction, when it is reopened
};

inline void PrintTo(const OptionSet& set, std::ostream* out) {
  *out << set.name;
}

inline Options Small() {
  Options options;
  options.memory_budget = size_t{8} << 20;
  options.memtable_size = 32 * 1024;
  options.table_size = 64 * 1024;
  options.block_size = 1024;
  options.wal_sync = WalSync::kNever;
  options.background_threads = 1;
  return options;
}

template <typename Edit>
Options SmallWith(Edit edit) {
  Options options = Small();
  edit(&options);
  return options;
}

inline std::vector<OptionSet> OptionSets() {
  return {
      {"Small", Small()},
      {"Defaults", Options{}, true},
      {"TinyMemtable", SmallWith([](Options* o) { o->memtable_size = 1; })},
      {"LargeMemtable", SmallWith([](Options* o) { o->memtable_size = 1 << 20; })},
      {"Block256", SmallWith([](Options* o) { o->block_size = 256; })},
      {"Block64K", SmallWith([](Options* o) { o->block_size = 64 * 1024; })},
      {"NoFilter", SmallWith([](Options* o) { o->filter_bits_per_key = 0; })},
      {"NoCompression", SmallWith([](Options* o) { o->compression = Compression::kNone; })},
      {"SmallestBudget", SmallWith([](Options* o) { o->memory_budget = 4 << 20; }), false, 2000},
      {"LargeTables", SmallWith([](Options* o) { o->table_size = 32 << 20; })},
      {"SyncAlways", SmallWith([](Options* o) { o->wal_sync = WalSync::kAlways; })},
      {"SyncEverySecond", SmallWith([](Options* o) { o->wal_sync = WalSync::kEverySecond; })},
      {"LargeValues", Small(), false, 10'000},
      {"ValueLogAll", SmallWith([](Options* o) { o->value_log_threshold = 16; })},
      {"ValueLogSmallFiles", SmallWith([](Options* o) {
         o->value_log_threshold = 16;
         o->memtable_size = 4 * 1024;
         o->table_size = 64 * 1024;
         o->compression = Compression::kNone;
       }),
       false, 500},
      {"ValueLogThreads", SmallWith([](Options* o) {
         o->value_log_threshold = 16;
         o->memtable_size = 8 * 1024;
         o->background_threads = 3;
       }),
       true, 300},
      {"NoValueLog", SmallWith([](Options* o) { o->value_log_threshold = 0; }), false, 10'000},
      {"Tiered", SmallWith([](Options* o) { o->compaction = CompactionStyle::kSizeTiered; })},
      {"TieredTiny", SmallWith([](Options* o) {
         o->compaction = CompactionStyle::kSizeTiered;
         o->memtable_size = 4 * 1024;
       })},
      {"TieredThreads", SmallWith([](Options* o) {
         o->compaction = CompactionStyle::kSizeTiered;
         o->background_threads = 3;
         o->memtable_size = 8 * 1024;
       }),
       true, 300},
      {"Fifo", SmallWith([](Options* o) { o->compaction = CompactionStyle::kFifo; })},
      {"ChangingStyle", SmallWith([](Options* o) { o->memtable_size = 8 * 1024; }), false, 200, true},
      {"DiskCap", SmallWith([](Options* o) { o->max_disk_bytes = 4 << 20; }), false, 10'000},
      {"DiskCapInTables", SmallWith([](Options* o) {
         o->max_disk_bytes = 4 << 20;
         o->value_log_threshold = 0;
         o->wal_sync = WalSync::kAlways;
       }),
       false, 10'000},
      {"DiskCapTiered", SmallWith([](Options* o) {
         o->max_disk_bytes = 4 << 20;
         o->compaction = CompactionStyle::kSizeTiered;
       }),
       false, 10'000},
      {"OneThread", Small(), true},
      {"ThreeThreads", SmallWith([](Options* o) {
         o->background_threads = 3;
         o->memtable_size = 8 * 1024;
       }),
       true, 300},
  };
}

}  // namespace varve::lsm
