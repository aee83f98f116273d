// Transactions over lists: what reads say about the order of appends, and the search for a cycle of "came before".
#include <algorithm>
#include <map>
#include <queue>
#include <set>
#include <utility>

#include "tests/linearizability/checker.h"

namespace varve::linearizability {
namespace {

using Ids = std::vector<uint64_t>;

std::string Show(const Ids& ids) {
  std::string text = "[";
  for (const uint64_t id : ids) text += (text.size() > 1 ? " " : "") + std::to_string(id);
  return text + "]";
}

std::string Show(const ListTransaction& transaction) {
  std::string text = "[" + std::to_string(transaction.invoked) + ", " +
                     (transaction.returned == kNever ? "never" : std::to_string(transaction.returned)) + "] client " +
                     std::to_string(transaction.client) + ":";
  for (const Access& access : transaction.accesses) {
    text += access.id != 0 ? " append " + std::to_string(access.id) + " to " + access.key : " read " + access.key;
    if (access.list.has_value()) text += " -> " + Show(*access.list);
    text += ";";
  }
  if (transaction.outcome == Outcome::kUnknown) text += " its outcome is unknown";
  return text;
}

class Graph {
 public:
  explicit Graph(const std::vector<ListTransaction>& transactions)
      : transactions_(transactions), edges_(2 * transactions.size()) {}

  std::string Check() {
    if (std::string wrong = FindWriters(); !wrong.empty()) return wrong;
    if (std::string wrong = FindOrders(); !wrong.empty()) return wrong;
    FindUnread();
    AddAppends();
    AddReads();
    AddTimes();
    return ExplainCycle(ShortestCycle());
  }

 private:
  struct Edge {
    size_t to;
    std::string why;
  };
  struct List {
    Ids order;                   // the longest that was read: all others are its beginnings
    std::vector<size_t> unread;  // transactions that appended what nobody read, and did so for certain
    std::map<uint64_t, size_t> writers;
  };
  std::string Wrong(size_t index, const std::string& what) const {
    return "not serializable: " + what + ":\n  " + Show(transactions_[index]) + "\n";
  }

  std::string FindWriters() {
    for (size_t i = 0; i < transactions_.size(); ++i) {
      for (const Access& access : transactions_[i].accesses) {
        if (access.id == 0) continue;
        if (!lists_[access.key].writers.emplace(access.id, i).second) return Wrong(i, "an id is appended twice");
      }
    }
    return {};
  }

  // Checks each read by itself, and against the longest of its list.
  std::string FindOrders() {
    for (size_t i = 0; i < transactions_.size(); ++i) {
      std::map<std::string, Ids> own;
      for (const Access& access : transactions_[i].accesses) {
        if (access.id != 0) own[access.key].push_back(access.id);
        if (!access.list.has_value()) continue;
        if (std::string what = FindFault(i, access, own[access.key]); !what.empty()) return Wrong(i, what);
        const Ids& read = *access.list;
        Ids& order = lists_[access.key].order;
        const auto shorter = static_cast<std::ptrdiff_t>(std::min(read.size(), order.size()));
        if (!std::equal(read.begin(), read.begin() + shorter, order.begin())) {
          return Wrong(i, "list " + access.key + " was also read as " + Show(order));
        }
        if (read.size() > order.size()) order = read;
      }
    }
    return {};
  }

  // What is wrong with a read whatever the others read.
  std::string FindFault(size_t reader, const Access& access, const Ids& own) const {
    const Ids& read = *access.list;
    const auto& writers = lists_.at(access.key).writers;
    for (size_t n = 0; n < read.size(); ++n) {
      const auto writer = writers.find(read[n]);
      const std::string item = std::to_string(read[n]) + " in list " + access.key;
      if (writer == writers.end()) return "nobody has appended " + item;
      if (transactions_[writer->second].outcome == Outcome::kAborted) return "whoever appended " + item + " gave up";
      if (std::find(read.begin(), read.begin() + static_cast<std::ptrdiff_t>(n), read[n]) !=
          read.begin() + static_cast<std::ptrdiff_t>(n)) {
        return "there are two " + item;
      }
      if (writer->second == reader && n + own.size() < read.size()) return "too early comes its own " + item;
    }
    const bool ends_with_own = read.size() >= own.size() && std::equal(own.rbegin(), own.rend(), read.rbegin());
    return ends_with_own ? "" : "its own appends are not at the end of list " + access.key;
  }

  // Appends that no read shows lie behind all that any read shows; if their transaction had no effect elsewhere and its
  // outcome is not known, they need not be at all.
  void FindUnread() {
    for (size_t i = 0; i < transactions_.size(); ++i) {
      if (transactions_[i].outcome == Outcome::kCommitted) effective_.insert(i);
    }
    for (const auto& [key, list] : lists_) {
      for (const uint64_t id : list.order) effective_.insert(list.writers.at(id));
    }
    for (auto& [key, list] : lists_) {
      for (const auto& [id, writer] : list.writers) {
        const bool read = std::find(list.order.begin(), list.order.end(), id) != list.order.end();
        if (!read && effective_.contains(writer)) list.unread.push_back(writer);
      }
    }
  }

  void Add(size_t from, size_t to, std::string why) {
    if (from != to) edges_[from].push_back({to, std::move(why)});
  }

