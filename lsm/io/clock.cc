#include "lsm/io/clock.h"

#include <sys/random.h>
#include <time.h>

namespace varve::lsm {
namespace {

class SystemClockImpl final : public Clock {
 public:
  uint64_t MonotonicMicros() override {
    const timespec now = Read(CLOCK_MONOTONIC);
    return static_cast<uint64_t>(now.tv_sec) * 1'000'000 + static_cast<uint64_t>(now.tv_nsec) / 1000;
  }
  int64_t WallMillis() override {
    const timespec now = Read(CLOCK_REALTIME);
    return static_cast<int64_t>(now.tv_sec) * 1000 + now.tv_nsec / 1'000'000;
  }

 private:
  static timespec Read(clockid_t id) {
    timespec now;
    clock_gettime(id, &now);  // cannot fail with these clocks
    return now;
  }
};

uint64_t OperatingSystemSeed(Clock* clock) {
  uint64_t seed;
  if (getrandom(&seed, sizeof seed, 0) == static_cast<ssize_t>(sizeof seed)) return seed;
  // A kernel without the call, or a sandbox that forbids it: times and an address are what is left.
  return clock->MonotonicMicros() ^ static_cast<uint64_t>(clock->WallMillis()) << 20 ^
         reinterpret_cast<uintptr_t>(&seed);
}

}  // namespace

Clock* SystemClock() {
  static auto* clock = new SystemClockImpl();
  return clock;
}

RandomSource* SystemRandom() {
  static auto* random = new SeededRandom(OperatingSystemSeed(SystemClock()));
  return random;
}

}  // namespace varve::lsm
