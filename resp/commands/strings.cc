// resp/commands/strings.cc - GET, SET and their family.
#include <cmath>
#include <limits>

#include "resp/commands/arguments.h"
#include "resp/commands/handlers.h"

namespace varve::resp {
namespace {

// --- the options that SET, MSETEX and GETEX share ---

struct StringOptions {
  bool nx = false;
  bool xx = false;
  bool get = false;
  bool keep_ttl = false;
  bool persist = false;
  bool has_expire = false;
  bool has_expected = false;
  ExpireUnit unit;
  std::string_view expire;
  std::string_view expected;  // IFEQ
};

enum class OptionSet : uint8_t { kSet, kMSetEx, kGetEx };

bool IsExpireOption(std::string_view option, ExpireUnit* unit) {
  if (EqualsIgnoreCase(option, "ex")) {
    *unit = {.seconds = true, .absolute = false};
  } else if (EqualsIgnoreCase(option, "px")) {
    *unit = {.seconds = false, .absolute = false};
  } else if (EqualsIgnoreCase(option, "exat")) {
    *unit = {.seconds = true, .absolute = true};
  } else if (EqualsIgnoreCase(option, "pxat")) {
    *unit = {.seconds = false, .absolute = true};
  } else {
    return false;
  }
  return true;
}

// One way to say when the key ends, and one of NX, XX, IFEQ. Repeating an option is allowed, as in Redis.
bool ReadStringOptions(Args args, size_t first, OptionSet set, CommandContext& c, StringOptions* out) {
  for (size_t i = first; i < args.size(); i++) {
    const std::string_view option = args[i];
    const bool is_set = set == OptionSet::kSet;
    const bool writes = set != OptionSet::kGetEx;
    ExpireUnit unit;
    if (writes && EqualsIgnoreCase(option, "nx") && !out->xx && !out->has_expected) {
      out->nx = true;
    } else if (writes && EqualsIgnoreCase(option, "xx") && !out->nx && !out->has_expected) {
      out->xx = true;
    } else if (is_set && EqualsIgnoreCase(option, "ifeq") && !out->nx && !out->xx && i + 1 < args.size()) {
      out->has_expected = true;
      out->expected = args[++i];
    } else if (is_set && EqualsIgnoreCase(option, "get")) {
      out->get = true;
    } else if (writes && EqualsIgnoreCase(option, "keepttl") && !out->has_expire) {
      out->keep_ttl = true;
    } else if (!writes && EqualsIgnoreCase(option, "persist") && !out->has_expire) {
      out->persist = true;
    } else if (IsExpireOption(option, &unit) && !out->keep_ttl && !out->persist && i + 1 < args.size() &&
               (!out->has_expire || (unit.seconds == out->unit.seconds && unit.absolute == out->unit.absolute))) {
      out->has_expire = true;
      out->unit = unit;
      out->expire = args[++i];
    } else {
      c.reply.Error(kSyntaxError);
      return false;
    }
  }
  return true;
}

void ReplyOldValue(Found found, CommandContext& c) {
  if (found == Found::kYes) {
    c.reply.Bulk(c.entry.value);
  } else {
    c.reply.Null();
  }
}

void SetWithOptions(Args args, std::string_view value, const StringOptions& options, CommandContext& c) {
  uint64_t expire_ms = 0;
  if (options.has_expire && !ReadExpire(options.expire, options.unit, c, &expire_ms)) return;
  const std::string_view name = args[1];
  // GET is a read of its own in Redis: it refuses other types and counts as a hit or miss.
  const Found found = options.get            ? FindStringForRead(name, c)
                      : options.has_expected ? FindStringForWrite(name, c)
                                             : FindHeadForWrite(name, c, &c.entry);
  if (found == Found::kFailed) return;
  const bool write = !(options.nx && found == Found::kYes) && !(options.xx && found == Found::kNo) &&
                     !(options.has_expected && (found == Found::kNo || c.entry.value != options.expected));
  if (write) {
    if (options.keep_ttl && found == Found::kYes) expire_ms = c.entry.expire_ms;
    if (!PutString(name, found, value, expire_ms, c)) return;
    c.Notify(kNotifyString, "set", name);
    if (options.has_expire) c.Notify(kNotifyGeneric, "expire", name);
  }
  if (options.get) {
    ReplyOldValue(found, c);
  } else if (write) {
    c.reply.Ok();
  } else {
    c.reply.Null();
  }
}

void SetExpiring(Args args, ExpireUnit unit, CommandContext& c) {
  StringOptions options;
  options.has_expire = true;
  options.unit = unit;
  options.expire = args[2];
  SetWithOptions(args, args[3], options, c);
}

// --- lengths ---

bool FitsString(uint64_t size, uint64_t more, CommandContext& c) {
  uint64_t total = 0;
  const uint64_t limit = static_cast<uint64_t>(c.config.proto_max_bulk_len);
  if (!__builtin_add_overflow(size, more, &total) && total <= limit) return true;
  c.reply.Error(kStringTooLong);
  return false;
}

void IncrementBy(std::string_view name, int64_t by, CommandContext& c) {
  const Found found = FindStringForWrite(name, c);
  if (found == Found::kFailed) return;
  int64_t value = 0;
  if (found == Found::kYes && !ReadInt64(c.entry.value, c, &value)) return;
  if (__builtin_add_overflow(value, by, &value)) return c.reply.Error("ERR increment or decrement would overflow");
  c.scratch = std::to_string(value);
  const uint64_t expire_ms = found == Found::kYes ? c.entry.expire_ms : 0;
  if (!PutString(name, found, c.scratch, expire_ms, c)) return;
  c.Notify(kNotifyString, "incrby", name);
  c.reply.Integer(value);
}

}  // namespace

void Get(Args args, CommandContext& c) {
  const Found found = FindStringForRead(args[1], c);
  if (found != Found::kFailed) ReplyOldValue(found, c);
}

void Set(Args args, CommandContext& c) {
  StringOptions options;
  if (args.size() > 3 && !ReadStringOptions(args, 3, OptionSet::kSet, c, &options)) return;
  SetWithOptions(args, args[2], options, c);
}

void SetNx(Args args, CommandContext& c) {
  const Found found = FindHeadForWrite(args[1], c, &c.entry);
  if (found == Found::kFailed) return;
  if (found == Found::kYes) return c.reply.Integer(0);
  if (!PutString(args[1], found, args[2], 0, c)) return;
  c.Notify(kNotifyString, "set", args[1]);
  c.reply.Integer(1);
}

void SetEx(Args args, CommandContext& c) {
  SetExpiring(args, {.seconds = true, .absolute = false}, c);
}

void PSetEx(Args args, CommandContext& c) {
  SetExpiring(args, {.seconds = false, .absolute = false}, c);
}

void GetSet(Args args, CommandContext& c) {
  const Found found = FindStringForRead(args[1], c);
  if (found == Found::kFailed) return;
  if (!PutString(args[1], found, args[2], 0, c)) return;
  c.Notify(kNotifyString, "set", args[1]);
  ReplyOldValue(found, c);
}

void GetDel(Args args, CommandContext& c) {
  const Found found = FindStringForRead(args[1], c);
  if (found == Found::kFailed) return;
  if (found == Found::kYes) {
    c.keys.Delete(c.db(), args[1], c.entry);
    c.Notify(kNotifyGeneric, "del", args[1]);
  }
  ReplyOldValue(found, c);
}

void GetEx(Args args, CommandContext& c) {
  StringOptions options;
  if (!ReadStringOptions(args, 2, OptionSet::kGetEx, c, &options)) return;
  const Found found = FindStringForRead(args[1], c);
  if (found == Found::kFailed) return;
  if (found == Found::kNo) return c.reply.Null();
  uint64_t expire_ms = 0;
  if (options.has_expire && !ReadExpire(options.expire, options.unit, c, &expire_ms)) return;
  if (options.has_expire && static_cast<int64_t>(expire_ms) <= c.keys.NowMs()) {
    c.keys.Delete(c.db(), args[1], c.entry);
    c.Notify(kNotifyGeneric, "del", args[1]);
  } else if (options.has_expire || (options.persist && c.entry.expire_ms != 0)) {
    if (!PutString(args[1], found, c.entry.value, expire_ms, c)) return;
    c.Notify(kNotifyGeneric, options.has_expire ? "expire" : "persist", args[1]);
  }
  ReplyOldValue(found, c);
}

void MGet(Args args, CommandContext& c) {
  const size_t mark = c.reply.out().size();
  c.reply.Array(args.size() - 1);
  const Args names = args.subspan(1);
  for (size_t i = 0; i < names.size(); ++i) {
    if (c.reply.overflowed()) return;
    PrefetchNames(names, i, c);
    const size_t before = c.reply.out().size();
    const Found found = FindForRead(names[i], c, &c.entry);
    if (found == Found::kFailed) {
      // One reply only: the error takes the place of the array.
      c.reply.out().erase(mark, before - mark);
      return;
    }
    if (found == Found::kYes && c.entry.type == keyspace::Type::kString) {
      c.reply.Bulk(c.entry.value);
    } else {
      c.reply.Null();
    }
  }
}

namespace {
bool SetPairs(Args args, CommandContext& c) {
  for (size_t i = 1; i < args.size(); i += 2) {
    lsm::Status status = c.keys.Set(c.db(), args[i], args[i + 1]);
    if (!status.ok()) {
      ReplyStatus(c.reply, status);
      return false;
    }
    c.Notify(kNotifyString, "set", args[i]);
  }
  return true;
}

// A name that cannot be written must be refused before the first pair is: all or nothing.
bool NamesAreWritable(Args pairs, CommandContext& c) {
  for (size_t i = 0; i < pairs.size(); i += 2) {
    if (pairs[i].size() <= keyspace::kNameSizeMax) continue;
    c.reply.Error("ERR key is longer than " + std::to_string(keyspace::kNameSizeMax) + " bytes");
    return false;
  }
  return true;
}

bool PairsAreWritable(Args args, CommandContext& c) {
  if (args.size() % 2 != 0) return NamesAreWritable(args.subspan(1), c);
  ReplyArity(c);
  return false;
}

// MSETEX's pairs, and how many arguments they and their count take.
bool ReadCountedPairs(Args args, CommandContext& c, Args* pairs) {
  int64_t count = 0;
  if (!ParseInt64(args[1], &count) || count < 1 || count > INT32_MAX) {
    c.reply.Error("ERR invalid numkeys value");
    return false;
  }
  if (static_cast<size_t>(count) > (args.size() - 2) / 2) {
    c.reply.Error("ERR wrong number of key-value pairs");
    return false;
  }
  *pairs = args.subspan(2, 2 * static_cast<size_t>(count));
  return true;
}

enum class Allowed : uint8_t { kNo, kYes, kFailed };  // kFailed: the error reply is written

// NX and XX of MSETEX: of all names or none.
Allowed ConditionHolds(Args pairs, const StringOptions& options, CommandContext& c) {
  if (!options.nx && !options.xx) return Allowed::kYes;
  for (size_t i = 0; i < pairs.size(); i += 2) {
    const Found found = FindForWrite(pairs[i], c, &c.entry);
    if (found == Found::kFailed) return Allowed::kFailed;
    if (found == (options.nx ? Found::kYes : Found::kNo)) return Allowed::kNo;
  }
  return Allowed::kYes;
}
}  // namespace

void MSet(Args args, CommandContext& c) {
  if (PairsAreWritable(args, c) && SetPairs(args, c)) c.reply.Ok();
}

void MSetNx(Args args, CommandContext& c) {
  if (!PairsAreWritable(args, c)) return;
  for (size_t i = 1; i < args.size(); i += 2) {
    const Found found = FindHeadForWrite(args[i], c, &c.entry);
    if (found == Found::kFailed) return;
    if (found == Found::kYes) return c.reply.Integer(0);
  }
  if (SetPairs(args, c)) c.reply.Integer(1);
}

// As Redis 8.4 and Valkey 9.1 define it: MSETEX numkeys key value [key value ...] [NX | XX]
// [EX seconds | PX milliseconds | EXAT seconds | PXAT milliseconds | KEEPTTL]; 1 when all were set, 0 when none.
void MSetEx(Args args, CommandContext& c) {
  Args pairs;
  StringOptions options;
  uint64_t expire_ms = 0;
  if (!ReadCountedPairs(args, c, &pairs) ||
      !ReadStringOptions(args, 2 + pairs.size(), OptionSet::kMSetEx, c, &options) ||
      (options.has_expire && !ReadExpire(options.expire, options.unit, c, &expire_ms)) || !NamesAreWritable(pairs, c)) {
    return;
  }
  const Allowed allowed = ConditionHolds(pairs, options, c);
  if (allowed == Allowed::kFailed) return;
  if (allowed == Allowed::kNo) return c.reply.Integer(0);
  for (size_t i = 0; i < pairs.size(); i += 2) {
    const Found found = FindHeadForWrite(pairs[i], c, &c.entry);
    if (found == Found::kFailed) return;
    const uint64_t keeps_ms = options.keep_ttl && found == Found::kYes ? c.entry.expire_ms : expire_ms;
    if (!PutString(pairs[i], found, pairs[i + 1], keeps_ms, c)) return;
    c.Notify(kNotifyString, "set", pairs[i]);
    if (options.has_expire) c.Notify(kNotifyGeneric, "expire", pairs[i]);
  }
  c.reply.Integer(1);
}

// As Valkey 9.0 defines it: deletes the string if it is `value`.
void DelIfEq(Args args, CommandContext& c) {
  const Found found = FindStringForWrite(args[1], c);
  if (found == Found::kFailed) return;
  if (found == Found::kNo || c.entry.value != args[2]) return c.reply.Integer(0);
  c.keys.Delete(c.db(), args[1], c.entry);
  c.Notify(kNotifyGeneric, "del", args[1]);
  c.reply.Integer(1);
}

void Append(Args args, CommandContext& c) {
  const Found found = FindStringForWrite(args[1], c);
  if (found == Found::kFailed) return;
  const bool there = found == Found::kYes;
  if (there && !FitsString(c.entry.value.size(), args[2].size(), c)) return;
  c.scratch.assign(there ? c.entry.value : std::string_view());
  c.scratch.append(args[2]);
  const int64_t size = static_cast<int64_t>(c.scratch.size());
  if (!PutString(args[1], found, c.scratch, there ? c.entry.expire_ms : 0, c)) return;
  c.Notify(kNotifyString, "append", args[1]);
  c.reply.Integer(size);
}

void StrLen(Args args, CommandContext& c) {
  const Found found = FindStringForRead(args[1], c);
  if (found == Found::kFailed) return;
  c.reply.Integer(found == Found::kYes ? static_cast<int64_t>(c.entry.value.size()) : 0);
}

void GetRange(Args args, CommandContext& c) {
  int64_t start = 0;
  int64_t end = 0;
  if (!ReadInt64(args[2], c, &start) || !ReadInt64(args[3], c, &end)) return;
  const Found found = FindStringForRead(args[1], c);
  if (found == Found::kFailed) return;
  const std::string_view value = found == Found::kYes ? c.entry.value : std::string_view();
  const int64_t size = static_cast<int64_t>(value.size());
  if (start < 0 && end < 0 && start > end) return c.reply.Bulk({});
  if (start < 0) start = std::max<int64_t>(size + start, 0);
  if (end < 0) end = std::max<int64_t>(size + end, 0);
  end = std::min(end, size - 1);
  if (start > end || size == 0) return c.reply.Bulk({});
  c.reply.Bulk(value.substr(static_cast<size_t>(start), static_cast<size_t>(end - start + 1)));
}

void SetRange(Args args, CommandContext& c) {
  int64_t offset = 0;
  if (!ReadInt64(args[2], c, &offset)) return;
  if (offset < 0) return c.reply.Error("ERR offset is out of range");
  const std::string_view patch = args[3];
  const Found found = FindStringForWrite(args[1], c);
  if (found == Found::kFailed) return;
  const std::string_view old = found == Found::kYes ? c.entry.value : std::string_view();
  if (patch.empty()) return c.reply.Integer(static_cast<int64_t>(old.size()));
  const size_t at = static_cast<size_t>(offset);
  if (!FitsString(at, patch.size(), c)) return;
  c.scratch.assign(old);
  if (c.scratch.size() < at + patch.size()) c.scratch.resize(at + patch.size(), '\0');
  c.scratch.replace(at, patch.size(), patch);
  const int64_t size = static_cast<int64_t>(c.scratch.size());
  const uint64_t expire_ms = found == Found::kYes ? c.entry.expire_ms : 0;
  if (!PutString(args[1], found, c.scratch, expire_ms, c)) return;
  c.Notify(kNotifyString, "setrange", args[1]);
  c.reply.Integer(size);
}

void Incr(Args args, CommandContext& c) {
  IncrementBy(args[1], 1, c);
}

void Decr(Args args, CommandContext& c) {
  IncrementBy(args[1], -1, c);
}

void IncrBy(Args args, CommandContext& c) {
  int64_t by = 0;
  if (ReadInt64(args[2], c, &by)) IncrementBy(args[1], by, c);
}

void DecrBy(Args args, CommandContext& c) {
  int64_t by = 0;
  if (!ReadInt64(args[2], c, &by)) return;
  if (by == std::numeric_limits<int64_t>::min()) return c.reply.Error("ERR decrement would overflow");
  IncrementBy(args[1], -by, c);
}

void IncrByFloat(Args args, CommandContext& c) {
  const Found found = FindStringForWrite(args[1], c);
  if (found == Found::kFailed) return;
  long double value = 0;
  long double by = 0;
  if ((found == Found::kYes && !ParseLongDouble(c.entry.value, &value)) || !ParseLongDouble(args[2], &by)) {
    return c.reply.Error(kNotAFloat);
  }
  value += by;
  if (std::isnan(value) || std::isinf(value)) {
    return c.reply.Error("ERR increment would produce NaN or Infinity");
  }
  c.scratch = FormatLongDouble(value);
  const uint64_t expire_ms = found == Found::kYes ? c.entry.expire_ms : 0;
  if (!PutString(args[1], found, c.scratch, expire_ms, c)) return;
  c.Notify(kNotifyString, "incrbyfloat", args[1]);
  c.reply.Bulk(c.scratch);
}

}  // namespace varve::resp
