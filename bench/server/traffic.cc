#include "bench/server/traffic.h"

#include <sys/epoll.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "bench/server/connection.h"
#include "bench/server/data.h"
#include "bench/zipf.h"

namespace varve::bench {

namespace {

constexpr int kPatienceMs = 120'000;

struct Client {
  Client(uint16_t port, bool sets) : connection(port), is_setter(sets) {}
  Connection connection;
  const bool is_setter;
  uint64_t sent_ns = 0;
  std::string request;
  std::string want;  // the reply to it
  std::string got;   // of that
};

class Traffic {
 public:
  explicit Traffic(const TrafficPlan& plan) : plan_(plan) {
    if (plan.zipf) zipf_.emplace(plan.keys);
    for (unsigned i = 0; i < plan.getters + plan.setters; ++i) {
      clients_.push_back(std::make_unique<Client>(plan.port, i >= plan.getters));
      epoll_event event = {.events = EPOLLIN, .data = {.ptr = clients_.back().get()}};
      if (epoll_ < 0 || ::epoll_ctl(epoll_, EPOLL_CTL_ADD, clients_.back()->connection.fd(), &event) != 0)
        Fatal("epoll");
    }
  }
  ~Traffic() { ::close(epoll_); }
  Traffic(const Traffic&) = delete;
  Traffic& operator=(const Traffic&) = delete;

  TrafficResult Run() {
    begin_ns_ = NowNanos() + static_cast<uint64_t>(plan_.warm_seconds * 1e9);
    end_ns_ = begin_ns_ + static_cast<uint64_t>(plan_.seconds * 1e9);
    for (const auto& client : clients_) Send(client.get());
    std::array<epoll_event, 256> events;
    while (waiting_ > 0) {
      const int ready = ::epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), kPatienceMs);
      if (ready < 0 && errno == EINTR) continue;
      if (ready <= 0) Fatal("server client: no reply for two minutes");
      for (int i = 0; i < ready; ++i) Receive(static_cast<Client*>(events[static_cast<size_t>(i)].data.ptr));
    }
    return std::move(result_);
  }

 private:
  uint64_t NextKey() { return zipf_ ? scatter_(zipf_->Next(&random_)) : random_.Below(plan_.keys); }

  void Send(Client* client) {
    const uint64_t key = NextKey();
    client->request.clear();
    client->want.clear();
    client->got.clear();
    if (client->is_setter) {
      AppendSet(key, plan_.value_size, &client->request);
      client->want = "+OK\r\n";
    } else {
      AppendGet(key, &client->request);
      AppendGetReply(key, plan_.value_size, &client->want);
    }
    client->sent_ns = NowNanos();
    client->connection.Send(client->request);
    ++waiting_;
  }

  void Receive(Client* client) {
    char buffer[16384];
    client->got.append(buffer, client->connection.Receive(buffer, sizeof buffer));
    const uint64_t now = NowNanos();
    if (client->want.compare(0, client->got.size(), client->got) != 0) {
      Fatal("server client: a wrong reply: " + client->got.substr(0, 200));
    }
    if (client->got.size() < client->want.size()) return;
    --waiting_;
    Served* served = client->is_setter ? &result_.sets : &result_.gets;
    if (now >= begin_ns_ && now < end_ns_) ++served->replies;
    if (client->sent_ns >= begin_ns_) served->latencies.Add(now - client->sent_ns);
    if (now < end_ns_) Send(client);
  }

  const TrafficPlan plan_;
  const int epoll_ = ::epoll_create1(EPOLL_CLOEXEC);
  std::vector<std::unique_ptr<Client>> clients_;
  Random random_{plan_.seed};
  const Permutation scatter_{plan_.keys, plan_.seed};
  std::optional<Zipf> zipf_;
  uint64_t begin_ns_ = 0;
  uint64_t end_ns_ = 0;
  size_t waiting_ = 0;
  TrafficResult result_;
};

}  // namespace

TrafficResult Drive(const TrafficPlan& plan) {
  return Traffic(plan).Run();
}

}  // namespace varve::bench
