// What only the real one can show; the common behaviour is in file_system_test.cc.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/magic.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/uio.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "lsm/io/file_in_memory.h"
#include "lsm/io/file_system.h"

namespace varve::lsm {
namespace {

class PosixFileSystemTest : public testing::Test {
 protected:
  PosixFileSystemTest() {
    std::string pattern = (std::filesystem::temp_directory_path() / "varve-posix-XXXXXX").string();
    if (mkdtemp(pattern.data()) == nullptr) std::abort();
    dir_ = pattern;
  }
  ~PosixFileSystemTest() override { std::filesystem::remove_all(dir_); }

  FileSystem* const fs_ = PosixFileSystem();
  std::string dir_;
};

TEST_F(PosixFileSystemTest, AFullDeviceGivesNoSpace) {
  auto file = fs_->OpenForWrite("/dev/full");
  ASSERT_TRUE(file.ok()) << file.status().ToString();
  const Status status = (*file)->WriteAt(0, "x");
  EXPECT_TRUE(status.Is(StatusCode::kNoSpace));
  EXPECT_EQ(status.message(), "/dev/full: write: No space left on device");
}

// The soft limit stands for programs that use select(2); a database has a descriptor for each table file.
TEST_F(PosixFileSystemTest, TakesTheDescriptorsThatItMayHave) {
  rlimit before{};
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &before), 0);
  ASSERT_GT(before.rlim_max, 200u);
  const rlimit few{.rlim_cur = 64, .rlim_max = before.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &few), 0);
  std::vector<std::unique_ptr<WritableFile>> files;
  for (int i = 0; i < 100; ++i) {
    auto file = fs_->Create(dir_ + "/" + std::to_string(i));
    ASSERT_TRUE(file.ok()) << file.status().ToString();
    files.push_back(std::move(file).value());
  }
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &before), 0);
}

// The limit cannot be raised again everywhere: in a child process.
TEST_F(PosixFileSystemTest, AFullTableOfOpenFilesIsLackOfSpace) {
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    const rlimit few{.rlim_cur = 40, .rlim_max = 40};
    if (setrlimit(RLIMIT_NOFILE, &few) != 0) _exit(2);
    std::vector<std::unique_ptr<WritableFile>> files;
    for (int i = 0; i < 40; ++i) {
      auto file = fs_->Create(dir_ + "/" + std::to_string(i));
      if (!file.ok()) _exit(file.status().Is(StatusCode::kNoSpace) ? 0 : 3);
      files.push_back(std::move(file).value());
    }
    _exit(4);
  }
  int status = -1;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

