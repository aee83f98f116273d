// A second process holds the directory, as a running varve-server does.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/sqlite_vtab/harness.h"

namespace varve::sqlite_vtab {
namespace {

using Rows = std::vector<std::string>;

// The helper of holder/main.cc.
class Holder {
 public:
  explicit Holder(const std::string& dir) {
    int to[2], from[2];
    EXPECT_EQ(pipe2(to, O_CLOEXEC), 0);
    EXPECT_EQ(pipe2(from, O_CLOEXEC), 0);
    pid_ = fork();
    if (pid_ == 0) {
      dup2(to[0], STDIN_FILENO);
      dup2(from[1], STDOUT_FILENO);
      execl(VARVE_HOLDER, VARVE_HOLDER, dir.c_str(), static_cast<char*>(nullptr));
      _exit(127);
    }
    close(to[0]);
    close(from[1]);
    to_ = to[1];
    from_ = from[0];
    EXPECT_EQ(ReadLine(), "ready");
  }
  ~Holder() { End(); }
  void Say(const std::string& command) {
    std::string line = command + "\n";
    ASSERT_EQ(write(to_, line.data(), line.size()), static_cast<ssize_t>(line.size()));
    ASSERT_EQ(ReadLine(), "ok") << command;
  }
  void End() {
    if (pid_ == 0) return;
    close(to_);
    close(from_);
    int status = 0;
    EXPECT_EQ(waitpid(pid_, &status, 0), pid_);
    EXPECT_EQ(status, 0);
    pid_ = 0;
  }
  pid_t pid() const { return pid_; }

