#include "keyspace/cursor_table.h"

#include <new>

namespace varve::keyspace {

CursorTable::CursorTable(uint64_t seed, size_t bytes_max)
    : bytes_max_(bytes_max), next_id_((seed & ((uint64_t{1} << 52) - 1)) + 1) {}

uint64_t CursorTable::Add(std::string_view name) {
  auto known = by_name_.find(name);
  if (known != by_name_.end()) {
    Entry& entry = *known->second;
    const bool was_used = entry.waiting++ == 0;
    if (was_used) used_bytes_ -= entry.bytes();
    waiting_.splice(waiting_.begin(), was_used ? used_ : waiting_, known->second);
    return entry.id;
  }
  waiting_.push_front({next_id_++, std::string(name), 1});
  try {
    by_id_.emplace(waiting_.front().id, waiting_.begin());
    by_name_.emplace(waiting_.front().name, waiting_.begin());
  } catch (const std::bad_alloc&) {
    by_id_.erase(waiting_.front().id);
    waiting_.pop_front();
    throw;
  }
  bytes_ += waiting_.front().bytes();
  DropOverflow();
  return waiting_.front().id;
}

const std::string* CursorTable::Peek(uint64_t cursor) const {
  const auto known = by_id_.find(cursor);
  return known == by_id_.end() ? nullptr : &known->second->name;
}

const std::string* CursorTable::Find(uint64_t cursor) {
  auto known = by_id_.find(cursor);
  if (known == by_id_.end()) return nullptr;
  Entry& entry = *known->second;
  if (entry.waiting > 1) {
    --entry.waiting;
    return &entry.name;
  }
  const bool was_used = entry.waiting == 0;
  if (!was_used) used_bytes_ += entry.bytes();
  entry.waiting = 0;
  used_.splice(used_.begin(), was_used ? used_ : waiting_, known->second);
  return &entry.name;
}

// The newest entry always stays, so that a scan can go on whatever the cap.
void CursorTable::DropOverflow() {
  while (bytes_ > bytes_max_ && by_id_.size() > 1) {
    const bool drop_used = used_bytes_ > bytes_max_ / kUsedShare || waiting_.size() == 1;
    List& list = drop_used ? used_ : waiting_;
    const Entry& oldest = list.back();
    bytes_ -= oldest.bytes();
    if (drop_used) used_bytes_ -= oldest.bytes();
    by_id_.erase(oldest.id);
    by_name_.erase(oldest.name);
    list.pop_back();
  }
}

}  // namespace varve::keyspace
