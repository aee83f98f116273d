// tests/lsm/db_test_util.h - what the tests of the whole engine share: a machine that a seed replays, rows as a model
// of the database, and changes that both can carry out.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <map>
#include <memory>
#include <numeric>
#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "lsm/db.h"
#include "lsm/format/coding.h"
#include "lsm/io/clock.h"
#include "lsm/io/fault_file_system.h"
#include "lsm/io/memory_file_system.h"
#include "lsm/sync/manual_executor.h"

namespace varve::lsm {

// Where the tests' database lies on their disk in memory.
inline constexpr char kDir[] = "/db";

// What the database should hold.
using Rows = std::map<std::string, std::string>;

// A number from the environment, or `fallback`.
inline uint64_t FromEnvironment(const char* name, uint64_t fallback) {
  const char* text = std::getenv(name);
  return text == nullptr ? fallback : std::strtoull(text, nullptr, 10);
}

class Dice {
 public:
  explicit Dice(uint64_t seed) : random_(seed) {}
  uint64_t Below(uint64_t limit) { return random_() % limit; }
  bool OneIn(uint64_t n) { return Below(n) == 0; }
  std::mt19937_64& random() { return random_; }

 private:
  std::mt19937_64 random_;
};

// Disk, clock, randomness and background work, all of one thread: the same seed gives the same run.
class Machine {
 public:
  explicit Machine(uint64_t seed, std::unique_ptr<MemoryFileSystem> from = nullptr)
      : disk(from != nullptr ? std::move(from) : std::make_unique<MemoryFileSystem>()),
        fs(disk.get()),
        random(seed),
        executor(&clock, seed) {}

  Options Setup(Options options = {}) {
    options.file_system = &fs;
    options.clock = &clock;
    options.random = &random;
    options.executor = &executor;
    if (options.merge_operator == nullptr) options.merge_operator = AppendOperator();
    return options;
  }
  // Lets time pass and background work run: retries after errors, periodic syncs.
  void Rest(uint64_t us = 1'100'000) {
    clock.AdvanceMicros(us);
    executor.RunAll();
  }

  std::unique_ptr<MemoryFileSystem> disk;
  FaultFileSystem fs;
  ManualClock clock;
  SeededRandom random;
  ManualExecutor executor;
};

inline std::string FileBytes(FileSystem* fs, const std::string& path) {
  auto file = fs->OpenForRead(path);
  EXPECT_TRUE(file.ok()) << path;
  if (!file.ok()) return {};
  std::string bytes(*(*file)->Size(), '\0');
  EXPECT_EQ(*(*file)->ReadAt(0, bytes.size(), bytes.data()), bytes.size());
  return bytes;
}
// In place: other names of the file see it too.
inline void FlipByte(FileSystem* fs, const std::string& path, uint64_t offset) {
  const std::string bytes = FileBytes(fs, path);
  ASSERT_LT(offset, bytes.size()) << path;
  auto file = fs->OpenForWrite(path);
  ASSERT_TRUE(file.ok());
  ASSERT_TRUE((*file)->WriteAt(offset, std::string(1, static_cast<char>(bytes[offset] ^ 0x40))).ok());
  ASSERT_TRUE((*file)->Sync().ok());
}
// Paths of the files in `dir` whose names end so, in order.
inline std::vector<std::string> FilesEnding(FileSystem* fs, const std::string& dir, std::string_view ending) {
  std::vector<std::string> paths;
  auto names = fs->List(dir);
  if (!names.ok()) return paths;
  for (const std::string& name : *names) {
    if (name.ends_with(ending)) paths.push_back(dir + "/" + name);
  }
  std::sort(paths.begin(), paths.end());
  return paths;
}

struct Change {
  ValueKind kind;
  std::string key;
  std::string value;  // end of the range for kRangeDelete; begins with the expiry for kPutWithExpiry
};
using Changes = std::vector<Change>;

inline std::string WithExpiry(uint64_t expire_at_ms, std::string_view value) {
  std::string out;
  PutFixed64(&out, expire_at_ms);
  return out.append(value);
}

// Expiries that mean the same at any time.
inline constexpr uint64_t kLongExpired = 1;
inline constexpr uint64_t kNeverExpires = ~uint64_t{0} >> 1;

// Rows of which some expire. Merges append.
class Model {
 public:
  void Apply(const Changes& changes, int64_t now_ms) {
    AdvanceTo(now_ms);
    for (const Change& change : changes) {
      const std::string& key = change.key;
      switch (change.kind) {
        case ValueKind::kPut:
          Forget(key);
          rows_[key] = change.value;
          break;
        case ValueKind::kDelete: Forget(key); break;
        case ValueKind::kRangeDelete:
          if (key >= change.value) break;
          rows_.erase(rows_.lower_bound(key), rows_.lower_bound(change.value));
          expiring_.erase(expiring_.lower_bound(key), expiring_.lower_bound(change.value));
          break;
        case ValueKind::kMerge:
          rows_[key] += change.value;
          if (auto it = expiring_.find(key); it != expiring_.end()) {
            it->second.merged = true;
            it->second.operands += change.value;
          }
          break;
        case ValueKind::kPutWithExpiry: {
          Forget(key);
          const uint64_t expire_at_ms = DecodeFixed64(change.value.data());
          if (expire_at_ms <= static_cast<uint64_t>(now_ms)) break;
          rows_[key] = change.value.substr(kExpirySize);
          expiring_[key] = {expire_at_ms, false, {}};
          break;
        }
        case ValueKind::kValuePointer:
        case ValueKind::kIngest: FAIL() << "never in a batch";
      }
    }
  }
  // The rows as they are then; time does not run back.
  const Rows& AdvanceTo(int64_t now_ms) {
    for (auto it = expiring_.begin(); it != expiring_.end();) {
      if (it->second.expire_at_ms > static_cast<uint64_t>(now_ms)) {
        ++it;
        continue;
      }
      rows_.erase(it->first);
      if (it->second.merged) rows_[it->first] = it->second.operands;  // they were laid on what is gone now
      it = expiring_.erase(it);
    }
    return rows_;
  }