 private:
  std::string ReadLine() {
    std::string line;
    for (char c; read(from_, &c, 1) == 1 && c != '\n';) line.push_back(c);
    return line;
  }
  pid_t pid_ = 0;
  int to_ = -1, from_ = -1;
};

TEST(Follow, EveryStatementSeesWhatTheOwnerHasWrittenByThen) {
  TempDir dir;
  Holder owner(dir.path("db"));
  owner.Say("set user:1 Ann");
  Connection sql;
  sql.Must(CreateTable("str", "redis_strings", dir.path("db"), ",mode=follow"));
  EXPECT_EQ(sql.Rows("select key, value from str"), Rows({"text:user:1|text:Ann"}));
  owner.Say("set user:2 Bo");
  owner.Say("set user:1 Anna");
  EXPECT_EQ(sql.Rows("select key, value from str"), Rows({"text:user:1|text:Anna", "text:user:2|text:Bo"}));
}

TEST(Follow, ASwapOfDatabasesIsSeenByTheNextStatementAndByNoneThatRuns) {
  TempDir dir;
  Holder owner(dir.path("db"));
  for (int i = 0; i < 10; ++i) owner.Say("set k" + std::to_string(i) + " v");
  Connection sql;
  sql.Must(CreateTable("zero", "redis_strings", dir.path("db"), ",mode=follow"));
  sql.Must(CreateTable("one", "redis_strings", dir.path("db"), ",mode=follow,db=1"));
  sqlite3_stmt* running = nullptr;
  const char* text = "select a.key, (select count(*) from one) from zero a, zero b where b.key = a.key";
  ASSERT_EQ(sqlite3_prepare_v2(sql.get(), text, -1, &running, nullptr), SQLITE_OK);
  ASSERT_EQ(sqlite3_step(running), SQLITE_ROW);
  owner.Say("swap 0 1");
  owner.Say("set new 1");
  int rows = 1;
  do {
    EXPECT_EQ(sqlite3_column_int(running, 1), 0);
  } while (sqlite3_step(running) == SQLITE_ROW && ++rows < 100);
  sqlite3_finalize(running);
  EXPECT_EQ(rows, 10);
  EXPECT_EQ(sql.Rows("select key from zero"), Rows({"text:new"}));
  EXPECT_EQ(sql.Rows("select count(*), min(key), max(key) from one"), Rows({"integer:10|text:k0|text:k9"}));
  EXPECT_EQ(sql.Rows("select value from one where key = 'k3'"), Rows({"text:v"}));
  EXPECT_EQ(sql.Rows("select value from zero where key in ('k3', 'new')"), Rows({"text:1"}));
  owner.Say("swap 1 0");
  EXPECT_EQ(sql.Rows("select count(*) from zero"), Rows({"integer:10"}));
}

TEST(Follow, ReadOnlyModeStaysWhereItWas) {
  TempDir dir;
  Holder owner(dir.path("db"));
  owner.Say("set a 1");
  Connection sql;
  sql.Must(CreateTable("str", "redis_strings", dir.path("db"), ",mode=ro"));
  EXPECT_EQ(sql.Rows("select count(*) from str"), Rows({"integer:1"}));
  owner.Say("set b 2");
  EXPECT_EQ(sql.Rows("select count(*) from str"), Rows({"integer:1"}));
  EXPECT_EQ(sql.Run("delete from str").code, SQLITE_READONLY);
}

TEST(Follow, AStatementKeepsItsViewWhileTheOwnerWrites) {
  TempDir dir;
  Holder owner(dir.path("db"));
  for (int i = 0; i < 10; ++i) owner.Say("set k" + std::to_string(i) + " v");
  Connection sql;
  sql.Must(CreateTable("str", "redis_strings", dir.path("db")));
  sqlite3_stmt* statement = nullptr;
  ASSERT_EQ(sqlite3_prepare_v2(sql.get(), "select key from str", -1, &statement, nullptr), SQLITE_OK);
  ASSERT_EQ(sqlite3_step(statement), SQLITE_ROW);
  owner.Say("set k5x v");
  int rows = 1;
  while (sqlite3_step(statement) == SQLITE_ROW) ++rows;
  EXPECT_EQ(rows, 10);
  sqlite3_finalize(statement);
  EXPECT_EQ(sql.Rows("select count(*) from str"), Rows({"integer:11"}));
}

TEST(Follow, AutoReadsBesideTheOwnerAndRefusesToWrite) {
  TempDir dir;
  Holder owner(dir.path("db"));
  owner.Say("set a 1");
  Connection sql;
  sql.Must(CreateTable("str", "redis_strings", dir.path("db")));
  EXPECT_EQ(sql.Rows("select count(*) from str"), Rows({"integer:1"}));
  Outcome out = sql.Run("insert into str values('b','2',null)");
  EXPECT_EQ(out.code, SQLITE_READONLY);
  for (const std::string& part : {dir.path("db"), std::to_string(owner.pid()), std::string("varve-server")}) {
    EXPECT_NE(out.message.find(part), std::string::npos) << out.message;
  }
  EXPECT_EQ(sql.Rows("select count(*) from str"), Rows({"integer:1"}));
}

TEST(Follow, WriteModeFailsAtOnceAndSaysWhatToDo) {
  TempDir dir;
  Holder owner(dir.path("db"));
  Connection sql;
  Outcome out = sql.Run(CreateTable("str", "redis_strings", dir.path("db"), ",mode=rw"));
  EXPECT_EQ(out.code, SQLITE_BUSY);
  for (const std::string& part : {dir.path("db"), std::to_string(owner.pid()), std::string("mode=follow")}) {
    EXPECT_NE(out.message.find(part), std::string::npos) << out.message;
  }
}

// The owner is gone: a table made now owns the directory, the follower goes on reading.
TEST(Follow, OwnershipIsFreeAgainWhenTheOwnerEnds) {
  TempDir dir;
  Connection sql;
  {
    Holder owner(dir.path("db"));
    owner.Say("set a 1");
    sql.Must(CreateTable("before", "redis_strings", dir.path("db")));
    EXPECT_EQ(sql.Rows("select count(*) from before"), Rows({"integer:1"}));
  }
  sql.Must(CreateTable("after", "redis_strings", dir.path("db"), ",memory='8mb'"));
  sql.Must("insert into after values('b','2',null)");
  EXPECT_EQ(sql.Rows("select count(*) from before"), Rows({"integer:2"}));
  EXPECT_EQ(sql.Rows("select count(*) from after"), Rows({"integer:2"}));
}

}  // namespace
}  // namespace varve::sqlite_vtab
