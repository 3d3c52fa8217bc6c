"""Draws the charts of docs/performance.md: `PYTHON charts.py RESULTS FOLDER`, in the environment of the peers.

SVG with a transparent background and text of a middle grey, to be read on white and on black. The same figures give
the same bytes: no date, fixed identifiers, the font as outlines. `--png` draws PNG instead, on white and on black, to
look at.
"""

import sys
from collections.abc import Callable, Iterable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import matplotlib

matplotlib.use("Agg")

from matplotlib import pyplot
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from benchmarks import curves
from benchmarks.measure import Run
from benchmarks.programs import LABELS, UNLIMITED
from benchmarks.results import Outcome, Results

GREY = "#7d8590"
# Readable on white and on black, and distinct by shape too.
STYLES = {
    "agg": ("#e8590c", "o"),
    "duckdb": ("#b8960c", "s"),
    "polars": ("#1c8fd6", "^"),
    "clickhouse": ("#2f9e5b", "D"),
}
MIB = 1 << 20
Curve = list[tuple[float, float]]
Value = Callable[[Run], float]

matplotlib.rcParams.update(
    {
        "svg.hashsalt": "agg",
        "svg.fonttype": "path",
        "font.family": "DejaVu Sans",
        "font.size": 10,
        "text.color": GREY,
        "axes.facecolor": "none",
        "axes.edgecolor": GREY,
        "axes.labelcolor": GREY,
        "axes.titlecolor": GREY,
        "axes.titlesize": 11,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "xtick.color": GREY,
        "ytick.color": GREY,
        "grid.color": GREY,
        "grid.alpha": 0.25,
        "legend.frameon": False,
    }
)


def curve(points: Iterable[tuple[float, Outcome, str]], value: Value) -> Curve:
    """The points that were measured and did not fail, by their place."""
    found = [(place, outcome.median(series, value)) for place, outcome, series in points]
    return sorted((place, figure) for place, figure in found if figure is not None)


def seconds(run: Run) -> float:
    return run.wall


def mebibytes(run: Run) -> float:
    return run.peak / MIB


def peers() -> list[str]:
    return ["agg", *(peer.name for peer in UNLIMITED)]


def logarithmic(axes: Axes, places: Iterable[float], label: str, unit: str, title: str) -> None:
    """Both axes logarithmic: a straight line in a rising diagonal is a cost that grows with its cause."""
    ticks = sorted(set(places))
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.xaxis.set_minor_locator(NullLocator())
    plain_numbers(axes.yaxis)
    axes.set_xlabel(label)
    axes.set_title(f"{title}, {unit}", loc="left")
    axes.grid(visible=True)


def plain_numbers(axis: Axis) -> None:
    """0.5, 1, 2, 5 and so on instead of powers of ten."""
    axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.set_major_formatter(FuncFormatter(lambda figure, _: f"{figure:,g}"))
    axis.set_minor_locator(NullLocator())


def legend(figure: Figure, axes: Axes) -> None:
    """Above both panels, where it hides nothing."""
    figure.legend(*axes.get_legend_handles_labels(), loc="outside upper center", ncols=4)


def lines(axes: Axes, curves_of: dict[str, Curve]) -> None:
    for name, points in curves_of.items():
        if points:
            colour, marker = STYLES[name]
            width = 2.4 if name == "agg" else 1.6
            axes.plot(*zip(*points, strict=True), color=colour, marker=marker, linewidth=width, label=LABELS[name])


def two_panels(outcomes: dict[str, list[tuple[float, Outcome, str]]], label: str, title: str) -> Figure:
    """Time on the left, peak memory on the right."""
    figure, (left, right) = pyplot.subplots(1, 2, figsize=(9, 3.8), layout="constrained")
    for axes, value, unit, what in ((left, seconds, "s", "time"), (right, mebibytes, "MiB", "peak memory")):
        drawn = {name: curve(points, value) for name, points in outcomes.items()}
        lines(axes, drawn)
        logarithmic(axes, (place for points in drawn.values() for place, _ in points), label, unit, f"{title}: {what}")
    legend(figure, left)
    return figure


