// net/output_queue.h - the replies of one client, and which of them may leave already.
//
//   bytes_   | sent        | may leave    | held for ticket 7 | held for ticket 9 | of this tick, not decided |
//            0           head_         ready_            marks_[0].end       marks_[1].end               size
//
// Handlers append at the end. When the tick is committed its replies are decided: Ready() lets them go, Hold() keeps
// them until Release() of a ticket at least as high. Order is kept: what comes behind held bytes waits with them.
// O1  head_ <= ready_ <= marks' ends, ascending, <= size.    O2  Tickets of marks_ strictly ascend.
// Until decided, offsets into tail() are stable: nothing moves bytes but Sent() and Take(), which the owner calls
// between ticks only.
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
    if (marks_.empty()) {
      ready_ = bytes_.size();
    } else {
      marks_.back().end = bytes_.size();
    }
  }
  // True: somebody must Release(ticket) who did not have to before.
  [[nodiscard]] bool Hold(uint64_t ticket) {
    if (bytes_.size() == (marks_.empty() ? ready_ : marks_.back().end)) return false;
    if (!marks_.empty() && marks_.back().ticket >= ticket) {
      marks_.back().end = bytes_.size();
      return false;
    }
    marks_.push_back({ticket, bytes_.size()});
    return true;
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
  // Moves sendable() out, to be written by somebody who needs it to stay in place.
  std::string Take();

 private:
  struct Mark {
    uint64_t ticket;
    size_t end;
  };
  // An idle client keeps at most this much memory for its next replies.
  static constexpr size_t kIdleBytesMax = 16 * 1024;

  void DropSent();

  std::string bytes_;
  size_t head_ = 0;
  size_t ready_ = 0;
  std::vector<Mark> marks_;
};

}  // namespace varve::net
