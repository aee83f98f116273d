#include "lsm/io/map_aligned.h"

#include <sys/mman.h>

#include <atomic>
#include <cstdint>

namespace varve::lsm {

namespace {

char* Map(uintptr_t at, size_t size) {
  void* const mapped =
      mmap(reinterpret_cast<void*>(at), size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  return mapped == MAP_FAILED ? nullptr : static_cast<char*>(mapped);
}

bool IsAligned(const char* mapped, size_t size) {
  return (reinterpret_cast<uintptr_t>(mapped) & (size - 1)) == 0;
}

// Maps twice as much and gives the ends back.
char* MapAndTrim(size_t size) {
  char* const begin = Map(0, 2 * size);
  if (begin == nullptr) return nullptr;
  const size_t misaligned = reinterpret_cast<uintptr_t>(begin) & (size - 1);
  char* const data = misaligned == 0 ? begin : begin + (size - misaligned);
  if (data != begin) munmap(begin, static_cast<size_t>(data - begin));
  munmap(data + size, static_cast<size_t>(begin + 2 * size - (data + size)));
  return data;
}

}  // namespace

// Right below the last one where that is free: neighbours are one mapping to the kernel, which allows 65,530.
char* MapAligned(size_t size) {
  static std::atomic<uintptr_t> last{0};
  const uintptr_t below = last.load(std::memory_order_relaxed);
  char* data = nullptr;
  if (below > size) {
    data = Map((below - size) & ~(size - 1), size);
    if (data != nullptr && !IsAligned(data, size)) {
      munmap(data, size);
      data = nullptr;
    }
  }
  if (data == nullptr) data = MapAndTrim(size);
  if (data != nullptr) last.store(reinterpret_cast<uintptr_t>(data), std::memory_order_relaxed);
  return data;
}

}  // namespace varve::lsm
