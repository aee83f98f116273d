#include "lsm/io/copy_file.h"

#include <memory>

namespace varve::lsm {

namespace {
constexpr size_t kChunkSize = size_t{1} << 20;

Status CopyInto(FileSystem* fs, const std::string& from, WritableFile* to, const ChunkVisitor& visit) {
  uint64_t offset = 0;
  const ChunkVisitor append = [&](std::string_view chunk) {
    VARVE_TRY(to->WriteAt(offset, chunk));
    offset += chunk.size();
    return visit ? visit(chunk) : Status::Ok();
  };
  VARVE_TRY(VisitFile(fs, from, append));
  VARVE_TRY(to->Sync());
  return to->Close();
}

}  // namespace

Status VisitFile(FileSystem* fs, const std::string& path, const ChunkVisitor& visit) {
  auto file = fs->OpenForRead(path);
  if (!file.ok()) return file.status();
  const auto buffer = std::make_unique_for_overwrite<char[]>(kChunkSize);
  for (uint64_t offset = 0;;) {
    auto size = (*file)->ReadAt(offset, kChunkSize, buffer.get());
    if (!size.ok()) return size.status();
    if (*size == 0) return Status::Ok();
    VARVE_TRY(visit({buffer.get(), *size}));
    offset += *size;
  }
}

Status CopyFile(FileSystem* fs, const std::string& from, const std::string& to, const ChunkVisitor& visit) {
  // Not truncated but removed: it may be a second name of `from`, left by a link that failed or that nobody finished.
  if (Status s = fs->Remove(to); !s.ok() && !s.Is(StatusCode::kNotFound)) return s;
  auto file = fs->Create(to);
  if (!file.ok()) return file.status();
  const Status status = CopyInto(fs, from, file->get(), visit);
  if (!status.ok()) {
    file->reset();
    Status ignored = fs->Remove(to);
    (void)ignored.ok();
  }
  return status;
}

Status LinkOrCopyFile(FileSystem* fs, const std::string& from, const std::string& to, const ChunkVisitor& visit) {
  if (fs->Link(from, to).ok()) return Status::Ok();
  return CopyFile(fs, from, to, visit);
}

}  // namespace varve::lsm
