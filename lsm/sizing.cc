#include "lsm/sizing.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <numeric>
#include <random>
#include <string>

#include "lsm/compact/picker.h"
#include "lsm/db_impl.h"
#include "lsm/io/clock.h"
#include "lsm/io/memory_file_system.h"
#include "lsm/version/file_names.h"

namespace varve::lsm {

namespace {

constexpr uint64_t kSampleBytes = uint64_t{4} << 20;  // of rows; hundreds of blocks, and a fraction of a second
constexpr uint64_t kSampleRowsMin = 8;
constexpr uint64_t kSampleValueMax = kSampleBytes / kSampleRowsMin;  // larger values are measured as so large ones
constexpr uint64_t kPlannedBytesMax = uint64_t{1} << 60;             // all that is summed up stays below 2^63
constexpr char kSampleDir[] = "/sample";

// What one key costs.
struct Sample {
  double stored = 0;  // bytes of tables and of the value log
  double tables = 0;
  double filter = 0;
  double memory = 0;  // of open tables, the filter included
};

Status Load(const SizingQuestion& question, uint64_t rows, Db* db) {
  // Neighbours in the order of all keys, written in another order: tables that only move down keep their sequences.
  std::vector<uint64_t> order(rows);
  std::iota(order.begin(), order.end(), (question.keys - rows) / 2);
  std::shuffle(order.begin(), order.end(), std::mt19937_64(rows));
  WriteBatch batch;
  for (const uint64_t i : order) {
    batch.Put(SizingKey(question, i), SizingValue(question, i));
    if (batch.size_bytes() < kSampleBytes / 16) continue;
    VARVE_TRY(db->Write({}, batch));
    batch.Clear();
  }
  VARVE_TRY(db->Write({}, batch));
  VARVE_TRY(db->Flush());
  VARVE_TRY(db->CompactRange({}, {}));
  VARVE_TRY(db->WaitForBackgroundWork());
  Iterator it = db->NewIterator({.snapshot = nullptr, .batch = nullptr, .lower_bound = {}, .upper_bound = {}});
  uint64_t value_bytes = 0;  // looked at, so that every table and value-log file is opened
  for (it.SeekToFirst(); it.Valid(); it.Next()) value_bytes += it.value().size();
  if (it.status().ok() && value_bytes != rows * question.value_bytes) return Status::Corruption("the sample lost rows");
  return it.status();
}

// Bytes of files that hold rows for good.
Result<uint64_t> StoredBytes(MemoryFileSystem* disk) {
  auto names = disk->List(kSampleDir);
  if (!names.ok()) return names.status();
  uint64_t bytes = 0;
  for (const std::string& name : *names) {
    const FileKind kind = ParseFileName(name).kind;
    if (kind == FileKind::kWal || kind == FileKind::kManifest || kind == FileKind::kCurrent ||
        kind == FileKind::kLock) {
      continue;
    }
    auto size = disk->FileSize(std::string(kSampleDir) + "/" + name);
    if (!size.ok()) return size.status();
    bytes += *size;
  }
  return bytes;
}

Result<Sample> Measure(SizingQuestion question, Options options) {
  MemoryFileSystem disk;
  // What lies in the value log, or in a block of its own, grows with its value.
  const uint64_t threshold = options.value_log_threshold;
  const bool in_log = threshold != 0 && question.value_bytes >= threshold;
  double growth = 1;
  if (question.value_bytes > kSampleValueMax) {
    growth = static_cast<double>(question.value_bytes) / static_cast<double>(kSampleValueMax);
    question.value_bytes = kSampleValueMax;
    options.value_log_threshold = in_log ? std::min<size_t>(threshold, kSampleValueMax) : 0;
  }
  options.mode = OpenMode::kOwner;
  options.create_if_missing = true;
  options.file_system = &disk;
  options.wal_sync = WalSync::kNever;
  options.clock = nullptr;
  options.random = nullptr;
  options.executor = nullptr;
  auto db = Db::Open(kSampleDir, options);
  if (!db.ok()) return db.status();
  const uint64_t row = question.key_bytes + question.value_bytes;
  const uint64_t rows = std::min(question.keys, std::max(kSampleRowsMin, kSampleBytes / std::max<uint64_t>(row, 1)));
  VARVE_TRY(Load(question, rows, db->get()));
  auto stored = StoredBytes(&disk);
  if (!stored.ok()) return stored.status();
  Sample sample;
  for (const TableFileFacts& facts : (*db)->TableFiles()) {
    sample.tables += static_cast<double>(facts.size);
    sample.filter += facts.filter_bits_per_key * static_cast<double>(facts.entries) / 8;
  }
  const auto each = static_cast<double>(rows);
  sample.stored = static_cast<double>(*stored) / each;
  sample.tables /= each;
  const double logged = sample.stored - sample.tables;
  sample.tables *= in_log ? 1 : growth;
  sample.stored = sample.tables + logged * (in_log ? growth : 1);
  sample.filter /= each;
  sample.memory = static_cast<double>((*db)->Stats().table_memory_bytes) / each;
  VARVE_TRY((*db)->Close());
  return sample;
}

// A version whose last level is one table of so many bytes: all that the targets of the levels go by.
Result<std::shared_ptr<const Version>> Imagine(uint64_t bytes) {
  VersionEdit edit;
  TableFacts facts;
  facts.file_size = bytes;
  edit.added.push_back({kLevels - 1, std::make_shared<TableFile>(1, 1, facts, std::make_shared<TableContext>())});
  return Version::Apply(Version(), edit, "a planned database");
}

uint64_t Rounded(double value) {
  return static_cast<uint64_t>(std::llround(value));
}

// A level in balance takes in tables from the level above, the fullest ranges first. As these sweep over it, a table that
// comes down is as dense as two average ones of its level; so it meets half as much beneath it as the sizes say.
double MergeCost(double above, double below) {
  return 1 + below / (2 * above);
}

}  // namespace

std::string SizingKey(const SizingQuestion& question, uint64_t i) {
  // Evenly spread, each a little off its place, then bytes of no meaning.
  const double spacing = std::ldexp(1.0, 64) / static_cast<double>(std::max<uint64_t>(question.keys, 1));
  SeededRandom random(i);
  const double jitter = static_cast<double>(random.Next() >> 11) / std::ldexp(1.0, 53);
  const double place = std::min((static_cast<double>(i) + 0.9 * jitter) * spacing, std::ldexp(1.0, 64) - 4096);
  std::string key(std::max<uint64_t>(question.key_bytes, 8), '\0');
  const auto high = static_cast<uint64_t>(place);
  for (size_t b = 0; b < 8; ++b) key[b] = static_cast<char>(high >> (56 - 8 * b));
  for (size_t b = 8; b < key.size(); ++b) key[b] = static_cast<char>(random.Next());
  key.resize(question.key_bytes);
  return key;
}

std::string SizingValue(const SizingQuestion& question, uint64_t i) {
  std::string value(question.value_bytes, 'v');
  const auto random_bytes = static_cast<size_t>(static_cast<double>(value.size()) * (1 - question.compressible));
  SeededRandom random(~i);
  for (size_t b = 0; b < random_bytes && b < value.size(); ++b) value[b] = static_cast<char>(random.Next());
  return value;
}

Result<SizingPlan> PlanSize(const SizingQuestion& question, const Options& options) {
  if (question.keys == 0) return Status::InvalidArgument("keys is 0, want at least 1");
  if (question.key_bytes > kKeySizeMax || question.value_bytes > kValueSizeMax) {
    return Status::InvalidArgument("keys are at most " + std::to_string(kKeySizeMax) + " bytes, values at most " +
                                   std::to_string(kValueSizeMax));
  }
  if (question.keys > uint64_t{1} << 48) return Status::InvalidArgument("more than 2^48 keys are not planned for");
  if (question.key_bytes < 8 && question.keys > (uint64_t{1} << (8 * question.key_bytes)) / 2) {
    return Status::InvalidArgument("there are not " + std::to_string(question.keys) + " evenly spread keys of " +
                                   std::to_string(question.key_bytes) + " bytes; make them longer");
  }
  if (!(question.compressible >= 0 && question.compressible <= 1)) {
    return Status::InvalidArgument("compressible is a share: want 0 to 1");
  }
  if (options.compaction != CompactionStyle::kLeveled) {
    return Status::InvalidArgument("plans are for leveled compaction; docs/engine.md has figures of the other styles");
  }
  auto environment = ResolveOptions(options);
  if (!environment.ok()) return environment.status();
  if (static_cast<double>(question.keys) * static_cast<double>(question.key_bytes + question.value_bytes) >
          static_cast<double>(kPlannedBytesMax) ||
      environment->memtable_bytes > kPlannedBytesMax / 1024) {
    return Status::InvalidArgument("more than 2^60 bytes of rows, or memtables beyond 2^50, are not planned for");
  }
  auto sample = Measure(question, options);
  if (!sample.ok()) return sample.status();

  const auto keys = static_cast<double>(question.keys);
  const double row = static_cast<double>(question.key_bytes + question.value_bytes);
  SizingPlan plan;
  plan.row_bytes = Rounded(keys * row);
  plan.stored_bytes = Rounded(keys * sample->stored);

  PickerOptions picker;
  picker.memtable_bytes = environment->memtable_bytes;
  picker.table_bytes = options.table_size;
  const uint64_t table_bytes = Rounded(keys * sample->tables);
  auto version = Imagine(table_bytes);
  if (!version.ok()) return version.status();
  const LevelTargets targets = ComputeTargets(**version, picker);
  uint64_t upper_and_last = 0;
  for (int n = targets.base_level; n < kLevels; ++n) {
    // The target of the last level is at least a few memtables, the level itself may be smaller.
    const uint64_t bytes = n == kLevels - 1 ? table_bytes : targets.bytes[static_cast<size_t>(n)];
    const uint64_t table = std::max<uint64_t>(picker.TableBytes(n), 1);
    plan.levels.push_back({.level = n, .bytes = bytes, .files = (bytes + table - 1) / table});
    upper_and_last += bytes;
    plan.files += plan.levels.back().files;
  }

  // Of the value log a third may be garbage before writers wait for its collection.
  plan.overwritten_bytes = upper_and_last + (plan.stored_bytes - table_bytes) * 3 / 2;

  const uint64_t memtables = (1 + DbImpl::kSealedMax) * picker.memtable_bytes;
  plan.wal_bytes = memtables;
  plan.debt_bytes =
      kLevel0Stop * picker.memtable_bytes + static_cast<uint64_t>(environment->compaction_threads) * picker.JobBytes();
  plan.disk_bytes = plan.overwritten_bytes + plan.wal_bytes + plan.debt_bytes;

  // The log and the flush write what came; every level below writes it again, with what it meets there.
  const double compressed = row == 0 ? 1 : std::min(1.0, sample->tables / row);
  const double level0 = static_cast<double>(kLevel0Compact * picker.memtable_bytes) * compressed;
  double amplification =
      1 + compressed + compressed * MergeCost(level0, static_cast<double>(plan.levels.front().bytes));
  for (size_t i = 1; i < plan.levels.size(); ++i) {
    amplification += compressed * MergeCost(static_cast<double>(plan.levels[i - 1].bytes),
                                            static_cast<double>(plan.levels[i].bytes));
  }
  plan.write_amplification = amplification;

  const double share = static_cast<double>(upper_and_last) / static_cast<double>(std::max<uint64_t>(table_bytes, 1));
  plan.filter_bytes = Rounded(keys * sample->filter * share);
  plan.index_bytes = Rounded(keys * (sample->memory - sample->filter) * share);
  plan.memtable_bytes = memtables;
  plan.budget_bytes = options.memory_budget;
  const uint64_t taken = plan.filter_bytes + plan.index_bytes + plan.memtable_bytes;
  plan.cache_bytes = plan.budget_bytes > taken ? plan.budget_bytes - taken : 0;
  plan.cached_share = std::min(1.0, static_cast<double>(plan.cache_bytes) / static_cast<double>(plan.stored_bytes));
  return plan;
}

}  // namespace varve::lsm
