// bench/bench_compaction.cc - write and space amplification of a compaction style, to the byte and on any machine alike.
//
//   bench_compaction [--style leveled] [--num 2000000] [--keys 2000000] [--memory-mib 32] [--value 100] [--zstd]
//
// Random overwrites of 16-byte keys by a paced writer: the database lives in memory, one thread drives it, and whatever
// background work is due runs before the next write. So the figures are those of the tree alone. Write amplification is
// what flushes and compactions wrote per byte of key and value; space amplification is the tables' bytes over the bytes
// of one compacted copy, with its largest value over the second half of the run.
#include <algorithm>
#include <cstdio>
#include <cstring>
#include <random>
#include <string>

#include "lsm/db.h"
#include "lsm/io/clock.h"
#include "lsm/io/memory_file_system.h"
#include "lsm/sync/manual_executor.h"

namespace varve::lsm {
namespace {

struct Settings {
  std::string style = "leveled";
  uint64_t num = 2'000'000;
  uint64_t keys = 2'000'000;
  uint64_t memory_mib = 32;
  uint64_t value = 100;
  bool zstd = false;
};

void Check(const Status& status) {
  if (status.ok()) return;
  std::fprintf(stderr, "%s\n", status.ToString().c_str());
  std::exit(1);
}

uint64_t TableBytes(const DbStats& stats) {
  uint64_t bytes = 0;
  for (const DbStats::Level& level : stats.levels) bytes += level.bytes;
  return bytes;
}

int Run(const Settings& settings) {
  MemoryFileSystem disk;
  ManualClock clock;
  SeededRandom random(1);
  ManualExecutor executor(&clock);
  Options options;
  options.file_system = &disk;
  options.clock = &clock;
  options.random = &random;
  options.executor = &executor;
  options.wal_sync = WalSync::kNever;
  options.memory_budget = settings.memory_mib << 20;
  options.compression = settings.zstd ? Compression::kZstd : Compression::kNone;
  if (settings.style == "tiered") {
    options.compaction = CompactionStyle::kSizeTiered;
  } else if (settings.style == "fifo") {
    options.compaction = CompactionStyle::kFifo;
  } else if (settings.style != "leveled") {
    std::fprintf(stderr, "bench_compaction: --style is leveled, tiered or fifo\n");
    return 2;
  }
  auto db = Db::Open("/db", options);
  if (!db.ok()) Check(db.status());

  std::mt19937_64 dice(1);
  std::string value(settings.value, ' ');
  uint64_t bytes = 0, largest = 0;
  for (uint64_t i = 0; i < settings.num; ++i) {
    char key[24];
    std::snprintf(key, sizeof(key), "%016llu", static_cast<unsigned long long>(dice() % settings.keys));
    for (size_t n = 0; n + 8 <= value.size() / (settings.zstd ? 2 : 1); n += 8) {
      const uint64_t noise = dice();
      std::memcpy(value.data() + n, &noise, 8);
    }
    Check((*db)->Put({}, {key, 16}, value));
    bytes += 16 + value.size();
    executor.RunAll();
    if (i > settings.num / 2 && i % 1024 == 0) largest = std::max(largest, TableBytes((*db)->Stats()));
  }
  Check((*db)->Flush());
  executor.RunAll();
  const DbStats before = (*db)->Stats();
  Check((*db)->Close());
  options.compaction = CompactionStyle::kLeveled;
  db = Db::Open("/db", options);
  if (!db.ok()) Check(db.status());
  Check((*db)->CompactRange({}, {}));
  const DbStats after = (*db)->Stats();
  const auto per = [](uint64_t a, uint64_t b) { return static_cast<double>(a) / static_cast<double>(b); };
  std::printf("%s: %llu writes over %llu keys of 16 + %llu bytes, budget %llu MiB%s\n", settings.style.c_str(),
              static_cast<unsigned long long>(settings.num), static_cast<unsigned long long>(settings.keys),
              static_cast<unsigned long long>(settings.value), static_cast<unsigned long long>(settings.memory_mib),
              settings.zstd ? ", zstd" : "");
  for (size_t n = 0; n < before.levels.size(); ++n) {
    if (before.levels[n].files == 0) continue;
    std::printf("  level %zu: %llu tables, %.1f MiB\n", n, static_cast<unsigned long long>(before.levels[n].files),
                per(before.levels[n].bytes, 1 << 20));
  }
  std::printf("  flushed %.1f MiB, compacted %.1f MiB in %llu jobs\n", per(before.flush_bytes, 1 << 20),
              per(before.compaction_write_bytes, 1 << 20), static_cast<unsigned long long>(before.compactions));
  std::printf("  write amplification %.2f, space amplification %.2f at the end, %.2f at most\n",
              per(before.flush_bytes + before.compaction_write_bytes, bytes),
              per(TableBytes(before), TableBytes(after)), per(largest, TableBytes(after)));
  Check((*db)->Close());
  return 0;
}

}  // namespace
}  // namespace varve::lsm

int main(int argc, char** argv) {
  varve::lsm::Settings settings;
  for (int i = 1; i < argc; ++i) {
    const std::string name = argv[i];
    const char* const text = i + 1 < argc ? argv[i + 1] : "";
    const auto number = [&] { return ++i, std::strtoull(text, nullptr, 10); };
    if (name == "--style") {
      settings.style = text, ++i;
    } else if (name == "--num") {
      settings.num = number();
    } else if (name == "--keys") {
      settings.keys = std::max<uint64_t>(number(), 1);
    } else if (name == "--memory-mib") {
      settings.memory_mib = number();
    } else if (name == "--value") {
      settings.value = number();
    } else if (name == "--zstd") {
      settings.zstd = true;
    } else {
      std::fprintf(stderr, "bench_compaction: unknown setting '%s'\n", name.c_str());
      return 2;
    }
  }
  return varve::lsm::Run(settings);
}
