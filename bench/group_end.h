// bench/group_end.h - what every group of workloads reports of itself at its end, and the check without which none of
// its figures count.
//
// Rows carry the group's name. "peak RSS over the budget" is (peak - 32 MiB) / budget: the allowance is for what a
// process needs before it opens anything. The check reads all that is stored; one that fails ends the benchmark.
#pragma once

#include <algorithm>
#include <string>

#include "bench/contenders.h"
#include "bench/plan.h"

namespace varve::bench {

template <class Engine>
void EndGroup(const std::string& group, const Setup& setup, Engine* engine, Sink* sink) {
  constexpr uint64_t kAllowance = uint64_t{32} << 20;
  const uint64_t peak = PeakResidentBytes();  // before the check, which is not part of what was measured
  sink->Add(group, "peak RSS MiB", Better::kLower, MiB(peak));
  sink->Add(group, "peak RSS over the budget", Better::kLower,
            static_cast<double>(peak - std::min(peak, kAllowance)) / static_cast<double>(setup.memory_budget));
  engine->Verify();
  sink->Add(group, "verified", Better::kHigher, 1);
}

}  // namespace varve::bench
