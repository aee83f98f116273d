#include "lsm/table/block_compressor.h"

#include <gtest/gtest.h>

#include <random>
#include <string>

namespace varve::lsm {
namespace {

constexpr uint64_t kTableId = 7;

std::string Text(std::mt19937_64* random, size_t size) {
  std::string text;
  while (text.size() < size) text += "a line that says nearly the same again, number " + std::to_string((*random)());
  text.resize(size);
  return text;
}

// As a table keeps it and gives it back.
std::string RoundTrip(const BlockCompressor::Contents& stored, std::string_view dictionary) {
  const std::string file = std::string(stored.bytes) + BlockTrailer(stored.bytes, stored.compression, kTableId, 0);
  const auto decoded = DecodeBlock(file, 0, kTableId, "t.sst", dictionary);
  return decoded.ok() ? std::string(decoded->view()) : decoded.status().ToString();
}

TEST(BlockCompressor, EveryBlockComesBack) {
  for (const size_t size : {300, 5000, 16'384, 100'000}) {
    std::mt19937_64 random(size);
    BlockCompressor compressor(1);
    std::string gathered;
    size_t with = 0;
    for (int i = 0; i < 150; ++i) {
      const std::string block = Text(&random, size);
      const BlockCompressor::Contents stored = compressor.CompressData(block);
      ASSERT_EQ(RoundTrip(stored, compressor.dictionary()), block) << size << " " << i;
      with += stored.compression == BlockCompression::kZstdDictionary ? 1 : 0;
      gathered += block;
    }
    // A block as large as the dictionary has nothing to learn from it.
    EXPECT_EQ(with > 0, size < 16'384) << size;
    const std::string wanted = with > 0 ? gathered.substr(0, kDictionarySize) : std::string();
    EXPECT_TRUE(compressor.dictionary() == wanted)
        << "what stands at the beginning of the data blocks: repair reads it there";
  }
}

TEST(BlockCompressor, WhatLooksLikeATrainedDictionaryIsNoneOfOurs) {
  std::mt19937_64 random(1);
  BlockCompressor compressor(1);
  for (int i = 0; i < 100; ++i) {
    std::string block = Text(&random, 2000);
    if (i == 0) block.replace(0, 4, "\x37\xa4\x30\xec");
    const BlockCompressor::Contents stored = compressor.CompressData(block);
    ASSERT_EQ(stored.compression, BlockCompression::kZstd);
    ASSERT_EQ(RoundTrip(stored, {}), block);
  }
  EXPECT_TRUE(compressor.dictionary().empty());
}

TEST(BlockCompressor, WhatDoesNotShrinkIsStoredPlain) {
  std::mt19937_64 random(1);
  BlockCompressor compressor(1);
  for (int i = 0; i < 100; ++i) {
    std::string block(2000, 0);
    for (char& c : block) c = static_cast<char>(random());
    const BlockCompressor::Contents stored = compressor.CompressData(block);
    ASSERT_EQ(stored.compression, BlockCompression::kNone);
    ASSERT_EQ(stored.bytes, block);
  }
  EXPECT_TRUE(compressor.dictionary().empty());
}

}  // namespace
}  // namespace varve::lsm
