#include "sqlite_vtab/session.h"

#include <cassert>
#include <utility>

#include "lsm/clock.h"
#include "sqlite_vtab/keyspace_format.h"

namespace varve::sqlite_vtab {

using lsm::Result;
using lsm::Status;

Session::Session(std::shared_ptr<Database> database) : database_(std::move(database)) {}

Session::~Session() {
  End();
}

Result<std::shared_ptr<const View>> Session::CurrentView() {
  if (std::shared_ptr<const View> view = view_.lock()) return view;
  VARVE_TRY(database_->CheckProcess());
  if (database_->mode() == lsm::OpenMode::kFollow) VARVE_TRY(db().CatchUp());
  auto view = std::make_shared<View>();
  view->snapshot = db().GetSnapshot();
  view->now_ms = lsm::SystemClock()->WallMillis();
  view_ = view;
  return std::shared_ptr<const View>(std::move(view));
}

Result<keyspace::DatabaseOrder> Session::OrderIn(const View& view) {
  if (view.order.has_value()) return *view.order;
  Result<keyspace::DatabaseOrder> order = ReadOrder(db(), view.snapshot.get());
  if (order.ok()) view.order = *order;
  return order;
}

int64_t Session::NowMs() const {
  std::shared_ptr<const View> view = view_.lock();
  return view ? view->now_ms : lsm::SystemClock()->WallMillis();
}

Status Session::BeginWrite() {
  if (writing_) return {};
  VARVE_TRY(database_->CheckProcess());
  Result<keyspace::DatabaseOrder> order = ReadOrder(db(), nullptr);
  if (!order.ok()) return order.status();
  order_ = *order;
  if (!database_->TryLockWriter(this)) {
    return Status::Busy(database_->path() +
                        ": another connection of this process has a write transaction open; commit it, or try again");
  }
  writing_ = true;
  view_.reset();  // what was committed before we got our turn must be seen
  return {};
}

void Session::Put(std::string_view key, std::string_view value) {
  assert(writing_);
  writes_.Put(key, value);
}

void Session::Delete(std::string_view key) {
  assert(writing_);
  writes_.Delete(key);
}

Result<bool> Session::Get(const lsm::Snapshot* snapshot, std::string_view key, lsm::PinnedValue* value) {
  lsm::ReadOptions options;
  options.snapshot = snapshot;
  if (writes_.MayHold(key)) options.batch = writes_.Index().get();
  return db().Get(options, key, value);
}

void Session::AddCounters(int number, int64_t keys, int64_t expires) {
  counters_[static_cast<size_t>(number)].keys += keys;
  counters_[static_cast<size_t>(number)].expires += expires;
}

Session::Mark Session::CurrentMark() const {
  return {writes_.GetMark(), counters_};
}

void Session::Savepoint(int level) {
  while (static_cast<int>(marks_.size()) <= level) marks_.push_back(CurrentMark());
}

void Session::Release(int level) {
  if (level < static_cast<int>(marks_.size())) marks_.resize(static_cast<size_t>(level < 0 ? 0 : level));
}

void Session::RollbackTo(int level) {
  Mark mark{{lsm::WriteBatch::kHeaderSize, 0}, {}};
  if (level >= 0) {
    if (level >= static_cast<int>(marks_.size())) return;  // opened before anything was written and since
    mark = marks_[static_cast<size_t>(level)];
    marks_.resize(static_cast<size_t>(level) + 1);
  } else {
    marks_.clear();
  }
  counters_ = mark.counters;
  writes_.RollbackTo(mark.writes);
  view_.reset();
}

// The counters change in the same batch as the records. Nobody else writes between this read and the write: we own the
// directory and the writer's place.
Status Session::AppendCounters() {
  std::string key, value;
  lsm::PinnedValue stored;
  for (int number = 0; number < keyspace::kDatabaseCount; ++number) {
    const keyspace::Counters& delta = counters_[static_cast<size_t>(number)];
    if (delta == keyspace::Counters{}) continue;
    keyspace::Counters total;
    keyspace::EncodeCounterKey(number, &key);
    Result<bool> found = db().Get({}, key, &stored);
    if (!found.ok()) return found.status();
    if (*found) VARVE_TRY(keyspace::DecodeCounters(stored.view(), &total));
    total.keys += delta.keys;
    total.expires += delta.expires;
    keyspace::EncodeCounters(total, &value);
    writes_.Put(key, value);
  }
  return {};
}

Status Session::Sync(bool durable) {
  if (writes_.empty()) return {};
  if (synced_) return durable ? db().SyncWal() : Status::Ok();  // another table's Sync may have asked for less
  VARVE_TRY(database_->CheckProcess());
  VARVE_TRY(AppendCounters());
  lsm::WriteBatch& batch = writes_.Batch();
  VARVE_TRY(batch.CheckLimits());
  VARVE_TRY(db().Write({.sync = durable}, batch));
  synced_ = true;
  return {};
}

void Session::End() {
  if (writing_) database_->UnlockWriter(this);
  writing_ = false;
  synced_ = false;
  writes_ = {};  // cursors that still read them hold them
  counters_ = {};
  marks_.clear();
  view_.reset();
}

}  // namespace varve::sqlite_vtab
