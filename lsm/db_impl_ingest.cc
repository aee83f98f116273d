// Ingest: tables from outside become part of the database.
//
// Their versions have no sequences of their own; the manifest's facts of the file say which are added when it is read
// (Table::SetSequences): one for its range tombstones, the next for its keys. The sequences are used up by a record in
// the log before the edit, so that whatever becomes of the edit nothing else is ever written under them. All memtables
// are flushed before, in the same turn at the head of the commit queue: nothing older than the files lies above them,
// and the manifest's flushed sequence moves past them with the same edit.
#include <deque>

#include "absl/cleanup/cleanup.h"
#include "lsm/backup.h"
#include "lsm/db_impl_jobs.h"
#include "lsm/io/copy_file.h"
#include "lsm/io/path.h"
#include "lsm/out_of_memory.h"
#include "lsm/version/file_names.h"

namespace varve::lsm {

Status DbImpl::Ingest(std::span<const std::string> files, const IngestOptions& options) {
  VARVE_TRY(CheckWritable());
  if (files.empty()) return Status::Ok();
  if (!BeginJob()) return Status::Closed();
  Status status = OrOutOfMemory([&] { return TakeInAndPlace(files, options); });
  EndJob();
  return status;
}

Status DbImpl::TakeInAndPlace(std::span<const std::string> files, const IngestOptions& options) {
  ActiveJob job;
  job.facts.kind = JobKind::kIngest;
  job.facts.from_level = -1;
  job.facts.reason = std::to_string(files.size()) + (files.size() == 1 ? " file" : " files") + " from outside";
  for (const std::string& path : files) job.bytes_total += env_.file_system->FileSize(path).value_or(0);
  StartJob(&job);
  std::vector<Incoming> incoming;
  bool in_manifest = false;
  Status status = OrOutOfMemory([&] {
    VARVE_TRY(TakeAllIn(files, options.move_files, &job, &incoming));
    VARVE_TRY(Flush());  // what is left to be flushed while writers wait is little
    const Turn turn(this);
    return Place(&incoming, job, &in_manifest);
  });
  for (const Incoming& table : incoming) {
    if (!in_manifest) RemoveIfPossible(table.path);
    ReleaseFile(table.facts.file_size, /*removed=*/!in_manifest);
  }
  for (const std::string& path : files) {
    if (status.ok() && options.move_files) RemoveIfPossible(path);
  }
  view_->Reap();
  RemoveBuried();
  FinishJob(&job, status);
  return status;
}

Status DbImpl::TakeAllIn(std::span<const std::string> files, bool link, ActiveJob* job,
                         std::vector<Incoming>* incoming) {
  incoming->reserve(files.size());
  for (const std::string& path : files) {
    auto taken = TakeIn(path, link);
    if (!taken.ok()) return taken.status();
    job->meter.entries_read.fetch_add(taken->facts.entries, std::memory_order_relaxed);
    job->meter.bytes_written.fetch_add(taken->facts.file_size, std::memory_order_relaxed);
    incoming->push_back(std::move(taken).value());
    if (EventListener* listener = env_.options.listener) listener->OnJobProgress(job->Now());
  }
  return Status::Ok();
}

// Checks a file and brings it into the directory, under a temporary name.
Result<DbImpl::Incoming> DbImpl::TakeIn(const std::string& path, bool link) {
  FileSystem* fs = env_.file_system;
  // A table that was taken in looks like a file from outside still, but a database or a backup lives on it.
  auto in_database = fs->Exists(CurrentFileName(ParentOf(path)));
  if (!in_database.ok()) return in_database.status();
  if (*in_database || Backup::IsStoredName(NameOf(path))) {
    return Status::InvalidArgument(path + ": belongs to a " + (*in_database ? "database" : "backup") +
                                   "; only files made by TableWriter, outside of one, can be taken in");
  }
  auto file = fs->OpenForRead(path);
  if (!file.ok()) return file.status();
  const Result<uint64_t> size = (*file)->Size();
  if (!size.ok()) return size.status();
  auto table = Table::Open(std::move(file).value(), *size, 0, 0, cache_.get());
  if (!table.ok()) return table.status();
  const TableProperties& properties = (*table)->properties();
  if (!properties.external || properties.largest_seq > 1 || properties.table_id == 0 ||
      !properties.value_logs.empty()) {
    return Status::InvalidArgument(path +
                                   ": a table of a database, not a file made by TableWriter; only those can be "
                                   "taken in");
  }
  if (const std::string_view own = rules_.merge_operator != nullptr ? rules_.merge_operator->name() : "";
      !properties.merge_operator.empty() && properties.merge_operator != own) {
    return Status::InvalidArgument(path + ": holds merges for operator '" + properties.merge_operator +
                                   "', and this database has " + (own.empty() ? "none" : "'" + std::string(own) + "'"));
  }
  uint64_t blocks = 0, entries = 0;
  std::vector<std::string> problems;
  (*table)->Verify(&blocks, &entries, &problems);
  if (!problems.empty()) return Status::Corruption(problems.front());

  Incoming incoming{
      .path = TableFileName(dir_, NextNumber()) + ".tmp", .table_id = (*table)->table_id(), .facts = (*table)->Facts()};
  incoming.facts.created_ms = env_.clock->WallMillis();
  VARVE_TRY(AdmitFile(*size));
  const std::string& target = incoming.path;
  const ChunkVisitor stop_when_closing = [this](std::string_view) {
    return closing_.load(std::memory_order_relaxed) ? Status::Closed() : Status::Ok();
  };
  const Status s = OrOutOfMemory([&]() -> Status {
    if (!link) return CopyFile(fs, path, target, stop_when_closing);
    VARVE_TRY(LinkOrCopyFile(fs, path, target, stop_when_closing));
    // It was perhaps never synced by whoever made it.
    auto linked = fs->OpenForWrite(target);
    return linked.ok() ? (*linked)->Sync() : linked.status();
  });
  if (s.ok()) return incoming;
  RemoveIfPossible(target);
  ReleaseFile(*size, /*removed=*/true);
  return s;
}

// Flushes all memtables while no writer writes: after Flush() they are at most two, and the active one is small.
Status DbImpl::FlushAllInTurn() {
  if (!active_->empty()) {
    {
      MutexLock lock(&mu_);
      Await([this]()
                VARVE_REQUIRES(mu_) { return sealed_.size() < kSealedMax || StoppedLocked() || !flush_error_.ok(); });
      if (sealed_.size() >= kSealedMax && !flush_error_.ok()) return flush_error_;
    }
    VARVE_TRY(CheckWritable());
    VARVE_TRY(SealMemTable());
  }
  MutexLock lock(&mu_);
  Await([this]() VARVE_REQUIRES(mu_) { return sealed_.empty() || StoppedLocked() || !flush_error_.ok(); });
  if (fenced_.load(std::memory_order_relaxed)) return fence_;
  if (closing_.load(std::memory_order_relaxed)) return Status::Closed();
  if (!sealed_.empty()) return flush_error_;
  // A reader that took its view before the tables are in it must not find in it what is written after them.
  auto before = std::exchange(active_, std::make_shared<MemTable>());
  try {
    InstallViewLocked();
  } catch (const std::bad_alloc&) {
    active_ = std::move(before);
    throw;
  }
  AfterChangeLocked();
  return Status::Ok();
}

// As the commit leader: gives the tables their sequences and levels, all in one edit. `*in_manifest`: the edit may be on
// the disk, so that the files are not to be removed.
Status DbImpl::Place(std::vector<Incoming>* incoming, const ActiveJob& job, bool* in_manifest) {
  VARVE_TRY(CheckWritable());
  VARVE_TRY(MakeRoom(/*may_wait=*/true, WriteBatch()));  // they may all go to level 0
  VARVE_TRY(FlushAllInTurn());
  // Only now, so that all tables with smaller numbers are older: repair goes by that when the manifest is lost.
  for (Incoming& table : *incoming) {
    table.number = NextNumber();
    std::string path = TableFileName(dir_, table.number);
    VARVE_TRY(env_.file_system->Rename(table.path, path));
    table.path = std::move(path);
  }
  VARVE_TRY(env_.file_system->SyncDir(dir_));
  WriteBatch record;
  record.SetSequence(last_sequence_ + 1);
  for (Incoming& table : *incoming) {
    table.facts.smallest_seq = record.sequence() + record.count();
    record.NoteIngest();
    if (table.facts.entries > 0 && table.facts.range_deletes > 0) record.NoteIngest();
    table.facts.largest_seq = record.sequence() + record.count() - 1;
  }
  if (Status s = wal_->Append(record.bytes()); !s.ok()) {
    return FencedAfter(s);
  }
  last_sequence_ += record.count();
  Status status = OrOutOfMemory([&] { return InstallIncoming(*incoming, job, in_manifest); });
  if (!status.ok()) visible_.store(last_sequence_, std::memory_order_release);  // used up in the log all the same
  return status;
}

Status DbImpl::InstallIncoming(const std::vector<Incoming>& incoming, const ActiveJob& job, bool* in_manifest) {
  VersionEdit edit;
  edit.flushed_sequence = last_sequence_;
  std::deque<CompactionPlan> places;  // as if a compaction wrote there: none that is begun meanwhile does
  const absl::Cleanup leave = [&] {
    MutexLock lock(&mu_);
    for (const CompactionPlan& place : places) std::erase(running_plans_, &place);
    ScheduleWorkLocked();
    changed_.SignalAll();
  };
  {
    MutexLock lock(&mu_);
    for (const Incoming& table : incoming) {
      const int level = LevelForLocked(table.facts);
      edit.added.push_back({level, std::make_shared<TableFile>(table.number, table.table_id, table.facts, context_)});
      CompactionPlan& place = places.emplace_back();
      place.level = place.output_level = level;
      place.smallest = table.facts.smallest;
      place.largest = table.facts.largest;
      running_plans_.push_back(&place);
    }
  }
  edit.jobs.push_back(CompletedJob(job, edit));
  *in_manifest = true;
  return InstallEdit(&edit, 0);
}

// The deepest level at which the table meets nothing, with nothing of its range above. A running compaction's output
// lies within the bounds of what it reads: there only level 0 is free, and so is it under another table of this call.
int DbImpl::LevelForLocked(const TableFacts& facts) const {
  const Version& version = *state_.version;
  for (const CompactionPlan* plan : running_plans_) {
    if (plan->smallest <= facts.largest && facts.smallest <= plan->largest) return 0;
  }
  if (env_.options.compaction == CompactionStyle::kFifo) return 0;
  const bool leveled = env_.options.compaction == CompactionStyle::kLeveled;
  const int base_level = leveled ? ComputeTargets(version, picker_options()).base_level : kLevels - 1;
  int deepest = 0;
  for (int n = 0; n < kLevels && !version.AnyOverlap(n, facts.smallest, facts.largest); ++n) {
    if (n >= base_level) deepest = n;
  }
  return deepest;
}

}  // namespace varve::lsm
