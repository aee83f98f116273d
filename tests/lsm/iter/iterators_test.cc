// The merge and the user's iterator over memtables, tables, levels and a batch, against sorted vectors.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <map>
#include <random>

#include "lsm/io/memory_file_system.h"
#include "lsm/iter/db_iterator.h"
#include "lsm/iter/merge_iterator.h"

namespace varve::lsm {
namespace {

struct Version {
  std::string key;
  uint64_t trailer;
  std::string value;
};

bool Before(const Version& a, const Version& b) {
  return CompareVersions(a.key, a.trailer, b.key, b.trailer) < 0;
}

uint64_t Seed() {
  const char* text = std::getenv("VARVE_SEED");
  return text == nullptr ? 1 : std::strtoull(text, nullptr, 10);
}

// Random versions, spread over sources of every kind.
class World {
 public:
  explicit World(uint64_t seed) : random_(seed) {
    EXPECT_TRUE(disk_.CreateDir("/db").ok());
    context_->file_system = &disk_;
    context_->cache = &cache_;
    context_->dir = "/db";
    const SequenceNumber last = 1 + Below(300);
    std::vector<Version> parts[6];
    for (SequenceNumber seq = 1; seq <= last; ++seq) {
      if (Below(25) == 0) {
        std::string begin = Key(), end = Key();
        if (begin < end) tombstones_.push_back({begin, end, seq});
        continue;
      }
      const ValueKind kind = Below(4) == 0 ? ValueKind::kDelete : ValueKind::kPut;
      Version version{Key(), PackTrailer(seq, kind), kind == ValueKind::kPut ? std::to_string(seq) : ""};
      versions_.push_back(version);
      // Deeper sources are older, more or less: what they hold may be skipped under a tombstone as a whole.
      const uint64_t part = std::min<uint64_t>(5, 6 * (last - seq) / last + Below(2));
      parts[part].push_back(std::move(version));
    }
    last_ = last;
    for (int i = 0; i < 2; ++i) memtables_.push_back(FillMemTable(parts[i]));
    for (int i = 2; i < 4; ++i) files_.push_back(Build(parts[i], 0, parts[i].size()));
    for (int i = 4; i < 6; ++i) levels_.push_back(BuildLevel(&parts[i]));
    std::sort(versions_.begin(), versions_.end(), Before);
  }

  uint64_t Below(uint64_t limit) { return random_() % limit; }
  std::string Key() {
    const uint64_t n = Below(60);
    if (n % 10 == 0) return std::string(n / 10, '\0');
    return (n % 3 == 0 ? "a common prefix " : "k") + std::to_string(100 + n);
  }
  const std::vector<Version>& versions() const { return versions_; }
  SequenceNumber last() const { return last_; }

  std::vector<MergeSource> Sources() const {
    const ReadTier tier;
    std::vector<MergeSource> sources;
    for (const auto& table : memtables_) sources.emplace_back(MemTable::Iterator(table.get()), 0, kSequenceMax);
    for (const TableFileRef& file : files_) {
      if (file == nullptr) continue;
      EXPECT_TRUE(file->Open().ok());
      sources.emplace_back(TableIterator(file->shared_table(), tier), file->facts().largest_seq);
    }
    for (const auto& level : levels_) sources.emplace_back(LevelIterator(level, tier));
    return sources;
  }

  // A batch on top, of `count` operations; empty ranges included.
  void AddBatch(SequenceNumber count) {
    batch_ = std::make_shared<MemTable>();
    batch_count_ = count;
    for (SequenceNumber i = 1; i <= count; ++i) {
      const SequenceNumber seq = kBatchSequenceBase + i;
      const uint64_t n = Below(10);
      if (n == 0) {
        std::string begin = Key(), end = Key();
        batch_->AddRangeDelete(i, begin, end);
        if (begin < end) tombstones_.push_back({begin, end, seq});
        continue;
      }
      const ValueKind kind = n < 3 ? ValueKind::kDelete : ValueKind::kPut;
      Version version{Key(), PackTrailer(seq, kind), kind == ValueKind::kPut ? "batch " + std::to_string(i) : ""};
      batch_->Add(i, kind, version.key, version.value);
      versions_.push_back(std::move(version));
    }
  }