 private:
  struct Expiring {
    uint64_t expire_at_ms;
    bool merged;
    std::string operands;
  };
  void Forget(const std::string& key) {
    rows_.erase(key);
    expiring_.erase(key);
  }

  Rows rows_;
  std::map<std::string, Expiring> expiring_;
};

// For changes whose expiries are long past, or do not come before the test says so.
inline void Apply(const Changes& changes, Rows* rows) {
  for (const Change& change : changes) {
    switch (change.kind) {
      case ValueKind::kPut: (*rows)[change.key] = change.value; break;
      case ValueKind::kDelete: rows->erase(change.key); break;
      case ValueKind::kRangeDelete:
        if (change.key < change.value) rows->erase(rows->lower_bound(change.key), rows->lower_bound(change.value));
        break;
      case ValueKind::kMerge: (*rows)[change.key] += change.value; break;
      case ValueKind::kPutWithExpiry:
        rows->erase(change.key);
        if (DecodeFixed64(change.value.data()) != kLongExpired) (*rows)[change.key] = change.value.substr(kExpirySize);
        break;
      case ValueKind::kValuePointer:
      case ValueKind::kIngest: FAIL() << "never in a batch";
    }
  }
}

// `Batch` is WriteBatch, IndexedBatch or Transaction.
template <typename Batch>
void AddTo(const Changes& changes, Batch* batch) {
  for (const Change& change : changes) {
    switch (change.kind) {
      case ValueKind::kPut: batch->Put(change.key, change.value); break;
      case ValueKind::kDelete: batch->Delete(change.key); break;
      case ValueKind::kRangeDelete: batch->DeleteRange(change.key, change.value); break;
      case ValueKind::kMerge: batch->Merge(change.key, change.value); break;
      case ValueKind::kPutWithExpiry:
        batch->PutWithExpiry(change.key, change.value.substr(kExpirySize), DecodeFixed64(change.value.data()));
        break;
      case ValueKind::kValuePointer:
      case ValueKind::kIngest: FAIL() << "never in a batch";
    }
  }
}

// Keys from a small space, so that they meet: short, long, with equal first eight bytes, with zeros, empty.
inline std::string RandomKey(Dice* dice, uint64_t space = 400) {
  const uint64_t n = dice->Below(space);
  switch (n % 16) {
    case 0: return "common-prefix-of-many-keys/" + std::to_string(n);
    case 1: return std::string("z\0", 2) + std::to_string(n / 16);
    case 2: return std::string(n % 11, '\0');
    case 3: return "long" + std::string(n, 'k');
    case 4: return std::string(1, static_cast<char>(n)) + "\xff\xff";
    default: return "k" + std::to_string(1000 + n);
  }
}

inline std::string RandomValue(Dice* dice, size_t typical = 100) {
  size_t size = dice->Below(2 * typical);
  if (dice->OneIn(40)) size = dice->Below(20 * typical);
  if (dice->OneIn(20)) size = 0;
  std::string value(size, '\0');
  const uint64_t tint = dice->Below(256);
  for (size_t i = 0; i < size; ++i) value[i] = static_cast<char>(i % 7 == 0 ? dice->Below(256) : tint);
  return value;
}

inline Changes RandomChanges(Dice* dice, size_t count, uint64_t space = 400, size_t typical = 100) {
  Changes changes;
  for (size_t i = 0; i < count; ++i) {
    const uint64_t n = dice->Below(100);
    if (n < 54) {
      changes.push_back({ValueKind::kPut, RandomKey(dice, space), RandomValue(dice, typical)});
    } else if (n < 66) {
      changes.push_back({ValueKind::kMerge, RandomKey(dice, space), RandomValue(dice, 1 + typical / 8)});
    } else if (n < 74) {
      const uint64_t expire_at_ms = dice->OneIn(3) ? kLongExpired : kNeverExpires;
      changes.push_back(
          {ValueKind::kPutWithExpiry, RandomKey(dice, space), WithExpiry(expire_at_ms, RandomValue(dice, typical))});
    } else if (n < 92) {
      changes.push_back({ValueKind::kDelete, RandomKey(dice, space), {}});
    } else {
      std::string begin = RandomKey(dice, space), end = RandomKey(dice, space);
      // Mostly short ranges; now and then any two keys, in the wrong order too.
      if (!dice->OneIn(6)) end = begin + (dice->OneIn(2) ? "~" : std::string(1, '\0'));
      changes.push_back({ValueKind::kRangeDelete, std::move(begin), std::move(end)});
    }
  }
  return changes;
}

// Values that do not compress.
inline std::string Noise(Dice* dice, size_t size) {
  std::string value(size, '\0');
  for (char& c : value) c = static_cast<char>(dice->Below(256));
  return value;
}

// Step `i` of a workload that leaves value-log files half empty: one value stays, another is overwritten soon.
inline Changes StayAndChurn(int i) {
  Dice noise(static_cast<uint64_t>(i));  // it does not compress
  std::string stays = Noise(&noise, 300), churns = Noise(&noise, 900);
  return {{ValueKind::kPut, "stays" + std::to_string(i), std::move(stays)},
          {ValueKind::kPut, "churns" + std::to_string(i % 2), std::move(churns)}};
}

inline std::string Printable(std::string_view bytes) {
  std::string out = "'";
  for (const char c : bytes.substr(0, 40)) {
    if (c >= ' ' && c <= '~') {
      out.push_back(c);
    } else {
      out += "\\x";
      out.push_back("0123456789abcdef"[static_cast<unsigned char>(c) >> 4]);
      out.push_back("0123456789abcdef"[static_cast<unsigned char>(c) & 15]);
    }
  }
  return out + "'(" + std::to_string(bytes.size()) + ")";
}

// Where a compaction filter is at work: what becomes of a value sooner or later. False: it is dropped.
using Settle = bool (*)(std::string_view key, std::string* value);
inline bool AsItIs(std::string_view, std::string*) {
  return true;
}

// Reads everything forward. A status that is not OK ends it.
inline Result<Rows> ReadAll(Db* db, const ReadOptions& options = {}, Settle settle = AsItIs) {
  Rows rows;
  Iterator it = db->NewIterator(options);
  for (it.SeekToFirst(); it.Valid(); it.Next()) {
    std::string value(it.value());
    if (settle(it.key(), &value)) rows.emplace_hint(rows.end(), it.key(), std::move(value));
  }
  if (!it.status().ok()) return it.status();
  return rows;
}

inline std::string Difference(const Rows& got, const Rows& want) {
  auto a = got.begin();
  auto b = want.begin();
  while (a != got.end() && b != want.end() && *a == *b) ++a, ++b;
  if (a == got.end() && b == want.end()) return {};
  std::string out = std::to_string(got.size()) + " rows, want " + std::to_string(want.size()) + "; first difference: ";
  out += a == got.end() ? "got the end" : "got " + Printable(a->first) + "=" + Printable(a->second);
  out += b == want.end() ? ", want the end" : ", want " + Printable(b->first) + "=" + Printable(b->second);
  return out;
}

// What is wrong with the database when it should hold `want`: read forward, backward, and key by key. Empty: nothing.
inline std::string Compare(Db* db, const Rows& want, const ReadOptions& options = {}, Settle settle = AsItIs) {
  Result<Rows> forward = ReadAll(db, options, settle);
  if (!forward.ok()) return "forward: " + forward.status().ToString();
  if (std::string d = Difference(*forward, want); !d.empty()) return "forward: " + d;
  Rows backward;
  Iterator it = db->NewIterator(options);
  for (it.SeekToLast(); it.Valid(); it.Prev()) {
    if (!backward.empty() && std::string_view(backward.begin()->first) <= it.key()) return "backward: keys do not fall";
    std::string settled(it.value());
    if (settle(it.key(), &settled)) backward.emplace_hint(backward.begin(), it.key(), std::move(settled));
  }
  if (!it.status().ok()) return "backward: " + it.status().ToString();
  if (std::string d = Difference(backward, want); !d.empty()) return "backward: " + d;
  PinnedValue value;
  for (const auto& [key, expected] : want) {
    Result<bool> found = db->Get(options, key, &value);
    if (!found.ok()) return "get " + Printable(key) + ": " + found.status().ToString();
    if (!*found) return "get " + Printable(key) + ": not found";
    std::string settled = value.ToString();
    if (!settle(key, &settled) || settled != expected) return "get " + Printable(key) + ": " + Printable(settled);
  }
  return {};
}

// Options under which little data makes many tables and levels.
inline Options SmallTables(Options options = {}) {
  options.memory_budget = size_t{8} << 20;
  options.memtable_size = 64 * 1024;
  options.table_size = 64 * 1024;
  options.block_size = 1024;
  options.background_threads = 1;
  options.compression = Compression::kNone;
  return options;
}

inline FaultRule NoSpaceForManifest(FileOp op) {
  FaultRule rule;
  rule.ops = {op};
  rule.path_classes = {PathClass::kManifest};
  rule.code = StatusCode::kNoSpace;
  return rule;
}

// A database on a machine of its own.
class DbFixture : public ::testing::Test {
 protected:
  explicit DbFixture(uint64_t seed = 1) : machine_(seed) {}
  // Opens it, or closes it and opens it again.
  void Open(const Options& options = {}) {
    db_.reset();
    auto db = Db::Open(kDir, machine_.Setup(options));
    ASSERT_TRUE(db.ok()) << db.status().ToString();
    db_ = std::move(db).value();
  }
  void Put(std::string_view key, std::string_view value) { ASSERT_TRUE(db_->Put({}, key, value).ok()); }
  // "(none)" when the key is not there; or the error.
  std::string Get(std::string_view key, const ReadOptions& options = {}) { return Get(db_.get(), key, options); }
  static std::string Get(Db* db, std::string_view key, const ReadOptions& options = {}) {
    PinnedValue value;
    const Result<bool> found = db->Get(options, key, &value);
    if (!found.ok()) return found.status().ToString();
    return *found ? value.ToString() : "(none)";
  }
  static std::string Key(int i) { return "key" + std::to_string(1'000'000 + i); }
  // Puts `size` bytes under each of the keys [from, to) in one batch, without running background work.
  void Fill(int from, int to, char c = 'v', size_t size = 100) {
    WriteBatch batch;
    for (int i = from; i < to; ++i) batch.Put(Key(i), std::string(size, c));
    ASSERT_TRUE(db_->Write({}, batch).ok());
  }
  std::vector<uint64_t> FilesByLevel() const {
    std::vector<uint64_t> files;
    for (const auto& level : db_->Stats().levels) files.push_back(level.files);
    return files;
  }
  uint64_t Files() const {
    const std::vector<uint64_t> files = FilesByLevel();
    return std::accumulate(files.begin(), files.end(), uint64_t{0});
  }

  Machine machine_;
  std::unique_ptr<Db> db_;
};

inline std::string Problems(Db* db) {
  Result<VerifyReport> report = db->Verify();
  if (!report.ok()) return report.status().ToString();
  std::string all;
  for (const std::string& problem : report->problems) all += problem + "\n";
  return all;
}

}  // namespace varve::lsm
