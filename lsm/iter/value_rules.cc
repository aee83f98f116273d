#include "lsm/iter/value_rules.h"

#include <algorithm>
#include <vector>

#include "lsm/format/coding.h"
#include "lsm/options.h"

namespace varve::lsm {

namespace {

constexpr size_t kQuotedBytesMax = 64;

// "key 'abc\x00'", cut when it is long.
std::string Named(std::string_view key) {
  std::string out = "key '";
  for (const char c : key.substr(0, kQuotedBytesMax)) {
    if (c >= ' ' && c <= '~' && c != '\'' && c != '\\') {
      out.push_back(c);
    } else {
      out += "\\x";
      out.push_back("0123456789abcdef"[static_cast<unsigned char>(c) >> 4]);
      out.push_back("0123456789abcdef"[static_cast<unsigned char>(c) & 15]);
    }
  }
  return out + (key.size() > kQuotedBytesMax ? "'..." : "'");
}

}  // namespace

Status ReadSpecialVersion(const ValueRules& rules, std::string_view key, ValueKind kind, std::string_view* stored,
                          Meaning* meaning) {
  switch (kind) {
    case ValueKind::kPut:
    case ValueKind::kValuePointer: *meaning = Meaning::kValue; return Status::Ok();
    case ValueKind::kDelete: *meaning = Meaning::kNothing; return Status::Ok();
    case ValueKind::kMerge: *meaning = Meaning::kOperand; return Status::Ok();
    case ValueKind::kPutWithExpiry: {
      uint64_t expire_at_ms;
      if (!GetFixed64(stored, &expire_at_ms)) {
        return Status::Corruption(Named(key) + ": a value with expiry is " + std::to_string(stored->size()) +
                                  " bytes, want at least 8");
      }
      *meaning = ExpiredAt(expire_at_ms, rules.Now()) ? Meaning::kNothing : Meaning::kValue;
      return Status::Ok();
    }
    case ValueKind::kRangeDelete:
    case ValueKind::kIngest: break;  // no versions
  }
  return Status::Unsupported(Named(key) + ": a version of kind " + std::to_string(static_cast<int>(kind)) +
                             ", which is none of a value's in this build");
}

Result<std::string> MergeOperands(const ValueRules& rules, std::string_view key, const std::string_view* base,
                                  std::span<const std::string> operands, OperandOrder order) {
  if (rules.merge_operator == nullptr) {
    return Status::InvalidArgument(Named(key) + ": holds a merge, but the database was opened without the operator; " +
                                   "set Options::merge_operator");
  }
  std::vector<std::string_view> oldest_first(operands.begin(), operands.end());
  if (order == OperandOrder::kNewestFirst) std::reverse(oldest_first.begin(), oldest_first.end());
  std::string result;
  if (!rules.merge_operator->Merge(key, base, oldest_first, &result) || result.size() > kValueSizeMax) {
    const std::string onto = base != nullptr ? "a value of " + std::to_string(base->size()) + " bytes" : "nothing";
    return Status::Corruption(Named(key) + ": merge operator '" + std::string(rules.merge_operator->name()) +
                              "' cannot apply " + std::to_string(operands.size()) + " operands to " + onto);
  }
  return result;
}

bool CombineMerges(const ValueRules& rules, std::string_view key, std::span<const std::string> newest_first,
                   std::string* combined) {
  const std::vector<std::string_view> oldest_first(newest_first.rbegin(), newest_first.rend());
  return rules.merge_operator != nullptr && rules.merge_operator->Combine(key, oldest_first, combined) &&
         combined->size() <= kValueSizeMax;
}

}  // namespace varve::lsm
