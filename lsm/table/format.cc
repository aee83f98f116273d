#include "lsm/table/format.h"

#include <zstd.h>

#include <cstring>
#include <new>
#include <utility>

#include "lsm/format/coding.h"
#include "lsm/format/crc32c.h"
#include "lsm/options.h"

namespace varve::lsm {
namespace {

constexpr size_t kHandlesSize = 36;
constexpr uint64_t kMagicMask = (uint64_t{1} << 56) - 1;
constexpr size_t kSizePrefix = 4;  // uncompressed size before a zstd frame
// zstd spends at least 3 bytes on a block of at most 128 KiB, so contents that claim to grow more than this are not
// its.
constexpr uint64_t kGrowthMax = 64 * 1024;

// The decompression state of a thread: making one costs more than a block.
struct DContext {
  DContext() : context(ZSTD_createDCtx()) {
    if (context == nullptr) throw std::bad_alloc();
  }
  ~DContext() { ZSTD_freeDCtx(context); }
  DContext(const DContext&) = delete;
  DContext& operator=(const DContext&) = delete;
  ZSTD_DCtx* const context;
};

uint32_t StoredCrc(std::string_view contents_and_type, uint64_t table_id, uint64_t offset) {
  return MaskCrc(Crc32c(BlockSeed(table_id, offset), contents_and_type));
}

// The compression of a stored block whose checksum holds.
Result<BlockCompression> CheckStored(std::string_view stored, uint64_t offset, uint64_t table_id,
                                     const std::string& path) {
  if (stored.size() < kBlockTrailerSize) return BlockCorruption(path, offset, "shorter than its trailer");
  const uint32_t want = DecodeFixed32(stored.data() + stored.size() - 4);
  const uint32_t have = StoredCrc(stored.substr(0, stored.size() - 4), table_id, offset);
  if (want != have) return BlockCorruption(path, offset, "checksum mismatch");
  const auto type = static_cast<unsigned char>(stored[stored.size() - kBlockTrailerSize]);
  switch (static_cast<BlockCompression>(type)) {
    case BlockCompression::kNone:
    case BlockCompression::kZstd:
    case BlockCompression::kZstdDictionary: return static_cast<BlockCompression>(type);
  }
  return Status::Unsupported(path + ": block at offset " + std::to_string(offset) + ": unknown compression " +
                             std::to_string(type));
}

Result<BlockBytes> ReadFrame(std::string_view contents, uint64_t offset, const std::string& path,
                             std::string_view dictionary) {
  if (contents.size() < kSizePrefix) return BlockCorruption(path, offset, "no uncompressed size");
  const uint32_t size = DecodeFixed32(contents.data());
  contents.remove_prefix(kSizePrefix);
  if (size > kBatchSizeMax || size > contents.size() * kGrowthMax) {
    return BlockCorruption(path, offset, "impossible uncompressed size " + std::to_string(size));
  }
  BlockBytes out{NewBlockBuffer(size), size};
  thread_local DContext decompressor;
  const size_t done = ZSTD_decompress_usingDict(decompressor.context, out.bytes.get(), size, contents.data(),
                                                contents.size(), dictionary.data(), dictionary.size());
  if (ZSTD_isError(done)) return BlockCorruption(path, offset, std::string("zstd: ") + ZSTD_getErrorName(done));
  if (done != size) return BlockCorruption(path, offset, "uncompressed to another size than stored");
  return out;
}

// A compressed block's.
Result<BlockBytes> Uncompress(std::string_view contents, BlockCompression compression, uint64_t offset,
                              const std::string& path, std::string_view dictionary) {
  if (compression == BlockCompression::kZstd) return ReadFrame(contents, offset, path, {});
  if (!dictionary.empty()) return ReadFrame(contents, offset, path, dictionary);
  return BlockCorruption(path, offset, "compressed with a dictionary, and there is none");
}

void PutHandle(std::string* out, const BlockHandle& handle) {
  PutFixed64(out, handle.offset);
  PutFixed32(out, handle.size);
}

BlockHandle GetHandle(const char* p) {
  return {.offset = DecodeFixed64(p), .size = DecodeFixed32(p + 8)};
}

}  // namespace

std::string Footer::Encode() const {
  std::string out;
  PutHandle(&out, properties);
  PutHandle(&out, index);
  PutHandle(&out, filter);
  PutFixed32(&out, MaskCrc(Crc32c(0, out)));
  PutFixed64(&out, kTableMagic);
  return out;
}

Result<Footer> Footer::Decode(std::string_view bytes, uint64_t file_size, const std::string& path) {
  if (bytes.size() != kFooterSize || file_size < kFooterSize) {
    return Status::Corruption(path + ": not a Varve table (" + std::to_string(file_size) +
                              " bytes, a footer alone has 48)");
  }
  const std::string where = " (footer at offset " + std::to_string(file_size - kFooterSize);
  const uint64_t magic = DecodeFixed64(bytes.data() + kHandlesSize + 4);
  if ((magic & kMagicMask) != (kTableMagic & kMagicMask)) {
    return Status::Corruption(path + ": not a Varve table" + where + ": wrong magic)");
  }
  if (magic != kTableMagic) {
    return Status::Unsupported(path + ": table format version " + std::to_string(magic >> 56) +
                               ", this build reads version 1");
  }
  if (DecodeFixed32(bytes.data() + kHandlesSize) != MaskCrc(Crc32c(0, bytes.substr(0, kHandlesSize)))) {
    return Status::Corruption(path + ": damaged table" + where + ": checksum mismatch)");
  }
  Footer footer{.properties = GetHandle(bytes.data()),
                .index = GetHandle(bytes.data() + 12),
                .filter = GetHandle(bytes.data() + 24)};
  const uint64_t limit = file_size - kFooterSize;
  for (const BlockHandle& handle : {footer.properties, footer.index, footer.filter}) {
    if (handle.offset > limit || uint64_t{handle.size} + kBlockTrailerSize > limit - handle.offset) {
      if (handle.size == 0 && handle.offset == 0) continue;  // no filter
      return Status::Corruption(path + ": damaged table" + where + ": a block lies outside the file)");
    }
  }
  return footer;
}

// Two (table, offset) pairs have the same seed once in 2^32; whenever the seeds differ, the crc of equal bytes does
// too.
uint32_t BlockSeed(uint64_t table_id, uint64_t offset) {
  uint64_t x = table_id + offset * 0x9e3779b97f4a7c15u;
  x ^= x >> 32;
  x *= 0xd6e8feb86659fd93u;
  return static_cast<uint32_t>(x >> 32);
}

std::string BlockTrailer(std::string_view contents, BlockCompression compression, uint64_t table_id, uint64_t offset) {
  std::string trailer(1, static_cast<char>(compression));
  const uint32_t crc = Crc32c(Crc32c(BlockSeed(table_id, offset), contents), trailer);
  PutFixed32(&trailer, MaskCrc(crc));
  return trailer;
}

Result<BlockBytes> DecodeBlock(std::string_view stored, uint64_t offset, uint64_t table_id, const std::string& path,
                               std::string_view dictionary) {
  Result<BlockCompression> compression = CheckStored(stored, offset, table_id, path);
  if (!compression.ok()) return compression.status();
  const std::string_view contents = stored.substr(0, stored.size() - kBlockTrailerSize);
  if (*compression != BlockCompression::kNone) return Uncompress(contents, *compression, offset, path, dictionary);
  BlockBytes out{NewBlockBuffer(contents.size()), static_cast<uint32_t>(contents.size())};
  std::memcpy(out.bytes.get(), contents.data(), contents.size());
  return out;
}

Result<BlockBytes> ReadStoredBlock(const ReadableFile& file, BlockHandle handle, uint64_t table_id,
                                   BlockCompression* compression) {
  const size_t stored_size = size_t{handle.size} + kBlockTrailerSize;
  auto buffer = NewBlockBuffer(stored_size);
  VARVE_TRY(ReadExactly(file, handle.offset, stored_size, buffer.get()));
  Result<BlockCompression> checked = CheckStored({buffer.get(), stored_size}, handle.offset, table_id, file.path());
  if (!checked.ok()) return checked.status();
  *compression = *checked;
  return BlockBytes{std::move(buffer), handle.size};
}

Result<BlockBytes> ReadBlock(const ReadableFile& file, BlockHandle handle, uint64_t table_id,
                             std::string_view dictionary) {
  BlockCompression compression = BlockCompression::kNone;
  Result<BlockBytes> stored = ReadStoredBlock(file, handle, table_id, &compression);
  if (!stored.ok() || compression == BlockCompression::kNone) return stored;
  return Uncompress(stored->view(), compression, handle.offset, file.path(), dictionary);
}

Status ReadExactly(const ReadableFile& file, uint64_t offset, size_t size, char* buffer) {
  Result<size_t> got = file.ReadAt(offset, size, buffer);
  if (!got.ok()) return got.status();
  if (*got == size) return Status::Ok();
  return Status::Corruption(file.path() + ": file ends at offset " + std::to_string(offset + *got) + ", want " +
                            std::to_string(offset + size));
}

Status BlockCorruption(const std::string& path, uint64_t offset, std::string_view problem) {
  return Status::Corruption(path + ": block at offset " + std::to_string(offset) + ": " + std::string(problem));
}

}  // namespace varve::lsm
