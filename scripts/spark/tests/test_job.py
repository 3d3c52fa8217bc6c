"""The commands from end to end: outcomes, refusals, exit codes, and what they leave behind."""

from __future__ import annotations

import gzip
import json
from typing import TYPE_CHECKING, Any

import oracle  # type: ignore[import-not-found]
import pytest

from agg_spark import cli, partial

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

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
        code = cli.run(self.context, cli.parser().parse_args([command, *store, *rest]))
        told = self.capsys.readouterr()
        return code, told.err if code else told.out

    def emit(self, *arguments: object) -> tuple[int, str]:
        return self.run("emit-window", "--out", self.folder / "out", *arguments)

    def state(self) -> dict[str, bytes]:
        """All that the store holds, but for checksums of Hadoop's."""
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
def test_a_published_manifest_that_makes_no_sense_is_told_and_force_goes_over_it(
    bench: Bench, manifest: str
) -> None:
    assert bench.run("reduce-day", bench.log(1, b"1|2|FR\n"))[0] == 0
    published = bench.folder / "out" / "2021-12-01" / "manifest.json"
    published.parent.mkdir(parents=True)
    published.write_text(manifest)
    code, told = bench.emit("--date", "2021-12-01", "--days", "1")
    assert (code, "manifest.json" in told, "--force" in told) == (65, True, True)
    assert bench.emit("--date", "2021-12-01", "--days", "1", "--force")[0] == 0


@pytest.mark.parametrize("change", [{"inputs": 5}, {"inputs": [{}]}, {"accepted": "x"}, {"commit": 5}, None])
def test_a_record_that_makes_no_sense_is_told_and_force_mends_it(
    bench: Bench, change: dict[str, object] | None
) -> None:
    log = bench.log(1, b"1|2|FR\n")
    assert bench.run("reduce-day", log)[0] == 0
    record = bench.folder / "store" / "_days" / "2021-12-01.json"
    text = "[" * 100_000 if change is None else json.dumps({**json.loads(record.read_text()), **change})
    record.write_text(text)
    code, told = bench.run("reduce-day", log)
    assert (code, str(record) in told, "--force" in told) == (65, True, True)
    assert bench.run("reduce-day", "--force", log)[0] == 0


def test_a_file_where_a_folder_should_be_and_names_that_are_no_paths_are_told(bench: Bench) -> None:
    log = bench.log(1, b"1|2|FR\n")
    assert bench.run("reduce-day", log)[0] == 0
    (bench.folder / "out").write_bytes(b"")
    assert bench.emit("--date", "2021-12-01", "--days", "1")[0] == 73
    for name in ["a[b.log", "a{b.log", "a:b.log", "", "-"]:
        code, told = bench.run("reduce-day", name)
        assert code == 2, told


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
    record = bench.folder / "store" / "_days" / "2021-12-01.json"
    record.write_bytes(b"{")
    assert bench.run("reduce-day", log)[0] == 65
    record.unlink()
    code, error = bench.run("reduce-day", log)
    assert code == 65
    assert "not made by this job" in error
    record.write_bytes(b"{")
    assert bench.run("reduce-day", "--force", log)[0] == 0
    assert len(bench.state()) == 3


