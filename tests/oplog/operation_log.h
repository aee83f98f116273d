// tests/oplog/operation_log.h - a list of operations on a database: drawn from a seed, or read from a file.
//
//   put key=17 size=40 seed=3 work=1
//   batch { merge key=5 size=8 seed=1 ; deleterange key=2 end=9 }
//   snapshot slot=2
//   get key=17 at=2
//   # a comment
//
// What is drawn never depends on what a database answered, so one log means the same under any options, and so does any
// part of it: a slot that holds nothing is skipped, and to read at an empty one is to read now. Numbers that are 0 are
// left out of the text. Keys are numbers in the order of the keys' bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "lsm/merge_operator.h"
#include "lsm/status.h"

namespace varve::lsm {

enum class Kind : uint8_t {
  kGet,
  kMultiGet,  // `count` keys from `key` on, `seed` apart
  kScan,      // a new iterator: `count` rows from `key` on
  kScanBack,  // the same downwards
  kPut,
  kPutAsync,  // WriteAsync; Write where that would have to wait
  kPutWithExpiry,
  kDelete,
  kDeleteRange,
  kMerge,
  kBatch,
  kOverlay,      // an IndexedBatch, read at `key` and `count` rows on, then written
  kAbandon,      // the same, then dropped
  kTransaction,  // reads `key` for update, rolls back what follows the first `count` changes; another puts `end`
  kSnapshot,
  kRelease,
  kOpen,  // an iterator over [key, end); end 0: no bound
  kSeek,
  kSeekForPrev,
  kSeekToFirst,
  kSeekToLast,
  kNext,
  kPrev,
  kClose,
  kAdvance,  // time
  kSync,
  kFlush,
  kCompact,
  kReclaim,
  kSetOptions,
  kIngest,
  kCheckpoint,
  kBackup,
  kRestart,
  kKill,   // the process dies
  kCrash,  // the log is synced, then the power goes
  kCompare,
  kVerify,
};
inline constexpr size_t kKindCount = static_cast<size_t>(Kind::kVerify) + 1;

struct Operation {
  Kind kind = Kind::kGet;
  uint32_t key = 0;
  uint32_t end = 0;    // of a range: a key, exclusive
  uint32_t size = 0;   // of the value, bytes
  uint32_t seed = 0;   // of the value's bytes, or whatever else is chosen
  uint32_t count = 0;  // of rows, keys or changes
  uint32_t slot = 0;   // of a snapshot or an iterator
  uint32_t at = 0;     // slot of the snapshot to read at; 0: now
  uint32_t ms = 0;     // of time
  uint32_t work = 0;   // pieces of background work that run before it, where the test runs them
  std::vector<Operation> changes = {};

  bool operator==(const Operation&) const = default;
};
using Log = std::vector<Operation>;

inline constexpr uint32_t kKeyCount = 3000;
inline constexpr uint32_t kSlotCount = 4;  // slots are 1 to 4

// Ascending; the one of kKeyCount lies behind all others and is never written.
const std::string& KeyOf(uint32_t number);
// What is put or merged under `key`.
std::string ValueOf(const Operation& change);
// Whether what is merged under `key` is added, as numbers are; under the others it is appended.
bool IsNumber(std::string_view key);
const MergeOperator* MixedOperator();
// The changes of a kIngest as a file takes them: ranges first, then one change for each key, the last, in order.
std::vector<Operation> InFileOrder(const std::vector<Operation>& changes);

Log Generate(uint64_t seed, uint64_t count);
std::string Text(const Operation& operation);
std::string Text(const Log& log);
// kInvalidArgument names the line.
Result<Log> Parse(std::string_view text);

// The numbers that an operation of this kind is made of; for those who change them.
using Member = uint32_t Operation::*;
std::vector<Member> MembersOf(Kind kind);
// How many changes an operation of this kind is drawn with, at most; 0: it has none.
uint32_t ChangesMax(Kind kind);
// Whether it may be one of them.
bool IsChange(Kind kind);

}  // namespace varve::lsm
