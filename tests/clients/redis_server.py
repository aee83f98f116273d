"""Finds redis-server, the peer of tests and benchmarks."""
import pathlib
import shutil
import sys


def redis_server(scratch):
    """redis-server's path. Debian's redis-tools holds the same program as redis-check-rdb; its name decides what it is: then
    a link of the right name is made in the directory `scratch`."""
    found = shutil.which("redis-server")
    if found:
        return found
    program = shutil.which("redis-check-rdb") or sys.exit("no redis-server and no redis-check-rdb here: install redis-tools")
    link = pathlib.Path(scratch, "redis-server")
    if not link.exists():
        link.symlink_to(program)
    return str(link)
