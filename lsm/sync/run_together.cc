#include "lsm/sync/run_together.h"

#include <algorithm>
#include <atomic>
#include <memory>

#include "lsm/sync/mutex.h"

namespace varve::lsm {
namespace {

constexpr size_t kHelpersMax = 7;

struct Share {
  Share(const std::function<void(size_t)>* w, size_t n) : work(w), count(n) {}

  // Takes pieces until none is left. `work` is touched only with a piece in hand: its owner waits for those.
  void Help() {
    for (size_t i; (i = next.fetch_add(1, std::memory_order_relaxed)) < count;) {
      (*work)(i);
      MutexLock lock(&mu);
      if (++finished == count) all_finished.SignalAll();
    }
  }
  void Wait() {
    MutexLock lock(&mu);
    while (finished < count) all_finished.Wait(&mu);
  }

  const std::function<void(size_t)>* const work;
  const size_t count;
  std::atomic<size_t> next{0};
  Mutex mu;
  CondVar all_finished;
  size_t finished VARVE_GUARDED_BY(mu) = 0;
};

}  // namespace

void RunTogether(Executor* executor, Lane lane, size_t count, const std::function<void(size_t)>& work) {
  if (executor == nullptr || count < 2) {
    for (size_t i = 0; i < count; ++i) work(i);
    return;
  }
  auto share = std::make_shared<Share>(&work, count);
  for (size_t i = 0; i < std::min(count - 1, kHelpersMax); ++i) executor->Schedule(lane, [share] { share->Help(); });
  share->Help();
  share->Wait();
}

}  // namespace varve::lsm
