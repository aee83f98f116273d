// net/connection.h - one client: bytes in, requests run, replies out.
//
//   socket -> shared buffer (or own, while a request is unfinished) -> Parser -> Dispatcher -> OutputQueue -> socket
//
// Requests run inside the read callback, or, where threads read (SocketCalls), when all that can be read just then was.
// Their replies stay in the queue until the server has committed the tick (Server::EndTick), then leave with one write,
// large ones with one for each slice; messages that nobody asked for (Push) are not sliced, for nothing but the socket
// holds back who sends them. A reply that shows what the tick wrote is `uncertain` until then: when the commit
// fails, FailUncertain() cuts such replies off and gives errors instead. An EXEC that has also changed what the client
// is to us (SUBSCRIBE, SELECT) is the last that its client hears of: it cannot know where it stands.
//
// A client that asks for much is read, and its requests are run, for a share of the tick (FairShare): what else it sends
// waits in the socket until it is its turn. Reading stops (backpressure) while replies of kOutputPauseBytes wait, while
// the server as a whole is paused, and once the connection is to be closed. The same while a request is parked (CLIENT
// PAUSE, WAIT) or what it asks for is read from the disk (DiskReads): it stays unread, and is given once more when it
// may go on. Requests already read then wait in the own buffer; Resume() goes on with them.
// Ends: Close() at any time; the object goes away in the loop's closing phase, never inside a call chain.
// Memory. What it costs is told to the server wherever that may have grown (CountMemory). A request that finds too
// little is undone and answered -OOM (UndoRequest); where the connection itself finds too little, it is closed: no
// std::bad_alloc gets through to libuv.
// Ownership: by Server. Threads: the loop's.
#pragma once

#include <uv.h>

#include <algorithm>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "net/output_queue.h"
#include "net/read_buffer.h"
#include "resp/dispatcher.h"
#include "resp/message_sink.h"
#include "resp/parser.h"
#include "resp/server_control.h"
#include "resp/session.h"

namespace varve::net {

class Server;

class Connection final : private resp::MessageSink {
 public:
  // More waiting replies than this: the client is not read, nor its requests run, until they left.
  static constexpr size_t kOutputPauseBytes = size_t{256} * 1024;
  // Of one read.
  static constexpr size_t kReadBytesMax = size_t{64} * 1024;

  explicit Connection(Server* server) : server_(server) { session_.sink = this; }
  ~Connection() override = default;
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // Takes over `fd`. False: the socket was unusable; it is closed, and the connection goes away by itself.
  bool Open(int fd, bool unix_socket);
  void Close();
  // Close, and everything that waits is given back at once. Not while a request of it runs.
  void Drop();
  void NoteEviction();
  // Close, for there was not enough memory to go on.
  void Starve();
  bool closing() const { return closing_; }

  // Runs requests that had to wait and reads on.
  void Resume();
  // The request that had to wait may go on.
  void Unpark();
  void Fetched();
  void StopReading();
  bool reading() const { return reading_; }
  int fd() const { return fd_; }
  // Where the next bytes go: `shared`, or the own buffer. Throws std::bad_alloc.
  std::span<char> Room(std::span<char> shared) {
    if (input_.empty()) return shared;
    const std::span<char> room = input_.Room();
    return room.first(std::min(room.size(), kReadBytesMax));
  }
  // What was read into Room(): how many bytes, 0 at their end, or -errno. `begin_us`: since when the time is that of
  // those who ask for much; 0: it is not.
  void ReadInTurn(const char* bytes, ssize_t count, uint64_t begin_us) noexcept;
  // It asks for much, or is new (FairShare).
  bool heavy() const { return heavy_; }
  // It was put off, and now it is its turn.
  void ReadAgain();
  // What may leave now: nothing while libuv still writes. Of a tick that is committed.
  std::string_view sendable() const { return closing_ || writing_ ? std::string_view() : output_.sendable(); }
  // As much of it as is sent in one go.
  std::string_view slice() const { return sendable().substr(0, pushed_ ? kWriteBytesMax : kSliceBytes); }
  // It is more than others should wait for.
  bool wants_slices() const { return !pushed_ && sendable().size() > kSmallBytes; }
  // `count` bytes of slice() were sent, or -errno. When the socket took all of it and there is more, that is still
  // sendable(); otherwise libuv says when there is room again.
  void Sent(ssize_t count);
  // The clock moves: limits in time. Closes the connection when one is passed.
  void CheckDeadlines(uint64_t now_us);

  // --- the tick's commit ---
  // Everything answered so far is committed. `ticket` != 0: held until that ticket is durable.
  void Settle(uint64_t ticket);
  void Release(uint64_t ticket) { output_.Release(ticket); }
  void FailUncertain(const lsm::Status& why);
  bool holding() const { return output_.holding(); }

