"""redis-py against a running server: check_redis_py.py PORT. Any wrong answer raises and so fails the process."""
import sys

import redis

r = redis.Redis(host="127.0.0.1", port=int(sys.argv[1]), db=5, client_name="check-redis-py")
r.flushdb()

assert r.ping()
assert r.set("plain", "value") and r.get("plain") == b"value" and r.get("missing") is None
assert r.client_getname() == "check-redis-py"
every_byte = bytes(range(256))
r.set(every_byte, every_byte * 1000)
assert r.get(every_byte) == every_byte * 1000
assert r.info()["redis_version"] and r.info("server")["tcp_port"] == int(sys.argv[1])
assert r.config_get("appendfsync")["appendfsync"] in ("always", "everysec", "no")

with r.pipeline(transaction=True) as p:
    assert p.set("a", 1).incrby("a", 41).get("a").execute() == [True, 42, b"42"]
with r.pipeline(transaction=False) as p:
    for i in range(1000):
        p.set(f"scan:{i}", i)
    assert p.execute() == [True] * 1000
assert {int(k.split(b":")[1]) for k in r.scan_iter(match="scan:*", count=77)} == set(range(1000))
assert r.mget("scan:1", "none", "scan:999") == [b"1", None, b"999"]

try:
    r.incr("plain")
    raise AssertionError("INCR of a word must fail")
except redis.ResponseError as e:
    assert str(e) == "value is not an integer or out of range", e

assert r.set("once", 1, nx=True) and r.set("once", 2, nx=True) is None
assert r.set("once", 3, get=True) == b"1"
assert r.set("short", "life", px=20)
while r.get("short") is not None:  # the server's clock ends this; else the runner's time limit
    pass
assert r.expire("a", 100) and r.ttl("a") == 100 and r.persist("a") and r.ttl("a") == -1
assert r.incrbyfloat("f", 0.1) == 0.1 and r.append("plain", "!") == 6 and r.getrange("plain", -1, -1) == b"!"

with r.pipeline() as p:
    p.watch("a")
    r.set("a", "changed")
    p.multi()
    p.set("a", "lost")
    try:
        p.execute()
        raise AssertionError("EXEC must fail after a watched key changed")
    except redis.WatchError:
        pass
assert r.get("a") == b"changed"

def heard(listener):
    """The next message that is no confirmation."""
    while (message := listener.get_message(timeout=60)) is None or message["type"].endswith("subscribe"):
        assert message is not None, "nothing came in a minute"
    return message["type"], message["channel"], message["data"]


with r.pubsub() as listener:
    listener.subscribe("news")
    listener.psubscribe("n?ws")
    while r.pubsub_numsub("news") != [(b"news", 1)] or r.pubsub_numpat() != 1:
        listener.get_message()
    assert r.publish("news", "hello") == 2
    assert {heard(listener), heard(listener)} == {("message", b"news", b"hello"), ("pmessage", b"news", b"hello")}
    r.config_set("notify-keyspace-events", "Ex")
    listener.subscribe("__keyevent@5__:expired")
    while r.pubsub_numsub("__keyevent@5__:expired")[0][1] != 1:
        listener.get_message()
    r.set("fleeting", 1, px=10)  # nobody asks for it: the server finds by itself that its time has come
    assert heard(listener) == ("message", b"__keyevent@5__:expired", b"fleeting")
    r.config_set("notify-keyspace-events", "")

with r.monitor() as monitor:
    r.set("seen", "by monitor")
    assert monitor.next_command()["command"] == "SET seen by monitor"
r.delete("seen")

assert any(c["name"] == "check-redis-py" for c in r.client_list())
assert r.delete("a", "plain", "none") == 2
r.flushdb()
assert r.dbsize() == 0
