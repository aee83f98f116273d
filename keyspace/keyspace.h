// keyspace/keyspace.h - Redis' databases of named, typed, expiring values on the engine.
//
//   auto keys = Keyspace::Open(db, {});
//   Entry entry;
//   Result<bool> found = (*keys)->Find(0, "user:1", &entry);        // entry.value is the string
//   Status s = (*keys)->Put(0, "user:1", *found ? &entry : nullptr, Type::kString, "Ann", 0);
//   s = (*keys)->Commit(nullptr).status();                          // all since the last Commit: one WAL record
//
// Writes gather in one pending batch that every read sees; Commit hands it to Db::WriteAsync with the changed counters.
// kBusy (the engine's flushes are behind) leaves everything pending: run nothing and call Commit again a little later.
// After any other error the batch is gone, counters are as after the last good Commit, and the caller must fail every
// command it ran since. A caller that must not lose its place commits before pending_bytes() grows too large.
// Any call may throw std::bad_alloc, its own or the engine's. A command that is left so is half done: RollbackCommand()
// takes back what it had written. Commit throws only after it has dropped the batch, as after an error.
//
// Expired keys are invisible at once; they are deleted when touched, and by ActiveExpire in order of time. The wall
// clock is read at most once between two BeginCommand() calls, and only if a volatile key is met. The file formats:
// keyspace/record.h. The engine outlives the Keyspace. Threads: one thread (the server's executor). Only the durable
// callback comes from elsewhere.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "keyspace/cursor_table.h"
#include "keyspace/known_keys.h"
#include "keyspace/last_commits.h"
#include "keyspace/record.h"
#include "lsm/clock.h"
#include "lsm/db.h"

namespace varve::keyspace {

// What Find knows of a key. Reuse one object for many reads: its buffer keeps its capacity. `value` is valid until the
// same Entry is used again or Commit is called; writes do not disturb it.
struct Entry {
  Type type = Type::kString;
  uint64_t expire_ms = 0;  // 0: lives for ever
  std::string_view value;  // of a string: its bytes
  lsm::PinnedValue pin;    // keeps `value` alive
};

struct ScanOptions {
  std::string_view pattern = "*";
  uint64_t count = 10;  // names examined, at least 1
  bool any_type = true;
  std::string_view type_name = {};  // when !any_type; a name that is no type matches nothing
  bool delete_expired = false;      // of the names that match the pattern
};

enum class KeyChange : uint8_t {
  kWritten,  // over what was there
  kAdded,
  kDeleted,
  kExpired,  // deleted because its time had come
};

// Hears of every change as it is made, amid a command (which may yet be rolled back): it must not call the keyspace.
// May throw std::bad_alloc, as any call that changes something.
class KeyObserver {
 public:
  virtual ~KeyObserver() = default;
  virtual void OnKeyChange(int db, std::string_view name, KeyChange change) = 0;
  // A whole database, of which at least one key was there.
  virtual void OnFlush(int db) = 0;
};

// What a command that must not wait for the disk lacks, as the engine's keys.
struct Wanted {
  std::vector<std::string> records;  // by their keys
  // The first `count` keys at or above `from` and below `end`.
  struct Walk {
    std::string from;
    std::string end;
    uint64_t count = 0;
  };
  Walk walk;

  bool empty() const { return records.empty() && walk.count == 0; }
  void clear() {
    records.clear();
    walk.count = 0;
  }
};

struct ExpireStats {
  uint64_t expired_keys = 0;
  uint64_t stale_entries = 0;  // index entries whose record had moved on; K1 says there are none
};

class Keyspace {
 public:
  struct Options {
    lsm::Clock* clock = nullptr;          // null: the system's
    lsm::RandomSource* random = nullptr;  // null: the system's
    size_t cursor_bytes_max = CursorTable::kBytesMaxDefault;
    size_t known_key_bytes = size_t{1} << 20;  // for KnownKeys: 8 bytes a key
  };

