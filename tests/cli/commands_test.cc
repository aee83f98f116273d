// tests/cli/commands_test.cc - the subcommands of `varve` against databases made here.
#include "cli/commands.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "lsm/db.h"

namespace varve::cli {
namespace {

class CommandsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (std::filesystem::temp_directory_path() / "varve_cli_XXXXXX").string();
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    root_ = pattern;
    dir_ = root_ + "/db";
    auto db = lsm::Db::Open(dir_, {});
    ASSERT_TRUE(db.ok()) << db.status().ToString();
    ASSERT_TRUE((*db)->Put({}, "apple", "red").ok());
    ASSERT_TRUE((*db)->Put({}, "banana", "yellow\n").ok());
    ASSERT_TRUE((*db)->Put({}, std::string("c\0d", 3), "\\").ok());
    ASSERT_TRUE((*db)->Flush().ok());
    ASSERT_TRUE((*db)->Close().ok());
  }
  void TearDown() override { std::filesystem::remove_all(root_); }

  Streams streams() { return {out_, err_}; }

  std::string root_, dir_;
  std::ostringstream out_, err_;
};

TEST(Escape, RoundTripsEveryByte) {
  std::string all;
  for (int byte = 0; byte < 256; ++byte) all += static_cast<char>(byte);
  auto back = Unescape(Escape(all));
  ASSERT_TRUE(back.ok());
  EXPECT_EQ(*back, all);
  EXPECT_EQ(Escape(std::string("a\0\\\xff", 4)), "a\\x00\\\\\\xff");
}

TEST(Escape, RefusesHalfAnEscape) {
  for (const char* text : {"\\", "a\\", "\\x", "\\x1", "\\xg0", "\\n"}) EXPECT_FALSE(Unescape(text).ok()) << text;
}

TEST_F(CommandsTest, CheckFindsASoundDatabaseSound) {
  EXPECT_EQ(Check(dir_, streams()), kExitOk) << err_.str();
  EXPECT_NE(out_.str().find("3 entries, 0 problems"), std::string::npos) << out_.str();
}

TEST_F(CommandsTest, CheckReportsADamagedBlock) {
  for (const auto& file : std::filesystem::directory_iterator(dir_)) {
    if (file.path().extension() != ".sst") continue;
    std::fstream table(file.path(), std::ios::in | std::ios::out | std::ios::binary);
    table.seekp(3);
    table.put('\x5a');
  }
  EXPECT_EQ(Check(dir_, streams()), kExitProblem);
  EXPECT_FALSE(err_.str().empty());
}

TEST_F(CommandsTest, GetPrintsTheValueOrFails) {
  EXPECT_EQ(Get(dir_, "apple", streams()), kExitOk);
  EXPECT_EQ(Get(dir_, "c\\x00d", streams()), kExitOk);
  EXPECT_EQ(out_.str(), "red\n\\\n");
  EXPECT_EQ(Get(dir_, "cherry", streams()), kExitProblem);
  EXPECT_EQ(Get(dir_, "\\q", streams()), kExitUsage);
}

TEST_F(CommandsTest, ScanHonoursBoundsAndLimit) {
  EXPECT_EQ(Scan(dir_, {}, streams()), kExitOk);
  EXPECT_EQ(out_.str(), "apple\tred\nbanana\tyellow\\x0a\nc\\x00d\t\\\\\n");
  out_.str("");
  EXPECT_EQ(Scan(dir_, {.from = "b", .to = "c", .limit = 0}, streams()), kExitOk);
  EXPECT_EQ(out_.str(), "banana\tyellow\\x0a\n");
  out_.str("");
  EXPECT_EQ(Scan(dir_, {.from = "", .to = "", .limit = 1}, streams()), kExitOk);
  EXPECT_EQ(out_.str(), "apple\tred\n");
}

TEST_F(CommandsTest, StatsNamesTheLastSequence) {
  EXPECT_EQ(Stats(dir_, streams()), kExitOk);
  EXPECT_NE(out_.str().find("last_sequence 3\n"), std::string::npos) << out_.str();
}

TEST_F(CommandsTest, CheckpointIsADatabaseOfItsOwn) {
  std::string target = root_ + "/copy";
  EXPECT_EQ(Checkpoint(dir_, target, streams()), kExitOk) << err_.str();
  EXPECT_EQ(Get(target, "apple", streams()), kExitOk) << err_.str();
  EXPECT_NE(Checkpoint(dir_, target, streams()), kExitOk) << "the target exists now";
}

TEST_F(CommandsTest, AMissingDirectoryIsAProblemNotACreation) {
  std::string missing = root_ + "/none";
  EXPECT_EQ(Check(missing, streams()), kExitProblem);
  EXPECT_EQ(Scan(missing, {}, streams()), kExitProblem);
  EXPECT_FALSE(std::filesystem::exists(missing));
}

}  // namespace
}  // namespace varve::cli
