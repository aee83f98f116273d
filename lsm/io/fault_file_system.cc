#include "lsm/io/fault_file_system.h"

#include <algorithm>
#include <utility>

namespace varve::lsm {
namespace {

bool IsDirectoryOp(FileOp op) {
  return op == FileOp::kCreateDir || op == FileOp::kRemoveDir || op == FileOp::kList || op == FileOp::kSyncDir;
}

template <typename T>
bool Fits(const std::vector<T>& wanted, T value) {
  return wanted.empty() || std::find(wanted.begin(), wanted.end(), value) != wanted.end();
}

std::string TraceLine(const FileCall& call) {
  std::string line = std::to_string(call.number);
  line += ' ';
  line += FileOpName(call.op);
  line += ' ';
  line += PathClassName(call.path_class);
  line += ' ';
  line += call.path;
  if (!call.target.empty()) {
    line += " -> ";
    line += call.target;
  }
  if (call.op == FileOp::kReadAt || call.op == FileOp::kWillRead || call.op == FileOp::kWriteAt ||
      call.op == FileOp::kPrepare) {
    line += ' ' + std::to_string(call.offset) + '+' + std::to_string(call.size);
  }
  return line;
}

FileCall CallOn(FileOp op, std::string_view path) {
  FileCall call;
  call.op = op;
  call.path = path;
  return call;
}

FileCall CallOn(FileOp op, std::string_view path, std::string_view target) {
  FileCall call = CallOn(op, path);
  call.target = target;
  return call;
}

FileCall CallOn(FileOp op, std::string_view path, uint64_t offset, size_t size) {
  FileCall call = CallOn(op, path);
  call.offset = offset;
  call.size = size;
  return call;
}

}  // namespace

std::string_view FileOpName(FileOp op) {
  switch (op) {
    case FileOp::kOpenForRead: return "open";
    case FileOp::kCreate: return "create";
    case FileOp::kOpenForWrite: return "reopen";
    case FileOp::kReadAt: return "read";
    case FileOp::kWillRead: return "will-read";
    case FileOp::kWriteAt: return "write";
    case FileOp::kPrepare: return "prepare";
    case FileOp::kSync: return "sync";
    case FileOp::kClose: return "close";
    case FileOp::kSize: return "size";
    case FileOp::kRename: return "rename";
    case FileOp::kRemove: return "remove";
    case FileOp::kLink: return "link";
    case FileOp::kCreateDir: return "mkdir";
    case FileOp::kRemoveDir: return "rmdir";
    case FileOp::kList: return "list";
    case FileOp::kSyncDir: return "syncdir";
    case FileOp::kExists: return "exists";
    case FileOp::kFileSize: return "stat";
    case FileOp::kLock: return "lock";
  }
  return "unknown";
}

std::string_view PathClassName(PathClass path_class) {
  switch (path_class) {
    case PathClass::kWal: return "wal";
    case PathClass::kTable: return "table";
    case PathClass::kValueLog: return "value log";
    case PathClass::kManifest: return "manifest";
    case PathClass::kCurrent: return "current";
    case PathClass::kLock: return "lock";
    case PathClass::kDir: return "dir";
    case PathClass::kOther: return "other";
  }
  return "unknown";
}

PathClass ClassifyPath(FileOp op, std::string_view path) {
  if (IsDirectoryOp(op)) return PathClass::kDir;
  const std::string_view name = path.substr(path.rfind('/') + 1);  // npos + 1 is 0
  if (name.ends_with(".wal")) return PathClass::kWal;
  if (name.ends_with(".sst")) return PathClass::kTable;
  if (name.ends_with(".vlog")) return PathClass::kValueLog;
  if (name.starts_with("MANIFEST-")) return PathClass::kManifest;
  if (name == "CURRENT" || name == "CURRENT.tmp") return PathClass::kCurrent;
  if (name == "LOCK") return PathClass::kLock;
  return PathClass::kOther;
}

bool FaultFileSystem::ActiveRule::Fires(const FileCall& call) {
  if (call.number < rule.first_call || call.number > rule.last_call || fired >= rule.times_max) return false;
  if (!Fits(rule.ops, call.op) || !Fits(rule.path_classes, call.path_class)) return false;
  const std::string_view& part = rule.path_contains;
  if (call.path.find(part) == std::string_view::npos && call.target.find(part) == std::string_view::npos) return false;
  if (matched++ < rule.skip) return false;
  if (rule.probability < 1.0 && static_cast<double>(random->Next() >> 11) * 0x1p-53 >= rule.probability) return false;
  ++fired;
  return true;
}

void FaultFileSystem::AddRule(FaultRule rule) {
  MutexLock lock(&mu_);
  rules_.emplace_back(std::move(rule));
}

void FaultFileSystem::ClearRules() {
  MutexLock lock(&mu_);
  rules_.clear();
}

void FaultFileSystem::SetHook(std::function<void(const FileCall&)> hook) {
  auto shared = hook ? std::make_shared<const std::function<void(const FileCall&)>>(std::move(hook)) : nullptr;
  MutexLock lock(&mu_);
  hook_.swap(shared);  // the old one dies after the lock, which it might need
}

uint64_t FaultFileSystem::CallCount() const {
  MutexLock lock(&mu_);
  return call_count_;
}

uint64_t FaultFileSystem::FaultCount() const {
  MutexLock lock(&mu_);
  return fault_count_;
}

void FaultFileSystem::SetTracing(bool on) {
  MutexLock lock(&mu_);
  tracing_ = on;
}

std::vector<std::string> FaultFileSystem::Trace() const {
  MutexLock lock(&mu_);
  return trace_;
}

FaultFileSystem::Verdict FaultFileSystem::Judge(FileCall call) {
  call.path_class = ClassifyPath(call.op, call.target.empty() ? call.path : call.target);
  std::shared_ptr<const std::function<void(const FileCall&)>> hook;
  {
    MutexLock lock(&mu_);
    call.number = ++call_count_;
    if (tracing_) trace_.push_back(TraceLine(call));
    hook = hook_;
  }
  if (hook != nullptr) (*hook)(call);
  MutexLock lock(&mu_);  // after the hook, which may add rules
  for (ActiveRule& active : rules_) {
    if (!active.Fires(call)) continue;
    ++fault_count_;
    std::string message(call.path);
    message += ": ";
    message += FileOpName(call.op);
    message += ": " + active.rule.message;
    return {Status(active.rule.code, std::move(message)), active.rule.effect};
  }
  return {};
}

template <typename Run>
auto FaultFileSystem::Through(const FileCall& call, Run run) -> decltype(run()) {
  Verdict verdict = Judge(call);
  if (verdict.status.ok()) return run();
  if (verdict.effect == FaultRule::Effect::kEverything) (void)run();
  return std::move(verdict.status);
}

class FaultFileSystem::Readable final : public ReadableFile {
 public:
  Readable(FaultFileSystem* fs, std::unique_ptr<ReadableFile> inner) : fs_(fs), inner_(std::move(inner)) {}
  Result<size_t> ReadAt(uint64_t offset, size_t size, char* buffer) const override {
    return fs_->Through(CallOn(FileOp::kReadAt, path(), offset, size),
                        [&] { return inner_->ReadAt(offset, size, buffer); });
  }
  void WillRead(uint64_t offset, size_t size) const override {
    if (fs_->Judge(CallOn(FileOp::kWillRead, path(), offset, size)).status.ok()) inner_->WillRead(offset, size);
  }
  Result<uint64_t> Size() const override {
    return fs_->Through(CallOn(FileOp::kSize, path()), [&] { return inner_->Size(); });
  }
  const std::string& path() const override { return inner_->path(); }

