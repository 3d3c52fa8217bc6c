"""The days of a window to the tops of its keys."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from agg_spark import merge, output, partial, topk
from agg_spark.emission import (
    MANIFEST,
    begin_emission,
    move_latest,
    published_manifest,
    put_emission,
    unreadable,
)
from agg_spark.error import BadData, JobError, Missing
from agg_spark.fs import join
from agg_spark.job.day import Day, find_day
from agg_spark.model import Kind, parse_day, told, window
from agg_spark.store import Store

if TYPE_CHECKING:
    import datetime

    from agg_spark.job.context import Context


@dataclass(frozen=True)
class Request:
    """What is asked for."""

    store: str
    out: str
    date: datetime.date
    days: int = 7
    top: int = 50
    allow_missing: bool = False
    force: bool = False
    single_file: bool = False


@dataclass(frozen=True)
class Report:
    """What was done."""

    folder: str
    manifest: dict[str, Any]


def emit_window(context: Context, request: Request) -> Report:
    """Emits a window; readers of the date's folder meet the old emission or this one."""
    fs = context.fs
    out = fs.qualified(request.out)
    wanted = window(request.date, request.days)
    store = Store(fs, request.store, partial.Part)
    # First: it brings back an emission that a kill took away, which this one must not make poorer.
    built = begin_emission(fs, out, request.date)
    days = _days(context, store, request, wanted)
    if not request.force:
        _refuse_poorer(request, published_manifest(fs, out, request.date), days)
    try:
        files = [file for kind in Kind for file in _emit(context, request, kind, days, built)]
        sources = [day.source for day in days]
        manifest = output.manifest(wanted, request.top, sources, files)
        fs.replace(join(built, MANIFEST), output.encode(manifest))
        folder = put_emission(fs, out, request.date, built)
    except BaseException:
        fs.remove(built)
        raise
    move_latest(fs, out, request.date)
    return Report(folder, manifest)


def _days(context: Context, store: Store, request: Request, wanted: list[datetime.date]) -> list[Day]:
    found = {day: find_day(context, store, day) for day in wanted}
    missing = [day for day, there in found.items() if there is None]
    if len(missing) == len(wanted) or (missing and not request.allow_missing):
        raise Missing(
            f"{store.root}: the window lacks {told(missing)}: run reduce-day for them"
            + ("" if len(missing) == len(wanted) else ", or give --allow-missing")
        )
    return [there for there in found.values() if there is not None]


def _refuse_poorer(request: Request, published: dict[str, Any] | None, days: list[Day]) -> None:
    """An emission of the same window must not lose a day that it had."""
    if published is None:
        return
    try:
        shape = (published["top"], published["window"]["days"])
        knew = [parse_day(entry["day"]) for entry in published["partials"]]
    except (KeyError, TypeError, JobError) as error:
        raise unreadable(join(request.out, str(request.date))) from error
    if shape != (request.top, request.days):
        return
    known = {day.source.day for day in days}
    lost = [day for day in knew if day not in known]
    if lost:
        raise BadData(
            f"{request.out}/{request.date}: the published window knew {told(lost)}, which this "
            "run lacks: bring the days back, or give --force"
        )


def _emit(context: Context, request: Request, kind: Kind, days: list[Day], built: str) -> list[output.File]:
    spark, fs = context.spark, context.fs
    salts = context.cut(day.bytes[kind] for day in days)
    paths = [path for day in days for path in day.files[kind]]
    sums = merge.summed(partial.read(spark, kind, paths), kind, salts)
    stem = output.stem(kind, request.top)
    folder = join(built, stem)
    output.write(topk.best(sums, kind, request.top), kind, folder)
    parts = output.check(spark, fs, kind, folder)
    if request.single_file:
        return [output.join_parts(fs, folder, parts, f"{stem}.txt")]
    return [output.File(f"{stem}/{part.name}", part.keys, part.bytes, part.sha256) for part in parts]
