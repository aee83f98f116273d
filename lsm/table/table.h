// lsm/table/table.h - reads one table file. Format: format.h.
//
// Open reads the tail (footer, properties, filter, index, range tombstones) in one read and keeps it, charged to the
// cache's budget. Data blocks come through the table's own slots in the BlockCache (block_cache.h): a hit is one load
// and one add. Corruption is reported by the read that meets it, with file and offset; other keys stay readable.
// Ownership: shared_ptr; an iterator keeps its table alive. Threads: any number of readers; an iterator belongs to one.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "lsm/format/internal_key.h"
#include "lsm/format/range_tombstones.h"
#include "lsm/io/file_system.h"
#include "lsm/pinned_value.h"
#include "lsm/status.h"
#include "lsm/table/block.h"
#include "lsm/table/block_cache.h"
#include "lsm/table/format.h"
#include "lsm/table/properties.h"
#include "lsm/table/table_builder.h"

namespace varve::lsm {

// How far a read may go.
struct ReadTier {
  bool memory_only = false;  // kWouldBlock instead of a disk read
  bool fill_cache = true;
  bool announce = false;  // with memory_only: the file system begins the read; without it, what it has is taken
};

class Table;
class TableIterator;

// A data block looked up for a key before the read that wants it: how MultiGet brings the blocks of many keys near, or
// in from the disk, together. Not beyond the table's life.
struct BlockAhead {
  const Table* table = nullptr;
  uint32_t index = 0;
  BlockRef block;  // empty: neither in memory nor read yet
  BlockView view = {};
  uint32_t row = 0;  // of view: the first version not before what is looked for
};

class Table {
 public:
  // `tail_offset` is TableFacts::tail_offset from the manifest (0: find it through the footer); `table_id` must match
  // the file's (0: take the file's word, for repair). `cache` outlives the table.
  static Result<std::shared_ptr<Table>> Open(std::unique_ptr<ReadableFile> file, uint64_t file_size,
                                             uint64_t tail_offset, uint64_t table_id, BlockCache* cache);
  ~Table();
  // For an external table (properties.h), before anybody reads it: its range tombstones get the first, its versions the
  // second of these sequences; they are the same when it has but one of the two kinds.
  void SetSequences(SequenceNumber smallest, SequenceNumber largest);

  // The newest version of `key` with sequence <= snapshot: true, with trailer and value (pinned or copied; left alone
  // for deletes). Point versions only. `key_hash` is FilterHash(key), so that one Get hashes once.
  Result<bool> Get(std::string_view key, uint64_t key_hash, SequenceNumber snapshot, ReadTier tier, uint64_t* trailer,
                   PinnedValue* value) const;

  // The steps of Get for callers that take many keys through each of them together: every step brings near what the
  // next one touches. Find: false when the table certainly has no version of `key`; else *ahead says which block to
  // look in. TakeResident: the block, if it is in memory. WillRead: has the file system begin to read it. Read: one block
  // from the disk for all that want it; an error is left for Get to meet. Aim, with a block: where in it. Get: what Get
  // does, by then.
  void PrefetchFilter(uint64_t key_hash) const;
  bool Find(std::string_view key, uint64_t key_hash, SequenceNumber snapshot, BlockAhead* ahead) const;
  static void Approach(const BlockAhead& ahead);
  static void TakeResident(BlockAhead* ahead, bool counted = true);
  static void WillRead(const BlockAhead& ahead);
  static void Read(std::span<BlockAhead*> same_block, ReadTier tier);
  static void Aim(BlockAhead* ahead, std::string_view key, SequenceNumber snapshot);
  static bool Get(const BlockAhead& ahead, std::string_view key, uint64_t* trailer, PinnedValue* value);

