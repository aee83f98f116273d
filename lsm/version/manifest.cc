#include "lsm/version/manifest.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "lsm/out_of_memory.h"
#include "lsm/version/file_names.h"

namespace varve::lsm {

namespace {
constexpr size_t kCurrentSizeMax = 64;  // "MANIFEST-", two numbers, a space and a newline
}  // namespace

VersionEdit FirstEdit(const ManifestState& state) {
  VersionEdit edit = state.version->Snapshot();
  edit.wal_number = state.wal_number;
  edit.next_number = state.next_number;
  edit.flushed_sequence = state.flushed_sequence;
  if (state.durable_sequence > state.flushed_sequence) edit.durable_sequence = state.durable_sequence;
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
  if (edit.durable_sequence) state->durable_sequence = *edit.durable_sequence;
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

Result<Current> ReadCurrent(FileSystem* fs, const std::string& dir) {
  const std::string path = CurrentFileName(dir);
  auto file = fs->OpenForRead(path);
  if (!file.ok()) return file.status();
  char buffer[kCurrentSizeMax];
  auto size = (*file)->ReadAt(0, sizeof(buffer), buffer);
  if (!size.ok()) return size.status();
  const std::string_view text(buffer, *size);
  const size_t space = std::min(text.find(' '), text.size());
  Current current{.manifest = std::string(text.substr(0, space))};
  const char* const number = buffer + std::min(space + 1, text.size());
  const auto [end, error] = std::from_chars(number, buffer + text.size(), current.durable_bytes);
  const bool whole = error == std::errc() && std::string_view(end, buffer + text.size()) == "\n";
  if (!whole || ParseFileName(current.manifest).kind != FileKind::kManifest) {
    return Status::Corruption(path + ": does not name a manifest (want one line like MANIFEST-000001 1234)");
  }
  return current;
}

Status ManifestReader::Open(const std::shared_ptr<const TableContext>& context) {
  auto current = ReadCurrent(context->file_system, context->dir);
  if (!current.ok()) return current.status();
  Status s = OpenNamed(context, *current);
  if (!s.Is(StatusCode::kNotFound)) return s;
  return Status::Corruption(CurrentFileName(context->dir) + ": names " + name_ + ", but that file is missing");
}

Status ManifestReader::OpenNamed(const std::shared_ptr<const TableContext>& context, const Current& current) {
  context_ = context;
  name_ = current.manifest;
  number_ = ParseFileName(name_).number;
  const std::string path = context->dir + "/" + name_;
  VARVE_TRY(log_.Open(context->file_system, path, number_));
  bool any = false;
  VARVE_TRY(ReadRecords(&any));
  if (!first_record_seen_) return Status::Corruption(path + ": the manifest holds no whole record");
  if (log_.offset() < current.durable_bytes) {
    return Status::Corruption(path + ": offset " + std::to_string(log_.offset()) +
                              ": the manifest ends, but CURRENT says that " + std::to_string(current.durable_bytes) +
                              " bytes were durable");
  }
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
  std::unique_ptr<ManifestWriter> writer(new ManifestWriter(fs, dir, name));
  writer->log_ = std::move(log).value();

  if (Status s = writer->Append(FirstEdit(state)); !s.ok()) return s;
  writer->snapshot_bytes_ = writer->log_->size();
  if (Status s = fs->SyncDir(dir); !s.ok()) return s;
  if (Status s = writer->NoteEnd(); !s.ok()) return s;
  return writer;
}

Status ManifestWriter::NoteEnd() {
  const uint64_t end = log_->synced_size();
  if (end == noted_end_) return Status::Ok();
  const std::string path = CurrentFileName(dir_), temporary = path + ".tmp";
  auto current = fs_->Create(temporary);
  if (!current.ok()) return current.status();
  VARVE_TRY((*current)->WriteAt(0, name_ + " " + std::to_string(end) + "\n"));
  VARVE_TRY((*current)->Sync());
  VARVE_TRY((*current)->Close());
  VARVE_TRY(fs_->Rename(temporary, path));
  VARVE_TRY(fs_->SyncDir(dir_));
  noted_end_ = end;
  return Status::Ok();
}

Status ManifestWriter::Append(const VersionEdit& edit) {
  VARVE_TRY(OrOutOfMemory([&] { return log_->Append(edit.Encode()); }));
  VARVE_TRY(log_->Sync());
  // A record behind the edit says that it is durable: so rot in the last edit is told from a torn one. It is not synced
  // itself and may get lost; should it not even be written, the next edit says why.
  IfMemoryAllows([&] {
    VersionEdit mark;
    mark.names_format = true;  // changes nothing
    static_cast<void>(log_->Append(mark.Encode()).ok());
  });
  return Status::Ok();
}

}  // namespace varve::lsm
