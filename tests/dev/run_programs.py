"""Runs the test programs of a build directory, and with --scripts every tests/*/run, and counts.

Programs are what ctest knows of; most are GoogleTest's, of which each test case counts. Anything else counts by its last
line 'N passed, N failed', or as one by its exit code. A test that skips itself has failed: it proved nothing. So has a
program that ran no test. The last line is 'N passed, N failed'; exit code 0 means that tests ran and none failed.
"""
import argparse
import concurrent.futures
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
TIME_LIMIT_S = 1800  # for one program; only a hang takes as long, also beside other builds
SHOWN_LINES = 150    # of the output of a program that failed, or of each case that did

TOTAL = re.compile(r"^(\d+) passed, (\d+) failed$", re.M)
CASE_OK = re.compile(r"\[       OK \] \S+")
CASE_FAILED = re.compile(r"\[  FAILED  \] (\S+)[^\n]* \(\d+ ms\)$", re.M)
CASE_SKIPPED = re.compile(r"\[  SKIPPED \] (\S+)[^\n]* \(\d+ ms\)$", re.M)
CASE = re.compile(r"^\[ RUN      \] (\S+)\n.*?^\[  FAILED  \] \1[^\n]*\n", re.M | re.S)
GTEST = "[==========]"


def judge(output, code, filtered=False):
    """(passed, failed, why) of one program's output and exit code; `filtered`: matching nothing is fine."""
    if GTEST in output:
        passed = len(CASE_OK.findall(output))
        bad = [f"failed: {name}" for name in CASE_FAILED.findall(output)]
        bad += [f"skipped: {name}" for name in CASE_SKIPPED.findall(output)]
    elif totals := TOTAL.findall(output):
        passed, bad = int(totals[-1][0]), ["failed"] * int(totals[-1][1])
    else:
        passed, bad = int(code == 0), ["failed"] * int(code != 0)
    if code != 0 and not bad:
        bad.append(f"exit code {code}" if code > 0 else f"killed by {signal.Signals(-code).name}")
    if code == 0 and not passed and not bad and not filtered:
        bad.append("ran no test")
    return passed, len(bad), ", ".join(sorted(set(bad)))


def shown(output):
    """What to read of a failed program: its failed cases, and its end (where a sanitizer speaks)."""
    texts = [match.group() for match in CASE.finditer(output)] + [output]
    return "\n".join("\n".join(text.splitlines()[-SHOWN_LINES:]) for text in texts)


def run(name, command, cwd, environment, gtest_filter):
    """Runs one program in a process group of its own, with a temporary directory of its own."""
    scratch = tempfile.mkdtemp(prefix="varve_test_")
    environment = dict(environment, TMPDIR=scratch)
    if gtest_filter:
        environment["GTEST_FILTER"] = gtest_filter
    started = time.monotonic()
    try:
        with tempfile.TemporaryFile() as log:  # not a pipe: a daemon left behind would hold it open
            process = subprocess.Popen(command, cwd=cwd, env=environment, stdin=subprocess.DEVNULL, stdout=log,
                                       stderr=subprocess.STDOUT, start_new_session=True)
            try:
                code, note = process.wait(TIME_LIMIT_S), ""
            except subprocess.TimeoutExpired:
                code, note = 1, f"\nstill running after {TIME_LIMIT_S} s\n"
            try:
                os.killpg(process.pid, signal.SIGKILL)  # what it left behind, if anything
            except ProcessLookupError:
                pass
            process.wait()
            log.seek(0)
            output = log.read().decode(errors="replace") + note
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return name, output, time.monotonic() - started, *judge(output, code, bool(gtest_filter))


def programs(build):
    """(name, command, directory) of every program that ctest knows."""
    listing = subprocess.run(["ctest", "--show-only=json-v1"], cwd=build, check=True, capture_output=True, text=True)
    for test in json.loads(listing.stdout)["tests"]:
        properties = {p["name"]: p["value"] for p in test.get("properties", [])}
        yield test["name"], test.get("command", ["false"]), properties.get("WORKING_DIRECTORY", build)


def scripts():
    for script in sorted(ROOT.glob("tests/*/run")):
        yield script.relative_to(ROOT).as_posix(), [str(script)], ROOT


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", required=True)
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--scripts", action="store_true")
    parser.add_argument("--without", metavar="PATTERN", help="leave out the GoogleTest cases of these names")
    parser.add_argument("filter", nargs="?", default="", help="part of a program's name, else of a test's")
    arguments = parser.parse_args()
    build = pathlib.Path(arguments.build).resolve()
    environment = dict(os.environ, VARVE_BIN=str(build / "bin"), VARVE_SERVER=str(build / "bin" / "varve-server"),
                       GTEST_COLOR="no")
    tests = list(programs(build)) + (list(scripts()) if arguments.scripts else [])
    gtest_filter = f"-{arguments.without}" if arguments.without else ""
    if arguments.filter:
        named = [test for test in tests if arguments.filter in test[0]]
        if not named:
            tests = [test for test in tests if not test[0].endswith("/run")]
            gtest_filter = arguments.filter if "*" in arguments.filter else f"*{arguments.filter}*"
        tests = named or tests

    passed = failed = 0
    with concurrent.futures.ThreadPoolExecutor(max(arguments.jobs, 1)) as pool:
        futures = [pool.submit(run, *test, environment, gtest_filter) for test in tests]
        for future in concurrent.futures.as_completed(futures):
            name, output, seconds, ok, bad, why = future.result()
            passed, failed = passed + ok, failed + bad
            if bad:
                print(shown(output))
            if ok or bad:
                print(f"{'FAIL' if bad else 'ok  '}  {name:32} {ok:5} passed {bad:3} failed {seconds:7.1f} s  {why}", flush=True)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
