// tests/fuzz/wal.cc - F4: the reader of a log segment (the manifest is one, too).
//
//   | how the file is made : u8 |   0  the rest is the file
//                                   1  operations: records that check, with any mark, of this segment or of another,
//                                      rubbish and zeros between them, bits flipped, the end cut off
//                                   2  what LogWriter writes, cut anywhere: nobody has damaged anything
//
// What is read is compared with a second, simpler reading of the same bytes (class Plain): the records, how they end,
// whether the segment is refused. A segment that ends open can be sealed there and then reads the same. Repair's way
// through the damage goes forward and ends.
#include <optional>

#include "tests/fuzz/fuzz_input.h"
#include "tests/lsm/wal/log_test_util.h"

namespace varve::lsm {
namespace {

using End = LogReader::End;

constexpr uint32_t kSalt = 0x5a17ab1e;
constexpr size_t kFileMax = 160 * 1024;  // more than the reader reads at once
constexpr int kOperationsMax = 64;

std::string Identity(uint64_t number) {
  std::string payload(kLogMagic);
  PutFixed32(&payload, kLogFormatVersion);
  PutFixed32(&payload, kSalt);
  PutFixed64(&payload, number);
  payload.resize(kLogIdentitySize - 4);
  PutFixed32(&payload, kSalt);
  // Its checksum is seeded with 0, its tag is that of the others.
  std::string record = Forge(payload, number, kSalt, 0);
  char crc[4];
  EncodeFixed32(crc, MaskCrc(Crc32c(0, std::string_view(record).substr(4))));
  return record.replace(0, sizeof crc, crc, sizeof crc);
}

// lsm/wal/log_format.h read literally, the whole file in memory.
class Plain {
 public:
  Plain(std::string_view file, uint64_t number) : file_(file), number_(number) {
    if (!ReadIdentity() || refused) return;
    uint64_t offset = kIdentityEnd;
    std::optional<Record> record;
    while ((record = At(offset)) && record->payload.size() > 1) {
      records.emplace_back(record->payload);
      offset = record->end;
    }
    end = record ? End::kSealed : End::kOpen;
    refused = !record && FurthestMark(offset + 1) > offset;
  }

  Records records;
  End end = End::kEmpty;
  bool refused = false;  // for damage, or another version

 private:
  struct Record {
    std::string_view payload;
    uint32_t synced;
    uint64_t end;
  };
  std::optional<Record> At(uint64_t offset) const {
    if (file_.size() < kLogHeaderSize || offset > file_.size() - kLogHeaderSize) return {};
    const char* const header = file_.data() + offset;
    const uint64_t length = DecodeFixed32(header + 4);
    const uint32_t synced = DecodeFixed32(header + 12);
    if (length == 0 || length > file_.size() - offset - kLogHeaderSize) return {};
    if (DecodeFixed32(header + 8) != LogTag(number_, salt_) || synced > offset) return {};
    const std::string_view checked(header + 4, kLogHeaderSize - 4 + length);
    if (DecodeFixed32(header) != MaskCrc(Crc32c(salt_, checked))) return {};
    if (length == 1 && header[kLogHeaderSize] != static_cast<char>(kLogSeal)) return {};
    return Record{{header + kLogHeaderSize, length}, synced, offset + kLogHeaderSize + length};
  }
  // What lies inside a record is no record (L2).
  uint64_t FurthestMark(uint64_t offset) const {
    char tag[4];
    EncodeFixed32(tag, LogTag(number_, salt_));
    uint64_t furthest = 0;
    for (size_t hit; (hit = file_.find({tag, sizeof tag}, offset + 8)) != std::string_view::npos;) {
      const std::optional<Record> record = At(hit - 8);
      if (record) furthest = std::max<uint64_t>(furthest, record->synced);
      offset = record ? record->end : hit - 8 + 1;
    }
    return furthest;
  }
  bool ReadIdentity() {
    if (file_.size() < kIdentityEnd) return false;
    const char* const payload = file_.data() + kLogHeaderSize;
    const uint64_t length = DecodeFixed32(file_.data() + 4);
    const bool whole = length >= 12 && length <= kLogIdentitySize && file_.substr(kLogHeaderSize, 8) == kLogMagic &&
                       DecodeFixed32(file_.data()) == MaskCrc(Crc32c(0, file_.substr(4, kLogHeaderSize - 4 + length)));
    if (whole && DecodeFixed32(payload + 8) != kLogFormatVersion) return refused = true;
    const uint32_t salts[] = {DecodeFixed32(payload + 12), DecodeFixed32(payload + kLogIdentitySize - 4)};
    salt_ = salts[0];
    if (whole && length == kLogIdentitySize && salts[0] == salts[1]) return DecodeFixed64(payload + 16) == number_;
    for (const uint32_t salt : salts) {
      salt_ = salt;
      refused = refused || FurthestMark(kIdentityEnd) > 0;
    }
    return false;
  }

