// What the replayed comparison with redis-server (testdata/compare.txt) cannot show: time, other clients, the process.
#include "resp/commands/handlers.h"
#include "tests/resp/harness.h"

namespace varve::resp {
namespace {

TEST_F(DispatcherTest, StringsRoundTrip) {
  EXPECT_EQ(Run(session_, {"SET", "k", std::string("\0\r\n", 3)}), "+OK\r\n");
  EXPECT_EQ(Do("GET k"), std::string("$3\r\n\0\r\n\r\n", 9));
  Commit();
  EXPECT_EQ(Do("GET k"), std::string("$3\r\n\0\r\n\r\n", 9));
  EXPECT_EQ(Do("SET k new GET"), std::string("$3\r\n\0\r\n\r\n", 9));
  EXPECT_EQ(Do("GETDEL k"), "$3\r\nnew\r\n");
  EXPECT_EQ(Do("GET k"), "$-1\r\n");
}

TEST_F(DispatcherTest, LargeValuesRoundTrip) {
  const std::string value(10 << 20, 'v');
  EXPECT_EQ(Run(session_, {"SET", "k", value}), "+OK\r\n");
  Commit();
  EXPECT_EQ(Do("GET k").size(), value.size() + 13);
  EXPECT_EQ(Run(session_, {"APPEND", "k", "x"}), ":10485761\r\n");
  EXPECT_EQ(Do("GETRANGE k -3 -1"), "$3\r\nvvx\r\n");
}

TEST_F(DispatcherTest, KeysThatAreTooLongAreRefused) {
  const std::string name(65537, 'k');
  const std::string error = "-ERR key is longer than 65536 bytes\r\n";
  EXPECT_EQ(Run(session_, {"SET", name, "v"}), error);
  EXPECT_EQ(Run(session_, {"APPEND", name, "v"}), error);
  EXPECT_EQ(Run(session_, {"INCR", name}), error);
  EXPECT_EQ(Run(session_, {"MSET", "a", "1", name, "v"}), error);
  EXPECT_EQ(Do("GET a"), "$-1\r\n");
  EXPECT_EQ(Run(session_, {"GET", name}), "$-1\r\n");
  EXPECT_EQ(Run(session_, {"DEL", name}), ":0\r\n");
  Do("SET a 1");
  EXPECT_EQ(Run(session_, {"RENAME", "a", name}), error);
  EXPECT_EQ(Run(session_, {"COPY", "a", name}), error);
  EXPECT_EQ(Do("GET a"), "$1\r\n1\r\n");
}

TEST_F(DispatcherTest, TimesToLiveFollowTheClock) {
  EXPECT_EQ(Do("SET a 1 EX 10"), "+OK\r\n");
  clock_.now_ms += 4'000;
  EXPECT_EQ(Do("TTL a"), ":6\r\n");
  EXPECT_EQ(Do("PTTL a"), ":6000\r\n");
  clock_.now_ms += 5'501;
  EXPECT_EQ(Do("TTL a"), ":0\r\n");
  EXPECT_EQ(Do("PEXPIRE a 2000"), ":1\r\n");
  clock_.now_ms += 1'999;
  EXPECT_EQ(Do("GET a"), "$1\r\n1\r\n");
  clock_.now_ms += 1;
  EXPECT_EQ(Do("EXISTS a"), ":0\r\n");
  EXPECT_EQ(Do("TTL a"), ":-2\r\n");
  EXPECT_EQ(Do("DBSIZE"), ":0\r\n");
}

TEST_F(DispatcherTest, ExpiredKeysAreAsIfNeverThere) {
  Do("SET a 1 PX 10");
  Do("SET b 1 PX 10");
  Do("SET c 1 PX 10");
  clock_.now_ms += 10;
  EXPECT_EQ(Do("SET a 2 XX"), "$-1\r\n");
  EXPECT_EQ(Do("SETNX b 2"), ":1\r\n");
  EXPECT_EQ(Do("TTL b"), ":-1\r\n");
  EXPECT_EQ(Do("APPEND c x"), ":1\r\n");
  EXPECT_EQ(Do("RENAME a z"), "-ERR no such key\r\n");
  EXPECT_EQ(Do("KEYS *"), "*2\r\n$1\r\nb\r\n$1\r\nc\r\n");
}

TEST_F(DispatcherTest, ScanGoesOnFromItsCursor) {
  for (int i = 0; i < 25; i++) Do("SET key:" + std::to_string(100 + i) + " v");
  const std::string first = Do("SCAN 0 COUNT 10");
  ASSERT_TRUE(first.starts_with("*2\r\n$"));
  const size_t line = first.find("\r\n", 4) + 2;
  const std::string cursor = first.substr(line, first.find("\r\n", line) - line);
  EXPECT_NE(cursor, "0");
  EXPECT_NE(first.find("*10\r\n"), std::string::npos);
  const std::string second = Do("SCAN " + cursor + " COUNT 100");
  EXPECT_TRUE(second.starts_with("*2\r\n$1\r\n0\r\n*15\r\n$7\r\nkey:110\r\n")) << second;
  EXPECT_EQ(Do("SCAN 999 COUNT 10"), "-ERR invalid cursor\r\n");
}

// As Redis reads numbers. One that was never handed out, or has been dropped, is an error here: Redis would go on at
// some place, and the names in between be missing from what the client believes to be everything.
TEST_F(DispatcherTest, CursorsAreNumbersThatWereHandedOut) {
  Do("SET a v");
  for (const char* text : {"0", "+0", "00", "-0", ""}) {
    EXPECT_EQ(Run(session_, {"SCAN", text}), "*2\r\n$1\r\n0\r\n*1\r\n$1\r\na\r\n") << text;
  }
  for (const char* text :
       {"abc", " 0", "0 ", "0x10", "1.5", "18446744073709551616", "1", "-1", "18446744073709551615"}) {
    EXPECT_EQ(Run(session_, {"SCAN", text}), "-ERR invalid cursor\r\n") << text;
  }
}

TEST_F(DispatcherTest, HelloSwitchesTheProtocol) {
  EXPECT_TRUE(Do("HELLO 3").starts_with("%7\r\n$6\r\nserver\r\n$5\r\nredis\r\n$7\r\nversion\r\n$6\r\n7.0.15\r\n"));
  EXPECT_EQ(Do("GET none"), "_\r\n");
  EXPECT_EQ(Do("CONFIG GET databases"), "%1\r\n$9\r\ndatabases\r\n$2\r\n16\r\n");
  EXPECT_TRUE(Do("HELLO 2").starts_with("*14\r\n"));
  EXPECT_EQ(Do("GET none"), "$-1\r\n");
}

TEST_F(DispatcherTest, ClientListNamesEveryClient) {
  Do("CLIENT SETNAME me");
  Do("CLIENT SETINFO LIB-NAME lib");
  Do("CLIENT SETINFO lib-ver 1.2");
  EXPECT_EQ(Do("CLIENT SETINFO lib-foo 1"), "-ERR Unrecognized option 'lib-foo'\r\n");
  EXPECT_EQ(Run(session_, {"CLIENT", "SETINFO", "lib-name", "a b"}),
            "-ERR lib-name cannot contain spaces, newlines or special characters.\r\n");
  const std::string list = Do("CLIENT LIST");
  EXPECT_NE(list.find("id=1 addr=127.0.0.1:1000 "), std::string::npos) << list;
  EXPECT_NE(list.find(" name=me "), std::string::npos);
  EXPECT_NE(list.find(" lib-name=lib lib-ver=1.2\n"), std::string::npos);
  EXPECT_NE(list.find("id=2 addr=127.0.0.1:2000 "), std::string::npos);
  EXPECT_EQ(Do("CLIENT LIST ID 2").find("id=1 "), std::string::npos);
  EXPECT_EQ(Do("CLIENT INFO").find("id=2 "), std::string::npos);
  EXPECT_EQ(Do("CLIENT NO-TOUCH on"), "+OK\r\n");
  EXPECT_NE(Do("CLIENT INFO").find(" flags=T "), std::string::npos);
}

TEST_F(DispatcherTest, ClientKillFindsItsVictims) {
  EXPECT_EQ(Do("CLIENT KILL 127.0.0.1:2000"), "+OK\r\n");
  EXPECT_EQ(server_.killed, std::vector<uint64_t>{2});
  EXPECT_EQ(Do("CLIENT KILL TYPE normal"), ":1\r\n");  // skips the caller
  EXPECT_FALSE(session_.close_after_reply);
  EXPECT_EQ(Do("CLIENT KILL ID 1 SKIPME no"), ":1\r\n");
  EXPECT_TRUE(session_.close_after_reply);
}

TEST_F(DispatcherTest, ConfigSetIsAllOrNothing) {
  EXPECT_EQ(Do("CONFIG SET timeout 7 maxclients 8"), "+OK\r\n");
  EXPECT_EQ(server_.applied, (std::vector<std::string>{"timeout", "maxclients"}));
  server_.refuse = "maxclients";
  EXPECT_EQ(Do("CONFIG SET timeout 1 maxclients 2"),
            "-ERR CONFIG SET failed (possibly related to argument 'maxclients') - cannot be applied\r\n");
  EXPECT_EQ(config_.timeout_seconds, 7);
  EXPECT_EQ(config_.maxclients, 8);
  EXPECT_TRUE(Do("CONFIG SET save 5").starts_with("-ERR CONFIG SET failed (possibly related to argument 'save') - "));
  EXPECT_TRUE(Do("CONFIG SET hash-max-listpack-entries 1 hash-max-ziplist-entries 2 list-compress-depth x")
                  .starts_with("-ERR CONFIG SET failed (possibly related to argument 'list-compress-depth') - "));
  EXPECT_EQ(config_.Get("hash-max-listpack-entries"), "512");
}

TEST_F(DispatcherTest, WritesWaitForReplicasThatNeverCome) {
  Do("SET a 1");
  Do("MULTI");
  EXPECT_EQ(Do("SET a 2"), "+QUEUED\r\n");
  EXPECT_EQ(DoOther("CONFIG SET min-replicas-to-write 1"), "+OK\r\n");
  EXPECT_EQ(Do("EXEC"),
            "-EXECABORT Transaction discarded because of: NOREPLICAS Not enough good replicas to write.\r\n");
  EXPECT_EQ(Do("SET a 2"), "-NOREPLICAS Not enough good replicas to write.\r\n");
  EXPECT_EQ(Do("GET a"), "$1\r\n1\r\n");
  Do("MULTI");
  EXPECT_EQ(Do("GET a"), "+QUEUED\r\n");
  EXPECT_EQ(Do("EXEC"), "*1\r\n$1\r\n1\r\n") << "reads alone need no replica";
  Do("CONFIG SET min-replicas-max-lag 0");
  EXPECT_EQ(Do("SET a 2"), "+OK\r\n");
}

TEST_F(DispatcherTest, InfoHasWhatToolsLookFor) {
  Do("SET a 1 EX 10");
  Do("SET b 1");
  DoOther("SELECT 3");
  DoOther("SET c 1");
  const std::string info = Do("INFO");
  for (std::string_view field :
       {"redis_version:7.0.15", "loading:0", "used_memory:", "connected_clients:2", "blocked_clients:0",
        "total_commands_processed:", "total_connections_received:", "rdb_bgsave_in_progress:0",
        "aof_rewrite_in_progress:0", "expired_keys:0", "keyspace_hits:", "role:master", "cluster_enabled:0",
        "db0:keys=2,expires=1,avg_ttl=10000", "db3:keys=1,expires=0,avg_ttl=0",
        "redis_git_sha1:", "total_error_replies:"}) {
    EXPECT_NE(info.find("\r\n" + std::string(field)), std::string::npos) << field;
  }
  EXPECT_EQ(info.find("cmdstat_"), std::string::npos);
  EXPECT_NE(Do("INFO commandstats").find("cmdstat_set:calls=3,"), std::string::npos);
  EXPECT_EQ(Do("INFO nosuch"), "$0\r\n\r\n");
  EXPECT_EQ(info.find("Latencystats"), std::string::npos) << "asked for by name only";
  Do("CONFIG SET latency-tracking-info-percentiles 50.0");
  EXPECT_NE(Do("INFO latencystats").find("latency_percentiles_usec_set:p50=10.047\r\n"), std::string::npos)
      << Do("INFO latencystats");
  EXPECT_EQ(info.find("min_slaves_good_slaves"), std::string::npos);
  Do("CONFIG SET min-replicas-to-write 1 hz 50");
  EXPECT_NE(Do("INFO replication").find("min_slaves_good_slaves:0\r\n"), std::string::npos);
  EXPECT_NE(Do("INFO server").find("configured_hz:50\r\n"), std::string::npos);
  EXPECT_NE(Do("INFO server clients").find("# Clients"), std::string::npos);
}

TEST_F(DispatcherTest, SavesAndShutsDownThroughTheServer) {
  EXPECT_EQ(Do("BGSAVE"), "+Background saving started\r\n");
  EXPECT_EQ(Do("BGSAVE SCHEDULE"), "-ERR Background save already in progress\r\n");
  EXPECT_EQ(Do("SHUTDOWN NOSAVE NOW"), "");
  EXPECT_EQ(server_.shutdown, "2n");
  EXPECT_EQ(Do("SHUTDOWN ABORT"), "-ERR No shutdown in progress.\r\n");
}

TEST_F(DispatcherTest, DamagedRecordsSayCorrupt) {
  ASSERT_TRUE(db_->Put({}, std::string("m\0\0bad", 6), "\x09").ok());
  EXPECT_TRUE(Do("GET bad").starts_with("-CORRUPT "));
  EXPECT_TRUE(Do("MGET none bad none").starts_with("-CORRUPT "));
  EXPECT_TRUE(Do("KEYS *").starts_with("-CORRUPT "));
  EXPECT_TRUE(Do("SCAN 0").starts_with("-CORRUPT "));
  EXPECT_EQ(Do("SET good 1"), "+OK\r\n");
  EXPECT_EQ(Do("GET good"), "$1\r\n1\r\n");
}

// Types other than strings come later; what is there of them must not be mistaken for a string.
TEST_F(DispatcherTest, OtherTypesAreTheWrongType) {
  ASSERT_TRUE(keys_->Put(0, "h", nullptr, keyspace::Type::kHash, "?", 0).ok());
  const std::string error = "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n";
  for (const char* line : {"GET h", "GETSET h 1", "GETDEL h", "GETEX h", "APPEND h x", "STRLEN h", "GETRANGE h 0 1",
                           "SETRANGE h 0 x", "INCR h", "INCRBYFLOAT h 1", "SET h 1 GET"}) {
    EXPECT_EQ(Do(line), error) << line;
  }
  EXPECT_EQ(Do("MGET h"), "*1\r\n$-1\r\n");
  EXPECT_EQ(Do("TYPE h"), "+hash\r\n");
  EXPECT_EQ(Do("EXPIRE h 100"), ":1\r\n");
  EXPECT_EQ(Do("TYPE h"), "+hash\r\n");
  EXPECT_EQ(Do("SET h 1"), "+OK\r\n");
  EXPECT_EQ(Do("TYPE h"), "+string\r\n");
}

// Its fields and their order are redis-server 7.0.15's, but for what is measured.
TEST_F(DispatcherTest, MemoryAnswersForTheWholeServer) {
  EXPECT_NE(Do("MEMORY DOCTOR").find("too little memory"), std::string::npos);
  server_.used_memory_bytes = 100 << 20;
  server_.rss_bytes = 110 << 20;
  EXPECT_NE(Do("MEMORY DOCTOR").find("Nothing stands out"), std::string::npos);
  server_.rss_bytes = 200 << 20;
  EXPECT_NE(Do("MEMORY DOCTOR").find("fragmentation"), std::string::npos);
  EXPECT_EQ(Do("MEMORY MALLOC-STATS"), "$8\r\na report\r\n");
  EXPECT_EQ(Do("MEMORY PURGE"), "+OK\r\n");
  EXPECT_EQ(server_.purges, 1);
  Do("SET a 1");
  Do("HELLO 3");
  const std::string stats = Do("MEMORY STATS");
  EXPECT_TRUE(stats.starts_with("%28\r\n$14\r\npeak.allocated\r\n:104857600\r\n")) << stats;
  EXPECT_NE(stats.find("$4\r\ndb.0\r\n%3\r\n$23\r\noverhead.hashtable.main\r\n:0\r\n"), std::string::npos);
  EXPECT_NE(stats.find("$10\r\nkeys.count\r\n:1\r\n"), std::string::npos);
  EXPECT_NE(stats.find("$13\r\nfragmentation\r\n,2\r\n"), std::string::npos) << stats;
}

TEST_F(DispatcherTest, WaitEndsWithItsTimeOrByHand) {
  EXPECT_EQ(Do("WAIT 0 0"), ":0\r\n");
  EXPECT_EQ(Do("WAIT x 0"), "-ERR value is not an integer or out of range\r\n");
  EXPECT_EQ(Do("WAIT 1 x"), "-ERR timeout is not an integer or out of range\r\n");
  EXPECT_EQ(Do("WAIT 1 -1"), "-ERR timeout is negative\r\n");
  EXPECT_EQ(Do("WAIT 1 1000"), "");
  EXPECT_TRUE(last_.parked);
  EXPECT_FALSE(dispatcher_->MayUnpark(session_));
  EXPECT_EQ(dispatcher_->stats_of(*FindCommand("wait")).calls, 4u);
  clock_.monotonic_us += 1'000'000;
  EXPECT_TRUE(dispatcher_->MayUnpark(session_));
  EXPECT_EQ(Do("WAIT 1 1000"), ":0\r\n");
  EXPECT_FALSE(last_.parked);

  EXPECT_EQ(Do("WAIT 1 0"), "") << "for ever";
  clock_.monotonic_us += uint64_t{1} << 50;
  EXPECT_FALSE(dispatcher_->MayUnpark(session_));
  EXPECT_EQ(DoOther("CLIENT UNBLOCK 1"), ":1\r\n");
  EXPECT_TRUE(dispatcher_->MayUnpark(session_));
  EXPECT_EQ(Do("WAIT 1 0"), ":0\r\n");
  EXPECT_EQ(DoOther("CLIENT UNBLOCK 1"), ":0\r\n");
  EXPECT_EQ(Do("WAIT 1 0"), "");
  EXPECT_EQ(DoOther("CLIENT UNBLOCK 1 ERROR"), ":1\r\n");
  EXPECT_EQ(Do("WAIT 1 0"), "-UNBLOCKED client unblocked via CLIENT UNBLOCK\r\n");

  Do("MULTI");
  Do("WAIT 1 0");
  EXPECT_EQ(Do("EXEC"), "*1\r\n:0\r\n") << "a transaction waits for nobody";
}

TEST_F(DispatcherTest, RoleAndArt) {
  EXPECT_EQ(Do("ROLE"), "*3\r\n$6\r\nmaster\r\n:0\r\n*0\r\n");
  EXPECT_NE(Do("LOLWUT").find("\nRedis ver. 7.0.15\n"), std::string::npos);
  EXPECT_NE(Do("LOLWUT VERSION 5 10").find("Redis ver."), std::string::npos);
  EXPECT_EQ(Do("LOLWUT VERSION x"), "-ERR value is not an integer or out of range\r\n");
}

}  // namespace
}  // namespace varve::resp
