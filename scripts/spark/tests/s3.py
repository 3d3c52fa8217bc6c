"""The few operations of `FileSystem` on an S3-compatible server of this machine: a client for tests alone.

The job reaches S3 by Hadoop's own client, which these tests cannot have. What they hold is that the order
of the operations is right where nothing can be renamed, no folder exists, and a write can be conditional.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import boto3
from botocore.exceptions import ClientError
from moto.server import ThreadedMotoServer

from agg_spark.error import overtaken
from agg_spark.fs import Entry, FileSystem

if TYPE_CHECKING:
    from collections.abc import Iterator

BUCKET = "bucket"


def serve() -> Iterator[Any]:
    """A client of a server on loopback, with an empty bucket."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        os.environ |= {"AWS_ACCESS_KEY_ID": "none", "AWS_SECRET_ACCESS_KEY": "none"}
        client = boto3.client("s3", endpoint_url=f"http://{host}:{port}", region_name="us-east-1")
        client.create_bucket(Bucket=BUCKET)
        yield client
    finally:
        server.stop()


class ObjectStore(FileSystem):
    """Objects under keys; a folder is what keys have in common."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def qualified(self, path: str) -> str:
        return path

    def _tag(self, path: str) -> str | None:
        try:
            return str(self._client.head_object(Bucket=BUCKET, Key=path)["ETag"])
        except ClientError as error:
            if error.response["ResponseMetadata"]["HTTPStatusCode"] == 404:
                return None
            raise

    def _keys(self, folder: str) -> dict[str, int]:
        found = self._client.list_objects_v2(Bucket=BUCKET, Prefix=f"{folder}/").get("Contents", [])
        return {entry["Key"]: entry["Size"] for entry in found}

    def list(self, folder: str, wanted: Any = None) -> list[Entry]:  # noqa: ARG002
        entries = {}
        for key, size in self._keys(folder).items():
            name, *below = key.removeprefix(f"{folder}/").split("/")
            entries[name] = Entry(f"{folder}/{name}", name, 0 if below else size, 0, bool(below))
        return [entries[name] for name in sorted(entries)]

    def exists(self, path: str) -> bool:
        return self._tag(path) is not None

    def read(self, path: str) -> bytes:
        return bytes(self._client.get_object(Bucket=BUCKET, Key=path)["Body"].read())

    def state(self, path: str) -> str | None:
        return self._tag(path)

    def replace(self, path: str, data: bytes, aside: str, seen: str | None) -> None:  # noqa: ARG002
        condition = {"IfNoneMatch": "*"} if seen is None else {"IfMatch": seen}
        try:
            self._client.put_object(Bucket=BUCKET, Key=path, Body=data, **condition)
        except ClientError as error:
            if error.response["ResponseMetadata"]["HTTPStatusCode"] == 412:
                raise overtaken(path) from error
            raise

    def remove(self, path: str) -> None:
        for key in [path, *self._keys(path)]:
            self._delete(key)

    def _delete(self, key: str) -> None:
        self._client.delete_object(Bucket=BUCKET, Key=key)
