#include "bench/server/connection.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>

#include "bench/harness.h"

namespace varve::bench {

namespace {

constexpr timeval kPatience = {.tv_sec = 120, .tv_usec = 0};

[[noreturn]] void FatalErrno(const char* what) {
  Fatal(std::string("server client: ") + what + ": " + std::strerror(errno));
}

}  // namespace

Connection::Connection(uint16_t port) : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  if (fd_ < 0) FatalErrno("socket");
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const int yes = 1;
  if (::setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes) != 0 ||
      ::setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &kPatience, sizeof kPatience) != 0 ||
      ::setsockopt(fd_, SOL_SOCKET, SO_SNDTIMEO, &kPatience, sizeof kPatience) != 0) {
    FatalErrno("setsockopt");
  }
  if (::connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) FatalErrno("connect");
}

Connection::~Connection() {
  ::close(fd_);
}

void Connection::Send(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0) FatalErrno("send");
    bytes.remove_prefix(static_cast<size_t>(sent));
  }
}

size_t Connection::Receive(char* buffer, size_t size) {
  for (;;) {
    const ssize_t received = ::recv(fd_, buffer, size, 0);
    if (received > 0) return static_cast<size_t>(received);
    if (received == 0) Fatal("server client: the server closed the connection");
    if (errno != EINTR) FatalErrno("recv");
  }
}

}  // namespace varve::bench
