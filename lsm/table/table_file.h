// lsm/table/table_file.h - a table file as the manifest knows it: its facts, and its reader, opened on first touch.
//
// Versions share TableFiles; a file that no version, iterator or checkpoint reaches any more is destroyed here, and if
// an edit made it obsolete its name goes to the graveyard, whose owner removes it from the disk in the background.
// Threads: immutable facts; Open by any thread (the first opens, later calls are one load); MarkObsolete by any thread.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "lsm/sync/mutex.h"
#include "lsm/table/table.h"
#include "lsm/table/table_builder.h"

namespace varve::lsm {

// Files that may be removed from the disk. Outlives every file that may be buried (shared_ptr).
class Graveyard {
 public:
  struct Buried {
    std::string path;
    uint64_t size;  // bytes
  };
  void Bury(std::string path, uint64_t size);
  std::vector<Buried> TakeAll();

 private:
  Mutex mu_;
  std::vector<Buried> files_ VARVE_GUARDED_BY(mu_);
};

// What every file of one database needs to open its reader. Outlives the files (shared_ptr).
struct TableContext {
  FileSystem* file_system = nullptr;
  BlockCache* cache = nullptr;
  std::string dir;
  std::shared_ptr<Graveyard> graveyard = std::make_shared<Graveyard>();
};

// "<dir>/000012.sst"
std::string TableFileName(const std::string& dir, uint64_t number);

// A file that the operating system refuses to read may be open to it a moment later (too many open files), or never (a
// bad sector): after so many compactions in a row that it failed, it counts as unreadable. One is tried each second.
inline constexpr int kReadErrorsMax = 5;

class TableFile {
 public:
  TableFile(uint64_t number, uint64_t table_id, TableFacts facts, std::shared_ptr<const TableContext> context);
  ~TableFile();
  TableFile(const TableFile&) = delete;
  TableFile& operator=(const TableFile&) = delete;

  // The reader; valid as long as this object. kIoError, kCorruption: this file cannot be read now.
  Result<const Table*> Open() const {
    const Table* table = opened_.load(std::memory_order_acquire);
    if (table != nullptr) [[likely]]
      return table;
    return OpenSlow();
  }
  // The reader when somebody opened it before; null otherwise. No disk access.
  const Table* opened() const { return opened_.load(std::memory_order_acquire); }
  // The same reader with shared ownership; requires a successful Open().
  std::shared_ptr<const Table> shared_table() const;

  void MarkObsolete() { obsolete_.store(true, std::memory_order_relaxed); }

  uint64_t number() const { return number_; }
  uint64_t table_id() const { return table_id_; }
  const TableFacts& facts() const { return facts_; }
  std::string path() const { return TableFileName(context_->dir, number_); }
  // True when no key of the file is > `key` or equal to it.
  bool EndsBefore(std::string_view key) const {
    int c = std::string_view(facts_.largest).compare(key);
    return c < 0 || (c == 0 && facts_.largest_exclusive);
  }
  bool StartsAfter(std::string_view key) const { return std::string_view(facts_.smallest) > key; }
  uint64_t smallest_prefix() const { return smallest_prefix_; }  // KeyPrefix of the bounds
  uint64_t largest_prefix() const { return largest_prefix_; }

  // Set while a compaction reads the file, so that no other one picks it. Guarded by the database's mutex.
  mutable bool being_compacted = false;
  // Set when a compaction could not read the file: no automatic one picks it. Guarded likewise.
  mutable bool quarantined = false;
  // Compactions in a row that the file failed by an error that may pass. Guarded likewise.
  mutable int read_errors = 0;

 private:
  Result<const Table*> OpenSlow() const;

  const uint64_t number_;
  const uint64_t table_id_;
  const TableFacts facts_;
  const uint64_t smallest_prefix_;
  const uint64_t largest_prefix_;
  const std::shared_ptr<const TableContext> context_;
  std::atomic<bool> obsolete_{false};
  mutable std::atomic<const Table*> opened_{nullptr};
  mutable Mutex mu_;
  mutable std::shared_ptr<const Table> table_ VARVE_GUARDED_BY(mu_);
};

using TableFileRef = std::shared_ptr<TableFile>;

}  // namespace varve::lsm
