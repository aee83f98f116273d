#include "lsm/compact/collection.h"

#include <gtest/gtest.h>

namespace varve::lsm {
namespace {

constexpr PickerOptions kOptions = {.memtable_bytes = 1, .table_bytes = 64 * 1024};

class CollectionTest : public ::testing::Test {
 protected:
  ValueLogFileRef Log(uint64_t number, uint64_t bytes) {
    const ValueLogFacts facts{
        .file_id = number, .file_size = bytes + kValueLogHeaderSize + kValueLogFooterSize, .records = 1};
    return std::make_shared<ValueLogFile>(number, facts, std::make_shared<TableContext>());
  }
  TableFileRef Table(std::string key, ValueLogReferences references) {
    TableFacts facts;
    facts.file_size = 1000;
    facts.smallest = facts.largest = std::move(key);
    facts.smallest_seq = facts.largest_seq = next_;
    facts.value_logs = std::move(references);
    return std::make_shared<TableFile>(1000 + next_++, 1, std::move(facts), std::make_shared<TableContext>());
  }
  Status Apply(const VersionEdit& edit) {
    auto version = Version::Apply(*version_, edit, "test");
    if (!version.ok()) return version.status();
    version_ = *version;
    return Status::Ok();
  }

  std::shared_ptr<const Version> version_ = std::make_shared<const Version>();
  uint64_t next_ = 1;
};

TEST_F(CollectionTest, ReferencesAddUpAndTheUnreferredGo) {
  VersionEdit edit;
  edit.value_logs = {Log(9, 500), Log(7, 1000), Log(8, 300)};
  edit.added = {{6, Table("a", {{7, 400}, {9, 100}})}, {6, Table("b", {{7, 500}})}};
  ASSERT_TRUE(Apply(edit).ok());
  ASSERT_EQ(version_->value_logs().size(), 2u) << "nothing refers to 8";
  EXPECT_EQ(version_->value_logs()[0]->number(), 7u);
  EXPECT_EQ(version_->value_log_live(0), 900u);
  EXPECT_EQ(version_->value_log_live(1), 100u);
  EXPECT_EQ(version_->value_log_bytes(), 1500u);
  EXPECT_EQ(version_->value_log_live_bytes(), 1000u);
  VersionEdit gone;
  gone.removed = {{6, edit.added[0].file->number()}};
  ASSERT_TRUE(Apply(gone).ok());
  ASSERT_EQ(version_->value_logs().size(), 1u);
  EXPECT_EQ(version_->value_log_live_bytes(), 500u);
  auto again = Version::Apply(Version(), version_->Snapshot(), "test");
  ASSERT_TRUE(again.ok());
  EXPECT_EQ((*again)->Snapshot().Encode(), version_->Snapshot().Encode());
}

TEST_F(CollectionTest, ReferencesThatLeadNowhereAreCorruption) {
  VersionEdit edit;
  edit.added = {{6, Table("a", {{7, 400}})}};
  EXPECT_TRUE(Apply(edit).Is(StatusCode::kCorruption)) << "no such file";
  edit.value_logs = {Log(7, 399)};
  EXPECT_TRUE(Apply(edit).Is(StatusCode::kCorruption)) << "more than it holds";
}

TEST_F(CollectionTest, AQuarterOfGarbageIsLeftAlone) {
  VersionEdit edit;
  edit.value_logs = {Log(7, 1000)};
  edit.added = {{6, Table("a", {{7, 760}})}};
  ASSERT_TRUE(Apply(edit).ok());
  EXPECT_TRUE(FilesToCollect(*version_, kOptions).empty());
  EXPECT_FALSE(PickCollection(*version_, kOptions, {}).has_value());
}

TEST_F(CollectionTest, SmallGarbageIsLeftAlone) {
  VersionEdit edit;
  edit.value_logs = {Log(7, 1000)};
  edit.added = {{6, Table("a", {{7, 1}})}};
  ASSERT_TRUE(Apply(edit).ok());
  PickerOptions large = kOptions;
  large.memtable_bytes = 250;  // the slack is four of them
  EXPECT_EQ(GarbageShare(*version_, large), 0);
  EXPECT_TRUE(FilesToCollect(*version_, large).empty());
  EXPECT_EQ(FilesToCollect(*version_, kOptions), std::vector<uint64_t>{7});
}

// The worst first, oldest among equals, and no more than it takes.
TEST_F(CollectionTest, TheWorstFilesAreCollected) {
  VersionEdit edit;
  edit.value_logs = {Log(1, 1000), Log(2, 1000), Log(3, 1000), Log(4, 1000)};
  edit.added = {{5, Table("a", {{1, 700}, {2, 500}, {3, 300}})},
                {6, Table("b", {{1, 50}, {2, 50}, {3, 250}, {4, 900}})}};
  ASSERT_TRUE(Apply(edit).ok());  // shares 25 %, 45 %, 45 %, 10 %: together 31 %
  EXPECT_EQ(FilesToCollect(*version_, kOptions), std::vector<uint64_t>{2});
  auto plan = PickCollection(*version_, kOptions, {});
  ASSERT_TRUE(plan.has_value());
  EXPECT_EQ(plan->inputs, std::vector<TableFileRef>{edit.added[0].file}) << "it refers to 500 bytes, the other to 50";
  EXPECT_EQ(plan->level, 5);
  EXPECT_EQ(plan->output_level, 5);
  EXPECT_TRUE(plan->below.empty());
  EXPECT_FALSE(plan->trivial_move);
  EXPECT_TRUE(plan->bottommost) << "the table of level 6 holds other keys";
  edit.added[0].file->being_compacted = true;
  plan = PickCollection(*version_, kOptions, {});
  ASSERT_TRUE(plan.has_value());
  EXPECT_EQ(plan->inputs, std::vector<TableFileRef>{edit.added[1].file});
  edit.added[1].file->being_compacted = true;
  EXPECT_FALSE(PickCollection(*version_, kOptions, {}).has_value());
}

// What a table of level 0 deletes may lie in its neighbours.
TEST_F(CollectionTest, LevelZeroIsNeverTheBottom) {
  VersionEdit edit;
  edit.value_logs = {Log(1, 1000)};
  edit.added = {{0, Table("a", {{1, 300}})}, {0, Table("a", {})}};
  ASSERT_TRUE(Apply(edit).ok());
  auto plan = PickCollection(*version_, kOptions, {});
  ASSERT_TRUE(plan.has_value());
  EXPECT_EQ(plan->level, 0);
  EXPECT_EQ(plan->inputs.size(), 1u);
  EXPECT_FALSE(plan->bottommost);
}

// What a table refers to that nothing can rewrite stays, so it is not waited for.
TEST_F(CollectionTest, FilesUnderATableThatCannotBeReadAreLeftAlone) {
  VersionEdit edit;
  edit.value_logs = {Log(1, 1000), Log(2, 1000), Log(3, 1000)};
  edit.added = {{6, Table("a", {{1, 100}, {2, 100}})}, {6, Table("b", {{2, 100}, {3, 500}})}};
  ASSERT_TRUE(Apply(edit).ok());
  EXPECT_GT(GarbageShare(*version_, kOptions), kGarbageStop);
  EXPECT_EQ(FilesToCollect(*version_, kOptions), (std::vector<uint64_t>{1, 2, 3}));
  edit.added[0].file->quarantined = true;
  EXPECT_EQ(FilesToCollect(*version_, kOptions), (std::vector<uint64_t>{3}));
  EXPECT_NEAR(GarbageShare(*version_, kOptions), 0.5, 0.01) << "of the third file alone";
  edit.added[1].file->quarantined = true;
  EXPECT_EQ(GarbageShare(*version_, kOptions), 0);
  EXPECT_FALSE(PickCollection(*version_, kOptions, {}).has_value());
}

// Nothing is rewritten in that style.
TEST_F(CollectionTest, FifoHasNoCollection) {
  VersionEdit edit;
  edit.value_logs = {Log(1, 1000)};
  edit.added = {{0, Table("a", {{1, 100}})}};
  ASSERT_TRUE(Apply(edit).ok());
  PickerOptions fifo = kOptions;
  fifo.style = CompactionStyle::kFifo;
  EXPECT_TRUE(PickCollection(*version_, kOptions, {}).has_value());
  EXPECT_FALSE(PickCollection(*version_, fifo, {}).has_value());
  EXPECT_EQ(GarbageShare(*version_, fifo), 0);
}

}  // namespace
}  // namespace varve::lsm
