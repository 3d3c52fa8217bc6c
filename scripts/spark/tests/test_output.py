"""Lines, parts in order, and the manifest."""

from __future__ import annotations

import datetime
import hashlib
from typing import TYPE_CHECKING

import pytest

from agg_spark import output
from agg_spark.error import Failed
from agg_spark.model import REASONS, Kind, Tally

if TYPE_CHECKING:
    from pathlib import Path

    from agg_spark.job.context import Context

DAY = datetime.date(2021, 12, 1)


def test_parts_are_in_the_order_of_keys_and_join_to_the_file_of_agg(context: Context, tmp_path: Path) -> None:
    spark, fs = context.spark, context.fs
    rows = [(user, song, 12 - song, song) for user in [9, 10, 100, 2**63 - 1] for song in range(1, 12)]
    best = spark.createDataFrame(rows, "user_id BIGINT, sng_id BIGINT, streams BIGINT, place INT")
    folder = str(tmp_path / "tops")
    # Sorted by key in each part, as `topk` gives them, but not by place.
    ordered = best.repartitionByRange(3, "user_id").sortWithinPartitions("user_id", "sng_id", ascending=False)
    keys = output.write(ordered.sortWithinPartitions("user_id"), Kind.USER, folder)
    parts = output.check(spark, fs, Kind.USER, folder, keys)
    assert (keys, [part.name[:10] for part in parts]) == (4, [f"part-{n:05}" for n in range(len(parts))])
    assert len({part.digests["xxh64"] for part in parts}) == len(parts)
    assert parts == output.check(spark, fs, Kind.USER, folder, keys)
    songs = ",".join(f"{song}:{12 - song}" for song in range(1, 12))
    expected = "".join(f"{user}|{songs}\n" for user in [9, 10, 100, 2**63 - 1]).encode()
    assert b"".join(fs.read(f"{folder}/{part.name}") for part in parts) == expected
    whole = output.join_parts(fs, folder, parts, "tops.txt")
    assert fs.read(str(tmp_path / "tops.txt")) == expected
    assert whole == output.File(
        "tops.txt", 4, len(expected), {"sha256": hashlib.sha256(expected).hexdigest()}
    )
    assert not fs.exists(folder)


def test_parts_are_in_the_order_of_their_numbers_however_many_digits_these_have(
    context: Context, tmp_path: Path
) -> None:
    folder = tmp_path / "tops[1]"  # a name that is a pattern, too
    folder.mkdir()
    for number in [99_998, 99_999, 100_000, 100_001]:
        (folder / f"part-{number:05}-0b1c.c000.txt").write_text(f"{number}|1:1\n")
    parts = output.check(context.spark, context.fs, Kind.USER, str(folder), 4)
    written = [context.fs.read(f"{folder}/{part.name}") for part in parts]
    assert written == [b"99998|1:1\n", b"99999|1:1\n", b"100000|1:1\n", b"100001|1:1\n"]


def test_parts_that_are_not_what_was_written_are_refused(context: Context, tmp_path: Path) -> None:
    for name, texts in {
        "overlapping": ["1|1:1\n3|1:1\n", "2|1:1\n"],
        "twice": ["1|1:1\n", "1|1:1\n"],
        "cut": ["1|1:1\n2|1:1"],
        "not all": ["1|1:1\n"],
        "none": [],
    }.items():
        folder = tmp_path / name
        folder.mkdir()
        for number, text in enumerate(texts):
            (folder / f"part-0000{number}-x.txt").write_text(text)
        with pytest.raises(Failed, match="all machines share"):
            output.check(context.spark, context.fs, Kind.USER, str(folder), 2)


def test_a_manifest_is_that_of_agg_but_for_its_digests() -> None:
    tally = Tally(3, {**dict.fromkeys(REASONS, 0), "blank": 1, "country": 1})
    sources = [output.Source(DAY, f"{10:032x}", 3, tally)]
    days = [DAY - datetime.timedelta(1), DAY]
    files = [output.File("top50_songs_per_user.txt", 1, 9, {"sha256": f"{11:064x}"})]
    expected = """{
  "window": {
    "from": "2021-11-30",
    "to": "2021-12-01",
    "days": 2
  },
  "top": 50,
  "partials": [
    {
      "day": "2021-12-01",
      "digest": "0000000000000000000000000000000a",
      "rows": 5,
      "rejected": 2
    }
  ],
  "missing": [
    "2021-11-30"
  ],
  "folder": "v=1",
  "files": [
    {
      "name": "top50_songs_per_user.txt",
      "keys": 1,
      "bytes": 9,
      "sha256": "000000000000000000000000000000000000000000000000000000000000000b"
    }
  ],
  "totals": {
    "rows": 5,
    "accepted": 3,
    "rejected": 2,
    "rejects": {
      "too_long": 0,
      "blank": 1,
      "field_count": 0,
      "song_id": 0,
      "user_id": 0,
      "country": 1
    }
  }
}
"""
    assert output.encode(output.manifest(days, 50, sources, "v=1", files)).decode() == expected


def test_what_a_day_came_without_is_null_in_the_manifest() -> None:
    tally = Tally(3, dict.fromkeys(REASONS, 0))
    sources = [output.Source(DAY, "a", 3, tally), output.Source(DAY, "b", 4, None)]
    document = output.manifest([DAY], 1, sources, "v=1", [])
    assert document["partials"][1] == {"day": "2021-12-01", "digest": "b", "rows": None, "rejected": None}
    assert document["totals"] == {"rows": None, "accepted": 7, "rejected": None, "rejects": None}
