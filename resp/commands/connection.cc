// resp/commands/connection.cc - who the client is and how it talks: AUTH, HELLO, SELECT, PING, ECHO, QUIT, RESET.
#include "resp/commands/arguments.h"
#include "resp/commands/client_name.h"
#include "resp/commands/handlers.h"
#include "resp/version.h"

namespace varve::resp {
namespace {

// Takes as long for a wrong guess as for a right one.
bool SameSecret(std::string_view a, std::string_view b) {
  unsigned difference = a.size() == b.size() ? 0 : 1;
  for (size_t i = 0; i < a.size(); i++) {
    difference |= static_cast<unsigned char>(a[i]) ^ static_cast<unsigned char>(b.empty() ? 0 : b[i % b.size()]);
  }
  return difference == 0;
}

// There is one user, "default"; without a requirepass any password is right.
bool Authenticate(std::string_view user, std::string_view password, CommandContext& c) {
  const std::string& secret = c.config.requirepass;
  if (user != "default" || (!secret.empty() && !SameSecret(password, secret))) {
    c.reply.Error(kWrongPass);
    return false;
  }
  c.session.authenticated = true;
  c.session.user = "default";
  return true;
}

bool ReadHelloOptions(Args args, CommandContext& c) {
  for (size_t i = 2; i < args.size(); i++) {
    const size_t more = args.size() - 1 - i;
    if (EqualsIgnoreCase(args[i], "auth") && more >= 2) {
      c.dispatcher.Redact(i + 1);
      c.dispatcher.Redact(i + 2);
      if (!Authenticate(args[i + 1], args[i + 2], c)) return false;
      i += 2;
    } else if (EqualsIgnoreCase(args[i], "setname") && more >= 1) {
      if (!SetClientName(args[i + 1], c)) return false;
      i++;
    } else {
      c.reply.Error("ERR Syntax error in HELLO option '" + std::string(args[i].substr(0, args[i].find('\0'))) + "'");
      return false;
    }
  }
  return true;
}

}  // namespace

void Auth(Args args, CommandContext& c) {
  if (args.size() > 3) return c.reply.Error(kSyntaxError);
  for (size_t i = 1; i < args.size(); i++) c.dispatcher.Redact(i);
  if (args.size() == 2 && c.config.requirepass.empty()) {
    return c.reply.Error(
        "ERR AUTH <password> called without any password configured for the default user. Are you sure your "
        "configuration is correct?");
  }
  if (Authenticate(args.size() == 2 ? "default" : args[1], args.back(), c)) c.reply.Ok();
}

void Hello(Args args, CommandContext& c) {
  int64_t version = 0;
  if (args.size() >= 2) {
    if (!ReadInt64(args[1], c, &version, "ERR Protocol version is not an integer or out of range")) return;
    if (version < 2 || version > 3) return c.reply.Error("NOPROTO unsupported protocol version");
  }
  if (!ReadHelloOptions(args, c)) return;
  if (!c.session.authenticated && !c.config.requirepass.empty()) {
    return c.reply.Error(
        "NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO AUTH <user> <pass> "
        "option can be used to authenticate the client and select the RESP protocol version at the same time");
  }
  if (version != 0) {
    c.session.protocol = static_cast<int>(version);
    c.reply.set_protocol(c.session.protocol);
  }
  c.reply.Map(7);
  c.reply.Bulk("server");
  c.reply.Bulk("redis");
  c.reply.Bulk("version");
  c.reply.Bulk(kRedisVersion);
  c.reply.Bulk("proto");
  c.reply.Integer(c.session.protocol);
  c.reply.Bulk("id");
  c.reply.Integer(static_cast<int64_t>(c.session.id));
  c.reply.Bulk("mode");
  c.reply.Bulk("standalone");
  c.reply.Bulk("role");
  c.reply.Bulk("master");
  c.reply.Bulk("modules");
  c.reply.Array(0);
}

void Select(Args args, CommandContext& c) {
  int64_t db = 0;
  if (!ReadInt32(args[1], c, &db)) return;
  if (db < 0 || db >= keyspace::kDatabaseCount) return c.reply.Error(kDbOutOfRange);
  c.session.db = static_cast<int>(db);
  c.reply.Ok();
}

void Ping(Args args, CommandContext& c) {
  if (args.size() > 2) return ReplyArity(c);
  if (c.session.protocol == 2 && c.session.subscribed()) {  // as a message, so that it can be told from one
    c.reply.Array(2);
    c.reply.Bulk("pong");
    return c.reply.Bulk(args.size() == 2 ? args[1] : std::string_view());
  }
  if (args.size() == 1) return c.reply.Simple("PONG");
  c.reply.Bulk(args[1]);
}

void Echo(Args args, CommandContext& c) {
  c.reply.Bulk(args[1]);
}

void Quit(Args /*args*/, CommandContext& c) {
  c.reply.Ok();
  c.session.close_after_reply = true;
}

// Back to what a new connection is.
void Reset(Args /*args*/, CommandContext& c) {
  c.dispatcher.Forget(c.session);
  c.session.db = 0;
  c.session.protocol = 2;
  c.session.name.clear();
  c.session.user = "default";
  c.session.authenticated = c.config.requirepass.empty();
  c.session.reply_mode = ReplyMode::kOn;
  c.session.no_evict = false;
  c.session.no_touch = false;
  c.reply.set_protocol(2);
  c.reply.Simple("RESET");
}

}  // namespace varve::resp
