#!/usr/bin/env python3
"""Computes the expected files a second time, in SQL, and compares them with the oracle's byte for byte.

    pip install duckdb
    python3 tests/oracle/check.py data-samples tests/data/expected

Shares no rule with oracle.py: lines come out of `zcat` and `zstd`, a regular expression and SQL judge the
rows, DuckDB counts and ranks. It also checks that the samples still have the oddities that README.md
promises. To be run whenever they change; last with DuckDB 2.0.1.
"""

import csv
import json
import pathlib
import subprocess
import sys
import tempfile

import duckdb

UNPACK = {".gz": ["zcat"], ".zst": ["zstd", "-dcq"]}

# Latin-1 keeps every byte a character, so that the patterns below speak of bytes.
JUDGE = r"""
create table judged as
with cut as (
    select *, regexp_matches(line, '^[^|]*\|[^|]*\|[^|]*$', 's') as three, string_split(line, '|') as part from lines
), trimmed as (
    select day, line, three,
        trim(part[1], e' \t') as song, trim(part[2], e' \t') as user_, trim(part[3], e' \t') as country
    from cut
), valued as (
    select *, try_cast(if(regexp_full_match(song, '[0-9]+'), song, null) as bigint) as song_id,
              try_cast(if(regexp_full_match(user_, '[0-9]+'), user_, null) as bigint) as user_id
    from trimmed
)
select day, song_id, user_id, country, case
        when length(line) > 4096 then 'too_long'
        when regexp_full_match(line, '[ \t]*') then 'blank'
        when not three then 'field_count'
        when song_id is null then 'song_id'
        when user_id is null then 'user_id'
        when country not in (select code from codes) then 'country'
        else 'accepted'
    end as verdict
from valued
"""

TOPS = """
with summed as (
    select {key} as key, song_id, count(*) as streams from judged
    where verdict = 'accepted' and day between cast($last as date) - 6 and cast($last as date)
    group by {key}, song_id
), best as (
    from summed qualify row_number() over (partition by key order by streams desc, song_id) <= 50
)
select key, string_agg(song_id || ':' || streams, ',' order by streams desc, song_id)
from best group by key order by key
"""


def lines_of(path):
    """Numbered lines as Latin-1, without BOM, LF and one CR."""
    command = UNPACK.get(path.suffix, ["cat"])
    data = subprocess.run([*command, path], check=True, stdout=subprocess.PIPE).stdout.decode("latin-1")
    data = data[3:] if data.startswith("\xef\xbb\xbf") else data
    for number, line in enumerate(data.split("\n")[: -1 if data.endswith("\n") else None], start=1):
        yield number, line[:-1] if line.endswith("\r") else line


def load(database, samples, days):
    """Puts the logs that days.json names into a table."""
    database.execute("create table lines (day date, log varchar, number bigint, line varchar)")
    rows = []
    for day, facts in days.items():
        for name in facts["logs"]:
            (path,) = [path for path in samples.rglob(name) if path.is_file()]
            rows += [(day, name, number, line.encode().hex()) for number, line in lines_of(path)]
    with tempfile.NamedTemporaryFile("w", suffix=".csv", newline="") as file:
        csv.writer(file).writerows(rows)
        file.flush()
        database.execute(
            "insert into lines select day, log, number, decode(unhex(coalesce(line, '')))"
            " from read_csv(?, header = false, "
            " columns = {day: 'date', log: 'varchar', number: 'bigint', line: 'varchar'})",
            [file.name],
        )


def compare(what, found, expected):
    if found != expected:
        sys.exit(f"{what} differs:\n{found[:400]}\n{expected[:400]}")
    print(f"{what}: equal")


def check_days(database, days):
    """Rows and rejects by reason of every day."""
    for day, facts in days.items():
        counts = dict(
            database.execute("select verdict, count(*) from judged where day = ? group by 1", [day]).fetchall()
        )
        compare(f"{day} rows", sum(counts.values()), facts["rows"])
        compare(f"{day} accepted", counts.pop("accepted"), facts["accepted"])
        compare(f"{day} rejects", counts, {reason: n for reason, n in facts["rejects"].items() if n})


def check_tops(database, expected, last):
    """Both output files of the window that ends on `last`."""
    for kind, key in [("country", "country"), ("user", "user_id")]:
        rows = database.execute(TOPS.format(key=key), {"last": last}).fetchall()
        text = "".join(f"{key}|{songs}\n" for key, songs in rows)
        compare(f"{last} {kind}", text, (expected / last / f"top50_songs_per_{kind}.txt").read_text())


def check_oddities(expected, days):
    """What the samples are there for."""
    seen = {reason for facts in days.values() for reason, n in facts["rejects"].items() if n}
    assert seen == {"too_long", "blank", "field_count", "song_id", "user_id", "country"}
    assert all(facts["rejected"] < 0.1 * facts["rows"] for facts in days.values())
    for folder in sorted(path for path in expected.glob("2*") if path.is_dir()):
        countries, users = (
            {
                line.split("|")[0]: [tuple(map(int, pair.split(":"))) for pair in line.split("|")[1].split(",")]
                for line in (folder / f"top50_songs_per_{kind}.txt").read_text().splitlines()
            }
            for kind in ("country", "user")
        )
        assert len(countries["NU"]) == 3
        assert countries["LU"][40:] == [(song, 1) for song in range(995, 1005)]
        assert [count for _, count in users["1847261"]] == [7] * 20 + [1] * 30
        assert countries["IS"][:10] == [(450_000_000 + 7 * song, 14) for song in range(10)]
        assert {count for _, count in countries["IS"][10:]} == {3}
        assert users["0"] == [(0, n := users["0"][0][1]), (2**63 - 1, n)] and str(2**63 - 1) in users
        assert any(len(songs) == 1 and songs[0][1] == 1 for songs in users.values())
    print("oddities: all there")


def main():
    samples, expected = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
    days = json.loads((expected / "days.json").read_text())
    database = duckdb.connect()
    codes = (pathlib.Path(__file__).parent.parent / "data/iso3166.txt").read_text().split()
    database.execute("create table codes as select unnest(?) as code", [codes])
    load(database, samples, days)
    database.execute(JUDGE)
    check_days(database, days)
    for folder in sorted(path for path in expected.glob("2*") if path.is_dir()):
        check_tops(database, expected, folder.name)
    check_oddities(expected, days)


if __name__ == "__main__":
    main()
