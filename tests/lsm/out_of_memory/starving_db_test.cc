// Each call of a database, and each of its background jobs, with each of its allocations failing in turn: once, and from
// then on until the call returns. Whatever happens it ends with a status, nothing acknowledged is lost, nothing is half
// done, the database goes on by itself (or is fenced, and says so), and what is reopened holds the same.
//
// On a real file system: tests/'s own in memory would be starved as well. It is the kernel's in memory where there is one,
// for a disk would take its time over a hundred thousand syncs that prove nothing here.
#include <filesystem>
#include <functional>
#include <optional>

#include "lsm/changes.h"
#include "lsm/table_writer.h"
#include "lsm/transaction.h"
#include "tests/lsm/db_test_util.h"
#include "tests/starvation/starvation.h"

namespace varve::lsm {
namespace {

namespace stdfs = std::filesystem;

// A database in a directory of its own, and what it should hold.
class Home {
 public:
  explicit Home(Options options) : options_(std::move(options)), random_(1), executor_(&clock_, 1) {
    const stdfs::path in_memory = "/dev/shm";
    const stdfs::path parent = stdfs::is_directory(in_memory) ? in_memory : stdfs::path(testing::TempDir());
    std::string pattern = (parent / "varve-starving-XXXXXX").string();
    EXPECT_NE(mkdtemp(pattern.data()), nullptr);
    root_ = pattern;
    dir = root_ + "/db";
    copy = root_ + "/copy";
    outside = root_ + "/outside.sst";
    options_.clock = &clock_;
    options_.random = &random_;
    options_.executor = &executor_;
    options_.merge_operator = AppendOperator();
    Reopen();
  }
  ~Home() {
    db.reset();
    stdfs::remove_all(root_);
  }

  const Options& options() const { return options_; }
  ManualClock* clock() { return &clock_; }
  ManualExecutor* executor() { return &executor_; }

  Status Open() {
    auto opened = Db::Open(dir, options_);
    if (opened.ok()) db = std::move(opened).value();
    return opened.status();
  }
  void Reopen() {
    db.reset();
    const Status status = Open();
    ASSERT_TRUE(status.ok()) << status.ToString();
  }
  void Write(const Changes& changes) {
    WriteBatch writes;
    AddTo(changes, &writes);
    const Status status = db->Write({}, writes);
    ASSERT_TRUE(status.ok()) << status.ToString();
    Apply(changes, &rows);
  }
  void Fill(int from, int to, size_t size = 200) {
    for (int i = from; i < to; ++i) {
      Write({{ValueKind::kPut, "key" + std::to_string(1000 + i), std::string(size, static_cast<char>('a' + i % 26))}});
    }
  }
  // Tables in two levels with a range tombstone, merges, values in the value log, and a memtable.
  void Furnish() {
    Fill(0, 60);
    Write({{ValueKind::kRangeDelete, "key1010", "key1020"}, {ValueKind::kMerge, "merged", "one,"}});
    ASSERT_TRUE(db->CompactRange({}, {}).ok());
    Fill(30, 70);
    Write({{ValueKind::kMerge, "merged", "two,"}, {ValueKind::kPut, "large", std::string(3000, 'L')}});
    ASSERT_TRUE(db->Flush().ok());
    Write({{ValueKind::kMerge, "merged", "three,"}, {ValueKind::kRangeDelete, "key1040", "key1045"}});
    executor_.RunAll();
  }
  // Lets retries and timers have their turn.
  void Rest() {
    for (int i = 0; i < 3; ++i) {
      clock_.AdvanceMicros(1'100'000);
      executor_.RunAll();
    }
  }

  std::string dir, copy, outside;
  std::unique_ptr<Db> db;
  Rows rows;
  WriteBatch batch;  // for what is to be written in want of memory
  std::unique_ptr<Snapshot> snapshot;
  std::unique_ptr<Db> follower;
  Rows seen;  // by the follower
  int calls = 0;

