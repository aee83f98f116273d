// lsm/c.cc - the C interface: each function checks what it was given, calls the engine behind a guard, and hands back.
#include "lsm/c.h"

#include <cstdlib>
#include <cstring>
#include <exception>
#include <memory>
#include <new>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "lsm/compaction_filter.h"
#include "lsm/db.h"
#include "lsm/merge_operator.h"
#include "lsm/option_names.h"
#include "lsm/stats_text.h"
#include "lsm/transaction.h"

using varve::lsm::Db;
using varve::lsm::PinnedValue;
using varve::lsm::ReadOptions;
using varve::lsm::Result;
using varve::lsm::Status;
using varve::lsm::StatusCode;

// Whoever reads holds a share in what is read, so that no order of destruction is wrong.
struct varve_db {
  std::shared_ptr<Db> db;
};
struct varve_options {
  varve::lsm::Options options;
  // What the two members of `options` point to, if it is the caller's code.
  std::shared_ptr<const varve::lsm::MergeOperator> merge_operator;
  std::shared_ptr<varve::lsm::CompactionFilter> compaction_filter;
};
struct varve_snapshot {
  std::shared_ptr<Db> db;  // first: goes last, here and below
  std::shared_ptr<const varve::lsm::Snapshot> snapshot;
};
struct varve_read_options {
  varve_snapshot source;
  std::string lower, upper;
  bool fill_cache = true;
};
struct varve_write_options {
  varve::lsm::WriteOptions options;
};
struct varve_batch {
  varve::lsm::WriteBatch batch;
};
struct varve_iterator {
  std::shared_ptr<Db> db;
  varve::lsm::Iterator iterator;
};
struct varve_transaction {
  explicit varve_transaction(const std::shared_ptr<Db>& in) : db(in), txn(in.get()) {}
  std::shared_ptr<Db> db;
  varve::lsm::Transaction txn;
};
struct varve_value {
  std::shared_ptr<Db> db;  // what the value may point into
  PinnedValue value;
};
struct varve_output {
  std::string* bytes;
  bool failed = false;  // for lack of memory
};

namespace {

// A pointer that is not NULL, for no bytes neither.
const char* DataOf(std::string_view bytes) {
  return bytes.empty() ? "" : bytes.data();
}

// What callbacks are given besides: the caller's until it is let go of.
class CallerState {
 public:
  CallerState(void* state, void (*destroy)(void*)) : state_(state), destroy_(destroy) {}
  CallerState(const CallerState&) = delete;
  CallerState& operator=(const CallerState&) = delete;
  ~CallerState() {
    if (destroy_ != nullptr) destroy_(state_);
  }
  void* get() const { return state_; }

 private:
  void* const state_;
  void (*const destroy_)(void*);
};

class CallerMergeOperator final : public varve::lsm::MergeOperator {
 public:
  CallerMergeOperator(std::string name, void* state, void (*destroy)(void*), varve_merge_function merge,
                      varve_combine_function combine)
      : name_(std::move(name)), state_(state, destroy), merge_(merge), combine_(combine) {}

  std::string_view name() const override { return name_; }
  bool Merge(std::string_view key, const std::string_view* base, std::span<const std::string_view> operands,
             std::string* result) const override {
    const Arrays arrays(operands);
    varve_output output{result};
    const int merged =
        merge_(state_.get(), DataOf(key), key.size(), base != nullptr ? DataOf(*base) : nullptr,
               base != nullptr ? base->size() : 0, operands.size(), arrays.data.data(), arrays.sizes.data(), &output);
    return merged != 0 && !output.failed;
  }
  bool Combine(std::string_view key, std::span<const std::string_view> operands, std::string* result) const override {
    if (combine_ == nullptr) return false;
    const Arrays arrays(operands);
    varve_output output{result};
    const int combined = combine_(state_.get(), DataOf(key), key.size(), operands.size(), arrays.data.data(),
                                  arrays.sizes.data(), &output);
    return combined != 0 && !output.failed;
  }

 private:
  struct Arrays {
    explicit Arrays(std::span<const std::string_view> pieces) {
      for (std::string_view piece : pieces) {
        data.push_back(DataOf(piece));
        sizes.push_back(piece.size());
      }
    }
    std::vector<const char*> data;
    std::vector<size_t> sizes;
  };

  const std::string name_;
  const CallerState state_;
  const varve_merge_function merge_;
  const varve_combine_function combine_;
};

class CallerFilter final : public varve::lsm::CompactionFilter {
 public:
  CallerFilter(void* state, void (*destroy)(void*), varve_filter_function filter)
      : state_(state, destroy), filter_(filter) {}

