#include "resp/reply_status.h"

namespace varve::resp {
namespace {

// No default: a new code does not build until it has a text.
std::string_view Prefix(lsm::StatusCode code) {
  switch (code) {
    case lsm::StatusCode::kOk: return "ERR ";
    case lsm::StatusCode::kInvalidArgument: return "ERR ";
    case lsm::StatusCode::kNotFound: return "ERR ";
    case lsm::StatusCode::kCorruption: return "CORRUPT ";
    case lsm::StatusCode::kUnsupported: return "ERR ";
    case lsm::StatusCode::kIoError: return "IOERR ";
    case lsm::StatusCode::kNoSpace: return "MISCONF Errors writing to the AOF file: ";  // Redis' words
    case lsm::StatusCode::kBusy: return "BUSY ";
    case lsm::StatusCode::kWouldBlock: return "ERR ";
    case lsm::StatusCode::kFenced: return "MISCONF Errors writing to the AOF file: ";
    case lsm::StatusCode::kReadOnly: return "READONLY ";
    case lsm::StatusCode::kClosed: return "ERR ";
    case lsm::StatusCode::kConflict: return "ERR ";
    case lsm::StatusCode::kOutOfRange: return "ERR ";
    case lsm::StatusCode::kOutOfMemory: return "OOM ";
  }
  return "ERR ";
}

}  // namespace

std::string ErrorText(const lsm::Status& status) {
  std::string text(Prefix(status.code()));
  text.append(status.message());
  return text;
}

}  // namespace varve::resp
