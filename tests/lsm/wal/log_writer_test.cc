// tests/lsm/wal/log_writer_test.cc

#include "lsm/wal/log_writer.h"

#include <gtest/gtest.h>

#include <atomic>
#include <string>
#include <thread>

#include "lsm/io/fault_file_system.h"
#include "lsm/io/memory_file_system.h"
#include "tests/lsm/fail_each_call.h"
#include "tests/lsm/wal/log_test_util.h"

namespace varve::lsm {
namespace {

// The checksum of the drawing, worked out bit by bit and without the engine's own code.
uint32_t PlainCrc(uint32_t seed, std::string_view data) {
  uint32_t crc = ~seed;
  for (const char c : data) {
    crc ^= static_cast<unsigned char>(c);
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) != 0 ? 0x82f63b78u : 0u);
  }
  return ~crc;
}

std::string PlainCrcHex(uint32_t seed, std::string_view data) {
  const uint32_t crc = PlainCrc(seed, data);
  const uint32_t masked = ((crc >> 15) | (crc << 17)) + 0xa282ead8u;
  std::string bytes;
  for (int shift = 0; shift < 32; shift += 8) bytes.push_back(static_cast<char>(masked >> shift));
  return Hex(bytes);
}

// Pins the layout of log_format.h. If this fails the format changed: add a version, do not edit the bytes.
TEST(LogFormat, GoldenBytes) {
  ScriptedFiles fs;
  const auto log = OpenLog(&fs, Segment(0x0000000500000007, 0x11223344));
  ASSERT_TRUE(log->Append("apex").ok());
  ASSERT_TRUE(log->Sync().ok());
  ASSERT_TRUE(log->Append("varve").ok());
  ASSERT_TRUE(log->Seal().ok());
  EXPECT_EQ(Hex(fs.Bytes(kLog)),
            // identity: crc, length 512, tag 7 ^ salt, no mark; magic, version 1, salt, number, zeros, salt
            "927826b9"
            "00020000"
            "43332211"
            "00000000"
            "56415256454c4f47"
            "01000000"
            "44332211"
            "0700000005000000" +
                std::string(size_t{484} * 2, '0') +
                "44332211"
                // "apex"; nothing is known to be durable
                "7d0c0a8b"
                "04000000"
                "43332211"
                "00000000"
                "61706578"
                // "varve"; the first 528 + 20 = 548 bytes are durable
                "6b876b4b"
                "05000000"
                "43332211"
                "24020000"
                "7661727665"
                // seal
                "baa3f591"
                "01000000"
                "43332211"
                "24020000"
                "ff");
}

TEST(LogFormat, ChecksumIsSeededWithTheSalt) {
  ScriptedFiles fs;
  const auto log = OpenLog(&fs, Segment(7, 0x11223344));
  ASSERT_TRUE(log->Append("apex").ok());
  const std::string& bytes = fs.Bytes(kLog);
  EXPECT_EQ(Hex(bytes.substr(0, 4)), PlainCrcHex(0, bytes.substr(4, kIdentityEnd - 4)));
  EXPECT_EQ(Hex(bytes.substr(kIdentityEnd, 4)), PlainCrcHex(0x11223344, bytes.substr(kIdentityEnd + 4)));
}

TEST(LogWriter, KeepsCountOfItsBytes) {
  ScriptedFiles fs;
  const auto log = OpenLog(&fs, Segment(7, 1));
  EXPECT_EQ(log->size(), kIdentityEnd);
  EXPECT_EQ(log->synced_size(), 0u);
  EXPECT_EQ(log->number(), 7u);
  EXPECT_EQ(log->path(), kLog);
  ASSERT_TRUE(log->Append("12345").ok());
  EXPECT_EQ(log->size(), kIdentityEnd + 21);
  ASSERT_TRUE(log->Sync().ok());
  EXPECT_EQ(log->synced_size(), log->size());
}

TEST(LogWriter, OneAppendIsOneWriteUpToAMebibyte) {
  ScriptedFiles fs;
  const auto log = OpenLog(&fs, Segment(7, 1));
  const size_t before = fs.writes().size();
  ASSERT_TRUE(log->Append(std::string(1024 * 1024, 'a')).ok());
  EXPECT_EQ(fs.writes().size(), before + 1);
  const std::string big(3 * 1024 * 1024, 'b');
  ASSERT_TRUE(log->Append(big).ok());
  EXPECT_EQ(fs.writes().size(), before + 3) << "payload, then header";
  EXPECT_EQ(ReadLog(&fs).records.at(1), big);
}

