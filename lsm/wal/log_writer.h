// lsm/wal/log_writer.h - appends records to one log segment. Format: log_format.h.
//
// From the first Sync() on, space is written ahead with zeros in steps, so that a sync of a small record does not also
// sync a new file size; a log that is never synced does not pay for that. A recycled file (an obsolete segment under
// its new name) is overwritten from its start and needs zeros only beyond its old length.
// A failed Append leaves the end where it was: the next one overwrites whatever part reached the file (disk full
// heals). A failed Sync is for ever: the writer is fenced and every later Append and Sync gives kFenced (rule R5).
// Threads: Append and Seal by one thread at a time (the commit leader); Sync by one at a time (Wal sees to it), beside
// them; size and synced_size by any.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "lsm/io/file_system.h"
#include "lsm/status.h"

namespace varve::lsm {

class LogWriter {
 public:
  struct Setup {
    uint64_t number = 0;           // of the segment
    uint32_t salt = 0;             // random; seeds the checksums
    bool recycled = false;         // `path` already exists and its bytes are stale
    size_t write_ahead_bytes = 0;  // zeros are written in steps of this size before use; 0: never (the manifest)
    bool earlier_durable = true;   // every earlier segment is durable already (else until set_earlier_durable())
  };
  // Creates (or takes over) the file and writes its identity record. The caller syncs the directory.
  static Result<std::unique_ptr<LogWriter>> Open(FileSystem* fs, const std::string& path, const Setup& setup);

  // Recovery: ends the segment of an earlier life at `end`, behind its last good record (LogReader::offset()), in place
  // of a torn tail, and makes the whole file durable.
  static Status SealAt(FileSystem* fs, const std::string& path, uint64_t number, uint32_t salt, uint64_t end);

  // After a failed sync of [begin, end): Linux may count as clean what did not reach the disk, and whoever opens the file
  // next in the same life of the machine reads it and could sync without it. Writes these bytes over themselves, as far
  // as that works; nobody else may write to them meanwhile. `end` may lie beyond the file's.
  static void MakeDirtyAgain(FileSystem* fs, const std::string& path, uint64_t begin, uint64_t end);

  // Appends one record; on OK the bytes have been handed to the operating system, up to 1 MiB by one write call.
  // kInvalidArgument for what the format has no place for: 0 or 1 bytes, 4 GiB and more.
  Status Append(std::string_view payload);
  // Appends the seal; nothing may follow.
  Status Seal();
  // Makes everything appended before the call durable.
  Status Sync();
  // Says that every earlier segment is durable now; records may carry sync marks from here on.
  void set_earlier_durable() { earlier_durable_.store(true, std::memory_order_release); }

  uint64_t size() const { return size_.load(std::memory_order_seq_cst); }
  uint64_t synced_size() const { return synced_size_.load(std::memory_order_acquire); }
  // Of the file, about: records, and zeros or stale bytes behind them. Never less than it takes, but for a page.
  uint64_t file_size() const {
    return std::max(
        {size(), ahead_end_.load(std::memory_order_relaxed), prepared_end_.load(std::memory_order_relaxed)});
  }
  bool fenced() const { return fenced_.load(std::memory_order_acquire); }
  uint64_t number() const { return number_; }
  const std::string& path() const { return file_->path(); }

 private:
  LogWriter(std::unique_ptr<WritableFile> file, const Setup& setup, uint64_t stale_end);
  Status AppendRecord(std::string_view payload, uint32_t crc_seed);
  std::string_view OneWrite(std::string_view header, std::string_view payload);
  Status WriteRecord(uint64_t offset, std::string_view record, std::string_view payload);
  void WriteAhead(uint64_t end);
  void Prepare(uint64_t offset, uint64_t end);
  void EndPrepared();
  Status FencedStatus() const noexcept;

  const std::unique_ptr<WritableFile> file_;
  const uint64_t number_;
  const uint32_t salt_;
  const size_t write_ahead_bytes_;
  std::atomic<uint64_t> ahead_end_;        // stored by the appender: zeros or stale bytes exist up to here
  bool prepared_ = false;                  // appender's: the file expects small writes,
  uint64_t prepared_begin_ = 0;            // appender's: from here
  std::atomic<uint64_t> prepared_end_{0};  // stored by the appender: up to here; stays when they are over
  bool sealed_ = false;                    // appender's
  std::string buffer_;                     // appender's: header and payload go out in one write
  std::atomic<bool> earlier_durable_;
  std::atomic<bool> synced_once_{false};  // Sync() was called: writing ahead pays
  std::atomic<uint64_t> size_{0};         // bytes of whole records; stored by the appender
  std::atomic<uint64_t> synced_size_{0};  // stored by Sync()
  std::atomic<bool> fenced_{false};       // stored by Sync(), for ever
};

}  // namespace varve::lsm
