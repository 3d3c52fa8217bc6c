"""The conformance run: both programs on the same logs, and every difference an error."""

from __future__ import annotations

import argparse
import json
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from conform.cluster import PACKAGE, Cluster, Run, Session, Submission, Wrong
from conform.data import LogSet, crafted, generated, samples

if TYPE_CHECKING:
    from collections.abc import Callable

KINDS = ("country", "user")
PIECES = 64
"""Into how many tasks a run is cut that is to be killed amid its work."""

ATTEMPTS = 3

LIMITS = ("--max-reject-ratio", "1", "--max-log-reject-ratio", "1")
"""No day is refused for its corrupt rows: they are compared, too."""


@dataclass
class Line:
    """A line of the table at the end."""

    compared: str
    rows: str
    seconds: float


@dataclass
class Conformance:
    """One run: its programs, its folder, and what was found equal so far."""

    agg: Path
    work: Path
    cluster: Cluster
    table: list[Line] = field(default_factory=list)

    def told(self, compared: str, rows: str, begun: float) -> None:
        """Enters a comparison that found no difference."""
        self.table.append(Line(compared, rows, time.monotonic() - begun))
        print(f"equal: {compared}: {rows} ({self.table[-1].seconds:.1f} s)", flush=True)

    def run_agg(self, *arguments: str | Path) -> str:
        """Runs `agg`; its standard output."""
        done = subprocess.run([self.agg, *arguments], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise Wrong(f"agg {' '.join(map(str, arguments))}: {done.returncode}: {done.stderr}")
        return done.stdout


def need(truth: bool, what: str) -> None:
    """Ends the run unless it is true."""
    if not truth:
        raise Wrong(what)


# Both programs on a set of logs


def by_agg(run: Conformance, logs: LogSet) -> Path:
    """Reduces, emits and exports a set with `agg`; the folder of all that."""
    home = run.work / f"{logs.name}-agg"
    options: list[str | Path] = [*LIMITS, "--quiet", "--store", home / "store"]
    for day, paths in logs.days.items():
        run.run_agg("reduce-day", *options, "--date", day, *paths)
    for window in logs.windows:
        emit_by_agg(run, logs, window, home)
    run.run_agg("export", "--store", home / "store", "--out", home / "dataset", *logs.days)
    return home


def emit_by_agg(run: Conformance, logs: LogSet, window: str, home: Path) -> None:
    """Emits a window of a store with `agg`."""
    options = ["--date", window, "--days", str(logs.window_days), "--quiet"]
    run.run_agg("emit-window", *options, "--store", home / "store", "--out", home / "out")


def reduce_step(logs: LogSet, day: str, store: Path) -> dict[str, Any]:
    """A day of the set, as the session is asked for it."""
    options = ["--json", *LIMITS, "--store", str(store), "--date", day]
    return {"run": ["reduce-day", *options, *map(str, logs.days[day])]}


def emit_step(logs: LogSet, window: str, store: Path, out: Path, *more: str) -> dict[str, Any]:
    """A window of the set, as the session is asked for it."""
    options = ["--json", "--store", str(store), "--out", str(out), "--date", window]
    return {"run": ["emit-window", *options, "--days", str(logs.window_days), *more]}


def compare_set(run: Conformance, session: Session, logs: LogSet) -> Path:
    """Runs the job on the set and compares it with all results of `agg`; returns the job's folder."""
    begun = time.monotonic()
    theirs, ours = by_agg(run, logs), run.work / f"{logs.name}-spark"
    steps = [reduce_step(logs, day, ours / "store") for day in logs.days]
    steps += [
        emit_step(logs, window, ours / "store", ours / "out", "--single-file") for window in logs.windows
    ]
    steps += compare_steps(list(logs.days), theirs / "dataset", ours / "store")
    results = session.run(steps)
    reduced, rest = results[: len(logs.days)], results[len(logs.days) :]
    emitted, compared = rest[: len(logs.windows)], rest[len(logs.windows) :]
    for result in [*reduced, *emitted]:
        need(result["code"] == 0, f"{logs.name}: {result['error']}")
    rows = compare_reports(run, logs, theirs, reduced)
    run.told(f"{logs.name}: rows and rejects by reason of {len(reduced)} days", f"{rows:,} rows", begun)
    entries = need_same_counts(list(logs.days), compared)
    run.told(f"{logs.name}: counts of {len(reduced)} partials", f"{entries:,} rows of counts", begun)
    for window in logs.windows:
        size = compare_tops(theirs / "out" / window, ours / "out" / window)
        compare_manifests(theirs / "out" / window, ours / "out" / window)
        run.told(f"{logs.name}: tops of {window}, byte by byte", f"{size:,} bytes", begun)
    return ours


def compare_steps(days: list[str], theirs: Path, ours: Path) -> list[dict[str, Any]]:
    """The comparison of both kinds of counts of days, as the session is asked for it."""
    return [{"compare": [kind, days, [str(theirs), str(ours)]]} for kind in KINDS]


def need_same_counts(days: list[str], compared: list[dict[str, Any]]) -> int:
    """Checks that no row is on one side alone; returns the number of rows."""
    for kind, found in zip(KINDS, compared, strict=True):
        need(sorted(found) == sorted(days), f"{kind}: {sorted(found)} have rows, of {days}")
        for day, result in found.items():
            need(result["only_left"] == result["only_right"] == 0, f"{day}, {kind}: {result}")
    return sum(result["rows"] for found in compared for result in found.values())


def compare_reports(run: Conformance, logs: LogSet, theirs: Path, reduced: list[dict[str, Any]]) -> int:
    """Rows, and rejects by reason and in their order; the rows of all days."""
    listed = json.loads(run.run_agg("list", "--json", "--store", theirs / "store"))["days"]
    by_day = {day["day"]: day for day in listed}
    rows = 0
    for result in reduced:
        report = json.loads(result["out"])
        facts = by_day[report["day"]]
        for name in ("rows", "accepted", "rejected"):
            need(report[name] == facts[name], f"{logs.name} {report['day']}: {name}: {report} and {facts}")
        same = list(report["rejects"].items()) == list(facts["rejects"].items())
        need(same, f"{logs.name} {report['day']}: rejects: {report['rejects']} and {facts['rejects']}")
        rows += report["rows"]
    return rows


def compare_tops(theirs: Path, ours: Path) -> int:
    """Both files of tops, byte by byte; their size."""
    size = 0
    for kind in KINDS:
        name = f"top50_songs_per_{kind}.txt"
        version = json.loads((ours / "manifest.json").read_text()).get("folder", ".")
        expected, found = (theirs / name).read_bytes(), (ours / version / name).read_bytes()
        need(expected == found, f"{ours / version / name} differs from {theirs / name}")
        size += len(found)
    return size


def compare_manifests(theirs: Path, ours: Path) -> None:
    """Compares both manifests, digests apart."""
    documents = [json.loads((folder / "manifest.json").read_text()) for folder in (theirs, ours)]
    for document in documents:
        document.pop("folder", None)
        for entry in [*document["partials"], *document["files"]]:
            for digest in ("digest", "xxh3_64", "sha256", "xxh64"):
                entry.pop(digest, None)
    need(documents[0] == documents[1], f"manifests differ: {documents}")


# The road both ways


def roads(run: Conformance, session: Session, logs: LogSet, ours: Path) -> None:
    """Days of either program in one window of the other."""
    theirs, window = run.work / f"{logs.name}-agg", logs.windows[-1]
    days = list(logs.days)
    exported, imported = days[: len(days) // 2], days[len(days) // 2 :]
    begun = time.monotonic()
    # Half of the days reduced by the job, and the other half exported over days that it had reduced.
    mixed = run.work / "mixed-spark"
    shutil.copytree(ours / "store", mixed / "store")
    for day in exported:
        (mixed / "store" / "_days" / f"{day}.json").unlink()
    run.run_agg("export", "--store", theirs / "store", "--out", mixed / "store", *exported)
    results = session.run([emit_step(logs, window, mixed / "store", mixed / "out", "--single-file")])
    need(results[0]["code"] == 0, f"a window with exported days: {results[0]['error']}")
    size = compare_tops(theirs / "out" / window, mixed / "out" / window)
    compare_manifests(theirs / "out" / window, mixed / "out" / window)
    run.told(
        f"{len(exported)} exported days and {len(imported)} of the job, by the job", f"{size:,} bytes", begun
    )
    begun = time.monotonic()
    back = run.work / "mixed-agg"
    for day in exported:
        (back / "store" / "partials").mkdir(parents=True, exist_ok=True)
        name = Path("store") / "partials" / f"{day}.agg"
        shutil.copy2(theirs / name, back / name)
    for day in imported:
        run.run_agg("import", "--quiet", "--store", back / "store", "--date", day, ours / "store")
    emit_by_agg(run, logs, window, back)
    size = compare_tops(theirs / "out" / window, back / "out" / window)
    told = f"{len(imported)} imported days of the job and {len(exported)} of agg, by agg"
    run.told(told, f"{size:,} bytes", begun)


# Kills


def kills(run: Conformance, logs: LogSet, ours: Path) -> None:
    """Kills a worker amid a reduction and amid an emission, and the driver amid a reduction.

    Sessions and runs take turns at the cores: what the kills left is compared when all of them are done.
    """
    theirs, day, window = run.work / f"{logs.name}-agg", list(logs.days)[-1], logs.windows[-1]
    store, out, stood = (run.work / "killed" / name for name in ("store", "out", "stood"))
    shutil.copytree(ours / "store", store)
    # Pieces small enough that there is a middle.
    size = sum(path.stat().st_size for path in logs.days[day])
    small = {"spark__sql__files__maxPartitionBytes": str(max(1, size // PIECES))}
    cuts = {
        "spark__sql__shuffle__partitions": str(PIECES),
        "spark__sql__adaptive__coalescePartitions__enabled": "false",
    }
    reduce = reduce_step(logs, day, store)["run"]
    emit = emit_step(logs, window, store, out, "--single-file")["run"]
    begun = time.monotonic()
    record = store / "_days" / f"{day}.json"
    old = b""

    def begin() -> Submission:
        # An attempt that was over before it was killed has replaced the day.
        nonlocal old
        old = record.read_bytes()
        return run.cluster.job(*reduce, "--force", **small)

    amid(begin, Submission.kill, "a reduction")
    need(record.read_bytes() == old, f"{record} is not that of the old day")
    shutil.copytree(store, stood)
    report = json.loads(survive(run, lambda: run.cluster.job(*reduce, "--force", **small), "a reduction"))
    need(report["outcome"] == "replaced", f"the day was not made again: {report}")
    versions = [path.name for path in (store / f"day={day}").iterdir()]
    need(len(versions) == 1, f"what other runs wrote is still there: {versions}")
    with run.cluster.session() as session:
        for left in (stood, store):
            need_same_counts([day], session.run(compare_steps([day], theirs / "dataset", left)))
    run.told("the driver killed amid a reduction: the old day stands", day, begun)
    run.told("a worker killed amid a reduction", day, begun)
    begun = time.monotonic()
    survive(run, lambda: run.cluster.job(*emit, **small, **cuts), "an emission")
    size = compare_tops(theirs / "out" / window, out / window)
    run.told("a worker killed amid an emission", f"{size:,} bytes", begun)


def amid(start: Callable[[], Submission], kill: Callable[[Submission], None], what: str) -> Run:
    """Does something to a run while it works; a run that ended too soon is repeated."""
    for _ in range(ATTEMPTS):
        submission = start()
        met = submission.until_busy(PIECES // 4)
        if met:
            kill(submission)
        done = submission.wait()
        if met:
            return done
        need(done.code == 0, f"{what} failed by itself: {done.log[-3000:]}")
    raise Wrong(f"no moment amid {what} was met in {ATTEMPTS} runs")


def survive(run: Conformance, start: Callable[[], Submission], what: str) -> str:
    """Kills a worker while a run works; returns what the run printed when it was done all the same."""
    for _ in range(ATTEMPTS):
        done = amid(start, lambda _: run.cluster.kill_worker(), what)
        run.cluster.add_worker()
        run.cluster.await_workers()
        need(done.code == 0, f"{what} did not survive: {done.log[-3000:]}")
        # Unless its executor was lost, the run was over before the kill.
        if "Lost executor" in done.log:
            return done.out
    raise Wrong(f"{what} lost no executor in {ATTEMPTS} runs")


# The run


def package(work: Path) -> Path:
    """The job as one zip, for `--py-files`."""
    target = work / "agg_spark.zip"
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted((PACKAGE / "agg_spark").rglob("*.py")):
            archive.write(file, file.relative_to(PACKAGE))
    return target


def compare_all(run: Conformance, full: bool) -> None:
    """Every comparison, from the smallest data to the largest."""
    windows = ["2021-12-05", "2021-12-06", "2021-12-07"] if full else ["2021-12-07"]
    rows, days = (2_000_000, 7) if full else (40_000, 3)
    logs = generated(run.agg, run.work / "generated", rows, days)
    with run.cluster.session() as session:
        compare_set(run, session, samples(windows))
        compare_set(run, session, crafted(run.agg, run.work / "crafted", 200_000 if full else 20_000))
        ours = compare_set(run, session, logs)
        roads(run, session, logs, ours)
    kills(run, logs, ours)


def stop(number: int, _frame: object) -> None:
    """Turns a signal into an end that stops what was started."""
    raise SystemExit(128 + number)


def main() -> int:
    """Runs it all and prints what was compared."""
    parser = argparse.ArgumentParser(prog="conformance", description=__doc__)
    parser.add_argument("--full", action="store_true", help="seven days of 2 million rows")
    parser.add_argument("--agg", type=Path, required=True, help="the program to compare with")
    parser.add_argument("--work", type=Path, required=True, help="a folder for data and logs")
    asked = parser.parse_args()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, stop)
    asked.work.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix="conformance-", dir=asked.work.resolve()))
    done = False
    try:
        with Cluster(work, package(work), brief=not asked.full) as cluster:
            run = Conformance(asked.agg.resolve(), work, cluster)
            compare_all(run, asked.full)
            done = True
    except (Wrong, subprocess.CalledProcessError) as error:
        print(f"conformance: {error}\nlogs of this run: {work}/logs", file=sys.stderr)
    finally:
        if done:
            shutil.rmtree(work, ignore_errors=True)
    if not done:
        return 1
    print(f"\n{'compared':58} {'how much':>28} {'seconds':>8}")
    for line in run.table:
        print(f"{line.compared:58} {line.rows:>28} {line.seconds:8.1f}")
    print(f"{len(run.table)} comparisons, no difference")
    return 0


if __name__ == "__main__":
    sys.exit(main())
