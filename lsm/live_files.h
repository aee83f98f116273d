// lsm/live_files.h - a second directory that holds one state of a database: checkpoints, restored backups.
//
// Source: DbImpl::GetLiveFiles names the files and holds them. Threads: any, each directory by one at a time.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "lsm/io/clock.h"
#include "lsm/io/file_system.h"
#include "lsm/status.h"

namespace varve::lsm {

// Makes the directory `dir`, which must not exist, durable and as a whole: `fill` makes its contents under another name,
// ".<name>.varve-unfinished" beside it. kBusy when somebody else is about to make the same one.
Status MakeDirectory(FileSystem* fs, const std::string& dir,
                     const std::function<Status(const std::string& temporary)>& fill);
// Writes the manifest and CURRENT of a directory whose tables are there. `record`: LiveFiles::manifest.
Status WriteManifest(FileSystem* fs, RandomSource* random, const std::string& dir, std::string_view record);

}  // namespace varve::lsm
