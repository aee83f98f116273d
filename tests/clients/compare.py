#!/usr/bin/python3
"""Sends the same requests to our server and to redis-server and compares the replies byte by byte.

    tests/clients/compare.py [path of varve-server] [request file] [--redis PATH]

The request file says how its lines are read (tests/resp/testdata/compare.txt). Of a file whose name begins with "events"
what a client hears that listens to keyspace events is compared, too, after each request. Without a file: both files.
Differences we stand by are listed in
compare_allowed.txt beside this script, `request # reason` a line; an entry that no longer differs is a failure too, so that
the list stays true. Exit code 0: no other difference.
"""
import argparse
import os
import pathlib
import re
import sys
import tempfile

from redis_server import redis_server
from server import Server

HERE = pathlib.Path(__file__).resolve().parent
ESCAPES = {"n": b"\n", "r": b"\r", "t": b"\t", "\\": b"\\", '"': b'"'}
MARKS = ("@unordered", "@shape", "@close", "@text", "@docs")


def split_words(line):
    words, at = [], 0
    while at < len(line):
        if line[at] == " ":
            at += 1
        elif line[at] == '"':
            word, at = b"", at + 1
            while line[at] != '"':
                if line[at] != "\\":
                    word += line[at].encode()
                    at += 1
                elif line[at + 1] == "x":
                    word += bytes([int(line[at + 2:at + 4], 16)])
                    at += 4
                else:
                    word += ESCAPES[line[at + 1]]
                    at += 2
            words.append(word)
            at += 1
        else:
            end = line.find(" ", at)
            end = len(line) if end < 0 else end
            words.append(line[at:end].encode())
            at = end
    return words


def encode(words):
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(w), w) for w in words)


class Client:
    """Reads replies as (kind, raw bytes, children)."""

    def __init__(self, server):
        self.server = server
        self.reconnect()

    def reconnect(self):
        self.socket = self.server.connect()
        self.stream = self.socket.makefile("rb")

    def ask(self, words):
        self.socket.sendall(encode(words))
        return self.read()

    def read(self):
        line = self.stream.readline()
        if not line.endswith(b"\r\n"):
            return ("closed", line, [])
        kind, rest = chr(line[0]), line[1:-2]
        if kind in "+-:_,#(":
            return (kind, line, [])
        count = int(rest)
        if kind in "$=!":
            return (kind, line + (self.stream.read(count + 2) if count >= 0 else b""), [])
        if kind in "*%~>":
            children = [self.read() for _ in range(count * 2 if kind == "%" else max(count, 0))]
            return (kind, line + b"".join(c[1] for c in children), children)
        raise ValueError(f"no reply starts like {line!r}")


class Listener:
    """Hears of every keyspace event. A publisher of its own says when all that a request caused has been heard."""
    END = b"compare:end"
    COUNTED = re.compile(rb"^(keyspace_hits|keyspace_misses|expired_keys):(\d+)", re.M)

    def __init__(self, server):
        self.client, self.publisher = Client(server), Client(server)
        self.client.ask([b"PSUBSCRIBE", b"__key*__:*"])
        self.client.ask([b"SUBSCRIBE", self.END])
        self.counts = self.count()

    def count(self):
        return {name: int(n) for name, n in self.COUNTED.findall(self.publisher.ask([b"INFO", b"stats"])[1])}

    def events(self):
        """'channel message' of each since the last call, as raw bytes, and how much INFO has counted since."""
        self.publisher.ask([b"PUBLISH", self.END, b""])
        before, self.counts = self.counts, self.count()
        heard = b"".join(b"%s +%d\n" % (name, n - before[name]) for name, n in sorted(self.counts.items()) if n != before[name])
        while True:
            _, _, children = self.client.read()
            if children[1][1].endswith(self.END + b"\r\n"):
                return heard
            heard += b" ".join(c[1].split(b"\r\n")[1] for c in children[2:]) + b"\n"


def shape(reply):
    kind, raw, children = reply
    return (kind, len(children), tuple(shape(c) for c in children))


