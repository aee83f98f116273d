#include "lsm/table/block_compressor.h"

#include "lsm/format/coding.h"

namespace varve::lsm {
namespace {

constexpr size_t kTriedBlocks = 8;
constexpr size_t kLeastSaved = 20;  // a part of what the blocks take without

// To zstd, bytes that begin like this are a trained dictionary and no raw content.
bool LooksTrained(std::string_view dictionary) {
  return DecodeFixed32(dictionary.data()) == ZSTD_MAGIC_DICTIONARY;
}

}  // namespace

BlockCompressor::Contents BlockCompressor::CompressAlone(std::string_view contents) {
  const std::string_view compressed = alone_.Compress(contents);
  if (compressed.empty()) return {contents, BlockCompression::kNone};
  return {compressed, BlockCompression::kZstd};
}

BlockCompressor::Contents BlockCompressor::CompressData(std::string_view contents) {
  if (pays_) {
    const std::string_view compressed = with_dictionary_->Compress(contents);
    if (compressed.empty()) return {contents, BlockCompression::kNone};
    needed_ = true;
    return {compressed, BlockCompression::kZstdDictionary};
  }
  const Contents result = CompressAlone(contents);
  if (given_up_) return result;
  if (with_dictionary_ == nullptr) {
    Gather(contents);
  } else {
    Try(contents, result.bytes.size());
  }
  return result;
}

void BlockCompressor::Gather(std::string_view contents) {
  dictionary_.append(contents.substr(0, kDictionarySize - dictionary_.size()));
  if (dictionary_.size() < kDictionarySize) return;
  given_up_ = LooksTrained(dictionary_);
  if (!given_up_) with_dictionary_ = std::make_unique<Compressor>(zstd_level_, dictionary_);
}

void BlockCompressor::Try(std::string_view contents, size_t size_alone) {
  const std::string_view with = with_dictionary_->Compress(contents);
  tried_alone_ += size_alone;
  tried_with_ += with.empty() ? contents.size() : with.size();
  if (++tried_ < kTriedBlocks) return;
  pays_ = tried_with_ + tried_alone_ / kLeastSaved < tried_alone_;
  given_up_ = !pays_;
  if (given_up_) with_dictionary_.reset();
}

}  // namespace varve::lsm
