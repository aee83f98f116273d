#include "lsm/version/manifest.h"

#include <gtest/gtest.h>

#include "lsm/io/fault_file_system.h"
#include "lsm/io/memory_file_system.h"
#include "lsm/version/file_names.h"
#include "tests/lsm/db_test_util.h"
#include "tests/lsm/fail_each_call.h"

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

  // A manifest of these records, named by CURRENT.
  std::unique_ptr<LogWriter> Forge(const std::vector<std::string>& records) {
    auto log = LogWriter::Open(&disk_, "/db/MANIFEST-000003", {.number = 3, .salt = 7});
    EXPECT_TRUE(log.ok()) << log.status().ToString();
    for (const std::string& record : records) EXPECT_TRUE((*log)->Append(record).ok());
    SetCurrent("MANIFEST-000003 1\n");
    return std::move(log).value();
  }
  void SetCurrent(const std::string& bytes) { ASSERT_TRUE((*disk_.Create("/db/CURRENT"))->WriteAt(0, bytes).ok()); }
  static std::string First() { return FirstEdit({}).Encode(); }

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

TEST_F(ManifestTest, SaysAllOfItsState) {
  ManifestState state;
  state.wal_number = 4;
  state.next_number = 9;
  state.flushed_sequence = 20;
  state.durable_sequence = 30;
  state.merge_operator = "counter";
  Create(3, state);
  ManifestReader reader;
  ASSERT_TRUE(reader.Open(context_).ok());
  EXPECT_EQ(reader.state().flushed_sequence, 20u);
  EXPECT_EQ(reader.state().durable_sequence, 30u);
  EXPECT_EQ(reader.state().merge_operator, "counter");
  state.durable_sequence = 10;  // in tables: nothing the log has to reach
  EXPECT_FALSE(FirstEdit(state).durable_sequence.has_value());
}

TEST_F(ManifestTest, RemembersTheLastJobs) {
  ManifestState state;
  for (uint64_t id = 1; id <= kJobHistoryMax + 5; ++id) {
    VersionEdit edit;
    auto job = std::make_shared<Job>();
    job->id = id;
    edit.jobs.push_back(std::move(job));
    ASSERT_TRUE(ApplyEdit(edit, "M", &state).ok());
  }
  ASSERT_EQ(state.jobs.size(), kJobHistoryMax);
  EXPECT_EQ(state.jobs.front()->id, 6u);
  EXPECT_EQ(state.jobs.back()->id, kJobHistoryMax + 5);
}

TEST_F(ManifestTest, AnEditThatDoesNotFitChangesNothing) {
  ManifestState state;
  ASSERT_TRUE(ApplyEdit(Adding(10), "M", &state).ok());
  VersionEdit edit;
  edit.removed.push_back({2, 10});
  edit.flushed_sequence = 11;
  EXPECT_TRUE(ApplyEdit(edit, "M", &state).Is(StatusCode::kCorruption));
  EXPECT_EQ(state.flushed_sequence, 10u);
  EXPECT_EQ(state.version->level(1).size(), 1u);
}

TEST_F(ManifestTest, CurrentThatSaysSomethingElse) {
  Create(3, {});
  const std::string good = CurrentBytes();
  for (const std::string& bad :
       {std::string(), std::string("\n"), std::string("MANIFEST-000003"), std::string("MANIFEST-000003\n"),
        std::string("MANIFEST-000003 \n"), std::string("MANIFEST-000003 x\n"), std::string("MANIFEST-000003 12"),
        std::string("MANIFEST-000003 12 \n"), std::string("MANIFEST-000003 99999999999999999999\n"),
        std::string("MANIFEST-3 12\n"), std::string("000003.wal 12\n"), good + "x", std::string(70, 'M')}) {
    SetCurrent(bad);
    const Status status = ReadCurrent(&disk_, "/db").status();
    EXPECT_EQ(status.message(), "/db/CURRENT: does not name a manifest (want one line like MANIFEST-000001 1234)")
        << bad;
    EXPECT_TRUE(ManifestReader().Open(context_).Is(StatusCode::kCorruption)) << bad;
  }
  SetCurrent("MANIFEST-000004 12\n");
  const Status missing = ManifestReader().Open(context_);
  EXPECT_TRUE(missing.Is(StatusCode::kCorruption)) << missing.ToString();
  EXPECT_EQ(missing.message(), "/db/CURRENT: names MANIFEST-000004, but that file is missing");
  SetCurrent(good);
  EXPECT_TRUE(ManifestReader().Open(context_).ok());
}

