#include "resp/command_keys.h"

#include <algorithm>

#include "resp/numbers.h"

namespace varve::resp {
namespace {

// SET reads its key only when told to.
uint32_t FlagsHere(const KeySpec& spec, Args args) {
  if ((spec.flags & kKeyVariable) == 0) return spec.flags;
  const bool reads = std::any_of(args.begin() + std::min<size_t>(args.size(), 3), args.end(),
                                 [](std::string_view arg) { return EqualsIgnoreCase(arg, "get"); });
  return reads ? kKeyRW | kKeyAccess | kKeyUpdate : kKeyOW | kKeyUpdate;
}

}  // namespace

std::vector<KeyArgument> KeysOf(const Command& command, Args args) {
  std::vector<KeyArgument> keys;
  for (const KeySpec& spec : command.keys) {
    if ((spec.flags & kKeyNotKey) != 0) continue;
    const int64_t count = static_cast<int64_t>(args.size());
    const int64_t last = spec.last >= 0 ? spec.first + spec.last : count + spec.last;
    for (int64_t i = spec.first; i <= last && i < count; i += spec.step) {
      keys.push_back({static_cast<size_t>(i), FlagsHere(spec, args)});
    }
  }
  return keys;
}

}  // namespace varve::resp
