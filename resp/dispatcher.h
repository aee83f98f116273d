// resp/dispatcher.h - runs one request: look up, check, queue or call, count.
//
// A tick of the server, as net/ drives it:
//   dispatcher.BeginTick();
//   for each ready client, for each parsed request:  e = dispatcher.Execute(session, args, &out);
//   keyspace.Commit(...)    never inside an Execute: EXEC is one request, so a transaction always lies in one batch.
//                           Commit earlier, between two requests, when pending_bytes() is large.
//   if it failed:           every reply of the tick since the first Execution with `wrote` may show writes that are
//                           gone. Cut those off the outputs and call FailedCommit once for each of them instead.
//   release the replies (appendfsync always: when the durable callback came).
// Execute may throw std::bad_alloc. Then: cut off what it appended, keyspace.RollbackCommand(), and OutOfMemory().
// Threads: the executor's.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>

#include "keyspace/keyspace.h"
#include "lsm/status.h"
#include "resp/command_table.h"
#include "resp/config.h"
#include "resp/parser.h"
#include "resp/reply.h"
#include "resp/server_control.h"
#include "resp/session.h"

namespace varve::resp {

struct Execution {
  bool wrote = false;       // the pending batch grew: the reply must wait for the commit
  bool replied = false;     // bytes were appended (CLIENT REPLY OFF and SHUTDOWN give none)
  bool overflowed = false;  // the reply is longer than its client may have waiting, and was cut short: close the client
};

// One row of INFO commandstats.
struct CommandStats {
  uint64_t calls = 0;
  uint64_t duration_us = 0;
  uint64_t rejected = 0;  // refused before it ran: arity, auth, ...
  uint64_t failed = 0;    // ran and gave an error
};

// What CONFIG RESETSTAT sets back to zero.
struct ServerStats {
  uint64_t commands_processed = 0;
  uint64_t error_replies = 0;
  uint64_t keyspace_hits = 0;
  uint64_t keyspace_misses = 0;
  uint64_t expired_keys_before = 0;  // the keyspace's count when the statistics were reset
};

class Dispatcher {
 public:
  Dispatcher(keyspace::Keyspace* keys, ServerControl* server, Config* config);
  ~Dispatcher();
  Dispatcher(const Dispatcher&) = delete;
  Dispatcher& operator=(const Dispatcher&) = delete;

  void BeginTick() { tick_us_ = keys_->clock()->MonotonicMicros(); }
  // When the last command ended, or the tick began if there was none.
  uint64_t tick_us() const { return tick_us_; }
  // Runs one request (at least one argument) and appends its reply to *out. Afterwards look at
  // session.close_after_reply.
  Execution Execute(Session& session, Args args, std::string* out);
  // The error reply for one request whose writes could not be logged.
  void FailedCommit(Session& session, const lsm::Status& why, std::string* out);
  // The reply to a request that Execute threw std::bad_alloc out of. Where the session may be half changed by it, the
  // connection is to be closed afterwards.
  void OutOfMemory(Session& session, std::string* out);
  // The reply before closing a connection that broke the protocol; `error` as Parser::error() says it.
  void ProtocolError(Session& session, std::string_view error, std::string* out);
  // Lets go of what the session holds here (watched keys). Call before it goes away.
  void Forget(Session& session);

  // --- for handlers ---
  // One queued command, from EXEC: no checks but those that may have changed since.
  void Run(Session& session, const Command& command, Args args, Reply& reply);
  void Unwatch(Session& session);
  void DiscardMulti(Session& session);
  // Whether a key watched by the session was changed, deleted or has expired since.
  bool WatchedKeysChanged(Session& session);

  const CommandStats& stats_of(const Command& command) const;
  ServerStats& stats() { return stats_; }
  const std::unordered_map<std::string, uint64_t>& error_counts() const { return error_counts_; }
  void ResetStats();

  keyspace::Keyspace& keys() { return *keys_; }
  ServerControl& server() { return *server_; }
  Config& config() { return *config_; }

 private:
  // Null when the request may go on; else the reply was written.
  const Command* Admit(Session& session, Args args, Reply& reply);
  void Reject(Session& session, const Command* command, std::string_view text, Reply& reply);
  void Queue(Session& session, const Command& command, Args args, Reply& reply);
  void CountError(std::string_view reply_bytes);

  keyspace::Keyspace* const keys_;
  ServerControl* const server_;
  Config* const config_;
  uint64_t tick_us_ = 0;                     // monotonic; moved on after each command
  std::vector<CommandStats> command_stats_;  // by Command::index
  ServerStats stats_;
  std::unordered_map<std::string, uint64_t> error_counts_;  // by error code, at most kErrorCodesMax
  keyspace::Entry entry_;
  keyspace::Entry other_entry_;
  std::string scratch_;
};

}  // namespace varve::resp
