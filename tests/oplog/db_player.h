// tests/oplog/db_player.h - plays a log on a database under one set of options, on a disk in memory.
//
// In one thread the background work runs where the log says so and where a caller would have to wait; else in threads of
// its own. Time is what the log says in both cases. Every third time that it is opened it has other options than those
// under which its tables were written.
#pragma once

#include <array>
#include <deque>
#include <memory>
#include <string>

#include "lsm/indexed_batch.h"
#include "tests/lsm/db_test_util.h"
#include "tests/model/option_sets.h"
#include "tests/oplog/player.h"

namespace varve::lsm {

class DbPlayer final : public Player {
 public:
  DbPlayer(OptionSet set, uint64_t seed);
  ~DbPlayer() override;
  void Do(const Operation& operation, std::string* answer) override;

 private:
  // What moves the log's time on, but lets waits end by themselves.
  class LogTime final : public Clock {
   public:
    explicit LogTime(Clock* wall) : wall_(wall) {}
    uint64_t MonotonicMicros() override { return SystemClock()->MonotonicMicros(); }
    int64_t WallMillis() override { return wall_->WallMillis(); }

   private:
    Clock* const wall_;
  };

  Options Setup();
  void Open(std::string* answer);
  void CloseAll();

  void Read(const Operation& operation, std::string* answer);
  ReadOptions At(const Operation& operation) const;
  void Get(const Operation& operation, const ReadOptions& options, std::string* answer);
  void MultiGet(const Operation& operation, std::string* answer);
  void Scan(const Operation& operation, ReadOptions options, std::string* answer);
  void AddAll(Db* db, const ReadOptions& options, std::string* answer);

  void Write(const Operation& operation, std::string* answer);
  void PutAsync(const Operation& operation, std::string* answer);
  template <typename Batch>
  void AddTo(const std::vector<Operation>& changes, Batch* batch);
  uint64_t ExpiryOf(const Operation& change);
  void Overlay(const Operation& operation, std::string* answer);
  void Transact(const Operation& operation, std::string* answer);
  void Ingest(const Operation& operation, std::string* answer);
  Status WriteFile(const std::string& path, const std::vector<Operation>& changes);

  void Walk(const Operation& operation, std::string* answer);
  void OpenIterator(const Operation& operation);

  void Maintain(const Operation& operation, std::string* answer);
  Status Compact(const Operation& operation);
  Status SetOptions(uint32_t seed);
  void Checkpoint(std::string* answer);
  void BackUp(const Operation& operation, std::string* answer);
  void OpenCopy(const std::string& dir, OpenMode mode, std::string* answer);
  void Reopen(Kind kind, std::string* answer);
  std::string NewPath(const char* what) { return std::string("/") + what + std::to_string(++paths_); }

  const OptionSet set_;
  const uint64_t seed_;
  std::unique_ptr<Machine> machine_;
  std::unique_ptr<LogTime> time_;
  std::unique_ptr<Db> db_;
  std::array<std::unique_ptr<Snapshot>, kSlotCount + 1> snapshots_;
  std::array<std::unique_ptr<Iterator>, kSlotCount + 1> iterators_;
  std::deque<uint64_t> backups_;
  uint64_t opens_ = 0;
  uint64_t paths_ = 0;
};

}  // namespace varve::lsm
