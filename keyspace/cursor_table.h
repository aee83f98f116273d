// keyspace/cursor_table.h - the open SCAN cursors: a decimal number for the client, a place among the names for us.
//
// A cursor stands behind the last name its page examined, so whatever is written or deleted meanwhile, every key that
// is there throughout is returned. Equal places share one number (a thousand clients scanning alike cost one entry).
// The least recently used are dropped beyond a byte cap; a dropped or foreign number is an error, never a silent gap.
// Numbers start at a random place below 2^52 and count up: exact in a JavaScript number, and a cursor of an earlier
// life of the process does not name a place in this one. Threads: one thread.
#pragma once

#include <cstdint>
#include <list>
#include <string>
#include <string_view>
#include <unordered_map>

namespace varve::keyspace {

class CursorTable {
 public:
  // Room for 100,000 cursors at names of 100 bytes, and many more at shorter ones.
  static constexpr size_t kBytesMaxDefault = size_t{32} * 1024 * 1024;
  static constexpr size_t kEntryOverhead = 160;  // list node, two hash nodes, string header: charged for each entry

  explicit CursorTable(uint64_t seed, size_t bytes_max = kBytesMaxDefault);

  // The number for "behind `name`"; never 0.
  uint64_t Add(std::string_view name);
  // The name, or null when the number is unknown. Valid until the next Add.
  const std::string* Find(uint64_t cursor);

  size_t count() const { return by_id_.size(); }
  size_t bytes() const { return bytes_; }

 private:
  struct Entry {
    uint64_t id;
    std::string name;
  };
  using List = std::list<Entry>;  // most recently used first

  void DropOverflow();

  const size_t bytes_max_;
  uint64_t next_id_;
  size_t bytes_ = 0;
  List entries_;
  // Not Abseil's: those are broken for good when one of their allocations throws.
  std::unordered_map<uint64_t, List::iterator> by_id_;
  std::unordered_map<std::string_view, List::iterator> by_name_;  // views into the entries
};

}  // namespace varve::keyspace
