#include "lsm/db.h"

#include "lsm/db_impl.h"
#include "lsm/follower.h"
#include "lsm/sync/mutex.h"

namespace varve::lsm {

Result<std::unique_ptr<Db>> Db::Open(const std::string& dir, const Options& options) {
  ForgetLockOrder();
  if (options.mode == OpenMode::kOwner) return DbImpl::Open(dir, options);
  return Follower::Open(dir, options);
}

Status Db::Put(const WriteOptions& options, std::string_view key, std::string_view value) {
  WriteBatch batch;
  batch.Put(key, value);
  return Write(options, batch);
}

Status Db::Delete(const WriteOptions& options, std::string_view key) {
  WriteBatch batch;
  batch.Delete(key);
  return Write(options, batch);
}

Status Db::PutWithExpiry(const WriteOptions& options, std::string_view key, std::string_view value,
                         uint64_t expire_at_ms) {
  WriteBatch batch;
  batch.PutWithExpiry(key, value, expire_at_ms);
  return Write(options, batch);
}

Status Db::Merge(const WriteOptions& options, std::string_view key, std::string_view operand) {
  WriteBatch batch;
  batch.Merge(key, operand);
  return Write(options, batch);
}

Status Db::DeleteRange(const WriteOptions& options, std::string_view begin, std::string_view end) {
  WriteBatch batch;
  batch.DeleteRange(begin, end);
  return Write(options, batch);
}

}  // namespace varve::lsm
