// cli/main.cc - the command line of `varve`; the work is in cli/commands.cc and its neighbours.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <fstream>
#include <functional>
#include <iostream>
#include <limits>
#include <string>

#include "cli/commands.h"
#include "cli/keeping.h"
#include "cli/progress.h"
#include "cli/size.h"

namespace {

using namespace varve::cli;  // NOLINT: this file is nothing but their caller

constexpr char kFooter[] =
    "DIR is a database directory; a server keeps its in DIR/db, where DIR is its --dir.\n"
    "Keys and values are raw bytes of the engine, written with \\xHH for those that do not print.\n"
    "Exit codes: 0 fine; 1 damage was found, or the key is not there; 2 wrong usage; 3 cannot open;\n"
    "            4 the work could not be finished (disk full, cannot write).\n"
    "`varve COMMAND --help` explains a command with an example. All of it: docs/cli.md.\n";

// What the commands' arguments are stored in.
struct Arguments {
  std::string dir, key, target, file = "-";
  DumpRange range;
  Settings settings;
  SizeQuestion size;
  uint64_t backup = 0;
  bool check = false;
  bool json = false;
};

class Program {
 public:
  Program() : app_("varve: looks after Varve database directories", "varve") {
    app_.footer(kFooter);
    app_.require_subcommand(1);
    AddLooking();
    AddWriting();
    AddKeeping();
    AddSize();
  }

  int Run(int argc, char** argv) {
    if (argc > 1 && argv[1][0] != '-' && !IsCommand(argv[1])) {
      std::cerr << "varve: there is no command '" << argv[1] << "'; `varve --help` lists them\n";
      return kExitUsage;
    }
    try {
      app_.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
      return app_.exit(error) == 0 ? kExitOk : kExitUsage;
    }
    const int code = work_();
    std::cout.flush();
    if (std::cout) return code;
    std::cerr << "varve: the output could not be written\n";
    return kExitFailed;
  }

 private:
  bool IsCommand(const std::string& name) const {
    const auto commands = app_.get_subcommands([](const CLI::App*) { return true; });
    return std::any_of(commands.begin(), commands.end(), [&](const CLI::App* c) { return c->get_name() == name; });
  }
  CLI::App* Add(const char* name, const char* what, const char* example, std::function<int()> work) {
    CLI::App* command = app_.add_subcommand(name, what);
    command->footer(std::string("Example:\n") + example);
    command->callback([this, work = std::move(work)] { work_ = work; });
    return command;
  }
  void WithDir(CLI::App* command) { command->add_option("DIR", a_.dir, "The database directory")->required(); }
  void WithJson(CLI::App* command, const char* what) { command->add_flag("--json", a_.json, what); }
  void WithRange(CLI::App* command) {
    command->add_option("--from", a_.range.from, "First key, escaped (default: the first)");
    command->add_option("--to", a_.range.to, "End of the range, exclusive, escaped (default: none)");
  }
  void WithSettings(CLI::App* command) {
    command->add_option("--set", a_.settings, "An option of the engine (docs/options.md), NAME=VALUE; may be repeated")
        ->allow_extra_args(false);
  }

  void AddLooking() {
    CLI::App* check = Add("check", "Read every block of every table; verify checksums, order and levels",
                          "  varve check data/db || echo 'damaged, or not there'",
                          [this] { return Check(a_.dir, a_.json, streams_); });
    WithDir(check);
    WithJson(check, "Print the report as one JSON object");
    CLI::App* stats =
        Add("stats", "Print files and bytes by level, the last sequence, memory and counters",
            "  varve stats data/db --json | python3 -m json.tool", [this] { return Stats(a_.dir, a_.json, streams_); });
    WithDir(stats);
    WithJson(stats, "Print one JSON object");
    CLI::App* get = Add("get", "Print the value of one raw key", "  varve get mine 'apple\\x00'",
                        [this] { return Get(a_.dir, a_.key, streams_); });
    WithDir(get);
    get->add_option("KEY", a_.key, "The key, escaped")->required();
    CLI::App* dump = Add("dump", "Print what a database holds, or one of its files (manifest, log segment, table)",
                         "  varve dump data/db --from user: --to 'user;' --limit 10\n"
                         "  varve dump data/db/000012.sst --json\n"
                         "  varve dump data/db --json > rows.jsonl     # `varve import` reads this back",
                         [this] { return Dump(a_.dir, a_.range, streams_); });
    dump->add_option("PATH", a_.dir, "A database directory, or CURRENT, MANIFEST-*, *.wal, *.sst in one")->required();
    WithRange(dump);
    dump->add_option("--limit", a_.range.limit, "Records at most (default: all)");
    dump->add_flag("--json", a_.range.json, "One JSON object a line");
  }

