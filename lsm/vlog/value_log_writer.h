// lsm/vlog/value_log_writer.h - the format of a value-log file, version 1, and its writer.
//
//   | header : 20 bytes | record 0 | record 1 | ... | footer : 20 bytes |
//
//   header   magic : 00 00 'V' 'V' 'L' 'O' 'G', version : u8 | file id : u64 | masked crc32c of these 16 bytes : u32
//   record   size : u32 | contents, maybe compressed | compression : u8 | crc : u32
//            `size` is that of the contents as stored; they and what follows are a block as lsm/table/format.h draws it,
//            its crc seeded by file id and the contents' offset: a record of another file or place does not check.
//   footer   records : u64 | masked crc32c of these 8 bytes, seeded by BlockSeed(file id, footer's offset) : u32 |
//            magic : u64
//
// A record holds one value, no key: tables know who it belongs to (lsm/format/value_pointer.h). Records are never
// changed; what no table refers to any more is garbage until the file is emptied (lsm/compact/collection.h).
// Integers are little-endian.
// G1  Every offset and size is checked against the file before use.
// Why apart from tables: a value that lies here is written once, not once for each level it sinks through.
// Threads: one thread at a time.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "lsm/format/value_pointer.h"
#include "lsm/io/file_system.h"
#include "lsm/options.h"
#include "lsm/table/compressor.h"
#include "lsm/table/format.h"

namespace varve::lsm {

inline constexpr uint64_t kValueLogMagic = 0x01474f4c56560000;  // bytes 00 00 'V' 'V' 'L' 'O' 'G' and version 1
inline constexpr size_t kValueLogHeaderSize = 20;
inline constexpr size_t kValueLogFooterSize = 20;

// What the manifest keeps of a finished file.
struct ValueLogFacts {
  uint64_t file_id = 0;  // random; binds records to the file
  uint64_t file_size = 0;
  uint64_t records = 0;

  uint64_t record_bytes() const { return file_size - kValueLogHeaderSize - kValueLogFooterSize; }
};

std::string EncodeValueLogHeader(uint64_t file_id);
std::string EncodeValueLogFooter(uint64_t file_id, uint64_t offset, uint64_t records);
// Reads header and footer of a file and tells its facts. kUnsupported: a value-log file of another version.
Result<ValueLogFacts> ReadValueLogFacts(const ReadableFile& file);

class ValueLogWriter {
 public:
  // Takes over the file, which is empty. `zstd_level` is used with Compression::kZstd; a value that does not shrink by
  // an eighth is stored plain. `before_write` is asked before each write of so many bytes; its error ends the file.
  ValueLogWriter(std::unique_ptr<WritableFile> file, uint64_t number, uint64_t file_id, Compression compression,
                 int zstd_level, std::function<Status(size_t)> before_write = nullptr);

  Status Add(std::string_view value, ValuePointer* pointer);
  // Contents as another file stores them.
  Status AddStored(std::string_view contents, BlockCompression compression, ValuePointer* pointer);
  uint64_t size() const { return written_ + pending_.size(); }
  // Writes what is missing and syncs. The caller syncs the directory before it names the file in the manifest.
  Result<ValueLogFacts> Finish();

 private:
  Status Append(std::string_view bytes);
  Status WritePending();
  Status Write(std::string_view bytes);

  const std::unique_ptr<WritableFile> file_;
  const uint64_t number_;
  ValueLogFacts facts_;
  std::unique_ptr<Compressor> compressor_;
  const std::function<Status(size_t)> before_write_;
  std::string pending_;  // bytes not yet written
  uint64_t written_ = 0;
};

}  // namespace varve::lsm
