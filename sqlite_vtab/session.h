// sqlite_vtab/session.h - what one SQLite connection is doing with one database: its statement's view, its transaction.
//
// All tables of a connection over the same directory share one session, so a transaction over several of them is one
// batch of the engine, and a join between them reads one snapshot.
//
// S1  A view lives as long as a cursor holds it; cursors opened meanwhile share it, so a statement reads one state.
// S2  Writes of this connection are seen by statements that start after them: taking the writer's place, committing and
//     rolling back end the sharing of the current view.
// S3  Nothing reaches the engine before Sync, which is the last step that may fail; Commit only forgets.
// S4  A cursor scans the writes as they were when it began, also across ROLLBACK TO (pending_writes.h).
// S5  Marks answer SQLite's savepoint numbers. Level n may be opened without those below it (a table that joins the
//     transaction late) and again by another table of the session; the first call counts.
//
// Threads: one at a time, as SQLite uses a connection.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "keyspace/record.h"
#include "lsm/db.h"
#include "sqlite_vtab/pending_writes.h"
#include "sqlite_vtab/registry.h"

namespace varve::sqlite_vtab {

// One state of the database, and the time at which it is looked at.
struct View {
  std::unique_ptr<lsm::Snapshot> snapshot;
  int64_t now_ms = 0;
  mutable std::optional<keyspace::DatabaseOrder> order = {};  // Session::OrderIn reads it
};

class Session {
 public:
  using CounterDeltas = std::array<keyspace::Counters, keyspace::kDatabaseCount>;

  explicit Session(std::shared_ptr<Database> database);
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  Database& database() const { return *database_; }
  lsm::Db& db() const { return database_->db(); }

  // The view of the statement that is running, or a new one.
  lsm::Result<std::shared_ptr<const View>> CurrentView();
  // Where the Redis databases lie in a view.
  lsm::Result<keyspace::DatabaseOrder> OrderIn(const View& view);
  // The time of the running statement.
  int64_t NowMs() const;

  // Takes the writer's place for this connection: kBusy when another connection has it. Idempotent.
  lsm::Status BeginWrite();
  bool is_writing() const { return writing_; }
  // By which number the records of a Redis database are stored, as long as is_writing(): nobody swaps them meanwhile.
  int StorageOf(int db) const { return order_[static_cast<size_t>(db)]; }
  // Writes of the open transaction; they require is_writing().
  void Put(std::string_view key, std::string_view value);
  void Delete(std::string_view key);
  // For scans: the transaction's writes, null when there are none. Share it to keep it readable.
  const std::shared_ptr<lsm::IndexedBatch>& ScannedWrites() { return writes_.Index(); }
  // The key as this connection sees it: its own writes above the snapshot, or above the newest state when that is null.
  lsm::Result<bool> Get(const lsm::Snapshot* snapshot, std::string_view key, lsm::PinnedValue* value);
  // Changes the key counters of one storage number with this transaction (keyspace/record.h, K2).
  void AddCounters(int number, int64_t keys, int64_t expires);

  void Savepoint(int level);
  void Release(int level);
  void RollbackTo(int level);  // negative: to the beginning of the transaction

  // Hands the batch to the engine; idempotent within a transaction.
  lsm::Status Sync(bool durable);
  // Ends the transaction; after Sync its writes are there, without it they never were.
  void End();

 private:
  struct Mark {
    PendingWrites::Mark writes;
    CounterDeltas counters;
  };

  Mark CurrentMark() const;
  lsm::Status AppendCounters();

  const std::shared_ptr<Database> database_;
  std::weak_ptr<const View> view_;
  bool writing_ = false;
  bool synced_ = false;
  keyspace::DatabaseOrder order_ = keyspace::kPlainOrder;  // while writing_
  PendingWrites writes_;
  CounterDeltas counters_{};
  std::vector<Mark> marks_;
};

}  // namespace varve::sqlite_vtab
