// lsm/mem/key_index.h - from a key to its newest version in a memtable: one far memory access instead of a search's ten.
//
//   slot : u64   | high 16 bits of the key's hash | 48 bits pointer |        0: free. Linear probing from hash & mask.
//
// A key has one slot for ever; a newer version of it replaces the pointer. At three quarters full the writer builds a
// table of twice the size and publishes it; the old one stays in the arena, so a reader inside it goes on undisturbed:
// whatever it does not find there was added after its snapshot.
// Threads: Set by the memtable's one writer; Find by any thread, beside it.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <new>
#include <string_view>

#include "lsm/format/hash.h"
#include "lsm/format/prefetch.h"
#include "lsm/io/clock.h"
#include "lsm/mem/arena.h"

namespace varve::lsm {

// Node has key() and trailer.
template <typename Node>
class KeyIndex {
 public:
  explicit KeyIndex(Arena* arena) : arena_(arena) { Reset(); }

  // Brings the slot of `hash` near, for a Set or Find to come.
  void Prefetch(uint64_t hash) const {
    const Table* table = table_.load(std::memory_order_acquire);
    PrefetchLine(&table->slots[hash & table->mask]);
  }
  // Then the node that Find looks at first. False: there is none with such a hash.
  bool PrefetchNode(uint64_t hash) const {
    const Table* table = table_.load(std::memory_order_acquire);
    for (size_t i = hash & table->mask;; i = (i + 1) & table->mask) {
      const uint64_t slot = table->slots[i].load(std::memory_order_relaxed);
      if (slot == 0) return false;
      if (slot >> kPointerBits != hash >> kPointerBits) continue;
      PrefetchLine(Pointer(slot));
      return true;
    }
  }
  // The newest version of `key`, or null.
  const Node* Find(std::string_view key, uint64_t hash) const {
    const Table* table = table_.load(std::memory_order_acquire);
    for (size_t i = hash & table->mask;; i = (i + 1) & table->mask) {
      const uint64_t slot = table->slots[i].load(std::memory_order_acquire);
      if (slot == 0) return nullptr;
      if (slot >> kPointerBits != hash >> kPointerBits) continue;
      const Node* node = Pointer(slot);
      if (node->key() == key) return node;
    }
  }
  // Makes `node` what Find gives for its key, unless a newer version is there.
  void Set(const Node* node, uint64_t hash) {
    Table* table = table_.load(std::memory_order_relaxed);
    if ((used_ + 1) * 4 > (table->mask + 1) * 3) table = Grow(table);
    used_ += Place(table, node, hash);
  }
  // Forgets everything; the memory is the arena's, which has been reset. No reader is there.
  void Reset() {
    used_ = 0;
    table_.store(NewTable(kSizeMin), std::memory_order_release);
  }

  // Keyed by a secret of this process, so that nobody can choose keys that collide.
  static uint64_t Hash(std::string_view key) {
    static const uint64_t secret = SystemRandom()->Next();
    return XXH3_64bits_withSeed(key.data(), key.size(), secret);
  }

 private:
  static constexpr int kPointerBits = 48;
  static constexpr size_t kSizeMin = 32;
  static constexpr size_t kPrefetchAhead = 16;  // slots, while the table is rebuilt

  struct Table {
    size_t mask;
    std::atomic<uint64_t>* slots;
  };

  static const Node* Pointer(uint64_t slot) {
    return reinterpret_cast<const Node*>(slot & ((uint64_t{1} << kPointerBits) - 1));
  }

  Table* NewTable(size_t size) {
    auto* slots = reinterpret_cast<std::atomic<uint64_t>*>(arena_->Allocate(size * sizeof(uint64_t)));
    for (size_t i = 0; i < size; ++i) new (&slots[i]) std::atomic<uint64_t>(0);
    return new (arena_->Allocate(sizeof(Table))) Table{size - 1, slots};
  }

  // 1 when the key took a slot of its own, 0 when it had one.
  static size_t Place(Table* table, const Node* node, uint64_t hash) {
    const uint64_t word = (hash >> kPointerBits << kPointerBits) | reinterpret_cast<uint64_t>(node);
    for (size_t i = hash & table->mask;; i = (i + 1) & table->mask) {
      const uint64_t slot = table->slots[i].load(std::memory_order_relaxed);
      if (slot == 0) {
        table->slots[i].store(word, std::memory_order_release);
        return 1;
      }
      if (slot >> kPointerBits != hash >> kPointerBits) continue;
      const Node* other = Pointer(slot);
      if (other->key() != node->key()) continue;
      if (node->trailer > other->trailer) table->slots[i].store(word, std::memory_order_release);
      return 0;
    }
  }

  Table* Grow(const Table* old) {
    const size_t size = old->mask + 1;
    Table* const grown = NewTable(size * 2);
    for (size_t i = 0; i < size; ++i) {
      if (i + kPrefetchAhead < size) {
        PrefetchLine(Pointer(old->slots[i + kPrefetchAhead].load(std::memory_order_relaxed)));
      }
      const uint64_t slot = old->slots[i].load(std::memory_order_relaxed);
      if (slot != 0) Place(grown, Pointer(slot), Hash(Pointer(slot)->key()));
    }
    table_.store(grown, std::memory_order_release);
    return grown;
  }

  Arena* const arena_;
  std::atomic<Table*> table_{nullptr};
  size_t used_ = 0;  // writer's: slots taken
};

}  // namespace varve::lsm
