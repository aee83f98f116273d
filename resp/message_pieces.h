// resp/message_pieces.h - one push message as views, for MessageSink: a head per protocol, the rest shared by all who
// get it, nothing copied and nothing allocated.
//
//   MessagePieces pieces;                            // RESP2: *2 ...   RESP3: >2 ...
//   pieces.Bulk("invalidate");
//   pieces.Raw("*1\r\n$3\r\nkey\r\n");               // one value, already as bytes
//   sink->Push(pieces.For(session.protocol), false);
//
// The bytes given must stay in place until then. At most kValuesMax values. Threads: one.
#pragma once

#include <array>
#include <cassert>
#include <charconv>
#include <cstddef>
#include <span>
#include <string_view>

namespace varve::resp {

class MessagePieces {
 public:
  static constexpr size_t kValuesMax = 4;

  MessagePieces() = default;
  MessagePieces(const MessagePieces&) = delete;
  MessagePieces& operator=(const MessagePieces&) = delete;

  void Bulk(std::string_view bytes) {
    assert(values_ < kValuesMax);
    pieces_[count_++] = Line('$', bytes.size(), &lines_[values_++]);
    pieces_[count_++] = bytes;
    pieces_[count_++] = "\r\n";
  }
  void Raw(std::string_view value) {
    assert(values_ < kValuesMax);
    values_++;
    pieces_[count_++] = value;
  }
  // An array of this one string.
  void ArrayOf(std::string_view bytes) {
    pieces_[count_++] = "*1\r\n";
    Bulk(bytes);
  }
  // Valid until the next call.
  std::span<const std::string_view> For(int protocol) {
    pieces_[0] = Line(protocol == 2 ? '*' : '>', values_, &head_);
    return {pieces_.data(), count_};
  }

 private:
  using Buffer = std::array<char, 24>;

  static std::string_view Line(char mark, size_t number, Buffer* buffer) {
    buffer->front() = mark;
    char* end = std::to_chars(buffer->data() + 1, buffer->data() + buffer->size() - 2, number).ptr;
    *end++ = '\r';
    *end++ = '\n';
    return {buffer->data(), static_cast<size_t>(end - buffer->data())};
  }

  std::array<std::string_view, 1 + 4 * kValuesMax> pieces_;
  std::array<Buffer, kValuesMax> lines_;
  Buffer head_;
  size_t count_ = 1;
  size_t values_ = 0;
};

}  // namespace varve::resp
