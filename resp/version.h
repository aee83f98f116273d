// resp/version.h - what the server says it is. Clients decide by Redis' version which commands they may send.
#pragma once

#include <string_view>

namespace varve::resp {

inline constexpr std::string_view kRedisVersion = "7.0.15";
inline constexpr std::string_view kVarveVersion = "0.1.0";

}  // namespace varve::resp
