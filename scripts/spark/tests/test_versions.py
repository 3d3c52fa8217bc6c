"""Days and emissions are replaced whole, on a file system and on an object store, whatever run is killed."""

from __future__ import annotations

import datetime
import errno
import itertools
import json
import os
from typing import TYPE_CHECKING, Any

import pytest

from agg_spark.emission import Emission
from agg_spark.error import BadData, CannotCreate, Failed, JobError, Locked
from agg_spark.fs import FileSystem, join
from agg_spark.model import REASONS, Kind, Tally
from agg_spark.store import Exported, Part, Record, Store
from tests import s3

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from agg_spark.job.context import Context
    from agg_spark.versions import Write

DAY = datetime.date(2021, 12, 1)
LONG_AGO = f"20211201T000000000000Z-{'0' * 32}"


class Killed(Exception):
    """Stands for the end of the process."""


class Mortal(FileSystem):
    """Dies before its n-th change."""

    changes = 1 << 30

    def _step(self) -> None:
        self.changes -= 1
        if self.changes < 0:
            raise Killed

    def replace(self, path: str, data: bytes, aside: str, seen: str | None) -> None:
        self._step()
        super().replace(path, data, aside, seen)

    def remove(self, path: str) -> None:
        self._step()
        super().remove(path)


class MortalStore(Mortal, s3.ObjectStore):
    """Dies before its n-th request that changes something; a folder is removed object by object."""

    def _delete(self, key: str) -> None:
        self._step()
        super()._delete(key)


@pytest.fixture(scope="module")
def client() -> Iterator[Any]:
    yield from s3.serve()


@pytest.fixture(params=["a file system", "an object store"])
def place(
    request: pytest.FixtureRequest, context: Context, client: Any, tmp_path: Path
) -> Callable[[], tuple[Mortal, str]]:
    """Gives a client and a root, on which nothing is yet; the next one, another."""
    numbers = itertools.count()
    if request.param == "a file system":
        return lambda: (Mortal(context.spark), str(tmp_path / str(next(numbers))))
    return lambda: (MortalStore(client), f"{tmp_path.name}/{next(numbers)}")


def put(fs: FileSystem, path: str, data: bytes) -> None:
    """Writes a file that is not a record."""
    fs.replace(path, data, f"{path}.aside", fs.state(path))


def write(
    fs: FileSystem, store: Store, text: str, replaces: list[Exported] | None = None
) -> tuple[Write, Record]:
    """Writes a version of a day, each kind in two files of the same text."""
    version = store.begin(DAY)
    files: dict[Kind, list[Part]] = {kind: [] for kind in Kind}
    for kind, number in itertools.product(Kind, range(2)):
        name = f"day={DAY}/v={version.id}/kind={kind.value}/part-{number}.parquet"
        put(fs, join(store.root, name), text.encode())
        files[kind].append(Part(name, len(text), 1, "0" * 32))
    return version, Record(DAY, version.id, "0" * 32, Tally(), [], files, [], replaces or [])


def reduce(fs: FileSystem, store: Store, text: str) -> Record:
    version, record = write(fs, store, text)
    store.commit(version, record)
    store.sweep(record)
    return record


def seen(fs: FileSystem, store: Store) -> str:
    """The text of the day, as a reader of the record finds it."""
    record = store.record(DAY)
    assert record is not None
    texts = {fs.read(path).decode() for paths in store.paths(record).values() for path in paths}
    assert len(texts) == 1
    return texts.pop()


def versions_of(fs: FileSystem, folder: str) -> list[str]:
    return [entry.name.removeprefix("v=") for entry in fs.list(folder) if entry.name.startswith("v=")]


def outcomes_of_kills(
    place: Callable[[], tuple[Mortal, str]],
    publish: Callable[[Mortal, str, str], object],
    look: Callable[[Mortal, str], tuple[str, list[str]]],
) -> list[str]:
    """What a reader finds after a kill before each change; a run after the kill succeeds."""
    outcomes = []
    for step in itertools.count():
        fs, root = place()
        publish(fs, root, "old")
        fs.changes = step
        try:
            publish(fs, root, "newer")
            done = True
        except Killed:
            done = False
        fs.changes = 1 << 30
        outcomes.append(look(fs, root)[0])
        publish(fs, root, "last")
        text, versions = look(fs, root)
        assert (text, len(versions)) == ("last", 1)
        if done:
            break
    # Some kills came before the commit, some after it, and never the old one after the new one.
    assert outcomes == sorted(outcomes, reverse=True)
    return outcomes


