// What compactions make of merges, expiring values and filtered ones: no reader may tell the difference.
#include "lsm/compact/version_stream.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <map>
#include <optional>
#include <random>
#include <set>

#include "lsm/format/coding.h"

namespace varve::lsm {
namespace {

constexpr int64_t kNow = 1000;

// Appends, and refuses the operand "!".
class TestAppend final : public MergeOperator {
 public:
  explicit TestAppend(bool associative) : associative_(associative) {}
  std::string_view name() const override { return "test"; }
  bool Merge(std::string_view, const std::string_view* base, std::span<const std::string_view> operands,
             std::string* result) const override {
    if (base != nullptr) result->append(*base);
    for (std::string_view operand : operands) {
      if (operand == "!") return false;
      result->append(operand);
    }
    return true;
  }
  bool Combine(std::string_view key, std::span<const std::string_view> operands, std::string* result) const override {
    return associative_ && Merge(key, nullptr, operands, result);
  }

 private:
  const bool associative_;
};

struct Version {
  std::string key;
  uint64_t trailer;
  std::string value;

  std::string Text() const {
    const char* kinds[] = {"delete", "put", "range", "merge", "expiring"};
    return key + "@" + std::to_string(TrailerSequence(trailer)) + " " + kinds[static_cast<int>(TrailerKind(trailer))] +
           " " + (TrailerKind(trailer) == ValueKind::kPutWithExpiry ? value.substr(kExpirySize) : value);
  }
};

struct Store {
  std::vector<Version> versions;
  std::vector<RangeTombstone> tombstones;

