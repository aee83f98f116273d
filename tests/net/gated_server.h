// tests/net/gated_server.h - the server in this process: its engine stands behind a gate the test holds, its clock moves
// when told.
//
// GatedDb decides when a commit becomes durable and whether it succeeds, and what of the data must come from the disk and
// when it does, so that "the reply waits for the sync" is a fact to observe and not a matter of timing: between two
// requests of a witness client the loop has turned at least once.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstdlib>
#include <functional>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "lsm/db.h"
#include "net/server.h"
#include "tests/net/raw_client.h"
#include "tests/net/server_process.h"
#include "tests/net/surroundings.h"

namespace varve::net {

using testing::RawClient;
using testing::Request;
using testing::Surroundings;

class GatedDb final : public lsm::Db {
 public:
  explicit GatedDb(std::unique_ptr<lsm::Db> db) : db_(std::move(db)) {}

  // Until told otherwise every commit gives this.
  void FailWith(lsm::Status status) {
    std::lock_guard lock(mu_);
    failure_ = std::move(status);
  }
  void set_busy(bool busy) { busy_ = busy; }
  // How many writes it was too busy for.
  uint64_t refused() const { return refused_; }
  size_t waiting() {
    std::lock_guard lock(mu_);
    return callbacks_.size();
  }
  // Reports the first `count` commits that wait as durable, or as never to be.
  void Report(const lsm::Status& status, size_t count = SIZE_MAX) {
    std::vector<lsm::DurableCallback> callbacks;
    {
      std::lock_guard lock(mu_);
      const auto end = callbacks_.begin() + static_cast<ptrdiff_t>(std::min(count, callbacks_.size()));
      callbacks.assign(callbacks_.begin(), end);
      callbacks_.erase(callbacks_.begin(), end);
    }
    for (const lsm::DurableCallback& callback : callbacks) callback(status);
  }
  uint64_t commits() const { return commits_; }

  // From now on the record of the key `name` is on the disk only, until it has been read.
  void Cool(const std::string& name) {
    std::lock_guard lock(mu_);
    cold_.insert(name);
  }
  // Walks that are begun in other threads than the loop's wait until told otherwise.
  void HoldWalks(bool hold) {
    std::lock_guard lock(mu_);
    holds_walks_ = hold;
    walks_go_on_.notify_all();
  }
  size_t walking() {
    std::lock_guard lock(mu_);
    return walking_;
  }
  uint64_t walks() const { return walks_; }
  // For what the disk was really needed for.
  uint64_t loop_waits() const { return loop_waits_; }
  // How many keys were asked to be brought near.
  uint64_t prefetched() const { return prefetched_; }
  void set_loop(std::thread::id loop) { loop_ = loop; }
  void RefuseReads(bool refuse) {
    std::lock_guard lock(mu_);
    refuses_reads_ = refuse;
  }
  // Reads of the disk that wait; how many were ever begun; and how often somebody waited for the disk instead.
  size_t reading() {
    std::lock_guard lock(mu_);
    return reads_.size();
  }
  uint64_t reads() { return reads_done_ + reading(); }
  uint64_t waits() const { return waits_; }
  // The disk has them; those that begin meanwhile still wait.
  void EndReads() {
    std::vector<Read> reads;
    {
      std::lock_guard lock(mu_);
      reads.swap(reads_);
      for (const Read& read : reads) cold_.erase(NameIn(read.key));
    }
    reads_done_ += reads.size();
    for (Read& read : reads) {
      lsm::PinnedValue value;
      lsm::Result<bool> found = db_->Get({}, read.key, &value);
      read.callback(std::move(found), std::move(value));
    }
  }

