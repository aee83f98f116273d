// tests/net/surroundings.h - the process around a net::Server in a test program, as little of it as its handlers need.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "net/server.h"
#include "resp/server_control.h"

namespace varve::testing {

class Surroundings final : public resp::ServerControl {
 public:
  net::Server* net = nullptr;
  std::function<uint64_t()> commits;
  std::function<void(std::string_view)> on_log;  // of DEBUG LOG, on the loop's thread
  std::vector<uint64_t> saved_commits;           // how many there were at each SAVE
  void ForEachClient(const std::function<void(resp::Session&, const resp::ConnectionFacts&)>& visit) override {
    net->ForEachClient(visit);
  }
  resp::Session* FindClient(uint64_t id) override { return net->FindClient(id); }
  void KillClient(uint64_t id) override { net->KillClient(id); }
  resp::ServerFacts Facts() override {
    resp::ServerFacts facts;
    facts.auth_timeout_disconnections = net->stats().auth_timeout_disconnections;
    facts.reads_processed = net->stats().reads;
    facts.threaded_reads_processed = net->stats().threaded_reads;
    facts.threaded_writes_processed = net->stats().threaded_writes;
    facts.io_threads_active = net->stats().threads_active;
    return facts;
  }
  void ResetStats() override { net->ResetStats(); }
  std::string ApplyConfig(const resp::Config&, std::string_view) override { return {}; }
  std::string RewriteConfigFile() override { return {}; }
  void SleepMicros(uint64_t) override {}
  void Log(std::string_view message) override {
    if (on_log) on_log(message);
  }
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

}  // namespace varve::testing
