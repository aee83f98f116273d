#include "lsm/backup.h"

#include <algorithm>
#include <cstdio>
#include <map>
#include <set>
#include <utility>

#include "lsm/db_impl.h"
#include "lsm/format/coding.h"
#include "lsm/format/crc32c.h"
#include "lsm/io/copy_file.h"
#include "lsm/io/path.h"
#include "lsm/live_files.h"
#include "lsm/version/file_names.h"
#include "lsm/wal/log_reader.h"
#include "lsm/wal/log_writer.h"

namespace varve::lsm {

namespace {

constexpr std::string_view kRecordFormat = "varve.backup.1";
constexpr std::string_view kRecordSuffix = ".backup";
constexpr std::string_view kTemporarySuffix = ".tmp";
constexpr std::string_view kDamagedSuffix = ".damaged";  // behind the name of a stored file that is
constexpr char kNewFile[] = "new.tmp";                   // in files/: the one that is being stored
constexpr size_t kVerifyCacheBytes = size_t{1} << 20;

struct StoredFile {
  std::string name;  // in the database
  uint64_t content_id = 0;
  uint64_t size = 0;
  uint32_t crc = 0;
  bool is_new = false;  // no earlier backup held it

  std::string stored_name() const {
    char id[32];
    std::snprintf(id, sizeof(id), "%016llx-%08x", static_cast<unsigned long long>(content_id), crc);
    return id + name.substr(std::min(name.find('.'), name.size()));
  }
};

struct Record {
  int64_t wall_ms = 0;
  SequenceNumber sequence = 0;
  std::vector<StoredFile> files;
  std::string manifest;

  std::string Encode() const {
    std::string out;
    PutLengthPrefixed(&out, kRecordFormat);
    PutVarint64(&out, static_cast<uint64_t>(wall_ms));
    PutVarint64(&out, sequence);
    PutVarint64(&out, files.size());
    for (const StoredFile& file : files) {
      PutLengthPrefixed(&out, file.name);
      PutFixed64(&out, file.content_id);
      PutVarint64(&out, file.size);
      PutFixed32(&out, file.crc);
      out.push_back(file.is_new ? 1 : 0);
    }
    PutLengthPrefixed(&out, manifest);
    return out;
  }

  bool DecodeFrom(std::string_view in) {
    std::string_view text;
    uint64_t wall, count;
    if (!GetLengthPrefixed(&in, &text) || text != kRecordFormat) return false;
    if (!GetVarint64(&in, &wall) || !GetVarint64(&in, &sequence) || !GetVarint64(&in, &count)) return false;
    wall_ms = static_cast<int64_t>(wall);
    for (; count > 0; --count) {
      StoredFile file;
      if (!GetLengthPrefixed(&in, &text) || !GetFixed64(&in, &file.content_id) || !GetVarint64(&in, &file.size) ||
          !GetFixed32(&in, &file.crc) || in.empty())
        return false;
      file.name = text;
      file.is_new = in.front() == 1;
      in.remove_prefix(1);
      // Names go into paths: only those of a database's own files.
      const FileKind kind = ParseFileName(file.name).kind;
      if (kind != FileKind::kTable && kind != FileKind::kValueLog) return false;
      files.push_back(std::move(file));
    }
    if (!GetLengthPrefixed(&in, &text) || !in.empty()) return false;
    manifest = text;
    return true;
  }
};

std::string RecordName(uint64_t id) {
  char name[40];
  std::snprintf(name, sizeof(name), "%06llu", static_cast<unsigned long long>(id));
  return name + std::string(kRecordSuffix);
}

// 0: not a record's name.
uint64_t ParseRecordName(std::string_view name) {
  if (!name.ends_with(kRecordSuffix)) return 0;
  const std::string_view digits = name.substr(0, name.size() - kRecordSuffix.size());
  if (digits.empty() || digits.size() > 18 || digits.find_first_not_of("0123456789") != std::string_view::npos)
    return 0;
  uint64_t id = 0;
  for (const char digit : digits) id = 10 * id + static_cast<uint64_t>(digit - '0');
  return RecordName(id) == name ? id : 0;
}

// Whether `name` is one that a StoredFile may have: 16 and 8 hexadecimal digits, and the kind.
bool LooksStored(std::string_view name) {
  constexpr size_t kDigits = 16 + 1 + 8;
  if (name.size() <= kDigits || name[16] != '-') return false;
  const std::string_view kind = name.substr(kDigits);
  if (kind != ".sst" && kind != ".vlog") return false;
  const std::string_view digits = name.substr(0, kDigits);
  return digits.find_first_not_of("0123456789abcdef-") == std::string_view::npos && digits.rfind('-') == 16 &&
         digits.find('-') == 16;
}

// The size and the checksum of a file that is read or copied.
struct Sum {
  uint32_t crc = 0;
  uint64_t size = 0;

