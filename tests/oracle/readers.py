#!/usr/bin/env python3
"""Other engines against `agg`: they read its tables and reach the expected tops, and it imports theirs.

    pip install duckdb==2.0.1 polars==2.1.0 pyarrow==26.0.1
    python3 tests/oracle/readers.py AGG data-samples tests/data/expected

AGG is the program. DuckDB, Polars and pyarrow each sum seven exported days and rank the songs; their text is compared
with the expected files, which were computed without `agg`. Then each writes a day in its own way (types, codecs,
order, several files), and the imported day has to have the same counts.
"""

import decimal
import json
import pathlib
import random
import shutil
import subprocess
import sys
import tempfile

import duckdb
import polars
import pyarrow
import pyarrow.compute
import pyarrow.dataset
import pyarrow.parquet

KEYS = {"country": "country", "user": "user_id"}
LASTS = ["2021-12-05", "2021-12-06", "2021-12-07"]
DAY = "2021-12-01"


class Agg:
    """Runs the program in a folder of its own."""

    def __init__(self, program, home):
        self.program, self.home = pathlib.Path(program).resolve(), home

    def __call__(self, *arguments, code=0):
        run = subprocess.run([self.program, *map(str, arguments)], cwd=self.home, capture_output=True, text=True)
        assert run.returncode == code, (arguments, run)
        return run.stderr if code else run.stdout


def window(last, days=7):
    """The days of the window that ends on `last`, which is in December here."""
    first = int(last[-2:]) - days + 1
    return [f"2021-12-{day:02}" if day > 0 else f"2021-11-{30 + day:02}" for day in range(first, first + days)]


def lines(rows):
    """(key, song, streams) with the best first as the text of the tops."""
    songs = {}
    for key, song, streams in rows:
        songs.setdefault(key, []).append(f"{song}:{streams}")
    return "".join(f"{key}|{','.join(songs[key])}\n" for key in sorted(songs))


def tops_of_duckdb(dataset, kind, days):
    key = KEYS[kind]
    return duckdb.sql(f"""
        with summed as (
            select {key}, sng_id, sum(streams)::bigint as streams
            from read_parquet('{dataset}/kind={kind}/*/*.parquet', hive_partitioning = true)
            where day between '{days[0]}' and '{days[-1]}' group by {key}, sng_id
        ), best as (
            from summed qualify row_number() over (partition by {key} order by streams desc, sng_id) <= 50
        )
        select {key}, sng_id, streams from best order by {key}, streams desc, sng_id""").fetchall()


def tops_of_polars(dataset, kind, days):
    key = KEYS[kind]
    frame = polars.scan_parquet(
        f"{dataset}/kind={kind}/*/*.parquet", hive_partitioning=True, try_parse_hive_dates=False
    )
    context = polars.SQLContext(counts=frame)
    summed = context.execute(f"""
        select {key}, sng_id, sum(streams) as streams from counts
        where day between '{days[0]}' and '{days[-1]}' group by {key}, sng_id""")
    best = (
        summed.sort(key, "streams", "sng_id", descending=[False, True, False])
        .group_by(key, maintain_order=True)
        .head(50)
    )
    return best.collect().rows()


def tops_of_pyarrow(dataset, kind, days):
    key = KEYS[kind]
    partitioning = pyarrow.dataset.partitioning(pyarrow.schema([("day", pyarrow.string())]), flavor="hive")
    tables = pyarrow.dataset.dataset(f"{dataset}/kind={kind}", partitioning=partitioning)
    wanted = tables.to_table(filter=pyarrow.compute.field("day").isin(days))
    summed = wanted.group_by([key, "sng_id"]).aggregate([("streams", "sum")])
    order = [(key, "ascending"), ("streams_sum", "descending"), ("sng_id", "ascending")]
    rows, rank, last = [], 0, None
    for row in summed.sort_by(order).to_pylist():
        rank = rank + 1 if row[key] == last else 1
        last = row[key]
        if rank <= 50:
            rows.append((row[key], row["sng_id"], row["streams_sum"]))
    return rows


