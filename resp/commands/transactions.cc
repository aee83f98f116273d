// resp/commands/transactions.cc - MULTI, EXEC, DISCARD, WATCH, UNWATCH.
//
// EXEC is one request, and the pending batch is never committed inside a request: its writes reach the log whole or not
// at all.
#include <new>
#include <utility>
#include <vector>

#include "resp/commands/arguments.h"
#include "resp/commands/handlers.h"

namespace varve::resp {
namespace {

constexpr size_t kWatchOverhead = 256;  // nodes, string headers, the place in the list

}  // namespace

void Multi(Args /*args*/, CommandContext& c) {
  if (c.session.in_multi) return c.reply.Error("ERR MULTI calls can not be nested");
  c.session.in_multi = true;
  c.reply.Ok();
}

void Exec(Args /*args*/, CommandContext& c) {
  if (!c.session.in_multi) return c.reply.Error("ERR EXEC without MULTI");
  const bool failed = c.session.multi_failed;
  const bool changed = c.dispatcher.WatchedKeysChanged(c.session);
  std::vector<QueuedCommand> queue = std::move(c.session.queue);
  c.dispatcher.DiscardMulti(c.session);
  if (failed) return c.reply.Error(kExecAbort);
  if (changed) return c.reply.NullArray();
  c.reply.Array(queue.size());
  std::vector<std::string_view> args;
  c.session.in_exec = true;  // a client whose EXEC finds no memory is closed
  for (const QueuedCommand& queued : queue) {
    queued.GetArguments(&args);
    c.dispatcher.Run(c.session, *queued.command, args, c.reply);
  }
  c.session.in_exec = false;
}

void Discard(Args /*args*/, CommandContext& c) {
  if (!c.session.in_multi) return c.reply.Error("ERR DISCARD without MULTI");
  c.dispatcher.DiscardMulti(c.session);
  c.reply.Ok();
}

void Watch(Args args, CommandContext& c) {
  if (c.session.in_multi) return c.reply.Error("ERR WATCH inside MULTI is not allowed");
  for (std::string_view name : args.subspan(1)) {
    if (!c.session.watched_names.insert(std::to_string(c.db()) + ":" + std::string(name)).second) continue;
    // Deletes it now if its time has come, so that only what happens from here on counts as a change.
    const Found found = FindForWrite(name, c, &c.entry);
    if (found == Found::kFailed) return;
    c.session.watched.push_back({.db = c.db(),
                                 .name = std::string(name),
                                 .version = 0,
                                 .expire_ms = found == Found::kYes ? c.entry.expire_ms : 0});
    try {
      c.session.watched.back().version = c.keys.Watch(c.db(), name);
    } catch (const std::bad_alloc&) {
      c.session.watched.pop_back();  // the list names what the keyspace knows of, and nothing else
      throw;
    }
    c.session.watch_bytes += 3 * name.size() + kWatchOverhead;  // its name is kept here twice, and by the keyspace
  }
  c.reply.Ok();
}

void Unwatch(Args /*args*/, CommandContext& c) {
  c.dispatcher.Unwatch(c.session);
  c.reply.Ok();
}

}  // namespace varve::resp
