#include "lsm/iter/merge_iterator.h"

#include <algorithm>

namespace varve::lsm {

template <typename Call>
inline void MergeSource::Apply(Call&& call) {
  auto run = [&](auto& it) {
    call(it);
    valid_ = it.Valid();
    if (valid_) {
      key_ = it.key();
      prefix_ = KeyPrefix(key_);
      trailer_ = it.trailer() + added_;
    }
  };
  switch (it_.index()) {
    case 0: return run(*std::get_if<0>(&it_));
    case 1: return run(*std::get_if<1>(&it_));
    default: return run(*std::get_if<2>(&it_));
  }
}

template <typename Call>
inline void MergeSource::OnTables(Call&& call) {
  if (auto* table = std::get_if<TableIterator>(&it_)) call(*table);
  if (auto* level = std::get_if<LevelIterator>(&it_)) call(*level);
}

std::string_view MergeSource::value() const {
  switch (it_.index()) {
    case 0: return std::get_if<0>(&it_)->value();
    case 1: return std::get_if<1>(&it_)->value();
    default: return std::get_if<2>(&it_)->value();
  }
}

Status MergeSource::status() const {
  switch (it_.index()) {
    case 0: return Status::Ok();
    case 1: return std::get_if<1>(&it_)->status();
    default: return std::get_if<2>(&it_)->status();
  }
}

// A batch's own trailers are smaller by `added_`: a seek to a trailer is translated, and never wraps.
namespace {
uint64_t Below(uint64_t trailer, uint64_t added) {
  return trailer > added ? trailer - added : 0;
}
}  // namespace

void MergeSource::SeekToFirst() {
  Apply([](auto& it) { it.SeekToFirst(); });
}
void MergeSource::SeekToLast() {
  Apply([](auto& it) { it.SeekToLast(); });
}
void MergeSource::AimAt(std::string_view key, uint64_t trailer) {
  OnTables([&](auto& it) { it.AimAt(key, trailer); });
}
void MergeSource::Approach() {
  OnTables([](auto& it) { it.Approach(); });
}
void MergeSource::Fetch() {
  OnTables([](auto& it) { it.Fetch(); });
}
void MergeSource::Land(std::string_view key, uint64_t trailer) {
  Apply([&](auto& it) {
    if constexpr (std::is_same_v<std::decay_t<decltype(it)>, MemTable::Iterator>) {
      it.Seek(key, Below(trailer, added_));
    } else {
      it.Land(key, trailer);
    }
  });
}
void MergeSource::SeekBefore(std::string_view key, uint64_t trailer) {
  Apply([&](auto& it) { it.SeekBefore(key, Below(trailer, added_)); });
}
void MergeSource::Next() {
  Apply([](auto& it) { it.Next(); });
}
void MergeSource::Prev() {
  Apply([](auto& it) { it.Prev(); });
}

void MergeSource::SetMemoryOnly(bool memory_only) {
  OnTables([&](auto& it) { it.SetMemoryOnly(memory_only); });
}

void MergeSource::SkipForward(std::string_view end, SequenceNumber covered) {
  Apply([&](auto& it) {
    if constexpr (std::is_same_v<std::decay_t<decltype(it)>, LevelIterator>) {
      it.SkipForward(end, covered);
    } else if (largest_seq_ <= covered) {
      it.Seek(end, MaxTrailer(kSequenceMax));
    } else {
      it.Next();
    }
  });
}

void MergeSource::SkipBackward(std::string_view begin, SequenceNumber covered) {
  Apply([&](auto& it) {
    if constexpr (std::is_same_v<std::decay_t<decltype(it)>, LevelIterator>) {
      it.SkipBackward(begin, covered);
    } else if (largest_seq_ <= covered) {
      it.SeekBefore(begin, MaxTrailer(kSequenceMax));
    } else {
      it.Prev();
    }
  });
}

MergeIterator::MergeIterator(std::vector<MergeSource> sources) : sources_(std::move(sources)) {
  order_.reserve(sources_.size());
}

template <bool kForward>
inline bool MergeIterator::Before(const MergeSource& a, const MergeSource& b) {
  if (a.prefix() != b.prefix()) [[likely]]
    return (a.prefix() < b.prefix()) == kForward;
  int c = CompareVersions(a.key(), a.trailer(), b.key(), b.trailer());
  return kForward ? c < 0 : c > 0;
}

void MergeIterator::Fail() {
  failed_ = true;
  order_.clear();
  winner_ = nullptr;
}

template <bool kForward>
void MergeIterator::Rebuild() {
  order_.clear();
  failed_ = false;
  for (MergeSource& source : sources_) {
    if (source.valid()) {
      order_.push_back(&source);
    } else if (!source.status().ok()) {
      return Fail();
    }
  }
  std::sort(order_.begin(), order_.end(),
            [](const MergeSource* a, const MergeSource* b) { return Before<kForward>(*a, *b); });
  winner_ = order_.empty() ? nullptr : order_[0];
}

template <bool kForward>
inline void MergeIterator::Reorder() {
  if (!winner_->valid()) [[unlikely]] {
    if (!winner_->status().ok()) return Fail();
    order_.erase(order_.begin());
    winner_ = order_.empty() ? nullptr : order_[0];
    return;
  }
  const size_t count = order_.size();
  if (count == 1 || Before<kForward>(*winner_, *order_[1])) return;
  size_t place = 1;
  while (place < count && !Before<kForward>(*winner_, *order_[place])) {
    order_[place - 1] = order_[place];
    ++place;
  }
  order_[place - 1] = winner_;
  winner_ = order_[0];
}

void MergeIterator::SeekToFirst() {
  for (MergeSource& source : sources_) source.SeekToFirst();
  Rebuild<true>();
}
void MergeIterator::SeekToLast() {
  for (MergeSource& source : sources_) source.SeekToLast();
  Rebuild<false>();
}
// One source after the other a seek waits for memory time and again; in steps they wait together.
void MergeIterator::Seek(std::string_view key, uint64_t trailer) {
  for (MergeSource& source : sources_) source.AimAt(key, trailer);
  for (MergeSource& source : sources_) source.Approach();
  for (MergeSource& source : sources_) source.Fetch();
  for (MergeSource& source : sources_) source.Land(key, trailer);
  Rebuild<true>();
}
void MergeIterator::SeekBefore(std::string_view key, uint64_t trailer) {
  for (MergeSource& source : sources_) source.SeekBefore(key, trailer);
  Rebuild<false>();
}
void MergeIterator::Next() {
  winner_->Next();
  Reorder<true>();
}
void MergeIterator::Prev() {
  winner_->Prev();
  Reorder<false>();
}

void MergeIterator::SkipForward(std::string_view end, SequenceNumber covered) {
  for (MergeSource* source : order_) {
    if (source == winner_ || (source->key() < end && TrailerSequence(source->trailer()) <= covered)) {
      source->SkipForward(end, covered);
    }
  }
  Rebuild<true>();
}

void MergeIterator::SkipBackward(std::string_view begin, SequenceNumber covered) {
  for (MergeSource* source : order_) {
    if (source == winner_ || (source->key() >= begin && TrailerSequence(source->trailer()) <= covered)) {
      source->SkipBackward(begin, covered);
    }
  }
  Rebuild<false>();
}

Status MergeIterator::status() const {
  if (!failed_) return Status::Ok();
  for (const MergeSource& source : sources_) VARVE_TRY(source.status());
  return Status::Ok();
}

}  // namespace varve::lsm
