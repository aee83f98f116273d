#include "resp/command_keys.h"

#include <algorithm>

#include "resp/numbers.h"

namespace varve::resp {

std::vector<KeyArgument> KeysOf(const Command& command, Args args) {
  std::vector<KeyArgument> keys;
  for (const KeySpec& spec : command.keys) {
    if ((spec.flags & kKeyNotKey) != 0) continue;
    const int64_t count = static_cast<int64_t>(args.size());
    int64_t last = spec.last >= 0 ? spec.first + spec.last : count + spec.last;
    if (spec.count_at != 0) {
      int64_t keys_said = 0;
      // More than there can be are as many as there are.
      if (spec.count_at >= count || !ParseInt64(args[static_cast<size_t>(spec.count_at)], &keys_said)) continue;
      last = spec.first + (std::clamp<int64_t>(keys_said, 0, count) - 1) * spec.step;
    }
    for (int64_t i = spec.first; i <= last && i < count; i += spec.step) {
      keys.push_back({static_cast<size_t>(i), spec.flags_of != nullptr ? spec.flags_of(args) : spec.flags});
    }
  }
  return keys;
}

}  // namespace varve::resp
