// tests/sqlite_vtab/harness.h - SQLite connections with the module, temporary directories, results to compare.
#pragma once

#include <sqlite3.h>

#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace varve::sqlite_vtab {

// A directory that is removed with everything in it.
class TempDir {
 public:
  TempDir();
  ~TempDir();
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;
  std::string path(std::string_view name) const { return root_ + "/" + std::string(name); }

 private:
  std::string root_;
};

struct Blob {
  std::string bytes;
};
using Parameter = std::variant<std::nullptr_t, sqlite3_int64, double, std::string, Blob>;

// All that a statement says: rows as "text:abc|integer:7", the extended result code and the message of an error.
struct Outcome {
  int code = SQLITE_OK;
  std::string message;
  std::vector<std::string> rows;
  bool ok() const { return code == SQLITE_OK; }
};

class Connection {
 public:
  // In memory unless a file is named.
  explicit Connection(const std::string& file = ":memory:", bool with_module = true);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // Runs every statement of `sql`; the parameters go to each.
  Outcome Run(const std::string& sql, const std::vector<Parameter>& parameters = {});
  // Runs and expects success.
  std::vector<std::string> Rows(const std::string& sql, const std::vector<Parameter>& parameters = {});
  void Must(const std::string& sql) { Rows(sql); }
  // The detail column of EXPLAIN QUERY PLAN, lines joined by "; ".
  std::string Explain(const std::string& sql);
  sqlite3* get() const { return db_; }

 private:
  sqlite3* db_ = nullptr;
};

// "create virtual table temp.<name> using <module>('<dir>'<options>)"
std::string CreateTable(const std::string& name, const std::string& module, const std::string& dir,
                        const std::string& options = "");

}  // namespace varve::sqlite_vtab
