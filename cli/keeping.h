// cli/keeping.h - the subcommands that keep data safe: backup, backups, restore, repair. As commands.h.
#pragma once

#include <cstdint>
#include <string>

#include "cli/commands.h"

namespace varve::cli {

// Adds a backup of `dir` to the directory `backups`, which is made when missing. Opens `dir` as its owner.
int MakeBackup(const std::string& dir, const std::string& backups, Streams streams);
// One line for each. With `check`, reads all that they hold; kExitProblem when one is damaged.
int ListBackups(const std::string& backups, bool check, bool json, Streams streams);
// `id` 0: the newest that can be read. `target` must not exist.
int RestoreBackup(const std::string& backups, uint64_t id, const std::string& target, Streams streams);
// kExitProblem when something was lost: the losses are listed on `err`.
int RepairDatabase(const std::string& dir, Streams streams);

}  // namespace varve::cli
