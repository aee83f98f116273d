// keyspace/last_commits.h - which commit wrote a key last, roughly: never an earlier one than it was, at times a later.
//
// Whoever has read a key owes it to his hearer that the write he saw is as durable as it was promised to be. Of most
// keys that was settled long ago, and their readers need wait for nothing. This tells them from the others: a small
// table of the numbers of commits, one for all keys that share a place. Numbers of commits ascend, and what shares a
// place only grows, so a key that was written is never taken for one that was not.
//
// Threads: one. Memory: kPlaces * 8 bytes.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string_view>
#include <vector>

namespace varve::keyspace {

class LastCommits {
 public:
  // Of 50 keys on their way to the disk, one in 650 others shares the place of any.
  static constexpr size_t kPlaces = size_t{1} << 15;

  // `commit`: the number that the pending batch will have, at least as high as all before.
  void Wrote(std::string_view key, uint64_t commit) { PlaceOf(key) = commit; }
  void WroteMany(uint64_t commit) { many_ = commit; }

  // 0: it was not written since this was made.
  uint64_t Of(std::string_view key) { return std::max(many_, PlaceOf(key)); }

 private:
  uint64_t& PlaceOf(std::string_view key) { return places_[std::hash<std::string_view>()(key) % kPlaces]; }

  std::vector<uint64_t> places_ = std::vector<uint64_t>(kPlaces);
  uint64_t many_ = 0;
};

}  // namespace varve::keyspace
