#include "net/disk_reads.h"

#include <new>
#include <utility>

namespace varve::net {

DiskReads::DiskReads(uv_loop_t* loop, lsm::Db* db, std::function<void(uint64_t client_id)> on_done)
    : db_(db), on_done_(std::move(on_done)) {
  done_.reserve(kUnderWayMax);
  finished_.reserve(kUnderWayMax);
  uv_async_init(loop, &async_, [](uv_async_t* async) { static_cast<DiskReads*>(async->data)->OnDone(); });
  async_.data = this;
  uv_unref(reinterpret_cast<uv_handle_t*>(&async_));  // does not keep the loop going
}

DiskReads::~DiskReads() {
  lsm::MutexLock lock(&mu_);
  while (unreported_ > 0) all_reported_.Wait(&mu_);
}

void DiskReads::Start(uint64_t client_id, std::vector<std::string> keys) {
  const uint64_t id = next_id_++;
  waits_.emplace(id, Wait{.client_id = client_id, .keys = std::move(keys)});
  try {
    turns_.push_back(id);
  } catch (const std::bad_alloc&) {
    waits_.erase(id);
    throw;
  }
  BeginReads();
}

void DiskReads::Close() {
  {
    lsm::MutexLock lock(&mu_);
    closed_ = true;
  }
  turns_.clear();
  uv_close(reinterpret_cast<uv_handle_t*>(&async_), nullptr);
}

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
    auto it = waits_.find(id);
    if (++it->second.done < it->second.keys.size()) continue;
    const uint64_t client_id = it->second.client_id;
    waits_.erase(it);
    on_done_(client_id);
  }
  BeginReads();
}

}  // namespace varve::net
