"""Tests of the driver itself: `scripts/dev/bench --self-test`. What it measures is tested by measuring a small week."""

import tempfile
import unittest
from pathlib import Path

from benchmarks import bars, documents, report, scaling
from benchmarks.measure import Run, measure
from benchmarks.points import plan
from benchmarks.results import Fact, Outcome, Results
from benchmarks.workspace import Unusable


def run(wall: float, output: int = 0, failure: str | None = None) -> Run:
    return Run(wall, wall * 2, 50 << 20, 0, output, failure)


def sample() -> Results:
    """A benchmark in which agg reduces a million rows in 1 s, and three and a third in 3 s."""
    build = {"version": "agg 1", "digest": "d"}
    state: dict[str, Fact] = {
        "processor": "p",
        "memory": "1 GiB",
        "system": "s",
        "DuckDB": "1",
        "Polars": "2",
        "chdb": "3",
        "idle before": 1.0,
    }
    pair = Outcome(
        {"agg": [run(1, 40), run(1, 40)], "duckdb": [run(10, 100), run(8, 100)]}, {"rows": 10**6, "log bytes": 10**7}
    )
    emission = Outcome({"agg": [run(7, 70)], "duckdb": [run(9, failure="Out of | memory")]}, {"equal": "no: user"})
    large = Outcome({"2GiB": [run(3)], "512MiB": [run(6)]}, {"rows": 3_000_000})
    points = {"reduce/duckdb": pair, "emit/duckdb": emission, "large": large}
    for outcome in points.values():
        outcome.build, outcome.machine = build, dict(state)
    return Results(Path("results.json"), 10**6, 7, points)


class Measuring(unittest.TestCase):
    def test_a_run_tells_what_the_kernel_tells(self) -> None:
        cost = measure(["python3", "-c", "m = bytearray(b'1' * 300_000_000)"], limit=60)
        self.assertIsNone(cost.failure)
        self.assertTrue(300_000_000 < cost.peak < 900_000_000, cost.peak)
        self.assertTrue(cost.wall > 0 and cost.cpu > 0)

    def test_a_failure_is_told_by_the_line_that_tells_most(self) -> None:
        self.assertEqual(measure(["sh", "-c", "echo no room >&2; exit 3"], limit=9).failure, "no room")
        failure = measure(["python3", "-c", "raise ValueError('out of memory')"], limit=9).failure
        self.assertEqual(failure, "ValueError: out of memory")
        self.assertEqual(measure(["sh", "-c", "kill -9 $$"], limit=9).failure, "killed by SIGKILL")

    def test_a_run_over_its_time_is_killed_with_what_it_started(self) -> None:
        cost = measure(["sh", "-c", "sleep 60 | cat"], limit=0.3)
        self.assertEqual(cost.failure, "over 0 s")
        self.assertLess(cost.wall, 10)

    def test_a_fed_program_reads_a_pipe(self) -> None:
        with tempfile.NamedTemporaryFile() as file:
            file.write(b"a\nb\n")
            file.flush()
            script = "test -p /dev/stdin && test $(wc -c) = 4"
            self.assertIsNone(measure(["sh", "-c", script], limit=9, feed=Path(file.name)).failure)


class Figures(unittest.TestCase):
    def test_ratios_are_of_pairs_and_leave_out_failures(self) -> None:
        results = sample()
        self.assertEqual(results.get("reduce/duckdb").ratios("duckdb", "agg"), [10, 8])
        self.assertEqual(results.get("reduce/duckdb").ratio("duckdb", "agg"), 9)
        self.assertIsNone(results.get("emit/duckdb").ratio("duckdb", "agg"))
        self.assertEqual(results.get("emit/duckdb").failure("duckdb"), "Out of | memory")

    def test_a_bar_is_met_missed_or_not_measured(self) -> None:
        verdicts = {bar.text: bar.met for bar in bars.all_bars(sample())}
        self.assertIs(verdicts["share of DuckDB's zstd Parquet"], True)
        self.assertIs(verdicts["3.3 times the rows, --memory 2GiB"], True)
        self.assertIs(verdicts["3.3 times the rows, --memory 512MiB"], False)
        self.assertIsNone(verdicts["Polars's time over agg's"])
        self.assertIs(verdicts["comparisons that differ, of 1"], False)

    def test_results_are_read_back_as_they_were_saved(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            results = sample()
            results.path = Path(folder) / "results.json"
            results.save()
            self.assertEqual(Results.load(results.path, 10**6, 7), results)
            with self.assertRaisesRegex(Unusable, "7 days of 1000000 rows"):
                Results.load(results.path, 10**6, 8)

    def test_slopes_are_those_of_the_line_through_both_days(self) -> None:
        slopes = scaling.slopes(sample())
        assert slopes is not None
        self.assertAlmostEqual(slopes.reduce_wall, 1e-6)
        self.assertAlmostEqual(slopes.fixed_wall, 0)
        self.assertAlmostEqual(slopes.emit_wall, 1e-6)
        self.assertAlmostEqual(slopes.partial_bytes, 40e-6)
        self.assertIn("| reduce: two threads | 16.7 min | 2.8 h | 27.8 h |", scaling.plans(sample()))


class Pages(unittest.TestCase):
    def test_a_failed_peer_is_a_row(self) -> None:
        rows = report.emission(sample()).splitlines()
        self.assertEqual(rows[-1], "| DuckDB | failed: Out of / memory | – | – | – | – | – |")
        self.assertEqual(report.disagreements(sample()), ["emit/duckdb"])

    def test_marked_blocks_are_filled_and_the_rest_is_left_alone(self) -> None:
        page = "a\n<!-- bench skew -->\nold\n<!-- bench end -->\nb\n"
        filled = documents.fill(page, sample())
        self.assertEqual(filled.splitlines()[0], "a")
        self.assertNotIn("old", filled)
        self.assertIn("| shape |", filled)
        self.assertEqual(documents.fill(filled, sample()), filled)
        with self.assertRaisesRegex(Unusable, "'nothing'"):
            documents.fill(page.replace("skew", "nothing"), sample())

    def test_every_table_stands_without_figures(self) -> None:
        empty = Results(Path("results.json"), 1, 1)
        self.assertIn("Nothing is measured yet", report.everything(empty))
        for block in documents.BLOCKS.values():
            self.assertTrue(block(empty))

    def test_points_have_names_of_their_own(self) -> None:
        names = [point.name for point in plan()]
        self.assertEqual(len(names), len(set(names)))


def tests() -> unittest.TestSuite:
    loader = unittest.defaultTestLoader
    return unittest.TestSuite(loader.loadTestsFromTestCase(case) for case in (Measuring, Figures, Pages))


def run_all() -> int:
    outcome = unittest.TextTestRunner(verbosity=1).run(tests())
    return 0 if outcome.wasSuccessful() else 1
