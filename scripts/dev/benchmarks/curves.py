"""How cost grows: with rows, days in the window, threads, memory. Each value once; the base value is that of the pairs.

Sizes are parts of the base day (30 million rows unless asked otherwise), so that a small benchmark has the same curves.
"""

import shutil

from benchmarks import programs
from benchmarks.bench import Bench
from benchmarks.programs import UNLIMITED
from benchmarks.results import Outcome

# Of the base day's rows: 1, 3 and 10 million of 30 million.
PARTS = (1 / 30, 1 / 10, 1 / 3)
# 100 million of 30 million.
LARGE = 10 / 3
LARGE_MEMORIES = ("2GiB", "512MiB")
WINDOWS = (30, 60)
MEMORIES = (64, 128, 256, 512, 1024)


def rows_of(base: int, part: float) -> int:
    return round(base * part)


def rows(bench: Bench, part: float) -> Outcome:
    """A smaller day to counts, by every program without a limit."""
    space, scratch = bench.space, bench.space.scratch()
    count = rows_of(space.rows, part)
    log = space.generate(scratch / "logs", 0, count)
    peers = [programs.peer_reduce(space, scratch, peer, log) for peer in UNLIMITED]
    outcome = bench.in_turn([programs.agg_reduce(space, scratch, [log]), *peers], rounds=1)
    outcome.facts = {"rows": count, "log bytes": log.stat().st_size}
    return outcome


def large(bench: Bench) -> Outcome:
    """A larger day, by `agg` with two memories."""
    space, scratch = bench.space, bench.space.scratch()
    count = rows_of(space.rows, LARGE)
    log = space.generate(scratch / "logs", 0, count)
    jobs = [programs.agg_reduce(space, scratch, [log], name=memory, memory=memory) for memory in LARGE_MEMORIES]
    outcome = bench.in_turn(jobs, rounds=2)
    outcome.facts = {"rows": count, "log bytes": log.stat().st_size}
    return outcome


def one_day(bench: Bench) -> Outcome:
    """A window of one day, by every program without a limit."""
    space = bench.space
    store = space.store(1)
    tables = {peer.name: bench.tables(peer) for peer in UNLIMITED}
    scratch = space.scratch()
    peers = [programs.peer_emit(space, scratch, peer, tables[peer.name], 1) for peer in UNLIMITED]
    outcome = bench.in_turn([programs.agg_emit(space, scratch, store, 1), *peers], rounds=1)
    outcome.facts = {"days": 1}
    return outcome


def window(bench: Bench, days: int) -> Outcome:
    """A longer window, by `agg`, in turn with the base window."""
    space = bench.space
    store, scratch = space.store(days), space.scratch()
    jobs = [
        programs.agg_emit(space, scratch, store, space.days, name="base"),
        programs.agg_emit(space, scratch, store, days),
    ]
    outcome = Outcome()
    for job in jobs:
        outcome.add(job.name, bench.run(job))
        shutil.rmtree(job.folder)  # two of these emissions at once would take too much disk
    stored = sum(path.stat().st_size for path in jobs[1].inputs)
    outcome.facts = {"days": days, "base days": space.days, "store bytes": stored}
    return outcome


def one_thread_reduce(bench: Bench) -> Outcome:
    """The base day to counts by one thread."""
    space, scratch, log = bench.space, bench.space.scratch(), bench.space.log(0)
    peers = [programs.peer_reduce(space, scratch, peer, log, threads=1) for peer in UNLIMITED]
    return bench.in_turn([programs.agg_reduce(space, scratch, [log], threads=1), *peers], rounds=1)


def one_thread_emit(bench: Bench) -> Outcome:
    """The base window by one thread."""
    space = bench.space
    store = space.store(space.days)
    tables = {peer.name: bench.tables(peer) for peer in UNLIMITED}
    scratch = space.scratch()
    outcome = Outcome()
    jobs = [programs.peer_emit(space, scratch, peer, tables[peer.name], space.days, threads=1) for peer in UNLIMITED]
    for job in (programs.agg_emit(space, scratch, store, space.days, threads=1), *jobs):
        outcome.add(job.name, bench.run(job))
        shutil.rmtree(job.folder)
    return outcome


def memory(bench: Bench, mebibytes: int) -> Outcome:
    """The base day and the base window by `agg` in less and in more memory than usual."""
    space = bench.space
    log, store, scratch = space.log(0), space.store(space.days), space.scratch()
    size = f"{mebibytes}MiB"
    jobs = [
        programs.agg_reduce(space, scratch, [log], name="reduce", memory=size),
        programs.agg_emit(space, scratch, store, space.days, name="emit", memory=size),
    ]
    outcome = bench.in_turn(jobs, rounds=1)
    outcome.facts = {"memory bytes": mebibytes << 20}
    return outcome
