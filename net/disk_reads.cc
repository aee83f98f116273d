#include "net/disk_reads.h"

#include <algorithm>
#include <cassert>
#include <new>
#include <utility>

namespace varve::net {

DiskReads::DiskReads(uv_loop_t* loop, lsm::Db* db, std::function<void(uint64_t client_id)> on_done)
    : loop_(loop), db_(db), on_done_(std::move(on_done)) {
  done_.reserve(kUnderWayMax);
  finished_.reserve(kUnderWayMax);
  uv_async_init(loop, &async_, [](uv_async_t* async) { static_cast<DiskReads*>(async->data)->OnDone(); });
  async_.data = this;
  // The pool's threads begin with the first work, and libuv ends the process if they cannot: then let it be at the start.
  uv_queue_work(
      loop, &first_work_, [](uv_work_t*) {}, nullptr);
  uv_unref(reinterpret_cast<uv_handle_t*>(&async_));  // does not keep the loop going
}

DiskReads::~DiskReads() {
  lsm::MutexLock lock(&mu_);
  while (unreported_ > 0) all_reported_.Wait(&mu_);
}

void DiskReads::Start(uint64_t client_id, keyspace::Wanted wanted) {
  const uint64_t id = next_id_++;
  std::unique_ptr<Walk> walk;
  if (wanted.walk.count != 0)
    walk.reset(new Walk{.reads = this, .id = id, .keys = std::move(wanted.walk), .request = {}, .ends = false});
  Walk* const walked = walk.get();
  const bool reads = !wanted.records.empty();
  waits_.emplace(id, Wait{.client_id = client_id, .keys = std::move(wanted.records), .walk = std::move(walk)});
  try {
    if (reads) turns_.push_back(id);
  } catch (const std::bad_alloc&) {
    waits_.erase(id);
    throw;
  }
  if (walked != nullptr) BeginWalk(walked);
  BeginReads();
}

void DiskReads::Cancel(uint64_t client_id) {
  for (auto& [id, wait] : waits_) {
    if (wait.client_id == client_id && wait.walk != nullptr) wait.walk->ends = true;
  }
}

void DiskReads::Stop() {
  stopped_ = true;
  for (auto& [id, wait] : waits_) {
    if (wait.walk != nullptr) wait.walk->ends = true;
  }
}

void DiskReads::Close() {
  {
    lsm::MutexLock lock(&mu_);
    closed_ = true;
  }
  Stop();
  turns_.clear();
  uv_close(reinterpret_cast<uv_handle_t*>(&async_), nullptr);
}

// ---- walks ----

void DiskReads::BeginWalk(Walk* walk) {
  walk->request.data = walk;
  const auto work = [](uv_work_t* request) {
    auto* self = static_cast<Walk*>(request->data);
    try {
      self->reads->RunSlice(self);
    } catch (const std::bad_alloc&) {  // who wants it will wait for the disk
      self->keys.count = 0;
    }
  };
  const auto done = [](uv_work_t* request, int /*status*/) {
    auto* self = static_cast<Walk*>(request->data);
    self->reads->OnWalked(self->id);  // destroys it
  };
  const int error = uv_queue_work(loop_, &walk->request, work, done);
  assert(error == 0);  // it has no other than a missing function
  (void)error;
}

// In a thread of the pool.
void DiskReads::RunSlice(Walk* walk) const {
  lsm::ReadOptions options;
  options.lower_bound = walk->keys.from;
  options.upper_bound = walk->keys.end;
  lsm::Iterator it = db_->NewIterator(options);
  uint64_t left = std::min(walk->keys.count, kWalkSlice);
  walk->keys.count -= left;
  std::string last;
  for (it.SeekToFirst(); it.Valid() && !walk->ends; it.Next()) {
    if (--left > 0) continue;
    last.assign(it.key()).push_back('\0');
    walk->keys.from.swap(last);
    return;
  }
  walk->keys.count = 0;
}

void DiskReads::OnWalked(uint64_t id) {
  Wait& wait = waits_.at(id);
  if (wait.walk->keys.count != 0 && !wait.walk->ends) return BeginWalk(wait.walk.get());  // behind the others
  wait.walk.reset();
  FinishIfDone(id);
}

// ---- single records ----

void DiskReads::BeginReads() {
  while (under_way_ < kUnderWayMax && !turns_.empty()) {
    const uint64_t id = turns_.front();
    Wait& wait = waits_.at(id);
    BeginRead(id, wait.keys[wait.begun++]);
    if (wait.begun == wait.keys.size()) {
      turns_.pop_front();
    } else {
      turns_.splice(turns_.end(), turns_, turns_.begin());
    }
  }
}

void DiskReads::BeginRead(uint64_t id, const std::string& key) {
  ++under_way_;
  {
    lsm::MutexLock lock(&mu_);
    ++unreported_;
  }
  try {
    if (db_->GetAsync({}, key, [this, id](lsm::Result<bool>, lsm::PinnedValue) { NoteDone(id); }).ok()) return;
  } catch (const std::bad_alloc&) {
  }
  NoteDone(id);  // it cannot be had so: who wants it will wait for the disk
}

// From any thread.
void DiskReads::NoteDone(uint64_t id) {
  lsm::MutexLock lock(&mu_);
  done_.push_back(id);
  if (!closed_) uv_async_send(&async_);
  if (--unreported_ == 0) all_reported_.SignalAll();
}

void DiskReads::OnDone() {
  finished_.clear();
  {
    lsm::MutexLock lock(&mu_);
    finished_.swap(done_);
    done_.reserve(kUnderWayMax);
  }
  under_way_ -= finished_.size();
  for (uint64_t id : finished_) {
    ++waits_.at(id).done;
    FinishIfDone(id);
  }
  BeginReads();
}

void DiskReads::FinishIfDone(uint64_t id) {
  const auto it = waits_.find(id);
  if (it->second.walk != nullptr || it->second.done < it->second.keys.size()) return;
  const uint64_t client_id = it->second.client_id;
  waits_.erase(it);
  if (!stopped_) on_done_(client_id);
}

}  // namespace varve::net
