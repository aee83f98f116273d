// bench/engine_workloads.h - fills, reads, and both at once. Names follow LevelDB's db_bench.
//
// Each random fill writes every key once, in an order without pattern.
#pragma once

#include <algorithm>
#include <atomic>
#include <cmath>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "bench/contenders.h"
#include "bench/plan.h"

namespace varve::bench {

inline constexpr size_t kMultiGetKeys = 32;
inline constexpr size_t kSeekNexts = 10;

template <class Engine>
class Workloads {
 public:
  Workloads(const Setup& setup, const Plan& plan, Sink* sink)
      : setup_(setup), plan_(plan), sink_(*sink), engine_(setup) {}
  Engine* engine() { return &engine_; }

  void FillSeq() {
    Fill("fillseq", [](uint64_t i) { return i; });
  }
  // Leaves the data that Reads() and Mutate() work on; reported only when asked for.
  void FillRandom() { Fill("fillrandom", Permutation(plan_.num, plan_.seed)); }

  // The same in batches.
  void FillBatch() {
    typename Engine::Batch batch(&engine_);
    Permutation order(plan_.num, plan_.seed);
    Values values(kValueSize);
    KeyBuffer key;
    uint64_t next = 0;
    Timed("fillrandom, batches of 100", plan_.num / kBatchEntries * kBatchEntries, [&](Histogram* latencies) {
      uint64_t before = NowNanos();
      while (next + kBatchEntries <= plan_.num) {
        batch.PutMany(kBatchEntries, [&] { return std::pair(key(Present(order(next++))), values.Next()); });
        before = Lap(before, latencies);
      }
    });
  }

  // Several threads, each with its own part of the numbers.
  void FillThreads() {
    constexpr uint64_t kThreads = 4;
    const Permutation order(plan_.num, plan_.seed);
    const uint64_t part = plan_.num / kThreads / kBatchEntries * kBatchEntries;
    Timed("fillrandom, batches of 100, 4 threads", part * kThreads, [&](Histogram* latencies) {
      InThreads(kThreads, latencies, [&](uint64_t thread, Histogram* mine) {
        typename Engine::Batch batch(&engine_);
        Values values(kValueSize);
        KeyBuffer key;
        uint64_t next = thread * part, before = NowNanos();
        const uint64_t end = next + part;
        while (next < end) {
          batch.PutMany(kBatchEntries, [&] { return std::pair(key(Present(order(next++))), values.Next()); });
          before = Lap(before, mine);
        }
      });
    });
  }

  void FillSync() { FillSync("fillsync", 1); }
  void FillSyncThreads() { FillSync("fillsync, 16 threads", 16); }

  void Reads() {
    engine_.Settle();
    // One sweep that nobody times, so that every engine has what its cache can hold.
    if (Sweep(/*forward=*/true) != plan_.num) Fatal("rows are missing");
    if (plan_.Wants("readseq")) TimedSweep("readseq", true);
    if (plan_.Wants("readreverse")) TimedSweep("readreverse", false);
    if (plan_.Wants("readrandom")) ReadRandom();
    if (plan_.Wants("readmissing")) ReadMissing();
    if (plan_.Wants("multiget32")) ReadMulti();
    if (plan_.Wants("seekrandom10")) SeekRandom();
  }

  void Mutate() {
    if (plan_.Wants("overwrite")) Overwrite();
    if (plan_.Wants("readwhilewriting")) ReadWhileWriting();
  }

 private:
  template <class Body>
  static void InThreads(uint64_t count, Histogram* latencies, Body body) {
    std::vector<Histogram> each(count);
    std::vector<std::thread> threads;
    for (uint64_t i = 0; i < count; ++i) threads.emplace_back([&, i] { body(i, &each[i]); });
    for (std::thread& thread : threads) thread.join();
    for (const Histogram& histogram : each) latencies->Merge(histogram);
  }

  void FillSync(const std::string& workload, uint64_t threads) {
    Histogram latencies;
    const uint64_t start = NowNanos();
    InThreads(threads, &latencies, [&](uint64_t thread, Histogram* mine) {
      Values values(kValueSize);
      KeyBuffer key;
      Random random(plan_.seed + thread);
      uint64_t before = NowNanos();
      for (uint64_t i = 0; i < plan_.syncs; ++i) {
        engine_.Put(key(Present(random.Below(plan_.num))), values.Next(), /*sync=*/true);
        before = Lap(before, mine);
      }
    });
    AddRate(workload, plan_.syncs * threads, start);
    sink_.AddLatencies(workload, latencies);
  }

