// lsm/compact/token_bucket.h - how long whoever moves bytes must wait, so that a rate is kept.
//
// One number: the time at which all bytes taken so far are paid for. A moment of rest is credit for a tenth of a
// second, no more, so that a pause is not followed by a burst. Pure arithmetic on the times given; the caller waits.
// Threads: the caller's lock.
#pragma once

#include <algorithm>
#include <cstdint>

namespace varve::lsm {

class TokenBucket {
 public:
  // Takes `bytes` at `now_us`; returns the microseconds to wait before going on. The rate may change from call to call.
  uint64_t Take(uint64_t bytes, uint64_t bytes_per_second, uint64_t now_us) {
    const uint64_t credit_from = now_us > kCreditUs ? now_us - kCreditUs : 0;
    paid_at_us_ = std::max(paid_at_us_, credit_from) + bytes * 1'000'000 / bytes_per_second;
    return paid_at_us_ > now_us ? paid_at_us_ - now_us : 0;
  }
  // Forgets what is owed: the rate has changed.
  void Reset() { paid_at_us_ = 0; }

 private:
  static constexpr uint64_t kCreditUs = 100'000;
  uint64_t paid_at_us_ = 0;
};

}  // namespace varve::lsm