// Whatever is prepared, and wherever writes begin and end: the file holds what was written, and another reader sees it.
// (All of it is in the page cache, so nothing becomes zeros.)
TEST_F(PosixFileSystemTest, PreparedWritesAreWrites) {
  auto file = fs_->Create(dir_ + "/log");
  ASSERT_TRUE(file.ok());
  std::mt19937 random(1);
  std::string model;
  for (int i = 0; i < 2000; ++i) {
    const size_t offset = random() % 200'000;
    if (i % 50 == 0) (*file)->Prepare(offset, i % 150 == 0 ? 0 : 1 + random() % 100'000);
    const std::string bytes(random() % (i % 9 == 0 ? 30'000 : 40), static_cast<char>('a' + i % 26));
    ASSERT_TRUE((*file)->WriteAt(offset, bytes).ok());
    if (model.size() < offset + bytes.size()) model.resize(offset + bytes.size());
    model.replace(offset, bytes.size(), bytes);
    if (i % 500 == 7) {
      ASSERT_TRUE((*file)->Sync().ok());
    }
  }
  auto reader = fs_->OpenForRead(dir_ + "/log");
  ASSERT_TRUE(reader.ok());
  std::string found(*(*reader)->Size(), 'x');
  ASSERT_EQ(*(*reader)->ReadAt(0, found.size(), found.data()), found.size());
  ASSERT_GE(found.size(), model.size());
  model.resize(found.size());  // what was allocated ahead reads as zeros
  EXPECT_TRUE(found == model);
  ASSERT_TRUE((*file)->Close().ok());
  EXPECT_TRUE((*file)->WriteAt(0, "x").Is(StatusCode::kIoError));
}

// Wherever the range lies, and whatever the file is: an announcement changes no byte and no size.
TEST_F(PosixFileSystemTest, WhatIsAnnouncedReadsAsEver) {
  const std::string bytes(50'000, 'b');
  {
    auto file = fs_->Create(dir_ + "/table");
    ASSERT_TRUE(file.ok());
    ASSERT_TRUE((*file)->WriteAt(0, bytes).ok());
  }
  auto file = fs_->OpenForRead(dir_ + "/table");
  ASSERT_TRUE(file.ok());
  for (const uint64_t offset : {uint64_t{0}, uint64_t{4095}, uint64_t{49'999}, uint64_t{1} << 40, ~uint64_t{0}}) {
    for (const size_t size : {size_t{0}, size_t{1}, size_t{10'000}, ~size_t{0}}) (*file)->WillRead(offset, size);
  }
  std::string found(60'000, 'x');
  EXPECT_EQ(*(*file)->ReadAt(0, found.size(), found.data()), bytes.size());
  EXPECT_EQ(found.substr(0, bytes.size()), bytes);
  EXPECT_EQ(*(*file)->Size(), bytes.size());
  auto device = fs_->OpenForRead("/dev/zero");
  ASSERT_TRUE(device.ok());
  (*device)->WillRead(0, 4096);
  EXPECT_EQ(*(*device)->ReadAt(0, 1, found.data()), 1u);
}

// Where the kernel cannot say what it has in memory, everything would block.
TEST_F(PosixFileSystemTest, ReadsWithoutTheDiskWhatTheKernelHasInMemory) {
  std::string bytes(50'000, 'b');
  for (size_t i = 0; i < bytes.size(); i += 7) bytes[i] = static_cast<char>(i);
  {
    auto file = fs_->Create(dir_ + "/table");
    ASSERT_TRUE(file.ok());
    ASSERT_TRUE((*file)->WriteAt(0, bytes).ok());
  }
  auto file = fs_->OpenForRead(dir_ + "/table");
  ASSERT_TRUE(file.ok());
  std::string found(60'000, 'x');
  const FileInMemory in_memory(**file);
  const Result<size_t> read = in_memory.ReadAt(4'000, 20'000, found.data());
  const int fd = ::open((dir_ + "/table").c_str(), O_RDONLY | O_CLOEXEC);
  iovec one{.iov_base = found.data() + 59'999, .iov_len = 1};
  const bool told = ::preadv2(fd, &one, 1, 0, RWF_NOWAIT) == 1;
  EXPECT_EQ(read.ok(), told) << "what was just written is in memory";
  if (told) {
    EXPECT_EQ(found.substr(0, 20'000), bytes.substr(4'000, 20'000));
  }
  EXPECT_TRUE(in_memory.ReadAt(40'000, 10'001, found.data()).status().Is(StatusCode::kWouldBlock)) << "beyond the end";
  EXPECT_TRUE(in_memory.ReadAt(~uint64_t{0}, 1, found.data()).status().Is(StatusCode::kWouldBlock));
  ASSERT_EQ(::fdatasync(fd), 0);
  ASSERT_EQ(::posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED), 0);
  // The kernel may keep it all the same: then it is as before.
  if (in_memory.ReadAt(0, 8'192, found.data()).ok()) {
    EXPECT_EQ(found.substr(0, 8'192), bytes.substr(0, 8'192));
  }
  ::close(fd);
}

TEST_F(PosixFileSystemTest, PreparedWritesSurviveTheProcess) {
  const std::string path = dir_ + "/log";
  const pid_t child = fork();
  if (child == 0) {
    auto file = fs_->Create(path);
    if (!file.ok()) _exit(1);
    (*file)->Prepare(0, 64 * 1024);
    for (uint64_t i = 0; i < 1000; ++i) {
      if (!(*file)->WriteAt(i * 20, "twenty bytes a write").ok()) _exit(1);
    }
    raise(SIGKILL);
  }
  int how = 0;
  ASSERT_EQ(waitpid(child, &how, 0), child);
  ASSERT_TRUE(WIFSIGNALED(how));
  auto reader = fs_->OpenForRead(path);
  ASSERT_TRUE(reader.ok());
  std::string found(20'000, 'x');
  ASSERT_EQ(*(*reader)->ReadAt(0, found.size(), found.data()), found.size());
  for (size_t i = 0; i < 1000; ++i) ASSERT_EQ(found.substr(i * 20, 20), "twenty bytes a write");
}

// To read it from the disk first would be for nothing.
TEST_F(PosixFileSystemTest, WhatIsPreparedIsNotReadFromTheDisk) {
  constexpr uint64_t kSize = 1 << 20, kFrom = 100'001, kPrepared = 700'000, kPage = 4096;
  const std::string path = dir_ + "/used";
  const std::string old(kSize, 'o');
  {
    auto file = fs_->Create(path);
    ASSERT_TRUE(file.ok() && (*file)->WriteAt(0, old).ok() && (*file)->Sync().ok());
  }
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  ASSERT_GE(fd, 0);
  ASSERT_EQ(::posix_fadvise(fd, 300'000, 200'000, POSIX_FADV_DONTNEED), 0);
  void* const mapped = ::mmap(nullptr, kSize, PROT_READ, MAP_SHARED, fd, 0);
  ASSERT_NE(mapped, MAP_FAILED);
  std::vector<unsigned char> present(kSize / kPage);
  ASSERT_EQ(::mincore(mapped, kSize, present.data()), 0);
  ::munmap(mapped, kSize);
  ::close(fd);

  auto file = fs_->OpenForWrite(path);
  ASSERT_TRUE(file.ok());
  (*file)->Prepare(kFrom, kPrepared);
  ASSERT_TRUE((*file)->WriteAt(kFrom, "new").ok() && (*file)->Sync().ok());
  auto reader = fs_->OpenForRead(path);
  std::string found(kSize, 'x');
  ASSERT_EQ(*(*reader)->ReadAt(0, kSize, found.data()), kSize);
  EXPECT_EQ(found.substr(0, kFrom), old.substr(0, kFrom));
  EXPECT_EQ(found.substr(kFrom, 3), "new");
  const uint64_t behind = (kFrom + kPrepared + kPage - 1) / kPage * kPage;
  EXPECT_EQ(found.substr(behind), old.substr(behind));
  struct statfs info;
  ASSERT_EQ(::statfs(dir_.c_str(), &info), 0);
  for (uint64_t at = (kFrom / kPage + 1) * kPage; at < behind; at += kPage) {
    const bool is_zero = found.substr(at, kPage) == std::string(kPage, '\0');
    EXPECT_TRUE(is_zero || found.substr(at, kPage) == old.substr(at, kPage)) << at;
    if (info.f_type == EXT4_SUPER_MAGIC && (present[at / kPage] & 1) == 0) {
      EXPECT_TRUE(is_zero) << at;
    }
  }
}

TEST_F(PosixFileSystemTest, WhatCannotBePreparedIsWrittenAllTheSame) {
  auto file = fs_->OpenForWrite("/dev/full");
  ASSERT_TRUE(file.ok());
  (*file)->Prepare(0, 4096);
  EXPECT_TRUE((*file)->WriteAt(0, "x").Is(StatusCode::kNoSpace));
  file = fs_->OpenForWrite("/dev/null");
  ASSERT_TRUE(file.ok());
  (*file)->Prepare(0, 4096);
  EXPECT_TRUE((*file)->WriteAt(0, "x").ok());
}

TEST_F(PosixFileSystemTest, AClosedFileRefuses) {
  auto file = fs_->Create(dir_ + "/a");
  ASSERT_TRUE(file.ok());
  ASSERT_TRUE((*file)->Close().ok());
  EXPECT_EQ((*file)->WriteAt(0, "x").message(), dir_ + "/a: write: Bad file descriptor");
  EXPECT_TRUE((*file)->Sync().Is(StatusCode::kIoError));
}

// Half of a write fits below the limit: the loop must go on after the short count and report why the rest failed.
TEST_F(PosixFileSystemTest, AShortWriteIsContinuedUntilItsReasonShows) {
  const std::string path = dir_ + "/a";
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    const rlimit limit = {.rlim_cur = 4096, .rlim_max = 4096};
    signal(SIGXFSZ, SIG_IGN);
    if (setrlimit(RLIMIT_FSIZE, &limit) != 0) _exit(2);
    auto file = fs_->Create(path);
    if (!file.ok()) _exit(3);
    const Status status = (*file)->WriteAt(0, std::string(10000, 'x'));
    _exit(status.Is(StatusCode::kIoError) && status.message() == path + ": write: File too large" ? 0 : 4);
  }
  int result = 0;
  ASSERT_EQ(waitpid(child, &result, 0), child);
  EXPECT_TRUE(WIFEXITED(result) && WEXITSTATUS(result) == 0) << result;
  EXPECT_EQ(fs_->FileSize(path).value(), 4096u);
}

// The range can be prepared in part only: nothing is mapped, what was there stays, and writes go as far as they can.
TEST_F(PosixFileSystemTest, WhatIsPreparedInPartIsWrittenAllTheSame) {
  const std::string path = dir_ + "/a";
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    const rlimit limit = {.rlim_cur = 100'000, .rlim_max = 100'000};
    signal(SIGXFSZ, SIG_IGN);
    if (setrlimit(RLIMIT_FSIZE, &limit) != 0) _exit(2);
    auto file = fs_->Create(path);
    if (!file.ok() || !(*file)->WriteAt(0, "before").ok()) _exit(3);
    (*file)->Prepare(6, 200'000);
    if (!(*file)->WriteAt(6, " and behind").ok() || !(*file)->WriteAt(99'999, "!").ok()) _exit(4);
    _exit((*file)->WriteAt(100'000, "x").Is(StatusCode::kIoError) ? 0 : 5);
  }
  int result = 0;
  ASSERT_EQ(waitpid(child, &result, 0), child);
  EXPECT_TRUE(WIFEXITED(result) && WEXITSTATUS(result) == 0) << result;
  auto reader = fs_->OpenForRead(path);
  ASSERT_TRUE(reader.ok());
  std::string found(100'000, 'x');
  EXPECT_EQ(*(*reader)->Size(), found.size());
  ASSERT_EQ(*(*reader)->ReadAt(0, found.size(), found.data()), found.size());
  EXPECT_EQ(found, "before and behind" + std::string(99'999 - 17, '\0') + "!");
}

// A child takes the lock, tells so through a pipe, and is killed: the kernel drops the lock.
TEST_F(PosixFileSystemTest, ALockNamesItsHolderAndDiesWithIt) {
  const std::string path = dir_ + "/LOCK";
  int ready[2];
  ASSERT_EQ(pipe2(ready, O_CLOEXEC), 0);
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    auto lock = fs_->Lock(path);
    const char taken = lock.ok() ? 'y' : 'n';
    if (write(ready[1], &taken, 1) != 1) _exit(1);
    for (;;) pause();
  }
  char taken = '?';
  EXPECT_EQ(read(ready[0], &taken, 1), 1);
  EXPECT_EQ(taken, 'y');
  const Status refused = fs_->Lock(path).status();
  EXPECT_TRUE(refused.Is(StatusCode::kBusy));
  EXPECT_EQ(refused.message(), path + ": held by process " + std::to_string(child));

  EXPECT_EQ(kill(child, SIGKILL), 0);
  EXPECT_EQ(waitpid(child, nullptr, 0), child);
  auto lock = fs_->Lock(path);
  EXPECT_TRUE(lock.ok()) << lock.status().ToString();
  close(ready[0]);
  close(ready[1]);
}

TEST_F(PosixFileSystemTest, ALockFileWithoutAPidNamesNobody) {
  const std::string path = dir_ + "/LOCK";
  auto lock = fs_->Lock(path);
  ASSERT_TRUE(lock.ok());
  ASSERT_EQ(truncate(path.c_str(), 0), 0);
  EXPECT_EQ(fs_->Lock(path).status().message(), path + ": held by another process");
}

TEST_F(PosixFileSystemTest, DescriptorsAreNotInherited) {
  auto file = fs_->Create(dir_ + "/a");
  ASSERT_TRUE(file.ok());
  size_t checked = 0;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    std::error_code error;
    if (std::filesystem::read_symlink(entry.path(), error) != dir_ + "/a") continue;
    EXPECT_NE(fcntl(std::stoi(entry.path().filename().string()), F_GETFD) & FD_CLOEXEC, 0);
    ++checked;
  }
  EXPECT_EQ(checked, 1u);
}

}  // namespace
}  // namespace varve::lsm
