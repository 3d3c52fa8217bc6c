"""Any file system that Hadoop knows, as far as the driver needs it: look, read and write small files, move.

Differences between file systems are handled only here: how a small file is replaced in one step. Data never
passes through this process: large files are copied inside the JVM.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from py4j.protocol import Py4JJavaError

from agg_spark.error import CannotCreate, Failed, Missing, overtaken
from agg_spark.patterns import GLOB, matches

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from pyspark.sql import SparkSession

RENAMES_ATOMICALLY = frozenset({"hdfs", "viewfs"})
"""Schemes whose rename replaces a file in one step. That of every other has the default of Hadoop, which
deletes the target first: a kill between would leave no file. There, and not in `file`, a file is written in
its place: on S3, Google's store and Ozone it appears whole when it is closed. On ABFS it is empty until
then, which every reader here refuses as damaged."""

CONDITIONAL = "fs.option.create.conditional.overwrite"
CONDITIONAL_ETAG = "fs.option.create.conditional.overwrite.etag"
"""Options of Hadoop's `createFile`: only if there is no file; only if the file still has this entity tag."""

BLOCK = 1 << 20
MAX_WINDOW_LOG = 23
"""Of zstd: 8 MiB, as for the codec that reads the other logs."""

DENIED = frozenset({errno.EACCES, errno.EPERM, errno.EROFS, errno.EISDIR, errno.ENOTDIR, errno.ENOENT})
"""What a local disk says where it lets nothing be created, the folder included; anything else is a failure
to write."""


@dataclass(frozen=True)
class Entry:
    """A file or a folder."""

    path: str
    name: str
    bytes: int
    modified_ms: int
    is_folder: bool


def local_path(path: str) -> str | None:
    """The local path of a qualified path, if it is on this machine's disks."""
    return path.removeprefix("file:") if path.startswith("file:/") else None


def _refuse_unseen(folder: str, seen: set[str], wanted: Callable[[str], bool]) -> None:
    for name in sorted({*os.listdir(folder)} - seen):
        path = os.path.join(folder, name)
        if wanted(f"{name}/" if os.path.isdir(path) else name):
            raise Missing(
                f"{os.fsencode(path).decode(errors='backslashreplace')}: a link to nowhere, or a name that "
                "Java cannot read; remove the link, rename the file, or set LC_ALL=C.UTF-8"
            )


def join(folder: str, *names: str) -> str:
    """The path of something in a folder."""
    return "/".join([folder.rstrip("/"), *names])


