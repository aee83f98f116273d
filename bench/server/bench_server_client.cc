// bench/server/bench_server_client.cc - what bench/server/run.py asks of a server and redis-benchmark cannot: writes
// every key once, scans them all, or sends GETs and SETs by other distributions, side by side. Checks every reply.
//
//   bench_server_client fill  --port N --keys N --value-size N [--writes N] [--expire-at-ms N] ...
//   bench_server_client scan  --port N --count N
//   bench_server_client drive --port N --keys N --value-size N --gets CLIENTS --sets CLIENTS --seconds N [--zipf] ...
//
// Prints an object of JSON with what it measured. Exit code 0, or 1 and why on standard error.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <string>

#include "bench/harness.h"
#include "bench/server/fill.h"
#include "bench/server/scan.h"
#include "bench/server/traffic.h"

namespace varve::bench {
namespace {

constexpr uint64_t kKeysMax = 4'000'000'000;  // Random::Below's limit

void PrintFill(const FillPlan& plan) {
  std::printf("{\"keys/s\": %.9g}\n", static_cast<double>(plan.writes) / Fill(plan));
}

void PrintScan(uint16_t port, uint64_t count) {
  const ScanResult result = Scan(port, count);
  std::printf("{\"keys\": %llu, \"calls\": %llu, \"keys/s\": %.9g, \"client CPU s\": %.9g}\n",
              static_cast<unsigned long long>(result.keys), static_cast<unsigned long long>(result.calls),
              static_cast<double>(result.keys) / result.seconds, result.client_cpu_s);
}

std::string Describe(const std::string& name, const Served& served, double seconds) {
  char text[400];
  const Histogram& latencies = served.latencies;
  std::snprintf(text, sizeof text,
                "\"%s\": {\"ops/s\": %.9g, \"p50 ms\": %.9g, \"p99 ms\": %.9g, \"p99.9 ms\": %.9g, \"max ms\": %.9g}",
                name.c_str(), static_cast<double>(served.replies) / seconds, latencies.PercentileMicros(50) / 1e3,
                latencies.PercentileMicros(99) / 1e3, latencies.PercentileMicros(99.9) / 1e3,
                latencies.MaxMicros() / 1e3);
  return text;
}

void PrintTraffic(const TrafficPlan& plan) {
  const TrafficResult result = Drive(plan);
  std::string text;
  if (plan.getters > 0) text += Describe("GET", result.gets, plan.seconds);
  if (plan.setters > 0) text += (text.empty() ? "" : ", ") + Describe("SET", result.sets, plan.seconds);
  std::printf("{%s}\n", text.c_str());
}

int Main(int argc, char** argv) {
  CLI::App app("The client of the server's benchmark");
  app.require_subcommand(1);
  uint16_t port = 0;
  FillPlan fill;
  TrafficPlan traffic;
  uint64_t scan_count = 0;
  const auto add = [&](const char* name, const char* what) {
    CLI::App* verb = app.add_subcommand(name, what);
    verb->add_option("--port", port, "the server's, on 127.0.0.1")->required()->check(CLI::Range(1, 65535));
    return verb;
  };
  const CLI::Range keys(uint64_t{1}, kKeysMax), value_size(uint64_t{1}, uint64_t{1} << 20);
  CLI::App* const fill_verb = add("fill", "Write every key once, in an order without pattern");
  fill_verb->add_option("--keys", fill.keys, "how many there are")->required()->check(keys);
  fill_verb->add_option("--writes", fill.writes, "write only so many of them");
  fill_verb->add_option("--value-size", fill.value_size, "bytes")->required()->check(value_size);
  fill_verb->add_option("--seed", fill.seed, "of the order");
  fill_verb->add_option("--first", fill.first, "number of the first key")->check(CLI::Range(uint64_t{0}, kKeysMax));
  fill_verb->add_option("--expire-at-ms", fill.expire_at_ms, "since 1970: when the first of them expire");
  fill_verb->add_option("--expire-within-ms", fill.expire_within_ms, "all of them, from then on")
      ->check(CLI::Range(1, 86'400'000));
  CLI::App* const scan_verb = add("scan", "One whole loop of SCAN");
  scan_verb->add_option("--count", scan_count, "its COUNT")->required()->check(keys);
  CLI::App* const drive_verb = add("drive", "GETs and SETs of random keys");
  drive_verb->add_option("--keys", traffic.keys, "how many there are")->required()->check(keys);
  drive_verb->add_option("--value-size", traffic.value_size, "bytes")->required()->check(value_size);
  drive_verb->add_option("--gets", traffic.getters, "clients that send GETs")->check(CLI::Range(0, 10'000));
  drive_verb->add_option("--sets", traffic.setters, "clients that send SETs")->check(CLI::Range(0, 10'000));
  drive_verb->add_option("--warm-seconds", traffic.warm_seconds, "before, not counted")->check(CLI::Range(0.0, 3600.0));
  drive_verb->add_option("--seconds", traffic.seconds, "counted")->required()->check(CLI::Range(0.01, 3600.0));
  drive_verb->add_flag("--zipf", traffic.zipf, "by Zipf's distribution, exponent 0.99; else all are as likely");
  drive_verb->add_option("--seed", traffic.seed, "of the choice of keys");
  CLI11_PARSE(app, argc, argv);

  fill.port = traffic.port = port;
  if (fill.writes == 0) fill.writes = fill.keys;
  if (fill.writes > fill.keys) Fatal("--writes: there are only --keys keys");
  if (*drive_verb && traffic.getters + traffic.setters == 0) Fatal("drive: neither --gets nor --sets");
  if (*fill_verb) PrintFill(fill);
  if (*scan_verb) PrintScan(port, scan_count);
  if (*drive_verb) PrintTraffic(traffic);
  return 0;
}

}  // namespace
}  // namespace varve::bench

int main(int argc, char** argv) {
  return varve::bench::Main(argc, argv);
}
