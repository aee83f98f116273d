// server/main.cc - the program `varve-server`.
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <string>
#include <system_error>
#include <vector>

#include "resp/config.h"
#include "resp/version.h"
#include "server/arguments.h"
#include "server/logging.h"
#include "server/process.h"
#include "spdlog/spdlog.h"

#ifdef VARVE_JEMALLOC
// Read by jemalloc at start: memory that was freed goes back to the system within a second, off the serving thread. Four
// arenas are made by the threads that begin with the server: one that begins later, to read, finds them there. It used
// to make one more, and where there was no memory for that jemalloc (5.3.0) ended the process.
extern "C" const char* malloc_conf;
__attribute__((visibility("default"))) const char* malloc_conf =
    "background_thread:true,dirty_decay_ms:1000,muzzy_decay_ms:0,narenas:4";
#endif

namespace {

enum ExitCode : int { kExitClean = 0, kExitFailed = 1, kExitConfiguration = 2 };

int Fail(ExitCode code, const varve::lsm::Status& status) {
  std::fprintf(stderr, "varve-server: %.*s\n", static_cast<int>(status.message().size()), status.message().data());
  return code;
}

// Its own file, made at start and removed at the end, as service managers want it.
class PidFile {
 public:
  explicit PidFile(std::string path) : path_(std::move(path)) {
    if (path_.empty()) return;
    std::ofstream file(path_);
    file << getpid() << '\n';
    if (!file.flush()) spdlog::warn("pidfile {} cannot be written", path_);
  }
  ~PidFile() {
    std::error_code error;
    if (!path_.empty()) std::filesystem::remove(path_, error);
  }
  PidFile(const PidFile&) = delete;
  PidFile& operator=(const PidFile&) = delete;

 private:
  const std::string path_;
};

}  // namespace

int main(int argc, char** argv) {
  using namespace varve;
  resp::Config config;
  auto arguments = server::ParseArguments(std::vector<std::string>(argv + 1, argv + argc), &config);
  if (!arguments.ok()) return Fail(kExitConfiguration, arguments.status());
  if (arguments->help) {
    std::fputs(server::HelpText().c_str(), stdout);
    return kExitClean;
  }
  if (arguments->version) {
    std::printf("varve-server %s (speaks as Redis %s)\n", std::string(resp::kVarveVersion).c_str(),
                std::string(resp::kRedisVersion).c_str());
    return kExitClean;
  }
  lsm::Status logging = server::StartLogging({config.logfile, config.loglevel, arguments->json_log});
  if (!logging.ok()) return Fail(kExitConfiguration, logging);
  for (const std::string& warning : arguments->warnings) spdlog::warn("{}", warning);
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGHUP, SIG_IGN);

  auto process = server::Process::Start(&config, *arguments);
  if (!process.ok()) {
    spdlog::error("cannot start: {}", process.status().ToString());
    return kExitFailed;
  }
  PidFile pid_file(config.pidfile);
  if (lsm::Status status = (*process)->Run(); !status.ok()) {
    spdlog::error("did not close properly: {}", status.ToString());
    return kExitFailed;
  }
  return kExitClean;
}
