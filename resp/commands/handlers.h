// resp/commands/handlers.h - every handler, for the rows of command_table.cc. Each lives with its family:
// connection.cc, strings.cc, keys.cc, transactions.cc, pubsub.cc, command.cc, client.cc, tracking.cc, config.cc, info.cc,
// server.cc.
#pragma once

#include "resp/command_context.h"

namespace varve::resp {

void Append(Args args, CommandContext& c);
void Auth(Args args, CommandContext& c);
void BgSave(Args args, CommandContext& c);
void ClientCaching(Args args, CommandContext& c);
void ClientGetName(Args args, CommandContext& c);
void ClientGetRedir(Args args, CommandContext& c);
void ClientHelp(Args args, CommandContext& c);
void ClientId(Args args, CommandContext& c);
void ClientInfo(Args args, CommandContext& c);
void ClientKill(Args args, CommandContext& c);
void ClientList(Args args, CommandContext& c);
void ClientNoEvict(Args args, CommandContext& c);
void ClientNoTouch(Args args, CommandContext& c);
void ClientReply(Args args, CommandContext& c);
void ClientSetInfo(Args args, CommandContext& c);
void ClientSetName(Args args, CommandContext& c);
void ClientTracking(Args args, CommandContext& c);
void ClientTrackingInfo(Args args, CommandContext& c);
void CommandAll(Args args, CommandContext& c);
void CommandCount(Args args, CommandContext& c);
void CommandDocs(Args args, CommandContext& c);
void CommandGetKeys(Args args, CommandContext& c);
void CommandGetKeysAndFlags(Args args, CommandContext& c);
void CommandHelp(Args args, CommandContext& c);
void CommandInfo(Args args, CommandContext& c);
void CommandList(Args args, CommandContext& c);
void ConfigGet(Args args, CommandContext& c);
void ConfigHelp(Args args, CommandContext& c);
void ConfigResetStat(Args args, CommandContext& c);
void ConfigRewrite(Args args, CommandContext& c);
void ConfigSet(Args args, CommandContext& c);
void Copy(Args args, CommandContext& c);
void DbSize(Args args, CommandContext& c);
void Debug(Args args, CommandContext& c);
void Decr(Args args, CommandContext& c);
void DecrBy(Args args, CommandContext& c);
void Del(Args args, CommandContext& c);
void Discard(Args args, CommandContext& c);
void Echo(Args args, CommandContext& c);
void Exec(Args args, CommandContext& c);
void Exists(Args args, CommandContext& c);
void Expire(Args args, CommandContext& c);
void ExpireAt(Args args, CommandContext& c);
void ExpireTime(Args args, CommandContext& c);
void FlushAll(Args args, CommandContext& c);
void FlushDb(Args args, CommandContext& c);
void FunctionFlush(Args args, CommandContext& c);
void Get(Args args, CommandContext& c);
void GetDel(Args args, CommandContext& c);
void GetEx(Args args, CommandContext& c);
void GetRange(Args args, CommandContext& c);
void GetSet(Args args, CommandContext& c);
void Hello(Args args, CommandContext& c);
void Incr(Args args, CommandContext& c);
void IncrBy(Args args, CommandContext& c);
void IncrByFloat(Args args, CommandContext& c);
void Info(Args args, CommandContext& c);
void Keys(Args args, CommandContext& c);
void LastSave(Args args, CommandContext& c);
void MGet(Args args, CommandContext& c);
void MSet(Args args, CommandContext& c);
void MSetNx(Args args, CommandContext& c);
void MemoryHelp(Args args, CommandContext& c);
void MemoryUsage(Args args, CommandContext& c);
void Monitor(Args args, CommandContext& c);
void Multi(Args args, CommandContext& c);
void ObjectEncoding(Args args, CommandContext& c);
void ObjectFreq(Args args, CommandContext& c);
void ObjectHelp(Args args, CommandContext& c);
void ObjectIdleTime(Args args, CommandContext& c);
void ObjectRefCount(Args args, CommandContext& c);
void PExpire(Args args, CommandContext& c);
void PExpireAt(Args args, CommandContext& c);
void PExpireTime(Args args, CommandContext& c);
void PSetEx(Args args, CommandContext& c);
void PTtl(Args args, CommandContext& c);
void Persist(Args args, CommandContext& c);
void Ping(Args args, CommandContext& c);
void Publish(Args args, CommandContext& c);
void PubsubChannels(Args args, CommandContext& c);
void PubsubHelp(Args args, CommandContext& c);
void PubsubNumPat(Args args, CommandContext& c);
void PubsubNumSub(Args args, CommandContext& c);
void Quit(Args args, CommandContext& c);
void RandomKey(Args args, CommandContext& c);
void Rename(Args args, CommandContext& c);
void RenameNx(Args args, CommandContext& c);
void Reset(Args args, CommandContext& c);
void Scan(Args args, CommandContext& c);
void ScriptExists(Args args, CommandContext& c);
void ScriptFlush(Args args, CommandContext& c);
void Select(Args args, CommandContext& c);
void Set(Args args, CommandContext& c);
void SetEx(Args args, CommandContext& c);
void SetNx(Args args, CommandContext& c);
void SetRange(Args args, CommandContext& c);
void Shutdown(Args args, CommandContext& c);
void StrLen(Args args, CommandContext& c);
void Subscribe(Args args, CommandContext& c);
void Time(Args args, CommandContext& c);
void Touch(Args args, CommandContext& c);
void Ttl(Args args, CommandContext& c);
void Type(Args args, CommandContext& c);
void Unsubscribe(Args args, CommandContext& c);
void Unwatch(Args args, CommandContext& c);
void Watch(Args args, CommandContext& c);

}  // namespace varve::resp
