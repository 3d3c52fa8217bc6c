"""One day's logs to its counts in the store."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import unquote

from pyspark.sql import functions as F

from agg_spark import input as logs_input
from agg_spark import partial, row, run
from agg_spark.error import BadData, Failed
from agg_spark.fs import join
from agg_spark.model import Kind, Tally
from agg_spark.store import Exported, Part, Record, Store

if TYPE_CHECKING:
    from agg_spark.input import Found, Log
    from agg_spark.job.context import Context
    from agg_spark.versions import Write

MIN_LOG_REJECTS = partial.LogRejects(rows=100, bytes=16 << 10)
"""A log with fewer corrupt rows, and fewer bytes of them, is never refused for itself."""


@dataclass(frozen=True)
class Request:
    """What is asked for."""

    store: str
    logs: list[str]
    date: datetime.date | None = None
    force: bool = False
    max_reject_ratio: float = 0.10
    max_log_reject_ratio: float = 0.5
    min_rows: int = 0
    min_logs: int = 0
    date_offset: int = 0
    allow_duplicates: bool = False
    countries: str = "iso"


@dataclass(frozen=True)
class Report:
    """What was done."""

    record: Record
    outcome: str
    skipped: list[tuple[str, str]]


def reduce_day(context: Context, request: Request) -> Report:
    """Reduces a day; either all of it counts or nothing.

    The logs are read twice, once for each kind, which costs less than keeping their rows would. A change
    between the readings shows in their listing, and in the streams of both kinds, which must be equal.
    Rejected rows are counted in the first reading alone: writing them beside the users too would put a column
    into the sort of the largest dataset.
    """
    found = logs_input.find(context.fs, request.logs, request.date)
    logs = found.logs
    day = request.date or logs_input.day_of(logs, datetime.timedelta(request.date_offset))
    if len(logs) < request.min_logs:
        raise BadData(f"{day}: {len(logs)} logs, fewer than --min-logs {request.min_logs}")
    store = Store(context.fs, request.store)
    write = store.begin(day)
    exported = store.export(day, None)
    if not request.force:
        there = store.record(day)
        if there is not None:
            return Report(_done(store, there, request, logs), "unchanged", found.skipped)
        if exported:
            raise BadData(
                f"{store.root}: {day} is an export of agg or of another program; give --force to replace it"
            )
    try:
        record = _counted(context, request, found, day, write, exported)
        store.commit(write, record)
    except BaseException:
        store.discard(day, write)
        raise
    store.sweep(record)
    return Report(record, "replaced" if exported or write.seen else "reduced", found.skipped)


def _done(store: Store, record: Record, request: Request, logs: list[Log]) -> Record:
    if record.countries != request.countries:
        raise BadData(
            f"{record.day}: already reduced with --countries {record.countries}, not {request.countries}; "
            "give --force to replace it"
        )
    if not record.is_of(logs):
        raise BadData(
            f"{record.day}: already reduced from other logs; give --force to replace it with all of its logs"
        )
    store.paths(record)
    # A run that was killed after its commit left this to do.
    store.sweep(record)
    return record


def _counted(
    context: Context,
    request: Request,
    found: Found,
    day: datetime.date,
    write: Write,
    exported: list[Exported],
) -> Record:
    spark, fs, logs = context.spark, context.fs, found.logs
    logs_input.refuse_other_formats(fs, logs)
    found.skipped += logs_input.compare_forms(fs, found.forms)
    _refuse_copies(context, request, logs)
    context.cut(log.bytes for log in logs)
    copies = join(write.folder, "_logs")
    readable = logs_input.without_padding(fs, logs, copies)
    rows = row.parse(logs_input.read(spark, readable), request.countries)
    written = partial.write_countries(fs, run.by_country(rows), write.folder)
    rejects, by_log = partial.take_rejects(spark, fs, write.folder)
    _refuse_bad_log(context, request, logs, readable, by_log)
    countries, country_files = _measured(context, Kind.COUNTRY, day, write)
    tally = Tally(countries.streams, rejects)
    if tally.rows != written:
        raise Failed(
            f"{write.folder}: {written} rows were written, and {tally.rows} are there; "
            "use a file system that all machines share"
        )
    _refuse_bad(request, day, tally)
    partial.write_users(run.by_user(rows), write.folder)
    fs.remove(copies)
    logs_input.refuse_changed(fs, logs)
    users, user_files = _measured(context, Kind.USER, day, write)
    if users.streams != countries.streams:
        raise Failed(
            f"{day}: {countries.streams} streams by country and {users.streams} by user; the logs changed "
            "between two readings, or use a file system that all machines share for the store"
        )
    return Record(
        day=day,
        commit=write.id,
        digest=f"{int(countries.digest, 16) ^ int(users.digest, 16):032x}",
        tally=tally,
        inputs=[log.as_json() for log in logs],
        files={Kind.COUNTRY: country_files, Kind.USER: user_files},
        heavy=users.heavy,
        replaces=exported,
        countries=request.countries,
    )


def _measured(
    context: Context, kind: Kind, day: datetime.date, write: Write
) -> tuple[partial.Measure, list[Part]]:
    """Reads what was written: returns its sums, and exactly the files that were read."""
    files = partial.written(context.fs, partial.folder_of(write.folder, kind))
    found = partial.measure(context.spark, kind, files, sum(files.values()))
    parts = []
    for path, size in files.items():
        name = path.rsplit("/", 1)[1]
        entries, digest = found.files.get(name, (0, "0" * 32))
        parts.append(Part(f"day={day}/v={write.id}/kind={kind.value}/{name}", size, entries, digest))
    return found, parts


def _refuse_copies(context: Context, request: Request, logs: list[Log]) -> None:
    """Logs with the same bytes, unless they have no accepted row."""
    if request.allow_duplicates:
        return
    for other, log in {
        other.path: (other, log) for log, other in logs_input.copies(context.fs, logs)
    }.values():
        rows = row.parse(logs_input.read(context.spark, [other]), request.countries)
        if rows.where(F.col("reason").isNull()).limit(1).count():
            raise BadData(
                f"{log.path}: has the same content as {other.path}, so its rows would count twice; "
                "leave one of them out, or count both with --allow-duplicates"
            )


def _refuse_bad_log(
    context: Context,
    request: Request,
    logs: list[Log],
    readable: list[Log],
    by_log: dict[int, partial.LogRejects],
) -> None:
    """Refuses a mostly corrupt log. The logs are read for it only if one has enough corrupt rows or bytes."""
    suspects = {
        log: rejects
        for log, rejects in by_log.items()
        if rejects.rows >= MIN_LOG_REJECTS.rows or rejects.bytes >= MIN_LOG_REJECTS.bytes
    }
    if not suspects:
        return
    found = run.by_log(logs_input.read(context.spark, readable)).select("*", F.xxhash64("file"))
    named = {copy.path: log.path for log, copy in zip(logs, readable, strict=True)}
    ratio = request.max_log_reject_ratio
    for address, rows, size, log in sorted(found.collect()):
        rejects = suspects.get(log, partial.LogRejects())
        if rejects.rows > ratio * rows or rejects.bytes > ratio * size:
            path = unquote(address).replace("file:///", "file:/", 1)
            raise BadData(
                f"{named.get(path, path)}: {rejects.rows} of {rows} rows are corrupt, and {rejects.bytes} of "
                f"{size} bytes; look at the log, or raise --max-log-reject-ratio"
            )


def _refuse_bad(request: Request, day: datetime.date, tally: Tally) -> None:
    if tally.rows and tally.rejected / tally.rows > request.max_reject_ratio:
        told = ", ".join(f"{name} {count}" for name, count in tally.rejects.items() if count)
        raise BadData(
            f"{day}: {tally.rejected} of {tally.rows} rows are corrupt ({told}); "
            "look at the logs, or raise --max-reject-ratio"
        )
    if tally.accepted < request.min_rows:
        raise BadData(
            f"{day}: {tally.accepted} accepted rows, fewer than --min-rows {request.min_rows}; "
            "check that the logs are complete"
        )
