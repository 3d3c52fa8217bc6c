#!/usr/bin/env python3
"""The obvious program: what `agg backfill --logs LOGS --emit` has to find, without agg.

    python3 tests/oracle/oracle.py data-samples tests/data/expected

Everything is held in memory and counted in plain dictionaries, so it is right because it can be read.
Python's standard library alone; .zst logs go through the `zstd` command. It writes

    EXPECTED/days.json                  rows and rejects by reason of every day
    EXPECTED/rejects/DAY.txt            the first 1,000 corrupt rows of every day
    EXPECTED/DAY/top50_songs_per_*.txt  the tops of every full window of seven days that ends on DAY

Only maintainers run it, after tests/oracle/generate.py, and commit what changed.
"""

import datetime
import gzip
import json
import pathlib
import re
import subprocess
import sys
from collections import Counter, defaultdict
from typing import NamedTuple

WINDOW, TOP = 7, 50
MAX_ID = 2**63 - 1
REASONS = ["too_long", "blank", "field_count", "song_id", "user_id", "country"]
CODES = (pathlib.Path(__file__).parent.parent / "data/iso3166.txt").read_text().split()
LOG_NAME = re.compile(r"\.(log|txt)(\.gz|\.zst)?$")
COLUMNS = ["sng_id", "user_id", "country"]
SONGS, USERS, COUNTRIES = [b"sngid", b"songid", b"song", b"trackid"], [b"userid", b"user"], [b"country", b"countrycode"]
NAMES = {name: place for place, names in enumerate([SONGS, USERS, COUNTRIES]) for name in names}


class Rules(NamedTuple):
    """What the flags of the same names say; the default is a plain log."""

    delimiter: bytes = b"|"
    columns: list[str] | None = None
    header: bool = False
    any_country: bool = False


PLAIN = Rules()


def days_in(name):
    """The calendar days in a name."""
    found = set()
    for digits in re.findall(r"(?<!\d)\d{8}(?!\d)|(?<!\d)\d{4}-\d{2}-\d{2}(?!\d)", name):
        digits = digits.replace("-", "")
        try:
            day = datetime.date(int(digits[:4]), int(digits[4:6]), int(digits[6:]))
        except ValueError:
            continue
        if 1970 <= day.year <= 2199:
            found.add(day)
    return found


def logs_by_day(folder):
    """Day to its logs; an entry of the folder without a date is skipped."""
    logs = defaultdict(list)
    for entry in sorted(folder.iterdir(), key=lambda path: path.name.encode()):
        days = days_in(entry.name)
        if entry.name.startswith(".") or not days:
            continue
        assert len(days) == 1, entry
        files = [entry]
        if entry.is_dir():
            files = sorted(entry.iterdir(), key=lambda path: path.name.encode())
        for file in files:
            if LOG_NAME.search(file.name) and not file.name.startswith("."):
                logs[days.copy().pop()].append(file)
    return dict(sorted(logs.items()))


def content(path):
    """The log's bytes, decompressed, without a byte-order mark at the start."""
    if path.suffix == ".gz":
        data = gzip.decompress(path.read_bytes())
    elif path.suffix == ".zst":
        data = subprocess.run(["zstd", "-dcq", path], check=True, stdout=subprocess.PIPE).stdout
    else:
        data = path.read_bytes()
    return data.removeprefix(b"\xef\xbb\xbf")


def rows(data):
    """Bytes up to an LF or the end, less one CR. Nothing follows a final LF."""
    lines = data.split(b"\n")
    if lines[-1] == b"":
        lines.pop()
    return [line.removesuffix(b"\r") for line in lines]


def number(field):
    """The value of an id, or None."""
    if re.fullmatch(rb"[0-9]+", field) and int(field) <= MAX_ID:
        return int(field)
    return None


