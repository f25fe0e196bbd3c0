"""The words of the project as frozen values: what a source answers, and what a pull asks of it.

Rules that come from the API's document name it as "VodBackupGet".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import IntEnum, StrEnum
from types import MappingProxyType
from typing import Any, NamedTuple, Protocol


class Order(IntEnum):
    """Direction of a listing; the values are VodBackupGet's `orderby`."""

    OLDEST_FIRST = 0
    NEWEST_FIRST = 1


class PullKind(StrEnum):
    """`full` lists everything in the scope, `recent` lists newest first until nothing is new."""

    FULL = "full"
    RECENT = "recent"


class BackupFile(NamedTuple):
    """One backup as the API lists it, decoded field by field; a tuple, for a million of them are made in a pull.

    Times are aware instants; `created_raw` and `expires_raw` keep the API's own text (UTC+8 without a zone).
    A field that is absent, null or empty is None. `unreadable` names the fields (by their names here) that held
    something which could not be understood: they are None, and the store keeps what it knew of them before.
    `extra` holds every field that the document does not describe, as it came.
    Texts contain no NUL and no lone surrogate: both are escaped visibly, for PostgreSQL takes neither.
    """

    file_id: str
    name: str | None = None
    size_bytes: int | None = None
    file_type: str | None = None
    duration_seconds: int | None = None
    status: int | None = None
    created_at: datetime | None = None
    created_raw: str | None = None
    expires_at: datetime | None = None
    expires_raw: str | None = None
    url: str | None = None
    extra: Mapping[str, Any] = MappingProxyType({})
    unreadable: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class RejectedEntry:
    """An entry of a page that could not be understood in whole or in part.

    `position` counts from 0 within the page. `file_id` is None when even that was unreadable: then the file cannot
    be counted as listed, and the pull does not sweep. `raw` is the entry's JSON text, escaped like every text.
    """

    position: int
    reason: str
    raw: str
    file_id: str | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """One answer with files.

    `files` holds each file id once (the last entry wins), `entries` is the number of entries that came,
    `context` is None at the end of the listing (an empty context, VodBackupGet), `file_count` is the API's own
    fileCount where it sent one. `ambiguous` says that an earlier attempt at this very call may have been answered.
    """

    files: tuple[BackupFile, ...]
    rejected: tuple[RejectedEntry, ...]
    entries: int
    context: str | None
    file_count: int | None = None
    ambiguous: bool = False


@dataclass(frozen=True, slots=True)
class EndOfListing:
    """Code 70008: the pull is already complete.

    `ambiguous` says that an earlier attempt with the same context may have been answered (a lost reply, a coded
    error), so that a page may have been listed which nobody received.
    """

    ambiguous: bool


@dataclass(frozen=True, slots=True)
class ContextLost:
    """Codes 70005 and 70006: the context is invalid or was used out of turn; the listing must start anew."""

    code: int
    message: str


@dataclass(frozen=True, slots=True)
class FilesMissing:
    """Code 10008 to a call by file id: at least one of the ids does not exist."""


ListAnswer = Page | EndOfListing | ContextLost
LookupAnswer = Page | FilesMissing


@dataclass(frozen=True, slots=True)
class Calls:
    """What some calls to the API came to, to be committed with what they brought.

    `made` counts every attempt; `outcomes` those of them that brought no page, by the API's code or the kind of fault;
    `retries` attempts after a call's first; `quota_wait_seconds` how long calls were held up for the account's quota.
    """

    made: int = 0
    outcomes: Mapping[str, int] = field(default_factory=dict)
    retries: int = 0
    quota_wait_seconds: float = 0.0


class Source(Protocol):
    """What a pull asks of a source; small, so that another API can one day stand behind it.

    `list_page` and `lookup` retry passing faults themselves and raise `Refused` or `Unavailable` when they give up, or
    `Stopped` when a stop was asked for while they waited. `calls` counts every call made so far, failed ones too.
    """

    @property
    def calls(self) -> int:
        """Calls made over the life of this object, failed ones included."""

    def take_calls(self, *, least_wait: float = 0.0) -> Calls:
        """Return what the calls since the last time came to, and count them as taken.

        Seconds waited that are all there is to tell beside pages are left for later while fewer than `least_wait`.
        """

    def list_page(
        self, *, order: Order, prefix: str, page_size: int, context: str | None, interactive: bool = False
    ) -> ListAnswer:
        """Ask for one page: the first of a listing when `context` is None, else the one the context stands for."""

    @property
    def asked_ahead(self) -> bool:
        """Whether the first attempt at the next `list_page` has been made, by what `ahead` returned."""

    def ahead(
        self, *, order: Order, prefix: str, page_size: int, context: str | None
    ) -> Callable[[], Page | None] | None:
        """Return what makes the first attempt at the `list_page` with these arguments; None without a call to spare.

        It is for while the database is busy: it neither waits nor uses it, raises nothing, and returns the page, if
        one came. `list_page` goes on from what the attempt came to, whether a page or a failure.
        """

    def lookup(self, file_ids: Sequence[str], *, interactive: bool = False) -> LookupAnswer:
        """Ask for up to 100 files by id; `interactive` calls go ahead of a background pull's in the quota."""


@dataclass(frozen=True, slots=True)
class Suspicion:
    """What a proven pull did not list, before it was asked for by id.

    `present` are the unexpired files of the pull's scope that were known before it began, `missing` those of them
    that it did not list; `suspects` counts the expired ones too, which are expected to go. `elsewhere` says that the
    last pull that was swept listed another account, endpoint or region.
    """

    suspects: int
    missing: int
    present: int
    elsewhere: bool = False
