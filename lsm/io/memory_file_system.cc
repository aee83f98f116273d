// How durable and live states are kept apart:
//   a block without a history is durable as it is; with one, the history holds the durable block (null: zeros) and the
//   writes since, oldest first, while the file's block is the live state with all of them applied;
//   a lost block is durable as lost_ says, though nothing is left to be written of it;
//   a directory keeps both maps of names, and the changes that lead from one to the other.
#include "lsm/io/memory_file_system.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cassert>
#include <cerrno>
#include <cstring>
#include <map>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "lsm/io/clock.h"

namespace varve::lsm {
namespace {

constexpr size_t kBlockSize = 4096;                    // what a page cache writes back as one
constexpr size_t kSectorSize = 512;                    // what a disk writes as one
constexpr uint64_t kFileSizeMax = uint64_t{64} << 30;  // keeps a stray offset from eating the machine's memory

Status Error(const std::string& path, const std::string& operation, int error) {
  std::string message = path + ": " + operation + ": " + strerrordesc_np(error);
  return error == ENOENT ? Status::NotFound(std::move(message)) : Status::IoError(std::move(message));
}

// Answers each question of a crash clone: did this reach the disk?
class Fate {
 public:
  explicit Fate(const CrashPlan& plan) : plan_(plan), random_(plan.seed) {}

  bool random() const { return plan_.kind == CrashPlan::Kind::kRandom; }
  bool KeepCache() const { return plan_.kind == CrashPlan::Kind::kKeepCache; }
  bool KeepBytes() { return Keep(CrashPlan::Kind::kBytesOnly) || plan_.kind == CrashPlan::Kind::kLastNames; }
  // Of the `count` changes of names in a directory the one at `index`.
  bool KeepName(size_t index, size_t count) {
    return Keep(CrashPlan::Kind::kNamesOnly) || (plan_.kind == CrashPlan::Kind::kLastNames && index + 1 == count);
  }
  // Of `count` writes to one block, how many reached the disk.
  size_t KeptWrites(size_t count) {
    if (KeepBytes()) return count;
    if (!random() || count == 1 || Coin()) return 0;
    return 1 + random_.Next() % (count - 1);
  }
  bool TornSectors() const { return random() && plan_.torn_sectors; }
  bool Coin() { return (random_.Next() & 1) != 0; }

 private:
  // Something of the sort that all is kept of by plan `sort`.
  bool Keep(CrashPlan::Kind sort) {
    if (!random()) return plan_.kind == CrashPlan::Kind::kKeepAll || plan_.kind == sort;
    return static_cast<double>(random_.Next() >> 11) * 0x1p-53 < plan_.keep;
  }

  const CrashPlan plan_;
  SeededRandom random_;
};

}  // namespace

namespace memory_internal {

struct Block {
  std::array<char, kBlockSize> bytes{};
  bool shared = false;  // a clone has it too: copy before writing
};
using BlockPtr = std::shared_ptr<Block>;  // null: zeros

// One write, as far as it touches one block.
struct BlockWrite {
  uint32_t offset = 0;
  std::string bytes;
  bool truncated = false;  // instead: the file was truncated, the block is all zeros
};

struct BlockHistory {
  BlockPtr durable;
  BlockPtr base;                   // what the writes came on top of: the durable block, but for lost ones
  std::vector<BlockWrite> writes;  // at least one
};

class File {
 public:
  uint64_t size() const { return size_; }
  size_t UnsyncedCount() const { return changes_.size() + lost_.size() + (size_ != durable_size_ ? 1 : 0); }

  size_t Read(uint64_t offset, size_t size, char* buffer) const {
    if (offset >= size_) return 0;
    size = std::min<uint64_t>(size, size_ - offset);
    for (size_t done = 0; done < size;) {
      const size_t in_block = (offset + done) % kBlockSize;
      const size_t count = std::min(size - done, kBlockSize - in_block);
      const BlockPtr& block = blocks_[(offset + done) / kBlockSize];
      if (block != nullptr) {
        std::memcpy(buffer + done, block->bytes.data() + in_block, count);
      } else {
        std::memset(buffer + done, 0, count);
      }
      done += count;
    }
    return size;
  }

