// lsm/write_batch.cc - see write_batch.h.

#include "lsm/write_batch.h"

#include <cassert>
#include <utility>

#include "lsm/format/coding.h"
#include "lsm/options.h"

namespace varve::lsm {

namespace {

constexpr size_t kCountOffset = 8;
constexpr size_t kBufferKeepMax = 1024 * 1024;  // a larger buffer is given back by Clear
constexpr size_t kOperationOverhead = 1 + 2 * kVarint32SizeMax;

std::string TooLarge(const char* what, size_t size, size_t max) {
  return std::string(what) + " of " + std::to_string(size) + " bytes, at most " + std::to_string(max) + " are allowed";
}

}  // namespace

void WriteBatch::Clear() {
  if (rep_.capacity() > kBufferKeepMax) std::string().swap(rep_);
  rep_.assign(kHeaderSize, '\0');
  limits_ = Status::Ok();
  limits_at_ = 0;
  merge_at_ = kNone;
}

// False, and noted, when the operation breaks a limit; else there is room for all its bytes.
bool WriteBatch::Fits(std::string_view key, size_t value_size) {
  if (key.size() > kKeySizeMax) {
    Break(TooLarge("key", key.size(), kKeySizeMax));
  } else if (value_size > kValueSizeMax) {
    Break(TooLarge("value", value_size, kValueSizeMax));
  } else if (const size_t grown = rep_.size() + kOperationOverhead + key.size() + value_size; grown > kBatchSizeMax) {
    Break(TooLarge("batch", grown, kBatchSizeMax));
  } else {
    // At once, for a batch of one would grow three times; doubling, for a large one would be copied for each operation.
    if (grown > rep_.capacity()) rep_.reserve(std::max(grown, 2 * rep_.capacity()));
    return true;
  }
  return false;
}

void WriteBatch::Break(std::string message) {
  if (limits_.ok()) {
    limits_ = Status::InvalidArgument(std::move(message));
    limits_at_ = rep_.size();
  }
  AddOperation(ValueKind::kDelete, {});
}

void WriteBatch::AddOperation(ValueKind kind, std::string_view key) {
  char head[1 + kVarint32SizeMax];
  head[0] = static_cast<char>(kind);
  char* const end = EncodeVarint32(head + 1, static_cast<uint32_t>(key.size()));
  rep_.append(head, static_cast<size_t>(end - head));
  rep_.append(key);
  AddCount(1);
}

void WriteBatch::AddCount(uint32_t added) {
  EncodeFixed32(rep_.data() + kCountOffset, count() + added);
}

void WriteBatch::Put(std::string_view key, std::string_view value) {
  if (!Fits(key, value.size())) return;
  AddOperation(ValueKind::kPut, key);
  PutLengthPrefixed(&rep_, value);
}

void WriteBatch::PutWithExpiry(std::string_view key, std::string_view value, uint64_t expire_at_ms) {
  if (!Fits(key, kExpirySize + value.size())) return;
  AddOperation(ValueKind::kPutWithExpiry, key);
  PutVarint32(&rep_, static_cast<uint32_t>(kExpirySize + value.size()));
  PutFixed64(&rep_, expire_at_ms);
  rep_.append(value);
}

void WriteBatch::Merge(std::string_view key, std::string_view operand) {
  if (!Fits(key, operand.size())) return;
  if (merge_at_ == kNone) merge_at_ = rep_.size();
  AddOperation(ValueKind::kMerge, key);
  PutLengthPrefixed(&rep_, operand);
}

void WriteBatch::Delete(std::string_view key) {
  if (!Fits(key, 0)) return;
  AddOperation(ValueKind::kDelete, key);
}

void WriteBatch::DeleteRange(std::string_view begin, std::string_view end) {
  if (end.size() > kKeySizeMax) return Break(TooLarge("key", end.size(), kKeySizeMax));
  if (!Fits(begin, end.size())) return;
  AddOperation(ValueKind::kRangeDelete, begin);
  PutLengthPrefixed(&rep_, end);
}

uint64_t WriteBatch::Operation::expire_at_ms() const {
  return kind == ValueKind::kPutWithExpiry ? DecodeFixed64(value.data()) : 0;
}

std::string_view WriteBatch::Operation::bare_value() const {
  return kind == ValueKind::kPutWithExpiry ? value.substr(kExpirySize) : value;
}

void WriteBatch::Add(const Operation& operation) {
  switch (operation.kind) {
    case ValueKind::kDelete: return Delete(operation.key);
    case ValueKind::kPut: return Put(operation.key, operation.value);
    case ValueKind::kRangeDelete: return DeleteRange(operation.key, operation.value);
    case ValueKind::kMerge: return Merge(operation.key, operation.value);
    case ValueKind::kPutWithExpiry:
      return PutWithExpiry(operation.key, operation.bare_value(), operation.expire_at_ms());
    case ValueKind::kValuePointer:
    case ValueKind::kIngest: assert(false); return;  // in no batch of a user
  }
}

void WriteBatch::Append(const WriteBatch& other) {
  assert(&other != this);
  const size_t grown = rep_.size() + other.rep_.size();
  if (grown > kBatchSizeMax) return Break(TooLarge("batch", grown, kBatchSizeMax));
  if (limits_.ok() && !other.limits_.ok()) {
    limits_ = other.limits_;
    limits_at_ = rep_.size() + (other.limits_at_ - kHeaderSize);
  }
  if (merge_at_ == kNone && other.merge_at_ != kNone) merge_at_ = rep_.size() + (other.merge_at_ - kHeaderSize);
  rep_.append(other.rep_, kHeaderSize);
  AddCount(other.count());
}

uint32_t WriteBatch::count() const {
  return DecodeFixed32(rep_.data() + kCountOffset);
}

SequenceNumber WriteBatch::sequence() const {
  return DecodeFixed64(rep_.data());
}

void WriteBatch::SetSequence(SequenceNumber first) {
  EncodeFixed64(rep_.data(), first);
}

void WriteBatch::Truncate(size_t size, uint32_t count) {
  assert(size >= kHeaderSize && size <= rep_.size() && count <= this->count());
  rep_.resize(size);
  EncodeFixed32(rep_.data() + kCountOffset, count);
  if (!limits_.ok() && size <= limits_at_) limits_ = Status::Ok();
  if (size <= merge_at_) merge_at_ = kNone;
}

WriteBatch::Reader::Reader(std::string_view bytes) : rest_(bytes) {
  if (!GetFixed64(&rest_, &sequence_) || !GetFixed32(&rest_, &count_)) {
    status_ = Status::Corruption("batch is " + std::to_string(bytes.size()) + " bytes, want at least " +
                                 std::to_string(kHeaderSize));
  } else if (sequence_ > kSequenceMax - count_) {
    status_ =
        Status::Corruption("batch has first sequence " + std::to_string(sequence_) + ", beyond the last there is");
  }
}

bool WriteBatch::Reader::Next(Operation* operation) {
  if (!status_.ok()) return false;
  if (seen_ == count_) {
    if (!rest_.empty()) {
      status_ = Status::Corruption("batch has " + std::to_string(rest_.size()) + " bytes behind its " +
                                   std::to_string(count_) + " operations");
    }
    return false;
  }
  if (ParseOperation(operation)) {
    ++seen_;
    return true;
  }
  status_ = Status::Corruption("operation " + std::to_string(seen_) + " of the batch's " + std::to_string(count_) +
                               " is malformed or cut short, " + std::to_string(rest_.size()) + " bytes before the end");
  return false;
}

// Takes one operation off the front of rest_; false when it is malformed.
bool WriteBatch::Reader::ParseOperation(Operation* operation) {
  if (rest_.empty()) return false;
  const uint8_t kind = static_cast<uint8_t>(rest_[0]);
  if (kind > static_cast<uint8_t>(ValueKind::kPutWithExpiry) && kind != static_cast<uint8_t>(ValueKind::kIngest))
    return false;
  std::string_view in = rest_.substr(1);
  operation->kind = static_cast<ValueKind>(kind);
  operation->value = {};
  if (!GetLengthPrefixed(&in, &operation->key) || operation->key.size() > kKeySizeMax) return false;
  if (operation->kind == ValueKind::kIngest && !operation->key.empty()) return false;
  if (operation->kind != ValueKind::kDelete && operation->kind != ValueKind::kIngest) {
    const size_t size_min = operation->kind == ValueKind::kPutWithExpiry ? kExpirySize : 0;
    const size_t size_max = operation->kind == ValueKind::kRangeDelete ? kKeySizeMax : kValueSizeMax;
    if (!GetLengthPrefixed(&in, &operation->value)) return false;
    if (operation->value.size() < size_min || operation->value.size() > size_max) return false;
  }
  rest_ = in;
  return true;
}

}  // namespace varve::lsm
