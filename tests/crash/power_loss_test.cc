// Workloads of many kinds under power loss at every call (power_loss.h). VARVE_SEED and VARVE_CRASH_SCALE choose another run
// and a longer one.
#include "tests/crash/power_loss.h"
#include "lsm/repair.h"

namespace varve::lsm {
namespace {

TEST(PowerLossTest, OpeningAndClosing) {
  PowerLoss run("open", Seed(), SmallOptions());
  for (int i = 0; i < 3; ++i) {
    run.Open();
    run.Close();
  }
}

TEST(PowerLossTest, SyncedAndUnsyncedPuts) {
  PowerLoss run("puts", Seed(), SmallOptions());
  run.Open();
  for (int i = 0; i < 12; ++i) {
    run.Write({{ValueKind::kPut, "key" + std::to_string(i % 5), std::string(static_cast<size_t>(i) * 40, 'v')}},
              i % 4 == 3);
  }
  run.SyncWal();
  run.Write({{ValueKind::kDelete, "key1", {}}}, false);
  run.Close();
}

TEST(PowerLossTest, EveryWriteSynced) {
  Options options = SmallOptions();
  options.wal_sync = WalSync::kAlways;
  PowerLoss run("always", Seed(), options);
  run.Open();
  for (int i = 0; i < 12; ++i) run.Write(RandomChanges(&run.dice(), 3, 30), true);
  run.Close();
}

TEST(PowerLossTest, SyncedEverySecond) {
  Options options = SmallOptions();
  options.wal_sync = WalSync::kEverySecond;
  PowerLoss run("every second", Seed(), options);
  run.Open();
  for (int i = 0; i < 12; ++i) {
    run.Write(RandomChanges(&run.dice(), 3, 30), false);
    if (i % 5 == 4) run.Rest();
  }
  run.Close();
}

// A log that is written into prepared ranges, until a sync ends them; then again, in recycled files.
TEST(PowerLossTest, PreparedLog) {
  Options options = SmallOptions();
  options.memtable_size = 64 * 1024;
  PowerLoss run("prepared log", Seed(), options);
  run.machine().fs.SetTracing(true);
  run.Open();
  for (int round = 0; round < 4; ++round) {
    for (int i = 0; i < 12; ++i) run.Write(RandomChanges(&run.dice(), 2, 100, 1500), false);
    run.SyncWal();
    for (int i = 0; i < 4; ++i) run.Write(RandomChanges(&run.dice(), 2, 100, 900), i % 2 == 0);
    run.Flush();
  }
  run.Close();
  int ended = 0, in_recycled = 0;
  std::set<std::string> recycled;
  for (const std::string& line : run.machine().fs.Trace()) {
    if (const size_t to = line.find(" -> "); to != std::string::npos) recycled.insert(line.substr(to + 4));
    const size_t at = line.find(" prepare wal ");
    if (at == std::string::npos) continue;
    const std::string path = line.substr(at + 13, line.rfind(' ') - at - 13);
    if (line.ends_with("+0")) {
      ++ended;
    } else if (recycled.contains(path)) {
      ++in_recycled;
    }
  }
  EXPECT_GT(ended, 0);
  EXPECT_GT(in_recycled, 0) << "the workload misses its point";
}

TEST(PowerLossTest, BatchesAreWhole) {
  PowerLoss run("batches", Seed(), SmallOptions());
  run.Open();
  for (int i = 0; i < 10; ++i) run.Write(RandomChanges(&run.dice(), 20, 60), i % 3 == 2);
  run.Close();
  run.Open();
  for (int i = 0; i < 4; ++i) run.Write(RandomChanges(&run.dice(), 20, 60), false);
  run.Close();
}

TEST(PowerLossTest, FlushAndCompaction) {
  PowerLoss run("flush, compact", Seed(), SmallOptions());
  run.Open();
  for (int round = 0; round < 3; ++round) {
    for (int i = 0; i < 4; ++i) run.Write(RandomChanges(&run.dice(), 10, 80, 200), i == 2);
    run.Flush();
  }
  run.CompactRange({}, {});
  run.Write(RandomChanges(&run.dice(), 10, 80), false);
  run.CompactRange("k", "k12");
  run.Close();
}

TEST(PowerLossTest, RangeDeletes) {
  PowerLoss run("range deletes", Seed(), SmallOptions());
  run.Open();
  for (int i = 0; i < 12; ++i) {
    run.Write(RandomChanges(&run.dice(), 6, 60, 200), false);
    std::string begin = RandomKey(&run.dice(), 60), end = RandomKey(&run.dice(), 60);
    if (end < begin) std::swap(begin, end);
    run.Write({{ValueKind::kRangeDelete, begin, end}}, i % 4 == 1);
    if (i % 4 == 3) run.Flush();
  }
  run.CompactRange({}, {});
  run.Close();
}

// Operands of few keys in every source, folded by flushes and compactions; and tables that are dropped as a whole.
TEST(PowerLossTest, MergesAndTablesThatExpire) {
  PowerLoss run("merges, expiry", Seed(), SmallOptions());
  run.Open();
  const uint64_t soon = static_cast<uint64_t>(run.machine().clock.WallMillis()) + 10'000;
  for (int i = 0; i < 12; ++i) {
    Changes changes;
    for (int k = 0; k < 3; ++k) {
      changes.push_back({ValueKind::kMerge, "count" + std::to_string(run.dice().Below(4)), std::to_string(i)});
    }
    run.Write(changes, i % 4 == 1);
    if (i % 3 == 2) run.Flush();
    if (i == 7) run.CompactRange({}, {});
  }
  run.CompactRange({}, {});
  for (int i = 0; i < 2; ++i) {
    const std::string value = WithExpiry(soon, std::string(300, 'v'));
    run.Write({{ValueKind::kPutWithExpiry, "soon" + std::to_string(i), value}}, false);
    run.Flush();
  }
  const auto files = [&] { return run.db()->TableFiles().size(); };
  const size_t files_before = files();
  run.Expire(10'000'000, "soon");
  EXPECT_EQ(files(), files_before - 2);
  run.Write({{ValueKind::kMerge, "count1", "last"}}, false);
  run.Close();
}

// Full memtables, new segments, recycled segments, with background work lagging behind.
TEST(PowerLossTest, MemtableSwitchesAndRecycledSegments) {
  PowerLoss run("switches", Seed(), SmallOptions());
  run.Open();
  for (int i = 0; i < 60; ++i) {
    run.Write(RandomChanges(&run.dice(), 2, 100, 900), run.dice().OneIn(6));
    if (run.dice().OneIn(3)) run.machine().executor.RunOne();
  }
  run.machine().executor.RunAll();
  for (int i = 0; i < 6; ++i) run.Write(RandomChanges(&run.dice(), 2, 100, 900), false);
  run.Close();
}

TEST(PowerLossTest, Checkpoints) {
  PowerLoss run("checkpoints", Seed(), SmallOptions());
  run.Open();
  run.Write(RandomChanges(&run.dice(), 20, 80), false);
  run.Checkpoint("/one");
  run.Write(RandomChanges(&run.dice(), 20, 80), false);
  run.Checkpoint("/two");
  run.Close();
}

// Every value in a value-log file; files come, are emptied into others, and go.
TEST(PowerLossTest, ValueLogs) {
  Options options = SmallOptions();
  options.value_log_threshold = 16;
  options.memtable_size = 256;
  PowerLoss run("value logs", Seed(), options);
  run.Open();
  for (int i = 0; i < 24; ++i) {
    run.Write(StayAndChurn(i), i % 7 == 3);
    if (i % 4 != 0) run.machine().executor.RunOne();
    if (i == 12) run.Checkpoint("/copy");
  }
  run.CompactRange({}, {});
  run.machine().executor.RunAll();
  const DbStats stats = run.db()->Stats();
  EXPECT_GT(stats.value_log_files, 0u);
  EXPECT_GT(stats.value_log_moved_bytes, 0u) << "no file was emptied: the workload misses its point";
  run.Close();
}

TEST(PowerLossTest, Ingest) {
  PowerLoss run("ingest", Seed(), SmallOptions());
  run.Open();
  for (int i = 0; i < 4; ++i) {
    run.Write(RandomChanges(&run.dice(), 10, 80), false);
    Rows rows;
    for (int k = 0; k < 5; ++k) rows[RandomKey(&run.dice(), 80)] = RandomValue(&run.dice());
    run.Ingest(rows, RandomKey(&run.dice(), 80), RandomKey(&run.dice(), 80), i % 2 == 0);
    if (i == 2) run.CompactRange({}, {});
    run.Write(RandomChanges(&run.dice(), 3, 80), i == 3);
  }
  run.Close();
  run.Open();
  run.Write(RandomChanges(&run.dice(), 3, 80), false);
  run.Ingest({{"k1010", "v"}}, {}, {}, true);
  run.Close();
}

TEST(PowerLossTest, Backups) {
  PowerLoss run("backups", Seed(), SmallOptions());
  run.Open();
  for (int i = 0; i < 3; ++i) {
    run.Write(RandomChanges(&run.dice(), 20, 80), false);
    run.BackUp();
    if (i == 1) run.CompactRange({}, {});
  }
  run.ForgetBackup(1);
  run.ForgetBackup(2);
  run.Close();
}

// Repair is cut short at every call, and done again: nothing is lost by that.
TEST(PowerLossTest, Repair) {
  for (const bool manifest_lost : {false, true}) {
    Machine machine(Seed());
    Dice dice(Seed());
    Rows rows;
    {
      auto db = Db::Open(kDir, machine.Setup(SmallOptions()));
      ASSERT_TRUE(db.ok());
      for (int i = 0; i < 12; ++i) {
        const Changes changes = RandomChanges(&dice, 10, 80, 200);
        WriteBatch batch;
        AddTo(changes, &batch);
        Apply(changes, &rows);
        ASSERT_TRUE((*db)->Write({}, batch).ok());
        if (i == 4) {
          ASSERT_TRUE((*db)->CompactRange({}, {}).ok());
        }
        if (i == 8) {
          ASSERT_TRUE((*db)->Flush().ok());
        }
      }
      ASSERT_TRUE((*db)->Close().ok());
    }
    ASSERT_TRUE(machine.disk->Remove("/db/CURRENT").ok());
    if (manifest_lost) {
      for (const std::string& path : FilesEnding(machine.disk.get(), kDir, "")) {
        if (path.find("MANIFEST") != std::string::npos) {
          ASSERT_TRUE(machine.disk->Remove(path).ok());
        }
      }
    }
    ASSERT_TRUE(machine.disk->SyncDir(kDir).ok());
    const auto check = [&](Machine* after, const std::string& where) {
      auto report = Repair(kDir, after->Setup(SmallOptions()));
      ASSERT_TRUE(report.ok()) << where << ": " << report.status().ToString();
      auto db = Db::Open(kDir, after->Setup(SmallOptions()));
      ASSERT_TRUE(db.ok()) << where << ": " << db.status().ToString();
      EXPECT_EQ(Compare(db->get(), rows), "") << where;
      EXPECT_EQ(Problems(db->get()), "") << where;
    };
    machine.fs.SetHook([&](const FileCall& call) {
      if (HasFailure()) return;
      for (const CrashPlan& plan :
           {CrashPlan::DropUnsynced(), CrashPlan::KeepAll(), CrashPlan::Torn(call.number, 0.5)}) {
        Machine after(call.number, machine.disk->CrashClone(plan));
        check(&after, "before call " + std::to_string(call.number) + " (" + std::string(FileOpName(call.op)) + " " +
                          std::string(call.path) + "), plan " + std::to_string(static_cast<int>(plan.kind)));
      }
    });
    auto report = Repair(kDir, machine.Setup(SmallOptions()));
    ASSERT_TRUE(report.ok()) << report.status().ToString();
    machine.fs.SetHook(nullptr);
    // What it says is done survives.
    Machine after(1, machine.disk->CrashClone(CrashPlan::DropUnsynced()));
    auto db = Db::Open(kDir, after.Setup(SmallOptions()));
    ASSERT_TRUE(db.ok()) << db.status().ToString();
    EXPECT_EQ(Compare(db->get(), rows), "");
  }
}

// A mixture, as long as there is time for.
TEST(PowerLossTest, RandomWorkloads) {
  const uint64_t scale = FromEnvironment("VARVE_CRASH_SCALE", 1);
  for (uint64_t seed = Seed(); seed < Seed() + 5 * scale && !HasFailure(); ++seed) {
    Options options = SmallOptions();
    if (seed % 2 == 0) options.value_log_threshold = 100;
    PowerLoss run("random", seed, options);
    Dice& dice = run.dice();
    run.Open();
    for (int i = 0; i < 40 && !HasFailure(); ++i) {
      const uint64_t n = dice.Below(100);
      if (n < 60) {
        run.Write(RandomChanges(&dice, 1 + dice.Below(8), 100, 400), dice.OneIn(5));
      } else if (n < 68) {
        run.SyncWal();
      } else if (n < 74) {
        run.Flush();
      } else if (n < 78) {
        run.CompactRange(RandomKey(&dice, 100), {});
      } else if (n < 82) {
        run.Close();
        run.Open();
      } else if (n < 83) {
        run.Checkpoint("/checkpoint" + std::to_string(i));
      } else {
        run.machine().executor.RunOne();
      }
    }
    run.Close();
  }
}

TEST(PowerLossTest, Totals) {
  const auto& total = PowerLoss::total_;
  std::printf("power loss: %llu calls, %llu clones, %llu recoveries, %llu crashed during recovery\n",
              static_cast<unsigned long long>(total.calls), static_cast<unsigned long long>(total.clones),
              static_cast<unsigned long long>(total.recoveries), static_cast<unsigned long long>(total.nested));
  if (total.calls == 0) return;  // only this test was asked for
  EXPECT_GE(total.clones, 3000u);
}

}  // namespace
}  // namespace varve::lsm
