// tests/fuzz/table.cc - F3: the reader of a table file.
//
//   | how the file is made : u8 |   0  the rest is the file
//                                   1  one of a few sound tables with bytes replaced, its checksums made right again
//                                   2  put together from parts: data blocks, index, range tombstones, filter and
//                                      properties, each with a checksum, each sound or any bytes
//
// A table that opens and of which Verify has nothing to say is one: rows ascend, backward they are the same rows, each
// is found by its key and its place, Salvage keeps them all, and there are as many as the properties say. Any other
// gives errors with its name in them, and no read of it runs on for ever.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <memory>
#include <string>
#include <vector>

#include "lsm/format/coding.h"
#include "lsm/format/crc32c.h"
#include "lsm/table/filter.h"
#include "tests/fuzz/fuzz_input.h"
#include "tests/lsm/table/table_test_util.h"

namespace varve::lsm {
namespace {

constexpr uint64_t kTableId = 0x1122334455667788;
constexpr ReadTier kSweep = {.memory_only = false, .fill_cache = false};
constexpr ReadTier kKeep = {.memory_only = false, .fill_cache = true};
constexpr size_t kRowsMax = 20'000;  // an index may name a block any number of times

// ---- made from sound ones ----

struct Base {
  std::string bytes;
  std::vector<BlockHandle> blocks;  // all but the properties
  BlockHandle properties;
};

Base Make(const TableBuilderOptions& options, size_t keys, bool tombstones) {
  std::vector<Row> rows;
  for (size_t i = 0; i < keys; ++i) {
    const std::string key = "user:" + std::to_string(1000 + 3 * i);
    for (uint64_t version = 0; version < 1 + i % 3; ++version) {
      const bool gone = (i + version) % 5 == 0;
      rows.push_back({key, PackTrailer(100 - version, gone ? ValueKind::kDelete : ValueKind::kPut),
                      gone ? "" : "value of " + key});
    }
  }
  auto built = BuildTable(rows, options,
                          tombstones ? std::vector<RangeTombstone>{{"user:1001", "user:1009", 50}, {"u", "v", 9}}
                                     : std::vector<RangeTombstone>{});
  EXPECT_TRUE(built.ok());
  Base base;
  base.bytes = *built->bytes;
  BlockCache cache(1 << 20);
  auto table = built->Open(&cache, kTableId);
  EXPECT_TRUE(table.ok());
  const std::string_view tail = std::string_view(base.bytes).substr(base.bytes.size() - kFooterSize);
  auto footer = Footer::Decode(tail, base.bytes.size(), "base");
  EXPECT_TRUE(footer.ok());
  base.properties = footer->properties;
  base.blocks = {footer->index, footer->filter, (*table)->properties().range_tombstones,
                 (*table)->properties().dictionary};
  auto index = ReadBlock(StringSource(built->bytes), footer->index, kTableId);
  EXPECT_TRUE(index.ok());
  uint64_t start = 0;
  const BlockView view(index->view());
  for (uint32_t i = 0; i < view.count(); ++i) {
    uint64_t end = 0;
    std::memcpy(&end, view.value(i).data(), kIndexValueSize);
    base.blocks.push_back({.offset = start, .size = static_cast<uint32_t>(end - start - kBlockTrailerSize)});
    start = end;
  }
  std::erase_if(base.blocks, [](const BlockHandle& block) { return block.size == 0; });
  return base;
}

const std::vector<Base>& Bases() {
  static const std::vector<Base> bases = {
      Make({.block_size = 128, .table_id = kTableId}, 12, true),
      Make({.block_size = 512, .filter_bits_per_key = 0, .table_id = kTableId}, 40, false),
      Make({.block_size = 1024, .compression = Compression::kZstd, .table_id = kTableId}, 100, true)};
  return bases;
}

void Seal(std::string* file, BlockHandle block, uint64_t table_id) {
  if (block.size > file->size() || block.offset > file->size() - block.size) return;
  if (file->size() - block.offset - block.size < kBlockTrailerSize + kFooterSize) return;
  const size_t end = block.offset + block.size;
  const auto compression = static_cast<BlockCompression>((*file)[end]);
  const std::string_view contents = std::string_view(*file).substr(block.offset, block.size);
  file->replace(end, kBlockTrailerSize, BlockTrailer(contents, compression, table_id, block.offset));
}

BlockHandle HandleAt(const std::string& file, size_t at) {
  return {.offset = DecodeFixed64(file.data() + at), .size = DecodeFixed32(file.data() + at + 8)};
}

std::string Patched(fuzz::FuzzInput* input) {
  const Base& base = Bases()[input->Below(Bases().size())];
  std::string file = base.bytes;
  while (!input->empty()) {
    // Two thirds of the bytes are data; what lies behind them is looked at more often.
    const size_t back = input->Number(2) % file.size();
    const std::string_view bytes = input->Bytes(1 + input->Below(8));
    const size_t at = file.size() - 1 - back;
    file.replace(at, std::min(bytes.size(), file.size() - at), bytes.substr(0, file.size() - at));
  }
  for (const BlockHandle& block : base.blocks) Seal(&file, block, kTableId);
  Seal(&file, base.properties, 0);
  const size_t footer = file.size() - kFooterSize;
  for (const size_t handle : {footer + 12, footer + 24}) Seal(&file, HandleAt(file, handle), kTableId);
  Seal(&file, HandleAt(file, footer), 0);
  char crc[4];
  EncodeFixed32(crc, MaskCrc(Crc32c(0, std::string_view(file).substr(footer, 36))));
  return file.replace(footer + 36, sizeof crc, crc, sizeof crc);
}

// ---- put together ----

class Assembly {
 public:
  explicit Assembly(fuzz::FuzzInput* input) : input_(input) {}

