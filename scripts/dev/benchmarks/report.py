"""Markdown tables of what was measured."""

import statistics
from collections.abc import Iterable

from benchmarks import bars, cases, curves
from benchmarks.programs import LABELS, PEERS
from benchmarks.results import Outcome, Results

MIB = 1 << 20
NO_FIGURE = "–"
# Idle before a point, from 0 to 1, above which times are the machine's own.
QUIET = 0.9


def everything(results: Results) -> str:
    parts = (machine, reduction, emission, growth, skew, compressed, others, answers, bars.table)
    return "\n\n".join(part(results) for part in parts)


def disagreements(results: Results) -> list[str]:
    """Points at which two programs gave different answers."""
    return [
        name
        for name, outcome in results.points.items()
        if any("equal" in fact and str(value).startswith("no:") for fact, value in outcome.facts.items())
    ]


# Cells


def _seconds(value: float | None) -> str:
    if value is None:
        return NO_FIGURE
    return f"{value:.2f} s" if value < 100 else f"{value:.0f} s"


def _megabytes(value: float | None) -> str:
    return NO_FIGURE if value is None else f"{value / 1e6:,.0f} MB" if value >= 1e7 else f"{value / 1e6:.1f} MB"


def _mebibytes(value: float | None) -> str:
    return NO_FIGURE if value is None else f"{value / MIB:,.0f} MiB"


def _times(ratios: list[float]) -> str:
    """The median, and the pairs it comes from."""
    if not ratios:
        return NO_FIGURE
    middle = statistics.median(ratios)
    pairs = ", ".join(f"{ratio:.1f}" for ratio in ratios)
    return f"{middle:.1f} ({pairs})" if len(ratios) > 1 else f"{middle:.1f}"


def _table(head: str, rows: Iterable[str]) -> str:
    columns = head.count("|") - 1
    return "\n".join([head, "|" + " --- |" * 1 + " ---: |" * (columns - 1), *rows])


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def _costs(outcome: Outcome, name: str) -> list[str]:
    """Time, processor time, peak memory, bytes given to the file system, bytes of the result; or the failure."""
    failure = outcome.failure(name)
    if failure:
        return [f"failed: {_plain(failure)}", *[NO_FIGURE] * 4]
    return [
        _seconds(outcome.wall(name)),
        _seconds(outcome.cpu(name)),
        _mebibytes(outcome.peak(name)),
        _megabytes(outcome.median(name, lambda run: run.written)),
        _megabytes(outcome.output(name)),
    ]


def _plain(text: str) -> str:
    """An error of a peer, fit for a cell."""
    return text.replace("|", "/").replace("<", "(").replace(">", ")")[:110]


# Tables


def machine(results: Results) -> str:
    """Where and when the figures come from."""
    outcomes = list(results.points.values())
    if not outcomes:
        return "Nothing is measured yet."
    facts = outcomes[-1].machine
    idle = [float(outcome.machine["idle before"]) for outcome in outcomes]
    builds = sorted({f"{outcome.build['version']} ({outcome.build['digest']})" for outcome in outcomes})
    size = results.ours("reduce").facts.get("log bytes")
    day = f"`agg generate --rows {results.rows}`" + (f", {_megabytes(float(size))}" if size else "")
    mean = statistics.mean(idle)
    state = f"warm; {mean:.0%} idle before a point on average, {min(idle):.0%} at least"
    if mean < QUIET:
        state += "; **others were at work: compare ratios and processor time, not times**"
    rows = [
        _row("processor", str(facts["processor"])),
        _row("memory, system", f"{facts['memory']}, {facts['system']}"),
        _row("state", state),
        _row("builds", "; ".join(builds)),
        _row("peers", ", ".join(f"{name} {facts[name]}" for name in ("DuckDB", "Polars", "chdb"))),
        _row("a day", day),
    ]
    return "\n".join(["| | |", "| --- | --- |", *rows])


def reduction(results: Results) -> str:
    return _compared(results, "reduce", f"one day of {results.rows:,} rows to its counts")


def emission(results: Results) -> str:
    return _compared(results, "emit", f"the tops of {results.days} such days")


def _compared(results: Results, job: str, title: str) -> str:
    head = f"| {title} | time | processor | peak memory | written | result | times as long as agg |"
    rows = []
    ours = results.ours(job)
    if ours.good("agg"):
        rows.append(_row("**agg**", *_costs(ours, "agg"), ""))
    for name in (*PEERS, "mawk"):
        outcome = results.get(f"{job}/{name}")
        if outcome.series.get(name):
            rows.append(_row(LABELS[name], *_costs(outcome, name), _times(outcome.ratios(name, "agg"))))
    return _table(head, rows)


