// tests/resp/harness.h - a dispatcher on a real database in a temporary directory, without sockets.
#pragma once

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "keyspace/keyspace.h"
#include "lsm/db.h"
#include "resp/dispatcher.h"
#include "resp/message_sink.h"

namespace varve::resp {

class TestClock : public lsm::Clock {
 public:
  uint64_t MonotonicMicros() override { return monotonic_us += 10; }
  int64_t WallMillis() override { return now_ms; }
  uint64_t monotonic_us = 0;
  int64_t now_ms = 1'700'000'000'000;
};

class FakeServer : public ServerControl {
 public:
  void ForEachClient(const std::function<void(Session&, const ConnectionFacts&)>& visit) override {
    for (Session* session : sessions) visit(*session, {});
  }
  Session* FindClient(uint64_t id) override {
    for (Session* session : sessions) {
      if (session->id == id) return session;
    }
    return nullptr;
  }
  void KillClient(uint64_t id) override { killed.push_back(id); }
  ServerFacts Facts() override {
    ServerFacts facts;
    facts.connected_clients = sessions.size();
    facts.used_memory_bytes = used_memory_bytes;
    facts.rss_bytes = rss_bytes;
    return facts;
  }
  void ResetStats() override { stats_resets++; }
  std::string ApplyConfig(const Config& /*config*/, std::string_view name) override {
    applied.emplace_back(name);
    return name == refuse ? "cannot be applied" : "";
  }
  std::string RewriteConfigFile() override { return "The server is running without a config file"; }
  void SleepMicros(uint64_t duration_us) override {
    slept_us += duration_us;
    if (on_sleep) on_sleep(duration_us);
  }
  lsm::Status StartSave() override {
    return saving ? lsm::Status::Busy("one is running") : (saving = true, lsm::Status());
  }
  void Log(std::string_view message) override { logged.emplace_back(message); }
  void PurgeMemory() override { purges++; }
  std::string AllocatorReport() override { return "a report"; }
  lsm::Status SaveNow() override { return saving ? lsm::Status::Busy("one is running") : (saves++, lsm::Status()); }
  lsm::Status StartLogRewrite() override {
    return rewriting ? lsm::Status::Busy("one is running") : (rewriting = true, lsm::Status());
  }
  bool RequestShutdown(ShutdownSave save, bool now, bool force) override {
    shutdown = std::to_string(static_cast<int>(save)) + (now ? "n" : "") + (force ? "f" : "");
    return true;
  }
  bool AbortShutdown() override { return false; }

  std::vector<Session*> sessions;
  std::vector<uint64_t> killed;
  std::vector<std::string> applied;
  std::string refuse;
  std::string shutdown;
  uint64_t used_memory_bytes = 1 << 20;
  uint64_t rss_bytes = 2 << 20;
  uint64_t slept_us = 0;
  std::function<void(uint64_t)> on_sleep;
  int stats_resets = 0;
  bool saving = false;
  bool rewriting = false;
  int saves = 0;
  int purges = 0;
  std::vector<std::string> logged;
};

inline std::string Bulk(std::string_view bytes) {
  return "$" + std::to_string(bytes.size()) + "\r\n" + std::string(bytes) + "\r\n";
}

// What a client was sent unasked.
class TestSink : public MessageSink {
 public:
  void Push(std::span<const std::string_view> pieces, bool about_data) noexcept override {
    for (std::string_view piece : pieces) bytes.append(piece);
    messages++;
    about_data_count += about_data ? 1 : 0;
  }
  // Since the last call.
  std::string Take() { return std::exchange(bytes, {}); }

  std::string bytes;
  int messages = 0;
  int about_data_count = 0;
};

class DispatcherTest : public ::testing::Test {
 protected:
  DispatcherTest() {
    char name[] = "/tmp/varve_resp_XXXXXX";
    dir_ = mkdtemp(name);
    auto db = lsm::Db::Open(dir_ + "/db", {.memory_budget = 16 << 20, .wal_sync = lsm::WalSync::kNever});
    EXPECT_TRUE(db.ok()) << db.status().ToString();
    db_ = std::move(*db);
    auto keys = keyspace::Keyspace::Open(db_.get(), {.clock = &clock_});
    EXPECT_TRUE(keys.ok()) << keys.status().ToString();
    keys_ = std::move(*keys);
    dispatcher_ = std::make_unique<Dispatcher>(keys_.get(), &server_, &config_);
    session_.sink = &sink_;
    other_.sink = &other_sink_;
    session_.id = 1;
    session_.address = "127.0.0.1:1000";
    other_.id = 2;
    other_.address = "127.0.0.1:2000";
    server_.sessions = {&session_, &other_};
  }
  ~DispatcherTest() override {
    dispatcher_->Forget(session_);
    dispatcher_->Forget(other_);
    dispatcher_.reset();
    keys_.reset();
    db_.reset();
    std::filesystem::remove_all(dir_);
  }

  std::string Run(Session& session, const std::vector<std::string>& words) {
    std::vector<std::string_view> args(words.begin(), words.end());
    std::string out;
    last_ = dispatcher_->Execute(session, args, &out);
    if (last_.commit_first) {
      committed_first_++;
      Commit();
      last_ = dispatcher_->Execute(session, args, &out);
    }
    if (last_.fetching) {  // it may wait
      session.fetched = true;
      last_ = dispatcher_->Execute(session, args, &out);
    }
    dispatcher_->DeliverMessages(last_.wrote);
    return out;
  }
  // Words separated by single blanks; '' is an empty one.
  std::string Do(Session& session, std::string_view line) {
    std::vector<std::string> words;
    while (!line.empty()) {
      const size_t end = std::min(line.find(' '), line.size());
      words.emplace_back(line.substr(0, end) == "''" ? std::string_view() : line.substr(0, end));
      line.remove_prefix(std::min(end + 1, line.size()));
    }
    return Run(session, words);
  }
  std::string Do(std::string_view line) { return Do(session_, line); }
  std::string DoOther(std::string_view line) { return Do(other_, line); }
  // As the server: whatever the write controller puts off is tried again when the flushes have caught up.
  void Commit() {
    auto sequence = keys_->Commit(nullptr);
    while (sequence.status().Is(lsm::StatusCode::kBusy)) {
      ASSERT_TRUE(db_->WaitForBackgroundWork().ok());
      sequence = keys_->Commit(nullptr);
    }
    ASSERT_TRUE(sequence.ok()) << sequence.status().ToString();
  }

  TestClock clock_;
  std::string dir_;
  std::unique_ptr<lsm::Db> db_;
  std::unique_ptr<keyspace::Keyspace> keys_;
  FakeServer server_;
  Config config_;
  std::unique_ptr<Dispatcher> dispatcher_;
  TestSink sink_;
  TestSink other_sink_;
  Session session_;
  Session other_;
  Execution last_;
  int committed_first_ = 0;
};

}  // namespace varve::resp
