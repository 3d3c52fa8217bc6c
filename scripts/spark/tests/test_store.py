"""A kill at any step leaves the old day or the new one; what is left is mended by the next run."""

from __future__ import annotations

import datetime
import errno
import itertools
import os
import re
from typing import TYPE_CHECKING

import pytest

from agg_spark import leftover
from agg_spark.error import BadData, CannotCreate, Failed, JobError, Locked
from agg_spark.fs import FileSystem, join
from agg_spark.model import REASONS, Kind, Tally
from agg_spark.partial import Part, folder_of
from agg_spark.store import Record, Store, Write

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


class Copying(Mortal):
    """Moves and removes file by file, as object stores do; each file is a change."""

    def _files(self, path: str) -> list[str]:
        entry = self.look(path)
        if entry is None:
            return []
        if not entry.is_folder:
            return [path]
        return [file for inside in self.list(path) for file in self._files(join(path, inside.name))]

    def move(self, source: str, target: str) -> None:
        if self.exists(target):
            raise Failed(f"{target}: is in the way")
        files = self._files(source)
        assert files, source
        for file in files:
            super().replace(target + file.removeprefix(source), self.read(file))
        self.remove(source)

    def remove(self, path: str) -> None:
        for file in self._files(path):
            super().remove(file)
        # No folder outlives its files there.
        FileSystem.remove(self, path)


NAMES = ("0", "1")


def write(fs: FileSystem, store: Store, text: str) -> tuple[Write, Record]:
    """Writes a day aside, each kind in two files of the same text."""
    write = store.begin(DAY, force=True)
    names = [f"part-{number}-{write.commit}.parquet" for number in NAMES]
    for kind, name in itertools.product(Kind, names):
        FileSystem.replace(fs, f"{folder_of(write.folder, kind)}/{name}", text.encode())
    files = {kind: [Part(name, len(text)) for name in names] for kind in Kind}
    return write, Record(DAY, write.commit, "0" * 32, Tally(), [], files, dict.fromkeys(Kind, 1))


def reduce(fs: FileSystem, store: Store, text: str) -> Record:
    begun, record = write(fs, store, text)
    store.confirm(begun, record)
    store.commit(record)
    store.publish(record)
    return record


def committed(context: Context, folder: Path) -> tuple[FileSystem, Store, Write, Record]:
    """A store with an old day in place, and a newer one that counts and is not in place yet."""
    store = Store(context.fs, str(folder), Part)
    reduce(context.fs, store, "old")
    begun, record = write(context.fs, store, "newer")
    store.commit(record)
    return context.fs, store, begun, record


def texts_in_place(fs: FileSystem, store: Store) -> list[str]:
    """What a reader of the folders finds when no run is at work."""
    files = [entry.path for kind in Kind for entry in fs.list(store.folder(kind, DAY))]
    return [fs.read(path).decode() for path in files]


def seen(fs: FileSystem, store: Store) -> set[str | None]:
    """The texts of both kinds, as a reader of the record finds them."""
    record = store.record(DAY)
    if record is None:
        return {None}
    texts: set[str | None] = set()
    for kind in Kind:
        files = store.files(record, kind)
        assert files is not None
        assert len(files) == len(NAMES)
        texts |= {fs.read(path).decode() for path in files}
    return texts


@pytest.mark.parametrize("kind_of_fs", [Mortal, Copying])
def test_a_kill_before_any_change_leaves_one_whole_day_and_a_rerun_succeeds(
    context: Context, tmp_path: Path, kind_of_fs: type[Mortal]
) -> None:
    outcomes: list[str] = []
    for step in itertools.count():
        fs = kind_of_fs(context.spark)
        store = Store(fs, str(tmp_path / str(step)), Part)
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
        # A run of the same logs publishes; another one replaces, whatever is in place.
        record = store.record(DAY)
        assert record is not None
        if step % 2:
            store.publish(record)
            assert seen(fs, store) == {outcomes[-1]}
            assert texts_in_place(fs, store) == [outcomes[-1]] * 4
        reduce(fs, store, "last")
        assert seen(fs, store) == {"last"}
        assert texts_in_place(fs, store) == ["last"] * 4
        assert fs.list(f"{store.root}/_staging") == []
        if done:
            break
    # Some kills came before the commit, some behind it, and never the old day behind the new one.
    assert outcomes == sorted(outcomes, reverse=True)
    assert outcomes.count("old") > 0
    assert outcomes.count("newer") > 5


