"""The Spark session as the jobs need it, and how many pieces the work is cut into."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from py4j.protocol import Py4JJavaError
from pyspark.sql import SparkSession

from agg_spark.fs import FileSystem
from agg_spark.model import MAX_TOP

if TYPE_CHECKING:
    from collections.abc import Iterable

SETTINGS = {
    # Sums that exceed 2^63-1 are errors, not negative numbers.
    "spark.sql.ansi.enabled": "true",
    # Cuts of a shuffle are joined by what they turn out to hold.
    "spark.sql.adaptive.enabled": "true",
    # `row_number() <= K` is a group limit for every K that may be asked for.
    "spark.sql.optimizer.windowGroupLimitThreshold": str(MAX_TOP + 1),
    # A key's songs are collected as they pass, in order, not in a table of all keys.
    "spark.sql.execution.useObjectHashAggregateExec": "false",
    # A damaged or vanished file is an error, never a shorter day.
    "spark.sql.files.ignoreCorruptFiles": "false",
    "spark.sql.files.ignoreMissingFiles": "false",
    "spark.sql.parquet.compression.codec": "zstd",
    "spark.sql.caseSensitive": "true",
}
"""What the answers depend on, whatever the cluster's defaults are."""

HADOOP_SETTINGS = {
    # A task that is repeated must not leave two outputs.
    "mapreduce.fileoutputcommitter.algorithm.version": "1",
    "mapreduce.fileoutputcommitter.marksuccessfuljobs": "false",
    # Pages carry checksums; have them checked.
    "parquet.page.verify-checksum.enabled": "true",
}

ZSTD_CODEC = "io.airlift.compress.zstd.ZstdCodec"
"""Reads `.zst` in plain Java; Spark brings it for ORC. Hadoop's own wants its native library."""

BYTES_PER_CUT = 32 << 20
"""Of a compressed dataset or a log; cuts that turn out small are joined again."""


def _has_class(spark: SparkSession, name: str) -> bool:
    """Hadoop opens no file at all when a codec that is named is not there."""
    try:
        spark.sparkContext._jsc.hadoopConfiguration().getClassByName(name)
    except Py4JJavaError:
        return False
    return True


@dataclass(frozen=True)
class Context:
    """What every job works with."""

    spark: SparkSession
    fs: FileSystem

    @classmethod
    def start(cls, name: str) -> Context:
        """The session of `spark-submit`, or one of this machine's cores where there is none."""
        builder = SparkSession.builder.appName(name)
        spark = builder.getOrCreate()
        for key, value in SETTINGS.items():
            spark.conf.set(key, value)
        configuration = spark.sparkContext._jsc.hadoopConfiguration()
        for key, value in HADOOP_SETTINGS.items():
            configuration.set(key, value)
        if _has_class(spark, ZSTD_CODEC):
            # A codec of the same suffix that the cluster names behind it goes before it.
            named = [ZSTD_CODEC, *filter(None, [configuration.get("io.compression.codecs")])]
            configuration.set("io.compression.codecs", ",".join(named))
        return cls(spark, FileSystem(spark))

    def cut(self, sizes: Iterable[int]) -> int:
        """Cuts the shuffles that follow for so many bytes of input; tells into how many pieces.

        `spark.sql.shuffle.partitions` of the command line goes before it.
        """
        key = "spark.sql.shuffle.partitions"
        configured = self.spark.sparkContext.getConf().get(key)
        if configured is not None:
            return int(configured)
        cores = self.spark.sparkContext.defaultParallelism
        cuts = max(2 * cores, -(-sum(sizes) // BYTES_PER_CUT))
        self.spark.conf.set(key, str(cuts))
        return cuts
