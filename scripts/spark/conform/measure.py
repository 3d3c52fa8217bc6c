"""Measures `agg` against the job on the same generated days and cores: time, processor time, memory.

    ../../target/spark/venv/bin/python -m conform.measure --agg ../../target/release/agg --work /tmp

Both run one after the other, `agg` with two threads, the job on the cluster of two cores; processor time and
memory of the job are those of its driver and executors, as the kernel counts them. Prints a table in Markdown
and the slopes that docs/spark.md calculates with.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from conform.__main__ import compare_tops, need, package
from conform.cluster import Cluster, Submission, members
from conform.data import generated

TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Figures:
    """The cost of a run."""

    seconds: float
    processor: float
    memory_mib: float


def measure_agg(*command: str | Path) -> Figures:
    """Runs `agg` and takes its cost from the kernel."""
    begun = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    need(status == 0, f"{command}: {status}")
    return Figures(time.monotonic() - begun, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


class Watch(threading.Thread):
    """Polls the processes of a run until it ends, because an executor ends before its driver."""

    def __init__(self, cluster: Cluster, submission: Submission) -> None:
        """Watches a run and the executors of the workers."""
        super().__init__(daemon=True)
        self._sessions = [submission.process, *cluster.workers]
        self._daemons = {process.pid for process in cluster.workers}
        self._run = submission.process
        self._seen: dict[int, tuple[float, float]] = {}

    def run(self) -> None:
        """Keeps the last figures of each process."""
        while self._run.poll() is None:
            for process in self._sessions:
                for member in members(process):
                    figures = _of_process(member)
                    if figures and member not in self._daemons:
                        self._seen[member] = figures
            time.sleep(0.2)

    def figures(self, seconds: float) -> Figures:
        """Of all processes together; their peaks as if at one time."""
        self.join()
        processor, memory = (sum(values) for values in zip(*self._seen.values(), strict=True))
        return Figures(seconds, processor, memory)


def _of_process(process: int) -> tuple[float, float] | None:
    """Processor seconds and peak memory in MiB of a process that runs."""
    try:
        stat = Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()
        status = Path(f"/proc/{process}/status").read_text()
        peak = next(line for line in status.splitlines() if line.startswith("VmHWM"))
    except (OSError, StopIteration, IndexError):
        return None
    return ((int(stat[11]) + int(stat[12])) / TICKS, int(peak.split()[1]) / 1024)


def measure_job(cluster: Cluster, *arguments: str) -> Figures:
    """Runs a command of the job."""
    submission = cluster.job(*arguments)
    watch = Watch(cluster, submission)
    watch.start()
    done = submission.wait(3600)
    need(done.code == 0, done.log[-3000:])
    return watch.figures(done.seconds)


def measure(agg: Path, cluster: Cluster, work: Path, rows: int) -> dict[str, tuple[Figures, Figures]]:
    """A day reduced and its window of one day emitted, by both; the tops must agree."""
    home = work / str(rows)
    log = next(iter(generated(agg, home / "logs", rows, 1).days.values()))[0]
    day = "2021-12-01"
    two: list[str | Path] = ["--threads", "2", "--quiet", "--store", home / "agg"]
    store = ["--store", str(home / "spark")]
    emit = ["emit-window", "--date", day, "--days", "1", "--out"]
    figures = {
        "reduce-day": (
            measure_agg(agg, "reduce-day", *two, log),
            measure_job(cluster, "reduce-day", *store, str(log)),
        ),
        "emit-window": (
            measure_agg(agg, *emit, home / "agg-out", *two),
            measure_job(cluster, *emit, str(home / "spark-out"), "--single-file", *store),
        ),
    }
    compare_tops(home / "agg-out" / day, home / "spark-out" / day)
    shutil.rmtree(home)
    return figures


def main() -> int:
    """Measures two sizes and prints them."""
    parser = argparse.ArgumentParser(prog="measure", description=__doc__)
    parser.add_argument("--agg", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--rows", type=int, nargs=2, default=[2_000_000, 10_000_000])
    asked = parser.parse_args()
    asked.work.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix="measure-", dir=asked.work.resolve()))
    try:
        with Cluster(work, package(work)) as cluster:
            found = {rows: measure(asked.agg.resolve(), cluster, work, rows) for rows in asked.rows}
    finally:
        shutil.rmtree(work, ignore_errors=True)
    print("| job | rows | program | time | processor | peak memory |")
    print("| --- | ---: | --- | ---: | ---: | ---: |")
    for rows, jobs in found.items():
        for job, both in jobs.items():
            for program, one in zip(("agg", "Spark"), both, strict=True):
                told = f"{one.seconds:.1f} s | {one.processor:.1f} s | {one.memory_mib:,.0f} MiB"
                print(f"| {job} | {rows:,} | {program} | {told} |")
    small, large = asked.rows
    for job in found[small]:
        for place, program in enumerate(("agg", "Spark")):
            more = found[large][job][place].processor - found[small][job][place].processor
            slope = more / (large - small) * 1e6
            fixed = found[small][job][place].processor - slope * small / 1e6
            print(
                f"{job}, {program}: {slope:.2f} processor seconds a million rows, and {fixed:.1f} in any case"
            )
    return 0


if __name__ == "__main__":
    sys.exit(main())
