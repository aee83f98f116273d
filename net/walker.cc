#include "net/walker.h"

#include <pthread.h>

#include <algorithm>
#include <new>
#include <string>
#include <system_error>
#include <utility>

namespace varve::net {

Walker::Walker(lsm::Db* db, std::function<void()> on_done) : db_(db), on_done_(std::move(on_done)) {
  try {
    thread_ = std::thread([this] { Run(); });
  } catch (const std::system_error&) {
    throw std::bad_alloc();
  }
}

Walker::~Walker() {
  CancelAll();
  {
    lsm::MutexLock lock(&mu_);
    closing_ = true;
  }
  wake_.SignalAll();
  thread_.join();
}

void Walker::Start(uint64_t id, keyspace::Wanted::Walk keys) {
  std::list<Walk> walk;
  walk.emplace_back();
  walk.back().id = id;
  walk.back().keys = std::move(keys);
  walk.back().keys.count = std::min(walk.back().keys.count, kKeysMax);
  lsm::MutexLock lock(&mu_);
  waiting_.splice(waiting_.end(), walk);
  wake_.SignalAll();
}

void Walker::Cancel(uint64_t id) {
  lsm::MutexLock lock(&mu_);
  for (std::list<Walk>* walks : {&waiting_, &running_}) {
    for (Walk& walk : *walks) {
      if (walk.id == id) walk.cancelled = true;
    }
  }
}

void Walker::CancelAll() {
  lsm::MutexLock lock(&mu_);
  for (std::list<Walk>* walks : {&waiting_, &running_}) {
    for (Walk& walk : *walks) walk.cancelled = true;
  }
}

uint64_t Walker::TakeDone() {
  std::list<Walk> done;
  lsm::MutexLock lock(&mu_);
  if (done_.empty()) return 0;
  done.splice(done.end(), done_, done_.begin());
  return done.front().id;
}

// ---- the thread ----

void Walker::Run() {
  pthread_setname_np(pthread_self(), "varve-walks");
  // Its first allocation gives the thread an arena: not when memory is short (see lsm/sync/executor.cc).
  if (void* memory = ::operator new(1, std::nothrow)) ::operator delete(memory);
  mu_.Lock();
  while (!closing_) {
    if (waiting_.empty()) {
      wake_.Wait(&mu_);
      continue;
    }
    running_.splice(running_.end(), waiting_, waiting_.begin());
    Walk* const walk = &running_.front();
    mu_.Unlock();
    try {
      RunSlice(walk);
    } catch (const std::bad_alloc&) {  // who wants it will wait for the disk
      walk->keys.count = 0;
    }
    mu_.Lock();
    const bool done = walk->keys.count == 0 || walk->cancelled;
    std::list<Walk>& next = done ? done_ : waiting_;
    next.splice(next.end(), running_);
    if (!done) continue;
    mu_.Unlock();
    on_done_();
    mu_.Lock();
  }
  mu_.Unlock();
}

void Walker::RunSlice(Walk* walk) const {
  if (walk->cancelled) return;
  lsm::ReadOptions options;
  options.lower_bound = walk->keys.from;
  options.upper_bound = walk->keys.end;
  lsm::Iterator it = db_->NewIterator(options);
  uint64_t left = std::min(walk->keys.count, kSlice);
  walk->keys.count -= left;
  std::string behind;
  for (it.SeekToFirst(); it.Valid() && !walk->cancelled; it.Next()) {
    if (--left > 0) continue;
    behind.assign(it.key()).push_back('\0');
    walk->keys.from.swap(behind);
    return;
  }
  walk->keys.count = 0;
}

}  // namespace varve::net
