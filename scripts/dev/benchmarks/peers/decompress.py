"""Compressed logs: makes them (`--make FORM PIECES LOG FOLDER`), and decompresses them and does nothing else.

zlib-ng and libzstd, the fastest decompressors at hand, by one thread: what a compressed log costs at least.
"""

import sys
from pathlib import Path

import zstandard
from zlib_ng import gzip_ng, zlib_ng

CHUNK = 1 << 20
GZIP = 31  # window bits of zlib: the largest window, with a gzip header


def pieces(log: Path, count: int) -> list[bytes]:
    """The log in pieces of whole rows, of about equal size."""
    text = log.read_bytes()
    cuts = [0]
    for number in range(1, count):
        cuts.append(text.index(b"\n", max(cuts[-1], len(text) * number // count)) + 1)
    return [text[start:end] for start, end in zip(cuts, [*cuts[1:], len(text)], strict=True)]


def make(form: str, count: int, log: Path, folder: Path) -> None:
    compressor = zstandard.ZstdCompressor(level=3)
    if form == "gz":
        with gzip_ng.open(folder / f"{log.name}.gz", "wb", compresslevel=6) as file:
            file.write(log.read_bytes())
    elif form == "zst":
        frames = [compressor.compress(piece) for piece in pieces(log, count)]
        (folder / f"{log.name}.zst").write_bytes(b"".join(frames))
    elif form == "zst-files":
        for number, piece in enumerate(pieces(log, count)):
            (folder / f"part-{number}.log.zst").write_bytes(compressor.compress(piece))
    else:
        raise SystemExit(f"no such form: {form}")


def decompress(path: Path) -> int:
    size = 0
    with path.open("rb", buffering=0) as file:
        if path.suffix == ".zst":
            with zstandard.ZstdDecompressor().stream_reader(file, read_across_frames=True) as reader:
                while chunk := reader.read(CHUNK):
                    size += len(chunk)
        else:
            engine = zlib_ng.decompressobj(GZIP)
            while chunk := file.read(CHUNK):
                size += len(engine.decompress(chunk))
    return size


if __name__ == "__main__":
    if sys.argv[1:2] == ["--make"]:
        make(sys.argv[2], int(sys.argv[3]), Path(sys.argv[4]), Path(sys.argv[5]))
    else:
        print(sum(decompress(Path(name)) for name in sys.argv[1:]))
