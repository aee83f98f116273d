// Jobs: what runs, what ran, and who is told.
#include "lsm/db_impl_jobs.h"

#include <algorithm>

#include "lsm/inspect.h"

namespace varve::lsm {

namespace {
constexpr uint64_t kRateStepUs = 100'000;

bool ReadsTables(JobKind kind) {
  return kind == JobKind::kCompaction || kind == JobKind::kIngest;
}
}  // namespace

RunningJob DbImpl::ActiveJob::Now() const {
  RunningJob now{.job = facts, .bytes_done = 0, .bytes_total = bytes_total};
  now.job.entries_read = meter.entries_read.load(std::memory_order_relaxed);
  now.job.entries_dropped = meter.entries_dropped.load(std::memory_order_relaxed);
  now.job.bytes_written = meter.bytes_written.load(std::memory_order_relaxed);
  const double share =
      entries_total == 0 ? 0 : static_cast<double>(now.job.entries_read) / static_cast<double>(entries_total);
  now.bytes_done = static_cast<uint64_t>(std::min(share, 1.0) * static_cast<double>(bytes_total));
  if (facts.kind == JobKind::kIngest) now.bytes_done = now.job.bytes_written;
  if (ReadsTables(facts.kind)) now.job.bytes_read = now.bytes_done;
  return now;
}

void DbImpl::StartJob(ActiveJob* job) {
  job->facts.started_ms = env_.clock->WallMillis();
  MutexLock lock(&mu_);
  job->facts.id = next_job_++;
  running_.push_back(job);
  TellLocked([job](EventListener* listener) { listener->OnJobStarted(job->Now()); });
}

// What goes into the edit that makes the job's work part of the database.
std::shared_ptr<const Job> DbImpl::CompletedJob(const ActiveJob& job, const VersionEdit& edit) const {
  auto done = std::make_shared<Job>(job.Now().job);
  for (const VersionEdit::Added& added : edit.added) {
    done->outputs.push_back(added.file->number());
    if (done->kind == JobKind::kIngest) done->to_level = std::max(done->to_level, added.level);
  }
  done->bytes_read = ReadsTables(done->kind) ? job.bytes_total : 0;
  done->completed_ms = env_.clock->WallMillis();
  return done;
}

void DbImpl::FinishJob(ActiveJob* job, const Status& status) noexcept {
  MutexLock lock(&mu_);
  std::erase(running_, job);
  std::shared_ptr<const Job> kept;  // with what it came to
  for (const auto& completed : state_.jobs) {
    if (status.ok() && completed->id == job->facts.id) kept = completed;
  }
  TellLocked(
      [&](EventListener* listener) { listener->OnJobFinished(kept != nullptr ? *kept : job->Now().job, status); });
}

Status DbImpl::BeforeTableWrite(ActiveJob* job, size_t bytes) {
  const bool flush = job->facts.kind == JobKind::kFlush;
  VARVE_TRY(TakeSpace(job, bytes));
  (flush ? counters_.flush_bytes : counters_.compaction_write_bytes).fetch_add(bytes, std::memory_order_relaxed);
  if (EventListener* listener = env_.options.listener) listener->OnJobProgress(job->Now());
  if (!flush) KeepRate(bytes);
  return Status::Ok();
}

// Holds a compaction back until the rate allows its bytes; a change of options and Close end the wait.
void DbImpl::KeepRate(size_t bytes) {
  MutexLock lock(&mu_);
  const uint64_t rate = settings_.options.compaction_bytes_per_second;
  if (rate == 0) return;
  const uint64_t start_us = env_.clock->MonotonicMicros();
  const uint64_t wait_us = compaction_rate_.Take(bytes, rate, start_us);
  // Short waits, counted: one against the wall clock would grow when that is set back, and a clock that only a test
  // moves would never end one.
  for (uint64_t slept_us = 0; slept_us < wait_us && env_.clock->MonotonicMicros() < start_us + wait_us;) {
    if (StoppedLocked() || settings_.options.compaction_bytes_per_second != rate) return;
    const uint64_t step_us = std::min(wait_us - slept_us, kRateStepUs);
    if (changed_.WaitWithTimeout(&mu_, absl::Microseconds(step_us))) slept_us += step_us;
  }
}

std::vector<RunningJob> DbImpl::RunningJobs() const {
  std::vector<RunningJob> jobs;
  MutexLock lock(&mu_);
  for (const ActiveJob* job : running_) jobs.push_back(job->Now());
  return jobs;
}

std::vector<Job> DbImpl::JobHistory() const {
  std::vector<std::shared_ptr<const Job>> jobs;
  {
    MutexLock lock(&mu_);
    jobs = state_.jobs;
  }
  return CopyJobs(jobs);
}

}  // namespace varve::lsm
