"""What of the engine its tests run: the lines of lsm/, and every branch of the log, the manifest and recovery.

    ./dev cover              counts from nothing
    ./dev cover FILTER       counts the programs of these names anew, and keeps what the others did last time
    ./dev cover --report     counts nothing, judges again

A branch has two outcomes, and wants both: the condition of an if, a loop or ?:, each side of && and ||, each case of a
switch. In a macro it lies where the macro is used: so every VARVE_TRY wants an error. In a template, one instance that
saw an outcome is enough; over all programs too. What is constant is no branch, nor is the way past a switch without
`default`: those are over enumerations, and -Wswitch sees to their cases. An outcome that nothing can bring about is
marked, with the reason:

    if (offset > size) return false;  // defensive: the caller has checked it

or in a comment of its own, of any length, above a statement, for all lines of it up to the first that ends with ';',
'{' or '}'. A marker without a reason fails, and so does one whose outcomes were all seen, unless the reason begins with
"race": that one thread overtakes another in the one place where it matters cannot be had in every run. Lines that
nothing ran are listed in build/cover/lines.txt. The last line is 'N passed, N failed', of figures and test programs.
"""
import argparse
import collections
import concurrent.futures
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys

sys.dont_write_bytecode = True
import run_programs  # beside this file

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = ROOT / "build" / "cover"
PROFILES = BUILD / "profiles"
# All of the engine's functions, each once, but for the inline ones that only its users call: llvm-cov warns of those as
# mismatched.
ENGINE = BUILD / "lib" / "libvarve.so"
PROGRAMS = re.compile(r"(lsm_\w+|lsm|crash|injection|exhaustive|model|oplog|damage|fuzz_(wal|manifest|table))_test")
# An outcome is sometimes counted by subtraction: those who came less those who took the other way. Where memory is
# short exceptions leave in between, and would pass for it.
THROWING = {"lsm_out_of_memory_test"}
# Statistics over many rows: minutes where each is counted, and nothing that no other test runs.
LEFT_OUT = ["SizingTest.RowsOfEverydaySize", "SizingTest.SmallRowsWithoutFilters", "Filter.FailsAsOftenAsPredicted",
            "DbReadsTest.FiltersOfAllLevelsTogetherFailRarely"]
LINES_MIN = 92.0  # percent, of the engine
COMPLETE = {"write-ahead log": "lsm/wal/", "manifest": "lsm/version/", "recovery": "lsm/recovery."}
EXPANSION = 1  # kind of a region: a macro's use

Outcomes = collections.namedtuple("Outcomes", "true false")


# ---- counting --------------------------------------------------------------------------------------------------------


def programs():
    return [test for test in run_programs.programs(BUILD) if PROGRAMS.fullmatch(test[0])]


def count(test):
    """Runs one program; its counters go to a directory of its own."""
    directory = PROFILES / test[0]
    shutil.rmtree(directory, ignore_errors=True)
    environment = dict(os.environ, VARVE_BIN=str(BUILD / "bin"), GTEST_COLOR="no",
                       LLVM_PROFILE_FILE=str(directory / "%m.profraw"))
    return run_programs.run(*test, environment, "-" + ":".join(LEFT_OUT))


def count_all(tests, jobs):
    """(passed, failed) of programs."""
    passed = failed = 0
    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        for done in concurrent.futures.as_completed([pool.submit(count, test) for test in tests]):
            name, output, seconds, _, bad, why = done.result()
            passed, failed = passed + (not bad), failed + bool(bad)
            if bad:
                print(run_programs.shown(output))
            print(f"{'FAIL' if bad else 'ok  '}  {name:32} {seconds:7.1f} s  {why}", flush=True)
    return passed, failed


def export(name, without, *options):
    """What the programs but `without` did, as llvm-cov puts it."""
    profiles = sorted(path for path in PROFILES.glob("*/*.profraw") if path.parent.name not in without)
    if not profiles:
        sys.exit("cover: nothing was counted yet")
    merged = BUILD / f"{name}.profdata"
    subprocess.run(["llvm-profdata-14", "merge", "-sparse", "-o", merged, *profiles], check=True)
    command = ["llvm-cov-14", "export", f"-instr-profile={merged}", *options, ENGINE]
    return subprocess.run(command, cwd=BUILD, check=True, stdout=subprocess.PIPE, text=True).stdout


