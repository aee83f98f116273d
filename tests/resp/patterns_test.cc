// Patterns that would take a backtracking matcher for ever, wherever a client may give one. What takes so long never
// ends: there is no time to measure.
#include "tests/resp/harness.h"

namespace varve::resp {
namespace {

class PatternsTest : public DispatcherTest, public ::testing::WithParamInterface<std::string> {};

TEST_P(PatternsTest, EndEverywhere) {
  const std::string& pattern = GetParam();
  const std::string name(100, 'a');
  Run(session_, {"SET", name, "1"});
  EXPECT_EQ(Run(session_, {"KEYS", pattern}), "*0\r\n");
  EXPECT_EQ(Run(session_, {"SCAN", "0", "MATCH", pattern}), "*2\r\n$1\r\n0\r\n*0\r\n");
  EXPECT_EQ(Run(session_, {"CONFIG", "GET", pattern}), "*0\r\n");
  EXPECT_EQ(Run(session_, {"COMMAND", "LIST", "FILTERBY", "PATTERN", pattern}), "*0\r\n");
  Run(other_, {"PSUBSCRIBE", pattern});
  Run(other_, {"SUBSCRIBE", name});
  Run(other_, {"SSUBSCRIBE", name});
  EXPECT_EQ(Run(session_, {"PUBLISH", name, "message"}), ":1\r\n") << "the channel, not the pattern";
  EXPECT_EQ(Run(session_, {"PUBSUB", "CHANNELS", pattern}), "*0\r\n");
  EXPECT_EQ(Run(session_, {"PUBSUB", "SHARDCHANNELS", pattern}), "*0\r\n");
}

std::string Repeat(std::string_view text, size_t times) {
  std::string all;
  for (size_t i = 0; i < times; i++) all += text;
  return all;
}

INSTANTIATE_TEST_SUITE_P(Pathological, PatternsTest,
                         ::testing::Values(Repeat("a*", 40) + "b", Repeat("*a", 500'000) + "b",
                                           Repeat("*a*?", 200) + "[b-z]", Repeat("*[^b]", 90) + "b",
                                           Repeat("?*", 50) + "\\b", Repeat("*", 1'000'000) + "@"));

}  // namespace
}  // namespace varve::resp