  void AddRate(const std::string& workload, uint64_t operations, uint64_t start) {
    sink_.Add(workload, "ops/s", Better::kHigher,
              static_cast<double>(operations) * 1e9 / static_cast<double>(NowNanos() - start));
  }

  // A write workload: the rate of the writes themselves; CPU and bytes until the last compaction they cause is done.
  template <class Body>
  void Timed(const std::string& workload, uint64_t entries, Body body) {
    Histogram latencies;
    Usage before = ReadUsage();
    uint64_t start = NowNanos();
    body(&latencies);
    uint64_t end = NowNanos();
    uint64_t settled = engine_.Settle();
    Usage used = ReadUsage() - before;
    if (!plan_.Wants(workload)) return;
    double count = static_cast<double>(entries);
    sink_.Add(workload, "ops/s", Better::kHigher, count * 1e9 / static_cast<double>(end - start));
    sink_.Add(workload, "ops/s until settled", Better::kHigher, count * 1e9 / static_cast<double>(settled - start));
    sink_.Add(workload, "CPU us/op", Better::kLower, used.cpu_s * 1e6 / count);
    sink_.Add(workload, "bytes written per byte", Better::kLower,
              static_cast<double>(used.written_bytes) / (count * kEntrySize));
    sink_.Add(workload, "device MiB read", Better::kLower, std::floor(MiB(used.device_read_bytes)));
    sink_.AddLatencies(workload, latencies);
    sink_.Add(workload, "disk MiB", Better::kLower, MiB(RestingDirectoryBytes(setup_.dir)));
  }

  template <class Order>
  void Fill(const std::string& workload, Order order) {
    Values values(kValueSize);
    KeyBuffer key;
    Timed(workload, plan_.num, [&](Histogram* latencies) {
      uint64_t before = NowNanos();
      for (uint64_t i = 0; i < plan_.num; ++i) {
        engine_.Put(key(Present(order(i))), values.Next(), /*sync=*/false);
        before = Lap(before, latencies);
      }
    });
  }

  void Overwrite() {
    Values values(kValueSize);
    KeyBuffer key;
    Random random(plan_.seed + 1);
    Timed("overwrite", plan_.num, [&](Histogram* latencies) {
      uint64_t before = NowNanos();
      for (uint64_t i = 0; i < plan_.num; ++i) {
        engine_.Put(key(Present(random.Below(plan_.num))), values.Next(), /*sync=*/false);
        before = Lap(before, latencies);
      }
    });
  }

  // Every row's key and value is touched. Returns the number of rows.
  uint64_t Sweep(bool forward) {
    typename Engine::Cursor cursor(&engine_);
    uint64_t rows = 0, bytes = 0;
    if (forward) {
      for (cursor.First(); cursor.Valid(); cursor.Next(), ++rows) bytes += cursor.key().size() + cursor.value().size();
    } else {
      for (cursor.Last(); cursor.Valid(); cursor.Prev(), ++rows) bytes += cursor.key().size() + cursor.value().size();
    }
    if (bytes != rows * kEntrySize) Fatal("a row has another size than was written");
    return rows;
  }

  void TimedSweep(const std::string& workload, bool forward) {
    // Small data sets are swept several times, so that the clock has something to measure.
    uint64_t sweeps = std::max<uint64_t>(1, 2'000'000 / plan_.num);
    uint64_t start = NowNanos(), rows = 0;
    for (uint64_t i = 0; i < sweeps; ++i) rows += Sweep(forward);
    double seconds = static_cast<double>(NowNanos() - start) / 1e9;
    sink_.Add(workload, "ops/s", Better::kHigher, static_cast<double>(rows) / seconds);
    sink_.Add(workload, "GB/s", Better::kHigher, static_cast<double>(rows * kEntrySize) / seconds / 1e9);
  }

  void ReadRandom() {
    typename Engine::Reader reader(&engine_);
    KeyBuffer key;
    Random random(plan_.seed + 2);
    Histogram latencies;
    uint64_t found = 0;
    Usage before = ReadUsage();
    uint64_t start = NowNanos();
    for (uint64_t i = 0; i < plan_.reads; ++i) {
      std::string_view wanted = key(Present(random.Below(plan_.num)));
      if (i % 16 != 0) {  // the clock costs a tenth of a read: only every sixteenth is timed by itself
        found += reader.Get(wanted);
        continue;
      }
      uint64_t begin = NowNanos();
      found += reader.Get(wanted);
      latencies.Add(NowNanos() - begin);
    }
    AddRate("readrandom", plan_.reads, start);
    Usage used = ReadUsage() - before;
    if (found != plan_.reads) Fatal("readrandom missed a key");
    sink_.Add("readrandom", "CPU us/op", Better::kLower, used.cpu_s * 1e6 / static_cast<double>(plan_.reads));
    sink_.Add("readrandom", "device MiB read", Better::kLower, std::floor(MiB(used.device_read_bytes)));
    sink_.AddLatencies("readrandom", latencies);
  }