# ---- reading what was counted ----------------------------------------------------------------------------------------


def place(name):
    """A file's name as the compiler saw it, from the project's root; None when it is none of the engine's."""
    path = os.path.relpath(os.path.join(BUILD, name), ROOT)
    return path if path.startswith("lsm/") else None


def read_lines(lcov):
    """{file: {line: count}}"""
    files, lines = {}, None
    for row in lcov.splitlines():
        kind, _, rest = row.partition(":")
        if kind == "SF":
            file = place(rest)
            lines = files.setdefault(file, {}) if file else {}
        elif kind == "DA":
            line, times = rest.split(",")[:2]
            lines[int(line)] = int(times)
    return files


def read_branches(functions):
    """{(file, line, column, ...): Outcomes}; what follows the column tells branches of one macro's use apart."""
    branches = collections.defaultdict(lambda: Outcomes(0, 0))
    for function in functions:
        used_at = {region[6]: (region[5], *region[:2]) for region in function["regions"] if region[7] == EXPANSION}
        seen = collections.Counter()
        for line, column, _, _, true, false, file, *_ in function["branches"]:
            way = [(line, column)]
            while file in used_at:
                file, *use = used_at[file]
                way.append(tuple(use))
            name = place(function["filenames"][file])
            if name is None:
                continue
            way.reverse()
            key = (name, *way[0], *way[1:])
            seen[key] += 1
            key += (seen[key],)
            known = branches[key]
            branches[key] = Outcomes(known.true + true, known.false + false)
    return branches


def without_ways_past(branches, sources):
    """What is counted at the condition of a switch itself is the way past all cases."""
    def is_switch(key):
        return sources[key[0]].splitlines()[key[1] - 1][:key[2] - 1].endswith("switch (")
    return {key: outcomes for key, outcomes in branches.items() if not is_switch(key)}


# ---- markers ---------------------------------------------------------------------------------------------------------

MARKER = re.compile(r"//\s*defensive\b(:?)\s*(.*)")


def read_markers(text):
    """({line: line of the marker that speaks for it}, [lines of markers without a reason], [of those of races])"""
    lines = text.splitlines()
    marked, bare, races = {}, [], []
    for index, line in enumerate(lines):
        marker = MARKER.search(line)
        if marker is None:
            continue
        if not marker[1] or not marker[2]:
            bare.append(index + 1)
        if marker[2].startswith("race"):
            races.append(index + 1)
        first = last = index
        if line[:marker.start()].strip() == "":
            while first < len(lines) and lines[first].lstrip().startswith("//"):
                first += 1
            last = first
            while last + 1 < len(lines) and not lines[last].split(" //")[0].rstrip().endswith((";", "{", "}")):
                last += 1
        marked.update((n + 1, index + 1) for n in range(first, last + 1))
    return marked, bare, races


def judge(branches, sources):
    """([what was never seen and is not marked], [what is wrong with markers]), both of (file, line, text)."""
    open_ends, wrong = [], []
    for file, text in sorted(sources.items()):
        marked, bare, races = read_markers(text)
        wrong += [(file, line, "a marker without a reason: want '// defensive: why'") for line in bare]
        needed = set(races)
        lines = text.splitlines()
        for key in sorted((key for key in branches if key[0] == file), key=str):
            if all(branches[key]):
                continue
            line, column = key[1:3]
            if line in marked:
                needed.add(marked[line])
                continue
            never = " ".join(f"taken-{name}" for name, times in branches[key]._asdict().items() if not times)
            open_ends.append((file, line, f"{column}: never {never}: {lines[line - 1].strip()}"))
        wrong += [(file, line, "a stale marker: nothing on its lines was left out")
                  for line in sorted(set(marked.values()) - needed)]
    return sorted(open_ends, key=lambda end: end[:2]), wrong


