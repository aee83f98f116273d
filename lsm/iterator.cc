#include "lsm/iterator.h"

#include <utility>

#include "lsm/iter/db_iterator.h"

namespace varve::lsm {

Iterator::Iterator() = default;
Iterator::Iterator(Status error) : error_(std::move(error)) {}
Iterator::Iterator(std::unique_ptr<DbIterator> impl) : impl_(std::move(impl)) {}
Iterator::Iterator(Iterator&&) noexcept = default;
Iterator& Iterator::operator=(Iterator&&) noexcept = default;
Iterator::~Iterator() = default;

bool Iterator::Valid() const {
  return impl_ != nullptr && impl_->Valid();
}
void Iterator::SeekToFirst() {
  if (impl_) impl_->SeekToFirst();
}
void Iterator::SeekToLast() {
  if (impl_) impl_->SeekToLast();
}
void Iterator::Seek(std::string_view key) {
  if (impl_) impl_->Seek(key);
}
void Iterator::SeekForPrev(std::string_view key) {
  if (impl_) impl_->SeekForPrev(key);
}
void Iterator::Next() {
  impl_->Next();
}
void Iterator::Prev() {
  impl_->Prev();
}
bool Iterator::TrySeek(std::string_view key) {
  return impl_ == nullptr || impl_->TrySeek(key);
}
bool Iterator::TryNext() {
  return impl_->TryNext();
}
void Iterator::Resume() {
  if (impl_) impl_->Resume();
}
std::string_view Iterator::key() const {
  return impl_->key();
}
std::string_view Iterator::value() const {
  return impl_->value();
}
uint64_t Iterator::expire_at_ms() const {
  return impl_->expire_at_ms();
}
Status Iterator::status() const {
  return impl_ ? impl_->status() : error_;
}

}  // namespace varve::lsm
