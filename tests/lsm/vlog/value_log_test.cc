#include <gtest/gtest.h>

#include "lsm/io/fault_file_system.h"
#include "lsm/io/memory_file_system.h"
#include "lsm/vlog/value_log_file.h"
#include "lsm/vlog/value_log_writer.h"

namespace varve::lsm {
namespace {

constexpr uint64_t kFileId = 0x1122334455667788;
constexpr uint64_t kNumber = 14;
constexpr ReadTier kFromDisk = {.memory_only = false, .fill_cache = true};
constexpr ReadTier kFromMemory = {.memory_only = true, .fill_cache = true};

std::string Hex(std::string_view bytes) {
  std::string out;
  for (const char c : bytes) {
    out.push_back("0123456789abcdef"[static_cast<unsigned char>(c) >> 4]);
    out.push_back("0123456789abcdef"[static_cast<unsigned char>(c) & 15]);
  }
  return out;
}

class ValueLogTest : public ::testing::Test {
 protected:
  ValueLogTest() {
    EXPECT_TRUE(disk_.CreateDir("/db").ok());
    context_->file_system = &fs_;
    context_->cache = &cache_;
    context_->dir = "/db";
  }

  // A finished file with these values; pointers_ leads to them.
  void Build(const std::vector<std::string>& values, Compression compression = Compression::kNone) {
    ValueLogWriter writer(std::move(fs_.Create(path_)).value(), kNumber, kFileId, compression, 1);
    for (const std::string& value : values) {
      ValuePointer pointer;
      ASSERT_TRUE(writer.Add(value, &pointer).ok());
      pointers_.push_back(pointer);
    }
    auto facts = writer.Finish();
    ASSERT_TRUE(facts.ok()) << facts.status().ToString();
    facts_ = *facts;
  }
  std::string Bytes() {
    auto file = disk_.OpenForRead(path_);
    std::string bytes(*disk_.FileSize(path_), '\0');
    EXPECT_EQ(*(*file)->ReadAt(0, bytes.size(), bytes.data()), bytes.size());
    return bytes;
  }
  void Overwrite(std::string_view bytes) {
    auto file = disk_.Create(path_);
    ASSERT_TRUE((*file)->WriteAt(0, bytes).ok());
  }
  ValueLogFileRef File() { return std::make_shared<ValueLogFile>(kNumber, facts_, context_); }

