#include "lsm/wal/wal.h"

#include <algorithm>
#include <utility>

#include "lsm/out_of_memory.h"
#include "lsm/wal/log_format.h"

namespace varve::lsm {

Result<std::unique_ptr<Wal>> Wal::Create(Setup setup) {
  std::unique_ptr<Wal> wal(new Wal(std::move(setup)));
  auto first = wal->Begin(/*earlier_durable=*/true);
  if (!first.ok()) return first.status();
  wal->current_ = *first;
  MutexLock lock(&wal->mu_);
  wal->segments_.push_back(*first);
  return wal;
}

Result<std::shared_ptr<LogWriter>> Wal::Begin(bool earlier_durable) {
  LogWriter::Setup segment;
  segment.number = setup_.next_number();
  segment.salt = static_cast<uint32_t>(setup_.random->Next());
  segment.write_ahead_bytes = setup_.write_ahead_bytes;
  segment.earlier_durable = earlier_durable;
  const std::string path = setup_.file_name(segment.number);
  uint64_t old_number = 0;
  {
    MutexLock lock(&mu_);
    if (!recycled_.empty() && failure_.ok()) {
      old_number = recycled_.back().number;
      renewed_bytes_ = recycled_.back().bytes;
      recycled_.pop_back();
    }
  }
  auto begun = OrOutOfMemory([&] { return BeginAt(path, old_number, segment); });
  if (!begun.ok()) GiveUp(path);
  return begun;
}

Result<std::shared_ptr<LogWriter>> Wal::BeginAt(const std::string& path, uint64_t old_number,
                                                LogWriter::Setup segment) const {
  FileSystem* fs = setup_.file_system;
  if (old_number != 0) segment.recycled = fs->Rename(setup_.file_name(old_number), path).ok();
  auto writer = LogWriter::Open(fs, path, segment);
  if (!writer.ok()) return writer.status();
  VARVE_TRY(fs->SyncDir(setup_.dir));
  return std::shared_ptr<LogWriter>(std::move(writer).value());
}

// A segment that was not begun must not stay: on a full disk every write tries to begin one.
void Wal::GiveUp(const std::string& path) {
  IfMemoryAllows([&] { static_cast<void>(setup_.file_system->Remove(path).ok()); });  // else it goes at the next open
  MutexLock lock(&mu_);
  renewed_bytes_ = 0;
}

Status Wal::Append(std::string_view payload) {
  VARVE_TRY(current_->Append(payload));
  appended_bytes_.fetch_add(payload.size() + kLogHeaderSize, std::memory_order_release);
  return Status::Ok();
}

Status Wal::Rotate() {
  {
    MutexLock lock(&mu_);
    segments_.reserve(segments_.size() + 1);
  }
  MutexLock begin_lock(&begin_mu_);
  VARVE_TRY(PrepareLocked());
  if (Status s = OrOutOfMemory([&] { return current_->Seal(); }); !s.ok()) {
    GiveUp(std::exchange(prepared_, nullptr)->path());
    return s;
  }
  current_ = std::exchange(prepared_, nullptr);
  MutexLock lock(&mu_);
  segments_.push_back(current_);
  renewed_bytes_ = 0;
  return Status::Ok();
}

Status Wal::Prepare() {
  MutexLock lock(&begin_mu_);
  return PrepareLocked();
}

Status Wal::PrepareLocked() {
  if (prepared_ != nullptr) return Status::Ok();
  auto next = Begin(/*earlier_durable=*/false);
  if (!next.ok()) return next.status();
  prepared_ = std::move(next).value();
  MutexLock lock(&mu_);
  renewed_bytes_ = prepared_->file_size();
  return Status::Ok();
}

void Wal::GiveUpPrepared() {
  MutexLock lock(&begin_mu_);
  if (prepared_ != nullptr) GiveUp(std::exchange(prepared_, nullptr)->path());
}

Status Wal::Sync() {
  return group_sync_.Sync([this] { return SyncSegments(); });
}

// Allocates nothing: what was written is durable or the log has failed, never "no memory".
Status Wal::SyncSegments() {
  uint64_t last;  // one that begins meanwhile must wait: the one before it goes on until then
  {
    MutexLock lock(&mu_);
    if (!failure_.ok()) return failure_;
    last = segments_.back()->number();
  }
  for (auto segment = SegmentBehind(0); segment != nullptr && segment->number() <= last;
       segment = SegmentBehind(segment->number())) {
    segment->set_earlier_durable();  // all before it are synced by now
    if (segment->synced_size() >= segment->size()) continue;
    if (Status s = segment->Sync(); !s.ok()) {
      NoteFailure(s, *segment);
      return s;
    }
    syncs_.fetch_add(1, std::memory_order_relaxed);
  }
  return Status::Ok();
}

std::shared_ptr<LogWriter> Wal::SegmentBehind(uint64_t number) const {
  MutexLock lock(&mu_);
  const auto next =
      std::find_if(segments_.begin(), segments_.end(), [&](const auto& s) { return s->number() > number; });
  return next == segments_.end() ? nullptr : *next;
}

void Wal::NoteFailure(const Status& failure, const LogWriter& segment) {
  {
    MutexLock lock(&mu_);
    failure_ = failure;
    // Given up meanwhile, it is in a table, and its file may be another segment's by now. Else it stays what it is.
    if (segment.number() < segments_.front()->number()) return;
  }
  IfMemoryAllows(
      [&] { LogWriter::MakeDirtyAgain(setup_.file_system, segment.path(), segment.synced_size(), segment.size()); });
}

void Wal::Release(uint64_t number, uint64_t reuse_bytes_max) {
  MutexLock lock(&mu_);
  if (!failure_.ok()) return;
  while (segments_.size() > 1 && segments_.front()->number() < number) {
    const Recycled old{segments_.front()->number(), segments_.front()->file_size()};
    segments_.erase(segments_.begin());
    const size_t prepared = renewed_bytes_ != 0 ? 1 : 0;
    if (recycled_.size() + prepared < kRecycledMax && old.bytes <= reuse_bytes_max) {
      recycled_.push_back(old);
      continue;
    }
    removed_bytes_ += old.bytes;
    mu_.Unlock();
    RemoveSegment(old.number);
    mu_.Lock();
    removed_bytes_ -= old.bytes;
  }
}

// One that cannot be removed is below the manifest's wal number and goes at the next open.
void Wal::RemoveSegment(uint64_t number) const noexcept {
  IfMemoryAllows([&] { static_cast<void>(setup_.file_system->Remove(setup_.file_name(number)).ok()); });
}

uint64_t Wal::current_number() const {
  MutexLock lock(&mu_);
  return segments_.back()->number();
}

uint64_t Wal::disk_bytes() const {
  MutexLock lock(&mu_);
  uint64_t bytes = renewed_bytes_ + removed_bytes_;
  for (const auto& segment : segments_) bytes += segment->file_size();
  for (const Recycled& segment : recycled_) bytes += segment.bytes;
  return bytes;
}

bool Wal::NeedsSync() const {
  return !group_sync_.AllDurable();
}

}  // namespace varve::lsm
