#include "resp/look_ahead.h"

namespace varve::resp {
namespace {

constexpr size_t kWordsMax = 8;
constexpr size_t kDigitsMax = 6;
constexpr size_t kNone = static_cast<size_t>(-1);

// The number of "<kind><digits>\r\n" at *at, which moves behind it; kNone when that is not there.
size_t TakeNumber(std::string_view data, size_t* at, char kind) {
  if (*at >= data.size() || data[*at] != kind) return kNone;
  size_t number = 0, p = *at + 1;
  for (const size_t begin = p; p < data.size() && data[p] >= '0' && data[p] <= '9'; ++p) {
    if (p - begin == kDigitsMax || (p > begin && number == 0)) return kNone;
    number = number * 10 + static_cast<size_t>(data[p] - '0');
  }
  if (p == *at + 1 || data.size() - p < 2 || data[p] != '\r' || data[p + 1] != '\n') return kNone;
  *at = p + 2;
  return number;
}

}  // namespace

std::optional<Glimpse> GlimpseRequest(std::string_view data) {
  Glimpse glimpse;
  const size_t words = TakeNumber(data, &glimpse.size, '*');
  if (words == 0 || words > kWordsMax) return {};
  for (size_t i = 0; i < words; ++i) {
    const size_t size = TakeNumber(data, &glimpse.size, '$');
    if (size == kNone || data.size() - glimpse.size < size + 2) return {};
    if (i == 0) glimpse.name = data.substr(glimpse.size, size);
    if (i == 1) glimpse.first = data.substr(glimpse.size, size);
    glimpse.size += size + 2;
  }
  return glimpse;
}

bool ReadsFirstArgument(const Command& command) {
  if (command.keys.empty()) return false;
  const KeySpec& spec = command.keys.front();
  constexpr uint16_t kOthers = kKeyOW | kKeyRM | kKeyVariable | kKeyNotKey;
  return spec.first == 1 && spec.last == 0 && spec.count_at == 0 && (spec.flags & kOthers) == 0;
}

}  // namespace varve::resp
