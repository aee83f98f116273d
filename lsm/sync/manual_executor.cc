#include "lsm/sync/manual_executor.h"

#include <algorithm>
#include <utility>

namespace varve::lsm {

ManualExecutor::ManualExecutor(Clock* clock, std::optional<uint64_t> seed) : clock_(clock) {
  if (seed.has_value()) random_.emplace(*seed);
}

ManualExecutor::~ManualExecutor() = default;

void ManualExecutor::Schedule(Lane lane, std::function<void()> work) {
  ScheduleAfter(lane, 0, std::move(work));
}

void ManualExecutor::ScheduleAfter(Lane lane, uint64_t delay_us, std::function<void()> work) {
  const uint64_t now_us = clock_->MonotonicMicros();
  const uint64_t due_us = delay_us > UINT64_MAX - now_us ? UINT64_MAX : now_us + delay_us;
  MutexLock lock(&mu_);
  lanes_[static_cast<size_t>(lane)].emplace(Key(due_us, next_order_++), std::move(work));
}

ManualExecutor::Queue* ManualExecutor::ChooseLocked(uint64_t now_us) {
  std::array<size_t, kLaneCount> lanes;
  const std::span<const size_t> due = DueLanesLocked(now_us, &lanes);
  if (due.empty()) return nullptr;
  if (priorities_.has_value()) return &lanes_[priorities_->Choose(due)];
  if (random_.has_value()) return &lanes_[due[(*random_)() % due.size()]];
  return &lanes_[*std::min_element(due.begin(), due.end(), [this](size_t a, size_t b) VARVE_REQUIRES(mu_) {
    return lanes_[a].begin()->first < lanes_[b].begin()->first;
  })];
}

// In `*place`, so that nothing is allocated.
std::span<const size_t> ManualExecutor::DueLanesLocked(uint64_t now_us, std::array<size_t, kLaneCount>* place) const {
  size_t count = 0;
  for (size_t lane = 0; lane < lanes_.size(); ++lane) {
    if (!lanes_[lane].empty() && lanes_[lane].begin()->first.first <= now_us) (*place)[count++] = lane;
  }
  return {place->data(), count};
}

std::vector<size_t> ManualExecutor::DueLanes() const {
  const uint64_t now_us = clock_->MonotonicMicros();
  std::array<size_t, kLaneCount> lanes;
  MutexLock lock(&mu_);
  const std::span<const size_t> due = DueLanesLocked(now_us, &lanes);
  return {due.begin(), due.end()};
}

void ManualExecutor::UsePriorities(RandomPriorities priorities) {
  MutexLock lock(&mu_);
  priorities_.emplace(std::move(priorities));
}

bool ManualExecutor::RunOne() {
  std::function<void()> work;
  {
    const uint64_t now_us = clock_->MonotonicMicros();
    MutexLock lock(&mu_);
    Queue* queue = ChooseLocked(now_us);
    if (queue == nullptr) return false;
    work = std::move(queue->begin()->second);
    queue->erase(queue->begin());
  }
  work();
  return true;
}

bool ManualExecutor::RunOne(Lane lane) {
  std::function<void()> work;
  {
    const uint64_t now_us = clock_->MonotonicMicros();
    MutexLock lock(&mu_);
    Queue& queue = lanes_[static_cast<size_t>(lane)];
    if (queue.empty() || queue.begin()->first.first > now_us) return false;
    work = std::move(queue.begin()->second);
    queue.erase(queue.begin());
  }
  work();
  return true;
}

size_t ManualExecutor::RunAll() {
  size_t count = 0;
  while (RunOne()) ++count;
  return count;
}

size_t ManualExecutor::PendingCount() const {
  MutexLock lock(&mu_);
  size_t count = 0;
  for (const Queue& queue : lanes_) count += queue.size();
  return count;
}

size_t ManualExecutor::PendingCount(Lane lane) const {
  MutexLock lock(&mu_);
  return lanes_[static_cast<size_t>(lane)].size();
}

size_t ManualExecutor::DueCount() const {
  const uint64_t now_us = clock_->MonotonicMicros();
  MutexLock lock(&mu_);
  size_t count = 0;
  for (const Queue& queue : lanes_) {
    for (auto it = queue.begin(); it != queue.end() && it->first.first <= now_us; ++it) ++count;
  }
  return count;
}

std::optional<uint64_t> ManualExecutor::NextDueMicros() const {
  MutexLock lock(&mu_);
  std::optional<uint64_t> next;
  for (const Queue& queue : lanes_) {
    if (!queue.empty() && (!next.has_value() || queue.begin()->first.first < *next)) next = queue.begin()->first.first;
  }
  return next;
}

}  // namespace varve::lsm
