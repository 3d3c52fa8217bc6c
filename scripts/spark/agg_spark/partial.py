"""Stage 4: the counts of a day as Parquet, and back.

The dataset is that of `agg export`: `kind=country|user/day=YYYY-MM-DD/*.parquet` with the columns `country`
(string) or `user_id` (INT64), `sng_id` and `streams` (INT64), zstd. Files are sorted by key, then song; the
set of rows is what counts, not how it lies in files.

Left to others: where a day's files lie and when they count (`store`).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from py4j.protocol import Py4JJavaError
from pyspark.sql import functions as F

from agg_spark.error import BadData, Failed
from agg_spark.fs import join, literal
from agg_spark.model import REASONS, REJECTS, Kind, Tally

if TYPE_CHECKING:
    import datetime
    from collections.abc import Sequence

    from pyspark.sql import Column, DataFrame, SparkSession

    from agg_spark.fs import FileSystem


@dataclass(frozen=True)
class Part:
    """A Parquet file of a day."""

    name: str
    bytes: int


@dataclass(frozen=True)
class Measure:
    """What the counts of one kind come to."""

    entries: int
    streams: int
    digest: str
    """Of the set of rows: 32 hexadecimal digits, whatever files, order or engine they come from."""


def folder_of(root: str, kind: Kind) -> str:
    """The folder of a kind in the folder of a write."""
    return join(root, f"kind={kind.value}")


def write_countries(fs: FileSystem, counts: DataFrame, root: str) -> None:
    """Writes what `run.by_country` counted: a folder of countries and one of rejects."""
    counts.sortWithinPartitions("kind", "country", "sng_id").write.partitionBy("kind").parquet(root)
    if not fs.exists(folder_of(root, Kind.COUNTRY)):
        _write_none(counts.sparkSession, Kind.COUNTRY, root)


def write_users(counts: DataFrame, root: str) -> None:
    """Writes what `run.by_user` counted."""
    counts.sortWithinPartitions("user_id", "sng_id").write.parquet(folder_of(root, Kind.USER))


def _write_none(spark: SparkSession, kind: Kind, root: str) -> None:
    """A day without good rows is a day all the same, and its dataset has a schema."""
    nothing = spark.range(0).selectExpr(
        *(f"CAST(NULL AS {typed.split()[1]}) AS {typed.split()[0]}" for typed in kind.schema.split(", "))
    )
    nothing.coalesce(1).write.parquet(folder_of(root, kind))


def take_rejects(spark: SparkSession, fs: FileSystem, root: str) -> dict[str, int]:
    """The rejected rows by reason that `write_countries` wrote; their folder is removed."""
    folder = join(root, f"kind={REJECTS}")
    counts = Tally().rejects
    if fs.exists(folder):
        rows = spark.read.schema("country STRING, sng_id BIGINT, streams BIGINT").parquet(literal(folder))
        for reason, _, streams in rows.collect():
            counts[reason] += streams
        fs.remove(folder)
    return {reason: counts[reason] for reason in REASONS}


def parts(fs: FileSystem, folder: str) -> list[Part]:
    """The Parquet files in a folder, by name; none if there is no folder."""
    return [
        Part(entry.name, entry.bytes)
        for entry in fs.list(folder)
        if entry.name.endswith(".parquet") and not entry.name.startswith(("_", "."))
    ]


def written(fs: FileSystem, folder: str) -> list[Part]:
    """The files of a kind that was written just now. Spark writes one at least, of no rows too.

    Where machines do not share what `file:` names, the executors' files are where the driver does not look.
    """
    found = parts(fs, folder)
    if not found:
        raise Failed(
            f"{folder}: the files that the executors wrote cannot be seen from the driver: "
            "use a file system that all machines share"
        )
    return found


def read(spark: SparkSession, kind: Kind, paths: Sequence[str]) -> DataFrame:
    """The counts in these files. A value that no count has fails the task that meets it.

    A column that a file lacks is read as null, and so refused; a column of another type is refused by
    the reader.
    """
    frame = spark.read.schema(kind.schema).parquet(*map(literal, paths))
    return frame.select(kind.key, "sng_id", _checked(kind).alias("streams"))


def _checked(kind: Kind) -> Column:
    counts = F.col("sng_id").isNotNull() & (F.col("sng_id") >= 0) & (F.col("streams") >= 1)
    if kind is Kind.USER:
        key = F.col("user_id").isNotNull() & (F.col("user_id") >= 0)
    else:
        key = F.col("country").rlike(r"^[A-Z]{2}\z")
    message = f"{DAMAGED}: a row is no count of {kind.key} and song"
    error = F.raise_error(F.lit(message)).cast("bigint")
    return F.when(key & counts, F.col("streams")).otherwise(error)


DAMAGED = "agg-spark: damaged partial"
"""Begins the message of a task that met a row that is no count."""


def measure(counts: DataFrame, kind: Kind) -> Measure:
    """Reads all counts and tells what they come to.

    Hashes are joined by exclusive or, so that no order shows; a row that is there twice is found by the
    number of entries and streams.
    """
    columns = [F.col(column) for column in kind.columns]
    found: Any = counts.agg(
        F.count(F.lit(1)),
        F.coalesce(F.sum("streams"), F.lit(0)),
        F.coalesce(F.bit_xor(F.xxhash64(*columns)), F.lit(0)),
        F.coalesce(F.bit_xor(F.xxhash64(*reversed(columns))), F.lit(0)),
    ).head()
    entries, streams, high, low = found
    return Measure(entries, streams, f"{high % 2**64:016x}{low % 2**64:016x}")


def export_facts(spark: SparkSession, day: datetime.date, paths: Sequence[str]) -> Tally | None:
    """What `agg export` wrote of the day into the footers of these files.

    `None` if it wrote none of them, or where the rejects are unknown. All of them have to say the same, so
    that no two exports are mixed.
    """
    told = {_footer(spark, path) for path in paths}
    if told == {None}:
        return None
    pairs = next(iter(told))
    if len(told) > 1 or pairs is None:
        raise BadData(f"{paths[0]}: its folder has files of several exports: export the day again")
    facts = dict(pairs)
    try:
        if facts["agg.format"] != "1":
            raise BadData(
                f"{paths[0]}: format {facts['agg.format']}, of a day with rules that this job does not have "
                f"({facts['agg.partials']}): count the day here"
            )
        if facts["agg.day"] != str(day):
            raise BadData(f"{paths[0]}: holds {facts['agg.day']}, not {day}: export the day again")
        rejects = json.loads(facts["agg.rejects"])
        if rejects is None:
            return None
        counts = {reason: int(rejects[reason]) for reason in REASONS}
        return Tally(int(facts["agg.rows"]) - sum(counts.values()), counts)
    except (KeyError, ValueError) as error:
        raise BadData(f"{paths[0]}: its footer makes no sense ({error!r})") from error


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
