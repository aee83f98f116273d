// lsm/sync/mutex.h - the lock and its annotations.
//
// absl::Mutex carries clang's thread-safety attributes; we use it as it is, under our own names so that the rest of the
// engine says VARVE_GUARDED_BY and one build (clang, -Werror=thread-safety) checks every access.
#pragma once

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"

#define VARVE_GUARDED_BY(x) ABSL_GUARDED_BY(x)
#define VARVE_REQUIRES(...) ABSL_EXCLUSIVE_LOCKS_REQUIRED(__VA_ARGS__)
#define VARVE_EXCLUDES(...) ABSL_LOCKS_EXCLUDED(__VA_ARGS__)
#define VARVE_NO_THREAD_SAFETY_ANALYSIS ABSL_NO_THREAD_SAFETY_ANALYSIS

namespace varve::lsm {
using Mutex = absl::Mutex;
using MutexLock = absl::MutexLock;
using CondVar = absl::CondVar;
}  // namespace varve::lsm
