// tests/lsm/stats_text_test.cc
#include "lsm/stats_text.h"

#include <gtest/gtest.h>

namespace varve::lsm {
namespace {

TEST(StatsText, TextAndJsonHoldTheSameNumbers) {
  DbStats stats;
  stats.last_sequence = 7;
  stats.stall_us = 9;
  stats.value_log_moved_bytes = 11;
  stats.fenced = true;
  stats.background_error = "no \"space\"";
  stats.levels[2] = {.files = 3, .bytes = 4096};
  const std::string text = StatsText(stats), json = StatsJson(stats);
  for (const char* line : {"last_sequence 7\n", "stall_us 9\n", "value_log_moved_bytes 11\n", "fenced true\n",
                           "background_error no \"space\"\n", "level 2 files 3 bytes 4096\n"}) {
    EXPECT_NE(text.find(line), std::string::npos) << line << text;
  }
  EXPECT_EQ(text.find("level 1"), std::string::npos) << text;
  for (const char* member :
       {"{\"last_sequence\":7,", "\"stall_us\":9,", "\"value_log_moved_bytes\":11,", "\"fenced\":true,",
        "\"background_error\":\"no \\\"space\\\"\"", "{\"level\":2,\"files\":3,\"bytes\":4096}"}) {
    EXPECT_NE(json.find(member), std::string::npos) << member << json;
  }
}

TEST(StatsText, VerifyListsItsProblems) {
  VerifyReport report;
  EXPECT_EQ(VerifyJson(report), R"({"tables":0,"blocks":0,"entries":0,"values":0,"problems":[]})");
  report.tables = 2;
  report.values = 5;
  report.problems = {"a: rot", "b: rot"};
  EXPECT_EQ(VerifyJson(report), R"({"tables":2,"blocks":0,"entries":0,"values":5,"problems":["a: rot","b: rot"]})");
}

TEST(JsonString, KeepsUtf8AndMarksWhatIsNone) {
  EXPECT_EQ(JsonString("a\"\\\n\x7f"), R"("a\"\\\u000a\u007f")");
  EXPECT_EQ(JsonString("h\xc3\xa9 \xe2\x82\xac \xf0\x9f\x8c\x8a"), "\"h\xc3\xa9 \xe2\x82\xac \xf0\x9f\x8c\x8a\"");
  EXPECT_EQ(JsonString("\xff"), R"("\ufffd")");
  EXPECT_EQ(JsonString("\xc3"), R"("\ufffd")") << "cut short";
  EXPECT_EQ(JsonString("\xc0\x80"), R"("\ufffd\ufffd")") << "overlong";
  EXPECT_EQ(JsonString("\xed\xa0\x80"), R"("\ufffd\ufffd\ufffd")") << "a surrogate";
  EXPECT_EQ(JsonString("\xf4\x90\x80\x80"), R"("\ufffd\ufffd\ufffd\ufffd")") << "beyond Unicode";
}

}  // namespace
}  // namespace varve::lsm