def summary(results: Results) -> str:
    """The comparison in short."""
    day_title = f"one day of {results.rows:,} rows to its counts"
    head = f"| | {day_title} | peak memory | kept | the tops of {results.days} such days | peak memory |"
    rows = []
    for name in ("agg", *PEERS):
        day, window = results.of("reduce", name), results.of("emit", name)
        if day.series.get(name):
            time, _, peak, _, kept = _costs(day, name)
            emission = _costs(window, name) if window.series.get(name) else [NO_FIGURE] * 5
            label = f"**{LABELS[name]}**" if name == "agg" else LABELS[name]
            rows.append(
                _row(
                    label,
                    time + _in_brackets(day, name),
                    peak,
                    kept,
                    emission[0] + _in_brackets(window, name),
                    emission[2],
                )
            )
    return _table(head, rows)


def _in_brackets(outcome: Outcome, name: str) -> str:
    """How many times as long as ours a peer took."""
    ratios = outcome.ratios(name, "agg") if name != "agg" else []
    return f" ({statistics.median(ratios):.1f} times)" if ratios else ""


def growth(results: Results) -> str:
    """The curves as numbers: what the charts show."""
    head = "| what grows | value | time | processor | peak memory | result |"
    rows = []
    for name, series, label, value in _grown(results):
        outcome = results.ours(name) if name in ("reduce", "emit") else results.get(name)
        if outcome.series.get(series):
            time, cpu, peak, _, output = _costs(outcome, series)
            rows.append(_row(label, value, time, cpu, peak, output))
    return _table(head, rows)


def _grown(results: Results) -> Iterable[tuple[str, str, str, str]]:
    """Point, series, what grows, its value."""
    for part in curves.PARTS:
        yield f"rows/{round(30 * part)}", "agg", "rows of a day", f"{curves.rows_of(results.rows, part):,}"
    yield "reduce", "agg", "rows of a day", f"{results.rows:,}"
    for memory in curves.LARGE_MEMORIES:
        yield "large", memory, f"rows of a day, --memory {memory}", f"{curves.rows_of(results.rows, curves.LARGE):,}"
    yield "days/1", "agg", "days of a window", "1"
    yield "emit", "agg", "days of a window", f"{results.days}"
    for days in curves.WINDOWS:
        yield f"days/{days}", "agg", "days of a window", f"{days}"
    yield "threads/reduce", "agg", "threads, one day", "1"
    yield "reduce", "agg", "threads, one day", "2"
    yield "threads/emit", "agg", "threads, a window", "1"
    yield "emit", "agg", "threads, a window", "2"
    for size in curves.MEMORIES:
        yield f"memory/{size}", "reduce", "`--memory`, one day", f"{size} MiB"
    for size in curves.MEMORIES:
        yield f"memory/{size}", "emit", "`--memory`, a window", f"{size} MiB"


def skew(results: Results) -> str:
    head = "| shape | time | times the normal day | peak memory | partial | emission | its peak memory |"
    rows = []
    for shape in (*cases.SHAPES, "stdin"):
        outcome = results.get(f"skew/{shape}")
        if outcome.series.get("skewed"):
            time, _, peak, _, partial = _costs(outcome, "skewed")
            ratios = _times(outcome.ratios("skewed", "normal"))
            emission = [_seconds(outcome.wall("emit")), _mebibytes(outcome.peak("emit"))]
            rows.append(_row(shape, time, ratios, peak, partial, *emission))
    return _table(head, rows)


def compressed(results: Results) -> str:
    head = "| a day as | size | time | decompression alone | plain day | peak memory |"
    labels = {"gz": "one .gz", "zst": f"one .zst of {cases.PIECES} frames", "zst-files": f"{cases.PIECES} .zst"}
    rows = []
    for form, label in labels.items():
        outcome = results.get(f"compressed/{form}")
        if outcome.series:
            size = _megabytes(float(outcome.facts["compressed bytes"]))
            alone, plain = cases.decompression(outcome), outcome.wall("plain")
            times = [_seconds(time) for time in (outcome.wall("compressed"), alone, plain)]
            rows.append(_row(label, size, *times, _mebibytes(outcome.peak("compressed"))))
    return _table(head, rows)


def others(results: Results) -> str:
    head = "| case | time | usual | times as long | peak memory |"
    rows = []
    for point, label in (("little", f"--memory {cases.LITTLE}"), ("portable", f"{cases.PORTABLE}=off")):
        outcome = results.get("little-memory" if point == "little" else point)
        if outcome.series.get(point):
            times = [
                _seconds(outcome.wall(point)),
                _seconds(outcome.wall("usual")),
                _times(outcome.ratios(point, "usual")),
            ]
            rows.append(_row(label, *times, _mebibytes(outcome.peak(point))))
    start = results.get("start").wall("agg")
    if start is not None:
        rows.append(_row(f"agg --version, median of {cases.STARTS}", f"{start * 1000:.1f} ms", "", "", ""))
    build = results.get("build").wall("cargo")
    if build is not None:
        rows.append(_row("release build of a fresh clone", _seconds(build), "", "", ""))
    return _table(head, rows)


def answers(results: Results) -> str:
    """Which outputs were compared, and how that ended."""
    lines = []
    for name, outcome in results.points.items():
        for fact, value in outcome.facts.items():
            if "equal" in fact:
                what = fact.removesuffix("equal").strip()
                lines.append(f"- {name}{f', {what}' if what else ''}: equal byte for byte: {value}")
    return "\n".join(lines)
