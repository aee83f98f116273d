// resp/commands/pubsub.cc - SUBSCRIBE and its family, PUBLISH, PUBSUB, MONITOR.
#include <vector>

#include "resp/commands/arguments.h"
#include "resp/commands/handlers.h"

namespace varve::resp {
namespace {

using Kind = SubscriptionKind;

// From the command's own name: "psubscribe" is about patterns, "spublish" and "pubsub|shardnumsub" about shard channels.
Kind KindOf(const Command& command) {
  if (command.name.starts_with('p') && command.name != "publish") return Kind::kPattern;
  const bool shard = command.name.starts_with("ss") || command.name.starts_with("sh") ||
                     command.name == "sunsubscribe" || command.name == "spublish";
  return shard ? Kind::kShard : Kind::kChannel;
}

// Channels and patterns are counted together, shard channels apart.
int64_t CountFor(Kind kind, const Session& session) {
  if (kind == Kind::kShard) return static_cast<int64_t>(session.subscription_count(Kind::kShard));
  return static_cast<int64_t>(session.subscription_count(Kind::kChannel) + session.subscription_count(Kind::kPattern));
}

void ReplyHead(CommandContext& c) {
  c.reply.Push(3);
  c.reply.Bulk(c.command.name);
}

}  // namespace

// A reply for each name.
void Subscribe(Args args, CommandContext& c) {
  const Kind kind = KindOf(c.command);
  for (std::string_view name : args.subspan(1)) {
    c.dispatcher.pubsub().Subscribe(c.session, kind, name);
    ReplyHead(c);
    c.reply.Bulk(name);
    c.reply.Integer(CountFor(kind, c.session));
  }
}

void Unsubscribe(Args args, CommandContext& c) {
  const Kind kind = KindOf(c.command);
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

void Publish(Args args, CommandContext& c) {
  c.reply.Integer(
      static_cast<int64_t>(c.dispatcher.pubsub().Publish(KindOf(c.command), args[1], args[2], /*shows_writes=*/false)));
}

void PubsubChannels(Args args, CommandContext& c) {
  if (args.size() > 3) {
    return c.reply.Error("ERR unknown subcommand or wrong number of arguments for '" + std::string(args[1]) +
                         "'. Try PUBSUB HELP.");
  }
  const std::vector<std::string_view> names =
      c.dispatcher.pubsub().Names(KindOf(c.command), args.size() == 3 ? args[2] : "*");
  c.reply.Array(names.size());
  for (std::string_view name : names) c.reply.Bulk(name);
}

void PubsubNumSub(Args args, CommandContext& c) {
  const Args names = args.subspan(2);
  c.reply.Array(2 * names.size());
  for (std::string_view name : names) {
    c.reply.Bulk(name);
    c.reply.Integer(static_cast<int64_t>(c.dispatcher.pubsub().Subscribers(KindOf(c.command), name)));
  }
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
  c.dispatcher.monitors().Add(c.session);
  c.reply.Ok();
}

}  // namespace varve::resp
