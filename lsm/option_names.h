// lsm/option_names.h - options by name and text, for command lines, configuration files and other languages.
//
//   Options options;
//   VARVE_TRY(SetOption("memory_budget", "64MiB", &options));
//
// Names are those of struct Options; docs/options.md lists them. Values are written
//   sizes    bytes, or with KiB, MiB, GiB, TiB behind the number       "8192", "64MiB"
//   counts   decimal                                                   "10"
//   flags    true or false
//   choices  mode: owner, read-only, follow    wal_sync: never, every-second, always    compression: none, zstd
//            compaction: leveled, size-tiered, fifo
//            merge_operator: none, varve.counter, varve.append; one that the user wrote prints its name, but has no text
// The surroundings (file system, clock, ..., compaction_filter) have no text. Threads: free functions on the caller's
// values.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "lsm/options.h"
#include "lsm/status.h"

namespace varve::lsm {

// kInvalidArgument names the option, the value and what was expected; *options is then as it was.
Status SetOption(std::string_view name, std::string_view value, Options* options);
// The same for an option that Db::SetOptions changes while the database runs; kInvalidArgument too for one that it does
// not.
Status SetOptionChange(std::string_view name, std::string_view value, OptionChanges* changes);
// The option as text that SetOption takes. kInvalidArgument for a name that is none.
Result<std::string> GetOption(std::string_view name, const Options& options);
// In the order of struct Options.
std::vector<std::string_view> OptionNames();

// "64MiB" -> 67108864. kInvalidArgument without the option's name: the caller knows it.
Result<uint64_t> ParseBytes(std::string_view text);
// 67108864 -> "64MiB"; what is no multiple of a unit stays in bytes.
std::string BytesText(uint64_t bytes);

}  // namespace varve::lsm
