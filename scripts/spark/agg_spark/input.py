"""Stage 1: from what was named to the bytes of each row.

**Which files.** A named file is a log whatever it is called; a folder gives its own `*.log` and `*.txt`,
also with `.gz` or `.zst` behind; a pattern gives what matches it. **Which day.** A date in the log's name,
or else in that of its folder. **Rows.** The bytes between two LFs, as bytes: nothing is decoded.

Hadoop's line reader does more of this than it says: it drops a byte-order mark at offset 0 of a
(decompressed) file and nowhere else, gives no row behind a last LF, and lets no row span two files. The
tests hold it to that. `lineSep` keeps it from splitting at a CR.

Left to others: the CR before an LF, and what a row says (`row`).
"""

from __future__ import annotations

import datetime
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pyspark.sql import functions as F

from agg_spark.error import BadData, Missing, Usage
from agg_spark.fs import literal

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pyspark.sql import DataFrame, SparkSession

    from agg_spark.fs import Entry, FileSystem

LOG = re.compile(r"(?!\.).*\.(?:log|txt)(?:\.gz|\.zst)?", re.DOTALL)
COMPRESSION = re.compile(r"\.(?:gz|zst)\Z")
OTHER_CODECS = re.compile(
    r"\.(?:gz|gzip|zst|zstd|zstandard|bz2|bzip2|deflate|lz4|snappy|sz|lzo|lzo_deflate|zlib|xz|br)\Z",
    re.IGNORECASE,
)
"""Suffixes that Spark knows by itself, whatever codecs Hadoop has, in letters of any case."""
DATE = re.compile(r"(?<![0-9])(?:[0-9]{8}|[0-9]{4}-[0-9]{2}-[0-9]{2})(?![0-9])")


@dataclass(frozen=True)
class Log:
    """One input, as it was when it was listed."""

    path: str
    name: str
    bytes: int
    modified_ms: int

    def as_json(self) -> dict[str, object]:
        """What a day remembers of its inputs; no path, so that they may move."""
        return {"name": self.name, "bytes": self.bytes, "modified_ms": self.modified_ms}


def find(fs: FileSystem, named: Iterable[str]) -> list[Log]:
    """The logs that were named, in the order of the names, those of a folder or pattern by name."""
    logs: list[Log] = []
    for name in named:
        if name == "-":
            raise Usage("-: the job has no standard input: name a file, folder or pattern")
        entries = fs.glob(name)
        if not entries:
            raise Missing(f"{name}: there is no such log, folder or match: check the path")
        for entry in entries:
            files = _of_folder(fs, entry) if entry.is_folder else [entry]
            logs += [Log(file.path, file.name, file.bytes, file.modified_ms) for file in files]
    _refuse_twins(logs)
    _refuse_copies(fs, logs)
    _refuse_what_spark_would_lose(logs)
    return logs


def _of_folder(fs: FileSystem, folder: Entry) -> list[Entry]:
    files = [entry for entry in fs.list(folder.path) if not entry.is_folder and LOG.fullmatch(entry.name)]
    if not files:
        raise Missing(f"{folder.path}: no logs in this folder: they are called *.log or *.txt")
    return files


def _refuse_twins(logs: list[Log]) -> None:
    seen: dict[str, str] = {}
    for log in logs:
        plain = COMPRESSION.sub("", log.path)
        if plain in seen:
            raise BadData(
                f"{log.path}: the same log as {seen[plain]}, or the same but for the compression: "
                "name one of them"
            )
        seen[plain] = log.path


def _refuse_copies(fs: FileSystem, logs: list[Log]) -> None:
    """One log under two names, by a link or as a copy, would count twice.

    Only logs of equal sizes are compared, up to their first difference, and a copy is read to its end once.
    """
    by_size: dict[int, list[Log]] = {}
    for log in logs:
        others = by_size.setdefault(log.bytes, [])
        for other in others if log.bytes else []:
            if fs.same_content(log.path, other.path):
                raise BadData(f"{log.path}: the same log as {other.path}: name one of them")
        others.append(log)


def _refuse_what_spark_would_lose(logs: list[Log]) -> None:
    """Spark leaves out files of some names without a word, and takes an empty stream for an empty log."""
    for log in logs:
        if log.name.startswith((".", "_")) or log.name.endswith("._COPYING_"):
            raise Usage(f"{log.path}: Spark does not read files of such names: rename the log")
        if COMPRESSION.search(log.name) and log.bytes == 0:
            raise BadData(f"{log.path}: an empty file is no compressed log: fetch it again")


def day_of(logs: Iterable[Log]) -> datetime.date:
    """The one day that the names of all logs tell."""
    days: dict[datetime.date, str] = {}
    for log in logs:
        folder = log.path.rsplit("/", 2)[-2]
        found = dates_in(log.name) or dates_in(folder)
        if not found:
            raise BadData(f"{log.path}: no date in its name or its folder's: give --date")
        for day in found:
            days.setdefault(day, log.path)
    if len(days) > 1:
        told = ", ".join(f"{day} ({path})" for day, path in sorted(days.items()))
        raise BadData(f"the logs tell more than one day: {told}: give --date, or one day's logs")
    return next(iter(days))


def dates_in(name: str) -> set[datetime.date]:
    """The calendar days of 1970 to 2199 that stand in a name."""
    found = set()
    for match in DATE.findall(name):
        digits = match.replace("-", "")
        try:
            day = datetime.date(int(digits[:4]), int(digits[4:6]), int(digits[6:]))
        except ValueError:
            continue
        if 1970 <= day.year <= 2199:
            found.add(day)
    return found


def read(spark: SparkSession, logs: list[Log]) -> DataFrame:
    """A column `raw`, the bytes of each row less its LF; plain files are read in splits.

    Memory: the longest row of a split, on its executor; a row of gigabytes fails its task.
    """
    _refuse_other_codecs(spark, logs)
    # Names are escaped because they are taken for patterns once more.
    paths = [literal(log.path) for log in logs]
    return spark.read.text(paths, lineSep="\n").select(F.col("value").cast("binary").alias("raw"))


def _refuse_other_codecs(spark: SparkSession, logs: list[Log]) -> None:
    """Spark decompresses by suffix, in letters of any case, and without a word."""
    context = spark.sparkContext
    hadoop: Any = context._jvm.org.apache.hadoop  # type: ignore[union-attr]
    codecs = hadoop.io.compress.CompressionCodecFactory(context._jsc.hadoopConfiguration())
    for log in logs:
        is_ours = COMPRESSION.search(log.name) is not None
        has_codec = codecs.getCodec(hadoop.fs.Path(log.path)) is not None
        if is_ours and not has_codec:
            raise Missing(f"{log.path}: this cluster has no codec for it: install one, or decompress the log")
        if not is_ours and (has_codec or OTHER_CODECS.search(log.name)):
            raise Usage(
                f"{log.path}: a log is plain, .gz or .zst, in small letters: name it so, or compress it so"
            )


def refuse_changed(fs: FileSystem, logs: Iterable[Log]) -> None:
    """Refuses logs that changed since they were listed; for after they were read."""
    for log in logs:
        now = fs.look(log.path)
        if now is None or (now.bytes, now.modified_ms) != (log.bytes, log.modified_ms):
            raise BadData(f"{log.path}: the log changed while it was read: wait for its writer")
