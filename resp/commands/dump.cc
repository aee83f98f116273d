// resp/commands/dump.cc - DUMP and RESTORE. The payload: keyspace/dump.h.
#include "keyspace/dump.h"

#include "resp/commands/arguments.h"
#include "resp/commands/handlers.h"

namespace varve::resp {
namespace {

struct RestoreOptions {
  bool replace = false;
  bool absolute = false;
};

// IDLETIME and FREQ are checked and go no further: neither is tracked.
bool ReadRestoreOptions(Args args, CommandContext& c, RestoreOptions* out) {
  bool has_idle = false;
  bool has_frequency = false;
  for (size_t i = 4; i < args.size(); i++) {
    const bool has_value = i + 1 < args.size();
    int64_t value = 0;
    if (EqualsIgnoreCase(args[i], "replace")) {
      out->replace = true;
    } else if (EqualsIgnoreCase(args[i], "absttl")) {
      out->absolute = true;
    } else if (EqualsIgnoreCase(args[i], "idletime") && has_value && !has_frequency) {
      if (!ReadInt64(args[++i], c, &value)) return false;
      if (value < 0) {
        c.reply.Error("ERR Invalid IDLETIME value, must be >= 0");
        return false;
      }
      has_idle = true;
    } else if (EqualsIgnoreCase(args[i], "freq") && has_value && !has_idle) {
      if (!ReadInt64(args[++i], c, &value)) return false;
      if (value < 0 || value > 255) {
        c.reply.Error("ERR Invalid FREQ value, must be >= 0 and <= 255");
        return false;
      }
      has_frequency = true;
    } else {
      c.reply.Error(kSyntaxError);
      return false;
    }
  }
  return true;
}

// Into c.scratch.
bool ReadPayload(std::string_view payload, CommandContext& c) {
  switch (keyspace::DecodeDump(payload, keyspace::kStringSizeMax, &c.scratch)) {
    case keyspace::DumpCheck::kSound: return true;
    case keyspace::DumpCheck::kBadFooter: c.reply.Error("ERR DUMP payload version or checksum are wrong"); return false;
    case keyspace::DumpCheck::kBadData: c.reply.Error("ERR Bad data format"); return false;
  }
  return false;
}

}  // namespace

void Dump(Args args, CommandContext& c) {
  const Found found = FindStringForRead(args[1], c);
  if (found == Found::kFailed) return;
  if (found == Found::kNo) return c.reply.Null();
  keyspace::EncodeDump(c.entry.value, &c.scratch);
  c.reply.Bulk(c.scratch);
}

void Restore(Args args, CommandContext& c) {
  const std::string_view name = args[1];
  RestoreOptions options;
  if (!ReadRestoreOptions(args, c, &options)) return;
  const Found found = FindForWrite(name, c, &c.entry);
  if (found == Found::kFailed) return;
  if (found == Found::kYes && !options.replace) return c.reply.Error("BUSYKEY Target key name already exists.");
  int64_t expire_ms = 0;
  if (!ReadInt64(args[2], c, &expire_ms)) return;
  if (expire_ms < 0) return c.reply.Error("ERR Invalid TTL value, must be >= 0");
  if (!ReadPayload(args[3], c)) return;

  if (found == Found::kYes) c.keys.Delete(c.db(), name, c.entry);
  const bool endless = expire_ms == 0;
  // A time too far away to be told wraps around, as in Redis, and has passed.
  if (!endless && !options.absolute) (void)__builtin_add_overflow(expire_ms, c.keys.NowMs(), &expire_ms);
  if (!endless && expire_ms <= c.keys.NowMs()) {
    if (found == Found::kYes) c.Notify(kNotifyGeneric, "del", name);
    return c.reply.Ok();
  }
  if (!PutString(name, Found::kNo, c.scratch, static_cast<uint64_t>(expire_ms), c)) return;
  c.Notify(kNotifyGeneric, "restore", name);
  c.reply.Ok();
}

}  // namespace varve::resp
