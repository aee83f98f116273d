// tests/lsm/dump_test.cc - escapes, and every kind of operation; tests/cli/commands_test.cc looks at whole dumps.
#include "lsm/dump.h"

#include "lsm/version/manifest.h"
#include "tests/lsm/db_test_util.h"

namespace varve::lsm {
namespace {

TEST(EscapeBytes, RoundTripsEveryByte) {
  std::string all;
  for (int byte = 0; byte < 256; ++byte) all += static_cast<char>(byte);
  auto back = UnescapeBytes(EscapeBytes(all));
  ASSERT_TRUE(back.ok());
  EXPECT_EQ(*back, all);
  EXPECT_EQ(EscapeBytes(std::string("a\0\\\xff", 4)), "a\\x00\\\\\\xff");
}

TEST(EscapeBytes, RefusesHalfAnEscape) {
  for (const char* text : {"\\", "a\\", "\\x", "\\x1", "\\xg0", "\\n"}) EXPECT_FALSE(UnescapeBytes(text).ok()) << text;
}

TEST(DumpFile, MergesAndValuesThatExpire) {
  Machine machine(1);
  WriteBatch batch;
  batch.Put("a", "1");
  batch.Merge("a", "+2");
  batch.PutWithExpiry("b", "v\n", 1'800'000'000'000);
  const auto dump = [&](std::string_view ending, bool json) {
    std::string lines;
    const std::string path = FilesEnding(machine.disk.get(), "/db", ending).back();
    const DumpOptions options = {.json = json, .from = {}, .to = {}, .limit = 0, .file_system = machine.disk.get()};
    const Status s = DumpFile(path, options, [&](std::string_view line) {
      lines.append(line).append("\n");
      return true;
    });
    EXPECT_TRUE(s.ok()) << s.ToString();
    return lines;
  };
  const auto expect = [](const std::string& lines, std::string_view part) {
    EXPECT_NE(lines.find(part), std::string::npos) << part << " is not in\n" << lines;
  };
  auto db = Db::Open("/db", machine.Setup());
  ASSERT_TRUE(db.ok());
  ASSERT_TRUE((*db)->Write({}, batch).ok());
  expect(dump(".wal", false),
         "  a @1 put = 1\n  a @2 merge = +2\n  b @3 put with expiry expire_at_ms 1800000000000 = v\\x0a\n");
  const std::string json = dump(".wal", true);
  expect(json, R"("key":"a","sequence":2,"kind":"merge","value":"+2"})");
  expect(json, R"("sequence":3,"kind":"put with expiry","expire_at_ms":1800000000000,"value":"v\\x0a"})");
  ASSERT_TRUE((*db)->Delete({}, "a").ok());
  ASSERT_TRUE((*db)->CompactRange({}, {}).ok());  // leaves one value, which expires
  machine.Rest();
  db->reset();
  expect(dump(".sst", false), "expires_ms 1800000000000");
  expect(dump(".sst", false), "b @0 put with expiry expire_at_ms 1800000000000 = v\\x0a\n");
  db = Db::Open("/db", machine.Setup());  // begins a manifest with all there is
  ASSERT_TRUE(db.ok());
  const auto current = ReadCurrent(machine.disk.get(), "/db");
  ASSERT_TRUE(current.ok()) << current.status().ToString();
  const std::string manifest = dump(current->manifest, false);
  const std::string bytes = std::to_string(current->durable_bytes);
  expect(dump("CURRENT", false), current->manifest + " durable_bytes " + bytes + "\n");
  expect(dump("CURRENT", true),
         R"({"type":"current","manifest":")" + current->manifest + R"(","durable_bytes":)" + bytes + "}");
  expect(manifest, "merge operator varve.append,");
  expect(manifest, "expires_ms 1800000000000");
  expect(dump(current->manifest, true), R"("merge_operator":"varve.append")");
}

}  // namespace
}  // namespace varve::lsm
