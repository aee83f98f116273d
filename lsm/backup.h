// lsm/backup.h - a directory of backups of one database that share the files they have in common.
//
//   Result<uint64_t> id = Backup::Create(db, "/backups/mine");          // while writers go on
//   Status s = Backup::Restore("/backups/mine", *id, "data/db2");
//
//   000001.backup        what backup 1 holds: a log (lsm/wal/log_format.h, number 1) of one record:
//                          "varve.backup.1", length-prefixed | Unix time in ms : varint | last sequence : varint |
//                          file count : varint | file x count | manifest's first record, length-prefixed
//                   file   name in the database, length-prefixed | content id : u64 | size : varint | crc32c : u32 |
//                          1 when this backup was the first to store it : u8
//   files/0123456789abcdef-01234567.sst    the files, by content id and crc32c: one that many backups hold lies here
//                        once. It is a hard link to the database's own where the file systems allow it, else a copy.
//                        One that Verify found damaged has ".damaged" behind its name.
//   LOCK                 held by whoever creates or deletes
//
// A backup holds what was acknowledged before Create: the memtable is flushed first, then the tables hold everything.
// A database is append-only below that, so the second backup stores what is new and nothing else. Every file that enters
// the directory is read and checked once. A backup exists when its record does, and that appears by a rename after
// everything else is durable: one that a crash or an error interrupted leaves files that the next Create or Delete
// clears away. Hard links survive the database's deletion but not the rot of the disk they share: for that, back up to
// another file system. Threads: any; calls that write to one directory exclude each other (kBusy).
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "lsm/db.h"
#include "lsm/status.h"

namespace varve::lsm {

struct BackupProgress {
  uint64_t files = 0, files_total = 0;  // done, and to be done
  uint64_t bytes = 0, bytes_total = 0;
};

struct BackupOptions {
  // Called by Create, Verify and Restore after each file, in the caller's thread.
  std::function<void(const BackupProgress&)> on_progress;
  // As in Options; null means the real ones. Create wants the database's file system.
  FileSystem* file_system = nullptr;
  Clock* clock = nullptr;
  RandomSource* random = nullptr;
};

struct BackupInfo {
  uint64_t id = 0;
  int64_t wall_ms = 0;          // when it was made, Unix time
  SequenceNumber sequence = 0;  // the last operation it holds
  uint64_t files = 0, bytes = 0;
  uint64_t new_bytes = 0;  // of files no earlier backup held
  std::string problem;     // why the record cannot be read; then only `id` is known. Empty: sound
};

class Backup {
 public:
  // Backs up `db` into `dir`, which is made when missing (its parent must exist). Returns the backup's id: above all
  // others in the directory. kCorruption naming the file when one of the database's is damaged; kInvalidArgument when
  // `dir` holds something, but no backups.
  static Result<uint64_t> Create(Db* db, const std::string& dir, const BackupOptions& options = {});
  // Oldest first. A record that is damaged is listed with its problem.
  static Result<std::vector<BackupInfo>> List(const std::string& dir, const BackupOptions& options = {});
  // Reads every file of a backup; problems name what is missing or damaged. A damaged file is renamed, if it can be, so
  // that the next Create stores it again, which heals all backups that share it.
  static Result<VerifyReport> Verify(const std::string& dir, uint64_t id, const BackupOptions& options = {});
  // Forgets a backup, and removes the files that no other one holds. kNotFound.
  static Status Delete(const std::string& dir, uint64_t id, const BackupOptions& options = {});
  // Makes the database `target`, which must not exist (its parent must): all of it, checked and durable, or nothing.
  static Status Restore(const std::string& dir, uint64_t id, const std::string& target,
                        const BackupOptions& options = {});
  // Whether a file of a backup is called so.
  static bool IsStoredName(std::string_view name);
};

}  // namespace varve::lsm
