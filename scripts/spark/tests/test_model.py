"""What is said twice, here and in the source of `agg`, is the same."""

from __future__ import annotations

import datetime
import re

import pytest

from agg_spark import model
from agg_spark.error import Usage
from tests.conftest import REPOSITORY


def source(path: str) -> str:
    return (REPOSITORY / path).read_text("utf-8")


def test_the_reasons_are_those_of_agg_in_its_order() -> None:
    text = source("src/model/rejects.rs")
    named = dict(re.findall(r'RejectReason::(\w+) => "(\w+)"', text))
    order = re.search(r"const ALL: \[RejectReason; 6\] = \[(.*?)\];", text, re.DOTALL)
    assert order
    variants = re.findall(r"RejectReason::(\w+)", order[1])
    assert tuple(named[variant] for variant in variants) == model.REASONS


def test_the_countries_are_those_that_agg_is_held_to() -> None:
    assert sorted(model.ISO_3166) == source("tests/data/iso3166.txt").split()
    assert len(model.ISO_3166) == 249


def test_the_limits_are_those_of_agg() -> None:
    assert f"MAX_ROW_BYTES: usize = {model.MAX_ROW_BYTES};" in source("src/row/mod.rs")
    reference = source("docs/reference.md")
    assert f"Days in a window, 1 to {model.MAX_DAYS} " in reference
    assert f"Songs of each key, 1 to {model.MAX_TOP} " in reference


def test_a_day_is_a_calendar_day_of_1970_to_2199() -> None:
    assert model.parse_day("2020-02-29") == datetime.date(2020, 2, 29)
    for text in ["2021-02-29", "1969-12-31", "2200-01-01", "20211201", "2021-12-1", "2021-12-01 ", ""]:
        with pytest.raises(Usage):
            model.parse_day(text)


def test_a_window_ends_on_its_day_oldest_first() -> None:
    days = model.window(datetime.date(2022, 1, 2), 3)
    assert [str(day) for day in days] == ["2021-12-31", "2022-01-01", "2022-01-02"]
