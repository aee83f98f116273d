#include "lsm/version/manifest.h"

#include <utility>

#include "lsm/version/file_names.h"

namespace varve::lsm {

namespace {
constexpr size_t kCurrentSizeMax = 64;  // "MANIFEST-" and a number and a newline
}  // namespace

VersionEdit FirstEdit(const ManifestState& state) {
  VersionEdit edit = state.version->Snapshot();
  edit.wal_number = state.wal_number;
  edit.next_number = state.next_number;
  edit.flushed_sequence = state.flushed_sequence;
  edit.jobs = state.jobs;
  if (!state.merge_operator.empty()) edit.merge_operator = state.merge_operator;
  return edit;
}

namespace {

// All of an edit but its version.
void NoteEdit(const VersionEdit& edit, ManifestState* state) {
  if (edit.wal_number) state->wal_number = *edit.wal_number;
  if (edit.next_number) state->next_number = *edit.next_number;
  if (edit.flushed_sequence) state->flushed_sequence = *edit.flushed_sequence;
  if (edit.merge_operator) state->merge_operator = *edit.merge_operator;
  auto& jobs = state->jobs;
  jobs.insert(jobs.end(), edit.jobs.begin(), edit.jobs.end());
  if (jobs.size() > kJobHistoryMax) jobs.erase(jobs.begin(), jobs.end() - kJobHistoryMax);
}

}  // namespace

Status ApplyEdit(const VersionEdit& edit, std::string_view source, ManifestState* state) {
  auto version = Version::Apply(*state->version, edit, source);
  if (!version.ok()) return version.status();
  state->version = std::move(version).value();
  NoteEdit(edit, state);
  return Status::Ok();
}

Result<std::string> ReadCurrent(FileSystem* fs, const std::string& dir) {
  const std::string path = CurrentFileName(dir);
  auto file = fs->OpenForRead(path);
  if (!file.ok()) return file.status();
  char buffer[kCurrentSizeMax];
  auto size = (*file)->ReadAt(0, sizeof(buffer), buffer);
  if (!size.ok()) return size.status();
  std::string_view text(buffer, *size);
  if (!text.ends_with('\n') || ParseFileName(text.substr(0, text.size() - 1)).kind != FileKind::kManifest) {
    return Status::Corruption(path + ": does not name a manifest (want one line like MANIFEST-000001)");
  }
  return std::string(text.substr(0, text.size() - 1));
}

Status ManifestReader::Open(const std::shared_ptr<const TableContext>& context) {
  auto name = ReadCurrent(context->file_system, context->dir);
  if (!name.ok()) return name.status();
  Status s = OpenNamed(context, *name);
  if (!s.Is(StatusCode::kNotFound)) return s;
  return Status::Corruption(CurrentFileName(context->dir) + ": names " + name_ + ", but that file is missing");
}

Status ManifestReader::OpenNamed(const std::shared_ptr<const TableContext>& context, const std::string& name) {
  context_ = context;
  name_ = name;
  number_ = ParseFileName(name_).number;
  const std::string path = context->dir + "/" + name_;
  VARVE_TRY(log_.Open(context->file_system, path, number_));
  bool any = false;
  VARVE_TRY(ReadRecords(&any));
  if (!first_record_seen_) return Status::Corruption(path + ": the manifest holds no whole record");
  return Status::Ok();
}

Status ManifestReader::ReadRecords(bool* any) {
  const std::shared_ptr<const Version> base = state_.version;
  VersionBuilder builder(*base);
  ManifestState next = state_;
  const Status read = ReadEdits(&builder, &next, any);
  if (!*any) return read;
  // The log stands behind what was read, so that counts even when an error follows.
  auto version = builder.Finish(context_->dir + "/" + name_);
  if (!version.ok()) return read.ok() ? version.status() : read;
  next.version = std::move(version).value();
  state_ = std::move(next);
  return read;
}

Status ManifestReader::ReadEdits(VersionBuilder* builder, ManifestState* next, bool* any) {
  std::string_view payload;
  while (log_.Next(&payload)) {
    const std::string source = context_->dir + "/" + name_ + ": edit before offset " + std::to_string(log_.offset());
    auto edit = VersionEdit::Decode(payload, source, context_);
    if (!edit.ok()) return edit.status();
    if (!first_record_seen_ && !edit->names_format)
      return Status::Corruption(source + ": the first edit names no format");
    first_record_seen_ = true;
    VARVE_TRY(builder->Add(*edit, source));
    NoteEdit(*edit, next);
    *any = true;
  }
  return log_.status();
}

Result<bool> ManifestReader::Advance() {
  bool any = false;
  log_.Resume();
  if (Status s = ReadRecords(&any); !s.ok()) return s;
  return any;
}

Result<std::unique_ptr<ManifestWriter>> ManifestWriter::Create(FileSystem* fs, RandomSource* random,
                                                               const std::string& dir, uint64_t number,
                                                               const ManifestState& state) {
  const std::string name = ManifestName(number);
  LogWriter::Setup setup;
  setup.number = number;
  setup.salt = static_cast<uint32_t>(random->Next());
  auto log = LogWriter::Open(fs, dir + "/" + name, setup);
  if (!log.ok()) return log.status();
  std::unique_ptr<ManifestWriter> writer(new ManifestWriter());
  writer->log_ = std::move(log).value();

  if (Status s = writer->Append(FirstEdit(state)); !s.ok()) return s;
  writer->snapshot_bytes_ = writer->log_->size();
  if (Status s = fs->SyncDir(dir); !s.ok()) return s;

  const std::string temporary = CurrentFileName(dir) + ".tmp";
  auto current = fs->Create(temporary);
  if (!current.ok()) return current.status();
  if (Status s = (*current)->WriteAt(0, name + "\n"); !s.ok()) return s;
  if (Status s = (*current)->Sync(); !s.ok()) return s;
  if (Status s = (*current)->Close(); !s.ok()) return s;
  if (Status s = fs->Rename(temporary, CurrentFileName(dir)); !s.ok()) return s;
  if (Status s = fs->SyncDir(dir); !s.ok()) return s;
  return writer;
}

Status ManifestWriter::Append(const VersionEdit& edit) {
  VARVE_TRY(log_->Append(edit.Encode()));
  VARVE_TRY(log_->Sync());
  // A record behind the edit says that it is durable: so rot in the last edit is told from a torn one. It is not synced
  // itself and may get lost; should it not even be written, the next edit says why.
  VersionEdit mark;
  mark.names_format = true;  // changes nothing
  const Status ignored = log_->Append(mark.Encode());
  static_cast<void>(ignored.ok());
  return Status::Ok();
}

}  // namespace varve::lsm
