"""How several files are replaced at once: a folder of versions, and a record that names one.

    FOLDER/v=ID/…    the files of a version, written where they stay
    RECORD           a small file; what it names is what counts

A run writes a version under an id that no other run has, and then replaces the record. That is the commit:
one rename on HDFS and local disks, one write elsewhere, which an object store refuses if the record changed
since it was read. No file is moved. Readers take the files that the record names, so they see one version
or the other, never a mixture.

**Two runs at once.** Hadoop has no lock that the death of its holder releases, so there is none. A run that
finds another record than when it began is refused. Where the store cannot compare, the moment between that
look and the commit is open: then the later run wins whole.

**What is left over** (older versions, those of killed runs) is removed after the commit. An older version may
belong to a run that is in that moment: the file that it would rename goes first, and if this has become the
record, the version stays. A version that was begun later may belong to a run at work: it is removed when it
is 24 hours old. The age is read from the id, because on an object store a folder has no time.
"""

from __future__ import annotations

import contextlib
import datetime
import re
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING

from agg_spark.error import Locked
from agg_spark.fs import join

if TYPE_CHECKING:
    from agg_spark.fs import FileSystem

ASIDE = "_record"
"""A record on its way, in the folder of its version."""

HOURS = 24
"""How long a run may be at work before what it has written counts as left over."""

_VERSION = re.compile(r"v=([0-9]{8}T[0-9]{12}Z-[0-9a-f]{32})")


def _id(age: datetime.timedelta = datetime.timedelta(0)) -> str:
    """An id that no other run has; ids sort by the time at which they were made."""
    moment = datetime.datetime.now(datetime.timezone.utc) - age
    return f"{moment:%Y%m%dT%H%M%S%fZ}-{uuid.uuid4().hex}"


@dataclass(frozen=True)
class Write:
    """A version that is being written."""

    id: str
    folder: str
    """Where to."""
    seen: str | None
    """What the record was when this was begun, as `FileSystem.state` gives it."""


@dataclass(frozen=True)
class Versions:
    """A folder of versions and its record."""

    fs: FileSystem
    folder: str
    record: str

    def read(self) -> bytes | None:
        """The record, if there is one."""
        return self.fs.read(self.record) if self.fs.exists(self.record) else None

    def begin(self) -> Write:
        """A new version, of which nothing is written yet. Read the record after this."""
        version = _id()
        return Write(version, self.folder_of(version), self.fs.state(self.record))

    def folder_of(self, version: str) -> str:
        """The folder of a version."""
        return join(self.folder, f"v={version}")

    def commit(self, write: Write, record: bytes) -> None:
        """From here on the record names this version."""
        try:
            self.fs.replace(self.record, record, join(write.folder, ASIDE), write.seen)
        except Locked:
            # A write whose answer was lost is sent again, and then refused because of itself.
            if not self._is_committed(write.id):
                raise

    def discard(self, write: Write) -> None:
        """Removes a version that does not count; an error if another run's does instead.

        That other run may have removed what this one was writing, and made it fail.
        """
        if self._is_committed(write.id):
            return
        with contextlib.suppress(Exception):
            self.fs.remove(write.folder)
        self.fs.refuse_overtaken(self.record, write.seen)

    def _is_committed(self, version: str) -> bool:
        return version.encode() in (self.read() or b"")

    def sweep(self, kept: str) -> None:
        """Removes the versions that can count no more, now that the record names `kept`."""
        for entry in self.fs.list(self.folder):
            match = _VERSION.fullmatch(entry.name)
            if match and match[1] != kept and match[1] < max(kept, _id(datetime.timedelta(hours=HOURS))):
                self.fs.remove(join(entry.path, ASIDE))
                if not self._is_committed(match[1]):
                    self.fs.remove(entry.path)
