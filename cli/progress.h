// cli/progress.h - one line on the terminal that says how far long work is; nothing at all when there is no terminal.
//
//   Progress progress(TerminalOrNull(), "checking");
//   progress.Update(done, total);            // checking  [########            ]  41 %  1.2 of 2.9 GiB
//
// The line is written over itself at most ten times a second and is gone when the object is. Threads: one at a time.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <ostream>
#include <string>
#include <thread>

namespace varve::cli {

// Standard error when it is a terminal, else null.
std::ostream* TerminalOrNull();

// "1.5 MiB"; for people.
std::string HumanBytes(uint64_t bytes);

class Progress {
 public:
  Progress(std::ostream* terminal, std::string label) : terminal_(terminal), label_(std::move(label)) {}
  ~Progress() { Clear(); }
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  // Bytes. A total of 0 means unknown: then only what was done is shown.
  void Update(uint64_t done, uint64_t total);
  void Clear();
  bool shown() const { return terminal_ != nullptr; }

 private:
  std::ostream* const terminal_;
  const std::string label_;
  std::chrono::steady_clock::time_point last_{};
  size_t width_ = 0;  // of the line on the terminal
};

// Asks `poll` now and then, from a thread of its own, while a call that cannot report runs. No thread without terminal.
class Watch {
 public:
  Watch(Progress* progress, std::function<void(Progress*)> poll);
  ~Watch();
  Watch(const Watch&) = delete;
  Watch& operator=(const Watch&) = delete;

 private:
  std::mutex mu_;
  std::condition_variable wake_;
  bool done_ = false;
  std::thread thread_;
};

}  // namespace varve::cli
