// resp/commands/keys.cc - commands on keys of any type, and on whole databases.
#include <cerrno>
#include <cstdlib>
#include <vector>

#include "resp/commands/arguments.h"
#include "resp/commands/handlers.h"

namespace varve::resp {
namespace {

bool PutEntry(int db, std::string_view name, const keyspace::Entry* prior, const keyspace::Entry& from,
              CommandContext& c) {
  lsm::Status status = c.keys.Put(db, name, prior, from.type, from.value, from.expire_ms);
  if (status.ok()) return true;
  ReplyStatus(c.reply, status);
  return false;
}

// --- EXPIRE and its variants ---

struct ExpireConditions {
  bool nx = false;
  bool xx = false;
  bool gt = false;
  bool lt = false;
};

bool ReadExpireConditions(Args args, CommandContext& c, ExpireConditions* out) {
  for (std::string_view option : args.subspan(3)) {
    if (EqualsIgnoreCase(option, "nx")) {
      out->nx = true;
    } else if (EqualsIgnoreCase(option, "xx")) {
      out->xx = true;
    } else if (EqualsIgnoreCase(option, "gt")) {
      out->gt = true;
    } else if (EqualsIgnoreCase(option, "lt")) {
      out->lt = true;
    } else {
      c.reply.Error("ERR Unsupported option " + std::string(option.substr(0, option.find('\0'))));
      return false;
    }
  }
  if (out->nx && (out->xx || out->gt || out->lt)) {
    c.reply.Error("ERR NX and XX, GT or LT options at the same time are not compatible");
    return false;
  }
  if (out->gt && out->lt) {
    c.reply.Error("ERR GT and LT options at the same time are not compatible");
    return false;
  }
  return true;
}

// No time to live counts as an endless one.
bool MayChangeExpiry(const ExpireConditions& when, int64_t current_ms, int64_t new_ms) {
  const bool endless = current_ms == 0;
  if (when.nx && !endless) return false;
  if (when.xx && endless) return false;
  if (when.gt && (endless || new_ms <= current_ms)) return false;
  return !when.lt || endless || new_ms < current_ms;
}

void ExpireAtTime(Args args, ExpireUnit unit, CommandContext& c) {
  ExpireConditions conditions;
  if (!ReadExpireConditions(args, c, &conditions)) return;
  int64_t when_ms = 0;
  if (!ReadInt64(args[2], c, &when_ms)) return;
  // A time in the past is fine, it deletes; one that does not fit is not.
  if (unit.seconds && __builtin_mul_overflow(when_ms, 1000, &when_ms)) return ReplyInvalidExpire(c);
  if (!unit.absolute && __builtin_add_overflow(when_ms, c.keys.NowMs(), &when_ms)) return ReplyInvalidExpire(c);
  const Found found = FindForWrite(args[1], c, &c.entry);
  if (found == Found::kFailed) return;
  if (found == Found::kNo || !MayChangeExpiry(conditions, static_cast<int64_t>(c.entry.expire_ms), when_ms)) {
    return c.reply.Integer(0);
  }
  if (when_ms <= c.keys.NowMs()) {
    c.keys.Delete(c.db(), args[1], c.entry);
    c.Notify(kNotifyGeneric, "del", args[1]);
    return c.reply.Integer(1);
  }
  lsm::Status status =
      c.keys.Put(c.db(), args[1], &c.entry, c.entry.type, c.entry.value, static_cast<uint64_t>(when_ms));
  if (!status.ok()) return ReplyStatus(c.reply, status);
  c.Notify(kNotifyGeneric, "expire", args[1]);
  c.reply.Integer(1);
}

void ReplyTimeLeft(std::string_view name, ExpireUnit unit, CommandContext& c) {
  const Found found = FindForRead(name, c, &c.entry);
  if (found == Found::kFailed) return;
  if (found == Found::kNo) return c.reply.Integer(-2);
  if (c.entry.expire_ms == 0) return c.reply.Integer(-1);
  int64_t ms = static_cast<int64_t>(c.entry.expire_ms);
  if (!unit.absolute) ms = std::max<int64_t>(ms - c.keys.NowMs(), 0);
  c.reply.Integer(unit.seconds ? (ms + 500) / 1000 : ms);
}

// --- RENAME ---

void RenameKey(Args args, bool only_new, CommandContext& c) {
  const std::string_view from = args[1];
  const std::string_view to = args[2];
  Found found = FindForWrite(from, c, &c.entry);
  if (found == Found::kFailed) return;
  if (found == Found::kNo) return c.reply.Error(kNoSuchKey);
  if (from != to) {
    found = FindForWrite(to, c, &c.other);
    if (found == Found::kFailed) return;
    if (only_new && found == Found::kYes) return c.reply.Integer(0);
    if (!PutEntry(c.db(), to, found == Found::kYes ? &c.other : nullptr, c.entry, c)) return;
    c.keys.Delete(c.db(), from, c.entry);
    if (found == Found::kYes) c.Notify(kNotifyNew, "new", to);  // Redis deletes what was there
    c.Notify(kNotifyGeneric, "rename_from", from);
    c.Notify(kNotifyGeneric, "rename_to", to);
  }
  if (!only_new) return c.reply.Ok();
  c.reply.Integer(from == to ? 0 : 1);
}

// --- flushing ---

bool ReadFlushMode(Args args, CommandContext& c) {
  if (args.size() == 1) return true;
  if (args.size() == 2 && (EqualsIgnoreCase(args[1], "sync") || EqualsIgnoreCase(args[1], "async"))) return true;
  c.reply.Error(kSyntaxError);
  return false;
}

// As strtoul reads it, sign and all.
bool ReadCursor(std::string_view text, CommandContext& c, uint64_t* cursor) {
  const std::string copy(text);
  char* end = nullptr;
  errno = 0;
  *cursor = strtoull(copy.c_str(), &end, 10);
  if (copy.empty() || (isspace(static_cast<unsigned char>(copy[0])) == 0 && *end == '\0' && errno != ERANGE)) {
    return true;
  }
  c.reply.Error("ERR invalid cursor");
  return false;
}

bool ReadScanOptions(Args args, CommandContext& c, keyspace::ScanOptions* out) {
  for (size_t i = 2; i < args.size(); i += 2) {
    const bool has_value = i + 1 < args.size();
    if (has_value && EqualsIgnoreCase(args[i], "count")) {
      int64_t count = 0;
      if (!ReadInt64(args[i + 1], c, &count)) return false;
      if (count < 1) {
        c.reply.Error(kSyntaxError);
        return false;
      }
      out->count = static_cast<uint64_t>(count);
    } else if (has_value && EqualsIgnoreCase(args[i], "match")) {
      out->pattern = args[i + 1];
    } else if (has_value && EqualsIgnoreCase(args[i], "type")) {
      out->any_type = false;
      out->type_name = args[i + 1];
    } else {
      c.reply.Error(kSyntaxError);
      return false;
    }
  }
  return true;
}

void CountExisting(Args args, CommandContext& c) {
  int64_t count = 0;
  const Args names = args.subspan(1);
  for (size_t i = 0; i < names.size(); ++i) {
    PrefetchNames(names, i, c);
    const Found found = FindForRead(names[i], c, &c.entry);
    if (found == Found::kFailed) return;
    if (found == Found::kYes) count++;
  }
  c.reply.Integer(count);
}

}  // namespace

void Del(Args args, CommandContext& c) {
  int64_t count = 0;
  for (std::string_view name : args.subspan(1)) {
    lsm::Result<bool> removed = c.keys.Remove(c.db(), name);
    if (!removed.ok()) return ReplyStatus(c.reply, removed.status());
    if (!*removed) continue;
    c.Notify(kNotifyGeneric, "del", name);
    count++;
  }
  c.reply.Integer(count);
}

void Exists(Args args, CommandContext& c) {
  CountExisting(args, c);
}

void Touch(Args args, CommandContext& c) {
  CountExisting(args, c);
}

void Type(Args args, CommandContext& c) {
  const Found found = FindForRead(args[1], c, &c.entry);
  if (found == Found::kFailed) return;
  c.reply.Simple(found == Found::kYes ? keyspace::TypeName(c.entry.type) : "none");
}

void Expire(Args args, CommandContext& c) {
  ExpireAtTime(args, {.seconds = true, .absolute = false}, c);
}

void PExpire(Args args, CommandContext& c) {
  ExpireAtTime(args, {.seconds = false, .absolute = false}, c);
}

void ExpireAt(Args args, CommandContext& c) {
  ExpireAtTime(args, {.seconds = true, .absolute = true}, c);
}

void PExpireAt(Args args, CommandContext& c) {
  ExpireAtTime(args, {.seconds = false, .absolute = true}, c);
}

void Ttl(Args args, CommandContext& c) {
  ReplyTimeLeft(args[1], {.seconds = true, .absolute = false}, c);
}

void PTtl(Args args, CommandContext& c) {
  ReplyTimeLeft(args[1], {.seconds = false, .absolute = false}, c);
}

void ExpireTime(Args args, CommandContext& c) {
  ReplyTimeLeft(args[1], {.seconds = true, .absolute = true}, c);
}

void PExpireTime(Args args, CommandContext& c) {
  ReplyTimeLeft(args[1], {.seconds = false, .absolute = true}, c);
}

void Persist(Args args, CommandContext& c) {
  const Found found = FindForWrite(args[1], c, &c.entry);
  if (found == Found::kFailed) return;
  if (found == Found::kNo || c.entry.expire_ms == 0) return c.reply.Integer(0);
  lsm::Status status = c.keys.Put(c.db(), args[1], &c.entry, c.entry.type, c.entry.value, 0);
  if (!status.ok()) return ReplyStatus(c.reply, status);
  c.Notify(kNotifyGeneric, "persist", args[1]);
  c.reply.Integer(1);
}

void Rename(Args args, CommandContext& c) {
  RenameKey(args, false, c);
}

void RenameNx(Args args, CommandContext& c) {
  RenameKey(args, true, c);
}

void Copy(Args args, CommandContext& c) {
  int64_t to_db = c.db();
  bool replace = false;
  for (size_t i = 3; i < args.size(); i++) {
    if (EqualsIgnoreCase(args[i], "replace")) {
      replace = true;
    } else if (EqualsIgnoreCase(args[i], "db") && i + 1 < args.size()) {
      if (!ReadInt32(args[++i], c, &to_db)) return;
      if (to_db < 0 || to_db >= keyspace::kDatabaseCount) return c.reply.Error(kDbOutOfRange);
    } else {
      return c.reply.Error(kSyntaxError);
    }
  }
  if (to_db == c.db() && args[1] == args[2]) return c.reply.Error(kSameObject);
  const Found found = FindForRead(args[1], c, &c.entry);
  if (found == Found::kFailed) return;
  if (found == Found::kNo) return c.reply.Integer(0);
  lsm::Result<bool> target = c.keys.Find(static_cast<int>(to_db), args[2], &c.other);
  if (!target.ok()) return ReplyStatus(c.reply, target.status());
  if (*target && !replace) return c.reply.Integer(0);
  if (!PutEntry(static_cast<int>(to_db), args[2], *target ? &c.other : nullptr, c.entry, c)) return;
  if (*target) c.dispatcher.Notify(kNotifyNew, "new", static_cast<int>(to_db), args[2]);
  c.dispatcher.Notify(kNotifyGeneric, "copy_to", static_cast<int>(to_db), args[2]);
  c.reply.Integer(1);
}

void Move(Args args, CommandContext& c) {
  int64_t to_db = 0;
  if (!ReadInt32(args[2], c, &to_db)) return;
  if (to_db < 0 || to_db >= keyspace::kDatabaseCount) return c.reply.Error(kDbOutOfRange);
  if (to_db == c.db()) return c.reply.Error(kSameObject);
  const int target_db = static_cast<int>(to_db);
  const Found found = FindForWrite(args[1], c, &c.entry);
  if (found == Found::kFailed) return;
  if (found == Found::kNo) return c.reply.Integer(0);
  lsm::Result<bool> target = c.keys.Find(target_db, args[1], &c.other);
  if (!target.ok()) return ReplyStatus(c.reply, target.status());
  if (*target) return c.reply.Integer(0);
  if (!PutEntry(target_db, args[1], nullptr, c.entry, c)) return;
  c.keys.Delete(c.db(), args[1], c.entry);
  c.Notify(kNotifyGeneric, "move_from", args[1]);
  c.dispatcher.Notify(kNotifyGeneric, "move_to", target_db, args[1]);
  c.reply.Integer(1);
}

void SwapDb(Args args, CommandContext& c) {
  int64_t first = 0;
  int64_t second = 0;
  constexpr auto is_int = [](int64_t value) { return value >= INT32_MIN && value <= INT32_MAX; };
  if (!ParseInt64(args[1], &first) || !is_int(first)) return c.reply.Error("ERR invalid first DB index");
  if (!ParseInt64(args[2], &second) || !is_int(second)) return c.reply.Error("ERR invalid second DB index");
  for (const int64_t db : {first, second}) {
    if (db < 0 || db >= keyspace::kDatabaseCount) return c.reply.Error(kDbOutOfRange);
  }
  const lsm::Status status = c.keys.SwapDatabases(static_cast<int>(first), static_cast<int>(second));
  if (!status.ok()) return ReplyStatus(c.reply, status);
  c.reply.Ok();
}

void Keys(Args args, CommandContext& c) {
  const size_t mark = c.reply.out().size();
  size_t count = 0;
  lsm::Status status = c.keys.ForEachName(c.db(), args[1], [&](std::string_view name) {
    c.reply.Bulk(name);
    count++;
    return !c.reply.overflowed();
  });
  if (status.ok()) return c.reply.ArrayAt(mark, count);
  c.reply.Rewind(mark);
  ReplyStatus(c.reply, status);
}

void Scan(Args args, CommandContext& c) {
  uint64_t cursor = 0;
  keyspace::ScanOptions options;
  if (!ReadCursor(args[1], c, &cursor) || !ReadScanOptions(args, c, &options)) return;
  std::vector<std::string> names;
  options.delete_expired = !MayOnlyLook(c);
  lsm::Result<uint64_t> next = c.keys.Scan(c.db(), cursor, options, &names);
  if (!next.ok()) {
    if (next.status().Is(lsm::StatusCode::kNotFound)) return c.reply.Error("ERR invalid cursor");
    return ReplyStatus(c.reply, next.status());
  }
  c.reply.Array(2);
  c.reply.Bulk(std::to_string(*next));
  c.reply.Array(names.size());
  for (const std::string& name : names) c.reply.Bulk(name);
}

void RandomKey(Args /*args*/, CommandContext& c) {
  lsm::Result<bool> found = c.keys.RandomName(c.db(), &c.scratch);
  if (!found.ok()) return ReplyStatus(c.reply, found.status());
  if (!*found) return c.reply.Null();
  c.reply.Bulk(c.scratch);
}

void DbSize(Args /*args*/, CommandContext& c) {
  c.reply.Integer(c.keys.counters(c.db()).keys);
}

void FlushDb(Args args, CommandContext& c) {
  if (!ReadFlushMode(args, c)) return;
  lsm::Status status = c.keys.FlushDb(c.db());
  if (!status.ok()) return ReplyStatus(c.reply, status);
  c.reply.Ok();
}

void FlushAll(Args args, CommandContext& c) {
  if (!ReadFlushMode(args, c)) return;
  for (int db = 0; db < keyspace::kDatabaseCount; db++) {
    lsm::Status status = c.keys.FlushDb(db);
    if (!status.ok()) return ReplyStatus(c.reply, status);
  }
  c.reply.Ok();
}

// --- OBJECT and MEMORY ---

void ObjectEncoding(Args args, CommandContext& c) {
  const Found found = FindUnheard(args[2], c, &c.entry);
  if (found == Found::kFailed) return;
  if (found == Found::kNo) return c.reply.Null();
  c.reply.Bulk(StringEncoding(c.entry.value));
}

void ObjectRefCount(Args args, CommandContext& c) {
  const Found found = FindUnheard(args[2], c, &c.entry);
  if (found == Found::kFailed) return;
  if (found == Found::kNo) return c.reply.Null();
  c.reply.Integer(1);
}

void ObjectIdleTime(Args args, CommandContext& c) {
  const Found found = FindUnheard(args[2], c, &c.entry);
  if (found == Found::kFailed) return;
  if (found == Found::kNo) return c.reply.Null();
  c.reply.Error("ERR idle time is not tracked: keys live on disk and none is ever evicted");
}

void ObjectFreq(Args args, CommandContext& c) {
  const Found found = FindUnheard(args[2], c, &c.entry);
  if (found == Found::kFailed) return;
  if (found == Found::kNo) return c.reply.Null();
  c.reply.Error(
      "ERR An LFU maxmemory policy is not selected, access frequency not tracked. Please note that when switching "
      "between policies at runtime LRU and LFU data will take some time to adjust.");
}

void ObjectHelp(Args /*args*/, CommandContext& c) {
  ReplyHelp(c, {"ENCODING <key>", "    Return the kind of internal representation used in order to store the value",
                "    associated with a <key>.", "FREQ <key>",
                "    Return the access frequency index of the <key>. The returned integer is",
                "    proportional to the logarithm of the recent access frequency of the key.", "IDLETIME <key>",
                "    Return the idle time of the <key>, that is the approximated number of",
                "    seconds elapsed since the last access to the key.", "REFCOUNT <key>",
                "    Return the number of references of the value associated with the specified", "    <key>."});
}

// What the key costs the database: its record, its entry in the expiry index, and the engine's trailer for each.
void MemoryUsage(Args args, CommandContext& c) {
  constexpr size_t kPerRecord = 16;
  for (size_t i = 3; i < args.size(); i += 2) {
    int64_t samples = 0;
    if (!EqualsIgnoreCase(args[i], "samples") || i + 1 == args.size()) return c.reply.Error(kSyntaxError);
    if (!ReadInt64(args[i + 1], c, &samples)) return;
    if (samples < 0) return c.reply.Error(kSyntaxError);
  }
  const lsm::Result<bool> found = c.keys.Look(c.db(), args[2], &c.entry);  // no hit, no miss
  if (!found.ok()) return ReplyStatus(c.reply, found.status());
  if (!*found) return c.reply.Null();
  size_t bytes = keyspace::kMetaKeyPrefixSize + args[2].size() + 2 + c.entry.value.size() + kPerRecord;
  if (c.entry.expire_ms != 0) bytes += 8 + keyspace::kExpiryKeyPrefixSize + args[2].size() + kPerRecord;
  c.reply.Integer(static_cast<int64_t>(bytes));
}

}  // namespace varve::resp
