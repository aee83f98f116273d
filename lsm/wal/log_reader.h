// lsm/wal/log_reader.h - reads one log segment back. Format: log_format.h.
//
//   LogReader reader; VARVE_TRY(reader.Open(fs, path, number));
//   while (reader.Next(&payload)) apply(payload);
//   VARVE_TRY(reader.status());       // kCorruption: rot below a sync mark; kUnsupported: version; kIoError
//   reader.end()                      // how the segment ended
//
// Memory: one record at a time (plus a read buffer); a record's length is checked against the file's size before use.
// For followers: after Next() has returned false with end() == kOpen, Resume() looks again for records written since.
// Looking again is cheap: what was written since, and one buffer behind it. A follower must not read on in a segment that may be recycled.
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
  LogReader(const LogReader&) = delete;
  LogReader& operator=(LogReader&&) = default;
  // `number` is the segment's expected number; another one in the file means a recycled file not yet begun:
  // End::kEmpty.
  Status Open(FileSystem* fs, const std::string& path, uint64_t number);
  // False at the end or on an error; `*payload` stays valid until the next call.
  bool Next(std::string_view* payload);
  void Resume();
  // For repair: after Next() has returned false, goes on behind the damage, at the next record that checks. True when
  // there is one; [*begin, *end) are the bytes in between.
  bool SkipDamage(uint64_t* begin, uint64_t* end);

  const Status& status() const { return status_; }
  End end() const { return end_; }
  uint64_t offset() const { return offset_; }          // behind the last record returned
  uint64_t tail_bytes() const { return tail_bytes_; }  // torn bytes behind it (0 when nothing looks written)
  uint32_t salt() const { return salt_; }              // of the segment, when it was begun
  // True once a record said that all earlier segments were durable when it was written.
  bool earlier_durable() const { return earlier_durable_; }

 private:
  struct Record {
    std::string_view payload;
    uint32_t synced;
    uint64_t end;  // offset behind it
  };
  bool Stop(End end);
  bool Fail(Status status);
  std::string_view Window(uint64_t offset, size_t size);
  bool ParseAt(uint64_t offset, Record* record);
  bool ParseIdentity();
  bool ExamineTail(Record* record);
  uint64_t FindRecord(uint64_t offset, uint64_t limit, Record* record);
  uint64_t FurthestMark(uint64_t offset, uint64_t limit);
  uint64_t TornBytes(std::string_view header) const;

  std::unique_ptr<ReadableFile> file_;
  uint64_t number_ = 0;
  uint32_t salt_ = 0;
  uint64_t file_size_ = 0;
  uint64_t offset_ = 0;
  uint64_t tail_bytes_ = 0;
  uint64_t found_end_ = 0;  // of the last valid record that FurthestMark() saw
  bool earlier_durable_ = false;
  bool done_ = true;
  End end_ = End::kEmpty;
  Status status_;
  std::string buffer_;  // window of the file, from buffer_offset_ on
  uint64_t buffer_offset_ = 0;
  bool resumed_ = false;         // somebody writes beside us
  bool examined_ = false;        // the tail at offset_ was examined,
  std::string examined_header_;  // and this stood there
};

}  // namespace varve::lsm
