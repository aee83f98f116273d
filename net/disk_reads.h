// net/disk_reads.h - records that requests wait for, read by other threads while the loop goes on.
//
//   Start(client, wanted) -> Db::GetAsync, at most kUnderWayMax at once -> a reader's thread -+-> uv_async -> on_done(client)
//                         -> Walker --------------------------------------------------------+
//
// A read brings its record into the engine's cache, and that is all: whoever asked looks for it again, and hears then
// what went wrong, if anything did. Clients take turns, a read each, so that one who asks for ten thousand records does
// not keep the others waiting for theirs. Ownership: the database outlives it. Threads: the loop's.
#pragma once

#include <uv.h>

#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <string>
#include <vector>

#include "keyspace/keyspace.h"
#include "lsm/db.h"
#include "lsm/sync/mutex.h"
#include "net/walker.h"

namespace varve::net {

class DiskReads {
 public:
  // `on_done` is called from the loop, never within Start. The loop must be run once more after Close().
  DiskReads(uv_loop_t* loop, lsm::Db* db, std::function<void(uint64_t client_id)> on_done);
  // Waits for the reads that are under way.
  ~DiskReads();
  DiskReads(const DiskReads&) = delete;
  DiskReads& operator=(const DiskReads&) = delete;

  // `wanted` is not empty. On std::bad_alloc nothing was started.
  void Start(uint64_t client_id, keyspace::Wanted wanted);
  // Whoever asked is gone: walks for him end.
  void Cancel(uint64_t client_id);
  // All walks end, nobody is told any more.
  void Stop();
  // Stop, and no more are begun.
  void Close();
  size_t waiting_clients() const { return waits_.size(); }

 private:
  static constexpr size_t kUnderWayMax = 256;

  struct Wait {
    uint64_t client_id;
    std::vector<std::string> keys;
    bool walking;  // a walk is not done yet
    size_t begun = 0;
    size_t done = 0;
  };

  void FinishIfDone(uint64_t id);
  void BeginReads();
  void BeginRead(uint64_t id, const std::string& key);
  void WakeLoop() VARVE_EXCLUDES(mu_);
  void NoteDone(uint64_t id) VARVE_EXCLUDES(mu_);
  void OnDone();

  lsm::Db* const db_;
  const std::function<void(uint64_t)> on_done_;
  uv_async_t async_{};
  uint64_t next_id_ = 1;
  std::map<uint64_t, Wait> waits_;
  std::list<uint64_t> turns_;  // of those with reads not begun yet
  size_t under_way_ = 0;
  std::vector<uint64_t> finished_;  // scratch of OnDone
  bool stopped_ = false;

  lsm::Mutex mu_;
  lsm::CondVar all_reported_;
  bool closed_ VARVE_GUARDED_BY(mu_) = false;
  size_t unreported_ VARVE_GUARDED_BY(mu_) = 0;       // callbacks still to come
  std::vector<uint64_t> done_ VARVE_GUARDED_BY(mu_);  // an id for each read; has room for all under way
  Walker walker_;
};

}  // namespace varve::net
