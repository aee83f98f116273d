#include "lsm/table/block.h"

#include <bit>
#include <cassert>
#include <limits>

#include "lsm/options.h"

namespace varve::lsm {
namespace {

// KeyPrefix(key.substr(from)). Where key has 8 bytes at all they are loaded at once; copying a few takes longer.
uint64_t PrefixAt(std::string_view key, size_t from) {
  const size_t size = key.size() - from;
  if (size == 0) return 0;
  if (key.size() < 8) return KeyPrefix(key.substr(from));
  const char* p = size >= 8 ? key.data() + from : key.data() + key.size() - 8;
  return __builtin_bswap64(DecodeFixed64(p)) << (size >= 8 ? 0 : 8 * (8 - size));
}

uint32_t BytesFor(uint64_t value) {
  return static_cast<uint32_t>((std::bit_width(value) + 7) / 8);
}

uint64_t MaskOf(uint32_t width) {
  return width == 0 ? 0 : ~uint64_t{0} >> (64 - 8 * width);
}

// Appends `count` numbers of `width` bytes; number(i) gives them.
template <typename Number>
void AppendNumbers(std::string* out, size_t count, uint32_t width, Number number) {
  const size_t start = out->size();
  out->resize(start + count * width + 8);  // each store writes 8 bytes
  char* p = out->data() + start;
  for (size_t i = 0; i < count; ++i, p += width) EncodeFixed64(p, number(i));
  out->resize(start + count * width);
}

// A line through the bounds of a section, and how far they stray from it.
struct Line {
  uint64_t stride = 0;
  uint64_t bias = 0;
  uint32_t width = 0;
};

Line FitLine(const std::vector<uint64_t>& bounds) {
  Line line;
  if (bounds.size() < 2) return line;
  line.stride = bounds.back() / (bounds.size() - 1);
  int64_t low = 0, high = 0;
  for (size_t i = 0; i < bounds.size(); ++i) {
    const int64_t off = static_cast<int64_t>(bounds[i] - i * line.stride);
    low = std::min(low, off);
    high = std::max(high, off);
  }
  line.bias = static_cast<uint64_t>(-low);
  line.width = BytesFor(static_cast<uint64_t>(high - low));
  assert(line.width <= 4);
  return line;
}

void AppendBounds(std::string* out, const std::vector<uint64_t>& bounds, const Line& line) {
  AppendNumbers(out, bounds.size(), line.width, [&](size_t i) { return bounds[i] - i * line.stride + line.bias; });
}

}  // namespace

void BlockBuilder::Add(std::string_view key, uint64_t trailer, std::string_view value) {
  assert(key.size() <= kKeySizeMax && value.size() <= kValueSizeMax);
  size_t shared = 0;
  if (entries_.size() % kBundleSize == 0) {
    head_start_ = keys_.size();
    head_size_ = key.size();
  } else {
    shared = SharedPrefix({keys_.data() + head_start_, head_size_}, key);
    assert(entries_.size() % kBundleSize == 1 || shared <= entries_.back().shared);  // B1 implies B2
  }
  keys_.append(key.data() + shared, key.size() - shared);
  block_.append(value);
  values_size_ = block_.size();
  assert(values_size_ + keys_.size() + 32 * entries_.size() < std::numeric_limits<uint32_t>::max());
  entries_.push_back({.trailer = trailer,
                      .value_end = static_cast<uint32_t>(values_size_),
                      .key_end = static_cast<uint32_t>(keys_.size()),
                      .shared = static_cast<uint32_t>(shared)});
  key_size_max_ = std::max(key_size_max_, key.size());
}

// Of the first and the last key, which is that of all: keys ascend.
size_t BlockBuilder::CommonSize() const {
  if (entries_.empty()) return 0;
  const size_t last_head = (entries_.size() - 1) / kBundleSize * kBundleSize;
  const size_t first_size = entries_[0].key_end;
  size_t common = SharedPrefix({keys_.data(), first_size}, {keys_.data() + head_start_, head_size_});
  if (entries_.size() - 1 != last_head) common = std::min<size_t>(common, entries_.back().shared);
  return common;
}

void BlockBuilder::AppendKeys(size_t common) {
  block_.append(keys_, 0, common);
  // Only heads begin with the common bytes, so a bundle moves as one piece.
  for (size_t i = 0, start = 0; i < entries_.size(); i += kBundleSize) {
    const size_t end = entries_[std::min(i + kBundleSize, entries_.size()) - 1].key_end;
    block_.append(keys_, start + common, end - start - common);
    start = end;
  }
}

void BlockBuilder::AppendArrays(size_t common) {
  const size_t count = entries_.size();
  uint64_t trailer_min = count == 0 ? 0 : entries_[0].trailer;
  uint64_t trailer_max = trailer_min;
  uint64_t shared_max = 0;
  for (const Entry& entry : entries_) {
    trailer_min = std::min(trailer_min, entry.trailer);
    trailer_max = std::max(trailer_max, entry.trailer);
    shared_max = std::max<uint64_t>(shared_max, entry.shared);
  }
  const auto is_head = [](size_t i) { return i % kBundleSize == 0; };
  const uint32_t shared_width = shared_max <= common ? 0 : BytesFor(shared_max - common);
  const uint32_t trailer_width = BytesFor(trailer_max - trailer_min);

  bounds_.assign(1, 0);
  for (const Entry& entry : entries_) bounds_.push_back(entry.value_end);
  const Line values = FitLine(bounds_);
  AppendBounds(&block_, bounds_, values);

  bounds_.assign(1, 0);
  for (size_t i = 0; i < count; ++i) bounds_.push_back(entries_[i].key_end - common * (i / kBundleSize + 1));
  const Line keys = FitLine(bounds_);
  AppendBounds(&block_, bounds_, keys);

  AppendNumbers(&block_, count, shared_width, [&](size_t i) { return is_head(i) ? 0 : entries_[i].shared - common; });
  AppendNumbers(&block_, count, trailer_width, [&](size_t i) { return entries_[i].trailer - trailer_min; });
  for (size_t i = 0; i < count; i += kBundleSize) {
    const size_t start = (i == 0 ? 0 : entries_[i - 1].key_end) + common;
    PutFixed64(&block_, KeyPrefix({keys_.data() + start, entries_[i].key_end - start}));
  }

  PutFixed32(&block_, static_cast<uint32_t>(count));
  PutFixed32(&block_, static_cast<uint32_t>(common));
  PutFixed32(&block_, static_cast<uint32_t>(key_size_max_));
  PutFixed32(&block_, static_cast<uint32_t>(values.stride));
  PutFixed32(&block_, static_cast<uint32_t>(values.bias));
  PutFixed32(&block_, static_cast<uint32_t>(keys.stride));
  PutFixed32(&block_, static_cast<uint32_t>(keys.bias));
  PutFixed64(&block_, trailer_min);
  for (uint32_t width : {values.width, keys.width, shared_width, trailer_width}) {
    block_.push_back(static_cast<char>(width));
  }
}

std::string_view BlockBuilder::Finish() {
  const size_t common = CommonSize();
  AppendKeys(common);
  AppendArrays(common);
  return block_;
}

void BlockBuilder::Reset() {
  // One huge value must not stay allocated for the rest of the table.
  constexpr size_t kKeepBytes = size_t{1} << 20;
  if (block_.capacity() > kKeepBytes) block_ = std::string();
  if (keys_.capacity() > kKeepBytes) keys_ = std::string();
  block_.clear();
  keys_.clear();
  entries_.clear();
  values_size_ = head_start_ = head_size_ = key_size_max_ = 0;
}

bool BlockView::Locate(std::string_view bytes) {
  if (bytes.size() < kBlockTailSize || bytes.size() > std::numeric_limits<uint32_t>::max()) return false;
  const char* tail = bytes.data() + bytes.size() - kBlockTailSize;
  bytes_ = bytes.data();
  count_ = DecodeFixed32(tail);
  common_size_ = DecodeFixed32(tail + 4);
  key_size_max_ = DecodeFixed32(tail + 8);
  value_stride_ = DecodeFixed32(tail + 12);
  value_bias_ = DecodeFixed32(tail + 16);
  key_stride_ = DecodeFixed32(tail + 20);
  key_bias_ = DecodeFixed32(tail + 24);
  trailer_base_ = DecodeFixed64(tail + 28);

  const auto* widths = reinterpret_cast<const unsigned char*>(tail + 36);
  if (widths[0] > 4 || widths[1] > 4 || widths[2] > 4 || widths[3] > 8) return false;
  const uint64_t counts[4] = {uint64_t{count_} + 1, uint64_t{count_} + 1, count_, count_};
  const uint64_t arrays_size = counts[0] * widths[0] + counts[1] * widths[1] + counts[2] * widths[2] +
                               counts[3] * widths[3] + 8 * uint64_t{bundles()};
  const uint64_t before_tail = bytes.size() - kBlockTailSize;
  if (arrays_size > before_tail) return false;

  const char* p = tail - arrays_size;
  const uint64_t keys_end = before_tail - arrays_size;
  Numbers* arrays[4] = {&value_bounds_, &key_bounds_, &shared_, &trailers_};
  for (int a = 0; a < 4; ++a) {
    *arrays[a] = {.bytes = p, .mask = MaskOf(widths[a]), .width = widths[a]};
    p += counts[a] * widths[a];
  }
  prefixes_ = p;

  const uint64_t suffixes_size = KeyBound(count_);
  if (suffixes_size > keys_end || common_size_ > keys_end - suffixes_size) return false;
  suffixes_ = bytes_ + (keys_end - suffixes_size);
  return ValueBound(count_) == keys_end - suffixes_size - common_size_;
}

BlockView::BlockView(std::string_view checked_bytes) {
  [[maybe_unused]] const bool located = Locate(checked_bytes);
  assert(located);
}

Status BlockView::Check(std::string_view bytes) {
  BlockView view;
  if (!view.Locate(bytes)) return Status::Corruption("sections do not fit the block");
  if (view.key_size_max_ > kKeySizeMax) return Status::Corruption("key longer than the limit");
  if (view.common_size_ > view.key_size_max_) return Status::Corruption("key longer than the longest");
  if (view.ValueBound(0) != 0 || view.KeyBound(0) != 0) return Status::Corruption("first entry does not start at 0");
  // Bounds are checked against the ends of their sections before anything is read there: they could rise beyond and
  // fall back to the end.
  const uint64_t values_end = view.ValueBound(view.count_), keys_end = view.KeyBound(view.count_);
  uint64_t value_bound = 0, key_bound = 0, shared_limit = 0;
  for (size_t i = 0; i < view.count_; ++i) {
    const uint64_t value_end = view.ValueBound(i + 1);
    const uint64_t key_end = view.KeyBound(i + 1);
    if (value_end > values_end || key_end > keys_end)
      return Status::Corruption("bounds of entries leave their section");
    if (value_end < value_bound || key_end < key_bound) return Status::Corruption("bounds of entries descend");
    const uint64_t shared = view.shared_[i];
    const uint64_t suffix_size = key_end - key_bound;
    if (i % kBundleSize == 0) {
      if (view.Prefix(i / kBundleSize) != KeyPrefix({view.suffixes_ + key_bound, suffix_size})) {
        return Status::Corruption("head prefix does not match its key");
      }
      shared_limit = 0;
    }
    if (shared > shared_limit) return Status::Corruption("key shares more than there is");
    if (view.common_size_ + shared + suffix_size > view.key_size_max_) {
      return Status::Corruption("key longer than the longest");
    }
    shared_limit = i % kBundleSize == 0 ? suffix_size : shared;
    value_bound = value_end;
    key_bound = key_end;
  }
  return Status::Ok();
}

// Branchless: with 5 to a few hundred bundles the misprediction would cost more than the search.
size_t BlockView::PrefixesBelow(uint64_t prefix) const {
  size_t base = 0;
  size_t size = bundles();
  if (size == 0) return 0;
  while (size > 1) {
    const size_t half = size / 2;
    base += Prefix(base + half - 1) < prefix ? half : 0;
    size -= half;
  }
  return base + (Prefix(base) < prefix ? 1 : 0);
}

size_t BlockView::HeadsBelow(std::string_view rest, uint64_t prefix, uint64_t trailer) const {
  size_t low = PrefixesBelow(prefix);
  if (low == bundles() || Prefix(low) != prefix) return low;
  // Heads with an equal prefix need their bytes compared.
  size_t high = prefix == std::numeric_limits<uint64_t>::max() ? bundles() : PrefixesBelow(prefix + 1);
  while (low < high) {
    const size_t middle = (low + high) / 2;
    const uint32_t i = static_cast<uint32_t>(middle * kBundleSize);
    if (CompareVersions(Suffix(i), this->trailer(i), rest, trailer) < 0) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}

uint32_t BlockView::LowerBound(std::string_view key, uint64_t trailer) const {
  if (common_size_ != 0) {
    const int c = key.substr(0, common_size_).compare(Common());
    if (c != 0) return c < 0 ? 0 : count_;
  }
  const std::string_view rest = key.substr(common_size_);
  const uint64_t rest_prefix = PrefixAt(key, common_size_);
  const size_t heads = HeadsBelow(rest, rest_prefix, trailer);
  if (heads == 0) return 0;

  // The answer lies after head `first` and not beyond the next head. The head is < the target and `match` bytes of its
  // suffix agree with it. An entry that shares more than that with its head is < the target like the head; one that
  // shares less is greater than both; and shared() never grows (B2), so only the middle ones are compared.
  const size_t first = (heads - 1) * kBundleSize;
  const size_t limit = std::min<size_t>(first + kBundleSize, count_);
  const size_t match = MatchWithHead(heads - 1, rest, rest_prefix);
  size_t low = first + 1, high = first + 1;
  for (size_t i = first + 1; i < limit; ++i) {
    const uint64_t shared = shared_[i];
    low += shared > match ? 1 : 0;
    high += shared >= match ? 1 : 0;
  }
  // By the first 8 bytes and without branches, like the heads; then those whose 8 bytes are equal, in full.
  const std::string_view target = rest.substr(match);
  const uint64_t prefix = PrefixAt(key, common_size_ + match);
  for (size_t size = high - low; size > 0;) {
    const size_t half = (size + 1) / 2;
    low += SuffixPrefix(low + half - 1) < prefix ? half : 0;
    size -= half;
  }
  while (low < high && SuffixPrefix(low) == prefix &&
         CompareVersions(Suffix(low), this->trailer(static_cast<uint32_t>(low)), target, trailer) < 0) {
    ++low;
  }
  return static_cast<uint32_t>(low);
}

size_t BlockView::MatchWithHead(size_t bundle, std::string_view rest, uint64_t prefix) const {
  const std::string_view head = Suffix(bundle * kBundleSize);
  const uint64_t difference = Prefix(bundle) ^ prefix;
  if (difference == 0) return SharedPrefix(head, rest);
  // The first difference may lie in the zeros that fill up a short one.
  return std::min({static_cast<size_t>(std::countl_zero(difference)) / 8, head.size(), rest.size()});
}

bool BlockView::KeyEquals(uint32_t i, std::string_view key) const {
  const size_t shared = static_cast<size_t>(shared_[i]);
  const std::string_view suffix = Suffix(i);
  if (key.size() != common_size_ + shared + suffix.size()) return false;
  const std::string_view head(suffixes_ + KeyBound(i & ~(kBundleSize - 1)), shared);
  // From the end: neighbours differ there.
  return key.substr(common_size_ + shared) == suffix && key.substr(common_size_, shared) == head &&
         key.substr(0, common_size_) == Common();
}

std::string BlockView::KeyAt(uint32_t i) const {
  std::string key(Common());
  key.append(suffixes_ + KeyBound(i & ~(kBundleSize - 1)), static_cast<size_t>(shared_[i]));
  key.append(Suffix(i));
  return key;
}

BlockIterator& BlockIterator::operator=(BlockIterator&& other) noexcept {
  if (this == &other) return *this;
  view_ = other.view_;
  index_ = other.index_;
  suffix_end_ = other.suffix_end_;
  key_size_ = other.key_size_;
  buffer_size_ = other.buffer_size_;
  heap_ = std::move(other.heap_);
  if (heap_ == nullptr) std::memcpy(inline_, other.inline_, kInlineSize);
  buffer_ = heap_ != nullptr ? heap_.get() : inline_;
  rest_ = buffer_ + view_.common_size_;
  other.buffer_ = other.rest_ = other.inline_;
  other.buffer_size_ = kInlineSize;
  other.Clear();
  return *this;
}

void BlockIterator::Reset(const BlockView& view) {
  view_ = view;
  index_ = view.count_;
  const size_t need = view.key_size_max_ + kCopySlack;
  if (need > buffer_size_) {
    heap_ = std::make_unique_for_overwrite<char[]>(need);
    buffer_ = heap_.get();
    buffer_size_ = need;
  }
  if (view.common_size_ != 0) std::memcpy(buffer_, view.Common().data(), view.common_size_);
  rest_ = buffer_ + view.common_size_;
}

}  // namespace varve::lsm
