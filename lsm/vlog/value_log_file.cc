#include "lsm/vlog/value_log_file.h"

#include <algorithm>
#include <cstdio>
#include <utility>

#include "lsm/format/coding.h"
#include "lsm/io/file_in_memory.h"
#include "lsm/out_of_memory.h"

namespace varve::lsm {

namespace {
// Values up to this part of the cache are kept in it.
constexpr size_t kCachedPart = 64;

// What stands before the record whose contents begin at `offset`.
Result<uint32_t> SizeBefore(const ReadableFile& file, uint64_t offset) {
  char size[4];
  if (Status s = ReadExactly(file, offset - sizeof(size), sizeof(size), size); !s.ok()) return s;
  return DecodeFixed32(size);
}

Result<BlockRef> ReadFrom(const ReadableFile& file, const ValuePointer& pointer, uint64_t file_id) {
  auto bytes = ReadBlock(file, {.offset = pointer.offset, .size = pointer.size}, file_id);
  if (!bytes.ok()) return bytes.status();
  BlockRef block(new CachedBlock);
  block->size = bytes->size;
  block->bytes = std::move(bytes->bytes);
  return block;
}

}  // namespace

std::string ValueLogFileName(const std::string& dir, uint64_t number) {
  char name[32];
  std::snprintf(name, sizeof(name), "/%06llu.vlog", static_cast<unsigned long long>(number));
  return dir + name;
}

ValueLogFile::ValueLogFile(uint64_t number, const ValueLogFacts& facts, std::shared_ptr<const TableContext> context)
    : number_(number), facts_(facts), context_(std::move(context)) {}

ValueLogFile::~ValueLogFile() {
  if (slots_ != nullptr) {
    context_->cache->EraseSlots(slots_.get(), facts_.records);
    context_->cache->ChargeTableMemory(-static_cast<int64_t>(facts_.records * sizeof(BlockCache::Slot)));
  }
  if (!obsolete_.load(std::memory_order_relaxed)) return;
  IfMemoryAllows([&] { context_->graveyard->Bury(path(), facts_.file_size); });  // else it goes at the next open
}

Status ValueLogFile::Open() const {
  if (opened_.load(std::memory_order_acquire)) [[likely]]
    return Status::Ok();
  return OpenSlow();
}

Status ValueLogFile::OpenSlow() const {
  MutexLock lock(&mu_);
  if (opened_.load(std::memory_order_relaxed)) return Status::Ok();
  auto file = context_->file_system->OpenForRead(path());
  if (!file.ok()) {
    if (!file.status().Is(StatusCode::kNotFound)) return file.status();
    return Status::Corruption(path() + ": the manifest names this value-log file, but it is missing");
  }
  auto found = ReadValueLogFacts(**file);
  if (!found.ok()) return found.status();
  if (found->file_id != facts_.file_id || found->file_size != facts_.file_size || found->records != facts_.records) {
    return Status::Corruption(path() + ": is another value-log file than the manifest names (or has another size)");
  }
  file_ = std::move(file).value();
  slots_ = std::make_unique<BlockCache::Slot[]>(facts_.records);
  context_->cache->ChargeTableMemory(static_cast<int64_t>(facts_.records * sizeof(BlockCache::Slot)));
  opened_.store(true, std::memory_order_release);
  return Status::Ok();
}

Status ValueLogFile::CheckBounds(const ValuePointer& pointer) const {
  const uint64_t end = facts_.file_size - kValueLogFooterSize;
  if (pointer.ordinal < facts_.records && pointer.offset >= kValueLogHeaderSize + 4 && pointer.offset < end &&
      pointer.size + kBlockTrailerSize <= end - pointer.offset) {
    return Status::Ok();
  }
  return Status::Corruption(path() + ": a table points to offset " + std::to_string(pointer.offset) + ", size " +
                            std::to_string(pointer.size) + ", which is no record of the file");
}

Result<BlockRef> ValueLogFile::Read(const ValuePointer& pointer) const {
  return ReadFrom(*file_, pointer, facts_.file_id);
}

Status ValueLogFile::Get(const ValuePointer& pointer, ReadTier tier, PinnedValue* value) const {
  if (tier.memory_only && !opened_.load(std::memory_order_acquire)) return Status::WouldBlock();
  VARVE_TRY(Open());
  VARVE_TRY(CheckBounds(pointer));
  BlockCache* cache = context_->cache;
  BlockCache::Slot* slot = &slots_[pointer.ordinal];
  BlockRef block = cache->Lookup(slot);
  if (!block) {
    if (tier.memory_only && tier.announce) {
      file_->WillRead(pointer.offset, size_t{pointer.size} + kBlockTrailerSize);
      return Status::WouldBlock();
    }
    const FileInMemory in_memory(*file_);
    const ReadableFile& from = tier.memory_only ? static_cast<const ReadableFile&>(in_memory) : *file_;
    Result<BlockRef> read = ReadFrom(from, pointer, facts_.file_id);
    if (!read.ok()) return read.status();
    block = std::move(read).value();
    if (tier.fill_cache && block->size <= cache->capacity() / kCachedPart)
      block = cache->Insert(slot, std::move(block));
  }
  const std::string_view view = block->view();
  value->Pin(view, block.Release(), [](void* owner) { static_cast<CachedBlock*>(owner)->Unref(); });
  return Status::Ok();
}

Result<BlockBytes> ValueLogFile::ReadStored(const ValuePointer& pointer, BlockCompression* compression) const {
  const auto read = [&]() -> Result<BlockBytes> {
    VARVE_TRY(Open());
    VARVE_TRY(CheckBounds(pointer));
    return ReadStoredBlock(*file_, {.offset = pointer.offset, .size = pointer.size}, facts_.file_id, compression);
  };
  Result<BlockBytes> stored = read();
  if (stored.ok()) {
    read_errors_.store(0, std::memory_order_relaxed);
  } else if (stored.status().Is(StatusCode::kCorruption) ||
             (stored.status().Is(StatusCode::kIoError) &&
              read_errors_.fetch_add(1, std::memory_order_relaxed) + 1 >= kReadErrorsMax)) {
    damaged_.store(true, std::memory_order_relaxed);
  }
  return stored;
}

Status ValueLogFile::Verify(const ValuePointer& pointer) const {
  VARVE_TRY(Open());
  VARVE_TRY(CheckBounds(pointer));
  auto size = SizeBefore(*file_, pointer.offset);
  if (!size.ok()) return size.status();
  if (*size != pointer.size) {
    return BlockCorruption(
        path(), pointer.offset,
        "the size before it is " + std::to_string(*size) + ", the table says " + std::to_string(pointer.size));
  }
  return Read(pointer).status();
}

Status VerifyValueLog(const ReadableFile& file) {
  auto facts = ReadValueLogFacts(file);
  if (!facts.ok()) return facts.status();
  const uint64_t end = facts->file_size - kValueLogFooterSize;
  uint64_t offset = kValueLogHeaderSize;
  for (uint64_t i = 0; i < facts->records; ++i) {
    constexpr uint64_t kAround = sizeof(uint32_t) + kBlockTrailerSize;
    if (end - offset < kAround) return BlockCorruption(file.path(), offset, "records are missing");
    BlockHandle contents{.offset = offset + sizeof(uint32_t), .size = 0};
    auto size = SizeBefore(file, contents.offset);
    if (!size.ok()) return size.status();
    if (*size > end - offset - kAround) return BlockCorruption(file.path(), offset, "a record reaches past the last");
    contents.size = *size;
    if (auto read = ReadBlock(file, contents, facts->file_id); !read.ok()) return read.status();
    offset += kAround + contents.size;
  }
  return offset == end ? Status::Ok() : BlockCorruption(file.path(), offset, "bytes behind the last record");
}

const ValueLogFile* FindValueLog(const ValueLogFiles& files, uint64_t number) {
  auto it = std::lower_bound(files.begin(), files.end(), number,
                             [](const ValueLogFileRef& file, uint64_t n) { return file->number() < n; });
  return it != files.end() && (*it)->number() == number ? it->get() : nullptr;
}

Status ReadPointedValue(const ValueLogFiles& files, std::string_view bytes, ReadTier tier, PinnedValue* value) {
  ValuePointer pointer;
  if (!ValuePointer::Decode(bytes, &pointer)) {
    return Status::Corruption("a table holds a value pointer that cannot be read (" + std::to_string(bytes.size()) +
                              " bytes). Run Verify to find the table");
  }
  const ValueLogFile* file = FindValueLog(files, pointer.file_number);
  if (file == nullptr) {
    return Status::Corruption("a table points into value-log file " + std::to_string(pointer.file_number) +
                              ", which the manifest does not have. Run Verify to find the table");
  }
  return file->Get(pointer, tier, value);
}

}  // namespace varve::lsm
