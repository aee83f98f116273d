// lsm/table/block.h - one block of a table: sorted versions (key, trailer) with their values. Data blocks hold rows,
// the index block holds one entry for each data block; both have this one layout.
//
//   | values | common | suffixes | value bounds | key bounds | shared | trailers | prefixes : u64 x B | tail : 40 bytes |
//
//   values        the values end to end: value i is [V(i), V(i+1))
//   common        the bytes that every key of the block begins with
//   suffixes      end to end, suffix i is [K(i), K(i+1)) after `common`. Keys come in bundles of 16; the first of a
//                 bundle is its head. key i = common + the first shared(i) bytes of its head's suffix + suffix i
//   value bounds  V(0..N), key bounds K(0..N), shared(0..N-1) and trailers(0..N-1) are number arrays, see below
//   prefixes      KeyPrefix(suffix) of each head: a seek searches these integers first
//   tail          N u32 | common size u32 | longest key u32 | value stride u32 | value bias u32 | key stride u32 |
//                 key bias u32 | trailer base u64 | width of value bounds, key bounds, shared, trailers : u8 x 4
//
//   number array  little-endian, each number `width` bytes wide (0..4; trailers 0..8); width 0 takes no space and reads
//                 as zeros. V(i) = i * stride + number(i) - bias, so that values of one size cost nothing and values of
//                 like sizes one byte; K likewise. trailer(i) = base + number(i): rows whose trailers are all equal
//                 (all of sequence 0 at the bottom of the tree) cost nothing.
//
// Fixed integers are little-endian. The block carries no length: whoever stores it knows its size (at most 4 GiB).
// B1  Versions strictly ascend (CompareVersions).
// B2  In a bundle shared() is 0 at the head, at most the head's suffix after it, and never grows from entry to entry.
// B3  V and K never shrink, V(0) = K(0) = 0, and each section ends where the next begins.
// B4  prefixes[b] is KeyPrefix of head b's suffix.
// Why bundles are compressed against their head and not each key against the one before: stepping back costs as much as
// stepping forward, and a seek inside a bundle needs the shared() bytes alone for most entries.
// Check() verifies B2-B4 once, when the block comes from the file; readers of a checked block check nothing, not even
// in the seek. B1 is what the checksum and Table::Verify are for: a violation gives wrong answers, never wild reads.
// Reading a number or a short key tail loads 8 or 16 bytes whatever its size; the 40 bytes of the tail keep that
// inside. Ownership: BlockView and BlockIterator borrow the bytes. Threads: a view is immutable; an iterator belongs to
// one.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "lsm/format/coding.h"
#include "lsm/format/internal_key.h"
#include "lsm/status.h"

namespace varve::lsm {

inline constexpr size_t kBundleSize = 16;
inline constexpr size_t kBlockTailSize = 40;

class BlockBuilder {
 public:
  // Versions come in CompareVersions order.
  void Add(std::string_view key, uint64_t trailer, std::string_view value);
  // Closes the block; the bytes live until Reset.
  std::string_view Finish();
  void Reset();

  bool empty() const { return entries_.empty(); }
  size_t count() const { return entries_.size(); }
  // What Finish would return, within a few percent.
  size_t size_estimate() const {
    return values_size_ + keys_.size() + entries_.size() * kEntryOverhead + kBlockTailSize;
  }
  // The same after one more Add that shares nothing.
  size_t size_estimate_with(size_t key_size, size_t value_size) const {
    return size_estimate() + key_size + value_size + kEntryOverhead;
  }

 private:
  static constexpr size_t kEntryOverhead = 7;  // bounds, shared, some bytes of trailer, 1/16 of a prefix

  struct Entry {
    uint64_t trailer;
    uint32_t value_end;
    uint32_t key_end;  // in keys_
    uint32_t shared;   // with the bundle's head, in whole keys
  };
  size_t CommonSize() const;
  void AppendKeys(size_t common);
  void AppendArrays(size_t common);

  std::string block_;  // values while building, everything after Finish
  std::string keys_;   // heads whole, others without what they share
  std::vector<Entry> entries_;
  std::vector<uint64_t> bounds_;  // scratch of AppendArrays
  size_t values_size_ = 0;
  size_t head_start_ = 0, head_size_ = 0;  // of the current bundle, in keys_
  size_t key_size_max_ = 0;
};

// Random access to a checked block: positions, not an iterator.
class BlockView {
 public:
  BlockView() = default;  // empty
  explicit BlockView(std::string_view checked_bytes);
  // kCorruption when the bytes are not a block; only then may they be given to the constructor.
  static Status Check(std::string_view bytes);

  uint32_t count() const { return count_; }
  // The first entry >= (key, trailer); count() when none.
  uint32_t LowerBound(std::string_view key, uint64_t trailer) const;
  bool KeyEquals(uint32_t i, std::string_view key) const;
  std::string KeyAt(uint32_t i) const;

  // To every trailer of the block: the sequence of a table that has none of its own.
  void AddToTrailers(uint64_t added) { trailer_base_ += added; }
  uint64_t trailer(uint32_t i) const { return trailer_base_ + trailers_[i]; }
  std::string_view value(uint32_t i) const {
    const size_t start = ValueBound(i);
    return {bytes_ + start, ValueBound(i + 1) - start};
  }

 private:
  friend class BlockIterator;

  struct Numbers {
    const char* bytes = nullptr;
    uint64_t mask = 0;
    uint32_t width = 0;
    uint64_t operator[](size_t i) const { return DecodeFixed64(bytes + i * width) & mask; }
  };

