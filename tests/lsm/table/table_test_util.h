// tests/lsm/table/table_test_util.h - files that are strings, rows, and hexadecimal; for the tests of this folder.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "lsm/format/internal_key.h"
#include "lsm/io/file_system.h"
#include "lsm/table/table.h"
#include "lsm/table/table_builder.h"

namespace varve::lsm {

struct Row {
  std::string key;
  uint64_t trailer;
  std::string value;
  bool operator==(const Row&) const = default;
};

inline std::string Hex(std::string_view bytes) {
  std::string out;
  for (const char c : bytes) {
    out.push_back("0123456789abcdef"[static_cast<unsigned char>(c) >> 4]);
    out.push_back("0123456789abcdef"[static_cast<unsigned char>(c) & 15]);
  }
  return out;
}

// Writes into a string that outlives it.
class StringSink : public WritableFile {
 public:
  explicit StringSink(std::string* bytes) : bytes_(bytes) {}
  Status WriteAt(uint64_t offset, std::string_view data) override {
    if (writes_left == 0) return Status::NoSpace(path_ + ": write: no space");
    if (writes_left > 0) --writes_left;
    if (bytes_->size() < offset + data.size()) bytes_->resize(offset + data.size());
    std::memcpy(bytes_->data() + offset, data.data(), data.size());
    return Status::Ok();
  }
  Status Sync() override { return Status::Ok(); }
  Status Close() override { return Status::Ok(); }
  Result<uint64_t> Size() const override { return bytes_->size(); }
  const std::string& path() const override { return path_; }

  int writes_left = -1;  // -1: no limit

 private:
  std::string* bytes_;
  std::string path_ = "t.sst";
};

// Reads a string it shares; counts the calls.
class StringSource : public ReadableFile {
 public:
  explicit StringSource(std::shared_ptr<const std::string> bytes, std::atomic<int>* reads = nullptr)
      : bytes_(std::move(bytes)), reads_(reads) {}
  Result<size_t> ReadAt(uint64_t offset, size_t size, char* buffer) const override {
    if (reads_ != nullptr) ++*reads_;
    if (offset >= bytes_->size()) return size_t{0};
    const size_t n = std::min<size_t>(size, bytes_->size() - offset);
    std::memcpy(buffer, bytes_->data() + offset, n);
    return n;
  }
  Result<uint64_t> Size() const override { return bytes_->size(); }
  const std::string& path() const override { return path_; }

 private:
  std::shared_ptr<const std::string> bytes_;
  std::atomic<int>* reads_;
  std::string path_ = "t.sst";
};

// A finished table in memory.
struct BuiltTable {
  std::shared_ptr<std::string> bytes = std::make_shared<std::string>();
  TableFacts facts;

  Result<std::shared_ptr<Table>> Open(BlockCache* cache, uint64_t table_id, std::atomic<int>* reads = nullptr) const {
    return Table::Open(std::make_unique<StringSource>(bytes, reads), bytes->size(), facts.tail_offset, table_id, cache);
  }
};

inline Result<BuiltTable> BuildTable(const std::vector<Row>& rows, const TableBuilderOptions& options,
                                     const std::vector<RangeTombstone>& tombstones = {}) {
  BuiltTable table;
  TableBuilder builder(std::make_unique<StringSink>(table.bytes.get()), options);
  for (const RangeTombstone& tombstone : tombstones) builder.AddRangeTombstone(tombstone);
  for (const Row& row : rows) VARVE_TRY(builder.Add(row.key, row.trailer, row.value));
  Result<TableFacts> facts = builder.Finish();
  if (!facts.ok()) return facts.status();
  table.facts = *facts;
  return table;
}

}  // namespace varve::lsm
