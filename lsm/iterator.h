// lsm/iterator.h - walks the live keys of one snapshot in order, both ways.
//
//   Iterator it = db->NewIterator({.lower_bound = "a", .upper_bound = "b"});
//   for (it.SeekToFirst(); it.Valid(); it.Next()) use(it.key(), it.value());
//   if (!it.status().ok()) ...;      // a loop also ends on an error: always look
//
// key() and value() stay valid until the iterator moves. A large value is read from its value-log file when value() is
// called, so a walk over keys alone does not read it; should that fail, value() is empty, status() says why, and the next
// step ends the walk. (Reading it is also what TrySeek and TryNext leave to value().) One that finds no memory ends for good,
// with kOutOfMemory. An iterator pins the memtables and tables it reads; long-lived
// ones hold disk space. Not valid before the first Seek. All positions respect the bounds: Seek below the lower bound
// lands on the first key inside; Seek at or above the upper bound is not Valid. Threads: one thread at a time. It must
// be destroyed before its database is closed.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>

#include "lsm/status.h"

namespace varve::lsm {

class DbIterator;  // lsm/iter/db_iterator.h

class Iterator {
 public:
  Iterator();  // never Valid
  explicit Iterator(Status error);
  explicit Iterator(std::unique_ptr<DbIterator> impl);
  Iterator(Iterator&&) noexcept;
  Iterator& operator=(Iterator&&) noexcept;
  ~Iterator();

  bool Valid() const;
  void SeekToFirst();
  void SeekToLast();
  void Seek(std::string_view key);         // first key >= `key`
  void SeekForPrev(std::string_view key);  // last key <= `key`
  void Next();                             // requires Valid()
  void Prev();                             // requires Valid()
  // Seek and Next for event loops: they do not touch the disk. False when the next key is not in memory: then the
  // iterator is not Valid(), status() is kWouldBlock, and Resume() finishes the step, from the disk, on whichever thread
  // may wait (one at a time, as ever); TrySeek and Seek give it up.
  bool TrySeek(std::string_view key);
  bool TryNext();  // requires Valid(), reached by going forward
  void Resume();
  std::string_view key() const;
  std::string_view value() const;
  // When the value goes, Unix time in milliseconds; 0: it stays (so does one that merges were laid on).
  uint64_t expire_at_ms() const;
  Status status() const;

 private:
  template <typename Step>
  void Walk(Step&& step);

  std::unique_ptr<DbIterator> impl_;
  mutable Status error_;  // of what could not begin, or found no memory
};

}  // namespace varve::lsm
