// lsm/table/block_compressor.h - compresses the blocks of one table, and finds out whether a dictionary pays.
//
// Small blocks compress badly because each has to say anew what its neighbours said. So the contents of the first blocks
// are kept as a dictionary (format.h); the next few are compressed both ways, and if that saves a twentieth, all later
// ones are stored with the dictionary. Text and JSON gain an eighth; what does not repeat itself pays for a few blocks
// compressed twice, and nothing else.
// Memory: the dictionary, and what zstd makes of it. Threads: one thread at a time.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "lsm/table/compressor.h"
#include "lsm/table/format.h"

namespace varve::lsm {

class BlockCompressor {
 public:
  // As they are to be stored: plain when compression saves less than an eighth. Valid until the next call.
  struct Contents {
    std::string_view bytes;
    BlockCompression compression;
  };

  explicit BlockCompressor(int zstd_level) : zstd_level_(zstd_level), alone_(zstd_level) {}

  // Of the next data block.
  Contents CompressData(std::string_view contents);
  // Of a block that is needed before the dictionary, or instead of it.
  Contents CompressAlone(std::string_view contents);
  // Empty: no block needs one.
  std::string_view dictionary() const { return needed_ ? std::string_view(dictionary_) : std::string_view(); }

 private:
  void Gather(std::string_view contents);
  void Try(std::string_view contents, size_t size_alone);

  const int zstd_level_;
  Compressor alone_;
  std::string dictionary_;
  std::unique_ptr<Compressor> with_dictionary_;  // null: still gathering, or it did not pay
  size_t tried_ = 0;                             // blocks
  size_t tried_alone_ = 0, tried_with_ = 0;      // bytes
  bool pays_ = false;
  bool given_up_ = false;
  bool needed_ = false;  // a block was stored with it
};

}  // namespace varve::lsm
