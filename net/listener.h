// net/listener.h - one listening socket: hands over accepted sockets, and rests when descriptors run out.
//
// Accepts by itself instead of through uv_listen: as many a turn of the loop as the owner likes, for each may have a
// costly request ready, and a flood of them must not starve those who are there already; and so that a lack of
// descriptors pauses accepting for a moment (callers wait in the kernel's queue) and nothing that runs already fails.
// Ownership: Close() first, destroy after the loop has run its close callbacks. Threads: the loop's.
#pragma once

#include <uv.h>

#include <functional>
#include <string>

#include "lsm/status.h"
#include "net/address.h"

namespace varve::net {

class Listener {
 public:
  // The callee owns `fd`. False: the next are to wait until the loop has turned.
  using Accepted = std::function<bool(int fd, const sockaddr_storage& peer)>;

  Listener(uv_loop_t* loop, Accepted accepted);
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;

  // kIoError naming the address. kNotFound: the address is optional and not there.
  lsm::Status ListenTcp(const BindAddress& address, int backlog);
  // Replaces a socket nobody listens on. `mode`: permission bits, 0 for what the umask leaves.
  lsm::Status ListenUnix(const std::string& path, int backlog, unsigned mode);
  void Close();

 private:
  static constexpr uint64_t kBackOffMs = 100;

  lsm::Status Start(int fd, int backlog, const std::string& name);
  void AcceptReady();
  void Rest();

  uv_loop_t* const loop_;
  const Accepted accepted_;
  int fd_ = -1;  // >= 0: listening, the handles are live
  std::string unix_path_;
  uv_poll_t poll_{};
  uv_timer_t back_off_{};
};

}  // namespace varve::net
