// lsm/table/compressor.h - makes the stored contents of compressions 1 and 2 (zstd) as format.h draws them: for data blocks
// and for the values of value-log files.
//
// zstd writes what is no repetition, the literals, in a Huffman code where that is shorter. To see that it is not takes two
// fifths of the time of a block of 8 KiB, and bytes without frequent letters (numbers, hashes, what was compressed before)
// come in long runs. So after eight inputs in a row whose literals stayed as they are the code is not tried any more but
// for every 32nd input, until it helps again (docs/experiments.md).
// Threads: one thread at a time.
#pragma once

#include <zstd.h>

#include <string>
#include <string_view>

namespace varve::lsm {

class Compressor {
 public:
  explicit Compressor(int level);
  // With a dictionary of raw content: not for bytes that zstd would take for a trained one. What it needs is copied.
  Compressor(int level, std::string_view dictionary);
  ~Compressor();
  Compressor(const Compressor&) = delete;
  Compressor& operator=(const Compressor&) = delete;

  // Size and frame; empty when that saves less than an eighth. Valid until the next call.
  std::string_view Compress(std::string_view contents);

 private:
  void ChooseLiterals();

  ZSTD_CCtx* const context_;
  ZSTD_CDict* dictionary_ = nullptr;
  std::string buffer_;
  int useless_ = 0;      // inputs in a row for which a Huffman code was tried and did not help
  int without_ = 0;      // inputs since it was tried
  bool huffman_ = true;  // for the input at hand
};

}  // namespace varve::lsm