 private:
  std::string root_;
  Options options_;
  ManualClock clock_;
  SeededRandom random_;
  ManualExecutor executor_;
};

Options Small() {
  Options options = SmallTables();
  options.memtable_size = 16 * 1024;
  options.value_log_threshold = 2000;
  options.compression = Compression::kZstd;
  return options;
}

struct Scenario {
  std::function<void(Home*)> prepare;
  std::function<Status(Home*)> starve;
  Changes changes{};                   // what it writes when it succeeds
  std::function<void(Home*)> after{};  // with memory again
  bool throws = false;                 // std::bad_alloc is an answer, too
};

class StarvingDbTest : public ::testing::Test {
 protected:
  // How many allocations failed, at least `least`; fewer would mean that it is not about what its name says.
  void FailEach(const Scenario& scenario, int64_t least, const Options& options = Small()) {
    for (const auto lasts : {Starvation::Lasts::kOnce, Starvation::Lasts::kOn}) {
      int64_t n = 0;
      int fences = 0;
      while (RunWith(scenario, options, n, lasts, &fences)) {
        if (HasFailure()) return;
        ++n;
      }
      EXPECT_GE(n, least) << "allocations, " << (lasts == Starvation::Lasts::kOnce ? "once" : "from then on");
      RecordProperty(lasts == Starvation::Lasts::kOnce ? "allocations" : "allocations_on", std::to_string(n));
      std::printf("  %lld allocations failed %s, %d times the database was fenced\n", static_cast<long long>(n),
                  lasts == Starvation::Lasts::kOnce ? "once" : "from then on", fences);
    }
  }

 private:
  // False when there were not so many allocations.
  bool RunWith(const Scenario& scenario, const Options& options, int64_t n, Starvation::Lasts lasts, int* fences) {
    SCOPED_TRACE("allocation " + std::to_string(n) + (lasts == Starvation::Lasts::kOn ? " and all that follow" : ""));
    Home home(options);
    scenario.prepare(&home);
    if (HasFailure()) return false;
    Rows after = home.rows;
    Apply(scenario.changes, &after);

    Starvation starvation(n, lasts);
    Status status;
    bool thrown = false;
    try {
      status = scenario.starve(&home);
    } catch (const std::bad_alloc&) {
      thrown = true;
      status = Status::OutOfMemory();
    }
    const bool struck = starvation.End();
    EXPECT_TRUE(scenario.throws || !thrown);
    EXPECT_TRUE(struck || status.ok()) << status.ToString();
    if (scenario.after) scenario.after(&home);
    if (home.db == nullptr) home.Reopen();  // what was starved is the opening
    if (!HasFailure()) CheckLife(&home, status, after, fences);
    return struck;
  }

  void CheckLife(Home* home, const Status& status, const Rows& after, int* fences) {
    home->snapshot.reset();
    home->Rest();
    const Status later = home->db->Put({}, "later", "1");
    if (later.ok()) {  // and it is seen at once, whatever background work puts right
      PinnedValue value;
      const Result<bool> found = home->db->Get({}, "later", &value);
      EXPECT_TRUE(found.ok() && *found && value.view() == "1");
    }
    const bool fenced = later.Is(StatusCode::kFenced);
    EXPECT_TRUE(fenced || later.ok()) << later.ToString();
    EXPECT_TRUE(status.ok() || status.Is(StatusCode::kOutOfMemory) || (fenced && status.Is(StatusCode::kFenced)))
        << status.ToString();
    *fences += fenced ? 1 : 0;
    if (!fenced) {
      const Status background = home->db->WaitForBackgroundWork();
      EXPECT_TRUE(background.ok()) << background.ToString();
    }
    // Only what is fenced may have its batch in the log, and not before the reader's eyes.
    std::vector<Rows> allowed;
    if (!status.ok()) allowed.push_back(home->rows);
    if (status.ok() || fenced) allowed.push_back(after);
    if (later.ok()) {
      for (Rows& rows : allowed) rows["later"] = "1";
    }
    ExpectOneOf(home->db.get(), allowed, "live");
    const Status closed = home->db->Close();
    EXPECT_TRUE(closed.ok()) << closed.ToString();
    home->Reopen();
    ExpectOneOf(home->db.get(), allowed, "reopened");
    EXPECT_EQ(Problems(home->db.get()), "");
  }

