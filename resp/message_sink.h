// resp/message_sink.h - where a client gets what it did not ask for just now: messages of channels, invalidations of
// cached keys, lines of MONITOR.
#pragma once

#include <span>
#include <string_view>

namespace varve::resp {

class MessageSink {
 public:
  virtual ~MessageSink() = default;
  // Appends one whole reply, in pieces, to what the client is sent; never called while a reply to it is being built.
  // `shows_writes`: it tells of writes that are not committed yet, and must not be sent if they never are. A client that
  // there is no room or memory for is closed. No call re-enters the dispatcher. Threads: the executor's.
  virtual void Push(std::span<const std::string_view> pieces, bool shows_writes) noexcept = 0;
};

}  // namespace varve::resp
