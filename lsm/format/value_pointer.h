// lsm/format/value_pointer.h - what a table keeps under kValuePointer in place of a value that lies in a value-log file.
//
//   pointer    | file number | ordinal | offset | size |            varint x 4
//              `ordinal` counts the records of the file from 0, `offset` is where the record's contents begin, `size` how
//              many bytes they take as stored.
//   references | file number : varint | bytes : varint | ...        ascending; in a table's properties and in the manifest
//              how many bytes of each file's records the pointers of one table refer to, frames included.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "lsm/format/coding.h"

namespace varve::lsm {

// What a record adds to its contents: their size before them, the block trailer behind.
inline constexpr uint64_t kValueFrameSize = 4 + 5;

struct ValuePointer {
  uint64_t file_number = 0;
  uint64_t ordinal = 0;
  uint64_t offset = 0;
  uint32_t size = 0;

  uint64_t record_bytes() const { return size + kValueFrameSize; }

  std::string Encode() const {
    std::string out;
    for (const uint64_t number : {file_number, ordinal, offset, uint64_t{size}}) PutVarint64(&out, number);
    return out;
  }
  // False when `bytes` are not exactly one pointer.
  static bool Decode(std::string_view bytes, ValuePointer* out) {
    return GetVarint64(&bytes, &out->file_number) && GetVarint64(&bytes, &out->ordinal) &&
           GetVarint64(&bytes, &out->offset) && GetVarint32(&bytes, &out->size) && bytes.empty();
  }
};

struct ValueLogReference {
  uint64_t file_number = 0;
  uint64_t bytes = 0;
};
using ValueLogReferences = std::vector<ValueLogReference>;

inline std::string EncodeReferences(const ValueLogReferences& references) {
  std::string out;
  for (const ValueLogReference& reference : references) {
    PutVarint64(&out, reference.file_number);
    PutVarint64(&out, reference.bytes);
  }
  return out;
}

inline bool DecodeReferences(std::string_view bytes, ValueLogReferences* out) {
  out->clear();
  while (!bytes.empty()) {
    ValueLogReference reference;
    if (!GetVarint64(&bytes, &reference.file_number) || !GetVarint64(&bytes, &reference.bytes)) return false;
    if (reference.bytes == 0) return false;
    if (!out->empty() && out->back().file_number >= reference.file_number) return false;
    out->push_back(reference);
  }
  return true;
}

}  // namespace varve::lsm