TEST(LogWriter, RefusesWhatTheFormatHasNoPlaceFor) {
  ScriptedFiles fs;
  const auto log = OpenLog(&fs, Segment(7, 1));
  EXPECT_TRUE(log->Append("").Is(StatusCode::kInvalidArgument));
  EXPECT_TRUE(log->Append("x").Is(StatusCode::kInvalidArgument)) << "one byte is a seal";
  const std::string_view endless("xy", uint64_t{1} << 32);  // refused before it is looked at
  EXPECT_TRUE(log->Append(endless).Is(StatusCode::kInvalidArgument)) << "longer than the header can say";
  ASSERT_TRUE(log->Seal().ok());
  EXPECT_TRUE(log->Append("xy").Is(StatusCode::kInvalidArgument)) << "nothing follows a seal";
}

TEST(LogWriter, FailedAppendIsOverwrittenByTheNext) {
  const std::string lost(100, 'x');
  for (size_t written = 0; written <= kLogHeaderSize + lost.size(); ++written) {
    ScriptedFiles fs;
    const auto log = OpenLog(&fs, Segment(7, 1));
    ASSERT_TRUE(log->Append("first").ok());
    const uint64_t size = log->size();
    fs.FailWriteAfter(0, written, Status::NoSpace("full"));
    EXPECT_TRUE(log->Append(lost).Is(StatusCode::kNoSpace));
    EXPECT_EQ(log->size(), size);
    EXPECT_EQ(ReadLog(&fs).records, (Records{"first"})) << "what failed does not come back";
    ASSERT_TRUE(log->Append("second").ok());
    ASSERT_TRUE(log->Append("third").ok());
    EXPECT_EQ(ReadLog(&fs).records, (Records{"first", "second", "third"})) << written;
  }
}

TEST(LogWriter, AFailedLargePayloadLeavesNoHeader) {
  ScriptedFiles fs;
  const auto log = OpenLog(&fs, Segment(7, 1));
  const uint64_t size = log->size();
  fs.FailWriteAfter(0, 1000, Status::NoSpace("full"));
  EXPECT_TRUE(log->Append(std::string(3 << 20, 'x')).Is(StatusCode::kNoSpace));
  EXPECT_EQ(log->size(), size);
  EXPECT_EQ(ReadLog(&fs).records, Records{});
  ASSERT_TRUE(log->Append("after all").ok());
  EXPECT_EQ(ReadLog(&fs).records, Records{"after all"});
}

// What was written, if anything, is not known then; without memory nothing else can be tried.
TEST(LogWriter, AWriteWithoutMemoryFences) {
  MemoryFileSystem disk;
  ASSERT_TRUE(disk.CreateDir("db").ok());
  FaultFileSystem fs(&disk);
  const auto log = OpenLog(&fs, Segment(7, 1));
  FaultRule rule = FaultRule::From(1, StatusCode::kOutOfMemory);
  rule.times_max = 1;
  fs.AddRule(rule);
  EXPECT_TRUE(log->Append("first").Is(StatusCode::kOutOfMemory));
  EXPECT_TRUE(log->fenced());
  EXPECT_TRUE(log->Append("second").Is(StatusCode::kFenced));
  EXPECT_TRUE(log->Sync().Is(StatusCode::kFenced));
}

TEST(LogWriter, OpenSaysWhichCallFailed) {
  for (const bool recycled : {false, true}) {
    MemoryFileSystem disk;
    ASSERT_TRUE(disk.CreateDir("db").ok());
    FaultFileSystem fs(&disk);
    ASSERT_TRUE((*disk.Create(kLog))->WriteAt(0, std::string(1000, 's')).ok());
    LogWriter::Setup setup = Segment(7, 1);
    setup.recycled = recycled;
    FailEachCall(
        &fs, [&] { return LogWriter::Open(&fs, kLog, setup).status(); },
        [&](bool met, const Status& status) {
          EXPECT_EQ(status.Is(StatusCode::kIoError), met) << status.ToString();
          EXPECT_EQ(ReadLog(&disk).end, met ? LogReader::End::kEmpty : LogReader::End::kOpen);
        });
  }
}

