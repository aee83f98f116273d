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

TEST(StatsText, JobsUnderWayAndFinished) {
  Job job;
  job.id = 9;
  job.kind = JobKind::kFlush;
  job.from_level = -1;
  job.outputs = {7, 8};
  job.started_ms = 1000;
  job.bytes_written = 300;
  job.entries_read = 2;
  job.reason = "memtable of 2 entries";
  const std::string facts =
      R"({"id":9,"kind":"flush","from_level":-1,"to_level":0,"inputs":[],"outputs":[7,8],"started_ms":1000,)"
      R"("completed_ms":0,"bytes_read":0,"bytes_written":300,"entries_read":2,"entries_dropped":0,)"
      R"("reason":"memtable of 2 entries")";
  EXPECT_EQ(JobJson(job), facts + "}");
  EXPECT_EQ(JobsJson({}), "[]");
  EXPECT_EQ(JobsJson({job, job}), "[" + facts + "}," + facts + "}]");
  DbStats stats;
  stats.jobs.push_back({.job = job, .bytes_done = 5, .bytes_total = 10});
  const std::string json = StatsJson(stats);
  EXPECT_NE(json.find("\"jobs\":[" + facts + ",\"bytes_done\":5,\"bytes_total\":10}]}"), std::string::npos) << json;
}

TEST(StatsText, TablesWithKeysThatAreNoText) {
  TableFileFacts table;
  table.number = 12;
  table.level = 6;
  table.path = "db/000012.sst";
  table.smallest = std::string("a\0", 2);
  table.largest = "b\\";
  table.largest_exclusive = true;
  table.size = 466;
  table.filter_bits_per_key = 10.5;
  table.false_positive_rate = 0.01;
  EXPECT_EQ(TablesJson({table}),
            R"([{"number":12,"level":6,"path":"db/000012.sst","smallest":"a\\x00","largest":"b\\\\",)"
            R"("largest_exclusive":true,"size":466,"entries":0,"deletes":0,"range_deletes":0,)"
            R"("filter_bits_per_key":10.5,"false_positive_rate":0.01,"created_ms":0,"expires_ms":0,)"
            R"("smallest_sequence":0,"largest_sequence":0}])");
}

TEST(StatsText, BackupsAndRepairs) {
  BackupInfo sound, damaged;
  sound.id = 1;
  sound.wall_ms = 1000;
  sound.sequence = 3;
  damaged.id = 2;
  damaged.problem = "cut short";
  const std::string head = R"({"id":1,"wall_ms":1000,"sequence":3,"files":0,"bytes":0,"new_bytes":0,"problems":)";
  EXPECT_EQ(BackupsJson({sound, damaged}),
            "[" + head + R"([]},{"id":2,"wall_ms":0,"sequence":0,"files":0,"bytes":0,"new_bytes":0,)" +
                R"("problems":["cut short"]}])");
  EXPECT_EQ(BackupJson(sound, {"rot"}), head + R"(["rot"]})");

  RepairReport report;
  report.manifest_used = true;
  report.tables_kept = 2;
  report.losses.push_back({.file = "000008.sst", .problem = "checksum mismatch", .smallest = "a", .largest = "\xff"});
  report.moved = {"CURRENT"};
  EXPECT_EQ(RepairJson(report),
            R"({"manifest_used":true,"tables_kept":2,"tables_rewritten":0,"entries":0,"log_records":0,)"
            R"("last_sequence":0,"losses":[{"file":"000008.sst","problem":"checksum mismatch","offset":0,"size":0,)"
            R"("smallest":"a","largest":"\\xff","first_sequence":0,"last_sequence":0}],"moved":["CURRENT"]})");
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
