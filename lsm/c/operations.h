// lsm/c/operations.h - adds operations to whatever collects them: a batch, a transaction, a table writer.
//
// An operation that breaks a limit is reported at once. Threads: one thread at a time for each handle.
#pragma once

#include "lsm/c/border.h"

namespace varve::lsm::c {

inline Status CheckLimits(const WriteBatch& batch) {
  return batch.CheckLimits();
}
inline Status CheckLimits(const Transaction& txn) {
  return txn.batch().batch().CheckLimits();
}

inline Status CheckLimits(const TableWriter&) {
  return Status::Ok();  // what it is given is in the file, or refused
}

template <typename Handle, typename Add>
varve_code AddTo(Handle* handle, Bytes first, Bytes second, char** error, Add&& add) noexcept {
  return With(handle, first, second, error, [&](auto& to, std::string_view a, std::string_view b) -> Status {
    VARVE_TRY(Call(add, to, a, b));
    return CheckLimits(to);
  });
}

template <typename Handle>
varve_code AddPut(Handle* to, Bytes key, Bytes value, char** error) noexcept {
  return AddTo(to, key, value, error, [](auto& in, std::string_view k, std::string_view v) { return in.Put(k, v); });
}
template <typename Handle>
varve_code AddPutWithExpiry(Handle* to, Bytes key, Bytes value, uint64_t expire_at_ms, char** error) noexcept {
  return AddTo(to, key, value, error,
               [&](auto& in, std::string_view k, std::string_view v) { return in.PutWithExpiry(k, v, expire_at_ms); });
}
template <typename Handle>
varve_code AddMerge(Handle* to, Bytes key, Bytes operand, char** error) noexcept {
  return AddTo(to, key, operand, error,
               [](auto& in, std::string_view k, std::string_view o) { return in.Merge(k, o); });
}
template <typename Handle>
varve_code AddDelete(Handle* to, Bytes key, char** error) noexcept {
  return AddTo(to, key, Bytes(), error, [](auto& in, std::string_view k, std::string_view) { return in.Delete(k); });
}
template <typename Handle>
varve_code AddDeleteRange(Handle* to, Bytes begin, Bytes end, char** error) noexcept {
  return AddTo(to, begin, end, error,
               [](auto& in, std::string_view b, std::string_view e) { return in.DeleteRange(b, e); });
}

}  // namespace varve::lsm::c
