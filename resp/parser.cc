#include "resp/parser.h"

#include <algorithm>
#include <climits>
#include <cstring>

#include "resp/numbers.h"

namespace varve::resp {
namespace {

constexpr size_t kNpos = std::string_view::npos;
// Above these the vectors are given back after a request, so that one huge MSET does not hold its memory for ever.
constexpr size_t kKeptArgs = 1024;

bool IsBlank(char c) {
  return c == ' ' || (c >= '\t' && c <= '\r');
}

// What ends a word is not quite what separates words.
bool EndsWord(char c) {
  return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

char Unescape(char c) {
  switch (c) {
    case 'n': return '\n';
    case 'r': return '\r';
    case 't': return '\t';
    case 'b': return '\b';
    case 'a': return '\a';
    default: return c;
  }
}

// Reads the inside of a "..." word from line[*at]; false when it does not end, or does not end before a blank.
bool ReadDoubleQuoted(std::string_view line, size_t* at, std::string* out) {
  size_t p = *at;
  while (p < line.size()) {
    const char c = line[p];
    if (c == '\\' && p + 3 < line.size() && line[p + 1] == 'x' && HexDigit(line[p + 2]) >= 0 &&
        HexDigit(line[p + 3]) >= 0) {
      out->push_back(static_cast<char>(HexDigit(line[p + 2]) * 16 + HexDigit(line[p + 3])));
      p += 4;
    } else if (c == '\\' && p + 1 < line.size()) {
      out->push_back(Unescape(line[p + 1]));
      p += 2;
    } else if (c == '"') {
      *at = p + 1;
      return p + 1 == line.size() || IsBlank(line[p + 1]);
    } else {
      out->push_back(c);
      p++;
    }
  }
  return false;
}

bool ReadSingleQuoted(std::string_view line, size_t* at, std::string* out) {
  size_t p = *at;
  while (p < line.size()) {
    if (line[p] == '\\' && p + 1 < line.size() && line[p + 1] == '\'') {
      out->push_back('\'');
      p += 2;
    } else if (line[p] == '\'') {
      *at = p + 1;
      return p + 1 == line.size() || IsBlank(line[p + 1]);
    } else {
      out->push_back(line[p++]);
    }
  }
  return false;
}

}  // namespace

ParseResult Parser::Parse(std::string_view data, const ParserLimits& limits) {
  consumed_ = 0;
  missing_bytes_ = 1;
  if (failed_) return ParseResult::kError;
  while (true) {
    switch (ParseOne(data.substr(consumed_), limits)) {
      case Step::kDone:
        consumed_ += offset_;
        StartRequest();
        return ParseResult::kRequest;
      case Step::kSkip:
        consumed_ += offset_;
        StartRequest();
        break;
      case Step::kMore:
        if (data.size() - consumed_ <= limits.request_bytes_max) return ParseResult::kNeedMore;
        (void)Fail("Protocol error: request is longer than " + std::to_string(limits.request_bytes_max) + " bytes");
        return ParseResult::kError;
      case Step::kFail: return ParseResult::kError;
    }
  }
}

void Parser::Reset() {
  StartRequest();
  args_.clear();
  consumed_ = 0;
  missing_bytes_ = 1;
  failed_ = false;
  error_.clear();
}

void Parser::StartRequest() {
  offset_ = 0;
  scanned_ = 0;
  bulks_left_ = -1;
  bulk_size_ = -1;
  slices_.clear();
  if (slices_.capacity() > kKeptArgs) slices_ = {};
}

Parser::Step Parser::Fail(std::string message) {
  failed_ = true;
  error_ = std::move(message);
  return Step::kFail;
}

Parser::Step Parser::ParseOne(std::string_view data, const ParserLimits& limits) {
  if (data.empty()) return Step::kMore;
  if (data[0] != '*') return ParseInline(data, limits);
  if (bulks_left_ < 0) {
    Step step = ParseCount(data, limits);
    if (step != Step::kDone) return step;
  }
  return ParseBulks(data, limits);
}

size_t Parser::FindLineEnd(std::string_view data, char end) {
  const size_t from = std::max(offset_, scanned_);
  const void* found = from < data.size() ? memchr(data.data() + from, end, data.size() - from) : nullptr;
  if (found == nullptr) {
    scanned_ = data.size();
    return kNpos;
  }
  return static_cast<size_t>(static_cast<const char*>(found) - data.data());
}

Parser::Step Parser::ParseCount(std::string_view data, const ParserLimits& limits) {
  const size_t end = FindLineEnd(data, '\r');
  if (end == kNpos) {
    return data.size() > limits.inline_bytes_max ? Fail("Protocol error: too big mbulk count string") : Step::kMore;
  }
  if (end + 1 >= data.size()) return Step::kMore;  // the LF is still to come
  int64_t count = 0;
  if (!ParseInt64(data.substr(1, end - 1), &count) || count > INT_MAX) {
    return Fail("Protocol error: invalid multibulk length");
  }
  if (count > static_cast<int64_t>(limits.args_max)) {
    return Fail(limits.authenticated ? "Protocol error: invalid multibulk length"
                                     : "Protocol error: unauthenticated multibulk length");
  }
  offset_ = end + 2;
  if (count <= 0) return Step::kSkip;
  bulks_left_ = count;
  return Step::kDone;
}

Parser::Step Parser::ParseBulks(std::string_view data, const ParserLimits& limits) {
  while (bulks_left_ > 0) {
    if (bulk_size_ < 0) {
      Step step = ParseBulkLength(data, limits);
      if (step != Step::kDone) return step;
    }
    const size_t size = static_cast<size_t>(bulk_size_);
    const size_t have = data.size() - offset_;
    if (have < size + 2) {
      missing_bytes_ = size + 2 - have;
      return Step::kMore;
    }
    slices_.push_back({offset_, size});
    offset_ += size + 2;  // the CRLF behind a bulk is skipped unread, as Redis does
    bulk_size_ = -1;
    bulks_left_--;
  }
  if (args_.capacity() > kKeptArgs && slices_.size() <= kKeptArgs) args_ = {};
  args_.clear();
  for (const Slice& slice : slices_) args_.push_back(data.substr(slice.offset, slice.size));
  return Step::kDone;
}

Parser::Step Parser::ParseBulkLength(std::string_view data, const ParserLimits& limits) {
  if (offset_ >= data.size()) return Step::kMore;
  const size_t end = FindLineEnd(data, '\r');
  if (end == kNpos) {
    return data.size() - offset_ > limits.inline_bytes_max ? Fail("Protocol error: too big bulk count string")
                                                           : Step::kMore;
  }
  if (end + 1 >= data.size()) return Step::kMore;
  if (data[offset_] != '$') {
    return Fail(std::string("Protocol error: expected '$', got '") + data[offset_] + "'");
  }
  int64_t size = 0;
  if (!ParseInt64(data.substr(offset_ + 1, end - offset_ - 1), &size) || size < 0) {
    return Fail("Protocol error: invalid bulk length");
  }
  if (size > static_cast<int64_t>(limits.bulk_bytes_max)) {
    return Fail(limits.authenticated ? "Protocol error: invalid bulk length"
                                     : "Protocol error: unauthenticated bulk length");
  }
  offset_ = end + 2;
  bulk_size_ = size;
  return Step::kDone;
}

Parser::Step Parser::ParseInline(std::string_view data, const ParserLimits& limits) {
  const size_t end = FindLineEnd(data, '\n');
  if (end == kNpos) {
    return data.size() > limits.inline_bytes_max ? Fail("Protocol error: too big inline request") : Step::kMore;
  }
  offset_ = end + 1;
  std::string_view line = data.substr(0, end);
  if (line.size() > limits.inline_bytes_max) return Fail("Protocol error: too big inline request");
  if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
  if (!SplitInline(line)) return Fail("Protocol error: unbalanced quotes in request");
  return args_.empty() ? Step::kSkip : Step::kDone;
}

// Words as Redis' sdssplitargs: a quoted part may stand behind plain characters and must be followed by a blank. A NUL
// ends the line.
bool Parser::SplitInline(std::string_view line) {
  line = line.substr(0, line.find('\0'));
  inline_bytes_.clear();
  inline_bytes_.reserve(line.size());  // unquoting never lengthens, so the views below stay valid
  args_.clear();
  size_t p = 0;
  while (true) {
    while (p < line.size() && IsBlank(line[p])) p++;
    if (p == line.size()) return true;
    const size_t start = inline_bytes_.size();
    while (p < line.size() && !EndsWord(line[p])) {
      const char c = line[p++];
      if (c == '"') {
        if (!ReadDoubleQuoted(line, &p, &inline_bytes_)) return false;
      } else if (c == '\'') {
        if (!ReadSingleQuoted(line, &p, &inline_bytes_)) return false;
      } else {
        inline_bytes_.push_back(c);
      }
    }
    args_.push_back(std::string_view(inline_bytes_).substr(start));
  }
}

}  // namespace varve::resp
