// net/read_buffer.h - the bytes of one client that could not be parsed or run yet, in one piece.
//
//   | free | unconsumed : view() | room for the next read |
//
// Memory follows the bytes that arrived: room is at least doubled, never sized by what a client declares. A client
// without unfinished requests owns none (the server's shared buffer takes its reads).
// Threads: the loop's.
#pragma once

#include <cassert>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>
#include <span>
#include <string_view>

namespace varve::net {

class ReadBuffer {
 public:
  bool empty() const { return begin_ == end_; }
  size_t size() const { return end_ - begin_; }
  size_t capacity() const { return capacity_; }
  // How much of it was ever written to: what it costs. The rest is address space only.
  size_t used_bytes() const { return used_; }
  std::string_view view() const { return {bytes_.get() + begin_, size()}; }

  void Append(std::string_view bytes) {
    Reserve(bytes.size());
    std::memcpy(bytes_.get() + end_, bytes.data(), bytes.size());
    Filled(bytes.size());
  }
  // Room for a read, kReadBytesMin at least; Filled() says how much of it was used.
  std::span<char> Room() {
    Reserve(kReadBytesMin);
    return {bytes_.get() + end_, capacity_ - end_};
  }
  // Whether `bytes` are what was read into Room().
  bool Receives(const char* bytes) const { return bytes_ != nullptr && bytes == bytes_.get() + end_; }
  void Filled(size_t count) {
    assert(count <= capacity_ - end_);
    end_ += count;
    if (used_ < end_) used_ = end_;
  }
  void Consume(size_t count) {
    assert(count <= size());
    begin_ += count;
    if (!empty()) return;
    begin_ = end_ = 0;
    if (capacity_ > kIdleBytesMax) Free();
  }
  void Free() {
    bytes_.reset();
    begin_ = end_ = capacity_ = used_ = 0;
  }

 private:
  static constexpr size_t kReadBytesMin = 16 * 1024;
  static constexpr size_t kIdleBytesMax = 64 * 1024;  // an emptied buffer larger than this is given back at once
  struct Deleter {
    void operator()(char* bytes) const { std::free(bytes); }
  };

  void Reserve(size_t room) {
    if (capacity_ - end_ >= room) return;
    if (begin_ >= size()) {  // moving is cheaper than what was consumed since the last move
      if (begin_ != 0) std::memmove(bytes_.get(), bytes_.get() + begin_, size());
      end_ -= begin_;
      begin_ = 0;
      if (capacity_ - end_ >= room) return;
    }
    size_t wanted = end_ + (end_ > room ? end_ : room);
    auto* grown = static_cast<char*>(std::realloc(bytes_.get(), wanted));
    if (grown == nullptr) throw std::bad_alloc();
    (void)bytes_.release();
    bytes_.reset(grown);
    capacity_ = wanted;
  }

  std::unique_ptr<char, Deleter> bytes_;
  size_t begin_ = 0;
  size_t end_ = 0;
  size_t capacity_ = 0;
  size_t used_ = 0;
};

}  // namespace varve::net
