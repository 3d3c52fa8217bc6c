#!/usr/bin/env python3
"""Random folders of days: what `agg backfill --dry-run` finds in them against the obvious search in listing.py.

    python3 tests/oracle/compare_listings.py AGG [--layouts N] [--seed N]

Layouts are made from a grammar of the names in docs/reference.md. Exits with 1 at the first difference and prints it.
"""

import argparse
import datetime
import json
import pathlib
import random
import subprocess
import sys
import tempfile

from listing import listing

DAYS = [datetime.date(2021, 11, 28) + datetime.timedelta(days) for days in range(8)]
FORMS = ["%Y%m%d", "%Y-%m-%d", "%Y_%m_%d", "%Y%m%d13", "%Y%m%d2359", "%Y%m%d235959", "%Y%m%d99", "%Y%m%d1", "1%Y%m%d"]
UNREAL = ["20210229", "2021-13-01", "99999999", "1638316800", "2021-12-011", "12"]
IDS = ["19870315-9f2c-4d11-8a77-aabbccddeeff", "0123456789abcdef", "cafe20211201cafe", "20211201beef", "7"]
BASES = ["listen", "part-", "part-00003", "web1.example.com", "", "access_log", "Part-0", "SHA"]
ENDS = [".log", ".txt", ".log", ".txt", "", "", ".csv", ".tsv", ".LOG", ".json", ".PARQUET", ".md", ".bak7", ".log.log"]
TAILS = ["", "", "", "", ".1", ".999", ".0", ".01", ".gz", ".zst", ".1.gz", ".gz.2", ".bz2", ".xz", ".gz.gz", ".1.2"]
LISTS = [".part", ".tmp", ".filepart", ".inprogress", "~", ".md5", ".swp", ".crc", ".ok", ".done", "_$folder$", "SUMS"]
WHOLE = ["_SUCCESS", "_metadata", "_started_1", "_committed_2", ".hidden.log", "SHA256SUMS", "README", "01", "01.log"]
FOLDERS = [
    "web1",
    "hour=00",
    "13",
    "old",
    "archive",
    "incoming",
    "lost+found",
    "_temporary",
    ".git",
    "Old",
    "2021",
    "12",
]
PER_RUN = 100


def date(rng):
    if rng.random() < 0.12:
        return rng.choice(UNREAL)
    return rng.choice(DAYS).strftime(rng.choice(FORMS[:4] if rng.random() < 0.7 else FORMS))


def file_name(rng, serial):
    if rng.random() < 0.12:
        return rng.choice(WHOLE)
    parts = [rng.choice(BASES)]
    if rng.random() < 0.5:
        parts.append(date(rng))
    if rng.random() < 0.2:
        parts.append(rng.choice(IDS))
    if rng.random() < 0.1:
        parts.append(date(rng))
    # No two files are one log with and without compression.
    parts.append(f"s{serial}" if rng.random() < 0.9 else "")
    name = rng.choice("-_.").join(part for part in parts if part) or "x"
    name += rng.choice(ENDS)
    if rng.random() < 0.2:
        name += rng.choice("-._") + date(rng)
    name += rng.choice(TAILS)
    return name + (rng.choice(LISTS) if rng.random() < 0.15 else "")


def folders(rng):
    """One to three names of folders in a row."""
    day, kind = rng.choice(DAYS), rng.random()
    if kind < 0.2:
        return [date(rng)]
    if kind < 0.3:
        return [f"day={date(rng)}"]
    if kind < 0.4:
        return [day.strftime("%Y"), day.strftime("%m"), day.strftime("%d")][: rng.choice([2, 3, 3, 3])]
    if kind < 0.5:
        return [f"year={day.year}", f"month={day.month}", f"day={rng.choice([day.day, 31, 0])}"][
            : rng.choice([2, 3, 3])
        ]
    if kind < 0.6:
        return [f"export-{date(rng)}"]
    if kind < 0.63:
        return [f"{date(rng)}_{date(rng)}"]
    return [rng.choice(FOLDERS)]


def make_layout(rng, root):
    places = [root]
    for _ in range(rng.randint(1, 4)):
        names = [name for _ in range(rng.randint(1, 2)) for name in folders(rng)]
        places.append(rng.choice(places).joinpath(*names))
    for place in places:
        place.mkdir(parents=True, exist_ok=True)
    for serial in range(rng.randint(2, 8)):
        place = rng.choice(places)
        file = place / file_name(rng, serial)
        if not file.exists():
            file.write_bytes(b"1|1|FR\n" * rng.randint(0, 1))
    if rng.random() < 0.05:
        (rng.choice(places[1:]) / ".out.lock").touch()
    if rng.random() < 0.05:
        (rng.choice(places[1:]) / "kind=user").mkdir(exist_ok=True)
    if rng.random() < 0.1:
        link = rng.choice(places) / f"linked-{date(rng)}"
        if not link.exists():
            link.symlink_to(rng.choice(places).resolve(), target_is_directory=True)


def found_by_agg(agg, work, roots, first, last):
    wheres = [word for root in roots for word in ("--logs", root)]
    words = [agg, "backfill", "--dry-run", "--json", "--quiet", "--date-offset", "0", "--store", work / "store"]
    done = subprocess.run([*words, "--from", str(first), "--to", str(last), *wheres], capture_output=True, check=False)
    if done.returncode != 0:
        sys.exit(f"agg exits with {done.returncode}: {done.stderr.decode()}")
    report = json.loads(done.stdout)
    logs = {path: day["day"] for day in report["days"] for path in day.get("logs", [])}
    return logs, {file["path"]: file["reason"] for file in report["skipped"]}


def compare(agg, layouts, seed):
    rng = random.Random(seed)
    files = 0
    for start in range(0, layouts, PER_RUN):
        with tempfile.TemporaryDirectory() as folder:
            work = pathlib.Path(folder)
            roots = [work / str(at) for at in range(start, min(start + PER_RUN, layouts))]
            for root in roots:
                make_layout(rng, root)
            first, last = sorted(rng.sample(DAYS, 2))
            expected_logs, expected_skipped = {}, {}
            for root in roots:
                logs, skipped = listing(root, first, last)
                expected_logs |= {str(path): str(day) for path, day in logs.items()}
                expected_skipped |= {str(path): reason for path, reason in skipped.items()}
            logs, skipped = found_by_agg(agg, work, roots, first, last)
            for what, expected, found in ("logs", expected_logs, logs), ("skipped", expected_skipped, skipped):
                for path in sorted(expected.keys() | found.keys()):
                    if expected.get(path) != found.get(path):
                        sys.exit(
                            f"{what}: {path}: expected {expected.get(path)}, agg: {found.get(path)} ({first} to {last})"
                        )
            files += len(logs) + len(skipped)
    print(f"{layouts} layouts agree, {files} files in them counted or skipped with a reason (seed {seed})")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("agg", type=pathlib.Path)
    parser.add_argument("--layouts", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    compare(arguments.agg.resolve(), arguments.layouts, arguments.seed)
