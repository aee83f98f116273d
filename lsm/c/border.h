// lsm/c/border.h - what every function of lsm/c.h does where C ends and C++ begins.
//
//   varve_code varve_put(varve_db* db, ..., char** error) {
//     return With(db, {key, key_size, "key"}, {value, value_size, "value"}, error,
//                 [&](Db& engine, std::string_view k, std::string_view v) { return engine.Put(Writing(options), k, v); });
//   }
//
// `With` checks the handle and the bytes, calls the body, and makes a code and a text of what goes wrong; nothing that is
// thrown gets past it. A body returns a Status, or nothing. Threads: free functions.
#pragma once

#include <exception>
#include <functional>
#include <new>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "lsm/c/handles.h"
#include "lsm/status.h"

namespace varve::lsm::c {

// ---- What is handed out. ----

varve_code CodeOf(StatusCode code);
// Frees the text that *error holds and puts this one in its place; returns `code`. A null `error` wants no text.
varve_code Fail(varve_code code, std::string_view text, char** error) noexcept;
// A copy for the caller, with a zero behind it; varve_free's. Throws bad_alloc.
void Give(std::string_view bytes, char** out);
// The same, unless `out` is null.
void GiveIfWanted(std::string_view bytes, char** out);
template <typename T>
void SetIfWanted(T* out, T value) {
  if (out != nullptr) *out = value;
}
// The value, when it was found.
Status GiveValue(const Result<bool>& found, const PinnedValue& value, char** out, size_t* size);
// The report as JSON, if it is wanted. kCorruption with the first problem, if there is one.
Status GiveVerified(const Result<VerifyReport>& report, char** out);
// Calls `tell` with the code and the text (null for VARVE_OK) of `status`.
void Tell(const Status& status, const std::function<void(varve_code code, const char* text)>& tell);
// A pointer that is not NULL, for no bytes neither.
inline const char* DataOf(std::string_view bytes) {
  return bytes.empty() ? "" : bytes.data();
}
// Says where bytes are that stay ours.
const char* Piece(std::string_view bytes, size_t* size);

// ---- What is taken. ----

// kInvalidArgument when the pointer is null: "<name> is NULL".
Status Require(const void* pointer, const char* name);

// A place for an answer, which is nothing until there is one.
template <typename T>
Status Clear(T* out, const char* name) {
  VARVE_TRY(Require(out, name));
  *out = T();
  return Status::Ok();
}

// The caller's bytes, by the name they have in the header. A null pointer is fine for no bytes.
struct Bytes {
  const char* data;
  size_t size;
  const char* name;

  Status Check() const;
  std::string_view view() const { return size == 0 ? std::string_view() : std::string_view(data, size); }
};

// kInvalidArgument when one is not there, though its size is above 0.
Status TakeKeys(size_t count, const char* const* keys, const size_t* sizes, std::vector<std::string_view>* taken);

// As the engine calls it; empty for none.
std::function<void(uint64_t bytes_done, uint64_t bytes_total)> Progress(varve_progress_function progress, void* state);

inline WriteOptions Writing(const varve_write_options* options) {
  return options == nullptr ? WriteOptions() : options->options;
}
// kInvalidArgument for a snapshot of another database. *out points into `options`.
Status Reading(const std::shared_ptr<Db>& db, const varve_read_options* options, ReadOptions* out);

// ---- What is called. ----

template <typename Body, typename... Arguments>
Status Call(Body& body, Arguments&&... arguments) {
  if constexpr (std::is_void_v<std::invoke_result_t<Body&, Arguments...>>) {
    body(std::forward<Arguments>(arguments)...);
    return Status::Ok();
  } else {
    return body(std::forward<Arguments>(arguments)...);
  }
}

template <typename Body>
varve_code Guarded(char** error, Body&& body) noexcept {
  try {
    const Status status = Call(body);
    return status.ok() ? VARVE_OK : Fail(CodeOf(status.code()), status.ToString(), error);
  } catch (const std::bad_alloc&) {
    return Fail(VARVE_OUT_OF_MEMORY, "out of memory", error);
  } catch (const std::exception& exception) {
    return Fail(VARVE_INTERNAL, exception.what(), error);
  } catch (...) {
    return Fail(VARVE_INTERNAL, "an unknown exception", error);
  }
}

// For functions that have nowhere to put an error.
template <typename Body>
void Quietly(Body&& body) noexcept {
  (void)Guarded(nullptr, body);
}

template <typename Handle, typename Body>
varve_code With(Handle* handle, char** error, Body&& body) noexcept {
  return Guarded(error, [&]() -> Status {
    VARVE_TRY(Require(handle, Handle::kName));
    return Call(body, handle->engine());
  });
}
template <typename Handle, typename Body>
varve_code With(Handle* handle, Bytes bytes, char** error, Body&& body) noexcept {
  return With(handle, error, [&](auto& engine) -> Status {
    VARVE_TRY(bytes.Check());
    return Call(body, engine, bytes.view());
  });
}
template <typename Handle, typename Body>
varve_code With(Handle* handle, Bytes first, Bytes second, char** error, Body&& body) noexcept {
  return With(handle, first, error, [&](auto& engine, std::string_view bytes) -> Status {
    VARVE_TRY(second.Check());
    return Call(body, engine, bytes, second.view());
  });
}

// A handle of what `make` makes; null when there is no memory.
template <typename Make>
auto Made(Make&& make) noexcept -> decltype(make()) {
  decltype(make()) made = nullptr;
  Quietly([&] { made = make(); });
  return made;
}
template <typename Handle>
Handle* Made() noexcept {
  return Made([] { return new Handle(); });
}
// The same out of another handle; null when that is.
template <typename Handle, typename Make>
auto MadeOf(Handle* handle, Make&& make) noexcept -> decltype(make(*handle)) {
  return handle == nullptr ? nullptr : Made([&] { return make(*handle); });
}
template <typename Handle>
void Destroy(Handle* handle) noexcept {
  Quietly([&] { delete handle; });
}

}  // namespace varve::lsm::c
