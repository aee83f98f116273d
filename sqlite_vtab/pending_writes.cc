#include "sqlite_vtab/pending_writes.h"

#include <cassert>

#include "absl/hash/hash.h"

namespace varve::sqlite_vtab {

using lsm::IndexedBatch;
using lsm::WriteBatch;

namespace {

uint64_t HashOf(std::string_view key) {
  return absl::HashOf(key);
}

// Adds the first `count` operations of `from`.
void Replay(const WriteBatch& from, uint32_t count, IndexedBatch* to) {
  WriteBatch::Reader reader(from.bytes());
  WriteBatch::Operation operation;
  for (uint32_t i = 0; i < count && reader.Next(&operation); ++i) {
    to->Add(operation);
  }
}

}  // namespace

void PendingWrites::Put(std::string_view key, std::string_view value) {
  hashes_.insert(HashOf(key));
  tail_.Put(key, value);
}

void PendingWrites::Delete(std::string_view key) {
  hashes_.insert(HashOf(key));
  tail_.Delete(key);
}

bool PendingWrites::MayHold(std::string_view key) const {
  return !hashes_.empty() && hashes_.contains(HashOf(key));
}

const std::shared_ptr<IndexedBatch>& PendingWrites::Index() {
  if (!tail_.empty()) {
    if (!indexed_) indexed_ = std::make_shared<IndexedBatch>();
    Replay(tail_, tail_.count(), indexed_.get());
    tail_.Clear();
  }
  return indexed_;
}

PendingWrites::Mark PendingWrites::GetMark() const {
  if (!indexed_) return {tail_.size_bytes(), tail_.count()};
  return {indexed_->size_bytes() + tail_.size_bytes() - WriteBatch::kHeaderSize, indexed_->count() + tail_.count()};
}

void PendingWrites::RollbackTo(const Mark& mark) {
  const Mark indexed = indexed_ ? indexed_->GetMark() : Mark{WriteBatch::kHeaderSize, 0};
  if (mark.count >= indexed.count) {
    tail_.Truncate(mark.size - indexed.size + WriteBatch::kHeaderSize, mark.count - indexed.count);
    return;
  }
  tail_.Clear();
  CutIndexed(mark);
}

void PendingWrites::CutIndexed(const Mark& mark) {
  if (indexed_.use_count() == 1) {
    indexed_->RollbackTo(mark);
    return;
  }
  auto copy = std::make_shared<IndexedBatch>();
  Replay(indexed_->batch(), mark.count, copy.get());
  assert(copy->count() == mark.count && copy->size_bytes() == mark.size);
  indexed_ = std::move(copy);
}

WriteBatch& PendingWrites::Batch() {
  return indexed_ ? Index()->batch() : tail_;
}

}  // namespace varve::sqlite_vtab
