#include "net/disk_reads.h"

#include <new>
#include <utility>

namespace varve::net {

DiskReads::DiskReads(uv_loop_t* loop, lsm::Db* db, std::function<void(uint64_t client_id)> on_done)
    : db_(db), on_done_(std::move(on_done)), walker_(db, [this] { WakeLoop(); }) {
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

void DiskReads::Start(uint64_t client_id, keyspace::Wanted wanted) {
  const uint64_t id = next_id_++;
  const bool reads = !wanted.records.empty(), walks = wanted.walk.count != 0;
  waits_.emplace(id, Wait{.client_id = client_id, .keys = std::move(wanted.records), .walking = walks});
  try {
    if (reads) turns_.push_back(id);
    if (walks) walker_.Start(id, std::move(wanted.walk));
  } catch (const std::bad_alloc&) {
    turns_.remove(id);
    waits_.erase(id);
    throw;
  }
  BeginReads();
}

void DiskReads::Cancel(uint64_t client_id) {
  for (const auto& [id, wait] : waits_) {
    if (wait.client_id == client_id && wait.walking) walker_.Cancel(id);
  }
}

void DiskReads::Stop() {
  stopped_ = true;
  walker_.CancelAll();
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

// From the walker's thread.
void DiskReads::WakeLoop() {
  lsm::MutexLock lock(&mu_);
  if (!closed_) uv_async_send(&async_);
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
  while (const uint64_t id = walker_.TakeDone()) {
    waits_.at(id).walking = false;
    FinishIfDone(id);
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
  if (it->second.walking || it->second.done < it->second.keys.size()) return;
  const uint64_t client_id = it->second.client_id;
  waits_.erase(it);
  if (!stopped_) on_done_(client_id);
}

}  // namespace varve::net
