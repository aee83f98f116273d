// bench/contender_varve.h - Varve, as bench/contenders.h asks for it. Defaults, but the log is synced only on demand,
// as the peers do by default.
#pragma once

#include <memory>
#include <vector>

#include "bench/contenders.h"
#include "bench/harness.h"
#include "lsm/db.h"

namespace varve::bench {

class VarveContender {
 public:
  explicit VarveContender(const Setup& setup) {
    lsm::Options options;
    options.memory_budget = setup.memory_budget;
    options.memtable_size = setup.memtable;
    if (!setup.compression) options.compression = lsm::Compression::kNone;
    options.wal_sync = lsm::WalSync::kNever;
    options.filter_bits_per_key = kFilterBitsPerKey;
    lsm::Result<std::unique_ptr<lsm::Db>> opened = lsm::Db::Open(setup.dir, options);
    Check(opened.status());
    db_ = std::move(*opened);
  }
  ~VarveContender() { Check(db_->Close()); }

  static std::string Describe(const Setup& setup) {
    return "Varve defaults, memory_budget " + std::to_string(setup.memory_budget >> 20) + " MiB, zstd, " +
           std::to_string(kFilterBitsPerKey) + " filter bits per key, WalSync::kNever";
  }

  void Put(std::string_view key, std::string_view value, bool sync) { Check(db_->Put({.sync = sync}, key, value)); }

  class Batch {
   public:
    explicit Batch(VarveContender* contender) : db_(contender->db_.get()) {}
    template <class NextEntry>
    void PutMany(size_t count, NextEntry next) {
      batch_.Clear();
      for (size_t i = 0; i < count; ++i) {
        auto [key, value] = next();
        batch_.Put(key, value);
      }
      Check(db_->Write({}, batch_));
    }

   private:
    lsm::Db* const db_;
    lsm::WriteBatch batch_;
  };

  class Reader {
   public:
    explicit Reader(VarveContender* contender) : db_(contender->db_.get()) {}
    bool Get(std::string_view key) {
      lsm::Result<bool> found = db_->Get({}, key, &value_);
      Check(found.status());
      return *found;
    }
    size_t MultiGet(std::span<const std::string_view> keys) {
      values_.resize(keys.size());
      size_t count = 0;
      for (const lsm::Result<bool>& found : db_->MultiGet({}, keys, values_)) {
        Check(found.status());
        count += *found;
      }
      return count;
    }

   private:
    lsm::Db* const db_;
    lsm::PinnedValue value_;
    std::vector<lsm::PinnedValue> values_;
  };

  class Cursor {
   public:
    explicit Cursor(VarveContender* contender) : it_(contender->db_->NewIterator({})) {}
    ~Cursor() { Check(it_.status()); }
    void First() { it_.SeekToFirst(); }
    void Last() { it_.SeekToLast(); }
    void Seek(std::string_view key) { it_.Seek(key); }
    bool Valid() const { return it_.Valid(); }
    void Next() { it_.Next(); }
    void Prev() { it_.Prev(); }
    std::string_view key() const { return it_.key(); }
    std::string_view value() const { return it_.value(); }

   private:
    lsm::Iterator it_;
  };

  uint64_t Settle() {
    Check(db_->Flush());
    Check(db_->WaitForBackgroundWork());
    return NowNanos();
  }
  void CompactAll() { Check(db_->CompactRange({}, {})); }
  void Verify() {
    lsm::Result<lsm::VerifyReport> report = db_->Verify();
    Check(report.status());
    if (!report->problems.empty()) Fatal("varve: " + report->problems.front());
  }
  std::optional<FilterUse> Filters() const {
    double bits = 0, entries = 0;
    for (const lsm::TableFileFacts& table : db_->TableFiles()) {
      bits += table.filter_bits_per_key * static_cast<double>(table.entries);
      entries += static_cast<double>(table.entries);
    }
    return FilterUse{db_->Stats().filter_false_positives, entries > 0 ? bits / entries : 0};
  }

 private:
  static void Check(const lsm::Status& status) {
    if (!status.ok()) Fatal("varve: " + status.ToString());
  }

  std::unique_ptr<lsm::Db> db_;
};

}  // namespace varve::bench
