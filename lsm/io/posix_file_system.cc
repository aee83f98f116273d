// FileSystem over POSIX calls. Every descriptor is opened O_CLOEXEC. But for a file's writer, objects keep nothing but a
// descriptor and a path, so threads need no lock here.
#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <span>
#include <utility>

#include "lsm/io/file_in_memory.h"
#include "lsm/io/file_system.h"

namespace varve::lsm {
namespace {

constexpr mode_t kFileMode = 0644;
constexpr mode_t kDirMode = 0755;

Status PosixError(const std::string& path, const std::string& operation, int error) {
  const char* text = strerrordesc_np(error);
  std::string message = path + ": " + operation + ": " + (text != nullptr ? text : "error " + std::to_string(error));
  switch (error) {
    case ENOSPC:
    case EDQUOT:
    case EMFILE:
    case ENFILE: return Status::NoSpace(std::move(message));
    case ENOENT: return Status::NotFound(std::move(message));
    default: return Status::IoError(std::move(message));
  }
}

// Calls again for as long as a signal interrupts.
template <typename Call>
auto Retry(Call call) {
  decltype(call()) result;
  do {
    result = call();
  } while (result < 0 && errno == EINTR);
  return result;
}

// Owns a descriptor.
class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Descriptor& operator=(Descriptor&&) = delete;
  ~Descriptor() { (void)Close(); }
  int get() const { return fd_; }
  bool valid() const { return fd_ >= 0; }
  // 0, or the errno. Linux frees the descriptor whatever close(2) says, so it is never called twice.
  int Close() {
    if (fd_ < 0) return 0;
    const int result = ::close(std::exchange(fd_, -1));
    return result == 0 || errno == EINTR ? 0 : errno;
  }

 private:
  int fd_;
};

// Takes what the process may have of descriptors: there is one for each table file, and the soft limit of most systems
// (1024) stands for programs that use select(2).
void RaiseDescriptorLimit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  (void)::setrlimit(RLIMIT_NOFILE, &limit);
}

Descriptor Open(const std::string& path, int flags) {
  const auto open = [&] { return Retry([&] { return ::open(path.c_str(), flags | O_CLOEXEC, kFileMode); }); };
  int fd = open();
  if (fd < 0 && errno == EMFILE) {
    RaiseDescriptorLimit();
    fd = open();
  }
  return Descriptor(fd);
}

Result<uint64_t> SizeOf(const Descriptor& fd, const std::string& path) {
  struct stat info;
  if (::fstat(fd.get(), &info) != 0) return PosixError(path, "fstat", errno);
  return static_cast<uint64_t>(info.st_size);
}

class PosixReadableFile final : public ReadableFile, public ReadsFromMemory {
 public:
  PosixReadableFile(Descriptor fd, std::string path) : fd_(std::move(fd)), path_(std::move(path)) {}

  Result<size_t> ReadAt(uint64_t offset, size_t size, char* buffer) const override {
    size_t done = 0;
    while (done < size) {
      const ssize_t count =
          Retry([&] { return ::pread(fd_.get(), buffer + done, size - done, static_cast<off_t>(offset + done)); });
      if (count < 0) return PosixError(path_, "read", errno);
      if (count == 0) break;
      done += static_cast<size_t>(count);
    }
    return done;
  }
  Status TryReadAt(uint64_t offset, size_t size, char* buffer) const override {
    if (offset > INT64_MAX) return Status::WouldBlock();  // -1 would mean the descriptor's own place
    iovec whole{.iov_base = buffer, .iov_len = size};
    const ssize_t count =
        Retry([&] { return ::preadv2(fd_.get(), &whole, 1, static_cast<off_t>(offset), RWF_NOWAIT); });
    return count == static_cast<ssize_t>(size) ? Status::Ok() : Status::WouldBlock();
  }
  void WillRead(uint64_t offset, size_t size) const override {
    (void)::posix_fadvise(fd_.get(), static_cast<off_t>(offset), static_cast<off_t>(size), POSIX_FADV_WILLNEED);
  }
  Result<uint64_t> Size() const override { return SizeOf(fd_, path_); }
  const std::string& path() const override { return path_; }

 private:
  const Descriptor fd_;
  const std::string path_;
};

