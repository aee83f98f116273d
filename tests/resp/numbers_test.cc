#include "resp/numbers.h"

#include <gtest/gtest.h>

#include <climits>

namespace varve::resp {
namespace {

TEST(ParseInt64, OnlyTheCanonicalForm) {
  int64_t value = 0;
  ASSERT_TRUE(ParseInt64("0", &value));
  EXPECT_EQ(value, 0);
  ASSERT_TRUE(ParseInt64("-9223372036854775808", &value));
  EXPECT_EQ(value, INT64_MIN);
  ASSERT_TRUE(ParseInt64("9223372036854775807", &value));
  EXPECT_EQ(value, INT64_MAX);
  for (std::string_view bad : {"", "-", "+1", " 1", "1 ", "01", "-0", "-01", "1.0", "0x1", "a", "9223372036854775808",
                               "-9223372036854775809", "99999999999999999999999"}) {
    EXPECT_FALSE(ParseInt64(bad, &value)) << bad;
  }
}

TEST(ParseLongDouble, TakesWhatStrtoldTakesWhole) {
  long double value = 0;
  ASSERT_TRUE(ParseLongDouble("1.5e3", &value));
  EXPECT_EQ(value, 1500.0L);
  EXPECT_TRUE(ParseLongDouble("0x10", &value));
  EXPECT_TRUE(ParseLongDouble("inf", &value));
  for (std::string_view bad : {"", " 1", "1 ", "nan", "1x", "1e99999"})
    EXPECT_FALSE(ParseLongDouble(bad, &value)) << bad;
  EXPECT_FALSE(ParseLongDouble(std::string(6000, '1'), &value));
}

TEST(FormatLongDouble, CutsZerosAndNothingElse) {
  EXPECT_EQ(FormatLongDouble(3.0L), "3");
  EXPECT_EQ(FormatLongDouble(10.5L), "10.5");
  EXPECT_EQ(FormatLongDouble(100.0L), "100");
  EXPECT_EQ(FormatLongDouble(-0.0L), "0");
  EXPECT_EQ(FormatLongDouble(-2.5L), "-2.5");
  EXPECT_EQ(FormatLongDouble(1e300L).substr(0, 5), "10000");
}

TEST(ParseMemory, Units) {
  int64_t bytes = 0;
  const std::pair<std::string_view, int64_t> good[] = {{"5", 5},           {"5b", 5},       {"2k", 2000},
                                                       {"2kb", 2048},      {"1M", 1000000}, {"1Mb", 1048576},
                                                       {"1g", 1000000000}, {"1GB", 1 << 30}};
  for (const auto& [text, value] : good) {
    ASSERT_TRUE(ParseMemory(text, &bytes)) << text;
    EXPECT_EQ(bytes, value) << text;
  }
  for (std::string_view bad : {"", "mb", "5x", "-1", "1.5gb", "9999999999999999999", "9223372036854775807kb"}) {
    EXPECT_FALSE(ParseMemory(bad, &bytes)) << bad;
  }
}

TEST(HumanBytes, AsInfoPrintsThem) {
  EXPECT_EQ(HumanBytes(0), "0B");
  EXPECT_EQ(HumanBytes(1023), "1023B");
  EXPECT_EQ(HumanBytes(1015216), "991.42K");
  EXPECT_EQ(HumanBytes(25274793984), "23.54G");
}

TEST(EqualsIgnoreCase, FoldsLettersOnly) {
  EXPECT_TRUE(EqualsIgnoreCase("GeT", "get"));
  EXPECT_FALSE(EqualsIgnoreCase("get", "gets"));
  EXPECT_FALSE(EqualsIgnoreCase("@", "`"));
  EXPECT_FALSE(EqualsIgnoreCase("[", "{"));
}

}  // namespace
}  // namespace varve::resp
