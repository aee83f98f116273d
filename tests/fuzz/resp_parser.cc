// tests/fuzz/resp_parser.cc - F1: requests from the network, however they are cut.
//
//   | limits : u8 | longest piece : u8 | seed of the cuts : u16 | the stream |
//
// In pieces the stream gives the same requests, the same error and the same rest as in one; requests hold no more bytes
// than came; and written as arrays of bulk strings they read back as they were.
#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include "tests/fuzz/fuzz_input.h"
#include "tests/resp/parse_pieces.h"

namespace varve::resp {
namespace {

// Those on what a request declares. The ones on what came are far above a fuzzer's input.
ParserLimits LimitsOf(uint64_t choice) {
  switch (choice) {
    case 0: return {};
    case 1: return ParserLimits::BeforeAuth();
    default: return {.args_max = 3, .bulk_bytes_max = 8};
  }
}

std::vector<std::string_view> Cut(std::string_view stream, size_t longest, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::vector<std::string_view> pieces;
  while (!stream.empty()) {
    pieces.push_back(stream.substr(0, 1 + random() % longest));
    stream.remove_prefix(pieces.back().size());
  }
  return pieces;
}

std::string Encoded(const std::vector<Request>& requests) {
  std::string out;
  for (const Request& request : requests) {
    out += "*" + std::to_string(request.size()) + "\r\n";
    for (const std::string& word : request) out += "$" + std::to_string(word.size()) + "\r\n" + word + "\r\n";
  }
  return out;
}

}  // namespace
}  // namespace varve::resp

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace varve::resp;
  varve::fuzz::FuzzInput input(data, size);
  const ParserLimits limits = LimitsOf(input.Below(3));
  const size_t longest = 1 + input.Number(1);
  const uint64_t seed = input.Number(2);
  const std::string_view stream = input.Rest();

  const Outcome whole = ParsePieces({stream}, limits);
  EXPECT_EQ(ParsePieces(Cut(stream, longest, seed), limits), whole);
  size_t bytes = whole.left;
  for (const Request& request : whole.requests) {
    EXPECT_FALSE(request.empty());
    for (const std::string& word : request) bytes += word.size();
  }
  EXPECT_LE(bytes, stream.size());
  EXPECT_EQ(ParsePieces({Encoded(whole.requests)}, {}), (Outcome{whole.requests, {}, 0}));
  return 0;
}