  void Write(uint64_t offset, std::string_view data) {
    if (data.empty()) return;
    const uint64_t size = std::max<uint64_t>(size_, offset + data.size());
    blocks_.resize((size + kBlockSize - 1) / kBlockSize);  // may throw
    size_ = size;
    while (!data.empty()) {
      const size_t in_block = offset % kBlockSize;
      const size_t count = std::min(data.size(), kBlockSize - in_block);
      WriteBlock(offset / kBlockSize, in_block, data.substr(0, count));
      data.remove_prefix(count);
      offset += count;
    }
  }

  // Up to `size`, with zeros; no smaller.
  void Extend(uint64_t size) {
    if (size <= size_) return;
    blocks_.resize((size + kBlockSize - 1) / kBlockSize);  // may throw
    size_ = size;
  }

  void Truncate() {
    for (size_t index = 0; index < blocks_.size(); ++index) {
      HistoryOf(index).writes.push_back({.offset = 0, .bytes = {}, .truncated = true});
    }
    blocks_.clear();
    size_ = 0;
  }

  void Sync() {
    for (const auto& [index, history] : changes_) lost_.erase(index);
    changes_.clear();
    durable_size_ = size_;
  }

  void LoseUnsynced() {
    for (auto& [index, history] : changes_) lost_.try_emplace(index, history.durable);
    changes_.clear();
  }

  std::shared_ptr<File> CrashClone(Fate* fate) {
    if (fate->KeepCache()) return CacheClone();
    auto clone = std::make_shared<File>();
    clone->blocks_ = blocks_;
    for (const auto& [index, durable] : lost_) {
      if (index >= clone->blocks_.size()) clone->blocks_.resize(index + 1);
      clone->blocks_[index] = durable;
    }
    uint64_t kept_end = 0;  // of the bytes written since the last sync that are on the disk
    for (auto& [index, history] : changes_) {
      if (index >= clone->blocks_.size()) clone->blocks_.resize(index + 1);
      clone->blocks_[index] = BlockAfterCrash(index, history, fate, &kept_end);
    }
    clone->SetSizeAfterCrash(fate->KeepBytes() ? size_ : std::max(durable_size_, kept_end));
    return clone;
  }

  bool locked = false;

 private:
  // With the histories; nobody writes to a block of theirs, and what both have as live block is copied before a write.
  std::shared_ptr<File> CacheClone() {
    auto clone = std::make_shared<File>();
    for (const BlockPtr& block : blocks_) {
      if (block != nullptr) block->shared = true;
    }
    clone->blocks_ = blocks_;
    clone->size_ = size_;
    clone->durable_size_ = durable_size_;
    clone->changes_ = changes_;
    clone->lost_ = lost_;
    return clone;
  }

  BlockHistory& HistoryOf(size_t index) {
    auto [it, inserted] = changes_.try_emplace(index);
    if (inserted) {
      const auto lost = lost_.find(index);
      it->second.base = blocks_[index];
      it->second.durable = lost != lost_.end() ? lost->second : blocks_[index];
    }
    return it->second;
  }

  void WriteBlock(size_t index, size_t in_block, std::string_view data) {
    BlockHistory& history = HistoryOf(index);
    BlockPtr& block = blocks_[index];
    if (block == nullptr) {
      block = std::make_shared<Block>();
    } else if (block == history.base || block->shared) {
      auto copy = std::make_shared<Block>();
      copy->bytes = block->bytes;
      block = std::move(copy);
    }
    std::memcpy(block->bytes.data() + in_block, data.data(), data.size());
    history.writes.push_back(
        {.offset = static_cast<uint32_t>(in_block), .bytes = std::string(data), .truncated = false});
  }

