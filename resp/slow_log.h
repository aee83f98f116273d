// resp/slow_log.h - SLOWLOG's entries: the last commands that ran longer than slowlog-log-slower-than.
//
// Arguments are cut as Redis cuts them, so that an entry has a limit: 32 of 128 bytes each, and what is missing is said
// in words. Times are Unix seconds, durations microseconds. Threads: the executor's.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "resp/parser.h"

namespace varve::resp {

class SlowLog {
 public:
  static constexpr size_t kArgumentsMax = 32;
  static constexpr size_t kArgumentBytesMax = 128;

  struct Entry {
    uint64_t id;
    int64_t unix_seconds;
    uint64_t duration_us;
    std::vector<std::string> arguments;
    std::string address;
    std::string client_name;
  };

  // `redacted`: places in `args` that nobody may read.
  void Add(Args args, std::span<const size_t> redacted, Entry entry);
  // Forgets all but the newest `entries_max`.
  void Trim(size_t entries_max);
  void Clear() { entries_.clear(); }
  // The newest first.
  const std::deque<Entry>& entries() const { return entries_; }

 private:
  std::deque<Entry> entries_;
  uint64_t next_id_ = 0;
};

}  // namespace varve::resp
