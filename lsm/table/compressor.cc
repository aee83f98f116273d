#include "lsm/table/compressor.h"

#define ZSTD_STATIC_LINKING_ONLY  // for ZSTD_c_literalCompressionMode; a library that does not know it compresses as ever
#include <zstd.h>

#include <algorithm>
#include <new>

#include "lsm/format/coding.h"

namespace varve::lsm {
namespace {

constexpr int kUselessMax = 8;
constexpr int kWithoutMax = 31;

// Whether a block of `frame`, as we ask for them, has its literals in a Huffman code (RFC 8878, 3.1.1).
bool HasHuffmanLiterals(std::string_view frame) {
  constexpr size_t kFrameHeader = 4 + 1 + 1;  // magic; descriptor, of zeros: all else is left out; window
  constexpr size_t kBlockHeader = 3;          // last : 1 bit | type : 2 | size : 21
  constexpr uint32_t kRle = 1, kCompressed = 2;
  for (size_t at = kFrameHeader; at + kBlockHeader < frame.size();) {
    const uint32_t header = DecodeFixed32(frame.data() + at);  // and the literals' first byte behind it
    const uint32_t type = header >> 1 & 3, size = (header & 0xffffff) >> 3, literals_type = header >> 24 & 3;
    if (type == kCompressed && literals_type >= 2) return true;
    at += kBlockHeader + (type == kRle ? 1 : size);
  }
  return false;
}

}  // namespace

Compressor::Compressor(int level) : context_(ZSTD_createCCtx()) {
  if (context_ == nullptr) throw std::bad_alloc();
  ZSTD_CCtx_setParameter(context_, ZSTD_c_compressionLevel, level);
  ZSTD_CCtx_setParameter(context_, ZSTD_c_contentSizeFlag, 0);  // we store the size ourselves
}

Compressor::Compressor(int level, std::string_view dictionary) : Compressor(level) {
  dictionary_ = ZSTD_createCDict(dictionary.data(), dictionary.size(), level);
  ZSTD_CCtx_refCDict(context_, dictionary_);
}

Compressor::~Compressor() {
  ZSTD_freeCCtx(context_);
  ZSTD_freeCDict(dictionary_);
}

std::string_view Compressor::Compress(std::string_view contents) {
  const size_t limit = contents.size() - contents.size() / 8;
  buffer_.clear();
  PutFixed32(&buffer_, static_cast<uint32_t>(contents.size()));
  buffer_.resize(std::max(limit, buffer_.size()));
  ChooseLiterals();
  const size_t size =
      ZSTD_compress2(context_, buffer_.data() + 4, buffer_.size() - 4, contents.data(), contents.size());
  // It does not fit below the limit, or there is no memory: plain is always right.
  const std::string_view frame(buffer_.data() + 4, ZSTD_isError(size) ? 0 : size);
  if (huffman_) useless_ = HasHuffmanLiterals(frame) ? 0 : useless_ + 1;
  return frame.empty() ? std::string_view() : std::string_view(buffer_.data(), 4 + frame.size());
}

void Compressor::ChooseLiterals() {
  const bool huffman = useless_ < kUselessMax || without_ == kWithoutMax;
  without_ = huffman ? 0 : without_ + 1;
  if (huffman == huffman_) return;
  huffman_ = huffman;
  ZSTD_CCtx_reset(context_, ZSTD_reset_session_only);  // one that did not fit is not over yet
  ZSTD_CCtx_setParameter(context_, ZSTD_c_literalCompressionMode, huffman ? ZSTD_ps_auto : ZSTD_ps_disable);
}

}  // namespace varve::lsm
