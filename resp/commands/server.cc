// resp/commands/server.cc - the process: TIME, BGSAVE, LASTSAVE, SHUTDOWN, DEBUG, and the empty shelves of scripts.
#include <chrono>
#include <cmath>
#include <cstdlib>

#include "resp/commands/arguments.h"
#include "resp/commands/handlers.h"

namespace varve::resp {
namespace {

constexpr double kSleepSecondsMax = 24 * 3600;

void DebugSleep(std::string_view text, CommandContext& c) {
  const std::string copy(text);
  const double seconds = strtod(copy.c_str(), nullptr);  // as Redis: what is no number is 0
  if (seconds > 0) c.server.SleepMicros(static_cast<uint64_t>(std::fmin(seconds, kSleepSecondsMax) * 1e6));
  c.reply.Ok();
}

// One value of each kind, for the tests of client libraries.
void DebugProtocol(std::string_view kind, CommandContext& c) {
  Reply& reply = c.reply;
  if (EqualsIgnoreCase(kind, "string")) return reply.Bulk("Hello World");
  if (EqualsIgnoreCase(kind, "integer")) return reply.Integer(12345);
  if (EqualsIgnoreCase(kind, "double")) return reply.Double(3.141);
  if (EqualsIgnoreCase(kind, "null")) return reply.Null();
  if (EqualsIgnoreCase(kind, "array") || EqualsIgnoreCase(kind, "set")) {
    EqualsIgnoreCase(kind, "set") ? reply.Set(3) : reply.Array(3);
    for (int i = 0; i < 3; i++) reply.Integer(i);
    return;
  }
  if (EqualsIgnoreCase(kind, "map")) {
    reply.Map(3);
    for (int i = 0; i < 3; i++) {
      reply.Integer(i);
      reply.Bool(i == 1);
    }
    return;
  }
  if (EqualsIgnoreCase(kind, "push")) {
    if (reply.protocol() < 3) return reply.Error("ERR RESP2 is not supported by this command");
    reply.Push(2);
    reply.Bulk("server-cpu-usage");
    reply.Integer(42);
    return reply.Bulk("Some real reply following the push reply");
  }
  if (EqualsIgnoreCase(kind, "verbatim")) return reply.Verbatim("txt", "This is a verbatim\nstring");
  if (EqualsIgnoreCase(kind, "true")) return reply.Bool(true);
  if (EqualsIgnoreCase(kind, "false")) return reply.Bool(false);
  if (EqualsIgnoreCase(kind, "bignum")) return reply.BigNumber("1234567999999999999999999999999999999");
  reply.Error(
      "ERR Wrong protocol type name. Please use one of the following: "
      "string|integer|double|null|array|set|map|attrib|push|verbatim|true|false");
}

void DebugHelp(CommandContext& c) {
  ReplyHelp(c, {"PROTOCOL <type>", "    Reply with a test value of the specified type. <type> can be: string,",
                "    integer, double, null, array, set, map, push, verbatim, true, false, bignum.",
                "SET-ACTIVE-EXPIRE <0|1>", "    Setting it to 0 disables expiring keys in background when they are not",
                "    accessed (otherwise the default behavior). Setting it to 1 reenables back the", "    default.",
                "SLEEP <seconds>", "    Stop the server for <seconds>. Decimals allowed."});
}

bool ReadSyncMode(Args args, std::string_view error, CommandContext& c) {
  if (args.size() == 2) return true;
  if (args.size() == 3 && (EqualsIgnoreCase(args[2], "sync") || EqualsIgnoreCase(args[2], "async"))) return true;
  c.reply.Error(error);
  return false;
}

}  // namespace

void Time(Args /*args*/, CommandContext& c) {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  const int64_t micros = std::chrono::duration_cast<std::chrono::microseconds>(now).count();
  c.reply.Array(2);
  c.reply.Bulk(std::to_string(micros / 1'000'000));
  c.reply.Bulk(std::to_string(micros % 1'000'000));
}

void BgSave(Args args, CommandContext& c) {
  if (args.size() > 2 || (args.size() == 2 && !EqualsIgnoreCase(args[1], "schedule"))) {
    return c.reply.Error(kSyntaxError);
  }
  lsm::Status status = c.server.StartSave();
  if (status.ok()) return c.reply.Simple("Background saving started");
  if (status.Is(lsm::StatusCode::kBusy)) return c.reply.Error("ERR Background save already in progress");
  ReplyStatus(c.reply, status);
}

void LastSave(Args /*args*/, CommandContext& c) {
  c.reply.Integer(c.server.Facts().last_save_seconds);
}

void Shutdown(Args args, CommandContext& c) {
  ShutdownSave save = ShutdownSave::kDefault;
  bool now = false;
  bool force = false;
  bool abort = false;
  bool bad = false;
  for (std::string_view option : args.subspan(1)) {
    if (EqualsIgnoreCase(option, "nosave")) {
      bad |= save == ShutdownSave::kSave;
      save = ShutdownSave::kNoSave;
    } else if (EqualsIgnoreCase(option, "save")) {
      bad |= save == ShutdownSave::kNoSave;
      save = ShutdownSave::kSave;
    } else if (EqualsIgnoreCase(option, "now")) {
      now = true;
    } else if (EqualsIgnoreCase(option, "force")) {
      force = true;
    } else if (EqualsIgnoreCase(option, "abort")) {
      abort = true;
    } else {
      bad = true;
    }
  }
  if (bad || (abort && (now || force || save != ShutdownSave::kDefault))) return c.reply.Error(kSyntaxError);
  if (abort) {
    if (c.server.AbortShutdown()) return c.reply.Ok();
    return c.reply.Error("ERR No shutdown in progress.");
  }
  if (!c.server.RequestShutdown(save, now, force)) {
    c.reply.Error("ERR Errors trying to SHUTDOWN. Check logs.");
  }
}

void Debug(Args args, CommandContext& c) {
  const std::string_view what = args[1];
  if (args.size() == 2 && EqualsIgnoreCase(what, "help")) return DebugHelp(c);
  if (args.size() == 3 && EqualsIgnoreCase(what, "sleep")) return DebugSleep(args[2], c);
  if (args.size() == 3 && EqualsIgnoreCase(what, "protocol")) return DebugProtocol(args[2], c);
  if (args.size() == 3 && EqualsIgnoreCase(what, "set-active-expire")) {
    c.config.active_expire = args[2] != "0";
    return c.reply.Ok();
  }
  c.reply.Error("ERR unknown subcommand or wrong number of arguments for '" +
                std::string(what.substr(0, what.find('\0')).substr(0, 128)) + "'. Try DEBUG HELP.");
}

// There are no scripts and no functions, so none is known and flushing them all is done at once.

void FunctionFlush(Args args, CommandContext& c) {
  if (args.size() > 3) {
    return c.reply.Error("ERR unknown subcommand or wrong number of arguments for '" + std::string(args[1]) +
                         "'. Try FUNCTION HELP.");
  }
  if (ReadSyncMode(args, "ERR FUNCTION FLUSH only supports SYNC|ASYNC option", c)) c.reply.Ok();
}

void ScriptFlush(Args args, CommandContext& c) {
  if (ReadSyncMode(args, "ERR SCRIPT FLUSH only support SYNC|ASYNC option", c)) c.reply.Ok();
}

void ScriptExists(Args args, CommandContext& c) {
  c.reply.Array(args.size() - 2);
  for (size_t i = 2; i < args.size(); i++) c.reply.Integer(0);
}

}  // namespace varve::resp
