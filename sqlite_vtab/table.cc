#include "sqlite_vtab/table.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "sqlite_vtab/keyspace_format.h"
#include "sqlite_vtab/sql_value.h"
#include "sqlite_vtab/status_map.h"

namespace varve::sqlite_vtab {

using lsm::PinnedValue;
using lsm::Result;
using lsm::Status;
using lsm::StatusCode;

namespace {

// What a row of the engine is taken to cost on disk, to turn bytes into rows. Only ratios between tables matter.
constexpr double kBytesPerRow = 64;

constexpr int kArgumentsBefore = 3;  // module, schema and table name stand before the arguments in argv

std::string Declaration(ModuleKind kind, const Arguments& arguments) {
  auto type = [](ColumnType column) { return column == ColumnType::kText ? "TEXT" : "BLOB"; };
  std::string sql = std::string("CREATE TABLE x(key ") + type(arguments.key_type) + " NOT NULL PRIMARY KEY, value " +
                    type(arguments.value_type) + " NOT NULL";
  if (kind == ModuleKind::kStrings) sql += ", ttl_ms INTEGER";
  return sql + ") WITHOUT ROWID";
}

// Keys are compared bytewise in UTF-8; a UTF-16 database would sort native tables otherwise.
Status CheckEncoding(sqlite3* connection) {
  sqlite3_stmt* statement = nullptr;
  std::string encoding;
  if (sqlite3_prepare_v2(connection, "PRAGMA encoding", -1, &statement, nullptr) == SQLITE_OK &&
      sqlite3_step(statement) == SQLITE_ROW) {
    const auto* const text = reinterpret_cast<const char*>(sqlite3_column_text(statement, 0));
    if (text != nullptr) encoding = text;  // null: no memory, which the next call meets as well
  }
  sqlite3_finalize(statement);
  if (encoding.empty() || encoding == "UTF-8") return {};
  return Status::Unsupported("the main database is " + encoding + "; use one whose PRAGMA encoding is UTF-8");
}

std::string Megabytes(size_t bytes) {
  return std::to_string(bytes >> 20) + " MiB";
}

}  // namespace

Table::Table(ModuleKind kind, Arguments arguments, std::string name, std::shared_ptr<Session> session,
             sqlite3* connection)
    : sqlite3_vtab{},
      kind_(kind),
      arguments_(std::move(arguments)),
      name_(std::move(name)),
      connection_(connection),
      session_(std::move(session)) {
  if (kind_ == ModuleKind::kStrings) strings_.emplace(session_.get(), arguments_.db);
}

KeySpan Table::SpanIn(const keyspace::DatabaseOrder& order) const {
  KeySpan span;
  if (kind_ == ModuleKind::kRaw) return span;
  const int number = order[static_cast<size_t>(arguments_.db)];
  keyspace::EncodeMetaKey(number, {}, &span.prefix);
  keyspace::EncodeMetaKeyEnd(number, &span.end);
  return span;
}

Table::~Table() {
  sqlite3_free(zErrMsg);
}

int Table::Connect(sqlite3* connection, ModuleKind kind, std::span<const char* const> words, bool create, Table** out,
                   std::string* error) {
  std::vector<std::string_view> given(words.begin() + kArgumentsBefore, words.end());
  auto fail = [&](const Status& status) {
    *error = std::string(words[0]) + ": " + std::string(status.message());
    return SqliteCode(status);
  };
  Result<Arguments> arguments = ParseArguments(kind, given);
  if (!arguments.ok()) return fail(arguments.status());
  if (Status status = CheckEncoding(connection); !status.ok()) return fail(status);
  Result<std::shared_ptr<Database>> database =
      OpenDatabase({arguments->path, arguments->mode, arguments->memory_bytes, create});
  if (!database.ok()) return fail(database.status());
  if (kind == ModuleKind::kStrings) {
    if (Result<bool> known = HasKeyspace((*database)->db()); !known.ok()) return fail(known.status());
  }
  int code = sqlite3_declare_vtab(connection, Declaration(kind, *arguments).c_str());
  if (code == SQLITE_OK) code = sqlite3_vtab_config(connection, SQLITE_VTAB_CONSTRAINT_SUPPORT, 1);
  if (code != SQLITE_OK) {
    *error = sqlite3_errmsg(connection);
    return code;
  }
  *out = new Table(kind, std::move(*arguments), words[2], (*database)->SessionOf(connection, *database), connection);
  return SQLITE_OK;
}

int Table::Fail(int code, const std::string& message) {
  sqlite3_free(zErrMsg);
  zErrMsg = sqlite3_mprintf("%s", message.c_str());
  return zErrMsg == nullptr ? SQLITE_NOMEM : code;
}

int Table::Fail(const Status& status) {
  std::string message(status.message());
  const std::string& path = session_->database().path();
  if (message.find(path) == std::string::npos) message = path + ": " + message;
  switch (status.code()) {
    case StatusCode::kFenced: message += "; close every connection of this process to it and open it again"; break;
    case StatusCode::kNoSpace: message += "; free disk space, then try again"; break;
    case StatusCode::kCorruption: message += "; run `varve check` on the directory"; break;
    default: break;
  }
  return Fail(SqliteCode(status), message);
}

double Table::EstimateRows(const KeyRange* range) const {
  lsm::Db& db = session_->db();
  const KeySpan span = SpanIn(ReadOrder(db, nullptr).value_or(keyspace::kPlainOrder));
  auto bytes = static_cast<double>(range == nullptr ? db.ApproximateSize(span.prefix, span.end)
                                                    : db.ApproximateSize(span.Lower(*range), span.Upper(*range)));
  // The memtable is not told apart by range; it only keeps a young table from looking empty.
  if (range == nullptr) bytes += static_cast<double>(db.Stats().memtable_bytes);
  return std::max(1.0, bytes / kBytesPerRow);
}

// --- writing ---

int Table::Begin() {
  const Database& database = session_->database();
  if (arguments_.mode == AccessMode::kRead || arguments_.mode == AccessMode::kFollow) {
    return Fail(SQLITE_READONLY, name_ + ": " + database.path() +
                                     " was opened for reading only; create the table with mode=rw to write");
  }
  if (database.mode() != lsm::OpenMode::kOwner) {
    return Fail(SQLITE_READONLY, name_ + ": cannot write, " + database.busy_message() +
                                     "; send writes to that process (a varve-server takes them by Redis commands), or "
                                     "end it and create the table again. Reading works: the table follows the owner");
  }
  bool first = !session_->is_writing();
  if (Status status = session_->BeginWrite(); !status.ok()) return Fail(status);
  if (!first || kind_ != ModuleKind::kRaw) return SQLITE_OK;
  Result<bool> foreign = HasKeyspace(session_->db());
  if (foreign.ok() && !*foreign) return SQLITE_OK;
  session_->End();
  if (!foreign.ok()) return Fail(foreign.status());
  return Fail(SQLITE_READONLY, name_ + ": " + database.path() +
                                   " holds Redis data; writing its raw records would break counters and expiry. Write "
                                   "through redis_strings('" +
                                   database.path() + "')");
}

// A table made inside the transaction joins it without xBegin.
int Table::EnsureWriter() {
  return session_->is_writing() ? SQLITE_OK : Begin();
}

int Table::Sync() {
  Status status = session_->Sync(arguments_.sync_always);
  return status.ok() ? SQLITE_OK : Fail(status);
}

bool Table::Replaces() const {
  return sqlite3_vtab_on_conflict(connection_) == SQLITE_REPLACE;
}

// OR IGNORE skips the row without a word: a message left behind would turn up at some later statement.
int Table::Constraint(int code, const std::string& message) {
  if (sqlite3_vtab_on_conflict(connection_) == SQLITE_IGNORE) return code;
  return Fail(code, message);
}

// A wrong type aborts the statement whatever its OR clause says, as in a native table. SQLite applies the clause to
// every SQLITE_CONSTRAINT of a virtual table, so under OR IGNORE, FAIL and ROLLBACK only another code has that effect.
int Table::TypeError(sqlite3_value* value, const char* type, const char* column) {
  int mode = sqlite3_vtab_on_conflict(connection_);
  bool clause = mode == SQLITE_IGNORE || mode == SQLITE_FAIL || mode == SQLITE_ROLLBACK;
  return Fail(
      clause ? SQLITE_MISMATCH : SQLITE_CONSTRAINT_DATATYPE,
      std::string("cannot store ") + StorageClassName(value) + " value in " + type + " column " + name_ + "." + column);
}

int Table::ReadColumn(sqlite3_value* value, ColumnType type, const char* column, std::string_view* out) {
  if (CoerceToBytes(value, type, out) == StoreError::kNone) return SQLITE_OK;
  return TypeError(value, type == ColumnType::kText ? "TEXT" : "BLOB", column);
}

int Table::ReadTtl(sqlite3_value* value, std::optional<sqlite3_int64>* out) {
  if (CoerceToInteger(value, out) == StoreError::kNone) return SQLITE_OK;
  return TypeError(value, "INTEGER", "ttl_ms");
}

// In the order of a native table: NOT NULL of all columns, then types, then CHECK; uniqueness comes last.
int Table::ReadNewRow(std::span<sqlite3_value*> columns, bool update, NewRow* row) {
  row->keep_value = update && sqlite3_value_nochange(columns[kValueColumn]) != 0;
  if (sqlite3_value_type(columns[kKeyColumn]) == SQLITE_NULL) {
    return Constraint(SQLITE_CONSTRAINT_NOTNULL, "NOT NULL constraint failed: " + name_ + ".key");
  }
  if (!row->keep_value && sqlite3_value_type(columns[kValueColumn]) == SQLITE_NULL) {
    return Constraint(SQLITE_CONSTRAINT_NOTNULL, "NOT NULL constraint failed: " + name_ + ".value");
  }
  if (int code = ReadColumn(columns[kKeyColumn], arguments_.key_type, "key", &row->key)) return code;
  if (!row->keep_value) {
    if (int code = ReadColumn(columns[kValueColumn], arguments_.value_type, "value", &row->value)) return code;
  }
  if (kind_ == ModuleKind::kStrings) {
    row->keep_ttl = update && sqlite3_value_nochange(columns[kTtlColumn]) != 0;
    if (!row->keep_ttl) {
      if (int code = ReadTtl(columns[kTtlColumn], &row->ttl_ms)) return code;
      if (row->ttl_ms.has_value() && *row->ttl_ms <= 0) {
        return Constraint(SQLITE_CONSTRAINT_CHECK, "CHECK constraint failed: ttl_ms > 0");
      }
    }
  }
  return CheckSizes(*row);
}

int Table::CheckSizes(const NewRow& row) {
  size_t key_max = kind_ == ModuleKind::kRaw ? lsm::kKeySizeMax : keyspace::kNameSizeMax;
  size_t value_max = kind_ == ModuleKind::kRaw ? lsm::kValueSizeMax : keyspace::kStringSizeMax;
  if (row.key.size() > key_max) {
    return Fail(SQLITE_TOOBIG,
                name_ + ".key: " + std::to_string(row.key.size()) + " bytes, the limit is " + std::to_string(key_max));
  }
  if (row.value.size() > value_max) {
    return Fail(SQLITE_TOOBIG,
                name_ + ".value: " + Megabytes(row.value.size()) + ", the limit is " + Megabytes(value_max));
  }
  return SQLITE_OK;
}

// DELETE: old key. INSERT: NULL, NULL, columns. UPDATE: old key, new key, columns.
int Table::Update(std::span<sqlite3_value*> values) {
  if (int code = EnsureWriter()) return code;
  std::string_view old_key;
  bool has_old = sqlite3_value_type(values[0]) != SQLITE_NULL;
  if (has_old) old_key = ReadValue(values[0]).bytes;
  if (values.size() == 1) return kind_ == ModuleKind::kRaw ? DeleteRaw(old_key) : DeleteString(old_key);
  NewRow row;
  if (int code = ReadNewRow(values.subspan(2), has_old, &row)) return code;
  if (kind_ == ModuleKind::kRaw) return has_old ? UpdateRaw(old_key, row) : InsertRaw(row);
  return has_old ? UpdateString(old_key, row) : InsertString(row);
}

int Table::DeleteRaw(std::string_view key) {
  session_->Delete(key);
  return SQLITE_OK;
}

int Table::InsertRaw(const NewRow& row) {
  if (!Replaces()) {
    Result<bool> taken = session_->Get(nullptr, row.key, &scratch_);
    if (!taken.ok()) return Fail(taken.status());
    if (*taken) return UniqueFailed();
  }
  session_->Put(row.key, row.value);
  return SQLITE_OK;
}

int Table::UpdateRaw(std::string_view old_key, const NewRow& row) {
  if (row.key == old_key) {
    if (!row.keep_value) session_->Put(row.key, row.value);
    return SQLITE_OK;
  }
  if (!Replaces()) {
    Result<bool> taken = session_->Get(nullptr, row.key, &scratch_);
    if (!taken.ok()) return Fail(taken.status());
    if (*taken) return UniqueFailed();
  }
  // An earlier row of this statement may have replaced ours: then there is nothing left to change.
  Result<bool> found = session_->Get(nullptr, old_key, &scratch_);
  if (!found.ok()) return Fail(found.status());
  if (!*found) return SQLITE_OK;
  session_->Delete(old_key);
  session_->Put(row.key, row.keep_value ? scratch_.view() : row.value);
  return SQLITE_OK;
}

int Table::WrongType(std::string_view key, keyspace::Type type) {
  return Constraint(SQLITE_CONSTRAINT_DATATYPE, "WRONGTYPE " + name_ + ": key '" + std::string(key) + "' holds a " +
                                                    std::string(keyspace::TypeName(type)) +
                                                    "; delete it through the server first");
}

int Table::PutString(const NewRow& row, const StoredString& target, std::string_view value, uint64_t expire_ms) {
  Status status = strings_->Put(row.key, target, value, expire_ms);
  return status.ok() ? SQLITE_OK : Fail(status);
}

int Table::DeleteString(std::string_view key) {
  Result<StoredString> prior = strings_->Find(key, session_->NowMs());
  if (!prior.ok()) return Fail(prior.status());
  if (prior->state != StoredString::State::kLive) return SQLITE_OK;
  Status status = strings_->Delete(key, *prior);
  return status.ok() ? SQLITE_OK : Fail(status);
}

namespace {

// Ends of time too far away to count stay at the last one.
uint64_t ExpireAt(int64_t now_ms, std::optional<sqlite3_int64> ttl_ms) {
  if (!ttl_ms.has_value()) return 0;
  int64_t when = 0;
  return static_cast<uint64_t>(__builtin_add_overflow(now_ms, *ttl_ms, &when) ? INT64_MAX : when);
}

}  // namespace

int Table::InsertString(const NewRow& row) {
  int64_t now_ms = session_->NowMs();
  Result<StoredString> prior = strings_->Find(row.key, now_ms);
  if (!prior.ok()) return Fail(prior.status());
  if (prior->state == StoredString::State::kOtherType) return WrongType(row.key, prior->type);
  if (prior->state == StoredString::State::kLive && !Replaces()) return UniqueFailed();
  return PutString(row, *prior, row.value, ExpireAt(now_ms, row.ttl_ms));
}

int Table::UpdateString(std::string_view old_key, const NewRow& row) {
  int64_t now_ms = session_->NowMs();
  bool moves = row.key != old_key;
  StoredString target;
  if (moves) {
    Result<StoredString> found = strings_->Find(row.key, now_ms);
    if (!found.ok()) return Fail(found.status());
    target = *found;
    if (target.state == StoredString::State::kOtherType) return WrongType(row.key, target.type);
    if (target.state == StoredString::State::kLive && !Replaces()) return UniqueFailed();
  }
  Result<StoredString> prior = strings_->Find(old_key, now_ms);
  if (!prior.ok()) return Fail(prior.status());
  if (prior->state != StoredString::State::kLive) return SQLITE_OK;
  uint64_t expire_ms = row.keep_ttl ? prior->expire_ms : ExpireAt(now_ms, row.ttl_ms);
  std::string_view value = row.keep_value ? prior->value : row.value;
  if (!moves) return PutString(row, *prior, value, expire_ms);
  if (Status status = strings_->Delete(old_key, *prior); !status.ok()) return Fail(status);
  return PutString(row, target, value, expire_ms);
}

}  // namespace varve::sqlite_vtab
