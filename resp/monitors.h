// resp/monitors.h - the clients that watch every command run (MONITOR), and the lines on their way to them.
//
//   +1700000000.123456 [0 127.0.0.1:50000] "set" "key" "value"
//
// Lines leave when the request has ended, behind its own reply. Secrets are shown as "(redacted)", an argument that would
// make a line longer than kLineMax by its size.
// Memory: a request's lines are sent early beyond kTextMax; a monitor whose own request that is, is closed instead.
// Threads: the executor's.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "resp/parser.h"
#include "resp/session.h"

namespace varve::resp {

class Monitors {
 public:
  void Add(Session& session);
  void Remove(Session& session);
  bool empty() const { return sessions_.empty(); }

  // Keeps the line of one command, which `session` runs, until Deliver or Drop.
  void Feed(Session& session, Args args, int64_t wall_ms);
  void Deliver() noexcept;
  void Drop() noexcept;

 private:
  static constexpr size_t kTextMax = size_t{16} * 1024 * 1024;
  static constexpr size_t kLineMax = size_t{4} * 1024 * 1024;
  static constexpr size_t kTextKept = size_t{64} * 1024;

  void DeliverBut(Session* session) noexcept;

  std::vector<Session*> sessions_;
  std::string text_;  // whole lines
};

}  // namespace varve::resp
