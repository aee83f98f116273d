// bench/targets.h - what Varve's engine must reach, and how much of what the machine can do that is.
//
// One row for each promise: a least ratio against a peer of the same run (ratios as everywhere: above 1 is better for
// us), or a bound of our own figure. Beside rates stands the share of the hardware's floor: the time that an operation
// takes at the least on this machine - so many dependent accesses to memory, bytes copied, syncs - over the time it
// took.
#pragma once

#include <cstdio>
#include <string>
#include <vector>

#include "bench/harness.h"

namespace varve::bench {

// Ends the process when a target names a workload that is not among these: it would never be looked at.
void CheckTargets(const std::vector<std::string>& workloads);

// A markdown table of all targets whose workload was measured. `contenders` are those of the report: ours, then its
// peers.
void PrintTargets(FILE* out, const Report& report, const std::vector<std::string>& contenders, const Floors& floors);

}  // namespace varve::bench
