"""How a date's emission is replaced.

    OUT/YYYY-MM-DD/manifest.json   the record: what is in the emission, and in which `folder`
    OUT/YYYY-MM-DD/v=ID/…          its files
    OUT/latest.txt                 the newest date

`versions` says how a version replaces another. A folder of the date with anything else in it is refused.
"""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING, Any

from agg_spark.error import BadData, CannotCreate, Locked
from agg_spark.fs import join
from agg_spark.versions import Versions

if TYPE_CHECKING:
    import datetime

    from agg_spark.fs import FileSystem
    from agg_spark.versions import Write

MANIFEST = "manifest.json"
ATTEMPTS = 5


class Emission:
    """The place of a date's emission."""

    def __init__(self, fs: FileSystem, out: str, day: datetime.date) -> None:
        """The place in a folder of emissions; nothing is touched."""
        self._fs = fs
        self._out = out
        self._day = day
        self.folder = join(out, str(day))
        self._versions = Versions(fs, self.folder, join(self.folder, MANIFEST))

    def begin(self) -> Write:
        """A new version; refuses a folder that the job did not write before anything is computed."""
        for entry in self._fs.list(self.folder):
            if not entry.name.startswith("v=") and entry.name != MANIFEST:
                raise CannotCreate(
                    f"{entry.path}: not part of an emission of this job; move {self.folder} out of the way"
                )
        return self._versions.begin()

    def manifest(self) -> dict[str, Any] | None:
        """The published manifest, if there is one. The content of a damaged manifest is unknown."""
        content = self._versions.read()
        if content is None:
            return None
        try:
            document = json.loads(content)
        except (ValueError, RecursionError) as error:
            raise self.unreadable() from error
        if not isinstance(document, dict):
            raise self.unreadable()
        return document

    def unreadable(self) -> BadData:
        """For a manifest that is damaged."""
        return BadData(f"{self._versions.record}: damaged manifest; give --force to replace the emission")

    def commit(self, write: Write, manifest: bytes) -> None:
        """From here on the date's emission is this one."""
        self._versions.commit(write, manifest)
        self._move_latest(write)
        self._versions.sweep(write.id)

    def discard(self, write: Write) -> None:
        """Removes a version that will not count."""
        self._versions.discard(write)

    def _move_latest(self, write: Write) -> None:
        """Writes the date to `OUT/latest.txt` unless a later one is in it."""
        path = join(self._out, "latest.txt")
        for _ in range(ATTEMPTS):
            seen = self._fs.state(path)
            latest = self._fs.read(path).decode(errors="replace").strip() if seen else ""
            if latest >= str(self._day):
                return
            # The run of another date may be at the same file.
            with contextlib.suppress(Locked):
                self._fs.replace(path, f"{self._day}\n".encode(), join(write.folder, "_latest"), seen)
                return
