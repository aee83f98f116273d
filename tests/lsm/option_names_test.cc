// tests/lsm/option_names_test.cc
#include "lsm/option_names.h"

#include <gtest/gtest.h>

#include <fstream>
#include <string>

namespace varve::lsm {
namespace {

std::string Message(const Status& status) {
  return std::string(status.message());
}

TEST(OptionNames, SetsEveryKindOfOption) {
  Options options;
  ASSERT_TRUE(SetOption("mode", "read-only", &options).ok());
  ASSERT_TRUE(SetOption("create_if_missing", "false", &options).ok());
  ASSERT_TRUE(SetOption("memory_budget", "64MiB", &options).ok());
  ASSERT_TRUE(SetOption("background_threads", "3", &options).ok());
  ASSERT_TRUE(SetOption("wal_sync", "always", &options).ok());
  ASSERT_TRUE(SetOption("compression", "none", &options).ok());
  EXPECT_EQ(options.mode, OpenMode::kReadOnly);
  EXPECT_FALSE(options.create_if_missing);
  EXPECT_EQ(options.memory_budget, size_t{64} << 20);
  EXPECT_EQ(options.background_threads, 3);
  EXPECT_EQ(options.wal_sync, WalSync::kAlways);
  EXPECT_EQ(options.compression, Compression::kNone);
}

TEST(OptionNames, WhatIsPrintedCanBeSet) {
  for (std::string_view name : OptionNames()) {
    auto text = GetOption(name, Options());
    ASSERT_TRUE(text.ok()) << name;
    Options other;
    EXPECT_TRUE(SetOption(name, *text, &other).ok()) << name << " = " << *text;
  }
}

// Everything that OptionChanges has, by name; the rest says that it does not change.
TEST(OptionNames, ChangesByName) {
  OptionChanges changes;
  for (std::string_view name : OptionNames()) {
    auto text = GetOption(name, Options());
    ASSERT_TRUE(text.ok()) << name;
    const Status s = SetOptionChange(name, *text, &changes);
    EXPECT_TRUE(s.ok() || Message(s).find("does not change while the database runs") != std::string::npos) << name;
  }
  EXPECT_TRUE(changes.memory_budget && changes.background_threads && changes.wal_sync && changes.compression);
  EXPECT_TRUE(changes.filter_bits_per_key && changes.block_size && changes.table_size && changes.value_log_threshold);
  EXPECT_TRUE(changes.memtable_size && changes.compaction_bytes_per_second && changes.max_disk_bytes);
  EXPECT_TRUE(changes.fifo_bytes_max && changes.fifo_age_max_s);
  OptionChanges none;
  EXPECT_FALSE(SetOptionChange("block_size", "large", &none).ok());
  EXPECT_FALSE(none.block_size);
}

TEST(OptionNames, RefusalsSayWhatWasExpectedAndChangeNothing) {
  Options options;
  EXPECT_EQ(Message(SetOption("wal_sync", "sometimes", &options)),
            "option wal_sync is 'sometimes', want never, every-second or always");
  EXPECT_EQ(Message(SetOption("memory_budget", "64MB", &options)),
            "option memory_budget is '64MB', want a size such as 8192, 64KiB, 256MiB or 4GiB");
  for (const char* bad : {"", "+1", "1e3", " 5", "5 ", "0x10", "99999999999"}) {
    EXPECT_FALSE(SetOption("filter_bits_per_key", bad, &options).ok()) << bad;
  }
  EXPECT_NE(Message(SetOption("colour", "red", &options)).find("there is no option 'colour'; there are mode"),
            std::string::npos);
  EXPECT_EQ(options.memory_budget, Options().memory_budget);
}

TEST(OptionNames, BytesAreParsedToTheLimitAndNotBeyond) {
  EXPECT_EQ(*ParseBytes("0"), 0u);
  EXPECT_EQ(*ParseBytes("18446744073709551615"), UINT64_MAX);
  EXPECT_EQ(*ParseBytes("16777215TiB"), uint64_t{16777215} << 40);
  for (const char* bad : {"18446744073709551616", "16777216TiB", "KiB", "1kb", "1 KiB", "-1", ""}) {
    EXPECT_FALSE(ParseBytes(bad).ok()) << bad;
  }
  EXPECT_EQ(BytesText(uint64_t{8} << 10), "8KiB");
  EXPECT_EQ(BytesText(1000), "1000");
  EXPECT_EQ(BytesText(0), "0");
}

// The names are those of the struct: read from the header itself, up to the injected surroundings.
TEST(OptionNames, EveryPublicOptionHasAName) {
  std::ifstream header("lsm/options.h");
  ASSERT_TRUE(header) << "run from the project's root";
  std::string line, listed, declared;
  for (std::string_view name : OptionNames()) listed.append(name).append("\n");
  bool inside = false;
  while (std::getline(header, line)) {
    if (line == "struct Options {") inside = true;
    if (line.find("The surroundings") != std::string::npos) break;
    const size_t equals = line.find(" = ");
    if (!inside || equals == std::string::npos || line.find("//") < equals) continue;
    const size_t begin = line.rfind(' ', equals - 1) + 1;
    declared.append(line.substr(begin, equals - begin)).append("\n");
  }
  EXPECT_EQ(listed, declared);
}

}  // namespace
}  // namespace varve::lsm
