#!/usr/bin/env python3
"""Writes data-samples/: nine days of listening logs, small, with every oddity that real ones have.

    python3 tests/oracle/generate.py data-samples
    python3 tests/oracle/oracle.py data-samples tests/data/expected

Only maintainers run it; its output is committed. Needs the `zstd` command (1.5) beside the standard
library. Every run gives the same logs; the compressed bytes may differ with other releases of zlib or
zstd, what they decompress to may not. data-samples/README.md lists what is where and why.
"""

import bisect
import datetime
import gzip
import itertools
import pathlib
import random
import subprocess
import sys

FIRST = datetime.date(2021, 11, 29)
BOM = b"\xef\xbb\xbf"
MAX_ID = 2**63 - 1
LONGEST = 4096

# Share of the users who live there; the last few are too small to fill a top 50.
COUNTRIES = dict(  # noqa: C408 - short enough to be read this way
    FR=300, BR=120, DE=90, US=80, GB=60, MX=50, NL=30, BE=30, CO=25, ES=25, IT=25, CA=20, PL=15, SE=12, CH=12,
    AR=10, CL=10, MA=10, TN=8, DZ=8, SN=6, CI=6, PT=6, RO=6, TR=5, JP=5, AU=5, NO=4, ID=4, ZA=3, RE=3, GP=3,
    MQ=2, LB=2, VN=2, NZ=1, MG=1, TV=0.5,
)  # fmt: skip


class Choice:
    """Draws from values by weight. Uses random() alone, the one draw that Python keeps stable."""

    def __init__(self, values, weights):
        self.values, self.sums = list(values), list(itertools.accumulate(weights))

    def draw(self, rng):
        at = bisect.bisect_right(self.sums, rng.random() * self.sums[-1])
        return self.values[min(at, len(self.values) - 1)]


def distinct_ids(rng, how_many, low, high):
    """Sparse ids, in the order drawn."""
    ids = {}
    while len(ids) < how_many:
        ids[low + int(rng.random() * (high - low))] = None
    return list(ids)


class World:
    """Users with a home and a taste, songs with a popularity."""

    def __init__(self, rng):
        self.rng = rng
        songs = distinct_ids(rng, 2200, 60_000, 160_000_000) + distinct_ids(rng, 300, 2**32, 2**34)
        songs.sort(key=lambda _: rng.random())
        self.songs = Choice(songs, [1 / (rank + 12) for rank in range(len(songs))])
        users = distinct_ids(rng, 780, 1_000, 2**32) + distinct_ids(rng, 120, 2**32, 5 * 10**9)
        users.sort(key=lambda _: rng.random())
        self.users = Choice(users, [1 / (rank + 5) for rank in range(len(users))])
        homes = Choice(COUNTRIES, COUNTRIES.values())
        self.home = {user: homes.draw(rng) for user in users}
        self.favourites = {user: [self.songs.draw(rng) for _ in range(14)] for user in users}
        self.abroad = homes

    def row(self):
        """One stream: mostly a favourite, mostly at home."""
        rng, user = self.rng, self.users.draw(self.rng)
        liked = self.favourites[user]
        song = liked[int(rng.random() ** 2 * len(liked))] if rng.random() < 0.8 else self.songs.draw(rng)
        country = self.home[user] if rng.random() < 0.97 else self.abroad.draw(rng)
        return song, user, country

    def planted(self, day):
        """Rows that make an answer interesting; `day` counts from 0. README.md explains each."""

        def someone():
            return self.users.draw(self.rng)

        rows = []
        # Luxembourg: 40 songs every day and 20 on one day of seven, equal at rank 50 in any week.
        # Ids of 3, 4 and 5 digits, so that an order of texts would choose others.
        rows += [(700_000 + 31 * song, someone(), "LU") for song in range(40)]
        weekly = [*range(995, 1005), *range(9990, 10_000), *range(99_960, 100_080)][day % 7 :: 7]
        rows += [(song, someone(), "LU") for song in weekly]
        # User 1847261: 20 songs every day, 70 songs once a week, equal from rank 21 on.
        rows += [(2_000_003 + 17 * song, 1_847_261, "BE") for song in range(20)]
        rows += [(song, 1_847_261, "BE") for song in range(8_000 + day % 7, 11_500, 350)]
        # Iceland: 52 hits of one day, three streams each, before ten songs with two streams every day.
        hits = [310_000_000 + 1_000 * day + hit for hit in range(52)]
        rows += [(song, someone(), "IS") for song in hits for _ in range(3)]
        rows += [(450_000_000 + 7 * song, someone(), "IS") for song in range(10) for _ in range(2)]
        # Niue: one song a day, three songs a week. Its users have a single stream.
        rows += [(5_200_001 + day % 3, 88_000_000_000 + day, "NU")]
        # The ends of the range of ids.
        if day % 4 == 2:
            rows += [(0, 0, "FR"), (MAX_ID, 0, "FR"), (MAX_ID - 1, MAX_ID, "TV"), (4_294_967_296, MAX_ID, "TV")]
        return rows


