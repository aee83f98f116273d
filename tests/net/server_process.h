// tests/net/server_process.h - runs the real varve-server for a test: a free port of 127.0.0.1, a temporary directory.
//
// The program is found beside the test program, or named by the environment variable VARVE_SERVER. Start() returns
// when the server says that it is ready. What it logs is kept for failure messages. With VARVE_TEST_IO_THREADS=N in the
// environment it has so many io-threads, for reads too.
#pragma once

#include <sys/types.h>

#include <string>
#include <thread>
#include <vector>

namespace varve::testing {

// A directory that goes away with the object.
class TemporaryDirectory {
 public:
  TemporaryDirectory();
  ~TemporaryDirectory();
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

class ServerProcess {
 public:
  // `flags` besides --port, --bind and --dir.
  ServerProcess(std::string dir, std::vector<std::string> flags = {});
  ~ServerProcess();  // kills it when it still runs
  ServerProcess(const ServerProcess&) = delete;
  ServerProcess& operator=(const ServerProcess&) = delete;

  // False, and why in log(), when it ended instead of getting ready.
  bool Start();
  void Kill();      // SIGKILL, and waits
  int Terminate();  // SIGTERM, and waits; the exit code, or -signal
  int Wait();       // until it ends by itself

  // Of the last life: the exit code, or -signal.
  int exit_code() const { return exit_code_; }
  bool running() const { return pid_ > 0; }
  int port() const { return port_; }
  pid_t pid() const { return pid_; }
  size_t RssBytes() const;
  // The highest it was, since the start or the last ForgetPeak().
  size_t PeakRssBytes() const;
  void ForgetPeak() const;
  // Complete once the process has ended.
  const std::string& log() const { return log_; }

 private:
  bool StartOnce();
  bool ReadUntilReady();
  int Reap();
  size_t StatusBytes(const std::string& field) const;

  const std::string dir_;
  const std::vector<std::string> flags_;
  int port_ = 0;
  int exit_code_ = 0;
  pid_t pid_ = -1;
  int log_fd_ = -1;
  std::thread log_reader_;
  std::string log_;
};

}  // namespace varve::testing
