// resp/command_table.cc - arity counts the name, negative means "at least"; keys are {flags, first, last, step}.
#include "resp/command_table.h"

#include <algorithm>
#include <array>

#include "resp/command_docs.h"
#include "resp/commands/handlers.h"
#include "resp/key_flags.h"

namespace varve::resp {
namespace {

constexpr std::span<const KeySpec> kNoKeys;
constexpr KeySpec kBitFieldKey[] = {{kKeyRW | kKeyAccess | kKeyUpdate | kKeyVariable, 1, 0, 1,
                                     "This command allows both access and modification of the key",
                                     &KeyFlagsOfBitField}};
constexpr KeySpec kBitOpKeys[] = {{kKeyOW | kKeyUpdate, 2, 0, 1}, {kKeyRO | kKeyAccess, 3, -1, 1}};
constexpr KeySpec kInsertOne[] = {{kKeyRW | kKeyInsert, 1, 0, 1}};
constexpr KeySpec kCopyKeys[] = {{kKeyRO | kKeyAccess, 1, 0, 1}, {kKeyOW | kKeyUpdate, 2, 0, 1}};
constexpr KeySpec kReadUpdateOne[] = {{kKeyRW | kKeyAccess | kKeyUpdate, 1, 0, 1}};
constexpr KeySpec kDeleteAll[] = {{kKeyRM | kKeyDelete, 1, -1, 1}};
constexpr KeySpec kLookAll[] = {{kKeyRO, 1, -1, 1}};
constexpr KeySpec kUpdateOne[] = {{kKeyRW | kKeyUpdate, 1, 0, 1}};
constexpr KeySpec kLcsKeys[] = {{kKeyRO | kKeyAccess, 1, 1, 1}};
constexpr KeySpec kMSetExKeys[] = {{.flags = kKeyOW | kKeyUpdate, .first = 2, .last = 0, .step = 2, .count_at = 1}};
constexpr KeySpec kPfCountKeys[] = {
    {kKeyRW | kKeyAccess, 1, -1, 1,
     "RW because it may change the internal representation of the key, and propagate to replicas"}};
constexpr KeySpec kPfDebugKey[] = {{kKeyRW | kKeyAccess, 2, 0, 1}};
constexpr KeySpec kPfMergeKeys[] = {{kKeyRW | kKeyAccess | kKeyInsert, 1, 0, 1}, {kKeyRO | kKeyAccess, 2, -1, 1}};
constexpr KeySpec kReadOne[] = {{kKeyRO | kKeyAccess, 1, 0, 1}};
constexpr KeySpec kReadDeleteOne[] = {{kKeyRW | kKeyAccess | kKeyDelete, 1, 0, 1}};
constexpr KeySpec kGetExKey[] = {
    {kKeyRW | kKeyAccess | kKeyUpdate, 1, 0, 1, "RW and UPDATE because it changes the TTL"}};
constexpr KeySpec kLookSecond[] = {{kKeyRO, 2, 0, 1}};
constexpr KeySpec kReadAll[] = {{kKeyRO | kKeyAccess, 1, -1, 1}};
constexpr KeySpec kOverwritePairs[] = {{kKeyOW | kKeyUpdate, 1, -1, 2}};
constexpr KeySpec kInsertPairs[] = {{kKeyOW | kKeyInsert, 1, -1, 2}};
constexpr KeySpec kOverwriteOne[] = {{kKeyOW | kKeyUpdate, 1, 0, 1}};
constexpr KeySpec kRenameKeys[] = {{kKeyRW | kKeyAccess | kKeyDelete, 1, 0, 1}, {kKeyOW | kKeyUpdate, 2, 0, 1}};
constexpr KeySpec kRenameNxKeys[] = {{kKeyRW | kKeyAccess | kKeyDelete, 1, 0, 1}, {kKeyOW | kKeyInsert, 2, 0, 1}};
constexpr KeySpec kSetKey[] = {{kKeyRW | kKeyAccess | kKeyUpdate | kKeyVariable, 1, 0, 1,
                                "RW and ACCESS due to the optional `GET` argument", &KeyFlagsOfSet}};
constexpr KeySpec kInsertNew[] = {{kKeyOW | kKeyInsert, 1, 0, 1}};
constexpr KeySpec kShardChannel[] = {{kKeyNotKey, 1, 0, 1}};
constexpr KeySpec kShardChannels[] = {{kKeyNotKey, 1, -1, 1}};
constexpr KeySpec kLookOne[] = {{kKeyRO, 1, 0, 1}};

constexpr Group kGeneric = Group::kGeneric;
constexpr Group kBitmap = Group::kBitmap;
constexpr Group kHyperLogLog = Group::kHyperLogLog;
constexpr Group kString = Group::kString;
constexpr Group kConnection = Group::kConnection;
constexpr Group kServer = Group::kServer;
constexpr Group kTransactions = Group::kTransactions;
constexpr Group kScripting = Group::kScripting;
constexpr Group kPubsubGroup = Group::kPubsubGroup;

constexpr uint32_t kSubscription =
    kPubsub | kNoScript | kLoading | kStale | kWhenSubscribed | kRepliesByMessages | kChangesClient;

// ACL categories that follow from the flags, as in Redis; a row names only the others.
constexpr uint32_t ImpliedAcl(uint32_t flags) {
  uint32_t acl = (flags & kFast) != 0 ? kAclFast : kAclSlow;
  if ((flags & kWrite) != 0) acl |= kAclWrite;
  if ((flags & kReadonly) != 0) acl |= kAclRead;
  if ((flags & kAdmin) != 0) acl |= kAclAdmin | kAclDangerous;
  if ((flags & kPubsub) != 0) acl |= kAclPubsub;
  if ((flags & kBlocking) != 0) acl |= kAclBlocking;
  return acl;
}

constexpr std::string_view LastName(std::string_view full_name) {
  return full_name.substr(full_name.find('|') + 1);  // npos + 1 is 0
}

// The shape in which the rows below are written.
struct Row : Command {
  constexpr Row(std::string_view whole, int arity_wanted, uint32_t flag_bits, uint32_t more_acl, Group in_group,
                std::span<const KeySpec> key_specs, const CommandDoc* document, Handler run,
                std::span<const Command> children = {})
      : Command{LastName(whole), whole,     arity_wanted, flag_bits, ImpliedAcl(flag_bits) | more_acl,
                in_group,        key_specs, document,     run,       children} {}
};

constexpr Command kClientSubcommands[] = {
    Row{"client|caching", 3, kNoScript | kLoading | kStale | kChangesClient, kAclConnection, kConnection, kNoKeys,
        &docs::kClientCaching, &ClientCaching},
    Row{"client|getname", 2, kNoScript | kLoading | kStale, kAclConnection, kConnection, kNoKeys, &docs::kClientGetname,
        &ClientGetName},
    Row{"client|getredir", 2, kNoScript | kLoading | kStale, kAclConnection, kConnection, kNoKeys,
        &docs::kClientGetredir, &ClientGetRedir},
    Row{"client|help", 2, kLoading | kStale, kAclConnection, kConnection, kNoKeys, &docs::kClientHelp, &ClientHelp},
    Row{"client|id", 2, kNoScript | kLoading | kStale, kAclConnection, kConnection, kNoKeys, &docs::kClientId,
        &ClientId},
    Row{"client|info", 2, kNoScript | kLoading | kStale, kAclConnection, kConnection, kNoKeys, &docs::kClientInfo,
        &ClientInfo},
    Row{"client|kill", -3, kAdmin | kNoScript | kLoading | kStale, kAclConnection, kConnection, kNoKeys,
        &docs::kClientKill, &ClientKill},
    Row{"client|list", -2, kAdmin | kNoScript | kLoading | kStale, kAclConnection, kConnection, kNoKeys,
        &docs::kClientList, &ClientList},
    Row{"client|no-evict", 3, kAdmin | kNoScript | kLoading | kStale | kChangesClient, kAclConnection, kConnection,
        kNoKeys, &docs::kClientNoEvict, &ClientNoEvict},
    Row{"client|no-touch", 3, kNoScript | kLoading | kStale | kChangesClient, kAclConnection, kConnection, kNoKeys,
        &docs::kClientNoTouch, &ClientNoTouch},
    Row{"client|pause", -3, kAdmin | kNoScript | kLoading | kStale, kAclConnection, kConnection, kNoKeys,
        &docs::kClientPause, &ClientPause},
    Row{"client|reply", 3, kNoScript | kLoading | kStale | kChangesClient, kAclConnection, kConnection, kNoKeys,
        &docs::kClientReply, &ClientReply},
    Row{"client|setinfo", 4, kNoScript | kLoading | kStale | kChangesClient, kAclConnection, kConnection, kNoKeys,
        &docs::kClientSetinfo, &ClientSetInfo},
    Row{"client|setname", 3, kNoScript | kLoading | kStale | kChangesClient, kAclConnection, kConnection, kNoKeys,
        &docs::kClientSetname, &ClientSetName},
    Row{"client|tracking", -3, kNoScript | kLoading | kStale | kChangesClient, kAclConnection, kConnection, kNoKeys,
        &docs::kClientTracking, &ClientTracking},
    Row{"client|trackinginfo", 2, kNoScript | kLoading | kStale, kAclConnection, kConnection, kNoKeys,
        &docs::kClientTrackinginfo, &ClientTrackingInfo},
    Row{"client|unblock", -3, kAdmin | kNoScript | kLoading | kStale, kAclConnection, kConnection, kNoKeys,
        &docs::kClientUnblock, &ClientUnblock},
    Row{"client|unpause", 2, kAdmin | kNoScript | kLoading | kStale, kAclConnection, kConnection, kNoKeys,
        &docs::kClientUnpause, &ClientUnpause},
};
constexpr Command kCommandSubcommands[] = {
    Row{"command|count", 2, kLoading | kStale, kAclConnection, kServer, kNoKeys, &docs::kCommandCount, &CommandCount},
    Row{"command|docs", -2, kLoading | kStale, kAclConnection, kServer, kNoKeys, &docs::kCommandDocs, &CommandDocs},
    Row{"command|getkeys", -4, kLoading | kStale, kAclConnection, kServer, kNoKeys, &docs::kCommandGetkeys,
        &CommandGetKeys},
    Row{"command|getkeysandflags", -4, kLoading | kStale, kAclConnection, kServer, kNoKeys,
        &docs::kCommandGetkeysandflags, &CommandGetKeysAndFlags},
    Row{"command|help", 2, kLoading | kStale, kAclConnection, kServer, kNoKeys, &docs::kCommandHelp, &CommandHelp},
    Row{"command|info", -2, kLoading | kStale, kAclConnection, kServer, kNoKeys, &docs::kCommandInfo, &CommandInfo},
    Row{"command|list", -2, kLoading | kStale, kAclConnection, kServer, kNoKeys, &docs::kCommandList, &CommandList},
};
constexpr Command kConfigSubcommands[] = {
    Row{"config|get", -3, kAdmin | kNoScript | kLoading | kStale, 0, kServer, kNoKeys, &docs::kConfigGet, &ConfigGet},
    Row{"config|help", 2, kLoading | kStale, 0, kServer, kNoKeys, &docs::kConfigHelp, &ConfigHelp},
    Row{"config|resetstat", 2, kAdmin | kNoScript | kLoading | kStale, 0, kServer, kNoKeys, &docs::kConfigResetstat,
        &ConfigResetStat},
    Row{"config|rewrite", 2, kAdmin | kNoScript | kLoading | kStale, 0, kServer, kNoKeys, &docs::kConfigRewrite,
        &ConfigRewrite},
    Row{"config|set", -4, kAdmin | kNoScript | kLoading | kStale, 0, kServer, kNoKeys, &docs::kConfigSet, &ConfigSet},
};
constexpr Command kPubsubSubcommands[] = {
    Row{"pubsub|channels", -2, kPubsub | kLoading | kStale, 0, kPubsubGroup, kNoKeys, &docs::kPubsubChannels,
        &PubsubChannels},
    Row{"pubsub|help", 2, kLoading | kStale, 0, kPubsubGroup, kNoKeys, &docs::kPubsubHelp, &PubsubHelp},
    Row{"pubsub|numpat", 2, kPubsub | kLoading | kStale, 0, kPubsubGroup, kNoKeys, &docs::kPubsubNumpat, &PubsubNumPat},
    Row{"pubsub|numsub", -2, kPubsub | kLoading | kStale, 0, kPubsubGroup, kNoKeys, &docs::kPubsubNumsub,
        &PubsubNumSub},
    Row{"pubsub|shardchannels", -2, kPubsub | kLoading | kStale, 0, kPubsubGroup, kNoKeys, &docs::kPubsubShardchannels,
        &PubsubShardChannels},
    Row{"pubsub|shardnumsub", -2, kPubsub | kLoading | kStale, 0, kPubsubGroup, kNoKeys, &docs::kPubsubShardnumsub,
        &PubsubShardNumSub},
};
constexpr Command kFunctionSubcommands[] = {
    Row{"function|flush", -2, kWrite | kNoScript, kAclScripting, kScripting, kNoKeys, &docs::kFunctionFlush,
        &FunctionFlush},
};
constexpr uint32_t kDiagnostic = kAdmin | kNoScript | kLoading | kStale;
constexpr Command kLatencySubcommands[] = {
    Row{"latency|doctor", 2, kDiagnostic, 0, kServer, kNoKeys, &docs::kLatencyDoctor, &LatencyDoctor},
    Row{"latency|graph", 3, kDiagnostic, 0, kServer, kNoKeys, &docs::kLatencyGraph, &LatencyGraph},
    Row{"latency|help", 2, kLoading | kStale, 0, kServer, kNoKeys, &docs::kLatencyHelp, &LatencyHelp},
    Row{"latency|histogram", -2, kDiagnostic, 0, kServer, kNoKeys, &docs::kLatencyHistogram, &LatencyHistogramCommand},
    Row{"latency|history", 3, kDiagnostic, 0, kServer, kNoKeys, &docs::kLatencyHistory, &LatencyHistory},
    Row{"latency|latest", 2, kDiagnostic, 0, kServer, kNoKeys, &docs::kLatencyLatest, &LatencyLatest},
    Row{"latency|reset", -2, kDiagnostic, 0, kServer, kNoKeys, &docs::kLatencyReset, &LatencyReset},
};
constexpr Command kMemorySubcommands[] = {
    Row{"memory|doctor", 2, 0, 0, kServer, kNoKeys, &docs::kMemoryDoctor, &MemoryDoctor},
    Row{"memory|help", 2, kLoading | kStale, 0, kServer, kNoKeys, &docs::kMemoryHelp, &MemoryHelp},
    Row{"memory|malloc-stats", 2, 0, 0, kServer, kNoKeys, &docs::kMemoryMallocStats, &MemoryMallocStats},
    Row{"memory|purge", 2, 0, 0, kServer, kNoKeys, &docs::kMemoryPurge, &MemoryPurge},
    Row{"memory|stats", 2, 0, 0, kServer, kNoKeys, &docs::kMemoryStats, &MemoryStats},
    Row{"memory|usage", -3, kReadonly, 0, kServer, kLookSecond, &docs::kMemoryUsage, &MemoryUsage},
};
constexpr Command kObjectSubcommands[] = {
    Row{"object|encoding", 3, kReadonly, kAclKeyspace, kGeneric, kLookSecond, &docs::kObjectEncoding, &ObjectEncoding},
    Row{"object|freq", 3, kReadonly, kAclKeyspace, kGeneric, kLookSecond, &docs::kObjectFreq, &ObjectFreq},
    Row{"object|help", 2, kLoading | kStale, kAclKeyspace, kGeneric, kNoKeys, &docs::kObjectHelp, &ObjectHelp},
    Row{"object|idletime", 3, kReadonly, kAclKeyspace, kGeneric, kLookSecond, &docs::kObjectIdletime, &ObjectIdleTime},
    Row{"object|refcount", 3, kReadonly, kAclKeyspace, kGeneric, kLookSecond, &docs::kObjectRefcount, &ObjectRefCount},
};
constexpr Command kScriptSubcommands[] = {
    Row{"script|exists", -3, kNoScript, kAclScripting, kScripting, kNoKeys, &docs::kScriptExists, &ScriptExists},
    Row{"script|flush", -2, kNoScript, kAclScripting, kScripting, kNoKeys, &docs::kScriptFlush, &ScriptFlush},
};
constexpr Command kSlowlogSubcommands[] = {
    Row{"slowlog|get", -2, kAdmin | kLoading | kStale, 0, kServer, kNoKeys, &docs::kSlowlogGet, &SlowlogGet},
    Row{"slowlog|help", 2, kLoading | kStale, 0, kServer, kNoKeys, &docs::kSlowlogHelp, &SlowlogHelp},
    Row{"slowlog|len", 2, kAdmin | kLoading | kStale, 0, kServer, kNoKeys, &docs::kSlowlogLen, &SlowlogLen},
    Row{"slowlog|reset", 2, kAdmin | kLoading | kStale, 0, kServer, kNoKeys, &docs::kSlowlogReset, &SlowlogReset},
};
constexpr Command kCommands[] = {
    Row{"append", 3, kWrite | kDenyOom | kFast, kAclString, kString, kInsertOne, &docs::kAppend, &Append},
    Row{"auth", -2, kNoScript | kLoading | kStale | kFast | kNoAuth | kAllowBusy | kChangesClient, kAclConnection,
        kConnection, kNoKeys, &docs::kAuth, &Auth},
    Row{"bgrewriteaof", 1, kAdmin | kNoScript | kNoAsyncLoading | kAfterCommit, 0, kServer, kNoKeys,
        &docs::kBgrewriteaof, &BgRewriteAof},
    Row{"bgsave", -1, kAdmin | kNoScript | kNoAsyncLoading | kAfterCommit, 0, kServer, kNoKeys, &docs::kBgsave,
        &BgSave},
    Row{"bitcount", -2, kReadonly, kAclBitmap, kBitmap, kReadOne, &docs::kBitcount, &BitCount},
    Row{"bitfield", -2, kWrite | kDenyOom, kAclBitmap, kBitmap, kBitFieldKey, &docs::kBitfield, &BitField},
    Row{"bitfield_ro", -2, kReadonly | kFast, kAclBitmap, kBitmap, kReadOne, &docs::kBitfieldRo, &BitFieldRo},
    Row{"bitop", -4, kWrite | kDenyOom, kAclBitmap, kBitmap, kBitOpKeys, &docs::kBitop, &BitOp},
    Row{"bitpos", -3, kReadonly, kAclBitmap, kBitmap, kReadOne, &docs::kBitpos, &BitPos},
    Row{"client", -2, 0, 0, kConnection, kNoKeys, &docs::kClient, nullptr, kClientSubcommands},
    Row{"command", -1, kLoading | kStale, kAclConnection, kServer, kNoKeys, &docs::kCommand, &CommandAll,
        kCommandSubcommands},
    Row{"config", -2, 0, 0, kServer, kNoKeys, &docs::kConfig, nullptr, kConfigSubcommands},
    Row{"copy", -3, kWrite | kDenyOom, kAclKeyspace, kGeneric, kCopyKeys, &docs::kCopy, &Copy},
    Row{"dbsize", 1, kReadonly | kFast, kAclKeyspace, kServer, kNoKeys, &docs::kDbsize, &DbSize},
    Row{"debug", -2, kAdmin | kNoScript | kLoading | kStale | kProtected | kAfterCommit, 0, kServer, kNoKeys,
        &docs::kDebug, &Debug},
    Row{"decr", 2, kWrite | kDenyOom | kFast, kAclString, kString, kReadUpdateOne, &docs::kDecr, &Decr},
    Row{"decrby", 3, kWrite | kDenyOom | kFast, kAclString, kString, kReadUpdateOne, &docs::kDecrby, &DecrBy},
    Row{"del", -2, kWrite, kAclKeyspace, kGeneric, kDeleteAll, &docs::kDel, &Del},
    Row{"delifeq", 3, kWrite | kFast, kAclString, kString, kReadDeleteOne, &docs::kDelifeq, &DelIfEq},
    Row{"discard", 1, kNoScript | kLoading | kStale | kFast | kAllowBusy | kInMulti, kAclTransaction, kTransactions,
        kNoKeys, &docs::kDiscard, &Discard},
    Row{"dump", 2, kReadonly, kAclKeyspace, kGeneric, kReadOne, &docs::kDump, &Dump},
    Row{"echo", 2, kLoading | kStale | kFast, kAclConnection, kConnection, kNoKeys, &docs::kEcho, &Echo},
    Row{"exec", 1, kNoScript | kLoading | kStale | kSkipSlowlog | kInMulti | kFetchesFirst, kAclTransaction,
        kTransactions, kNoKeys, &docs::kExec, &Exec},
    Row{"exists", -2, kReadonly | kFast, kAclKeyspace, kGeneric, kLookAll, &docs::kExists, &Exists},
    Row{"expire", -3, kWrite | kFast, kAclKeyspace, kGeneric, kUpdateOne, &docs::kExpire, &Expire},
    Row{"expireat", -3, kWrite | kFast, kAclKeyspace, kGeneric, kUpdateOne, &docs::kExpireat, &ExpireAt},
    Row{"expiretime", 2, kReadonly | kFast, kAclKeyspace, kGeneric, kReadOne, &docs::kExpiretime, &ExpireTime},
    Row{"flushall", -1, kWrite, kAclKeyspace | kAclDangerous, kServer, kNoKeys, &docs::kFlushall, &FlushAll},
    Row{"flushdb", -1, kWrite, kAclKeyspace | kAclDangerous, kServer, kNoKeys, &docs::kFlushdb, &FlushDb},
    Row{"function", -2, 0, 0, kScripting, kNoKeys, &docs::kFunction, nullptr, kFunctionSubcommands},
    Row{"get", 2, kReadonly | kFast, kAclString, kString, kReadOne, &docs::kGet, &Get},
    Row{"getbit", 3, kReadonly | kFast, kAclBitmap, kBitmap, kReadOne, &docs::kGetbit, &GetBit},
    Row{"getdel", 2, kWrite | kFast, kAclString, kString, kReadDeleteOne, &docs::kGetdel, &GetDel},
    Row{"getex", -2, kWrite | kFast, kAclString, kString, kGetExKey, &docs::kGetex, &GetEx},
    Row{"getrange", 4, kReadonly, kAclString, kString, kReadOne, &docs::kGetrange, &GetRange},
    Row{"getset", 3, kWrite | kDenyOom | kFast, kAclString, kString, kReadUpdateOne, &docs::kGetset, &GetSet},
    Row{"hello", -1, kNoScript | kLoading | kStale | kFast | kNoAuth | kAllowBusy | kChangesClient, kAclConnection,
        kConnection, kNoKeys, &docs::kHello, &Hello},
    Row{"incr", 2, kWrite | kDenyOom | kFast, kAclString, kString, kReadUpdateOne, &docs::kIncr, &Incr},
    Row{"incrby", 3, kWrite | kDenyOom | kFast, kAclString, kString, kReadUpdateOne, &docs::kIncrby, &IncrBy},
    Row{"incrbyfloat", 3, kWrite | kDenyOom | kFast, kAclString, kString, kReadUpdateOne, &docs::kIncrbyfloat,
        &IncrByFloat},
    Row{"info", -1, kLoading | kStale, kAclDangerous, kServer, kNoKeys, &docs::kInfo, &Info},
    Row{"keys", 2, kReadonly, kAclKeyspace | kAclDangerous, kGeneric, kNoKeys, &docs::kKeys, &Keys},
    Row{"lastsave", 1, kLoading | kStale | kFast, kAclAdmin | kAclDangerous, kServer, kNoKeys, &docs::kLastsave,
        &LastSave},
    Row{"latency", -2, 0, 0, kServer, kNoKeys, &docs::kLatency, nullptr, kLatencySubcommands},
    Row{"lcs", -3, kReadonly, kAclString, kString, kLcsKeys, &docs::kLcs, &Lcs},
    Row{"lolwut", -1, kReadonly | kFast, 0, kServer, kNoKeys, &docs::kLolwut, &Lolwut},
    Row{"memory", -2, 0, 0, kServer, kNoKeys, &docs::kMemory, nullptr, kMemorySubcommands},
    Row{"mget", -2, kReadonly | kFast, kAclString, kString, kReadAll, &docs::kMget, &MGet},
    Row{"monitor", 1, kAdmin | kNoScript | kLoading | kStale, 0, kServer, kNoKeys, &docs::kMonitor, &Monitor},
    Row{"move", 3, kWrite | kFast, kAclKeyspace, kGeneric, kReadUpdateOne, &docs::kMove, &Move},
    Row{"mset", -3, kWrite | kDenyOom, kAclString, kString, kOverwritePairs, &docs::kMset, &MSet},
    Row{"msetex", -4, kWrite | kDenyOom | kMovableKeys, kAclString, kString, kMSetExKeys, &docs::kMsetex, &MSetEx},
    Row{"msetnx", -3, kWrite | kDenyOom, kAclString, kString, kInsertPairs, &docs::kMsetnx, &MSetNx},
    Row{"multi", 1, kNoScript | kLoading | kStale | kFast | kAllowBusy | kInMulti, kAclTransaction, kTransactions,
        kNoKeys, &docs::kMulti, &Multi},
    Row{"object", -2, 0, 0, kGeneric, kNoKeys, &docs::kObject, nullptr, kObjectSubcommands},
    Row{"persist", 2, kWrite | kFast, kAclKeyspace, kGeneric, kUpdateOne, &docs::kPersist, &Persist},
    Row{"pexpire", -3, kWrite | kFast, kAclKeyspace, kGeneric, kUpdateOne, &docs::kPexpire, &PExpire},
    Row{"pexpireat", -3, kWrite | kFast, kAclKeyspace, kGeneric, kUpdateOne, &docs::kPexpireat, &PExpireAt},
    Row{"pexpiretime", 2, kReadonly | kFast, kAclKeyspace, kGeneric, kReadOne, &docs::kPexpiretime, &PExpireTime},
    Row{"pfadd", -2, kWrite | kDenyOom | kFast, kAclHyperLogLog, kHyperLogLog, kInsertOne, &docs::kPfadd, &PfAdd},
    Row{"pfcount", -2, kReadonly | kMayReplicate, kAclHyperLogLog, kHyperLogLog, kPfCountKeys, &docs::kPfcount,
        &PfCount},
    Row{"pfdebug", 3, kWrite | kDenyOom | kAdmin, kAclHyperLogLog, kHyperLogLog, kPfDebugKey, &docs::kPfdebug,
        &PfDebug},
    Row{"pfmerge", -2, kWrite | kDenyOom, kAclHyperLogLog, kHyperLogLog, kPfMergeKeys, &docs::kPfmerge, &PfMerge},
    Row{"pfselftest", 1, kAdmin, kAclHyperLogLog, kHyperLogLog, kNoKeys, &docs::kPfselftest, &PfSelfTest},
    Row{"ping", -1, kWhenSubscribed | kFast, kAclConnection, kConnection, kNoKeys, &docs::kPing, &Ping},
    Row{"psetex", 4, kWrite | kDenyOom, kAclString, kString, kOverwriteOne, &docs::kPsetex, &PSetEx},
    Row{"psubscribe", -2, kSubscription, 0, kPubsubGroup, kNoKeys, &docs::kPsubscribe, &PSubscribe},
    Row{"pttl", 2, kReadonly | kFast, kAclKeyspace, kGeneric, kReadOne, &docs::kPttl, &PTtl},
    Row{"publish", 3, kPubsub | kLoading | kStale | kFast, 0, kPubsubGroup, kNoKeys, &docs::kPublish, &Publish},
    Row{"pubsub", -2, 0, 0, kPubsubGroup, kNoKeys, &docs::kPubsub, nullptr, kPubsubSubcommands},
    Row{"punsubscribe", -1, kSubscription, 0, kPubsubGroup, kNoKeys, &docs::kPunsubscribe, &PUnsubscribe},
    Row{"quit", -1, kWhenSubscribed | kNoScript | kLoading | kStale | kFast | kNoAuth | kAllowBusy | kInMulti,
        kAclConnection, kConnection, kNoKeys, &docs::kQuit, &Quit},
    Row{"randomkey", 1, kReadonly, kAclKeyspace, kGeneric, kNoKeys, &docs::kRandomkey, &RandomKey},
    Row{"rename", 3, kWrite, kAclKeyspace, kGeneric, kRenameKeys, &docs::kRename, &Rename},
    Row{"renamenx", 3, kWrite | kFast, kAclKeyspace, kGeneric, kRenameNxKeys, &docs::kRenamenx, &RenameNx},
    Row{"reset", 1, kWhenSubscribed | kNoScript | kLoading | kStale | kFast | kNoAuth | kAllowBusy | kInMulti,
        kAclConnection, kConnection, kNoKeys, &docs::kReset, &Reset},
    Row{"restore", -4, kWrite | kDenyOom, kAclKeyspace | kAclDangerous, kGeneric, kOverwriteOne, &docs::kRestore,
        &Restore},
    Row{"restore-asking", -4, kWrite | kDenyOom | kAsking, kAclKeyspace | kAclDangerous, kGeneric, kOverwriteOne,
        &docs::kRestoreAsking, &Restore},
    Row{"role", 1, kNoScript | kLoading | kStale | kFast, kAclAdmin | kAclDangerous, kServer, kNoKeys, &docs::kRole,
        &Role},
    Row{"save", 1, kAdmin | kNoScript | kNoAsyncLoading | kNoMulti | kAfterCommit, 0, kServer, kNoKeys, &docs::kSave,
        &Save},
    Row{"scan", -2, kReadonly, kAclKeyspace, kGeneric, kNoKeys, &docs::kScan, &Scan},
    Row{"script", -2, 0, 0, kScripting, kNoKeys, &docs::kScript, nullptr, kScriptSubcommands},
    Row{"select", 2, kLoading | kStale | kFast | kChangesClient, kAclConnection, kConnection, kNoKeys, &docs::kSelect,
        &Select},
    Row{"set", -3, kWrite | kDenyOom, kAclString, kString, kSetKey, &docs::kSet, &Set},
    Row{"setbit", 4, kWrite | kDenyOom, kAclBitmap, kBitmap, kReadUpdateOne, &docs::kSetbit, &SetBit},
    Row{"setex", 4, kWrite | kDenyOom, kAclString, kString, kOverwriteOne, &docs::kSetex, &SetEx},
    Row{"setnx", 3, kWrite | kDenyOom | kFast, kAclString, kString, kInsertNew, &docs::kSetnx, &SetNx},
    Row{"setrange", 4, kWrite | kDenyOom, kAclString, kString, kUpdateOne, &docs::kSetrange, &SetRange},
    Row{"shutdown", -1, kAdmin | kNoScript | kLoading | kStale | kNoMulti | kAllowBusy, 0, kServer, kNoKeys,
        &docs::kShutdown, &Shutdown},
    Row{"slowlog", -2, 0, 0, kServer, kNoKeys, &docs::kSlowlog, nullptr, kSlowlogSubcommands},
    Row{"spublish", 3, kPubsub | kLoading | kStale | kFast, 0, kPubsubGroup, kShardChannel, &docs::kSpublish,
        &SPublish},
    Row{"ssubscribe", -2, kSubscription, 0, kPubsubGroup, kShardChannels, &docs::kSsubscribe, &SSubscribe},
    Row{"strlen", 2, kReadonly | kFast, kAclString, kString, kLookOne, &docs::kStrlen, &StrLen},
    Row{"subscribe", -2, kSubscription, 0, kPubsubGroup, kNoKeys, &docs::kSubscribe, &Subscribe},
    Row{"substr", 4, kReadonly, kAclString, kString, kReadOne, &docs::kSubstr, &GetRange},
    Row{"sunsubscribe", -1, kSubscription, 0, kPubsubGroup, kShardChannels, &docs::kSunsubscribe, &SUnsubscribe},
    Row{"swapdb", 3, kWrite | kFast, kAclKeyspace | kAclDangerous, kServer, kNoKeys, &docs::kSwapdb, &SwapDb},
    Row{"time", 1, kLoading | kStale | kFast, 0, kServer, kNoKeys, &docs::kTime, &Time},
    Row{"touch", -2, kReadonly | kFast, kAclKeyspace, kGeneric, kLookAll, &docs::kTouch, &Touch},
    Row{"ttl", 2, kReadonly | kFast, kAclKeyspace, kGeneric, kReadOne, &docs::kTtl, &Ttl},
    Row{"type", 2, kReadonly | kFast, kAclKeyspace, kGeneric, kLookOne, &docs::kType, &Type},
    Row{"unlink", -2, kWrite | kFast, kAclKeyspace, kGeneric, kDeleteAll, &docs::kUnlink, &Del},
    Row{"unsubscribe", -1, kSubscription, 0, kPubsubGroup, kNoKeys, &docs::kUnsubscribe, &Unsubscribe},
    Row{"unwatch", 1, kNoScript | kLoading | kStale | kFast | kAllowBusy, kAclTransaction, kTransactions, kNoKeys,
        &docs::kUnwatch, &Unwatch},
    Row{"wait", 3, kNoScript, kAclConnection, kGeneric, kNoKeys, &docs::kWait, &Wait},
    Row{"watch", -2, kNoScript | kLoading | kStale | kFast | kAllowBusy | kInMulti | kFetchesFirst, kAclTransaction,
        kTransactions, kLookAll, &docs::kWatch, &Watch},
};

[[maybe_unused]] constexpr bool IsWellFormed(std::span<const Command> rows) {
  for (size_t i = 0; i < rows.size(); i++) {
    const Command& row = rows[i];
    if (row.name.empty() || row.arity == 0 || row.doc == nullptr) return false;
    if (i > 0 && !(rows[i - 1].name < row.name)) return false;  // sorted, and no name twice
    if (row.handler == nullptr && row.subcommands.empty()) return false;
    if ((row.flags & kWrite) != 0 && (row.flags & kReadonly) != 0) return false;
    for (char c : row.name) {
      if (c >= 'A' && c <= 'Z') return false;  // lookups fold to lower case
    }
    for (const KeySpec& spec : row.keys) {
      if (spec.first < 1 || spec.step < 1) return false;
      if (((spec.flags & kKeyVariable) != 0) != (spec.flags_of != nullptr)) return false;
    }
    if (!IsWellFormed(row.subcommands)) return false;
  }
  return true;
}
#ifndef __SANITIZE_ADDRESS__  // whose companion (undefined) keeps g++ 12 from comparing addresses at compile time
static_assert(IsWellFormed(kCommands));  // a slip does not compile
#endif

// Longest name; longer ones are unknown without a look.
constexpr size_t LongestName(std::span<const Command> rows) {
  size_t longest = 0;
  for (const Command& row : rows) longest = std::max(longest, std::max(row.name.size(), LongestName(row.subcommands)));
  return longest;
}
constexpr size_t kNameSizeMax = LongestName(kCommands);

// --- lookup: open addressing, filled at compile time ---

constexpr size_t kSlotCount = 512;  // a load of at most a quarter keeps probes near one
static_assert(std::size(kCommands) * 4 <= kSlotCount);

constexpr char Lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c;
}

constexpr uint32_t HashName(std::string_view name) {
  uint32_t hash = static_cast<uint32_t>(name.size());
  for (char c : name) hash = (hash ^ static_cast<uint8_t>(Lower(c))) * 0x9e3779b1u;
  return hash ^ (hash >> 15);
}

using Slots = std::array<uint8_t, kSlotCount>;
constexpr uint8_t kEmptySlot = 0xff;
static_assert(std::size(kCommands) < kEmptySlot);

constexpr Slots BuildSlots() {
  Slots slots{};
  for (uint8_t& slot : slots) slot = kEmptySlot;
  for (size_t i = 0; i < std::size(kCommands); i++) {
    size_t at = HashName(kCommands[i].name) % kSlotCount;
    while (slots[at] != kEmptySlot) at = (at + 1) % kSlotCount;
    slots[at] = static_cast<uint8_t>(i);
  }
  return slots;
}
constexpr Slots kSlots = BuildSlots();

bool SameName(std::string_view lower, std::string_view any_case) {
  if (lower.size() != any_case.size()) return false;
  for (size_t i = 0; i < lower.size(); i++) {
    if (lower[i] != Lower(any_case[i])) return false;
  }
  return true;
}

// Numbers for the statistics: rows first, then the subcommands of each container.
constexpr size_t CountAll(std::span<const Command> rows) {
  size_t count = rows.size();
  for (const Command& row : rows) count += CountAll(row.subcommands);
  return count;
}

}  // namespace

