// resp/parser.h - bytes in pieces -> requests.
//
//   request   | '*' count CRLF | ('$' length CRLF | bytes | CRLF) x count |     an array of bulk strings
//             | words separated by blanks | LF or CRLF |                        inline; a word may be quoted:
//                                                        "..." with \n \r \t \b \a \xHH, '...' with \'
//
// The caller keeps one contiguous read buffer. It hands over what is not yet consumed; the parser remembers how far
// into the current request it came, so each byte is looked at once however the request was split. Arguments are views
// into that buffer (inline arguments: into the parser), valid until the buffer changes or Parse is called again.
//   while (true) {
//     switch (parser.Parse(unconsumed, limits)) {
//       case kRequest:  run(parser.args());  drop parser.consumed() bytes;  continue;
//       case kNeedMore: drop parser.consumed() bytes;  read more, growing the buffer as bytes arrive;  break;
//       case kError:    send "-ERR " + parser.error(), close;  break;
//     }
//   }
// Between calls the buffer may move, as long as the unconsumed bytes stay in order. A declared length never allocates:
// memory follows the bytes that came. `*0`, `*-1` and blank lines are no requests and are skipped.
// After kError the connection is beyond repair: only Reset() makes the parser usable again. Error texts are Redis' own.
// Ownership: a Parser belongs to one connection. Threads: one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace varve::resp {

using Args = std::span<const std::string_view>;

struct ParserLimits {
  size_t args_max = size_t{1024} * 1024;
  size_t bulk_bytes_max = size_t{512} * 1024 * 1024;     // proto-max-bulk-len
  size_t inline_bytes_max = size_t{64} * 1024;           // an inline request, or the digits of a length
  size_t request_bytes_max = size_t{576} * 1024 * 1024;  // one whole request: 64 MiB and the largest bulk
  bool authenticated = true;                             // decides the error text of a length above the limit

  // 10 arguments of at most 16 KiB: enough for AUTH and HELLO.
  static ParserLimits BeforeAuth() {
    return {.args_max = 10,
            .bulk_bytes_max = 16 * 1024,
            .inline_bytes_max = 64 * 1024,
            .request_bytes_max = 256 * 1024,
            .authenticated = false};
  }
  static ParserLimits AfterAuth(size_t bulk_bytes_max) {
    return {.bulk_bytes_max = bulk_bytes_max, .request_bytes_max = (size_t{64} * 1024 * 1024) + bulk_bytes_max};
  }
};

enum class ParseResult : uint8_t { kRequest, kNeedMore, kError };

class Parser {
 public:
  ParseResult Parse(std::string_view data, const ParserLimits& limits);

  Args args() const { return args_; }
  // Bytes at the front of the last `data` that are done with (a request, and blank ones before it).
  size_t consumed() const { return consumed_; }
  // "Protocol error: ..." without the leading "ERR ".
  const std::string& error() const { return error_; }
  // After kNeedMore inside a bulk: how many bytes are still to come for it at least; else 1. A hint for the next read,
  // never a reason to allocate that much.
  size_t missing_bytes() const { return missing_bytes_; }
  // What the arguments' places take, apart from the caller's buffer.
  size_t memory_bytes() const {
    return slices_.capacity() * sizeof(Slice) + args_.capacity() * sizeof(std::string_view) + inline_bytes_.capacity();
  }
  void Reset();

 private:
  struct Slice {
    size_t offset;
    size_t size;
  };
  enum class Step : uint8_t { kMore, kDone, kSkip, kFail };

  Step ParseOne(std::string_view data, const ParserLimits& limits);
  Step ParseInline(std::string_view data, const ParserLimits& limits);
  Step ParseCount(std::string_view data, const ParserLimits& limits);
  Step ParseBulks(std::string_view data, const ParserLimits& limits);
  Step ParseBulkLength(std::string_view data, const ParserLimits& limits);
  bool SplitInline(std::string_view line);
  // The '\r' that ends the line at offset_, or npos; remembers how far it looked.
  size_t FindLineEnd(std::string_view data, char end);
  void StartRequest();
  Step Fail(std::string message);

  // Of the request being read; offsets count from its first byte.
  size_t offset_ = 0;        // parsed up to here
  size_t scanned_ = 0;       // no line end between offset_ and here
  int64_t bulks_left_ = -1;  // -1: the count is not read yet
  int64_t bulk_size_ = -1;   // -1: the length is not read yet
  std::vector<Slice> slices_;

  std::vector<std::string_view> args_;
  std::string inline_bytes_;  // unquoted arguments of an inline request
  size_t consumed_ = 0;
  size_t missing_bytes_ = 1;
  bool failed_ = false;
  std::string error_;
};

}  // namespace varve::resp
