#include "tests/sqlite_vtab/harness.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <cstdio>
#include <filesystem>

#include "sqlite_vtab/varve_sqlite.h"

namespace varve::sqlite_vtab {
namespace {

void Bind(sqlite3_stmt* statement, const std::vector<Parameter>& parameters) {
  int wanted = sqlite3_bind_parameter_count(statement);
  for (int i = 0; i < wanted && i < static_cast<int>(parameters.size()); ++i) {
    const Parameter& p = parameters[static_cast<size_t>(i)];
    if (const auto* integer = std::get_if<sqlite3_int64>(&p)) {
      sqlite3_bind_int64(statement, i + 1, *integer);
    } else if (const auto* real = std::get_if<double>(&p)) {
      sqlite3_bind_double(statement, i + 1, *real);
    } else if (const auto* text = std::get_if<std::string>(&p)) {
      sqlite3_bind_text64(statement, i + 1, text->data(), text->size(), SQLITE_TRANSIENT, SQLITE_UTF8);
    } else if (const auto* blob = std::get_if<Blob>(&p)) {
      const char* data = blob->bytes.empty() ? "" : blob->bytes.data();
      sqlite3_bind_blob64(statement, i + 1, data, blob->bytes.size(), SQLITE_TRANSIENT);
    } else {
      sqlite3_bind_null(statement, i + 1);
    }
  }
}

std::string Show(sqlite3_stmt* statement, int column) {
  int size = 0;
  switch (sqlite3_column_type(statement, column)) {
    case SQLITE_NULL: return "null";
    case SQLITE_INTEGER: return "integer:" + std::to_string(sqlite3_column_int64(statement, column));
    case SQLITE_FLOAT: {
      char text[64];
      snprintf(text, sizeof text, "real:%.17g", sqlite3_column_double(statement, column));
      return text;
    }
    case SQLITE_TEXT: {
      const auto* text = reinterpret_cast<const char*>(sqlite3_column_text(statement, column));
      size = sqlite3_column_bytes(statement, column);
      return "text:" + std::string(text, static_cast<size_t>(size));
    }
    default: {
      const auto* blob = static_cast<const unsigned char*>(sqlite3_column_blob(statement, column));
      size = sqlite3_column_bytes(statement, column);
      std::string out = "blob:";
      for (int i = 0; i < size; ++i) {
        char hex[3];
        snprintf(hex, sizeof hex, "%02x", blob[i]);
        out += hex;
      }
      return out;
    }
  }
}

std::string ShowRow(sqlite3_stmt* statement) {
  std::string row;
  for (int i = 0; i < sqlite3_column_count(statement); ++i) {
    if (i > 0) row += "|";
    row += Show(statement, i);
  }
  return row;
}

}  // namespace

TempDir::TempDir() {
  std::string name = (std::filesystem::temp_directory_path() / "varve_sql_XXXXXX").string();
  if (mkdtemp(name.data()) == nullptr) abort();
  root_ = name;
}

TempDir::~TempDir() {
  std::error_code ignored;
  std::filesystem::remove_all(root_, ignored);
}

Connection::Connection(const std::string& file, bool with_module) {
  EXPECT_EQ(sqlite3_open(file.c_str(), &db_), SQLITE_OK);
  sqlite3_extended_result_codes(db_, 1);
  char* error = nullptr;
  if (with_module) {
    EXPECT_EQ(sqlite3_varve_init(db_, &error, nullptr), SQLITE_OK) << error;
  }
}

Connection::~Connection() {
  EXPECT_EQ(sqlite3_close(db_), SQLITE_OK) << "a statement was left open";
}

Outcome Connection::Run(const std::string& sql, const std::vector<Parameter>& parameters) {
  Outcome out;
  const char* rest = sql.c_str();
  while (*rest != '\0') {
    sqlite3_stmt* statement = nullptr;
    out.code = sqlite3_prepare_v2(db_, rest, -1, &statement, &rest);
    if (out.code == SQLITE_OK && statement == nullptr) break;
    if (out.code == SQLITE_OK) {
      Bind(statement, parameters);
      int step = SQLITE_OK;
      while ((step = sqlite3_step(statement)) == SQLITE_ROW) out.rows.push_back(ShowRow(statement));
      if (step != SQLITE_DONE) out.code = step;
    }
    if (out.code != SQLITE_OK) out.message = sqlite3_errmsg(db_);
    sqlite3_finalize(statement);
    if (out.code != SQLITE_OK) return out;
  }
  return out;
}

std::vector<std::string> Connection::Rows(const std::string& sql, const std::vector<Parameter>& parameters) {
  Outcome out = Run(sql, parameters);
  EXPECT_TRUE(out.ok()) << sql << "\n  " << out.message;
  return out.rows;
}

std::string Connection::Explain(const std::string& sql) {
  std::string out;
  for (const std::string& row : Rows("explain query plan " + sql)) {
    if (!out.empty()) out += "; ";
    out += row.substr(row.rfind("|text:") + 6);
  }
  return out;
}

std::string CreateTable(const std::string& name, const std::string& module, const std::string& dir,
                        const std::string& options) {
  return "create virtual table temp." + name + " using " + module + "('" + dir + "'" + options + ")";
}

}  // namespace varve::sqlite_vtab