class FileSystem:
    """The file systems of a Spark session; a path says by its scheme which one is meant."""

    def __init__(self, spark: SparkSession) -> None:
        """Takes the session's Hadoop configuration."""
        context = spark.sparkContext
        jvm: Any = context._jvm
        self._configuration: Any = context._jsc.hadoopConfiguration()
        self._gateway: Any = context._gateway
        self._hadoop = jvm.org.apache.hadoop
        self._java = jvm.java
        self._commons = jvm.org.apache.commons
        self._zstd = jvm.com.github.luben.zstd

    def _at(self, path: str) -> tuple[Any, Any]:
        # Hadoop takes what is before a colon for a scheme.
        relative = ":" in path and not re.match(r"/|[A-Za-z][A-Za-z0-9+.-]*:/", path)
        location = self._hadoop.fs.Path(f"./{path}" if relative else path)
        return location.getFileSystem(self._configuration), location

    def _entry(self, status: Any) -> Entry:
        path = status.getPath()
        return Entry(
            path=path.toString(),
            name=path.getName(),
            bytes=status.getLen(),
            modified_ms=status.getModificationTime(),
            is_folder=status.isDirectory(),
        )

    def qualified(self, path: str) -> str:
        """The path with its scheme, absolute."""
        system, location = self._at(path)
        return str(system.makeQualified(location).toString())

    def glob(self, pattern: str) -> list[Entry]:
        """What matches a pattern (`*`, `?`, `[…]`, `{…}`, and `**` for any number of folders), by name.

        Not by Hadoop's own, which fails where a name has a colon.
        """
        root, rest = re.fullmatch(
            r"((?:[A-Za-z][A-Za-z0-9+.-]*:(?=/)(?://[^/]*)?)?/?)(.*)", pattern, re.DOTALL
        ).groups()  # type: ignore[union-attr]
        found = [root or "."]
        *folders, last = [part for part in rest.split("/") if part] or ["."]
        for part in folders:
            found = [path for folder in found for path in self._folders(folder, part)]
        if not GLOB.search(last):
            return [entry for folder in found if (entry := self.look(join(folder, last))) is not None]
        return [entry for folder in found for entry in self._matching(folder, last)]

    def _folders(self, folder: str, part: str) -> list[str]:
        """The folders in a folder that match a component of a pattern."""
        if not GLOB.search(part):
            return [join(folder, part)]
        inside = [entry for entry in self._matching(folder, part) if entry.is_folder]
        if part == "**":
            return [folder, *(path for entry in inside for path in self._folders(entry.path, part))]
        return [entry.path for entry in inside]

    def _matching(self, folder: str, pattern: str) -> list[Entry]:
        entries = self.list(folder, lambda name: matches(pattern, name.rstrip("/")))
        return [entry for entry in entries if matches(pattern, entry.name)]

    def list(self, folder: str, wanted: Callable[[str], bool] | None = None) -> list[Entry]:
        """What is in a folder, in byte order of the names; nothing if there is no such folder.

        Hadoop silently omits entries that it cannot look up on a local disk: that is an error if the name is
        `wanted`; names of folders end with a slash.
        """
        system, location = self._at(folder)
        if not system.exists(location):
            return []
        entries = [self._entry(status) for status in system.listStatus(location)]
        local = local_path(system.makeQualified(location).toString())
        if wanted is not None and local is not None:
            _refuse_unseen(local, {entry.name for entry in entries}, wanted)
        return sorted(entries, key=lambda entry: entry.name.encode())

    def look(self, path: str) -> Entry | None:
        """The entry at a path, if there is one."""
        system, location = self._at(path)
        return self._entry(system.getFileStatus(location)) if system.exists(location) else None

    def exists(self, path: str) -> bool:
        """Whether something is there."""
        system, location = self._at(path)
        return bool(system.exists(location))

    def read(self, path: str) -> bytes:
        """A small file's bytes."""
        system, location = self._at(path)
        stream = system.open(location)
        try:
            return bytes(self._commons.io.IOUtils.toByteArray(stream))
        finally:
            stream.close()

    def state(self, path: str) -> str | None:
        """A value that distinguishes contents of a small file, or None if there is no file."""
        system, location = self._at(path)
        if not system.exists(location):
            return None
        status = system.getFileStatus(location)
        if status.isDirectory():
            raise CannotCreate(f"{path}: a folder where a file should be; move it out of the way")
        tagged = self._java.lang.Class.forName("org.apache.hadoop.fs.EtagSource").isInstance(status)
        return str(status.getEtag()) if tagged else hashlib.sha256(self.read(path)).hexdigest()

    def replace(self, path: str, data: bytes, aside: str, seen: str | None) -> None:
        """Writes a small file so that readers and a kill find the old one or the new one.

        `seen` is the `state` that it replaces: to replace another is refused (75). `aside` is the name to
        write it under where it is then renamed in one step. It is written before the last look at the
        state, and the rename fails if another run has removed it.
        """
        system, location = self._at(path)
        scheme = system.getUri().getScheme()
        if scheme == "file":
            local, beside = (self._at(name)[1].toUri().getPath() for name in (path, aside))
            with _reported(local, beside):
                _write_locally(beside, data)
                self.refuse_overtaken(path, seen)
                _rename_locally(beside, local)
        elif scheme in RENAMES_ATOMICALLY:
            self._replace_by_rename(system, location, data, aside, seen)
        else:
            self.refuse_overtaken(path, seen)
            self._replace_in_place(system, location, data, seen)

    def refuse_overtaken(self, path: str, seen: str | None) -> None:
        """An error if a small file is not what it was."""
        if self.state(path) != seen:
            raise overtaken(path)

    def _replace_by_rename(
        self, system: Any, location: Any, data: bytes, name: str, seen: str | None
    ) -> None:
        """By `FileContext`: the rename of `FileSystem` refuses a target that exists."""
        aside = self._hadoop.fs.Path(name)
        _write(system.create(aside, True), data)
        system.mkdirs(location.getParent())
        self.refuse_overtaken(location.toString(), seen)
        rename = self._hadoop.fs.Options.Rename
        options = self._gateway.new_array(rename, 1)
        options[0] = rename.OVERWRITE
        context = self._hadoop.fs.FileContext.getFileContext(self._configuration)
        context.rename(system.makeQualified(aside), system.makeQualified(location), options)

    def _replace_in_place(self, system: Any, location: Any, data: bytes, seen: str | None) -> None:
        """One write, conditional if the file system supports that."""
        if not system.hasPathCapability(location, CONDITIONAL_ETAG):
            _write(system.create(location, seen is not None), data)
            return
        builder = system.createFile(location).create().recursive().overwrite(seen is not None)
        if seen is None:
            builder.must(CONDITIONAL, True)
        else:
            builder.must(CONDITIONAL_ETAG, seen)
        try:
            _write(builder.build(), data)
        except Py4JJavaError as error:
            if any(
                word in str(error) for word in ("RemoteFileChangedException", "FileAlreadyExistsException")
            ):
                raise overtaken(location.toString()) from error
            raise

    def remove(self, path: str) -> None:
        """Removes a file or folder with all that is in it, if it is there."""
        system, location = self._at(path)
        if not system.delete(location, True) and system.exists(location):
            raise Failed(f"{path}: cannot be removed: look at permissions, run again")

    def head(self, path: str, count: int) -> bytes:
        """The first bytes of a file."""
        return self._bytes(path, 0, count)

    def tail(self, path: str, count: int) -> bytes:
        """The last bytes of a file."""
        system, location = self._at(path)
        return self._bytes(path, max(0, system.getFileStatus(location).getLen() - count), count)

    def _bytes(self, path: str, start: int, count: int) -> bytes:
        system, location = self._at(path)
        stream = system.open(location)
        try:
            stream.seek(start)
            return bytes(self._commons.io.IOUtils.toByteArray(self._bounded(stream, count)))
        finally:
            stream.close()

    def _bounded(self, stream: Any, count: int) -> Any:
        builder = self._commons.io.input.BoundedInputStream.builder()
        return builder.setInputStream(stream).setMaxCount(count).setPropagateClose(False).get()

    def digest(self, path: str) -> str:
        """The SHA-256 of a file, read inside the JVM."""
        system, location = self._at(path)
        stream = system.open(location)
        try:
            return str(self._commons.codec.digest.DigestUtils.sha256Hex(stream))
        finally:
            stream.close()

    def decompress(self, path: str, size: int, suffix: str, target: str | None) -> str | None:
        """Decompresses a file less the zeros after it; the SHA-256 of the content, if the file is whole.

        The content is written to the target, if there is one. The last bytes of a stream may be zeros
        themselves, so a few ends are tried.
        """
        end = size
        while end and not (block := self._bytes(path, max(0, end - BLOCK), min(end, BLOCK))).strip(b"\0"):
            end = max(0, end - BLOCK)
        end = max(0, end - BLOCK) + len(block.rstrip(b"\0")) if end else 0
        for stop in range(end, min(size, end + 8) + 1):
            found = self._decompress(path, stop, suffix, target)
            if found is not None:
                return found
        return None

    def _decompress(self, path: str, end: int, suffix: str, target: str | None) -> str | None:
        system, location = self._at(path)
        source, (sink, digest) = system.open(location), self._digesting(target)
        stream = source
        try:
            # The last byte alone: only a stream that ends with it is whole.
            parts = (self._bounded(source, end - 1), self._bounded(source, 1))
            stream = self._decompressed(self._java.io.SequenceInputStream(*parts), suffix)
            self._commons.io.IOUtils.copyLarge(stream, sink)
        except Py4JJavaError:
            return None
        else:
            return bytes(digest.digest()).hex()
        finally:
            stream.close()
            source.close()
            sink.close()

    def _decompressed(self, stream: Any, suffix: str) -> Any:
        if suffix == ".gz":
            return self._commons.compress.compressors.gzip.GzipCompressorInputStream(stream, True)
        found = self._zstd.ZstdInputStreamNoFinalizer(stream)
        found.setLongMax(MAX_WINDOW_LOG)
        return found

    def decompressed_head(self, path: str, suffix: str, count: int) -> bytes:
        """The first bytes of a file's content; nothing of a damaged file, which its readers refuse."""
        system, location = self._at(path)
        stream = source = system.open(location)
        try:
            stream = self._decompressed(source, suffix)
            return bytes(self._commons.io.IOUtils.toByteArray(self._bounded(stream, count)))
        except Py4JJavaError:
            return b""
        finally:
            stream.close()
            source.close()

    def _digesting(self, target: str | None) -> tuple[Any, Any]:
        """A stream to a file, or to nowhere, and the SHA-256 of what goes through it."""
        digest = self._java.security.MessageDigest.getInstance("SHA-256")
        if target is None:
            stream = self._java.io.OutputStream.nullOutputStream()
        else:
            system, location = self._at(target)
            stream = system.create(location, True)
        return self._java.security.DigestOutputStream(stream, digest), digest

    def concatenate(self, parts: Iterable[str], target: str) -> str:
        """Joins files in this order, inside the JVM; returns the SHA-256 of the whole.

        Cost: every byte passes through the driver once.
        """
        stream, digest = self._digesting(target)
        try:
            for part in parts:
                part_system, part_location = self._at(part)
                piece = part_system.open(part_location)
                try:
                    self._hadoop.io.IOUtils.copyBytes(piece, stream, 1 << 20, False)
                finally:
                    piece.close()
        finally:
            stream.close()
        return bytes(digest.digest()).hex()


def _write(stream: Any, data: bytes) -> None:
    try:
        stream.write(bytearray(data))
        if stream.hasCapability("hsync"):
            stream.hsync()
    finally:
        stream.close()


# On local disks not by Hadoop, whose rename over a file deletes it first and has checksums beside it.


def _write_locally(path: str, data: bytes) -> None:
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _rename_locally(path: str, target: str) -> None:
    folder, name = os.path.split(target)
    os.makedirs(folder, exist_ok=True)
    with contextlib.suppress(FileNotFoundError):
        os.unlink(os.path.join(folder, f".{name}.crc"))
    os.replace(path, target)
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def _reported(path: str, aside: str) -> Iterator[None]:
    """Reports which file a disk refuses to write, and removes the rest of it."""
    try:
        yield
    except BaseException as error:
        with contextlib.suppress(OSError):
            os.unlink(aside)
        if not isinstance(error, OSError):
            raise
        kind = CannotCreate if error.errno in DENIED else Failed
        raise kind(f"{path}: cannot be written: {error.strerror}; fix that and run again") from error
