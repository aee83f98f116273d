// net/server.h - the loop: listens, reads, runs a tick, commits it once, lets the replies go.
//
//   poll    sockets are read; each read runs its requests at once (Connection), replies pile up in the clients' queues;
//           with io-threads-do-reads they are gathered, read by several threads, and run one after the other (RunReads)
//           Who asks for much is read for a share of the tick (FairShare), and then, in turns, not polled (PutOff)
//   idle    clients with more requests than one turn of them allows go on (RunReady); so do keys whose time came, when
//           there are more than the cron has time for (ExpireSlice)
//   prepare what timers and idle have done is not left lying while the poll waits (BeforePoll); those whose turn it is
//           are polled again (CallPutOff)
//   check   EndTick(): one Keyspace::Commit for all of them, then one write for each client that has replies (SendReplies),
//           by several threads when there are io-threads. Large replies leave in slices, for a quarter of the time
//           that the tick has taken, so that they make no tick long (SendSlices)
//
// Durability. `appendfsync always`: each commit has a ticket, its number; its replies, and those that have read a key it
// wrote (keyspace/last_commits.h), are held until the engine's durable callback has come for it (through uv_async, from
// another thread). All others leave at once. The loop goes on meanwhile; everything that arrives during one sync shares
// the next. A sync costs the machine about what some requests do: so it is asked for when a turn of the loop had nothing
// to do, else every kSyncPaceUs (AskForSync). Other modes: replies leave after the commit, which has reached the
// operating system and so survives the death of the process.
//
// Trouble. A failed commit: the tick's replies that wrote, or have read what it would have written, are replaced by its
// error, for they may show writes that never happened. kBusy (flushes are behind): nothing is dropped; sockets are not read
// until a retry of the same commit succeeds. A failed sync: held replies are never sent, their clients are
// disconnected, for nobody can say whether those writes will be there after a restart.
//
// N1  No reply leaves before the writes it may show are in the log (and synced: always).
// N2  A Connection is destroyed only in the loop's closing phase, and not while EndTick has it in a list.
// Memory. All clients' requests, queued transactions and replies together stay below maxmemory-clients: it is counted
// where it grows, and the clients that use most are cut at once. An allocation that fails costs the request it was
// for, or its client, at worst the tick; no callback lets std::bad_alloc through to libuv.
//
// N3  Every queue has a limit: clients, bytes read ahead, replies before AUTH, replies waiting; and all of them
// together. Threads: all of it on the thread of Run(), except the durable callback.
#pragma once

#include <uv.h>

#include <array>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "keyspace/keyspace.h"
#include "lsm/status.h"
#include "lsm/sync/mutex.h"
#include "net/connection.h"
#include "net/disk_reads.h"
#include "net/fair_share.h"
#include "net/listener.h"
#include "net/socket_calls.h"
#include "resp/config.h"
#include "resp/dispatcher.h"

namespace varve::net {

// Descriptors kept for the engine's files, the log and the process itself.
inline constexpr int64_t kReservedDescriptors = 32;

struct NetStats {
  uint64_t connections = 0;
  uint64_t rejected_connections = 0;
  uint64_t input_bytes = 0;
  uint64_t output_bytes = 0;
  uint64_t reads = 0;
  uint64_t writes = 0;
  uint64_t threaded_reads = 0;  // of them those that several threads were asked to make
  uint64_t threaded_writes = 0;
  bool threads_active = false;          // the last time there was something to send, they were
  uint64_t recent_max_input_bytes = 0;  // largest buffer of a client in the last few seconds
  uint64_t recent_max_output_bytes = 0;
  double input_kbps = 0;
  double output_kbps = 0;
  double operations_per_second = 0;
  uint64_t evicted_clients = 0;  // cut for maxmemory-clients
  uint64_t query_buffer_limit_disconnections = 0;
  uint64_t output_buffer_limit_disconnections = 0;  // the hard limit, or too long above the soft one
  uint64_t stalled_disconnections = 0;              // read nothing for too long
  uint64_t auth_timeout_disconnections = 0;
  uint64_t protocol_errors = 0;
  uint64_t out_of_memory_errors = 0;  // requests undone, clients closed and ticks failed for lack of memory
  bool last_commit_ok = true;
};

class Server {
 public:
  // All outlive the server. `config` may change while running. Throws std::bad_alloc, also when the system gives no thread.
  Server(resp::Config* config, resp::Dispatcher* dispatcher, keyspace::Keyspace* keys);
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  // Opens every address of the configuration; the first that fails is the error.
  lsm::Status Listen();
  // After `bind` or `port` changed: opens the addresses that are new, then closes those no longer named. Clients stay.
  // On an error nothing has changed.
  lsm::Status ListenTcp();
  // Serves until a signal or RequestShutdown(). Afterwards all sockets are closed and everything run is committed.
  void Run();
  // Soon, at the end of the tick. False: it is under way already.
  void RequestShutdown() { shutdown_requested_ = true; }
  bool shutdown_requested() const { return shutdown_requested_; }

