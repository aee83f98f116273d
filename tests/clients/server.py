"""Starts a server for a test: on a free port of 127.0.0.1, with its data in a temporary directory."""
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Server:
    """Any binary with redis-server's flags. Ends the program when it does not start."""

    def __init__(self, binary, *flags):
        self.dir = tempfile.mkdtemp(prefix="varve_clients_")
        self.port = free_port()
        with open(self.dir + "/log", "wb") as log:
            self.process = subprocess.Popen(
                [binary, "--port", str(self.port), "--bind", "127.0.0.1", "--dir", self.dir, *flags],
                stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        deadline = time.monotonic() + 30
        while True:
            try:
                self.connect().close()
                return
            except OSError:
                if self.process.poll() is not None or time.monotonic() > deadline:
                    log = self.log()
                    self.stop()
                    sys.exit("the server did not start:\n" + log)
                time.sleep(0.01)

    def connect(self):
        return socket.create_connection(("127.0.0.1", self.port), 30)

    def log(self):
        return pathlib.Path(self.dir, "log").read_text(errors="replace")

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        shutil.rmtree(self.dir, ignore_errors=True)
