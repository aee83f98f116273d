// cli/main.cc - the command line of `varve`; the work is in cli/commands.cc.
#include <CLI/CLI.hpp>
#include <iostream>
#include <string>

#include "cli/commands.h"

namespace {

constexpr char kFooter[] =
    "Keys are raw keys of the engine, written with \\xHH for bytes that do not print.\n"
    "A server keeps its database in DIR/db, where DIR is its --dir.\n"
    "Exit codes: 0 fine, 1 a problem was found or the key is not there, 2 wrong usage.\n";

}  // namespace

int main(int argc, char** argv) {
  using namespace varve::cli;
  CLI::App app("varve: looks into a Varve database directory", "varve");
  app.footer(kFooter);
  app.require_subcommand(1);
  app.set_help_all_flag("--help-all", "Help for every subcommand");

  std::string dir, key, target;
  ScanRange range;
  Streams streams{std::cout, std::cerr};
  int code = kExitOk;

  CLI::App* check = app.add_subcommand("check", "Read every block and verify checksums, order and levels");
  CLI::App* stats = app.add_subcommand("stats", "Print files and bytes by level, the last sequence and memory");
  CLI::App* get = app.add_subcommand("get", "Print the value of one raw key");
  CLI::App* scan = app.add_subcommand("scan", "Print raw keys and values, one escaped line each, in key order");
  CLI::App* checkpoint = app.add_subcommand("checkpoint", "Make a second database by hard links (server stopped)");
  for (CLI::App* command : {check, stats, get, scan, checkpoint}) {
    command->add_option("DIR", dir, "The database directory")->required();
  }
  get->add_option("KEY", key, "The key, escaped")->required();
  scan->add_option("--from", range.from, "First key, escaped (default: the first)");
  scan->add_option("--to", range.to, "End of the range, exclusive, escaped (default: none)");
  scan->add_option("--limit", range.limit, "Rows at most (default: all)");
  checkpoint->add_option("TARGET", target, "The new directory; it must not exist")->required();

  check->callback([&] { code = Check(dir, streams); });
  stats->callback([&] { code = Stats(dir, streams); });
  get->callback([&] { code = Get(dir, key, streams); });
  scan->callback([&] { code = Scan(dir, range, streams); });
  checkpoint->callback([&] { code = Checkpoint(dir, target, streams); });

  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? kExitOk : kExitUsage;
  }
  std::cout.flush();
  return std::cout ? code : kExitProblem;
}
