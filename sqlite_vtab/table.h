// sqlite_vtab/table.h - one virtual table: what it is declared as, what may be written into it.
//
// A table behaves as the native table
//
//   varve          CREATE TABLE t(key TEXT NOT NULL PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID
//   redis_strings  the same with ", ttl_ms INTEGER CHECK(ttl_ms > 0)"
//
// would (BLOB where the arguments say so), down to result codes and message texts; docs/sql.md lists the exceptions.
// The object is what SQLite calls sqlite3_vtab; sessions and databases outlive it. Functions return SQLite's codes and
// leave the message in zErrMsg. Threads: its connection's.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "sqlite_vtab/arguments.h"
#include "sqlite_vtab/plan.h"
#include "sqlite_vtab/session.h"
#include "sqlite_vtab/sqlite_api.h"
#include "sqlite_vtab/strings.h"

namespace varve::sqlite_vtab {

inline constexpr int kValueColumn = 1;
inline constexpr int kTtlColumn = 2;

// The keys of one table in the engine.
struct KeySpan {
  std::string prefix;  // before each
  std::string end;     // the first string behind all of them; empty: none

  std::string Lower(const KeyRange& range) const { return prefix + range.lower(); }
  std::string Upper(const KeyRange& range) const { return range.has_upper() ? prefix + range.upper() : end; }
};

class Table : public sqlite3_vtab {
 public:
  // Parses the arguments of CREATE VIRTUAL TABLE, opens the directory, declares the columns. `create`: the statement is
  // being run, not a schema that was stored being read, so a missing directory is made.
  static int Connect(sqlite3* connection, ModuleKind kind, std::span<const char* const> words, bool create, Table** out,
                     std::string* error);
  ~Table();

  ModuleKind kind() const { return kind_; }
  const Arguments& arguments() const { return arguments_; }
  Session& session() const { return *session_; }
  // Where its keys lie while the Redis databases have this order; a raw table has the whole engine.
  KeySpan SpanIn(const keyspace::DatabaseOrder& order) const;
  // Roughly how many rows a range has, or the whole table (null).
  double EstimateRows(const KeyRange* range) const;

  int Update(std::span<sqlite3_value*> values);
  int Begin();
  int Sync();
  void Rename(const char* name) { name_ = name; }

  // Sets zErrMsg.
  int Fail(int code, const std::string& message);
  int Fail(const lsm::Status& status);

 private:
  // What an INSERT or UPDATE wants the row to be.
  struct NewRow {
    std::string_view key;
    std::string_view value;
    bool keep_value = false;  // UPDATE that does not mention the column
    std::optional<sqlite3_int64> ttl_ms;
    bool keep_ttl = false;
  };

  Table(ModuleKind kind, Arguments arguments, std::string name, std::shared_ptr<Session> session, sqlite3* connection);

  int ReadNewRow(std::span<sqlite3_value*> columns, bool update, NewRow* row);
  int ReadColumn(sqlite3_value* value, ColumnType type, const char* column, std::string_view* out);
  int ReadTtl(sqlite3_value* value, std::optional<sqlite3_int64>* out);
  int CheckSizes(const NewRow& row);
  int EnsureWriter();
  int TypeError(sqlite3_value* value, const char* type, const char* column);
  int Constraint(int code, const std::string& message);
  int UniqueFailed() { return Constraint(SQLITE_CONSTRAINT_PRIMARYKEY, "UNIQUE constraint failed: " + name_ + ".key"); }
  bool Replaces() const;

  int DeleteRaw(std::string_view key);
  int InsertRaw(const NewRow& row);
  int UpdateRaw(std::string_view old_key, const NewRow& row);

  int DeleteString(std::string_view key);
  int InsertString(const NewRow& row);
  int UpdateString(std::string_view old_key, const NewRow& row);
  int WrongType(std::string_view key, keyspace::Type type);
  int PutString(const NewRow& row, const StoredString& target, std::string_view value, uint64_t expire_ms);

  const ModuleKind kind_;
  const Arguments arguments_;
  std::string name_;
  sqlite3* const connection_;
  const std::shared_ptr<Session> session_;
  std::optional<StringWriter> strings_;
  lsm::PinnedValue scratch_;
};

}  // namespace varve::sqlite_vtab
