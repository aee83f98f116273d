// keyspace/cursor_table.h - the open SCAN cursors: a decimal number for the client, a place among the names for us.
//
// A cursor stands behind the last name its page examined, so whatever is written or deleted meanwhile, every key that
// is there throughout is returned. Equal places share one number (a thousand clients scanning alike cost one entry).
//
// A number handed out waits for its client; once it is used that client has moved on, and the place is kept only for
// those who ask again because an answer was lost. Beyond a byte cap, used places are dropped before waiting ones, all
// but a small share, each kind in the order of age: so a client that scans fast does not push out one that scans
// slowly, and what counts against the cap is the number of open iterations, not of pages. A dropped or foreign number
// is an error, never a silent gap.
//
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
  // Room for 100,000 waiting cursors at names of 100 bytes; for 470 at names of 64 KiB.
  static constexpr size_t kBytesMaxDefault = size_t{32} * 1024 * 1024;
  static constexpr size_t kUsedShare = 16;       // used places have 1/16 of the cap to themselves
  static constexpr size_t kEntryOverhead = 200;  // list node, two hash nodes, string header: charged for each entry

  explicit CursorTable(uint64_t seed, size_t bytes_max = kBytesMaxDefault);

  // The number for "behind `name`", which now waits to be used once (more); never 0.
  uint64_t Add(std::string_view name);
  // The name, or null when the number is unknown. Valid until the next Add.
  const std::string* Peek(uint64_t cursor) const;
  // The same, and counts as a use.
  const std::string* Find(uint64_t cursor);

  size_t count() const { return by_id_.size(); }
  size_t bytes() const { return bytes_; }

 private:
  struct Entry {
    uint64_t id;
    std::string name;
    uint64_t waiting;  // handed out so often more than used
    size_t bytes() const { return name.size() + kEntryOverhead; }
  };
  using List = std::list<Entry>;  // the latest first

  void DropOverflow();

  const size_t bytes_max_;
  uint64_t next_id_;
  size_t bytes_ = 0;       // of both lists
  size_t used_bytes_ = 0;  // of used_
  List waiting_;           // by when last handed out
  List used_;              // nobody is known to wait for these; by when last used
  // Not Abseil's: those are broken for good when one of their allocations throws.
  std::unordered_map<uint64_t, List::iterator> by_id_;
  std::unordered_map<std::string_view, List::iterator> by_name_;  // views into the entries
};

}  // namespace varve::keyspace
