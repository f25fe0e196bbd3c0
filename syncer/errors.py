"""What can go wrong, named by what the caller does about it; the only module that knows exit codes.

Expected answers of the API (the end of a listing, a lost context) are values, not errors: see `syncer.model`.
"""

from __future__ import annotations


class SyncerError(Exception):
    """A failure that syncer explains in words: what happened, why, and what to do next.

    `exit_code` is the process's exit status when the error reaches the command line (the table in README.md).
    """

    exit_code: int = 1


class SettingsError(SyncerError):
    """Settings or usage are wrong; `problems` holds one sentence for each mistake, each naming its setting."""

    exit_code = 2

    def __init__(self, *problems: str) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class Refused(SyncerError):
    """The API refuses for good (credentials, permission, parameters, account): asking again cannot help."""

    exit_code = 3

    def __init__(self, message: str, *, code: int | None = None) -> None:
        super().__init__(message)
        self.code = code


CLOCK_CODES = frozenset({4200, 4500})
"""Codes of `Refused` that speak of a wrong clock (VodBackupGet's common codes)."""


class Unavailable(SyncerError):
    """The API cannot be reached or keeps failing; the checkpoint stands and the next run resumes."""

    exit_code = 4


class Endless(SyncerError):
    """The listing never comes to an end (contexts repeat, or keep dying); the checkpoint stands."""

    exit_code = 4


class DatabaseUnavailable(SyncerError):
    """The database cannot be reached, or failed in a way that only an operator can mend."""

    exit_code = 5


class SchemaMismatch(SyncerError):
    """The database's schema is not the one that this version of syncer works with."""

    exit_code = 5


class SweepRefused(SyncerError):
    """The brake: a proven pull would mark an implausible share of the known files as gone."""

    exit_code = 6


class Unheard(SyncerError):
    """Alerts wait to be told, and none of those who are to be told can be reached."""

    exit_code = 7


class Busy(SyncerError):
    """Another process is pulling this source."""

    exit_code = 75


class Fenced(SyncerError):
    """Another process took this source over; what this one still held was not written."""

    exit_code = 75


class Stopped(SyncerError):
    """A signal asked for a stop; a page in hand was committed and its checkpoint stands."""

    exit_code = 143

    def __init__(self, message: str, *, signal_number: int = 15) -> None:
        super().__init__(message)
        self.exit_code = 128 + signal_number
