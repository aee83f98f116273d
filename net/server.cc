#include "net/server.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <climits>
#include <new>
#include <set>
#include <utility>

#include "lsm/db.h"
#include "spdlog/spdlog.h"

namespace varve::net {
namespace {

constexpr uint64_t kUsPerSecond = 1'000'000;
constexpr int64_t kEngineDescriptors = 4096;  // open tables; asked for, not required
constexpr std::string_view kTooManyClients = "-ERR max number of clients reached\r\n";
constexpr std::string_view kDenied =
    "-DENIED Redis is running in protected mode because protected mode is enabled and no password is set for the "
    "default "
    "user. In this mode connections are only accepted from the loopback interface. If you want to connect from "
    "external "
    "computers to Redis you may adopt one of the following solutions: 1) Just disable protected mode sending the "
    "command "
    "'CONFIG SET protected-mode no' from the loopback interface by connecting to Redis from the same host the server "
    "is "
    "running, however MAKE SURE Redis is not publicly accessible from internet if you do so. Use CONFIG REWRITE to "
    "make "
    "this change permanent. 2) Alternatively you can just disable the protected mode by editing the Redis "
    "configuration "
    "file, and setting the protected mode option to 'no', and then restarting the server. 3) If you started the server "
    "manually just for testing, restart it with the '--protected-mode no' option. 4) Setup a an authentication "
    "password "
    "for the default user. NOTE: You only need to do one of the above things in order for the server to start "
    "accepting "
    "connections from the outside.\r\n";

Server* Of(const void* handle) {
  return static_cast<Server*>(static_cast<const uv_handle_t*>(handle)->data);
}

void Erase(std::vector<Connection*>* list, Connection* connection) {
  list->erase(std::remove(list->begin(), list->end(), connection), list->end());
}

void MakeRoom(std::vector<Connection*>* list, size_t size) {
  if (list->capacity() < size) list->reserve(std::max(size, 2 * list->capacity()));
}

}  // namespace

Server::Server(resp::Config* config, resp::Dispatcher* dispatcher, keyspace::Keyspace* keys)
    : config_(config),
      dispatcher_(dispatcher),
      keys_(keys),
      socket_calls_(static_cast<int>(config->io_threads)),
      gathers_reads_(config->io_threads > 1 && config->io_threads_do_reads),
      shared_buffer_(gathers_reads_ ? kGatheredReadBytes * SocketCalls::kCallsMax : Connection::kReadBytesMax),
      disk_reads_(&loop_, keys->db(), [this](uint64_t client_id) { OnFetched(client_id); }) {
  uv_async_init(&loop_, &durable_async_, [](uv_async_t* async) { Of(async)->OnDurable(); });
  durable_async_.data = this;
  uv_unref(reinterpret_cast<uv_handle_t*>(&durable_async_));  // does not keep Run() going
  ApplyLimits();
}

Server::~Server() {
  CloseListeners();
  disk_reads_.Close();
  uv_close(reinterpret_cast<uv_handle_t*>(&durable_async_), nullptr);
  uv_run(&loop_, UV_RUN_DEFAULT);
  int error = uv_loop_close(&loop_);
  assert(error == 0);
  (void)error;
}

// ---- listening ----

int64_t Server::FitClientsToDescriptors(int64_t wanted) {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return wanted;
  rlim_t all = static_cast<rlim_t>(wanted + kReservedDescriptors + kEngineDescriptors);
  if (limit.rlim_cur < all) {
    limit.rlim_cur = limit.rlim_max == RLIM_INFINITY ? all : std::min(all, limit.rlim_max);
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0) getrlimit(RLIMIT_NOFILE, &limit);
  }
  auto have = static_cast<int64_t>(std::min<rlim_t>(limit.rlim_cur, all));
  int64_t kept = kReservedDescriptors + std::min(kEngineDescriptors, have / 4);
  return std::max<int64_t>(1, std::min(wanted, have - kept));
}

lsm::Status Server::Listen() {
  MakeRoomForDescriptors();
  VARVE_TRY(ListenTcp());
  if (!config_->unixsocket.empty()) VARVE_TRY(ListenUnix());
  if (tcp_listeners_.empty() && unix_listener_ == nullptr)
    return lsm::Status::InvalidArgument("port is 0 and there is no unixsocket: nowhere to listen");
  return lsm::Status::Ok();
}

