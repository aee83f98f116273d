#include "lsm/iterator.h"

#include <new>
#include <utility>

#include "lsm/iter/db_iterator.h"

namespace varve::lsm {

Iterator::Iterator() = default;
Iterator::Iterator(Status error) : error_(std::move(error)) {}
Iterator::Iterator(std::unique_ptr<DbIterator> impl) : impl_(std::move(impl)) {}
Iterator::Iterator(Iterator&&) noexcept = default;
Iterator& Iterator::operator=(Iterator&&) noexcept = default;
Iterator::~Iterator() = default;

// Calls `step` of what walks. Where it finds no memory the walk ends: what is left of it is in no state to go on.
template <typename Step>
void Iterator::Walk(Step&& step) {
  if (impl_ == nullptr) return;
  try {
    if (error_.ok()) return step();
  } catch (const std::bad_alloc&) {
    error_ = Status::OutOfMemory();
  }
  impl_.reset();
}

bool Iterator::Valid() const {
  return impl_ != nullptr && impl_->Valid();
}
void Iterator::SeekToFirst() {
  Walk([&] { impl_->SeekToFirst(); });
}
void Iterator::SeekToLast() {
  Walk([&] { impl_->SeekToLast(); });
}
void Iterator::Seek(std::string_view key) {
  Walk([&] { impl_->Seek(key); });
}
void Iterator::SeekForPrev(std::string_view key) {
  Walk([&] { impl_->SeekForPrev(key); });
}
void Iterator::Next() {
  Walk([&] { impl_->Next(); });
}
void Iterator::Prev() {
  Walk([&] { impl_->Prev(); });
}
bool Iterator::TrySeek(std::string_view key) {
  bool in_memory = true;
  Walk([&] { in_memory = impl_->TrySeek(key); });
  return in_memory;
}
bool Iterator::TryNext() {
  bool in_memory = true;
  Walk([&] { in_memory = impl_->TryNext(); });
  return in_memory;
}
void Iterator::Resume() {
  Walk([&] { impl_->Resume(); });
}
std::string_view Iterator::key() const {
  return impl_->key();
}
std::string_view Iterator::value() const {
  try {
    return impl_->value();
  } catch (const std::bad_alloc&) {
    error_ = Status::OutOfMemory();
    return {};
  }
}
uint64_t Iterator::expire_at_ms() const {
  return impl_->expire_at_ms();
}
Status Iterator::status() const {
  return impl_ != nullptr && error_.ok() ? impl_->status() : error_;
}

}  // namespace varve::lsm
