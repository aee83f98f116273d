// bench/server/fill.h - writes keys, pipelined over one connection, each once, in an order without pattern.
#pragma once

#include <cstddef>
#include <cstdint>

namespace varve::bench {

struct FillPlan {
  uint16_t port = 0;
  uint64_t first = 0;   // number of the first key
  uint64_t keys = 0;    // there are so many
  uint64_t writes = 0;  // so many of them are written, at most `keys`
  size_t value_size = 0;
  uint64_t seed = 0;              // of the order
  uint64_t expire_at_ms = 0;      // since 1970: when the first expire; 0: they stay
  uint64_t expire_within_ms = 1;  // all of them, evenly
};

// Seconds until the last reply. Fatal when any reply is not +OK.
double Fill(const FillPlan& plan);

}  // namespace varve::bench
