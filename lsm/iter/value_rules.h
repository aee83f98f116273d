// lsm/iter/value_rules.h - what the versions of a key say to a reader: the one place where the kinds of values are told
// apart for point reads and iterators (compactions: lsm/compact/version_stream.h).
//
// The newest visible version decides, unless it is a merge operand: then the operands down to the first version that is
// none are applied, oldest first, to what that version says. A value whose expiry has come says the same as a delete.
// Threads: values and pure functions.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "lsm/format/internal_key.h"
#include "lsm/io/clock.h"
#include "lsm/merge_operator.h"
#include "lsm/status.h"

namespace varve::lsm {

// What a database is read by; what it points to outlives the reader.
struct ValueRules {
  const MergeOperator* merge_operator = nullptr;  // null: merges cannot be read
  Clock* clock = nullptr;                         // null: nothing expires
  int64_t now_ms = 0;                             // of all that is read; 0: each value asks the clock

  int64_t Now() const { return now_ms != 0 || clock == nullptr ? now_ms : clock->WallMillis(); }
  // The same rules with the time stopped at the present.
  ValueRules AtOneTime() const { return {merge_operator, clock, Now()}; }
};

inline bool ExpiredAt(uint64_t expire_at_ms, int64_t now_ms) {
  return now_ms > 0 && expire_at_ms <= static_cast<uint64_t>(now_ms);
}

enum class Meaning : uint8_t {
  kValue,    // the key has this value
  kNothing,  // the key has none, whatever lies beneath
  kOperand,  // a merge: older versions matter
};

// What a version of `key` says; cuts *stored down to the value or the operand. kCorruption and kUnsupported name the key.
Status ReadSpecialVersion(const ValueRules& rules, std::string_view key, ValueKind kind, std::string_view* stored,
                          Meaning* meaning);
inline Status ReadVersion(const ValueRules& rules, std::string_view key, ValueKind kind, std::string_view* stored,
                          Meaning* meaning) {
  if (kind > ValueKind::kPut) [[unlikely]]
    return ReadSpecialVersion(rules, key, kind, stored, meaning);
  *meaning = kind == ValueKind::kPut ? Meaning::kValue : Meaning::kNothing;
  return Status::Ok();
}

// What `operands` make of `base` (nullptr: nothing). kInvalidArgument without an operator; kCorruption when it refuses.
enum class OperandOrder : uint8_t { kOldestFirst, kNewestFirst };
Result<std::string> MergeOperands(const ValueRules& rules, std::string_view key, const std::string_view* base,
                                  std::span<const std::string> operands, OperandOrder order);

// One operand that stands for all of `newest_first`; false when there is none, or no operator that is associative.
bool CombineMerges(const ValueRules& rules, std::string_view key, std::span<const std::string> newest_first,
                   std::string* combined);

}  // namespace varve::lsm
