// keyspace/record.h - how the Redis data model lies in the engine's one ordered map.
//
// Every key starts with a tag byte, so one engine holds them all; integers inside keys are big-endian, so that bytewise
// order is numeric order; integers inside values are little-endian.
//
//   format    'v'                                     -> version : u32            written with the first commit
//   meta      'm' | db : u16 | name                   -> meta record               one per key, ordered by name
//   expiry    'x' | db : u16 | when_ms : u64 | name   -> (empty)                   one per key with a time to live
//   counter   'c' | db : u16                          -> keys : i64 | expires : i64
//   order     'o'                                     -> number : u8 x 16          only where it is not 0, 1 ... 15
//
// `db` is a number of storage. The order says which number each database has: SWAPDB exchanges two and moves no record.
// Without an order record each has its own, and the format is 1; with one it is 2, so that who does not know of orders
// stays away.
//
//   meta record | type : u8 | flags : u8 | [expire_ms : u64] | [origin and clock : 12 bytes] | inline value |
//     flags bit 0: expire_ms is there (Unix milliseconds); bit 1: origin and clock are there (reserved for replication,
//     skipped when read, never written here); the other bits are 0, a record that sets one is from a newer version.
//     The inline value of a string is its bytes.
//
// K1  An expiry entry exists for (db, when, name) exactly when the meta record of (db, name) says expire_ms == when.
// K2  The counter of a database is the number of its meta records, and of those with expire_ms: both change in the same
//     batch as the records.
// Why the expiry index puts the database first: FLUSHDB drops records and index in two range deletes and leaves nothing
// to be verified away, and databases without volatile keys are never looked at.
// Threads: pure functions.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "lsm/status.h"

namespace varve::keyspace {

inline constexpr int kDatabaseCount = 16;
inline constexpr size_t kNameSizeMax = size_t{64} * 1024;  // a user's key; the engine leaves room for our tags
inline constexpr size_t kStringSizeMax = size_t{512} * 1024 * 1024;
inline constexpr uint32_t kFormatVersion = 1;
inline constexpr uint32_t kFormatVersionOrdered = 2;  // with an order record

inline constexpr char kFormatTag = 'v';
inline constexpr char kMetaTag = 'm';
inline constexpr char kExpiryTag = 'x';
inline constexpr char kCounterTag = 'c';
inline constexpr char kOrderTag = 'o';

inline constexpr size_t kMetaKeyPrefixSize = 3;     // tag, db
inline constexpr size_t kExpiryKeyPrefixSize = 11;  // tag, db, when

// On disk: the numbers are fixed for ever.
enum class Type : uint8_t { kString = 1, kList = 2, kSet = 3, kZset = 4, kHash = 5, kStream = 6 };
// "string", "list", ...: what TYPE answers.
std::string_view TypeName(Type type);
// Case-insensitive; empty when it is no type of ours.
std::optional<Type> TypeFromName(std::string_view name);

// --- keys. Each writes over *out, keeping its capacity. ---
void EncodeMetaKey(int db, std::string_view name, std::string* out);
void EncodeMetaKeyEnd(int db, std::string* out);  // the first key behind all of db's
void EncodeExpiryKey(int db, uint64_t when_ms, std::string_view name, std::string* out);
void EncodeExpiryKeyEnd(int db, std::string* out);
void EncodeCounterKey(int db, std::string* out);
// The smallest string above all that start with `prefix`; empty when there is none (all bytes 0xff).
std::string PrefixEnd(std::string_view prefix);
// The name inside a meta key that was written by EncodeMetaKey.
inline std::string_view NameOfMetaKey(std::string_view meta_key) {
  return meta_key.substr(kMetaKeyPrefixSize);
}

struct ExpiryKey {
  int db;
  uint64_t when_ms;
  std::string_view name;  // points into the key
};
// False when the bytes are no expiry key.
bool DecodeExpiryKey(std::string_view key, ExpiryKey* out);

// --- values ---
struct MetaRecord {
  Type type = Type::kString;
  uint64_t expire_ms = 0;  // 0: lives for ever
  std::string_view value;  // points into the bytes it was decoded from
};
void EncodeMetaRecord(Type type, uint64_t expire_ms, std::string_view value, std::string* out);
// kCorruption when too short or of an unknown type, kUnsupported when a flag of a newer version is set.
lsm::Status DecodeMetaRecord(std::string_view bytes, MetaRecord* out);

struct Counters {
  int64_t keys = 0;
  int64_t expires = 0;
  friend bool operator==(const Counters&, const Counters&) = default;
};
void EncodeCounters(const Counters& counters, std::string* out);
lsm::Status DecodeCounters(std::string_view bytes, Counters* out);

// The number of storage of each database.
using DatabaseOrder = std::array<uint8_t, kDatabaseCount>;
inline constexpr DatabaseOrder kPlainOrder = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
std::string EncodeOrder(const DatabaseOrder& order);
// kCorruption unless each number is there once.
lsm::Status DecodeOrder(std::string_view bytes, DatabaseOrder* out);

}  // namespace varve::keyspace
