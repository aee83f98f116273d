// lsm/compact/filter_bits.h - how many filter bits per key the tables of a level get (the rule of the Monkey paper).
//
// A missing key asks a filter on every level, so what counts is the sum of their false answers. Of all ways to hand out
// a budget of bits per key that sum is least when each level's rate of false answers is in proportion to its keys: with
// p a level's share of all keys and H the sum of -p ln p over the levels,
//
//   bits(level) = budget - (H + ln p(level)) / ln(2)^2
//
// which is the budget on average, and 4.8 bits more on a level ten times smaller. Beyond 16 bits a cache line of filter
// gains nothing, so small levels get less than that. Level 0 counts as one level, all its tables together.
#pragma once

#include <cstdint>
#include <span>

namespace varve::lsm {

// For new tables of `level`; keys[n] is what level n holds once they are there. 0 when `budget` is 0.
double FilterBits(std::span<const uint64_t> keys, int level, int budget);

}  // namespace varve::lsm
