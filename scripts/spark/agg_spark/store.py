"""Where days live, when they count, and how they are replaced.

    STORE/kind=country|user/day=YYYY-MM-DD/*.parquet   the counts, for every reader of such datasets
    STORE/_days/YYYY-MM-DD.json                        the record of a day: its files, rows, rejects, inputs
    STORE/_staging/YYYY-MM-DD.COMMIT/                  what is being written, or waits to be put in place

**A day counts when its record names it.** All of a day is written aside under names that no other write
has. Then its record is replaced, which is one small file and one step: that is the commit. Then the files
are put in place. Readers here take exactly the files that the record names, each from its place or, if a
kill came between, from where it was written; so they meet the old day or the new one, on HDFS, on a local
disk and on an object store, and never a mixture. The next `reduce-day` of the day finishes what was cut.

A reader that looks at folders alone meets, for each kind, the old day, nothing for a moment, or the new
day, where a folder is renamed in one step (HDFS, local disks). On an object store a rename is a copy, file
by file: let such readers wait for the end of the job, or have them read the record.

**A day without a record** is one that `agg export` wrote. It says by the footers of its files what it is.

**Two runs of a day at once.** Hadoop has no lock that the death of its holder releases, so there is none:
no run touches what another may still be writing, and a run whose day was replaced since it began is refused
at its end. Only the moment between that last look and the commit is left to the scheduler.

**What killed runs leave** is removed by the next run of the day that succeeds, for a run that was begun
before the one that is committed can no longer commit; or by any run of the day, once it is a day old.
"""

from __future__ import annotations

import contextlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from agg_spark import leftover
from agg_spark.error import BadData, Locked
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


@dataclass(frozen=True)
class Write:
    """A day that is being written."""

    day: datetime.date
    commit: str
    folder: str
    """Where to."""
    replaces: str | None
    """The commit that was the day when this was begun."""


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is no text")
    return value


