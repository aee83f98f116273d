// tests/lsm/wal/log_reader_test.cc

#include "lsm/wal/log_reader.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "lsm/format/coding.h"
#include "lsm/format/crc32c.h"
#include "lsm/io/fault_file_system.h"
#include "lsm/io/memory_file_system.h"
#include "tests/lsm/fail_each_call.h"
#include "tests/lsm/wal/log_test_util.h"

namespace varve::lsm {
namespace {

using End = LogReader::End;

constexpr uint32_t kSalt = 0x5a17ab1e;

TEST(LogReader, ReadsBackAndTellsHowItEnded) {
  ScriptedFiles fs;
  const auto log = OpenLog(&fs, Segment(7, kSalt));
  EXPECT_EQ(ReadLog(&fs).end, End::kOpen);
  const Records records = {"first", std::string(200'000, 'b'), "xy", std::string(70'000, 'c')};
  for (const std::string& record : records) ASSERT_TRUE(log->Append(record).ok());
  ReadBack read = ReadLog(&fs);
  EXPECT_EQ(read.records, records);
  EXPECT_EQ(read.end, End::kOpen);
  EXPECT_EQ(read.offset, log->size());
  EXPECT_EQ(read.tail_bytes, 0u);
  EXPECT_FALSE(read.earlier_durable);
  ASSERT_TRUE(log->Seal().ok());
  fs.Bytes(kLog) += Forge("behind the seal", 7, kSalt, 0);
  read = ReadLog(&fs);
  EXPECT_EQ(read.records, records);
  EXPECT_EQ(read.end, End::kSealed);
  EXPECT_EQ(read.offset, log->size());
}

TEST(LogReader, MissingFileAndFailingReads) {
  ScriptedFiles fs;
  LogReader reader;
  EXPECT_TRUE(reader.Open(&fs, kLog, 7).Is(StatusCode::kNotFound));
  OpenLog(&fs, Segment(7, kSalt));
  fs.FailReads(Status::IoError("bad sector"));
  EXPECT_TRUE(reader.Open(&fs, kLog, 7).Is(StatusCode::kIoError));
  fs.FailReads(Status::Ok());
  ASSERT_TRUE(reader.Open(&fs, kLog, 7).ok()) << "a reader can be opened again";
}

std::string ReadBytes(FileSystem* fs) {
  std::string bytes(*fs->FileSize(kLog), '\0');
  EXPECT_EQ(*(*fs->OpenForRead(kLog))->ReadAt(0, bytes.size(), bytes.data()), bytes.size());
  return bytes;
}

// What a follower sees until it gives up: the records before the end, and those that Resume finds.
struct Followed {
  Records records;
  Status status;
};
Followed Follow(FileSystem* fs) {
  Followed result;
  LogReader reader;
  std::string_view payload;
  result.status = reader.Open(fs, kLog, 7);
  if (!result.status.ok()) {
    EXPECT_FALSE(reader.Next(&payload));
    return result;
  }
  for (int life = 0; life < 2; ++life) {
    while (reader.Next(&payload)) result.records.emplace_back(payload);
    reader.Resume();
  }
  result.status = reader.status();
  if (!result.status.ok()) {
    reader.Resume();
    EXPECT_FALSE(reader.Next(&payload)) << "an error is for ever";
    EXPECT_EQ(reader.status().ToString(), result.status.ToString());
  }
  return result;
}

// However much of a file is looked at before it is judged: a call that fails is the error, and no verdict.
TEST(LogReader, AFailingCallIsNeitherAnEndNorRot) {
  MemoryFileSystem disk;
  FaultFileSystem fs(&disk);
  ASSERT_TRUE(disk.CreateDir("db").ok());
  const std::string large(100'000, 'l');  // longer than a window
  uint64_t torn = 0;
  {
    const auto log = OpenLog(&disk, Segment(7, kSalt));
    ASSERT_TRUE(log->Append("first").ok());
    torn = log->size();
    for (int i = 0; i < 3; ++i) ASSERT_TRUE(log->Append(large).ok());
  }
  const auto ruin = [&](uint64_t offset) { ASSERT_TRUE((*disk.OpenForWrite(kLog))->WriteAt(offset, "!").ok()); };
  const auto fail_each_call = [&](const Records& healthy) {
    EXPECT_EQ(Follow(&fs).records, healthy);
    FailEachCall(
        &fs, [&] { return Follow(&fs); },
        [&](bool met, const Followed& followed) {
          EXPECT_EQ(followed.status.Is(StatusCode::kIoError), met) << followed.status.ToString();
          ASSERT_LE(followed.records.size(), healthy.size());
          EXPECT_TRUE(std::equal(followed.records.begin(), followed.records.end(), healthy.begin()));
        });
  };
  fail_each_call({"first", large, large, large});
  {
    const auto whole = disk.CrashClone(CrashPlan::KeepAll());
    ASSERT_TRUE((*disk.Create(kLog))->WriteAt(0, ReadBytes(whole.get()).substr(0, torn + 5)).ok());
    fail_each_call({"first"});  // a header cut short is looked at twice
    ASSERT_TRUE((*disk.Create(kLog))->WriteAt(0, ReadBytes(whole.get())).ok());
  }
  ruin(torn + kLogHeaderSize);
  fail_each_call({"first"});
  ruin(kLogHeaderSize);
  fail_each_call({});
}

TEST(LogReader, UnknownVersionIsNamed) {
  ScriptedFiles fs;
  std::string identity(kLogMagic);
  PutFixed32(&identity, 2);
  identity += std::string(500, 'x');  // whatever version 2 will keep there
  std::string file = Forge(identity, 7, 0, 0);
  fs.Put(kLog, file);
  LogReader reader;
  const Status status = reader.Open(&fs, kLog, 7);
  EXPECT_TRUE(status.Is(StatusCode::kUnsupported));
  EXPECT_EQ(status.message(), "db/000007.wal: log format version 2, this build reads 1");
}

TEST(LogReader, FileNeverBegunIsEmpty) {
  ScriptedFiles fs;
  fs.Put(kLog, "");
  EXPECT_EQ(ReadLog(&fs).end, End::kEmpty);
  fs.Put(kLog, std::string(10'000, '\0'));
  EXPECT_EQ(ReadLog(&fs).end, End::kEmpty);
  fs.Put(kLog, std::string(10'000, 'g'));
  EXPECT_EQ(ReadLog(&fs).end, End::kEmpty);
  {
    const auto log = OpenLog(&fs, Segment(6, kSalt));  // a recycled file before its new life began
    ASSERT_TRUE(log->Append("of segment 6").ok());
    ASSERT_TRUE(log->Sync().ok());
    ASSERT_TRUE(log->Append("of segment 6").ok());
  }
  const ReadBack read = ReadLog(&fs, 7);
  EXPECT_EQ(read.end, End::kEmpty);
  EXPECT_TRUE(read.status.ok());
  EXPECT_EQ(ReadLog(&fs, 6).records.size(), 2u);
}

TEST(LogReader, TornTailIsCutAtEveryByte) {
  ScriptedFiles fs;
  std::vector<uint64_t> ends;
  {
    const auto log = OpenLog(&fs, Segment(7, kSalt));
    ends.push_back(log->size());
    for (int i = 0; i < 5; ++i) {
      ASSERT_TRUE(log->Append(std::string(static_cast<size_t>(3 + 11 * i), static_cast<char>('a' + i))).ok());
      ASSERT_TRUE(i != 2 || log->Sync().ok());
      ends.push_back(log->size());
    }
  }
  const std::string whole = fs.Bytes(kLog);
  for (const bool zeros : {false, true}) {  // the rest is missing, or was written ahead
    for (size_t size = 0; size <= whole.size(); ++size) {
      fs.Put(kLog, whole.substr(0, size) + (zeros ? std::string(300, '\0') : ""));
      const ReadBack read = ReadLog(&fs);
      ASSERT_TRUE(read.status.ok()) << read.status.ToString();
      if (size < ends[0]) {
        ASSERT_EQ(read.end, End::kEmpty);
        continue;
      }
      const auto past = std::upper_bound(ends.begin(), ends.end(), size);
      const uint64_t good = *std::prev(past);
      ASSERT_EQ(read.end, End::kOpen);
      ASSERT_EQ(read.offset, good);
      ASSERT_EQ(read.records.size(), static_cast<size_t>(past - ends.begin() - 1));
      if (size == good || !zeros) {
        ASSERT_EQ(read.tail_bytes, size - good);
      }
    }
  }
}

TEST(LogReader, RotBelowAMarkRefusesAndAboveItCuts) {
  ScriptedFiles fs;
  uint64_t durable = 0;
  std::vector<uint64_t> ends;
  {
    const auto log = OpenLog(&fs, Segment(7, kSalt));
    ends.push_back(log->size());
    for (int i = 0; i < 6; ++i) {
      ASSERT_TRUE(log->Append("record number " + std::to_string(i)).ok());
      ends.push_back(log->size());
      if (i == 3) {
        ASSERT_TRUE(log->Sync().ok());
        durable = log->size();
      }
    }
  }
  const std::string whole = fs.Bytes(kLog);
  for (size_t at = 0; at < whole.size(); ++at) {
    for (const unsigned flip : {0x01u, 0x80u, 0xffu}) {
      std::string bytes = whole;
      bytes[at] = static_cast<char>(static_cast<unsigned char>(bytes[at]) ^ flip);
      fs.Put(kLog, bytes);
      const ReadBack read = ReadLog(&fs);
      const auto past = std::upper_bound(ends.begin(), ends.end(), at);
      const uint64_t bad = past == ends.begin() ? 0 : *std::prev(past);
      if (at < durable) {
        ASSERT_TRUE(read.status.Is(StatusCode::kCorruption)) << at;
        ASSERT_NE(read.status.message().find(std::string(kLog) + ": offset " + std::to_string(bad) + ":"),
                  std::string::npos)
            << read.status.message();
      } else {
        ASSERT_TRUE(read.status.ok()) << at << " " << read.status.ToString();
        ASSERT_EQ(read.offset, bad);
        ASSERT_EQ(read.end, End::kOpen);
        if (bad != ends[ends.size() - 2]) {
          ASSERT_EQ(read.tail_bytes, whole.size() - bad) << "whole records behind the damage count as torn";
        }
      }
    }
  }
}

// A sector of the middle is gone, far from where the next record begins.
TEST(LogReader, RotOfLargeRecordsIsFoundAcrossWindows) {
  ScriptedFiles fs;
  uint64_t first = 0;
  {
    const auto log = OpenLog(&fs, Segment(7, kSalt));
    first = log->size();
    std::mt19937 random(3);
    for (int i = 0; i < 3; ++i) {
      std::string payload(300'000 + static_cast<size_t>(i) * 65'521, '\0');
      for (char& c : payload) c = static_cast<char>(random());
      ASSERT_TRUE(log->Append(payload).ok());
    }
    ASSERT_TRUE(log->Sync().ok());
    ASSERT_TRUE(log->Append("the witness").ok());
  }
  const std::string whole = fs.Bytes(kLog);
  for (const uint64_t at : {first, first + 4, first + 100'000}) {
    std::string bytes = whole;
    bytes.replace(at, 512, std::string(512, '\0'));
    fs.Put(kLog, bytes);
    EXPECT_TRUE(ReadLog(&fs).status.Is(StatusCode::kCorruption)) << at;
  }
}

TEST(LogReader, StaleRecordsOfARecycledFileDoNotCount) {
  for (const uint32_t old_salt : {0x0badcafeu, kSalt, kSalt ^ 1}) {  // the salt came twice; the tags are equal
    ScriptedFiles fs;
    {
      const auto old = OpenLog(&fs, Segment(6, old_salt));
      for (int i = 0; i < 10; ++i) {
        ASSERT_TRUE(old->Append("old record " + std::to_string(i)).ok());
        ASSERT_TRUE(old->Sync().ok());  // with marks
      }
    }
    LogWriter::Setup setup = Segment(7, kSalt);
    setup.recycled = true;
    const auto log = OpenLog(&fs, setup);
    EXPECT_EQ(ReadLog(&fs).records, Records{});
    for (int i = 0; i < 5; ++i) {
      ASSERT_TRUE(log->Append("new record " + std::to_string(i)).ok());  // the same lengths at the same places
      const ReadBack read = ReadLog(&fs);
      EXPECT_TRUE(read.status.ok());
      EXPECT_EQ(read.records.size(), static_cast<size_t>(i) + 1);
      EXPECT_EQ(read.records.back(), "new record " + std::to_string(i));
      EXPECT_EQ(read.end, End::kOpen);
      if (LogTag(6, old_salt) != LogTag(7, kSalt)) {
        EXPECT_EQ(read.tail_bytes, 0u);
      }
    }
  }
}

TEST(LogReader, PayloadsCannotPoseAsRecords) {
  ScriptedFiles fs;
  // A client that knows everything but the salt fills a value with records, marks and a seal.
  std::string crafted;
  for (uint32_t guess = 0; guess < 50; ++guess) {
    crafted += Forge("forged", 7, guess, 40 + guess);
    crafted += Forge(std::string(1, static_cast<char>(kLogSeal)), 7, guess, 40);
  }
  const auto log = OpenLog(&fs, Segment(7, kSalt));
  ASSERT_TRUE(log->Append("first").ok());
  ASSERT_TRUE(log->Append(crafted).ok());
  const std::string whole = fs.Bytes(kLog);
  for (size_t cut = 1; cut < crafted.size(); cut += 7) {
    fs.Put(kLog, whole.substr(0, whole.size() - cut));
    const ReadBack read = ReadLog(&fs);
    ASSERT_TRUE(read.status.ok()) << read.status.ToString();
    ASSERT_EQ(read.records, (Records{"first"}));
    ASSERT_EQ(read.end, End::kOpen);
  }
}

TEST(LogReader, ValidChecksumsDoNotExcuseNonsense) {
  ScriptedFiles fs;
  OpenLog(&fs, Segment(7, kSalt));
  const std::string begun = fs.Bytes(kLog);
  fs.Put(kLog, begun + Forge("x", 7, kSalt, 0));  // one byte, but no seal
  EXPECT_EQ(ReadLog(&fs).records, Records{});
  fs.Put(kLog, begun + Forge("xyz", 7, kSalt, 4000));  // a mark above its own record
  EXPECT_EQ(ReadLog(&fs).records, Records{});
  std::string endless = Forge("xyz", 7, kSalt, 0);
  EncodeFixed32(endless.data() + 4, 0xffffffff);
  fs.Put(kLog, begun + endless);
  const ReadBack read = ReadLog(&fs);
  EXPECT_EQ(read.records, Records{});
  EXPECT_EQ(read.tail_bytes, endless.size());
}

// An identity that checks and is none of ours, or contradicts itself.
TEST(LogReader, ValidChecksumsDoNotExcuseANonsensicalIdentity) {
  ScriptedFiles fs;
  const auto log = OpenLog(&fs, Segment(7, kSalt));
  const std::string identity = fs.Bytes(kLog).substr(kLogHeaderSize);
  ASSERT_TRUE(log->Append("first").ok());
  const std::string unmarked = fs.Bytes(kLog).substr(kIdentityEnd);
  ASSERT_TRUE(log->Sync().ok());
  ASSERT_TRUE(log->Append("second").ok());
  const std::string marked = fs.Bytes(kLog).substr(kIdentityEnd);
  std::string other_magic = identity, two_salts = identity;
  other_magic[0] = 'W';
  ++two_salts[kLogSaltAt[0]];
  for (const std::string& forged : {other_magic, two_salts, identity.substr(0, kLogIdentitySize - 1)}) {
    const std::string head = Forge(forged, 7, 0, 0) + std::string(kLogIdentitySize - forged.size(), 'x');
    fs.Put(kLog, head + unmarked);
    const ReadBack read = ReadLog(&fs);
    EXPECT_TRUE(read.status.ok()) << read.status.ToString();
    EXPECT_EQ(read.end, End::kEmpty);
    EXPECT_EQ(read.records, Records{});
    if (forged.size() < kLogIdentitySize) continue;  // its second salt is where a record would be
    fs.Put(kLog, head + marked);
    EXPECT_TRUE(ReadLog(&fs).status.Is(StatusCode::kCorruption)) << "a record says that the identity was durable";
  }
}

TEST(LogReader, LargeRecordsBetweenSmallOnes) {
  ScriptedFiles fs;
  const auto log = OpenLog(&fs, Segment(7, kSalt));
  const Records records = {"small", std::string(5 << 20, 'a'), std::string(5 << 20, 'b'), "small again", "and again"};
  for (const std::string& record : records) ASSERT_TRUE(log->Append(record).ok());
  EXPECT_EQ(ReadLog(&fs).records, records);
  // The first large one claims a part of the second, which is whole behind it.
  const size_t claim = kIdentityEnd + kLogHeaderSize + records[0].size() + 4;
  EncodeFixed32(fs.Bytes(kLog).data() + claim, (5 << 20) + 1000);
  const ReadBack read = ReadLog(&fs);
  EXPECT_EQ(read.records, Records{"small"});
  EXPECT_EQ(read.tail_bytes, log->size() - read.offset);
}

TEST(LogReader, ResumeFollowsALiveFile) {
  ScriptedFiles fs;
  const auto log = OpenLog(&fs, Segment(7, kSalt));
  LogReader reader;
  ASSERT_TRUE(reader.Open(&fs, kLog, 7).ok());
  std::string_view payload;
  EXPECT_FALSE(reader.Next(&payload));
  EXPECT_FALSE(reader.Next(&payload)) << "without Resume nothing new is looked for";
  for (int i = 0; i < 100; ++i) {
    const std::string record = "record " + std::to_string(i) + std::string(static_cast<size_t>(i) * 400, '.');
    ASSERT_TRUE(log->Append(record).ok());
    ASSERT_TRUE(i % 3 != 0 || log->Sync().ok());
    EXPECT_FALSE(reader.Next(&payload));
    reader.Resume();
    ASSERT_TRUE(reader.Next(&payload)) << reader.status().ToString();
    EXPECT_EQ(payload, record);
    EXPECT_FALSE(reader.Next(&payload));
    EXPECT_EQ(reader.end(), End::kOpen);
    reader.Resume();
    EXPECT_FALSE(reader.Next(&payload));
  }
  ASSERT_TRUE(log->Seal().ok());
  reader.Resume();
  EXPECT_FALSE(reader.Next(&payload));
  EXPECT_EQ(reader.end(), End::kSealed);
  reader.Resume();
  EXPECT_FALSE(reader.Next(&payload));
  EXPECT_EQ(reader.end(), End::kSealed);
}

TEST(LogReader, ResumeSeesAHalfWrittenRecordCompleted) {
  ScriptedFiles fs;
  const auto log = OpenLog(&fs, Segment(7, kSalt));
  const std::string begun = fs.Bytes(kLog);
  ASSERT_TRUE(log->Append("a record that arrives in pieces").ok());
  const std::string whole = fs.Bytes(kLog);
  for (size_t size = begun.size(); size < whole.size(); ++size) {
    fs.Put(kLog, whole.substr(0, size));
    LogReader reader;
    ASSERT_TRUE(reader.Open(&fs, kLog, 7).ok());
    std::string_view payload;
    ASSERT_FALSE(reader.Next(&payload));
    fs.Bytes(kLog) = whole;
    reader.Resume();
    ASSERT_TRUE(reader.Next(&payload)) << size;
    ASSERT_EQ(payload, "a record that arrives in pieces");
  }
}

TEST(LogReader, ResumeLooksAtWhatHasChangedOnly) {
  ScriptedFiles fs;
  const auto log = OpenLog(&fs, Segment(7, kSalt));
  const std::string begun = fs.Bytes(kLog);
  ASSERT_TRUE(log->Append("first").ok());
  ASSERT_TRUE(log->Append("second").ok());
  const std::string whole = fs.Bytes(kLog);
  fs.Bytes(kLog).resize(begun.size());
  LogReader reader;
  reader.Resume();
  std::string_view payload;
  EXPECT_FALSE(reader.Next(&payload)) << "not open";
  uint64_t begin, end;
  EXPECT_FALSE(reader.SkipDamage(&begin, &end)) << "not open";
  ASSERT_TRUE(reader.Open(&fs, kLog, 7).ok());
  for (size_t size = begun.size(); size < begun.size() + kLogHeaderSize + 5; ++size) {  // byte by byte
    fs.Bytes(kLog) = whole.substr(0, size);
    reader.Resume();
    ASSERT_FALSE(reader.Next(&payload)) << size;
    EXPECT_TRUE(reader.status().ok()) << reader.status().ToString();
    EXPECT_EQ(reader.end(), End::kOpen);
  }
  fs.Bytes(kLog) = whole;
  reader.Resume();
  ASSERT_TRUE(reader.Next(&payload));
  EXPECT_EQ(payload, "first");
  reader.Resume();  // before the end: changes nothing
  ASSERT_TRUE(reader.Next(&payload));
  EXPECT_EQ(payload, "second");
  EXPECT_FALSE(reader.Next(&payload));
}

// The writer puts a record exactly where the reader has just found none, and syncs it, and another says so.
TEST(LogReader, ARecordThatArrivesBetweenTwoLooksIsNoRot) {
  MemoryFileSystem disk;
  FaultFileSystem fs(&disk);
  ASSERT_TRUE(disk.CreateDir("db").ok());
  ASSERT_TRUE((*disk.Create(kLog))->WriteAt(0, std::string(200'000, 's')).ok());
  LogWriter::Setup setup = Segment(7, kSalt);
  setup.recycled = true;
  const auto log = OpenLog(&disk, setup);
  LogReader reader;
  ASSERT_TRUE(reader.Open(&fs, kLog, 7).ok());
  bool looked = false;
  fs.SetHook([&](const FileCall& call) {
    if (call.op != FileOp::kReadAt || looked) return;
    looked = true;
    EXPECT_TRUE(log->Append("first").ok() && log->Sync().ok() && log->Append("second").ok());
  });
  std::string_view payload;
  ASSERT_TRUE(reader.Next(&payload)) << reader.status().ToString();
  EXPECT_TRUE(looked);
  EXPECT_EQ(payload, "first");
  ASSERT_TRUE(reader.Next(&payload)) << reader.status().ToString();
  EXPECT_EQ(payload, "second");
}

// A reader of another thread beside an appender and a syncer: it must see every record, in order, and never cry rot.
TEST(LogReader, FollowerBesideAWriter) {
  static constexpr int kRecords = 3000;
  ScriptedFiles fs;
  fs.Put(kLog, std::string(100'000, 's'));
  LogWriter::Setup setup = Segment(7, kSalt);
  setup.recycled = true;
  setup.write_ahead_bytes = 10'000;
  const auto log = OpenLog(&fs, setup);
  std::thread follower([&fs] {
    LogReader reader;
    ASSERT_TRUE(reader.Open(&fs, kLog, 7).ok());
    int seen = 0;
    std::string_view payload;
    while (reader.end() != End::kSealed) {
      while (reader.Next(&payload)) {
        ASSERT_EQ(payload, "record " + std::to_string(seen));
        ++seen;
      }
      ASSERT_TRUE(reader.status().ok()) << reader.status().ToString();
      reader.Resume();
    }
    ASSERT_EQ(seen, kRecords);
  });
  for (int i = 0; i < kRecords; ++i) {
    EXPECT_TRUE(log->Append("record " + std::to_string(i)).ok());
    EXPECT_TRUE(i % 10 != 0 || log->Sync().ok());
  }
  EXPECT_TRUE(log->Seal().ok());
  follower.join();
}

// A recycled file's rest is looked through once, not after every record.
TEST(LogReader, FollowingARecycledFileReadsLittle) {
  MemoryFileSystem disk;
  FaultFileSystem fs(&disk);
  ASSERT_TRUE(fs.CreateDir("db").ok());
  {
    auto stale = fs.Create(kLog);
    ASSERT_TRUE(stale.ok());
    ASSERT_TRUE((*stale)->WriteAt(0, std::string(4 << 20, 's')).ok());
  }
  LogWriter::Setup setup = Segment(7, kSalt);
  setup.recycled = true;
  const auto log = OpenLog(&fs, setup);
  LogReader reader;
  ASSERT_TRUE(reader.Open(&fs, kLog, 7).ok());
  std::string_view payload;
  EXPECT_FALSE(reader.Next(&payload));
  size_t bytes = 0;
  fs.SetHook([&bytes](const FileCall& call) { bytes += call.op == FileOp::kReadAt ? call.size : 0; });
  for (int i = 0; i < 100; ++i) {
    ASSERT_TRUE(log->Append("record " + std::to_string(i)).ok());
    reader.Resume();
    ASSERT_TRUE(reader.Next(&payload));
    EXPECT_FALSE(reader.Next(&payload));
  }
  EXPECT_LT(bytes, size_t{100} * 300'000);
}

TEST(LogReader, SkipDamageGoesOnBehindIt) {
  ScriptedFiles fs;
  std::vector<uint64_t> ends;
  const auto log = OpenLog(&fs, Segment(7, kSalt));
  for (int i = 0; i < 5; ++i) {
    ends.push_back(log->size());
    ASSERT_TRUE(log->Append("record " + std::to_string(i)).ok());
    ASSERT_TRUE(i != 2 || log->Sync().ok());
  }
  ends.push_back(log->size());
  const std::string whole = fs.Bytes(kLog);
  for (size_t offset = 0; offset < whole.size(); ++offset) {
    SCOPED_TRACE(offset);
    fs.Bytes(kLog)[offset] ^= 0x10;
    LogReader reader;
    Status opened = reader.Open(&fs, kLog, 7);
    int seen = 0, skips = 0;
    uint64_t lost = 0;
    for (uint64_t begin = 0, end = 0;;) {
      std::string_view payload;
      while (reader.Next(&payload)) ++seen;
      if (opened.Is(StatusCode::kUnsupported)) break;
      if (!reader.SkipDamage(&begin, &end)) break;
      EXPECT_LE(begin, offset);
      EXPECT_GT(end, offset);
      lost += end - begin;
      ++skips;
    }
    if (offset < kIdentityEnd) {
      EXPECT_EQ(seen, 5);
    } else {
      EXPECT_EQ(seen, 4);
      EXPECT_EQ(skips, offset < ends[4] ? 1 : 0);
      if (skips == 1) {
        EXPECT_EQ(lost, ends[1] - ends[0]);
      }
    }
    fs.Bytes(kLog) = whole;
  }
}

TEST(LogReader, RandomDamageGivesAPrefixOrAnError) {
  const char* const given = std::getenv("VARVE_SEED");
  const unsigned seed = given != nullptr ? static_cast<unsigned>(std::atoi(given)) : 20240610;
  SCOPED_TRACE("VARVE_SEED=" + std::to_string(seed));
  std::mt19937 random(seed);
  for (int round = 0; round < 2000; ++round) {
    ScriptedFiles fs;
    const auto log = OpenLog(&fs, Segment(7, static_cast<uint32_t>(random())));
    Records records;
    for (unsigned i = random() % 8; i > 0; --i) {
      records.emplace_back(2 + random() % 100, static_cast<char>('a' + i));
      ASSERT_TRUE(log->Append(records.back()).ok());
      ASSERT_TRUE(random() % 3 != 0 || log->Sync().ok());
    }
    std::string& bytes = fs.Bytes(kLog);
    for (unsigned i = 1 + random() % 3; i > 0; --i) {
      const size_t at = random() % bytes.size();
      switch (random() % 3) {
        case 0: bytes[at] = static_cast<char>(random()); break;
        case 1: bytes.replace(at, 20, std::string(20, '\0')); break;
        case 2: bytes.resize(std::max<size_t>(at, 1)); break;
      }
    }
    const ReadBack read = ReadLog(&fs);
    ASSERT_TRUE(read.status.ok() || read.status.Is(StatusCode::kCorruption) ||
                read.status.Is(StatusCode::kUnsupported));
    ASSERT_LE(read.records.size(), records.size());
    for (size_t i = 0; i < read.records.size(); ++i) ASSERT_EQ(read.records[i], records[i]);
  }
}

}  // namespace
}  // namespace varve::lsm
