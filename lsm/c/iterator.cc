// Iterators over the database and over a transaction.
#include "lsm/c/border.h"

using namespace varve::lsm;     // NOLINT: what C calls can be in no namespace
using namespace varve::lsm::c;  // NOLINT: likewise

namespace {

// Moves an iterator; what goes wrong on the way is its status from then on.
template <typename Body>
void Move(varve_iterator* it, Bytes key, Body&& body) noexcept {
  if (it == nullptr) return;
  Status failure;
  const varve_code code = With(it, nullptr, [&](Iterator& iterator) -> Status {
    failure = key.Check();
    if (failure.ok()) failure = Call(body, iterator, key.view());
    return failure;
  });
  if (code == VARVE_OK) return;
  Quietly([&] {
    if (failure.ok()) failure = Status(StatusCode::kIoError, "no memory to move the iterator");
    it->iterator = Iterator(std::move(failure));
  });
}
template <typename Body>
void Move(varve_iterator* it, Body&& body) noexcept {
  Move(it, Bytes(), [&](Iterator& iterator, std::string_view) { return Call(body, iterator); });
}

bool Stands(const varve_iterator* it) {
  return it != nullptr && it->iterator.Valid();
}

}  // namespace

varve_iterator* varve_iterator_create(varve_db* db, const varve_read_options* options) {
  return MadeOf(db, [&](varve_db& of) {
    ReadOptions reading;
    Status status = Reading(of.db, options, &reading);
    return new varve_iterator{of.db, status.ok() ? of.db->NewIterator(reading) : Iterator(std::move(status))};
  });
}

varve_iterator* varve_transaction_iterator_create(varve_transaction* txn, const varve_read_options* options) {
  return MadeOf(txn, [&](varve_transaction& of) {
    ReadOptions reading;
    if (options != nullptr) {
      reading.lower_bound = options->lower;
      reading.upper_bound = options->upper;
      reading.fill_cache = options->fill_cache;
    }
    return new varve_iterator{of.db, of.txn.NewIterator(reading)};
  });
}

void varve_iterator_destroy(varve_iterator* it) {
  Destroy(it);
}

int varve_iterator_valid(const varve_iterator* it) {
  return Stands(it) ? 1 : 0;
}

void varve_iterator_seek_to_first(varve_iterator* it) {
  Move(it, [](Iterator& iterator) { iterator.SeekToFirst(); });
}

void varve_iterator_seek_to_last(varve_iterator* it) {
  Move(it, [](Iterator& iterator) { iterator.SeekToLast(); });
}

void varve_iterator_seek(varve_iterator* it, const char* key, size_t key_size) {
  Move(it, {key, key_size, "key"}, [](Iterator& iterator, std::string_view k) { iterator.Seek(k); });
}

void varve_iterator_seek_for_prev(varve_iterator* it, const char* key, size_t key_size) {
  Move(it, {key, key_size, "key"}, [](Iterator& iterator, std::string_view k) { iterator.SeekForPrev(k); });
}

void varve_iterator_next(varve_iterator* it) {
  if (Stands(it)) Move(it, [](Iterator& iterator) { iterator.Next(); });
}

void varve_iterator_prev(varve_iterator* it) {
  if (Stands(it)) Move(it, [](Iterator& iterator) { iterator.Prev(); });
}

const char* varve_iterator_key(const varve_iterator* it, size_t* size) {
  return Piece(Stands(it) ? it->iterator.key() : std::string_view(), size);
}

const char* varve_iterator_value(varve_iterator* it, size_t* size) {
  std::string_view value;
  if (Stands(it)) {
    Move(it, [&](Iterator& iterator) {
      value = iterator.value();
      return iterator.status();
    });
  }
  return Piece(value, size);
}

uint64_t varve_iterator_expire_at_ms(const varve_iterator* it) {
  return Stands(it) ? it->iterator.expire_at_ms() : 0;
}

int varve_iterator_try_seek(varve_iterator* it, const char* key, size_t key_size) {
  bool done = true;
  Move(it, {key, key_size, "key"}, [&](Iterator& iterator, std::string_view k) { done = iterator.TrySeek(k); });
  return done ? 1 : 0;
}

int varve_iterator_try_next(varve_iterator* it) {
  bool done = true;
  if (Stands(it)) Move(it, [&](Iterator& iterator) { done = iterator.TryNext(); });
  return done ? 1 : 0;
}

void varve_iterator_resume(varve_iterator* it) {
  Move(it, [](Iterator& iterator) { iterator.Resume(); });
}

varve_code varve_iterator_status(const varve_iterator* it, char** error) {
  return Guarded(error, [&]() -> Status {
    VARVE_TRY(Require(it, varve_iterator::kName));
    return it->iterator.status();
  });
}
