// lsm/db_impl_jobs.h - a flush or compaction under way, as the database's own sources see it.
#pragma once

#include "lsm/compact/table_output.h"
#include "lsm/db_impl.h"

namespace varve::lsm {

// Lives on the stack of the thread that runs the job; between StartJob and FinishJob others see it through running_.
struct DbImpl::ActiveJob {
  Job facts;  // fixed once started; what grows is in `meter`
  uint64_t bytes_total = 0;
  uint64_t entries_total = 0;
  CompactionPlan* plan = nullptr;  // null: no compaction
  OutputMeter meter;

  RunningJob Now() const;
};

}  // namespace varve::lsm
