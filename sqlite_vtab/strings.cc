#include "sqlite_vtab/strings.h"

#include "sqlite_vtab/keyspace_format.h"

namespace varve::sqlite_vtab {

using keyspace::MetaRecord;
using lsm::Result;
using lsm::Status;

Result<StoredString> ReadString(std::string_view record, int64_t now_ms) {
  MetaRecord meta;
  VARVE_TRY(keyspace::DecodeMetaRecord(record, &meta));
  StoredString out;
  out.type = meta.type;
  out.expire_ms = meta.expire_ms;
  out.value = meta.value;
  bool expired = meta.expire_ms != 0 && static_cast<int64_t>(meta.expire_ms) <= now_ms;
  out.state = meta.type != keyspace::Type::kString ? StoredString::State::kOtherType
              : expired                            ? StoredString::State::kExpired
                                                   : StoredString::State::kLive;
  return out;
}

Result<StoredString> StringWriter::Find(std::string_view name, int64_t now_ms) {
  keyspace::EncodeMetaKey(session_.StorageOf(db_), name, &key_);
  Result<bool> found = session_.Get(nullptr, key_, &stored_);
  if (!found.ok()) return found.status();
  if (!*found) return StoredString{};
  return ReadString(stored_.view(), now_ms);
}

// The first write into a fresh directory says what it holds, as the server's first commit does.
Status StringWriter::EnsureFormat() {
  if (format_is_stored_) return {};
  Result<bool> committed = HasKeyspace(session_.db());
  if (!committed.ok()) return committed.status();
  format_is_stored_ = *committed;
  if (*committed) return {};
  lsm::PinnedValue pending;
  const std::string key = FormatKey();
  Result<bool> found = session_.Get(nullptr, key, &pending);
  if (!found.ok()) return found.status();
  if (!*found || pending.view() != PlainFormat()) session_.Put(key, PlainFormat());
  return {};
}

void StringWriter::DropExpiry(std::string_view name, const StoredString& prior) {
  if (prior.expire_ms == 0) return;
  keyspace::EncodeExpiryKey(session_.StorageOf(db_), prior.expire_ms, name, &key_);
  session_.Delete(key_);
}

Status StringWriter::Put(std::string_view name, const StoredString& prior, std::string_view value, uint64_t expire_ms) {
  VARVE_TRY(EnsureFormat());
  keyspace::EncodeMetaRecord(keyspace::Type::kString, expire_ms, value, &record_);
  keyspace::EncodeMetaKey(session_.StorageOf(db_), name, &key_);
  session_.Put(key_, record_);
  if (prior.expire_ms != expire_ms) {
    DropExpiry(name, prior);
    if (expire_ms != 0) {
      keyspace::EncodeExpiryKey(session_.StorageOf(db_), expire_ms, name, &key_);
      session_.Put(key_, {});
    }
  }
  bool existed = prior.state != StoredString::State::kAbsent;
  session_.AddCounters(session_.StorageOf(db_), existed ? 0 : 1,
                       (expire_ms != 0 ? 1 : 0) - (prior.expire_ms != 0 ? 1 : 0));
  return {};
}

Status StringWriter::Delete(std::string_view name, const StoredString& prior) {
  VARVE_TRY(EnsureFormat());
  keyspace::EncodeMetaKey(session_.StorageOf(db_), name, &key_);
  session_.Delete(key_);
  DropExpiry(name, prior);
  session_.AddCounters(session_.StorageOf(db_), -1, prior.expire_ms != 0 ? -1 : 0);
  return {};
}

}  // namespace varve::sqlite_vtab
