#!/usr/bin/python3
"""Sends the same requests to our server and to redis-server and compares the replies byte by byte.

    tests/clients/compare.py [path of varve-server] [request file] [--redis PATH]

The request file says how its lines are read (tests/resp/testdata/compare.txt). Differences we stand by are listed in
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


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("server", nargs="?", default=os.environ.get("VARVE_SERVER", "build/release/bin/varve-server"))
    parser.add_argument("requests", nargs="?", default=str(HERE.parent / "resp" / "testdata" / "compare.txt"))
    parser.add_argument("--redis", help="of redis-server; else the one that is installed")
    arguments = parser.parse_args()
    allowed = read_allowed(HERE / "compare_allowed.txt")
    lines = pathlib.Path(arguments.requests).read_text().splitlines()

    scratch = tempfile.TemporaryDirectory(prefix="varve_compare_")
    ours_server = Server(arguments.server)
    theirs = Server(arguments.redis or redis_server(scratch.name), "--save", "", "--appendonly", "no",
                    "--enable-debug-command", "local")
    compared = differences = 0
    met = set()
    try:
        ours, redis = Client(ours_server), Client(theirs)
        for number, line in enumerate(lines, 1):
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
            if key(replies[0], marks) != key(replies[1], marks):
                if line in allowed:
                    met.add(line)
                    continue
                differences += 1
                print(f"{arguments.requests}:{number}: {line}\n  ours  {replies[0][1][:400]!r}\n  redis {replies[1][1][:400]!r}")
    finally:
        ours_server.stop()
        theirs.stop()
    for request in sorted(set(allowed) - met):
        differences += 1
        print(f"compare_allowed.txt: this does not differ: {request}")
    print(f"{compared} requests compared, {len(met)} allowed differences, {differences} others")
    return 1 if differences or not compared else 0


if __name__ == "__main__":
    sys.exit(main())
