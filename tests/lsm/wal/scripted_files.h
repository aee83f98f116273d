// tests/lsm/wal/scripted_files.h - files in memory whose next write or sync fails as the test says.
//
// Smaller than the crash-cloning file system of lsm/io: the log's tests edit bytes in place, fail one call after so
// many bytes, and stop inside a sync. Threads: any; all state lies under one lock, and no hook is called under it.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "lsm/io/file_system.h"

namespace varve::lsm {

class ScriptedFiles : public FileSystem {
 public:
  struct Write {
    uint64_t offset;
    size_t size;
  };

  // The content of a file; the reference stays good while the file is not removed. For tests of one thread.
  std::string& Bytes(const std::string& path) { return *files_[path]; }
  void Put(const std::string& path, std::string bytes) {
    files_[path] = std::make_shared<std::string>(std::move(bytes));
  }
  // The write after the next `count` fails with `status`, having written `bytes` of its data.
  void FailWriteAfter(int count, size_t bytes, Status status) {
    write_countdown_ = count;
    write_bytes_ = bytes;
    write_status_ = std::move(status);
  }
  void FailNextSync(Status status) { sync_status_ = std::move(status); }
  void FailReads(Status status) { read_status_ = std::move(status); }
  // Runs inside each sync, before it is counted.
  void set_on_sync(std::function<void()> hook) { on_sync_ = std::move(hook); }
  int syncs() const {
    std::lock_guard<std::mutex> lock(mu_);
    return syncs_;
  }
  const std::vector<Write>& writes() const { return writes_; }
  const std::vector<Write>& prepared() const { return prepared_; }

  Result<std::unique_ptr<ReadableFile>> OpenForRead(const std::string& path) override {
    std::lock_guard<std::mutex> lock(mu_);
    if (files_.count(path) == 0) return Status::NotFound(path + ": open: no such file");
    return std::unique_ptr<ReadableFile>(std::make_unique<Reader>(this, path, files_[path]));
  }
  Result<std::unique_ptr<WritableFile>> Create(const std::string& path) override {
    std::lock_guard<std::mutex> lock(mu_);
    files_[path] = std::make_shared<std::string>();
    return std::unique_ptr<WritableFile>(std::make_unique<Writer>(this, path, files_[path]));
  }
  Result<std::unique_ptr<WritableFile>> OpenForWrite(const std::string& path) override {
    std::lock_guard<std::mutex> lock(mu_);
    if (files_.count(path) == 0) return Status::NotFound(path + ": open: no such file");
    return std::unique_ptr<WritableFile>(std::make_unique<Writer>(this, path, files_[path]));
  }
  Result<bool> Exists(const std::string& path) override { return files_.count(path) != 0; }
  Result<uint64_t> FileSize(const std::string& path) override { return uint64_t{Bytes(path).size()}; }
  Status SyncDir(const std::string&) override { return Status::Ok(); }
  // The log's tests never call these.
  Status Rename(const std::string&, const std::string&) override { return Unused(); }
  Status Remove(const std::string&) override { return Unused(); }
  Status Link(const std::string&, const std::string&) override { return Unused(); }
  Status CreateDir(const std::string&) override { return Unused(); }
  Status RemoveDir(const std::string&) override { return Unused(); }
  Result<std::vector<std::string>> List(const std::string&) override { return Unused(); }
  Result<std::unique_ptr<FileLock>> Lock(const std::string&) override { return Unused(); }

 private:
  using Content = std::shared_ptr<std::string>;

  static Status Unused() { return Status::Unsupported("not a matter of logs"); }

  class Reader : public ReadableFile {
   public:
    Reader(ScriptedFiles* fs, std::string path, Content bytes)
        : fs_(fs), path_(std::move(path)), bytes_(std::move(bytes)) {}
    Result<size_t> ReadAt(uint64_t offset, size_t size, char* buffer) const override {
      std::lock_guard<std::mutex> lock(fs_->mu_);
      if (!fs_->read_status_.ok()) return fs_->read_status_;
      if (offset >= bytes_->size()) return size_t{0};
      return bytes_->copy(buffer, size, offset);
    }
    Result<uint64_t> Size() const override {
      std::lock_guard<std::mutex> lock(fs_->mu_);
      return uint64_t{bytes_->size()};
    }
    const std::string& path() const override { return path_; }

   private:
    ScriptedFiles* const fs_;
    const std::string path_;
    const Content bytes_;
  };

  class Writer : public WritableFile {
   public:
    Writer(ScriptedFiles* fs, std::string path, Content bytes)
        : fs_(fs), path_(std::move(path)), bytes_(std::move(bytes)) {}
    void Prepare(uint64_t offset, size_t size) override {
      std::lock_guard<std::mutex> lock(fs_->mu_);
      fs_->prepared_.push_back({offset, size});
    }
    Status WriteAt(uint64_t offset, std::string_view data) override {
      std::lock_guard<std::mutex> lock(fs_->mu_);
      Status status;
      if (fs_->write_countdown_ >= 0 && fs_->write_countdown_-- == 0) {
        data = data.substr(0, fs_->write_bytes_);
        status = fs_->write_status_;
      }
      if (bytes_->size() < offset + data.size()) bytes_->resize(offset + data.size());
      bytes_->replace(offset, data.size(), data);
      fs_->writes_.push_back({offset, data.size()});
      return status;
    }
    Status Sync() override {
      if (fs_->on_sync_) fs_->on_sync_();
      std::lock_guard<std::mutex> lock(fs_->mu_);
      ++fs_->syncs_;
      return std::exchange(fs_->sync_status_, Status::Ok());
    }
    Status Close() override { return Status::Ok(); }
    Result<uint64_t> Size() const override {
      std::lock_guard<std::mutex> lock(fs_->mu_);
      return uint64_t{bytes_->size()};
    }
    const std::string& path() const override { return path_; }

   private:
    ScriptedFiles* const fs_;
    const std::string path_;
    const Content bytes_;
  };

  mutable std::mutex mu_;
  std::map<std::string, Content> files_;
  std::vector<Write> writes_, prepared_;
  int write_countdown_ = -1;
  size_t write_bytes_ = 0;
  Status write_status_;
  Status sync_status_;
  Status read_status_;
  std::function<void()> on_sync_;
  int syncs_ = 0;
};

}  // namespace varve::lsm
