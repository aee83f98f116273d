// lsm/read_view.h - what a read looks at: the memtables and the tables of one moment.
//
// Views are immutable and shared. A point read pins the current one without touching a shared reference count: it
// publishes the pointer in a slot (a hazard pointer) and checks that it is still current. Whoever installs a new view
// keeps the old one until no slot names it. Iterators hold a shared_ptr. A read takes its view first and its sequence
// second: what the view lacks came after the read began, and the view still has what it replaced. Whoever must not miss
// a version (the check of a transaction) takes the sequence first.
#pragma once

#include <array>
#include <atomic>
#include <list>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "lsm/iter/value_rules.h"
#include "lsm/iterator.h"
#include "lsm/mem/memtable.h"
#include "lsm/options.h"
#include "lsm/pinned_value.h"
#include "lsm/sync/mutex.h"
#include "lsm/version/version.h"

namespace varve::lsm {

struct ReadView {
  std::shared_ptr<MemTable> active;
  std::vector<std::shared_ptr<MemTable>> sealed;  // newest first
  std::shared_ptr<const Version> version;
  ValueRules rules;  // the database's; the same in all its views
};

// The newest visible value of `key` as of `snapshot`; a batch in `options` comes first.
Result<bool> GetFrom(const ReadView& view, const ReadOptions& options, SequenceNumber snapshot, ReadTier tier,
                     std::string_view key, PinnedValue* value);
// The same for many keys, from the disk if need be; blocks that are not in memory come from there side by side.
std::vector<Result<bool>> MultiGetFrom(const ReadView& view, const ReadOptions& options, SequenceNumber snapshot,
                                       std::span<const std::string_view> keys, std::span<PinnedValue> values);
// Brings near what GetFrom of these keys will touch in memory.
void PrefetchFrom(const ReadView& view, std::span<const std::string_view> keys);
Iterator IterateOver(std::shared_ptr<const ReadView> view, const ReadOptions& options, SequenceNumber snapshot);

class CurrentView {
 public:
  explicit CurrentView(std::shared_ptr<const ReadView> first);
  ~CurrentView();

  class Pin {
   public:
    explicit Pin(CurrentView* holder);
    ~Pin();
    Pin(const Pin&) = delete;
    Pin& operator=(const Pin&) = delete;
    const ReadView& operator*() const { return *view_; }

   private:
    std::atomic<const ReadView*>* slot_ = nullptr;  // null: `shared_` holds the view
    const ReadView* view_ = nullptr;
    std::shared_ptr<const ReadView> shared_;
  };

  std::shared_ptr<const ReadView> Share();
  // Makes `next` current, or throws and changes nothing. Cheap: the old view is only set aside.
  void Install(std::shared_ptr<const ReadView> next);
  // Drops views set aside that no reader names any more. May free memtables and close tables: call it with no lock
  // held.
  void Reap() noexcept;

 private:
  // More slots than threads that are inside a read at one time, as a rule; beyond that readers share ownership under
  // the lock.
  static constexpr size_t kSlots = 64;
  struct alignas(64) Slot {
    std::atomic<const ReadView*> view{nullptr};
  };

  std::array<Slot, kSlots> slots_;
  std::atomic<const ReadView*> current_;
  Mutex mu_;
  std::shared_ptr<const ReadView> owner_ VARVE_GUARDED_BY(mu_);
  std::list<std::shared_ptr<const ReadView>> retired_ VARVE_GUARDED_BY(mu_);
};

}  // namespace varve::lsm
