// lsm/table/properties.h - what a table says about itself; stored in its properties block.
//
//   | name : length-prefixed | value : length-prefixed | ... to the end of the block
//
// Values are varint64 or bytes, by name; a handle is two varint64, offset and size. A reader skips names it does not
// know, so fields can be added; it refuses a block that lacks a field marked * below.
//
//   table_id*  entries*  deletes*  range_deletes*  data_blocks*  smallest_seq*  largest_seq*          varint64
//   external (1: written by TableWriter; it has no sequences but for the 1 of its range tombstones: the manifest has them)  varint64
//   raw_key_bytes  raw_value_bytes                                                                    varint64
//   smallest*  largest*                                                                               bytes
//   largest_exclusive (1: `largest` is the end of a range tombstone, not a key of the table)          varint64
//   range_tombstones, dictionary (absent: there are none)                                             handles
//   value_logs (absent: no value pointers)                               references, lsm/format/value_pointer.h
//   expires_ms (wall clock; absent: not every value of the table expires)                             varint64
//   merge_operator (external tables only: whom their merges are for; absent: they hold none)          bytes
//   compression  filter (what the writer was asked for; for people)                                   bytes
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "lsm/format/internal_key.h"
#include "lsm/format/value_pointer.h"
#include "lsm/status.h"
#include "lsm/table/format.h"

namespace varve::lsm {

struct TableProperties {
  uint64_t table_id = 0;
  uint64_t entries = 0;  // point versions
  uint64_t deletes = 0;  // of them, kDelete
  uint64_t range_deletes = 0;
  uint64_t data_blocks = 0;
  SequenceNumber smallest_seq = 0, largest_seq = 0;
  uint64_t raw_key_bytes = 0, raw_value_bytes = 0;
  std::string smallest, largest;  // user keys; with range tombstones included
  bool largest_exclusive = false;
  bool external = false;
  BlockHandle range_tombstones, dictionary;  // size 0: none
  uint64_t expires_ms = 0;                   // when the last value expires; 0: never
  std::string compression, filter;
  std::string merge_operator;  // empty: none
  ValueLogReferences value_logs;

  std::string Encode() const;
  // The message of an error lacks the file; the caller knows it.
  static Result<TableProperties> Decode(std::string_view bytes);
};

}  // namespace varve::lsm
