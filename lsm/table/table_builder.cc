#include "lsm/table/table_builder.h"

#include <algorithm>
#include <cassert>
#include <cstdio>
#include <map>
#include <utility>
#include <vector>

#include "lsm/format/coding.h"
#include "lsm/table/block.h"
#include "lsm/table/block_compressor.h"
#include "lsm/table/filter.h"
#include "lsm/table/format.h"
#include "lsm/table/properties.h"

namespace varve::lsm {
namespace {

// Finished blocks gather to this before they are written: a system call for 32 blocks, not for each.
constexpr size_t kWriteSize = 256 * 1024;
// A block's sections are counted in u32; the largest value, in a block of this target, stays far below.
constexpr size_t kBlockSizeMax = 64 * 1024 * 1024;
constexpr size_t kBlockSizeMin = 256;

// The shortest key s with last <= s < next, where last < next.
std::string_view Separator(std::string_view last, std::string_view next, std::string* storage) {
  const size_t shared = SharedPrefix(last, next);
  // next[shared] exists. The prefix of `next` one byte longer than what is shared is > last; it is < next unless it is
  // all of next.
  if (shared + 1 < next.size()) {
    if (shared + 1 >= last.size()) return last;
    storage->assign(next.substr(0, shared + 1));
    return *storage;
  }
  // Else raise an early byte of what `last` has beyond the shared bytes, staying below next.
  if (shared + 1 < last.size() &&
      static_cast<unsigned char>(last[shared]) + 1 < static_cast<unsigned char>(next[shared])) {
    storage->assign(last.substr(0, shared + 1));
    ++storage->back();
    return *storage;
  }
  for (size_t i = shared + 1; i + 1 < last.size(); ++i) {
    if (static_cast<unsigned char>(last[i]) == 0xff) continue;
    storage->assign(last.substr(0, i + 1));
    ++storage->back();
    return *storage;
  }
  return last;
}

}  // namespace

struct TableBuilder::Rep {
  Rep(std::unique_ptr<WritableFile> f, const TableBuilderOptions& o) : file(std::move(f)), options(o) {
    options.block_size = std::clamp(options.block_size, kBlockSizeMin, kBlockSizeMax);
    if (options.compression == Compression::kZstd) compressor = std::make_unique<BlockCompressor>(options.zstd_level);
  }

  uint64_t offset() const { return written + pending.size(); }
  Status AppendStored(std::string_view contents, BlockCompression compression, uint64_t seed_id, BlockHandle* handle);
  Status AppendAlone(std::string_view contents, BlockHandle* handle);
  Status WritePending();
  Status CountPointer(std::string_view bytes);
  Status FinishBlock();
  void AddIndexEntry(std::string_view next_key, bool has_next);
  Status FinishTail(TableFacts* facts);
  void CoverTombstones();

  std::unique_ptr<WritableFile> file;
  TableBuilderOptions options;
  std::unique_ptr<BlockCompressor> compressor;  // null: everything is stored plain
  Status status;
  bool finished = false;

