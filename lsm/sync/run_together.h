// lsm/sync/run_together.h - a few independent pieces of work at once: on the caller, and on what threads of a lane are idle.
//
// The caller takes pieces like everybody else, so the work gets done even when the lane has no thread to spare (or
// none at all: ManualExecutor), and in that case in order. Helpers that come when nothing is left do nothing.
#pragma once

#include <cstddef>
#include <functional>

#include "lsm/sync/executor.h"

namespace varve::lsm {

// work(0) ... work(count - 1), each once; all have returned when this returns. Null `executor`: on the caller alone.
void RunTogether(Executor* executor, Lane lane, size_t count, const std::function<void(size_t)>& work);

}  // namespace varve::lsm
