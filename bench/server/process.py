"""A server under measurement: varve-server or redis-server, on a free port of 127.0.0.1 and on a core of its own."""
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

SERVER_CORE, CLIENT_CORE = "0", "1"
TICKS_PER_S = os.sysconf("SC_CLK_TCK")
PATIENCE_S = 600  # for any one reply, and for a start: ten million keys from an append-only file take a while


def die(message):
    sys.exit(f"bench: {message}")


def cpu_clock(process):
    """What clock_getcpuclockid(3) gives, which Python has only for threads: Linux makes it of the number alone."""
    return ~process << 3 | 2


class Connection:
    """One request, one reply, in bytes."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), PATIENCE_S)
        self.replies = self.socket.makefile("rb")

    def ask(self, *words):
        """A simple reply with its first character (+OK, -ERR ..., :1), the bytes of a bulk; None for nil."""
        words = [word if isinstance(word, bytes) else str(word).encode() for word in words]
        bulks = b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in words)
        self.socket.sendall(b"*%d\r\n" % len(words) + bulks)
        line = self.replies.readline()
        if not line.endswith(b"\r\n"):
            raise ConnectionError("the server closed the connection")
        if line[:1] != b"$":
            return line[:-2]
        return None if line == b"$-1\r\n" else self.replies.read(int(line[1:]) + 2)[:-2]

    def close(self):
        self.replies.close()
        self.socket.close()


class Server:
    def __init__(self, name, command, scratch):
        self.name = name
        self.dir = tempfile.mkdtemp(dir=scratch)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.command = ["taskset", "-c", SERVER_CORE, *command, "--port", str(self.port), "--bind", "127.0.0.1",
                        "--dir", self.dir]
        self.log = open(self.dir + "/log", "w+b")
        self.process = None
        self.start("PING", b"+PONG")

    def start(self, word, *rest):
        """Starts the process, on the data that is there; returns the seconds from then until this request got this
        reply, the last argument. After anything else, -LOADING for one, it asks again a millisecond later."""
        *words, want = word, *rest
        began = time.monotonic()
        self.process = subprocess.Popen(self.command, stdin=subprocess.DEVNULL, stdout=self.log,
                                        stderr=subprocess.STDOUT)
        while self.try_ask(*words) != want:
            if self.process.poll() is not None or time.monotonic() > began + PATIENCE_S:
                self.kill()
                self.log.seek(0)
                log = self.log.read().decode(errors="replace")
                die(f"{self.name} did not start: {' '.join(self.command)}\n{log[-2000:]}")
            time.sleep(0.001)
        return time.monotonic() - began

    def try_ask(self, *words):
        try:
            return self.ask(*words)
        except OSError:
            return None

    def ask(self, *words):
        connection = Connection(self.port)
        try:
            return connection.ask(*words)
        finally:
            connection.close()

    def processes(self):
        """Its own, and what it has forked to rewrite its append-only file."""
        children = pathlib.Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        return [str(self.process.pid), *children]

    def cpu_s(self):
        """What it, its children and those of them that have ended have used. The processes' clocks count nanoseconds;
        of the ended there is only /proc/*/stat, in ticks."""
        total = 0
        for process in self.processes():
            try:
                fields = pathlib.Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
                total += time.clock_gettime(cpu_clock(int(process))) + sum(map(int, fields[13:15])) / TICKS_PER_S
            except OSError:
                continue  # a child that has just been waited for: its time is among the parent's from now on
        return total

    def rss_mib(self):
        pages = int(pathlib.Path(f"/proc/{self.process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGESIZE") / 2**20

    def files(self):
        return [path for path in pathlib.Path(self.dir).rglob("*") if path.is_file()]

    def disk_mib(self):
        total = 0
        for path in self.files():
            try:
                total += path.stat().st_blocks * 512
            except FileNotFoundError:
                pass  # a compaction has just replaced it
        return total / 2**20

    def drop_page_cache(self):
        """Of its files: what it reads next comes from the device. Pages that are not written yet stay."""
        for path in self.files():
            try:
                file = os.open(path, os.O_RDONLY)
            except FileNotFoundError:
                continue
            os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)
            os.close(file)

    def wait_until_idle(self):
        """So that what this server still compacts or rewrites is not paid by the other one."""
        before, deadline = self.cpu_s(), time.monotonic() + 120
        while time.monotonic() < deadline:
            time.sleep(0.2)
            now = self.cpu_s()
            if now - before <= 1 / TICKS_PER_S and len(self.processes()) == 1:
                return
            before = now
        print(f"bench: {self.name} does not come to rest; going on", file=sys.stderr)

    def kill(self):
        """As a machine that stops would: nothing is shut down, and no child of it goes on."""
        if self.process.poll() is None:
            for process in self.processes():
                try:
                    os.kill(int(process), signal.SIGKILL)
                except ProcessLookupError:
                    pass  # a child that has ended
            self.process.wait()

    def shut_down(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(PATIENCE_S) == 0
        except subprocess.TimeoutExpired:
            return False

    def stop(self):
        """For good; its data goes, too."""
        self.kill()
        self.log.close()
        shutil.rmtree(self.dir, ignore_errors=True)


def wait_until_idle(servers):
    for server in servers:
        server.wait_until_idle()
