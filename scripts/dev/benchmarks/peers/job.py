"""The command line that all peers have, and what of the job is not the engine's: names and the known countries."""

import argparse
from dataclasses import dataclass
from pathlib import Path

# A run's name and its key's column.
KEYS = (("country", "country"), ("user", "user_id"))


@dataclass(frozen=True)
class Reduce:
    """One log to a table for each key."""

    log: Path
    tables: Path
    countries: list[str]

    def table(self, kind: str) -> Path:
        return self.tables / f"{self.log.stem}-{kind}.parquet"


@dataclass(frozen=True)
class Emit:
    """The tables of some days to a file of tops for each key."""

    tables: Path
    out: Path
    days: list[str]
    top: int

    def inputs(self, kind: str) -> list[str]:
        return [str(self.tables / f"{day}-{kind}.parquet") for day in self.days]

    def output(self, kind: str) -> Path:
        return self.out / f"{kind}.txt"


@dataclass(frozen=True)
class Settings:
    """What bounds an engine. `memory` in bytes; None is all there is. `spill` is an empty folder."""

    threads: int
    memory: int | None
    spill: Path


def parse() -> tuple[Reduce | Emit, Settings]:
    parser = argparse.ArgumentParser()
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--memory", type=int)
    parser.add_argument("--spill", type=Path, required=True)
    jobs = parser.add_subparsers(dest="job", required=True)
    reduce = jobs.add_parser("reduce")
    reduce.add_argument("--countries", type=Path, required=True)
    reduce.add_argument("log", type=Path)
    reduce.add_argument("tables", type=Path)
    emit = jobs.add_parser("emit")
    emit.add_argument("--top", type=int, required=True)
    emit.add_argument("tables", type=Path)
    emit.add_argument("out", type=Path)
    emit.add_argument("days", nargs="+")
    given = parser.parse_args()
    settings = Settings(given.threads, given.memory, given.spill)
    if given.job == "reduce":
        return Reduce(given.log, given.tables, given.countries.read_text().split()), settings
    return Emit(given.tables, given.out, given.days, given.top), settings
