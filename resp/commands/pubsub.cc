// resp/commands/pubsub.cc - SUBSCRIBE and its family, PUBLISH, PUBSUB, MONITOR.
#include <vector>

#include "resp/commands/arguments.h"
#include "resp/commands/handlers.h"

namespace varve::resp {
namespace {

using Kind = SubscriptionKind;

// Channels and patterns are counted together, shard channels apart.
int64_t CountFor(Kind kind, const Session& session) {
  if (kind == Kind::kShard) return static_cast<int64_t>(session.subscription_count(Kind::kShard));
  return static_cast<int64_t>(session.subscription_count(Kind::kChannel) + session.subscription_count(Kind::kPattern));
}

void ReplyHead(CommandContext& c) {
  c.reply.Push(3);
  c.reply.Bulk(c.command.name);
}

// A reply for each name.
void SubscribeTo(Kind kind, Args args, CommandContext& c) {
  for (std::string_view name : args.subspan(1)) {
    c.dispatcher.pubsub().Subscribe(c.session, kind, name);
    ReplyHead(c);
    c.reply.Bulk(name);
    c.reply.Integer(CountFor(kind, c.session));
  }
}

// From the names, or all there are.
void UnsubscribeFrom(Kind kind, Args args, CommandContext& c) {
  std::vector<std::string> names(args.begin() + 1, args.end());
  if (names.empty()) {
    const auto& own = c.session.subscriptions[static_cast<size_t>(kind)];
    names.assign(own.begin(), own.end());
  }
  for (const std::string& name : names) {
    c.dispatcher.pubsub().Unsubscribe(c.session, kind, name);
    ReplyHead(c);
    c.reply.Bulk(name);
    c.reply.Integer(CountFor(kind, c.session));
  }
  if (!names.empty()) return;
  ReplyHead(c);
  c.reply.Null();
  c.reply.Integer(CountFor(kind, c.session));
}

void PublishTo(Kind kind, Args args, CommandContext& c) {
  const size_t receivers = c.dispatcher.pubsub().Publish(kind, args[1], args[2], /*about_data=*/false);
  c.reply.Integer(static_cast<int64_t>(receivers));
}

void ReplyChannels(Kind kind, Args args, CommandContext& c) {
  if (args.size() > 3) return ReplyUnknownSubcommand(args, c);
  const std::vector<std::string_view> names = c.dispatcher.pubsub().Names(kind, args.size() == 3 ? args[2] : "*");
  c.reply.Array(names.size());
  for (std::string_view name : names) c.reply.Bulk(name);
}

void ReplySubscribers(Kind kind, Args args, CommandContext& c) {
  const Args names = args.subspan(2);
  c.reply.Array(2 * names.size());
  for (std::string_view name : names) {
    c.reply.Bulk(name);
    c.reply.Integer(static_cast<int64_t>(c.dispatcher.pubsub().Subscribers(kind, name)));
  }
}

}  // namespace

void Subscribe(Args args, CommandContext& c) {
  SubscribeTo(Kind::kChannel, args, c);
}

void PSubscribe(Args args, CommandContext& c) {
  SubscribeTo(Kind::kPattern, args, c);
}

void SSubscribe(Args args, CommandContext& c) {
  SubscribeTo(Kind::kShard, args, c);
}

void Unsubscribe(Args args, CommandContext& c) {
  UnsubscribeFrom(Kind::kChannel, args, c);
}

void PUnsubscribe(Args args, CommandContext& c) {
  UnsubscribeFrom(Kind::kPattern, args, c);
}

void SUnsubscribe(Args args, CommandContext& c) {
  UnsubscribeFrom(Kind::kShard, args, c);
}

void Publish(Args args, CommandContext& c) {
  PublishTo(Kind::kChannel, args, c);
}

void SPublish(Args args, CommandContext& c) {
  PublishTo(Kind::kShard, args, c);
}

void PubsubChannels(Args args, CommandContext& c) {
  ReplyChannels(Kind::kChannel, args, c);
}

void PubsubShardChannels(Args args, CommandContext& c) {
  ReplyChannels(Kind::kShard, args, c);
}

void PubsubNumSub(Args args, CommandContext& c) {
  ReplySubscribers(Kind::kChannel, args, c);
}

void PubsubShardNumSub(Args args, CommandContext& c) {
  ReplySubscribers(Kind::kShard, args, c);
}

void PubsubNumPat(Args /*args*/, CommandContext& c) {
  c.reply.Integer(static_cast<int64_t>(c.dispatcher.pubsub().count(Kind::kPattern)));
}

void PubsubHelp(Args /*args*/, CommandContext& c) {
  ReplyHelp(c, {"CHANNELS [<pattern>]", "    Return the currently active channels matching a <pattern> (default: '*').",
                "NUMPAT", "    Return number of subscriptions to patterns.", "NUMSUB [<channel> ...]",
                "    Return the number of subscribers for the specified channels, excluding",
                "    pattern subscriptions(default: no channels).", "SHARDCHANNELS [<pattern>]",
                "    Return the currently active shard level channels matching a <pattern> (default: '*').",
                "SHARDNUMSUB [<shardchannel> ...]",
                "    Return the number of subscribers for the specified shard level channel(s)"});
}

void Monitor(Args /*args*/, CommandContext& c) {
  if (c.session.in_exec) return c.reply.Error("ERR MONITOR isn't allowed for DENY BLOCKING client");
  c.dispatcher.monitors().Add(c.session);
  c.reply.Ok();
}

}  // namespace varve::resp
