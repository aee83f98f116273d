// bench/read_beyond.h - random reads of data ten times the memory budget that is not in the page cache either, and beside
// them what the device gives at the same depth.
//
//   readbeyond        one Get at a time
//   readbeyond, 32    MultiGet of 32 keys
//
// The page cache is emptied of the database's files every few hundred reads, outside the clock: that needs no privilege,
// and is the same for every engine. LevelDB has no row here: it maps its tables, so their pages stay.
// "share of the device" is the row's reads a second over those of bare 8 KiB reads (two or three pages hold a block of 8
// KiB that is half compressible, wherever it begins) past the page cache, by as many threads as the depth. A read that
// the engine's own cache answers counts as well: that is one in ten at most, and "device KiB/op" tells.
#pragma once

#include <fcntl.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>
#include <thread>
#include <type_traits>
#include <vector>

#include "bench/contender_leveldb.h"
#include "bench/engine_workloads.h"
#include "bench/group_end.h"

namespace varve::bench {

// Random reads straight from the device: all files of a directory, opened past the page cache.
class DeviceReads {
 public:
  static constexpr size_t kReadSize = 8192;

  explicit DeviceReads(const std::string& dir) {
    for (const auto& entry : std::filesystem::directory_iterator(dir)) {
      if (!entry.is_regular_file() || entry.file_size() < (size_t{1} << 20)) continue;
      const int fd = ::open(entry.path().c_str(), O_RDONLY | O_DIRECT | O_CLOEXEC);
      if (fd < 0) continue;  // a file system that has no such reads: no floor
      files_.push_back({fd, entry.file_size() / kReadSize - 1});
    }
  }
  ~DeviceReads() {
    for (const File& file : files_) ::close(file.fd);
  }
  DeviceReads(const DeviceReads&) = delete;
  DeviceReads& operator=(const DeviceReads&) = delete;

  // By `depth` threads, `count` together; 0 when there is no such file.
  double PerSecond(size_t depth, uint64_t count, uint64_t seed) const {
    if (files_.empty()) return 0;
    const uint64_t start = NowNanos();
    std::vector<std::thread> threads;
    for (size_t t = 0; t < depth; ++t) threads.emplace_back([&, t] { Read(count / depth, seed + t); });
    for (std::thread& thread : threads) thread.join();
    return static_cast<double>(count / depth * depth) * 1e9 / static_cast<double>(NowNanos() - start);
  }

 private:
  struct File {
    int fd;
    uint64_t places;
  };
  void Read(uint64_t count, uint64_t seed) const {
    const std::unique_ptr<void, decltype(&std::free)> buffer(std::aligned_alloc(4096, kReadSize), &std::free);
    Random random(seed);
    for (uint64_t i = 0; i < count; ++i) {
      const File& file = files_[random.Below(files_.size())];
      const off_t offset = static_cast<off_t>(random.Below(file.places) * kReadSize);
      if (::pread(file.fd, buffer.get(), kReadSize, offset) != static_cast<ssize_t>(kReadSize)) Fatal("direct read");
    }
  }

  std::vector<File> files_;
};

template <class Engine>
class ReadBeyond {
 public:
  ReadBeyond(const Setup& setup, const Plan& plan, Sink* sink)
      : setup_{setup.dir, std::max<size_t>(plan.num * kEntrySize / 10, size_t{8} << 20)}, plan_(plan), sink_(*sink) {}

  void Run() {
    if (std::is_same_v<Engine, LevelContender>) return;
    Fill();
    Engine engine(setup_);
    const DeviceReads device(setup_.dir);
    if (plan_.Wants("readbeyond")) Measure("readbeyond", 1, &engine, device);
    if (plan_.Wants("readbeyond, 32")) Measure("readbeyond, 32", kMultiGetKeys, &engine, device);
    EndGroup("readbeyond", setup_, &engine, &sink_);
  }

 private:
  static constexpr uint64_t kReadsBetweenDrops = 512;

  void Fill() {
    Engine engine(setup_);
    typename Engine::Batch batch(&engine);
    const Permutation order(plan_.num, plan_.seed);
    Values values(kValueSize);
    KeyBuffer key;
    for (uint64_t next = 0; next < plan_.num;) {
      batch.PutMany(std::min<uint64_t>(kBatchEntries, plan_.num - next),
                    [&] { return std::pair(key(Present(order(next++))), values.Next()); });
    }
    engine.Settle();
  }

  void DropFromPageCache() const {
    for (const auto& entry : std::filesystem::directory_iterator(setup_.dir)) {
      const int fd = ::open(entry.path().c_str(), O_RDONLY | O_CLOEXEC);
      if (fd < 0) continue;
      if (::fdatasync(fd) == 0) (void)::posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);  // dirty pages would stay
      ::close(fd);
    }
  }

  void Measure(const std::string& workload, size_t depth, Engine* engine, const DeviceReads& device) {
    typename Engine::Reader reader(engine);
    std::vector<KeyBuffer> buffers(depth);
    std::vector<std::string_view> keys(depth);
    Random random(plan_.seed + 10);
    Histogram latencies;
    const uint64_t turns = std::max<uint64_t>(plan_.reads / 20 / kReadsBetweenDrops, 4);
    uint64_t found = 0, nanos = 0, device_bytes = 0;
    double cpu_s = 0;
    // The first turn opens tables and fills caches; nobody times it.
    for (uint64_t turn = 0; turn <= turns; ++turn) {
      DropFromPageCache();
      const Usage before = ReadUsage();
      const uint64_t start = NowNanos();
      for (uint64_t i = 0; i < kReadsBetweenDrops; i += depth) {
        for (size_t k = 0; k < depth; ++k) keys[k] = buffers[k](Present(random.Below(plan_.num)));
        const uint64_t begin = NowNanos();
        found += depth == 1 ? reader.Get(keys[0]) : reader.MultiGet(keys);
        if (turn > 0) latencies.Add(NowNanos() - begin);
      }
      if (turn == 0) continue;
      nanos += NowNanos() - start;
      const Usage used = ReadUsage() - before;
      cpu_s += used.cpu_s;
      device_bytes += used.device_read_bytes;
    }
    if (found != (turns + 1) * kReadsBetweenDrops) Fatal(workload + " missed a key");
    const double reads = static_cast<double>(turns * kReadsBetweenDrops);
    const double device_kib = static_cast<double>(device_bytes) / 1024 / reads;
    if (device_kib < 1) {
      std::fprintf(stderr, "%s: %.2f KiB a read came from the device: nothing to report\n", workload.c_str(),
                   device_kib);
      return;
    }
    const double per_second = reads * 1e9 / static_cast<double>(nanos);
    sink_.Add(workload, "ops/s", Better::kHigher, per_second);
    sink_.Add(workload, "CPU us/op", Better::kLower, cpu_s * 1e6 / reads);
    sink_.Add(workload, "device KiB/op", Better::kLower, device_kib);
    const double floor = device.PerSecond(depth, turns * kReadsBetweenDrops, plan_.seed);
    if (floor > 0) sink_.Add(workload, "share of the device", Better::kHigher, per_second / floor);
    sink_.AddLatencies(workload, latencies);
  }

  const Setup setup_;
  const Plan& plan_;
  Sink& sink_;
};

}  // namespace varve::bench
