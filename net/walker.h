// net/walker.h - a thread that walks over keys, so that whoever looks at them next finds them in memory.
//
//   Start(id, walk) -> queue -> a slice of the first -> behind the others, or done -> on_done() -> TakeDone()
//
// Walks take turns, kSlice keys each. Of a longer walk than kKeysMax the beginning would have left the cache before its
// end is there: it ends there. So does one that is cancelled, or finds no memory. (Not libuv's pool of threads: those
// begin when the first work comes, memory or not, and the process with them; and jemalloc crashed in one.)
// Ownership: the database outlives it. Threads: all of it from one, but on_done, which comes from the walker's own.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <list>
#include <thread>

#include "keyspace/keyspace.h"
#include "lsm/db.h"
#include "lsm/sync/mutex.h"

namespace varve::net {

class Walker {
 public:
  // Throws std::bad_alloc, also when the system gives no thread.
  Walker(lsm::Db* db, std::function<void()> on_done);
  // Cancels all, and waits for the step under way.
  ~Walker();
  Walker(const Walker&) = delete;
  Walker& operator=(const Walker&) = delete;

  // `keys.count` is not 0. Throws std::bad_alloc; then nothing was started.
  void Start(uint64_t id, keyspace::Wanted::Walk keys);
  // It will be done soon.
  void Cancel(uint64_t id);
  void CancelAll();
  // The first of those that are done since, or 0.
  uint64_t TakeDone();

 private:
  static constexpr uint64_t kSlice = 4096;
  static constexpr uint64_t kKeysMax = 64 * kSlice;

  struct Walk {
    uint64_t id;
    keyspace::Wanted::Walk keys;  // what is left of it
    std::atomic<bool> cancelled{false};
  };

  void Run();
  void RunSlice(Walk* walk) const;

  lsm::Db* const db_;
  const std::function<void()> on_done_;
  lsm::Mutex mu_;
  lsm::CondVar wake_;
  bool closing_ VARVE_GUARDED_BY(mu_) = false;
  std::list<Walk> waiting_ VARVE_GUARDED_BY(mu_);
  std::list<Walk> running_ VARVE_GUARDED_BY(mu_);  // at most one: the thread has it without the lock
  std::list<Walk> done_ VARVE_GUARDED_BY(mu_);
  std::thread thread_;
};

}  // namespace varve::net
