#include "sqlite_vtab/key_range.h"

namespace varve::sqlite_vtab {

namespace {

ValueClass ClassOf(ColumnType type) {
  return type == ColumnType::kText ? ValueClass::kText : ValueClass::kBlob;
}

bool IsUpperBound(Operator op) {
  return op == Operator::kLess || op == Operator::kLessEqual;
}

bool IsLowerBound(Operator op) {
  return op == Operator::kGreater || op == Operator::kGreaterEqual;
}

}  // namespace

bool IsExact(Operator op, ColumnType key_type, ValueClass value_class) {
  if (op == Operator::kGlob) return false;
  return key_type == ColumnType::kBlob || value_class != ValueClass::kNumber;
}

std::string_view GlobPrefix(std::string_view pattern) {
  size_t size = 0;
  for (; size < pattern.size(); ++size) {
    char c = pattern[size];
    if (c == '*' || c == '?' || c == '[' || c == '\0' || (c & 0x80) != 0) break;
  }
  return pattern.substr(0, size);
}

bool PrefixSuccessor(std::string_view prefix, std::string* out) {
  size_t size = prefix.size();
  while (size > 0 && static_cast<unsigned char>(prefix[size - 1]) == 0xff) --size;
  if (size == 0) return false;
  out->assign(prefix.data(), size);
  out->back() = static_cast<char>(static_cast<unsigned char>(out->back()) + 1);
  return true;
}

void KeyRange::Reset() {
  empty_ = false;
  has_upper_ = false;
  lower_.clear();
  upper_.clear();
}

void KeyRange::Narrow(Operator op, ColumnType key_type, const SqlValue& value) {
  if (value.value_class == ValueClass::kNull) {
    empty_ = true;
    return;
  }
  if (op == Operator::kGlob) {
    // The module passes the pattern as text, whatever it was: so does SQLite's own function.
    std::string_view prefix = GlobPrefix(value.bytes);
    RaiseLower(prefix, /*exclusive=*/false);
    if (std::string end; PrefixSuccessor(prefix, &end)) CutUpper(end, /*inclusive=*/false);
    return;
  }
  if (value.value_class != ClassOf(key_type)) {
    if (key_type == ColumnType::kText && value.value_class == ValueClass::kNumber) return;
    bool value_is_below = key_type == ColumnType::kBlob;
    if (value_is_below ? !IsLowerBound(op) : !IsUpperBound(op)) empty_ = true;
    return;
  }
  switch (op) {
    case Operator::kEqual:
      RaiseLower(value.bytes, /*exclusive=*/false);
      CutUpper(value.bytes, /*inclusive=*/true);
      break;
    case Operator::kGreater: RaiseLower(value.bytes, /*exclusive=*/true); break;
    case Operator::kGreaterEqual: RaiseLower(value.bytes, /*exclusive=*/false); break;
    case Operator::kLess: CutUpper(value.bytes, /*inclusive=*/false); break;
    case Operator::kLessEqual: CutUpper(value.bytes, /*inclusive=*/true); break;
    case Operator::kGlob: break;
  }
}

bool KeyRange::IsPoint() const {
  return !empty_ && has_upper_ && upper_.size() == lower_.size() + 1 && upper_.back() == '\0' &&
         upper_.compare(0, lower_.size(), lower_) == 0;
}

bool KeyRange::Contains(std::string_view key) const {
  return !empty_ && key >= lower_ && (!has_upper_ || key < upper_);
}

// The next key above k in byte order is k with a zero byte behind it.
void KeyRange::RaiseLower(std::string_view key, bool exclusive) {
  if (exclusive ? key >= lower_ : key > lower_) {
    lower_.assign(key);
    if (exclusive) lower_.push_back('\0');
  }
  if (has_upper_ && lower_ >= upper_) empty_ = true;
}

void KeyRange::CutUpper(std::string_view key, bool inclusive) {
  if (!has_upper_ || key < upper_) {
    upper_.assign(key);
    if (inclusive) upper_.push_back('\0');
    has_upper_ = true;
  }
  if (lower_ >= upper_) empty_ = true;
}

}  // namespace varve::sqlite_vtab
