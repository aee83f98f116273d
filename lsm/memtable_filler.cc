// lsm/memtable_filler.cc - Contract: memtable_filler.h.

#include "lsm/memtable_filler.h"

#include <new>
#include <span>
#include <utility>

namespace varve::lsm {

MemTableFiller::MemTableFiller(Executor* executor) : executor_(executor), group_(&queue_->groups[0]) {}

MemTableFiller::~MemTableFiller() {
  MutexLock lock(&queue_->mu);
  while (queue_->linking) queue_->linked.Wait(&queue_->mu);
  queue_->size = 0;
  for (Group& group : queue_->groups) group.table.reset();
}

void MemTableFiller::Begin(std::shared_ptr<MemTable> table) {
  if (group_->count != 0) Submit();
  table_ = std::move(table);
}

void MemTableFiller::Add(SequenceNumber seq, ValueKind kind, std::string_view key, std::string_view value) {
  if (kind == ValueKind::kRangeDelete) return table_->AddRangeDelete(seq, key, value);
  group_->placed[group_->count] = table_->Place(seq, kind, key, value);
  if (++group_->count == kGroupVersions) Submit();
}

Status MemTableFiller::Finish() {
  if (group_->count != 0) Submit();
  AwaitAtMost(0);
  MutexLock lock(&queue_->mu);
  return queue_->failed ? Status::OutOfMemory() : Status::Ok();
}

void MemTableFiller::Submit() {
  table_->Index(std::span(group_->placed).first(group_->count));
  group_->table = table_;
  const bool worth_a_thread = group_->count == kGroupVersions;
  bool schedule = false;
  {
    MutexLock lock(&queue_->mu);
    ++queue_->size;
    schedule = worth_a_thread && !queue_->scheduled;
    if (schedule) queue_->scheduled = true;
  }
  if (schedule) executor_->Schedule(Lane::kCompact, [queue = queue_] { queue->LinkAll(); });
  AwaitAtMost(kGroups - 1);
  MutexLock lock(&queue_->mu);
  group_ = &queue_->groups[(queue_->first + queue_->size) % kGroups];
  group_->count = 0;
}

// Until no more than `size` groups wait.
void MemTableFiller::AwaitAtMost(size_t size) {
  MutexLock lock(&queue_->mu);
  while (queue_->size > size) {
    if (queue_->linking) {
      queue_->linked.Wait(&queue_->mu);
    } else {
      queue_->LinkFirstLocked();
    }
  }
}

void MemTableFiller::Queue::LinkAll() {
  MutexLock lock(&mu);
  while (size > 0 && !linking) LinkFirstLocked();
  scheduled = false;
}

// Gives the lock up meanwhile.
void MemTableFiller::Queue::LinkFirstLocked() {
  Group& group = groups[first];
  linking = true;
  bool enough_memory = !failed;
  mu.Unlock();
  try {
    if (enough_memory) group.table->Link(std::span(group.placed).first(group.count));
  } catch (const std::bad_alloc&) {
    enough_memory = false;
  }
  group.table.reset();
  mu.Lock();
  failed = !enough_memory;
  linking = false;
  first = (first + 1) % kGroups;
  --size;
  linked.SignalAll();
}

}  // namespace varve::lsm
