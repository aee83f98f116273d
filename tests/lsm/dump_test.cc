// tests/lsm/dump_test.cc - escapes; tests/cli/commands_test.cc looks at whole dumps.
#include "lsm/dump.h"

#include <gtest/gtest.h>

namespace varve::lsm {
namespace {

TEST(EscapeBytes, RoundTripsEveryByte) {
  std::string all;
  for (int byte = 0; byte < 256; ++byte) all += static_cast<char>(byte);
  auto back = UnescapeBytes(EscapeBytes(all));
  ASSERT_TRUE(back.ok());
  EXPECT_EQ(*back, all);
  EXPECT_EQ(EscapeBytes(std::string("a\0\\\xff", 4)), "a\\x00\\\\\\xff");
}

TEST(EscapeBytes, RefusesHalfAnEscape) {
  for (const char* text : {"\\", "a\\", "\\x", "\\x1", "\\xg0", "\\n"}) EXPECT_FALSE(UnescapeBytes(text).ok()) << text;
}

}  // namespace
}  // namespace varve::lsm