std::span<const Command> AllCommands() {
  return kCommands;
}

const Command* FindCommand(std::string_view name) {
  if (name.size() > kNameSizeMax) return nullptr;
  for (size_t at = HashName(name) % kSlotCount; kSlots[at] != kEmptySlot; at = (at + 1) % kSlotCount) {
    const Command& row = kCommands[kSlots[at]];
    if (SameName(row.name, name)) return &row;
  }
  return nullptr;
}

const Command* FindSubcommand(const Command& container, std::string_view name) {
  for (const Command& row : container.subcommands) {
    if (SameName(row.name, name)) return &row;
  }
  return nullptr;
}

const Command* FindByFullName(std::string_view name) {
  const size_t bar = name.find('|');
  const Command* command = FindCommand(name.substr(0, bar));
  if (command == nullptr || bar == std::string_view::npos) return command;
  return FindSubcommand(*command, name.substr(bar + 1));
}

size_t TotalCommandCount() {
  return CountAll(kCommands);
}

size_t IndexOf(const Command& command) {
  size_t before = std::size(kCommands);
  const Command* at = &command;
  if (at >= std::begin(kCommands) && at < std::end(kCommands)) return static_cast<size_t>(at - kCommands);
  for (const Command& row : kCommands) {
    const std::span<const Command> children = row.subcommands;
    if (!children.empty() && at >= &children.front() && at <= &children.back()) {
      return before + static_cast<size_t>(at - &children.front());
    }
    before += children.size();
  }
  return 0;
}

std::string_view GroupName(Group group) {
  switch (group) {
    case Group::kGeneric: return "generic";
    case Group::kBitmap: return "bitmap";
    case Group::kHyperLogLog: return "hyperloglog";
    case Group::kString: return "string";
    case Group::kConnection: return "connection";
    case Group::kServer: return "server";
    case Group::kTransactions: return "transactions";
    case Group::kScripting: return "scripting";
    case Group::kPubsubGroup: return "pubsub";
  }
  return "generic";
}

}  // namespace varve::resp