ENGINES = {"duckdb": tops_of_duckdb, "polars": tops_of_polars, "pyarrow": tops_of_pyarrow}


def check_tops(dataset, expected):
    for last in LASTS:
        for kind in KEYS:
            wanted = (expected / last / f"top50_songs_per_{kind}.txt").read_text()
            for name, tops in ENGINES.items():
                assert lines(tops(dataset, kind, window(last))) == wanted, (name, last, kind)
    print(f"{', '.join(ENGINES)}: the tops of {len(LASTS)} windows are the expected ones")


def check_schema(dataset):
    """Signed ids, a text with its type, nothing nullable; sorted, and said to be."""
    for kind, key in KEYS.items():
        file = pyarrow.parquet.ParquetFile(f"{dataset}/kind={kind}/day={DAY}/part-0.parquet")
        schema = file.schema_arrow
        assert schema.names == [key, "sng_id", "streams"], schema
        text, number = pyarrow.string(), pyarrow.int64()
        assert schema.types == [text if kind == "country" else number, number, number], schema
        assert not any(field.nullable for field in schema), schema
        pairs = {name.decode(): value.decode() for name, value in file.metadata.metadata.items()}
        assert pairs["agg.format"] == "1" and pairs["agg.day"] == DAY
        assert sum(json.loads(pairs["agg.rejects"]).values()) + pyarrow.compute.sum(
            file.read()["streams"]
        ).as_py() == int(pairs["agg.rows"])
        group = file.metadata.row_group(0)
        assert [(column.column_index, column.descending) for column in group.sorting_columns] == [
            (0, False),
            (1, False),
        ]
        described = duckdb.sql(
            f"describe from read_parquet('{dataset}/kind={kind}/*/*.parquet', hive_partitioning = false)"
        ).fetchall()
        assert [row[1] for row in described] == ["VARCHAR" if kind == "country" else "BIGINT", "BIGINT", "BIGINT"], (
            described
        )


def check_lookup(agg):
    """One user of a larger day is in one row group, by its statistics, and in one page of it."""
    agg("generate", "--rows", 700_000, "--days", 1, "lookup")
    agg("reduce-day", "--store", "lookup-store", "lookup/listen-20211201.log")
    agg("export", DAY, "--store", "lookup-store", "--out", "lookup-set")
    path = f"{agg.home}/lookup-set/kind=user/day={DAY}/part-0.parquet"
    metadata = pyarrow.parquet.ParquetFile(path).metadata
    groups = [metadata.row_group(at).column(0) for at in range(metadata.num_row_groups)]
    assert len(groups) > 4 and all(group.has_column_index and group.has_offset_index for group in groups)
    users = [
        row[0]
        for row in duckdb.sql(f"select distinct user_id from '{path}' using sample 200 (reservoir, 1)").fetchall()
    ]
    for user in users:
        touched = [group for group in groups if group.statistics.min <= user <= group.statistics.max]
        assert 1 <= len(touched) <= 2, (user, len(touched))
    touched = duckdb.sql(f"""select count(*) from parquet_metadata('{path}') where path_in_schema = 'user_id'
        and {users[0]} between stats_min_value::bigint and stats_max_value::bigint""").fetchall()[0][0]
    assert 1 <= touched <= 2
    print(f"one user is in at most 2 of {len(groups)} row groups")


def check_text_formats(agg, dataset):
    for ending, reader in (("csv", "read_csv"), ("jsonl", "read_json")):
        agg("export", DAY, "--out", ending, "--format", ending)
        for kind, key in KEYS.items():
            columns = f"{key}, sng_id, streams"
            ours = f"{reader}('{agg.home}/{ending}/kind={kind}/day={DAY}/part-0.{ending}')"
            theirs = f"'{dataset}/kind={kind}/day={DAY}/part-0.parquet'"
            rows = [duckdb.sql(f"select {columns} from {table} order by all").fetchall() for table in (ours, theirs)]
            assert rows[0] == rows[1] and rows[0], (ending, kind)


