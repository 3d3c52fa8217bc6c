"""What a cluster has set changes neither rows nor names, and the size of a day decides how it is cut."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from agg_spark import input as logs_input
from agg_spark.job import context as settings
from tests.conftest import HOSTILE

if TYPE_CHECKING:
    from pathlib import Path

    from agg_spark.job.context import Context


def test_all_tests_run_in_a_session_with_other_values_of_each_setting(context: Context) -> None:
    codecs = {"io.compression.codecs": f"{settings.ZSTD_CODEC},{settings.GZIP_CODEC}"}
    pinned = {**settings.SETTINGS, **settings.HADOOP_SETTINGS, **codecs}
    assert {*pinned, *settings.UNSET} <= {key.removeprefix("spark.hadoop.") for key in HOSTILE}
    hadoop = context.spark.sparkContext._jsc.hadoopConfiguration()
    given = context.spark.sparkContext.getConf()
    for key, value in HOSTILE.items():
        name = key.removeprefix("spark.hadoop.")
        assert given.get(key) == value
        assert pinned.get(name) != value, name
        if name == key and not context.spark.conf.isModifiable(name):
            continue
        found = hadoop.get(name) if name != key else context.spark.conf.get(name, None)
        assert found == pinned.get(name), name


def test_a_log_named_as_an_archive_is_read_as_text(context: Context, tmp_path: Path) -> None:
    log = tmp_path / "20211201.tar"
    log.write_bytes(b"1|2|FR\n")
    logs = logs_input.find(context.fs, [str(log)], None).logs
    assert logs_input.read(context.spark, logs).count() == 1


@pytest.mark.parametrize("billion_rows", [0.001, 0.03, 1, 10, 100, 1000])
@pytest.mark.parametrize("cores", [4, 256])
def test_blocks_of_a_shuffle_stay_large_unless_cores_would_have_no_work(
    billion_rows: float, cores: int
) -> None:
    size = int(billion_rows * 24.5e9)
    cuts, split = settings.pieces(size, cores)
    assert 2 * cores <= cuts <= 1024
    # A day that is small for the cluster is not cut finer than before.
    assert cuts <= max(2 * cores, -(-size // settings.BYTES_PER_CUT))
    # As many blocks as splits times cuts, at 0.65 bytes of shuffle for one of input.
    splits = -(-size // split)
    block = 0.65 * size / (splits * cuts)
    if billion_rows >= 100:
        assert block >= 0.95e6
    elif billion_rows >= 1:
        assert block >= 0.95e6 or splits <= 2 * cores + 1
        # As many tasks as there are cores, as far as splits have 128 MB.
        assert splits >= min(2 * cores, size // settings.MIN_SPLIT)
