"""The machine that measures: what it is, how busy it is, and how to bring it into the same state before each run."""

import os
import platform
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path

# Touched before each run, so that no run alone pays for memory that a virtual machine has given back while idle.
WARM_BYTES = 512 << 20
CHUNK = 1 << 20


def describe() -> dict[str, str]:
    """Processor, memory and system, in words for a table."""
    cores = os.cpu_count() or 1
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    vectors = [name for name in ("avx2", "avx512f", "avx512vbmi2") if name in _processor("flags").split()]
    return {
        "processor": f"{_processor('model name')}, {cores} cores" + (f" ({', '.join(vectors)})" if vectors else ""),
        "memory": f"{memory:.0f} GiB",
        "system": f"Linux {platform.release()}",
        "python": platform.python_version(),
    }


def _processor(field: str) -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        name, _, value = line.partition(":")
        if name.strip() == field:
            return value.strip()
    return "unknown"


def busy(seconds: float = 0.5) -> float:
    """The share of all processor time, 0 to 1, that others take while this waits."""
    before = _ticks()
    time.sleep(seconds)
    idle, total = (after - earlier for after, earlier in zip(_ticks(), before, strict=True))
    return 1 - idle / total if total else 0.0


def _ticks() -> tuple[int, int]:
    """Idle and all ticks since the start of the machine."""
    columns = [int(column) for column in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]]
    return columns[3] + columns[4], sum(columns[:8])


def warm(inputs: Iterable[Path], nice: int = 0) -> None:
    """Ends earlier writes, brings the inputs into the page cache, and touches memory that the run may get."""
    os.sync()
    buffer = bytearray(CHUNK)
    read = 0
    for path in inputs:
        with path.open("rb", buffering=0) as file:
            while count := file.readinto(buffer):
                read += count
    pages = min(WARM_BYTES, 16 * read) // 4096
    # In another process: what this one touches would count as a peak of its children.
    touch = f"memory = bytearray({pages * 4096}); memory[::4096] = bytes([1]) * {pages}"
    priority = ["nice", "-n", str(nice)] if nice else []
    subprocess.run([*priority, sys.executable, "-S", "-c", touch], check=True)
