"""The obvious search for logs: what docs/reference.md says of a folder of days, written from that page alone.

`listing` gives the logs of each day and the reason of each file that is skipped.
"""

import datetime
import pathlib
import re

ID = re.compile(
    r"(?<![0-9a-f])[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}(?![0-9a-f])|[0-9a-f]{16,}",
    re.IGNORECASE | re.ASCII,
)
DATE = re.compile(
    r"(?<!\d)(?:(\d{4})(\d\d)(\d\d)((?:\d\d){0,3})|(\d{4})-(\d\d)-(\d\d)|(\d{4})_(\d\d)_(\d\d))(?!\d)", re.ASCII
)
IGNORED = re.compile(
    r"\..*|.*~|.*\.(swp|md5|sha(1|256|512)|crc|asc|sig)|SHA.*SUMS|_SUCCESS|_(committed|started)_.*|_metadata|.*_\$folder\$"
)
MARKER = re.compile(r".*\.(ok|done|ready)")
ARRIVING = re.compile(r".*\.(part|filepart|partial|tmp|crdownload|inprogress)")
OTHER = re.compile(r"(?i).*\.(parquet|orc|avro|jsonl?|ndjson|xml|arrow|feather|snappy|lz[4o]|deflate|zip|7z|tar)")
SET_ASIDE = {"archive", "old", "backup", "bak", "tmp", "trash", "quarantine", "rejected", "failed", "incoming"}


def real_day(year: str, month: str, day: str) -> datetime.date | None:
    """The day of the calendar, if it is one of 1970 to 2199."""
    try:
        found = datetime.date(int(year), int(month), int(day))
    except ValueError:
        return None
    return found if 1970 <= found.year <= 2199 else None


def dates_in(name: str) -> list[tuple[int, int, datetime.date | None]]:
    """Where each date in a name begins and ends, and its day; none where the calendar has no such day."""
    found = []
    for match in DATE.finditer(ID.sub(lambda found: "x" * len(found[0]), name)):
        year, month, day = next(match.group(at, at + 1, at + 2) for at in (1, 5, 8) if match[at])
        time = re.findall("..", match[4] or "")
        if 1970 <= int(year) <= 2199 and all(
            int(part) < limit for part, limit in zip(time, (24, 60, 60), strict=False)
        ):
            found.append((match.start(), match.end(), real_day(year, month, day)))
    return found


def days_in(name: str) -> list[datetime.date]:
    """The different days in a name, from left to right."""
    return list(dict.fromkeys(day for _, _, day in dates_in(name) if day))


def stem(name: str) -> str:
    """The name without one compression suffix, one rotation number and one date at its end, in any order."""
    left = {"compression", "rotation", "date"}
    while True:
        dates = dates_in(name)
        if "compression" in left and (match := re.fullmatch(r"(.*)\.(gz|zst|bz2|xz)", name)):
            name = match[1]
            left.remove("compression")
        elif "rotation" in left and (match := re.fullmatch(r"(.*)\.[1-9]\d{0,2}", name, re.ASCII)):
            name = match[1]
            left.remove("rotation")
        elif "date" in left and dates and dates[-1][2] and dates[-1][1] == len(name):
            name = name[: dates[-1][0]]
            name = name[:-1] if name.endswith(("-", "_", ".")) else name
            left.remove("date")
        else:
            return name


def reason_of(file: pathlib.Path) -> str | None:
    """Why a file is not a log by its name, or None; `ignored` for files on the quiet list."""
    name = file.name
    if IGNORED.fullmatch(name) or MARKER.fullmatch(name):
        return "not_a_log" if file.stat().st_size and not IGNORED.fullmatch(name) else "ignored"
    if ARRIVING.fullmatch(name):
        return "arriving"
    name = stem(name)
    if name.lower().endswith((".csv", ".tsv", ".psv")):
        return "table"
    is_named = name.endswith((".log", ".txt")) or name.startswith("part-") or "." not in name
    return None if is_named and not OTHER.fullmatch(name) else "not_a_log"


def spread_day(names: list[str]) -> datetime.date | None:
    """The day that three folders in a row are named for."""
    bare = all(re.fullmatch(r"\d+", name, re.ASCII) for name in names)
    if bare and [len(name) for name in names] == [4, 2, 2]:
        return real_day(*names)
    keyed = re.fullmatch(r"year=(\d{4})/month=(\d\d?)/day=(\d\d?)", "/".join(names), re.ASCII)
    return real_day(*keyed.groups()) if keyed else None


def dates_of_folders(folders: list[str]) -> list[datetime.date]:
    """The days of the innermost dated folder."""
    for end in range(len(folders), 0, -1):
        if days := days_in(folders[end - 1]):
            return days
        if day := spread_day(folders[max(end - 3, 0) : end]):
            return [day]
    return []


def is_of_agg(folder: pathlib.Path) -> bool:
    """Whether a folder is one that agg writes."""
    names = {entry.name for entry in folder.iterdir()}
    is_store = ".lock" in names and (folder / "partials").is_dir()
    return ".out.lock" in names or is_store or any((folder / name).is_dir() for name in names if name[:5] == "kind=")


def listing(root, first, last):
    """Path to day of each log, and path to reason of each skipped file, below `root` for the days `first` to `last`."""
    logs, skipped = {}, {}

    def skip(path, reason, days):
        if not days or any(first <= day <= last for day in days):
            is_undated = not days and reason in ("not_a_log", "table", "undated")
            unreal = any(day is None for _, _, day in dates_in(path.name))
            skipped[path] = ("unreal_date" if unreal else "undated") if is_undated else reason

    def search(folder, folders):
        for entry in sorted(folder.iterdir()):
            inner = [*folders, entry.name]
            if entry.is_dir():
                if entry.name[0] == "." or entry.name in ("lost+found", "_temporary"):
                    continue
                if entry.is_symlink():
                    skip(entry, "link", dates_of_folders(inner))
                elif entry.name in SET_ASIDE:
                    skip(entry, "set_aside", dates_of_folders(inner))
                elif is_of_agg(entry):
                    skip(entry, "of_agg", dates_of_folders(inner))
                else:
                    search(entry, inner)
                continue
            number = entry.name.split(".")[0]
            bare = spread_day([*folders[-2:], number]) if len(folders) > 1 and folders[-2].isdigit() else None
            days = days_in(entry.name) or ([bare] if bare else []) or dates_of_folders(folders)
            reason = reason_of(entry)
            if reason == "ignored":
                continue
            if reason or len(days) != 1:
                skip(entry, reason or ("two_dates" if days else "undated"), days[:2])
            elif first <= days[0] <= last:
                logs[entry] = days[0]

    search(root, [])
    return logs, skipped
