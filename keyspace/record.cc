#include "keyspace/record.h"

#include <bit>
#include <cstring>

namespace varve::keyspace {
namespace {

constexpr uint8_t kHasExpiry = 1u << 0;
constexpr uint8_t kHasOrigin = 1u << 1;
constexpr size_t kOriginSize = 12;
constexpr size_t kRecordHeadSize = 2;  // type, flags

struct TypeRow {
  Type type;
  std::string_view name;
};
constexpr TypeRow kTypes[] = {{Type::kString, "string"}, {Type::kList, "list"}, {Type::kSet, "set"},
                              {Type::kZset, "zset"},     {Type::kHash, "hash"}, {Type::kStream, "stream"}};

void AppendDb(int db, std::string* out) {
  out->push_back(static_cast<char>(db >> 8));
  out->push_back(static_cast<char>(db));
}

void AppendBigEndian(uint64_t value, std::string* out) {
  value = __builtin_bswap64(value);
  out->append(reinterpret_cast<const char*>(&value), sizeof(value));
}

void AppendLittleEndian(uint64_t value, std::string* out) {
  out->append(reinterpret_cast<const char*>(&value), sizeof(value));
}

uint64_t LoadLittleEndian(const char* p) {
  uint64_t value;
  memcpy(&value, p, sizeof(value));
  return value;
}

void EncodeTagged(char tag, int db, std::string* out) {
  out->clear();
  out->push_back(tag);
  AppendDb(db, out);
}

char LowerAscii(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
}

bool EqualsIgnoreCase(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  for (size_t i = 0; i < a.size(); i++) {
    if (LowerAscii(a[i]) != LowerAscii(b[i])) return false;
  }
  return true;
}

}  // namespace

static_assert(std::endian::native == std::endian::little, "the byte order of values on disk");

std::string_view TypeName(Type type) {
  for (const TypeRow& row : kTypes) {
    if (row.type == type) return row.name;
  }
  return "unknown";
}

std::optional<Type> TypeFromName(std::string_view name) {
  for (const TypeRow& row : kTypes) {
    if (EqualsIgnoreCase(row.name, name)) return row.type;
  }
  return std::nullopt;
}

void EncodeMetaKey(int db, std::string_view name, std::string* out) {
  EncodeTagged(kMetaTag, db, out);
  out->append(name.data(), name.size());
}

void EncodeMetaKeyEnd(int db, std::string* out) {
  EncodeTagged(kMetaTag, db + 1, out);
}

void EncodeExpiryKey(int db, uint64_t when_ms, std::string_view name, std::string* out) {
  EncodeTagged(kExpiryTag, db, out);
  AppendBigEndian(when_ms, out);
  out->append(name.data(), name.size());
}

void EncodeExpiryKeyEnd(int db, std::string* out) {
  EncodeTagged(kExpiryTag, db + 1, out);
}

void EncodeCounterKey(int db, std::string* out) {
  EncodeTagged(kCounterTag, db, out);
}

std::string PrefixEnd(std::string_view prefix) {
  std::string end(prefix);
  while (!end.empty() && static_cast<uint8_t>(end.back()) == 0xff) end.pop_back();
  if (!end.empty()) end.back() = static_cast<char>(static_cast<uint8_t>(end.back()) + 1);
  return end;
}

bool DecodeExpiryKey(std::string_view key, ExpiryKey* out) {
  if (key.size() < kExpiryKeyPrefixSize || key[0] != kExpiryTag) return false;
  out->db = static_cast<uint8_t>(key[1]) << 8 | static_cast<uint8_t>(key[2]);
  out->when_ms = __builtin_bswap64(LoadLittleEndian(key.data() + kMetaKeyPrefixSize));
  out->name = key.substr(kExpiryKeyPrefixSize);
  return true;
}

void EncodeMetaRecord(Type type, uint64_t expire_ms, std::string_view value, std::string* out) {
  out->clear();
  out->reserve(kRecordHeadSize + sizeof(expire_ms) + value.size());
  out->push_back(static_cast<char>(type));
  out->push_back(static_cast<char>(expire_ms != 0 ? kHasExpiry : 0));
  if (expire_ms != 0) AppendLittleEndian(expire_ms, out);
  out->append(value.data(), value.size());
}

lsm::Status DecodeMetaRecord(std::string_view bytes, MetaRecord* out) {
  if (bytes.size() < kRecordHeadSize) {
    return lsm::Status::Corruption("meta record is " + std::to_string(bytes.size()) + " bytes, want at least 2");
  }
  const uint8_t type = static_cast<uint8_t>(bytes[0]);
  const uint8_t flags = static_cast<uint8_t>(bytes[1]);
  if (type < static_cast<uint8_t>(Type::kString) || type > static_cast<uint8_t>(Type::kStream)) {
    return lsm::Status::Corruption("meta record has type " + std::to_string(type) + ", want 1 to 6");
  }
  if ((flags & ~(kHasExpiry | kHasOrigin)) != 0) {
    return lsm::Status::Unsupported("meta record has flags " + std::to_string(flags) + " of a newer version");
  }
  size_t head = kRecordHeadSize + ((flags & kHasExpiry) != 0 ? 8 : 0) + ((flags & kHasOrigin) != 0 ? kOriginSize : 0);
  if (bytes.size() < head) {
    return lsm::Status::Corruption("meta record is " + std::to_string(bytes.size()) + " bytes, its flags want " +
                                   std::to_string(head));
  }
  out->type = static_cast<Type>(type);
  out->expire_ms = (flags & kHasExpiry) != 0 ? LoadLittleEndian(bytes.data() + kRecordHeadSize) : 0;
  out->value = bytes.substr(head);
  return {};
}

void EncodeCounters(const Counters& counters, std::string* out) {
  out->clear();
  AppendLittleEndian(static_cast<uint64_t>(counters.keys), out);
  AppendLittleEndian(static_cast<uint64_t>(counters.expires), out);
}

lsm::Status DecodeCounters(std::string_view bytes, Counters* out) {
  if (bytes.size() != 16) {
    return lsm::Status::Corruption("counter record is " + std::to_string(bytes.size()) + " bytes, want 16");
  }
  out->keys = static_cast<int64_t>(LoadLittleEndian(bytes.data()));
  out->expires = static_cast<int64_t>(LoadLittleEndian(bytes.data() + 8));
  return {};
}

std::string EncodeOrder(const DatabaseOrder& order) {
  return {order.begin(), order.end()};
}

lsm::Status DecodeOrder(std::string_view bytes, DatabaseOrder* out) {
  if (bytes.size() != out->size()) {
    return lsm::Status::Corruption("order record is " + std::to_string(bytes.size()) + " bytes, want 16");
  }
  uint32_t seen = 0;
  for (size_t i = 0; i < bytes.size(); i++) {
    const uint8_t number = static_cast<uint8_t>(bytes[i]);
    if (number >= kDatabaseCount || (seen >> number & 1) != 0) {
      return lsm::Status::Corruption("order record has the number " + std::to_string(number) +
                                     ", want each below 16 once");
    }
    seen |= 1u << number;
    (*out)[i] = number;
  }
  return {};
}

}  // namespace varve::keyspace
