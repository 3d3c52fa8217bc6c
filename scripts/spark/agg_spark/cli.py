"""The command line: what was typed to a request, a report or an error to text and an exit code."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import re
import signal
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
from agg_spark.model import MAX_DAYS, MAX_TOP, parse_day, window
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
        "--store", default=_set("SPARK_STORE", "agg-spark-store"), metavar="PATH", help="folder of the days"
    )
    common.add_argument("--json", action="store_true", help="report as one JSON document")

    limits = _limits()
    reduce = commands.add_parser(
        "reduce-day", parents=[common, limits], allow_abbrev=False, help="one day's logs to its counts"
    )
    reduce.add_argument("--date", type=_day, metavar="DAY", help="instead of that in the names")
    reduce.add_argument("logs", nargs="+", metavar="LOG", help="files, folders or patterns")

    several = commands.add_parser(
        "backfill", parents=[common, limits], allow_abbrev=False, help="reduce-day for each day of a range"
    )
    several.add_argument("--from", type=_day, required=True, metavar="DAY", dest="first", help="first day")
    several.add_argument("--to", type=_day, required=True, metavar="DAY", dest="last", help="last day")
    several.add_argument(
        "logs", nargs="+", type=_dated, metavar="PATTERN", help="patterns with %%Y, %%m and %%d"
    )

    emit = commands.add_parser(
        "emit-window", parents=[common], allow_abbrev=False, help="the tops of a window of days"
    )
    emit.add_argument("--date", type=_day, required=True, metavar="DAY", help="its last day")
    emit.add_argument("--days", type=_days, default=_set("DAYS", "7"), metavar="N")
    emit.add_argument("--top", type=_between(1, MAX_TOP), default=_set("TOP", "50"), metavar="K")
    out = _set("SPARK_OUT", "agg-spark-out")
    emit.add_argument("--out", default=out, metavar="PATH", help="folder of the emissions")
    emit.add_argument("--allow-missing", action="store_true", help="emit without days that are not stored")
    emit.add_argument(
        "--force", action="store_true", help="over an emission with more days, or of another shape"
    )
    emit.add_argument("--single-file", action="store_true", help="one file a kind, as agg writes")
    return top


def _limits() -> argparse.ArgumentParser:
    """The flags for the logs to count and the days to refuse."""
    flags = argparse.ArgumentParser(add_help=False)
    flags.add_argument("--force", action="store_true", help="make the day again")
    for name, default in {"max-reject-ratio": "0.10", "max-log-reject-ratio": "0.5"}.items():
        ratio = _set(name.upper().replace("-", "_"), default)
        flags.add_argument(f"--{name}", type=_ratio, default=ratio, metavar="RATIO", help="0 to 1")
    for name in ("min-rows", "min-logs"):
        least = _set(name.upper().replace("-", "_"), "0")
        flags.add_argument(f"--{name}", type=_between(0, 2**63 - 1), default=least, metavar="N")
    offset, countries = _set("DATE_OFFSET", "0"), _set("COUNTRIES", "iso")
    flags.add_argument(
        "--date-offset", type=_offset, default=offset, metavar="DAYS", help="added to dates of names"
    )
    flags.add_argument("--allow-duplicates", action="store_true", help="count logs with the same bytes")
    flags.add_argument("--countries", type=_countries, default=countries, metavar="iso|any")
    return flags


def _set(name: str, default: str) -> str:
    """The flags from the environment, as for `agg`; they are checked as if they had been typed."""
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


def _dated(text: str) -> str:
    if not all(token in text for token in ("%Y", "%m", "%d")):
        raise argparse.ArgumentTypeError(f"{text!r} has not all of %Y, %m and %d")
    return text


def _offset(text: str) -> int:
    number = _between(0, 366)(text.removeprefix("-"))
    return -number if text.startswith("-") else number


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


NOT_THERE = ("DELIMITER", "COLUMNS", "HEADER")
"""Variables of `agg` that change what is counted, and that the job cannot follow."""

WORST = (0, 75, 66, 65, 73, 74, 2)
"""Exit codes, the worst last."""

MAX_SKIPPED = 5
"""So many lines for each reason why files were skipped."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a command in a session of its own; the exit code is that of `agg` for the same outcome."""
    asked = parser().parse_args(arguments)
    for name in NOT_THERE:
        if os.environ.get(f"AGG_{name}"):
            return _fail(Usage(f"AGG_{name} is set: the job has no such rule; unset it, or use agg"))
    context = None
    try:
        context = Context.start(f"agg {asked.command}")
        return run_all(context, asked)
    except (Py4JError, PySparkException) as error:
        return _fail(_told_by_spark(error))
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    finally:
        # Of a virtual machine that has died there is nothing to stop.
        with contextlib.suppress(Py4JError, ConnectionError):
            if context is not None:
                context.spark.stop()


