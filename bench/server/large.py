"""The group about a large keyspace: what it takes in memory and on disk, how soon it is back after a restart, how fast
SCAN goes through it, and how long FLUSHALL takes."""
import time

from contest import in_turn, progress
from process import die, wait_until_idle
from redis_benchmark import EVERYSEC

VALUE_SIZE = 64
SCAN_COUNT = 1000
KNOWN_KEY = "key:000000000000"


class LargeKeyspace:
    title = "a large keyspace"

    def describe(self, scale):
        return (f"{self.title}: settings of {EVERYSEC.title}, but varve-server --memory-budget {scale.large_budget}mb; "
                f"{scale.large_keys} keys, values of {VALUE_SIZE} bytes of which half can be compressed away; files in "
                "the page cache")

    def run(self, contest, scale, report):
        for turn in range(scale.rounds):
            with contest.servers(EVERYSEC.varve_settings, EVERYSEC.redis_settings, scale.large_budget) as servers:
                Round(contest, scale, report, servers, turn).run()
            progress(self.title, turn, scale.rounds)


class Round:
    """On new servers each: FLUSHALL ends it, and what that leaves behind is nobody else's."""

    def __init__(self, contest, scale, report, servers, turn):
        self.contest, self.keys, self.report, self.turn = contest, scale.large_keys, report, turn
        self.all, self.servers = servers, in_turn(servers, turn)
        self.label = f"{self.keys / 1e6:g} M keys"

    def run(self):
        for step in (self.fill, self.kill, self.restart, self.scan, self.flush):
            for server in self.servers:
                wait_until_idle(self.all)
                step(server)

    def add(self, workload, server, measured):
        self.report.add(f"{self.label}: {workload}", server.name, measured)

    def write(self, server, writes):
        return self.contest.measure(server, "fill", keys=self.keys, writes=writes, value_size=VALUE_SIZE,
                                    seed=self.turn)

    def fill(self, server):
        self.add("SETs of all, up to 1000 under way", server, self.write(server, self.keys))
        server.wait_until_idle()
        self.add("after the SETs", server, {"RSS MiB": server.rss_mib(), "disk MiB": server.disk_mib()})

    def kill(self, server):
        """Just after a tenth of the keys was written once more: there is something to be recovered."""
        self.write(server, max(self.keys // 10, 1))
        self.start_again(server, "first GET after kill -9", server.kill)

    def restart(self, server):
        def shut_down():
            if not server.shut_down():
                die(f"{server.name} did not shut down cleanly")
        self.start_again(server, "first GET after a clean shutdown", shut_down)

    def start_again(self, server, workload, end):
        value = server.ask("GET", KNOWN_KEY)
        end()
        seconds = server.start("GET", KNOWN_KEY, value)
        self.require_size(server, self.keys)
        self.add(workload, server, {"ms": seconds * 1e3})

    def scan(self, server):
        cpu_s = server.cpu_s()
        measured = self.contest.measure(server, "scan", count=SCAN_COUNT)
        cpu_s = server.cpu_s() - cpu_s
        if measured["keys"] < self.keys:
            die(f"{server.name}: SCAN returned {measured['keys']} keys of {self.keys}")
        self.add(f"SCAN COUNT {SCAN_COUNT}", server,
                 {"keys/s": measured["keys/s"], "CPU us/key": cpu_s * 1e6 / measured["keys"]})
        self.add("after the SCAN", server, {"RSS MiB": server.rss_mib()})

    def flush(self, server):
        began = time.monotonic()
        reply = server.ask("FLUSHALL", "SYNC")
        seconds = time.monotonic() - began
        if reply != b"+OK":
            die(f"{server.name}: FLUSHALL gave {reply}")
        self.require_size(server, 0)
        self.add("FLUSHALL SYNC", server, {"ms": seconds * 1e3})
        server.wait_until_idle()
        self.add("after FLUSHALL", server, {"RSS MiB": server.rss_mib(), "disk MiB": server.disk_mib()})

    @staticmethod
    def require_size(server, keys):
        size = server.ask("DBSIZE")
        if size != b":%d" % keys:
            die(f"{server.name} has {size} keys, not {keys}")
