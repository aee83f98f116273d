// tests/resp/look_ahead_test.cc - the hint sees what the parser will see, or nothing.
#include "resp/look_ahead.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "resp/parser.h"

namespace varve::resp {
namespace {

TEST(LookAhead, SeesTheFirstTwoWordsOfAWholeRequest) {
  const std::string get = "*2\r\n$3\r\nGET\r\n$5\r\nmykey\r\n";
  const std::string more = get + "*1\r\n";
  const auto glimpse = GlimpseRequest(more);
  ASSERT_TRUE(glimpse.has_value());
  EXPECT_EQ(glimpse->size, get.size());
  EXPECT_EQ(glimpse->name, "GET");
  EXPECT_EQ(glimpse->first, "mykey");
  for (size_t size = 0; size < get.size(); ++size) EXPECT_FALSE(GlimpseRequest(get.substr(0, size))) << size;

  const auto ping = GlimpseRequest("*1\r\n$4\r\nPING\r\n");
  ASSERT_TRUE(ping.has_value());
  EXPECT_EQ(ping->name, "PING");
  EXPECT_EQ(ping->first, "");
  const auto set = GlimpseRequest("*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$0\r\n\r\n");
  ASSERT_TRUE(set.has_value());
  EXPECT_EQ(set->first, "k");
}

TEST(LookAhead, IsBlindToWhatItDoesNotExpect) {
  for (const std::string request :
       {"", "*", "*\r\n", "*0\r\n", "*-1\r\n", "*x\r\n", "*9\r\n$1\r\na\r\n", "*99999999999999999999\r\n",
        "GET key\r\n", "*2\r\n$3\r\nGET\r\n$-1\r\n", "*1\r\n$999999999999999999999\r\n", "*1\r\n$999999\r\nPING\r\n",
        "*1\r\n:4\r\n", "*1\r$4\r\nPING\r\n", "\r\n*1\r\n$4\r\nPING\r\n", "*1\n$4\nPING\n"}) {
    EXPECT_FALSE(GlimpseRequest(request)) << request;
  }
}

// Of any bytes at all: where it sees a request, the parser finds the same one.
TEST(LookAhead, SeesNoRequestThatTheParserDoesNot) {
  uint64_t state = 20261123, seen = 0;
  const auto below = [&](uint64_t n) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (state >> 33) % n;
  };
  for (int round = 0; round < 20'000; ++round) {
    std::string bytes;
    const uint64_t words = 1 + below(9);
    bytes += "*" + std::to_string(words) + "\r\n";
    for (uint64_t i = 0; i < words; ++i) {
      const std::string word(below(12), static_cast<char>('a' + below(26)));
      bytes += "$" + std::to_string(word.size()) + "\r\n" + word + "\r\n";
    }
    for (uint64_t flips = below(3); flips > 0; --flips) bytes[below(bytes.size())] = "\r\n*$0129a"[below(9)];
    const auto glimpse = GlimpseRequest(bytes);
    if (!glimpse) continue;
    ++seen;
    Parser parser;
    ASSERT_EQ(parser.Parse(bytes, {}), ParseResult::kRequest) << bytes;
    EXPECT_EQ(parser.consumed(), glimpse->size) << bytes;
    EXPECT_EQ(parser.args()[0], glimpse->name) << bytes;
    EXPECT_EQ(parser.args().size() > 1 ? parser.args()[1] : "", glimpse->first) << bytes;
  }
  EXPECT_GT(seen, 5'000u);
}

TEST(LookAhead, KnowsWhoReadsARecord) {
  for (const char* name : {"get", "incr", "append", "strlen", "ttl", "getrange", "bitcount", "dump", "type"}) {
    EXPECT_TRUE(ReadsFirstArgument(*FindCommand(name))) << name;
  }
  for (const char* name : {"set", "mset", "mget", "del", "ping", "publish", "subscribe", "info", "bitop", "object"}) {
    EXPECT_FALSE(ReadsFirstArgument(*FindCommand(name))) << name;
  }
}

}  // namespace
}  // namespace varve::resp