  void ForEachClient(const std::function<void(resp::Session&, const resp::ConnectionFacts&)>& visit);
  // Null when there is none, or it is being closed.
  resp::Session* FindClient(uint64_t id);
  void KillClient(uint64_t id);
  size_t client_count() const { return connections_.size(); }
  size_t parked_count() const { return parked_.size(); }
  uint64_t clients_memory_bytes() const { return clients_memory_bytes_; }
  const NetStats& stats() const { return stats_; }
  void ResetStats();
  // Called every 100 ms, before the tick's end.
  void set_on_cron(std::function<void()> on_cron) { on_cron_ = std::move(on_cron); }
  // Raises the limit of open files to fit `wanted` clients; returns how many fit.
  static int64_t FitClientsToDescriptors(int64_t wanted);

  // --- for connections ---
  uv_loop_t* loop() { return &loop_; }
  resp::Dispatcher& dispatcher() { return *dispatcher_; }
  const resp::Config& config() const { return *config_; }
  const resp::ParserLimits& limits(bool authenticated) const { return authenticated ? limits_ : limits_before_auth_; }
  // Where clients without an unfinished request are read to, when each read is run at once.
  std::span<char> shared_buffer() { return std::span(shared_buffer_).first(Connection::kReadBytesMax); }
  // Otherwise a readable client is to say so, and is read with others.
  bool gathers_reads() const { return gathers_reads_; }
  void GatherRead(Connection* connection) {
    if (std::exchange(connection->readable, true)) return;
    readable_.push_back(connection);
    if (connection->heavy()) share_.Spent(kReadUs);  // until it is known how long it takes
    if (readable_.size() == SocketCalls::kCallsMax) RunReads();
  }
  uint64_t NowMicros() const { return keys_->clock()->MonotonicMicros(); }
  bool paused() const { return paused_; }
  uint64_t last_ticket() const { return last_ticket_; }
  uint64_t durable_ticket() const { return durable_ticket_; }
  bool tick_wrote() const { return tick_wrote_; }
  // Writes that nobody knows yet whether they will be there.
  bool IsPending(uint64_t commit) const { return tick_wrote_ && commit >= keys_->next_commit(); }
  NetStats& mutable_stats() { return stats_; }
  void BeforeRequest() {
    if (tick_open_) return;
    tick_open_ = true;
    dispatcher_->ReadClock();
    tick_begin_us_ = dispatcher_->tick_us();
  }
  void NoteWrote(bool wrote) { tick_wrote_ |= wrote; }
  void AfterRequest() {
    if (keys_->pending_bytes() > kCommitBytes) [[unlikely]]
      CommitPending();
  }
  void MarkDirty(Connection* connection) {
    if (std::exchange(connection->queued, true)) return;
    dirty_.push_back(connection);
  }
  // What it may send leaves slice by slice, also while the server is paused.
  void SendInSlices(Connection* connection) {
    if (std::exchange(connection->slicing, true)) return;
    slicing_.push_back(connection);
  }
  void MarkUncertain(Connection* connection) {
    if (std::exchange(connection->uncertain, true)) return;
    uncertain_.push_back(connection);
  }
  // One client's share changed. May cut clients, the caller's too, and frees what they hold: nothing may be under way
  // in its buffers.
  void CountClientMemory(size_t before, size_t after) {
    clients_memory_bytes_ += after - before;
    if (after > before) EvictClients();
  }
  // The same, cutting nobody before the end of the tick: false when it grows so much meanwhile that this one must be.
  bool NoteClientMemory(size_t before, size_t after) {
    clients_memory_bytes_ += after - before;
    const uint64_t limit = static_cast<uint64_t>(config_->ClientMemoryMax());
    return after <= before || clients_memory_bytes_ <= limit + limit / 4;
  }
  // One client's turn: as long as what its end costs, so that who speaks to many is not made to send each word apart.
  uint64_t turn_us(bool heavy) const {
    const uint64_t turn_us = !heavy ? kTurnUs : share_.over() ? 0 : share_.us();
    return turn_us + kFlushUs * dirty_.size();
  }
  FairShare& share() { return share_; }
  // How much of one client is read at once.
  size_t read_bytes() const { return gathers_reads_ ? kGatheredReadBytes : Connection::kReadBytesMax; }
  // Whether one that asks for much is read now. While others wait for their turn it comes behind them, for the kernel
  // reports ready sockets in the same order every time; who is called has one read.
  bool MayRead(const Connection* connection) const {
    return !share_.over() && (connection->called || (called_ == 0 && put_off_.empty()));
  }
  // It is not polled until it is called. Who is called already stays so: the next tick has a new share.
  void PutOff(Connection* connection) {
    if (connection->called) return;
    connection->StopReading();
    if (!std::exchange(connection->put_off, true)) put_off_.push_back(connection);
  }
  // It was read, or never will be.
  void HadTurn(Connection* connection) {
    if (std::exchange(connection->called, false)) --called_;
  }
  // False: not yet, all clients are paused until it succeeds.
  bool CommitBeforeRequest() { return CommitPending(); }
  // Takes back the writes of the request that ran out of memory, or, when that fails too, of the whole tick.
  void UndoRequest();
  void ResumeSoon(Connection* connection);
  // Until the dispatcher says that it may go on.
  void Park(Connection* connection) { parked_.push_back(connection); }
  // Until the records that the dispatcher wants for its request have been read.
  void Fetch(Connection* connection) { disk_reads_.Start(connection->session().id, keys_->TakeWanted()); }
  void ForgetFetch(Connection* connection) { disk_reads_.Cancel(connection->session().id); }
  void AwaitTicket(uint64_t ticket, uint64_t client_id);
  void Remove(Connection* connection);