  // kUnsupported when the directory holds a newer format.
  static lsm::Result<std::unique_ptr<Keyspace>> Open(lsm::Db* db, const Options& options);
  Keyspace(const Keyspace&) = delete;
  Keyspace& operator=(const Keyspace&) = delete;

  // Null: nobody. Outlives the keyspace, or is taken away before.
  void set_observer(KeyObserver* observer) { observer_ = observer; }

  // --- commands ---
  void BeginCommand() {
    now_ms_ = 0;
    memory_only_ = false;
    wanted_.clear();
    read_commit_ = 0;
    RememberCommand();
  }
  // Takes back every write since BeginCommand, or since the last Commit. May throw itself; then only Abandon() is left.
  void RollbackCommand();
  // Drops everything pending, as Commit does when it fails.
  void Abandon();

  // --- the disk. For loops that must not wait for it: ---
  //   keys->BeginCommand(); keys->StayInMemory();  ...the command...
  //   if (keys->wants_records()): take it back, have the engine read what TakeWanted() names, and run it again. Then it
  //   may wait: what was read can have left memory since.
  // Until the next command a Find or a walk that would wait for the disk gives kWouldBlock. RandomName of more than
  // kRandomExactMax keys, and values of a walk that lie in the value log, are waited for all the same.
  void StayInMemory() { memory_only_ = true; }
  // Asks for the record of a key beforehand, unless it is in memory, or FindHead, if that is enough, needs none.
  void Want(int db, std::string_view name, bool head_only);
  bool wants_records() const { return !wanted_.empty(); }
  Wanted TakeWanted() { return std::exchange(wanted_, {}); }

  // --- time ---
  int64_t NowMs() {
    if (now_ms_ == 0) now_ms_ = clock_->WallMillis();
    return now_ms_;
  }

  // A hint: these names will be asked for, one by one (Find, Look). At most kPrefetchMax count, of kPrefetchNameMax bytes.
  void Prefetch(int db, std::span<const std::string_view> names);
  static constexpr size_t kPrefetchMax = 32;
  static constexpr size_t kPrefetchNameMax = 256;

  // --- one key. Names longer than kNameSizeMax: Find says no, Put says kInvalidArgument. ---
  // True and *entry when the key is there and not expired. An expired one is deleted (pending) and not there.
  lsm::Result<bool> Find(int db, std::string_view name, Entry* entry);
  // As Find, when only the type and the time to live are wanted: entry->value may be empty, and mostly is.
  lsm::Result<bool> FindHead(int db, std::string_view name, Entry* entry);
  // The same, and deletes nothing: for those who may only look.
  lsm::Result<bool> Look(int db, std::string_view name, Entry* entry);
  // Writes the whole record. `prior` is what Find of the same key said since the last write to it: its entry, or null
  // for "not there". `expire_ms` 0: for ever; a time in the past is stored as any other and hides the key at once.
  lsm::Status Put(int db, std::string_view name, const Entry* prior, Type type, std::string_view value,
                  uint64_t expire_ms);
  // Put after a Find of its own.
  lsm::Status Set(int db, std::string_view name, std::string_view value, uint64_t expire_ms = 0);
  // Deletes a key that Find reported.
  void Delete(int db, std::string_view name, const Entry& prior);
  // Find, then Delete: true when there was one.
  lsm::Result<bool> Remove(int db, std::string_view name);

  // --- whole databases ---
  lsm::Status FlushDb(int db);
  // What was in one database is in the other, whatever the size.
  lsm::Status SwapDatabases(int a, int b);
  // Records, also those expired but not yet deleted: what Redis' DBSIZE counts.
  const Counters& counters(int db) const { return counters_[db]; }