def check_emitted_tables(agg, expected):
    """The tops of a window in every format at once."""
    last = LASTS[-1]
    agg("emit-window", "--date", last, "--format", "text,parquet,csv", "--format", "jsonl")
    folder = agg.home / "agg-out" / last
    names = {entry["name"] for entry in json.loads((folder / "manifest.json").read_text())["files"]}
    for kind, key in KEYS.items():
        wanted = (expected / last / f"top50_songs_per_{kind}.txt").read_text()
        stem = folder / f"top50_songs_per_{kind}"
        assert stem.with_suffix(".txt").read_text() == wanted
        rows = {
            "parquet": duckdb.sql(f"select * from '{stem}.parquet'").fetchall(),
            "csv": duckdb.sql(f"select * from read_csv('{stem}.csv', auto_detect=true)").fetchall(),
            "jsonl": duckdb.sql(f"select * from read_json('{stem}.jsonl')").fetchall(),
            "polars": polars.read_parquet(f"{stem}.parquet").rows(),
        }
        for name, found in rows.items():
            assert lines((row[0], row[2], row[3]) for row in found) == wanted, name
            # Rank 1 begins a key, and each further one follows.
            ranks = [row[1] for row in found]
            assert all(rank == 1 or rank == before + 1 for before, rank in zip([0, *ranks], ranks, strict=False)), name
        schema = pyarrow.parquet.read_schema(f"{stem}.parquet")
        assert schema.names == [key, "rank", "sng_id", "streams"] and not any(field.nullable for field in schema)
        assert names >= {f"{stem.name}.{ending}" for ending in ("txt", "parquet", "csv", "jsonl")}
    print("the tops are the same in every format")


def foreign_tables(dataset, folder):
    """The day as the three engines write it; (name, folder) of each."""
    tables = {kind: pyarrow.parquet.read_table(f"{dataset}/kind={kind}/day={DAY}/part-0.parquet") for kind in KEYS}
    sources = {kind: f"'{dataset}/kind={kind}/day={DAY}/part-0.parquet'" for kind in KEYS}

    def fresh(name):
        (folder / name).mkdir(parents=True)
        return folder / name

    # A row a stream, in no order, in the dataset's layout and several files.
    to = fresh("duckdb")
    for kind, key in KEYS.items():
        duckdb.sql(f"""copy (select '{DAY}' as day, {key}, sng_id, 1::integer as streams
            from {sources[kind]}, range(streams) order by hash(sng_id, range))
            to '{to}/kind={kind}' (format parquet, partition_by (day), row_group_size 2048)""")
    yield "duckdb, a row a stream", to
    # Types that only look different.
    to = fresh("pyarrow")
    for kind, key in KEYS.items():
        table = tables[kind]
        keys = table[key].dictionary_encode() if kind == "country" else table[key].cast(pyarrow.uint64())
        whole = [decimal.Decimal(streams) for streams in table["streams"].to_pylist()]
        columns = {"streams": pyarrow.array(whole, pyarrow.decimal128(20, 0)), key: keys, "sng_id": table["sng_id"]}
        shuffled = list(range(table.num_rows))
        random.Random(1).shuffle(shuffled)
        table = pyarrow.table(columns).take(shuffled)
        pyarrow.parquet.write_table(
            table, to / f"{kind}.parquet", compression="gzip", row_group_size=1000, data_page_version="2.0"
        )
    yield "pyarrow, uint64, decimal, dictionary, gzip", to
    to = fresh("pyarrow-large")
    for kind, key in KEYS.items():
        table = tables[kind]
        keys = table[key].cast(pyarrow.large_string()) if kind == "country" else table[key]
        table = pyarrow.table(
            {key: keys, "sng_id": table["sng_id"], "streams": table["streams"].cast(pyarrow.uint32())}
        )
        pyarrow.parquet.write_table(table, to / f"{kind}.parquet", compression="lz4")
    yield "pyarrow, large_string, lz4", to
    to = fresh("polars")
    for kind in KEYS:
        frame = polars.from_arrow(tables[kind])
        if kind == "country":
            frame = frame.with_columns(polars.col("country").cast(polars.Categorical))
        half = frame.height // 2
        frame = frame.with_columns(polars.col("streams").cast(polars.UInt32))
        frame.slice(half).write_parquet(to / f"{kind}-a.parquet", compression="snappy")
        frame.slice(0, half).write_parquet(to / f"{kind}-b.parquet")
        (to / "_SUCCESS").touch()
        (to / f".{kind}-a.parquet.crc").write_bytes(b"x")
    yield "polars, categorical, two files", to


