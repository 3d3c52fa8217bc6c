"""The commands from end to end: outcomes, refusals, exit codes, and what they leave."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import oracle  # type: ignore[import-not-found]
import pytest

from agg_spark import cli, output, partial
from agg_spark.model import Kind

if TYPE_CHECKING:
    from collections.abc import Callable

    from pyspark.sql import DataFrame, SparkSession

    from agg_spark.job.context import Context


class Bench:
    """A store, an output folder, and the command line."""

    def __init__(self, context: Context, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.context = context
        self.folder = folder
        self.capsys = capsys

    def log(self, day: int, content: bytes) -> Path:
        log = self.folder / f"listen-2021-12-{day:02}.log"
        log.write_bytes(content)
        return log

    def run(self, *arguments: object) -> tuple[int, str]:
        """The exit code, and the report or the error."""
        command, *rest = map(str, arguments)
        store = ["--store", str(self.folder / "store"), "--json"]
        code = cli.run_all(self.context, cli.parser().parse_args([command, *store, *rest]))
        told = self.capsys.readouterr()
        return code, told.err if code else told.out

    def emit(self, *arguments: object) -> tuple[int, str]:
        return self.run("emit-window", "--out", self.folder / "out", *arguments)

    def manifest(self, date: str) -> dict[str, Any]:
        """The manifest of a date's emission."""
        found: dict[str, Any] = json.loads((self.folder / "out" / date / "manifest.json").read_text())
        return found

    def emitted(self, date: str, name: str) -> bytes:
        """A file of a date's emission, where the manifest says that it is."""
        folder = str(self.manifest(date)["folder"])
        return (self.folder / "out" / date / folder / name).read_bytes()

    def state(self) -> dict[str, bytes]:
        """All that the store holds, except Hadoop's checksums."""
        store = self.folder / "store"
        files = [path for path in store.rglob("*") if path.is_file() and not path.name.endswith(".crc")]
        return {str(path.relative_to(store)): path.read_bytes() for path in files}


