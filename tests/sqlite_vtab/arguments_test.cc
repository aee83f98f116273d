#include "sqlite_vtab/arguments.h"

#include <gtest/gtest.h>

#include <vector>

namespace varve::sqlite_vtab {
namespace {

lsm::Result<Arguments> Parse(std::vector<std::string_view> words, ModuleKind kind = ModuleKind::kStrings) {
  return ParseArguments(kind, words);
}

std::string Error(std::vector<std::string_view> words, ModuleKind kind = ModuleKind::kStrings) {
  auto parsed = Parse(std::move(words), kind);
  return parsed.ok() ? "" : std::string(parsed.status().message());
}

TEST(Arguments, PathAloneTakesTheDefaults) {
  auto parsed = Parse({"'data/db'"});
  ASSERT_TRUE(parsed.ok());
  EXPECT_EQ(parsed->path, "data/db");
  EXPECT_EQ(parsed->key_type, ColumnType::kText);
  EXPECT_EQ(parsed->value_type, ColumnType::kText);
  EXPECT_EQ(parsed->mode, AccessMode::kAuto);
  EXPECT_FALSE(parsed->sync_always);
  EXPECT_EQ(parsed->db, 0);
}

TEST(Arguments, PathIsUnquotedAsSqlDoes) {
  EXPECT_EQ(Parse({"'it''s here'"})->path, "it's here");
  EXPECT_EQ(Parse({"\"a\"\"b\""})->path, "a\"b");
  EXPECT_EQ(Parse({"  bare/path  "})->path, "bare/path");
}

TEST(Arguments, EveryOptionIsRead) {
  auto parsed = Parse({"'d'", " KEY = blob", "value=BLOB", "Mode=follow", "sync=always", "memory='64MB'", "db=15"});
  ASSERT_TRUE(parsed.ok());
  EXPECT_EQ(parsed->key_type, ColumnType::kBlob);
  EXPECT_EQ(parsed->value_type, ColumnType::kBlob);
  EXPECT_EQ(parsed->mode, AccessMode::kFollow);
  EXPECT_TRUE(parsed->sync_always);
  EXPECT_EQ(parsed->memory_bytes, size_t{64} << 20);
  EXPECT_EQ(parsed->db, 15);
}

TEST(Arguments, MistakesSayWhatWouldBeRight) {
  EXPECT_NE(Error({}).find("path of the data directory"), std::string::npos);
  EXPECT_NE(Error({"''"}).find("empty"), std::string::npos);
  EXPECT_EQ(Error({"'d'", "mode=write"}), "mode=write: want auto, rw, ro or follow");
  EXPECT_EQ(Error({"'d'", "key=int"}), "key=int: want TEXT or BLOB");
  EXPECT_EQ(Error({"'d'", "db=16"}), "db=16: want a number from 0 to 15");
  EXPECT_EQ(Error({"'d'", "memory=1mb"}), "memory=1mb: want at least 4mb, such as '256mb'");
  EXPECT_EQ(Error({"'d'", "memory=99999999999gb"}), "memory=99999999999gb: want at least 4mb, such as '256mb'");
  EXPECT_EQ(Error({"'d'", "sync=no"}), "sync=no: want always or everysec");
  EXPECT_EQ(Error({"'d'", "mode=rw", "mode=ro"}), "option mode is given twice");
  EXPECT_EQ(Error({"'d'", "rw"}), "'rw': options are written name=value");
}

TEST(Arguments, OnlyRedisTablesHaveADatabaseNumber) {
  EXPECT_NE(Error({"'d'", "db=1"}, ModuleKind::kRaw).find("unknown option db"), std::string::npos);
}

}  // namespace
}  // namespace varve::sqlite_vtab