  DbIterator::Setup Setup(SequenceNumber snapshot) const {
    DbIterator::Setup setup;
    setup.sources = Sources();
    if (batch_ != nullptr) {
      setup.sources.emplace_back(MemTable::Iterator(batch_.get()), kBatchSequenceBase,
                                 kBatchSequenceBase + batch_count_);
      setup.batch_count = batch_count_;
    }
    std::vector<RangeTombstone> visible;
    for (const RangeTombstone& t : tombstones_) {
      if (t.seq <= snapshot || t.seq > kBatchSequenceBase) visible.push_back(t);
    }
    setup.tombstones = VisibleTombstones::Build(std::move(visible));
    setup.snapshot = snapshot;
    return setup;
  }

  std::map<std::string, std::string> RowsAt(SequenceNumber snapshot) const {
    auto visible = [&](SequenceNumber seq) { return seq <= snapshot || seq > kBatchSequenceBase; };
    std::map<std::string, const Version*> newest;
    for (const Version& version : versions_) {
      if (!visible(TrailerSequence(version.trailer))) continue;
      const Version*& best = newest[version.key];
      if (best == nullptr || version.trailer > best->trailer) best = &version;
    }
    std::map<std::string, std::string> rows;
    for (const auto& [key, version] : newest) {
      bool live = TrailerKind(version->trailer) == ValueKind::kPut;
      for (const RangeTombstone& t : tombstones_) {
        if (visible(t.seq) && t.seq > TrailerSequence(version->trailer) && t.begin <= key && key < t.end) live = false;
      }
      if (live) rows[key] = version->value;
    }
    return rows;
  }

 private:
  static std::unique_ptr<MemTable> FillMemTable(const std::vector<Version>& part) {
    auto table = std::make_unique<MemTable>();
    for (const Version& v : part) table->Add(TrailerSequence(v.trailer), TrailerKind(v.trailer), v.key, v.value);
    return table;
  }

  TableFileRef Build(std::vector<Version> part, size_t begin, size_t end) {
    std::sort(part.begin(), part.end(), Before);
    if (begin == end) return nullptr;
    const uint64_t number = next_number_++;
    TableBuilderOptions options;
    options.block_size = 256;
    options.table_id = number;
    auto file = disk_.Create(TableFileName("/db", number));
    EXPECT_TRUE(file.ok());
    TableBuilder builder(std::move(file).value(), options);
    for (size_t i = begin; i < end; ++i) EXPECT_TRUE(builder.Add(part[i].key, part[i].trailer, part[i].value).ok());
    auto facts = builder.Finish();
    EXPECT_TRUE(facts.ok());
    return std::make_shared<TableFile>(number, number, std::move(facts).value(), context_);
  }

  // Cut into tables between keys.
  std::vector<TableFileRef> BuildLevel(std::vector<Version>* part) {
    std::sort(part->begin(), part->end(), Before);
    std::vector<TableFileRef> level;
    size_t begin = 0;
    for (size_t i = 1; i <= part->size(); ++i) {
      if (i < part->size() && ((*part)[i].key == (*part)[i - 1].key || Below(8) != 0)) continue;
      level.push_back(Build(*part, begin, i));
      begin = i;
    }
    return level;
  }

