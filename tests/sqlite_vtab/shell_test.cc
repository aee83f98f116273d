// The library as people meet it: `.load`ed into the sqlite3 shell.
#include <gtest/gtest.h>

#include <array>
#include <cstdio>
#include <fstream>
#include <sstream>

#include "tests/sqlite_vtab/harness.h"

namespace varve::sqlite_vtab {
namespace {

// What the shell prints, errors included.
std::string Shell(const TempDir& dir, const std::string& script) {
  std::ofstream(dir.path("script.sql")) << ".load " << VARVE_SO << "\n" << script;
  // In sanitizer builds; the shell's own leaks are not ours to report.
  std::string preload = VARVE_PRELOAD;
  if (!preload.empty()) preload = "LD_PRELOAD=" + preload + " ASAN_OPTIONS=detect_leaks=0 ";
  std::string command = preload + "sqlite3 -batch :memory: < " + dir.path("script.sql") + " 2>&1";
  FILE* pipe = popen(command.c_str(), "r");
  std::string out;
  std::array<char, 4096> buffer;
  for (size_t n; (n = fread(buffer.data(), 1, buffer.size(), pipe)) > 0;) out.append(buffer.data(), n);
  pclose(pipe);
  return out;
}

TEST(Shell, LoadsReadsAndWrites) {
  TempDir dir;
  std::string create = "create virtual table temp.raw using varve('" + dir.path("db") + "');\n";
  EXPECT_EQ(Shell(dir, create + "insert into raw values('b','2'),('a','1'),('c','3');\n"
                                "select * from raw where key>='b' order by key desc;\n"),
            "c|3\nb|2\n");
  EXPECT_EQ(Shell(dir, create + "select count(*), max(key) from raw;\n"), "3|c\n");
}

TEST(Shell, StringsAnswerJsonQuestions) {
  TempDir dir;
  EXPECT_EQ(
      Shell(dir, "create virtual table temp.str using redis_strings('" + dir.path("db") +
                     "');\n"
                     "insert into str(key,value) values('pkg:a','{\"size\":3,\"section\":\"net\"}'),"
                     "('pkg:b','{\"size\":4,\"section\":\"net\"}'),('pkg:c','{\"size\":5,\"section\":\"doc\"}');\n"
                     "select json_extract(value,'$.section') s, sum(json_extract(value,'$.size')) from str "
                     "where key glob 'pkg:*' group by s order by s;\n"),
      "doc|5\nnet|7\n");
}

// Loading into a second connection of the same process, and closing the first, must not unload the engine's threads.
TEST(Shell, OutlivesTheConnectionThatLoadedIt) {
  TempDir dir;
  std::string create = "create virtual table temp.raw using varve('" + dir.path("db") + "');\n";
  EXPECT_EQ(Shell(dir, create + "insert into raw values('a','1');\n.open :memory:\n.load " + VARVE_SO + "\n" + create +
                           "select * from raw;\n"),
            "a|1\n");
}

}  // namespace
}  // namespace varve::sqlite_vtab
