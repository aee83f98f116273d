// tests/net/server_test.cc - when replies leave: after their commit, after their sync, never when that failed.
#include <string>
#include <thread>

#include "tests/net/gated_server.h"

namespace varve::net {
namespace {

TEST_F(ServerTest, AlwaysHoldsWritersUntilTheirSyncAndServesOn) {
  Start("always");
  RawClient witness(port()), writer(port());
  ASSERT_EQ(witness.Ask({"PING"}), "+PONG\r\n");
  ASSERT_TRUE(writer.Send(Request({"SET", "a", "1"}) + Request({"GET", "a"})));
  while (db_->waiting() == 0) Turn(witness);  // a PING beside the waiting write is answered: it saw nothing
  EXPECT_TRUE(writer.Silent());
  db_->Report(lsm::Status::Ok());
  EXPECT_EQ(writer.ReadReply(), "+OK\r\n");
  EXPECT_EQ(writer.ReadReply(), "$1\r\n1\r\n");
}

TEST_F(ServerTest, AlwaysHoldsReadersThatCouldHaveSeenTheWrite) {
  Start("always");
  RawClient writer(port()), reader(port());
  ASSERT_TRUE(writer.Send(Request({"SET", "a", "1"})));
  while (db_->waiting() == 0) std::this_thread::yield();
  ASSERT_TRUE(reader.Send(Request({"GET", "a"})));
  RawClient later(port());
  ASSERT_TRUE(later.Send(Request({"SET", "b", "2"})));
  while (db_->waiting() < 2) std::this_thread::yield();
  EXPECT_TRUE(writer.Silent());
  EXPECT_TRUE(reader.Silent());
  db_->Report(lsm::Status::Ok());
  EXPECT_EQ(writer.ReadReply(), "+OK\r\n");
  EXPECT_EQ(reader.ReadReply(), "$1\r\n1\r\n");
  EXPECT_EQ(later.ReadReply(), "+OK\r\n");
}

TEST_F(ServerTest, AlwaysHoldsNoReaderOfWhatWasThereBefore) {
  Start("always");
  RawClient witness(port()), writer(port()), reader(port());
  ASSERT_TRUE(writer.Send(Request({"MSET", "a", "old", "other", "1"})));
  while (db_->waiting() == 0) Turn(witness);
  db_->Report(lsm::Status::Ok());
  ASSERT_EQ(writer.ReadReply(), "+OK\r\n");

  ASSERT_TRUE(writer.Send(Request({"SET", "a", "new"})));
  while (db_->waiting() == 0) Turn(witness);
  EXPECT_EQ(reader.Ask({"GET", "other"}), "$1\r\n1\r\n");
  EXPECT_EQ(reader.Ask({"GET", "none"}), "$-1\r\n");
  EXPECT_EQ(reader.Ask({"MGET", "none", "other"}), "*2\r\n$-1\r\n$1\r\n1\r\n");
  EXPECT_EQ(reader.Ask({"SETNX", "other", "2"}), ":0\r\n") << "it wrote nothing";
  ASSERT_TRUE(writer.Send(Request({"GET", "other"})));
  Turn(witness);
  EXPECT_TRUE(writer.Silent()) << "behind its own SET";
  for (const std::string& request :
       {Request({"MGET", "other", "a"}), Request({"STRLEN", "a"}), Request({"EXISTS", "a"}),
        Request({"SETNX", "a", "2"}), Request({"INCR", "a"}), Request({"DBSIZE"}), Request({"KEYS", "*"}),
        Request({"SCAN", "0"}), Request({"RANDOMKEY"}),
        Request({"MULTI"}) + Request({"GET", "other"}) + Request({"EXEC"})}) {
    RawClient held(port());
    ASSERT_TRUE(held.Send(request + Request({"GET", "other"})));
    Turn(witness);
    Turn(witness);
    EXPECT_TRUE(held.Silent()) << request;
  }
  db_->Report(lsm::Status::Ok());
  EXPECT_EQ(writer.ReadReply(), "+OK\r\n");
  EXPECT_EQ(writer.ReadReply(), "$1\r\n1\r\n");
  EXPECT_EQ(reader.Ask({"GET", "a"}), "$3\r\nnew\r\n");
}

// Each waits for the write it has read, and for none that came later.
TEST_F(ServerTest, AlwaysLetsReadersGoInTheOrderOfTheirWrites) {
  Start("always");
  RawClient witness(port()), first(port()), second(port()), of_first(port()), of_second(port());
  ASSERT_TRUE(first.Send(Request({"SET", "a", "1"})));
  while (db_->waiting() < 1) Turn(witness);
  ASSERT_TRUE(second.Send(Request({"SET", "b", "2"})));
  while (db_->waiting() < 2) Turn(witness);
  ASSERT_TRUE(of_second.Send(Request({"GET", "b"})));
  Turn(witness);
  ASSERT_TRUE(of_first.Send(Request({"GET", "a"})));
  Turn(witness);
  EXPECT_TRUE(of_first.Silent());
  db_->Report(lsm::Status::Ok(), 1);
  EXPECT_EQ(first.ReadReply(), "+OK\r\n");
  EXPECT_EQ(of_first.ReadReply(), "$1\r\n1\r\n");
  Turn(witness);
  EXPECT_TRUE(second.Silent());
  EXPECT_TRUE(of_second.Silent());
  db_->Report(lsm::Status::Ok());
  EXPECT_EQ(second.ReadReply(), "+OK\r\n");
  EXPECT_EQ(of_second.ReadReply(), "$1\r\n2\r\n");
}

TEST_F(ServerTest, EverysecAnswersWithoutASync) {
  Start("everysec");
  RawClient writer(port());
  EXPECT_EQ(writer.Ask({"SET", "a", "1"}), "+OK\r\n");
  EXPECT_EQ(db_->waiting(), 0u);
}

TEST_F(ServerTest, APipelineIsOneCommit) {
  Start("everysec");
  RawClient writer(port());
  ASSERT_EQ(writer.Ask({"SET", "first", "1"}), "+OK\r\n");
  const uint64_t before = db_->commits();
  std::string requests;
  for (int i = 0; i < 100; ++i) requests += Request({"INCR", "counter"});
  ASSERT_TRUE(writer.Send(requests));
  for (int i = 1; i <= 100; ++i) ASSERT_EQ(writer.ReadReply(), ":" + std::to_string(i) + "\r\n");
  EXPECT_LE(db_->commits() - before, 2u) << "one; two if the kernel delivered it in two parts";
}

// What the last turn of a pipeline answers must not wait until something else wakes the loop: only crons would.
TEST_F(ServerTest, APipelineOfManyTurnsWaitsForNoCron) {
  used_clock_ = &stepping_clock_;
  Start("everysec");
  RawClient client(port());
  ASSERT_EQ(client.Ask({"SET", "a", "1"}), "+OK\r\n");
  std::string requests;
  for (int i = 0; i < 200; ++i) requests += Request({"SET", "a", "1"});
  const uint64_t before = crons_;
  for (int i = 0; i < 50; ++i) {
    ASSERT_TRUE(client.Send(requests));
    for (int reply = 0; reply < 200; ++reply) ASSERT_EQ(client.ReadReply(), "+OK\r\n");
  }
  EXPECT_LT(crons_ - before, 40u) << "ten a second";
}

// How many reads there have been of others than the one who asks.
class ReadsOfOthers {
 public:
  explicit ReadsOfOthers(int port) : client_(port) {}
  void Ask() {
    ++asked_;
    ASSERT_TRUE(client_.Send(Request({"INFO", "stats"})));
  }
  uint64_t Answer() {
    const std::string info = client_.ReadReply(), field = "\r\ntotal_reads_processed:";
    const size_t at = info.find(field);
    EXPECT_NE(at, std::string::npos) << info;
    return at == std::string::npos ? UINT64_MAX : std::stoull(info.substr(at + field.size())) - asked_;
  }
  uint64_t Await(uint64_t count) {
    while (true) {
      Ask();
      if (const uint64_t reads = Answer(); reads >= count) return reads;
    }
  }

