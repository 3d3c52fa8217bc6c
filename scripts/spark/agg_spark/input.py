"""Stage 1: from what was named to the bytes of each row.

**Which files.** A named file is a log, whatever its name is. A folder is searched at every depth by the
rules of `names`. A pattern gives what matches it. **Which day.** The date in the log's name, or otherwise in
the innermost dated folder's name. **Rows.** The bytes between two LFs, as bytes: nothing is decoded.

Hadoop's line reader does more of this than it documents: it drops a byte-order mark at offset 0 of a
(decompressed) file and nowhere else, gives no row after a last LF, and lets no row span two files. The
tests hold it to that. `lineSep` keeps it from splitting at a CR.

Left to others: the CR before an LF, and what a row says (`row`).
"""

from __future__ import annotations

import hashlib
import os
import re
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from pyspark.sql import functions as F

from agg_spark import formats, names
from agg_spark.error import BadData, Missing, Usage
from agg_spark.fs import join, local_path
from agg_spark.patterns import literal

if TYPE_CHECKING:
    import datetime
    from collections.abc import Callable, Iterable

    from pyspark.sql import DataFrame, SparkSession

    from agg_spark.fs import Entry, FileSystem

HEAD_BYTES = 64 << 10
"""Bytes at the start of a log by which it is compared with others of its size."""

REQUESTS = 16
"""Logs that are checked together: on an object store each is a request."""

MANIFEST_FIELDS = (b'"window"', b'"top"', b'"partials"')
"""What is at the beginning of a `manifest.json` if it is that of an emission."""

LOOK_BYTES = 4096
"""So many bytes say what a file is."""

SUFFIXES = {"text": "", "gzip": ".gz", "zstd": ".zst"}
"""The formats that are read, under these suffixes alone: Spark goes by the name."""


@dataclass(frozen=True)
class Log:
    """One input, as it was when it was listed."""

    path: str
    name: str
    bytes: int
    modified_ms: int
    folders: tuple[str, ...] = ()
    """The folders that count for its day, outermost first."""

    def as_json(self) -> dict[str, object]:
        """The record of an input; without a path, so that it may move."""
        return {"name": self.name, "bytes": self.bytes, "modified_ms": self.modified_ms}


@dataclass
class Found:
    """What was named: the logs, and what was skipped beside them."""

    logs: list[Log] = field(default_factory=list)
    skipped: list[tuple[str, str]] = field(default_factory=list)
    """Paths with the reason of each."""
    forms: list[tuple[Log, Log]] = field(default_factory=list)
    """Compressed logs that do not count, each with the log that counts in its place."""


def find(fs: FileSystem, named: Iterable[str], day: datetime.date | None) -> Found:
    """The logs that were named, in the order of the names, those of a folder or pattern by name."""
    found = Found()
    for name in named:
        for entry in _entries(fs, name, day):
            folders = [part for part in entry.path.split("/")[:-1] if part]
            if entry.is_folder:
                _search(fs, entry, [entry.name], found)
            else:
                found.logs.append(_log(entry, folders[-1:]))
    _take_one_form(found)
    _refuse_what_spark_would_lose(found.logs)
    return found


def _log(entry: Entry, folders: list[str]) -> Log:
    return Log(entry.path, entry.name, entry.bytes, entry.modified_ms, tuple(folders))


def _entries(fs: FileSystem, name: str, day: datetime.date | None) -> list[Entry]:
    """A path that exists means itself; any other is a pattern."""
    if name in ("", "-"):
        raise Usage(f"{name!r}: the job has no standard input; name a file, folder or pattern")
    there = fs.look(name)
    if there is not None:
        return [there]
    entries = fs.glob(_of_day(name, day))
    if not entries:
        raise Missing(f"{name}: no such log, folder or match; check the path")
    return entries


def _of_day(pattern: str, day: datetime.date | None) -> str:
    """The pattern with the day in the place of `%Y`, `%m` and `%d`, and `%` in that of `%%`."""
    if not re.search(r"%[Ymd]", pattern):
        return pattern
    if day is None:
        raise Usage(f"{pattern}: %Y, %m and %d need --date")
    return re.sub(r"%[Ymd%]", lambda match: f"{day:{match[0]}}", pattern)


def _search(fs: FileSystem, folder: Entry, folders: list[str], found: Found) -> None:
    """Adds the logs of a folder, at every depth."""
    before = len(found.logs)

    def wanted(name: str) -> bool:
        why = names.why_no_log(name.rstrip("/"), 1)
        return why is None or (name.endswith("/") and why != names.IGNORED)

    def search(entries: list[Entry], folders: list[str]) -> None:
        for entry in entries:
            if entry.is_folder:
                inside = [] if _is_link(entry) else fs.list(entry.path, wanted)
                why = _why_not_searched(fs, entry, inside)
                if why is None:
                    search(inside, [*folders, entry.name])
            else:
                why = names.why_no_log(entry.name, entry.bytes)
                if why is None:
                    found.logs.append(_log(entry, folders))
            if why not in (None, names.IGNORED):
                found.skipped.append((entry.path, str(why)))

    search(fs.list(folder.path, wanted), folders)
    if len(found.logs) == before:
        raise Missing(
            f"{folder.path}: no logs in this folder; a log is named like listen.log, part-0 or 20211201"
        )


