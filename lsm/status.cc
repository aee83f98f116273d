#include "lsm/status.h"

#include <new>

namespace varve::lsm {

Status Status::OutOfMemory() noexcept {
  static Rep* const rep = new Rep{StatusCode::kOutOfMemory, "an allocation failed; nothing was changed"};
  return Status(Share(rep));
}

Status Status::Closed() noexcept {
  static Rep* const rep = new Rep{StatusCode::kClosed, "the database is closed"};
  return Status(Share(rep));
}

Status Status::WouldBlock() noexcept {
  static Rep* const rep = new Rep{StatusCode::kWouldBlock, "the answer is not in memory"};
  return Status(Share(rep));
}

namespace {
// Before there is a need.
[[maybe_unused]] const Status made[] = {Status::OutOfMemory(), Status::Closed(), Status::WouldBlock()};
}  // namespace

Status::Status(StatusCode code, std::string message) noexcept : rep_(new (std::nothrow) Rep{code, std::move(message)}) {
  assert(code != StatusCode::kOk);
  if (rep_ == nullptr) *this = OutOfMemory();
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
