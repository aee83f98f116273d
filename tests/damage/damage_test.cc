// Damage: every bit of three small databases is flipped, one at a time; sectors are zeroed, filled and exchanged, files
// truncated at every byte, removed, put in each other's place, replaced by older ones. What is damaged is found, with
// the file's name, or it is harmless: never is a row wrong or missing in silence. The one loss that is allowed is what a
// power loss may take as well: the end of the log above its last surviving sync mark, in whole batches. Every fortieth
// damage is repaired, too: what is missing then was named.
//
// VARVE_DAMAGE_STEP: only one byte in so many (the sanitizers' builds take some).
#include <algorithm>
#include <array>
#include <cstdio>
#include <iterator>
#include <set>

#include "lsm/repair.h"
#include "lsm/table_writer.h"
#include "lsm/version/file_names.h"
#include "lsm/wal/log_reader.h"
#include "tests/lsm/db_test_util.h"

namespace varve::lsm {
namespace {

constexpr size_t kSector = 512;
constexpr uint64_t kGetEach = 8;      // of the damages: every key is asked for by itself
constexpr uint64_t kRepairEach = 40;  // of the damages

using Files = std::map<std::string, std::string>;  // bytes by name

Files Look(MemoryFileSystem* disk) {
  Files files;
  for (const std::string& path : FilesEnding(disk, kDir, "")) {
    const std::string name = path.substr(sizeof kDir);
    if (ParseFileName(name).kind != FileKind::kLock) files[name] = FileBytes(disk, path);
  }
  return files;
}

// A sound database, and what becomes of it when its log is cut.
struct Sample {
  std::string title;
  Options options;
  std::unique_ptr<MemoryFileSystem> disk;
  Files files;
  Files older;                                          // as they were at an earlier moment, where that differs
  std::string log;                                      // the segment with records; empty: there is none
  std::vector<size_t> ends;                             // of its identity and of each record
  std::vector<Rows> states;                             // after 0, 1, 2, ... of the records; the last is all there is
  std::map<std::string, std::set<std::string>> values;  // all that a key ever had

  const Rows& rows() const { return states.back(); }
};

// Writes a database step by step and keeps book.
class Builder {
 public:
  Builder(const std::string& title, const Options& options) {
    sample_.title = title;
    sample_.options = options;
    sample_.options.wal_sync = WalSync::kAlways;
    sample_.options.background_threads = 1;
    sample_.options.memory_budget = size_t{4} << 20;
    sample_.options.memtable_size = 64 * 1024;
    auto db = Db::Open(kDir, machine_.Setup(sample_.options));
    EXPECT_TRUE(db.ok()) << db.status().ToString();
    db_ = std::move(db).value();
    sample_.states.emplace_back();
  }

  void Write(const Changes& changes) {
    WriteBatch batch;
    AddTo(changes, &batch);
    ASSERT_TRUE(db_->Write({}, batch).ok());
    Rows rows = sample_.rows();
    Apply(changes, &rows);
    Note(std::move(rows));
  }
  void Ingest(const Rows& loaded) {
    auto writer = TableWriter::Create("/load", machine_.Setup(sample_.options));
    ASSERT_TRUE(writer.ok());
    Rows rows = sample_.rows();
    for (const auto& [key, value] : loaded) {
      ASSERT_TRUE((*writer)->Put(key, value).ok());
      rows[key] = value;
    }
    ASSERT_TRUE((*writer)->Finish().ok());
    ASSERT_TRUE(db_->Ingest(std::array{std::string("/load")}, {}).ok());
    Note(std::move(rows));
    Flush();
  }
  void Flush() {
    ASSERT_TRUE(db_->Flush().ok());
    sample_.states.erase(sample_.states.begin(), sample_.states.end() - 1);
  }
  void Compact() {
    ASSERT_TRUE(db_->CompactRange({}, {}).ok());
    sample_.states.erase(sample_.states.begin(), sample_.states.end() - 1);
  }
  void Remember() { earlier_ = Look(machine_.disk.get()); }

