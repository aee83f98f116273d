#include "keyspace/dump.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <vector>

namespace varve::keyspace {
namespace {

constexpr char kStringType = 0;
constexpr uint16_t kVersion = 10;
constexpr size_t kFooterSize = 10;
constexpr uint8_t kInt8 = 0xc0;
constexpr uint8_t kInt16 = 0xc1;
constexpr uint8_t kInt32 = 0xc2;
constexpr uint8_t kPacked = 0xc3;
constexpr uint8_t kLength32 = 0x80;
constexpr uint8_t kLength64 = 0x81;
constexpr size_t kNumberDigitsMax = 11;  // of an int32, with its sign
constexpr size_t kPackAbove = 20;
constexpr size_t kPackSaves = 4;

uint8_t ByteAt(std::string_view bytes, size_t at) {
  return static_cast<uint8_t>(bytes[at]);
}

// --- CRC-64 ---

constexpr std::array<uint64_t, 256> MakeCrcTable() {
  constexpr uint64_t kJonesReflected = 0x95ac9329ac4bc9b5;
  std::array<uint64_t, 256> table{};
  for (uint64_t i = 0; i < table.size(); i++) {
    uint64_t crc = i;
    for (int bit = 0; bit < 8; bit++) crc = crc >> 1 ^ ((crc & 1) != 0 ? kJonesReflected : 0);
    table[i] = crc;
  }
  return table;
}
constexpr std::array<uint64_t, 256> kCrcTable = MakeCrcTable();

template <typename Number>
void AppendLittleEndian(Number number, std::string* out) {
  out->append(reinterpret_cast<const char*>(&number), sizeof(number));
}

// --- LZF ---

constexpr size_t kLiteralsMax = 32;
constexpr size_t kDistanceMax = 1 << 13;
constexpr size_t kMatchMax = (1 << 8) + (1 << 3);
constexpr size_t kTableBits = 16;
constexpr size_t kLongestGain = (kMatchMax + 2) / 3;  // bytes out of one in

// Where each three bytes were met last: by a hash of them, offsets from the front. 0 says nowhere as well.
class LzfTable {
 public:
  explicit LzfTable(std::string_view in) : in_(in), places_(size_t{1} << kTableBits) {}

  // Remembers `at`; returns what was remembered in its place.
  size_t Exchange(size_t at) {
    const uint32_t h = static_cast<uint32_t>(ByteAt(in_, at)) << 16 | static_cast<uint32_t>(ByteAt(in_, at + 1)) << 8 |
                       ByteAt(in_, at + 2);
    uint32_t& place = places_[((h >> (24 - kTableBits)) - h * 5) & ((1u << kTableBits) - 1)];
    const size_t before = place;
    place = static_cast<uint32_t>(at);
    return before;
  }
  bool Matches(size_t before, size_t at) const {
    return before != 0 && at - before <= kDistanceMax && memcmp(in_.data() + before, in_.data() + at, 3) == 0;
  }
  // Of a match of three bytes or more, as far as Redis looks: not into the last two bytes of the input, unless they are
  // among the first three, or among the first 19 where 17 may be looked at.
  size_t MatchLength(size_t before, size_t at) const {
    const size_t limit = std::min(in_.size() - at - 2, kMatchMax);
    const size_t anyway = limit > 16 ? 19 : 3;
    size_t length = 3;
    while ((length < limit || length < anyway) && in_[before + length] == in_[at + length]) length++;
    return length;
  }

 private:
  const std::string_view in_;
  std::vector<uint32_t> places_;
};

class LzfOutput {
 public:
  explicit LzfOutput(size_t size_max) : size_max_(size_max) { out_.push_back('\0'); }

  // False: there is no room.
  bool Literal(char byte) {
    if (out_.size() >= size_max_) return false;
    out_.push_back(byte);
    if (++literals_ == kLiteralsMax) EndLiterals();
    return true;
  }
  bool Match(size_t distance, size_t length) {
    if (out_.size() - (literals_ == 0 ? 1 : 0) + 4 >= size_max_) return false;
    CloseLiterals();
    const size_t far = distance - 1;
    const size_t more = length - 2;
    out_.push_back(static_cast<char>(far >> 8 | std::min<size_t>(more, 7) << 5));
    if (more >= 7) out_.push_back(static_cast<char>(more - 7));
    out_.push_back(static_cast<char>(far));
    out_.push_back('\0');
    return true;
  }
  // Room for the last bytes, at most three.
  bool HasRoomForTail() const { return out_.size() + 3 <= size_max_; }
  void TailByte(char byte) {
    out_.push_back(byte);
    if (++literals_ == kLiteralsMax) EndLiterals();
  }
  std::string Finish() {
    CloseLiterals();
    return std::move(out_);
  }

