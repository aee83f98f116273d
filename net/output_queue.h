// net/output_queue.h - the replies of one client, and which of them may leave already.
//
//   bytes_   | sent        | may leave    | held for ticket 7 | held for ticket 9 | of this tick, not decided |
//            0           head_         ready_            marks_[0].end       marks_[1].end               size
//
// Handlers append at the end. When the tick is committed its replies are decided: Ready() lets them go, Hold() keeps
// them until Release() of a ticket at least as high. Order is kept: what comes behind held bytes waits with them.
// O1  head_ <= ready_ <= marks' ends, ascending, <= size.    O2  Tickets of marks_ strictly ascend.
// Until decided, offsets into tail() are stable: what was sent stays in front until something is decided again, or all
// was sent. So a long reply is not moved up while it leaves.
// Threads: the loop's.
#pragma once

#include <cassert>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace varve::net {

class OutputQueue {
 public:
  // Append here.
  std::string* tail() { return &bytes_; }

  size_t size() const { return bytes_.size() - head_; }
  size_t capacity() const { return bytes_.capacity(); }
  bool empty() const { return size() == 0; }
  bool holding() const { return !marks_.empty(); }

  // Decides everything appended since the last decision.
  void Ready() {
    if (decided()) return;
    if (marks_.empty()) {
      ready_ = bytes_.size();
    } else {
      marks_.back().end = bytes_.size();
    }
    DropSent();
  }
  // True: somebody must Release(ticket) who did not have to before.
  [[nodiscard]] bool Hold(uint64_t ticket) {
    if (decided()) return false;
    const bool later = marks_.empty() || marks_.back().ticket < ticket;
    if (later) {
      marks_.push_back({ticket, bytes_.size()});
    } else {
      marks_.back().end = bytes_.size();
    }
    DropSent();
    return later;
  }
  // Everything held for `ticket` or an earlier one may leave.
  void Release(uint64_t ticket);

  std::string_view sendable() const { return std::string_view(bytes_).substr(head_, ready_ - head_); }
  // The kernel took `count` bytes of sendable().
  void Sent(size_t count);
  // Forgets everything, and gives the memory back.
  void Free() {
    std::string().swap(bytes_);
    head_ = ready_ = 0;
    marks_.clear();
  }
  // Moves the first `size` bytes of sendable() out, to be written by somebody who needs them to stay in place.
  std::string Take(size_t size);

 private:
  struct Mark {
    uint64_t ticket;
    size_t end;
  };
  // An idle client keeps at most this much memory for its next replies.
  static constexpr size_t kIdleBytesMax = 16 * 1024;

  bool decided() const { return bytes_.size() == (marks_.empty() ? ready_ : marks_.back().end); }
  // At most as many bytes move as were sent since the last time.
  void DropSent() {
    if (head_ > bytes_.size() / 2) [[unlikely]]
      MoveUp();
  }
  void MoveUp();

  std::string bytes_;
  size_t head_ = 0;
  size_t ready_ = 0;
  std::vector<Mark> marks_;
};

}  // namespace varve::net
