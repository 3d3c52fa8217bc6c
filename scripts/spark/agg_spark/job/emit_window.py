"""The days of a window to the tops of its keys."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from pyspark.sql import functions as F

from agg_spark import merge, output, partial, topk
from agg_spark.emission import Emission
from agg_spark.error import BadData, JobError, Missing
from agg_spark.fs import join
from agg_spark.job.day import Day, find_day
from agg_spark.model import Kind, parse_day, told, window
from agg_spark.store import Store

if TYPE_CHECKING:
    import datetime

    from pyspark.sql import DataFrame

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
    wanted = window(request.date, request.days)
    store = Store(fs, request.store)
    emission = Emission(fs, fs.qualified(request.out), request.date)
    write = emission.begin()
    days = _days(context, store, request, wanted)
    if not request.force:
        _refuse_to_lose(request, emission, days)
    try:
        files = [file for kind in Kind for file in _emit(context, request, kind, days, write.folder)]
        sources = [day.source for day in days]
        manifest = output.manifest(wanted, request.top, sources, f"v={write.id}", files)
        emission.commit(write, output.encode(manifest))
    except BaseException:
        emission.discard(write)
        raise
    return Report(emission.folder, manifest)


def _days(context: Context, store: Store, request: Request, wanted: list[datetime.date]) -> list[Day]:
    found = {day: find_day(context, store, day) for day in wanted}
    missing = [day for day, there in found.items() if there is None]
    if len(missing) == len(wanted) or (missing and not request.allow_missing):
        raise Missing(
            f"{store.root}: days of the window are not stored: {told(missing)}; run reduce-day for them"
            + ("" if len(missing) == len(wanted) else ", or give --allow-missing")
        )
    return [there for there in found.values() if there is not None]


def _refuse_to_lose(request: Request, emission: Emission, days: list[Day]) -> None:
    """An emission must not take the place of one of another shape, or of one that had more days."""
    published = emission.manifest()
    if published is None:
        return
    try:
        days_there, top_there = published["window"]["days"], published["top"]
        knew = [parse_day(entry["day"]) for entry in published["partials"]]
    except (KeyError, TypeError, JobError) as error:
        raise emission.unreadable() from error
    if (days_there, top_there) != (request.days, request.top):
        raise BadData(
            f"{emission.folder}: already published with {days_there} days and {top_there} songs; "
            f"this run has {request.days} and {request.top}; give --force to replace it, or another --out"
        )
    known = {day.source.day for day in days}
    lost = [day for day in knew if day not in known]
    if lost:
        raise BadData(
            f"{emission.folder}: the published window includes {told(lost)}, which this run lacks; "
            "bring the days back, or give --force"
        )


def _emit(context: Context, request: Request, kind: Kind, days: list[Day], built: str) -> list[output.File]:
    spark, fs = context.spark, context.fs
    salts = context.cut(day.bytes[kind] for day in days)
    paths = [path for day in days for path in day.files[kind]]
    heavy = sorted({user for day in days for user in day.heavy})
    best = tops(partial.read(spark, kind, paths), kind, request.top, salts, heavy)
    stem = output.stem(kind, request.top)
    folder = join(built, stem)
    keys = output.write(best, kind, folder)
    parts = output.check(spark, fs, kind, folder, keys)
    if request.single_file:
        return [output.join_parts(fs, folder, parts, f"{stem}.txt")]
    return [replace(part, name=f"{stem}/{part.name}") for part in parts]


def tops(counts: DataFrame, kind: Kind, top: int, salts: int, heavy: list[int]) -> DataFrame:
    """The best songs of each key, in ranges of keys: one shuffle, except for keys with very many songs.

    Such a key, any country and a few users, is divided into shares of its songs, and the best of these take
    its place.
    """
    if kind is Kind.COUNTRY:
        counts = _best_of_shares(counts, kind, top, salts)
    elif heavy:
        is_heavy = F.col(kind.key).isin(heavy)
        few = _best_of_shares(counts.where(is_heavy), kind, top, salts)
        counts = counts.where(~is_heavy).unionByName(few)
    return topk.best(merge.summed(counts, kind), kind, top)


def _best_of_shares(counts: DataFrame, kind: Kind, top: int, salts: int) -> DataFrame:
    return topk.best_in_shares(merge.summed_in_shares(counts, kind, salts), kind, top)
