// resp/commands/debug.cc - DEBUG: what test suites and client libraries ask for. A row for each subcommand.
//
// Those of Redis that show how it lays out its memory (JMAP, STRUCTSIZE, SDSLEN, HTSTATS, ...) or that bring it down
// have nothing to act on here and are unknown.
#include <cmath>
#include <cstdlib>
#include <string>
#include <vector>

#include "keyspace/glob.h"
#include "resp/commands/arguments.h"
#include "resp/commands/handlers.h"
#include "resp/sha1.h"

namespace varve::resp {
namespace {

constexpr double kSleepSecondsMax = 24 * 3600;
constexpr size_t kPopulateBytesMax = size_t{256} << 20;  // pending, of one command

void DebugSleep(Args args, CommandContext& c) {
  const std::string copy(args[2]);
  const double seconds = strtod(copy.c_str(), nullptr);  // as Redis: what is no number is 0
  if (seconds > 0) c.server.SleepMicros(static_cast<uint64_t>(std::fmin(seconds, kSleepSecondsMax) * 1e6));
  c.reply.Ok();
}

void DebugSetActiveExpire(Args args, CommandContext& c) {
  c.config.active_expire = args[2] != "0";
  c.reply.Ok();
}

void DebugPauseCron(Args args, CommandContext& c) {
  c.config.pause_cron = args[2] != "0";
  c.reply.Ok();
}

// ---- one value of each kind, for the tests of client libraries ----

void ReplyPush(Reply& reply) {
  if (reply.protocol() < 3) return reply.Error("ERR RESP2 is not supported by this command");
  reply.Push(2);
  reply.Bulk("server-cpu-usage");
  reply.Integer(42);
  reply.Bulk("Some real reply following the push reply");
}

void ReplyAttribute(Reply& reply) {
  if (reply.protocol() >= 3) {
    reply.Attribute(1);
    reply.Bulk("key-popularity");
    reply.Array(2);
    reply.Bulk("key:123");
    reply.Integer(90);
  }
  reply.Bulk("Some real reply following the attribute");
}

void ReplyThree(Reply& reply, bool map) {
  for (int i = 0; i < 3; i++) {
    reply.Integer(i);
    if (map) reply.Bool(i == 1);
  }
}

void DebugProtocol(Args args, CommandContext& c) {
  const std::string_view kind = args[2];
  Reply& reply = c.reply;
  if (EqualsIgnoreCase(kind, "string")) return reply.Bulk("Hello World");
  if (EqualsIgnoreCase(kind, "integer")) return reply.Integer(12345);
  if (EqualsIgnoreCase(kind, "double")) return reply.Double(3.141);
  if (EqualsIgnoreCase(kind, "null")) return reply.Null();
  if (EqualsIgnoreCase(kind, "array")) return reply.Array(3), ReplyThree(reply, false);
  if (EqualsIgnoreCase(kind, "set")) return reply.Set(3), ReplyThree(reply, false);
  if (EqualsIgnoreCase(kind, "map")) return reply.Map(3), ReplyThree(reply, true);
  if (EqualsIgnoreCase(kind, "attrib")) return ReplyAttribute(reply);
  if (EqualsIgnoreCase(kind, "push")) return ReplyPush(reply);
  if (EqualsIgnoreCase(kind, "verbatim")) return reply.Verbatim("txt", "This is a verbatim\nstring");
  if (EqualsIgnoreCase(kind, "true")) return reply.Bool(true);
  if (EqualsIgnoreCase(kind, "false")) return reply.Bool(false);
  if (EqualsIgnoreCase(kind, "bignum")) return reply.BigNumber("1234567999999999999999999999999999999");
  reply.Error(
      "ERR Wrong protocol type name. Please use one of the following: "
      "string|integer|double|bignum|null|array|set|map|attrib|push|verbatim|true|false");
}

void DebugError(Args args, CommandContext& c) {
  c.reply.Error(args[2]);
}

// ---- the data ----

// "key:0" .. "key:<count - 1>", those that are not there yet.
void DebugPopulate(Args args, CommandContext& c) {
  constexpr std::string_view kOutOfRange = "ERR value is out of range, must be positive";
  int64_t count = 0;
  int64_t size = 0;
  if (!ReadInt64(args[2], c, &count, kOutOfRange)) return;
  if (args.size() == 5 && !ReadInt64(args[4], c, &size, kOutOfRange)) return;
  if (count < 0 || size < 0) return c.reply.Error(kOutOfRange);
  const std::string prefix(args.size() > 3 ? args[3] : "key");
  for (int64_t i = 0; i < count; i++) {
    const std::string name = prefix + ":" + std::to_string(i);
    const Found found = FindForWrite(name, c, &c.entry);
    if (found == Found::kFailed) return;
    if (found == Found::kYes) continue;
    if (c.keys.pending_bytes() + static_cast<uint64_t>(size) > kPopulateBytesMax) {
      return c.reply.Error("ERR DEBUG POPULATE writes up to " + std::to_string(kPopulateBytesMax) + " bytes at once");
    }
    c.scratch = "value:" + std::to_string(i);
    if (size > 0) c.scratch.resize(static_cast<size_t>(size));
    if (!PutString(name, found, c.scratch, 0, c)) return;
  }
  c.reply.Ok();
}

// A signature of data in whatever order it comes, or in the one order it has: Redis' own, byte for byte.
class Digest {
 public:
  // Order does not matter.
  void Xor(std::string_view bytes) {
    const Sha1Digest hash = Sha1(bytes);
    for (size_t i = 0; i < digest_.size(); i++) digest_[i] ^= hash[i];
  }
  // It does.
  void Mix(std::string_view bytes) {
    Xor(bytes);
    digest_ = Sha1(view());
  }
  void MixNumber(uint32_t number) {
    const char bytes[] = {static_cast<char>(number >> 24), static_cast<char>(number >> 16),
                          static_cast<char>(number >> 8), static_cast<char>(number)};
    Mix({bytes, sizeof(bytes)});
  }
  // The value of a key, with whether it expires.
  void MixValue(const keyspace::Entry& entry) {
    MixNumber(0);  // a string
    Mix(entry.value);
    if (entry.expire_ms != 0) Xor("!!expire!!");
  }
  std::string_view view() const { return {reinterpret_cast<const char*>(digest_.data()), digest_.size()}; }
  std::string Hex() const {
    constexpr char kDigits[] = "0123456789abcdef";
    std::string text;
    for (uint8_t byte : digest_) {
      text += kDigits[byte >> 4];
      text += kDigits[byte & 15];
    }
    return text;
  }

