"""One Spark session for all tests, and the rules of rows as the repository's oracle has them."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from pyspark.sql import SparkSession

from agg_spark.job.context import Context

if TYPE_CHECKING:
    from collections.abc import Iterator

HOSTILE: dict[str, bool | float | int | str | None] = {
    "spark.sql.ansi.enabled": "false",
    "spark.sql.ansi.doubleQuotedIdentifiers": "true",
    "spark.sql.parser.escapedStringLiterals": "true",
    "spark.sql.caseSensitive": "false",
    "spark.sql.adaptive.enabled": "false",
    "spark.sql.requireAllClusterKeysForDistribution": "true",
    "spark.sql.optimizer.windowGroupLimitThreshold": "-1",
    "spark.sql.execution.useObjectHashAggregateExec": "true",
    "spark.sql.files.ignoreCorruptFiles": "true",
    "spark.sql.files.ignoreMissingFiles": "true",
    "spark.sql.files.ignoreInvalidPartitionPaths": "true",
    "spark.sql.files.ignoredPathSegmentRegex": "^[^._]",
    "spark.sql.files.archive.reader.enabled": "true",
    "spark.sql.files.maxRecordsPerFile": "1",
    "spark.sql.sources.useV1SourceList": "",
    "spark.sql.sources.commitProtocolClass": (
        "org.apache.spark.sql.execution.streaming.ManifestFileCommitProtocol"
    ),
    "spark.sql.sources.outputCommitterClass": "org.apache.hadoop.mapreduce.lib.output.FileOutputCommitter",
    "spark.sql.sources.partitionOverwriteMode": "dynamic",
    "spark.sql.parquet.output.committer.class": "org.apache.hadoop.mapreduce.lib.output.FileOutputCommitter",
    "spark.sql.parquet.compression.codec": "none",
    "spark.sql.parquet.writeLegacyFormat": "true",
    "spark.sql.parquet.fieldId.read.enabled": "true",
    "spark.sql.parquet.mergeSchema": "true",
    "spark.sql.legacy.sizeOfNull": "true",
    # Cannot be changed once a session is there.
    "spark.sql.legacy.sessionInitWithConfigDefaults": "true",
    "spark.hadoop.mapreduce.input.linerecordreader.line.maxlength": "6",
    "spark.hadoop.mapreduce.input.pathFilter.class": "no.such.Filter",
    "spark.hadoop.mapreduce.output.basename": "other",
    "spark.hadoop.mapreduce.output.fileoutputformat.compress": "true",
    "spark.hadoop.mapreduce.outputcommitter.factory.class": "no.such.Factory",
    "spark.hadoop.mapreduce.outputcommitter.factory.scheme.s3a": "no.such.Factory",
    "spark.hadoop.mapreduce.fileoutputcommitter.algorithm.version": "2",
    "spark.hadoop.mapreduce.fileoutputcommitter.marksuccessfuljobs": "true",
    "spark.hadoop.mapreduce.fileoutputcommitter.cleanup.skipped": "true",
    "spark.hadoop.mapreduce.fileoutputcommitter.cleanup-failures.ignored": "true",
    "spark.hadoop.parquet.page.write-checksum.enabled": "false",
    "spark.hadoop.parquet.page.verify-checksum.enabled": "false",
    "spark.hadoop.parquet.summary.metadata.level": "ALL",
    "spark.hadoop.parquet.read.filter": "no.such.Filter",
    "spark.hadoop.parquet.private.read.filter.predicate": "no predicate",
    "spark.hadoop.io.compression.codecs": "org.apache.hadoop.io.compress.Lz4Codec",
    "spark.hadoop.fs.s3a.create.conditional.enabled": "false",
}
"""What a cluster may have set, and the job sets otherwise."""

REPOSITORY = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(REPOSITORY / "tests" / "oracle"))


@pytest.fixture(scope="session")
def context(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Context]:
    builder = (
        SparkSession.builder.master("local[2]")
        .config("spark.ui.enabled", "false")
        .config("spark.driver.bindAddress", "127.0.0.1")
        .config("spark.driver.host", "127.0.0.1")
        .config("spark.sql.shuffle.partitions", "3")
        # Little is worth compiling here.
        .config("spark.driver.extraJavaOptions", "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC")
        .config("spark.local.dir", str(tmp_path_factory.mktemp("local")))
        .config(map=HOSTILE)
    )
    spark = builder.getOrCreate()
    spark.sparkContext.setLogLevel("OFF")
    yield Context.start("tests")
    spark.stop()


@pytest.fixture(scope="session")
def spark(context: Context) -> SparkSession:
    return context.spark


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waits for no disk: the kills of these tests are those of a process."""
    monkeypatch.setattr(os, "fsync", lambda _: None)
