// keyspace/known_keys.h - keys that are there for sure: plain strings without a time to live, remembered by 8 bytes each.
//
// To overwrite such a key nothing needs to be known of it: no counter moves and no expiry entry goes. So SET, MSET and
// the like ask here first, and are spared the engine's search, which was half of what a SET cost (docs/experiments.md).
// Forgetting a key costs that search, never an answer; remembering one that is gone would make counters wrong. Hence:
//   - the keyspace adds a key when it has written or seen it so, and removes it when it writes anything else there;
//   - Clear() when writes are taken back, or many keys go at once;
//   - what identifies a key is a keyed 128-bit hash (SipHash-2-4, a random key that nobody learns): 64 bits are stored, and
//     the others say where. For two keys to be mistaken for each other takes 2^80 of them, whoever chooses their names.
//
//   | 8 tags of 8 bytes | 8 tags | ...    one cache line for each set; the hash says which; 0 is no tag
//
// The table is address space until it is used. Threads: one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string_view>

namespace varve::keyspace {

class KnownKeys {
 public:
  // Uses at most `bytes`, at least one set. Throws std::bad_alloc.
  explicit KnownKeys(size_t bytes);

  bool Has(std::string_view key) const;
  void Add(std::string_view key);
  void Remove(std::string_view key);
  // Forgets all, at once: their tags will mean nothing.
  void Clear();

 private:
  static constexpr size_t kWays = 8;
  static constexpr size_t kSetBytes = kWays * sizeof(uint64_t);
  static constexpr size_t kHashKeySize = 16;

  struct Place {
    uint64_t* set;  // of kWays tags
    uint64_t tag;   // never 0
  };
  struct Free {
    void operator()(uint64_t* tags) const { std::free(tags); }
  };

  Place Find(std::string_view key) const;

  size_t mask_;  // sets - 1
  std::unique_ptr<uint64_t, Free> memory_;
  uint64_t* tags_;  // within it, at a cache line's border
  unsigned char hash_key_[kHashKeySize];
};

}  // namespace varve::keyspace
