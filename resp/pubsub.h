// resp/pubsub.h - channels, patterns and shard channels: who listens, and what is on its way to them.
//
//   pubsub.Subscribe(session, Kind::kChannel, "news");
//   pubsub.Publish(Kind::kChannel, "news", "hello", false);   // kept
//   pubsub.Deliver();                                         // the request that published has ended well
//
// What a request publishes leaves after its own reply, and not at all when the request is undone (Drop). So a publisher
// that listens to itself gets its message behind the reply, as from Redis 7.2 on, and an EXEC's array stays whole.
// Who subscribes after a message was published does not get it, even within one transaction.
// Memory: subscriptions are charged to their session; what is on its way is as large as the requests it came from.
// A call that throws std::bad_alloc has changed nothing. Threads: the executor's.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "resp/name_hash.h"
#include "resp/session.h"

namespace varve::resp {

class PubSub {
 public:
  using Kind = SubscriptionKind;

  // False: it was so already.
  bool Subscribe(Session& session, Kind kind, std::string_view name);
  bool Unsubscribe(Session& session, Kind kind, std::string_view name);
  // From everything.
  void Forget(Session& session);

  // Keeps a message until Deliver or Drop, when anybody listens; returns how many will get it.
  size_t Publish(Kind kind, std::string_view channel, std::string_view message, bool about_data);
  // Sends what was kept. `wrote`: the request that published has also written, and so all it says is about data.
  void Deliver(bool wrote) noexcept;
  void Drop() noexcept { Clear(); }
  bool empty() const { return pending_.empty(); }

  // --- for PUBSUB ---
  size_t Subscribers(Kind kind, std::string_view name) const;
  // To ordinary channels or patterns.
  bool HasListeners() const { return count(Kind::kChannel) + count(Kind::kPattern) > 0; }
  size_t count(Kind kind) const { return listeners_[static_cast<size_t>(kind)].size(); }
  // Names of `kind` that match the glob, each once.
  std::vector<std::string_view> Names(Kind kind, std::string_view pattern) const;

 private:
  // Every listener, and the number of the message published last before it came.
  using Listeners = std::unordered_map<Session*, uint64_t>;
  using ByName = std::unordered_map<std::string, Listeners, NameHash, std::equal_to<>>;
  struct Pending {
    Kind kind;
    bool about_data;
    size_t channel_size;
    size_t message_size;
    uint64_t number;
  };
  static constexpr size_t kSubscriptionOverhead = 320;  // nodes and string headers, here and in the session
  static constexpr size_t kTextKept = size_t{64} * 1024;

  ByName& listeners(Kind kind) { return listeners_[static_cast<size_t>(kind)]; }
  const ByName& listeners(Kind kind) const { return listeners_[static_cast<size_t>(kind)]; }
  void DeliverOne(const Pending& pending, std::string_view channel, std::string_view message, bool wrote) noexcept;
  void Clear() noexcept;

  std::array<ByName, kSubscriptionKinds> listeners_;
  uint64_t published_ = 0;
  std::vector<Pending> pending_;
  std::string text_;  // channel and message of each
};

}  // namespace varve::resp
