// lsm/indexed_batch.h - a write batch that can be read before it is committed.
//
// Used where several commands must see each other's writes and yet reach the log as one record: a tick of the server, a
// MULTI/EXEC, an SQL transaction. Hand it to reads through ReadOptions::batch, and its batch() to Db::Write.
// Savepoints nest: RollbackTo(mark) forgets every operation added after Mark() returned that mark.
// Cost: one skip-list insert per operation; a rollback rebuilds the index. Clear keeps the memory of a small index.
// Operations that break a limit (WriteBatch::CheckLimits) are not found by reads: such a batch cannot be written.
// Threads: one thread at a time. Iterators made over it stay valid while operations are added, not across RollbackTo or
// Clear.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>

#include "lsm/write_batch.h"

namespace varve::lsm {

class MemTable;

class IndexedBatch {
 public:
  struct Mark {
    size_t size;
    uint32_t count;
  };

  IndexedBatch();
  ~IndexedBatch();
  IndexedBatch(const IndexedBatch&) = delete;
  IndexedBatch& operator=(const IndexedBatch&) = delete;

  void Put(std::string_view key, std::string_view value);
  void Delete(std::string_view key);
  void PutWithExpiry(std::string_view key, std::string_view value, uint64_t expire_at_ms);
  void Merge(std::string_view key, std::string_view operand);
  void DeleteRange(std::string_view begin, std::string_view end);
  void Add(const WriteBatch::Operation& operation);
  void Clear();

  bool empty() const { return batch_.empty(); }
  uint32_t count() const { return batch_.count(); }
  size_t size_bytes() const { return batch_.size_bytes(); }
  WriteBatch& batch() { return batch_; }
  const WriteBatch& batch() const { return batch_; }

  Mark GetMark() const { return {batch_.size_bytes(), batch_.count()}; }
  void RollbackTo(Mark mark);

  enum class Lookup : uint8_t { kAbsent, kFound, kDeleted, kUnsettled };
  // What the batch alone says about `key`; on kFound *value points into the index, valid until Clear or RollbackTo.
  // kUnsettled: a merge, or a value that expires; Db::Get with this batch in its options knows the answer.
  Lookup Get(std::string_view key, std::string_view* value) const;

  // For the engine's own reads: the i-th operation (from 0) is stored with sequence i + 1. Null or empty when the batch
  // is.
  const std::shared_ptr<MemTable>& index() const { return index_; }

 private:
  void Index(SequenceNumber seq, const WriteBatch::Operation& operation);
  void DropIndex();

  WriteBatch batch_;
  std::shared_ptr<MemTable> index_;  // made on first use; Clear and RollbackTo empty it, or replace it while shared
};

}  // namespace varve::lsm
