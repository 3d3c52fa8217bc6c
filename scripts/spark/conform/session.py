"""Runs steps of a conformance run in one Spark session: `session.py STEPS.json RESULTS.json`.

A step is `{"run": [command line of the job]}` or `{"compare": [kind, folder, folder]}`. It is the command
line of the job that is run; only the session is shared, for each of its own would take seconds to start.
"""

from __future__ import annotations

import contextlib
import io
import json
import sys
import time
from pathlib import Path
from typing import Any

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


def compare(context: Context, name: str, one: str, other: str) -> dict[str, Any]:
    """Two folders of counts as multisets of rows: how many they have, and how many only one of them has."""
    kind = Kind(name)
    frames = []
    for folder in (one, other):
        paths = [join(folder, part.name) for part in partial.parts(context.fs, folder)]
        frames.append(partial.read(context.spark, kind, paths))
    left, right = frames
    return {
        "rows": left.count(),
        "only_left": left.exceptAll(right).count(),
        "only_right": right.exceptAll(left).count(),
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