def text(row):
    """The row as logs have it, without its end."""
    song, user, country = row
    return b"%d|%d|%s" % (song, user, country.encode())


def odd_but_good(rng, row):
    """The same row, written in another way that is still accepted."""
    song, user, country = row[0], row[1], row[2].encode()
    ways = [
        b"000%d|%d|%s" % (song, user, country),
        b"%030d|%040d|%s" % (song, user, country),
        b" %d | %d | %s " % (song, user, country),
        b"%d|\t%d\t|%s\t" % (song, user, country),
    ]
    return ways[int(rng.random() * len(ways))]


def seen_corrupt(song, user, country, next_row):
    """The kinds that real logs show."""
    return [
        b"%d%d|%s" % (song, user, country),  # the separator between two ids is missing
        b"%d|%d|%s%s" % (song, user, country, next_row),  # two rows on one line
        b"",
        b"   ",
        b"%d,%d,%s" % (song, user, country),
        b"%d|%d|%s" % (song, user, country * 2),
        b"-%d|%d|%s" % (song, user, country),
        b"%d|-%d|%s" % (song, user, country),
        b"%d| |%s" % (song, country),
        b"%d||%s" % (song, country),
        b"%d|%d|VJ" % (song, user),
        b"%d|%d|\xc3\x28\xff" % (song, user),  # no UTF-8
        b"\xfe%d|%d|%s" % (song, user, country),
    ]


def invented_corrupt(song, user, country):
    """The kinds that a careless parser would accept, repair or die of."""
    row = b"%d|%d|%s" % (song, user, country)
    return [
        b" \t \t",
        b"sng_id|user_id|country",
        b"|%d|%s" % (user, country),
        b"||",
        b"%d|%d" % (song, user),
        b"%d|%d|%s|" % (song, user, country),
        b"+%d|%d|%s" % (song, user, country),
        b"%d.0|%d|%s" % (song, user, country),
        b"0x%x|%d|%s" % (song, user, country),
        b"1e6|%d|%s" % (user, country),
        b"12 34|%d|%s" % (user, country),
        b"9223372036854775808|%d|%s" % (user, country),
        b"18446744073709551617|%d|%s" % (user, country),  # 1, if 64 bits overflow
        BOM + row,  # not at the start of a file
        "\u0663\u0664|%d|FR".encode() % user,  # digits, but not ASCII
        "\u00a0%d|%d|FR".encode() % (song, user),  # a space, but not ASCII
        b"%d|9223372036854775808|%s" % (song, country),
        b"%d|\x00%d|%s" % (song, user, country),
        b"%d|null|%s" % (song, country),
        b"%d|%d|%s" % (song, user, country.lower()),
        b"%d|%d|" % (song, user),
        b"%d|%d|UK" % (song, user),
        b"%d|%d|XK" % (song, user),
        b"%d|%d|FRA" % (song, user),
        b"%d|%d|F\x00" % (song, user),
        b"%d|%d|%s\r" % (song, user, country),  # a CR too many
        b"%d|%d|%s\\" % (song, user, country),
        row.ljust(LONGEST + 1),  # good, except for its length
        (row + b";") * 300,
    ]


