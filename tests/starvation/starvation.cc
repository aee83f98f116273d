#include "tests/starvation/starvation.h"

#include <cstdlib>
#include <new>
#include <utility>

namespace {

thread_local int64_t left = -1;  // allocations until one fails; < 0: none will
thread_local bool goes_on = false;
thread_local bool struck = false;
thread_local int64_t allocations = 0;

}  // namespace

[[gnu::noinline]] void* operator new(size_t size) {
  if (varve::lsm::Starvation::Strikes()) throw std::bad_alloc();
  if (void* memory = std::malloc(size == 0 ? 1 : size)) return memory;
  throw std::bad_alloc();
}
[[gnu::noinline]] void* operator new(size_t size, const std::nothrow_t&) noexcept {
  return varve::lsm::Starvation::Strikes() ? nullptr : std::malloc(size == 0 ? 1 : size);
}
[[gnu::noinline]] void operator delete(void* memory) noexcept {
  std::free(memory);
}
[[gnu::noinline]] void operator delete(void* memory, size_t) noexcept {
  std::free(memory);
}

namespace varve::lsm {

bool Starvation::Strikes() {
  ++allocations;
  if (left < 0) return false;
  if (left > 0) {
    --left;
    return false;
  }
  struck = true;
  if (!goes_on) left = -1;
  return true;
}

int64_t Starvation::Allocations() {
  return allocations;
}

Starvation::Starvation(int64_t n, Lasts lasts) {
  left = n;
  goes_on = lasts == Lasts::kOn;
  struck = false;
}

Starvation::~Starvation() {
  left = -1;
}

bool Starvation::End() {
  left = -1;
  return struck;
}

Starvation::Pause::Pause() : left_(std::exchange(left, -1)) {}

Starvation::Pause::~Pause() {
  left = left_;
}

}  // namespace varve::lsm
