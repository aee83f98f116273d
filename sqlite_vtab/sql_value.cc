#include "sqlite_vtab/sql_value.h"

namespace varve::sqlite_vtab {
namespace {

std::string_view TextOf(sqlite3_value* value) {
  const auto* text = reinterpret_cast<const char*>(sqlite3_value_text(value));  // before the size: it may convert
  return text == nullptr ? std::string_view() : std::string_view(text, static_cast<size_t>(sqlite3_value_bytes(value)));
}

std::string_view BlobOf(sqlite3_value* value) {
  const auto* blob = static_cast<const char*>(sqlite3_value_blob(value));  // null when empty
  return blob == nullptr ? std::string_view() : std::string_view(blob, static_cast<size_t>(sqlite3_value_bytes(value)));
}

}  // namespace

SqlValue ReadValue(sqlite3_value* value) {
  switch (sqlite3_value_type(value)) {
    case SQLITE_TEXT: return {ValueClass::kText, TextOf(value)};
    case SQLITE_BLOB: return {ValueClass::kBlob, BlobOf(value)};
    case SQLITE_INTEGER:
    case SQLITE_FLOAT: return {ValueClass::kNumber, {}};
    default: return {ValueClass::kNull, {}};
  }
}

StoreError CoerceToBytes(sqlite3_value* value, ColumnType type, std::string_view* out) {
  int storage = sqlite3_value_type(value);
  if (storage == SQLITE_NULL) return StoreError::kNull;
  if (type == ColumnType::kBlob) {
    if (storage != SQLITE_BLOB) return StoreError::kType;
    *out = BlobOf(value);
    return StoreError::kNone;
  }
  if (storage == SQLITE_BLOB) return StoreError::kType;
  *out = TextOf(value);
  return StoreError::kNone;
}

StoreError CoerceToInteger(sqlite3_value* value, std::optional<sqlite3_int64>* out) {
  out->reset();
  switch (sqlite3_value_numeric_type(value)) {
    case SQLITE_NULL: return StoreError::kNone;
    case SQLITE_INTEGER: *out = sqlite3_value_int64(value); return StoreError::kNone;
    case SQLITE_FLOAT: {
      double real = sqlite3_value_double(value);
      constexpr double kTwoTo63 = 9223372036854775808.0;
      if (!(real >= -kTwoTo63 && real < kTwoTo63)) return StoreError::kType;
      auto integer = static_cast<sqlite3_int64>(real);
      if (static_cast<double>(integer) != real) return StoreError::kType;
      *out = integer;
      return StoreError::kNone;
    }
    default: return StoreError::kType;
  }
}

const char* StorageClassName(sqlite3_value* value) {
  switch (sqlite3_value_type(value)) {
    case SQLITE_INTEGER: return "INT";
    case SQLITE_FLOAT: return "REAL";
    case SQLITE_TEXT: return "TEXT";
    case SQLITE_BLOB: return "BLOB";
    default: return "NULL";
  }
}

void ReturnBytes(sqlite3_context* context, std::string_view bytes, ColumnType type) {
  // A null pointer would make it NULL.
  const char* data = bytes.data() == nullptr ? "" : bytes.data();
  if (type == ColumnType::kText) {
    sqlite3_result_text64(context, data, bytes.size(), SQLITE_TRANSIENT, SQLITE_UTF8);
  } else {
    sqlite3_result_blob64(context, data, bytes.size(), SQLITE_TRANSIENT);
  }
}

}  // namespace varve::sqlite_vtab