def test_a_copy_that_was_cut_is_completed_and_one_that_was_complete_is_kept(
    context: Context, tmp_path: Path
) -> None:
    fs, store, _, record = committed(context, tmp_path)
    staging = f"{store.root}/_staging/{DAY}.{record.commit}"
    names = [part.name for part in record.files[Kind.USER]]
    for kind in Kind:
        fs.move(store.folder(kind, DAY), f"{staging}/replaced-{kind.value}")
    # Amid the copying: one file is there, another in part.
    fs.replace(f"{store.folder(Kind.USER, DAY)}/{names[0]}", b"newer")
    fs.replace(f"{store.folder(Kind.USER, DAY)}/{names[1]}", b"ne")
    # Amid the deleting: all are there, and the last is left where it was written.
    for name in names:
        fs.replace(f"{store.folder(Kind.COUNTRY, DAY)}/{name}", b"newer")
    for name in names[:1]:
        fs.remove(f"{staging}/kind=country/{name}")
    assert seen(fs, store) == {"newer"}
    store.publish(record)
    assert seen(fs, store) == {"newer"}
    assert texts_in_place(fs, store) == ["newer"] * 4
    assert fs.list(f"{store.root}/_staging") == []


def test_a_committed_day_without_all_of_its_files_is_neither_put_in_place_nor_removed(
    context: Context, tmp_path: Path
) -> None:
    fs, store, begun, record = committed(context, tmp_path)
    fs.remove(f"{folder_of(begun.folder, Kind.USER)}/{record.files[Kind.USER][0].name}")
    with pytest.raises(BadData, match="reduce-day --force"):
        store.publish(record)
    assert store.files(record, Kind.USER) is None
    assert texts_in_place(fs, store) == ["old"] * 4
    assert len(store.files(record, Kind.COUNTRY) or []) == 2


def test_files_beside_those_of_the_record_are_refused_once_the_day_is_in_place(
    context: Context, tmp_path: Path
) -> None:
    fs, store, _, record = committed(context, tmp_path)
    # The files of the old day are in place still: no error.
    assert seen(fs, store) == {"newer"}
    store.publish(record)
    # What no reader takes for counts does not matter.
    fs.replace(f"{store.folder(Kind.USER, DAY)}/_SUCCESS", b"")
    assert seen(fs, store) == {"newer"}
    fs.replace(f"{store.folder(Kind.USER, DAY)}/part-0.parquet", b"of an export")
    with pytest.raises(BadData, match="two versions of 2021-12-01"):
        store.files(record, Kind.USER)
    reduce(fs, store, "last")
    assert seen(fs, store) == {"last"}


def test_of_two_runs_of_a_day_the_second_to_end_is_refused(context: Context, tmp_path: Path) -> None:
    fs = context.fs
    store = Store(fs, str(tmp_path), Part)
    for old in [False, True]:
        if old:
            reduce(fs, store, "old")
        first, record = write(fs, store, "first")
        second, other = write(fs, store, "second")
        # Neither took what the other had written.
        store.confirm(first, record)
        store.confirm(second, other)
        store.commit(record)
        store.publish(record)
        with pytest.raises(Locked, match="another run replaced 2021-12-01"):
            store.confirm(second, other)
        with pytest.raises(Locked):
            store.begin(DAY, force=False)
        store.discard(second)
        assert seen(fs, store) == {"first"}
    begun, record = write(fs, store, "swept")
    fs.remove(f"{begun.folder}/kind=country")
    with pytest.raises(Locked, match="is gone"):
        store.confirm(begun, record)


