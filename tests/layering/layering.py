"""The arrows between folders, checked on the #include lines.

    server -> net -> resp -> keyspace -> lsm/*.h     sqlite_vtab -> keyspace -> lsm/*.h     cli -> keyspace, lsm/*.h
    inside lsm:  top -> compact -> version -> vlog -> table -> format     top, compact -> iter -> vlog, mem -> format
                 top, version -> wal -> format                    io, sync, small public headers: beneath all
    lsm/c (the door for C) -> lsm/*.h

A file may include its own folder and everything its arrows reach. Only the server wires the doors together: it alone sees
sqlite_vtab. `top` is lsm's own .cc files and the headers beside db.h that are no part of the public face.
Only `top` includes db.h, so no part of the engine can call the engine.
"""
import pathlib
import re

SOURCE_SUFFIXES = {".h", ".cc", ".c"}
INCLUDE = re.compile(r'^\s*#\s*include\s*["<]([^">]+)[">]')

# lsm's small public headers: vocabulary that every part speaks.
VOCABULARY = {"status.h", "out_of_memory.h", "options.h", "pinned_value.h", "write_batch.h", "iterator.h", "indexed_batch.h",
              "job.h", "event_listener.h", "merge_operator.h", "compaction_filter.h"}
PUBLIC = VOCABULARY | {"db.h", "clock.h", "inspect.h", "c.h", "option_names.h", "stats_text.h", "transaction.h",
                       "dump.h", "sizing.h", "backup.h", "changes.h", "repair.h", "table_writer.h"}
# There is one annotated lock in the project; everybody may take it from where it lies.
LOCK = "lsm/sync/mutex.h"
# What lsm/io and lsm/sync, which lie beneath all, may take from each other.
SHARED_BENEATH = {LOCK, "lsm/io/clock.h"}

# Each folder and what it may include directly; what those reach may be included too.
ARROWS = {
    "server": {"net", "sqlite_vtab"},
    "net": {"resp"},
    "resp": {"keyspace"},
    "sqlite_vtab": {"keyspace"},
    "keyspace": {"lsm"},
    "cli": {"keyspace"},
}
LSM_ARROWS = {
    "top": {"compact", "iter", "version", "wal", "mem"},
    "compact": {"version", "iter"},
    "version": {"vlog", "wal"},
    "iter": {"vlog", "mem"},
    "vlog": {"table"},
    "table": {"format"},
    "mem": {"format"},
    "wal": {"format"},
    "format": set(),
    "io": set(),
    "sync": set(),
}
BENEATH_ALL = {"io", "sync"}
# The part of lsm that uses the engine from outside, as the other doors do.
C_DOOR = "c"
# The programs' own folders may reach the injected surroundings (file system, clock, executor) to wire them.
MAY_WIRE = {"server", "cli"}
# These may include anything; nothing outside them may include them.
FREE = {"tests", "bench"}


def reach(arrows, start):
    """Everything `start` may include, itself first."""
    found, todo = {start}, [start]
    while todo:
        for below in arrows[todo.pop()]:
            if below in arrows and below not in found:
                found.add(below)
                todo.append(below)
    return found


def lsm_part(path):
    """'table' for lsm/table/block.h, 'top' for a file directly in lsm."""
    parts = path.split("/")
    return parts[1] if len(parts) > 2 else "top"


def broken(source, target):
    """Why `source` (a path) may not include `target` (a path), or None."""
    folder, target_folder = source.split("/")[0], target.split("/")[0]
    if folder in FREE:
        return None
    if target_folder in FREE:
        return f"{folder} -> {target_folder}: product code never includes {target_folder}"
    if folder == "lsm":
        return broken_inside_lsm(source, target)
    if target_folder == "lsm":
        return broken_into_lsm(folder, target)
    if target_folder in reach(ARROWS, folder):
        return None
    if {folder, target_folder} == {"resp", "sqlite_vtab"}:
        return f"{folder} -> {target_folder}: the two doors never see each other; wire them in server/"
    below = sorted(reach(ARROWS, folder) - {folder})
    hint = f"use a header of {', '.join(below)}" if below else "it lies at the bottom"
    if folder in reach(ARROWS, target_folder):
        hint = f"{target_folder} lies above; declare what you need in {folder}/ and let {target_folder} pass it in"
    return f"{folder} -> {target_folder}: {hint}"


