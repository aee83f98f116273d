// tests/fuzz/sql.cc - F7: any SQL on a connection with the module, over two small directories.
//
//   the input is text; each line is run by itself, so that an error does not end it all
//   a line "!key=value" puts a record that nobody checked where redis_strings looks for that key
//   a line "(words" is what stands between the parentheses of CREATE VIRTUAL TABLE: only tried apart, since opening
//   whatever directory it names is not for a fuzzer
//
// Tables: raw (varve, TEXT) and bytes (varve, BLOB) on one directory, so that each sees what the other writes; str
// (redis_strings) and records (varve, BLOB) on the other; and native(x). Whatever came of it: the connection closes,
// nobody is left in the writer's place, both directories pass Verify, and a table read forward, backward, by count and
// by key says the same. Then the rows are put back.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "lsm/db.h"
#include "sqlite_vtab/arguments.h"
#include "sqlite_vtab/registry.h"
#include "tests/fuzz/fuzz_input.h"
#include "tests/sqlite_vtab/harness.h"

namespace varve::sqlite_vtab {
namespace {

constexpr int kStepsBetween = 100;  // of SQLite's machine, from one look at the budget to the next
constexpr int kLooksMax = 200;      // for one input
constexpr int kBytesMax = 100'000;  // of a string, a row or a statement
constexpr int64_t kHeapMax = 64 << 20;

using Strings = std::vector<std::string>;

// One directory and the rows that it begins with.
class Place {
 public:
  Place(const std::string& path, Connection* keeper, const Strings& tables) : path_(path), keeper_(keeper) {
    for (const std::string& table : tables) keeper_->Must(table);
  }
  void Remember() { planted_ = Rows(); }

  lsm::Db& db() {
    if (database_ == nullptr) {
      auto database = OpenDatabase({.path = path_});
      EXPECT_TRUE(database.ok()) << database.status().ToString();
      database_ = *database;
    }
    return database_->db();
  }
  bool Changed() { return Rows() != planted_; }
  void Verify() {
    auto report = db().Verify();
    EXPECT_TRUE(report.ok()) << report.status().ToString();
    for (const std::string& problem : report->problems) ADD_FAILURE() << problem;
  }
  void PutBack() {
    lsm::WriteBatch batch;
    for (const auto& [key, value] : Rows()) batch.Delete(key);
    for (const auto& [key, value] : planted_) batch.Put(key, value);
    EXPECT_TRUE(db().Write({}, batch).ok());
  }

 private:
  using Pairs = std::vector<std::pair<std::string, std::string>>;

  Pairs Rows() {
    Pairs rows;
    lsm::Iterator it = db().NewIterator({});
    for (it.SeekToFirst(); it.Valid(); it.Next()) rows.emplace_back(it.key(), it.value());
    EXPECT_TRUE(it.status().ok()) << it.status().ToString();
    return rows;
  }

  const std::string path_;
  Connection* const keeper_;
  std::shared_ptr<Database> database_;
  Pairs planted_;
};

// Both, and the connection that looks after them and that no input gets at.
class Ground {
 public:
  Ground()
      : keeper_(":memory:"), raw_(path("raw"), &keeper_, RawTables()), redis_(path("redis"), &keeper_, RedisTables()) {
    sqlite3_hard_heap_limit64(kHeapMax);
    keeper_.Must("insert into raw values('a','1'),('ab','2'),('b',''),('user:1','Ann'),('user:2','Bo')");
    keeper_.Must("insert into bytes values(x'',x'00'),(x'00ff',x'ff'),(x'ff',x'')");
    keeper_.Must("insert into str(key,value) values('k','v'),('user:1','x'),('n','41')");
    raw_.Remember();
    redis_.Remember();
  }

  void MakeTables(Connection* sql) const {
    for (const Strings& tables : {RawTables(), RedisTables()}) {
      for (const std::string& table : tables) sql->Must(table);
    }
  }
  void Poison(std::string_view key, std::string_view value) {
    poisoned_ = true;
    EXPECT_TRUE(redis_.db().Put({}, std::string("m\0\0", 3).append(key), value).ok());
  }
  // All is sound, and as it was planted again.
  void Inspect() {
    const bool poisoned = std::exchange(poisoned_, false);
    ExpectNobodyWriting();
    if (!raw_.Changed() && !redis_.Changed()) return;
    for (const char* table : {"raw", "bytes", "records"}) ExpectOneAnswer(table);
    // Rows that expire may do so from one statement to the next.
    const Outcome expiring = keeper_.Run("select count(*) from str where ttl_ms is not null");
    EXPECT_TRUE(expiring.ok() || poisoned) << expiring.message;
    if (expiring.ok() && expiring.rows[0] == "integer:0") ExpectOneAnswer("str");
    for (Place* place : {&raw_, &redis_}) {
      place->Verify();
      place->PutBack();
    }
  }

