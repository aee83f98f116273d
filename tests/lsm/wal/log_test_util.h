// tests/lsm/wal/log_test_util.h - writing and reading whole logs in one line.
#pragma once

#include <gtest/gtest.h>

#include <cstdio>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "lsm/format/coding.h"
#include "lsm/format/crc32c.h"
#include "lsm/wal/log_format.h"
#include "lsm/wal/log_reader.h"
#include "lsm/wal/log_writer.h"
#include "tests/lsm/wal/scripted_files.h"

namespace varve::lsm {

inline constexpr char kLog[] = "db/000007.wal";
inline constexpr size_t kIdentityEnd = kLogHeaderSize + kLogIdentitySize;

inline LogWriter::Setup Segment(uint64_t number, uint32_t salt) {
  LogWriter::Setup setup;
  setup.number = number;
  setup.salt = salt;
  return setup;
}

inline std::unique_ptr<LogWriter> OpenLog(FileSystem* fs, const LogWriter::Setup& setup) {
  Result<std::unique_ptr<LogWriter>> log = LogWriter::Open(fs, kLog, setup);
  EXPECT_TRUE(log.ok()) << log.status().ToString();
  return log.ok() ? std::move(log).value() : nullptr;
}

inline std::string Hex(std::string_view bytes) {
  std::string hex;
  for (const char c : bytes) {
    char two[3];
    std::snprintf(two, sizeof two, "%02x", static_cast<unsigned char>(c));
    hex += two;
  }
  return hex;
}

// A record as only somebody who knows the salt can make it.
inline std::string Forge(std::string_view payload, uint64_t number, uint32_t salt, uint32_t synced) {
  std::string body;
  PutFixed32(&body, static_cast<uint32_t>(payload.size()));
  PutFixed32(&body, LogTag(number, salt));
  PutFixed32(&body, synced);
  body += payload;
  std::string record;
  PutFixed32(&record, MaskCrc(Crc32c(salt, body)));
  return record + body;
}

struct ReadBack {
  std::vector<std::string> records;
  LogReader::End end;
  uint64_t offset;
  uint64_t tail_bytes;
  bool earlier_durable;
  Status status;
};

inline ReadBack ReadLog(FileSystem* fs, uint64_t number = 7) {
  ReadBack result;
  LogReader reader;
  const Status opened = reader.Open(fs, kLog, number);
  EXPECT_EQ(opened.ToString(), reader.status().ToString());
  std::string_view payload;
  while (reader.Next(&payload)) result.records.emplace_back(payload);
  EXPECT_FALSE(reader.Next(&payload)) << "an end is an end";
  result.end = reader.end();
  result.offset = reader.offset();
  result.tail_bytes = reader.tail_bytes();
  result.earlier_durable = reader.earlier_durable();
  result.status = reader.status();
  return result;
}

using Records = std::vector<std::string>;

}  // namespace varve::lsm
