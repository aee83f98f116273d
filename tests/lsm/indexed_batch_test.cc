// tests/lsm/indexed_batch_test.cc

#include "lsm/indexed_batch.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "lsm/mem/memtable.h"
#include "lsm/options.h"

namespace varve::lsm {
namespace {

// "-" the batch does not speak of the key, "x" deleted, else the value.
std::string Read(const IndexedBatch& batch, std::string_view key) {
  std::string_view value;
  switch (batch.Get(key, &value)) {
    case IndexedBatch::Lookup::kAbsent: return "-";
    case IndexedBatch::Lookup::kDeleted: return "x";
    case IndexedBatch::Lookup::kFound: return std::string(value);
    case IndexedBatch::Lookup::kUnsettled: return "?";
  }
  return "?";
}

std::string Rows(const IndexedBatch& batch) {
  std::string rows;
  if (batch.index() == nullptr) return rows;
  MemTable::Iterator it(batch.index().get());
  for (it.SeekToFirst(); it.Valid(); it.Next()) {
    rows += std::string(it.key()) + "@" + std::to_string(TrailerSequence(it.trailer())) + " ";
  }
  return rows;
}

TEST(IndexedBatch, EmptyBatchSaysNothing) {
  IndexedBatch batch;
  EXPECT_EQ(Read(batch, "a"), "-");
  EXPECT_TRUE(batch.empty());
  batch.Clear();
  batch.RollbackTo(batch.GetMark());
  EXPECT_EQ(Rows(batch), "");
}

TEST(IndexedBatch, ReadsTheLatestWrite) {
  IndexedBatch batch;
  batch.Put("a", "1");
  batch.Put("b", "2");
  batch.Put("a", "3");
  batch.Delete("b");
  EXPECT_EQ(Read(batch, "a"), "3");
  EXPECT_EQ(Read(batch, "b"), "x");
  EXPECT_EQ(Read(batch, "c"), "-");
  EXPECT_EQ(Rows(batch), "a@3 a@1 b@4 b@2 ") << "the i-th operation has sequence i + 1";
  EXPECT_EQ(batch.count(), 4u);
}

TEST(IndexedBatch, RangeDeletesHideEarlierWritesOnly) {
  IndexedBatch batch;
  batch.Put("b", "1");
  batch.Put("z", "1");
  batch.DeleteRange("a", "d");
  EXPECT_EQ(Read(batch, "b"), "x");
  EXPECT_EQ(Read(batch, "a"), "x") << "covered without ever being written";
  EXPECT_EQ(Read(batch, "d"), "-") << "the end is exclusive";
  EXPECT_EQ(Read(batch, "z"), "1");
  batch.Put("b", "2");
  EXPECT_EQ(Read(batch, "b"), "2");
  EXPECT_EQ(Read(batch, "c"), "x");
  batch.DeleteRange("d", "a");  // empty
  EXPECT_EQ(Read(batch, "b"), "2");
  batch.DeleteRange("b", "c");
  EXPECT_EQ(Read(batch, "b"), "x");
}

TEST(IndexedBatch, SavepointsNest) {
  IndexedBatch batch;
  batch.Put("a", "1");
  const IndexedBatch::Mark outer = batch.GetMark();
  batch.Put("a", "2");
  batch.DeleteRange("m", "n");
  const IndexedBatch::Mark inner = batch.GetMark();
  batch.Delete("a");
  batch.Put("b", "3");
  batch.RollbackTo(inner);
  EXPECT_EQ(Read(batch, "a"), "2");
  EXPECT_EQ(Read(batch, "b"), "-");
  EXPECT_EQ(Read(batch, "m"), "x");
  batch.Put("c", "4");
  EXPECT_EQ(Rows(batch), "a@2 a@1 c@4 ");
  batch.RollbackTo(outer);
  EXPECT_EQ(Read(batch, "a"), "1");
  EXPECT_EQ(Read(batch, "m"), "-");
  EXPECT_EQ(Read(batch, "c"), "-");
  EXPECT_EQ(batch.count(), 1u);
  batch.Put("a", "5");
  EXPECT_EQ(Rows(batch), "a@2 a@1 ");
}

TEST(IndexedBatch, ValuesAndIteratorsOutliveLaterWrites) {
  IndexedBatch batch;
  batch.Put("a", "first");
  std::string_view value;
  ASSERT_EQ(batch.Get("a", &value), IndexedBatch::Lookup::kFound);
  MemTable::Iterator it(batch.index().get());
  it.SeekToFirst();
  for (int i = 0; i < 10'000; ++i) batch.Put("k" + std::to_string(i), std::string(100, 'v'));
  EXPECT_EQ(value, "first");
  EXPECT_EQ(it.key(), "a");
}

TEST(IndexedBatch, ClearReusesTheIndexUnlessSomebodyHoldsIt) {
  IndexedBatch batch;
  batch.Put("a", "1");
  const MemTable* const table = batch.index().get();
  batch.Clear();
  EXPECT_EQ(Read(batch, "a"), "-");
  batch.Put("b", "2");
  EXPECT_EQ(batch.index().get(), table);
  EXPECT_EQ(Rows(batch), "b@1 ");

  const std::shared_ptr<MemTable> held = batch.index();
  batch.Clear();
  batch.Put("c", "3");
  EXPECT_NE(batch.index(), held);
  MemTable::Iterator it(held.get());
  it.SeekToFirst();
  EXPECT_EQ(it.key(), "b") << "what is held stays as it was";
}

TEST(IndexedBatch, LargeIndexesAreGivenBackByClear) {
  IndexedBatch batch;
  for (int i = 0; i < 200; ++i) batch.Put(std::to_string(i), std::string(10'000, 'v'));
  batch.Clear();
  batch.Put("a", "1");
  EXPECT_LE(batch.index()->memory_bytes(), 256u * 1024);
}

TEST(IndexedBatch, BrokenLimitsAreReportedAndRolledBack) {
  IndexedBatch batch;
  batch.Put("a", "1");
  const IndexedBatch::Mark mark = batch.GetMark();
  batch.Put(std::string(kKeySizeMax + 1, 'k'), "v");
  batch.Put("b", "2");
  EXPECT_TRUE(batch.batch().CheckLimits().Is(StatusCode::kInvalidArgument));
  batch.RollbackTo(mark);
  EXPECT_TRUE(batch.batch().CheckLimits().ok());
  EXPECT_EQ(Read(batch, "a"), "1");
  EXPECT_EQ(Read(batch, "b"), "-");
}

// Random operations, marks and rollbacks against a stack of std::map copies.
TEST(IndexedBatch, AgreesWithAMap) {
  const char* const given = std::getenv("VARVE_SEED");
  const unsigned seed = given != nullptr ? static_cast<unsigned>(std::atoi(given)) : 20240609;
  SCOPED_TRACE("VARVE_SEED=" + std::to_string(seed));
  std::mt19937 random(seed);
  using Model = std::map<std::string, std::string>;  // "x": deleted
  const auto key_of = [](unsigned n) { return std::string(1, static_cast<char>('a' + n % 26)); };
  for (int round = 0; round < 200; ++round) {
    IndexedBatch batch;
    Model model;
    std::vector<std::pair<IndexedBatch::Mark, Model>> marks;
    for (int step = 0; step < 60; ++step) {
      const std::string key = key_of(random());
      switch (random() % 8) {
        case 0:
          batch.Delete(key);
          model[key] = "x";
          break;
        case 1: {
          const std::string end = key_of(random());
          batch.DeleteRange(key, end);
          for (std::string k = key; k < end; ++k[0]) model[k] = "x";
          break;
        }
        case 2: marks.emplace_back(batch.GetMark(), model); break;
        case 3:
          if (marks.empty()) break;
          marks.resize(1 + random() % marks.size(), marks.back());
          batch.RollbackTo(marks.back().first);
          model = marks.back().second;
          break;
        default: {
          const std::string value = std::to_string(step);
          batch.Put(key, value);
          model[key] = value;
        }
      }
      for (unsigned n = 0; n < 26; ++n) {
        const auto at = model.find(key_of(n));
        ASSERT_EQ(Read(batch, key_of(n)), at == model.end() ? "-" : at->second)
            << "round " << round << " step " << step;
      }
    }
  }
}

}  // namespace
}  // namespace varve::lsm
