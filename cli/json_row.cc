#include "cli/json_row.h"

#include <charconv>
#include <cstdint>
#include <optional>

#include "lsm/dump.h"
#include "lsm/stats_text.h"

namespace varve::cli {

namespace {

class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {}

  lsm::Result<Row> Parse() {
    std::optional<std::string> key, value;
    uint64_t expire_at_ms = 0;
    if (!Take('{')) return Expected("{");
    do {
      std::string name, text;
      if (!String(&name) || (name != "key" && name != "value" && name != "expire_at_ms"))
        return Expected("\"key\", \"value\" or \"expire_at_ms\"");
      std::optional<std::string>& member = name == "key" ? key : value;
      const bool is_expiry = name == "expire_at_ms";
      if (is_expiry ? expire_at_ms != 0 : member.has_value()) return Expected("each member once");
      if (!Take(':')) return Expected(":");
      if (is_expiry) {
        if (!Number(&expire_at_ms) || expire_at_ms == 0) return Expected("a whole number above 0");
        continue;
      }
      if (!String(&text)) return Expected("a string");
      auto bytes = lsm::UnescapeBytes(text);
      if (!bytes.ok()) return bytes.status();
      member = std::move(bytes).value();
    } while (Take(','));
    if (!Take('}')) return Expected("}");
    SkipBlanks();
    if (at_ != text_.size()) return Expected("the end of the line");
    if (!key || !value) return Expected("both \"key\" and \"value\"");
    return Row{std::move(*key), std::move(*value), expire_at_ms};
  }

 private:
  lsm::Status Expected(std::string_view what) const {
    return lsm::Status::InvalidArgument("character " + std::to_string(at_ + 1) + ": want " + std::string(what) +
                                        R"(; a row is {"key":"a","value":"b"})");
  }
  void SkipBlanks() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\t' || text_[at_] == '\r')) ++at_;
  }
  bool Take(char c) {
    SkipBlanks();
    if (at_ == text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }

  bool Number(uint64_t* out) {
    SkipBlanks();
    const auto parsed = std::from_chars(text_.data() + at_, text_.data() + text_.size(), *out);
    at_ = static_cast<size_t>(parsed.ptr - text_.data());
    return parsed.ec == std::errc();
  }

  bool String(std::string* out) {
    if (!Take('"')) return false;
    while (at_ < text_.size()) {
      const char c = text_[at_++];
      if (c == '"') return true;
      if (c != '\\') {
        *out += c;
      } else if (!Escape(out)) {
        return false;
      }
    }
    return false;
  }

  bool Escape(std::string* out) {
    if (at_ == text_.size()) return false;
    switch (text_[at_++]) {
      case '"': *out += '"'; return true;
      case '\\': *out += '\\'; return true;
      case '/': *out += '/'; return true;
      case 'b': *out += '\b'; return true;
      case 'f': *out += '\f'; return true;
      case 'n': *out += '\n'; return true;
      case 'r': *out += '\r'; return true;
      case 't': *out += '\t'; return true;
      case 'u': return Unicode(out);
      default: return false;
    }
  }

  bool Hex4(uint32_t* code) {
    *code = 0;
    for (int i = 0; i < 4; ++i) {
      if (at_ == text_.size()) return false;
      const int digit = lsm::HexDigit(text_[at_++]);
      if (digit < 0) return false;
      *code = *code * 16 + static_cast<uint32_t>(digit);
    }
    return true;
  }

  bool Unicode(std::string* out) {
    uint32_t code = 0, low = 0;
    if (!Hex4(&code)) return false;
    if (code >= 0xdc00 && code < 0xe000) return false;
    if (code >= 0xd800 && code < 0xdc00) {
      if (text_.substr(at_, 2) != "\\u") return false;
      at_ += 2;
      if (!Hex4(&low) || low < 0xdc00 || low >= 0xe000) return false;
      code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
    }
    const auto tail = [&](int shift) { *out += static_cast<char>(0x80 | (code >> shift & 0x3f)); };
    if (code < 0x80) {
      *out += static_cast<char>(code);
    } else if (code < 0x800) {
      *out += static_cast<char>(0xc0 | code >> 6), tail(0);
    } else if (code < 0x10000) {
      *out += static_cast<char>(0xe0 | code >> 12), tail(6), tail(0);
    } else {
      *out += static_cast<char>(0xf0 | code >> 18), tail(12), tail(6), tail(0);
    }
    return true;
  }

  const std::string_view text_;
  size_t at_ = 0;
};

}  // namespace

std::string JsonRow(std::string_view key, std::string_view value, uint64_t expire_at_ms) {
  std::string row =
      "{\"key\":" + lsm::JsonString(lsm::EscapeBytes(key)) + ",\"value\":" + lsm::JsonString(lsm::EscapeBytes(value));
  if (expire_at_ms != 0) row += ",\"expire_at_ms\":" + std::to_string(expire_at_ms);
  return row + "}";
}

lsm::Result<Row> ParseJsonRow(std::string_view line) {
  return Parser(line).Parse();
}

}  // namespace varve::cli
