#include "lsm/format/range_tombstones.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <set>

namespace varve::lsm {
namespace {

using std::string_literals::operator""s;

std::string Show(const RangeTombstones& tombstones) {
  std::string text;
  for (const auto& fragment : tombstones.fragments()) {
    text += (text.empty() ? "" : " ") + fragment.begin + ".." + fragment.end + "{";
    for (size_t i = 0; i < fragment.seqs.size(); ++i) text += (i == 0 ? "" : ",") + std::to_string(fragment.seqs[i]);
    text += "}";
  }
  return text;
}

TEST(RangeTombstones, OverlapsAreCutAtEachOthersBorders) {
  EXPECT_EQ(Show(RangeTombstones::Fragmented({{"c", "g", 7}, {"a", "e", 5}})), "a..c{5} c..e{7,5} e..g{7}");
  EXPECT_EQ(Show(RangeTombstones::Fragmented({{"a", "z", 1}, {"m", "n", 2}})), "a..m{1} m..n{2,1} n..z{1}");
  EXPECT_EQ(Show(RangeTombstones::Fragmented({{"a", "b", 1}, {"c", "d", 2}})), "a..b{1} c..d{2}");
}

TEST(RangeTombstones, EmptyAndInvertedRangesAreIgnored) {
  EXPECT_TRUE(RangeTombstones::Fragmented({{"b", "b", 1}, {"c", "a", 2}}).empty());
  EXPECT_TRUE(RangeTombstones::Fragmented({}).empty());
}

TEST(RangeTombstones, EqualCoverageGivesEqualFragments) {
  EXPECT_EQ(Show(RangeTombstones::Fragmented({{"a", "c", 5}, {"c", "e", 5}, {"b", "d", 5}})), "a..e{5}");
}

TEST(RangeTombstones, AReaderSeesTheNewestTombstoneOfItsSnapshot) {
  const auto set = RangeTombstones::Fragmented({{"a", "e", 5}, {"c", "g", 7}});
  EXPECT_EQ(set.CoveringSequence("c", 10), 7u);
  EXPECT_EQ(set.CoveringSequence("c", 7), 7u);
  EXPECT_EQ(set.CoveringSequence("c", 6), 5u);
  EXPECT_EQ(set.CoveringSequence("c", 4), 0u);
  EXPECT_EQ(set.CoveringSequence("e", 6), 0u) << "ends are exclusive";
  EXPECT_EQ(set.CoveringSequence("g", 10), 0u);
  EXPECT_EQ(set.CoveringSequence("", 10), 0u);
}

// Pins the on-disk layout. If this fails the format changed: add a version, do not edit the bytes.
TEST(RangeTombstones, GoldenBytes) {
  const auto set = RangeTombstones::Fragmented({{"", "c", 5}, {"b", "c", 0x0107}});
  const std::string bytes = "\x02"s +
                            "\x00\x01"
                            "b"
                            "\x01"
                            "\x05\x00\x00\x00\x00\x00\x00\x00"s +
                            "\x01"
                            "b"
                            "\x01"
                            "c"
                            "\x02"
                            "\x07\x01\x00\x00\x00\x00\x00\x00"
                            "\x05\x00\x00\x00\x00\x00\x00\x00"s;
  EXPECT_EQ(set.Encode(), bytes);
  const auto decoded = RangeTombstones::Decode(bytes, "golden");
  ASSERT_TRUE(decoded.ok()) << decoded.status().ToString();
  EXPECT_EQ(Show(*decoded), "..b{5} b..c{263,5}");
  EXPECT_EQ(RangeTombstones().Encode(), "\x00"s);
}

TEST(RangeTombstones, DamagedBytesAreRefusedWithTheirPlace) {
  const std::string good = RangeTombstones::Fragmented({{"a", "e", 5}, {"c", "g", 7}}).Encode();
  for (size_t size = 0; size < good.size(); ++size) {
    EXPECT_TRUE(RangeTombstones::Decode(good.substr(0, size), "t").status().Is(StatusCode::kCorruption)) << size;
  }
  EXPECT_FALSE(RangeTombstones::Decode(good + "x", "t").ok());
  EXPECT_FALSE(RangeTombstones::Decode("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", "t").ok()) << "huge count";
  const std::string seq5 = "\x05\x00\x00\x00\x00\x00\x00\x00"s;
  const std::string seq0(8, '\0');
  const auto refused = [](const std::string& bytes) { return !RangeTombstones::Decode(bytes, "t").ok(); };
  EXPECT_FALSE(
      refused("\x01\x01"
              "a"
              "\x01"
              "b"
              "\x01"s +
              seq5));
  EXPECT_TRUE(
      refused("\x01\x01"
              "b"
              "\x01"
              "b"
              "\x01"s +
              seq5))
      << "empty range";
  EXPECT_TRUE(
      refused("\x01\x01"
              "a"
              "\x01"
              "b"
              "\x00"s +
              seq5))
      << "no sequence";
  EXPECT_TRUE(
      refused("\x01\x01"
              "a"
              "\x01"
              "b"
              "\x01"s +
              seq0))
      << "sequence 0";
  EXPECT_TRUE(
      refused("\x01\x01"
              "a"
              "\x01"
              "b"
              "\x02"s +
              seq5 + seq5))
      << "equal sequences";
  EXPECT_TRUE(
      refused("\x02\x01"
              "a"
              "\x01"
              "c"
              "\x01"s +
              seq5 +
              "\x01"
              "b"
              "\x01"
              "d"
              "\x01"s +
              seq5))
      << "overlap";
  EXPECT_EQ(RangeTombstones::Decode("", "db/000012.sst").status().message(),
            "db/000012.sst: range tombstones, byte 0 of 0: bad count of ranges");
}

TEST(RangeTombstones, FlippedBitsNeverBreakTheInvariants) {
  const std::string good = RangeTombstones::Fragmented({{"a", "e", 5}, {"c", "g", 7}, {"f", "zz", 9}}).Encode();
  for (size_t bit = 0; bit < good.size() * 8; ++bit) {
    std::string bad = good;
    bad[bit / 8] = static_cast<char>(bad[bit / 8] ^ (1 << bit % 8));
    const auto decoded = RangeTombstones::Decode(bad, "t");
    if (!decoded.ok()) continue;  // what a flip inside a key or a sequence changed, only the block's checksum can tell
    std::string previous_end;
    for (const auto& fragment : decoded->fragments()) {
      EXPECT_LE(previous_end, fragment.begin);
      EXPECT_LT(fragment.begin, fragment.end);
      EXPECT_FALSE(fragment.seqs.empty());
      previous_end = fragment.end;
    }
  }
}

std::string RandomKey(std::mt19937_64& random) {
  std::string key(random() % 3, 'a');
  for (char& c : key) c = static_cast<char>('a' + random() % 4);
  return key;
}

// Against the definition: look at every tombstone.
TEST(RangeTombstones, RandomSetsEqualTheBruteForceModel) {
  for (uint64_t seed = 0; seed < 400; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937_64 random(seed);
    std::vector<RangeTombstone> given(random() % 12);
    for (auto& t : given) t = {RandomKey(random), RandomKey(random), 1 + random() % 15};
    const auto set = RangeTombstones::Fragmented(given);

    std::vector<RangeTombstone> plain;
    set.AppendTo(&plain);
    EXPECT_EQ(Show(RangeTombstones::Fragmented(plain)), Show(set)) << "fragmenting is idempotent";
    const auto decoded = RangeTombstones::Decode(set.Encode(), "t");
    ASSERT_TRUE(decoded.ok()) << decoded.status().ToString();
    EXPECT_EQ(Show(*decoded), Show(set));

    for (int i = 0; i < 100; ++i) {
      const std::string key = RandomKey(random);
      const SequenceNumber snapshot = random() % 17;
      SequenceNumber expected = 0;
      for (const auto& t : given) {
        if (t.begin <= key && key < t.end && t.seq <= snapshot) expected = std::max(expected, t.seq);
      }
      ASSERT_EQ(set.CoveringSequence(key, snapshot), expected) << key << " @ " << snapshot << " in " << Show(set);
      const size_t after = set.FragmentAfter(key);
      ASSERT_TRUE(after == set.fragments().size() || set.fragments()[after].end > key);
      ASSERT_TRUE(after == 0 || set.fragments()[after - 1].end <= key);
    }
  }
}

// With snapshots, a fragment keeps what somebody sees as the newest: every reader finds the same answer.
TEST(RangeTombstones, SnapshotsSayWhatIsKept) {
  std::mt19937_64 random(11);
  for (int round = 0; round < 200; ++round) {
    std::vector<RangeTombstone> given;
    for (SequenceNumber seq = 1; seq <= 40; ++seq) {
      const auto key = [&] { return std::string(1, static_cast<char>('a' + random() % 26)); };
      given.push_back({key(), key(), seq});
    }
    std::vector<SequenceNumber> snapshots;
    for (SequenceNumber seq = 1; seq <= 40; ++seq) {
      if (random() % 8 == 0) snapshots.push_back(seq);
    }
    const RangeTombstones all = RangeTombstones::Fragmented(given);
    const RangeTombstones pruned = RangeTombstones::Fragmented(given, &snapshots);
    for (char c = 'a'; c <= 'z'; ++c) {
      const std::string key(1, c);
      for (const SequenceNumber snapshot : snapshots) {
        ASSERT_EQ(pruned.CoveringSequence(key, snapshot), all.CoveringSequence(key, snapshot)) << key << snapshot;
      }
      ASSERT_EQ(pruned.CoveringSequence(key, kSequenceMax), all.CoveringSequence(key, kSequenceMax)) << key;
    }
    EXPECT_LE(pruned.pair_count(), 26 * (snapshots.size() + 1));
  }
}

// Tombstones that all overlap: as many pairs as there are fragments.
TEST(RangeTombstones, NestedOnesStayFew) {
  std::vector<RangeTombstone> nested;
  for (SequenceNumber i = 0; i < 1000; ++i) {
    nested.push_back({std::to_string(10000 + i), std::to_string(30000 - i), i + 1});
  }
  const std::vector<SequenceNumber> none;
  EXPECT_EQ(RangeTombstones::Fragmented(nested, &none).pair_count(), 1999u);
}

// One by one, read after each: the stack answers as the whole set does, and stays small.
TEST(RangeTombstoneStack, AnswersAsOneSet) {
  std::mt19937_64 random(12);
  for (const bool nested : {false, true}) {
    std::vector<RangeTombstone> given;
    RangeTombstoneStack stack;
    for (SequenceNumber seq = 1; seq <= 2000; ++seq) {
      uint64_t begin = random() % 1000, end = nested ? 2000 - begin : begin + 1 + random() % 5;
      given.push_back({std::to_string(10000 + begin), std::to_string(10000 + end), seq});
      stack = stack.With({given.back()});
      if (seq % 100 != 0) continue;
      const RangeTombstones all = RangeTombstones::Fragmented(given);
      for (int i = 0; i < 100; ++i) {
        const std::string key = std::to_string(10000 + random() % 2100);
        const SequenceNumber snapshot = random() % (seq + 10);
        ASSERT_EQ(stack.CoveringSequence(key, snapshot), all.CoveringSequence(key, snapshot));
      }
    }
    EXPECT_LT(stack.sets().size(), nested ? 60u : 14u);
    EXPECT_LT(stack.memory_bytes(), 2000u * 1200u);
  }
}

// However they come: many at once, or many alike over many apart.
TEST(RangeTombstoneStack, NoSetGrowsBeyondBounds) {
  std::vector<RangeTombstone> nested, apart;
  for (SequenceNumber i = 0; i < 2000; ++i) {
    nested.push_back({std::to_string(10000 + i), std::to_string(30000 - i), i + 1});
    apart.push_back({std::to_string(10000 + 2 * i), std::to_string(10001 + 2 * i), 2001 + i});
  }
  const auto pairs = [](const RangeTombstoneStack& stack) {
    size_t count = 0;
    for (const auto& set : stack.sets()) count += set->pair_count();
    return count;
  };
  EXPECT_LT(pairs(RangeTombstoneStack().With(nested)), 300'000u);
  RangeTombstoneStack stack = RangeTombstoneStack().With(apart);
  for (SequenceNumber seq = 4001; seq <= 6048; ++seq) stack = stack.With({{"0", "9", seq}});
  EXPECT_LT(pairs(stack), 100'000u);
  EXPECT_LT(stack.sets().size(), 20u);
  EXPECT_EQ(stack.CoveringSequence("10001", kSequenceMax), 6048u);
}

}  // namespace
}  // namespace varve::lsm
