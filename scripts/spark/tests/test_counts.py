"""From rows to tops: `run`, `partial`, `merge` and `topk`, held against plain dictionaries."""

from __future__ import annotations

import datetime
import random
from collections import Counter
from functools import reduce
from operator import xor
from typing import TYPE_CHECKING, Any

import pytest
from pyspark.sql import functions as F

from agg_spark import merge, partial, run
from agg_spark.error import BadData
from agg_spark.job.emit_window import tops
from agg_spark.model import MAX_TOP, REASONS, Kind

if TYPE_CHECKING:
    from pathlib import Path

    from pyspark.sql import DataFrame, SparkSession

    from agg_spark.job.context import Context

MAX_ID = 2**63 - 1


def counts(spark: SparkSession, kind: Kind, rows: list[tuple[Any, int, int]]) -> DataFrame:
    return spark.createDataFrame(rows, kind.schema)


def plan(frame: DataFrame) -> str:
    return str(frame._jdf.queryExecution().executedPlan().toString())


def test_a_day_is_counted_by_country_with_its_rejects_and_by_user(spark: SparkSession) -> None:
    good = [(None, 1, 2, "FR"), (None, 1, 3, "FR"), (None, 1, 2, "GB"), (None, MAX_ID, 2, "FR")]
    bad = [("blank", None, None, None), ("country", 1, 2, "XX"), ("country", 1, 2, None)]
    rows = spark.createDataFrame(
        [*good, *bad], "reason STRING, sng_id BIGINT, user_id BIGINT, country STRING"
    ).withColumn("bytes", F.lit(10))
    # Rows that come from no log have one hash.
    found = [tuple(row) for row in run.by_country(rows).collect()]
    by_country = {(kind, key, 0 if kind == "rejects" else song, n) for kind, key, song, n in found}
    assert by_country == {
        ("country", "FR", 1, 2),
        ("country", "FR", MAX_ID, 1),
        ("country", "GB", 1, 1),
        ("rejects", "blank", 0, 1),
        ("rejects", "bytes", 0, 10),
        ("rejects", "country", 0, 2),
        ("rejects", "bytes", 0, 20),
    }
    assert {tuple(row) for row in run.by_user(rows).collect()} == {(2, 1, 2), (3, 1, 1), (2, MAX_ID, 1)}


def test_one_user_or_country_with_all_rows_is_spread_over_the_tasks(spark: SparkSession) -> None:
    rows = spark.range(3000).selectExpr(
        "CAST(NULL AS STRING) AS reason",
        # Spark knows how a range is cut: of another column, it does not.
        "2999 - id AS sng_id",
        "id % 1 AS user_id",
        "IF(id < 0, 'GB', 'FR') AS country",
        "7 AS bytes",
    )
    # As they are cut, not as they are joined again for being small.
    kept = {"coalescePartitions.enabled", "localShuffleReader.enabled"}
    for setting in kept:
        spark.conf.set(f"spark.sql.adaptive.{setting}", "false")
    try:
        counted = [run.by_user(rows), run.by_country(rows)]
        one_key = counts(spark, Kind.USER, [(0, song, 1) for song in range(3000)])
        counted.append(merge.summed_in_shares(one_key, Kind.USER, 50))
        for frame in counted:
            shares = frame.rdd.mapPartitions(lambda rows: [sum(1 for _ in rows)]).collect()
            assert len(shares) == 3
            assert max(shares) < 1500
    finally:
        for setting in kept:
            spark.conf.set(f"spark.sql.adaptive.{setting}", "true")


