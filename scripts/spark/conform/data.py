"""The logs of a conformance run: the samples, days made up for one difficulty each, and generated days."""

from __future__ import annotations

import gzip
import random
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

REPOSITORY = Path(__file__).resolve().parents[3]
BOM = b"\xef\xbb\xbf"
MAX_ID = 2**63 - 1


@dataclass(frozen=True)
class LogSet:
    """Days of logs and the windows that are emitted of them."""

    name: str
    folder: Path
    days: dict[str, list[Path]]
    windows: list[str]
    window_days: int = 7
    about: dict[str, str] = field(default_factory=dict)


def samples(windows: list[str]) -> LogSet:
    """The nine days of `data-samples`, of which those that the windows need."""
    folder = REPOSITORY / "data-samples"
    days = {
        "2021-11-29": "sample_listen-2021-11-29.log",
        "2021-11-30": "sample_listen-2021-11-30.log",
        "2021-12-01": "sample_listen-2021-12-01_2Mlines.log",
        "2021-12-02": "listen-20211202.log.gz",
        "2021-12-03": "sample_listen-2021-12-03_parts",
        "2021-12-04": "listen-20211204.log.zst",
        "2021-12-05": "listen-20211205.log",
        "2021-12-06": "sample_listen-2021-12-06.txt",
        "2021-12-07": "listen-20211207.log",
    }
    if windows == ["2021-12-07"]:
        days = {day: name for day, name in days.items() if day >= "2021-12-01"}
    return LogSet("samples", folder, {day: [folder / name] for day, name in days.items()}, windows)


def crafted(agg: Path, folder: Path, rows: int) -> LogSet:
    """Seven days, each with one difficulty, and a window over them all."""
    folder.mkdir(parents=True, exist_ok=True)
    dice = random.Random(6)  # noqa: S311 - the same days every time
    contents = {
        "corrupt": _corrupt(dice),
        "pairs": b"".join(b"%d|7|%s\n" % (n, pair) for n, pair in enumerate(_pairs())),
        "ties": _ties(dice),
        "ids": _large_ids(dice),
    }
    days: dict[str, list[Path]] = {}
    about = {}
    for number, (name, content) in enumerate(contents.items(), start=1):
        day = f"2022-01-{number:02}"
        log = folder / f"{name}-{day}.log"
        log.write_bytes(content)
        days[day], about[day] = [log], name
    days["2022-01-05"], about["2022-01-05"] = [_marks(folder)], "CR and BOM"
    for number, shape in ((6, "one-user"), (7, "one-country")):
        day = f"2022-01-{number:02}"
        options = ["--rows", str(rows), "--days", "1", "--from", day, "--shape", shape, "--quiet"]
        subprocess.run([agg, "generate", *options, folder / shape], check=True, stdout=subprocess.DEVNULL)
        days[day], about[day] = sorted((folder / shape).glob("*.log")), shape
    return LogSet("crafted", folder, days, ["2022-01-07"], about=about)


