#include "server/process.h"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <fstream>
#include <system_error>
#include <utility>

#include "resp/version.h"
#include "server/config_file.h"
#include "server/logging.h"
#include "spdlog/spdlog.h"

#ifdef VARVE_JEMALLOC
#include <jemalloc/jemalloc.h>
#endif

namespace varve::server {
namespace {

namespace fs = std::filesystem;

constexpr size_t kKnownKeysShare = 32;                        // of memory-budget, one part
constexpr size_t kEngineBudgetMin = size_t{4} * 1024 * 1024;  // it takes no less
constexpr uint64_t kSaveRetryUs = 5'000'000;  // between a failed checkpoint and the next that "save" asks for

lsm::WalSync ToWalSync(resp::Config::AppendFsync policy) {
  switch (policy) {
    case resp::Config::AppendFsync::kNo: return lsm::WalSync::kNever;
    case resp::Config::AppendFsync::kEverySecond: return lsm::WalSync::kEverySecond;
    case resp::Config::AppendFsync::kAlways: return lsm::WalSync::kAlways;
  }
  return lsm::WalSync::kEverySecond;
}

std::string NewRunId() {
  std::string id;
  for (int i = 0; i < 3; ++i) {
    char digits[17];
    snprintf(digits, sizeof(digits), "%016llx", static_cast<unsigned long long>(lsm::SystemRandom()->Next()));
    id += digits;
  }
  return id.substr(0, 40);
}

uint64_t ResidentBytes() {
  std::ifstream file("/proc/self/statm");
  uint64_t total_pages = 0, resident_pages = 0;
  file >> total_pages >> resident_pages;
  return resident_pages * static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
}

struct AllocatorBytes {
  uint64_t allocated = 0;  // handed out
  uint64_t active = 0;
  uint64_t resident = 0;
};

AllocatorBytes AskAllocator() {
#ifdef VARVE_JEMALLOC
  uint64_t epoch = 1;
  size_t size = sizeof(epoch);
  mallctl("epoch", &epoch, &size, &epoch, size);
  const auto read = [](const char* name) {
    size_t bytes = 0;
    size_t bytes_size = sizeof(bytes);
    return mallctl(name, &bytes, &bytes_size, nullptr, 0) == 0 ? uint64_t{bytes} : 0;
  };
  const AllocatorBytes told{read("stats.allocated"), read("stats.active"), read("stats.resident")};
  if (told.allocated != 0) return told;
#endif
  return {.allocated = ResidentBytes()};
}

std::string AllocatorName() {
#ifdef VARVE_JEMALLOC
  std::string version = JEMALLOC_VERSION;
  return "jemalloc-" + version.substr(0, version.find('-'));
#else
  return "libc";
#endif
}

std::string ExecutablePath() {
  std::error_code error;
  return fs::read_symlink("/proc/self/exe", error).string();
}

lsm::Status FileError(const std::string& what, const std::error_code& error) {
  return lsm::Status::IoError(what + ": " + error.message());
}

}  // namespace

Process::Process(resp::Config* config, const Arguments& arguments)
    : config_(config), config_file_(arguments.config_file), run_id_(NewRunId()) {}

lsm::Result<std::unique_ptr<Process>> Process::Start(resp::Config* config, const Arguments& arguments) {
  std::unique_ptr<Process> process(new Process(config, arguments));
  if (lsm::Status status = process->Open(); !status.ok()) return status;
  return process;
}

lsm::Status Process::Open() {
  std::error_code error;
  fs::create_directories(config_->dir, error);
  if (error) return FileError("dir " + config_->dir, error);
  config_->dir = fs::absolute(config_->dir, error).lexically_normal().string();

  const int64_t fit = net::Server::FitClientsToDescriptors(config_->maxclients);
  if (fit < config_->maxclients) {
    spdlog::warn("maxclients is {} instead of {}: the limit of open files (ulimit -n) allows no more", fit,
                 config_->maxclients);
    config_->maxclients = fit;
  }

  lsm::Options options;
  known_key_bytes_ = static_cast<size_t>(config_->MemoryBudget()) / kKnownKeysShare;
  options.memory_budget = EngineBudget();
  options.max_disk_bytes = static_cast<uint64_t>(config_->max_disk_bytes);
  options.wal_sync = ToWalSync(config_->appendfsync);
  const uint64_t open_us = lsm::SystemClock()->MonotonicMicros();
  auto db = lsm::Db::Open(config_->dir + "/db", options);
  if (!db.ok()) return db.status();
  db_ = *std::move(db);
  auto keys = keyspace::Keyspace::Open(db_.get(), {.known_key_bytes = known_key_bytes_});
  if (!keys.ok()) return keys.status();
  keys_ = *std::move(keys);
  dispatcher_ = std::make_unique<resp::Dispatcher>(keys_.get(), this, config_);
  net_ = std::make_unique<net::Server>(config_, dispatcher_.get(), keys_.get());
  net_->set_on_cron([this] {
    if (save_done_.load(std::memory_order_acquire)) FinishSave();
    if (log_rewrite_done_.load(std::memory_order_acquire)) FinishLogRewrite();
    MaybeStartSave();
  });
  VARVE_TRY(net_->Listen());
  start_us_ = NowMicros();
  startup_memory_bytes_ = AskAllocator().allocated;
  last_save_seconds_ = keys_->clock()->WallMillis() / 1000;

  const lsm::DbStats stats = db_->Stats();
  std::string cut;
  if (stats.wal_tail_cut_bytes > 0) {
    cut = ", cut a torn tail of " + std::to_string(stats.wal_tail_cut_bytes) + " bytes off the log";
  }
  spdlog::info("Varve {} ready: port {}, bind {}, data in {}, appendfsync {}, recovery took {:.1f} ms{}",
               resp::kVarveVersion, config_->port, config_->bind, config_->dir, config_->Get("appendfsync"),
               static_cast<double>(start_us_ - open_us) / 1000, cut);
  return lsm::Status::Ok();
}

// Known keys keep the share they were given at the start.
size_t Process::EngineBudget() const {
  const auto budget = static_cast<size_t>(config_->MemoryBudget());
  return std::max(budget - std::min(budget, known_key_bytes_), kEngineBudgetMin);
}

Process::~Process() {
  if (saver_.joinable()) saver_.join();
  if (log_rewriter_.joinable()) log_rewriter_.join();
}

lsm::Status Process::Run() {
  net_->Run();
  if (saver_.joinable()) saver_.join();
  if (log_rewriter_.joinable()) log_rewriter_.join();
  lsm::Status closed = db_->Close();
  if (closed.ok()) spdlog::info("the log is synced and closed, bye");
  return closed;
}

// ---- clients and figures ----

void Process::ForEachClient(const std::function<void(resp::Session&, const resp::ConnectionFacts&)>& visit) {
  net_->ForEachClient(visit);
}

resp::Session* Process::FindClient(uint64_t id) {
  return net_->FindClient(id);
}

void Process::KillClient(uint64_t id) {
  net_->KillClient(id);
}

resp::ServerFacts Process::Facts() {
  const net::NetStats& net = net_->stats();
  const AllocatorBytes allocator = AskAllocator();
  const uint64_t used = allocator.allocated;
  memory_peak_bytes_ = std::max(memory_peak_bytes_, used);
  const bool saving = saver_.joinable();
  return {.run_id = run_id_,
          .executable = ExecutablePath(),
          .config_file = config_file_,
          .uptime_seconds = (NowMicros() - start_us_) / 1'000'000,
          .connected_clients = net_->client_count(),
          .blocked_clients = net_->parked_count(),
          .recent_max_input_bytes = net.recent_max_input_bytes,
          .recent_max_output_bytes = net.recent_max_output_bytes,
          .clients_memory_bytes = net_->clients_memory_bytes(),
          .total_connections = net.connections,
          .rejected_connections = net.rejected_connections,
          .evicted_clients = net.evicted_clients,
          .query_buffer_limit_disconnections = net.query_buffer_limit_disconnections,
          .output_buffer_limit_disconnections = net.output_buffer_limit_disconnections,
          .stalled_disconnections = net.stalled_disconnections,
          .auth_timeout_disconnections = net.auth_timeout_disconnections,
          .protocol_errors = net.protocol_errors,
          .out_of_memory_errors = net.out_of_memory_errors,
          .input_bytes = net.input_bytes,
          .output_bytes = net.output_bytes,
          .input_kbps = net.input_kbps,
          .output_kbps = net.output_kbps,
          .operations_per_second = static_cast<uint64_t>(net.operations_per_second),
          .reads_processed = net.reads,
          .writes_processed = net.writes,
          .threaded_reads_processed = net.threaded_reads,
          .threaded_writes_processed = net.threaded_writes,
          .io_threads_active = net.threads_active,
          .used_memory_bytes = used,
          .used_memory_peak_bytes = memory_peak_bytes_,
          .startup_memory_bytes = startup_memory_bytes_,
          .allocator_active_bytes = allocator.active,
          .allocator_resident_bytes = allocator.resident,
          .rss_bytes = ResidentBytes(),
          .total_system_memory_bytes =
              static_cast<uint64_t>(sysconf(_SC_PHYS_PAGES)) * static_cast<uint64_t>(sysconf(_SC_PAGESIZE)),
          .allocator = AllocatorName(),
          .save_in_progress = saving,
          .last_save_ok = last_save_ok_,
          .last_save_seconds = last_save_seconds_,
          .last_save_duration_seconds = last_save_duration_seconds_,
          .current_save_seconds = saving ? static_cast<int64_t>((NowMicros() - save_start_us_) / 1'000'000) : -1,
          .saves = saves_,
          .log_rewrite_in_progress = log_rewriter_.joinable(),
          .last_log_rewrite_ok = last_log_rewrite_ok_,
          .log_rewrites = log_rewrites_,
          .changes_since_save = keys_->changes() - saved_changes_,
          .last_write_ok = net.last_commit_ok};
}

void Process::ResetStats() {
  net_->ResetStats();
  memory_peak_bytes_ = 0;
}

// ---- settings ----

std::string Process::ApplyConfig(const resp::Config& config, std::string_view name) {
  if (name == "appendfsync") db_->SetWalSync(ToWalSync(config.appendfsync));
  lsm::Status set;
  if (name == "max-disk-bytes") {
    set = db_->SetOptions({.max_disk_bytes = static_cast<uint64_t>(config.max_disk_bytes)});
  } else if (name == "maxmemory" || name == "memory-budget") {
    set = db_->SetOptions({.memory_budget = EngineBudget()});
  }
  if (!set.ok()) return std::string(set.message());
  if (name == "bind" || name == "port") {
    set = net_->ListenTcp();
    if (set.ok()) return {};
    spdlog::warn("CONFIG SET {}: {}", name, set.message());
    return name == "port" ? "Unable to listen on this port. Check server logs."
                          : "Failed to bind to specified addresses.";
  }
  if (name == "loglevel") SetLogLevel(config.loglevel);
  if (name == "maxclients") {
    const int64_t fit = net::Server::FitClientsToDescriptors(config.maxclients);
    if (fit < config.maxclients) {
      return "The operating system is not able to handle the specified number of clients, try with " +
             std::to_string(fit);
    }
  }
  return {};
}

std::string Process::RewriteConfigFile() {
  if (config_file_.empty()) return "The server is running without a config file";
  lsm::Status status = server::RewriteConfigFile(config_file_, *config_);
  if (!status.ok()) spdlog::warn("CONFIG REWRITE failed: {}", status.ToString());
  return status.ok() ? std::string() : "Rewriting config file: " + std::string(status.message());
}

// ---- the process ----

void Process::SleepMicros(uint64_t duration_us) {
  std::this_thread::sleep_for(std::chrono::microseconds(duration_us));
}

void Process::Log(std::string_view message) {
  spdlog::warn("DEBUG LOG: {}", message);
}

void Process::PurgeMemory() {
#ifdef VARVE_JEMALLOC
  const std::string name = "arena." + std::to_string(MALLCTL_ARENAS_ALL) + ".purge";
  mallctl(name.c_str(), nullptr, nullptr, nullptr, 0);
#endif
}

std::string Process::AllocatorReport() {
#ifdef VARVE_JEMALLOC
  std::string report;
  malloc_stats_print(
      [](void* text, const char* piece) {
        try {
          static_cast<std::string*>(text)->append(piece);
        } catch (const std::bad_alloc&) {  // the report stays short: no exception through C
        }
      },
      &report, nullptr);
  return report;
#else
  return "Stats not supported for the current allocator";
#endif
}

void Process::BeginSave() {
  save_start_us_ = NowMicros();
  save_start_changes_ = keys_->changes();
}

lsm::Status Process::SaveNow() {
  if (saver_.joinable()) return lsm::Status::Busy("a checkpoint is being made");
  BeginSave();
  save_status_ = Save();
  NoteSaved();
  return save_status_;
}

lsm::Status Process::StartLogRewrite() {
  if (log_rewriter_.joinable()) return lsm::Status::Busy("the log is being rewritten");
  log_rewrite_status_ = lsm::Status::OutOfMemory();
  try {
    log_rewriter_ = std::thread([this] {
      try {
        log_rewrite_status_ = db_->Flush();
      } catch (const std::exception&) {  // the status stays as it was set before
      }
      log_rewrite_done_.store(true, std::memory_order_release);
    });
  } catch (const std::system_error&) {
    return std::exchange(log_rewrite_status_, lsm::Status::Ok());
  }
  return lsm::Status::Ok();
}

void Process::FinishLogRewrite() {
  log_rewriter_.join();
  log_rewrite_done_.store(false, std::memory_order_relaxed);
  last_log_rewrite_ok_ = log_rewrite_status_.ok();
  ++log_rewrites_;
  if (!last_log_rewrite_ok_) spdlog::warn("rewriting the log failed: {}", log_rewrite_status_.ToString());
}

lsm::Status Process::StartSave() {
  if (saver_.joinable()) return lsm::Status::Busy("a checkpoint is being made");
  BeginSave();
  save_done_.store(false, std::memory_order_relaxed);
  save_status_ = lsm::Status::OutOfMemory();
  try {
    saver_ = std::thread([this] {
      try {
        save_status_ = Save();
      } catch (const std::exception&) {  // the status stays as it was set before
      }
      save_done_.store(true, std::memory_order_release);
    });
  } catch (const std::system_error&) {
    return std::exchange(save_status_, lsm::Status::Ok());
  }
  return lsm::Status::Ok();
}

lsm::Status Process::Save() {
  const std::string target = config_->dir + "/backup";
  const std::string fresh = target + ".new";
  const std::string old = target + ".old";
  std::error_code error;
  fs::remove_all(fresh, error);
  if (error) return FileError(fresh, error);
  VARVE_TRY(db_->Checkpoint(fresh));
  fs::remove_all(old, error);
  if (error) return FileError(old, error);
  if (fs::exists(target)) fs::rename(target, old, error);
  if (error) return FileError(target, error);
  fs::rename(fresh, target, error);
  if (error) return FileError(fresh, error);
  fs::remove_all(old, error);
  return lsm::Status::Ok();
}

void Process::FinishSave() {
  saver_.join();
  save_done_.store(false, std::memory_order_relaxed);
  NoteSaved();
}

void Process::NoteSaved() {
  last_save_ok_ = save_status_.ok();
  last_save_duration_seconds_ = static_cast<int64_t>((NowMicros() - save_start_us_) / 1'000'000);
  if (!last_save_ok_) {
    spdlog::warn("the checkpoint failed: {}", save_status_.ToString());
    return;
  }
  ++saves_;
  saved_changes_ = save_start_changes_;
  last_save_seconds_ = keys_->clock()->WallMillis() / 1000;
  spdlog::info("checkpoint in {}/backup", config_->dir);
}

void Process::MaybeStartSave() {
  if (saver_.joinable()) return;
  const uint64_t now_us = NowMicros();
  if (!last_save_ok_ && now_us < save_start_us_ + kSaveRetryUs) return;
  const int64_t since_seconds = keys_->clock()->WallMillis() / 1000 - last_save_seconds_;
  const auto changes = static_cast<int64_t>(keys_->changes() - saved_changes_);
  for (const auto& point : config_->save_points) {
    if (changes < std::max<int64_t>(point.changes, 1) || since_seconds <= point.seconds) continue;
    spdlog::info("{} changes in {} seconds: a checkpoint", changes, since_seconds);
    if (lsm::Status status = StartSave(); !status.ok()) spdlog::warn("no checkpoint: {}", status.ToString());
    return;
  }
}

// Everything is in the log: there is nothing to save and nobody to wait for.
bool Process::RequestShutdown(resp::ShutdownSave, bool, bool) {
  spdlog::info("SHUTDOWN: a client asked for it");
  net_->RequestShutdown();
  return true;
}

bool Process::AbortShutdown() {
  return false;  // it is carried out before another command could run
}

}  // namespace varve::server
