#include "tests/linearizability/server_client.h"

#include <cstdlib>

namespace varve::linearizability {
namespace {

using testing::Request;

constexpr uint64_t kRegisters = 3, kCounters = 2, kLists = 2;
constexpr uint64_t kIdsMax = 1'000'000;  // of one client
constexpr uint64_t kPipelineMax = 5;

}  // namespace

ServerClient::ServerClient(int number, int port, std::string prefix, HistoryClock* clock, uint64_t seed)
    : number_(number), prefix_(std::move(prefix)), clock_(clock), dice_(seed), client_(port) {}

size_t ServerClient::Step() {
  const size_t before = history_.size();
  bool alive = true;
  if (dice_.OneIn(8)) {
    alive = CompareAndSet();
  } else {
    for (uint64_t n = 1 + dice_.Below(kPipelineMax); n > 0; --n) AskOne();
    alive = Exchange();
  }
  return alive ? history_.size() - before : 0;
}

bool ServerClient::ReadEverything() {
  AskMany();
  for (uint64_t n = 0; n < kCounters; ++n) {
    const std::string key = prefix_ + "counter" + std::to_string(n);
    Ask(Request({"GET", key}), Begin(Action::kRead, key));
  }
  return Exchange();
}

// ---- asking ---------------------------------------------------------------------------------------------------------

std::string ServerClient::Key(std::string_view name, uint64_t limit) {
  return prefix_ + std::string(name) + std::to_string(dice_.Below(limit));
}

std::string ServerClient::NewValue() {
  return std::to_string(number_) + "." + std::to_string(++made_) + "." + std::string(dice_.Below(300), 'v');
}

Operation ServerClient::Begin(Action action, std::string key, Value argument) const {
  Operation operation{.client = number_, .action = action, .key = std::move(key), .argument = std::move(argument)};
  operation.invoked = clock_->Tick();
  return operation;
}

void ServerClient::Ask(std::string request, Operation operation) {
  requests_ += request;
  asked_.push_back({.operations = {std::move(operation)}});
}

void ServerClient::AskOne() {
  const uint64_t kind = dice_.Below(20);
  if (kind < 6) {
    const std::string key = Key("register", kRegisters);
    Ask(Request({"GET", key}), Begin(Action::kRead, key));
  } else if (kind < 12) {
    AskChange();
  } else if (kind < 14) {
    const std::string key = Key("counter", kCounters), number = std::to_string(1 + dice_.Below(3));
    Ask(Request({"INCRBY", key, number}), Begin(Action::kAdd, key, number));
  } else if (kind < 15) {
    AskMany();
  } else {
    AskLists();
  }
}

void ServerClient::AskChange() {
  const std::string key = Key("register", kRegisters), value = NewValue();
  switch (dice_.Below(8)) {
    case 0:
    case 1:
    case 2: return Ask(Request({"SET", key, value}), Begin(Action::kWrite, key, value));
    case 3: return Ask(Request({"DEL", key}), Begin(Action::kDelete, key));
    case 4: return Ask(Request({"GETSET", key, value}), Begin(Action::kExchange, key, value));
    case 5: return Ask(Request({"GETDEL", key}), Begin(Action::kExchange, key));
    case 6: return Ask(Request({"APPEND", key, value}), Begin(Action::kAppend, key, value));
    default: return Ask(Request({"SETNX", key, value}), Begin(Action::kWriteIf, key, value));
  }
}

// Registers and lists by one MGET.
void ServerClient::AskMany() {
  Asked asked;
  const std::vector<std::string> names = {"list0", "list1", "register0", "register1", "register2"};
  std::vector<std::string> keys;
  for (const std::string& name : names) keys.push_back(prefix_ + name);
  requests_ += Request({"MGET", keys[0], keys[1], keys[2], keys[3], keys[4]});
  asked.transaction = ListTransaction{.client = number_, .accesses = {{.key = keys[0]}, {.key = keys[1]}}};
  asked.transaction->invoked = clock_->Tick();
  for (size_t i = kLists; i < keys.size(); ++i) {
    asked.operations.push_back(Begin(Action::kRead, keys[i]));
    asked.operations.back().invoked = asked.transaction->invoked;
  }
  asked_.push_back(std::move(asked));
}

// MULTI ... EXEC; or DISCARD, or an EXEC that is refused for a mistake in between: then nothing may be left of it.
void ServerClient::AskLists() {
  ListTransaction transaction{.client = number_, .outcome = Outcome::kCommitted};
  requests_ += Request({"MULTI"});
  for (uint64_t n = 2 + dice_.Below(3); n > 0; --n) {
    Access access{.key = Key("list", kLists), .id = dice_.OneIn(2) ? number_ * kIdsMax + ++made_ : 0};
    requests_ += access.id != 0 ? Request({"APPEND", access.key, ListItem(access.id)}) : Request({"GET", access.key});
    transaction.accesses.push_back(std::move(access));
  }
  size_t replies = 1 + transaction.accesses.size() + 1;
  if (dice_.OneIn(8)) {
    transaction.outcome = Outcome::kAborted;
    if (dice_.OneIn(2)) {
      requests_ += Request({"DISCARD"});
    } else {
      requests_ += Request({"GET"}) + Request({"EXEC"});
      ++replies;
    }
  } else {
    requests_ += Request({"EXEC"});
  }
  transaction.invoked = clock_->Tick();
  asked_.push_back({.transaction = std::move(transaction), .replies = replies});
}

// ---- being told -----------------------------------------------------------------------------------------------------

// Takes one whole reply off `text`; none when it broke off.
std::optional<ServerClient::Reply> ServerClient::Parse(std::string_view* text) {
  const size_t end = text->find("\r\n");
  if (end == std::string_view::npos || end == 0) return std::nullopt;
  Reply reply{.kind = text->front()};
  const std::string line(text->substr(1, end - 1));
  text->remove_prefix(end + 2);
  const long count = std::atol(line.c_str());
  if (reply.kind == '$' && count >= 0) {
    const auto size = static_cast<size_t>(count);
    if (text->size() < size + 2) return std::nullopt;
    reply.text = text->substr(0, size);
    text->remove_prefix(size + 2);
  } else if (reply.kind == '*' && count >= 0) {
    for (long i = 0; i < count; ++i) {
      std::optional<Reply> item = Parse(text);
      if (!item.has_value()) return std::nullopt;
      reply.items.push_back(std::move(*item));
    }
    reply.text = "";
  } else if (reply.kind != '$' && reply.kind != '*') {
    reply.text = line;
  }
  return reply;
}

std::optional<std::vector<ServerClient::Reply>> ServerClient::ReadReplies(size_t count) {
  std::vector<Reply> replies;
  for (; count > 0; --count) {
    const std::string bytes = client_.ReadReply();
    std::string_view rest = bytes;
    std::optional<Reply> reply = Parse(&rest);
    if (!reply.has_value()) return std::nullopt;
    replies.push_back(std::move(*reply));
  }
  return replies;
}

// Sends what was asked and takes the replies; false: the connection broke, and what has none is forgotten.
bool ServerClient::Exchange() {
  bool alive = client_.Send(std::exchange(requests_, {}));
  for (Asked& asked : asked_) {
    const auto replies = alive ? ReadReplies(asked.replies) : std::nullopt;
    alive = replies.has_value();
    if (alive) {
      Tell(&asked, *replies);
    } else {
      for (Operation& operation : asked.operations) Forget(&operation, kNever);
      if (asked.transaction.has_value()) Forget(&*asked.transaction, kNever);
    }
    Record(asked);
  }
  asked_.clear();
  return alive;
}

void ServerClient::Record(const Asked& asked) {
  History one{.operations = asked.operations};
  if (asked.transaction.has_value()) one.transactions.push_back(*asked.transaction);
  history_.Append(std::move(one));
}

void ServerClient::Tell(Asked* asked, const std::vector<Reply>& replies) {
  const uint64_t now = clock_->Tick();
  const Reply& end = replies.back();
  for (size_t i = 0; i < asked->operations.size(); ++i) {
    Operation& operation = asked->operations[i];
    operation.returned = now;
    const bool many = end.kind == '*';
    EXPECT_TRUE(end.kind != '-' && (!many || end.items.size() == kLists + asked->operations.size())) << *end.text;
    if (many && end.items.size() > kLists + i) operation.answer = end.items[kLists + i].text;
    if (!many && end.kind != '+') operation.answer = end.text;
  }
  if (!asked->transaction.has_value()) return;
  asked->transaction->returned = now;
  if (!asked->operations.empty()) asked->transaction->outcome = Outcome::kCommitted;
  TellTransaction(&*asked->transaction, end);
}

void ServerClient::TellTransaction(ListTransaction* transaction, const Reply& end) {
  if (transaction->outcome == Outcome::kAborted) {
    EXPECT_TRUE(*end.text == "OK" || end.text->starts_with("EXECABORT")) << *end.text;
    return;
  }
  ASSERT_TRUE(end.kind == '*' && end.items.size() >= transaction->accesses.size()) << end.text.value_or("nil");
  for (size_t i = 0; i < transaction->accesses.size(); ++i) {
    Access& access = transaction->accesses[i];
    EXPECT_NE(end.items[i].kind, '-') << *end.items[i].text;
    if (access.id != 0) continue;
    access.list = ParseList(end.items[i].text.value_or(""));
    EXPECT_TRUE(access.list.has_value()) << *end.items[i].text;
  }
}

// WATCH and GET; then MULTI, SET, EXEC, which does nothing when somebody was faster.
bool ServerClient::CompareAndSet() {
  const std::string key = Key("register", kRegisters), value = NewValue();
  Operation read = Begin(Action::kRead, key);
  if (!client_.Send(Request({"WATCH", key}) + Request({"GET", key}))) return false;
  const auto watched = ReadReplies(2);
  if (!watched.has_value()) return false;
  read.answer = watched->back().text;
  read.returned = clock_->Tick();
  history_.operations.push_back(read);

  Operation write = Begin(Action::kWriteIf, key, value);
  write.expected = *read.answer;
  const bool sent = client_.Send(Request({"MULTI"}) + Request({"SET", key, value}) + Request({"EXEC"}));
  const auto replies = sent ? ReadReplies(3) : std::nullopt;
  if (!replies.has_value()) {
    Forget(&write, kNever);
    history_.operations.push_back(std::move(write));
    return false;
  }
  EXPECT_EQ(replies->back().kind, '*');
  if (!replies->back().text.has_value()) return true;  // somebody was
  write.answer = "1";
  write.returned = clock_->Tick();
  history_.operations.push_back(std::move(write));
  return true;
}

}  // namespace varve::linearizability
