// tests/net/disk_reads_test.cc - requests whose records are on the disk: they wait, everybody else does not, and what
// they had done before is done once.
#include <gtest/gtest.h>

#include <string>
#include <thread>
#include <vector>

#include "lsm/io/memory_file_system.h"
#include "tests/net/gated_server.h"

namespace varve::net {
namespace {

class DiskReadsTest : public ServerTest {
 protected:
  void SetUp() override {
    Start("everysec");
    RawClient client(port());
    for (const char* name : {"near", "far", "farther"}) ASSERT_EQ(client.Ask({"SET", name, name}), "+OK\r\n");
    db_->Cool("far");
    db_->Cool("farther");
  }
  void WaitForReads(size_t count) {
    while (db_->reading() < count) std::this_thread::yield();
  }
};

TEST_F(DiskReadsTest, NobodyElseWaits) {
  RawClient waiting(port()), witness(port());
  ASSERT_TRUE(waiting.Send(Request({"GET", "near"}) + Request({"GET", "far"}) + Request({"GET", "near"}) +
                           Request({"GET", "farther"}) + Request({"PING"})));
  WaitForReads(1);
  EXPECT_EQ(waiting.ReadReply(), "$4\r\nnear\r\n");
  for (int i = 0; i < 100; ++i) ASSERT_EQ(witness.Ask({"GET", "near"}), "$4\r\nnear\r\n");
  EXPECT_TRUE(waiting.Silent()) << "nothing overtakes the read";
  db_->EndReads();
  EXPECT_EQ(waiting.ReadReply(), "$3\r\nfar\r\n");
  EXPECT_EQ(waiting.ReadReply(), "$4\r\nnear\r\n");
  WaitForReads(1);
  EXPECT_TRUE(waiting.Silent());
  db_->EndReads();
  EXPECT_EQ(waiting.ReadReply(), "$7\r\nfarther\r\n");
  EXPECT_EQ(waiting.ReadReply(), "+PONG\r\n");
  EXPECT_EQ(db_->reads(), 2u);
  EXPECT_EQ(db_->waits(), 0u) << "the loop never waited";
}

// What was looked ahead at is not looked at again by every request that had to wait.
TEST_F(DiskReadsTest, APipelineThatStopsIsLookedAheadAtOnce) {
  RawClient client(port());
  ASSERT_EQ(client.Ask({"PING"}), "+PONG\r\n");
  const uint64_t before = db_->prefetched();
  const std::string pipeline =
      Request({"GET", "far"}) + Request({"GET", "near"}) + Request({"GET", "farther"}) + Request({"GET", "near"});
  ASSERT_TRUE(client.Send(pipeline));
  for (const char* wanted : {"far", "near", "farther", "near"}) {
    if (wanted[0] == 'f') {
      WaitForReads(1);
      db_->EndReads();
    }
    const std::string value = wanted;
    ASSERT_EQ(client.ReadReply(), "$" + std::to_string(value.size()) + "\r\n" + value + "\r\n");
  }
  EXPECT_EQ(db_->prefetched() - before, 4u);
  ASSERT_TRUE(client.Send(pipeline));
  for (int i = 0; i < 4; ++i) ASSERT_EQ(client.ReadReply()[0], '$');
  EXPECT_EQ(db_->prefetched() - before, 8u) << "the next one is";
}

TEST_F(DiskReadsTest, AWriteThatMustLookWaitsAndIsDoneOnce) {
  RawClient writer(port()), witness(port());
  ASSERT_TRUE(writer.Send(Request({"APPEND", "far", "!"}) + Request({"SET", "near", "later"})));
  WaitForReads(1);
  EXPECT_EQ(witness.Ask({"GET", "near"}), "$4\r\nnear\r\n");
  db_->EndReads();
  EXPECT_EQ(writer.ReadReply(), ":4\r\n");
  EXPECT_EQ(writer.ReadReply(), "+OK\r\n");
  EXPECT_EQ(witness.Ask({"GET", "far"}), "$4\r\nfar!\r\n");
  EXPECT_EQ(db_->waits(), 0u);
}

// What it did to the first key is taken back, and then done with the others.
TEST_F(DiskReadsTest, OfManyKeysAllOrNoneAreChanged) {
  RawClient writer(port()), witness(port());
  ASSERT_EQ(witness.Ask({"CONFIG", "SET", "notify-keyspace-events", "Eg"}), "+OK\r\n");
  RawClient listener(port());
  ASSERT_EQ(listener.Ask({"SUBSCRIBE", "__keyevent@0__:del"}).substr(0, 4), "*3\r\n");
  // Of keys with a time to live more must be known than that they are there.
  for (const std::string name : {"brief", "briefer"}) {
    ASSERT_EQ(witness.Ask({"SET", name, "v", "PX", "1000000"}), "+OK\r\n");
    db_->Cool(name);
  }
  ASSERT_TRUE(writer.Send(Request({"DEL", "near", "brief", "none", "briefer"})));
  WaitForReads(2);
  EXPECT_EQ(witness.Ask({"GET", "near"}), "$4\r\nnear\r\n");
  EXPECT_EQ(witness.Ask({"DBSIZE"}), ":5\r\n");
  EXPECT_TRUE(listener.Silent());
  db_->EndReads();
  EXPECT_EQ(writer.ReadReply(), ":3\r\n");
  EXPECT_EQ(witness.Ask({"DBSIZE"}), ":2\r\n");
  for (const std::string name : {"near", "brief", "briefer"}) {
    EXPECT_EQ(listener.ReadReply(), "*3\r\n$7\r\nmessage\r\n$18\r\n__keyevent@0__:del\r\n$" +
                                        std::to_string(name.size()) + "\r\n" + name + "\r\n");
  }
  EXPECT_EQ(db_->reads(), 2u);
  EXPECT_EQ(db_->waits(), 0u);
}

TEST_F(DiskReadsTest, ATransactionWaitsWhole) {
  RawClient writer(port()), witness(port());
  std::string requests = Request({"MULTI"});
  requests += Request({"SET", "near", "new"}) + Request({"GET", "far"}) + Request({"SELECT", "1"}) +
              Request({"GET", "farther"}) + Request({"SELECT", "0"}) + Request({"INCR", "count"});
  ASSERT_TRUE(writer.Send(requests + Request({"EXEC"}) + Request({"GET", "count"})));
  WaitForReads(2);
  EXPECT_EQ(witness.Ask({"GET", "near"}), "$4\r\nnear\r\n");
  db_->EndReads();
  EXPECT_EQ(writer.ReadReply(), "+OK\r\n");
  for (int i = 0; i < 6; ++i) EXPECT_EQ(writer.ReadReply(), "+QUEUED\r\n");
  EXPECT_EQ(writer.ReadReply(), "*6\r\n+OK\r\n$3\r\nfar\r\n+OK\r\n$-1\r\n+OK\r\n:1\r\n");
  EXPECT_EQ(writer.ReadReply(), "$1\r\n1\r\n");
  EXPECT_EQ(db_->waits(), 0u);
}

TEST_F(DiskReadsTest, AWatchedKeyIsReadBefore) {
  RawClient client(port()), witness(port());
  ASSERT_TRUE(client.Send(Request({"WATCH", "near", "far"})));
  WaitForReads(1);
  EXPECT_EQ(witness.Ask({"SET", "far", "changed before"}).substr(0, 3), "+OK");
  db_->EndReads();
  EXPECT_EQ(client.ReadReply(), "+OK\r\n");
  EXPECT_EQ(client.Ask({"MULTI"}), "+OK\r\n");
  EXPECT_EQ(client.Ask({"PING"}), "+QUEUED\r\n");
  EXPECT_EQ(client.Ask({"EXEC"}), "*1\r\n+PONG\r\n") << "watched since the reply, not since the request";
  EXPECT_EQ(db_->waits(), 0u);
}

TEST_F(DiskReadsTest, AThousandRecordsAreReadTogetherAndOthersGetTheirTurn) {
  RawClient loader(port());
  std::string request = "*1001\r\n$4\r\nMGET\r\n";
  std::string wanted = "*1000\r\n";
  for (int i = 0; i < 1000; ++i) {
    const std::string name = "key" + std::to_string(1000 + i);
    ASSERT_EQ(loader.Ask({"SET", name, name}), "+OK\r\n");
    request += "$7\r\n" + name + "\r\n";
    wanted += "$7\r\n" + name + "\r\n";
    db_->Cool(name);
  }
  RawClient many(port()), one(port());
  ASSERT_TRUE(many.Send(request));
  WaitForReads(256);
  ASSERT_TRUE(one.Send(Request({"GET", "far"})));
  ASSERT_EQ(loader.Ask({"PING"}), "+PONG\r\n");
  EXPECT_EQ(db_->reading(), 256u) << "no more at once";
  db_->EndReads();
  WaitForReads(256);
  db_->EndReads();
  EXPECT_EQ(one.ReadReply(), "$3\r\nfar\r\n") << "it was among the next";
  while (many.Silent()) {
    db_->EndReads();
    std::this_thread::yield();
  }
  EXPECT_EQ(many.ReadReply(), wanted);
  EXPECT_EQ(db_->reads(), 1001u) << "each record once";
  EXPECT_EQ(db_->waits(), 0u);
}

TEST_F(DiskReadsTest, CountsAndTellsOnce) {
  RawClient client(port()), listener(port());
  ASSERT_EQ(client.Ask({"DEL", "near"}), ":1\r\n");
  ASSERT_EQ(client.Ask({"CONFIG", "SET", "notify-keyspace-events", "Em"}), "+OK\r\n");
  ASSERT_EQ(client.Ask({"CONFIG", "RESETSTAT"}), "+OK\r\n");
  ASSERT_EQ(listener.Ask({"SUBSCRIBE", "__keyevent@0__:keymiss"}).substr(0, 4), "*3\r\n");
  ASSERT_TRUE(client.Send(Request({"MGET", "near", "far"})));
  WaitForReads(1);
  db_->EndReads();
  EXPECT_EQ(client.ReadReply(), "*2\r\n$-1\r\n$3\r\nfar\r\n");
  const std::string stats = client.Ask({"INFO", "stats", "commandstats"});
  EXPECT_NE(stats.find("keyspace_hits:1\r\nkeyspace_misses:1\r\n"), std::string::npos) << stats;
  EXPECT_NE(stats.find("cmdstat_mget:calls=1,"), std::string::npos) << stats;
  EXPECT_EQ(listener.ReadReply(), "*3\r\n$7\r\nmessage\r\n$22\r\n__keyevent@0__:keymiss\r\n$4\r\nnear\r\n");
  EXPECT_EQ(client.Ask({"PING"}), "+PONG\r\n");
  EXPECT_TRUE(listener.Silent());
}

TEST_F(DiskReadsTest, AReadThatCannotBeHadIsWaitedFor) {
  db_->RefuseReads(true);
  RawClient client(port());
  EXPECT_EQ(client.Ask({"GET", "far"}), "$3\r\nfar\r\n");
  EXPECT_EQ(db_->waits(), 1u);
  EXPECT_EQ(client.Ask({"MGET", "far", "farther"}), "*2\r\n$3\r\nfar\r\n$7\r\nfarther\r\n");
}

TEST_F(DiskReadsTest, AClientThatGoesAwayMeanwhileIsForgotten) {
  RawClient admin(port());
  RawClient killed(port()), gone(port());
  const std::string id = killed.Ask({"CLIENT", "ID"});
  ASSERT_TRUE(killed.Send(Request({"GET", "far"})));
  ASSERT_TRUE(gone.Send(Request({"GET", "farther"})));
  WaitForReads(2);
  ASSERT_EQ(admin.Ask({"CLIENT", "KILL", "ID", id.substr(1, id.size() - 3)}), ":1\r\n");
  killed.ReadUntilEnd();
  gone.Close();
  Turn(admin);
  db_->EndReads();
  Turn(admin);
  EXPECT_EQ(admin.Ask({"GET", "far"}), "$3\r\nfar\r\n");
}

TEST_F(DiskReadsTest, AShutdownWaitsForNoRequest) {
  RawClient client(port());
  ASSERT_TRUE(client.Send(Request({"GET", "far"})));
  WaitForReads(1);
  RawClient admin(port());
  admin.Send(Request({"SHUTDOWN"}));
  admin.ReadUntilEnd();
  client.ReadUntilEnd();
  loop_.join();
  EXPECT_EQ(db_->reading(), 1u);
  db_->EndReads();
  EXPECT_TRUE(db_->Close().ok());
}

TEST_F(DiskReadsTest, KeysThatExpireAreReadBeforeTheyAreDeleted) {
  RawClient client(port());
  std::vector<std::string> names;
  for (int i = 0; i < 100; ++i) {
    names.push_back("brief" + std::to_string(i));
    ASSERT_EQ(client.Ask({"SET", names.back(), "v", "PX", "1000"}), "+OK\r\n");
  }
  for (int i = 0; i < 100; i += 2) db_->Cool(names[static_cast<size_t>(i)]);
  const uint64_t reads = db_->reads();
  clock_.AdvanceMillis(1001);
  while (client.Ask({"DBSIZE"}) != ":3\r\n") {
    db_->EndReads();
    std::this_thread::yield();
  }
  EXPECT_EQ(db_->reads() - reads, 50u);
  EXPECT_EQ(db_->waits(), 0u);
}

// Names of many blocks, on a disk that nobody keeps pages of.
class DiskWalksTest : public ServerTest {
 protected:
  static constexpr int kKeys = 5'000;

