#include "keyspace/hyperloglog.h"

#include <algorithm>
#include <bit>
#include <cassert>
#include <cmath>
#include <cstring>

namespace varve::keyspace {
namespace {

constexpr std::string_view kMagic = "HYLL";
constexpr size_t kEncodingAt = 4;
constexpr size_t kCardinalityAt = 8;
constexpr size_t kStaleAt = 15;
constexpr uint8_t kStale = 0x80;
constexpr char kDense = 0;
constexpr char kSparse = 1;

constexpr unsigned kIndexBits = 14;
constexpr unsigned kHashBits = 64 - kIndexBits;  // that are left to count zeros in
constexpr uint64_t kHashSeed = 0xadc83b19;
using Histogram = std::array<uint32_t, kHllRegisterMax + 1>;

constexpr size_t kShortZerosMax = 64;
constexpr size_t kValueRunMax = 4;
constexpr uint8_t kSparseValueMax = 32;
constexpr int kMergeSteps = 5;  // runs looked at for neighbours of equal value after a change

// --- the hash: MurmurHash64A by Austin Appleby (public domain) ---

uint64_t LoadLittleEndian(const char* from) {
  uint64_t word;
  memcpy(&word, from, sizeof(word));
  return word;
}

uint64_t Hash(std::string_view bytes) {
  constexpr uint64_t kMultiplier = 0xc6a4a7935bd1e995;
  constexpr int kShift = 47;
  uint64_t hash = kHashSeed ^ (bytes.size() * kMultiplier);
  for (; bytes.size() >= sizeof(uint64_t); bytes.remove_prefix(sizeof(uint64_t))) {
    uint64_t word = LoadLittleEndian(bytes.data()) * kMultiplier;
    word ^= word >> kShift;
    hash = (hash ^ word * kMultiplier) * kMultiplier;
  }
  if (!bytes.empty()) {
    uint64_t tail = 0;
    memcpy(&tail, bytes.data(), bytes.size());
    hash = (hash ^ tail) * kMultiplier;
  }
  hash = (hash ^ hash >> kShift) * kMultiplier;
  return hash ^ hash >> kShift;
}

// --- dense registers ---

struct DensePlace {
  size_t byte;
  unsigned shift;
};

DensePlace PlaceOf(size_t index) {
  return {kHllHeadSize + index * 6 / 8, static_cast<unsigned>(index * 6 % 8)};
}

uint8_t ByteAt(std::string_view bytes, size_t at) {
  return static_cast<uint8_t>(bytes[at]);
}

void SetDense(size_t index, uint8_t value, std::string* bytes) {
  const DensePlace place = PlaceOf(index);
  const auto set = [bytes](size_t at, unsigned mask, unsigned bits) {
    (*bytes)[at] = static_cast<char>((ByteAt(*bytes, at) & ~mask) | (bits & mask));
  };
  set(place.byte, 63u << place.shift, static_cast<unsigned>(value) << place.shift);
  if (place.shift > 2) set(place.byte + 1, 63u >> (8 - place.shift), static_cast<unsigned>(value) >> (8 - place.shift));
}

// --- sparse runs ---

struct Run {
  uint8_t value;    // 0: zeros
  uint8_t size;     // in bytes
  uint16_t length;  // registers
};

// The run at `at`; size 0: its second byte is missing.
Run RunAt(std::string_view bytes, size_t at) {
  const uint8_t first = ByteAt(bytes, at);
  if ((first & 0x80) != 0) {
    return {static_cast<uint8_t>((first >> 2 & 0x1f) + 1), 1, static_cast<uint16_t>((first & 3) + 1)};
  }
  if ((first & 0x40) == 0) return {0, 1, static_cast<uint16_t>((first & 0x3f) + 1)};
  if (at + 1 == bytes.size()) return {};
  return {0, 2, static_cast<uint16_t>(((first & 0x3f) << 8 | ByteAt(bytes, at + 1)) + 1)};
}

// The runs that a change puts in the place of one: at most zeros, value, zeros.
struct NewRuns {
  std::array<char, 5> bytes;
  size_t size = 0;