  // Null when the table has none.
  const std::shared_ptr<const RangeTombstones>& range_tombstones() const;
  // Where the data block that holds `key`, or would, begins; for size estimates. No disk access.
  uint64_t ApproximateOffset(std::string_view key) const;
  size_t memory_bytes() const;  // index, filter, slots
  // What a manifest would say of it, were it made now. An external table's sequences are those of SetSequences().
  TableFacts Facts() const;
  uint64_t table_id() const;
  const std::string& path() const;
  const TableProperties& properties() const;
  // Reads every block afresh from the file and checks order, index, filter and counts; adds to *blocks and *entries
  // what was read. Problems are appended as "<path>: ...", one line each.
  void Verify(uint64_t* blocks, uint64_t* entries, std::vector<std::string>* problems) const;

  // A data block that cannot be read, and the keys between which it lies.
  struct DamagedBlock {
    uint64_t offset = 0, size = 0;
    std::string problem, smallest, largest;
  };
  // For repair: calls `keep` for every version of the blocks that can be read, in order; its error ends the walk.
  Status Salvage(const std::function<Status(std::string_view key, uint64_t trailer, std::string_view value)>& keep,
                 std::vector<DamagedBlock>* damaged) const;

  struct Rep;
  const Rep& rep() const { return *rep_; }  // for TableIterator

 private:
  explicit Table(std::unique_ptr<Rep> rep);
  std::unique_ptr<Rep> rep_;
};

// Walks the point versions of one table in CompareVersions order. Concrete, no virtual calls: the row step is inline
// and only the step into another block leaves the header. Sequential steps read ahead.
class TableIterator {
 public:
  TableIterator() = default;  // not Valid
  TableIterator(std::shared_ptr<const Table> table, ReadTier tier);
  TableIterator(TableIterator&&) noexcept = default;
  TableIterator& operator=(TableIterator&&) noexcept = default;
  ~TableIterator();

  bool Valid() const { return block_iter_.Valid(); }
  bool has_table() const { return table_ != nullptr; }
  std::string_view key() const { return block_iter_.key(); }
  uint64_t trailer() const { return block_iter_.trailer(); }
  std::string_view value() const { return block_iter_.value(); }
  const Status& status() const { return status_; }  // an error makes the iterator not Valid

  void SetMemoryOnly(bool memory_only) { tier_.memory_only = memory_only; }

  void SeekToFirst();
  void SeekToLast();
  void Seek(std::string_view key, uint64_t trailer) {  // first version >= (key, trailer)
    AimAt(key, trailer);
    Land(key, trailer);
  }
  // The steps of Seek, for whoever seeks in several tables at once: AimAt and Land are needed, each of the others brings
  // near what the next one touches. Not Valid in between.
  void AimAt(std::string_view key, uint64_t trailer);
  void Approach() const;
  void Fetch();
  void Land(std::string_view key, uint64_t trailer);
  void SeekBefore(std::string_view key, uint64_t trailer);  // last version < (key, trailer)
  void Next() {
    block_iter_.Next();
    if (!block_iter_.Valid()) [[unlikely]]
      NextBlock();
  }
  void Prev() {
    block_iter_.Prev();
    if (!block_iter_.Valid()) [[unlikely]]
      PrevBlock();
  }

 private:
  void NextBlock();
  void PrevBlock();
  bool LoadBlock(size_t index);  // sets block_iter_ over that block, unpositioned; false on error
  void Stop();                   // not Valid any more
  Result<BlockBytes> ReadBlockAhead(size_t index);
  bool FillReadahead(size_t index);

  std::shared_ptr<const Table> table_;
  ReadTier tier_;
  Status status_;
  BlockRef block_;  // keeps the bytes under block_iter_
  BlockIterator block_iter_;
  size_t block_index_ = 0;  // of block_
  size_t aim_ = 0;          // block index, from AimAt to Land; block_count(): behind the last one
  int sequential_ = 0;      // blocks stepped through in a row, negative backward; drives readahead

  // Stored bytes of the file from readahead_offset_ on: whole blocks, read at once, cut up one by one.
  std::unique_ptr<char[]> readahead_;
  uint64_t readahead_offset_ = 0;
  size_t readahead_size_ = 0;
  size_t readahead_window_ = 0;  // bytes of the next large read
};

}  // namespace varve::lsm
