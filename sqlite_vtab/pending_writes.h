// sqlite_vtab/pending_writes.h - the writes of one SQL transaction: gathered at once, indexed only when somebody reads.
//
//   | indexed : IndexedBatch | tail : WriteBatch |      in this order; either may be empty
//
// A bulk INSERT asks of each key only whether the transaction has written it before, and a set of hashes answers that:
// it never pays for the index, a skip-list insert per row. The first read that needs one (a scan, or a key that is in
// the set) moves the tail over. Marks count operations and bytes as if all lay in one batch.
// A batch that a reader still holds (use_count above 1) is copied when it must be cut, so that the reader goes on seeing
// what it began with. Threads: one at a time.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>
#include <unordered_set>

#include "lsm/indexed_batch.h"

namespace varve::sqlite_vtab {

class PendingWrites {
 public:
  using Mark = lsm::IndexedBatch::Mark;

  void Put(std::string_view key, std::string_view value);
  void Delete(std::string_view key);
  bool empty() const { return GetMark().count == 0; }

  // False: no operation here is on that key.
  bool MayHold(std::string_view key) const;
  // All of them for readers, null when there are none. Share it to keep it readable; it grows with later writes, as an
  // IndexedBatch does.
  const std::shared_ptr<lsm::IndexedBatch>& Index();

  Mark GetMark() const;
  // Forgets what was written after GetMark() returned `mark`.
  void RollbackTo(const Mark& mark);

  // All of them for Db::Write.
  lsm::WriteBatch& Batch();

 private:
  void CutIndexed(const Mark& mark);

  std::shared_ptr<lsm::IndexedBatch> indexed_;
  lsm::WriteBatch tail_;
  // (Abseil's sets do not survive an allocation that fails.)
  std::unordered_set<uint64_t> hashes_;  // of every key ever written here; rollbacks leave theirs behind
};

}  // namespace varve::sqlite_vtab
