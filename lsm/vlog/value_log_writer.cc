#include "lsm/vlog/value_log_writer.h"

#include <utility>

#include "lsm/format/coding.h"
#include "lsm/format/crc32c.h"

namespace varve::lsm {

namespace {

// Small records gather to this before they are written; larger pieces are written from where they lie.
constexpr size_t kWriteSize = 256 * 1024;
constexpr uint64_t kMagicMask = (uint64_t{1} << 56) - 1;

Status Damaged(const ReadableFile& file, uint64_t offset, const char* what) {
  return Status::Corruption(file.path() + ": value log, offset " + std::to_string(offset) + ": " + what);
}

}  // namespace

std::string EncodeValueLogHeader(uint64_t file_id) {
  std::string out;
  PutFixed64(&out, kValueLogMagic);
  PutFixed64(&out, file_id);
  PutFixed32(&out, MaskCrc(Crc32c(0, out)));
  return out;
}

std::string EncodeValueLogFooter(uint64_t file_id, uint64_t offset, uint64_t records) {
  std::string out;
  PutFixed64(&out, records);
  PutFixed32(&out, MaskCrc(Crc32c(BlockSeed(file_id, offset), out)));
  PutFixed64(&out, kValueLogMagic);
  return out;
}

Result<ValueLogFacts> ReadValueLogFacts(const ReadableFile& file) {
  auto size = file.Size();
  if (!size.ok()) return size.status();
  if (*size < kValueLogHeaderSize + kValueLogFooterSize) {
    return Damaged(file, 0, ("file of " + std::to_string(*size) + " bytes is shorter than header and footer").c_str());
  }
  char header[kValueLogHeaderSize], footer[kValueLogFooterSize];
  const uint64_t footer_offset = *size - kValueLogFooterSize;
  VARVE_TRY(ReadExactly(file, 0, sizeof(header), header));
  VARVE_TRY(ReadExactly(file, footer_offset, sizeof(footer), footer));
  const uint64_t magic = DecodeFixed64(header);
  if ((magic & kMagicMask) != (kValueLogMagic & kMagicMask)) return Damaged(file, 0, "wrong magic in the header");
  if (magic != kValueLogMagic) {
    return Status::Unsupported(file.path() + ": value-log format version " + std::to_string(magic >> 56) +
                               ", this build reads version 1");
  }
  ValueLogFacts facts;
  facts.file_id = DecodeFixed64(header + 8);
  facts.file_size = *size;
  facts.records = DecodeFixed64(footer);
  if (EncodeValueLogHeader(facts.file_id) != std::string_view(header, sizeof(header))) {
    return Damaged(file, 0, "checksum mismatch in the header");
  }
  if (EncodeValueLogFooter(facts.file_id, footer_offset, facts.records) != std::string_view(footer, sizeof(footer))) {
    return Damaged(file, footer_offset, "checksum mismatch in the footer");
  }
  if (facts.records > facts.record_bytes() / kValueFrameSize) {
    return Damaged(file, footer_offset, "more records than the file has room for");
  }
  return facts;
}

ValueLogWriter::ValueLogWriter(std::unique_ptr<WritableFile> file, uint64_t number, uint64_t file_id,
                               Compression compression, int zstd_level, std::function<Status(size_t)> before_write)
    : file_(std::move(file)),
      number_(number),
      before_write_(std::move(before_write)),
      pending_(EncodeValueLogHeader(file_id)) {
  facts_.file_id = file_id;
  if (compression == Compression::kZstd) compressor_ = std::make_unique<Compressor>(zstd_level);
}

Status ValueLogWriter::Write(std::string_view bytes) {
  if (before_write_) VARVE_TRY(before_write_(bytes.size()));
  VARVE_TRY(file_->WriteAt(written_, bytes));
  written_ += bytes.size();
  return Status::Ok();
}

Status ValueLogWriter::WritePending() {
  VARVE_TRY(Write(pending_));
  pending_.clear();
  return Status::Ok();
}

Status ValueLogWriter::Append(std::string_view bytes) {
  if (pending_.size() + bytes.size() > kWriteSize) VARVE_TRY(WritePending());
  if (bytes.size() <= kWriteSize) {
    pending_.append(bytes);
    return Status::Ok();
  }
  return Write(bytes);
}

Status ValueLogWriter::Add(std::string_view value, ValuePointer* pointer) {
  if (compressor_ != nullptr) {
    const std::string_view compressed = compressor_->Compress(value);
    if (!compressed.empty()) return AddStored(compressed, BlockCompression::kZstd, pointer);
  }
  return AddStored(value, BlockCompression::kNone, pointer);
}

Status ValueLogWriter::AddStored(std::string_view contents, BlockCompression compression, ValuePointer* pointer) {
  *pointer = {.file_number = number_,
              .ordinal = facts_.records,
              .offset = size() + 4,
              .size = static_cast<uint32_t>(contents.size())};
  std::string prefix;
  PutFixed32(&prefix, pointer->size);
  VARVE_TRY(Append(prefix));
  VARVE_TRY(Append(contents));
  VARVE_TRY(Append(BlockTrailer(contents, compression, facts_.file_id, pointer->offset)));
  ++facts_.records;
  return Status::Ok();
}

Result<ValueLogFacts> ValueLogWriter::Finish() {
  VARVE_TRY(Append(EncodeValueLogFooter(facts_.file_id, size(), facts_.records)));
  VARVE_TRY(WritePending());
  facts_.file_size = written_;
  VARVE_TRY(file_->Sync());
  VARVE_TRY(file_->Close());
  return facts_;
}

}  // namespace varve::lsm