def test_what_is_written_is_read_again_and_rejects_are_taken_out(context: Context, tmp_path: Path) -> None:
    spark, fs, root = context.spark, context.fs, str(tmp_path / "day")
    counted = spark.createDataFrame(
        [
            ("country", "FR", 1, 2),
            ("rejects", "blank", 3, 5),
            ("rejects", "bytes", 3, 20),
            ("rejects", "user_id", 3, 7),
            ("rejects", "bytes", 3, 40),
        ],
        "kind STRING, country STRING, sng_id BIGINT, streams BIGINT",
    )
    assert partial.write_countries(fs, counted, root) == 14
    partial.write_users(counts(spark, Kind.USER, [(5, 1, 1), (MAX_ID, 1, 1)]), root)
    rejects, by_log = partial.take_rejects(spark, fs, root)
    assert by_log == {3: partial.LogRejects(rows=12, bytes=60)}
    assert rejects == {**dict.fromkeys(REASONS, 0), "blank": 5, "user_id": 7}
    assert list(rejects) == list(REASONS)
    assert sorted(entry.name for entry in fs.list(root)) == ["kind=country", "kind=user"]
    read = partial.read(spark, Kind.USER, [partial.folder_of(root, Kind.USER)])
    assert sorted(tuple(row) for row in read.collect()) == [(5, 1, 1), (MAX_ID, 1, 1)]
    assert all(size > 0 for size in partial.written(fs, partial.folder_of(root, Kind.COUNTRY)).values())


def test_a_day_without_good_rows_has_files_with_the_columns(context: Context, tmp_path: Path) -> None:
    spark, fs, root = context.spark, context.fs, str(tmp_path / "day")
    counted = spark.createDataFrame(
        [("rejects", "blank", 0, 5)], "kind STRING, country STRING, sng_id LONG, streams LONG"
    )
    partial.write_countries(fs, counted, root)
    partial.write_users(counts(spark, Kind.USER, []), root)
    for kind in Kind:
        folder = partial.folder_of(root, kind)
        assert partial.written(fs, folder)
        assert tuple(spark.read.parquet(folder).columns) == kind.columns
        assert partial.measure(spark, kind, [folder], 0) == partial.Measure(0, 0, "0" * 32, {}, [])


def measured(
    spark: SparkSession, folder: Path, rows: list[tuple[Any, int, int]], *, digest: bool = True
) -> partial.Measure:
    """Writes users in two files and measures them."""
    frame = counts(spark, Kind.USER, rows).repartition(2, "sng_id")
    frame.write.mode("overwrite").parquet(str(folder))
    return partial.measure(spark, Kind.USER, [str(folder)], 0, digest=digest)


def test_a_digest_is_of_the_rows_and_of_nothing_else(spark: SparkSession, tmp_path: Path) -> None:
    rows = [(1, 2, 3), (1, 3, 3), (2, 1, 1), (2, 5, 1)]
    one = measured(spark, tmp_path, rows)
    assert (one.entries, one.streams, len(one.digest)) == (4, 8, 32)
    assert sum(entries for entries, _ in one.files.values()) == 4
    assert f"{reduce(xor, (int(digest, 16) for _, digest in one.files.values())):032x}" == one.digest
    assert measured(spark, tmp_path, rows[::-1]).digest == one.digest
    for changed in [[(1, 2, 4), *rows[1:]], rows[1:], [*rows, (9, 9, 9)]]:
        assert measured(spark, tmp_path, changed).digest != one.digest
    without = measured(spark, tmp_path, rows, digest=False)
    assert (without.entries, without.streams, int(without.digest, 16)) == (4, 8, 0)


def test_users_with_very_many_songs_are_found_in_the_same_pass(spark: SparkSession, tmp_path: Path) -> None:
    one = "IF(id < 140000, 7, 9 + id % 3)"
    spark.range(300_000).selectExpr(f"{one} AS user_id", "id AS sng_id", "1L AS streams").write.parquet(
        str(tmp_path / "users")
    )
    for size in [0, 100 * partial.BYTES_PER_ENTRY * partial.SAMPLES]:
        assert partial.measure(spark, Kind.USER, [str(tmp_path / "users")], size).heavy == [7]


