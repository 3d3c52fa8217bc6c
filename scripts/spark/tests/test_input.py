"""Files, dates, and where rows begin and end."""

from __future__ import annotations

import gzip
import random
from typing import TYPE_CHECKING

import oracle  # type: ignore[import-not-found]
import pytest

from agg_spark import input as logs_input
from agg_spark.error import BadData, Missing, Usage

if TYPE_CHECKING:
    import datetime
    from pathlib import Path

    from agg_spark.job.context import Context

BOM = b"\xef\xbb\xbf"


def rows(context: Context, path: Path) -> list[bytes]:
    found = logs_input.read(context.spark, logs_input.find(context.fs, [str(path)]))
    return sorted(bytes(row[0]) for row in found.collect())


def names(context: Context, *named: Path) -> list[str]:
    return [log.name for log in logs_input.find(context.fs, [str(path) for path in named])]


def test_a_folder_gives_its_logs_in_byte_order_and_nothing_else(context: Context, tmp_path: Path) -> None:
    for name in ["b.log", "a.txt.gz", "B.txt", "c.log.zst", "d.csv", ".e.log", "f.log.bz2", "_SUCCESS"]:
        (tmp_path / name).write_bytes(name.encode())
    (tmp_path / "folder.log").mkdir()
    assert names(context, tmp_path) == ["B.txt", "a.txt.gz", "b.log", "c.log.zst"]
    assert names(context, tmp_path / "*.csv", tmp_path / "b.log") == ["d.csv", "b.log"]


