// tests/fuzz/resp_reply.cc - F2: what the server says is what a client that knows the protocol only reads.
//
//   | protocol : u8 | then, for each value, its kind : u8 and what the kind needs |
//
// The values are written by resp/reply.* and read by tests/resp/reply_decoder.h; what was to be said and what was read
// are equal. Cut short anywhere, the bytes are an unfinished reply and no other one.
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "resp/reply.h"
#include "tests/fuzz/fuzz_input.h"
#include "tests/resp/reply_decoder.h"

namespace varve::resp {
namespace {

constexpr int kDepthMax = 6;
constexpr size_t kOutputMax = 64 * 1024;
constexpr size_t kCutMax = 512;  // longer outputs are not cut everywhere

// Lines cannot hold breaks: they come as blanks.
std::string Flat(std::string_view text) {
  std::string flat(text);
  for (char& c : flat) c = c == '\r' || c == '\n' ? ' ' : c;
  return flat;
}

class Speaker {
 public:
  Speaker(fuzz::FuzzInput* input, int protocol) : input_(input), protocol_(protocol), reply_(&out_, protocol) {}

  // Says something; returns what a client should make of it.
  ReplyValue Say(int depth = 0) {
    const uint64_t kind = input_->Below(depth < kDepthMax ? 18 : 10);
    switch (kind) {
      case 0: return Text('+', &Reply::Simple);
      case 1: return Text('-', &Reply::Error);
      case 2: reply_.Ok(); return {.mark = '+', .text = "OK"};
      case 3: return Integer();
      case 4: return Bulk();
      case 5: reply_.Null(); return Null('$');
      case 6: reply_.NullArray(); return Null('*');
      case 7: return Double();
      case 8: return BoolOrBigNumber();
      case 9: return Verbatim();
      case 10: return TakenBack(depth);
      case 11:
      case 12: return Counted(depth, kind == 11);
      default: return Aggregate(depth, kind);
    }
  }
  const std::string& out() const { return out_; }

 private:
  ReplyValue Null(char mark2) const {
    return protocol_ == 2 ? ReplyValue{.mark = mark2, .is_null = true} : ReplyValue{.mark = '_'};
  }
  ReplyValue Text(char mark, void (Reply::*say)(std::string_view)) {
    const std::string_view text = input_->Text();
    (reply_.*say)(text);
    return {.mark = mark, .text = Flat(text)};
  }
  ReplyValue Integer() {
    const auto number = static_cast<int64_t>(input_->Number(8));
    reply_.Integer(number);
    return {.mark = ':', .number = number};
  }
  ReplyValue Bulk() {
    const std::string_view bytes = input_->Text();
    reply_.Bulk(bytes);
    return {.mark = '$', .text = std::string(bytes)};
  }
  ReplyValue Double() {
    const uint64_t bits = input_->Number(8);
    double value;
    std::memcpy(&value, &bits, sizeof value);
    reply_.Double(value);
    const std::string digits = FormatDouble(value);
    const double again = std::strtod(digits.c_str(), nullptr);
    EXPECT_TRUE(std::isnan(value) ? std::isnan(again) : std::memcmp(&again, &value, sizeof value) == 0) << digits;
    return {.mark = protocol_ == 2 ? '$' : ',', .text = digits};
  }
  ReplyValue BoolOrBigNumber() {
    if (input_->Flag()) {
      const bool value = input_->Flag();
      reply_.Bool(value);
      return {.mark = protocol_ == 2 ? ':' : '#', .number = value ? 1 : 0};
    }
    const std::string_view digits = input_->Text();
    reply_.BigNumber(digits);
    return {.mark = protocol_ == 2 ? '$' : '(', .text = protocol_ == 2 ? std::string(digits) : Flat(digits)};
  }
  ReplyValue Verbatim() {
    const std::string format = input_->Flag() ? "txt" : "mkd", text(input_->Text());
    reply_.Verbatim(format, text);
    if (protocol_ == 2) return {.mark = '$', .text = text};
    return {.mark = '=', .text = format + ":" + text};
  }
  // Something else was said first.
  ReplyValue TakenBack(int depth) {
    const size_t mark = out_.size();
    Say(depth + 1);
    reply_.Rewind(mark);
    return Say(depth + 1);
  }
  std::vector<ReplyValue> Items(size_t count, int depth) {
    std::vector<ReplyValue> items;
    for (size_t i = 0; i < count && out_.size() < kOutputMax; ++i) items.push_back(Say(depth + 1));
    while (items.size() < count) {
      reply_.Null();
      items.push_back(Null('$'));
    }
    return items;
  }
  // The header comes when the count is known.
  ReplyValue Counted(int depth, bool map) {
    const size_t mark = out_.size(), count = input_->Below(5);
    ReplyValue value{.mark = map && protocol_ == 3 ? '%' : '*', .items = Items(map ? 2 * count : count, depth)};
    map ? reply_.MapAt(mark, count) : reply_.ArrayAt(mark, count);
    return value;
  }
  ReplyValue Aggregate(int depth, uint64_t kind) {
    const size_t count = input_->Below(5);
    char mark = '*';
    switch (kind) {
      case 13:
        reply_.Map(count);
        mark = '%';
        break;
      case 14:
        reply_.Set(count);
        mark = '~';
        break;
      case 15:
        reply_.Push(count);
        mark = '>';
        break;
      default: reply_.Array(count);
    }
    return {.mark = protocol_ == 2 ? '*' : mark, .items = Items(mark == '%' ? 2 * count : count, depth)};
  }

  fuzz::FuzzInput* const input_;
  const int protocol_;
  std::string out_;
  Reply reply_;
};

}  // namespace
}  // namespace varve::resp

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace varve::resp;
  varve::fuzz::FuzzInput input(data, size);
  Speaker speaker(&input, input.Flag() ? 3 : 2);
  std::vector<ReplyValue> said;
  std::vector<size_t> ends{0};
  while (!input.empty() && speaker.out().size() < kOutputMax) {
    said.push_back(speaker.Say());
    ends.push_back(speaker.out().size());
  }
  ReplyDecoder decoder(speaker.out());
  ReplyValue value;
  for (const ReplyValue& want : said) {
    EXPECT_EQ(decoder.Next(&value), ReplyResult::kValue);
    EXPECT_TRUE(value == want) << speaker.out();
  }
  EXPECT_TRUE(decoder.at_end());
  for (size_t i = 1; i < ends.size() && ends[i] <= kCutMax; ++i) {
    for (size_t cut = ends[i - 1]; cut < ends[i]; ++cut) {
      ReplyDecoder half(std::string_view(speaker.out()).substr(ends[i - 1], cut - ends[i - 1]));
      EXPECT_EQ(half.Next(&value), ReplyResult::kNeedMore) << "cut at " << cut;
    }
  }
  return 0;
}
