#include "lsm/status.h"

#include <new>

namespace varve::lsm {

Status::Rep* Status::NoMemory() {
  static Rep* const rep = new Rep{StatusCode::kOutOfMemory, "an allocation failed; nothing was changed"};
  return rep;
}

namespace {
// Made before there is a need.
[[maybe_unused]] const Status made_in_time = Status::OutOfMemory();
}  // namespace

Status::Status(StatusCode code, std::string message) noexcept
    : rep_(code == StatusCode::kOutOfMemory ? NoMemory() : new (std::nothrow) Rep{code, std::move(message)}) {
  assert(code != StatusCode::kOk);
  if (rep_ == nullptr) rep_.reset(NoMemory());
}

Status Status::OutOfMemory() noexcept {
  return {StatusCode::kOutOfMemory, {}};
}

Status::Rep* Status::Copy(const Rep& rep) noexcept {
  if (rep.code == StatusCode::kOutOfMemory) return NoMemory();
  try {
    return new Rep(rep);
  } catch (const std::bad_alloc&) {
    return NoMemory();
  }
}

std::string_view StatusCodeName(StatusCode code) {
  switch (code) {
    case StatusCode::kOk: return "OK";
    case StatusCode::kInvalidArgument: return "invalid argument";
    case StatusCode::kNotFound: return "not found";
    case StatusCode::kCorruption: return "corruption";
    case StatusCode::kUnsupported: return "unsupported";
    case StatusCode::kIoError: return "I/O error";
    case StatusCode::kNoSpace: return "no space";
    case StatusCode::kBusy: return "busy";
    case StatusCode::kWouldBlock: return "would block";
    case StatusCode::kFenced: return "fenced";
    case StatusCode::kReadOnly: return "read-only";
    case StatusCode::kClosed: return "closed";
    case StatusCode::kConflict: return "conflict";
    case StatusCode::kOutOfRange: return "out of range";
    case StatusCode::kOutOfMemory: return "out of memory";
  }
  return "unknown";
}

std::string Status::ToString() const {
  if (ok()) return "OK";
  std::string text(StatusCodeName(code()));
  text += ": ";
  text += message();
  return text;
}

}  // namespace varve::lsm
