// net/socket_calls.h - reads from and writes to many sockets, made side by side (io-threads).
//
//   Add() ... Add() -> Run(): this thread and the others take one call after the other, until none is left -> result(i)
//
// The other threads do nothing but these system calls, and only while Run() is under way: requests run, and all memory
// of theirs is allocated, on the thread that calls it. Few calls are not worth waking anybody: that thread makes them
// alone. A thread that comes late finds nothing left, and nobody waits for it; one without work looks for some for a
// moment, then sleeps.
// Source: the idea is Redis 6's (networking.c, io-threads), but calls are not dealt out beforehand.
// C1  state_ is the number of the run and how many of its calls nobody has taken; taking one is one compare-and-swap,
//     so a thread that slept through a run's end takes nothing of the next by mistake.
// C2  Run() returns when as many calls are done as there were: nobody touches calls_ then.
// Threads: all of it from one.
#pragma once

#include <sys/types.h>

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <thread>
#include <vector>

namespace varve::net {

class SocketCalls {
 public:
  static constexpr size_t kCallsMax = 256;    // of one Run()
  static constexpr size_t kCallsAThread = 2;  // with fewer it is faster to make them than to have them made

  // `threads` counts the one that calls Run(). Throws std::bad_alloc, also when the system gives no thread.
  explicit SocketCalls(int threads);
  ~SocketCalls();
  SocketCalls(const SocketCalls&) = delete;
  SocketCalls& operator=(const SocketCalls&) = delete;

  // Sockets do not block, and bytes stay where they are until Run() has returned. A call about no bytes is not made;
  // its result is 0.
  void AddWrite(int fd, std::string_view bytes) {
    Add({.fd = fd, .bytes = const_cast<char*>(bytes.data()), .size = bytes.size(), .is_write = true});
  }
  void AddRead(int fd, std::span<char> room) { Add({.fd = fd, .bytes = room.data(), .size = room.size()}); }
  bool full() const { return count_ == kCallsMax; }
  // Makes them all, and forgets them for the next Add(): results stay until then. How many several threads were asked to
  // make; 0: this one has made them.
  size_t Run();
  // Of the i-th: how many bytes, 0 at the end of what the peer sends, or -errno.
  ssize_t result(size_t i) const { return calls_[i].result; }
  // Where its bytes are.
  const char* bytes(size_t i) const { return calls_[i].bytes; }
  // How many calls the other threads have made since the start.
  uint64_t made_by_others() const { return made_by_others_.load(std::memory_order_relaxed); }

 private:
  struct Call {
    int fd = -1;
    char* bytes = nullptr;
    size_t size = 0;
    bool is_write = false;
    ssize_t result = 0;
  };

  void Add(const Call& call);
  bool MakeOne();
  static void Make(Call* call);
  void Work();
  void Stop();

  std::array<Call, kCallsMax> calls_;
  size_t count_ = 0;
  size_t to_make_ = 0;              // of them
  std::atomic<uint64_t> state_{0};  // C1: the run's number in the upper half
  std::atomic<size_t> done_{0};
  std::atomic<uint64_t> made_by_others_{0};
  std::atomic<bool> closing_{false};
  std::vector<std::thread> threads_;
};

}  // namespace varve::net