@pytest.mark.parametrize(
    ("content", "flags", "code", "named"),
    [
        (b"1|2|FR\nx\n", [], 65, "1 of 2 rows are corrupt (field_count 1)"),
        (b"1|2|FR\n", ["--min-rows", "2"], 65, "--min-rows 2"),
        (gzip.compress(b"1|2|FR\n" * 9000)[:-9], [], 65, "damaged"),
        (b"", [], 65, "empty"),
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


@pytest.mark.parametrize("kind", ["country", "user"])
@pytest.mark.parametrize("content", [b"1|2|FR\n", b""])
def test_a_store_that_the_driver_does_not_share_with_the_executors_is_refused(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, kind: str, content: bytes
) -> None:
    def unseen(of: str, write: Callable[..., None]) -> None:
        def writes(*arguments: Any) -> None:
            write(*arguments)
            if of == kind:
                bench.context.fs.remove(f"{arguments[-1]}/kind={of}")

        monkeypatch.setattr(partial, write.__name__, writes)

    unseen("country", partial.write_countries)
    unseen("user", partial.write_users)
    code, error = bench.run("reduce-day", bench.log(1, content))
    assert (code, error.count("\n")) == (74, 1)
    assert "cannot be seen from the driver" in error
    assert bench.state() == {}


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
    assert "another run replaced 2021-12-01 meanwhile" in error
    assert bench.state() == other


def test_an_export_copied_over_a_day_of_the_job_is_two_versions(bench: Bench) -> None:
    log = bench.log(1, b"1|2|FR\n")
    bench.run("reduce-day", log)
    (file,) = bench.folder.glob("store/kind=user/day=2021-12-01/*.parquet")
    (file.parent / "part-0.parquet").write_bytes(file.read_bytes())
    for code, error in [bench.emit("--date", "2021-12-01", "--days", "1"), bench.run("reduce-day", log)]:
        assert (code, error.count("\n")) == (65, 1)
        assert "two versions of 2021-12-01: remove one of them" in error
    assert json.loads(bench.run("reduce-day", "--force", log)[1])["outcome"] == "replaced"
    assert len(bench.state()) == 3
    assert bench.emit("--date", "2021-12-01", "--days", "1")[0] == 0


def test_an_empty_day_is_a_day(bench: Bench) -> None:
    code, told = bench.run("reduce-day", bench.log(1, b""))
    assert (code, json.loads(told)["rows"]) == (0, 0)
    assert bench.emit("--date", "2021-12-01", "--days", "1", "--single-file")[0] == 0
    assert (bench.folder / "out/2021-12-01/top50_songs_per_user.txt").read_bytes() == b""


def test_a_window_is_emitted_in_parts_or_whole_and_the_same_twice(bench: Bench) -> None:
    bench.run("reduce-day", bench.log(1, b"1|10|FR\n2|10|FR\n2|9|GB\n"))
    bench.run("reduce-day", bench.log(2, b"1|10|FR\n3|9223372036854775807|FR\n"))
    assert bench.emit("--date", "2021-12-02", "--days", "2", "--top", "2", "--single-file")[0] == 0
    folder = bench.folder / "out" / "2021-12-02"
    countries = b"FR|1:2,2:1\nGB|2:1\n"
    users = b"9|2:1\n10|1:2,2:1\n9223372036854775807|3:1\n"
    assert (folder / "top2_songs_per_country.txt").read_bytes() == countries
    assert (folder / "top2_songs_per_user.txt").read_bytes() == users
    manifest = (folder / "manifest.json").read_bytes()
    assert bench.emit("--date", "2021-12-02", "--days", "2", "--top", "2", "--single-file")[0] == 0
    assert (folder / "manifest.json").read_bytes() == manifest
    assert bench.emit("--date", "2021-12-02", "--days", "2", "--top", "2")[0] == 0
    parts = sorted((folder / "top2_songs_per_user").glob("part-*"))
    assert b"".join(part.read_bytes() for part in parts) == users
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
    for path in [*bench.folder.glob("store/*/day=2021-12-01"), bench.folder / "store/_days/2021-12-01.json"]:
        path.rename(bench.folder / path.parent.name)
    assert bench.emit(*window, "--allow-missing")[0] == 65
    # Nor is one that a kill between two renames took from its place.
    (bench.folder / "out/2021-12-02").rename(bench.folder / "out/_replaced-2021-12-02")
    assert bench.emit(*window, "--allow-missing")[0] == 65
    assert bench.emit(*window, "--allow-missing", "--force")[0] == 0
    assert bench.emit("--date", "2021-11-01", "--allow-missing")[0] == 66


def test_a_folder_in_the_way_is_73_before_the_days_are_looked_at(bench: Bench) -> None:
    (bench.folder / "out" / "2021-12-01").mkdir(parents=True)
    code, error = bench.emit("--date", "2021-12-01")
    assert (code, error.count("\n")) == (73, 1)
    assert "move it away" in error


def test_a_damaged_day_is_an_error_and_no_emission(bench: Bench) -> None:
    bench.run("reduce-day", bench.log(1, b"1|10|FR\n" * 50 + b"2|11|GB\n" * 50))
    (file,) = bench.folder.glob("store/kind=user/day=2021-12-01/*.parquet")
    whole = file.read_bytes()
    (file.parent / f".{file.name}.crc").unlink()
    file.write_bytes(whole[:20] + bytes([whole[20] ^ 1]) + whole[21:])
    code, error = bench.emit("--date", "2021-12-01", "--days", "1")
    assert code in (65, 74), error
    assert not (bench.folder / "out" / "2021-12-01").exists()
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
        "unknown",
    ],
)
def test_wrong_usage_is_2(line: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.parser().parse_args(line.split())
    assert ended.value.code == 2
    assert capsys.readouterr().err
