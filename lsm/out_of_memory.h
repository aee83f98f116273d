// lsm/out_of_memory.h - where an allocation that fails becomes a Status.
//
// Inside the engine std::bad_alloc unwinds as it is thrown. It is caught at three kinds of places: where a call of Db
// ends, where a background job does, and where something must be put right on the way: files to be removed, a writer to
// be woken, a change that is half in the manifest (then the database is fenced). Nothing in a catch clause allocates.
// Threads: any.
#pragma once

#include <new>

#include "lsm/status.h"

namespace varve::lsm {

// What `work` returns (a Status, or a Result of something), or kOutOfMemory.
template <typename Work>
auto OrOutOfMemory(Work&& work) -> decltype(work()) {
  try {
    return work();
  } catch (const std::bad_alloc&) {
    return Status::OutOfMemory();
  }
}

// For work that can be left to the next time.
template <typename Work>
void IfMemoryAllows(Work&& work) noexcept {
  try {
    work();
  } catch (const std::bad_alloc&) {  // the next time, then
  }
}

}  // namespace varve::lsm
