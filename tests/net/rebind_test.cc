// tests/net/rebind_test.cc - CONFIG SET port and bind: where the server listens changes while it runs.
#include <gtest/gtest.h>

#include <string>

#include "tests/net/raw_client.h"
#include "tests/net/server_process.h"

namespace varve::testing {
namespace {

// A port that was free a moment ago.
int FreePort() {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  EXPECT_EQ(bind(fd, reinterpret_cast<sockaddr*>(&address), size), 0);
  EXPECT_EQ(getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size), 0);
  close(fd);
  return ntohs(address.sin_port);
}

TEST(Rebind, ThePortMovesAndClientsStay) {
  TemporaryDirectory dir;
  ServerProcess server(dir.path());
  ASSERT_TRUE(server.Start()) << server.log();
  RawClient client(server.port());
  ASSERT_EQ(client.Ask({"SET", "a", "1"}), "+OK\r\n");
  const int port = FreePort();
  ASSERT_EQ(client.Ask({"CONFIG", "SET", "port", std::to_string(port)}), "+OK\r\n");
  EXPECT_EQ(client.Ask({"GET", "a"}), "$1\r\n1\r\n");
  EXPECT_EQ(RawClient(port).Ask({"GET", "a"}), "$1\r\n1\r\n");
  EXPECT_FALSE(RawClient(server.port()).connected());
  ASSERT_EQ(client.Ask({"CONFIG", "SET", "port", std::to_string(port)}), "+OK\r\n") << "where it is already";
  EXPECT_EQ(RawClient(port).Ask({"GET", "a"}), "$1\r\n1\r\n");
  EXPECT_EQ(server.Terminate(), 0);
}

TEST(Rebind, APortInUseChangesNothing) {
  TemporaryDirectory dir, other_dir;
  ServerProcess server(dir.path()), other(other_dir.path());
  ASSERT_TRUE(server.Start()) << server.log();
  ASSERT_TRUE(other.Start()) << other.log();
  RawClient client(server.port());
  EXPECT_EQ(
      client.Ask({"CONFIG", "SET", "timeout", "77", "port", std::to_string(other.port())}),
      "-ERR CONFIG SET failed (possibly related to argument 'port') - Unable to listen on this port. Check server "
      "logs.\r\n");
  EXPECT_NE(client.Ask({"CONFIG", "GET", "port"}).find(std::to_string(server.port())), std::string::npos);
  EXPECT_NE(client.Ask({"CONFIG", "GET", "timeout"}).find("\r\n0\r\n"), std::string::npos);
  EXPECT_EQ(RawClient(server.port()).Ask({"PING"}), "+PONG\r\n");
}

TEST(Rebind, AddressesAreAddedAndTakenAway) {
  TemporaryDirectory dir;
  ServerProcess server(dir.path());
  ASSERT_TRUE(server.Start()) << server.log();
  RawClient client(server.port());
  EXPECT_EQ(client.Ask({"CONFIG", "SET", "bind", "127.0.0.1 127.0.0.2"}), "+OK\r\n");
  EXPECT_EQ(RawClient(server.port()).Ask({"PING"}), "+PONG\r\n");
  EXPECT_EQ(client.Ask({"CONFIG", "SET", "bind", "127.0.0.2"}), "+OK\r\n");
  EXPECT_FALSE(RawClient(server.port()).connected());
  EXPECT_EQ(
      client.Ask({"CONFIG", "SET", "bind", "192.0.2.1"}),
      "-ERR CONFIG SET failed (possibly related to argument 'bind') - Failed to bind to specified addresses.\r\n");
  EXPECT_EQ(client.Ask({"CONFIG", "SET", "bind", "127.0.0.1"}), "+OK\r\n");
  EXPECT_EQ(RawClient(server.port()).Ask({"PING"}), "+PONG\r\n");
}

}  // namespace
}  // namespace varve::testing