  // --- many keys ---
  // Calls `visit` with every live name that matches, in name order; stops when it returns false.
  lsm::Status ForEachName(int db, std::string_view pattern, const std::function<bool(std::string_view)>& visit);
  // One page of SCAN: appends matching names, returns the next cursor (0: done). kNotFound: no such cursor.
  lsm::Result<uint64_t> Scan(int db, uint64_t cursor, const ScanOptions& options, std::vector<std::string>* names);
  // False when the database is empty. Exactly uniform up to kRandomExactMax keys; above, a random place between the
  // first and the last name and a short random walk from there, which favours names behind large gaps.
  lsm::Result<bool> RandomName(int db, std::string* name);
  static constexpr int64_t kRandomExactMax = 512;

  // --- expiry ---
  // Deletes up to `limit` keys whose time has come; returns how many. Fewer than `limit`: none is left that is due, but
  // for those whose records are wanted: they are the first, and as many fewer of the others are deleted. When a walk is
  // wanted, nobody knows how many there are.
  lsm::Result<size_t> ActiveExpire(size_t limit);
  const ExpireStats& expire_stats() const { return expire_stats_; }
  // The mean of the time that volatile keys have left, of those that have any; 0: there are none, or more than
  // kMeanTimeLeftMax, of which it is not known. (Samples of so large an index, ordered by time, were tried: where times
  // come in clusters they were off by a factor of a hundred.)
  lsm::Result<int64_t> MeanTimeLeftMs(int db);
  static constexpr int64_t kMeanTimeLeftMax = 1024;

  // --- WATCH ---
  // Registers interest in a key and returns its modification count; pair with Unwatch.
  uint64_t Watch(int db, std::string_view name);
  void Unwatch(int db, std::string_view name);
  // Only for keys being watched.
  uint64_t WatchedVersion(int db, std::string_view name) const;

  // --- commit ---
  bool has_pending() const { return !batch_.empty(); }
  // Operations written since the last Commit: compare before and after a command to know whether it wrote.
  uint64_t pending_count() const { return batch_.count(); }
  size_t pending_bytes() const { return batch_.size_bytes(); }
  // Logged and visible on return. `on_durable` is called once, from another thread, when the log is synced past it (see
  // lsm::DurableCallback); not called when this returns an error or had nothing to commit. Returns the sequence of the
  // last operation, 0 when there was none.
  lsm::Result<lsm::SequenceNumber> Commit(lsm::DurableCallback on_durable);
  // Commits are numbered, from 1: that which what is pending will be.
  uint64_t next_commit() const { return next_commit_; }
  // The latest commit that the command may have read a write of, looking at single keys (Find, FindHead, Look): all it
  // says of them stands when that one does. next_commit(): of what is pending; 0: of none since Open. Walks over many
  // keys and counters are not told of.
  uint64_t read_commit() const { return read_commit_; }
  // Writes since Open, whether or not committed yet (INFO's rdb_changes_since_last_save).
  uint64_t changes() const { return changes_; }

  lsm::Db* db() const { return db_; }
  lsm::Clock* clock() const { return clock_; }
  lsm::RandomSource* random() const { return random_; }

 private:
  struct Watched {
    uint64_t version = 0;
    uint32_t watchers = 0;
  };
  // An entry of the expiry index.
  struct ExpiryPlace {
    uint64_t ms = 0;
    std::string name = {};
  };
  using DbCounters = std::array<Counters, kDatabaseCount>;
  // Where a command began.
  struct CommandStart {
    lsm::IndexedBatch::Mark batch;
    uint64_t changes;
    uint64_t expired_keys;
    DatabaseOrder order;
  };

