// resp/server_control.h - what handlers may ask of the process around them: its clients, figures, settings, its end.
//
// net/ and server/ implement it; tests use a small fake. No call may run commands or re-enter the dispatcher.
// Threads: the executor's.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "lsm/status.h"
#include "resp/session.h"

namespace varve::resp {

class Config;

// The socket's side of one line of CLIENT LIST.
struct ConnectionFacts {
  int fd = -1;
  uint64_t query_buffer_bytes = 0;       // bytes waiting to be parsed
  uint64_t query_buffer_free_bytes = 0;  // allocated beyond them
  uint64_t output_bytes = 0;             // replies not yet taken by the kernel
  uint64_t output_capacity_bytes = 0;
  bool reading = true;  // events: r, w
  bool writing = false;
  bool unix_socket = false;
};

// INFO's figures that only the process knows. The rest comes from the keyspace, the engine and the dispatcher.
struct ServerFacts {
  std::string run_id;  // 40 hex digits, new in each process
  std::string executable;
  std::string config_file;
  uint64_t uptime_seconds = 0;
  uint64_t connected_clients = 0;
  uint64_t blocked_clients = 0;
  uint64_t recent_max_input_bytes = 0;
  uint64_t recent_max_output_bytes = 0;
  uint64_t clients_memory_bytes = 0;
  uint64_t total_connections = 0;
  uint64_t rejected_connections = 0;
  uint64_t evicted_clients = 0;
  uint64_t query_buffer_limit_disconnections = 0;
  uint64_t output_buffer_limit_disconnections = 0;
  uint64_t stalled_disconnections = 0;
  uint64_t auth_timeout_disconnections = 0;
  uint64_t protocol_errors = 0;
  uint64_t out_of_memory_errors = 0;
  uint64_t input_bytes = 0;
  uint64_t output_bytes = 0;
  double input_kbps = 0;
  double output_kbps = 0;
  uint64_t operations_per_second = 0;
  uint64_t reads_processed = 0;
  uint64_t writes_processed = 0;
  uint64_t threaded_reads_processed = 0;
  uint64_t threaded_writes_processed = 0;
  bool io_threads_active = false;
  uint64_t used_memory_bytes = 0;  // what the allocator handed out, or RSS where it cannot tell
  uint64_t used_memory_peak_bytes = 0;
  uint64_t startup_memory_bytes = 0;    // used when serving began
  uint64_t allocator_active_bytes = 0;  // in pages that hold anything; 0: the allocator cannot tell
  uint64_t allocator_resident_bytes = 0;
  uint64_t rss_bytes = 0;
  uint64_t total_system_memory_bytes = 0;
  std::string allocator;  // "jemalloc-5.3.0", "libc"
  bool save_in_progress = false;
  bool last_save_ok = true;
  int64_t last_save_seconds = 0;            // Unix time of the last good checkpoint, or of the start
  int64_t last_save_duration_seconds = -1;  // -1: none yet
  int64_t current_save_seconds = -1;
  uint64_t saves = 0;
  bool log_rewrite_in_progress = false;
  bool last_log_rewrite_ok = true;
  uint64_t log_rewrites = 0;
  uint64_t changes_since_save = 0;
  bool last_write_ok = true;  // of the log
};

enum class ShutdownSave : uint8_t { kDefault, kSave, kNoSave };

class ServerControl {
 public:
  virtual ~ServerControl() = default;

  // --- clients ---
  virtual void ForEachClient(const std::function<void(Session&, const ConnectionFacts&)>& visit) = 0;
  // Null when there is none, or it is being closed.
  virtual Session* FindClient(uint64_t id) = 0;
  // Closes another client soon (never the one whose command runs: handlers set its close_after_reply).
  virtual void KillClient(uint64_t id) = 0;

  // --- figures ---
  virtual ServerFacts Facts() = 0;
  virtual void ResetStats() = 0;

  // --- settings: called after `config` took the new value of `name`. Returns "" or why it cannot be applied (then the
  //     old value is put back). ---
  virtual std::string ApplyConfig(const Config& config, std::string_view name) = 0;
  virtual std::string RewriteConfigFile() = 0;  // "" or the reason: "The server is running without a config file"

  // --- the process ---
  // Blocks the executor, as Redis' DEBUG SLEEP does.
  virtual void SleepMicros(uint64_t duration_us) = 0;
  virtual void Log(std::string_view message) = 0;
  // Gives pages that hold nothing back to the system.
  virtual void PurgeMemory() = 0;
  // The allocator's own report, or that there is none.
  virtual std::string AllocatorReport() = 0;
  // A checkpoint in the background. kBusy when one is running.
  virtual lsm::Status StartSave() = 0;
  // A checkpoint now, while everybody waits. kBusy when one is running.
  virtual lsm::Status SaveNow() = 0;
  // Writes what the log holds to tables, in the background, so that the log can go. kBusy when that is under way.
  virtual lsm::Status StartLogRewrite() = 0;
  // Ends the process once the loop is idle: no reply is sent. `now`: do not wait for anybody; `force`: also when the
  // save fails. Returns false when it cannot.
  virtual bool RequestShutdown(ShutdownSave save, bool now, bool force) = 0;
  virtual bool AbortShutdown() = 0;  // false: none is under way
};

}  // namespace varve::resp
