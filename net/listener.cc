#include "net/listener.h"

#include <netinet/in.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "spdlog/spdlog.h"

namespace varve::net {
namespace {

lsm::Status SystemError(const std::string& what) {
  return lsm::Status::IoError(what + ": " + std::strerror(errno));
}

// Whether a server answers on the socket at `path`: then it must not be taken away.
bool SomebodyListens(const sockaddr_un& address) {
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return false;
  bool answered = connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0;
  close(fd);
  return answered;
}

}  // namespace

Listener::Listener(uv_loop_t* loop, Accepted accepted) : loop_(loop), accepted_(std::move(accepted)) {}

lsm::Status Listener::ListenTcp(const BindAddress& address, int backlog) {
  std::string name = ToString(address.storage);
  int fd = socket(address.storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) {
    if (address.optional && errno == EAFNOSUPPORT) return lsm::Status::NotFound(name);
    return SystemError("socket for " + name);
  }
  int on = 1;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  if (address.storage.ss_family == AF_INET6) setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
  if (bind(fd, reinterpret_cast<const sockaddr*>(&address.storage), address.size) != 0) {
    bool absent = errno == EADDRNOTAVAIL || errno == EAFNOSUPPORT;
    lsm::Status error = SystemError("cannot listen on " + name);
    close(fd);
    return address.optional && absent ? lsm::Status::NotFound(name) : error;
  }
  return Start(fd, backlog, name);
}

lsm::Status Listener::ListenUnix(const std::string& path, int backlog, unsigned mode) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof(address.sun_path)) {
    return lsm::Status::InvalidArgument("unixsocket: '" + path + "' is longer than " +
                                        std::to_string(sizeof(address.sun_path) - 1) + " bytes");
  }
  std::memcpy(address.sun_path, path.data(), path.size());
  if (SomebodyListens(address)) return lsm::Status::Busy("unixsocket: somebody listens on " + path);
  struct stat existing {};
  if (lstat(path.c_str(), &existing) == 0 && S_ISSOCK(existing.st_mode)) unlink(path.c_str());

  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return SystemError("socket for " + path);
  // Made under a private umask: nobody else can connect before the wanted mode is set.
  mode_t before = umask(mode != 0 ? 0177 : 0022);
  if (mode == 0) umask(before);
  bool bound = bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0;
  if (mode != 0) umask(before);
  if (!bound || (mode != 0 && chmod(path.c_str(), mode) != 0)) {
    lsm::Status error = SystemError("cannot listen on " + path);
    close(fd);
    return error;
  }
  unix_path_ = path;
  return Start(fd, backlog, path);
}

lsm::Status Listener::Start(int fd, int backlog, const std::string& name) {
  if (listen(fd, backlog) != 0) {
    lsm::Status error = SystemError("cannot listen on " + name);
    close(fd);
    return error;
  }
  if (int error = uv_poll_init(loop_, &poll_, fd); error != 0) {
    close(fd);
    return lsm::Status::IoError("cannot listen on " + name + ": " + uv_strerror(error));
  }
  fd_ = fd;
  uv_timer_init(loop_, &back_off_);
  poll_.data = back_off_.data = this;
  uv_poll_start(&poll_, UV_READABLE,
                [](uv_poll_t* poll, int, int) { static_cast<Listener*>(poll->data)->AcceptReady(); });
  return lsm::Status::Ok();
}

void Listener::AcceptReady() {
  for (bool more = true; more && fd_ >= 0;) {
    sockaddr_storage peer{};
    socklen_t size = sizeof(peer);
    int fd = accept4(fd_, reinterpret_cast<sockaddr*>(&peer), &size, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd >= 0) {
      if (!unix_path_.empty()) peer.ss_family = AF_UNIX;
      more = accepted_(fd, peer);
    } else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
      return Rest();
    } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
      return;
    }
    // Anything else concerns that one caller, who has gone already.
  }
}

void Listener::Rest() {
  spdlog::warn("accepting pauses for {} ms: {}", kBackOffMs, std::strerror(errno));
  uv_poll_stop(&poll_);
  uv_timer_start(
      &back_off_,
      [](uv_timer_t* timer) {
        auto* self = static_cast<Listener*>(timer->data);
        uv_poll_start(&self->poll_, UV_READABLE,
                      [](uv_poll_t* poll, int, int) { static_cast<Listener*>(poll->data)->AcceptReady(); });
      },
      kBackOffMs, 0);
}

void Listener::Close() {
  if (fd_ < 0) return;
  uv_close(reinterpret_cast<uv_handle_t*>(&poll_), nullptr);  // stops polling at once; the descriptor may go
  uv_close(reinterpret_cast<uv_handle_t*>(&back_off_), nullptr);
  close(std::exchange(fd_, -1));
  if (!unix_path_.empty()) unlink(unix_path_.c_str());
}

}  // namespace varve::net