 private:
  static constexpr size_t kGatheredReadBytes = 16 * 1024;
  // A tick that gathered this much is committed before it goes on.
  static constexpr size_t kCommitBytes = size_t{16} * 1024 * 1024;
  static constexpr uint64_t kTurnUs = 100;    // of one client, before others have theirs
  static constexpr uint64_t kFlushUs = 4;     // about what it takes to send one client its replies
  static constexpr uint64_t kReadUs = 4;      // and to read what it sent
  static constexpr uint64_t kAcceptUs = 500;  // of a tick, for which a client more is accepted in the next
  static constexpr uint64_t kCronMs = 100;
  static constexpr uint64_t kRetryMs = 1;
  static constexpr uint64_t kReadyBudgetUs = 100;    // of each tick, for light clients with requests already read
  static constexpr uint64_t kSyncPaceUs = 250;       // between syncs asked for while there is more to do
  static constexpr uint64_t kExpireSliceUsMin = 30;  // of each cron; what is still due then goes on in slices
  static constexpr uint64_t kExpireSliceUsMax = 250;
  static constexpr size_t kExpireBatch = 8;
  static constexpr uint64_t kExpirer = 0;  // no client's id: whom records of keys to expire are read for
  static constexpr size_t kSamples = 16;

  struct Held {
    uint64_t ticket;
    uint64_t client_id;
  };
  struct Sample {
    uint64_t operations = 0, input_bytes = 0, output_bytes = 0, at_us = 0;
  };

  lsm::Status OpenTcp(std::map<std::string, std::unique_ptr<Listener>>* fresh, std::set<std::string>* wanted);
  void Retire(std::unique_ptr<Listener> listener);
  lsm::Status ListenUnix();
  void CloseListeners();
  bool Accept(int fd, const sockaddr_storage& peer);
  bool Refuse(int fd, const sockaddr_storage& peer);
  void BeforePoll();
  void RunReads();
  void EndTick();
  void SendAll(bool committed, bool idle);
  void SendReplies();
  void SendSlices(uint64_t end_us);
  void Send(std::span<Connection* const> connections);
  // True: nothing is pending any more (committed, or failed and answered so).
  bool CommitPending();
  void FailTick(const lsm::Status& why);
  void AskForSync(bool idle);
  void SettleUncertain(uint64_t ticket);
  void Report(uint64_t ticket, const lsm::Status& status);
  void EvictClients() {
    while (clients_memory_bytes_ > static_cast<uint64_t>(config_->ClientMemoryMax()) && EvictLargest()) {
    }
  }
  bool EvictLargest();
  Connection* LargestClient();
  void MakeRoomForDescriptors();
  void AddClient(int fd, const sockaddr_storage& peer);
  void Pause();
  void Unpause();
  void RunReady();
  size_t RunReady(std::vector<Connection*>* ready, uint64_t budget_us);
  void CallPutOff();
  void Unpark();
  void StartRunningReady();
  void OnFetched(uint64_t client_id);
  void OnDurable();
  void Release(uint64_t ticket);
  void CutHeld(const lsm::Status& why);
  void ApplyLimits();
  void Cron();
  bool ExpireKeys(uint64_t budget_us);
  bool ExpireUntil(uint64_t end_us);
  lsm::Result<size_t> ExpireBatch(size_t* limit);
  void StartExpiring();
  void ExpireSlice();
  void CheckClients();
  void Measure();
  void Shutdown();
  void StartHandles();

