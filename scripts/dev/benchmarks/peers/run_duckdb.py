"""DuckDB: two `COPY (… GROUP BY …)` from a typed `read_csv` to zstd Parquet; `row_number` over each key of these."""

import duckdb

from job import KEYS, Emit, Reduce, Settings, parse


def connect(settings: Settings) -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect(config={"threads": settings.threads})
    connection.execute("SET preserve_insertion_order = false")
    connection.execute(f"SET temp_directory = '{settings.spill}'")
    connection.execute("SET max_temp_directory_size = '12GB'")
    if settings.memory:
        connection.execute(f"SET memory_limit = '{settings.memory}B'")
    return connection


def reduce(connection: duckdb.DuckDBPyConnection, job: Reduce) -> None:
    known = ", ".join(f"'{country}'" for country in job.countries)
    for kind, key in KEYS:
        connection.execute(f"""
            COPY (
              SELECT {key}, sng_id, count(*) AS streams
              FROM read_csv('{job.log}', delim = '|', header = false, auto_detect = false, ignore_errors = true,
                quote = '', escape = '', columns = {{'sng_id': 'BIGINT', 'user_id': 'BIGINT', 'country': 'VARCHAR'}})
              WHERE sng_id >= 0 AND user_id >= 0 AND country IN ({known})
              GROUP BY ALL
            ) TO '{job.table(kind)}' (FORMAT parquet, COMPRESSION zstd)""")


def emit(connection: duckdb.DuckDBPyConnection, job: Emit) -> None:
    for kind, key in KEYS:
        connection.execute(f"""
            COPY (
              SELECT {key} || '|' || string_agg(sng_id || ':' || streams, ',' ORDER BY streams DESC, sng_id) AS line
              FROM (
                SELECT *, row_number() OVER (PARTITION BY {key} ORDER BY streams DESC, sng_id) AS place
                FROM (
                  SELECT {key}, sng_id, sum(streams)::BIGINT AS streams
                  FROM read_parquet({job.inputs(kind)})
                  GROUP BY ALL))
              WHERE place <= {job.top}
              GROUP BY {key}
              ORDER BY {key}
            ) TO '{job.output(kind)}' (FORMAT csv, HEADER false, QUOTE '', ESCAPE '', DELIMITER '\\x01')""")


if __name__ == "__main__":
    task, bounds = parse()
    with connect(bounds) as database:
        if isinstance(task, Reduce):
            reduce(database, task)
        else:
            emit(database, task)
