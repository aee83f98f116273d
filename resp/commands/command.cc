// resp/commands/command.cc - COMMAND and its subcommands, all read from the command table.
#include <algorithm>
#include <span>

#include "keyspace/glob.h"
#include "resp/command_keys.h"
#include "resp/commands/arguments.h"
#include "resp/commands/handlers.h"

namespace varve::resp {
namespace {

// A bit and the word for it, in the order they are printed.
struct BitName {
  uint32_t bit;
  std::string_view name;
};

constexpr BitName kFlagNames[] = {{kWrite, "write"},
                                  {kReadonly, "readonly"},
                                  {kDenyOom, "denyoom"},
                                  {kAdmin, "admin"},
                                  {kPubsub, "pubsub"},
                                  {kNoScript, "noscript"},
                                  {kBlocking, "blocking"},
                                  {kLoading, "loading"},
                                  {kStale, "stale"},
                                  {kSkipMonitor, "skip_monitor"},
                                  {kSkipSlowlog, "skip_slowlog"},
                                  {kAsking, "asking"},
                                  {kFast, "fast"},
                                  {kNoAuth, "no_auth"},
                                  {kNoMandatoryKeys, "no_mandatory_keys"},
                                  {kNoAsyncLoading, "no_async_loading"},
                                  {kNoMulti, "no_multi"},
                                  {kMovableKeys, "movablekeys"},
                                  {kAllowBusy, "allow_busy"}};

constexpr BitName kAclNames[] = {{kAclKeyspace, "@keyspace"},
                                 {kAclRead, "@read"},
                                 {kAclWrite, "@write"},
                                 {kAclSet, "@set"},
                                 {kAclSortedSet, "@sortedset"},
                                 {kAclList, "@list"},
                                 {kAclHash, "@hash"},
                                 {kAclString, "@string"},
                                 {kAclBitmap, "@bitmap"},
                                 {kAclHyperLogLog, "@hyperloglog"},
                                 {kAclGeo, "@geo"},
                                 {kAclStream, "@stream"},
                                 {kAclPubsub, "@pubsub"},
                                 {kAclAdmin, "@admin"},
                                 {kAclFast, "@fast"},
                                 {kAclSlow, "@slow"},
                                 {kAclBlocking, "@blocking"},
                                 {kAclDangerous, "@dangerous"},
                                 {kAclConnection, "@connection"},
                                 {kAclTransaction, "@transaction"},
                                 {kAclScripting, "@scripting"}};

constexpr BitName kKeyFlagNames[] = {{kKeyRO, "RO"},         {kKeyRW, "RW"},         {kKeyOW, "OW"},
                                     {kKeyRM, "RM"},         {kKeyAccess, "access"}, {kKeyUpdate, "update"},
                                     {kKeyInsert, "insert"}, {kKeyDelete, "delete"}, {kKeyVariable, "variable_flags"},
                                     {kKeyNotKey, "not_key"}};

void ReplyBits(uint32_t bits, std::span<const BitName> names, Reply& reply) {
  size_t count = 0;
  for (const BitName& row : names) count += (bits & row.bit) != 0 ? 1 : 0;
  reply.Set(count);
  for (const BitName& row : names) {
    if ((bits & row.bit) != 0) reply.Simple(row.name);
  }
}

// --- COMMAND INFO ---

void ReplyKeySpec(const KeySpec& spec, Reply& reply) {
  reply.Map(spec.notes.empty() ? 3 : 4);
  if (!spec.notes.empty()) {
    reply.Bulk("notes");
    reply.Bulk(spec.notes);
  }
  reply.Bulk("flags");
  ReplyBits(spec.flags, kKeyFlagNames, reply);
  const bool counted = spec.count_at != 0;
  reply.Bulk("begin_search");
  reply.Map(2);
  reply.Bulk("type");
  reply.Bulk("index");
  reply.Bulk("spec");
  reply.Map(1);
  reply.Bulk("index");
  reply.Integer(counted ? spec.count_at : spec.first);
  reply.Bulk("find_keys");
  reply.Map(2);
  reply.Bulk("type");
  reply.Bulk(counted ? "keynum" : "range");
  reply.Bulk("spec");
  reply.Map(3);
  reply.Bulk(counted ? "keynumidx" : "lastkey");
  reply.Integer(counted ? 0 : spec.last);
  reply.Bulk(counted ? "firstkey" : "keystep");
  reply.Integer(counted ? spec.first - spec.count_at : spec.step);
  reply.Bulk(counted ? "keystep" : "limit");
  reply.Integer(counted ? spec.step : 0);
}

// The one range that older clients understand: from the first key of any spec to the last.
void ReplyLegacyRange(const Command& command, Reply& reply) {
  int first = 0;
  int last = 0;
  int step = 0;
  for (const KeySpec& spec : command.keys) {
    if (spec.count_at != 0) continue;
    const int spec_last = spec.last >= 0 ? spec.first + spec.last : spec.last;
    if (first == 0) {
      first = spec.first;
      last = spec_last;
      step = spec.step;
    } else {
      last = spec_last;
    }
  }
  reply.Integer(first);
  reply.Integer(last);
  reply.Integer(step);
}

void ReplyInfo(const Command& command, Reply& reply) {
  reply.Array(10);
  reply.Bulk(command.full_name);
  reply.Integer(command.arity);
  ReplyBits(command.flags, kFlagNames, reply);
  ReplyLegacyRange(command, reply);
  ReplyBits(command.acl, kAclNames, reply);
  reply.Set(command.doc->tips.size());
  for (std::string_view tip : command.doc->tips) reply.Bulk(tip);
  reply.Set(command.keys.size());
  for (const KeySpec& spec : command.keys) ReplyKeySpec(spec, reply);
  if (command.subcommands.empty()) return reply.Set(0);
  reply.Array(command.subcommands.size());
  for (const Command& child : command.subcommands) ReplyInfo(child, reply);
}

// --- COMMAND DOCS ---

void ReplyField(std::string_view name, std::string_view value, Reply& reply) {
  if (value.empty()) return;
  reply.Bulk(name);
  reply.Bulk(value);
}

void ReplyWords(std::string_view words, Reply& reply) {
  size_t count = 1;
  for (char c : words) count += c == ' ' ? 1 : 0;
  reply.Set(count);
  while (!words.empty()) {
    const size_t end = std::min(words.find(' '), words.size());
    reply.Simple(words.substr(0, end));
    words.remove_prefix(std::min(end + 1, words.size()));
  }
}

void ReplyArguments(std::span<const ArgumentDoc> arguments, Reply& reply) {
  reply.Array(arguments.size());
  for (const ArgumentDoc& argument : arguments) {
    size_t fields = 2;
    for (std::string_view text :
         {argument.token, argument.summary, argument.since, argument.deprecated_since, argument.flags}) {
      fields += text.empty() ? 0 : 1;
    }
    if (argument.key_spec_index >= 0) fields++;
    if (!argument.arguments.empty()) fields++;
    reply.Map(fields);
    ReplyField("name", argument.name, reply);
    ReplyField("type", argument.type, reply);
    if (argument.key_spec_index >= 0) {
      reply.Bulk("key_spec_index");
      reply.Integer(argument.key_spec_index);
    }
    ReplyField("token", argument.token, reply);
    ReplyField("summary", argument.summary, reply);
    ReplyField("since", argument.since, reply);
    ReplyField("deprecated_since", argument.deprecated_since, reply);
    if (!argument.flags.empty()) {
      reply.Bulk("flags");
      ReplyWords(argument.flags, reply);
    }
    if (!argument.arguments.empty()) {
      reply.Bulk("arguments");
      ReplyArguments(argument.arguments, reply);
    }
  }
}

// redis-cli asserts on this shape: names are bulk strings, values as here.
void ReplyDocs(const Command& command, Reply& reply) {
  const CommandDoc& doc = *command.doc;
  const std::string_view flags = doc.deprecated_since.empty() ? doc.flags : "deprecated";
  size_t fields = 1;
  for (std::string_view text : {doc.summary, doc.since, doc.complexity, doc.deprecated_since, doc.replaced_by}) {
    fields += text.empty() ? 0 : 1;
  }
  fields += (flags.empty() ? 0 : 1) + (doc.history.empty() ? 0 : 1) + (doc.arguments.empty() ? 0 : 1) +
            (command.subcommands.empty() ? 0 : 1);
  reply.Map(fields);
  ReplyField("summary", doc.summary, reply);
  ReplyField("since", doc.since, reply);
  ReplyField("group", GroupName(command.group), reply);
  ReplyField("complexity", doc.complexity, reply);
  if (!flags.empty()) {
    reply.Bulk("doc_flags");
    ReplyWords(flags, reply);
  }
  ReplyField("deprecated_since", doc.deprecated_since, reply);
  ReplyField("replaced_by", doc.replaced_by, reply);
  if (!doc.history.empty()) {
    reply.Bulk("history");
    reply.Set(doc.history.size());
    for (const HistoryDoc& entry : doc.history) {
      reply.Array(2);
      reply.Bulk(entry.version);
      reply.Bulk(entry.change);
    }
  }
  if (!doc.arguments.empty()) {
    reply.Bulk("arguments");
    ReplyArguments(doc.arguments, reply);
  }
  if (!command.subcommands.empty()) {
    reply.Bulk("subcommands");
    reply.Map(command.subcommands.size());
    for (const Command& child : command.subcommands) {
      reply.Bulk(child.full_name);
      ReplyDocs(child, reply);
    }
  }
}

// --- COMMAND GETKEYS ---

void ReplyKeys(Args args, bool with_flags, CommandContext& c) {
  const Args wanted = args.subspan(2);
  const Command* command = FindCommand(wanted[0]);
  if (command != nullptr && !command->subcommands.empty() && wanted.size() > 1) {
    command = FindSubcommand(*command, wanted[1]);
  }
  if (command == nullptr) return c.reply.Error("ERR Invalid command specified");
  const bool has_keys = std::any_of(command->keys.begin(), command->keys.end(),
                                    [](const KeySpec& spec) { return (spec.flags & kKeyNotKey) == 0; });
  if (!has_keys) return c.reply.Error("ERR The command has no key arguments");
  if (!ArityFits(*command, wanted.size())) {
    return c.reply.Error("ERR Invalid number of arguments specified for command");
  }
  const std::vector<KeyArgument> keys = KeysOf(*command, wanted);
  if (keys.empty()) return c.reply.Error("ERR Invalid arguments specified for command");
  c.reply.Array(keys.size());
  for (const KeyArgument& key : keys) {
    if (with_flags) c.reply.Array(2);
    c.reply.Bulk(wanted[key.index]);
    if (with_flags) ReplyBits(key.flags, kKeyFlagNames, c.reply);
  }
}

// --- COMMAND LIST ---

struct ListFilter {
  enum class Kind : uint8_t { kNone, kModule, kAcl, kPattern } kind = Kind::kNone;
  std::string_view argument;