  std::string Make() {
    properties_.table_id = kTableId;
    const uint64_t blocks = input_->Below(5);
    for (uint64_t i = 0; i < blocks; ++i) AddDataBlock();
    if (input_->Flag()) properties_.range_tombstones = Append(Tombstones(), kTableId);
    Footer footer;
    if (input_->Flag()) footer.filter = Append(Filter(), kTableId);
    footer.index = Append(input_->Below(8) == 0 ? std::string(input_->Text()) : std::string(index_.Finish()), kTableId);
    footer.properties = Append(Properties(blocks), 0);
    return file_ + footer.Encode();
  }

 private:
  BlockHandle Append(std::string_view contents, uint64_t table_id) {
    const auto compression = static_cast<BlockCompression>(input_->Below(16) == 0 ? input_->Below(3) : 0);
    const BlockHandle block{.offset = file_.size(), .size = static_cast<uint32_t>(contents.size())};
    file_ += contents;
    file_ += BlockTrailer(contents, compression, table_id, block.offset);
    return block;
  }
  // Rows must ascend within a block; the next one may begin anywhere.
  std::string DataBlock() {
    BlockBuilder block;
    if (input_->Below(16) == 1) last_key_.clear();
    for (uint64_t rows = input_->Below(40); rows > 0; --rows) {
      if (input_->Below(4) != 0 || last_trailer_ == 0) {
        std::string key = last_key_.substr(0, input_->Below(8)) + std::string(input_->Text());
        if (key <= last_key_) key = last_key_ + "+" + key.substr(0, 8);
        last_key_ = std::move(key);
        hashes_.push_back(FilterHash(last_key_));
        last_trailer_ = ~uint64_t{0};
      }
      last_trailer_ -= std::min(last_trailer_, 1 + input_->Number(1));
      const std::string_view value = input_->Text();
      block.Add(last_key_, last_trailer_, value);
      ++properties_.entries;
    }
    return std::string(block.Finish());
  }
  void AddDataBlock() {
    Append(input_->Below(8) == 0 ? std::string(input_->Text()) : DataBlock(), kTableId);
    std::string end;
    PutFixed64(&end, input_->Below(16) == 0 ? input_->Number(2) : file_.size());
    if (CompareVersions(bound_, bound_trailer_, last_key_, last_trailer_) < 0) {
      bound_ = last_key_;
      bound_trailer_ = last_trailer_;
    }
    if (input_->Below(16) == 1) bound_ += input_->Text();  // too far, when rows of the next block lie below it
    index_.Add(bound_, bound_trailer_, std::string_view(end).substr(0, kIndexValueSize));
  }
  std::string Tombstones() {
    if (input_->Below(4) == 0) return std::string(input_->Text());
    std::vector<RangeTombstone> tombstones;
    for (uint64_t n = input_->Below(8); n > 0; --n) {
      const std::string begin(input_->Text()), end(input_->Text());
      tombstones.push_back({begin, end, input_->Number(1)});
    }
    properties_.range_deletes = tombstones.size();
    return RangeTombstones::Fragmented(std::move(tombstones)).Encode();
  }
  std::string Filter() { return input_->Flag() ? std::string(input_->Text()) : BuildFilter(hashes_, 10); }
  std::string Properties(uint64_t blocks) {
    if (input_->Below(8) == 0) return std::string(input_->Rest());
    properties_.data_blocks = blocks;
    properties_.smallest_seq = input_->Number(1);
    properties_.largest_seq = kSequenceMax;
    properties_.largest = last_key_;
    properties_.external = input_->Below(8) == 1;
    if (input_->Below(8) == 1) properties_.dictionary = {.offset = input_->Number(2), .size = kDictionarySize};
    if (input_->Below(8) == 1) properties_.entries = input_->Number(2);
    return properties_.Encode() + std::string(input_->Rest());
  }

