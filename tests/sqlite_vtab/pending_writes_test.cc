#include "sqlite_vtab/pending_writes.h"

#include <gtest/gtest.h>

namespace varve::sqlite_vtab {
namespace {

std::string Show(const lsm::WriteBatch& batch) {
  std::string out;
  lsm::WriteBatch::Reader reader(batch.bytes());
  for (lsm::WriteBatch::Operation op; reader.Next(&op);) {
    out += op.kind == lsm::ValueKind::kDelete ? "-" : "+";
    out += std::string(op.key) + " ";
  }
  return out;
}

TEST(PendingWrites, KeepOrderWhetherIndexedOrNot) {
  PendingWrites writes;
  EXPECT_TRUE(writes.empty());
  EXPECT_EQ(writes.Index(), nullptr);
  writes.Put("b", "1");
  writes.Delete("a");
  EXPECT_EQ(Show(writes.Batch()), "+b -a ");
  writes.Index();
  writes.Put("c", "1");
  EXPECT_EQ(Show(writes.Batch()), "+b -a +c ");
}

TEST(PendingWrites, KnowTheKeysTheyHold) {
  PendingWrites writes;
  EXPECT_FALSE(writes.MayHold("a"));
  writes.Put("a", "1");
  writes.Delete("b");
  writes.Index();
  EXPECT_TRUE(writes.MayHold("a"));
  EXPECT_TRUE(writes.MayHold("b"));
  EXPECT_FALSE(writes.MayHold("c"));
}

// A mark is the same place whether the operations before and behind it were indexed since or not.
TEST(PendingWrites, MarksHoldAcrossIndexing) {
  for (int indexed_at : {0, 1, 2, 3}) {
    PendingWrites writes;
    writes.Put("a", "1");
    if (indexed_at == 1) writes.Index();
    PendingWrites::Mark mark = writes.GetMark();
    writes.Put("b", "2");
    if (indexed_at == 2) writes.Index();
    writes.Put("c", "3");
    if (indexed_at == 3) writes.Index();
    writes.RollbackTo(mark);
    EXPECT_EQ(Show(writes.Batch()), "+a ") << indexed_at;
    writes.Put("d", "4");
    EXPECT_EQ(Show(writes.Index()->batch()), "+a +d ") << indexed_at;
    writes.RollbackTo({lsm::WriteBatch::kHeaderSize, 0});
    EXPECT_TRUE(writes.empty()) << indexed_at;
  }
}

TEST(PendingWrites, ReaderKeepsWhatItBeganWith) {
  PendingWrites writes;
  writes.Put("a", "1");
  PendingWrites::Mark mark = writes.GetMark();
  writes.Put("b", "2");
  std::shared_ptr<lsm::IndexedBatch> reader = writes.Index();
  writes.RollbackTo(mark);
  std::string_view value;
  EXPECT_EQ(reader->Get("b", &value), lsm::IndexedBatch::Lookup::kFound);
  EXPECT_EQ(writes.Index()->Get("b", &value), lsm::IndexedBatch::Lookup::kAbsent);
  EXPECT_EQ(writes.Index()->Get("a", &value), lsm::IndexedBatch::Lookup::kFound);
}

}  // namespace
}  // namespace varve::sqlite_vtab
