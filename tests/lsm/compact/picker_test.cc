#include "lsm/compact/picker.h"

#include <gtest/gtest.h>

namespace varve::lsm {
namespace {

constexpr uint64_t kKiB = 1024;
constexpr PickerOptions kOptions = {.memtable_bytes = 64 * kKiB, .table_bytes = 64 * kKiB};

class PickerTest : public ::testing::Test {
 protected:
  std::optional<CompactionPlan> Pick() const { return PickCompaction(*version_, kOptions, running_); }
  // Marks the tables of a plan as its job would; `plan` outlives the test's further picks.
  void Start(const CompactionPlan& plan) {
    for (const auto* files : {&plan.inputs, &plan.below}) {
      for (const TableFileRef& file : *files) file->being_compacted = true;
    }
    running_.push_back(&plan);
  }
  // What the plan's job would leave when it drops nothing and writes one table.
  void Finish(const CompactionPlan& plan) {
    VersionEdit edit;
    for (const TableFileRef& file : plan.inputs) edit.removed.push_back({plan.level, file->number()});
    for (const TableFileRef& file : plan.below) edit.removed.push_back({plan.output_level, file->number()});
    auto version = Version::Apply(*version_, edit, "test");
    ASSERT_TRUE(version.ok()) << version.status().ToString();
    version_ = *version;
    std::erase(running_, &plan);
    Add(plan.output_level, plan.smallest, plan.largest, plan.input_bytes() / kKiB);
  }

  // Adds a table to the version under test.
  TableFileRef Add(int level, std::string smallest, std::string largest, uint64_t kib, uint64_t deletes = 0,
                   bool ingested = false) {
    TableFacts facts;
    facts.entries = 100;
    facts.deletes = deletes;
    facts.file_size = kib * kKiB;
    facts.smallest = std::move(smallest);
    facts.largest = std::move(largest);
    facts.smallest_seq = 100 * next_;
    facts.largest_seq = ingested ? facts.smallest_seq : facts.smallest_seq + 99;
    auto file = std::make_shared<TableFile>(next_, 1, std::move(facts), std::make_shared<TableContext>());
    ++next_;
    VersionEdit edit;
    edit.added.push_back({level, file});
    auto version = Version::Apply(*version_, edit, "test");
    EXPECT_TRUE(version.ok()) << version.status().ToString();
    if (version.ok()) version_ = *version;
    return file;
  }

