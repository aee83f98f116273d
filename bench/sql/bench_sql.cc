// bench/sql/bench_sql.cc - the SQLite module against SQLite's own WITHOUT ROWID tables, the same SQL over both.
//
// Each (contender, round) runs in a child process: it fills a table twice (in key order, then in random order into a
// fresh one), lets the store settle, opens it anew, sweeps it once, and then times the queries. Ours is a temp table of
// an in-memory connection, as docs/sql.md advises; SQLite's lies in a WAL file of its own. Every query's answer is
// checked against what was written, so that nobody is fast by being wrong.
//
// The engine runs in the native table's process, too (an empty database is open): the C library locks SQLite's mutexes
// without atomic instructions as long as a process has one thread, which would compare SQLite in a program without
// Varve to Varve. Here both are tables of the same program.
#include <sqlite3.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "bench/harness.h"
#include "lsm/db.h"
#include "sqlite_vtab/varve_sqlite.h"

namespace varve::bench {
namespace {

struct Settings {
  uint64_t rows = 0;
  uint64_t reads = 0;
  int rounds = 0;
  uint64_t memory_mib = 256;
  bool quick = false;
  std::string json;
  std::string dir = std::filesystem::temp_directory_path().string();

  // What was not given follows --quick.
  void Complete() {
    if (rows == 0) rows = quick ? 200'000 : 2'000'000;
    if (reads == 0) reads = quick ? 50'000 : 300'000;
    if (rounds == 0) rounds = 3;
  }
};

constexpr size_t kValueSize = 100;
constexpr uint64_t kRangeRows = 100;  // ORDER BY key LIMIT
constexpr uint64_t kListKeys = 100;   // IN (...)
constexpr int kSweeps = 3;            // passes of each full scan

std::string KeyText(uint64_t number) {
  char text[24];
  std::snprintf(text, sizeof text, "key%013llu", static_cast<unsigned long long>(number));
  return text;
}

// A statement that ends the benchmark when anything goes wrong.
class Statement {
 public:
  Statement(sqlite3* db, const std::string& sql) : db_(db), sql_(sql) {
    if (sqlite3_prepare_v2(db, sql.c_str(), -1, &statement_, nullptr) != SQLITE_OK) Die();
  }
  ~Statement() { sqlite3_finalize(statement_); }
  Statement(const Statement&) = delete;
  Statement& operator=(const Statement&) = delete;

  void BindText(int index, const std::string& text) {
    sqlite3_bind_text(statement_, index, text.data(), static_cast<int>(text.size()), SQLITE_STATIC);
  }
  void BindBlob(int index, std::string_view bytes) {
    sqlite3_bind_blob(statement_, index, bytes.data(), static_cast<int>(bytes.size()), SQLITE_STATIC);
  }
  bool Step() {
    int code = sqlite3_step(statement_);
    if (code != SQLITE_ROW && code != SQLITE_DONE) Die();
    return code == SQLITE_ROW;
  }
  void Reset() { sqlite3_reset(statement_); }
  int64_t Integer(int column) { return sqlite3_column_int64(statement_, column); }
  // Fetches the value as a program would, and says how long it is.
  uint64_t Bytes(int column) {
    sqlite3_column_blob(statement_, column);
    return static_cast<uint64_t>(sqlite3_column_bytes(statement_, column));
  }

