// resp/command_context.h - all a handler works with, apart from its arguments.
//
// A handler is a free function `void Get(Args args, CommandContext& c)`: check the options, ask the keyspace, write one
// reply. args[0] is the command's name, arity was checked. Scratch members are reused from command to command.
#pragma once

#include <string>
#include <string_view>

#include "keyspace/keyspace.h"
#include "resp/command_table.h"
#include "resp/config.h"
#include "resp/dispatcher.h"
#include "resp/reply.h"
#include "resp/server_control.h"
#include "resp/session.h"

namespace varve::resp {

struct CommandContext {
  Dispatcher& dispatcher;
  keyspace::Keyspace& keys;
  ServerControl& server;
  Config& config;
  Session& session;
  const Command& command;
  Reply& reply;
  keyspace::Entry& entry;  // scratch for one Find
  keyspace::Entry& other;  // and for a second key
  std::string& scratch;    // scratch for one value being built

  int db() const { return session.db; }
  // Tells of a change that was made to a key of the client's database, as Redis' event of that class.
  void Notify(NotifyClass event_class, std::string_view event, std::string_view name) const {
    dispatcher.Notify(event_class, event, session.db, name);
  }
};

}  // namespace varve::resp
