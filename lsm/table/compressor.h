// lsm/table/compressor.h - makes the stored contents of compressions 1 and 2 (zstd) as format.h draws them: for data blocks
// and for the values of value-log files. Threads: one thread at a time.
#pragma once

#include <zstd.h>

#include <algorithm>
#include <string>
#include <string_view>

#include "lsm/format/coding.h"

namespace varve::lsm {

class Compressor {
 public:
  explicit Compressor(int level) : context_(ZSTD_createCCtx()) {
    ZSTD_CCtx_setParameter(context_, ZSTD_c_compressionLevel, level);
    ZSTD_CCtx_setParameter(context_, ZSTD_c_contentSizeFlag, 0);  // we store the size ourselves
  }
  // With a dictionary of raw content: not for bytes that zstd would take for a trained one. What it needs is copied.
  Compressor(int level, std::string_view dictionary) : Compressor(level) {
    dictionary_ = ZSTD_createCDict(dictionary.data(), dictionary.size(), level);
    ZSTD_CCtx_refCDict(context_, dictionary_);
  }
  ~Compressor() {
    ZSTD_freeCCtx(context_);
    ZSTD_freeCDict(dictionary_);
  }
  Compressor(const Compressor&) = delete;
  Compressor& operator=(const Compressor&) = delete;

  // Size and frame; empty when that saves less than an eighth.
  std::string_view Compress(std::string_view contents) {
    const size_t limit = contents.size() - contents.size() / 8;
    buffer_.clear();
    PutFixed32(&buffer_, static_cast<uint32_t>(contents.size()));
    buffer_.resize(std::max(limit, buffer_.size()));
    const size_t size =
        ZSTD_compress2(context_, buffer_.data() + 4, buffer_.size() - 4, contents.data(), contents.size());
    if (ZSTD_isError(size)) return {};  // does not fit below the limit, or no memory: plain is always right
    return {buffer_.data(), size + 4};
  }

 private:
  ZSTD_CCtx* const context_;
  ZSTD_CDict* dictionary_ = nullptr;
  std::string buffer_;
};

}  // namespace varve::lsm
