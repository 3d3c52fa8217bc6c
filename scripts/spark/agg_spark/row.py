r"""Stage 2: the bytes of a row to its song, user and country, or to the reason why it is corrupt.

**A row** is `sng_id|user_id|country`, less one CR at its end. Ids are one or more ASCII digits of a value
up to 2^63-1; a country is two capitals of a set; spaces and tabs around a field are ignored, and every
other byte is data. Any other row is rejected under the first reason of `model.REASONS` that holds.

**Bytes.** Spark's text functions step over a whole character at a time, as the first byte of each
announces it, so in a row that is not UTF-8 they may step over a separator. Therefore the length and the CR
are judged on binary, and the rest on ISO-8859-1, where each byte is one character.

**Numbers.** A cast under ANSI rules throws at the first corrupt id, and one without them takes `1.5` for 1
and ` +1` for 1. So a pattern decides what digits are, and `try_cast` what fits 63 bits; it takes leading
zeros and the spaces and tabs that the pattern let through.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from agg_spark.model import ISO_3166, MAX_ROW_BYTES, REASONS

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

ID = r"[ \t]*[0-9]+[ \t]*"
ID_ALONE = rf"^{ID}\z"  # `$` would also match before a CR or another end of line
SHAPE = rf"^{ID}\|{ID}\|[^|]*\z"
BLANKS = " \t"
SEPARATOR = r"\|"


def parse(raw: DataFrame, countries: str) -> DataFrame:
    """Columns `reason` (null for a good row), `sng_id`, `user_id`, `country` and `bytes`, with an LF.

    `countries` is `iso` or `any`. A rejected row has nothing but its reason and its bytes.
    """
    whole = raw.select(F.expr(BYTES).alias("bytes"), F.expr(_WITHOUT_CR).alias("row"))
    text = whole.select("bytes", F.expr(_TEXT).alias("text"), F.expr(_TOO_LONG).alias("too_long"))
    fields = text.select(
        "bytes",
        "text",
        "too_long",
        F.col("text").rlike(SHAPE).alias("shaped"),
        F.split("text", SEPARATOR).alias("fields"),
    )
    values = fields.select(
        "bytes",
        "text",
        "too_long",
        "fields",
        _when_shaped(_number(0)).alias("sng_id"),
        _when_shaped(_number(1)).alias("user_id"),
        _when_shaped(F.btrim(_field(2), F.lit(BLANKS))).alias("country"),
    )
    return values.select(_reason(countries).alias("reason"), "sng_id", "user_id", "country", "bytes")


BYTES = "octet_length(raw) + 1"
"""The bytes of a row with its LF, which a log's last row may lack."""

_WITHOUT_CR = "IF(substring(raw, -1, 1) = X'0D', substring(raw, 1, octet_length(raw) - 1), raw)"
_TOO_LONG = f"octet_length(row) > {MAX_ROW_BYTES}"
# The fields of a row that is too long are not checked.
_TEXT = f"IF({_TOO_LONG}, '', decode(row, 'ISO-8859-1'))"


def _when_shaped(value: Column) -> Column:
    return F.when(F.col("shaped"), value)


def _field(index: int) -> Column:
    return F.get("fields", index)


def _number(index: int) -> Column:
    return _field(index).try_cast("bigint")


def _is_id(index: int) -> Column:
    return F.coalesce(_field(index).rlike(ID_ALONE) & _number(index).isNotNull(), F.lit(False))


def _is_country(countries: str) -> Column:
    if countries == "any":
        return F.col("country").rlike(r"^[A-Z]{2}\z")
    return F.col("country").isin(sorted(ISO_3166))


def _reason(countries: str) -> Column:
    """Good rows first, for they are nearly all: a good row breaks no rule, so the order is the same."""
    good = F.col("sng_id").isNotNull() & F.col("user_id").isNotNull() & _is_country(countries)
    broken = {
        "too_long": F.col("too_long"),
        "blank": F.btrim(F.col("text"), F.lit(BLANKS)) == "",
        "field_count": F.size("fields") != 3,
        "song_id": ~_is_id(0),
        "user_id": ~_is_id(1),
        "country": F.lit(True),
    }
    reason = F.when(good, F.lit(None).cast("string"))
    for name in REASONS:
        reason = reason.when(broken[name], F.lit(name))
    return reason
