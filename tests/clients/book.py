"""A server's lives, and a client that keeps book of what was acknowledged. For tests/syscalls/run and tests/filesystems/run."""
import os
import pathlib
import random
import shutil
import socket
import subprocess
import tempfile
import time

from server import free_port

TIME_LIMIT_S = 60  # of one life; a hang is a failure
KEYS = 30
PIPELINE = 10


class Failure(Exception):
    pass


def require(condition, message):
    if not condition:
        raise Failure(message)


def request(*words):
    words = [word if isinstance(word, bytes) else str(word).encode() for word in words]
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in words)


class Client:
    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), TIME_LIMIT_S)
        self.buffer = self.socket.makefile("rb")

    def send(self, data):
        self.socket.sendall(data)

    def reply(self):
        """None for nil, bytes, an int, a list; errors as text that begins with '-'."""
        line = self.buffer.readline()
        if not line.endswith(b"\r\n"):
            raise ConnectionError("cut")
        kind, rest = line[:1], line[1:-2]
        if kind == b"$":
            if rest == b"-1":
                return None
            body = self.buffer.read(int(rest) + 2)
            if len(body) < int(rest) + 2:
                raise ConnectionError("cut")
            return body[:-2]
        if kind == b"*":
            return [self.reply() for _ in range(int(rest))]
        if kind == b":":
            return int(rest)
        return (line[:-2] if kind == b"-" else rest).decode()

    def ask(self, *words):
        self.send(request(*words))
        return self.reply()

    def close(self):
        self.buffer.close()
        self.socket.close()


class Life:
    """One life of the server, under strace if it is given something to do."""

    def __init__(self, binary, directory, mode, strace=(), environment=None, flags=()):
        self.port = free_port()
        self.log = directory + "/server.log"
        wrapper = ["strace", "-D", "-f", *strace] if strace else []
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                [*wrapper, binary, "--port", str(self.port), "--bind", "127.0.0.1", "--dir", directory + "/data",
                 "--appendfsync", mode, "--memory-budget", "4mb", "--protected-mode", "no", *flags],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, env={**os.environ, **(environment or {})})

    def connect(self):
        """None when it died, or gave up, before it served."""
        deadline = time.monotonic() + TIME_LIMIT_S
        while True:
            try:
                return Client(self.port)
            except OSError:
                if self.process.poll() is not None:
                    return None
                require(time.monotonic() < deadline, "does not serve:\n" + self.text())
                time.sleep(0.002)  # until it listens

    def text(self):
        return pathlib.Path(self.log).read_text(errors="replace")[-3000:]

    def end(self):
        """Its exit code; negative: the signal that killed it."""
        try:
            return self.process.wait(TIME_LIMIT_S)
        except subprocess.TimeoutExpired:
            raise Failure("does not end:\n" + self.text()) from None

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()


class Book:
    """What was sent and what was acknowledged, by key; versions count up over all lives."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        self.sent = dict.fromkeys(self.keys(), 0)
        self.acknowledged = dict(self.sent)

    @staticmethod
    def keys():
        return [f"key:{i}" for i in range(KEYS)] + ["pair"]

    def batch(self, size):
        """Requests, and for each reply to come: the key and version that it acknowledges, or None."""
        data, replies = b"", []
        for key in self.random.choices(self.keys(), k=size):
            self.sent[key] += 1
            version = self.sent[key]
            value = f"{version}." + "x" * self.random.randrange(5000)
            if key != "pair":
                data += request("SET", key, value)
                replies.append((key, version))
                continue
            data += request("MULTI") + request("SET", "pair:left", value) + request("SET", "pair:right", value) + request("EXEC")
            replies += [None, None, None, (key, version)]
        return data, replies

    def write(self, client, refusals=None, size=PIPELINE):
        """One batch of so many values, sent at once. Error replies are a failure, unless there is a list for them."""
        data, replies = self.batch(size)
        client.send(data)
        for expected in replies:
            reply = client.reply()
            refused = isinstance(reply, str) and reply.startswith("-")
            if refused:
                require(refusals is not None, f"{expected}: {reply}")
                refusals.append(reply)
            elif expected is not None:
                require(reply in ("OK", ["OK", "OK"]), f"{expected}: {reply}")
                self.acknowledged[expected[0]] = expected[1]

    def check(self, client):
        """Every key holds what was acknowledged last, or something later that was sent."""
        names = [f"key:{i}" for i in range(KEYS)] + ["pair:left", "pair:right"]
        values = client.ask("MGET", *names)
        require(isinstance(values, list), f"MGET: {values}")
        require(values[-1] == values[-2], "a transaction came back in halves")
        for key, value in zip(self.keys(), values):
            version = 0 if value is None else int(value.split(b".")[0])
            require(self.acknowledged[key] <= version <= self.sent[key],
                    f"{key} has version {version}; acknowledged {self.acknowledged[key]}, sent {self.sent[key]}")
            self.acknowledged[key] = version  # and may not go back behind it


class Place:
    def __enter__(self):
        self.directory = tempfile.mkdtemp(prefix="varve_syscalls_")
        return self.directory

    def __exit__(self, *_):
        shutil.rmtree(self.directory, ignore_errors=True)
