// sqlite_vtab/key_range.h - the keys that comparisons with SQL values leave over.
//
// Every row of a native table with the column `key TEXT` (or BLOB) whose keys are all of that class would compare with
// a value as follows; this is the whole of SQLite's rules for such a column:
//
//   value            key TEXT                                 key BLOB
//   NULL             nothing compares                         nothing compares
//   number           undecidable here, see below              below every key
//   text             bytewise                                 below every key
//   blob             above every key                          bytewise
//
// Undecidable: a number that stands for itself is turned into text first (7 finds '7'), but a number from a numeric
// column turns the key into a number (7 finds '7', '7.0' and ' 7'), and SQLite does not tell the module which it was.
// So it narrows nothing and SQLite checks each row. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "sqlite_vtab/arguments.h"

namespace varve::sqlite_vtab {

enum class ValueClass : uint8_t { kNull, kNumber, kText, kBlob };

// A borrowed SQL value. The bytes of numbers are not needed.
struct SqlValue {
  ValueClass value_class = ValueClass::kNull;
  std::string_view bytes;
};

enum class Operator : uint8_t { kEqual, kGreater, kGreaterEqual, kLess, kLessEqual, kGlob };

// Whether Narrow leaves exactly the rows for which the comparison is true, whatever the table holds.
bool IsExact(Operator op, ColumnType key_type, ValueClass value_class);

// The bytes that every key matching the GLOB pattern begins with. Stops at the first wildcard, at NUL (SQLite's matcher
// ends there) and at the first byte above 0x7f (its decoder takes different ill-formed bytes for the same character).
std::string_view GlobPrefix(std::string_view pattern);

// The smallest string above all that start with `prefix`; false when there is none.
bool PrefixSuccessor(std::string_view prefix, std::string* out);

class KeyRange {
 public:
  void Reset();
  // Keeps the keys that may satisfy `key op value`.
  void Narrow(Operator op, ColumnType key_type, const SqlValue& value);

  bool empty() const { return empty_; }
  // The lowest key in the range; the empty string is a key.
  const std::string& lower() const { return lower_; }
  bool has_upper() const { return has_upper_; }
  const std::string& upper() const { return upper_; }  // exclusive
  bool IsWhole() const { return !empty_ && lower_.empty() && !has_upper_; }
  bool IsPoint() const;  // holds lower() and nothing else
  bool Contains(std::string_view key) const;

 private:
  void RaiseLower(std::string_view key, bool exclusive);
  void CutUpper(std::string_view key, bool inclusive);

  bool empty_ = false;
  bool has_upper_ = false;
  std::string lower_;
  std::string upper_;
};

}  // namespace varve::sqlite_vtab