def _count(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise TypeError(f"{value!r} is no count")
    return value


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
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise BadData(
                f"{path}: damaged record ({error!r}): make the day again with reduce-day --force"
            ) from error

    def _decode(self, day: datetime.date, document: dict[str, Any]) -> Record:
        if document["format"] != FORMAT or document["day"] != str(day):
            raise ValueError(f"format {document['format']} of {document['day']}")
        kinds = {kind: document["kinds"][kind.value] for kind in Kind}
        # Of no rows too there is a file.
        if not all(facts["files"] for facts in kinds.values()):
            raise ValueError("a kind without files")
        return Record(
            day=day,
            commit=_text(document["commit"]),
            digest=_text(document["digest"]),
            tally=Tally(
                _count(document["accepted"]), {name: _count(document["rejects"][name]) for name in REASONS}
            ),
            inputs=[
                {
                    "name": _text(log["name"]),
                    "bytes": _count(log["bytes"]),
                    "modified_ms": _count(log["modified_ms"]),
                }
                for log in document["inputs"]
            ],
            files={
                kind: [self._part(_text(file["name"]), _count(file["bytes"])) for file in facts["files"]]
                for kind, facts in kinds.items()
            },
            entries={kind: _count(facts["entries"]) for kind, facts in kinds.items()},
        )

    def begin(self, day: datetime.date, *, force: bool) -> Write:
        """A new commit, and a folder to write it to; `force` if it may replace a recorded day."""
        record = self._readable(day)
        if record is not None and not force:
            raise self._overtaken(day)
        self._sweep(day, record)
        leftover.sweep_temporary(self._fs, join(self.root, "_days"))
        commit = leftover.fresh()
        return Write(day, commit, self._staging(day, commit), record.commit if record else None)

    def _readable(self, day: datetime.date) -> Record | None:
        """A damaged record says nothing, and what is being written will replace it."""
        with contextlib.suppress(BadData):
            return self.record(day)
        return None

    def confirm(self, write: Write, record: Record) -> None:
        """The last look before the commit: the day is what it was, and all that was written is there."""
        self.refuse_overtaken(write)
        for kind in Kind:
            there = self._sizes(join(write.folder, f"kind={kind.value}"))
            if any(there.get(part.name) != part.bytes for part in record.files[kind]):
                raise Locked(
                    f"{write.folder}: what was written is gone, by another run or by hand: run again"
                )

    def refuse_overtaken(self, write: Write) -> None:
        """An error if another run replaced the day since this write was begun."""
        record = self._readable(write.day)
        if record is not None and record.commit != write.replaces:
            raise self._overtaken(write.day)

    def _overtaken(self, day: datetime.date) -> Locked:
        return Locked(
            f"{self.root}: another run replaced {day} meanwhile: run again if it should be replaced"
        )

    def commit(self, record: Record) -> None:
        """From here on the day is this one."""
        self._fs.replace(self.record_path(record.day), record.encode())

    def discard(self, write: Write) -> None:
        """Removes what was written for a commit that will not be."""
        self._fs.remove(write.folder)

    def publish(self, record: Record) -> None:
        """Puts the files of a committed day in place; may be repeated after a kill at any point.

        Nothing is changed unless all of them are at hand, and nothing of them is removed before all are in
        place.
        """
        staging = self._staging(record.day, record.commit)
        if self._fs.exists(staging):
            self._refuse_gone(record, [self._located(record, kind) is not None for kind in Kind])
            for kind in Kind:
                written = join(staging, f"kind={kind.value}")
                if self._fs.exists(written):
                    self._put(record, kind, written, join(staging, f"replaced-{kind.value}"))
            self._refuse_gone(record, [self._is_in_place(record, kind) for kind in Kind])
            self._fs.remove(staging)
        self._sweep(record.day, record)

    def _put(self, record: Record, kind: Kind, written: str, replaced: str) -> None:
        """Puts a kind in place: by folder where nothing of it is there, or else by file.

        Some of it is there where a rename that copies was cut, amid the copying or the deleting behind it.
        """
        target = self.folder(kind, record.day)
        named = {part.name: part.bytes for part in record.files[kind]}
        there = self._sizes(target)
        if named.keys().isdisjoint(there) and self._fs.exists(target):
            # If some of it was moved away before, this is the rest.
            if self._fs.exists(replaced):
                self._fs.remove(target)
            else:
                self._fs.move(target, replaced)
        if not self._fs.exists(target):
            self._fs.move(written, target)
            return
        for name in sorted(there.keys() - named.keys()):
            self._fs.remove(join(target, name))
        for name in sorted(name for name, size in named.items() if there.get(name) != size):
            self._fs.remove(join(target, name))
            self._fs.move(join(written, name), join(target, name))

    def _refuse_gone(self, record: Record, there: list[bool]) -> None:
        if not all(there):
            raise BadData(
                f"{self.root}: the files of {record.day} are not those of its record: "
                "make the day again with reduce-day --force"
            )

    def _sweep(self, day: datetime.date, record: Record | None) -> None:
        """Removes what runs of the day left that were begun before the record's, or long ago."""
        committed = record.commit if record else ""
        for entry in self._fs.list(join(self.root, "_staging")):
            commit = entry.name.removeprefix(f"{day}.")
            if commit in (entry.name, committed):
                continue
            if leftover.is_left(commit) or leftover.began(commit) < leftover.began(committed):
                self._fs.remove(entry.path)

    def _sizes(self, folder: str) -> dict[str, int]:
        return {entry.name: entry.bytes for entry in self._fs.list(folder)}

    def _is_in_place(self, record: Record, kind: Kind) -> bool:
        there = self._sizes(self.folder(kind, record.day))
        return all(there.get(part.name) == part.bytes for part in record.files[kind])

    def _located(self, record: Record, kind: Kind) -> list[str] | None:
        """Where each file is that the record names; where it is moved from is looked at before where to."""
        written = join(self._staging(record.day, record.commit), f"kind={kind.value}")
        found: dict[str, str] = {}
        for folder in (written, self.folder(kind, record.day)):
            there = self._sizes(folder)
            found |= {
                part.name: join(folder, part.name)
                for part in record.files[kind]
                if there.get(part.name) == part.bytes
            }
        if len(found) < len(record.files[kind]):
            return None
        return [found[name] for name in sorted(found)]

    def files(self, record: Record, kind: Kind) -> list[str] | None:
        """The paths of exactly the files that the record names; `None` where they are not all there.

        Others beside them are an error: somebody put them there to be counted. Before the day is put in
        place, they are the day that it replaces.
        """
        found = self._located(record, kind)
        staging = self._staging(record.day, record.commit)
        if found is None or self._fs.exists(join(staging, f"kind={kind.value}")):
            return found
        target = self.folder(kind, record.day)
        named = {part.name for part in record.files[kind]}
        if any(
            name.endswith(".parquet") and name[0] not in "._" for name in self._sizes(target).keys() - named
        ):
            raise BadData(
                f"{target}: two versions of {record.day}: remove one of them: delete kind=*/day={record.day} "
                "and put the export there again, or reduce-day --force"
            )
        return found
