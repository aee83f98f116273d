// Random operations on a keyspace and on maps: reads, writes, times to live, swapped and flushed databases, watched
// keys, commits, restarts, and a clock that moves. Both must always say the same.
#include <array>
#include <cstdlib>
#include <map>
#include <random>

#include "tests/keyspace/fixture.h"

namespace varve::keyspace {
namespace {

constexpr int kDatabasesUsed = 3;

class KeyspaceModelTest : public KeyspaceTest {
 protected:
  struct Value {
    std::string text;
    int64_t expire_ms = 0;
  };
  // A key that a client watches.
  struct Watch {
    int db;
    std::string name;
    uint64_t version;
    bool changed = false;  // by a command, while it could be seen
    bool lapsed = false;   // its time had come: whether that is a change yet depends on who deletes it, and when
  };

  ~KeyspaceModelTest() override { EXPECT_GT(watches_checked_, 100u); }

  bool Live(int db, const std::string& name) const {
    const auto it = model_[static_cast<size_t>(db)].find(name);
    return it != model_[static_cast<size_t>(db)].end() && !Due(it->second);
  }
  // The model keeps what has expired, until it is written over or removed.
  bool Lapsed(int db, const std::string& name) const {
    const auto it = model_[static_cast<size_t>(db)].find(name);
    return it != model_[static_cast<size_t>(db)].end() && Due(it->second);
  }
  bool Due(const Value& value) const { return value.expire_ms != 0 && value.expire_ms <= clock_.now_ms; }
  std::map<std::string, Value>& Of(int db) { return model_[static_cast<size_t>(db)]; }

  // --- watched keys ---
  void StartWatching(int db, const std::string& name) {
    if (watches_.size() >= 8) return;
    watches_.push_back({.db = db, .name = name, .version = keys_->Watch(db, name)});
    NoteLapsed();
  }
  void NoteLapsed() {
    for (Watch& watch : watches_) watch.lapsed |= Lapsed(watch.db, watch.name);
  }
  template <typename Touches>
  void NoteChanged(const Touches& touches) {
    for (Watch& watch : watches_) watch.changed |= touches(watch);
  }
  void StopWatching() {
    for (const Watch& watch : watches_) {
      const bool changed = keys_->WatchedVersion(watch.db, watch.name) != watch.version;
      EXPECT_TRUE(changed || !watch.changed) << "a change of " << watch.name << " of " << watch.db << " went unnoticed";
      EXPECT_TRUE(!changed || watch.changed || watch.lapsed) << watch.name << " of " << watch.db << " did not change";
      keys_->Unwatch(watch.db, watch.name);
      watches_checked_++;
    }
    watches_.clear();
  }

  // --- steps ---
  void SetKey(int db, const std::string& name, int64_t expire_ms) {
    const std::string text = std::to_string(step_);
    Set(name, text, static_cast<uint64_t>(expire_ms), db);
    Of(db)[name] = {text, expire_ms};
    NoteChanged([&](const Watch& watch) { return watch.db == db && watch.name == name; });
  }
  void RemoveKey(int db, const std::string& name) {
    const auto removed = keys_->Remove(db, name);
    ASSERT_TRUE(removed.ok());
    EXPECT_EQ(*removed, Live(db, name));
    if (*removed) NoteChanged([&](const Watch& watch) { return watch.db == db && watch.name == name; });
    Of(db).erase(name);
  }
  void Swap(int a, int b) {
    if (a != b) {
      NoteChanged([&](const Watch& watch) {
        return (watch.db == a || watch.db == b) && (Live(a, watch.name) || Live(b, watch.name));
      });
    }
    ASSERT_TRUE(keys_->SwapDatabases(a, b).ok());
    if (a != b) std::swap(Of(a), Of(b));
  }
  void Flush(int db) {
    NoteChanged([&](const Watch& watch) { return watch.db == db && Live(db, watch.name); });
    ASSERT_TRUE(keys_->FlushDb(db).ok());
    Of(db).clear();
  }
  void CompareNames(int db) {
    std::vector<std::string> expected;
    for (const auto& [name, unused] : Of(db)) {
      if (Live(db, name)) expected.push_back(name);
    }
    EXPECT_EQ(Names("*", db), expected);
    EXPECT_GE(keys_->counters(db).keys, static_cast<int64_t>(expected.size()));
    EXPECT_LE(keys_->counters(db).keys, static_cast<int64_t>(Of(db).size()));
  }
  void ExpireAll() {
    Expire(SIZE_MAX);
    for (int db = 0; db < kDatabasesUsed; db++) {
      std::erase_if(Of(db), [&](const auto& entry) { return Due(entry.second); });
      EXPECT_EQ(keys_->counters(db).keys, static_cast<int64_t>(Of(db).size())) << db;
    }
  }
  void Restart() {
    StopWatching();
    Commit();
    Open();
  }
  void Step(std::mt19937_64& random) {
    const int db = static_cast<int>(random() % kDatabasesUsed);
    const std::string name = "k" + std::to_string(random() % 60);
    switch (random() % 15) {
      case 0:
      case 1:
      case 2:
        return SetKey(db, name, random() % 2 == 0 ? 0 : clock_.now_ms + static_cast<int64_t>(random() % 500) - 20);
      case 3: return RemoveKey(db, name);
      case 4: clock_.now_ms += static_cast<int64_t>(random() % 20); return;
      case 5:
        if (random() % 10 == 0) return ExpireAll();
        Expire(random() % 10);
        return;
      case 6: return Commit();
      case 7:
        if (random() % 50 == 0) Flush(db);
        if (random() % 100 == 0) Restart();
        return;
      case 8:
        if (random() % 10 == 0) CompareNames(db);
        return;
      case 9:
        if (random() % 10 == 0) Swap(db, static_cast<int>(random() % kDatabasesUsed));
        return;
      case 10: return StartWatching(db, name);
      case 11:
        if (random() % 8 == 0) StopWatching();
        return;
      default: EXPECT_EQ(Get(name, db), Live(db, name) ? Of(db)[name].text : "(none)"); return;
    }
  }

  std::array<std::map<std::string, Value>, kDatabasesUsed> model_;
  std::vector<Watch> watches_;
  size_t watches_checked_ = 0;
  int step_ = 0;
};

TEST_F(KeyspaceModelTest, AgreesWithAModel) {
  const char* chosen = std::getenv("VARVE_SEED");
  const uint64_t seed = chosen != nullptr ? std::strtoull(chosen, nullptr, 10) : 20261;
  SCOPED_TRACE("VARVE_SEED=" + std::to_string(seed));
  std::mt19937_64 random(seed);
  for (step_ = 0; step_ < 30'000 && !HasFailure(); step_++) {
    keys_->BeginCommand();
    NoteLapsed();
    Step(random);
  }
  StopWatching();
  CheckInvariants();
  EXPECT_EQ(keys_->expire_stats().stale_entries, 0u);
}

}  // namespace
}  // namespace varve::keyspace
