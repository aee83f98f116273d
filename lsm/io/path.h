// lsm/io/path.h - the parts of a path: strings with '/' between them.
#pragma once

#include <string>

namespace varve::lsm {

// "a/b" of "a/b/c"; "/" of "/c"; "." of "c".
inline std::string ParentOf(const std::string& path) {
  const size_t slash = path.find_last_of('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}
// "c" of "a/b/c".
inline std::string NameOf(const std::string& path) {
  return path.substr(path.find_last_of('/') + 1);
}
// The path of what is called `name` in `dir`.
inline std::string PathIn(const std::string& dir, const std::string& name) {
  return dir == "/" ? dir + name : dir + "/" + name;
}
inline std::string WithoutTrailingSlashes(std::string path) {
  while (path.size() > 1 && path.back() == '/') path.pop_back();
  return path;
}

}  // namespace varve::lsm