// A shared, writable mapping of a part of a file. Bytes stored in it are in the page cache at once, as after pwrite: they
// survive the process, and fdatasync covers them. Before it is handed out, the blocks are allocated and the pages present,
// and only file systems are taken that write in place and share no blocks between files, so that a full disk cannot turn
// a store into a SIGBUS. What still can: somebody else truncates the file, or the device fails so that the file system
// shuts down. Nothing acknowledged is lost then, but the process ends where pwrite would have said EIO.
class MappedRange {
 public:
  MappedRange() = default;
  MappedRange(const MappedRange&) = delete;
  MappedRange& operator=(const MappedRange&) = delete;
  ~MappedRange() { Unmap(); }

  void Map(int fd, uint64_t offset, size_t size) {
    Unmap();
    if (size == 0 || unusable_) return;
    const uint64_t page = static_cast<uint64_t>(::sysconf(_SC_PAGESIZE));
    const uint64_t begin = offset / page * page;
    const uint64_t end = (offset + size + page - 1) / page * page;
    if (!WritesInPlace(fd) || !Extend(fd, begin, end)) return;
    void* const data = ::mmap(nullptr, end - begin, PROT_READ | PROT_WRITE, MAP_SHARED, fd, static_cast<off_t>(begin));
    unusable_ = data == MAP_FAILED;
    if (unusable_) return;
    data_ = static_cast<char*>(data);
    begin_ = begin;
    size_ = end - begin;
    if (!WriteAbsent(fd, (offset + page - 1) / page * page, page)) return Unmap();
    unusable_ = ::madvise(data_, size_, MADV_POPULATE_WRITE) != 0;  // an older kernel, or a page that cannot be read
    if (unusable_) Unmap();
  }
  void Unmap() {
    if (data_ != nullptr) ::munmap(data_, size_);
    data_ = nullptr;
    size_ = 0;
  }
  // False when the bytes do not lie inside.
  bool Write(uint64_t offset, std::string_view data) {
    if (data_ == nullptr || offset < begin_ || offset - begin_ > size_ || data.size() > size_ - (offset - begin_))
      return false;
    char* const to = data_ + (offset - begin_);
    const size_t head = std::min<size_t>(data.size(), 16);
    std::memcpy(to + head, data.data() + head, data.size() - head);
    std::atomic_signal_fence(std::memory_order_seq_cst);  // x86 keeps the order of stores; so shall the compiler
    std::memcpy(to, data.data(), head);
    return true;
  }

 private:
  static bool WritesInPlace(int fd) {
    constexpr long kExt = 0xEF53, kTmpfs = 0x01021994;
    struct statfs info;
    if (::fstatfs(fd, &info) != 0) return false;
    const long type = static_cast<long>(info.f_type);
    return type == kExt || type == kTmpfs;
  }

  // Allocates [begin, end), and fills with zeros what lies behind the file's end. A page that a fault makes present alone
  // costs three times what it costs as a part of a larger folio, and folios become as large as the writes that fill them
  // (ext4; on tmpfs this gains nothing). In folios larger than this, each fault costs more again: it visits all blocks.
  static bool Extend(int fd, uint64_t begin, uint64_t end) {
    struct stat info;
    if (::fstat(fd, &info) != 0) return false;
    if (::fallocate(fd, FALLOC_FL_KEEP_SIZE, static_cast<off_t>(begin), static_cast<off_t>(end - begin)) != 0)
      return false;
    return WriteZeros(fd, std::max(begin, static_cast<uint64_t>(info.st_size)), end);
  }

  // Writes zeros to the mapped pages from `offset` on that are not in the page cache. A fault would read them from the
  // disk, for nothing.
  bool WriteAbsent(int fd, uint64_t offset, uint64_t page) const {
    std::array<unsigned char, 256> present;
    const uint64_t end = begin_ + size_;
    for (uint64_t behind; offset < end; offset = behind) {
      behind = std::min(end, offset + present.size() * page);
      if (::mincore(data_ + (offset - begin_), behind - offset, present.data()) != 0) return true;  // nobody knows
      const auto pages = std::span(present).first((behind - offset) / page);
      const auto is_absent = [](unsigned char residence) { return (residence & 1) == 0; };
      for (auto run = pages.begin(), run_end = run; run != pages.end(); run = run_end) {
        run = std::find_if(run, pages.end(), is_absent);
        run_end = std::find_if_not(run, pages.end(), is_absent);
        const auto at = [&](auto it) { return offset + static_cast<uint64_t>(it - pages.begin()) * page; };
        if (!WriteZeros(fd, at(run), at(run_end))) return false;
      }
    }
    return true;
  }

