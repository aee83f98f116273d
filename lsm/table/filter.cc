#include "lsm/table/filter.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

namespace varve::lsm {
namespace {

constexpr uint32_t kProbesMax = 30;

// The number with the fewest false answers for lines of 512 bits. It is a little below bits * ln 2, because lines are
// not equally full and the full ones decide.
uint32_t ProbesFor(double bits_per_key) {
  const double bits = std::round(2 * bits_per_key) / 2;
  if (bits <= 2) return 1;
  if (bits <= 3) return 2;
  if (bits <= 5) return 3;
  if (bits <= 6) return 4;
  if (bits <= 8) return 5;
  if (bits <= 10) return 6;
  if (bits <= 11) return 7;
  if (bits <= 14) return 8;
  if (bits <= 16) return 9;
  return std::min<uint32_t>(12, 9 + static_cast<uint32_t>((bits - 16) / 4));
}

uint64_t LinesFor(size_t keys, double bits_per_key) {
  const auto bits = static_cast<uint64_t>(static_cast<double>(keys) * bits_per_key);
  const uint64_t lines = (bits + kFilterLineSize * 8 - 1) / (kFilterLineSize * 8);
  // The size of a block is a u32; past 4 billion keys in one table the filter thins out.
  return std::clamp<uint64_t>(lines, 1, std::numeric_limits<uint32_t>::max() / kFilterLineSize - 1);
}

}  // namespace

size_t FilterSize(size_t keys, double bits_per_key) {
  if (keys == 0 || bits_per_key <= 0) return 0;
  return 1 + static_cast<size_t>(LinesFor(keys, bits_per_key)) * kFilterLineSize;
}

// The keys of a line are Poisson distributed; each sets `probes` of its bits.
double FilterFalsePositiveRate(double bits_per_key) {
  if (bits_per_key <= 0) return 1;
  constexpr double kLineBits = kFilterLineSize * 8;
  const double mean = kLineBits / bits_per_key;
  const double probes = ProbesFor(bits_per_key);
  double share = std::exp(-mean);  // of lines with `keys` keys
  double rate = 0;
  for (double keys = 1; keys < mean + 10 * std::sqrt(mean) + 10; ++keys) {
    share *= mean / keys;
    rate += share * std::pow(1 - std::pow(1 - 1 / kLineBits, keys * probes), probes);
  }
  return rate;
}

std::string BuildFilter(const std::vector<uint64_t>& hashes, double bits_per_key) {
  std::string filter(FilterSize(hashes.size(), bits_per_key), '\0');
  if (filter.empty()) return filter;
  const uint32_t probes = ProbesFor(bits_per_key);
  const uint64_t line_count = LinesFor(hashes.size(), bits_per_key);
  filter[0] = static_cast<char>(probes);
  auto* lines = reinterpret_cast<unsigned char*>(filter.data() + 1);
  const auto line_of = [&](uint64_t hash) { return lines + ((hash >> 32) * line_count >> 32) * kFilterLineSize; };

  constexpr size_t kAhead = 8;  // enough lines on their way to hide the misses of a filter larger than L2
  for (size_t i = 0; i < hashes.size(); ++i) {
    if (i + kAhead < hashes.size()) __builtin_prefetch(line_of(hashes[i + kAhead]), 1);
    unsigned char* line = line_of(hashes[i]);
    uint32_t h = static_cast<uint32_t>(hashes[i]);
    for (uint32_t k = 0; k < probes; ++k) {
      h *= 0x9e3779b9u;
      const uint32_t bit = h >> 23;
      line[bit / 8] = static_cast<unsigned char>(line[bit / 8] | 1u << (bit % 8));
    }
  }
  return filter;
}

FilterReader::FilterReader(std::string_view bytes) {
  if (bytes.size() <= 1 || (bytes.size() - 1) % kFilterLineSize != 0) return;
  const auto probes = static_cast<unsigned char>(bytes[0]);
  const uint64_t lines = (bytes.size() - 1) / kFilterLineSize;
  if (probes == 0 || probes > kProbesMax || lines > std::numeric_limits<uint32_t>::max()) return;
  lines_ = std::make_unique_for_overwrite<Line[]>(lines);
  std::memcpy(static_cast<void*>(lines_.get()), bytes.data() + 1, bytes.size() - 1);
  line_count_ = lines;
  probes_ = probes;
}

}  // namespace varve::lsm
