"""The command line: what was typed to a request, a report or an error to text and an exit code."""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
import time
from typing import TYPE_CHECKING

from py4j.protocol import Py4JError
from pyspark.errors import PySparkException

from agg_spark.error import BadData, CannotCreate, Failed, JobError, Missing, Usage
from agg_spark.job.context import Context
from agg_spark.job.emit_window import Request as EmitRequest
from agg_spark.job.emit_window import emit_window
from agg_spark.job.reduce_day import Request as ReduceRequest
from agg_spark.job.reduce_day import reduce_day
from agg_spark.model import MAX_DAYS, MAX_TOP, parse_day
from agg_spark.partial import DAMAGED

if TYPE_CHECKING:
    import datetime
    from collections.abc import Callable, Sequence


def parser() -> argparse.ArgumentParser:
    """The commands and flags, named as those of `agg`."""
    top = argparse.ArgumentParser(prog="agg-spark", description=__doc__, allow_abbrev=False)
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument(
        "--store", default=_set("STORE", "agg-store"), metavar="PATH", help="folder of the days"
    )
    common.add_argument("--json", action="store_true", help="report as one JSON document")

    reduce = commands.add_parser(
        "reduce-day", parents=[common], allow_abbrev=False, help="one day's logs to its counts"
    )
    reduce.add_argument("--date", type=_day, metavar="DAY", help="instead of that in the names")
    reduce.add_argument("--force", action="store_true", help="make the day again")
    ratio = _set("MAX_REJECT_RATIO", "0.10")
    reduce.add_argument("--max-reject-ratio", type=_ratio, default=ratio, metavar="RATIO", help="0 to 1")
    reduce.add_argument("--min-rows", type=_between(0, 2**63 - 1), default=_set("MIN_ROWS", "0"), metavar="N")
    countries = _set("COUNTRIES", "iso")
    reduce.add_argument("--countries", type=_countries, default=countries, metavar="iso|any")
    reduce.add_argument("logs", nargs="+", metavar="LOG", help="files, folders or patterns")

    emit = commands.add_parser(
        "emit-window", parents=[common], allow_abbrev=False, help="the tops of a window of days"
    )
    emit.add_argument("--date", type=_day, required=True, metavar="DAY", help="its last day")
    emit.add_argument("--days", type=_days, default=_set("DAYS", "7"), metavar="N")
    emit.add_argument("--top", type=_between(1, MAX_TOP), default=_set("TOP", "50"), metavar="K")
    emit.add_argument("--out", default=_set("OUT", "agg-out"), metavar="PATH", help="folder of the emissions")
    emit.add_argument("--allow-missing", action="store_true", help="emit without days that lack")
    emit.add_argument("--force", action="store_true", help="over an emission that knew more days")
    emit.add_argument("--single-file", action="store_true", help="one file a kind, as agg writes")
    return top


def _set(name: str, default: str) -> str:
    """What the environment says, as for `agg`; it is checked as if it had been typed."""
    return os.environ.get(f"AGG_{name}", default)


def _day(text: str) -> datetime.date:
    try:
        return parse_day(text)
    except JobError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _ratio(text: str) -> float:
    if not re.fullmatch(r"[0-9]*\.?[0-9]+(?:[eE][+-]?[0-9]+)?", text) or not 0 <= float(text) <= 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not between 0 and 1")
    return float(text)


def _days(text: str) -> int:
    return _between(1, MAX_DAYS)(text.removesuffix("d"))


def _countries(text: str) -> str:
    if text not in ("iso", "any"):
        raise argparse.ArgumentTypeError(f"{text!r} is neither iso nor any")
    return text


