#include "lsm/table/block.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "lsm/options.h"
#include "tests/lsm/table/table_test_util.h"

namespace varve::lsm {
namespace {

constexpr uint64_t kPlain = PackTrailer(0, ValueKind::kPut);

std::string Build(const std::vector<Row>& rows) {
  BlockBuilder builder;
  for (const Row& row : rows) builder.Add(row.key, row.trailer, row.value);
  return std::string(builder.Finish());
}

// Index in `rows` of the first version >= (key, trailer).
uint32_t ModelLowerBound(const std::vector<Row>& rows, std::string_view key, uint64_t trailer) {
  const auto it = std::partition_point(rows.begin(), rows.end(), [&](const Row& row) {
    return CompareVersions(row.key, row.trailer, key, trailer) < 0;
  });
  return static_cast<uint32_t>(it - rows.begin());
}

void ExpectAt(const BlockIterator& it, const std::vector<Row>& rows, size_t i) {
  ASSERT_EQ(it.Valid(), i < rows.size()) << i;
  if (!it.Valid()) return;
  EXPECT_EQ(it.key(), rows[i].key) << i;
  EXPECT_EQ(it.trailer(), rows[i].trailer) << i;
  EXPECT_EQ(it.value(), rows[i].value) << i;
}

// Pins the on-disk layout. If one of these fails the format changed: add a version, do not edit the bytes.
// clang-format off
TEST(BlockFormat, CommonBytesAreStoredOnceAndEqualTrailersNotAtAll) {
  EXPECT_EQ(Hex(Build({{"apex", kPlain, "1"}, {"apse", kPlain, "22"}})),
            "31" "3232"                       // values
            "6170" "6578" "7365"              // common "ap", suffixes "ex", "se"
            "000001"                          // V = i * 1 + these: 0, 1, 3
            "0000000000007865"                // KeyPrefix("ex")
            "02000000" "02000000" "04000000"  // two entries, common 2, longest key 4
            "01000000" "00000000"             // value stride 1, bias 0
            "02000000" "00000000"             // key stride 2: K = 0, 2, 4 needs no numbers
            "0100000000000000"                // trailers all 1: sequence 0, put
            "01000000");                      // widths
}

TEST(BlockFormat, VersionsOfOneKeyDifferInTheirTrailers) {
  EXPECT_EQ(Hex(Build({{"k", PackTrailer(9, ValueKind::kPut), "new"},
                       {"k", PackTrailer(5, ValueKind::kDelete), ""},
                       {"kk", PackTrailer(7, ValueKind::kPut), "v"}})),
            "6e6577" "76"                     // "new", "", "v"
            "6b" "6b"                         // common "k", suffixes "", "", "k"
            "00020101"                        // V = i * 1 + these: 0, 3, 3, 4
            "00000001"                        // K = i * 0 + these: 0, 0, 0, 1
            "0104" "0000" "0102"              // trailers 0x500 + these: 0x901, 0x500, 0x701
            "0000000000000000"                // KeyPrefix("")
            "03000000" "01000000" "02000000"
            "01000000" "00000000" "00000000" "00000000"
            "0005000000000000" "01010002");
}

TEST(BlockFormat, SharedCountsTheHeadsBytesAfterTheCommonOnes) {
  EXPECT_EQ(Hex(Build({{"aaaa", kPlain, ""}, {"aaab", kPlain, "xx"}, {"ab", kPlain, "y"}})),
            "7878" "79"
            "61" "616161" "62" "62"           // common "a", suffixes "aaa", "b", "b"
            "01000101"                        // V = i * 1 + these - 1: 0, 0, 2, 3
            "00020202"                        // K = i * 1 + these: 0, 3, 4, 5
            "000200"                          // "aaab" is common, two bytes of its head, "b"
            "0000000000616161"                // KeyPrefix("aaa")
            "03000000" "01000000" "04000000"
            "01000000" "01000000" "01000000" "00000000"
            "0100000000000000" "01010100");
}
// clang-format on

TEST(BlockFormat, EqualValueSizesAndEqualTrailersCostNothing) {
  std::vector<Row> rows;
  for (int i = 0; i < 64; ++i) rows.push_back({"key" + std::to_string(1000 + i), kPlain, std::string(100, 'v')});
  // 6400 bytes of values; keys a few bytes each; bounds and shared one byte each at most; four prefixes; the tail.
  EXPECT_LE(Build(rows).size(), 6400u + 64 * 5 + 4 * 8 + kBlockTailSize + 8);
}

TEST(Block, EmptyBlockHasNothing) {
  const std::string bytes = Build({});
  EXPECT_EQ(bytes.size(), kBlockTailSize);
  ASSERT_TRUE(BlockView::Check(bytes).ok());
  BlockIterator it{BlockView(bytes)};
  it.SeekToFirst();
  EXPECT_FALSE(it.Valid());
  it.SeekToLast();
  EXPECT_FALSE(it.Valid());
  it.Seek("a", 0);
  EXPECT_FALSE(it.Valid());
  it.SeekBefore("a", 0);
  EXPECT_FALSE(it.Valid());
}

// Keys that share much, differ in length, hold zero bytes and repeat with many versions.
std::vector<Row> RandomRows(std::mt19937_64& random, size_t count) {
  std::vector<Row> rows;
  const size_t stem_size = random() % 3 == 0 ? random() % 300 : random() % 12;
  const std::string stem(stem_size, static_cast<char>(random()));
  const unsigned letters = 1 + random() % 4;
  const bool zeroed = random() % 4 == 0;
  const bool wide_trailers = random() % 4 == 0;
  const size_t value_size = random() % 120;
  const bool fixed_values = random() % 2 == 0;
  for (size_t i = 0; i < count; ++i) {
    std::string key = stem;
    for (size_t n = random() % 24; n > 0; --n) key.push_back("\0ab\xff"[random() % letters]);
    const uint64_t seq = wide_trailers ? random() & kSequenceMax : random() % 1000;
    const uint64_t trailer = zeroed ? kPlain : PackTrailer(seq, static_cast<ValueKind>(random() % 2));
    std::string value(fixed_values ? value_size : random() % 300, static_cast<char>('a' + i % 26));
    rows.push_back({std::move(key), trailer, std::move(value)});
  }
  std::sort(rows.begin(), rows.end(),
            [](const Row& a, const Row& b) { return CompareVersions(a.key, a.trailer, b.key, b.trailer) < 0; });
  rows.erase(std::unique(rows.begin(), rows.end(),
                         [](const Row& a, const Row& b) { return a.key == b.key && a.trailer == b.trailer; }),
             rows.end());
  return rows;
}

void CheckAllSeeks(const BlockView& view, const std::vector<Row>& rows, std::string_view key, uint64_t trailer) {
  const uint32_t want = ModelLowerBound(rows, key, trailer);
  BlockIterator it(view);
  it.Seek(key, trailer);
  ExpectAt(it, rows, want);
  it.SeekBefore(key, trailer);
  ExpectAt(it, rows, size_t{want} - 1);
  EXPECT_EQ(want < rows.size() && view.KeyEquals(want, key), want < rows.size() && rows[want].key == key);
}

TEST(BlockModel, EverySeekAndBothDirectionsAgreeWithTheSortedRows) {
  for (uint64_t seed = 1; seed <= 300; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937_64 random(seed);
    const std::vector<Row> rows = RandomRows(random, 1 + random() % 120);
    const std::string bytes = Build(rows);
    ASSERT_TRUE(BlockView::Check(bytes).ok()) << BlockView::Check(bytes).ToString();
    const BlockView view(bytes);
    ASSERT_EQ(view.count(), rows.size());

    BlockIterator it(view);
    EXPECT_FALSE(it.Valid());
    size_t i = 0;
    for (it.SeekToFirst(); it.Valid(); it.Next()) ExpectAt(it, rows, i++);
    EXPECT_EQ(i, rows.size());
    for (it.SeekToLast(); it.Valid(); it.Prev()) ExpectAt(it, rows, --i);
    EXPECT_EQ(i, 0u);

    for (size_t r = 0; r < rows.size(); ++r) {
      EXPECT_EQ(view.KeyAt(static_cast<uint32_t>(r)), rows[r].key);
      for (uint64_t trailer : {rows[r].trailer, rows[r].trailer + 1, rows[r].trailer - 1, uint64_t{0}, ~uint64_t{0}}) {
        CheckAllSeeks(view, rows, rows[r].key, trailer);
      }
      CheckAllSeeks(view, rows, rows[r].key + '\0', kPlain);
      CheckAllSeeks(view, rows, std::string_view(rows[r].key).substr(0, random() % (rows[r].key.size() + 1)), kPlain);
      std::string near = rows[r].key;
      if (!near.empty()) near[random() % near.size()] = static_cast<char>(random());
      CheckAllSeeks(view, rows, near, kPlain);
    }
    CheckAllSeeks(view, rows, {}, ~uint64_t{0});
    CheckAllSeeks(view, rows, std::string(300, '\xff'), 0);
  }
}

TEST(BlockModel, RandomWalkBackAndForth) {
  for (uint64_t seed = 1; seed <= 50; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937_64 random(seed);
    const std::vector<Row> rows = RandomRows(random, 100);
    const std::string bytes = Build(rows);
    BlockIterator it{BlockView(bytes)};
    it.SeekToFirst();
    size_t at = 0;
    for (int step = 0; step < 500; ++step) {
      if (random() % 20 == 0) {
        BlockIterator moved = std::move(it);
        it = std::move(moved);
      }
      const bool forward = at == 0 || (at + 1 < rows.size() && random() % 2 == 0);
      if (forward && at + 1 >= rows.size()) break;
      forward ? it.Next() : it.Prev();
      at = forward ? at + 1 : at - 1;
      ExpectAt(it, rows, at);
    }
  }
}

TEST(Block, IteratorIsReusedForBlocksWithLongerKeys) {
  const std::string small = Build({{"a", kPlain, "1"}});
  const std::string large = Build({{std::string(kKeySizeMax, 'x'), kPlain, "2"}});
  BlockIterator it{BlockView(small)};
  it.SeekToFirst();
  EXPECT_EQ(it.key(), "a");
  it.Reset(BlockView(large));
  EXPECT_FALSE(it.Valid());
  it.SeekToFirst();
  EXPECT_EQ(it.key(), std::string(kKeySizeMax, 'x'));
  BlockIterator moved(std::move(it));
  EXPECT_EQ(moved.key(), std::string(kKeySizeMax, 'x'));
  EXPECT_EQ(moved.value(), "2");
  moved.Reset(BlockView(small));
  moved.SeekToLast();
  EXPECT_EQ(moved.key(), "a");
}

TEST(Block, LongestKeysSharingMuchAndAHugeValue) {
  std::vector<Row> rows;
  const std::string stem(kKeySizeMax - 5, 's');
  for (int i = 0; i < 40; ++i) {
    const size_t value_size = i == 20 ? 20'000'000u : 10u;
    rows.push_back({stem + std::to_string(10000 + i), PackTrailer(7, ValueKind::kPut), std::string(value_size, 'v')});
  }
  rows.push_back({"t", kPlain, "last"});  // nothing is common any more; shared needs three bytes
  const std::string bytes = Build(rows);
  EXPECT_LT(bytes.size(), 20'000'000u + 4 * kKeySizeMax);  // one whole key for each bundle
  ASSERT_TRUE(BlockView::Check(bytes).ok());
  BlockIterator it{BlockView(bytes)};
  size_t i = 0;
  for (it.SeekToFirst(); it.Valid(); it.Next()) ExpectAt(it, rows, i++);
  EXPECT_EQ(i, rows.size());
  for (it.SeekToLast(); it.Valid(); it.Prev()) ExpectAt(it, rows, --i);
  for (const Row& row : rows) {
    it.Seek(row.key, row.trailer);
    ASSERT_TRUE(it.Valid());
    EXPECT_EQ(it.key(), row.key);
  }
}

TEST(Block, BuilderStartsAfreshAfterReset) {
  BlockBuilder builder;
  builder.Add("zzz", kPlain, std::string(3'000'000, 'v'));
  builder.Finish();
  builder.Reset();
  EXPECT_TRUE(builder.empty());
  builder.Add("apex", kPlain, "1");
  builder.Add("apse", kPlain, "22");
  EXPECT_EQ(builder.Finish(), Build({{"apex", kPlain, "1"}, {"apse", kPlain, "22"}}));
}

TEST(Block, SizeEstimateIsClose) {
  for (uint64_t seed = 1; seed <= 50; ++seed) {
    std::mt19937_64 random(seed);
    BlockBuilder builder;
    for (const Row& row : RandomRows(random, 100)) builder.Add(row.key, row.trailer, row.value);
    const double estimate = static_cast<double>(builder.size_estimate());
    const double size = static_cast<double>(builder.Finish().size());
    EXPECT_NEAR(estimate, size, 0.2 * size + 512) << "seed " << seed;
  }
}

// Whatever the bytes, Check either refuses them or every reader stays inside (the address sanitizer watches: the copy
// has no spare byte behind it).
void ReadEverything(const std::string& bytes) {
  const auto exact = std::make_unique_for_overwrite<char[]>(bytes.size());
  std::memcpy(exact.get(), bytes.data(), bytes.size());
  const std::string_view view_bytes(exact.get(), bytes.size());
  if (!BlockView::Check(view_bytes).ok()) return;
  const BlockView view(view_bytes);
  BlockIterator it(view);
  uint64_t sum = 0;
  const auto touch = [&] {
    for (const char c : it.key()) sum += static_cast<unsigned char>(c);
    for (const char c : it.value()) sum += static_cast<unsigned char>(c);
    sum += it.trailer();
  };
  for (it.SeekToFirst(); it.Valid(); it.Next()) touch();
  for (it.SeekToLast(); it.Valid(); it.Prev()) touch();
  for (uint32_t i = 0; i < std::min<uint32_t>(view.count(), 40); ++i) {
    const std::string key = view.KeyAt(i);
    it.Seek(key, view.trailer(i));
    if (it.Valid()) touch();
    it.SeekBefore(key + "x", 0);
    if (it.Valid()) touch();
    sum += view.KeyEquals(i, key) ? 1 : 0;
  }
  EXPECT_NE(sum, 1u);
}

TEST(BlockDamage, EveryBitFlippedIsRefusedOrHarmless) {
  std::mt19937_64 random(42);
  std::string bytes = Build(RandomRows(random, 40));
  for (size_t bit = 0; bit < bytes.size() * 8; ++bit) {
    const char mask = static_cast<char>(1 << bit % 8);
    bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ mask);
    ReadEverything(bytes);
    bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ mask);
  }
}

