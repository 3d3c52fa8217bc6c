"""The vocabulary: kinds of counts, days, limits of numbers, reasons for which a row is rejected.

Names and order of the reasons, and the assigned countries, are those of `agg`; a test compares them with
its source.
"""

from __future__ import annotations

import datetime
import enum
import re
from dataclasses import dataclass, field

from agg_spark.error import Usage

MAX_ROW_BYTES = 4096
"""The most bytes that a row may have, without its LF and one CR."""

MAX_DAYS = 3660
"""The most days in a window."""

MAX_TOP = 10_000
"""The most songs of each key."""

SALT = "salt"
"""The column that says which share of a key's songs a song belongs to."""

REASONS = ("too_long", "blank", "field_count", "song_id", "user_id", "country")
"""Why a row is rejected, in the order of the checks: the first that holds counts."""

REJECTS = "rejects"
"""Stands for a kind where rejected rows are counted beside countries."""

REJECTED_BYTES = "bytes"
"""Stands for a reason where the bytes of rejected rows are counted beside the rows."""

ISO_3166 = frozenset(
    [
        "AD",
        "AE",
        "AF",
        "AG",
        "AI",
        "AL",
        "AM",
        "AO",
        "AQ",
        "AR",
        "AS",
        "AT",
        "AU",
        "AW",
        "AX",
        "AZ",
        "BA",
        "BB",
        "BD",
        "BE",
        "BF",
        "BG",
        "BH",
        "BI",
        "BJ",
        "BL",
        "BM",
        "BN",
        "BO",
        "BQ",
        "BR",
        "BS",
        "BT",
        "BV",
        "BW",
        "BY",
        "BZ",
        "CA",
        "CC",
        "CD",
        "CF",
        "CG",
        "CH",
        "CI",
        "CK",
        "CL",
        "CM",
        "CN",
        "CO",
        "CR",
        "CU",
        "CV",
        "CW",
        "CX",
        "CY",
        "CZ",
        "DE",
        "DJ",
        "DK",
        "DM",
        "DO",
        "DZ",
        "EC",
        "EE",
        "EG",
        "EH",
        "ER",
        "ES",
        "ET",
        "FI",
        "FJ",
        "FK",
        "FM",
        "FO",
        "FR",
        "GA",
        "GB",
        "GD",
        "GE",
        "GF",
        "GG",
        "GH",
        "GI",
        "GL",
        "GM",
        "GN",
        "GP",
        "GQ",
        "GR",
        "GS",
        "GT",
        "GU",
        "GW",
        "GY",
        "HK",
        "HM",
        "HN",
        "HR",
        "HT",
        "HU",
        "ID",
        "IE",
        "IL",
        "IM",
        "IN",
        "IO",
        "IQ",
        "IR",
        "IS",
        "IT",
        "JE",
        "JM",
        "JO",
        "JP",
        "KE",
        "KG",
        "KH",
        "KI",
        "KM",
        "KN",
        "KP",
        "KR",
        "KW",
        "KY",
        "KZ",
        "LA",
        "LB",
        "LC",
        "LI",
        "LK",
        "LR",
        "LS",
        "LT",
        "LU",
        "LV",
        "LY",
        "MA",
        "MC",
        "MD",
        "ME",
        "MF",
        "MG",
        "MH",
        "MK",
        "ML",
        "MM",
        "MN",
        "MO",
        "MP",
        "MQ",
        "MR",
        "MS",
        "MT",
        "MU",
        "MV",
        "MW",
        "MX",
        "MY",
        "MZ",
        "NA",
        "NC",
        "NE",
        "NF",
        "NG",
        "NI",
        "NL",
        "NO",
        "NP",
        "NR",
        "NU",
        "NZ",
        "OM",
        "PA",
        "PE",
        "PF",
        "PG",
        "PH",
        "PK",
        "PL",
        "PM",
        "PN",
        "PR",
        "PS",
        "PT",
        "PW",
        "PY",
        "QA",
        "RE",
        "RO",
        "RS",
        "RU",
        "RW",
        "SA",
        "SB",
        "SC",
        "SD",
        "SE",
        "SG",
        "SH",
        "SI",
        "SJ",
        "SK",
        "SL",
        "SM",
        "SN",
        "SO",
        "SR",
        "SS",
        "ST",
        "SV",
        "SX",
        "SY",
        "SZ",
        "TC",
        "TD",
        "TF",
        "TG",
        "TH",
        "TJ",
        "TK",
        "TL",
        "TM",
        "TN",
        "TO",
        "TR",
        "TT",
        "TV",
        "TW",
        "TZ",
        "UA",
        "UG",
        "UM",
        "US",
        "UY",
        "UZ",
        "VA",
        "VC",
        "VE",
        "VG",
        "VI",
        "VN",
        "VU",
        "WF",
        "WS",
        "YE",
        "YT",
        "ZA",
        "ZM",
        "ZW",
    ]
)
"""The 249 officially assigned codes of ISO 3166-1 alpha-2."""


class Kind(enum.Enum):
    """A kind of key that songs are counted by."""

    COUNTRY = "country"
    USER = "user"

    @property
    def key(self) -> str:
        """The column of the key."""
        return {Kind.COUNTRY: "country", Kind.USER: "user_id"}[self]

    @property
    def columns(self) -> tuple[str, str, str]:
        """The columns of the dataset, in their order."""
        return (self.key, "sng_id", "streams")

    @property
    def schema(self) -> str:
        """The columns with their types, as Spark reads them."""
        key = {Kind.COUNTRY: "STRING", Kind.USER: "BIGINT"}[self]
        return f"{self.key} {key}, sng_id BIGINT, streams BIGINT"


def parse_day(text: str) -> datetime.date:
    """A day written `YYYY-MM-DD`, of the years 1970 to 2199."""
    if re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text):
        try:
            day = datetime.date.fromisoformat(text)
        except ValueError:
            pass
        else:
            if 1970 <= day.year <= 2199:
                return day
    raise Usage(f"{text!r} is not a day: write it as YYYY-MM-DD, 1970 to 2199")


def window(last: datetime.date, days: int) -> list[datetime.date]:
    """The days of a window that ends on `last`, oldest first; without days before 1970."""
    first = max(last - datetime.timedelta(days - 1), datetime.date(1970, 1, 1))
    return [first + datetime.timedelta(after) for after in range((last - first).days + 1)]


def told(days: list[datetime.date]) -> str:
    """Ascending days for a message; three in a row or more as `first to last`."""
    stretches: list[list[datetime.date]] = []
    for day in days:
        if stretches and stretches[-1][-1] + datetime.timedelta(1) == day:
            stretches[-1].append(day)
        else:
            stretches.append([day])
    return ", ".join(
        f"{days[0]} to {days[-1]}" if len(days) > 2 else ", ".join(map(str, days)) for days in stretches
    )


@dataclass
class Tally:
    """Numbers of good rows, and of corrupt rows by reason."""

    accepted: int = 0
    rejects: dict[str, int] = field(default_factory=lambda: dict.fromkeys(REASONS, 0))

    @property
    def rejected(self) -> int:
        """All corrupt rows."""
        return sum(self.rejects.values())

    @property
    def rows(self) -> int:
        """All rows."""
        return self.accepted + self.rejected

    def as_json(self) -> dict[str, object]:
        """The fields that reports and files show, in their order."""
        return {
            "rows": self.rows,
            "accepted": self.accepted,
            "rejected": self.rejected,
            "rejects": dict(self.rejects),
        }
