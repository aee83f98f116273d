// resp/command_docs_data.cc - the texts of commands about keys, values, transactions and channels, by name.
#include "resp/command_docs.h"

namespace varve::resp::docs {

constexpr ArgumentDoc kAppendArgs[] = {{.name = "key", .type = "key", .key_spec_index = 0},
                                       {.name = "value", .type = "string"}};
const CommandDoc kAppend = {.summary = "Append a value to a key",
                            .since = "2.0.0",
                            .complexity =
                                "O(1). The amortized time complexity is O(1) assuming the appended value is small and "
                                "the already present value is of any size, since the dynamic string library used by "
                                "Redis will double the free space available on every reallocation.",
                            .arguments = kAppendArgs};

constexpr HistoryDoc kBitcountHistory[] = {{"7.0.0", "Added the `BYTE|BIT` option."}};
constexpr ArgumentDoc kBitcountArgsIndexIndexUnit[] = {{.name = "byte", .type = "pure-token", .token = "BYTE"},
                                                       {.name = "bit", .type = "pure-token", .token = "BIT"}};
constexpr ArgumentDoc kBitcountArgsIndex[] = {{.name = "start", .type = "integer"},
                                              {.name = "end", .type = "integer"},
                                              {.name = "index_unit",
                                               .type = "oneof",
                                               .since = "7.0.0",
                                               .flags = "optional",
                                               .arguments = kBitcountArgsIndexIndexUnit}};
constexpr ArgumentDoc kBitcountArgs[] = {
    {.name = "key", .type = "key", .key_spec_index = 0},
    {.name = "index", .type = "block", .flags = "optional", .arguments = kBitcountArgsIndex}};
const CommandDoc kBitcount = {.summary = "Counts the set bits of a string or of a range in it",
                              .since = "2.6.0",
                              .complexity = "O(N)",
                              .history = kBitcountHistory,
                              .arguments = kBitcountArgs};

constexpr ArgumentDoc kBitfieldArgsOperationEncodingOffset[] = {{.name = "encoding", .type = "string"},
                                                                {.name = "offset", .type = "integer"}};
constexpr ArgumentDoc kBitfieldArgsOperationWriteWrapSatFail[] = {
    {.name = "wrap", .type = "pure-token", .token = "WRAP"},
    {.name = "sat", .type = "pure-token", .token = "SAT"},
    {.name = "fail", .type = "pure-token", .token = "FAIL"}};
constexpr ArgumentDoc kBitfieldArgsOperationWriteWriteOperationEncodingOffsetValue[] = {
    {.name = "encoding", .type = "string"},
    {.name = "offset", .type = "integer"},
    {.name = "value", .type = "integer"}};
constexpr ArgumentDoc kBitfieldArgsOperationWriteWriteOperationEncodingOffsetIncrement[] = {
    {.name = "encoding", .type = "string"},
    {.name = "offset", .type = "integer"},
    {.name = "increment", .type = "integer"}};
constexpr ArgumentDoc kBitfieldArgsOperationWriteWriteOperation[] = {
    {.name = "encoding_offset_value",
     .type = "block",
     .token = "SET",
     .arguments = kBitfieldArgsOperationWriteWriteOperationEncodingOffsetValue},
    {.name = "encoding_offset_increment",
     .type = "block",
     .token = "INCRBY",
     .arguments = kBitfieldArgsOperationWriteWriteOperationEncodingOffsetIncrement}};
constexpr ArgumentDoc kBitfieldArgsOperationWrite[] = {
    {.name = "wrap_sat_fail",
     .type = "oneof",
     .token = "OVERFLOW",
     .flags = "optional",
     .arguments = kBitfieldArgsOperationWriteWrapSatFail},
    {.name = "write_operation", .type = "oneof", .arguments = kBitfieldArgsOperationWriteWriteOperation}};
constexpr ArgumentDoc kBitfieldArgsOperation[] = {
    {.name = "encoding_offset", .type = "block", .token = "GET", .arguments = kBitfieldArgsOperationEncodingOffset},
    {.name = "write", .type = "block", .arguments = kBitfieldArgsOperationWrite}};
constexpr ArgumentDoc kBitfieldArgs[] = {
    {.name = "key", .type = "key", .key_spec_index = 0},
    {.name = "operation", .type = "oneof", .flags = "optional multiple", .arguments = kBitfieldArgsOperation}};
const CommandDoc kBitfield = {.summary = "Reads and changes integers of any width at any place in a string",
                              .since = "3.2.0",
                              .complexity = "O(1) for each subcommand specified",
                              .arguments = kBitfieldArgs};

constexpr ArgumentDoc kBitfieldRoArgsEncodingOffset[] = {{.name = "encoding", .type = "string"},
                                                         {.name = "offset", .type = "integer"}};
constexpr ArgumentDoc kBitfieldRoArgs[] = {{.name = "key", .type = "key", .key_spec_index = 0},
                                           {.name = "encoding_offset",
                                            .type = "block",
                                            .token = "GET",
                                            .flags = "optional multiple multiple_token",
                                            .arguments = kBitfieldRoArgsEncodingOffset}};
const CommandDoc kBitfieldRo = {.summary = "Reads integers of any width at any place in a string",
                                .since = "6.0.0",
                                .complexity = "O(1) for each subcommand specified",
                                .arguments = kBitfieldRoArgs};

constexpr ArgumentDoc kBitopArgs[] = {{.name = "operation", .type = "string"},
                                      {.name = "destkey", .type = "key", .key_spec_index = 0},
                                      {.name = "key", .type = "key", .key_spec_index = 1, .flags = "multiple"}};
const CommandDoc kBitop = {.summary = "Combines strings bit by bit into another",
                           .since = "2.6.0",
                           .complexity = "O(N)",
                           .arguments = kBitopArgs};

constexpr HistoryDoc kBitposHistory[] = {{"7.0.0", "Added the `BYTE|BIT` option."}};
constexpr ArgumentDoc kBitposArgsIndexEndIndexIndexUnit[] = {{.name = "byte", .type = "pure-token", .token = "BYTE"},
                                                             {.name = "bit", .type = "pure-token", .token = "BIT"}};
constexpr ArgumentDoc kBitposArgsIndexEndIndex[] = {{.name = "end", .type = "integer"},
                                                    {.name = "index_unit",
                                                     .type = "oneof",
                                                     .since = "7.0.0",
                                                     .flags = "optional",
                                                     .arguments = kBitposArgsIndexEndIndexIndexUnit}};
constexpr ArgumentDoc kBitposArgsIndex[] = {
    {.name = "start", .type = "integer"},
    {.name = "end_index", .type = "block", .flags = "optional", .arguments = kBitposArgsIndexEndIndex}};
constexpr ArgumentDoc kBitposArgs[] = {
    {.name = "key", .type = "key", .key_spec_index = 0},
    {.name = "bit", .type = "integer"},
    {.name = "index", .type = "block", .flags = "optional", .arguments = kBitposArgsIndex}};
const CommandDoc kBitpos = {.summary = "Finds the first set or clear bit of a string",
                            .since = "2.8.7",
                            .complexity = "O(N)",
                            .history = kBitposHistory,
                            .arguments = kBitposArgs};

constexpr ArgumentDoc kCopyArgs[] = {
    {.name = "source", .type = "key", .key_spec_index = 0},
    {.name = "destination", .type = "key", .key_spec_index = 1},
    {.name = "destination-db", .type = "integer", .token = "DB", .flags = "optional"},
    {.name = "replace", .type = "pure-token", .token = "REPLACE", .flags = "optional"}};
const CommandDoc kCopy = {
    .summary = "Copy a key",
    .since = "6.2.0",
    .complexity = "O(N) worst case for collections, where N is the number of nested items. O(1) for string values.",
    .arguments = kCopyArgs};

constexpr ArgumentDoc kDecrArgs[] = {{.name = "key", .type = "key", .key_spec_index = 0}};
const CommandDoc kDecr = {.summary = "Decrement the integer value of a key by one",
                          .since = "1.0.0",
                          .complexity = "O(1)",
                          .arguments = kDecrArgs};

constexpr ArgumentDoc kDecrbyArgs[] = {{.name = "key", .type = "key", .key_spec_index = 0},
                                       {.name = "decrement", .type = "integer"}};
const CommandDoc kDecrby = {.summary = "Decrement the integer value of a key by the given number",
                            .since = "1.0.0",
                            .complexity = "O(1)",
                            .arguments = kDecrbyArgs};

constexpr ArgumentDoc kDelArgs[] = {{.name = "key", .type = "key", .key_spec_index = 0, .flags = "multiple"}};
constexpr std::string_view kDelTips[] = {"request_policy:multi_shard", "response_policy:agg_sum"};
const CommandDoc kDel = {
    .summary = "Delete a key",
    .since = "1.0.0",
    .complexity =
        "O(N) where N is the number of keys that will be removed. When a key to remove holds a value other than a "
        "string, the individual complexity for this key is O(M) where M is the number of elements in the list, set, "
        "sorted set or hash. Removing a single key that holds a string value is O(1).",
    .arguments = kDelArgs,
    .tips = kDelTips};

// Valkey 9.0's.
constexpr ArgumentDoc kDelifeqArgs[] = {{.name = "key", .type = "key", .key_spec_index = 0},
                                        {.name = "value", .type = "string"}};
const CommandDoc kDelifeq = {.summary = "Deletes a string if it has the given value",
                             .since = "9.0.0",
                             .complexity = "O(1)",
                             .arguments = kDelifeqArgs};

const CommandDoc kDiscard = {.summary = "Discard all commands issued after MULTI",
                             .since = "2.0.0",
                             .complexity = "O(N), when N is the number of queued commands"};

constexpr ArgumentDoc kDumpArgs[] = {{.name = "key", .type = "key", .key_spec_index = 0}};
constexpr std::string_view kDumpTips[] = {"nondeterministic_output"};
const CommandDoc kDump = {.summary = "Returns the value of a key in bytes that RESTORE takes",
                          .since = "2.6.0",
                          .complexity =
                              "O(1) to access the key and additional O(N*M) to serialize it, where N is the number of "
                              "Redis objects composing the value and M their average size. For small string values the "
                              "time complexity is thus O(1)+O(1*M) where M is small, so simply O(1).",
                          .arguments = kDumpArgs,
                          .tips = kDumpTips};

const CommandDoc kExec = {.summary = "Execute all commands issued after MULTI",
                          .since = "1.2.0",
                          .complexity = "Depends on commands in the transaction"};

constexpr HistoryDoc kExistsHistory[] = {{"3.0.3", "Accepts multiple `key` arguments."}};
constexpr ArgumentDoc kExistsArgs[] = {{.name = "key", .type = "key", .key_spec_index = 0, .flags = "multiple"}};
constexpr std::string_view kExistsTips[] = {"request_policy:multi_shard", "response_policy:agg_sum"};
const CommandDoc kExists = {.summary = "Determine if a key exists",
                            .since = "1.0.0",
                            .complexity = "O(N) where N is the number of keys to check.",
                            .history = kExistsHistory,
                            .arguments = kExistsArgs,
                            .tips = kExistsTips};

constexpr HistoryDoc kExpireHistory[] = {{"7.0.0", "Added options: `NX`, `XX`, `GT` and `LT`."}};
constexpr ArgumentDoc kExpireArgsCondition[] = {{.name = "nx", .type = "pure-token", .token = "NX"},
                                                {.name = "xx", .type = "pure-token", .token = "XX"},
                                                {.name = "gt", .type = "pure-token", .token = "GT"},
                                                {.name = "lt", .type = "pure-token", .token = "LT"}};
constexpr ArgumentDoc kExpireArgs[] = {
    {.name = "key", .type = "key", .key_spec_index = 0},
    {.name = "seconds", .type = "integer"},
    {.name = "condition", .type = "oneof", .since = "7.0.0", .flags = "optional", .arguments = kExpireArgsCondition}};
const CommandDoc kExpire = {.summary = "Set a key's time to live in seconds",
                            .since = "1.0.0",
                            .complexity = "O(1)",
                            .history = kExpireHistory,
                            .arguments = kExpireArgs};

constexpr HistoryDoc kExpireatHistory[] = {{"7.0.0", "Added options: `NX`, `XX`, `GT` and `LT`."}};
constexpr ArgumentDoc kExpireatArgsCondition[] = {{.name = "nx", .type = "pure-token", .token = "NX"},
                                                  {.name = "xx", .type = "pure-token", .token = "XX"},
                                                  {.name = "gt", .type = "pure-token", .token = "GT"},
                                                  {.name = "lt", .type = "pure-token", .token = "LT"}};
constexpr ArgumentDoc kExpireatArgs[] = {
    {.name = "key", .type = "key", .key_spec_index = 0},
    {.name = "unix-time-seconds", .type = "unix-time"},
    {.name = "condition", .type = "oneof", .since = "7.0.0", .flags = "optional", .arguments = kExpireatArgsCondition}};
const CommandDoc kExpireat = {.summary = "Set the expiration for a key as a UNIX timestamp",
                              .since = "1.2.0",
                              .complexity = "O(1)",
                              .history = kExpireatHistory,
                              .arguments = kExpireatArgs};

constexpr ArgumentDoc kExpiretimeArgs[] = {{.name = "key", .type = "key", .key_spec_index = 0}};
const CommandDoc kExpiretime = {.summary = "Get the expiration Unix timestamp for a key",
                                .since = "7.0.0",
                                .complexity = "O(1)",
                                .arguments = kExpiretimeArgs};

constexpr ArgumentDoc kGetArgs[] = {{.name = "key", .type = "key", .key_spec_index = 0}};
const CommandDoc kGet = {
    .summary = "Get the value of a key", .since = "1.0.0", .complexity = "O(1)", .arguments = kGetArgs};

constexpr ArgumentDoc kGetbitArgs[] = {{.name = "key", .type = "key", .key_spec_index = 0},
                                       {.name = "offset", .type = "integer"}};
const CommandDoc kGetbit = {
    .summary = "Returns one bit of a string", .since = "2.2.0", .complexity = "O(1)", .arguments = kGetbitArgs};

constexpr ArgumentDoc kGetdelArgs[] = {{.name = "key", .type = "key", .key_spec_index = 0}};
const CommandDoc kGetdel = {.summary = "Get the value of a key and delete the key",
                            .since = "6.2.0",
                            .complexity = "O(1)",
                            .arguments = kGetdelArgs};

constexpr ArgumentDoc kGetexArgsExpiration[] = {
    {.name = "seconds", .type = "integer", .token = "EX"},
    {.name = "milliseconds", .type = "integer", .token = "PX"},
    {.name = "unix-time-seconds", .type = "unix-time", .token = "EXAT"},
    {.name = "unix-time-milliseconds", .type = "unix-time", .token = "PXAT"},
    {.name = "persist", .type = "pure-token", .token = "PERSIST"}};
constexpr ArgumentDoc kGetexArgs[] = {
    {.name = "key", .type = "key", .key_spec_index = 0},
    {.name = "expiration", .type = "oneof", .flags = "optional", .arguments = kGetexArgsExpiration}};
const CommandDoc kGetex = {.summary = "Get the value of a key and optionally set its expiration",
                           .since = "6.2.0",
                           .complexity = "O(1)",
                           .arguments = kGetexArgs};

constexpr ArgumentDoc kGetrangeArgs[] = {{.name = "key", .type = "key", .key_spec_index = 0},
                                         {.name = "start", .type = "integer"},
                                         {.name = "end", .type = "integer"}};
const CommandDoc kGetrange = {.summary = "Get a substring of the string stored at a key",
                              .since = "2.4.0",
                              .complexity =
                                  "O(N) where N is the length of the returned string. The complexity is ultimately "
                                  "determined by the returned length, but because creating a substring from an "
                                  "existing string is very cheap, it can be considered O(1) for small strings.",
                              .arguments = kGetrangeArgs};

constexpr ArgumentDoc kGetsetArgs[] = {{.name = "key", .type = "key", .key_spec_index = 0},
                                       {.name = "value", .type = "string"}};
const CommandDoc kGetset = {.summary = "Set the string value of a key and return its old value",
                            .since = "1.0.0",
                            .complexity = "O(1)",
                            .deprecated_since = "6.2.0",
                            .replaced_by = "`SET` with the `!GET` argument",
                            .arguments = kGetsetArgs};

constexpr ArgumentDoc kIncrArgs[] = {{.name = "key", .type = "key", .key_spec_index = 0}};
const CommandDoc kIncr = {.summary = "Increment the integer value of a key by one",
                          .since = "1.0.0",
                          .complexity = "O(1)",
                          .arguments = kIncrArgs};

constexpr ArgumentDoc kIncrbyArgs[] = {{.name = "key", .type = "key", .key_spec_index = 0},
                                       {.name = "increment", .type = "integer"}};
const CommandDoc kIncrby = {.summary = "Increment the integer value of a key by the given amount",
                            .since = "1.0.0",
                            .complexity = "O(1)",
                            .arguments = kIncrbyArgs};

constexpr ArgumentDoc kIncrbyfloatArgs[] = {{.name = "key", .type = "key", .key_spec_index = 0},
                                            {.name = "increment", .type = "double"}};
const CommandDoc kIncrbyfloat = {.summary = "Increment the float value of a key by the given amount",
                                 .since = "2.6.0",
                                 .complexity = "O(1)",
                                 .arguments = kIncrbyfloatArgs};

constexpr ArgumentDoc kKeysArgs[] = {{.name = "pattern", .type = "pattern"}};
constexpr std::string_view kKeysTips[] = {"request_policy:all_shards", "nondeterministic_output_order"};
const CommandDoc kKeys = {.summary = "Find all keys matching the given pattern",
                          .since = "1.0.0",
                          .complexity =
                              "O(N) with N being the number of keys in the database, under the assumption that the key "
                              "names in the database and the given pattern have limited length.",
                          .arguments = kKeysArgs,
                          .tips = kKeysTips};

constexpr ArgumentDoc kLcsArgs[] = {
    {.name = "key1", .type = "key", .key_spec_index = 0},
    {.name = "key2", .type = "key", .key_spec_index = 0},
    {.name = "len", .type = "pure-token", .token = "LEN", .flags = "optional"},
    {.name = "idx", .type = "pure-token", .token = "IDX", .flags = "optional"},
    {.name = "len", .type = "integer", .token = "MINMATCHLEN", .flags = "optional"},
    {.name = "withmatchlen", .type = "pure-token", .token = "WITHMATCHLEN", .flags = "optional"}};
const CommandDoc kLcs = {.summary = "Finds a longest common subsequence of two strings",
                         .since = "7.0.0",
                         .complexity = "O(N*M) where N and M are the lengths of s1 and s2, respectively",
                         .arguments = kLcsArgs};

constexpr ArgumentDoc kMgetArgs[] = {{.name = "key", .type = "key", .key_spec_index = 0, .flags = "multiple"}};
constexpr std::string_view kMgetTips[] = {"request_policy:multi_shard"};
const CommandDoc kMget = {.summary = "Get the values of all the given keys",
                          .since = "1.0.0",
                          .complexity = "O(N) where N is the number of keys to retrieve.",
                          .arguments = kMgetArgs,
                          .tips = kMgetTips};

constexpr ArgumentDoc kMoveArgs[] = {{.name = "key", .type = "key", .key_spec_index = 0},
                                     {.name = "db", .type = "integer"}};
const CommandDoc kMove = {
    .summary = "Moves a key to another database", .since = "1.0.0", .complexity = "O(1)", .arguments = kMoveArgs};

constexpr ArgumentDoc kMsetArgsKeyValue[] = {{.name = "key", .type = "key", .key_spec_index = 0},
                                             {.name = "value", .type = "string"}};
constexpr ArgumentDoc kMsetArgs[] = {
    {.name = "key_value", .type = "block", .flags = "multiple", .arguments = kMsetArgsKeyValue}};
constexpr std::string_view kMsetTips[] = {"request_policy:multi_shard", "response_policy:all_succeeded"};
const CommandDoc kMset = {.summary = "Set multiple keys to multiple values",
                          .since = "1.0.1",
                          .complexity = "O(N) where N is the number of keys to set.",
                          .arguments = kMsetArgs,
                          .tips = kMsetTips};

// Redis 8.4's and Valkey 9.1's.
constexpr ArgumentDoc kMsetexArgsData[] = {{.name = "key", .type = "key", .key_spec_index = 0},
                                           {.name = "value", .type = "string"}};
constexpr ArgumentDoc kMsetexArgsCondition[] = {{.name = "nx", .type = "pure-token", .token = "NX"},
                                                {.name = "xx", .type = "pure-token", .token = "XX"}};
constexpr ArgumentDoc kMsetexArgsExpiration[] = {
    {.name = "seconds", .type = "integer", .token = "EX"},
    {.name = "milliseconds", .type = "integer", .token = "PX"},
    {.name = "unix-time-seconds", .type = "unix-time", .token = "EXAT"},
    {.name = "unix-time-milliseconds", .type = "unix-time", .token = "PXAT"},
    {.name = "keepttl", .type = "pure-token", .token = "KEEPTTL"}};
constexpr ArgumentDoc kMsetexArgs[] = {
    {.name = "numkeys", .type = "integer"},
    {.name = "data", .type = "block", .flags = "multiple", .arguments = kMsetexArgsData},
    {.name = "condition", .type = "oneof", .flags = "optional", .arguments = kMsetexArgsCondition},
    {.name = "expiration", .type = "oneof", .flags = "optional", .arguments = kMsetexArgsExpiration}};
const CommandDoc kMsetex = {.summary = "Sets several strings and one time to live for all, or none of them",
                            .since = "8.4.0",
                            .complexity = "O(N) where N is the number of keys to set",
                            .arguments = kMsetexArgs};

constexpr ArgumentDoc kMsetnxArgsKeyValue[] = {{.name = "key", .type = "key", .key_spec_index = 0},
                                               {.name = "value", .type = "string"}};
constexpr ArgumentDoc kMsetnxArgs[] = {
    {.name = "key_value", .type = "block", .flags = "multiple", .arguments = kMsetnxArgsKeyValue}};
constexpr std::string_view kMsetnxTips[] = {"request_policy:multi_shard", "response_policy:agg_min"};
const CommandDoc kMsetnx = {.summary = "Set multiple keys to multiple values, only if none of the keys exist",
                            .since = "1.0.1",
                            .complexity = "O(N) where N is the number of keys to set.",
                            .arguments = kMsetnxArgs,
                            .tips = kMsetnxTips};

const CommandDoc kMulti = {.summary = "Mark the start of a transaction block", .since = "1.2.0", .complexity = "O(1)"};

const CommandDoc kObject = {.summary = "A container for object introspection commands",
                            .since = "2.2.3",
                            .complexity = "Depends on subcommand."};

constexpr ArgumentDoc kObjectEncodingArgs[] = {{.name = "key", .type = "key", .key_spec_index = 0}};
constexpr std::string_view kObjectEncodingTips[] = {"nondeterministic_output"};
const CommandDoc kObjectEncoding = {.summary = "Inspect the internal encoding of a Redis object",
                                    .since = "2.2.3",
                                    .complexity = "O(1)",
                                    .arguments = kObjectEncodingArgs,
                                    .tips = kObjectEncodingTips};

constexpr ArgumentDoc kObjectFreqArgs[] = {{.name = "key", .type = "key", .key_spec_index = 0}};
constexpr std::string_view kObjectFreqTips[] = {"nondeterministic_output"};
const CommandDoc kObjectFreq = {.summary = "Get the logarithmic access frequency counter of a Redis object",
                                .since = "4.0.0",
                                .complexity = "O(1)",
                                .arguments = kObjectFreqArgs,
                                .tips = kObjectFreqTips};

const CommandDoc kObjectHelp = {
    .summary = "Show helpful text about the different subcommands", .since = "6.2.0", .complexity = "O(1)"};

constexpr ArgumentDoc kObjectIdletimeArgs[] = {{.name = "key", .type = "key", .key_spec_index = 0}};
constexpr std::string_view kObjectIdletimeTips[] = {"nondeterministic_output"};
const CommandDoc kObjectIdletime = {.summary = "Get the time since a Redis object was last accessed",
                                    .since = "2.2.3",
                                    .complexity = "O(1)",
                                    .arguments = kObjectIdletimeArgs,
                                    .tips = kObjectIdletimeTips};

constexpr ArgumentDoc kObjectRefcountArgs[] = {{.name = "key", .type = "key", .key_spec_index = 0}};
constexpr std::string_view kObjectRefcountTips[] = {"nondeterministic_output"};
const CommandDoc kObjectRefcount = {.summary = "Get the number of references to the value of the key",
                                    .since = "2.2.3",
                                    .complexity = "O(1)",
                                    .arguments = kObjectRefcountArgs,
                                    .tips = kObjectRefcountTips};

constexpr ArgumentDoc kPersistArgs[] = {{.name = "key", .type = "key", .key_spec_index = 0}};
const CommandDoc kPersist = {
    .summary = "Remove the expiration from a key", .since = "2.2.0", .complexity = "O(1)", .arguments = kPersistArgs};

constexpr HistoryDoc kPexpireHistory[] = {{"7.0.0", "Added options: `NX`, `XX`, `GT` and `LT`."}};
constexpr ArgumentDoc kPexpireArgsCondition[] = {{.name = "nx", .type = "pure-token", .token = "NX"},
                                                 {.name = "xx", .type = "pure-token", .token = "XX"},
                                                 {.name = "gt", .type = "pure-token", .token = "GT"},
                                                 {.name = "lt", .type = "pure-token", .token = "LT"}};
constexpr ArgumentDoc kPexpireArgs[] = {
    {.name = "key", .type = "key", .key_spec_index = 0},
    {.name = "milliseconds", .type = "integer"},
    {.name = "condition", .type = "oneof", .since = "7.0.0", .flags = "optional", .arguments = kPexpireArgsCondition}};
const CommandDoc kPexpire = {.summary = "Set a key's time to live in milliseconds",
                             .since = "2.6.0",
                             .complexity = "O(1)",
                             .history = kPexpireHistory,
                             .arguments = kPexpireArgs};

constexpr HistoryDoc kPexpireatHistory[] = {{"7.0.0", "Added options: `NX`, `XX`, `GT` and `LT`."}};
constexpr ArgumentDoc kPexpireatArgsCondition[] = {{.name = "nx", .type = "pure-token", .token = "NX"},
                                                   {.name = "xx", .type = "pure-token", .token = "XX"},
                                                   {.name = "gt", .type = "pure-token", .token = "GT"},
                                                   {.name = "lt", .type = "pure-token", .token = "LT"}};
constexpr ArgumentDoc kPexpireatArgs[] = {{.name = "key", .type = "key", .key_spec_index = 0},
                                          {.name = "unix-time-milliseconds", .type = "unix-time"},
                                          {.name = "condition",
                                           .type = "oneof",
                                           .since = "7.0.0",
                                           .flags = "optional",
                                           .arguments = kPexpireatArgsCondition}};
const CommandDoc kPexpireat = {.summary = "Set the expiration for a key as a UNIX timestamp specified in milliseconds",
                               .since = "2.6.0",
                               .complexity = "O(1)",
                               .history = kPexpireatHistory,
                               .arguments = kPexpireatArgs};

constexpr ArgumentDoc kPexpiretimeArgs[] = {{.name = "key", .type = "key", .key_spec_index = 0}};
const CommandDoc kPexpiretime = {.summary = "Get the expiration Unix timestamp for a key in milliseconds",
                                 .since = "7.0.0",
                                 .complexity = "O(1)",
                                 .arguments = kPexpiretimeArgs};

constexpr ArgumentDoc kPfaddArgs[] = {{.name = "key", .type = "key", .key_spec_index = 0},
                                      {.name = "element", .type = "string", .flags = "optional multiple"}};
const CommandDoc kPfadd = {.summary = "Counts elements in a HyperLogLog, made when it is not there",
                           .since = "2.8.9",
                           .complexity = "O(1) to add every element.",
                           .arguments = kPfaddArgs};

constexpr ArgumentDoc kPfcountArgs[] = {{.name = "key", .type = "key", .key_spec_index = 0, .flags = "multiple"}};
const CommandDoc kPfcount = {
    .summary = "Estimates how many distinct elements one or several HyperLogLogs have counted together",
    .since = "2.8.9",
    .complexity =
        "O(1) with a very small average constant time when called with a single key. O(N) with N being the number of "
        "keys, and much bigger constant times, when called with multiple keys.",
    .arguments = kPfcountArgs};

constexpr ArgumentDoc kPfdebugArgs[] = {{.name = "subcommand", .type = "string"},
                                        {.name = "key", .type = "key", .key_spec_index = 0}};
const CommandDoc kPfdebug = {.summary = "Shows or changes how a HyperLogLog is stored",
                             .since = "2.8.9",
                             .complexity = "N/A",
                             .flags = "syscmd",
                             .arguments = kPfdebugArgs};

constexpr ArgumentDoc kPfmergeArgs[] = {{.name = "destkey", .type = "key", .key_spec_index = 0},
                                        {.name = "sourcekey", .type = "key", .key_spec_index = 1, .flags = "multiple"}};
const CommandDoc kPfmerge = {.summary = "Makes one HyperLogLog of several",
                             .since = "2.8.9",
                             .complexity = "O(N) to merge N HyperLogLogs, but with high constant times.",
                             .arguments = kPfmergeArgs};

const CommandDoc kPfselftest = {
    .summary = "Checks the HyperLogLog code", .since = "2.8.9", .complexity = "N/A", .flags = "syscmd"};

constexpr ArgumentDoc kPsetexArgs[] = {{.name = "key", .type = "key", .key_spec_index = 0},
                                       {.name = "milliseconds", .type = "integer"},
                                       {.name = "value", .type = "string"}};
const CommandDoc kPsetex = {.summary = "Set the value and expiration in milliseconds of a key",
                            .since = "2.6.0",
                            .complexity = "O(1)",
                            .arguments = kPsetexArgs};

constexpr ArgumentDoc kPsubscribeArgsPattern[] = {{.name = "pattern", .type = "pattern"}};
constexpr ArgumentDoc kPsubscribeArgs[] = {
    {.name = "pattern", .type = "block", .flags = "multiple", .arguments = kPsubscribeArgsPattern}};
const CommandDoc kPsubscribe = {
    .summary = "Listen for messages published to channels matching the given patterns",
    .since = "2.0.0",
    .complexity = "O(N) where N is the number of patterns the client is already subscribed to.",
    .arguments = kPsubscribeArgs};

constexpr HistoryDoc kPttlHistory[] = {{"2.8.0", "Added the -2 reply."}};
constexpr ArgumentDoc kPttlArgs[] = {{.name = "key", .type = "key", .key_spec_index = 0}};
constexpr std::string_view kPttlTips[] = {"nondeterministic_output"};
const CommandDoc kPttl = {.summary = "Get the time to live for a key in milliseconds",
                          .since = "2.6.0",
                          .complexity = "O(1)",
                          .history = kPttlHistory,
                          .arguments = kPttlArgs,
                          .tips = kPttlTips};

constexpr ArgumentDoc kPublishArgs[] = {{.name = "channel", .type = "string"}, {.name = "message", .type = "string"}};
const CommandDoc kPublish = {.summary = "Post a message to a channel",
                             .since = "2.0.0",
                             .complexity =
                                 "O(N+M) where N is the number of clients subscribed to the receiving channel and M is "
                                 "the total number of subscribed patterns (by any client).",
                             .arguments = kPublishArgs};

const CommandDoc kPubsub = {
    .summary = "A container for Pub/Sub commands", .since = "2.8.0", .complexity = "Depends on subcommand."};

constexpr ArgumentDoc kPubsubChannelsArgs[] = {{.name = "pattern", .type = "pattern", .flags = "optional"}};
const CommandDoc kPubsubChannels = {.summary = "List active channels",
                                    .since = "2.8.0",
                                    .complexity =
                                        "O(N) where N is the number of active channels, and assuming constant time "
                                        "pattern matching (relatively short channels and patterns)",
                                    .arguments = kPubsubChannelsArgs};

const CommandDoc kPubsubHelp = {
    .summary = "Show helpful text about the different subcommands", .since = "6.2.0", .complexity = "O(1)"};

const CommandDoc kPubsubNumpat = {
    .summary = "Get the count of unique patterns pattern subscriptions", .since = "2.8.0", .complexity = "O(1)"};

constexpr ArgumentDoc kPubsubNumsubArgs[] = {{.name = "channel", .type = "string", .flags = "optional multiple"}};
const CommandDoc kPubsubNumsub = {
    .summary = "Get the count of subscribers for channels",
    .since = "2.8.0",
    .complexity = "O(N) for the NUMSUB subcommand, where N is the number of requested channels",
    .arguments = kPubsubNumsubArgs};

constexpr ArgumentDoc kPubsubShardchannelsArgs[] = {{.name = "pattern", .type = "pattern", .flags = "optional"}};
const CommandDoc kPubsubShardchannels = {.summary = "List active shard channels",
                                         .since = "7.0.0",
                                         .complexity =
                                             "O(N) where N is the number of active shard channels, and assuming "
                                             "constant time pattern matching (relatively short shard channels).",
                                         .arguments = kPubsubShardchannelsArgs};

constexpr ArgumentDoc kPubsubShardnumsubArgs[] = {
    {.name = "shardchannel", .type = "string", .flags = "optional multiple"}};
const CommandDoc kPubsubShardnumsub = {
    .summary = "Get the count of subscribers for shard channels",
    .since = "7.0.0",
    .complexity = "O(N) for the SHARDNUMSUB subcommand, where N is the number of requested shard channels",
    .arguments = kPubsubShardnumsubArgs};

constexpr ArgumentDoc kPunsubscribeArgs[] = {{.name = "pattern", .type = "pattern", .flags = "optional multiple"}};
const CommandDoc kPunsubscribe = {
    .summary = "Stop listening for messages posted to channels matching the given patterns",
    .since = "2.0.0",
    .complexity =
        "O(N+M) where N is the number of patterns the client is already subscribed and M is the number of total "
        "patterns subscribed in the system (by any client).",
    .arguments = kPunsubscribeArgs};

constexpr std::string_view kRandomkeyTips[] = {"request_policy:all_shards", "nondeterministic_output"};
const CommandDoc kRandomkey = {
    .summary = "Return a random key from the keyspace", .since = "1.0.0", .complexity = "O(1)", .tips = kRandomkeyTips};

constexpr ArgumentDoc kRenameArgs[] = {{.name = "key", .type = "key", .key_spec_index = 0},
                                       {.name = "newkey", .type = "key", .key_spec_index = 1}};
const CommandDoc kRename = {
    .summary = "Rename a key", .since = "1.0.0", .complexity = "O(1)", .arguments = kRenameArgs};

constexpr HistoryDoc kRenamenxHistory[] = {
    {"3.2.0", "The command no longer returns an error when source and destination names are the same."}};
constexpr ArgumentDoc kRenamenxArgs[] = {{.name = "key", .type = "key", .key_spec_index = 0},
                                         {.name = "newkey", .type = "key", .key_spec_index = 1}};
const CommandDoc kRenamenx = {.summary = "Rename a key, only if the new key does not exist",
                              .since = "1.0.0",
                              .complexity = "O(1)",
                              .history = kRenamenxHistory,
                              .arguments = kRenamenxArgs};

constexpr HistoryDoc kRestoreHistory[] = {{"3.0.0", "Added the `REPLACE` modifier."},
                                          {"5.0.0", "Added the `ABSTTL` modifier."},
                                          {"5.0.0", "Added the `IDLETIME` and `FREQ` options."}};
constexpr ArgumentDoc kRestoreArgs[] = {
    {.name = "key", .type = "key", .key_spec_index = 0},
    {.name = "ttl", .type = "integer"},
    {.name = "serialized-value", .type = "string"},
    {.name = "replace", .type = "pure-token", .token = "REPLACE", .since = "3.0.0", .flags = "optional"},
    {.name = "absttl", .type = "pure-token", .token = "ABSTTL", .since = "5.0.0", .flags = "optional"},
    {.name = "seconds", .type = "integer", .token = "IDLETIME", .since = "5.0.0", .flags = "optional"},
    {.name = "frequency", .type = "integer", .token = "FREQ", .since = "5.0.0", .flags = "optional"}};
const CommandDoc kRestore = {
    .summary = "Makes a key of the bytes that DUMP gave",
    .since = "2.6.0",
    .complexity =
        "O(1) to create the new key and additional O(N*M) to reconstruct the serialized value, where N is the number "
        "of Redis objects composing the value and M their average size. For small string values the time complexity is "
        "thus O(1)+O(1*M) where M is small, so simply O(1). However for sorted set values the complexity is "
        "O(N*M*log(N)) because inserting values into sorted sets is O(log(N)).",
    .history = kRestoreHistory,
    .arguments = kRestoreArgs};

constexpr HistoryDoc kRestoreAskingHistory[] = {{"3.0.0", "Added the `REPLACE` modifier."},
                                                {"5.0.0", "Added the `ABSTTL` modifier."},
                                                {"5.0.0", "Added the `IDLETIME` and `FREQ` options."}};
constexpr ArgumentDoc kRestoreAskingArgs[] = {
    {.name = "key", .type = "key", .key_spec_index = 0},
    {.name = "ttl", .type = "integer"},
    {.name = "serialized-value", .type = "string"},
    {.name = "replace", .type = "pure-token", .token = "REPLACE", .since = "3.0.0", .flags = "optional"},
    {.name = "absttl", .type = "pure-token", .token = "ABSTTL", .since = "5.0.0", .flags = "optional"},
    {.name = "seconds", .type = "integer", .token = "IDLETIME", .since = "5.0.0", .flags = "optional"},
    {.name = "frequency", .type = "integer", .token = "FREQ", .since = "5.0.0", .flags = "optional"}};
const CommandDoc kRestoreAsking = {
    .summary = "RESTORE, as nodes of a cluster send it",
    .since = "3.0.0",
    .complexity =
        "O(1) to create the new key and additional O(N*M) to reconstruct the serialized value, where N is the number "
        "of Redis objects composing the value and M their average size. For small string values the time complexity is "
        "thus O(1)+O(1*M) where M is small, so simply O(1). However for sorted set values the complexity is "
        "O(N*M*log(N)) because inserting values into sorted sets is O(log(N)).",
    .flags = "syscmd",
    .history = kRestoreAskingHistory,
    .arguments = kRestoreAskingArgs};

constexpr HistoryDoc kScanHistory[] = {{"6.0.0", "Added the `TYPE` subcommand."}};
constexpr ArgumentDoc kScanArgs[] = {
    {.name = "cursor", .type = "integer"},
    {.name = "pattern", .type = "pattern", .token = "MATCH", .flags = "optional"},
    {.name = "count", .type = "integer", .token = "COUNT", .flags = "optional"},
    {.name = "type", .type = "string", .token = "TYPE", .since = "6.0.0", .flags = "optional"}};
constexpr std::string_view kScanTips[] = {"nondeterministic_output", "request_policy:special"};
const CommandDoc kScan = {.summary = "Incrementally iterate the keys space",
                          .since = "2.8.0",
                          .complexity =
                              "O(1) for every call. O(N) for a complete iteration, including enough command calls for "
                              "the cursor to return back to 0. N is the number of elements inside the collection.",
                          .history = kScanHistory,
                          .arguments = kScanArgs,
                          .tips = kScanTips};

constexpr HistoryDoc kSetHistory[] = {{"2.6.12", "Added the `EX`, `PX`, `NX` and `XX` options."},
                                      {"6.0.0", "Added the `KEEPTTL` option."},
                                      {"6.2.0", "Added the `GET`, `EXAT` and `PXAT` option."},
                                      {"7.0.0", "Allowed the `NX` and `GET` options to be used together."}};
constexpr ArgumentDoc kSetArgsCondition[] = {
    {.name = "nx", .type = "pure-token", .token = "NX"},
    {.name = "xx", .type = "pure-token", .token = "XX"},
    // Valkey 8.1's.
    {.name = "comparison-value", .type = "string", .token = "IFEQ", .since = "8.1.0"}};
constexpr ArgumentDoc kSetArgsExpiration[] = {
    {.name = "seconds", .type = "integer", .token = "EX", .since = "2.6.12"},
    {.name = "milliseconds", .type = "integer", .token = "PX", .since = "2.6.12"},
    {.name = "unix-time-seconds", .type = "unix-time", .token = "EXAT", .since = "6.2.0"},
    {.name = "unix-time-milliseconds", .type = "unix-time", .token = "PXAT", .since = "6.2.0"},
    {.name = "keepttl", .type = "pure-token", .token = "KEEPTTL", .since = "6.0.0"}};
constexpr ArgumentDoc kSetArgs[] = {
    {.name = "key", .type = "key", .key_spec_index = 0},
    {.name = "value", .type = "string"},
    {.name = "condition", .type = "oneof", .since = "2.6.12", .flags = "optional", .arguments = kSetArgsCondition},
    {.name = "get", .type = "pure-token", .token = "GET", .since = "6.2.0", .flags = "optional"},
    {.name = "expiration", .type = "oneof", .flags = "optional", .arguments = kSetArgsExpiration}};
const CommandDoc kSet = {.summary = "Set the string value of a key",
                         .since = "1.0.0",
                         .complexity = "O(1)",
                         .history = kSetHistory,
                         .arguments = kSetArgs};

constexpr ArgumentDoc kSetbitArgs[] = {{.name = "key", .type = "key", .key_spec_index = 0},
                                       {.name = "offset", .type = "integer"},
                                       {.name = "value", .type = "integer"}};
const CommandDoc kSetbit = {
    .summary = "Sets one bit of a string, lengthening it when needed, and returns what the bit was",
    .since = "2.2.0",
    .complexity = "O(1)",
    .arguments = kSetbitArgs};

constexpr ArgumentDoc kSetexArgs[] = {{.name = "key", .type = "key", .key_spec_index = 0},
                                      {.name = "seconds", .type = "integer"},
                                      {.name = "value", .type = "string"}};
const CommandDoc kSetex = {.summary = "Set the value and expiration of a key",
                           .since = "2.0.0",
                           .complexity = "O(1)",
                           .arguments = kSetexArgs};

constexpr ArgumentDoc kSetnxArgs[] = {{.name = "key", .type = "key", .key_spec_index = 0},
                                      {.name = "value", .type = "string"}};
const CommandDoc kSetnx = {.summary = "Set the value of a key, only if the key does not exist",
                           .since = "1.0.0",
                           .complexity = "O(1)",
                           .arguments = kSetnxArgs};

constexpr ArgumentDoc kSetrangeArgs[] = {{.name = "key", .type = "key", .key_spec_index = 0},
                                         {.name = "offset", .type = "integer"},
                                         {.name = "value", .type = "string"}};
const CommandDoc kSetrange = {
    .summary = "Overwrite part of a string at key starting at the specified offset",
    .since = "2.2.0",
    .complexity =
        "O(1), not counting the time taken to copy the new string in place. Usually, this string is very small so the "
        "amortized complexity is O(1). Otherwise, complexity is O(M) with M being the length of the value argument.",
    .arguments = kSetrangeArgs};

constexpr ArgumentDoc kSpublishArgs[] = {{.name = "shardchannel", .type = "string"},
                                         {.name = "message", .type = "string"}};
const CommandDoc kSpublish = {
    .summary = "Post a message to a shard channel",
    .since = "7.0.0",
    .complexity = "O(N) where N is the number of clients subscribed to the receiving shard channel.",
    .arguments = kSpublishArgs};

constexpr ArgumentDoc kSsubscribeArgs[] = {{.name = "shardchannel", .type = "string", .flags = "multiple"}};
const CommandDoc kSsubscribe = {.summary = "Listen for messages published to the given shard channels",
                                .since = "7.0.0",
                                .complexity = "O(N) where N is the number of shard channels to subscribe to.",
                                .arguments = kSsubscribeArgs};

constexpr ArgumentDoc kStrlenArgs[] = {{.name = "key", .type = "key", .key_spec_index = 0}};
const CommandDoc kStrlen = {.summary = "Get the length of the value stored in a key",
                            .since = "2.2.0",
                            .complexity = "O(1)",
                            .arguments = kStrlenArgs};

constexpr ArgumentDoc kSubscribeArgs[] = {{.name = "channel", .type = "string", .flags = "multiple"}};
const CommandDoc kSubscribe = {.summary = "Listen for messages published to the given channels",
                               .since = "2.0.0",
                               .complexity = "O(N) where N is the number of channels to subscribe to.",
                               .arguments = kSubscribeArgs};

constexpr ArgumentDoc kSubstrArgs[] = {{.name = "key", .type = "key", .key_spec_index = 0},
                                       {.name = "start", .type = "integer"},
                                       {.name = "end", .type = "integer"}};
const CommandDoc kSubstr = {.summary = "Get a substring of the string stored at a key",
                            .since = "1.0.0",
                            .complexity =
                                "O(N) where N is the length of the returned string. The complexity is ultimately "
                                "determined by the returned length, but because creating a substring from an existing "
                                "string is very cheap, it can be considered O(1) for small strings.",
                            .deprecated_since = "2.0.0",
                            .replaced_by = "`GETRANGE`",
                            .arguments = kSubstrArgs};

constexpr ArgumentDoc kSunsubscribeArgs[] = {{.name = "shardchannel", .type = "string", .flags = "optional multiple"}};
const CommandDoc kSunsubscribe = {
    .summary = "Stop listening for messages posted to the given shard channels",
    .since = "7.0.0",
    .complexity = "O(N) where N is the number of clients already subscribed to a shard channel.",
    .arguments = kSunsubscribeArgs};

constexpr ArgumentDoc kTouchArgs[] = {{.name = "key", .type = "key", .key_spec_index = 0, .flags = "multiple"}};
constexpr std::string_view kTouchTips[] = {"request_policy:multi_shard", "response_policy:agg_sum"};
const CommandDoc kTouch = {
    .summary = "Alters the last access time of a key(s). Returns the number of existing keys specified.",
    .since = "3.2.1",
    .complexity = "O(N) where N is the number of keys that will be touched.",
    .arguments = kTouchArgs,
    .tips = kTouchTips};

constexpr HistoryDoc kTtlHistory[] = {{"2.8.0", "Added the -2 reply."}};
constexpr ArgumentDoc kTtlArgs[] = {{.name = "key", .type = "key", .key_spec_index = 0}};
constexpr std::string_view kTtlTips[] = {"nondeterministic_output"};
const CommandDoc kTtl = {.summary = "Get the time to live for a key in seconds",
                         .since = "1.0.0",
                         .complexity = "O(1)",
                         .history = kTtlHistory,
                         .arguments = kTtlArgs,
                         .tips = kTtlTips};

constexpr ArgumentDoc kTypeArgs[] = {{.name = "key", .type = "key", .key_spec_index = 0}};
const CommandDoc kType = {
    .summary = "Determine the type stored at key", .since = "1.0.0", .complexity = "O(1)", .arguments = kTypeArgs};

constexpr ArgumentDoc kUnlinkArgs[] = {{.name = "key", .type = "key", .key_spec_index = 0, .flags = "multiple"}};
constexpr std::string_view kUnlinkTips[] = {"request_policy:multi_shard", "response_policy:agg_sum"};
const CommandDoc kUnlink = {
    .summary = "Delete a key asynchronously in another thread. Otherwise it is just as DEL, but non blocking.",
    .since = "4.0.0",
    .complexity =
        "O(1) for each key removed regardless of its size. Then the command does O(N) work in a different thread in "
        "order to reclaim memory, where N is the number of allocations the deleted objects where composed of.",
    .arguments = kUnlinkArgs,
    .tips = kUnlinkTips};

constexpr ArgumentDoc kUnsubscribeArgs[] = {{.name = "channel", .type = "string", .flags = "optional multiple"}};
const CommandDoc kUnsubscribe = {.summary = "Stop listening for messages posted to the given channels",
                                 .since = "2.0.0",
                                 .complexity = "O(N) where N is the number of clients already subscribed to a channel.",
                                 .arguments = kUnsubscribeArgs};

const CommandDoc kUnwatch = {.summary = "Forget about all watched keys", .since = "2.2.0", .complexity = "O(1)"};

constexpr ArgumentDoc kWaitArgs[] = {{.name = "numreplicas", .type = "integer"},
                                     {.name = "timeout", .type = "integer"}};
constexpr std::string_view kWaitTips[] = {"request_policy:all_shards", "response_policy:agg_min"};
const CommandDoc kWait = {
    .summary =
        "Wait for the synchronous replication of all the write commands sent in the context of the current connection",
    .since = "3.0.0",
    .complexity = "O(1)",
    .arguments = kWaitArgs,
    .tips = kWaitTips};

constexpr ArgumentDoc kWatchArgs[] = {{.name = "key", .type = "key", .key_spec_index = 0, .flags = "multiple"}};
const CommandDoc kWatch = {.summary = "Watch the given keys to determine execution of the MULTI/EXEC block",
                           .since = "2.2.0",
                           .complexity = "O(1) for every key.",
                           .arguments = kWatchArgs};

}  // namespace varve::resp::docs
