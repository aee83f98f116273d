// Compactions: down the levels, by themselves or because a caller asks.
#include <algorithm>

#include "absl/cleanup/cleanup.h"

#include "lsm/db_impl.h"
#include "lsm/db_impl_jobs.h"
#include "lsm/out_of_memory.h"

namespace varve::lsm {

namespace {
constexpr uint64_t kUrgentPart = 4;  // a tier merge lets pass what is at most this part of it
}  // namespace

// Takes the tables, and the room for what the plan writes: its tables, and the values of files to be emptied.
void DbImpl::StartLocked(CompactionPlan* plan) {
  running_plans_.reserve(running_plans_.size() + 1);
  plan->room_bytes = CompactionRoomLocked();
  plan->reserved_bytes = plan->OutputBytes();
  if (!plan->trivial_move) {
    PickerOptions beside = picker_options();
    beside.room_bytes = plan->room_bytes - std::min(plan->room_bytes, plan->reserved_bytes);
    plan->collected = FilesToCollect(*state_.version, beside);
  }
  for (const auto* files : {&plan->inputs, &plan->below}) {
    for (const TableFileRef& file : *files) {
      file->being_compacted = true;
      for (const ValueLogReference& reference : file->facts().value_logs) {
        const bool moved = std::binary_search(plan->collected.begin(), plan->collected.end(), reference.file_number);
        if (moved) plan->reserved_bytes += reference.bytes;
      }
    }
  }
  running_plans_.push_back(plan);
  work_epoch_.fetch_add(1, std::memory_order_relaxed);
}

void DbImpl::EndLocked(const CompactionPlan& plan) {
  for (const auto* files : {&plan.inputs, &plan.below}) {
    for (const TableFileRef& file : *files) file->being_compacted = false;
  }
  std::erase(running_plans_, &plan);
  work_epoch_.fetch_add(1, std::memory_order_relaxed);
}

void DbImpl::RunCompaction() {
  const Status dropped = OrOutOfMemory([&] { return DropTables(); });
  if (!dropped.ok()) {
    MutexLock lock(&mu_);
    drop_due_ = true;
    ReportLocked(dropped, &compaction_error_);
  }
  std::optional<CompactionPlan> plan;
  if (dropped.ok()) StartNext(&plan);
  const bool fruitless = !plan;
  if (plan) {
    const Status status = OrOutOfMemory([&] { return DoCompaction(&*plan); });
    MutexLock lock(&mu_);
    EndCompactionLocked(*plan, status);
  }
  plan.reset();
  view_->Reap();
  RemoveBuried();
  MutexLock lock(&mu_);
  --compactions_scheduled_;  // only now: whoever waits for it finds the old tables gone
  if (fruitless && !retry_scheduled_) TryForgetErrorLocked();
  ScheduleWorkLocked();
  changed_.SignalAll();
}

Status DbImpl::DropTables() {
  bool covered;
  {
    MutexLock lock(&mu_);
    covered = drop_due_;
  }
  if (covered) VARVE_TRY(DropCovered());
  return DropExpired();
}

// The compaction that is due, if there is one; it stays where it is while it runs.
void DbImpl::StartNext(std::optional<CompactionPlan>* plan) noexcept {
  MutexLock lock(&mu_);
  try {
    *plan = PickLocked(RoomyOptionsLocked());
    if (!*plan) return;
    StartLocked(&**plan);
  } catch (const std::bad_alloc&) {
    plan->reset();
    ReportLocked(Status::OutOfMemory(), &compaction_error_);
  }
  ScheduleWorkLocked();  // there may be work for another thread beside this
}

// Inside a deeper compaction or a large merge of level 0, on its thread: what is urgent goes first, however few threads
// there are. (Flushes have a thread of their own.) The outer one's tables stay taken meanwhile. `*fruitless` is the last
// epoch in which there was nothing to do.
void DbImpl::RunUrgent(const CompactionPlan& outer, uint64_t* fruitless) {
  if (work_epoch_.load(std::memory_order_relaxed) == *fruitless) return;
  std::optional<CompactionPlan> plan;
  {
    MutexLock lock(&mu_);
    if (StoppedLocked() || manual_waiting_ || !compaction_error_.ok()) return;
    if (compactions_scheduled_ < settings_.compaction_threads) return;  // another thread does it
    const uint64_t bytes_max = outer.level > 0 ? UINT64_MAX : outer.input_bytes() / kUrgentPart;
    plan = PickUrgent(*state_.version, RoomyOptionsLocked(), running_plans_, bytes_max);
    if (!plan) {
      *fruitless = work_epoch_.load(std::memory_order_relaxed);
      return;
    }
    plan->urgent = true;
    StartLocked(&*plan);
  }
  const Status status = OrOutOfMemory([&] { return DoCompaction(&*plan); });
  MutexLock lock(&mu_);
  EndCompactionLocked(*plan, status);
  ScheduleWorkLocked();  // what its tables kept from others
}

Status DbImpl::DoCompaction(CompactionPlan* running) {
  const CompactionPlan& plan = *running;
  VARVE_TRY(SettleManifest());
  ActiveJob job;
  job.plan = running;
  job.facts.kind = plan.trivial_move ? JobKind::kMove : JobKind::kCompaction;
  job.facts.from_level = plan.level;
  job.facts.to_level = plan.output_level;
  job.facts.reason = plan.reason;
  for (const auto* files : {&plan.inputs, &plan.below}) {
    for (const TableFileRef& file : *files) {
      job.facts.inputs.push_back(file->number());
      job.entries_total += file->facts().entries;
    }
  }
  job.bytes_total = plan.input_bytes();
  StartJob(&job);
  const Status status = OrOutOfMemory([&] { return CarryOut(plan, &job); });
  FinishJob(&job, status);
  return status;
}

Status DbImpl::CarryOut(const CompactionPlan& plan, ActiveJob* job) {
  VersionEdit edit;
  absl::Cleanup discard = [&] { Discard(edit); };
  if (plan.trivial_move) {
    for (const TableFileRef& file : plan.inputs) edit.removed.push_back({plan.level, file->number()});
    for (const TableFileRef& file : plan.inputs) edit.added.push_back({plan.output_level, file});
  } else {
    auto merged = MergeTables(plan, job);
    if (!merged.ok()) return merged.status();
    edit = std::move(merged).value();
    counters_.compaction_read_bytes.fetch_add(plan.input_bytes(), std::memory_order_relaxed);
  }
  if (!plan.trivial_move) {
    for (const TableFileRef& file : plan.inputs) edit.removed.push_back({plan.level, file->number()});
  }
  for (const TableFileRef& file : plan.below) edit.removed.push_back({plan.output_level, file->number()});
  edit.jobs.push_back(CompletedJob(*job, edit));
  std::move(discard).Cancel();
  VARVE_TRY(InstallEdit(&edit, 0));
  counters_.compactions.fetch_add(1, std::memory_order_relaxed);
  return Status::Ok();
}

Result<VersionEdit> DbImpl::MergeTables(const CompactionPlan& plan, ActiveJob* job) {
  const ReadTier tier{.memory_only = false, .fill_cache = false};
  std::vector<RangeTombstone> ranges;
  for (const auto* files : {&plan.inputs, &plan.below}) {
    for (const TableFileRef& file : *files) {
      auto table = file->Open();
      if (!table.ok()) return table.status();
      if ((*table)->range_tombstones() != nullptr) (*table)->range_tombstones()->AppendTo(&ranges);
    }
  }
  std::vector<MergeSource> sources;
  std::vector<std::vector<TableFileRef>> runs;
  if (plan.level == 0) {
    runs = DisjointRuns(plan.inputs);
    for (const auto& run : runs) sources.emplace_back(LevelIterator(run, tier));
  } else {
    sources.emplace_back(LevelIterator(plan.inputs, tier));
  }
  if (!plan.below.empty()) sources.emplace_back(LevelIterator(plan.below, tier));
  std::vector<SequenceNumber> snapshots;
  TableOutputSetup setup = OutputSetup(plan.KeepsBorders() ? plan.below : plan.grandparents, job);
  std::shared_ptr<const Version> version;  // holds the value-log files that pointers lead to
  {
    MutexLock lock(&mu_);
    snapshots = SnapshotListLocked();
    setup.values.version = version = state_.version;
    setup.table_bytes = plan.TableBytes(picker_options());
    setup.keeps_borders = plan.KeepsBorders();
  }
  const RangeTombstones tombstones = RangeTombstones::Fragmented(std::move(ranges), &snapshots);
  MergeIterator input(std::move(sources));
  VersionFilter filter(std::move(snapshots), &tombstones, plan.bottommost);
  uint64_t keys = 0;
  for (const TableFileRef& file : plan.inputs) keys += file->facts().entries;
  VersionStream stream({.input = &input,
                        .filter = &filter,
                        .rules = rules_,
                        .value_logs = &version->value_logs(),
                        .user_filter = env_.options.compaction_filter,
                        .level = plan.output_level});
  setup.values.collected = plan.collected;
  // Nothing yields inside what is urgent, so no more than two compactions lie on one stack.
  if (!plan.urgent && (plan.level > 0 || env_.options.compaction == CompactionStyle::kSizeTiered)) {
    setup.yield = [this, &plan, fruitless = uint64_t{0}]() mutable { RunUrgent(plan, &fruitless); };
  }
  setup.builder.filter_bits_per_key = FilterBitsFor(plan.level, plan.output_level, keys);
  TableOutput output(std::move(setup), &tombstones);
  auto files = output.Run(&stream);
  if (!files.ok()) {
    GiveBackSpace(*job);
    return files.status();
  }
  VersionEdit edit;
  edit.value_logs = output.TakeValueLogs();
  absl::Cleanup discard = [&] {
    for (const TableFileRef& file : *files) file->MarkObsolete();
    Discard(edit);
  };
  for (const TableFileRef& file : *files) edit.added.push_back({plan.output_level, file});
  std::move(discard).Cancel();
  return edit;
}

Status DbImpl::CompactRange(std::string_view begin, std::string_view end) {
  return OrOutOfMemory([&] { return CompactSteps(begin, end); });
}

Status DbImpl::CompactSteps(std::string_view begin, std::string_view end) {
  VARVE_TRY(FlushAll());
  RangeProgress progress;
  progress.begin = begin;
  progress.end = end;
  progress.up_to = visible_.load(std::memory_order_acquire);
  {
    MutexLock lock(&mu_);
    Await([this]() VARVE_REQUIRES(mu_) { return !manual_running_ || StoppedLocked(); });
    if (StoppedLocked()) return closing_.load(std::memory_order_relaxed) ? Status::Closed() : fence_;
    manual_running_ = true;
    ++jobs_;
  }
  Status status;
  for (;;) {
    std::optional<CompactionPlan> plan;  // stays where it is while it runs: running_plans_ points to it
    if (status.ok()) status = OrOutOfMemory([&] { return StartRangeStep(&progress, &plan); });
    if (!status.ok() || !plan) break;
    status = OrOutOfMemory([&] { return DoCompaction(&*plan); });
    {
      MutexLock lock(&mu_);
      EndLocked(*plan);
      QuarantineLocked(*plan, status);
      NoteLoadLocked();
      ScheduleWorkLocked();
      changed_.SignalAll();
    }
    plan.reset();
    view_->Reap();
    RemoveBuried();  // after each step: the whole never takes more room than its largest step
  }
  MutexLock lock(&mu_);
  manual_running_ = manual_waiting_ = false;
  ScheduleWorkLocked();
  --jobs_;
  changed_.SignalAll();
  return status;
}

// The next step of a CompactRange, once its tables are free; none when all is done or the database stops. Automatic
// compactions go on beside it; only while it waits for their tables no new one begins.
Status DbImpl::StartRangeStep(RangeProgress* progress, std::optional<CompactionPlan>* plan) {
  MutexLock lock(&mu_);
  bool busy = false, refused = false;
  Await([&]() VARVE_REQUIRES(mu_) {
    if (StoppedLocked()) return true;
    ReleaseQuarantineLocked(progress->begin, progress->end);
    PickerOptions options = picker_options();
    options.room_bytes = CompactionRoomLocked();
    *plan = PickRange(*state_.version, options, running_plans_, progress, &busy);
    if (busy && running_plans_.empty()) {  // nothing is going to make room: would it begin if there were?
      RangeProgress same = *progress;
      bool taken = false;
      refused = PickRange(*state_.version, picker_options(), running_plans_, &same, &taken).has_value();
    }
    manual_waiting_ = busy;
    return !busy || refused;
  });
  manual_waiting_ = false;
  if (StoppedLocked()) {
    plan->reset();
    return closing_.load(std::memory_order_relaxed) ? Status::Closed() : fence_;
  }
  if (refused) return NoRoomToWrite();
  if (*plan) StartLocked(&**plan);
  return Status::Ok();
}

}  // namespace varve::lsm
