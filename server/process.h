// server/process.h - the running server: engine, keyspace, dispatcher and loop wired together, and what commands may
// ask of the process as a whole.
//
// Members are made in the order of the arrows (engine first) and go in the reverse one; Run() closes the engine before
// it returns, while the loop still exists, since the engine's last durable callbacks speak to it.
// BGSAVE makes a checkpoint in DIR/backup, replacing the one before when it is complete.
// Threads: the loop's, apart from the one that saves.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <thread>

#include "keyspace/keyspace.h"
#include "lsm/db.h"
#include "lsm/status.h"
#include "net/server.h"
#include "resp/config.h"
#include "resp/dispatcher.h"
#include "resp/server_control.h"
#include "server/arguments.h"

namespace varve::server {

class Process final : public resp::ServerControl {
 public:
  // Opens the data directory and the sockets. `config` outlives the process.
  static lsm::Result<std::unique_ptr<Process>> Start(resp::Config* config, const Arguments& arguments);
  ~Process() override;
  // Serves until shut down, then closes the engine.
  lsm::Status Run();

  void ForEachClient(const std::function<void(resp::Session&, const resp::ConnectionFacts&)>& visit) override;
  resp::Session* FindClient(uint64_t id) override;
  void KillClient(uint64_t id) override;
  resp::ServerFacts Facts() override;
  void ResetStats() override;
  std::string ApplyConfig(const resp::Config& config, std::string_view name) override;
  std::string RewriteConfigFile() override;
  void SleepMicros(uint64_t duration_us) override;
  void Log(std::string_view message) override;
  void PurgeMemory() override;
  std::string AllocatorReport() override;
  lsm::Status StartSave() override;
  lsm::Status SaveNow() override;
  lsm::Status StartLogRewrite() override;
  bool RequestShutdown(resp::ShutdownSave save, bool now, bool force) override;
  bool AbortShutdown() override;

 private:
  Process(resp::Config* config, const Arguments& arguments);
  lsm::Status Open();
  size_t EngineBudget() const;
  lsm::Status Save();
  void BeginSave();
  void FinishSave();
  void NoteSaved();
  void FinishLogRewrite();
  // As "save" says: enough changes, long enough ago.
  void MaybeStartSave();
  uint64_t NowMicros() const { return keys_->clock()->MonotonicMicros(); }

  resp::Config* const config_;
  const std::string config_file_;
  const std::string run_id_;
  std::unique_ptr<lsm::Db> db_;
  std::unique_ptr<keyspace::Keyspace> keys_;
  std::unique_ptr<resp::Dispatcher> dispatcher_;
  std::unique_ptr<net::Server> net_;
  size_t known_key_bytes_ = 0;
  uint64_t start_us_ = 0;
  uint64_t memory_peak_bytes_ = 0;
  uint64_t startup_memory_bytes_ = 0;

  std::thread saver_;
  std::atomic<bool> save_done_{false};  // stored by saver_ (release) after save_status_
  lsm::Status save_status_;
  std::thread log_rewriter_;
  std::atomic<bool> log_rewrite_done_{false};  // stored by log_rewriter_ (release) after log_rewrite_status_
  lsm::Status log_rewrite_status_;
  bool last_log_rewrite_ok_ = true;
  uint64_t log_rewrites_ = 0;
  bool last_save_ok_ = true;
  uint64_t save_start_us_ = 0;
  int64_t last_save_seconds_ = 0;
  int64_t last_save_duration_seconds_ = -1;
  uint64_t saves_ = 0;
  uint64_t save_start_changes_ = 0;  // the keyspace's count when the checkpoint was begun
  uint64_t saved_changes_ = 0;       // and of the last good one
};

}  // namespace varve::server
