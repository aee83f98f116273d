#include "lsm/wal/group_sync.h"

#include <algorithm>
#include <chrono>
#include <thread>

#include "absl/cleanup/cleanup.h"

namespace varve::lsm {

namespace {

// The longest and the shortest wait for company, as parts of a sync.
constexpr uint64_t kPatienceMax = 2, kPatienceMin = 64;

uint64_t NowMicros() {
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  return static_cast<uint64_t>(std::chrono::duration_cast<std::chrono::microseconds>(now).count());
}

}  // namespace

Status GroupSync::Sync(absl::FunctionRef<Status()> sync) {
  const uint64_t wanted = appended_.load(std::memory_order_acquire);
  calls_.fetch_add(1, std::memory_order_relaxed);
  for (;;) {
    const int ends = ends_.load(std::memory_order_acquire);
    if (durable_.load(std::memory_order_acquire) >= wanted) return Status::Ok();
    if (!leading_.exchange(true, std::memory_order_acquire)) break;
    ends_.wait(ends, std::memory_order_acquire);
  }
  const absl::Cleanup end = [this] {
    leading_.store(false, std::memory_order_release);
    ends_.fetch_add(1, std::memory_order_release);
    ends_.notify_all();
  };
  // defensive: race: the last leader may have ended between the two looks.
  return durable_.load(std::memory_order_acquire) >= wanted ? Status::Ok() : Lead(sync);
}

Status GroupSync::Lead(absl::FunctionRef<Status()> sync) {
  const bool all_came = AwaitCompany();
  const uint64_t calls = calls_.load(std::memory_order_relaxed);
  const uint64_t covered = appended_.load(std::memory_order_acquire);
  const uint64_t start_us = NowMicros();
  VARVE_TRY(sync());
  durable_.store(covered, std::memory_order_release);
  const uint64_t took_us = NowMicros() - start_us;
  patience_us_ =
      std::clamp(all_came ? 2 * patience_us_ : patience_us_ / 2, took_us / kPatienceMin, took_us / kPatienceMax);
  // Those served may call again, and those who came meanwhile wait already.
  expected_calls_ = calls_.load(std::memory_order_relaxed) + (calls - served_calls_);
  served_calls_ = calls;
  return Status::Ok();
}

// False when somebody who was expected did not come in time.
bool GroupSync::AwaitCompany() const {
  const auto all_came = [&] { return calls_.load(std::memory_order_relaxed) >= expected_calls_; };
  if (all_came()) return true;
  const uint64_t until_us = NowMicros() + patience_us_;
  while (!all_came()) {
    if (NowMicros() >= until_us) return false;
    std::this_thread::yield();
  }
  return true;
}

bool GroupSync::AllDurable() const {
  return durable_.load(std::memory_order_acquire) >= appended_.load(std::memory_order_acquire);
}

}  // namespace varve::lsm
