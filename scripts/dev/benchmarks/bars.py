"""What `agg` promises of its speed, memory and size, each with the figure that was measured: met or missed.

A promise about time is about the median of pairs that ran in turn; one about memory is about the highest peak.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from benchmarks import cases, curves
from benchmarks.results import Results

MIB = 1 << 20
# What a compressed day may take over what cannot be avoided.
SLACK = 1.1
# Rows of a day and days of a window that the promises speak of.
PROMISED = (30_000_000, 7)


@dataclass(frozen=True)
class Bar:
    """A limit and the figure held against it; None if it is not measured."""

    group: str
    text: str
    figure: float | None
    limit: float
    unit: str
    at_least: bool = False

    @property
    def met(self) -> bool | None:
        if self.figure is None:
            return None
        return self.figure >= self.limit if self.at_least else self.figure <= self.limit


def all_bars(results: Results) -> list[Bar]:
    groups = (_reduction, _emission, _size, _growth, _skew, _compressed, _portable, _build, _equal)
    return [bar for group in groups for bar in group(results)]


def missed(results: Results) -> list[Bar]:
    return [bar for bar in all_bars(results) if bar.met is False]


def table(results: Results) -> str:
    size = f"Promised for {PROMISED[0]:,} rows and {PROMISED[1]} days"
    if (results.rows, results.days) != PROMISED:
        size += f"; these figures are of {results.rows:,} rows and {results.days} days and do not decide"
    lines = [f"{size}.", "", "| | promise | limit | measured | |", "| --- | --- | ---: | ---: | --- |"]
    for bar in all_bars(results):
        limit = f"{'≥' if bar.at_least else '≤'} {_number(bar.limit)} {bar.unit}".rstrip()
        figure = "–" if bar.figure is None else f"{_number(bar.figure)} {bar.unit}".rstrip()
        verdict = {None: "not measured", True: "met", False: "**missed**"}[bar.met]
        lines.append(f"| {bar.group} | {bar.text} | {limit} | {figure} | {verdict} |")
    return "\n".join(lines)


def _number(value: float) -> str:
    return f"{value:.2f}" if value < 10 else f"{value:.1f}" if value < 100 else f"{value:.0f}"


def _megabytes(size: float | None) -> float | None:
    return None if size is None else size / 1e6


def _over(value: float | None, other: float | None) -> float | None:
    return value / other if value is not None and other else None


def _reduction(results: Results) -> Iterator[Bar]:
    group = "reduce-day"
    for peer, label, times in (("duckdb", "DuckDB", 9), ("polars", "Polars", 7)):
        ratio = results.get(f"reduce/{peer}").ratio(peer, "agg")
        yield Bar(group, f"{label}'s time over agg's", ratio, times, "times", at_least=True)
    yield Bar(group, "peak memory", _megabytes(results.ours("reduce").peak("agg")), 300, "MB")
    little = results.get("little-memory")
    yield Bar(group, f"peak memory with --memory {cases.LITTLE}", _mebibytes(little.peak("little")), 128, "MiB")
    yield Bar(group, f"time with --memory {cases.LITTLE} over the usual", little.ratio("little", "usual"), 3, "times")


def _mebibytes(size: float | None) -> float | None:
    return None if size is None else size / MIB


def _emission(results: Results) -> Iterator[Bar]:
    group = "emit-window"
    ratio = results.get("emit/duckdb").ratio("duckdb", "agg")
    yield Bar(group, "DuckDB's time over agg's", ratio, 40, "times", at_least=True)
    yield Bar(group, f"peak memory, {results.days} days", _megabytes(results.ours("emit").peak("agg")), 100, "MB")
    yield Bar(group, "peak memory, 60 days", _megabytes(results.get("days/60").peak("agg")), 100, "MB")


def _size(results: Results) -> Iterator[Bar]:
    outcome = results.get("reduce/duckdb")
    share = _over(outcome.output("agg"), outcome.output("duckdb"))
    yield Bar("partial", "share of DuckDB's zstd Parquet", None if share is None else share * 100, 50, "%")


def _growth(results: Results) -> Iterator[Bar]:
    base = results.ours("reduce").wall("agg")
    large = results.get("large")
    for memory, times in zip(curves.LARGE_MEMORIES, (3.7, 5.0), strict=True):
        ratio = _over(large.wall(memory), base)
        yield Bar("growth", f"{curves.LARGE:.1f} times the rows, --memory {memory}", ratio, times, "times")
    window = results.get("days/30").ratio("agg", "base")
    yield Bar("growth", f"a window of 30 days over one of {results.days}", window, 5, "times")


def _skew(results: Results) -> Iterator[Bar]:
    peaks = []
    for shape, times in {**cases.SHAPES, "stdin": 1.5}.items():
        outcome = results.get(f"skew/{shape}")
        yield Bar(
            "skew", f"{shape}: time a row over the normal day's", outcome.ratio("skewed", "normal"), times, "times"
        )
        peaks += [outcome.peak("skewed"), outcome.peak("emit")]
    highest = max((peak for peak in peaks if peak is not None), default=None)
    yield Bar("skew", "highest peak memory of all these", _mebibytes(highest), 512, "MiB")


def _compressed(results: Results) -> Iterator[Bar]:
    """gzip: reading and counting overlap, so a day takes its decompression and at most half of a plain day.

    zstd: decompression is shared by both threads, so a day takes the plain day and half of its decompression.
    """
    floors: dict[str, tuple[str, Callable[[float, float], float]]] = {
        "gz": ("decompression alone + half of a plain day", lambda plain, alone: alone + plain / 2),
        "zst": ("a plain day + half of the decompression alone", lambda plain, alone: plain + alone / 2),
        "zst-files": ("a plain day + half of the decompression alone", lambda plain, alone: plain + alone / 2),
    }
    for form, (text, floor) in floors.items():
        outcome = results.get(f"compressed/{form}")
        plain, alone = outcome.wall("plain"), cases.decompression(outcome)
        least = floor(plain, alone) if plain is not None and alone is not None else None
        yield Bar("compressed", f"{form}: time over {text}", _over(outcome.wall("compressed"), least), SLACK, "times")


def _portable(results: Results) -> Iterator[Bar]:
    ratio = results.get("portable").ratio("portable", "usual")
    yield Bar("portable path", "time over the usual", ratio, 2, "times")


def _build(results: Results) -> Iterator[Bar]:
    start = results.get("start").wall("agg")
    yield Bar("program", "start of agg --version", None if start is None else start * 1000, 5, "ms")
    yield Bar("program", "release build of a fresh clone", results.get("build").wall("cargo"), 180, "s")


def _equal(results: Results) -> Iterator[Bar]:
    facts = [value for outcome in results.points.values() for name, value in outcome.facts.items() if "equal" in name]
    differing = float(sum(str(value).startswith("no") for value in facts)) if facts else None
    yield Bar("answers", f"comparisons that differ, of {len(facts)}", differing, 0, "")
