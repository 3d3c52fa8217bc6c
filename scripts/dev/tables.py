"""Parquet tables of counts that are made to take memory, in a few lines and without an engine that would refuse them.

A file is pages, then a footer in Thrift's compact protocol, its length and the magic bytes.
"""

import itertools
import zlib

I32, I64, BINARY, LIST, STRUCT = 5, 6, 8, 9, 12
INT64, BYTE_ARRAY = 2, 6
DELTA_BINARY_PACKED, DELTA_BYTE_ARRAY, RLE = 5, 7, 3
UNCOMPRESSED, GZIP = 0, 2
MAGIC = b"PAR1"


def varint(value):
    parts = []
    while value > 127:
        parts.append(value & 127 | 128)
        value >>= 7
    return bytes([*parts, value])


def number(value):
    return varint(2 * value if value >= 0 else -2 * value - 1)


def text(value):
    return varint(len(value)) + value


def items(kind, values):
    head = bytes([len(values) << 4 | kind]) if len(values) < 15 else bytes([0xF0 | kind]) + varint(len(values))
    return head + b"".join(values)


def struct(*fields):
    """Of (number, type, content), by ascending number."""
    parts, last = [], 0
    for field, kind, content in fields:
        parts += [bytes([(field - last) << 4 | kind]), content]
        last = field
    return b"".join([*parts, b"\0"])


def deltas(values):
    """Whole numbers as DELTA_BINARY_PACKED has them: blocks of 128 in four parts."""
    parts = [varint(128), varint(4), varint(len(values)), number(values[0])]
    steps = [after - before for before, after in itertools.pairwise(values)]
    for start in range(0, len(steps), 128):
        block = steps[start : start + 128]
        least = min(block)
        quarters = [[step - least for step in block[at : at + 32]] for at in range(0, 128, 32)]
        widths = [max(quarter, default=0).bit_length() for quarter in quarters]
        parts += [number(least), bytes(widths)]
        for quarter, width in zip(quarters, widths, strict=True):
            packed = sum(value << at * width for at, value in enumerate(quarter))
            parts.append(packed.to_bytes(4 * width, "little"))
    return b"".join(parts)


def repeated(value, times):
    """One long text again and again, as DELTA_BYTE_ARRAY has it: each but the first is all of the one before it."""
    rest = [0] * (times - 1)
    return deltas([0] + [len(value)] * (times - 1)) + deltas([len(value), *rest]) + value


def leaf(name, kind):
    return struct((1, I32, number(kind)), (3, I32, number(0)), (4, BINARY, text(name)))


class Table:
    """A table with these columns, as (name, type), which are the schema's first."""

    def __init__(self, columns):
        self.columns, self.content, self.groups, self.rows = columns, bytearray(MAGIC), [], 0

    def add_group(self, rows, *pages):
        """Adds a row group of one page a column, as (encoding, content, codec); a page of no rows is left out."""
        chunks = [self.chunk(column, rows, page) for column, page in zip(self.columns, pages, strict=True)]
        size = sum(len(content) for _, content, _ in pages)
        self.groups.append(struct((1, LIST, items(STRUCT, chunks)), (2, I64, number(size)), (3, I64, number(rows))))
        self.rows += rows

    def chunk(self, column, rows, page):
        (name, kind), (encoding, content, codec) = column, page
        packer = zlib.compressobj(9, wbits=31)
        packed = packer.compress(content) + packer.flush() if codec == GZIP else content
        levels = [(field, I32, number(RLE)) for field in (3, 4)]
        values = struct((1, I32, number(rows)), (2, I32, number(encoding)), *levels)
        sizes = [(field, I32, number(len(part))) for field, part in ((2, content), (3, packed))]
        header = struct((1, I32, number(0)), *sizes, (5, STRUCT, values))
        at = len(self.content)
        if rows:
            self.content += header + packed
        else:
            header = content = packed = b""
        described = struct(
            (1, I32, number(kind)),
            (2, LIST, items(I32, [number(encoding), number(RLE)])),
            (3, LIST, items(BINARY, [text(name)])),
            (4, I32, number(codec)),
            (5, I64, number(rows)),
            (6, I64, number(len(header) + len(content))),
            (7, I64, number(len(header) + len(packed))),
            (9, I64, number(at)),
        )
        return struct((2, I64, number(at)), (3, STRUCT, described))

    def bytes(self, pairs=0):
        """The file, with `pairs` key-value pairs, all of them empty."""
        root = struct((4, BINARY, text(b"table")), (5, I32, number(len(self.columns))))
        schema = items(STRUCT, [root, *(leaf(*column) for column in self.columns)])
        metadata = [struct((1, BINARY, text(b"")), (2, BINARY, text(b"")))] * pairs
        footer = struct(
            (1, I32, number(1)),
            (2, LIST, schema),
            (3, I64, number(self.rows)),
            (4, LIST, items(STRUCT, self.groups)),
            *([(5, LIST, items(STRUCT, metadata))] if metadata else []),
        )
        return bytes(self.content) + footer + len(footer).to_bytes(4, "little") + MAGIC


def counts(key, kind):
    return Table([(key, kind), (b"sng_id", INT64), (b"streams", INT64)])


def ones(rows):
    """Songs from 1, and a stream of each, as two pages."""
    return [(DELTA_BINARY_PACKED, deltas(list(range(1, rows + 1))), UNCOMPRESSED), plain_ones(rows)]


def plain_ones(rows):
    return DELTA_BINARY_PACKED, deltas([1] * rows), UNCOMPRESSED


def users(rows):
    """A table of one user."""
    table = counts(b"user_id", INT64)
    table.add_group(rows, plain_ones(rows), *ones(rows))
    return table


def countries(rows):
    """The same rows by country."""
    table = counts(b"country", BYTE_ARRAY)
    table.add_group(rows, (DELTA_BYTE_ARRAY, repeated(b"FR", rows), UNCOMPRESSED), *ones(rows))
    return table.bytes()


def long_texts(length, rows=16_000):
    """Countries that are long and alike, in a few kilobytes."""
    table = counts(b"country", BYTE_ARRAY)
    table.add_group(rows, (DELTA_BYTE_ARRAY, repeated(b"F" * length, rows), UNCOMPRESSED), *ones(rows))
    return table.bytes()


def long_page(size):
    """Countries, one of them as long as a page, in a page that decompresses to it."""
    table = counts(b"country", BYTE_ARRAY)
    value = b"F" * (size - 64)
    table.add_group(1, (0, len(value).to_bytes(4, "little") + value, GZIP), *ones(1))
    return table.bytes()


def many_columns(columns):
    return Table([(b"%d" % at, INT64) for at in range(columns)]).bytes()


def many_groups(size):
    """The maximum number of row groups without rows in a footer of `size` bytes."""
    table = users(1)
    nothing = (DELTA_BINARY_PACKED, b"", UNCOMPRESSED)
    before = len(table.bytes()) - len(table.content)
    table.add_group(0, nothing, nothing, nothing)
    group = len(table.bytes()) - len(table.content) - before
    table.groups += table.groups[-1:] * ((size - before) // group - 1)
    return table.bytes()


def many_pairs(size):
    """The maximum number of key-value pairs in a footer of `size` bytes."""
    return users(1).bytes(size // 5)
