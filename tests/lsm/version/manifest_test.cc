#include "lsm/version/manifest.h"

#include <gtest/gtest.h>

#include "lsm/io/fault_file_system.h"
#include "lsm/io/memory_file_system.h"
#include "lsm/version/file_names.h"
#include "tests/lsm/db_test_util.h"

namespace varve::lsm {
namespace {

TEST(FileNames, AreWrittenAndRead) {
  EXPECT_EQ(ManifestName(5), "MANIFEST-000005");
  EXPECT_EQ(WalFileName("/db", 12), "/db/000012.wal");
  EXPECT_EQ(WalFileName("/db", 12345678), "/db/12345678.wal");
  EXPECT_EQ(TableFileName("/db", 13), "/db/000013.sst");
  EXPECT_EQ(CurrentFileName("/db"), "/db/CURRENT");
  EXPECT_EQ(LockFileName("/db"), "/db/LOCK");
  struct Case {
    const char* name;
    FileKind kind;
    uint64_t number;
  };
  const Case cases[] = {
      {"CURRENT", FileKind::kCurrent, 0},       {"LOCK", FileKind::kLock, 0},
      {"CURRENT.tmp", FileKind::kTemporary, 0}, {"MANIFEST-000005", FileKind::kManifest, 5},
      {"000012.wal", FileKind::kWal, 12},       {"12345678.wal", FileKind::kWal, 12345678},
      {"000013.sst", FileKind::kTable, 13},     {"12.wal", FileKind::kForeign, 0},
      {"00001x.wal", FileKind::kForeign, 0},    {"-00001.wal", FileKind::kForeign, 0},
      {"000012.wal2", FileKind::kForeign, 0},   {"99999999999999999999999.sst", FileKind::kForeign, 0},
      {"MANIFEST-", FileKind::kForeign, 0},     {"MANIFEST-5", FileKind::kForeign, 0},
      {"000014.vlog", FileKind::kValueLog, 14}, {"14.vlog", FileKind::kForeign, 0},
      {"current", FileKind::kForeign, 0},       {"", FileKind::kForeign, 0},
  };
  for (const Case& c : cases) {
    const ParsedName parsed = ParseFileName(c.name);
    EXPECT_EQ(parsed.kind, c.kind) << c.name;
    if (c.kind == FileKind::kForeign) continue;
    EXPECT_EQ(parsed.number, c.number) << c.name;
  }
}

class ManifestTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(disk_.CreateDir("/db").ok());
    context_->file_system = &fs_;
    context_->dir = "/db";
  }
  std::unique_ptr<ManifestWriter> Create(uint64_t number, const ManifestState& state) {
    auto writer = ManifestWriter::Create(&fs_, &random_, "/db", number, state);
    EXPECT_TRUE(writer.ok()) << writer.status().ToString();
    return writer.ok() ? std::move(writer).value() : nullptr;
  }
  VersionEdit Adding(uint64_t number) {
    TableFacts facts;
    facts.file_size = 100;
    facts.smallest = facts.largest = std::to_string(number);
    VersionEdit edit;
    edit.added.push_back({1, std::make_shared<TableFile>(number, 1, std::move(facts), context_)});
    edit.flushed_sequence = number;
    return edit;
  }

  std::string CurrentBytes() { return FileBytes(&disk_, "/db/CURRENT"); }

  MemoryFileSystem disk_;
  FaultFileSystem fs_{&disk_};
  SeededRandom random_{1};
  std::shared_ptr<TableContext> context_ = std::make_shared<TableContext>();
};

// R1, R2: bytes before name, name before CURRENT, CURRENT whole or not at all.
TEST_F(ManifestTest, BecomesLiveInTheRightOrder) {
  fs_.SetTracing(true);
  auto writer = Create(3, {});
  std::vector<std::string> calls;
  for (const std::string& line : fs_.Trace()) {  // number, operation, class, path, ...
    const size_t op = line.find(' ') + 1, kind = line.find(' ', op) + 1;
    std::string call = line.substr(op, line.find(' ', kind) - op);
    if (calls.empty() || calls.back() != call) calls.push_back(std::move(call));
  }
  EXPECT_EQ(calls, (std::vector<std::string>{"create manifest", "write manifest", "sync manifest", "write manifest",
                                             "syncdir dir", "create current", "write current", "sync current",
                                             "close current", "rename current", "syncdir dir"}));
  // The mark (a block and the size), and /db in its parent, which is not the manifest's business.
  EXPECT_EQ(disk_.UnsyncedCount(), 3u);
  const auto current = ReadCurrent(&disk_, "/db");
  ASSERT_TRUE(current.ok()) << current.status().ToString();
  EXPECT_EQ(current->manifest, "MANIFEST-000003");
  EXPECT_GT(current->durable_bytes, 50u);
  EXPECT_LT(current->durable_bytes, writer->size());  // the mark is not
  EXPECT_EQ(CurrentBytes(), "MANIFEST-000003 " + std::to_string(current->durable_bytes) + "\n");
}

