// bench/ycsb.h - the six core workloads of YCSB (Cooper et al., "Benchmarking Cloud Serving Systems with YCSB", SoCC 2010).
//
// Records of 1 KB under 16-byte keys; requests by a Zipf distribution with exponent 0.99 (for D: over the newest records
// first), scattered over the key space by a permutation. One thread. Each workload is a row "ycsb A" ... "ycsb F".
//
//   A  half reads, half updates     B  95 % reads, updates     C  reads
//   D  95 % reads of new records, inserts     E  95 % scans of 1 to 100 rows, inserts     F  half reads, half read-modify-write
#pragma once

#include <algorithm>
#include <string>

#include "bench/group_end.h"
#include "bench/plan.h"
#include "bench/zipf.h"

namespace varve::bench {

template <class Engine>
class Ycsb {
 public:
  static constexpr size_t kRecordSize = 1000;

  Ycsb(const Setup& setup, const Plan& plan, Sink* sink)
      : setup_(setup),
        plan_(plan),
        sink_(*sink),
        engine_(setup),
        records_(std::max<uint64_t>(plan.EntriesOf(kKeySize + kRecordSize), 1000)) {
    for (uint64_t i = 0; i < records_; ++i) engine_.Put(key_(scatter_(i)), values_.Next(), false);
    engine_.Settle();
    typename Engine::Cursor cursor(&engine_);  // so that every engine has what its cache can hold
    for (cursor.First(); cursor.Valid(); cursor.Next()) bytes_ += cursor.value().size();
  }

  void Run() {
    const uint64_t operations = plan_.reads / 2;
    for (const char letter :
         {'A', 'B', 'C', 'D', 'F', 'E'}) {  // E comes last, as YCSB advises: it is unlike the others
      const std::string name = std::string("ycsb ") + letter;
      if (!plan_.Wants(name)) continue;
      const uint64_t count = letter == 'E' ? operations / 10 : operations;
      Histogram latencies;
      const uint64_t start = NowNanos();
      uint64_t before = start;
      for (uint64_t i = 0; i < count; ++i) {
        Operate(letter);
        const uint64_t now = NowNanos();
        latencies.Add(now - before);
        before = now;
      }
      sink_.Add(name, "ops/s", Better::kHigher, static_cast<double>(count) * 1e9 / static_cast<double>(before - start));
      sink_.AddLatencies(name, latencies);
    }
    if (missing_ > 0) Fatal("ycsb: " + std::to_string(missing_) + " records are missing");
    EndGroup("ycsb", setup_, &engine_, &sink_);
  }

 private:
  void Operate(char letter) {
    const bool common = random_.Below(100) < (letter == 'A' || letter == 'F' ? 50 : letter == 'C' ? 100 : 95);
    switch (letter) {
      case 'E':
        if (common) return Scan();
        return Insert();
      case 'D':
        if (common) return Read(inserted_ - 1 - std::min(zipf_.Next(&random_), inserted_ - 1));
        return Insert();
      case 'F': {
        const uint64_t record = zipf_.Next(&random_);
        Read(record);
        if (!common) Update(record);
        return;
      }
      default: common ? Read(zipf_.Next(&random_)) : Update(zipf_.Next(&random_));
    }
  }
  // Above the records loaded, keys go on in order.
  uint64_t KeyOf(uint64_t record) const { return record < records_ ? scatter_(record) : record; }
  void Read(uint64_t record) { missing_ += !reader_.Get(key_(KeyOf(record))); }
  void Update(uint64_t record) { engine_.Put(key_(KeyOf(record)), values_.Next(), false); }
  void Insert() { Update(inserted_++); }
  void Scan() {
    typename Engine::Cursor cursor(&engine_);
    cursor.Seek(key_(KeyOf(zipf_.Next(&random_))));
    for (uint64_t rows = 1 + random_.Below(100); rows > 0 && cursor.Valid(); --rows, cursor.Next()) {
      bytes_ += cursor.value().size();
    }
  }

  const Setup setup_;
  const Plan& plan_;
  Sink& sink_;
  Engine engine_;
  const uint64_t records_;
  uint64_t inserted_ = records_;
  uint64_t missing_ = 0;
  uint64_t bytes_ = 0;
  const Permutation scatter_{records_, plan_.seed};
  const Zipf zipf_{records_};
  Random random_{plan_.seed + 8};
  Values values_{kRecordSize};
  KeyBuffer key_;
  typename Engine::Reader reader_{&engine_};
};

}  // namespace varve::bench
