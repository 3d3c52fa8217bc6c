"""Where days live, and when they count.

    STORE/day=YYYY-MM-DD/v=ID/kind=country|user/*.parquet   the counts of a day, in versions
    STORE/_days/YYYY-MM-DD.json                             the record: a day's files, rows, rejects, inputs
    STORE/kind=country|user/day=YYYY-MM-DD/*.parquet        a day that `agg export` wrote

A day counts when its record names it; `versions` says how it is replaced. A day without a record is an
export, which has its facts in the footers of its files. An export beside a record is two versions of the day,
and refused, unless the record says that it replaces it: then a kill came before its files were removed.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from agg_spark.error import BadData
from agg_spark.fs import join
from agg_spark.model import Kind, Tally
from agg_spark.versions import Versions, Write

if TYPE_CHECKING:
    import datetime

    from agg_spark.fs import FileSystem
    from agg_spark.input import Log

FORMAT = 2
"""The version of the record."""


@dataclass(frozen=True)
class Part:
    """A Parquet file of a day, by its path below the store."""

    name: str
    bytes: int
    entries: int
    digest: str
    """Of the set of its rows: 32 hexadecimal digits, whatever their order or the engine that wrote them."""


@dataclass(frozen=True)
class Exported:
    """A file of an export, by its path below the store; another one of its name has another time."""

    name: str
    bytes: int
    modified_ms: int


@dataclass(frozen=True)
class Record:
    """The record of a committed day. Files are named by their paths below the store."""

    day: datetime.date
    commit: str
    digest: str
    tally: Tally
    inputs: list[dict[str, object]]
    files: dict[Kind, list[Part]]
    heavy: list[int] = field(default_factory=list)
    """Users with so many songs that one task should not get them all."""
    replaces: list[Exported] = field(default_factory=list)
    """The files of an export that this day takes the place of."""
    countries: str = "iso"
    """Which countries were counted."""

    def is_of(self, logs: list[Log]) -> bool:
        """Whether it was made from these logs, by their names, sizes and times."""
        return sorted(map(_identity, self.inputs)) == sorted(_identity(log.as_json()) for log in logs)

    def encode(self) -> bytes:
        """The bytes of the record's file."""
        document = {
            "format": FORMAT,
            "day": str(self.day),
            "commit": self.commit,
            "digest": self.digest,
            "countries": self.countries,
            **self.tally.as_json(),
            "inputs": self.inputs,
            "files": {kind.value: [vars(part) for part in files] for kind, files in self.files.items()},
            "heavy": self.heavy,
            "replaces": [vars(file) for file in self.replaces],
        }
        return (json.dumps({**document, "sha256": _checksum(document)}, indent=2) + "\n").encode()


def _checksum(document: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(document).encode()).hexdigest()


def _identity(facts: dict[str, object]) -> tuple[str, str, str]:
    return (str(facts["name"]), str(facts["bytes"]), str(facts["modified_ms"]))


class Store:
    """The days of a store."""

    def __init__(self, fs: FileSystem, root: str) -> None:
        """A store at a path; nothing is touched."""
        self._fs = fs
        self.root = fs.qualified(root)

    def _versions(self, day: datetime.date) -> Versions:
        record = join(self.root, "_days", f"{day}.json")
        return Versions(self._fs, join(self.root, f"day={day}"), record)

    def record(self, day: datetime.date) -> Record | None:
        """The record of a day, if it has one."""
        versions = self._versions(day)
        content = versions.read()
        if content is None:
            return None
        try:
            return self._decode(day, json.loads(content))
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise BadData(
                f"{versions.record}: damaged record, or of another version of the job ({error!r}); "
                "make the day again with reduce-day --force"
            ) from error

    def _decode(self, day: datetime.date, document: dict[str, Any]) -> Record:
        if document["format"] != FORMAT or document["day"] != str(day):
            raise ValueError(f"format {document['format']} of {document['day']}")
        checksum = document.pop("sha256")
        if checksum != _checksum(document):
            raise ValueError("its checksum is another")
        return Record(
            day=day,
            commit=document["commit"],
            digest=document["digest"],
            countries=document["countries"],
            tally=Tally(document["accepted"], document["rejects"]),
            inputs=document["inputs"],
            files={kind: [Part(**file) for file in document["files"][kind.value]] for kind in Kind},
            heavy=document["heavy"],
            replaces=[Exported(**file) for file in document["replaces"]],
        )

    def begin(self, day: datetime.date) -> Write:
        """A new version of a day."""
        return self._versions(day).begin()

    def commit(self, write: Write, record: Record) -> None:
        """From here on the day is this one."""
        self.paths(record)
        self._versions(record.day).commit(write, record.encode())

    def discard(self, day: datetime.date, write: Write) -> None:
        """Removes a version that will not count; an error if another run's version counts instead."""
        self._versions(day).discard(write)

    def sweep(self, record: Record) -> None:
        """Removes what the record's day replaced, and what killed runs of it left."""
        there = self.export(record.day, None)
        for file in record.replaces:
            if file in there:
                self._fs.remove(join(self.root, file.name))
        self._versions(record.day).sweep(record.commit)

    def export(self, day: datetime.date, record: Record | None) -> list[Exported]:
        """The files of an export, less those that the record replaces."""
        found = []
        for kind in Kind:
            folder = f"kind={kind.value}/day={day}"
            found += [
                Exported(f"{folder}/{entry.name}", entry.bytes, entry.modified_ms)
                for entry in self._fs.list(join(self.root, folder))
                if entry.name.endswith(".parquet") and entry.name[0] not in "._"
            ]
        return [file for file in found if record is None or file not in record.replaces]

    def paths(self, record: Record) -> dict[Kind, list[str]]:
        """The paths of exactly the files that the record names. They are there with their sizes."""
        extra = self.export(record.day, record)
        if extra:
            raise BadData(
                f"{join(self.root, extra[0].name)}: two versions of {record.day}; "
                f"remove {self._versions(record.day).record} or kind=*/day={record.day}"
            )
        found: dict[str, int] = {}
        for kind in Kind:
            folder = f"day={record.day}/v={record.commit}/kind={kind.value}"
            found |= {
                f"{folder}/{entry.name}": entry.bytes for entry in self._fs.list(join(self.root, folder))
            }
        for part in (part for parts in record.files.values() for part in parts):
            if found.get(part.name) != part.bytes:
                raise BadData(
                    f"{join(self.root, part.name)}: not as the record of {record.day} has it; "
                    "make the day again with reduce-day --force"
                )
        return {kind: [join(self.root, part.name) for part in parts] for kind, parts in record.files.items()}
