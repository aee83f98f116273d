// resp/commands/memory.cc - MEMORY about the whole server; MEMORY USAGE of a key is in keys.cc.
#include <algorithm>
#include <string>

#include "resp/commands/arguments.h"
#include "resp/commands/handlers.h"

namespace varve::resp {
namespace {

double Ratio(uint64_t a, uint64_t b) {
  return b == 0 ? 0 : static_cast<double>(a) / static_cast<double>(b);
}

int64_t Difference(uint64_t a, uint64_t b) {
  return static_cast<int64_t>(a) - static_cast<int64_t>(b);
}

// Pairs of MEMORY STATS, counted.
class Pairs {
 public:
  explicit Pairs(Reply& reply) : reply_(reply), mark_(reply.out().size()) {}
  void Bytes(std::string_view name, uint64_t bytes) { Integer(name, static_cast<int64_t>(bytes)); }
  void Integer(std::string_view name, int64_t value) {
    Name(name);
    reply_.Integer(value);
  }
  void Real(std::string_view name, double value) {
    Name(name);
    reply_.Double(value);
  }
  void Name(std::string_view name) {
    reply_.Bulk(name);
    count_++;
  }
  void Finish() { reply_.MapAt(mark_, count_); }

 private:
  Reply& reply_;
  const size_t mark_;
  size_t count_ = 0;
};

struct Sums {
  uint64_t keys = 0;
  uint64_t overhead = 0;
  uint64_t dataset = 0;
};

// Keys live in the engine: its memtables and cache are the data, the rest of what is used is overhead.
Sums SumUp(const ServerFacts& facts, CommandContext& c) {
  Sums sums;
  for (int db = 0; db < keyspace::kDatabaseCount; db++) sums.keys += static_cast<uint64_t>(c.keys.counters(db).keys);
  const lsm::DbStats engine = c.keys.db()->Stats();
  sums.dataset = std::min<uint64_t>(engine.memtable_bytes + engine.cache_bytes, facts.used_memory_bytes);
  sums.overhead = facts.used_memory_bytes - sums.dataset;
  return sums;
}

std::string Diagnose(CommandContext& c) {
  constexpr uint64_t kSmallBytes = uint64_t{5} << 20;
  const ServerFacts facts = c.server.Facts();
  if (facts.used_memory_bytes < kSmallBytes) return "This server uses too little memory to say anything about it.\n";
  std::string text;
  const auto finding = [&](bool holds, std::string_view words) {
    if (holds) text.append(" * ").append(words).append("\n");
  };
  const uint64_t peak = std::max(facts.used_memory_peak_bytes, facts.used_memory_bytes);
  finding(Ratio(peak, facts.used_memory_bytes) > 1.5,
          "It once used more than 150 % of what it uses now: the resident size may stay high until MEMORY PURGE.");
  finding(Ratio(facts.rss_bytes, facts.used_memory_bytes) > 1.4 &&
              facts.rss_bytes - facts.used_memory_bytes > uint64_t{10} << 20,
          "The resident size is more than 140 % of what is used: fragmentation. MEMORY PURGE may give some back.");
  finding(facts.connected_clients > 0 && facts.clients_memory_bytes / facts.connected_clients > uint64_t{200} << 10,
          "Clients use more than 200 KiB each: CLIENT LIST shows whose requests or replies are large (tot-mem).");
  if (text.empty()) return "Nothing stands out: memory is used as it should be.\n";
  return "What stands out:\n\n" + text;
}

}  // namespace

void MemoryDoctor(Args /*args*/, CommandContext& c) {
  c.reply.Verbatim("txt", Diagnose(c));
}

void MemoryMallocStats(Args /*args*/, CommandContext& c) {
  c.reply.Verbatim("txt", c.server.AllocatorReport());
}

void MemoryPurge(Args /*args*/, CommandContext& c) {
  c.server.PurgeMemory();
  c.reply.Ok();
}

void MemoryStats(Args /*args*/, CommandContext& c) {
  const ServerFacts facts = c.server.Facts();
  const Sums sums = SumUp(facts, c);
  const uint64_t used = facts.used_memory_bytes;
  const uint64_t peak = std::max(facts.used_memory_peak_bytes, used);
  const uint64_t since_start = used > facts.startup_memory_bytes ? used - facts.startup_memory_bytes : 0;
  Pairs pairs(c.reply);
  pairs.Bytes("peak.allocated", peak);
  pairs.Bytes("total.allocated", used);
  pairs.Bytes("startup.allocated", facts.startup_memory_bytes);
  pairs.Integer("replication.backlog", 0);
  pairs.Integer("clients.slaves", 0);
  pairs.Bytes("clients.normal", facts.clients_memory_bytes);
  pairs.Integer("cluster.links", 0);
  pairs.Integer("aof.buffer", 0);
  pairs.Integer("lua.caches", 0);
  pairs.Integer("functions.caches", 0);
  for (int db = 0; db < keyspace::kDatabaseCount; db++) {
    if (c.keys.counters(db).keys == 0) continue;  // no tables of keys are kept in memory
    pairs.Name("db." + std::to_string(db));
    c.reply.Map(3);
    for (std::string_view table :
         {"overhead.hashtable.main", "overhead.hashtable.expires", "overhead.hashtable.slot-to-keys"}) {
      c.reply.Bulk(table);
      c.reply.Integer(0);
    }
  }
  pairs.Bytes("overhead.total", sums.overhead);
  pairs.Bytes("keys.count", sums.keys);
  pairs.Bytes("keys.bytes-per-key", sums.keys == 0 ? 0 : since_start / sums.keys);
  pairs.Bytes("dataset.bytes", sums.dataset);
  pairs.Real("dataset.percentage", 100 * std::min(Ratio(sums.dataset, since_start), 1.0));
  pairs.Real("peak.percentage", 100 * Ratio(used, peak));
  pairs.Bytes("allocator.allocated", used);
  pairs.Bytes("allocator.active", facts.allocator_active_bytes);
  pairs.Bytes("allocator.resident", facts.allocator_resident_bytes);
  pairs.Real("allocator-fragmentation.ratio", Ratio(facts.allocator_active_bytes, used));
  pairs.Integer("allocator-fragmentation.bytes", Difference(facts.allocator_active_bytes, used));
  pairs.Real("allocator-rss.ratio", Ratio(facts.allocator_resident_bytes, facts.allocator_active_bytes));
  pairs.Integer("allocator-rss.bytes", Difference(facts.allocator_resident_bytes, facts.allocator_active_bytes));
  pairs.Real("rss-overhead.ratio", Ratio(facts.rss_bytes, facts.allocator_resident_bytes));
  pairs.Integer("rss-overhead.bytes", Difference(facts.rss_bytes, facts.allocator_resident_bytes));
  pairs.Real("fragmentation", Ratio(facts.rss_bytes, used));
  pairs.Integer("fragmentation.bytes", Difference(facts.rss_bytes, used));
  pairs.Finish();
}

void MemoryHelp(Args /*args*/, CommandContext& c) {
  ReplyHelp(c, {"DOCTOR", "    Return memory problems reports.", "MALLOC-STATS",
                "    Return internal statistics report from the memory allocator.", "PURGE",
                "    Attempt to purge dirty pages for reclamation by the allocator.", "STATS",
                "    Return information about the memory usage of the server.", "USAGE <key> [SAMPLES <count>]",
                "    Return memory in bytes used by <key> and its value. Nested values are",
                "    sampled up to <count> times (default: 5, 0 means sample all)."});
}

}  // namespace varve::resp