  Decision Filter(int level, std::string_view key, std::string_view value, std::string* new_value) override {
    varve_output output{new_value};
    switch (filter_(state_.get(), level, DataOf(key), key.size(), DataOf(value), value.size(), &output)) {
      case VARVE_FILTER_KEEP: break;
      case VARVE_FILTER_DROP: return Decision::kDrop;
      case VARVE_FILTER_CHANGE: return output.failed ? Decision::kKeep : Decision::kChange;
    }
    return Decision::kKeep;
  }

 private:
  const CallerState state_;
  const varve_filter_function filter_;
};

// No default: a new code of the engine does not build until C has a name for it.
varve_code CodeOf(StatusCode code) {
  switch (code) {
    case StatusCode::kOk: return VARVE_OK;
    case StatusCode::kInvalidArgument: return VARVE_INVALID_ARGUMENT;
    case StatusCode::kNotFound: return VARVE_NOT_FOUND;
    case StatusCode::kCorruption: return VARVE_CORRUPTION;
    case StatusCode::kUnsupported: return VARVE_UNSUPPORTED;
    case StatusCode::kIoError: return VARVE_IO_ERROR;
    case StatusCode::kNoSpace: return VARVE_NO_SPACE;
    case StatusCode::kBusy: return VARVE_BUSY;
    case StatusCode::kWouldBlock: return VARVE_WOULD_BLOCK;
    case StatusCode::kFenced: return VARVE_FENCED;
    case StatusCode::kReadOnly: return VARVE_READ_ONLY;
    case StatusCode::kClosed: return VARVE_CLOSED;
    case StatusCode::kConflict: return VARVE_CONFLICT;
    case StatusCode::kOutOfRange: return VARVE_OUT_OF_RANGE;
    case StatusCode::kOutOfMemory: return VARVE_OUT_OF_MEMORY;
  }
  return VARVE_INTERNAL;
}

// A copy for the caller, with a zero behind it; null when there is no memory.
char* CopyOut(std::string_view bytes) noexcept {
  char* copy = static_cast<char*>(std::malloc(bytes.size() + 1));
  if (copy == nullptr) return nullptr;
  if (!bytes.empty()) std::memcpy(copy, bytes.data(), bytes.size());
  copy[bytes.size()] = '\0';
  return copy;
}

varve_code Fail(varve_code code, std::string_view text, char** error) noexcept {
  if (error != nullptr) {
    std::free(*error);
    *error = CopyOut(text);
  }
  return code;
}

// Runs `body`, which returns a Status, and turns whatever comes out of it into a code and a text.
template <typename Body>
varve_code Guarded(char** error, Body&& body) noexcept {
  try {
    const Status status = body();
    return status.ok() ? VARVE_OK : Fail(CodeOf(status.code()), status.ToString(), error);
  } catch (const std::bad_alloc&) {
    return Fail(VARVE_OUT_OF_MEMORY, "out of memory", error);
  } catch (const std::exception& exception) {
    return Fail(VARVE_INTERNAL, exception.what(), error);
  } catch (...) {
    return Fail(VARVE_INTERNAL, "an unknown exception", error);
  }
}

// The same for functions that have nowhere to put an error.
template <typename Body>
void Quietly(Body&& body) noexcept {
  const varve_code ignored = Guarded(nullptr, [&] {
    body();
    return Status::Ok();
  });
  (void)ignored;
}

template <typename Handle>
Handle* Create() noexcept {
  Handle* handle = nullptr;
  Quietly([&] { handle = new Handle(); });
  return handle;
}

Status IsNull(const char* what) {
  return Status::InvalidArgument(std::string(what) + " is NULL");
}

// The caller's bytes. A null pointer is fine for no bytes.
Status Take(const char* data, size_t size, const char* what, std::string_view* bytes) {
  if (data == nullptr && size != 0) {
    return Status::InvalidArgument(std::string(what) + " is NULL, but its size is " + std::to_string(size));
  }
  *bytes = size == 0 ? std::string_view() : std::string_view(data, size);
  return Status::Ok();
}

Status Give(std::string_view bytes, char** out) {
  *out = CopyOut(bytes);
  if (*out == nullptr) throw std::bad_alloc();
  return Status::Ok();
}

varve::lsm::WriteOptions Writing(const varve_write_options* options) {
  return options == nullptr ? varve::lsm::WriteOptions() : options->options;
}

Status Reading(const std::shared_ptr<Db>& db, const varve_read_options* options, ReadOptions* out) {
  if (options == nullptr) return Status::Ok();
  if (options->source.db != nullptr && options->source.db != db) {
    return Status::InvalidArgument("the snapshot in the read options is of another database");
  }
  out->snapshot = options->source.snapshot.get();
  out->lower_bound = options->lower;
  out->upper_bound = options->upper;
  out->fill_cache = options->fill_cache;
  return Status::Ok();
}

// Copies a value out when it was found.
Status GiveValue(const Result<bool>& found, const PinnedValue& value, char** out, size_t* size) {
  if (!found.ok()) return found.status();
  if (!*found) return Status::Ok();
  *size = value.view().size();
  return Give(value.view(), out);
}

// Runs `body(Db&)` when there is a database.
template <typename Body>
varve_code WithDb(varve_db* db, char** error, Body&& body) noexcept {
  return Guarded(error, [&]() -> Status { return db == nullptr ? IsNull("the database") : body(*db->db); });
}

template <typename Read>
varve_code GetInto(varve_db* db, const varve_read_options* options, const char* key, size_t key_size,
                   varve_value* value, int* found, char** error, Read&& read) noexcept {
  return WithDb(db, error, [&](Db& engine) -> Status {
    if (value == nullptr) return IsNull("value");
    if (found == nullptr) return IsNull("found");
    *found = 0;
    value->value.Reset();
    if (value->db != db->db) value->db = db->db;
    std::string_view k;
    ReadOptions reading;
    VARVE_TRY(Take(key, key_size, "key", &k));
    VARVE_TRY(Reading(db->db, options, &reading));
    Result<bool> hit = read(engine, reading, k);
    if (!hit.ok()) return hit.status();
    *found = *hit ? 1 : 0;
    return Status::Ok();
  });
}

// Runs `body(Transaction&)` when there is one.
template <typename Body>
varve_code WithTransaction(varve_transaction* txn, char** error, Body&& body) noexcept {
  return Guarded(error, [&]() -> Status { return txn == nullptr ? IsNull("the transaction") : body(txn->txn); });
}

template <typename Read>
varve_code GetInTransaction(varve_transaction* txn, const char* key, size_t key_size, char** value, size_t* value_size,
                            char** error, Read&& read) noexcept {
  return WithTransaction(txn, error, [&](varve::lsm::Transaction& inside) -> Status {
    if (value == nullptr || value_size == nullptr) return IsNull("value");
    *value = nullptr;
    *value_size = 0;
    std::string_view k;
    VARVE_TRY(Take(key, key_size, "key", &k));
    PinnedValue pinned;
    return GiveValue(read(inside, k, &pinned), pinned, value, value_size);
  });
}

template <typename Add>
varve_code AddTo(varve_transaction* txn, const char* first, size_t first_size, const char* second, size_t second_size,
                 char** error, Add&& add) noexcept {
  return WithTransaction(txn, error, [&](varve::lsm::Transaction& inside) -> Status {
    std::string_view a, b;
    VARVE_TRY(Take(first, first_size, "key", &a));
    VARVE_TRY(Take(second, second_size, "value or end", &b));
    add(inside, a, b);
    return inside.batch().batch().CheckLimits();
  });
}

// Adds one operation to a batch; says at once when it broke a limit.
template <typename Add>
varve_code AddTo(varve_batch* batch, const char* first, size_t first_size, const char* second, size_t second_size,
                 const char* second_name, char** error, Add&& add) noexcept {
  return Guarded(error, [&]() -> Status {
    if (batch == nullptr) return IsNull("the batch");
    std::string_view a, b;
    VARVE_TRY(Take(first, first_size, "key", &a));
    VARVE_TRY(Take(second, second_size, second_name, &b));
    add(batch->batch, a, b);
    return batch->batch.CheckLimits();
  });
}

// Moves an iterator; what goes wrong on the way is its status from then on.
template <typename Body>
void Move(varve_iterator* it, Body&& body) noexcept {
  if (it == nullptr) return;
  Status failure;
  const varve_code code = Guarded(nullptr, [&]() -> Status { return failure = body(it->iterator); });
  if (code == VARVE_OK) return;
  Quietly([&] {
    if (failure.ok()) failure = Status(StatusCode::kIoError, "no memory to move the iterator");
    it->iterator = varve::lsm::Iterator(std::move(failure));
  });
}

template <typename Seek>
void SeekTo(varve_iterator* it, const char* key, size_t key_size, Seek&& seek) noexcept {
  Move(it, [&](varve::lsm::Iterator& iterator) -> Status {
    std::string_view k;
    VARVE_TRY(Take(key, key_size, "key", &k));
    seek(iterator, k);
    return Status::Ok();
  });
}

bool Stands(const varve_iterator* it) {
  return it != nullptr && it->iterator.Valid();
}

const char* Piece(std::string_view bytes, size_t* size) {
  if (size != nullptr) *size = bytes.size();
  return bytes.data();
}

}  // namespace

