// keyspace/hyperloglog.h - counts distinct elements in at most 12 KiB, in Redis' own format: what GET or DUMP gives away
// can be loaded there, and the other way round.
//
//   | "HYLL" | encoding : u8 | 0 0 0 | cardinality : u64 | registers |
//
//   encoding     0 dense, 1 sparse
//   cardinality  little-endian, the last estimate; its highest bit says that the registers have changed since
//   dense        16384 registers of 6 bits: register i starts at bit 6 * i, where bit 0 is the lowest of byte 0. 12288
//                bytes.
//   sparse       runs of equal registers, from register 0 on:
//                  00nnnnnn            n + 1 registers that are 0
//                  01nnnnnn nnnnnnnn   likewise, the first byte holding the higher bits of n
//                  1vvvvvnn            n + 1 registers that are v + 1
//
// An element's hash (MurmurHash64A) chooses a register by its lowest 14 bits; the register keeps the largest number of
// zeros, plus one, seen below the lowest set bit of the other 50.
// H1  The runs of a sparse one cover all 16384 registers and no more; a dense one is 12304 bytes.
// CheckHyperLogLog says whether bytes from outside keep H1; everything else here may be called only for those that do.
// Threads: pure functions.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

namespace varve::keyspace {

inline constexpr size_t kHllRegisterCount = 16384;
inline constexpr uint8_t kHllRegisterMax = 63;
inline constexpr size_t kHllHeadSize = 16;
inline constexpr size_t kHllDenseSize = kHllHeadSize + kHllRegisterCount * 6 / 8;
using HllRegisters = std::array<uint8_t, kHllRegisterCount>;

enum class HllCheck : uint8_t {
  kSound,
  kForeign,    // no HyperLogLog: another head, or a dense one of a wrong size
  kCorrupted,  // a sparse one whose runs break H1
};
HllCheck CheckHyperLogLog(std::string_view bytes);

// Sparse, all registers 0.
std::string EmptyHyperLogLog();
bool HllIsSparse(std::string_view bytes);

// Counts the element: true when a register grew, which leaves the cardinality stale. A sparse one that would become
// longer than `sparse_size_max`, head included, or hold a value above 32 becomes dense.
bool HllAdd(std::string_view element, size_t sparse_size_max, std::string* bytes);
// The same for one register. `value` is 1 to kHllRegisterMax.
bool HllRaise(size_t index, uint8_t value, size_t sparse_size_max, std::string* bytes);
void HllMakeDense(std::string* bytes);

// Each register becomes the larger of both.
void HllMaximum(std::string_view bytes, HllRegisters* registers);
uint8_t HllRegister(std::string_view dense, size_t index);

// Ertl's improved estimator (arXiv:1702.01284): no table, no bias correction.
uint64_t HllEstimate(std::string_view bytes);
uint64_t HllEstimate(const HllRegisters& registers);

// The cardinality that the head remembers; false: it is stale.
bool HllCached(std::string_view bytes, uint64_t* cardinality);
void HllSetCached(uint64_t cardinality, std::string* bytes);
void HllForgetCached(std::string* bytes);

// The runs of a sparse one as PFDEBUG DECODE shows them: "Z:5 z:60 v:3,2" (two-byte zeros, zeros, value and length).
std::string HllDescribeRuns(std::string_view sparse);

}  // namespace varve::keyspace
