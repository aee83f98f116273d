#include "resp/reply.h"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <limits>

#include "resp/reply_status.h"

namespace varve::resp {
namespace {

std::string Bytes(int protocol, const std::function<void(Reply&)>& write) {
  std::string out;
  Reply reply(&out, protocol);
  write(reply);
  return out;
}

TEST(Reply, EachKindInBothProtocols) {
  struct Case {
    std::function<void(Reply&)> write;
    std::string resp2;
    std::string resp3;
  };
  const Case cases[] = {
      {[](Reply& r) { r.Ok(); }, "+OK\r\n", "+OK\r\n"},
      {[](Reply& r) { r.Simple("PONG"); }, "+PONG\r\n", "+PONG\r\n"},
      {[](Reply& r) { r.Error("ERR x"); }, "-ERR x\r\n", "-ERR x\r\n"},
      {[](Reply& r) { r.Integer(-5); }, ":-5\r\n", ":-5\r\n"},
      {[](Reply& r) { r.Integer(INT64_MIN); }, ":-9223372036854775808\r\n", ":-9223372036854775808\r\n"},
      {[](Reply& r) { r.Bulk("a\r\n"); }, "$3\r\na\r\n\r\n", "$3\r\na\r\n\r\n"},
      {[](Reply& r) { r.Bulk(""); }, "$0\r\n\r\n", "$0\r\n\r\n"},
      {[](Reply& r) { r.Null(); }, "$-1\r\n", "_\r\n"},
      {[](Reply& r) { r.NullArray(); }, "*-1\r\n", "_\r\n"},
      {[](Reply& r) { r.Array(2); }, "*2\r\n", "*2\r\n"},
      {[](Reply& r) { r.Map(2); }, "*4\r\n", "%2\r\n"},
      {[](Reply& r) { r.Set(2); }, "*2\r\n", "~2\r\n"},
      {[](Reply& r) { r.Push(2); }, "*2\r\n", ">2\r\n"},
      {[](Reply& r) { r.Double(1.5); }, "$3\r\n1.5\r\n", ",1.5\r\n"},
      {[](Reply& r) { r.Double(INFINITY); }, "$3\r\ninf\r\n", ",inf\r\n"},
      {[](Reply& r) { r.Double(-INFINITY); }, "$4\r\n-inf\r\n", ",-inf\r\n"},
      {[](Reply& r) { r.Double(NAN); }, "$3\r\nnan\r\n", ",nan\r\n"},
      {[](Reply& r) { r.Bool(true); }, ":1\r\n", "#t\r\n"},
      {[](Reply& r) { r.Bool(false); }, ":0\r\n", "#f\r\n"},
      {[](Reply& r) { r.BigNumber("123"); }, "$3\r\n123\r\n", "(123\r\n"},
      {[](Reply& r) { r.Verbatim("txt", "hi"); }, "$2\r\nhi\r\n", "=6\r\ntxt:hi\r\n"},
  };
  for (const Case& c : cases) {
    EXPECT_EQ(Bytes(2, c.write), c.resp2);
    EXPECT_EQ(Bytes(3, c.write), c.resp3);
  }
}

// A text that came from outside must not be able to forge a second reply (CVE-2025-67733).
TEST(Reply, LinesCannotBeBroken) {
  EXPECT_EQ(Bytes(2, [](Reply& r) { r.Error("ERR a\r\n+OK\r\nb"); }), "-ERR a  +OK  b\r\n");
  EXPECT_EQ(Bytes(2, [](Reply& r) { r.Simple("a\nb"); }), "+a b\r\n");
}

TEST(Reply, CountsCanComeLast) {
  EXPECT_EQ(Bytes(3,
                  [](Reply& r) {
                    r.Integer(1);
                    const size_t mark = r.out().size();
                    r.Bulk("a");
                    r.Bulk("b");
                    r.MapAt(mark, 1);
                  }),
            ":1\r\n%1\r\n$1\r\na\r\n$1\r\nb\r\n");
  EXPECT_EQ(Bytes(2, [](Reply& r) { r.MapAt(0, 2); }), "*4\r\n");
}

// Nothing is appended beyond the limit, whatever it is that would be.
TEST(Reply, ALimitCutsItShort) {
  for (int kind = 0; kind < 9; ++kind) {
    std::string out = "before";
    Reply reply(&out, 3, out.size() + 10);
    reply.Bulk("x");
    ASSERT_FALSE(reply.overflowed());
    const std::string whole = out;
    switch (kind) {
      case 0: reply.Ok(); break;
      case 1: reply.Simple("text"); break;
      case 2: reply.Error("ERR"); break;
      case 3: reply.Integer(10); break;
      case 4: reply.Bulk("y"); break;
      case 5: reply.Array(10); break;
      case 6: reply.Double(0.5); break;
      case 7: reply.BigNumber("12"); break;
      case 8: reply.Verbatim("txt", "z"); break;
    }
    EXPECT_TRUE(reply.overflowed()) << kind;
    EXPECT_EQ(out, whole) << kind;
  }
}

TEST(ReplyStatus, EachCodeHasItsWord) {
  using lsm::Status;
  EXPECT_EQ(ErrorText(Status::NoSpace("disk")), "MISCONF Errors writing to the AOF file: disk");
  EXPECT_EQ(ErrorText(Status::Fenced("sync")), "MISCONF Errors writing to the AOF file: sync");
  EXPECT_EQ(ErrorText(Status::Corruption("f: 5")), "CORRUPT f: 5");
  EXPECT_EQ(ErrorText(Status::Busy("later")), "BUSY later");
  EXPECT_EQ(ErrorText(Status::ReadOnly("no")), "READONLY no");
  EXPECT_EQ(ErrorText(Status::IoError("eio")), "IOERR eio");
  EXPECT_EQ(ErrorText(Status::InvalidArgument("key is long")), "ERR key is long");
}

}  // namespace
}  // namespace varve::resp
