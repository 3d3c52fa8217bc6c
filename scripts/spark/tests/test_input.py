"""Files, dates, and where rows begin and end."""

from __future__ import annotations

import datetime
import gzip
import os
import random
import re
from types import SimpleNamespace
from typing import TYPE_CHECKING

import listing  # type: ignore[import-not-found]
import pytest

from agg_spark import input as logs_input
from agg_spark import names
from agg_spark.error import BadData, Missing, Usage
from agg_spark.fs import FileSystem

if TYPE_CHECKING:
    from pathlib import Path

    from agg_spark.job.context import Context

BOM = b"\xef\xbb\xbf"


def find(context: Context, *named: object) -> list[logs_input.Log]:
    return logs_input.find(context.fs, [str(path) for path in named], None).logs


def rows(context: Context, path: Path) -> list[bytes]:
    found = logs_input.read(context.spark, find(context, path))
    return sorted(bytes(row[0]) for row in found.collect())


def found_names(context: Context, *named: object) -> list[str]:
    return [log.name for log in find(context, *named)]


def test_a_folder_gives_its_logs_at_every_depth_and_says_what_it_skips(
    context: Context, tmp_path: Path
) -> None:
    logs = ["b.log", "a.txt.gz", "c.log.zst", "web1/part-0", "web1/2021/12/01.log", "20211201", "d.log.1"]
    others = {
        "d.csv": "table",
        "e.log.part": "arriving",
        "f.dat": "not_a_log",
        "archive/a.log": "set_aside",
        "store/_days/2021-12-01.json": "of_agg",
    }
    for name in [*logs, *others, ".e.log", "_SUCCESS", "a.md5", "lost+found/a.log"]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(name.encode())
    found = logs_input.find(context.fs, [str(tmp_path)], None)
    below = len(f"file:{tmp_path}/")
    assert sorted(log.path[below:] for log in found.logs) == sorted(logs)
    assert {(path[below:].split("/")[0], why) for path, why in found.skipped} == {
        (name.split("/")[0], why) for name, why in others.items()
    }
    assert found_names(context, tmp_path / "*.csv", tmp_path / "b.log") == ["d.csv", "b.log"]


def test_patterns_are_those_of_a_shell_with_the_day_in_them(context: Context, tmp_path: Path) -> None:
    for name in ["2021/12/01/a.log", "2021/12/02/b.log", "a:b.log", "x[1].log", ".h.log", "100%Y.log"]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    for pattern, expected in {
        "*.log": ["100%Y.log", "a:b.log", "x[1].log"],
        "a:b.log": ["a:b.log"],
        "?:[a-c].log": ["a:b.log"],
        "x[1].log": ["x[1].log"],
        r"x\[1].l*": ["x[1].log"],
        "{x,.h}*": ["x[1].log"],
        ".*.log": [".h.log"],
        "**/[!b].log": ["a.log"],
        "2021/*/0[12]/*": ["a.log", "b.log"],
        "%Y/%m/%d/*": ["b.log"],
        "100%Y.log": ["100%Y.log"],
    }.items():
        day = datetime.date(2021, 12, 2)
        found = [entry.name for entry in logs_input._entries(context.fs, f"{tmp_path}/{pattern}", day)]
        assert found == expected, pattern
    with pytest.raises(Usage, match="need --date"):
        find(context, tmp_path / "%Y-%m-%d.log")