  static bool WriteZeros(int fd, uint64_t begin, uint64_t end) {
    static const char zeros[kFolio] = {};
    while (begin < end) {
      const uint64_t step = std::min(kFolio - begin % kFolio, end - begin);
      const ssize_t count = Retry([&] { return ::pwrite(fd, zeros, step, static_cast<off_t>(begin)); });
      if (count <= 0) return false;
      begin += static_cast<uint64_t>(count);
    }
    return true;
  }

  static constexpr uint64_t kFolio = 64 * 1024;

  char* data_ = nullptr;
  uint64_t begin_ = 0;
  size_t size_ = 0;
  bool unusable_ = false;  // it was tried
};

class PosixWritableFile final : public WritableFile {
 public:
  PosixWritableFile(Descriptor fd, std::string path) : fd_(std::move(fd)), path_(std::move(path)) {}

  void Prepare(uint64_t offset, size_t size) override { prepared_.Map(fd_.get(), offset, size); }
  Status WriteAt(uint64_t offset, std::string_view data) override {
    if (prepared_.Write(offset, data)) return {};
    while (!data.empty()) {
      const ssize_t count =
          Retry([&] { return ::pwrite(fd_.get(), data.data(), data.size(), static_cast<off_t>(offset)); });
      if (count < 0) return PosixError(path_, "write", errno);
      if (count == 0) return PosixError(path_, "write", EIO);  // no progress and no reason: do not loop for ever
      data.remove_prefix(static_cast<size_t>(count));
      offset += static_cast<size_t>(count);
    }
    return {};
  }
  Status Sync() override {
    if (Retry([&] { return ::fdatasync(fd_.get()); }) != 0) return PosixError(path_, "fdatasync", errno);
    return {};
  }
  Status Close() override {
    prepared_.Unmap();
    if (const int error = fd_.Close(); error != 0) return PosixError(path_, "close", error);
    return {};
  }
  Result<uint64_t> Size() const override { return SizeOf(fd_, path_); }
  const std::string& path() const override { return path_; }

 private:
  Descriptor fd_;
  const std::string path_;
  MappedRange prepared_;
};

// The holder's pid as the lock file tells it: "process 1234", or "another process" when it does not.
std::string HolderOf(const Descriptor& fd) {
  char text[24];
  const ssize_t size = Retry([&] { return ::pread(fd.get(), text, sizeof text, 0); });
  uint32_t pid = 0;
  if (size > 0 && std::from_chars(text, text + size, pid).ec == std::errc()) return "process " + std::to_string(pid);
  return "another process";
}

class PosixFileLock final : public FileLock {
 public:
  explicit PosixFileLock(Descriptor fd) : fd_(std::move(fd)) {}
  ~PosixFileLock() override {
    // The pid of a process that holds nothing would mislead. If this fails, it only misleads.
    [[maybe_unused]] const int ignored = ::ftruncate(fd_.get(), 0);
  }

 private:
  const Descriptor fd_;  // closing it drops the lock
};

