"""The two servers that are compared, and the programs that ask them."""
import contextlib
import json
import pathlib
import subprocess
import sys

from process import Server, die

sys.path.append(str(pathlib.Path(__file__).resolve().parents[2] / "tests" / "clients"))
from redis_server import redis_server  # noqa: E402


class Contest:
    def __init__(self, programs, scratch):
        """`programs`: the directory of varve-server and bench_server_client."""
        self.varve = str(pathlib.Path(programs, "varve-server").resolve())
        self.client = str(pathlib.Path(programs, "bench_server_client").resolve())
        self.scratch = scratch
        self.redis = redis_server(scratch)
        version = subprocess.run([self.redis, "--version"], capture_output=True, text=True, check=True).stdout
        self.ours, self.peer = "varve-server", "redis-server " + version.split("v=")[1].split()[0]

    @contextlib.contextmanager
    def servers(self, varve_settings, redis_settings, budget_mib):
        """[ours, the peer], both running; ended and their data removed when the block ends."""
        servers = []
        try:
            budget = ["--memory-budget", f"{budget_mib}mb"]
            servers.append(Server(self.ours, [self.varve, *varve_settings, *budget], self.scratch))
            servers.append(Server(self.peer, [self.redis, "--save", "", *redis_settings], self.scratch))
            yield servers
        finally:
            for server in servers:
                server.stop()

    def measure(self, server, verb, meanwhile=None, **options):
        """What bench_server_client prints; an option that is True is a flag. `meanwhile` is called ten times a second
        as long as it runs."""
        command = [self.client, verb, "--port", str(server.port)]
        for name, value in options.items():
            command += ["--" + name.replace("_", "-"), *([] if value is True else [str(value)])]
        with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              text=True) as client:
            while client.returncode is None:
                try:
                    output, errors = client.communicate(timeout=0.1 if meanwhile else None)
                except subprocess.TimeoutExpired:
                    meanwhile()
                except BaseException:  # told to stop: not when it is done
                    client.kill()
                    raise
        if client.returncode:
            die(f"{verb} against {server.name} gave exit code {client.returncode}: {errors}")
        return json.loads(output)


def in_turn(servers, turn):
    """So that neither is always the first."""
    return servers if turn % 2 == 0 else list(reversed(servers))


def progress(group, turn, rounds):
    print(f"{group}: round {turn + 1} of {rounds}", file=sys.stderr)