extern "C" {

const char* varve_code_name(varve_code code) {
  for (int i = 0; i <= static_cast<int>(StatusCode::kOutOfMemory); ++i) {
    const auto engine_code = static_cast<StatusCode>(i);
    if (CodeOf(engine_code) == code) return varve::lsm::StatusCodeName(engine_code).data();  // literals: end in a zero
  }
  return code == VARVE_INTERNAL ? "internal" : "unknown";
}

const char* varve_version(void) {
  return VARVE_VERSION;
}

void varve_free(void* memory) {
  std::free(memory);
}

varve_options* varve_options_create(void) {
  return Create<varve_options>();
}

void varve_options_destroy(varve_options* options) {
  delete options;
}

varve_code varve_options_set(varve_options* options, const char* name, const char* value, char** error) {
  return Guarded(error, [&]() -> Status {
    if (options == nullptr) return IsNull("options");
    if (name == nullptr) return IsNull("the option's name");
    if (value == nullptr) return IsNull("the option's value");
    VARVE_TRY(varve::lsm::SetOption(name, value, &options->options));
    // A built-in merge operator may have taken the place of the caller's.
    if (options->options.merge_operator != options->merge_operator.get()) options->merge_operator.reset();
    return Status::Ok();
  });
}

varve_code varve_options_get(const varve_options* options, const char* name, char** value, char** error) {
  return Guarded(error, [&]() -> Status {
    if (value == nullptr) return IsNull("value");
    *value = nullptr;
    if (name == nullptr) return IsNull("the option's name");
    auto text = varve::lsm::GetOption(name, options == nullptr ? varve::lsm::Options() : options->options);
    if (!text.ok()) return text.status();
    return Give(*text, value);
  });
}

varve_read_options* varve_read_options_create(void) {
  return Create<varve_read_options>();
}

void varve_read_options_destroy(varve_read_options* options) {
  Quietly([&] { delete options; });
}

void varve_read_options_set_snapshot(varve_read_options* options, const varve_snapshot* snapshot) {
  if (options == nullptr) return;
  Quietly([&] {
    varve_snapshot next = snapshot == nullptr ? varve_snapshot() : *snapshot;
    std::swap(options->source, next);  // an assignment would let go of the database before its snapshot
  });
}

varve_code varve_read_options_set_bounds(varve_read_options* options, const char* lower, size_t lower_size,
                                         const char* upper, size_t upper_size, char** error) {
  return Guarded(error, [&]() -> Status {
    if (options == nullptr) return IsNull("options");
    std::string_view from, to;
    VARVE_TRY(Take(lower, lower_size, "lower", &from));
    VARVE_TRY(Take(upper, upper_size, "upper", &to));
    std::string lower_copy(from), upper_copy(to);
    options->lower.swap(lower_copy);
    options->upper.swap(upper_copy);
    return Status::Ok();
  });
}

void varve_read_options_set_fill_cache(varve_read_options* options, int fill_cache) {
  if (options != nullptr) options->fill_cache = fill_cache != 0;
}

varve_write_options* varve_write_options_create(void) {
  return Create<varve_write_options>();
}

void varve_write_options_destroy(varve_write_options* options) {
  delete options;
}

void varve_write_options_set_sync(varve_write_options* options, int sync) {
  if (options != nullptr) options->options.sync = sync != 0;
}

varve_code varve_open(const varve_options* options, const char* dir, varve_db** db, char** error) {
  return Guarded(error, [&]() -> Status {
    if (db == nullptr) return IsNull("db");
    *db = nullptr;
    if (dir == nullptr) return IsNull("dir");
    const varve_options defaults;
    const varve_options& chosen = options == nullptr ? defaults : *options;
    auto handle = std::make_unique<varve_db>();
    auto opened = Db::Open(dir, chosen.options);
    if (!opened.ok()) return opened.status();
    // The caller's code stays until the database is gone.
    handle->db.reset(std::move(opened).value().release(),
                     [merge_operator = chosen.merge_operator,
                      compaction_filter = chosen.compaction_filter](Db* engine) { delete engine; });
    *db = handle.release();
    return Status::Ok();
  });
}

varve_code varve_close(varve_db* db, char** error) {
  if (db == nullptr) return VARVE_OK;
  const varve_code code = WithDb(db, error, [](Db& engine) { return engine.Close(); });
  Quietly([&] { delete db; });
  return code;
}

varve_code varve_put(varve_db* db, const varve_write_options* options, const char* key, size_t key_size,
                     const char* value, size_t value_size, char** error) {
  return WithDb(db, error, [&](Db& engine) -> Status {
    std::string_view k, v;
    VARVE_TRY(Take(key, key_size, "key", &k));
    VARVE_TRY(Take(value, value_size, "value", &v));
    return engine.Put(Writing(options), k, v);
  });
}

varve_code varve_delete(varve_db* db, const varve_write_options* options, const char* key, size_t key_size,
                        char** error) {
  return WithDb(db, error, [&](Db& engine) -> Status {
    std::string_view k;
    VARVE_TRY(Take(key, key_size, "key", &k));
    return engine.Delete(Writing(options), k);
  });
}

varve_code varve_delete_range(varve_db* db, const varve_write_options* options, const char* begin, size_t begin_size,
                              const char* end, size_t end_size, char** error) {
  return WithDb(db, error, [&](Db& engine) -> Status {
    std::string_view from, to;
    VARVE_TRY(Take(begin, begin_size, "begin", &from));
    VARVE_TRY(Take(end, end_size, "end", &to));
    return engine.DeleteRange(Writing(options), from, to);
  });
}

varve_code varve_write(varve_db* db, const varve_write_options* options, varve_batch* batch, char** error) {
  return WithDb(db, error, [&](Db& engine) -> Status {
    if (batch == nullptr) return IsNull("the batch");
    return engine.Write(Writing(options), batch->batch);
  });
}

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
  const varve_code code = WithDb(db, error, [&](Db& engine) -> Status {
    ReadOptions reading;
    VARVE_TRY(Reading(db->db, options, &reading));
    std::vector<std::string_view> wanted(count);
    for (size_t i = 0; i < count; ++i) VARVE_TRY(Take(keys[i], key_sizes[i], "key", &wanted[i]));
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
  return Create<varve_value>();
}

void varve_value_destroy(varve_value* value) {
  Quietly([&] { delete value; });
}

const char* varve_value_data(const varve_value* value, size_t* size) {
  return Piece(value == nullptr ? std::string_view() : value->value.view(), size);
}

varve_code varve_get_into(varve_db* db, const varve_read_options* options, const char* key, size_t key_size,
                          varve_value* value, int* found, char** error) {
  return GetInto(db, options, key, key_size, value, found, error,
                 [&](Db& engine, const ReadOptions& reading, std::string_view k) {
                   return engine.Get(reading, k, &value->value);
                 });
}

varve_code varve_try_get_into(varve_db* db, const varve_read_options* options, const char* key, size_t key_size,
                              varve_value* value, int* found, char** error) {
  return GetInto(db, options, key, key_size, value, found, error,
                 [&](Db& engine, const ReadOptions& reading, std::string_view k) {
                   return engine.TryGet(reading, k, &value->value);
                 });
}

varve_batch* varve_batch_create(void) {
  return Create<varve_batch>();
}

void varve_batch_destroy(varve_batch* batch) {
  delete batch;
}

void varve_batch_clear(varve_batch* batch) {
  if (batch != nullptr) Quietly([&] { batch->batch.Clear(); });
}

size_t varve_batch_count(const varve_batch* batch) {
  return batch == nullptr ? 0 : batch->batch.count();
}

varve_code varve_batch_put(varve_batch* batch, const char* key, size_t key_size, const char* value, size_t value_size,
                           char** error) {
  return AddTo(batch, key, key_size, value, value_size, "value", error,
               [](auto& to, std::string_view k, std::string_view v) { to.Put(k, v); });
}

varve_code varve_batch_delete(varve_batch* batch, const char* key, size_t key_size, char** error) {
  return AddTo(batch, key, key_size, nullptr, 0, "", error,
               [](auto& to, std::string_view k, std::string_view) { to.Delete(k); });
}

varve_code varve_batch_delete_range(varve_batch* batch, const char* begin, size_t begin_size, const char* end,
                                    size_t end_size, char** error) {
  return AddTo(batch, begin, begin_size, end, end_size, "end", error,
               [](auto& to, std::string_view from, std::string_view until) { to.DeleteRange(from, until); });
}

varve_code varve_batch_append(varve_batch* batch, const varve_batch* other, char** error) {
  return Guarded(error, [&]() -> Status {
    if (batch == nullptr || other == nullptr) return IsNull("a batch");
    if (batch == other) return Status::InvalidArgument("a batch cannot be appended to itself");
    batch->batch.Append(other->batch);
    return batch->batch.CheckLimits();
  });
}

varve_snapshot* varve_snapshot_create(varve_db* db) {
  varve_snapshot* handle = nullptr;
  if (db == nullptr) return nullptr;
  Quietly([&] { handle = new varve_snapshot{db->db, db->db->GetSnapshot()}; });
  return handle;
}

void varve_snapshot_destroy(varve_snapshot* snapshot) {
  Quietly([&] { delete snapshot; });
}

uint64_t varve_snapshot_sequence(const varve_snapshot* snapshot) {
  return snapshot == nullptr ? 0 : snapshot->snapshot->sequence();
}

varve_iterator* varve_iterator_create(varve_db* db, const varve_read_options* options) {
  varve_iterator* handle = nullptr;
  if (db == nullptr) return nullptr;
  Quietly([&] {
    ReadOptions reading;
    Status status = Reading(db->db, options, &reading);
    handle = new varve_iterator{db->db,
                                status.ok() ? db->db->NewIterator(reading) : varve::lsm::Iterator(std::move(status))};
  });
  return handle;
}

void varve_iterator_destroy(varve_iterator* it) {
  Quietly([&] { delete it; });
}

int varve_iterator_valid(const varve_iterator* it) {
  return Stands(it) ? 1 : 0;
}

void varve_iterator_seek_to_first(varve_iterator* it) {
  Move(it, [](varve::lsm::Iterator& iterator) { return iterator.SeekToFirst(), Status::Ok(); });
}

void varve_iterator_seek_to_last(varve_iterator* it) {
  Move(it, [](varve::lsm::Iterator& iterator) { return iterator.SeekToLast(), Status::Ok(); });
}

void varve_iterator_seek(varve_iterator* it, const char* key, size_t key_size) {
  SeekTo(it, key, key_size, [](varve::lsm::Iterator& iterator, std::string_view k) { iterator.Seek(k); });
}

void varve_iterator_seek_for_prev(varve_iterator* it, const char* key, size_t key_size) {
  SeekTo(it, key, key_size, [](varve::lsm::Iterator& iterator, std::string_view k) { iterator.SeekForPrev(k); });
}

void varve_iterator_next(varve_iterator* it) {
  if (Stands(it)) Move(it, [](varve::lsm::Iterator& iterator) { return iterator.Next(), Status::Ok(); });
}

void varve_iterator_prev(varve_iterator* it) {
  if (Stands(it)) Move(it, [](varve::lsm::Iterator& iterator) { return iterator.Prev(), Status::Ok(); });
}

const char* varve_iterator_key(const varve_iterator* it, size_t* size) {
  return Piece(Stands(it) ? it->iterator.key() : std::string_view(), size);
}

const char* varve_iterator_value(varve_iterator* it, size_t* size) {
  std::string_view value;
  if (Stands(it)) {
    Move(it, [&](varve::lsm::Iterator& iterator) {
      value = iterator.value();
      return iterator.status();
    });
  }
  return Piece(value, size);
}

varve_code varve_iterator_status(const varve_iterator* it, char** error) {
  return Guarded(error, [&]() -> Status { return it == nullptr ? IsNull("the iterator") : it->iterator.status(); });
}

varve_transaction* varve_transaction_create(varve_db* db) {
  varve_transaction* handle = nullptr;
  if (db == nullptr) return nullptr;
  Quietly([&] { handle = new varve_transaction(db->db); });
  return handle;
}

void varve_transaction_destroy(varve_transaction* txn) {
  Quietly([&] { delete txn; });
}

varve_code varve_transaction_get(varve_transaction* txn, const char* key, size_t key_size, char** value,
                                 size_t* value_size, char** error) {
  return GetInTransaction(
      txn, key, key_size, value, value_size, error,
      [](varve::lsm::Transaction& inside, std::string_view k, PinnedValue* v) { return inside.Get(k, v); });
}

varve_code varve_transaction_get_for_update(varve_transaction* txn, const char* key, size_t key_size, char** value,
                                            size_t* value_size, char** error) {
  return GetInTransaction(
      txn, key, key_size, value, value_size, error,
      [](varve::lsm::Transaction& inside, std::string_view k, PinnedValue* v) { return inside.GetForUpdate(k, v); });
}

varve_code varve_transaction_put(varve_transaction* txn, const char* key, size_t key_size, const char* value,
                                 size_t value_size, char** error) {
  return AddTo(txn, key, key_size, value, value_size, error,
               [](auto& to, std::string_view k, std::string_view v) { to.Put(k, v); });
}

varve_code varve_transaction_delete(varve_transaction* txn, const char* key, size_t key_size, char** error) {
  return AddTo(txn, key, key_size, nullptr, 0, error,
               [](auto& to, std::string_view k, std::string_view) { to.Delete(k); });
}

varve_code varve_transaction_delete_range(varve_transaction* txn, const char* begin, size_t begin_size, const char* end,
                                          size_t end_size, char** error) {
  return AddTo(txn, begin, begin_size, end, end_size, error,
               [](auto& to, std::string_view from, std::string_view until) { to.DeleteRange(from, until); });
}

varve_iterator* varve_transaction_iterator_create(varve_transaction* txn, const varve_read_options* options) {
  varve_iterator* handle = nullptr;
  if (txn == nullptr) return nullptr;
  Quietly([&] {
    ReadOptions reading;
    if (options != nullptr) {
      reading.lower_bound = options->lower;
      reading.upper_bound = options->upper;
      reading.fill_cache = options->fill_cache;
    }
    handle = new varve_iterator{txn->db, txn->txn.NewIterator(reading)};
  });
  return handle;
}

varve_code varve_transaction_set_savepoint(varve_transaction* txn, char** error) {
  return WithTransaction(txn, error, [](auto& inside) { return inside.SetSavepoint(), Status::Ok(); });
}

varve_code varve_transaction_rollback_to_savepoint(varve_transaction* txn, char** error) {
  return WithTransaction(txn, error, [](auto& inside) { return inside.RollbackToSavepoint(); });
}

varve_code varve_transaction_release_savepoint(varve_transaction* txn, char** error) {
  return WithTransaction(txn, error, [](auto& inside) { return inside.ReleaseSavepoint(); });
}

varve_code varve_transaction_commit(varve_transaction* txn, const varve_write_options* options, char** error) {
  return WithTransaction(txn, error, [&](auto& inside) { return inside.Commit(Writing(options)); });
}

varve_code varve_transaction_rollback(varve_transaction* txn, char** error) {
  return WithTransaction(txn, error, [](auto& inside) { return inside.Rollback(), Status::Ok(); });
}

varve_code varve_sync(varve_db* db, char** error) {
  return WithDb(db, error, [](Db& engine) { return engine.SyncWal(); });
}

varve_code varve_flush(varve_db* db, char** error) {
  return WithDb(db, error, [](Db& engine) { return engine.Flush(); });
}

varve_code varve_compact_range(varve_db* db, const char* begin, size_t begin_size, const char* end, size_t end_size,
                               char** error) {
  return WithDb(db, error, [&](Db& engine) -> Status {
    std::string_view from, to;
    VARVE_TRY(Take(begin, begin_size, "begin", &from));
    VARVE_TRY(Take(end, end_size, "end", &to));
    return engine.CompactRange(from, to);
  });
}

varve_code varve_wait_for_background_work(varve_db* db, char** error) {
  return WithDb(db, error, [](Db& engine) { return engine.WaitForBackgroundWork(); });
}

varve_code varve_checkpoint(varve_db* db, const char* dir, char** error) {
  return WithDb(db, error, [&](Db& engine) { return dir == nullptr ? IsNull("dir") : engine.Checkpoint(dir); });
}

varve_code varve_verify(varve_db* db, char** report, char** error) {
  return WithDb(db, error, [&](Db& engine) -> Status {
    if (report != nullptr) *report = nullptr;
    auto verified = engine.Verify();
    if (!verified.ok()) return verified.status();
    if (report != nullptr) VARVE_TRY(Give(varve::lsm::VerifyJson(*verified), report));
    return verified->problems.empty() ? Status::Ok() : Status::Corruption(verified->problems.front());
  });
}

varve_code varve_stats_text(varve_db* db, char** text, char** error) {
  return WithDb(db, error, [&](Db& engine) {
    return text == nullptr ? IsNull("text") : Give(varve::lsm::StatsText(engine.Stats()), text);
  });
}

varve_code varve_stats_json(varve_db* db, char** json, char** error) {
  return WithDb(db, error, [&](Db& engine) {
    return json == nullptr ? IsNull("json") : Give(varve::lsm::StatsJson(engine.Stats()), json);
  });
}

uint64_t varve_approximate_size(varve_db* db, const char* begin, size_t begin_size, const char* end, size_t end_size) {
  uint64_t bytes = 0;
  const varve_code ignored = WithDb(db, nullptr, [&](Db& engine) -> Status {
    std::string_view from, to;
    VARVE_TRY(Take(begin, begin_size, "begin", &from));
    VARVE_TRY(Take(end, end_size, "end", &to));
    bytes = engine.ApproximateSize(from, to);
    return Status::Ok();
  });
  (void)ignored;
  return bytes;
}

varve_code varve_catch_up(varve_db* db, char** error) {
  return WithDb(db, error, [](Db& engine) { return engine.CatchUp(); });
}

varve_code varve_put_with_expiry(varve_db* db, const varve_write_options* options, const char* key, size_t key_size,
                                 const char* value, size_t value_size, uint64_t expire_at_ms, char** error) {
  return WithDb(db, error, [&](Db& engine) -> Status {
    std::string_view k, v;
    VARVE_TRY(Take(key, key_size, "key", &k));
    VARVE_TRY(Take(value, value_size, "value", &v));
    return engine.PutWithExpiry(Writing(options), k, v, expire_at_ms);
  });
}

varve_code varve_batch_put_with_expiry(varve_batch* batch, const char* key, size_t key_size, const char* value,
                                       size_t value_size, uint64_t expire_at_ms, char** error) {
  return AddTo(batch, key, key_size, value, value_size, "value", error,
               [&](auto& to, std::string_view k, std::string_view v) { to.PutWithExpiry(k, v, expire_at_ms); });
}

varve_code varve_transaction_put_with_expiry(varve_transaction* txn, const char* key, size_t key_size,
                                             const char* value, size_t value_size, uint64_t expire_at_ms,
                                             char** error) {
  return AddTo(txn, key, key_size, value, value_size, error,
               [&](auto& to, std::string_view k, std::string_view v) { to.PutWithExpiry(k, v, expire_at_ms); });
}

varve_code varve_merge(varve_db* db, const varve_write_options* options, const char* key, size_t key_size,
                       const char* operand, size_t operand_size, char** error) {
  return WithDb(db, error, [&](Db& engine) -> Status {
    std::string_view k, o;
    VARVE_TRY(Take(key, key_size, "key", &k));
    VARVE_TRY(Take(operand, operand_size, "operand", &o));
    return engine.Merge(Writing(options), k, o);
  });
}

varve_code varve_batch_merge(varve_batch* batch, const char* key, size_t key_size, const char* operand,
                             size_t operand_size, char** error) {
  return AddTo(batch, key, key_size, operand, operand_size, "operand", error,
               [](auto& to, std::string_view k, std::string_view o) { to.Merge(k, o); });
}

varve_code varve_transaction_merge(varve_transaction* txn, const char* key, size_t key_size, const char* operand,
                                   size_t operand_size, char** error) {
  return AddTo(txn, key, key_size, operand, operand_size, error,
               [](auto& to, std::string_view k, std::string_view o) { to.Merge(k, o); });
}

void varve_output_append(varve_output* output, const char* data, size_t size) {
  if (output == nullptr || size == 0) return;
  const varve_code appended = Guarded(nullptr, [&] {
    output->bytes->append(data, size);
    return Status::Ok();
  });
  if (appended != VARVE_OK) output->failed = true;
}

varve_code varve_options_set_merge_operator(varve_options* options, const char* name, void* state,
                                            void (*destroy)(void* state), varve_merge_function merge,
                                            varve_combine_function combine, char** error) {
  return Guarded(error, [&]() -> Status {
    if (options == nullptr) return IsNull("options");
    if (name == nullptr) return IsNull("the operator's name");
    if (merge == nullptr) return IsNull("merge");
    auto made = std::make_shared<CallerMergeOperator>(name, state, destroy, merge, combine);
    options->options.merge_operator = made.get();
    options->merge_operator = std::move(made);
    return Status::Ok();
  });
}

varve_code varve_options_set_compaction_filter(varve_options* options, void* state, void (*destroy)(void* state),
                                               varve_filter_function filter, char** error) {
  return Guarded(error, [&]() -> Status {
    if (options == nullptr) return IsNull("options");
    std::shared_ptr<CallerFilter> made;
    if (filter != nullptr) made = std::make_shared<CallerFilter>(state, destroy, filter);
    options->options.compaction_filter = made.get();
    options->compaction_filter = std::move(made);
    return Status::Ok();
  });
}

varve_code varve_set_options(varve_db* db, size_t count, const char* const* names, const char* const* values,
                             char** error) {
  return WithDb(db, error, [&](Db& engine) -> Status {
    if (count > 0 && names == nullptr) return IsNull("names");
    if (count > 0 && values == nullptr) return IsNull("values");
    varve::lsm::OptionChanges changes;
    for (size_t i = 0; i < count; ++i) {
      if (names[i] == nullptr) return IsNull("the option's name");
      if (values[i] == nullptr) return IsNull("the option's value");
      VARVE_TRY(varve::lsm::SetOptionChange(names[i], values[i], &changes));
    }
    return engine.SetOptions(changes);
  });
}

varve_code varve_get_option(varve_db* db, const char* name, char** value, char** error) {
  return WithDb(db, error, [&](Db& engine) -> Status {
    if (value == nullptr) return IsNull("value");
    *value = nullptr;
    if (name == nullptr) return IsNull("the option's name");
    auto text = varve::lsm::GetOption(name, engine.GetOptions());
    if (!text.ok()) return text.status();
    return Give(*text, value);
  });
}

varve_code varve_reclaim_space(varve_db* db, const char* begin, size_t begin_size, const char* end, size_t end_size,
                               char** error) {
  return WithDb(db, error, [&](Db& engine) -> Status {
    std::string_view from, to;
    VARVE_TRY(Take(begin, begin_size, "begin", &from));
    VARVE_TRY(Take(end, end_size, "end", &to));
    return engine.ReclaimSpace(from, to);
  });
}

}  // extern "C"