 private:
  [[noreturn]] void Die() { Fatal(sql_ + ": " + sqlite3_errmsg(db_)); }
  sqlite3* const db_;
  const std::string sql_;
  sqlite3_stmt* statement_ = nullptr;
};

void Run(sqlite3* db, const std::string& sql) {
  char* error = nullptr;
  if (sqlite3_exec(db, sql.c_str(), nullptr, nullptr, &error) != SQLITE_OK) Fatal(sql + ": " + error);
}

using Handle = std::unique_ptr<sqlite3, decltype(&sqlite3_close)>;

Handle OpenFile(const std::string& file) {
  sqlite3* db = nullptr;
  if (sqlite3_open(file.c_str(), &db) != SQLITE_OK) Fatal("cannot open " + file);
  return Handle(db, &sqlite3_close);
}

// Sorters and temporary tables are allowed memory by this setting of the connection, too: it must be equal.
void SetCache(sqlite3* db, const Settings& settings) {
  Run(db, "pragma cache_size=-" + std::to_string(settings.memory_mib * 1024));
}

// --- the contenders: a connection with the table `t`, and what it takes for the store to come to rest ---

struct Contender {
  const char* name;
  std::function<Handle(const std::string& dir, const Settings&)> open;
  std::function<void(const std::string& dir, const Settings&)> settle;
  std::string settings;
};

Handle OpenVarve(const std::string& dir, const Settings& settings) {
  Handle db = OpenFile(":memory:");
  SetCache(db.get(), settings);
  char* error = nullptr;
  if (sqlite3_varve_init(db.get(), &error, nullptr) != SQLITE_OK) Fatal(error);
  Run(db.get(), "create virtual table temp.t using varve('" + dir + "/varve', value=BLOB, memory='" +
                    std::to_string(settings.memory_mib) + "mb')");
  return db;
}

void SettleVarve(const std::string& dir, const Settings&) {
  auto db = lsm::Db::Open(dir + "/varve", {});
  if (!db.ok()) Fatal(db.status().ToString());
  if (lsm::Status status = (*db)->Flush(); !status.ok()) Fatal(status.ToString());
  if (lsm::Status status = (*db)->WaitForBackgroundWork(); !status.ok()) Fatal(status.ToString());
}

Handle OpenNative(const std::string& dir, const Settings& settings) {
  Handle db = OpenFile(dir + "/native.sqlite");
  Run(db.get(), "pragma journal_mode=wal; pragma synchronous=normal");
  SetCache(db.get(), settings);
  Run(db.get(), "create table if not exists t(key text not null primary key, value blob not null) without rowid");
  return db;
}

void SettleNative(const std::string& dir, const Settings& settings) {
  Handle db = OpenNative(dir, settings);
  Run(db.get(), "pragma wal_checkpoint(truncate)");
}

std::vector<Contender> Contenders() {
  return {
      {"varve", OpenVarve, SettleVarve, "temp virtual table, log synced every second, zstd below level 1"},
      {"sqlite", OpenNative, SettleNative, "WITHOUT ROWID table in a file, WAL, synchronous=NORMAL, no compression"}};
}

// --- workloads ---

class Bench {
 public:
  Bench(const Settings& settings, uint64_t seed, Sink* sink) : settings_(settings), random_(seed), sink_(sink) {}

  void Run(const Contender& contender, const std::string& dir) {
    lsm::Options small;
    small.memory_budget = size_t{8} << 20;
    auto company = lsm::Db::Open(dir + ".company", small);
    if (!company.ok()) Fatal(company.status().ToString());
    for (bool in_order : {true, false}) {
      std::filesystem::remove_all(dir);
      std::filesystem::create_directory(dir);
      Insert(contender, dir, in_order);
    }
    contender.settle(dir, settings_);
    sink_->Add("size on disk, inserted at random", "MiB", Better::kLower,
               static_cast<double>(DirectoryBytes(dir)) / (1 << 20));
    Handle db = contender.open(dir, settings_);
    db_ = db.get();
    Scan("select key, value from t");  // warms the caches
    Usage before = ReadUsage();
    Scans();
    Ranges();
    Points();
    Joins();
    Updates();
    sink_->Add("all queries", "CPU s", Better::kLower, (ReadUsage() - before).cpu_s);
    sink_->Add("all queries", "peak RSS MiB", Better::kLower, static_cast<double>(PeakResidentBytes()) / (1 << 20));
    db_ = nullptr;
  }

 private:
  // Times `work`, which treats `count` of what the metric counts.
  void Time(const std::string& workload, const char* metric, uint64_t count, const std::function<void()>& work) {
    uint64_t start = NowNanos();
    work();
    sink_->Add(workload, metric, Better::kLower, static_cast<double>(NowNanos() - start) / static_cast<double>(count));
  }
  static void Expect(const char* what, uint64_t got, uint64_t want) {
    if (got != want) Fatal(std::string(what) + ": got " + std::to_string(got) + ", want " + std::to_string(want));
  }
  uint64_t RowBytes() const { return settings_.rows * (KeyText(0).size() + kValueSize); }

  void Insert(const Contender& contender, const std::string& dir, bool in_order) {
    Handle db = contender.open(dir, settings_);
    Permutation order(settings_.rows, random_.Next());
    Values values(kValueSize);
    Time(in_order ? "bulk insert in key order" : "bulk insert in random order", "ns/row", settings_.rows, [&] {
      bench::Run(db.get(), "begin");
      Statement insert(db.get(), "insert into t values(?,?)");
      for (uint64_t i = 0; i < settings_.rows; ++i) {
        std::string key = KeyText(in_order ? i : order(i));
        insert.BindText(1, key);
        insert.BindBlob(2, values.Next());
        insert.Step();
        insert.Reset();
      }
      bench::Run(db.get(), "commit");
    });
  }

