// Replay that finds no memory: nothing is half done, and nobody waits for ever. (What the whole database does then:
// starving_db_test.cc.)
#include <functional>

#include "lsm/recovery.h"
#include "lsm/sync/executor.h"
#include "lsm/version/file_names.h"
#include "lsm/wal/log_writer.h"
#include "lsm/write_batch.h"
#include "tests/lsm/db_test_util.h"
#include "tests/starvation/starvation.h"

namespace varve::lsm {
namespace {

// Stands for a thread that finds no memory at its allocation after the next `n`: here it runs at once, in the caller.
class StarvingExecutor final : public Executor {
 public:
  explicit StarvingExecutor(int64_t n) : n_(n) {}
  void Schedule(Lane, std::function<void()> work) override {
    Starvation starvation(n_, Starvation::Lasts::kOnce);
    work();
    failed_ |= starvation.End();
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
    Starvation starvation(n, Starvation::Lasts::kOnce);
    const auto log = Replay(&executor);
    if (!starvation.End()) {
      EXPECT_TRUE(log.ok()) << log.status().ToString();
      break;
    }
    EXPECT_TRUE(log.status().Is(StatusCode::kOutOfMemory)) << "allocation " << n << ": " << log.status().ToString();
    executor.RunAll();
    if (HasFailure()) return;
  }
  EXPECT_GE(n, 20);
}

}  // namespace
}  // namespace varve::lsm