def run_all(context: Context, asked: argparse.Namespace) -> int:
    """Runs a command in a session, or a command for each day of a range; returns the worst exit code."""
    if asked.command != "backfill":
        return run(context, asked)
    if asked.last < asked.first:
        return _fail(Usage(f"--to {asked.last} is before --from {asked.first}"))
    codes = {
        run(context, argparse.Namespace(**{**vars(asked), "command": "reduce-day", "date": day}))
        for day in window(asked.last, (asked.last - asked.first).days + 1)
    }
    return max(codes, key=WORST.index)


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
            Failed("the driver's virtual machine has died; give the driver more memory and run again")
        )
    except OSError as error:
        return _fail(
            Failed(f"{error.filename or 'a file'}: {error.strerror or error}; fix that and run again")
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
        max_log_reject_ratio=asked.max_log_reject_ratio,
        min_rows=asked.min_rows,
        min_logs=asked.min_logs,
        date_offset=asked.date_offset,
        allow_duplicates=asked.allow_duplicates,
        countries=asked.countries,
    )
    report = reduce_day(context, request)
    _warn_of(report.skipped)
    return {
        "command": asked.command,
        "day": str(report.record.day),
        "outcome": report.outcome,
        **report.record.tally.as_json(),
        "digest": report.record.digest,
        "skipped": [{"path": path, "reason": reason} for path, reason in report.skipped],
    }


def _warn_of(skipped: list[tuple[str, str]]) -> None:
    for reason in sorted({reason for _, reason in skipped}):
        paths = [path for path, why in skipped if why == reason]
        for path in paths[:MAX_SKIPPED]:
            print(f"agg-spark: warning: {path}: skipped: {reason}", file=sys.stderr)
        if len(paths) > MAX_SKIPPED:
            print(f"agg-spark: warning: {len(paths) - MAX_SKIPPED} more skipped: {reason}", file=sys.stderr)


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
        told.append(f"missing {report['missing']}")
    return "  ".join(told)


REPORTS: list[tuple[tuple[str, ...], type[JobError], str]] = [
    (("ARITHMETIC_OVERFLOW",), BadData, "a sum exceeds 2^63-1: the counts are not counts of streams"),
    ((DAMAGED,), BadData, "a stored day has rows that are not counts; make it again with reduce-day --force"),
    (
        ("URISyntaxException", "PatternSyntaxException", "from an empty string", "No FileSystem for scheme"),
        Usage,
        "{}: not a path of a file system that Hadoop knows",
    ),
    (
        ("ParentNotDirectoryException", "(Is a directory)", "(Not a directory)"),
        CannotCreate,
        "{}: a file where a folder should be, or the reverse; take another name",
    ),
    (
        ("AccessControlException", "Permission denied"),
        Missing,
        "not allowed to read or write there ({}); give this user permission",
    ),
]
"""What is found in a stack of exceptions, the error that it is, and its text around the innermost cause."""


def _told_by_spark(error: Py4JError | PySparkException) -> JobError:
    """Finds the exception in a stack that the user can act on."""
    text = str(error)
    for words, kind, report in REPORTS:
        if any(word in text for word in words):
            return kind(report.format(_cause(text)))
    gone = any(word in text for word in ("PATH_NOT_FOUND", "FILE_NOT_EXIST", "FileNotFoundException"))
    if "FAILED_READ_FILE" in text and not gone:
        named = re.search(r"file (\S.*?)\.\s", text)
        return BadData(
            f"{named[1] if named else 'a file'}: damaged, truncated or of another type; "
            "fetch the log or make the day again; make a .zst that has a larger window (--long) without it "
            f"({_cause(text)})"
        )
    if gone:
        return Failed(
            "a file cannot be seen by all machines, or went away while it was read; "
            f"use a file system that all machines share ({_cause(text)})"
        )
    return Failed(f"Spark failed; see its log ({_cause(text)})")


def _cause(text: str) -> str:
    """The innermost cause, in a line; an exception that has no other cause is its own."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    found = [re.sub(r"^(?:Caused by)?: ", "", line) for line in lines if re.match(r"(?:Caused by)?: ", line)]
    return (found or lines or ["no message"])[-1][:300]


def _fail(error: JobError) -> int:
    print(f"agg-spark: {error}", file=sys.stderr)
    return error.exit_code
