"""What killed runs leave, and how long it may lie.

What a run writes before it counts has a name that begins with when it was begun. That is read from the name,
not asked of the file system: on an object store a folder has no time. Two machines' clocks differ by less
than matters here: what is removed too early is missed by its owner, who then fails.
"""

from __future__ import annotations

import datetime
import uuid
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from agg_spark.fs import FileSystem

HOURS = 24
"""How long a run may be at work before what it has written counts as left behind."""

_TIME = "%Y%m%dT%H%M%S%fZ"
_TEMPORARY = "_tmp-"


def fresh() -> str:
    """A name that no other has: the time, and what is random."""
    return f"{_written(datetime.datetime.now(datetime.timezone.utc))}-{uuid.uuid4().hex}"


def temporary() -> str:
    """The name of a small file that will be renamed at once."""
    return f"{_TEMPORARY}{fresh()}"


def began(name: str) -> str:
    """When a `fresh` name was made, as text that sorts; of another name, before all of them."""
    text = name.split("-", 1)[0]
    try:
        datetime.datetime.strptime(text, _TIME)
    except ValueError:
        return ""
    return text


def is_left(name: str) -> bool:
    """Whether a `fresh` name is so old that the run which made it must have ended."""
    now = datetime.datetime.now(datetime.timezone.utc)
    return began(name) < _written(now - datetime.timedelta(hours=HOURS))


def sweep_temporary(fs: FileSystem, folder: str) -> None:
    """Removes the small files of a folder that were to be renamed at once, and never were."""
    for entry in fs.list(folder):
        if entry.name.startswith(_TEMPORARY) and is_left(entry.name[len(_TEMPORARY) :]):
            fs.remove(entry.path)


def _written(moment: datetime.datetime) -> str:
    return moment.strftime(_TIME)
