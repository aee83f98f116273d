// Batches of operations.
#include <optional>

#include "lsm/c/operations.h"

using namespace varve::lsm;     // NOLINT: what C calls can be in no namespace
using namespace varve::lsm::c;  // NOLINT: likewise

namespace {

// None for what is in no batch.
std::optional<varve_operation_kind> KindOf(ValueKind kind) {
  switch (kind) {
    case ValueKind::kDelete: return VARVE_DELETE;
    case ValueKind::kPut: return VARVE_PUT;
    case ValueKind::kRangeDelete: return VARVE_DELETE_RANGE;
    case ValueKind::kMerge: return VARVE_MERGE;
    case ValueKind::kPutWithExpiry: return VARVE_PUT_WITH_EXPIRY;
    case ValueKind::kValuePointer:
    case ValueKind::kIngest: break;
  }
  return std::nullopt;
}

}  // namespace

varve_batch* varve_batch_create(void) {
  return Made<varve_batch>();
}

void varve_batch_destroy(varve_batch* batch) {
  Destroy(batch);
}

void varve_batch_clear(varve_batch* batch) {
  (void)With(batch, nullptr, [](WriteBatch& operations) { operations.Clear(); });
}

size_t varve_batch_count(const varve_batch* batch) {
  return batch == nullptr ? 0 : batch->batch.count();
}

varve_code varve_batch_put(varve_batch* batch, const char* key, size_t key_size, const char* value, size_t value_size,
                           char** error) {
  return AddPut(batch, {key, key_size, "key"}, {value, value_size, "value"}, error);
}

varve_code varve_batch_put_with_expiry(varve_batch* batch, const char* key, size_t key_size, const char* value,
                                       size_t value_size, uint64_t expire_at_ms, char** error) {
  return AddPutWithExpiry(batch, {key, key_size, "key"}, {value, value_size, "value"}, expire_at_ms, error);
}

varve_code varve_batch_merge(varve_batch* batch, const char* key, size_t key_size, const char* operand,
                             size_t operand_size, char** error) {
  return AddMerge(batch, {key, key_size, "key"}, {operand, operand_size, "operand"}, error);
}

varve_code varve_batch_delete(varve_batch* batch, const char* key, size_t key_size, char** error) {
  return AddDelete(batch, {key, key_size, "key"}, error);
}

varve_code varve_batch_delete_range(varve_batch* batch, const char* begin, size_t begin_size, const char* end,
                                    size_t end_size, char** error) {
  return AddDeleteRange(batch, {begin, begin_size, "begin"}, {end, end_size, "end"}, error);
}

varve_code varve_batch_append(varve_batch* batch, const varve_batch* other, char** error) {
  return With(batch, error, [&](WriteBatch& operations) -> Status {
    VARVE_TRY(Require(other, "the other batch"));
    if (batch == other) return Status::InvalidArgument("a batch cannot be appended to itself");
    operations.Append(other->batch);
    return operations.CheckLimits();
  });
}

varve_code varve_batch_visit(const varve_batch* batch, varve_operation_function visit, void* state, char** error) {
  return Guarded(error, [&]() -> Status {
    VARVE_TRY(Require(batch, varve_batch::kName));
    if (visit == nullptr) return Status::InvalidArgument("visit is NULL");
    VARVE_TRY(batch->batch.CheckLimits());
    WriteBatch::Reader reader(batch->batch.bytes());
    WriteBatch::Operation operation;
    while (reader.Next(&operation)) {
      const auto kind = KindOf(operation.kind);
      if (!kind) continue;
      const std::string_view value = operation.bare_value();
      visit(state, *kind, DataOf(operation.key), operation.key.size(), DataOf(value), value.size(),
            operation.expire_at_ms());
    }
    return reader.status();
  });
}
