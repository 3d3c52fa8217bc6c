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
    "spark.sql.ansi.doubleQuotedIdentifiers": "false",
    "spark.sql.parser.escapedStringLiterals": "false",
    "spark.sql.caseSensitive": "true",
    # Cuts of a shuffle are joined by their actual sizes.
    "spark.sql.adaptive.enabled": "true",
    # Keys that are in ranges stay in them: the parts of a file are in the order of the keys.
    "spark.sql.requireAllClusterKeysForDistribution": "false",
    # `row_number() <= K` is a group limit for every K that may be asked for.
    "spark.sql.optimizer.windowGroupLimitThreshold": str(MAX_TOP + 1),
    # A key's songs are collected as they pass, in order, not in a table of all keys.
    "spark.sql.execution.useObjectHashAggregateExec": "false",
    # A damaged or vanished file is an error, never a shorter day.
    "spark.sql.files.ignoreCorruptFiles": "false",
    "spark.sql.files.ignoreMissingFiles": "false",
    "spark.sql.files.ignoreInvalidPartitionPaths": "false",
    # Files of other names are read, and a log is never an archive (Spark 4.3).
    "spark.sql.files.ignoredPathSegmentRegex": "^[._]",
    "spark.sql.files.archive.reader.enabled": "false",
    # A task writes one file, under the name that is expected, whatever commits it.
    "spark.sql.files.maxRecordsPerFile": "0",
    "spark.sql.sources.useV1SourceList": "avro,csv,json,kafka,orc,parquet,text",
    "spark.sql.sources.commitProtocolClass": (
        "org.apache.spark.sql.execution.datasources.SQLHadoopMapReduceCommitProtocol"
    ),
    "spark.sql.sources.partitionOverwriteMode": "static",
    "spark.sql.parquet.output.committer.class": "org.apache.parquet.hadoop.ParquetOutputCommitter",
    "spark.sql.parquet.compression.codec": "zstd",
    "spark.sql.parquet.writeLegacyFormat": "false",
    "spark.sql.parquet.fieldId.read.enabled": "false",
    "spark.sql.parquet.mergeSchema": "false",
}
"""What the answers depend on, whatever the cluster's defaults are."""

HADOOP_SETTINGS = {
    # A row of any length is a row.
    "mapreduce.input.linerecordreader.line.maxlength": str(2**31 - 1),
    "mapreduce.output.basename": "part",
    "mapreduce.output.fileoutputformat.compress": "false",
    # A task that is repeated must not leave two outputs.
    "mapreduce.fileoutputcommitter.algorithm.version": "1",
    "mapreduce.fileoutputcommitter.marksuccessfuljobs": "false",
    "mapreduce.fileoutputcommitter.cleanup.skipped": "false",
    "mapreduce.fileoutputcommitter.cleanup-failures.ignored": "false",
    # Pages carry checksums; have them checked.
    "parquet.page.write-checksum.enabled": "true",
    "parquet.page.verify-checksum.enabled": "true",
    "parquet.summary.metadata.level": "NONE",
    # On an object store that can compare, a record is replaced only if it is still the one that was seen.
    "fs.s3a.create.conditional.enabled": "true",
}

UNSET = (
    # Silently ignores files.
    "mapreduce.input.pathFilter.class",
    # Silently ignores rows.
    "parquet.read.filter",
    "parquet.private.read.filter.predicate",
    # Go before the committers above.
    "mapreduce.outputcommitter.factory.class",
    "mapreduce.outputcommitter.factory.scheme.s3a",
    "spark.sql.sources.outputCommitterClass",
)
"""What must not be set, by the cluster neither."""

CUTS_KEY = "spark.sql.shuffle.partitions"
SPLIT_KEY = "spark.sql.files.maxPartitionBytes"

LEGACY = "spark.sql.legacy."
"""Begins the settings that bring back what expressions meant in earlier versions."""

