#include "tests/oplog/log_bytes.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <set>
#include <sstream>

#include "tests/lsm/table/table_test_util.h"

namespace varve::lsm {
namespace {

constexpr char kLogs[] = "tests/oplog/logs";
constexpr char kSeeds[] = "tests/fuzz/corpus/operations";
constexpr size_t kHeadSize = 2;  // options and seed, before the log

Log Decode(std::string_view bytes) {
  fuzz::FuzzInput input(reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size());
  Log log;
  while (!input.empty()) log.push_back(DecodeOperation(&input));
  return log;
}

std::string BytesOf(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

TEST(LogBytesTest, OperationsFollowOneAnother) {
  const Log want = {{.kind = Kind::kPut, .key = 17, .size = 40, .seed = 400, .work = 1},
                    {.kind = Kind::kBatch,
                     .changes = {{.kind = Kind::kMerge, .key = 34, .size = 8, .seed = 1},
                                 {.kind = Kind::kDeleteRange, .key = 2, .end = 9}}},
                    {.kind = Kind::kOpen, .key = 0, .slot = 4, .at = 1},
                    {.kind = Kind::kPutWithExpiry, .key = 0, .ms = 1'000'000'000},
                    {.kind = Kind::kFlush, .work = 3}};
  const std::string bytes(
      "\x44\x01\x28\xc1\x90"
      "\x0a\x02\x04\x02\x08\x01\x03\xc2\xc2\x07"
      "\x10\x03\x01\x00\x00"
      "\x06\x00\x00\x00\xff\xff"
      "\xda",
      27);
  EXPECT_TRUE(Decode(bytes) == want) << Text(Decode(bytes));
  EXPECT_EQ(Hex(Encode(want)), Hex(bytes));
}

TEST(LogBytesTest, WhatIsWrittenIsReadAgain) {
  Log log = Generate(3, 30'000);
  for (Operation& operation : log) {
    if (operation.kind == Kind::kAdvance) operation.ms %= 10'000;
  }
  const Log read = Decode(Encode(log));
  ASSERT_EQ(read.size(), log.size());
  for (size_t i = 0; i < log.size(); ++i) ASSERT_TRUE(read[i] == log[i]) << Text(log[i]) << ", not " << Text(read[i]);
}

TEST(LogBytesTest, AnyBytesMeanALogThatCanBeKept) {
  std::mt19937 random(1);
  std::string bytes(300'000, '\0');
  for (char& byte : bytes) byte = static_cast<char>(random());
  const Log log = Decode(bytes);
  const Result<Log> kept = Parse(Text(log));
  ASSERT_TRUE(kept.ok()) << kept.status().ToString();
  EXPECT_TRUE(*kept == log);
  EXPECT_TRUE(Decode(Encode(log)) == log);
  std::set<Kind> kinds;
  for (const Operation& operation : log) kinds.insert(operation.kind);
  EXPECT_EQ(kinds.size(), kKindCount);
}

// So that what once failed is also what a fuzzer begins with.
TEST(LogBytesTest, EveryLogIsASeedOfTheFuzzer) {
  size_t count = 0;
  for (const auto& entry : std::filesystem::directory_iterator(kLogs)) {
    const Result<Log> log = Parse(BytesOf(entry.path()));
    ASSERT_TRUE(log.ok()) << log.status().ToString();
    const std::filesystem::path seed = kSeeds / entry.path().stem();
    EXPECT_TRUE(BytesOf(seed).size() > kHeadSize && Decode(BytesOf(seed).substr(kHeadSize)) == *log)
        << seed.string() << " should be, in hexadecimal (xxd -r -p makes a file of it), with any two bytes before it:\n"
        << Hex(Encode(*log));
    ++count;
  }
  EXPECT_GT(count, 0u);
}

}  // namespace
}  // namespace varve::lsm
