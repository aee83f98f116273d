// lsm/io/fault_file_system.h - a file system between the engine and another one, that counts, tells, and lies.
//
// Every call, of the file system and of its files, gets the next number (1, 2, ...), in this order:
//   hook    is told (a crash harness takes a clone of the disk here: the state just before the call)
//   trace   gets a line, when switched on: "7 write wal /db/000001.wal 4096+512"
//   rules   are asked, oldest first; the first one that fires decides what the call does and returns
//
// The usual loop of error injection, in the manner of SQLite: for N = 1, 2, ... run the workload with
// FaultRule::At(N) (once) and FaultRule::From(N) (sticky) until a run ends without FaultCount() moving.
//
// WillRead and Prepare have no answer: a rule that fires on one keeps it from the inner file. Destructors are not calls:
// they cannot fail. A failed Close still closes, as close(2) does.
// Ownership: the inner file system is borrowed; files must be closed before either is destroyed.
// Threads: any. Numbers are unique; the hook runs in the caller, with no lock held.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "lsm/io/clock.h"
#include "lsm/io/file_system.h"
#include "lsm/sync/mutex.h"

namespace varve::lsm {

enum class FileOp : uint8_t {
  kOpenForRead,
  kCreate,
  kOpenForWrite,
  kReadAt,
  kWillRead,
  kWriteAt,
  kPrepare,
  kSync,
  kClose,
  kSize,  // of an open file
  kRename,
  kRemove,
  kLink,
  kCreateDir,
  kRemoveDir,
  kList,
  kSyncDir,
  kExists,
  kFileSize,
  kLock,
};
std::string_view FileOpName(FileOp op);  // "write"

// What a path is, told by its last part.
enum class PathClass : uint8_t {
  kWal,       // 000001.wal
  kTable,     // 000001.sst
  kValueLog,  // 000001.vlog
  kManifest,  // MANIFEST-000001
  kCurrent,   // CURRENT, and CURRENT.tmp on its way there
  kLock,      // LOCK
  kDir,       // the directory itself (kCreateDir, kRemoveDir, kList, kSyncDir)
  kOther,
};
std::string_view PathClassName(PathClass path_class);  // "wal"
PathClass ClassifyPath(FileOp op, std::string_view path);

struct FileCall {
  uint64_t number = 0;
  FileOp op = FileOp::kOpenForRead;
  PathClass path_class = PathClass::kOther;  // of `target` for renames and links, else of `path`
  std::string_view path;
  std::string_view target;  // renames and links only
  uint64_t offset = 0;      // kReadAt, kWillRead, kWriteAt, kPrepare
  size_t size = 0;
  std::string_view data;  // kWriteAt only
};

struct FaultRule {
  // What a failing call has done nevertheless.
  enum class Effect : uint8_t {
    kNothing,
    kPartOfWrite,  // WriteAt wrote the first half of its bytes; other calls: nothing
    kEverything,   // the call was carried out; only the answer is an error
  };

  // Which calls. All conditions must hold.
  uint64_t first_call = 1;
  uint64_t last_call = std::numeric_limits<uint64_t>::max();
  std::vector<FileOp> ops;              // empty: any
  std::vector<PathClass> path_classes;  // empty: any
  std::string path_contains;            // of the path or the target
  uint64_t skip = 0;                    // lets the first calls that fit all of the above pass
  double probability = 1.0;
  uint64_t seed = 0;  // of the probability
  uint64_t times_max = std::numeric_limits<uint64_t>::max();

  // What they get.
  StatusCode code = StatusCode::kIoError;
  std::string message = "injected";
  Effect effect = Effect::kNothing;

  static FaultRule At(uint64_t call, StatusCode code = StatusCode::kIoError) {
    FaultRule rule = From(call, code);
    rule.last_call = call;
    return rule;
  }
  static FaultRule From(uint64_t call, StatusCode code = StatusCode::kIoError) {
    FaultRule rule;
    rule.first_call = call;
    rule.code = code;
    return rule;
  }
};

class FaultFileSystem final : public FileSystem {
 public:
  explicit FaultFileSystem(FileSystem* inner) : inner_(inner) {}

  void AddRule(FaultRule rule) VARVE_EXCLUDES(mu_);
  void ClearRules() VARVE_EXCLUDES(mu_);
  // Called before each call of a file system or file; null: none.
  void SetHook(std::function<void(const FileCall&)> hook) VARVE_EXCLUDES(mu_);

  uint64_t CallCount() const VARVE_EXCLUDES(mu_);   // the number of the last call
  uint64_t FaultCount() const VARVE_EXCLUDES(mu_);  // how many calls were made to fail
  void SetTracing(bool on) VARVE_EXCLUDES(mu_);
  std::vector<std::string> Trace() const VARVE_EXCLUDES(mu_);

  Result<std::unique_ptr<ReadableFile>> OpenForRead(const std::string& path) override;
  Result<std::unique_ptr<WritableFile>> Create(const std::string& path) override;
  Result<std::unique_ptr<WritableFile>> OpenForWrite(const std::string& path) override;
  Status Rename(const std::string& from, const std::string& to) override;
  Status Remove(const std::string& path) override;
  Status Link(const std::string& from, const std::string& to) override;
  Status CreateDir(const std::string& path) override;
  Status RemoveDir(const std::string& path) override;
  Result<std::vector<std::string>> List(const std::string& dir) override;
  Status SyncDir(const std::string& dir) override;
  Result<bool> Exists(const std::string& path) override;
  Result<uint64_t> FileSize(const std::string& path) override;
  Result<std::unique_ptr<FileLock>> Lock(const std::string& path) override;

 private:
  class Readable;
  class Writable;

  struct ActiveRule {
    explicit ActiveRule(FaultRule given) : rule(std::move(given)), random(std::make_unique<SeededRandom>(rule.seed)) {}
    bool Fires(const FileCall& call);
    FaultRule rule;
    std::unique_ptr<SeededRandom> random;
    uint64_t matched = 0;
    uint64_t fired = 0;
  };
  // What a call is to do: OK, or an error with what happens nevertheless.
  struct Verdict {
    Status status;
    FaultRule::Effect effect = FaultRule::Effect::kNothing;
  };

  Verdict Judge(FileCall call) VARVE_EXCLUDES(mu_);
  // Runs `run` as call `call` unless a rule says otherwise. The type of `run` is Status or a Result.
  template <typename Run>
  auto Through(const FileCall& call, Run run) -> decltype(run());

  FileSystem* const inner_;
  mutable Mutex mu_;
  std::vector<ActiveRule> rules_ VARVE_GUARDED_BY(mu_);
  std::shared_ptr<const std::function<void(const FileCall&)>> hook_ VARVE_GUARDED_BY(mu_);
  uint64_t call_count_ VARVE_GUARDED_BY(mu_) = 0;
  uint64_t fault_count_ VARVE_GUARDED_BY(mu_) = 0;
  bool tracing_ VARVE_GUARDED_BY(mu_) = false;
  std::vector<std::string> trace_ VARVE_GUARDED_BY(mu_);
};

}  // namespace varve::lsm
