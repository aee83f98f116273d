#include "bench/server/fill.h"

#include <algorithm>
#include <string>
#include <string_view>

#include "bench/harness.h"
#include "bench/server/connection.h"
#include "bench/server/data.h"

namespace varve::bench {

namespace {

constexpr uint64_t kBatch =
    500;  // requests; two batches are on their way, so that the server never waits for the client
constexpr std::string_view kOk = "+OK\r\n";

void AppendFill(const FillPlan& plan, uint64_t number, std::string* out) {
  const uint64_t expire_ms = plan.expire_at_ms == 0 ? 0 : plan.expire_at_ms + number % plan.expire_within_ms;
  AppendSet(plan.first + number, plan.value_size, out, expire_ms);
}

void ReceiveOks(Connection* connection, uint64_t count) {
  char buffer[kBatch * kOk.size()];
  for (size_t size = count * kOk.size(), at = 0; at < size;) {
    const size_t received = connection->Receive(buffer, size - at);
    for (size_t i = 0; i < received; ++i, ++at) {
      if (buffer[i] == kOk[at % kOk.size()]) continue;
      Fatal("server client: not +OK in reply to a SET: " +
            std::string(buffer + i, std::min<size_t>(received - i, 200)));
    }
  }
}

}  // namespace

double Fill(const FillPlan& plan) {
  Connection connection(plan.port);
  const Permutation order(plan.keys, plan.seed);
  const uint64_t start = NowNanos();
  std::string requests;
  uint64_t waiting = 0;
  for (uint64_t next = 0; next < plan.writes;) {
    requests.clear();
    const uint64_t batch = std::min(kBatch, plan.writes - next);
    for (const uint64_t end = next + batch; next < end; ++next) AppendFill(plan, order(next), &requests);
    connection.Send(requests);
    ReceiveOks(&connection, waiting);
    waiting = batch;
  }
  ReceiveOks(&connection, waiting);
  return static_cast<double>(NowNanos() - start) / 1e9;
}

}  // namespace varve::bench