def _between(least: int, most: int) -> Callable[[str], int]:
    def number(text: str) -> int:
        if not re.fullmatch(r"[0-9]+", text) or not least <= int(text) <= most:
            raise argparse.ArgumentTypeError(f"{text!r} is not a number of {least} to {most}")
        return int(text)

    return number


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a command in a session of its own; the exit code is that of `agg` for the same outcome."""
    asked = parser().parse_args(arguments)
    try:
        context = Context.start(f"agg {asked.command}")
    except (Py4JError, PySparkException) as error:
        return _fail(_told_by_spark(error))
    try:
        return run(context, asked)
    finally:
        context.spark.stop()


def run(context: Context, asked: argparse.Namespace) -> int:
    """Runs a command in a session, reports it on standard output or its error on standard error."""
    begun = time.monotonic()
    command = {"reduce-day": _reduce, "emit-window": _emit}[asked.command]
    try:
        report = command(context, asked)
    except JobError as error:
        return _fail(error)
    except (Py4JError, PySparkException) as error:
        return _fail(_told_by_spark(error))
    except ConnectionError:
        return _fail(
            Failed("the driver's virtual machine has died: give the driver more memory and run again")
        )
    except OSError as error:
        return _fail(
            Failed(f"{error.filename or 'a file'}: {error.strerror or error}: mend that and run again")
        )
    report["seconds"] = round(time.monotonic() - begun, 3)
    print(json.dumps(report) if asked.json else _as_text(report), flush=True)
    return 0


def _reduce(context: Context, asked: argparse.Namespace) -> dict[str, object]:
    request = ReduceRequest(
        store=asked.store,
        logs=asked.logs,
        date=asked.date,
        force=asked.force,
        max_reject_ratio=asked.max_reject_ratio,
        min_rows=asked.min_rows,
        countries=asked.countries,
    )
    report = reduce_day(context, request)
    return {
        "command": asked.command,
        "day": str(report.record.day),
        "outcome": report.outcome,
        **report.record.tally.as_json(),
        "digest": report.record.digest,
    }


def _emit(context: Context, asked: argparse.Namespace) -> dict[str, object]:
    request = EmitRequest(
        store=asked.store,
        out=asked.out,
        date=asked.date,
        days=asked.days,
        top=asked.top,
        allow_missing=asked.allow_missing,
        force=asked.force,
        single_file=asked.single_file,
    )
    report = emit_window(context, request)
    return {
        "command": asked.command,
        "day": str(asked.date),
        "folder": report.folder,
        "missing": report.manifest["missing"],
        "files": report.manifest["files"],
        **report.manifest["totals"],
    }


def _as_text(report: dict[str, object]) -> str:
    told = [str(report["command"]), str(report["day"]), str(report.get("outcome", "emitted"))]
    told += [f"rows {report['rows']}", f"rejected {report['rejected']}"]
    if report.get("missing"):
        told.append(f"lacks {report['missing']}")
    return "  ".join(told)


TOLD: list[tuple[tuple[str, ...], type[JobError], str]] = [
    (("ARITHMETIC_OVERFLOW",), BadData, "a sum exceeds 2^63-1: the counts are no counts of streams"),
    ((DAMAGED,), BadData, "a stored day has rows that are no counts: reduce-day --force it again"),
    (
        ("URISyntaxException", "PatternSyntaxException", "from an empty string", "No FileSystem for scheme"),
        Usage,
        "{}: no path that Hadoop takes; in the name of a log put a backslash before * ? [ and {{",
    ),
    (
        ("ParentNotDirectoryException", "(Is a directory)", "(Not a directory)"),
        CannotCreate,
        "{}: a file where a folder should be, or the reverse: take another name",
    ),
    (
        ("AccessControlException", "Permission denied"),
        Missing,
        "not allowed to read or write there ({}): let the user of this job do so",
    ),
]
"""What is found in a stack of exceptions, the error that it is, and its text around the innermost cause."""


def _told_by_spark(error: Py4JError | PySparkException) -> JobError:
    """Finds in a stack of exceptions what the run's user can do something about."""
    text = str(error)
    for words, kind, told in TOLD:
        if any(word in text for word in words):
            return kind(told.format(_cause(text)))
    if "FAILED_READ_FILE" in text and "FILE_NOT_EXIST" not in text:
        named = re.search(r"file (\S.*?)\.\s", text)
        return BadData(
            f"{named[1] if named else 'a file'}: damaged, truncated or of another type: "
            "fetch the log or make the day again; a .zst made with --long has to be made without "
            f"({_cause(text)})"
        )
    if "PATH_NOT_FOUND" in text or "FILE_NOT_EXIST" in text:
        return Missing(f"a file went away while it was read: run again ({_cause(text)})")
    return Failed(f"Spark failed: see its log ({_cause(text)})")


def _cause(text: str) -> str:
    """The innermost cause, in a line; an exception that has no other cause is its own."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    found = [re.sub(r"^(?:Caused by)?: ", "", line) for line in lines if re.match(r"(?:Caused by)?: ", line)]
    return (found or lines or ["no message"])[-1][:300]


def _fail(error: JobError) -> int:
    print(f"agg-spark: {error}", file=sys.stderr)
    return error.exit_code