  Sample Close() {
    EXPECT_TRUE(db_->Close().ok());
    return Die();
  }
  // Without having closed it.
  Sample Die() {
    sample_.disk = machine_.disk->CrashClone(CrashPlan::DropUnsynced());
    db_.reset();
    sample_.files = Look(sample_.disk.get());
    for (const auto& [name, bytes] : earlier_) {
      if (!sample_.files.contains(name) || sample_.files[name] != bytes) sample_.older[name] = bytes;
    }
    for (const auto& [name, bytes] : sample_.files) FindRecords(name);
    EXPECT_EQ(sample_.ends.size(), sample_.states.size() > 1 ? sample_.states.size() : 0);
    return std::move(sample_);
  }

 private:
  void Note(Rows rows) {
    for (const auto& [key, value] : rows) sample_.values[key].insert(value);
    sample_.states.push_back(std::move(rows));
  }
  void FindRecords(const std::string& name) {
    const ParsedName parsed = ParseFileName(name);
    if (parsed.kind != FileKind::kWal || sample_.states.size() == 1) return;
    LogReader reader;
    ASSERT_TRUE(reader.Open(sample_.disk.get(), kDir + ("/" + name), parsed.number).ok());
    std::vector<size_t> ends{reader.offset()};
    std::string_view payload;
    while (reader.Next(&payload)) ends.push_back(reader.offset());
    if (ends.size() == 1) return;  // of a memtable that is in a table by now, or not begun
    sample_.log = name;
    sample_.ends = std::move(ends);
  }

  Machine machine_{1};
  std::unique_ptr<Db> db_;
  Files earlier_;
  Sample sample_;
};

// Damages copies of a sample and looks what is made of them.
class Damager {
 public:
  explicit Damager(Sample sample) : sample_(std::move(sample)) {}
  ~Damager() {
    std::printf(
        "%-8s %llu damages: %llu found at open, %llu by reads, %llu by Verify alone, %llu cut from the log, "
        "%llu harmless; %llu repaired\n",
        sample_.title.c_str(), Shown(count_), Shown(at_open_), Shown(by_reads_), Shown(by_verify_), Shown(cut_),
        Shown(harmless_), Shown(repaired_));
  }
  const Sample& sample() const { return sample_; }
  uint64_t count() const { return count_; }

  // These files hold something else, those are gone.
  void Try(const std::string& what, const Files& changed, const std::set<std::string>& removed = {}) {
    if (::testing::Test::HasFailure()) return;  // one story is enough
    bool same = removed.empty();
    for (const auto& [name, bytes] : changed) {
      const auto sound = sample_.files.find(name);
      same = same && sound != sample_.files.end() && sound->second == bytes;
    }
    if (same) return;
    SCOPED_TRACE(sample_.title + ": " + what);
    ++count_;
    Examine(changed, removed);
    if (count_ % kRepairEach == 0) ExamineRepaired(changed, removed);
  }

 private:
  static unsigned long long Shown(uint64_t n) { return n; }

  std::unique_ptr<Machine> Damaged(const Files& changed, const std::set<std::string>& removed) {
    auto machine = std::make_unique<Machine>(1, sample_.disk->CrashClone(CrashPlan::KeepAll()));
    for (const auto& [name, bytes] : changed) {
      auto file = machine->disk->Create(kDir + ("/" + name));
      EXPECT_TRUE(file.ok() && (*file)->WriteAt(0, bytes).ok());
    }
    for (const std::string& name : removed) EXPECT_TRUE(machine->disk->Remove(kDir + ("/" + name)).ok());
    return machine;
  }

  void Examine(const Files& changed, const std::set<std::string>& removed) {
    std::unique_ptr<Machine> machine = Damaged(changed, removed);
    static constexpr OpenMode kModes[] = {OpenMode::kOwner, OpenMode::kOwner, OpenMode::kReadOnly, OpenMode::kFollow};
    Options options = machine->Setup(sample_.options);
    options.mode = kModes[count_ % std::size(kModes)];
    auto db = Db::Open(kDir, options);
    if (!db.ok()) {
      ++at_open_;
      ExpectNamed(db.status(), changed, removed);
      return;
    }
    Result<Rows> rows = ReadAll(db->get());
    if (!rows.ok()) {
      ++by_reads_;
      ExpectNamed(rows.status(), changed, removed);
    } else if (*rows != sample_.rows()) {
      ++cut_;
      const Rows* state = CutTo(changed);
      ASSERT_NE(state, nullptr) << "lost or changed in silence: " << Difference(*rows, sample_.rows());
      ASSERT_EQ(Difference(*rows, *state), "");
      if (options.mode == OpenMode::kOwner && LooksTorn(changed)) {
        EXPECT_GT((*db)->Stats().wal_tail_cut_bytes, 0u);
      }
    } else if (const std::string problems = Problems(db->get()); !problems.empty()) {
      ++by_verify_;
      ExpectNamed(Status::Corruption(problems), changed, removed);
    } else {
      ++harmless_;
      for (const auto& [name, bytes] : changed) {
        const FileKind kind = ParseFileName(name).kind;
        EXPECT_TRUE(kind != FileKind::kTable && kind != FileKind::kValueLog) << "Verify did not notice";
      }
    }
    if (!rows.ok() || count_ % kGetEach == 0) ExpectRightAnswers(db->get(), rows.ok() ? &*rows : nullptr);
    db->reset();
    EXPECT_EQ(machine->disk->OpenHandleCount(), 0u);
  }