// libuv ends the process when it finds no memory for its table of descriptors. So that table grows now: descriptors are
// given out from below, and there will be none above those of all clients and of the engine.
void Server::MakeRoomForDescriptors() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  const rlim_t all = static_cast<rlim_t>(config_->maxclients + kReservedDescriptors + kEngineDescriptors);
  const int top = static_cast<int>(std::min<rlim_t>(std::min(all, limit.rlim_cur), INT_MAX)) - 1;
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return;
  const int high = fcntl(ends[0], F_DUPFD_CLOEXEC, top);
  uv_poll_t poll;
  if (high >= 0 && uv_poll_init(&loop_, &poll, high) == 0) {
    uv_poll_start(&poll, UV_READABLE, [](uv_poll_t*, int, int) {});
    uv_close(reinterpret_cast<uv_handle_t*>(&poll), nullptr);
    uv_run(&loop_, UV_RUN_NOWAIT);
  }
  for (int fd : {ends[0], ends[1], high}) {
    if (fd >= 0) close(fd);
  }
}

lsm::Status Server::ListenTcp() {
  std::map<std::string, std::unique_ptr<Listener>> fresh;
  std::set<std::string> wanted;
  lsm::Status status = OpenTcp(&fresh, &wanted);
  if (!status.ok()) {
    for (auto& [address, listener] : fresh) Retire(std::move(listener));
    return status;
  }
  for (auto it = tcp_listeners_.begin(); it != tcp_listeners_.end();) {
    if (wanted.contains(it->first)) {
      ++it;
    } else {
      Retire(std::move(it->second));
      it = tcp_listeners_.erase(it);
    }
  }
  tcp_listeners_.merge(fresh);
  return lsm::Status::Ok();
}

// Opens what is not open yet, and names all.
lsm::Status Server::OpenTcp(std::map<std::string, std::unique_ptr<Listener>>* fresh, std::set<std::string>* wanted) {
  if (config_->port == 0) return lsm::Status::Ok();
  auto addresses = ParseBindList(config_->bind, static_cast<int>(config_->port));
  if (!addresses.ok()) return addresses.status();
  for (const BindAddress& address : *addresses) {
    const std::string name = ToString(address.storage);
    if (tcp_listeners_.contains(name)) {
      wanted->insert(name);
      continue;
    }
    auto listener =
        std::make_unique<Listener>(&loop_, [this](int fd, const sockaddr_storage& peer) { return Accept(fd, peer); });
    lsm::Status status = listener->ListenTcp(address, static_cast<int>(config_->tcp_backlog));
    if (status.Is(lsm::StatusCode::kNotFound)) continue;
    VARVE_TRY(std::move(status));
    fresh->emplace(name, std::move(listener));
    wanted->insert(name);
  }
  if (!wanted->empty()) return lsm::Status::Ok();
  return lsm::Status::IoError("bind: none of '" + config_->bind + "' is an address of this machine");
}

void Server::Retire(std::unique_ptr<Listener> listener) {
  closed_listeners_.push_back(std::move(listener));
  closed_listeners_.back()->Close();
}

lsm::Status Server::ListenUnix() {
  unix_listener_ =
      std::make_unique<Listener>(&loop_, [this](int fd, const sockaddr_storage& peer) { return Accept(fd, peer); });
  lsm::Status status = unix_listener_->ListenUnix(config_->unixsocket, static_cast<int>(config_->tcp_backlog),
                                                  static_cast<unsigned>(config_->unixsocketperm));
  if (!status.ok()) unix_listener_.reset();
  return status;
}

void Server::CloseListeners() {
  for (auto& [address, listener] : tcp_listeners_) listener->Close();
  if (unix_listener_ != nullptr) unix_listener_->Close();
}

// Each may have a costly request ready: one a tick, and more where ticks are long anyhow.
bool Server::Accept(int fd, const sockaddr_storage& peer) {
  ++stats_.connections;
  if (accepts_left_ > 0) --accepts_left_;
  if (Refuse(fd, peer)) return accepts_left_ > 0;
  try {
    AddClient(fd, peer);
  } catch (const std::bad_alloc&) {
    ++stats_.rejected_connections;
    ++stats_.out_of_memory_errors;
    close(fd);
  }
  return accepts_left_ > 0;
}