  // The bytes of all columns.
  uint64_t Scan(const std::string& sql) {
    Statement scan(db_, sql);
    uint64_t bytes = 0;
    while (scan.Step()) bytes += scan.Bytes(0) + scan.Bytes(1);
    return bytes;
  }
  int64_t Single(const std::string& sql) {
    Statement query(db_, sql);
    query.Step();
    return query.Integer(0);
  }

  void Scans() {
    const uint64_t swept = settings_.rows * kSweeps;
    Time("full scan: select key, value", "ns/row", swept, [&] {
      for (int i = 0; i < kSweeps; ++i) Expect("scan", Scan("select key, value from t"), RowBytes());
    });
    Time("full scan, order by key desc", "ns/row", swept, [&] {
      for (int i = 0; i < kSweeps; ++i) Expect("scan", Scan("select key, value from t order by key desc"), RowBytes());
    });
    auto sweep = [&](const char* name, const char* sql, uint64_t want) {
      Time(name, "ns/row", swept, [&] {
        for (int i = 0; i < kSweeps; ++i) Expect(name, static_cast<uint64_t>(Single(sql)), want);
      });
    };
    sweep("count(*)", "select count(*) from t", settings_.rows);
    sweep("count(key)", "select count(key) from t", settings_.rows);
    sweep("sum(length(value))", "select sum(length(value)) from t", settings_.rows * kValueSize);
    sweep("group by a prefix", "select count(*) from (select substr(key,1,14), count(*) from t group by 1)",
          (settings_.rows + 99) / 100);
  }

  void Ranges() {
    const uint64_t queries = std::max<uint64_t>(settings_.reads / 25, 100);
    auto range = [&](const char* name, const char* sql, bool descending) {
      Statement query(db_, sql);
      Time(name, "ns/row", queries * kRangeRows, [&] {
        for (uint64_t i = 0; i < queries; ++i) {
          uint64_t start = random_.Below(settings_.rows - kRangeRows) + (descending ? kRangeRows : 0);
          std::string key = KeyText(start);
          query.BindText(1, key);
          uint64_t bytes = 0;
          while (query.Step()) bytes += query.Bytes(0) + query.Bytes(1);
          query.Reset();
          Expect(name, bytes, kRangeRows * (KeyText(0).size() + kValueSize));
        }
      });
    };
    range("key >= ? order by key limit 100", "select key, value from t where key>=? order by key limit 100", false);
    range("key <= ? order by key desc limit 100", "select key, value from t where key<=? order by key desc limit 100",
          true);
  }

  void Points() {
    auto get = [&](const char* name) {
      Statement query(db_, "select value from t where key=?");
      Time(name, "ns/query", settings_.reads, [&] {
        for (uint64_t i = 0; i < settings_.reads; ++i) {
          std::string key = KeyText(random_.Below(settings_.rows));
          query.BindText(1, key);
          if (!query.Step() || query.Bytes(0) != kValueSize) Fatal(std::string(name) + ": " + key + " is missing");
          query.Reset();
        }
      });
    };
    get("point get, autocommit");
    bench::Run(db_, "begin");
    get("point get inside begin");
    bench::Run(db_, "commit");
    Lists();
  }

  void Lists() {
    std::string sql = "select sum(length(value)) from t where key in (?";
    for (uint64_t i = 1; i < kListKeys; ++i) sql += ",?";
    Statement query(db_, sql + ")");
    const uint64_t queries = std::max<uint64_t>(settings_.reads / kListKeys, 20);
    std::vector<std::string> keys(kListKeys);
    Time("key in (100 keys)", "ns/key", queries * kListKeys, [&] {
      for (uint64_t i = 0; i < queries; ++i) {
        uint64_t start = random_.Below(settings_.rows);
        for (uint64_t k = 0; k < kListKeys; ++k) {
          keys[k] = KeyText((start + k * 7919) % settings_.rows);
          query.BindText(static_cast<int>(k) + 1, keys[k]);
        }
        query.Step();
        Expect("in", static_cast<uint64_t>(query.Integer(0)), kListKeys * kValueSize);
        query.Reset();
      }
    });
  }

