"""Stage 3: rows to the exact counts of a day.

Each task counts what it reads before anything travels, and what travels is spread by key *and* song. So
one user or country with all the rows of a day is as much work for every task as any other day is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from agg_spark.model import REJECTS, Kind

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


def by_country(rows: DataFrame) -> DataFrame:
    """Streams by country and song, and rejected rows by reason: the result of one reading of the logs.

    Columns `kind`, `country`, `sng_id`, `streams`; under the kind `rejects` the country is the reason and
    the song the hash of the log's address. The rejects are groups like any other because a group is counted
    once however often a task is repeated; an accumulator, or a metric observed before a shuffle, is not.
    """
    good = F.col("reason").isNull()
    return (
        rows.select(
            F.when(good, F.lit(Kind.COUNTRY.value)).otherwise(F.lit(REJECTS)).alias("kind"),
            F.coalesce("reason", "country").alias("country"),
            F.when(good, F.col("sng_id")).otherwise(F.xxhash64(F.input_file_name())).alias("sng_id"),
        )
        .groupBy("kind", "country", "sng_id")
        .agg(F.count(F.lit(1)).alias("streams"))
    )


def by_user(rows: DataFrame) -> DataFrame:
    """Streams by user and song: columns `user_id`, `sng_id`, `streams`."""
    return (
        rows.where(F.col("reason").isNull())
        .groupBy("user_id", "sng_id")
        .agg(F.count(F.lit(1)).alias("streams"))
    )
