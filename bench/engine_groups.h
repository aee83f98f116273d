// bench/engine_groups.h - the parts of the engine's table, and the groups of workloads they are made of.
//
// A part is a size of data and memory with the groups that belong to it; a run measures one part. A group runs in a
// process of its own, beginning with an empty directory unless the group before it `keeps` its own.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "bench/compaction_speed.h"
#include "bench/engine_workloads.h"
#include "bench/group_end.h"
#include "bench/opening.h"
#include "bench/paced.h"
#include "bench/read_beyond.h"
#include "bench/steady.h"
#include "bench/sustained.h"
#include "bench/ycsb.h"

namespace varve::bench {

struct Group {
  std::string name;
  std::vector<std::string> workloads;
  bool keeps = false;  // the directory, for the next group of the same round
};

inline const std::vector<Group> kGroups = {
    {"fillseq", {"fillseq"}},
    {"fillbatch", {"fillrandom, batches of 100"}},
    {"fillthreads", {"fillrandom, batches of 100, 4 threads"}},
    {"fillsync", {"fillsync"}},
    {"fillsyncthreads", {"fillsync, 16 threads"}},
    {"ycsb", {"ycsb A", "ycsb B", "ycsb C", "ycsb D", "ycsb E", "ycsb F"}},
    {"readbeyond", {"readbeyond", "readbeyond, 32"}},
    {"fillrandom", {"fillrandom"}, true},
    {"reads", {"readseq", "readreverse", "readrandom", "readmissing", "multiget32", "seekrandom10"}, true},
    {"mutate", {"overwrite", "readwhilewriting"}},
    {"steady", {"overwrite, steady"}},
    {"steady4k", {"overwrite, steady, 4 KiB values"}},
    {"paced", {"writes at 70 % of peak"}},
    {"sustained", {"50,000 writes/s of 1 KiB beside reads"}},
    {"open", {"open clean"}},
    {"replay", {"log replay"}},
    {"compaction100", {"compaction, 100 B values"}},
    {"compaction400", {"compaction, 400 B values"}},
};

struct Part {
  std::string name;
  std::string what;
  std::vector<std::string> groups;
  uint64_t num;         // entries
  uint64_t memory_mib;  // budget
  uint64_t quick_num, quick_memory_mib;
  const char* duration;  // of three rounds of three engines on two cores
};

inline const std::vector<std::string> kCachedGroups = {
    "fillseq", "fillbatch", "fillthreads", "fillsync", "fillsyncthreads", "ycsb", "fillrandom", "reads", "mutate"};

// The data of 10x is ten times the budget: 116 bytes an entry.
inline const std::vector<Part> kParts = {
    {"1m", "all of the data cached", kCachedGroups, 1'000'000, 1024, 500'000, 256, "15 minutes"},
    {"10m", "all of the data cached", kCachedGroups, 10'000'000, 2048, 1'000'000, 256, "1.5 hours"},
    {"10x",
     "data of ten times the budget",
     {"steady", "steady4k", "ycsb", "readbeyond"},
     11'570'000,
     128,
     1'446'000,
     16,
     "2 hours"},
    {"waits", "writes at a given rate", {"paced", "sustained"}, 10'000'000, 1024, 500'000, 256, "3 hours"},
    {"upkeep",
     "opening, and what compaction costs",
     {"open", "replay", "compaction100", "compaction400"},
     10'000'000,
     128,
     1'000'000,
     16,
     "3 hours"},
};

template <class Engine>
void RunGroup(const std::string& group, const Setup& setup, const Plan& plan, Sink* sink) {
  if (group == "ycsb") return Ycsb<Engine>(setup, plan, sink).Run();
  if (group == "readbeyond") return ReadBeyond<Engine>(setup, plan, sink).Run();
  if (group == "steady") return Steady<Engine>(setup, plan, kValueSize, sink).Run(group, "overwrite, steady");
  if (group == "steady4k") return Steady<Engine>(setup, plan, 4096, sink).Run(group, "overwrite, steady, 4 KiB values");
  if (group == "paced") return PacedWrites<Engine>(setup, plan, sink).Run();
  if (group == "sustained") return Sustained<Engine>(setup, plan, sink).Run();
  if (group == "open") return Opening<Engine>(setup, plan, sink).OpenClean();
  if (group == "replay") return Opening<Engine>(setup, plan, sink).Replay();
  if (group == "compaction100")
    return CompactionSpeed<Engine>(setup, plan, 100, sink).Run(group, "compaction, 100 B values");
  if (group == "compaction400")
    return CompactionSpeed<Engine>(setup, plan, 400, sink).Run(group, "compaction, 400 B values");
  Workloads<Engine> workloads(setup, plan, sink);
  if (group == "fillseq") workloads.FillSeq();
  if (group == "fillbatch") workloads.FillBatch();
  if (group == "fillthreads") workloads.FillThreads();
  if (group == "fillsync") workloads.FillSync();
  if (group == "fillsyncthreads") workloads.FillSyncThreads();
  if (group == "fillrandom") workloads.FillRandom();
  if (group == "reads") workloads.Reads();
  if (group == "mutate") workloads.Mutate();
  EndGroup(group, setup, workloads.engine(), sink);
}

}  // namespace varve::bench
