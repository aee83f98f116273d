"""The group about keys whose time comes all at once: what other clients notice of it, and how soon the keys are gone."""
import time

from contest import in_turn, progress
from process import die, wait_until_idle
from redis_benchmark import EVERYSEC, VALUE_SIZE

GETTERS = 10
EXPIRE_WITHIN_MS = 1000
NOTICE_S = 2       # of latencies, before the keys are written and when their time comes
FILL_S = 30        # for a million keys
REST_S = 5         # for what the server still does with them
GONE_AFTER_S = 60  # or the run ends


class ManyExpire:
    title = "keys that expire at once"

    def describe(self, scale):
        return (f"{self.title}: settings of {EVERYSEC.title}; beside {scale.keys} keys as many again, whose time comes "
                f"within {EXPIRE_WITHIN_MS} ms; {GETTERS} clients send GETs of the others for {NOTICE_S} s before they "
                "are written, and from the first one's time")

    def run(self, contest, scale, report):
        with contest.servers(EVERYSEC.varve_settings, EVERYSEC.redis_settings, scale.memory_budget) as servers:
            for server in servers:
                contest.measure(server, "fill", keys=scale.keys, value_size=VALUE_SIZE)
            for turn in range(scale.rounds):
                for server in in_turn(servers, turn):
                    wait_until_idle(servers)
                    self.measure(contest, scale, report, server, turn)
                progress(self.title, turn, scale.rounds)

    def measure(self, contest, scale, report, server, turn):
        before = self.drive(contest, scale, server, turn)
        due_s = time.time() + REST_S + FILL_S * scale.keys / 1e6
        contest.measure(server, "fill", keys=scale.keys, first=scale.keys, value_size=VALUE_SIZE, seed=turn,
                        expire_at_ms=int(due_s * 1e3), expire_within_ms=EXPIRE_WITHIN_MS)
        server.wait_until_idle()
        if time.time() > due_s:
            die(f"{server.name}: the keys' time came while they were written; fewer --keys")
        time.sleep(due_s - time.time())
        during = self.drive(contest, scale, server, turn)
        while server.ask("DBSIZE") != b":%d" % scale.keys:
            if time.time() > due_s + GONE_AFTER_S:
                die(f"{server.name}: keys whose time came {GONE_AFTER_S} s ago are still there")
            time.sleep(0.01)
        during["p99 over p99 before"] = during["p99 ms"] / before["p99 ms"]
        report.add("GET before keys expire", server.name, before)
        report.add("GET while as many keys expire", server.name, during)
        report.add("expired keys are gone after", server.name, {"s": time.time() - due_s})

    @staticmethod
    def drive(contest, scale, server, turn):
        return contest.measure(server, "drive", keys=scale.keys, value_size=VALUE_SIZE, seed=turn, gets=GETTERS,
                               seconds=NOTICE_S)["GET"]