  Keyspace(lsm::Db* db, const Options& options);
  lsm::Status Load();
  lsm::Status LoadOrder();
  void RememberCommitted();
  lsm::ReadOptions Reads() const;
  // Steps of a walk, from memory where there may be no others.
  void Seek(lsm::Iterator& it, std::string_view key) const;
  void Next(lsm::Iterator& it) const;
  // Where it ended: kWouldBlock when it has to be done again, once its keys have been read.
  lsm::Status EndOf(const lsm::Iterator& it, std::string_view from, std::string_view end, uint64_t count);
  // The record as stored, expired or not.
  lsm::Result<bool> FindRecord(int db, std::string_view name, Entry* entry);
  void NoteRead() { read_commit_ = std::max(read_commit_, last_commits_.Of(key_)); }
  bool Expired(uint64_t expire_ms) { return expire_ms != 0 && static_cast<int64_t>(expire_ms) <= NowMs(); }
  void DeleteRecord(int db, std::string_view name, uint64_t expire_ms, KeyChange change);
  void DeleteExpired(int db, std::string_view name, uint64_t expire_ms) {
    DeleteRecord(db, name, expire_ms, KeyChange::kExpired);
    expire_stats_.expired_keys++;
  }
  void AddExpiry(int db, std::string_view name, uint64_t expire_ms);
  void RemoveExpiry(int db, std::string_view name, uint64_t expire_ms);
  lsm::Result<size_t> ExpireDue(int db, size_t limit);
  lsm::Status ReadExpiryPlace(const lsm::Iterator& it, ExpiryPlace* place) const;
  lsm::Result<size_t> GatherDue(lsm::Iterator& it, size_t limit);
  void PrefetchDue(int db, size_t count);
  lsm::Result<bool> Expire(int db, const ExpiryPlace& due);
  lsm::Result<bool> RandomExact(int db, std::string* name);
  lsm::Result<bool> RandomSeek(int db, std::string* name);
  void AppendCounters();
  void ForgetWritten();
  void Touch(int db, std::string_view name, KeyChange change);
  void TouchWatched(int db, std::string_view name);
  void RememberCommand() {
    command_ = {batch_.GetMark(), changes_, expire_stats_.expired_keys, order_};
    counters_remembered_ = 0;
  }
  // To change them.
  Counters& counters_of(int db) {
    if ((counters_remembered_ >> db & 1) == 0) {
      counters_remembered_ |= 1u << db;
      counters_before_[db] = counters_[db];
    }
    return counters_[db];
  }

  lsm::Db* const db_;
  lsm::Clock* const clock_;
  lsm::RandomSource* const random_;
  KeyObserver* observer_ = nullptr;
  int64_t now_ms_ = 0;  // 0: not read since BeginCommand
  bool memory_only_ = false;
  Wanted wanted_;

  lsm::IndexedBatch batch_;
  DbCounters counters_{};
  DbCounters committed_{};  // as of the last good Commit; by number of storage, all else by database
  DatabaseOrder order_ = kPlainOrder;
  DatabaseOrder committed_order_ = kPlainOrder;
  CommandStart command_{};
  DbCounters counters_before_{};      // as of command_, of the databases in counters_remembered_
  uint32_t counters_remembered_ = 0;  // bit by database
  bool rollback_failed_ = false;      // only Abandon() helps
  bool format_written_ = false;
  uint64_t changes_ = 0;

  // What is left of the expiry index begins with it, or later; kNever: nothing is left. Saves the walk over entries
  // deleted before, of which there may be many with the same time.
  std::array<ExpiryPlace, kDatabaseCount> expiry_low_;
  int next_expire_db_ = 0;  // where ActiveExpire goes on, so that no database starves
  ExpireStats expire_stats_;

  CursorTable cursors_;
  KnownKeys known_;  // as of the pending batch
  LastCommits last_commits_;
  uint64_t next_commit_ = 1;
  uint64_t read_commit_ = 0;
  std::unordered_map<std::string, Watched> watched_;  // by meta key; stays whole when an insertion throws

  // Scratch, to keep the hot path free of allocation.
  std::string key_;
  std::string record_;
  std::string index_key_;
  std::array<std::string, kPrefetchMax> near_keys_;
  std::array<ExpiryPlace, kPrefetchMax> due_;
  mutable std::string watch_key_;
  Entry scratch_;
};

}  // namespace varve::keyspace