void Server::AddClient(int fd, const sockaddr_storage& peer) {
  for (auto* list :
       {&readable_, &dirty_, &slicing_, &uncertain_, &ready_, &ready_heavy_, &put_off_, &resuming_, &parked_})
    MakeRoom(list, connections_.size() + 1);
  auto owned = std::make_unique<Connection>(this);
  Connection* connection = owned.get();
  resp::Session& session = connection->session();
  session.id = next_client_id_++;
  session.loopback = IsLoopback(peer);
  session.created_us = session.last_active_us = NowMicros();
  session.authenticated = config_->requirepass.empty();
  const bool unix_socket = peer.ss_family == AF_UNIX;
  if (unix_socket) {
    session.address = session.local_address = config_->unixsocket + ":0";
  } else {
    session.address = ToString(peer);
    sockaddr_storage local{};
    socklen_t size = sizeof(local);
    if (getsockname(fd, reinterpret_cast<sockaddr*>(&local), &size) == 0) session.local_address = ToString(local);
  }
  connections_.emplace_hint(connections_.end(), session.id, std::move(owned));
  connection->Open(fd, unix_socket);
}

bool Server::Refuse(int fd, const sockaddr_storage& peer) {
  std::string_view reason;
  if (static_cast<int64_t>(connections_.size()) >= config_->maxclients) {
    reason = kTooManyClients;
  } else if (config_->protected_mode && config_->requirepass.empty() && !IsLoopback(peer)) {
    reason = kDenied;
  } else {
    return false;
  }
  ++stats_.rejected_connections;
  // Best effort, as nothing but the new socket's own buffer is behind it.
  (void)!send(fd, reason.data(), reason.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
  close(fd);
  return true;
}

// ---- the loop ----

void Server::StartHandles() {
  uv_prepare_init(&loop_, &prepare_);
  uv_check_init(&loop_, &check_);
  uv_idle_init(&loop_, &work_idle_);
  uv_idle_init(&loop_, &ready_idle_);
  uv_idle_init(&loop_, &expire_idle_);
  uv_timer_init(&loop_, &cron_);
  uv_timer_init(&loop_, &retry_);
  uv_signal_init(&loop_, &sigterm_);
  uv_signal_init(&loop_, &sigint_);
  prepare_.data = check_.data = work_idle_.data = ready_idle_.data = expire_idle_.data = cron_.data = retry_.data =
      sigterm_.data = sigint_.data = this;
  uv_prepare_start(&prepare_, [](uv_prepare_t* prepare) { Of(prepare)->BeforePoll(); });
  uv_check_start(&check_, [](uv_check_t* check) { Of(check)->EndTick(); });
  uv_timer_start(
      &cron_, [](uv_timer_t* timer) { Of(timer)->Cron(); }, kCronMs, kCronMs);
  auto on_signal = [](uv_signal_t* signal, int number) {
    Server* self = Of(signal);
    if (self->shutdown_requested_) {
      spdlog::warn("signal {} again: leaving at once; the next start recovers from the log", number);
      _exit(1);
    }
    spdlog::info("signal {}: shutting down", number);
    self->RequestShutdown();
  };
  uv_signal_start(&sigterm_, on_signal, SIGTERM);
  uv_signal_start(&sigint_, on_signal, SIGINT);
}

void Server::Run() {
  StartHandles();
  uv_run(&loop_, UV_RUN_DEFAULT);
}

// The poll's timeout is reckoned behind this: with an idle handle it is none.
void Server::BeforePoll() {
  if (called_ == 0 && !paused_ && !put_off_.empty()) CallPutOff();
  const bool work = !slicing_.empty() || (!paused_ && (!dirty_.empty() || keys_->has_pending()));
  if (!work && !paused_) tick_open_ = false;  // the poll may wait: that is no part of it
  if (!work && asked_ticket_ == last_ticket_) return;
  uv_idle_start(&work_idle_, [](uv_idle_t* idle) { uv_idle_stop(idle); });
}

// What was read is run, also where the server was paused, or the client stopped, meanwhile: the socket has it no more.
void Server::RunReads() {
  if (readable_.empty()) return;
  for (size_t i = 0; i < readable_.size(); ++i) {
    std::span<char> room;  // none: not read
    try {
      const size_t part = i * kGatheredReadBytes;
      if (readable_[i]->reading())
        room = readable_[i]->Room(std::span(shared_buffer_).subspan(part, kGatheredReadBytes));
    } catch (const std::bad_alloc&) {
      readable_[i]->Starve();
    }
    socket_calls_.AddRead(readable_[i]->fd(), room);
  }
  stats_.threaded_reads += socket_calls_.Run();
  if (tick_open_) dispatcher_->ReadClock();  // the time it took is no command's
  for (size_t i = 0; i < readable_.size(); ++i) {
    readable_[i]->readable = false;
    if (readable_[i]->heavy()) share_.GiveBack(kReadUs);
    if (const char* bytes = socket_calls_.bytes(i))
      readable_[i]->ReadInTurn(bytes, socket_calls_.result(i), readable_[i]->heavy() ? NowMicros() : 0);
  }
  readable_.clear();
}

void Server::EndTick() {
  RunReads();
  const bool idle = !tick_open_;
  if (!parked_.empty()) Unpark();
  const bool committed = CommitPending();
  if (committed) dispatcher_->EndTick();
  if (asked_ticket_ != last_ticket_) AskForSync(idle || !committed);
  if (committed) tick_open_ = false;
  SendAll(committed, idle);
  if (!committed) return;
  EvictClients();  // messages may have taken more than there was, and sending them has given some back
  if (shutdown_requested_ && !shutting_down_) Shutdown();
}

// Where the tick is not committed, only what was before.
void Server::SendAll(bool committed, bool idle) {
  const bool anything = !slicing_.empty() || (committed && !dirty_.empty());
  shared_sends_ = 0;
  if (committed) SendReplies();
  const uint64_t now_us = NowMicros(), tick_us = idle ? 0 : now_us - tick_begin_us_;
  share_.EndTick(tick_us);
  SendSlices(now_us + tick_us / 4);
  if (anything) stats_.threads_active = shared_sends_ > 0;
  stats_.threaded_writes += shared_sends_;
  accepts_left_ = 1 + (idle ? 0 : (NowMicros() - tick_begin_us_) / kAcceptUs);
}

// The small ones before any slice of the large: who asked for little does not wait for them.
void Server::SendReplies() {
  size_t small = 0;
  for (Connection* connection : dirty_) {
    connection->queued = false;
    try {
      connection->Settle(0);
    } catch (const std::bad_alloc&) {
      connection->Starve();
    }
    if (connection->slicing || connection->wants_slices()) {
      SendInSlices(connection);
    } else {
      dirty_[small++] = connection;
    }
  }
  dirty_.resize(small);
  Send(dirty_);
  dirty_.erase(dirty_.begin(), dirty_.begin() + static_cast<ptrdiff_t>(small));
}

// At least one, with io-threads two for each; then on until `end_us`, or while memory for clients is short. Those who
// have more go to the end of the queue.
void Server::SendSlices(uint64_t end_us) {
  const size_t at_once =
      config_->io_threads == 1 ? 1 : SocketCalls::kCallsAThread * static_cast<size_t>(config_->io_threads);
  while (!slicing_.empty()) {
    const size_t count = std::min(slicing_.size(), at_once);
    Send(std::span(slicing_).first(count));
    const auto served = slicing_.begin() + static_cast<ptrdiff_t>(count);
    const auto more = std::stable_partition(slicing_.begin(), served, [](Connection* connection) {
      connection->slicing = !connection->sendable().empty();
      return !connection->slicing;
    });
    std::rotate(more, served, slicing_.end());
    slicing_.erase(slicing_.begin(), more);
    const bool short_of_memory = clients_memory_bytes_ > static_cast<uint64_t>(config_->ClientMemoryMax()) / 2;
    if (!short_of_memory && NowMicros() >= end_us) return;
  }
}

void Server::Send(std::span<Connection* const> connections) {
  while (!connections.empty()) {
    const auto some = connections.first(std::min(connections.size(), SocketCalls::kCallsMax));
    connections = connections.subspan(some.size());
    for (Connection* connection : some) socket_calls_.AddWrite(connection->fd(), connection->slice());
    shared_sends_ += socket_calls_.Run();
    for (size_t i = 0; i < some.size(); ++i) {
      try {
        some[i]->Sent(socket_calls_.result(i));
      } catch (const std::bad_alloc&) {
        some[i]->Starve();
      }
    }
  }
}

bool Server::CommitPending() {
  if (keys_->has_pending()) {
    // After kBusy, look before trying: a try costs more than a look.
    if (paused_ && keys_->db()->Pressure().level >= 2) return false;
    const bool always = config_->appendfsync == resp::Config::AppendFsync::kAlways;
    const uint64_t ticket = keys_->next_commit();
    try {
      dispatcher_->EndTick();
      const uint64_t begin_us = NowMicros();
      lsm::Result<lsm::SequenceNumber> committed = keys_->Commit(nullptr);
      const uint64_t took_us = NowMicros() - begin_us;
      dispatcher_->NoteLatency("aof-write", took_us);
      expire_owes_us_ += 3 * took_us;  // it passes as others' time, and takes twice as long to be paid for
      if (committed.status().Is(lsm::StatusCode::kBusy)) {
        Pause();
        return false;
      }
      if (committed.ok()) {
        stats_.last_commit_ok = true;
        if (always) last_ticket_ = ticket;
        SettleUncertain(always ? ticket : 0);
      } else {
        FailTick(committed.status());
      }
    } catch (const std::bad_alloc&) {
      ++stats_.out_of_memory_errors;
      keys_->Abandon();
      FailTick(out_of_memory_);
    }
  }
  if (tick_wrote_) SettleUncertain(0);  // nothing was left of what it wrote
  if (paused_) Unpause();
  return true;
}

// Without memory for it the next turn, which comes at once, tries again.
void Server::AskForSync(bool idle) {
  const uint64_t now_us = NowMicros();
  if (!idle && now_us < asked_us_ + kSyncPaceUs) return;
  const uint64_t ticket = last_ticket_;
  const lsm::Status status =
      keys_->db()->WriteAsync(nothing_, [this, ticket](const lsm::Status& synced) { Report(ticket, synced); }).status();
  if (status.Is(lsm::StatusCode::kOutOfMemory)) return;
  asked_ticket_ = ticket;
  asked_us_ = now_us;
  if (!status.ok()) CutHeld(status);
}

// From any thread.
void Server::Report(uint64_t ticket, const lsm::Status& status) {
  {
    lsm::MutexLock lock(&durable_mu_);
    durable_reported_ = std::max(durable_reported_, ticket);
    if (!status.ok()) {
      sync_failed_ = true;
      try {
        sync_error_ = status;
      } catch (const std::bad_alloc&) {  // it failed, whatever it was
      }
    }
  }
  uv_async_send(&durable_async_);
}

void Server::SettleUncertain(uint64_t ticket) {
  for (Connection* connection : uncertain_) {
    connection->uncertain = false;
    try {
      connection->Settle(ticket);
    } catch (const std::bad_alloc&) {
      connection->Starve();
    }
  }
  uncertain_.clear();
  tick_wrote_ = false;
}

void Server::FailTick(const lsm::Status& why) {
  if (std::exchange(stats_.last_commit_ok, false)) spdlog::error("a commit failed: {}", why.message());
  for (Connection* connection : uncertain_) {
    try {
      connection->FailUncertain(why);
    } catch (const std::bad_alloc&) {
      connection->Starve();
    }
  }
  SettleUncertain(0);
}

void Server::UndoRequest() {
  ++stats_.out_of_memory_errors;
  try {
    keys_->RollbackCommand();
  } catch (const std::bad_alloc&) {
    keys_->Abandon();
    FailTick(out_of_memory_);
  }
}

// ---- backpressure ----

void Server::Pause() {
  if (std::exchange(paused_, true)) return;
  for (auto& [id, connection] : connections_) connection->StopReading();
  uv_timer_start(
      &retry_, [](uv_timer_t*) {}, kRetryMs, kRetryMs);  // makes the loop turn; EndTick tries again
}

void Server::Unpause() {
  paused_ = false;
  uv_timer_stop(&retry_);
  for (auto& [id, connection] : connections_) ResumeSoon(connection.get());
}

void Server::ResumeSoon(Connection* connection) {
  if (std::exchange(connection->waiting, true)) return;
  (connection->heavy() ? ready_heavy_ : ready_).push_back(connection);
  StartRunningReady();
}

void Server::Unpark() {
  std::erase_if(parked_, [&](Connection* connection) {
    const bool may = dispatcher_->MayUnpark(connection->session());
    if (may) connection->Unpark();
    return may;
  });
}

void Server::OnFetched(uint64_t client_id) {
  if (client_id == kExpirer) {
    expire_fetching_ = false;
    return StartExpiring();
  }
  if (auto client = connections_.find(client_id); client != connections_.end()) client->second->Fetched();
}

// As many as the share has time for, if they sent little: they are read before anybody else who asks for much, so that
// everybody's turn comes.
void Server::CallPutOff() {
  const size_t fit = 1 + share_.us() / kReadUs;
  size_t seen = 0;
  while (seen < put_off_.size() && called_ < fit) {
    Connection* connection = put_off_[seen++];
    connection->put_off = false;
    connection->ReadAgain();
    connection->called = connection->reading();
    called_ += connection->called ? 1 : 0;
  }
  put_off_.erase(put_off_.begin(), put_off_.begin() + static_cast<ptrdiff_t>(seen));
}

void Server::RunReady() {
  uv_idle_stop(&ready_idle_);
  if (RunReady(&ready_, kReadyBudgetUs) > 0) share_.OthersAsked();
  const uint64_t begin_us = NowMicros();
  RunReady(&ready_heavy_, share_.us());
  dispatcher_->ReadClock();
  share_.SpentOnReady(dispatcher_->tick_us() - begin_us);
  StartRunningReady();
}

// Returns how many had their turn.
size_t Server::RunReady(std::vector<Connection*>* ready, uint64_t budget_us) {
  resuming_.swap(*ready);  // empty from the last time
  const uint64_t end_us = NowMicros() + budget_us;
  size_t done = 0;
  while (done < resuming_.size() && (done == 0 || NowMicros() < end_us)) {
    Connection* connection = resuming_[done++];
    connection->waiting = false;
    try {
      connection->Resume();
    } catch (const std::bad_alloc&) {
      connection->Starve();
    }
  }
  // Those left over come before those that had a turn.
  ready->insert(ready->begin(), resuming_.begin() + static_cast<ptrdiff_t>(done), resuming_.end());
  resuming_.clear();
  return done;
}

void Server::StartRunningReady() {
  if (!ready_.empty() || !ready_heavy_.empty())
    uv_idle_start(&ready_idle_, [](uv_idle_t* idle) { Of(idle)->RunReady(); });
}

// ---- durability ----

void Server::AwaitTicket(uint64_t ticket, uint64_t client_id) {
  const auto later = std::upper_bound(held_.begin(), held_.end(), ticket,
                                      [](uint64_t than, const Held& held) { return than < held.ticket; });
  held_.insert(later, {ticket, client_id});
}

void Server::OnDurable() {
  uint64_t reported;
  bool failed;
  lsm::Status error;
  {
    lsm::MutexLock lock(&durable_mu_);
    reported = durable_reported_;
    error = std::exchange(sync_error_, lsm::Status::Ok());
    failed = std::exchange(sync_failed_, false);
  }
  if (failed) {
    CutHeld(error);
  } else {
    Release(reported);
  }
}

void Server::Release(uint64_t ticket) {
  durable_ticket_ = std::max(durable_ticket_, ticket);
  while (!held_.empty() && held_.front().ticket <= durable_ticket_) {
    auto client = connections_.find(held_.front().client_id);
    held_.pop_front();
    if (client == connections_.end()) continue;
    client->second->Release(durable_ticket_);
    MarkDirty(client->second.get());
  }
}

void Server::CutHeld(const lsm::Status& why) {
  spdlog::error("the log could not be synced, clients waiting for it are disconnected: {}", why.message());
  for (const Held& held : held_) KillClient(held.client_id);
  held_.clear();
  durable_ticket_ = last_ticket_;  // nothing more will be; reads go on
  stats_.last_commit_ok = false;
}

// ---- clients ----

void Server::Remove(Connection* connection) {
  if (connection->readable) Erase(&readable_, connection);
  if (connection->queued) Erase(&dirty_, connection);
  if (connection->slicing) Erase(&slicing_, connection);
  if (connection->uncertain) Erase(&uncertain_, connection);
  if (connection->waiting) {
    Erase(&ready_, connection);
    Erase(&ready_heavy_, connection);
  }
  if (connection->put_off) Erase(&put_off_, connection);
  assert(!connection->called);
  if (connection->session().parked) Erase(&parked_, connection);
  assert(connection->counted_bytes() == 0);
  dispatcher_->Forget(connection->session());
  connections_.erase(connection->session().id);
}

void Server::ForEachClient(const std::function<void(resp::Session&, const resp::ConnectionFacts&)>& visit) {
  for (auto& [id, connection] : connections_) {
    if (!connection->closing()) visit(connection->session(), connection->Facts());
  }
}

resp::Session* Server::FindClient(uint64_t id) {
  auto client = connections_.find(id);
  return client != connections_.end() && !client->second->closing() ? &client->second->session() : nullptr;
}

void Server::KillClient(uint64_t id) {
  if (auto client = connections_.find(id); client != connections_.end()) client->second->Close();
}

// The one to cut. Clients under CLIENT NO-EVICT are spared, unless they alone use more than all may.
Connection* Server::LargestClient() {
  Connection* largest[2] = {};  // of the others, and of those
  size_t spared_bytes = 0;
  for (auto& [id, connection] : connections_) {
    if (connection->closing()) continue;
    const bool spared = connection->session().no_evict;
    if (spared) spared_bytes += connection->counted_bytes();
    Connection*& best = largest[spared ? 1 : 0];
    if (best == nullptr || connection->counted_bytes() > best->counted_bytes()) best = connection.get();
  }
  const bool too_many_spared = spared_bytes > static_cast<uint64_t>(config_->ClientMemoryMax());
  return too_many_spared || largest[0] == nullptr ? largest[1] : largest[0];
}

bool Server::EvictLargest() {
  Connection* largest = LargestClient();
  if (largest == nullptr) return false;
  largest->NoteEviction();
  largest->Drop();
  return true;
}

// ---- time ----

void Server::ApplyLimits() {
  limits_ = resp::ParserLimits::AfterAuth(static_cast<size_t>(config_->proto_max_bulk_len));
}

void Server::Cron() {
  if (config_->pause_cron) return;
  try {
    ApplyLimits();
    if (!paused_ && !dispatcher_->LookWhetherPaused() && config_->active_expire && ExpireKeys(kExpireSliceUsMin)) {
      StartExpiring();
    }
    CheckClients();
    Measure();
    if (on_cron_) on_cron_();
  } catch (const std::bad_alloc&) {  // there will be another
    ++stats_.out_of_memory_errors;
  }
}

// True: time was over before everything due was gone.
bool Server::ExpireKeys(uint64_t budget_us) {
  const uint64_t begin_us = NowMicros();
  const bool more = ExpireUntil(begin_us + budget_us);
  dispatcher_->NoteLatency("expire-cycle", NowMicros() - begin_us);
  return more;
}

bool Server::ExpireUntil(uint64_t end_us) {
  while (true) {
    if (expire_fetching_) return false;
    try {
      size_t limit = kExpireBatch;
      lsm::Result<size_t> expired = ExpireBatch(&limit);
      if (!expired.ok()) {
        keys_->RollbackCommand();
        dispatcher_->DropMessages();
        spdlog::warn("expiring keys failed: {}", expired.status().message());
        return false;
      }
      NoteWrote(keys_->has_pending());
      dispatcher_->DeliverMessages(/*wrote=*/true);
      if (*expired < limit) return false;
      if (NowMicros() >= end_us) return true;
    } catch (const std::bad_alloc&) {
      dispatcher_->DropMessages();
      UndoRequest();
      return false;
    }
  }
}

// As many keys whose time has come. Those that the disk is needed for are read first, and are the next batch.
lsm::Result<size_t> Server::ExpireBatch(size_t* limit) {
  keys_->BeginCommand();
  if (expire_fetched_ > 0) {
    *limit = std::exchange(expire_fetched_, 0);
  } else {
    keys_->StayInMemory();
  }
  lsm::Result<size_t> expired = keys_->ActiveExpire(*limit);
  const bool walked = std::exchange(expire_walked_, false);
  if (!keys_->wants_records()) return expired;
  keyspace::Wanted wanted = keys_->TakeWanted();
  size_t count = wanted.records.size();
  const bool index_only = count == 0;
  if (index_only && walked && expired.value_or(0) == 0) count = 1;  // it left memory at once: wait for it
  disk_reads_.Start(kExpirer, std::move(wanted));
  expire_fetching_ = true;
  expire_walked_ = index_only;
  expire_fetched_ = count;
  return expired;
}

// Many keys whose time came at once: they go between the turns of the loop, and take half as long, with their commits,
// as all else does. Where nobody asks for anything, at once again.
void Server::StartExpiring() {
  if (uv_is_active(reinterpret_cast<uv_handle_t*>(&expire_idle_)) != 0) return;
  expire_seen_us_ = NowMicros();
  expire_owes_us_ = 0;
  expire_seen_commands_ = dispatcher_->stats().commands_processed;
  uv_idle_start(&expire_idle_, [](uv_idle_t* idle) { Of(idle)->ExpireSlice(); });
}

void Server::ExpireSlice() {
  const uint64_t commands = dispatcher_->stats().commands_processed;
  const bool alone = std::exchange(expire_seen_commands_, commands) == commands;
  const uint64_t begin_us = NowMicros();
  const uint64_t others_us = begin_us - std::exchange(expire_seen_us_, begin_us);
  const uint64_t paid_us = std::min(others_us, expire_owes_us_);
  expire_owes_us_ = alone ? 0 : expire_owes_us_ - paid_us;
  if (expire_owes_us_ > 0) return;
  const uint64_t slice_us = std::clamp((others_us - paid_us) / 2, kExpireSliceUsMin, kExpireSliceUsMax);
  const bool may = !paused_ && !dispatcher_->LookWhetherPaused() && config_->active_expire;
  if (!may || !ExpireKeys(slice_us)) uv_idle_stop(&expire_idle_);
  expire_seen_us_ = NowMicros();
  expire_owes_us_ = 2 * (expire_seen_us_ - begin_us);
}

// Every client is looked at once a second.
void Server::CheckClients() {
  const uint64_t now_us = NowMicros();
  size_t left = std::max<size_t>(connections_.size() * kCronMs / 1000, 8);
  auto it = connections_.upper_bound(last_checked_id_);
  for (; left > 0 && it != connections_.end(); ++it, --left) {
    last_checked_id_ = it->first;
    resp::ConnectionFacts facts = it->second->Facts();
    stats_.recent_max_input_bytes = std::max(stats_.recent_max_input_bytes, facts.query_buffer_bytes);
    stats_.recent_max_output_bytes = std::max(stats_.recent_max_output_bytes, facts.output_bytes);
    it->second->CheckDeadlines(now_us);
  }
  if (it != connections_.end()) return;
  last_checked_id_ = 0;
  stats_.recent_max_input_bytes -= stats_.recent_max_input_bytes / 8;  // fades
  stats_.recent_max_output_bytes -= stats_.recent_max_output_bytes / 8;
}

// Rates over the last kSamples crons.
void Server::Measure() {
  Sample now{.operations = dispatcher_->stats().commands_processed,
             .input_bytes = stats_.input_bytes,
             .output_bytes = stats_.output_bytes,
             .at_us = NowMicros()};
  Sample& oldest = samples_[sample_index_];
  sample_index_ = (sample_index_ + 1) % kSamples;
  const double seconds = static_cast<double>(now.at_us - oldest.at_us) / kUsPerSecond;
  if (oldest.at_us != 0 && seconds > 0 && now.operations >= oldest.operations) {
    stats_.operations_per_second = static_cast<double>(now.operations - oldest.operations) / seconds;
    stats_.input_kbps = static_cast<double>(now.input_bytes - oldest.input_bytes) / 1024 / seconds;
    stats_.output_kbps = static_cast<double>(now.output_bytes - oldest.output_bytes) / 1024 / seconds;
  }
  oldest = now;
}

void Server::ResetStats() {
  bool last_commit_ok = stats_.last_commit_ok;
  stats_ = {};
  stats_.last_commit_ok = last_commit_ok;
  samples_ = {};
}

// ---- the end ----

void Server::Shutdown() {
  shutting_down_ = true;
  disk_reads_.Stop();
  if (last_ticket_ > durable_ticket_) {
    if (lsm::Status status = keys_->db()->SyncWal(); status.ok()) {
      Release(last_ticket_);
    } else {
      CutHeld(status);
    }
  }
  SendReplies();
  SendSlices(UINT64_MAX);  // as far as the sockets take them
  CloseListeners();
  for (auto& [id, connection] : connections_) connection->Close();
  for (void* handle : {static_cast<void*>(&prepare_), static_cast<void*>(&check_), static_cast<void*>(&work_idle_),
                       static_cast<void*>(&ready_idle_), static_cast<void*>(&expire_idle_), static_cast<void*>(&cron_),
                       static_cast<void*>(&retry_), static_cast<void*>(&sigterm_), static_cast<void*>(&sigint_)}) {
    uv_close(static_cast<uv_handle_t*>(handle), nullptr);
  }
}

}  // namespace varve::net