def test_what_is_not_there_is_missing(context: Context, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for path in [tmp_path / "none.log", tmp_path / "*.log", tmp_path / "empty"]:
        with pytest.raises(Missing):
            names(context, path)


def test_a_log_that_is_named_twice_or_differs_in_compression_alone_is_refused(
    context: Context, tmp_path: Path
) -> None:
    for name in ["a.log", "a.log.gz"]:
        (tmp_path / name).write_bytes(b"x")
    for named in [("a.log", "a.log"), ("a.log", "a.log.gz"), (".", "a.log")]:
        with pytest.raises(BadData):
            names(context, *(tmp_path / name for name in named))


def test_one_log_under_two_names_is_refused(context: Context, tmp_path: Path) -> None:
    (tmp_path / "a.log").write_bytes(b"1|2|FR\n")
    (tmp_path / "b.log").write_bytes(b"1|3|FR\n")
    assert names(context, tmp_path) == ["a.log", "b.log"]
    other = tmp_path / "c.log"
    other.symlink_to("a.log")
    with pytest.raises(BadData):
        names(context, tmp_path)
    other.unlink()
    other.hardlink_to(tmp_path / "a.log")
    with pytest.raises(BadData):
        names(context, tmp_path)
    other.unlink()
    (tmp_path / "c.log").write_bytes(b"1|2|FR\n")
    with pytest.raises(BadData):
        names(context, tmp_path)


def test_what_spark_would_lose_without_a_word_is_refused(context: Context, tmp_path: Path) -> None:
    (tmp_path / "_a.log").write_bytes(b"1|2|FR\n")
    with pytest.raises(Usage):
        names(context, tmp_path / "_a.log")
    # Hadoop would decompress them, where `agg` takes their bytes for rows.
    for name in ["a.log.bz2", "a.log.BZ2", "a.log.GZ", "a.log.gzip", "a.log.lz4"]:
        (tmp_path / name).write_bytes(b"1|2|FR\n")
        with pytest.raises(Usage):
            rows(context, tmp_path / name)
    (tmp_path / "a.log.gz").write_bytes(b"")
    with pytest.raises(BadData):
        names(context, tmp_path / "a.log.gz")


def test_dates_are_found_as_agg_finds_them() -> None:
    table = {
        "listen-20211201.log": "2021-12-01",
        "sample_listen-2021-12-01_2Mlines.log": "2021-12-01",
        "20211201": "2021-12-01",
        "x2021-12-01y": "2021-12-01",
        "120211201.log": "",
        "2021-12-011": "",
        "20211301 20210229 19691231 22000101": "",
        "2021-12-01-20211201": "2021-12-01",
        "2021-12-01 20211202": "2021-12-01 2021-12-02",
        "2021-1-01 2021_12_01": "",
    }
    found = {name: " ".join(map(str, sorted(logs_input.dates_in(name)))) for name in table}
    assert found == table
    assert all(oracle.days_in(name) == logs_input.dates_in(name) for name in table)


def test_the_day_is_told_by_the_name_or_else_by_the_folder() -> None:
    def day(*paths: str) -> datetime.date:
        return logs_input.day_of(logs_input.Log(path, path.rsplit("/", 1)[1], 1, 1) for path in paths)

    assert str(day("file:/20210101/a-20211201.log")) == "2021-12-01"
    assert str(day("file:/l-2021-12-01/a.log", "file:/b-20211201.log")) == "2021-12-01"
    for wrong in [("file:/logs/a.log",), ("file:/a-20211201-20211202.log",)]:
        with pytest.raises(BadData):
            day(*wrong)
    with pytest.raises(BadData):
        day("file:/a-20211201.log", "file:/a-20211202.log")


def test_a_mark_is_dropped_at_the_start_of_a_file_alone(context: Context, tmp_path: Path) -> None:
    contents = {
        "plain.log": BOM + b"1|2|FR\r\n" + BOM + b"3|4|FR\n",
        "twice.log": BOM + BOM + b"1|2|FR",
        "second.log": b"\n" + BOM + b"1|2|FR",
        "alone.log": BOM,
        "blank.log": BOM + b"\n",
        "part.log": BOM[:2] + b"1",
    }
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    packed = BOM + b"1|2|F"
    (tmp_path / "members.log.gz").write_bytes(gzip.compress(packed) + gzip.compress(b"R\n" + BOM + b"\n"))
    found = {name: rows(context, tmp_path / name) for name in [*contents, "members.log.gz"]}
    assert found == {
        "plain.log": [b"1|2|FR\r", BOM + b"3|4|FR"],
        "twice.log": [BOM + b"1|2|FR"],
        "second.log": [b"", BOM + b"1|2|FR"],
        "alone.log": [],
        "blank.log": [b""],
        "part.log": [BOM[:2] + b"1"],
        "members.log.gz": [b"1|2|FR", BOM],
    }


def test_rows_are_the_same_wherever_a_file_is_split(context: Context, tmp_path: Path) -> None:
    dice = random.Random(5)
    pieces = [b"\n", b"\r\n", b"\r", BOM, b"\xff\xe2", b"1|2|FR", b"7", b"\xc3\xa9"]
    log = tmp_path / "a.log"
    key = "spark.sql.files.maxPartitionBytes"
    try:
        for size in [2, 7, 16]:
            content = b"".join(dice.choice(pieces) for _ in range(30))
            log.write_bytes(content)
            context.spark.conf.set(key, str(size))
            expected = content.removeprefix(BOM).split(b"\n")
            if expected[-1] == b"":
                expected.pop()
            assert rows(context, log) == sorted(expected)
    finally:
        context.spark.conf.unset(key)


def test_names_with_signs_of_patterns_are_read_as_they_are(context: Context, tmp_path: Path) -> None:
    (tmp_path / "a[1]{2}?.log").write_bytes(b"odd\n")
    (tmp_path / "a12x.log").write_bytes(b"other\n")
    (tmp_path / "with space & %41.log").write_bytes(b"space\n")
    logs = [log for log in logs_input.find(context.fs, [str(tmp_path)]) if log.name != "a12x.log"]
    found = logs_input.read(context.spark, logs).collect()
    assert sorted(bytes(row[0]) for row in found) == [b"odd", b"space"]


def test_a_log_that_changed_is_refused(context: Context, tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    log.write_bytes(b"1|2|FR\n")
    logs = logs_input.find(context.fs, [str(log)])
    logs_input.refuse_changed(context.fs, logs)
    log.write_bytes(b"1|2|FR\n3|4|FR\n")
    with pytest.raises(BadData):
        logs_input.refuse_changed(context.fs, logs)
    log.unlink()
    with pytest.raises(BadData):
        logs_input.refuse_changed(context.fs, logs)
