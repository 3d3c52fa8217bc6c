"""What could be slow: little memory, skew, standard input, compressed logs, a processor without vectors; and start.

Each case runs in turn with the usual one, so that the figure is a ratio of runs that were made together.
"""

import subprocess
from collections.abc import Sequence
from pathlib import Path

from benchmarks import machine, programs
from benchmarks.bench import Bench, equal
from benchmarks.measure import Argument, measure
from benchmarks.programs import Job
from benchmarks.results import Outcome
from benchmarks.workspace import HERE, ROOT, Unusable, day

# Shapes of `agg generate` and how many times as long a row may take as on the normal day.
SHAPES = {
    "hot-user": 1.5,
    "one-country": 1.5,
    "dense-ids": 1.5,
    "few-users": 1.5,
    "distinct": 1.5,
    "corrupt": 1.5,
    "sorted": 1.5,
    "wide-ids": 2.5,
}
LITTLE = "128MiB"
PORTABLE = "AGG_SIMD"
STARTS = 50
PIECES = 8


def little_memory(bench: Bench) -> Outcome:
    """The base day in the default memory and in little."""
    space, scratch, log = bench.space, bench.space.scratch(), bench.space.log(0)
    usual = programs.agg_reduce(space, scratch, [log], name="usual")
    little = programs.agg_reduce(space, scratch, [log], name="little", memory=LITTLE)
    return _same_partial(bench, usual, little)


def portable(bench: Bench) -> Outcome:
    """The base day without the instructions that not every processor has."""
    space, scratch, log = bench.space, bench.space.scratch(), bench.space.log(0)
    # A program that does not know the variable would pass in vain.
    if PORTABLE.encode() not in space.agg.read_bytes():
        raise Unusable(f"this build of agg does not know {PORTABLE}")
    usual = programs.agg_reduce(space, scratch, [log], name="usual")
    plain = programs.agg_reduce(space, scratch, [log], name="portable", environment={PORTABLE: "off"})
    return _same_partial(bench, usual, plain)


def _same_partial(bench: Bench, usual: Job, other: Job) -> Outcome:
    """Both in turn; the partials must be equal to the byte."""
    verdict = "not compared"

    def compare() -> None:
        nonlocal verdict
        verdict = equal(usual.outputs, other.outputs)

    outcome = bench.in_turn([usual, other], after_first=compare)
    outcome.facts["equal"] = verdict
    return outcome


def skew(bench: Bench, shape: str) -> Outcome:
    """A day of another shape in turn with the normal one; then its emission, once."""
    space, normal = bench.space, bench.space.log(0)
    scratch = space.scratch()
    log = space.generate(scratch / "logs", 0, space.rows, shape)
    lax = ["--max-reject-ratio", "1", "--max-log-reject-ratio", "1"]
    flags: Sequence[Argument] = lax if shape == "corrupt" else ()
    skewed = programs.agg_reduce(space, scratch, [log], name="skewed", flags=flags)
    outcome = bench.in_turn([programs.agg_reduce(space, scratch, [normal], name="normal"), skewed])
    outcome.facts = {"rows": space.rows, "log bytes": log.stat().st_size}
    if not outcome.failure("skewed") and shape != "corrupt":
        bench.need(skewed)
        store = skewed.folder / "store"
        outcome.add("emit", bench.run(programs.agg_emit(space, scratch, store, 1)))
    return outcome


def standard_input(bench: Bench) -> Outcome:
    """The base day through a pipe, which cannot be sampled beforehand."""
    space, scratch, log = bench.space, bench.space.scratch(), bench.space.log(0)
    usual = programs.agg_reduce(space, scratch, [log], name="normal")
    flags: list[Argument] = ["--date", str(day(0))]
    job = programs.agg_reduce(space, scratch, [Path("-")], name="skewed", flags=flags)
    piped = Job(job.name, job.command, job.folder, [log], job.outputs, feed=log)
    outcome = bench.in_turn([usual, piped])
    outcome.facts = {"rows": space.rows}
    return outcome


def compressed(bench: Bench, form: str) -> Outcome:
    """The base day compressed, in turn with the plain one and with decompression alone.

    `gz`: one file of one member. `zst`: one file of many frames. `zst-files`: many files.
    """
    space, scratch, log = bench.space, bench.space.scratch(), bench.space.log(0)
    folder = scratch / "logs"
    folder.mkdir()
    tool: list[Argument] = [space.python, "-B", HERE / "peers" / "decompress.py"]
    subprocess.run([*map(str, tool), "--make", form, str(PIECES), log, folder], check=True)
    logs = sorted(folder.iterdir())
    alone = Job("decompression", [*tool, *logs], scratch / "alone", logs, {})
    nothing = Job("nothing", tool, scratch / "nothing", [], {})
    plain = programs.agg_reduce(space, scratch, [log], name="plain")
    packed = programs.agg_reduce(space, scratch, logs, name="compressed", flags=["--date", str(day(0))])
    outcome = bench.in_turn([plain, packed, alone, nothing])
    outcome.facts = {"rows": space.rows, "compressed bytes": sum(path.stat().st_size for path in logs)}
    return outcome


def decompression(outcome: Outcome) -> float | None:
    """Seconds of decompression alone, without the start of the program that does it."""
    alone, nothing = outcome.wall("decompression"), outcome.wall("nothing")
    return None if alone is None or nothing is None else max(alone - nothing, 0.0)


def start(bench: Bench) -> Outcome:
    """`agg --version`, many times."""
    outcome = Outcome()
    machine.warm([bench.space.agg])
    for _ in range(STARTS):
        outcome.add("agg", measure([bench.space.agg, "--version"], limit=bench.limit, nice=bench.nice))
    return outcome


def release_build(bench: Bench) -> Outcome:
    """`cargo build --release` into an empty folder; what it downloads is there already."""
    subprocess.run(["cargo", "fetch", "--locked", "--quiet"], cwd=ROOT, check=True)
    folder = bench.space.scratch() / "build"
    manifest: list[Argument] = ["--manifest-path", ROOT / "Cargo.toml"]
    command: list[Argument] = ["cargo", "build", "--release", "--locked", "--quiet", *manifest, "--target-dir", folder]
    outcome = Outcome()
    outcome.add("cargo", measure(command, limit=3600, nice=bench.nice))
    return outcome
