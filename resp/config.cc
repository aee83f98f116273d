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
  kFact,
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
  std::string_view fact = {};
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

static_assert(keyspace::kDatabaseCount == 16);

constexpr ConfigRow kRows[] = {
    // --- live ---
    Enum("appendfsync", Kind::kAppendFsync, Change::kLive),
    Number("client-query-buffer-limit", Kind::kMemory, Change::kLive, &Config::client_query_buffer_limit, kMiB,
           LLONG_MAX),
    Enum("client-output-buffer-limit", Kind::kOutputLimit, Change::kLive),
    Enum("notify-keyspace-events", Kind::kNotifyFlags, Change::kLive),
    Number("tracking-table-max-keys", Kind::kInteger, Change::kLive, &Config::tracking_table_max_keys, 0, LLONG_MAX),
    Enum("loglevel", Kind::kLogLevel, Change::kLive),
    Number("max-disk-bytes", Kind::kMemory, Change::kLive, &Config::max_disk_bytes, 0, LLONG_MAX),
    Number("maxmemory-clients", Kind::kMemoryOrPercent, Change::kLive, &Config::maxmemory_clients, -100, LLONG_MAX),
    Number("maxclients", Kind::kInteger, Change::kLive, &Config::maxclients, 1, UINT_MAX),
    Flag("protected-mode", Change::kLive, &Config::protected_mode),
    Number("hll-sparse-max-bytes", Kind::kMemory, Change::kLive, &Config::hll_sparse_max_bytes, 0, INT64_MAX),
    Number("proto-max-bulk-len", Kind::kMemory, Change::kLive, &Config::proto_max_bulk_len, kMiB,
           static_cast<int64_t>(keyspace::kStringSizeMax)),
    Text("requirepass", Change::kLive, &Config::requirepass),
    Number("tcp-keepalive", Kind::kInteger, Change::kLive, &Config::tcp_keepalive_seconds, 0, INT_MAX),
    Number("timeout", Kind::kInteger, Change::kLive, &Config::timeout_seconds, 0, INT_MAX),
    // --- start ---
    Text("bind", Change::kStart, &Config::bind),
    Text("dir", Change::kProtected, &Config::dir),
    Enum("enable-debug-command", Kind::kDebugCommand, Change::kStart),
    Text("logfile", Change::kStart, &Config::logfile),
    Number("memory-budget", Kind::kMemory, Change::kStart, &Config::memory_budget, 4 * kMiB, LLONG_MAX),
    Text("pidfile", Change::kStart, &Config::pidfile),
    Number("port", Kind::kInteger, Change::kStart, &Config::port, 0, 65535),
    Number("tcp-backlog", Kind::kInteger, Change::kStart, &Config::tcp_backlog, 0, INT_MAX),
    Text("unixsocket", Change::kStart, &Config::unixsocket),
    Number("unixsocketperm", Kind::kOctal, Change::kStart, &Config::unixsocketperm, 0, 0777),
    // --- facts: how this server works, in Redis' words ---
    Fact("appendonly", "yes"),  // there is always a log
    Fact("save", ""),           // and never a dump by itself
    Fact("databases", "16", Change::kStart),
    Fact("daemonize", "no", Change::kStart),
    Fact("supervised", "no", Change::kStart),
    Fact("io-threads", "1", Change::kStart),
    Fact("maxmemory", "0"),
    Fact("maxmemory-policy", "noeviction"),
    Fact("maxmemory-samples", "5"),
    Fact("cluster-enabled", "no", Change::kStart),
    Fact("replicaof", "", Change::kStart),
    Fact("slaveof", "", Change::kStart),
    Fact("replica-read-only", "yes"),
    Fact("slave-read-only", "yes"),
    Fact("replica-serve-stale-data", "yes"),
    Fact("min-replicas-to-write", "0"),
    Fact("min-slaves-to-write", "0"),
    Fact("repl-backlog-size", "1048576"),
    Fact("repl-timeout", "60"),
    Fact("repl-diskless-sync", "yes"),
    Fact("masterauth", ""),
    Fact("masteruser", ""),
    Fact("tls-port", "0"),
    Fact("hz", "10"),
    Fact("dynamic-hz", "yes"),
    Fact("activerehashing", "yes"),
    Fact("active-expire-effort", "1"),
    Fact("activedefrag", "no"),
    Fact("lazyfree-lazy-eviction", "no"),
    Fact("lazyfree-lazy-expire", "no"),
    Fact("lazyfree-lazy-server-del", "no"),
    Fact("lazyfree-lazy-user-del", "no"),
    Fact("lazyfree-lazy-user-flush", "no"),
    Fact("replica-lazy-flush", "no"),
    Fact("dbfilename", "dump.rdb", Change::kProtected),
    Fact("rdbcompression", "yes"),
    Fact("rdbchecksum", "yes"),
    Fact("stop-writes-on-bgsave-error", "yes"),
    Fact("appendfilename", "appendonly.aof", Change::kStart),
    Fact("appenddirname", "appendonlydir", Change::kStart),
    Fact("aof-use-rdb-preamble", "yes"),
    Fact("aof-load-truncated", "yes"),
    Fact("auto-aof-rewrite-percentage", "100"),
    Fact("auto-aof-rewrite-min-size", "67108864"),
    Fact("no-appendfsync-on-rewrite", "no"),
    Fact("hash-max-listpack-entries", "512"),
    Fact("hash-max-listpack-value", "64"),
    Fact("hash-max-ziplist-entries", "512"),
    Fact("hash-max-ziplist-value", "64"),
    Fact("list-max-listpack-size", "-2"),
    Fact("list-max-ziplist-size", "-2"),
    Fact("list-compress-depth", "0"),
    Fact("set-max-intset-entries", "512"),
    Fact("zset-max-listpack-entries", "128"),
    Fact("zset-max-listpack-value", "64"),
    Fact("zset-max-ziplist-entries", "128"),
    Fact("zset-max-ziplist-value", "64"),
    Fact("stream-node-max-bytes", "4096"),
    Fact("stream-node-max-entries", "100"),
    Fact("sanitize-dump-payload", "no"),
    Fact("lua-time-limit", "5000"),
    Fact("busy-reply-threshold", "5000"),
    Fact("slowlog-log-slower-than", "-1"),  // there is no slow log yet
    Fact("slowlog-max-len", "128"),
    Fact("latency-monitor-threshold", "0"),
    Fact("latency-tracking", "no"),
    Fact("acl-pubsub-default", "resetchannels"),
    Fact("aclfile", "", Change::kStart),
    Fact("enable-module-command", "no", Change::kStart),
    Fact("enable-protected-configs", "no", Change::kStart),
    Fact("shutdown-timeout", "10"),
};

