#include "lsm/table/block_cache.h"

#include <gtest/gtest.h>

#include <cstring>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "lsm/table/filter.h"
#include "tests/lsm/table/table_test_util.h"

namespace varve::lsm {
namespace {

BlockRef MakeBlock(size_t size, char fill) {
  BlockRef block(new CachedBlock);
  block->size = static_cast<uint32_t>(size);
  block->bytes = NewBlockBuffer(size);
  std::memset(block->bytes.get(), fill, size);
  return block;
}

struct Slots {
  explicit Slots(BlockCache* c, size_t n) : cache(c), slots(n) {}
  ~Slots() { cache->EraseSlots(slots.data(), slots.size()); }
  BlockCache::Slot* operator[](size_t i) { return &slots[i]; }
  BlockCache* cache;
  std::vector<BlockCache::Slot> slots;
};

TEST(BlockCache, FindsWhatWasInserted) {
  BlockCache cache(100'000);
  Slots slots(&cache, 2);
  EXPECT_FALSE(cache.Lookup(slots[0]));
  BlockRef block = cache.Insert(slots[0], MakeBlock(1000, 'a'));
  EXPECT_EQ(cache.Lookup(slots[0]).get(), block.get());
  EXPECT_FALSE(cache.Lookup(slots[1]));
  EXPECT_EQ(cache.hits(), 1u);
  EXPECT_EQ(cache.misses(), 2u);
  EXPECT_GE(cache.block_bytes(), 1000u);
}

TEST(BlockCache, TheFirstOfTwoInsertsWins) {
  BlockCache cache(100'000);
  Slots slots(&cache, 1);
  BlockRef first = cache.Insert(slots[0], MakeBlock(1000, 'a'));
  BlockRef second = cache.Insert(slots[0], MakeBlock(1000, 'b'));
  EXPECT_EQ(first.get(), second.get());
  EXPECT_LT(cache.block_bytes(), 2000u);
}

TEST(BlockCache, StaysWithinItsCapacity) {
  BlockCache cache(50'000);
  Slots slots(&cache, 1000);
  for (size_t i = 0; i < 1000; ++i) {
    cache.Insert(slots[i], MakeBlock(1000, 'a'));
    EXPECT_LE(cache.block_bytes(), cache.capacity());
  }
  EXPECT_GE(cache.block_bytes(), 45'000u);
  cache.SetCapacity(10'000);
  EXPECT_LE(cache.block_bytes(), 10'000u);
  cache.ChargeTableMemory(8'000);
  EXPECT_LE(cache.block_bytes() + cache.table_memory_bytes(), 10'000u);
  cache.ChargeTableMemory(-8'000);
  EXPECT_EQ(cache.table_memory_bytes(), 0u);
  cache.SetCapacity(0);
  EXPECT_EQ(cache.block_bytes(), 0u);
}

#ifndef __SANITIZE_ADDRESS__  // block_buffer.h: it has no slabs

// What a compaction drops lies between what stays: memory all the same.
TEST(BlockCache, PaysForHoles) {
  constexpr size_t kCapacity = size_t{64} << 20, kOneBlock = 20'000;
  ASSERT_LT(BlockHoleBytes(), size_t{2} << 20) << "somebody keeps buffers";
  BlockCache cache(kCapacity);
  Slots slots(&cache, 10'000);
  const auto fill = [&] {
    for (size_t i = 0; i < 10'000; ++i) cache.Insert(slots[i], MakeBlock(8000, 'a'));
    return cache.block_bytes();
  };
  std::vector<BlockRef> others;
  for (size_t i = 0; i < 12'000; ++i) others.push_back(MakeBlock(5000, 'b'));
  EXPECT_GE(fill(), kCapacity - kOneBlock);
  EXPECT_FALSE(cache.HasRoom(kOneBlock));
  for (size_t i = 0; i < 2400; ++i) others[i * 5].Reset();
  const size_t holes = BlockHoleBytes();
  ASSERT_GE(holes, size_t{10} << 20);
  EXPECT_LE(fill(), kCapacity - (holes - (size_t{4} << 20)) + kOneBlock);
  for (size_t i = 0; i < others.size(); ++i) {
    if (i % 5 != 1) others[i].Reset();
  }
  const size_t least = kCapacity - kCapacity / 4;  // whatever the holes
  ASSERT_GE(BlockHoleBytes(), kCapacity / 2);
  EXPECT_LE(fill(), least);
  EXPECT_GE(cache.block_bytes(), least - kOneBlock);
  EXPECT_FALSE(cache.HasRoom(kOneBlock));
  cache.ChargeTableMemory(kCapacity / 2);
  EXPECT_GE(fill(), kCapacity / 2 - kCapacity / 8 - kOneBlock) << "of what tables leave";
  cache.ChargeTableMemory(-static_cast<int64_t>(kCapacity / 2));
  others.clear();
  EXPECT_GE(fill(), kCapacity - kOneBlock);
}

#endif

TEST(BlockCache, BlocksInUseSurviveAScan) {
  BlockCache cache(50'000);
  Slots slots(&cache, 1000);
  for (size_t i = 0; i < 10; ++i) cache.Insert(slots[i], MakeBlock(1000, 'h'));
  for (size_t i = 10; i < 1000; ++i) {
    for (size_t hot = 0; hot < 10; ++hot) EXPECT_TRUE(cache.Lookup(slots[hot])) << i;
    cache.Insert(slots[i], MakeBlock(1000, 's'));
  }
}

TEST(BlockCache, AnEvictedBlockLivesOnWithItsReaders) {
  BlockCache cache(10'000);
  Slots slots(&cache, 2);
  BlockRef held = cache.Insert(slots[0], MakeBlock(1000, 'a'));
  cache.SetCapacity(0);
  EXPECT_FALSE(cache.Lookup(slots[0]));
  EXPECT_EQ(held->view(), std::string(1000, 'a'));
}

TEST(BlockCache, APinnedSlotIsNotEvicted) {
  BlockCache cache(10'000);
  Slots slots(&cache, 1);
  cache.Insert(slots[0], MakeBlock(1000, 'a'));
  CachedBlock* pinned = cache.Pin(slots[0]);
  ASSERT_NE(pinned, nullptr);
  cache.SetCapacity(0);
  EXPECT_EQ(pinned->view(), std::string(1000, 'a'));
  BlockCache::Unpin(slots[0]);
  cache.SetCapacity(0);
  EXPECT_EQ(cache.Pin(slots[0]), nullptr);
}

TEST(BlockCache, WhatWouldFillHalfTheCacheIsHandedBack) {
  BlockCache cache(10'000);
  Slots slots(&cache, 2);
  cache.Insert(slots[0], MakeBlock(1000, 'a'));
  BlockRef large = cache.Insert(slots[1], MakeBlock(6000, 'b'));
  EXPECT_EQ(large->view(), std::string(6000, 'b'));
  EXPECT_FALSE(cache.Lookup(slots[1]));
  EXPECT_TRUE(cache.Lookup(slots[0]));
}

// Readers, evictions, capacity changes and slots of tables that come and go, all at once: for the thread sanitizer.
TEST(BlockCacheThreads, EveryReaderSeesTheBlockOfItsSlot) {
  constexpr size_t kSlots = 64;
  BlockCache cache(20'000);
  Slots shared(&cache, kSlots);
  const auto work = [&](uint64_t seed) {
    std::mt19937_64 random(seed);
    std::vector<BlockRef> held;
    for (int round = 0; round < 20'000; ++round) {
      const size_t i = random() % kSlots;
      const char fill = static_cast<char>('0' + i);
      if (random() % 3 == 0) {
        CachedBlock* block = cache.Pin(shared[i]);
        if (block != nullptr) {
          ASSERT_EQ(block->view()[999], fill);
          BlockCache::Unpin(shared[i]);
          continue;
        }
      }
      BlockRef block = cache.Lookup(shared[i]);
      if (!block) block = cache.Insert(shared[i], MakeBlock(1000, fill));
      ASSERT_EQ(block->view()[0], fill);
      if (random() % 16 == 0) held.push_back(std::move(block));
      if (held.size() > 20) held.clear();
      if (random() % 1000 == 0) cache.SetCapacity(2'000 + random() % 30'000);
      if (random() % 200 == 0) {
        Slots own(&cache, 4);
        cache.Insert(own[random() % 4], MakeBlock(500, 'x'));
      }
    }
  };
  std::vector<std::thread> threads;
  for (uint64_t seed = 1; seed <= 4; ++seed) threads.emplace_back(work, seed);
  for (std::thread& thread : threads) thread.join();
}

TEST(BlockCacheThreads, OneTableManyReaders) {
  std::vector<Row> rows;
  for (int i = 0; i < 3000; ++i) {
    const size_t value_size = i % 10 == 0 ? 700 : 40;  // some pinned, some copied
    rows.push_back({"key" + std::to_string(10'000 + i), PackTrailer(5, ValueKind::kPut),
                    std::string(value_size, static_cast<char>('a' + i % 26))});
  }
  const Result<BuiltTable> built = BuildTable(rows, {.block_size = 1024, .table_id = 77});
  ASSERT_TRUE(built.ok());
  BlockCache cache(60'000);
  Result<std::shared_ptr<Table>> opened = built->Open(&cache, 77);
  ASSERT_TRUE(opened.ok());
  const std::shared_ptr<Table> table = *opened;
  const auto work = [&](uint64_t seed) {
    std::mt19937_64 random(seed);
    PinnedValue value;
    TableIterator it(table, {});
    for (int round = 0; round < 4000; ++round) {
      const size_t i = random() % rows.size();
      uint64_t trailer = 0;
      const Result<bool> got = table->Get(rows[i].key, FilterHash(rows[i].key), 9, {}, &trailer, &value);
      ASSERT_TRUE(got.ok() && *got);
      ASSERT_EQ(value.view(), rows[i].value);
      if (round % 8 == 0) {
        it.Seek(rows[i].key, ~uint64_t{0});
        for (size_t n = 0; n < 30 && it.Valid(); ++n, it.Next()) ASSERT_EQ(it.value(), rows[i + n].value);
      }
    }
  };
  std::vector<std::thread> threads;
  for (uint64_t seed = 1; seed <= 4; ++seed) threads.emplace_back(work, seed);
  for (std::thread& thread : threads) thread.join();
}

}  // namespace
}  // namespace varve::lsm
