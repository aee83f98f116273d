// bench/server/connection.h - one blocking connection to a server on 127.0.0.1, for its benchmark's client.
//
// Errors end the process (Fatal): a benchmark that cannot go on has no result. So does a server that says nothing for
// two minutes. Threads: one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace varve::bench {

class Connection {
 public:
  explicit Connection(uint16_t port);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  int fd() const { return fd_; }
  // All of it.
  void Send(std::string_view bytes);
  // What is there, at least one byte; waits for it.
  size_t Receive(char* buffer, size_t size);

 private:
  int fd_ = -1;
};

}  // namespace varve::bench
