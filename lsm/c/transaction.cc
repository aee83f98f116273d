// Optimistic transactions.
#include "lsm/c/operations.h"

using namespace varve::lsm;     // NOLINT: what C calls can be in no namespace
using namespace varve::lsm::c;  // NOLINT: likewise

namespace {

// `read` is Transaction::Get or GetForUpdate.
template <typename Read>
varve_code GetInTransaction(varve_transaction* txn, Bytes key, char** value, size_t* value_size, char** error,
                            Read read) noexcept {
  return With(txn, key, error, [&](Transaction& inside, std::string_view k) -> Status {
    VARVE_TRY(Clear(value, "value"));
    VARVE_TRY(Clear(value_size, "value_size"));
    PinnedValue pinned;
    return GiveValue((inside.*read)(k, &pinned), pinned, value, value_size);
  });
}

}  // namespace

varve_transaction* varve_transaction_create(varve_db* db) {
  return MadeOf(db, [](varve_db& of) { return new varve_transaction(of.db); });
}

uint64_t varve_transaction_sequence(const varve_transaction* txn) {
  return txn == nullptr ? 0 : txn->txn.sequence();
}

void varve_transaction_destroy(varve_transaction* txn) {
  Destroy(txn);
}

varve_code varve_transaction_get(varve_transaction* txn, const char* key, size_t key_size, char** value,
                                 size_t* value_size, char** error) {
  return GetInTransaction(txn, {key, key_size, "key"}, value, value_size, error, &Transaction::Get);
}

varve_code varve_transaction_get_for_update(varve_transaction* txn, const char* key, size_t key_size, char** value,
                                            size_t* value_size, char** error) {
  return GetInTransaction(txn, {key, key_size, "key"}, value, value_size, error, &Transaction::GetForUpdate);
}

varve_code varve_transaction_put(varve_transaction* txn, const char* key, size_t key_size, const char* value,
                                 size_t value_size, char** error) {
  return AddPut(txn, {key, key_size, "key"}, {value, value_size, "value"}, error);
}

varve_code varve_transaction_put_with_expiry(varve_transaction* txn, const char* key, size_t key_size,
                                             const char* value, size_t value_size, uint64_t expire_at_ms,
                                             char** error) {
  return AddPutWithExpiry(txn, {key, key_size, "key"}, {value, value_size, "value"}, expire_at_ms, error);
}

varve_code varve_transaction_merge(varve_transaction* txn, const char* key, size_t key_size, const char* operand,
                                   size_t operand_size, char** error) {
  return AddMerge(txn, {key, key_size, "key"}, {operand, operand_size, "operand"}, error);
}

varve_code varve_transaction_delete(varve_transaction* txn, const char* key, size_t key_size, char** error) {
  return AddDelete(txn, {key, key_size, "key"}, error);
}

varve_code varve_transaction_delete_range(varve_transaction* txn, const char* begin, size_t begin_size, const char* end,
                                          size_t end_size, char** error) {
  return AddDeleteRange(txn, {begin, begin_size, "begin"}, {end, end_size, "end"}, error);
}

varve_code varve_transaction_set_savepoint(varve_transaction* txn, char** error) {
  return With(txn, error, [](Transaction& inside) { inside.SetSavepoint(); });
}

varve_code varve_transaction_rollback_to_savepoint(varve_transaction* txn, char** error) {
  return With(txn, error, [](Transaction& inside) { return inside.RollbackToSavepoint(); });
}

varve_code varve_transaction_release_savepoint(varve_transaction* txn, char** error) {
  return With(txn, error, [](Transaction& inside) { return inside.ReleaseSavepoint(); });
}

varve_code varve_transaction_commit(varve_transaction* txn, const varve_write_options* options, char** error) {
  return With(txn, error, [&](Transaction& inside) { return inside.Commit(Writing(options)); });
}

varve_code varve_transaction_rollback(varve_transaction* txn, char** error) {
  return With(txn, error, [](Transaction& inside) { inside.Rollback(); });
}
