// lsm/io/copy_file.h - whole files: read once through, copied, given a second name.
//
// Threads: any; the files are the caller's alone.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "lsm/io/file_system.h"

namespace varve::lsm {

// Sees the file's bytes in order, a piece at a time. An error ends the walk and is returned.
using ChunkVisitor = std::function<Status(std::string_view chunk)>;

Status VisitFile(FileSystem* fs, const std::string& path, const ChunkVisitor& visit);
// `to` is written anew and synced; the caller syncs its directory. On an error nothing of it is left.
Status CopyFile(FileSystem* fs, const std::string& from, const std::string& to, const ChunkVisitor& visit = {});
// A second name for the same bytes where the file systems allow it, else a copy.
Status LinkOrCopyFile(FileSystem* fs, const std::string& from, const std::string& to, const ChunkVisitor& visit = {});

}  // namespace varve::lsm