CLOUD_PROTOCOL = "org.apache.spark.internal.io.cloud.PathOutputCommitProtocol"
CLOUD_SETTINGS = {
    "spark.sql.sources.commitProtocolClass": CLOUD_PROTOCOL,
    "spark.sql.parquet.output.committer.class": (
        "org.apache.spark.internal.io.cloud.BindingParquetOutputCommitter"
    ),
}
CLOUD_HADOOP_SETTINGS = {
    "mapreduce.outputcommitter.factory.scheme.s3a": "org.apache.hadoop.fs.s3a.commit.S3ACommitterFactory",
    "fs.s3a.committer.name": "magic",
    "fs.s3a.committer.magic.enabled": "true",
}
"""Where spark-hadoop-cloud is there, the scheme of a path chooses the committer, and on S3 files are
written where they stay. Spark's own protocol would write past such a committer, so without that package
files are renamed."""

GZIP_CODEC = "org.apache.hadoop.io.compress.GzipCodec"
ZSTD_CODEC = "io.airlift.compress.zstd.ZstdCodec"
"""Reads `.zst` in plain Java; Spark brings it for ORC. Hadoop's own wants its native library."""

BYTES_PER_CUT = 32 << 20
"""Of a compressed dataset or a log; cuts that turn out small are joined again."""

MAX_CUTS = 1024
MIN_SPLIT = 128 << 20
SPLIT_PER_CUT = 3 << 19
"""A block of a shuffle is what one split has for one cut. At 0.65 bytes of shuffle for one of input, a
split of so many bytes for each cut makes blocks of 1 MB."""


def pieces(size: int, cores: int) -> tuple[int, int]:
    """Into how many cuts a shuffle goes for so many bytes of input, and the bytes of a split of the input."""
    cuts = min(max(2 * cores, -(-size // BYTES_PER_CUT)), max(2 * cores, MAX_CUTS))
    # Blocks are smaller where cores would have nothing to read.
    return cuts, max(MIN_SPLIT, min(cuts * SPLIT_PER_CUT, size // (2 * cores)))


def _has_class(spark: SparkSession, name: str) -> bool:
    """Hadoop opens no file at all when a named codec is missing."""
    try:
        spark.sparkContext._jsc.hadoopConfiguration().getClassByName(name)
    except Py4JJavaError:
        return False
    return True


@dataclass(frozen=True)
class Context:
    """Everything that a job is given besides its request."""

    spark: SparkSession
    fs: FileSystem

    @classmethod
    def start(cls, name: str) -> Context:
        """The session of `spark-submit`, or one of this machine's cores where there is none."""
        spark = SparkSession.builder.appName(name).getOrCreate()
        configuration = spark.sparkContext._jsc.hadoopConfiguration()
        hadoop = dict(HADOOP_SETTINGS)
        # Only these: a codec of the cluster may have the suffix of another.
        codecs = [ZSTD_CODEC, GZIP_CODEC] if _has_class(spark, ZSTD_CODEC) else [GZIP_CODEC]
        hadoop["io.compression.codecs"] = ",".join(codecs)
        settings = dict(SETTINGS)
        if _has_class(spark, CLOUD_PROTOCOL):
            settings |= CLOUD_SETTINGS
            hadoop |= CLOUD_HADOOP_SETTINGS
        legacy = [key for key in spark.conf.getAll if key.startswith(LEGACY)]
        for key in [*UNSET, *filter(spark.conf.isModifiable, legacy)]:
            spark.conf.unset(key)
            configuration.unset(key)
        # Those of the session go before those of Hadoop.
        for key, value in {**settings, **hadoop}.items():
            spark.conf.set(key, value)
        for key, value in hadoop.items():
            configuration.set(key, value)
        return cls(spark, FileSystem(spark))

    def cut(self, sizes: Iterable[int]) -> int:
        """Cuts the input and the shuffles that follow for so many bytes; says into how many pieces.

        `spark.sql.shuffle.partitions` and `spark.sql.files.maxPartitionBytes` of the command line go before
        it.
        """
        cuts, split = pieces(sum(sizes), self.spark.sparkContext.defaultParallelism)
        given = self.spark.sparkContext.getConf()
        if given.get(SPLIT_KEY) is None:
            self.spark.conf.set(SPLIT_KEY, str(split))
        configured = given.get(CUTS_KEY)
        if configured is not None:
            return int(configured)
        self.spark.conf.set(CUTS_KEY, str(cuts))
        return cuts
