#include "net/connection.h"

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <new>
#include <utility>

#include "net/server.h"
#include "resp/command_table.h"
#include "spdlog/spdlog.h"

namespace varve::net {
namespace {

constexpr uint64_t kUsPerSecond = 1'000'000;
constexpr uint64_t kAuthDeadlineUs = 10 * kUsPerSecond;
constexpr uint64_t kReplyBytesBeforeAuthMax = 8 * 1024;
// Closing a socket with unread bytes resets it, and the client may lose our last words. So read on for a moment.
constexpr uint64_t kDrainUs = 1 * kUsPerSecond;
constexpr size_t kUncertainKept = 256;                   // places in a list that stays
constexpr uint64_t kStallUsDefault = 60 * kUsPerSecond;  // when the soft limit has no time of its own

}  // namespace

bool Connection::Open(int fd, bool unix_socket) {
  unix_socket_ = unix_socket;
  fd_ = fd;
  int error;
  if (unix_socket) {
    uv_pipe_init(server_->loop(), &socket_.pipe, 0);
    error = uv_pipe_open(&socket_.pipe, fd);
  } else {
    uv_tcp_init(server_->loop(), &socket_.tcp);
    error = uv_tcp_open(&socket_.tcp, fd);
  }
  socket_.handle.data = this;
  write_.data = this;
  if (error != 0) {
    close(fd);
    Close();
    return false;
  }
  if (!unix_socket) {
    uv_tcp_nodelay(&socket_.tcp, 1);
    int64_t keepalive = server_->config().tcp_keepalive_seconds;
    if (keepalive > 0) uv_tcp_keepalive(&socket_.tcp, 1, static_cast<unsigned>(keepalive));
  }
  CountMemory();
  if (!server_->paused()) StartReading();
  return true;
}

void Connection::Close() {
  if (std::exchange(closing_, true)) return;
  reading_ = false;
  if (fetching_) server_->ForgetFetch(this);
  server_->HadTurn(this);
  CountMemory();
  uv_close(&socket_.handle, &Connection::OnClosed);
}

void Connection::Drop() {
  Close();
  input_.Free();
  parser_ = {};
  uncertain_replies_.clear();
  output_.Free();  // what libuv is writing stays until it says so
  server_->dispatcher().Forget(session_);
}

void Connection::NoteEviction() {
  ++server_->mutable_stats().evicted_clients;
  spdlog::warn("client {} {} is evicted: it uses {} of the {} bytes of all clients, above maxmemory-clients",
               session_.id, session_.address, counted_bytes_, server_->clients_memory_bytes());
}

void Connection::Starve() {
  if (closing_) return;
  ++server_->mutable_stats().out_of_memory_errors;
  spdlog::warn("client {} {} is closed: there is not enough memory to serve it", session_.id, session_.address);
  Close();
}

void Connection::OnClosed(uv_handle_t* handle) {
  auto* self = static_cast<Connection*>(handle->data);
  self->server_->Remove(self);  // destroys it
}

// ---- in ----

void Connection::StartReading() {
  if (reading_ || closing_) return;
  reading_ = uv_read_start(&socket_.stream, &Connection::OnAllocate, &Connection::OnRead) == 0;
  if (!reading_) Close();
}

void Connection::StopReading() {
  if (!std::exchange(reading_, false)) return;
  uv_read_stop(&socket_.stream);
}

void Connection::OnAllocate(uv_handle_t* handle, size_t, uv_buf_t* buffer) {
  auto* self = static_cast<Connection*>(handle->data);
  Server* server = self->server_;
  std::span<char> room;  // none: OnRead hears UV_ENOBUFS
  self->refused_ = self->heavy_ && !server->MayRead(self);
  if (self->heavy_ && !self->refused_) self->read_begin_us_ = server->NowMicros();
  try {
    if (!self->refused_ && !server->gathers_reads()) room = self->Room(server->shared_buffer());
  } catch (const std::bad_alloc&) {
  }
  *buffer = uv_buf_init(room.data(), static_cast<unsigned>(room.size()));
}

void Connection::OnRead(uv_stream_t* stream, ssize_t count, const uv_buf_t* buffer) {
  auto* self = static_cast<Connection*>(stream->data);
  const uint64_t begin_us = std::exchange(self->read_begin_us_, 0);
  if (count == 0) return self->server_->HadTurn(self);  // libuv's word for EAGAIN
  if (count == UV_ENOBUFS) {
    if (self->refused_) return self->server_->PutOff(self);
    if (self->server_->gathers_reads()) return self->server_->GatherRead(self);
  }
  self->ReadInTurn(buffer->base, count == UV_EOF ? 0 : count, begin_us);
}

void Connection::ReadInTurn(const char* bytes, ssize_t count, uint64_t begin_us) noexcept {
  const bool was_heavy = heavy_;
  Read(bytes, count);
  server_->HadTurn(this);
  if (begin_us != 0) {
    server_->dispatcher().ReadClock();  // the time it took is no later command's
    server_->share().Spent(server_->dispatcher().tick_us() - begin_us);
  }
  if (!was_heavy && !heavy_) server_->share().OthersAsked();
}

void Connection::ReadAgain() {
  if (draining_since_us_ != 0 || (!unfinished_ && !session_.close_after_reply)) StartReading();
}

void Connection::Read(const char* bytes, ssize_t count) noexcept {
  if (closing_ || count == -EAGAIN) return;
  if (count == -ENOBUFS) return Starve();
  if (count < 0) return Close();
  if (count == 0) return EndOfInput();
  try {
    Received(bytes, static_cast<size_t>(count));
  } catch (const std::bad_alloc&) {
    Starve();
  }
}

// The client said all it had to say, and may still listen.
void Connection::EndOfInput() {
  if (output_bytes() == 0 || draining_since_us_ != 0) return Close();
  StopReading();
  session_.close_after_reply = true;
  server_->MarkDirty(this);
}

void Connection::Received(const char* bytes, size_t count) {
  NetStats& stats = server_->mutable_stats();
  ++stats.reads;
  stats.input_bytes += count;
  if (draining_since_us_ != 0) return;
  if (!input_.Receives(bytes)) {
    size_t done = RunRequests({bytes, count});
    if (done < count && !session_.close_after_reply) input_.Append({bytes + done, count - done});
  } else {
    input_.Filled(count);
    input_.Consume(RunRequests(input_.view()));
  }
  if (closing_) return;
  if (unfinished_ || session_.close_after_reply) {
    StopReading();
  }
  heavy_ = asks_on_ || count >= server_->read_bytes() || (!unfinished_ && !input_.empty());
  if (input_.size() > static_cast<size_t>(server_->config().client_query_buffer_limit)) {
    spdlog::warn("client {} {} is closed: more than client-query-buffer-limit bytes unread", session_.id,
                 session_.address);
    ++stats.query_buffer_limit_disconnections;
    return Drop();
  }
  CountMemory();
}

void Connection::CountMemory() {
  const size_t before = std::exchange(counted_bytes_, closing_ ? 0 : memory_bytes());
  server_->CountClientMemory(before, counted_bytes_);
}

bool Connection::MayRun() const {
  return !closing_ && !session_.parked && !fetching_ && !session_.close_after_reply && !server_->paused() &&
         output_bytes() < kOutputPauseBytes;
}

size_t Connection::RunRequests(std::string_view data) {
  const size_t done = RunWhileItMay(data);
  looked_ahead_ -= std::min(looked_ahead_, done);
  return done;
}

size_t Connection::RunWhileItMay(std::string_view data) {
  size_t done = 0;
  unfinished_ = asks_on_ = false;
  server_->BeforeRequest();
  const uint64_t begin_us = server_->dispatcher().tick_us();
  while (done < data.size()) {
    if (!MayRun()) {
      unfinished_ = true;
      asks_on_ = output_bytes() >= kOutputPauseBytes;
      return done;
    }
    if (server_->dispatcher().tick_us() > begin_us + server_->turn_us(heavy_)) {
      unfinished_ = asks_on_ = heavy_ = true;
      server_->ResumeSoon(this);
      return done;
    }
    if (done >= looked_ahead_) looked_ahead_ = done + server_->dispatcher().LookAhead(session_, data.substr(done));
    switch (parser_.Parse(data.substr(done), server_->limits(session_.authenticated))) {
      case resp::ParseResult::kRequest:
        if (!RunRequest()) {
          unfinished_ = true;
          return done;
        }
        done += parser_.consumed();
        break;
      case resp::ParseResult::kNeedMore: return done + parser_.consumed();
      case resp::ParseResult::kError:
        broken_ = true;
        ++server_->mutable_stats().protocol_errors;
        server_->dispatcher().ProtocolError(session_, parser_.error(), output_.tail());
        server_->MarkDirty(this);
        return data.size();
    }
  }
  return done;
}

bool Connection::RunRequest() {
  std::string* out = output_.tail();
  size_t begin = out->size();
  const Ended ended{session_.in_multi, (session_.queue_flags & resp::kChangesClient) != 0};
  resp::Execution execution;
  try {
    session_.request_bytes = parser_.consumed();
    execution = server_->dispatcher().Execute(session_, parser_.args(), out);
    if (execution.commit_first) [[unlikely]] {
      if (!server_->CommitBeforeRequest()) return false;
      out = output_.tail();  // the commit may have moved, or replaced, what was said before
      begin = out->size();
      if (session_.close_after_reply) return true;
      execution = server_->dispatcher().Execute(session_, parser_.args(), out);
    }
    if (execution.parked) [[unlikely]] {
      session_.parked = true;
      server_->Park(this);
      return false;
    }
    if (execution.fetching) [[unlikely]] {
      server_->Fetch(this);
      fetching_ = true;
      return false;
    }
    if (execution.replied) NoteReply(begin, execution, ended);
  } catch (const std::bad_alloc&) {
    UndoRequest(begin);
    execution = {};
  }
  server_->NoteWrote(execution.wrote);
  server_->dispatcher().DeliverMessages(execution.wrote);
  if (session_.close_after_reply) server_->MarkDirty(this);
  server_->AfterRequest();
  if (execution.overflowed) [[unlikely]]
    Overflowed(output_bytes());
  return true;
}

// The request might as well not have come, but for the reply that says so.
void Connection::UndoRequest(size_t begin) {
  std::string* out = output_.tail();
  out->resize(begin);
  while (!uncertain_replies_.empty() && uncertain_replies_.back().begin >= begin) uncertain_replies_.pop_back();
  server_->UndoRequest();
  begin = out->size();
  try {
    server_->dispatcher().OutOfMemory(session_, out);
    if (out->size() > begin) NoteReply(begin, {.replied = true}, {.multi = session_.in_multi});
  } catch (const std::bad_alloc&) {
    Starve();
  }
}

void Connection::Overflowed(size_t bytes) {
  spdlog::warn("client {} {} is closed: {} bytes of replies wait, above the hard limit", session_.id, session_.address,
               bytes);
  ++server_->mutable_stats().output_buffer_limit_disconnections;
  Close();
}

void Connection::NoteReply(size_t begin, const resp::Execution& execution, Ended ended) {
  server_->MarkDirty(this);
  // A reply about data: whatever wrote, read keys, or was a DEBUG or an EXEC. Others (PING, SELECT, HELLO, MULTI, a
  // queued command) are true whatever becomes of the tick's writes: they wait for no sync, and are no error when the
  // commit fails. INFO and MEMORY STATS tell of the process as it is, also while a disk hangs.
  const resp::Command* command = session_.last_command;
  const bool uses_keys =
      command != nullptr && (command->flags & (resp::kWrite | resp::kReadonly | resp::kProtected)) != 0;
  const bool about_data = execution.wrote || (session_.in_multi ? false : ended.multi || uses_keys);
  const bool shows_pending = execution.wrote || (about_data && server_->IsPending(execution.shows_commit));
  if (shows_pending || !uncertain_replies_.empty()) {
    const bool closes = ended.multi && ended.changes_client;
    uncertain_replies_.push_back({begin, !shows_pending ? IfFailed::kKeep
                                         : closes       ? IfFailed::kReplaceAndClose
                                                        : IfFailed::kReplace});
    server_->MarkUncertain(this);
  }
  if (about_data && !shows_pending) {
    seen_ticket_ = std::max(seen_ticket_, std::min(execution.shows_commit, server_->last_ticket()));
  }
  if (!session_.authenticated) [[unlikely]] {
    unauthenticated_reply_bytes_ += output_.tail()->size() - begin;
    if (unauthenticated_reply_bytes_ > kReplyBytesBeforeAuthMax) session_.close_after_reply = true;
  }
}

// ---- messages ----

void Connection::Push(std::span<const std::string_view> pieces, bool about_data) noexcept {
  if (closing_ || session_.close_after_reply) return;
  size_t size = output_bytes();
  for (std::string_view piece : pieces) size += piece.size();
  const int64_t hard_bytes = output_limit().hard_bytes;
  if (hard_bytes > 0 && size > static_cast<size_t>(hard_bytes)) {
    Overflowed(size);
    return CutReceiver();
  }
  std::string* out = output_.tail();
  try {
    if (server_->tick_wrote()) {
      uncertain_replies_.push_back({out->size(), about_data ? IfFailed::kDrop : IfFailed::kKeep});
      server_->MarkUncertain(this);
    } else if (about_data) {
      seen_ticket_ = server_->last_ticket();
    }
    // By its pieces it would grow to twice what it needs, which many receivers at once may not have.
    const size_t needed = out->size() + (size - output_bytes());
    if (out->capacity() < needed) out->reserve(std::max(needed, out->size() + out->size() / 2));
    for (std::string_view piece : pieces) out->append(piece);
    pushed_ = true;
  } catch (const std::bad_alloc&) {
    ++server_->mutable_stats().out_of_memory_errors;
    return CutReceiver();
  }
  server_->MarkDirty(this);
  const size_t before = std::exchange(counted_bytes_, memory_bytes());
  if (server_->NoteClientMemory(before, counted_bytes_)) return;
  NoteEviction();
  CutReceiver();
}

// Many may be sent much in one tick: what waits for a client that is cut is given back at once.
void Connection::CutReceiver() {
  Close();
  uncertain_replies_.clear();
  output_.Free();
}

void Connection::Resume() {
  if (closing_) return;
  input_.Consume(RunRequests(input_.view()));
  heavy_ |= asks_on_;
  if (!server_->paused()) ReadAgain();
  CountMemory();
}

void Connection::Unpark() {
  session_.parked = false;
  server_->ResumeSoon(this);
}

void Connection::Fetched() {
  fetching_ = false;
  session_.fetched = true;
  server_->ResumeSoon(this);
}

// ---- the tick's commit ----

void Connection::Settle(uint64_t ticket) {
  uncertain_replies_.clear();
  if (uncertain_replies_.capacity() > kUncertainKept) std::vector<UncertainReply>().swap(uncertain_replies_);
  ticket = std::max(ticket, seen_ticket_);
  if (ticket <= server_->durable_ticket()) {
    output_.Ready();
  } else if (output_.Hold(ticket)) {
    server_->AwaitTicket(ticket, session_.id);
  }
}

void Connection::FailUncertain(const lsm::Status& why) {
  if (uncertain_replies_.empty()) return;
  std::string* out = output_.tail();
  const size_t base = uncertain_replies_.front().begin;
  const std::string given = out->substr(base);
  out->resize(base);
  for (size_t i = 0; i < uncertain_replies_.size(); ++i) {
    const size_t begin = uncertain_replies_[i].begin - base;
    const size_t end = i + 1 < uncertain_replies_.size() ? uncertain_replies_[i + 1].begin - base : given.size();
    switch (uncertain_replies_[i].if_failed) {
      case IfFailed::kReplace: server_->dispatcher().FailedCommit(session_, why, out); break;
      case IfFailed::kReplaceAndClose:
        server_->dispatcher().FailedCommit(session_, why, out);
        uncertain_replies_.clear();
        session_.close_after_reply = true;
        return server_->MarkDirty(this);
      case IfFailed::kKeep: out->append(given, begin, end - begin); break;
      case IfFailed::kDrop: break;
    }
  }
  uncertain_replies_.clear();
}

// ---- out ----

void Connection::Sent(ssize_t count) {
  if (closing_) return;
  if (count < 0 && count != -EAGAIN) return Close();
  if (const size_t offered = slice().size(); offered > 0) {
    NetStats& stats = server_->mutable_stats();
    ++stats.writes;
    if (count > 0) {
      stats.output_bytes += static_cast<uint64_t>(count);
      output_.Sent(static_cast<size_t>(count));
    }
    if (count != static_cast<ssize_t>(offered)) AwaitRoom();
  }
  if (output_.empty()) pushed_ = false;
  if (closing_ || OverOutputLimits()) return;
  CountMemory();
  if (closing_ || !sendable().empty()) return;  // the next slice follows
  if (session_.close_after_reply) return FinishAfterReplies();
  if (unfinished_ && MayRun()) server_->ResumeSoon(this);
}

// The socket is full: libuv writes when there is room again. Of replies only what comes first, to hear of it; the next
// slice follows. Of messages all.
void Connection::AwaitRoom() {
  writing_bytes_ = output_.Take(pushed_ ? slice().size() : std::min(slice().size(), kFirstBytes));
  writing_ = true;
  stalled_since_us_ = 0;
  const uv_buf_t buffer = uv_buf_init(writing_bytes_.data(), static_cast<unsigned>(writing_bytes_.size()));
  if (uv_write(&write_, &socket_.stream, &buffer, 1, &Connection::OnWritten) != 0) {
    writing_ = false;
    Close();
  }
}

void Connection::OnWritten(uv_write_t* request, int status) {
  auto* self = static_cast<Connection*>(request->data);
  self->writing_ = false;
  if (self->closing_) return;
  if (status < 0) return self->Close();
  self->server_->mutable_stats().output_bytes += self->writing_bytes_.size();
  std::string().swap(self->writing_bytes_);
  self->stalled_since_us_ = 0;
  if (self->sendable().empty()) {
    self->server_->MarkDirty(self);  // the end of the tick goes on with what has gathered
  } else {
    self->server_->SendInSlices(self);
  }
}

void Connection::FinishAfterReplies() {
  StopReading();
  if (!output_.empty() || writing_) return;
  if (!broken_ || shutdown(fd_, SHUT_WR) != 0) return Close();
  draining_since_us_ = server_->NowMicros();
  heavy_ = true;
  input_.Free();
  StartReading();
}

const resp::Config::OutputLimit& Connection::output_limit() const {
  return session_.subscribed() ? server_->config().output_pubsub : server_->config().output_normal;
}

bool Connection::OverOutputLimits() {
  const resp::Config::OutputLimit& limit = output_limit();
  size_t unsent = output_bytes();
  if (limit.hard_bytes > 0 && unsent > static_cast<size_t>(limit.hard_bytes)) {
    Overflowed(unsent);
    return true;
  }
  if (limit.soft_bytes <= 0 || unsent <= static_cast<size_t>(limit.soft_bytes)) {
    over_soft_since_us_ = 0;
  } else if (over_soft_since_us_ == 0) {
    over_soft_since_us_ = server_->NowMicros();
  }
  return false;
}

// ---- time ----

void Connection::CheckDeadlines(uint64_t now_us) {
  if (closing_) return;
  const resp::Config& config = server_->config();
  if (input_.empty()) input_.Free();
  if (draining_since_us_ != 0 && now_us > draining_since_us_ + kDrainUs) return Close();
  if (!session_.authenticated && !config.requirepass.empty() && now_us > session_.created_us + kAuthDeadlineUs) {
    spdlog::info("client {} {} is closed: no AUTH in time", session_.id, session_.address);
    ++server_->mutable_stats().auth_timeout_disconnections;
    return Close();
  }
  uint64_t active_us = std::max(session_.last_active_us, session_.created_us);
  uint64_t timeout_us = static_cast<uint64_t>(std::max<int64_t>(config.timeout_seconds, 0)) * kUsPerSecond;
  const bool waits = session_.parked || session_.subscribed() || session_.monitor;
  if (timeout_us > 0 && !waits && now_us > active_us + timeout_us) return Close();

  const uint64_t soft_us = static_cast<uint64_t>(std::max<int64_t>(output_limit().soft_seconds, 0)) * kUsPerSecond;
  if (over_soft_since_us_ != 0 && now_us > over_soft_since_us_ + soft_us) {
    spdlog::warn("client {} {} is closed: {} bytes of replies wait, too long above the soft limit", session_.id,
                 session_.address, output_bytes());
    ++server_->mutable_stats().output_buffer_limit_disconnections;
    return Close();
  }
  // Backpressure bounds what a client that never reads can cost; but it must not hold that for ever.
  if (!writing_) return;
  const size_t left = writing_bytes_left();
  if (stalled_since_us_ == 0 || left != stalled_bytes_left_) {
    stalled_since_us_ = now_us;
    stalled_bytes_left_ = left;
  } else if (now_us > stalled_since_us_ + (soft_us > 0 ? soft_us : kStallUsDefault)) {
    spdlog::warn("client {} {} is closed: it does not read its replies ({} bytes wait)", session_.id, session_.address,
                 output_bytes());
    ++server_->mutable_stats().stalled_disconnections;
    Close();
  }
}

// ---- figures ----

resp::ConnectionFacts Connection::Facts() const {
  return {.fd = closing_ ? -1 : fd_,
          .query_buffer_bytes = input_.size(),
          .query_buffer_free_bytes = input_.capacity() - input_.size(),
          .output_bytes = output_bytes(),
          .output_capacity_bytes = output_.capacity() + writing_bytes_.capacity(),
          .reading = reading_,
          .writing = writing_,
          .unix_socket = unix_socket_};
}

size_t Connection::memory_bytes() const {
  return sizeof(*this) + input_.used_bytes() + parser_.memory_bytes() + output_.capacity() + writing_bytes_.capacity() +
         uncertain_replies_.capacity() * sizeof(UncertainReply) + session_.queue_bytes + session_.watch_bytes +
         session_.subscription_bytes;
}

}  // namespace varve::net
