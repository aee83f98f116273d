#include "lsm/live_files.h"

#include "lsm/db_impl.h"
#include "lsm/io/path.h"
#include "lsm/out_of_memory.h"
#include "lsm/version/file_names.h"

namespace varve::lsm {

namespace {

// Held by whoever fills a directory. Its name is that of a file that means nothing after a crash: an open removes it.
constexpr char kFillingLock[] = "filling.tmp";

// The name while it is being filled: nobody calls a database so.
std::string UnfinishedName(const std::string& dir) {
  return PathIn(ParentOf(dir), "." + NameOf(dir) + ".varve-unfinished");
}

// Takes away what an attempt that was never finished left in `dir`. One that holds anything else, or that somebody has
// used as a database, is left alone.
Status RemoveFiles(FileSystem* fs, const std::string& dir) {
  auto names = fs->List(dir);
  if (!names.ok()) return names.status();
  for (const std::string& name : *names) {
    const FileKind kind = ParseFileName(name).kind;
    if (kind == FileKind::kForeign || kind == FileKind::kLock || kind == FileKind::kWal) {
      return Status::InvalidArgument(dir + ": is in the way of the new directory and holds '" + name +
                                     "', which is no part of one that was not finished");
    }
  }
  for (const std::string& name : *names) {
    if (name != kFillingLock) VARVE_TRY(fs->Remove(PathIn(dir, name)));
  }
  return Status::Ok();
}

// With the lock held, which goes last.
Status RemoveUnfinished(FileSystem* fs, const std::string& dir) {
  VARVE_TRY(RemoveFiles(fs, dir));
  VARVE_TRY(fs->Remove(PathIn(dir, kFillingLock)));
  return fs->RemoveDir(dir);
}

}  // namespace

Status MakeDirectory(FileSystem* fs, const std::string& dir,
                     const std::function<Status(const std::string& temporary)>& fill) {
  // Built under another name, so that a crash leaves no half directory under the one asked for.
  const std::string temporary = UnfinishedName(dir);
  const auto check_new = [&] {
    auto exists = fs->Exists(dir);
    if (!exists.ok()) return exists.status();
    return *exists ? Status::InvalidArgument(dir + ": exists already; want a new directory") : Status::Ok();
  };
  VARVE_TRY(check_new());
  VARVE_TRY(fs->CreateDir(temporary));
  auto lock = fs->Lock(PathIn(temporary, kFillingLock));
  if (!lock.ok()) return lock.status();
  Status status = check_new();  // once more: whoever held the lock may just have finished
  if (status.ok()) status = RemoveFiles(fs, temporary);
  if (status.ok()) status = fill(temporary);
  // The lock's file goes along: were it removed before, somebody could take the lock and clear all this away.
  if (status.ok()) status = fs->Rename(temporary, dir);
  if (!status.ok()) {
    Status ignored = RemoveUnfinished(fs, temporary);  // else the next attempt does it
    (void)ignored.ok();
    return status;
  }
  Status ignored = fs->Remove(PathIn(dir, kFillingLock));  // else the next open does it
  (void)ignored.ok();
  return fs->SyncDir(ParentOf(dir));
}

Status WriteManifest(FileSystem* fs, RandomSource* random, const std::string& dir, std::string_view record) {
  auto context = std::make_shared<TableContext>();
  context->file_system = fs;
  context->dir = dir;
  const std::string source = dir + ": manifest record";
  auto edit = VersionEdit::Decode(record, source, context);
  if (!edit.ok()) return edit.status();
  ManifestState state;
  VARVE_TRY(ApplyEdit(*edit, source, &state));
  auto manifest = ManifestWriter::Create(fs, random, dir, state.next_number - 1, state);
  return manifest.ok() ? Status::Ok() : manifest.status();
}

Status DbImpl::Checkpoint(const std::string& dir) {
  FileSystem* fs = env_.file_system;
  if (!BeginJob()) return Status::Closed();
  Status status = OrOutOfMemory([&] {
    return MakeDirectory(fs, WithoutTrailingSlashes(dir), [&](const std::string& temporary) {
      auto live = GetLiveFiles();
      if (!live.ok()) return live.status();
      for (const LiveFiles::File& file : live->files) VARVE_TRY(fs->Link(file.path, temporary + "/" + file.name));
      return WriteManifest(fs, env_.random, temporary, live->manifest);
    });
  });
  EndJob();
  return status;
}

Result<LiveFiles> DbImpl::GetLiveFiles() {
  return OrOutOfMemory([&] { return ListLiveFiles(); });
}

Result<LiveFiles> DbImpl::ListLiveFiles() {
  if (Status s = Flush(); !s.ok()) return s;  // then the tables alone hold everything acknowledged so far
  ManifestState state;
  LiveFiles live;
  {
    MutexLock lock(&mu_);
    if (closing_.load(std::memory_order_relaxed)) return Status::Closed();
    state = state_;
    ++jobs_;
  }
  // The version keeps its tables from being removed.
  live.pin = std::shared_ptr<const void>(this, [this, version = state.version](const void*) mutable {
    version.reset();
    MutexLock lock(&mu_);
    --jobs_;
    changed_.SignalAll();
  });
  state.next_number = NextNumber() + 1;  // the number below is the new manifest's
  state.wal_number = state.next_number;
  state.durable_sequence = 0;  // no log goes with it
  live.sequence = state.flushed_sequence;
  live.manifest = FirstEdit(state).Encode();
  for (int n = 0; n < kLevels; ++n) {
    for (const TableFileRef& file : state.version->level(n)) {
      const std::string path = file->path();
      live.files.push_back({path.substr(dir_.size() + 1), path, file->table_id(), file->facts().file_size});
    }
  }
  for (const ValueLogFileRef& file : state.version->value_logs()) {
    const std::string path = file->path();
    live.files.push_back({path.substr(dir_.size() + 1), path, file->facts().file_id, file->facts().file_size});
  }
  return live;
}

}  // namespace varve::lsm
