// lsm/io/map_aligned.h - memory from the system itself, aligned to its size.
#pragma once

#include <cstddef>

namespace varve::lsm {

// `size` zeroed bytes, a power of two of at least a page, at a multiple of it; null when there are none. The caller
// munmaps them. Threads: any.
char* MapAligned(size_t size);

}  // namespace varve::lsm