def columns_of(header, rules):
    """The columns of the log that begins with this line."""
    bare = [re.sub(rb'^"(.*)"$', rb"\1", field.strip()) for field in header.split(rules.delimiter)]
    places = [NAMES.get(re.sub(rb"[-_ ]", b"", name).lower()) for name in bare]
    named = ["_" if at is None else COLUMNS[at] for at in places]
    return rules.columns or (named if set(COLUMNS) <= set(named) else COLUMNS)


def parse(row, rules=PLAIN, columns=None):
    """Song, user and country of a row, or the reason why it is corrupt."""
    columns = columns or rules.columns or COLUMNS
    if len(row) > 4096:
        return "too_long"
    if row.strip(b" \t") == b"":
        return "blank"
    fields = [field.strip(b" \t") for field in row.split(rules.delimiter)]
    quoted = [name == "_" and field.startswith(b'"') for name, field in zip(columns, fields, strict=False)]
    if len(fields) != len(columns) or any(quoted):
        return "field_count"
    song, user, country = (fields[columns.index(name)] for name in COLUMNS)
    if number(song) is None:
        return "song_id"
    if number(user) is None:
        return "user_id"
    known = re.fullmatch(rb"[A-Z]{2}", country) if rules.any_country else country in [code.encode() for code in CODES]
    if not known:
        return "country"
    return number(song), number(user), country.decode()


def shown(data):
    """The first 200 bytes: printable ASCII but the backslash as it is, all else as \\xNN."""
    plain = [0x20 <= byte < 0x7F and byte != 0x5C for byte in data[:200]]
    return "".join(chr(b) if p else f"\\x{b:02x}" for b, p in zip(data[:200], plain, strict=True))


def reduce_day(logs, rules=PLAIN):
    """Counts by country and by user, facts for days.json, and the rejects file's lines."""
    country_songs, user_songs = defaultdict(Counter), defaultdict(Counter)
    facts = {"logs": [log.name for log in logs], "rows": 0, "accepted": 0, "rejected": 0}
    facts["rejects"] = dict.fromkeys(REASONS, 0)
    corrupt = []
    for log in logs:
        columns = None
        for line, row in enumerate(rows(content(log)), start=1):
            if rules.header and line == 1:
                columns = columns_of(row, rules)
                continue
            facts["rows"] += 1
            parsed = parse(row, rules, columns)
            if isinstance(parsed, str):
                facts["rejected"] += 1
                facts["rejects"][parsed] += 1
                corrupt.append(f"{shown(log.name.encode())}:{line}: {parsed}: {shown(row)}\n")
            else:
                song, user, country = parsed
                facts["accepted"] += 1
                country_songs[country][song] += 1
                user_songs[user][song] += 1
    return country_songs, user_songs, facts, corrupt[:1000]


def tops(days_counts):
    """The output file of one kind: the days' counts added up, the best songs of each key."""
    total = defaultdict(Counter)
    for counts in days_counts:
        for key, songs in counts.items():
            total[key].update(songs)
    text = ""
    for key in sorted(total):
        best = sorted(total[key].items(), key=lambda item: (-item[1], item[0]))[:TOP]
        text += f"{key}|" + ",".join(f"{song}:{count}" for song, count in best) + "\n"
    return text


def main():
    folder, expected = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
    (expected / "rejects").mkdir(parents=True, exist_ok=True)
    reduced = {day: reduce_day(logs) for day, logs in logs_by_day(folder).items()}
    facts = {str(day): result[2] for day, result in reduced.items()}
    (expected / "days.json").write_text(json.dumps(facts, indent=2) + "\n")
    for day, (_, _, _, corrupt) in reduced.items():
        (expected / "rejects" / f"{day}.txt").write_text("".join(corrupt))
    for last in reduced:
        window = [last - datetime.timedelta(back) for back in reversed(range(WINDOW))]
        if all(day in reduced for day in window):
            (expected / str(last)).mkdir(exist_ok=True)
            for kind, name in enumerate(["country", "user"]):
                path = expected / str(last) / f"top{TOP}_songs_per_{name}.txt"
                path.write_text(tops(reduced[day][kind] for day in window))


if __name__ == "__main__":
    main()
