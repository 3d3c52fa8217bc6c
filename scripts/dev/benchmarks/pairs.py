"""The comparison that counts: `agg` and one peer in turn, on the base days, several times."""

from benchmarks import programs
from benchmarks.agree import ALL_SONGS
from benchmarks.bench import Bench, equal
from benchmarks.programs import Peer
from benchmarks.results import Outcome


def reduce(bench: Bench, peer: Peer, rounds: int | None = None) -> Outcome:
    """The first base day to counts."""
    space, scratch, log = bench.space, bench.space.scratch(), bench.space.log(0)
    jobs = [programs.agg_reduce(space, scratch, [log]), programs.peer_reduce(space, scratch, peer, log)]
    outcome = bench.in_turn(jobs, rounds)
    outcome.facts = {"rows": space.rows, "log bytes": log.stat().st_size}
    return outcome


def emit(bench: Bench, peer: Peer, rounds: int | None = None) -> Outcome:
    """All base days to the tops. The outputs of the first round are compared."""
    space = bench.space
    tables = bench.tables(programs.PEERS[peer.emits_from])
    store = space.store(space.days)
    scratch = space.scratch()
    ours = programs.agg_emit(space, scratch, store, space.days)
    theirs = programs.peer_emit(space, scratch, peer, tables, space.days)
    verdict = "not compared: the peer failed"

    def compare() -> None:
        nonlocal verdict
        if all(path.exists() for path in theirs.outputs.values()):
            verdict = equal(ours.outputs, theirs.outputs)

    outcome = bench.in_turn([ours, theirs], rounds, after_first=compare)
    if outcome.failure(peer.name):
        verdict = "not compared: the peer failed"
    outcome.facts = {"days": space.days, "equal": verdict}
    return outcome


def mawk(bench: Bench) -> Outcome:
    """The first base day to counts, of the users alone on the other side."""
    space = bench.space
    log, store, scratch = space.log(0), space.store(1), space.scratch()
    jobs = [programs.agg_reduce(space, scratch, [log]), programs.mawk_reduce(scratch, log)]
    verdict = "not compared"

    def compare() -> None:
        nonlocal verdict
        tops = programs.agg_emit(space, scratch, store, 1, name="agg-all", top=ALL_SONGS)
        exploded = programs.mawk_explode(scratch, tops.outputs["user"])
        bench.need(tops)
        bench.need(exploded)
        verdict = equal(jobs[1].outputs, exploded.outputs)

    outcome = bench.in_turn(jobs, after_first=compare)
    outcome.facts = {"rows": space.rows, "equal": verdict}
    return outcome
