// lsm/table/format.h - the frame of a table file (SSTable), format version 1.
//
//   | data block 0 | data block 1 | ... | dictionary? | range tombstones? | filter? | index | properties | footer : 48 bytes |
//
//   block       contents, maybe compressed | compression : u8 | crc : u32
//               The 5 last bytes are the block's trailer. crc is the masked crc32c of contents and compression byte,
//               seeded by BlockSeed(table id, offset): a block read from another file or place does not check. The
//               properties block is seeded with table id 0, so that it can tell the id.
//               compression 1 (zstd): contents are the uncompressed size : u32 and one zstd frame.
//               compression 2 (data blocks only): the same, the frame made and read with the table's dictionary.
//   data block  block.h. They lie end to end from the start of the file.
//   index       block.h, one entry for each data block: (key, trailer) is an upper bound of the block's versions and
//               below those of the next block; value is where the block ends, its trailer included : 5 bytes.
//               T2  The first data block whose index entry is >= (key, trailer) holds the first version >= (key,
//               trailer), or there is none with that key. Between different user keys the entry is a short separator
//               with trailer 0 (sorting after all versions of it); where versions of one key span blocks, it is the
//               last version itself.
//   dictionary  what zstd calls a raw-content dictionary: the first kDictionarySize bytes of the data blocks' contents, one
//               block after the other. So it is there twice, and a table that has lost its tail can still be read.
//   range tombstones, filter, properties: lsm/format/range_tombstones.h, filter.h, properties.h
//   footer      properties offset u64, size u32 | index offset u64, size u32 | filter offset u64, size u32 |
//               masked crc32c of these 36 bytes : u32 | magic : 00 00 'V' 'A' 'R' 'V' 'E', version : u8
//               Sizes are those of the contents, without the trailer; a filter of size 0 means no filter.
//
// All integers little-endian. T1: every offset and size is checked against the file before use.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "lsm/io/file_system.h"
#include "lsm/status.h"
#include "lsm/table/block_buffer.h"

namespace varve::lsm {

enum class BlockCompression : uint8_t { kNone = 0, kZstd = 1, kZstdDictionary = 2 };

struct BlockHandle {
  uint64_t offset = 0;
  uint32_t size = 0;  // of the contents as stored, without the trailer
};

inline constexpr size_t kBlockTrailerSize = 5;
inline constexpr size_t kFooterSize = 48;
inline constexpr uint64_t kTableMagic = 0x0145565241560000;  // bytes 00 00 'V' 'A' 'R' 'V' 'E' and version 1
inline constexpr size_t kIndexValueSize = 5;
inline constexpr size_t kDictionarySize = 16 * 1024;
inline constexpr uint64_t kTableSizeMax = (uint64_t{1} << 40) - 1;  // what an index value can say: 1 TiB

struct Footer {
  BlockHandle properties, index, filter;

  std::string Encode() const;
  // `bytes` are the last kFooterSize of the file, which is `file_size` long. kUnsupported: a table of another version.
  static Result<Footer> Decode(std::string_view bytes, uint64_t file_size, const std::string& path);
};

// What a block's checksum starts from.
uint32_t BlockSeed(uint64_t table_id, uint64_t offset);

// The 5 bytes that follow `contents` in the file.
std::string BlockTrailer(std::string_view contents, BlockCompression compression, uint64_t table_id, uint64_t offset);

// Uncompressed contents of a block, owned.
struct BlockBytes {
  BlockBuffer bytes;
  uint32_t size = 0;
  std::string_view view() const { return {bytes.get(), size}; }
};

// Checks and uncompresses what the file holds at `offset`: contents and trailer. Copies. `dictionary` is the table's;
// empty: it has none.
Result<BlockBytes> DecodeBlock(std::string_view stored, uint64_t offset, uint64_t table_id, const std::string& path,
                               std::string_view dictionary = {});
// Reads it first; plain contents stay where they were read to.
Result<BlockBytes> ReadBlock(const ReadableFile& file, BlockHandle handle, uint64_t table_id,
                             std::string_view dictionary = {});
// Reads and checks it, and leaves the contents as they are stored.
Result<BlockBytes> ReadStoredBlock(const ReadableFile& file, BlockHandle handle, uint64_t table_id,
                                   BlockCompression* compression);
// Exactly `size` bytes; kCorruption when the file ends earlier.
Status ReadExactly(const ReadableFile& file, uint64_t offset, size_t size, char* buffer);

// "<path>: block at offset N: <problem>"
Status BlockCorruption(const std::string& path, uint64_t offset, std::string_view problem);

}  // namespace varve::lsm
