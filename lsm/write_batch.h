// lsm/write_batch.h - operations that become visible together or not at all.
//
// The bytes of a batch are the payload of its WAL record:
//
//   | first sequence : u64 | count : u32 | operation x count |
//   operation   | kind : u8 | key length : varint | key | value length : varint | value |
//               kDelete has no value; kRangeDelete carries the exclusive end where a put carries its value, kMerge the
//               operand, kPutWithExpiry the expiry (u64) and behind it the value; kIngest has no value and an empty key.
//   The i-th operation (from 0) has sequence `first sequence` + i. The sequence is stamped when the batch is written.
//
// Keys up to kKeySizeMax, values (with their expiry) up to kValueSizeMax, a batch up to kBatchSizeMax; Db::Write checks
// all three. An operation that breaks a limit is not copied: it takes the place of a delete of the empty key (so that it
// counts and can be truncated away), and CheckLimits() fails as long as it is there.
// Threads: a value; one thread at a time.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "lsm/format/internal_key.h"
#include "lsm/status.h"

namespace varve::lsm {

class WriteBatch {
 public:
  static constexpr size_t kHeaderSize = 12;

  WriteBatch() { Clear(); }
  void Put(std::string_view key, std::string_view value);
  void Delete(std::string_view key);
  // A put that is no longer seen from `expire_at_ms` on (milliseconds since 1970 of the database's wall clock).
  void PutWithExpiry(std::string_view key, std::string_view value, uint64_t expire_at_ms);
  // An operand for Options::merge_operator, on top of what `key` holds.
  void Merge(std::string_view key, std::string_view operand);
  // Deletes every key in [begin, end). A range with begin >= end is empty and is kept as a no-op.
  void DeleteRange(std::string_view begin, std::string_view end);
  // For Db::Ingest alone: uses up a sequence.
  void NoteIngest() { AddOperation(ValueKind::kIngest, {}); }
  // Keeps the buffer for the next use unless it has grown beyond 1 MiB.
  void Clear();
  // Appends the operations of `other` behind these.
  void Append(const WriteBatch& other);

  uint32_t count() const;
  bool empty() const { return count() == 0; }
  size_t size_bytes() const { return rep_.size(); }
  std::string_view bytes() const { return rep_; }
  // The first limit broken by an operation added so far, or OK.
  Status CheckLimits() const { return limits_; }
  // Whether a Merge is among the operations.
  bool has_merge() const { return merge_at_ != kNone; }

  SequenceNumber sequence() const;
  void SetSequence(SequenceNumber first);

  // Cuts the batch back to an earlier length: `size` and `count` as they were then (savepoints).
  void Truncate(size_t size, uint32_t count);

  // One operation as it lies in the bytes; the views point into them.
  struct Operation {
    ValueKind kind;
    std::string_view key;
    std::string_view value;  // as it lies in the bytes: see above; empty for kDelete

    // The two parts of the value of a kPutWithExpiry; of all others 0 and the value.
    uint64_t expire_at_ms() const;
    std::string_view bare_value() const;
  };
  // Appends an operation of another batch.
  void Add(const Operation& operation);
  // Walks the operations of a batch, checking every length before use.
  //   WriteBatch::Reader reader(bytes);  Operation op;
  //   while (reader.Next(&op)) ...;  VARVE_TRY(reader.status());   // kCorruption on malformed bytes or a wrong count
  class Reader {
   public:
    explicit Reader(std::string_view bytes);
    bool Next(Operation* operation);
    const Status& status() const { return status_; }
    SequenceNumber sequence() const { return sequence_; }  // of the first operation
    uint32_t count() const { return count_; }

   private:
    bool ParseOperation(Operation* operation);

    std::string_view rest_;
    SequenceNumber sequence_ = 0;
    uint32_t count_ = 0;
    uint32_t seen_ = 0;
    Status status_;
  };

 private:
  static constexpr size_t kNone = ~size_t{0};

  bool Fits(std::string_view key, size_t value_size);
  void Break(std::string message);
  void AddOperation(ValueKind kind, std::string_view key);
  void AddCount(uint32_t added);

  std::string rep_;
  Status limits_;
  size_t limits_at_ = 0;     // where the operation that broke a limit begins
  size_t merge_at_ = kNone;  // where the first merge begins
};

}  // namespace varve::lsm
