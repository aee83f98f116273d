// Point reads and snapshots.
#include <cstdlib>
#include <vector>

#include "lsm/c/border.h"

using namespace varve::lsm;     // NOLINT: what C calls can be in no namespace
using namespace varve::lsm::c;  // NOLINT: likewise

namespace {

// `read` is Db::Get or Db::TryGet.
varve_code GetInto(varve_db* db, const varve_read_options* options, Bytes key, varve_value* value, int* found,
                   char** error,
                   Result<bool> (Db::*read)(const ReadOptions&, std::string_view, PinnedValue*)) noexcept {
  return With(db, error, [&](Db& engine) -> Status {
    VARVE_TRY(Require(value, "value"));
    VARVE_TRY(Clear(found, "found"));
    value->value.Reset();
    if (value->db != db->db) value->db = db->db;
    ReadOptions reading;
    VARVE_TRY(key.Check());
    VARVE_TRY(Reading(db->db, options, &reading));
    const Result<bool> hit = (engine.*read)(reading, key.view(), &value->value);
    if (!hit.ok()) return hit.status();
    *found = *hit ? 1 : 0;
    return Status::Ok();
  });
}

}  // namespace

varve_code varve_get(varve_db* db, const varve_read_options* options, const char* key, size_t key_size, char** value,
                     size_t* value_size, char** error) {
  return varve_multi_get(db, options, 1, &key, &key_size, value, value_size, error);
}

varve_code varve_multi_get(varve_db* db, const varve_read_options* options, size_t count, const char* const* keys,
                           const size_t* key_sizes, char** values, size_t* value_sizes, char** error) {
  if (values == nullptr || value_sizes == nullptr || keys == nullptr || key_sizes == nullptr) {
    return Fail(VARVE_INVALID_ARGUMENT, "invalid argument: keys, values or their sizes are NULL", error);
  }
  for (size_t i = 0; i < count; ++i) {
    values[i] = nullptr;
    value_sizes[i] = 0;
  }
  const varve_code code = With(db, error, [&](Db& engine) -> Status {
    ReadOptions reading;
    VARVE_TRY(Reading(db->db, options, &reading));
    std::vector<std::string_view> wanted;
    VARVE_TRY(TakeKeys(count, keys, key_sizes, &wanted));
    std::vector<PinnedValue> pinned(count);
    if (count == 1) return GiveValue(engine.Get(reading, wanted[0], &pinned[0]), pinned[0], values, value_sizes);
    const std::vector<Result<bool>> found = engine.MultiGet(reading, wanted, pinned);
    for (size_t i = 0; i < count; ++i) VARVE_TRY(GiveValue(found[i], pinned[i], &values[i], &value_sizes[i]));
    return Status::Ok();
  });
  for (size_t i = 0; code != VARVE_OK && i < count; ++i) {
    std::free(std::exchange(values[i], nullptr));
    value_sizes[i] = 0;
  }
  return code;
}

varve_value* varve_value_create(void) {
  return Made<varve_value>();
}

void varve_value_destroy(varve_value* value) {
  Destroy(value);
}

const char* varve_value_data(const varve_value* value, size_t* size) {
  return Piece(value == nullptr ? std::string_view() : value->value.view(), size);
}

varve_code varve_get_into(varve_db* db, const varve_read_options* options, const char* key, size_t key_size,
                          varve_value* value, int* found, char** error) {
  return GetInto(db, options, {key, key_size, "key"}, value, found, error, &Db::Get);
}

varve_code varve_try_get_into(varve_db* db, const varve_read_options* options, const char* key, size_t key_size,
                              varve_value* value, int* found, char** error) {
  return GetInto(db, options, {key, key_size, "key"}, value, found, error, &Db::TryGet);
}

varve_code varve_get_async(varve_db* db, const varve_read_options* options, const char* key, size_t key_size,
                           varve_get_function answer, void* state, char** error) {
  return With(db, {key, key_size, "key"}, error, [&](Db& engine, std::string_view k) -> Status {
    if (answer == nullptr) return Status::InvalidArgument("answer is NULL");
    ReadOptions reading;
    VARVE_TRY(Reading(db->db, options, &reading));
    reading.lower_bound = reading.upper_bound = {};  // point into `options`, and mean nothing here
    // Held until the answer, no longer: who closes the database waits for the answer alone.
    auto snapshot = options == nullptr ? nullptr : options->source.snapshot;
    return engine.GetAsync(reading, k, [answer, state, snapshot](const Result<bool>& found, PinnedValue value) mutable {
      const bool there = found.ok() && *found;
      Tell(found.status(), [&](varve_code code, const char* text) {
        answer(state, code, text, there ? DataOf(value.view()) : nullptr, value.view().size());
      });
      snapshot.reset();
    });
  });
}

varve_snapshot* varve_snapshot_create(varve_db* db) {
  return MadeOf(db, [](varve_db& of) { return new varve_snapshot{of.db, of.db->GetSnapshot()}; });
}

void varve_snapshot_destroy(varve_snapshot* snapshot) {
  Destroy(snapshot);
}

uint64_t varve_snapshot_sequence(const varve_snapshot* snapshot) {
  return snapshot == nullptr ? 0 : snapshot->snapshot->sequence();
}