  // Keys that can be read are as they were.
  void ExpectRightAnswers(Db* db, const Rows* rows) {
    if (rows == nullptr) rows = &sample_.rows();
    PinnedValue value;
    for (const auto& [key, values] : sample_.values) {
      const Result<bool> found = db->Get({}, key, &value);
      if (!found.ok()) continue;
      const auto want = rows->find(key);
      ASSERT_EQ(*found, want != rows->end()) << Printable(key);
      if (*found) {
        ASSERT_EQ(value.ToString(), want->second) << Printable(key);
      }
    }
  }

  static void ExpectNamed(const Status& status, const Files& changed, const std::set<std::string>& removed) {
    EXPECT_TRUE(status.Is(StatusCode::kCorruption) || status.Is(StatusCode::kUnsupported) ||
                (!removed.empty() && status.Is(StatusCode::kNotFound)))
        << status.ToString();
    const std::string_view message = status.message();
    bool named = false;
    for (const auto& [name, bytes] : changed) {
      named = named || message.find(name) != std::string_view::npos;
      named = named || (name == "CURRENT" && message.find("MANIFEST-") != std::string_view::npos);
    }
    for (const std::string& name : removed) named = named || message.find(name) != std::string_view::npos;
    EXPECT_TRUE(named) << status.ToString();
  }

  // Whether this record of the log (0: the identity) is as it was.
  bool Intact(const std::string& log, size_t record) const {
    const size_t begin = record == 0 ? 0 : sample_.ends[record - 1], size = sample_.ends[record] - begin;
    return log.size() >= begin + size && log.compare(begin, size, sample_.files.at(sample_.log), begin, size) == 0;
  }
  size_t FirstDamaged(const std::string& log) const {
    size_t first = 0;
    while (first < sample_.ends.size() && Intact(log, first)) ++first;
    return first;
  }

  // What is left when the log ends with its last record before the damage: null when a record behind it proves by its
  // mark that it was durable once.
  const Rows* CutTo(const Files& changed) const {
    const auto damaged = changed.find(sample_.log);
    if (changed.size() != 1 || damaged == changed.end()) return nullptr;
    const size_t first = FirstDamaged(damaged->second);
    for (size_t later = first + 1; later < sample_.ends.size(); ++later) {
      if (Intact(damaged->second, later)) return nullptr;
    }
    return &sample_.states[std::max<size_t>(first, 1) - 1];
  }
  // Whether the tag of the first damaged record is there; else it could be of another life of the file.
  bool LooksTorn(const Files& changed) const {
    const std::string& log = changed.at(sample_.log);
    const size_t first = FirstDamaged(log), tag = first == 0 ? SIZE_MAX : sample_.ends[first - 1] + 8;
    return first != 0 && log.size() >= tag + 4 && log.compare(tag, 4, sample_.files.at(sample_.log), tag, 4) == 0;
  }