  BlockPtr BlockAfterCrash(size_t index, const BlockHistory& history, Fate* fate, uint64_t* kept_end) {
    const size_t kept = fate->KeptWrites(history.writes.size());
    for (size_t i = 0; i < kept; ++i) {
      const BlockWrite& write = history.writes[i];
      if (!write.truncated) {
        *kept_end = std::max<uint64_t>(*kept_end, index * kBlockSize + write.offset + write.bytes.size());
      }
    }
    if (kept == 0) return history.durable;
    if (kept == history.writes.size() && !fate->TornSectors()) {
      if (index >= blocks_.size()) return nullptr;
      if (blocks_[index] != nullptr) blocks_[index]->shared = true;
      return blocks_[index];
    }
    auto block = std::make_shared<Block>();
    if (history.base != nullptr) block->bytes = history.base->bytes;
    for (size_t i = 0; i < kept; ++i) {
      const BlockWrite& write = history.writes[i];
      if (write.truncated) {
        block->bytes.fill(0);
      } else {
        std::memcpy(block->bytes.data() + write.offset, write.bytes.data(), write.bytes.size());
      }
    }
    if (fate->TornSectors()) TearSectors(block.get(), history.durable.get(), fate);
    return block;
  }

  static void TearSectors(Block* block, const Block* durable, Fate* fate) {
    for (size_t at = 0; at < kBlockSize; at += kSectorSize) {
      if (fate->Coin()) continue;
      if (durable != nullptr) {
        std::memcpy(block->bytes.data() + at, durable->bytes.data() + at, kSectorSize);
      } else {
        std::memset(block->bytes.data() + at, 0, kSectorSize);
      }
    }
  }

  // Bytes of the last block beyond the size must read as zeros if the file grows again.
  void SetSizeAfterCrash(uint64_t size) {
    size_ = durable_size_ = size;
    blocks_.resize((size + kBlockSize - 1) / kBlockSize);
    const size_t used = size % kBlockSize;
    if (used == 0 || blocks_.back() == nullptr) return;
    const auto& bytes = blocks_.back()->bytes;
    if (std::all_of(bytes.begin() + used, bytes.end(), [](char c) { return c == 0; })) return;
    auto cut = std::make_shared<Block>();
    std::copy_n(bytes.begin(), used, cut->bytes.begin());
    blocks_.back() = std::move(cut);
  }

  std::vector<BlockPtr> blocks_;  // live
  uint64_t size_ = 0;             // live
  uint64_t durable_size_ = 0;
  std::map<size_t, BlockHistory> changes_;  // by block
  std::map<size_t, BlockPtr> lost_;         // by block: what is on the disk instead of what a failed sync did not write
};

// One of the two, or neither: no such name.
struct Node {
  std::shared_ptr<File> file;
  std::shared_ptr<Directory> directory;
  bool operator==(const Node&) const = default;
  bool exists() const { return file != nullptr || directory != nullptr; }
};

class Directory {
 public:
  using Names = std::map<std::string, Node>;
  // Names and what they mean afterwards; takes effect as a whole.
  using Change = std::vector<std::pair<std::string, Node>>;

  const Names& names() const { return live_; }
  size_t UnsyncedCount() const { return changes_.size(); }
  Node Find(const std::string& name) const {
    const auto it = live_.find(name);
    return it == live_.end() ? Node() : it->second;
  }

  void Apply(Change change) {
    Apply(change, &live_);
    changes_.push_back(std::move(change));
  }
  void Sync() {
    for (const Change& change : changes_) Apply(change, &durable_);
    changes_.clear();
  }

  // What was cloned already, so that a file with two names stays one file.
  struct Clones {
    std::unordered_map<const File*, std::shared_ptr<File>> files;
    std::unordered_map<const Directory*, std::shared_ptr<Directory>> directories;
  };
  std::shared_ptr<Directory> CrashClone(Fate* fate, Clones* clones) const {
    if (fate->KeepCache()) return CacheClone(fate, clones);
    Names left = durable_;
    for (size_t i = 0; i < changes_.size(); ++i) {
      if (fate->KeepName(i, changes_.size())) Apply(changes_[i], &left);
    }
    auto clone = std::make_shared<Directory>();
    for (const auto& [name, node] : left) clone->live_[name] = CloneOf(node, fate, clones);
    clone->durable_ = clone->live_;
    return clone;
  }

