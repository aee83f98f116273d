// resp/session.h - what the server remembers about one client, apart from its socket.
//
// net/ makes a Session for each connection, fills `id`, the addresses and `created_us`, and reads `close_after_reply`
// and `authenticated` (for the parser's limits) after each request. Everything else belongs to the handlers.
// Ownership: by the connection; a Session that goes away must be passed to Dispatcher::Forget first, which lets go of
// its watched keys, its subscriptions and the like. Threads: the executor's.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

namespace varve::resp {

struct Command;
class MessageSink;

// A request of MULTI, kept until EXEC: the arguments lie one behind the other in `bytes`.
struct QueuedCommand {
  const Command* command;
  std::string bytes;
  std::vector<uint32_t> sizes;

  void GetArguments(std::vector<std::string_view>* args) const {
    args->clear();
    size_t at = 0;
    for (uint32_t size : sizes) {
      args->push_back(std::string_view(bytes).substr(at, size));
      at += size;
    }
  }
};

struct WatchedKey {
  int db;
  std::string name;
  uint64_t version;
  uint64_t expire_ms;  // 0: none; reaching it counts as a change
};

enum class ReplyMode : uint8_t {
  kOn,
  kOff,       // CLIENT REPLY OFF: nothing is sent
  kSkipNext,  // CLIENT REPLY SKIP was the last command
  kSkip,      // the command running now gives no reply
};

enum class SubscriptionKind : uint8_t { kChannel, kPattern, kShard };
inline constexpr size_t kSubscriptionKinds = 3;

// CLIENT TRACKING, as this client asked for it. Which keys it may have cached: tracking.h.
struct TrackingMode {
  bool on = false;
  bool bcast = false;
  bool opt_in = false;
  bool opt_out = false;
  bool no_loop = false;
  bool caching = false;             // CLIENT CACHING: the next command (or EXEC) is the exception
  bool broken_redirection = false;  // the client that messages go to went away
  uint64_t redirection = 0;         // 0: to itself
};

struct Session {
  // Set by net/.
  uint64_t id = 0;
  MessageSink* sink = nullptr;  // never null; lives as long as the session
  std::string address;          // "127.0.0.1:50000", or the socket's path and ":0"
  std::string local_address;    // "127.0.0.1:6379"
  bool loopback = true;         // DEBUG is for local clients only
  uint64_t created_us = 0;      // monotonic

  // Read by net/ after each request.
  bool close_after_reply = false;
  bool authenticated = true;  // net/ sets it to "no password is required" when the connection is made

  uint64_t request_bytes = 0;  // as sent, of the request being run
  bool parked = false;         // set by net/: a request of it waits (CLIENT PAUSE, WAIT)
  bool fetched = false;        // set by net/: the records that the next request waits for have been read

  // The handlers'.
  int db = 0;
  int protocol = 2;
  std::string user = "default";
  std::string name;
  std::string library_name;
  std::string library_version;
  ReplyMode reply_mode = ReplyMode::kOn;
  bool no_evict = false;
  bool no_touch = false;
  const Command* last_command = nullptr;
  uint64_t last_active_us = 0;  // monotonic
  // A command that blocks its client has run and waits for its end at this time (monotonic; UINT64_MAX: for ever), then
  // it is run once more. 0: none does.
  uint64_t wait_end_us = 0;
  enum class Unblocked : uint8_t { kNo, kAsTimeout, kAsError } unblocked = Unblocked::kNo;  // by CLIENT UNBLOCK
  uint64_t argument_bytes = 0;  // of the request being run (CLIENT LIST's argv-mem)

  // Subscriptions: PubSub changes them.
  std::array<std::set<std::string, std::less<>>, kSubscriptionKinds> subscriptions;
  TrackingMode tracking;                                 // Tracking changes it
  std::set<std::string, std::less<>> tracking_prefixes;  // of BCAST
  size_t subscription_bytes = 0;                         // what all of these cost
  bool monitor = false;                                  // Monitors changes it

  // MULTI.
  bool in_multi = false;
  bool in_exec = false;       // the commands of a transaction are running
  bool multi_failed = false;  // a command could not be queued: EXEC gives EXECABORT
  std::vector<QueuedCommand> queue;
  uint32_t queue_flags = 0;  // CommandFlag of all of them together
  size_t queue_bytes = 0;
  std::vector<WatchedKey> watched;
  std::unordered_set<std::string> watched_names;  // "<db>:<name>" of each, so that none is watched twice
  size_t watch_bytes = 0;                         // what they cost

  size_t subscription_count(SubscriptionKind kind) const { return subscriptions[static_cast<size_t>(kind)].size(); }
  bool subscribed() const {
    return !subscriptions[0].empty() || !subscriptions[1].empty() || !subscriptions[2].empty();
  }
};

}  // namespace varve::resp
