"""The plan: every point, the most important first, with what it needs of the workspace.

What no point that is still to come needs is dropped, so the disk holds the least: logs go once they are reduced.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from benchmarks import agree, cases, curves, pairs
from benchmarks.bench import Bench
from benchmarks.programs import PEERS, UNLIMITED, has_mawk
from benchmarks.results import Outcome

LOGS, STORE = "logs", "store"


@dataclass(frozen=True)
class Point:
    """Something to measure. `needs` are folders of the workspace; `asked` points run only when named."""

    name: str
    measure: Callable[[Bench], Outcome]
    needs: frozenset[str] = frozenset()
    asked: bool = False


def plan() -> list[Point]:
    """All points, in the order in which they are measured."""
    mawk = [Point("reduce/mawk", pairs.mawk, frozenset({LOGS, STORE}))] if has_mawk() else []
    return [
        Point("agree", agree.small_week),
        *_pair("duckdb"),
        *_pair("polars"),
        *_pair("clickhouse"),
        *mawk,
        *_pair("duckdb-1gb"),
        *_cases(),
        *_curves(),
        *_pair("clickhouse-1gb", rounds=1),
        Point("threads/emit", curves.one_thread_emit, frozenset({LOGS, STORE, *_tables()})),
        Point("build", cases.release_build, asked=True),
    ]


def _tables() -> list[str]:
    return [f"tables/{peer.name}" for peer in UNLIMITED]


def _pair(name: str, rounds: int | None = None) -> list[Point]:
    """Both jobs of a peer; `rounds` where those of the benchmark would take too long."""
    peer = PEERS[name]
    emission = frozenset({LOGS, STORE, f"tables/{peer.emits_from}"})
    return [
        Point(f"reduce/{name}", partial(pairs.reduce, peer=peer, rounds=rounds), frozenset({LOGS})),
        Point(f"emit/{name}", partial(pairs.emit, peer=peer, rounds=rounds), emission),
    ]


def _cases() -> list[Point]:
    logs = frozenset({LOGS})
    return [
        Point("start", cases.start),
        Point("little-memory", cases.little_memory, logs),
        Point("large", curves.large),
        Point("portable", cases.portable, logs),
        *(Point(f"skew/{shape}", partial(cases.skew, shape=shape), logs) for shape in cases.SHAPES),
        Point("skew/stdin", cases.standard_input, logs),
        *(
            Point(f"compressed/{form}", partial(cases.compressed, form=form), logs)
            for form in ("gz", "zst", "zst-files")
        ),
    ]


def _curves() -> list[Point]:
    both = frozenset({LOGS, STORE})
    sizes = [Point(f"rows/{round(30 * part)}", partial(curves.rows, part=part)) for part in curves.PARTS]
    memories = [Point(f"memory/{size}", partial(curves.memory, mebibytes=size), both) for size in curves.MEMORIES]
    return [
        *sizes,
        Point("days/30", partial(curves.window, days=30), both),
        Point("days/1", curves.one_day, frozenset({*both, *_tables()})),
        *memories,
        Point("threads/reduce", curves.one_thread_reduce, frozenset({LOGS})),
        Point("days/60", partial(curves.window, days=60), both),
    ]
