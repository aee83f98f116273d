// Statements over virtual tables with each allocation failing in turn, SQLite's and the module's (the engine's among
// them), once and from then on: the statement says SQLITE_NOMEM or succeeds, what is stored is that before or after it,
// and the connection goes on.
#include <gtest/gtest.h>
#include <sqlite3.h>

#include <cstdio>

#include "tests/sqlite_vtab/harness.h"
#include "tests/starvation/starvation.h"

namespace varve::sqlite_vtab {
namespace {

using lsm::Starvation;

// SQLite's own allocator, starved along with operator new.
class StarvedAllocator {
 public:
  StarvedAllocator() {
    sqlite3_shutdown();
    EXPECT_EQ(sqlite3_config(SQLITE_CONFIG_GETMALLOC, &real_), SQLITE_OK);
    sqlite3_mem_methods starved = real_;
    starved.xMalloc = [](int size) { return Starvation::Strikes() ? nullptr : real_.xMalloc(size); };
    starved.xRealloc = [](void* memory, int size) {
      return Starvation::Strikes() ? nullptr : real_.xRealloc(memory, size);
    };
    EXPECT_EQ(sqlite3_config(SQLITE_CONFIG_MALLOC, &starved), SQLITE_OK);
    // Without small pieces set aside for a connection: each is to be asked for.
    EXPECT_EQ(sqlite3_config(SQLITE_CONFIG_LOOKASIDE, 0, 0), SQLITE_OK);
    EXPECT_EQ(sqlite3_initialize(), SQLITE_OK);
  }

 private:
  static inline sqlite3_mem_methods real_{};
};

class StarvingSqlTest : public ::testing::Test {
 protected:
  StarvingSqlTest() {
    static const StarvedAllocator allocator;
    connection_ = std::make_unique<Connection>();
    connection_->Must(CreateTable("t", "varve", directory_.path("db")));
    connection_->Must(
        "insert into t(key, value) values ('a', 'one'), ('b', 'two'), ('c', printf('%05000d', 7)), ('d', 'four')");
  }

  std::string directory_path() const { return directory_.path("db"); }
  std::vector<std::string> Contents() { return connection_->Rows("select key, value from t order by key"); }

  // `undo` takes back what `sql` does to the contents; `tidy` is for whatever else it may leave.
  void FailEach(const std::string& sql, const std::string& undo, int64_t least, const std::string& tidy = "") {
    const std::vector<std::string> before = Contents();
    for (const auto lasts : {Starvation::Lasts::kOnce, Starvation::Lasts::kOn}) {
      int64_t n = 0;
      while (FailsAt(sql, undo, before, n, lasts)) {
        connection_->Must(tidy);
        if (HasFailure()) return;
        ++n;
      }
      EXPECT_GE(n, least);
      std::printf("  %lld allocations failed %s\n", static_cast<long long>(n),
                  lasts == Starvation::Lasts::kOnce ? "once" : "from then on");
    }
  }

 private:
  // False when there were not so many allocations.
  bool FailsAt(const std::string& sql, const std::string& undo, const std::vector<std::string>& before, int64_t n,
               Starvation::Lasts lasts) {
    SCOPED_TRACE("allocation " + std::to_string(n) + (lasts == Starvation::Lasts::kOn ? " and all that follow" : ""));
    Starvation starvation(n, lasts);
    const int code = sqlite3_exec(connection_->get(), sql.c_str(), nullptr, nullptr, nullptr);
    const bool struck = starvation.End();
    EXPECT_TRUE(code == SQLITE_OK || (struck && code == SQLITE_NOMEM)) << code << ": " << sqlite3_errstr(code);
    if (sqlite3_get_autocommit(connection_->get()) == 0) connection_->Must("rollback");
    const std::vector<std::string> now = Contents();
    if (code != SQLITE_OK) {
      EXPECT_EQ(now, before);
      return struck;
    }
    if (undo.empty()) {
      EXPECT_EQ(now, before);
      return struck;
    }
    EXPECT_NE(now, before);
    connection_->Must(undo);
    EXPECT_EQ(Contents(), before);
    return struck;
  }

  TempDir directory_;
  std::unique_ptr<Connection> connection_;
};

TEST_F(StarvingSqlTest, Insert) {
  FailEach("insert into t(key, value) values ('e', 'five'), ('f', printf('%03000d', 7))",
           "delete from t where key >= 'e'", 30);
}

TEST_F(StarvingSqlTest, Update) {
  FailEach("update t set value = 'changed' where key = 'b'", "update t set value = 'two' where key = 'b'", 30);
}

TEST_F(StarvingSqlTest, Delete) {
  FailEach("delete from t where key = 'd'", "insert into t(key, value) values ('d', 'four')", 30);
}

TEST_F(StarvingSqlTest, Transaction) {
  FailEach(
      "begin; insert into t(key, value) values ('e', 'five'); savepoint s; delete from t where key = 'a';"
      "rollback to s; update t set value = 'changed' where key = 'b'; commit",
      "delete from t where key = 'e'; update t set value = 'two' where key = 'b'", 100);
}

TEST_F(StarvingSqlTest, PointQuery) {
  FailEach("select value from t where key = 'c'", "", 30);
}

TEST_F(StarvingSqlTest, RangeQueryBackwards) {
  FailEach("select key, value from t where key > 'a' and key < 'z' order by key desc limit 3", "", 30);
}

TEST_F(StarvingSqlTest, InListAndJoin) {
  FailEach("select x.key, y.value from t x join t y on y.key = x.key where x.key in ('a', 'c', 'nothing')", "", 80);
}

TEST_F(StarvingSqlTest, CreateAndDrop) {
  FailEach("create virtual table temp.again using varve('" + directory_path() + "'); drop table temp.again", "", 30,
           "drop table if exists temp.again");
}

}  // namespace
}  // namespace varve::sqlite_vtab
