#include "keyspace/glob.h"

#include <gtest/gtest.h>

namespace varve::keyspace {
namespace {

struct Case {
  std::string_view pattern;
  std::string_view text;
  bool match;
};

TEST(Glob, AnswersAsRedisDoes) {
  const Case cases[] = {
      {"", "", true},
      {"a", "", false},
      {"", "a", false},
      {"*", "anything", true},
      {"*", "", false},  // only GlobMatch itself; KEYS and SCAN treat a lone star apart, as Redis does
      {"a*", "a", true},
      {"a**", "a", true},
      {"*a", "bca", true},
      {"*a", "bcab", false},
      {"a*b*c", "a1b2c", true},
      {"a*b*c", "a1b2", false},
      {"?", "x", true},
      {"?", "", false},
      {"??", "x", false},
      {"h?llo", "hello", true},
      {"h[ae]llo", "hallo", true},
      {"h[ae]llo", "hillo", false},
      {"h[^e]llo", "hallo", true},
      {"h[^e]llo", "hello", false},
      {"h[a-b]llo", "hbllo", true},
      {"h[b-a]llo", "hallo", true},  // a range the wrong way round is turned
      {"[a-", "a", true},
      {"[abc", "b", true},
      {"[abc", "d", false},
      {"[]", "a", false},
      {"[^]", "a", true},
      {"\\*", "*", true},
      {"\\*", "a", false},
      {"a\\", "a\\", true},
      {"[\\]]", "]", true},
      {"[\\-x]", "-", true},
      {"[*]", "*", true},
      {"[?]", "a", false},
      {"*[0-9]", "a1", true},
      {"*[0-9]", "1a", false},
      {"**a", "a", true},
      {"*?*", "a", true},
      {"a?*", "a", false},
      {"*.txt*", "x.txt", true},
      {"x*y", "xy", true},
      {"x*y", "xzyw", false},
  };
  for (const Case& c : cases) {
    EXPECT_EQ(GlobMatch(c.pattern, c.text), c.match) << c.pattern << " on " << c.text;
  }
}

TEST(Glob, FoldsLettersWhenAsked) {
  EXPECT_TRUE(GlobMatch("MAX*", "maxclients", true));
  EXPECT_TRUE(GlobMatch("[A-C]x", "bX", true));
  EXPECT_FALSE(GlobMatch("MAX*", "maxclients", false));
}

// The recursive matcher took exponential time for these (CVE-2022-36021): here they end.
TEST(Glob, ManyStarsStayCheap) {
  const std::string text(1 << 20, 'a');
  EXPECT_FALSE(GlobMatch("*a*a*a*a*a*a*a*a*a*a*a*b", text));
  EXPECT_TRUE(GlobMatch("*a*a*a*a*a*a*a*a*a*a*a*", text));
  std::string stars;
  for (int i = 0; i < 1000; i++) stars += "*a";
  EXPECT_FALSE(GlobMatch(stars + "b", text.substr(0, 60000)));
}

TEST(Glob, GivesUpBeyondItsBudget) {
  const std::string text(200'000, 'a');
  EXPECT_FALSE(GlobMatch("*" + std::string(100'000, 'a') + "b", text));
}

TEST(GlobLiteralPrefix, StopsAtTheFirstSpecialByte) {
  bool whole = false;
  EXPECT_EQ(GlobLiteralPrefix("user:*", &whole), "user:");
  EXPECT_FALSE(whole);
  EXPECT_EQ(GlobLiteralPrefix("a\\*b?c", &whole), "a*b");
  EXPECT_FALSE(whole);
  EXPECT_EQ(GlobLiteralPrefix("pl[a]in", &whole), "pl");
  EXPECT_FALSE(whole);
  EXPECT_EQ(GlobLiteralPrefix("plain", &whole), "plain");
  EXPECT_TRUE(whole);
  EXPECT_EQ(GlobLiteralPrefix("back\\", &whole), "back\\");
  EXPECT_TRUE(whole);
}

}  // namespace
}  // namespace varve::keyspace
