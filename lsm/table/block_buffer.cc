#include "lsm/table/block_buffer.h"

#include <sys/mman.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <cstdint>
#include <new>

#include "lsm/io/map_aligned.h"
#include "lsm/sync/mutex.h"

namespace varve::lsm {
namespace {

constexpr size_t kSlabSize = size_t{1} << 20;
constexpr int kSparesMax = 4;  // slabs: what a merge gives back and asks for again
// Every size is so much larger than a round one: a block that is stored as it is is read with its trailer.
constexpr size_t kRim = 32;
constexpr size_t kStepMin = 512;                                // the sizes up to 4 KiB are its multiples
constexpr size_t kStepsPerPower = 8;                            // from there on
constexpr size_t kSizes = kStepsPerPower + 4 * kStepsPerPower;  // to 4 KiB, and to 64 KiB

#if defined(__SANITIZE_ADDRESS__)
constexpr bool kHasSlabs = false;
#elif defined(__has_feature)
constexpr bool kHasSlabs = !__has_feature(address_sanitizer);
#else
constexpr bool kHasSlabs = true;
#endif

std::atomic<size_t> slab_bytes{0};
std::atomic<size_t> hole_bytes{0};

// The distance between the sizes around `size`, both without their rim.
size_t StepFor(size_t size) {
  return std::max(kStepMin, std::bit_ceil(size) / 2 / kStepsPerPower);
}
size_t IndexOf(size_t capacity) {
  const size_t size = capacity - kRim;
  if (size <= kStepsPerPower * kStepMin) return size / kStepMin - 1;
  const size_t step = StepFor(size);
  const size_t power = static_cast<size_t>(std::countr_zero(step / kStepMin));  // 0: from 4 KiB to 8 KiB
  return kStepsPerPower * (power + 1) + size / step - kStepsPerPower - 1;
}

// A buffer that is in nobody's hands.
struct Free {
  Free* next;
};

// At the beginning of its memory, which is aligned to kSlabSize: so a buffer leads to its slab.
struct Slab {
  Slab* previous = nullptr;  // in the list of those with room
  Slab* next = nullptr;
  Free* free = nullptr;
  uint32_t used = 0;       // buffers in somebody's hands
  uint32_t untouched = 0;  // where those begin that nobody had yet as buffers of this size

  static Slab* Of(char* bytes) {
    return reinterpret_cast<Slab*>(reinterpret_cast<uintptr_t>(bytes) & ~uintptr_t{kSlabSize - 1});
  }
  bool HasRoom(size_t capacity) const { return free != nullptr || untouched + capacity <= kSlabSize; }
  char* Take(size_t capacity) {
    ++used;
    if (free != nullptr) {
      Free* const taken = free;
      free = taken->next;
      return reinterpret_cast<char*>(taken);
    }
    char* const taken = reinterpret_cast<char*>(this) + untouched;
    untouched += static_cast<uint32_t>(capacity);
    return taken;
  }
};
constexpr uint32_t kHeader = 64;
static_assert(sizeof(Slab) <= kHeader);

// Slabs without buffers, for whichever size needs one next: a merge reads blocks of many sizes, and holds a few at a time.
class Spares {
 public:
  // Null when there is none.
  Slab* Take() {
    MutexLock lock(&mu_);
    Slab* const slab = first_;
    if (slab == nullptr) return nullptr;
    first_ = slab->next;
    --count_;
    return slab;
  }
  // Has it back, or gives it to the system.
  void Put(Slab* slab) {
    {
      MutexLock lock(&mu_);
      if (count_ < kSparesMax) {
        ++count_;
        slab->next = first_;
        first_ = slab;
        return;
      }
    }
    munmap(slab, kSlabSize);
    slab_bytes.fetch_sub(kSlabSize, std::memory_order_relaxed);
  }

 private:
  Mutex mu_;
  Slab* first_ VARVE_GUARDED_BY(mu_) = nullptr;
  int count_ VARVE_GUARDED_BY(mu_) = 0;
};

// Never destroyed: buffers are given back until the last thread has ended.
Spares& AllSpares() {
  static auto& spares = *new Spares;
  return spares;
}

// The slabs of one size.
class Shelf {
 public:
  char* Take(size_t capacity) {
    MutexLock lock(&mu_);
    if (first_ == nullptr) AddSlab();
    Slab* const slab = first_;
    if (slab->free != nullptr) hole_bytes.fetch_sub(capacity, std::memory_order_relaxed);
    char* const bytes = slab->Take(capacity);
    if (!slab->HasRoom(capacity)) Unlink(slab);
    return bytes;
  }

  void Put(char* bytes, size_t capacity) {
    Slab* const slab = Slab::Of(bytes);
    {
      MutexLock lock(&mu_);
      if (!slab->HasRoom(capacity)) Link(slab);
      slab->free = new (bytes) Free{slab->free};
      hole_bytes.fetch_add(capacity, std::memory_order_relaxed);
      if (--slab->used > 0) return;
      Unlink(slab);
      hole_bytes.fetch_sub(slab->untouched - kHeader, std::memory_order_relaxed);
    }
    AllSpares().Put(slab);
  }

 private:
  void AddSlab() VARVE_REQUIRES(mu_) {
    void* memory = AllSpares().Take();
    if (memory == nullptr) {
      memory = MapAligned(kSlabSize);
      if (memory == nullptr) throw std::bad_alloc();
      slab_bytes.fetch_add(kSlabSize, std::memory_order_relaxed);
    }
    Link(new (memory) Slab{.untouched = kHeader});
  }
  void Link(Slab* slab) VARVE_REQUIRES(mu_) {
    slab->previous = nullptr;
    slab->next = first_;
    if (first_ != nullptr) first_->previous = slab;
    first_ = slab;
  }
  void Unlink(Slab* slab) VARVE_REQUIRES(mu_) {
    (slab->previous != nullptr ? slab->previous->next : first_) = slab->next;
    if (slab->next != nullptr) slab->next->previous = slab->previous;
  }

  Mutex mu_;
  Slab* first_ VARVE_GUARDED_BY(mu_) = nullptr;  // of those with room
};

// Never destroyed, as the spares.
Shelf& ShelfOf(size_t capacity) {
  static auto& shelves = *new std::array<Shelf, kSizes>;
  return shelves[IndexOf(capacity)];
}

bool IsInSlab(size_t size) {
  return kHasSlabs && size > 0 && size <= kBlockBufferMax;
}

}  // namespace

size_t BlockBufferCapacity(size_t size) {
  if (!IsInSlab(size)) return size;
  const size_t plain = size > kRim ? size - kRim : 1;
  const size_t step = StepFor(plain);
  return (plain + step - 1) / step * step + kRim;
}

BlockBuffer NewBlockBuffer(size_t size) {
  const size_t capacity = BlockBufferCapacity(size);
  char* const bytes = IsInSlab(size) ? ShelfOf(capacity).Take(capacity) : static_cast<char*>(::operator new(capacity));
  return BlockBuffer(bytes, GiveBack{size});
}

void GiveBack::operator()(char* bytes) const noexcept {
  if (!IsInSlab(size)) return ::operator delete(bytes);
  const size_t capacity = BlockBufferCapacity(size);
  ShelfOf(capacity).Put(bytes, capacity);
}

size_t BlockSlabBytes() {
  return slab_bytes.load(std::memory_order_relaxed);
}

size_t BlockHoleBytes() {
  return hole_bytes.load(std::memory_order_relaxed);
}

}  // namespace varve::lsm