class PosixFileSystemImpl final : public FileSystem {
 public:
  Result<std::unique_ptr<ReadableFile>> OpenForRead(const std::string& path) override {
    Descriptor fd = Open(path, O_RDONLY);
    if (!fd.valid()) return PosixError(path, "open", errno);
    return std::unique_ptr<ReadableFile>(new PosixReadableFile(std::move(fd), path));
  }
  Result<std::unique_ptr<WritableFile>> Create(const std::string& path) override {
    Descriptor fd = Open(path, O_RDWR | O_CREAT | O_TRUNC);
    if (!fd.valid()) return PosixError(path, "create", errno);
    return std::unique_ptr<WritableFile>(new PosixWritableFile(std::move(fd), path));
  }
  Result<std::unique_ptr<WritableFile>> OpenForWrite(const std::string& path) override {
    Descriptor fd = Open(path, O_RDWR);
    if (!fd.valid()) return PosixError(path, "open", errno);
    return std::unique_ptr<WritableFile>(new PosixWritableFile(std::move(fd), path));
  }
  Status Rename(const std::string& from, const std::string& to) override {
    if (::rename(from.c_str(), to.c_str()) != 0) return PosixError(from, "rename to " + to, errno);
    return {};
  }
  Status Remove(const std::string& path) override {
    if (::unlink(path.c_str()) != 0) return PosixError(path, "remove", errno);
    return {};
  }
  Status Link(const std::string& from, const std::string& to) override {
    if (::link(from.c_str(), to.c_str()) != 0) return PosixError(from, "link to " + to, errno);
    return {};
  }
  Status CreateDir(const std::string& path) override {
    if (::mkdir(path.c_str(), kDirMode) == 0) return {};
    const int error = errno;
    struct stat info;
    if (error == EEXIST && ::stat(path.c_str(), &info) == 0 && S_ISDIR(info.st_mode)) return {};
    return PosixError(path, "create directory", error);
  }
  Status RemoveDir(const std::string& path) override {
    if (::rmdir(path.c_str()) != 0) return PosixError(path, "remove directory", errno);
    return {};
  }
  Result<std::vector<std::string>> List(const std::string& dir) override;
  Status SyncDir(const std::string& dir) override {
    const Descriptor fd = Open(dir, O_RDONLY | O_DIRECTORY);
    if (!fd.valid()) return PosixError(dir, "open directory", errno);
    if (Retry([&] { return ::fsync(fd.get()); }) == 0) return {};
    // Never kNoSpace: who tries again when there is space may be told that all is well (rule R5).
    return Status::IoError(std::string(PosixError(dir, "fsync", errno).message()));
  }
  Result<bool> Exists(const std::string& path) override {
    struct stat info;
    if (::stat(path.c_str(), &info) == 0) return true;
    if (errno == ENOENT || errno == ENOTDIR) return false;
    return PosixError(path, "stat", errno);
  }
  Result<uint64_t> FileSize(const std::string& path) override {
    struct stat info;
    if (::stat(path.c_str(), &info) != 0) return PosixError(path, "stat", errno);
    return static_cast<uint64_t>(info.st_size);
  }
  Result<std::unique_ptr<FileLock>> Lock(const std::string& path) override;
};

Result<std::vector<std::string>> PosixFileSystemImpl::List(const std::string& dir) {
  struct Closer {
    void operator()(DIR* stream) const { ::closedir(stream); }
  };
  std::unique_ptr<DIR, Closer> stream(::opendir(dir.c_str()));
  if (stream == nullptr) return PosixError(dir, "open directory", errno);
  std::vector<std::string> names;
  for (;;) {
    errno = 0;  // a null entry is the end or an error; only errno tells
    const dirent* entry = ::readdir(stream.get());
    if (entry == nullptr) break;
    const std::string_view name = entry->d_name;
    if (name != "." && name != "..") names.emplace_back(name);
  }
  if (errno != 0) return PosixError(dir, "read directory", errno);
  return names;
}

// flock belongs to the open file description: it excludes other processes and other opens of this one alike, and the
// kernel drops it when the last copy of the descriptor is closed.
Result<std::unique_ptr<FileLock>> PosixFileSystemImpl::Lock(const std::string& path) {
  for (;;) {
    Descriptor fd = Open(path, O_RDWR | O_CREAT);
    if (!fd.valid()) return PosixError(path, "open", errno);
    if (Retry([&] { return ::flock(fd.get(), LOCK_EX | LOCK_NB); }) != 0) {
      if (errno == EWOULDBLOCK) return Status::Busy(path + ": held by " + HolderOf(fd));
      return PosixError(path, "lock", errno);
    }
    // Between open and flock the file may have been removed: then we hold a lock that nobody else will see.
    struct stat held, named;
    if (::fstat(fd.get(), &held) != 0) return PosixError(path, "fstat", errno);
    if (::stat(path.c_str(), &named) != 0 || held.st_ino != named.st_ino || held.st_dev != named.st_dev) continue;

    // Only a courtesy to whoever is refused: a full disk must not stand in the way of opening.
    const std::string pid = std::to_string(::getpid()) + "\n";
    if (::ftruncate(fd.get(), 0) == 0) {
      [[maybe_unused]] const ssize_t ignored = ::pwrite(fd.get(), pid.data(), pid.size(), 0);
    }
    return std::unique_ptr<FileLock>(new PosixFileLock(std::move(fd)));
  }
}

}  // namespace

FileSystem* PosixFileSystem() {
  static auto* file_system = new PosixFileSystemImpl();
  return file_system;
}

}  // namespace varve::lsm