 private:
  FaultFileSystem* const fs_;
  const std::unique_ptr<ReadableFile> inner_;
};

class FaultFileSystem::Writable final : public WritableFile {
 public:
  Writable(FaultFileSystem* fs, std::unique_ptr<WritableFile> inner) : fs_(fs), inner_(std::move(inner)) {}
  void Prepare(uint64_t offset, size_t size) override {
    if (fs_->Judge(CallOn(FileOp::kPrepare, path(), offset, size)).status.ok()) inner_->Prepare(offset, size);
  }
  Status WriteAt(uint64_t offset, std::string_view data) override {
    FileCall call = CallOn(FileOp::kWriteAt, path(), offset, data.size());
    call.data = data;
    Verdict verdict = fs_->Judge(call);
    if (verdict.status.ok()) return inner_->WriteAt(offset, data);
    if (verdict.effect == FaultRule::Effect::kPartOfWrite)
      (void)inner_->WriteAt(offset, data.substr(0, data.size() / 2));
    if (verdict.effect == FaultRule::Effect::kEverything) (void)inner_->WriteAt(offset, data);
    return std::move(verdict.status);
  }
  Status Sync() override {
    return fs_->Through(CallOn(FileOp::kSync, path()), [&] { return inner_->Sync(); });
  }
  Status Close() override {
    const Verdict verdict = fs_->Judge(CallOn(FileOp::kClose, path()));
    Status closed = inner_->Close();
    return verdict.status.ok() ? closed : verdict.status;
  }
  Result<uint64_t> Size() const override {
    return fs_->Through(CallOn(FileOp::kSize, path()), [&] { return inner_->Size(); });
  }
  const std::string& path() const override { return inner_->path(); }