// Records that check as records, and are no edits, or none that fit.
TEST_F(ManifestTest, RecordsThatAreNoEditsAreRefused) {
  VersionEdit missing, overlap;
  missing.removed.push_back({1, 12});
  for (const uint64_t number : {7, 8}) {
    TableFacts facts;
    facts.file_size = 100;
    facts.smallest = number == 7 ? "a" : "b";
    facts.largest = "c";
    overlap.added.push_back({1, std::make_shared<TableFile>(number, 1, std::move(facts), context_)});
  }
  const std::string malformed("\x02\xff", 2);
  const struct {
    std::vector<std::string> records;
    const char* message;
  } cases[] = {
      {{}, "/db/MANIFEST-000003: the manifest holds no whole record"},
      {{Adding(10).Encode()}, ": the first edit names no format"},
      {{First(), malformed}, ": malformed wal number in a version edit"},
      {{First(), missing.Encode()}, ": removes table 12 from level 1, which does not have it"},
      {{First(), overlap.Encode()}, "/db/MANIFEST-000003: W1: level 1 tables 7 and 8 overlap in keys"},
      {{First(), overlap.Encode(), malformed}, ": malformed wal number in a version edit"},  // the first of two defects
  };
  for (const auto& c : cases) {
    Forge(c.records);
    ManifestReader reader;
    const Status status = reader.Open(context_);
    EXPECT_TRUE(status.Is(StatusCode::kCorruption)) << status.ToString();
    EXPECT_TRUE(status.message().starts_with("/db/MANIFEST-000003: ")) << status.ToString();
    EXPECT_TRUE(status.message().ends_with(c.message)) << status.ToString();
  }
}

// What a follower has read stands, though an error comes behind it.
TEST_F(ManifestTest, AFollowerKeepsWhatItReadBeforeAnError) {
  const auto log = Forge({First()});
  ManifestReader reader;
  ASSERT_TRUE(reader.Open(context_).ok());
  ASSERT_TRUE(log->Append(Adding(10).Encode()).ok() && log->Append("\x02\xff").ok());
  const auto more = reader.Advance();
  EXPECT_TRUE(more.status().Is(StatusCode::kCorruption)) << more.status().ToString();
  EXPECT_EQ(reader.state().flushed_sequence, 10u);
  EXPECT_EQ(reader.state().version->level(1).size(), 1u);
}

// The old manifest is live, and whole, until the new one is.
TEST_F(ManifestTest, OneThatCannotBeMadeLeavesTheOldOne) {
  ManifestState old_state, new_state;
  old_state.wal_number = 4;
  new_state.wal_number = 5;
  Create(3, old_state);
  FailEachCall(
      &fs_, [&] { return ManifestWriter::Create(&fs_, &random_, "/db", 4, new_state).status(); },
      [&](bool met, const Status& status) {
        EXPECT_TRUE(met || status.ok()) << status.ToString();
        const auto after = disk_.CrashClone(CrashPlan::KeepAll());
        context_->file_system = after.get();
        ManifestReader reader;
        ASSERT_TRUE(reader.Open(context_).ok());
        EXPECT_TRUE(!status.ok() || reader.name() == "MANIFEST-000004");
        EXPECT_EQ(reader.state().wal_number, reader.number() == 4 ? 5u : 4u);
      });
  context_->file_system = &fs_;
}

TEST_F(ManifestTest, ReadingFailsWithItsCalls) {
  auto writer = Create(3, {});
  ASSERT_TRUE(writer->Append(Adding(10)).ok());
  FailEachCall(
      &fs_,
      [&] {
        ManifestReader reader;
        Status status = reader.Open(context_);
        if (status.ok()) status = reader.Advance().status();
        return status;
      },
      [&](bool met, const Status& status) { EXPECT_EQ(status.Is(StatusCode::kIoError), met) << status.ToString(); });
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

TEST_F(ManifestTest, AnEndThatCannotBeNotedIsNotedLater) {
  auto writer = Create(3, {});
  ASSERT_TRUE(writer->Append(Adding(10)).ok());
  const uint64_t before = ReadCurrent(&disk_, "/db")->durable_bytes;
  FailEachCall(
      &fs_, [&] { return writer->NoteEnd(); },
      [&](bool met, const Status& status) {
        EXPECT_EQ(status.Is(StatusCode::kIoError), met) << status.ToString();
        EXPECT_TRUE(ReadCurrent(&disk_, "/db").ok()) << "old or new, but whole";
      });
  EXPECT_GT(ReadCurrent(&disk_, "/db")->durable_bytes, before);
  EXPECT_TRUE(ManifestReader().Open(context_).ok());
}

TEST_F(ManifestTest, NoCurrent) {
  ManifestReader reader;
  EXPECT_TRUE(reader.Open(context_).Is(StatusCode::kNotFound));
}

}  // namespace
}  // namespace varve::lsm
