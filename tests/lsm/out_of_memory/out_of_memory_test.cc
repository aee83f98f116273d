// Writes that find no memory: nothing is half done, nobody waits for ever, and what was acknowledged stays.
//
// A program of its own: its operator new, in whose favour the sanitizers' steps back, fails once, at the allocation that a
// test asks for.
#include <cstdlib>
#include <new>

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

}  // namespace
}  // namespace varve::lsm
