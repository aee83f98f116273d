// resp/command_docs.h - what COMMAND DOCS tells about each command, in Redis' words; the rows of command_table.cc point
// here.
//
// Summaries, versions and grammars are those of Redis 7.0 (7.2 for CLIENT SETINFO and NO-TOUCH): client libraries and
// redis-cli build their help from them.
#pragma once

#include "resp/command_table.h"

namespace varve::resp::docs {

extern const CommandDoc kAppend;
extern const CommandDoc kAuth;
extern const CommandDoc kBgsave;
extern const CommandDoc kClient;
extern const CommandDoc kClientGetname;
extern const CommandDoc kClientHelp;
extern const CommandDoc kClientId;
extern const CommandDoc kClientInfo;
extern const CommandDoc kClientKill;
extern const CommandDoc kClientList;
extern const CommandDoc kClientNoEvict;
extern const CommandDoc kClientNoTouch;
extern const CommandDoc kClientReply;
extern const CommandDoc kClientSetinfo;
extern const CommandDoc kClientSetname;
extern const CommandDoc kCommand;
extern const CommandDoc kCommandCount;
extern const CommandDoc kCommandDocs;
extern const CommandDoc kCommandGetkeys;
extern const CommandDoc kCommandGetkeysandflags;
extern const CommandDoc kCommandHelp;
extern const CommandDoc kCommandInfo;
extern const CommandDoc kCommandList;
extern const CommandDoc kConfig;
extern const CommandDoc kConfigGet;
extern const CommandDoc kConfigHelp;
extern const CommandDoc kConfigResetstat;
extern const CommandDoc kConfigRewrite;
extern const CommandDoc kConfigSet;
extern const CommandDoc kCopy;
extern const CommandDoc kDbsize;
extern const CommandDoc kDebug;
extern const CommandDoc kDecr;
extern const CommandDoc kDecrby;
extern const CommandDoc kDel;
extern const CommandDoc kDiscard;
extern const CommandDoc kEcho;
extern const CommandDoc kExec;
extern const CommandDoc kExists;
extern const CommandDoc kExpire;
extern const CommandDoc kExpireat;
extern const CommandDoc kExpiretime;
extern const CommandDoc kFlushall;
extern const CommandDoc kFlushdb;
extern const CommandDoc kFunction;
extern const CommandDoc kFunctionFlush;
extern const CommandDoc kGet;
extern const CommandDoc kGetdel;
extern const CommandDoc kGetex;
extern const CommandDoc kGetrange;
extern const CommandDoc kGetset;
extern const CommandDoc kHello;
extern const CommandDoc kIncr;
extern const CommandDoc kIncrby;
extern const CommandDoc kIncrbyfloat;
extern const CommandDoc kInfo;
extern const CommandDoc kKeys;
extern const CommandDoc kLastsave;
extern const CommandDoc kMemory;
extern const CommandDoc kMemoryHelp;
extern const CommandDoc kMemoryUsage;
extern const CommandDoc kMget;
extern const CommandDoc kMset;
extern const CommandDoc kMsetnx;
extern const CommandDoc kMulti;
extern const CommandDoc kObject;
extern const CommandDoc kObjectEncoding;
extern const CommandDoc kObjectFreq;
extern const CommandDoc kObjectHelp;
extern const CommandDoc kObjectIdletime;
extern const CommandDoc kObjectRefcount;
extern const CommandDoc kPersist;
extern const CommandDoc kPexpire;
extern const CommandDoc kPexpireat;
extern const CommandDoc kPexpiretime;
extern const CommandDoc kPing;
extern const CommandDoc kPsetex;
extern const CommandDoc kPttl;
extern const CommandDoc kQuit;
extern const CommandDoc kRandomkey;
extern const CommandDoc kRename;
extern const CommandDoc kRenamenx;
extern const CommandDoc kReset;
extern const CommandDoc kScan;
extern const CommandDoc kScript;
extern const CommandDoc kScriptExists;
extern const CommandDoc kScriptFlush;
extern const CommandDoc kSelect;
extern const CommandDoc kSet;
extern const CommandDoc kSetex;
extern const CommandDoc kSetnx;
extern const CommandDoc kSetrange;
extern const CommandDoc kShutdown;
extern const CommandDoc kStrlen;
extern const CommandDoc kSubstr;
extern const CommandDoc kTime;
extern const CommandDoc kTouch;
extern const CommandDoc kTtl;
extern const CommandDoc kType;
extern const CommandDoc kUnlink;
extern const CommandDoc kUnwatch;
extern const CommandDoc kWatch;

}  // namespace varve::resp::docs
