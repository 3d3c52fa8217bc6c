"""How a date's emission is replaced.

    OUT/YYYY-MM-DD/              the emission: its files, and `manifest.json`, written last, with their sizes
    OUT/_building-YYYY-MM-DD.*   what is being written
    OUT/_replaced-YYYY-MM-DD/    the emission before, until the new one is in place
    OUT/latest.txt               the newest date

An emission is whole when all files that its manifest names are there with their sizes. That is what tells
the old one from the new one where a kill cut a rename that copies, as those of object stores do.
"""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING, Any

from agg_spark import leftover
from agg_spark.error import BadData, CannotCreate
from agg_spark.fs import FileSystem, join

if TYPE_CHECKING:
    import datetime

MANIFEST = "manifest.json"
_BUILDING = "_building-"


def begin_emission(fs: FileSystem, out: str, day: datetime.date) -> str:
    """Mends what a killed run left of the date, and removes what is old of any; a folder to build in.

    Refuses where the emission could not be put in place, before anything is computed.
    """
    target, old = _places(out, day)
    _mend(fs, target, old)
    _refuse_foreign(fs, target)
    for entry in fs.list(out):
        if entry.name.startswith(_BUILDING) and leftover.is_left(entry.name.rpartition(".")[2]):
            fs.remove(entry.path)
    leftover.sweep_temporary(fs, out)
    return join(out, f"{_BUILDING}{day}.{leftover.fresh()}")


def put_emission(fs: FileSystem, out: str, day: datetime.date, built: str) -> str:
    """Puts a built folder in the place of the date's; the old one is whole until the new one is.

    Two renames: for a moment there is no folder of the date. A kill then is mended by `begin_emission`.
    """
    target, old = _places(out, day)
    _refuse_foreign(fs, target)
    if fs.exists(target):
        fs.move(target, old)
    try:
        fs.move(built, target)
    except Exception:
        # What went wrong is told, not what went wrong next; the next run mends that.
        with contextlib.suppress(Exception):
            _mend(fs, target, old)
        raise
    fs.remove(old)
    return target


def _places(out: str, day: datetime.date) -> tuple[str, str]:
    return join(out, str(day)), join(out, f"_replaced-{day}")


def _mend(fs: FileSystem, target: str, old: str) -> None:
    """Brings the old emission back unless the new one is whole."""
    if not fs.exists(old):
        return
    # Neither is whole where the old one was damaged before: then what is in its place stays.
    if not _is_whole(fs, target) and (_is_whole(fs, old) or not fs.exists(target)):
        fs.remove(target)
        fs.move(old, target)
    fs.remove(old)


def _is_whole(fs: FileSystem, folder: str) -> bool:
    document = _manifest(fs, folder)
    if document is None:
        return False
    try:
        files = [(join(folder, file["name"]), file["bytes"]) for file in document.get("files", [])]
    except (KeyError, TypeError):
        return False
    found = [(fs.look(path), size) for path, size in files]
    return all(entry is not None and entry.bytes == size for entry, size in found)


def _refuse_foreign(fs: FileSystem, target: str) -> None:
    if fs.exists(target) and not fs.exists(join(target, MANIFEST)):
        raise CannotCreate(f"{target}: is in the way, and without {MANIFEST} no emission: move it away")


def _manifest(fs: FileSystem, folder: str) -> dict[str, Any] | None:
    path = join(folder, MANIFEST)
    if not fs.exists(path):
        return None
    try:
        document = json.loads(fs.read(path))
    except (ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) else None


def published_manifest(fs: FileSystem, out: str, day: datetime.date) -> dict[str, Any] | None:
    """The manifest of the date's emission, if there is an emission.

    One that cannot be read is an error: what it knew, nobody can tell.
    """
    folder = join(out, str(day))
    document = _manifest(fs, folder)
    if document is None and fs.exists(folder):
        raise unreadable(folder)
    return document


def unreadable(folder: str) -> BadData:
    """For a manifest that makes no sense."""
    return BadData(f"{join(folder, MANIFEST)}: damaged manifest: give --force to publish over it")


def move_latest(fs: FileSystem, out: str, day: datetime.date) -> None:
    """Writes the date to `OUT/latest.txt` unless a later one stands there."""
    path = join(out, "latest.txt")
    latest = fs.read(path).decode(errors="replace").strip() if fs.exists(path) else ""
    if latest < str(day):
        fs.replace(path, f"{day}\n".encode())