  std::mt19937_64 random_;
  MemoryFileSystem disk_;
  BlockCache cache_{1 << 20};
  std::shared_ptr<TableContext> context_ = std::make_shared<TableContext>();
  uint64_t next_number_ = 1;
  SequenceNumber last_ = 0, batch_count_ = 0;
  std::vector<Version> versions_;
  std::vector<RangeTombstone> tombstones_;
  std::vector<std::unique_ptr<MemTable>> memtables_;
  std::vector<TableFileRef> files_;
  std::vector<std::vector<TableFileRef>> levels_;
  std::shared_ptr<MemTable> batch_;
};

void ExpectAt(const MergeIterator& merge, const Version& want) {
  ASSERT_TRUE(merge.Valid()) << merge.status().ToString();
  ASSERT_EQ(merge.key(), want.key);
  ASSERT_EQ(merge.trailer(), want.trailer);
  ASSERT_EQ(merge.value(), want.value);
}

TEST(MergeIteratorTest, AgreesWithASortedVector) {
  for (uint64_t seed = Seed(); seed < Seed() + 150 && !testing::Test::HasFailure(); ++seed) {
    SCOPED_TRACE("VARVE_SEED=" + std::to_string(seed));
    World world(seed);
    const auto& all = world.versions();
    MergeIterator merge(world.Sources());
    merge.SeekToFirst();
    for (size_t i = 0; i < all.size(); ++i, merge.Next()) ASSERT_NO_FATAL_FAILURE(ExpectAt(merge, all[i]));
    ASSERT_FALSE(merge.Valid());
    merge.SeekToLast();
    for (size_t i = all.size(); i-- > 0; merge.Prev()) ASSERT_NO_FATAL_FAILURE(ExpectAt(merge, all[i]));
    ASSERT_FALSE(merge.Valid());
    for (int n = 0; n < 40; ++n) {
      Version target{world.Key(), PackTrailer(world.Below(world.last() + 2), ValueKind::kPut), ""};
      const auto at = std::lower_bound(all.begin(), all.end(), target, Before);
      merge.Seek(target.key, target.trailer);
      ASSERT_EQ(merge.Valid(), at != all.end());
      for (auto it = at; it != all.end() && it - at < 5; ++it, merge.Next()) {
        ASSERT_NO_FATAL_FAILURE(ExpectAt(merge, *it));
      }
      merge.SeekBefore(target.key, target.trailer);
      ASSERT_EQ(merge.Valid(), at != all.begin());
      for (auto it = at; it != all.begin() && at - it < 5; --it, merge.Prev()) {
        ASSERT_NO_FATAL_FAILURE(ExpectAt(merge, *std::prev(it)));
      }
    }
  }
}

// Seeks and steps in both directions, under bounds.
void Walk(World* world, const std::map<std::string, std::string>& rows, DbIterator::Setup setup) {
  const std::string lower = world->Below(2) == 0 ? world->Key() : "", upper = world->Below(2) == 0 ? world->Key() : "";
  setup.lower_bound = lower;
  setup.upper_bound = upper;
  std::vector<std::pair<std::string, std::string>> inside;
  for (const auto& row : rows) {
    if (row.first >= lower && (upper.empty() || row.first < upper)) inside.push_back(row);
  }
  DbIterator it(std::move(setup));
  ASSERT_FALSE(it.Valid());
  for (int seeks = 0; seeks < 8; ++seeks) {
    const std::string key = world->Key();
    const auto count = static_cast<std::ptrdiff_t>(inside.size());
    std::ptrdiff_t at = 0;  // outside [0, count): not valid
    const auto not_below =
        std::partition_point(inside.begin(), inside.end(), [&](auto& row) { return row.first < key; });
    const auto above = std::partition_point(inside.begin(), inside.end(), [&](auto& row) { return row.first <= key; });
    switch (world->Below(4)) {
      case 0: it.SeekToFirst(); break;
      case 1:
        it.SeekToLast();
        at = count - 1;
        break;
      case 2:
        it.Seek(key);
        at = not_below - inside.begin();
        break;
      default: it.SeekForPrev(key); at = above - inside.begin() - 1;
    }
    for (int steps = 0; steps < 25; ++steps) {
      ASSERT_EQ(it.Valid(), at >= 0 && at < count) << steps << " steps from '" << key << "'";
      if (!it.Valid()) break;
      ASSERT_EQ(it.key(), inside[static_cast<size_t>(at)].first) << steps << " steps from '" << key << "'";
      ASSERT_EQ(it.value(), inside[static_cast<size_t>(at)].second);
      if (world->Below(5) < 2 + static_cast<uint64_t>(seeks % 2)) {
        it.Prev();
        --at;
      } else {
        it.Next();
        ++at;
      }
    }
    ASSERT_TRUE(it.status().ok());
  }
}

TEST(DbIteratorTest, AgreesWithAMapAtEverySnapshot) {
  for (uint64_t seed = Seed(); seed < Seed() + 300 && !testing::Test::HasFailure(); ++seed) {
    SCOPED_TRACE("VARVE_SEED=" + std::to_string(seed));
    World world(seed);
    for (int n = 0; n < 6; ++n) {
      const SequenceNumber snapshot = n == 0 ? world.last() : world.Below(world.last() + 1);
      ASSERT_NO_FATAL_FAILURE(Walk(&world, world.RowsAt(snapshot), world.Setup(snapshot)));
    }
    world.AddBatch(1 + world.Below(30));
    for (int n = 0; n < 6; ++n) {
      const SequenceNumber snapshot = n == 0 ? world.last() : world.Below(world.last() + 1);
      ASSERT_NO_FATAL_FAILURE(Walk(&world, world.RowsAt(snapshot), world.Setup(snapshot)));
    }
  }
}

TEST(DbIteratorTest, NothingAtAll) {
  DbIterator it(DbIterator::Setup{});
  it.SeekToFirst();
  EXPECT_FALSE(it.Valid());
  it.SeekToLast();
  EXPECT_FALSE(it.Valid());
  it.Seek("a");
  EXPECT_FALSE(it.Valid());
  it.SeekForPrev("a");
  EXPECT_FALSE(it.Valid());
  EXPECT_TRUE(it.status().ok());
}

}  // namespace
}  // namespace varve::lsm
