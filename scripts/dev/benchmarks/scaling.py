"""Plans for larger services from the measured slopes. docs/performance.md has the formulas; these are its numbers.

Nothing here is measured at these sizes: a straight line is drawn through what was.
"""

from dataclasses import dataclass

from benchmarks import curves
from benchmarks.results import Results

PLANS = (10**9, 10**10, 10**11)
# Bytes a second: a SATA disk, an NVMe disk.
DISKS = {"0.5 GB/s": 0.5e9, "3 GB/s": 3e9}
KEPT_DAYS = 35
NOT_MEASURED = "Not measured yet: points of `reduce/*` and `emit/*` and `large` are needed, on a quiet machine."


@dataclass(frozen=True)
class Slopes:
    """What a row costs. Bytes and seconds; of processor time, the sum over threads."""

    log_bytes: float
    partial_bytes: float
    reduce_cpu: float
    reduce_wall: float
    emit_cpu: float
    emit_wall: float
    emitted_bytes: float
    fixed_wall: float
    days: int


def slopes(results: Results) -> Slopes | None:
    """From the base day, the large day and the base window, if all are measured; emission for a row of its days."""
    base, large, emission = results.ours("reduce"), results.get("large"), results.ours("emit")
    memory = curves.LARGE_MEMORIES[0]
    figures = [base.wall("agg"), base.cpu("agg"), base.output("agg"), large.wall(memory), large.cpu(memory)]
    emitted = [emission.wall("agg"), emission.cpu("agg"), emission.output("agg")]
    if any(figure is None for figure in figures + emitted):
        return None
    wall, cpu, partial, large_wall, large_cpu = (float(figure or 0) for figure in figures)
    emit_wall, emit_cpu, emit_bytes = (float(figure or 0) for figure in emitted)
    more = float(large.facts["rows"]) - results.rows
    window = results.rows * results.days
    slope = (large_wall - wall) / more
    if slope <= 0:  # on so busy a machine no line can be drawn
        return None
    return Slopes(
        log_bytes=float(base.facts["log bytes"]) / results.rows,
        partial_bytes=partial / results.rows,
        reduce_cpu=(large_cpu - cpu) / more,
        reduce_wall=slope,
        emit_cpu=emit_cpu / window,
        emit_wall=emit_wall / window,
        emitted_bytes=emit_bytes / window,
        fixed_wall=wall - slope * results.rows,
        days=results.days,
    )


def measured(results: Results) -> str:
    """The slopes, with where each comes from."""
    found = slopes(results)
    if found is None:
        return NOT_MEASURED
    large = f"{curves.rows_of(results.rows, curves.LARGE):,}"
    window = f"window of {found.days} base days, for a row of each"
    rows = [
        ("log", f"{found.log_bytes:.1f} MB", f"base day of {results.rows:,} rows"),
        ("partial", f"{found.partial_bytes:.2f} MB", "base day"),
        ("reduce, processor", _milliseconds(found.reduce_cpu), f"base day to {large} rows, two threads"),
        ("reduce, time", _milliseconds(found.reduce_wall), f"the same; the line begins at {found.fixed_wall:+.2f} s"),
        ("emit, processor", _milliseconds(found.emit_cpu), window),
        ("emit, time", _milliseconds(found.emit_wall), "the same"),
        ("emitted", f"{found.emitted_bytes:.2f} MB", "the same"),
    ]
    lines = ["| a million rows | cost | from |", "| --- | ---: | --- |", *(f"| {' | '.join(row)} |" for row in rows)]
    rate = f"Two threads take {found.log_bytes / found.reduce_wall / 1e9:.2f} GB of log a second"
    return "\n".join([*lines, "", f"{rate}: from a slower disk, `reduce-day` waits for the disk."])


def plans(results: Results) -> str:
    """A column for each size of a service."""
    found = slopes(results)
    if found is None:
        return NOT_MEASURED
    head = ["rows a day", *(f"{rows // 10**9} billion" for rows in PLANS)]
    rows = [
        ["log of a day", *(_bytes(found.log_bytes * n) for n in PLANS)],
        [f"store of {KEPT_DAYS} days", *(_bytes(found.partial_bytes * n * KEPT_DAYS) for n in PLANS)],
        ["reduce: processor, one core", *(_time(found.reduce_cpu * n) for n in PLANS)],
        ["reduce: two threads", *(_time(found.reduce_wall * n) for n in PLANS)],
        *(
            [f"read the log at {name}", *(_time(found.log_bytes * n / speed) for n in PLANS)]
            for name, speed in DISKS.items()
        ),
        [f"emit {found.days} days: processor, one core", *(_time(found.emit_cpu * n * found.days) for n in PLANS)],
        [f"emit {found.days} days: two threads", *(_time(found.emit_wall * n * found.days) for n in PLANS)],
        [f"partials read for {found.days} days", *(_bytes(found.partial_bytes * n * found.days) for n in PLANS)],
        ["emitted", *(_bytes(found.emitted_bytes * n * found.days) for n in PLANS)],
        [f"{KEPT_DAYS} emissions kept", *(_bytes(found.emitted_bytes * n * found.days * KEPT_DAYS) for n in PLANS)],
        *(
            [
                f"night on one disk of {name}",
                *(
                    _time(max(found.log_bytes * n / speed, found.reduce_wall * n) + _emission(found, n, speed))
                    for n in PLANS
                ),
            ]
            for name, speed in DISKS.items()
        ),
    ]
    lines = [f"| {' | '.join(head)} |", "| --- |" + " ---: |" * len(PLANS), *(f"| {' | '.join(row)} |" for row in rows)]
    return "\n".join(lines)


def _emission(found: Slopes, rows: int, speed: float) -> float:
    """Its time with two threads, or that of one disk, which reads the partials and writes the tops."""
    moved = (found.partial_bytes + found.emitted_bytes) * rows * found.days
    return max(moved / speed, found.emit_wall * rows * found.days)


def _bytes(value: float) -> str:
    for unit, size in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6)):
        if value >= size:
            return f"{value / size:.1f} {unit}"
    return f"{value / 1e3:.0f} kB"


def _time(seconds: float) -> str:
    if seconds >= 5400:
        return f"{seconds / 3600:.1f} h"
    return f"{seconds / 60:.1f} min" if seconds >= 90 else f"{seconds:.0f} s"


def _milliseconds(seconds_a_row: float) -> str:
    """Of a million rows."""
    return f"{seconds_a_row * 1e9:.0f} ms"
