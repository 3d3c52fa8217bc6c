"""Polars, streaming: both counts from one scan of the log; sorted by count within each key, the first of each taken.

Of three ways to write the emission (this one; `sort_by` within each group; `bottom_k` of structs) this one takes the
least processor time and memory. Polars has no memory limit to set.
"""

import os

from job import KEYS, Emit, Reduce, parse

task, settings = parse()
os.environ["POLARS_MAX_THREADS"] = str(settings.threads)

import polars as pl  # noqa: E402 (it reads the number of threads while it is imported)


def reduce(job: Reduce) -> None:
    columns = {"sng_id": pl.Int64(), "user_id": pl.Int64(), "country": pl.String()}
    log = pl.scan_csv(
        job.log,
        separator="|",
        has_header=False,
        schema=columns,
        ignore_errors=True,
        truncate_ragged_lines=True,
        quote_char=None,
        encoding="utf8-lossy",
    )
    good = log.filter(pl.col("sng_id") >= 0, pl.col("user_id") >= 0, pl.col("country").is_in(job.countries))
    counts = [
        good.group_by(key, "sng_id")
        .agg(pl.len().cast(pl.Int64).alias("streams"))
        .sink_parquet(job.table(kind), compression="zstd", lazy=True)
        for kind, key in KEYS
    ]
    pl.collect_all(counts, engine="streaming")


def emit(job: Emit) -> None:
    for kind, key in KEYS:
        sums = pl.scan_parquet(job.inputs(kind)).group_by(key, "sng_id").agg(pl.col("streams").sum())
        item = pl.concat_str(pl.col("sng_id"), pl.lit(":"), pl.col("streams"))
        tops = (
            sums.sort(key, -pl.col("streams"), "sng_id")
            .group_by(key, maintain_order=True)
            .agg(item.head(job.top).str.join(",").alias("items"))
        )
        lines = tops.select(line=pl.concat_str(pl.col(key), pl.lit("|"), pl.col("items")))
        lines.sink_csv(job.output(kind), include_header=False, quote_style="never", engine="streaming")


if __name__ == "__main__":
    if isinstance(task, Reduce):
        reduce(task)
    else:
        emit(task)
