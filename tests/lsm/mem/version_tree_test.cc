// tests/lsm/mem/version_tree_test.cc

#include "lsm/mem/version_tree.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <iterator>
#include <new>
#include <random>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace varve::lsm {
namespace {

using Version = std::pair<std::string, uint64_t>;
struct Order {
  bool operator()(const Version& a, const Version& b) const {
    return CompareVersions(a.first, a.second, b.first, b.second) < 0;
  }
};

struct Tree {
  Arena arena;
  VersionTree tree{&arena};

  void Insert(const Version& version) {
    const auto& [key, trailer] = version;
    char* const memory = arena.Allocate(sizeof(MemEntry) + key.size());
    auto* const entry = new (memory) MemEntry{trailer, static_cast<uint32_t>(key.size()), 0};
    if (!key.empty()) std::memcpy(memory + sizeof(MemEntry), key.data(), key.size());
    tree.Insert(entry);
  }
};

Version At(const VersionTree::Cursor& cursor) {
  return {std::string(cursor.entry()->key()), cursor.entry()->trailer};
}

unsigned Seed() {
  const char* const given = std::getenv("VARVE_SEED");
  return given != nullptr ? static_cast<unsigned>(std::atoi(given)) : 20240607;
}

// The tree against a std::set: a walk each way, and seeks to what is there, beside it, and to foreign keys.
void ExpectSame(const VersionTree& tree, const std::set<Version, Order>& model, const std::vector<Version>& probes) {
  VersionTree::Cursor cursor(&tree);
  cursor.SeekToFirst();
  for (const Version& version : model) {
    ASSERT_NE(cursor.entry(), nullptr);
    ASSERT_EQ(At(cursor), version);
    cursor.Next();
  }
  ASSERT_EQ(cursor.entry(), nullptr);
  cursor.SeekToLast();
  for (auto it = model.rbegin(); it != model.rend(); ++it) {
    ASSERT_NE(cursor.entry(), nullptr);
    ASSERT_EQ(At(cursor), *it);
    cursor.Prev();
  }
  ASSERT_EQ(cursor.entry(), nullptr);
  for (const Version& probe : probes) {
    const auto at = model.lower_bound(probe);
    cursor.Seek(probe.first, probe.second);
    ASSERT_EQ(cursor.entry() != nullptr, at != model.end());
    if (at != model.end()) {
      ASSERT_EQ(At(cursor), *at);
    }
    cursor.SeekBefore(probe.first, probe.second);
    ASSERT_EQ(cursor.entry() != nullptr, at != model.begin());
    if (at != model.begin()) {
      ASSERT_EQ(At(cursor), *std::prev(at));
    }
  }
}

TEST(VersionTree, EmptyAndOne) {
  Tree t;
  ExpectSame(t.tree, {}, {{"", 0}, {"a", 1}});
  t.Insert({"", 256});
  ExpectSame(t.tree, {{"", 256}}, {{"", 0}, {"", 256}, {"", 512}, {"a", 1}});
}

// Families of keys that begin alike, come one after the other or mixed, rise, fall or jump: pages gain and lose what they
// skip, at every height.
TEST(VersionTree, AgreesWithASetWhateverTheKeysShare) {
  const std::vector<std::string> families = {"",
                                             "user:00000000",
                                             "user:0000000",
                                             std::string("user:\0\0\0\0\0\0\0\0\0\0", 15),
                                             std::string(40, 'z'),
                                             std::string(12, '\xff'),
                                             "m" + std::string(2, '\0') + "key:0000000000000000000000000"};
  const std::vector<std::function<unsigned(std::mt19937&, unsigned)>> ways = {
      [](std::mt19937&, unsigned i) { return i; }, [](std::mt19937&, unsigned i) { return 1'000'000 - i; },
      [](std::mt19937& random, unsigned) { return static_cast<unsigned>(random() % 3000); },
      [](std::mt19937& random, unsigned i) { return i % 7 == 0 ? static_cast<unsigned>(random()) : i; }};
  std::mt19937 random(Seed());
  SCOPED_TRACE("VARVE_SEED=" + std::to_string(Seed()));
  for (size_t round = 0; round < 24; ++round) {
    Tree t;
    std::set<Version, Order> model;
    std::vector<Version> probes;
    const unsigned run = round % 3 == 0 ? 1 : round % 3 == 1 ? 100 : 3000;  // versions before the family changes
    const size_t count = round < 4 ? 20'000 : 3000;
    const auto& way = ways[round % ways.size()];
    size_t family = random() % families.size();
    for (unsigned i = 0; i < count; ++i) {
      if (i % run == 0) family = random() % families.size();
      std::string key = families[family] + std::to_string(way(random, i));
      if (random() % 20 == 0) key.resize(random() % (key.size() + 1));
      const Version version{key, PackTrailer(i + 1, ValueKind::kPut)};
      t.Insert(version);
      model.insert(version);
      if (random() % 8 == 0) {
        key.resize(random() % (key.size() + 1));
        key.append(random() % 12, static_cast<char>(random() % 3 * 127));
        probes.push_back({key, PackTrailer(random() % count, ValueKind::kPut)});
        probes.push_back(version);
      }
    }
    ASSERT_NO_FATAL_FAILURE(ExpectSame(t.tree, model, probes)) << "round " << round;
  }
}

// A cursor that stands still while pages split and shift goes on from its entry, both ways.
TEST(VersionTree, CursorsGoOnWhateverWasAddedAroundThem) {
  std::mt19937 random(Seed());
  Tree t;
  std::set<Version, Order> model;
  const auto add = [&] {
    const Version version{"key:00000000" + std::to_string(random() % 100'000),
                          PackTrailer(model.size() + 1, ValueKind::kPut)};
    t.Insert(version);
    model.insert(version);
  };
  add();
  std::vector<VersionTree::Cursor> cursors;
  for (int i = 0; i < 3000; ++i) {
    cursors.emplace_back(&t.tree);
    cursors.back().SeekToFirst();
    for (VersionTree::Cursor& cursor : cursors) {
      const auto at = model.find(At(cursor));
      const bool next = random() % 2 == 0;
      if (next ? std::next(at) == model.end() : at == model.begin()) continue;
      next ? cursor.Next() : cursor.Prev();
      ASSERT_EQ(At(cursor), *(next ? std::next(at) : std::prev(at)));
    }
    if (cursors.size() > 20) cursors.erase(cursors.begin());
    for (unsigned n = random() % 10; n > 0; --n) add();
  }
}

// One writer; readers find whatever was published before they looked, in order, each way.
TEST(VersionTree, ReadersRunBesideTheWriter) {
  constexpr int kCount = 20'000;
  std::vector<std::string> keys;
  for (int i = 0; i < kCount; ++i) {
    char key[40];
    std::snprintf(key, sizeof key, "%s%012d", i % 9 == 0 ? "" : i % 2 == 0 ? "session:" : "sessions:active:", i);
    keys.emplace_back(key);
  }
  std::shuffle(keys.begin(), keys.end(), std::mt19937(Seed()));
  Tree t;
  std::atomic<int> published{0};
  std::vector<std::thread> readers;
  for (unsigned reader = 0; reader < 3; ++reader) {
    readers.emplace_back([&, reader] {
      std::mt19937 random(reader);
      for (int seen = 0; seen < kCount;) {
        seen = published.load(std::memory_order_acquire);
        if (seen == 0) continue;
        const auto index = static_cast<size_t>(random() % static_cast<unsigned>(seen));
        VersionTree::Cursor cursor(&t.tree);
        cursor.Seek(keys[index], MaxTrailer(kSequenceMax));
        ASSERT_NE(cursor.entry(), nullptr);
        ASSERT_EQ(cursor.entry()->key(), keys[index]);
        std::string last = keys[index];
        for (int steps = 0; steps < 100; ++steps) {
          reader == 0 ? cursor.Prev() : cursor.Next();
          if (cursor.entry() == nullptr) break;
          const std::string key(cursor.entry()->key());
          ASSERT_TRUE(reader == 0 ? key < last : key > last) << last << " then " << key;
          last = key;
        }
      }
    });
  }
  for (int i = 0; i < kCount; ++i) {
    t.Insert({keys[static_cast<size_t>(i)], PackTrailer(static_cast<SequenceNumber>(i) + 1, ValueKind::kPut)});
    published.store(i + 1, std::memory_order_release);
  }
  for (std::thread& reader : readers) reader.join();
}

}  // namespace
}  // namespace varve::lsm
