"""Stage 3: rows to the exact counts of a day.

Each task counts what it reads before anything travels, and what travels is spread by key *and* song. So
one user or country with all the rows of a day is as much work for every task as any other day is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from agg_spark.model import REJECTED_BYTES, REJECTS, Kind
from agg_spark.row import BYTES

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


def by_country(rows: DataFrame) -> DataFrame:
    """Streams by country and song, and rejected rows by reason: the result of one reading of the logs.

    Columns `kind`, `country`, `sng_id`, `streams`; under the kind `rejects` the country is the reason and
    the song the hash of the log's address; the bytes of all are further rows under the reason
    `REJECTED_BYTES`. The rejects are groups like any other because a group is counted once however often a
    task is repeated; an accumulator, or a metric observed before a shuffle, is not.
    """
    good = F.col("reason").isNull()
    counts = (
        rows.select(
            F.when(good, F.lit(Kind.COUNTRY.value)).otherwise(F.lit(REJECTS)).alias("kind"),
            F.coalesce("reason", "country").alias("country"),
            F.when(good, F.col("sng_id")).otherwise(F.xxhash64(F.input_file_name())).alias("sng_id"),
            F.when(~good, F.col("bytes")).alias("bytes"),
        )
        .groupBy("kind", "country", "sng_id")
        .agg(F.count(F.lit(1)).alias("streams"), F.sum("bytes").alias("bytes"))
    )
    number = F.struct("country", "streams")
    size = F.struct(F.lit(REJECTED_BYTES).alias("country"), F.col("bytes").alias("streams"))
    both = F.when(F.col("bytes").isNull(), F.array(number)).otherwise(F.array(number, size))
    return counts.select("kind", "sng_id", F.inline(both)).select("kind", "country", "sng_id", "streams")


def by_log(raw: DataFrame) -> DataFrame:
    """Columns `file`, the address of each log as `F.input_file_name` has it, its `rows` and its `bytes`."""
    rows = raw.select(F.input_file_name().alias("file"), F.expr(BYTES).alias("bytes"))
    return rows.groupBy("file").agg(F.count(F.lit(1)).alias("rows"), F.sum("bytes").alias("bytes"))


def by_user(rows: DataFrame) -> DataFrame:
    """Streams by user and song: columns `user_id`, `sng_id`, `streams`."""
    return (
        rows.where(F.col("reason").isNull())
        .groupBy("user_id", "sng_id")
        .agg(F.count(F.lit(1)).alias("streams"))
    )
