// What LATENCY watches: the monitor's series, the commands' histograms, and the replies.
#include "resp/latency_histogram.h"
#include "resp/latency_monitor.h"
#include "tests/resp/harness.h"

namespace varve::resp {
namespace {

TEST(LatencyHistogram, PercentilesAreTheEndOfTheirCounter) {
  LatencyHistogram histogram;
  EXPECT_EQ(histogram.AtPercentile(50), 0u);
  histogram.Record(0);
  EXPECT_EQ(histogram.AtPercentile(50), 1u) << "nothing takes no time";
  for (int i = 0; i < 99; i++) histogram.Record(1000);
  EXPECT_EQ(histogram.AtPercentile(0), 1u);
  EXPECT_EQ(histogram.AtPercentile(50), 1003u);
  histogram.Record(5'000'000'000);
  EXPECT_EQ(histogram.AtPercentile(100), 1'002'438'655u) << "longer than a second counts as one";
  EXPECT_EQ(histogram.total(), 101u);
  histogram.Clear();
  EXPECT_EQ(histogram.total(), 0u);
}

TEST(LatencyHistogram, BoundsDouble) {
  LatencyHistogram histogram;
  for (uint64_t nanos : {1000u, 1000u, 3000u, 33'000u, 1'000'000u}) histogram.Record(nanos);
  std::vector<std::pair<uint64_t, uint64_t>> bounds;
  histogram.ForEachBound([&](uint64_t micros, uint64_t calls) { bounds.emplace_back(micros, calls); });
  EXPECT_EQ(bounds, (std::vector<std::pair<uint64_t, uint64_t>>{{1, 2}, {4, 3}, {33, 4}, {1056, 5}}));
}

TEST(LatencyMonitor, KeepsTheWorstOfASecond) {
  LatencyMonitor monitor;
  monitor.Add("command", 100, 1000);
  monitor.Add("command", 300, 1000);
  monitor.Add("command", 200, 1000);
  monitor.Add("command", 50, 1001);
  const LatencyMonitor::Series* series = monitor.Find("command");
  ASSERT_NE(series, nullptr);
  const auto samples = series->InOrder();
  ASSERT_EQ(samples.size(), 2u);
  EXPECT_EQ(samples[0].latency_ms, 300u);
  EXPECT_EQ(samples[1].latency_ms, 50u);
  EXPECT_EQ(series->highest_ms, 300u);
  EXPECT_EQ(series->latest().unix_seconds, 1001);
}

TEST(LatencyMonitor, ForgetsTheOldest) {
  LatencyMonitor monitor;
  for (int64_t second = 1; second <= 200; second++) monitor.Add("e", static_cast<uint64_t>(second), second);
  const auto samples = monitor.Find("e")->InOrder();
  ASSERT_EQ(samples.size(), LatencyMonitor::kSamples);
  EXPECT_EQ(samples.front().unix_seconds, 41);
  EXPECT_EQ(samples.back().unix_seconds, 200);
}

TEST_F(DispatcherTest, SlowEventsAreKept) {
  server_.on_sleep = [&](uint64_t us) { clock_.monotonic_us += us; };
  Do("DEBUG SLEEP 0.3");
  EXPECT_EQ(Do("LATENCY LATEST"), "*0\r\n") << "off";
  EXPECT_NE(Do("LATENCY DOCTOR").find("not watched"), std::string::npos);
  Do("CONFIG SET latency-monitor-threshold 200");
  EXPECT_NE(Do("LATENCY DOCTOR").find("Nothing took longer"), std::string::npos);
  Do("DEBUG SLEEP 0.3");
  clock_.now_ms += 1000;
  Do("DEBUG SLEEP 0.4");
  clock_.now_ms += 90'000;
  EXPECT_EQ(Do("LATENCY HISTORY command"), "*2\r\n*2\r\n:1700000000\r\n:300\r\n*2\r\n:1700000001\r\n:400\r\n");
  EXPECT_EQ(Do("LATENCY HISTORY nosuch"), "*0\r\n");
  EXPECT_EQ(Do("LATENCY LATEST"), "*1\r\n*4\r\n$7\r\ncommand\r\n:1700000001\r\n:400\r\n:400\r\n");
  const std::string graph = Do("LATENCY GRAPH command");
  EXPECT_NE(graph.find("command - high 400 ms, low 300 ms (all time high 400 ms)\n" + std::string(80, '-') +
                       "\n #\n |\n |\n#|\n\n11\nmm\n"),
            std::string::npos)
      << graph;
  EXPECT_EQ(Do("LATENCY GRAPH nosuch"), "-ERR No samples available for event 'nosuch'\r\n");
  EXPECT_NE(
      Do("LATENCY DOCTOR").find("command: 2 in 1m, 350 ms on average (mean deviation 50 ms), the worst ever 400 ms."),
      std::string::npos)
      << Do("LATENCY DOCTOR");
  dispatcher_->NoteLatency("expire-cycle", 250'000);
  EXPECT_EQ(Do("LATENCY RESET nosuch"), ":0\r\n");
  EXPECT_EQ(Do("LATENCY RESET COMMAND command"), ":1\r\n");
  EXPECT_EQ(Do("LATENCY RESET"), ":1\r\n");
  EXPECT_EQ(Do("LATENCY LATEST"), "*0\r\n");
}

TEST_F(DispatcherTest, HistogramsAreOfCommandsAndSubcommands) {
  Do("CONFIG RESETSTAT");
  Do("HELLO 3");
  Do("CLIENT ID");
  Do("SET a 1");
  Do("SET a 2");
  EXPECT_EQ(Do("LATENCY HISTOGRAM set"),
            "%1\r\n$3\r\nset\r\n%2\r\n$5\r\ncalls\r\n:2\r\n$14\r\nhistogram_usec\r\n%1\r\n:16\r\n:2\r\n");
  EXPECT_NE(Do("LATENCY HISTOGRAM client").find("client|id"), std::string::npos);
  EXPECT_TRUE(Do("LATENCY HISTOGRAM client|id get nosuch").starts_with("%1\r\n$9\r\nclient|id\r\n"));
  EXPECT_EQ(Do("LATENCY HISTOGRAM nosuch"), "%0\r\n");
  EXPECT_NE(Do("LATENCY HISTOGRAM").find("hello"), std::string::npos);
  Do("CONFIG SET latency-tracking no");
  Do("CONFIG RESETSTAT");
  Do("SET a 1");
  EXPECT_EQ(Do("LATENCY HISTOGRAM"), "%0\r\n");
}

}  // namespace
}  // namespace varve::resp
