// resp/dispatcher.h - runs one request: look up, check, queue or call, count.
//
// A tick of the server, as net/ drives it:
//   dispatcher.ReadClock();
//   for each ready client, for each parsed request:  e = dispatcher.Execute(session, args, &out);
//                           dispatcher.DeliverMessages(e.wrote);   // to those who listen, once the reply is whole
//   dispatcher.EndTick();
//   keyspace.Commit(...)    never inside an Execute: EXEC is one request, so a transaction always lies in one batch.
//                           Commit earlier, between two requests, when pending_bytes() is large.
//   if it failed:           every reply of the tick whose Execution has `wrote`, or `shows_commit` of what was pending,
//                           may show writes that are gone. Cut those off the outputs and call FailedCommit once for
//                           each of them instead.
//   release the replies (appendfsync always: when the durable callback came).
// Execute may throw std::bad_alloc. Then: cut off what it appended, keyspace.RollbackCommand(), and OutOfMemory().
// Threads: the executor's.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "keyspace/keyspace.h"
#include "lsm/status.h"
#include "resp/command_table.h"
#include "resp/config.h"
#include "resp/keyspace_events.h"
#include "resp/latency_histogram.h"
#include "resp/latency_monitor.h"
#include "resp/monitors.h"
#include "resp/parser.h"
#include "resp/pubsub.h"
#include "resp/reply.h"
#include "resp/server_control.h"
#include "resp/session.h"
#include "resp/slow_log.h"
#include "resp/tracking.h"

namespace varve::resp {

struct Execution {
  bool commit_first = false;  // it did not run, for the pending batch must be committed before: then give it once more
  bool parked = false;        // it waits (CLIENT PAUSE, WAIT): give it once more when MayUnpark says so
  // It waits for the disk, and nothing is left of what it did: have keys().TakeWanted() read, set session.fetched and
  // give it once more.
  bool fetching = false;
  bool wrote = false;       // the pending batch grew: the reply must wait for the commit
  bool replied = false;     // bytes were appended (CLIENT REPLY OFF and SHUTDOWN give none)
  bool overflowed = false;  // the reply is longer than its client may have waiting, and was cut short: close the client
  // The latest commit (Keyspace::next_commit counts them) that the reply, if it is about data, may show a write of.
  uint64_t shows_commit = 0;
};

// One row of INFO commandstats and latencystats.
struct CommandStats {
  uint64_t calls = 0;
  uint64_t duration_us = 0;
  uint64_t rejected = 0;     // refused before it ran: arity, auth, ...
  uint64_t failed = 0;       // ran and gave an error
  LatencyHistogram latency;  // while latency-tracking is on
};

// What CONFIG RESETSTAT sets back to zero.
struct ServerStats {
  uint64_t commands_processed = 0;
  uint64_t error_replies = 0;
  uint64_t keyspace_hits = 0;
  uint64_t keyspace_misses = 0;
  uint64_t expired_keys_before = 0;  // the keyspace's count when the statistics were reset
};

class Dispatcher final : private keyspace::KeyObserver {
 public:
  Dispatcher(keyspace::Keyspace* keys, ServerControl* server, Config* config);
  ~Dispatcher() override;
  Dispatcher(const Dispatcher&) = delete;
  Dispatcher& operator=(const Dispatcher&) = delete;

  // A tick begins, or time has passed that is no command's.
  void ReadClock() { tick_us_ = keys_->clock()->MonotonicMicros(); }
  // CLIENT PAUSE. Until `end_us` (monotonic) no request that may write runs, or none at all. A pause never gets shorter
  // or narrower by another.
  void PauseClients(uint64_t end_us, bool all);
  void UnpauseClients() { pause_end_us_ = 0; }
  // As of the last call of the other.
  bool clients_paused() const { return pause_end_us_ != 0; }
  // Ends the pause when its time has come.
  bool LookWhetherPaused();
  // Whether the request of a parked session may be given once more.
  bool MayUnpark(const Session& session);
  // When the last command ended, or ReadClock() was called since.
  uint64_t tick_us() const { return tick_us_; }
  // `data` is what the client has sent and nobody parsed yet. Has the records near that the first requests of it will
  // ask for, when there are several; returns how many bytes it looked at.
  size_t LookAhead(const Session& session, std::string_view data);
  // Runs one request (at least one argument) and appends its reply to *out. Afterwards look at
  // session.close_after_reply.
  Execution Execute(Session& session, Args args, std::string* out);
  // Sends what the last Execute, or keys that expired since, have for other clients; `wrote`: there were writes, not
  // committed yet. Behind a rollback nothing is to be sent: DropMessages.
  void DeliverMessages(bool wrote) noexcept {
    client_id_ = 0;
    if (!pubsub_.empty() || !tracking_.idle() || !monitors_.empty()) [[unlikely]]
      DeliverWhatThereIs(wrote);
  }
  void DropMessages() noexcept;
  // Before the tick's commit.
  void EndTick() noexcept {
    if (!tracking_.idle()) tracking_.EndTick();
  }
  // The error reply for one request whose writes could not be logged.
  void FailedCommit(Session& session, const lsm::Status& why, std::string* out);
  // The reply to a request that Execute threw std::bad_alloc out of. Where the session may be half changed by it, the
  // connection is to be closed afterwards.
  void OutOfMemory(Session& session, std::string* out);
  // The reply before closing a connection that broke the protocol; `error` as Parser::error() says it.
  void ProtocolError(Session& session, std::string_view error, std::string* out);
  // Lets go of what the session holds here: watched keys, subscriptions, tracking, MONITOR. Call before it goes away.
  void Forget(Session& session);

