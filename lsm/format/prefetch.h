// lsm/format/prefetch.h - bringing a cache line near before it is needed.
#pragma once

namespace varve::lsm {

// Any address will do. GCC (12) takes a function that does nothing but __builtin_prefetch for one without effect and
// drops the calls to it, silently; the empty statement keeps them.
inline void PrefetchLine(const void* address) {
  __builtin_prefetch(address);
  asm volatile("");
}

}  // namespace varve::lsm
