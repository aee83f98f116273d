// lsm/memtable_filler.h - fills memtables that nobody reads yet, with two threads: the caller puts versions into the
// arena and the hash table, a thread of the executor puts them in order.
//
//   MemTableFiller filler(executor);
//   filler.Begin(table); filler.Add(...); filler.Add(...);      // and so on; then perhaps the next table
//   VARVE_TRY(filler.Finish());                                 // now the tables may be read
//
// Either half costs about as much as the other. What waits in between is pointers, a fixed number of groups of them, so
// the memory beside the tables' own is bounded by this object's. A caller that comes to a full queue links a group itself
// unless somebody does so just then; so it needs no other thread, and with an executor without threads everything happens
// in the caller, always in the same order.
// Threads: one at a time; the other one is inside.
#pragma once

#include <array>
#include <cstddef>
#include <memory>
#include <string_view>

#include "lsm/mem/memtable.h"
#include "lsm/status.h"
#include "lsm/sync/executor.h"
#include "lsm/sync/mutex.h"

namespace varve::lsm {

class MemTableFiller {
 public:
  explicit MemTableFiller(Executor* executor);
  // Waits for the other thread. Tables that were not finished are of no use.
  ~MemTableFiller();
  MemTableFiller(const MemTableFiller&) = delete;
  MemTableFiller& operator=(const MemTableFiller&) = delete;

  // From now on Add is about `table`, of MemTable::Filling::kByTwo.
  void Begin(std::shared_ptr<MemTable> table);
  // What MemTable::Add does.
  void Add(SequenceNumber seq, ValueKind kind, std::string_view key, std::string_view value);
  // kOutOfMemory when a version found no place in its tree.
  Status Finish();

 private:
  static constexpr size_t kGroupVersions = 1024;  // some 100 us of work: waking a thread for it costs little
  static constexpr size_t kGroups = 8;

  struct Group {
    std::shared_ptr<MemTable> table;
    size_t count = 0;
    std::array<MemTable::Placed, kGroupVersions> placed;
  };
  // Work scheduled and come too late still finds it, empty.
  struct Queue {
    void LinkAll() VARVE_EXCLUDES(mu);
    void LinkFirstLocked() VARVE_REQUIRES(mu);

    Mutex mu;
    CondVar linked;
    // A ring: `size` of them from `first` on wait for whoever links, the one behind is the caller's.
    std::array<Group, kGroups> groups;
    size_t first VARVE_GUARDED_BY(mu) = 0;
    size_t size VARVE_GUARDED_BY(mu) = 0;
    bool linking VARVE_GUARDED_BY(mu) = false;    // somebody links the first group
    bool scheduled VARVE_GUARDED_BY(mu) = false;  // the executor will look
    bool failed VARVE_GUARDED_BY(mu) = false;     // a group found no memory; those behind it are dropped
  };

  void Submit();
  void AwaitAtMost(size_t size);

  Executor* const executor_;
  const std::shared_ptr<Queue> queue_ = std::make_shared<Queue>();
  std::shared_ptr<MemTable> table_;
  Group* group_;  // being filled
};

}  // namespace varve::lsm
