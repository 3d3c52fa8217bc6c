"""What was measured, on disk and in memory, and the figures drawn from it: medians, pairs, sizes.

`results.json`: `rows` and `days` of the base days, and for each point its *series* (a name to the runs made under it,
in order), *facts* (numbers and texts about the data), the build that was measured and the state of the machine.
"""

import json
import statistics
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.measure import Run
from benchmarks.workspace import Unusable, write_atomically

Fact = float | str | bool


@dataclass
class Outcome:
    """The figures of one point."""

    series: dict[str, list[Run]] = field(default_factory=dict)
    facts: dict[str, Fact] = field(default_factory=dict)
    build: dict[str, str] = field(default_factory=dict)
    machine: dict[str, Fact] = field(default_factory=dict)

    def add(self, name: str, run: Run) -> None:
        self.series.setdefault(name, []).append(run)

    def good(self, name: str) -> list[Run]:
        """The runs of a series that ended well."""
        return [run for run in self.series.get(name, []) if run.failure is None]

    def failure(self, name: str) -> str | None:
        return next((run.failure for run in self.series.get(name, []) if run.failure), None)

    def median(self, name: str, value: Callable[[Run], float]) -> float | None:
        runs = self.good(name)
        return statistics.median(map(value, runs)) if runs else None

    def wall(self, name: str) -> float | None:
        return self.median(name, lambda run: run.wall)

    def cpu(self, name: str) -> float | None:
        return self.median(name, lambda run: run.cpu)

    def output(self, name: str) -> float | None:
        return self.median(name, lambda run: run.output)

    def peak(self, name: str) -> int | None:
        """The highest peak, not the median: a promise about memory holds for every run."""
        return max((run.peak for run in self.good(name)), default=None)

    def ratios(self, name: str, to: str) -> list[float]:
        """How many times as long `name` took as `to`, pair by pair."""
        pairs = zip(self.series.get(name, []), self.series.get(to, []), strict=False)
        return [one.wall / other.wall for one, other in pairs if not one.failure and not other.failure]

    def ratio(self, name: str, to: str) -> float | None:
        ratios = self.ratios(name, to)
        return statistics.median(ratios) if ratios else None


@dataclass
class Results:
    """All points that are measured. Saved after each of them."""

    path: Path
    rows: int
    days: int
    points: dict[str, Outcome] = field(default_factory=dict)

    @classmethod
    def load(cls, path: Path, rows: int, days: int) -> "Results":
        """The figures that are there, which must be of days of this size."""
        if not path.exists():
            return cls(path, rows, days)
        results = cls.read(path)
        if (results.rows, results.days) != (rows, days):
            raise Unusable(
                f"{path} has figures of {results.days} days of {results.rows} rows: give these with --rows and "
                "--days, or another folder with --work"
            )
        return results

    @classmethod
    def read(cls, path: Path) -> "Results":
        document = json.loads(path.read_text())
        points = {name: _outcome(point) for name, point in document["points"].items()}
        return cls(path, document["rows"], document["days"], points)

    def save(self) -> None:
        points = {name: asdict(outcome) for name, outcome in sorted(self.points.items())}
        write_atomically(self.path, {"rows": self.rows, "days": self.days, "points": points})

    def get(self, name: str) -> Outcome:
        """A point, empty if it is not measured."""
        return self.points.get(name, Outcome())

    def ours(self, job: str) -> Outcome:
        """The runs of `agg` on the base days, against whichever peer: `job` is `reduce` or `emit`.

        Only of the build that DuckDB was compared with, because runs of several builds cannot be combined.
        """
        pairs = [outcome for name, outcome in self.points.items() if name.startswith(f"{job}/")]
        build = self.get(f"{job}/duckdb").build
        pairs = [outcome for outcome in pairs if not build or outcome.build == build]
        runs = [run for outcome in pairs for run in outcome.series.get("agg", [])]
        facts = next((outcome.facts for outcome in pairs if "log bytes" in outcome.facts), {})
        return Outcome({"agg": runs} if runs else {}, facts)

    def of(self, job: str, name: str) -> Outcome:
        """What a program cost on the base days."""
        return self.ours(job) if name == "agg" else self.get(f"{job}/{name}")

    def builds(self) -> set[str]:
        return {outcome.build["digest"] for outcome in self.points.values()}


def _outcome(point: dict[str, Any]) -> Outcome:
    series = {name: [Run(**run) for run in runs] for name, runs in point["series"].items()}
    return Outcome(series, point["facts"], point["build"], point["machine"])
