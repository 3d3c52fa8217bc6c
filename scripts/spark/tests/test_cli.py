"""What is typed, and what the environment says where nothing is."""

from __future__ import annotations

import pytest

from agg_spark import cli

REDUCE = ["reduce-day", "a.log"]
EMIT = ["emit-window", "--date", "2021-12-07"]


def test_the_environment_speaks_where_no_flag_does(monkeypatch: pytest.MonkeyPatch) -> None:
    told = {
        "SPARK_STORE": "s",
        "SPARK_OUT": "o",
        "STORE": "that of agg",
        "OUT": "that of agg",
        "DAYS": "30d",
        "TOP": "9",
        "COUNTRIES": "any",
        "MIN_ROWS": "5",
        "MAX_REJECT_RATIO": "1e-2",
    }
    for name, value in told.items():
        monkeypatch.setenv(f"AGG_{name}", value)
    reduce = cli.parser().parse_args(REDUCE)
    assert (reduce.store, reduce.countries, reduce.min_rows, reduce.max_reject_ratio) == ("s", "any", 5, 0.01)
    emit = cli.parser().parse_args(EMIT)
    assert (emit.store, emit.out, emit.days, emit.top) == ("s", "o", 30, 9)
    assert cli.parser().parse_args([*EMIT, "--top", "7", "--days", "3"]).top == 7


@pytest.mark.parametrize(
    ("line", "name", "value"),
    [
        (REDUCE, "COUNTRIES", "all"),
        (REDUCE, "MAX_REJECT_RATIO", "1.5"),
        (EMIT, "DAYS", "0"),
        (EMIT, "TOP", ""),
    ],
)
def test_what_the_environment_says_is_checked_like_what_is_typed(
    monkeypatch: pytest.MonkeyPatch, line: list[str], name: str, value: str
) -> None:
    monkeypatch.setenv(f"AGG_{name}", value)
    with pytest.raises(SystemExit) as ended:
        cli.parser().parse_args(line)
    assert ended.value.code == 2


def test_without_a_flag_the_defaults_are_those_of_agg_but_for_the_folders(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ["SPARK_STORE", "SPARK_OUT", "DAYS", "TOP", "COUNTRIES", "MIN_ROWS", "MAX_REJECT_RATIO"]:
        monkeypatch.delenv(f"AGG_{name}", raising=False)
    reduce, emit = cli.parser().parse_args(REDUCE), cli.parser().parse_args(EMIT)
    assert (reduce.store, reduce.countries, reduce.min_rows) == ("agg-spark-store", "iso", 0)
    assert (reduce.max_reject_ratio, emit.days, emit.top, emit.out) == (0.10, 7, 50, "agg-spark-out")


def test_an_interrupted_run_ends_with_130_and_without_a_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def start(_: str) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("agg_spark.cli.Context.start", start)
    assert cli.main(REDUCE) == 130
    assert capsys.readouterr().err == ""


def test_a_rule_of_agg_that_the_job_cannot_follow_is_refused_by_name(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ["AGG_DELIMITER", "AGG_COLUMNS", "AGG_HEADER"]:
        with monkeypatch.context() as patched:
            patched.setenv(name, ",")
            assert cli.main(REDUCE) == 2
        assert f"{name} is set" in capsys.readouterr().err
    for flag in ["--delimiter", "--columns", "--header", "--from-command"]:
        with pytest.raises(SystemExit) as ended:
            cli.parser().parse_args([*REDUCE, flag])
        assert ended.value.code == 2
        assert flag in capsys.readouterr().err