def without_summaries(reply):
    """COMMAND DOCS says what a command is for in words of its own."""
    kind, raw, children = reply
    if not children:
        return raw
    raws = [c[1] for c in children]
    return (kind, [without_summaries(c) for i, c in enumerate(children) if i == 0 or raws[i - 1] != b"$7\r\nsummary\r\n"])


def key(reply, marks):
    """What must be equal."""
    kind, raw, children = reply
    if "@docs" in marks:
        return without_summaries(reply)
    if "@shape" in marks:
        return shape(reply)
    if "@text" in marks:
        return raw.split(b" ")[0]
    if "@unordered" in marks and children:
        items = [c[1] for c in children]
        if kind == "%":
            items = [items[i] + items[i + 1] for i in range(0, len(items), 2)]
        return (kind, sorted(items))
    return raw


def read_allowed(path):
    allowed = {}
    for line in path.read_text().splitlines():
        if line and not line.startswith("#"):
            request, separator, reason = line.partition(" # ")
            if not separator or not reason.strip():
                sys.exit(f"{path}: no reason given: {line}")
            allowed[request.strip()] = reason.strip()
    return allowed


def compare(path, servers, allowed, met):
    """(requests compared, differences). Allowed differences that were met are added to `met`."""
    ours, redis = (Client(server) for server in servers)
    listeners = [Listener(server) for server in servers] if path.name.startswith("events") else []
    compared = differences = 0
    for number, line in enumerate(path.read_text().splitlines(), 1):
        line = line.strip()
        if not line or line.startswith("#"):
            continue
        marks = set()
        while (mark := re.match(r"(@\w+)\s+", line)) and mark[1] in MARKS:
            marks.add(mark[1])
            line = line[mark.end():]
        words = split_words(line)
        replies = ours.ask(words), redis.ask(words)
        if "@close" in marks or replies[0][0] == "closed" or replies[1][0] == "closed":
            ours.reconnect()
            redis.reconnect()
        compared += 1
        got = [(key(reply, marks), reply[1]) for reply in replies]
        heard = [listener.events() for listener in listeners]
        if "@unordered" in marks:
            heard = [b"\n".join(sorted(events.splitlines())) for events in heard]
        if got[0][0] == got[1][0] and (not heard or heard[0] == heard[1]):
            continue
        if line in allowed:
            met.add(line)
            continue
        differences += 1
        print(f"{path}:{number}: {line}\n  ours  {got[0][1][:400]!r}\n  redis {got[1][1][:400]!r}")
        if heard:
            print(f"  ours  {heard[0][:800]!r}\n  redis {heard[1][:800]!r}")
    return compared, differences


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("server", nargs="?", default=os.environ.get("VARVE_SERVER", "build/release/bin/varve-server"))
    parser.add_argument("requests", nargs="?", help="a file; without it both of tests/resp/testdata")
    parser.add_argument("--redis", help="of redis-server; else the one that is installed")
    arguments = parser.parse_args()
    allowed, met = read_allowed(HERE / "compare_allowed.txt"), set()
    data = HERE.parent / "resp" / "testdata"
    paths = [pathlib.Path(arguments.requests)] if arguments.requests else [data / "compare.txt", data / "events.txt"]

    scratch = tempfile.TemporaryDirectory(prefix="varve_compare_")
    compared = differences = 0
    for path in paths:
        servers = []
        try:
            servers.append(Server(arguments.server))
            servers.append(Server(arguments.redis or redis_server(scratch.name), "--save", "", "--appendonly", "no",
                                  "--enable-debug-command", "local"))
            more = compare(path, servers, allowed, met)
            compared, differences = compared + more[0], differences + more[1]
        finally:
            for server in servers:
                server.stop()
    for request in sorted(set(allowed) - met) if not arguments.requests else []:
        differences += 1
        print(f"compare_allowed.txt: this does not differ: {request}")
    print(f"{compared} requests compared, {len(met)} allowed differences, {differences} others")
    return 1 if differences or not compared else 0


if __name__ == "__main__":
    sys.exit(main())
