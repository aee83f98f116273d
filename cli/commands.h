// cli/commands.h - what the subcommands of `varve` do, apart from reading the command line.
//
// Every function opens `dir` read-only (so it may run beside nothing, or beside a stopped server's directory, and
// changes nothing), writes its answer to `out` and its complaints to `err`, and returns the exit code of the program.
// Keys and values are arbitrary bytes. Printed, they are escaped: printable ASCII stands for itself, a backslash is
// \\ and any other byte \xHH; so a line holds one record and what was printed can be given back as an argument.
// Threads: none of its own; call from one.
#pragma once

#include <cstdint>
#include <ostream>
#include <string>
#include <string_view>

#include "lsm/status.h"

namespace varve::cli {

enum ExitCode : int {
  kExitOk = 0,
  kExitProblem = 1,  // the database cannot be opened or is damaged, or the key is not there
  kExitUsage = 2,    // the command line makes no sense
};

struct Streams {
  std::ostream& out;
  std::ostream& err;
};

struct ScanRange {
  std::string from;    // first key, escaped; empty: from the start
  std::string to;      // end, exclusive, escaped; empty: to the end
  uint64_t limit = 0;  // rows at most; 0: no limit
};

// "a\x00b" for the bytes a, 0, b.
std::string Escape(std::string_view bytes);
// The reverse. kInvalidArgument when a backslash is not followed by another one or by xHH.
lsm::Result<std::string> Unescape(std::string_view text);

// Reads every block of every table. Prints a summary, and one line for each problem on `err`.
int Check(const std::string& dir, Streams streams);
int Stats(const std::string& dir, Streams streams);
// Writes the bare bytes of the value and a newline.
int Get(const std::string& dir, const std::string& escaped_key, Streams streams);
// One line for each record: key, tab, value.
int Scan(const std::string& dir, const ScanRange& range, Streams streams);
// Makes a second database in `target`, which must not exist. The one command that opens the directory as its owner,
// since hard links of live tables need the lock; it writes nothing into `dir` beyond what opening and closing do.
int Checkpoint(const std::string& dir, const std::string& target, Streams streams);

}  // namespace varve::cli