# ---- saying so -------------------------------------------------------------------------------------------------------


def share(part, whole):
    return f"{part:6,} of {whole:6,} {100 * part / whole if whole else 100:6.1f} %"


def print_table(lines, branches):
    folders = collections.defaultdict(lambda: [0, 0, 0, 0])
    for file, counts in lines.items():
        for folder in {os.path.dirname(file), "lsm/..."}:
            folders[folder][0] += sum(times > 0 for times in counts.values())
            folders[folder][1] += len(counts)
    for key, outcomes in branches.items():
        for folder in {os.path.dirname(key[0]), "lsm/..."}:
            folders[folder][2] += sum(times > 0 for times in outcomes)
            folders[folder][3] += len(outcomes)
    print(f"\n{'folder':14} {'lines':>26} {'outcomes of branches':>26}")
    for folder, (*of_lines, some, whole) in sorted(folders.items(), key=lambda row: (row[0] == "lsm/...", row[0])):
        print(f"{folder:14} {share(*of_lines):>26} {share(some, whole):>26}")


def note_lines(lines):
    """Lists what nothing ran."""
    with open(BUILD / "lines.txt", "w") as out:
        for file, counts in sorted(lines.items()):
            text = (ROOT / file).read_text().splitlines()
            for line, times in sorted(counts.items()):
                if times == 0:
                    out.write(f"{file}:{line}: {text[line - 1].strip()}\n")


def report():
    """(passed, failed) of figures."""
    lines = read_lines(export("lines", set(), "-format=lcov", "-skip-functions"))
    branches = read_branches(json.loads(export("branches", THROWING))["data"][0]["functions"])
    files = set(lines) | {key[0] for key in branches}
    sources = {file: (ROOT / file).read_text() for file in files}
    branches = without_ways_past(branches, sources)
    open_ends, wrong = judge(branches, sources)
    open_ends = [end for end in open_ends if end[0].startswith(tuple(COMPLETE.values()))]
    for file, line, text in open_ends:
        print(f"{file}:{line}:{text}")
    for file, line, text in wrong:
        print(f"{file}:{line}: {text}")
    print_table(lines, branches)
    note_lines(lines)

    every = [times for counts in lines.values() for times in counts.values()]
    percent = 100 * sum(times > 0 for times in every) / len(every)
    checks = [(f"engine: {percent:.2f} % of the lines, want {LINES_MIN} %", percent >= LINES_MIN)]
    for name, prefix in COMPLETE.items():
        whole = sum(len(outcomes) for key, outcomes in branches.items() if key[0].startswith(prefix))
        left = sum(end[2].split(": ")[1].count("taken-") for end in open_ends if end[0].startswith(prefix))
        texts = [text for file, text in sources.items() if file.startswith(prefix)]
        marks = sum(len(set(read_markers(text)[0].values())) for text in texts)
        said = f"{name}: {left} of {whole} outcomes never seen, want 0; {marks} markers"
        checks.append((said, whole > 0 and left == 0))
    checks.append((f"markers: {len(wrong)} wrong", not wrong))
    print()
    for what, good in checks:
        print(f"{'ok  ' if good else 'FAIL'}  {what}")
    return sum(good for _, good in checks), sum(not good for _, good in checks)


def main():
    parser = argparse.ArgumentParser(prog="./dev cover")
    parser.add_argument("--names", action="store_true", help="only print the programs' names")
    parser.add_argument("--report", action="store_true", help="count nothing, judge what the last run left")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("filter", nargs="?", default="", help="part of a program's name")
    arguments = parser.parse_args()
    tests = [test for test in programs() if arguments.filter in test[0]]
    if not tests:
        parser.error(f"no test program of the engine has '{arguments.filter}' in its name")
    if arguments.names:
        print(" ".join(test[0] for test in tests))
        return 0
    passed = failed = 0
    if not arguments.report:
        if not arguments.filter:
            shutil.rmtree(PROFILES, ignore_errors=True)
        passed, failed = count_all(tests, arguments.jobs)
    passed, failed = (sum(both) for both in zip((passed, failed), report()))
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