 private:
  void EndLiterals() {
    CloseLiterals();
    out_.push_back('\0');
  }
  // The byte that says how many there were; it goes when there were none.
  void CloseLiterals() {
    if (literals_ == 0) return out_.pop_back();
    out_[out_.size() - literals_ - 1] = static_cast<char>(literals_ - 1);
    literals_ = 0;
  }

  const size_t size_max_;
  std::string out_;  // its last run of literals begins with a byte yet to be set
  size_t literals_ = 0;
};

// Empty when it would take more than `size_max` bytes.
std::string PackLzf(std::string_view in, size_t size_max) {
  LzfTable table(in);
  LzfOutput out(size_max);
  size_t at = 0;
  while (at + 2 < in.size()) {
    const size_t before = table.Exchange(at);
    if (!table.Matches(before, at)) {
      if (!out.Literal(in[at++])) return {};
      continue;
    }
    const size_t length = table.MatchLength(before, at);
    if (!out.Match(at - before, length)) return {};
    at += length;
    if (at + 2 >= in.size()) break;
    // Of the places inside the match only the last two are remembered.
    table.Exchange(at - 2);
    table.Exchange(at - 1);
  }
  if (!out.HasRoomForTail()) return {};
  for (; at < in.size(); at++) out.TailByte(in[at]);
  return out.Finish();
}

// False when it does not come to exactly `size` bytes.
bool UnpackLzf(std::string_view in, size_t size, std::string* out) {
  out->clear();
  out->reserve(size);
  for (size_t at = 0; at < in.size();) {
    const uint8_t control = ByteAt(in, at++);
    if (control < kLiteralsMax) {
      const size_t count = size_t{control} + 1;
      if (count > in.size() - at || count > size - out->size()) return false;
      out->append(in.substr(at, count));
      at += count;
      continue;
    }
    size_t count = control >> 5;
    if (count == 7) {
      if (at == in.size()) return false;
      count += ByteAt(in, at++);
    }
    count += 2;
    if (at == in.size()) return false;
    const size_t distance = (static_cast<size_t>(control & 0x1f) << 8 | ByteAt(in, at++)) + 1;
    if (distance > out->size() || count > size - out->size()) return false;
    for (size_t from = out->size() - distance; count > 0; count--) out->push_back((*out)[from++]);
  }
  return out->size() == size;
}

// --- strings ---

// Only the form in which it would be printed.
bool ParseInt32(std::string_view text, int32_t* number) {
  if (text.empty() || text.size() > kNumberDigitsMax) return false;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), *number);
  return error == std::errc() && end == text.data() + text.size() && std::to_string(*number) == text;
}

void AppendNumber(int32_t number, std::string* out) {
  if (number >= INT8_MIN && number <= INT8_MAX) {
    out->push_back(static_cast<char>(kInt8));
    AppendLittleEndian(static_cast<int8_t>(number), out);
  } else if (number >= INT16_MIN && number <= INT16_MAX) {
    out->push_back(static_cast<char>(kInt16));
    AppendLittleEndian(static_cast<int16_t>(number), out);
  } else {
    out->push_back(static_cast<char>(kInt32));
    AppendLittleEndian(number, out);
  }
}

void AppendLength(size_t length, std::string* out) {
  if (length < 1 << 6) return out->push_back(static_cast<char>(length));
  if (length < 1 << 14) {
    out->push_back(static_cast<char>(0x40 | length >> 8));
    return out->push_back(static_cast<char>(length));
  }
  out->push_back(static_cast<char>(kLength32));
  AppendLittleEndian(__builtin_bswap32(static_cast<uint32_t>(length)), out);  // values end at 512 MiB
}

class Reader {
 public:
  explicit Reader(std::string_view bytes) : rest_(bytes) {}

