// tests/starvation/starvation.h - allocations that fail when a test says so.
//
// A program that uses it gets its operator new (starvation.cc), in whose favour the sanitizers' steps back: it counts the
// allocations of a thread and lets one fail, or that one and all that follow it.
#pragma once

#include <cstdint>

namespace varve::lsm {

// While it lives, this thread's allocation after the next `n` fails: once, or from then on.
class Starvation {
 public:
  enum class Lasts : uint8_t { kOnce, kOn };
  Starvation(int64_t n, Lasts lasts);
  ~Starvation();
  Starvation(const Starvation&) = delete;
  Starvation& operator=(const Starvation&) = delete;
  // Ends it; whether any allocation failed.
  bool End();
  // For another allocator of this thread: whether the allocation asked for now is to fail. Counts it.
  static bool Strikes();
  // What this thread has asked for so far, whether or not one of these lives.
  static int64_t Allocations();

  // While it lives, there is memory.
  class Pause {
   public:
    Pause();
    ~Pause();
    Pause(const Pause&) = delete;
    Pause& operator=(const Pause&) = delete;

   private:
    const int64_t left_;
  };
};

}  // namespace varve::lsm
