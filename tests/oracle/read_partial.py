#!/usr/bin/env python3
"""A second reader of partials, written from docs/format.md alone, held against the oracle's counts.

    agg backfill --logs data-samples --store STORE
    python3 tests/oracle/read_partial.py STORE data-samples

Reads every partial of the store and compares its sums per (country, song) and per (user, song), its rows and
its rejects with what oracle.py counts in the logs of that day. Checksums and digests, of the partial and of its logs,
are checked too. Needed: the module `xxhash`.
"""

import itertools
import pathlib
import struct
import subprocess
import sys

import oracle
import xxhash


def need(truth, what):
    if not truth:
        raise ValueError(f"damaged: {what}")


def check(data, checksum, what):
    need(xxhash.xxh3_64_intdigest(data) == checksum, f"checksum of {what}")


def numbers(layout, data, at=0):
    """Little-endian numbers without padding."""
    return struct.unpack_from("<" + layout, data, at)


def bits(data):
    """The bits of a string, the lowest of each byte first."""
    return "".join(f"{byte:08b}"[::-1] for byte in data)


def varint(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at


def column(data, at, count):
    """`count` Rice-coded values at `at`, and where they end."""
    k, high_bytes, escape_bytes = numbers("BHH", data, at)
    need(k <= 60, "k")
    low_at = at + 5
    high_at = low_at + (count * k + 7) // 8
    escape_at = high_at + high_bytes
    end = escape_at + escape_bytes
    need(end <= len(data), "a column ends after its block")
    low = bits(data[low_at:high_at])
    high = [len(zeros) for zeros in bits(data[high_at:escape_at]).rstrip("0").split("1")][:-1]
    need(len(high) == count and max(high, default=0) <= 12, "high parts")
    values = []
    for i, zeros in enumerate(high):
        value = (zeros << k) + int("0" + low[i * k : (i + 1) * k][::-1], 2)
        if zeros == 12:
            excess, escape_at = varint(data, escape_at)
            value += excess
        values.append(value)
    need(escape_at == end, "escapes")
    return values, end


def block(data):
    """The (key, song, count) of one block."""
    entries, keys, key, first_song = numbers("HHQQ", data)
    gaps, at = column(data, 20, keys - 1)
    lengths, at = column(data, at, keys)
    songs, at = column(data, at, entries)
    counts, at = column(data, at, entries)
    need(at == len(data) and sum(lengths) + keys == entries, "lengths")
    found = []
    for i, length in enumerate(lengths):
        key += gaps[i - 1] + 1 if i else 0
        song = first_song if i == 0 else 0
        for j in range(length + 1):
            song += songs[len(found)] + (j > 0)
            found.append((key, song, counts[len(found)] + 1))
    return found


def run(data, root, at):
    """All entries of a run that starts at `at`, and where it ends."""
    entries = []
    for first in range(0, len(root), 48):
        *start, page_at, blocks, zero, page_entries, checksum = numbers("QQQIIQQ", root, first)
        page = data[page_at : page_at + 40 * blocks]
        check(page, checksum, "a page")
        before = len(entries)
        for handle in range(0, len(page), 40):
            key, song, block_at, length, block_entries, checksum = numbers("QQQIIQ", page, handle)
            need(block_at == at, "a gap between blocks")
            check(data[at : at + length], checksum, "a block")
            found = block(data[at : at + length])
            need(found[0][:2] == (key, song) and len(found) == block_entries, "a handle")
            entries += found
            at += length
        need(at == page_at and len(entries) - before == page_entries and zero == 0, "a page")
        need(list(entries[before][:2]) == start, "a page's first entry")
        at += len(page)
    need(all(one[:2] < other[:2] for one, other in itertools.pairwise(entries)), "the order")
    return entries, at


def rules_of(data):
    """The rules that version 2 has before the inputs."""
    delimiter, header, any_country, fields, song, user, country, zero = data
    need(header < 2 and any_country < 2 and zero == 0, "the rules")
    places = {song: "sng_id", user: "user_id", country: "country"}
    columns = [places.get(at, "_") for at in range(fields)] or None
    return oracle.Rules(bytes([delimiter]), columns, bool(header), bool(any_country))


def metadata(data, version):
    year, month, day, rows, *rest = numbers("hbb16Q", data)
    rejects, runs, inputs = rest[:6], [rest[6:10], rest[10:14]], []
    at = 132
    rules = oracle.Rules()
    if version == 2:
        rules, at = rules_of(data[132:140]), 140
    for _ in range(rest[14]):
        (length,) = numbers("Q", data, at)
        name, at = data[at + 8 : at + 8 + length], at + 8 + length
        size, modified, low, high, input_rows = numbers("QqQQQ", data, at)
        inputs.append((name, size, modified, high << 64 | low, input_rows))
        at += 40
    need(at == len(data), "idle bytes after the metadata")
    return f"{year:04}-{month:02}-{day:02}", rules, rows, rejects, runs, inputs


def read(data):
    """Metadata, the entries of both runs, and the digest of a partial."""
    need(data[:8] == b"agg-part" and data[-8:] == b"part-end", "no partial")
    version, _, zero, checksum = numbers("HHIQ", data, 8)
    need(version in (1, 2) and zero == 0, "the version")
    check(data[:16], checksum, "the header")
    trailer = data[-96:]
    header_checksum, trailer_checksum = numbers("QQ", trailer, 72)
    check(data[:24], header_checksum, "the header, as the trailer has it")
    check(trailer[:80], trailer_checksum, "the trailer")
    sections, end = [], None
    for at in (0, 24, 48):
        start, length, checksum = numbers("QQQ", trailer, at)
        need(end in (None, start), "a gap between sections")
        sections.append(data[start : start + length])
        check(sections[-1], checksum, "a section")
        end = start + length
    need(end == len(data) - 96, "a gap before the trailer")
    users, at = run(data, sections[0], 24)
    countries, at = run(data, sections[1], at)
    need(at == numbers("Q", trailer)[0], "a gap after the runs")
    vouching = data[:24] + b"".join(sections) + trailer
    return metadata(sections[2], version), users, countries, xxhash.xxh3_128_hexdigest(vouching)


def log_digest(log):
    """Of the decompressed bytes, the byte-order mark that oracle.content drops among them."""
    command = {".gz": ["zcat"], ".zst": ["zstd", "-dcq"]}.get(log.suffix, ["cat"])
    data = subprocess.run([*command, log], check=True, stdout=subprocess.PIPE).stdout
    pieces = [data[at : at + (1 << 20)] for at in range(0, len(data), 1 << 20)]
    folded = b"".join(xxhash.xxh3_128_intdigest(piece).to_bytes(16, "little") for piece in pieces)
    return xxhash.xxh3_128_intdigest(folded)


def compare(day, logs, path):
    """Holds one partial against the logs of its day."""
    (stored_day, rules, rows, rejects, runs, inputs), users, countries, digest = read(path.read_bytes())
    country_songs, user_songs, facts, _ = oracle.reduce_day(logs, rules)

    def letters(number):
        return chr(65 + number // 26) + chr(65 + number % 26)

    found = {(letters(key), song): count for key, song, count in countries}
    assert found == {(key, song): n for key, songs in country_songs.items() for song, n in songs.items()}
    found = {(key, song): count for key, song, count in users}
    assert found == {(key, song): n for key, songs in user_songs.items() for song, n in songs.items()}
    assert (stored_day, rows, rejects) == (day, facts["rows"], list(facts["rejects"].values()))
    for entries, stored in zip((users, countries), runs, strict=True):
        streams = sum(count for _, _, count in entries)
        assert (
            stored[:3] == [len({key for key, _, _ in entries}), len(entries), streams] and streams == facts["accepted"]
        )
    assert [(name, size) for name, size, *_ in inputs] == [(log.name.encode(), log.stat().st_size) for log in logs]
    assert [each[3] for each in inputs] == [log_digest(log) for log in logs]
    print(f"{day}: {len(users)} user pairs, {len(countries)} country pairs, digest {digest}: equal")


def main():
    store, logs = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
    for day, of_day in oracle.logs_by_day(logs).items():
        compare(str(day), of_day, store / "partials" / f"{day}.agg")


if __name__ == "__main__":
    main()
