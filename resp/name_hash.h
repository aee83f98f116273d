// resp/name_hash.h - lets a hash table of std::string be searched by std::string_view.
#pragma once

#include <functional>
#include <string_view>

namespace varve::resp {

struct NameHash {
  using is_transparent = void;
  size_t operator()(std::string_view name) const { return std::hash<std::string_view>()(name); }
};

}  // namespace varve::resp
