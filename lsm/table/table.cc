#include "lsm/table/table.h"

#include <algorithm>
#include <cassert>
#include <cstring>
#include <limits>
#include <utility>

#include "lsm/format/coding.h"
#include "lsm/format/prefetch.h"
#include "lsm/io/file_in_memory.h"
#include "lsm/table/filter.h"

namespace varve::lsm {
namespace {

constexpr size_t kCopyValueMax = 512;  // larger values pin their block instead of being copied
constexpr size_t kReadaheadMin = 64 * 1024;
constexpr size_t kReadaheadMax = 256 * 1024;
constexpr int kReadaheadAfter = 2;  // sequential steps

// What lies behind the data blocks, decoded and checked.
struct Tail {
  TableProperties properties;
  FilterReader filter;
  BlockBytes index_bytes;
  BlockView index;
  std::shared_ptr<const RangeTombstones> range_tombstones;
  BlockBytes dictionary;

  size_t block_count() const { return index.count(); }
  uint64_t BlockEnd(size_t i) const {
    uint64_t end = 0;
    std::memcpy(&end, index.value(static_cast<uint32_t>(i)).data(), kIndexValueSize);
    return end;
  }
  uint64_t BlockStart(size_t i) const { return i == 0 ? 0 : BlockEnd(i - 1); }
  uint64_t data_end() const { return BlockStart(block_count()); }
  BlockHandle Block(size_t i) const {
    const uint64_t start = BlockStart(i);
    return {.offset = start, .size = static_cast<uint32_t>(BlockEnd(i) - start - kBlockTrailerSize)};
  }
  size_t memory_bytes() const {
    return index_bytes.size + filter.memory_bytes() + dictionary.size + block_count() * sizeof(BlockCache::Slot);
  }
};

// Reads the tail of a file in one piece where the caller knows its offset, and hands out its blocks.
class TailLoader {
 public:
  TailLoader(const ReadableFile& file, uint64_t file_size) : file_(file), file_size_(file_size) {}

  // 0: unknown; then the footer is read first and the rest after it.
  Status Load(uint64_t tail_offset, uint64_t table_id, Tail* tail);

 private:
  Status ReadFrom(uint64_t offset);
  Status ReadFooter(uint64_t tail_offset);
  Result<BlockBytes> Block(BlockHandle handle, uint64_t table_id) const;
  Status LoadProperties(uint64_t table_id, TableProperties* properties) const;
  Status LoadIndex(Tail* tail) const;
  Status LoadRangeTombstones(Tail* tail) const;
  Status LoadDictionary(Tail* tail) const;
  Status Damaged(const std::string& problem) const { return Status::Corruption(file_.path() + ": " + problem); }

