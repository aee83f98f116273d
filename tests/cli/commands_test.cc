// tests/cli/commands_test.cc - the subcommands of `varve` against databases made here.
#include "cli/commands.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "cli/json_row.h"
#include "cli/progress.h"
#include "cli/size.h"
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
  // What was printed since the last call.
  std::string Taken() {
    std::string text = out_.str();
    out_.str("");
    return text;
  }
  // The newest file whose name holds `part`.
  std::string FileOf(const std::string& part) const {
    std::string found;
    for (const auto& file : std::filesystem::directory_iterator(dir_)) {
      if (file.path().string().find(part, dir_.size()) != std::string::npos)
        found = std::max(found, file.path().string());
    }
    return found;
  }

  std::string root_, dir_;
  std::ostringstream out_, err_;
};

TEST_F(CommandsTest, CheckFindsASoundDatabaseSound) {
  EXPECT_EQ(Check(dir_, false, streams()), kExitOk) << err_.str();
  EXPECT_NE(out_.str().find("3 entries, 0 large values, 0 problems"), std::string::npos) << out_.str();
}

TEST_F(CommandsTest, CheckReportsADamagedBlock) {
  for (const auto& file : std::filesystem::directory_iterator(dir_)) {
    if (file.path().extension() != ".sst") continue;
    std::fstream table(file.path(), std::ios::in | std::ios::out | std::ios::binary);
    table.seekp(3);
    table.put('\x5a');
  }
  EXPECT_EQ(Check(dir_, false, streams()), kExitProblem);
  EXPECT_FALSE(err_.str().empty());
}

TEST_F(CommandsTest, GetPrintsTheValueOrFails) {
  EXPECT_EQ(Get(dir_, "apple", streams()), kExitOk);
  EXPECT_EQ(Get(dir_, "c\\x00d", streams()), kExitOk);
  EXPECT_EQ(out_.str(), "red\n\\\n");
  EXPECT_EQ(Get(dir_, "cherry", streams()), kExitProblem);
  EXPECT_EQ(Get(dir_, "\\q", streams()), kExitUsage);
}

TEST_F(CommandsTest, DumpOfADirectoryHonoursBoundsAndLimit) {
  EXPECT_EQ(Dump(dir_, {}, streams()), kExitOk);
  EXPECT_EQ(Taken(), "apple\tred\nbanana\tyellow\\x0a\nc\\x00d\t\\\\\n");
  EXPECT_EQ(Dump(dir_, {.from = "b", .to = "c"}, streams()), kExitOk);
  EXPECT_EQ(Taken(), "banana\tyellow\\x0a\n");
  EXPECT_EQ(Dump(dir_, {.from = "", .to = "", .limit = 1}, streams()), kExitOk);
  EXPECT_EQ(Taken(), "apple\tred\n");
  EXPECT_EQ(Dump(dir_, {.from = "\\q", .to = ""}, streams()), kExitUsage);
}

TEST_F(CommandsTest, DumpOfFilesShowsWhatIsInThem) {
  EXPECT_EQ(Dump(FileOf(".sst"), {}, streams()), kExitOk) << err_.str();
  std::string table = Taken();
  EXPECT_NE(table.find(" entries 3 deletes 0 "), std::string::npos) << table;
  EXPECT_NE(table.find("\nbanana @2 put = yellow\\x0a\n"), std::string::npos) << table;
  EXPECT_EQ(Dump(FileOf(".sst"), {.from = "b", .to = "c", .limit = 0, .json = true}, streams()), kExitOk);
  table = Taken();
  EXPECT_NE(table.find("{\"type\":\"version\",\"key\":\"banana\",\"sequence\":2,\"kind\":\"put\",\"value\":"
                       "\"yellow\\\\x0a\"}\n"),
            std::string::npos)
      << table;
  EXPECT_EQ(table.find("apple\",\"sequence"), std::string::npos) << table;
  EXPECT_EQ(Dump(FileOf("MANIFEST"), {}, streams()), kExitOk) << err_.str();
  const std::string manifest = Taken();
  EXPECT_NE(manifest.find("  + level 0 table "), std::string::npos) << manifest;
  EXPECT_NE(manifest.find(" [apple, c\\x00d]\n"), std::string::npos) << manifest;
  EXPECT_NE(manifest.find(" from memory to level 0 inputs outputs "), std::string::npos) << manifest;
  EXPECT_NE(manifest.find(" because "), std::string::npos) << manifest;
  EXPECT_NE(manifest.find("\nend at "), std::string::npos) << manifest;
  EXPECT_EQ(Dump(FileOf("CURRENT"), {}, streams()), kExitOk);
  EXPECT_EQ(Taken().substr(0, 9), "MANIFEST-");
}

