#include "lsm/table/block_buffer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <set>
#include <thread>
#include <utility>
#include <vector>

namespace varve::lsm {
namespace {

// Every size there is, each byte of it, at the same time.
TEST(BlockBufferTest, NoTwoOverlap) {
  std::vector<BlockBuffer> buffers;
  std::vector<std::pair<char*, char*>> places;
  for (size_t size = 1; size <= kBlockBufferMax + 2000; size += 97) {
    buffers.push_back(NewBlockBuffer(size));
    std::memset(buffers.back().get(), static_cast<char>(size), BlockBufferCapacity(size));
    places.emplace_back(buffers.back().get(), buffers.back().get() + BlockBufferCapacity(size));
  }
  std::sort(places.begin(), places.end());
  for (size_t i = 1; i < places.size(); ++i) ASSERT_LE(places[i - 1].second, places[i].first);
  for (const BlockBuffer& buffer : buffers) {
    const size_t size = buffer.get_deleter().size;
    EXPECT_EQ(buffer[0], static_cast<char>(size));
    EXPECT_EQ(buffer[size - 1], static_cast<char>(size));
  }
}

TEST(BlockBufferTest, LargeOnesAndNoneLieInNoSlab) {
  const size_t before = BlockSlabBytes();
  const BlockBuffer large = NewBlockBuffer(kBlockBufferMax + 1), none = NewBlockBuffer(0);
  EXPECT_EQ(BlockSlabBytes(), before);
}

// What is in use is nobody else's.
TEST(BlockBufferTest, ThreadsShareThem) {
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([t] {
      std::vector<BlockBuffer> mine;
      for (size_t i = 0; i < 20'000; ++i) {
        const size_t size = 1000 + i % 7 * 600;
        BlockBuffer buffer = NewBlockBuffer(size);
        std::memset(buffer.get(), t + 1, size);
        mine.push_back(std::move(buffer));
        if (mine.size() < 500) continue;
        for (const BlockBuffer& held : mine) {
          ASSERT_EQ(held[0], t + 1);
          ASSERT_EQ(held[held.get_deleter().size - 1], t + 1);
        }
        mine.erase(mine.begin(), mine.begin() + 250);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

// Under the address sanitizer each buffer is an allocation of its own, on purpose (block_buffer.h): there are no slabs to
// ask about. What is asked above holds there, too.
#ifndef __SANITIZE_ADDRESS__

constexpr size_t kSlab = size_t{1} << 20;

std::vector<BlockBuffer> Fill(size_t bytes, size_t size) {
  std::vector<BlockBuffer> buffers;
  for (size_t i = 0; i < bytes / size; ++i) buffers.push_back(NewBlockBuffer(size));
  return buffers;
}

TEST(BlockSlabTest, SizesAreRoundedUpByAnEighthAtTheMost) {
  std::set<size_t> capacities;
  size_t before = 0;
  for (size_t size = 1; size <= kBlockBufferMax; ++size) {
    const size_t capacity = BlockBufferCapacity(size);
    ASSERT_GE(capacity, size);
    ASSERT_LE(capacity, size + std::max<size_t>(543, size / 8)) << size;
    ASSERT_GE(capacity, before);
    ASSERT_EQ(BlockBufferCapacity(capacity), capacity) << size;
    before = capacity;
    capacities.insert(capacity);
  }
  EXPECT_EQ(capacities.size(), 40u);
  EXPECT_EQ(BlockBufferCapacity(kBlockBufferMax + 1), kBlockBufferMax + 1);
  // What is stored plain is read with five bytes more: no reason for the next size.
  for (size_t size : {4096, 8192, 16384, 32768, 65536}) EXPECT_LE(BlockBufferCapacity(size + 5), size + 32);
}

TEST(BlockSlabTest, WhatOneThreadGivesBackAnotherGets) {
  std::vector<BlockBuffer> buffers;
  std::set<char*> given;
  std::thread([&] {
    buffers = Fill(4 * kSlab, 8300);
    for (size_t i = 0; i < buffers.size(); i += 2) {
      given.insert(buffers[i].get());
      buffers[i].reset();
    }
  }).join();
  const size_t slabs = BlockSlabBytes();
  size_t again = 0;
  std::vector<BlockBuffer> others;
  for (size_t i = 0; i < given.size(); ++i) {
    others.push_back(NewBlockBuffer(8290));
    again += given.count(others.back().get());
  }
  EXPECT_EQ(BlockSlabBytes(), slabs);
  EXPECT_EQ(again, given.size());
}

// However many come and go: what is full of holes is filled, what is empty goes.
TEST(BlockSlabTest, EmptySlabsGoBackToTheSystem) {
  Fill(8 * kSlab, 5000).clear();
  const size_t before = BlockSlabBytes();  // four that wait to be used again
  std::vector<BlockBuffer> buffers = Fill(24 * kSlab, 5000);
  EXPECT_GE(BlockSlabBytes(), before + 19 * kSlab);
  EXPECT_LE(BlockSlabBytes(), before + 22 * kSlab);
  for (size_t i = 0; i < buffers.size(); i += 3) buffers[i].reset();
  for (size_t i = 1; i < buffers.size(); i += 3) buffers[i].reset();
  EXPECT_GE(BlockSlabBytes(), before + 19 * kSlab);  // each holds a third yet
  buffers.clear();
  EXPECT_EQ(BlockSlabBytes(), before);
}

TEST(BlockSlabTest, HolesAreWhatNobodyUses) {
  const size_t before = BlockHoleBytes(), capacity = BlockBufferCapacity(5000);
  ASSERT_EQ(before, 0u) << "somebody keeps buffers";
  std::vector<BlockBuffer> buffers = Fill(8 * kSlab, 5000);
  const size_t filled = BlockHoleBytes();  // others' leavings of this size are taken first
  EXPECT_LE(filled, before);
  for (size_t i = 0; i < 300; ++i) buffers[i * 4].reset();
  EXPECT_EQ(BlockHoleBytes(), filled + 300 * capacity);
  for (size_t i = 0; i < 100; ++i) buffers[i * 4] = NewBlockBuffer(5000);
  EXPECT_EQ(BlockHoleBytes(), filled + 200 * capacity);
  const BlockBuffer other = NewBlockBuffer(5000 + kBlockBufferMax / 2);
  EXPECT_LE(BlockHoleBytes(), filled + 200 * capacity);
  buffers.clear();
  EXPECT_LE(BlockHoleBytes(), filled) << "slabs without buffers have none";
}

TEST(BlockSlabTest, AnEmptySlabServesTheNextSizeThatNeedsOne) {
  Fill(8 * kSlab, 5000).clear();
  const size_t before = BlockSlabBytes();
  for (size_t size = 500; size < kBlockBufferMax; size += 500) {
    const BlockBuffer buffer = NewBlockBuffer(size);
    ASSERT_EQ(BlockSlabBytes(), before) << size;
  }
}

// Slabs of other sizes do not stay each with its own.
TEST(BlockSlabTest, FewEmptySlabsStay) {
  std::vector<BlockBuffer> buffers;
  for (size_t size = 500; size < kBlockBufferMax; size += 500) buffers.push_back(NewBlockBuffer(size));
  EXPECT_GE(BlockSlabBytes(), 40 * kSlab);
  buffers.clear();
  EXPECT_LE(BlockSlabBytes(), 4 * kSlab);
}

#endif

}  // namespace
}  // namespace varve::lsm
