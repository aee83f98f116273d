// net/fair_share.h - how long, in one tick of the loop, clients who ask for much are served, so that those who ask for
// little need not wait for them.
//
// Who asks for much (`heavy`): a client whose last read ended within a request, was as large as a read may be, or held
// more than could run or be answered at once; and a new one, of whom nobody knows yet. Of these, requests already read
// run for us() in a tick, and for as long again they are read: at least one. That share is half the time the others
// took, from kUsMin to kUsMax; while nobody else asks for anything it grows by an eighth every tick, up to kUsAlone.
// Each has one turn in a round. A round lasts until all that were ready in it had theirs: the kernel reports sockets in
// the same order every time, and the first would otherwise be served alone.
// Not for those who ask for little: they are always read at once.
// Threads: the loop's.
#pragma once

#include <algorithm>
#include <cstdint>

namespace varve::net {

class FairShare {
 public:
  static constexpr uint64_t kUsMin = 30;
  static constexpr uint64_t kUsAlone = 100;
  static constexpr uint64_t kUsMax = 2000;

  uint64_t us() const { return us_; }

  // Whether a heavy client is read now; `*round` is the one it last was read in (0: none). Reading on in the same turn
  // is asked for again.
  bool MayRead(uint64_t* round) {
    const bool had_turn = *round == round_ && turn_ != round;
    if (had_turn) return false;
    if (spent_us_ >= us_) {
      put_off_ |= *round != round_;
      return false;
    }
    *round = round_;
    turn_ = round;
    return true;
  }
  // Reading for a heavy client took so long, and the requests among it.
  void Spent(uint64_t us) { spent_us_ += us; }
  // The same of requests that had been read before.
  void SpentOnReady(uint64_t us) { spent_on_ready_us_ += us; }
  void OthersAsked() { others_asked_ = true; }

  // The tick has taken so long.
  void EndTick(uint64_t tick_us) {
    const uint64_t others_us = tick_us - std::min(tick_us, spent_us_ + spent_on_ready_us_);
    const uint64_t least_us = others_asked_ ? kUsMin : std::min(us_ + us_ / 8, kUsAlone);
    us_ = std::max(least_us, std::min(others_us / 2, kUsMax));
    if (!put_off_) ++round_;
    spent_us_ = spent_on_ready_us_ = 0;
    turn_ = nullptr;
    put_off_ = others_asked_ = false;
  }

 private:
  uint64_t us_ = kUsAlone;
  uint64_t spent_us_ = 0;  // in this tick
  uint64_t spent_on_ready_us_ = 0;
  uint64_t round_ = 1;
  const uint64_t* turn_ = nullptr;  // whose turn it is; only compared
  bool put_off_ = false;            // somebody who had no turn in this round
  bool others_asked_ = false;
};

}  // namespace varve::net
