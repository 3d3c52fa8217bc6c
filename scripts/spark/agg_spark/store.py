"""Where days and emissions live, when they count, and how they are replaced.

    STORE/kind=country|user/day=YYYY-MM-DD/*.parquet   the counts, for every reader of such datasets
    STORE/_days/YYYY-MM-DD.json                        the record of a day: its files, rows, rejects, inputs
    STORE/_staging/YYYY-MM-DD.COMMIT/                  what is being written, or waits to be put in place

**A day counts when its record names it.** All of a day is written aside under names that no other write
has. Then its record is replaced, which is one small file and one step on every file system: that is the
commit. Then the folders of both kinds are put in place. Readers here take exactly the files that the
record names, from their place or, if a kill came between, from where they were written; so they meet the
old day or the new one, on HDFS, on a local disk and on an object store, and never a mixture. The next
`reduce-day` of the day finishes what was cut, and removes what was never committed.

A reader that looks at folders alone meets, for each kind, the old day, nothing for a moment, or the new
day, where a folder is renamed in one step (HDFS, local disks). On an object store a rename is a copy:
let such readers wait for the end of the job, or have them read the record.

**A day without a record** is one that `agg export` wrote. It says by the footers of its files what it is.

One run at a time may write a day, and one a date's emission: Hadoop has no lock that the death of its
holder releases, so the scheduler has to see to it.
"""

from __future__ import annotations

import contextlib
import json
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from agg_spark.error import BadData, Failed
from agg_spark.fs import FileSystem, join
from agg_spark.model import REASONS, Kind, Tally

if TYPE_CHECKING:
    import datetime

    from agg_spark.input import Log
    from agg_spark.partial import Part

FORMAT = 1
"""The version of the record."""


@dataclass(frozen=True)
class Record:
    """All that is known of a committed day."""

    day: datetime.date
    commit: str
    digest: str
    tally: Tally
    inputs: list[dict[str, object]]
    files: dict[Kind, list[Part]]
    entries: dict[Kind, int]

    def is_of(self, logs: list[Log]) -> bool:
        """Whether it was made from these logs, as far as names, sizes and times tell."""
        return sorted(map(_identity, self.inputs)) == sorted(_identity(log.as_json()) for log in logs)

    def encode(self) -> bytes:
        """The bytes of the record's file."""
        document = {
            "format": FORMAT,
            "day": str(self.day),
            "commit": self.commit,
            "digest": self.digest,
            **self.tally.as_json(),
            "inputs": self.inputs,
            "kinds": {
                kind.value: {
                    "entries": self.entries[kind],
                    "files": [{"name": part.name, "bytes": part.bytes} for part in files],
                }
                for kind, files in self.files.items()
            },
        }
        return (json.dumps(document, indent=2) + "\n").encode()


def _identity(facts: dict[str, object]) -> tuple[str, str, str]:
    return (str(facts["name"]), str(facts["bytes"]), str(facts["modified_ms"]))