 private:
  static void Apply(const Change& change, Names* names) {
    for (const auto& [name, node] : change) {
      if (node.exists()) {
        (*names)[name] = node;
      } else {
        names->erase(name);
      }
    }
  }

  std::shared_ptr<Directory> CacheClone(Fate* fate, Clones* clones) const {
    auto clone = std::make_shared<Directory>();
    for (const auto& [name, node] : live_) clone->live_[name] = CloneOf(node, fate, clones);
    for (const auto& [name, node] : durable_) clone->durable_[name] = CloneOf(node, fate, clones);
    for (const Change& change : changes_) {
      Change& copy = clone->changes_.emplace_back();
      for (const auto& [name, node] : change) copy.emplace_back(name, CloneOf(node, fate, clones));
    }
    return clone;
  }

  static Node CloneOf(const Node& node, Fate* fate, Clones* clones) {
    if (!node.exists()) return {};
    if (node.file != nullptr) {
      auto& clone = clones->files[node.file.get()];
      if (clone == nullptr) clone = node.file->CrashClone(fate);
      return {.file = clone, .directory = nullptr};
    }
    if (const auto it = clones->directories.find(node.directory.get()); it != clones->directories.end()) {
      return {.file = nullptr, .directory = it->second};
    }
    auto clone = node.directory->CrashClone(fate, clones);
    clones->directories[node.directory.get()] = clone;
    return {.file = nullptr, .directory = clone};
  }

  Names live_;
  Names durable_;
  std::vector<Change> changes_;
};

namespace {

// The names of a path from the root: "/db//./000001.sst" -> {"db", "000001.sst"}.
std::vector<std::string> Split(const std::string& path) {
  std::vector<std::string> parts;
  for (size_t at = 0; at <= path.size();) {
    const size_t end = std::min(path.find('/', at), path.size());
    std::string part = path.substr(at, end - at);
    if (part == "..") {
      if (!parts.empty()) parts.pop_back();
    } else if (!part.empty() && part != ".") {
      parts.push_back(std::move(part));
    }
    at = end + 1;
  }
  return parts;
}

// Calls file_visitor and directory_visitor once for each file and directory that has a name.
template <typename FileVisitor, typename DirectoryVisitor>
void Visit(const Directory& directory, std::unordered_set<const void*>* seen, const FileVisitor& file_visitor,
           const DirectoryVisitor& directory_visitor) {
  directory_visitor(directory);
  for (const auto& [name, node] : directory.names()) {
    if (node.directory != nullptr) {
      Visit(*node.directory, seen, file_visitor, directory_visitor);
    } else if (seen->insert(node.file.get()).second) {
      file_visitor(*node.file);
    }
  }
}

}  // namespace
}  // namespace memory_internal

using memory_internal::Directory;
using memory_internal::File;
using memory_internal::Node;

class MemoryFileSystem::Readable final : public ReadableFile {
 public:
  Readable(MemoryFileSystem* fs, FilePtr file, std::string path)
      : fs_(fs), file_(std::move(file)), path_(std::move(path)) {}
  ~Readable() override {
    MutexLock lock(&fs_->mu_);
    --fs_->open_handles_;
  }
  Result<size_t> ReadAt(uint64_t offset, size_t size, char* buffer) const override {
    MutexLock lock(&fs_->mu_);
    return file_->Read(offset, size, buffer);
  }
  Result<uint64_t> Size() const override {
    MutexLock lock(&fs_->mu_);
    return file_->size();
  }
  const std::string& path() const override { return path_; }

