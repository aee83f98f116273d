// cli/commands.h - what the subcommands of `varve` do, apart from reading the command line.
//
// Every function writes its answer to `out` and its complaints, each with what to do next, to `err`, and returns the
// exit code of the program. Those that only look open `dir` read-only: nothing is locked and nothing changes, and a server
// may run on it. Keys and values are arbitrary bytes; printed, they are escaped (lsm/dump.h), so that a line holds one record
// and what was printed can be given back. Threads: call from one.
#pragma once

#include <cstdint>
#include <istream>
#include <ostream>
#include <string>
#include <string_view>
#include <vector>

#include "lsm/options.h"
#include "lsm/status.h"

namespace varve::cli {

// docs/cli.md promises these to scripts.
enum ExitCode : int {
  kExitOk = 0,
  kExitProblem = 1,  // looked, and found damage; or the key is not there
  kExitUsage = 2,    // the command line makes no sense: an option that is none, a target that exists
  kExitCannotOpen = 3,
  kExitFailed = 4,  // opened, but the work could not be finished: the disk is full, reading or writing failed
};

struct Streams {
  std::ostream& out;
  std::ostream& err;
  std::ostream* terminal = nullptr;  // progress goes here; null: none is shown
};

struct DumpRange {
  std::string from;    // first key, escaped; empty: from the start
  std::string to;      // end, exclusive, escaped; empty: to the end
  uint64_t limit = 0;  // records at most; 0: no limit
  bool json = false;
};

// The options of commands that write, as "name=value".
using Settings = std::vector<std::string>;

// Reads every block of every table. One line for each problem on `err`.
int Check(const std::string& dir, bool json, Streams streams);
int Stats(const std::string& dir, bool json, Streams streams);
// Writes the bare bytes of the value and a newline.
int Get(const std::string& dir, const std::string& escaped_key, Streams streams);
// `path` is a directory: its live rows in key order. Or one of its files: what lies in it.
int Dump(const std::string& path, const DumpRange& range, Streams streams);
// Reads rows as Dump writes them with json, and puts them. A line that is none stops it.
int Import(const std::string& dir, std::istream& rows, const Settings& settings, Streams streams);
int Compact(const std::string& dir, const DumpRange& range, const Settings& settings, Streams streams);
// Makes a second database in `target`, which must not exist, by hard links.
int Checkpoint(const std::string& dir, const std::string& target, Streams streams);

// ---- Shared with the commands in other files. ----

// Prints the complaint and, unless it is empty, the advice.
void Complain(const lsm::Status& status, std::string_view advice, Streams streams);
// Prints the complaint and what to do next; the exit code it deserves.
int Fail(const lsm::Status& status, Streams streams);
int FailToOpen(const lsm::Status& status, const std::string& dir, Streams streams);
lsm::Result<lsm::Options> MakeOptions(lsm::OpenMode mode, const Settings& settings);

}  // namespace varve::cli
