"""Stage 4: the counts of a day as Parquet, and back.

The dataset is that of `agg export`: `kind=country|user/day=YYYY-MM-DD/*.parquet` with the columns `country`
(string) or `user_id` (INT64), `sng_id` and `streams` (INT64), zstd. Files are sorted by key, then song; the
set of rows is what counts, not how it lies in files.

Left to others: where a day's files lie and when they count (`store`).
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from dataclasses import dataclass
from functools import reduce
from operator import xor
from typing import TYPE_CHECKING, Any

from py4j.protocol import Py4JJavaError
from pyspark.sql import Observation
from pyspark.sql import functions as F

from agg_spark.error import BadData, Failed
from agg_spark.fs import join
from agg_spark.model import REASONS, REJECTED_BYTES, REJECTS, Kind, Tally
from agg_spark.patterns import literal

if TYPE_CHECKING:
    import datetime
    from collections.abc import Iterable, Sequence

    from pyspark.sql import Column, DataFrame, SparkSession

    from agg_spark.fs import FileSystem


HEAVY = 1 << 17
"""So many songs of one user on one day are not left to one task."""

SAMPLES = 20_000
"""Approximate number of rows of a day that are sampled for heavy users."""

BYTES_PER_ENTRY = 8
"""About what an entry takes in a file."""


@dataclass(frozen=True)
class Measure:
    """The sums of one kind, in all and by the name of each file."""

    entries: int
    streams: int
    digest: str
    files: dict[str, tuple[int, str]]
    """Entries and digest of each file that has rows."""
    heavy: list[int]
    """Users with about `HEAVY` entries or more."""


def folder_of(root: str, kind: Kind) -> str:
    """The folder of a kind in the folder of a write."""
    return join(root, f"kind={kind.value}")


def write_countries(fs: FileSystem, counts: DataFrame, root: str) -> int:
    """Writes what `run.by_country` counted, a folder of countries and one of rejects; the rows of all.

    They are added up in the tasks that write, which Spark counts once even if they are repeated.
    """
    seen = Observation()
    ordered = counts.sortWithinPartitions("kind", "country", "sng_id")
    is_rows = F.col("country") != REJECTED_BYTES
    observed = ordered.observe(seen, F.sum(F.when(is_rows, F.col("streams"))).alias("rows"))
    # What is in the folder is what this run has put there: plain copies of logs.
    observed.write.mode("append").partitionBy("kind").parquet(root)
    if not fs.exists(folder_of(root, Kind.COUNTRY)):
        _write_none(counts.sparkSession, Kind.COUNTRY, root)
    return int(seen.get["rows"] or 0)


def write_users(counts: DataFrame, root: str) -> None:
    """Writes what `run.by_user` counted."""
    counts.sortWithinPartitions("user_id", "sng_id").write.parquet(folder_of(root, Kind.USER))


def _write_none(spark: SparkSession, kind: Kind, root: str) -> None:
    """A day without good rows is a day all the same, and its dataset has a schema."""
    nothing = spark.range(0).selectExpr(
        *(f"CAST(NULL AS {typed.split()[1]}) AS {typed.split()[0]}" for typed in kind.schema.split(", "))
    )
    nothing.coalesce(1).write.parquet(folder_of(root, kind))


@dataclass
class LogRejects:
    """What is corrupt of a log."""

    rows: int = 0
    bytes: int = 0


def take_rejects(
    spark: SparkSession, fs: FileSystem, root: str
) -> tuple[dict[str, int], dict[int, LogRejects]]:
    """The rejected rows that `write_countries` wrote, by reason and by log; their folder is removed."""
    folder = join(root, f"kind={REJECTS}")
    by_reason = Tally().rejects
    by_log: defaultdict[int, LogRejects] = defaultdict(LogRejects)
    if fs.exists(folder):
        rows = spark.read.schema("country STRING, sng_id BIGINT, streams BIGINT").parquet(literal(folder))
        for reason, log, count in rows.collect():
            if reason == REJECTED_BYTES:
                by_log[log].bytes += count
            else:
                by_reason[reason] += count
                by_log[log].rows += count
        fs.remove(folder)
    return {reason: by_reason[reason] for reason in REASONS}, by_log


def written(fs: FileSystem, folder: str) -> dict[str, int]:
    """The files of a kind that was just written, with their sizes. Spark writes one at least.

    Where machines do not share what `file:` names, the executors' files are where the driver does not look.
    """
    found = {entry.path: entry.bytes for entry in fs.list(folder) if entry.name.endswith(".parquet")}
    if not found:
        raise Failed(
            f"{folder}: the files that the executors wrote cannot be seen from the driver; "
            "use a file system that all machines share"
        )
    return found


def _raw(spark: SparkSession, kind: Kind, paths: Iterable[str]) -> DataFrame:
    return spark.read.schema(kind.schema).parquet(*map(literal, paths))


def read(spark: SparkSession, kind: Kind, paths: Iterable[str]) -> DataFrame:
    """The counts in these files. A value that no count has fails the task that meets it.

    A column that a file lacks is read as null, and so refused; a column of another type is refused by
    the reader.
    """
    return _raw(spark, kind, paths).select(kind.key, "sng_id", _checked(kind).alias("streams"))


def _checked(kind: Kind) -> Column:
    counts = F.col("sng_id").isNotNull() & (F.col("sng_id") >= 0) & (F.col("streams") >= 1)
    if kind is Kind.USER:
        key = F.col("user_id").isNotNull() & (F.col("user_id") >= 0)
    else:
        key = F.col("country").rlike(r"^[A-Z]{2}\z")
    message = f"{DAMAGED}: a row is not a count of {kind.key} and song"
    error = F.raise_error(F.lit(message)).cast("bigint")
    return F.when(key & counts, F.col("streams")).otherwise(error)


DAMAGED = "agg-spark: damaged partial"
"""Start of the message of a task that found a row that is not a count."""


def measure(
    spark: SparkSession, kind: Kind, paths: Iterable[str], size: int, *, digest: bool = True
) -> Measure:
    """Reads files of about `size` bytes and returns their sums.

    Without `digest` only the keys and the streams are read, and the digests are 0. Hashes are joined by
    exclusive or, so that no order shows; a row that is there twice is found by the number of entries and
    streams. Users of a sample of the rows are groups of their own, so the same pass finds the heavy ones.
    """
    every = max(1, size // BYTES_PER_ENTRY // SAMPLES)
    sampled = (F.rand(0) * every < 1) if kind is Kind.USER else F.lit(False)
    counts = (read if digest else _raw)(spark, kind, paths)
    columns = [kind.columns, kind.columns[::-1]] if digest else []
    hashes = [F.bit_xor(F.xxhash64(*names)) for names in columns] or [F.lit(0), F.lit(0)]
    groups = counts.groupBy(F.col("_metadata.file_name"), F.when(sampled, F.col(kind.key)))
    rows: Any = groups.agg(F.count(F.lit(1)), F.sum("streams"), *hashes).collect()
    return _total(rows, every)


def _total(rows: list[tuple[str, Any, int, int, int, int]], every: int) -> Measure:
    """Adds up the groups of `measure`."""
    files: dict[str, tuple[int, int]] = {}
    seen: Counter[int] = Counter()
    streams = 0
    for name, user, entries, more, high, low in rows:
        known, digest = files.get(name, (0, 0))
        files[name] = (known + entries, digest ^ ((high % 2**64) << 64 | low % 2**64))
        streams += more
        if user is not None:
            seen[user] += entries
    if streams >= 2**63:
        raise BadData("a sum exceeds 2^63-1: the counts are not counts of streams")
    total = sum(entries for entries, _ in files.values())
    least = max(HEAVY, total // 1000)
    return Measure(
        entries=total,
        streams=streams,
        digest=f"{reduce(xor, (digest for _, digest in files.values()), 0):032x}",
        files={name: (entries, f"{digest:032x}") for name, (entries, digest) in files.items()},
        heavy=sorted(user for user, hits in seen.items() if hits * every >= least),
    )


@dataclass(frozen=True)
class Facts:
    """The facts of a day that `agg export` wrote into the footers of its files."""

    digest: str
    """Of the partial that was exported."""
    tally: Tally | None
    """Nothing where the rejects are unknown."""


def export_facts(spark: SparkSession, day: datetime.date, paths: Sequence[str]) -> Facts | None:
    """What is in the footers of these files, or `None` where `agg export` wrote none of them.

    All of them have to say the same, so that no two exports are mixed.
    """
    told = {_footer(spark, path) for path in paths}
    if told == {None}:
        return None
    pairs = next(iter(told))
    if len(told) > 1 or pairs is None:
        raise BadData(f"{paths[0]}: its folder has files of several exports; export the day again")
    facts = dict(pairs)
    try:
        if facts["agg.format"] != "1":
            raise BadData(
                f"{paths[0]}: format {facts['agg.format']}, of a day with rules that this job does not have "
                f"({facts['agg.partials']}): count the day here"
            )
        if facts["agg.day"] != str(day):
            raise BadData(f"{paths[0]}: holds {facts['agg.day']}, not {day}; export the day again")
        (partial,) = json.loads(facts["agg.partials"])
        rejects = json.loads(facts["agg.rejects"])
        if rejects is None:
            return Facts(str(partial["digest"]), None)
        counts = {reason: int(rejects.get(reason, 0)) for reason in REASONS}
        return Facts(str(partial["digest"]), Tally(int(facts["agg.rows"]) - sum(counts.values()), counts))
    except (KeyError, TypeError, ValueError) as error:
        raise BadData(f"{paths[0]}: damaged footer ({error!r}); export the day again") from error


NO_FOOTER = ("is not a Parquet file", "corrupted file", "can not read class")
"""In what the Parquet reader says of files whose end is not that of a Parquet file."""


def _footer(spark: SparkSession, path: str) -> frozenset[tuple[str, str]] | None:
    jvm: Any = spark.sparkContext._jvm
    hadoop = jvm.org.apache.hadoop.fs.Path(path)
    configuration = spark.sparkContext._jsc.hadoopConfiguration()
    parquet = jvm.org.apache.parquet.hadoop
    file = parquet.util.HadoopInputFile.fromPath(hadoop, configuration)
    try:
        reader = parquet.ParquetFileReader.open(file)
    except Py4JJavaError as error:
        if any(words in str(error) for words in NO_FOOTER):
            raise BadData(f"{path}: damaged or cut off: export or reduce the day again") from error
        raise
    try:
        pairs = dict(reader.getFileMetaData().getKeyValueMetaData())
    finally:
        reader.close()
    ours = {key: value for key, value in pairs.items() if key.startswith("agg.")}
    return frozenset(ours.items()) if "agg.format" in ours else None
