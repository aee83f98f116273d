// lsm/options.h - everything a user of the engine may choose. Each has a default that is right for most; see
// docs/options.md.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "lsm/format/internal_key.h"

namespace varve::lsm {

class Clock;
class CompactionFilter;
class EventListener;
class Executor;
class FileSystem;
class IndexedBatch;
class MergeOperator;
class RandomSource;
class Snapshot;

// When the write-ahead log is made durable. In every mode an acknowledged write survives the death of the process.
enum class WalSync : uint8_t {
  kNever,        // when the operating system likes; power loss may cost a suffix of the writes
  kEverySecond,  // once a second, in the background; power loss costs at most the last second
  kAlways,       // before each Write returns; power loss costs nothing
};

enum class OpenMode : uint8_t {
  kOwner,     // reads and writes; holds LOCK
  kReadOnly,  // a fixed view of the directory as it was; writes nothing
  kFollow,    // reads beside the owner, of this or another process; CatchUp() moves the view; writes nothing
};

enum class Compression : uint8_t {
  kNone = 0,
  kZstd = 1,  // fast zstd for tables and large values
};

// How tables are merged; see docs/engine.md, "Compaction". May differ each time the database is opened.
enum class CompactionStyle : uint8_t {
  kLeveled,     // least space, fast reads: the right one for most
  kSizeTiered,  // least writing, up to twice the space
  kFifo,        // nothing is merged; the oldest tables are given up (fifo_bytes_max, fifo_age_max_s)
};

// Limits of the format, checked on every write.
inline constexpr size_t kKeySizeMax = 64 * 1024 + 64;  // 64 KiB for users, the rest for the upper layers' tags
inline constexpr size_t kValueSizeMax = size_t{512} * 1024 * 1024 + 64;  // likewise
inline constexpr size_t kBatchSizeMax = size_t{1024} * 1024 * 1024;

struct Options {
  OpenMode mode = OpenMode::kOwner;
  bool create_if_missing = true;  // else kNotFound
  bool error_if_exists = false;   // then kInvalidArgument

  // Bytes for memtables, block cache, indexes, filters and compaction buffers together. At least 4 MiB.
  size_t memory_budget = size_t{256} * 1024 * 1024;
  // Threads for compaction (flushes and log syncs have their own). 0: half the cores, at least 1, at most 8.
  int background_threads = 0;
  WalSync wal_sync = WalSync::kEverySecond;

  Compression compression = Compression::kZstd;
  int filter_bits_per_key = 10;                  // 0: no filters
  size_t block_size = 8 * 1024;                  // target of a data block before compression
  size_t table_size = size_t{32} * 1024 * 1024;  // target of a table of the last level, at most
  // Values of at least so many bytes are kept apart from their keys, in value-log files; 0: none are.
  size_t value_log_threshold = 4 * 1024;
  // Memtable size; 0: memory_budget / 8, at least 1 MiB and at most 64 MiB.
  size_t memtable_size = 0;
  // Bytes a second that compactions write, all together; flushes are never held. 0: no limit; else at least 64 KiB.
  uint64_t compaction_bytes_per_second = 0;
  // Bytes that tables, value log, log and manifest take at most, all together; 0: no limit, else at least 4 MiB. At the cap
  // writes give kNoSpace, reads go on; see docs/engine.md, "Limits".
  uint64_t max_disk_bytes = 0;

  CompactionStyle compaction = CompactionStyle::kLeveled;
  // kFifo only: bytes of all tables and of their values in value-log files, and seconds since a table was written,
  // beyond which the oldest tables are given up, with what they hold, whatever snapshot sees it. 0: any.
  uint64_t fifo_bytes_max = 0;
  uint64_t fifo_age_max_s = 0;
  // What WriteBatch::Merge does (lsm/merge_operator.h). Null: the built-in operator of the name that the database has
  // recorded, if it is one; else merges can be neither written nor read. Not owned; outlives the database.
  const MergeOperator* merge_operator = nullptr;

  // The surroundings; null means the real ones. Not owned; they outlive the database.
  FileSystem* file_system = nullptr;
  Clock* clock = nullptr;
  RandomSource* random = nullptr;
  Executor* executor = nullptr;
  EventListener* listener = nullptr;              // null: nobody listens
  CompactionFilter* compaction_filter = nullptr;  // drops or changes values (lsm/compaction_filter.h); null: none does
};

// What Db::SetOptions changes while the database runs; each field means what it means in Options.
struct OptionChanges {
  std::optional<size_t> memory_budget = {};
  std::optional<int> background_threads = {};
  std::optional<WalSync> wal_sync = {};
  std::optional<Compression> compression = {};
  std::optional<int> filter_bits_per_key = {};
  std::optional<size_t> block_size = {};
  std::optional<size_t> table_size = {};
  std::optional<size_t> value_log_threshold = {};
  std::optional<size_t> memtable_size = {};
  std::optional<uint64_t> compaction_bytes_per_second = {};
  std::optional<uint64_t> max_disk_bytes = {};
  std::optional<uint64_t> fifo_bytes_max = {};
  std::optional<uint64_t> fifo_age_max_s = {};
};

struct ReadOptions {
  // Read as of this snapshot; null means as of the call. Must come from the same database.
  const Snapshot* snapshot = nullptr;
  // Writes not yet committed that this reader sees above the database. Not owned; outlives the call or the iterator.
  // An iterator sees the batch as it was when the iterator was made.
  const IndexedBatch* batch = nullptr;
  // Iterators only: keys in [lower_bound, upper_bound); an empty upper bound means none. Copied.
  std::string_view lower_bound;
  std::string_view upper_bound;
  // Blocks read are left in the cache; false for one-time sweeps.
  bool fill_cache = true;
};

struct IngestOptions {
  // The files are taken over: linked where the file system allows it (else copied), and their own names removed once the
  // call succeeds. Otherwise they are copied and stay.
  bool move_files = false;
};

struct WriteOptions {
  // Wait until the write is durable, whatever Options::wal_sync says.
  bool sync = false;
};

}  // namespace varve::lsm