def broken_into_lsm(folder, target):
    if target == LOCK or (lsm_part(target) == "top" and target.split("/")[1] in PUBLIC):
        return None
    if lsm_part(target) in BENEATH_ALL and folder in MAY_WIRE:
        return None
    return f"{folder} -> {target}: not a public header of the engine; use {suggestion(target)}"


def suggestion(target):
    """The public header that offers what somebody wants from a private one."""
    if target == "lsm/io/clock.h":
        return "lsm/clock.h"
    wiring = "wired in server/ or cli/"
    by_part = {
        "format": "lsm/options.h (SequenceNumber) or what db.h offers",
        "iter": "lsm/iterator.h",
        "mem": "lsm/indexed_batch.h",
        "io": f"lsm/options.h (Options::file_system), {wiring}",
        "sync": f"lsm/options.h (Options::executor), {wiring}",
    }
    return by_part.get(lsm_part(target), "lsm/db.h")


def broken_inside_lsm(source, target):
    if target.split("/")[0] in ARROWS:
        return f"lsm -> {target.split('/')[0]}: the engine knows nothing of the folders above; let them pass it in"
    part, target_part = lsm_part(source), lsm_part(target)
    if part == C_DOOR:
        if target_part == C_DOOR or (target_part == "top" and target.split("/")[1] in PUBLIC):
            return None
        return f"lsm/c -> {target}: not a public header of the engine; use {suggestion(target)}"
    if target_part == C_DOOR:
        return f"{source} -> {target}: lsm/c is a door; the engine knows nothing of it"
    if target_part == "top":
        name = target.split("/")[1]
        if name in VOCABULARY:
            return None
        if part == "top":
            # A vocabulary header that included the engine would drag it into every part.
            if source.split("/")[1] in VOCABULARY:
                return f"{source} -> {target}: a small public header lies beneath the engine; move what it needs to a part"
            return None
        if name == "db.h":
            return f"lsm/{part} -> lsm/db.h: only lsm's top includes it; use lsm/options.h, lsm/status.h or lsm/iterator.h"
        return f"lsm/{part} -> {target}: lsm's top lies above; declare what you need in lsm/{part}/"
    if source.startswith("lsm/") and part == "top" and source.split("/")[1] in VOCABULARY and target_part != "format":
        return f"{source} -> {target}: a small public header includes lsm/format at most; forward-declare instead"
    if part not in LSM_ARROWS or target_part not in LSM_ARROWS:
        unknown = part if part not in LSM_ARROWS else target_part
        return f"{source} -> {target}: lsm/{unknown} has no place among the arrows; give it one in tests/layering/layering.py"
    if part in BENEATH_ALL:
        if target_part == part or target in SHARED_BENEATH:
            return None
        return f"lsm/{part} -> lsm/{target_part}: {part} lies beneath all; use lsm/status.h, lock and clock only"
    if target_part in reach(LSM_ARROWS, part) | BENEATH_ALL:
        return None
    allowed = sorted((reach(LSM_ARROWS, part) | BENEATH_ALL) - {part})
    return f"lsm/{part} -> lsm/{target_part}: use a header of {', '.join('lsm/' + name for name in allowed)}"


def check(root):
    """Lines 'file:line: broken arrow', and the number of includes that were looked at."""
    root = pathlib.Path(root)
    problems, count = [], 0
    folders = sorted(set(ARROWS) | {"lsm"})
    known = set(folders) | FREE
    for file in (f for folder in folders for f in sorted(root.glob(f"{folder}/**/*")) if f.suffix in SOURCE_SUFFIXES):
        source = file.relative_to(root).as_posix()
        for number, line in enumerate(file.read_text(errors="replace").splitlines(), 1):
            match = INCLUDE.match(line)
            if not match:
                continue
            target = match.group(1)
            if target.startswith(".") or ("/" not in target and (file.parent / target).exists()):
                problems.append(f"{source}:{number}: include \"{target}\" by its path from the project's root")
            elif target.split("/")[0] in known:
                count += 1
                why = broken(source, target)
                if why:
                    problems.append(f"{source}:{number}: {why}")
    return problems, count
