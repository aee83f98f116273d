#!/usr/bin/env python3
"""Debian's package index as Redis commands.

Reads `apt-cache dumpavail` on standard input and writes one `SET pkg:<name> <json>` for each package to standard output, in the
Redis protocol, ready for `redis-cli --pipe`. The JSON holds the fields of the record that a person would ask for.
`--load N` is stored in each value, so that two loads can be told apart.
"""
import argparse
import json
import sys

TEXT = ("Package", "Version", "Architecture", "Section", "Priority", "Maintainer", "Description", "Homepage", "Depends")
NUMBERS = ("Installed-Size", "Size")


def records(lines):
    """One dict of the wanted fields for each record; continuation lines are left out."""
    record = {}
    for line in lines:
        line = line.rstrip("\n")
        if not line:
            if "Package" in record:
                yield record
            record = {}
        elif not line[0].isspace():
            name, _, value = line.partition(":")
            if name in TEXT:
                record[name] = value.strip()
            elif name in NUMBERS and value.strip().isdigit():
                record[name] = int(value)
    if "Package" in record:
        yield record


def command(*parts):
    out = [b"*%d\r\n" % len(parts)]
    for part in parts:
        data = part.encode()
        out.append(b"$%d\r\n%s\r\n" % (len(data), data))
    return b"".join(out)


def commands(stream, load):
    """(key, value, command bytes) of every package, each name once."""
    seen = set()
    for record in records(stream):
        key = "pkg:" + record["Package"]
        if key in seen:
            continue
        seen.add(key)
        record["load"] = load
        value = json.dumps(record, ensure_ascii=False)
        yield key, value, command("SET", key, value)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--load", type=int, default=1)
    arguments = parser.parse_args()
    stream = open(sys.stdin.fileno(), encoding="utf-8", errors="replace")
    for _, _, data in commands(stream, arguments.load):
        sys.stdout.buffer.write(data)


if __name__ == "__main__":
    main()
