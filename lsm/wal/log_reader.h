// lsm/wal/log_reader.h - reads one log segment back. Format: log_format.h.
//
//   LogReader reader; VARVE_TRY(reader.Open(fs, path, number));
//   while (reader.Next(&payload)) apply(payload);
//   VARVE_TRY(reader.status());       // kCorruption: rot below a sync mark; kUnsupported: version; kIoError
//   reader.end()                      // how the segment ended
//
// Memory: one record at a time (plus a read buffer); a record's length is checked against the file's size before use.
// For followers: after Next() has returned false with end() == kOpen, Resume() looks again for records written since.
// Threads: one thread at a time.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "lsm/io/file_system.h"
#include "lsm/status.h"

namespace varve::lsm {

class LogReader {
 public:
  enum class End : uint8_t {
    kOpen,    // no seal; what follows the last record is nothing, or torn: tail_bytes() of it look written
    kSealed,  // the writer said that nothing follows
    kEmpty,   // the file has no whole identity record of this segment: it was never (durably) begun
  };

  LogReader();
  ~LogReader();
  // `number` is the segment's expected number; another one in the file means a recycled file not yet begun:
  // End::kEmpty.
  Status Open(FileSystem* fs, const std::string& path, uint64_t number);
  // False at the end or on an error; `*payload` stays valid until the next call.
  bool Next(std::string_view* payload);
  void Resume();

  const Status& status() const { return status_; }
  End end() const { return end_; }
  uint64_t offset() const { return offset_; }          // behind the last record returned
  uint64_t tail_bytes() const { return tail_bytes_; }  // torn bytes behind it (0 when nothing looks written)
  // True once a record said that all earlier segments were durable when it was written.
  bool earlier_durable() const { return earlier_durable_; }

 private:
  enum class Parse : uint8_t { kRecord, kBad, kEndOfFile };
  Parse ParseAt(uint64_t offset, std::string_view* payload, uint32_t* synced);
  void ExamineTail();  // decides torn tail against rot, by the marks of valid records further on

  std::unique_ptr<ReadableFile> file_;
  uint64_t number_ = 0;
  uint32_t salt_ = 0;
  uint64_t file_size_ = 0;
  uint64_t offset_ = 0;
  uint64_t tail_bytes_ = 0;
  bool earlier_durable_ = false;
  End end_ = End::kOpen;
  Status status_;
  std::string buffer_;  // window of the file
  uint64_t buffer_offset_ = 0;
};

}  // namespace varve::lsm
