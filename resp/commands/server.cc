// resp/commands/server.cc - the process: TIME, ROLE, WAIT, LOLWUT, SAVE, BGSAVE, BGREWRITEAOF, LASTSAVE, SHUTDOWN, and
// the empty shelves of scripts.
#include <chrono>
#include <utility>

#include "resp/commands/arguments.h"
#include "resp/commands/handlers.h"
#include "resp/version.h"

namespace varve::resp {
namespace {

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

void Save(Args /*args*/, CommandContext& c) {
  const lsm::Status status = c.server.SaveNow();
  if (status.ok()) return c.reply.Ok();
  if (status.Is(lsm::StatusCode::kBusy)) return c.reply.Error("ERR Background save already in progress");
  ReplyStatus(c.reply, status);
}

// The log holds what is not in tables yet: those are written, and the log is dropped.
void BgRewriteAof(Args /*args*/, CommandContext& c) {
  const lsm::Status status = c.server.StartLogRewrite();
  if (status.ok()) return c.reply.Simple("Background append only file rewriting started");
  if (status.Is(lsm::StatusCode::kBusy)) {
    return c.reply.Error("ERR Background append only file rewriting already in progress");
  }
  ReplyStatus(c.reply, status);
}

void LastSave(Args /*args*/, CommandContext& c) {
  c.reply.Integer(c.server.Facts().last_save_seconds);
}

void Role(Args /*args*/, CommandContext& c) {
  c.reply.Array(3);
  c.reply.Bulk("master");
  c.reply.Integer(0);
  c.reply.Array(0);
}

// No replica ever answers: it waits for as long as the client would.
void Wait(Args args, CommandContext& c) {
  int64_t replicas = 0;
  uint64_t end_us = 0;
  if (!ReadInt64(args[1], c, &replicas)) return;
  if (!ReadTimeout(args[2], c, &end_us)) return;
  Session& session = c.session;
  const bool may_block = session.last_command == &c.command;  // a transaction never does
  if (replicas <= 0 || !may_block) return c.reply.Integer(0);
  if (session.wait_end_us == 0) session.wait_end_us = end_us == 0 ? UINT64_MAX : end_us;
  if (c.keys.clock()->MonotonicMicros() < session.wait_end_us) return;
  session.wait_end_us = 0;
  if (std::exchange(session.unblocked, Session::Unblocked::kNo) == Session::Unblocked::kAsError) {
    return c.reply.Error("UNBLOCKED client unblocked via CLIENT UNBLOCK");
  }
  c.reply.Integer(0);
}

// A varve: the layers a lake lays down, one a year, pale in summer and dark in winter.
void Lolwut(Args args, CommandContext& c) {
  constexpr int kColumns = 66;
  constexpr int kLayers = 12;
  int64_t number = 0;
  for (std::string_view argument : args.subspan(1)) {
    if (!EqualsIgnoreCase(argument, "version") && !ReadInt64(argument, c, &number)) return;
  }
  std::string text;
  for (int layer = 0; layer < kLayers; layer++) {
    uint64_t wave = c.keys.random()->Next();
    for (int column = 0; column < kColumns; column++) {
      wave = wave * 6364136223846793005u + 1442695040888963407u;
      text += layer % 2 == 0 ? ((wave >> 60) < 3 ? '\'' : '.') : ((wave >> 60) < 5 ? '=' : '#');
    }
    text += '\n';
  }
  text.append("\nRedis ver. ").append(kRedisVersion).append("\n");
  c.reply.Verbatim("txt", text);
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

// There are no scripts and no functions, so none is known and flushing them all is done at once.

void FunctionFlush(Args args, CommandContext& c) {
  if (args.size() > 3) return ReplyUnknownSubcommand(args, c);
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
