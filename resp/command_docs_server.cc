// resp/command_docs_server.cc - the texts of commands about clients and the server, by name.
#include "resp/command_docs.h"

namespace varve::resp::docs {

constexpr HistoryDoc kAuthHistory[] = {{"6.0.0", "Added ACL style (username and password)."}};
constexpr ArgumentDoc kAuthArgs[] = {{.name = "username", .type = "string", .since = "6.0.0", .flags = "optional"},
                                     {.name = "password", .type = "string"}};
const CommandDoc kAuth = {.summary = "Authenticate to the server",
                          .since = "1.0.0",
                          .complexity = "O(N) where N is the number of passwords defined for the user",
                          .history = kAuthHistory,
                          .arguments = kAuthArgs};

const CommandDoc kBgrewriteaof = {
    .summary = "Asynchronously rewrite the append-only file", .since = "1.0.0", .complexity = "O(1)"};

constexpr HistoryDoc kBgsaveHistory[] = {{"3.2.2", "Added the `SCHEDULE` option."}};
constexpr ArgumentDoc kBgsaveArgs[] = {
    {.name = "schedule", .type = "pure-token", .token = "SCHEDULE", .since = "3.2.2", .flags = "optional"}};
const CommandDoc kBgsave = {.summary = "Asynchronously save the dataset to disk",
                            .since = "1.0.0",
                            .complexity = "O(1)",
                            .history = kBgsaveHistory,
                            .arguments = kBgsaveArgs};

const CommandDoc kClient = {
    .summary = "A container for client connection commands", .since = "2.4.0", .complexity = "Depends on subcommand."};

constexpr ArgumentDoc kClientCachingArgsMode[] = {{.name = "yes", .type = "pure-token", .token = "YES"},
                                                  {.name = "no", .type = "pure-token", .token = "NO"}};
constexpr ArgumentDoc kClientCachingArgs[] = {{.name = "mode", .type = "oneof", .arguments = kClientCachingArgsMode}};
const CommandDoc kClientCaching = {.summary = "Instruct the server about tracking or not keys in the next request",
                                   .since = "6.0.0",
                                   .complexity = "O(1)",
                                   .arguments = kClientCachingArgs};

const CommandDoc kClientGetname = {
    .summary = "Get the current connection name", .since = "2.6.9", .complexity = "O(1)"};

const CommandDoc kClientGetredir = {
    .summary = "Get tracking notifications redirection client ID if any", .since = "6.0.0", .complexity = "O(1)"};

const CommandDoc kClientHelp = {
    .summary = "Show helpful text about the different subcommands", .since = "5.0.0", .complexity = "O(1)"};

const CommandDoc kClientId = {
    .summary = "Returns the client ID for the current connection", .since = "5.0.0", .complexity = "O(1)"};

constexpr std::string_view kClientInfoTips[] = {"nondeterministic_output"};
const CommandDoc kClientInfo = {.summary = "Returns information about the current client connection.",
                                .since = "6.2.0",
                                .complexity = "O(1)",
                                .tips = kClientInfoTips};

constexpr HistoryDoc kClientKillHistory[] = {
    {"2.8.12", "Added new filter format."},
    {"2.8.12", "`ID` option."},
    {"3.2.0", "Added `master` type in for `TYPE` option."},
    {"5.0.0", "Replaced `slave` `TYPE` with `replica`. `slave` still supported for backward compatibility."},
    {"6.2.0", "`LADDR` option."}};
constexpr ArgumentDoc kClientKillArgsFilterNewFormatNormalMasterSlavePubsub[] = {
    {.name = "normal", .type = "pure-token", .token = "NORMAL"},
    {.name = "master", .type = "pure-token", .token = "MASTER", .since = "3.2.0"},
    {.name = "slave", .type = "pure-token", .token = "SLAVE"},
    {.name = "replica", .type = "pure-token", .token = "REPLICA", .since = "5.0.0"},
    {.name = "pubsub", .type = "pure-token", .token = "PUBSUB"}};
constexpr ArgumentDoc kClientKillArgsFilterNewFormat[] = {
    {.name = "client-id", .type = "integer", .token = "ID", .since = "2.8.12", .flags = "optional"},
    {.name = "normal_master_slave_pubsub",
     .type = "oneof",
     .token = "TYPE",
     .since = "2.8.12",
     .flags = "optional",
     .arguments = kClientKillArgsFilterNewFormatNormalMasterSlavePubsub},
    {.name = "username", .type = "string", .token = "USER", .flags = "optional"},
    {.name = "ip:port", .type = "string", .token = "ADDR", .flags = "optional"},
    {.name = "ip:port", .type = "string", .token = "LADDR", .since = "6.2.0", .flags = "optional"},
    {.name = "yes/no", .type = "string", .token = "SKIPME", .flags = "optional"}};
constexpr ArgumentDoc kClientKillArgsFilter[] = {
    {.name = "ip:port", .type = "string", .deprecated_since = "2.8.12"},
    {.name = "new-format", .type = "oneof", .flags = "multiple", .arguments = kClientKillArgsFilterNewFormat}};
constexpr ArgumentDoc kClientKillArgs[] = {{.name = "filter", .type = "oneof", .arguments = kClientKillArgsFilter}};
const CommandDoc kClientKill = {.summary = "Kill the connection of a client",
                                .since = "2.4.0",
                                .complexity = "O(N) where N is the number of client connections",
                                .history = kClientKillHistory,
                                .arguments = kClientKillArgs};

constexpr HistoryDoc kClientListHistory[] = {
    {"2.8.12", "Added unique client `id` field."},
    {"5.0.0", "Added optional `TYPE` filter."},
    {"6.0.0", "Added `user` field."},
    {"6.2.0", "Added `argv-mem`, `tot-mem`, `laddr` and `redir` fields and the optional `ID` filter."},
    {"7.0.0", "Added `resp`, `multi-mem`, `rbs` and `rbp` fields."},
    {"7.0.3", "Added `ssub` field."}};
constexpr ArgumentDoc kClientListArgsNormalMasterReplicaPubsub[] = {
    {.name = "normal", .type = "pure-token", .token = "NORMAL"},
    {.name = "master", .type = "pure-token", .token = "MASTER"},
    {.name = "replica", .type = "pure-token", .token = "REPLICA"},
    {.name = "pubsub", .type = "pure-token", .token = "PUBSUB"}};
constexpr ArgumentDoc kClientListArgsId[] = {{.name = "client-id", .type = "integer", .flags = "multiple"}};
constexpr ArgumentDoc kClientListArgs[] = {{.name = "normal_master_replica_pubsub",
                                            .type = "oneof",
                                            .token = "TYPE",
                                            .since = "5.0.0",
                                            .flags = "optional",
                                            .arguments = kClientListArgsNormalMasterReplicaPubsub},
                                           {.name = "id",
                                            .type = "block",
                                            .token = "ID",
                                            .since = "6.2.0",
                                            .flags = "optional",
                                            .arguments = kClientListArgsId}};
constexpr std::string_view kClientListTips[] = {"nondeterministic_output"};
const CommandDoc kClientList = {.summary = "Get the list of client connections",
                                .since = "2.4.0",
                                .complexity = "O(N) where N is the number of client connections",
                                .history = kClientListHistory,
                                .arguments = kClientListArgs,
                                .tips = kClientListTips};

constexpr ArgumentDoc kClientNoEvictArgsEnabled[] = {{.name = "on", .type = "pure-token", .token = "ON"},
                                                     {.name = "off", .type = "pure-token", .token = "OFF"}};
constexpr ArgumentDoc kClientNoEvictArgs[] = {
    {.name = "enabled", .type = "oneof", .arguments = kClientNoEvictArgsEnabled}};
const CommandDoc kClientNoEvict = {.summary = "Set client eviction mode for the current connection",
                                   .since = "7.0.0",
                                   .complexity = "O(1)",
                                   .arguments = kClientNoEvictArgs};

constexpr HistoryDoc kClientPauseHistory[] = {
    {"6.2.0", "`CLIENT PAUSE WRITE` mode added along with the `mode` option."}};
constexpr ArgumentDoc kClientPauseArgsMode[] = {{.name = "write", .type = "pure-token", .token = "WRITE"},
                                                {.name = "all", .type = "pure-token", .token = "ALL"}};
constexpr ArgumentDoc kClientPauseArgs[] = {
    {.name = "timeout", .type = "integer"},
    {.name = "mode", .type = "oneof", .since = "6.2.0", .flags = "optional", .arguments = kClientPauseArgsMode}};
const CommandDoc kClientPause = {.summary = "Stop processing commands from clients for some time",
                                 .since = "2.9.50",
                                 .complexity = "O(1)",
                                 .history = kClientPauseHistory,
                                 .arguments = kClientPauseArgs};

constexpr ArgumentDoc kClientReplyArgsOnOffSkip[] = {{.name = "on", .type = "pure-token", .token = "ON"},
                                                     {.name = "off", .type = "pure-token", .token = "OFF"},
                                                     {.name = "skip", .type = "pure-token", .token = "SKIP"}};
constexpr ArgumentDoc kClientReplyArgs[] = {
    {.name = "on_off_skip", .type = "oneof", .arguments = kClientReplyArgsOnOffSkip}};
const CommandDoc kClientReply = {.summary = "Instruct the server whether to reply to commands",
                                 .since = "3.2.0",
                                 .complexity = "O(1)",
                                 .arguments = kClientReplyArgs};

constexpr ArgumentDoc kClientSetnameArgs[] = {{.name = "connection-name", .type = "string"}};
const CommandDoc kClientSetname = {.summary = "Set the current connection name",
                                   .since = "2.6.9",
                                   .complexity = "O(1)",
                                   .arguments = kClientSetnameArgs};

constexpr ArgumentDoc kClientNoTouchArgsEnabled[] = {{.name = "on", .type = "pure-token", .token = "ON"},
                                                     {.name = "off", .type = "pure-token", .token = "OFF"}};
constexpr ArgumentDoc kClientNoTouchArgs[] = {
    {.name = "enabled", .type = "oneof", .arguments = kClientNoTouchArgsEnabled}};
const CommandDoc kClientNoTouch = {
    .summary = "Controls whether commands sent by the client affect the LRU/LFU of accessed keys.",
    .since = "7.2.0",
    .complexity = "O(1)",
    .arguments = kClientNoTouchArgs};

constexpr ArgumentDoc kClientSetinfoArgsAttr[] = {{.name = "libname", .type = "string", .token = "LIB-NAME"},
                                                  {.name = "libver", .type = "string", .token = "LIB-VER"}};
constexpr ArgumentDoc kClientSetinfoArgs[] = {{.name = "attr", .type = "oneof", .arguments = kClientSetinfoArgsAttr}};
const CommandDoc kClientSetinfo = {.summary = "Sets information specific to the client or connection.",
                                   .since = "7.2.0",
                                   .complexity = "O(1)",
                                   .arguments = kClientSetinfoArgs};

constexpr ArgumentDoc kClientTrackingArgsStatus[] = {{.name = "on", .type = "pure-token", .token = "ON"},
                                                     {.name = "off", .type = "pure-token", .token = "OFF"}};
constexpr ArgumentDoc kClientTrackingArgs[] = {
    {.name = "status", .type = "oneof", .arguments = kClientTrackingArgsStatus},
    {.name = "client-id", .type = "integer", .token = "REDIRECT", .flags = "optional"},
    {.name = "prefix", .type = "string", .token = "PREFIX", .flags = "optional multiple multiple_token"},
    {.name = "bcast", .type = "pure-token", .token = "BCAST", .flags = "optional"},
    {.name = "optin", .type = "pure-token", .token = "OPTIN", .flags = "optional"},
    {.name = "optout", .type = "pure-token", .token = "OPTOUT", .flags = "optional"},
    {.name = "noloop", .type = "pure-token", .token = "NOLOOP", .flags = "optional"}};
const CommandDoc kClientTracking = {.summary = "Enable or disable server assisted client side caching support",
                                    .since = "6.0.0",
                                    .complexity = "O(1). Some options may introduce additional complexity.",
                                    .arguments = kClientTrackingArgs};

const CommandDoc kClientTrackinginfo = {
    .summary = "Return information about server assisted client side caching for the current connection",
    .since = "6.2.0",
    .complexity = "O(1)"};

constexpr ArgumentDoc kClientUnblockArgsTimeoutError[] = {{.name = "timeout", .type = "pure-token", .token = "TIMEOUT"},
                                                          {.name = "error", .type = "pure-token", .token = "ERROR"}};
constexpr ArgumentDoc kClientUnblockArgs[] = {
    {.name = "client-id", .type = "integer"},
    {.name = "timeout_error", .type = "oneof", .flags = "optional", .arguments = kClientUnblockArgsTimeoutError}};
const CommandDoc kClientUnblock = {
    .summary = "Unblock a client blocked in a blocking command from a different connection",
    .since = "5.0.0",
    .complexity = "O(log N) where N is the number of client connections",
    .arguments = kClientUnblockArgs};

const CommandDoc kClientUnpause = {.summary = "Resume processing of clients that were paused",
                                   .since = "6.2.0",
                                   .complexity = "O(N) Where N is the number of paused clients"};

constexpr std::string_view kCommandTips[] = {"nondeterministic_output_order"};
const CommandDoc kCommand = {.summary = "Get array of Redis command details",
                             .since = "2.8.13",
                             .complexity = "O(N) where N is the total number of Redis commands",
                             .tips = kCommandTips};

const CommandDoc kCommandCount = {
    .summary = "Get total number of Redis commands", .since = "2.8.13", .complexity = "O(1)"};

constexpr ArgumentDoc kCommandDocsArgs[] = {{.name = "command-name", .type = "string", .flags = "optional multiple"}};
constexpr std::string_view kCommandDocsTips[] = {"nondeterministic_output_order"};
const CommandDoc kCommandDocs = {.summary = "Get array of specific Redis command documentation",
                                 .since = "7.0.0",
                                 .complexity = "O(N) where N is the number of commands to look up",
                                 .arguments = kCommandDocsArgs,
                                 .tips = kCommandDocsTips};

const CommandDoc kCommandGetkeys = {.summary = "Extract keys given a full Redis command",
                                    .since = "2.8.13",
                                    .complexity = "O(N) where N is the number of arguments to the command"};

const CommandDoc kCommandGetkeysandflags = {.summary = "Extract keys and access flags given a full Redis command",
                                            .since = "7.0.0",
                                            .complexity = "O(N) where N is the number of arguments to the command"};

const CommandDoc kCommandHelp = {
    .summary = "Show helpful text about the different subcommands", .since = "5.0.0", .complexity = "O(1)"};

constexpr HistoryDoc kCommandInfoHistory[] = {
    {"7.0.0", "Allowed to be called with no argument to get info on all commands."}};
constexpr ArgumentDoc kCommandInfoArgs[] = {{.name = "command-name", .type = "string", .flags = "optional multiple"}};
constexpr std::string_view kCommandInfoTips[] = {"nondeterministic_output_order"};
const CommandDoc kCommandInfo = {
    .summary = "Get array of specific Redis command details, or all when no argument is given.",
    .since = "2.8.13",
    .complexity = "O(N) where N is the number of commands to look up",
    .history = kCommandInfoHistory,
    .arguments = kCommandInfoArgs,
    .tips = kCommandInfoTips};

constexpr ArgumentDoc kCommandListArgsFilterby[] = {{.name = "module-name", .type = "string", .token = "MODULE"},
                                                    {.name = "category", .type = "string", .token = "ACLCAT"},
                                                    {.name = "pattern", .type = "pattern", .token = "PATTERN"}};
constexpr ArgumentDoc kCommandListArgs[] = {{.name = "filterby",
                                             .type = "oneof",
                                             .token = "FILTERBY",
                                             .flags = "optional",
                                             .arguments = kCommandListArgsFilterby}};
constexpr std::string_view kCommandListTips[] = {"nondeterministic_output_order"};
const CommandDoc kCommandList = {.summary = "Get an array of Redis command names",
                                 .since = "7.0.0",
                                 .complexity = "O(N) where N is the total number of Redis commands",
                                 .arguments = kCommandListArgs,
                                 .tips = kCommandListTips};

const CommandDoc kConfig = {.summary = "A container for server configuration commands",
                            .since = "2.0.0",
                            .complexity = "Depends on subcommand."};

constexpr HistoryDoc kConfigGetHistory[] = {
    {"7.0.0", "Added the ability to pass multiple pattern parameters in one call"}};
constexpr ArgumentDoc kConfigGetArgsParameter[] = {{.name = "parameter", .type = "string"}};
constexpr ArgumentDoc kConfigGetArgs[] = {
    {.name = "parameter", .type = "block", .flags = "multiple", .arguments = kConfigGetArgsParameter}};
const CommandDoc kConfigGet = {.summary = "Get the values of configuration parameters",
                               .since = "2.0.0",
                               .complexity = "O(N) when N is the number of configuration parameters provided",
                               .history = kConfigGetHistory,
                               .arguments = kConfigGetArgs};

const CommandDoc kConfigHelp = {
    .summary = "Show helpful text about the different subcommands", .since = "5.0.0", .complexity = "O(1)"};

const CommandDoc kConfigResetstat = {
    .summary = "Reset the stats returned by INFO", .since = "2.0.0", .complexity = "O(1)"};

const CommandDoc kConfigRewrite = {.summary = "Rewrite the configuration file with the in memory configuration",
                                   .since = "2.8.0",
                                   .complexity = "O(1)"};

constexpr HistoryDoc kConfigSetHistory[] = {{"7.0.0", "Added the ability to set multiple parameters in one call."}};
constexpr ArgumentDoc kConfigSetArgsParameterValue[] = {{.name = "parameter", .type = "string"},
                                                        {.name = "value", .type = "string"}};
constexpr ArgumentDoc kConfigSetArgs[] = {
    {.name = "parameter_value", .type = "block", .flags = "multiple", .arguments = kConfigSetArgsParameterValue}};
constexpr std::string_view kConfigSetTips[] = {"request_policy:all_nodes", "response_policy:all_succeeded"};
const CommandDoc kConfigSet = {.summary = "Set configuration parameters to the given values",
                               .since = "2.0.0",
                               .complexity = "O(N) when N is the number of configuration parameters provided",
                               .history = kConfigSetHistory,
                               .arguments = kConfigSetArgs,
                               .tips = kConfigSetTips};

constexpr std::string_view kDbsizeTips[] = {"request_policy:all_shards", "response_policy:agg_sum"};
const CommandDoc kDbsize = {.summary = "Return the number of keys in the selected database",
                            .since = "1.0.0",
                            .complexity = "O(1)",
                            .tips = kDbsizeTips};

const CommandDoc kDebug = {.summary = "A container for debugging commands",
                           .since = "1.0.0",
                           .complexity = "Depends on subcommand.",
                           .flags = "syscmd"};

constexpr ArgumentDoc kEchoArgs[] = {{.name = "message", .type = "string"}};
const CommandDoc kEcho = {
    .summary = "Echo the given string", .since = "1.0.0", .complexity = "O(1)", .arguments = kEchoArgs};

constexpr HistoryDoc kFlushallHistory[] = {{"4.0.0", "Added the `ASYNC` flushing mode modifier."},
                                           {"6.2.0", "Added the `SYNC` flushing mode modifier."}};
constexpr ArgumentDoc kFlushallArgsAsync[] = {
    {.name = "async", .type = "pure-token", .token = "ASYNC", .since = "4.0.0"},
    {.name = "sync", .type = "pure-token", .token = "SYNC", .since = "6.2.0"}};
constexpr ArgumentDoc kFlushallArgs[] = {
    {.name = "async", .type = "oneof", .flags = "optional", .arguments = kFlushallArgsAsync}};
constexpr std::string_view kFlushallTips[] = {"request_policy:all_shards", "response_policy:all_succeeded"};
const CommandDoc kFlushall = {.summary = "Remove all keys from all databases",
                              .since = "1.0.0",
                              .complexity = "O(N) where N is the total number of keys in all databases",
                              .history = kFlushallHistory,
                              .arguments = kFlushallArgs,
                              .tips = kFlushallTips};

constexpr HistoryDoc kFlushdbHistory[] = {{"4.0.0", "Added the `ASYNC` flushing mode modifier."},
                                          {"6.2.0", "Added the `SYNC` flushing mode modifier."}};
constexpr ArgumentDoc kFlushdbArgsAsync[] = {
    {.name = "async", .type = "pure-token", .token = "ASYNC", .since = "4.0.0"},
    {.name = "sync", .type = "pure-token", .token = "SYNC", .since = "6.2.0"}};
constexpr ArgumentDoc kFlushdbArgs[] = {
    {.name = "async", .type = "oneof", .flags = "optional", .arguments = kFlushdbArgsAsync}};
constexpr std::string_view kFlushdbTips[] = {"request_policy:all_shards", "response_policy:all_succeeded"};
const CommandDoc kFlushdb = {.summary = "Remove all keys from the current database",
                             .since = "1.0.0",
                             .complexity = "O(N) where N is the number of keys in the selected database",
                             .history = kFlushdbHistory,
                             .arguments = kFlushdbArgs,
                             .tips = kFlushdbTips};

const CommandDoc kFunction = {
    .summary = "A container for function commands", .since = "7.0.0", .complexity = "Depends on subcommand."};

constexpr ArgumentDoc kFunctionFlushArgsAsync[] = {{.name = "async", .type = "pure-token", .token = "ASYNC"},
                                                   {.name = "sync", .type = "pure-token", .token = "SYNC"}};
constexpr ArgumentDoc kFunctionFlushArgs[] = {
    {.name = "async", .type = "oneof", .flags = "optional", .arguments = kFunctionFlushArgsAsync}};
constexpr std::string_view kFunctionFlushTips[] = {"request_policy:all_shards", "response_policy:all_succeeded"};
const CommandDoc kFunctionFlush = {.summary = "Deleting all functions",
                                   .since = "7.0.0",
                                   .complexity = "O(N) where N is the number of functions deleted",
                                   .arguments = kFunctionFlushArgs,
                                   .tips = kFunctionFlushTips};

constexpr HistoryDoc kHelloHistory[] = {
    {"6.2.0",
     "`protover` made optional; when called without arguments the command reports the current connection's context."}};
constexpr ArgumentDoc kHelloArgsArgumentsUsernamePassword[] = {{.name = "username", .type = "string"},
                                                               {.name = "password", .type = "string"}};
constexpr ArgumentDoc kHelloArgsArguments[] = {
    {.name = "protover", .type = "integer"},
    {.name = "username_password",
     .type = "block",
     .token = "AUTH",
     .flags = "optional",
     .arguments = kHelloArgsArgumentsUsernamePassword},
    {.name = "clientname", .type = "string", .token = "SETNAME", .flags = "optional"}};
constexpr ArgumentDoc kHelloArgs[] = {
    {.name = "arguments", .type = "block", .flags = "optional", .arguments = kHelloArgsArguments}};
const CommandDoc kHello = {.summary = "Handshake with Redis",
                           .since = "6.0.0",
                           .complexity = "O(1)",
                           .history = kHelloHistory,
                           .arguments = kHelloArgs};

constexpr HistoryDoc kInfoHistory[] = {{"7.0.0", "Added support for taking multiple section arguments."}};
constexpr ArgumentDoc kInfoArgs[] = {{.name = "section", .type = "string", .flags = "optional multiple"}};
constexpr std::string_view kInfoTips[] = {"nondeterministic_output", "request_policy:all_shards",
                                          "response_policy:special"};
const CommandDoc kInfo = {.summary = "Get information and statistics about the server",
                          .since = "1.0.0",
                          .complexity = "O(1)",
                          .history = kInfoHistory,
                          .arguments = kInfoArgs,
                          .tips = kInfoTips};

constexpr std::string_view kLastsaveTips[] = {"nondeterministic_output"};
const CommandDoc kLastsave = {.summary = "Get the UNIX time stamp of the last successful save to disk",
                              .since = "1.0.0",
                              .complexity = "O(1)",
                              .tips = kLastsaveTips};

const CommandDoc kLatency = {.summary = "A container for latency diagnostics commands",
                             .since = "2.8.13",
                             .complexity = "Depends on subcommand."};

constexpr std::string_view kLatencyDoctorTips[] = {"nondeterministic_output", "request_policy:all_nodes",
                                                   "response_policy:special"};
const CommandDoc kLatencyDoctor = {.summary = "Return a human readable latency analysis report.",
                                   .since = "2.8.13",
                                   .complexity = "O(1)",
                                   .tips = kLatencyDoctorTips};

constexpr ArgumentDoc kLatencyGraphArgs[] = {{.name = "event", .type = "string"}};
constexpr std::string_view kLatencyGraphTips[] = {"nondeterministic_output", "request_policy:all_nodes",
                                                  "response_policy:special"};
const CommandDoc kLatencyGraph = {.summary = "Return a latency graph for the event.",
                                  .since = "2.8.13",
                                  .complexity = "O(1)",
                                  .arguments = kLatencyGraphArgs,
                                  .tips = kLatencyGraphTips};

const CommandDoc kLatencyHelp = {
    .summary = "Show helpful text about the different subcommands.", .since = "2.8.13", .complexity = "O(1)"};

constexpr ArgumentDoc kLatencyHistogramArgs[] = {{.name = "command", .type = "string", .flags = "optional multiple"}};
constexpr std::string_view kLatencyHistogramTips[] = {"nondeterministic_output", "request_policy:all_nodes",
                                                      "response_policy:special"};
const CommandDoc kLatencyHistogram = {
    .summary = "Return the cumulative distribution of latencies of a subset of commands or all.",
    .since = "7.0.0",
    .complexity = "O(N) where N is the number of commands with latency information being retrieved.",
    .arguments = kLatencyHistogramArgs,
    .tips = kLatencyHistogramTips};

constexpr ArgumentDoc kLatencyHistoryArgs[] = {{.name = "event", .type = "string"}};
constexpr std::string_view kLatencyHistoryTips[] = {"nondeterministic_output", "request_policy:all_nodes",
                                                    "response_policy:special"};
const CommandDoc kLatencyHistory = {.summary = "Return timestamp-latency samples for the event.",
                                    .since = "2.8.13",
                                    .complexity = "O(1)",
                                    .arguments = kLatencyHistoryArgs,
                                    .tips = kLatencyHistoryTips};

constexpr std::string_view kLatencyLatestTips[] = {"nondeterministic_output", "request_policy:all_nodes",
                                                   "response_policy:special"};
const CommandDoc kLatencyLatest = {.summary = "Return the latest latency samples for all events.",
                                   .since = "2.8.13",
                                   .complexity = "O(1)",
                                   .tips = kLatencyLatestTips};

constexpr ArgumentDoc kLatencyResetArgs[] = {{.name = "event", .type = "string", .flags = "optional multiple"}};
constexpr std::string_view kLatencyResetTips[] = {"request_policy:all_nodes", "response_policy:all_succeeded"};
const CommandDoc kLatencyReset = {.summary = "Reset latency data for one or more events.",
                                  .since = "2.8.13",
                                  .complexity = "O(1)",
                                  .arguments = kLatencyResetArgs,
                                  .tips = kLatencyResetTips};

constexpr ArgumentDoc kLolwutArgs[] = {{.name = "version", .type = "integer", .token = "VERSION", .flags = "optional"}};
const CommandDoc kLolwut = {
    .summary = "Display some computer art and the Redis version", .since = "5.0.0", .arguments = kLolwutArgs};

const CommandDoc kMemory = {
    .summary = "A container for memory diagnostics commands", .since = "4.0.0", .complexity = "Depends on subcommand."};

constexpr std::string_view kMemoryDoctorTips[] = {"nondeterministic_output", "request_policy:all_shards",
                                                  "response_policy:special"};
const CommandDoc kMemoryDoctor = {
    .summary = "Outputs memory problems report", .since = "4.0.0", .complexity = "O(1)", .tips = kMemoryDoctorTips};

const CommandDoc kMemoryHelp = {
    .summary = "Show helpful text about the different subcommands", .since = "4.0.0", .complexity = "O(1)"};

constexpr std::string_view kMemoryMallocStatsTips[] = {"nondeterministic_output", "request_policy:all_shards",
                                                       "response_policy:special"};
const CommandDoc kMemoryMallocStats = {.summary = "Show allocator internal stats",
                                       .since = "4.0.0",
                                       .complexity = "Depends on how much memory is allocated, could be slow",
                                       .tips = kMemoryMallocStatsTips};

constexpr std::string_view kMemoryPurgeTips[] = {"request_policy:all_shards", "response_policy:all_succeeded"};
const CommandDoc kMemoryPurge = {.summary = "Ask the allocator to release memory",
                                 .since = "4.0.0",
                                 .complexity = "Depends on how much memory is allocated, could be slow",
                                 .tips = kMemoryPurgeTips};

constexpr std::string_view kMemoryStatsTips[] = {"nondeterministic_output", "request_policy:all_shards",
                                                 "response_policy:special"};
const CommandDoc kMemoryStats = {
    .summary = "Show memory usage details", .since = "4.0.0", .complexity = "O(1)", .tips = kMemoryStatsTips};

constexpr ArgumentDoc kMemoryUsageArgs[] = {
    {.name = "key", .type = "key", .key_spec_index = 0},
    {.name = "count", .type = "integer", .token = "SAMPLES", .flags = "optional"}};
const CommandDoc kMemoryUsage = {.summary = "Estimate the memory usage of a key",
                                 .since = "4.0.0",
                                 .complexity = "O(N) where N is the number of samples.",
                                 .arguments = kMemoryUsageArgs};

const CommandDoc kMonitor = {.summary = "Listen for all requests received by the server in real time",
                             .since = "1.0.0"};

constexpr ArgumentDoc kPingArgs[] = {{.name = "message", .type = "string", .flags = "optional"}};
constexpr std::string_view kPingTips[] = {"request_policy:all_shards", "response_policy:all_succeeded"};
const CommandDoc kPing = {
    .summary = "Ping the server", .since = "1.0.0", .complexity = "O(1)", .arguments = kPingArgs, .tips = kPingTips};

const CommandDoc kQuit = {.summary = "Close the connection", .since = "1.0.0", .complexity = "O(1)"};

const CommandDoc kReset = {.summary = "Reset the connection", .since = "6.2.0", .complexity = "O(1)"};

const CommandDoc kRole = {.summary = "Return the role of the instance in the context of replication",
                          .since = "2.8.12",
                          .complexity = "O(1)"};

const CommandDoc kSave = {.summary = "Synchronously save the dataset to disk",
                          .since = "1.0.0",
                          .complexity = "O(N) where N is the total number of keys in all databases"};

const CommandDoc kScript = {.summary = "A container for Lua scripts management commands",
                            .since = "2.6.0",
                            .complexity = "Depends on subcommand."};

constexpr ArgumentDoc kScriptExistsArgs[] = {{.name = "sha1", .type = "string", .flags = "multiple"}};
constexpr std::string_view kScriptExistsTips[] = {"request_policy:all_shards", "response_policy:agg_logical_and"};
const CommandDoc kScriptExists = {
    .summary = "Check existence of scripts in the script cache.",
    .since = "2.6.0",
    .complexity =
        "O(N) with N being the number of scripts to check (so checking a single script is an O(1) operation).",
    .arguments = kScriptExistsArgs,
    .tips = kScriptExistsTips};

constexpr HistoryDoc kScriptFlushHistory[] = {{"6.2.0", "Added the `ASYNC` and `SYNC` flushing mode modifiers."}};
constexpr ArgumentDoc kScriptFlushArgsAsync[] = {{.name = "async", .type = "pure-token", .token = "ASYNC"},
                                                 {.name = "sync", .type = "pure-token", .token = "SYNC"}};
constexpr ArgumentDoc kScriptFlushArgs[] = {
    {.name = "async", .type = "oneof", .since = "6.2.0", .flags = "optional", .arguments = kScriptFlushArgsAsync}};
constexpr std::string_view kScriptFlushTips[] = {"request_policy:all_nodes", "response_policy:all_succeeded"};
const CommandDoc kScriptFlush = {.summary = "Remove all the scripts from the script cache.",
                                 .since = "2.6.0",
                                 .complexity = "O(N) with N being the number of scripts in cache",
                                 .history = kScriptFlushHistory,
                                 .arguments = kScriptFlushArgs,
                                 .tips = kScriptFlushTips};

constexpr ArgumentDoc kSelectArgs[] = {{.name = "index", .type = "integer"}};
const CommandDoc kSelect = {.summary = "Change the selected database for the current connection",
                            .since = "1.0.0",
                            .complexity = "O(1)",
                            .arguments = kSelectArgs};

constexpr HistoryDoc kShutdownHistory[] = {{"7.0.0", "Added the `NOW`, `FORCE` and `ABORT` modifiers."}};
constexpr ArgumentDoc kShutdownArgsNosaveSave[] = {{.name = "nosave", .type = "pure-token", .token = "NOSAVE"},
                                                   {.name = "save", .type = "pure-token", .token = "SAVE"}};
constexpr ArgumentDoc kShutdownArgs[] = {
    {.name = "nosave_save", .type = "oneof", .flags = "optional", .arguments = kShutdownArgsNosaveSave},
    {.name = "now", .type = "pure-token", .token = "NOW", .since = "7.0.0", .flags = "optional"},
    {.name = "force", .type = "pure-token", .token = "FORCE", .since = "7.0.0", .flags = "optional"},
    {.name = "abort", .type = "pure-token", .token = "ABORT", .since = "7.0.0", .flags = "optional"}};
const CommandDoc kShutdown = {
    .summary = "Synchronously save the dataset to disk and then shut down the server",
    .since = "1.0.0",
    .complexity =
        "O(N) when saving, where N is the total number of keys in all databases when saving data, otherwise O(1)",
    .history = kShutdownHistory,
    .arguments = kShutdownArgs};

const CommandDoc kSlowlog = {
    .summary = "A container for slow log commands", .since = "2.2.12", .complexity = "Depends on subcommand."};

constexpr HistoryDoc kSlowlogGetHistory[] = {{"4.0.0", "Added client IP address, port and name to the reply."}};
constexpr ArgumentDoc kSlowlogGetArgs[] = {{.name = "count", .type = "integer", .flags = "optional"}};
constexpr std::string_view kSlowlogGetTips[] = {"request_policy:all_nodes", "nondeterministic_output"};
const CommandDoc kSlowlogGet = {.summary = "Get the slow log's entries",
                                .since = "2.2.12",
                                .complexity = "O(N) where N is the number of entries returned",
                                .history = kSlowlogGetHistory,
                                .arguments = kSlowlogGetArgs,
                                .tips = kSlowlogGetTips};

const CommandDoc kSlowlogHelp = {
    .summary = "Show helpful text about the different subcommands", .since = "6.2.0", .complexity = "O(1)"};

constexpr std::string_view kSlowlogLenTips[] = {"request_policy:all_nodes", "response_policy:agg_sum",
                                                "nondeterministic_output"};
const CommandDoc kSlowlogLen = {
    .summary = "Get the slow log's length", .since = "2.2.12", .complexity = "O(1)", .tips = kSlowlogLenTips};

constexpr std::string_view kSlowlogResetTips[] = {"request_policy:all_nodes", "response_policy:all_succeeded"};
const CommandDoc kSlowlogReset = {.summary = "Clear all entries from the slow log",
                                  .since = "2.2.12",
                                  .complexity = "O(N) where N is the number of entries in the slowlog",
                                  .tips = kSlowlogResetTips};

constexpr ArgumentDoc kSwapdbArgs[] = {{.name = "index1", .type = "integer"}, {.name = "index2", .type = "integer"}};
const CommandDoc kSwapdb = {
    .summary = "Exchanges two databases",
    .since = "4.0.0",
    .complexity = "O(N) where N is the count of clients watching or blocking on keys from both databases.",
    .arguments = kSwapdbArgs};

constexpr std::string_view kTimeTips[] = {"nondeterministic_output"};
const CommandDoc kTime = {
    .summary = "Return the current server time", .since = "2.6.0", .complexity = "O(1)", .tips = kTimeTips};

}  // namespace varve::resp::docs
