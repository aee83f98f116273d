#include "lsm/table/table.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "lsm/format/coding.h"
#include "lsm/io/memory_file_system.h"
#include "lsm/table/filter.h"
#include "lsm/table/table_file.h"
#include "tests/lsm/table/table_test_util.h"

namespace varve::lsm {
namespace {

constexpr uint64_t kTableId = 0x1122334455667788;
constexpr ReadTier kRead = {.memory_only = false, .fill_cache = true};
constexpr ReadTier kMemoryOnly = {.memory_only = true, .fill_cache = true};
constexpr ReadTier kSweep = {.memory_only = false, .fill_cache = false};

TableBuilderOptions SmallBlocks(Compression compression = Compression::kNone) {
  return {.block_size = 512, .compression = compression, .table_id = kTableId};
}

std::string Pair(std::string_view name, std::string_view value) {
  std::string out;
  PutLengthPrefixed(&out, name);
  PutLengthPrefixed(&out, value);
  return out;
}

uint32_t ModelLowerBound(const std::vector<Row>& rows, std::string_view key, uint64_t trailer) {
  const auto it = std::partition_point(rows.begin(), rows.end(), [&](const Row& row) {
    return CompareVersions(row.key, row.trailer, key, trailer) < 0;
  });
  return static_cast<uint32_t>(it - rows.begin());
}

// Some keys with one version, some with many: more than fit a block.
std::vector<Row> RandomRows(uint64_t seed, size_t keys) {
  std::mt19937_64 random(seed);
  std::map<std::string, size_t> versions;
  while (versions.size() < keys) {
    std::string key = "user:" + std::to_string(random() % (keys * 10));
    if (random() % 8 == 0) key.append(random() % 60, "\xff\0a"[random() % 3]);
    versions[std::move(key)] = random() % 50 == 0 ? 60 : 1 + random() % 3;
  }
  std::vector<Row> rows;
  for (const auto& [key, count] : versions) {
    uint64_t seq = 1000;
    for (size_t i = 0; i < count; ++i) {
      seq -= 1 + random() % 8;
      const bool is_delete = random() % 5 == 0;
      std::string value(is_delete ? 0 : random() % 60, static_cast<char>('a' + random() % 26));
      rows.push_back({key, PackTrailer(seq, is_delete ? ValueKind::kDelete : ValueKind::kPut), std::move(value)});
    }
  }
  return rows;
}

void ExpectAt(const TableIterator& it, const std::vector<Row>& rows, size_t i) {
  ASSERT_TRUE(it.status().ok()) << it.status().ToString();
  ASSERT_EQ(it.Valid(), i < rows.size()) << i;
  if (!it.Valid()) return;
  EXPECT_EQ(it.key(), rows[i].key) << i;
  EXPECT_EQ(it.trailer(), rows[i].trailer) << i;
  EXPECT_EQ(it.value(), rows[i].value) << i;
}

std::shared_ptr<Table> MustOpen(const BuiltTable& built, BlockCache* cache, std::atomic<int>* reads = nullptr) {
  Result<std::shared_ptr<Table>> table = built.Open(cache, kTableId, reads);
  EXPECT_TRUE(table.ok()) << table.status().ToString();
  return std::move(table).value();
}

BuiltTable MustBuild(const std::vector<Row>& rows, const TableBuilderOptions& options,
                     const std::vector<RangeTombstone>& tombstones = {}) {
  Result<BuiltTable> built = BuildTable(rows, options, tombstones);
  EXPECT_TRUE(built.ok()) << built.status().ToString();
  return std::move(built).value();
}

// The value a reader at `snapshot` should get: nullopt-like false for absent, else trailer and value.
bool ModelGet(const std::vector<Row>& rows, std::string_view key, SequenceNumber snapshot, Row* row) {
  const size_t i = ModelLowerBound(rows, key, MaxTrailer(snapshot));
  if (i == rows.size() || rows[i].key != key) return false;
  *row = rows[i];
  return true;
}

// Pins the on-disk layout of a whole file. If this fails the format changed: add a version, do not edit the bytes.
// clang-format off
TEST(TableFormat, OneRow) {
  const BuiltTable built = MustBuild({{"k", PackTrailer(7, ValueKind::kPut), "v"}},
                                     {.filter_bits_per_key = 0, .table_id = 1});
  const std::string properties =
      Pair("table_id", "\1") + Pair("entries", "\1") + Pair("deletes", std::string(1, '\0')) +
      Pair("range_deletes", std::string(1, '\0')) + Pair("data_blocks", "\1") + Pair("smallest_seq", "\7") +
      Pair("largest_seq", "\7") + Pair("raw_key_bytes", "\1") + Pair("raw_value_bytes", "\1") + Pair("smallest", "k") +
      Pair("largest", "k") + Pair("compression", "none") + Pair("filter", "");
  EXPECT_EQ(Hex(*built.bytes),
            // 0: data block, 50 bytes
            "76" "6b" "0000000000000000"
            "01000000" "01000000" "01000000" "01000000" "00000000" "00000000" "00000000" "0107000000000000" "00000000"
            "00" "a4df81ee"
            // 55: index, 54 bytes: separator "k" with trailer 0, the block ends at 55
            "3700000000" "6b" "0000000000000000"
            "01000000" "01000000" "01000000" "05000000" "00000000" "00000000" "00000000" "0000000000000000" "00000000"
            "00" "9fe525d4"
            // 114: properties
            + Hex(properties) + "00" "f2c76f1d"
            // footer
            "7200000000000000" "aa000000" "3700000000000000" "36000000" "0000000000000000" "00000000"
            "d19e76f3" "0000564152564501");
  EXPECT_EQ(built.facts.tail_offset, 55u);
  EXPECT_EQ(built.facts.file_size, built.bytes->size());
}
// clang-format on

TEST(TableBuilder, FactsCoverPointsAndRangeTombstones) {
  const BuiltTable built = MustBuild({{"c", PackTrailer(9, ValueKind::kPut), "v"},
                                      {"c", PackTrailer(5, ValueKind::kDelete), ""},
                                      {"f", PackTrailer(6, ValueKind::kPut), "v"}},
                                     SmallBlocks(), {{"b", "d", 4}, {"e", "g", 12}, {"x", "x", 99}});
  EXPECT_EQ(built.facts.entries, 3u);
  EXPECT_EQ(built.facts.deletes, 1u);
  EXPECT_EQ(built.facts.range_deletes, 2u);  // an empty range deletes nothing
  EXPECT_EQ(built.facts.smallest, "b");
  EXPECT_EQ(built.facts.largest, "g");
  EXPECT_TRUE(built.facts.largest_exclusive);
  EXPECT_EQ(built.facts.smallest_seq, 4u);
  EXPECT_EQ(built.facts.largest_seq, 12u);
  BlockCache cache(1 << 20);
  const auto table = MustOpen(built, &cache);
  ASSERT_NE(table->range_tombstones(), nullptr);
  EXPECT_EQ(table->range_tombstones()->fragments().size(), 2u);
  EXPECT_EQ(table->range_tombstones()->CoveringSequence("f", 100), 12u);
  EXPECT_EQ(table->properties().largest, "g");
}

TEST(TableBuilder, ARangeTombstoneEndingAtTheLastKeyLeavesItInclusive) {
  const BuiltTable built = MustBuild({{"c", PackTrailer(9, ValueKind::kPut), "v"}}, SmallBlocks(), {{"a", "c", 4}});
  EXPECT_EQ(built.facts.largest, "c");
  EXPECT_FALSE(built.facts.largest_exclusive);
}

TEST(TableBuilder, OutOfOrderIsRefusedAndSticks) {
  std::string bytes;
  TableBuilder builder(std::make_unique<StringSink>(&bytes), SmallBlocks());
  ASSERT_TRUE(builder.Add("b", PackTrailer(5, ValueKind::kPut), "").ok());
  EXPECT_FALSE(builder.Add("b", PackTrailer(5, ValueKind::kPut), "").ok());
  EXPECT_FALSE(builder.Add("c", PackTrailer(5, ValueKind::kPut), "").ok());
  EXPECT_FALSE(builder.Finish().ok());
}

TEST(TableBuilder, AWriteErrorIsReported) {
  std::string bytes;
  auto sink = std::make_unique<StringSink>(&bytes);
  sink->writes_left = 1;
  TableBuilder builder(std::move(sink), SmallBlocks());
  Status status;
  for (int i = 0; status.ok() && i < 100'000; ++i) {
    status = builder.Add("key" + std::to_string(1'000'000 + i), PackTrailer(5, ValueKind::kPut), std::string(100, 'v'));
  }
  EXPECT_TRUE(status.Is(StatusCode::kNoSpace));
  EXPECT_TRUE(builder.Finish().status().Is(StatusCode::kNoSpace));
}

TEST(Table, WithoutRowsHoldsNothing) {
  for (const std::vector<RangeTombstone>& tombstones :
       {std::vector<RangeTombstone>{}, std::vector<RangeTombstone>{{"a", "b", 3}}}) {
    const BuiltTable built = MustBuild({}, SmallBlocks(), tombstones);
    BlockCache cache(1 << 20);
    const auto table = MustOpen(built, &cache);
    EXPECT_EQ(table->range_tombstones() == nullptr, tombstones.empty());
    uint64_t trailer;
    PinnedValue value;
    EXPECT_FALSE(*table->Get("a", FilterHash("a"), 100, kRead, &trailer, &value));
    TableIterator it(table, kRead);
    it.SeekToFirst();
    EXPECT_FALSE(it.Valid());
    it.SeekToLast();
    EXPECT_FALSE(it.Valid());
    it.Seek("a", 0);
    EXPECT_FALSE(it.Valid());
    it.SeekBefore("a", 0);
    EXPECT_FALSE(it.Valid());
    EXPECT_TRUE(it.status().ok());
  }
}

class TableModel : public testing::TestWithParam<Compression> {};
INSTANTIATE_TEST_SUITE_P(Compressions, TableModel, testing::Values(Compression::kNone, Compression::kZstd));

TEST_P(TableModel, ReadsAgreeWithTheRows) {
  for (uint64_t seed = 1; seed <= 12; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937_64 random(seed);
    const std::vector<Row> rows = RandomRows(seed, 1 + random() % 900);
    const BuiltTable built = MustBuild(rows, SmallBlocks(GetParam()));
    EXPECT_EQ(built.facts.entries, rows.size());
    BlockCache cache(seed % 2 == 0 ? 8 << 10 : 1 << 20);
    const auto table = MustOpen(built, &cache);
    for (const ReadTier& tier : {kRead, kSweep}) {
      TableIterator it(table, tier);
      size_t i = 0;
      for (it.SeekToFirst(); it.Valid(); it.Next()) ExpectAt(it, rows, i++);
      EXPECT_EQ(i, rows.size());
      for (it.SeekToLast(); it.Valid(); it.Prev()) ExpectAt(it, rows, --i);
      EXPECT_EQ(i, 0u);
      EXPECT_TRUE(it.status().ok());
    }
    TableIterator it(table, kRead);
    const auto seeks = [&](std::string_view key, uint64_t trailer) {
      const size_t want = ModelLowerBound(rows, key, trailer);
      it.Seek(key, trailer);
      ExpectAt(it, rows, want);
      if (it.Valid() && random() % 2 == 0) {
        it.Next();
        ExpectAt(it, rows, want + 1);
      }
      it.SeekBefore(key, trailer);
      ExpectAt(it, rows, want - 1);
      if (it.Valid() && random() % 2 == 0) {
        it.Prev();
        ExpectAt(it, rows, want - 2);
      }
    };
    for (const Row& row : rows) {
      for (uint64_t trailer : {row.trailer, row.trailer + 1, row.trailer - 1, ~uint64_t{0}, uint64_t{0}}) {
        seeks(row.key, trailer);
      }
      seeks(row.key + '\0', 0);
      seeks(std::string_view(row.key).substr(0, random() % (row.key.size() + 1)), 0);
    }
    seeks("", ~uint64_t{0});
    seeks("\xff\xff", 0);
  }
}

TEST_P(TableModel, GetsAtEverySnapshotAgreeWithTheRows) {
  for (uint64_t seed = 1; seed <= 6; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    const std::vector<Row> rows = RandomRows(seed, 300);
    const BuiltTable built = MustBuild(rows, SmallBlocks(GetParam()));
    BlockCache cache(seed % 2 == 0 ? 8 << 10 : 1 << 20);
    const auto table = MustOpen(built, &cache);
    PinnedValue value;
    const auto check = [&](const std::string& key, SequenceNumber snapshot) {
      Row want;
      const bool there = ModelGet(rows, key, snapshot, &want);
      uint64_t trailer = 0;
      value.Reset();
      const Result<bool> got = table->Get(key, FilterHash(key), snapshot, kRead, &trailer, &value);
      ASSERT_TRUE(got.ok()) << got.status().ToString();
      ASSERT_EQ(*got, there) << key << " at " << snapshot;
      if (!there) return;
      EXPECT_EQ(trailer, want.trailer);
      EXPECT_EQ(value.view(), want.value);
    };
    for (const Row& row : rows) {
      const SequenceNumber seq = TrailerSequence(row.trailer);
      for (SequenceNumber snapshot : {seq, seq - 1, seq + 1, kSequenceMax, SequenceNumber{0}}) check(row.key, snapshot);
      check(row.key + "x", kSequenceMax);
    }
  }
}

// Every key of the index is between the last version of its block and the first of the next, and short.
TEST(Table, SeparatorsAreShort) {
  std::vector<Row> rows;
  for (int i = 0; i < 2000; ++i) {
    std::string key =
        "prefix:" + std::to_string(100'000 + i * 37) + ":a very long tail that separators should not carry";
    rows.push_back({std::move(key), PackTrailer(1, ValueKind::kPut), std::string(40, 'v')});
  }
  const BuiltTable built = MustBuild(rows, SmallBlocks());
  BlockCache cache(1 << 20);
  const auto table = MustOpen(built, &cache);
  const size_t filter = FilterSize(rows.size(), 10);
  const size_t blocks = table->properties().data_blocks;
  // 8 bytes of slot, 5 of value, at most 4 of key after the common bytes, some of bounds.
  EXPECT_LE(table->memory_bytes() - filter, blocks * 24 + 200);
}

TEST(Table, BlocksFillTheirTargetAndNotMore) {
  std::vector<Row> rows;
  for (int i = 0; i < 5000; ++i) {
    rows.push_back(
        {std::to_string(1'000'000'000'000'000 + i * 7919), PackTrailer(1 + i, ValueKind::kPut), std::string(100, 'v')});
  }
  const BuiltTable built = MustBuild(rows, {.table_id = kTableId});
  const uint64_t blocks = (built.facts.tail_offset + 8191) / 8192;
  BlockCache cache(1 << 20);
  const auto table = MustOpen(built, &cache);
  EXPECT_LE(table->properties().data_blocks, blocks * 11 / 10);
  // Values, and at most 12 bytes beside them: suffix and bookkeeping, trailer included.
  EXPECT_LE(built.facts.tail_offset, rows.size() * 112);
}

TEST(Table, HugeValueAndLongestKeys) {
  std::vector<Row> rows;
  for (int i = 0; i < 30; ++i) {
    std::string key = std::string(kKeySizeMax - 2, 'k') + std::to_string(10 + i);
    rows.push_back({std::move(key), PackTrailer(3, ValueKind::kPut), std::string(i == 15 ? 20'000'000 : 600, 'v')});
  }
  for (Compression compression : {Compression::kNone, Compression::kZstd}) {
    const BuiltTable built = MustBuild(rows, {.compression = compression, .table_id = kTableId});
    BlockCache cache(8 << 20);
    const auto table = MustOpen(built, &cache);
    PinnedValue value;
    uint64_t trailer;
    for (const Row& row : rows) {
      ASSERT_TRUE(*table->Get(row.key, FilterHash(row.key), 3, kRead, &trailer, &value));
      EXPECT_TRUE(value.view() == row.value);
    }
    EXPECT_LE(cache.block_bytes(), cache.capacity());
    TableIterator it(table, kRead);
    size_t i = 0;
    for (it.SeekToFirst(); it.Valid(); it.Next()) EXPECT_TRUE(it.value() == rows[i++].value);
    EXPECT_EQ(i, rows.size());
    for (it.SeekToLast(); it.Valid(); it.Prev()) EXPECT_TRUE(it.key() == rows[--i].key);
    EXPECT_EQ(i, 0u);
  }
}

std::vector<Row> JsonRows(size_t count) {
  std::mt19937_64 random(5);
  std::vector<Row> rows;
  for (size_t i = 0; i < count; ++i) {
    std::string value =
        R"({"maintainer":"Debian Developers <devel@lists.debian.org>","architecture":"amd64","priority":"optional",)"
        R"("section":"libdevel","depends":"libc6 (>= 2.34), libstdc++6 (>= 12), zlib1g","sha256":")";
    for (int n = 0; n < 4; ++n) value += std::to_string(random());
    rows.push_back({"package:" + std::to_string(1'000'000 + i), PackTrailer(3, ValueKind::kPut), value + "\"}"});
  }
  return rows;
}

void ExpectAllRows(const std::shared_ptr<Table>& table, const std::vector<Row>& rows) {
  PinnedValue value;
  uint64_t trailer;
  for (const Row& row : rows) {
    const auto found = table->Get(row.key, FilterHash(row.key), 3, kSweep, &trailer, &value);
    ASSERT_TRUE(found.ok() && *found) << found.status().ToString();
    EXPECT_EQ(value.view(), row.value);
  }
  TableIterator it(table, kSweep);
  size_t i = 0;
  for (it.SeekToFirst(); it.Valid(); it.Next()) EXPECT_EQ(it.value(), rows[i++].value);
  EXPECT_EQ(i, rows.size()) << it.status().ToString();
  for (it.SeekToLast(); it.Valid(); it.Prev()) EXPECT_EQ(it.key(), rows[--i].key);
  EXPECT_EQ(i, 0u) << it.status().ToString();
}

TEST(Table, ADictionaryIsUsedWhereItPays) {
  const TableBuilderOptions options{.block_size = 4096, .compression = Compression::kZstd, .table_id = kTableId};
  const std::vector<Row> json = JsonRows(4000);
  const BuiltTable with = MustBuild(json, options);
  BlockCache cache(1 << 20);
  const auto table = MustOpen(with, &cache);
  ASSERT_NE(table->properties().dictionary.size, 0u);
  EXPECT_GT(cache.table_memory_bytes(), kDictionarySize);
  ExpectAllRows(table, json);
  std::vector<std::string> problems;
  uint64_t blocks = 0, entries = 0;
  table->Verify(&blocks, &entries, &problems);
  EXPECT_TRUE(problems.empty()) << problems.front();

  // Until the dictionary is there and tried, 4 + 8 blocks do without; the rest takes a tenth less.
  const BuiltTable start = MustBuild({json.begin(), json.begin() + 100}, options);
  EXPECT_EQ(MustOpen(start, &cache)->properties().dictionary.size, 0u);
  const double row_without = static_cast<double>(start.facts.tail_offset) / 100;
  EXPECT_LT(static_cast<double>(with.facts.tail_offset), 0.9 * row_without * 4000);

  std::mt19937_64 random(7);
  std::vector<Row> noise = json;
  for (Row& row : noise) {
    std::string half(50, 0);
    for (char& c : half) c = static_cast<char>(random());
    row.value = half + half;
  }
  const BuiltTable without = MustBuild(noise, options);
  EXPECT_EQ(MustOpen(without, &cache)->properties().dictionary.size, 0u);
  ExpectAllRows(MustOpen(without, &cache), noise);
}

TEST(Table, PinnedValueOutlivesItsTableAndTheCache) {
  auto cache = std::make_unique<BlockCache>(1 << 20);
  const std::string large(5000, 'v');
  const BuiltTable built = MustBuild({{"k", PackTrailer(3, ValueKind::kPut), large}}, SmallBlocks());
  auto table = MustOpen(built, cache.get());
  PinnedValue value;
  uint64_t trailer;
  ASSERT_TRUE(*table->Get("k", FilterHash("k"), 3, kRead, &trailer, &value));
  table.reset();
  EXPECT_EQ(cache->block_bytes(), 0u);
  EXPECT_EQ(cache->table_memory_bytes(), 0u);
  cache.reset();
  EXPECT_EQ(value.view(), large);
}

TEST(Table, IteratorKeepsItsTableAlive) {
  BlockCache cache(1 << 20);
  const std::vector<Row> rows = RandomRows(1, 200);
  auto table = MustOpen(MustBuild(rows, SmallBlocks()), &cache);
  TableIterator it(table, kRead);
  it.SeekToFirst();
  table.reset();
  TableIterator moved(std::move(it));
  size_t i = 0;
  for (; moved.Valid(); moved.Next()) ExpectAt(moved, rows, i++);
  EXPECT_EQ(i, rows.size());
}

TEST(Table, MemoryOnlyReadsBlockOnAMissAndAnswerOnAHit) {
  const std::vector<Row> rows = RandomRows(3, 300);
  const BuiltTable built = MustBuild(rows, SmallBlocks());
  BlockCache cache(1 << 20);
  std::atomic<int> reads{0};
  const auto table = MustOpen(built, &cache, &reads);
  EXPECT_EQ(reads, 1);  // the tail in one piece
  PinnedValue value;
  uint64_t trailer;
  const std::string& key = rows[100].key;
  EXPECT_TRUE(table->Get(key, FilterHash(key), kSequenceMax, kMemoryOnly, &trailer, &value)
                  .status()
                  .Is(StatusCode::kWouldBlock));
  TableIterator it(table, kMemoryOnly);
  it.Seek(key, ~uint64_t{0});
  EXPECT_FALSE(it.Valid());
  EXPECT_TRUE(it.status().Is(StatusCode::kWouldBlock));
  EXPECT_EQ(reads, 1);
  ASSERT_TRUE(*table->Get(key, FilterHash(key), kSequenceMax, kRead, &trailer, &value));
  EXPECT_EQ(reads, 2);
  ASSERT_TRUE(*table->Get(key, FilterHash(key), kSequenceMax, kMemoryOnly, &trailer, &value));
  it.Seek(key, ~uint64_t{0});
  EXPECT_TRUE(it.Valid());
  EXPECT_EQ(reads, 2);
  EXPECT_EQ(cache.hits(), 2u);
}

// A seek in steps counts as one: what is missing is missed once, what is there is hit once.
TEST(Table, ASeekInStepsLooksUpOnce) {
  const std::vector<Row> rows = RandomRows(4, 500);
  const BuiltTable built = MustBuild(rows, SmallBlocks());
  BlockCache cache(1 << 20);
  const auto table = MustOpen(built, &cache);
  for (const uint64_t earlier : {0u, 1u}) {  // the second time the block is resident
    TableIterator it(table, kRead);
    it.AimAt(rows[100].key, rows[100].trailer);
    it.Approach();
    it.Fetch();
    EXPECT_FALSE(it.Valid());
    it.Land(rows[100].key, rows[100].trailer);
    ExpectAt(it, rows, 100);
    EXPECT_EQ(cache.misses(), 1u);
    EXPECT_EQ(cache.hits(), earlier);
  }
}

TEST(Table, TheFilterSparesReads) {
  const std::vector<Row> rows = RandomRows(4, 500);
  const BuiltTable built = MustBuild(rows, SmallBlocks());
  BlockCache cache(1 << 20);
  std::atomic<int> reads{0};
  const auto table = MustOpen(built, &cache, &reads);
  PinnedValue value;
  uint64_t trailer;
  for (int i = 0; i < 1000; ++i) {
    const std::string key = "user:absent" + std::to_string(i);
    EXPECT_FALSE(*table->Get(key, FilterHash(key), kSequenceMax, kRead, &trailer, &value));
  }
  EXPECT_GE(cache.filter_useful(), 970u);
  EXPECT_LE(reads, 31);
}

TEST(Table, ScansReadAheadBothWaysAndSweepsLeaveTheCacheAlone) {
  const std::vector<Row> rows = RandomRows(5, 4000);
  const BuiltTable built = MustBuild(rows, SmallBlocks());
  BlockCache cache(64 << 20);
  std::atomic<int> reads{0};
  const auto table = MustOpen(built, &cache, &reads);
  const int few = static_cast<int>(built.bytes->size() / (64 << 10)) + 5;
  reads = 0;
  TableIterator it(table, kSweep);
  for (it.SeekToFirst(); it.Valid(); it.Next()) continue;
  EXPECT_LE(reads, few);
  reads = 0;
  for (it.SeekToLast(); it.Valid(); it.Prev()) continue;
  EXPECT_LE(reads, few);
  EXPECT_EQ(cache.block_bytes(), 0u);
  TableIterator filling(table, kRead);
  for (filling.SeekToFirst(); filling.Valid(); filling.Next()) continue;
  reads = 0;
  for (filling.SeekToFirst(); filling.Valid(); filling.Next()) continue;
  EXPECT_EQ(reads, 0);
}

TEST(Table, TheTailIsFoundWithoutTheManifest) {
  const std::vector<Row> rows = RandomRows(6, 300);
  BuiltTable built = MustBuild(rows, SmallBlocks(), {{"a", "b", 5}});
  built.facts.tail_offset = 0;
  BlockCache cache(1 << 20);
  Result<std::shared_ptr<Table>> table = built.Open(&cache, /*table_id=*/0);
  ASSERT_TRUE(table.ok()) << table.status().ToString();
  EXPECT_EQ((*table)->table_id(), kTableId);
  EXPECT_NE((*table)->range_tombstones(), nullptr);
  EXPECT_EQ((*table)->path(), "t.sst");
}

// The table with other properties, every checksum right.
BuiltTable WithProperties(const BuiltTable& built, const std::function<void(TableProperties*)>& change) {
  std::string bytes = *built.bytes;
  Footer footer =
      Footer::Decode(std::string_view(bytes).substr(bytes.size() - kFooterSize), bytes.size(), "t.sst").value();
  TableProperties properties =
      TableProperties::Decode(std::string_view(bytes).substr(footer.properties.offset, footer.properties.size)).value();
  change(&properties);
  const std::string encoded = properties.Encode();
  bytes.resize(footer.properties.offset);
  bytes += encoded + BlockTrailer(encoded, BlockCompression::kNone, 0, footer.properties.offset);
  footer.properties.size = static_cast<uint32_t>(encoded.size());
  bytes += footer.Encode();
  BuiltTable changed;
  *changed.bytes = bytes;
  changed.facts = built.facts;
  changed.facts.file_size = bytes.size();
  return changed;
}

TEST(Table, ADictionaryThatIsMissingOrOfAnotherSizeIsDamage) {
  const std::vector<Row> json = JsonRows(4000);
  const BuiltTable built =
      MustBuild(json, {.block_size = 4096, .compression = Compression::kZstd, .table_id = kTableId});
  BlockCache cache(1 << 20);
  const auto without = MustOpen(WithProperties(built, [](TableProperties* p) { p->dictionary = {}; }), &cache);
  PinnedValue value;
  uint64_t trailer;
  EXPECT_TRUE(*without->Get(json[0].key, FilterHash(json[0].key), 3, kRead, &trailer, &value));
  const auto read = without->Get(json.back().key, FilterHash(json.back().key), 3, kRead, &trailer, &value);
  EXPECT_NE(read.status().message().find("compressed with a dictionary, and there is none"), std::string::npos)
      << read.status().ToString();
  const auto other = WithProperties(built, [&](TableProperties* p) {
    p->dictionary = {.offset = 0, .size = 0};
    p->dictionary.size = 1;
  });
  EXPECT_TRUE(other.Open(&cache, kTableId).status().Is(StatusCode::kCorruption));
}

// Whoever counts range deletes and does not find them would let what they hide reappear.
TEST(Table, RangeDeletesAreCountedAndThereOrNeither) {
  BlockCache cache(1 << 20);
  const BuiltTable with = MustBuild(RandomRows(6, 10), SmallBlocks(), {{"a", "b", 5}});
  const BuiltTable without = MustBuild(RandomRows(6, 10), SmallBlocks());
  const auto same = WithProperties(with, [](TableProperties*) {}).Open(&cache, kTableId);
  EXPECT_TRUE(same.ok()) << same.status().ToString();
  for (const BuiltTable& crafted :
       {WithProperties(with, [](TableProperties* properties) { properties->range_tombstones = {}; }),
        WithProperties(with, [](TableProperties* properties) { properties->range_deletes = 0; }),
        WithProperties(without, [](TableProperties* properties) { properties->range_deletes = 1; })}) {
    const auto table = crafted.Open(&cache, kTableId);
    EXPECT_TRUE(table.status().Is(StatusCode::kCorruption)) << table.status().ToString();
    EXPECT_NE(table.status().message().find("t.sst: block at offset "), std::string_view::npos);
  }
}

// A manifest's size was once believed, and so much memory allocated.
TEST(TableFile, TheFileMustBeWhatTheManifestSays) {
  MemoryFileSystem disk;
  ASSERT_TRUE(disk.CreateDir("/db").ok());
  const BuiltTable built = MustBuild(RandomRows(6, 10), SmallBlocks(), {{"a", "b", 5}});
  auto file = disk.Create(TableFileName("/db", 7));
  ASSERT_TRUE(file.ok());
  ASSERT_TRUE((*file)->WriteAt(0, *built.bytes).ok());
  file->reset();
  BlockCache cache(1 << 20);
  const auto context = std::make_shared<TableContext>();
  context->file_system = &disk;
  context->cache = &cache;
  context->dir = "/db";
  const auto open = [&](const TableFacts& facts) { return TableFile(7, kTableId, facts, context).Open().status(); };
  EXPECT_TRUE(open(built.facts).ok());
  TableFacts hostile = built.facts;
  hostile.file_size = uint64_t{1} << 50;
  EXPECT_EQ(open(hostile).message(),
            "/db/000007.sst: " + std::to_string(built.bytes->size()) + " bytes, the manifest says 1125899906842624");
  hostile = built.facts;
  hostile.range_deletes = 0;
  EXPECT_EQ(open(hostile).message(), "/db/000007.sst: 1 range deletes, the manifest says 0");
}

TEST(Table, AnotherTablesFileIsRefused) {
  const BuiltTable built = MustBuild(RandomRows(6, 10), SmallBlocks());
  BlockCache cache(1 << 20);
  const Result<std::shared_ptr<Table>> table = built.Open(&cache, kTableId + 1);
  EXPECT_TRUE(table.status().Is(StatusCode::kCorruption));
  EXPECT_EQ(table.status().message(), "t.sst: holds table id 1234605616436508552, want 1234605616436508553");
}

TEST(Table, ApproximateOffsetsRiseFromZeroToTheData) {
  const std::vector<Row> rows = RandomRows(7, 1000);
  const BuiltTable built = MustBuild(rows, SmallBlocks());
  BlockCache cache(1 << 20);
  const auto table = MustOpen(built, &cache);
  EXPECT_EQ(table->ApproximateOffset(""), 0u);
  EXPECT_EQ(table->ApproximateOffset("zzz"), built.facts.tail_offset);
  uint64_t last = 0;
  for (const Row& row : rows) {
    EXPECT_GE(table->ApproximateOffset(row.key), last);
    last = table->ApproximateOffset(row.key);
  }
  EXPECT_GT(last, built.facts.tail_offset * 9 / 10);
}

TEST(Table, VerifyCountsASoundTableAndNamesADamagedBlock) {
  const std::vector<Row> rows = RandomRows(8, 500);
  const BuiltTable built = MustBuild(rows, SmallBlocks(Compression::kZstd), {{"a", "b", 5}});
  BlockCache cache(1 << 20);
  const auto table = MustOpen(built, &cache);
  uint64_t blocks = 0, entries = 0;
  std::vector<std::string> problems;
  table->Verify(&blocks, &entries, &problems);
  EXPECT_TRUE(problems.empty()) << problems[0];
  EXPECT_EQ(blocks, table->properties().data_blocks);
  EXPECT_EQ(entries, rows.size());

  (*built.bytes)[1] = static_cast<char>((*built.bytes)[1] ^ 4);
  blocks = entries = 0;
  table->Verify(&blocks, &entries, &problems);
  ASSERT_EQ(problems.size(), 1u);
  EXPECT_EQ(problems[0], "t.sst: block at offset 0: checksum mismatch");
  EXPECT_EQ(blocks, table->properties().data_blocks - 1);
}

// Reads a table every way there is. Whatever is read must be right; errors are allowed, and counted.
int CheckReads(const BuiltTable& damaged, const std::vector<Row>& rows, uint64_t tail_offset) {
  BlockCache cache(1 << 20);
  int errors = 0;
  auto opened = Table::Open(std::make_unique<StringSource>(damaged.bytes), damaged.facts.file_size, tail_offset,
                            kTableId, &cache);
  if (!opened.ok()) {
    EXPECT_TRUE(opened.status().message().starts_with("t.sst: ")) << opened.status().ToString();
    return 1;
  }
  const std::shared_ptr<Table> table = std::move(opened).value();
  TableIterator it(table, kRead);
  size_t i = 0;
  for (it.SeekToFirst(); it.Valid(); it.Next()) ExpectAt(it, rows, i++);
  EXPECT_TRUE(!it.status().ok() || i == rows.size()) << i;
  errors += it.status().ok() ? 0 : 1;
  i = rows.size();
  for (it.SeekToLast(); it.Valid(); it.Prev()) ExpectAt(it, rows, --i);
  EXPECT_TRUE(!it.status().ok() || i == 0) << i;
  errors += it.status().ok() ? 0 : 1;
  PinnedValue value;
  for (size_t r = 0; r < rows.size(); r += 7) {
    uint64_t trailer = 0;
    value.Reset();
    const Result<bool> got =
        table->Get(rows[r].key, FilterHash(rows[r].key), TrailerSequence(rows[r].trailer), kRead, &trailer, &value);
    EXPECT_TRUE(!got.ok() || (*got && trailer == rows[r].trailer && value.view() == rows[r].value)) << r;
    errors += got.ok() ? 0 : 1;
  }
  return errors;
}

TEST(TableDamage, EveryFlippedBitIsAnErrorOrHarmless) {
  const std::vector<Row> rows = RandomRows(9, 40);
  for (Compression compression : {Compression::kNone, Compression::kZstd}) {
    const BuiltTable built = MustBuild(rows, SmallBlocks(compression), {{"a", "b", 5}});
    ASSERT_EQ(CheckReads(built, rows, built.facts.tail_offset), 0);
    for (size_t bit = 0; bit < built.bytes->size() * 8; ++bit) {
      char& byte = (*built.bytes)[bit / 8];
      byte = static_cast<char>(byte ^ 1 << bit % 8);
      const int errors = CheckReads(built, rows, bit % 2 == 0 ? built.facts.tail_offset : 0);
      EXPECT_GT(errors, 0) << "bit " << bit << " is not protected";
      byte = static_cast<char>(byte ^ 1 << bit % 8);
      if (testing::Test::HasFailure()) return;
    }
  }
}

TEST(TableDamage, EveryTruncationIsAnError) {
  const std::vector<Row> rows = RandomRows(10, 60);
  const BuiltTable built = MustBuild(rows, SmallBlocks(), {{"a", "b", 5}});
  for (size_t size = 0; size < built.bytes->size(); ++size) {
    BuiltTable cut = built;
    cut.bytes = std::make_shared<std::string>(built.bytes->substr(0, size));
    EXPECT_GT(CheckReads(cut, rows, built.facts.tail_offset), 0) << size;
    EXPECT_GT(CheckReads(cut, rows, 0), 0) << size;
    cut.facts.file_size = size;  // as if the file had always been so short
    EXPECT_GT(CheckReads(cut, rows, std::min<uint64_t>(built.facts.tail_offset, size)), 0) << size;
    EXPECT_GT(CheckReads(cut, rows, 0), 0) << size;
    if (testing::Test::HasFailure()) return;
  }
}

TEST(TableDamage, BlocksInEachOthersPlaceAreDetected) {
  std::vector<Row> rows;
  for (int i = 0; i < 100; ++i) {
    rows.push_back({"key" + std::to_string(1000 + i), PackTrailer(1, ValueKind::kPut), std::string(50, 'v')});
  }
  const BuiltTable built = MustBuild(rows, SmallBlocks());
  BlockCache cache(1 << 20);
  const auto table = MustOpen(built, &cache);
  std::vector<std::pair<uint64_t, std::string>> blocks;  // where each begins, and with which key
  for (const Row& row : rows) {
    const uint64_t offset = table->ApproximateOffset(row.key);
    if (blocks.empty() || blocks.back().first != offset) blocks.emplace_back(offset, row.key);
  }
  size_t n = 0;  // neighbours of one size fit into each other's place
  while (n + 2 < blocks.size() && blocks[n + 1].first - blocks[n].first != blocks[n + 2].first - blocks[n + 1].first) {
    ++n;
  }
  ASSERT_LT(n + 2, blocks.size());
  char* const begin = built.bytes->data();
  std::swap_ranges(begin + blocks[n].first, begin + blocks[n + 1].first, begin + blocks[n + 1].first);
  PinnedValue value;
  uint64_t trailer;
  for (const size_t i : {n, n + 1}) {
    const std::string& key = blocks[i].second;
    const Result<bool> got = table->Get(key, FilterHash(key), 5, kRead, &trailer, &value);
    EXPECT_TRUE(got.status().Is(StatusCode::kCorruption)) << key;
  }
}

TEST(TableDamage, OneBadBlockLeavesTheOthersReadable) {
  const std::vector<Row> rows = RandomRows(11, 400);
  const BuiltTable built = MustBuild(rows, SmallBlocks());
  (*built.bytes)[5] = static_cast<char>((*built.bytes)[5] ^ 1);
  BlockCache cache(1 << 20);
  const auto table = MustOpen(built, &cache);
  TableIterator it(table, kRead);
  it.SeekToFirst();
  EXPECT_FALSE(it.Valid());
  EXPECT_EQ(it.status().message(), "t.sst: block at offset 0: checksum mismatch");
  it.SeekToLast();
  size_t i = rows.size();
  for (; it.Valid(); it.Prev()) EXPECT_EQ(it.key(), rows[--i].key);
  EXPECT_TRUE(it.status().Is(StatusCode::kCorruption));
  EXPECT_LT(i, 60u);
}

// As blocks stand in a file.
BlockHandle AppendBlock(std::string* file, std::string_view contents, uint64_t table_id) {
  const BlockHandle block{.offset = file->size(), .size = static_cast<uint32_t>(contents.size())};
  *file += contents;
  *file += BlockTrailer(contents, BlockCompression::kNone, table_id, block.offset);
  return block;
}

// Found by a fuzzer. Every checksum holds and all rows ascend, but the first block's index entry reaches into the
// second, where "c" is: whoever looks for it looks in the first.
TEST(TableVerify, NamesAnIndexEntryThatReachesIntoTheNextBlock) {
  BuiltTable built;
  BlockBuilder index;
  TableProperties properties;
  properties.table_id = kTableId;
  properties.entries = properties.data_blocks = 2;
  properties.smallest = "a";
  properties.largest = "c";
  for (const auto& [row, bound] : {std::pair("a", "d"), std::pair("c", "e")}) {
    BlockBuilder block;
    block.Add(row, PackTrailer(1, ValueKind::kPut), "v");
    AppendBlock(built.bytes.get(), block.Finish(), kTableId);
    std::string end;
    PutFixed64(&end, built.bytes->size());
    index.Add(bound, 0, std::string_view(end).substr(0, kIndexValueSize));
  }
  Footer footer;
  footer.index = AppendBlock(built.bytes.get(), index.Finish(), kTableId);
  footer.properties = AppendBlock(built.bytes.get(), properties.Encode(), 0);
  *built.bytes += footer.Encode();

  BlockCache cache(1 << 20);
  const std::shared_ptr<Table> table = MustOpen(built, &cache);
  uint64_t trailer = 0, blocks = 0, entries = 0;
  PinnedValue value;
  EXPECT_FALSE(*table->Get("c", FilterHash("c"), kSequenceMax, kRead, &trailer, &value)) << "so it is lost";
  std::vector<std::string> problems;
  table->Verify(&blocks, &entries, &problems);
  ASSERT_EQ(problems.size(), 1u);
  EXPECT_NE(problems[0].find("within the index entry of the block before"), std::string::npos) << problems[0];
}

}  // namespace
}  // namespace varve::lsm