def test_a_kill_before_any_change_leaves_one_whole_day_and_a_rerun_succeeds(
    place: Callable[[], tuple[Mortal, str]],
) -> None:
    def look(fs: Mortal, root: str) -> tuple[str, list[str]]:
        store = Store(fs, root)
        return seen(fs, store), versions_of(fs, f"{store.root}/day={DAY}")

    outcomes = outcomes_of_kills(place, lambda fs, root, text: reduce(fs, Store(fs, root), text), look)
    assert outcomes.count("old") == 5
    assert outcomes.count("newer") > 1


def test_of_two_runs_of_a_day_the_second_to_commit_is_refused(
    place: Callable[[], tuple[Mortal, str]],
) -> None:
    fs, root = place()
    store = Store(fs, root)
    for _ in range(2):
        first, record = write(fs, store, "first")
        second, other = write(fs, store, "second")
        store.commit(first, record)
        with pytest.raises(Locked, match="another run replaced it"):
            store.commit(second, other)
        # What a run that was begun later has written stays until it is refused.
        store.sweep(record)
        assert versions_of(fs, f"{store.root}/day={DAY}") == [first.id, second.id]
        with pytest.raises(Locked):
            store.discard(DAY, second)
        assert versions_of(fs, f"{store.root}/day={DAY}") == [first.id]
        assert seen(fs, store) == "first"