 private:
  MemoryFileSystem* const fs_;
  const FilePtr file_;
  const std::string path_;
};

class MemoryFileSystem::Writable final : public WritableFile {
 public:
  Writable(MemoryFileSystem* fs, FilePtr file, std::string path)
      : fs_(fs), file_(std::move(file)), path_(std::move(path)) {}
  ~Writable() override { (void)Close(); }
  // Whole blocks, as in the posix implementation; and all that may be lost is.
  void Prepare(uint64_t offset, size_t size) override {
    MutexLock lock(&fs_->mu_);
    if (file_ == nullptr || size == 0 || offset > kFileSizeMax || size > kFileSizeMax - offset) return;
    file_->Extend((offset + size + kBlockSize - 1) / kBlockSize * kBlockSize);
    static const std::array<char, kBlockSize> zeros = {};
    for (const uint64_t end = offset + size; offset < end; offset += zeros.size()) {
      file_->Write(offset, {zeros.data(), std::min<size_t>(zeros.size(), end - offset)});
    }
  }
  Status WriteAt(uint64_t offset, std::string_view data) override {
    MutexLock lock(&fs_->mu_);
    if (file_ == nullptr) return Error(path_, "write", EBADF);
    if (offset > kFileSizeMax || data.size() > kFileSizeMax - offset) return Error(path_, "write", EFBIG);
    file_->Write(offset, data);
    return {};
  }
  Status Sync() override {
    MutexLock lock(&fs_->mu_);
    if (file_ == nullptr) return Error(path_, "fdatasync", EBADF);
    file_->Sync();
    return {};
  }
  Status Close() override {
    MutexLock lock(&fs_->mu_);
    if (file_ == nullptr) return {};
    file_.reset();
    --fs_->open_handles_;
    return {};
  }
  Result<uint64_t> Size() const override {
    MutexLock lock(&fs_->mu_);
    if (file_ == nullptr) return Error(path_, "fstat", EBADF);
    return file_->size();
  }
  const std::string& path() const override { return path_; }

 private:
  MemoryFileSystem* const fs_;
  FilePtr file_;  // null once closed; guarded by fs_->mu_
  const std::string path_;
};

class MemoryFileSystem::HeldLock final : public FileLock {
 public:
  HeldLock(MemoryFileSystem* fs, FilePtr file) : fs_(fs), file_(std::move(file)) {}
  ~HeldLock() override {
    MutexLock lock(&fs_->mu_);
    file_->locked = false;
    --fs_->open_handles_;
  }

