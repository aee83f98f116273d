// lsm/merge_operator.h - what WriteBatch::Merge does to a value: written by the user, or one of the two built in.
//
//   options.merge_operator = CounterAddOperator();
//   db->Merge({}, "visits", EncodeCounter(1));
//
// A merge writes only its operand. Reads apply the operands of a key, oldest first, to the value below them; compactions
// do the same for good. The name of the operator is recorded when an owner opens the database with one, and no database
// is opened with an operator of another name. Changing what an operator does therefore takes a new name and a new
// database. Threads: an operator is called from many threads at one time. It must not throw, nor call the database.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace varve::lsm {

class MergeOperator {
 public:
  virtual ~MergeOperator() = default;
  // Recorded in the database; at most 255 bytes. The same text for ever.
  virtual std::string_view name() const = 0;
  // Sets *result (empty on call) to what `operands`, oldest first and at least one, make of `base`; nullptr: `key` holds
  // nothing. The answer depends on the arguments alone. False: these bytes cannot be merged; the read then gives
  // kCorruption naming the key, and compactions leave the versions as they are.
  virtual bool Merge(std::string_view key, const std::string_view* base, std::span<const std::string_view> operands,
                     std::string* result) const = 0;
  // Sets *result (empty on call) to one operand that does to every base what `operands`, oldest first and at least two,
  // do one after the other. False: there is none, or the operator is not associative; they are kept one by one.
  virtual bool Combine(std::string_view key, std::span<const std::string_view> operands, std::string* result) const {
    (void)key, (void)operands, (void)result;
    return false;
  }
};

// "varve.counter": values and operands are int64 of eight bytes, little-endian; a merge adds, and wraps around at the
// ends of the range (saturation would depend on the order in which operands are combined). No value counts as 0.
const MergeOperator* CounterAddOperator();
std::string EncodeCounter(int64_t number);
std::optional<int64_t> DecodeCounter(std::string_view value);  // none unless it is eight bytes

// "varve.append": a merge appends its operand to the value.
const MergeOperator* AppendOperator();

// The built-in operator of that name, or null.
const MergeOperator* FindMergeOperator(std::string_view name);

}  // namespace varve::lsm
