"""A text that shows itself to nobody who does not ask for it by name, and URLs fit to be shown."""

from __future__ import annotations

import re

_MASK = "********"


class Secret:
    """A secret text. `repr`, `str`, formats, pickles and dataclass dumps never show it; `reveal()` does."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """Return the text itself, for the one who signs or connects with it."""
        return self._text

    def __repr__(self) -> str:
        return f"Secret({_MASK!r})"

    def __str__(self) -> str:
        return _MASK

    def __eq__(self, other: object) -> bool:
        return self._text == other._text if isinstance(other, Secret) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._text)

    def __reduce__(self) -> str:
        raise TypeError("a Secret is not written anywhere")

    def __copy__(self) -> Secret:
        return self

    def __deepcopy__(self, memo: object) -> Secret:
        return self


def shown_url(url: str) -> str:
    """Return a URL with what may be secret in it masked: the password before the host and every query value.

    A name before the host stays: `postgresql://app:********@db/syncer?sslmode=********`.
    """
    masked = re.sub(r"(?<=://)([^/?#:@]*)(?::.*)?@", lambda found: _with_mask(found[1], found[0]), url, count=1)
    return re.sub(r"(?<==)[^&#]+", _MASK, masked)


def sqlalchemy_url(url: str) -> str:
    """Return a PostgreSQL URL with the driver named, as SQLAlchemy wants it: `postgresql+psycopg://...`."""
    return re.sub(r"\Apostgres(?:ql)?(?:\+psycopg)?://", "postgresql+psycopg://", url, flags=re.IGNORECASE)


def _with_mask(name: str, whole: str) -> str:
    return f"{name}:{_MASK}@" if ":" in whole else whole