 private:
  std::string path(const std::string& name) const { return dir_.path(name); }
  Strings RawTables() const {
    return {CreateTable("raw", "varve", path("raw"), ", memory='8mb'"),
            CreateTable("bytes", "varve", path("raw"), ", key=BLOB, value=BLOB")};
  }
  Strings RedisTables() const {
    return {CreateTable("str", "redis_strings", path("redis"), ", memory='8mb'"),
            CreateTable("records", "varve", path("redis"), ", key=BLOB, value=BLOB")};
  }
  void ExpectNobodyWriting() {
    keeper_.Must("begin");
    for (const char* table : {"raw", "str"}) {
      const Outcome written =
          keeper_.Run(std::string("insert or replace into ") + table + "(key,value) values('w','w')");
      EXPECT_NE(written.code & 0xff, SQLITE_BUSY) << written.message;
    }
    keeper_.Must("rollback");
  }
  void ExpectOneAnswer(const std::string& table) {
    const std::string rows = "select key, value from " + table + " order by key";
    const Strings forward = keeper_.Rows(rows);
    Strings backward = keeper_.Rows(rows + " desc");
    std::reverse(backward.begin(), backward.end());
    EXPECT_EQ(backward, forward) << table;
    EXPECT_EQ(keeper_.Rows("select count(*) from " + table)[0], "integer:" + std::to_string(forward.size())) << table;
    EXPECT_EQ(
        keeper_.Rows("select a.key, b.value from " + table + " a join " + table + " b on b.key = a.key order by a.key"),
        forward)
        << table;
  }

  TempDir dir_;
  Connection keeper_;
  Place raw_, redis_;
  bool poisoned_ = false;  // str may answer with errors
};

// What an input may not do: touch files, bind the process, or have the module open whatever directory it names.
int Authorize(void*, int action, const char* what, const char* second, const char*, const char*) {
  const std::string name(what == nullptr ? "" : what), module(second == nullptr ? "" : second);
  switch (action) {
    case SQLITE_ATTACH:
    case SQLITE_DETACH: return SQLITE_DENY;
    case SQLITE_CREATE_VTABLE: return module == "varve" || module == "redis_strings" ? SQLITE_DENY : SQLITE_OK;
    case SQLITE_PRAGMA:
      for (const char* denied : {"hard_heap_limit", "soft_heap_limit", "temp_store_directory", "data_store_directory",
                                 "mmap_size", "threads"}) {
        if (sqlite3_stricmp(name.c_str(), denied) == 0) return SQLITE_DENY;
      }
      return SQLITE_OK;
    default: return SQLITE_OK;
  }
}

int CountDown(void* looks) {
  return --*static_cast<int*>(looks) < 0 ? 1 : 0;
}

void Bind(sqlite3* db, int* looks) {
  sqlite3_db_config(db, SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr);
  sqlite3_limit(db, SQLITE_LIMIT_LENGTH, kBytesMax);
  sqlite3_limit(db, SQLITE_LIMIT_SQL_LENGTH, kBytesMax);
  sqlite3_limit(db, SQLITE_LIMIT_VDBE_OP, 25'000);
  sqlite3_limit(db, SQLITE_LIMIT_LIKE_PATTERN_LENGTH, 250);
  sqlite3_limit(db, SQLITE_LIMIT_WORKER_THREADS, 0);
  sqlite3_set_authorizer(db, Authorize, nullptr);
  sqlite3_progress_handler(db, kStepsBetween, CountDown, looks);
}

void TryArguments(std::string_view text) {
  std::vector<std::string_view> words;
  while (!text.empty()) {
    const size_t end = std::min(text.find(','), text.size());
    words.push_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  for (const ModuleKind kind : {ModuleKind::kRaw, ModuleKind::kStrings}) {
    const auto arguments = ParseArguments(kind, words);
    if (arguments.ok()) {
      EXPECT_FALSE(arguments->path.empty());
      EXPECT_TRUE(arguments->db >= 0 && arguments->db < 16);
    } else {
      EXPECT_FALSE(arguments.status().message().empty());
    }
  }
}

void RunLine(Ground* ground, Connection* sql, std::string_view line) {
  if (line.starts_with('(')) return TryArguments(line.substr(1));
  if (line.starts_with('!')) {
    const size_t equals = std::min(line.find('='), line.size());
    return ground->Poison(line.substr(1, equals - 1), line.substr(std::min(equals + 1, line.size())));
  }
  sql->Run(std::string(line), {std::string("user:1"), Blob{"\xff"}, sqlite3_int64{7}, nullptr});
}

void Run(Ground* ground, std::string_view text) {
  Connection sql;
  ground->MakeTables(&sql);
  sql.Must("create table native(x); insert into native values('a'),('user:1'),(x'ff'),(1),(null)");
  int looks = kLooksMax;
  Bind(sql.get(), &looks);
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    RunLine(ground, &sql, text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
}

}  // namespace
}  // namespace varve::sqlite_vtab

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace varve::sqlite_vtab;
  static Ground* const ground = [] {
    std::error_code error;
    if (std::filesystem::is_directory("/dev/shm", error))
      setenv("TMPDIR", "/dev/shm", 1);  // a sync costs nothing there
    return new Ground;                  // as long as the program
  }();
  Run(ground, {reinterpret_cast<const char*>(data), size});
  ground->Inspect();
  return 0;
}
