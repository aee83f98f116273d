// lsm/transaction.h - an optimistic transaction: reads of one state, writes nobody sees, a commit that may be refused.
//
//   for (;;) {
//     Transaction txn(db);
//     Result<bool> found = txn.GetForUpdate("counter", &value);
//     txn.Put("counter", next);
//     Status s = txn.Commit();
//     if (!s.Is(StatusCode::kConflict)) return s;      // kConflict: somebody was faster; begin again
//   }
//
// Reads see the database as it was when the transaction began, with the transaction's own writes above (an IndexedBatch
// is one more level). Nothing is locked. Commit writes everything as one batch, or nothing: kConflict when a key that the
// transaction put, merged, deleted or read with GetForUpdate was written by somebody else since the beginning. So the
// transactions that commit are as if they had run one after the other, provided that what a decision rests on was read
// with GetForUpdate. Not watched are what iterators and Get saw, the keys of a DeleteRange, and time: that a value expired
// meanwhile is no conflict. Who only counts up needs no transaction: Db::Merge never conflicts.
// Memory: all writes, and the keys read for update. A long transaction holds back compaction as a snapshot does.
// Ownership: the Db outlives its transactions. Threads: one thread at a time; any number of transactions at once.
#pragma once

#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "lsm/db.h"

namespace varve::lsm {

class Transaction {
 public:
  explicit Transaction(Db* db);
  Transaction(const Transaction&) = delete;
  Transaction& operator=(const Transaction&) = delete;

  Result<bool> Get(std::string_view key, PinnedValue* value) const;
  // Get; and Commit fails when the key is written by somebody else, or appears, from now on.
  Result<bool> GetForUpdate(std::string_view key, PinnedValue* value);
  // Bounds and fill_cache of `options` count. Sees the writes made before it; valid until RollbackToSavepoint, Rollback
  // or Commit.
  Iterator NewIterator(ReadOptions options = {}) const;

  void Put(std::string_view key, std::string_view value) { batch_.Put(key, value); }
  void Delete(std::string_view key) { batch_.Delete(key); }
  void DeleteRange(std::string_view begin, std::string_view end) { batch_.DeleteRange(begin, end); }
  void PutWithExpiry(std::string_view key, std::string_view value, uint64_t expire_at_ms) {
    batch_.PutWithExpiry(key, value, expire_at_ms);
  }
  void Merge(std::string_view key, std::string_view operand) { batch_.Merge(key, operand); }

  // Savepoints nest. Rolling back forgets the writes since the latest one, which stays; keys read for update stay watched.
  void SetSavepoint() { savepoints_.push_back(batch_.GetMark()); }
  Status RollbackToSavepoint();  // kInvalidArgument when there is none
  Status ReleaseSavepoint();     // forgets the latest savepoint, keeps the writes; kInvalidArgument when there is none

  // Both end the transaction and begin another one in its place, which reads the state of now. Commit leaves the transaction
  // as it was when it fails for another reason than kConflict.
  Status Commit(const WriteOptions& options = {});
  void Rollback();

  const IndexedBatch& batch() const { return batch_; }
  SequenceNumber sequence() const { return Begun().sequence(); }  // of the state that is read

 private:
  const Snapshot& Begun() const;
  ReadOptions Reading(ReadOptions options) const;

  Db* const db_;
  mutable std::unique_ptr<Snapshot> snapshot_;  // null: to be taken, once there is memory
  IndexedBatch batch_;
  std::set<std::string, std::less<>> watched_;
  std::vector<IndexedBatch::Mark> savepoints_;
};

}  // namespace varve::lsm
