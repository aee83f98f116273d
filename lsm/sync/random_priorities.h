// lsm/sync/random_priorities.h - who runs next, as in Burckhardt, Kothari, Musuvathi and Nagarakatte, "A Randomized
// Scheduler with Probabilistic Guarantees of Finding Bugs" (2010).
//
// Each has a priority drawn by the seed, and the highest that can run does. At `change_points` steps, drawn among the
// first `steps`, whoever would run falls below all others for good. A mistake that takes n runners and d orderings of
// their steps is found with a probability of at least 1 / (n * steps^(d - 1)), with d - 1 change points. Drawing each
// step by itself hardly ever holds one runner back for long.
// Threads: a value; one thread at a time.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <numeric>
#include <random>
#include <span>
#include <vector>

namespace varve::lsm {

class RandomPriorities {
 public:
  RandomPriorities(uint64_t seed, size_t runners, size_t change_points, uint64_t steps) : priorities_(runners) {
    std::mt19937_64 random(seed);
    std::iota(priorities_.begin(), priorities_.end(), 1);
    std::shuffle(priorities_.begin(), priorities_.end(), random);
    for (size_t i = 0; i < change_points; ++i) change_at_.push_back(random() % steps);
    std::sort(change_at_.begin(), change_at_.end(), std::greater<>());
  }

  // One of `runnable`, which is not empty: the next step is its.
  size_t Choose(std::span<const size_t> runnable) {
    const uint64_t step = step_++;
    while (!change_at_.empty() && change_at_.back() <= step) {
      change_at_.pop_back();
      priorities_[Highest(runnable)] = --lowest_;
    }
    return Highest(runnable);
  }

 private:
  size_t Highest(std::span<const size_t> runnable) const {
    return *std::max_element(runnable.begin(), runnable.end(),
                             [this](size_t a, size_t b) { return priorities_[a] < priorities_[b]; });
  }

  std::vector<int64_t> priorities_;  // by runner
  int64_t lowest_ = 1;
  std::vector<uint64_t> change_at_;  // steps, the next one last
  uint64_t step_ = 0;
};

}  // namespace varve::lsm
