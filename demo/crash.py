#!/usr/bin/env python3
"""The second load, with the server killed in its middle.

Reads `apt-cache dumpavail` on standard input. `load` sends every package again as load 2, in pipelines of 100, notes what the server
acknowledged, and kills it with SIGKILL once half is acknowledged, with a pipeline still under way. `check` asks the
restarted server for every package: acknowledged ones must be of load 2, the others of load 1 or 2, and whole.
"""
import argparse
import json
import os
import signal
import socket
import sys

from packages import command, commands

PIPELINE = 100


class Client:
    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.buffer = b""

    def line(self):
        while b"\r\n" not in self.buffer:
            self.more()
        line, _, self.buffer = self.buffer.partition(b"\r\n")
        return line

    def more(self):
        data = self.socket.recv(1 << 16)
        if not data:
            raise ConnectionError("the server closed the connection")
        self.buffer += data

    def bulk(self):
        line = self.line()
        if line[:1] != b"$":
            raise ValueError("unexpected reply %r" % line)
        size = int(line[1:])
        if size < 0:
            return None
        while len(self.buffer) < size + 2:
            self.more()
        value, self.buffer = self.buffer[:size], self.buffer[size + 2:]
        return value


def load(stream, port, pid, log_path):
    packages = list(commands(stream, 2))
    client = Client(port)
    acknowledged = 0
    with open(log_path, "w", encoding="utf-8") as log:
        for start in range(0, len(packages), PIPELINE):
            batch = packages[start:start + PIPELINE]
            client.socket.sendall(b"".join(data for _, _, data in batch))
            if acknowledged >= len(packages) // 2:
                os.kill(pid, signal.SIGKILL)  # while the server works on this pipeline
            try:
                for key, _, _ in batch:
                    reply = client.line()
                    if reply != b"+OK":
                        sys.exit("unexpected reply %r" % reply)
                    log.write(key + "\n")
                    acknowledged += 1
            except OSError:
                break
    print("  %d of %d packages sent again were acknowledged before the kill" % (acknowledged, len(packages)))


def check(stream, port, log_path):
    with open(log_path, encoding="utf-8") as log:
        acknowledged = set(log.read().split("\n")) - {""}
    client = Client(port)
    keys = [key for key, _, _ in commands(stream, 2)]
    lost, extra = [], 0
    for start in range(0, len(keys), PIPELINE):
        batch = keys[start:start + PIPELINE]
        client.socket.sendall(b"".join(command("GET", key) for key in batch))
        for key in batch:
            value = client.bulk()
            generation = json.loads(value)["load"] if value is not None else 0
            if generation == 0 or (key in acknowledged and generation != 2):
                lost.append(key)
            elif generation == 2 and key not in acknowledged:
                extra += 1
    print("  %d acknowledged packages looked for, %d lost; %d written but not yet acknowledged survived as well"
          % (len(acknowledged), len(lost), extra))
    if lost:
        sys.exit("LOST: " + ", ".join(lost[:10]))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("step", choices=("load", "check"))
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--pid", type=int, help="of the server; for `load`")
    parser.add_argument("--log", required=True, help="where acknowledged keys are noted")
    arguments = parser.parse_args()
    stream = open(sys.stdin.fileno(), encoding="utf-8", errors="replace")
    if arguments.step == "load":
        load(stream, arguments.port, arguments.pid, arguments.log)
    else:
        check(stream, arguments.port, arguments.log)


if __name__ == "__main__":
    main()
