// ThreadExecutor: each lane is a queue with threads of its own; one lock over all, held for a few instructions at a
// time.
//
// Here std::condition_variable instead of absl::CondVar, for one reason: absl's timed waits (20220623) are against the
// wall clock, so that setting it back an hour would hold back each delayed log sync for that hour. libstdc++ waits on
// a steady_clock deadline with pthread_cond_clockwait. The price is that clang cannot check the guards in this file.
#include "lsm/sync/executor.h"

#include <pthread.h>
#include <signal.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <new>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

namespace varve::lsm {
namespace {

using SteadyTime = std::chrono::steady_clock::time_point;

constexpr size_t kThreadNameMax = 15;  // the kernel's limit
constexpr size_t kReadThreadsMax = 8;  // they wait for the disk, not for a core

// Signals of the host program are for its own threads; those that tell of a fault in this thread stay open.
void BlockSignals() {
  sigset_t set;
  sigfillset(&set);
  for (int signal : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGABRT, SIGSYS, SIGPROF}) sigdelset(&set, signal);
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
}

// jemalloc gives a thread its arena with its first allocation, and has been seen to crash (5.3.0) where it finds no
// memory for one: so that comes now, not when memory may be short.
void MeetAllocator() {
  if (void* memory = ::operator new(1, std::nothrow)) ::operator delete(memory);
}

class ThreadExecutor final : public Executor {
 public:
  explicit ThreadExecutor(int compaction_threads) {
    try {
      Start(Lane::kLogSync, "varve-logsync");
      Start(Lane::kFlush, "varve-flush");
      WantThreads(Lane::kCompact, std::max(compaction_threads, 1));
    } catch (const std::bad_alloc&) {
      Stop();
      throw;
    }
  }

  ~ThreadExecutor() override { Stop(); }

  void Schedule(Lane lane, std::function<void()> work) override {
    LaneState& state = StateOf(lane);
    {
      std::lock_guard lock(mu_);
      state.due.push_back(std::move(work));
      if (lane == Lane::kRead && state.due.size() > state.idle && readers_ < kReadThreadsMax) StartReader(state);
    }
    state.wake.notify_one();
  }

  void ScheduleAfter(Lane lane, uint64_t delay_us, std::function<void()> work) override {
    const SteadyTime when =
        std::chrono::steady_clock::now() + std::chrono::microseconds(std::min(delay_us, kDelayMicrosMax));
    LaneState& state = StateOf(lane);
    {
      std::lock_guard lock(mu_);
      if (closing_) return;
      state.delayed.push_back({when, next_order_++, std::move(work)});
      std::push_heap(state.delayed.begin(), state.delayed.end(), Later);
    }
    state.wake.notify_one();
  }

  bool RunPending() override { return false; }

  void WantThreads(Lane lane, int count) override {
    if (lane != Lane::kCompact) return;
    std::lock_guard lock(mu_);
    while (!closing_ && compaction_threads_ < count) {
      Start(Lane::kCompact, "varve-comp-" + std::to_string(compaction_threads_));
      ++compaction_threads_;
    }
  }

 private:
  struct Delayed {
    SteadyTime when;
    uint64_t order;  // of scheduling, for equal times
    std::function<void()> work;
  };
  struct LaneState {
    std::condition_variable wake;
    std::deque<std::function<void()>> due;
    std::vector<Delayed> delayed;  // a heap, the earliest in front
    size_t idle = 0;               // threads that wait for work
  };
  static constexpr uint64_t kDelayMicrosMax = uint64_t{365} * 24 * 3600 * 1'000'000;  // keeps sums of times in range

  static bool Later(const Delayed& a, const Delayed& b) {
    return std::pair(a.when, a.order) > std::pair(b.when, b.order);
  }

  LaneState& StateOf(Lane lane) { return lanes_[static_cast<size_t>(lane)]; }

