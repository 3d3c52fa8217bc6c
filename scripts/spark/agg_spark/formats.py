"""The format of a file by its first bytes: the rules of `agg`, whose tests have the same cases."""

from __future__ import annotations

import re

START_BYTES = 512
"""Bytes at the start of a file that decide its format: those of a tar header."""

COMPRESSED = {
    name: re.compile(mark, re.DOTALL)
    for name, mark in {
        "gzip": rb"\x1f\x8b",
        "zstd": rb"\x28\xb5\x2f\xfd|[\x50-\x5f]\x2a\x4d\x18",
        "bzip2": rb"BZh[1-9](?:\x31\x41\x59\x26\x53\x59|\x17\x72\x45\x38\x50\x90)",
        "xz": rb"\xfd7zXZ\0",
    }.items()
}

_TEXT = rb"[\t\n\r -~]"
_NAMED = [
    (name, re.compile(mark, re.DOTALL))
    for name, mark in [
        ("UTF-32 text", rb"(?:\xff\xfe\0\0|\0\0\xfe\xff)(?:\Z|.*\0)"),
        ("UTF-32 text", rb"(?:" + _TEXT + rb"\0\0\0){4,}.{0,3}\Z"),
        ("UTF-32 text", rb"(?:\0\0\0" + _TEXT + rb"){4,}.{0,3}\Z"),
        ("UTF-16 text", rb"(?:\xff\xfe|\xfe\xff)(?:\Z|.*\0)"),
        ("UTF-16 text", rb"(?:" + _TEXT + rb"\0){4,}.?\Z"),
        ("UTF-16 text", rb"(?:\0" + _TEXT + rb"){4,}.?\Z"),
        ("lz4 data", rb"\x04\x22\x4d\x18|\x02\x21\x4c\x18"),
        ("a zip archive", rb"PK(?:\x03\x04|\x05\x06|\x07\x08)"),
        ("a 7z archive", rb"7z\xbc\xaf\x27\x1c"),
        ("a Parquet table", rb"PAR[1E].{0,59}[^\t\n\r -~]"),
        ("an Avro file", rb"Obj\x01"),
        ("an ORC file", rb"ORC.{0,59}[^\t\n\r -~]"),
    ]
]
_BEGINS_A_ROW = re.compile(rb"(?:\xef\xbb\xbf)?[ \t]*[0-9]+[ \t]*\|")
_CONTROL = re.compile(rb"[\x01-\x08\x0b\x0c\x0e-\x1f\x7f]")
_LIKE_A_ROW = re.compile(rb"[0-9][\x01-\x7f]{3,}[0-9A-Za-z]")


def compression_of(start: bytes) -> str | None:
    """The compression of a file that begins like this."""
    return next((name for name, mark in COMPRESSED.items() if mark.match(start)), None)


def other_format(start: bytes) -> str | None:
    """What content is that begins like this and cannot be a log's, if it cannot.

    A log that begins with an id and a separator is never of another format.
    """
    if _BEGINS_A_ROW.match(start):
        return None
    head = start[:START_BYTES]
    name = next((name for name, mark in _NAMED if mark.match(head)), None)
    if name is None and _is_tar(head):
        name = "a tar archive"
    if name is None and _is_binary(head) and not any(map(_is_like_a_row, start.split(b"\n"))):
        name = "binary data"
    return name


def _is_tar(start: bytes) -> bool:
    """A header of tar has the sum of its own bytes."""
    digits = re.match(rb"\s*([0-7]+)(?:[\0 ]|\Z)", start[148:156])
    if len(start) < START_BYTES or b"\0" not in start or digits is None:
        return False
    return int(digits[1], 8) == sum(start) - sum(start[148:156]) + 8 * ord(" ")


def _is_binary(start: bytes) -> bool:
    """Many control characters; zeros do not count, because a crash leaves zeros in a log."""
    controls = len(_CONTROL.findall(start))
    return controls >= 8 and controls * 20 > len(start)


def _is_like_a_row(line: bytes) -> bool:
    """Corrupt rows before a row, whatever separates its fields, do not make a log another format."""
    line = line.strip(b" \t\n\r\f")
    named = len(re.findall(rb"[0-9A-Za-z]", line))
    return _LIKE_A_ROW.fullmatch(line) is not None and named * 2 >= len(line)