 private:
  FaultFileSystem* const fs_;
  const std::unique_ptr<WritableFile> inner_;
};

Result<std::unique_ptr<ReadableFile>> FaultFileSystem::OpenForRead(const std::string& path) {
  return Through(CallOn(FileOp::kOpenForRead, path), [&]() -> Result<std::unique_ptr<ReadableFile>> {
    Result<std::unique_ptr<ReadableFile>> file = inner_->OpenForRead(path);
    if (!file.ok()) return file;
    return std::unique_ptr<ReadableFile>(new Readable(this, std::move(*file)));
  });
}

Result<std::unique_ptr<WritableFile>> FaultFileSystem::Create(const std::string& path) {
  return Through(CallOn(FileOp::kCreate, path), [&]() -> Result<std::unique_ptr<WritableFile>> {
    Result<std::unique_ptr<WritableFile>> file = inner_->Create(path);
    if (!file.ok()) return file;
    return std::unique_ptr<WritableFile>(new Writable(this, std::move(*file)));
  });
}

Result<std::unique_ptr<WritableFile>> FaultFileSystem::OpenForWrite(const std::string& path) {
  return Through(CallOn(FileOp::kOpenForWrite, path), [&]() -> Result<std::unique_ptr<WritableFile>> {
    Result<std::unique_ptr<WritableFile>> file = inner_->OpenForWrite(path);
    if (!file.ok()) return file;
    return std::unique_ptr<WritableFile>(new Writable(this, std::move(*file)));
  });
}

Status FaultFileSystem::Rename(const std::string& from, const std::string& to) {
  return Through(CallOn(FileOp::kRename, from, to), [&] { return inner_->Rename(from, to); });
}

Status FaultFileSystem::Remove(const std::string& path) {
  return Through(CallOn(FileOp::kRemove, path), [&] { return inner_->Remove(path); });
}

Status FaultFileSystem::Link(const std::string& from, const std::string& to) {
  return Through(CallOn(FileOp::kLink, from, to), [&] { return inner_->Link(from, to); });
}

Status FaultFileSystem::CreateDir(const std::string& path) {
  return Through(CallOn(FileOp::kCreateDir, path), [&] { return inner_->CreateDir(path); });
}

Status FaultFileSystem::RemoveDir(const std::string& path) {
  return Through(CallOn(FileOp::kRemoveDir, path), [&] { return inner_->RemoveDir(path); });
}

Result<std::vector<std::string>> FaultFileSystem::List(const std::string& dir) {
  return Through(CallOn(FileOp::kList, dir), [&] { return inner_->List(dir); });
}

Status FaultFileSystem::SyncDir(const std::string& dir) {
  return Through(CallOn(FileOp::kSyncDir, dir), [&] { return inner_->SyncDir(dir); });
}

Result<bool> FaultFileSystem::Exists(const std::string& path) {
  return Through(CallOn(FileOp::kExists, path), [&] { return inner_->Exists(path); });
}

Result<uint64_t> FaultFileSystem::FileSize(const std::string& path) {
  return Through(CallOn(FileOp::kFileSize, path), [&] { return inner_->FileSize(path); });
}

Result<std::unique_ptr<FileLock>> FaultFileSystem::Lock(const std::string& path) {
  return Through(CallOn(FileOp::kLock, path), [&] { return inner_->Lock(path); });
}

}  // namespace varve::lsm
