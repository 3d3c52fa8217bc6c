"""A kill at any step leaves the old day or the new one; what is left is mended by the next run."""

from __future__ import annotations

import datetime
import itertools
from typing import TYPE_CHECKING

import pytest

from agg_spark.error import BadData, Failed
from agg_spark.fs import FileSystem
from agg_spark.model import REASONS, Kind, Tally
from agg_spark.partial import Part, folder_of
from agg_spark.store import (
    Record,
    Store,
    begin_emission,
    move_latest,
    published_manifest,
    put_emission,
)

if TYPE_CHECKING:
    from pathlib import Path

    from agg_spark.job.context import Context

DAY = datetime.date(2021, 12, 1)


class Killed(Exception):
    """Stands for the end of the process."""


class Mortal(FileSystem):
    """Dies before its n-th change."""

    changes = 1 << 30

    def _step(self) -> None:
        self.changes -= 1
        if self.changes < 0:
            raise Killed

    def move(self, source: str, target: str) -> None:
        self._step()
        super().move(source, target)

    def remove(self, path: str) -> None:
        self._step()
        super().remove(path)

    def replace(self, path: str, data: bytes) -> None:
        self._step()
        super().replace(path, data)


def write(fs: FileSystem, store: Store, text: str) -> Record:
    """Writes a day aside, each kind a file with a text."""
    commit, staging = store.begin(DAY)
    for kind in Kind:
        fs.replace(f"{folder_of(staging, kind)}/part-{commit}.parquet", text.encode())
    files = {kind: [Part(f"part-{commit}.parquet", len(text))] for kind in Kind}
    return Record(DAY, commit, "0" * 32, Tally(), [], files, dict.fromkeys(Kind, 1))


def reduce(fs: FileSystem, store: Store, text: str) -> None:
    record = write(fs, store, text)
    store.commit(record)
    store.publish(record)


def seen(fs: FileSystem, store: Store) -> set[str | None]:
    """The texts of both kinds, as a reader of the record finds them."""
    record = store.record(DAY)
    if record is None:
        return {None}
    texts: set[str | None] = set()
    for kind in Kind:
        files = store.files(record, kind)
        assert files is not None
        texts |= {fs.read(path).decode() for path in files}
    return texts


def test_a_kill_before_any_change_leaves_one_whole_day_and_a_rerun_succeeds(
    context: Context, tmp_path: Path
) -> None:
    outcomes: list[str] = []
    for step in itertools.count():
        root = str(tmp_path / str(step))
        fs = Mortal(context.spark)
        store = Store(fs, root, Part)
        reduce(fs, store, "old")
        fs.changes = step
        try:
            reduce(fs, store, "newer")
            done = True
        except Killed:
            done = False
        fs.changes = 1 << 30
        now = seen(fs, store)
        assert now in ({"old"}, {"newer"})
        outcomes.append(str(now.pop()))
        reduce(fs, store, "last")
        assert seen(fs, store) == {"last"}
        for kind in Kind:
            assert [fs.read(e.path) for e in fs.list(store.folder(kind, DAY))] == [b"last"]
        assert fs.list(f"{store.root}/_staging") == []
        if done:
            break
    # Some kills came before the commit, some behind it, and never the old day behind the new one.
    assert outcomes == sorted(outcomes, reverse=True)
    assert outcomes.count("old") > 2
    assert outcomes.count("newer") > 5


def test_a_copy_that_was_cut_while_it_was_put_in_place_is_made_again(
    context: Context, tmp_path: Path
) -> None:
    fs = context.fs
    store = Store(fs, str(tmp_path), Part)
    reduce(fs, store, "old")
    record = write(fs, store, "newer")
    store.commit(record)
    # As an object store has it: the old folder is moved, of the new one a part was copied.
    staging = f"{store.root}/_staging/{DAY}.{record.commit}"
    fs.move(store.folder(Kind.USER, DAY), f"{staging}/replaced-user")
    fs.replace(f"{store.folder(Kind.USER, DAY)}/part-{record.commit}.parquet", b"ne")
    assert seen(fs, store) == {"newer"}
    store.publish(record)
    assert seen(fs, store) == {"newer"}
    assert [e.bytes for e in fs.list(store.folder(Kind.USER, DAY))] == [5]


