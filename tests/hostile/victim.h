// tests/hostile/victim.h - a client that minds its own business, and how long it waits for that.
#pragma once

#include <algorithm>
#include <chrono>
#include <string>
#include <string_view>
#include <vector>

#include "tests/net/raw_client.h"

namespace varve::testing {

class Victim {
 public:
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  static constexpr int kRequests = 500;  // whose times do not count
#else
  static constexpr int kRequests = 5000;
#endif

  struct Waits {
    int64_t p99_us = 0;
    int64_t max_us = 0;
  };

  explicit Victim(int port) : client_(port) {}
  bool Authenticate(std::string_view password) {
    return client_.Ask({"AUTH", password}) == "+OK\r\n";
  }

  // kRequests of SET and GET in turn, one at a time. False: a wrong answer.
  bool Run(Waits* waits) {
    std::vector<int64_t> all;
    for (int i = 0; i < kRequests; ++i) {
      const std::string key = "victim:" + std::to_string(i / 2 % 100), value = std::to_string(i / 2);
      const auto begin = std::chrono::steady_clock::now();
      const std::string reply = i % 2 == 0 ? client_.Ask({"SET", key, value}) : client_.Ask({"GET", key});
      const auto waited = std::chrono::steady_clock::now() - begin;
      if (reply != (i % 2 == 0 ? "+OK\r\n" : "$" + std::to_string(value.size()) + "\r\n" + value + "\r\n"))
        return false;
      all.push_back(std::chrono::duration_cast<std::chrono::microseconds>(waited).count());
    }
    std::sort(all.begin(), all.end());
    *waits = {.p99_us = all[all.size() * 99 / 100], .max_us = all.back()};
    return true;
  }

 private:
  RawClient client_;
};

}  // namespace varve::testing
