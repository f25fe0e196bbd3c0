"""What one request asks for: where, in which language, by whom; and the links that lead on from there."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote, urlencode

from starlette.requests import Request

from syncer.report.language import Lang

LANGUAGE_COOKIE = "syncer_language"
_OFFER = re.compile(r"\s*([A-Za-z*]{1,8})(?:-[A-Za-z0-9-]*)?\s*(?:;\s*q\s*=\s*([0-9.]{1,5}))?\s*")


class NotThere(Exception):
    """There is no such file, alert or pull."""


class NotUnderstood(Exception):
    """The address does not say what is asked for in a way that can be understood."""


@dataclass(frozen=True, slots=True)
class Visit:
    """One request. `query` holds the last value of each name, `user` is None where anybody may come in.

    `token` is what its forms carry. `path` is fit for a link, values may hold anything that a caller wrote.
    """

    path: str
    query: Mapping[str, str]
    lang: Lang
    user: str | None
    token: str

    def here(self, **changes: str | None) -> str:
        """Return this address with other values; None takes one away."""
        return link(self.path, **{**self.query, **changes})

    def get(self, name: str) -> str:
        """Return a value of the address; empty when it is not there."""
        return self.query.get(name, "")


def link(path: str, /, **values: str | int | None) -> str:
    """Return an address on this page; None and empty values are left out."""
    given = {name: value for name, value in values.items() if value not in (None, "")}
    return f"{path}?{urlencode(given, errors='replace')}" if given else path


def read(request: Request, token: str) -> Visit:
    """Return what a request asks for."""
    return Visit(
        path=quote("/" + request.url.path.lstrip("/")),  # two slashes would lead to another host
        query={name: value for name, value in request.query_params.items() if name != "lang"},
        lang=language(request),
        user=request.scope.get("syncer.user"),
        token=token,
    )


def language(request: Request) -> Lang:
    """Return the language that the address, a cookie or the browser asks for, in this order."""
    for wish in (request.query_params.get("lang"), request.cookies.get(LANGUAGE_COOKIE)):
        if wish in set(Lang):
            return Lang(wish)
    offers: list[tuple[float, Lang]] = []
    for offer in request.headers.get("accept-language", "")[:500].split(","):
        found = _OFFER.fullmatch(offer)
        if found and found[1].lower() in set(Lang):
            offers.append((_quality(found[2]), Lang(found[1].lower())))
    best = max(offers, key=lambda offer: offer[0], default=(1.0, Lang.EN))
    return best[1] if best[0] > 0 else Lang.EN


def _quality(text: str | None) -> float:
    try:
        return 1.0 if text is None else float(text)
    except ValueError:
        return 0.0
