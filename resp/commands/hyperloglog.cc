// resp/commands/hyperloglog.cc - PFADD, PFCOUNT, PFMERGE and what tests them. The format: keyspace/hyperloglog.h.
#include "keyspace/hyperloglog.h"

#include <cmath>

#include "resp/commands/arguments.h"
#include "resp/commands/handlers.h"

namespace varve::resp {
namespace {

using keyspace::HllCheck;
using keyspace::HllRegisters;

// c.entry holds a string: nothing is done with it before every byte was looked at.
bool IsSound(CommandContext& c) {
  switch (keyspace::CheckHyperLogLog(c.entry.value)) {
    case HllCheck::kSound: return true;
    case HllCheck::kForeign: c.reply.Error("WRONGTYPE Key is not a valid HyperLogLog string value."); return false;
    case HllCheck::kCorrupted: c.reply.Error("INVALIDOBJ Corrupted HLL object detected"); return false;
  }
  return false;
}

Found FindHllForRead(std::string_view name, CommandContext& c) {
  const Found found = FindStringForRead(name, c);
  return found != Found::kYes || IsSound(c) ? found : Found::kFailed;
}

Found FindHllForWrite(std::string_view name, CommandContext& c) {
  const Found found = FindStringForWrite(name, c);
  return found != Found::kYes || IsSound(c) ? found : Found::kFailed;
}

// What the last Find said into c.scratch, to be changed there; an empty one when it was not there.
void CopyHll(Found found, CommandContext& c) {
  if (found == Found::kYes) {
    c.scratch.assign(c.entry.value);
  } else {
    c.scratch = keyspace::EmptyHyperLogLog();
  }
}

bool PutHll(std::string_view name, Found found, CommandContext& c) {
  return PutString(name, found, c.scratch, found == Found::kYes ? c.entry.expire_ms : 0, c);
}

size_t SparseSizeMax(const CommandContext& c) {
  return static_cast<size_t>(c.config.hll_sparse_max_bytes);
}

// The estimate is kept in the value, as Redis does.
void CountOne(std::string_view name, CommandContext& c) {
  const Found found = FindHllForRead(name, c);
  if (found == Found::kFailed) return;
  if (found == Found::kNo) return c.reply.Integer(0);
  uint64_t count = 0;
  if (!keyspace::HllCached(c.entry.value, &count)) {
    count = keyspace::HllEstimate(c.entry.value);
    CopyHll(found, c);
    keyspace::HllSetCached(count, &c.scratch);
    if (!PutHll(name, found, c)) return;
  }
  c.reply.Integer(static_cast<int64_t>(count));
}

// False: the error reply is written. *dense: one of them was.
bool MergeAll(Args names, CommandContext& c, HllRegisters* registers, bool* dense) {
  for (std::string_view name : names) {
    const Found found = FindHllForRead(name, c);
    if (found == Found::kFailed) return false;
    if (found == Found::kNo) continue;
    if (!keyspace::HllIsSparse(c.entry.value)) *dense = true;
    keyspace::HllMaximum(c.entry.value, registers);
  }
  return true;
}

// --- PFDEBUG ---

void ReplyRegisters(std::string_view name, Found found, CommandContext& c) {
  const bool sparse = keyspace::HllIsSparse(c.entry.value);
  CopyHll(found, c);
  keyspace::HllMakeDense(&c.scratch);
  if (sparse && !PutHll(name, found, c)) return;
  c.reply.Array(keyspace::kHllRegisterCount);
  for (size_t i = 0; i < keyspace::kHllRegisterCount; i++) c.reply.Integer(keyspace::HllRegister(c.scratch, i));
}

void MakeDense(std::string_view name, Found found, CommandContext& c) {
  const bool sparse = keyspace::HllIsSparse(c.entry.value);
  if (sparse) {
    CopyHll(found, c);
    keyspace::HllMakeDense(&c.scratch);
    if (!PutHll(name, found, c)) return;
  }
  c.reply.Integer(sparse ? 1 : 0);
}

// --- PFSELFTEST ---

// Counts up to `elements`, sparse first and dense from the start: both must agree, and be near the truth.
std::string FaultOfEstimates(uint64_t elements, size_t sparse_size_max) {
  constexpr double kStandardError = 1.04 / 128;  // of 16384 registers
  std::string grown = keyspace::EmptyHyperLogLog();
  std::string dense = grown;
  keyspace::HllMakeDense(&dense);
  uint64_t checkpoint = 1;
  for (uint64_t i = 1; i <= elements; i++) {
    const std::string element = "element:" + std::to_string(i);
    keyspace::HllAdd(element, sparse_size_max, &grown);
    keyspace::HllAdd(element, sparse_size_max, &dense);
    if (i != checkpoint) continue;
    checkpoint *= 10;
    const std::string at = " after " + std::to_string(i) + " elements";
    if (keyspace::CheckHyperLogLog(grown) != HllCheck::kSound) return "runs that do not cover the registers" + at;
    const uint64_t estimate = keyspace::HllEstimate(grown);
    if (estimate != keyspace::HllEstimate(dense)) return "sparse and dense differ" + at;
    const double error = std::abs(static_cast<double>(estimate) - static_cast<double>(i));
    // Six standard errors; the first few elements leave it exact but for a shared register.
    if (error > std::max(6 * kStandardError * static_cast<double>(i), 1.0)) {
      return "estimate " + std::to_string(estimate) + at;
    }
  }
  return {};
}

std::string FaultOfDenseRegisters() {
  std::string dense = keyspace::EmptyHyperLogLog();
  keyspace::HllMakeDense(&dense);
  for (uint8_t value = 1; value <= keyspace::kHllRegisterMax; value++) {
    // Every third register, so that neighbours differ.
    for (size_t i = value % 3; i < keyspace::kHllRegisterCount; i += 3) keyspace::HllRaise(i, value, 0, &dense);
    for (size_t i = 0; i < keyspace::kHllRegisterCount; i++) {
      const size_t behind = (value % 3 + 3 - i % 3) % 3;
      const size_t expected = value > behind ? value - behind : 0;
      if (keyspace::HllRegister(dense, i) != expected) return "register " + std::to_string(i) + " reads wrongly";
    }
  }
  return {};
}

}  // namespace

void PfAdd(Args args, CommandContext& c) {
  const Found found = FindHllForWrite(args[1], c);
  if (found == Found::kFailed) return;
  CopyHll(found, c);
  bool changed = found == Found::kNo;
  for (std::string_view element : args.subspan(2)) {
    if (keyspace::HllAdd(element, SparseSizeMax(c), &c.scratch)) changed = true;
  }
  if (changed) {
    keyspace::HllForgetCached(&c.scratch);
    if (!PutHll(args[1], found, c)) return;
    c.Notify(kNotifyString, "pfadd", args[1]);
  }
  c.reply.Integer(changed ? 1 : 0);
}

void PfCount(Args args, CommandContext& c) {
  if (args.size() == 2) return CountOne(args[1], c);
  HllRegisters registers{};
  bool dense = false;
  if (!MergeAll(args.subspan(1), c, &registers, &dense)) return;
  c.reply.Integer(static_cast<int64_t>(keyspace::HllEstimate(registers)));
}

// The target counts as a source; it becomes dense when any of them is.
void PfMerge(Args args, CommandContext& c) {
  HllRegisters registers{};
  bool dense = false;
  if (!MergeAll(args.subspan(1), c, &registers, &dense)) return;
  const Found found = FindHllForWrite(args[1], c);
  if (found == Found::kFailed) return;
  CopyHll(found, c);
  if (dense) keyspace::HllMakeDense(&c.scratch);
  for (size_t i = 0; i < registers.size(); i++) {
    if (registers[i] != 0) keyspace::HllRaise(i, registers[i], SparseSizeMax(c), &c.scratch);
  }
  keyspace::HllForgetCached(&c.scratch);
  if (!PutHll(args[1], found, c)) return;
  c.Notify(kNotifyString, "pfadd", args[1]);
  c.reply.Ok();
}

void PfDebug(Args args, CommandContext& c) {
  const std::string_view name = args[2];
  const Found found = FindHllForWrite(name, c);
  if (found == Found::kFailed) return;
  if (found == Found::kNo) return c.reply.Error("ERR The specified key does not exist");
  if (EqualsIgnoreCase(args[1], "getreg")) return ReplyRegisters(name, found, c);
  if (EqualsIgnoreCase(args[1], "todense")) return MakeDense(name, found, c);
  const bool sparse = keyspace::HllIsSparse(c.entry.value);
  if (EqualsIgnoreCase(args[1], "encoding")) return c.reply.Simple(sparse ? "sparse" : "dense");
  if (EqualsIgnoreCase(args[1], "decode")) {
    if (!sparse) return c.reply.Error("ERR HLL encoding is not sparse");
    return c.reply.Bulk(keyspace::HllDescribeRuns(c.entry.value));
  }
  c.reply.Error("ERR Unknown PFDEBUG subcommand '" + std::string(args[1].substr(0, args[1].find('\0'))) + "'");
}

void PfSelfTest(Args /*args*/, CommandContext& c) {
  constexpr uint64_t kElements = 100'000;  // milliseconds, as everybody waits
  std::string fault = FaultOfDenseRegisters();
  if (fault.empty()) fault = FaultOfEstimates(kElements, SparseSizeMax(c));
  if (!fault.empty()) return c.reply.Error("TESTFAILED " + fault);
  c.reply.Ok();
}

}  // namespace varve::resp
