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
//   Settle() -> NowNanos() of its end   memtable flushed where the engine offers it, no background work left
//   Describe(Setup)                     the settings, for the reader of the numbers
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace varve::bench {

struct Setup {
  std::string dir;
  size_t memory_budget = 0;

  // What Varve makes of the budget by default; the tuned peers get the same.
  size_t memtable_size() const {
    size_t size = memory_budget / 8;
    size_t least = size_t{1} << 20, most = size_t{64} << 20;
    return size < least ? least : size > most ? most : size;
  }
  // What is left for blocks when one memtable is filled and two wait.
  size_t cache_size() const { return memory_budget > 3 * memtable_size() ? memory_budget - 3 * memtable_size() : 0; }
};

inline constexpr int kFilterBitsPerKey = 10;

// Waits until this process has done nothing for a while, for engines that do not tell when their compactions are done;
// when that while began, as NowNanos() tells it.
uint64_t WaitUntilIdle();

}  // namespace varve::bench
