"""The programs that are compared, and the commands of each job. A row of a table is a program with its limits."""

import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.measure import Argument
from benchmarks.workspace import COUNTRIES, HERE, Workspace, day

GIGABYTE = 10**9
KINDS = ("country", "user")
TOP = 50


@dataclass(frozen=True)
class Job:
    """Something to measure, as often as one likes: `folder` is emptied before each run and takes all that is written.

    `makes` are folders in it that must be there before the program starts.
    """

    name: str
    command: list[Argument]
    folder: Path
    inputs: list[Path]
    outputs: dict[str, Path]
    makes: list[Path] = field(default_factory=list)
    environment: dict[str, str] = field(default_factory=dict)
    feed: Path | None = None


@dataclass(frozen=True)
class Peer:
    """An engine with its memory limit in bytes; `emits_from` is the peer whose tables it emits from."""

    name: str
    label: str
    program: str
    emits_from: str
    memory: int | None = None


PEERS = {
    peer.name: peer
    for peer in (
        Peer("duckdb", "DuckDB", "run_duckdb.py", "duckdb"),
        Peer("duckdb-1gb", "DuckDB, 1 GB", "run_duckdb.py", "duckdb", GIGABYTE),
        Peer("polars", "Polars streaming", "run_polars.py", "polars"),
        Peer("clickhouse", "ClickHouse", "run_clickhouse.py", "clickhouse"),
        Peer("clickhouse-1gb", "ClickHouse, 1 GB", "run_clickhouse.py", "clickhouse", GIGABYTE),
    )
}
UNLIMITED = [peer for peer in PEERS.values() if peer.memory is None]
LABELS = {"agg": "agg", "mawk": "mawk, sort, uniq (users only)"} | {name: peer.label for name, peer in PEERS.items()}


def versions() -> dict[str, str]:
    """The versions of the peers, as pinned."""
    pins = dict(re.findall(r"^([a-z-]+)==(\S+)$", (HERE / "requirements.txt").read_text(), re.MULTILINE))
    return {"DuckDB": pins["duckdb"], "Polars": pins["polars"], "chdb": pins["chdb"]}


# agg


def agg_reduce(
    space: Workspace,
    folder: Path,
    logs: Sequence[Path],
    *,
    name: str = "agg",
    index: int = 0,
    threads: int = 2,
    memory: str | None = None,
    flags: Sequence[Argument] = (),
    environment: dict[str, str] | None = None,
) -> Job:
    """The logs of one day to a partial."""
    store = folder / name / "store"
    given: list[Argument] = ["--threads", str(threads), "--store", store, *_memory(memory), *flags]
    return Job(
        name,
        [space.agg, "--quiet", "reduce-day", *given, *logs],
        store.parent,
        list(logs),
        {"partial": space.partial(store, index)},
        environment=environment or {},
    )


def agg_emit(
    space: Workspace,
    folder: Path,
    store: Path,
    days: int,
    *,
    name: str = "agg",
    threads: int = 2,
    memory: str | None = None,
    top: int = TOP,
) -> Job:
    """The window of the first `days` days of a store."""
    out = folder / name
    last = str(day(days - 1))
    window: list[Argument] = ["--date", last, "--days", str(days), "--top", str(top)]
    given: list[Argument] = ["--threads", str(threads), "--store", store, "--out", out, *_memory(memory)]
    return Job(
        name,
        [space.agg, "--quiet", "emit-window", *given, *window],
        out,
        [space.partial(store, index) for index in range(days)],
        {kind: out / last / f"top{top}_songs_per_{kind}.txt" for kind in KINDS},
    )


def _memory(memory: str | None) -> list[Argument]:
    return ["--memory", memory] if memory else []


# Peers


def peer_reduce(space: Workspace, folder: Path, peer: Peer, log: Path, *, threads: int = 2) -> Job:
    """A log to the two tables of that day."""
    own = folder / peer.name
    tables = own / "tables"
    command = [*_peer(space, peer, own, threads), "reduce", "--countries", COUNTRIES, log, tables]
    outputs = {kind: tables / f"{log.stem}-{kind}.parquet" for kind in KINDS}
    return Job(peer.name, command, own, [log], outputs, [tables, own / "spill"], _threads(threads))


def peer_emit(
    space: Workspace, folder: Path, peer: Peer, tables: Path, days: int, *, threads: int = 2, top: int = TOP
) -> Job:
    """The tables of the first `days` days to the tops."""
    own = folder / peer.name
    out = own / "out"
    names = [f"listen-{day(index):%Y%m%d}" for index in range(days)]
    command = [*_peer(space, peer, own, threads), "emit", "--top", str(top), tables, out, *names]
    inputs = [tables / f"{name}-{kind}.parquet" for name in names for kind in KINDS]
    outputs = {kind: out / f"{kind}.txt" for kind in KINDS}
    return Job(peer.name, command, own, inputs, outputs, [out, own / "spill"], _threads(threads))


def _peer(space: Workspace, peer: Peer, own: Path, threads: int) -> list[Argument]:
    limit: list[Argument] = ["--memory", str(peer.memory)] if peer.memory else []
    program: list[Argument] = [space.python, "-B", HERE / "peers" / peer.program]
    return [*program, "--threads", str(threads), "--spill", own / "spill", *limit]


def _threads(threads: int) -> dict[str, str]:
    """For the engines that read their number of threads when they are loaded."""
    return {"POLARS_MAX_THREADS": str(threads)}


# mawk, sort and uniq: the counts of the users alone


def has_mawk() -> bool:
    return shutil.which("mawk") is not None


def mawk_reduce(folder: Path, log: Path) -> Job:
    """A log to lines of `count user|song`, by user and song as text."""
    known = " ".join(COUNTRIES.read_text().split())
    first = f'BEGIN {{ n = split("{known}", codes, " "); for (i = 1; i <= n; i++) known[codes[i]] }}'
    good = "NF == 3 && ($3 in known) && $1 ~ /^[0-9]+$/ && $2 ~ /^[0-9]+$/"
    script = 'mawk -F"|" "$1" "$2" | sort -S 25% --parallel=2 -T "$3" | uniq -c > "$4"'
    return _pipe("mawk", folder, script, f'{first} {good} {{ print $2 "|" $1 }}', log)


def mawk_explode(folder: Path, tops: Path) -> Job:
    """The same lines, from a file of tops that has all songs of each user."""
    program = '{ for (i = 2; i <= NF; i += 2) printf "%7d %s|%s\\n", $(i + 1), $1, $i }'
    script = 'mawk -F"[|:,]" "$1" "$2" | sort -k2 -S 25% --parallel=2 -T "$3" > "$4"'
    return _pipe("explode", folder, script, program, tops)


def _pipe(name: str, folder: Path, script: str, program: str, source: Path) -> Job:
    own = folder / name
    counted = own / "counted.txt"
    command: list[Argument] = ["sh", "-c", f"set -e; {script}", "sh", program, source, own, counted]
    return Job(name, command, own, [source], {"user": counted}, environment={"LC_ALL": "C"})
