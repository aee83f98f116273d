#include "lsm/format/range_tombstones.h"

#include <algorithm>
#include <functional>
#include <iterator>
#include <map>
#include <utility>

#include "lsm/format/coding.h"

namespace varve::lsm {
namespace {

// The smallest fragment on disk: empty begin, one byte of end, one sequence.
constexpr size_t kEncodedFragmentSizeMin = 1 + (1 + 1) + (1 + 8);

// Reads one fragment that must start at or after `previous_end`; the reason when it is not one, else null.
const char* DecodeFragment(std::string_view* in, std::string_view previous_end, RangeTombstones::Fragment* fragment) {
  std::string_view begin, end;
  if (!GetLengthPrefixed(in, &begin)) return "begin key runs past the end";
  if (!GetLengthPrefixed(in, &end)) return "end key runs past the end";
  if (begin >= end) return "empty or inverted range";
  if (begin < previous_end) return "ranges overlap or do not ascend";
  uint32_t count;
  if (!GetVarint32(in, &count)) return "bad count of sequences";
  if (count == 0) return "range without a sequence";
  if (count > in->size() / sizeof(uint64_t)) return "sequences run past the end";
  fragment->begin = begin;
  fragment->end = end;
  fragment->seqs.reserve(count);
  for (uint32_t i = 0; i < count; ++i) {
    uint64_t seq = 0;
    if (!GetFixed64(in, &seq)) return "sequences run past the end";
    if (seq == 0 || seq > kSequenceMax) return "sequence out of range";
    if (i > 0 && seq >= fragment->seqs.back()) return "sequences do not descend";
    fragment->seqs.push_back(seq);
  }
  return nullptr;
}

}  // namespace

// A sweep over the borders, keeping the set of sequences that cover the stretch up to the next border. Neighbours with
// equal sets are joined, so equal coverage gives equal fragments, however it was cut before.
RangeTombstones RangeTombstones::Fragmented(std::vector<RangeTombstone> tombstones,
                                            const std::vector<SequenceNumber>* snapshots) {
  std::erase_if(tombstones, [](const RangeTombstone& t) { return t.begin >= t.end; });
  std::vector<std::string_view> borders;
  std::vector<const RangeTombstone*> by_begin, by_end;
  borders.reserve(2 * tombstones.size());
  for (const RangeTombstone& tombstone : tombstones) {
    borders.push_back(tombstone.begin);
    borders.push_back(tombstone.end);
    by_begin.push_back(&tombstone);
    by_end.push_back(&tombstone);
  }
  std::sort(borders.begin(), borders.end());
  borders.erase(std::unique(borders.begin(), borders.end()), borders.end());
  std::sort(by_begin.begin(), by_begin.end(), [](auto* a, auto* b) { return a->begin < b->begin; });
  std::sort(by_end.begin(), by_end.end(), [](auto* a, auto* b) { return a->end < b->end; });

  RangeTombstones result;
  std::map<SequenceNumber, size_t, std::greater<>> active;  // sequence -> how many tombstones carry it
  std::vector<SequenceNumber> seqs;
  size_t next_begin = 0, next_end = 0;
  for (size_t i = 0; i + 1 < borders.size(); ++i) {
    for (; next_end < by_end.size() && by_end[next_end]->end == borders[i]; ++next_end) {
      auto it = active.find(by_end[next_end]->seq);
      if (--it->second == 0) active.erase(it);
    }
    for (; next_begin < by_begin.size() && by_begin[next_begin]->begin == borders[i]; ++next_begin) {
      ++active[by_begin[next_begin]->seq];
    }
    if (active.empty()) continue;
    seqs.clear();
    for (auto it = active.begin(); it != active.end();) {
      seqs.push_back(it->first);
      if (snapshots == nullptr) {
        ++it;
        continue;
      }
      // Whoever sees an older one as the newest must be a snapshot older than this one.
      const auto seen_by = std::lower_bound(snapshots->begin(), snapshots->end(), it->first);
      it = seen_by == snapshots->begin() ? active.end() : active.lower_bound(*std::prev(seen_by));
    }
    auto& fragments = result.fragments_;
    if (!fragments.empty() && fragments.back().end == borders[i] && fragments.back().seqs == seqs) {
      fragments.back().end = borders[i + 1];
    } else {
      fragments.push_back({std::string(borders[i]), std::string(borders[i + 1]), seqs});
      result.pair_count_ += seqs.size();
      result.depth_ = std::max(result.depth_, seqs.size());
    }
  }
  return result;
}

Result<RangeTombstones> RangeTombstones::Decode(std::string_view bytes, std::string_view source) {
  const auto corrupt = [&](std::string_view in, const char* reason) {
    return Status::Corruption(std::string(source) + ": range tombstones, byte " +
                              std::to_string(bytes.size() - in.size()) + " of " + std::to_string(bytes.size()) + ": " +
                              reason);
  };
  std::string_view in = bytes;
  uint64_t count;
  if (!GetVarint64(&in, &count)) return corrupt(in, "bad count of ranges");
  if (count > in.size() / kEncodedFragmentSizeMin) return corrupt(in, "more ranges than bytes");
  RangeTombstones result;
  result.fragments_.resize(count);
  std::string_view previous_end;
  for (Fragment& fragment : result.fragments_) {
    if (const char* reason = DecodeFragment(&in, previous_end, &fragment)) return corrupt(in, reason);
    previous_end = fragment.end;
    result.pair_count_ += fragment.seqs.size();
    result.depth_ = std::max(result.depth_, fragment.seqs.size());
  }
  if (!in.empty()) return corrupt(in, "bytes after the last range");
  return result;
}

std::string RangeTombstones::Encode() const {
  std::string bytes;
  PutVarint64(&bytes, fragments_.size());
  for (const Fragment& fragment : fragments_) {
    PutLengthPrefixed(&bytes, fragment.begin);
    PutLengthPrefixed(&bytes, fragment.end);
    PutVarint32(&bytes, static_cast<uint32_t>(fragment.seqs.size()));
    for (SequenceNumber seq : fragment.seqs) PutFixed64(&bytes, seq);
  }
  return bytes;
}

SequenceNumber RangeTombstones::CoveringSequence(std::string_view key, SequenceNumber snapshot) const {
  const size_t index = FragmentAfter(key);
  if (index == fragments_.size() || key < fragments_[index].begin) return 0;
  const std::vector<SequenceNumber>& seqs = fragments_[index].seqs;
  const auto newest = std::lower_bound(seqs.begin(), seqs.end(), snapshot, std::greater<>());
  return newest == seqs.end() ? 0 : *newest;
}

size_t RangeTombstones::FragmentAfter(std::string_view key) const {
  const auto it = std::upper_bound(fragments_.begin(), fragments_.end(), key,
                                   [](std::string_view k, const Fragment& fragment) { return k < fragment.end; });
  return static_cast<size_t>(it - fragments_.begin());
}

// Each border of one, two for a fragment, cuts at most one fragment of the other in two.
size_t RangeTombstones::PairsWith(const RangeTombstones& other) const {
  return pair_count_ + other.pair_count_ + 2 * (fragments_.size() * other.depth_ + other.fragments_.size() * depth_);
}

size_t RangeTombstones::memory_bytes() const {
  size_t bytes = 0;
  for (const Fragment& fragment : fragments_) {
    bytes += sizeof(Fragment) + fragment.begin.capacity() + fragment.end.capacity() +
             fragment.seqs.capacity() * sizeof(SequenceNumber);
  }
  return bytes;
}

RangeTombstoneStack RangeTombstoneStack::With(std::vector<RangeTombstone> more) const {
  RangeTombstoneStack next = *this;
  for (auto it = more.begin(); it != more.end();) {
    const auto limit = it + std::min<std::ptrdiff_t>(kTogetherMax, more.end() - it);
    next.Push({std::make_move_iterator(it), std::make_move_iterator(limit)});
    it = limit;
  }
  return next;
}

void RangeTombstoneStack::Push(std::vector<RangeTombstone> tombstones) {
  sets_.push_back(std::make_shared<const RangeTombstones>(RangeTombstones::Fragmented(std::move(tombstones))));
  while (sets_.size() >= 2) {
    const RangeTombstones& upper = *sets_.back();
    const RangeTombstones& lower = *sets_[sets_.size() - 2];
    if (lower.pair_count() >= 2 * upper.pair_count() || lower.PairsWith(upper) > kPairsMax) break;
    std::vector<RangeTombstone> both;
    lower.AppendTo(&both);
    upper.AppendTo(&both);
    sets_.pop_back();
    sets_.back() = std::make_shared<const RangeTombstones>(RangeTombstones::Fragmented(std::move(both)));
  }
}

SequenceNumber RangeTombstoneStack::CoveringSequence(std::string_view key, SequenceNumber snapshot) const {
  SequenceNumber newest = 0;
  for (const auto& set : sets_) newest = std::max(newest, set->CoveringSequence(key, snapshot));
  return newest;
}

size_t RangeTombstoneStack::memory_bytes() const {
  size_t bytes = 0;
  for (const auto& set : sets_) bytes += set->memory_bytes();
  return bytes;
}

void RangeTombstones::AppendTo(std::vector<RangeTombstone>* out) const {
  for (const Fragment& fragment : fragments_) {
    for (SequenceNumber seq : fragment.seqs) out->push_back({fragment.begin, fragment.end, seq});
  }
}

}  // namespace varve::lsm
