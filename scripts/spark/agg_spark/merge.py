"""The days of a window to its sums.

The sum is a BIGINT under ANSI rules, so one that exceeds 2^63-1 fails the job; it never wraps. (A sum of
decimals would not fail, and take twice the memory.) Counts of different days are in different files, so
counting before they travel would save nothing: they are put into place by hand, and the aggregation finds
them there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from agg_spark.model import SALT

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from agg_spark.model import Kind


def summed(counts: DataFrame, kind: Kind) -> DataFrame:
    """Streams by key and song over all days, in ranges of keys. A key is in one partition."""
    placed = counts.repartitionByRange(kind.key)
    return placed.groupBy(kind.key, "sng_id").agg(F.sum("streams").alias("streams"))


def summed_in_shares(counts: DataFrame, kind: Kind, salts: int) -> DataFrame:
    """Streams by key and song over all days, with the songs of each key in `salts` shares.

    A share of a key is in one partition, so what follows can rank it in place, and the largest key is work
    for as many tasks as there are shares.
    """
    salted = counts.withColumn(SALT, F.pmod(F.xxhash64("sng_id"), F.lit(salts)).cast("int"))
    placed = salted.repartition(kind.key, SALT)
    return placed.groupBy(kind.key, SALT, "sng_id").agg(F.sum("streams").alias("streams"))
