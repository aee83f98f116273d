// lsm/version/manifest.h - the log of version edits, and the file CURRENT that names it.
//
// Reading replays every edit. Writing appends one record and syncs it. A fresh manifest (at every open by an owner, and
// when the log has grown past twice its snapshot) is written beside the old one and becomes live by the steps R1, R2 of
// lsm/io/file_system.h: write and sync the file, sync the directory, write and sync CURRENT.tmp, rename, sync the
// directory. A torn last record is cut: no edit is relied on before it is synced. Behind each synced edit goes an empty
// one that carries its sync mark, so that rot in the last edit is refused rather than cut; and CURRENT says how long the
// manifest was when it became live, or when the database was closed, so that one that lost its end is refused. Threads: one thread at a time (the
// database's manifest lock).
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "lsm/io/clock.h"
#include "lsm/io/file_system.h"
#include "lsm/version/version.h"
#include "lsm/wal/log_reader.h"
#include "lsm/wal/log_writer.h"

namespace varve::lsm {

// What the manifest says.
struct ManifestState {
  std::shared_ptr<const Version> version = std::make_shared<const Version>();
  uint64_t wal_number = 0;
  uint64_t next_number = 1;
  SequenceNumber flushed_sequence = 0;
  SequenceNumber durable_sequence = 0;           // the log reaches it, or has lost bytes
  std::string merge_operator;                    // its name; empty: the database was never opened with one
  std::vector<std::shared_ptr<const Job>> jobs;  // finished, oldest first, at most kJobHistoryMax
};

// The first record of a manifest that says `state`.
VersionEdit FirstEdit(const ManifestState& state);
// Applies `edit` to `state`.
Status ApplyEdit(const VersionEdit& edit, std::string_view source, ManifestState* state);

// What CURRENT says, in one line: "MANIFEST-000005 1234".
struct Current {
  std::string manifest;
  uint64_t durable_bytes = 0;  // of the manifest: it reaches so far, or has lost bytes
};
// kNotFound without the file, kCorruption when it says something else.
Result<Current> ReadCurrent(FileSystem* fs, const std::string& dir);

// Reads CURRENT and the manifest it names. Keeps its place, so that a follower can go on reading.
class ManifestReader {
 public:
  // kNotFound when there is no CURRENT.
  Status Open(const std::shared_ptr<const TableContext>& context);
  // A manifest by its name, whether CURRENT names it or not; kNotFound.
  Status OpenNamed(const std::shared_ptr<const TableContext>& context, const Current& current);
  // Reads what was appended since; true when there was something.
  Result<bool> Advance();

  const ManifestState& state() const { return state_; }
  const std::string& name() const { return name_; }  // "MANIFEST-000005"
  uint64_t number() const { return number_; }

 private:
  Status ReadRecords(bool* any);
  Status ReadEdits(VersionBuilder* builder, ManifestState* next, bool* any);

  std::shared_ptr<const TableContext> context_;
  std::string name_;
  uint64_t number_ = 0;
  bool first_record_seen_ = false;
  LogReader log_;
  ManifestState state_;
};

class ManifestWriter {
 public:
  // Makes a new manifest that holds `state`, and makes it live. Older manifests are left to the clean-up of obsolete
  // files.
  static Result<std::unique_ptr<ManifestWriter>> Create(FileSystem* fs, RandomSource* random, const std::string& dir,
                                                        uint64_t number, const ManifestState& state);
  // Durable on return. After an error the edit may or may not be on the disk; the next one overwrites it, unless a sync
  // failed: then fenced() is true and every Append fails. Throws nothing.
  Status Append(const VersionEdit& edit);
  // Says in CURRENT how far the manifest reaches by now, if it does not say so already.
  Status NoteEnd();
  bool fenced() const { return log_->fenced(); }
  const std::string& path() const { return log_->path(); }
  uint64_t size() const { return log_->size(); }
  bool WantsRewrite() const { return log_->size() > 2 * snapshot_bytes_ + kRewriteSlack; }

 private:
  static constexpr uint64_t kRewriteSlack = 1 << 20;  // small databases are not rewritten all the time
  ManifestWriter(FileSystem* fs, std::string dir, std::string name)
      : fs_(fs), dir_(std::move(dir)), name_(std::move(name)) {}

  FileSystem* const fs_;
  const std::string dir_, name_;
  std::unique_ptr<LogWriter> log_;
  uint64_t noted_end_ = 0;
  uint64_t snapshot_bytes_ = 0;
};

}  // namespace varve::lsm
