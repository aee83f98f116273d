// tests/linearizability/server_client.h - one client of the server, which writes down what it asks and is told.
//
// Requests go out a few at a time, as pipelining clients send them. Those without a reply when the connection breaks
// have an unknown outcome. Keys begin with a prefix of the history's own, so that one server serves many histories.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tests/linearizability/history.h"
#include "tests/lsm/db_test_util.h"
#include "tests/net/raw_client.h"

namespace varve::linearizability {

class ServerClient {
 public:
  // `number` is unique in a history: ids and values are made of it.
  ServerClient(int number, int port, std::string prefix, HistoryClock* clock, uint64_t seed);
  // Some operations; how many. 0: the server has gone.
  size_t Step();
  // What every key holds in the end; false as above.
  bool ReadEverything();
  History TakeHistory() { return std::move(history_); }

 private:
  struct Reply {
    char kind = 0;    // as on the wire: one of + - : $ *
    Value text = {};  // nothing: nil
    std::vector<Reply> items = {};
  };
  // What waits for its replies: one of the two; of a transaction, those of MULTI, of each command, of EXEC.
  struct Asked {
    std::vector<Operation> operations = {};  // several: an MGET's
    std::optional<ListTransaction> transaction = {};
    size_t replies = 1;
  };

  static std::optional<Reply> Parse(std::string_view* text);
  std::string Key(std::string_view name, uint64_t limit);
  std::string NewValue();
  Operation Begin(Action action, std::string key, Value argument = {}) const;

  void Ask(std::string request, Operation operation);
  void AskOne();
  void AskChange();
  void AskMany();
  void AskLists();
  bool Exchange();
  void Tell(Asked* asked, const std::vector<Reply>& replies);
  void TellTransaction(ListTransaction* transaction, const Reply& end);
  void Record(const Asked& asked);
  bool CompareAndSet();
  std::optional<std::vector<Reply>> ReadReplies(size_t count);

  const int number_;
  const std::string prefix_;
  HistoryClock* const clock_;
  lsm::Dice dice_;
  testing::RawClient client_;
  uint64_t made_ = 0;  // ids and values
  std::string requests_;
  std::vector<Asked> asked_;
  History history_;
};

}  // namespace varve::linearizability