  ChunkVisitor Visitor() {
    return [this](std::string_view chunk) {
      crc = Crc32c(crc, chunk);
      size += chunk.size();
      return Status::Ok();
    };
  }
};

// One backup directory, for the length of one call.
class Store {
 public:
  Store(const std::string& dir, const BackupOptions& options)
      : dir_(WithoutTrailingSlashes(dir)),
        options_(options),
        fs_(options.file_system != nullptr ? options.file_system : PosixFileSystem()) {}

  Result<uint64_t> Create(Db* db);
  Result<std::vector<BackupInfo>> List() const;
  Result<VerifyReport> Verify(uint64_t id);
  Status Delete(uint64_t id);
  Status Restore(uint64_t id, const std::string& target) const;

 private:
  std::string RecordPath(uint64_t id) const { return dir_ + "/" + RecordName(id); }
  std::string FilesDir() const { return dir_ + "/files"; }
  std::string StoredPath(const StoredFile& file) const { return FilesDir() + "/" + file.stored_name(); }
  Status Lock();
  Status CheckIsOurs() const;
  Result<std::vector<uint64_t>> Ids() const;
  Result<Record> Read(uint64_t id) const;
  Status Check(const StoredFile& file) const;
  bool IsThere(const StoredFile& file) const;
  // Out of the way of the next Create, which then stores it again. False: it stays where it is.
  bool SetAside(const StoredFile& file);
  Status StoreFile(const LiveFiles::File& source, StoredFile* file) const;
  Status CheckContents(const StoredFile& file) const;
  Status WriteRecord(uint64_t id, const Record& record) const;
  void RemoveUnused() const;
  Status FillTarget(const Record& record, const std::string& temporary) const;
  void Report(BackupProgress* progress, uint64_t bytes) const {
    ++progress->files;
    progress->bytes += bytes;
    if (options_.on_progress) options_.on_progress(*progress);
  }

