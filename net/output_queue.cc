#include "net/output_queue.h"

#include <algorithm>
#include <utility>

namespace varve::net {

void OutputQueue::Release(uint64_t ticket) {
  auto kept = std::find_if(marks_.begin(), marks_.end(), [&](const Mark& mark) { return mark.ticket > ticket; });
  if (kept == marks_.begin()) return;
  ready_ = (kept - 1)->end;
  marks_.erase(marks_.begin(), kept);
}

void OutputQueue::Sent(size_t count) {
  assert(count <= ready_ - head_);
  head_ += count;
  if (head_ < bytes_.size()) return;
  head_ = ready_ = 0;
  bytes_.clear();
  if (bytes_.capacity() > kIdleBytesMax) std::string().swap(bytes_);
}

std::string OutputQueue::Take(size_t size) {
  assert(size <= ready_ - head_);
  std::string taken;
  if (head_ == 0 && size == bytes_.size()) {
    taken = std::exchange(bytes_, std::string());
    ready_ = 0;
    return taken;
  }
  taken = bytes_.substr(head_, size);
  Sent(size);
  return taken;
}

void OutputQueue::MoveUp() {
  bytes_.erase(0, head_);
  ready_ -= head_;
  for (Mark& mark : marks_) mark.end -= head_;
  head_ = 0;
}

}  // namespace varve::net
