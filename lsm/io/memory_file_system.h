// lsm/io/memory_file_system.h - files in memory that know what a power loss would leave of them.
//
// POSIX promises little, and this file system gives no more (rules R1-R3 of docs/reliability.md):
//   file       live bytes, as reads see them | durable bytes, as of the last Sync | every write since then, by block
//   directory  live names                    | durable names, as of the last SyncDir | every change since then, in
//   order
// Sync of a file does not make its name durable; SyncDir of a directory makes neither the bytes of its files nor its
// own name in its parent durable. Creating over an existing file truncates it, and that, too, may be undone by a crash.
//
// CrashClone gives the disk after a power loss: a new file system in which all that was left is durable (but for
// kKeepCache, where only a process died). What happens
// to each change that was not durable is chosen by a CrashPlan, block by block of 4 KiB and name by name, each on its
// own: a later change may survive an earlier one that does not. A block that was written several times since the last
// sync may hold any state in between, and blocks written over durable bytes (recycled logs) may fall back to these. A
// rename inside one directory is one change (both names or neither); between directories it is one in each.
//
//   MemoryFileSystem disk;
//   ... run the engine on &disk ...
//   std::unique_ptr<MemoryFileSystem> after = disk.CrashClone(CrashPlan::Random(seed, 0.5));
//   ... open the engine on after.get() and compare with what was acknowledged ...
//
// Blocks are shared between a file system and its clones until one of them writes, so a clone costs pointers, not
// bytes. The root "/" exists from the start; paths are taken from it whether they begin with '/' or not. Locks are not
// cloned. Ownership: files and locks must be closed before their file system is destroyed. Threads: any; one lock for
// all. A crash clone is taken between two calls, never inside one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "lsm/io/file_system.h"
#include "lsm/sync/mutex.h"

namespace varve::lsm {

namespace memory_internal {
class File;
class Directory;
struct Node;
}  // namespace memory_internal

struct CrashPlan {
  enum class Kind : uint8_t {
    kDropUnsynced,  // the disk holds exactly what was synced
    kKeepAll,       // everything had reached the disk
    kKeepCache,     // the process died, the kernel did not: all is there, and what was not durable still is not
    kNamesOnly,     // names had, bytes had not: files are empty or as they were
    kBytesOnly,     // bytes had, names had not
    kLastNames,     // bytes had, and of each directory's changes of names the last one alone
    kRandom,        // each unsynced block, size and name by itself
  };
  Kind kind = Kind::kDropUnsynced;
  // kRandom: the probability that a block, a size or a directory change is on disk as it was last written. A block that
  // is not holds, evenly, its durable bytes or one of the states in between.
  double keep = 0.5;
  // kRandom: the 512-byte sectors of a block that got through at all do so one by one, each with probability 1/2.
  bool torn_sectors = false;
  uint64_t seed = 0;

  static CrashPlan DropUnsynced() { return {}; }
  static CrashPlan KeepAll() { return {.kind = Kind::kKeepAll}; }
  static CrashPlan NamesOnly() { return {.kind = Kind::kNamesOnly}; }
  static CrashPlan BytesOnly() { return {.kind = Kind::kBytesOnly}; }
  static CrashPlan LastNames() { return {.kind = Kind::kLastNames}; }
  static CrashPlan KeepCache() { return {.kind = Kind::kKeepCache}; }
  static CrashPlan Random(uint64_t seed, double keep) { return {.kind = Kind::kRandom, .keep = keep, .seed = seed}; }
  static CrashPlan Torn(uint64_t seed, double keep) {
    return {.kind = Kind::kRandom, .keep = keep, .torn_sectors = true, .seed = seed};
  }
};

class MemoryFileSystem final : public FileSystem {
 public:
  MemoryFileSystem();
  ~MemoryFileSystem() override;

  Result<std::unique_ptr<ReadableFile>> OpenForRead(const std::string& path) override;
  Result<std::unique_ptr<WritableFile>> Create(const std::string& path) override;
  Result<std::unique_ptr<WritableFile>> OpenForWrite(const std::string& path) override;
  Status Rename(const std::string& from, const std::string& to) override;
  Status Remove(const std::string& path) override;
  Status Link(const std::string& from, const std::string& to) override;
  Status CreateDir(const std::string& path) override;
  Status RemoveDir(const std::string& path) override;
  Result<std::vector<std::string>> List(const std::string& dir) override;
  Status SyncDir(const std::string& dir) override;
  Result<bool> Exists(const std::string& path) override;
  Result<uint64_t> FileSize(const std::string& path) override;
  Result<std::unique_ptr<FileLock>> Lock(const std::string& path) override;

  // The disk after a power loss at this moment. This file system goes on undisturbed.
  std::unique_ptr<MemoryFileSystem> CrashClone(const CrashPlan& plan);
  // What a failed sync of a file does to it on Linux: its unwritten blocks stay as they are for readers, but count as
  // clean, so that a later sync succeeds without them, and a power loss takes them. Those written to again are cured.
  void LoseUnsynced(const std::string& path);

  // Sizes of all files that have a name, each file once. For space and leak tests.
  uint64_t TotalBytes() const;
  // Files and locks open now.
  size_t OpenHandleCount() const;
  // Writes of blocks and changes of names that a power loss could undo. 0: everything is durable.
  size_t UnsyncedCount() const;

 private:
  class Readable;
  class Writable;
  class HeldLock;
  using FilePtr = std::shared_ptr<memory_internal::File>;
  using DirectoryPtr = std::shared_ptr<memory_internal::Directory>;
  struct Location {
    DirectoryPtr parent;
    std::string name;
  };

  // Each fails with the error that the posix implementation gives for `operation` on `path`.
  Result<Location> LocateLocked(const std::string& path, const std::string& operation) const VARVE_REQUIRES(mu_);
  Result<memory_internal::Node> FindLocked(const std::string& path, const std::string& operation) const
      VARVE_REQUIRES(mu_);
  Result<FilePtr> FindFileLocked(const std::string& path, const std::string& operation) const VARVE_REQUIRES(mu_);
  Result<DirectoryPtr> FindDirLocked(const std::string& path, const std::string& operation) const VARVE_REQUIRES(mu_);
  Result<FilePtr> FindOrCreateLocked(const std::string& path, const std::string& operation) VARVE_REQUIRES(mu_);

  mutable Mutex mu_;  // guards the whole tree below root_, blocks and histories included
  DirectoryPtr root_ VARVE_GUARDED_BY(mu_);
  size_t open_handles_ VARVE_GUARDED_BY(mu_) = 0;
};

}  // namespace varve::lsm
