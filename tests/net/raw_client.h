// tests/net/raw_client.h - a socket that says exactly the bytes a test wants to say.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

namespace varve::testing {

// "*2\r\n$3\r\nGET\r\n$1\r\nk\r\n" for {"GET", "k"}.
inline std::string Request(std::initializer_list<std::string_view> words) {
  std::string bytes = "*" + std::to_string(words.size()) + "\r\n";
  for (std::string_view word : words) {
    bytes += "$" + std::to_string(word.size()) + "\r\n";
    bytes += word;
    bytes += "\r\n";
  }
  return bytes;
}

class RawClient {
 public:
  // `receive_bytes` != 0 makes a small window, for a client that does not read. `host` is an IPv4 address as a number.
  explicit RawClient(int port, int receive_bytes = 0, uint32_t host = INADDR_LOOPBACK) {
    fd_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    timeval patience{.tv_sec = 60, .tv_usec = 0};  // a hang is a failure
    setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    setsockopt(fd_, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
    if (receive_bytes != 0) setsockopt(fd_, SOL_SOCKET, SO_RCVBUF, &receive_bytes, sizeof(receive_bytes));
    int on = 1;
    setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<uint16_t>(port));
    address.sin_addr.s_addr = htonl(host);
    connected_ = connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0;
  }
  ~RawClient() { Close(); }
  RawClient(RawClient&& other) noexcept
      : fd_(std::exchange(other.fd_, -1)), connected_(other.connected_), unread_(std::move(other.unread_)) {}
  RawClient(const RawClient&) = delete;
  RawClient& operator=(const RawClient&) = delete;

  bool connected() const { return connected_; }
  // The server has closed it: what was read last may be cut short.
  bool ended() const { return ended_; }
  int fd() const { return fd_; }
  void Close() {
    if (fd_ >= 0) close(std::exchange(fd_, -1));
  }
  void FinishSending() { shutdown(fd_, SHUT_WR); }

  // False when the server has gone.
  bool Send(std::string_view bytes) {
    while (!bytes.empty()) {
      ssize_t n = send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (n <= 0) return false;
      bytes.remove_prefix(static_cast<size_t>(n));
    }
    return true;
  }
  // Sends what fits without waiting; the bytes taken.
  size_t SendSome(std::string_view bytes) {
    ssize_t n = send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    return n > 0 ? static_cast<size_t>(n) : 0;
  }
  // Exactly `size` bytes, or fewer when the connection ended.
  std::string Read(size_t size) {
    while (unread_.size() < size && Fill()) {
    }
    return Take(std::min(size, unread_.size()));
  }
  // With its CRLF.
  std::string ReadLine() {
    size_t end;
    while ((end = unread_.find("\r\n")) == std::string::npos && Fill()) {
    }
    return Take(end == std::string::npos ? unread_.size() : end + 2);
  }
  // One whole reply of RESP2 or RESP3.
  std::string ReadReply() {
    std::string reply = ReadLine();
    if (reply.size() < 3) return reply;
    const char kind = reply[0];
    const long count = std::atol(reply.c_str() + 1);
    if (kind == '$' || kind == '=') return count < 0 ? reply : reply + Read(static_cast<size_t>(count) + 2);
    long children = kind == '%' ? 2 * count : kind == '*' || kind == '~' || kind == '>' ? count : 0;
    for (long i = 0; i < children; ++i) reply += ReadReply();
    return reply;
  }
  std::string ReadUntilEnd() {
    while (Fill()) {
    }
    return std::exchange(unread_, {});
  }
  std::string Ask(std::initializer_list<std::string_view> words) { return Send(Request(words)) ? ReadReply() : ""; }
  // Throws away what has arrived so far. False when the server has gone.
  bool Drain() {
    char bytes[65536];
    unread_.clear();
    for (;;) {
      const ssize_t n = recv(fd_, bytes, sizeof(bytes), MSG_DONTWAIT);
      if (n <= 0) return n < 0 && errno == EAGAIN;
    }
  }
  // Whether nothing has arrived so far.
  bool Silent() {
    char byte;
    return unread_.empty() && recv(fd_, &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0;
  }

 private:
  bool Fill() {
    char bytes[65536];
    ssize_t n = recv(fd_, bytes, sizeof(bytes), 0);
    if (n <= 0) {
      ended_ = true;
      return false;
    }
    unread_.append(bytes, static_cast<size_t>(n));
    return true;
  }
  std::string Take(size_t size) {
    std::string taken = unread_.substr(0, size);
    unread_.erase(0, size);
    return taken;
  }

  int fd_ = -1;
  bool connected_ = false;
  bool ended_ = false;
  std::string unread_;
};

}  // namespace varve::testing