def corrupt(world, kinds):
    """One corrupt row of the given kinds (`seen` or all), for a good row each."""
    song, user, country = world.row()
    rows = seen_corrupt(song, user, country.encode(), text(world.row()))
    if kinds == "all":
        rows += invented_corrupt(song, user, country.encode())
    return rows


def day_rows(world, day, streams, corrupt_share, kinds="seen"):
    """The lines of one day in the order of the log, without their ends."""
    rng = world.rng
    rows = [world.row() for _ in range(streams)] + world.planted(day)
    lines = [odd_but_good(rng, row) if rng.random() < 0.01 else text(row) for row in rows]
    if kinds == "all":
        lines += corrupt(world, "all")  # each kind once
        lines.append(text(world.row()).rjust(LONGEST))  # as long as a row may be
    for _ in range(int(streams * corrupt_share)):
        some = corrupt(world, "seen")
        lines.append(some[int(rng.random() * len(some))])
    lines.sort(key=lambda _: rng.random())
    return lines


def log(lines, end=b"\n"):
    return b"".join(line + end for line in lines)


def gz(data):
    return gzip.compress(data, 9, mtime=0)


def zst(data):
    command = ["zstd", "-19", "-q", "-c", "--no-progress"]
    return subprocess.run(command, input=data, check=True, stdout=subprocess.PIPE).stdout


def in_two(data, compress):
    """Two members or frames, cut in the middle of a row."""
    half = len(data) // 2
    while b"\n" in data[half - 2 : half + 2]:
        half += 1
    return compress(data[:half]) + compress(data[half:])


def main():
    folder = pathlib.Path(sys.argv[1])
    world = World(random.Random(20211129))

    def day(at):
        return (FIRST + datetime.timedelta(at)).isoformat()

    def plain(at):
        return day(at).replace("-", "")

    files = {}
    files[f"sample_listen-{day(0)}.log"] = log(day_rows(world, 0, 3000, 0.01))
    files[f"sample_listen-{day(1)}.log"] = BOM + log(day_rows(world, 1, 2800, 0.01), b"\r\n")
    files[f"sample_listen-{day(2)}_2Mlines.log"] = log(day_rows(world, 2, 3200, 0.02))
    files[f"listen-{plain(3)}.log.gz"] = in_two(log(day_rows(world, 3, 6000, 0.01)), gz)
    parts, whole = f"sample_listen-{day(4)}_parts/", day_rows(world, 4, 5000, 0.015)
    files[parts + "part-1.log"] = log(whole[:1600]).removesuffix(b"\n")
    files[parts + "part-2.log.gz"] = gz(BOM + log(whole[1600:3400], b"\r\n"))
    files[parts + "part-3.txt"] = log(whole[3400:4200])
    files[parts + "part-4.txt.zst"] = zst(log(whole[4200:]))
    files[parts + "_SUCCESS"] = b""
    files[parts + ".part-5.log"] = log([b"1|1|FR"] * 3)
    files[f"listen-{plain(5)}.log.zst"] = in_two(log(day_rows(world, 5, 7000, 0.01)), zst)
    files[f"listen-{plain(6)}.log"] = log(day_rows(world, 6, 3000, 0.05, "all"))
    files[f"sample_listen-{day(7)}.txt"] = log(day_rows(world, 7, 2600, 0.01)).removesuffix(b"\n")
    files[f"listen-{plain(8)}.log"] = log(day_rows(world, 8, 2900, 0.01))
    for name, data in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


if __name__ == "__main__":
    main()