  lsm::Result<lsm::SequenceNumber> WriteAsync(lsm::WriteBatch& batch, lsm::DurableCallback on_durable) override {
    if (busy_ && !batch.empty()) {
      ++refused_;
      return lsm::Status::Busy("the gate is closed");
    }
    std::lock_guard lock(mu_);
    if (!failure_.ok()) return failure_;
    if (!batch.empty()) ++commits_;
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
    if (IsCold(k)) ++waits_;
    if (std::this_thread::get_id() == loop_.load() && db_->TryGet(o, k, v).status().Is(lsm::StatusCode::kWouldBlock)) {
      ++loop_waits_;
    }
    return db_->Get(o, k, v);
  }
  lsm::Result<bool> TryGet(const lsm::ReadOptions& o, std::string_view k, lsm::PinnedValue* v) override {
    if (IsCold(k)) return lsm::Status::WouldBlock();
    return db_->TryGet(o, k, v);
  }
  lsm::Status GetAsync(const lsm::ReadOptions&, std::string_view k, lsm::GetCallback callback) override {
    std::lock_guard lock(mu_);
    if (refuses_reads_) return lsm::Status::Busy("the gate is closed");
    reads_.push_back({std::string(k), std::move(callback)});
    return lsm::Status::Ok();
  }
  void Prefetch(std::span<const std::string_view> keys) override {
    prefetched_ += keys.size();
    db_->Prefetch(keys);
  }
  std::vector<lsm::Result<bool>> MultiGet(const lsm::ReadOptions& o, std::span<const std::string_view> k,
                                          std::span<lsm::PinnedValue> v) override {
    return db_->MultiGet(o, k, v);
  }
  lsm::Iterator NewIterator(const lsm::ReadOptions& o) override {
    if (std::this_thread::get_id() != loop_.load()) {
      std::unique_lock lock(mu_);
      ++walks_;
      ++walking_;
      walks_go_on_.wait(lock, [this] { return !holds_walks_; });
      --walking_;
    }
    return db_->NewIterator(o);
  }
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
  struct Read {
    std::string key;
    lsm::GetCallback callback;
  };

  static std::string NameIn(std::string_view key) {
    if (key.size() <= keyspace::kMetaKeyPrefixSize || key[0] != keyspace::kMetaTag) return {};
    return std::string(keyspace::NameOfMetaKey(key));
  }
  bool IsCold(std::string_view key) {
    std::lock_guard lock(mu_);
    return cold_.contains(NameIn(key));
  }

  const std::unique_ptr<lsm::Db> db_;
  std::set<std::string> cold_;
  std::vector<Read> reads_;
  bool refuses_reads_ = false;
  bool holds_walks_ = false;
  size_t walking_ = 0;
  std::condition_variable walks_go_on_;
  std::atomic<uint64_t> walks_{0};
  std::atomic<uint64_t> loop_waits_{0};
  std::atomic<std::thread::id> loop_{};
  std::atomic<uint64_t> reads_done_{0};
  std::atomic<uint64_t> waits_{0};
  std::atomic<bool> busy_{false};
  std::atomic<uint64_t> refused_{0};
  std::atomic<uint64_t> prefetched_{0};
  std::atomic<uint64_t> commits_{0};
  std::mutex mu_;
  lsm::Status failure_;
  std::vector<lsm::DurableCallback> callbacks_;
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
    if (const char* threads = std::getenv("VARVE_TEST_IO_THREADS")) {
      ASSERT_EQ(config_.Set("io-threads", threads, resp::SettingTime::kStart), "");
      config_.io_threads_do_reads = true;
    }
    auto db = lsm::Db::Open(db_dir_, options_);
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
    net_->set_on_cron([this] {
      ++crons_;
      while (loop_held_) std::this_thread::yield();
    });
    loop_ = std::thread([this] {
      db_->set_loop(std::this_thread::get_id());
      net_->Run();
    });
  }
  void TearDown() override {
    if (!loop_.joinable()) return;
    LetLoopGo();
    db_->FailWith(lsm::Status::Ok());
    db_->set_busy(false);
    db_->HoldWalks(false);
    RawClient last(port());
    last.Send(Request({"AUTH", "secret"}) + Request({"SHUTDOWN"}));
    last.ReadUntilEnd();
    loop_.join();
    db_->EndReads();
    db_->Report(lsm::Status::Ok());
    EXPECT_TRUE(db_->Close().ok());
  }
  int port() const { return static_cast<int>(config_.port); }
  // From when it returns until told otherwise the loop reads nothing: all that is sent meanwhile it finds at once.
  void HoldLoop() {
    const uint64_t before = crons_;
    loop_held_ = true;
    while (crons_ == before) std::this_thread::yield();
  }
  void LetLoopGo() { loop_held_ = false; }
  // The loop has run at least one whole tick since. PING sees no data, so it waits for no sync.
  static void Turn(RawClient& witness) {
    ASSERT_EQ(witness.Ask({"PING"}), "+PONG\r\n");
    ASSERT_EQ(witness.Ask({"PING"}), "+PONG\r\n");
  }

  testing::TemporaryDirectory dir_;
  std::string db_dir_ = dir_.path() + "/db";
  lsm::Options options_;
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
  std::atomic<bool> loop_held_{false};
  std::thread loop_;
};

}  // namespace varve::net
