// bench/server/traffic.h - clients that send one request after the other, some GETs and some SETs, for a given time.
//
// All of them in one thread around one epoll: two programs on one core would wait for each other's time slices, and
// show them as the server's latency. A latency is that of a request sent within the time, however late its reply.
#pragma once

#include <cstddef>
#include <cstdint>

#include "bench/harness.h"

namespace varve::bench {

struct TrafficPlan {
  uint16_t port = 0;
  uint64_t keys = 0;  // all of them are there
  size_t value_size = 0;
  unsigned getters = 0;
  unsigned setters = 0;
  double warm_seconds = 0;  // before, not counted
  double seconds = 0;
  bool zipf = false;  // else every key is as likely
  uint64_t seed = 0;
};

struct Served {
  uint64_t replies = 0;  // within the time
  Histogram latencies;
};

struct TrafficResult {
  Served gets;
  Served sets;
};

// Fatal when a reply is not the one expected, or takes two minutes.
TrafficResult Drive(const TrafficPlan& plan);

}  // namespace varve::bench
