"""The page ledger: which files each page of a pull has shown, and which contexts were asked with."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from operator import itemgetter
from typing import Any

import sqlalchemy as sa

from syncer.model import Page
from syncer.store import arrays
from syncer.store.database import rows

_LARGEST_BIGINT, _LARGEST_INTEGER = 2**63 - 1, 2**31 - 1

SEEN = """coalesce(file_ids, file_numbers::text[],
  ARRAY(SELECT (first_number + away)::text FROM unnest(file_offsets) AS o (away)))"""
"""The ids in a row of the ledger as texts, in whichever way it holds them."""

# Ids of a page that this generation's listing had already shown, in pages that went from newer to older. Where the
# server lists oldest first whatever is asked, the other end is the same end, and meeting it shows nothing.
_MET = f"""
SELECT coalesce(bool_or(seen && %(ids)s::text[]) AND bool_or(oldest < oldest_before)
                AND bool_and(oldest <= oldest_before AND newest <= newest_before), false)
FROM (SELECT {SEEN} AS seen, oldest, newest, lag(oldest) OVER listing AS oldest_before,
             lag(newest) OVER listing AS newest_before
      FROM syncer.page
      WHERE source = %(source)s AND pull_id = %(pull)s AND generation = %(generation)s AND part = 'listing'
        AND oldest IS NOT NULL
      WINDOW listing AS (ORDER BY page)) AS dated
"""

# Whether a context that the API now calls complete may have been answered before: it brought a page, or it was asked
# with when its listing was given up or came to a doubtful end. A listing that was given up may also have been asked
# with the context after its last, for a page is asked for while the one before it is committed: so the successor of
# any of its contexts is doubted, and of its beginning. Contexts may be the same in every listing; nobody knows.
_ANSWERED = """
WITH recent AS (
  SELECT * FROM syncer.pull WHERE source = %(source)s AND kind = 'full' ORDER BY pull_id DESC LIMIT 3
),
listed AS (
  SELECT g.* FROM syncer.page g WHERE g.source = %(source)s AND g.pull_id IN (SELECT pull_id FROM recent)
),
given_up AS (
  SELECT context_in AS context FROM syncer.context_death WHERE source = %(source)s
  UNION ALL
  SELECT context_in FROM syncer.listing_end WHERE source = %(source)s AND ambiguous
  UNION ALL
  SELECT g.context_out FROM listed g JOIN recent p USING (source, pull_id) WHERE p.outcome = 'abandoned'
)
SELECT EXISTS (SELECT FROM listed WHERE context_in = %(hash)s)
  OR EXISTS (SELECT FROM given_up WHERE context = %(hash)s)
  OR EXISTS (SELECT FROM listed WHERE context_out = %(hash)s AND context_in IN (SELECT context FROM given_up))
  OR EXISTS (SELECT FROM listed WHERE context_out = %(hash)s AND context_in IS NULL)
     AND EXISTS (SELECT FROM recent WHERE outcome = 'abandoned' AND pages = 0)
  OR EXISTS (SELECT FROM syncer.pull WHERE source = %(source)s AND outcome = 'abandoned' AND context = %(context)s)
"""

_GIVEN_OUT = """
SELECT coalesce(string_agg(context_out, ''), '') FROM syncer.page
WHERE source = %(source)s AND pull_id = %(pull)s AND generation = %(generation)s AND part = 'listing'
"""


def seen(file_ids: Sequence[str]) -> dict[str, Any]:
    """Return the ids of a page as its row of the ledger holds them: most of an unchanged pull's writing.

    Numbers that are near each other take four bytes each, others eight. Whatever has a sign, a leading zero, anything
    but digits or too many of them remains text: it would not come back as it was.
    """
    held: dict[str, Any] = dict.fromkeys(("seen_ids", "seen_numbers", "first_number", "seen_offsets"))
    digits = "".join(file_ids)
    if not all(file_ids) or not (digits.isascii() and digits.isdigit()) or "0" in map(itemgetter(slice(1)), file_ids):
        return held | {"seen_ids": arrays.texts(file_ids)}
    numbers = sorted(map(int, file_ids))
    first, last = numbers[0], numbers[-1]
    if last > _LARGEST_BIGINT:
        return held | {"seen_ids": arrays.texts(file_ids)}
    if last - first <= _LARGEST_INTEGER:
        return held | {"first_number": first, "seen_offsets": arrays.integers([number - first for number in numbers])}
    return held | {"seen_numbers": arrays.bigints(numbers)}


def context_hash(context: str | None) -> bytes | None:
    """Return eight bytes that stand for a context in the ledger; None for none."""
    return None if context is None else hashlib.blake2b(context.encode(errors="replace"), digest_size=8).digest()


def contexts_given_out(connection: sa.Connection, source: str, pull_id: int, generation: int) -> bytes:
    """Return the hashes of the contexts that this generation's listing gave out, joined."""
    found: bytes = rows(connection, _GIVEN_OUT, source=source, pull=pull_id, generation=generation).scalar_one()
    return found


def listed_before(connection: sa.Connection, source: str, pull_id: int, generation: int, page: Page) -> bool:
    """Return whether any file of `page` is in the ledger of this generation's listing, seen to go newest first."""
    ids = [file.file_id for file in page.files]
    return bool(rows(connection, _MET, source=source, pull=pull_id, generation=generation, ids=ids).scalar())


def answered_before(connection: sa.Connection, source: str, context: str | None) -> bool:
    """Return whether `context` may have been answered by an earlier listing, of this pull or one of the last few."""
    return context is not None and bool(
        rows(connection, _ANSWERED, source=source, context=context, hash=context_hash(context)).scalar()
    )
