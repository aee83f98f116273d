"""The drill: each patch in patches/ plants one fault in a scratch copy, and the test that it names must fail.

A patch begins with 'fault:', 'build:' (targets) and 'test:' (a program and its filter, or a script and its arguments).
The copy lies in build/drill. First all the named tests are run there on sound code: they pass. Prints a table; the
last line is 'N passed, N failed'. With --check nothing is built: each patch applies, and its test exists.
"""
import argparse
import os
import pathlib
import shlex
import shutil
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
PATCHES = ROOT / "tests" / "drill" / "patches"
TIME_LIMIT_S = 600  # for one test; a fault that makes it hang is found
COUNT_MIN = 20


class Patch:
    def __init__(self, path):
        self.path, self.name = path, path.stem
        head = path.read_text().split("\n\n", 1)[0]
        fields = dict(line.split(":", 1) for line in head.splitlines())
        self.fault = fields["fault"].strip()
        self.targets = fields["build"].split()
        self.test = shlex.split(fields["test"])

    def apply(self, tree, *flags):
        done = subprocess.run(["patch", "-p1", "-s", "-f", "-d", tree, *flags, "-i", self.path], capture_output=True, text=True)
        return "" if done.returncode == 0 else done.stdout + done.stderr


def command(test, tree, binaries):
    if test[0].endswith("/run"):
        return [tree / test[0], binaries / "varve-server", *test[1:]]
    return [binaries / test[0], "--gtest_filter=" + ":".join(test[1:])]


def run(test, tree, binaries):
    """(passed, what it says of itself)"""
    try:
        done = subprocess.run(command(test, tree, binaries), cwd=tree, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, timeout=TIME_LIMIT_S)
    except subprocess.TimeoutExpired:
        return False, "hangs"
    text = done.stdout.decode(errors="replace")
    if "Running 0 tests" in text or "0 passed, 0 failed" in text:
        raise SystemExit(f"{' '.join(test)} runs no test")
    failed = [line.split("]")[1].split("(")[0].split(",")[0].strip() for line in text.splitlines()
              if line.startswith("[  FAILED  ]")] + [line for line in text.splitlines() if line.startswith("FAIL")]
    return done.returncode == 0, failed[0][:90] if failed else f"exit code {done.returncode}"


def copy_tree(tree):
    """Tracked files and new ones; those that are the same keep their times, so that little is built anew."""
    names = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, check=True, capture_output=True,
                           text=True).stdout.splitlines()
    wanted = {name for name in names if (ROOT / name).is_file()}
    for old in [path for path in tree.rglob("*") if path.is_file()] if tree.exists() else []:
        name = str(old.relative_to(tree))
        if name not in wanted and not name.startswith("build/"):
            old.unlink()
    for name in wanted:
        source, target = ROOT / name, tree / name
        if target.exists() and target.read_bytes() == source.read_bytes():
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, target)


def build(binaries, targets):
    done = subprocess.run(["ninja", "-C", binaries.parent, *sorted(set(targets))], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True)
    return "" if done.returncode == 0 else done.stdout


def drill(patches):
    tree = ROOT / "build" / "drill"
    binaries = tree / "build" / "release" / "bin"  # as in the project: so the compiler's cache knows what did not change
    copy_tree(tree)
    os.environ.update(CCACHE_BASEDIR=str(tree), CCACHE_NOHASHDIR="1")
    subprocess.run(["cmake", "-S", tree, "-B", binaries.parent, "-G", "Ninja", "-DCMAKE_BUILD_TYPE=Release", "-DVARVE_TESTS=ON",
                    "-DCMAKE_CXX_COMPILER=g++", "-DCMAKE_C_COMPILER=gcc", "-DCMAKE_CXX_COMPILER_LAUNCHER=ccache"],
                   check=True, stdout=subprocess.DEVNULL)
    if error := build(binaries, [target for patch in patches for target in patch.targets]):
        sys.exit(error)
    os.environ.update(VARVE_BIN=str(binaries), VARVE_SERVER=str(binaries / "varve-server"))
    for test in sorted({tuple(patch.test) for patch in patches}):
        passed, says = run(test, tree, binaries)
        if not passed:
            sys.exit(f"{' '.join(test)} fails on sound code: {says}")
    caught = 0
    print(f"{'fault':44} {'':7} {'seconds':>7}  found by")
    for patch in patches:
        started = time.monotonic()
        if error := patch.apply(tree) or build(binaries, patch.targets):
            sys.exit(f"{patch.name}: {error}")
        passed, says = run(patch.test, tree, binaries)
        if error := patch.apply(tree, "-R"):
            sys.exit(f"{patch.name}: {error}")
        caught += not passed
        print(f"{patch.name:44} {'MISSED ' if passed else 'caught '} {time.monotonic() - started:7.1f}  "
              f"{' '.join(patch.test) if passed else says}", flush=True)
    print(f"{caught} passed, {len(patches) - caught} failed")
    return caught == len(patches)


def check(patches):
    """Cheap enough for every run of the tests."""
    binaries = pathlib.Path(os.environ.get("VARVE_BIN", ROOT / "build" / "release" / "bin"))
    failed = 0
    for patch in patches:
        error = patch.apply(ROOT, "--dry-run")
        if not error and not patch.test[0].endswith("/run"):
            listed = subprocess.run([*command(patch.test, ROOT, binaries), "--gtest_list_tests"], capture_output=True, text=True)
            error = "" if "\n  " in listed.stdout else f"no such test: {' '.join(patch.test)}"
        failed += bool(error)
        if error:
            print(f"FAIL  {patch.name}: {error}")
    enough = len(patches) >= COUNT_MIN
    print(f"{len(patches) - failed + enough} passed, {failed + (not enough)} failed")
    return failed == 0 and enough


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true")
    parser.add_argument("only", nargs="?", default="", help="part of a patch's name")
    arguments = parser.parse_args()
    patches = [Patch(path) for path in sorted(PATCHES.glob("*.patch")) if arguments.only in path.stem]
    return 0 if patches and (check if arguments.check else drill)(patches) else 1


if __name__ == "__main__":
    sys.exit(main())