  void Zeros(size_t length) {
    if (length == 0) return;
    if (length > kShortZerosMax) bytes[size++] = static_cast<char>(0x40 | (length - 1) >> 8);
    bytes[size++] = static_cast<char>(length - 1);
  }
  void Values(uint8_t value, size_t length) {
    if (length == 0) return;
    bytes[size++] = static_cast<char>(0x80 | (value - 1) << 2 | static_cast<int>(length - 1));
  }
  void Same(uint8_t value, size_t length) { value == 0 ? Zeros(length) : Values(value, length); }
};

// Joins runs of equal value that follow each other and fit into one, in the next few runs.
void JoinValueRuns(size_t at, std::string* bytes) {
  for (int step = 0; step < kMergeSteps && at < bytes->size(); step++) {
    const Run run = RunAt(*bytes, at);
    if (run.value != 0 && at + 1 < bytes->size()) {
      const Run next = RunAt(*bytes, at + 1);
      const size_t length = size_t{run.length} + next.length;
      if (next.value == run.value && length <= kValueRunMax) {
        NewRuns joined;
        joined.Values(run.value, length);
        bytes->replace(at, 2, joined.bytes.data(), joined.size);
        continue;
      }
    }
    at += run.size;
  }
}

bool RaiseDense(size_t index, uint8_t value, std::string* bytes) {
  if (HllRegister(*bytes, index) >= value) return false;
  SetDense(index, value, bytes);
  return true;
}

bool RaiseInDense(size_t index, uint8_t value, std::string* bytes) {
  HllMakeDense(bytes);
  return RaiseDense(index, value, bytes);
}

bool RaiseSparse(size_t index, uint8_t value, size_t sparse_size_max, std::string* bytes) {
  if (value > kSparseValueMax) return RaiseInDense(index, value, bytes);
  size_t before = kHllHeadSize;  // the run before the one at `at`
  size_t at = kHllHeadSize;
  size_t first = 0;
  Run run = RunAt(*bytes, at);
  for (; first + run.length <= index; run = RunAt(*bytes, at)) {
    before = at;
    at += run.size;
    first += run.length;
  }
  if (run.value >= value) return false;
  NewRuns runs;
  runs.Same(run.value, index - first);
  runs.Values(value, 1);
  runs.Same(run.value, first + run.length - 1 - index);
  if (runs.size > run.size && bytes->size() + runs.size - run.size > sparse_size_max) {
    return RaiseInDense(index, value, bytes);
  }
  bytes->replace(at, run.size, runs.bytes.data(), runs.size);
  JoinValueRuns(before, bytes);
  HllForgetCached(bytes);
  return true;
}

// --- the estimator ---

double Tau(double x) {
  if (x == 0 || x == 1) return 0;
  double scale = 1;
  double sum = 1 - x;
  for (double last = -1; last != sum;) {
    x = std::sqrt(x);
    last = sum;
    scale *= 0.5;
    sum -= std::pow(1 - x, 2) * scale;
  }
  return sum / 3;
}

double Sigma(double x) {
  if (x == 1) return INFINITY;
  double scale = 1;
  double sum = x;
  for (double last = -1; last != sum;) {
    x *= x;
    last = sum;
    sum += x * scale;
    scale += scale;
  }
  return sum;
}

uint64_t Estimate(const Histogram& histogram) {
  constexpr double kAlpha = 0.721347520444481703680;  // 1 / (2 ln 2)
  constexpr double kCount = kHllRegisterCount;
  double sum = kCount * Tau((kCount - histogram[kHashBits + 1]) / kCount);
  for (unsigned value = kHashBits; value >= 1; value--) sum = (sum + histogram[value]) * 0.5;
  sum += kCount * Sigma(histogram[0] / kCount);
  return static_cast<uint64_t>(std::llround(kAlpha * kCount * kCount / sum));
}

// Calls visit(value, first register, count) for each run of the registers.
template <typename Visit>
void ForEachRun(std::string_view bytes, Visit visit) {
  size_t first = 0;
  if (!HllIsSparse(bytes)) {
    for (; first < kHllRegisterCount; first++) visit(HllRegister(bytes, first), first, size_t{1});
    return;
  }
  for (size_t at = kHllHeadSize; at < bytes.size();) {
    const Run run = RunAt(bytes, at);
    assert(run.size > 0 && first + run.length <= kHllRegisterCount);  // H1
    visit(run.value, first, size_t{run.length});
    first += run.length;
    at += run.size;
  }
}

}  // namespace

HllCheck CheckHyperLogLog(std::string_view bytes) {
  if (bytes.size() < kHllHeadSize || !bytes.starts_with(kMagic)) return HllCheck::kForeign;
  if (bytes[kEncodingAt] == kDense) return bytes.size() == kHllDenseSize ? HllCheck::kSound : HllCheck::kForeign;
  if (bytes[kEncodingAt] != kSparse) return HllCheck::kForeign;
  size_t covered = 0;
  for (size_t at = kHllHeadSize; at < bytes.size();) {
    const Run run = RunAt(bytes, at);
    if (run.size == 0) return HllCheck::kCorrupted;
    covered += run.length;
    at += run.size;
    if (covered > kHllRegisterCount) return HllCheck::kCorrupted;
  }
  return covered == kHllRegisterCount ? HllCheck::kSound : HllCheck::kCorrupted;
}

std::string EmptyHyperLogLog() {
  std::string bytes(kHllHeadSize, '\0');
  bytes.replace(0, kMagic.size(), kMagic);
  bytes[kEncodingAt] = kSparse;
  NewRuns runs;
  runs.Zeros(kHllRegisterCount);
  bytes.append(runs.bytes.data(), runs.size);
  return bytes;
}

bool HllIsSparse(std::string_view bytes) {
  return bytes[kEncodingAt] == kSparse;
}

bool HllAdd(std::string_view element, size_t sparse_size_max, std::string* bytes) {
  const uint64_t hash = Hash(element);
  const uint64_t rest = hash >> kIndexBits | uint64_t{1} << kHashBits;  // a set bit to stop at
  return HllRaise(hash % kHllRegisterCount, static_cast<uint8_t>(std::countr_zero(rest) + 1), sparse_size_max, bytes);
}

bool HllRaise(size_t index, uint8_t value, size_t sparse_size_max, std::string* bytes) {
  assert(index < kHllRegisterCount && value >= 1 && value <= kHllRegisterMax);
  const bool raised =
      HllIsSparse(*bytes) ? RaiseSparse(index, value, sparse_size_max, bytes) : RaiseDense(index, value, bytes);
  if (raised) HllForgetCached(bytes);
  return raised;
}

void HllMakeDense(std::string* bytes) {
  if (!HllIsSparse(*bytes)) return;
  std::string dense(bytes->data(), kHllHeadSize);
  dense[kEncodingAt] = kDense;
  dense.resize(kHllDenseSize, '\0');
  ForEachRun(*bytes, [&dense](uint8_t value, size_t first, size_t count) {
    if (value == 0) return;
    for (size_t i = first; i < first + count; i++) SetDense(i, value, &dense);
  });
  bytes->swap(dense);
}

void HllMaximum(std::string_view bytes, HllRegisters* registers) {
  ForEachRun(bytes, [registers](uint8_t value, size_t first, size_t count) {
    for (size_t i = first; i < first + count; i++) (*registers)[i] = std::max((*registers)[i], value);
  });
}

uint8_t HllRegister(std::string_view dense, size_t index) {
  const DensePlace place = PlaceOf(index);
  unsigned bits = static_cast<unsigned>(ByteAt(dense, place.byte)) >> place.shift;
  if (place.shift > 2) bits |= static_cast<unsigned>(ByteAt(dense, place.byte + 1)) << (8 - place.shift);
  return static_cast<uint8_t>(bits & 63);
}

uint64_t HllEstimate(std::string_view bytes) {
  Histogram histogram{};
  ForEachRun(bytes,
             [&histogram](uint8_t value, size_t, size_t count) { histogram[value] += static_cast<uint32_t>(count); });
  return Estimate(histogram);
}

uint64_t HllEstimate(const HllRegisters& registers) {
  Histogram histogram{};
  for (const uint8_t value : registers) histogram[value]++;
  return Estimate(histogram);
}

bool HllCached(std::string_view bytes, uint64_t* cardinality) {
  if ((ByteAt(bytes, kStaleAt) & kStale) != 0) return false;
  *cardinality = LoadLittleEndian(bytes.data() + kCardinalityAt);
  return true;
}

void HllSetCached(uint64_t cardinality, std::string* bytes) {
  memcpy(bytes->data() + kCardinalityAt, &cardinality, sizeof(cardinality));
}

void HllForgetCached(std::string* bytes) {
  (*bytes)[kStaleAt] = static_cast<char>(ByteAt(*bytes, kStaleAt) | kStale);
}

std::string HllDescribeRuns(std::string_view sparse) {
  std::string text;
  for (size_t at = kHllHeadSize; at < sparse.size();) {
    const Run run = RunAt(sparse, at);
    if (!text.empty()) text += ' ';
    if (run.value != 0) {
      text += "v:" + std::to_string(run.value) + "," + std::to_string(run.length);
    } else {
      text += (run.size == 2 ? "Z:" : "z:") + std::to_string(run.length);
    }
    at += run.size;
  }
  return text;
}

}  // namespace varve::keyspace
