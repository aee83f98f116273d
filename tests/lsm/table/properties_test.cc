#include "lsm/table/properties.h"

#include <gtest/gtest.h>

#include <string>

#include "lsm/format/coding.h"
#include "tests/lsm/table/table_test_util.h"

namespace varve::lsm {
namespace {

TableProperties Sample() {
  TableProperties p;
  p.table_id = 300;
  p.entries = 5;
  p.deletes = 1;
  p.range_deletes = 2;
  p.data_blocks = 3;
  p.smallest_seq = 7;
  p.largest_seq = 11;
  p.raw_key_bytes = 50;
  p.raw_value_bytes = 60;
  p.smallest = "a";
  p.largest = "z";
  p.largest_exclusive = true;
  p.range_tombstones = {.offset = 1000, .size = 20};
  p.compression = "none";
  p.filter = "binary fuse 10";
  p.value_logs = {{14, 300}};
  p.expires_ms = 300;
  return p;
}

// "\x08table_id" and the like: name and value, each after its size.
std::string Pair(std::string_view name, std::string_view value) {
  std::string out;
  PutLengthPrefixed(&out, name);
  PutLengthPrefixed(&out, value);
  return out;
}

// Pins the on-disk layout. Fields may be added; these stay.
TEST(PropertiesFormat, NamesAndValuesInPairs) {
  EXPECT_EQ(Sample().Encode(),
            Pair("table_id", "\xac\x02") + Pair("entries", "\5") + Pair("deletes", "\1") + Pair("range_deletes", "\2") +
                Pair("data_blocks", "\3") + Pair("smallest_seq", "\7") + Pair("largest_seq", "\x0b") +
                Pair("raw_key_bytes", "\x32") + Pair("raw_value_bytes", "\x3c") + Pair("smallest", "a") +
                Pair("largest", "z") + Pair("compression", "none") + Pair("filter", "binary fuse 10") +
                Pair("largest_exclusive", "\1") + Pair("range_tombstones", "\xe8\x07\x14") +
                Pair("value_logs", "\x0e\xac\x02") + Pair("expires_ms", "\xac\x02"));
  EXPECT_EQ(Hex(Pair("entries", "\5")),
            "07656e7472696573"
            "0105");
}

TEST(PropertiesFormat, AnExternalTableSaysSo) {
  TableProperties p = Sample();
  const std::string without = p.Encode();
  p.external = true;
  const size_t at = without.find(Pair("range_tombstones", "\xe8\x07\x14"));
  EXPECT_EQ(p.Encode(), without.substr(0, at) + Pair("external", "\1") + without.substr(at));
  EXPECT_TRUE(TableProperties::Decode(p.Encode())->external);
}

TEST(PropertiesFormat, AnExternalTableNamesTheOperatorOfItsMerges) {
  TableProperties p = Sample();
  const std::string without = p.Encode();
  p.merge_operator = "varve.append";
  EXPECT_EQ(p.Encode(), without + Pair("merge_operator", "varve.append"));
  EXPECT_EQ(TableProperties::Decode(p.Encode())->merge_operator, "varve.append");
}

TEST(Properties, WhatWasWrittenIsRead) {
  const Result<TableProperties> read = TableProperties::Decode(Sample().Encode());
  ASSERT_TRUE(read.ok()) << read.status().ToString();
  EXPECT_EQ(read->Encode(), Sample().Encode());
  EXPECT_EQ(read->range_tombstones.offset, 1000u);
  EXPECT_TRUE(read->largest_exclusive);
}

TEST(Properties, ALaterWritersFieldsAreSkipped) {
  const Result<TableProperties> read =
      TableProperties::Decode(Pair("max_expiry", "??") + Sample().Encode() + Pair("", ""));
  ASSERT_TRUE(read.ok()) << read.status().ToString();
  EXPECT_EQ(read->largest, "z");
}

TEST(Properties, DamageIsCorruptionNamingTheProperty) {
  const std::string good = Sample().Encode();
  for (size_t size = 0; size < good.size(); ++size) {
    const Result<TableProperties> read = TableProperties::Decode(std::string_view(good).substr(0, size));
    EXPECT_TRUE(read.ok() || read.status().Is(StatusCode::kCorruption)) << size;
  }
  EXPECT_EQ(TableProperties::Decode("").status().message(), "property table_id is missing");
  EXPECT_EQ(TableProperties::Decode(Pair("entries", "") + good).status().message(),
            "property entries is not what its name says");
  EXPECT_EQ(TableProperties::Decode(good + Pair("range_tombstones", std::string("\1\xff\xff\xff\xff\x7f")))
                .status()
                .message(),
            "property range_tombstones is not what its name says");
}

}  // namespace
}  // namespace varve::lsm