TEST(LogWriter, FailedSealCanBeRepeated) {
  ScriptedFiles fs;
  const auto log = OpenLog(&fs, Segment(7, 1));
  fs.FailWriteAfter(0, 3, Status::NoSpace("full"));
  EXPECT_TRUE(log->Seal().Is(StatusCode::kNoSpace));
  ASSERT_TRUE(log->Append("after all").ok());
  ASSERT_TRUE(log->Seal().ok());
  EXPECT_EQ(ReadLog(&fs).end, LogReader::End::kSealed);
}

TEST(LogWriter, FailedSyncFencesForEver) {
  ScriptedFiles fs;
  const auto log = OpenLog(&fs, Segment(7, 1));
  ASSERT_TRUE(log->Append("first").ok());
  fs.FailNextSync(Status::IoError("lost pages"));
  EXPECT_TRUE(log->Sync().Is(StatusCode::kIoError));
  EXPECT_EQ(log->synced_size(), 0u);
  EXPECT_TRUE(log->Sync().Is(StatusCode::kFenced));
  EXPECT_TRUE(log->Append("second").Is(StatusCode::kFenced));
  EXPECT_TRUE(log->Seal().Is(StatusCode::kFenced));
  EXPECT_EQ(fs.syncs(), 1) << "a failed sync is never retried";
}

TEST(LogWriter, MarksOnlyWhenEarlierSegmentsAreDurable) {
  ScriptedFiles fs;
  LogWriter::Setup setup = Segment(7, 1);
  setup.earlier_durable = false;
  const auto log = OpenLog(&fs, setup);
  ASSERT_TRUE(log->Sync().ok());
  ASSERT_TRUE(log->Append("first").ok());
  EXPECT_FALSE(ReadLog(&fs).earlier_durable);
  log->set_earlier_durable();
  ASSERT_TRUE(log->Append("second").ok());
  EXPECT_TRUE(ReadLog(&fs).earlier_durable);
}

TEST(LogWriter, WritesAheadOnlyOnceSomebodySyncs) {
  ScriptedFiles fs;
  LogWriter::Setup setup = Segment(7, 1);
  setup.write_ahead_bytes = 1000;
  const auto log = OpenLog(&fs, setup);
  ASSERT_TRUE(log->Append("first").ok());
  EXPECT_EQ(fs.Bytes(kLog).size(), log->size());
  ASSERT_TRUE(log->Sync().ok());
  ASSERT_TRUE(log->Append("second").ok());
  const size_t extended = fs.Bytes(kLog).size();
  EXPECT_EQ(extended, log->size() + 1000);
  const size_t writes = fs.writes().size();
  for (int i = 0; i < 40; ++i) ASSERT_TRUE(log->Append("12345678").ok());
  EXPECT_EQ(fs.Bytes(kLog).size(), extended) << "within the step nothing grows";
  EXPECT_EQ(fs.writes().size(), writes + 40);
  ASSERT_TRUE(log->Append(std::string(5000, 'x')).ok());
  EXPECT_EQ(fs.Bytes(kLog).size(), log->size() + 1000);
  const ReadBack read = ReadLog(&fs);
  EXPECT_EQ(read.records.size(), 43u);
  EXPECT_EQ(read.tail_bytes, 0u) << "zeros written ahead are no torn tail";
}