  // --- for handlers ---
  // One queued command, from EXEC: no checks but those that may have changed since.
  void Run(Session& session, const Command& command, Args args, Reply& reply);
  void Unwatch(Session& session);
  void DiscardMulti(Session& session);
  // Whether a key watched by the session was changed, deleted or has expired since.
  bool WatchedKeysChanged(Session& session);

  // The argument at `index` of the command running is a secret: logs show "(redacted)".
  void Redact(size_t index) { redacted_.push_back(index); }

  SlowLog& slow_log() { return slow_log_; }
  LatencyMonitor& latency() { return latency_; }
  // For what is no command: counts when the monitor is on and it took that long.
  void NoteLatency(std::string_view event, uint64_t duration_us);

  const CommandStats& stats_of(const Command& command) const;
  ServerStats& stats() { return stats_; }
  const std::unordered_map<std::string, uint64_t>& error_counts() const { return error_counts_; }
  void ResetStats();

  // Publishes what happened to a key, if notify-keyspace-events has its class.
  void Notify(NotifyClass event_class, std::string_view event, int db, std::string_view name);
  PubSub& pubsub() { return pubsub_; }
  Tracking& tracking() { return tracking_; }
  Monitors& monitors() { return monitors_; }

  keyspace::Keyspace& keys() { return *keys_; }
  ServerControl& server() { return *server_; }
  Config& config() { return *config_; }

 private:
  // The request did nothing, and has nothing to tell.
  Execution NotNow(Execution why) {
    client_id_ = 0;
    return why;
  }
  bool MustWait(const Command& command, const Session& session);
  void StayInMemory(const Command& command, Args args, const Session& session);
  void WantKeys(const Command& command, Args args, int db);
  void WantQueuedKeys(const Session& session);
  uint64_t ShownCommit(const Session& session) const;
  Execution FetchFirst(const Command& command, Args args, Session& session, uint64_t pending);
  // Null when the request may go on; else the reply was written.
  const Command* Admit(Session& session, Args args, Reply& reply);
  void Reject(Session& session, const Command* command, std::string_view text, Reply& reply);
  void Queue(Session& session, const Command& command, Args args, Reply& reply);
  void NoteDuration(Session& session, const Command& command, Args args, uint64_t duration_us);
  void CountError(std::string_view reply_bytes);
  void DeliverWhatThereIs(bool wrote) noexcept;
  void CountTime(const Command& command);
  void RememberRead(Session& session, const Command& command, Args args);
  void OnKeyChange(int db, std::string_view name, keyspace::KeyChange change) override;
  void OnFlush(int db) override;

  keyspace::Keyspace* const keys_;
  ServerControl* const server_;
  Config* const config_;
  uint64_t pause_end_us_ = 0;                // 0: clients are not paused
  bool pause_all_ = false;                   // also those that only read
  uint64_t tick_us_ = 0;                     // monotonic; moved on after each command
  std::vector<CommandStats> command_stats_;  // by Command::index
  ServerStats stats_;
  std::unordered_map<std::string, uint64_t> error_counts_;  // by error code, at most kErrorCodesMax
  PubSub pubsub_;
  Tracking tracking_;
  Monitors monitors_;
  uint64_t client_id_ = 0;             // whose request runs; 0: none
  const Command* last_ran_ = nullptr;  // whose messages are to be delivered
  std::string channel_;                // scratch of Notify
  SlowLog slow_log_;
  LatencyMonitor latency_;
  std::vector<size_t> redacted_;
  keyspace::Entry entry_;
  keyspace::Entry other_entry_;
  std::string scratch_;
};

}  // namespace varve::resp
