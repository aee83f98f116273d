// lsm/status.h - how every call of the engine says what went wrong.
//
// A Status is one pointer: null means OK, so the good path costs a register; copies share what it points to. A Result<T>
// carries a T or the Status that prevented it. Both are [[nodiscard]]: an error cannot be dropped by accident. Nothing here
// throws: a Status that finds no memory for its message becomes kOutOfMemory, which needs none.
// A missing key is an answer (Result<bool>, false), not an error.
// Messages say where, what, and what was expected: "<path>: footer is 40 bytes, want 48".
// Threads: values; a const Status may be read by many threads.
#pragma once

#include <atomic>
#include <cassert>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace varve::lsm {

// Few, and about storage only. Each adapter translates them in one switch without default, so a new code does not build
// until both doors know it.
enum class StatusCode : uint8_t {
  kOk = 0,
  kInvalidArgument,  // the caller's request cannot be carried out as written
  kNotFound,         // no database in that directory, no such file
  kCorruption,       // bytes on disk are not what was written; message names file and offset
  kUnsupported,      // a format version or feature this build does not know
  kIoError,          // the operating system refused; message carries errno's text
  kNoSpace,          // the disk (or quota, or configured cap, or table of open files) is full; reads go on
  kBusy,             // somebody else holds the directory, or the write controller asks to come back later
  kWouldBlock,       // TryGet only: the answer needs the disk
  kFenced,           // a sync failed earlier: nothing is acknowledged until the database is reopened
  kReadOnly,         // the database was opened without the right to write
  kClosed,           // the database was closed
  kConflict,         // somebody else wrote what an optimistic transaction relies on: begin it again
  kOutOfRange,       // changes only: the log does not hold what was asked for
  kOutOfMemory,      // an allocation failed, and nothing was changed
};

// "kCorruption" -> "corruption"; for messages and logs.
std::string_view StatusCodeName(StatusCode code);

class [[nodiscard]] Status {
 public:
  Status() = default;  // OK
  Status(StatusCode code, std::string message) noexcept;
  Status(const Status& other) noexcept : rep_(Share(other.rep_.get())) {}
  Status& operator=(const Status& other) noexcept {
    rep_.reset(Share(other.rep_.get()));
    return *this;
  }
  Status(Status&&) noexcept = default;
  Status& operator=(Status&&) noexcept = default;
  ~Status() = default;

  static Status Ok() { return {}; }
  static Status InvalidArgument(std::string m) { return {StatusCode::kInvalidArgument, std::move(m)}; }
  static Status NotFound(std::string m) { return {StatusCode::kNotFound, std::move(m)}; }
  static Status Corruption(std::string m) { return {StatusCode::kCorruption, std::move(m)}; }
  static Status Unsupported(std::string m) { return {StatusCode::kUnsupported, std::move(m)}; }
  static Status IoError(std::string m) { return {StatusCode::kIoError, std::move(m)}; }
  static Status NoSpace(std::string m) { return {StatusCode::kNoSpace, std::move(m)}; }
  static Status Busy(std::string m) { return {StatusCode::kBusy, std::move(m)}; }
  static Status WouldBlock() noexcept;  // allocates nothing, as the next two
  static Status Fenced(std::string m) { return {StatusCode::kFenced, std::move(m)}; }
  static Status ReadOnly(std::string m) { return {StatusCode::kReadOnly, std::move(m)}; }
  static Status Conflict(std::string m) { return {StatusCode::kConflict, std::move(m)}; }
  static Status OutOfRange(std::string m) { return {StatusCode::kOutOfRange, std::move(m)}; }
  static Status OutOfMemory() noexcept;
  static Status Closed() noexcept;

  bool ok() const { return rep_ == nullptr; }
  StatusCode code() const { return rep_ ? rep_->code : StatusCode::kOk; }
  bool Is(StatusCode code) const { return this->code() == code; }
  // Empty when OK.
  std::string_view message() const { return rep_ ? std::string_view(rep_->message) : std::string_view(); }
  // "OK", or "corruption: <message>".
  std::string ToString() const;

 private:
  struct Rep {
    StatusCode code;
    std::string message;
    std::atomic<uint32_t> holders{1};
  };
  static Rep* Share(Rep* rep) noexcept {
    if (rep != nullptr) rep->holders.fetch_add(1, std::memory_order_relaxed);
    return rep;
  }
  struct Release {
    void operator()(Rep* rep) const {
      if (rep->holders.fetch_sub(1, std::memory_order_acq_rel) == 1) delete rep;
    }
  };
  explicit Status(Rep* rep) noexcept : rep_(rep) {}
  std::unique_ptr<Rep, Release> rep_;
};

template <typename T>
class [[nodiscard]] Result {
 public:
  Result(T value) : value_(std::move(value)) {}                                  // NOLINT: implicit by design
  Result(Status status) : status_(std::move(status)) { assert(!status_.ok()); }  // NOLINT: implicit by design

  bool ok() const { return value_.has_value(); }
  const Status& status() const { return status_; }
  T& value() & {
    assert(ok());
    return *value_;
  }
  const T& value() const& {
    assert(ok());
    return *value_;
  }
  T&& value() && {
    assert(ok());
    return std::move(*value_);
  }
  T value_or(T otherwise) const& { return ok() ? *value_ : std::move(otherwise); }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T&& operator*() && { return std::move(*this).value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }

 private:
  std::optional<T> value_;
  Status status_;
};

}  // namespace varve::lsm

// Returns the Status from the enclosing function when it is not OK.
#define VARVE_TRY(expression)                                                                      \
  do {                                                                                             \
    if (::varve::lsm::Status varve_status = (expression); !varve_status.ok()) return varve_status; \
  } while (false)
