// resp/commands/info.cc - INFO: sections of "field:value" lines, with the names that tools of Redis look for.
//
// Every field of Redis 7.0 is there: what there is none of here (forks, replicas, scripts, defragmentation) is zero.
#include <sys/resource.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <string>
#include <type_traits>
#include <vector>

#include "resp/commands/arguments.h"
#include "resp/commands/handlers.h"
#include "resp/version.h"

namespace varve::resp {
namespace {

#define VARVE_TEXT_OF(number) VARVE_TEXT(number)
#define VARVE_TEXT(number) #number
constexpr std::string_view kCompilerVersion =
    VARVE_TEXT_OF(__GNUC__) "." VARVE_TEXT_OF(__GNUC_MINOR__) "." VARVE_TEXT_OF(__GNUC_PATCHLEVEL__);

class Lines {
 public:
  explicit Lines(std::string* out) : out_(out) {}
  void Section(std::string_view title) {
    if (!out_->empty()) out_->append("\r\n");
    out_->append("# ").append(title).append("\r\n");
  }
  void Text(std::string_view name, std::string_view value) {
    out_->append(name).append(":").append(value).append("\r\n");
  }
  template <typename T>
  void Field(std::string_view name, T value) {
    static_assert(std::is_integral_v<T>);
    Text(name, std::to_string(value));
  }
  void Decimal(std::string_view name, double value, int digits = 2) {
    char buffer[64];
    snprintf(buffer, sizeof(buffer), "%.*f", digits, value);
    Text(name, buffer);
  }
  void Bytes(const std::string& name, uint64_t value) {
    Field(name, value);
    Text(name + "_human", HumanBytes(value));
  }
  void Percent(std::string_view name, uint64_t part, uint64_t whole) {
    char buffer[64];
    const double share = whole == 0 ? 0 : 100 * static_cast<double>(part) / static_cast<double>(whole);
    snprintf(buffer, sizeof(buffer), "%.2f%%", share);
    Text(name, buffer);
  }
  // How much larger `bytes` is than `base`: as a ratio and in bytes.
  void Excess(const std::string& name, uint64_t bytes, uint64_t base) {
    Decimal(name + "_ratio", base == 0 ? 0 : static_cast<double>(bytes) / static_cast<double>(base));
    Field(name + "_bytes", static_cast<int64_t>(bytes) - static_cast<int64_t>(base));
  }
  // Fields of what there is none of here.
  void Zeros(std::initializer_list<std::string_view> names) {
    for (std::string_view name : names) Text(name, "0");
  }

