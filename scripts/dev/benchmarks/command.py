"""The command line: what to measure, then what to print or write of it."""

import argparse
import fnmatch
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import benchmarks
from benchmarks import bars, documents, machine, programs, report, tests
from benchmarks.bench import Bench
from benchmarks.points import Point, plan
from benchmarks.results import Results
from benchmarks.workspace import ROOT, Unusable, Workspace

SIZES = {"": 1, "MB": 10**6, "GB": 10**9, "MiB": 1 << 20, "GiB": 1 << 30}


def size(text: str) -> int:
    """`30GB` and the like, in bytes."""
    match = re.fullmatch(r"(\d+)([A-Za-z]*)", text)
    if not match or match[2] not in SIZES:
        raise argparse.ArgumentTypeError(f"{text!r} is not a size like 30GB")
    return int(match[1]) * SIZES[match[2]]


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="scripts/dev/bench", description=benchmarks.__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=30_000_000, help="rows of a base day (30000000)")
    parser.add_argument("--days", type=int, default=7, help="base days, the window that is emitted (7)")
    parser.add_argument("--rounds", type=int, default=3, help="pairs of each comparison (3)")
    parser.add_argument(
        "--work", type=Path, default=ROOT / "target" / "bench", help="folder for all of it (target/bench)"
    )
    parser.add_argument("--agg", type=Path, help="measure this program instead of building one")
    parser.add_argument("--only", action="append", metavar="GLOB", help="these points alone")
    parser.add_argument("--redo", action="append", metavar="GLOB", default=[], help="these points again")
    parser.add_argument("--limit", type=float, default=600, help="seconds that a run may take (600)")
    parser.add_argument("--minutes", type=float, help="start no further point after this number of minutes")
    parser.add_argument("--nice", type=int, default=0, help="priority of the measured runs; below 0 as root only (0)")
    parser.add_argument("--disk", type=size, default=size("30GB"), help="the most that the folder may take (30GB)")
    parser.add_argument("--list", action="store_true", help="print the points and whether they are measured")
    parser.add_argument("--report", action="store_true", help="print the tables of what is measured")
    parser.add_argument(
        "--bars", action="store_true", help="print each promise with its figure; exit 1 if one is missed"
    )
    parser.add_argument("--write-docs", action="store_true", help="draw the charts, fill the pages of docs/")
    parser.add_argument("--self-test", action="store_true", help="test this program")
    return parser.parse_args()


def main() -> int:
    given = arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    if given.self_test:
        return tests.run_all()
    for name in [name for name in os.environ if name.startswith("AGG_")]:
        del os.environ[name]  # only the command lines decide what is measured
    work = given.work.resolve()
    work.mkdir(parents=True, exist_ok=True)
    space = Workspace(work, given.rows, given.days, given.disk, given.agg)
    try:
        results = Results.load(work / "results.json", given.rows, given.days)
        if given.write_docs:
            documents.write(space, results)
            return 0
        if given.list:
            print(
                "\n".join(f"{'measured' if point.name in results.points else '-':9} {point.name}" for point in plan())
            )
            return 0
        if given.bars:
            print(bars.table(results))
            return 1 if bars.missed(results) else 0
        complete = True if given.report else measure_all(given, space, results)
    except (Unusable, subprocess.CalledProcessError) as error:
        log(f"bench: {error}")
        return 1
    except KeyboardInterrupt:
        return 130
    print(report.everything(results))
    return 0 if complete and not report.disagreements(results) else 1


def log(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def measure_all(given: argparse.Namespace, space: Workspace, results: Results) -> bool:
    """Measures all points; false if a point could not be measured."""
    bench = Bench(space, given.rounds, given.limit, given.nice, log)
    pending = chosen(given, space, results)
    start = time.monotonic()
    complete = True
    while pending:
        point = pending.pop(0)
        elapsed = time.monotonic() - start
        if given.minutes and elapsed > given.minutes * 60:
            log(f"out of time, not measured: {' '.join(p.name for p in [point, *pending])}")
            return False
        log(f"{elapsed / 60:5.1f} min  {point.name}")
        try:
            space.check_disk()
            measure_point(bench, point, results)
        except (Unusable, OSError, subprocess.CalledProcessError) as error:
            log(f"    not measured: {error}")
            complete = False
        keep = {name for later in pending for name in later.needs}
        for name in point.needs - keep:
            space.drop(name)
        space.drop("scratch")
    for name in ("logs", "store", "tables"):
        space.drop(name)
    return complete


def chosen(given: argparse.Namespace, space: Workspace, results: Results) -> list[Point]:
    """The points that are asked for and not measured with this build, or to be measured again."""

    def among(name: str, patterns: list[str]) -> bool:
        return any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)

    points = []
    for point in plan():
        redo = among(point.name, given.redo)
        wanted = among(point.name, given.only) if given.only else not point.asked
        stale = results.get(point.name).build.get("digest") != space.build["digest"]
        if redo or (wanted and stale and not (given.redo and not given.only)):
            points.append(point)
    return points


def measure_point(bench: Bench, point: Point, results: Results) -> None:
    """Measures a point and saves it, with the build and the state of the machine."""
    idle = 1 - machine.busy()
    outcome = point.measure(bench)
    outcome.build = bench.space.build
    outcome.machine = {**machine.describe(), **programs.versions(), "warm": True, "idle before": round(idle, 2)}
    results.points[point.name] = outcome
    results.save()
