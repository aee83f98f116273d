#include "lsm/compact/version_stream.h"

#include <algorithm>
#include <utility>

#include "lsm/format/coding.h"
#include "lsm/options.h"

namespace varve::lsm {

VersionStream::VersionStream(const Setup& setup)
    : input_(setup.input),
      filter_(setup.filter),
      rules_(setup.rules.AtOneTime()),
      value_logs_(setup.value_logs),
      user_filter_(setup.user_filter),
      level_(setup.level) {}

bool VersionStream::Next() {
  if (ShowHeld()) return true;
  for (;;) {
    if (!started_) {
      started_ = true;
      input_->SeekToFirst();
    } else if (advance_) {
      input_->Next();
    }
    advance_ = true;
    if (!Load()) return false;
    const SequenceNumber seq = TrailerSequence(trailer_);
    if (!filter_->Keep(key_, &trailer_)) continue;
    if (TrailerKind(trailer_) == ValueKind::kMerge) [[unlikely]] {
      TakeOperands();
      advance_ = false;
      if (ShowHeld()) return true;
    } else if (user_filter_ == nullptr || AskUser(seq)) {
      return true;
    }
  }
}

// The version under the input, as a delete if it has expired (S3). False: there is none, or the check says no.
bool VersionStream::Load() {
  if (!error_.ok() || !input_->Valid()) return false;
  if (++versions_read_ % kVersionsBetweenChecks == 0 && check_) {
    error_ = check_();
    if (!error_.ok()) return false;
  }
  key_ = input_->key();
  trailer_ = input_->trailer();
  value_ = input_->value();
  if (TrailerKind(trailer_) == ValueKind::kPutWithExpiry && value_.size() >= kExpirySize) [[unlikely]] {
    if (ExpiredAt(DecodeFixed64(value_.data()), rules_.Now())) {
      trailer_ = PackTrailer(TrailerSequence(trailer_), ValueKind::kDelete);
      value_ = {};
    }
  }
  return true;
}

// From the newest merge of a key among versions that the same snapshots see: fills held_ with what is left of them. The
// input then stands on the version to be read next.
void VersionStream::TakeOperands() {
  held_key_.assign(key_);
  held_.clear();
  held_shown_ = 0;
  operands_.clear();
  operand_trailers_.clear();
  combines_ = true;
  AddOperand();
  const Base base = FindBase(filter_->OldestSeeing(TrailerSequence(trailer_)));
  if (status().ok() && base != Base::kUnknown && Fold(base)) return;
  if (!status().ok()) return held_.clear();
  CombineOperands();
  std::vector<Held> merges;
  for (size_t i = 0; i < operands_.size(); ++i) merges.push_back({operand_trailers_[i], std::move(operands_[i])});
  held_.insert(held_.begin(), std::make_move_iterator(merges.begin()), std::make_move_iterator(merges.end()));
}

void VersionStream::AddOperand() {
  operands_.emplace_back(value_);
  operand_trailers_.push_back(trailer_);
  if (operands_.size() >= kOperandsMax) CombineOperands();
}

// Takes the merges that follow, and the version beneath them if it is kept: that one goes to held_.
VersionStream::Base VersionStream::FindBase(SequenceNumber seen_from) {
  for (;;) {
    input_->Next();
    if (!Load() || key_ != std::string_view(held_key_)) {
      return filter_->bottommost() ? Base::kNothing : Base::kUnknown;
    }
    if (filter_->OldestSeeing(TrailerSequence(trailer_)) != seen_from) return Base::kUnknown;
    const ValueKind kind = TrailerKind(trailer_);
    const bool kept = filter_->Keep(key_, &trailer_);  // not: a range tombstone hides it, or it is a delete
    if (kept && kind == ValueKind::kMerge) {
      AddOperand();
      continue;
    }
    if (kept) held_.push_back({trailer_, std::string(value_)});
    input_->Next();
    if (!kept || kind == ValueKind::kDelete) return Base::kNothing;
    if (kind == ValueKind::kValuePointer && value_logs_ != nullptr) return Base::kPointer;
    return kind == ValueKind::kPut ? Base::kValue : Base::kUnknown;
  }
}

// S1. False when the operator refuses, or what it is to be given cannot be read.
bool VersionStream::Fold(Base base) {
  std::string_view beneath;
  if (base != Base::kNothing) beneath = held_.back().value;
  if (base == Base::kPointer && !ReadPointed(beneath, &beneath)) return false;
  auto merged = MergeOperands(rules_, held_key_, base == Base::kNothing ? nullptr : &beneath, operands_,
                              OperandOrder::kNewestFirst);
  if (!merged.ok()) return false;
  const SequenceNumber seq = TrailerSequence(operand_trailers_.front());
  held_.clear();
  key_ = held_key_;
  value_ = *merged;
  trailer_ = PackTrailer(seq, ValueKind::kPut);
  const bool kept = filter_->Finish(&trailer_) && (user_filter_ == nullptr || AskUser(seq));
  if (kept) held_.push_back({trailer_, std::string(value_)});
  return true;
}

// S2.
void VersionStream::CombineOperands() {
  if (operands_.size() < 2 || !combines_) return;
  std::string combined;
  combines_ = CombineMerges(rules_, held_key_, operands_, &combined);
  if (!combines_) return;
  operands_.assign(1, std::move(combined));
  operand_trailers_.resize(1);  // the newest
}

bool VersionStream::ShowHeld() {
  if (held_shown_ == held_.size()) return false;
  const Held& held = held_[held_shown_++];
  key_ = held_key_;
  trailer_ = held.trailer;
  value_ = held.value;
  return true;
}

// S4, for the version in key_, trailer_ and value_, whose sequence was `seq`. False: it may be left out.
bool VersionStream::AskUser(SequenceNumber seq) {
  const ValueKind kind = TrailerKind(trailer_);
  const size_t skip = kind == ValueKind::kPutWithExpiry ? kExpirySize : 0;
  const bool pointed = kind == ValueKind::kValuePointer && value_logs_ != nullptr;
  if (skip == 0 && !pointed && kind != ValueKind::kPut) return true;
  if (filter_->OldestSeeing(seq) != kSequenceMax || value_.size() < skip) return true;
  std::string_view shown = value_.substr(skip);
  if (pointed && !ReadPointed(value_, &shown)) return true;
  changed_.clear();
  switch (user_filter_->Filter(level_, key_, shown, &changed_)) {
    case CompactionFilter::Decision::kKeep: return true;
    case CompactionFilter::Decision::kDrop:
      trailer_ = PackTrailer(seq, ValueKind::kDelete);
      value_ = {};
      return filter_->Finish(&trailer_);
    case CompactionFilter::Decision::kChange:
      if (skip + changed_.size() > kValueSizeMax) return true;
      changed_.insert(0, value_.substr(0, skip));
      value_ = changed_;
      if (pointed) trailer_ = PackTrailer(TrailerSequence(trailer_), ValueKind::kPut);
      return true;
  }
  return true;
}

// False when it cannot be read. A rotten value holds up nothing: it stays for its reader and Verify to report. Any other
// error ends the stream.
bool VersionStream::ReadPointed(std::string_view pointer, std::string_view* value) {
  const ReadTier once{.memory_only = false, .fill_cache = false};
  Status s = ReadPointedValue(*value_logs_, pointer, once, &pointed_);
  if (s.ok()) {
    *value = pointed_.view();
    return true;
  }
  if (!s.Is(StatusCode::kCorruption)) error_ = std::move(s);
  return false;
}

}  // namespace varve::lsm