  bool Matches(const Command& command) const {
    switch (kind) {
      case Kind::kNone: return true;
      case Kind::kModule: return false;  // there are no modules
      case Kind::kAcl:
        for (const BitName& row : kAclNames) {
          if (EqualsIgnoreCase(row.name.substr(1), argument)) return (command.acl & row.bit) != 0;
        }
        return false;
      case Kind::kPattern: return keyspace::GlobMatch(argument, command.full_name, true);
    }
    return false;
  }
};

size_t ReplyNames(std::span<const Command> rows, const ListFilter& filter, Reply& reply) {
  size_t count = 0;
  for (const Command& row : rows) {
    if (filter.Matches(row)) {
      reply.Bulk(row.full_name);
      count++;
    }
    count += ReplyNames(row.subcommands, filter, reply);
  }
  return count;
}

bool ReadListFilter(Args args, CommandContext& c, ListFilter* filter) {
  if (args.size() == 2) return true;
  if (args.size() == 5 && EqualsIgnoreCase(args[2], "filterby")) {
    filter->argument = args[4];
    if (EqualsIgnoreCase(args[3], "module")) filter->kind = ListFilter::Kind::kModule;
    if (EqualsIgnoreCase(args[3], "aclcat")) filter->kind = ListFilter::Kind::kAcl;
    if (EqualsIgnoreCase(args[3], "pattern")) filter->kind = ListFilter::Kind::kPattern;
  }
  if (filter->kind != ListFilter::Kind::kNone) return true;
  c.reply.Error(kSyntaxError);
  return false;
}

}  // namespace

void CommandAll(Args /*args*/, CommandContext& c) {
  c.reply.Array(AllCommands().size());
  for (const Command& command : AllCommands()) ReplyInfo(command, c.reply);
}

void CommandCount(Args /*args*/, CommandContext& c) {
  c.reply.Integer(static_cast<int64_t>(AllCommands().size()));
}

void CommandInfo(Args args, CommandContext& c) {
  if (args.size() == 2) return CommandAll(args, c);
  c.reply.Array(args.size() - 2);
  for (std::string_view name : args.subspan(2)) {
    const Command* command = FindByFullName(name);
    if (command != nullptr) {
      ReplyInfo(*command, c.reply);
    } else {
      c.reply.Null();
    }
  }
}

void CommandDocs(Args args, CommandContext& c) {
  const size_t mark = c.reply.out().size();
  size_t count = 0;
  auto append = [&](const Command& command) {
    c.reply.Bulk(command.full_name);
    ReplyDocs(command, c.reply);
    count++;
  };
  if (args.size() == 2) {
    for (const Command& command : AllCommands()) append(command);
  } else {
    for (std::string_view name : args.subspan(2)) {
      if (const Command* command = FindByFullName(name); command != nullptr) append(*command);
    }
  }
  c.reply.MapAt(mark, count);
}

// Subcommands are listed behind their container.
void CommandList(Args args, CommandContext& c) {
  ListFilter filter;
  if (!ReadListFilter(args, c, &filter)) return;
  const size_t mark = c.reply.out().size();
  const size_t count = ReplyNames(AllCommands(), filter, c.reply);
  c.reply.ArrayAt(mark, count);
}

void CommandGetKeys(Args args, CommandContext& c) {
  ReplyKeys(args, false, c);
}

void CommandGetKeysAndFlags(Args args, CommandContext& c) {
  ReplyKeys(args, true, c);
}

void CommandHelp(Args /*args*/, CommandContext& c) {
  ReplyHelp(
      c, {"(no subcommand)", "    Return details about all Redis commands.", "COUNT",
          "    Return the total number of commands in this Redis server.", "LIST",
          "    Return a list of all commands in this Redis server.", "INFO [<command-name> ...]",
          "    Return details about multiple Redis commands.",
          "    If no command names are given, documentation details for all", "    commands are returned.",
          "DOCS [<command-name> ...]", "    Return documentation details about multiple Redis commands.",
          "    If no command names are given, documentation details for all", "    commands are returned.",
          "GETKEYS <full-command>", "    Return the keys from a full Redis command.", "GETKEYSANDFLAGS <full-command>",
          "    Return the keys and the access flags from a full Redis command."});
}

}  // namespace varve::resp