TEST_F(ManifestTest, ReaderGoesOnWhereItStopped) {
  ManifestState state;
  state.wal_number = 4;
  state.next_number = 9;
  auto writer = Create(3, state);
  ManifestReader reader;
  ASSERT_TRUE(reader.Open(context_).ok());
  EXPECT_EQ(reader.name(), "MANIFEST-000003");
  EXPECT_EQ(reader.state().wal_number, 4u);
  EXPECT_EQ(reader.state().next_number, 9u);
  EXPECT_FALSE(*reader.Advance());
  for (uint64_t n = 10; n < 13; ++n) {
    ASSERT_TRUE(writer->Append(Adding(n)).ok());
    EXPECT_TRUE(*reader.Advance());
    EXPECT_EQ(reader.state().flushed_sequence, n);
    EXPECT_EQ(reader.state().version->level(1).size(), n - 9);
  }
  EXPECT_FALSE(writer->WantsRewrite());
}

// A whole edit may be missing from the end, but not below what CURRENT says.
TEST_F(ManifestTest, OneThatLostItsEndIsRefused) {
  auto writer = Create(3, {});
  const uint64_t first = *disk_.FileSize(writer->path());
  ASSERT_TRUE(writer->Append(Adding(10)).ok());
  const auto cut_to_first = [&] {
    auto clone = disk_.CrashClone(CrashPlan::KeepAll());
    const std::string bytes = FileBytes(clone.get(), writer->path()).substr(0, first);
    EXPECT_TRUE((*clone->Create(writer->path()))->WriteAt(0, bytes).ok());
    return clone;
  };
  auto before = cut_to_first();
  context_->file_system = before.get();
  EXPECT_TRUE(ManifestReader().Open(context_).ok());

  ASSERT_TRUE(writer->NoteEnd().ok());
  const std::string noted = CurrentBytes();
  ASSERT_TRUE(writer->NoteEnd().ok());
  EXPECT_EQ(CurrentBytes(), noted);
  auto after = cut_to_first();
  context_->file_system = after.get();
  const Status refused = ManifestReader().Open(context_);
  EXPECT_TRUE(refused.Is(StatusCode::kCorruption)) << refused.ToString();
  EXPECT_TRUE(refused.message().starts_with("/db/MANIFEST-000003: offset ")) << refused.ToString();
  context_->file_system = &fs_;
  EXPECT_TRUE(ManifestReader().Open(context_).ok());
}

TEST_F(ManifestTest, TornLastEditIsCut) {
  auto writer = Create(3, {});
  ASSERT_TRUE(writer->Append(Adding(10)).ok());
  const uint64_t end = *disk_.FileSize(writer->path());
  ASSERT_TRUE(writer->Append(Adding(11)).ok());
  {
    auto file = disk_.OpenForWrite(writer->path());
    const uint64_t size = *(*file)->Size();
    ASSERT_TRUE((*file)->WriteAt(end + 20, std::string(size - end - 20, '\0')).ok());
  }
  ManifestReader reader;
  ASSERT_TRUE(reader.Open(context_).ok());
  EXPECT_EQ(reader.state().flushed_sequence, 10u);
}

TEST_F(ManifestTest, AFailedSyncFencesAFailedWriteDoesNot) {
  auto writer = Create(3, {});
  FaultRule rule;
  rule.ops = {FileOp::kWriteAt};
  rule.code = StatusCode::kNoSpace;
  fs_.AddRule(rule);
  EXPECT_TRUE(writer->Append(Adding(10)).Is(StatusCode::kNoSpace));
  EXPECT_FALSE(writer->fenced());
  fs_.ClearRules();
  EXPECT_TRUE(writer->Append(Adding(10)).ok());
  rule.ops = {FileOp::kSync};
  fs_.AddRule(rule);
  EXPECT_FALSE(writer->Append(Adding(11)).ok());
  EXPECT_TRUE(writer->fenced());
  fs_.ClearRules();
  EXPECT_TRUE(writer->Append(Adding(12)).Is(StatusCode::kFenced));
}

TEST_F(ManifestTest, NoCurrent) {
  ManifestReader reader;
  EXPECT_TRUE(reader.Open(context_).Is(StatusCode::kNotFound));
}

}  // namespace
}  // namespace varve::lsm
