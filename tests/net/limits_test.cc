// tests/net/limits_test.cc - every limit of the real varve-server is finite, and hurts only the one who reaches it.
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <ifaddrs.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <algorithm>
#include <memory>
#include <vector>

#include "tests/net/raw_client.h"
#include "tests/net/server_process.h"

namespace varve::testing {
namespace {

constexpr size_t kMiB = size_t{1} << 20;

// The sanitizers keep freed memory aside on purpose.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr size_t kRssSlack = 512 * kMiB;
#else
constexpr size_t kRssSlack = 16 * kMiB;
#endif

class LimitsTest : public ::testing::Test {
 protected:
  void Start(std::vector<std::string> flags) {
    server_ = std::make_unique<ServerProcess>(dir_.path(), std::move(flags));
    ASSERT_TRUE(server_->Start()) << server_->log();
  }
  int port() const { return server_->port(); }

  TemporaryDirectory dir_;
  std::unique_ptr<ServerProcess> server_;
};

TEST_F(LimitsTest, BeforeAuthRequestsAreSmall) {
  Start({"--requirepass", "secret"});
  {
    RawClient client(port());
    ASSERT_TRUE(client.Send("*11\r\n"));
    EXPECT_EQ(client.ReadUntilEnd(), "-ERR Protocol error: unauthenticated multibulk length\r\n");
  }
  {
    RawClient client(port());
    ASSERT_TRUE(client.Send("*2\r\n$4\r\nAUTH\r\n$16385\r\n"));
    EXPECT_EQ(client.ReadUntilEnd(), "-ERR Protocol error: unauthenticated bulk length\r\n");
  }
  RawClient client(port());
  EXPECT_EQ(client.Ask({"GET", "a"}), "-NOAUTH Authentication required.\r\n");
  EXPECT_EQ(client.Ask({"AUTH", "wrong"}).substr(0, 10), "-WRONGPASS");
  EXPECT_EQ(client.Ask({"AUTH", "secret"}), "+OK\r\n");
  EXPECT_EQ(client.Ask({"SET", "a", std::string(100000, 'x')}), "+OK\r\n") << "larger requests are fine now";
}

TEST_F(LimitsTest, BeforeAuthRepliesAreFewThenTheEnd) {
  Start({"--requirepass", "secret"});
  RawClient client(port());
  std::string flood;
  for (int i = 0; i < 5000; ++i) flood += "GET a\r\n";
  ASSERT_TRUE(client.Send(flood));
  std::string heard = client.ReadUntilEnd();
  EXPECT_GT(heard.size(), 4096u);
  EXPECT_LT(heard.size(), 8 * 1024 + 100u);
}

TEST_F(LimitsTest, DeclaredLengthsCostNothing) {
  Start({});
  const size_t before = server_->RssBytes();
  std::vector<RawClient> clients;
  for (int i = 0; i < 100; ++i) {
    clients.emplace_back(port());
    ASSERT_TRUE(clients.back().Send("*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$536870912\r\nonly this much"));
    clients.emplace_back(port());
    ASSERT_TRUE(clients.back().Send("*1048576\r\n$3\r\nDEL\r\n$1\r\nk\r\n"));
  }
  EXPECT_EQ(RawClient(port()).Ask({"PING"}), "+PONG\r\n");
  EXPECT_LT(server_->RssBytes(), before + kRssSlack);
}

TEST_F(LimitsTest, AClientThatNeverReadsIsHeldBackThenCut) {
  Start({"--client-output-buffer-limit", "normal 64mb 32mb 1"});
  RawClient other(port());
  ASSERT_EQ(other.Ask({"SET", "large", std::string(kMiB, 'x')}), "+OK\r\n");
  const size_t before = server_->RssBytes();

  RawClient deaf(port(), 4096);
  std::string id = deaf.Ask({"CLIENT", "ID"});
  id = "id=" + id.substr(1, id.size() - 3) + " ";
  std::string requests;
  for (int i = 0; i < 2000; ++i) requests += Request({"GET", "large"});  // 2 GiB of replies
  (void)deaf.SendSome(requests);

  // Its replies never pile up beyond the pause, others are served, and at last it is gone.
  size_t highest = 0;
  while (other.Ask({"CLIENT", "LIST"}).find(id) != std::string::npos) {
    ASSERT_EQ(other.Ask({"PING"}), "+PONG\r\n");
    highest = std::max(highest, server_->RssBytes());
  }
  EXPECT_LT(highest, before + 8 * kMiB + kRssSlack);
  EXPECT_NE(other.Ask({"INFO", "stats"}).find("\nclient_stalled_disconnections:1\r"), std::string::npos);
  EXPECT_EQ(other.Ask({"STRLEN", "large"}), ":1048576\r\n");
}

TEST_F(LimitsTest, OneReplyAboveTheHardLimitCutsItsClient) {
  Start({"--client-output-buffer-limit", "normal 1mb 0 0"});
  RawClient other(port());
  ASSERT_EQ(other.Ask({"SET", "large", std::string(16 * kMiB, 'x')}), "+OK\r\n");
  RawClient greedy(port(), 4096);
  ASSERT_TRUE(greedy.Send(Request({"GET", "large"})));
  EXPECT_LT(greedy.ReadUntilEnd().size(), 16 * kMiB);
  EXPECT_EQ(other.Ask({"PING"}), "+PONG\r\n");
}

TEST_F(LimitsTest, ASubscriberThatDoesNotReadIsCutAloneAtThePubsubLimit) {
  Start({"--client-output-buffer-limit", "pubsub 8mb 0 0"});
  RawClient publisher(port()), good(port());
  ASSERT_EQ(good.Ask({"SUBSCRIBE", "news"}).substr(0, 4), "*3\r\n");
  std::vector<RawClient> deaf;
  for (int i = 0; i < 5; ++i) {
    deaf.emplace_back(port(), 4096);
    ASSERT_EQ(deaf.back().Ask({"SUBSCRIBE", "news"}).substr(0, 4), "*3\r\n");
  }
  const size_t before = server_->RssBytes();
  const std::string message(kMiB, 'x');
  size_t highest = 0;
  for (int i = 0; i < 40; ++i) {
    ASSERT_EQ(publisher.Ask({"PUBLISH", "news", message}).substr(0, 1), ":");
    ASSERT_EQ(good.ReadReply().size(), message.size() + 39) << i;
    highest = std::max(highest, server_->RssBytes());
  }
  EXPECT_EQ(publisher.Ask({"PUBLISH", "news", "x"}), ":1\r\n") << "only who reads is left";
  EXPECT_LT(highest, before + 5 * 2 * 8 * kMiB + kRssSlack);
  EXPECT_NE(publisher.Ask({"INFO", "stats"}).find("\nclient_output_buffer_limit_disconnections:5\r"),
            std::string::npos);
}

TEST_F(LimitsTest, OneMessageToManyStaysWithinTheMemoryOfAllClients) {
  Start({"--maxmemory-clients", "64mb"});
  RawClient publisher(port());
  ASSERT_EQ(publisher.Ask({"CLIENT", "NO-EVICT", "ON"}), "+OK\r\n");
  std::vector<RawClient> deaf;
  for (int i = 0; i < 100; ++i) {
    deaf.emplace_back(port(), 4096);
    ASSERT_EQ(deaf.back().Ask({"SUBSCRIBE", "news"}).substr(0, 4), "*3\r\n");
  }
  server_->ForgetPeak();
  const size_t before = server_->RssBytes();
  ASSERT_EQ(publisher.Ask({"PUBLISH", "news", std::string(4 * kMiB, 'x')}), ":100\r\n");
  EXPECT_LT(server_->PeakRssBytes(), before + 2 * 64 * kMiB + kRssSlack) << "of 400 MiB";
  EXPECT_EQ(publisher.Ask({"PING"}), "+PONG\r\n");
  EXPECT_EQ(publisher.Ask({"INFO", "stats"}).find("\nevicted_clients:0\r"), std::string::npos);
}

TEST_F(LimitsTest, MessagesEvictWhoUsesMostNotWhoGetsThem) {
  Start({"--maxmemory-clients", "256mb"});
  RawClient publisher(port()), hog(port());
  ASSERT_EQ(publisher.Ask({"CLIENT", "NO-EVICT", "ON"}), "+OK\r\n");
  std::vector<RawClient> listeners;
  for (int i = 0; i < 10; ++i) {
    listeners.emplace_back(port(), 4096);
    ASSERT_EQ(listeners.back().Ask({"CLIENT", "NO-EVICT", "ON"}), "+OK\r\n");
    ASSERT_EQ(listeners.back().Ask({"SUBSCRIBE", "news"}).substr(0, 4), "*3\r\n");
  }
  ASSERT_TRUE(hog.Send("*2\r\n$4\r\nECHO\r\n$250000000\r\n" + std::string(240'000'000, 'x')));
  std::string memory;  // until the server has read it all
  while (
      std::atol((memory = publisher.Ask({"INFO", "memory"})).substr(memory.find("mem_clients_normal:") + 19).c_str()) <
      240'000'000) {
  }
  // More than the kernel takes: it stays with the listeners, who do not read, and must be spared.
  ASSERT_EQ(publisher.Ask({"PUBLISH", "news", std::string(8 * kMiB, 'x')}), ":10\r\n");
  EXPECT_EQ(hog.ReadUntilEnd(), "") << "cut";
  EXPECT_EQ(publisher.Ask({"PUBLISH", "news", "x"}), ":10\r\n");
  EXPECT_NE(publisher.Ask({"INFO", "stats"}).find("\nevicted_clients:1\r"), std::string::npos);
}

TEST_F(LimitsTest, AReaderWhoIsSlowButReadsGetsEverything) {
  Start({});
  RawClient client(port(), 4096);
  ASSERT_EQ(client.Ask({"SET", "large", std::string(kMiB, 'x')}), "+OK\r\n");
  std::string requests;
  for (int i = 0; i < 16; ++i) requests += Request({"GET", "large"}) + Request({"PING"});
  ASSERT_TRUE(client.Send(requests));
  for (int i = 0; i < 16; ++i) {
    ASSERT_EQ(client.ReadReply().size(), kMiB + 12) << i;
    ASSERT_EQ(client.ReadReply(), "+PONG\r\n") << i;
  }
}

TEST_F(LimitsTest, MoreThanMaxclientsAreToldSo) {
  Start({"--maxclients", "5"});
  std::vector<RawClient> clients;
  for (int i = 0; i < 5; ++i) {
    clients.emplace_back(port());
    ASSERT_EQ(clients.back().Ask({"PING"}), "+PONG\r\n");
  }
  EXPECT_EQ(RawClient(port()).ReadUntilEnd(), "-ERR max number of clients reached\r\n");
  EXPECT_EQ(clients[0].Ask({"PING"}), "+PONG\r\n");
  ASSERT_EQ(clients[4].Ask({"QUIT"}), "+OK\r\n");
  EXPECT_EQ(clients[4].ReadUntilEnd(), "");
  EXPECT_EQ(RawClient(port()).Ask({"PING"}), "+PONG\r\n") << "the place is free again";
}

TEST_F(LimitsTest, AThousandIdleClientsAreCheap) {
  Start({});
  RawClient first(port());
  ASSERT_EQ(first.Ask({"PING"}), "+PONG\r\n");
  const size_t before = server_->RssBytes();
  std::vector<RawClient> clients;
  for (int i = 0; i < 1000; ++i) {
    clients.emplace_back(port());
    ASSERT_EQ(clients.back().Ask({"PING"}), "+PONG\r\n") << i;
  }
  EXPECT_LT(server_->RssBytes(), before + kRssSlack);
  std::string list = first.Ask({"CLIENT", "LIST"});
  EXPECT_EQ(std::count(list.begin(), list.end(), '\n'), 1001 + 2);  // one each, and the reply's own two line ends
  for (RawClient& client : clients) ASSERT_EQ(client.Ask({"PING"}), "+PONG\r\n");
}

TEST_F(LimitsTest, OutOfDescriptorsNobodyPresentSuffers) {
  Start({"--maxclients", "10000"});
  RawClient first(port());
  ASSERT_EQ(first.Ask({"SET", "a", "1"}), "+OK\r\n");
  // The limit sinks while it runs, below what is in use.
  rlimit limit{};
  ASSERT_EQ(prlimit(server_->pid(), RLIMIT_NOFILE, nullptr, &limit), 0);
  rlimit low{.rlim_cur = 3, .rlim_max = limit.rlim_max};
  ASSERT_EQ(prlimit(server_->pid(), RLIMIT_NOFILE, &low, nullptr), 0);
  RawClient waiting(port());
  ASSERT_TRUE(waiting.connected()) << "in the kernel's queue";
  ASSERT_TRUE(waiting.Send(Request({"GET", "a"})));
  for (int i = 0; i < 100; ++i) ASSERT_EQ(first.Ask({"GET", "a"}), "$1\r\n1\r\n");
  EXPECT_TRUE(waiting.Silent());
  ASSERT_EQ(prlimit(server_->pid(), RLIMIT_NOFILE, &limit, nullptr), 0);
  EXPECT_EQ(waiting.ReadReply(), "$1\r\n1\r\n") << "served as soon as there are descriptors";
}

// An IPv4 address of this machine that is not its loopback, as a number; 0: it has none.
uint32_t OutsideAddress() {
  ifaddrs* all = nullptr;
  if (getifaddrs(&all) != 0) return 0;
  uint32_t found = 0;
  for (const ifaddrs* one = all; one != nullptr; one = one->ifa_next) {
    if (one->ifa_addr == nullptr || one->ifa_addr->sa_family != AF_INET) continue;
    const uint32_t host = ntohl(reinterpret_cast<const sockaddr_in*>(one->ifa_addr)->sin_addr.s_addr);
    if (host >> 24 != 127) found = host;
  }
  freeifaddrs(all);
  return found;
}

TEST_F(LimitsTest, WithoutAPasswordNobodyComesFromElsewhere) {
  const uint32_t outside = OutsideAddress();
  ASSERT_NE(outside, 0u) << "this machine has no address but its loopback";
  Start({"--bind", "0.0.0.0"});
  EXPECT_TRUE(RawClient(port(), 0, outside).ReadUntilEnd().starts_with("-DENIED "));
  RawClient local(port());
  EXPECT_EQ(local.Ask({"CONFIG", "SET", "requirepass", "secret"}), "+OK\r\n");
  RawClient stranger(port(), 0, outside);
  EXPECT_TRUE(stranger.Ask({"PING"}).starts_with("-NOAUTH "));
  EXPECT_EQ(stranger.Ask({"AUTH", "secret"}), "+OK\r\n");
  EXPECT_EQ(stranger.Ask({"PING"}), "+PONG\r\n");
}

// Whoever may send commands decides neither where files are written nor which.
TEST_F(LimitsTest, WhereThingsLieIsDecidedAtTheStart) {
  Start({});
  RawClient client(port());
  for (const char* name : {"dir", "dbfilename", "unixsocket", "logfile", "pidfile", "aclfile"}) {
    EXPECT_TRUE(client.Ask({"CONFIG", "SET", name, "/tmp/elsewhere"}).starts_with("-ERR ")) << name;
  }
}

TEST_F(LimitsTest, UnixSocketsWork) {
  const std::string path = dir_.path() + "/socket";
  Start({"--unixsocket", path, "--unixsocketperm", "700"});
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof(address.sun_path) - 1);
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  ASSERT_EQ(connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
  ASSERT_EQ(send(fd, "PING\r\n", 6, 0), 6);
  char bytes[7];
  ASSERT_EQ(recv(fd, bytes, sizeof(bytes), MSG_WAITALL), 7);
  EXPECT_EQ(std::string_view(bytes, 7), "+PONG\r\n");
  close(fd);
  struct stat facts {};
  ASSERT_EQ(stat(path.c_str(), &facts), 0);
  EXPECT_EQ(facts.st_mode & 0777, 0700u);
  server_->Terminate();
  EXPECT_NE(stat(path.c_str(), &facts), 0) << "removed at the end";
}

}  // namespace
}  // namespace varve::testing
