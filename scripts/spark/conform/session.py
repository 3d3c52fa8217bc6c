"""Runs steps of a conformance run in one Spark session: `session.py MAILBOX`.

It takes the files `0.asked.json`, `1.asked.json` and so on from the mailbox as they appear, each a list of
steps, and answers with `0.told.json` and so on; an empty list ends it. (`spark-submit` hands on no standard
input.) A step is `{"run": [command line of the job]}` or `{"compare": [kind, [day], [store, store]]}`. It
is the command line of the job that is run; only the session is shared, for each of its own would take
seconds to start.
"""

from __future__ import annotations

import contextlib
import functools
import io
import itertools
import json
import sys
import time
from pathlib import Path
from typing import Any

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from agg_spark import cli, partial
from agg_spark.job.context import Context
from agg_spark.job.day import find_day
from agg_spark.model import Kind, parse_day
from agg_spark.store import Store


def run(context: Context, arguments: list[str]) -> dict[str, Any]:
    """A command of the job: its exit code, its output, and its duration."""
    out, error = io.StringIO(), io.StringIO()
    begun = time.monotonic()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(error):
        code = cli.run(context, cli.parser().parse_args(arguments))
    seconds = time.monotonic() - begun
    return {"code": code, "out": out.getvalue(), "error": error.getvalue(), "seconds": seconds}


def compare(context: Context, name: str, days: list[str], roots: list[str]) -> dict[str, Any]:
    """Counts of days in two stores as multisets: how many rows, and how many are in one alone."""
    kind = Kind(name)
    frames = []
    for day in days:
        for side, root in zip((1, -1), roots, strict=True):
            store = Store(context.fs, root)
            stored = find_day(context, store, parse_day(day))
            if stored is None:
                continue
            counts = partial.read(context.spark, kind, stored.files[kind])
            frames.append(counts.select(F.lit(day).alias("day"), F.lit(side).alias("side"), *kind.columns))
    together = functools.reduce(DataFrame.unionByName, frames)
    surplus = F.sum("side").alias("surplus")
    rows = together.groupBy("day", *kind.columns).agg(surplus, F.count_if(F.col("side") > 0).alias("rows"))
    found = rows.groupBy("day").agg(
        F.sum("rows"), F.sum(F.greatest("surplus", F.lit(0))), F.sum(F.greatest(-F.col("surplus"), F.lit(0)))
    )
    return {
        day: {"rows": left, "only_left": only_left, "only_right": only_right}
        for day, left, only_left, only_right in found.collect()
    }


def do(context: Context, step: dict[str, Any]) -> dict[str, Any]:
    """One step."""
    if "run" in step:
        return run(context, step["run"])
    return compare(context, *step["compare"])


def take(mail: Path) -> list[dict[str, Any]]:
    """Waits for a file of steps; it appears whole, by rename."""
    while not mail.exists():
        time.sleep(0.05)
    steps: list[dict[str, Any]] = json.loads(mail.read_text())
    return steps


def main() -> None:
    """Runs lists of steps, one after the other, until an empty one."""
    mailbox = Path(sys.argv[1])
    context = Context.start("agg conformance")
    context.spark.sparkContext.setLogLevel("WARN")
    for number in itertools.count():
        steps = take(mailbox / f"{number}.asked.json")
        if not steps:
            break
        aside = mailbox / f"{number}.aside"
        aside.write_text(json.dumps([do(context, step) for step in steps]))
        aside.rename(mailbox / f"{number}.told.json")
    context.spark.stop()


if __name__ == "__main__":
    main()