def test_a_record_comes_back_as_it_was_and_a_damaged_one_is_refused(context: Context, tmp_path: Path) -> None:
    fs = context.fs
    store = Store(fs, str(tmp_path), Part)
    assert store.record(DAY) is None
    tally = Tally(5, {reason: place for place, reason in enumerate(REASONS)})
    files = {Kind.COUNTRY: [Part("a", 1), Part("b", 2)], Kind.USER: []}
    inputs: list[dict[str, object]] = [{"name": "a.log", "bytes": 5, "modified_ms": 7}]
    record = Record(DAY, "c", "d", tally, inputs, files, {Kind.COUNTRY: 3, Kind.USER: 4})
    store.commit(record)
    assert store.record(DAY) == record
    path = store.record_path(DAY)
    whole = fs.read(path)
    for damaged in [b"", b"{}", b"[]", whole[:-9], whole.replace(b'"format": 1', b'"format": 2')]:
        fs.replace(path, damaged)
        with pytest.raises(BadData):
            store.record(DAY)


def test_a_small_file_is_replaced_on_every_kind_of_file_system(context: Context, tmp_path: Path) -> None:
    fs = context.fs
    path = str(tmp_path / "folder" / "file")
    for text in [b"one", b"two"]:
        fs.replace(path, text)
        assert fs.read(path) == text
    system, location = fs._at(path)
    fs._replace_by_rename(system, location, b"as on HDFS")
    assert fs.read(path) == b"as on HDFS"
    fs._write(system, location, b"as on an object store")
    assert fs.read(path) == b"as on an object store"
    # A checksum that Hadoop left beside it does not belong to what comes next.
    fs.replace(path, b"again")
    assert fs.read(path) == b"again"
    assert [entry.name for entry in fs.list(str(tmp_path / "folder"))] == ["file"]


def test_an_emission_is_swapped_whole_and_a_kill_is_mended(context: Context, tmp_path: Path) -> None:
    for step in itertools.count():
        fs = Mortal(context.spark)
        out = str(tmp_path / str(step))

        def emit(text: bytes, fs: Mortal = fs, out: str = out) -> None:
            built = begin_emission(fs, out, DAY)
            fs.replace(f"{built}/manifest.json", text)
            put_emission(fs, out, DAY, built)

        emit(b'{"is": "old"}')
        fs.changes = step
        try:
            emit(b'{"is": "new"}')
            done = True
        except Killed:
            done = False
        fs.changes = 1 << 30
        assert published_manifest(fs, out, DAY) in ({"is": "old"}, {"is": "new"}, None)
        begin_emission(fs, out, DAY)
        assert published_manifest(fs, out, DAY) in ({"is": "old"}, {"is": "new"})
        assert [entry.name for entry in fs.list(out)] == [str(DAY)]
        if done:
            break
    assert step > 3


def test_a_folder_that_is_no_emission_is_left_alone(context: Context, tmp_path: Path) -> None:
    out = str(tmp_path)
    (tmp_path / str(DAY)).mkdir()
    (tmp_path / str(DAY) / "listen.log").write_bytes(b"1|2|FR\n")
    built = begin_emission(context.fs, out, DAY)
    context.fs.replace(f"{built}/manifest.json", b"{}")
    with pytest.raises(Failed):
        put_emission(context.fs, out, DAY, built)
    assert (tmp_path / str(DAY) / "listen.log").exists()


def test_the_latest_date_never_moves_back(context: Context, tmp_path: Path) -> None:
    for day, latest in [(2, 2), (1, 2), (3, 3)]:
        move_latest(context.fs, str(tmp_path), datetime.date(2021, 12, day))
        assert (tmp_path / "latest.txt").read_text() == f"2021-12-0{latest}\n"
