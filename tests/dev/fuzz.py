"""Runs the fuzzers, two at a time, and says what came of it.

    ./dev fuzz [NAME] [SECONDS]     all of tests/fuzz, a minute each, unless said

Inputs come from tests/fuzz/corpus/NAME and from what earlier runs have added to build/fuzz/corpus/NAME. What a fuzzer
ends with, a crash, a leak, an expectation that does not hold, a hang or too much memory, is kept in
build/fuzz/finds/NAME, and the verb fails while there is anything.
"""
import argparse
import concurrent.futures
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = ROOT / "build" / "fuzz"
SOURCES = ROOT / "tests" / "fuzz"
SIDE_BY_SIDE = 2
INPUT_BYTES_MAX = 4096
SECONDS_MAX = 20    # for one input
ALLOCATION_MIB = 32  # at once: no decoder may take a declared length for one that came
# A zstd frame may grow 2^16 times (lsm/table/format.cc): 4 KiB claim 256 MiB.
ALLOCATIONS_MIB = {"table": 288}
MEMORY_MIB = 2048
# What grows with each input, as a memtable does, looks like a leak and is searched for: only at the end, then.
LEAKS_AT_THE_END = {"sql"}
SHOWN_LINES = 60
STATISTIC = re.compile(r"^stat::(\w+):\s+(\d+)$", re.M)


def names():
    return sorted(path.stem for path in SOURCES.glob("*.dict"))


def run(name, seconds):
    """(executed, executions a second, units added, what it ended with) of one fuzzer."""
    corpus, finds = BUILD / "corpus" / name, BUILD / "finds" / name
    for directory in corpus, finds:
        directory.mkdir(parents=True, exist_ok=True)
    command = [BUILD / "bin" / f"fuzz_{name}", f"-max_total_time={seconds}", f"-dict={SOURCES / name}.dict",
               f"-artifact_prefix={finds}/", f"-max_len={INPUT_BYTES_MAX}", f"-timeout={SECONDS_MAX}",
               f"-malloc_limit_mb={ALLOCATIONS_MIB.get(name, ALLOCATION_MIB)}", f"-rss_limit_mb={MEMORY_MIB}",
               f"-detect_leaks={int(name not in LEAKS_AT_THE_END)}", "-print_final_stats=1", "-verbosity=0",
               corpus, SOURCES / "corpus" / name]
    log = BUILD / f"{name}.log"
    with open(log, "wb") as output:
        code = subprocess.run(command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=output, stderr=output).returncode
    text = log.read_text(errors="replace")
    if code != 0:
        print("\n".join(text.splitlines()[-SHOWN_LINES:]), flush=True)
    numbers = {key: int(value) for key, value in STATISTIC.findall(text)}
    return (numbers.get("number_of_executed_units", 0), numbers.get("average_exec_per_sec", 0),
            numbers.get("new_units_added", 0), code)


def advise(finds):
    print("\nTo look at one, make it small, and have it replayed by ./dev test from now on:")
    for find in finds:
        name = find.parent.name
        print(f"  build/fuzz/bin/fuzz_{name} {find.relative_to(ROOT)}")
        print(f"  build/fuzz/bin/fuzz_{name} -minimize_crash=1 -runs=100000 -exact_artifact_path=small "
              f"{find.relative_to(ROOT)} && mv small tests/fuzz/corpus/{name}/WHAT-IT-WAS")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("words", nargs="*", metavar="NAME or SECONDS")
    parser.add_argument("--names", action="store_true", help="only say which programs would run")
    arguments = parser.parse_args()
    seconds, chosen = 60, names()
    for word in arguments.words:
        if word.isdigit():
            seconds = int(word)
        elif word in names():
            chosen = [word]
        else:
            parser.error(f"there is no fuzzer '{word}': {', '.join(names())}")
    if arguments.names:
        print(" ".join(f"fuzz_{name}" for name in chosen))
        return 0
    print(f"{'fuzzer':14} {'runs':>12} {'runs/s':>9} {'new inputs':>11}")
    failed = 0
    with concurrent.futures.ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        for name, (runs, rate, added, code) in zip(chosen, pool.map(lambda name: run(name, seconds), chosen)):
            bad = code != 0 or runs == 0
            failed += bad
            print(f"{name:14} {runs:12,} {rate:9,} {added:11,}{'  FAILED' if bad else ''}", flush=True)
    finds = sorted(find for name in chosen for find in (BUILD / "finds" / name).glob("*"))
    if finds:
        advise(finds)
    print(f"{len(chosen) - failed} passed, {failed} failed; {len(finds)} finds in build/fuzz/finds")
    return 1 if failed or finds else 0


if __name__ == "__main__":
    sys.exit(main())
