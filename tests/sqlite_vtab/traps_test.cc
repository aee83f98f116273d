// tests/sqlite_vtab/traps_test.cc - the known ways for a virtual table to answer wrongly, one test each.
//
// All were seen with SQLite 3.40.1, in other modules or in throw-away ones of ours. A test here names the trap; the
// fuzzer (fuzz_test.cc) looks for the ones nobody has named yet.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <thread>

#include "lsm/db.h"
#include "tests/sqlite_vtab/harness.h"

namespace varve::sqlite_vtab {
namespace {

using Strings = std::vector<std::string>;

class Traps : public testing::Test {
 protected:
  Traps() {
    sql.Must(CreateTable("raw", "varve", dir.path("db"), ",memory='8mb'"));
    sql.Must("create table n(key text not null primary key, value text not null) strict, without rowid");
  }
  // Fills the table under test and a native one with the same rows.
  void Fill(const std::string& values) {
    sql.Must("insert into raw values " + values);
    sql.Must("insert into n values " + values);
  }
  // The same query over both tables; `#` stands for the table.
  void ExpectSame(const std::string& query, const std::vector<Parameter>& parameters = {}) {
    EXPECT_EQ(sql.Rows(On(query, "raw"), parameters), sql.Rows(On(query, "n"), parameters)) << query;
  }
  static std::string On(std::string query, const std::string& table) {
    for (size_t at; (at = query.find('#')) != std::string::npos;) query.replace(at, 1, table);
    return query;
  }

