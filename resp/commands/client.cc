// resp/commands/client.cc - CLIENT and its subcommands.
#include <algorithm>
#include <limits>
#include <string>
#include <unordered_map>

#include "resp/commands/arguments.h"
#include "resp/commands/client_name.h"
#include "resp/commands/handlers.h"

namespace varve::resp {
namespace {

// There are no replicas and masters yet; the words exist.
enum class ClientType : uint8_t { kUnknown, kNormal, kPubsub, kOther };

ClientType ClientTypeFromName(std::string_view name) {
  if (EqualsIgnoreCase(name, "normal")) return ClientType::kNormal;
  if (EqualsIgnoreCase(name, "pubsub")) return ClientType::kPubsub;
  for (std::string_view other : {"slave", "replica", "master"}) {
    if (EqualsIgnoreCase(name, other)) return ClientType::kOther;
  }
  return ClientType::kUnknown;
}

ClientType TypeOf(const Session& session) {
  return session.subscribed() ? ClientType::kPubsub : ClientType::kNormal;
}

bool ReadClientType(std::string_view name, CommandContext& c, ClientType* type) {
  *type = ClientTypeFromName(name);
  if (*type != ClientType::kUnknown) return true;
  c.reply.Error("ERR Unknown client type '" + std::string(name.substr(0, name.find('\0'))) + "'");
  return false;
}

std::string FlagsOf(Session& session, const ConnectionFacts& facts, CommandContext& c) {
  std::string flags;
  if (session.monitor) flags += 'O';
  if (session.subscribed()) flags += 'P';
  if (session.in_multi) flags += 'x';
  if (session.parked) flags += 'b';
  if (session.tracking.on) flags += 't';
  if (session.tracking.broken_redirection) flags += 'R';
  if (session.tracking.bcast) flags += 'B';
  if (c.dispatcher.WatchedKeysChanged(session)) flags += 'd';
  if (session.close_after_reply) flags += 'c';
  if (facts.unix_socket) flags += 'U';
  if (session.no_evict) flags += 'e';
  if (session.no_touch) flags += 'T';
  return flags.empty() ? "N" : flags;
}

void AppendField(std::string_view name, uint64_t value, std::string* line) {
  line->append(name);
  line->append(std::to_string(value));
}

void AppendField(std::string_view name, std::string_view value, std::string* line) {
  line->append(name);
  line->append(value);
}

// One line of CLIENT LIST: the fields of Redis 7.0 in their order, and 7.2's library names.
void AppendClientLine(Session& session, const ConnectionFacts& facts, CommandContext& c, std::string* out) {
  const uint64_t now_us = c.keys.clock()->MonotonicMicros();
  auto seconds_since = [&](uint64_t us) { return now_us > us ? (now_us - us) / 1'000'000 : 0; };
  const bool self = session.id == c.session.id;
  const uint64_t argument_bytes = self ? session.argument_bytes : 0;
  const uint64_t multi_bytes = session.queue_bytes + session.watched.size() * sizeof(WatchedKey);
  const uint64_t read_bytes = facts.query_buffer_bytes + facts.query_buffer_free_bytes;
  AppendField("id=", session.id, out);
  AppendField(" addr=", session.address, out);
  AppendField(" laddr=", session.local_address, out);
  AppendField(" fd=", std::to_string(facts.fd), out);
  AppendField(" name=", session.name, out);
  AppendField(" age=", seconds_since(session.created_us), out);
  AppendField(" idle=", self ? 0 : seconds_since(session.last_active_us), out);
  AppendField(" flags=", FlagsOf(session, facts, c), out);
  AppendField(" db=", static_cast<uint64_t>(session.db), out);
  AppendField(" sub=", session.subscription_count(SubscriptionKind::kChannel), out);
  AppendField(" psub=", session.subscription_count(SubscriptionKind::kPattern), out);
  AppendField(" ssub=", session.subscription_count(SubscriptionKind::kShard), out);
  AppendField(" multi=", session.in_multi ? std::to_string(session.queue.size()) : "-1", out);
  // The request that asks was read, and may stand in a buffer that clients share.
  AppendField(" qbuf=", self ? std::max(facts.query_buffer_bytes, session.request_bytes) : facts.query_buffer_bytes,
              out);
  AppendField(" qbuf-free=", facts.query_buffer_free_bytes, out);
  AppendField(" argv-mem=", argument_bytes, out);
  AppendField(" multi-mem=", multi_bytes, out);
  AppendField(" rbs=", facts.output_capacity_bytes, out);
  AppendField(" rbp=", facts.output_capacity_bytes, out);
  AppendField(" obl=", facts.output_bytes, out);
  out->append(" oll=0 omem=0");
  AppendField(" tot-mem=", sizeof(Session) + argument_bytes + multi_bytes + read_bytes + facts.output_capacity_bytes,
              out);
  out->append(" events=");
  if (facts.reading) out->push_back('r');
  if (facts.writing) out->push_back('w');
  AppendField(" cmd=", session.last_command != nullptr ? session.last_command->full_name : "NULL", out);
  AppendField(" user=", session.user, out);
  AppendField(" redir=", session.tracking.on ? std::to_string(session.tracking.redirection) : "-1", out);
  AppendField(" resp=", static_cast<uint64_t>(session.protocol), out);
  AppendField(" lib-name=", session.library_name, out);
  AppendField(" lib-ver=", session.library_version, out);
  out->push_back('\n');
}

struct KillFilter {
  std::string_view address;
  std::string_view local_address;
  std::string_view user;
  uint64_t id = 0;  // 0: any
  bool has_type = false;
  ClientType type = ClientType::kNormal;
  bool skip_me = true;