TEST_F(CommandsTest, DumpOfAManifestShowsValueLogFilesAndJobs) {
  {
    auto db = lsm::Db::Open(dir_, {});
    ASSERT_TRUE(db.ok());
    ASSERT_TRUE((*db)->Put({}, "large", std::string(10'000, 'v')).ok());
    ASSERT_TRUE((*db)->Flush().ok());
  }
  EXPECT_EQ(Dump(FileOf("MANIFEST"), {}, streams()), kExitOk) << err_.str();
  const std::string text = Taken();
  EXPECT_NE(text.find(", value logs +1, jobs +1\n"), std::string::npos) << text;
  EXPECT_NE(text.find("\n  + value log "), std::string::npos) << text;
  EXPECT_NE(text.find(" records 1\n"), std::string::npos) << text;
  EXPECT_EQ(Dump(FileOf("MANIFEST"), {.from = "", .to = "", .limit = 0, .json = true}, streams()), kExitOk);
  const std::string json = Taken();
  EXPECT_NE(json.find("{\"type\":\"value_log\",\"number\":"), std::string::npos) << json;
  EXPECT_NE(json.find("\"kind\":\"flush\",\"from\":\"memory\",\"to\":\"level 0\",\"inputs\":[],\"outputs\":["),
            std::string::npos)
      << json;
}

TEST_F(CommandsTest, DumpOfALogShowsItsBatches) {
  {
    auto db = lsm::Db::Open(dir_, {});
    ASSERT_TRUE(db.ok());
    lsm::WriteBatch batch;
    batch.Put("x", "1");
    batch.Delete("apple");
    batch.DeleteRange("b", "c");
    ASSERT_TRUE((*db)->Write({}, batch).ok());
  }
  EXPECT_EQ(Dump(FileOf(".wal"), {}, streams()), kExitOk) << err_.str();
  const std::string log = Taken();
  EXPECT_NE(log.find(": sequence 4, count 3\n  x @4 put = 1\n  apple @5 delete\n  b @6 range delete to c\nend at "),
            std::string::npos)
      << log;
}

TEST_F(CommandsTest, DumpOfWhatIsNoneSaysWhatItWanted) {
  const std::string text = root_ + "/notes.txt", posing = root_ + "/000001.sst";
  std::ofstream(text) << "these are notes\n";
  std::ofstream(posing) << "these are notes that pose as a table, and long enough to have a footer of 48 bytes\n";
  EXPECT_EQ(Dump(text, {}, streams()), kExitUsage);
  EXPECT_NE(err_.str().find("notes.txt: not a file that can be dumped; want CURRENT"), std::string::npos) << err_.str();
  EXPECT_EQ(Dump(posing, {}, streams()), kExitProblem);
  EXPECT_NE(err_.str().find("000001.sst"), std::string::npos) << err_.str();
  EXPECT_EQ(Dump(root_ + "/000002.sst", {}, streams()), kExitCannotOpen);
}

TEST_F(CommandsTest, WhatWasExportedCanBeImported) {
  EXPECT_EQ(Dump(dir_, {.from = "", .to = "", .limit = 0, .json = true}, streams()), kExitOk);
  const std::string rows = Taken();
  EXPECT_EQ(rows.substr(0, rows.find('\n')), R"({"key":"apple","value":"red"})");
  std::istringstream in(rows);
  const std::string copy = root_ + "/copy";
  EXPECT_EQ(Import(copy, in, {"memory_budget=8MiB"}, streams()), kExitOk) << err_.str();
  EXPECT_EQ(Taken(), copy + ": 3 rows imported\n");
  EXPECT_EQ(Dump(copy, {.from = "", .to = "", .limit = 0, .json = true}, streams()), kExitOk);
  EXPECT_EQ(Taken(), rows);
}

TEST_F(CommandsTest, ValuesThatExpireAreShownAndImportedWithTheirExpiry) {
  {
    auto db = lsm::Db::Open(dir_, {});
    ASSERT_TRUE(db.ok());
    ASSERT_TRUE((*db)->PutWithExpiry({}, "b", "soon", 32'503'680'000'000).ok());  // the year 3000
    ASSERT_TRUE((*db)->PutWithExpiry({}, "bb", "gone", 1).ok());
  }
  EXPECT_EQ(Dump(dir_, {.from = "b", .to = "c"}, streams()), kExitOk);
  EXPECT_EQ(Taken(), "b\tsoon\texpire_at_ms 32503680000000\nbanana\tyellow\\x0a\n");
  EXPECT_EQ(Dump(dir_, {.from = "b", .to = "c", .limit = 0, .json = true}, streams()), kExitOk);
  const std::string rows = Taken();
  EXPECT_EQ(rows.substr(0, rows.find('\n')), R"({"key":"b","value":"soon","expire_at_ms":32503680000000})");
  std::istringstream in(rows);
  EXPECT_EQ(Import(root_ + "/copy", in, {}, streams()), kExitOk) << err_.str();
  Taken();
  EXPECT_EQ(Dump(root_ + "/copy", {.from = "", .to = "", .limit = 0, .json = true}, streams()), kExitOk);
  EXPECT_EQ(Taken(), rows);
}

TEST_F(CommandsTest, ABadRowStopsTheImportByItsLine) {
  std::istringstream in("{\"key\":\"a\",\"value\":\"1\"}\n{\"key\":\"b\"}\n");
  EXPECT_EQ(Import(root_ + "/copy", in, {}, streams()), kExitUsage);
  EXPECT_NE(err_.str().find("line 2: character "), std::string::npos) << err_.str();
  EXPECT_EQ(Import(root_ + "/copy", in, {"memory_budget"}, streams()), kExitUsage);
  EXPECT_NE(err_.str().find("want NAME=VALUE"), std::string::npos) << err_.str();
}

TEST_F(CommandsTest, OptionsThatAreNoneAreWrongUsage) {
  std::istringstream none;
  for (const char* setting : {"memory_budget", "nonsense=1", "memory_budget=1"}) {
    EXPECT_EQ(Import(root_ + "/copy", none, {setting}, streams()), kExitUsage) << setting;
    EXPECT_EQ(Compact(dir_, {}, {setting}, streams()), kExitUsage) << setting;
  }
  EXPECT_FALSE(std::filesystem::exists(root_ + "/copy"));
}

TEST_F(CommandsTest, AKeyThatIsTooLargeIsNamedByItsLine) {
  std::istringstream in("{\"key\":\"a\",\"value\":\"1\"}\n{\"key\":\"" + std::string(70'000, 'k') +
                        "\",\"value\":\"2\"}\n");
  EXPECT_EQ(Import(root_ + "/copy", in, {}, streams()), kExitUsage);
  EXPECT_NE(err_.str().find("line 2: the key has 70000 bytes, want at most 65600"), std::string::npos) << err_.str();
}

// Its value looks empty, and was printed so before the complaint came.
TEST_F(CommandsTest, DumpPrintsNoRowWhoseValueCannotBeRead) {
  {
    auto db = lsm::Db::Open(dir_, {});
    ASSERT_TRUE(db.ok());
    ASSERT_TRUE((*db)->Put({}, "b", std::string(10'000, 'v')).ok());
    ASSERT_TRUE((*db)->Flush().ok());
  }
  std::fstream log(FileOf(".vlog"), std::ios::in | std::ios::out | std::ios::binary);
  log.seekp(40);
  log.put('\x5a');
  log.close();
  for (const bool json : {false, true}) {
    EXPECT_EQ(Dump(dir_, {.from = "", .to = "", .limit = 0, .json = json}, streams()), kExitProblem);
    EXPECT_EQ(Taken(), json ? "{\"key\":\"apple\",\"value\":\"red\"}\n" : "apple\tred\n");
  }
  EXPECT_NE(err_.str().find(".vlog"), std::string::npos) << err_.str();
}

TEST(JsonRow, ReadsWhatJsonAllows) {
  auto row = ParseJsonRow(" { \"value\" : \"\\u00e9\\n\\ud83c\\udf0a\" , \"key\":\"a\\\\x00b\" } \r");
  ASSERT_TRUE(row.ok()) << row.status().ToString();
  EXPECT_EQ(row->key, std::string("a\0b", 3));
  EXPECT_EQ(row->value, "\xc3\xa9\n\xf0\x9f\x8c\x8a");
}

TEST(JsonRow, ReadsAnExpiry) {
  auto row = ParseJsonRow(R"({"expire_at_ms": 18446744073709551615 ,"key":"a","value":""})");
  ASSERT_TRUE(row.ok()) << row.status().ToString();
  EXPECT_EQ(row->expire_at_ms, 18'446'744'073'709'551'615u);
  EXPECT_EQ(ParseJsonRow(R"({"key":"a","value":"b"})")->expire_at_ms, 0u);
}

TEST(JsonRow, RefusesEverythingElse) {
  for (const char* bad : {"",
                          "{",
                          "{}",
                          "[]",
                          "a",
                          R"({"key":"a"})",
                          R"({"key":"a","value":1})",
                          R"({"key":"a","key":"b","value":"c"})",
                          R"({"key":"a","value":"b","more":"c"})",
                          R"({"key":"a","value":"b","expire_at_ms":"1"})",
                          R"({"key":"a","value":"b","expire_at_ms":0})",
                          R"({"key":"a","value":"b","expire_at_ms":-1})",
                          R"({"key":"a","value":"b","expire_at_ms":1,"expire_at_ms":2})",
                          R"({"key":"a","value":"b","expire_at_ms":1.5})",
                          R"({"key":"a","value":"b","expire_at_ms":18446744073709551616})",
                          R"({"key":"a","value":"b"} x)",
                          R"({"key":"a","value":"b)",
                          R"({"key":"a","value":"\)",
                          R"({"key":"a","value":"\u12"})",
                          R"({"key":"a","value":"\ud800"})",
                          R"({"key":"a","value":"\udc00"})",
                          R"({"key":"\\q","value":"b"})"}) {
    EXPECT_FALSE(ParseJsonRow(bad).ok()) << bad;
  }
}

TEST(JsonRow, RoundTripsEveryByte) {
  std::string all;
  for (int byte = 0; byte < 256; ++byte) all += static_cast<char>(byte);
  auto row = ParseJsonRow(JsonRow(all, all));
  ASSERT_TRUE(row.ok()) << row.status().ToString();
  EXPECT_EQ(row->key, all);
  EXPECT_EQ(row->value, all);
}

TEST_F(CommandsTest, StatsAsTextAndJson) {
  EXPECT_EQ(Stats(dir_, false, streams()), kExitOk);
  EXPECT_NE(Taken().find("last_sequence 3\n"), std::string::npos);
  EXPECT_EQ(Stats(dir_, true, streams()), kExitOk);
  EXPECT_NE(Taken().find("\"last_sequence\":3,"), std::string::npos);
}

TEST_F(CommandsTest, CompactLeavesOneLevel) {
  EXPECT_EQ(Compact(dir_, {}, {}, streams()), kExitOk) << err_.str();
  EXPECT_NE(Taken().find(" bytes of tables before, "), std::string::npos);
  EXPECT_EQ(Stats(dir_, false, streams()), kExitOk);
  const std::string stats = Taken();
  EXPECT_EQ(stats.find("level 0"), std::string::npos) << stats;
}

TEST_F(CommandsTest, CheckpointIsADatabaseOfItsOwn) {
  const std::string target = root_ + "/copy";
  EXPECT_EQ(Checkpoint(dir_, target, streams()), kExitOk) << err_.str();
  EXPECT_EQ(Get(target, "apple", streams()), kExitOk) << err_.str();
  EXPECT_EQ(Checkpoint(dir_, target, streams()), kExitUsage) << "the target exists now";
}

TEST_F(CommandsTest, WhatCannotBeOpenedIsSaidWithAdvice) {
  const std::string missing = root_ + "/none";
  EXPECT_EQ(Check(missing, false, streams()), kExitCannotOpen);
  EXPECT_EQ(Dump(missing, {}, streams()), kExitCannotOpen);
  EXPECT_EQ(Compact(missing, {}, {}, streams()), kExitCannotOpen);
  EXPECT_FALSE(std::filesystem::exists(missing)) << "looking does not create";
  EXPECT_NE(err_.str().find("a server keeps its database in DIR/db"), std::string::npos) << err_.str();
  EXPECT_EQ(Check(root_, false, streams()), kExitCannotOpen) << "the directory above";
  EXPECT_NE(err_.str().find("there is a database in " + dir_ + ": did you mean that?"), std::string::npos)
      << err_.str();
}

TEST_F(CommandsTest, ALockedDatabaseCanBeLookedAtButNotTaken) {
  auto db = lsm::Db::Open(dir_, {});
  ASSERT_TRUE(db.ok());
  EXPECT_EQ(Check(dir_, false, streams()), kExitOk) << err_.str();
  EXPECT_EQ(Compact(dir_, {}, {}, streams()), kExitCannotOpen);
  EXPECT_NE(err_.str().find("stop the server first"), std::string::npos) << err_.str();
}

// A terminal gets a bar that is gone at the end; everybody else gets nothing.
TEST(Progress, ShowsAndClears) {
  std::ostringstream terminal;
  {
    Progress progress(&terminal, "checking");
    progress.Update(512, 1024);
  }
  EXPECT_NE(terminal.str().find("checking  [############            ]  50 %  512 bytes of 1.0 KiB"), std::string::npos);
  const size_t last = terminal.str().rfind('\r');
  EXPECT_EQ(last + 1, terminal.str().size());
  Progress nobody(nullptr, "checking");
  nobody.Update(1, 2);
}

TEST_F(CommandsTest, SizePlansAndRefuses) {
  EXPECT_EQ(Size({.keys = 1000000, .key_bytes = 16, .value_bytes = 100}, {}, false, streams()), kExitOk) << err_.str();
  EXPECT_NE(Taken().find("1000000 keys of 16 bytes with values of 100 bytes: 110.6 MiB"), std::string::npos);
  EXPECT_EQ(Size({.keys = 1000, .key_bytes = 1, .value_bytes = 1}, {}, false, streams()), kExitUsage);
  EXPECT_NE(err_.str().find("evenly spread keys of 1 bytes"), std::string::npos) << err_.str();
  EXPECT_EQ(Size({.keys = 0}, {}, false, streams()), kExitUsage);
  EXPECT_EQ(Size({.keys = 5}, {"colour=red"}, false, streams()), kExitUsage);
}

}  // namespace
}  // namespace varve::cli