  void Sort() {
    std::sort(versions.begin(), versions.end(), [](const Version& a, const Version& b) {
      return CompareVersions(a.key, a.trailer, b.key, b.trailer) < 0;
    });
  }
  // "refused", nothing, or the value: straight from the definition.
  std::optional<std::string> Read(const std::string& key, SequenceNumber snapshot, int64_t now) const {
    SequenceNumber covered = 0;
    for (const RangeTombstone& t : tombstones) {
      if (t.seq <= snapshot && t.begin <= key && key < t.end) covered = std::max(covered, t.seq);
    }
    std::string value;
    bool refused = false, merged = false;
    for (const Version& version : versions) {  // newest first
      const SequenceNumber seq = TrailerSequence(version.trailer);
      if (version.key != key || seq > snapshot) continue;
      if (seq < covered) break;
      const ValueKind kind = TrailerKind(version.trailer);
      if (kind == ValueKind::kMerge) {
        merged = true;
        refused = refused || version.value == "!";
        value.insert(0, version.value);
        continue;
      }
      const bool expires = kind == ValueKind::kPutWithExpiry;
      if (kind == ValueKind::kDelete) break;
      if (expires && DecodeFixed64(version.value.data()) <= static_cast<uint64_t>(now)) break;
      merged = true;
      value.insert(0, version.value.substr(expires ? kExpirySize : 0));
      break;
    }
    if (refused) return "refused";
    return merged ? std::optional(value) : std::nullopt;
  }
};

Store StreamOf(const Store& input, std::vector<SequenceNumber> snapshots, bool bottommost, const MergeOperator* op,
               CompactionFilter* user_filter = nullptr) {
  MemTable table;
  for (const Version& v : input.versions) {
    table.Add(TrailerSequence(v.trailer), TrailerKind(v.trailer), v.key, v.value);
  }
  std::vector<MergeSource> sources;
  sources.emplace_back(MemTable::Iterator(&table), 0, kSequenceMax);
  MergeIterator merge(std::move(sources));
  const RangeTombstones tombstones = RangeTombstones::Fragmented(input.tombstones);
  VersionFilter filter(std::move(snapshots), &tombstones, bottommost);
  ManualClock clock(kNow);
  VersionStream stream({.input = &merge,
                        .filter = &filter,
                        .rules = {.merge_operator = op, .clock = &clock},
                        .user_filter = user_filter,
                        .level = 3});
  Store output;
  while (stream.Next()) {
    output.versions.push_back({std::string(stream.key()), stream.trailer(), std::string(stream.value())});
  }
  EXPECT_TRUE(stream.status().ok());
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
  a.Sort();
  return a;
}

std::string Expiring(uint64_t expire_at_ms, std::string_view value) {
  std::string out;
  PutFixed64(&out, expire_at_ms);
  return out.append(value);
}

TEST(VersionStreamTest, NoReaderCanTellTheDifference) {
  const char* text = std::getenv("VARVE_SEED");
  const uint64_t seed = text == nullptr ? 1 : std::strtoull(text, nullptr, 10);
  std::mt19937_64 random(seed);
  const TestAppend associative(true), one_by_one(false);
  const std::vector<std::string> keys = {"", "a", "b", "c", "d"};
  for (int round = 0; round < 20'000; ++round) {
    const SequenceNumber last = 1 + random() % 18;
    const bool bottommost = random() % 2 == 0;
    const SequenceNumber beneath_until = bottommost ? 0 : random() % last;  // older ones lie in deeper levels
    const SequenceNumber above_from = random() % 3 == 0 ? last - random() % last : last + 1;
    const MergeOperator* op = random() % 8 == 0 ? nullptr : random() % 3 == 0 ? &one_by_one : &associative;
    Store input, beneath, above;
    for (SequenceNumber seq = 1; seq <= last; ++seq) {
      Store& store = seq <= beneath_until ? beneath : seq >= above_from ? above : input;
      const std::string& key = keys[random() % keys.size()];
      const std::string value(1, static_cast<char>('A' + seq));
      switch (random() % 8) {
        case 0: {
          const std::string& end = keys[random() % keys.size()];
          if (key < end) store.tombstones.push_back({key, end, seq});
          break;
        }
        case 1: store.versions.push_back({key, PackTrailer(seq, ValueKind::kDelete), ""}); break;
        case 2:
        case 3: store.versions.push_back({key, PackTrailer(seq, ValueKind::kPut), value}); break;
        case 4:
          store.versions.push_back(
              {key, PackTrailer(seq, ValueKind::kPutWithExpiry), Expiring(kNow - 1 + random() % 3, value)});
          break;
        default: store.versions.push_back({key, PackTrailer(seq, ValueKind::kMerge), random() % 20 == 0 ? "!" : value});
      }
    }
    std::set<SequenceNumber> snapshots;
    for (uint64_t n = random() % 4; n > 0; --n) snapshots.insert(random() % (last + 1));
    const Store output = StreamOf(input, {snapshots.begin(), snapshots.end()}, bottommost, op);

    const Store before = Join(Join(input, beneath), above), after = Join(Join(output, beneath), above);
    snapshots.insert(last);
    snapshots.insert(kSequenceMax);
    for (const std::string& key : keys) {
      for (SequenceNumber snapshot : snapshots) {
        for (int64_t now : {kNow, kNow + 1, kNow + 2}) {
          ASSERT_EQ(before.Read(key, snapshot, now), after.Read(key, snapshot, now))
              << "VARVE_SEED=" << seed << " round " << round << " key '" << key << "' snapshot " << snapshot << " now "
              << now;
        }
      }
      // And it does fold: for every snapshot, and for the present, one version, or a merge on one that will expire.
      if (op != &associative) continue;
      size_t kept = 0;
      bool refused = false;
      for (const Version& version : output.versions) kept += version.key == key ? 1 : 0;
      for (const Version& version : input.versions) refused = refused || version.value == "!";
      if (!refused) {
        ASSERT_LE(kept, 2 * snapshots.size());
      }
    }
    // In order, as a table wants them.
    for (size_t i = 1; i < output.versions.size(); ++i) {
      const Version &a = output.versions[i - 1], &b = output.versions[i];
      ASSERT_LT(CompareVersions(a.key, a.trailer, b.key, b.trailer), 0);
    }
  }
}

std::vector<std::string> Lines(const Store& store) {
  std::vector<std::string> lines;
  for (const Version& version : store.versions) lines.push_back(version.Text());
  return lines;
}
using Strings = std::vector<std::string>;

Store Chain() {
  return {{{"k", PackTrailer(9, ValueKind::kMerge), "c"},
           {"k", PackTrailer(7, ValueKind::kMerge), "b"},
           {"k", PackTrailer(5, ValueKind::kMerge), "a"},
           {"k", PackTrailer(3, ValueKind::kPut), "0"},
           {"l", PackTrailer(2, ValueKind::kPut), "l"}},
          {}};
}

TEST(VersionStreamTest, MergesFoldIntoThePutBeneath) {
  const TestAppend op(true), one_by_one(false);
  EXPECT_EQ(Lines(StreamOf(Chain(), {}, false, &op)), (Strings{"k@9 put 0abc", "l@2 put l"}));
  EXPECT_EQ(Lines(StreamOf(Chain(), {}, false, &one_by_one)), (Strings{"k@9 put 0abc", "l@2 put l"}));
  EXPECT_EQ(Lines(StreamOf(Chain(), {}, true, &op)), (Strings{"k@0 put 0abc", "l@0 put l"}));
}

TEST(VersionStreamTest, ASnapshotDividesThem) {
  const TestAppend op(true), one_by_one(false);
  EXPECT_EQ(Lines(StreamOf(Chain(), {5}, false, &op)), (Strings{"k@9 merge bc", "k@5 put 0a", "l@2 put l"}));
  EXPECT_EQ(Lines(StreamOf(Chain(), {5}, true, &one_by_one)),
            (Strings{"k@9 merge c", "k@7 merge b", "k@0 put 0a", "l@0 put l"}));
}

TEST(VersionStreamTest, MergesWithoutABase) {
  const TestAppend op(true), one_by_one(false);
  Store chain = Chain();
  chain.versions.erase(chain.versions.begin() + 3);
  EXPECT_EQ(Lines(StreamOf(chain, {}, false, &op)), (Strings{"k@9 merge abc", "l@2 put l"}));
  EXPECT_EQ(Lines(StreamOf(chain, {}, false, &one_by_one)),
            (Strings{"k@9 merge c", "k@7 merge b", "k@5 merge a", "l@2 put l"}));
  EXPECT_EQ(Lines(StreamOf(chain, {}, true, &one_by_one)), (Strings{"k@0 put abc", "l@0 put l"}));
  EXPECT_EQ(Lines(StreamOf(chain, {}, true, nullptr)),
            (Strings{"k@9 merge c", "k@7 merge b", "k@5 merge a", "l@0 put l"}));
}

TEST(VersionStreamTest, ManyOperandsInBoundedMemory) {
  const TestAppend op(true);
  Store chain;
  std::string want;
  for (SequenceNumber seq = 2000; seq >= 1; --seq) {
    chain.versions.push_back({"k", PackTrailer(seq, ValueKind::kMerge), std::to_string(seq) + ","});
    want.insert(0, std::to_string(seq) + ",");
  }
  EXPECT_EQ(Lines(StreamOf(chain, {}, false, &op)), (Strings{"k@2000 merge " + want}));
}

TEST(VersionStreamTest, ExpiredValuesAreDeletes) {
  const TestAppend op(true);
  const Store store = {{{"a", PackTrailer(9, ValueKind::kPutWithExpiry), Expiring(kNow, "gone")},
                        {"a", PackTrailer(4, ValueKind::kPut), "old"},
                        {"b", PackTrailer(8, ValueKind::kPutWithExpiry), Expiring(kNow + 1, "there")},
                        {"c", PackTrailer(7, ValueKind::kMerge), "1"},
                        {"c", PackTrailer(6, ValueKind::kMerge), "2"},
                        {"c", PackTrailer(5, ValueKind::kPutWithExpiry), Expiring(kNow + 1, "there")},
                        {"d", PackTrailer(3, ValueKind::kMerge), "3"},
                        {"d", PackTrailer(2, ValueKind::kPutWithExpiry), Expiring(kNow, "gone")}},
                       {}};
  EXPECT_EQ(Lines(StreamOf(store, {}, false, &op)),
            (Strings{"a@9 delete ", "b@8 expiring there", "c@7 merge 21", "c@5 expiring there", "d@3 put 3"}));
  EXPECT_EQ(Lines(StreamOf(store, {}, true, &op)),
            (Strings{"b@0 expiring there", "c@7 merge 21", "c@0 expiring there", "d@0 put 3"}));
}

class FilterOfD final : public CompactionFilter {
 public:
  Decision Filter(int level, std::string_view key, std::string_view value, std::string* new_value) override {
    EXPECT_EQ(level, 3);
    asked.push_back(std::string(key) + "=" + std::string(value));
    if (value.starts_with("d")) return Decision::kDrop;
    if (!value.starts_with("c")) return Decision::kKeep;
    *new_value = "changed";
    return Decision::kChange;
  }
  Strings asked;
};

TEST(VersionStreamTest, TheUsersFilterSeesNewestValuesThatNoSnapshotSees) {
  const TestAppend op(true);
  const Store store = {{{"a", PackTrailer(9, ValueKind::kPut), "d"},
                        {"a", PackTrailer(4, ValueKind::kPut), "old"},
                        {"b", PackTrailer(8, ValueKind::kPutWithExpiry), Expiring(kNow + 1, "c")},
                        {"c", PackTrailer(7, ValueKind::kMerge), "1"},
                        {"c", PackTrailer(6, ValueKind::kPut), "d"},
                        {"d", PackTrailer(5, ValueKind::kDelete), ""},
                        {"e", PackTrailer(3, ValueKind::kMerge), "x"},
                        {"f", PackTrailer(2, ValueKind::kPut), "f"}},
                       {}};
  FilterOfD filter;
  EXPECT_EQ(Lines(StreamOf(store, {}, false, &op, &filter)),
            (Strings{"a@9 delete ", "b@8 expiring changed", "c@7 delete ", "d@5 delete ", "e@3 merge x", "f@2 put f"}));
  EXPECT_EQ(filter.asked, (Strings{"a=d", "b=c", "c=d1", "f=f"}));
  EXPECT_EQ(Lines(StreamOf(store, {}, true, &op, &filter)),
            (Strings{"b@0 expiring changed", "e@0 put x", "f@0 put f"}));
  filter.asked.clear();
  // The snapshot at 8 sees all but the newest of "a".
  EXPECT_EQ(Lines(StreamOf(store, {8}, true, &op, &filter)),
            (Strings{"a@9 delete ", "a@0 put old", "b@0 expiring c", "c@0 put d1", "e@0 put x", "f@0 put f"}));
  EXPECT_EQ(filter.asked, (Strings{"a=d"}));
}

TEST(VersionStreamTest, CancelledInTheMiddle) {
  const TestAppend op(true);
  MemTable table;
  for (SequenceNumber seq = 1; seq <= 5000; ++seq) table.Add(seq, ValueKind::kPut, std::to_string(seq), "");
  std::vector<MergeSource> sources;
  sources.emplace_back(MemTable::Iterator(&table), 0, kSequenceMax);
  MergeIterator merge(std::move(sources));
  const RangeTombstones none;
  VersionFilter filter({}, &none, true);
  VersionStream stream({.input = &merge, .filter = &filter, .rules = {}});
  int checks = 0;
  stream.CheckNowAndThen([&] { return ++checks == 2 ? Status::Closed() : Status::Ok(); });
  while (stream.Next()) continue;
  EXPECT_EQ(checks, 2);
  EXPECT_LT(stream.versions_read(), 5000u);
  EXPECT_TRUE(stream.status().Is(StatusCode::kClosed));
}

}  // namespace
}  // namespace varve::lsm
