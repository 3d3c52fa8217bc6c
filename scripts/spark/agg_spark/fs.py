"""Any file system that Hadoop knows, as far as the driver needs it: look, read and write small files, move.

What differs between file systems is said once, here: how a small file is replaced in one step. Data
never passes through this process: what is large is copied inside the JVM.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from agg_spark.error import CannotCreate, Failed
from agg_spark.leftover import temporary

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pyspark.sql import SparkSession

RENAMES_ATOMICALLY = frozenset({"hdfs", "viewfs"})
"""Schemes whose rename replaces a file in one step. That of every other has the default of Hadoop, which
deletes the target first: a kill between would leave no file. There, and not in `file`, a file is written in
its place: on S3, Google's store and Ozone it appears whole when it is closed. On ABFS it is empty until
then, which every reader here refuses as damaged."""

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


GLOB = re.compile(r"([\\*?\[\]{}])")


def literal(path: str) -> str:
    """A path for Spark's readers, which take every path for a pattern."""
    return GLOB.sub(r"\\\1", path)


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
        self._commons = jvm.org.apache.commons.io

    def _at(self, path: str) -> tuple[Any, Any]:
        location = self._hadoop.fs.Path(path)
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
        """What matches a pattern of Hadoop (`*`, `?`, `[…]`, `{…}`), by name; a plain path matches itself."""
        system, location = self._at(pattern)
        return [self._entry(status) for status in system.globStatus(location) or []]

    def list(self, folder: str) -> list[Entry]:
        """What is in a folder, in byte order of the names; nothing if there is no such folder."""
        system, location = self._at(folder)
        if not system.exists(location):
            return []
        entries = [self._entry(status) for status in system.listStatus(location)]
        return sorted(entries, key=lambda entry: entry.name.encode())

    def look(self, path: str) -> Entry | None:
        """What is there, if anything."""
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
            return bytes(self._commons.IOUtils.toByteArray(stream))
        finally:
            stream.close()

    def replace(self, path: str, data: bytes) -> None:
        """Writes a small file so that readers and a kill find the old one or the new one."""
        system, location = self._at(path)
        system.mkdirs(location.getParent())
        scheme = system.getUri().getScheme()
        if scheme == "file":
            self._replace_locally(location.toUri().getPath(), data)
        elif scheme in RENAMES_ATOMICALLY:
            self._replace_by_rename(system, location, data)
        else:
            self._write(system, location, data)

    def _replace_by_rename(self, system: Any, location: Any, data: bytes) -> None:
        """By `FileContext`: the rename of `FileSystem` refuses a target that exists."""
        aside = self._hadoop.fs.Path(location.getParent(), temporary())
        self._write(system, aside, data)
        rename = self._hadoop.fs.Options.Rename
        options = self._gateway.new_array(rename, 1)
        options[0] = rename.OVERWRITE
        context = self._hadoop.fs.FileContext.getFileContext(self._configuration)
        context.rename(system.makeQualified(aside), system.makeQualified(location), options)

    def _write(self, system: Any, location: Any, data: bytes) -> None:
        stream = system.create(location, True)
        try:
            stream.write(bytearray(data))
            if stream.hasCapability("hsync"):
                stream.hsync()
        finally:
            stream.close()

    def _replace_locally(self, path: str, data: bytes) -> None:
        """Not by Hadoop, whose local rename over a file deletes it first and has checksums beside it."""
        folder, name = os.path.split(path)
        aside = os.path.join(folder, temporary())
        try:
            self._write_locally(aside, data)
            with contextlib.suppress(FileNotFoundError):
                os.unlink(os.path.join(folder, f".{name}.crc"))
            os.replace(aside, path)
            self._sync_folder(folder)
        except OSError as error:
            with contextlib.suppress(OSError):
                os.unlink(aside)
            kind = CannotCreate if error.errno in DENIED else Failed
            raise kind(f"{path}: cannot be written: {error.strerror}: mend that and run again") from error

    @staticmethod
    def _write_locally(path: str, data: bytes) -> None:
        with open(path, "xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())

    @staticmethod
    def _sync_folder(folder: str) -> None:
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def move(self, source: str, target: str) -> None:
        """Moves a file or folder to a name that is free; its folder is made where it is missing."""
        system, to = self._at(target)
        if system.exists(to):
            raise Failed(f"{target}: is in the way: remove it and run again")
        system.mkdirs(to.getParent())
        if not system.rename(self._hadoop.fs.Path(source), to):
            raise Failed(f"{source}: cannot be moved to {target}: look at permissions, run again")

    def remove(self, path: str) -> None:
        """Removes a file or folder with all that is in it, if it is there."""
        system, location = self._at(path)
        if not system.delete(location, True) and system.exists(location):
            raise Failed(f"{path}: cannot be removed: look at permissions, run again")

    def same_content(self, one: str, other: str) -> bool:
        """Whether two files have the same bytes, read inside the JVM up to the first difference."""
        streams = []
        try:
            for path in [one, other]:
                system, location = self._at(path)
                streams.append(system.open(location))
            return bool(self._commons.IOUtils.contentEquals(*streams))
        finally:
            for stream in streams:
                stream.close()

    def concatenate(self, parts: Iterable[str], target: str) -> str:
        """Joins files in this order, inside the JVM; tells the SHA-256 of the whole.

        Cost: every byte passes through the driver once.
        """
        system, location = self._at(target)
        digest = self._java.security.MessageDigest.getInstance("SHA-256")
        stream = self._java.security.DigestOutputStream(system.create(location, True), digest)
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
