"""Stage 5: sums to the best K songs of each key: most streams first, equal ones by song, lowest first.

In two steps, because a key may have all the songs of a window: the best K of each share of a key, then
the best K of what is left, which is at most K a share. Both are `row_number` with a limit, which Spark
turns into a group limit: it drops what is beyond K while it reads, instead of numbering all of it
(`spark.sql.optimizer.windowGroupLimitThreshold` has to allow K; `job.context` sees to that).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyspark.sql import Window
from pyspark.sql import functions as F

from agg_spark.model import SALT

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from agg_spark.model import Kind

PLACE = "place"
"""The column of the rank, from 1."""


def best(sums: DataFrame, kind: Kind, top: int) -> DataFrame:
    """The best songs of each key with their `place`; keys ascend from partition to partition.

    Cutting the keys into ranges reads a sample first, for which Spark sums the shares twice; what was
    shuffled before is not made again.
    """
    shares = _ranked(sums, [kind.key, SALT], top)
    return _ranked(shares.drop(SALT, PLACE).repartitionByRange(kind.key), [kind.key], top)


def _ranked(sums: DataFrame, group: list[str], top: int) -> DataFrame:
    order = Window.partitionBy(*group).orderBy(F.col("streams").desc(), F.col("sng_id").asc())
    return sums.withColumn(PLACE, F.row_number().over(order)).where(F.col(PLACE) <= top)