def test_what_is_not_there_is_missing(context: Context, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for path in [tmp_path / "none.log", tmp_path / "*.log", tmp_path / "empty"]:
        with pytest.raises(Missing):
            find(context, path)


def test_a_log_counts_once_however_often_it_is_named(context: Context, tmp_path: Path) -> None:
    (tmp_path / "a.log").write_bytes(b"1|2|FR\n")
    for named in [("a.log", "a.log"), (".", "a.log"), ("*", ".")]:
        assert found_names(context, *(tmp_path / name for name in named)) == ["a.log"]


def test_of_a_log_that_is_there_in_several_forms_the_plain_one_counts(
    context: Context, tmp_path: Path
) -> None:
    whole = b"1|2|FR\n3|4|GB"
    zstd = bytes(context.fs._zstd.Zstd.compress(bytearray(whole)))
    forms = {"a.log": whole, "a.log.gz": gzip.compress(whole), "a.log.zst": zstd}
    for name, content in forms.items():
        (tmp_path / name).write_bytes(content)
    found = logs_input.find(context.fs, [str(tmp_path)], None)
    assert [log.name for log in found.logs] == ["a.log"]
    assert [log.name for log, _ in found.forms] == ["a.log.gz", "a.log.zst"]
    assert logs_input.compare_forms(context.fs, found.forms) == []
    assert found_names(context, tmp_path / "a.log.zst", tmp_path / "a.log.gz") == ["a.log.gz"]
    # What is damaged is not yet complete, or no longer needed.
    (tmp_path / "a.log.gz").write_bytes(forms["a.log.gz"][:-1])
    found = logs_input.find(context.fs, [str(tmp_path)], None)
    ((path, why),) = logs_input.compare_forms(context.fs, found.forms)
    assert (path, why[:8]) == (f"file:{tmp_path}/a.log.gz", "damaged;")
    (tmp_path / "a.log.gz").write_bytes(gzip.compress(whole + b"\n"))
    found = logs_input.find(context.fs, [str(tmp_path)], None)
    with pytest.raises(BadData, match=r"a\.log\.gz: has other content than .*a\.log, whose compressed form"):
        logs_input.compare_forms(context.fs, found.forms)


def test_what_hadoop_does_not_list_is_an_error_and_not_a_shorter_day(
    context: Context, tmp_path: Path
) -> None:
    (tmp_path / "a.log").write_bytes(b"1|2|FR\n")
    (tmp_path / "README.md").symlink_to("nowhere")
    (tmp_path / ".hidden.log").symlink_to("nowhere")
    assert found_names(context, tmp_path) == found_names(context, tmp_path / "*.log") == ["a.log"]
    (tmp_path / "b.log").symlink_to("nowhere")
    for named in [tmp_path, tmp_path / "*.log"]:
        with pytest.raises(Missing, match=r"b\.log: a link to nowhere"):
            find(context, named)
    (tmp_path / "b.log").unlink()
    for name in [b"\xff.log", b"\xff.d"]:
        odd = os.path.join(os.fsencode(tmp_path), name)
        os.mkdir(odd) if name.endswith(b".d") else os.symlink("a.log", odd)
        for named in [tmp_path, tmp_path / "*"]:
            with pytest.raises(Missing, match=r"a name that Java cannot read"):
                find(context, named)
        os.rmdir(odd) if name.endswith(b".d") else os.unlink(odd)


def test_links_to_folders_are_not_followed_and_pipes_are_refused(context: Context, tmp_path: Path) -> None:
    (tmp_path / "a.log").write_bytes(b"1|2|FR\n")
    (tmp_path / "again").symlink_to(".")
    found = logs_input.find(context.fs, [str(tmp_path)], None)
    assert [log.name for log in found.logs] == ["a.log"]
    assert found.skipped == [(f"file:{tmp_path}/again", "link")]
    os.mkfifo(tmp_path / "pipe.log")
    with pytest.raises(Usage, match=r"pipe\.log: not a file"):
        find(context, tmp_path)


def test_a_manifest_marks_a_folder_as_an_emission_by_its_content(context: Context, tmp_path: Path) -> None:
    emission = b'{"window": {}, "top": 50, "partials": []}'
    for name, content in {"logs": b'{"files": []}', "tops": emission}.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "part-0").write_bytes(b"1|2|FR\n")
        (tmp_path / name / "manifest.json").write_bytes(content)
    found = logs_input.find(context.fs, [str(tmp_path)], None)
    assert [log.path for log in found.logs] == [f"file:{tmp_path}/logs/part-0"]
    assert sorted(why for _, why in found.skipped) == ["not_a_log", "of_agg"]


