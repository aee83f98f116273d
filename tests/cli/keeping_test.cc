// tests/cli/keeping_test.cc - backup, restore and repair as a shell user sees them.
#include "cli/keeping.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <sstream>
#include <vector>

#include "lsm/db.h"

namespace varve::cli {
namespace {

class KeepingTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (std::filesystem::temp_directory_path() / "varve_cli_XXXXXX").string();
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    root_ = pattern;
    dir_ = root_ + "/db";
    backups_ = root_ + "/backups";
    Put("apple", "red");
  }
  void TearDown() override { std::filesystem::remove_all(root_); }

  void Put(const std::string& key, const std::string& value) {
    auto db = lsm::Db::Open(dir_, {});
    ASSERT_TRUE(db.ok()) << db.status().ToString();
    ASSERT_TRUE((*db)->Put({}, key, value).ok());
    ASSERT_TRUE((*db)->Flush().ok());
  }
  Streams streams() { return {out_, err_}; }
  std::string Taken() {
    std::string text = out_.str();
    out_.str("");
    return text;
  }
  std::string Complaints() {
    std::string text = err_.str();
    err_.str("");
    return text;
  }
  // A byte of every table in `dir` becomes another one; whoever shares the file by a link sees it too.
  void Damage(const std::string& dir) {
    for (const auto& file : std::filesystem::directory_iterator(dir)) {
      if (file.path().extension() != ".sst") continue;
      std::fstream table(file.path(), std::ios::in | std::ios::out | std::ios::binary);
      table.seekp(3);
      table.put('\x5a');
    }
  }

  std::string root_, dir_, backups_;
  std::ostringstream out_, err_;
};

TEST_F(KeepingTest, BackupsAreListedAndRestored) {
  ASSERT_EQ(MakeBackup(dir_, backups_, streams()), kExitOk) << err_.str();
  EXPECT_EQ(Taken(), backups_ + ": backup 1 of " + dir_ + "\n");
  Put("banana", "yellow");
  ASSERT_EQ(MakeBackup(dir_, backups_, streams()), kExitOk) << err_.str();
  Taken();
  EXPECT_EQ(ListBackups(backups_, /*check=*/true, /*json=*/false, streams()), kExitOk);
  const std::string list = Taken();
  EXPECT_NE(list.find("backup 1  "), std::string::npos) << list;
  EXPECT_NE(list.find(" UTC  sequence 2  2 files  "), std::string::npos) << list;
  EXPECT_EQ(ListBackups(backups_, false, true, streams()), kExitOk);
  const std::string json = Taken();
  EXPECT_EQ(json.substr(0, 8), "{\"id\":1,");
  EXPECT_NE(json.find("\"sequence\":2,\"files\":2,"), std::string::npos) << json;
  EXPECT_NE(json.find(",\"problems\":[]}\n"), std::string::npos) << json;

  const std::string newest = root_ + "/newest", first = root_ + "/first";
  EXPECT_EQ(RestoreBackup(backups_, 0, newest, streams()), kExitOk) << err_.str();
  EXPECT_EQ(RestoreBackup(backups_, 1, first, streams()), kExitOk) << err_.str();
  EXPECT_EQ(Taken(), newest + ": restored from backup 2\n" + first + ": restored from backup 1\n");
  EXPECT_EQ(Get(newest, "banana", streams()), kExitOk);
  EXPECT_EQ(Get(first, "apple", streams()), kExitOk);
  EXPECT_EQ(Get(first, "banana", streams()), kExitProblem);
  EXPECT_EQ(Taken(), "yellow\nred\n");
}

TEST_F(KeepingTest, WhatCannotBeIsSaidWithAdvice) {
  ASSERT_EQ(MakeBackup(dir_, backups_, streams()), kExitOk) << err_.str();
  EXPECT_EQ(RestoreBackup(backups_, 1, dir_, streams()), kExitUsage);
  EXPECT_NE(Complaints().find("exists already; want a new directory"), std::string::npos);
  EXPECT_EQ(RestoreBackup(backups_, 77, root_ + "/none", streams()), kExitCannotOpen);
  const std::string missing = Complaints();
  EXPECT_NE(missing.find("no backup 77\nvarve: `varve backups BACKUPS` lists"), std::string::npos) << missing;
  EXPECT_EQ(RestoreBackup(root_ + "/nowhere", 0, root_ + "/none", streams()), kExitCannotOpen);
  EXPECT_EQ(ListBackups(root_ + "/nowhere", false, false, streams()), kExitCannotOpen);
  EXPECT_EQ(MakeBackup(root_ + "/nowhere", backups_, streams()), kExitCannotOpen);
  EXPECT_EQ(RepairDatabase(root_ + "/nowhere", streams()), kExitCannotOpen);
  Complaints();
  std::ofstream(root_ + "/notes.txt") << "mine\n";
  EXPECT_EQ(MakeBackup(dir_, root_, streams()), kExitUsage) << "a directory that holds something else";
  EXPECT_NE(Complaints().find("is no directory of backups"), std::string::npos);
  auto db = lsm::Db::Open(dir_, {});
  ASSERT_TRUE(db.ok());
  EXPECT_EQ(MakeBackup(dir_, backups_, streams()), kExitCannotOpen);
  EXPECT_EQ(RepairDatabase(dir_, streams()), kExitCannotOpen);
  EXPECT_NE(Complaints().find("stop the server first"), std::string::npos);
}