  TempDir dir;
  Connection sql;
};

// lsm1: `k>10 AND k<=13` returned 10, and the terms the other way round crashed.
TEST_F(Traps, BoundsWorkInEitherOrder) {
  Fill("('10','a'),('11','b'),('12','c'),('13','d'),('14','e')");
  EXPECT_EQ(sql.Rows("select key from raw where key>'10' and key<='13'"), Strings({"text:11", "text:12", "text:13"}));
  EXPECT_EQ(sql.Rows("select key from raw where key<='13' and key>'10'"), Strings({"text:11", "text:12", "text:13"}));
}

// A row whose value has a file of its own is there before its value is read: when that fails, the query fails.
TEST(LargeValues, OneThatCannotBeReadIsAnErrorNotEmpty) {
  TempDir dir;
  {
    lsm::Options options;
    auto db = lsm::Db::Open(dir.path("db"), options);
    ASSERT_TRUE(db.ok());
    ASSERT_TRUE((*db)->Put({}, "k", std::string(100'000, 'v')).ok());
    ASSERT_TRUE((*db)->Flush().ok());
  }
  for (const auto& entry : std::filesystem::directory_iterator(dir.path("db"))) {
    if (entry.path().extension() != ".vlog") continue;
    std::fstream file(entry.path(), std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(60).put('Z');
  }
  Connection sql;
  sql.Must(CreateTable("raw", "varve", dir.path("db")));
  EXPECT_EQ(sql.Rows("select key from raw"), Strings({"text:k"}));
  for (const char* query :
       {"select value from raw limit 1", "select value from raw where key = 'k'",
        "select value from raw order by key desc", "select length(value) from raw where key > 'a'"}) {
    const Outcome out = sql.Run(query);
    EXPECT_EQ(out.code & 0xff, SQLITE_CORRUPT) << query;
    EXPECT_NE(out.message.find(".vlog"), std::string::npos) << query << ": " << out.message;
  }
}

// lsm1: k=1.5 matched key 1, a blob matched a text key.
TEST_F(Traps, ClassesDoNotMatchAcross) {
  Fill("('1','a'),('a','b'),('7','c'),('7.0','d'),(' 7','e')");
  for (const char* value : {"1.5", "1", "7", "7.0", "x'61'", "null", "'a'", "+7", "cast(7 as integer)", "9e999"}) {
    for (const char* op : {"=", "<", "<=", ">", ">=", " is "}) {
      ExpectSame(std::string("select key from # where key") + op + value + " order by key");
    }
  }
  ExpectSame("select key from # where key=? order by key", {sqlite3_int64{7}});
  ExpectSame("select key from # where key=? order by key", {7.0});
}

// Pitfall 21: beside a number from a numeric column '7' and '7.0' both match, beside a literal only '7'.
TEST_F(Traps, NumbersFromColumnsMatchByNumber) {
  Fill("('7','a'),('7.0','b'),(' 7','c'),('8','d')");
  sql.Must("create table ints(x integer); insert into ints values(7)");
  ExpectSame("select key from #, ints where key=x order by key");
  EXPECT_EQ(sql.Rows("select count(*) from raw, ints where key=x"), Strings({"integer:3"}));
  EXPECT_EQ(sql.Rows("select key from raw where key=7"), Strings({"text:7"}));
  ExpectSame("select key from # where key in (select x from ints) order by key");
  ExpectSame("select key from # where key in (7, 8) order by key");
}

// An equality with a value of unknown class may find several rows: it must not be called unique.
TEST_F(Traps, OnePassUpdateDoesNotStopAfterTheFirstMatch) {
  Fill("('7','a'),('7.0','b'),(' 7','c')");
  sql.Must("create table ints(x integer); insert into ints values(7)");
  sql.Must("update raw set value='z' where key=(select x from ints)");
  EXPECT_EQ(sql.Rows("select count(*) from raw where value='z'"), Strings({"integer:3"}));
}

// Pitfall 3: `k='A' COLLATE NOCASE` arrives as a plain equality.
TEST_F(Traps, OtherCollationsAreNotTakenForBinary) {
  Fill("('a','1'),('A','2'),('b','3')");
  ExpectSame("select key from # where key='A' collate nocase order by key");
  ExpectSame("select key from # where key>='B' collate nocase order by key");
  ExpectSame("select key from # order by key collate nocase, key");
  EXPECT_EQ(sql.Rows("select count(*) from raw where key='A' collate nocase"), Strings({"integer:2"}));
}

// Pitfall 4: for LIKE 'abc%' SQLite derives bounds that compare with NOCASE.
TEST_F(Traps, LikeFindsEveryCase) {
  Fill("('ABC1','1'),('abc2','2'),('Abd','3'),('b','4')");
  ExpectSame("select key from # where key like 'abc%' order by key");
  ExpectSame("select key from # where key like 'a\\%' escape '\\' order by key");
  ExpectSame("select key from # where key like ? order by key", {std::string("aB%")});
  EXPECT_EQ(sql.Rows("select count(*) from raw where key like 'abc%'"), Strings({"integer:2"}));
}

TEST_F(Traps, GlobReadsOnlyThePrefixAndSqliteChecksTheRest) {
  Fill("('user:1','a'),('user:2','b'),('user:1x','c'),('v','d'),('user','e')");
  ExpectSame("select key from # where key glob 'user:?' order by key");
  ExpectSame("select key from # where key glob ? order by key", {std::string("user:*")});
  ExpectSame("select key from # where key glob ? order by key", {nullptr});
  ExpectSame("select key from # where key glob ? order by key", {Blob{"user:*"}});
  EXPECT_NE(sql.Explain("select key from raw where key glob ?").find("key glob ?"), std::string::npos);
}

// SQLite's matcher decodes ill-formed UTF-8 leniently: different bytes may match the same pattern.
TEST_F(Traps, GlobPrefixStopsAtBytesAboveAscii) {
  Fill(
      "(cast(x'fe41' as text),'a'),(cast(x'ff41' as text),'b'),('\xc3\xa9"
      "A','c')");
  ExpectSame("select value from # where key glob cast(x'ff2a' as text) order by value");
  ExpectSame("select value from # where key glob '\xc3\xa9*' order by value");
}

// Finding 9: LIMIT is offered although other terms or the order are not taken over.
TEST_F(Traps, LimitCountsOnlyRowsThatPassEveryTerm) {
  Fill("('a','3'),('b','2'),('c','1'),('d','2')");
  ExpectSame("select key from # where value='2' limit 1");
  ExpectSame("select key from # where key>='a' and value>'1' order by value, key limit 2");
  ExpectSame("select key from # order by value limit 2");
  ExpectSame("select key from # order by key desc limit 2");
  ExpectSame("select key from # where key>? order by key limit 2", {std::string("a")});
  ExpectSame("select key from # where key>'a' limit 1 offset 1");
  ExpectSame("select key from # where key in ('d','b','a') limit 2");
  ExpectSame("select key from # limit -1 offset -1");
  ExpectSame("select key from # limit 0");
}

// Of a row value only the first column is offered, as key<=?, and LIMIT beside it as if that were all.
TEST_F(Traps, LimitBesideARowValue) {
  Fill("('a','3'),('b','2'),('c','1')");
  ExpectSame("select key from # where (key,value)<('c','0') order by key desc limit 1");
  ExpectSame("select key from # where (key,value)>('a','5') order by key limit 1");
}

// 3.40.1 offers OFFSET to each part of a UNION ALL and then forgets how much of it is left.
TEST_F(Traps, OffsetReachesOverThePartsOfAUnion) {
  Fill("('a','1'),('b','2')");
  ExpectSame("select key from # union all select key||'2' from # limit 5 offset 3");
  EXPECT_EQ(sql.Rows("select key from raw union all select key||'2' from raw limit 5 offset 3"), Strings({"text:b2"}));
}

// Pitfall 7: the values of IN come unsorted, untyped and with duplicates.
TEST_F(Traps, InListIsSortedTypedAndUnique) {
  Fill("('a','1'),('b','2'),('c','3'),('7','4')");
  ExpectSame("select key from # where key in ('c','a','c',null,x'62','zz') order by key");
  ExpectSame("select key from # where key in ('c','a','b') order by key desc");
  ExpectSame("select key from # where key in (7,'a') order by key");
  ExpectSame("select key from # where key in () order by key");
  ExpectSame("select key from # where key in ('a','b','c') and key>'a' order by key");
  ExpectSame("select key from # where key in ('a','b') and key in ('b','c')");
  EXPECT_EQ(sql.Explain("select key from raw where key in ('a','b') order by key desc"),
            "SCAN raw VIRTUAL TABLE INDEX 259:key in ?, desc");
}

TEST_F(Traps, LongInListsAreReadInPieces) {
  sql.Must(
      "with recursive i(x) as (select 1 union all select x+1 from i where x<1000) "
      "insert into raw select printf('%05d',x), x from i");
  EXPECT_EQ(sql.Rows("with recursive i(x) as (select 1 union all select x+1 from i where x<2000) "
                     "select count(*) from raw where key in (select printf('%05d',x*2) from i)"),
            Strings({"integer:500"}));
}

// Finding 6: results must not point into a buffer that the next row overwrites.
TEST_F(Traps, GroupByAndMinSeeEveryRow) {
  Fill("('a','5'),('b','4'),('c','3'),('d','2'),('e','1')");
  EXPECT_EQ(sql.Rows("select count(*) from (select key from raw group by key)"), Strings({"integer:5"}));
  EXPECT_EQ(sql.Rows("select min(value), max(value) from raw"), Strings({"text:1|text:5"}));
  ExpectSame("select key, value from # group by key order by value");
}

TEST_F(Traps, MinAndMaxOfTheKeyReadOneRow) {
  Fill("('a','1'),('b','2'),('c','3')");
  EXPECT_EQ(sql.Rows("select min(key) from raw"), Strings({"text:a"}));
  EXPECT_EQ(sql.Rows("select max(key) from raw"), Strings({"text:c"}));
  EXPECT_NE(sql.Explain("select max(key) from raw").find("desc"), std::string::npos);
  sql.Must("delete from raw");
  EXPECT_EQ(sql.Rows("select max(key) from raw"), Strings({"null"}));
}

TEST_F(Traps, OrderByKeyNeedsNoSorter) {
  for (const char* order : {"key", "key desc", "key, value", "key desc, value"}) {
    EXPECT_EQ(sql.Explain(std::string("select * from raw order by ") + order).find("TEMP B-TREE"), std::string::npos);
  }
  EXPECT_NE(sql.Explain("select * from raw order by value, key").find("TEMP B-TREE"), std::string::npos);
}

TEST_F(Traps, EmptyKeyAndEmbeddedNulAreKeysAsAnyOther) {
  Fill("('','empty'),(cast(x'00' as text),'nul'),(cast(x'610062' as text),'a-nul-b'),('a','a')");
  for (const char* where : {"key=''", "key<=''", "key<''", "key>''", "key>='a'", "key=cast(x'610062' as text)",
                            "key between '' and 'a'", "key in ('',cast(x'00' as text))"}) {
    ExpectSame(std::string("select value, length(key), hex(key) from # where ") + where + " order by key");
  }
  ExpectSame("select min(key), max(key) from #");
}

// Pitfall 8 and 10: the inner side of a join is asked once per outer row, with plans that must not leak between rows.
TEST_F(Traps, JoinsAskTheSameCursorAgain) {
  Fill("('a','1'),('b','2'),('c','3')");
  sql.Must("create table o(x text); insert into o values('c'),('a'),('zz'),(null),('b'),('a')");
  ExpectSame("select x, value from o join # on key=x order by o.rowid");
  ExpectSame("select x, value from o left join # on key=x order by o.rowid");
  ExpectSame("select x, (select count(*) from # where key>=x) from o order by o.rowid");
  ExpectSame("select x, (select max(key) from # where key<x) from o order by o.rowid");
  ExpectSame("select x, (select key from # where key<=x order by key desc limit 1) from o order by o.rowid");
  ExpectSame("select a.key, b.key from # a join # b on b.key>a.key order by 1, 2");
  ExpectSame("select x, key from o full join # on key=x order by 1, 2");
  ExpectSame("select x, key from o right join # on key=x and key>'a' order by 1, 2");
}

// --- writing ---

TEST_F(Traps, AffinityAndNotNullAreOurs) {
  for (const char* table : {"raw", "n"}) {
    sql.Must(std::string("insert into ") + table + " values(7, 1.5),(-0.0, 9e999)");
  }
  ExpectSame("select key, typeof(key), value, typeof(value) from # order by key");
  for (const char* values : {"(null,'1')", "('x',null)", "(x'00','1')", "('x',x'00')", "(x'00',null)"}) {
    Outcome ours = sql.Run(std::string("insert into raw values") + values);
    Outcome native = sql.Run(std::string("insert into n values") + values);
    EXPECT_EQ(ours.code, native.code) << values;
    std::string expected = native.message;
    expected.replace(expected.rfind(" n.") + 1, 2, "raw.");
    EXPECT_EQ(ours.message, expected);
  }
}

// lsm1: a duplicate INSERT overwrote silently, and so did OR IGNORE.
TEST_F(Traps, ConflictsFollowTheClause) {
  Fill("('a','1')");
  Outcome plain = sql.Run("insert into raw values('a','2')");
  EXPECT_EQ(plain.code, SQLITE_CONSTRAINT_PRIMARYKEY);
  EXPECT_EQ(plain.message, "UNIQUE constraint failed: raw.key");
  sql.Must("insert or ignore into raw values('a','3'),('b','3')");
  EXPECT_EQ(sqlite3_changes(sql.get()), 1);
  EXPECT_EQ(sql.Rows("select * from raw"), Strings({"text:a|text:1", "text:b|text:3"}));
  sql.Must("insert or replace into raw values('a','4')");
  sql.Must("replace into raw values('b','5')");
  EXPECT_EQ(sql.Rows("select value from raw"), Strings({"text:4", "text:5"}));
  EXPECT_EQ(sql.Run("insert or fail into raw values('c','6'),('a','6'),('d','6')").code, SQLITE_CONSTRAINT_PRIMARYKEY);
  EXPECT_EQ(sql.Rows("select count(*) from raw"), Strings({"integer:3"}));
  sql.Must("begin; insert into raw values('e','7')");
  EXPECT_EQ(sql.Run("insert or rollback into raw values('a','8')").code, SQLITE_CONSTRAINT_PRIMARYKEY);
  EXPECT_EQ(sqlite3_get_autocommit(sql.get()), 1);
  EXPECT_EQ(sql.Rows("select count(*) from raw where key='e'"), Strings({"integer:0"}));
}

// A skipped row must leave no message behind.
TEST_F(Traps, IgnoredRowsLeaveNoError) {
  Fill("('a','1')");
  sql.Must("insert or ignore into raw values('a','2')");
  EXPECT_STREQ(sqlite3_errmsg(sql.get()), "not an error");
}

TEST_F(Traps, WrongTypesAbortWhateverTheClause) {
  for (const char* clause : {"", "or ignore ", "or replace ", "or fail ", "or rollback "}) {
    sql.Must("begin; insert or replace into raw values('kept','1')");
    Outcome out = sql.Run(std::string("insert ") + clause + "into raw values('x','1'),(x'00','2')");
    EXPECT_EQ(out.message, "cannot store BLOB value in TEXT column raw.key");
    EXPECT_EQ(sqlite3_get_autocommit(sql.get()), 0) << clause;
    sql.Must("commit");
    EXPECT_EQ(sql.Rows("select key from raw"), Strings({"text:kept"})) << clause;
  }
}

TEST_F(Traps, KeyChangingUpdateIsCheckedForUniqueness) {
  Fill("('a','1'),('b','2')");
  EXPECT_EQ(sql.Run("update raw set key='b' where key='a'").code, SQLITE_CONSTRAINT_PRIMARYKEY);
  sql.Must("update raw set key='c' where key='a'");
  EXPECT_EQ(sql.Rows("select * from raw"), Strings({"text:b|text:2", "text:c|text:1"}));
  sql.Must("update or replace raw set key='b' where key='c'");
  EXPECT_EQ(sql.Rows("select * from raw"), Strings({"text:b|text:1"}));
  sql.Must("update or ignore raw set key=key||'x'");
  EXPECT_EQ(sql.Rows("select key from raw"), Strings({"text:bx"}));
}

// Halloween: an update that moves rows ahead of the scan must not meet them again.
TEST_F(Traps, UpdateDoesNotMeetItsOwnRows) {
  Fill("('a','1'),('b','2'),('c','3')");
  sql.Must("update raw set key='z'||key");
  EXPECT_EQ(sql.Rows("select key from raw"), Strings({"text:za", "text:zb", "text:zc"}));
  sql.Must("insert into raw select key||'2', value from raw");
  EXPECT_EQ(sql.Rows("select count(*) from raw"), Strings({"integer:6"}));
  sql.Must("delete from raw where key in (select key from raw where key like '%2')");
  EXPECT_EQ(sql.Rows("select count(*) from raw"), Strings({"integer:3"}));
}

TEST_F(Traps, UpdateFromKeepsWhatItDoesNotMention) {
  Fill("('a','1'),('b','2')");
  sql.Must("create table f(k text, v text); insert into f values('a','10')");
  sql.Must("update raw set value=v from f where key=k");
  EXPECT_EQ(sql.Rows("select * from raw"), Strings({"text:a|text:10", "text:b|text:2"}));
}

// lsm1: ROLLBACK TO was ignored.
TEST_F(Traps, SavepointsNestAndRollBack) {
  sql.Must(
      "begin; insert into raw values('a','1'); savepoint s; insert into raw values('b','2'); savepoint t;"
      "delete from raw where key='a'; rollback to t");
  EXPECT_EQ(sql.Rows("select key from raw"), Strings({"text:a", "text:b"}));
  sql.Must("rollback to s; insert into raw values('c','3'); release s; commit");
  EXPECT_EQ(sql.Rows("select key from raw"), Strings({"text:a", "text:c"}));
}

// Pitfall 21: a savepoint that opened the transaction is rolled back to level -1.
TEST_F(Traps, RollbackToTheSavepointThatOpenedTheTransaction) {
  sql.Must("savepoint s; insert into raw values('a','1'); rollback to s");
  EXPECT_EQ(sql.Rows("select count(*) from raw"), Strings({"integer:0"}));
  sql.Must("insert into raw values('b','1'); release s");
  EXPECT_EQ(sql.Rows("select key from raw"), Strings({"text:b"}));
}

// Pitfall 21: a table that joins late gets only the innermost savepoint, and must have those below it all the same.
TEST_F(Traps, TableJoiningLateKnowsTheOuterSavepoints) {
  sql.Must("begin; savepoint s; savepoint t; insert into raw values('a','1'); release t");
  EXPECT_EQ(sql.Rows("select count(*) from raw"), Strings({"integer:1"}));
  sql.Must("rollback to s; commit");
  EXPECT_EQ(sql.Rows("select count(*) from raw"), Strings({"integer:0"}));
}

TEST_F(Traps, FailedStatementUndoesOnlyItself) {
  sql.Must("begin; insert into raw values('a','1')");
  EXPECT_EQ(sql.Run("insert into raw values('b','1'),('c','1'),('a','1')").code, SQLITE_CONSTRAINT_PRIMARYKEY);
  sql.Must("commit");
  EXPECT_EQ(sql.Rows("select key from raw"), Strings({"text:a"}));
}

// A statement that is being stepped keeps its rows when a savepoint beneath it is rolled back.
TEST_F(Traps, OpenCursorSurvivesRollbackTo) {
  Fill("('a','1'),('b','2'),('c','3')");
  sql.Must("begin; savepoint s; insert into raw values('d','4')");
  sqlite3_stmt* statement = nullptr;
  ASSERT_EQ(sqlite3_prepare_v2(sql.get(), "select key from raw", -1, &statement, nullptr), SQLITE_OK);
  ASSERT_EQ(sqlite3_step(statement), SQLITE_ROW);
  sql.Must("rollback to s");
  int rows = 1;
  while (sqlite3_step(statement) == SQLITE_ROW) ++rows;
  EXPECT_EQ(rows, 4);  // as of its beginning
  sqlite3_finalize(statement);
  sql.Must("commit");
  EXPECT_EQ(sql.Rows("select count(*) from raw"), Strings({"integer:3"}));
}

TEST_F(Traps, OpenCursorSurvivesCommit) {
  sql.Must("begin; insert into raw values('a','1'),('b','2'),('c','3')");
  sqlite3_stmt* statement = nullptr;
  ASSERT_EQ(sqlite3_prepare_v2(sql.get(), "select key from raw", -1, &statement, nullptr), SQLITE_OK);
  ASSERT_EQ(sqlite3_step(statement), SQLITE_ROW);
  sql.Must("commit; delete from raw");
  int rows = 1;
  while (sqlite3_step(statement) == SQLITE_ROW) ++rows;
  EXPECT_EQ(rows, 3);
  sqlite3_finalize(statement);
  EXPECT_EQ(sql.Rows("select count(*) from raw"), Strings({"integer:0"}));
}

// A table made inside the transaction is part of it without xBegin ever being called.
TEST_F(Traps, TableMadeInsideTheTransactionCanBeWritten) {
  sql.Must("begin; " + CreateTable("late", "varve", dir.path("late"), ",memory='8mb'") +
           "; insert into late values('a','1'); savepoint s; insert into late values('b','1'); rollback to s; commit");
  EXPECT_EQ(sql.Rows("select key from late"), Strings({"text:a"}));
}

// lsm1: two tables over one file, written in one transaction, gave "SQL logic error".
TEST_F(Traps, TwoTablesOverOneDirectoryShareTheTransaction) {
  sql.Must(CreateTable("again", "varve", dir.path("db"), ",value=BLOB"));
  sql.Must("begin; insert into raw values('a','1'); insert into again values('b',x'32')");
  EXPECT_EQ(sql.Rows("select key from raw"), Strings({"text:a", "text:b"}));
  sql.Must("savepoint s; delete from again; rollback to s; commit");
  EXPECT_EQ(sql.Rows("select hex(value) from again"), Strings({"text:31", "text:32"}));
}

// lsm1: DROP TABLE is documented to leave the data; ours too, on purpose.
TEST_F(Traps, DropLeavesTheDirectory) {
  Fill("('a','1')");
  sql.Must("drop table raw");
  sql.Must(CreateTable("raw", "varve", dir.path("db"), ",memory='8mb'"));
  EXPECT_EQ(sql.Rows("select * from raw"), Strings({"text:a|text:1"}));
}

// Pitfall 14: xRename is followed by xDisconnect and xConnect in the same statement.
TEST_F(Traps, RenameKeepsTheRowsAndTheMessages) {
  Fill("('a','1')");
  sql.Must("alter table temp.raw rename to cooked");
  EXPECT_EQ(sql.Rows("select * from cooked"), Strings({"text:a|text:1"}));
  EXPECT_EQ(sql.Run("insert into cooked values('a','1')").message, "UNIQUE constraint failed: cooked.key");
}

TEST_F(Traps, DropBesideAnOpenCursorIsRefusedBySqlite) {
  Fill("('a','1'),('b','1')");
  sqlite3_stmt* statement = nullptr;
  ASSERT_EQ(sqlite3_prepare_v2(sql.get(), "select key from raw", -1, &statement, nullptr), SQLITE_OK);
  ASSERT_EQ(sqlite3_step(statement), SQLITE_ROW);
  EXPECT_EQ(sql.Run("drop table raw").code & 0xff, SQLITE_LOCKED);
  EXPECT_EQ(sqlite3_step(statement), SQLITE_ROW);
  sqlite3_finalize(statement);
}

// Ordinary triggers may write into the table, inside statement savepoints.
TEST_F(Traps, TriggersOfOrdinaryTablesMayWrite) {
  sql.Must(
      "create temp table src(k text, v text);"
      "create temp trigger copy after insert on src begin insert into raw values(new.k, new.v); end");
  sql.Must("insert into src values('a','1'),('b','2')");
  EXPECT_EQ(sql.Run("insert into src values('c','3'),('a','9')").code, SQLITE_CONSTRAINT_PRIMARYKEY);
  EXPECT_EQ(sql.Rows("select key from raw"), Strings({"text:a", "text:b"}));
  EXPECT_EQ(sql.Rows("select count(*) from src"), Strings({"integer:2"}));
}

// Finding 5: errors of xCommit are swallowed, those of xSync abort everything. The system refuses every write to a file
// while the limit is 0; a small record of the log would need none, it goes into a mapping.
TEST_F(Traps, CommitFailsBeforeAnythingIsVisible) {
  sql.Must("begin; insert into raw values('a',hex(zeroblob(300000))); insert into n values('a','1')");
  signal(SIGXFSZ, SIG_IGN);
  rlimit before{};
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &before), 0);
  rlimit none{0, before.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &none), 0);
  Outcome out = sql.Run("commit");
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &before), 0);
  EXPECT_EQ(out.code & 0xff, SQLITE_IOERR) << out.message;
  EXPECT_NE(out.message.find(dir.path("db")), std::string::npos) << out.message;
  if (sqlite3_get_autocommit(sql.get()) == 0) sql.Must("rollback");
  EXPECT_EQ(sql.Rows("select count(*) from n"), Strings({"integer:0"}));
  EXPECT_EQ(sql.Rows("select count(*) from raw"), Strings({"integer:0"}));
  sql.Must("drop table raw");
  sql.Must(CreateTable("raw", "varve", dir.path("db"), ",memory='8mb'"));
  sql.Must("insert into raw values('b','1')");
  EXPECT_EQ(sql.Rows("select key from raw"), Strings({"text:b"}));
}

// --- one directory, many users ---

TEST_F(Traps, ConnectionsOfAProcessShareTheDirectory) {
  Fill("('a','1')");
  Connection other;
  other.Must(CreateTable("raw", "varve", dir.path("db")));
  EXPECT_EQ(other.Rows("select * from raw"), Strings({"text:a|text:1"}));
  sql.Must("begin; insert into raw values('b','2')");
  EXPECT_EQ(other.Rows("select count(*) from raw"), Strings({"integer:1"}));
  Outcome busy = other.Run("insert into raw values('c','3')");
  EXPECT_EQ(busy.code, SQLITE_BUSY);
  EXPECT_NE(busy.message.find("another connection of this process has a write transaction open"), std::string::npos);
  sql.Must("commit");
  other.Must("insert into raw values('c','3')");
  EXPECT_EQ(sql.Rows("select count(*) from raw"), Strings({"integer:3"}));
}

// The database closes when its last table goes, and can be opened again at once.
TEST_F(Traps, LastUserClosesTheDirectory) {
  for (int i = 0; i < 20; ++i) {
    Connection one, two;
    one.Must(CreateTable("t", "varve", dir.path("shared"), ",memory='8mb',mode=rw"));
    two.Must(CreateTable("t", "varve", dir.path("shared") + "/", ",memory='8mb',mode=rw"));
    one.Must("replace into t values('a','1')");
    EXPECT_EQ(two.Rows("select count(*) from t"), Strings({"integer:1"}));
  }
}

TEST_F(Traps, ManyThreadsOpenAndCloseTheSameDirectory) {
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 10; ++i) {
        Connection own;
        own.Must(CreateTable("t", "varve", dir.path("threads"), ",memory='8mb',mode=rw"));
        Outcome out = own.Run("replace into t values('" + std::to_string(t) + "','" + std::to_string(i) + "')");
        EXPECT_TRUE(out.ok() || out.code == SQLITE_BUSY) << out.message;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

// A statement reads one state, whatever other connections commit meanwhile.
TEST_F(Traps, StatementReadsOneSnapshot) {
  Fill("('a','1'),('b','2'),('c','3')");
  Connection other;
  other.Must(CreateTable("raw", "varve", dir.path("db")));
  sqlite3_stmt* statement = nullptr;
  ASSERT_EQ(sqlite3_prepare_v2(sql.get(), "select key, (select count(*) from raw) from raw where key>''", -1,
                               &statement, nullptr),
            SQLITE_OK);
  ASSERT_EQ(sqlite3_step(statement), SQLITE_ROW);
  other.Must("insert into raw values('bb','x'); delete from raw where key='c'");
  int rows = 1;
  while (sqlite3_step(statement) == SQLITE_ROW) {
    EXPECT_EQ(sqlite3_column_int(statement, 1), 3);
    ++rows;
  }
  EXPECT_EQ(rows, 3);
  sqlite3_finalize(statement);
  EXPECT_EQ(sql.Rows("select count(*) from raw"), Strings({"integer:3"}));
}

// A correlated subquery closes and opens its cursor for each outer row; all of them read the same state.
TEST_F(Traps, CorrelatedSubqueryKeepsTheSnapshotOfItsStatement) {
  Fill("('a','1'),('b','2')");
  sql.Must("create table o(x text); insert into o values('a'),('b')");
  Connection other;
  other.Must(CreateTable("raw", "varve", dir.path("db")));
  sqlite3_stmt* statement = nullptr;
  ASSERT_EQ(sqlite3_prepare_v2(sql.get(), "select (select value from raw where key=x) from o", -1, &statement, nullptr),
            SQLITE_OK);
  ASSERT_EQ(sqlite3_step(statement), SQLITE_ROW);
  other.Must("update raw set value='new'");
  ASSERT_EQ(sqlite3_step(statement), SQLITE_ROW);
  EXPECT_STREQ(reinterpret_cast<const char*>(sqlite3_column_text(statement, 0)), "2");
  sqlite3_finalize(statement);
}

// But what the same connection wrote is seen by its next statement, also while an older one is still open.
TEST_F(Traps, OwnWritesAreSeenBesideAnOpenStatement) {
  Fill("('a','1'),('b','2')");
  sqlite3_stmt* statement = nullptr;
  ASSERT_EQ(sqlite3_prepare_v2(sql.get(), "select key from raw", -1, &statement, nullptr), SQLITE_OK);
  ASSERT_EQ(sqlite3_step(statement), SQLITE_ROW);
  sql.Must("insert into raw values('c','3')");
  EXPECT_EQ(sql.Rows("select count(*) from raw"), Strings({"integer:3"}));
  sqlite3_finalize(statement);
}

// Pitfall 16: the engine's threads do not exist in a forked child.
TEST_F(Traps, ForkedChildIsToldToOpenItsOwnConnection) {
  Fill("('a','1')");
  pid_t child = fork();
  if (child == 0) {
    Outcome read = sql.Run("select * from raw");
    Outcome write = sql.Run("insert into raw values('b','1')");
    bool told = read.message.find("before this process forked") != std::string::npos &&
                write.message.find("before this process forked") != std::string::npos;
    sql.Run("drop table raw");
    _exit(told && read.code == SQLITE_MISUSE ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  EXPECT_EQ(sql.Rows("select * from raw"), Strings({"text:a|text:1"}));
}

// --- messages ---

TEST_F(Traps, MessagesNameThePathAndWhatToDo) {
  Outcome missing = sql.Run(CreateTable("x", "varve", dir.path("no/such/parent")));
  EXPECT_EQ(missing.code, SQLITE_CANTOPEN);
  EXPECT_NE(missing.message.find("the directory above it does not exist"), std::string::npos) << missing.message;
  Outcome option = sql.Run(CreateTable("x", "varve", dir.path("db"), ",mode=maybe"));
  EXPECT_NE(option.message.find("want auto, rw, ro or follow"), std::string::npos);
  Outcome nothing = sql.Run("create virtual table temp.x using varve");
  EXPECT_NE(nothing.message.find("path of the data directory"), std::string::npos);
}

TEST_F(Traps, ReadOnlyModesRefuseWritesAndSayWhy) {
  Fill("('a','1')");
  sql.Must(CreateTable("ro", "varve", dir.path("db"), ",mode=ro"));
  EXPECT_EQ(sql.Rows("select * from ro"), Strings({"text:a|text:1"}));
  Outcome out = sql.Run("insert into ro values('b','1')");
  EXPECT_EQ(out.code, SQLITE_READONLY);
  EXPECT_NE(out.message.find("create the table with mode=rw"), std::string::npos) << out.message;
}

TEST_F(Traps, RawWritesIntoRedisDataAreRefused) {
  sql.Must(CreateTable("str", "redis_strings", dir.path("redis"), ",memory='8mb'"));
  sql.Must("insert into str values('a','1',null)");
  sql.Must(CreateTable("under", "varve", dir.path("redis"), ",key=BLOB,value=BLOB"));
  Outcome out = sql.Run("delete from under");
  EXPECT_EQ(out.code, SQLITE_READONLY);
  EXPECT_NE(out.message.find("redis_strings("), std::string::npos) << out.message;
  EXPECT_EQ(sql.Rows("select count(*) from under where key>=x'6d' and key<x'6e'"), Strings({"integer:1"}));
  sql.Must("insert into str values('b','1',null)");  // the refusal let go of the writer's place
}

TEST_F(Traps, KeysAndValuesAboveTheLimitAreTooBig) {
  Outcome out = sql.Run("insert into raw values(hex(zeroblob(40000)),'1')");
  EXPECT_EQ(out.code, SQLITE_TOOBIG);
  EXPECT_NE(out.message.find("80000 bytes, the limit is"), std::string::npos) << out.message;
  EXPECT_EQ(sql.Rows("select count(*) from raw where key=hex(zeroblob(40000))"), Strings({"integer:0"}));
  EXPECT_EQ(sql.Rows("select count(*) from raw where key in (hex(zeroblob(40000)),'a')"), Strings({"integer:0"}));
}

TEST(TrapsEncoding, Utf16DatabasesAreRefused) {
  TempDir dir;
  Connection sql;
  sql.Must("pragma encoding='UTF-16le'; create table x(y)");
  Outcome out = sql.Run(CreateTable("raw", "varve", dir.path("db")));
  EXPECT_NE(out.message.find("PRAGMA encoding is UTF-8"), std::string::npos) << out.message;
}

// Once the table is there the encoding cannot change any more.
TEST(TrapsEncoding, EncodingIsFixedByTheTable) {
  TempDir dir;
  Connection sql;
  sql.Must(CreateTable("raw", "varve", dir.path("db"), ",memory='8mb'"));
  sql.Must("pragma encoding='UTF-16le'; create table x(y); insert into raw values('\xc3\xa9','1')");
  EXPECT_EQ(sql.Rows("select hex(key) from raw where key='\xc3\xa9'"), Strings({"text:C3A9"}));
  EXPECT_EQ(sql.Rows("pragma encoding"), Strings({"text:UTF-8"}));
}

// A table stored in a file connects when the file is opened again, but makes no directory.
TEST(TrapsSchema, StoredTableConnectsAgain) {
  TempDir dir;
  std::string create = CreateTable("raw", "varve", dir.path("db"), ",memory='8mb'");
  create.replace(create.find("temp."), 5, "");
  {
    Connection sql(dir.path("file.sqlite"));
    sql.Must(create);
    sql.Must("insert into raw values('a','1')");
  }
  Connection again(dir.path("file.sqlite"));
  EXPECT_EQ(again.Rows("select * from raw"), Strings({"text:a|text:1"}));
}

}  // namespace
}  // namespace varve::sqlite_vtab
