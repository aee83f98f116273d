#include "resp/config.h"

#include <algorithm>
#include <array>
#include <climits>
#include <cstdio>
#include <cstdlib>
#include <span>

#include "keyspace/glob.h"
#include "keyspace/record.h"
#include "resp/keyspace_events.h"
#include "resp/numbers.h"

namespace varve::resp {

enum class Kind : uint8_t {
  kInteger,
  kMemory,
  kMemoryOrPercent,  // a percentage is kept as its negative
  kOctal,
  kBool,
  kText,
  kAppendFsync,
  kLogLevel,
  kDebugCommand,
  kOutputLimit,
  kNotifyFlags,
  kSave,
  kPercentiles,
  kKeptWord,   // one of `words`
  kKeptWords,  // any of them, separated by blanks
  kFact,
  kAlias,
};

enum class Change : uint8_t { kLive, kStart, kProtected };  // kProtected: only at start, in Redis' other words

struct ConfigRow {
  std::string_view name;
  Kind kind;
  Change change;
  int64_t Config::*number = nullptr;
  int64_t min = 0;
  int64_t max = INT_MAX;
  std::string Config::*text = nullptr;
  bool Config::*flag = nullptr;
  std::string_view fact = {};   // of a fact what it says, of a kept value its default, of an alias the name meant
  std::string_view words = {};  // "one, another": of kKeptWord and kKeptWords
  bool kept = false;
  bool hidden = false;  // no pattern finds it
};

namespace {

constexpr int64_t kMiB = Config::kMiB;

constexpr ConfigRow Number(std::string_view name, Kind kind, Change change, int64_t Config::*member, int64_t min,
                           int64_t max) {
  return {.name = name, .kind = kind, .change = change, .number = member, .min = min, .max = max};
}
constexpr ConfigRow Text(std::string_view name, Change change, std::string Config::*member) {
  return {.name = name, .kind = Kind::kText, .change = change, .text = member};
}
constexpr ConfigRow Flag(std::string_view name, Change change, bool Config::*member) {
  return {.name = name, .kind = Kind::kBool, .change = change, .flag = member};
}
constexpr ConfigRow Enum(std::string_view name, Kind kind, Change change) {
  return {.name = name, .kind = kind, .change = change};
}
constexpr ConfigRow Fact(std::string_view name, std::string_view value, Change change = Change::kLive) {
  return {.name = name, .kind = Kind::kFact, .change = change, .fact = value};
}
constexpr ConfigRow Kept(std::string_view name, Kind kind, std::string_view value, Change change = Change::kLive) {
  return {.name = name, .kind = kind, .change = change, .fact = value, .kept = true};
}
constexpr ConfigRow KeptNumber(std::string_view name, std::string_view value, int64_t min = 0, int64_t max = INT_MAX,
                               Kind kind = Kind::kInteger) {
  return {.name = name, .kind = kind, .change = Change::kLive, .min = min, .max = max, .fact = value, .kept = true};
}
constexpr ConfigRow KeptWord(std::string_view name, std::string_view value, std::string_view words,
                             Kind kind = Kind::kKeptWord) {
  return {.name = name, .kind = kind, .change = Change::kLive, .fact = value, .words = words, .kept = true};
}
constexpr ConfigRow Hidden(ConfigRow row) {
  row.hidden = true;
  return row;
}
constexpr ConfigRow Alias(std::string_view name, std::string_view of) {
  return {.name = name, .kind = Kind::kAlias, .change = Change::kLive, .fact = of};
}

static_assert(keyspace::kDatabaseCount == 16);

constexpr ConfigRow kRows[] = {
    // --- live ---
    Enum("appendfsync", Kind::kAppendFsync, Change::kLive),
    Number("client-query-buffer-limit", Kind::kMemory, Change::kLive, &Config::client_query_buffer_limit, kMiB,
           LLONG_MAX),
    Enum("client-output-buffer-limit", Kind::kOutputLimit, Change::kLive),
    Enum("notify-keyspace-events", Kind::kNotifyFlags, Change::kLive),
    Number("tracking-table-max-keys", Kind::kInteger, Change::kLive, &Config::tracking_table_max_keys, 0, LLONG_MAX),
    Number("latency-monitor-threshold", Kind::kInteger, Change::kLive, &Config::latency_monitor_threshold_ms, 0,
           LLONG_MAX),
    Flag("latency-tracking", Change::kLive, &Config::latency_tracking),
    Enum("latency-tracking-info-percentiles", Kind::kPercentiles, Change::kLive),
    Enum("loglevel", Kind::kLogLevel, Change::kLive),
    Number("max-disk-bytes", Kind::kMemory, Change::kLive, &Config::max_disk_bytes, 0, LLONG_MAX),
    Number("maxmemory", Kind::kMemory, Change::kLive, &Config::maxmemory, 0, LLONG_MAX),
    Number("maxmemory-clients", Kind::kMemoryOrPercent, Change::kLive, &Config::maxmemory_clients, -100, LLONG_MAX),
    Number("maxclients", Kind::kInteger, Change::kLive, &Config::maxclients, 1, UINT_MAX),
    Number("memory-budget", Kind::kMemory, Change::kLive, &Config::memory_budget, Config::kMemoryBudgetMin, LLONG_MAX),
    Number("min-replicas-max-lag", Kind::kInteger, Change::kLive, &Config::min_replicas_max_lag, 0, INT_MAX),
    Alias("min-slaves-max-lag", "min-replicas-max-lag"),
    Number("min-replicas-to-write", Kind::kInteger, Change::kLive, &Config::min_replicas_to_write, 0, INT_MAX),
    Alias("min-slaves-to-write", "min-replicas-to-write"),
    Flag("protected-mode", Change::kLive, &Config::protected_mode),
    Number("hll-sparse-max-bytes", Kind::kMemory, Change::kLive, &Config::hll_sparse_max_bytes, 0, INT64_MAX),
    Number("proto-max-bulk-len", Kind::kMemory, Change::kLive, &Config::proto_max_bulk_len, kMiB,
           static_cast<int64_t>(keyspace::kStringSizeMax)),
    Text("requirepass", Change::kLive, &Config::requirepass),
    Enum("save", Kind::kSave, Change::kLive),
    Number("slowlog-log-slower-than", Kind::kInteger, Change::kLive, &Config::slowlog_log_slower_than_us, -1,
           LLONG_MAX),
    Number("slowlog-max-len", Kind::kInteger, Change::kLive, &Config::slowlog_max_len, 0, LLONG_MAX),
    Number("tcp-keepalive", Kind::kInteger, Change::kLive, &Config::tcp_keepalive_seconds, 0, INT_MAX),
    Number("timeout", Kind::kInteger, Change::kLive, &Config::timeout_seconds, 0, INT_MAX),
    Text("bind", Change::kLive, &Config::bind),
    Number("port", Kind::kInteger, Change::kLive, &Config::port, 0, 65535),
    // --- start ---
    Text("dir", Change::kProtected, &Config::dir),
    Enum("enable-debug-command", Kind::kDebugCommand, Change::kStart),
    Number("io-threads", Kind::kInteger, Change::kStart, &Config::io_threads, 1, 128),
    Flag("io-threads-do-reads", Change::kStart, &Config::io_threads_do_reads),
    Text("logfile", Change::kStart, &Config::logfile),
    Text("pidfile", Change::kStart, &Config::pidfile),
    Number("tcp-backlog", Kind::kInteger, Change::kStart, &Config::tcp_backlog, 0, INT_MAX),
    Text("unixsocket", Change::kStart, &Config::unixsocket),
    Number("unixsocketperm", Kind::kOctal, Change::kStart, &Config::unixsocketperm, 0, 0777),
    // --- facts: how this server works, in Redis' words ---
    Fact("appendonly", "yes"),  // there is always a log
    Fact("databases", "16", Change::kStart),
    Fact("daemonize", "no", Change::kStart),
    Fact("supervised", "no", Change::kStart),
    Fact("maxmemory-policy", "noeviction"),
    Fact("cluster-enabled", "no", Change::kStart),
    Fact("replicaof", "", Change::kStart),
    Fact("slaveof", "", Change::kStart),
    Fact("tls-port", "0"),
    Fact("activedefrag", "no"),
    Fact("dbfilename", "dump.rdb", Change::kProtected),
    Fact("appendfilename", "appendonly.aof", Change::kStart),
    Fact("appenddirname", "appendonlydir", Change::kStart),
    Fact("acl-pubsub-default", "resetchannels"),
    Fact("aclfile", "", Change::kStart),
    Fact("enable-module-command", "no", Change::kStart),
    Fact("enable-protected-configs", "no", Change::kStart),
    Fact("oom-score-adj", "no"),
    Fact("syslog-enabled", "no", Change::kStart),
    Fact("socket-mark-id", "0", Change::kStart),
    Fact("bind-source-addr", ""),
    // --- kept: how Redis lays out its values in memory ---
    KeptNumber("hash-max-listpack-entries", "512", 0, LONG_MAX),
    Alias("hash-max-ziplist-entries", "hash-max-listpack-entries"),
    KeptNumber("hash-max-listpack-value", "64", 0, LONG_MAX, Kind::kMemory),
    Alias("hash-max-ziplist-value", "hash-max-listpack-value"),
    KeptNumber("list-max-listpack-size", "-2", INT_MIN),
    Alias("list-max-ziplist-size", "list-max-listpack-size"),
    KeptNumber("list-compress-depth", "0"),
    KeptNumber("set-max-intset-entries", "512", 0, LONG_MAX),
    KeptNumber("zset-max-listpack-entries", "128", 0, LONG_MAX),
    Alias("zset-max-ziplist-entries", "zset-max-listpack-entries"),
    KeptNumber("zset-max-listpack-value", "64", 0, LONG_MAX, Kind::kMemory),
    Alias("zset-max-ziplist-value", "zset-max-listpack-value"),
    KeptNumber("stream-node-max-bytes", "4096", 0, LONG_MAX, Kind::kMemory),
    KeptNumber("stream-node-max-entries", "100", 0, LLONG_MAX),
    Kept("activerehashing", Kind::kBool, "yes"),
    Kept("jemalloc-bg-thread", Kind::kBool, "yes"),
    KeptNumber("active-defrag-cycle-max", "25", 1, 99),
    KeptNumber("active-defrag-cycle-min", "1", 1, 99),
    KeptNumber("active-defrag-ignore-bytes", "104857600", 1, LLONG_MAX, Kind::kMemory),
    KeptNumber("active-defrag-max-scan-fields", "1000", 1, LONG_MAX),
    KeptNumber("active-defrag-threshold-lower", "10", 0, 1000),
    KeptNumber("active-defrag-threshold-upper", "100", 0, 1000),
    KeptNumber("maxmemory-eviction-tenacity", "10", 0, 100),
    KeptNumber("maxmemory-samples", "5", 1),
    KeptNumber("lfu-decay-time", "1"),
    KeptNumber("lfu-log-factor", "10"),
    // --- kept: what Redis does later or elsewhere, and this server at once ---
    Kept("lazyfree-lazy-eviction", Kind::kBool, "no"),
    Kept("lazyfree-lazy-expire", Kind::kBool, "no"),
    Kept("lazyfree-lazy-server-del", Kind::kBool, "no"),
    Kept("lazyfree-lazy-user-del", Kind::kBool, "no"),
    Kept("lazyfree-lazy-user-flush", Kind::kBool, "no"),
    KeptNumber("active-expire-effort", "1", 1, 10),
    KeptNumber("hz", "10"),
    Kept("dynamic-hz", Kind::kBool, "yes"),
    // --- kept: dumps and logs that this server does not write ---
    Kept("rdbcompression", Kind::kBool, "yes"),
    Kept("rdbchecksum", Kind::kBool, "yes", Change::kStart),
    Kept("rdb-del-sync-files", Kind::kBool, "no"),
    Kept("rdb-save-incremental-fsync", Kind::kBool, "yes"),
    Kept("stop-writes-on-bgsave-error", Kind::kBool, "yes"),
    Kept("aof-disable-auto-gc", Kind::kBool, "no"),
    Kept("aof-load-truncated", Kind::kBool, "yes"),
    Kept("aof-rewrite-incremental-fsync", Kind::kBool, "yes"),
    Kept("aof-timestamp-enabled", Kind::kBool, "no"),
    Kept("aof-use-rdb-preamble", Kind::kBool, "yes"),
    KeptNumber("auto-aof-rewrite-percentage", "100"),
    KeptNumber("auto-aof-rewrite-min-size", "67108864", 0, LLONG_MAX, Kind::kMemory),
    Kept("no-appendfsync-on-rewrite", Kind::kBool, "no"),
    KeptWord("sanitize-dump-payload", "no", "no, yes, clients"),  // a payload is always looked at
    Hidden(KeptNumber("key-load-delay", "0", INT_MIN)),
    Hidden(KeptNumber("loading-process-events-interval-bytes", "2097152", 1024)),
    Hidden(KeptNumber("rdb-key-save-delay", "0", INT_MIN)),
    // --- kept: scripts, replicas, a cluster and an ACL log, of which there are none ---
    KeptNumber("busy-reply-threshold", "5000", 0, LONG_MAX),
    Alias("lua-time-limit", "busy-reply-threshold"),
    Hidden(Kept("lua-enable-deprecated-api", Kind::kBool, "no", Change::kStart)),
    KeptNumber("acllog-max-len", "128", 0, LONG_MAX),
    Kept("masterauth", Kind::kText, ""),
    Kept("masteruser", Kind::kText, ""),
    KeptWord("propagation-error-behavior", "ignore", "ignore, panic, panic-on-replicas"),
    KeptNumber("repl-backlog-size", "1048576", 1, LLONG_MAX, Kind::kMemory),
    KeptNumber("repl-backlog-ttl", "3600", 0, LONG_MAX),
    Kept("repl-disable-tcp-nodelay", Kind::kBool, "no"),
    KeptWord("repl-diskless-load", "disabled", "disabled, on-empty-db, swapdb"),
    Kept("repl-diskless-sync", Kind::kBool, "yes"),
    KeptNumber("repl-diskless-sync-delay", "5"),
    KeptNumber("repl-diskless-sync-max-replicas", "0"),
    KeptNumber("repl-ping-replica-period", "10", 1),
    Alias("repl-ping-slave-period", "repl-ping-replica-period"),
    KeptNumber("repl-timeout", "60", 1),
    Kept("replica-announce-ip", Kind::kText, ""),
    Alias("slave-announce-ip", "replica-announce-ip"),
    KeptNumber("replica-announce-port", "0", 0, 65535),
    Alias("slave-announce-port", "replica-announce-port"),
    Kept("replica-announced", Kind::kBool, "yes"),
    Kept("replica-ignore-disk-write-errors", Kind::kBool, "no"),
    Kept("replica-ignore-maxmemory", Kind::kBool, "yes"),
    Alias("slave-ignore-maxmemory", "replica-ignore-maxmemory"),
    Kept("replica-lazy-flush", Kind::kBool, "no"),
    Alias("slave-lazy-flush", "replica-lazy-flush"),
    KeptNumber("replica-priority", "100"),
    Alias("slave-priority", "replica-priority"),
    Kept("replica-read-only", Kind::kBool, "yes"),
    Alias("slave-read-only", "replica-read-only"),
    Kept("replica-serve-stale-data", Kind::kBool, "yes"),
    Alias("slave-serve-stale-data", "replica-serve-stale-data"),
    Kept("cluster-allow-pubsubshard-when-down", Kind::kBool, "yes"),
    Kept("cluster-allow-reads-when-down", Kind::kBool, "no"),
    Kept("cluster-allow-replica-migration", Kind::kBool, "yes"),
    KeptNumber("cluster-announce-bus-port", "0", 0, 65535),
    Kept("cluster-announce-hostname", Kind::kText, ""),
    Kept("cluster-announce-ip", Kind::kText, ""),
    KeptNumber("cluster-announce-port", "0", 0, 65535),
    KeptNumber("cluster-announce-tls-port", "0", 0, 65535),
    Kept("cluster-config-file", Kind::kText, "nodes.conf", Change::kStart),
    KeptNumber("cluster-link-sendbuf-limit", "0", 0, LLONG_MAX, Kind::kMemory),
    KeptNumber("cluster-migration-barrier", "1"),
    KeptNumber("cluster-node-timeout", "15000", 0, LLONG_MAX),
    Kept("cluster-port", Kind::kText, "0", Change::kStart),
    KeptWord("cluster-preferred-endpoint-type", "ip", "ip, hostname, unknown-endpoint"),
    Kept("cluster-replica-no-failover", Kind::kBool, "no"),
    Alias("cluster-slave-no-failover", "cluster-replica-no-failover"),
    KeptNumber("cluster-replica-validity-factor", "10"),
    Alias("cluster-slave-validity-factor", "cluster-replica-validity-factor"),
    Kept("cluster-require-full-coverage", Kind::kBool, "yes"),
    // --- kept: the process and its end, at which everything is in the log already ---
    KeptNumber("shutdown-timeout", "10"),
    KeptWord("shutdown-on-sigint", "default", "default, save, nosave, now, force", Kind::kKeptWords),
    KeptWord("shutdown-on-sigterm", "default", "default, save, nosave, now, force", Kind::kKeptWords),
    Kept("always-show-logo", Kind::kBool, "no", Change::kStart),
    Kept("crash-log-enabled", Kind::kBool, "yes"),
    Kept("crash-memcheck-enabled", Kind::kBool, "yes"),
    Hidden(Kept("use-exit-on-panic", Kind::kBool, "no")),
    Hidden(KeptNumber("watchdog-period", "0")),
    Kept("disable-thp", Kind::kBool, "yes", Change::kStart),
    Kept("ignore-warnings", Kind::kText, ""),
    Kept("oom-score-adj-values", Kind::kText, "0 200 800"),
    Kept("proc-title-template", Kind::kText, "{title} {listen-addr} {server-mode}"),
    Kept("set-proc-title", Kind::kBool, "yes", Change::kStart),
    Kept("server_cpulist", Kind::kText, "", Change::kStart),
    Kept("bio_cpulist", Kind::kText, "", Change::kStart),
    Kept("bgsave_cpulist", Kind::kText, "", Change::kStart),
    Kept("aof_rewrite_cpulist", Kind::kText, "", Change::kStart),
    Kept("syslog-facility", Kind::kText, "local0", Change::kStart),
    Kept("syslog-ident", Kind::kText, "redis", Change::kStart),
};

const ConfigRow* FindRow(std::string_view name);

const ConfigRow* Meant(const ConfigRow& row) {
  return row.kind == Kind::kAlias ? FindRow(row.fact) : &row;
}

// Of an alias the row it means.
const ConfigRow* FindRow(std::string_view name) {
  for (const ConfigRow& row : kRows) {
    if (EqualsIgnoreCase(row.name, name)) return Meant(row);
  }
  return nullptr;
}

size_t IndexOf(const ConfigRow& row) {
  return static_cast<size_t>(&row - kRows);
}

// --- words of the enumerations, by value ---

constexpr std::string_view kFsyncWords[] = {"no", "everysec", "always"};
constexpr std::string_view kDebugWords[] = {"no", "local", "yes"};
constexpr std::string_view kLogLevels[] = {"debug", "verbose", "notice", "warning"};

int WordIndex(std::span<const std::string_view> words, std::string_view value) {
  for (size_t i = 0; i < words.size(); i++) {
    if (EqualsIgnoreCase(words[i], value)) return static_cast<int>(i);
  }
  return -1;
}

std::string OneOf(std::string_view words) {
  return "argument(s) must be one of the following: " + std::string(words);
}

std::vector<std::string_view> SplitWords(std::string_view text) {
  std::vector<std::string_view> words;
  while (true) {
    const size_t start = text.find_first_not_of(" \t");
    if (start == std::string_view::npos) return words;
    text.remove_prefix(start);
    const size_t end = std::min(text.find_first_of(" \t"), text.size());
    words.push_back(text.substr(0, end));
    text.remove_prefix(end);
  }
}

bool ParseOctal(std::string_view text, int64_t* value) {
  if (text.empty() || text.size() > 6) return false;
  *value = 0;
  for (char c : text) {
    if (c < '0' || c > '7') return false;
    *value = *value * 8 + (c - '0');
  }
  return true;
}

bool ParseMemoryOrPercent(std::string_view text, int64_t* value) {
  if (!text.ends_with('%')) return ParseMemory(text, value);
  if (!ParseInt64(text.substr(0, text.size() - 1), value) || *value < 0) return false;
  *value = -*value;
  return true;
}

struct ClientClass {
  std::string_view name;
  Config::OutputLimit Config::*limit;
};
constexpr ClientClass kClientClasses[] = {{"normal", &Config::output_normal},
                                          {"slave", &Config::output_replica},
                                          {"replica", &Config::output_replica},
                                          {"pubsub", &Config::output_pubsub}};

const ClientClass* FindClientClass(std::string_view name) {
  for (const ClientClass& row : kClientClasses) {
    if (EqualsIgnoreCase(row.name, name)) return &row;
  }
  return nullptr;
}
// Whether the list "one, another" holds it.
bool IsWord(std::string_view words, std::string_view value) {
  while (!words.empty()) {
    const size_t end = std::min(words.find(", "), words.size());
    if (EqualsIgnoreCase(words.substr(0, end), value)) return true;
    words.remove_prefix(std::min(end + 2, words.size()));
  }
  return false;
}

}  // namespace

Config::Config() {
  for (const ConfigRow& row : kRows) kept_.emplace_back(row.kept ? row.fact : std::string_view());
}

int64_t Config::ClientMemoryMax() const {
  if (maxmemory_clients == 0) return INT64_MAX;
  return maxmemory_clients > 0 ? maxmemory_clients : MemoryBudget() / 100 * -maxmemory_clients;
}

int64_t Config::OutputMax() const {
  return output_normal.hard_bytes > 0 ? std::min(output_normal.hard_bytes, ClientMemoryMax()) : ClientMemoryMax();
}

bool Config::Knows(std::string_view name) const {
  return FindRow(name) != nullptr;
}

bool Config::IsLive(std::string_view name) const {
  const ConfigRow* row = FindRow(name);
  return row != nullptr && row->kind != Kind::kFact && row->change == Change::kLive;
}

bool Config::IsFact(std::string_view name) const {
  const ConfigRow* row = FindRow(name);
  return row != nullptr && row->kind == Kind::kFact;
}

bool Config::IsSecret(std::string_view name) {
  const std::string_view row = Canonical(name);
  return row == "requirepass" || row == "masterauth" || row == "masteruser";
}

bool Config::IsKept(std::string_view name) const {
  const ConfigRow* row = FindRow(name);
  return row != nullptr && row->kept;
}

std::string_view Config::Canonical(std::string_view name) {
  const ConfigRow* row = FindRow(name);
  return row != nullptr ? row->name : std::string_view();
}

std::string Config::Immutable(std::string_view name) const {
  const ConfigRow* row = FindRow(name);
  if (row == nullptr || row->change == Change::kLive) return {};
  return row->change == Change::kProtected ? "can't set protected config" : "can't set immutable config";
}

std::string Config::Get(std::string_view name) const {
  const ConfigRow* row = FindRow(name);
  return row != nullptr ? Show(*row) : std::string();
}

std::string Config::Set(std::string_view name, std::string_view value, SettingTime time) {
  const ConfigRow* row = FindRow(name);
  if (row == nullptr) return "there is no such parameter";
  if (time == SettingTime::kRunning) {
    std::string refused = Immutable(name);
    if (!refused.empty()) return refused;
  }
  if (row->kind == Kind::kSave) return SetSave(value, time);
  return row->kept ? Keep(*row, value) : SetRow(*row, value);
}

// As if it were used: what Redis would not take is refused.
std::string Config::Keep(const ConfigRow& row, std::string_view value) {
  std::string& kept = kept_[IndexOf(row)];
  if (row.kind == Kind::kInteger || row.kind == Kind::kMemory) {
    int64_t number = 0;
    std::string why = ReadNumber(row, value, &number);
    if (why.empty()) kept = std::to_string(number);
    return why;
  }
  if (row.kind == Kind::kBool) {
    const bool yes = EqualsIgnoreCase(value, "yes");
    if (!yes && !EqualsIgnoreCase(value, "no")) return "argument must be 'yes' or 'no'";
    kept = yes ? "yes" : "no";
    return {};
  }
  if (row.kind == Kind::kKeptWord && !IsWord(row.words, value)) return OneOf(row.words);
  if (row.kind == Kind::kKeptWords) return KeepWords(row, value);
  kept = value;
  if (row.kind == Kind::kText) return {};
  for (char& c : kept) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  return {};
}

std::string Config::KeepWords(const ConfigRow& row, std::string_view value) {
  std::string words;
  for (std::string_view word : SplitWords(value)) {
    if (!IsWord(row.words, word)) return OneOf(row.words);
    words.append(words.empty() ? "" : " ").append(word);
  }
  if (words.empty()) return OneOf(row.words);
  for (char& c : words) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  kept_[IndexOf(row)] = words;
  return {};
}

// "<seconds> <changes>", any number of times. Lines of a file add up.
std::string Config::SetSave(std::string_view value, SettingTime time) {
  const std::vector<std::string_view> words = SplitWords(value);
  if (words.size() % 2 != 0) return "Invalid save parameters";
  std::vector<SavePoint> points;
  if (time == SettingTime::kStart && !words.empty()) points = save_points;
  for (size_t i = 0; i < words.size(); i += 2) {
    SavePoint point;
    if (!ParseInt64(words[i], &point.seconds) || !ParseInt64(words[i + 1], &point.changes) || point.seconds < 1 ||
        point.changes < 0) {
      return "Invalid save parameters";
    }
    points.push_back(point);
  }
  save_points = std::move(points);
  return {};
}

std::string Config::SetPercentiles(std::string_view value) {
  std::vector<double> percentiles;
  for (std::string_view word : SplitWords(value)) {
    long double percentile = 0;
    if (!ParseLongDouble(word, &percentile)) return "Invalid latency-tracking-info-percentiles parameters";
    if (percentile > 100 || percentile < 0) {
      return "latency-tracking-info-percentiles parameters should sit between [0.0,100.0]";
    }
    percentiles.push_back(static_cast<double>(percentile));
  }
  latency_tracking_percentiles = std::move(percentiles);
  return {};
}

std::string Config::SetRow(const ConfigRow& row, std::string_view value) {
  switch (row.kind) {
    case Kind::kInteger:
    case Kind::kMemory:
    case Kind::kMemoryOrPercent:
    case Kind::kOctal: return SetNumber(row, value);
    case Kind::kBool: {
      const bool yes = EqualsIgnoreCase(value, "yes");
      if (!yes && !EqualsIgnoreCase(value, "no")) return "argument must be 'yes' or 'no'";
      this->*row.flag = yes;
      return {};
    }
    case Kind::kText: this->*row.text = value; return {};
    case Kind::kAppendFsync: {
      const int index = WordIndex(kFsyncWords, value);
      if (index < 0) return OneOf("everysec, always, no");
      appendfsync = static_cast<AppendFsync>(index);
      return {};
    }
    case Kind::kLogLevel: {
      const int index = WordIndex(kLogLevels, value);
      if (index < 0) return OneOf("debug, verbose, notice, warning");
      loglevel = kLogLevels[index];
      return {};
    }
    case Kind::kDebugCommand: {
      const int index = WordIndex(kDebugWords, value);
      if (index < 0) return OneOf("no, yes, local");
      enable_debug_command = static_cast<DebugCommand>(index);
      return {};
    }
    case Kind::kOutputLimit: return SetOutputLimit(value);
    case Kind::kNotifyFlags:
      if (ParseNotifyFlags(value, &notify_keyspace_events)) return {};
      return "Invalid event class character. Use 'Ag$lshzxeKEtmdn'.";
    case Kind::kPercentiles: return SetPercentiles(value);
    case Kind::kFact:
      if (EqualsIgnoreCase(value, row.fact)) return {};
      return "this server always works as CONFIG GET " + std::string(row.name) + " says";
    case Kind::kSave:
    case Kind::kKeptWord:
    case Kind::kKeptWords:
    case Kind::kAlias: break;  // have ways of their own
  }
  return {};
}

std::string Config::SetNumber(const ConfigRow& row, std::string_view value) {
  int64_t number = 0;
  std::string why = ReadNumber(row, value, &number);
  if (!why.empty()) return why;
  if (row.number == &Config::maxmemory && number != 0 && number < kMemoryBudgetMin) {
    return "argument must be 0 or at least " + std::to_string(kMemoryBudgetMin);
  }
  this->*row.number = number;
  return {};
}

std::string Config::ReadNumber(const ConfigRow& row, std::string_view value, int64_t* result) {
  int64_t number = 0;
  if (row.kind == Kind::kInteger && !ParseInt64(value, &number)) return "argument couldn't be parsed into an integer";
  if (row.kind == Kind::kMemory && !ParseMemory(value, &number)) return "argument must be a memory value";
  if (row.kind == Kind::kMemoryOrPercent && !ParseMemoryOrPercent(value, &number)) {
    return "argument must be a memory or percent value";
  }
  if (row.kind == Kind::kMemoryOrPercent && number < row.min) {
    return "percentage argument must be less or equal to " + std::to_string(-row.min);
  }
  if (row.kind == Kind::kOctal && !ParseOctal(value, &number)) return "argument couldn't be parsed as an octal number";
  if (number < row.min || number > row.max) {
    return "argument must be between " + std::to_string(row.min) + " and " + std::to_string(row.max) + " inclusive";
  }
  *result = number;
  return {};
}

// "<class> <hard> <soft> <seconds>", one or more times: all or none are set.
std::string Config::SetOutputLimit(std::string_view value) {
  const std::vector<std::string_view> words = SplitWords(value);
  if (words.empty() || words.size() % 4 != 0) return "Wrong number of arguments in buffer limit configuration.";
  Config wanted = *this;
  for (size_t i = 0; i < words.size(); i += 4) {
    const ClientClass* found = FindClientClass(words[i]);
    if (found == nullptr) return "Invalid client class specified in buffer limit configuration.";
    OutputLimit& limit = wanted.*found->limit;
    if (!ParseMemory(words[i + 1], &limit.hard_bytes) || !ParseMemory(words[i + 2], &limit.soft_bytes) ||
        !ParseInt64(words[i + 3], &limit.soft_seconds) || limit.soft_seconds < 0) {
      return "Error in hard, soft or soft_seconds setting in buffer limit configuration.";
    }
  }
  for (const ClientClass& row : kClientClasses) this->*row.limit = wanted.*row.limit;
  return {};
}

std::string Config::Show(const ConfigRow& row) const {
  if (row.kept) return kept_[IndexOf(row)];
  switch (row.kind) {
    case Kind::kInteger:
    case Kind::kMemory: return std::to_string(this->*row.number);
    case Kind::kMemoryOrPercent: {
      const int64_t number = this->*row.number;
      return number < 0 ? std::to_string(-number) + "%" : std::to_string(number);
    }
    case Kind::kOctal: {
      char digits[24];
      snprintf(digits, sizeof(digits), "%llo", static_cast<unsigned long long>(this->*row.number));
      return digits;
    }
    case Kind::kBool: return this->*row.flag ? "yes" : "no";
    case Kind::kText: return this->*row.text;
    case Kind::kAppendFsync: return std::string(kFsyncWords[static_cast<size_t>(appendfsync)]);
    case Kind::kLogLevel: return loglevel;
    case Kind::kDebugCommand: return std::string(kDebugWords[static_cast<size_t>(enable_debug_command)]);
    case Kind::kOutputLimit: {
      std::string text;
      for (const ClientClass& client : kClientClasses) {
        if (client.name == "replica") continue;  // Redis still shows the old name
        const OutputLimit& limit = this->*client.limit;
        text.append(text.empty() ? "" : " ").append(client.name).append(" ");
        text += std::to_string(limit.hard_bytes) + " " + std::to_string(limit.soft_bytes) + " " +
                std::to_string(limit.soft_seconds);
      }
      return text;
    }
    case Kind::kNotifyFlags: return FormatNotifyFlags(notify_keyspace_events);
    case Kind::kSave: return ShowSave();
    case Kind::kPercentiles: return ShowPercentiles();
    case Kind::kFact: return std::string(row.fact);
    case Kind::kKeptWord:
    case Kind::kKeptWords:
    case Kind::kAlias: break;
  }
  return {};
}

std::string Config::ShowSave() const {
  std::string text;
  for (const SavePoint& point : save_points) {
    if (!text.empty()) text += ' ';
    text += std::to_string(point.seconds) + " " + std::to_string(point.changes);
  }
  return text;
}

std::string Config::ShowPercentiles() const {
  std::string text;
  for (double percentile : latency_tracking_percentiles) {
    if (!text.empty()) text += ' ';
    text += FormatDecimal(percentile);
  }
  return text;
}

// A plain name comes back as it was asked for, a pattern gives the names of the table.
std::vector<std::pair<std::string, std::string>> Config::Match(const std::vector<std::string_view>& patterns) const {
  std::vector<std::pair<std::string, std::string>> found;
  for (const ConfigRow& row : kRows) {
    for (std::string_view pattern : patterns) {
      const bool plain = pattern.find_first_of("[*?") == std::string_view::npos;
      if (row.hidden && !plain) continue;
      if (plain ? !EqualsIgnoreCase(pattern, row.name) : !keyspace::GlobMatch(pattern, row.name, true)) continue;
      found.emplace_back(plain ? pattern : row.name, Show(*Meant(row)));
      break;
    }
  }
  return found;
}

}  // namespace varve::resp
