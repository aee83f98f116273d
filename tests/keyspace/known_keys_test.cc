#include "keyspace/known_keys.h"

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <string>

namespace varve::keyspace {
namespace {

std::string Key(int i) {
  return "key:" + std::to_string(i);
}

TEST(KnownKeysTest, KnowsWhatWasAddedAndNotRemoved) {
  KnownKeys known(size_t{1} << 20);
  EXPECT_FALSE(known.Has("a"));
  known.Add("a");
  known.Add("a");
  known.Add("");
  EXPECT_TRUE(known.Has("a"));
  EXPECT_TRUE(known.Has(""));
  EXPECT_FALSE(known.Has("b"));
  known.Remove("a");
  EXPECT_FALSE(known.Has("a")) << "however often it was added";
  EXPECT_TRUE(known.Has(""));
  known.Clear();
  EXPECT_FALSE(known.Has(""));
}

// Whatever is forgotten: never one too many.
TEST(KnownKeysTest, NeverKnowsAKeyThatIsGone) {
  std::mt19937 random(1);
  KnownKeys known(4096);  // of 512 keys
  std::map<std::string, bool> there;
  int hits = 0;
  for (int i = 0; i < 200'000; i++) {
    const std::string key = Key(static_cast<int>(random() % 2000));
    if (random() % 1000 == 0) {
      known.Clear();
      there.clear();
    }
    const bool has = known.Has(key);
    hits += has ? 1 : 0;
    ASSERT_LE(has, there[key]) << key;
    there[key] = random() % 3 != 0;
    there[key] ? known.Add(key) : known.Remove(key);
    ASSERT_EQ(known.Has(key), there[key]) << key;
  }
  EXPECT_GT(hits, 10'000);
}

TEST(KnownKeysTest, AFullTableKeepsMostOfWhatFits) {
  KnownKeys known(size_t{64} * 1024);
  const int room = 64 * 1024 / 8;
  for (int i = 0; i < room; i++) known.Add(Key(i));
  int kept = 0;
  for (int i = 0; i < room; i++) kept += known.Has(Key(i)) ? 1 : 0;
  EXPECT_GT(kept, room * 8 / 10);
  int others = 0;
  for (int i = room; i < 2 * room; i++) others += known.Has(Key(i)) ? 1 : 0;
  EXPECT_EQ(others, 0);
}

TEST(KnownKeysTest, TheSmallestTableWorks) {
  KnownKeys known(0);
  for (int i = 0; i < 100; i++) {
    known.Add(Key(i));
    EXPECT_TRUE(known.Has(Key(i)));
  }
}

}  // namespace
}  // namespace varve::keyspace
