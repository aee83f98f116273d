#include "lsm/io/map_aligned.h"

#include <sys/mman.h>

#include <cstdint>

namespace varve::lsm {

// Maps twice as much and gives the ends back.
char* MapAligned(size_t size) {
  void* const mapped = mmap(nullptr, 2 * size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (mapped == MAP_FAILED) return nullptr;
  char* const begin = static_cast<char*>(mapped);
  const size_t misaligned = reinterpret_cast<uintptr_t>(begin) & (size - 1);
  char* const data = misaligned == 0 ? begin : begin + (size - misaligned);
  if (data != begin) munmap(begin, static_cast<size_t>(data - begin));
  munmap(data + size, static_cast<size_t>(begin + 2 * size - (data + size)));
  return data;
}

}  // namespace varve::lsm