 private:
  RawClient client_;
  uint64_t asked_ = 0;
};

// Who sends byte by byte is read for a share of each tick, in turns; who asks a whole question is answered at once.
TEST_F(ServerTest, ManyInTheMiddleOfTheirRequestsHoldUpNobody) {
  used_clock_ = &stepping_clock_;
  Start("everysec");
  constexpr uint64_t kSlow = 200;
  const std::string request = Request({"PING"});
  ReadsOfOthers reads(port());
  std::vector<RawClient> slow;
  for (uint64_t i = 0; i < kSlow; ++i) {
    slow.emplace_back(port());
    ASSERT_TRUE(slow.back().Send(request.substr(0, 1)));
  }
  reads.Await(kSlow);
  for (size_t byte = 1; byte <= 3; ++byte) {
    HoldLoop();
    for (RawClient& client : slow) ASSERT_TRUE(client.Send(request.substr(byte, 1)));
    reads.Ask();
    LetLoopGo();
    EXPECT_LT(reads.Answer(), byte * kSlow + kSlow / 4) << "most of them come later";
    reads.Await((byte + 1) * kSlow);
  }
  for (RawClient& client : slow) ASSERT_TRUE(client.Send(request.substr(4)));
  for (RawClient& client : slow) ASSERT_EQ(client.ReadReply(), "+PONG\r\n");
}

// The kernel reports ready sockets in the same order every time.
class GreedyTest : public ServerTest, public ::testing::WithParamInterface<int> {};

TEST_P(GreedyTest, WhoAlwaysHasMoreKeepsNobodyFromTheirTurn) {
  used_clock_ = &stepping_clock_;
  Start("everysec");
  const std::string endless = Request({"ECHO", std::string(100'000, 'x')}), request = Request({"PING"});
  std::vector<RawClient> greedy;
  for (int i = 0; i < GetParam(); ++i) {
    greedy.emplace_back(port());
    ASSERT_TRUE(greedy.back().Send(Request({"CLIENT", "REPLY", "OFF"})));
  }
  RawClient slow(port());
  ASSERT_TRUE(slow.Send(request.substr(0, 5)));
  std::atomic<bool> over{false};
  std::vector<std::thread> senders;
  for (RawClient& client : greedy) {
    senders.emplace_back([&] {
      while (!over && client.Send(endless)) {
      }
    });
  }
  ReadsOfOthers reads(port());
  const uint64_t before = reads.Await(100);
  EXPECT_TRUE(slow.Send(request.substr(5)));
  reads.Await(before + 1000);
  RawClient fresh(port());
  EXPECT_TRUE(fresh.Send(request));
  reads.Await(before + 2000);
  char reply[16];
  EXPECT_EQ(recv(slow.fd(), reply, sizeof(reply), MSG_DONTWAIT), 7) << "two thousand reads are enough for all";
  EXPECT_EQ(recv(fresh.fd(), reply, sizeof(reply), MSG_DONTWAIT), 7) << "and one thousand";
  over = true;
  for (RawClient& client : greedy) client.FinishSending();
  for (std::thread& sender : senders) sender.join();
}

INSTANTIATE_TEST_SUITE_P(Clients, GreedyTest, ::testing::Values(1, 2, 7, 20));

TEST_F(ServerTest, AFailedCommitTurnsRepliesIntoItsError) {
  Start("everysec");
  RawClient writer(port());
  ASSERT_EQ(writer.Ask({"SET", "a", "old"}), "+OK\r\n");
  db_->FailWith(lsm::Status::NoSpace("the disk is full"));
  ASSERT_TRUE(writer.Send(Request({"GET", "a"}) + Request({"SELECT", "0"}) + Request({"SET", "a", "new"}) +
                          Request({"GET", "a"}) + Request({"SELECT", "1"}) + Request({"PING"}) + Request({"MULTI"}) +
                          Request({"SET", "b", "1"}) + Request({"EXEC"}) + Request({"ECHO", "end"})));
  EXPECT_EQ(writer.ReadReply(), "$3\r\nold\r\n") << "before the first write: true whatever happens";
  EXPECT_EQ(writer.ReadReply(), "+OK\r\n");
  EXPECT_EQ(writer.ReadReply().substr(0, 8), "-MISCONF");
  EXPECT_EQ(writer.ReadReply().substr(0, 8), "-MISCONF") << "it saw what never happened";
  EXPECT_EQ(writer.ReadReply(), "+OK\r\n") << "SELECT did happen";
  EXPECT_EQ(writer.ReadReply(), "+PONG\r\n");
  EXPECT_EQ(writer.ReadReply(), "+OK\r\n");
  EXPECT_EQ(writer.ReadReply(), "+QUEUED\r\n");
  EXPECT_EQ(writer.ReadReply().substr(0, 8), "-MISCONF") << "the whole EXEC";
  EXPECT_EQ(writer.ReadReply(), "$3\r\nend\r\n");

  EXPECT_EQ(writer.Ask({"SELECT", "0"}), "+OK\r\n");
  EXPECT_EQ(writer.Ask({"GET", "a"}), "$3\r\nold\r\n") << "reads go on";
  db_->FailWith(lsm::Status::Ok());
  EXPECT_EQ(writer.Ask({"SET", "a", "new"}), "+OK\r\n") << "service resumes by itself";
  EXPECT_EQ(writer.Ask({"GET", "a"}), "$3\r\nnew\r\n");
}

TEST_F(ServerTest, AFailedCommitSparesWhoHasReadOtherKeys) {
  Start("everysec");
  RawClient client(port());
  ASSERT_EQ(client.Ask({"MSET", "a", "1", "other", "2"}), "+OK\r\n");
  db_->FailWith(lsm::Status::NoSpace("the disk is full"));
  ASSERT_TRUE(client.Send(Request({"SET", "a", "new"}) + Request({"GET", "other"}) + Request({"EXISTS", "a"}) +
                          Request({"FLUSHDB"}) + Request({"GET", "other"}) + Request({"PING"})));
  EXPECT_EQ(client.ReadReply().substr(0, 8), "-MISCONF");
  EXPECT_EQ(client.ReadReply(), "$1\r\n2\r\n");
  EXPECT_EQ(client.ReadReply().substr(0, 8), "-MISCONF");
  EXPECT_EQ(client.ReadReply().substr(0, 8), "-MISCONF");
  EXPECT_EQ(client.ReadReply().substr(0, 8), "-MISCONF") << "it was gone, and is not";
  EXPECT_EQ(client.ReadReply(), "+PONG\r\n");
  db_->FailWith(lsm::Status::Ok());
}

TEST_F(ServerTest, AnEventIsHeardOfWhenItsWriteIsSynced) {
  Start("always");
  RawClient witness(port()), writer(port()), listener(port()), cacher(port());
  ASSERT_EQ(witness.Ask({"CONFIG", "SET", "notify-keyspace-events", "E$"}), "+OK\r\n");
  ASSERT_EQ(listener.Ask({"SUBSCRIBE", "__keyevent@0__:set"}).substr(0, 4), "*3\r\n");
  ASSERT_EQ(cacher.Ask({"HELLO", "3"}).substr(0, 1), "%");
  ASSERT_EQ(cacher.Ask({"CLIENT", "TRACKING", "ON"}), "+OK\r\n");
  ASSERT_EQ(cacher.Ask({"GET", "a"}), "_\r\n");
  ASSERT_TRUE(writer.Send(Request({"SET", "a", "1"})));
  while (db_->waiting() == 0) Turn(witness);
  Turn(witness);
  EXPECT_TRUE(listener.Silent());
  db_->Report(lsm::Status::Ok());
  EXPECT_EQ(writer.ReadReply(), "+OK\r\n");
  EXPECT_EQ(listener.ReadReply(), "*3\r\n$7\r\nmessage\r\n$18\r\n__keyevent@0__:set\r\n$1\r\na\r\n");
  EXPECT_EQ(cacher.ReadReply(), ">2\r\n$10\r\ninvalidate\r\n*1\r\n$1\r\na\r\n");
}

TEST_F(ServerTest, AFailedCommitTakesBackWhatItWouldHaveTold) {
  Start("everysec");
  RawClient writer(port()), listener(port());
  ASSERT_EQ(writer.Ask({"CONFIG", "SET", "notify-keyspace-events", "E$"}), "+OK\r\n");
  ASSERT_EQ(listener.Ask({"PSUBSCRIBE", "*"}).substr(0, 4), "*3\r\n");
  db_->FailWith(lsm::Status::NoSpace("the disk is full"));
  ASSERT_TRUE(writer.Send(Request({"PUBLISH", "news", "1"}) + Request({"SET", "a", "1"}) +
                          Request({"PUBLISH", "news", "2"}) + Request({"MULTI"}) + Request({"SET", "b", "1"}) +
                          Request({"PUBLISH", "news", "never"}) + Request({"EXEC"}) +
                          Request({"PUBLISH", "news", "3"})));
  EXPECT_EQ(writer.ReadReply(), ":1\r\n");
  EXPECT_EQ(writer.ReadReply().substr(0, 8), "-MISCONF");
  for (std::string_view text : {"1", "2", "3"}) {
    EXPECT_EQ(listener.ReadReply(),
              "*4\r\n$8\r\npmessage\r\n$1\r\n*\r\n$4\r\nnews\r\n$1\r\n" + std::string(text) + "\r\n")
        << "what needs no write is said all the same, in its order; the rest is not";
  }
  db_->FailWith(lsm::Status::Ok());
}

// The client is told that its EXEC failed, but it is subscribed, in another database, tracking: it has to start anew.
TEST_F(ServerTest, AFailedExecThatChangedItsClientIsTheLastItHears) {
  Start("everysec");
  RawClient witness(port());
  ASSERT_EQ(witness.Ask({"SET", "k", "old"}), "+OK\r\n");
  const auto fails = [&](const std::string& writes, const std::string& changes) {
    RawClient client(port());
    EXPECT_EQ(client.Ask({"PING"}), "+PONG\r\n");
    EXPECT_TRUE(client.Send(writes + Request({"MULTI"}) + changes + Request({"EXEC"}) + Request({"GET", "k"}) +
                            Request({"PING"})));
    return client.ReadUntilEnd();
  };
  const std::string error = "-MISCONF";
  db_->FailWith(lsm::Status::NoSpace("the disk is full"));
  for (const std::string& change : {Request({"SUBSCRIBE", "news"}), Request({"SELECT", "3"}), Request({"HELLO", "3"}),
                                    Request({"CLIENT", "TRACKING", "ON"})}) {
    const std::string heard = fails("", Request({"SET", "k", "new"}) + change);
    EXPECT_EQ(heard.substr(0, 31), "+OK\r\n+QUEUED\r\n+QUEUED\r\n" + error) << change;
    EXPECT_EQ(heard.find("\r\n", 31) + 2, heard.size()) << "nothing behind it: " << heard;
  }
  const std::string heard = fails(Request({"SET", "k", "new"}), Request({"SELECT", "3"}));
  EXPECT_EQ(heard.substr(0, 8), error) << heard;
  EXPECT_TRUE(heard.find("+QUEUED\r\n" + error) != std::string::npos) << "it writes nothing itself: " << heard;
  EXPECT_TRUE(heard.ends_with("\r\n") && heard.find('$') == std::string::npos) << heard;
  EXPECT_EQ(witness.Ask({"PUBLISH", "news", "1"}), ":0\r\n");

  RawClient stays(port());
  ASSERT_TRUE(stays.Send(Request({"MULTI"}) + Request({"SET", "k", "new"}) + Request({"ECHO", "e"}) +
                         Request({"EXEC"}) + Request({"PING"})));
  for (std::string_view reply : {"+OK\r\n", "+QUEUED\r\n", "+QUEUED\r\n"}) EXPECT_EQ(stays.ReadReply(), reply);
  EXPECT_EQ(stays.ReadReply().substr(0, 8), error);
  EXPECT_EQ(stays.ReadReply(), "+PONG\r\n");
  db_->FailWith(lsm::Status::Ok());
  ASSERT_TRUE(stays.Send(Request({"MULTI"}) + Request({"SET", "k", "new"}) + Request({"SELECT", "3"}) +
                         Request({"EXEC"}) + Request({"GET", "k"})));
  for (std::string_view reply : {"+OK\r\n", "+QUEUED\r\n", "+QUEUED\r\n"}) EXPECT_EQ(stays.ReadReply(), reply);
  EXPECT_EQ(stays.ReadReply(), "*2\r\n+OK\r\n+OK\r\n");
  EXPECT_EQ(stays.ReadReply(), "$-1\r\n") << "in the other database";
}

// Events that are told of before the tick's first write must not take with them what comes behind.
TEST_F(ServerTest, AFailedCommitKeepsEveryReplyInItsPlace) {
  Start("everysec");
  RawClient client(port());
  ASSERT_EQ(client.Ask({"HELLO", "3"}).substr(0, 1), "%");
  ASSERT_EQ(client.Ask({"CONFIG", "SET", "notify-keyspace-events", "KEAm"}), "+OK\r\n");
  ASSERT_EQ(client.Ask({"SET", "a", "1"}), "+OK\r\n");
  ASSERT_EQ(client.Ask({"SUBSCRIBE", "__keyevent@0__:keymiss"}).substr(0, 1), ">");
  db_->FailWith(lsm::Status::NoSpace("the disk is full"));
  ASSERT_TRUE(client.Send(Request({"GET", "missing"}) + Request({"GET", "a"}) + Request({"ECHO", "e"}) +
                          Request({"SET", "z", "1"}) + Request({"PING"})));
  EXPECT_EQ(client.ReadReply(), "_\r\n");
  EXPECT_EQ(client.ReadReply(), ">3\r\n$7\r\nmessage\r\n$22\r\n__keyevent@0__:keymiss\r\n$7\r\nmissing\r\n");
  EXPECT_EQ(client.ReadReply(), "$1\r\n1\r\n");
  EXPECT_EQ(client.ReadReply(), "$1\r\ne\r\n");
  EXPECT_EQ(client.ReadReply().substr(0, 8), "-MISCONF");
  EXPECT_EQ(client.ReadReply(), "+PONG\r\n");
  db_->FailWith(lsm::Status::Ok());
}

TEST_F(ServerTest, ABusyEngineDelaysAndLosesNothing) {
  Start("everysec");
  RawClient writer(port()), reader(port());
  ASSERT_EQ(reader.Ask({"PING"}), "+PONG\r\n");
  db_->set_busy(true);
  std::string requests;
  for (int i = 0; i < 1000; ++i) requests += Request({"INCR", "counter"});
  ASSERT_TRUE(writer.Send(requests));
  ASSERT_TRUE(reader.Send(Request({"GET", "counter"})));
  EXPECT_TRUE(writer.Silent());
  db_->set_busy(false);
  for (int i = 1; i <= 1000; ++i) ASSERT_EQ(writer.ReadReply(), ":" + std::to_string(i) + "\r\n");
  EXPECT_EQ(reader.ReadReply()[0], '$');
  EXPECT_EQ(reader.Ask({"GET", "counter"}), "$4\r\n1000\r\n");
}

TEST_F(ServerTest, AFailedSyncCutsThoseWhoWaitedForIt) {
  Start("always");
  RawClient writer(port()), idle(port());
  ASSERT_EQ(idle.Ask({"PING"}), "+PONG\r\n");
  ASSERT_TRUE(writer.Send(Request({"SET", "a", "1"})));
  while (db_->waiting() == 0) Turn(idle);
  db_->FailWith(lsm::Status::Fenced("a sync failed"));
  db_->Report(lsm::Status::Fenced("a sync failed"));
  EXPECT_EQ(writer.ReadUntilEnd(), "") << "no reply: nobody knows whether it will be there";
  EXPECT_EQ(idle.Ask({"GET", "other"}), "$-1\r\n") << "reads go on";
  EXPECT_EQ(idle.Ask({"SET", "b", "1"}).substr(0, 8), "-MISCONF");
}

TEST_F(ServerTest, AClientGoneBeforeItsSyncIsNoTrouble) {
  Start("always");
  RawClient witness(port());
  for (int i = 0; i < 20; ++i) {
    RawClient writer(port());
    ASSERT_TRUE(writer.Send(Request({"SET", "a", "1"})));
    while (db_->waiting() == 0) Turn(witness);
    writer.Close();
    Turn(witness);
    db_->Report(lsm::Status::Ok());
  }
  EXPECT_EQ(witness.Ask({"GET", "a"}), "$1\r\n1\r\n");
}

TEST_F(ServerTest, WhoDoesNotAuthenticateInTimeIsCut) {
  config_.requirepass = "secret";
  Start("everysec");
  RawClient late(port()), good(port());
  ASSERT_EQ(good.Ask({"AUTH", "secret"}), "+OK\r\n");
  ASSERT_EQ(late.Ask({"PING"}), "-NOAUTH Authentication required.\r\n");
  clock_.AdvanceMillis(9'000);
  ASSERT_EQ(late.Ask({"PING"}), "-NOAUTH Authentication required.\r\n");
  clock_.AdvanceMillis(2'000);
  EXPECT_EQ(late.ReadUntilEnd(), "");
  EXPECT_NE(good.Ask({"INFO", "stats"}).find("\nclient_auth_timeout_disconnections:1\r"), std::string::npos);
}

TEST_F(ServerTest, IdleClientsAreCutAfterTheTimeout) {
  config_.timeout_seconds = 100;
  Start("everysec");
  RawClient idle(port()), busy(port());
  ASSERT_EQ(idle.Ask({"PING"}), "+PONG\r\n");
  clock_.AdvanceMillis(99'000);
  ASSERT_EQ(busy.Ask({"PING"}), "+PONG\r\n");
  clock_.AdvanceMillis(2'000);
  EXPECT_EQ(idle.ReadUntilEnd(), "");
  EXPECT_EQ(busy.Ask({"PING"}), "+PONG\r\n");
}

TEST_F(ServerTest, ExpiredKeysGoByThemselves) {
  Start("everysec");
  RawClient client(port());
  for (int i = 0; i < 500; ++i) {
    ASSERT_EQ(client.Ask({"SET", "key" + std::to_string(i), "v", "PX", "5000"}), "+OK\r\n");
  }
  EXPECT_EQ(client.Ask({"DBSIZE"}), ":500\r\n");
  clock_.AdvanceMillis(6'000);
  while (client.Ask({"DBSIZE"}) != ":0\r\n") {  // counts records, so it shows that they were deleted, not only hidden
  }
}

// What is committed does not wait for what cannot be.
TEST_F(ServerTest, ALargeReplyGoesOnWhileTheEngineIsBusy) {
  Start("everysec");
  RawClient reader(port(), 4096), writer(port());
  const std::string large(size_t{8} << 20, 'x');  // more than the kernel keeps for who does not read
  ASSERT_EQ(writer.Ask({"SET", "large", large}), "+OK\r\n");
  ASSERT_TRUE(reader.Send(Request({"GET", "large"})));
  const std::string head = "$" + std::to_string(large.size()) + "\r\n";
  ASSERT_EQ(reader.Read(head.size()), head);
  db_->set_busy(true);
  ASSERT_TRUE(writer.Send(Request({"SET", "a", "1"})));
  while (db_->refused() == 0) std::this_thread::yield();
  EXPECT_EQ(reader.Read(large.size() + 2), large + "\r\n");
  EXPECT_TRUE(writer.Silent());
  db_->set_busy(false);
  EXPECT_EQ(writer.ReadReply(), "+OK\r\n");
}

// What is sent meanwhile moves nothing of what is not decided yet.
TEST_F(ServerTest, AFailedCommitFindsItsReplyBehindAReplyUnderWay) {
  Start("everysec");
  RawClient client(port(), 4096), witness(port());
  const std::string large(200'000, 'x');  // less than what would stop the client's requests
  ASSERT_EQ(witness.Ask({"SET", "large", large}), "+OK\r\n");
  const std::string bulk = "$200000\r\n" + large + "\r\n";
  for (int i = 0; i < 50; ++i) {  // how much of it is under way when the engine is busy is a matter of chance
    ASSERT_TRUE(client.Send(Request({"GET", "large"})));
    ASSERT_EQ(client.Read(1), "$");
    db_->set_busy(true);
    const uint64_t refused = db_->refused();
    ASSERT_TRUE(client.Send(Request({"SET", "a", "1"})));
    while (db_->refused() == refused) std::this_thread::yield();
    db_->FailWith(lsm::Status::IoError("no space"));
    db_->set_busy(false);
    ASSERT_EQ(client.Read(bulk.size() - 1), bulk.substr(1));
    ASSERT_EQ(client.ReadLine().substr(0, 6), "-IOERR");
    db_->FailWith(lsm::Status::Ok());
  }
}

// SAVE is about what is on the disk: the writes before it in the same tick are there.
TEST_F(ServerTest, ASaveComesAfterTheWritesBeforeIt) {
  Start("no");
  RawClient client(port());
  ASSERT_EQ(client.Ask({"PING"}), "+PONG\r\n");
  const uint64_t before = db_->commits();
  ASSERT_TRUE(client.Send(Request({"SET", "a", "1"}) + Request({"SAVE"}) + Request({"SAVE"})));
  EXPECT_EQ(client.ReadReply(), "+OK\r\n");
  EXPECT_EQ(client.ReadReply(), "+OK\r\n");
  EXPECT_EQ(client.ReadReply(), "+OK\r\n");
  EXPECT_EQ(surroundings_.saved_commits, (std::vector<uint64_t>{before + 1, before + 1}));
}

}  // namespace
}  // namespace varve::net