def test_copies_are_found_with_one_reading_of_each_log(
    context: Context, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    large = bytes(logs_input.HEAD_BYTES)
    contents = {
        "a.log": b"1|2|FR\n",
        "b.log": b"1|3|FR\n",
        "c.log": b"1|2|FR\n",
        "e.log": b"",
        "f.log": b"",
        "g.log": large + b"1",
        "h.log": large + b"2",
        "i.log": large + b"1",
    }
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    (tmp_path / "d.log").symlink_to("a.log")
    logs = find(context, tmp_path)
    read: list[str] = []
    digest = FileSystem.digest

    def counted(fs: FileSystem, path: str) -> str:
        read.append(path)
        return digest(fs, path)

    monkeypatch.setattr(FileSystem, "digest", counted)
    pairs = [(log.name, other.name) for log, other in logs_input.copies(context.fs, logs)]
    assert sorted(pairs) == [("c.log", "a.log"), ("d.log", "a.log"), ("i.log", "g.log")]
    assert len(read) == len(set(read)) == 3


def test_what_spark_would_lose_without_a_word_is_refused(context: Context, tmp_path: Path) -> None:
    (tmp_path / "_a.log").write_bytes(b"1|2|FR\n")
    with pytest.raises(Usage):
        find(context, tmp_path / "_a.log")
    (tmp_path / "12:30.log").write_bytes(b"1|2|FR\n")
    with pytest.raises(Usage, match="colon"):
        find(context, tmp_path / "12:30.log")
    # Hadoop would decompress them, where `agg` goes by the content.
    for name in ["a.log.bz2", "a.log.BZ2", "a.log.GZ", "a.log.gzip", "a.log.lz4"]:
        (tmp_path / name).write_bytes(b"1|2|FR\n")
        with pytest.raises(Usage):
            rows(context, tmp_path / name)
    (tmp_path / "a.log.gz").write_bytes(b"")
    with pytest.raises(BadData):
        find(context, tmp_path / "a.log.gz")


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("a.log", gzip.compress(b"1|2|FR\n"), "gzip by its content; name it so (.gz)"),
        ("a.log", b"\x28\xb5\x2f\xfd", "zstd by its content; name it so (.zst)"),
        ("a.log.gz", b"1|2|FR\n", "text by its content; name it so (without .gz or .zst)"),
        ("a.log.zst", gzip.compress(b""), "gzip by its content; name it so (.gz)"),
        ("a.log", b"BZh91AY&SY", "bzip2 by its content; the job reads text, .gz and .zst"),
        ("a.log.bz2", b"BZh91AY&SY", "bzip2 by its content; the job reads text, .gz and .zst"),
        ("a.log.xz", b"\xfd7zXZ\0", "xz by its content; the job reads text, .gz and .zst"),
        ("a.log", b"\xff\xfe1\0", "this is UTF-16 text, not a log"),
        ("a.log.gz", gzip.compress(b"PK\x03\x04"), "this is a zip archive in a .gz file, not a log"),
        ("a.log.gz", gzip.compress(gzip.compress(b"")), "this is gzip data in a .gz file, not a log"),
    ],
)
def test_a_log_whose_content_is_not_what_its_name_says_is_refused(
    context: Context, tmp_path: Path, name: str, content: bytes, told: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(BadData, match=re.escape(told)):
        logs_input.refuse_other_formats(context.fs, find(context, tmp_path / name))
    (tmp_path / name).write_bytes(b"PK|2|FR\n" if name == "a.log" else b"")
    if name == "a.log":
        logs_input.refuse_other_formats(context.fs, find(context, tmp_path / name))


def skippable(content: bytes) -> bytes:
    return b"\x50\x2a\x4d\x18" + len(content).to_bytes(4, "little") + content


def test_zero_padding_and_skippable_frames_are_read_as_agg_reads_them(
    context: Context, tmp_path: Path
) -> None:
    whole = b"1|2|FR\n" * 30_000 + b"3|4|GB"
    frame = bytes(context.fs._zstd.Zstd.compress(bytearray(whole)))
    member = gzip.compress(whole)
    contents = {
        "plain.log.gz": member,
        "empty.log.gz": gzip.compress(b""),
        "padded.log.gz": member + bytes(512),
        "short.log.gz": member + bytes(4),
        "members.log.gz": member + gzip.compress(b"\n5|6|FR\n") + bytes(3_000_000),
        "padded.log.zst": frame + bytes(16),
        "pzstd.log.zst": skippable(b"size") + frame + skippable(b"size") + frame,
        "seekable.log.zst": frame + skippable(bytes(9) + b"\xb1\xea\x92\x8f"),
    }
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    expected = dict.fromkeys(contents, whole)
    expected |= {"empty.log.gz": b"", "members.log.gz": whole + b"\n5|6|FR\n", "pzstd.log.zst": whole + whole}
    for name, text in expected.items():
        logs = find(context, tmp_path / name)
        readable = logs_input.without_padding(context.fs, logs, str(tmp_path / "copies"))
        assert (readable == logs) == (name in ("plain.log.gz", "empty.log.gz")), name
        read = [bytes(row[0]) for row in logs_input.read(context.spark, readable).collect()]
        assert b"\n".join(read) == text.removesuffix(b"\n"), name


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("garbage.log.gz", gzip.compress(b"1|2|FR\n") + b"x" + bytes(20)),
        ("cut.log.gz", gzip.compress(b"1|2|FR\n")[:-8] + bytes(20)),
        ("cut.log.zst", skippable(b"size") + b"\x28\xb5\x2f\xfd"),
        ("zeros.log.gz", bytes(100)),
    ],
)
def test_padding_after_a_damaged_stream_does_not_repair_it(
    context: Context, tmp_path: Path, name: str, content: bytes
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(BadData, match="damaged, truncated"):
        logs_input.without_padding(context.fs, find(context, tmp_path / name), str(tmp_path / "copies"))


def test_names_mean_what_they_mean_to_agg() -> None:
    dice = random.Random(1)
    pieces = (
        "listen - _ . 20211201 2021-12-01 2021_12_01 2021120113 20211201139 log .log .txt .gz .zst .1 .999"
    )
    pieces += " .1000 part- .csv .part .tmp .ok ~ .md5 SHA1SUMS _SUCCESS 20210229 aabbccddeeff0011 12 x 1"
    pieces += " 19870315-9f2c-4d11-8a77-aabbccddeeff 20211202 -20211201"
    for _ in range(20_000):
        name = "".join(dice.choices(pieces.split(), k=dice.randrange(1, 6)))
        assert names.dates_in(name) == set(listing.days_in(name)), name
        size = dice.randrange(2)
        file = SimpleNamespace(name=name, stat=lambda size=size: SimpleNamespace(st_size=size))
        assert names.why_no_log(name, size) == listing.reason_of(file), name


@pytest.mark.parametrize(
    "path", ["2021/12/01", "year=2021/month=12/day=1", "day=2021-12-01/hour=00", "x/2021", "1/2/3"]
)
def test_folders_are_dated_as_agg_dates_them(path: str) -> None:
    assert names.dates_of_folders(path.split("/")) == set(listing.dates_of_folders(path.split("/")))


def test_the_day_is_that_of_the_name_or_else_of_the_folders() -> None:
    def day(*paths: str, offset: int = 0) -> str:
        logs = [
            logs_input.Log(path, path.rsplit("/", 1)[1], 1, 1, tuple(path.split("/")[:-1])) for path in paths
        ]
        return str(logs_input.day_of(logs, datetime.timedelta(offset)))

    assert day("20210101/a-20211201.log") == "2021-12-01"
    assert day("l-2021-12-01/a.log", "x/b-20211201.log", offset=-1) == "2021-11-30"
    assert day("2021/12/01.log", "year=2021/month=12/day=1/part-0") == "2021-12-01"
    for wrong in [("logs/a.log",), ("x/a-20211201-20211202.log",), ("x/a-20211201.log", "x/a-20211202.log")]:
        with pytest.raises(BadData):
            day(*wrong)


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
    logs = [log for log in find(context, tmp_path) if log.name != "a12x.log"]
    found = logs_input.read(context.spark, logs).collect()
    assert sorted(bytes(row[0]) for row in found) == [b"odd", b"space"]


def test_a_log_that_changed_is_refused(context: Context, tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    log.write_bytes(b"1|2|FR\n")
    logs = find(context, log)
    logs_input.refuse_changed(context.fs, logs)
    log.write_bytes(b"1|2|FR\n3|4|FR\n")
    with pytest.raises(BadData):
        logs_input.refuse_changed(context.fs, logs)
    log.unlink()
    with pytest.raises(BadData):
        logs_input.refuse_changed(context.fs, logs)