def _is_link(entry: Entry) -> bool:
    local = local_path(entry.path)
    return local is not None and os.path.islink(local)


def _why_not_searched(fs: FileSystem, folder: Entry, inside: list[Entry]) -> str | None:
    if _is_link(folder):
        return "link"
    for entry in inside:
        if entry.name == "manifest.json" and not entry.is_folder:
            start = fs.head(entry.path, LOOK_BYTES)
            if all(name in start for name in MANIFEST_FIELDS):
                return "of_agg"
    return names.why_not_searched(folder.name, [entry.name for entry in inside])


def _take_one_form(found: Found) -> None:
    """If a log exists in several forms, the plain form counts; a log that is named twice counts once."""
    forms: dict[str, dict[str, Log]] = {}
    for log in found.logs:
        forms.setdefault(names.COMPRESSION.sub("", log.path), {}).setdefault(log.path, log)
    found.logs = []
    for of_one in forms.values():
        # A name is shorter than itself with a suffix.
        counted, *others = (of_one[path] for path in sorted(of_one, key=lambda path: (len(path), path)))
        found.logs.append(counted)
        found.forms += [(other, counted) for other in others]


def compare_forms(fs: FileSystem, forms: list[tuple[Log, Log]]) -> list[tuple[str, str]]:
    """Refuses other forms of logs with other content; damaged ones are returned, with a reason.

    Cost: both forms pass through the driver.
    """
    damaged = []
    for log, counted in forms:
        content = _content(fs, log)
        if content is None:
            damaged.append((log.path, f"damaged; {counted.path} is counted, which should be the same log"))
        elif content != _content(fs, counted):
            raise BadData(
                f"{log.path}: has other content than {counted.path}, whose compressed form it should be; "
                "remove the wrong one, or rename it"
            )
    return damaged


def _content(fs: FileSystem, log: Log) -> str | None:
    """The digest of a log's decompressed bytes, if it is whole."""
    suffix = names.COMPRESSION.search(log.name)
    return fs.decompress(log.path, log.bytes, suffix[0], None) if suffix else fs.digest(log.path)


def _refuse_what_spark_would_lose(logs: list[Log]) -> None:
    """Spark silently ignores files with some names, and takes an empty stream for an empty log."""
    for log in logs:
        if log.name.startswith((".", "_")) or log.name.endswith("._COPYING_"):
            raise Usage(f"{log.path}: Spark does not read files of such names; rename the log")
        local = local_path(log.path)
        if local is not None and ":" in log.name:
            raise Usage(f"{log.path}: Hadoop reads no local file with a colon in its name; rename the log")
        if local is not None and not os.path.isfile(local):
            raise Usage(f"{log.path}: not a file, but a pipe, a socket or a device; write it to a file")
        if names.COMPRESSION.search(log.name) and log.bytes == 0:
            raise BadData(f"{log.path}: an empty file is not a compressed log; fetch it again")


def _of_all(look: Callable[[Log], Any], logs: list[Log]) -> list[Any]:
    with ThreadPoolExecutor(REQUESTS) as pool:
        return list(pool.map(look, logs))


def refuse_other_formats(fs: FileSystem, logs: list[Log]) -> None:
    """Refuses logs whose content is not a log's, or not what their name says.

    Cost: a small read of each log, two of a compressed one.
    """
    for log, problem in zip(logs, _of_all(lambda log: _problem_of(fs, log), logs), strict=True):
        if problem is not None:
            raise BadData(f"{log.path}: {problem}")


def _problem_of(fs: FileSystem, log: Log) -> str | None:
    start = fs.head(log.path, LOOK_BYTES)
    content = formats.compression_of(start) or "text"
    match = names.COMPRESSION.search(log.name)
    suffix = match[0] if match else ""
    if log.bytes and content not in SUFFIXES:
        return f"{content} by its content; the job reads text, .gz and .zst; convert it"
    if log.bytes and SUFFIXES[content] != suffix:
        wanted = SUFFIXES[content] or "without .gz or .zst"
        return f"{content} by its content; name it so ({wanted}), for Spark goes by the name"
    if suffix:
        start = fs.decompressed_head(log.path, suffix, LOOK_BYTES)
    inner = suffix and formats.compression_of(start)
    other = formats.other_format(start) or (f"{inner} data" if inner else None)
    within = f" in a {suffix} file" if suffix else ""
    return None if other is None else f"this is {other}{within}, not a log; extract or convert it"


