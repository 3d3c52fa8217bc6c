#!/usr/bin/env python3
"""Writes the small tables of tests/data/tables, all of one day, as other engines write them.

    pip install duckdb==2.0.1 polars==2.1.0 pyarrow==26.0.1
    python3 tests/oracle/small_tables.py tests/data/tables

Each has at most 2 KB, so that a test can change every byte of it.
"""

import pathlib
import sys

import duckdb
import polars
import pyarrow
import pyarrow.parquet

# Forty streams: (song, user, country). Songs 4 and 9 tie; two ids exceed 32 bits.
ROWS = [(9, 7, "FR"), (4, 8, "BR"), (9, 80_000_000_000, "BR"), (70_000_000_000, 8, "FR")] * 4
ROWS += [(100 + at % 6, 7 + at % 4, ("AR", "BR", "DE", "FR")[at % 4]) for at in range(24)]


def counted(key):
    """The counts by one key, as a table of Arrow, sorted."""
    name = {1: "user_id", 2: "country"}[key]
    counts = {}
    for row in ROWS:
        pair = (row[key], row[0])
        counts[pair] = counts.get(pair, 0) + 1
    pairs = sorted(counts)
    types = pyarrow.string() if key == 2 else pyarrow.int64()
    keys = pyarrow.array([pair[0] for pair in pairs], types)
    songs = pyarrow.array([pair[1] for pair in pairs], pyarrow.int64())
    streams = pyarrow.array([counts[pair] for pair in pairs], pyarrow.int64())
    return pyarrow.table({name: keys, "sng_id": songs, "streams": streams})


def main():
    folder = pathlib.Path(sys.argv[1])
    users, countries = counted(1), counted(2)
    write, slim = pyarrow.parquet.write_table, {"store_schema": False}
    write(users, folder / "pyarrow-pages-1-users.parquet", write_page_checksum=True, **slim)
    delta = {"country": "DELTA_BYTE_ARRAY", "sng_id": "DELTA_BINARY_PACKED", "streams": "PLAIN"}
    encoded = {"use_dictionary": False, "column_encoding": delta, "compression": "none"}
    write(countries, folder / "pyarrow-pages-2-countries.parquet", data_page_version="2.0", **encoded, **slim)
    # Where a byte of the footer says that a column is nullable, nothing else in the file does.
    plain = {"use_dictionary": False, "compression": "none", "write_statistics": False, "write_page_checksum": True}
    for nullable, word in ((True, "nullable"), (False, "required")):
        for table, name in ((users, "users"), (countries, "countries")):
            schema = pyarrow.schema([field.with_nullable(nullable) for field in table.schema])
            write(table.cast(schema), folder / f"pyarrow-{word}-{name}.parquet", **plain, **slim)
    # As Spark writes: nullable columns, version 1 pages, no index of pages.
    write(users, folder / "spark-like-users.parquet", flavor="spark", version="1.0", **slim)
    path = folder / "duckdb-users.parquet"
    duckdb.sql(f"COPY (SELECT * FROM users ORDER BY ALL) TO '{path}' (FORMAT parquet)")
    polars.from_arrow(countries).write_parquet(folder / "polars-countries.parquet")
    for path in sorted(folder.glob("*.parquet")):
        print(path.stat().st_size, path.name)


main()
