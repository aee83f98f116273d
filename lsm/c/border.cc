#include "lsm/c/border.h"

#include <cstdlib>
#include <cstring>

#include "lsm/stats_text.h"

namespace varve::lsm::c {

namespace {

// Null when there is no memory.
char* CopyOut(std::string_view bytes) noexcept {
  char* copy = static_cast<char*>(std::malloc(bytes.size() + 1));
  if (copy == nullptr) return nullptr;
  if (!bytes.empty()) std::memcpy(copy, bytes.data(), bytes.size());
  copy[bytes.size()] = '\0';
  return copy;
}

}  // namespace

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

varve_code Fail(varve_code code, std::string_view text, char** error) noexcept {
  if (error != nullptr) {
    std::free(*error);
    *error = CopyOut(text);
  }
  return code;
}

void Give(std::string_view bytes, char** out) {
  *out = CopyOut(bytes);
  if (*out == nullptr) throw std::bad_alloc();
}

Status GiveValue(const Result<bool>& found, const PinnedValue& value, char** out, size_t* size) {
  if (!found.ok()) return found.status();
  if (!*found) return Status::Ok();
  *size = value.view().size();
  Give(value.view(), out);
  return Status::Ok();
}

void GiveIfWanted(std::string_view bytes, char** out) {
  if (out != nullptr) Give(bytes, out);
}

Status GiveVerified(const Result<VerifyReport>& report, char** out) {
  if (!report.ok()) return report.status();
  GiveIfWanted(VerifyJson(*report), out);
  return report->problems.empty() ? Status::Ok() : Status::Corruption(report->problems.front());
}

void Tell(const Status& status, const std::function<void(varve_code code, const char* text)>& tell) {
  if (status.ok()) return tell(VARVE_OK, nullptr);
  std::string text;
  Quietly([&] { text = status.ToString(); });
  tell(CodeOf(status.code()), text.c_str());
}

const char* Piece(std::string_view bytes, size_t* size) {
  if (size != nullptr) *size = bytes.size();
  return bytes.data();
}

Status Require(const void* pointer, const char* name) {
  return pointer != nullptr ? Status::Ok() : Status::InvalidArgument(std::string(name) + " is NULL");
}

Status Bytes::Check() const {
  if (data != nullptr || size == 0) return Status::Ok();
  return Status::InvalidArgument(std::string(name) + " is NULL, but its size is " + std::to_string(size));
}

Status TakeKeys(size_t count, const char* const* keys, const size_t* sizes, std::vector<std::string_view>* taken) {
  if (count > 0) VARVE_TRY(Require(keys, "keys"));
  if (count > 0) VARVE_TRY(Require(sizes, "key_sizes"));
  for (size_t i = 0; i < count; ++i) {
    const Bytes key{keys[i], sizes[i], "key"};
    VARVE_TRY(key.Check());
    taken->push_back(key.view());
  }
  return Status::Ok();
}

std::function<void(uint64_t bytes_done, uint64_t bytes_total)> Progress(varve_progress_function progress, void* state) {
  if (progress == nullptr) return nullptr;
  return [progress, state](uint64_t bytes_done, uint64_t bytes_total) { progress(state, bytes_done, bytes_total); };
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

}  // namespace varve::lsm::c

using varve::lsm::StatusCode;

const char* varve_code_name(varve_code code) {
  for (int i = 0; i <= static_cast<int>(StatusCode::kOutOfMemory); ++i) {
    const auto engine_code = static_cast<StatusCode>(i);
    // The names are literals: they end in a zero.
    if (varve::lsm::c::CodeOf(engine_code) == code) return varve::lsm::StatusCodeName(engine_code).data();
  }
  return code == VARVE_INTERNAL ? "internal" : "unknown";
}

const char* varve_version(void) {
  return VARVE_VERSION;
}

void varve_free(void* memory) {
  std::free(memory);
}
