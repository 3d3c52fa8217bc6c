"""Stage 6: tops to text, and their manifest.

A line a key, `key|song:count,song:count,…` and LF: countries by their letters, users by number, ids
without leading zeros. The parts of a file are in the order of the keys, so joined they are the file that
`agg` writes.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from pyspark.sql import Observation
from pyspark.sql import functions as F

from agg_spark.error import Failed
from agg_spark.fs import join
from agg_spark.patterns import literal

if TYPE_CHECKING:
    import datetime

    from pyspark.sql import DataFrame, SparkSession

    from agg_spark.fs import FileSystem
    from agg_spark.model import Kind, Tally


@dataclass(frozen=True)
class File:
    """A file of an emission: a part, or one that was made of parts."""

    name: str
    keys: int
    bytes: int
    digests: dict[str, str]
    """Of a part, `xxh64`: the exclusive or of `xxhash64(line)` of Spark. Of a whole file, `sha256`."""

    def as_json(self) -> dict[str, object]:
        """The entry of the manifest."""
        return {"name": self.name, "keys": self.keys, "bytes": self.bytes, **self.digests}


@dataclass(frozen=True)
class Source:
    """One day of an emission. The rows and rejects of a day that came without them are unknown."""

    day: datetime.date
    digest: str
    accepted: int
    tally: Tally | None


def stem(kind: Kind, top: int) -> str:
    """The name of the tops of a kind."""
    return f"top{top}_songs_per_{kind.value}"


def write(best: DataFrame, kind: Kind, folder: str) -> int:
    """Writes the best songs of each key as parts, in the order of the keys, and says how many keys there are.

    What comes in is sorted by key, so a key's songs are collected as they pass, in the memory of one key.
    Keys are counted in the tasks that write, which Spark counts once even if they are repeated.
    """
    song = F.concat(F.col("sng_id").cast("string"), F.lit(":"), F.col("streams").cast("string"))
    placed = F.sort_array(F.collect_list(F.struct("place", song.alias("song"))))
    lines = best.groupBy(kind.key).agg(F.array_join(placed["song"], ",").alias("songs"))
    key = F.col(kind.key).cast("string")
    ordered = lines.sortWithinPartitions(kind.key)
    seen = Observation()
    counted = ordered.select(F.concat(key, F.lit("|"), "songs")).observe(
        seen, F.count(F.lit(1)).alias("keys")
    )
    # A cluster's default may be to compress.
    counted.write.text(folder, lineSep="\n", compression="none")
    return int(seen.get["keys"])


def check(spark: SparkSession, fs: FileSystem, kind: Kind, folder: str, keys: int) -> list[File]:
    """Reads the parts again, and describes them in the order of the keys.

    Parts whose keys overlap, that are not as large as their lines, or that do not have all keys are an
    error: they are not what was written.
    """
    written = {entry.name: entry for entry in fs.list(folder) if entry.name.startswith("part-")}
    found = sorted(_lines_by_part(spark, kind, folder), key=lambda row: _number_of(row[0])) if written else []
    files = [
        File(name, count, size, {"xxh64": f"{digest % 2**64:016x}"})
        for name, count, size, digest, *_ in found
    ]
    ends = [(first, last) for *_, first, last in found]
    if (
        any(written[file.name].bytes != file.bytes for file in files)
        or any(left[1] >= right[0] for left, right in pairwise(ends))
        or sum(file.keys for file in files) != keys
    ):
        raise Failed(
            f"{folder}: the driver does not see what the executors wrote; "
            "use a file system that all machines share, or look at the disk"
        )
    for name in written.keys() - {file.name for file in files}:
        fs.remove(join(folder, name))
    return files


def _number_of(part: str) -> int:
    """Spark's number of a part, which has five digits or more."""
    return int(part.split("-")[1].split(".", maxsplit=1)[0])


def _lines_by_part(spark: SparkSession, kind: Kind, folder: str) -> list[Any]:
    key = F.substring_index("value", "|", 1).cast("bigint" if kind.key == "user_id" else "string")
    lines = spark.read.text(literal(folder), lineSep="\n").select(
        F.col("_metadata.file_name").alias("name"),
        F.octet_length("value").alias("size"),
        F.xxhash64("value").alias("digest"),
        key.alias("key"),
    )
    return (
        lines.groupBy("name")
        .agg(F.count(F.lit(1)), F.sum(F.col("size") + 1), F.bit_xor("digest"), F.min("key"), F.max("key"))
        .collect()
    )


def join_parts(fs: FileSystem, folder: str, parts: list[File], name: str) -> File:
    """Makes one file beside the folder of its parts, and removes that."""
    target = join(folder.rsplit("/", 1)[0], name)
    sha256 = fs.concatenate([join(folder, part.name) for part in parts], target)
    fs.remove(folder)
    keys, size = sum(part.keys for part in parts), sum(part.bytes for part in parts)
    return File(name, keys, size, {"sha256": sha256})


def manifest(
    days: list[datetime.date], top: int, sources: list[Source], folder: str, files: list[File]
) -> dict[str, Any]:
    """The partials and the files of an emission. Its files are in `folder`, beside the manifest.

    The digests are those of this job, and files have SHA-256 where `agg` has XXH3-64. A number that a day
    came without is null, and so is a total that needs it.
    """
    known = {source.day for source in sources}
    return {
        "window": {"from": str(days[0]), "to": str(days[-1]), "days": len(days)},
        "top": top,
        "partials": [
            {
                "day": str(source.day),
                "digest": source.digest,
                "rows": source.tally.rows if source.tally else None,
                "rejected": source.tally.rejected if source.tally else None,
            }
            for source in sources
        ],
        "missing": [str(day) for day in days if day not in known],
        "folder": folder,
        "files": [file.as_json() for file in files],
        "totals": _totals(sources),
    }


def _totals(sources: list[Source]) -> dict[str, object]:
    accepted = sum(source.accepted for source in sources)
    tallies = [source.tally for source in sources if source.tally]
    if len(tallies) < len(sources):
        return {"rows": None, "accepted": accepted, "rejected": None, "rejects": None}
    rejects = {reason: sum(tally.rejects[reason] for tally in tallies) for reason in tallies[0].rejects}
    rejected = sum(rejects.values())
    return {
        "rows": accepted + rejected,
        "accepted": accepted,
        "rejected": rejected,
        "rejects": rejects,
    }


def encode(document: dict[str, Any]) -> bytes:
    """Indented JSON with an LF at the end."""
    return (json.dumps(document, indent=2) + "\n").encode()
