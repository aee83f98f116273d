// bench/contenders.h - the engines that bench_engine compares, behind one compile-time shape.
//
// Each is a class with the same members, used by the templates of engine_workloads.h: no virtual call stands between a
// workload and the engine. Every method ends the process on an error. Threads: as the engine itself; Put and Get may be
// called by different threads at once, each with a Reader or Batch of its own.
//
//   explicit X(const Setup&)            opens or creates
//   Put                                 one write
//   Batch: PutMany(count, entries)      one batch, used again and again
//   Reader: Get -> found, MultiGet -> how many were found
//   Cursor: First, Last, Seek, Valid, Next, Prev, key, value
//   Settle() -> NowNanos() of its end   memtable flushed, no background work left
//   CompactAll()                        everything down to the lowest level; waits
//   Verify()                            reads all that is stored and checks it, as far as the engine offers that
//   Filters()                           what its filters have done for this thread so far, if the engine tells
//   Describe(Setup)                     the settings, for the reader of the numbers
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace varve::bench {

struct Setup {
  std::string dir;
  size_t memory_budget = 0;
  size_t memtable = 0;      // 0: what Varve makes of the budget by default; the tuned peers get the same
  bool compression = true;  // false: none, in any of them

  size_t memtable_size() const {
    if (memtable != 0) return memtable;
    size_t size = memory_budget / 8;
    size_t least = size_t{1} << 20, most = size_t{64} << 20;
    return size < least ? least : size > most ? most : size;
  }
  // What is left for blocks when one memtable is filled and two wait.
  size_t cache_size() const { return memory_budget > 3 * memtable_size() ? memory_budget - 3 * memtable_size() : 0; }
};

inline constexpr int kFilterBitsPerKey = 10;

struct FilterUse {
  uint64_t false_reads =
      0;  // blocks looked into in vain because a filter said "maybe", when only missing keys were asked for
  double bits_per_key = 0;  // on average, in all tables
};

}  // namespace varve::bench
