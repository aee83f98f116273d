#include "lsm/format/crc32c.h"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

namespace varve::lsm {
namespace {

// RFC 3720, appendix B.4, and the usual check value.
TEST(Crc32c, KnownVectors) {
  std::string ascending, descending;
  for (int i = 0; i < 32; ++i) {
    ascending.push_back(static_cast<char>(i));
    descending.push_back(static_cast<char>(31 - i));
  }
  for (auto* function : {&Crc32c, &crc32c_internal::Portable}) {
    EXPECT_EQ(function(0, ""), 0u);
    EXPECT_EQ(function(0, "123456789"), 0xe3069283u);
    EXPECT_EQ(function(0, std::string(32, '\0')), 0x8a9136aau);
    EXPECT_EQ(function(0, std::string(32, '\xff')), 0x62a8ab43u);
    EXPECT_EQ(function(0, ascending), 0x46dd794eu);
    EXPECT_EQ(function(0, descending), 0x113fdb5cu);
  }
}

std::string RandomBytes(size_t size) {
  std::mt19937_64 random(size);
  std::string bytes(size, '\0');
  for (char& c : bytes) c = static_cast<char>(random());
  return bytes;
}

TEST(Crc32c, BothImplementationsAgreeAtAllLengthsAndAlignments) {
  if (!crc32c_internal::HasHardware()) return;  // nothing to compare on such a machine
  const std::string bytes = RandomBytes(4096 + 16);
  for (size_t alignment = 0; alignment < 16; ++alignment) {
    for (size_t size = 0; size <= 4096; ++size) {
      const std::string_view data = std::string_view(bytes).substr(alignment, size);
      const auto seed = static_cast<uint32_t>(size * 2654435761u);
      ASSERT_EQ(crc32c_internal::Hardware(seed, data), crc32c_internal::Portable(seed, data))
          << "size " << size << " alignment " << alignment;
    }
  }
  const std::string large = RandomBytes(1'000'003);
  EXPECT_EQ(crc32c_internal::Hardware(0, large), crc32c_internal::Portable(0, large));
}

TEST(Crc32c, ExtendingEqualsTheWhole) {
  const std::string bytes = RandomBytes(2000);
  const uint32_t whole = Crc32c(0, bytes);
  for (size_t cut = 0; cut <= bytes.size(); ++cut) {
    const std::string_view view = bytes;
    ASSERT_EQ(Crc32c(Crc32c(0, view.substr(0, cut)), view.substr(cut)), whole) << cut;
  }
}

TEST(Crc32c, MaskingIsReversibleAndChangesTheValue) {
  EXPECT_EQ(MaskCrc(0), 0xa282ead8u);
  EXPECT_EQ(MaskCrc(0xe3069283u), 0xc78ab0e5u);
  for (uint32_t crc : {0u, 1u, 0xe3069283u, 0xffffffffu}) {
    EXPECT_NE(MaskCrc(crc), crc);
    EXPECT_NE(MaskCrc(MaskCrc(crc)), crc);
    EXPECT_EQ(UnmaskCrc(MaskCrc(crc)), crc);
    EXPECT_EQ(UnmaskCrc(UnmaskCrc(MaskCrc(MaskCrc(crc)))), crc);
  }
}

}  // namespace
}  // namespace varve::lsm