  // Locates the sections from the end; false when they do not fit `bytes`. Touches the tail and two bounds only.
  bool Locate(std::string_view bytes);
  size_t ValueBound(size_t i) const { return static_cast<size_t>(i * value_stride_ + value_bounds_[i] - value_bias_); }
  size_t KeyBound(size_t i) const { return static_cast<size_t>(i * key_stride_ + key_bounds_[i] - key_bias_); }
  std::string_view Common() const { return {suffixes_ - common_size_, common_size_}; }
  std::string_view Suffix(size_t i) const {
    const size_t start = KeyBound(i);
    return {suffixes_ + start, KeyBound(i + 1) - start};
  }
  // KeyPrefix(Suffix(i)) without a branch on its size.
  uint64_t SuffixPrefix(size_t i) const {
    const size_t start = KeyBound(i);
    const size_t size = std::min<size_t>(KeyBound(i + 1) - start, 8);
    const uint64_t bytes = __builtin_bswap64(DecodeFixed64(suffixes_ + start));
    return size == 8 ? bytes : bytes & ~(~uint64_t{0} >> (8 * size));
  }
  uint64_t Prefix(size_t bundle) const { return DecodeFixed64(prefixes_ + 8 * bundle); }
  size_t bundles() const { return (count_ + kBundleSize - 1) / kBundleSize; }
  size_t PrefixesBelow(uint64_t prefix) const;
  // How many heads are < (common + rest, trailer). Here and below `prefix` is KeyPrefix(rest).
  size_t HeadsBelow(std::string_view rest, uint64_t prefix, uint64_t trailer) const;
  // How many bytes of the suffix of the bundle's head `rest` begins with.
  size_t MatchWithHead(size_t bundle, std::string_view rest, uint64_t prefix) const;

  const char* bytes_ = nullptr;
  const char* suffixes_ = nullptr;
  const char* prefixes_ = nullptr;
  Numbers value_bounds_, key_bounds_, shared_, trailers_;
  uint64_t value_stride_ = 0, value_bias_ = 0, key_stride_ = 0, key_bias_ = 0;
  uint64_t trailer_base_ = 0;
  uint32_t count_ = 0;
  uint32_t common_size_ = 0;
  uint32_t key_size_max_ = 0;
};

// Walks one block both ways. The key is rebuilt in the iterator's own buffer; the value lies in the block.
class BlockIterator {
 public:
  BlockIterator() = default;  // not Valid
  explicit BlockIterator(const BlockView& view) { Reset(view); }
  BlockIterator(BlockIterator&& other) noexcept { *this = std::move(other); }
  BlockIterator& operator=(BlockIterator&& other) noexcept;

  // Another block; the iterator is not Valid until positioned, and keeps its buffer.
  void Reset(const BlockView& view);
  // Not Valid and without a block.
  void Clear() {
    view_ = BlockView();
    index_ = 0;
  }

  bool Valid() const { return index_ < view_.count_; }
  std::string_view key() const { return {buffer_, key_size_}; }
  uint64_t trailer() const { return view_.trailer(index_); }
  std::string_view value() const { return view_.value(index_); }

  void SeekToFirst() { MoveTo(0); }
  void SeekToLast() { MoveTo(view_.count_ - 1); }  // of an empty block: to position 2^32 - 1, which is not Valid
  void Seek(std::string_view key, uint64_t trailer) { MoveTo(view_.LowerBound(key, trailer)); }
  void SeekBefore(std::string_view key, uint64_t trailer) { MoveTo(view_.LowerBound(key, trailer) - 1); }

  void Next() {
    ++index_;
    if (!Valid()) [[unlikely]]
      return;
    // Shared bytes never grow along a bundle (B2), so those of the key before are those of the head.
    const size_t start = suffix_end_;
    suffix_end_ = view_.KeyBound(size_t{index_} + 1);
    PutSuffix(static_cast<size_t>(view_.shared_[index_]), start);
  }
  void Prev() {
    --index_;
    if (!Valid()) [[unlikely]]
      return;
    suffix_end_ = view_.KeyBound(size_t{index_} + 1);
    RestoreHead();
  }

 private:
  static constexpr size_t kInlineSize = 160;
  static constexpr size_t kCopySlack = 16;

  // Copies 16 bytes at once, which both sides have room for; longer ones take the call.
  static void CopyShort(char* to, const char* from, size_t size) {
    std::memcpy(to, from, 16);
    if (size > 16) [[unlikely]]
      std::memcpy(to + 16, from + 16, size - 16);
  }
  void PutSuffix(size_t shared, size_t start) {
    const size_t size = suffix_end_ - start;
    CopyShort(rest_ + shared, view_.suffixes_ + start, size);
    key_size_ = view_.common_size_ + shared + size;
  }
  // Rebuilds the key at index_ from its head; suffix_end_ is set.
  void RestoreHead() {
    const size_t shared = static_cast<size_t>(view_.shared_[index_]);
    CopyShort(rest_, view_.suffixes_ + view_.KeyBound(index_ & ~(kBundleSize - 1)), shared);
    PutSuffix(shared, view_.KeyBound(index_));
  }
  void MoveTo(uint32_t index) {
    index_ = index;
    if (!Valid()) return;
    suffix_end_ = view_.KeyBound(size_t{index} + 1);
    RestoreHead();
  }

  BlockView view_;
  uint32_t index_ = 0;
  size_t suffix_end_ = 0;  // K(index_ + 1)
  size_t key_size_ = 0;
  char* buffer_ = inline_;  // inline_ or heap_; has room for the longest key and kCopySlack
  char* rest_ = inline_;    // buffer_ after the common bytes
  size_t buffer_size_ = kInlineSize;
  std::unique_ptr<char[]> heap_;
  char inline_[kInlineSize];
};

}  // namespace varve::lsm
