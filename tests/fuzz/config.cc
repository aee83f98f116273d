// tests/fuzz/config.cc - F8: the configuration file, the command line, CONFIG SET.
//
//   | what the rest is : u8 |   0  the file
//                               1  the words of the command line, a line each; one that is no flag comes first and
//                                  means a file, which holds the lines behind an empty one
//                               2  lines of a name, a blank and a value for CONFIG SET
//
// What is refused is named: the file with the line, or the flag. What is taken can be written into the file by CONFIG
// REWRITE and then reads back the same; written again, the file stays as it is. A value that CONFIG SET takes, CONFIG
// GET shows in a form that CONFIG SET takes and that means the same; one that it refuses changes nothing.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "server/arguments.h"
#include "server/config_file.h"
#include "tests/fuzz/fuzz_input.h"
#include "tests/net/server_process.h"

namespace varve::server {
namespace {

// In memory where there is such a place: each rewriting is synced.
const std::string& Path() {
  static const testing::TemporaryDirectory* const dir = [] {
    std::error_code error;
    if (std::filesystem::is_directory("/dev/shm", error)) setenv("TMPDIR", "/dev/shm", 1);
    return new testing::TemporaryDirectory;  // as long as the program
  }();
  static const std::string path = dir->path() + "/varve.conf";
  return path;
}

void Write(std::string_view text) {
  std::ofstream file(Path(), std::ios::binary);
  file.write(text.data(), static_cast<std::streamsize>(text.size()));
}

std::string Contents() {
  std::ifstream file(Path(), std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

std::vector<std::string> Lines(std::string_view text) {
  std::vector<std::string> lines;
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    lines.emplace_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return lines;
}

// "<path>:<line>: ..." with a line that the file has.
void ExpectLineNamed(std::string_view message, std::string_view text) {
  const std::string start = Path() + ":";
  EXPECT_EQ(message.substr(0, start.size()), start);
  const long line =
      std::strtol(std::string(message.substr(std::min(start.size(), message.size()))).c_str(), nullptr, 10);
  EXPECT_GE(line, 1) << message;
  EXPECT_LE(line, std::count(text.begin(), text.end(), '\n') + 1) << message;
}

void ExpectRewritable(const resp::Config& config) {
  const lsm::Status written = RewriteConfigFile(Path(), config);
  EXPECT_TRUE(written.ok()) << written.ToString();
  const std::string once = Contents();
  resp::Config again;
  const auto parsed = ParseArguments({Path()}, &again);
  EXPECT_TRUE(parsed.ok()) << parsed.status().ToString() << "\n" << once;
  for (const auto& [name, value] : config.Match({"*"})) {
    if (!config.IsLive(name)) continue;
    EXPECT_EQ(again.Get(name), value) << name << "\n" << once;
  }
  EXPECT_TRUE(RewriteConfigFile(Path(), again).ok());
  EXPECT_EQ(Contents(), once);
}

void TryFile(std::string_view text) {
  Write(text);
  resp::Config config;
  const auto parsed = ParseArguments({Path()}, &config);
  if (!parsed.ok()) return ExpectLineNamed(parsed.status().message(), text);
  EXPECT_EQ(parsed->config_file, Path());
  for (const std::string& warning : parsed->warnings) ExpectLineNamed(warning, text);
  ExpectRewritable(config);
}

void TryCommandLine(std::string_view text) {
  const size_t blank = std::min(text.find("\n\n"), text.size());
  std::vector<std::string> words = Lines(text.substr(0, blank));
  const std::string_view file = text.substr(std::min(blank + 2, text.size()));
  const bool with_file = !words.empty() && !words[0].starts_with('-');
  Write(with_file ? file : "");
  if (with_file) words[0] = Path();
  resp::Config config;
  const auto parsed = ParseArguments(words, &config);
  if (parsed.ok()) return ExpectRewritable(config);
  const std::string_view message = parsed.status().message();
  EXPECT_FALSE(message.empty());
  if (with_file && message.starts_with(Path())) return ExpectLineNamed(message, file);
  EXPECT_TRUE(std::any_of(words.begin(), words.end(), [&](const std::string& word) {
    return message.starts_with(word + ":") || message.starts_with("'" + word + "':");
  })) << message;
}

void TrySet(std::string_view text) {
  resp::Config config;
  for (const std::string& line : Lines(text)) {
    const size_t blank = std::min(line.find(' '), line.size());
    const std::string name = line.substr(0, blank), value = line.substr(std::min(blank + 1, line.size()));
    const auto before = config.Match({"*"});
    const std::string refused = config.Set(name, value, resp::SettingTime::kRunning);
    if (!refused.empty()) {
      EXPECT_TRUE(config.Match({"*"}) == before) << line << ": " << refused;
      continue;
    }
    EXPECT_TRUE(config.Knows(name) && (config.IsLive(name) || config.IsFact(name))) << line;
    const auto after = config.Match({"*"});
    EXPECT_EQ(config.Set(name, config.Get(name), resp::SettingTime::kRunning), "") << line;
    EXPECT_TRUE(config.Match({"*"}) == after) << line;
  }
  Write("# mine\n");
  ExpectRewritable(config);
}

}  // namespace
}  // namespace varve::server

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace varve::server;
  varve::fuzz::FuzzInput input(data, size);
  switch (input.Below(3)) {
    case 0: TryFile(input.Rest()); break;
    case 1: TryCommandLine(input.Rest()); break;
    default: TrySet(input.Rest());
  }
  return 0;
}