  const ReadableFile& file_;
  const uint64_t file_size_;
  uint64_t start_ = 0;  // of bytes_ in the file; they reach to its end
  std::unique_ptr<char[]> bytes_;
  Footer footer_;
};

Status TailLoader::ReadFrom(uint64_t offset) {
  start_ = offset;
  bytes_ = std::make_unique_for_overwrite<char[]>(file_size_ - offset);
  return ReadExactly(file_, offset, file_size_ - offset, bytes_.get());
}

Status TailLoader::ReadFooter(uint64_t tail_offset) {
  const bool known = tail_offset != 0 && file_size_ >= kFooterSize && tail_offset <= file_size_ - kFooterSize;
  const uint64_t footer_offset = file_size_ - std::min<uint64_t>(file_size_, kFooterSize);
  VARVE_TRY(ReadFrom(known ? tail_offset : footer_offset));
  const std::string_view bytes(bytes_.get() + (footer_offset - start_), file_size_ - footer_offset);
  Result<Footer> footer = Footer::Decode(bytes, file_size_, file_.path());
  if (!footer.ok()) return footer.status();
  footer_ = *footer;
  if (known) return Status::Ok();
  uint64_t first = std::min(footer_.properties.offset, footer_.index.offset);
  if (footer_.filter.size != 0) first = std::min(first, footer_.filter.offset);
  return ReadFrom(first);
}

Result<BlockBytes> TailLoader::Block(BlockHandle handle, uint64_t table_id) const {
  const uint64_t stored_size = uint64_t{handle.size} + kBlockTrailerSize;
  if (handle.offset > file_size_ || stored_size > file_size_ - handle.offset) {
    return Damaged("a block at offset " + std::to_string(handle.offset) + " lies outside the file");
  }
  if (handle.offset < start_) return ReadBlock(file_, handle, table_id);
  return DecodeBlock({bytes_.get() + (handle.offset - start_), stored_size}, handle.offset, table_id, file_.path());
}

Status TailLoader::LoadProperties(uint64_t table_id, TableProperties* properties) const {
  Result<BlockBytes> block = Block(footer_.properties, /*table_id=*/0);
  if (!block.ok()) return block.status();
  Result<TableProperties> decoded = TableProperties::Decode(block->view());
  if (!decoded.ok()) return BlockCorruption(file_.path(), footer_.properties.offset, decoded.status().message());
  *properties = std::move(decoded).value();
  if (table_id != 0 && properties->table_id != table_id) {
    return Damaged("holds table id " + std::to_string(properties->table_id) + ", want " + std::to_string(table_id));
  }
  return Status::Ok();
}

Status TailLoader::LoadIndex(Tail* tail) const {
  const uint64_t offset = footer_.index.offset;
  Result<BlockBytes> block = Block(footer_.index, tail->properties.table_id);
  if (!block.ok()) return block.status();
  tail->index_bytes = std::move(block).value();
  if (Status s = BlockView::Check(tail->index_bytes.view()); !s.ok()) {
    return BlockCorruption(file_.path(), offset, "index: " + std::string(s.message()));
  }
  tail->index = BlockView(tail->index_bytes.view());
  if (tail->block_count() != tail->properties.data_blocks) {
    return BlockCorruption(file_.path(), offset, "index and properties count different blocks");
  }
  uint64_t start = 0;
  for (uint32_t i = 0; i < tail->index.count(); ++i) {
    if (tail->index.value(i).size() != kIndexValueSize)
      return BlockCorruption(file_.path(), offset, "index value size");
    const uint64_t end = tail->BlockEnd(i);
    if (end > offset || end < start + kBlockTrailerSize || end - start > std::numeric_limits<uint32_t>::max()) {
      return BlockCorruption(file_.path(), offset, "index entry " + std::to_string(i) + " names no block");
    }
    start = end;
  }
  return Status::Ok();
}

Status TailLoader::LoadRangeTombstones(Tail* tail) const {
  if ((tail->properties.range_deletes != 0) != (tail->properties.range_tombstones.size != 0)) {
    return BlockCorruption(file_.path(), footer_.properties.offset,
                           "properties count " + std::to_string(tail->properties.range_deletes) +
                               " range deletes, and the block for them is " +
                               (tail->properties.range_deletes != 0 ? "missing" : "there"));
  }
  if (tail->properties.range_tombstones.size == 0) return Status::Ok();
  Result<BlockBytes> block = Block(tail->properties.range_tombstones, tail->properties.table_id);
  if (!block.ok()) return block.status();
  Result<RangeTombstones> decoded = RangeTombstones::Decode(block->view(), file_.path());
  if (!decoded.ok()) return decoded.status();
  tail->range_tombstones = std::make_shared<const RangeTombstones>(std::move(decoded).value());
  return Status::Ok();
}

Status TailLoader::LoadDictionary(Tail* tail) const {
  const BlockHandle handle = tail->properties.dictionary;
  if (handle.size == 0) return Status::Ok();
  Result<BlockBytes> block = Block(handle, tail->properties.table_id);
  if (!block.ok()) return block.status();
  if (block->size != kDictionarySize) {
    return BlockCorruption(
        file_.path(), handle.offset,
        "a dictionary of " + std::to_string(block->size) + " bytes, want " + std::to_string(kDictionarySize));
  }
  tail->dictionary = std::move(block).value();
  return Status::Ok();
}

Status TailLoader::Load(uint64_t tail_offset, uint64_t table_id, Tail* tail) {
  VARVE_TRY(ReadFooter(tail_offset));
  VARVE_TRY(LoadProperties(table_id, &tail->properties));
  VARVE_TRY(LoadIndex(tail));
  VARVE_TRY(LoadRangeTombstones(tail));
  VARVE_TRY(LoadDictionary(tail));
  if (footer_.filter.size != 0) {
    Result<BlockBytes> block = Block(footer_.filter, tail->properties.table_id);
    if (!block.ok()) return block.status();
    tail->filter = FilterReader(block->view());
  }
  return Status::Ok();
}

// Block bytes from the file as something the cache can hold, once they are known to be a block.
Result<BlockRef> CheckedBlock(BlockBytes bytes, uint64_t offset, const std::string& path) {
  if (Status s = BlockView::Check(bytes.view()); !s.ok()) return BlockCorruption(path, offset, s.message());
  BlockRef block(new CachedBlock);
  block->size = bytes.size;
  block->bytes = std::move(bytes.bytes);
  if (BlockView(block->view()).count() == 0) return BlockCorruption(path, offset, "data block without entries");
  return block;
}

}  // namespace

namespace {

void PrefetchLines(std::string_view bytes) {
  constexpr uintptr_t kLine = 64;
  const auto begin = reinterpret_cast<uintptr_t>(bytes.data());
  for (uintptr_t line = begin & ~(kLine - 1); line < begin + bytes.size(); line += kLine) {
    PrefetchLine(reinterpret_cast<const char*>(line));
  }
}

// What a search reads first lies at a block's end: the tail, prefixes, trailers.
void PrefetchSearched(std::string_view block) {
  constexpr size_t kNearEnd = 768;
  PrefetchLines(block.substr(block.size() - std::min(block.size(), kNearEnd)));
}

}  // namespace

struct Table::Rep {
  std::unique_ptr<ReadableFile> file;
  uint64_t file_size = 0;
  BlockCache* cache = nullptr;
  Tail tail;
  std::unique_ptr<BlockCache::Slot[]> slots;  // one for each data block
  SequenceNumber smallest_seq = 0, largest_seq = 0;
  uint64_t trailer_added = 0;  // of an external table