  void Joins() {
    bench::Run(db_, "create temp table probe(k text); begin");
    {
      Statement insert(db_, "insert into probe values(?)");
      for (uint64_t i = 0; i < settings_.reads; ++i) {
        std::string key = KeyText(random_.Below(settings_.rows));
        insert.BindText(1, key);
        insert.Step();
        insert.Reset();
      }
    }
    bench::Run(db_, "commit");
    Time("nested-loop join, random keys", "ns/lookup", settings_.reads, [&] {
      Expect("join",
             static_cast<uint64_t>(Single("select sum(length(value)) from probe cross join t on t.key=probe.k")),
             settings_.reads * kValueSize);
    });
  }

  void Updates() {
    Values values(kValueSize);
    const uint64_t updates = settings_.reads;
    Time("update by key, one transaction", "ns/row", updates, [&] {
      bench::Run(db_, "begin");
      Statement update(db_, "update t set value=? where key=?");
      for (uint64_t i = 0; i < updates; ++i) {
        std::string key = KeyText(random_.Below(settings_.rows));
        update.BindBlob(1, values.Next());
        update.BindText(2, key);
        update.Step();
        update.Reset();
      }
      bench::Run(db_, "commit");
    });
  }

  const Settings& settings_;
  Random random_;
  Sink* const sink_;
  sqlite3* db_ = nullptr;
};

void PrintSettings(const Settings& settings, const std::vector<Contender>& contenders) {
  std::printf("# SQL benchmark\n\n");
  std::printf(
      "%llu rows of 16-byte TEXT keys and %zu-byte BLOB values (half compressible), %llu random reads, SQLite %s in "
      "one process, one thread, %llu MiB of cache or memory budget each, %d interleaved rounds, medians; +- is half "
      "the range. A ratio above 1 is better for varve. Durability is equal: a commit survives the death of the "
      "process; power loss may cost the last moments. The engine's threads run in both processes.\n\n",
      static_cast<unsigned long long>(settings.rows), kValueSize, static_cast<unsigned long long>(settings.reads),
      sqlite3_libversion(), static_cast<unsigned long long>(settings.memory_mib), settings.rounds);
  for (const Contender& contender : contenders) {
    std::printf("- %s: %s\n", contender.name, contender.settings.c_str());
  }
  std::printf("\n");
}

int Main(int argc, char** argv) {
  Settings settings;
  CLI::App app("The SQLite module against native WITHOUT ROWID tables, interleaved, in one run");
  app.add_flag("--quick", settings.quick, "200,000 rows: less than a minute");
  app.add_option("--rows", settings.rows, "rows (2,000,000; 200,000 with --quick)")
      ->check(CLI::Range(1000u, 1000000000u));
  app.add_option("--reads", settings.reads, "queries of each random-read workload")
      ->check(CLI::Range(1000u, 1000000000u));
  app.add_option("--rounds", settings.rounds, "rounds (3)")->check(CLI::Range(1, 100));
  app.add_option("--memory-budget", settings.memory_mib, "MiB for each (256)")->check(CLI::Range(4u, 1u << 20));
  app.add_option("--dir", settings.dir, "where to put the databases")->check(CLI::ExistingDirectory);
  app.add_option("--json", settings.json, "write the rows of the table to this file, too");
  CLI11_PARSE(app, argc, argv);
  settings.Complete();

  const std::string scratch = MakeScratchDirectory(settings.dir);
  std::vector<Contender> contenders = Contenders();
  Report report({contenders[0].name, contenders[1].name});
  for (int round = 0; round < settings.rounds; ++round) {
    for (size_t i = 0; i < contenders.size(); ++i) {
      const Contender& contender = contenders[(i + static_cast<size_t>(round)) % contenders.size()];
      std::string dir = scratch + "/" + contender.name;
      report.Add(contender.name, RunInChild([&](Sink& sink) {
                   Bench(settings, static_cast<uint64_t>(round) * 1000 + 42, &sink).Run(contender, dir);
                 }));
      std::fprintf(stderr, "round %d of %d: %s\n", round + 1, settings.rounds, contender.name);
      std::filesystem::remove_all(dir);
      std::filesystem::remove_all(dir + ".company");
    }
  }
  PrintSettings(settings, contenders);
  report.PrintMarkdown(stdout);
  if (!settings.json.empty()) report.WriteJson(settings.json);
  return 0;
}

}  // namespace
}  // namespace varve::bench

int main(int argc, char** argv) {
  return varve::bench::Main(argc, argv);
}
