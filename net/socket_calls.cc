#include "net/socket_calls.h"

#include <pthread.h>
#include <sys/socket.h>

#include <cassert>
#include <cerrno>
#include <new>
#include <string>
#include <utility>

namespace varve::net {
namespace {

constexpr uint64_t kOneRun = uint64_t{1} << 32;
constexpr int kLooks = 2000;     // for work, before a thread sleeps: some ten microseconds
constexpr int kBusyLooks = 200;  // for the end of calls that others make, before they are given the core

size_t CallsLeft(uint64_t state) {
  return state % kOneRun;
}

void Breathe() {
#ifdef __x86_64__
  __builtin_ia32_pause();
#endif
}

}  // namespace

SocketCalls::SocketCalls(int threads) {
  threads_.reserve(static_cast<size_t>(threads - 1));
  try {
    for (int i = 1; i < threads; ++i) {
      threads_.emplace_back([this] { Work(); });
      pthread_setname_np(threads_.back().native_handle(), ("varve-io-" + std::to_string(i)).c_str());
    }
  } catch (...) {  // std::system_error, std::bad_alloc
    Stop();
    throw std::bad_alloc();
  }
}

SocketCalls::~SocketCalls() {
  Stop();
}

void SocketCalls::Stop() {
  closing_.store(true);
  state_.fetch_add(kOneRun);
  state_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

void SocketCalls::Add(const Call& call) {
  assert(!full());
  calls_[count_++] = call;
  if (call.size > 0) ++to_make_;
}

size_t SocketCalls::Run() {
  const size_t count = std::exchange(count_, 0), to_make = std::exchange(to_make_, 0);
  const bool share = !threads_.empty() && to_make >= kCallsAThread * (threads_.size() + 1);
  if (!share) {
    for (size_t i = 0; i < count; ++i) Make(&calls_[i]);
    return 0;
  }
  done_.store(0, std::memory_order_relaxed);
  const uint64_t run = state_.load(std::memory_order_relaxed) / kOneRun + 1;
  state_.store(run * kOneRun + count, std::memory_order_release);
  state_.notify_all();
  while (MakeOne()) {
  }
  for (int looks = 0; done_.load(std::memory_order_acquire) < count; ++looks) {
    if (looks < kBusyLooks) {
      Breathe();
    } else {
      std::this_thread::yield();
    }
  }
  return to_make;
}

// False: all of the run are taken.
bool SocketCalls::MakeOne() {
  uint64_t state = state_.load(std::memory_order_acquire);
  while (CallsLeft(state) > 0) {
    if (!state_.compare_exchange_weak(state, state - 1, std::memory_order_acquire)) continue;
    Make(&calls_[CallsLeft(state) - 1]);
    done_.fetch_add(1, std::memory_order_release);
    return true;
  }
  return false;
}

void SocketCalls::Make(Call* call) {
  call->result = 0;
  if (call->size == 0) return;
  do {
    call->result = call->is_write ? send(call->fd, call->bytes, call->size, MSG_DONTWAIT | MSG_NOSIGNAL)
                                  : recv(call->fd, call->bytes, call->size, MSG_DONTWAIT);
  } while (call->result < 0 && errno == EINTR);
  // A local socket's peer that has no room for memory's sake is no other than one that is slow (libuv does the same).
  if (call->result < 0) call->result = call->is_write && errno == ENOBUFS ? -EAGAIN : -errno;
}

void SocketCalls::Work() {
  while (true) {
    while (MakeOne()) made_by_others_.fetch_add(1, std::memory_order_relaxed);
    const uint64_t seen = state_.load(std::memory_order_acquire);
    if (closing_.load()) return;
    if (CallsLeft(seen) > 0) continue;
    for (int looks = 0; looks < kLooks && state_.load(std::memory_order_relaxed) == seen; ++looks) Breathe();
    state_.wait(seen, std::memory_order_acquire);
  }
}

}  // namespace varve::net
