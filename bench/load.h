// bench/load.h - puts data into an engine that a workload needs and nobody times.
//
// Every key once, in an order without pattern, in batches, and then the engine settles: the tree has the shape that
// writes leave it in, and no work is pending.
#pragma once

#include <algorithm>
#include <utility>

#include "bench/contenders.h"
#include "bench/plan.h"

namespace varve::bench {

template <class Engine>
void Load(Engine* engine, uint64_t count, uint64_t seed, Values* values) {
  const Permutation order(count, seed);
  typename Engine::Batch batch(engine);
  KeyBuffer key;
  uint64_t next = 0;
  while (next < count) {
    batch.PutMany(std::min<uint64_t>(kBatchEntries, count - next),
                  [&] { return std::pair(key(Present(order(next++))), values->Next()); });
  }
  engine->Settle();
}

}  // namespace varve::bench
