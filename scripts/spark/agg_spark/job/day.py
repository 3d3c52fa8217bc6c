"""A stored day as an emission needs it, made by either program."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from agg_spark import partial
from agg_spark.error import BadData
from agg_spark.fs import join
from agg_spark.model import Kind
from agg_spark.output import Source

if TYPE_CHECKING:
    import datetime

    from agg_spark.job.context import Context
    from agg_spark.store import Exported, Record, Store


@dataclass(frozen=True)
class Day:
    """The files of a day and its facts."""

    source: Source
    files: dict[Kind, list[str]]
    bytes: dict[Kind, int]
    heavy: list[int]


def find_day(context: Context, store: Store, day: datetime.date) -> Day | None:
    """The day, if it is stored: as its record says, or as `agg export` left it."""
    record = store.record(day)
    if record is not None:
        return _recorded(store, record)
    files = store.export(day, None)
    return _exported(context, store, day, files) if files else None


def _recorded(store: Store, record: Record) -> Day:
    source = Source(record.day, record.digest, record.tally.accepted, record.tally)
    sizes = {kind: sum(part.bytes for part in parts) for kind, parts in record.files.items()}
    return Day(source, store.paths(record), sizes, record.heavy)


def _exported(context: Context, store: Store, day: datetime.date, found: list[Exported]) -> Day:
    """The digest is that of the partial; the sums of both kinds are checked. The ids are not read for it.

    The rows of files that another program wrote have no checksums, so all of them are read.
    """
    spark = context.spark
    of = {kind: [file for file in found if file.name.startswith(f"kind={kind.value}/")] for kind in Kind}
    files = {kind: [join(store.root, file.name) for file in of[kind]] for kind in Kind}
    sizes = {kind: sum(file.bytes for file in of[kind]) for kind in Kind}
    if not all(files.values()):
        raise BadData(f"{store.root}: {day} has one kind of counts only; export or reduce it again")
    facts = partial.export_facts(spark, day, [path for kind in Kind for path in files[kind]])
    countries, users = (
        partial.measure(spark, kind, files[kind], sizes[kind], digest=facts is None) for kind in Kind
    )
    tally = facts.tally if facts else None
    if users.streams != countries.streams or (tally is not None and tally.accepted != users.streams):
        raise BadData(f"{store.root}: the sums of {day} do not agree; export or reduce it again")
    digest = facts.digest if facts else f"{int(countries.digest, 16) ^ int(users.digest, 16):032x}"
    return Day(Source(day, digest, users.streams, tally), files, sizes, users.heavy)