  fuzz::FuzzInput* const input_;
  std::string file_;
  BlockBuilder index_;
  TableProperties properties_;
  std::vector<uint64_t> hashes_;
  std::string last_key_;
  uint64_t last_trailer_ = 0;
  std::string bound_;  // of the block before
  uint64_t bound_trailer_ = ~uint64_t{0};
};

// ---- read ----

bool Named(const Status& status) {
  return status.message().find("t.sst") != std::string_view::npos;
}

std::vector<Row> Walk(const std::shared_ptr<Table>& table, bool forward, Status* status) {
  std::vector<Row> rows;
  TableIterator it(table, forward ? kSweep : kKeep);
  for (forward ? it.SeekToFirst() : it.SeekToLast(); it.Valid() && rows.size() < kRowsMax;
       forward ? it.Next() : it.Prev()) {
    rows.push_back({std::string(it.key()), it.trailer(), std::string(it.value())});
  }
  *status = it.status();
  EXPECT_TRUE(status->ok() || Named(*status)) << status->ToString();
  return rows;
}

void ExpectFound(const std::shared_ptr<Table>& table, const std::vector<Row>& rows) {
  TableIterator it(table, kKeep);
  PinnedValue value;
  uint64_t trailer = 0;
  for (size_t i = 0; i < rows.size(); ++i) {
    it.Seek(rows[i].key, rows[i].trailer);
    EXPECT_TRUE(it.Valid() && (Row{std::string(it.key()), it.trailer(), std::string(it.value())}) == rows[i]) << i;
    if (i != 0 && rows[i].key == rows[i - 1].key) continue;
    // A trailer's sequence has 56 bits: asking for the newest means 56 ones.
    const auto found = table->Get(rows[i].key, FilterHash(rows[i].key), kSequenceMax, kKeep, &trailer, &value);
    EXPECT_TRUE(found.ok() && *found) << i;
    EXPECT_EQ(trailer, rows[i].trailer) << i;
    if (TrailerKind(trailer) != ValueKind::kDelete) {
      EXPECT_EQ(value.view(), rows[i].value) << i;
    }
  }
}

void ExpectFragmentsAscend(const RangeTombstones& tombstones) {
  std::string_view last;
  for (const auto& fragment : tombstones.fragments()) {
    EXPECT_LE(last, fragment.begin);
    EXPECT_LT(fragment.begin, fragment.end);
    EXPECT_FALSE(fragment.seqs.empty());
    EXPECT_TRUE(std::is_sorted(fragment.seqs.rbegin(), fragment.seqs.rend()));
    EXPECT_EQ(tombstones.CoveringSequence(fragment.begin, kSequenceMax), fragment.seqs.front());
    last = fragment.end;
  }
}

void Examine(const BuiltTable& built) {
  BlockCache cache(1 << 20);
  auto opened = built.Open(&cache, 0);
  if (!opened.ok()) {
    EXPECT_TRUE(Named(opened.status())) << opened.status().ToString();
    return;
  }
  const std::shared_ptr<Table> table = std::move(opened).value();
  uint64_t blocks = 0, entries = 0;
  std::vector<std::string> problems;
  table->Verify(&blocks, &entries, &problems);
  for (const std::string& problem : problems) EXPECT_NE(problem.find("t.sst"), std::string::npos) << problem;
  if (table->range_tombstones() != nullptr) ExpectFragmentsAscend(*table->range_tombstones());

  Status forward_status, backward_status;
  const std::vector<Row> forward = Walk(table, true, &forward_status);
  std::vector<Row> backward = Walk(table, false, &backward_status);
  std::vector<Row> kept;
  std::vector<Table::DamagedBlock> damaged;
  const Status salvaged = table->Salvage(
      [&](std::string_view key, uint64_t trailer, std::string_view value) {
        if (kept.size() < kRowsMax) kept.push_back({std::string(key), trailer, std::string(value)});
        return Status::Ok();
      },
      &damaged);
  EXPECT_TRUE(salvaged.ok()) << salvaged.ToString();
  EXPECT_LE(damaged.size(), problems.size());
  if (!problems.empty() || entries > kRowsMax) return;

  std::reverse(backward.begin(), backward.end());
  EXPECT_TRUE(forward_status.ok() && backward_status.ok());
  EXPECT_TRUE(backward == forward);
  EXPECT_TRUE(kept == forward);
  EXPECT_EQ(forward.size(), table->properties().entries);
  EXPECT_EQ(forward.size(), entries);
  for (size_t i = 1; i < forward.size(); ++i) {
    EXPECT_LT(CompareVersions(forward[i - 1].key, forward[i - 1].trailer, forward[i].key, forward[i].trailer), 0) << i;
  }
  ExpectFound(table, forward);
}

}  // namespace
}  // namespace varve::lsm

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace varve::lsm;
  varve::fuzz::FuzzInput input(data, size);
  BuiltTable built;
  switch (input.Below(3)) {
    case 0: *built.bytes = input.Rest(); break;
    case 1: *built.bytes = Patched(&input); break;
    default: *built.bytes = Assembly(&input).Make();
  }
  Examine(built);
  return 0;
}