  // Repair makes an openable, sound database of it. What is missing or older than it was has been named; from the log,
  // whose records name no keys before they are read, only whole states may be missing when nothing was named.
  void ExamineRepaired(const Files& changed, const std::set<std::string>& removed) {
    ++repaired_;
    std::unique_ptr<Machine> machine = Damaged(changed, removed);
    const Options options = machine->Setup(sample_.options);
    auto report = Repair(kDir, options);
    if (report.status().Is(StatusCode::kUnsupported)) {  // what a newer version may have written is not thrown away
      ExpectNamed(report.status(), changed, removed);
      return;
    }
    ASSERT_TRUE(report.ok()) << report.status().ToString();
    auto db = Db::Open(kDir, options);
    ASSERT_TRUE(db.ok()) << "repaired: " << db.status().ToString();
    EXPECT_EQ(Problems(db->get()), "") << "repaired";
    Result<Rows> rows = ReadAll(db->get());
    ASSERT_TRUE(rows.ok()) << "repaired: " << rows.status().ToString();
    if (report->losses.empty()) {
      const Rows* cut = CutTo(changed);
      EXPECT_TRUE(*rows == sample_.rows() || (cut != nullptr && *rows == *cut))
          << "repaired, nothing named: " << Difference(*rows, sample_.rows());
      return;
    }
    const auto named = [&](const std::string& key) {
      return std::any_of(report->losses.begin(), report->losses.end(), [&](const RepairLoss& loss) {
        return (loss.smallest.empty() && loss.largest.empty()) || (loss.smallest <= key && key <= loss.largest);
      });
    };
    for (const auto& [key, values] : sample_.values) {
      const auto want = sample_.rows().find(key);
      const auto got = std::as_const(*rows).find(key);
      const bool same =
          want == sample_.rows().end() ? got == rows->end() : got != rows->end() && got->second == want->second;
      EXPECT_TRUE(same || named(key)) << "repaired: " << Printable(key);
    }
    for (const auto& [key, value] : *rows) EXPECT_TRUE(sample_.values.contains(key)) << Printable(key);
  }

  const Sample sample_;
  uint64_t count_ = 0, at_open_ = 0, by_reads_ = 0, by_verify_ = 0, cut_ = 0, harmless_ = 0, repaired_ = 0;
};

Changes Put(const std::string& key, const std::string& value) {
  return {{ValueKind::kPut, key, value}};
}

// Only a log, of synced batches.
void FillLog(Builder* builder) {
  Dice dice(1);
  for (int i = 0; i < 8; ++i) {
    if (i == 5) builder->Remember();
    builder->Write(RandomChanges(&dice, 3, 40, 20));
  }
}

Sample Log() {
  Builder builder("log", {});
  FillLog(&builder);
  return builder.Close();
}

// The same, but nobody has left word of where the log ends.
Sample Died() {
  Builder builder("died", {});
  FillLog(&builder);
  return builder.Die();
}

// Two levels of tables, range tombstones, values in a value log, and a log on top.
Sample Tables() {
  Options options;
  options.block_size = 1024;
  options.value_log_threshold = 200;
  Builder builder("tables", options);
  Dice dice(2);
  for (int i = 0; i < 30; ++i) builder.Write(Put("key" + std::to_string(100 + i), RandomValue(&dice, 10)));
  for (int i = 0; i < 3; ++i) builder.Write(Put("large" + std::to_string(i), Noise(&dice, 250)));
  builder.Compact();
  builder.Remember();
  for (int i = 10; i < 14; ++i) builder.Write(Put("key" + std::to_string(100 + i), "newer"));
  builder.Write(Put("large1", Noise(&dice, 230)));
  builder.Write({{ValueKind::kRangeDelete, "key120", "key125"}});
  builder.Flush();
  builder.Write(Put("key111", "newest"));
  builder.Write({{ValueKind::kDelete, "key103", {}}, {ValueKind::kMerge, "key104", "+"}});
  return builder.Close();
}

// Several tables of level 0, one of them ingested, merges across them, a manifest of many edits; nothing in the log.
Sample Merges() {
  Options options;
  options.block_size = 1024;
  Builder builder("merges", options);
  Dice dice(3);
  for (int table = 0; table < 3; ++table) {
    for (int i = 0; i < 6; ++i) {
      builder.Write({{ValueKind::kMerge, "key" + std::to_string(i), std::to_string(table) + ","},
                     {ValueKind::kPut, "only" + std::to_string(table) + std::to_string(i), RandomValue(&dice, 15)}});
    }
    builder.Flush();
    if (table == 1) builder.Remember();
  }
  builder.Ingest({{"key2", "ingested"}, {"only00", "ingested"}, {"new", "ingested"}});
  return builder.Close();
}

class DamageTest : public ::testing::TestWithParam<Sample (*)()> {
 protected:
  DamageTest() : damager_(GetParam()()) {}

