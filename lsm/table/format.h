// lsm/table/format.h - the frame of a table file (SSTable), format version 1.
//
//   | data block 0 | data block 1 | ... | range tombstones? | filter? | index | properties | footer : 48 bytes |
//
//   block       | contents, maybe compressed | compression : u8 | crc : u32 |         the 5 last bytes are the block's
//   trailer
//               crc is crc32c over contents and compression byte, seeded by BlockSeed(table id, offset): a block read
//               from another file or place does not check. The properties block is seeded with table id 0, so that it
//               can tell the id. Compressed contents start with the uncompressed size : u32.
//   properties  field by field, see table_builder.cc; they hold the table id, counts, bounds and the range-tombstone
//   handle footer      properties offset u64, size u32 | index offset u64, size u32 | filter offset u64, size u32 | crc
//   u32 of the 36 bytes |
//               magic and version u64. Sizes exclude the trailer; a filter of size 0 means no filter.
//
// All integers little-endian. T1: every offset and size is checked against the file before use.
#pragma once

#include <cstddef>
#include <cstdint>

namespace varve::lsm {

struct BlockHandle {
  uint64_t offset = 0;
  uint32_t size = 0;  // of the contents as stored, without the trailer
};

inline constexpr size_t kBlockTrailerSize = 5;
inline constexpr size_t kFooterSize = 48;
inline constexpr uint64_t kTableMagic = 0x0145565241560000;  // bytes 00 00 'V' 'A' 'R' 'V' 'E' and version 1

}  // namespace varve::lsm
