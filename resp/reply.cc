#include "resp/reply.h"

#include <charconv>
#include <cmath>
#include <cstdio>

namespace varve::resp {
namespace {

// Longest int64 with its sign, mark and CRLF.
constexpr size_t kNumberSize = 24;

size_t FormatLine(char mark, int64_t value, char* buffer) {
  buffer[0] = mark;
  char* end = std::to_chars(buffer + 1, buffer + kNumberSize, value).ptr;
  *end++ = '\r';
  *end++ = '\n';
  return static_cast<size_t>(end - buffer);
}

}  // namespace

// Breaks inside a line would let a text forge further replies.
void Reply::Line(char mark, std::string_view text) {
  if (!Fits(text.size() + 3)) return;
  out_->push_back(mark);
  const size_t start = out_->size();
  out_->append(text.data(), text.size());
  for (size_t i = start; i < out_->size(); i++) {
    if ((*out_)[i] == '\r' || (*out_)[i] == '\n') (*out_)[i] = ' ';
  }
  out_->append("\r\n");
}

void Reply::Simple(std::string_view text) {
  Line('+', text);
}

void Reply::Error(std::string_view text) {
  errors_++;
  Line('-', text);
}

void Reply::Integer(int64_t value) {
  char buffer[kNumberSize];
  Raw({buffer, FormatLine(':', value, buffer)});
}

void Reply::Header(char mark, size_t count) {
  char buffer[kNumberSize];
  Raw({buffer, FormatLine(mark, static_cast<int64_t>(count), buffer)});
}

void Reply::HeaderAt(size_t position, char mark, size_t count) {
  char buffer[kNumberSize];
  out_->insert(position, buffer, FormatLine(mark, static_cast<int64_t>(count), buffer));
}

void Reply::Bulk(std::string_view bytes) {
  char buffer[kNumberSize];
  const size_t head = FormatLine('$', static_cast<int64_t>(bytes.size()), buffer);
  if (!Fits(head + bytes.size() + 2)) return;
  // At once: by its pieces it would take the room of the bytes first, and twice that for the end of the line.
  const size_t size = out_->size() + head + bytes.size() + 2;
  if (size > out_->capacity()) out_->reserve(size);
  out_->append(buffer, head);
  out_->append(bytes.data(), bytes.size());
  out_->append("\r\n", 2);
}

void Reply::Double(double value) {
  const std::string digits = FormatDouble(value);
  if (protocol_ == 2) return Bulk(digits);
  Line(',', digits);
}

void Reply::Bool(bool value) {
  if (protocol_ == 2) return Raw(value ? ":1\r\n" : ":0\r\n");
  Raw(value ? "#t\r\n" : "#f\r\n");
}

void Reply::BigNumber(std::string_view digits) {
  if (protocol_ == 2) return Bulk(digits);
  Line('(', digits);
}

void Reply::Verbatim(std::string_view format, std::string_view text) {
  if (protocol_ == 2) return Bulk(text);
  if (!Fits(kNumberSize + text.size() + 6)) return;
  Header('=', text.size() + 4);
  Raw(format.substr(0, 3));
  Raw(":");
  Raw(text);
  Raw("\r\n");
}

std::string FormatDouble(double value) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value > 0 ? "inf" : "-inf";
  char buffer[40];
  int size = snprintf(buffer, sizeof(buffer), "%.17g", value);
  return std::string(buffer, static_cast<size_t>(size));
}

}  // namespace varve::resp
