// lsm/io/file_system.h - the seam between the engine and the operating system's files.
//
// The implementations: posix (PosixFileSystem below), strict in-memory with crash clones (memory_file_system.h), and a
// fault-injecting, tracing wrapper of any other (fault_file_system.h). The engine touches files through this interface
// only.
//
// What "durable" means here, and what every caller must do (rules R1-R3 of docs/reliability.md):
//   R1  bytes of a file are durable after WritableFile::Sync; its name is durable after SyncDir of its directory;
//   R2  a rename replaces the target atomically, and is durable after SyncDir;
//   R3  file size and zero bytes prove nothing: validity comes from checksums inside the file.
// Errors: ENOSPC and EDQUOT give kNoSpace, ENOENT gives kNotFound, everything else kIoError; the message is
// "<path>: <operation>: <errno text>". Short reads and writes and EINTR are completed inside.
// Paths are plain strings with '/' between parts.
// Threads: a FileSystem may be used by any thread. One file object: ReadAt by any number of threads; writes by one at
// a time; Sync may run beside WriteAt (it covers writes that returned before it began).
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "lsm/status.h"

namespace varve::lsm {

class ReadableFile {
 public:
  virtual ~ReadableFile() = default;
  // Reads up to `size` bytes at `offset` into `buffer`; returns how many (fewer only at the end of the file).
  virtual Result<size_t> ReadAt(uint64_t offset, size_t size, char* buffer) const = 0;
  // Says that these bytes are about to be read: an implementation may begin to bring them into memory, so that reads
  // announced together are waited for together. Optional, and silent: what is wrong, ReadAt tells. Does not wait for the
  // disk, but for a place in its queue if hundreds of reads are under way.
  virtual void WillRead(uint64_t offset, size_t size) const {
    static_cast<void>(offset);
    static_cast<void>(size);
  }
  virtual Result<uint64_t> Size() const = 0;
  virtual const std::string& path() const = 0;
};

class WritableFile {
 public:
  virtual ~WritableFile() = default;  // closes; unsynced bytes stay unsynced
  // Writes all of `data` at `offset`, extending the file (a hole reads as zeros). On error any part may have been
  // written.
  virtual Status WriteAt(uint64_t offset, std::string_view data) = 0;
  // Says that [offset, offset + size) is about to be written in small pieces, upwards: an implementation may allocate
  // it (the file grows, reading as zeros) and map it, so that a WriteAt inside costs no system call (its first 16 bytes
  // come last: a reader who sees them sees the rest); a Sync may write more around it than was stored. What is there now,
  // from `offset` to the end of the range's last page, may become zeros. A size of 0: no more. Optional, and silent:
  // what is wrong, WriteAt tells.
  virtual void Prepare(uint64_t offset, size_t size) {
    static_cast<void>(offset);
    static_cast<void>(size);
  }
  // Makes every byte written so far (and the size) durable: fdatasync.
  virtual Status Sync() = 0;
  // Closes, reporting what close(2) reports. Idempotent.
  virtual Status Close() = 0;
  virtual Result<uint64_t> Size() const = 0;
  virtual const std::string& path() const = 0;
};

// Held as long as it lives; the operating system drops it when the process dies.
class FileLock {
 public:
  virtual ~FileLock() = default;
};

class FileSystem {
 public:
  virtual ~FileSystem() = default;
  virtual Result<std::unique_ptr<ReadableFile>> OpenForRead(const std::string& path) = 0;
  // Creates an empty file; an existing one is truncated.
  virtual Result<std::unique_ptr<WritableFile>> Create(const std::string& path) = 0;
  // Opens an existing file for writing and keeps its bytes (recycled log segments).
  virtual Result<std::unique_ptr<WritableFile>> OpenForWrite(const std::string& path) = 0;
  virtual Status Rename(const std::string& from, const std::string& to) = 0;
  virtual Status Remove(const std::string& path) = 0;
  // A second name for the same file (checkpoints). kIoError when the target exists or lies on another device.
  virtual Status Link(const std::string& from, const std::string& to) = 0;
  virtual Status CreateDir(const std::string& path) = 0;  // OK when it already exists; the parent must exist
  virtual Status RemoveDir(const std::string& path) = 0;  // must be empty
  // Names (not paths) in the directory, without "." and "..", in unspecified order.
  virtual Result<std::vector<std::string>> List(const std::string& dir) = 0;
  // Makes creations, renames and removals in `dir` durable.
  virtual Status SyncDir(const std::string& dir) = 0;
  virtual Result<bool> Exists(const std::string& path) = 0;
  virtual Result<uint64_t> FileSize(const std::string& path) = 0;
  // Takes the exclusive lock on `path` (created when missing), held against other processes and other opens of this
  // one. kBusy, naming the holder's pid when the file tells it, when somebody holds it.
  virtual Result<std::unique_ptr<FileLock>> Lock(const std::string& path) = 0;
};

// The process-wide posix implementation; never destroyed.
FileSystem* PosixFileSystem();

}  // namespace varve::lsm