def copies(fs: FileSystem, logs: list[Log]) -> list[tuple[Log, Log]]:
    """Logs with the same bytes as one before them, by a link or as a copy.

    Only logs of equal sizes are compared: by their first bytes, and those of equal ones by all. Cost: every
    log is read at most once.
    """
    groups = [logs]
    for key in (
        lambda log: log.bytes,
        lambda log: hashlib.sha256(fs.head(log.path, HEAD_BYTES)).hexdigest(),
        lambda log: fs.digest(log.path) if log.bytes > HEAD_BYTES else "",
    ):
        groups = [alike for group in groups for alike in _alike(group, key)]
    return [(log, group[0]) for group in groups for log in group[1:] if log.bytes]


def _alike(logs: list[Log], key: Callable[[Log], Any]) -> list[list[Log]]:
    """Groups of two or more with the same key."""
    groups = defaultdict(list)
    for log, found in zip(logs, _of_all(key, logs), strict=True):
        groups[found].append(log)
    return [group for group in groups.values() if len(group) > 1]


def without_padding(fs: FileSystem, logs: list[Log], folder: str) -> list[Log]:
    """The logs to read: of those with what Hadoop's codecs refuse, and `agg` takes, a plain copy in `folder`.

    Zero padding after `.gz` and `.zst`, and skippable frames of `.zst` (pzstd, the seekable format). Such a
    log passes through the driver.
    """
    found = []
    for number, log in enumerate(logs):
        suffix = names.COMPRESSION.search(log.name)
        if suffix and _is_padded(fs, log, suffix[0]):
            copy = join(folder, f"{number}-{log.name.removesuffix(suffix[0])}")
            if fs.decompress(log.path, log.bytes, suffix[0], copy) is None:
                raise BadData(
                    f"{log.path}: damaged, truncated, or made with a window over 8 MiB; fetch the log again"
                )
            found.append(replace(log, path=copy, name=copy.rpartition("/")[2]))
        else:
            found.append(log)
    return found


def _is_padded(fs: FileSystem, log: Log, suffix: str) -> bool:
    tail = fs.tail(log.path, 10)
    if suffix == ".gz":
        # A member ends with its size, four zeros if it is empty: then nine with those before.
        return tail[-4:] == bytes(4) and tail != b"\3" + bytes(9)
    frame = fs.head(log.path, 4)
    return frame[1:] == b"\x2a\x4d\x18" or tail[-4:] in (bytes(4), b"\xb1\xea\x92\x8f")


def day_of(logs: Iterable[Log], offset: datetime.timedelta) -> datetime.date:
    """The one day that the names of all logs have, less the offset of the names."""
    days: dict[datetime.date, str] = {}
    for log in logs:
        found = names.days_of(log.name, [*log.folders])
        if not found:
            raise BadData(f"{log.path}: no date in its name or its folder's; give --date")
        for day in found:
            days.setdefault(day + offset, log.path)
    if len(days) > 1:
        told = ", ".join(f"{day} ({path})" for day, path in sorted(days.items()))
        raise BadData(f"logs of several days: {told}; give --date, or one day's logs")
    return next(iter(days))


def read(spark: SparkSession, logs: list[Log]) -> DataFrame:
    """A column `raw`, the bytes of each row less its LF; plain files are read in splits.

    Memory: the longest row of a split, on its executor; a row of gigabytes fails its task.
    """
    _refuse_other_codecs(spark, logs)
    # Names are escaped because they are taken for patterns once more.
    paths = [literal(log.path) for log in logs]
    return spark.read.text(paths, lineSep="\n").select(F.col("value").cast("binary").alias("raw"))


OTHER_CODECS = re.compile(
    r"\.(?:gz|gzip|zst|zstd|zstandard|bz2|bzip2|deflate|lz4|snappy|sz|lzo|lzo_deflate|zlib|xz|br)\Z",
    re.IGNORECASE,
)
"""Suffixes that Spark knows by itself, whatever codecs Hadoop has, in letters of any case."""


def _refuse_other_codecs(spark: SparkSession, logs: list[Log]) -> None:
    """Spark silently decompresses by suffix, in letters of any case."""
    context = spark.sparkContext
    hadoop: Any = context._jvm.org.apache.hadoop  # type: ignore[union-attr]
    codecs = hadoop.io.compress.CompressionCodecFactory(context._jsc.hadoopConfiguration())
    for log in logs:
        is_ours = names.COMPRESSION.search(log.name) is not None
        has_codec = codecs.getCodec(hadoop.fs.Path(log.path)) is not None
        if is_ours and not has_codec:
            raise Missing(f"{log.path}: this cluster has no codec for it; install one, or decompress the log")
        if not is_ours and (has_codec or OTHER_CODECS.search(log.name)):
            raise Usage(
                f"{log.path}: a log is plain, .gz or .zst, in small letters; name it so, or compress it so"
            )


def refuse_changed(fs: FileSystem, logs: Iterable[Log]) -> None:
    """Refuses logs that changed since they were listed; for after they were read."""
    for log in logs:
        now = fs.look(log.path)
        if now is None or (now.bytes, now.modified_ms) != (log.bytes, log.modified_ms):
            raise BadData(f"{log.path}: the log changed while it was read; wait for its writer")
