// bench/sustained.h - whether an engine takes 50,000 new entries a second for minutes, and what reads beside it wait.
//
// Entries of 256 + 768 bytes, each key once, in an order without pattern: 51 MB a second, 31 GB in ten minutes. Beside
// the writer another thread asks for 5,000 random entries a second among those written. Each write and each read is due
// at its own moment, and its latency counts from there; both threads sleep until something is due. The time is fixed:
// an engine that falls behind shows it in "writes/s".
#pragma once

#include <atomic>
#include <chrono>
#include <cstring>
#include <string_view>
#include <thread>

#include "bench/contenders.h"
#include "bench/group_end.h"
#include "bench/plan.h"

namespace varve::bench {

// The digits of the number, then bytes that compress as values do and that the number decides. Valid until the next
// call.
class LongKeys {
 public:
  static constexpr size_t kSize = 256;
  std::string_view operator()(uint64_t number) {
    Random random(number);
    for (size_t at = kKeySize; at < kSize; at += 16) {
      const uint64_t half = random.Next();
      std::memcpy(bytes_ + at, &half, 8);
      std::memcpy(bytes_ + at + 8, &half, 8);
    }
    std::memcpy(bytes_, digits_(number).data(), kKeySize);
    return {bytes_, kSize};
  }

 private:
  KeyBuffer digits_;
  char bytes_[kSize];
};

template <class Engine>
class Sustained {
 public:
  static constexpr uint64_t kWritesPerSecond = 50'000;
  static constexpr uint64_t kReadsPerSecond = 5'000;
  static constexpr size_t kRecordSize = 768;

  Sustained(const Setup& setup, const Plan& plan, Sink* sink)
      : setup_(setup),
        seconds_(plan.sustained_seconds),
        sink_(*sink),
        engine_(setup),
        order_(static_cast<uint64_t>(seconds_ * kWritesPerSecond) + 1, plan.seed),
        random_(plan.seed + 10) {}

  void Run() {
    constexpr const char* kName = "50,000 writes/s of 1 KiB beside reads";
    Histogram writes, reads;
    const Usage before = ReadUsage();
    start_ = NowNanos();
    std::thread writer([&] { Write(&writes); });
    Read(&reads);
    writer.join();
    const Usage used = ReadUsage() - before;
    const double count = static_cast<double>(writes.count());
    sink_.Add(kName, "writes/s", Better::kHigher, count / seconds_);
    sink_.Add(kName, "reads/s", Better::kHigher, static_cast<double>(reads.count()) / seconds_);
    sink_.Add(kName, "CPU us a write", Better::kLower, used.cpu_s * 1e6 / count);
    sink_.Add(kName, "bytes written per byte", Better::kLower,
              static_cast<double>(used.written_bytes) / (count * (LongKeys::kSize + kRecordSize)));
    sink_.Add(kName, "write p99 us", Better::kLower, writes.PercentileMicros(99));
    sink_.Add(kName, "write max us", Better::kLower, writes.MaxMicros());
    sink_.Add(kName, "read p50 us", Better::kLower, reads.PercentileMicros(50));
    sink_.Add(kName, "read p99 us", Better::kLower, reads.PercentileMicros(99));
    sink_.Add(kName, "read max us", Better::kLower, reads.MaxMicros());
    sink_.Add(kName, "disk MiB", Better::kLower, MiB(DirectoryBytes(setup_.dir)));
    EndGroup("sustained", setup_, &engine_, &sink_);
  }

 private:
  // Calls `operation` for each moment that is due before the time is over, no earlier than then.
  template <class Operation>
  void EachDue(uint64_t per_second, Histogram* latencies, Operation operation) {
    const uint64_t count = static_cast<uint64_t>(seconds_ * static_cast<double>(per_second));
    const uint64_t end = start_ + static_cast<uint64_t>(seconds_ * 1e9);
    for (uint64_t i = 0; i < count; ++i) {
      const uint64_t due = start_ + i * 1'000'000'000 / per_second;
      const uint64_t now = NowNanos();
      if (now >= end) return;
      // The sleep is the pace of the load: spinning would take both cores from the engine. What is due is done in one go, so
      // one that ends late delays some and drops none.
      if (now < due) std::this_thread::sleep_for(std::chrono::nanoseconds(due - now));
      operation(i);
      latencies->Add(NowNanos() - due);
    }
  }

  void Write(Histogram* latencies) {
    Values values(kRecordSize);
    LongKeys keys;
    EachDue(kWritesPerSecond, latencies, [&](uint64_t i) {
      engine_.Put(keys(order_(i)), values.Next(), /*sync=*/false);
      written_.store(i + 1, std::memory_order_release);
    });
  }

  void Read(Histogram* latencies) {
    typename Engine::Reader reader(&engine_);
    LongKeys keys;
    EachDue(kReadsPerSecond, latencies, [&](uint64_t) {
      const uint64_t written = written_.load(std::memory_order_acquire);
      if (written > 0 && !reader.Get(keys(order_(random_.Below(written))))) Fatal("sustained: an entry is missing");
    });
  }

  const Setup setup_;
  const double seconds_;
  Sink& sink_;
  Engine engine_;
  const Permutation order_;
  Random random_;  // the reader's
  uint64_t start_ = 0;
  std::atomic<uint64_t> written_{0};  // entries; stored by the writer (release) once they can be read
};

}  // namespace varve::bench
