// bench/contender_leveldb.h - LevelDB, as bench/contenders.h asks for it, with the same memory and filter as Varve.
#pragma once

#include <leveldb/cache.h>
#include <leveldb/db.h>
#include <leveldb/filter_policy.h>
#include <leveldb/write_batch.h>

#include <memory>
#include <string>
#include <utility>

#include "bench/contenders.h"
#include "bench/harness.h"

namespace varve::bench {

class LevelContender {
 public:
  explicit LevelContender(const Setup& setup)
      : filter_(leveldb::NewBloomFilterPolicy(kFilterBitsPerKey)), cache_(leveldb::NewLRUCache(setup.cache_size())) {
    leveldb::Options options;
    options.create_if_missing = true;
    options.filter_policy = filter_.get();
    options.block_cache = cache_.get();
    options.write_buffer_size = setup.memtable_size();
    if (!setup.compression) options.compression = leveldb::kNoCompression;
    leveldb::DB* db = nullptr;
    Check(leveldb::DB::Open(options, setup.dir, &db));
    db_.reset(db);
  }

  static std::string Describe(const Setup& setup) {
    return "LevelDB " + std::to_string(leveldb::kMajorVersion) + "." + std::to_string(leveldb::kMinorVersion) + ": " +
           std::to_string(setup.cache_size() >> 20) + " MiB LRU cache, " + std::to_string(setup.memtable_size() >> 20) +
           " MiB memtables (at most 2), " + std::to_string(kFilterBitsPerKey) +
           "-bit Bloom filter, snappy (it knows no zstd), log not synced";
  }

  void Put(std::string_view key, std::string_view value, bool sync) {
    leveldb::WriteOptions options;
    options.sync = sync;
    Check(db_->Put(options, Slice(key), Slice(value)));
  }

  class Batch {
   public:
    explicit Batch(LevelContender* contender) : db_(contender->db_.get()) {}
    template <class NextEntry>
    void PutMany(size_t count, NextEntry next) {
      batch_.Clear();
      for (size_t i = 0; i < count; ++i) {
        auto [key, value] = next();
        batch_.Put(Slice(key), Slice(value));
      }
      Check(db_->Write(leveldb::WriteOptions(), &batch_));
    }

   private:
    leveldb::DB* const db_;
    leveldb::WriteBatch batch_;
  };

  class Reader {
   public:
    explicit Reader(LevelContender* contender) : db_(contender->db_.get()) {}
    bool Get(std::string_view key) { return Get(leveldb::ReadOptions(), key); }
    // It has no batched read: one state of the database, key by key.
    size_t MultiGet(std::span<const std::string_view> keys) {
      leveldb::ReadOptions options;
      options.snapshot = db_->GetSnapshot();
      size_t count = 0;
      for (std::string_view key : keys) count += Get(options, key);
      db_->ReleaseSnapshot(options.snapshot);
      return count;
    }

   private:
    bool Get(const leveldb::ReadOptions& options, std::string_view key) {
      leveldb::Status status = db_->Get(options, Slice(key), &value_);
      if (status.IsNotFound()) return false;
      Check(status);
      return true;
    }

    leveldb::DB* const db_;
    std::string value_;
  };

  class Cursor {
   public:
    explicit Cursor(LevelContender* contender) : it_(contender->db_->NewIterator(leveldb::ReadOptions())) {}
    ~Cursor() { Check(it_->status()); }
    void First() { it_->SeekToFirst(); }
    void Last() { it_->SeekToLast(); }
    void Seek(std::string_view key) { it_->Seek(Slice(key)); }
    bool Valid() const { return it_->Valid(); }
    void Next() { it_->Next(); }
    void Prev() { it_->Prev(); }
    std::string_view key() const { return {it_->key().data(), it_->key().size()}; }
    std::string_view value() const { return {it_->value().data(), it_->value().size()}; }

   private:
    std::unique_ptr<leveldb::Iterator> it_;
  };

  // Compacting a range without keys flushes the memtable and does nothing else. LevelDB does not tell of compactions: a
  // process that neither computes nor writes is taken to have none.
  uint64_t Settle() {
    constexpr double kIdleCpuSeconds = 0.002;
    constexpr uint64_t kIdleBytes = 4096;
    const leveldb::Slice nothing;
    db_->CompactRange(&nothing, &nothing);
    Usage before = ReadUsage();
    return WaitUntilQuiet(150, 3, [&] {
      const Usage now = ReadUsage(), used = now - std::exchange(before, now);
      return used.cpu_s >= kIdleCpuSeconds || used.written_bytes >= kIdleBytes;
    });
  }
  void CompactAll() { db_->CompactRange(nullptr, nullptr); }
  void Verify() {
    leveldb::ReadOptions options;
    options.verify_checksums = true;
    options.fill_cache = false;
    std::unique_ptr<leveldb::Iterator> it(db_->NewIterator(options));
    for (it->SeekToFirst(); it->Valid(); it->Next()) {
    }
    Check(it->status());
  }
  std::optional<FilterUse> Filters() const { return std::nullopt; }  // it does not tell

 private:
  static leveldb::Slice Slice(std::string_view bytes) { return {bytes.data(), bytes.size()}; }
  static void Check(const leveldb::Status& status) {
    if (!status.ok()) Fatal("leveldb: " + status.ToString());
  }

  std::unique_ptr<const leveldb::FilterPolicy> filter_;
  std::unique_ptr<leveldb::Cache> cache_;
  std::unique_ptr<leveldb::DB> db_;  // last, so that it goes first
};

}  // namespace varve::bench