  void ReadMissing() {
    typename Engine::Reader reader(&engine_);
    KeyBuffer key;
    Random random(plan_.seed + 3);
    const std::optional<FilterUse> before = engine_.Filters();
    uint64_t found = 0, start = NowNanos();
    for (uint64_t i = 0; i < plan_.reads; ++i) found += reader.Get(key(Missing(random.Below(plan_.num))));
    AddRate("readmissing", plan_.reads, start);
    if (found != 0) Fatal("readmissing found a key");
    const std::optional<FilterUse> after = engine_.Filters();
    if (!after.has_value()) return;
    sink_.Add("readmissing", "false block reads per key", Better::kLower,
              static_cast<double>(after->false_reads - before->false_reads) / static_cast<double>(plan_.reads));
    sink_.Add("readmissing", "filter bits per key", Better::kLower, after->bits_per_key);
  }

  void ReadMulti() {
    typename Engine::Reader reader(&engine_);
    std::vector<KeyBuffer> buffers(kMultiGetKeys);
    std::vector<std::string_view> keys(kMultiGetKeys);
    Random random(plan_.seed + 4);
    uint64_t rounds = plan_.reads / kMultiGetKeys, found = 0, start = NowNanos();
    for (uint64_t i = 0; i < rounds; ++i) {
      for (size_t k = 0; k < kMultiGetKeys; ++k) keys[k] = buffers[k](Present(random.Below(plan_.num)));
      found += reader.MultiGet(keys);
    }
    AddRate("multiget32", rounds * kMultiGetKeys, start);
    if (found != rounds * kMultiGetKeys) Fatal("multiget32 missed a key");
  }

  void SeekRandom() {
    typename Engine::Cursor cursor(&engine_);
    KeyBuffer key;
    Random random(plan_.seed + 5);
    uint64_t bytes = 0, seeks = plan_.reads / 4, start = NowNanos();
    for (uint64_t i = 0; i < seeks; ++i) {
      cursor.Seek(key(Missing(random.Below(plan_.num))));
      for (size_t n = 0; n < kSeekNexts && cursor.Valid(); ++n, cursor.Next()) bytes += cursor.value().size();
    }
    AddRate("seekrandom10", seeks, start);
    if (bytes == 0 && seeks > 0) Fatal("seekrandom10 read nothing");
  }

  // One thread reads for a fixed time while another writes as fast as it can.
  void ReadWhileWriting() {
    std::atomic<bool> stop{false};
    std::atomic<uint64_t> writes{0};
    Usage before = ReadUsage();
    uint64_t start = NowNanos();
    std::thread writer([&] {
      Values values(kValueSize);
      KeyBuffer key;
      Random random(plan_.seed + 6);
      uint64_t count = 0;
      for (; !stop.load(std::memory_order_relaxed); ++count) {
        engine_.Put(key(Present(random.Below(plan_.num))), values.Next(), /*sync=*/false);
      }
      writes = count;
    });
    typename Engine::Reader reader(&engine_);
    KeyBuffer key;
    Random random(plan_.seed + 7);
    Histogram latencies;
    uint64_t reads = 0, found = 0, lap = start;
    uint64_t end = start + static_cast<uint64_t>(plan_.mixed_seconds * 1e9);
    for (; lap < end; ++reads) {
      found += reader.Get(key(Present(random.Below(plan_.num))));
      lap = Lap(lap, &latencies);
    }
    stop = true;
    writer.join();
    double seconds = static_cast<double>(NowNanos() - start) / 1e9;
    if (found != reads) Fatal("readwhilewriting missed a key");
    Usage used = ReadUsage() - before;
    double operations = static_cast<double>(reads + writes);
    sink_.Add("readwhilewriting", "reads/s", Better::kHigher, static_cast<double>(reads) / seconds);
    sink_.Add("readwhilewriting", "writes/s", Better::kHigher, static_cast<double>(writes) / seconds);
    sink_.Add("readwhilewriting", "CPU us/op", Better::kLower, used.cpu_s * 1e6 / operations);
    sink_.AddLatencies("readwhilewriting", latencies);
  }

  const Setup setup_;
  const Plan plan_;
  Sink& sink_;
  Engine engine_;
};

}  // namespace varve::bench
