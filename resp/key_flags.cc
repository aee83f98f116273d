#include "resp/key_flags.h"

#include <algorithm>

#include "resp/command_table.h"
#include "resp/numbers.h"

namespace varve::resp {

// Reads only, when it is nothing but whole GETs.
uint16_t KeyFlagsOfBitField(Args args) {
  for (size_t i = 2; i < args.size(); i++) {
    const size_t arguments = args.size() - i - 1;
    if (EqualsIgnoreCase(args[i], "get") && arguments >= 2) {
      i += 2;
    } else if (EqualsIgnoreCase(args[i], "overflow") && arguments >= 1) {
      i += 1;
    } else {
      return kKeyRW | kKeyAccess | kKeyUpdate;
    }
  }
  return kKeyRO | kKeyAccess;
}

// Reads its key only when told to.
uint16_t KeyFlagsOfSet(Args args) {
  const bool reads = std::any_of(args.begin() + std::min<size_t>(args.size(), 3), args.end(), [](std::string_view arg) {
    return EqualsIgnoreCase(arg, "get") || EqualsIgnoreCase(arg, "ifeq");
  });
  return reads ? kKeyRW | kKeyAccess | kKeyUpdate : kKeyOW | kKeyUpdate;
}

}  // namespace varve::resp