  BlockView View(const CachedBlock& block) const {
    BlockView view(block.view());
    view.AddToTrailers(trailer_added);
    return view;
  }

  void WillRead(size_t index) const {
    const uint64_t start = tail.BlockStart(index);
    file->WillRead(start, static_cast<size_t>(tail.BlockEnd(index) - start));
  }
  Result<BlockRef> Adopt(size_t index, Result<BlockBytes> bytes, const ReadTier& tier) const;
  Result<BlockRef> ReadDataBlock(size_t index, const ReadTier& tier) const {
    if (tier.memory_only && tier.announce) {
      WillRead(index);
      return Status::WouldBlock();
    }
    const FileInMemory in_memory(*file);
    const ReadableFile& from = tier.memory_only ? static_cast<const ReadableFile&>(in_memory) : *file;
    return Adopt(index, ReadBlock(from, tail.Block(index), tail.properties.table_id, tail.dictionary.view()), tier);
  }
  bool GetFrom(CachedBlock* block, std::string_view key, uint64_t newest, uint64_t* trailer, PinnedValue* value) const {
    const BlockView view = View(*block);
    return GetRow(block, view, view.LowerBound(key, newest), key, trailer, value);
  }
  bool GetRow(CachedBlock* block, const BlockView& view, uint32_t row, std::string_view key, uint64_t* trailer,
              PinnedValue* value) const;
};

// Checks what was read for a block and makes it resident if the tier says so.
Result<BlockRef> Table::Rep::Adopt(size_t index, Result<BlockBytes> bytes, const ReadTier& tier) const {
  if (!bytes.ok()) return bytes.status();
  Result<BlockRef> block = CheckedBlock(std::move(bytes).value(), tail.BlockStart(index), file->path());
  if (!block.ok() || !tier.fill_cache) return block;
  return cache->Insert(&slots[index], std::move(block).value());
}

Table::Table(std::unique_ptr<Rep> rep) : rep_(std::move(rep)) {}

Table::~Table() {
  rep_->cache->EraseSlots(rep_->slots.get(), rep_->tail.block_count());
  rep_->cache->ChargeTableMemory(-static_cast<int64_t>(memory_bytes()));
}

Result<std::shared_ptr<Table>> Table::Open(std::unique_ptr<ReadableFile> file, uint64_t file_size, uint64_t tail_offset,
                                           uint64_t table_id, BlockCache* cache) {
  auto rep = std::make_unique<Rep>();
  VARVE_TRY(TailLoader(*file, file_size).Load(tail_offset, table_id, &rep->tail));
  rep->file = std::move(file);
  rep->file_size = file_size;
  rep->cache = cache;
  rep->smallest_seq = rep->tail.properties.smallest_seq;
  rep->largest_seq = rep->tail.properties.largest_seq;
  rep->slots = std::make_unique<BlockCache::Slot[]>(rep->tail.block_count());
  std::shared_ptr<Table> table(new Table(std::move(rep)));
  cache->ChargeTableMemory(static_cast<int64_t>(table->memory_bytes()));
  return table;
}

// The newest version <= snapshot is in the block where the search for it ends, or nowhere (T2).
bool Table::Rep::GetRow(CachedBlock* block, const BlockView& view, uint32_t i, std::string_view key, uint64_t* trailer,
                        PinnedValue* value) const {
  if (i == view.count() || !view.KeyEquals(i, key)) {
    if (!tail.filter.empty()) cache->CountFilterFalsePositive();
    return false;
  }
  *trailer = view.trailer(i);
  if (TrailerKind(*trailer) == ValueKind::kDelete) return true;
  const std::string_view bytes = view.value(i);
  if (bytes.size() <= kCopyValueMax) {
    value->Assign(bytes);
  } else {
    block->Ref();
    value->Pin(bytes, block, [](void* owner) { static_cast<CachedBlock*>(owner)->Unref(); });
  }
  return true;
}

void Table::SetSequences(SequenceNumber smallest, SequenceNumber largest) {
  Rep& r = *rep_;
  assert(r.tail.properties.external);
  r.smallest_seq = smallest;
  r.largest_seq = largest;
  r.trailer_added = PackTrailer(largest, ValueKind{0});
  if (r.tail.range_tombstones == nullptr) return;
  std::vector<RangeTombstone> tombstones;
  r.tail.range_tombstones->AppendTo(&tombstones);
  for (RangeTombstone& tombstone : tombstones) tombstone.seq = smallest;
  r.tail.range_tombstones = std::make_shared<const RangeTombstones>(RangeTombstones::Fragmented(std::move(tombstones)));
}

Result<bool> Table::Get(std::string_view key, uint64_t key_hash, SequenceNumber snapshot, ReadTier tier,
                        uint64_t* trailer, PinnedValue* value) const {
  const Rep& r = *rep_;
  if (!r.tail.filter.MayContain(key_hash)) {
    r.cache->CountFilterUseful();
    return false;
  }
  const uint64_t newest = MaxTrailer(snapshot);
  const uint32_t block_index = r.tail.index.LowerBound(key, newest);
  if (block_index == r.tail.block_count()) return false;

  BlockCache::Slot* slot = &r.slots[block_index];
  if (CachedBlock* block = r.cache->Pin(slot); block != nullptr) {
    PrefetchSearched(block->view());
    const bool found = r.GetFrom(block, key, newest, trailer, value);
    BlockCache::Unpin(slot);
    return found;
  }
  Result<BlockRef> read = r.ReadDataBlock(block_index, tier);
  if (!read.ok()) return read.status();
  return r.GetFrom(read->get(), key, newest, trailer, value);
}

void Table::PrefetchFilter(uint64_t key_hash) const {
  rep_->tail.filter.Prefetch(key_hash);
}

bool Table::Find(std::string_view key, uint64_t key_hash, SequenceNumber snapshot, BlockAhead* ahead) const {
  const Rep& r = *rep_;
  if (!r.tail.filter.MayContain(key_hash)) return false;
  const uint32_t index = r.tail.index.LowerBound(key, MaxTrailer(snapshot));
  if (index == r.tail.block_count()) return false;
  ahead->table = this;
  ahead->index = index;
  PrefetchLine(&r.slots[index]);
  return true;
}

void Table::Approach(const BlockAhead& ahead) {
  BlockCache::Prefetch(ahead.table->rep_->slots[ahead.index]);
}

void Table::TakeResident(BlockAhead* ahead, bool counted) {
  const Rep& r = *ahead->table->rep_;
  BlockCache::Slot* const slot = &r.slots[ahead->index];
  ahead->block = counted ? r.cache->Lookup(slot) : BlockCache::Peek(slot);
  if (ahead->block) PrefetchSearched(ahead->block->view());
}

void Table::WillRead(const BlockAhead& ahead) {
  ahead.table->rep_->WillRead(ahead.index);
}

void Table::Read(std::span<BlockAhead*> same_block, ReadTier tier) {
  const BlockAhead& first = *same_block.front();
  Result<BlockRef> read = first.table->rep_->ReadDataBlock(first.index, tier);
  for (BlockAhead* ahead : same_block) {
    if (!read.ok()) {
      ahead->table = nullptr;
    } else {
      (*read)->Ref();
      ahead->block = BlockRef(read->get());
    }
  }
}

void Table::Aim(BlockAhead* ahead, std::string_view key, SequenceNumber snapshot) {
  ahead->view = ahead->table->rep_->View(*ahead->block.get());
  ahead->row = ahead->view.LowerBound(key, MaxTrailer(snapshot));
  if (ahead->row == ahead->view.count()) return;
  PrefetchLines(ahead->view.value(ahead->row).substr(0, kCopyValueMax));
}

bool Table::Get(const BlockAhead& ahead, std::string_view key, uint64_t* trailer, PinnedValue* value) {
  return ahead.table->rep_->GetRow(ahead.block.get(), ahead.view, ahead.row, key, trailer, value);
}

const std::shared_ptr<const RangeTombstones>& Table::range_tombstones() const {
  return rep_->tail.range_tombstones;
}
uint64_t Table::ApproximateOffset(std::string_view key) const {
  return rep_->tail.BlockStart(rep_->tail.index.LowerBound(key, MaxTrailer(kSequenceMax)));
}
size_t Table::memory_bytes() const {
  return rep_->tail.memory_bytes();
}
uint64_t Table::table_id() const {
  return rep_->tail.properties.table_id;
}
const std::string& Table::path() const {
  return rep_->file->path();
}
const TableProperties& Table::properties() const {
  return rep_->tail.properties;
}
TableFacts Table::Facts() const {
  const TableProperties& p = rep_->tail.properties;
  TableFacts facts;
  facts.file_size = rep_->file_size;
  facts.tail_offset = rep_->tail.data_end();
  facts.filter_size = rep_->tail.filter.memory_bytes();
  facts.entries = p.entries;
  facts.deletes = p.deletes;
  facts.range_deletes = p.range_deletes;
  facts.smallest_seq = rep_->smallest_seq;
  facts.largest_seq = rep_->largest_seq;
  facts.smallest = p.smallest;
  facts.largest = p.largest;
  facts.largest_exclusive = p.largest_exclusive;
  facts.value_logs = p.value_logs;
  facts.expires_ms = p.expires_ms;
  return facts;
}

namespace {

// Walks freshly read blocks in order and collects what is wrong with them.
class TableVerifier {
 public:
  TableVerifier(const Tail& tail, const std::string& path, std::vector<std::string>* problems)
      : tail_(tail), path_(path), problems_(problems) {}

