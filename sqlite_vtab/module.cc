// sqlite_vtab/module.cc - the entry point and the table of callbacks.
//
//   CREATE VIRTUAL TABLE temp.raw USING varve('data/db');
//   CREATE VIRTUAL TABLE temp.str USING redis_strings('data/db', db=0);
//
// Each callback is a few lines around plan.h, table.h and cursor.h. None lets an exception out: Guarded turns running
// out of memory into SQLITE_NOMEM. Not used: xFindFunction, xShadowName (there are no shadow tables), xRowid (the
// tables are WITHOUT ROWID). xDestroy is xDisconnect: DROP TABLE leaves the directory as it is.
#include "sqlite_vtab/varve_sqlite.h"

#include <new>
#include <string>
#include <vector>

#include "sqlite_vtab/cursor.h"
#include "sqlite_vtab/plan.h"
#include "sqlite_vtab/sql_value.h"
#include "sqlite_vtab/table.h"

#ifndef SQLITE_CORE
SQLITE_EXTENSION_INIT1
#endif

namespace varve::sqlite_vtab {
namespace {

constexpr int kSqliteVersionMin = 3038000;  // sqlite3_vtab_in, sqlite3_vtab_distinct, sqlite3_vtab_rhs_value

template <typename Function>
int Guarded(Function function) noexcept {
  try {
    return function();
  } catch (const std::bad_alloc&) {
    return SQLITE_NOMEM;
  } catch (...) {
    return SQLITE_INTERNAL;
  }
}

Table* TableOf(sqlite3_vtab* table) {
  return static_cast<Table*>(table);
}
Cursor* CursorOf(sqlite3_vtab_cursor* cursor) {
  return static_cast<Cursor*>(cursor);
}

// --- tables come and go ---

int Connect(sqlite3* connection, void* kind, int argc, const char* const* argv, bool create, sqlite3_vtab** out,
            char** error) noexcept {
  return Guarded([&] {
    Table* table = nullptr;
    std::string message;
    int code = Table::Connect(connection, *static_cast<const ModuleKind*>(kind),
                              std::span(argv, static_cast<size_t>(argc)), create, &table, &message);
    *out = table;
    if (code != SQLITE_OK) {
      sqlite3_free(*error);
      *error = sqlite3_mprintf("%s", message.c_str());
    }
    return code;
  });
}

int XCreate(sqlite3* connection, void* kind, int argc, const char* const* argv, sqlite3_vtab** out,
            char** error) noexcept {
  return Connect(connection, kind, argc, argv, /*create=*/true, out, error);
}

int XConnect(sqlite3* connection, void* kind, int argc, const char* const* argv, sqlite3_vtab** out,
             char** error) noexcept {
  return Connect(connection, kind, argc, argv, /*create=*/false, out, error);
}

int XDisconnect(sqlite3_vtab* table) noexcept {
  return Guarded([&] {
    delete TableOf(table);
    return SQLITE_OK;
  });
}

int XRename(sqlite3_vtab* table, const char* name) noexcept {
  return Guarded([&] {
    TableOf(table)->Rename(name);
    return SQLITE_OK;
  });
}

// --- planning ---

// False for what the module leaves to SQLite: LIKE, MATCH, REGEXP, <>, NULL tests, LIMIT, OFFSET.
bool OperatorOf(int op, Operator* out) {
  switch (op) {
    case SQLITE_INDEX_CONSTRAINT_EQ:
    case SQLITE_INDEX_CONSTRAINT_IS: *out = Operator::kEqual; return true;
    case SQLITE_INDEX_CONSTRAINT_GT: *out = Operator::kGreater; return true;
    case SQLITE_INDEX_CONSTRAINT_GE: *out = Operator::kGreaterEqual; return true;
    case SQLITE_INDEX_CONSTRAINT_LT: *out = Operator::kLess; return true;
    case SQLITE_INDEX_CONSTRAINT_LE: *out = Operator::kLessEqual; return true;
    case SQLITE_INDEX_CONSTRAINT_GLOB: *out = Operator::kGlob; return true;
    default: return false;
  }
}

Constraint DescribeConstraint(sqlite3_index_info* info, int index) {
  const auto& given = info->aConstraint[index];
  Constraint out;
  out.column = given.iColumn;
  out.usable = given.usable != 0;
  out.is_comparison = OperatorOf(given.op, &out.op);
  if (!out.is_comparison) return out;
  const char* collation = sqlite3_vtab_collation(info, index);
  // GLOB compares bytes whatever the collation.
  out.binary_collation =
      out.op == Operator::kGlob || (collation != nullptr && sqlite3_stricmp(collation, "BINARY") == 0);
  out.is_list = out.op == Operator::kEqual && sqlite3_vtab_in(info, index, -1) != 0;
  sqlite3_value* value = nullptr;
  if (sqlite3_vtab_rhs_value(info, index, &value) == SQLITE_OK && value != nullptr) {
    out.value_class = ReadValue(value).value_class;
  }
  return out;
}

// Rows between the literal bounds of a query; empty when a bound is not known yet.
std::optional<double> LiteralRangeRows(const Table& table, sqlite3_index_info* info,
                                       const std::vector<Constraint>& constraints) {
  KeyRange range;
  bool any = false;
  for (size_t i = 0; i < constraints.size(); ++i) {
    const Constraint& c = constraints[i];
    if (!c.is_comparison || c.column != kKeyColumn || !c.binary_collation) continue;
    if (c.op == Operator::kEqual || !c.usable) continue;
    sqlite3_value* value = nullptr;
    if (!c.value_class.has_value() || sqlite3_vtab_rhs_value(info, static_cast<int>(i), &value) != SQLITE_OK) {
      return std::nullopt;
    }
    if (c.op == Operator::kGlob && c.value_class != ValueClass::kText) return std::nullopt;
    range.Narrow(c.op, table.arguments().key_type, ReadValue(value));
    any = true;
  }
  if (!any) return std::nullopt;
  if (range.empty()) return 1;
  return table.EstimateRows(&range);
}

int BestIndex(const Table& table, sqlite3_index_info* info) {
  std::vector<Constraint> constraints;
  std::vector<OrderTerm> order;
  for (int i = 0; i < info->nConstraint; ++i) constraints.push_back(DescribeConstraint(info, i));
  for (int i = 0; i < info->nOrderBy; ++i) order.push_back({info->aOrderBy[i].iColumn, info->aOrderBy[i].desc != 0});
  PlanRequest request;
  request.key_type = table.arguments().key_type;
  request.constraints = constraints;
  request.order = order;
  request.order_use = static_cast<OrderUse>(sqlite3_vtab_distinct(info));
  request.table_rows = table.EstimateRows(nullptr);
  request.range_rows = LiteralRangeRows(table, info, constraints);
  PlanChoice choice = MakePlan(request);
  for (size_t i = 0; i < constraints.size(); ++i) {
    info->aConstraintUsage[i].argvIndex = choice.uses[i].argument;
    info->aConstraintUsage[i].omit = choice.uses[i].omit ? 1 : 0;
    if (choice.uses[i].list) sqlite3_vtab_in(info, static_cast<int>(i), 1);
  }
  info->idxNum = choice.plan.EncodeBits();
  info->idxStr = sqlite3_mprintf("%s", choice.plan.EncodeText().c_str());
  if (info->idxStr == nullptr) return SQLITE_NOMEM;
  info->needToFreeIdxStr = 1;
  info->orderByConsumed = choice.order_consumed ? 1 : 0;
  info->estimatedCost = choice.cost;
  info->estimatedRows = static_cast<sqlite3_int64>(choice.rows);
  if (choice.unique) info->idxFlags |= SQLITE_INDEX_SCAN_UNIQUE;
  return SQLITE_OK;
}

int XBestIndex(sqlite3_vtab* table, sqlite3_index_info* info) noexcept {
  return Guarded([&] { return BestIndex(*TableOf(table), info); });
}

// --- reading ---

int XOpen(sqlite3_vtab* table, sqlite3_vtab_cursor** out) noexcept {
  return Guarded([&] {
    Cursor* cursor = nullptr;
    int code = Cursor::Open(TableOf(table), &cursor);
    *out = cursor;
    return code;
  });
}

int XClose(sqlite3_vtab_cursor* cursor) noexcept {
  return Guarded([&] {
    delete CursorOf(cursor);
    return SQLITE_OK;
  });
}

int XFilter(sqlite3_vtab_cursor* cursor, int plan_bits, const char* plan_text, int argc,
            sqlite3_value** argv) noexcept {
  return Guarded(
      [&] { return CursorOf(cursor)->Filter(plan_bits, plan_text, std::span(argv, static_cast<size_t>(argc))); });
}

int XNext(sqlite3_vtab_cursor* cursor) noexcept {
  return Guarded([&] { return CursorOf(cursor)->Next(); });
}

int XEof(sqlite3_vtab_cursor* cursor) noexcept {
  return CursorOf(cursor)->eof() ? 1 : 0;
}

int XColumn(sqlite3_vtab_cursor* cursor, sqlite3_context* context, int column) noexcept {
  return Guarded([&] { return CursorOf(cursor)->Column(context, column); });
}

// SQLite never asks for the rowid of a table without one.
int XRowid(sqlite3_vtab_cursor*, sqlite3_int64*) noexcept {
  return SQLITE_INTERNAL;
}

// --- writing ---

int XUpdate(sqlite3_vtab* table, int argc, sqlite3_value** argv, sqlite3_int64*) noexcept {
  return Guarded([&] { return TableOf(table)->Update(std::span(argv, static_cast<size_t>(argc))); });
}

int XBegin(sqlite3_vtab* table) noexcept {
  return Guarded([&] { return TableOf(table)->Begin(); });
}

int XSync(sqlite3_vtab* table) noexcept {
  return Guarded([&] { return TableOf(table)->Sync(); });
}

// SQLite ignores what this returns, and so it has nothing left to do that could fail.
int EndTransaction(sqlite3_vtab* table) noexcept {
  return Guarded([&] {
    TableOf(table)->session().End();
    return SQLITE_OK;
  });
}

int XSavepoint(sqlite3_vtab* table, int level) noexcept {
  return Guarded([&] {
    TableOf(table)->session().Savepoint(level);
    return SQLITE_OK;
  });
}

int XRelease(sqlite3_vtab* table, int level) noexcept {
  return Guarded([&] {
    TableOf(table)->session().Release(level);
    return SQLITE_OK;
  });
}

int XRollbackTo(sqlite3_vtab* table, int level) noexcept {
  return Guarded([&] {
    TableOf(table)->session().RollbackTo(level);
    return SQLITE_OK;
  });
}

// iVersion 2 is what makes SQLite call the savepoint functions.
constexpr sqlite3_module kModule = {
    .iVersion = 2,
    .xCreate = XCreate,
    .xConnect = XConnect,
    .xBestIndex = XBestIndex,
    .xDisconnect = XDisconnect,
    .xDestroy = XDisconnect,
    .xOpen = XOpen,
    .xClose = XClose,
    .xFilter = XFilter,
    .xNext = XNext,
    .xEof = XEof,
    .xColumn = XColumn,
    .xRowid = XRowid,
    .xUpdate = XUpdate,
    .xBegin = XBegin,
    .xSync = XSync,
    .xCommit = EndTransaction,
    .xRollback = EndTransaction,
    .xFindFunction = nullptr,
    .xRename = XRename,
    .xSavepoint = XSavepoint,
    .xRelease = XRelease,
    .xRollbackTo = XRollbackTo,
    .xShadowName = nullptr,
};

struct ModuleRow {
  const char* name;
  ModuleKind kind;
};
constexpr ModuleRow kModules[] = {
    {"varve", ModuleKind::kRaw},
    {"redis_strings", ModuleKind::kStrings},
};

int RegisterModules(sqlite3* connection, char** error) {
  if (sqlite3_libversion_number() < kSqliteVersionMin) {
    *error = sqlite3_mprintf("varve needs SQLite 3.38 or newer, this is %s", sqlite3_libversion());
    return SQLITE_ERROR;
  }
  for (const ModuleRow& row : kModules) {
    int code = sqlite3_create_module_v2(connection, row.name, &kModule, const_cast<ModuleKind*>(&row.kind), nullptr);
    if (code != SQLITE_OK) return code;
  }
  return SQLITE_OK;
}

}  // namespace
}  // namespace varve::sqlite_vtab

// The library stays loaded: the engine's threads outlive the connection that loaded it.
int sqlite3_varve_init(sqlite3* db, char** error, [[maybe_unused]] const sqlite3_api_routines* api) {
#ifndef SQLITE_CORE
  SQLITE_EXTENSION_INIT2(api);
#endif
  int code = varve::sqlite_vtab::RegisterModules(db, error);
#ifdef SQLITE_CORE
  return code;
#else
  return code == SQLITE_OK ? SQLITE_OK_LOAD_PERMANENTLY : code;
#endif
}
