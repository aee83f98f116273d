// lsm/compact/value_output.h - where the values go that a flush or a compaction writes.
//
// A put of at least `threshold` bytes goes to a value-log file and leaves a pointer behind. A value that lies in a file
// to be emptied moves to the new file as it is stored (or into the table, when the threshold says that values do not lie
// apart any more). All other versions stay as they are: a compaction copies their pointers, not their values.
// Files are cut at `file_bytes`, synced when they are full; whoever owns the output syncs the directory. Threads: one
// thread at a time.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "lsm/format/internal_key.h"
#include "lsm/io/clock.h"
#include "lsm/version/version.h"
#include "lsm/vlog/value_log_file.h"

namespace varve::lsm {

struct ValueOutputSetup {
  size_t threshold = 0;  // bytes; 0: values stay in tables
  uint64_t file_bytes = 0;
  Compression compression = Compression::kNone;
  int zstd_level = 1;
  std::shared_ptr<const Version> version;        // holds the files that pointers of the input lead to
  std::vector<uint64_t> collected;               // of these, the ones to be emptied; ascending
  std::function<Status(size_t)> before_write;    // asked before each write of so many bytes; null: none
  std::atomic<uint64_t>* bytes_moved = nullptr;  // grows as values are moved
};

class ValueOutput {
 public:
  ValueOutput(const ValueOutputSetup& setup, FileSystem* file_system, RandomSource* random,
              std::shared_ptr<const TableContext> context, std::function<uint64_t()> next_number);
  ~ValueOutput();

  // True when Place has something to do.
  bool Wants(uint64_t trailer, std::string_view value) const {
    switch (TrailerKind(trailer)) {
      case ValueKind::kPut: return setup_.threshold != 0 && value.size() >= setup_.threshold;
      case ValueKind::kValuePointer: return !setup_.collected.empty();
      default: return false;
    }
  }
  // Changes kind and value to what the table is to hold; `*value` stays valid until the next call.
  Status Place(uint64_t* trailer, std::string_view* value);
  // Ends the last file and hands out all of them.
  Status Finish(ValueLogFiles* files);
  // After an error: removes every file made here.
  void Remove();

 private:
  Status OpenFile();
  Status FinishFile();
  Status Move(uint64_t* trailer, std::string_view* value);

  const ValueOutputSetup& setup_;
  FileSystem* const file_system_;
  RandomSource* const random_;
  const std::shared_ptr<const TableContext> context_;
  const std::function<uint64_t()> next_number_;
  std::unique_ptr<ValueLogWriter> writer_;
  uint64_t number_ = 0;            // of the open file
  std::vector<uint64_t> numbers_;  // of all files begun
  ValueLogFiles finished_;
  std::string pointer_;  // under the value handed out last
  PinnedValue inlined_;  // likewise
};

}  // namespace varve::lsm
