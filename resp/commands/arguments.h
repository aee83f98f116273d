// resp/commands/arguments.h - the steps most handlers begin with. Each writes the error reply itself when it fails.
#pragma once

#include <cstdint>
#include <string_view>

#include "resp/command_context.h"
#include "resp/errors.h"
#include "resp/numbers.h"
#include "resp/reply_status.h"

namespace varve::resp {

bool ReadInt64(std::string_view text, CommandContext& c, int64_t* value, std::string_view error = kNotAnInteger);
// An int in Redis' sense, with its two texts.
bool ReadInt32(std::string_view text, CommandContext& c, int64_t* value);
// Of the command running, by its full name.
void ReplyArity(CommandContext& c);
// Of a subcommand that reads its arguments itself.
void ReplyUnknownSubcommand(Args args, CommandContext& c);
void ReplyInvalidExpire(CommandContext& c);
void ReplyHelp(CommandContext& c, std::initializer_list<std::string_view> lines);

// While clients are paused nothing changes, also what has expired stays where it is.
bool MayOnlyLook(const CommandContext& c);

enum class Found : uint8_t { kNo, kYes, kFailed };  // kFailed: the error reply is written

// The key of any type into *entry. Reading counts as a keyspace hit or miss.
Found FindForRead(std::string_view name, CommandContext& c, keyspace::Entry* entry);
// The same without a keymiss event.
Found FindUnheard(std::string_view name, CommandContext& c, keyspace::Entry* entry);
Found FindForWrite(std::string_view name, CommandContext& c, keyspace::Entry* entry);
// The same without its value, which mostly costs no search. For commands that overwrite or delete it, or only count it.
Found FindHeadForWrite(std::string_view name, CommandContext& c, keyspace::Entry* entry);
// As the first two, and WRONGTYPE unless it is a string.
Found FindStringForRead(std::string_view name, CommandContext& c);
Found FindStringForWrite(std::string_view name, CommandContext& c);

// For commands that read many names, before they read the one at `at`: now and then brings it and the next ones near.
void PrefetchNames(Args names, size_t at, CommandContext& c);

// Writes a string record over what a Find of this command said; false: the error reply is written.
bool PutString(std::string_view name, Found found, std::string_view value, uint64_t expire_ms, CommandContext& c);

// How Redis would hold the string in memory: "int", "embstr" or "raw".
std::string_view StringEncoding(std::string_view value);

// An absolute time in milliseconds from an argument, relative to now unless `absolute`.
struct ExpireUnit {
  bool seconds = true;
  bool absolute = false;
};
// Milliseconds from now as a monotonic time in microseconds; 0 stays 0.
bool ReadTimeout(std::string_view text, CommandContext& c, uint64_t* end_us);
// As SET and GETEX read theirs: must be positive.
bool ReadExpire(std::string_view text, ExpireUnit unit, CommandContext& c, uint64_t* expire_ms);

}  // namespace varve::resp
