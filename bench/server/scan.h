// bench/server/scan.h - one whole loop of SCAN, by a client that takes the cursor and skips the keys.
//
// Only keys of bench/server/data.h may be there: their one size makes the end of a reply known without parsing it.
#pragma once

#include <cstddef>
#include <cstdint>

namespace varve::bench {

struct ScanResult {
  uint64_t keys = 0;  // returned; those returned twice count twice
  uint64_t calls = 0;
  double seconds = 0;
  double client_cpu_s = 0;
};

// Fatal when a reply has another shape.
ScanResult Scan(uint16_t port, uint64_t count);

}  // namespace varve::bench