// A mapping saves a system call a record, and makes a sync write more: it is there only between syncs far apart.
TEST(LogWriter, PreparesOnlyWhatIsSyncedSeldom) {
  ScriptedFiles fs;
  LogWriter::Setup setup = Segment(7, 1);
  setup.write_ahead_bytes = 400'000;
  const auto log = OpenLog(&fs, setup);
  const std::string record(1000, 'x');
  const auto append = [&](uint64_t bytes) {
    const uint64_t begin = log->size();
    while (log->size() < begin + bytes) ASSERT_TRUE(log->Append(record).ok());
  };
  for (int i = 0; i < 5; ++i) {
    append(90'000);
    ASSERT_TRUE(log->Sync().ok());
  }
  EXPECT_TRUE(fs.prepared().empty()) << "never a quarter of 400,000 bytes without a sync";

  append(150'000);
  ASSERT_EQ(fs.prepared().size(), 1u);
  const auto window = fs.prepared()[0];
  EXPECT_GE(window.offset, log->synced_size() + 100'000);
  EXPECT_LT(window.offset, log->synced_size() + 102'000);
  EXPECT_EQ(window.size, window.offset - log->synced_size());
  EXPECT_GE(log->file_size(), window.offset + window.size);
  append(200'000);
  ASSERT_EQ(fs.prepared().size(), 2u) << "the next begins where records leave the last";
  EXPECT_GT(fs.prepared()[1].size, window.size) << "and the longer without a sync, the more";

  ASSERT_TRUE(log->Sync().ok());
  const uint64_t end = log->size();
  append(10'000);
  ASSERT_EQ(fs.prepared().size(), 3u);
  EXPECT_EQ(fs.prepared()[2].offset, end);
  EXPECT_EQ(fs.prepared()[2].size, 0u) << "a sync ends it";
}

TEST(LogWriter, ASealedLogIsPreparedNoMore) {
  ScriptedFiles fs;
  LogWriter::Setup setup = Segment(7, 1);
  setup.write_ahead_bytes = 4000;
  const auto log = OpenLog(&fs, setup);
  for (int i = 0; i < 20; ++i) ASSERT_TRUE(log->Append(std::string(100, 'x')).ok());
  ASSERT_FALSE(fs.prepared().empty());
  ASSERT_NE(fs.prepared().back().size, 0u);
  ASSERT_TRUE(log->Append(std::string(2000, 'x')).ok());
  ASSERT_NE(fs.prepared().back().size, 0u) << "a record too large for it is no reason";
  ASSERT_TRUE(log->Seal().ok());
  EXPECT_EQ(fs.prepared().back().size, 0u);
}

TEST(LogWriter, FailureToWriteAheadIsNoFailure) {
  ScriptedFiles fs;
  LogWriter::Setup setup = Segment(7, 1);
  setup.write_ahead_bytes = 1000;
  const auto log = OpenLog(&fs, setup);
  ASSERT_TRUE(log->Sync().ok());
  fs.FailWriteAfter(0, 10, Status::NoSpace("full"));
  EXPECT_TRUE(log->Append("first").ok());
  EXPECT_TRUE(log->Append("second").ok());
  EXPECT_EQ(ReadLog(&fs).records, (Records{"first", "second"}));
}

TEST(LogWriter, RecycledFileIsOverwrittenFromItsStart) {
  ScriptedFiles fs;
  fs.Put(kLog, std::string(1000, 'o'));
  LogWriter::Setup setup = Segment(7, 1);
  setup.recycled = true;
  setup.write_ahead_bytes = 100;
  const auto log = OpenLog(&fs, setup);
  ASSERT_TRUE(log->Sync().ok());
  ASSERT_TRUE(log->Append("first").ok());
  EXPECT_EQ(fs.Bytes(kLog).size(), 1000u) << "its old bytes are already there";
  ASSERT_TRUE(log->Append(std::string(600, 'x')).ok());
  EXPECT_EQ(fs.Bytes(kLog).size(), log->size() + 100);
}

// A sync fails while a large record is half written: the pages of its first half are lost, and called clean.
TEST(LogWriter, ARecordBesideAFailedSyncIsWrittenAnew) {
  MemoryFileSystem disk;
  ASSERT_TRUE(disk.CreateDir("db").ok());
  FaultFileSystem fs(&disk);
  const auto log = OpenLog(&fs, Segment(7, 1));
  ASSERT_TRUE(log->Append("first").ok());
  ASSERT_TRUE(log->Sync().ok() && disk.SyncDir("db").ok() && disk.SyncDir(".").ok());
  const std::string large(1536 * 1024, 'l');
  FaultRule rule;
  rule.ops = {FileOp::kSync};
  fs.AddRule(rule);
  bool failed = false;
  fs.SetHook([&](const FileCall& call) {
    if (call.op != FileOp::kWriteAt || call.data.size() != kLogHeaderSize || failed) return;
    failed = true;
    disk.LoseUnsynced(kLog);
    EXPECT_FALSE(log->Sync().ok());
    LogWriter::MakeDirtyAgain(&fs, kLog, log->synced_size(), log->size());
  });
  EXPECT_TRUE(log->Append(large).ok());
  EXPECT_TRUE(failed);
  EXPECT_TRUE(log->Append("no more").Is(StatusCode::kFenced));
  const auto next_life = disk.CrashClone(CrashPlan::KeepCache());
  ASSERT_TRUE((*next_life->OpenForWrite(kLog))->Sync().ok());
  const auto after = next_life->CrashClone(CrashPlan::DropUnsynced());
  LogReader reader;
  std::string_view payload;
  ASSERT_TRUE(reader.Open(after.get(), kLog, 7).ok());
  EXPECT_TRUE(reader.Next(&payload) && payload == "first");
  EXPECT_TRUE(reader.Next(&payload) && payload == large);
}

TEST(LogWriter, SealAtReplacesATornTail) {
  ScriptedFiles fs;
  {
    const auto log = OpenLog(&fs, Segment(7, 1));
    ASSERT_TRUE(log->Append("first").ok());
    ASSERT_TRUE(log->Append(std::string(100, 'x')).ok());
    fs.Bytes(kLog).resize(log->size() - 1);
  }
  const ReadBack torn = ReadLog(&fs);
  EXPECT_EQ(torn.records, (Records{"first"}));
  EXPECT_EQ(torn.end, LogReader::End::kOpen);
  ASSERT_TRUE(LogWriter::SealAt(&fs, kLog, 7, 1, torn.offset).ok());
  EXPECT_EQ(fs.syncs(), 1);
  const ReadBack sealed = ReadLog(&fs);
  EXPECT_EQ(sealed.records, (Records{"first"}));
  EXPECT_EQ(sealed.end, LogReader::End::kSealed);
}

TEST(LogWriter, SealAtIsDurableOrFails) {
  MemoryFileSystem disk;
  ASSERT_TRUE(disk.CreateDir("db").ok() && disk.SyncDir(".").ok());
  FaultFileSystem fs(&disk);
  {
    const auto log = OpenLog(&disk, Segment(7, 1));
    ASSERT_TRUE(log->Append("first").ok() && log->Sync().ok() && disk.SyncDir("db").ok());
  }
  const uint64_t end = *disk.FileSize(kLog);
  FailEachCall(
      &fs, [&] { return LogWriter::SealAt(&fs, kLog, 7, 1, end); },
      [&](bool met, const Status& status) {
        EXPECT_EQ(status.Is(StatusCode::kIoError), met) << status.ToString();
        const auto after = disk.CrashClone(CrashPlan::DropUnsynced());
        const ReadBack read = ReadLog(after.get());
        EXPECT_EQ(read.records, (Records{"first"}));
        EXPECT_TRUE(met || read.end == LogReader::End::kSealed);
      });
}

// As far as that works, and whatever happens: no byte changes.
TEST(LogWriter, MakingDirtyAgainWritesWhatStandsThere) {
  MemoryFileSystem disk;
  ASSERT_TRUE(disk.CreateDir("db").ok());
  FaultFileSystem fs(&disk);
  std::string bytes(200'000, '\0');  // a few steps
  for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<char>(i * 7 / 3);
  ASSERT_TRUE((*disk.Create(kLog))->WriteAt(0, bytes).ok());
  uint64_t written = 0, most = 0;
  fs.SetHook([&](const FileCall& call) {
    if (call.op != FileOp::kWriteAt) return;
    EXPECT_EQ(call.data, std::string_view(bytes).substr(call.offset, call.size));
    written += call.size;
  });
  const auto make_dirty = [&](uint64_t begin, uint64_t end) {
    written = 0;
    LogWriter::MakeDirtyAgain(&fs, kLog, begin, end);
    return Status::Ok();
  };
  FailEachCall(
      &fs, [&] { return make_dirty(100, UINT64_MAX); },
      [&](bool met, const Status&) {
        EXPECT_GE(written, most) << "all before the call that failed";
        most = written;
        EXPECT_TRUE(met || written == bytes.size() - 100);
      });
  ASSERT_TRUE(make_dirty(1000, 1010).ok());
  EXPECT_EQ(written, 10u);
  ASSERT_TRUE(make_dirty(1000, 1000).ok());
  EXPECT_EQ(written, 0u);
  char now[200'000];
  EXPECT_EQ(*(*disk.OpenForRead(kLog))->ReadAt(0, sizeof now, now), sizeof now);
  EXPECT_EQ(std::string_view(now, sizeof now), bytes);
}

TEST(LogWriter, AppenderAndSyncerRunTogether) {
  ScriptedFiles fs;
  LogWriter::Setup setup = Segment(7, 1);
  setup.write_ahead_bytes = 4096;
  const auto log = OpenLog(&fs, setup);
  std::atomic<bool> done{false};
  std::thread syncer([&] {
    while (!done) {
      const uint64_t wanted = log->size();
      EXPECT_TRUE(log->Sync().ok());
      EXPECT_GE(log->synced_size(), wanted);
    }
  });
  for (int i = 0; i < 2000; ++i) ASSERT_TRUE(log->Append("record " + std::to_string(i)).ok());
  done = true;
  syncer.join();
  EXPECT_EQ(ReadLog(&fs).records.size(), 2000u);
}

}  // namespace
}  // namespace varve::lsm
