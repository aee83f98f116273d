// resp/config.h - the server's settings by Redis' names: CONFIG GET and SET, the configuration file and the flags.
//
// One row for each parameter (config.cc): its kind, its default, whether it may change while running, and what it means
// here. Four sorts of row:
//   live    the value is used by this server; CONFIG SET changes it, through ServerControl::ApplyConfig.
//   start   used, but only when the server starts; CONFIG SET refuses as Redis refuses its immutable ones.
//   fact    describes how this server works in Redis' words (appendonly is "yes", maxmemory-policy "noeviction", ...).
//           Setting it to what it says is accepted, another value is refused with a text that says so: nobody is told
//           of a change that did not happen.
//   kept    a setting of Redis that changes nothing a client could see here (how values lie in memory, how dumps are
//           written, what replicas do): checked as Redis checks it, kept, shown by CONFIG GET and written by REWRITE,
//           so that tools work; without effect.
// An alias is another name of a row (hash-max-ziplist-entries); Redis' hidden settings answer to their full names only.
// Threads: the executor's.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace varve::resp {

struct ConfigRow;  // config.cc

enum class SettingTime : uint8_t { kStart, kRunning };

class Config {
 public:
  Config();

  // "" and the value set, or why not: "argument couldn't be parsed into an integer". Names are case-insensitive.
  // Sizes take units ("64mb"), booleans "yes" and "no". Several arguments of one parameter are joined by blanks.
  std::string Set(std::string_view name, std::string_view value, SettingTime time);
  bool Knows(std::string_view name) const;
  // "" or why no value of it may be set while running.
  std::string Immutable(std::string_view name) const;
  // Whether `name` may be set while running and is no fact: its value is the operator's. (Live or kept.)
  bool IsLive(std::string_view name) const;
  // Whether logs must not show it.
  static bool IsSecret(std::string_view name);
  // Whether its value is shown, and has no effect.
  bool IsKept(std::string_view name) const;
  // The name of the table: of an alias that of its parameter, of unknown names none.
  static std::string_view Canonical(std::string_view name);
  // Whether `name` only describes how the server works.
  bool IsFact(std::string_view name) const;
  // The value as CONFIG GET shows it; empty for unknown names.
  std::string Get(std::string_view name) const;
  // All parameters that match one of the patterns, in the order of the table, each once.
  std::vector<std::pair<std::string, std::string>> Match(const std::vector<std::string_view>& patterns) const;

  // What the engine may keep in memory.
  int64_t MemoryBudget() const { return maxmemory > 0 ? maxmemory : memory_budget; }
  // maxmemory_clients in bytes; INT64_MAX: no limit.
  int64_t ClientMemoryMax() const;
  // What one client's replies may come to: the hard limit of client-output-buffer-limit, and never more than all
  // clients'.
  int64_t OutputMax() const;

  // What the server reads often, kept decoded.
  enum class AppendFsync : uint8_t { kNo, kEverySecond, kAlways };
  AppendFsync appendfsync = AppendFsync::kEverySecond;
  std::string requirepass;
  std::string bind = "127.0.0.1 -::1";
  std::string dir = "./data";
  std::string logfile;
  std::string loglevel = "notice";
  std::string unixsocket;
  std::string pidfile;
  int64_t port = 6379;
  int64_t tcp_backlog = 511;
  int64_t tcp_keepalive_seconds = 300;
  int64_t timeout_seconds = 0;  // idle clients are closed after this; 0: never
  int64_t maxclients = 10000;
  int64_t io_threads = 1;               // that send replies, the loop's own among them
  bool io_threads_do_reads = false;     // and read requests
  int64_t unixsocketperm = 0;           // octal digits in the file
  int64_t hll_sparse_max_bytes = 3000;  // a longer HyperLogLog is stored dense
  int64_t proto_max_bulk_len = int64_t{512} * 1024 * 1024;
  int64_t client_query_buffer_limit = int64_t{1} * 1024 * 1024 * 1024;
  static constexpr int64_t kMemoryBudgetMin = int64_t{4} * 1024 * 1024;  // the engine's least
  int64_t memory_budget = int64_t{256} * 1024 * 1024;                    // the engine's; not one of Redis' names
  int64_t maxmemory = 0;       // Redis' name for it, which wins; 0: memory_budget holds
  int64_t max_disk_bytes = 0;  // likewise; 0: all there is
  // For the requests and replies of all clients together; < 0: percent of MemoryBudget(); 0: no limit. Enough for one
  // client that queues the largest value in a MULTI.
  int64_t maxmemory_clients = int64_t{1536} * 1024 * 1024;
  // client-output-buffer-limit <class> <hard> <soft> <seconds>: what waits to be sent to one client; 0: no limit.
  struct OutputLimit {
    int64_t hard_bytes;
    int64_t soft_bytes;  // for longer than soft_seconds
    int64_t soft_seconds;
  };
  static constexpr int64_t kMiB = 1024 * 1024;
  OutputLimit output_normal = {1024 * kMiB, 256 * kMiB, 60};
  OutputLimit output_replica = {256 * kMiB, 64 * kMiB, 60};
  OutputLimit output_pubsub = {32 * kMiB, 8 * kMiB, 60};  // of clients that subscribe to something
  int64_t tracking_table_max_keys = 1'000'000;            // 0: no limit but that of bytes (tracking.h)
  uint32_t notify_keyspace_events = 0;                    // NotifyClass (keyspace_events.h)
  int64_t slowlog_log_slower_than_us = 10'000;            // < 0: nothing is
  int64_t slowlog_max_len = 128;
  int64_t latency_monitor_threshold_ms = 0;  // 0: off
  bool latency_tracking = true;
  std::vector<double> latency_tracking_percentiles = {50, 99, 99.9};
  // Writes are refused while fewer replicas than this follow: any at all, for there are none. 0, or a lag of 0: off.
  int64_t min_replicas_to_write = 0;
  int64_t min_replicas_max_lag = 10;
  // A checkpoint is made (as BGSAVE) when so many writes came in so many seconds.
  struct SavePoint {
    int64_t seconds = 0;
    int64_t changes = 0;
  };
  std::vector<SavePoint> save_points;
  bool protected_mode = true;
  bool active_expire = true;  // DEBUG SET-ACTIVE-EXPIRE
  bool pause_cron = false;    // DEBUG PAUSE-CRON
  enum class DebugCommand : uint8_t { kNo, kLocal, kYes };
  DebugCommand enable_debug_command = DebugCommand::kLocal;

 private:
  std::string SetRow(const ConfigRow& row, std::string_view value);
  std::string Keep(const ConfigRow& row, std::string_view value);
  std::string KeepWords(const ConfigRow& row, std::string_view value);
  std::string SetSave(std::string_view value, SettingTime time);
  std::string SetPercentiles(std::string_view value);
  std::string SetNumber(const ConfigRow& row, std::string_view value);
  static std::string ReadNumber(const ConfigRow& row, std::string_view value, int64_t* result);
  std::string SetOutputLimit(std::string_view value);
  std::string Show(const ConfigRow& row) const;
  std::string ShowSave() const;
  std::string ShowPercentiles() const;

  std::vector<std::string> kept_;  // by row
};

}  // namespace varve::resp
