// Redis strings as rows: what is visible, and that counters and expiry index (keyspace/record.h, K1 and K2) stay right.
#include "sqlite_vtab/strings.h"

#include <gtest/gtest.h>

#include <map>

#include "keyspace/keyspace.h"
#include "lsm/clock.h"
#include "sqlite_vtab/keyspace_format.h"
#include "tests/sqlite_vtab/harness.h"

namespace varve::sqlite_vtab {
namespace {

using Rows = std::vector<std::string>;

class RedisStrings : public testing::Test {
 protected:
  std::string Directory() const { return dir.path("db"); }
  std::string Create(const std::string& options = "") const {
    return CreateTable("str", "redis_strings", Directory(), ",memory='8mb'" + options);
  }
  // Works on the directory as the server would; nobody else may have it open.
  void AsServer(const std::function<void(keyspace::Keyspace&, lsm::Db&)>& work) {
    lsm::Options options;
    options.memory_budget = size_t{8} << 20;
    auto db = lsm::Db::Open(Directory(), options);
    ASSERT_TRUE(db.ok()) << db.status().ToString();
    auto keys = keyspace::Keyspace::Open(db->get(), {});
    ASSERT_TRUE(keys.ok()) << keys.status().ToString();
    work(**keys, **db);
    ASSERT_TRUE((*keys)->Commit(nullptr).ok());
  }
  // Recomputes K1 and K2 from the records.
  void CheckInvariants() {
    AsServer([](keyspace::Keyspace& keys, lsm::Db& db) {
      std::map<int, keyspace::Counters> counted;
      std::map<std::string, int> expected, found;
      std::string index;
      lsm::Iterator it = db.NewIterator({});
      for (it.SeekToFirst(); it.Valid(); it.Next()) {
        std::string_view key = it.key();
        if (key[0] == keyspace::kMetaTag) {
          int number = static_cast<unsigned char>(key[1]) << 8 | static_cast<unsigned char>(key[2]);
          keyspace::MetaRecord record;
          ASSERT_TRUE(keyspace::DecodeMetaRecord(it.value(), &record).ok());
          ++counted[number].keys;
          if (record.expire_ms == 0) continue;
          ++counted[number].expires;
          keyspace::EncodeExpiryKey(number, record.expire_ms, keyspace::NameOfMetaKey(key), &index);
          ++expected[index];
        } else if (key[0] == keyspace::kExpiryTag) {
          ++found[std::string(key)];
        }
      }
      EXPECT_EQ(expected, found);
      for (int number = 0; number < keyspace::kDatabaseCount; ++number) {
        EXPECT_EQ(keys.counters(number), counted[number]) << "database " << number;
      }
    });
  }