def check_imports(agg, dataset, scratch):
    def counts(store):
        agg("export", DAY, "--store", store, "--out", f"{store}-out", "--format", "csv")
        return [(agg.home / f"{store}-out/kind={kind}/day={DAY}/part-0.csv").read_bytes() for kind in KEYS]

    wanted = counts("agg-store")
    agg("import", "--date", DAY, "--store", "ours", dataset)
    partial = f"partials/{DAY}.agg"
    assert (agg.home / "ours" / partial).read_bytes() == (agg.home / "agg-store" / partial).read_bytes()
    for at, (name, folder) in enumerate(foreign_tables(dataset, scratch)):
        store = f"foreign-{at}"
        agg("import", "--date", DAY, "--store", store, folder)
        assert counts(store) == wanted, name
        agg("verify", "--store", store)
        print(f"imported: {name}")


def check_refusals(agg, dataset):
    users, countries = (f"'{dataset}/kind={kind}/day={DAY}/part-0.parquet'" for kind in ("user", "country"))
    copy = f"copy ({{}}) to '{agg.home}/bad.parquet' (format parquet)"
    good = f"{dataset}/kind=country/day={DAY}/part-0.parquet"
    # The facts of an export would not fit to what follows.
    duckdb.sql(f"copy (select country, sng_id, streams from {countries}) to '{agg.home}/good.parquet' (format parquet)")
    for query, words in [
        (
            "select user_id, sng_id, sum(streams) as streams from {} group by user_id, sng_id",
            "streams is DOUBLE: cast it to BIGINT",
        ),
        ("select user_id, sng_id, nullif(streams, 1) as streams from {}", "it is null"),
        ("select user_id, sng_id, -streams as streams from {}", "is not in 1 to 2^63-1"),
        ("select user_id, sng_id from {}", "its columns are user_id, sng_id"),
        ("select user_id, sng_id, streams from {} limit 10", "the streams of its users sum to"),
    ]:
        duckdb.sql(copy.format(query.format(users)))
        line = agg("import", "--date", DAY, "--store", "refused", "good.parquet", "bad.parquet", code=65)
        assert words in line and line.count("\n") == 1, line
    line = agg("import", "--date", DAY, "--store", "refused", good, "bad.parquet", code=65)
    assert "are not of the same day" in line, line
    assert [path.name for path in (agg.home / "refused" / "partials").iterdir()] == [".earlier"]


def main():
    program, samples, expected = sys.argv[1], pathlib.Path(sys.argv[2]).resolve(), pathlib.Path(sys.argv[3]).resolve()
    home = pathlib.Path(tempfile.mkdtemp(prefix="agg-readers-"))
    try:
        agg, dataset = Agg(program, home), home / "dataset"
        agg("backfill", "--logs", samples)
        days = sorted(path.stem for path in (home / "agg-store" / "partials").glob("*.agg"))
        agg("export", *days, "--out", dataset)
        check_schema(dataset)
        check_tops(dataset, expected)
        check_lookup(agg)
        check_text_formats(agg, dataset)
        check_emitted_tables(agg, expected)
        check_imports(agg, dataset, home / "foreign")
        check_refusals(agg, dataset)
    finally:
        shutil.rmtree(home)
    print("the other engines agree")


if __name__ == "__main__":
    main()
