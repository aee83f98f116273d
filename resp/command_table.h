// resp/command_table.h - every command is one row: what it is called, what it may do, where its keys are, who runs it.
//
// The dispatcher, COMMAND and its subcommands, INFO commandstats, the tests (and later ACL and cluster routing) read
// the same rows. Names are lower case; a container (CLIENT, CONFIG, ...) has subcommands and usually no handler of its
// own. Threads: immutable.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "resp/parser.h"

namespace varve::resp {

struct CommandContext;
using Handler = void (*)(Args args, CommandContext& context);

// What COMMAND INFO prints, in Redis' words; the dispatcher looks at those marked *.
enum CommandFlag : uint32_t {
  kWrite = 1u << 0,
  kReadonly = 1u << 1,
  kDenyOom = 1u << 2,
  kAdmin = 1u << 3,
  kPubsub = 1u << 4,
  kNoScript = 1u << 5,
  kBlocking = 1u << 6,
  kLoading = 1u << 7,
  kStale = 1u << 8,
  kSkipMonitor = 1u << 9,
  kSkipSlowlog = 1u << 10,
  kAsking = 1u << 11,
  kFast = 1u << 12,
  kNoAuth = 1u << 13,  // * runs before AUTH
  kMayReplicate = 1u << 14,
  kMovableKeys = 1u << 15,
  kAllowBusy = 1u << 16,
  kNoAsyncLoading = 1u << 17,
  kNoMulti = 1u << 18,  // * refused inside MULTI
  kInMulti = 1u << 19,  // * runs at once inside MULTI instead of being queued; not shown
  kNoMandatoryKeys = 1u << 20,
  kProtected = 1u << 21,          // * only where enable-debug-command allows; not shown
  kWhenSubscribed = 1u << 22,     // * may be used in RESP2 by a client that subscribes to something; not shown
  kRepliesByMessages = 1u << 23,  // * what it answers are messages: CLIENT REPLY OFF does not silence it; not shown
  // * about what is on the disk: runs when all that was written before is there (not inside MULTI); not shown
  kAfterCommit = 1u << 24,
  // * cannot be taken back when it is half done: the records of its keys are brought into memory before; not shown
  kFetchesFirst = 1u << 25,
  // * changes what its client is to us (database, protocol, subscriptions): no failed commit takes that back; not shown
  kChangesClient = 1u << 26,
};

// ACL categories, in the order COMMAND INFO prints them.
enum AclCategory : uint32_t {
  kAclKeyspace = 1u << 0,
  kAclRead = 1u << 1,
  kAclWrite = 1u << 2,
  kAclSet = 1u << 3,
  kAclSortedSet = 1u << 4,
  kAclList = 1u << 5,
  kAclHash = 1u << 6,
  kAclString = 1u << 7,
  kAclBitmap = 1u << 8,
  kAclHyperLogLog = 1u << 9,
  kAclGeo = 1u << 10,
  kAclStream = 1u << 11,
  kAclPubsub = 1u << 12,
  kAclAdmin = 1u << 13,
  kAclFast = 1u << 14,
  kAclSlow = 1u << 15,
  kAclBlocking = 1u << 16,
  kAclDangerous = 1u << 17,
  kAclConnection = 1u << 18,
  kAclTransaction = 1u << 19,
  kAclScripting = 1u << 20,
};

enum class Group : uint8_t {
  kGeneric,
  kBitmap,
  kHyperLogLog,
  kString,
  kConnection,
  kServer,
  kTransactions,
  kScripting,
  kPubsubGroup
};
std::string_view GroupName(Group group);

enum KeyFlag : uint16_t {
  kKeyRO = 1u << 0,
  kKeyRW = 1u << 1,
  kKeyOW = 1u << 2,
  kKeyRM = 1u << 3,
  kKeyAccess = 1u << 4,
  kKeyUpdate = 1u << 5,
  kKeyInsert = 1u << 6,
  kKeyDelete = 1u << 7,
  kKeyVariable = 1u << 8,  // what it does depends on the arguments
  kKeyNotKey = 1u << 9,    // routed as a key, but names a channel
};

// Keys from argument `first` to `first + last` (negative: counted from the final argument, -1), every `step`.
struct KeySpec {
  uint16_t flags;
  int8_t first;
  int8_t last;
  int8_t step;
  std::string_view notes = {};
  uint16_t (*flags_of)(Args args) = nullptr;  // of kKeyVariable: what these arguments do to the key
  int8_t count_at = 0;  // not 0: that argument says how many keys there are, and `last` says nothing
};

struct ArgumentDoc {
  std::string_view name = {};
  std::string_view type = {};
  int key_spec_index = -1;
  std::string_view token = {};
  std::string_view summary = {};
  std::string_view since = {};
  std::string_view deprecated_since = {};
  std::string_view flags = {};  // "optional", "multiple", "multiple_token", separated by blanks
  std::span<const ArgumentDoc> arguments = {};
};

struct HistoryDoc {
  std::string_view version;
  std::string_view change;
};

// What COMMAND DOCS tells; kept apart from the rows, which must stay readable.
struct CommandDoc {
  std::string_view summary = {};
  std::string_view since = {};
  std::string_view complexity = {};
  std::string_view flags = {};  // "syscmd"; "deprecated" follows from the next one
  std::string_view deprecated_since = {};
  std::string_view replaced_by = {};
  std::span<const HistoryDoc> history = {};
  std::span<const ArgumentDoc> arguments = {};
  std::span<const std::string_view> tips = {};
};

struct Command {
  std::string_view name;       // "get"; of a subcommand "list"
  std::string_view full_name;  // "get", "client|list": what error texts and statistics call it
  int arity;                   // counts the name; negative: at least
  uint32_t flags;
  uint32_t acl;
  Group group;
  std::span<const KeySpec> keys;
  const CommandDoc* doc;
  Handler handler;  // null: a container, which needs a subcommand
  std::span<const Command> subcommands = {};
};

// All rows, sorted by name.
std::span<const Command> AllCommands();
// By name, any case; null when there is none.
const Command* FindCommand(std::string_view name);
const Command* FindSubcommand(const Command& container, std::string_view name);
// "get", or "client|list".
const Command* FindByFullName(std::string_view name);
// Rows and subcommands together are numbered from 0.
size_t TotalCommandCount();
size_t IndexOf(const Command& command);

inline bool ArityFits(const Command& command, size_t args) {
  return command.arity >= 0 ? args == static_cast<size_t>(command.arity) : args >= static_cast<size_t>(-command.arity);
}

}  // namespace varve::resp