  std::shared_ptr<const Version> version_ = std::make_shared<const Version>();
  std::vector<const CompactionPlan*> running_;
  uint64_t next_ = 1;
};

TEST_F(PickerTest, NothingToDo) {
  EXPECT_FALSE(Pick().has_value());
  for (int i = 0; i < 3; ++i) Add(0, "a", "z", 64);
  EXPECT_FALSE(Pick().has_value());
  EXPECT_EQ(Level0Debt(*version_, kOptions), 3u);
}

TEST_F(PickerTest, TargetsFollowTheDeepestLevel) {
  LevelTargets targets = ComputeTargets(*version_, kOptions);
  EXPECT_EQ(targets.base_level, 6);
  EXPECT_EQ(targets.bytes[6], 256 * kKiB);  // four memtables
  Add(6, "a", "m", 2560);                   // ten times that: now level 5 is worth having
  targets = ComputeTargets(*version_, kOptions);
  EXPECT_EQ(targets.base_level, 5);
  EXPECT_EQ(targets.bytes[5], 256 * kKiB);
  EXPECT_EQ(targets.bytes[6], 2560 * kKiB);
  Add(6, "n", "z", 250'000);
  targets = ComputeTargets(*version_, kOptions);
  EXPECT_EQ(targets.base_level, 4);
  EXPECT_EQ(targets.bytes[4], 252'560 * kKiB / 100);
}

TEST_F(PickerTest, LevelZeroGoesToTheBase) {
  for (int i = 0; i < 4; ++i) Add(0, "c", "k", 64);
  Add(6, "a", "b", 10);
  const TableFileRef hit = Add(6, "b1", "d", 10);
  auto plan = Pick();
  ASSERT_TRUE(plan.has_value());
  EXPECT_EQ(plan->level, 0);
  EXPECT_EQ(plan->output_level, 6);
  EXPECT_EQ(plan->inputs.size(), 4u);
  ASSERT_EQ(plan->below.size(), 1u);
  EXPECT_EQ(plan->below[0], hit);
  EXPECT_TRUE(plan->bottommost);
  EXPECT_FALSE(plan->trivial_move);
  EXPECT_EQ(plan->input_bytes(), (4 * 64 + 10) * kKiB);
  EXPECT_EQ(Level0Debt(*version_, kOptions), 4u);
}

// Data must not overtake older data: levels above the base that still hold something come first.
TEST_F(PickerTest, LevelZeroStopsAboveALevelInUse) {
  Add(3, "a", "z", 1);
  for (int i = 0; i < 16; ++i) Add(0, "c", "k", 64);
  auto plan = Pick();
  ASSERT_TRUE(plan.has_value());
  EXPECT_EQ(plan->level, 0);
  EXPECT_EQ(plan->output_level, 3);
}

TEST_F(PickerTest, LevelsAboveTheBaseDrain) {
  const TableFileRef lonely = Add(3, "a", "z", 1);
  auto plan = Pick();
  ASSERT_TRUE(plan.has_value());
  EXPECT_EQ(plan->level, 3);
  EXPECT_EQ(plan->output_level, 4);
  EXPECT_TRUE(plan->trivial_move);
  EXPECT_EQ(plan->inputs.front(), lonely);
}

TEST_F(PickerTest, TheTableWithTheLeastOverlapGoesFirst) {
  Add(6, "a", "c", 2000);
  Add(6, "d", "f", 600);
  Add(5, "a", "c", 200);
  const TableFileRef cheap = Add(5, "d", "f", 200);
  auto plan = Pick();
  ASSERT_TRUE(plan.has_value());
  EXPECT_EQ(plan->level, 5);
  ASSERT_EQ(plan->inputs.size(), 1u);
  EXPECT_EQ(plan->inputs[0], cheap);
  EXPECT_TRUE(plan->bottommost);
}

TEST_F(PickerTest, BusyTablesAreLeftAlone) {
  std::vector<TableFileRef> files;
  for (int i = 0; i < 4; ++i) files.push_back(Add(0, "c", "k", 64));
  const TableFileRef below = Add(6, "b", "d", 10);
  below->being_compacted = true;
  EXPECT_FALSE(Pick().has_value());
  below->being_compacted = false;
  CompactionPlan running;  // of level 0, elsewhere
  running.output_level = 6;
  running.smallest = running.largest = "z";
  running_.push_back(&running);
  files[2]->being_compacted = true;
  EXPECT_FALSE(Pick().has_value());
  files[2]->being_compacted = false;
  EXPECT_TRUE(Pick().has_value());
}

TEST_F(PickerTest, NotBottommostAboveOverlappingData) {
  Add(6, "a", "f", 2560);
  for (int i = 0; i < 4; ++i) Add(0, "c", "d", 64);
  auto plan = Pick();
  ASSERT_TRUE(plan.has_value());
  EXPECT_EQ(plan->output_level, 5);
  EXPECT_FALSE(plan->bottommost);
  EXPECT_EQ(plan->grandparents.size(), 1u);
}

// A table lies above the highest older one that it overlaps, and tables side by side share a sublevel.
TEST_F(PickerTest, Sublevels) {
  const TableFileRef old_left = Add(0, "a", "c", 10), old_right = Add(0, "d", "f", 10);
  const TableFileRef middle = Add(0, "b", "e", 10), far = Add(0, "x", "z", 10);
  const TableFileRef top = Add(0, "c", "d", 10);
  const auto& sublevels = version_->sublevels();
  ASSERT_EQ(sublevels.size(), 3u);
  EXPECT_EQ(sublevels[0], (std::vector<TableFileRef>{old_left, old_right, far}));
  EXPECT_EQ(sublevels[1], (std::vector<TableFileRef>{middle}));
  EXPECT_EQ(sublevels[2], (std::vector<TableFileRef>{top}));
}

// Two columns that do not hang together are two jobs, which may run at the same time.
TEST_F(PickerTest, ColumnsAreCompactedApart) {
  for (int i = 0; i < 5; ++i) {
    Add(0, "a", "c", 8);
    if (i < 4) Add(0, "m", "o", 8);
  }
  const TableFileRef left = Add(6, "a", "d", 64), right = Add(6, "l", "p", 64);
  auto first = Pick();
  ASSERT_TRUE(first.has_value());
  EXPECT_EQ(first->inputs.size(), 5u);  // the deeper one
  EXPECT_EQ(first->below, std::vector<TableFileRef>{left});
  Start(*first);
  auto second = Pick();
  ASSERT_TRUE(second.has_value());
  EXPECT_EQ(second->inputs.size(), 4u);
  EXPECT_EQ(second->below, std::vector<TableFileRef>{right});
  Start(*second);
  EXPECT_FALSE(Pick().has_value());
  Finish(*first);
  Finish(*second);
  EXPECT_TRUE(version_->level(0).empty());
  EXPECT_FALSE(Pick().has_value());
}

// With a table goes every older one that it overlaps, else it would end up beneath older data.
TEST_F(PickerTest, AColumnLeavesNothingOlderBehind) {
  std::vector<TableFileRef> pillar;
  for (int i = 0; i < 4; ++i) pillar.push_back(Add(0, "a", "c", 8));
  pillar[1]->being_compacted = true;
  const TableFileRef free_floating = Add(0, "b", "b", 8);
  auto plan = Pick();
  ASSERT_TRUE(plan.has_value());
  EXPECT_EQ(plan->inputs, std::vector<TableFileRef>{pillar[0]});
  for (int i = 0; i < 6; ++i) Add(0, "x", "y", 8);
  plan = Pick();
  ASSERT_TRUE(plan.has_value());
  for (const TableFileRef& file : plan->inputs) EXPECT_EQ(file->facts().smallest, "x");
}

// Ragged tables that hang together over more than one job: the oldest go alone, never nothing.
TEST_F(PickerTest, RaggedColumnsStayBounded) {
  for (int round = 0; round < 6; ++round) {
    for (char c = 'a'; c < 'y'; ++c)
      Add(0, std::string(1, c) + (round % 2 == 0 ? "" : "5"), std::string(1, c + 1) + (round % 2 == 0 ? "4" : ""), 30);
  }
  size_t jobs = 0;
  for (; version_->sublevels().size() >= kLevel0Compact; ++jobs) {
    ASSERT_LT(jobs, 1000u);
    auto plan = Pick();
    ASSERT_TRUE(plan.has_value());
    EXPECT_LE(plan->inputs.size() * 30 * kKiB, 3 * kOptions.JobBytes());
    Start(*plan);
    Finish(*plan);
  }
  EXPECT_GT(jobs, 1u);
}

TEST_F(PickerTest, TablesSideBySideMoveTogether) {
  Add(6, "a", "b", 2560);
  const TableFileRef first = Add(5, "c", "d", 100), second = Add(5, "e", "f", 100), third = Add(5, "g", "h", 100);
  auto plan = Pick();
  ASSERT_TRUE(plan.has_value());
  EXPECT_EQ(plan->inputs, (std::vector<TableFileRef>{first, second, third}));
  EXPECT_TRUE(plan->trivial_move);
}

// Tombstones have nothing left to hide at the bottom: they end there instead of being moved.
TEST_F(PickerTest, TombstonesAreNotMovedToTheBottom) {
  Add(6, "a", "b", 2560);
  Add(5, "c", "d", 300, /*deletes=*/1);
  auto plan = Pick();
  ASSERT_TRUE(plan.has_value());
  EXPECT_TRUE(plan->bottommost);
  EXPECT_FALSE(plan->trivial_move);
}

TEST_F(PickerTest, SmallTablesOfLevelZeroAreMergedAndLargeOnesMoved) {
  for (char c = 'a'; c < 'f'; ++c) Add(0, std::string(1, c), std::string(1, c), 60);
  ASSERT_EQ(version_->sublevels().size(), 1u);
  auto plan = Pick();
  ASSERT_TRUE(plan.has_value());
  EXPECT_EQ(plan->inputs.size(), 5u);
  EXPECT_TRUE(plan->trivial_move);
  version_ = std::make_shared<const Version>();
  for (char c = 'a'; c < 'z'; ++c) Add(0, std::string(1, c), std::string(1, c), 15);
  ASSERT_EQ(version_->sublevels().size(), 1u);
  plan = Pick();
  ASSERT_TRUE(plan.has_value());
  EXPECT_EQ(plan->inputs.size(), 25u);
  EXPECT_FALSE(plan->trivial_move);
}

// Neighbours that lie over the same tables below go along: what lies below is rewritten once for all of them.
TEST_F(PickerTest, NeighboursShareWhatLiesBelow) {
  Add(6, "a", "f", 300);
  Add(6, "k", "p", 2260);
  const TableFileRef b = Add(5, "b", "b", 50), c = Add(5, "c", "c", 50), d = Add(5, "d", "d", 50);
  Add(5, "l", "m", 200);
  auto plan = Pick();
  ASSERT_TRUE(plan.has_value());
  EXPECT_EQ(plan->inputs, (std::vector<TableFileRef>{b, c, d}));
  EXPECT_EQ(plan->below.size(), 1u);
}

// Two jobs may not write into overlapping ranges of one level, even when they share no table.
TEST_F(PickerTest, OutputsOfRunningJobsStayDisjoint) {
  CompactionPlan running;
  running.level = 0;
  running.output_level = 6;
  running.smallest = "a";
  running.largest = "k";
  for (int i = 0; i < 4; ++i) Add(0, "c", "d", 64);
  ASSERT_TRUE(Pick().has_value());
  running_.push_back(&running);
  EXPECT_FALSE(Pick().has_value());
  running.largest = "b";
  EXPECT_TRUE(Pick().has_value());
}

TEST_F(PickerTest, LevelZeroComesBeforeALevelSomewhatOverItsTarget) {
  Add(6, "a", "z", 2560);
  Add(5, "a", "c", 400);  // 156 %
  for (int i = 0; i < 4; ++i) Add(0, "d", "e", 64);
  EXPECT_EQ(Pick()->level, 0);
  EXPECT_TRUE(PickUrgent(*version_, kOptions, {}, UINT64_MAX).has_value());
  Add(5, "h", "i", 400);  // 312 %: now level 0 would be merged into too much
  EXPECT_EQ(Pick()->level, 5);
}

// What the write controller sees grows with every flush, side by side or not.
TEST_F(PickerTest, DebtCountsSublevelsAndBytes) {
  for (char c = 'a'; c < 'g'; ++c) Add(0, std::string(1, c), std::string(1, c), 64);
  EXPECT_EQ(version_->sublevels().size(), 1u);
  EXPECT_EQ(Level0Debt(*version_, kOptions), 6u);
}

TEST_F(PickerTest, OutputsAreEvenAndNearTheTarget) {
  CompactionPlan plan;
  plan.output_level = 6;
  for (uint64_t kib : {1, 40, 64, 90, 100, 160, 200, 1000}) {
    plan.inputs = {Add(5, "a" + std::to_string(next_), "a" + std::to_string(next_), kib)};
    const uint64_t size = plan.TableBytes(kOptions);
    const uint64_t count = (kib * kKiB + size - 1) / size;
    EXPECT_LE(size, 96 * kKiB) << kib;
    EXPECT_LE(count * size - kib * kKiB, 64 * kKiB * count / 16 + kib * kKiB) << kib;
    EXPECT_GE(kib * kKiB / count, std::min<uint64_t>(kib, 40) * kKiB) << kib;
  }
}

TEST_F(PickerTest, FlushesAreCutWhereTheBaseLevelIs) {
  EXPECT_TRUE(FlushGuides(*version_, kOptions).empty());
  const TableFileRef left = Add(6, "a", "c", 64), right = Add(6, "m", "n", 64);
  Add(0, "a", "d", 8);
  Add(0, "e", "z", 8);
  EXPECT_EQ(FlushGuides(*version_, kOptions), (std::vector<TableFileRef>{left, right}));
}

// The job of a narrow column takes free neighbours along until it fills a table, but none that belongs to another column.
TEST_F(PickerTest, NarrowColumnsTakeNeighbours) {
  const TableFileRef a = Add(6, "a", "b", 20), c = Add(6, "c", "d", 30), e = Add(6, "e", "f", 30),
                     g = Add(6, "g", "h", 30);
  for (int i = 0; i < 4; ++i) {
    for (const char* keys : {"ab", "cd", "ef", "gh"}) Add(0, {keys[0]}, {keys[1]}, 2);
  }
  auto plan = Pick();
  ASSERT_TRUE(plan.has_value());
  EXPECT_EQ(plan->inputs.size(), 12u);
  EXPECT_EQ(plan->below, (std::vector<TableFileRef>{a, c, e}));
  c->being_compacted = true;
  plan = Pick();
  ASSERT_TRUE(plan.has_value());
  EXPECT_EQ(plan->below, (std::vector<TableFileRef>{a})) << "and not e and g, which are more";
  c->being_compacted = false;
  Add(0, "f", "g", 2);
  g->quarantined = true;
  plan = Pick();
  ASSERT_TRUE(plan.has_value());
  EXPECT_EQ(plan->below, (std::vector<TableFileRef>{a, c})) << "e and g hang together, and g is out of reach";
}

// A column whose own table is busy, or was found rotten, leaves its neighbours to their columns.
TEST_F(PickerTest, ABusyColumnTakesNoNeighbours) {
  const TableFileRef c = Add(6, "c", "d", 30), e = Add(6, "e", "f", 30), g = Add(6, "g", "h", 30);
  for (int i = 0; i < 4; ++i) {
    for (const char* keys : {"cd", "ef", "gh"}) Add(0, {keys[0]}, {keys[1]}, 2);
  }
  c->quarantined = true;
  const auto plan = Pick();
  ASSERT_TRUE(plan.has_value());
  EXPECT_EQ(plan->below, (std::vector<TableFileRef>{e, g}));
}

// Appended beside keys that are overwritten: it moves, and the last table is not rewritten for its sake.
TEST_F(PickerTest, WhatMeetsNothingTakesNoNeighbours) {
  const TableFileRef last = Add(6, "m", "p", 40);
  for (int i = 0; i < 4; ++i) Add(0, "m", "p", 2);
  const TableFileRef tail = Add(0, "q", "z", 60);
  auto plan = Pick();
  ASSERT_TRUE(plan.has_value());
  EXPECT_EQ(plan->below, (std::vector<TableFileRef>{last}));
  EXPECT_EQ(std::count(plan->inputs.begin(), plan->inputs.end(), tail), 0);
}

TEST_F(PickerTest, ColumnsOfTheLastLevelKeepTheirBorders) {
  Add(6, "a", "f", 40);
  Add(6, "g", "m", 60);
  for (int i = 0; i < 4; ++i) Add(0, "a", "m", 5);
  auto plan = Pick();
  ASSERT_TRUE(plan.has_value());
  EXPECT_TRUE(plan->KeepsBorders());
  EXPECT_EQ(plan->TableBytes(kOptions), kOptions.TableBytes(6));
  plan->grandparents = plan->below;  // their borders come first: else each job below needs tables it hardly touches
  EXPECT_FALSE(plan->KeepsBorders());
}

TEST_F(PickerTest, AFlushThatMeetsNothingSettlesBelow) {
  EXPECT_EQ(SettlingLevel(*version_, kOptions, "a", "b"), 6);
  Add(6, "m", "p", 64);
  EXPECT_EQ(SettlingLevel(*version_, kOptions, "a", "b"), 6);
  EXPECT_EQ(SettlingLevel(*version_, kOptions, "n", "z"), 0);
  Add(0, "a", "a", 4);
  EXPECT_EQ(SettlingLevel(*version_, kOptions, "a", "b"), 0);
  EXPECT_EQ(SettlingLevel(*version_, kOptions, "q", "z"), 6);
}

// Of many tables some are guides, and they stay guides when others come.
TEST_F(PickerTest, FlushesAreCutIntoSoManyPiecesAtMost) {
  constexpr int kTables = 500;
  for (int i = 0; i < kTables; ++i) Add(6, "k" + std::to_string(1000 + i), "k" + std::to_string(1000 + i) + "z", 1);
  const std::vector<TableFileRef> guides = FlushGuides(*version_, kOptions);
  EXPECT_GE(guides.size(), kColumns / 2);
  EXPECT_LE(guides.size(), 2 * kColumns);
  for (int i = 0; i < 10; ++i) Add(6, "m" + std::to_string(i), "m" + std::to_string(i) + "z", 1);
  const std::vector<TableFileRef> later = FlushGuides(*version_, kOptions);
  for (const TableFileRef& guide : guides) EXPECT_EQ(std::count(later.begin(), later.end(), guide), 1);
}

// Dense with tombstones: merged downwards, and at the bottom rewritten without them.
TEST_F(PickerTest, DenseTablesAreReclaimed) {
  const TableFileRef low = Add(6, "a", "c", 60);
  Add(5, "d", "e", 10, /*deletes=*/49);
  const TableFileRef dense = Add(5, "b", "c", 10, /*deletes=*/50);
  EXPECT_TRUE(AnyReclaimable(*version_));
  auto plan = PickReclaim(*version_, kOptions, {}, kSequenceMax, /*idle=*/false);
  ASSERT_TRUE(plan.has_value());
  EXPECT_EQ(plan->inputs, std::vector<TableFileRef>{dense});
  EXPECT_EQ(plan->below, std::vector<TableFileRef>{low});
  EXPECT_EQ(plan->output_level, 6);
  low->being_compacted = true;
  EXPECT_FALSE(PickReclaim(*version_, kOptions, {}, kSequenceMax, true).has_value());
}

TEST_F(PickerTest, DenseTablesOverMuchWaitUntilIdle) {
  Add(6, "a", "c", 101);
  Add(5, "b", "c", 10, /*deletes=*/50);
  EXPECT_FALSE(PickReclaim(*version_, kOptions, {}, kSequenceMax, false).has_value());
  EXPECT_TRUE(PickReclaim(*version_, kOptions, {}, kSequenceMax, true).has_value());
}

TEST_F(PickerTest, ReclaimAtTheBottomWaitsForSnapshots) {
  const TableFileRef dense = Add(6, "a", "c", 60, /*deletes=*/90);
  const SequenceNumber last = dense->facts().largest_seq;
  EXPECT_FALSE(PickReclaim(*version_, kOptions, {}, last - 1, true).has_value());
  auto plan = PickReclaim(*version_, kOptions, {}, last, true);
  ASSERT_TRUE(plan.has_value());
  EXPECT_EQ(plan->level, 6);
  EXPECT_EQ(plan->output_level, 6);
  EXPECT_TRUE(plan->bottommost);
  EXPECT_FALSE(plan->trivial_move);
}

TEST_F(PickerTest, DenseTablesOfLevelZeroGoWhenIdle) {
  Add(0, "a", "b", 10);
  Add(0, "m", "n", 10);
  Add(0, "a", "b", 10, /*deletes=*/100);
  EXPECT_FALSE(PickReclaim(*version_, kOptions, {}, kSequenceMax, false).has_value());
  auto plan = PickReclaim(*version_, kOptions, {}, kSequenceMax, true);
  ASSERT_TRUE(plan.has_value());
  EXPECT_EQ(plan->level, 0);
  EXPECT_EQ(plan->inputs.size(), 2u);  // with the older one beneath
}

TEST_F(PickerTest, RottenTablesAreLeftAlone) {
  std::vector<TableFileRef> files;
  for (int i = 0; i < 4; ++i) files.push_back(Add(0, "c", "k", 64));
  Add(6, "b", "d", 10)->quarantined = true;
  EXPECT_FALSE(Pick().has_value());
}

TEST_F(PickerTest, ARangeGoesDownStepByStep) {
  Add(6, "a", "z", 2560);
  Add(5, "p", "q", 10);
  const TableFileRef inside = Add(5, "b", "c", 10);
  const TableFileRef outside = Add(0, "x", "y", 10), chosen = Add(0, "b", "c", 10);
  const TableFileRef newer = Add(0, "b", "b", 10);
  bool busy = false;
  RangeProgress progress;
  progress.begin = "a";
  progress.end = "d";
  progress.up_to = chosen->facts().largest_seq;
  auto first = PickRange(*version_, kOptions, {}, &progress, &busy);
  ASSERT_TRUE(first.has_value());
  EXPECT_EQ(first->level, 0);
  EXPECT_EQ(first->inputs, (std::vector<TableFileRef>{newer, chosen}));
  EXPECT_EQ(first->output_level, 5);
  EXPECT_EQ(first->below, std::vector<TableFileRef>{inside});
  Finish(*first);
  auto second = PickRange(*version_, kOptions, {}, &progress, &busy);
  ASSERT_TRUE(second.has_value());
  EXPECT_EQ(second->level, 5);
  EXPECT_EQ(second->inputs.size(), 1u);
  EXPECT_FALSE(second->trivial_move);
  const TableFileRef taken = second->inputs[0];
  progress.passed_any = false;
  taken->being_compacted = true;
  EXPECT_FALSE(PickRange(*version_, kOptions, {}, &progress, &busy).has_value());
  EXPECT_TRUE(busy);
  taken->being_compacted = false;
  second = PickRange(*version_, kOptions, {}, &progress, &busy);
  ASSERT_TRUE(second.has_value());
  Finish(*second);
  EXPECT_FALSE(PickRange(*version_, kOptions, {}, &progress, &busy).has_value());
  EXPECT_FALSE(busy);
  EXPECT_EQ(version_->level(0), std::vector<TableFileRef>{outside});
}

// However long the range, no step reads more than a job may.
TEST_F(PickerTest, ARangeIsCompactedInBoundedSteps) {
  for (char c = 'a'; c < 'u'; ++c) {
    Add(5, std::string(1, c), std::string(1, c) + "5", 60);
    Add(6, std::string(1, c), std::string(1, c) + "5", 120);
  }
  RangeProgress progress;
  bool busy = false;
  size_t steps = 0;
  while (auto plan = PickRange(*version_, kOptions, {}, &progress, &busy)) {
    ASSERT_LT(++steps, 100u);
    EXPECT_LE(plan->input_bytes(), kOptions.JobBytes());
    Finish(*plan);
  }
  EXPECT_FALSE(busy);
  EXPECT_GE(steps, 7u);
  EXPECT_TRUE(version_->level(5).empty());
}

// What an earlier compaction could not read is tried again, also where only a step's neighbours need it.
TEST_F(PickerTest, ARangeTakesTablesThatCouldNotBeRead) {
  Add(5, "a", "z", 60);
  Add(6, "a", "f", 60)->quarantined = true;
  Add(6, "g", "z", 60);
  RangeProgress progress;
  progress.begin = "m";
  progress.end = "n";
  bool busy = false;
  auto plan = PickRange(*version_, kOptions, {}, &progress, &busy);
  EXPECT_FALSE(busy);
  ASSERT_TRUE(plan.has_value());
  EXPECT_EQ(plan->below.size(), 2u);
  EXPECT_FALSE(Pick().has_value());  // of itself nothing touches it
}

TEST_F(PickerTest, ARangeTakesColumnsThatCouldNotBeRead) {
  Add(0, "a", "f", 60)->quarantined = true;
  Add(0, "e", "z", 60);
  RangeProgress progress;
  progress.begin = "m";
  progress.end = "n";
  bool busy = false;
  auto plan = PickRange(*version_, kOptions, {}, &progress, &busy);
  EXPECT_FALSE(busy);
  ASSERT_TRUE(plan.has_value());
  EXPECT_EQ(plan->inputs.size(), 2u);
}

// A table is worth one flush at most, however large it is: a tier of the other style, say.
TEST_F(PickerTest, LargeTablesAreNoDebtOfManyFlushes) {
  for (int i = 0; i < 4; ++i) Add(0, "a", "z", 100 * 64);
  EXPECT_EQ(Level0Debt(*version_, kOptions), 4u);
  for (char c = 'a'; c < 'f'; ++c) Add(0, std::string(1, c), std::string(1, c), 32);
  EXPECT_EQ(Level0Debt(*version_, kOptions), 6u) << "five halves";
}

// Nobody wrote what was taken in, so nobody is held up for it, but for the sublevels it makes.
TEST_F(PickerTest, IngestedTablesAreNoDebt) {
  for (int i = 0; i < 100; ++i)
    Add(0, std::to_string(100 + i), std::to_string(100 + i) + "5", 64, 0, /*ingested=*/true);
  EXPECT_EQ(Level0Debt(*version_, kOptions), 1u);
}

TEST_F(PickerTest, WhatWasThereAtOpenIsNoDebt) {
  for (int i = 0; i < 40; ++i) Add(0, "a", "z", 64);
  EXPECT_EQ(Level0Debt(*version_, kOptions), 40u);
  PickerOptions options = kOptions;
  options.settled_sequence = 100 * next_ - 1;
  EXPECT_EQ(Level0Debt(*version_, options), 0u);
  for (int i = 0; i < 3; ++i) Add(0, "a", "z", 64);
  EXPECT_EQ(Level0Debt(*version_, options), 3u);
  options.style = CompactionStyle::kSizeTiered;
  EXPECT_EQ(Level0Debt(*version_, options), 0u);
}

}  // namespace
}  // namespace varve::lsm
