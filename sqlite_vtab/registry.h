// sqlite_vtab/registry.h - the engine's databases that this process has open for SQL, one per directory.
//
// Many connections, each with many tables, share one Db. A DatabaseRef keeps it open; the last one to go closes it. The
// registry is independent of SQLite's objects: SQLite connects and disconnects tables whenever it rereads a schema.
//
// Fork: the threads of an open Db do not exist in a child process. A child gets an empty registry of its own; what was
// inherited answers kClosed (see CheckProcess) and is never closed there, since closing would wait for threads that are
// not there.
// Threads: any. Lock order: the registry's mutex is held across Db::Open and Db::Close, so that one thread never finds
// the directory locked by another that is about to let go of it; a Database's own mutex is taken alone.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <unordered_map>

#include "lsm/db.h"
#include "lsm/sync/mutex.h"
#include "sqlite_vtab/arguments.h"

namespace varve::sqlite_vtab {

class Registry;
class Session;

// One open directory.
class Database {
 public:
  Database(Registry* registry, std::string path, lsm::OpenMode mode, std::string busy);

  lsm::Db& db() const { return *db_; }
  const std::string& path() const { return path_; }
  lsm::OpenMode mode() const { return mode_; }
  // Why auto mode could not own the directory; empty when it was not tried.
  const std::string& busy_message() const { return busy_message_; }
  // OK in the process that opened it, kClosed in its forked children.
  lsm::Status CheckProcess() const;

  // One writer at a time, from its first write to its commit or rollback. True when it is `session`'s now.
  bool TryLockWriter(const Session* session) VARVE_EXCLUDES(mu_);
  void UnlockWriter(const Session* session) VARVE_EXCLUDES(mu_);

  // The one session of a connection on this database; made on first use.
  std::shared_ptr<Session> SessionOf(const void* connection, const std::shared_ptr<Database>& self) VARVE_EXCLUDES(mu_);

 private:
  friend class Registry;

  Registry* const registry_;
  const std::string path_;
  std::unique_ptr<lsm::Db> db_;  // null until it is open; then it stays
  const lsm::OpenMode mode_;
  const std::string busy_message_;

  lsm::Mutex mu_;
  const Session* writer_ VARVE_GUARDED_BY(mu_) = nullptr;
  std::unordered_map<const void*, std::weak_ptr<Session>> sessions_ VARVE_GUARDED_BY(mu_);
};

struct OpenRequest {
  std::string path;
  AccessMode mode = AccessMode::kAuto;
  size_t memory_bytes = 0;
  bool create = false;
};

// Opens the directory, or shares what is open already. A reader of a directory that this process owns shares the
// owner's Db.
lsm::Result<std::shared_ptr<Database>> OpenDatabase(const OpenRequest& request);

}  // namespace varve::sqlite_vtab
