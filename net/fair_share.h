// net/fair_share.h - how long, in one tick of the loop, clients who ask for much are served, so that those who ask for
// little need not wait for them.
//
// Who asks for much (`heavy`): a client whose last read ended within a request, was as large as Server::read_bytes(), or
// held more than could run or be answered at once; and a new one, of whom nobody knows yet. For us() in a tick those of them
// are read who have something to say, at least one, and for as long again their requests run that had been read before.
// That share is half the time the others took, from kUsMin to kUsMax; while nobody else asks for anything it grows by an
// eighth every tick, up to kUsAlone. Who gets no turn waits for it in Server::put_off_.
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
  static constexpr uint64_t kUsMax = 1000;

  uint64_t us() const { return us_; }
  bool over() const { return spent_us_ >= us_; }

  // Reading for a heavy client took so long, and the requests among it.
  void Spent(uint64_t us) { spent_us_ += us; }
  // Of what was spent.
  void GiveBack(uint64_t us) { spent_us_ -= us; }
  // The same of requests that had been read before.
  void SpentOnReady(uint64_t us) { spent_on_ready_us_ += us; }
  void OthersAsked() { others_asked_ = true; }

  // The tick has taken so long.
  void EndTick(uint64_t tick_us) {
    const uint64_t others_us = tick_us - std::min(tick_us, spent_us_ + spent_on_ready_us_);
    const uint64_t least_us = others_asked_ ? kUsMin : std::min(us_ + us_ / 8, kUsAlone);
    us_ = std::max(least_us, std::min(others_us / 2, kUsMax));
    spent_us_ = spent_on_ready_us_ = 0;
    others_asked_ = false;
  }

 private:
  uint64_t us_ = kUsAlone;
  uint64_t spent_us_ = 0;  // in this tick
  uint64_t spent_on_ready_us_ = 0;
  bool others_asked_ = false;
};

}  // namespace varve::net
