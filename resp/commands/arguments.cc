#include "resp/commands/arguments.h"

#include <algorithm>
#include <climits>

namespace varve::resp {

bool ReadInt64(std::string_view text, CommandContext& c, int64_t* value, std::string_view error) {
  if (ParseInt64(text, value)) return true;
  c.reply.Error(error);
  return false;
}

bool ReadInt32(std::string_view text, CommandContext& c, int64_t* value) {
  if (!ReadInt64(text, c, value)) return false;
  if (*value >= INT_MIN && *value <= INT_MAX) return true;
  c.reply.Error("ERR value is out of range, value must between -2147483648 and 2147483647");
  return false;
}

namespace {
// "CLIENT" of client|list.
std::string ContainerName(CommandContext& c) {
  std::string name(c.command.full_name.substr(0, c.command.full_name.find('|')));
  for (char& letter : name) letter = letter >= 'a' && letter <= 'z' ? static_cast<char>(letter - 32) : letter;
  return name;
}
}  // namespace

void ReplyArity(CommandContext& c) {
  c.reply.Error("ERR wrong number of arguments for '" + std::string(c.command.full_name) + "' command");
}

void ReplyUnknownSubcommand(Args args, CommandContext& c) {
  const std::string_view what = args[1].substr(0, args[1].find('\0'));
  c.reply.Error("ERR unknown subcommand or wrong number of arguments for '" + std::string(what.substr(0, 128)) +
                "'. Try " + ContainerName(c) + " HELP.");
}

void ReplyInvalidExpire(CommandContext& c) {
  c.reply.Error("ERR invalid expire time in '" + std::string(c.command.full_name) + "' command");
}

// First the line that names the container, as Redis' addReplyHelp.
void ReplyHelp(CommandContext& c, std::initializer_list<std::string_view> lines) {
  c.reply.Array(lines.size() + 3);
  c.reply.Simple(ContainerName(c) + " <subcommand> [<arg> [value] [opt] ...]. Subcommands are:");
  for (std::string_view line : lines) c.reply.Simple(line);
  c.reply.Simple("HELP");
  c.reply.Simple("    Prints this help.");
}

namespace {
Found ToFound(const lsm::Result<bool>& found, CommandContext& c) {
  if (!found.ok()) {
    ReplyStatus(c.reply, found.status());
    return Found::kFailed;
  }
  return *found ? Found::kYes : Found::kNo;
}
}  // namespace

Found FindForWrite(std::string_view name, CommandContext& c, keyspace::Entry* entry) {
  return ToFound(c.keys.Find(c.db(), name, entry), c);
}

Found FindHeadForWrite(std::string_view name, CommandContext& c, keyspace::Entry* entry) {
  return ToFound(c.keys.FindHead(c.db(), name, entry), c);
}

bool MayOnlyLook(const CommandContext& c) {
  return c.dispatcher.clients_paused() && (c.command.flags & kWrite) == 0;
}

Found FindUnheard(std::string_view name, CommandContext& c, keyspace::Entry* entry) {
  const Found found = MayOnlyLook(c) ? ToFound(c.keys.Look(c.db(), name, entry), c) : FindForWrite(name, c, entry);
  if (found == Found::kYes) c.dispatcher.stats().keyspace_hits++;
  if (found == Found::kNo) c.dispatcher.stats().keyspace_misses++;
  return found;
}

Found FindForRead(std::string_view name, CommandContext& c, keyspace::Entry* entry) {
  const Found found = FindUnheard(name, c, entry);
  if (found == Found::kNo) c.Notify(kNotifyKeyMiss, "keymiss", name);
  return found;
}

namespace {
Found CheckString(Found found, CommandContext& c) {
  if (found != Found::kYes || c.entry.type == keyspace::Type::kString) return found;
  c.reply.Error(kWrongType);
  return Found::kFailed;
}
}  // namespace

Found FindStringForRead(std::string_view name, CommandContext& c) {
  return CheckString(FindForRead(name, c, &c.entry), c);
}

Found FindStringForWrite(std::string_view name, CommandContext& c) {
  return CheckString(FindForWrite(name, c, &c.entry), c);
}

void PrefetchNames(Args names, size_t at, CommandContext& c) {
  if (at % keyspace::Keyspace::kPrefetchMax == 0 && names.size() > 1) c.keys.Prefetch(c.db(), names.subspan(at));
}

bool PutString(std::string_view name, Found found, std::string_view value, uint64_t expire_ms, CommandContext& c) {
  const keyspace::Entry* prior = found == Found::kYes ? &c.entry : nullptr;
  lsm::Status status = c.keys.Put(c.db(), name, prior, keyspace::Type::kString, value, expire_ms);
  if (status.ok()) return true;
  ReplyStatus(c.reply, status);
  return false;
}

bool ReadTimeout(std::string_view text, CommandContext& c, uint64_t* end_us) {
  int64_t timeout_ms = 0;
  if (!ReadInt64(text, c, &timeout_ms, "ERR timeout is not an integer or out of range")) return false;
  if (timeout_ms < 0) {
    c.reply.Error("ERR timeout is negative");
    return false;
  }
  const uint64_t now_us = c.keys.clock()->MonotonicMicros();
  const auto longest_ms = static_cast<int64_t>((UINT64_MAX - now_us) / 1000);
  *end_us = timeout_ms == 0 ? 0 : now_us + static_cast<uint64_t>(std::min(timeout_ms, longest_ms)) * 1000;
  return true;
}

std::string_view StringEncoding(std::string_view value) {
  constexpr size_t kEmbeddedMax = 44;  // Redis keeps strings up to this in one allocation
  int64_t number = 0;
  if (ParseInt64(value, &number)) return "int";
  return value.size() <= kEmbeddedMax ? "embstr" : "raw";
}

bool ReadExpire(std::string_view text, ExpireUnit unit, CommandContext& c, uint64_t* expire_ms) {
  int64_t value = 0;
  if (!ReadInt64(text, c, &value)) return false;
  const bool overflow = value <= 0 || (unit.seconds && __builtin_mul_overflow(value, 1000, &value)) ||
                        (!unit.absolute && __builtin_add_overflow(value, c.keys.NowMs(), &value));
  if (overflow) {
    ReplyInvalidExpire(c);
    return false;
  }
  *expire_ms = static_cast<uint64_t>(value);
  return true;
}

}  // namespace varve::resp
