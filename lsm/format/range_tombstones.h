// lsm/format/range_tombstones.h - deletions of whole key ranges, cut into fragments that do not overlap.
//
// DeleteRange(begin, end) at sequence s hides every version of a key in [begin, end) with a sequence below s.
// Given tombstones overlap in any way; Fragment() cuts them at each other's borders, so that a point lookup is one
// binary search. Fragments ascend and are disjoint; each keeps its sequences, newest first, because snapshots may see
// some of them.
//
//   given      a------5-----e            fragments   a..c {5}   c..e {7,5}   e..g {7}
//                  c------7----g
//
// On disk (the range-tombstone block of a table): count : varint, then per fragment
//   begin : length-prefixed | end : length-prefixed | n : varint | n sequences : u64 each, little-endian, descending
// Threads: immutable once built; any number of readers.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "lsm/format/internal_key.h"
#include "lsm/status.h"

namespace varve::lsm {

struct RangeTombstone {
  std::string begin;  // inclusive
  std::string end;    // exclusive; begin < end
  SequenceNumber seq;
};

class RangeTombstones {
 public:
  struct Fragment {
    std::string begin;
    std::string end;
    std::vector<SequenceNumber> seqs;  // descending, at least one
  };

  RangeTombstones() = default;  // empty
  // Cuts `tombstones` (any order, may overlap; those with begin >= end are ignored) into fragments. With `snapshots`
  // (ascending) a fragment keeps only what some snapshot, or a reader to come, sees as the newest: n tombstones that
  // all overlap then give 2n sequences, not n squared.
  static RangeTombstones Fragmented(std::vector<RangeTombstone> tombstones,
                                    const std::vector<SequenceNumber>* snapshots = nullptr);
  // `source` names the file in the error.
  static Result<RangeTombstones> Decode(std::string_view bytes, std::string_view source);
  std::string Encode() const;

  bool empty() const { return fragments_.empty(); }
  const std::vector<Fragment>& fragments() const { return fragments_; }
  // The newest tombstone sequence <= `snapshot` that covers `key`; 0 when none does.
  SequenceNumber CoveringSequence(std::string_view key, SequenceNumber snapshot) const;
  // Index of the first fragment whose end is > key; fragments().size() when none.
  size_t FragmentAfter(std::string_view key) const;
  // Pairs of fragment and sequence: what AppendTo appends.
  size_t pair_count() const { return pair_count_; }
  // No fewer than a set made of this one and `other` would have.
  size_t PairsWith(const RangeTombstones& other) const;
  size_t memory_bytes() const;
  // Back to plain tombstones, one for each (fragment, sequence); for merging sets.
  void AppendTo(std::vector<RangeTombstone>* out) const;

 private:
  std::vector<Fragment> fragments_;
  size_t pair_count_ = 0;
  size_t depth_ = 0;  // sequences of the fragment that has most
};

// Range tombstones that grow one by one, as in a memtable, and are read in between: several sets, merged as they come
// to be of like size. So each addition costs little, and so does a read. No set is made that might have more than
// kPairsMax, because n tombstones that all overlap make n squared pairs. Immutable, as its sets are.
class RangeTombstoneStack {
 public:
  // This stack and `more` on top.
  RangeTombstoneStack With(std::vector<RangeTombstone> more) const;

  const std::vector<std::shared_ptr<const RangeTombstones>>& sets() const { return sets_; }
  // The newest tombstone sequence <= `snapshot` that covers `key`; 0 when none does.
  SequenceNumber CoveringSequence(std::string_view key, SequenceNumber snapshot) const;
  size_t memory_bytes() const;

 private:
  static constexpr size_t kPairsMax = 65536;
  static constexpr size_t kTogetherMax = 64;  // tombstones made a set at once

  void Push(std::vector<RangeTombstone> tombstones);

  std::vector<std::shared_ptr<const RangeTombstones>> sets_;  // each has at least twice the pairs of the next, or many
};

}  // namespace varve::lsm