  resp::Config* const config_;
  resp::Dispatcher* const dispatcher_;
  keyspace::Keyspace* const keys_;
  std::function<void()> on_cron_;
  resp::ParserLimits limits_;
  resp::ParserLimits limits_before_auth_ = resp::ParserLimits::BeforeAuth();

  struct Loop : uv_loop_t {
    Loop() : uv_loop_t{} { uv_loop_init(this); }
  };

  Loop loop_;
  uv_prepare_t prepare_{};
  uv_check_t check_{};
  uv_idle_t work_idle_{};    // active for one turn, so that the poll does not wait: see BeforePoll
  uv_idle_t ready_idle_{};   // active while ready_ is not empty, so that the poll does not wait
  uv_idle_t expire_idle_{};  // active while more keys are due than a cron has time for
  uv_timer_t cron_{};
  uv_timer_t retry_{};
  uv_async_t durable_async_{};
  uv_signal_t sigterm_{}, sigint_{};
  std::map<std::string, std::unique_ptr<Listener>> tcp_listeners_;  // by address
  std::unique_ptr<Listener> unix_listener_;
  std::vector<std::unique_ptr<Listener>> closed_listeners_;  // libuv lets go of them in its own time
  SocketCalls socket_calls_;
  const bool gathers_reads_;
  std::vector<char> shared_buffer_;  // of gathered reads a part for each

  // Ordered by id, that is by age.
  std::map<uint64_t, std::unique_ptr<Connection>> connections_;
  uint64_t next_client_id_ = 1;
  uint64_t last_checked_id_ = 0;  // where CheckClients goes on
  uint64_t expire_seen_us_ = 0;   // since when all time is others'
  uint64_t expire_owes_us_ = 0;   // of time, to them
  uint64_t expire_seen_commands_ = 0;
  bool expire_fetching_ = false;  // what the expirer wants is being read
  bool expire_walked_ = false;    // it was nothing but the index the last time
  size_t expire_fetched_ = 0;     // records that were read, and may now be waited for
  uint64_t clients_memory_bytes_ = 0;
  // Each has room for all clients, and so never allocates while requests run.
  std::vector<Connection*> readable_;     // are to be read; empty outside of the poll
  std::vector<Connection*> dirty_;        // have replies to send at the end of the tick
  std::vector<Connection*> slicing_;      // have much to send, a slice in their turn
  std::vector<Connection*> uncertain_;    // gave replies since the tick's first write
  std::vector<Connection*> ready_;        // may go on with requests already read
  std::vector<Connection*> ready_heavy_;  // the same, of those who ask for much
  std::vector<Connection*> resuming_;     // those of them whose turn it is
  std::vector<Connection*> put_off_;      // have something to say, and ask for much: not read, the first first
  std::vector<Connection*> parked_;       // have a request that waits (CLIENT PAUSE, WAIT), the first first

  uint64_t tick_begin_us_ = 0;  // when its first request ran
  uint64_t accepts_left_ = 1;   // before the end of the tick
  FairShare share_;
  size_t called_ = 0;        // clients whose turn it is to be read
  size_t shared_sends_ = 0;  // of the tick: that several threads were asked to make
  bool tick_open_ = false;
  bool tick_wrote_ = false;
  bool paused_ = false;
  bool shutdown_requested_ = false;
  bool shutting_down_ = false;
  uint64_t last_ticket_ = 0;     // of the newest commit that waits, or waited, for its sync
  uint64_t asked_ticket_ = 0;    // a sync of all up to it was asked for
  uint64_t asked_us_ = 0;        // when
  lsm::WriteBatch nothing_;      // to write with it
  uint64_t durable_ticket_ = 0;  // all up to it are durable
  std::deque<Held> held_;        // clients with held replies, in order of tickets

  lsm::Mutex durable_mu_;
  uint64_t durable_reported_ VARVE_GUARDED_BY(durable_mu_) = 0;
  bool sync_failed_ VARVE_GUARDED_BY(durable_mu_) = false;
  lsm::Status sync_error_ VARVE_GUARDED_BY(durable_mu_);  // OK also when there was no memory to keep it

  DiskReads disk_reads_;
  const lsm::Status out_of_memory_ = lsm::Status::OutOfMemory();
  NetStats stats_;
  std::array<Sample, kSamples> samples_{};
  size_t sample_index_ = 0;
};

}  // namespace varve::net