  TempDir dir;
  const uint64_t now = static_cast<uint64_t>(lsm::SystemClock()->WallMillis());
};

TEST_F(RedisStrings, ShowLiveStringsOfOneDatabaseInNameOrder) {
  AsServer([&](keyspace::Keyspace& keys, lsm::Db&) {
    ASSERT_TRUE(keys.Set(0, "user:2", "Bo").ok());
    ASSERT_TRUE(keys.Set(0, "user:1", "Ann").ok());
    ASSERT_TRUE(keys.Set(0, "gone", "x", now - 1).ok());
    ASSERT_TRUE(keys.Set(0, "later", "y", now + 1000 * 1000).ok());
    ASSERT_TRUE(keys.Put(0, "list", nullptr, keyspace::Type::kList, "whatever", 0).ok());
    ASSERT_TRUE(keys.Set(3, "user:1", "other").ok());
  });
  Connection sql;
  sql.Must(Create());
  EXPECT_EQ(sql.Rows("select key, value, ttl_ms is null from str"),
            Rows({"text:later|text:y|integer:0", "text:user:1|text:Ann|integer:1", "text:user:2|text:Bo|integer:1"}));
  EXPECT_EQ(sql.Rows("select key from str where key in ('gone','list','user:2') order by key"), Rows({"text:user:2"}));
  EXPECT_EQ(sql.Rows("select count(*) from str where key='gone' or key='list'"), Rows({"integer:0"}));
  EXPECT_EQ(sql.Rows("select key from str where key glob 'user:*' order by key desc limit 1"), Rows({"text:user:2"}));
  EXPECT_EQ(sql.Rows("select ttl_ms between 900000 and 1000000 from str where key='later'"), Rows({"integer:1"}));
  sql.Must(CreateTable("three", "redis_strings", Directory(), ",db=3"));
  EXPECT_EQ(sql.Rows("select key, value from three"), Rows({"text:user:1|text:other"}));
}

TEST_F(RedisStrings, WritesKeepCountersAndExpiryIndex) {
  AsServer([&](keyspace::Keyspace& keys, lsm::Db&) {
    ASSERT_TRUE(keys.Set(0, "a", "1").ok());
    ASSERT_TRUE(keys.Set(0, "gone", "x", now - 1).ok());
    ASSERT_TRUE(keys.Set(0, "stays gone", "x", now - 2).ok());
  });
  {
    Connection sql;
    sql.Must(Create());
    sql.Must("insert into str values('b','2',null),('c','3',60000),('gone','back',null)");
    sql.Must("insert or replace into str values('c','4',90000)");
    sql.Must("update str set ttl_ms=1000000 where key='a'");
    sql.Must("update str set key='moved' where key='a'");
    sql.Must("update str set ttl_ms=null where key='c'");
    sql.Must("delete from str where key='b'");
    sql.Must("begin; insert into str values('d','5',5000); savepoint s; delete from str; rollback to s; commit");
    sql.Must("begin; delete from str; rollback");
    EXPECT_EQ(sql.Rows("select key, value from str"),
              Rows({"text:c|text:4", "text:d|text:5", "text:gone|text:back", "text:moved|text:1"}));
  }
  CheckInvariants();
  AsServer([&](keyspace::Keyspace& keys, lsm::Db&) {
    keyspace::Entry entry;
    EXPECT_TRUE(*keys.Find(0, "moved", &entry));
    EXPECT_GT(entry.expire_ms, now + 900 * 1000);
    EXPECT_EQ(keys.counters(0).keys, 5);  // with the one that is expired and not yet deleted
  });
}

TEST_F(RedisStrings, FreshDirectoryBecomesAKeyspace) {
  {
    Connection sql;
    sql.Must(Create());
    sql.Must("insert into str(key, value) values('k','v')");
  }
  CheckInvariants();
  AsServer([](keyspace::Keyspace& keys, lsm::Db& db) {
    EXPECT_TRUE(*HasKeyspace(db));
    EXPECT_EQ(keys.counters(0).keys, 1);
  });
}

// An UPDATE that does not mention ttl_ms must not move the end of the key by a millisecond.
TEST_F(RedisStrings, UpdateOfTheValueKeepsTheExactExpiry) {
  const uint64_t when = now + 123456;
  AsServer([&](keyspace::Keyspace& keys, lsm::Db&) { ASSERT_TRUE(keys.Set(0, "k", "v", when).ok()); });
  {
    Connection sql;
    sql.Must(Create());
    sql.Must("update str set value=value||'2'");
    sql.Must("create table f(k text, v text); insert into f values('k','3')");
    sql.Must("update str set value=value||v from f where key=k");  // FROM hands over the ttl of the same moment
  }
  AsServer([&](keyspace::Keyspace& keys, lsm::Db&) {
    keyspace::Entry entry;
    ASSERT_TRUE(*keys.Find(0, "k", &entry));
    EXPECT_EQ(entry.value, "v23");
    EXPECT_EQ(entry.expire_ms, when);
  });
}

TEST_F(RedisStrings, OtherTypesAreNeverOverwritten) {
  AsServer([&](keyspace::Keyspace& keys, lsm::Db&) {
    ASSERT_TRUE(keys.Put(0, "list", nullptr, keyspace::Type::kList, "items", 0).ok());
    ASSERT_TRUE(keys.Set(0, "s", "1").ok());
  });
  Connection sql;
  sql.Must(Create());
  for (const char* statement : {"insert into str values('list','x',null)", "replace into str values('list','x',null)",
                                "update str set key='list' where key='s'"}) {
    Outcome out = sql.Run(statement);
    EXPECT_EQ(out.code, SQLITE_CONSTRAINT_DATATYPE) << statement;
    EXPECT_NE(out.message.find("WRONGTYPE str: key 'list' holds a list"), std::string::npos) << out.message;
  }
  sql.Must("insert or ignore into str values('list','x',null)");
  EXPECT_EQ(sqlite3_changes(sql.get()), 0);
}

TEST_F(RedisStrings, TtlIsAPositiveInteger) {
  Connection sql;
  sql.Must(Create());
  Outcome zero = sql.Run("insert into str values('k','v',0)");
  EXPECT_EQ(zero.code, SQLITE_CONSTRAINT_CHECK);
  EXPECT_EQ(zero.message, "CHECK constraint failed: ttl_ms > 0");
  Outcome text = sql.Run("insert into str values('k','v','soon')");
  EXPECT_EQ(text.code, SQLITE_CONSTRAINT_DATATYPE);
  EXPECT_EQ(text.message, "cannot store TEXT value in INTEGER column str.ttl_ms");
  EXPECT_EQ(sql.Run("insert into str values('k','v','1.5')").message,
            "cannot store REAL value in INTEGER column str.ttl_ms");
  sql.Must("insert into str values('k','v','60000'),('l','v',60000.0),('m','v',9223372036854775807)");
  EXPECT_EQ(sql.Rows("select count(*), typeof(max(ttl_ms)) from str"), Rows({"integer:3|text:integer"}));
}

TEST_F(RedisStrings, ValuesOfAnyBytesComeBackAsBlobs) {
  AsServer([&](keyspace::Keyspace& keys, lsm::Db&) {
    ASSERT_TRUE(keys.Set(0, std::string_view("\xff\0", 2), std::string_view("\0\xfe", 2)).ok());
  });
  Connection sql;
  sql.Must(Create(",key=BLOB,value=BLOB"));
  EXPECT_EQ(sql.Rows("select key, value from str"), Rows({"blob:ff00|blob:00fe"}));
}

TEST_F(RedisStrings, SwappedDatabasesAreReadAndWrittenWhereTheyLie) {
  AsServer([&](keyspace::Keyspace& keys, lsm::Db&) {
    ASSERT_TRUE(keys.Set(0, "zero", "0").ok());
    ASSERT_TRUE(keys.Set(3, "three", "3", now + 100'000).ok());
    ASSERT_TRUE(keys.SwapDatabases(0, 3).ok());
  });
  {
    Connection sql;
    sql.Must(Create());
    sql.Must(CreateTable("str3", "redis_strings", Directory(), ",memory='8mb',db=3"));
    EXPECT_EQ(sql.Rows("select key from str"), Rows({"text:three"}));
    EXPECT_EQ(sql.Rows("select key from str3"), Rows({"text:zero"}));
    sql.Must(
        "begin; insert into str values('a','1',null),('b','2',90000); insert into str3 values('a','4',null); commit");
    sql.Must("delete from str3 where key = 'zero'");
    sql.Must("update str set ttl_ms = null where key = 'three'");
    EXPECT_EQ(sql.Rows("select key, value from str"), Rows({"text:a|text:1", "text:b|text:2", "text:three|text:3"}));
  }
  AsServer([&](keyspace::Keyspace& keys, lsm::Db&) {
    keyspace::Entry entry;
    EXPECT_TRUE(keys.Find(0, "b", &entry).value_or(false));
    EXPECT_TRUE(keys.Find(3, "a", &entry).value_or(false));
    EXPECT_EQ(entry.value, "4");
    EXPECT_EQ(keys.counters(0), (keyspace::Counters{.keys = 3, .expires = 1}));
    EXPECT_EQ(keys.counters(3), (keyspace::Counters{.keys = 1, .expires = 0}));
    ASSERT_TRUE(keys.SwapDatabases(3, 0).ok());
  });
  CheckInvariants();
}

TEST_F(RedisStrings, ADamagedOrderOfDatabasesIsCorruption) {
  AsServer([&](keyspace::Keyspace& keys, lsm::Db&) {
    ASSERT_TRUE(keys.Set(0, "a", "1").ok());
    ASSERT_TRUE(keys.SwapDatabases(0, 1).ok());
  });
  {
    lsm::Options options;
    options.memory_budget = size_t{8} << 20;
    ASSERT_TRUE((*lsm::Db::Open(Directory(), options))->Put({}, "o", "short").ok());
  }
  Connection sql;
  sql.Must(Create());
  EXPECT_EQ(sql.Run("select * from str").code & 0xff, SQLITE_CORRUPT);
  EXPECT_EQ(sql.Run("insert into str values('b','2',null)").code & 0xff, SQLITE_CORRUPT);
}

// A directory of a newer format is not touched.
TEST_F(RedisStrings, NewerFormatIsRefused) {
  {
    lsm::Options options;
    options.memory_budget = size_t{8} << 20;
    auto db = lsm::Db::Open(Directory(), options);
    ASSERT_TRUE((*db)->Put({}, "v", std::string_view("\x09\0\0\0", 4)).ok());
  }
  Connection sql;
  Outcome out = sql.Run(Create());
  EXPECT_EQ(out.code, SQLITE_NOTADB);
  EXPECT_NE(out.message.find("use a newer varve.so"), std::string::npos) << out.message;
}

TEST_F(RedisStrings, DamagedRecordIsCorruptionNotARow) {
  AsServer([&](keyspace::Keyspace& keys, lsm::Db&) { ASSERT_TRUE(keys.Set(0, "a", "1").ok()); });
  {
    lsm::Options options;
    options.memory_budget = size_t{8} << 20;
    auto db = lsm::Db::Open(Directory(), options);
    std::string key;
    keyspace::EncodeMetaKey(0, "bad", &key);
    ASSERT_TRUE((*db)->Put({}, key, "\x01").ok());
  }
  Connection sql;
  sql.Must(Create());
  Outcome out = sql.Run("select * from str");
  EXPECT_EQ(out.code & 0xff, SQLITE_CORRUPT);
  EXPECT_NE(out.message.find("varve check"), std::string::npos) << out.message;
  EXPECT_EQ(sql.Rows("select value from str where key='a'"), Rows({"text:1"}));
}

}  // namespace
}  // namespace varve::sqlite_vtab
