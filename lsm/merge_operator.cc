#include "lsm/merge_operator.h"

#include "lsm/format/coding.h"

namespace varve::lsm {

namespace {

class CounterAdd final : public MergeOperator {
 public:
  std::string_view name() const override { return "varve.counter"; }
  bool Merge(std::string_view, const std::string_view* base, std::span<const std::string_view> operands,
             std::string* result) const override {
    uint64_t sum = 0;  // unsigned, so that it wraps
    if (base != nullptr && !AddTo(*base, &sum)) return false;
    for (std::string_view operand : operands) {
      if (!AddTo(operand, &sum)) return false;
    }
    PutFixed64(result, sum);
    return true;
  }
  bool Combine(std::string_view key, std::span<const std::string_view> operands, std::string* result) const override {
    return Merge(key, nullptr, operands, result);
  }

 private:
  static bool AddTo(std::string_view number, uint64_t* sum) {
    if (number.size() != sizeof(*sum)) return false;
    *sum += DecodeFixed64(number.data());
    return true;
  }
};

class Append final : public MergeOperator {
 public:
  std::string_view name() const override { return "varve.append"; }
  bool Merge(std::string_view, const std::string_view* base, std::span<const std::string_view> operands,
             std::string* result) const override {
    size_t size = base != nullptr ? base->size() : 0;
    for (std::string_view operand : operands) size += operand.size();
    result->reserve(size);
    if (base != nullptr) result->append(*base);
    for (std::string_view operand : operands) result->append(operand);
    return true;
  }
  bool Combine(std::string_view key, std::span<const std::string_view> operands, std::string* result) const override {
    return Merge(key, nullptr, operands, result);
  }
};

}  // namespace

const MergeOperator* CounterAddOperator() {
  static const CounterAdd instance;
  return &instance;
}

const MergeOperator* AppendOperator() {
  static const Append instance;
  return &instance;
}

const MergeOperator* FindMergeOperator(std::string_view name) {
  for (const MergeOperator* built_in : {CounterAddOperator(), AppendOperator()}) {
    if (built_in->name() == name) return built_in;
  }
  return nullptr;
}

std::string EncodeCounter(int64_t number) {
  std::string value;
  PutFixed64(&value, static_cast<uint64_t>(number));
  return value;
}

std::optional<int64_t> DecodeCounter(std::string_view value) {
  if (value.size() != sizeof(int64_t)) return std::nullopt;
  return static_cast<int64_t>(DecodeFixed64(value.data()));
}

}  // namespace varve::lsm
