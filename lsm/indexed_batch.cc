// lsm/indexed_batch.cc - see indexed_batch.h.

#include "lsm/indexed_batch.h"

#include <algorithm>
#include <cassert>

#include "lsm/mem/memtable.h"
#include "lsm/out_of_memory.h"

namespace varve::lsm {

namespace {

constexpr size_t kIndexKeepMax = 1024 * 1024;  // a larger index is given back by Clear rather than emptied

}  // namespace

IndexedBatch::IndexedBatch() = default;
IndexedBatch::~IndexedBatch() = default;

void IndexedBatch::Put(std::string_view key, std::string_view value) {
  batch_.Put(key, value);
  Index(batch_.count(), {ValueKind::kPut, key, value});
}

void IndexedBatch::Delete(std::string_view key) {
  batch_.Delete(key);
  Index(batch_.count(), {ValueKind::kDelete, key, {}});
}

void IndexedBatch::DeleteRange(std::string_view begin, std::string_view end) {
  batch_.DeleteRange(begin, end);
  Index(batch_.count(), {ValueKind::kRangeDelete, begin, end});
}

void IndexedBatch::PutWithExpiry(std::string_view key, std::string_view value, uint64_t expire_at_ms) {
  batch_.PutWithExpiry(key, value, expire_at_ms);
  const std::string_view bytes = batch_.bytes();  // it ends in the expiry and the value, unless they broke a limit
  const size_t size = std::min(bytes.size(), kExpirySize + value.size());
  Index(batch_.count(), {ValueKind::kPutWithExpiry, key, bytes.substr(bytes.size() - size)});
}

void IndexedBatch::Merge(std::string_view key, std::string_view operand) {
  batch_.Merge(key, operand);
  Index(batch_.count(), {ValueKind::kMerge, key, operand});
}

void IndexedBatch::Add(const WriteBatch::Operation& operation) {
  batch_.Add(operation);
  Index(batch_.count(), operation);
}

void IndexedBatch::Index(SequenceNumber seq, const WriteBatch::Operation& operation) {
  if (!batch_.CheckLimits().ok()) return;  // the batch cannot be written any more, and sizes are not to be trusted
  if (index_ == nullptr) index_ = std::make_shared<MemTable>();
  index_->Add(seq, operation.kind, operation.key, operation.value);
}

void IndexedBatch::DropIndex() {
  if (index_ == nullptr) return;
  // An iterator that outlived its batch's content still holds the table: it keeps it, and we take a new one.
  bool kept = false;
  if (index_.use_count() == 1 && index_->memory_bytes() <= kIndexKeepMax) {
    IfMemoryAllows([&] {
      index_->Reset();
      kept = true;
    });
  }
  if (!kept) index_.reset();
}

void IndexedBatch::Clear() {
  batch_.Clear();
  DropIndex();
}

void IndexedBatch::RollbackTo(Mark mark) {
  if (mark.size == batch_.size_bytes()) return;
  batch_.Truncate(mark.size, mark.count);
  DropIndex();
  WriteBatch::Reader reader(batch_.bytes());
  WriteBatch::Operation operation;
  for (SequenceNumber seq = 1; reader.Next(&operation); ++seq) Index(seq, operation);
  assert(reader.status().ok());  // bytes we made ourselves
}

IndexedBatch::Lookup IndexedBatch::Get(std::string_view key, std::string_view* value) const {
  if (index_ == nullptr) return Lookup::kAbsent;
  uint64_t trailer = 0;
  const bool found = index_->Get(key, kSequenceMax, &trailer, value);
  if (const auto ranges = index_->range_tombstones(); ranges != nullptr) {
    if (ranges->CoveringSequence(key, kSequenceMax) > TrailerSequence(trailer)) return Lookup::kDeleted;
  }
  if (!found) return Lookup::kAbsent;
  switch (TrailerKind(trailer)) {
    case ValueKind::kPut: return Lookup::kFound;
    case ValueKind::kDelete: return Lookup::kDeleted;
    case ValueKind::kMerge:
    case ValueKind::kPutWithExpiry: return Lookup::kUnsettled;
    case ValueKind::kRangeDelete:
    case ValueKind::kValuePointer:
    case ValueKind::kIngest: break;  // never among the versions of a batch
  }
  assert(false);
  return Lookup::kUnsettled;
}

}  // namespace varve::lsm