TEST_F(KeepingTest, ADamagedBackupIsFound) {
  ASSERT_EQ(MakeBackup(dir_, backups_, streams()), kExitOk) << err_.str();
  std::filesystem::copy(backups_, root_ + "/copy", std::filesystem::copy_options::recursive);
  Damage(root_ + "/copy/files");
  Taken();
  EXPECT_EQ(ListBackups(root_ + "/copy", false, false, streams()), kExitOk) << "not looked into";
  Taken();
  EXPECT_EQ(RestoreBackup(root_ + "/copy", 0, root_ + "/target", streams()), kExitProblem);
  EXPECT_NE(Complaints().find("`varve backups BACKUPS --check`"), std::string::npos);
  EXPECT_EQ(ListBackups(root_ + "/copy", true, false, streams()), kExitProblem);
  EXPECT_NE(Taken().find(" new  damaged\n"), std::string::npos);
  EXPECT_NE(Complaints().find("its bytes are not those that were backed up"), std::string::npos);
  ASSERT_EQ(MakeBackup(dir_, root_ + "/copy", streams()), kExitOk) << err_.str();
  EXPECT_EQ(ListBackups(root_ + "/copy", true, false, streams()), kExitOk) << Complaints();
}

TEST_F(KeepingTest, RepairMakesADatabaseThatCanBeOpened) {
  std::filesystem::remove(dir_ + "/CURRENT");
  std::istringstream none;
  const std::vector<std::function<int()>> commands = {
      [&] { return Check(dir_, false, streams()); },        [&] { return Stats(dir_, false, streams()); },
      [&] { return Get(dir_, "apple", streams()); },        [&] { return Dump(dir_, {}, streams()); },
      [&] { return Compact(dir_, {}, {}, streams()); },     [&] { return Import(dir_, none, {}, streams()); },
      [&] { return MakeBackup(dir_, backups_, streams()); }};
  for (const auto& command : commands) {
    EXPECT_EQ(command(), kExitProblem);
    const std::string complaint = Complaints();
    EXPECT_NE(complaint.find("/CURRENT: missing, but the directory holds tables"), std::string::npos) << complaint;
    EXPECT_NE(complaint.find("`varve repair DIR`"), std::string::npos) << complaint;
  }
  EXPECT_EQ(RepairDatabase(dir_, streams()), kExitOk) << err_.str();
  Taken();
  EXPECT_EQ(Get(dir_, "apple", streams()), kExitOk) << err_.str();
  EXPECT_EQ(Taken(), "red\n");
}

TEST_F(KeepingTest, CheckAdvisesOtherCommandsThanItself) {
  Damage(dir_);
  Complaints();
  EXPECT_EQ(Check(dir_, false, streams()), kExitProblem);
  const std::string advice = Complaints();
  EXPECT_NE(advice.find("`varve restore BACKUPS TARGET`"), std::string::npos) << advice;
  EXPECT_NE(advice.find("`varve repair DIR`"), std::string::npos) << advice;
  EXPECT_EQ(advice.find("`varve check"), std::string::npos) << "check does not advise itself: " << advice;
}

TEST_F(KeepingTest, RepairListsWhatIsLost) {
  EXPECT_EQ(RepairDatabase(dir_, streams()), kExitOk) << err_.str();
  EXPECT_NE(Taken().find(": 1 tables kept, 0 rewritten, 1 entries, 0 log records, last sequence 1, 0 losses\n"),
            std::string::npos);
  Damage(dir_);
  EXPECT_EQ(RepairDatabase(dir_, streams()), kExitProblem);
  EXPECT_NE(Taken().find("set aside: " + dir_ + "/lost/0000"), std::string::npos);
  const std::string lost = Complaints();
  EXPECT_EQ(lost.substr(0, 6), "lost: ") << lost;
  EXPECT_NE(lost.find("keys apple to apple, sequences 1 to 1\n"), std::string::npos) << lost;
  EXPECT_EQ(Check(dir_, false, streams()), kExitOk);
}

}  // namespace
}  // namespace varve::cli