def rows(results: Results) -> Figure:
    outcomes = {}
    for name in peers():
        points = [(results.rows / 1e6, results.of("reduce", name), name)]
        for part in curves.PARTS:
            count = curves.rows_of(results.rows, part)
            points.append((count / 1e6, results.get(f"rows/{round(30 * part)}"), name))
        if name == "agg":
            count = curves.rows_of(results.rows, curves.LARGE)
            points.append((count / 1e6, results.get("large"), curves.LARGE_MEMORIES[1]))
        outcomes[name] = points
    return two_panels(outcomes, "million rows", "one day to its counts")


def days(results: Results) -> Figure:
    outcomes = {}
    for name in peers():
        points = [(1.0, results.get("days/1"), name), (float(results.days), results.of("emit", name), name)]
        if name == "agg":
            points += [(float(window), results.get(f"days/{window}"), name) for window in curves.WINDOWS]
        outcomes[name] = points
    return two_panels(outcomes, "days in the window", "the tops of a window")


def threads(results: Results) -> Figure:
    """A line for each program, from its time by one thread to that by two."""
    figure, panels = pyplot.subplots(1, 2, figsize=(9, 2.8), layout="constrained")
    for axes, job, title in zip(
        panels, ("reduce", "emit"), ("one day to its counts", "the tops of a window"), strict=True
    ):
        names = [name for name in reversed(peers()) if results.get(f"threads/{job}").wall(name)]
        for place, name in enumerate(names):
            colour = STYLES[name][0]
            one = results.get(f"threads/{job}").wall(name)
            two = results.of(job, name).wall(name)
            ends = sorted((time, face) for time, face in ((one, "none"), (two, colour)) if time)
            axes.plot([time for time, _ in ends], [place] * len(ends), color=colour, linewidth=2, zorder=1)
            for side, (time, face) in zip(("right", "left"), ends, strict=False):
                axes.plot(time, place, "o", color=colour, markerfacecolor=face, markersize=8)
                offset = (9 if side == "left" else -9, 0)
                look = {"ha": side, "va": "center", "fontsize": 9, "textcoords": "offset points"}
                axes.annotate(f"{time:.3g}", (time, place), offset, **look)
        for label, face in (("1 thread", "none"), ("2 threads", GREY)):
            axes.plot([], [], "o", color=GREY, markerfacecolor=face, label=label)
        axes.set_xscale("log")
        plain_numbers(axes.xaxis)
        axes.margins(x=0.35, y=0.2)
        axes.set_yticks(range(len(names)), [LABELS[name].split()[0] for name in names])
        axes.set_title(f"{title}: time, s", loc="left")
        axes.grid(visible=True, axis="x")
    legend(figure, panels[0])
    return figure


def memory(results: Results) -> Figure:
    """`agg` alone: time on the left, the peak against the promise on the right."""
    figure, (left, right) = pyplot.subplots(1, 2, figsize=(9, 3.8), layout="constrained")
    looks = {"reduce": ("#e8590c", "o", "one day to its counts"), "emit": ("#9c63d6", "v", "the tops of a window")}
    for series, (colour, marker, label) in looks.items():
        points = [(float(size), results.get(f"memory/{size}"), series) for size in curves.MEMORIES]
        for axes, value in ((left, seconds), (right, mebibytes)):
            drawn = curve(points, value)
            if drawn:
                axes.plot(*zip(*drawn, strict=True), color=colour, marker=marker, linewidth=2, label=label)
    right.plot(curves.MEMORIES, curves.MEMORIES, color=GREY, linestyle="--", linewidth=1, label="the promise")
    logarithmic(left, curves.MEMORIES, "--memory, MiB", "s", "time")
    logarithmic(right, curves.MEMORIES, "--memory, MiB", "MiB", "peak memory")
    left.set_yscale("linear")
    left.set_ylim(bottom=0)
    legend(figure, right)
    return figure


CHARTS = {"rows": rows, "days": days, "threads": threads, "memory": memory}


def main() -> None:
    png = "--png" in sys.argv
    source, folder = (Path(argument) for argument in sys.argv[1:] if argument != "--png")
    results = Results.read(source)
    folder.mkdir(parents=True, exist_ok=True)
    for name, draw in CHARTS.items():
        figure = draw(results)
        if png:
            for ground in ("white", "#0d1117"):
                figure.savefig(folder / f"{name}-{ground.strip('#')}.png", facecolor=ground, dpi=90)
        else:
            metadata = {"Date": None, "Creator": None}
            figure.savefig(folder / f"{name}.svg", transparent=True, metadata=metadata)
        pyplot.close(figure)


if __name__ == "__main__":
    main()
