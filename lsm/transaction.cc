#include "lsm/transaction.h"

#include <algorithm>

#include "lsm/out_of_memory.h"

namespace varve::lsm {

Transaction::Transaction(Db* db) : db_(db), snapshot_(db->GetSnapshot()) {}

const Snapshot& Transaction::Begun() const {
  if (snapshot_ == nullptr) snapshot_ = db_->GetSnapshot();
  return *snapshot_;
}

ReadOptions Transaction::Reading(ReadOptions options) const {
  options.snapshot = &Begun();
  options.batch = &batch_;
  return options;
}

Result<bool> Transaction::Get(std::string_view key, PinnedValue* value) const {
  return db_->Get(Reading({}), key, value);
}

Result<bool> Transaction::GetForUpdate(std::string_view key, PinnedValue* value) {
  if (watched_.find(key) == watched_.end()) watched_.emplace(key);
  return Get(key, value);
}

Iterator Transaction::NewIterator(ReadOptions options) const {
  return db_->NewIterator(Reading(options));
}

Status Transaction::RollbackToSavepoint() {
  if (savepoints_.empty()) return Status::InvalidArgument("the transaction has no savepoint to roll back to");
  batch_.RollbackTo(savepoints_.back());
  return Status::Ok();
}

Status Transaction::ReleaseSavepoint() {
  if (savepoints_.empty()) return Status::InvalidArgument("the transaction has no savepoint to release");
  savepoints_.pop_back();
  return Status::Ok();
}

Status Transaction::Commit(const WriteOptions& options) {
  VARVE_TRY(batch_.batch().CheckLimits());
  Status status;
  if (!batch_.empty()) {  // without writes, what was read is one state already
    std::vector<std::string_view> keys(watched_.begin(), watched_.end());
    WriteBatch::Reader reader(batch_.batch().bytes());
    WriteBatch::Operation operation;
    while (reader.Next(&operation)) {
      if (operation.kind != ValueKind::kRangeDelete) keys.push_back(operation.key);
    }
    VARVE_TRY(reader.status());
    std::sort(keys.begin(), keys.end());
    keys.erase(std::unique(keys.begin(), keys.end()), keys.end());
    status = db_->WriteIfUnchanged(options, batch_.batch(), keys, sequence());
  }
  if (status.ok() || status.Is(StatusCode::kConflict)) Rollback();
  return status;
}

void Transaction::Rollback() {
  batch_.Clear();
  watched_.clear();
  savepoints_.clear();
  snapshot_.reset();
  IfMemoryAllows([&] { snapshot_ = db_->GetSnapshot(); });  // what is committed is, even so
}

}  // namespace varve::lsm
