#include "sqlite_vtab/registry.h"

#include <pthread.h>
#include <stdlib.h>

#include <algorithm>
#include <atomic>
#include <map>
#include <utility>

#include "sqlite_vtab/session.h"

namespace varve::sqlite_vtab {

using lsm::OpenMode;
using lsm::Result;
using lsm::Status;
using lsm::StatusCode;

class Registry {
 public:
  // The registry of this process; replaced in forked children, never destroyed.
  static Registry* Current();

  Result<std::shared_ptr<Database>> Open(const OpenRequest& request) VARVE_EXCLUDES(mu_);
  void Release(Database* database) VARVE_EXCLUDES(mu_);

 private:
  using Key = std::pair<std::string, OpenMode>;

  // Null when it is not open. Waits while its last user is about to close it.
  std::shared_ptr<Database> FindLocked(const Key& key) VARVE_REQUIRES(mu_);
  Result<std::shared_ptr<Database>> OpenLocked(const OpenRequest& request, const Key& key, std::string busy)
      VARVE_REQUIRES(mu_);
  Result<std::shared_ptr<Database>> OpenAutoLocked(const OpenRequest& request, const std::string& path)
      VARVE_REQUIRES(mu_);

  lsm::Mutex mu_;
  lsm::CondVar closed_;
  // An entry that has expired is being closed; Release erases it.
  std::map<Key, std::weak_ptr<Database>> open_ VARVE_GUARDED_BY(mu_);
};

namespace {

std::atomic<Registry*>& CurrentSlot() {
  static std::atomic<Registry*> current{nullptr};
  return current;
}

// The name under which a directory is shared: symbolic links and relative paths lead to the same one. The directory
// itself need not exist yet, its parent must.
Result<std::string> RealPath(const std::string& path) {
  auto resolve = [](const std::string& name) {
    std::unique_ptr<char, decltype(&free)> real(realpath(name.c_str(), nullptr), &free);
    return real ? std::string(real.get()) : std::string();
  };
  if (std::string real = resolve(path); !real.empty()) return real;
  size_t end = path.find_last_not_of('/');
  std::string name = path.substr(0, end + 1);
  size_t slash = name.rfind('/');
  std::string parent = slash == std::string::npos ? "." : slash == 0 ? "/" : name.substr(0, slash);
  std::string real = resolve(parent);
  if (real.empty()) return Status::NotFound(path + ": the directory above it does not exist; create " + parent);
  return real + "/" + (slash == std::string::npos ? name : name.substr(slash + 1));
}

Status WithPath(const Status& status, const std::string& path) {
  std::string message(status.message());
  if (message.find(path) == std::string::npos) message = path + ": " + message;
  return {status.code(), std::move(message)};
}

Status WithHint(const Status& status) {
  if (!status.Is(StatusCode::kBusy)) return status;
  return Status::Busy(std::string(status.message()) +
                      "; open it with mode=follow to read beside that process, or send writes to it");
}

}  // namespace

Registry* Registry::Current() {
  static const bool made = [] {
    CurrentSlot().store(new Registry, std::memory_order_release);
    pthread_atfork(nullptr, nullptr, [] { CurrentSlot().store(new Registry, std::memory_order_release); });
    return true;
  }();
  static_cast<void>(made);
  return CurrentSlot().load(std::memory_order_acquire);
}

std::shared_ptr<Database> Registry::FindLocked(const Key& key) {
  for (;;) {
    auto found = open_.find(key);
    if (found == open_.end()) return nullptr;
    if (std::shared_ptr<Database> database = found->second.lock()) return database;
    closed_.Wait(&mu_);
  }
}

Result<std::shared_ptr<Database>> Registry::OpenLocked(const OpenRequest& request, const Key& key, std::string busy) {
  if (std::shared_ptr<Database> database = FindLocked(key)) return database;
  lsm::Options options;
  options.mode = key.second;
  options.create_if_missing = request.create && key.second == OpenMode::kOwner;
  if (request.memory_bytes != 0) options.memory_budget = request.memory_bytes;
  // Whatever needs memory comes before the two are one: from then on its end takes the lock that is held here.
  std::shared_ptr<Database> database(new Database(this, key.first, key.second, std::move(busy)),
                                     [](Database* last) { last->registry_->Release(last); });
  Result<std::unique_ptr<lsm::Db>> db = lsm::Db::Open(key.first, options);
  if (!db.ok()) return WithPath(db.status(), key.first);
  open_[key] = database;
  database->db_ = std::move(*db);
  return database;
}

Result<std::shared_ptr<Database>> Registry::OpenAutoLocked(const OpenRequest& request, const std::string& path) {
  Result<std::shared_ptr<Database>> owned = OpenLocked(request, {path, OpenMode::kOwner}, "");
  if (owned.ok() || !owned.status().Is(StatusCode::kBusy)) return owned;
  return OpenLocked(request, {path, OpenMode::kFollow}, std::string(owned.status().message()));
}

Result<std::shared_ptr<Database>> Registry::Open(const OpenRequest& request) {
  Result<std::string> path = RealPath(request.path);
  if (!path.ok()) return path.status();
  lsm::MutexLock lock(&mu_);
  if (std::shared_ptr<Database> owned = FindLocked({*path, OpenMode::kOwner})) return owned;
  switch (request.mode) {
    case AccessMode::kAuto: return OpenAutoLocked(request, *path);
    case AccessMode::kWrite: {
      Result<std::shared_ptr<Database>> owned = OpenLocked(request, {*path, OpenMode::kOwner}, "");
      if (!owned.ok()) return WithHint(owned.status());
      return owned;
    }
    case AccessMode::kRead: return OpenLocked(request, {*path, OpenMode::kReadOnly}, "");
    case AccessMode::kFollow: return OpenLocked(request, {*path, OpenMode::kFollow}, "");
  }
  return Status::InvalidArgument(request.path + ": unknown mode");
}

// Closing under the lock: whoever opens the same directory next waits here instead of finding it locked.
void Registry::Release(Database* database) {
  if (database->db_ == nullptr) return delete database;  // it was never open
  if (this != Current()) return;  // inherited over a fork: its threads are not here, so it can only be left alone
  lsm::MutexLock lock(&mu_);
  const auto entry = std::find_if(open_.begin(), open_.end(), [&](const auto& open) {
    return open.first.first == database->path_ && open.first.second == database->mode_;
  });
  delete database;
  open_.erase(entry);
  closed_.SignalAll();
}

Database::Database(Registry* registry, std::string path, OpenMode mode, std::string busy)
    : registry_(registry), path_(std::move(path)), mode_(mode), busy_message_(std::move(busy)) {}

Status Database::CheckProcess() const {
  if (registry_ == Registry::Current()) return {};
  return {StatusCode::kClosed,
          path_ + ": was opened before this process forked; open a new connection in the child process"};
}

bool Database::TryLockWriter(const Session* session) {
  lsm::MutexLock lock(&mu_);
  if (writer_ == nullptr) writer_ = session;
  return writer_ == session;
}

void Database::UnlockWriter(const Session* session) {
  lsm::MutexLock lock(&mu_);
  if (writer_ == session) writer_ = nullptr;
}

std::shared_ptr<Session> Database::SessionOf(const void* connection, const std::shared_ptr<Database>& self) {
  lsm::MutexLock lock(&mu_);
  if (auto found = sessions_.find(connection); found != sessions_.end()) {
    if (std::shared_ptr<Session> session = found->second.lock()) return session;
  }
  std::erase_if(sessions_, [](const auto& entry) { return entry.second.expired(); });
  auto session = std::make_shared<Session>(self);
  sessions_[connection] = session;
  return session;
}

Result<std::shared_ptr<Database>> OpenDatabase(const OpenRequest& request) {
  return Registry::Current()->Open(request);
}

}  // namespace varve::sqlite_vtab
