// resp/reply.h - values -> bytes, RESP2 or RESP3, appended straight to the connection's output buffer.
//
//              RESP2                       RESP3
//   Simple     +text CRLF                  the same
//   Error      -CODE text CRLF             the same
//   Integer    :n CRLF                     the same
//   Bulk       $size CRLF bytes CRLF       the same
//   Null       $-1 CRLF                    _ CRLF
//   NullArray  *-1 CRLF                    _ CRLF
//   Array      *n CRLF, then n values      the same
//   Map        *2n CRLF, then 2n values    %n CRLF, then 2n values
//   Set        *n CRLF                     ~n CRLF
//   Push       *n CRLF                     >n CRLF
//   Double     bulk of the digits          ,digits CRLF
//   Bool       :1 or :0 CRLF               #t or #f CRLF
//   BigNumber  bulk of the digits          (digits CRLF
//   Verbatim   bulk of the text            =size CRLF fmt:text CRLF
//   Attribute  none: RESP3 only            |n CRLF, then 2n values, then the reply they are about
//
// Simple and Error replace CR and LF by blanks, so no text can forge a second reply.
// A reply that would make the buffer larger than its limit is cut short: overflowed() says so, and its client is
// closed. Ownership: borrows the buffer. Threads: one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace varve::resp {

class Reply {
 public:
  Reply(std::string* out, int protocol, size_t bytes_max = SIZE_MAX)
      : out_(out), bytes_max_(bytes_max), protocol_(protocol) {}

  void Ok() { Raw("+OK\r\n"); }
  void Simple(std::string_view text);
  // `text` starts with its code: "ERR syntax error", "WRONGTYPE Operation against ...".
  void Error(std::string_view text);
  void Integer(int64_t value);
  void Bulk(std::string_view bytes);
  void Null() { Raw(protocol_ == 2 ? "$-1\r\n" : "_\r\n"); }
  void NullArray() { Raw(protocol_ == 2 ? "*-1\r\n" : "_\r\n"); }
  void Array(size_t count) { Header('*', count); }
  void Map(size_t pairs) { protocol_ == 2 ? Header('*', 2 * pairs) : Header('%', pairs); }
  void Set(size_t count) { Header(protocol_ == 2 ? '*' : '~', count); }
  void Push(size_t count) { Header(protocol_ == 2 ? '*' : '>', count); }
  void Attribute(size_t pairs) { Header('|', pairs); }
  void Double(double value);
  void Bool(bool value);
  void BigNumber(std::string_view digits);
  // `format` has three letters: "txt" or "mkd".
  void Verbatim(std::string_view format, std::string_view text);
  // For counts known only afterwards: puts the header of an array or map in front of what was appended since `mark`
  // (a size of out()). Moves those bytes once.
  void ArrayAt(size_t mark, size_t count) { HeaderAt(mark, '*', count); }
  void MapAt(size_t mark, size_t pairs) {
    HeaderAt(mark, protocol_ == 2 ? '*' : '%', protocol_ == 2 ? 2 * pairs : pairs);
  }
  // Takes back what was appended since `mark`, to give an error instead.
  void Rewind(size_t mark) { out_->resize(mark); }
  void Raw(std::string_view bytes) {
    if (Fits(bytes.size())) out_->append(bytes.data(), bytes.size());
  }

  int protocol() const { return protocol_; }
  void set_protocol(int protocol) { protocol_ = protocol; }
  std::string& out() { return *out_; }
  size_t errors() const { return errors_; }  // Error() calls so far
  bool overflowed() const { return overflowed_; }

 private:
  void Header(char mark, size_t count);
  void HeaderAt(size_t position, char mark, size_t count);
  void Line(char mark, std::string_view text);
  bool Fits(size_t more) {
    if (more <= bytes_max_ && out_->size() <= bytes_max_ - more) [[likely]]
      return true;
    overflowed_ = true;
    return false;
  }

  std::string* out_;
  const size_t bytes_max_;
  int protocol_;
  size_t errors_ = 0;
  bool overflowed_ = false;
};

// Redis' %.17g, which reads back as the same double; "inf", "-inf", "nan".
std::string FormatDouble(double value);

}  // namespace varve::resp
