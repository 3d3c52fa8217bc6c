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
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullLocator

from benchmarks import curves
from benchmarks.measure import Run
from benchmarks.programs import LABELS, UNLIMITED
from benchmarks.results import Outcome, Results

GREY = "#7d8590"
# Readable on white and on black, and told apart by shape too.
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
    axes.yaxis.set_major_formatter(FuncFormatter(lambda figure, _: f"{figure:,g}"))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.set_xlabel(label)
    axes.set_title(f"{title}, {unit}", loc="left")
    axes.grid(visible=True)


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
    left.legend()
    return figure


def rows(results: Results) -> Figure:
    outcomes = {}
    for name in peers():
        points = [(curves.rows_of(results.rows, part) / 1e6, f"rows/{round(30 * part)}", name) for part in curves.PARTS]
        points.append((results.rows / 1e6, f"reduce/{'duckdb' if name == 'agg' else name}", name))
        if name == "agg":
            points.append((curves.rows_of(results.rows, curves.LARGE) / 1e6, "large", curves.LARGE_MEMORIES[1]))
        outcomes[name] = [(place, results.get(point), series) for place, point, series in points]
    return two_panels(outcomes, "million rows", "one day to its counts")


def days(results: Results) -> Figure:
    outcomes = {}
    for name in peers():
        points = [(1.0, "days/1", name), (float(results.days), f"emit/{'duckdb' if name == 'agg' else name}", name)]
        if name == "agg":
            points += [(float(window), f"days/{window}", name) for window in curves.WINDOWS]
        outcomes[name] = [(place, results.get(point), series) for place, point, series in points]
    return two_panels(outcomes, "days in the window", "the tops of a window")


def threads(results: Results) -> Figure:
    """Bars, one thread beside two."""
    figure, panels = pyplot.subplots(1, 2, figsize=(9, 3.8), layout="constrained")
    for axes, job, title in zip(
        panels, ("reduce", "emit"), ("one day to its counts", "the tops of a window"), strict=True
    ):
        names = [name for name in peers() if results.get(f"threads/{job}").wall(name) or name == "agg"]
        for offset, one in ((-0.2, True), (0.2, False)):
            for place, name in enumerate(names):
                pair = results.get(f"{job}/{'duckdb' if name == 'agg' else name}")
                height = (results.get(f"threads/{job}") if one else pair).wall(name)
                if height:
                    bar = axes.bar(place + offset, height, 0.36, color=STYLES[name][0], alpha=0.55 if one else 1.0)
                    axes.bar_label(bar, [f"{height:.3g}"], padding=2, fontsize=8)
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g}"))
        axes.yaxis.set_minor_locator(NullLocator())
        axes.margins(y=0.15)
        axes.set_xticks(range(len(names)), [LABELS[name].split()[0] for name in names])
        axes.set_title(f"{title}, s (pale: 1 thread, full: 2)", loc="left")
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
    right.legend()
    left.legend()
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