const ConfigRow* FindRow(std::string_view name) {
  for (const ConfigRow& row : kRows) {
    if (EqualsIgnoreCase(row.name, name)) return &row;
  }
  return nullptr;
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

}  // namespace

Config::Config() = default;

int64_t Config::ClientMemoryMax() const {
  if (maxmemory_clients == 0) return INT64_MAX;
  return maxmemory_clients > 0 ? maxmemory_clients : memory_budget / 100 * -maxmemory_clients;
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
  return SetRow(*row, value);
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
    case Kind::kFact:
      if (EqualsIgnoreCase(value, row.fact)) return {};
      return "this server always works as CONFIG GET " + std::string(row.name) + " says";
  }
  return {};
}

std::string Config::SetNumber(const ConfigRow& row, std::string_view value) {
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
  this->*row.number = number;
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
    case Kind::kFact: return std::string(row.fact);
  }
  return {};
}

// A plain name comes back as it was asked for, a pattern gives the names of the table.
std::vector<std::pair<std::string, std::string>> Config::Match(const std::vector<std::string_view>& patterns) const {
  std::vector<std::pair<std::string, std::string>> found;
  for (const ConfigRow& row : kRows) {
    for (std::string_view pattern : patterns) {
      const bool plain = pattern.find_first_of("[*?") == std::string_view::npos;
      if (plain ? !EqualsIgnoreCase(pattern, row.name) : !keyspace::GlobMatch(pattern, row.name, true)) continue;
      found.emplace_back(plain ? pattern : row.name, Show(row));
      break;
    }
  }
  return found;
}

}  // namespace varve::resp
