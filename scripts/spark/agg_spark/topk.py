"""Stage 5: the best K songs of each key: most streams first, equal ones by song, lowest first.

`row_number` with a limit, which Spark turns into a group limit: it drops what is beyond K while it reads,
instead of numbering all of it (`spark.sql.optimizer.windowGroupLimitThreshold` has to allow K;
`job.context` sees to that).
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
    """The best songs of each key with their `place`. A key is in one partition."""
    return _ranked(sums, [kind.key], top)


def best_in_shares(sums: DataFrame, kind: Kind, top: int) -> DataFrame:
    """The best songs of each share of a key: at most K a share, and all of the best K of the key."""
    return _ranked(sums, [kind.key, SALT], top).drop(SALT, PLACE)


def _ranked(sums: DataFrame, group: list[str], top: int) -> DataFrame:
    order = Window.partitionBy(*group).orderBy(F.col("streams").desc(), F.col("sng_id").asc())
    return sums.withColumn(PLACE, F.row_number().over(order)).where(F.col(PLACE) <= top)
