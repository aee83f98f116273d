// lsm/pinned_value.h - a value read from the database, without a copy where it can be helped.
//
// Small values are copied into the object's own buffer; larger ones keep the cache block they lie in alive.
// Reuse one object for many reads: the buffer keeps its capacity. Threads: a value; one thread at a time.
#pragma once

#include <string>
#include <string_view>
#include <utility>

namespace varve::lsm {

class PinnedValue {
 public:
  PinnedValue() = default;
  PinnedValue(PinnedValue&& other) noexcept { *this = std::move(other); }
  PinnedValue& operator=(PinnedValue&& other) noexcept {
    if (this == &other) return *this;
    Reset();
    const bool own = other.release_ == nullptr && !other.view_.empty();
    const size_t start = own ? static_cast<size_t>(other.view_.data() - other.buffer_.data()) : 0;
    const size_t size = other.view_.size();
    buffer_ = std::move(other.buffer_);
    release_ = std::exchange(other.release_, nullptr);
    owner_ = std::exchange(other.owner_, nullptr);
    view_ = own ? std::string_view(buffer_).substr(start, size) : other.view_;
    other.view_ = {};
    return *this;
  }
  ~PinnedValue() { Reset(); }

  std::string_view view() const { return view_; }
  std::string ToString() const { return std::string(view_); }

  // Forgets the value and lets go of what it pinned.
  void Reset() {
    if (release_ != nullptr) release_(owner_);
    release_ = nullptr;
    owner_ = nullptr;
    view_ = {};
  }
  void Assign(std::string_view bytes) {
    Reset();
    buffer_.assign(bytes.data(), bytes.size());
    view_ = buffer_;
  }
  // The value begins `size` bytes later.
  void RemovePrefix(size_t size) { view_.remove_prefix(size); }
  // Takes over one reference to `owner`, dropped by `release(owner)`.
  void Pin(std::string_view bytes, void* owner, void (*release)(void*)) {
    Reset();
    view_ = bytes;
    owner_ = owner;
    release_ = release;
  }

 private:
  std::string_view view_;
  std::string buffer_;
  void* owner_ = nullptr;
  void (*release_)(void*) = nullptr;
};

}  // namespace varve::lsm
