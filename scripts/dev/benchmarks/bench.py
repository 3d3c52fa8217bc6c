"""Runs jobs on a workspace, each from the same state, and keeps what they cost."""

import filecmp
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks import machine, programs
from benchmarks.measure import Run, measure
from benchmarks.programs import Job, Peer
from benchmarks.results import Outcome
from benchmarks.workspace import Unusable, Workspace, day


@dataclass(frozen=True)
class Bench:
    """A workspace and how to measure on it: rounds of pairs, seconds a run may take, the priority of a run."""

    space: Workspace
    rounds: int
    limit: float
    nice: int
    log: Callable[[str], None]

    def run(self, job: Job) -> Run:
        """One measured run, on a warm machine. A program that ends well without its outputs has failed too."""
        self.empty(job)
        machine.warm(job.inputs, self.nice)
        run = measure(job.command, limit=self.limit, nice=self.nice, environment=job.environment, feed=job.feed)
        if run.failure is None:
            lacking = [path.name for path in job.outputs.values() if not path.exists()]
            if lacking:
                run = replace(run, failure=f"no {', '.join(lacking)}")
            else:
                run = replace(run, output=sum(path.stat().st_size for path in job.outputs.values()))
        self.log(f"    {job.name}: " + (run.failure or f"{run.wall:.2f} s, {run.peak / 2**20:.0f} MiB"))
        return run

    def need(self, job: Job) -> Run:
        """A run that what follows depends on."""
        run = self.run(job)
        if run.failure:
            raise Unusable(f"{job.name}: {run.failure}: {' '.join(map(str, job.command))}")
        return run

    @staticmethod
    def empty(job: Job) -> None:
        """What a run finds: nothing of an earlier one."""
        shutil.rmtree(job.folder, ignore_errors=True)
        for folder in (job.folder, *job.makes):
            folder.mkdir(parents=True)

    def in_turn(
        self, jobs: Sequence[Job], rounds: int | None = None, after_first: Callable[[], None] | None = None
    ) -> Outcome:
        """Runs the jobs A B A B … A job that failed is not run again; its failure is its row."""
        outcome = Outcome()
        for number in range(self.rounds if rounds is None else rounds):
            for job in jobs:
                if outcome.failure(job.name) is None:
                    outcome.add(job.name, self.run(job))
            if number == 0 and after_first:
                after_first()
        for job in jobs:
            shutil.rmtree(job.folder, ignore_errors=True)
        return outcome

    def tables(self, peer: Peer) -> Path:
        """The counts of the base days as the peer keeps them, made by the peer where they are not there yet."""
        space = self.space
        tables = space.work / "tables" / peer.name
        for index in range(space.days):
            name = f"listen-{day(index):%Y%m%d}"
            kept = {kind: tables / f"{name}-{kind}.parquet" for kind in programs.KINDS}
            if not all(path.exists() for path in kept.values()):
                job = programs.peer_reduce(space, space.scratch(), peer, space.log(index))
                self.need(job)
                tables.mkdir(parents=True, exist_ok=True)
                for kind, path in kept.items():
                    job.outputs[kind].replace(path)
        return tables


def equal(ours: Mapping[str, Path], theirs: Mapping[str, Path]) -> str:
    """`yes`, or which outputs differ, by a comparison of every byte."""
    differ = [
        kind for kind, path in theirs.items() if not path.exists() or not filecmp.cmp(ours[kind], path, shallow=False)
    ]
    return f"no: {', '.join(differ)}" if differ else "yes"
