#include "keyspace/cursor_table.h"

#include <iterator>
#include <new>

namespace varve::keyspace {

CursorTable::CursorTable(uint64_t seed, size_t bytes_max)
    : bytes_max_(bytes_max), next_id_((seed & ((uint64_t{1} << 52) - 1)) + 1) {}

uint64_t CursorTable::Add(std::string_view name) {
  auto known = by_name_.find(name);
  if (known != by_name_.end()) {
    entries_.splice(entries_.begin(), entries_, known->second);
    return known->second->id;
  }
  entries_.push_front({next_id_++, std::string(name)});
  try {
    by_id_.emplace(entries_.front().id, entries_.begin());
    by_name_.emplace(entries_.front().name, entries_.begin());
  } catch (const std::bad_alloc&) {
    by_id_.erase(entries_.front().id);
    entries_.pop_front();
    throw;
  }
  bytes_ += name.size() + kEntryOverhead;
  DropOverflow();
  return entries_.front().id;
}

const std::string* CursorTable::Find(uint64_t cursor) {
  auto known = by_id_.find(cursor);
  if (known == by_id_.end()) return nullptr;
  entries_.splice(entries_.begin(), entries_, known->second);
  return &known->second->name;
}

// The newest entry always stays, so that a scan can go on whatever the cap.
void CursorTable::DropOverflow() {
  while (bytes_ > bytes_max_ && std::next(entries_.begin()) != entries_.end()) {
    const Entry& oldest = entries_.back();
    bytes_ -= oldest.name.size() + kEntryOverhead;
    by_id_.erase(oldest.id);
    by_name_.erase(oldest.name);
    entries_.pop_back();
  }
}

}  // namespace varve::keyspace
