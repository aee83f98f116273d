// lsm/sync/executor.h - where background work runs.
//
// Four lanes, each with threads of its own, so that a log sync never waits for a flush, a flush never for a compaction,
// and a read for none of them. ThreadExecutor is the real one. ManualExecutor (manual_executor.h) runs nothing by itself:
// a test calls RunOne(), or the engine does through RunPending() wherever it would otherwise wait, so one thread drives
// everything in a reproducible order. What finds no memory for its queue, or no thread, throws std::bad_alloc and has done
// nothing. Work throws nothing.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>

namespace varve::lsm {

enum class Lane : uint8_t { kLogSync = 0, kFlush = 1, kCompact = 2, kRead = 3 };
inline constexpr int kLaneCount = 4;

class Executor {
 public:
  virtual ~Executor() = default;
  // Runs `work` later on a thread of `lane`, in the order of scheduling within the lane. Never runs it inside the call.
  virtual void Schedule(Lane lane, std::function<void()> work) = 0;
  // The same, not before `delay_us` microseconds have passed.
  virtual void ScheduleAfter(Lane lane, uint64_t delay_us, std::function<void()> work) = 0;
  // Runs one piece of due work in the caller if this executor has no threads; false when it has (or nothing is due):
  // then the caller waits on its condition variable instead. Called with no lock held.
  virtual bool RunPending() = 0;
  // Asks for at least so many threads on `lane`. What has no threads, or all it wants, need not care.
  virtual void WantThreads(Lane /*lane*/, int /*count*/) {}
};

// One thread for log syncs, one for flushes, `compaction_threads` (>= 1) for compactions, up to 8 for reads (each begun
// when the others have something to do). The destructor runs what is due, drops what is delayed, and joins.
std::unique_ptr<Executor> NewThreadExecutor(int compaction_threads);

}  // namespace varve::lsm
