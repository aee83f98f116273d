#include "lsm/format/hash.h"

#include <gtest/gtest.h>

namespace varve::lsm {
namespace {

// Pins the hash that filters on disk are built from; values from the xxHash reference implementation.
TEST(HashKey, IsXxh3WithSeedZero) {
  EXPECT_EQ(HashKey(""), 0x2d06800538d394c2u);
  EXPECT_EQ(HashKey("a"), 0xe6c632b61e964e1fu);
  EXPECT_EQ(HashKey("abc"), 0x78af5f94892f3950u);
}

}  // namespace
}  // namespace varve::lsm
