// bench/contender_rocksdb.h - RocksDB, as bench/contenders.h asks for it: as it comes, or tuned.
#pragma once

#include <rocksdb/cache.h>
#include <rocksdb/db.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/options.h>
#include <rocksdb/perf_context.h>
#include <rocksdb/table.h>
#include <rocksdb/version.h>
#include <rocksdb/write_batch.h>

#include <memory>
#include <vector>

#include "bench/contenders.h"
#include "bench/harness.h"

namespace varve::bench {

template <bool kTuned>
class RocksContender {
 public:
  explicit RocksContender(const Setup& setup) {
    rocksdb::Options options;
    options.create_if_missing = true;
    if (kTuned) Tune(setup, &options);
    if (!setup.compression) Uncompress(&options);
    rocksdb::DB* db = nullptr;
    Check(rocksdb::DB::Open(options, setup.dir, &db));
    db_.reset(db);
  }
  ~RocksContender() { Check(db_->Close()); }

  static std::string Describe(const Setup& setup) {
    std::string version = "RocksDB " + std::to_string(ROCKSDB_MAJOR) + "." + std::to_string(ROCKSDB_MINOR) + "." +
                          std::to_string(ROCKSDB_PATCH);
    if (!kTuned)
      return version + " as it comes (snappy, no filter, 8 MiB block cache, 64 MiB memtables), log not synced";
    return version + " tuned: " + std::to_string(setup.cache_size() >> 20) + " MiB LRU cache, " +
           std::to_string(setup.memtable_size() >> 20) + " MiB memtables (at most 3), " +
           std::to_string(kFilterBitsPerKey) +
           "-bit Bloom filter, dynamic level bytes, zstd level 1 below level 0, log not synced";
  }

  void Put(std::string_view key, std::string_view value, bool sync) {
    rocksdb::WriteOptions options;
    options.sync = sync;
    Check(db_->Put(options, Slice(key), Slice(value)));
  }

  class Batch {
   public:
    explicit Batch(RocksContender* contender) : db_(contender->db_.get()) {}
    template <class NextEntry>
    void PutMany(size_t count, NextEntry next) {
      batch_.Clear();
      for (size_t i = 0; i < count; ++i) {
        auto [key, value] = next();
        Check(batch_.Put(Slice(key), Slice(value)));
      }
      Check(db_->Write(rocksdb::WriteOptions(), &batch_));
    }

   private:
    rocksdb::DB* const db_;
    rocksdb::WriteBatch batch_;
  };

  class Reader {
   public:
    explicit Reader(RocksContender* contender) : db_(contender->db_.get()) {}
    bool Get(std::string_view key) {
      value_.Reset();
      return Found(db_->Get(options_, db_->DefaultColumnFamily(), Slice(key), &value_));
    }
    size_t MultiGet(std::span<const std::string_view> keys) {
      slices_.clear();
      for (std::string_view key : keys) slices_.push_back(Slice(key));
      values_.resize(keys.size());
      statuses_.resize(keys.size());
      for (rocksdb::PinnableSlice& value : values_) value.Reset();
      db_->MultiGet(options_, db_->DefaultColumnFamily(), keys.size(), slices_.data(), values_.data(),
                    statuses_.data());
      size_t count = 0;
      for (const rocksdb::Status& status : statuses_) count += Found(status);
      return count;
    }

   private:
    rocksdb::DB* const db_;
    const rocksdb::ReadOptions options_;
    rocksdb::PinnableSlice value_;
    std::vector<rocksdb::Slice> slices_;
    std::vector<rocksdb::PinnableSlice> values_;
    std::vector<rocksdb::Status> statuses_;
  };

  class Cursor {
   public:
    explicit Cursor(RocksContender* contender) : it_(contender->db_->NewIterator(rocksdb::ReadOptions())) {}
    ~Cursor() { Check(it_->status()); }
    void First() { it_->SeekToFirst(); }
    void Last() { it_->SeekToLast(); }
    void Seek(std::string_view key) { it_->Seek(Slice(key)); }
    bool Valid() const { return it_->Valid(); }
    void Next() { it_->Next(); }
    void Prev() { it_->Prev(); }
    std::string_view key() const { return it_->key().ToStringView(); }
    std::string_view value() const { return it_->value().ToStringView(); }

   private:
    std::unique_ptr<rocksdb::Iterator> it_;
  };

  // 7.8 has no call that waits for compactions; it tells what is pending and what runs.
  uint64_t Settle() {
    Check(db_->Flush(rocksdb::FlushOptions()));
    auto pending = [this](const std::string& property) {
      uint64_t value = 0;
      return db_->GetIntProperty(property, &value) && value > 0;
    };
    return WaitUntilQuiet(10, 3, [&] {
      return pending(rocksdb::DB::Properties::kCompactionPending) ||
             pending(rocksdb::DB::Properties::kNumRunningCompactions) ||
             pending(rocksdb::DB::Properties::kMemTableFlushPending) ||
             pending(rocksdb::DB::Properties::kNumRunningFlushes);
    });
  }
  void CompactAll() { Check(db_->CompactRange(rocksdb::CompactRangeOptions(), nullptr, nullptr)); }
  void Verify() { Check(db_->VerifyChecksum()); }
  // Its counters are the calling thread's, and always on.
  std::optional<FilterUse> Filters() const {
    if (!kTuned) return std::nullopt;
    return FilterUse{rocksdb::get_perf_context()->bloom_sst_hit_count, kFilterBitsPerKey};
  }

 private:
  static rocksdb::Slice Slice(std::string_view bytes) { return {bytes.data(), bytes.size()}; }
  static void Check(const rocksdb::Status& status) {
    if (!status.ok()) Fatal("rocksdb: " + status.ToString());
  }
  static bool Found(const rocksdb::Status& status) {
    if (status.IsNotFound()) return false;
    Check(status);
    return true;
  }

  static void Tune(const Setup& setup, rocksdb::Options* options) {
    rocksdb::BlockBasedTableOptions table;
    table.filter_policy.reset(rocksdb::NewBloomFilterPolicy(kFilterBitsPerKey, false));
    table.block_cache = rocksdb::NewLRUCache(setup.cache_size());
    options->table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
    options->write_buffer_size = setup.memtable_size();
    options->max_write_buffer_number = 3;
    options->level_compaction_dynamic_level_bytes = true;
    options->compression = rocksdb::kZSTD;
    options->compression_opts.level = 1;
    options->compression_per_level.assign(static_cast<size_t>(options->num_levels), rocksdb::kZSTD);
    options->compression_per_level[0] = rocksdb::kNoCompression;
  }

  static void Uncompress(rocksdb::Options* options) {
    options->compression = rocksdb::kNoCompression;
    options->compression_per_level.clear();
  }

  std::unique_ptr<rocksdb::DB> db_;
};

}  // namespace varve::bench