  void Block(size_t index, std::string_view bytes) {
    const uint64_t offset = tail_.BlockStart(index);
    const uint32_t bound = static_cast<uint32_t>(index);
    BlockIterator it{BlockView(bytes)};
    it.SeekToFirst();
    if (it.Valid() && index != 0 &&
        CompareVersions(tail_.index.KeyAt(bound - 1), tail_.index.trailer(bound - 1), it.key(), it.trailer()) >= 0) {
      Problem(offset, "a version lies within the index entry of the block before");
    }
    for (; it.Valid(); it.Next()) {
      if (has_last_ && CompareVersions(last_key_, last_trailer_, it.key(), it.trailer()) >= 0) {
        Problem(offset, "versions out of order");
      }
      if (!tail_.filter.MayContain(FilterHash(it.key()))) Problem(offset, "the filter denies a key");
      if (tail_.properties.external && !MayComeFromOutside(it.trailer(), it.value())) {
        Problem(offset, "a version that no table from outside may hold");
      }
      last_key_.assign(it.key());
      last_trailer_ = it.trailer();
      has_last_ = true;
      ++entries_;
    }
    if (has_last_ &&
        CompareVersions(last_key_, last_trailer_, tail_.index.KeyAt(bound), tail_.index.trailer(bound)) > 0) {
      Problem(offset, "a version lies beyond the block's index entry");
    }
  }
  void Status(const lsm::Status& status) {
    problems_->emplace_back(status.message());
    unread_ = true;
  }
  void Finish() {
    if (unread_ || entries_ == tail_.properties.entries) return;
    problems_->push_back(path_ + ": " + std::to_string(entries_) + " entries, the properties say " +
                         std::to_string(tail_.properties.entries));
  }
  uint64_t entries() const { return entries_; }

