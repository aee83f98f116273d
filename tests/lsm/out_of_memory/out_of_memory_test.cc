// Writes, and replay, that find no memory: nothing is half done, nobody waits for ever, and what was acknowledged stays.
//
// A program of its own: its operator new, in whose favour the sanitizers' steps back, fails once, at the allocation that a
// test asks for.
#include <cstdlib>
#include <functional>
#include <new>
#include <utility>

#include "lsm/recovery.h"
#include "lsm/sync/executor.h"
#include "lsm/version/file_names.h"
#include "lsm/wal/log_writer.h"
#include "lsm/write_batch.h"
#include "tests/lsm/db_test_util.h"

namespace {

thread_local int64_t allocations_left = -1;  // until one fails; < 0: none will

}  // namespace

[[gnu::noinline]] void* operator new(size_t size) {
  if (allocations_left >= 0 && allocations_left-- == 0) throw std::bad_alloc();
  if (void* memory = std::malloc(size == 0 ? 1 : size)) return memory;
  throw std::bad_alloc();
}
[[gnu::noinline]] void* operator new(size_t size, const std::nothrow_t&) noexcept {
  return std::malloc(size == 0 ? 1 : size);
}
[[gnu::noinline]] void operator delete(void* memory) noexcept {
  std::free(memory);
}
[[gnu::noinline]] void operator delete(void* memory, size_t) noexcept {
  std::free(memory);
}

namespace varve::lsm {
namespace {

// Writes `batch` with the allocation after the next `n` failing. False when there were not so many.
bool WriteFailingAt(int64_t n, Db* db, WriteBatch& batch, Status* status) {
  allocations_left = n;
  try {
    *status = db->Write({}, batch);
  } catch (const std::bad_alloc&) {
    *status = Status(StatusCode::kOutOfMemory, "thrown");
  }
  return std::exchange(allocations_left, -1) < 0;
}

class OutOfMemoryTest : public ::testing::Test {
 protected:
  void Open() {
    Options options;
    options.memtable_size = 16 * 1024;
    auto db = Db::Open(kDir, machine_->Setup(options));
    ASSERT_TRUE(db.ok()) << db.status().ToString();
    db_ = std::move(db).value();
  }
  // `batch` fails at each of its allocations in turn, each time in a fresh database that holds `before`.
  void FailEverywhere(const Rows& before, const Changes& changes, int at_least) {
    int64_t n = 0;
    for (;; ++n) {
      SCOPED_TRACE("allocation " + std::to_string(n));
      db_.reset();
      machine_ = std::make_unique<Machine>(1);
      Open();
      for (const auto& [key, value] : before) ASSERT_TRUE(db_->Put({}, key, value).ok());
      Rows after = before;
      Apply(changes, &after);
      WriteBatch batch;
      AddTo(changes, &batch);
      Status status;
      if (!WriteFailingAt(n, db_.get(), batch, &status)) break;

      EXPECT_EQ(Compare(db_.get(), status.ok() ? after : before), "") << status.ToString();
      const Status later = db_->Put({}, "later", "1");
      if (status.Is(StatusCode::kFenced)) {
        EXPECT_TRUE(later.Is(StatusCode::kFenced)) << later.ToString();
      } else {
        EXPECT_TRUE(status.ok() || status.Is(StatusCode::kOutOfMemory)) << status.ToString();
        EXPECT_TRUE(later.ok()) << later.ToString();
      }
      Status closed = db_->Close();
      (void)closed.ok();  // a fenced one says so
      Open();
      // After the fence the batch is in the log, whole.
      Rows reopened = status.ok() || status.Is(StatusCode::kFenced) ? after : before;
      if (later.ok()) reopened["later"] = "1";
      EXPECT_EQ(Compare(db_.get(), reopened), "") << status.ToString();
      EXPECT_EQ(Problems(db_.get()), "");
      if (HasFailure()) return;
    }
    EXPECT_GE(n, at_least) << "the write did not allocate what this test is about";
  }

