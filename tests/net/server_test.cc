// tests/net/server_test.cc - the server in this process: its engine stands behind a gate the test holds, its clock
// moves when told.
//
// GatedDb decides when a commit becomes durable and whether it succeeds, so that "the reply waits for the sync" is a
// fact to observe and not a matter of timing: between two requests of a witness client the loop has turned at least
// once.
#include "net/server.h"

#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <mutex>
#include <thread>

#include "lsm/db.h"
#include "tests/net/raw_client.h"
#include "tests/net/server_process.h"

namespace varve::net {
namespace {

using testing::RawClient;
using testing::Request;

class GatedDb final : public lsm::Db {
 public:
  explicit GatedDb(std::unique_ptr<lsm::Db> db) : db_(std::move(db)) {}

  // Until told otherwise every commit gives this.
  void FailWith(lsm::Status status) {
    std::lock_guard lock(mu_);
    failure_ = std::move(status);
  }
  void set_busy(bool busy) { busy_ = busy; }
  size_t waiting() {
    std::lock_guard lock(mu_);
    return callbacks_.size();
  }
  // Reports every commit so far as durable, or as never to be.
  void Report(const lsm::Status& status) {
    std::vector<lsm::DurableCallback> callbacks;
    {
      std::lock_guard lock(mu_);
      callbacks.swap(callbacks_);
    }
    for (const lsm::DurableCallback& callback : callbacks) callback(status);
  }
  uint64_t commits() const { return commits_; }

  lsm::Result<lsm::SequenceNumber> WriteAsync(lsm::WriteBatch& batch, lsm::DurableCallback on_durable) override {
    if (busy_) return lsm::Status::Busy("the gate is closed");
    std::lock_guard lock(mu_);
    if (!failure_.ok()) return failure_;
    ++commits_;
    if (on_durable) callbacks_.push_back(std::move(on_durable));
    return db_->WriteAsync(batch, nullptr);
  }
  lsm::Status WriteIfUnchanged(const lsm::WriteOptions& o, lsm::WriteBatch& b, std::span<const std::string_view> keys,
                               lsm::SequenceNumber since) override {
    return db_->WriteIfUnchanged(o, b, keys, since);
  }
  lsm::Status Ingest(std::span<const std::string> files, const lsm::IngestOptions& o) override {
    return db_->Ingest(files, o);
  }
  lsm::Result<std::unique_ptr<lsm::ChangeIterator>> ChangesSince(lsm::SequenceNumber sequence) override {
    return db_->ChangesSince(sequence);
  }
  lsm::Result<std::unique_ptr<lsm::ChangeHold>> HoldChanges(lsm::SequenceNumber sequence, uint64_t bytes_max) override {
    return db_->HoldChanges(sequence, bytes_max);
  }
  lsm::Result<lsm::LiveFiles> GetLiveFiles() override { return db_->GetLiveFiles(); }
  lsm::WritePressure Pressure() const override { return {.level = busy_ ? 2 : 0, .suggested_delay_us = 0}; }

  lsm::Result<bool> Get(const lsm::ReadOptions& o, std::string_view k, lsm::PinnedValue* v) override {
    return db_->Get(o, k, v);
  }
  lsm::Result<bool> TryGet(const lsm::ReadOptions& o, std::string_view k, lsm::PinnedValue* v) override {
    return db_->TryGet(o, k, v);
  }
  lsm::Status GetAsync(const lsm::ReadOptions& o, std::string_view k, lsm::GetCallback callback) override {
    return db_->GetAsync(o, k, std::move(callback));
  }
  std::vector<lsm::Result<bool>> MultiGet(const lsm::ReadOptions& o, std::span<const std::string_view> k,
                                          std::span<lsm::PinnedValue> v) override {
    return db_->MultiGet(o, k, v);
  }
  lsm::Iterator NewIterator(const lsm::ReadOptions& o) override { return db_->NewIterator(o); }
  std::unique_ptr<lsm::Snapshot> GetSnapshot() override { return db_->GetSnapshot(); }
  lsm::Status Write(const lsm::WriteOptions& o, lsm::WriteBatch& b) override { return db_->Write(o, b); }
  lsm::Status SyncWal() override { return db_->SyncWal(); }
  void SetWalSync(lsm::WalSync mode) override { db_->SetWalSync(mode); }
  lsm::Status Flush() override { return db_->Flush(); }
  lsm::Status CompactRange(std::string_view b, std::string_view e) override { return db_->CompactRange(b, e); }
  lsm::Status WaitForBackgroundWork() override { return db_->WaitForBackgroundWork(); }
  lsm::Status Checkpoint(const std::string& dir) override { return db_->Checkpoint(dir); }
  lsm::Result<lsm::VerifyReport> Verify(const lsm::VerifyProgress& p) override { return db_->Verify(p); }
  lsm::DbStats Stats() const override { return db_->Stats(); }
  lsm::Status ReclaimSpace(std::string_view begin, std::string_view end) override {
    return db_->ReclaimSpace(begin, end);
  }
  lsm::Status SetOptions(const lsm::OptionChanges& changes) override { return db_->SetOptions(changes); }
  lsm::Options GetOptions() const override { return db_->GetOptions(); }
  std::vector<lsm::Job> JobHistory() const override { return db_->JobHistory(); }
  std::vector<lsm::TableFileFacts> TableFiles() const override { return db_->TableFiles(); }
  uint64_t ApproximateSize(std::string_view b, std::string_view e) const override { return db_->ApproximateSize(b, e); }
  lsm::Status CatchUp() override { return db_->CatchUp(); }
  lsm::Status Close() override { return db_->Close(); }
  const std::string& dir() const override { return db_->dir(); }

