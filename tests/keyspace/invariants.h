// tests/keyspace/invariants.h - whether the records of a keyspace are what keyspace/record.h says, straight from the
// engine: K1 and K2, the counters that the keyspace has in memory, and that format 2 and an order come together.
//
// Everything must be committed: what is pending is not looked at.
#pragma once

#include <map>
#include <set>
#include <string>

#include "keyspace/keyspace.h"

namespace varve::keyspace {

// The records, sorted out.
struct StoredRecords {
  std::map<int, Counters> counted;  // by number of storage, as all here
  std::map<int, Counters> counters;
  std::set<std::string> index;
  std::set<std::string> index_wanted;
  std::string format = "none";
  bool has_order = false;
  DatabaseOrder order = kPlainOrder;
};

inline lsm::Status AddRecord(std::string_view key, std::string_view value, StoredRecords* out) {
  const int number = key.size() >= 3 ? static_cast<uint8_t>(key[1]) << 8 | static_cast<uint8_t>(key[2]) : -1;
  switch (key[0]) {
    case kMetaTag: {
      MetaRecord record;
      VARVE_TRY(DecodeMetaRecord(value, &record));
      Counters& counted = out->counted[number];
      counted.keys++;
      if (record.expire_ms == 0) return {};
      counted.expires++;
      std::string index_key;
      EncodeExpiryKey(number, record.expire_ms, NameOfMetaKey(key), &index_key);
      out->index_wanted.insert(index_key);
      return {};
    }
    case kExpiryTag: out->index.emplace(key); return {};
    case kCounterTag: return DecodeCounters(value, &out->counters[number]);
    case kFormatTag: out->format = std::to_string(value.at(0)); return {};
    case kOrderTag: out->has_order = true; return DecodeOrder(value, &out->order);
    default: return lsm::Status::Corruption("a record with the tag " + std::to_string(key[0]));
  }
}

// Empty when nothing is wrong.
inline std::string BrokenInvariants(const Keyspace& keys) {
  StoredRecords stored;
  lsm::Iterator it = keys.db()->NewIterator({});
  for (it.SeekToFirst(); it.Valid(); it.Next()) {
    const lsm::Status status = AddRecord(it.key(), it.value(), &stored);
    if (!status.ok()) return status.ToString();
  }
  if (!it.status().ok()) return it.status().ToString();
  const auto text = [](const Counters& counters) {
    return std::to_string(counters.keys) + " keys, " + std::to_string(counters.expires) + " expires";
  };
  if (stored.index != stored.index_wanted) return "K1: the expiry index is not that of the records";
  if (stored.has_order != (stored.format == "2")) return "format " + stored.format + " does not fit the order";
  if (stored.has_order && stored.order == kPlainOrder) return "an order record says nothing";
  for (int db = 0; db < kDatabaseCount; db++) {
    const int number = stored.order[static_cast<size_t>(db)];
    const std::string where = "K2: database " + std::to_string(db) + ": " + text(stored.counted[number]) + ", but ";
    if (stored.counters[number] != stored.counted[number]) return where + text(stored.counters[number]) + " stored";
    if (keys.counters(db) != stored.counted[number]) return where + text(keys.counters(db)) + " in memory";
  }
  return {};
}

}  // namespace varve::keyspace