  const std::string dir_;
  const BackupOptions& options_;
  FileSystem* const fs_;
  std::unique_ptr<FileLock> lock_;
};

Status Store::Lock() {
  auto lock = fs_->Lock(LockFileName(dir_));
  if (!lock.ok()) return lock.status();
  lock_ = std::move(lock).value();
  return Status::Ok();
}

// Create clears away what nobody names, so it must not begin in somebody else's directory.
Status Store::CheckIsOurs() const {
  auto names = fs_->List(dir_);
  if (!names.ok()) return names.status();
  const auto has = [&](const std::string& name) {
    return std::find(names->begin(), names->end(), name) != names->end();
  };
  const bool any_record =
      std::any_of(names->begin(), names->end(), [](const std::string& name) { return ParseRecordName(name) != 0; });
  // A first backup that was interrupted leaves the lock's file. Databases have one too.
  const bool locked_once = has(NameOf(LockFileName(dir_))) && !has(NameOf(CurrentFileName(dir_)));
  if (names->empty() || any_record || locked_once) return Status::Ok();
  return Status::InvalidArgument(dir_ + ": is no directory of backups and holds '" + names->front() +
                                 "'; want a new or an empty directory, or one that holds backups");
}

Result<std::vector<uint64_t>> Store::Ids() const {
  auto names = fs_->List(dir_);
  if (!names.ok()) return names.status();
  std::vector<uint64_t> ids;
  for (const std::string& name : *names) {
    if (const uint64_t id = ParseRecordName(name); id != 0) ids.push_back(id);
  }
  std::sort(ids.begin(), ids.end());
  return ids;
}

Result<Record> Store::Read(uint64_t id) const {
  const std::string path = RecordPath(id);
  LogReader log;
  if (Status s = log.Open(fs_, path, id); !s.ok()) {
    if (!s.Is(StatusCode::kNotFound)) return s;
    return Status::NotFound(dir_ + ": no backup " + std::to_string(id));
  }
  std::string_view payload;
  if (!log.Next(&payload)) {
    return log.status().ok() ? Status::Corruption(path + ": offset 0: the backup's record is damaged") : log.status();
  }
  Record record;
  if (record.DecodeFrom(payload)) return record;
  std::string_view format;
  if (GetLengthPrefixed(&payload, &format) && format != kRecordFormat) {
    return Status::Unsupported(path + ": backup format '" + std::string(format) + "' is not known; this build reads '" +
                               std::string(kRecordFormat) + "'");
  }
  return Status::Corruption(path + ": the backup's record is malformed");
}

// Reads it whole.
Status Store::Check(const StoredFile& file) const {
  Sum sum;
  Status s = VisitFile(fs_, StoredPath(file), sum.Visitor());
  const std::string what = StoredPath(file) + " (" + file.name + " of the database): ";
  if (s.Is(StatusCode::kNotFound)) return Status::Corruption(what + "the file is missing");
  VARVE_TRY(s);
  if (sum.size != file.size) {
    return Status::Corruption(what + std::to_string(sum.size) + " bytes, want " + std::to_string(file.size));
  }
  if (sum.crc != file.crc) return Status::Corruption(what + "its bytes are not those that were backed up (checksum)");
  return Status::Ok();
}

bool Store::SetAside(const StoredFile& file) {
  if (lock_ == nullptr && !Lock().ok()) return false;
  if (!Check(file).Is(StatusCode::kCorruption)) return false;  // somebody stored it anew before the lock was ours
  const std::string path = StoredPath(file);
  return fs_->Rename(path, path + std::string(kDamagedSuffix)).ok() && fs_->SyncDir(FilesDir()).ok();
}

bool Store::IsThere(const StoredFile& file) const {
  auto size = fs_->FileSize(StoredPath(file));
  return size.ok() && *size == file.size;
}

// Nobody but the backups will look at this copy for a long time, so its blocks, or records, are checked now.
Status Store::CheckContents(const StoredFile& file) const {
  auto opened = fs_->OpenForRead(StoredPath(file));
  if (!opened.ok()) return opened.status();
  if (ParseFileName(file.name).kind == FileKind::kValueLog) return VerifyValueLog(**opened);
  BlockCache cache(kVerifyCacheBytes);
  auto table = Table::Open(std::move(opened).value(), file.size, 0, file.content_id, &cache);
  if (!table.ok()) return table.status();
  uint64_t blocks = 0, entries = 0;
  std::vector<std::string> problems;
  (*table)->Verify(&blocks, &entries, &problems);
  return problems.empty() ? Status::Ok() : Status::Corruption(problems.front());
}

Status Store::StoreFile(const LiveFiles::File& source, StoredFile* file) const {
  file->is_new = true;
  Sum sum;
  const std::string temporary = FilesDir() + "/" + kNewFile;
  if (fs_->Link(source.path, temporary).ok()) {
    VARVE_TRY(VisitFile(fs_, temporary, sum.Visitor()));
  } else {
    VARVE_TRY(CopyFile(fs_, source.path, temporary, sum.Visitor()));
  }
  if (sum.size != source.size) {
    return Status::Corruption(source.path + ": " + std::to_string(sum.size) + " bytes, want " +
                              std::to_string(source.size));
  }
  file->crc = sum.crc;
  VARVE_TRY(fs_->Rename(temporary, StoredPath(*file)));
  if (Status s = CheckContents(*file); !s.ok()) {
    return Status(s.code(), source.path + ", as backed up: " + std::string(s.message()));
  }
  return Status::Ok();
}

Status Store::WriteRecord(uint64_t id, const Record& record) const {
  LogWriter::Setup setup;
  setup.number = id;
  setup.salt = static_cast<uint32_t>((options_.random != nullptr ? options_.random : SystemRandom())->Next());
  const std::string temporary = RecordPath(id) + std::string(kTemporarySuffix);
  auto log = LogWriter::Open(fs_, temporary, setup);
  if (!log.ok()) return log.status();
  VARVE_TRY((*log)->Append(record.Encode()));
  VARVE_TRY((*log)->Seal());
  VARVE_TRY((*log)->Sync());
  log->reset();
  VARVE_TRY(fs_->Rename(temporary, RecordPath(id)));
  return fs_->SyncDir(dir_);
}

// Files of no backup, and what an interrupted call left: by names that nobody else gives. As long as some record cannot be read everything stays: it may
// name any file. Errors are harmless: the next call tries again.
void Store::RemoveUnused() const {
  auto names = fs_->List(dir_);
  auto stored = fs_->List(FilesDir());
  auto ids = Ids();
  if (!names.ok() || !stored.ok() || !ids.ok()) return;
  std::set<std::string> used;
  for (const uint64_t id : *ids) {
    auto record = Read(id);
    if (!record.ok()) return;
    for (const StoredFile& file : record->files) used.insert(file.stored_name());
  }
  std::vector<std::string> unused;
  for (const std::string& name : *stored) {
    // A damaged one stays as long as some backup misses it.
    const std::string sound =
        name.ends_with(kDamagedSuffix) ? name.substr(0, name.size() - kDamagedSuffix.size()) : name;
    if (name == kNewFile || (LooksStored(sound) && !used.contains(sound))) unused.push_back(FilesDir() + "/" + name);
  }
  for (const std::string& name : *names) {
    const bool temporary = name.ends_with(kTemporarySuffix);
    if (temporary && ParseRecordName(name.substr(0, name.size() - kTemporarySuffix.size())) != 0)
      unused.push_back(dir_ + "/" + name);
  }
  for (const std::string& path : unused) {
    Status ignored = fs_->Remove(path);
    (void)ignored.ok();
  }
}

Result<uint64_t> Store::Create(Db* db) {
  VARVE_TRY(fs_->CreateDir(dir_));
  VARVE_TRY(fs_->SyncDir(ParentOf(dir_)));
  VARVE_TRY(CheckIsOurs());
  VARVE_TRY(Lock());
  VARVE_TRY(fs_->CreateDir(FilesDir()));
  auto ids = Ids();
  if (!ids.ok()) return ids.status();
  std::map<uint64_t, StoredFile> known;  // by content id
  for (const uint64_t other : *ids) {
    auto record = Read(other);
    if (!record.ok()) continue;
    for (const StoredFile& file : record->files) known.insert_or_assign(file.content_id, file);
  }
  RemoveUnused();

  auto live = db->GetLiveFiles();
  if (!live.ok()) return live.status();
  Record record;
  record.wall_ms = (options_.clock != nullptr ? options_.clock : SystemClock())->WallMillis();
  record.sequence = live->sequence;
  record.manifest = live->manifest;
  BackupProgress progress;
  progress.files_total = live->files.size();
  for (const LiveFiles::File& source : live->files) progress.bytes_total += source.size;
  for (const LiveFiles::File& source : live->files) {
    StoredFile file{.name = source.name, .content_id = source.content_id, .size = source.size};
    const auto it = known.find(source.content_id);
    if (it != known.end() && it->second.size == source.size && IsThere(it->second)) {
      file.crc = it->second.crc;
    } else {
      VARVE_TRY(StoreFile(source, &file));
    }
    record.files.push_back(std::move(file));
    Report(&progress, source.size);
  }
  VARVE_TRY(fs_->SyncDir(FilesDir()));
  VARVE_TRY(fs_->SyncDir(dir_));
  const uint64_t id = ids->empty() ? 1 : ids->back() + 1;
  VARVE_TRY(WriteRecord(id, record));
  return id;
}

Result<std::vector<BackupInfo>> Store::List() const {
  auto ids = Ids();
  if (!ids.ok()) return ids.status();
  std::vector<BackupInfo> list;
  for (const uint64_t id : *ids) {
    BackupInfo info;
    info.id = id;
    if (auto record = Read(id); record.ok()) {
      info.wall_ms = record->wall_ms;
      info.sequence = record->sequence;
      info.files = record->files.size();
      for (const StoredFile& file : record->files) {
        info.bytes += file.size;
        if (file.is_new) info.new_bytes += file.size;
      }
    } else {
      info.problem = record.status().ToString();
    }
    list.push_back(std::move(info));
  }
  return list;
}

Result<VerifyReport> Store::Verify(uint64_t id) {
  auto record = Read(id);
  if (!record.ok()) return record.status();
  VerifyReport report;
  BackupProgress progress;
  progress.files_total = record->files.size();
  for (const StoredFile& file : record->files) progress.bytes_total += file.size;
  for (const StoredFile& file : record->files) {
    ++report.tables;
    if (Status s = Check(file); !s.ok()) {
      std::string& problem = report.problems.emplace_back(s.message());
      if (SetAside(file)) problem += "; set aside: the next backup of a database that has it stores it again";
    }
    Report(&progress, file.size);
  }
  return report;
}

Status Store::Delete(uint64_t id) {
  auto exists = fs_->Exists(RecordPath(id));
  if (!exists.ok()) return exists.status();
  if (!*exists) return Status::NotFound(dir_ + ": no backup " + std::to_string(id));
  VARVE_TRY(Lock());
  VARVE_TRY(fs_->Remove(RecordPath(id)));
  VARVE_TRY(fs_->SyncDir(dir_));  // before its files go: a backup that is listed is whole
  RemoveUnused();
  return Status::Ok();
}

Status Store::Restore(uint64_t id, const std::string& given_target) const {
  const std::string target = WithoutTrailingSlashes(given_target);
  auto record = Read(id);
  if (!record.ok()) return record.status();
  return MakeDirectory(fs_, target, [&](const std::string& temporary) { return FillTarget(*record, temporary); });
}

Status Store::FillTarget(const Record& record, const std::string& temporary) const {
  BackupProgress progress;
  progress.files_total = record.files.size();
  for (const StoredFile& file : record.files) progress.bytes_total += file.size;
  for (const StoredFile& file : record.files) {
    VARVE_TRY(Check(file));
    VARVE_TRY(LinkOrCopyFile(fs_, StoredPath(file), temporary + "/" + file.name));
    Report(&progress, file.size);
  }
  return WriteManifest(fs_, options_.random != nullptr ? options_.random : SystemRandom(), temporary, record.manifest);
}

}  // namespace

bool Backup::IsStoredName(std::string_view name) {
  return LooksStored(name);
}
Result<uint64_t> Backup::Create(Db* db, const std::string& dir, const BackupOptions& options) {
  return Store(dir, options).Create(db);
}
Result<std::vector<BackupInfo>> Backup::List(const std::string& dir, const BackupOptions& options) {
  return Store(dir, options).List();
}
Result<VerifyReport> Backup::Verify(const std::string& dir, uint64_t id, const BackupOptions& options) {
  return Store(dir, options).Verify(id);
}
Status Backup::Delete(const std::string& dir, uint64_t id, const BackupOptions& options) {
  return Store(dir, options).Delete(id);
}
Status Backup::Restore(const std::string& dir, uint64_t id, const std::string& target, const BackupOptions& options) {
  return Store(dir, options).Restore(id, target);
}

}  // namespace varve::lsm
