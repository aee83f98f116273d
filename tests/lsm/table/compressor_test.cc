#include "lsm/table/compressor.h"

#include <gtest/gtest.h>
#include <zstd.h>

#include <memory>
#include <random>
#include <string>
#include <string_view>

namespace varve::lsm {
namespace {

constexpr int kLevel = 1;

// Half of it is a repetition; what is not has no letters that come often.
std::string TwiceTheSame(std::mt19937_64* random) {
  std::string contents;
  while (contents.size() < 8000) {
    std::string part(50, 0);
    for (char& c : part) c = static_cast<char>((*random)());
    contents += part + part;
  }
  return contents;
}

// No repetitions to speak of, but a few letters only.
std::string Digits(std::mt19937_64* random) {
  std::string contents;
  while (contents.size() < 8000) contents += std::to_string((*random)());
  return contents;
}

// What one that has not seen anything yet makes of it.
size_t SizeAfresh(std::string_view contents) {
  return Compressor(kLevel).Compress(contents).size();
}

std::string Back(std::string_view stored, size_t size) {
  if (stored.size() < 4) return "nothing";
  std::string contents(size, 0);
  const size_t done = ZSTD_decompress(contents.data(), contents.size(), stored.data() + 4, stored.size() - 4);
  return ZSTD_isError(done) ? ZSTD_getErrorName(done) : contents.substr(0, done);
}

TEST(CompressorTest, LiteralsThatNeverShrinkAreNotTriedEachTime) {
  std::mt19937_64 random(1);
  Compressor compressor(kLevel);
  for (int i = 0; i < 100; ++i) {
    const std::string contents = TwiceTheSame(&random);
    const std::string_view stored = compressor.Compress(contents);
    ASSERT_EQ(Back(stored, contents.size()), contents);
    ASSERT_EQ(stored.size(), SizeAfresh(contents)) << "nothing is lost by it";
  }
  // Digits right behind them show that the code was not tried: without it they do not shrink at all.
  const std::string digits = Digits(&random);
  EXPECT_LT(SizeAfresh(digits), digits.size() / 2 + 100);
  EXPECT_TRUE(compressor.Compress(digits).empty());
}

TEST(CompressorTest, ACodeThatHelpsAgainIsFoundWithin32Inputs) {
  std::mt19937_64 random(2);
  Compressor compressor(kLevel);
  for (int i = 0; i < 20; ++i) compressor.Compress(TwiceTheSame(&random));
  int without = 0;
  for (int i = 0; i < 200; ++i) {
    const std::string digits = Digits(&random);
    const std::string_view stored = compressor.Compress(digits);
    if (stored.size() == SizeAfresh(digits)) {
      ASSERT_EQ(Back(stored, digits.size()), digits);
      continue;
    }
    ++without;
    ASSERT_EQ(without, i + 1) << "found once, kept";
  }
  EXPECT_GE(without, 1);
  EXPECT_LE(without, 31);
}

// Of a large value the beginning says little.
TEST(CompressorTest, EveryBlockOfAFrameCounts) {
  std::mt19937_64 random(5);
  Compressor compressor(kLevel);
  for (int i = 0; i < 20; ++i) {
    std::string contents;
    while (contents.size() < (size_t{128} << 10)) contents += TwiceTheSame(&random);
    while (contents.size() < (size_t{300} << 10)) contents += Digits(&random);
    ASSERT_EQ(compressor.Compress(contents).size(), SizeAfresh(contents)) << i;
  }
}

TEST(CompressorTest, ADictionaryOutlastsTheCode) {
  std::mt19937_64 random(6);
  std::string dictionary;
  for (int i = 0; i < 3; ++i) dictionary += TwiceTheSame(&random);
  Compressor compressor(kLevel, dictionary);
  for (int i = 0; i < 100; ++i) {
    const std::string contents = i % 2 == 0 ? TwiceTheSame(&random) : dictionary.substr(200, 8000);
    const std::string stored(compressor.Compress(contents));
    if (i % 2 == 1) {
      ASSERT_LT(stored.size(), 100u) << i;
    }
    ASSERT_GT(stored.size(), 4u);
    const std::unique_ptr<ZSTD_DCtx, decltype(&ZSTD_freeDCtx)> context(ZSTD_createDCtx(), &ZSTD_freeDCtx);
    std::string back(contents.size(), 0);
    ASSERT_EQ(ZSTD_decompress_usingDict(context.get(), back.data(), back.size(), stored.data() + 4, stored.size() - 4,
                                        dictionary.data(), dictionary.size()),
              contents.size());
    ASSERT_EQ(back, contents) << i;
  }
}

TEST(CompressorTest, ACodeThatHelpsNowAndThenIsTriedEachTime) {
  std::mt19937_64 random(3);
  Compressor compressor(kLevel);
  for (int i = 0; i < 200; ++i) {
    const std::string contents = i % 8 == 7 ? Digits(&random) : TwiceTheSame(&random);
    ASSERT_EQ(compressor.Compress(contents).size(), SizeAfresh(contents)) << i;
  }
}

TEST(CompressorTest, WhatDoesNotShrinkComesBackEmpty) {
  std::mt19937_64 random(4);
  Compressor compressor(kLevel);
  std::string noise(8000, 0);
  for (int i = 0; i < 50; ++i) {
    for (char& c : noise) c = static_cast<char>(random());
    ASSERT_TRUE(compressor.Compress(noise).empty());
  }
  ASSERT_TRUE(compressor.Compress("").empty());
  ASSERT_TRUE(compressor.Compress("a").empty());
}

}  // namespace
}  // namespace varve::lsm