  // Without the zeros, or stale bytes, behind what was written; a few of them are taken along.
  static size_t Written(const std::string& name, const std::string& bytes) {
    const FileKind kind = ParseFileName(name).kind;
    if (kind != FileKind::kWal && kind != FileKind::kManifest) return bytes.size();
    return std::min(bytes.size(), bytes.find_last_not_of('\0') + 1 + 16);
  }

  const Files& files() const { return damager_.sample().files; }
  const uint64_t step_ = FromEnvironment("VARVE_DAMAGE_STEP", 1);
  Damager damager_;
};

constexpr const char* kSampleNames[] = {"Log", "Died", "Tables", "Merges"};

INSTANTIATE_TEST_SUITE_P(Samples, DamageTest, ::testing::Values(Log, Died, Tables, Merges),
                         [](const auto& parameter) { return kSampleNames[parameter.index]; });

TEST_P(DamageTest, EveryBit) {
  uint64_t bits = 0;
  for (const auto& [name, bytes] : files()) {
    for (size_t at = 0; at < Written(name, bytes); at += step_) {
      for (int bit = 0; bit < 8; ++bit, ++bits) {
        std::string flipped = bytes;
        flipped[at] = static_cast<char>(flipped[at] ^ (1 << bit));
        damager_.Try(name + ", byte " + std::to_string(at) + ", bit " + std::to_string(bit), {{name, flipped}});
      }
    }
  }
  EXPECT_EQ(damager_.count(), bits);
  EXPECT_GT(bits * step_, 4000u);
}

TEST_P(DamageTest, EveryTruncation) {
  for (const auto& [name, bytes] : files()) {
    for (size_t size = 0; size < Written(name, bytes); size += step_) {
      damager_.Try(name + ", cut to " + std::to_string(size), {{name, bytes.substr(0, size)}});
    }
  }
  EXPECT_GT(damager_.count() * step_, 500u);
}

TEST_P(DamageTest, Sectors) {
  Dice dice(4);
  for (const auto& [name, bytes] : files()) {
    const size_t written = Written(name, bytes);
    for (size_t at = 0; at < written; at += kSector) {
      const size_t size = std::min(kSector, bytes.size() - at);
      const std::string where = name + ", sector at " + std::to_string(at) + " ";
      const auto with = [at, size, &whole = bytes](const std::string& sector) {
        return std::string(whole).replace(at, size, sector);
      };
      damager_.Try(where + "zeroed", {{name, with(std::string(size, '\0'))}});
      damager_.Try(where + "filled", {{name, with(std::string(size, '\xff'))}});
      damager_.Try(where + "noise", {{name, with(Noise(&dice, size))}});
      for (size_t other = at + kSector; other + kSector <= bytes.size() && other < written; other += kSector) {
        // Both copies of the log's salt at once: where no other file knows better, it looks as if it had not been begun.
        if (damager_.sample().title == "died" && name == damager_.sample().log && at == 0 && other == kSector) continue;
        std::string swapped = bytes;
        std::swap_ranges(swapped.begin() + static_cast<ptrdiff_t>(at),
                         swapped.begin() + static_cast<ptrdiff_t>(at + kSector),
                         swapped.begin() + static_cast<ptrdiff_t>(other));
        damager_.Try(where + "swapped with that at " + std::to_string(other), {{name, swapped}});
      }
    }
  }
  EXPECT_GT(damager_.count(), 8u);
}

TEST_P(DamageTest, FilesInEachOthersPlaceOrOldOrGone) {
  for (const auto& [name, bytes] : files()) {
    const FileKind kind = ParseFileName(name).kind;
    for (const auto& [other, others] : files()) {
      if (name == other || ParseFileName(other).kind != kind) continue;
      damager_.Try(name + " holds " + other, {{name, others}});
      if (name < other) damager_.Try(name + " and " + other + " exchanged", {{name, others}, {other, bytes}});
    }
    for (const auto& [other, olds] : damager_.sample().older) {
      if (ParseFileName(other).kind == kind) damager_.Try(name + " holds an older " + other, {{name, olds}});
    }
    if (kind != FileKind::kWal) damager_.Try(name + " is gone", {}, {name});
  }
  EXPECT_GT(damager_.count(), 2u);
}

}  // namespace
}  // namespace varve::lsm
