"""The folder of a benchmark: its files are made when first asked for, and removed when no point needs them any more.

WORK/venv              the peers, as pinned
WORK/results.json      what was measured
WORK/logs/             the base days
WORK/store/BUILD/      their partials
WORK/tables/PEER/      the counts of each day, as each peer keeps them
WORK/scratch/          of the point that is being measured; emptied before the next one
"""

import hashlib
import json
import shutil
import subprocess
import sys
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cached_property
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
HERE = Path(__file__).resolve().parent
COUNTRIES = ROOT / "tests" / "data" / "iso3166.txt"
FIRST_DAY = date(2021, 12, 1)


class Unusable(Exception):
    """The benchmark cannot go on; the text says why and what to do."""


def day(index: int) -> date:
    """The day of the log with this index, from 0."""
    return FIRST_DAY + timedelta(days=index)


@dataclass
class Workspace:
    """Paths and what it takes to fill them. `rows` and `days` are those of the base days."""

    work: Path
    rows: int
    days: int
    disk: int
    given: Path | None = None

    # The programs

    @cached_property
    def agg(self) -> Path:
        """The program that is measured: built from this tree unless one was given."""
        if self.given:
            return self.given.resolve()
        subprocess.run(["cargo", "build", "--release", "--locked", "--quiet"], cwd=ROOT, check=True)
        return ROOT / "target" / "release" / "agg"

    @cached_property
    def build(self) -> dict[str, str]:
        """What identifies the program: figures of different builds do not belong in one table."""
        version = subprocess.run([self.agg, "--version"], capture_output=True, text=True, check=True).stdout.strip()
        return {"version": version, "digest": hashlib.sha256(self.agg.read_bytes()).hexdigest()[:16]}

    @cached_property
    def python(self) -> Path:
        """Python with the pinned peers; installed anew when the pins changed."""
        venv, wanted = self.work / "venv", (HERE / "requirements.txt").read_text()
        stamp, python = venv / "requirements.txt", venv / "bin" / "python"
        if not stamp.exists() or stamp.read_text() != wanted:
            shutil.rmtree(venv, ignore_errors=True)
            subprocess.run([sys.executable, "-m", "venv", venv], check=True)
            pins: list[str | Path] = ["--requirement", HERE / "requirements.txt"]
            subprocess.run([python, "-m", "pip", "install", "--quiet", *pins], check=True)
            stamp.write_text(wanted)
        return python

    # What is measured on

    def log(self, index: int) -> Path:
        """One of the base days."""
        return self.generate(self.work / "logs", index, self.rows)

    def generate(self, folder: Path, index: int, rows: int, shape: str = "normal") -> Path:
        """A log; made unless it is there. The same arguments give the same bytes."""
        log = folder / f"listen-{day(index):%Y%m%d}.log"
        if not log.exists():
            # In a folder aside, so that a log under its name is a whole one.
            aside = self.work / "making"
            shutil.rmtree(aside, ignore_errors=True)
            flags = ["--rows", str(rows), "--days", "1", "--from", str(day(index)), "--shape", shape]
            command: list[str | Path] = [self.agg, "--quiet", "generate", *flags, aside]
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
            folder.mkdir(parents=True, exist_ok=True)
            (aside / log.name).rename(log)
            aside.rmdir()
        return log

    def store(self, days: int) -> Path:
        """A store with the partials of the first days, made by this build.

        Logs after the base days are dropped once they are reduced.
        """
        store = self.work / "store" / self.build["digest"]
        for other in self.work.glob("store/*"):
            if other != store:
                shutil.rmtree(other)
        for index in range(days):
            if not self.partial(store, index).exists():
                log = self.log(index)
                command: list[str | Path] = [self.agg, "--quiet", "reduce-day", "--store", store, log]
                subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
                if index >= self.days:
                    log.unlink()
        return store

    @staticmethod
    def partial(store: Path, index: int) -> Path:
        return store / "partials" / f"{day(index)}.agg"

    # What is left

    def scratch(self) -> Path:
        """An empty folder."""
        folder = self.work / "scratch"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        return folder

    def drop(self, name: str) -> None:
        """Removes one of the folders above."""
        shutil.rmtree(self.work / name, ignore_errors=True)

    def check_disk(self) -> None:
        """Refuses to go on when the folder has outgrown what it may take, or the disk has little left."""
        used = sum(path.lstat().st_size for path in self.work.rglob("*") if not path.is_symlink() and path.is_file())
        if used > self.disk:
            raise Unusable(f"{self.work} takes {used / 1e9:.1f} GB of the {self.disk / 1e9:.1f} GB allowed: see --disk")
        if shutil.disk_usage(self.work).free < 4e9:
            raise Unusable(f"{self.work}: less than 4 GB are left on the disk: make room, then start again")


def write_atomically(path: Path, document: object) -> None:
    """So that a driver that is stopped leaves the old document or the new one."""
    aside = path.with_name(path.name + ".new")
    aside.write_text(json.dumps(document, indent=1) + "\n")
    aside.replace(path)
