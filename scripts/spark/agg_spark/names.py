"""Which files are logs, and of which day: the rules of `agg` for names.

`docs/reference.md` has them; the tests hold this module to the model of them that the tests of `agg` use.
"""

from __future__ import annotations

import datetime
import re

COMPRESSION = re.compile(r"\.(?:gz|zst)\Z")
"""What the job reads."""

_ID = re.compile(
    r"(?<![0-9a-f])[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}(?![0-9a-f])|[0-9a-f]{16,}",
    re.IGNORECASE | re.ASCII,
)
_TIME = r"(?:[01][0-9]|2[0-3])(?:[0-5][0-9]){0,2}"
_DATE = re.compile(
    rf"(?<![0-9])(?:([0-9]{{4}})([0-9]{{2}})([0-9]{{2}})(?:{_TIME})?"
    r"|([0-9]{4})([-_])([0-9]{2})\5([0-9]{2}))(?![0-9])"
)
_IGNORED = re.compile(
    r"\..*|.*~|.*\.(?:swp|md5|sha1|sha256|sha512|crc|asc|sig)|SHA.*SUMS|_SUCCESS|_committed_.*|_started_.*"
    r"|_metadata|.*_\$folder\$",
    re.DOTALL,
)
_MARKER = re.compile(r".*\.(?:ok|done|ready)", re.DOTALL)
_ARRIVING = re.compile(r".*\.(?:part|filepart|partial|tmp|crdownload|inprogress)", re.DOTALL)
_TABLE = re.compile(r".*\.(?:csv|tsv|psv)", re.DOTALL)
_OTHER_FORMAT = re.compile(
    r".*\.(?:parquet|orc|avro|json|jsonl|ndjson|xml|arrow|feather|snappy|lz4|lzo|deflate|zip|7z|tar)",
    re.DOTALL,
)
_LOG = re.compile(r".*\.(?:log|txt)|part-.*|[^.]*", re.DOTALL)
_ENDS = {
    "compression": re.compile(r"\.(?:gz|zst|bz2|xz)\Z"),
    "rotation": re.compile(r"\.[1-9][0-9]{0,2}\Z"),
    "date": re.compile(rf"[-_.]?{_DATE.pattern}\Z"),
}
_SET_ASIDE = frozenset(
    ["archive", "old", "backup", "bak", "tmp", "trash", "quarantine", "rejected", "failed", "incoming"]
)

IGNORED = "ignored"
"""The reason of what is never worth a word."""


def _real_day(year: str, month: str, day: str) -> datetime.date | None:
    try:
        found = datetime.date(int(year), int(month), int(day))
    except ValueError:
        return None
    return found if 1970 <= found.year <= 2199 else None


def dates_in(name: str) -> set[datetime.date]:
    """The calendar days of 1970 to 2199 in a name; UUIDs and long hexadecimal runs hold none."""
    found = set()
    for match in _DATE.finditer(_ID.sub(lambda match: "x" * len(match[0]), name)):
        day = _real_day(*(match.group(1, 2, 3) if match[1] else match.group(4, 6, 7)))
        if day is not None:
            found.add(day)
    return found


def _spread_day(names: list[str]) -> datetime.date | None:
    """The day that three folders in a row are named for."""
    path = "/".join(names)
    match = re.fullmatch(r"([0-9]{4})/([0-9]{2})/([0-9]{2})", path) or re.fullmatch(
        r"year=([0-9]{4})/month=([0-9]{1,2})/day=([0-9]{1,2})", path
    )
    return _real_day(*match.groups()) if match else None


def dates_of_folders(folders: list[str]) -> set[datetime.date]:
    """The days of the innermost dated folder."""
    for end in range(len(folders), 0, -1):
        if days := dates_in(folders[end - 1]):
            return days
        if day := _spread_day(folders[max(end - 3, 0) : end]):
            return {day}
    return set()


def days_of(name: str, folders: list[str]) -> set[datetime.date]:
    """The days of a log: those in its name, or otherwise those of its folders."""
    bare = None
    if len(folders) > 1 and folders[-2].isdigit():
        bare = _spread_day([*folders[-2:], name.partition(".")[0]])
    return dates_in(name) or ({bare} if bare else None) or dates_of_folders(folders)


def _stem(name: str) -> str:
    """The name without one compression suffix, one rotation number and one date at its end, in any order."""
    left = dict(_ENDS)
    while True:
        for what, end in left.items():
            match = end.search(name)
            if match and (what != "date" or dates_in(name[match.start() :])):
                name = name[: match.start()]
                del left[what]
                break
        else:
            return name


def why_no_log(name: str, size: int) -> str | None:
    """Why a file of a folder is not a log, by its name; nothing if it is."""
    if _IGNORED.fullmatch(name) or (_MARKER.fullmatch(name) and size == 0):
        return IGNORED
    if _ARRIVING.fullmatch(name):
        return "arriving"
    stem = _stem(name)
    if _TABLE.fullmatch(stem):
        return "table"
    is_log = _LOG.fullmatch(stem) and not _OTHER_FORMAT.fullmatch(stem) and not _MARKER.fullmatch(name)
    return None if is_log else "not_a_log"


def why_not_searched(name: str, inside: list[str]) -> str | None:
    """Why a folder is not searched for logs, by its name and the names in it."""
    if name.startswith(".") or name in ("lost+found", "_temporary"):
        return IGNORED
    if name in _SET_ASIDE:
        return "set_aside"
    stores = {".out.lock", "_days"} & {*inside} or {".lock", "partials"} <= {*inside}
    return "of_agg" if stores or any(entry.startswith("kind=") for entry in inside) else None
