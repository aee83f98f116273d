// lsm/wal/log_reader.cc - see log_reader.h.
//
// What stands behind the last good record is nothing (zeros, stale bytes, the end of the file), a record torn by a
// crash, or rot. Only later records can tell: one whose mark lies above the bad place proves that the bytes there were
// durable once. So the rest of the file is searched for records with this segment's tag, in one pass.

#include "lsm/wal/log_reader.h"

#include <algorithm>
#include <utility>

#include "lsm/format/coding.h"
#include "lsm/format/crc32c.h"
#include "lsm/wal/log_format.h"

namespace varve::lsm {

namespace {

constexpr size_t kWindowSize = 64 * 1024;           // read at once, at least
constexpr size_t kWindowKeepMax = 4 * 1024 * 1024;  // a buffer grown beyond this is given back
constexpr uint64_t kNone = ~uint64_t{0};
constexpr size_t kIdentityEnd = kLogHeaderSize + kLogIdentitySize;

}  // namespace

LogReader::LogReader() = default;
LogReader::~LogReader() = default;

Status LogReader::Open(FileSystem* fs, const std::string& path, uint64_t number) {
  *this = LogReader();
  Result<std::unique_ptr<ReadableFile>> file = fs->OpenForRead(path);
  if (!file.ok()) return file.status();
  file_ = std::move(*file);
  const Result<uint64_t> size = file_->Size();
  if (!size.ok()) return size.status();
  file_size_ = *size;
  number_ = number;
  if (ParseIdentity()) {
    offset_ = kIdentityEnd;
    done_ = false;
    end_ = End::kOpen;
  }
  return status_;
}

bool LogReader::Stop(End end) {
  done_ = true;
  end_ = end;
  return false;
}

bool LogReader::Fail(Status status) {
  done_ = true;
  status_ = std::move(status);
  return false;
}

// The file's bytes from `offset` on: at least `size` of them, fewer only at the end of the file or on an error (see
// status_). Valid until the next call.
std::string_view LogReader::Window(uint64_t offset, size_t size) {
  const bool begins_inside = offset >= buffer_offset_ && offset - buffer_offset_ <= buffer_.size();
  if (!begins_inside || buffer_.size() - (offset - buffer_offset_) < size) {
    const uint64_t rest = offset < file_size_ ? file_size_ - offset : 0;
    const size_t wanted = static_cast<size_t>(std::min<uint64_t>(std::max(size, kWindowSize), rest));
    if (buffer_.capacity() > kWindowKeepMax && wanted <= kWindowSize) std::string().swap(buffer_);
    buffer_.resize(wanted);
    buffer_offset_ = offset;
    if (wanted != 0) {
      const Result<size_t> got = file_->ReadAt(offset, wanted, buffer_.data());
      if (!got.ok()) Fail(got.status());
      buffer_.resize(got.ok() ? *got : 0);
    }
  }
  return std::string_view(buffer_).substr(static_cast<size_t>(offset - buffer_offset_));
}

// True when a whole, valid record of this segment begins at `offset`.
bool LogReader::ParseAt(uint64_t offset, Record* record) {
  std::string_view window = Window(offset, kLogHeaderSize);
  if (window.size() < kLogHeaderSize) return false;
  const uint32_t length = DecodeFixed32(window.data() + 4);
  const uint32_t synced = DecodeFixed32(window.data() + 12);
  if (DecodeFixed32(window.data() + 8) != LogTag(number_, salt_)) return false;
  if (length == 0 || length > file_size_ - offset - kLogHeaderSize) return false;
  if (synced > offset) return false;  // a record cannot lie below its own mark
  window = Window(offset, kLogHeaderSize + length);
  if (window.size() < kLogHeaderSize + length) return false;
  const uint32_t crc = Crc32c(salt_, window.substr(4, kLogHeaderSize - 4 + length));
  if (DecodeFixed32(window.data()) != MaskCrc(crc)) return false;
  record->payload = window.substr(kLogHeaderSize, length);
  if (length == 1 && record->payload[0] != static_cast<char>(kLogSeal)) return false;
  record->synced = synced;
  record->end = offset + kLogHeaderSize + length;
  return true;
}

// True when the file begins with the identity of segment number_. Otherwise the file was never begun (End::kEmpty) or
// status_ says what is wrong.
bool LogReader::ParseIdentity() {
  const std::string_view head = Window(0, kIdentityEnd);
  if (head.size() < kIdentityEnd) return Stop(End::kEmpty);
  const uint32_t length = DecodeFixed32(head.data() + 4);
  const char* const payload = head.data() + kLogHeaderSize;
  const bool whole = length >= kLogMagic.size() + 4 && length <= head.size() - kLogHeaderSize &&
                     DecodeFixed32(head.data()) == MaskCrc(Crc32c(0, head.substr(4, kLogHeaderSize - 4 + length))) &&
                     std::string_view(payload, kLogMagic.size()) == kLogMagic;
  const uint32_t version = DecodeFixed32(payload + 8);
  const uint32_t salts[] = {DecodeFixed32(payload + kLogSaltAt[0]), DecodeFixed32(payload + kLogSaltAt[1])};
  if (whole && version != kLogFormatVersion) {
    return Fail(Status::Unsupported(file_->path() + ": log format version " + std::to_string(version) +
                                    ", this build reads " + std::to_string(kLogFormatVersion)));
  }
  if (whole && length == kLogIdentitySize && salts[0] == salts[1]) {
    salt_ = salts[0];
    if (DecodeFixed64(payload + 16) != number_) return Stop(End::kEmpty);
    return true;
  }
  // Torn, stale or rotten. Durable records behind it, found with either copy of the salt, prove rot.
  for (const uint32_t salt : salts) {
    salt_ = salt;
    if (FurthestMark(kIdentityEnd, file_size_) > 0) {
      return Fail(Status::Corruption(file_->path() + ": offset 0: the log's identity record is damaged, though a later "
                                                     "record says that it was durable"));
    }
    if (!status_.ok()) return false;
  }
  return Stop(End::kEmpty);
}

// Searches [offset, limit) for the beginning of a valid record: its offset, or kNone.
uint64_t LogReader::FindRecord(uint64_t offset, uint64_t limit, Record* record) {
  constexpr size_t kTagOffset = 8;
  char tag[4];
  EncodeFixed32(tag, LogTag(number_, salt_));
  while (status_.ok() && offset < limit) {
    const std::string_view window = Window(offset, kLogHeaderSize);
    if (window.size() < kLogHeaderSize) break;
    const size_t hit = window.find({tag, sizeof tag}, kTagOffset);
    if (hit == std::string_view::npos) {
      offset += window.size() - (kTagOffset + sizeof tag - 1);  // a tag may straddle the windows' border
      continue;
    }
    offset += hit - kTagOffset;
    if (ParseAt(offset, record)) return offset;
    ++offset;
  }
  return kNone;
}

// The highest mark among the valid records that begin in [offset, limit) (0: none); notes in found_end_ where the last
// one ends.
uint64_t LogReader::FurthestMark(uint64_t offset, uint64_t limit) {
  uint64_t furthest = 0;
  found_end_ = 0;
  Record record;
  while (offset = FindRecord(offset, limit, &record), offset != kNone) {
    furthest = std::max<uint64_t>(furthest, record.synced);
    if (record.synced != 0) earlier_durable_ = true;
    offset = found_end_ = record.end;
  }
  return furthest;
}

// No record begins at offset_: decides what that means. True when a writer beside us has just put one there.
bool LogReader::ExamineTail(Record* record) {
  const std::string header(Window(offset_, kLogHeaderSize).substr(0, kLogHeaderSize));
  if (!status_.ok()) return false;
  if (examined_ && header == examined_header_) return Stop(End::kOpen);  // nothing new since the last look
  // Whoever follows a writer comes here after every record: looking through the stale rest of a recycled file each time
  // would cost more than all records. Rot is found by whoever reads the segment from its start.
  const uint64_t furthest = FurthestMark(offset_ + 1, resumed_ ? offset_ + kWindowSize : file_size_);
  if (!status_.ok()) return false;

  buffer_.clear();  // look once more, at the file, before accusing anybody
  if (ParseAt(offset_, record)) return true;
  if (!status_.ok()) return false;
  if (furthest > offset_) {
    return Fail(Status::Corruption(file_->path() + ": offset " + std::to_string(offset_) +
                                   ": damaged log record, though a later one says that the first " +
                                   std::to_string(furthest) + " bytes were durable"));
  }
  tail_bytes_ = TornBytes(header);
  examined_ = true;
  examined_header_ = header;
  return Stop(End::kOpen);
}

// How much behind offset_ looks written by this segment's writer.
uint64_t LogReader::TornBytes(std::string_view header) const {
  const uint64_t rest = file_size_ > offset_ ? file_size_ - offset_ : 0;
  uint64_t torn = found_end_ > offset_ ? found_end_ - offset_ : 0;  // whole records behind a gap
  if (header.size() < kLogHeaderSize) {
    if (header.find_first_not_of('\0') != std::string_view::npos) torn = rest;
  } else if (DecodeFixed32(header.data() + 8) == LogTag(number_, salt_)) {
    torn = std::max(torn, std::min<uint64_t>(kLogHeaderSize + uint64_t{DecodeFixed32(header.data() + 4)}, rest));
  }
  return torn;
}

bool LogReader::Next(std::string_view* payload) {
  if (done_) return false;
  Record record;
  if (!ParseAt(offset_, &record)) {
    if (!status_.ok() || !ExamineTail(&record)) return false;
  }
  offset_ = record.end;
  examined_ = false;
  tail_bytes_ = 0;
  if (record.synced != 0) earlier_durable_ = true;
  if (record.payload.size() == 1) return Stop(End::kSealed);
  *payload = record.payload;
  return true;
}

bool LogReader::SkipDamage(uint64_t* begin, uint64_t* end) {
  *begin = *end = offset_;
  if (file_ == nullptr || end_ == End::kSealed) return false;
  status_ = Status::Ok();
  Record record;
  uint64_t found = kNone;
  if (offset_ == 0) {  // the identity itself is damaged: either copy of the salt may be right
    const std::string head(Window(0, kIdentityEnd).substr(0, kIdentityEnd));
    for (const size_t at : kLogSaltAt) {
      if (head.size() < kIdentityEnd || found != kNone) break;
      salt_ = DecodeFixed32(head.data() + kLogHeaderSize + at);
      found = FindRecord(kIdentityEnd, file_size_, &record);
    }
  } else {
    found = FindRecord(offset_ + 1, file_size_, &record);
  }
  if (found == kNone) return false;
  *end = offset_ = found;
  end_ = End::kOpen;
  done_ = false;
  return true;
}

void LogReader::Resume() {
  if (!done_ || !status_.ok() || end_ != End::kOpen) return;
  const Result<uint64_t> size = file_->Size();
  if (!size.ok()) {
    Fail(size.status());
    return;
  }
  file_size_ = *size;
  buffer_.clear();  // what the window holds may have been overwritten
  resumed_ = true;
  done_ = false;
}

}  // namespace varve::lsm
