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
  // `about_data`: it tells of what is in the database, so it waits for the writes it may show, and is not sent if they
  // never happen; others wait, too, but are. A client that there is no room or memory for is closed. No call re-enters
  // the dispatcher. Threads: the executor's.
  virtual void Push(std::span<const std::string_view> pieces, bool about_data) noexcept = 0;
};

}  // namespace varve::resp
