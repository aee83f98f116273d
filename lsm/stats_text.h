// lsm/stats_text.h - what the engine reports of itself, as text for people and as JSON for programs.
//
//   text  one "name value" a line; "level 1 files 3 bytes 4096" for each level that has files
//   JSON  one object; levels as an array of {"level", "files", "bytes"}; names are those of the structs; keys are escaped
//         as in lsm/dump.h
// Names may be added later, never changed. Threads: free functions on the caller's values.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "lsm/backup.h"
#include "lsm/db.h"
#include "lsm/repair.h"

namespace varve::lsm {

std::string StatsText(const DbStats& stats);
std::string StatsJson(const DbStats& stats);
std::string VerifyJson(const VerifyReport& report);
std::string JobJson(const Job& job);
std::string JobJson(const RunningJob& running);
// Arrays.
std::string JobsJson(const std::vector<Job>& jobs);
std::string TablesJson(const std::vector<TableFileFacts>& tables);
// `problems`: of its record, or those that Backup::Verify found.
std::string BackupJson(const BackupInfo& info, const std::vector<std::string>& problems);
std::string BackupsJson(const std::vector<BackupInfo>& list);  // none of them looked into
std::string RepairJson(const RepairReport& report);

// `bytes` in quotes, as JSON wants it. JSON strings are Unicode: bytes that are not UTF-8 become U+FFFD, so use it for
// messages and names, not for keys.
std::string JsonString(std::string_view bytes);

}  // namespace varve::lsm
