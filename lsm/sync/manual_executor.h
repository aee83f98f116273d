// lsm/sync/manual_executor.h - an executor without threads: work runs when, and only when, somebody asks for it.
//
// Due is what was scheduled without delay, or whose time has come by the given clock. The order is by due time, then by
// scheduling. With a seed, the lane is chosen at random among those that have due work; within a lane the order stays,
// as Executor promises. With priorities, the due lane of the highest runs (lsm/sync/random_priorities.h). So one thread
// explores schedules, and a seed repeats one.
// Work may schedule more work and may itself call RunPending (the engine does, where it would otherwise wait).
// What never ran is dropped by the destructor.
// Threads: any; work runs in the caller, with no lock held. The clock outlives the executor.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <random>
#include <span>
#include <utility>
#include <vector>

#include "lsm/io/clock.h"
#include "lsm/sync/executor.h"
#include "lsm/sync/mutex.h"
#include "lsm/sync/random_priorities.h"

namespace varve::lsm {

class ManualExecutor final : public Executor {
 public:
  explicit ManualExecutor(Clock* clock, std::optional<uint64_t> seed = std::nullopt);
  ~ManualExecutor() override;
  // From now on priorities choose the lane, not single draws; runner i is lane i.
  void UsePriorities(RandomPriorities priorities);

  void Schedule(Lane lane, std::function<void()> work) override;
  void ScheduleAfter(Lane lane, uint64_t delay_us, std::function<void()> work) override;
  bool RunPending() override { return RunOne(); }

  // Runs one piece of due work; false when nothing is due.
  bool RunOne();
  // The same, from one lane only.
  bool RunOne(Lane lane);
  // Runs due work, and what that makes due, until nothing is; how many pieces ran.
  size_t RunAll();

  size_t PendingCount() const;  // due and delayed
  size_t PendingCount(Lane lane) const;
  size_t DueCount() const;
  std::vector<size_t> DueLanes() const;
  // When the next piece of work is (or became) due; nothing when none is pending. For tests that move the clock there.
  std::optional<uint64_t> NextDueMicros() const;

 private:
  using Key = std::pair<uint64_t, uint64_t>;  // due time, order of scheduling
  using Queue = std::map<Key, std::function<void()>>;

  std::span<const size_t> DueLanesLocked(uint64_t now_us, std::array<size_t, kLaneCount>* place) const
      VARVE_REQUIRES(mu_);
  // The queue whose first work runs next; null when nothing is due.
  Queue* ChooseLocked(uint64_t now_us) VARVE_REQUIRES(mu_);

  Clock* const clock_;
  mutable Mutex mu_;
  std::array<Queue, kLaneCount> lanes_ VARVE_GUARDED_BY(mu_);
  uint64_t next_order_ VARVE_GUARDED_BY(mu_) = 0;
  std::optional<std::mt19937_64> random_ VARVE_GUARDED_BY(mu_);
  std::optional<RandomPriorities> priorities_ VARVE_GUARDED_BY(mu_);
};

}  // namespace varve::lsm
