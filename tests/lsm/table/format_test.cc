#include "lsm/table/format.h"

#include <gtest/gtest.h>
#include <zstd.h>

#include <memory>
#include <string>

#include "lsm/format/coding.h"
#include "lsm/format/crc32c.h"
#include "tests/lsm/table/table_test_util.h"

namespace varve::lsm {
namespace {

const Footer kFooter = {.properties = {0x1122334455, 0x66778899}, .index = {0x300, 0x40}, .filter = {0x200, 0xc1}};

// Pins the on-disk layout. If one of these fails the format changed: add a version, do not edit the bytes.
TEST(FrameFormat, Footer) {
  const std::string bytes = kFooter.Encode();
  ASSERT_EQ(bytes.size(), kFooterSize);
  const std::string handles =
      "5544332211000000"
      "99887766"  // properties: offset, size
      "0003000000000000"
      "40000000"  // index
      "0002000000000000"
      "c1000000";  // filter
  EXPECT_EQ(Hex(bytes).substr(0, 72), handles);
  EXPECT_EQ(Hex(bytes).substr(72, 8), "be86aa4a");
  EXPECT_EQ(Hex(bytes).substr(80),
            "0000"
            "5641525645"
            "01");  // "VARVE", version 1
}

TEST(FrameFormat, BlockSeedAndTrailer) {
  EXPECT_EQ(BlockSeed(0, 0), 0u);
  EXPECT_EQ(BlockSeed(1, 0), 0xd6e8feb8u);
  EXPECT_EQ(BlockSeed(0, 1), 0x17fb89eeu);
  EXPECT_EQ(BlockSeed(0x0123456789abcdef, 4096), 0x1e797501u);
  EXPECT_EQ(Hex(BlockTrailer("abc", BlockCompression::kNone, 1, 0)), "0071fd65e8");
  EXPECT_EQ(Hex(BlockTrailer("abc", BlockCompression::kZstd, 0x0123456789abcdef, 4096)), "01b7e12c64");
}

TEST(Footer, IsReadBack) {
  const Result<Footer> read = Footer::Decode(kFooter.Encode(), uint64_t{1} << 40, "t.sst");
  ASSERT_TRUE(read.ok()) << read.status().ToString();
  EXPECT_EQ(read->Encode(), kFooter.Encode());
}

TEST(Footer, AnotherVersionIsUnsupportedAndNamed) {
  std::string bytes = kFooter.Encode();
  bytes.back() = 2;
  const Status status = Footer::Decode(bytes, uint64_t{1} << 40, "t.sst").status();
  EXPECT_TRUE(status.Is(StatusCode::kUnsupported));
  EXPECT_EQ(status.message(), "t.sst: table format version 2, this build reads version 1");
}

TEST(Footer, ForeignAndDamagedBytesAreCorruption) {
  const Status foreign = Footer::Decode(std::string(48, 'x'), 1000, "t.sst").status();
  EXPECT_TRUE(foreign.Is(StatusCode::kCorruption));
  EXPECT_EQ(foreign.message(), "t.sst: not a Varve table (footer at offset 952: wrong magic)");
  EXPECT_EQ(Footer::Decode("short", 5, "t.sst").status().message(),
            "t.sst: not a Varve table (5 bytes, a footer alone has 48)");
  const std::string good = kFooter.Encode();
  for (size_t bit = 0; bit < good.size() * 8; ++bit) {
    std::string bad = good;
    bad[bit / 8] = static_cast<char>(bad[bit / 8] ^ 1 << bit % 8);
    EXPECT_FALSE(Footer::Decode(bad, uint64_t{1} << 40, "t.sst").ok()) << bit;
  }
}

TEST(Footer, HandlesOutsideTheFileAreRefused) {
  EXPECT_TRUE(Footer::Decode(kFooter.Encode(), 0x10000, "t.sst").status().Is(StatusCode::kCorruption));
  Footer wrapping = kFooter;
  wrapping.properties = {.offset = ~uint64_t{0} - 2, .size = 100};
  EXPECT_FALSE(Footer::Decode(wrapping.Encode(), 0x10000, "t.sst").ok());
}

std::string Stored(std::string contents, BlockCompression compression, uint64_t table_id, uint64_t offset) {
  return contents + BlockTrailer(contents, compression, table_id, offset);
}

std::string Zstd(std::string_view contents, uint32_t claimed_size) {
  std::string out;
  PutFixed32(&out, claimed_size);
  std::string frame(ZSTD_compressBound(contents.size()), '\0');
  frame.resize(ZSTD_compress(frame.data(), frame.size(), contents.data(), contents.size(), 1));
  return out + frame;
}

TEST(StoredBlock, IsBoundToItsTableAndPlace) {
  const std::string stored = Stored("contents", BlockCompression::kNone, 7, 100);
  EXPECT_EQ(DecodeBlock(stored, 100, 7, "t.sst")->view(), "contents");
  EXPECT_EQ(DecodeBlock(stored, 101, 7, "t.sst").status().message(), "t.sst: block at offset 101: checksum mismatch");
  EXPECT_FALSE(DecodeBlock(stored, 100, 8, "t.sst").ok());
  EXPECT_FALSE(DecodeBlock(stored.substr(1), 100, 7, "t.sst").ok());
  EXPECT_FALSE(DecodeBlock("", 100, 7, "t.sst").ok());
}

TEST(StoredBlock, UncompressedSizeIsCheckedBeforeMemoryIsTaken) {
  const std::string text(100'000, 'a');
  const std::string good = Stored(Zstd(text, 100'000), BlockCompression::kZstd, 7, 0);
  EXPECT_EQ(DecodeBlock(good, 0, 7, "t.sst")->view(), text);
  for (uint32_t claimed : {0u, 99'999u, 100'001u, 0x3fffffffu, 0x40000001u, 0xffffffffu}) {
    const std::string bad = Stored(Zstd(text, claimed), BlockCompression::kZstd, 7, 0);
    EXPECT_TRUE(DecodeBlock(bad, 0, 7, "t.sst").status().Is(StatusCode::kCorruption)) << claimed;
  }
  EXPECT_FALSE(DecodeBlock(Stored("abc", BlockCompression::kZstd, 7, 0), 0, 7, "t.sst").ok());
}

TEST(StoredBlock, UnknownCompressionIsUnsupported) {
  const std::string stored = Stored("contents", static_cast<BlockCompression>(9), 7, 0);
  EXPECT_EQ(DecodeBlock(stored, 0, 7, "t.sst").status().ToString(),
            Status::Unsupported("t.sst: block at offset 0: unknown compression 9").ToString());
}

TEST(StoredBlock, ReadPastTheEndSaysWhereTheFileEnds) {
  const StringSource file(std::make_shared<const std::string>(20, 'x'));
  EXPECT_EQ(ReadBlock(file, {.offset = 10, .size = 10}, 7).status().message(),
            "t.sst: file ends at offset 20, want 25");
}

}  // namespace
}  // namespace varve::lsm