 private:
  std::string* out_;
};

struct InfoContext {
  CommandContext& c;
  const ServerFacts facts;
  const lsm::DbStats engine;
};

void ServerSection(const InfoContext& info, Lines& out) {
  utsname name{};
  uname(&name);
  out.Section("Server");
  out.Text("redis_version", kRedisVersion);
  out.Text("varve_version", kVarveVersion);
  out.Text("redis_git_sha1", "00000000");
  out.Text("redis_git_dirty", "0");
  out.Text("redis_build_id", "0");
  out.Text("redis_mode", "standalone");
  out.Text("os", std::string(name.sysname) + " " + name.release + " " + name.machine);
  out.Field("arch_bits", sizeof(void*) * 8);
  out.Text("monotonic_clock", "POSIX clock_gettime");
  out.Text("multiplexing_api", "epoll");
  out.Text("atomicvar_api", "c11-builtin");
  out.Text("gcc_version", kCompilerVersion);
  out.Field("process_id", getpid());
  out.Text("process_supervised", "no");
  out.Text("run_id", info.facts.run_id);
  out.Field("tcp_port", info.c.config.port);
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  out.Field("server_time_usec", std::chrono::duration_cast<std::chrono::microseconds>(now).count());
  out.Field("uptime_in_seconds", info.facts.uptime_seconds);
  out.Field("uptime_in_days", info.facts.uptime_seconds / 86400);
  out.Text("hz", "10");
  out.Text("configured_hz", info.c.config.Get("hz"));
  constexpr int64_t kLruClockMax = (1 << 24) - 1;
  out.Field("lru_clock", info.c.keys.NowMs() / 1000 & kLruClockMax);
  out.Text("executable", info.facts.executable);
  out.Text("config_file", info.facts.config_file);
  out.Text("io_threads_active", info.facts.io_threads_active ? "1" : "0");
}

void ClientsSection(const InfoContext& info, Lines& out) {
  out.Section("Clients");
  out.Field("connected_clients", info.facts.connected_clients);
  out.Text("cluster_connections", "0");
  out.Field("maxclients", info.c.config.maxclients);
  out.Field("client_recent_max_input_buffer", info.facts.recent_max_input_bytes);
  out.Field("client_recent_max_output_buffer", info.facts.recent_max_output_bytes);
  out.Field("blocked_clients", info.facts.blocked_clients);
  out.Field("tracking_clients", info.c.dispatcher.tracking().clients());
  out.Text("clients_in_timeout_table", "0");
}

// There are no scripts and no functions.
void ScriptMemoryFields(Lines& out) {
  out.Zeros({"used_memory_lua", "used_memory_vm_eval"});
  out.Text("used_memory_lua_human", "0B");
  out.Zeros({"used_memory_scripts_eval", "number_of_cached_scripts", "number_of_functions", "number_of_libraries",
             "used_memory_vm_functions"});
  out.Bytes("used_memory_vm_total", 0);
  out.Zeros({"used_memory_functions"});
  out.Bytes("used_memory_scripts", 0);
}

void MemorySection(const InfoContext& info, Lines& out) {
  const ServerFacts& facts = info.facts;
  const uint64_t used = facts.used_memory_bytes;
  const uint64_t peak = std::max(facts.used_memory_peak_bytes, used);
  // What the engine holds of the data; all else is overhead.
  const uint64_t dataset = std::min<uint64_t>(info.engine.memtable_bytes + info.engine.cache_bytes, used);
  const uint64_t since_start = used > facts.startup_memory_bytes ? used - facts.startup_memory_bytes : 0;
  out.Section("Memory");
  out.Bytes("used_memory", used);
  out.Bytes("used_memory_rss", facts.rss_bytes);
  out.Bytes("used_memory_peak", peak);
  out.Percent("used_memory_peak_perc", used, peak);
  out.Field("used_memory_overhead", used - dataset);
  out.Field("used_memory_startup", facts.startup_memory_bytes);
  out.Field("used_memory_dataset", dataset);
  out.Percent("used_memory_dataset_perc", std::min(dataset, since_start), since_start);
  out.Field("allocator_allocated", used);
  out.Field("allocator_active", facts.allocator_active_bytes);
  out.Field("allocator_resident", facts.allocator_resident_bytes);
  out.Bytes("total_system_memory", facts.total_system_memory_bytes);
  ScriptMemoryFields(out);
  out.Bytes("maxmemory", static_cast<uint64_t>(info.c.config.maxmemory));
  out.Text("maxmemory_policy", "noeviction");
  out.Field("memory_budget", info.c.config.MemoryBudget());
  out.Excess("allocator_frag", facts.allocator_active_bytes, used);
  out.Excess("allocator_rss", facts.allocator_resident_bytes, facts.allocator_active_bytes);
  out.Excess("rss_overhead", facts.rss_bytes, facts.allocator_resident_bytes);
  out.Excess("mem_fragmentation", facts.rss_bytes, used);
  out.Zeros({"mem_not_counted_for_evict", "mem_replication_backlog", "mem_total_replication_buffers"});
  out.Field("maxmemory_clients", info.c.config.maxmemory_clients == 0 ? 0 : info.c.config.ClientMemoryMax());
  out.Text("mem_clients_slaves", "0");
  out.Field("mem_clients_normal", facts.clients_memory_bytes);
  out.Zeros({"mem_cluster_links", "mem_aof_buffer"});
  out.Text("mem_allocator", facts.allocator);
  out.Text("active_defrag_running", "0");
  out.Text("lazyfree_pending_objects", "0");
  out.Text("lazyfreed_objects", "0");
}

void PersistenceSection(const InfoContext& info, Lines& out) {
  const ServerFacts& facts = info.facts;
  out.Section("Persistence");
  out.Text("loading", "0");
  out.Text("async_loading", "0");
  out.Zeros({"current_cow_peak", "current_cow_size", "current_cow_size_age"});  // nothing is ever forked
  out.Text("current_fork_perc", "0.00");
  out.Zeros({"current_save_keys_processed", "current_save_keys_total"});
  out.Field("rdb_changes_since_last_save", facts.changes_since_save);
  out.Field("rdb_bgsave_in_progress", facts.save_in_progress ? 1 : 0);
  out.Field("rdb_last_save_time", facts.last_save_seconds);
  out.Text("rdb_last_bgsave_status", facts.last_save_ok ? "ok" : "err");
  out.Field("rdb_last_bgsave_time_sec", facts.last_save_duration_seconds);
  out.Field("rdb_current_bgsave_time_sec", facts.current_save_seconds);
  out.Field("rdb_saves", facts.saves);
  out.Zeros({"rdb_last_cow_size", "rdb_last_load_keys_expired", "rdb_last_load_keys_loaded"});
  out.Text("aof_enabled", "1");
  out.Field("aof_rewrite_in_progress", facts.log_rewrite_in_progress ? 1 : 0);
  out.Text("aof_rewrite_scheduled", "0");
  out.Text("aof_last_rewrite_time_sec", "-1");
  out.Text("aof_current_rewrite_time_sec", "-1");
  out.Text("aof_last_bgrewrite_status", facts.last_log_rewrite_ok ? "ok" : "err");
  out.Field("aof_rewrites", facts.log_rewrites);
  out.Text("aof_rewrites_consecutive_failures", facts.last_log_rewrite_ok ? "0" : "1");
  out.Text("aof_last_write_status", facts.last_write_ok && !info.engine.fenced ? "ok" : "err");
  out.Zeros({"aof_last_cow_size", "module_fork_in_progress", "module_fork_last_cow_size"});
  out.Field("aof_current_size", info.engine.wal_bytes);
  out.Field("aof_base_size", 0);
  out.Zeros({"aof_pending_rewrite", "aof_buffer_length", "aof_pending_bio_fsync", "aof_delayed_fsync"});
}

void StatsSection(const InfoContext& info, Lines& out) {
  const ServerFacts& facts = info.facts;
  const ServerStats& stats = info.c.dispatcher.stats();
  out.Section("Stats");
  out.Field("total_connections_received", facts.total_connections);
  out.Field("total_commands_processed", stats.commands_processed);
  out.Field("instantaneous_ops_per_sec", facts.operations_per_second);
  out.Field("total_net_input_bytes", facts.input_bytes);
  out.Field("total_net_output_bytes", facts.output_bytes);
  out.Zeros({"total_net_repl_input_bytes", "total_net_repl_output_bytes"});
  out.Decimal("instantaneous_input_kbps", facts.input_kbps);
  out.Decimal("instantaneous_output_kbps", facts.output_kbps);
  out.Text("instantaneous_input_repl_kbps", "0.00");
  out.Text("instantaneous_output_repl_kbps", "0.00");
  out.Field("rejected_connections", facts.rejected_connections);
  out.Text("sync_full", "0");
  out.Text("sync_partial_ok", "0");
  out.Text("sync_partial_err", "0");
  out.Field("expired_keys", info.c.keys.expire_stats().expired_keys - stats.expired_keys_before);
  out.Text("expired_stale_perc", "0.00");
  out.Zeros({"expired_time_cap_reached_count", "expire_cycle_cpu_milliseconds", "evicted_keys"});
  out.Field("evicted_clients", facts.evicted_clients);
  out.Zeros({"total_eviction_exceeded_time", "current_eviction_exceeded_time"});
  out.Field("keyspace_hits", stats.keyspace_hits);
  out.Field("keyspace_misses", stats.keyspace_misses);
  out.Field("pubsub_channels", info.c.dispatcher.pubsub().count(SubscriptionKind::kChannel));
  out.Field("pubsub_patterns", info.c.dispatcher.pubsub().count(SubscriptionKind::kPattern));
  out.Field("pubsubshard_channels", info.c.dispatcher.pubsub().count(SubscriptionKind::kShard));
  out.Zeros({"latest_fork_usec", "total_forks", "migrate_cached_sockets", "slave_expires_tracked_keys",
             "active_defrag_hits", "active_defrag_misses", "active_defrag_key_hits", "active_defrag_key_misses",
             "total_active_defrag_time", "current_active_defrag_time"});
  out.Field("tracking_total_keys", info.c.dispatcher.tracking().names());
  out.Field("tracking_total_items", info.c.dispatcher.tracking().items());
  out.Field("tracking_total_prefixes", info.c.dispatcher.tracking().prefixes());
  out.Text("unexpected_error_replies", "0");
  out.Field("total_error_replies", stats.error_replies);
  out.Zeros({"dump_payload_sanitizations"});
  out.Field("total_reads_processed", facts.reads_processed);
  out.Field("total_writes_processed", facts.writes_processed);
  out.Field("io_threaded_reads_processed", facts.threaded_reads_processed);
  out.Field("io_threaded_writes_processed", facts.threaded_writes_processed);
  out.Zeros({"reply_buffer_shrinks", "reply_buffer_expands"});
  out.Field("client_query_buffer_limit_disconnections", facts.query_buffer_limit_disconnections);
  out.Field("client_output_buffer_limit_disconnections", facts.output_buffer_limit_disconnections);
  // Not Redis': clients closed because they never read a reply or gave no AUTH in time, or that broke the protocol.
  out.Field("client_stalled_disconnections", facts.stalled_disconnections);
  out.Field("client_auth_timeout_disconnections", facts.auth_timeout_disconnections);
  out.Field("client_protocol_errors", facts.protocol_errors);
  out.Field("out_of_memory_errors", facts.out_of_memory_errors);  // allocations that failed in a request
}

void ReplicationSection(const InfoContext& info, Lines& out) {
  out.Section("Replication");
  out.Text("role", "master");
  out.Text("connected_slaves", "0");
  if (info.c.config.min_replicas_to_write > 0 && info.c.config.min_replicas_max_lag > 0) {
    out.Text("min_slaves_good_slaves", "0");
  }
  out.Text("master_failover_state", "no-failover");
  out.Text("master_replid", info.facts.run_id);
  out.Text("master_replid2", std::string(40, '0'));
  out.Text("master_repl_offset", "0");
  out.Text("second_repl_offset", "-1");
  out.Text("repl_backlog_active", "0");
  out.Text("repl_backlog_size", info.c.config.Get("repl-backlog-size"));
  out.Text("repl_backlog_first_byte_offset", "0");
  out.Text("repl_backlog_histlen", "0");
}

void CpuSection(const InfoContext& /*info*/, Lines& out) {
  auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
  };
  rusage self{};
  rusage children{};
  rusage thread{};
  getrusage(RUSAGE_SELF, &self);
  getrusage(RUSAGE_CHILDREN, &children);
  getrusage(RUSAGE_THREAD, &thread);
  out.Section("CPU");
  out.Decimal("used_cpu_sys", seconds(self.ru_stime), 6);
  out.Decimal("used_cpu_user", seconds(self.ru_utime), 6);
  out.Decimal("used_cpu_sys_children", seconds(children.ru_stime), 6);
  out.Decimal("used_cpu_user_children", seconds(children.ru_utime), 6);
  out.Decimal("used_cpu_sys_main_thread", seconds(thread.ru_stime), 6);
  out.Decimal("used_cpu_user_main_thread", seconds(thread.ru_utime), 6);
}

void ModulesSection(const InfoContext& /*info*/, Lines& out) {
  out.Section("Modules");
}

void AppendCommandStats(const Command& command, Dispatcher& dispatcher, Lines& out) {
  const CommandStats& stats = dispatcher.stats_of(command);
  if (stats.calls != 0 || stats.rejected != 0 || stats.failed != 0) {
    char line[160];
    const double per_call =
        stats.calls != 0 ? static_cast<double>(stats.duration_us) / static_cast<double>(stats.calls) : 0;
    snprintf(line, sizeof(line), "calls=%llu,usec=%llu,usec_per_call=%.2f,rejected_calls=%llu,failed_calls=%llu",
             static_cast<unsigned long long>(stats.calls), static_cast<unsigned long long>(stats.duration_us), per_call,
             static_cast<unsigned long long>(stats.rejected), static_cast<unsigned long long>(stats.failed));
    out.Text("cmdstat_" + std::string(command.full_name), line);
  }
  for (const Command& child : command.subcommands) AppendCommandStats(child, dispatcher, out);
}

void CommandStatsSection(const InfoContext& info, Lines& out) {
  out.Section("Commandstats");
  for (const Command& command : AllCommands()) AppendCommandStats(command, info.c.dispatcher, out);
}

void ErrorStatsSection(const InfoContext& info, Lines& out) {
  const auto& counts = info.c.dispatcher.error_counts();
  std::vector<std::pair<std::string, uint64_t>> rows(counts.begin(), counts.end());
  std::sort(rows.begin(), rows.end());
  out.Section("Errorstats");
  for (const auto& [code, count] : rows) out.Text("errorstat_" + code, "count=" + std::to_string(count));
}

void AppendLatencyStats(const Command& command, const InfoContext& info, Lines& out) {
  const LatencyHistogram& latency = info.c.dispatcher.stats_of(command).latency;
  if (latency.total() > 0) {
    std::string line;
    for (double percentile : info.c.config.latency_tracking_percentiles) {
      char field[64];
      snprintf(field, sizeof(field), "=%.3f", static_cast<double>(latency.AtPercentile(percentile)) / 1000);
      line.append(line.empty() ? "p" : ",p").append(FormatDecimal(percentile)).append(field);
    }
    out.Text("latency_percentiles_usec_" + std::string(command.full_name), line);
  }
  for (const Command& child : command.subcommands) AppendLatencyStats(child, info, out);
}

void LatencyStatsSection(const InfoContext& info, Lines& out) {
  out.Section("Latencystats");
  for (const Command& command : AllCommands()) AppendLatencyStats(command, info, out);
}

void ClusterSection(const InfoContext& /*info*/, Lines& out) {
  out.Section("Cluster");
  out.Text("cluster_enabled", "0");
}

void EngineSection(const InfoContext& info, Lines& out) {
  const lsm::DbStats& engine = info.engine;
  out.Section("Engine");
  out.Field("engine_last_sequence", engine.last_sequence);
  for (size_t level = 0; level < engine.levels.size(); level++) {
    const auto& row = engine.levels[level];
    if (row.files == 0) continue;
    out.Text("engine_level" + std::to_string(level),
             "files=" + std::to_string(row.files) + ",bytes=" + std::to_string(row.bytes));
  }
  out.Field("engine_memtable_bytes", engine.memtable_bytes);
  out.Field("engine_cache_bytes", engine.cache_bytes);
  out.Field("engine_table_memory_bytes", engine.table_memory_bytes);
  out.Field("engine_cache_hits", engine.cache_hits);
  out.Field("engine_cache_misses", engine.cache_misses);
  out.Field("engine_filter_useful", engine.filter_useful);
  out.Field("engine_writes", engine.writes);
  out.Field("engine_write_bytes", engine.write_bytes);
  out.Field("engine_wal_bytes", engine.wal_bytes);
  out.Field("engine_wal_syncs", engine.wal_syncs);
  out.Field("engine_flushes", engine.flushes);
  out.Field("engine_flush_bytes", engine.flush_bytes);
  out.Field("engine_compactions", engine.compactions);
  out.Field("engine_compaction_read_bytes", engine.compaction_read_bytes);
  out.Field("engine_compaction_write_bytes", engine.compaction_write_bytes);
  out.Field("engine_stall_us", engine.stall_us);
  out.Field("engine_wal_tail_cut_bytes", engine.wal_tail_cut_bytes);
  out.Field("engine_fenced", engine.fenced ? 1 : 0);
  out.Text("engine_background_error", engine.background_error);
}

void KeyspaceSection(const InfoContext& info, Lines& out) {
  out.Section("Keyspace");
  for (int db = 0; db < keyspace::kDatabaseCount; db++) {
    const keyspace::Counters& counters = info.c.keys.counters(db);
    if (counters.keys == 0) continue;
    const lsm::Result<int64_t> mean_ms = info.c.keys.MeanTimeLeftMs(db);
    out.Text("db" + std::to_string(db), "keys=" + std::to_string(counters.keys) +
                                            ",expires=" + std::to_string(counters.expires) +
                                            ",avg_ttl=" + std::to_string(mean_ms.ok() ? *mean_ms : 0));
  }
}

struct SectionRow {
  std::string_view name;
  void (*append)(const InfoContext& info, Lines& out);
  bool by_default;
  bool in_all;  // "all" leaves out what modules add; "everything" does not
};

constexpr SectionRow kSections[] = {
    {"server", &ServerSection, true, true},
    {"clients", &ClientsSection, true, true},
    {"memory", &MemorySection, true, true},
    {"persistence", &PersistenceSection, true, true},
    {"stats", &StatsSection, true, true},
    {"replication", &ReplicationSection, true, true},
    {"cpu", &CpuSection, true, true},
    {"modules", &ModulesSection, true, false},
    {"commandstats", &CommandStatsSection, false, true},
    {"errorstats", &ErrorStatsSection, true, true},
    {"latencystats", &LatencyStatsSection, false, true},
    {"cluster", &ClusterSection, true, true},
    {"engine", &EngineSection, true, true},
    {"keyspace", &KeyspaceSection, true, true},
};

bool Wanted(const SectionRow& row, Args args) {
  if (args.size() == 1) return row.by_default;
  return std::any_of(args.begin() + 1, args.end(), [&](std::string_view word) {
    if (EqualsIgnoreCase(word, "everything")) return true;
    if (EqualsIgnoreCase(word, "all")) return row.in_all;
    if (EqualsIgnoreCase(word, "default")) return row.by_default;
    return EqualsIgnoreCase(word, row.name);
  });
}

}  // namespace

void Info(Args args, CommandContext& c) {
  const InfoContext info{.c = c, .facts = c.server.Facts(), .engine = c.keys.db()->Stats()};
  std::string text;
  Lines out(&text);
  for (const SectionRow& row : kSections) {
    if (Wanted(row, args)) row.append(info, out);
  }
  c.reply.Verbatim("txt", text);
}

}  // namespace varve::resp