  void SetUp() override {
    options_.file_system = &disk_;
    db_dir_ = "/db";
    {
      auto db = lsm::Db::Open(db_dir_, options_).value();
      auto keys = keyspace::Keyspace::Open(db.get(), {.clock = &clock_}).value();
      for (int i = 0; i < kKeys; ++i) {
        const uint64_t expire_ms = i % 2 == 0 ? 0 : static_cast<uint64_t>(clock_.WallMillis()) + 1000;
        ASSERT_TRUE(keys->Set(0, "name" + std::to_string(100'000 + i), "v", expire_ms).ok());
      }
      ASSERT_TRUE(keys->Commit(nullptr).ok());
      ASSERT_TRUE(db->Flush().ok());
    }
    Start("everysec");
  }
  void TearDown() override {  // before the disk goes
    ServerTest::TearDown();
    net_.reset();
    dispatcher_.reset();
    keys_.reset();
    db_.reset();
  }
  void WaitForWalks(size_t count) {
    while (db_->walking() < count) std::this_thread::yield();
  }

  lsm::MemoryFileSystem disk_;
};

TEST_F(DiskWalksTest, NobodyElseWaitsForKeysAndScan) {
  db_->HoldWalks(true);
  RawClient lister(port()), scanner(port()), witness(port());
  ASSERT_TRUE(lister.Send(Request({"PING"}) + Request({"KEYS", "name1*"}) + Request({"PING"})));
  ASSERT_TRUE(scanner.Send(Request({"SCAN", "0", "COUNT", "4000"})));
  WaitForWalks(1);
  EXPECT_EQ(lister.ReadReply(), "+PONG\r\n");
  for (int i = 0; i < 100; ++i) ASSERT_EQ(witness.Ask({"SET", "other", "1"}), "+OK\r\n");
  EXPECT_TRUE(lister.Silent() && scanner.Silent());
  db_->HoldWalks(false);
  EXPECT_EQ(lister.ReadReply().substr(0, 7), "*5000\r\n");
  EXPECT_EQ(lister.ReadReply(), "+PONG\r\n");
  const std::string page = scanner.ReadReply();
  EXPECT_EQ(page.substr(0, 4), "*2\r\n");
  EXPECT_NE(page.find("\r\n*4000\r\n"), std::string::npos);
  EXPECT_EQ(db_->walks(), 3u) << "KEYS in two slices";
  EXPECT_EQ(lister.Ask({"KEYS", "name1*"}).substr(0, 7), "*5000\r\n");
  EXPECT_EQ(db_->walks(), 3u) << "it is in memory now";
}

TEST_F(DiskWalksTest, AClientThatGoesAwayMeanwhileIsForgotten) {
  db_->HoldWalks(true);
  RawClient admin(port()), killed(port());
  const std::string id = killed.Ask({"CLIENT", "ID"});
  ASSERT_TRUE(killed.Send(Request({"KEYS", "*"})));
  WaitForWalks(1);
  ASSERT_EQ(admin.Ask({"CLIENT", "KILL", "ID", id.substr(1, id.size() - 3)}), ":1\r\n");
  EXPECT_EQ(killed.ReadUntilEnd(), "");
  Turn(admin);
  db_->HoldWalks(false);
  EXPECT_EQ(admin.Ask({"KEYS", "*"}).substr(0, 7), "*5000\r\n");
}

TEST_F(DiskWalksTest, TheExpiryIndexIsReadBeforeKeysAreDeleted) {
  RawClient client(port());
  db_->HoldWalks(true);
  clock_.AdvanceMillis(1001);
  while (db_->walking() == 0) db_->EndReads();
  for (int i = 0; i < 100; ++i) ASSERT_EQ(client.Ask({"SET", "other", "1"}), "+OK\r\n");
  db_->HoldWalks(false);
  while (client.Ask({"DBSIZE"}) != ":2501\r\n") {
    db_->EndReads();
    std::this_thread::yield();
  }
  EXPECT_GT(db_->walks(), 1u);
  EXPECT_EQ(db_->loop_waits(), 0u) << "the loop waited for a record";
}

}  // namespace
}  // namespace varve::net
