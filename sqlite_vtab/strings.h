// sqlite_vtab/strings.h - the string keys of a Redis database, read and written through an SQL transaction.
//
// The formats and the invariants K1 and K2 are those of keyspace/record.h. keyspace::Keyspace itself is the server's
// executor: it commits its own batch, while here record, expiry entry and counters join the batch of the session.
// Records of other types are left alone: a string cannot be put in their place. Threads: the session's.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "lsm/db.h"
#include "sqlite_vtab/session.h"

namespace varve::sqlite_vtab {

// What is stored under a name.
struct StoredString {
  enum class State : uint8_t { kAbsent, kLive, kExpired, kOtherType };
  State state = State::kAbsent;
  keyspace::Type type = keyspace::Type::kString;
  uint64_t expire_ms = 0;  // 0: lives for ever
  std::string_view value;
};

// What the bytes of a meta record say at `now_ms`.
lsm::Result<StoredString> ReadString(std::string_view record, int64_t now_ms);

class StringWriter {
 public:
  StringWriter(Session* session, int db) : session_(*session), db_(db) {}

  // As the open transaction sees it. The result is valid until the next Find.
  lsm::Result<StoredString> Find(std::string_view name, int64_t now_ms);
  // Writes the record in place of `prior`, which Find has just said of the same name.
  lsm::Status Put(std::string_view name, const StoredString& prior, std::string_view value, uint64_t expire_ms);
  lsm::Status Delete(std::string_view name, const StoredString& prior);

 private:
  lsm::Status EnsureFormat();
  void DropExpiry(std::string_view name, const StoredString& prior);

  Session& session_;
  const int db_;
  bool format_is_stored_ = false;  // the directory says that it holds a keyspace
  std::string key_;
  std::string record_;
  lsm::PinnedValue stored_;
};

}  // namespace varve::sqlite_vtab
