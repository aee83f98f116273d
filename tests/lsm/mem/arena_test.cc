// tests/lsm/mem/arena_test.cc

#include "lsm/mem/arena.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <cstring>
#include <utility>
#include <vector>

namespace varve::lsm {
namespace {

TEST(Arena, PiecesAreAlignedAndDoNotOverlap) {
  Arena arena;
  std::vector<std::pair<char*, size_t>> pieces;
  for (size_t i = 0; i < 3000; ++i) {
    const size_t size = i % 500 == 499 ? 100'000 + i : 1 + i * 7 % 600;
    char* const piece = arena.Allocate(size);
    ASSERT_EQ(reinterpret_cast<uintptr_t>(piece) % Arena::kAlignment, 0u);
    std::memset(piece, static_cast<int>(i % 251), size);
    pieces.emplace_back(piece, size);
  }
  for (size_t i = 0; i < pieces.size(); ++i) {
    for (size_t k = 0; k < pieces[i].second; ++k) ASSERT_EQ(pieces[i].first[k], static_cast<char>(i % 251)) << i;
  }
}

TEST(Arena, StartsSmallAndCountsWhatItTook) {
  Arena arena;
  EXPECT_EQ(arena.memory_bytes(), 0u);
  arena.Allocate(1);
  EXPECT_EQ(arena.memory_bytes(), 4096u);
  arena.Allocate(1'000'000);  // a block of its own, the small one goes on
  EXPECT_EQ(arena.memory_bytes(), 4096u + 1'000'000);
  arena.Allocate(4000);
  EXPECT_EQ(arena.memory_bytes(), 4096u + 1'000'000);
}

TEST(Arena, WastesLittleWhenLarge) {
  Arena arena;
  size_t used = 0;
  while (used < 40'000'000) {
    std::memset(arena.Allocate(160), 1, 160);
    used += 160;
  }
  EXPECT_GE(arena.memory_bytes(), used);
  EXPECT_LE(arena.memory_bytes(), used + 3 * 1024 * 1024);
}

TEST(Arena, ResetKeepsOneModestBlock) {
  Arena arena;
  for (int i = 0; i < 200'000; ++i) arena.Allocate(100);
  arena.Allocate(3'000'000);
  arena.Reset();
  EXPECT_EQ(arena.memory_bytes(), 256u * 1024);
  for (int i = 0; i < 2000; ++i) std::memset(arena.Allocate(100), 2, 100);
  EXPECT_EQ(arena.memory_bytes(), 256u * 1024) << "the kept block was not used";
}

TEST(Arena, ResetWithoutASharedBlockKeepsNothing) {
  Arena arena;
  arena.Reset();
  EXPECT_EQ(arena.memory_bytes(), 0u);
  arena.Allocate(500'000);
  arena.Reset();
  EXPECT_EQ(arena.memory_bytes(), 0u);
  arena.Allocate(8);
  EXPECT_EQ(arena.memory_bytes(), 4096u);
}

}  // namespace
}  // namespace varve::lsm