  std::unique_ptr<Machine> machine_;
  std::unique_ptr<Db> db_;
};

// Seals no memtable: what that allocates is not looked at here.
TEST_F(OutOfMemoryTest, LargeBatch) {
  Changes changes;
  for (int i = 0; i < 40; ++i) {
    changes.push_back(
        {ValueKind::kPut, "key" + std::to_string(100 + i), std::string(8'000, static_cast<char>('a' + i % 20))});
  }
  changes.push_back({ValueKind::kRangeDelete, "key110", "key120"});
  FailEverywhere({{"key100", "before"}, {"other", "x"}}, changes, 3);
}

// Stands for a thread that finds no memory at its allocation after the next `n`: here it runs at once, in the caller.
class StarvingExecutor final : public Executor {
 public:
  explicit StarvingExecutor(int64_t n) : n_(n) {}
  void Schedule(Lane, std::function<void()> work) override {
    const int64_t outside = std::exchange(allocations_left, n_);
    work();
    failed_ |= std::exchange(allocations_left, outside) < 0;
  }
  void ScheduleAfter(Lane, uint64_t, std::function<void()>) override {}
  bool RunPending() override { return false; }
  bool failed() const { return failed_; }

 private:
  const int64_t n_;
  bool failed_ = false;
};

class ReplayOutOfMemoryTest : public ::testing::Test {
 protected:
  ReplayOutOfMemoryTest() {
    EXPECT_TRUE(disk_.CreateDir(kDir).ok());
    auto writer = LogWriter::Open(&disk_, WalFileName(kDir, 1), {.number = 1});
    EXPECT_TRUE(writer.ok()) << writer.status().ToString();
    for (SequenceNumber seq = 1; seq <= 5'000; seq += 50) {
      WriteBatch batch;
      for (SequenceNumber i = seq; i < seq + 50; ++i) batch.Put("key" + std::to_string(i * 7919 % 10'007), "value");
      batch.SetSequence(seq);
      EXPECT_TRUE((*writer)->Append(batch.bytes()).ok());
    }
    state_.wal_number = 1;
  }
  Result<RecoveredLog> Replay(Executor* executor) {
    return ReplayLog(&disk_, kDir, state_, segments_, /*memtable_bytes=*/100'000, executor);
  }

  MemoryFileSystem disk_;
  ManifestState state_;
  const std::vector<uint64_t> segments_{1};
};

TEST_F(ReplayOutOfMemoryTest, InTheThreadBeside) {
  int64_t n = 0;
  for (;; ++n) {
    StarvingExecutor executor(n);
    auto log = Replay(&executor);
    if (!executor.failed()) {
      EXPECT_TRUE(log.ok()) << log.status().ToString();
      break;
    }
    EXPECT_TRUE(log.status().Is(StatusCode::kOutOfMemory)) << n << ": " << log.status().ToString();
  }
  EXPECT_GE(n, 1) << "no tree found too little memory";
}

TEST_F(ReplayOutOfMemoryTest, InTheCaller) {
  ManualClock clock;
  int64_t n = 0;
  for (;; ++n) {
    ManualExecutor executor(&clock);
    allocations_left = n;
    bool ok = false, out_of_memory = false;
    try {
      auto log = Replay(&executor);
      ok = log.ok();
      out_of_memory = log.status().Is(StatusCode::kOutOfMemory);
    } catch (const std::bad_alloc&) {
      ADD_FAILURE() << "allocation " << n << " threw";
    }
    if (std::exchange(allocations_left, -1) >= 0) {
      EXPECT_TRUE(ok);
      break;
    }
    EXPECT_TRUE(out_of_memory) << "allocation " << n;
    executor.RunAll();
    if (HasFailure()) return;
  }
  EXPECT_GE(n, 20);
}

}  // namespace
}  // namespace varve::lsm
