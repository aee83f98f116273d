#include "resp/pubsub.h"

#include <new>

#include "keyspace/glob.h"
#include "resp/message_pieces.h"
#include "resp/message_sink.h"

namespace varve::resp {

bool PubSub::Subscribe(Session& session, Kind kind, std::string_view name) {
  auto [own, fresh] = session.subscriptions[static_cast<size_t>(kind)].emplace(name);
  if (!fresh) return false;
  try {
    listeners(kind)[*own].emplace(&session, published_);
  } catch (const std::bad_alloc&) {
    auto known = listeners(kind).find(*own);
    if (known != listeners(kind).end() && known->second.empty()) listeners(kind).erase(known);
    session.subscriptions[static_cast<size_t>(kind)].erase(own);
    throw;
  }
  session.subscription_bytes += 2 * name.size() + kSubscriptionOverhead;
  return true;
}

bool PubSub::Unsubscribe(Session& session, Kind kind, std::string_view name) {
  auto& own = session.subscriptions[static_cast<size_t>(kind)];
  auto subscription = own.find(name);
  if (subscription == own.end()) return false;
  auto known = listeners(kind).find(*subscription);
  known->second.erase(&session);
  if (known->second.empty()) listeners(kind).erase(known);
  session.subscription_bytes -= 2 * subscription->size() + kSubscriptionOverhead;
  own.erase(subscription);
  return true;
}

void PubSub::Forget(Session& session) {
  for (size_t kind = 0; kind < kSubscriptionKinds; kind++) {
    auto& own = session.subscriptions[kind];
    while (!own.empty()) Unsubscribe(session, static_cast<Kind>(kind), *own.begin());
  }
}

size_t PubSub::Publish(Kind kind, std::string_view channel, std::string_view message, bool about_data) {
  size_t receivers = Subscribers(kind, channel);
  if (kind == Kind::kChannel) {
    for (const auto& [pattern, sessions] : listeners(Kind::kPattern)) {
      if (keyspace::GlobMatch(pattern, channel)) receivers += sessions.size();
    }
  }
  if (receivers == 0) return 0;
  pending_.push_back({kind, about_data, channel.size(), message.size(), 0});
  try {
    text_.append(channel).append(message);
  } catch (const std::bad_alloc&) {
    pending_.pop_back();
    throw;
  }
  pending_.back().number = ++published_;
  return receivers;
}

void PubSub::Deliver(bool wrote) noexcept {
  if (pending_.empty()) return;
  std::string_view text = text_;
  for (const Pending& pending : pending_) {
    const std::string_view channel = text.substr(0, pending.channel_size);
    const std::string_view message = text.substr(pending.channel_size, pending.message_size);
    text.remove_prefix(pending.channel_size + pending.message_size);
    DeliverOne(pending, channel, message, wrote);
  }
  Clear();
}

// A sink may close its client, but none goes away meanwhile: the lists stay as they are.
void PubSub::DeliverOne(const Pending& pending, std::string_view channel, std::string_view message,
                        bool wrote) noexcept {
  const bool about_data = pending.about_data || wrote;
  auto send = [&](const Listeners& sessions, MessagePieces& pieces) {
    for (const auto& [session, since] : sessions) {
      if (since < pending.number) session->sink->Push(pieces.For(session->protocol), about_data);
    }
  };
  auto known = listeners(pending.kind).find(channel);
  if (known != listeners(pending.kind).end()) {
    MessagePieces pieces;
    pieces.Bulk(pending.kind == Kind::kShard ? "smessage" : "message");
    pieces.Bulk(channel);
    pieces.Bulk(message);
    send(known->second, pieces);
  }
  if (pending.kind != Kind::kChannel) return;
  for (const auto& [pattern, sessions] : listeners(Kind::kPattern)) {
    if (!keyspace::GlobMatch(pattern, channel)) continue;
    MessagePieces pieces;
    pieces.Bulk("pmessage");
    pieces.Bulk(pattern);
    pieces.Bulk(channel);
    pieces.Bulk(message);
    send(sessions, pieces);
  }
}

size_t PubSub::Subscribers(Kind kind, std::string_view name) const {
  auto known = listeners(kind).find(name);
  return known != listeners(kind).end() ? known->second.size() : 0;
}

std::vector<std::string_view> PubSub::Names(Kind kind, std::string_view pattern) const {
  std::vector<std::string_view> names;
  for (const auto& [name, sessions] : listeners(kind)) {
    if (keyspace::GlobMatch(pattern, name)) names.push_back(name);
  }
  return names;
}

void PubSub::Clear() noexcept {
  pending_.clear();
  text_.clear();
  if (text_.capacity() > kTextKept) std::string().swap(text_);
}

}  // namespace varve::resp