@pytest.fixture
def bench(context: Context, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Bench:
    return Bench(context, tmp_path, capsys)


@pytest.mark.parametrize(
    "manifest",
    [
        "",
        "[" * 100_000,
        "[]",
        '{"top":50,"window":null}',
        '{"top":50,"window":{"days":1},"partials":[{"day":5}]}',
        '{"top":50,"window":{"days":1},"partials":[1]}',
    ],
)
def test_a_published_manifest_that_is_not_valid_is_reported_and_force_replaces_it(
    bench: Bench, manifest: str
) -> None:
    assert bench.run("reduce-day", bench.log(1, b"1|2|FR\n"))[0] == 0
    published = bench.folder / "out" / "2021-12-01" / "manifest.json"
    published.parent.mkdir(parents=True)
    published.write_text(manifest)
    code, told = bench.emit("--date", "2021-12-01", "--days", "1")
    assert (code, "manifest.json" in told, "--force" in told) == (65, True, True)
    assert bench.emit("--date", "2021-12-01", "--days", "1", "--force")[0] == 0


def test_a_damaged_record_is_reported_and_force_replaces_it(bench: Bench) -> None:
    log = bench.log(1, b"1|2|FR\n")
    assert bench.run("reduce-day", log)[0] == 0
    record = bench.folder / "store" / "_days" / "2021-12-01.json"
    record.write_text("{")
    code, told = bench.run("reduce-day", log)
    assert (code, str(record) in told, "--force" in told) == (65, True, True)
    assert bench.run("reduce-day", "--force", log)[0] == 0
    assert len(bench.state()) == 3


def test_a_file_where_a_folder_should_be_and_names_that_are_not_paths_are_reported(bench: Bench) -> None:
    log = bench.log(1, b"1|2|FR\n")
    assert bench.run("reduce-day", log)[0] == 0
    (bench.folder / "out").write_bytes(b"")
    assert bench.emit("--date", "2021-12-01", "--days", "1")[0] == 73
    for name, exit_code in {
        "a[b.log": 2,
        "a{b.log": 2,
        "": 2,
        "-": 2,
        "a:b.log": 66,
        "nofs://x/y": 2,
    }.items():
        code, told = bench.run("reduce-day", name)
        assert code == exit_code, told


def test_a_day_is_reduced_once_refused_for_other_logs_and_replaced_when_forced(bench: Bench) -> None:
    log = bench.log(1, b"\xef\xbb\xbf1|2|FR\r\n1|2|FR\nx|1|FR\n9223372036854775807|3|GB")
    code, told = bench.run("reduce-day", "--max-reject-ratio", "0.25", log)
    report = json.loads(told)
    assert (code, report["outcome"], report["day"]) == (0, "reduced", "2021-12-01")
    assert (report["rows"], report["accepted"], report["rejected"]) == (4, 3, 1)
    assert report["rejects"] == {**dict.fromkeys(oracle.REASONS, 0), "song_id": 1}
    before = bench.state()
    assert json.loads(bench.run("reduce-day", log)[1])["outcome"] == "unchanged"
    assert bench.state() == before
    bench.log(1, b"5|5|FR\n")
    code, error = bench.run("reduce-day", log)
    assert code == 65
    assert "--force" in error
    assert bench.state() == before
    report = json.loads(bench.run("reduce-day", "--force", log)[1])
    assert (report["outcome"], report["rows"]) == ("replaced", 1)
    # One version is there, and nothing that was on the way.
    assert len(bench.state()) == 3


@pytest.mark.parametrize(
    ("content", "flags", "code", "named"),
    [
        (b"1|2|FR\nx\n", [], 65, "1 of 2 rows are corrupt (field_count 1)"),
        (b"1|2|FR\n", ["--min-rows", "2"], 65, "--min-rows 2"),
        (gzip.compress(b"1|2|FR\n" * 9000)[:-9], [], 65, "damaged"),
        (b"", [], 65, "empty"),
        (b"1|2|FR\n", ["--min-logs", "2"], 65, "--min-logs 2"),
    ],
)
def test_a_day_that_is_refused_leaves_nothing(
    bench: Bench, content: bytes, flags: list[str], code: int, named: str
) -> None:
    packed = content[:2] == b"\x1f\x8b" or not content
    log = bench.folder / ("listen-20211201.log.gz" if packed else "listen-20211201.log")
    log.write_bytes(content)
    found, error = bench.run("reduce-day", *flags, log)
    assert (found, named in error, error.count("\n")) == (code, True, 1), error
    assert bench.state() == {}


@pytest.mark.parametrize("kind", ["country", "user", "rejects"])
@pytest.mark.parametrize("content", [b"1|2|FR\nx\n", b"x"])
def test_a_store_that_the_driver_does_not_share_with_the_executors_is_refused(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, kind: str, content: bytes
) -> None:
    def unseen(write: Callable[..., Any]) -> None:
        def writes(*arguments: Any) -> Any:
            rows = write(*arguments)
            bench.context.fs.remove(f"{arguments[-1]}/kind={kind}")
            return rows

        monkeypatch.setattr(partial, write.__name__, writes)

    unseen(partial.write_users if kind == "user" else partial.write_countries)
    code, error = bench.run("reduce-day", "--max-reject-ratio", "1", bench.log(1, content))
    assert (code, error.count("\n")) == (74, 1)
    assert "all machines share" in error
    assert "run again" not in error
    assert bench.state() == {}


@pytest.mark.parametrize("unseen", ["the tops", "one part of them", "the day"])
def test_an_emission_that_the_machines_do_not_share_is_refused(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, unseen: str
) -> None:
    bench.run("reduce-day", bench.log(1, b"1|2|FR\n1|3|GB\n"))
    write, read = output.write, partial.read

    def writes(best: DataFrame, kind: Kind, folder: str) -> int:
        keys = write(best, kind, folder)
        if unseen == "the tops":
            bench.context.fs.remove(folder)
        else:
            (part,) = [entry for entry in bench.context.fs.list(folder) if entry.name.startswith("part-")]
            bench.context.fs.remove(part.path)
            Path(part.path.removeprefix("file:")).write_bytes(
                b"FR|1:1\n" if kind is Kind.COUNTRY else b"2|1:1\n"
            )
        return keys

    def reads(spark: SparkSession, kind: Kind, paths: list[str]) -> DataFrame:
        frame = read(spark, kind, paths)
        bench.context.fs.remove(paths[0])
        return frame

    if unseen == "the day":
        monkeypatch.setattr(partial, "read", reads)
    else:
        monkeypatch.setattr(output, "write", writes)
    code, error = bench.emit("--date", "2021-12-01", "--days", "1")
    assert (code, error.count("\n")) == (74, 1), error
    assert "all machines share" in error
    assert "run again" not in error


def test_a_day_that_another_run_replaced_meanwhile_is_not_replaced_again(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = bench.log(1, b"1|2|FR\n")
    assert bench.run("reduce-day", log)[0] == 0
    write_users = partial.write_users

    def writes(*arguments: Any) -> None:
        write_users(*arguments)
        monkeypatch.setattr(partial, "write_users", write_users)
        # It was begun later and ends first, so it sweeps what the other has written.
        assert bench.run("reduce-day", "--force", log)[0] == 0
        other.update(bench.state())

    other: dict[str, bytes] = {}
    monkeypatch.setattr(partial, "write_users", writes)
    code, error = bench.run("reduce-day", "--force", log)
    assert (code, error.count("\n")) == (75, 1), error
    assert "another run replaced it meanwhile" in error
    assert bench.state() == other


def export(bench: Bench) -> None:
    """Puts the files of the day where `agg export` would, without its footers, and removes the record."""
    for kind in ["country", "user"]:
        (file,) = bench.folder.glob(f"store/day=2021-12-01/v=*/kind={kind}/*.parquet")
        target = bench.folder / f"store/kind={kind}/day=2021-12-01"
        target.mkdir(parents=True)
        file.rename(target / "part-0.parquet")
    (bench.folder / "store/_days/2021-12-01.json").unlink()


def test_an_exported_day_is_emitted_and_replaced_when_forced(bench: Bench) -> None:
    log = bench.log(1, b"1|2|FR\n")
    bench.run("reduce-day", log)
    export(bench)
    code, told = bench.emit("--date", "2021-12-01", "--days", "1")
    assert (code, json.loads(told)["rows"], json.loads(told)["accepted"]) == (0, None, 1)
    code, error = bench.run("reduce-day", log)
    assert (code, "--force" in error) == (65, True)
    assert json.loads(bench.run("reduce-day", "--force", log)[1])["outcome"] == "replaced"
    assert len(bench.state()) == 3
    bench.run("reduce-day", log)
    (file,) = bench.folder.glob("store/day=2021-12-01/v=*/kind=user/*.parquet")
    for kind in ["country", "user"]:
        (bench.folder / f"store/kind={kind}/day=2021-12-01/part-0.parquet").write_bytes(file.read_bytes())
    for code, error in [bench.emit("--date", "2021-12-01", "--days", "1"), bench.run("reduce-day", log)]:
        assert (code, error.count("\n")) == (65, 1)
        assert "two versions of 2021-12-01; remove" in error


def test_an_exported_day_whose_sums_do_not_agree_is_refused(bench: Bench) -> None:
    bench.run("reduce-day", bench.log(1, b"1|2|FR\n"))
    export(bench)
    country = bench.folder / "store/kind=country/day=2021-12-01"
    bench.context.spark.createDataFrame([("FR", 1, 2)], Kind.COUNTRY.schema).write.mode("overwrite").parquet(
        str(country)
    )
    code, error = bench.emit("--date", "2021-12-01", "--days", "1")
    assert (code, "sums of 2021-12-01 do not agree" in error) == (65, True)


def test_copies_are_refused_unless_they_have_no_accepted_row_or_are_allowed(bench: Bench) -> None:
    logs = [bench.folder / f"listen-20211201.log.{number}" for number in range(1, 4)]
    for log in logs[:2]:
        log.write_bytes(b"song|user|country\n")
    logs[2].write_bytes(b"1|2|FR\n")
    assert bench.run("reduce-day", "--max-reject-ratio", "1", *logs)[0] == 0
    logs[1].write_bytes(b"1|2|FR\n")
    code, error = bench.run("reduce-day", "--force", "--max-reject-ratio", "1", *logs)
    assert (code, "--allow-duplicates" in error) == (65, True), error
    allowed = bench.run("reduce-day", "--force", "--max-reject-ratio", "1", "--allow-duplicates", *logs)
    assert (allowed[0], json.loads(allowed[1])["accepted"]) == (0, 2)


def test_a_padded_log_is_counted_and_refused_under_its_own_name(bench: Bench) -> None:
    log = bench.folder / "listen-20211201.log.gz"
    log.write_bytes(gzip.compress(b"1|2|FR\n" * 50 + b"x\n" * 100) + bytes(512))
    code, error = bench.run("reduce-day", "--max-reject-ratio", "1", log)
    assert (code, f"{log}: 100 of 150 rows are corrupt" in error) == (65, True), error
    assert bench.state() == {}
    log.write_bytes(gzip.compress(b"1|2|FR\n" * 50) + bytes(512))
    code, told = bench.run("reduce-day", log)
    assert (code, json.loads(told)["accepted"]) == (0, 50)
    assert len(bench.state()) == 3


def test_other_forms_of_a_log_are_compared_and_a_damaged_one_is_reported(bench: Bench) -> None:
    log = bench.log(1, b"1|2|FR\n")
    packed = log.with_name(f"{log.name}.gz")
    packed.write_bytes(gzip.compress(b"1|3|FR\n"))
    code, error = bench.run("reduce-day", log, packed)
    assert (code, "other content" in error) == (65, True), error
    packed.write_bytes(gzip.compress(b"1|2|FR\n")[:-1])
    code, told = bench.run("reduce-day", log, packed)
    report = json.loads(told)
    assert (code, report["rows"], report["skipped"][0]["path"]) == (0, 1, f"file:{packed}")


def test_a_day_that_was_counted_with_other_countries_is_not_the_same_day(bench: Bench) -> None:
    log = bench.log(1, b"1|2|FR\n" * 20 + b"1|2|XX\n")
    assert bench.run("reduce-day", log)[0] == 0
    code, error = bench.run("reduce-day", "--countries", "any", log)
    assert (code, "with --countries iso, not any; give --force" in error) == (65, True), error
    report = json.loads(bench.run("reduce-day", "--countries", "any", "--force", log)[1])
    assert (report["outcome"], report["rejected"]) == ("replaced", 0)
    assert json.loads(bench.run("reduce-day", "--countries", "any", log)[1])["outcome"] == "unchanged"


def test_one_log_that_is_mostly_corrupt_refuses_the_day_by_its_name(bench: Bench) -> None:
    good, bad = bench.folder / "good 1.log", bench.folder / "bad 1.log"
    good.write_bytes(b"1|2|FR\n" * 5000)
    bad.write_bytes(b"1|2|fr\n" * 100 + b"1|2|FR\n" * 99)
    logs = ["reduce-day", "--date", "2021-12-01", good, bad]
    code, error = bench.run(*logs)
    assert (code, "bad 1.log: 100 of 199 rows are corrupt" in error) == (65, True), error
    assert bench.state() == {}
    assert bench.run(*logs, "--min-logs", "3")[0] == 65
    assert bench.run(*logs, "--max-log-reject-ratio", "0.6")[0] == 0


def test_a_log_of_few_corrupt_rows_that_are_most_of_its_bytes_refuses_the_day(bench: Bench) -> None:
    corrupt = b"x" * 1023 + b"\n"
    log = bench.log(1, b"1|2|FR\n" * 1000 + corrupt * 15)
    assert bench.run("reduce-day", log)[0] == 0
    log = bench.log(2, b"1|2|FR\n" * 1000 + corrupt * 16)
    code, error = bench.run("reduce-day", log)
    told = "16 of 1016 rows are corrupt, and 16384 of 23384 bytes"
    assert (code, told in error) == (65, True), error
    assert bench.run("reduce-day", log, "--max-log-reject-ratio", "0.71")[0] == 0


def test_a_range_of_days_is_reduced_in_one_session_and_the_worst_day_decides(bench: Bench) -> None:
    for day in (1, 3):
        bench.log(day, b"1|2|FR\n")
    pattern = bench.folder / "listen-{%Y%m%d,%Y-%m-%d}.log"
    code, error = bench.run("backfill", "--from", "2021-12-01", "--to", "2021-12-03", pattern)
    assert (code, error.count("\n"), "no such log" in error) == (66, 1, True)
    assert sorted(path.stem for path in bench.folder.glob("store/_days/*")) == ["2021-12-01", "2021-12-03"]
    bench.log(2, b"1|2|FR\n")
    code, told = bench.run("backfill", "--from", "2021-12-01", "--to", "2021-12-03", pattern)
    outcomes = [json.loads(line)["outcome"] for line in told.splitlines()]
    assert (code, outcomes) == (0, ["unchanged", "reduced", "unchanged"])
    assert bench.run("backfill", "--from", "2021-12-02", "--to", "2021-12-01", pattern)[0] == 2


def test_an_empty_day_is_a_day(bench: Bench) -> None:
    code, told = bench.run("reduce-day", bench.log(1, b""))
    assert (code, json.loads(told)["rows"]) == (0, 0)
    assert bench.emit("--date", "2021-12-01", "--days", "1", "--single-file")[0] == 0
    assert bench.emitted("2021-12-01", "top50_songs_per_user.txt") == b""


def test_a_window_is_emitted_in_parts_or_whole_and_the_same_twice(bench: Bench) -> None:
    bench.run("reduce-day", bench.log(1, b"1|10|FR\n2|10|FR\n2|9|GB\n"))
    bench.run("reduce-day", bench.log(2, b"1|10|FR\n3|9223372036854775807|FR\n"))
    assert bench.emit("--date", "2021-12-02", "--days", "2", "--top", "2", "--single-file")[0] == 0
    countries = b"FR|1:2,2:1\nGB|2:1\n"
    users = b"9|2:1\n10|1:2,2:1\n9223372036854775807|3:1\n"
    assert bench.emitted("2021-12-02", "top2_songs_per_country.txt") == countries
    assert bench.emitted("2021-12-02", "top2_songs_per_user.txt") == users
    manifest = bench.manifest("2021-12-02")
    assert bench.emit("--date", "2021-12-02", "--days", "2", "--top", "2", "--single-file")[0] == 0
    assert {**bench.manifest("2021-12-02"), "folder": manifest["folder"]} == manifest
    assert bench.emit("--date", "2021-12-02", "--days", "2", "--top", "2")[0] == 0
    names = [file["name"] for file in bench.manifest("2021-12-02")["files"] if "_user/" in file["name"]]
    assert b"".join(bench.emitted("2021-12-02", name) for name in names) == users
    # The version before is gone.
    assert len([*(bench.folder / "out" / "2021-12-02").iterdir()]) == 2
    assert (bench.folder / "out" / "latest.txt").read_text() == "2021-12-02\n"


def test_missing_days_are_named_and_a_published_window_is_not_made_poorer(bench: Bench) -> None:
    bench.run("reduce-day", bench.log(1, b"1|10|FR\n"))
    bench.run("reduce-day", bench.log(2, b"1|10|FR\n"))
    window = ["--date", "2021-12-02", "--days", "3", "--single-file"]
    code, error = bench.emit(*window)
    assert code == 66
    assert "2021-11-30" in error
    code, told = bench.emit(*window, "--allow-missing")
    assert (code, json.loads(told)["missing"]) == (0, ["2021-11-30"])
    for other in [[*window, "--top", "9"], ["--date", "2021-12-02", "--days", "2"]]:
        code, error = bench.emit(*other, "--allow-missing")
        assert (code, "already published with 3 days and 50 songs" in error) == (65, True), error
    (bench.folder / "store/_days/2021-12-01.json").unlink()
    assert bench.emit(*window, "--allow-missing")[0] == 65
    assert bench.emit(*window, "--allow-missing", "--force")[0] == 0
    assert bench.emit("--date", "2021-11-01", "--allow-missing")[0] == 66


def test_a_folder_in_the_way_is_73_before_the_days_are_opened(bench: Bench) -> None:
    (bench.folder / "out" / "2021-12-01" / "notes").mkdir(parents=True)
    code, error = bench.emit("--date", "2021-12-01")
    assert (code, error.count("\n")) == (73, 1)
    assert "out of the way" in error


def test_a_damaged_day_is_an_error_and_no_emission(bench: Bench) -> None:
    bench.run("reduce-day", bench.log(1, b"1|10|FR\n" * 50 + b"2|11|GB\n" * 50))
    (file,) = bench.folder.glob("store/day=2021-12-01/v=*/kind=user/*.parquet")
    whole = file.read_bytes()
    (file.parent / f".{file.name}.crc").unlink()
    file.write_bytes(whole[:20] + bytes([whole[20] ^ 1]) + whole[21:])
    code, error = bench.emit("--date", "2021-12-01", "--days", "1")
    assert code in (65, 74), error
    assert not [*(bench.folder / "out" / "2021-12-01").glob("*")]
    file.write_bytes(whole[:-1])
    code, error = bench.emit("--date", "2021-12-01", "--days", "1")
    assert code == 65, error


@pytest.mark.parametrize(
    "line",
    [
        "reduce-day",
        "emit-window",
        "emit-window --date 2021-1-1",
        "emit-window --date 2021-12-01 --top 10001",
        "emit-window --date 2021-12-01 --days 0",
        "reduce-day --max-reject-ratio 1.1 a",
        "reduce-day --min-rows -1 a",
        "reduce-day --countries all a",
        "reduce-day --forc a",
        "reduce-day --date-offset 367 a",
        "backfill --from 2021-12-01 --to 2021-12-02 a.log",
        "unknown",
    ],
)
def test_wrong_usage_is_2(line: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.parser().parse_args(line.split())
    assert ended.value.code == 2
    assert capsys.readouterr().err
