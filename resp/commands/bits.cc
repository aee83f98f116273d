// resp/commands/bits.cc - strings as rows of bits: SETBIT, BITCOUNT, BITFIELD and their family.
#include <limits>
#include <vector>

#include "keyspace/bitmap.h"
#include "resp/commands/arguments.h"
#include "resp/commands/handlers.h"

namespace varve::resp {
namespace {

using keyspace::BitOperation;

// "5", or "#5" where `width` says how wide the numbers are that it counts; 0: that form is not allowed.
bool ReadBitPlace(std::string_view text, unsigned width, CommandContext& c, uint64_t* place) {
  const bool counts_numbers = width > 0 && text.starts_with('#');
  int64_t value = 0;
  if (ParseInt64(text.substr(counts_numbers ? 1 : 0), &value) &&
      !__builtin_mul_overflow(value, counts_numbers ? static_cast<int64_t>(width) : 1, &value) && value >= 0 &&
      value / 8 < c.config.proto_max_bulk_len) {
    *place = static_cast<uint64_t>(value);
    return true;
  }
  c.reply.Error("ERR bit offset is not an integer or out of range");
  return false;
}

std::string_view ValueOf(Found found, const CommandContext& c) {
  return found == Found::kYes ? c.entry.value : std::string_view();
}

uint64_t ExpiryOf(Found found, const CommandContext& c) {
  return found == Found::kYes ? c.entry.expire_ms : 0;
}

// The value into c.scratch, with zeros up to the bit `last`. True when it had to be made or lengthened.
bool CopyReaching(uint64_t last, Found found, CommandContext& c) {
  const std::string_view value = ValueOf(found, c);
  const size_t size = std::max<size_t>(value.size(), last / 8 + 1);
  c.scratch.clear();
  c.scratch.reserve(size);
  c.scratch.assign(value);
  c.scratch.resize(size, '\0');
  return found == Found::kNo || size > value.size();
}

// --- ranges of BITCOUNT and BITPOS ---

struct BitRange {
  uint64_t first = 0;
  uint64_t limit = 0;
};

bool ReadRangeUnit(std::string_view text, CommandContext& c, bool* in_bits) {
  *in_bits = EqualsIgnoreCase(text, "bit");
  if (*in_bits || EqualsIgnoreCase(text, "byte")) return true;
  c.reply.Error(kSyntaxError);
  return false;
}

// From a start and an end that is part of it, either counted from behind when negative.
BitRange ToBitRange(int64_t start, int64_t end, bool in_bits, std::string_view value) {
  const auto total = static_cast<int64_t>(value.size()) * (in_bits ? 8 : 1);
  if (start < 0) start = std::max<int64_t>(total + start, 0);
  if (end < 0) end = std::max<int64_t>(total + end, 0);
  end = std::min(end, total - 1);
  if (start > end) return {};
  const uint64_t scale = in_bits ? 1 : 8;
  return {static_cast<uint64_t>(start) * scale, static_cast<uint64_t>(end + 1) * scale};
}

// --- BITOP ---

struct CombineRequest {
  BitOperation operation = BitOperation::kAnd;
  bool invert = false;
};

bool ReadCombineRequest(Args args, CommandContext& c, CombineRequest* out) {
  if (EqualsIgnoreCase(args[1], "and")) {
    out->operation = BitOperation::kAnd;
  } else if (EqualsIgnoreCase(args[1], "or")) {
    out->operation = BitOperation::kOr;
  } else if (EqualsIgnoreCase(args[1], "xor")) {
    out->operation = BitOperation::kXor;
  } else if (EqualsIgnoreCase(args[1], "not")) {
    out->invert = true;
  } else {
    c.reply.Error(kSyntaxError);
    return false;
  }
  if (!out->invert || args.size() == 4) return true;
  c.reply.Error("ERR BITOP NOT must be called with a single source key.");
  return false;
}

// Into c.scratch; one source at a time, however many there are.
bool CombineSources(Args sources, const CombineRequest& request, CommandContext& c) {
  c.scratch.clear();
  bool first = true;
  for (std::string_view name : sources) {
    const Found found = FindStringForRead(name, c);
    if (found == Found::kFailed) return false;
    if (first) {
      c.scratch.assign(ValueOf(found, c));
    } else {
      keyspace::CombineBits(request.operation, ValueOf(found, c), &c.scratch);
    }
    first = false;
  }
  if (request.invert) keyspace::InvertBits(&c.scratch);
  return true;
}

// --- BITFIELD ---

enum class Overflow : uint8_t { kWrap, kSaturate, kFail };
enum class FieldAction : uint8_t { kGet, kSet, kIncrement };

struct FieldStep {
  FieldAction action;
  Overflow overflow;
  bool is_signed;
  unsigned width;
  uint64_t place;
  int64_t value;  // of kSet and kIncrement
};

bool ReadOverflow(std::string_view text, CommandContext& c, Overflow* overflow) {
  if (EqualsIgnoreCase(text, "wrap")) {
    *overflow = Overflow::kWrap;
  } else if (EqualsIgnoreCase(text, "sat")) {
    *overflow = Overflow::kSaturate;
  } else if (EqualsIgnoreCase(text, "fail")) {
    *overflow = Overflow::kFail;
  } else {
    c.reply.Error("ERR Invalid OVERFLOW type specified");
    return false;
  }
  return true;
}

// "i1" to "i64", "u1" to "u63".
bool ReadFieldType(std::string_view text, CommandContext& c, FieldStep* step) {
  int64_t width = 0;
  step->is_signed = text.starts_with('i');
  if ((step->is_signed || text.starts_with('u')) && ParseInt64(text.substr(1), &width) && width >= 1 &&
      width <= (step->is_signed ? 64 : 63)) {
    step->width = static_cast<unsigned>(width);
    return true;
  }
  c.reply.Error("ERR Invalid bitfield type. Use something like i16 u8. Note that u64 is not supported but i64 is.");
  return false;
}

// False and no step: it is none of the three, or arguments are missing.
bool ReadFieldAction(std::string_view word, size_t arguments, FieldAction* action) {
  if (EqualsIgnoreCase(word, "get") && arguments >= 2) {
    *action = FieldAction::kGet;
  } else if (EqualsIgnoreCase(word, "set") && arguments >= 3) {
    *action = FieldAction::kSet;
  } else if (EqualsIgnoreCase(word, "incrby") && arguments >= 3) {
    *action = FieldAction::kIncrement;
  } else {
    return false;
  }
  return true;
}

bool ReadFieldSteps(Args args, CommandContext& c, std::vector<FieldStep>* steps) {
  Overflow overflow = Overflow::kWrap;
  for (size_t i = 2; i < args.size(); i++) {
    const size_t arguments = args.size() - i - 1;
    if (EqualsIgnoreCase(args[i], "overflow") && arguments >= 1) {
      if (!ReadOverflow(args[++i], c, &overflow)) return false;
      continue;
    }
    FieldStep step{};
    step.overflow = overflow;
    if (!ReadFieldAction(args[i], arguments, &step.action)) {
      c.reply.Error(kSyntaxError);
      return false;
    }
    if (!ReadFieldType(args[i + 1], c, &step) || !ReadBitPlace(args[i + 2], step.width, c, &step.place)) return false;
    i += 2;
    if (step.action != FieldAction::kGet && !ReadInt64(args[++i], c, &step.value)) return false;
    steps->push_back(step);
  }
  return true;
}

int64_t LoadField(std::string_view value, const FieldStep& step) {
  const uint64_t bits = keyspace::LoadBits(value, step.place, step.width);
  if (!step.is_signed) return static_cast<int64_t>(bits);
  const unsigned unused = 64 - step.width;
  return static_cast<int64_t>(bits << unused) >> unused;
}

// What becomes of `wanted` in the step's type; false: it does not fit, and that is to fail.
bool FitField(__int128 wanted, const FieldStep& step, int64_t* fitted) {
  const unsigned magnitude = step.width - (step.is_signed ? 1 : 0);
  const __int128 max = (static_cast<__int128>(1) << magnitude) - 1;
  const __int128 min = step.is_signed ? -max - 1 : 0;
  if (wanted >= min && wanted <= max) {
    *fitted = static_cast<int64_t>(wanted);
    return true;
  }
  if (step.overflow == Overflow::kFail) return false;
  if (step.overflow == Overflow::kSaturate) {
    *fitted = static_cast<int64_t>(wanted > max ? max : min);
    return true;
  }
  const unsigned unused = 64 - step.width;
  const uint64_t bits = static_cast<uint64_t>(wanted) << unused;
  *fitted = step.is_signed ? static_cast<int64_t>(bits) >> unused : static_cast<int64_t>(bits >> unused);
  return true;
}

enum class FieldWrite : uint8_t { kFailed, kSame, kChanged };

// On c.scratch; replies.
FieldWrite RunFieldWrite(const FieldStep& step, CommandContext& c) {
  const int64_t before = LoadField(c.scratch, step);
  __int128 wanted = step.value;
  if (step.action == FieldAction::kIncrement) {
    wanted += before;
  } else if (!step.is_signed) {
    wanted = static_cast<uint64_t>(step.value);  // a negative number is a huge one
  }
  int64_t after = 0;
  if (!FitField(wanted, step, &after)) {
    c.reply.Null();
    return FieldWrite::kFailed;
  }
  c.reply.Integer(step.action == FieldAction::kSet ? before : after);
  keyspace::StoreBits(&c.scratch, step.place, step.width, static_cast<uint64_t>(after));
  return before != after ? FieldWrite::kChanged : FieldWrite::kSame;
}

void ReadFields(std::string_view name, const std::vector<FieldStep>& steps, CommandContext& c) {
  const Found found = FindStringForRead(name, c);
  if (found == Found::kFailed) return;
  c.reply.Array(steps.size());
  for (const FieldStep& step : steps) c.reply.Integer(LoadField(ValueOf(found, c), step));
}

void WriteFields(std::string_view name, const std::vector<FieldStep>& steps, uint64_t last, CommandContext& c) {
  const Found found = FindStringForWrite(name, c);
  if (found == Found::kFailed) return;
  const bool longer = CopyReaching(last, found, c);
  bool changed = false;
  const size_t mark = c.reply.out().size();
  c.reply.Array(steps.size());
  for (const FieldStep& step : steps) {
    if (step.action == FieldAction::kGet) {
      c.reply.Integer(LoadField(c.scratch, step));
      continue;
    }
    const FieldWrite done = RunFieldWrite(step, c);
    if (done == FieldWrite::kChanged || (done == FieldWrite::kSame && longer)) changed = true;
  }
  if (!changed && !longer) return;
  const lsm::Status status = c.keys.Put(c.db(), name, found == Found::kYes ? &c.entry : nullptr,
                                        keyspace::Type::kString, c.scratch, ExpiryOf(found, c));
  if (!status.ok()) {
    c.reply.Rewind(mark);
    return ReplyStatus(c.reply, status);
  }
  if (changed) c.Notify(kNotifyString, "setbit", name);
}

void BitFieldGeneric(Args args, bool read_only, CommandContext& c) {
  std::vector<FieldStep> steps;
  if (!ReadFieldSteps(args, c, &steps)) return;
  bool writes = false;
  uint64_t last = 0;
  for (const FieldStep& step : steps) {
    if (step.action == FieldAction::kGet) continue;
    writes = true;
    last = std::max(last, step.place + step.width - 1);
  }
  if (!writes) return ReadFields(args[1], steps, c);
  if (read_only) return c.reply.Error("ERR BITFIELD_RO only supports the GET subcommand");
  WriteFields(args[1], steps, last, c);
}

}  // namespace

void SetBit(Args args, CommandContext& c) {
  uint64_t place = 0;
  if (!ReadBitPlace(args[2], 0, c, &place)) return;
  int64_t bit = 0;
  constexpr std::string_view kNotABit = "ERR bit is not an integer or out of range";
  if (!ReadInt64(args[3], c, &bit, kNotABit)) return;
  if (bit != 0 && bit != 1) return c.reply.Error(kNotABit);
  const Found found = FindStringForWrite(args[1], c);
  if (found == Found::kFailed) return;
  const uint64_t before = keyspace::LoadBits(ValueOf(found, c), place, 1);
  const bool within = found == Found::kYes && place / 8 < c.entry.value.size();
  if (!within || before != static_cast<uint64_t>(bit)) {
    CopyReaching(place, found, c);
    keyspace::StoreBits(&c.scratch, place, 1, static_cast<uint64_t>(bit));
    if (!PutString(args[1], found, c.scratch, ExpiryOf(found, c), c)) return;
    c.Notify(kNotifyString, "setbit", args[1]);
  }
  c.reply.Integer(static_cast<int64_t>(before));
}

void GetBit(Args args, CommandContext& c) {
  uint64_t place = 0;
  if (!ReadBitPlace(args[2], 0, c, &place)) return;
  const Found found = FindStringForRead(args[1], c);
  if (found == Found::kFailed) return;
  c.reply.Integer(static_cast<int64_t>(keyspace::LoadBits(ValueOf(found, c), place, 1)));
}

void BitCount(Args args, CommandContext& c) {
  const Found found = FindStringForRead(args[1], c);
  if (found == Found::kFailed) return;
  if (found == Found::kNo) return c.reply.Integer(0);  // whatever else is said
  if (args.size() == 3 || args.size() > 5) return c.reply.Error(kSyntaxError);
  BitRange range{0, 8 * c.entry.value.size()};
  if (args.size() > 3) {
    int64_t start = 0;
    int64_t end = 0;
    bool in_bits = false;
    if (!ReadInt64(args[2], c, &start) || !ReadInt64(args[3], c, &end)) return;
    if (start < 0 && end < 0 && start > end) return c.reply.Integer(0);
    if (args.size() > 4 && !ReadRangeUnit(args[4], c, &in_bits)) return;
    range = ToBitRange(start, end, in_bits, c.entry.value);
  }
  c.reply.Integer(static_cast<int64_t>(keyspace::CountBits(c.entry.value, range.first, range.limit)));
}

void BitPos(Args args, CommandContext& c) {
  int64_t bit = 0;
  if (!ReadInt64(args[2], c, &bit)) return;
  if (bit != 0 && bit != 1) return c.reply.Error("ERR The bit argument must be 1 or 0.");
  const Found found = FindStringForRead(args[1], c);
  if (found == Found::kFailed) return;
  if (found == Found::kNo) return c.reply.Integer(bit == 1 ? -1 : 0);  // no string: clear bits for ever
  if (args.size() > 6) return c.reply.Error(kSyntaxError);
  const bool has_end = args.size() > 4;
  int64_t start = 0;
  int64_t end = -1;
  bool in_bits = false;
  if (args.size() > 3 && !ReadInt64(args[3], c, &start)) return;
  if (args.size() > 5 && !ReadRangeUnit(args[5], c, &in_bits)) return;
  if (has_end && !ReadInt64(args[4], c, &end)) return;
  const BitRange range = ToBitRange(start, end, in_bits, c.entry.value);
  if (range.first >= range.limit) return c.reply.Integer(-1);
  const uint64_t at = keyspace::FindBit(c.entry.value, bit == 1, range.first, range.limit);
  if (at != keyspace::kNoBit) return c.reply.Integer(static_cast<int64_t>(at));
  // Without an end the string goes on in clear bits.
  c.reply.Integer(bit == 0 && !has_end ? static_cast<int64_t>(8 * c.entry.value.size()) : -1);
}

void BitOp(Args args, CommandContext& c) {
  CombineRequest request;
  if (!ReadCombineRequest(args, c, &request) || !CombineSources(args.subspan(3), request, c)) return;
  const std::string_view target = args[2];
  const Found found = FindForWrite(target, c, &c.entry);
  if (found == Found::kFailed) return;
  if (!c.scratch.empty()) {
    if (!PutString(target, found, c.scratch, 0, c)) return;
    c.Notify(kNotifyString, "set", target);
  } else if (found == Found::kYes) {
    c.keys.Delete(c.db(), target, c.entry);
    c.Notify(kNotifyGeneric, "del", target);
  }
  c.reply.Integer(static_cast<int64_t>(c.scratch.size()));
}

void BitField(Args args, CommandContext& c) {
  BitFieldGeneric(args, false, c);
}

void BitFieldRo(Args args, CommandContext& c) {
  BitFieldGeneric(args, true, c);
}

}  // namespace varve::resp
