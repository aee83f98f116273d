// tests/resp/reply_decoder.h - reads replies back: written from the protocol's description (RESP2 and RESP3), not from
// resp/reply.*, and strict: numbers in their one canonical form, nothing between the values.
#pragma once

#include <charconv>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace varve::resp {

struct ReplyValue {
  char mark = '_';                     // + - : $ * _ # , ( = % ~ >
  bool is_null = false;                // RESP2's $-1 and *-1; RESP3's null is a mark of its own
  int64_t number = 0;                  // of : and # (0 or 1)
  std::string text = {};               // of + - $ , ( and = (with its format: "txt:...")
  std::vector<ReplyValue> items = {};  // of * % ~ >; key, value, key, value, ... of a map
  bool operator==(const ReplyValue&) const = default;
};

enum class ReplyResult : uint8_t { kValue, kNeedMore, kError };

class ReplyDecoder {
 public:
  explicit ReplyDecoder(std::string_view bytes) : bytes_(bytes) {}

  // The next value; kNeedMore when the bytes end before it does.
  ReplyResult Next(ReplyValue* value) { return Read(value, 0); }
  bool at_end() const { return at_ == bytes_.size(); }

 private:
  static constexpr int kDepthMax = 64;

  // The line from at_ on, without its CRLF; a CR or LF of its own makes it none.
  ReplyResult Line(std::string_view* line) {
    const size_t end = bytes_.find_first_of("\r\n", at_);
    if (end == std::string_view::npos || end + 1 == bytes_.size()) return ReplyResult::kNeedMore;
    if (bytes_[end] != '\r' || bytes_[end + 1] != '\n') return ReplyResult::kError;
    *line = bytes_.substr(at_, end - at_);
    at_ = end + 2;
    return ReplyResult::kValue;
  }
  static bool Number(std::string_view text, int64_t* number) {
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), *number);
    return error == std::errc() && end == text.data() + text.size() && std::to_string(*number) == text;
  }

  ReplyResult Read(ReplyValue* value, int depth) {
    *value = {};
    if (at_ == bytes_.size()) return ReplyResult::kNeedMore;
    if (depth > kDepthMax) return ReplyResult::kError;
    value->mark = bytes_[at_++];
    std::string_view line;
    if (const ReplyResult result = Line(&line); result != ReplyResult::kValue) return result;
    const auto valid = [](bool holds) { return holds ? ReplyResult::kValue : ReplyResult::kError; };
    switch (value->mark) {
      case '+':
      case '-':
      case ',':
      case '(': value->text = line; return ReplyResult::kValue;
      case '_': return valid(line.empty());
      case '#': value->number = line == "t" ? 1 : 0; return valid(line == "t" || line == "f");
      case ':': return valid(Number(line, &value->number));
      case '$':
      case '=': return ReadBulk(line, value);
      case '*':
      case '%':
      case '~':
      case '>': return ReadItems(line, depth, value);
      default: return ReplyResult::kError;
    }
  }
  ReplyResult ReadBulk(std::string_view line, ReplyValue* value) {
    int64_t size = 0;
    if (!Number(line, &size) || size < -1) return ReplyResult::kError;
    value->is_null = size == -1;
    if (value->is_null) return value->mark == '$' ? ReplyResult::kValue : ReplyResult::kError;
    const auto bytes = static_cast<size_t>(size);
    if (bytes_.size() - at_ < bytes || bytes_.size() - at_ - bytes < 2) return ReplyResult::kNeedMore;
    value->text = bytes_.substr(at_, bytes);
    if (bytes_.substr(at_ + bytes, 2) != "\r\n") return ReplyResult::kError;
    if (value->mark == '=' && (bytes < 4 || value->text[3] != ':')) return ReplyResult::kError;
    at_ += bytes + 2;
    return ReplyResult::kValue;
  }
  ReplyResult ReadItems(std::string_view line, int depth, ReplyValue* value) {
    int64_t count = 0;
    if (!Number(line, &count) || count < -1 || count > INT32_MAX) return ReplyResult::kError;
    value->is_null = count == -1;
    if (value->is_null) return value->mark == '*' ? ReplyResult::kValue : ReplyResult::kError;
    for (int64_t left = value->mark == '%' ? 2 * count : count; left > 0; --left) {
      const ReplyResult result = Read(&value->items.emplace_back(), depth + 1);
      if (result != ReplyResult::kValue) return result;
    }
    return ReplyResult::kValue;
  }

  const std::string_view bytes_;
  size_t at_ = 0;
};

}  // namespace varve::resp