  bool Matches(const Session& session, uint64_t me) const {
    if (!address.empty() && session.address != address) return false;
    if (!local_address.empty() && session.local_address != local_address) return false;
    if (!user.empty() && session.user != user) return false;
    if (id != 0 && session.id != id) return false;
    if (has_type && type != TypeOf(session)) return false;
    return !skip_me || session.id != me;
  }
};

bool ReadKillFilter(Args args, CommandContext& c, KillFilter* filter) {
  if (args.size() == 3) {  // CLIENT KILL <address>, which may be one's own
    filter->address = args[2];
    filter->skip_me = false;
    return true;
  }
  for (size_t i = 2; i < args.size(); i += 2) {
    const bool has_value = i + 1 < args.size();
    const std::string_view value = has_value ? args[i + 1] : std::string_view();
    if (has_value && EqualsIgnoreCase(args[i], "id")) {
      int64_t id = 0;
      if (!ReadInt64(value, c, &id, "ERR client-id should be greater than 0")) return false;
      if (id < 1) {
        c.reply.Error("ERR client-id should be greater than 0");
        return false;
      }
      filter->id = static_cast<uint64_t>(id);
    } else if (has_value && EqualsIgnoreCase(args[i], "type")) {
      if (!ReadClientType(value, c, &filter->type)) return false;
      filter->has_type = true;
    } else if (has_value && EqualsIgnoreCase(args[i], "addr")) {
      filter->address = value;
    } else if (has_value && EqualsIgnoreCase(args[i], "laddr")) {
      filter->local_address = value;
    } else if (has_value && EqualsIgnoreCase(args[i], "user")) {
      if (value != "default") {
        c.reply.Error("ERR No such user '" + std::string(value.substr(0, value.find('\0'))) + "'");
        return false;
      }
      filter->user = value;
    } else if (has_value && EqualsIgnoreCase(args[i], "skipme") && EqualsIgnoreCase(value, "yes")) {
      filter->skip_me = true;
    } else if (has_value && EqualsIgnoreCase(args[i], "skipme") && EqualsIgnoreCase(value, "no")) {
      filter->skip_me = false;
    } else {
      c.reply.Error(kSyntaxError);
      return false;
    }
  }
  return true;
}

bool ReadOnOff(std::string_view text, CommandContext& c, bool* on) {
  *on = EqualsIgnoreCase(text, "on");
  if (*on || EqualsIgnoreCase(text, "off")) return true;
  c.reply.Error(kSyntaxError);
  return false;
}

}  // namespace

bool IsClientAttribute(std::string_view text) {
  for (char ch : text) {
    if (ch < '!' || ch > '~') return false;
  }
  return true;
}

bool SetClientName(std::string_view name, CommandContext& c) {
  if (!IsClientAttribute(name)) {
    c.reply.Error("ERR Client names cannot contain spaces, newlines or special characters.");
    return false;
  }
  c.session.name = name;
  return true;
}

void ClientId(Args /*args*/, CommandContext& c) {
  c.reply.Integer(static_cast<int64_t>(c.session.id));
}

void ClientGetName(Args /*args*/, CommandContext& c) {
  if (c.session.name.empty()) return c.reply.Null();
  c.reply.Bulk(c.session.name);
}

void ClientSetName(Args args, CommandContext& c) {
  if (SetClientName(args[2], c)) c.reply.Ok();
}

void ClientSetInfo(Args args, CommandContext& c) {
  const std::string attribute(args[2].substr(0, args[2].find('\0')));
  std::string* target = nullptr;
  if (EqualsIgnoreCase(args[2], "lib-name")) {
    target = &c.session.library_name;
  } else if (EqualsIgnoreCase(args[2], "lib-ver")) {
    target = &c.session.library_version;
  } else {
    return c.reply.Error("ERR Unrecognized option '" + attribute + "'");
  }
  if (!IsClientAttribute(args[3])) {
    return c.reply.Error("ERR " + attribute + " cannot contain spaces, newlines or special characters.");
  }
  *target = args[3];
  c.reply.Ok();
}

void ClientInfo(Args /*args*/, CommandContext& c) {
  std::string line;
  c.server.ForEachClient([&](Session& session, const ConnectionFacts& facts) {
    if (session.id == c.session.id) AppendClientLine(session, facts, c, &line);
  });
  c.reply.Verbatim("txt", line);
}

void ClientList(Args args, CommandContext& c) {
  ClientType type = ClientType::kUnknown;  // any
  std::vector<uint64_t> ids;
  if (args.size() == 4 && EqualsIgnoreCase(args[2], "type")) {
    if (!ReadClientType(args[3], c, &type)) return;
  } else if (args.size() > 3 && EqualsIgnoreCase(args[2], "id")) {
    for (std::string_view text : args.subspan(3)) {
      int64_t id = 0;
      if (!ReadInt64(text, c, &id, "ERR Invalid client ID")) return;
      ids.push_back(static_cast<uint64_t>(id));
    }
  } else if (args.size() != 2) {
    return c.reply.Error(kSyntaxError);
  }
  std::string lines;
  if (ids.empty()) {
    c.server.ForEachClient([&](Session& session, const ConnectionFacts& facts) {
      if (type == ClientType::kUnknown || type == TypeOf(session)) AppendClientLine(session, facts, c, &lines);
    });
    return c.reply.Verbatim("txt", lines);
  }
  std::unordered_map<uint64_t, std::string> by_id;
  for (uint64_t id : ids) by_id.try_emplace(id);
  c.server.ForEachClient([&](Session& session, const ConnectionFacts& facts) {
    auto wanted = by_id.find(session.id);
    if (wanted != by_id.end()) AppendClientLine(session, facts, c, &wanted->second);
  });
  for (uint64_t id : ids) lines += by_id[id];
  c.reply.Verbatim("txt", lines);
}

void ClientKill(Args args, CommandContext& c) {
  KillFilter filter;
  if (!ReadKillFilter(args, c, &filter)) return;
  std::vector<uint64_t> victims;
  c.server.ForEachClient([&](Session& session, const ConnectionFacts& /*facts*/) {
    if (filter.Matches(session, c.session.id)) victims.push_back(session.id);
  });
  for (uint64_t id : victims) {
    if (id == c.session.id) {
      c.session.close_after_reply = true;
    } else {
      c.server.KillClient(id);
    }
  }
  if (args.size() > 3) return c.reply.Integer(static_cast<int64_t>(victims.size()));
  if (victims.empty()) return c.reply.Error("ERR No such client");
  c.reply.Ok();
}

void ClientPause(Args args, CommandContext& c) {
  if (args.size() > 4) return ReplyUnknownSubcommand(args, c);
  bool all = true;
  if (args.size() == 4) {
    all = EqualsIgnoreCase(args[3], "all");
    if (!all && !EqualsIgnoreCase(args[3], "write")) return c.reply.Error("ERR CLIENT PAUSE mode must be WRITE or ALL");
  }
  uint64_t end_us = 0;
  if (!ReadTimeout(args[2], c, &end_us)) return;
  if (end_us != 0) c.dispatcher.PauseClients(end_us, all);
  c.reply.Ok();
}

void ClientUnpause(Args /*args*/, CommandContext& c) {
  c.dispatcher.UnpauseClients();
  c.reply.Ok();
}

void ClientUnblock(Args args, CommandContext& c) {
  if (args.size() > 4) return ReplyUnknownSubcommand(args, c);
  if (args.size() == 4 && !EqualsIgnoreCase(args[3], "timeout") && !EqualsIgnoreCase(args[3], "error")) {
    return c.reply.Error("ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR");
  }
  int64_t id = 0;
  if (!ReadInt64(args[2], c, &id)) return;
  const bool error = args.size() == 4 && EqualsIgnoreCase(args[3], "error");
  bool found = false;
  c.server.ForEachClient([&](Session& session, const ConnectionFacts& /*facts*/) {
    if (session.id != static_cast<uint64_t>(id) || session.wait_end_us == 0) return;
    session.unblocked = error ? Session::Unblocked::kAsError : Session::Unblocked::kAsTimeout;
    session.wait_end_us = 1;  // long ago
    found = true;
  });
  c.reply.Integer(found ? 1 : 0);
}

void ClientReply(Args args, CommandContext& c) {
  if (EqualsIgnoreCase(args[2], "on")) {
    c.session.reply_mode = ReplyMode::kOn;
    c.reply.Ok();
  } else if (EqualsIgnoreCase(args[2], "off")) {
    c.session.reply_mode = ReplyMode::kOff;
  } else if (EqualsIgnoreCase(args[2], "skip")) {
    if (c.session.reply_mode != ReplyMode::kOff) c.session.reply_mode = ReplyMode::kSkipNext;
  } else {
    c.reply.Error(kSyntaxError);
  }
}

void ClientNoEvict(Args args, CommandContext& c) {
  if (ReadOnOff(args[2], c, &c.session.no_evict)) c.reply.Ok();
}

void ClientNoTouch(Args args, CommandContext& c) {
  if (ReadOnOff(args[2], c, &c.session.no_touch)) c.reply.Ok();
}

void ClientHelp(Args /*args*/, CommandContext& c) {
  ReplyHelp(c, {"CACHING (YES|NO)",
                "    Enable/disable tracking of the keys for next command in OPTIN/OPTOUT modes.",
                "GETREDIR",
                "    Return the client ID we are redirecting to when tracking is enabled.",
                "GETNAME",
                "    Return the name of the current connection.",
                "ID",
                "    Return the ID of the current connection.",
                "INFO",
                "    Return information about the current client connection.",
                "KILL <ip:port>",
                "    Kill connection made from <ip:port>.",
                "KILL <option> <value> [<option> <value> [...]]",
                "    Kill connections. Options are:",
                "    * ADDR (<ip:port>|<unixsocket>:0)",
                "      Kill connections made from the specified address",
                "    * LADDR (<ip:port>|<unixsocket>:0)",
                "      Kill connections made to specified local address",
                "    * TYPE (NORMAL|MASTER|REPLICA|PUBSUB)",
                "      Kill connections by type.",
                "    * USER <username>",
                "      Kill connections authenticated by <username>.",
                "    * SKIPME (YES|NO)",
                "      Skip killing current connection (default: yes).",
                "LIST [options ...]",
                "    Return information about client connections. Options:",
                "    * TYPE (NORMAL|MASTER|REPLICA|PUBSUB)",
                "      Return clients of specified type.",
                "UNPAUSE",
                "    Stop the current client pause, resuming traffic.",
                "PAUSE <timeout> [WRITE|ALL]",
                "    Suspend all, or just write, clients for <timeout> milliseconds.",
                "REPLY (ON|OFF|SKIP)",
                "    Control the replies sent to the current connection.",
                "SETINFO <option> <value>",
                "    Set client meta attr. Options are:",
                "    * LIB-NAME: the client lib name.",
                "    * LIB-VER: the client lib version.",
                "SETNAME <name>",
                "    Assign the name <name> to the current connection.",
                "UNBLOCK <clientid> [TIMEOUT|ERROR]",
                "    Unblock the specified blocked client.",
                "TRACKING (ON|OFF) [REDIRECT <id>] [BCAST] [PREFIX <prefix> [...]]",
                "         [OPTIN] [OPTOUT] [NOLOOP]",
                "    Control server assisted client side caching.",
                "TRACKINGINFO",
                "    Report tracking status for the current connection.",
                "NO-EVICT (ON|OFF)",
                "    Protect current client connection from eviction.",
                "NO-TOUCH (ON|OFF)",
                "    Will not touch LRU/LFU stats when this mode is on."});
}

}  // namespace varve::resp
