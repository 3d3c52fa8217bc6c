"""Runs steps of a conformance run in one Spark session: `session.py STEPS.json RESULTS.json`.

A step is `{"run": [command line of the job]}` or `{"compare": [kind, {day: [folder, folder]}]}`. It is the
command line of the job that is run; only the session is shared, for each of its own would take seconds to
start.
"""

from __future__ import annotations

import contextlib
import functools
import io
import json
import sys
import time
from pathlib import Path
from typing import Any

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from agg_spark import cli, partial
from agg_spark.fs import join
from agg_spark.job.context import Context
from agg_spark.model import Kind


def run(context: Context, arguments: list[str]) -> dict[str, Any]:
    """A command of the job: its exit code, what it said, and how long it took."""
    out, error = io.StringIO(), io.StringIO()
    begun = time.monotonic()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(error):
        code = cli.run(context, cli.parser().parse_args(arguments))
    seconds = time.monotonic() - begun
    return {"code": code, "out": out.getvalue(), "error": error.getvalue(), "seconds": seconds}


def compare(context: Context, name: str, folders: dict[str, list[str]]) -> dict[str, Any]:
    """Of each day two folders of counts as multisets: how many rows, and how many are in one alone."""
    kind = Kind(name)
    frames = []
    for day, both in folders.items():
        for side, folder in zip((1, -1), both, strict=True):
            paths = [join(folder, part.name) for part in partial.parts(context.fs, folder)]
            counts = partial.read(context.spark, kind, paths)
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


def main() -> None:
    """Runs the steps one after the other."""
    asked, told = map(Path, sys.argv[1:])
    context = Context.start("agg conformance")
    context.spark.sparkContext.setLogLevel("WARN")
    results = []
    for step in json.loads(asked.read_text()):
        if "run" in step:
            results.append(run(context, step["run"]))
        else:
            results.append(compare(context, *step["compare"]))
    told.write_text(json.dumps(results))
    context.spark.stop()


if __name__ == "__main__":
    main()
