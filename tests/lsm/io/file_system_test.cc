// What every implementation of FileSystem must do, run against each of them.
#include "lsm/io/file_system.h"

#include <gtest/gtest.h>
#include <stdlib.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>

#include "lsm/io/fault_file_system.h"
#include "lsm/io/memory_file_system.h"

namespace varve::lsm {
namespace {

// A file system and an empty directory in it.
struct Place {
  virtual ~Place() = default;
  FileSystem* fs = nullptr;
  std::string dir;
};

struct PosixPlace : Place {
  PosixPlace() {
    std::string pattern = (std::filesystem::temp_directory_path() / "varve-io-XXXXXX").string();
    if (mkdtemp(pattern.data()) == nullptr) std::abort();
    fs = PosixFileSystem();
    dir = pattern;
  }
  ~PosixPlace() override { std::filesystem::remove_all(dir); }
};

struct MemoryPlace : Place {
  MemoryPlace() {
    fs = &memory;
    dir = "/dir";
    if (!memory.CreateDir(dir).ok()) std::abort();
  }
  MemoryFileSystem memory;
};

struct FaultPlace : MemoryPlace {
  FaultPlace() { fs = &faulty; }
  FaultFileSystem faulty{&memory};
};

template <typename T>
std::unique_ptr<Place> Make() {
  return std::make_unique<T>();
}

struct Param {
  const char* name;
  std::unique_ptr<Place> (*make)();
};

class FileSystemTest : public testing::TestWithParam<Param> {
 protected:
  std::string Path(const std::string& name) const { return place_->dir + "/" + name; }
  void Write(const std::string& name, std::string_view bytes) {
    auto file = fs_->Create(Path(name));
    ASSERT_TRUE(file.ok()) << file.status().ToString();
    ASSERT_TRUE((*file)->WriteAt(0, bytes).ok());
    ASSERT_TRUE((*file)->Close().ok());
  }
  std::string Read(const std::string& name) {
    auto file = fs_->OpenForRead(Path(name));
    if (!file.ok()) return file.status().ToString();
    std::string bytes((*file)->Size().value(), '?');
    EXPECT_EQ((*file)->ReadAt(0, bytes.size(), bytes.data()).value(), bytes.size());
    return bytes;
  }
  std::vector<std::string> Names() {
    auto names = fs_->List(place_->dir);
    EXPECT_TRUE(names.ok());
    std::sort(names->begin(), names->end());
    return *names;
  }

