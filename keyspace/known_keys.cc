#include "keyspace/known_keys.h"

#include <sodium.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <new>

namespace varve::keyspace {

static_assert(crypto_shorthash_siphashx24_KEYBYTES == 16 && crypto_shorthash_siphashx24_BYTES == 16);

KnownKeys::KnownKeys(size_t bytes) {
  const size_t sets = std::bit_floor(std::max(bytes / kSetBytes, size_t{1}));
  mask_ = sets - 1;
  memory_.reset(static_cast<uint64_t*>(std::calloc(sets + 1, kSetBytes)));
  if (memory_ == nullptr) throw std::bad_alloc();
  const uintptr_t address = reinterpret_cast<uintptr_t>(memory_.get());
  tags_ = memory_.get() + (kSetBytes - address % kSetBytes) % kSetBytes / sizeof(uint64_t);
  Clear();
}

void KnownKeys::Clear() {
  randombytes_buf(hash_key_, sizeof(hash_key_));
}

KnownKeys::Place KnownKeys::Find(std::string_view key) const {
  uint64_t hash[2];
  crypto_shorthash_siphashx24(reinterpret_cast<unsigned char*>(hash),
                              reinterpret_cast<const unsigned char*>(key.data()), key.size(), hash_key_);
  return {tags_ + (hash[0] & mask_) * kWays, hash[1] != 0 ? hash[1] : 1};
}

bool KnownKeys::Has(std::string_view key) const {
  const Place place = Find(key);
  return std::find(place.set, place.set + kWays, place.tag) != place.set + kWays;
}

// A free place, or one of the eight at random: which one, the tag's own bits say.
void KnownKeys::Add(std::string_view key) {
  const Place place = Find(key);
  uint64_t* free = nullptr;
  for (uint64_t* at = place.set; at != place.set + kWays; at++) {
    if (*at == place.tag) return;
    if (*at == 0 && free == nullptr) free = at;
  }
  *(free != nullptr ? free : place.set + place.tag % kWays) = place.tag;
}

void KnownKeys::Remove(std::string_view key) {
  const Place place = Find(key);
  std::replace(place.set, place.set + kWays, place.tag, uint64_t{0});
}

}  // namespace varve::keyspace
