"""Do all programs give the same? On a small week, before anything is measured."""

from pathlib import Path

from benchmarks import programs
from benchmarks.bench import Bench, equal
from benchmarks.results import Outcome

ROWS = 20_000
DAYS = 3
# More than any user or country has songs on such a day: the tops of one day are then all of its counts.
ALL_SONGS = 10_000


def small_week(bench: Bench) -> Outcome:
    """Every program reduces and emits three small days: all counts of the first, and the tops of all three."""
    outcome = Outcome(facts={"rows": ROWS, "days": DAYS})
    space, scratch = bench.space, bench.space.scratch()
    logs = [space.generate(scratch / "logs", index, ROWS) for index in range(DAYS)]
    store = scratch / "store"
    for index, log in enumerate(logs):
        job = programs.agg_reduce(space, scratch, [log], index=index)
        bench.need(job)
        (store / "partials").mkdir(parents=True, exist_ok=True)
        job.outputs["partial"].replace(space.partial(store, index))
    ours = {}
    for days, top in ((1, ALL_SONGS), (DAYS, programs.TOP)):
        job = programs.agg_emit(space, scratch, store, days, name=f"agg-{days}", top=top)
        bench.need(job)
        ours[days, top] = job.outputs
    for peer in programs.PEERS.values():
        tables = scratch / "tables" / peer.name
        tables.mkdir(parents=True)
        for log in logs:
            job = programs.peer_reduce(space, scratch, peer, log)
            outcome.add(f"{peer.name} reduce", bench.need(job))
            for path in job.outputs.values():
                path.replace(tables / path.name)
        verdicts = []
        for (days, top), expected in ours.items():
            job = programs.peer_emit(space, scratch, peer, tables, days, top=top)
            outcome.add(f"{peer.name} emit", bench.need(job))
            verdicts.append(equal(expected, job.outputs))
        outcome.facts[f"{peer.name} equal"] = next((verdict for verdict in verdicts if verdict != "yes"), "yes")
    if programs.has_mawk():
        outcome.facts["mawk equal"] = mawk_equal(
            bench, programs.mawk_reduce(scratch, logs[0]), ours[1, ALL_SONGS]["user"]
        )
    return outcome


def mawk_equal(bench: Bench, counting: programs.Job, tops: Path) -> str:
    """Counts by mawk, and compares them with a file of tops that has all songs of each user."""
    bench.need(counting)
    job = programs.mawk_explode(bench.space.work / "scratch", tops)
    bench.need(job)
    return equal(counting.outputs, job.outputs)
