"""How the simulated API behaves where its document is silent: one knob for each thing that nobody knows."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class End(StrEnum):
    """How a listing ends: its last page has no context, or has one whose use answers 70008."""

    EMPTY_CONTEXT = "empty-context"
    CODE_70008 = "70008"


class Paging(StrEnum):
    """What a context remembers: the last file listed, or how many were (then a deletion shifts a neighbour past)."""

    ANCHORED = "anchored"
    POSITIONAL = "positional"


class Ties(StrEnum):
    """The order of files with one createTime: always the same, another in each listing, or another in each call.

    `per-call` can lose files of a listing for good, whatever a client does.
    """

    STABLE = "stable"
    PER_LISTING = "per-listing"
    PER_CALL = "per-call"


class Window(StrEnum):
    """How the quota's 60 seconds are counted."""

    SLIDING = "sliding"
    FIXED = "fixed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Behaviour:
    """Every variant of the API that a client must survive. Times are seconds; None means without limit.

    end: how a listing ends.
    last_page_once: once a listing's last page was computed, its contexts answer 70008, also if that reply was lost.
    context_lifetime: age at which a context answers 70005.
    context_uses: how often one context may be used (1: single use); then it answers `spent_code`.
    context_pages: contexts of a listing answer 70005 after this many pages.
    spent_code: the answer to a context used too often.
    filters_bound: a context used with another prefix or order answers 70006.
    page_size_bound: a context used with another pageSize answers 70006.
    paging, ties: see there. orderby_ignored: oldest first, whatever is asked.
    cycle: contexts repeat in a cycle of this length and the listing never ends; 0: they do not. 1 repeats one context.
    overlap: each page begins with this many entries of the page before.
    page_size_cap: pages are never larger than this, whatever is asked.
    missing_id_fails_all: one unknown id fails a whole fileId query with 10008; else it is left out.
    all_missing_fails: a fileId query of unknown ids alone answers 10008; else an empty fileSet.
    digit_strings: numbers of entries and fileCount come as strings. code_as_string: so does `code`.
    file_count: answers carry fileCount (the document's sample lacks it).
    new_error_form: errors come as {"Response": {"Error": ...}}.
    expired_linger: how long an expired file stays listed (None: until it is deleted).
    calls_per_minute: quota, 0 for none. quota_window, quota_per_key: how it is counted.
    refused_calls_count: a call refused with 4400 uses quota too.
    latency: delay of each answer. keep_alive: requests a connection serves before it is closed.
    https_required: every call answers 4600, for the simulator has no TLS. clock_tolerance: beyond it, 4500.
    """

    end: End = End.EMPTY_CONTEXT
    last_page_once: bool = False
    context_lifetime: float | None = None
    context_uses: int | None = None
    context_pages: int | None = None
    spent_code: int = 70006
    filters_bound: bool = True
    page_size_bound: bool = False
    paging: Paging = Paging.ANCHORED
    ties: Ties = Ties.STABLE
    orderby_ignored: bool = False
    cycle: int = 0
    overlap: int = 0
    page_size_cap: int = 100
    missing_id_fails_all: bool = False
    all_missing_fails: bool = True
    digit_strings: bool = False
    code_as_string: bool = False
    file_count: bool = True
    new_error_form: bool = False
    expired_linger: float | None = 0.0
    calls_per_minute: int = 0
    quota_window: Window = Window.SLIDING
    quota_per_key: bool = False
    refused_calls_count: bool = False
    latency: float = 0.0
    keep_alive: int | None = None
    https_required: bool = False
    clock_tolerance: float = 300.0
