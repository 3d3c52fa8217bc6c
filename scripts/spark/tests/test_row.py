"""What a row says, held against the rules as the oracle writes them down."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import oracle  # type: ignore[import-not-found]

from agg_spark import row

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pyspark.sql import SparkSession

TABLE = [
    b"", b" ", b"\t \t", b"\r", b"\r\r", b"\0", b"\x0c", b" \xc2\xa0 ", b"\xff\xfe", b"123",
    b"12345678901234|FR", b"1|2|FR3|4|GB", b"1|2|FR 3|4|GB", b"1,2,FR", b"1;2;FR", b"1|2", b"1|2|FR|",
    b"|1|2|FR", b"||", b"|||", b"|2|FR", b" |2|FR", b"-1|2|FR", b"+1|2|FR", b"1 1|2|FR", b"1.0|2|FR",
    b"0x1|2|FR", b"1e3|2|FR", b"1L|2|FR", b"1d|2|FR", b"1_0|2|FR", b"\xef\xbb\xbf1|2|FR", b"\xd9\xa1|2|FR",
    b"\r1|2|FR", b"song|-2|XX", b"1| |FR", b"1||FR", b"1|-2|FR", b"1|+2|VJ", b"1|2\0|FR", b"1|2\xa0|FR",
    b"1|\x0b2|FR", b"1|2\x0c|FR", b"1|2\r|FR", b"1|2|FRFR", b"1|2|VJ", b"1|2|fr", b"1|2|Fr", b"1|2|F",
    b"1|2|", b"1|2| ", b"1|2|F R", b"1|2|FR\r", b"1|2|FR\r\r", b"1|2|FR \r", b"1|2|\xc3\x84B",
    b"1|2|FR\xff", b"1|2|FR\0", b"1|2|FR\x0b", b"1|2|\xef\xbc\xa6\xef\xbc\xb2", b"\xe2|1|2|FR",
    b"\xe21|2|FR", b"1|2\xe2|FR", b"1|2|\xe2", b"\xf0|\xf0|\xf0", b"1|2|FR\xe2\r", b"\xf0 ", b" \xe2\t",
    b" \t1 \t|\t 2\t |  BR\t", b"0|0|AD", b"4294967296|4294967297|ZW",
    b"0" * 60 + b"7|" + b"0" * 60 + b"|FR", b"9223372036854775807|0009223372036854775807|FR",
    b"9223372036854775808|1|FR", b"1|9223372036854775808|FR", b"18446744073709551616|1|FR",
    b"1|99999999999999999999|FR", b"18446744073709551617|1|FR", b" " * 4090 + b"1|2|FR",
    b" " * 4091 + b"1|2|FR", b" " * 4096, b" " * 4097, b" " * 4090 + b"1|2|FR\r",
    b" " * 4090 + b"1|2|FR\r\r", b"\xe2" * 4096, b"\xe2" * 4097, b"0" * 4000 + b"1|2|FR", b"|" * 4096,
    b"|" * 4097,
]  # fmt: skip


def judged(spark: SparkSession, raw: Sequence[bytes], countries: str = "iso") -> list[object]:
    """Of each row: the reason, or song, user and country."""
    frame = spark.createDataFrame([(bytearray(line),) for line in raw], "raw BINARY")
    found = row.parse(frame, countries).collect()
    assert [size for *_, size in found] == [len(line) + 1 for line in raw]
    return [reason or (song, user, country) for reason, song, user, country, _ in found]


def test_every_row_of_the_table_is_judged_as_the_rules_have_it(spark: SparkSession) -> None:
    expected = [oracle.parse(line.removesuffix(b"\r")) for line in TABLE]
    assert dict(zip(TABLE, judged(spark, TABLE), strict=True)) == dict(zip(TABLE, expected, strict=True))
    reasons = {reason for reason in expected if isinstance(reason, str)}
    assert reasons == set(oracle.REASONS)


def test_rows_of_random_bytes_and_rows_with_a_flaw_are_judged_alike(spark: SparkSession) -> None:
    dice = random.Random(7)
    telling = [
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
    ]
    raw = [b"".join(dice.choices(telling, k=dice.randrange(9))) for _ in range(2000)]
    for _ in range(4000):
        line = bytearray(b"%d | %d|FR" % (dice.randrange(10**6), dice.randrange(2**63)))
        line[dice.randrange(len(line))] = dice.randrange(256)
        raw.append(bytes(line).replace(b"\n", b"\x0b"))
    expected = [oracle.parse(line.removesuffix(b"\r")) for line in raw]
    assert judged(spark, raw) == expected
    assert sum(isinstance(found, tuple) for found in expected) > 100


def test_any_two_capitals_are_a_country_if_asked_for(spark: SparkSession) -> None:
    lines = [b"1|2|ZZ", b"1|2| VJ\t", b"1|2|Z", b"1|2|ZZZ", b"1|2|zz", b"1|2|Z\xc3"]
    good = [(1, 2, "ZZ"), (1, 2, "VJ")]
    assert judged(spark, lines, "any") == [*good, *["country"] * 4]
    pairs = [a + b for a in "ABCDEFGHIJKLMNOPQRSTUVWXYZ" for b in "ABCDEFGHIJKLMNOPQRSTUVWXYZ"]
    found = judged(spark, [f"1|2|{pair}".encode() for pair in pairs])
    assert [pair for pair, result in zip(pairs, found, strict=True) if result != "country"] == oracle.CODES