 private:
  // What TableWriter writes.
  bool MayComeFromOutside(uint64_t trailer, std::string_view value) const {
    if (TrailerSequence(trailer) != 0) return false;
    switch (TrailerKind(trailer)) {
      case ValueKind::kPut:
      case ValueKind::kDelete: return true;
      case ValueKind::kPutWithExpiry: return value.size() >= kExpirySize;
      case ValueKind::kMerge: return !tail_.properties.merge_operator.empty();
      case ValueKind::kRangeDelete:
      case ValueKind::kValuePointer:
      case ValueKind::kIngest: return false;
    }
    return false;
  }
  void Problem(uint64_t offset, std::string_view problem) {
    problems_->emplace_back(BlockCorruption(path_, offset, problem).message());
  }

  const Tail& tail_;
  const std::string& path_;
  std::vector<std::string>* problems_;
  std::string last_key_;
  uint64_t last_trailer_ = 0;
  bool has_last_ = false;
  bool unread_ = false;
  uint64_t entries_ = 0;
};

}  // namespace

Status Table::Salvage(const std::function<Status(std::string_view key, uint64_t trailer, std::string_view value)>& keep,
                      std::vector<DamagedBlock>* damaged) const {
  const Rep& r = *rep_;
  for (size_t i = 0; i < r.tail.block_count(); ++i) {
    Result<BlockRef> block = r.ReadDataBlock(i, {.memory_only = false, .fill_cache = false});
    if (!block.ok()) {
      const uint32_t index = static_cast<uint32_t>(i);
      damaged->push_back({.offset = r.tail.BlockStart(i),
                          .size = r.tail.BlockEnd(i) - r.tail.BlockStart(i),
                          .problem = std::string(block.status().message()),
                          .smallest = i == 0 ? r.tail.properties.smallest : r.tail.index.KeyAt(index - 1),
                          .largest = r.tail.index.KeyAt(index)});
      continue;
    }
    BlockIterator it(r.View(*block->get()));
    for (it.SeekToFirst(); it.Valid(); it.Next()) VARVE_TRY(keep(it.key(), it.trailer(), it.value()));
  }
  return Status::Ok();
}

void Table::Verify(uint64_t* blocks, uint64_t* entries, std::vector<std::string>* problems) const {
  const Rep& r = *rep_;
  Tail fresh;
  if (Status s = TailLoader(*r.file, r.file_size).Load(0, table_id(), &fresh); !s.ok()) {
    problems->emplace_back(s.message());
  }
  TableVerifier verifier(r.tail, path(), problems);
  for (size_t i = 0; i < r.tail.block_count(); ++i) {
    Result<BlockRef> block = r.ReadDataBlock(i, {.memory_only = false, .fill_cache = false});
    if (block.ok()) {
      verifier.Block(i, (*block)->view());
      ++*blocks;
    } else {
      verifier.Status(block.status());
    }
  }
  verifier.Finish();
  *entries += verifier.entries();
}

TableIterator::TableIterator(std::shared_ptr<const Table> table, ReadTier tier)
    : table_(std::move(table)), tier_(tier) {}
TableIterator::~TableIterator() = default;

void TableIterator::Stop() {
  block_iter_.Clear();
}

bool TableIterator::LoadBlock(size_t index) {
  const Table::Rep& r = table_->rep();
  if (!block_ || block_index_ != index) {
    BlockRef block = r.cache->Lookup(&r.slots[index]);
    if (!block) {
      Result<BlockRef> read =
          tier_.memory_only ? Result<BlockRef>(Status::WouldBlock()) : r.Adopt(index, ReadBlockAhead(index), tier_);
      if (!read.ok()) {
        status_ = read.status();
        Stop();
        return false;
      }
      block = std::move(read).value();
    }
    block_ = std::move(block);
    block_index_ = index;
  }
  block_iter_.Reset(r.View(*block_.get()));
  return true;
}

Result<BlockBytes> TableIterator::ReadBlockAhead(size_t index) {
  const Table::Rep& r = table_->rep();
  const BlockHandle handle = r.tail.Block(index);
  const uint64_t stored_size = uint64_t{handle.size} + kBlockTrailerSize;
  const auto is_ahead = [&] {
    return handle.offset >= readahead_offset_ &&
           handle.offset + stored_size <= readahead_offset_ + uint64_t{readahead_size_};
  };
  if (is_ahead() || (std::abs(sequential_) >= kReadaheadAfter && FillReadahead(index))) {
    return DecodeBlock({readahead_.get() + (handle.offset - readahead_offset_), stored_size}, handle.offset,
                       r.tail.properties.table_id, table_->path(), r.tail.dictionary.view());
  }
  return ReadBlock(*r.file, handle, r.tail.properties.table_id, r.tail.dictionary.view());
}

// Reads block `index` and those that follow it in the direction of travel, as many as fit the window. False: nothing
// gained, or an error; the caller then reads the one block, and reports what is wrong with that one.
bool TableIterator::FillReadahead(size_t index) {
  const Tail& tail = table_->rep().tail;
  readahead_window_ = std::clamp(2 * readahead_window_, kReadaheadMin, kReadaheadMax);
  size_t first = index, last = index;
  if (sequential_ > 0) {
    const uint64_t start = tail.BlockStart(index);
    while (last + 1 < tail.block_count() && tail.BlockEnd(last + 1) - start <= readahead_window_) ++last;
  } else {
    const uint64_t end = tail.BlockEnd(index);
    while (first > 0 && end - tail.BlockStart(first - 1) <= readahead_window_) --first;
  }
  if (first == last) return false;
  if (readahead_ == nullptr) readahead_ = std::make_unique_for_overwrite<char[]>(kReadaheadMax);
  const uint64_t offset = tail.BlockStart(first);
  const size_t size = static_cast<size_t>(tail.BlockEnd(last) - offset);
  readahead_size_ = 0;
  if (!ReadExactly(*table_->rep().file, offset, size, readahead_.get()).ok()) return false;
  readahead_offset_ = offset;
  readahead_size_ = size;
  return true;
}

void TableIterator::NextBlock() {
  if (block_index_ + 1 >= table_->rep().tail.block_count()) return Stop();
  sequential_ = std::max(sequential_, 0) + 1;
  if (LoadBlock(block_index_ + 1)) block_iter_.SeekToFirst();
}

void TableIterator::PrevBlock() {
  if (block_index_ == 0) return Stop();
  sequential_ = std::min(sequential_, 0) - 1;
  if (LoadBlock(block_index_ - 1)) block_iter_.SeekToLast();
}

// Positioning anew forgets an earlier error: the reader decides whether to try again.
void TableIterator::SeekToFirst() {
  status_ = Status::Ok();
  sequential_ = 0;
  if (table_->rep().tail.block_count() == 0) return Stop();
  if (LoadBlock(0)) block_iter_.SeekToFirst();
}

void TableIterator::SeekToLast() {
  status_ = Status::Ok();
  sequential_ = 0;
  const size_t count = table_->rep().tail.block_count();
  if (count == 0) return Stop();
  if (LoadBlock(count - 1)) block_iter_.SeekToLast();
}

void TableIterator::AimAt(std::string_view key, uint64_t trailer) {
  const Table::Rep& r = table_->rep();
  status_ = Status::Ok();
  sequential_ = 0;
  Stop();
  aim_ = r.tail.index.LowerBound(key, trailer);
  if (aim_ < r.tail.block_count()) PrefetchLine(&r.slots[aim_]);
}

void TableIterator::Approach() const {
  const Table::Rep& r = table_->rep();
  if (aim_ < r.tail.block_count()) BlockCache::Prefetch(r.slots[aim_]);
}

void TableIterator::Fetch() {
  const Table::Rep& r = table_->rep();
  if (aim_ >= r.tail.block_count() || (block_ && block_index_ == aim_)) return;
  if (!BlockCache::Holds(r.slots[aim_])) return;  // Land reads it; looked up twice it would be missed twice
  BlockRef block = r.cache->Lookup(&r.slots[aim_]);
  if (!block) return;
  PrefetchSearched(block->view());
  block_ = std::move(block);
  block_index_ = aim_;
}

void TableIterator::Land(std::string_view key, uint64_t trailer) {
  if (aim_ >= table_->rep().tail.block_count() || !LoadBlock(aim_)) return;
  block_iter_.Seek(key, trailer);
  if (!block_iter_.Valid()) NextBlock();  // between the block's last version and its separator
}

void TableIterator::SeekBefore(std::string_view key, uint64_t trailer) {
  const Tail& tail = table_->rep().tail;
  const size_t index = tail.index.LowerBound(key, trailer);
  if (index == tail.block_count()) return SeekToLast();
  status_ = Status::Ok();
  sequential_ = 0;
  if (!LoadBlock(index)) return;
  block_iter_.SeekBefore(key, trailer);
  if (!block_iter_.Valid()) PrevBlock();
}

}  // namespace varve::lsm
