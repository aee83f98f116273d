#include "resp/parser.h"

#include <gtest/gtest.h>

#include "tests/resp/parse_pieces.h"

namespace varve::resp {
namespace {

Outcome ParseAll(std::string_view bytes, const ParserLimits& limits = {}) {
  return ParsePieces({bytes}, limits);
}

std::string ErrorOf(std::string_view bytes, const ParserLimits& limits = {}) {
  return ParseAll(bytes, limits).error;
}

constexpr std::string_view kCorpus[] = {
    "*1\r\n$4\r\nPING\r\n",
    "*3\r\n$3\r\nSET\r\n$1\r\na\r\n$5\r\n\r\n\0\r\n\r\n",
    "*2\r\n$3\r\nGET\r\n$0\r\n\r\n",
    "PING\r\n",
    "\r\n\r\n  \r\nPING\n\n",
    "*0\r\n*-1\r\n*-100\r\n*1\r\n$4\r\nPING\r\n",
    "SET \"a b\" 'c d' e\r\n*1\r\n$4\r\nPING\r\nGET x\r\n",
    "ECHO \"\\x41\\n\\\"\" 'it\\'s' \"\" ''\r\n",
    "*2\r\n$4\r\nECHO\r\n$10\r\n0123456789\r\n*2\r\n$4\r\nECHO\r\n$1\r\nx\r\n*1\r\n$4\r\nPI",
    "*a\r\n",
    "*1\r\n:1\r\n",
    "*1\r\n$-1\r\n",
    "SET \"a\r\n",
    "*1\r\n$4\r\nPINGxx*1\r\n$4\r\nPING\r\n",
};

// However the network cuts the bytes, the requests are the same.
TEST(Parser, EverySplitEqualsTheUnsplitParse) {
  std::string everything;
  std::vector<std::string> inputs(std::begin(kCorpus), std::end(kCorpus));
  for (size_t i = 0; i < 9; i++) everything += kCorpus[i];
  inputs.push_back(everything);
  for (const std::string& input : inputs) {
    const std::string_view bytes = input;
    const Outcome whole = ParseAll(bytes);
    for (size_t first = 0; first <= bytes.size(); first++) {
      ASSERT_EQ(ParsePieces({bytes.substr(0, first), bytes.substr(first)}, {}), whole) << input << " cut at " << first;
    }
    std::vector<std::string_view> single;
    for (size_t i = 0; i < bytes.size(); i++) single.push_back(bytes.substr(i, 1));
    ASSERT_EQ(ParsePieces(single, {}), whole) << input << " byte by byte";
  }
  // Three pieces, on the shorter inputs.
  for (const std::string& input : inputs) {
    if (input.size() > 80) continue;
    const std::string_view bytes = input;
    const Outcome whole = ParseAll(bytes);
    for (size_t a = 0; a <= bytes.size(); a++) {
      for (size_t b = a; b <= bytes.size(); b++) {
        ASSERT_EQ(ParsePieces({bytes.substr(0, a), bytes.substr(a, b - a), bytes.substr(b)}, {}), whole) << input;
      }
    }
  }
}

TEST(Parser, ReadsArraysOfBulks) {
  EXPECT_EQ(ParseAll("*3\r\n$3\r\nSET\r\n$1\r\na\r\n$3\r\nb\r\n\r\n").requests,
            (std::vector<Request>{{"SET", "a", "b\r\n"}}));
  EXPECT_EQ(ParseAll("*1\r\n$4\r\nPING\r\n*1\r\n$4\r\nPING\r\n").requests.size(), 2u);
}

TEST(Parser, ArgumentsPointIntoTheBuffer) {
  const std::string buffer = "*2\r\n$4\r\nECHO\r\n$5\r\nhello\r\n";
  Parser parser;
  ASSERT_EQ(parser.Parse(buffer, {}), ParseResult::kRequest);
  EXPECT_GE(parser.args()[1].data(), buffer.data());
  EXPECT_LT(parser.args()[1].data(), buffer.data() + buffer.size());
  EXPECT_EQ(parser.consumed(), buffer.size());
}

TEST(Parser, EmptyRequestsAreSkippedAndLeaveNoTrace) {
  EXPECT_EQ(ParseAll("*0\r\n*-1\r\n\r\n\n   \r\nPING\r\n").requests, (std::vector<Request>{{"PING"}}));
  Parser parser;
  ASSERT_EQ(parser.Parse("*0\r\n\r\n", {}), ParseResult::kNeedMore);
  EXPECT_EQ(parser.consumed(), 6u);  // the caller may drop them
}

TEST(Parser, InlineWordsFollowRedisQuoting) {
  auto words = [](std::string_view line) {
    const Outcome outcome = ParseAll(std::string(line) + "\r\n");
    return outcome.requests.empty() ? Request{outcome.error} : outcome.requests[0];
  };
  EXPECT_EQ(words("SET a b"), (Request{"SET", "a", "b"}));
  EXPECT_EQ(words("  SET\ta  b  "), (Request{"SET", "a", "b"}));
  EXPECT_EQ(words("ECHO \"a b\""), (Request{"ECHO", "a b"}));
  EXPECT_EQ(words("ECHO \"\\x41\\x0a\\n\\r\\t\\b\\a\\\\\\\"\\q\""), (Request{"ECHO", "A\n\n\r\t\b\a\\\"q"}));
  EXPECT_EQ(words("ECHO \"\\x4\" \"\\xzz\""), (Request{"ECHO", "x4", "xzz"}));
  EXPECT_EQ(words("ECHO 'a\\n\\'b'"), (Request{"ECHO", "a\\n'b"}));
  EXPECT_EQ(words("ECHO \"\" ''"), (Request{"ECHO", "", ""}));
  EXPECT_EQ(words("ECHO a\"b c\""), (Request{"ECHO", "ab c"}));
  EXPECT_EQ(words("ECHO a\vb"), (Request{"ECHO", "a\vb"}));
  const Request unbalanced{"Protocol error: unbalanced quotes in request"};
  EXPECT_EQ(words("ECHO \"a"), unbalanced);
  EXPECT_EQ(words("ECHO 'a"), unbalanced);
  EXPECT_EQ(words("ECHO \"a\"b"), unbalanced);
  EXPECT_EQ(words("ECHO 'a'b"), unbalanced);
  EXPECT_EQ(words("ECHO \"a\\"), unbalanced);
}

TEST(Parser, ErrorTextsAreThoseOfRedis) {
  const std::string count = "Protocol error: invalid multibulk length";
  for (std::string_view bytes : {"*a\r\n", "*\r\n", "*1a\r\n", "* 1\r\n", "*01\r\n", "*+1\r\n", "*2147483648\r\n",
                                 "*1048577\r\n", "*99999999999999999999\r\n"}) {
    EXPECT_EQ(ErrorOf(bytes), count) << bytes;
  }
  const std::string length = "Protocol error: invalid bulk length";
  for (std::string_view bytes :
       {"*1\r\n$-1\r\n", "*1\r\n$a\r\n", "*1\r\n$\r\n", "*1\r\n$04\r\n", "*1\r\n$536870913\r\n",
        "*1\r\n$9223372036854775807\r\n", "*1\r\n$9223372036854775808\r\n"}) {
    EXPECT_EQ(ErrorOf(bytes), length) << bytes;
  }
  EXPECT_EQ(ErrorOf("*1\r\n:1\r\n"), "Protocol error: expected '$', got ':'");
  EXPECT_EQ(ErrorOf("*2\r\n$1\r\na\r\nxyz\r\n"), "Protocol error: expected '$', got 'x'");
}

TEST(Parser, LengthsAreBounded) {
  const std::string digits(64 * 1024 + 1, '1');
  EXPECT_EQ(ErrorOf("*" + digits), "Protocol error: too big mbulk count string");
  EXPECT_EQ(ErrorOf("*1\r\n$" + digits), "Protocol error: too big bulk count string");
  EXPECT_EQ(ErrorOf(digits), "Protocol error: too big inline request");
  EXPECT_EQ(ErrorOf(digits + "\r\n"), "Protocol error: too big inline request");
  EXPECT_EQ(ParseAll(std::string(64 * 1024, '1')).error, "");
}

TEST(Parser, StrangersGetLittle) {
  const ParserLimits before = ParserLimits::BeforeAuth();
  EXPECT_EQ(ErrorOf("*11\r\n", before), "Protocol error: unauthenticated multibulk length");
  EXPECT_EQ(ErrorOf("*1\r\n$16385\r\n", before), "Protocol error: unauthenticated bulk length");
  EXPECT_EQ(ErrorOf("*10\r\n$16384\r\n", before), "");
  EXPECT_EQ(ErrorOf("*a\r\n", before), "Protocol error: invalid multibulk length");
}

TEST(Parser, AWholeRequestIsBounded) {
  ParserLimits limits;
  limits.request_bytes_max = 100;
  EXPECT_EQ(ErrorOf("*3\r\n$90\r\n" + std::string(90, 'x') + "\r\n$90\r\n", limits),
            "Protocol error: request is longer than 100 bytes");
}

TEST(Parser, ADeclaredLengthAllocatesNothing) {
  Parser parser;
  const std::string bytes = "*1000000\r\n$536870912\r\nabc";
  ASSERT_EQ(parser.Parse(bytes, {}), ParseResult::kNeedMore);
  EXPECT_EQ(parser.missing_bytes(), 536870912u + 2 - 3);
  EXPECT_EQ(parser.consumed(), 0u);
}

TEST(Parser, AfterAnErrorOnlyResetHelps) {
  Parser parser;
  ASSERT_EQ(parser.Parse("*x\r\n", {}), ParseResult::kError);
  EXPECT_EQ(parser.Parse("PING\r\n", {}), ParseResult::kError);
  parser.Reset();
  EXPECT_EQ(parser.Parse("PING\r\n", {}), ParseResult::kRequest);
}

// Bytes at random: no crash, no endless loop, and the same whichever way they are cut.
TEST(Parser, SurvivesNoise) {
  uint64_t state = 42;
  auto next = [&] { return state = state * 6364136223846793005u + 1442695040888963407u, state >> 33; };
  constexpr std::string_view kAlphabet = "*$0123459-\r\n\r\n\"'\\x aA\0";
  for (int round = 0; round < 3000; round++) {
    std::string bytes;
    const size_t size = next() % 60;
    for (size_t i = 0; i < size; i++) bytes += kAlphabet[next() % kAlphabet.size()];
    const size_t cut = size == 0 ? 0 : next() % size;
    ASSERT_EQ(ParseAll(bytes),
              ParsePieces({std::string_view(bytes).substr(0, cut), std::string_view(bytes).substr(cut)}, {}))
        << "round " << round;
  }
}

}  // namespace
}  // namespace varve::resp
