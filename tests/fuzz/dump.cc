// tests/fuzz/dump.cc - F11: the payload of RESTORE, and the HyperLogLogs that may be in one.
//
//   | what the rest is : u8 |   0  a payload without its footer
//                               1  a whole payload
//                               2  a value to be dumped
//                               3  a HyperLogLog, then what is counted in it
//
// What is taken is no longer than allowed, and is dumped and read back as it is. A sound HyperLogLog stays sound.
#include <gtest/gtest.h>

#include <string>

#include "keyspace/dump.h"
#include "keyspace/hyperloglog.h"
#include "tests/fuzz/fuzz_input.h"

namespace varve::keyspace {
namespace {

constexpr size_t kSizeMax = 64 * 1024;

void TryValue(std::string_view value) {
  std::string payload;
  EncodeDump(value, &payload);
  EXPECT_LE(payload.size(), value.size() + 16);
  std::string again;
  EXPECT_TRUE(DecodeDump(payload, value.size() + 1, &again) == DumpCheck::kSound);
  EXPECT_EQ(again, value);
}

void TryPayload(std::string_view payload) {
  std::string value;
  if (DecodeDump(payload, kSizeMax, &value) != DumpCheck::kSound) return;
  EXPECT_LE(value.size(), kSizeMax);
  TryValue(value);
}

void TryBody(std::string_view body) {
  std::string payload(body);
  payload += std::string("\x0a\0", 2);
  const uint64_t crc = DumpChecksum(payload);
  payload.append(reinterpret_cast<const char*>(&crc), sizeof(crc));
  TryPayload(payload);
}

void TryHyperLogLog(fuzz::FuzzInput* input) {
  const size_t sparse_size_max = input->Number(2);
  const std::string element(input->Text());
  std::string bytes(input->Rest());
  if (CheckHyperLogLog(bytes) != HllCheck::kSound) return;
  const std::string before = bytes;
  const uint64_t estimate = HllEstimate(bytes);
  HllRegisters registers{};
  HllMaximum(bytes, &registers);
  EXPECT_EQ(HllEstimate(registers), estimate);
  EXPECT_TRUE(!HllIsSparse(bytes) || !HllDescribeRuns(bytes).empty());
  const bool grew = HllAdd(element, sparse_size_max, &bytes);
  EXPECT_TRUE(CheckHyperLogLog(bytes) == HllCheck::kSound);
  EXPECT_FALSE(HllAdd(element, sparse_size_max, &bytes));
  EXPECT_TRUE(grew || bytes == before);
  HllMakeDense(&bytes);
  EXPECT_TRUE(CheckHyperLogLog(bytes) == HllCheck::kSound);
}

}  // namespace
}  // namespace varve::keyspace

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace varve::keyspace;
  varve::fuzz::FuzzInput input(data, size);
  switch (input.Below(4)) {
    case 0: TryBody(input.Rest()); break;
    case 1: TryPayload(input.Rest()); break;
    case 2: TryValue(input.Rest()); break;
    default: TryHyperLogLog(&input);
  }
  return 0;
}
