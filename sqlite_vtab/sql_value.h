// sqlite_vtab/sql_value.h - SQL values in and out, with the rules a native STRICT table applies on the way in.
//
// SQLite applies neither affinity nor NOT NULL to what is written into a virtual table, so we do:
//   TEXT     takes text; numbers become their text; a blob is refused
//   BLOB     takes blobs and nothing else
//   INTEGER  takes integers, reals and text that are integers without loss; NULL where the column allows it
// Threads: inside a callback of the value's connection.
#pragma once

#include <optional>
#include <string_view>

#include "sqlite_vtab/key_range.h"
#include "sqlite_vtab/sqlite_api.h"

namespace varve::sqlite_vtab {

// The bytes of text are UTF-8. They are borrowed from the value.
SqlValue ReadValue(sqlite3_value* value);

enum class StoreError : uint8_t { kNone, kNull, kType };

// The bytes that a column of `type` would store for the value.
StoreError CoerceToBytes(sqlite3_value* value, ColumnType type, std::string_view* out);
// For INTEGER columns; NULL gives an empty optional and no error.
StoreError CoerceToInteger(sqlite3_value* value, std::optional<sqlite3_int64>* out);

// "TEXT", as messages of STRICT tables name the class of a value.
const char* StorageClassName(sqlite3_value* value);

// Copies the bytes into the result: the iterator they lie in moves on while SQLite still compares them.
void ReturnBytes(sqlite3_context* context, std::string_view bytes, ColumnType type);

}  // namespace varve::sqlite_vtab
