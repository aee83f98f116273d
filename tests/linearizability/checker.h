// tests/linearizability/checker.h - judges histories: is there an order of the operations that explains every answer?
//
// Linearizable: the operations can be put in one order that keeps the order of those that did not overlap, and in which
// each answer is what a single copy of the data would have said (Herlihy & Wing 1990). Each key may be judged alone.
// The search goes over orders as in Wing & Gong, "Testing and Verifying Concurrent Objects" (1993), and remembers which
// set of operations left which state, as in Lowe, "Testing for Linearizability" (2017), so that no such pair is tried
// twice. Operations without an outcome may come anywhere between their invocation and their end, if any, or not at all.
//
// Strictly serializable: the same of transactions over several keys. With lists that are only appended to, a read tells
// the whole order of the writes it saw, so the order need not be searched for: it is wrong exactly when "came before"
// has a cycle, as in Kingsbury & Alvaro, "Elle: Inferring Isolation Anomalies from Experimental Observations" (2020):
//   ww  appended to the list before       wr  appended what the other read last
//   rw  read the list without what the other appended         rt  had returned before the other was invoked
// Threads: functions of their arguments.
#pragma once

#include <string>
#include <vector>

#include "tests/linearizability/history.h"

namespace varve::linearizability {

// What an operation does to what its key holds, and what it answers: the specification.
Value Apply(const Operation& operation, Value* state);

// What is wrong, with the smallest part of one key's history that shows it. Empty: the history is linearizable.
std::string CheckOperations(const std::vector<Operation>& operations);
// What is wrong, with the transactions of a shortest cycle. Empty: the history is strictly serializable.
std::string CheckTransactions(const std::vector<ListTransaction>& transactions);
// Both.
std::string Check(const History& history);

}  // namespace varve::linearizability