  void AddWriting() {
    CLI::App* import =
        Add("import", "Put rows, one JSON object a line, as `dump DIR --json` prints them",
            "  echo '{\"key\":\"apple\",\"value\":\"red\"}' | varve import mine", [this] { return ImportFile(); });
    WithDir(import);
    import->add_option("FILE", a_.file, "The rows; - or nothing: standard input");
    WithSettings(import);
    CLI::App* compact =
        Add("compact", "Merge the tables of a key range down to the deepest level (server stopped)",
            "  varve compact data/db", [this] { return Compact(a_.dir, a_.range, a_.settings, streams_); });
    WithDir(compact);
    WithRange(compact);
    WithSettings(compact);
    CLI::App* checkpoint =
        Add("checkpoint", "Make a second database that shares the tables by hard links (server stopped)",
            "  varve checkpoint data/db data/db-before-the-upgrade",
            [this] { return Checkpoint(a_.dir, a_.target, streams_); });
    WithDir(checkpoint);
    checkpoint->add_option("TARGET", a_.target, "The new directory; it must not exist")->required();
  }

  void WithBackups(CLI::App* command, std::string* value, const char* what) {
    command->add_option("BACKUPS", *value, what)->required();
  }
  void AddKeeping() {
    CLI::App* backup = Add(
        "backup", "Add a backup to a directory of backups, which stores what is new (server stopped)",
        "  varve backup data/db /mnt/backups/db\n"
        "Files are hard links where the file system allows it: back up to another disk to survive the death of one.",
        [this] { return MakeBackup(a_.dir, a_.target, streams_); });
    WithDir(backup);
    WithBackups(backup, &a_.target, "The directory of backups; made when missing");
    CLI::App* backups = Add("backups", "List the backups in a directory of backups",
                            "  varve backups /mnt/backups/db\n"
                            "  varve backups /mnt/backups/db --check || echo 'damaged, or not there'\n"
                            "A damaged file is set aside; the next `varve backup` stores it again.",
                            [this] { return ListBackups(a_.dir, a_.check, a_.json, streams_); });
    WithBackups(backups, &a_.dir, "The directory of backups");
    backups->add_flag("--check", a_.check, "Read every file of every backup");
    WithJson(backups, "One JSON object a line");
    CLI::App* restore = Add("restore", "Make a database of a backup; every file is checked on the way",
                            "  varve restore /mnt/backups/db data/db            # the newest\n"
                            "  varve restore /mnt/backups/db data/db --id 3",
                            [this] { return RestoreBackup(a_.dir, a_.backup, a_.target, streams_); });
    WithBackups(restore, &a_.dir, "The directory of backups");
    restore->add_option("TARGET", a_.target, "The new database directory; it must not exist")->required();
    restore->add_option("--id", a_.backup, "Which backup, by number (default: the newest)")
        ->check(CLI::Range(uint64_t{1}, std::numeric_limits<uint64_t>::max()));
    CLI::App* repair =
        Add("repair", "Make an openable database of what is left of a damaged one (server stopped)",
            "  cp -r data/db data/db-damaged && varve repair data/db\n"
            "For a database that cannot be opened; every loss is listed. What the repaired one does not use is in\n"
            "DIR/lost: remove that when you are content.",
            [this] { return RepairDatabase(a_.dir, streams_); });
    WithDir(repair);
  }

  void AddSize() {
    CLI::App* size =
        Add("size", "Say what a database of so many keys will need: memory, disk, files, write amplification",
            "  varve size --keys 10000000 --key-bytes 16 --value-bytes 200 --set memory_budget=512MiB",
            [this] { return Size(a_.size, a_.settings, a_.json, streams_); });
    size->add_option("--keys", a_.size.keys, "How many keys")->required();
    size->add_option("--key-bytes", a_.size.key_bytes, "Bytes of a key")->capture_default_str();
    size->add_option("--value-bytes", a_.size.value_bytes, "Bytes of a value")->capture_default_str();
    size->add_option("--compressible", a_.size.compressible,
                     "Share of the value bytes that compression takes away, 0 to 1")
        ->capture_default_str();
    WithSettings(size);
    WithJson(size, "Print one JSON object");
  }

  int ImportFile() {
    if (a_.file == "-") return Import(a_.dir, std::cin, a_.settings, streams_);
    std::ifstream rows(a_.file);
    if (rows) return Import(a_.dir, rows, a_.settings, streams_);
    std::cerr << "varve: " << a_.file << ": cannot be read\n";
    return kExitCannotOpen;
  }

  CLI::App app_;
  Arguments a_;
  Streams streams_{std::cout, std::cerr, TerminalOrNull()};
  std::function<int()> work_;
};

}  // namespace

int main(int argc, char** argv) {
  return Program().Run(argc, argv);
}