def test_what_killed_runs_left_is_swept_when_no_run_can_own_it(context: Context, tmp_path: Path) -> None:
    fs = context.fs
    store = Store(fs, str(tmp_path), Part)

    def left() -> set[str]:
        return {entry.name for folder in ("_staging", "_days") for entry in fs.list(f"{store.root}/{folder}")}

    long_ago = f"20211201T000000000000Z-{'0' * 32}"
    other_day = f"2021-12-02.{long_ago}"
    for name in (f"_staging/{DAY}.{long_ago}/x", f"_staging/{other_day}/x", f"_days/_tmp-{long_ago}"):
        fs.replace(f"{store.root}/{name}", b"x")
    fresh = leftover.temporary()
    fs.replace(f"{store.root}/_days/{fresh}", b"x")
    earlier, _ = write(fs, store, "killed")
    later, record = write(fs, store, "done")
    young = {f"{DAY}.{earlier.commit}", f"{DAY}.{later.commit}", other_day, fresh}
    assert left() == young
    store.commit(record)
    assert f"{DAY}.{earlier.commit}" in left()
    store.publish(record)
    assert left() == {f"{DAY}.json", other_day, fresh}


def test_a_record_comes_back_as_it_was_and_a_damaged_one_is_refused(context: Context, tmp_path: Path) -> None:
    fs = context.fs
    store = Store(fs, str(tmp_path), Part)
    assert store.record(DAY) is None
    tally = Tally(5, {reason: place for place, reason in enumerate(REASONS)})
    files = {Kind.COUNTRY: [Part("a", 1), Part("b", 2)], Kind.USER: [Part("c", 3)]}
    inputs: list[dict[str, object]] = [{"name": "a.log", "bytes": 5, "modified_ms": 7}]
    record = Record(DAY, "c", "d", tally, inputs, files, {Kind.COUNTRY: 3, Kind.USER: 4})
    store.commit(record)
    assert store.record(DAY) == record
    path = store.record_path(DAY)
    whole = fs.read(path)
    other_format = whole.replace(b'"format": 1', b'"format": 2')
    no_files = re.sub(rb'"files": \[[^]]*"c"[^]]*\]', b'"files": []', whole)
    assert len({whole, other_format, no_files}) == 3
    for damaged in [b"", b"{}", b"[]", whole[:-9], other_format, no_files]:
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


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes everywhere")
def test_a_folder_that_may_not_be_written_is_named(context: Context, tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(CannotCreate, match="cannot be written"):
            context.fs.replace(str(tmp_path / "record.json"), b"")
    finally:
        tmp_path.chmod(0o700)


def test_a_folder_where_a_file_should_be_is_named(context: Context, tmp_path: Path) -> None:
    path = tmp_path / "record.json"
    (path / "inside").mkdir(parents=True)
    with pytest.raises(CannotCreate, match="Is a directory"):
        context.fs.replace(str(path), b"")
    assert [entry.name for entry in tmp_path.iterdir()] == ["record.json"]


@pytest.mark.parametrize(
    ("number", "kind"), [(errno.ENOSPC, Failed), (errno.EACCES, CannotCreate), (errno.EROFS, CannotCreate)]
)
def test_what_a_local_disk_says_is_one_line_and_leaves_nothing(
    context: Context, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, kind: type[JobError]
) -> None:
    path = tmp_path / "record.json"
    context.fs.replace(str(path), b"old")

    def fails(_: int) -> None:
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", fails)
        with pytest.raises(JobError) as met:
            context.fs.replace(str(path), b"new")
    assert type(met.value) is kind
    assert str(path) in str(met.value)
    assert os.strerror(number) in str(met.value)
    assert [entry.read_bytes() for entry in tmp_path.iterdir()] == [b"old"]
