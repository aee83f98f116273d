#include "lsm/iter/db_iterator.h"

#include <algorithm>
#include <cassert>
#include <utility>

#include "lsm/format/coding.h"

namespace varve::lsm {

namespace {
// So many hidden versions of one key are stepped over before a seek is cheaper.
constexpr int kSkipsBeforeSeek = 8;
}  // namespace

VisibleTombstones VisibleTombstones::Build(std::vector<RangeTombstone> tombstones) {
  VisibleTombstones result;
  const RangeTombstones cut = RangeTombstones::Fragmented(std::move(tombstones));
  for (const RangeTombstones::Fragment& fragment : cut.fragments()) {
    auto& out = result.fragments_;
    if (!out.empty() && out.back().end == fragment.begin && out.back().seq == fragment.seqs.front()) {
      out.back().end = fragment.end;
    } else {
      out.push_back({fragment.begin, fragment.end, fragment.seqs.front()});
    }
  }
  return result;
}

const VisibleTombstones::Fragment* VisibleTombstones::Find(std::string_view key) {
  // Move to the first fragment that ends behind `key`: a step or two from the last place, else a binary search.
  auto ends_after = [&](size_t i) { return key < std::string_view(fragments_[i].end); };
  if (!(place_ == 0 || !ends_after(place_ - 1)) || (place_ < fragments_.size() && !ends_after(place_))) {
    auto it = std::upper_bound(fragments_.begin(), fragments_.end(), key,
                               [](std::string_view k, const Fragment& f) { return k < std::string_view(f.end); });
    place_ = static_cast<size_t>(it - fragments_.begin());
  }
  if (place_ == fragments_.size() || key < std::string_view(fragments_[place_].begin)) return nullptr;
  return &fragments_[place_];
}

DbIterator::DbIterator(Setup setup)
    : pin_(std::move(setup.pin)),
      merge_(std::move(setup.sources)),
      tombstones_(std::move(setup.tombstones)),
      rules_(setup.rules),
      snapshot_(setup.snapshot),
      batch_limit_(kBatchSequenceBase + setup.batch_count),
      lower_bound_(std::move(setup.lower_bound)),
      upper_bound_(std::move(setup.upper_bound)),
      value_logs_(setup.value_logs),
      value_tier_{.memory_only = false, .fill_cache = setup.fill_cache} {}

std::string_view DbIterator::PointedValue(std::string_view pointer) const {
  if (Status s = ReadPointed(pointer); !s.ok()) value_status_ = std::move(s);
  return pointed_value_.view();
}

Status DbIterator::ReadPointed(std::string_view pointer) const {
  if (pointer == std::string_view(pointer_)) return Status::Ok();
  Status s = ReadPointedValue(*value_logs_, pointer, value_tier_, &pointed_value_);
  if (s.ok()) {
    pointer_.assign(pointer);
  } else {
    pointed_value_.Reset();
    pointer_.clear();
  }
  return s;
}

void DbIterator::SetMemoryOnly(bool memory_only) {
  merge_.SetMemoryOnly(memory_only);
  value_tier_.memory_only = memory_only;
}

void DbIterator::SeekToFirst() {
  value_status_ = Status::Ok();
  forward_ = true;
  status_ = Status::Ok();
  if (lower_bound_.empty()) {
    merge_.SeekToFirst();
  } else {
    merge_.Seek(lower_bound_, MaxTrailer(kSequenceMax));
  }
  FindForward(false);
}

void DbIterator::Seek(std::string_view key) {
  if (key <= std::string_view(lower_bound_)) return SeekToFirst();
  value_status_ = Status::Ok();
  forward_ = true;
  status_ = Status::Ok();
  merge_.Seek(key, MaxTrailer(kSequenceMax));
  FindForward(false);
}

void DbIterator::SeekToLast() {
  value_status_ = Status::Ok();
  forward_ = false;
  status_ = Status::Ok();
  if (upper_bound_.empty()) {
    merge_.SeekToLast();
  } else {
    merge_.SeekBefore(upper_bound_, MaxTrailer(kSequenceMax));
  }
  FindBackward();
}

void DbIterator::SeekForPrev(std::string_view key) {
  if (PastUpper(key)) return SeekToLast();
  value_status_ = Status::Ok();
  forward_ = false;
  status_ = Status::Ok();
  merge_.SeekBefore(key, 0);  // 0 is below every trailer: all versions of `key` itself are included
  FindBackward();
}

void DbIterator::Next() {
  if (!value_status_.ok()) [[unlikely]] {
    valid_ = false;
    return;
  }
  if (!forward_) {
    // The merge stands below shown_key_: go back to behind all its versions.
    forward_ = true;
    skip_key_ = shown_key_;
    merge_.Seek(skip_key_, 0);
    return FindForward(true);
  }
  if (!in_place_) [[unlikely]] {
    skip_key_ = shown_key_;  // the merge has moved on already
    return FindForward(true);
  }
  if (TrailerSequence(merge_.trailer()) == 0) {
    merge_.Next();  // the only version of its key left
    return FindForward(false);
  }
  skip_key_.assign(merge_.key());
  merge_.Next();
  FindForward(true);
}

bool DbIterator::TrySeek(std::string_view key) {
  resume_key_.assign(key);
  resume_behind_ = false;
  SetMemoryOnly(true);
  Seek(key);
  SetMemoryOnly(false);
  return !status().Is(StatusCode::kWouldBlock);
}

bool DbIterator::TryNext() {
  assert(valid_ && forward_);
  resume_key_.assign(key());
  resume_behind_ = true;
  SetMemoryOnly(true);
  Next();
  SetMemoryOnly(false);
  return !status().Is(StatusCode::kWouldBlock);
}

void DbIterator::Resume() {
  if (!status().Is(StatusCode::kWouldBlock)) return;
  if (!resume_behind_) return Seek(resume_key_);
  status_ = Status::Ok();
  skip_key_ = resume_key_;
  merge_.Seek(skip_key_, 0);
  FindForward(true);
}

void DbIterator::FindForward(bool skip_key) {
  int skips = 0;
  valid_ = false;
  while (merge_.Valid()) {
    const std::string_view key = merge_.key();
    if (PastUpper(key)) return;
    if (skip_key && key == std::string_view(skip_key_)) {
      if (++skips < kSkipsBeforeSeek) {
        merge_.Next();
      } else {
        merge_.Seek(skip_key_, 0);
      }
      continue;
    }
    const uint64_t trailer = merge_.trailer();
    if (!Visible(trailer)) {
      // Newer than the snapshot; the versions wanted come behind it.
      if (++skips < kSkipsBeforeSeek || batch_limit_ != kBatchSequenceBase) {
        merge_.Next();
      } else {
        skips = 0;
        std::string same(key);
        merge_.Seek(same, MaxTrailer(snapshot_));
      }
      continue;
    }
    if (!tombstones_.empty()) [[unlikely]] {
      const VisibleTombstones::Fragment* cover = tombstones_.Find(key);
      if (cover != nullptr && cover->seq > TrailerSequence(trailer)) {
        skip_key_.assign(key);
        skip_key = true;
        skips = 0;
        merge_.SkipForward(cover->end, cover->seq);
        continue;
      }
    }
    if (TrailerKind(trailer) == ValueKind::kPut || TrailerKind(trailer) == ValueKind::kValuePointer) {
      valid_ = true;
      in_place_ = true;
      return;
    }
    if (TrailerKind(trailer) != ValueKind::kDelete) [[unlikely]] {
      in_place_ = false;
      valid_ = TakeKeyForward();
      if (valid_ || !status_.ok()) return;
      skip_key_ = shown_key_;
    } else {
      skip_key_.assign(key);
      merge_.Next();
    }
    skip_key = true;
    skips = 0;
  }
}

bool DbIterator::TakeKeyForward() {
  shown_key_.assign(merge_.key());
  operands_.clear();
  const VisibleTombstones::Fragment* cover = tombstones_.empty() ? nullptr : tombstones_.Find(shown_key_);
  bool found = false;
  for (; merge_.Valid() && merge_.key() == std::string_view(shown_key_); merge_.Next()) {
    const uint64_t trailer = merge_.trailer();
    if (!Visible(trailer)) continue;  // between the batch's operands and those of the snapshot
    if (cover != nullptr && cover->seq > TrailerSequence(trailer)) break;
    Meaning meaning;
    std::string_view stored = merge_.value();
    if (Status s = ReadVersion(rules_, shown_key_, TrailerKind(trailer), &stored, &meaning); !s.ok()) {
      Fail(std::move(s));
      return false;
    }
    if (meaning == Meaning::kOperand) {
      operands_.emplace_back(stored);
      continue;
    }
    found = meaning == Meaning::kValue;
    if (found) ShowCopy(stored);
    break;
  }
  if (!merge_.status().ok()) return false;  // what is missing may have mattered
  return operands_.empty() ? found : MergeShown(found, OperandOrder::kNewestFirst);
}

void DbIterator::Fail(Status status) {
  status_ = std::move(status);
  valid_ = false;
}

void DbIterator::ShowCopy(std::string_view value) {
  shown_value_.assign(value);
  shown_trailer_ = merge_.trailer();
  const bool expires = TrailerKind(shown_trailer_) == ValueKind::kPutWithExpiry;
  shown_expire_at_ms_ = expires ? DecodeFixed64(merge_.value().data()) : 0;
}

bool DbIterator::MergeShown(bool has_base, OperandOrder order) {
  std::string_view base = shown_value_;
  if (has_base && TrailerKind(shown_trailer_) == ValueKind::kValuePointer) {
    if (Status s = ReadPointed(base); !s.ok()) {
      Fail(std::move(s));
      return false;
    }
    base = pointed_value_.view();
  }
  auto merged = MergeOperands(rules_, shown_key_, has_base ? &base : nullptr, operands_, order);
  if (!merged.ok()) {
    Fail(merged.status());
    return false;
  }
  shown_value_ = std::move(merged).value();
  shown_trailer_ = PackTrailer(0, ValueKind::kPut);
  shown_expire_at_ms_ = 0;
  return true;
}

void DbIterator::Prev() {
  if (!value_status_.ok()) [[unlikely]] {
    valid_ = false;
    return;
  }
  if (forward_) {
    forward_ = false;
    std::string current(key());
    merge_.SeekBefore(current, MaxTrailer(kSequenceMax));
  }
  FindBackward();
}

void DbIterator::FindBackward() {
  valid_ = false;
  in_place_ = false;
  while (merge_.Valid()) {
    if (std::string_view key = merge_.key(); key < std::string_view(lower_bound_)) return;
    if (TakeKeyBackward()) {
      valid_ = merge_.status().ok();
      return;
    }
    if (!status_.ok()) return;
  }
}

bool DbIterator::TakeKeyBackward() {
  shown_key_.assign(merge_.key());
  operands_.clear();
  const VisibleTombstones::Fragment* cover = tombstones_.empty() ? nullptr : tombstones_.Find(shown_key_);
  bool live = false;  // what the versions so far say, without operands_
  int steps = 0;
  while (merge_.Valid() && merge_.key() == std::string_view(shown_key_)) {
    const uint64_t trailer = merge_.trailer();
    if (!Visible(trailer)) {
      // Only newer versions follow; none of them is visible (a batch's are, so then every one is looked at).
      if (batch_limit_ == kBatchSequenceBase && ++steps >= kSkipsBeforeSeek) {
        merge_.SeekBefore(shown_key_, MaxTrailer(kSequenceMax));
      } else {
        merge_.Prev();
      }
      continue;
    }
    if (cover != nullptr && cover->seq > TrailerSequence(trailer)) {
      live = false;
      merge_.SkipBackward(cover->begin, cover->seq);
      continue;
    }
    Meaning meaning;
    std::string_view stored = merge_.value();
    if (Status s = ReadVersion(rules_, shown_key_, TrailerKind(trailer), &stored, &meaning); !s.ok()) {
      Fail(std::move(s));
      return false;
    }
    if (meaning == Meaning::kOperand) [[unlikely]] {
      operands_.emplace_back(stored);
    } else {
      operands_.clear();
      live = meaning == Meaning::kValue;
      if (live) ShowCopy(stored);
    }
    merge_.Prev();
  }
  if (operands_.empty() || !merge_.status().ok()) return live;
  return MergeShown(live, OperandOrder::kOldestFirst);
}

}  // namespace varve::lsm
