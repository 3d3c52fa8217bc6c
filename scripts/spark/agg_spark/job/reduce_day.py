"""One day's logs to its counts in the store."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from agg_spark import input as logs_input
from agg_spark import partial, row, run
from agg_spark.error import BadData, Failed
from agg_spark.fs import join
from agg_spark.model import Kind, Tally
from agg_spark.store import Record, Store, Write

if TYPE_CHECKING:
    import datetime

    from agg_spark.input import Log
    from agg_spark.job.context import Context


@dataclass(frozen=True)
class Request:
    """What is asked for."""

    store: str
    logs: list[str]
    date: datetime.date | None = None
    force: bool = False
    max_reject_ratio: float = 0.10
    min_rows: int = 0
    countries: str = "iso"


@dataclass(frozen=True)
class Report:
    """What was done."""

    record: Record
    outcome: str


def reduce_day(context: Context, request: Request) -> Report:
    """Reduces a day; nothing of it counts before all of it does.

    The logs are read twice, once for each kind, which costs less than keeping their rows would. That they
    did not change between is seen by their listing, and by the streams of both kinds, which must be equal.
    Rejected rows are counted in the first reading alone: writing them beside the users too would put a
    column into the sort of the largest dataset.
    """
    logs = logs_input.find(context.fs, request.logs)
    day = request.date or logs_input.day_of(logs)
    store = Store(context.fs, request.store, partial.Part)
    there = None if request.force else store.record(day)
    if there is not None:
        return _is_done(store, there, logs)
    in_place = any(partial.parts(context.fs, store.folder(kind, day)) for kind in Kind)
    if in_place and not request.force:
        raise BadData(
            f"{store.root}: {day} is there already, and not made by this job: give --force to replace it"
        )
    write = store.begin(day, force=request.force)
    record = _written(context, request, store, logs, write)
    store.commit(record)
    store.publish(record)
    return Report(record, "replaced" if in_place or write.replaces else "reduced")


def _written(context: Context, request: Request, store: Store, logs: list[Log], write: Write) -> Record:
    """Writes the day aside, all but its commit; what was written goes if that will not be."""
    try:
        record = _counted(context, request, logs, write)
        store.confirm(write, record)
    except Exception:
        store.discard(write)
        # The other run removed what this one was reading or writing: that is why it failed.
        store.refuse_overtaken(write)
        raise
    except BaseException:
        store.discard(write)
        raise
    return record


def _is_done(store: Store, record: Record, logs: list[Log]) -> Report:
    if not record.is_of(logs):
        raise BadData(
            f"{record.day}: the day is in the store already, made from other logs: "
            "give --force to replace it with all of its logs"
        )
    # A run that was killed behind its commit left this to do.
    store.publish(record)
    if any(store.files(record, kind) is None for kind in Kind):
        raise BadData(f"{store.root}: the files of {record.day} are not those of its record: give --force")
    return Report(record, "unchanged")


def _counted(context: Context, request: Request, logs: list[Log], write: Write) -> Record:
    spark, fs = context.spark, context.fs
    context.cut(log.bytes for log in logs)
    rows = row.parse(logs_input.read(spark, logs), request.countries)
    partial.write_countries(fs, run.by_country(rows), write.folder)
    rejects = partial.take_rejects(spark, fs, write.folder)
    countries, country_files = _measured(context, Kind.COUNTRY, write)
    tally = Tally(countries.streams, rejects)
    _refuse_bad(request, write.day, tally)
    partial.write_users(run.by_user(rows), write.folder)
    logs_input.refuse_changed(fs, logs)
    users, user_files = _measured(context, Kind.USER, write)
    if users.streams != countries.streams:
        raise Failed(
            f"{write.day}: {countries.streams} streams by country and {users.streams} by user: "
            "the logs changed between two readings, the cluster lost a file, or its machines do not share "
            "the store: look at that and run again"
        )
    return Record(
        day=write.day,
        commit=write.commit,
        digest=f"{int(countries.digest, 16) ^ int(users.digest, 16):032x}",
        tally=tally,
        inputs=[log.as_json() for log in logs],
        files={Kind.COUNTRY: country_files, Kind.USER: user_files},
        entries={Kind.COUNTRY: countries.entries, Kind.USER: users.entries},
    )


def _measured(context: Context, kind: Kind, write: Write) -> tuple[partial.Measure, list[partial.Part]]:
    """Reads what was written: what it comes to, and exactly the files that were read."""
    folder = partial.folder_of(write.folder, kind)
    files = partial.written(context.fs, folder)
    counts = partial.read(context.spark, kind, [join(folder, file.name) for file in files])
    return partial.measure(counts, kind), files


def _refuse_bad(request: Request, day: datetime.date, tally: Tally) -> None:
    if tally.rows and tally.rejected / tally.rows > request.max_reject_ratio:
        told = ", ".join(f"{name} {count}" for name, count in tally.rejects.items() if count)
        raise BadData(
            f"{day}: {tally.rejected} of {tally.rows} rows are corrupt ({told}): "
            "look at the logs, or raise --max-reject-ratio"
        )
    if tally.accepted < request.min_rows:
        raise BadData(
            f"{day}: {tally.accepted} good rows, fewer than --min-rows {request.min_rows}: "
            "are the logs complete?"
        )
