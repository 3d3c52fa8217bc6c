"""A stored day as an emission needs it, whichever program made it."""

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
    from agg_spark.store import Store


@dataclass(frozen=True)
class Day:
    """The files of a day and what is known of it."""

    source: Source
    files: dict[Kind, list[str]]
    bytes: dict[Kind, int]


def find_day(context: Context, store: Store, day: datetime.date) -> Day | None:
    """The day, if it is stored: as its record says, or as `agg export` left it.

    An export over a day of the job takes its place: then the record's files are gone.
    """
    recorded = _recorded(store, day)
    if recorded is not None:
        return recorded
    parts = {kind: partial.parts(context.fs, store.folder(kind, day)) for kind in Kind}
    if not any(parts.values()):
        if store.record(day) is None:
            return None
        raise BadData(f"{store.root}: the files of {day} are gone: reduce-day --force it again")
    return _exported(context, store, day, parts)


def _recorded(store: Store, day: datetime.date) -> Day | None:
    record = store.record(day)
    if record is None:
        return None
    files = {kind: store.files(record, kind) for kind in Kind}
    found = {kind: paths for kind, paths in files.items() if paths is not None}
    if len(found) < len(files):
        return None
    source = Source(day, record.digest, record.tally.accepted, record.tally)
    sizes = {kind: sum(part.bytes for part in parts) for kind, parts in record.files.items()}
    return Day(source, found, sizes)


def _exported(
    context: Context,
    store: Store,
    day: datetime.date,
    parts: dict[Kind, list[partial.Part]],
) -> Day:
    """Reads all of it once: nobody vouches for its sums and its digest but its rows."""
    files = {
        kind: [join(store.folder(kind, day), part.name) for part in found] for kind, found in parts.items()
    }
    if not all(files.values()):
        raise BadData(f"{store.root}: {day} has one kind of counts only: export or reduce it again")
    facts = partial.export_facts(context.spark, day, [path for kind in Kind for path in files[kind]])
    if facts is None and store.record(day) is not None:
        raise BadData(
            f"{store.root}: the files of {day} are neither those of its record nor an export of agg: "
            "reduce-day --force it again"
        )
    measured = {kind: partial.measure(partial.read(context.spark, kind, files[kind]), kind) for kind in Kind}
    streams = measured[Kind.COUNTRY].streams
    if measured[Kind.USER].streams != streams or (facts is not None and facts.accepted != streams):
        raise BadData(f"{store.root}: the sums of {day} do not agree: export or reduce it again")
    digest = int(measured[Kind.COUNTRY].digest, 16) ^ int(measured[Kind.USER].digest, 16)
    sizes = {kind: sum(part.bytes for part in found) for kind, found in parts.items()}
    return Day(Source(day, f"{digest:032x}", streams, facts), files, sizes)
