"""An emission is replaced whole: a kill leaves the old one or the new one, at once or after it is mended."""

from __future__ import annotations

import datetime
import itertools
import json
from typing import TYPE_CHECKING

import pytest

from agg_spark.emission import begin_emission, move_latest, published_manifest, put_emission
from agg_spark.error import CannotCreate, Failed
from agg_spark.fs import FileSystem
from tests.test_store import Copying, Killed, Mortal

if TYPE_CHECKING:
    from pathlib import Path

    from agg_spark.job.context import Context

DAY = datetime.date(2021, 12, 1)
LONG_AGO = f"20211201T000000000000Z-{'0' * 32}"


def build(fs: FileSystem, out: str, text: str) -> str:
    """Builds an emission of three files, one of them in a folder."""
    built = begin_emission(fs, out, DAY)
    names = ["a.txt", "top/part-0.txt", "z.txt"]
    for name in names:
        FileSystem.replace(fs, f"{built}/{name}", text.encode())
    document = {"is": text, "files": [{"name": name, "bytes": len(text)} for name in names]}
    FileSystem.replace(fs, f"{built}/manifest.json", json.dumps(document).encode())
    return built


def emit(fs: FileSystem, out: str, text: str) -> None:
    put_emission(fs, out, DAY, build(fs, out, text))


def published(fs: FileSystem, out: str) -> str | None:
    """Which emission is there, whole; `None` if there is none or one that is not."""
    document = published_manifest(fs, out, DAY)
    if document is None:
        return None
    paths = [f"{out}/{DAY}/{file['name']}" for file in document["files"]]
    texts = {fs.read(path).decode() if fs.exists(path) else "" for path in paths}
    return str(document["is"]) if texts == {document["is"]} else None


@pytest.mark.parametrize("kind_of_fs", [Mortal, Copying])
def test_an_emission_is_swapped_whole_and_a_kill_is_mended(
    context: Context, tmp_path: Path, kind_of_fs: type[Mortal]
) -> None:
    outcomes: list[str | None] = []
    for step in itertools.count():
        fs = kind_of_fs(context.spark)
        out = str(tmp_path / str(step))
        emit(fs, out, "old")
        fs.changes = step
        try:
            emit(fs, out, "newer")
            done = True
        except Killed:
            done = False
        fs.changes = 1 << 30
        if kind_of_fs is Mortal:
            assert published(fs, out) in ("old", "newer") or not fs.exists(f"{out}/{DAY}")
        begin_emission(fs, out, DAY)
        outcomes.append(published(fs, out))
        assert not fs.exists(f"{out}/_replaced-{DAY}")
        emit(fs, out, "last")
        assert published(fs, out) == "last"
        if done:
            break
    assert outcomes == sorted(map(str, outcomes), reverse=True)
    assert set(outcomes) == {"old", "newer"}


def test_the_old_emission_comes_back_when_the_new_one_cannot_be_put_in_place(
    context: Context, tmp_path: Path
) -> None:
    class Refusing(FileSystem):
        def move(self, source: str, target: str) -> None:
            if "_building-" in source:
                raise Failed("no")
            super().move(source, target)

    fs, out = Refusing(context.spark), str(tmp_path)
    emit(context.fs, out, "old")
    with pytest.raises(Failed, match="no"):
        emit(fs, out, "newer")
    assert published(fs, out) == "old"
    assert not fs.exists(f"{out}/_replaced-{DAY}")


def test_a_folder_that_is_no_emission_is_left_alone_and_refused_before_the_work(
    context: Context, tmp_path: Path
) -> None:
    fs, out, log = context.fs, str(tmp_path), tmp_path / str(DAY) / "listen.log"
    built = build(fs, out, "new")
    log.parent.mkdir()
    log.write_bytes(b"1|2|FR\n")
    with pytest.raises(CannotCreate, match="move it away"):
        begin_emission(fs, out, DAY)
    with pytest.raises(CannotCreate, match="move it away"):
        put_emission(fs, out, DAY, built)
    assert log.exists()


def test_what_killed_runs_left_is_swept_when_it_is_a_day_old(context: Context, tmp_path: Path) -> None:
    fs, out = context.fs, str(tmp_path)
    young = build(fs, out, "of a run that may be at work")
    for name in (f"_building-2021-11-30.{LONG_AGO}/a.txt", f"_building-{DAY}.{LONG_AGO}/a.txt"):
        fs.replace(f"{out}/{name}", b"x")
    fs.replace(f"{out}/_tmp-{LONG_AGO}", b"x")
    begin_emission(fs, out, DAY)
    assert [f"{out}/{entry.name}" for entry in fs.list(out)] == [young]


def test_the_latest_date_never_moves_back(context: Context, tmp_path: Path) -> None:
    for day, latest in [(2, 2), (1, 2), (3, 3)]:
        move_latest(context.fs, str(tmp_path), datetime.date(2021, 12, day))
        assert (tmp_path / "latest.txt").read_text() == f"2021-12-0{latest}\n"
