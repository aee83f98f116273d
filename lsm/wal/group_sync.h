// lsm/wal/group_sync.h - one sync for all the threads that wait for one.
//
// Whoever finds no sync under way runs one, for everything appended until then; the others wait for its end. What they
// wrote during it is in the next one, which the first of them runs. Left alone, groups of one and of all the others would
// alternate: one thread comes back first and syncs for itself while the rest is on its way. So before a sync its leader
// waits for as many callers as the last one served and kept waiting. It waits half a sync at the most, and less and less
// while they do not come: a thread that is alone never waits.
// The end of a sync wakes all waiting threads by one call, and they need no lock to go on: through a mutex and its
// condition variable they would wake one another, one after the other. Figures: docs/experiments.md.
// Threads: any.
#pragma once

#include <atomic>
#include <cstdint>

#include "absl/functional/function_ref.h"
#include "lsm/status.h"

namespace varve::lsm {

class GroupSync {
 public:
  // Counts what is appended; `appended` outlives this.
  explicit GroupSync(const std::atomic<uint64_t>& appended) : appended_(appended) {}
  GroupSync(const GroupSync&) = delete;
  GroupSync& operator=(const GroupSync&) = delete;

  // Everything appended before the call is durable on return. `sync` makes all durable that was appended before it is
  // called; one runs at a time. Its failure is returned to whose call it was; the others call their own.
  Status Sync(absl::FunctionRef<Status()> sync);
  // Whether everything appended is durable.
  bool AllDurable() const;

 private:
  Status Lead(absl::FunctionRef<Status()> sync);
  bool AwaitCompany() const;

  const std::atomic<uint64_t>& appended_;
  std::atomic<uint64_t> durable_{0};  // of appended_
  std::atomic<uint64_t> calls_{0};    // of Sync
  std::atomic<bool> leading_{false};
  std::atomic<int> ends_{0};  // of syncs; what waiting threads wait for (an int, which futexes take as it is)
  // The leader's.
  uint64_t served_calls_ = 0;    // of calls_, by the syncs so far
  uint64_t expected_calls_ = 0;  // once everybody has come who is expected
  uint64_t patience_us_ = 0;
};

}  // namespace varve::lsm