  std::string pending;   // bytes not yet written
  uint64_t written = 0;  // bytes before them
  BlockBuilder block;
  BlockBuilder index;
  uint64_t indexed_end = 0;      // end of the last finished block
  bool index_entry_due = false;  // that block waits for the next key to have its separator
  std::string separator;         // scratch
  std::string last_key;
  uint64_t last_trailer = 0;
  bool has_lasting = false;      // a value that does not expire
  std::vector<uint64_t> hashes;  // one for each user key
  std::vector<RangeTombstone> tombstones;
  std::map<uint64_t, uint64_t> value_log_bytes;  // by file number
  TableProperties properties;
};

Status TableBuilder::Rep::WritePending() {
  if (options.before_write) VARVE_TRY(options.before_write(pending.size()));
  VARVE_TRY(file->WriteAt(written, pending));
  written += pending.size();
  if (pending.capacity() > 4 * kWriteSize) pending = std::string();  // a huge value passed
  pending.clear();
  return Status::Ok();
}

Status TableBuilder::Rep::AppendStored(std::string_view contents, BlockCompression compression, uint64_t seed_id,
                                       BlockHandle* handle) {
  *handle = {.offset = offset(), .size = static_cast<uint32_t>(contents.size())};
  if (handle->offset + contents.size() + kBlockTrailerSize > kTableSizeMax) {
    return Status::InvalidArgument(file->path() + ": table larger than 1 TiB");
  }
  pending.append(contents);
  pending.append(BlockTrailer(contents, compression, seed_id, handle->offset));
  return pending.size() >= kWriteSize ? WritePending() : Status::Ok();
}

// A block of the tail.
Status TableBuilder::Rep::AppendAlone(std::string_view contents, BlockHandle* handle) {
  BlockCompressor::Contents stored{contents, BlockCompression::kNone};
  if (compressor != nullptr) stored = compressor->CompressAlone(contents);
  return AppendStored(stored.bytes, stored.compression, options.table_id, handle);
}

Status TableBuilder::Rep::CountPointer(std::string_view bytes) {
  ValuePointer pointer;
  if (!ValuePointer::Decode(bytes, &pointer)) {
    return Status::Corruption(file->path() + ": a value pointer among the input cannot be read");
  }
  value_log_bytes[pointer.file_number] += pointer.record_bytes();
  return Status::Ok();
}

Status TableBuilder::Rep::FinishBlock() {
  BlockHandle handle;
  BlockCompressor::Contents stored{block.Finish(), BlockCompression::kNone};
  if (compressor != nullptr) stored = compressor->CompressData(stored.bytes);
  VARVE_TRY(AppendStored(stored.bytes, stored.compression, options.table_id, &handle));
  block.Reset();
  ++properties.data_blocks;
  indexed_end = offset();
  index_entry_due = true;
  return Status::Ok();
}

// Of the block finished last. last_key is its last key still.
void TableBuilder::Rep::AddIndexEntry(std::string_view next_key, bool has_next) {
  char end[8];
  EncodeFixed64(end, indexed_end);
  const std::string_view value(end, kIndexValueSize);
  if (!has_next) {
    index.Add(last_key, 0, value);
  } else if (next_key == last_key) {
    index.Add(last_key, last_trailer, value);  // versions of one key span blocks
  } else {
    index.Add(Separator(last_key, next_key, &separator), 0, value);
  }
  index_entry_due = false;
}

// Bounds and sequences of the table grow to cover the range tombstones.
void TableBuilder::Rep::CoverTombstones() {
  bool any = properties.entries != 0;
  for (const RangeTombstone& tombstone : tombstones) {
    if (!any || tombstone.begin < properties.smallest) properties.smallest = tombstone.begin;
    if (!any || tombstone.end > properties.largest) {
      properties.largest = tombstone.end;
      properties.largest_exclusive = true;
    }
    properties.smallest_seq = any ? std::min(properties.smallest_seq, tombstone.seq) : tombstone.seq;
    properties.largest_seq = any ? std::max(properties.largest_seq, tombstone.seq) : tombstone.seq;
    any = true;
  }
}

Status TableBuilder::Rep::FinishTail(TableFacts* facts) {
  if (!block.empty()) VARVE_TRY(FinishBlock());
  if (index_entry_due) AddIndexEntry({}, false);
  facts->tail_offset = offset();

  properties.largest = last_key;
  CoverTombstones();
  if (has_lasting) properties.expires_ms = 0;
  properties.table_id = options.table_id;
  properties.external = options.external;
  properties.range_deletes = tombstones.size();
  for (const auto& [number, bytes] : value_log_bytes) properties.value_logs.push_back({number, bytes});
  properties.compression = compressor != nullptr ? "zstd " + std::to_string(options.zstd_level) : "none";

  Footer footer;
  if (compressor != nullptr && !compressor->dictionary().empty()) {
    VARVE_TRY(AppendAlone(compressor->dictionary(), &properties.dictionary));
  }
  if (!tombstones.empty()) {
    const std::string encoded = RangeTombstones::Fragmented(std::move(tombstones)).Encode();
    VARVE_TRY(AppendAlone(encoded, &properties.range_tombstones));
  }
  if (const std::string filter = BuildFilter(hashes, options.filter_bits_per_key); !filter.empty()) {
    // Random bits do not compress, and neither does an index that is searched where it lies.
    VARVE_TRY(AppendStored(filter, BlockCompression::kNone, options.table_id, &footer.filter));
    facts->filter_size = filter.size();
    char name[32];
    std::snprintf(name, sizeof(name), "binary fuse %.3g", options.filter_bits_per_key);
    properties.filter = name;
  }
  VARVE_TRY(AppendStored(index.Finish(), BlockCompression::kNone, options.table_id, &footer.index));
  VARVE_TRY(AppendStored(properties.Encode(), BlockCompression::kNone, /*seed_id=*/0, &footer.properties));
  pending.append(footer.Encode());
  VARVE_TRY(WritePending());
  facts->file_size = written;
  VARVE_TRY(file->Sync());
  return file->Close();
}

TableBuilder::TableBuilder(std::unique_ptr<WritableFile> file, const TableBuilderOptions& options)
    : rep_(std::make_unique<Rep>(std::move(file), options)) {}
TableBuilder::~TableBuilder() = default;

Status TableBuilder::Add(std::string_view key, uint64_t trailer, std::string_view value) {
  Rep& r = *rep_;
  assert(!r.finished);
  if (!r.status.ok()) [[unlikely]]
    return r.status;
  const int order = r.properties.entries == 0 ? 1 : key.compare(r.last_key);
  const bool in_order = order > 0 || (order == 0 && trailer < r.last_trailer);
  if (key.size() > kKeySizeMax || value.size() > kValueSizeMax || !in_order) [[unlikely]] {
    // Refused in release builds too: a table out of order would lose keys silently.
    return r.status = Status::InvalidArgument(r.file->path() + ": key or value too large, or out of order");
  }
  if (!r.block.empty() && r.block.size_estimate_with(key.size(), value.size()) > r.options.block_size) {
    r.status = r.FinishBlock();
    if (!r.status.ok()) [[unlikely]]
      return r.status;
  }
  if (TrailerKind(trailer) == ValueKind::kValuePointer) [[unlikely]] {
    r.status = r.CountPointer(value);
    if (!r.status.ok()) return r.status;
  }
  if (r.index_entry_due) r.AddIndexEntry(key, true);
  r.block.Add(key, trailer, value);

  TableProperties& p = r.properties;
  const SequenceNumber seq = TrailerSequence(trailer);
  if (p.entries == 0) {
    p.smallest = key;
    p.smallest_seq = p.largest_seq = seq;
  } else {
    p.smallest_seq = std::min(p.smallest_seq, seq);
    p.largest_seq = std::max(p.largest_seq, seq);
  }
  if (order > 0 && r.options.filter_bits_per_key > 0) r.hashes.push_back(FilterHash(key));
  ++p.entries;
  const ValueKind kind = TrailerKind(trailer);
  if (kind == ValueKind::kDelete) {
    ++p.deletes;
  } else if (kind == ValueKind::kPutWithExpiry && value.size() >= kExpirySize) {
    p.expires_ms = std::max({p.expires_ms, DecodeFixed64(value.data()), uint64_t{1}});
  } else {
    r.has_lasting = true;
  }
  p.raw_key_bytes += key.size();
  p.raw_value_bytes += value.size();
  r.last_key.assign(key);
  r.last_trailer = trailer;
  return Status::Ok();
}

void TableBuilder::SetMergeOperator(std::string_view name) {
  assert(rep_->options.external);
  rep_->properties.merge_operator = name;
}

void TableBuilder::AddRangeTombstone(const RangeTombstone& tombstone) {
  assert(!rep_->finished);
  if (tombstone.begin < tombstone.end) rep_->tombstones.push_back(tombstone);
}

uint64_t TableBuilder::size_estimate() const {
  const Rep& r = *rep_;
  uint64_t size = r.offset() + r.index.size_estimate() + FilterSize(r.hashes.size(), r.options.filter_bits_per_key);
  if (!r.block.empty()) size += r.block.size_estimate();
  return size + kFooterSize;
}

uint64_t TableBuilder::entries() const {
  return rep_->properties.entries;
}

Result<TableFacts> TableBuilder::Finish() {
  Rep& r = *rep_;
  assert(!r.finished);
  r.finished = true;
  TableFacts facts;
  VARVE_TRY(r.status);
  VARVE_TRY(r.FinishTail(&facts));
  const TableProperties& p = r.properties;
  facts.entries = p.entries;
  facts.deletes = p.deletes;
  facts.range_deletes = p.range_deletes;
  facts.smallest_seq = p.smallest_seq;
  facts.largest_seq = p.largest_seq;
  facts.smallest = p.smallest;
  facts.largest = p.largest;
  facts.largest_exclusive = p.largest_exclusive;
  facts.value_logs = p.value_logs;
  facts.expires_ms = p.expires_ms;
  return facts;
}

}  // namespace varve::lsm
