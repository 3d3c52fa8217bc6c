"""Runs one program and returns its cost by the kernel's own account. Does not depend on the program."""

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

Argument = str | Path
LAUNCHER = Path(__file__).resolve().parent / "launch.py"


@dataclass(frozen=True)
class Run:
    """What one process cost. Seconds and bytes.

    `peak` is the largest resident memory of the process or of one of its children, and never below the 9 MiB or so of
    `launch.py`, which the kernel hands on to what it starts. `written` is what it gave to the file system, spilled
    data among it; `output` is the size of its result, set by who knows the result.
    """

    wall: float
    cpu: float
    peak: int
    written: int
    output: int = 0
    failure: str | None = None


def measure(
    command: Sequence[Argument],
    *,
    limit: float,
    nice: int = 0,
    environment: Mapping[str, str] | None = None,
    feed: Path | None = None,
) -> Run:
    """Runs a command to its end, or kills it after `limit` seconds.

    With `feed`, that file comes through a pipe to standard input, as from `cat FILE |`.
    """
    prefix = ["nice", "-n", str(nice)] if nice else []
    variables = {**os.environ, **(environment or {})}
    reading, writing = os.pipe()
    with os.fdopen(reading) as report, tempfile.TemporaryFile() as errors:
        launcher: list[Argument] = [*prefix, sys.executable, "-I", "-S", LAUNCHER, str(writing)]
        cat = subprocess.Popen(["cat", feed], stdout=subprocess.PIPE) if feed else None
        process = subprocess.Popen(
            [*launcher, *command],
            stdin=cat.stdout if cat else subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=errors,
            env=variables,
            pass_fds=[writing],
            start_new_session=True,
        )
        os.close(writing)
        if cat and cat.stdout:
            cat.stdout.close()
        try:
            process.wait(limit)
        except subprocess.TimeoutExpired:
            return Run(wall=limit, cpu=0, peak=0, written=0, failure=f"over {limit:.0f} s")
        finally:
            _stop(process)
            if cat:
                cat.kill()
                cat.wait()
        code, _, costs = report.read().partition(" ")
        if not costs:
            return Run(wall=0, cpu=0, peak=0, written=0, failure=_reason(process.returncode, errors))
        failure = None if code == "0" else _reason(int(code), errors)
        return Run(**json.loads(costs), failure=failure)


def _stop(process: subprocess.Popen[bytes]) -> None:
    """Kills the rest of a run: the launcher leads a session of its own."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _reason(code: int, errors: IO[bytes]) -> str:
    """The most useful line of standard error: that of a Python program's exception, or the last."""
    if code < 0:
        return f"killed by {signal.Signals(-code).name}"
    errors.seek(0)
    lines = [line.strip() for line in errors.read().decode(errors="replace").splitlines() if line.strip()]
    if not lines:
        return f"exit {code}"
    exceptions = [line for line in lines if "Error: " in line or "Exception: " in line]
    return " ".join((exceptions or lines)[-1].split())[:160]
