// resp/sha1.h - SHA-1, for names and signatures that Redis made with it (DEBUG DIGEST); no secret depends on it.
//
// Threads: one.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace varve::resp {

using Sha1Digest = std::array<uint8_t, 20>;

Sha1Digest Sha1(std::string_view bytes);

}  // namespace varve::resp