 private:
  Sha1Digest digest_{};
};

lsm::Status DigestDb(int db, CommandContext& c, Digest* all) {
  uint64_t cursor = 0;
  bool any = false;
  do {
    std::vector<std::string> names;
    lsm::Result<uint64_t> next = c.keys.Scan(db, cursor, {.count = 1000}, &names);
    if (!next.ok()) return next.status();
    cursor = *next;
    for (const std::string& name : names) {
      lsm::Result<bool> found = c.keys.Look(db, name, &c.entry);
      if (!found.ok()) return found.status();
      if (!*found) continue;
      if (!std::exchange(any, true)) all->MixNumber(static_cast<uint32_t>(db));
      Digest one;
      one.Mix(name);
      one.MixValue(c.entry);
      all->Xor(one.view());
    }
  } while (cursor != 0);
  return lsm::Status::Ok();
}

void DebugDigest(Args /*args*/, CommandContext& c) {
  Digest all;
  for (int db = 0; db < keyspace::kDatabaseCount; db++) {
    if (lsm::Status status = DigestDb(db, c, &all); !status.ok()) return ReplyStatus(c.reply, status);
  }
  c.reply.Simple(all.Hex());
}

void DebugDigestValue(Args args, CommandContext& c) {
  const size_t mark = c.reply.out().size();
  c.reply.Array(args.size() - 2);
  for (std::string_view name : args.subspan(2)) {
    Digest digest;
    lsm::Result<bool> found = c.keys.Look(c.db(), name, &c.entry);
    if (!found.ok()) {
      c.reply.Rewind(mark);
      return ReplyStatus(c.reply, found.status());
    }
    if (*found) digest.MixValue(c.entry);
    c.reply.Simple(digest.Hex());
  }
}

void DebugObject(Args args, CommandContext& c) {
  lsm::Result<bool> found = c.keys.Look(c.db(), args[2], &c.entry);
  if (!found.ok()) return ReplyStatus(c.reply, found.status());
  if (!*found) return c.reply.Error("ERR no such key");
  c.reply.Simple("Value at:0x0 refcount:1 encoding:" + std::string(StringEncoding(c.entry.value)) +
                 " serializedlength:" + std::to_string(c.entry.value.size() + 1) + " lru:0 lru_seconds_idle:0");
}

// What was written is in tables afterwards, synced, and would be read from there: as much as a restart could show.
void DebugReload(Args args, CommandContext& c) {
  for (std::string_view option : args.subspan(2)) {
    if (EqualsIgnoreCase(option, "merge") || EqualsIgnoreCase(option, "noflush") ||
        EqualsIgnoreCase(option, "nosave")) {
      continue;
    }
    return c.reply.Error("ERR DEBUG RELOAD only supports the MERGE, NOFLUSH and NOSAVE options.");
  }
  const lsm::Status status = c.keys.db()->Flush();
  if (!status.ok()) return ReplyStatus(c.reply, status);
  c.reply.Ok();
}

// ---- what is accepted, and changes nothing here ----

void DebugAccept(Args /*args*/, CommandContext& c) {
  c.reply.Ok();
}

void DebugPackedThreshold(Args args, CommandContext& c) {
  int64_t bytes = 0;
  if (!ParseMemory(args[2], &bytes) || bytes < 0 || bytes >= int64_t{4} << 30) {
    return c.reply.Error("ERR argument must be a memory value bigger than 1 and smaller than 4gb");
  }
  c.reply.Ok();
}

void DebugReplyBuffer(Args args, CommandContext& c) {
  if (EqualsIgnoreCase(args[2], "peak-reset-time")) {
    int64_t ms = 0;
    const bool word = EqualsIgnoreCase(args[3], "never") || EqualsIgnoreCase(args[3], "reset");
    if (!word && !ReadInt64(args[3], c, &ms)) return;
  } else if (!EqualsIgnoreCase(args[2], "resizing")) {
    return ReplyUnknownSubcommand(args, c);
  }
  c.reply.Ok();
}

void DebugLog(Args args, CommandContext& c) {
  c.server.Log(args[2]);
  c.reply.Ok();
}

void DebugStringMatchLen(Args args, CommandContext& c) {
  c.reply.Integer(keyspace::GlobMatch(args[2], args[3], false) ? 1 : 0);
}

void DebugHelp(Args /*args*/, CommandContext& c) {
  ReplyHelp(c, {"CHANGE-REPL-ID",
                "    Accepted: there are no replicas to be told.",
                "DIGEST",
                "    A hex signature of all data, the same as Redis' of the same data.",
                "DIGEST-VALUE <key> [<key> ...]",
                "    Hex signatures of the values of these keys.",
                "ERROR <string>",
                "    Reply with this error.",
                "LOADAOF",
                "    As RELOAD.",
                "LOG <message>",
                "    Write <message> to the server's log.",
                "OBJECT <key>",
                "    Low level facts about the value of <key>.",
                "PAUSE-CRON <0|1>",
                "    Stop or resume what the server does by itself ten times a second.",
                "POPULATE <count> [<prefix>] [<size>]",
                "    Create <count> strings key:<num> (or <prefix>:<num>), those that are not there.",
                "PROTOCOL <type>",
                "    Reply with a test value of the specified type. <type> can be: string,",
                "    integer, double, null, array, set, map, attrib, push, verbatim, true, false,",
                "    bignum.",
                "QUICKLIST-PACKED-THRESHOLD <size>",
                "    Accepted, without effect.",
                "RELOAD [option ...]",
                "    Write all that is in memory to the disk, where it is read from anyway.",
                "REPLYBUFFER PEAK-RESET-TIME <NEVER|RESET|time>",
                "REPLYBUFFER RESIZING <0|1>",
                "    Accepted, without effect.",
                "SET-ACTIVE-EXPIRE <0|1>",
                "    Setting it to 0 disables expiring keys in background when they are not",
                "    accessed (otherwise the default behavior). Setting it to 1 reenables back the",
                "    default.",
                "SLEEP <seconds>",
                "    Stop the server for <seconds>. Decimals allowed.",
                "STRINGMATCH-LEN <pattern> <string>",
                "    Whether the glob matches: 1 or 0."});
}

struct Subcommand {
  std::string_view name;
  size_t args_min;  // with "DEBUG" and the name
  size_t args_max;
  Handler handler;
};

constexpr Subcommand kSubcommands[] = {
    {"change-repl-id", 2, 2, &DebugAccept},
    {"digest", 2, 2, &DebugDigest},
    {"digest-value", 2, SIZE_MAX, &DebugDigestValue},
    {"error", 3, 3, &DebugError},
    {"help", 2, 2, &DebugHelp},
    {"loadaof", 2, 2, &DebugReload},
    {"log", 3, 3, &DebugLog},
    {"object", 3, 3, &DebugObject},
    {"pause-cron", 3, 3, &DebugPauseCron},
    {"populate", 3, 5, &DebugPopulate},
    {"protocol", 3, 3, &DebugProtocol},
    {"quicklist-packed-threshold", 3, 3, &DebugPackedThreshold},
    {"reload", 2, SIZE_MAX, &DebugReload},
    {"replybuffer", 4, 4, &DebugReplyBuffer},
    {"set-active-expire", 3, 3, &DebugSetActiveExpire},
    {"sleep", 3, 3, &DebugSleep},
    {"stringmatch-len", 4, 4, &DebugStringMatchLen},
};

}  // namespace

void Debug(Args args, CommandContext& c) {
  for (const Subcommand& subcommand : kSubcommands) {
    if (EqualsIgnoreCase(args[1], subcommand.name) && args.size() >= subcommand.args_min &&
        args.size() <= subcommand.args_max) {
      return subcommand.handler(args, c);
    }
  }
  ReplyUnknownSubcommand(args, c);
}

}  // namespace varve::resp
