// resp/commands/slowlog.cc - SLOWLOG: the last slow commands, which the dispatcher has put into its log.
#include <algorithm>
#include <climits>

#include "resp/commands/arguments.h"
#include "resp/commands/handlers.h"
#include "resp/slow_log.h"

namespace varve::resp {

void SlowlogGet(Args args, CommandContext& c) {
  if (args.size() > 3) return ReplyUnknownSubcommand(args, c);
  const auto& entries = c.dispatcher.slow_log().entries();
  int64_t count = 10;
  if (args.size() == 3) {
    constexpr std::string_view kError = "ERR count should be greater than or equal to -1";
    if (!ReadInt64(args[2], c, &count, kError)) return;
    if (count < -1) return c.reply.Error(kError);
  }
  const size_t shown = count < 0 ? entries.size() : std::min(static_cast<size_t>(count), entries.size());
  c.reply.Array(shown);
  for (size_t i = 0; i < shown; i++) {
    const SlowLog::Entry& entry = entries[i];
    c.reply.Array(6);
    c.reply.Integer(static_cast<int64_t>(entry.id));
    c.reply.Integer(entry.unix_seconds);
    c.reply.Integer(static_cast<int64_t>(entry.duration_us));
    c.reply.Array(entry.arguments.size());
    for (const std::string& argument : entry.arguments) c.reply.Bulk(argument);
    c.reply.Bulk(entry.address);
    c.reply.Bulk(entry.client_name);
  }
}

void SlowlogHelp(Args /*args*/, CommandContext& c) {
  ReplyHelp(
      c, {"GET [<count>]", "    Return top <count> entries from the slowlog (default: 10, -1 mean all).",
          "    Entries are made of:", "    id, timestamp, time in microseconds, arguments array, client IP and port,",
          "    client name", "LEN", "    Return the length of the slowlog.", "RESET", "    Reset the slowlog."});
}

void SlowlogLen(Args /*args*/, CommandContext& c) {
  c.reply.Integer(static_cast<int64_t>(c.dispatcher.slow_log().entries().size()));
}

void SlowlogReset(Args /*args*/, CommandContext& c) {
  c.dispatcher.slow_log().Clear();
  c.reply.Ok();
}

}  // namespace varve::resp