  resp::Session& session() { return session_; }
  resp::ConnectionFacts Facts() const;
  size_t memory_bytes() const;
  size_t counted_bytes() const { return counted_bytes_; }
  size_t output_bytes() const { return output_.size() + writing_bytes_left(); }
  bool readable = false;   // in Server::readable_
  bool queued = false;     // in Server::dirty_
  bool slicing = false;    // in Server::slicing_
  bool waiting = false;    // in Server::ready_ or ready_heavy_
  bool put_off = false;    // in Server::put_off_
  bool called = false;     // was in it, and is read before it is in it again
  bool uncertain = false;  // in Server::uncertain_

 private:
  // What becomes of a reply, or a message, when the commit of what it may show fails.
  enum class IfFailed : uint8_t { kKeep, kReplace, kReplaceAndClose, kDrop };  // kReplace: by an error
  // From its place in the output on, up to the next. There are some only while Server::tick_wrote().
  struct UncertainReply {
    size_t begin;
    IfFailed if_failed;
  };

  static constexpr size_t kSmallBytes = size_t{16} * 1024;
  static constexpr size_t kSliceBytes = size_t{64} * 1024;   // a socket takes as much in about 40 us
  static constexpr size_t kWriteBytesMax = size_t{1} << 30;  // a write's length is all right up to 2 GiB
  static constexpr size_t kFirstBytes = size_t{16} * 1024;   // that wait for room

  static void OnAllocate(uv_handle_t* handle, size_t suggested, uv_buf_t* buffer);
  static void OnRead(uv_stream_t* stream, ssize_t count, const uv_buf_t* buffer);
  static void OnWritten(uv_write_t* request, int status);
  static void OnClosed(uv_handle_t* handle);

  void Read(const char* bytes, ssize_t count) noexcept;
  void Received(const char* bytes, size_t count);
  // Runs complete requests of `data` as long as it may; returns the bytes that are done with.
  size_t RunRequests(std::string_view data);
  size_t RunWhileItMay(std::string_view data);
  // False: the request did not run, it has to wait. It stays unread.
  bool RunRequest();
  void UndoRequest(size_t begin);
  void Overflowed(size_t bytes);
  void Push(std::span<const std::string_view> pieces, bool about_data) noexcept override;
  void CutReceiver();
  const resp::Config::OutputLimit& output_limit() const;
  void CountMemory();
  // Of the transaction that the request ended, if any.
  struct Ended {
    bool multi = false;
    bool changes_client = false;
  };
  void NoteReply(size_t begin, const resp::Execution& execution, Ended ended);
  bool MayRun() const;
  void EndOfInput();
  void StartReading();
  void AwaitRoom();
  void FinishAfterReplies();
  bool OverOutputLimits();
  size_t writing_bytes_left() const { return writing_ ? uv_stream_get_write_queue_size(&socket_.stream) : 0; }

  Server* const server_;
  union {
    uv_handle_t handle;
    uv_stream_t stream;
    uv_tcp_t tcp;
    uv_pipe_t pipe;
  } socket_{};
  uv_write_t write_{};
  int fd_ = -1;  // the socket's, which owns it
  resp::Session session_;
  resp::Parser parser_;
  ReadBuffer input_;
  OutputQueue output_;
  std::string writing_bytes_;  // handed to uv_write; stays in place until OnWritten
  std::vector<UncertainReply> uncertain_replies_;
  size_t looked_ahead_ = 0;     // so many bytes of what is unread (Dispatcher::LookAhead)
  uint64_t read_begin_us_ = 0;  // of the read that is under way, of one who asks for much; 0: none
  size_t counted_bytes_ = 0;    // what the server believes memory_bytes() to be
  uint64_t seen_ticket_ = 0;    // highest ticket whose writes a reply of this tick may show
  uint64_t unauthenticated_reply_bytes_ = 0;
  uint64_t over_soft_since_us_ = 0;  // 0: the output is below the soft limit
  uint64_t stalled_since_us_ = 0;    // 0: the kernel takes what we send
  size_t stalled_bytes_left_ = 0;    // when that was last looked at
  uint64_t draining_since_us_ = 0;   // 0: not; else the last reply is out and what still comes in is thrown away
  bool heavy_ = true;                // see heavy()
  bool refused_ = false;             // the read that is under way: it is not its turn
  bool asks_on_ = false;             // the last requests took their turn's time, or gave more replies than may wait
  bool unix_socket_ = false;
  bool reading_ = false;
  bool writing_ = false;     // a uv_write is under way
  bool pushed_ = false;      // messages are, or were, among what waits in output_
  bool fetching_ = false;    // a request waits for the disk
  bool unfinished_ = false;  // input_ may hold whole requests
  bool broken_ = false;      // the protocol was violated
  bool closing_ = false;
};

}  // namespace varve::net