  bool at_end() const { return rest_.empty(); }
  bool Byte(uint8_t* byte) {
    std::string_view one;
    if (!Bytes(1, &one)) return false;
    *byte = ByteAt(one, 0);
    return true;
  }
  bool Bytes(uint64_t size, std::string_view* bytes) {
    if (size > rest_.size()) return false;
    *bytes = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return true;
  }
  // A length whose first byte has been read.
  bool Length(uint8_t first, uint64_t* length) {
    *length = first & 0x3f;
    if (first >> 6 == 0) return true;
    if (first >> 6 == 1) return More(1, length);
    *length = 0;
    if (first == kLength32) return More(4, length);
    return first == kLength64 && More(8, length);
  }
  bool Length(uint64_t* length) {
    uint8_t first = 0;
    return Byte(&first) && Length(first, length);
  }
  template <typename Number>
  bool Digits(std::string* value) {
    std::string_view bytes;
    if (!Bytes(sizeof(Number), &bytes)) return false;
    Number number;
    memcpy(&number, bytes.data(), sizeof(number));
    *value = std::to_string(number);
    return true;
  }

 private:
  bool More(size_t count, uint64_t* length) {
    std::string_view bytes;
    if (!Bytes(count, &bytes)) return false;
    for (const char c : bytes) *length = *length << 8 | static_cast<uint8_t>(c);
    return true;
  }

  std::string_view rest_;
};

bool ReadPacked(Reader& reader, size_t size_max, std::string* value) {
  uint64_t packed = 0;
  uint64_t size = 0;
  std::string_view bytes;
  if (!reader.Length(&packed) || !reader.Length(&size) || !reader.Bytes(packed, &bytes)) return false;
  return size <= size_max && size <= bytes.size() * kLongestGain && UnpackLzf(bytes, size, value);
}

bool ReadString(Reader& reader, size_t size_max, std::string* value) {
  uint8_t first = 0;
  if (!reader.Byte(&first)) return false;
  switch (first) {
    case kInt8: return reader.Digits<int8_t>(value);
    case kInt16: return reader.Digits<int16_t>(value);
    case kInt32: return reader.Digits<int32_t>(value);
    case kPacked: return ReadPacked(reader, size_max, value);
    default: break;
  }
  uint64_t size = 0;
  std::string_view bytes;
  if (!reader.Length(first, &size) || size > size_max || !reader.Bytes(size, &bytes)) return false;
  value->assign(bytes);
  return true;
}

}  // namespace

uint64_t DumpChecksum(std::string_view bytes) {
  uint64_t crc = 0;
  for (const char c : bytes) crc = kCrcTable[(crc ^ static_cast<uint8_t>(c)) & 0xff] ^ crc >> 8;
  return crc;
}

void EncodeDump(std::string_view value, std::string* out) {
  out->assign(1, kStringType);
  int32_t number = 0;
  std::string packed;
  if (ParseInt32(value, &number)) {
    AppendNumber(number, out);
  } else if (value.size() > kPackAbove && !(packed = PackLzf(value, value.size() - kPackSaves)).empty()) {
    out->push_back(static_cast<char>(kPacked));
    AppendLength(packed.size(), out);
    AppendLength(value.size(), out);
    out->append(packed);
  } else {
    AppendLength(value.size(), out);
    out->append(value);
  }
  AppendLittleEndian(kVersion, out);
  AppendLittleEndian(DumpChecksum(*out), out);
}

DumpCheck DecodeDump(std::string_view payload, size_t size_max, std::string* value) {
  if (payload.size() < kFooterSize) return DumpCheck::kBadFooter;
  const std::string_view checked = payload.substr(0, payload.size() - sizeof(uint64_t));
  uint16_t version = 0;
  uint64_t crc = 0;
  memcpy(&version, payload.data() + payload.size() - kFooterSize, sizeof(version));
  memcpy(&crc, payload.data() + checked.size(), sizeof(crc));
  if (version > kVersion || crc != DumpChecksum(checked)) return DumpCheck::kBadFooter;
  Reader reader(payload.substr(0, payload.size() - kFooterSize));
  uint8_t type = 0;
  const bool sound =
      reader.Byte(&type) && type == kStringType && ReadString(reader, size_max, value) && reader.at_end();
  return sound ? DumpCheck::kSound : DumpCheck::kBadData;
}

}  // namespace varve::keyspace