  const std::string_view file_;
  const uint64_t number_;
  uint32_t salt_ = 0;
};

std::string Operations(fuzz::FuzzInput* input, uint64_t number) {
  std::string file = Identity(number);
  for (int i = 0; i < kOperationsMax && !input->empty() && file.size() < kFileMax; ++i) {
    const auto here = static_cast<uint32_t>(file.size());
    switch (input->Below(10)) {
      case 0:
      case 1: file += Forge(input->Text(), number, kSalt, 0); break;
      case 2: file += Forge(input->Text(), number, kSalt, here); break;
      case 3: {
        const auto synced = static_cast<uint32_t>(input->Number(2));
        file += Forge(input->Text(), number, kSalt, synced);
        break;
      }
      case 4: file += input->Text(); break;
      case 5: file.append(input->Number(1), '\0'); break;
      case 6: file += Forge(std::string(2 * input->Number(2), 'b'), number, kSalt, here); break;
      case 7: file += Forge(std::string(1, static_cast<char>(kLogSeal)), number, kSalt, 0); break;
      case 8: file += Forge(input->Text(), number + 1, kSalt + static_cast<uint32_t>(input->Below(2)), here); break;
      default: {
        const uint64_t at = input->Number(2) % file.size(), what = input->Number(1);
        if (what >= 128) file[at] = static_cast<char>(file[at] ^ (1 << what % 8));
        if (what < 16) file.resize(at);
        if (file.empty()) return file;
      }
    }
  }
  return file;
}

// Returns what was written, too: of that, a prefix is left.
std::string Written(fuzz::FuzzInput* input, uint64_t number, Records* written) {
  ScriptedFiles fs;
  LogWriter::Setup setup = Segment(number, kSalt);
  setup.write_ahead_bytes = input->Flag() ? 4096 : 0;
  setup.earlier_durable = input->Flag();
  const uint64_t cut = input->Number(2);
  auto log = OpenLog(&fs, setup);
  for (int i = 0; i < kOperationsMax && !input->empty(); ++i) {
    switch (input->Below(4)) {
      case 0: EXPECT_TRUE(log->Sync().ok()); break;
      case 1: log->set_earlier_durable(); break;
      default: {
        std::string payload(input->Text());
        payload.resize(std::max<size_t>(payload.size(), 2));
        EXPECT_TRUE(log->Append(payload).ok());
        written->push_back(std::move(payload));
      }
    }
  }
  if (input->Flag()) {
    EXPECT_TRUE(log->Seal().ok());
  }
  const std::string file = fs.Bytes(kLog);
  return file.substr(0, file.size() - cut % (file.size() + 1));
}

void ExpectSealable(ScriptedFiles* fs, uint64_t number, const ReadBack& read) {
  LogReader reader;
  EXPECT_TRUE(reader.Open(fs, kLog, number).ok());
  EXPECT_TRUE(LogWriter::SealAt(fs, kLog, number, reader.salt(), read.offset).ok());
  const ReadBack again = ReadLog(fs, number);
  EXPECT_TRUE(again.status.ok()) << again.status.ToString();
  EXPECT_EQ(again.end, End::kSealed);
  EXPECT_EQ(again.records, read.records);
}

void ExpectRepairEnds(ScriptedFiles* fs, uint64_t number) {
  LogReader reader;
  const Status opened = reader.Open(fs, kLog, number);
  if (opened.Is(StatusCode::kUnsupported)) return;
  std::string_view payload;
  uint64_t begin = 0, end = 0, bytes = 0;
  do {
    while (reader.Next(&payload)) bytes += kLogHeaderSize + payload.size();
    const uint64_t before = end;
    if (!reader.SkipDamage(&begin, &end)) break;
    EXPECT_LT(begin, end);
    EXPECT_LT(before, end);
  } while (!::testing::Test::HasFailure());
  EXPECT_LE(bytes, fs->Bytes(kLog).size());
}

void Examine(std::string file, uint64_t number, const Records* written) {
  ScriptedFiles fs;
  fs.Put(kLog, std::move(file));
  const Plain plain(fs.Bytes(kLog), number);
  const ReadBack read = ReadLog(&fs, number);
  EXPECT_EQ(!read.status.ok(), plain.refused) << read.status.ToString();
  EXPECT_EQ(read.records, plain.records);
  EXPECT_LE(read.offset + read.tail_bytes, fs.Bytes(kLog).size());
  if (!read.status.ok()) {
    EXPECT_EQ(read.status.message().rfind(kLog, 0), 0u) << read.status.ToString();
  } else {
    EXPECT_EQ(read.end, plain.end);
  }
  if (written != nullptr) {
    EXPECT_TRUE(read.status.ok()) << "a cut end refused: " << read.status.ToString();
    EXPECT_LE(read.records.size(), written->size());
    EXPECT_TRUE(std::equal(read.records.begin(), read.records.end(), written->begin()));
  }
  ExpectRepairEnds(&fs, number);
  if (read.status.ok() && read.end == End::kOpen) ExpectSealable(&fs, number, read);
}

}  // namespace
}  // namespace varve::lsm

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace varve::lsm;
  varve::fuzz::FuzzInput input(data, size);
  const uint64_t how = input.Below(3), number = input.Number(1);
  Records written;
  switch (how) {
    case 0: Examine(std::string(input.Rest()), number, nullptr); break;
    case 1: Examine(Operations(&input, number), number, nullptr); break;
    default: {
      std::string file = Written(&input, number, &written);
      Examine(std::move(file), number, &written);
    }
  }
  return 0;
}
