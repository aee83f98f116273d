// resp/session.h - what the server remembers about one client, apart from its socket.
//
// net/ makes a Session for each connection, fills `id`, the addresses and `created_us`, and reads `close_after_reply`
// and `authenticated` (for the parser's limits) after each request. Everything else belongs to the handlers.
// Ownership: by the connection; a Session that goes away must be passed to Dispatcher::Forget first, which lets go of
// its watched keys. Threads: the executor's.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

namespace varve::resp {

struct Command;

// A request of MULTI, kept until EXEC: the arguments lie one behind the other in `bytes`.
struct QueuedCommand {
  const Command* command;
  std::string bytes;
  std::vector<uint32_t> sizes;
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

struct Session {
  // Set by net/.
  uint64_t id = 0;
  std::string address;        // "127.0.0.1:50000", or the socket's path and ":0"
  std::string local_address;  // "127.0.0.1:6379"
  bool loopback = true;       // DEBUG is for local clients only
  uint64_t created_us = 0;    // monotonic

  // Read by net/ after each request.
  bool close_after_reply = false;
  bool authenticated = true;  // net/ sets it to "no password is required" when the connection is made

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
  uint64_t argument_bytes = 0;  // of the request being run (CLIENT LIST's argv-mem)

  // MULTI.
  bool in_multi = false;
  bool multi_failed = false;  // a command could not be queued: EXEC gives EXECABORT
  std::vector<QueuedCommand> queue;
  size_t queue_bytes = 0;
  std::vector<WatchedKey> watched;
  std::unordered_set<std::string> watched_names;  // "<db>:<name>" of each, so that none is watched twice
  size_t watch_bytes = 0;                         // what they cost
};

}  // namespace varve::resp
