// lsm/follower.h - reads a directory beside its owner, of this or another process, and writes nothing.
//
// CatchUp() moves the view to what the owner has acknowledged by now: new edits of the manifest, new records at the end
// of the log segments (each segment has a memtable here). The owner does not know of followers: it may remove a table
// or reuse a segment between two of our steps. So all tables are opened while the directory still names them, a replay
// with a gap is begun again, and the manifest is read once more at the end: only a pass during which it stood still
// counts. Snapshots hold their whole view, since the owner's compactions do not know of them either. A read-only
// database is a follower that never moves. Threads: as Db.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "lsm/db.h"
#include "lsm/db_impl.h"
#include "lsm/read_view.h"
#include "lsm/recovery.h"
#include "lsm/version/manifest.h"
#include "lsm/wal/log_reader.h"

namespace varve::lsm {

class Follower final : public Db {
 public:
  static Result<std::unique_ptr<Db>> Open(const std::string& dir, const Options& options);
  ~Follower() override;

  Result<bool> Get(const ReadOptions& options, std::string_view key, PinnedValue* value) override;
  Result<bool> TryGet(const ReadOptions& options, std::string_view key, PinnedValue* value) override;
  Status GetAsync(const ReadOptions& options, std::string_view key, GetCallback callback) override;
  void Prefetch(std::span<const std::string_view> keys) override;
  std::vector<Result<bool>> MultiGet(const ReadOptions& options, std::span<const std::string_view> keys,
                                     std::span<PinnedValue> values) override;
  Iterator NewIterator(const ReadOptions& options) override;
  std::unique_ptr<Snapshot> GetSnapshot() override;
  Status Write(const WriteOptions& options, WriteBatch& batch) override;
  Status WriteIfUnchanged(const WriteOptions&, WriteBatch&, std::span<const std::string_view>,
                          SequenceNumber) override {
    return Refuse();
  }
  Result<SequenceNumber> WriteAsync(WriteBatch& batch, DurableCallback on_durable) override;
  WritePressure Pressure() const override { return {}; }
  Status SyncWal() override { return Refuse(); }
  void SetWalSync(WalSync) override {}
  Status Ingest(std::span<const std::string>, const IngestOptions&) override { return Refuse(); }
  Result<std::unique_ptr<ChangeIterator>> ChangesSince(SequenceNumber) override { return Refuse(); }
  Result<std::unique_ptr<ChangeHold>> HoldChanges(SequenceNumber, uint64_t) override { return Refuse(); }
  Status SetOptions(const OptionChanges&) override { return Refuse(); }
  Options GetOptions() const override { return env_.options; }
  Status Flush() override { return Refuse(); }
  Status CompactRange(std::string_view, std::string_view) override { return Refuse(); }
  Status ReclaimSpace(std::string_view, std::string_view) override { return Refuse(); }
  Status WaitForBackgroundWork() override { return Status::Ok(); }
  Status Checkpoint(const std::string&) override { return Refuse(); }
  Result<LiveFiles> GetLiveFiles() override { return Refuse(); }
  Result<VerifyReport> Verify(const VerifyProgress& on_progress) override;
  DbStats Stats() const override;
  std::vector<Job> JobHistory() const override;
  std::vector<TableFileFacts> TableFiles() const override;
  uint64_t ApproximateSize(std::string_view begin, std::string_view end) const override;
  Status CatchUp() override;
  Status Close() override;
  const std::string& dir() const override { return dir_; }

 private:
  static Result<std::unique_ptr<Db>> OpenFollowing(const std::string& dir, const Options& options);
  Result<bool> GetOf(const ReadOptions& options, ReadTier tier, std::string_view key, PinnedValue* value);
  class SnapshotHandle;
  // One moment: everything a read needs.
  struct Moment {
    std::shared_ptr<const ReadView> view;
    SequenceNumber sequence = 0;
    std::shared_ptr<const std::vector<std::shared_ptr<const Job>>> jobs;  // every read copies a Moment
  };
  struct Segment {
    LogReader reader;
    std::shared_ptr<MemTable> table = std::make_shared<MemTable>();
  };

  Follower(std::string dir, Environment environment);
  Status Refuse() const;
  Moment Now(const ReadOptions& options) const;
  Status CatchUpLocked() VARVE_REQUIRES(mu_);
  Status TryOnceLocked() VARVE_REQUIRES(mu_);
  Status ReadManifestLocked() VARVE_REQUIRES(mu_);
  Status ReadLogLocked() VARVE_REQUIRES(mu_);
  std::string EndOfLogLocked() const VARVE_REQUIRES(mu_);
  Status OpenTables(const Version& version) const;

  const std::string dir_;
  const Environment env_;
  std::unique_ptr<BlockCache> cache_;
  std::shared_ptr<TableContext> context_;
  std::atomic<bool> closed_{false};

  Mutex mu_;  // one CatchUp at a time; held across file I/O
  std::unique_ptr<ManifestReader> manifest_ VARVE_GUARDED_BY(mu_);
  std::map<uint64_t, Segment> segments_ VARVE_GUARDED_BY(mu_);
  SequenceNumber next_sequence_ VARVE_GUARDED_BY(mu_) = 1;

  mutable Mutex moment_mu_;
  Moment moment_ VARVE_GUARDED_BY(moment_mu_);
};

}  // namespace varve::lsm