  void AddAppends() {
    for (const auto& [key, list] : lists_) {
      for (size_t n = 0; n < list.order.size(); ++n) AddNext(list.writers.at(list.order[n]), key, n + 1, "ww");
    }
  }
  // To whoever appended to what has the first `length` of the list.
  void AddNext(size_t from, const std::string& key, size_t length, const std::string& kind) {
    const List& list = lists_.at(key);
    const std::string why = kind + " on list " + key + ", ";
    if (length < list.order.size()) {
      const uint64_t id = list.order[length];
      return Add(from, list.writers.at(id), why + "then came " + std::to_string(id));
    }
    for (const size_t writer : list.unread) Add(from, writer, why + "whose append nobody has read");
  }

  void AddReads() {
    for (size_t i = 0; i < transactions_.size(); ++i) {
      std::map<std::string, size_t> own;
      for (const Access& access : transactions_[i].accesses) {
        if (access.id != 0) ++own[access.key];
        if (!access.list.has_value()) continue;
        const size_t outer = access.list->size() - own[access.key];
        if (outer > 0) {
          const uint64_t last = (*access.list)[outer - 1];
          Add(lists_.at(access.key).writers.at(last), i, "wr on list " + access.key + ", " + std::to_string(last));
        }
        AddNext(i, access.key, outer, "rw");
      }
    }
  }

  // A node behind the transactions stands for each return; who returned before it comes before who is invoked after it.
  void AddTimes() {
    std::vector<std::pair<uint64_t, size_t>> returns, calls;
    for (size_t i = 0; i < transactions_.size(); ++i) {
      calls.emplace_back(transactions_[i].invoked, i);
      if (transactions_[i].returned != kNever && effective_.contains(i))
        returns.emplace_back(transactions_[i].returned, i);
    }
    std::sort(returns.begin(), returns.end());
    std::sort(calls.begin(), calls.end());
    size_t returned = 0;
    for (const auto& [time, index] : calls) {
      for (; returned < returns.size() && returns[returned].first < time; ++returned) {
        const size_t node = transactions_.size() + returned;
        Add(returns[returned].second, node, "rt");
        if (returned > 0) Add(node - 1, node, "rt");
      }
      if (returned > 0) Add(transactions_.size() + returned - 1, index, "rt");
    }
  }

  // The edges of one, in order; empty: there is none. Breadth first from each transaction; most histories have none,
  // which peeling off nodes that nothing leads to shows at once.
  std::vector<Edge> ShortestCycle() const {
    std::vector<Edge> best;
    for (const size_t start : OnCycles()) {
      if (start >= transactions_.size()) continue;
      std::vector<Edge> cycle = CycleThrough(start, best.empty() ? edges_.size() : best.size() - 1);
      if (!cycle.empty()) best = std::move(cycle);
    }
    return best;
  }

  // A superset of the nodes that lie on cycles; empty when there are none.
  std::vector<size_t> OnCycles() const {
    std::vector<size_t> leading(edges_.size(), 0), bare, left;
    for (const auto& edges : edges_) {
      for (const Edge& edge : edges) ++leading[edge.to];
    }
    for (size_t node = 0; node < edges_.size(); ++node) {
      if (leading[node] == 0) bare.push_back(node);
    }
    while (!bare.empty()) {
      const size_t node = bare.back();
      bare.pop_back();
      for (const Edge& edge : edges_[node]) {
        if (--leading[edge.to] == 0) bare.push_back(edge.to);
      }
    }
    for (size_t node = 0; node < edges_.size(); ++node) {
      if (leading[node] > 0) left.push_back(node);
    }
    return left;
  }

  // A shortest one of at most `length_max` edges.
  std::vector<Edge> CycleThrough(size_t start, size_t length_max) const {
    struct Reached {
      size_t from = 0, length = 0;
      const Edge* by = nullptr;
    };
    std::vector<Reached> reached(edges_.size());
    std::queue<size_t> nodes({start});
    while (!nodes.empty() && reached[start].by == nullptr) {
      const size_t node = nodes.front();
      nodes.pop();
      if (reached[node].length >= length_max) break;
      for (const Edge& edge : edges_[node]) {
        if (reached[edge.to].by != nullptr) continue;
        reached[edge.to] = {node, reached[node].length + 1, &edge};
        nodes.push(edge.to);
        if (edge.to == start) break;
      }
    }
    std::vector<Edge> cycle;
    if (reached[start].by == nullptr) return cycle;
    size_t node = start;
    do {
      cycle.push_back(*reached[node].by);
      node = reached[node].from;
    } while (node != start);
    std::reverse(cycle.begin(), cycle.end());
    return cycle;
  }

  std::string ExplainCycle(const std::vector<Edge>& cycle) const {
    if (cycle.empty()) return {};
    std::string text =
        "not strictly serializable: each of these came before the next, and the last before the first:\n";
    text += "  " + Show(transactions_[cycle.back().to]) + "\n";
    for (const Edge& edge : cycle) {
      if (edge.to >= transactions_.size()) continue;
      text += "    " + (edge.why == "rt" ? "rt, had returned when the next was invoked" : edge.why) + "\n";
      if (&edge != &cycle.back()) text += "  " + Show(transactions_[edge.to]) + "\n";
    }
    return text;
  }

  const std::vector<ListTransaction>& transactions_;
  std::map<std::string, List> lists_;
  std::set<size_t> effective_;            // transactions that took effect for certain
  std::vector<std::vector<Edge>> edges_;  // by transaction, and behind them by return
};

}  // namespace

std::string CheckTransactions(const std::vector<ListTransaction>& transactions) {
  return Graph(transactions).Check();
}

}  // namespace varve::linearizability
