// lsm/compaction_filter.h - written by the user: which values compactions may drop or change on their way.
//
// A compaction that writes tables shows it the newest version of each key among its tables, merges folded in, provided
// that no snapshot taken before the compaction sees it; a snapshot or an iterator that comes later may find the value as
// it was or as it became. Values in the value log are read for it, by every compaction that meets them. Not shown are
// deletes, expired values, values that cannot be read, merges whose base lies deeper, and what passes without being
// rewritten: flushes to level 0 and files dropped whole. With a filter set no table moves down unread, so CompactRange
// shows every value on its way to the lowest level; what lies there already is shown when newer data of its range
// arrives. A value may be shown several times, also after an attempt that failed. Reads never ask the filter.
// Threads: called by several compactions at one time. It must not throw, nor call the database.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace varve::lsm {

class CompactionFilter {
 public:
  enum class Decision : uint8_t {
    kKeep,
    kDrop,    // as if the key had been deleted: no older version comes back
    kChange,  // to *new_value; an expiry stays as it is. Beyond kValueSizeMax (lsm/options.h) the value is kept
  };
  virtual ~CompactionFilter() = default;
  // `level` is the one written to; *new_value is empty on call.
  virtual Decision Filter(int level, std::string_view key, std::string_view value, std::string* new_value) = 0;
};

}  // namespace varve::lsm