def test_an_object_store_refuses_a_record_that_was_replaced_after_the_last_look(
    client: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fs = MortalStore(client)
    store = Store(fs, tmp_path.name)
    monkeypatch.setattr(FileSystem, "refuse_overtaken", lambda *_: None)
    for _ in range(2):
        first, record = write(fs, store, "first")
        second, other = write(fs, store, "second")
        store.commit(first, record)
        with pytest.raises(Locked):
            store.commit(second, other)
        # A write that is sent again because its answer was lost is refused because of itself.
        store.commit(first, record)
        assert seen(fs, store) == "first"


class Watched(FileSystem):
    """Lets another run work before or after the last look of this one."""

    before: Callable[[], None] = staticmethod(lambda: None)
    after: Callable[[], None] = staticmethod(lambda: None)

    def refuse_overtaken(self, path: str, seen: str | None) -> None:
        self.before()
        super().refuse_overtaken(path, seen)
        self.after()


class ByRename(Watched):
    """Replaces records as on HDFS."""

    def replace(self, path: str, data: bytes, aside: str, seen: str | None) -> None:
        system, location = self._at(path)
        self._replace_by_rename(system, location, data, aside, seen)


@pytest.mark.parametrize("kind", [Watched, ByRename])
@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_run_is_refused_if_another_commits_and_sweeps_before_its_rename(
    context: Context, tmp_path: Path, kind: type[Watched], moment: str
) -> None:
    fs = kind(context.spark)
    store, other = Store(fs, str(tmp_path)), Store(context.fs, str(tmp_path))
    for _ in range(2):
        first, record = write(context.fs, store, "first")
        setattr(fs, moment, lambda: reduce(context.fs, other, "second"))
        with pytest.raises(Exception, match=f"another run|No such file|{first.id}"):
            store.commit(first, record)
        setattr(fs, moment, lambda: None)
        with pytest.raises(Locked):
            store.discard(DAY, first)
        assert seen(fs, store) == "second"
        assert len(versions_of(fs, f"{store.root}/day={DAY}")) == 1


@pytest.mark.parametrize("kind", [Watched, ByRename])
def test_where_no_look_comes_between_the_later_run_wins_whole(
    context: Context, tmp_path: Path, kind: type[Watched]
) -> None:
    fs = kind(context.spark)
    store = Store(fs, str(tmp_path))
    first, record = write(context.fs, store, "first")
    second, other = write(context.fs, store, "second")
    fs.after = lambda: Store(context.fs, str(tmp_path)).commit(second, other)
    store.commit(first, record)
    assert seen(fs, store) == "first"
    # The other run finds the record of an older version when it sweeps, and leaves that alone.
    store.sweep(other)
    assert seen(fs, store) == "first"
    store.sweep(record)
    assert seen(fs, store) == "first"


def test_what_killed_runs_left_is_removed_when_no_run_can_own_it(
    place: Callable[[], tuple[Mortal, str]],
) -> None:
    fs, root = place()
    store = Store(fs, root)
    folder = f"{store.root}/day={DAY}"
    put(fs, f"{folder}/v={LONG_AGO}/x", b"x")
    put(fs, f"{folder}/notes/x", b"x")
    earlier, _ = write(fs, store, "killed")
    done, record = write(fs, store, "done")
    later, _ = write(fs, store, "at work")
    store.commit(done, record)
    assert versions_of(fs, folder) == [LONG_AGO, earlier.id, done.id, later.id]
    store.sweep(record)
    assert versions_of(fs, folder) == [done.id, later.id]
    assert next(entry.name for entry in fs.list(folder)) == "notes"


def test_files_that_are_not_as_the_record_has_them_are_refused(
    place: Callable[[], tuple[Mortal, str]],
) -> None:
    fs, root = place()
    store = Store(fs, root)
    record = reduce(fs, store, "old")
    path = join(store.root, record.files[Kind.USER][0].name)
    for gone in [False, True]:
        if gone:
            fs.remove(path)
        else:
            put(fs, path, b"longer")
        with pytest.raises(BadData, match=r"part-0\.parquet: not as the record"):
            store.paths(record)
    reduce(fs, store, "last")
    assert seen(fs, store) == "last"


def test_an_export_beside_a_record_is_refused_unless_the_day_replaces_it(
    place: Callable[[], tuple[Mortal, str]],
) -> None:
    fs, root = place()
    store = Store(fs, root)
    folder = f"{store.root}/kind=user/day={DAY}"
    for name in ["part-0.parquet", "_SUCCESS", ".part-0.parquet.crc"]:
        put(fs, f"{folder}/{name}", b"of an export")
    exported = store.export(DAY, None)
    assert [file.name for file in exported] == [f"kind=user/day={DAY}/part-0.parquet"]
    version, record = write(fs, store, "newer", exported)
    store.commit(version, record)
    # A kill came here: its files are there still.
    assert seen(fs, store) == "newer"
    store.sweep(record)
    assert store.export(DAY, None) == []
    put(fs, f"{folder}/part-0.parquet", b"of another export")
    with pytest.raises(BadData, match="two versions of 2021-12-01"):
        store.paths(record)


def test_a_record_comes_back_as_it_was_and_a_damaged_one_is_refused(context: Context, tmp_path: Path) -> None:
    fs, store = context.fs, Store(context.fs, str(tmp_path))
    assert store.record(DAY) is None
    tally = Tally(5, {reason: place for place, reason in enumerate(REASONS)})
    inputs: list[dict[str, object]] = [{"name": "a.log", "bytes": 5, "modified_ms": 7}]
    version, record = write(fs, store, "text")
    record = Record(
        DAY, version.id, "d", tally, inputs, record.files, [7, 2**63 - 1], [Exported("kind=user/x", 1, 2)]
    )
    store.commit(version, record)
    assert store.record(DAY) == record
    path = tmp_path / "_days" / f"{DAY}.json"
    whole = path.read_bytes()
    changes: list[dict[str, object]] = [
        {"format": 1},
        {"day": "2021-12-02"},
        {"files": {"country": [], "user": []}},
        {"files": {"country": [{"name": "x"}], "user": [{"name": "x"}]}},
        {"inputs": 5},
        {"inputs": [{}]},
        {"accepted": "x"},
        {"accepted": True},
        {"commit": 5},
        {"heavy": [-1]},
    ]
    damaged = [json.dumps({**json.loads(whole), **change}).encode() for change in changes]
    for content in [b"", b"{}", b"[]", whole[:-9], b"[" * 100_000, *damaged]:
        path.write_bytes(content)
        with pytest.raises(BadData, match="reduce-day --force"):
            store.record(DAY)


# Emissions


def emit(fs: FileSystem, out: str, text: str, day: datetime.date = DAY) -> None:
    emission = Emission(fs, out, day)
    version = emission.begin()
    for name in ["a.txt", "top/part-0.txt"]:
        put(fs, f"{version.folder}/{name}", text.encode())
    manifest = {
        "is": text,
        "folder": f"v={version.id}",
        "files": [{"name": "a.txt"}, {"name": "top/part-0.txt"}],
    }
    emission.commit(version, json.dumps(manifest).encode())


def published(fs: FileSystem, out: str) -> str:
    """Which emission a reader of the manifest finds; all of its files are there."""
    manifest = Emission(fs, out, DAY).manifest()
    assert manifest is not None
    paths = [f"{out}/{DAY}/{manifest['folder']}/{file['name']}" for file in manifest["files"]]
    assert {fs.read(path).decode() for path in paths} == {manifest["is"]}
    return str(manifest["is"])


def test_a_kill_before_any_change_leaves_one_whole_emission(place: Callable[[], tuple[Mortal, str]]) -> None:
    def look(fs: Mortal, out: str) -> tuple[str, list[str]]:
        return published(fs, out), versions_of(fs, f"{out}/{DAY}")

    assert {*outcomes_of_kills(place, emit, look)} == {"old", "newer"}


def test_a_folder_of_others_is_left_alone_and_refused_before_the_work(
    place: Callable[[], tuple[Mortal, str]],
) -> None:
    fs, out = place()
    log = f"{out}/{DAY}/listen.log"
    put(fs, log, b"1|2|FR\n")
    with pytest.raises(CannotCreate, match="out of the way"):
        Emission(fs, out, DAY).begin()
    assert fs.exists(log)


def test_the_latest_date_never_moves_back(place: Callable[[], tuple[Mortal, str]]) -> None:
    fs, out = place()
    for day, latest in [(2, 2), (1, 2), (3, 3)]:
        emit(fs, out, "text", datetime.date(2021, 12, day))
        assert fs.read(f"{out}/latest.txt") == f"2021-12-0{latest}\n".encode()


# Small files


def test_a_small_file_is_replaced_on_every_kind_of_file_system(context: Context, tmp_path: Path) -> None:
    fs = context.fs
    path, aside = str(tmp_path / "folder" / "file"), str(tmp_path / "version" / "_record")
    for text in [b"one", b"two"]:
        fs.replace(path, text, aside, fs.state(path))
        assert fs.read(path) == text
    system, location = fs._at(path)
    fs._replace_by_rename(system, location, b"as on HDFS", aside, fs.state(path))
    assert fs.read(path) == b"as on HDFS"
    fs._replace_in_place(system, location, b"as on an object store", "something")
    assert fs.read(path) == b"as on an object store"
    # A checksum that Hadoop left beside it does not belong to what comes next.
    fs.replace(path, b"again", aside, fs.state(path))
    assert fs.read(path) == b"again"
    assert [entry.name for entry in fs.list(str(tmp_path / "folder"))] == ["file"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes everywhere")
def test_a_folder_that_may_not_be_written_is_named(context: Context, tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(CannotCreate, match="cannot be written"):
            context.fs.replace(str(tmp_path / "record.json"), b"", str(tmp_path / "aside"), None)
    finally:
        tmp_path.chmod(0o700)


def test_a_folder_where_a_file_should_be_is_named(context: Context, tmp_path: Path) -> None:
    path = tmp_path / "record.json"
    (path / "inside").mkdir(parents=True)
    with pytest.raises(CannotCreate, match="a folder where a file should be"):
        context.fs.replace(str(path), b"", str(tmp_path / "aside"), None)
    assert [entry.name for entry in tmp_path.iterdir()] == ["record.json"]


@pytest.mark.parametrize(
    ("number", "kind"), [(errno.ENOSPC, Failed), (errno.EACCES, CannotCreate), (errno.EROFS, CannotCreate)]
)
def test_what_a_local_disk_says_is_one_line_and_leaves_nothing(
    context: Context, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, kind: type[JobError]
) -> None:
    path, aside = tmp_path / "record.json", str(tmp_path / "aside")
    context.fs.replace(str(path), b"old", aside, None)

    def fails(_: int) -> None:
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", fails)
        with pytest.raises(JobError) as met:
            context.fs.replace(str(path), b"new", aside, context.fs.state(str(path)))
    assert type(met.value) is kind
    assert str(path) in str(met.value)
    assert os.strerror(number) in str(met.value)
    assert [entry.read_bytes() for entry in tmp_path.iterdir()] == [b"old"]
