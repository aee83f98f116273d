// Edits of the manifest: what makes a finished job part of the database, and what is then removed.
#include <algorithm>
#include <set>

#include "lsm/db_impl.h"
#include "lsm/out_of_memory.h"
#include "lsm/version/file_names.h"

namespace varve::lsm {

namespace {
// Numbers of the tables that only change their level: the edit removes and adds them.
std::set<uint64_t> MovedTables(const VersionEdit& edit) {
  std::set<uint64_t> added, moved;
  for (const VersionEdit::Added& table : edit.added) added.insert(table.file->number());
  for (const VersionEdit::Removed& table : edit.removed) {
    if (added.contains(table.number)) moved.insert(table.number);
  }
  return moved;
}
}  // namespace

Status DbImpl::InstallEdit(VersionEdit* edit, size_t flushed) {
  bool reached = false;
  Status status = OrOutOfMemory([&] { return WriteEdit(edit, flushed, &reached); });
  if (!status.ok() && !reached) Discard(*edit);
  EventListener* listener = env_.options.listener;
  if (listener == nullptr) return status;
  if (!status.ok()) TellFence();
  if (!status.ok()) return status;
  IfMemoryAllows([&] {
    const std::set<uint64_t> moved = MovedTables(*edit);
    for (const VersionEdit::Added& added : edit->added) {
      if (!moved.contains(added.file->number())) listener->OnTableCreated(added.file->number(), added.file->path());
    }
  });
  return status;
}

Status DbImpl::WriteEdit(VersionEdit* edit, size_t flushed, bool* reached) {
  const std::set<uint64_t> moved = MovedTables(*edit);
  MutexLock manifest_lock(&manifest_mu_);
  ManifestState next;
  {
    MutexLock lock(&mu_);
    if (fenced_.load(std::memory_order_relaxed)) return fence_;
    next = state_;
  }
  if (manifest_->WantsRewrite()) VARVE_TRY(RewriteManifest(next));
  edit->next_number = next_number_.load(std::memory_order_relaxed);
  VARVE_TRY(ApplyEdit(*edit, dir_ + ": edit", &next));
  *reached = true;
  if (Status s = manifest_->Append(*edit); !s.ok()) {
    if (Harmful(s)) SetFence(s);
    // The edit may have reached the disk nevertheless, so its new files stay until the next one has overwritten it.
    LeaveUnplaced(*edit, moved);
    return s;
  }
  BuryUnplaced();
  const Status status = OrOutOfMemory([&] {
    InstallState(*edit, moved, std::move(next), flushed);
    return Status::Ok();
  });
  if (status.ok()) return status;
  SetFence(status);  // what is in the manifest is not all here, nor what readers see all that is
  MutexLock lock(&mu_);
  return fence_;
}

// The files that the edit would have added, which nothing on the disk names, go.
void DbImpl::Discard(const VersionEdit& edit) {
  for (const VersionEdit::Added& added : edit.added) {
    const bool moved = std::any_of(edit.removed.begin(), edit.removed.end(), [&](const VersionEdit::Removed& removed) {
      return removed.number == added.file->number();
    });
    if (!moved) added.file->MarkObsolete();
  }
  for (const ValueLogFileRef& file : edit.value_logs) file->MarkObsolete();
}

// Those that there is no memory to remember stay until the next open.
void DbImpl::LeaveUnplaced(const VersionEdit& edit, const std::set<uint64_t>& moved) noexcept try {
  for (const VersionEdit::Added& added : edit.added) {
    if (!moved.contains(added.file->number())) unplaced_tables_.push_back(added.file);
  }
  unplaced_value_logs_.insert(unplaced_value_logs_.end(), edit.value_logs.begin(), edit.value_logs.end());
} catch (const std::bad_alloc&) {
}

// Whether the manifest may not go on: not where there was no room, or memory, for an edit, and the next one takes its
// place.
bool DbImpl::Harmful(const Status& status) const {
  return manifest_->fenced() || (!status.Is(StatusCode::kNoSpace) && !status.Is(StatusCode::kOutOfMemory));
}

void DbImpl::InstallState(const VersionEdit& edit, const std::set<uint64_t>& moved, ManifestState next,
                          size_t flushed) {
  MutexLock lock(&mu_);
  for (const VersionEdit::Removed& removed : edit.removed) {
    if (moved.contains(removed.number)) continue;
    for (const TableFileRef& file : state_.version->level(removed.level)) {
      if (file->number() == removed.number) file->MarkObsolete();
    }
  }
  for (const ValueLogFileRef& file : state_.version->value_logs()) {
    if (FindValueLog(next.version->value_logs(), file->number()) == nullptr) file->MarkObsolete();
  }
  state_ = std::move(next);
  if (!edit.added.empty() && !state_.version->with_range_tombstones().empty()) drop_due_ = true;
  CheckQuarantineLocked();
  sealed_.erase(sealed_.begin(), sealed_.begin() + static_cast<std::ptrdiff_t>(flushed));
  InstallViewLocked();
  // What Ingest adds is visible once it is there, in one step for whoever takes a snapshot or drops what nobody sees.
  if (visible_.load(std::memory_order_relaxed) < state_.flushed_sequence) {
    visible_.store(state_.flushed_sequence, std::memory_order_release);
  }
  AfterChangeLocked();
}

// The manifest's end is known again.
void DbImpl::BuryUnplaced() {
  manifest_disk_bytes_.store(manifest_->size(), std::memory_order_relaxed);
  for (const TableFileRef& file : std::exchange(unplaced_tables_, {})) file->MarkObsolete();
  for (const ValueLogFileRef& file : std::exchange(unplaced_value_logs_, {})) file->MarkObsolete();
}

// Before a job writes anything: as long as the manifest has no space for its edit, each retry would leave its files behind
// for the sake of an edit that may have reached the disk. An empty edit in its place, and they can go.
Status DbImpl::SettleManifest() {
  Status status;
  {
    MutexLock manifest_lock(&manifest_mu_);
    if (unplaced_tables_.empty() && unplaced_value_logs_.empty()) return Status::Ok();
    VersionEdit nothing;
    nothing.names_format = true;
    status = manifest_->Append(nothing);
    if (status.ok()) {
      BuryUnplaced();
    } else if (Harmful(status)) {
      SetFence(status);
    }
  }
  if (!status.ok()) TellFence();
  RemoveBuried();
  return status;
}

// Begins a fresh manifest. Where a full disk has no place for one, or memory, the old one goes on.
Status DbImpl::RewriteManifest(ManifestState state) {
  const uint64_t number = NextNumber();
  state.next_number = number + 1;
  const std::string old = manifest_->path(), next = dir_ + "/" + ManifestName(number);
  const std::string temporary = CurrentFileName(dir_) + ".tmp";
  auto fresh =
      OrOutOfMemory([&] { return ManifestWriter::Create(env_.file_system, env_.random, dir_, number, state); });
  if (fresh.ok()) {
    manifest_ = std::move(fresh).value();
    RemoveIfPossible(old);
    return Status::Ok();
  }
  const bool harmless = fresh.status().Is(StatusCode::kNoSpace) || fresh.status().Is(StatusCode::kOutOfMemory);
  if (!harmless || !IsCurrent(old, next)) {
    SetFence(fresh.status());  // after a crash CURRENT may name either
    return fresh.status();
  }
  RemoveIfPossible(next);
  RemoveIfPossible(temporary);
  return Status::Ok();
}

// Whether CURRENT is known to name the manifest `old`, not the one that was to follow it.
bool DbImpl::IsCurrent(const std::string& old, const std::string& next) const noexcept {
  bool known = false;
  IfMemoryAllows([&] {
    const bool begun = env_.file_system->Exists(next).value_or(true);
    const auto current = ReadCurrent(env_.file_system, dir_);
    known = !begun || (current.ok() && dir_ + "/" + current->manifest == old);
  });
  return known;
}

// What cannot be removed now goes at the next open.
bool DbImpl::RemoveIfPossible(const std::string& path) const noexcept {
  bool removed = false;
  IfMemoryAllows([&] { removed = env_.file_system->Remove(path).ok(); });
  return removed;
}

void DbImpl::RemoveBuried() noexcept {
  bool any = false;
  for (const auto& [path, size] : context_->graveyard->TakeAll()) {
    if (!RemoveIfPossible(path)) continue;
    any = true;
    table_disk_bytes_.fetch_sub(size, std::memory_order_relaxed);
    if (env_.options.listener == nullptr) continue;
    const ParsedName parsed = ParseFileName(std::string_view(path).substr(dir_.size() + 1));
    if (parsed.kind != FileKind::kTable) continue;
    IfMemoryAllows(
        [this, number = parsed.number, &removed = path] { env_.options.listener->OnTableDeleted(number, removed); });
  }
  if (!any || max_disk_bytes_.load(std::memory_order_relaxed) == 0) return;
  MutexLock lock(&mu_);
  UpdateSpaceLocked();
  work_epoch_.fetch_add(1, std::memory_order_relaxed);
  ScheduleWorkLocked();  // what there was no room for
  changed_.SignalAll();
}

void DbImpl::RemoveReplayedWals(uint64_t below) {
  std::vector<uint64_t> removed;
  {
    MutexLock lock(&mu_);
    auto keep = std::partition(replayed_wals_.begin(), replayed_wals_.end(), [&](uint64_t n) { return n >= below; });
    removed.assign(keep, replayed_wals_.end());
    replayed_wals_.erase(keep, replayed_wals_.end());
    if (replayed_wals_.empty()) replayed_disk_bytes_.store(0, std::memory_order_relaxed);
  }
  std::sort(removed.begin(), removed.end());  // oldest first: what is left after a crash is a suffix
  for (uint64_t number : removed) RemoveIfPossible(WalFileName(dir_, number));
}

}  // namespace varve::lsm
