// tests/lsm/write_batch_test.cc

#include "lsm/write_batch.h"

#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "lsm/options.h"

namespace varve::lsm {
namespace {

std::string Hex(std::string_view bytes) {
  std::string hex;
  for (const char c : bytes) {
    char two[3];
    std::snprintf(two, sizeof two, "%02x", static_cast<unsigned char>(c));
    hex += two;
  }
  return hex;
}

// The operations as one string, then "!" and the status when the bytes are malformed.
std::string Walk(std::string_view bytes) {
  std::string text;
  WriteBatch::Reader reader(bytes);
  WriteBatch::Operation op;
  while (reader.Next(&op)) {
    switch (op.kind) {
      case ValueKind::kPut: text += "put "; break;
      case ValueKind::kDelete: text += "del "; break;
      case ValueKind::kRangeDelete: text += "range "; break;
      case ValueKind::kValuePointer: text += "pointer? "; break;
      case ValueKind::kIngest: text += "ingest "; break;
      case ValueKind::kMerge: text += "merge "; break;
      case ValueKind::kPutWithExpiry: text += "expiring "; break;
    }
    text += std::string(op.key) + "=" + std::string(op.value) + ";";
  }
  EXPECT_TRUE(reader.status().ok() || reader.status().Is(StatusCode::kCorruption));
  return text + (reader.status().ok() ? "" : "!" + std::string(reader.status().message()));
}

WriteBatch Sample() {
  WriteBatch batch;
  batch.Put("apex", "1");
  batch.Delete("b");
  batch.DeleteRange("c", "dd");
  batch.SetSequence(0x0102030405);
  return batch;
}

// Pins the bytes in the log. If this fails the format changed: add a version, do not edit the bytes.
TEST(WriteBatchFormat, GoldenBytes) {
  EXPECT_EQ(Hex(WriteBatch().bytes()),
            "0000000000000000"
            "00000000");
  EXPECT_EQ(Hex(Sample().bytes()),
            "0504030201000000"
            "03000000"
            "01"
            "04"
            "61706578"
            "01"
            "31"
            "00"
            "01"
            "62"
            "02"
            "01"
            "63"
            "02"
            "6464");
}

TEST(WriteBatchFormat, IngestUsesUpASequence) {
  WriteBatch batch;
  batch.NoteIngest();
  EXPECT_EQ(Hex(batch.bytes()),
            "0000000000000000"
            "01000000"
            "06"
            "00");
}

TEST(WriteBatch, AnExpiryIsReadApartFromItsValue) {
  WriteBatch batch;
  batch.PutWithExpiry("k", "v", 77);
  batch.Put("k", "value of no expiry");
  WriteBatch::Reader reader(batch.bytes());
  WriteBatch::Operation operation;
  ASSERT_TRUE(reader.Next(&operation));
  EXPECT_EQ(operation.expire_at_ms(), 77u);
  EXPECT_EQ(operation.bare_value(), "v");
  ASSERT_TRUE(reader.Next(&operation));
  EXPECT_EQ(operation.expire_at_ms(), 0u);
  EXPECT_EQ(operation.bare_value(), "value of no expiry");
}

TEST(WriteBatchFormat, GoldenBytesOfMergesAndExpiries) {
  WriteBatch batch;
  EXPECT_FALSE(batch.has_merge());
  batch.Merge("k", "+1");
  batch.PutWithExpiry("kk", "v", 0x0102030405);
  EXPECT_TRUE(batch.has_merge());
  EXPECT_EQ(Hex(batch.bytes().substr(8)),
            "02000000"
            "03"
            "01"
            "6b"
            "02"
            "2b31"
            "04"
            "02"
            "6b6b"
            "09"
            "0504030201000000"
            "76");
  EXPECT_EQ(Walk(batch.bytes()), std::string("merge k=+1;expiring kk=\x05\x04\x03\x02\x01\0\0\0v;", 33));
  // An expiry of seven bytes is none.
  std::string bytes(batch.bytes());
  bytes[bytes.size() - 10] = 7;
  bytes.resize(bytes.size() - 2);
  EXPECT_NE(Walk(bytes).find('!'), std::string::npos);
}

TEST(WriteBatchTest, KnowsItsMerges) {
  WriteBatch batch, other;
  batch.Put("a", "1");
  other.Put("b", "2");
  other.Merge("c", "3");
  const size_t size = batch.size_bytes();
  batch.Append(other);
  EXPECT_TRUE(batch.has_merge());
  batch.Truncate(batch.size_bytes(), 3);
  EXPECT_TRUE(batch.has_merge());
  batch.Truncate(size, 1);
  EXPECT_FALSE(batch.has_merge());
  batch.Append(other);
  batch.Clear();
  EXPECT_FALSE(batch.has_merge());
  // Operations go from batch to batch as they are.
  WriteBatch copy;
  batch.PutWithExpiry("x", "y", 7);
  batch.Merge("x", "z");
  batch.DeleteRange("p", "q");
  batch.Delete("d");
  WriteBatch::Reader reader(batch.bytes());
  WriteBatch::Operation operation;
  while (reader.Next(&operation)) copy.Add(operation);
  EXPECT_EQ(copy.bytes(), batch.bytes());
  EXPECT_TRUE(copy.has_merge());
}

TEST(WriteBatchFormat, LengthsAreVarints) {
  WriteBatch batch;
  batch.Put(std::string(128, 'k'), std::string(300, 'v'));
  EXPECT_EQ(Hex(batch.bytes().substr(WriteBatch::kHeaderSize, 3)), "018001");
  EXPECT_EQ(Hex(batch.bytes().substr(WriteBatch::kHeaderSize + 3 + 128, 2)), "ac02");
  EXPECT_EQ(batch.size_bytes(), WriteBatch::kHeaderSize + 3 + 128 + 2 + 300);
}

TEST(WriteBatch, ReadsBackWhatWasAdded) {
  const WriteBatch batch = Sample();
  EXPECT_EQ(Walk(batch.bytes()), "put apex=1;del b=;range c=dd;");
  EXPECT_EQ(batch.count(), 3u);
  EXPECT_EQ(batch.sequence(), 0x0102030405u);
  const WriteBatch::Reader reader(batch.bytes());
  EXPECT_EQ(reader.sequence(), 0x0102030405u);
  EXPECT_EQ(reader.count(), 3u);
}

TEST(WriteBatch, EmptyKeysValuesAndRangesAreKept) {
  WriteBatch batch;
  batch.Put("", "");
  batch.Delete("");
  batch.DeleteRange("z", "a");
  EXPECT_EQ(Walk(batch.bytes()), "put =;del =;range z=a;");
  EXPECT_TRUE(batch.CheckLimits().ok());
}

TEST(WriteBatch, ClearAndAppend) {
  WriteBatch batch = Sample();
  WriteBatch other;
  other.Put("x", "y");
  batch.Append(other);
  batch.Append(WriteBatch());
  EXPECT_EQ(Walk(batch.bytes()), "put apex=1;del b=;range c=dd;put x=y;");
  EXPECT_EQ(batch.count(), 4u);
  EXPECT_EQ(batch.sequence(), 0x0102030405u) << "the sequence is the batch's own";
  batch.Clear();
  EXPECT_TRUE(batch.empty());
  EXPECT_EQ(batch.sequence(), 0u);
  EXPECT_EQ(Walk(batch.bytes()), "");
}

TEST(WriteBatch, TruncateForgetsTheTail) {
  WriteBatch batch;
  batch.Put("a", "1");
  const size_t size = batch.size_bytes();
  batch.Put("b", "2");
  batch.Delete("c");
  batch.Truncate(size, 1);
  EXPECT_EQ(Walk(batch.bytes()), "put a=1;");
  batch.Truncate(WriteBatch::kHeaderSize, 0);
  EXPECT_TRUE(batch.empty());
}

TEST(WriteBatchLimits, KeysAndRangeEnds) {
  const std::string largest(kKeySizeMax, 'k');
  const std::string larger(kKeySizeMax + 1, 'k');
  WriteBatch batch;
  batch.Put(largest, "v");
  batch.Delete(largest);
  batch.DeleteRange(largest, largest);
  EXPECT_TRUE(batch.CheckLimits().ok());
  WriteBatch::Reader reader(batch.bytes());
  WriteBatch::Operation op;
  while (reader.Next(&op)) EXPECT_EQ(op.key, largest);
  EXPECT_TRUE(reader.status().ok());

  for (int kind = 0; kind < 4; ++kind) {
    WriteBatch bad;
    if (kind == 0) bad.Put(larger, "v");
    if (kind == 1) bad.Delete(larger);
    if (kind == 2) bad.DeleteRange(larger, "z");
    if (kind == 3) bad.DeleteRange("a", larger);
    EXPECT_TRUE(bad.CheckLimits().Is(StatusCode::kInvalidArgument)) << kind;
    EXPECT_EQ(bad.count(), 1u);
    EXPECT_LT(bad.size_bytes(), 100u) << "what breaks a limit is not copied";
  }
}

TEST(WriteBatchLimits, Values) {
  // Never touched, so none of it becomes real memory.
  const auto free_it = [](char* p) { std::free(p); };
  const std::unique_ptr<char, decltype(free_it)> bytes(static_cast<char*>(std::calloc(kValueSizeMax + 1, 1)), free_it);
  ASSERT_NE(bytes, nullptr);
  WriteBatch batch;
  batch.Put("a", {bytes.get(), kValueSizeMax + 1});
  EXPECT_TRUE(batch.CheckLimits().Is(StatusCode::kInvalidArgument));
  EXPECT_EQ(batch.CheckLimits().message(), "value of " + std::to_string(kValueSizeMax + 1) + " bytes, at most " +
                                               std::to_string(kValueSizeMax) + " are allowed");
  batch.Clear();
  EXPECT_TRUE(batch.CheckLimits().ok());
}

TEST(WriteBatchLimits, TruncatingTheBrokenOperationAwayHeals) {
  const std::string larger(kKeySizeMax + 1, 'k');
  WriteBatch batch;
  batch.Put("a", "1");
  const std::pair<size_t, uint32_t> before = {batch.size_bytes(), batch.count()};
  batch.Delete(larger);
  const std::pair<size_t, uint32_t> after = {batch.size_bytes(), batch.count()};
  batch.Put("b", "2");
  batch.Truncate(after.first, after.second);
  EXPECT_FALSE(batch.CheckLimits().ok()) << "the broken operation is still there";
  batch.Truncate(before.first, before.second);
  EXPECT_TRUE(batch.CheckLimits().ok());
  EXPECT_EQ(Walk(batch.bytes()), "put a=1;");
}

TEST(WriteBatchLimits, AppendingABrokenBatchBreaksThisOne) {
  WriteBatch broken;
  broken.Put("a", "1");
  broken.Delete(std::string(kKeySizeMax + 1, 'k'));
  WriteBatch batch;
  batch.Put("x", "y");
  const std::pair<size_t, uint32_t> before = {batch.size_bytes(), batch.count()};
  batch.Append(broken);
  EXPECT_FALSE(batch.CheckLimits().ok());
  EXPECT_EQ(batch.count(), 3u);
  batch.Truncate(before.first, before.second);
  EXPECT_TRUE(batch.CheckLimits().ok());
}

TEST(WriteBatchReader, EveryTruncationIsCorruption) {
  const WriteBatch batch = Sample();
  for (size_t size = 0; size < batch.size_bytes(); ++size) {
    const std::string cut(batch.bytes().substr(0, size));
    EXPECT_NE(Walk(cut).find('!'), std::string::npos) << size;
  }
}

TEST(WriteBatchReader, MessagesSayWhatAndWhere) {
  const std::string good(Sample().bytes());
  EXPECT_EQ(Walk(good.substr(0, 5)), "!batch is 5 bytes, want at least 12");
  EXPECT_EQ(Walk(good + "x"), "put apex=1;del b=;range c=dd;!batch has 1 bytes behind its 3 operations");
  std::string bad = good;
  bad[20] = 7;  // the second operation's kind
  EXPECT_EQ(Walk(bad), "put apex=1;!operation 1 of the batch's 3 is malformed or cut short, 9 bytes before the end");
  bad = good;
  bad[7] = 0x01;  // a sequence of 57 bits
  EXPECT_NE(Walk(bad).find("beyond the last there is"), std::string::npos);
}

TEST(WriteBatchReader, ForeignLengthsAreChecked) {
  const std::string header("\0\0\0\0\0\0\0\0\1\0\0\0", 12);
  EXPECT_NE(Walk(header + "\x01\xff\xff\xff\xff\x0f"
                          "k")
                .find('!'),
            std::string::npos)
      << "4 GiB of key";
  EXPECT_NE(Walk(header + "\x01\xff\xff\xff\xff\xff\xff\x01").find('!'), std::string::npos) << "not 32 bits";
  EXPECT_NE(Walk(header + "\x01\x01k\x80").find('!'), std::string::npos) << "an endless varint";
  EXPECT_NE(Walk(header + std::string("\x00\xc1\x80\x04", 4) + std::string(kKeySizeMax + 1, 'k')).find('!'),
            std::string::npos)
      << "a key longer than any key";
}

TEST(WriteBatchReader, RandomDamageNeverReadsOutside) {
  const char* const given = std::getenv("VARVE_SEED");
  const unsigned seed = given != nullptr ? static_cast<unsigned>(std::atoi(given)) : 20240608;
  SCOPED_TRACE("VARVE_SEED=" + std::to_string(seed));
  std::mt19937 random(seed);
  for (int round = 0; round < 20'000; ++round) {
    WriteBatch batch;
    for (unsigned i = random() % 6; i > 0; --i) {
      const std::string key(random() % 200, 'k');
      if (random() % 3 == 0) batch.Delete(key);
      if (random() % 3 == 0) batch.DeleteRange(key, key + "x");
      batch.Put(key, std::string(random() % 300, 'v'));
    }
    // A heap block of exactly this size: a sanitizer sees the first byte behind it.
    std::vector<char> bytes(batch.bytes().begin(), batch.bytes().end());
    for (unsigned i = 1 + random() % 4; i > 0; --i) bytes[random() % bytes.size()] = static_cast<char>(random());
    if (random() % 2 == 0) bytes.resize(random() % (bytes.size() + 1));
    bytes.shrink_to_fit();
    WriteBatch::Reader reader({bytes.data(), bytes.size()});
    WriteBatch::Operation op;
    uint32_t seen = 0;
    size_t sum = 0;
    while (reader.Next(&op)) {
      ++seen;
      for (const char c : op.key) sum += static_cast<unsigned char>(c);
      for (const char c : op.value) sum += static_cast<unsigned char>(c);
    }
    ASSERT_LT(sum, 1'000'000u);
    if (reader.status().ok()) {
      ASSERT_EQ(seen, reader.count());
    } else {
      ASSERT_TRUE(reader.status().Is(StatusCode::kCorruption));
    }
    ASSERT_FALSE(reader.Next(&op)) << "an end is an end";
  }
}

}  // namespace
}  // namespace varve::lsm