def test_an_exported_day_of_other_rules_is_refused_with_its_rules(
    spark: SparkSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    rules = '{"delimiter":";","columns":null,"header":true,"countries":"iso"}'
    partials = f'[{{"day":"2021-12-01","version":2,"digest":"5","rules":{rules}}}]'
    pairs = {"agg.format": "2", "agg.day": "2021-12-01", "agg.partials": partials}
    monkeypatch.setattr(partial, "_footer", lambda *_: frozenset(pairs.items()))
    with pytest.raises(BadData) as refusal:
        partial.export_facts(spark, datetime.date(2021, 12, 1), ["part-0.parquet"])
    words = str(refusal.value)
    assert words.startswith("part-0.parquet: format 2, of a day with rules that this job does not have")
    assert rules in words


@pytest.mark.parametrize(
    "columns",
    [
        "1L AS user_id, 1L AS sng_id, 0L AS streams",
        "-1L AS user_id, 1L AS sng_id, 1L AS streams",
        "1L AS user_id, CAST(NULL AS BIGINT) AS sng_id, 1L AS streams",
        "1L AS user, 1L AS sng_id, 1L AS streams",
        "1L AS user_id, 1L AS sng_id, '1' AS streams",
    ],
)
def test_rows_that_are_not_counts_are_refused(spark: SparkSession, tmp_path: Path, columns: str) -> None:
    spark.range(1).selectExpr(*columns.split(", ")).write.parquet(str(tmp_path / "bad"))
    with pytest.raises(Exception, match=f"{partial.DAMAGED}|FAILED_READ_FILE|CANNOT_CONVERT"):
        partial.measure(spark, Kind.USER, [str(tmp_path / "bad")], 0)


def naive_tops(rows: list[tuple[int, int, int]], top: int) -> set[tuple[int, int, int, int]]:
    sums: dict[int, Counter[int]] = {}
    for user, song, streams in rows:
        sums.setdefault(user, Counter())[song] += streams
    found = set()
    for user, songs in sums.items():
        best = sorted(songs.items(), key=lambda item: (-item[1], item[0]))[:top]
        found |= {(user, song, streams, place) for place, (song, streams) in enumerate(best, start=1)}
    return found


@pytest.mark.parametrize(("top", "salts", "heavy"), [(1, 1, []), (3, 2, [0]), (50, 7, [0, 5]), (50, 3, [99])])
def test_tops_are_those_of_the_obvious_program(
    spark: SparkSession, top: int, salts: int, heavy: list[int]
) -> None:
    dice = random.Random(top)
    # Few songs and streams: ties everywhere, and user 0 has more songs than anybody.
    rows = [
        (dice.choice([0, 0, dice.randrange(9)]), dice.randrange(120), dice.randrange(1, 3))
        for _ in range(900)
    ]
    best = tops(counts(spark, Kind.USER, rows), Kind.USER, top, salts, heavy)
    found = best.select("user_id", "sng_id", "streams", "place").collect()
    assert {tuple(row) for row in found} == naive_tops(rows, top)
    assert len(found) == len({tuple(row) for row in found})


def test_a_sum_over_the_largest_bigint_is_an_error(spark: SparkSession) -> None:
    rows = [(1, 1, MAX_ID - 1), (1, 1, 1)]
    kept = merge.summed(counts(spark, Kind.USER, rows), Kind.USER).collect()
    assert [row["streams"] for row in kept] == [MAX_ID]
    with pytest.raises(Exception, match="ARITHMETIC_OVERFLOW"):
        merge.summed(counts(spark, Kind.USER, [*rows, (1, 1, 1)]), Kind.USER).collect()


@pytest.mark.parametrize(
    ("kind", "rows", "heavy", "ranges", "hashes"),
    [
        (Kind.COUNTRY, [("FR", 1, 1)], [], 1, 1),
        (Kind.USER, [(7, 1, 1)], [], 1, 0),
        (Kind.USER, [(7, 1, 1)], [7], 1, 1),
    ],
)
def test_keys_that_are_not_divided_are_shuffled_once_and_each_group_is_limited(
    context: Context, tmp_path: Path, kind: Kind, rows: list[Any], heavy: list[int], ranges: int, hashes: int
) -> None:
    folder = str(tmp_path / "counts")
    counts(context.spark, kind, rows).write.parquet(folder)
    text = plan(tops(partial.read(context.spark, kind, [folder]), kind, MAX_TOP, 4, heavy))
    assert text.count("Exchange ") == ranges + hashes
    assert text.count("WindowGroupLimit") >= 1
    assert text.count(f"rangepartitioning({kind.key}") == ranges
    assert text.count(f"hashpartitioning({kind.key}") == hashes
    assert "RoundRobin" not in text