def generated(agg: Path, folder: Path, rows: int, count: int) -> LogSet:
    """Days that are shaped like real days."""
    options = ["--rows", str(rows), "--days", str(count), "--from", "2021-12-01", "--quiet"]
    # Ten times the rows of users are too few to meet twice: let there be as many as listen.
    options += ["--users", str(max(1000, rows // 3)), "--songs", str(max(1000, rows // 4))]
    subprocess.run([agg, "generate", *options, folder], check=True, stdout=subprocess.DEVNULL)
    logs = sorted(folder.glob("*.log"))
    days = {f"2021-12-{number:02}": [log] for number, log in enumerate(logs, start=1)}
    return LogSet("generated", folder, days, [f"2021-12-{count:02}"], window_days=count)


def _pairs() -> Iterable[bytes]:
    letters = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    return (bytes([first, second]) for first in letters for second in letters)


def _corrupt(dice: random.Random) -> bytes:
    """Rows of significant pieces, rows with one byte changed, and rows of each length around the limit."""
    pieces = [
        b"|",
        b"|",
        b"0",
        b"1",
        b"9",
        b" ",
        b"\t",
        b"FR",
        b"F",
        b"-",
        b"\r",
        b"\0",
        b"\xe2",
        b"\xc3\xa9",
        b"\xff",
    ]
    rows = [b"".join(dice.choices(pieces, k=dice.randrange(9))) for _ in range(5000)]
    for _ in range(5000):
        row = bytearray(b"%d | %d|FR" % (dice.randrange(10**6), dice.randrange(2**64)))
        row[dice.randrange(len(row))] = dice.randrange(256)
        rows.append(bytes(row))
    for length in (4095, 4096, 4097, 4098, 100_000):
        rows += [b"1|2|FR".rjust(length), b" " * length, b"|" * length, b"\xe2" * length]
        rows += [row + b"\r" for row in rows[-4:]]
    rows += [
        BOM + b"1|2|FR",
        b"1|2|FR3|4|GB",
        b"1,2,FR",
        b"1|2|FRFR",
        b"1|2|VJ",
        b"-1|2|FR",
        b"1| |FR",
        b"1||FR",
    ]
    rows += [b"9223372036854775808|1|FR", b"1|18446744073709551617|FR", b"1.0|2|FR", b"1e3|2|FR", b"+1|2|FR"]
    dice.shuffle(rows)
    return b"\n".join(rows)


def _ties(dice: random.Random) -> bytes:
    """A country and a user whose ranks 41 to 120 tie, with songs of two to twelve digits."""
    songs = [dice.randrange(10, 10 ** dice.randrange(2, 13)) for _ in range(120)]
    rows = []
    for place, song in enumerate(songs):
        rows += [b"%d|77|FR\n" % song] * (5 if place < 40 else 2)
    # The same songs by others: the country's and the user's tops differ.
    rows += [b"%d|%d|GB\n" % (song, place) for place, song in enumerate(songs)]
    dice.shuffle(rows)
    return b"".join(rows)


def _large_ids(dice: random.Random) -> bytes:
    ids = [0, 1, 2**31, 2**32, 2**53 + 1, MAX_ID - 1, MAX_ID]
    rows = [b"%d|%d|IS\n" % (dice.choice(ids), dice.choice(ids)) for _ in range(400)]
    rows += [b"%050d|%d|IS\n" % (MAX_ID, MAX_ID), b"%d|%020d|IS\n" % (MAX_ID, 7), b"%d|1|IS\n" % (MAX_ID + 1)]
    return b"".join(rows)


def _marks(folder: Path) -> Path:
    """A folder of logs that differ in how they begin and how their lines end."""
    logs = folder / "marks-2022-01-05"
    logs.mkdir(exist_ok=True)
    row, mark = b"%d|%d|SE", BOM
    contents = {
        "a.log": mark + row % (1, 1) + b"\r\n" + mark + row % (2, 2) + b"\r\n",
        "b.log": mark + mark + row % (3, 3) + b"\n",
        "c.log": mark,
        "d.log": mark + b"\n",
        "e.log": b"\n",
        "f.log": b"",
        "g.log": b"\r\n\r\r\n\r",
        "h.log": row % (4, 4),
        "i.log": row % (5, 5) + b"\r",
        "j.log": row % (6, 6) + b"\r\r\n" + row % (7, 7) + b"\r8|8|SE\n",
        "k.txt": b"\n\n" + mark + row % (9, 9) + b"\n\n",
        "l.log": mark[:2] + row % (10, 10) + b"\n",
    }
    for name, content in contents.items():
        (logs / name).write_bytes(content)
    whole = mark + row % (11, 11) + b"\r\n" + row % (12, 12)
    members = [whole[:5], whole[5:], b"\r\n" + mark + row % (13, 13)]
    (logs / "m.log.gz").write_bytes(b"".join(gzip.compress(member) for member in members))
    return logs
