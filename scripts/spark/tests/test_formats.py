"""Other formats are known by the first bytes; corrupt rows at the start of a log are not one of them."""

from __future__ import annotations

import gzip
import io
import tarfile

import pytest

from agg_spark import formats

ROWS = "1|2|FR\n3|4|US\n"
CONTROL = bytes(set(range(256)) - {10}) * 4


def tar(name: str) -> bytes:
    with io.BytesIO() as file, tarfile.open(fileobj=file, mode="w") as archive:
        member = tarfile.TarInfo(name)
        member.size = len(ROWS)
        archive.addfile(member, io.BytesIO(ROWS.encode()))
        return file.getvalue()


@pytest.mark.parametrize(
    ("name", "starts"),
    [
        ("UTF-16 text", [f"\ufeff{ROWS}".encode("utf-16-le"), ROWS.encode("utf-16-be")]),
        ("UTF-16 text", [f"\ufeff{ROWS}".encode("utf-16-be"), ROWS.encode("utf-16-le")]),
        ("UTF-32 text", [f"\ufeff{ROWS}".encode("utf-32-le"), ROWS.encode("utf-32-be")]),
        ("UTF-32 text", [f"\ufeff{ROWS}".encode("utf-32-be"), ROWS.encode("utf-32-le")]),
        ("lz4 data", [b"\x04\x22\x4d\x18\x64\x40"]),
        ("a tar archive", [tar("listen-20211201.log"), tar("20211201")]),
        ("a zip archive", [b"PK\x03\x04\x14\0\0\0\x08\0", b"PK\x05\x06"]),
        ("a 7z archive", [b"7z\xbc\xaf\x27\x1c\0\x04"]),
        ("a Parquet table", [b"PAR1\x15\x04\x15\x10"]),
        ("an Avro file", [b"Obj\x01\x04\x16avro.schema"]),
        ("an ORC file", [b"ORC\x08\x03\x10\0"]),
        ("binary data", [bytes(37 * byte % 256 for byte in range(200))]),
    ],
)
def test_each_format_has_its_name(name: str, starts: list[bytes]) -> None:
    for start in starts:
        assert formats.other_format(start) == name


@pytest.mark.parametrize(
    "start",
    [
        b"",
        b"\n",
        b"sng_id|user_id|country\n1|2|FR\n",
        b"PK|x|y\n1|2|FR\n",
        b"PAR1|2|FR\n",
        b"ORC is a country\n",
        b"Object|2|FR\n",
        b"\xef\xbb\xbf1|2|FR\n",
        b"\xff\xfe|2|FR\n1|2|FR\n",
        b"1\x012\x01FR\n3\x014\x01US\n5\x016\x01DE\n7\x018\x01FR\n9\x019\x01US\n",
        b"2021;\xe9t\xe9;FR\n",
        bytes(4096),
        CONTROL + b"\n1|2|FR\n",
        b"1|2|" + CONTROL,
    ],
)
def test_corrupt_rows_at_the_start_make_no_log_another_format(start: bytes) -> None:
    assert formats.other_format(start) is None
    assert formats.compression_of(start) is None


def test_compressed_files_are_known_by_their_marks() -> None:
    marks = {
        "gzip": gzip.compress(b""),
        "bzip2": b"BZh91AY&SY",
        "xz": b"\xfd7zXZ\0",
        "zstd": b"\x5f\x2a\x4d\x18",
    }
    assert {formats.compression_of(start): start for start in marks.values()} == marks
    assert formats.compression_of(b"BZh9|2|FR\n") is None