  // A thread that the system does not give is memory that it does not give.
  void Start(Lane lane, const std::string& thread_name) try {
    threads_.reserve(threads_.size() + 1);
    threads_.emplace_back([this, lane, thread_name] {
      pthread_setname_np(pthread_self(), thread_name.substr(0, kThreadNameMax).c_str());
      BlockSignals();
      MeetAllocator();
      Run(StateOf(lane));
    });
  } catch (const std::system_error&) {
    throw std::bad_alloc();
  }

  // One that cannot begin is missed only where there is no other: then what was to be read is taken back.
  void StartReader(LaneState& state) {
    try {
      Start(Lane::kRead, "varve-read-" + std::to_string(readers_));
      ++readers_;
    } catch (const std::bad_alloc&) {
      if (readers_ > 0) return;
      state.due.pop_back();
      throw;
    }
  }

  void Stop() {
    std::array<std::vector<Delayed>, kLaneCount> dropped;  // after the lock is released: captures may do anything
    {
      std::lock_guard lock(mu_);
      closing_ = true;
      for (size_t i = 0; i < lanes_.size(); ++i) dropped[i].swap(lanes_[i].delayed);
      WakeAllLocked();
    }
    // Until no more come: the last work of one lane may have begun a thread of another.
    for (std::vector<std::thread> threads = TakeThreads(); !threads.empty(); threads = TakeThreads()) {
      for (std::thread& thread : threads) thread.join();
    }
  }

  void Run(LaneState& lane) {
    std::unique_lock lock(mu_);
    for (;;) {
      if (std::function<void()> work = TakeDueLocked(lane)) {
        RunUnlocked(lane, std::move(work), lock);
      } else if (closing_ && IdleLocked()) {
        WakeAllLocked();
        return;
      } else if (lane.delayed.empty()) {
        ++lane.idle;
        lane.wake.wait(lock);
        --lane.idle;
      } else {
        const SteadyTime when = lane.delayed.front().when;
        lane.wake.wait_until(lock, when);
      }
    }
  }

  void RunUnlocked(LaneState& lane, std::function<void()> work, std::unique_lock<std::mutex>& lock) {
    ++running_;
    // A sibling takes over what is left: more work, or a time to wait for.
    if (!lane.due.empty() || !lane.delayed.empty()) lane.wake.notify_one();
    lock.unlock();
    work();
    work = nullptr;  // captures die before the lock is taken
    lock.lock();
    --running_;
  }

  std::vector<std::thread> TakeThreads() {
    std::lock_guard lock(mu_);
    return std::exchange(threads_, {});
  }

  // Running work of one lane may schedule on another, so no thread may leave before all lanes are idle.
  bool IdleLocked() const {
    return running_ == 0 && std::all_of(lanes_.begin(), lanes_.end(), [](auto& lane) { return lane.due.empty(); });
  }

  void WakeAllLocked() {
    for (LaneState& lane : lanes_) lane.wake.notify_all();
  }

  // What was to wait and has waited comes first. Empty when nothing is due.
  static std::function<void()> TakeDueLocked(LaneState& lane) {
    std::function<void()> work;
    if (!lane.delayed.empty() && lane.delayed.front().when <= std::chrono::steady_clock::now()) {
      std::pop_heap(lane.delayed.begin(), lane.delayed.end(), Later);
      work = std::move(lane.delayed.back().work);
      lane.delayed.pop_back();
    } else if (!lane.due.empty()) {
      work = std::move(lane.due.front());
      lane.due.pop_front();
    }
    return work;
  }

  std::mutex mu_;  // guards all below
  std::array<LaneState, kLaneCount> lanes_;
  uint64_t next_order_ = 0;
  size_t running_ = 0;
  size_t readers_ = 0;  // threads of Lane::kRead
  bool closing_ = false;
  int compaction_threads_ = 0;
  std::vector<std::thread> threads_;  // grows under mu_; the destructor reads it once closing_ is set
};

}  // namespace

std::unique_ptr<Executor> NewThreadExecutor(int compaction_threads) {
  return std::make_unique<ThreadExecutor>(compaction_threads);
}

}  // namespace varve::lsm
