#include "lsm/compact/version_filter.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <optional>
#include <random>
#include <set>

namespace varve::lsm {
namespace {

struct Entry {
  std::string key;
  uint64_t trailer;
};

// What a reader at `snapshot` sees of `key`: the trailer's kind says found or not; the sequence is not looked at, since
// the filter may take it away. Values are told apart by `original`.
struct Store {
  std::vector<std::pair<Entry, SequenceNumber>> versions;  // with the original sequence
  std::vector<RangeTombstone> tombstones;

  std::optional<SequenceNumber> Read(const std::string& key, SequenceNumber snapshot) const {
    SequenceNumber covered = 0;
    for (const RangeTombstone& t : tombstones) {
      if (t.seq <= snapshot && t.begin <= key && key < t.end) covered = std::max(covered, t.seq);
    }
    const std::pair<Entry, SequenceNumber>* newest = nullptr;
    for (const auto& version : versions) {
      if (version.first.key != key || TrailerSequence(version.first.trailer) > snapshot) continue;
      if (newest == nullptr || version.first.trailer > newest->first.trailer) newest = &version;
    }
    if (newest == nullptr || TrailerKind(newest->first.trailer) == ValueKind::kDelete) return std::nullopt;
    if (TrailerSequence(newest->first.trailer) < covered) return std::nullopt;
    return newest->second;
  }
};

// The input through a filter.
Store Filter(const Store& input, std::vector<SequenceNumber> snapshots, bool bottommost) {
  Store sorted = input;
  std::sort(sorted.versions.begin(), sorted.versions.end(), [](const auto& a, const auto& b) {
    return CompareVersions(a.first.key, a.first.trailer, b.first.key, b.first.trailer) < 0;
  });
  const RangeTombstones tombstones = RangeTombstones::Fragmented(input.tombstones);
  VersionFilter filter(std::move(snapshots), &tombstones, bottommost);
  Store output;
  for (auto version : sorted.versions) {
    if (filter.Keep(version.first.key, &version.first.trailer)) output.versions.push_back(version);
  }
  std::vector<RangeTombstone> pieces;
  tombstones.AppendTo(&pieces);
  for (RangeTombstone& piece : pieces) {
    if (filter.KeepRangeTombstone(piece.seq)) output.tombstones.push_back(std::move(piece));
  }
  return output;
}

Store Join(Store a, const Store& b) {
  a.versions.insert(a.versions.end(), b.versions.begin(), b.versions.end());
  a.tombstones.insert(a.tombstones.end(), b.tombstones.begin(), b.tombstones.end());
  return a;
}

// F1 to F4 against brute force: what no reader can tell from the original is right.
TEST(VersionFilterTest, NoReaderCanTellTheDifference) {
  const char* text = std::getenv("VARVE_SEED");
  const uint64_t seed = text == nullptr ? 1 : std::strtoull(text, nullptr, 10);
  std::mt19937_64 random(seed);
  const std::vector<std::string> keys = {"", "a", "b", "c", "d"};
  for (int round = 0; round < 20'000; ++round) {
    const SequenceNumber last = 1 + random() % 14;
    const bool bottommost = random() % 2 == 0;
    const SequenceNumber beneath_until = bottommost ? 0 : random() % last;  // older ones lie in deeper levels
    Store input, beneath, above;
    const SequenceNumber above_from = random() % 3 == 0 ? last - random() % last : last + 1;
    for (SequenceNumber seq = 1; seq <= last; ++seq) {
      Store& store = seq <= beneath_until ? beneath : seq >= above_from ? above : input;
      const std::string& key = keys[random() % keys.size()];
      if (random() % 5 == 0) {
        const std::string& end = keys[random() % keys.size()];
        if (key < end) store.tombstones.push_back({key, end, seq});
      } else {
        const ValueKind kind = random() % 3 == 0 ? ValueKind::kDelete : ValueKind::kPut;
        store.versions.push_back({{key, PackTrailer(seq, kind)}, seq});
      }
    }
    std::set<SequenceNumber> snapshots;
    for (uint64_t n = random() % 4; n > 0; --n) snapshots.insert(random() % (last + 1));
    const Store output = Filter(input, {snapshots.begin(), snapshots.end()}, bottommost);

    const Store before = Join(Join(input, beneath), above), after = Join(Join(output, beneath), above);
    snapshots.insert(last);
    snapshots.insert(kSequenceMax);
    for (const std::string& key : keys) {
      for (SequenceNumber snapshot : snapshots) {
        ASSERT_EQ(before.Read(key, snapshot), after.Read(key, snapshot))
            << "VARVE_SEED=" << seed << " round " << round << " key '" << key << "' snapshot " << snapshot;
      }
      // And it does drop: of each key at most one version for every snapshot, and one for the present.
      const auto kept = std::count_if(output.versions.begin(), output.versions.end(),
                                      [&](const auto& version) { return version.first.key == key; });
      ASSERT_LE(static_cast<size_t>(kept), snapshots.size());
    }
  }
}

// At the bottom, without snapshots, nothing but plain puts of sequence 0 is left.
TEST(VersionFilterTest, TheBottomIsClean) {
  Store input;
  input.versions = {{{"a", PackTrailer(9, ValueKind::kDelete)}, 9},
                    {{"a", PackTrailer(3, ValueKind::kPut)}, 3},
                    {{"b", PackTrailer(8, ValueKind::kPut)}, 8},
                    {{"b", PackTrailer(2, ValueKind::kPut)}, 2},
                    {{"c", PackTrailer(1, ValueKind::kPut)}, 1}};
  input.tombstones = {{"c", "d", 5}};
  const Store output = Filter(input, {}, true);
  ASSERT_EQ(output.versions.size(), 1u);
  EXPECT_EQ(output.versions[0].first.key, "b");
  EXPECT_EQ(output.versions[0].first.trailer, PackTrailer(0, ValueKind::kPut));
  EXPECT_TRUE(output.tombstones.empty());
  // A delete stays while something may lie beneath.
  EXPECT_EQ(Filter(input, {}, false).versions.size(), 2u);
  EXPECT_EQ(Filter(input, {}, false).tombstones.size(), 1u);
}

}  // namespace
}  // namespace varve::lsm
