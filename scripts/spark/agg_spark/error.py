"""The errors, with their exit codes: one line each, what, where, what to do."""

from __future__ import annotations


class JobError(Exception):
    """An error that ends the run; its text is the line that the user sees."""

    exit_code = 74


class Usage(JobError):
    """The command line is not valid."""

    exit_code = 2


class BadData(JobError):
    """The data are bad, or a refusal protects good data."""

    exit_code = 65


class Missing(JobError):
    """Something to read is missing."""

    exit_code = 66


class Failed(JobError):
    """Reading or writing failed, or Spark did."""

    exit_code = 74


class CannotCreate(JobError):
    """An output may not be created: permissions, a read-only disk, something else in its place."""

    exit_code = 73


class Locked(JobError):
    """Another run did the same work first."""

    exit_code = 75


def overtaken(record: str) -> Locked:
    """For a record that another run replaced first."""
    return Locked(
        f"{record}: another run replaced it meanwhile; run again if it should be replaced once more"
    )
