"""The groups that ask for latencies redis-benchmark cannot tell: GETs beside SETs, and GETs of data beyond memory."""
from contest import in_turn, progress
from process import wait_until_idle
from redis_benchmark import ALWAYS, CLIENTS, NO_FSYNC, VALUE_SIZE

KEY_SIZE = 16
TIMES_THE_BUDGET = 10


class GetsBesideSets:
    """Half of the clients send GETs, half SETs, one request at a time each, with a sync before each SET's reply."""
    title = "GETs beside SETs"

    def describe(self, scale):
        return (f"{self.title}: settings of {ALWAYS.title}; {CLIENTS // 2} clients send GETs and {CLIENTS // 2} SETs "
                f"for {scale.seconds:g} s, {scale.keys} keys, all as likely, values of {VALUE_SIZE} bytes")

    def run(self, contest, scale, report):
        with contest.servers(ALWAYS.varve_settings, ALWAYS.redis_settings, scale.memory_budget) as servers:
            for server in servers:
                contest.measure(server, "fill", keys=scale.keys, value_size=VALUE_SIZE)
            for turn in range(scale.rounds):
                for server in in_turn(servers, turn):
                    wait_until_idle(servers)
                    measured = contest.measure(server, "drive", keys=scale.keys, value_size=VALUE_SIZE, seed=turn,
                                               gets=CLIENTS // 2, sets=CLIENTS // 2, seconds=scale.seconds,
                                               warm_seconds=scale.seconds / 5)
                    report.add("GET beside SETs always", server.name, measured["GET"])
                    report.add("SET beside GETs always", server.name, measured["SET"])
                progress(self.title, turn, scale.rounds)


class BeyondTheBudget:
    """GETs by Zipf's distribution of ten times the data that varve-server may keep in memory; redis-server has all."""
    title = "data beyond the budget"

    def keys(self, scale):
        return TIMES_THE_BUDGET * scale.beyond_budget * 2**20 // (KEY_SIZE + VALUE_SIZE)

    def describe(self, scale):
        return (f"{self.title}: settings of {NO_FSYNC.title}, but varve-server --memory-budget {scale.beyond_budget}mb"
                f"; {CLIENTS} clients send GETs for {scale.seconds:g} s; {self.keys(scale)} keys, values of "
                f"{VALUE_SIZE} bytes of which half can be compressed away: "
                f"{TIMES_THE_BUDGET * scale.beyond_budget} MiB")

    def run(self, contest, scale, report):
        workload = f"GET zipf 0.99, data {TIMES_THE_BUDGET}x the budget"
        with contest.servers(NO_FSYNC.varve_settings, NO_FSYNC.redis_settings, scale.beyond_budget) as servers:
            for server in servers:
                contest.measure(server, "fill", keys=self.keys(scale), value_size=VALUE_SIZE)
            wait_until_idle(servers)
            for turn in range(scale.rounds):
                for shown, drops in ((workload, False), (f"{workload}, page cache dropped", True)):
                    for server in in_turn(servers, turn):
                        wait_until_idle(servers)
                        measured = contest.measure(server, "drive", server.drop_page_cache if drops else None,
                                                   keys=self.keys(scale), value_size=VALUE_SIZE, zipf=True, seed=turn,
                                                   gets=CLIENTS, seconds=scale.seconds, warm_seconds=scale.seconds / 2)
                        report.add(shown, server.name, measured["GET"])
                progress(self.title, turn, scale.rounds)
            for server in servers:
                report.add(f"after all of {self.title}", server.name,
                           {"RSS MiB": server.rss_mib(), "disk MiB": server.disk_mib()})