class Store:
    """The days of a store. `part` makes the entry of a file: what files are is left to `partial`."""

    def __init__(self, fs: FileSystem, root: str, part: type[Part]) -> None:
        """A store at a path; nothing is touched."""
        self._fs = fs
        self._part = part
        self.root = fs.qualified(root)

    def folder(self, kind: Kind, day: datetime.date) -> str:
        """The folder of a kind of a day."""
        return join(self.root, f"kind={kind.value}", f"day={day}")

    def record_path(self, day: datetime.date) -> str:
        """The file of the record of a day."""
        return join(self.root, "_days", f"{day}.json")

    def _staging(self, day: datetime.date, commit: str) -> str:
        return join(self.root, "_staging", f"{day}.{commit}")

    def record(self, day: datetime.date) -> Record | None:
        """The record of a day, if it has one."""
        path = self.record_path(day)
        if not self._fs.exists(path):
            return None
        try:
            return self._decode(day, json.loads(self._fs.read(path)))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise BadData(
                f"{path}: damaged record ({error!r}): make the day again with reduce-day --force"
            ) from error

    def _decode(self, day: datetime.date, document: dict[str, Any]) -> Record:
        if document["format"] != FORMAT or document["day"] != str(day):
            raise ValueError(f"format {document['format']} of {document['day']}")
        kinds = {kind: document["kinds"][kind.value] for kind in Kind}
        return Record(
            day=day,
            commit=document["commit"],
            digest=document["digest"],
            tally=Tally(document["accepted"], {name: document["rejects"][name] for name in REASONS}),
            inputs=document["inputs"],
            files={
                kind: [self._part(file["name"], file["bytes"]) for file in facts["files"]]
                for kind, facts in kinds.items()
            },
            entries={kind: facts["entries"] for kind, facts in kinds.items()},
        )

    def begin(self, day: datetime.date) -> tuple[str, str]:
        """Finishes or removes what earlier runs left of the day; a new commit and its folder to write to."""
        # A damaged record says nothing; what is written now will replace it.
        with contextlib.suppress(BadData):
            record = self.record(day)
            if record is not None:
                self.publish(record)
        for entry in self._fs.list(join(self.root, "_staging")):
            if entry.name.startswith(f"{day}."):
                self._fs.remove(entry.path)
        commit = uuid.uuid4().hex
        return commit, self._staging(day, commit)

    def commit(self, record: Record) -> None:
        """From here on the day is this one."""
        self._fs.replace(self.record_path(record.day), record.encode())

    def publish(self, record: Record) -> None:
        """Puts the folders of a committed day in place; may be repeated after a kill at any point."""
        staging = self._staging(record.day, record.commit)
        for kind in Kind:
            written = join(staging, f"kind={kind.value}")
            if not self._fs.exists(written):
                continue
            target = self.folder(kind, record.day)
            replaced = join(staging, f"replaced-{kind.value}")
            # What is in place was moved away before, if anything was: then this is a copy that was cut.
            if self._fs.exists(target) and self._fs.exists(replaced):
                self._fs.remove(target)
            if self._fs.exists(target):
                self._fs.move(target, replaced)
            self._fs.move(written, target)
        self._fs.remove(staging)

    def discard(self, day: datetime.date, commit: str) -> None:
        """Removes what was written for a commit that will not be."""
        self._fs.remove(self._staging(day, commit))

    def files(self, record: Record, kind: Kind) -> list[str] | None:
        """The paths of exactly the files that the record names; `None` where they are not all there."""
        staged = join(self._staging(record.day, record.commit), f"kind={kind.value}")
        named = {part.name: part.bytes for part in record.files[kind]}
        for folder in (self.folder(kind, record.day), staged):
            there = {entry.name: entry.bytes for entry in self._fs.list(folder)}
            if all(there.get(name) == size for name, size in named.items()):
                return [join(folder, name) for name in sorted(named)]
        return None


def put_emission(fs: FileSystem, out: str, day: datetime.date, built: str) -> str:
    """Puts a built folder in the place of the date's; the old one is whole until it goes.

    Two renames: for a moment there is no folder of the date. A kill then is mended by `begin_emission`.
    """
    target, old = join(out, str(day)), join(out, f"_replaced-{day}")
    if fs.exists(target):
        if not fs.exists(join(target, "manifest.json")):
            raise Failed(f"{target}: a folder without manifest.json, so no emission: move it away")
        fs.move(target, old)
    fs.move(built, target)
    fs.remove(old)
    return target


def begin_emission(fs: FileSystem, out: str, day: datetime.date) -> str:
    """Mends or removes what earlier runs left of the date; a folder to build in."""
    target, old = join(out, str(day)), join(out, f"_replaced-{day}")
    if fs.exists(old) and not fs.exists(join(target, "manifest.json")):
        fs.remove(target)
        fs.move(old, target)
    fs.remove(old)
    for entry in fs.list(out):
        if entry.name.startswith(f"_building-{day}."):
            fs.remove(entry.path)
    return join(out, f"_building-{day}.{uuid.uuid4().hex}")


def published_manifest(fs: FileSystem, out: str, day: datetime.date) -> dict[str, Any] | None:
    """The manifest of the date's emission, if there is one that can be read."""
    path = join(out, str(day), "manifest.json")
    if not fs.exists(path):
        return None
    try:
        document = json.loads(fs.read(path))
    except ValueError:
        return None
    return document if isinstance(document, dict) else None


def move_latest(fs: FileSystem, out: str, day: datetime.date) -> None:
    """Writes the date to `OUT/latest.txt` unless a later one stands there."""
    path = join(out, "latest.txt")
    latest = fs.read(path).decode(errors="replace").strip() if fs.exists(path) else ""
    if latest < str(day):
        fs.replace(path, f"{day}\n".encode())