  MemoryFileSystem disk_;
  FaultFileSystem fs_{&disk_};
  BlockCache cache_{size_t{1} << 20};
  std::shared_ptr<TableContext> context_ = std::make_shared<TableContext>();
  const std::string path_ = ValueLogFileName("/db", kNumber);
  ValueLogFacts facts_;
  std::vector<ValuePointer> pointers_;
};

// Pins the on-disk layout. If this fails the format changed: add a version, do not edit the bytes.
TEST_F(ValueLogTest, FormatPlainRecords) {
  Build({"apple", ""});
  EXPECT_EQ(path_, "/db/000014.vlog");
  EXPECT_EQ(Hex(Bytes()),
            "000056564c4f47018877665544332211e7f78547"  // "VVLOG", version 1, file id, crc
            "050000006170706c6500c86bc8d6"              // size, "apple", plain, crc
            "000000000027445322"                        // an empty one
            "0200000000000000de33b587000056564c4f4701"  // records, crc, magic
  );
  EXPECT_EQ(facts_.file_size, 63u);
  EXPECT_EQ(facts_.record_bytes(), 23u);
  EXPECT_EQ(facts_.records, 2u);
  EXPECT_EQ(Hex(pointers_[0].Encode()), "0e001805");  // file, ordinal, offset, size
  EXPECT_EQ(Hex(pointers_[1].Encode()), "0e012600");
  EXPECT_EQ(pointers_[0].record_bytes() + pointers_[1].record_bytes(), facts_.record_bytes());
}

TEST_F(ValueLogTest, FormatReferences) {
  EXPECT_EQ(Hex(EncodeReferences({{14, 300}, {15, 1}})),
            "0eac02"
            "0f01");
  ValueLogReferences read;
  ASSERT_TRUE(DecodeReferences(EncodeReferences({{14, 300}, {15, 1}}), &read));
  ASSERT_EQ(read.size(), 2u);
  EXPECT_EQ(read[1].file_number, 15u);
  EXPECT_FALSE(DecodeReferences(EncodeReferences({{14, 300}, {14, 1}}), &read)) << "twice";
  EXPECT_FALSE(DecodeReferences(EncodeReferences({{14, 300}, {3, 1}}), &read)) << "descending";
  EXPECT_FALSE(DecodeReferences(EncodeReferences({{14, 0}}), &read)) << "no bytes";
  EXPECT_FALSE(DecodeReferences("\x0e", &read)) << "cut";
}

TEST_F(ValueLogTest, PointersCutOrLongerAreNone) {
  const std::string good = ValuePointer{.file_number = 300, .ordinal = 400, .offset = 500, .size = 600}.Encode();
  ValuePointer pointer;
  for (size_t size = 0; size < good.size(); ++size) {
    EXPECT_FALSE(ValuePointer::Decode(std::string_view(good).substr(0, size), &pointer)) << size;
  }
  EXPECT_FALSE(ValuePointer::Decode(good + "x", &pointer));
  ASSERT_TRUE(ValuePointer::Decode(good, &pointer));
  EXPECT_EQ(pointer.Encode(), good);
}

TEST_F(ValueLogTest, ValuesOfAllSizesComeBack) {
  std::vector<std::string> values;
  for (const size_t size : {0, 1, 100, 4096, 262'144, 262'145, 1'000'000}) {
    values.emplace_back(size, static_cast<char>('a' + values.size()));
    values.emplace_back(size, '\0');
    for (size_t i = 0; i < size; ++i) values.back()[i] = static_cast<char>(i * i * 2654435761u >> 13);
  }
  for (const Compression compression : {Compression::kNone, Compression::kZstd}) {
    pointers_.clear();
    Build(values, compression);
    const ValueLogFileRef file = File();
    for (int round = 0; round < 2; ++round) {
      for (size_t i = 0; i < values.size(); ++i) {
        PinnedValue value;
        ASSERT_TRUE(file->Get(pointers_[i], kFromDisk, &value).ok());
        EXPECT_EQ(value.view(), values[i]) << i;
        EXPECT_TRUE(file->Verify(pointers_[i]).ok());
      }
    }
    if (compression == Compression::kZstd) {
      EXPECT_LT(pointers_[6].size, 100u) << "4096 equal bytes";
    }
  }
}

// Moving a value copies what is stored; it reads back from the new place, and only there.
TEST_F(ValueLogTest, StoredContentsMove) {
  const std::string text(10'000, 'x');
  Build({text}, Compression::kZstd);
  BlockCompression compression = BlockCompression::kNone;
  auto stored = File()->ReadStored(pointers_[0], &compression);
  ASSERT_TRUE(stored.ok());
  EXPECT_EQ(compression, BlockCompression::kZstd);
  ValueLogWriter writer(std::move(fs_.Create("/db/000020.vlog")).value(), 20, 99, Compression::kNone, 1);
  ValuePointer moved;
  ASSERT_TRUE(writer.AddStored("first", BlockCompression::kNone, &moved).ok());
  ASSERT_TRUE(writer.AddStored(stored->view(), compression, &moved).ok());
  auto facts = writer.Finish();
  ASSERT_TRUE(facts.ok());
  const ValueLogFile file(20, *facts, context_);
  PinnedValue value;
  ASSERT_TRUE(file.Get(moved, kFromDisk, &value).ok());
  EXPECT_EQ(value.view(), text);
}

TEST_F(ValueLogTest, MemoryOnlyReadsFindWhatWasRead) {
  Build({std::string(5000, 'a'), std::string(5000, 'b'), std::string(100'000, 'c')});
  const ValueLogFileRef file = File();
  PinnedValue value;
  EXPECT_TRUE(file->Get(pointers_[0], kFromMemory, &value).Is(StatusCode::kWouldBlock)) << "not even opened";
  ASSERT_TRUE(file->Get(pointers_[0], kFromDisk, &value).ok());
  ASSERT_TRUE(file->Get(pointers_[0], kFromMemory, &value).ok());
  EXPECT_EQ(value.view(), std::string(5000, 'a'));
  EXPECT_TRUE(file->Get(pointers_[1], kFromMemory, &value).Is(StatusCode::kWouldBlock));
  // One that would take a large part of the cache stays out of it.
  ASSERT_TRUE(file->Get(pointers_[2], kFromDisk, &value).ok());
  EXPECT_TRUE(file->Get(pointers_[2], kFromMemory, &value).Is(StatusCode::kWouldBlock));
  // As does one read for a sweep.
  ASSERT_TRUE(file->Get(pointers_[1], {.memory_only = false, .fill_cache = false}, &value).ok());
  EXPECT_TRUE(file->Get(pointers_[1], kFromMemory, &value).Is(StatusCode::kWouldBlock));
}

TEST_F(ValueLogTest, AValueOutlivesItsFileAndTheCache) {
  Build({std::string(5000, 'a')});
  PinnedValue value;
  {
    const ValueLogFileRef file = File();
    ASSERT_TRUE(file->Get(pointers_[0], kFromDisk, &value).ok());
    EXPECT_GT(cache_.block_bytes(), 5000u);
  }
  EXPECT_EQ(cache_.block_bytes(), 0u);
  EXPECT_EQ(cache_.table_memory_bytes(), 0u);
  EXPECT_EQ(value.view(), std::string(5000, 'a'));
}

// Every byte counts: a flipped one is found by Verify, and named with file and offset.
TEST_F(ValueLogTest, EachByteDamaged) {
  for (const Compression compression : {Compression::kNone, Compression::kZstd}) {
    pointers_.clear();
    Build({"apple", std::string(40, 'b'), ""}, compression);
    const std::string good = Bytes();
    for (size_t i = 0; i < good.size(); ++i) {
      std::string bad = good;
      bad[i] = static_cast<char>(bad[i] ^ 0x20);
      Overwrite(bad);
      const ValueLogFileRef file = File();
      Status found;
      for (const ValuePointer& pointer : pointers_) {
        if (Status s = file->Verify(pointer); !s.ok()) found = s;
      }
      ASSERT_FALSE(found.ok()) << "byte " << i;
      EXPECT_TRUE(found.message().starts_with(path_ + ": ")) << found.ToString();
      if (i < good.size() - 8 && i >= 8) {
        EXPECT_NE(found.message().find("offset "), std::string::npos) << i << ": " << found.ToString();
      }
    }
    for (size_t size = 0; size < good.size(); ++size) {
      Overwrite(std::string_view(good).substr(0, size));
      EXPECT_TRUE(File()->Open().Is(StatusCode::kCorruption)) << size;
    }
  }
}

TEST_F(ValueLogTest, AnotherVersionOrFileIsRefused) {
  Build({"apple"});
  const std::string good = Bytes();
  std::string newer = good;
  newer[7] = 2;
  Overwrite(newer);
  EXPECT_EQ(File()->Open().ToString(),
            Status::Unsupported(path_ + ": value-log format version 2, this build reads version 1").ToString());
  Overwrite(good);
  facts_.file_id = 7;
  EXPECT_TRUE(File()->Open().Is(StatusCode::kCorruption));
  ASSERT_TRUE(disk_.Remove(path_).ok());
  EXPECT_TRUE(File()->Open().Is(StatusCode::kCorruption));
}

TEST_F(ValueLogTest, PointersOutsideTheFileAreRefused) {
  Build({"apple", "pear"});
  const ValueLogFiles files = {File()};
  PinnedValue value;
  const ValuePointer good = pointers_[1];
  ASSERT_TRUE(ReadPointedValue(files, good.Encode(), kFromDisk, &value).ok());
  EXPECT_EQ(value.view(), "pear");
  for (const ValuePointer& bad :
       {ValuePointer{13, 1, good.offset, 4}, ValuePointer{15, 1, good.offset, 4},
        ValuePointer{kNumber, 2, good.offset, 4}, ValuePointer{kNumber, 1, good.offset, 5},
        ValuePointer{kNumber, 1, good.offset + 1, 4}, ValuePointer{kNumber, 1, 0, 4},
        ValuePointer{kNumber, 1, ~uint64_t{0}, 4}, ValuePointer{kNumber, 1, good.offset, ~uint32_t{0}}}) {
    EXPECT_TRUE(ReadPointedValue(files, bad.Encode(), kFromDisk, &value).Is(StatusCode::kCorruption)) << bad.offset;
  }
  EXPECT_TRUE(ReadPointedValue(files, "?", kFromDisk, &value).Is(StatusCode::kCorruption));
}

TEST_F(ValueLogTest, WriteAndSyncErrorsAreReported) {
  for (const FileOp op : {FileOp::kWriteAt, FileOp::kSync, FileOp::kClose}) {
    ValueLogWriter writer(std::move(fs_.Create(path_)).value(), kNumber, kFileId, Compression::kNone, 1);
    ValuePointer pointer;
    ASSERT_TRUE(writer.Add("apple", &pointer).ok());
    FaultRule rule;
    rule.ops = {op};
    rule.path_classes = {PathClass::kValueLog};
    fs_.AddRule(rule);
    EXPECT_TRUE(writer.Finish().status().Is(StatusCode::kIoError));
    fs_.ClearRules();
  }
}

TEST_F(ValueLogTest, AnObsoleteFileIsBuriedWhenTheLastHolderGoes) {
  Build({"apple"});
  ValueLogFileRef file = File();
  ValueLogFileRef other = file;
  file->MarkObsolete();
  file.reset();
  EXPECT_TRUE(context_->graveyard->TakeAll().empty());
  other.reset();
  const auto buried = context_->graveyard->TakeAll();
  ASSERT_EQ(buried.size(), 1u);
  EXPECT_EQ(buried[0].path, path_);
  EXPECT_EQ(buried[0].size, *fs_.FileSize(path_));
}

}  // namespace
}  // namespace varve::lsm