TEST(BlockDamage, RandomDamageAndTruncationIsRefusedOrHarmless) {
  for (uint64_t seed = 1; seed <= 400; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937_64 random(seed);
    std::string bytes = Build(RandomRows(random, 1 + random() % 80));
    for (int round = 0; round < 40; ++round) {
      std::string damaged = bytes;
      if (random() % 4 == 0) damaged.resize(random() % (damaged.size() + 1));
      const size_t near_end = std::min<size_t>(damaged.size(), 200);
      for (uint64_t n = random() % 4; n > 0 && near_end > 0; --n) {
        const char with = random() % 3 == 0 ? '\xff' : static_cast<char>(random());
        damaged[damaged.size() - 1 - random() % near_end] = with;
      }
      ReadEverything(damaged);
    }
  }
}

TEST(BlockDamage, ImpossibleCountsAreRefusedBeforeTheyAreUsed) {
  std::string bytes = Build({{"a", kPlain, "1"}});
  EncodeFixed32(bytes.data() + bytes.size() - kBlockTailSize, 0xffffffff);
  EXPECT_TRUE(BlockView::Check(bytes).Is(StatusCode::kCorruption));
  EXPECT_TRUE(BlockView::Check("").Is(StatusCode::kCorruption));
  EXPECT_TRUE(BlockView::Check(std::string(39, '\0')).Is(StatusCode::kCorruption));
  std::string longest = Build({{"a", kPlain, "1"}});
  EncodeFixed32(longest.data() + longest.size() - kBlockTailSize + 8, kKeySizeMax + 1);
  EXPECT_TRUE(BlockView::Check(longest).Is(StatusCode::kCorruption));
}

// Bounds that rise out of the section and fall back to its end: what lies there was once read before that was noticed.
TEST(BlockDamage, BoundsThatLeaveTheirSectionAreNotFollowed) {
  constexpr uint32_t kCount = 18, kStep = 65'000, kSize = 24;
  std::string bytes(kSize, 'k');  // suffixes; neither values nor common bytes
  for (uint32_t i = 0; i <= kCount; ++i) {
    PutFixed32(&bytes, i == kCount ? kSize : i < kCount - 1 ? i * kStep : (kCount - 2) * kStep + 8);
  }
  for (int bundle = 0; bundle < 2; ++bundle) PutFixed64(&bytes, KeyPrefix("kkkkkkkk"));
  for (const uint32_t number : {kCount, 0u, kStep + 100, 0u, 0u, 0u, 0u}) PutFixed32(&bytes, number);
  PutFixed64(&bytes, kPlain);
  bytes += std::string("\0\4\0\0", 4);  // widths
  EXPECT_EQ(BlockView::Check(bytes).message(), "bounds of entries leave their section");
  ReadEverything(bytes);
}

}  // namespace
}  // namespace varve::lsm
