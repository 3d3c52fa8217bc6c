"""ClickHouse, embedded (chdb): the table function `file()` in and out; the first of each key by `LIMIT … BY`.

An empty id would be read as 0; in a Nullable column it is NULL, and no row. With a memory limit, grouping and sorting
go to disk at half of it.
"""

from chdb import session

from job import KEYS, Emit, Reduce, Settings, parse


def settings_clause(settings: Settings) -> str:
    values = {
        "max_threads": settings.threads,
        "engine_file_truncate_on_insert": 1,
        "output_format_parquet_compression_method": "'zstd'",
        "format_csv_delimiter": "'|'",
        "format_csv_allow_single_quotes": 0,
        "format_csv_allow_double_quotes": 0,
        "input_format_allow_errors_ratio": 1,
    }
    if settings.memory:
        values["max_memory_usage"] = settings.memory
        values["max_bytes_before_external_group_by"] = settings.memory // 2
        values["max_bytes_before_external_sort"] = settings.memory // 2
        values["max_temporary_data_on_disk_size_for_query"] = 12 * 10**9
        values["max_bytes_ratio_before_external_group_by"] = 0
        values["max_bytes_ratio_before_external_sort"] = 0
    return "SETTINGS " + ", ".join(f"{name} = {value}" for name, value in values.items())


def reduce(database: session.Session, job: Reduce, clause: str) -> None:
    known = ", ".join(f"'{country}'" for country in job.countries)
    for kind, key in KEYS:
        database.query(f"""
            INSERT INTO FUNCTION file('{job.table(kind)}', 'Parquet')
            SELECT assumeNotNull(columns.{key}) AS {key}, assumeNotNull(columns.sng_id) AS sng_id, count() AS streams
            FROM file('{job.log}', 'CSV', 'sng_id Nullable(Int64), user_id Nullable(Int64), country String') AS columns
            WHERE columns.sng_id >= 0 AND columns.user_id >= 0 AND country IN ({known})
            GROUP BY {key}, sng_id
            {clause}""")


def emit(database: session.Session, job: Emit, clause: str) -> None:
    for kind, key in KEYS:
        names = ",".join(f"{day}-{kind}" for day in job.days)
        tables = f"file('{job.tables}/{{{names}}}.parquet', 'Parquet')"
        database.query(f"""
            INSERT INTO FUNCTION file('{job.output(kind)}', 'LineAsString', 'line String')
            SELECT concat(toString({key}), '|', arrayStringConcat(
              arrayMap(item -> concat(toString(item.2), ':', toString(-item.1)),
                arraySort(groupArray((-streams, sng_id)))), ','))
            FROM (
              SELECT {key}, sng_id, sum(streams) AS streams
              FROM {tables}
              GROUP BY {key}, sng_id
              ORDER BY {key}, streams DESC, sng_id
              LIMIT {job.top} BY {key})
            GROUP BY {key}
            ORDER BY {key}
            {clause}""")


if __name__ == "__main__":
    task, bounds = parse()
    with session.Session(str(bounds.spill)) as engine:
        if isinstance(task, Reduce):
            reduce(engine, task, settings_clause(bounds))
        else:
            emit(engine, task, settings_clause(bounds))
