#include "lsm/iter/level_iterator.h"

namespace varve::lsm {

size_t FindFile(std::span<const TableFileRef> files, std::string_view key) {
  const uint64_t prefix = KeyPrefix(key);
  size_t low = 0, high = files.size();
  while (low < high) {
    size_t middle = low + (high - low) / 2;
    const TableFile& file = *files[middle];
    bool before = file.largest_prefix() != prefix ? file.largest_prefix() < prefix : file.EndsBefore(key);
    if (before) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}

void LevelIterator::Invalidate() {
  table_iter_ = TableIterator();
}

bool LevelIterator::OpenTable(size_t index) {
  if (index >= files_.size() || !status_.ok()) {
    Invalidate();
    return false;
  }
  if (index == index_ && table_iter_.has_table()) return true;
  if (tier_.memory_only && files_[index]->opened() == nullptr) {
    status_ = Status::WouldBlock();
    Invalidate();
    return false;
  }
  auto table = files_[index]->Open();
  if (!table.ok()) {
    status_ = table.status();
    Invalidate();
    return false;
  }
  index_ = index;
  table_iter_ = TableIterator(files_[index]->shared_table(), tier_);
  return true;
}

void LevelIterator::SkipEmptyForward() {
  while (!table_iter_.Valid()) {
    if (!table_iter_.status().ok()) {
      status_ = table_iter_.status();
      Invalidate();
      return;
    }
    if (!OpenTable(index_ + 1)) return;
    table_iter_.SeekToFirst();
  }
}

void LevelIterator::SkipEmptyBackward() {
  while (!table_iter_.Valid()) {
    if (!table_iter_.status().ok()) {
      status_ = table_iter_.status();
      Invalidate();
      return;
    }
    if (index_ == 0) {
      Invalidate();
      return;
    }
    if (!OpenTable(index_ - 1)) return;
    table_iter_.SeekToLast();
  }
}

void LevelIterator::SeekToFirst() {
  status_ = Status::Ok();
  if (!OpenTable(0)) return;
  table_iter_.SeekToFirst();
  SkipEmptyForward();
}

void LevelIterator::SeekToLast() {
  status_ = Status::Ok();
  if (files_.empty() || !OpenTable(files_.size() - 1)) return;
  table_iter_.SeekToLast();
  SkipEmptyBackward();
}

void LevelIterator::AimAt(std::string_view key, uint64_t trailer) {
  status_ = Status::Ok();
  if (OpenTable(FindFile(files_, key))) table_iter_.AimAt(key, trailer);
}

void LevelIterator::Land(std::string_view key, uint64_t trailer) {
  if (!table_iter_.has_table()) return;
  table_iter_.Land(key, trailer);
  SkipEmptyForward();
}

void LevelIterator::SeekBefore(std::string_view key, uint64_t trailer) {
  status_ = Status::Ok();
  if (files_.empty()) return;
  size_t index = FindFile(files_, key);
  if (index == files_.size()) --index;
  if (!OpenTable(index)) return;
  table_iter_.SeekBefore(key, trailer);
  SkipEmptyBackward();
}

void LevelIterator::SkipForward(std::string_view end, SequenceNumber covered) {
  if (files_[index_]->facts().largest_seq > covered) return Next();
  size_t next = index_;
  while (next < files_.size() && files_[next]->EndsBefore(end) && files_[next]->facts().largest_seq <= covered) ++next;
  bool same = next == index_;
  if (!OpenTable(next)) return;
  bool old = files_[next]->facts().largest_seq <= covered;
  if (old) {
    table_iter_.Seek(end, MaxTrailer(kSequenceMax));
  } else if (!same) {
    table_iter_.SeekToFirst();
  }
  SkipEmptyForward();
}

void LevelIterator::SkipBackward(std::string_view begin, SequenceNumber covered) {
  if (files_[index_]->facts().largest_seq > covered) return Prev();
  size_t next = index_;
  while (next > 0 && std::string_view(files_[next]->facts().smallest) >= begin &&
         files_[next]->facts().largest_seq <= covered) {
    --next;
  }
  bool same = next == index_;
  if (!OpenTable(next)) return;
  if (files_[next]->facts().largest_seq <= covered) {
    table_iter_.SeekBefore(begin, MaxTrailer(kSequenceMax));
  } else if (!same) {
    table_iter_.SeekToLast();
  }
  SkipEmptyBackward();
}

}  // namespace varve::lsm