  const std::unique_ptr<Place> place_ = GetParam().make();
  FileSystem* const fs_ = place_->fs;
};

INSTANTIATE_TEST_SUITE_P(All, FileSystemTest,
                         testing::Values(Param{"Posix", &Make<PosixPlace>}, Param{"Memory", &Make<MemoryPlace>},
                                         Param{"Fault", &Make<FaultPlace>}),
                         [](const auto& param) { return param.param.name; });

TEST_P(FileSystemTest, WrittenBytesAreRead) {
  auto file = fs_->Create(Path("a"));
  ASSERT_TRUE(file.ok());
  EXPECT_EQ((*file)->path(), Path("a"));
  ASSERT_TRUE((*file)->WriteAt(0, "hello world").ok());
  ASSERT_TRUE((*file)->WriteAt(6, "there").ok());
  EXPECT_EQ((*file)->Size().value(), 11u);
  EXPECT_TRUE((*file)->Sync().ok());
  EXPECT_TRUE((*file)->Close().ok());
  EXPECT_TRUE((*file)->Close().ok()) << "idempotent";
  EXPECT_TRUE(fs_->SyncDir(place_->dir).ok());
  EXPECT_EQ(Read("a"), "hello there");
  EXPECT_EQ(fs_->FileSize(Path("a")).value(), 11u);
}

TEST_P(FileSystemTest, ReadsEndAtTheEndOfTheFile) {
  Write("a", "0123456789");
  auto file = fs_->OpenForRead(Path("a"));
  ASSERT_TRUE(file.ok());
  char buffer[20];
  EXPECT_EQ((*file)->ReadAt(7, 20, buffer).value(), 3u);
  EXPECT_EQ(std::string_view(buffer, 3), "789");
  EXPECT_EQ((*file)->ReadAt(10, 20, buffer).value(), 0u);
  EXPECT_EQ((*file)->ReadAt(1000, 20, buffer).value(), 0u);
  EXPECT_EQ((*file)->ReadAt(0, 0, buffer).value(), 0u);
}

TEST_P(FileSystemTest, HolesReadAsZeros) {
  auto file = fs_->Create(Path("a"));
  ASSERT_TRUE(file.ok());
  ASSERT_TRUE((*file)->WriteAt(10000, "end").ok());
  EXPECT_EQ(Read("a"), std::string(10000, '\0') + "end");
}

TEST_P(FileSystemTest, LargeWritesOfManyBlocks) {
  std::string bytes(3'000'001, '\0');
  for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<char>(i * 131 >> 3);
  auto file = fs_->Create(Path("a"));
  ASSERT_TRUE(file.ok());
  ASSERT_TRUE((*file)->WriteAt(0, bytes).ok());
  EXPECT_TRUE(Read("a") == bytes);
}

TEST_P(FileSystemTest, CreateTruncatesAndOpenForWriteKeeps) {
  Write("a", "0123456789");
  auto file = fs_->OpenForWrite(Path("a"));
  ASSERT_TRUE(file.ok());
  ASSERT_TRUE((*file)->WriteAt(3, "xyz").ok());
  EXPECT_EQ(Read("a"), "012xyz6789");
  Write("a", "new");
  EXPECT_EQ(Read("a"), "new");
}

TEST_P(FileSystemTest, MissingFilesAreNotFoundAndNamed) {
  const Status status = fs_->OpenForRead(Path("a")).status();
  EXPECT_TRUE(status.Is(StatusCode::kNotFound));
  EXPECT_EQ(status.message(), Path("a") + ": open: No such file or directory");
  EXPECT_TRUE(fs_->OpenForWrite(Path("a")).status().Is(StatusCode::kNotFound));
  EXPECT_TRUE(fs_->Remove(Path("a")).Is(StatusCode::kNotFound));
  EXPECT_TRUE(fs_->Rename(Path("a"), Path("b")).Is(StatusCode::kNotFound));
  EXPECT_TRUE(fs_->Link(Path("a"), Path("b")).Is(StatusCode::kNotFound));
  EXPECT_TRUE(fs_->FileSize(Path("a")).status().Is(StatusCode::kNotFound));
  EXPECT_TRUE(fs_->List(Path("a")).status().Is(StatusCode::kNotFound));
  EXPECT_TRUE(fs_->SyncDir(Path("a")).Is(StatusCode::kNotFound));
  EXPECT_TRUE(fs_->Create(Path("a/b")).status().Is(StatusCode::kNotFound));
  EXPECT_TRUE(fs_->CreateDir(Path("a/b")).Is(StatusCode::kNotFound)) << "the parent must exist";
  EXPECT_FALSE(fs_->Exists(Path("a")).value());
  EXPECT_FALSE(fs_->Exists(Path("a/b")).value());
}

TEST_P(FileSystemTest, RenameReplacesTheTarget) {
  Write("a", "new");
  Write("b", "old");
  ASSERT_TRUE(fs_->Rename(Path("a"), Path("b")).ok());
  EXPECT_EQ(Names(), std::vector<std::string>{"b"});
  EXPECT_EQ(Read("b"), "new");
  EXPECT_FALSE(fs_->Exists(Path("a")).value());
  EXPECT_TRUE(fs_->Exists(Path("b")).value());
}

TEST_P(FileSystemTest, LinksAreSecondNames) {
  Write("a", "one");
  ASSERT_TRUE(fs_->Link(Path("a"), Path("b")).ok());
  EXPECT_TRUE(fs_->Link(Path("a"), Path("b")).Is(StatusCode::kIoError)) << "never replaces";
  ASSERT_TRUE(fs_->Rename(Path("a"), Path("b")).ok());
  EXPECT_EQ(Names(), (std::vector<std::string>{"a", "b"})) << "two names of one file stay two";
  ASSERT_TRUE(fs_->Remove(Path("a")).ok());
  EXPECT_EQ(Read("b"), "one");
}

TEST_P(FileSystemTest, DirectoriesAreMadeOnceListedAndRemovedEmpty) {
  ASSERT_TRUE(fs_->CreateDir(Path("sub")).ok());
  ASSERT_TRUE(fs_->CreateDir(Path("sub")).ok()) << "OK when it exists";
  Write("sub/a", "one");
  Write("file", "");
  EXPECT_TRUE(fs_->CreateDir(Path("file")).Is(StatusCode::kIoError));
  EXPECT_EQ(Names(), (std::vector<std::string>{"file", "sub"}));
  EXPECT_TRUE(fs_->RemoveDir(Path("sub")).Is(StatusCode::kIoError)) << "not empty";
  EXPECT_TRUE(fs_->RemoveDir(Path("file")).Is(StatusCode::kIoError)) << "not a directory";
  EXPECT_TRUE(fs_->Remove(Path("sub")).Is(StatusCode::kIoError)) << "not a file";
  ASSERT_TRUE(fs_->Rename(Path("sub"), Path("moved")).ok());
  EXPECT_EQ(Read("moved/a"), "one");
  ASSERT_TRUE(fs_->Remove(Path("moved/a")).ok());
  ASSERT_TRUE(fs_->RemoveDir(Path("moved")).ok());
  EXPECT_EQ(Names(), std::vector<std::string>{"file"});
}

TEST_P(FileSystemTest, ALockIsHeldUntilItDies) {
  auto lock = fs_->Lock(Path("LOCK"));
  ASSERT_TRUE(lock.ok()) << lock.status().ToString();
  const Status refused = fs_->Lock(Path("LOCK")).status();
  EXPECT_TRUE(refused.Is(StatusCode::kBusy));
  EXPECT_EQ(refused.message(), Path("LOCK") + ": held by process " + std::to_string(getpid()));
  lock->reset();
  EXPECT_TRUE(fs_->Lock(Path("LOCK")).ok());
  EXPECT_TRUE(fs_->Exists(Path("LOCK")).value());
}

TEST_P(FileSystemTest, RemovedFilesServeTheirReaders) {
  Write("a", "one");
  auto file = fs_->OpenForRead(Path("a"));
  ASSERT_TRUE(file.ok());
  ASSERT_TRUE(fs_->Remove(Path("a")).ok());
  char bytes[3];
  EXPECT_EQ((*file)->ReadAt(0, 3, bytes).value(), 3u);
}

}  // namespace
}  // namespace varve::lsm
