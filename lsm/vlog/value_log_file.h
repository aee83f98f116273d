// lsm/vlog/value_log_file.h - a value-log file as the manifest knows it: its facts, and its reader, opened on first touch.
//
// Versions share these objects as they share TableFiles: a file that no version, iterator or checkpoint reaches any more
// is destroyed here, and if an edit made it obsolete its name goes to the graveyard.
// Each record has a slot in the BlockCache, as data blocks have; a value larger than a small part of the cache is read
// from the file each time, since one of them would push out hundreds of others.
// Threads: immutable facts; everything by any thread.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "lsm/pinned_value.h"
#include "lsm/sync/mutex.h"
#include "lsm/table/table_file.h"
#include "lsm/vlog/value_log_writer.h"

namespace varve::lsm {

// "<dir>/000014.vlog"
std::string ValueLogFileName(const std::string& dir, uint64_t number);

class ValueLogFile {
 public:
  ValueLogFile(uint64_t number, const ValueLogFacts& facts, std::shared_ptr<const TableContext> context);
  ~ValueLogFile();
  ValueLogFile(const ValueLogFile&) = delete;
  ValueLogFile& operator=(const ValueLogFile&) = delete;

  // Reads header and footer, unless that was done. kIoError, kCorruption: this file cannot be read now.
  Status Open() const;
  // The value that `pointer` names, pinned. kWouldBlock when the tier forbids to read it.
  Status Get(const ValuePointer& pointer, ReadTier tier, PinnedValue* value) const;
  // Its contents as stored, checked; past the cache. For whoever moves values: after kCorruption, or kReadErrorsMax times
  // kIoError in a row, damaged() from now on.
  Result<BlockBytes> ReadStored(const ValuePointer& pointer, BlockCompression* compression) const;
  // Reads the whole record afresh from the file and checks it.
  Status Verify(const ValuePointer& pointer) const;

  // A value could not be moved, so the file cannot be emptied: it stays as long as a table refers to that value.
  bool damaged() const { return damaged_.load(std::memory_order_relaxed); }
  void MarkObsolete() { obsolete_.store(true, std::memory_order_relaxed); }

  uint64_t number() const { return number_; }
  const ValueLogFacts& facts() const { return facts_; }
  std::string path() const { return ValueLogFileName(context_->dir, number_); }

 private:
  Status OpenSlow() const;
  Status CheckBounds(const ValuePointer& pointer) const;
  Result<BlockRef> Read(const ValuePointer& pointer) const;

  const uint64_t number_;
  const ValueLogFacts facts_;
  const std::shared_ptr<const TableContext> context_;
  std::atomic<bool> obsolete_{false};
  mutable std::atomic<bool> damaged_{false};
  mutable std::atomic<int> read_errors_{0};
  mutable std::atomic<bool> opened_{false};  // then file_ and slots_ stay as they are
  mutable Mutex mu_;
  mutable std::unique_ptr<ReadableFile> file_;         // set under mu_, before opened_
  mutable std::unique_ptr<BlockCache::Slot[]> slots_;  // likewise; one for each record
};

using ValueLogFileRef = std::shared_ptr<ValueLogFile>;
using ValueLogFiles = std::vector<ValueLogFileRef>;  // ascending by number

// Reads every record of a finished file, which nobody's pointers are needed for.
Status VerifyValueLog(const ReadableFile& file);
// Null when `files` do not hold it.
const ValueLogFile* FindValueLog(const ValueLogFiles& files, uint64_t number);
// What the pointer in `bytes` names; it may be the view of `value` itself. kCorruption when they are none, or name what
// is not there.
Status ReadPointedValue(const ValueLogFiles& files, std::string_view bytes, ReadTier tier, PinnedValue* value);

}  // namespace varve::lsm
