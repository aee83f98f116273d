// tests/failing_new.h - an operator new that fails when a test says so. Defines the program's own: one source includes
// it.
//
// The sanitizers' operator new steps back in its favour; memory comes from malloc, which they still look after.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <new>

namespace varve::testing {

// Of this thread. While it lives, the allocation after the next `n` fails, or with `sticky` all from there on.
class FailingNew {
 public:
  explicit FailingNew(int64_t n, bool sticky) {
    left_ = n;
    sticky_ = sticky;
    fired_ = false;
  }
  ~FailingNew() { left_ = -1; }
  FailingNew(const FailingNew&) = delete;
  FailingNew& operator=(const FailingNew&) = delete;

  static bool fired() { return fired_; }
  static bool Fails() {
    if (left_ < 0 || left_-- > 0) return false;
    left_ = sticky_ ? 0 : -1;
    fired_ = true;
    return true;
  }

 private:
  static inline thread_local int64_t left_ = -1;  // until one fails; < 0: none will
  static inline thread_local bool sticky_ = false;
  static inline thread_local bool fired_ = false;
};

}  // namespace varve::testing

[[gnu::noinline]] void* operator new(size_t size) {
  if (varve::testing::FailingNew::Fails()) throw std::bad_alloc();
  if (void* memory = std::malloc(size == 0 ? 1 : size)) return memory;
  throw std::bad_alloc();
}
[[gnu::noinline]] void* operator new(size_t size, const std::nothrow_t&) noexcept {
  return std::malloc(size == 0 ? 1 : size);
}
[[gnu::noinline]] void operator delete(void* memory) noexcept {
  std::free(memory);
}
[[gnu::noinline]] void operator delete(void* memory, size_t) noexcept {
  std::free(memory);
}
