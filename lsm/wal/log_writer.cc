// lsm/wal/log_writer.cc - see log_writer.h.

#include "lsm/wal/log_writer.h"

#include <algorithm>
#include <array>
#include <limits>
#include <utility>

#include "lsm/format/coding.h"
#include "lsm/format/crc32c.h"
#include "lsm/out_of_memory.h"
#include "lsm/wal/log_format.h"

namespace varve::lsm {

namespace {

constexpr size_t kOneWriteMax = 1024 * 1024;  // larger payloads are not copied behind their header
constexpr uint64_t kAheadStep = 64 * 1024;    // a folio of the page cache becomes as large as the write that fills it

void EncodeHeader(char* header, uint32_t crc_seed, uint32_t tag, uint32_t mark, std::string_view payload) {
  EncodeFixed32(header + 4, static_cast<uint32_t>(payload.size()));
  EncodeFixed32(header + 8, tag);
  EncodeFixed32(header + 12, mark);
  EncodeFixed32(header, MaskCrc(Crc32c(Crc32c(crc_seed, {header + 4, kLogHeaderSize - 4}), payload)));
}

constexpr char kSealPayload[] = {static_cast<char>(kLogSeal)};

}  // namespace

Result<std::unique_ptr<LogWriter>> LogWriter::Open(FileSystem* fs, const std::string& path, const Setup& setup) {
  Result<std::unique_ptr<WritableFile>> file = setup.recycled ? fs->OpenForWrite(path) : fs->Create(path);
  if (!file.ok()) return file.status();
  uint64_t stale_end = 0;
  if (setup.recycled) {
    const Result<uint64_t> size = (*file)->Size();
    if (!size.ok()) return size.status();
    stale_end = *size;
  }
  std::unique_ptr<LogWriter> log(new LogWriter(std::move(*file), setup, stale_end));

  std::string identity(kLogMagic);
  PutFixed32(&identity, kLogFormatVersion);
  PutFixed32(&identity, setup.salt);
  PutFixed64(&identity, setup.number);
  identity.resize(kLogSaltAt[1], '\0');
  PutFixed32(&identity, setup.salt);
  VARVE_TRY(log->AppendRecord(identity, /*crc_seed=*/0));
  return log;
}

LogWriter::LogWriter(std::unique_ptr<WritableFile> file, const Setup& setup, uint64_t stale_end)
    : file_(std::move(file)),
      number_(setup.number),
      salt_(setup.salt),
      write_ahead_bytes_(setup.write_ahead_bytes),
      ahead_end_(stale_end),
      earlier_durable_(setup.earlier_durable) {}

Status LogWriter::FencedStatus() const noexcept {
  return OrOutOfMemory([this] {
    return Status::Fenced(path() + ": a sync of this log failed; nothing more is written until it is reopened");
  });
}

Status LogWriter::Append(std::string_view payload) {
  if (payload.size() < 2 || payload.size() > std::numeric_limits<uint32_t>::max()) {
    return Status::InvalidArgument(path() + ": a log record of " + std::to_string(payload.size()) +
                                   " bytes, want 2 to 4294967295");
  }
  return AppendRecord(payload, salt_);
}

Status LogWriter::Seal() {
  VARVE_TRY(AppendRecord({kSealPayload, 1}, salt_));
  sealed_ = true;
  EndPrepared();
  return Status::Ok();
}

Status LogWriter::SealAt(FileSystem* fs, const std::string& path, uint64_t number, uint32_t salt, uint64_t end) {
  Result<std::unique_ptr<WritableFile>> file = fs->OpenForWrite(path);
  if (!file.ok()) return file.status();
  char record[kLogHeaderSize + 1];
  EncodeHeader(record, salt, LogTag(number, salt), /*mark=*/0, {kSealPayload, 1});
  record[kLogHeaderSize] = kSealPayload[0];
  VARVE_TRY((*file)->WriteAt(end, {record, sizeof record}));
  VARVE_TRY((*file)->Sync());
  return (*file)->Close();
}

void LogWriter::MakeDirtyAgain(FileSystem* fs, const std::string& path, uint64_t begin, uint64_t end) {
  const auto source = fs->OpenForRead(path);
  const auto target = fs->OpenForWrite(path);
  if (!source.ok() || !target.ok()) return;
  std::array<char, kAheadStep> buffer;
  while (begin < end) {
    const auto got = (*source)->ReadAt(begin, std::min<uint64_t>(buffer.size(), end - begin), buffer.data());
    if (!got.ok() || *got == 0 || !(*target)->WriteAt(begin, {buffer.data(), *got}).ok()) return;
    begin += *got;
  }
}

Status LogWriter::AppendRecord(std::string_view payload, uint32_t crc_seed) {
  if (fenced_.load(std::memory_order_acquire)) return FencedStatus();
  if (sealed_) return Status::InvalidArgument(path() + ": the log is sealed");
  const uint64_t offset = size();
  const uint64_t end = offset + kLogHeaderSize + payload.size();
  // The mark may lag behind; it may never run ahead of what is durable.
  const uint64_t durable = earlier_durable_.load(std::memory_order_acquire) ? synced_size() : 0;
  const uint32_t mark = static_cast<uint32_t>(std::min<uint64_t>(durable, std::numeric_limits<uint32_t>::max()));

  char header[kLogHeaderSize];
  EncodeHeader(header, crc_seed, LogTag(number_, salt_), mark, payload);
  const std::string_view record = OneWrite({header, kLogHeaderSize}, payload);
  WriteAhead(end);
  Prepare(offset, end);
  Status status = OrOutOfMemory([&] { return WriteRecord(offset, record, payload); });
  if (!status.ok()) {
    // Something failed, and there is no memory to say what.
    if (status.Is(StatusCode::kOutOfMemory)) fenced_.store(true, std::memory_order_seq_cst);
    // All bytes may have arrived in spite of the error; without its header the record cannot come back from the dead.
    // When this fails as well, the next append still overwrites it.
    static constexpr char kErased[kLogHeaderSize] = {};
    IfMemoryAllows([&] { static_cast<void>(file_->WriteAt(offset, {kErased, kLogHeaderSize}).ok()); });
    return status;
  }
  ahead_end_ = std::max<uint64_t>(ahead_end_, end);
  // A sync that failed beside us may have lost a part of this record. Either MakeDirtyAgain sees the new size (whoever
  // calls it has seen the fence), or we see the fence.
  size_.store(end, std::memory_order_seq_cst);
  if (fenced_.load(std::memory_order_seq_cst))
    return OrOutOfMemory([&] { return WriteRecord(offset, record, payload); });
  return Status::Ok();
}

// What is written last: the header, and a payload that is not large behind it.
std::string_view LogWriter::OneWrite(std::string_view header, std::string_view payload) {
  if (payload.size() > kOneWriteMax) return header;
  buffer_.assign(header);
  buffer_.append(payload);
  return buffer_;
}

// A large payload goes out before its header, so that a reader beside us sees the record whole or not at all.
Status LogWriter::WriteRecord(uint64_t offset, std::string_view record, std::string_view payload) {
  if (payload.size() > kOneWriteMax) VARVE_TRY(file_->WriteAt(offset + record.size(), payload));
  return file_->WriteAt(offset, record);
}

// Extends the file with zeros so that [.., end) and a step more exist. Only a preparation: when it fails, the append
// that follows says what is wrong, or finds room where the zeros did not.
void LogWriter::WriteAhead(uint64_t end) {
  if (write_ahead_bytes_ == 0 || end <= ahead_end_ || !synced_once_.load(std::memory_order_relaxed)) return;
  const uint64_t begin = std::max<uint64_t>(end, ahead_end_);  // the record itself fills what lies before
  static const char zeros[kAheadStep] = {};
  ahead_end_ = end + write_ahead_bytes_;
  for (uint64_t at = begin; at < ahead_end_;) {
    const size_t step = static_cast<size_t>(std::min<uint64_t>(kAheadStep - at % kAheadStep, ahead_end_ - at));
    if (!OrOutOfMemory([&] { return file_->WriteAt(at, {zeros, step}); }).ok()) return;
    at += step;
  }
}

// Prepares as much as was written since the last sync, once that is a quarter of what is written ahead. A log that is
// synced more often is better written than mapped: a sync writes the whole folio of a page that a mapping made dirty, but
// only the blocks that a write call did.
void LogWriter::Prepare(uint64_t offset, uint64_t end) {
  const uint64_t unsynced = offset - synced_size();
  if (prepared_ && unsynced < offset - prepared_begin_) EndPrepared();
  const uint64_t least = write_ahead_bytes_ / 4;
  if (least == 0 || unsynced < least || end - offset > least || (prepared_ && end <= prepared_end_)) return;
  uint64_t size = std::min<uint64_t>(unsynced, write_ahead_bytes_);
  if (ahead_end_ > end) size = std::min(size, ahead_end_ - offset);  // no further than where a sync is cheap
  file_->Prepare(offset, size);
  prepared_ = true;
  prepared_begin_ = offset;
  prepared_end_ = offset + size;
}

void LogWriter::EndPrepared() {
  if (prepared_) file_->Prepare(size(), 0);
  prepared_ = false;
}

Status LogWriter::Sync() {
  synced_once_.store(true, std::memory_order_relaxed);
  if (fenced_.load(std::memory_order_relaxed)) return FencedStatus();
  const uint64_t covered = size();
  Status status = OrOutOfMemory([&] { return file_->Sync(); });
  if (!status.ok()) {
    fenced_.store(true, std::memory_order_seq_cst);  // the kernel may have dropped the dirty pages: never retried
    return status;
  }
  synced_size_.store(covered, std::memory_order_release);
  return Status::Ok();
}

}  // namespace varve::lsm
