#include "tests/net/server_process.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <utility>

extern char** environ;

namespace varve::testing {
namespace {

std::string ServerBinary() {
  if (const char* named = std::getenv("VARVE_SERVER"); named != nullptr) return named;
  return std::filesystem::read_symlink("/proc/self/exe").parent_path() / "varve-server";
}

int FreePort() {
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  bool bound = bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0 &&
               getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) == 0;
  close(fd);
  return bound ? ntohs(address.sin_port) : 0;
}

}  // namespace

TemporaryDirectory::TemporaryDirectory() {
  path_ = (std::filesystem::temp_directory_path() / "varve_test_XXXXXX").string();
  if (mkdtemp(path_.data()) == nullptr) std::abort();
}

TemporaryDirectory::~TemporaryDirectory() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

ServerProcess::ServerProcess(std::string dir, std::vector<std::string> flags)
    : dir_(std::move(dir)), flags_(std::move(flags)) {}

ServerProcess::~ServerProcess() {
  if (running()) Kill();
}

bool ServerProcess::Start() {
  constexpr int kAttempts = 5;  // another program may take the port between our look and the server's bind
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    if (StartOnce()) return true;
    if (log_.find("Address already in use") == std::string::npos) return false;
  }
  return false;
}

bool ServerProcess::StartOnce() {
  port_ = FreePort();
  log_.clear();
  int pipe_fds[2];
  if (pipe2(pipe_fds, O_CLOEXEC) != 0) return false;
  std::vector<std::string> words = {ServerBinary(), "--port", std::to_string(port_), "--bind", "127.0.0.1",
                                    "--dir",        dir_};
  words.insert(words.end(), flags_.begin(), flags_.end());
  if (const char* threads = std::getenv("VARVE_TEST_IO_THREADS"); threads != nullptr) {
    words.insert(words.end(), {"--io-threads", threads, "--io-threads-do-reads", "yes"});
  }
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, pipe_fds[1], STDERR_FILENO);
  int error = posix_spawn(&pid_, argv[0], &actions, nullptr, argv.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  close(pipe_fds[1]);
  log_fd_ = pipe_fds[0];
  if (error != 0) {
    log_ = "cannot start " + words[0];
    pid_ = -1;
    close(log_fd_);
    return false;
  }
  if (!ReadUntilReady()) {
    Reap();
    return false;
  }
  log_reader_ = std::thread([this] {
    char bytes[4096];
    for (ssize_t n; (n = read(log_fd_, bytes, sizeof(bytes))) > 0;) log_.append(bytes, static_cast<size_t>(n));
  });
  return true;
}

bool ServerProcess::ReadUntilReady() {
  char bytes[4096];
  while (log_.find(" ready: ") == std::string::npos) {
    ssize_t n = read(log_fd_, bytes, sizeof(bytes));
    if (n <= 0) return false;
    log_.append(bytes, static_cast<size_t>(n));
  }
  return true;
}

int ServerProcess::Reap() {
  int status = 0;
  waitpid(pid_, &status, 0);
  if (log_reader_.joinable()) log_reader_.join();
  close(log_fd_);
  pid_ = -1;
  exit_code_ = WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
  return exit_code_;
}

void ServerProcess::Kill() {
  kill(pid_, SIGKILL);
  Reap();
}

int ServerProcess::Terminate() {
  kill(pid_, SIGTERM);
  return Reap();
}

int ServerProcess::Wait() {
  return Reap();
}

size_t ServerProcess::RssBytes() const {
  return StatusBytes("VmRSS:");
}

size_t ServerProcess::PeakRssBytes() const {
  return StatusBytes("VmHWM:");
}

void ServerProcess::ForgetPeak() const {
  std::ofstream("/proc/" + std::to_string(pid_) + "/clear_refs") << "5";
}

size_t ServerProcess::StatusBytes(const std::string& field) const {
  std::ifstream file("/proc/" + std::to_string(pid_) + "/status");
  std::string word;
  while (file >> word) {
    if (word != field) continue;
    size_t kib = 0;
    file >> kib;
    return kib * 1024;
  }
  return 0;
}

}  // namespace varve::testing
