"""Formats are known by the first bytes, with the cases of the tests of `agg`."""

from __future__ import annotations

from pathlib import Path

import pytest

from agg_spark import formats

CASES = [
    (name, bytes.fromhex(digits) + bytes(int(zeros)))
    for line in Path(__file__).parents[3].joinpath("tests/data/first-bytes.tsv").read_text().splitlines()
    if not line.startswith("#")
    for name, digits, zeros in [line.split("\t")]
]


@pytest.mark.parametrize(("name", "start"), CASES)
def test_the_first_bytes_of_each_format_and_of_corrupt_logs_are_known(name: str, start: bytes) -> None:
    assert (formats.compression_of(start) or formats.other_format(start) or "a log") == name