  static void ExpectOneOf(Db* db, const std::vector<Rows>& allowed, const char* when) {
    std::string differences;
    for (const Rows& rows : allowed) {
      const std::string difference = Compare(db, rows);
      if (difference.empty()) return;
      differences += "\n" + difference;
    }
    ADD_FAILURE() << when << differences;
  }
};

// ---- Writes ----

Status WriteBatchOf(Home* home) {
  return home->db->Write({}, home->batch);
}

TEST_F(StarvingDbTest, LargeBatch) {
  Changes changes;
  for (int i = 0; i < 40; ++i) {
    changes.push_back({ValueKind::kPut, "key" + std::to_string(1000 + i), std::string(8'000, 'x')});
  }
  changes.push_back({ValueKind::kRangeDelete, "key1010", "key1020"});
  FailEach({.prepare =
                [&](Home* home) {
                  home->Fill(0, 20);
                  AddTo(changes, &home->batch);
                },
            .starve = WriteBatchOf,
            .changes = changes},
           3);
}

TEST_F(StarvingDbTest, PutThatSeals) {
  const Changes changes{{ValueKind::kPut, "seals", "v"}};
  FailEach({.prepare =
                [&](Home* home) {
                  // So full that the next one finds no room.
                  for (int i = 0; home->db->Stats().memtable_bytes < home->options().memtable_size; ++i) {
                    home->Fill(i, i + 1);
                  }
                  AddTo(changes, &home->batch);
                },
            .starve = WriteBatchOf,
            .changes = changes},
           8);
}

TEST_F(StarvingDbTest, SyncedPut) {
  const Changes changes{{ValueKind::kPut, "synced", "v"}};
  FailEach({.prepare = [&](Home* home) { AddTo(changes, &home->batch); },
            .starve = [](Home* home) { return home->db->Write({.sync = true}, home->batch); },
            .changes = changes},
           0);
}

TEST_F(StarvingDbTest, WriteAsync) {
  const Changes changes{{ValueKind::kPut, "async", "v"}};
  FailEach({.prepare = [&](Home* home) { AddTo(changes, &home->batch); },
            .starve =
                [](Home* home) {
                  const Status status =
                      home->db->WriteAsync(home->batch, [home](const Status& s) { home->calls += s.ok() ? 1 : 100; })
                          .status();
                  home->executor()->RunAll();
                  EXPECT_EQ(home->calls, status.ok() ? 1 : 0);  // exactly once, or never
                  return status;
                },
            .changes = changes},
           2);
}

TEST_F(StarvingDbTest, TransactionCommits) {
  const Changes changes{{ValueKind::kPut, "key1001", "new"}};
  FailEach({.prepare = [](Home* home) { home->Furnish(); },
            .starve = [](Home* home) -> Status {
              Transaction transaction(home->db.get());
              PinnedValue value;
              if (auto got = transaction.GetForUpdate("key1001", &value); !got.ok()) return got.status();
              transaction.Put("key1001", "new");
              return transaction.Commit();
            },
            .changes = changes,
            .throws = true},
           5);
}

TEST_F(StarvingDbTest, EverySecond) {
  Options options = Small();
  options.wal_sync = WalSync::kEverySecond;
  FailEach({.prepare = [](Home* home) { home->Fill(0, 5); },
            .starve =
                [](Home* home) {
                  home->clock()->AdvanceMicros(1'100'000);
                  home->executor()->RunAll();
                  return Status::Ok();
                },
            .changes = {},
            .after = [](Home* home) { EXPECT_EQ(home->db->Stats().wal_syncs, 1u); }},
           1, options);
}

// ---- Background work and administration ----

TEST_F(StarvingDbTest, Flush) {
  FailEach({.prepare = [](Home* home) { home->Fill(0, 40); }, .starve = [](Home* home) { return home->db->Flush(); }},
           100);
}

TEST_F(StarvingDbTest, FlushInTheBackground) {
  FailEach({.prepare = [](Home* home) { home->Fill(0, 100); },
            .starve =
                [](Home* home) {
                  home->executor()->RunAll();
                  return Status::Ok();
                }},
           100);
}

TEST_F(StarvingDbTest, CompactRange) {
  FailEach({.prepare = [](Home* home) { home->Furnish(); },
            .starve = [](Home* home) { return home->db->CompactRange({}, {}); }},
           200);
}

TEST_F(StarvingDbTest, ReclaimSpace) {
  const Changes changes{{ValueKind::kRangeDelete, "key", "kez"}};
  FailEach({.prepare =
                [&](Home* home) {
                  home->Furnish();
                  home->Write(changes);
                },
            .starve = [](Home* home) { return home->db->ReclaimSpace("key", "kez"); },
            .changes = {}},
           100);
}

TEST_F(StarvingDbTest, Close) {
  FailEach({.prepare = [](Home* home) { home->Furnish(); },
            .starve =
                [](Home* home) {
                  Status status = home->db->Close();
                  home->db.reset();
                  return status;
                }},
           1);
}

TEST_F(StarvingDbTest, Open) {
  FailEach({.prepare =
                [](Home* home) {
                  home->Furnish();
                  home->db.reset();
                },
            .starve = [](Home* home) { return home->Open(); }},
           100);
}

TEST_F(StarvingDbTest, SetOptions) {
  Options options = Small();
  options.wal_sync = WalSync::kNever;
  FailEach({.prepare = [](Home* home) { home->Furnish(); },
            .starve =
                [](Home* home) {
                  OptionChanges changes;
                  changes.max_disk_bytes = uint64_t{64} << 20;
                  changes.wal_sync = WalSync::kEverySecond;
                  return home->db->SetOptions(changes);
                }},
           1, options);
}

// Where the timer finds no memory the mode stays what it was, or writes would be synced by nobody.
TEST_F(StarvingDbTest, FromAlwaysToEverySecond) {
  Options options = Small();
  options.wal_sync = WalSync::kAlways;
  FailEach({.prepare = [](Home* home) { home->Fill(0, 3); },
            .starve =
                [](Home* home) {
                  OptionChanges changes;
                  changes.wal_sync = WalSync::kEverySecond;
                  return home->db->SetOptions(changes);
                },
            .changes = {{ValueKind::kPut, "key1003", std::string(200, 'd')}},  // see below
            .after =
                [](Home* home) {
                  const uint64_t before = home->db->Stats().wal_syncs;
                  home->Fill(3, 4);
                  home->clock()->AdvanceMicros(1'100'000);
                  home->executor()->RunAll();
                  EXPECT_EQ(home->db->Stats().wal_syncs, before + 1);
                }},
           1, options);
}

TEST_F(StarvingDbTest, Checkpoint) {
  FailEach({.prepare = [](Home* home) { home->Furnish(); },
            .starve = [](Home* home) { return home->db->Checkpoint(home->copy); },
            .changes = {},
            .after =
                [](Home* home) {
                  if (!stdfs::exists(home->copy)) {
                    home->Rest();
                    const Status again = home->db->Checkpoint(home->copy);
                    if (again.Is(StatusCode::kFenced)) return;
                    ASSERT_TRUE(again.ok()) << again.ToString();
                  }
                  Options options = home->options();
                  options.create_if_missing = false;
                  auto copy = Db::Open(home->copy, options);
                  ASSERT_TRUE(copy.ok()) << copy.status().ToString();
                  EXPECT_EQ(Compare(copy->get(), home->rows), "");
                }},
           100);
}

TEST_F(StarvingDbTest, Ingest) {
  const Changes changes{{ValueKind::kPut, "ingested", "v"}};
  FailEach({.prepare =
                [](Home* home) {
                  home->Furnish();
                  auto writer = TableWriter::Create(home->outside, home->options());
                  ASSERT_TRUE(writer.ok() && (*writer)->Put("ingested", "v").ok() && (*writer)->Finish().ok());
                },
            .starve =
                [](Home* home) {
                  const std::vector<std::string> files{home->outside};
                  return home->db->Ingest(files, {});
                },
            .changes = changes,
            .throws = true},
           100);
}

// ---- Reads ----

// What was read is right, or there was no memory for it.
Status Read(Home* home, const ReadOptions& options) {
  for (const char* key : {"key1005", "key1035", "merged", "large", "key1012", "none"}) {
    PinnedValue value;
    const Result<bool> found = home->db->Get(options, key, &value);
    if (!found.ok()) return found.status();
    const Starvation::Pause pause;
    const auto row = home->rows.find(key);
    EXPECT_EQ(*found, row != home->rows.end()) << key;
    if (*found) {
      EXPECT_EQ(value.ToString(), row->second) << key;
    }
  }
  return Status::Ok();
}

TEST_F(StarvingDbTest, Get) {
  FailEach({.prepare =
                [](Home* home) {
                  home->Furnish();
                  home->Reopen();
                },
            .starve = [](Home* home) { return Read(home, {}); }},
           20);
}

TEST_F(StarvingDbTest, GetThroughASnapshot) {
  FailEach({.prepare =
                [](Home* home) {
                  home->Furnish();
                  home->Reopen();
                },
            .starve =
                [](Home* home) {
                  home->snapshot = home->db->GetSnapshot();
                  ReadOptions options;
                  options.snapshot = home->snapshot.get();
                  return Read(home, options);
                },
            .changes = {},
            .throws = true},
           20);
}

TEST_F(StarvingDbTest, MultiGet) {
  FailEach({.prepare =
                [](Home* home) {
                  home->Furnish();
                  home->Reopen();
                },
            .starve = [](Home* home) -> Status {
              const std::string_view keys[] = {"key1005", "merged", "large", "none"};
              PinnedValue values[4];
              const auto found = home->db->MultiGet({}, keys, values);
              const Starvation::Pause pause;
              for (size_t i = 0; i < found.size(); ++i) {
                if (!found[i].ok()) return found[i].status();
                const auto row = home->rows.find(std::string(keys[i]));
                EXPECT_EQ(*found[i], row != home->rows.end()) << keys[i];
                if (*found[i]) {
                  EXPECT_EQ(values[i].ToString(), row->second) << keys[i];
                }
              }
              return Status::Ok();
            },
            .changes = {},
            .throws = true},
           20);
}

TEST_F(StarvingDbTest, GetAsync) {
  FailEach({.prepare =
                [](Home* home) {
                  home->Furnish();
                  home->Reopen();
                },
            .starve =
                [](Home* home) {
                  Status answer;
                  const Status asked = home->db->GetAsync({}, "key1005", [&](Result<bool> found, PinnedValue value) {
                    ++home->calls;
                    answer = found.status();
                    if (found.ok()) {
                      EXPECT_TRUE(*found && value.view() == std::string_view(home->rows["key1005"]));
                    }
                  });
                  home->executor()->RunAll();
                  EXPECT_EQ(home->calls, asked.ok() ? 1 : 0);
                  return asked.ok() ? answer : asked;
                }},
           10);
}

Status Walk(Home* home, bool forward) {
  size_t rows = 0;
  Iterator it = home->db->NewIterator({});
  auto row = home->rows.begin();
  auto back = home->rows.rbegin();
  for (forward ? it.SeekToFirst() : it.SeekToLast(); it.Valid(); forward ? it.Next() : it.Prev()) {
    const auto& [key, value] = forward ? *row : *back;
    const std::string_view got = it.value();
    if (!it.status().ok()) break;
    EXPECT_TRUE(it.key() == key && got == value) << it.key();
    ++row;
    ++back;
    if (++rows == home->rows.size()) break;
  }
  if (it.status().ok()) {
    EXPECT_EQ(rows, home->rows.size());
  }
  return it.status();
}

TEST_F(StarvingDbTest, Forward) {
  FailEach({.prepare =
                [](Home* home) {
                  home->Furnish();
                  home->Reopen();
                },
            .starve = [](Home* home) { return Walk(home, true); }},
           20);
}

TEST_F(StarvingDbTest, Backward) {
  FailEach({.prepare =
                [](Home* home) {
                  home->Furnish();
                  home->Reopen();
                },
            .starve = [](Home* home) { return Walk(home, false); }},
           20);
}

TEST_F(StarvingDbTest, Verify) {
  FailEach({.prepare = [](Home* home) { home->Furnish(); },
            .starve = [](Home* home) -> Status {
              const auto report = home->db->Verify();
              if (report.ok()) {
                EXPECT_TRUE(report->problems.empty()) << report->problems.front();
              }
              return report.status();
            }},
           20);
}

TEST_F(StarvingDbTest, Changes) {
  FailEach({.prepare = [](Home* home) { home->Fill(0, 10); },
            .starve = [](Home* home) -> Status {
              auto hold = home->db->HoldChanges(0, 0);
              if (!hold.ok()) return hold.status();
              auto changes = home->db->ChangesSince(0);
              if (!changes.ok()) return changes.status();
              while ((*changes)->Next()) continue;
              if ((*changes)->status().ok()) {
                EXPECT_EQ((*changes)->sequence(), 10u);
              }
              return (*changes)->status();
            }},
           3);
}

TEST_F(StarvingDbTest, Follower) {
  FailEach({.prepare = [](Home* home) { home->Furnish(); },
            .starve = [](Home* home) -> Status {
              Options options = home->options();
              options.mode = OpenMode::kFollow;
              auto follower = Db::Open(home->dir, options);
              if (!follower.ok()) return follower.status();
              PinnedValue value;
              const auto found = (*follower)->Get({}, "key1035", &value);
              if (!found.ok()) return found.status();
              EXPECT_TRUE(*found && value.view() == std::string_view(home->rows["key1035"]));
              return Status::Ok();
            },
            .changes = {},
            .throws = true},
           50);
}

// However often it found no memory, it shows the one state or the other, and in the end the last.
TEST_F(StarvingDbTest, CatchUp) {
  FailEach({.prepare =
                [](Home* home) {
                  home->Furnish();
                  Options options = home->options();
                  options.mode = OpenMode::kFollow;
                  auto follower = Db::Open(home->dir, options);
                  ASSERT_TRUE(follower.ok()) << follower.status().ToString();
                  home->follower = std::move(follower).value();
                  home->seen = home->rows;
                  home->Fill(60, 80);
                  ASSERT_TRUE(home->db->CompactRange({}, {}).ok());
                  home->Fill(80, 90);
                },
            .starve = [](Home* home) { return home->follower->CatchUp(); },
            .changes = {},
            .after =
                [](Home* home) {
                  const std::string before = Compare(home->follower.get(), home->seen);
                  if (!before.empty()) {
                    EXPECT_EQ(Compare(home->follower.get(), home->rows), "");
                  }
                  const Status again = home->follower->CatchUp();
                  EXPECT_TRUE(again.ok()) << again.ToString();
                  EXPECT_EQ(Compare(home->follower.get(), home->rows), "");
                }},
           50);
}

}  // namespace
}  // namespace varve::lsm
