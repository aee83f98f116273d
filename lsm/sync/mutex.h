// lsm/sync/mutex.h - the lock and its annotations.
//
// absl::Mutex carries clang's thread-safety attributes; we use it as it is, under our own names so that the rest of the
// engine says VARVE_GUARDED_BY and one build (clang, -Werror=thread-safety) checks every access.
//
// The thread sanitizer learns of a lock from the code that was compiled with it, and the system's Abseil was not: it
// would call every guarded access a race. In that build alone the names below are thin shells around the same classes
// which tell the sanitizer what Abseil's own hooks would have told it.
//
// Debian's Abseil has the deadlock detector of debug builds: every lock that is taken notes itself in one graph of the
// process, behind one spinlock. ForgetLockOrder takes that cost away.
#pragma once

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"

#define VARVE_GUARDED_BY(x) ABSL_GUARDED_BY(x)
#define VARVE_REQUIRES(...) ABSL_EXCLUSIVE_LOCKS_REQUIRED(__VA_ARGS__)
#define VARVE_EXCLUDES(...) ABSL_LOCKS_EXCLUDED(__VA_ARGS__)
#define VARVE_NO_THREAD_SAFETY_ANALYSIS ABSL_NO_THREAD_SAFETY_ANALYSIS

#if defined(__SANITIZE_THREAD__)
#define VARVE_THREAD_SANITIZER 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define VARVE_THREAD_SANITIZER 1
#endif
#endif

namespace varve::lsm {

// Switches the detector off, for every absl::Mutex of the process, where assertions are off as well. Any thread, often.
inline void ForgetLockOrder() {
#ifdef NDEBUG
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
#endif
}

}  // namespace varve::lsm

#ifndef VARVE_THREAD_SANITIZER

namespace varve::lsm {
using Mutex = absl::Mutex;
using MutexLock = absl::MutexLock;
using CondVar = absl::CondVar;
}  // namespace varve::lsm

#else

#include <sanitizer/tsan_interface.h>

namespace varve::lsm {

class ABSL_LOCKABLE Mutex {
 public:
  Mutex() { __tsan_mutex_create(this, 0); }
  ~Mutex() { __tsan_mutex_destroy(this, 0); }
  Mutex(const Mutex&) = delete;
  Mutex& operator=(const Mutex&) = delete;

  void Lock() ABSL_EXCLUSIVE_LOCK_FUNCTION() {
    __tsan_mutex_pre_lock(this, 0);
    mu_.Lock();
    __tsan_mutex_post_lock(this, 0, 0);
  }
  void Unlock() ABSL_UNLOCK_FUNCTION() {
    __tsan_mutex_pre_unlock(this, 0);
    mu_.Unlock();
    __tsan_mutex_post_unlock(this, 0);
  }
  bool TryLock() ABSL_EXCLUSIVE_TRYLOCK_FUNCTION(true) {
    __tsan_mutex_pre_lock(this, __tsan_mutex_try_lock);
    bool locked = mu_.TryLock();
    __tsan_mutex_post_lock(this, locked ? __tsan_mutex_try_lock : __tsan_mutex_try_lock_failed, 0);
    return locked;
  }
  void AssertHeld() const ABSL_ASSERT_EXCLUSIVE_LOCK() { mu_.AssertHeld(); }

 private:
  friend class CondVar;
  absl::Mutex mu_;
};

class ABSL_SCOPED_LOCKABLE MutexLock {
 public:
  explicit MutexLock(Mutex* mu) ABSL_EXCLUSIVE_LOCK_FUNCTION(mu) : mu_(mu) { mu_->Lock(); }
  ~MutexLock() ABSL_UNLOCK_FUNCTION() { mu_->Unlock(); }
  MutexLock(const MutexLock&) = delete;
  MutexLock& operator=(const MutexLock&) = delete;

 private:
  Mutex* const mu_;
};

class CondVar {
 public:
  void Wait(Mutex* mu) {
    BeforeWait(mu);
    cv_.Wait(&mu->mu_);
    AfterWait(mu);
  }
  bool WaitWithTimeout(Mutex* mu, absl::Duration timeout) {
    BeforeWait(mu);
    bool timed_out = cv_.WaitWithTimeout(&mu->mu_, timeout);
    AfterWait(mu);
    return timed_out;
  }
  void Signal() { cv_.Signal(); }
  void SignalAll() { cv_.SignalAll(); }

 private:
  // A wait gives the lock up and takes it again inside Abseil, where the sanitizer does not see it.
  static void BeforeWait(Mutex* mu) {
    __tsan_mutex_pre_unlock(mu, 0);
    __tsan_mutex_post_unlock(mu, 0);
  }
  static void AfterWait(Mutex* mu) {
    __tsan_mutex_pre_lock(mu, 0);
    __tsan_mutex_post_lock(mu, 0, 0);
  }

  absl::CondVar cv_;
};

}  // namespace varve::lsm

#endif  // VARVE_THREAD_SANITIZER