 private:
  const std::unique_ptr<lsm::Db> db_;
  std::atomic<bool> busy_{false};
  std::atomic<uint64_t> commits_{0};
  std::mutex mu_;
  lsm::Status failure_;
  std::vector<lsm::DurableCallback> callbacks_;
};

// The process around the server, as little of it as its handlers need.
class Surroundings final : public resp::ServerControl {
 public:
  Server* net = nullptr;
  std::function<uint64_t()> commits;
  std::vector<uint64_t> saved_commits;  // how many there were at each SAVE
  void ForEachClient(const std::function<void(resp::Session&, const resp::ConnectionFacts&)>& visit) override {
    net->ForEachClient(visit);
  }
  resp::Session* FindClient(uint64_t id) override { return net->FindClient(id); }
  void KillClient(uint64_t id) override { net->KillClient(id); }
  resp::ServerFacts Facts() override {
    resp::ServerFacts facts;
    facts.auth_timeout_disconnections = net->stats().auth_timeout_disconnections;
    return facts;
  }
  void ResetStats() override { net->ResetStats(); }
  std::string ApplyConfig(const resp::Config&, std::string_view) override { return {}; }
  std::string RewriteConfigFile() override { return {}; }
  void SleepMicros(uint64_t) override {}
  void Log(std::string_view) override {}
  void PurgeMemory() override {}
  std::string AllocatorReport() override { return {}; }
  lsm::Status StartSave() override { return lsm::Status::Ok(); }
  lsm::Status SaveNow() override {
    saved_commits.push_back(commits());
    return lsm::Status::Ok();
  }
  lsm::Status StartLogRewrite() override { return lsm::Status::Ok(); }
  bool RequestShutdown(resp::ShutdownSave, bool, bool) override {
    net->RequestShutdown();
    return true;
  }
  bool AbortShutdown() override { return false; }
};

// A look at it is a step: so a turn of a client is over after a few of its requests.
class SteppingClock final : public lsm::Clock {
 public:
  uint64_t MonotonicMicros() override { return now_us_ += 10; }
  int64_t WallMillis() override { return lsm::ManualClock::kWallStartMillis; }

 private:
  std::atomic<uint64_t> now_us_{1};
};

class ServerTest : public ::testing::Test {
 protected:
  void Start(const std::string& appendfsync) {
    ASSERT_EQ(config_.Set("appendfsync", appendfsync, resp::SettingTime::kStart), "");
    auto db = lsm::Db::Open(dir_.path() + "/db", {});
    ASSERT_TRUE(db.ok()) << db.status().ToString();
    db_ = std::make_unique<GatedDb>(*std::move(db));
    auto keys = keyspace::Keyspace::Open(db_.get(), {.clock = used_clock_});
    ASSERT_TRUE(keys.ok()) << keys.status().ToString();
    keys_ = *std::move(keys);
    dispatcher_ = std::make_unique<resp::Dispatcher>(keys_.get(), &surroundings_, &config_);
    net_ = std::make_unique<Server>(&config_, dispatcher_.get(), keys_.get());
    surroundings_.net = net_.get();
    surroundings_.commits = [this] { return db_->commits(); };
    config_.bind = "127.0.0.1";
    for (int attempt = 0; attempt < 100; ++attempt) {
      config_.port = 20000 + (getpid() * 7 + attempt * 131) % 40000;
      if (net_->Listen().ok()) break;
    }
    net_->set_on_cron([this] { ++crons_; });
    loop_ = std::thread([this] { net_->Run(); });
  }
  void TearDown() override {
    if (!loop_.joinable()) return;
    db_->FailWith(lsm::Status::Ok());
    db_->set_busy(false);
    RawClient last(port());
    last.Send(Request({"AUTH", "secret"}) + Request({"SHUTDOWN"}));
    last.ReadUntilEnd();
    loop_.join();
    db_->Report(lsm::Status::Ok());
    EXPECT_TRUE(db_->Close().ok());
  }
  int port() const { return static_cast<int>(config_.port); }
  // The loop has run at least one whole tick since. PING sees no data, so it waits for no sync.
  static void Turn(RawClient& witness) {
    ASSERT_EQ(witness.Ask({"PING"}), "+PONG\r\n");
    ASSERT_EQ(witness.Ask({"PING"}), "+PONG\r\n");
  }

  testing::TemporaryDirectory dir_;
  lsm::ManualClock clock_;
  SteppingClock stepping_clock_;
  lsm::Clock* used_clock_ = &clock_;
  resp::Config config_;
  Surroundings surroundings_;
  std::unique_ptr<GatedDb> db_;
  std::unique_ptr<keyspace::Keyspace> keys_;
  std::unique_ptr<resp::Dispatcher> dispatcher_;
  std::unique_ptr<Server> net_;
  std::atomic<uint64_t> crons_{0};
  std::thread loop_;
};

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
