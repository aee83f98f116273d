// lsm/compact/filter_bits.h - how many filter bits per key the tables of a level get (the rule of the Monkey paper).
//
// A missing key asks a filter on every level, so what counts is the sum of their false answers. Of all ways to hand out
// a budget of bits per key that sum is least when each level's rate of false answers is in proportion to its keys: with
// p a level's share of all keys and H the sum of -p ln p over the levels,
//
//   bits(level) = budget - (H + ln p(level)) / 0.6
//
// which is the budget on average, and 3.8 bits more on a level ten times smaller. (The filters of filter.h fail with
// 2^-width, and a key costs 1.15 slots of that width: each bit for a key divides the rate by e^0.6.) Beyond 16 bits
// nothing is left to gain, so small levels get less than that. Level 0 counts as one level, all its tables together.
#pragma once

#include <cstdint>
#include <span>

namespace varve::lsm {

// For new tables of `level`; keys[n] is what level n holds once they are there. 0 when `budget` is 0.
double FilterBits(std::span<const uint64_t> keys, int level, int budget);

}  // namespace varve::lsm