 private:
  MemoryFileSystem* const fs_;
  const FilePtr file_;
};

MemoryFileSystem::MemoryFileSystem() : root_(std::make_shared<Directory>()) {}

MemoryFileSystem::~MemoryFileSystem() {
  assert(OpenHandleCount() == 0);
}

Result<MemoryFileSystem::Location> MemoryFileSystem::LocateLocked(const std::string& path,
                                                                  const std::string& operation) const {
  std::vector<std::string> parts = memory_internal::Split(path);
  if (parts.empty()) return Error(path, operation, EINVAL);  // the root has no name
  DirectoryPtr parent = root_;
  for (size_t i = 0; i + 1 < parts.size(); ++i) {
    Node node = parent->Find(parts[i]);
    if (!node.exists()) return Error(path, operation, ENOENT);
    if (node.directory == nullptr) return Error(path, operation, ENOTDIR);
    parent = node.directory;
  }
  return Location{parent, parts.back()};
}

Result<Node> MemoryFileSystem::FindLocked(const std::string& path, const std::string& operation) const {
  if (memory_internal::Split(path).empty()) return Node{.file = nullptr, .directory = root_};
  Result<Location> location = LocateLocked(path, operation);
  if (!location.ok()) return location.status();
  Node node = location->parent->Find(location->name);
  if (!node.exists()) return Error(path, operation, ENOENT);
  return node;
}

Result<MemoryFileSystem::FilePtr> MemoryFileSystem::FindFileLocked(const std::string& path,
                                                                   const std::string& operation) const {
  Result<Node> node = FindLocked(path, operation);
  if (!node.ok()) return node.status();
  if (node->file == nullptr) return Error(path, operation, EISDIR);
  return node->file;
}

Result<MemoryFileSystem::DirectoryPtr> MemoryFileSystem::FindDirLocked(const std::string& path,
                                                                       const std::string& operation) const {
  Result<Node> node = FindLocked(path, operation);
  if (!node.ok()) return node.status();
  if (node->directory == nullptr) return Error(path, operation, ENOTDIR);
  return node->directory;
}

Result<MemoryFileSystem::FilePtr> MemoryFileSystem::FindOrCreateLocked(const std::string& path,
                                                                       const std::string& operation) {
  Result<Location> location = LocateLocked(path, operation);
  if (!location.ok()) return location.status();
  Node node = location->parent->Find(location->name);
  if (node.directory != nullptr) return Error(path, operation, EISDIR);
  if (node.file == nullptr) {
    node.file = std::make_shared<File>();
    location->parent->Apply({{location->name, node}});
  }
  return node.file;
}

Result<std::unique_ptr<ReadableFile>> MemoryFileSystem::OpenForRead(const std::string& path) {
  MutexLock lock(&mu_);
  Result<FilePtr> file = FindFileLocked(path, "open");
  if (!file.ok()) return file.status();
  std::unique_ptr<ReadableFile> handle(new Readable(this, *file, path));
  ++open_handles_;
  return handle;
}

Result<std::unique_ptr<WritableFile>> MemoryFileSystem::Create(const std::string& path) {
  MutexLock lock(&mu_);
  Result<FilePtr> file = FindOrCreateLocked(path, "create");
  if (!file.ok()) return file.status();
  (*file)->Truncate();
  std::unique_ptr<WritableFile> handle(new Writable(this, *file, path));
  ++open_handles_;
  return handle;
}

Result<std::unique_ptr<WritableFile>> MemoryFileSystem::OpenForWrite(const std::string& path) {
  MutexLock lock(&mu_);
  Result<FilePtr> file = FindFileLocked(path, "open");
  if (!file.ok()) return file.status();
  std::unique_ptr<WritableFile> handle(new Writable(this, *file, path));
  ++open_handles_;
  return handle;
}

Status MemoryFileSystem::Rename(const std::string& from, const std::string& to) {
  const std::string operation = "rename to " + to;
  MutexLock lock(&mu_);
  Result<Location> source = LocateLocked(from, operation);
  if (!source.ok()) return source.status();
  Result<Location> target = LocateLocked(to, operation);
  if (!target.ok()) return Error(from, operation, target.status().Is(StatusCode::kNotFound) ? ENOENT : ENOTDIR);
  const Node node = source->parent->Find(source->name);
  if (!node.exists()) return Error(from, operation, ENOENT);
  const Node replaced = target->parent->Find(target->name);
  if (replaced == node) return {};  // two names of one file: POSIX leaves both
  const bool same_parent = source->parent == target->parent;
  if (node.directory != nullptr) {
    if (!same_parent) return Error(from, operation, EXDEV);  // never done by us, and it could make circles
    if (replaced.file != nullptr) return Error(from, operation, ENOTDIR);
    if (replaced.exists() && !replaced.directory->names().empty()) return Error(from, operation, ENOTEMPTY);
  } else if (replaced.directory != nullptr) {
    return Error(from, operation, EISDIR);
  }
  if (same_parent) {
    source->parent->Apply({{source->name, Node()}, {target->name, node}});
  } else {
    target->parent->Apply({{target->name, node}});
    source->parent->Apply({{source->name, Node()}});
  }
  return {};
}

Status MemoryFileSystem::Remove(const std::string& path) {
  MutexLock lock(&mu_);
  Result<FilePtr> file = FindFileLocked(path, "remove");
  if (!file.ok()) return file.status();
  Result<Location> location = LocateLocked(path, "remove");
  if (!location.ok()) return location.status();
  location->parent->Apply({{location->name, Node()}});
  return {};
}

Status MemoryFileSystem::Link(const std::string& from, const std::string& to) {
  const std::string operation = "link to " + to;
  MutexLock lock(&mu_);
  Result<FilePtr> file = FindFileLocked(from, operation);
  if (!file.ok()) return file.status();
  Result<Location> target = LocateLocked(to, operation);
  if (!target.ok()) return Error(from, operation, target.status().Is(StatusCode::kNotFound) ? ENOENT : ENOTDIR);
  if (target->parent->Find(target->name).exists()) return Error(from, operation, EEXIST);
  target->parent->Apply({{target->name, Node{.file = *file, .directory = nullptr}}});
  return {};
}

Status MemoryFileSystem::CreateDir(const std::string& path) {
  MutexLock lock(&mu_);
  if (memory_internal::Split(path).empty()) return {};  // the root
  Result<Location> location = LocateLocked(path, "create directory");
  if (!location.ok()) return location.status();
  const Node node = location->parent->Find(location->name);
  if (node.directory != nullptr) return {};
  if (node.file != nullptr) return Error(path, "create directory", EEXIST);
  location->parent->Apply({{location->name, Node{.file = nullptr, .directory = std::make_shared<Directory>()}}});
  return {};
}

Status MemoryFileSystem::RemoveDir(const std::string& path) {
  MutexLock lock(&mu_);
  Result<DirectoryPtr> directory = FindDirLocked(path, "remove directory");
  if (!directory.ok()) return directory.status();
  if (!(*directory)->names().empty()) return Error(path, "remove directory", ENOTEMPTY);
  Result<Location> location = LocateLocked(path, "remove directory");
  if (!location.ok()) return location.status();
  location->parent->Apply({{location->name, Node()}});
  return {};
}

Result<std::vector<std::string>> MemoryFileSystem::List(const std::string& dir) {
  MutexLock lock(&mu_);
  Result<DirectoryPtr> directory = FindDirLocked(dir, "open directory");
  if (!directory.ok()) return directory.status();
  std::vector<std::string> names;
  for (const auto& [name, node] : (*directory)->names()) names.push_back(name);
  return names;
}

Status MemoryFileSystem::SyncDir(const std::string& dir) {
  MutexLock lock(&mu_);
  Result<DirectoryPtr> directory = FindDirLocked(dir, "open directory");
  if (!directory.ok()) return directory.status();
  (*directory)->Sync();
  return {};
}

Result<bool> MemoryFileSystem::Exists(const std::string& path) {
  MutexLock lock(&mu_);
  return FindLocked(path, "stat").ok();
}

Result<uint64_t> MemoryFileSystem::FileSize(const std::string& path) {
  MutexLock lock(&mu_);
  Result<FilePtr> file = FindFileLocked(path, "stat");
  if (!file.ok()) return file.status();
  return (*file)->size();
}

Result<std::unique_ptr<FileLock>> MemoryFileSystem::Lock(const std::string& path) {
  MutexLock lock(&mu_);
  Result<FilePtr> file = FindOrCreateLocked(path, "open");
  if (!file.ok()) return file.status();
  if ((*file)->locked) return Status::Busy(path + ": held by process " + std::to_string(::getpid()));
  std::unique_ptr<FileLock> handle(new HeldLock(this, *file));
  (*file)->locked = true;
  ++open_handles_;
  return handle;
}

std::unique_ptr<MemoryFileSystem> MemoryFileSystem::CrashClone(const CrashPlan& plan) {
  Fate fate(plan);
  Directory::Clones clones;
  auto clone = std::make_unique<MemoryFileSystem>();
  DirectoryPtr root;
  {
    MutexLock lock(&mu_);
    root = root_->CrashClone(&fate, &clones);
  }
  MutexLock lock(&clone->mu_);
  clone->root_ = std::move(root);
  return clone;
}

void MemoryFileSystem::LoseUnsynced(const std::string& path) {
  MutexLock lock(&mu_);
  if (Result<FilePtr> file = FindFileLocked(path, "fdatasync"); file.ok()) (*file)->LoseUnsynced();
}

uint64_t MemoryFileSystem::TotalBytes() const {
  MutexLock lock(&mu_);
  uint64_t total = 0;
  std::unordered_set<const void*> seen;
  memory_internal::Visit(
      *root_, &seen, [&](const File& file) { total += file.size(); }, [](const Directory&) {});
  return total;
}

size_t MemoryFileSystem::OpenHandleCount() const {
  MutexLock lock(&mu_);
  return open_handles_;
}

size_t MemoryFileSystem::UnsyncedCount() const {
  MutexLock lock(&mu_);
  size_t count = 0;
  std::unordered_set<const void*> seen;
  memory_internal::Visit(
      *root_, &seen, [&](const File& file) { count += file.UnsyncedCount(); },
      [&](const Directory& directory) { count += directory.UnsyncedCount(); });
  return count;
}

}  // namespace varve::lsm
